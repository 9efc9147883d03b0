/* cpu.c: opening the cpu backend (options, level, pool), its memory, and its vtable. */
#include "backends/cpu/cpu.h"

#include <stdio.h>
#include <string.h>

#include "backends/internal.h"
#include "tensor/platform.h"

enum { MAX_THREADS = 256 };

static tl_status choose_level(tl_cpu *c, const char *name, tl_error *err) {
    c->level = tl_level_find(name);
    for (int i = 0; name && tl_cpu_level_name(i); i++)
        if (strcmp(tl_cpu_level_name(i), name) == 0 && tl_cpu_level_lacks(i))
            return tl_fail(err, TL_ERR_UNSUPPORTED, "backend cpu: level %s cannot run: %s; leave isa= away for the best level of this CPU",
                           name, tl_cpu_level_lacks(i));
    if (!c->level) {
        char list[160] = "";
        for (int i = 0; tl_cpu_level_name(i); i++) {
            strcat(list, i ? ", " : "");
            strcat(list, tl_cpu_level_name(i));
        }
        return tl_fail(err, TL_ERR_USAGE, "backend cpu: isa=%s is unknown; levels are %s", name, list);
    }
    tl_level_flatten(c->level, &c->kernels);
    tl_level_names(c->level, &c->names);
    /* attention runs several kernels: the step is called after the level that scores queries against keys */
    const char *scores = c->names.attention_scores[0];
    for (int i = 0; i < 2; i++)
        snprintf(c->attention[i], sizeof c->attention[i], "%.*s_attention_%s", (int)strcspn(scores, "_"), scores, i ? "f16" : "f32");
    return TL_OK;
}

const char *tl_cpu_kernel_name(const tl_cpu *cpu, const char *slot, int entry) {
#define TL_KERNEL(name, type, entries) \
    if (strcmp(slot, #name) == 0)      \
        return cpu->names.name[(entries) > 1 ? entry : 0];
#include "backends/cpu/kernels.def"
#undef TL_KERNEL
    return cpu->level->name;
}

tl_status tl_cpu_open(tl_backend *be, const char *options, bool reference, tl_error *err) {
    tl_cpu *c = tl_alloc(sizeof *c);
    if (!c)
        return tl_fail(err, TL_ERR_MEMORY, "backend: out of memory");
    be->impl = c;
    c->reference = reference;
    c->pack = !reference;
    int cores = tl_cpu_count();
    c->threads = cores < MAX_THREADS ? cores : MAX_THREADS;
    c->tile = 10000; /* some microseconds: less does not pay for waking a thread */
    const char *list = options;
    char isa[64] = "";
    tl_option o;
    tl_status s;
    while ((s = tl_option_next(&list, &o, err)) == TL_MORE) {
        int v = 0;
        if (strcmp(o.key, "threads") == 0) {
            if ((s = tl_option_int(&o, 1, MAX_THREADS, &c->threads, err)))
                return s;
        } else if (strcmp(o.key, "tile") == 0) {
            if ((s = tl_option_int(&o, 1, INT32_MAX, &c->tile, err)))
                return s;
        } else if (strcmp(o.key, "pack") == 0 && !reference) {
            if ((s = tl_option_int(&o, 0, 1, &v, err)))
                return s;
            c->pack = v;
        } else if (strcmp(o.key, "isa") == 0 && !reference) {
            memcpy(isa, o.value, sizeof isa);
        } else {
            return tl_fail(err, TL_ERR_USAGE, "backend %s: option '%s' is unknown; %s is %s", be->ops->name, o.key, be->ops->name,
                           be->ops->help);
        }
    }
    if (s)
        return s;
    if (!reference && (s = choose_level(c, *isa ? isa : NULL, err)))
        return s;
    if (reference)
        snprintf(c->text, sizeof c->text, "ref, %d thread%s", c->threads, c->threads == 1 ? "" : "s");
    else
        snprintf(c->text, sizeof c->text, "cpu, level %s, %d thread%s%s", c->level->name, c->threads, c->threads == 1 ? "" : "s",
                 c->pack ? "" : ", weights as stored");
    return tl_pool_new(&c->pool, c->threads, err);
}

static tl_status open_cpu(tl_backend *be, const char *options, tl_error *err) {
    return tl_cpu_open(be, options, false, err);
}

void tl_cpu_close(tl_backend *be) {
    tl_cpu *c = be->impl;
    tl_pool_free(c->pool);
    tl_free(c);
}

tl_status tl_cpu_alloc(tl_backend *be, size_t bytes, tl_buffer *out) {
    *out = (tl_buffer){.data = tl_alloc_aligned(bytes), .bytes = bytes};
    if (!out->data)
        return TL_ERR_MEMORY;
    out->backend = be;
    return TL_OK;
}

void tl_cpu_free(tl_backend *be, tl_buffer *b) {
    (void)be;
    tl_free_aligned(b->data, b->bytes);
    *b = (tl_buffer){.data = NULL};
}

typedef struct plain_job {
    void (*fn)(void *arg, int64_t tile);
    void *arg;
} plain_job;

static void run_plain(void *arg, int64_t tile, int worker) {
    const plain_job *job = arg;
    (void)worker;
    job->fn(job->arg, tile);
}

void tl_cpu_parallel(tl_backend *be, void (*fn)(void *arg, int64_t tile), void *arg, int64_t tiles) {
    plain_job job = {fn, arg};
    tl_mutex_lock(be->lock); /* the pool runs one thing at a time */
    tl_pool_run(((tl_cpu *)be->impl)->pool, run_plain, &job, tiles);
    tl_mutex_unlock(be->lock);
}

const char *tl_cpu_describe(tl_backend *be) {
    return ((const tl_cpu *)be->impl)->text;
}

int tl_cpu_threads(tl_backend *be) {
    return ((const tl_cpu *)be->impl)->threads;
}

const tl_layout *tl_cpu_layout(tl_backend *be, const tl_tensor *w, unsigned uses) {
    const tl_cpu *c = be->impl;
    if (!c->pack || !(uses & TL_USE_LINEAR) || uses & TL_USE_OTHER || w->rank != 2)
        return NULL;
    if (tl_bytes(w) / (size_t)tl_dim(w, 0) > SIZE_MAX / 4 / TL_PANEL) /* few rows, so long that padded to a panel they fit no size_t */
        return NULL;
    return c->kernels.panel[w->dtype] ? tl_cpu_layout_of(w->dtype) : NULL;
}

int64_t tl_cpu_tile_rows(const tl_cpu *cpu, int64_t rows, double work) {
    if (!(work * (double)rows > cpu->tile)) /* also where an op says that it costs NaN */
        return rows;
    int64_t least = (int64_t)(cpu->tile / work) + 1, even = (rows + cpu->threads * 4 - 1) / (cpu->threads * 4);
    return even > least ? even : least < rows ? least : rows;
}

const tl_backend_ops tl_cpu_ops = {
    .name = "cpu",
    .help = "threads and SIMD; options isa=LEVEL, threads=N, pack=0|1, tile=OPERATIONS",
    .open = open_cpu,
    .close = tl_cpu_close,
    .alloc = tl_cpu_alloc,
    .free = tl_cpu_free,
    .layout = tl_cpu_layout,
    .parallel = tl_cpu_parallel,
    .compile = tl_cpu_compile,
    .drop = tl_cpu_drop,
    .run = tl_cpu_run,
    .describe = tl_cpu_describe,
    .threads = tl_cpu_threads,
    .peaks = tl_cpu_peaks,
};
