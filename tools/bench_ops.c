/* bench_ops.c: `llama bench --ops`: every op at the shapes of a model on every level: its rows are compared with those of ref, bit for bit, and
 * then it is timed. A difference ends the program with exit code 5 before anything of that op is timed. */
#include "tools/bench_ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/say.h"
#include "tools/term.h"

enum { BACKENDS_MAX = 16, PRINTERS = 2, WINDOWS = 2 };
#define CHECK_WORK 1e8          /* operations that ref may take for rows to compare with; at least one row is */
#define SAMPLE_SECONDS 0.003    /* a repetition runs an op until so much time is over */
#define CASE_SECONDS 1.0        /* no further repetition after so long */
#define COLD_BYTES (128u << 20) /* of operands that are read once: more than a cache holds */

typedef struct OpBackend {
    tl_backend *be;
    tl_peaks peaks;
} OpBackend;

/* Rows that ref computed: the first and the last of the case. */
typedef struct Expected {
    int64_t rows; /* of each window */
    int windows;
    int64_t from[WINDOWS];
    size_t bytes; /* of a window */
    uint8_t *data[WINDOWS];
} Expected;

typedef struct Ops {
    const Settings *settings;
    const Lists *lists;
    OpShapes shapes;
    tl_backend *ref;
    OpBackend backend[BACKENDS_MAX];
    int n_backends;
    OpPrinter printer[PRINTERS];
    int n_printers;
} Ops;

/* ---- backends ---- */

static int add_backend(Ops *o, const char *spec, int64_t threads) {
    if (o->n_backends == BACKENDS_MAX)
        return say_error(EXIT_USAGE, "--backend, -t: %d combinations at most", BACKENDS_MAX);
    OpBackend *b = &o->backend[o->n_backends];
    int code = backend_open(&b->be, spec, threads);
    if (code)
        return code;
    o->n_backends++;
    b->peaks = profile_peaks(b->be, true);
    if (b->peaks.read > 0 && say_get_level() > SAY_ERRORS) {
        fprintf(stderr, "%s: ", tl_backend_describe(b->be));
        profile_print_peaks(stderr, &b->peaks);
    }
    return 0;
}

/* Those of --backend, else every level of cpu; each with every number of threads. */
static int open_backends(Ops *o) {
    const Lists *l = o->lists;
    int code = 0;
    for (int i = 0; code == 0; i++) {
        const char *spec = l->backends.n == 0 ? tl_backend_openable(i) : i < l->backends.n ? l->backends.v[i] : NULL;
        if (!spec)
            break;
        if (l->backends.n == 0 && strncmp(spec, "cpu:", 4) != 0)
            continue;
        int n_threads = strstr(spec, "threads=") ? 1 : l->threads.n;
        for (int t = 0; t < n_threads && code == 0; t++)
            code = add_backend(o, spec, l->threads.v[t]);
    }
    return code;
}

/* ---- results to compare with ---- */

static void drop_expected(Expected *e) {
    for (int i = 0; i < WINDOWS; i++)
        free(e->data[i]);
    *e = (Expected){0};
}

/* Rows that ref computes in about CHECK_WORK operations, as its own count of one row's says. */
static int64_t rows_to_check(const OpGraph *b) {
    const tl_plan_profile_row *rows;
    int n = tl_plan_profile(b->plan, &rows);
    double work = 1;
    for (int i = 0; i < n; i++)
        work += rows[i].cost.ops + rows[i].cost.written;
    int64_t most = b->c->rows / WINDOWS > 0 ? b->c->rows / WINDOWS : 1, count = (int64_t)(CHECK_WORK / WINDOWS / work) + 1;
    return count < most ? count : most;
}

static size_t row_bytes(const tl_tensor *t) {
    return tl_bytes(t) / (size_t)t->shape[0];
}

/* Runs on ref. A state, and what has no rows of operands, is computed whole. */
static tl_status expect(Expected *e, OpGraph *b) {
    bool whole = op_row(b->c->op)->whole;
    tl_status s = op_graph_rows(b, 0, whole ? b->c->rows : 1);
    if (s || (s = tl_plan_run(b->plan, &b->err)))
        return s;
    e->rows = whole ? b->first->shape[0] : rows_to_check(b);
    e->windows = whole || e->rows == b->c->rows ? 1 : WINDOWS;
    e->bytes = row_bytes(b->first) * (size_t)e->rows;
    for (int i = 0; i < e->windows && s == TL_OK; i++) {
        e->from[i] = i == 0 ? 0 : b->c->rows - e->rows;
        e->data[i] = malloc(e->bytes);
        if (!e->data[i])
            return tl_fail(&b->err, TL_ERR_MEMORY, "out of memory for results");
        if (!whole && ((s = op_graph_rows(b, e->from[i], e->rows)) || (s = tl_plan_run(b->plan, &b->err))))
            return s;
        s = tl_read(b->first, e->data[i], e->bytes, &b->err);
    }
    return s;
}

/* Equal bits; of an f32 that is NaN, only that it is. The first difference's byte is in *at. */
static bool equal(const tl_tensor *t, const uint8_t *want, const uint8_t *got, size_t bytes, size_t *at) {
    for (*at = 0; *at < bytes; *at += 4) {
        size_t n = bytes - *at < 4 ? bytes - *at : 4;
        float a, b;
        if (memcmp(want + *at, got + *at, n) == 0)
            continue;
        memcpy(&a, want + *at, n);
        memcpy(&b, got + *at, n);
        if (t->dtype != TL_F32 || !isnan(a) || !isnan(b))
            return false;
    }
    return true;
}

/* Near: what a backend that adds in an order of its own may give. */
static bool near(const tl_tensor *t, const uint8_t *want, const uint8_t *got, size_t bytes) {
    float most = 0, apart = 0;
    for (size_t at = 0; t->dtype == TL_F32 && at < bytes; at += sizeof(float)) {
        float a, b;
        memcpy(&a, want + at, sizeof a);
        memcpy(&b, got + at, sizeof b);
        if (isnan(a) != isnan(b))
            return false;
        most = fabsf(a) > most ? fabsf(a) : most;
        apart = fabsf(a - b) > apart ? fabsf(a - b) : apart;
    }
    return t->dtype == TL_F32 && apart <= most * 0x1p-10f;
}

/* The result of one copy against what ref gave. */
static int compare(const Expected *e, OpGraph *b, const tl_tensor *t) {
    char shape[64];
    size_t row = row_bytes(t), at;
    uint8_t *got = malloc(row * (size_t)t->shape[0]);
    if (!got)
        return say_error(EXIT_MEMORY, "out of memory for results");
    int code = tl_read(t, got, row * (size_t)t->shape[0], &b->err) ? say_status(EXIT_RUN, &b->err) : 0;
    for (int i = 0; i < e->windows && code == 0; i++)
        if (!equal(t, e->data[i], got + row * (size_t)e->from[i], e->bytes, &at) &&
            (tl_backend_same_bits(b->be->spec) || !near(t, e->data[i], got + row * (size_t)e->from[i], e->bytes)))
            code =
                say_error(EXIT_DIFFERENT, "%s %s%s%s on '%s' is not what ref gives: row %lld, byte %zu; nothing is timed; please report it",
                          tl_op_get(b->c->op)->name, op_graph_shape(b, shape, sizeof shape), b->c->type < TL_N_DTYPES ? " " : "",
                          b->c->type < TL_N_DTYPES ? tl_dtype_get(b->c->type)->name : "", tl_backend_describe(b->be),
                          (long long)(e->from[i] + (int64_t)(at / row)), at % row);
    free(got);
    return code;
}

/* ---- timing ---- */

/* One run: seconds, bytes and operations of its steps. */
static tl_status run_once(OpGraph *b, const tl_peaks *peaks, ProfileSum *sum) {
    tl_plan_profile_reset(b->plan);
    tl_status s = tl_plan_run(b->plan, &b->err);
    if (s == TL_OK)
        *sum = profile_sum(b->plan, peaks);
    return s;
}

static int run_timed(Ops *o, OpGraph *b, const tl_peaks *peaks, OpResult *r) {
    const tl_plan_profile_row *rows;
    int n = tl_plan_profile(b->plan, &rows), copies = b->c->copies;
    double total = 0;
    r->kernel = n > 0 ? rows[n - 1].kernel : "";
    term_utc(r->time);
    for (r->n = 0; r->n < o->settings->repetitions && (r->n == 0 || total < CASE_SECONDS); r->n++) {
        double seconds = 0;
        int runs = 0;
        for (; runs == 0 || seconds < SAMPLE_SECONDS; runs++) {
            if (run_once(b, peaks, &r->sum))
                return say_status(EXIT_RUN, &b->err);
            seconds += r->sum.seconds;
        }
        r->samples[r->n] = seconds / runs / copies;
        total += seconds;
    }
    double *parts[] = {&r->sum.ops, &r->sum.bytes, &r->sum.memory, &r->sum.compute, &r->sum.least};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        *parts[i] /= copies;
    r->sum.seconds = bench_mean(r->samples, r->n);
    return 0;
}

static void on_interrupt(void *plan) {
    tl_plan_cancel(plan);
}

/* The case on one backend. */
static int run_backend(Ops *o, const OpCase *c, const Expected *e, const OpBackend *be) {
    OpGraph b;
    OpResult r = {.samples = malloc((size_t)o->settings->repetitions * sizeof *r.samples)};
    int code = r.samples ? 0 : say_error(EXIT_MEMORY, "out of memory for the samples");
    if (code == 0 && (op_graph_open(&b, &o->shapes, c, be->be, c->copies) || op_graph_rows(&b, 0, c->rows)))
        code = say_status(EXIT_RUN, &b.err);
    if (code == 0) {
        term_on_interrupt(on_interrupt, b.plan);
        if (term_interrupts())
            code = EXIT_INTERRUPTED; /* while it was built */
        else if (run_once(&b, &be->peaks, &r.sum))
            code = say_status(EXIT_RUN, &b.err);
    }
    if (code == 0 && (code = compare(e, &b, b.first)) == 0)
        code = compare(e, &b, b.last);
    if (code == 0 && r.sum.bytes > 0 && (code = run_timed(o, &b, &be->peaks, &r)) == 0)
        for (int i = 0; i < o->n_printers; i++)
            op_print(&o->printer[i], &b, &be->peaks, &r);
    if (code == 0 && !out_open())
        code = BENCH_UNREAD;
    term_on_interrupt(NULL, NULL);
    if (r.samples)
        op_graph_close(&b);
    free(r.samples);
    return code;
}

static int run_case(Ops *o, const OpCase *c) {
    OpGraph b;
    Expected e = {0};
    int code = 0;
    if (say_get_level() > SAY_ERRORS)
        term_progress(tl_op_get(c->op)->name, (double)c->op / TL_N_OPS);
    tl_status s = op_graph_open(&b, &o->shapes, c, o->ref, 1);
    if (s == TL_OK) {
        term_on_interrupt(on_interrupt, b.plan);
        s = term_interrupts() ? TL_CANCELLED : expect(&e, &b);
    }
    if (s)
        code = s == TL_CANCELLED ? EXIT_INTERRUPTED : say_status(EXIT_RUN, &b.err);
    term_on_interrupt(NULL, NULL);
    op_graph_close(&b);
    for (int i = 0; i < o->n_backends && code == 0; i++)
        code = term_interrupts() ? EXIT_INTERRUPTED : run_backend(o, c, &e, &o->backend[i]);
    drop_expected(&e);
    return code;
}

/* ---- cases ---- */

static int copies_of(double bytes, int64_t rows) {
    double n = bytes > 0 && rows < 4 ? COLD_BYTES / bytes + 1 : 1;
    return n > 32 ? 32 : (int)n;
}

static double weight_bytes(const OpWeight *w) {
    const tl_dtype_info *d = tl_dtype_get(w->type);
    return (double)w->n * (double)w->k / d->block * d->block_bytes;
}

/* One op for so many rows: with every weight, every depth and type of keys. */
static int run_op(Ops *o, int op, int64_t rows) {
    const Lists *l = o->lists;
    const OpShapes *s = &o->shapes;
    static const int64_t usual_depths[] = {512, 4096};
    OpCase c = {.op = op, .rows = rows, .type = TL_N_DTYPES, .copies = 1};
    int code = 0;
    if (op == TL_OP_LINEAR || op == TL_OP_EMBED || op == TL_OP_UNPACK) {
        const OpWeight *w = op == TL_OP_EMBED ? s->embed : s->linear;
        int n = op == TL_OP_EMBED ? s->n_embed : s->n_linear;
        for (int i = 0; i < n && code == 0; i++) {
            c.weight = w[i];
            c.type = w[i].type;
            c.copies = op == TL_OP_LINEAR ? copies_of(weight_bytes(&w[i]), rows) : 1;
            code = run_case(o, &c);
        }
        return code;
    }
    if (op != TL_OP_ATTENTION)
        return run_case(o, &c);
    const int64_t *depths = o->settings->list_depth.n ? l->depth.v : usual_depths;
    for (int d = 0; d < (o->settings->list_depth.n ? l->depth.n : 2); d++)
        for (int t = 0; t < l->types.n && code == 0; t++) {
            c.depth = depths[d];
            c.type = l->types.v[t];
            c.copies = copies_of(2.0 * (double)((c.depth + rows) * s->heads_kv * s->head_dim) * tl_dtype_get(c.type)->block_bytes, rows);
            code = run_case(o, &c);
        }
    return code;
}

static bool is_wanted(const Lists *l, const char *name) {
    for (int i = 0; i < l->ops.n; i++)
        if (strcmp(l->ops.v[i], name) == 0)
            return true;
    return l->ops.n == 0;
}

static bool any_above_0(const IntList *list) {
    for (int i = 0; i < list->n; i++)
        if (list->v[i] > 0)
            return true;
    return false;
}

/* Rows: of prompts as in -p, and one, unless -n is 0. */
static int run_ops(Ops *o) {
    const Lists *l = o->lists;
    int code = 0;
    for (int op = 0; op < TL_N_OPS && code == 0; op++) {
        if (!op_row(op) || !is_wanted(l, tl_op_get(op)->name))
            continue;
        bool once = op == TL_OP_UNPACK; /* has no rows of operands */
        for (int i = 0; i < l->prompt.n && code == 0 && !once; i++)
            if (l->prompt.v[i] > 0)
                code = run_op(o, op, l->prompt.v[i]);
        if (code == 0 && (any_above_0(&l->gen) || once))
            code = run_op(o, op, 1);
    }
    return code;
}

static int check_names(const Settings *s, const Lists *l) {
    const char *names[TL_N_OPS + 1];
    int n = 0;
    for (int op = 0; op < TL_N_OPS; op++)
        if (op_row(op))
            names[n++] = tl_op_get(op)->name;
    names[n] = NULL;
    for (int i = 0; i < l->ops.n; i++) {
        int k = 0;
        while (k < n && strcmp(names[k], l->ops.v[i]) != 0)
            k++;
        if (k == n && nearest_word(l->ops.v[i], names))
            return say_usage(s, "--op: '%.60s' is not an op that moves data; is it %s?", l->ops.v[i], nearest_word(l->ops.v[i], names));
        if (k == n)
            return say_usage(s, "--op: '%.60s' is not an op that moves data", l->ops.v[i]);
    }
    return 0;
}

int bench_ops(const Settings *s, const Lists *l) {
    Ops o = {.settings = s, .lists = l};
    int code = check_names(s, l);
    if (code)
        return code;
    if (s->models.n > 1)
        return say_usage(s, "--ops takes the shapes of one model; %d are given", s->models.n);
    if (!any_above_0(&l->prompt) && !any_above_0(&l->gen) && !is_wanted(l, tl_op_get(TL_OP_UNPACK)->name))
        return say_usage(s, "nothing to measure: -p and -n name no rows");
    op_shapes_typical(&o.shapes);
    if ((code = backend_open(&o.ref, "ref", 0)) == 0 && s->models.n == 1)
        code = op_shapes_of_model(&o.shapes, s->models.text[0], o.ref);
    if (code == 0 && (code = open_backends(&o)) == 0) {
        o.printer[o.n_printers++] = op_printer(stdout, s->format);
        if (s->format_err)
            o.printer[o.n_printers++] = op_printer(stderr, s->format_err);
        code = run_ops(&o);
        for (int i = 0; i < o.n_printers; i++)
            op_print_end(&o.printer[i]);
    }
    term_progress_clear();
    for (int i = 0; i < o.n_backends; i++)
        tl_backend_free(o.backend[i].be);
    tl_backend_free(o.ref);
    return code == BENCH_UNREAD ? EXIT_DONE : code;
}
