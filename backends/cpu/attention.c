/* attention.c: the drivers of attention. A tile is a block of queries of one head group. Keys and values come to f32 in blocks that fit the
 * first cache, once for all queries and heads of the tile; chunks and their combination follow the reference to the bit
 * (ops/attention.c), so where a tile begins cannot matter.
 *
 * One query alone over many keys has too few tiles for many threads. Then its chunks are the tiles (*split*), what they give is kept, and a
 * second step combines it (*join*) in the order of the first. */
#include <string.h>

#include "backends/cpu/cpu.h"
#include "ops/internal.h"
#include "tensor/math.h"
#include "tensor/platform.h"

enum { Q, K, V, SPAN, PAGES, BIAS, SINKS };
enum { MOST_LENGTH = 1 << 16 }; /* of a head */
enum { QUERIES = 16 };          /* a tile's queries: enough to share a block's decoding, few enough to share work among threads */
enum { BLOCK_FLOATS = 2048 };

typedef struct shape {
    int64_t heads, group, d, dv; /* heads of q, q heads a kv head, lengths of key and value */
} shape;

static shape shape_of(const tl_tensor *t) {
    int64_t heads = tl_dim(t->src[Q], 1);
    return (shape){heads, heads / tl_dim(t->src[K], 1), tl_dim(t->src[Q], 2), tl_dim(t, 2)};
}

bool tl_cpu_attention_fits(const tl_tensor *t) {
    shape s = shape_of(t); /* heads so long that a chunk of keys would be gigabytes go to the reference, which holds one key at a time */
    return s.d <= MOST_LENGTH && s.dv <= MOST_LENGTH && tl_row_dense(t->src[Q]) && tl_dense(t->src[SPAN]) &&
           (!t->src[PAGES] || tl_dense(t->src[PAGES]));
}

/* Keys or values that are brought to f32 at once: 8 KiB, a quarter of a first cache, since their f16 and those asked for lie there too. */
static int64_t block_keys(int64_t length) {
    int64_t n = BLOCK_FLOATS / length / 4 * 4;
    return n < 4 ? 4 : n < TL_ATTENTION_CHUNK ? n : TL_ATTENTION_CHUNK;
}

/* A tile's scratch. Queries and heads of the group are numbered together: unit = query * group + head. */
typedef struct work {
    float *block;   /* keys or values at hand */
    float *q;       /* [units][d] */
    float *a;       /* [units][dv] */
    float *m, *l;   /* [units] */
    float *p;       /* [units][256]: scores, then weights, of the chunk at hand */
    float *c;       /* [units][dv] and */
    float *cm, *cl; /* [units]: what the chunk gives */
} work;

static int64_t block_floats(shape s) {
    int64_t k = block_keys(s.d) * s.d, v = block_keys(s.dv) * s.dv;
    return k > v ? k : v;
}

/* Bytes of a times b times c floats; SIZE_MAX where that is no size. */
static size_t bytes_of(int64_t a, int64_t b, int64_t c) {
    return tl_mul_saturated(tl_mul_saturated(tl_mul_saturated(sizeof(float), (uint64_t)a), (uint64_t)b), (uint64_t)c);
}

size_t tl_cpu_attention_scratch(const tl_tensor *t) {
    shape s = shape_of(t);
    return tl_add_saturated(bytes_of(QUERIES, s.group, s.d + 2 * s.dv + 4 + TL_ATTENTION_CHUNK), bytes_of(block_floats(s), 1, 1));
}

static work work_of(shape s, int64_t queries, void *scratch) {
    int64_t units = queries * s.group;
    work w;
    w.block = scratch;
    w.q = w.block + block_floats(s);
    w.a = w.q + units * s.d;
    w.m = w.a + units * s.dv;
    w.l = w.m + units;
    w.p = w.l + units;
    w.c = w.p + units * TL_ATTENTION_CHUNK;
    w.cm = w.c + units * s.dv;
    w.cl = w.cm + units;
    return w;
}

/* Keys or values t0 <= t < t1 of a sequence as f32 [t1 - t0][length], page by page. */
static void fetch(const tl_kernels *f, const tl_tensor *t, const tl_tensor *kv, int64_t kv_head, int32_t sequence, int64_t t0, int64_t t1,
                  float *dst) {
    int64_t length = tl_dim(kv, 2);
    const int32_t *page = t->src[PAGES] ? tl_row(t->src[PAGES], sequence) : NULL;
    while (t0 < t1) {
        int64_t n = t1 - t0, row = t0;
        if (page) {
            int64_t left = TL_ATTENTION_PAGE - t0 % TL_ATTENTION_PAGE;
            n = n < left ? n : left;
            row = (int64_t)page[t0 / TL_ATTENTION_PAGE] * TL_ATTENTION_PAGE + t0 % TL_ATTENTION_PAGE;
        }
        const char *src = (const char *)tl_data(kv) + row * kv->stride[0] + kv_head * kv->stride[1];
        if (kv->dtype == TL_F16)
            f->from_f16[0](dst, src, (size_t)kv->stride[0], n, length);
        else
            for (int64_t i = 0; i < n; i++)
                memcpy(dst + i * length, src + i * kv->stride[0], (size_t)length * sizeof(float));
        dst += n * length;
        t0 += n;
    }
}

static const float *bias_row(const tl_tensor *t, int64_t query, int64_t head) {
    const tl_tensor *b = t->src[BIAS];
    return b ? (const void *)((const char *)tl_data(b) + (b->shape[0] > 1 ? query * b->stride[0] : 0) +
                              (b->shape[1] > 1 ? head * b->stride[1] : 0))
             : NULL;
}

/* Cap and bias of one head's scores of keys t0 .. t0 + n - 1. */
static void adjust(const tl_tensor *t, float *p, int64_t query, int64_t head, int64_t t0, int64_t n) {
    const tl_attention_params *params = t->params;
    const float *bias = bias_row(t, query, head);
    for (int64_t i = 0; params->cap > 0 && i < n; i++)
        p[i] = params->cap * tl_tanhf(p[i] / params->cap);
    for (int64_t i = 0; bias && i < n; i++)
        p[i] += bias[t0 + i];
}

/* A range of keys. */
typedef struct keys {
    int64_t low, high;
} keys;

/* A tile at work: queries i0 <= i < i1, all of one sequence as long as chunks are swept; base: the query of unit 0. */
typedef struct job {
    const tl_kernels *f;
    const tl_tensor *t;
    const int32_t *span; /* [queries][3] */
    shape s;
    work w;
    int64_t kv_head, base, i0, i1;
} job;

static keys visible(const job *j, int64_t query, int64_t low, int64_t high) {
    const int32_t *span = j->span + 3 * query;
    return (keys){span[1] > low ? span[1] : low, span[2] < high ? span[2] : high};
}

/* Units from u on that see the same keys of low .. high - 1: at most TL_HEADS, 1 at least. */
static int64_t alike(const job *j, int64_t u, int64_t end, int64_t low, int64_t high, keys *seen) {
    int64_t query = j->base + u / j->s.group, n = j->s.group - u % j->s.group;
    *seen = visible(j, query, low, high);
    for (; n < TL_HEADS && u + n < end; n += j->s.group) {
        keys k = visible(j, ++query, low, high);
        if (k.low != seen->low || k.high != seen->high)
            break;
    }
    return n < TL_HEADS ? n : TL_HEADS;
}

/* Scores (keys) or values of one block of a chunk, from <= low < high. */
static void block_of(const job *j, bool values, int64_t from, int64_t low, int64_t high) {
    const work *w = &j->w;
    const tl_attention_params *params = j->t->params;
    const tl_tensor *kv = j->t->src[values ? V : K];
    bool half = kv->dtype == TL_F16;
    int64_t end = (j->i1 - j->base) * j->s.group, length = tl_dim(kv, 2);
    fetch(j->f, j->t, kv, j->kv_head, j->span[3 * j->i0], low, high, w->block);
    for (int64_t u = (j->i0 - j->base) * j->s.group, n; u < end; u += n) {
        keys k;
        n = alike(j, u, end, low, high, &k);
        if (k.low >= k.high)
            continue;
        float *p = w->p + u * TL_ATTENTION_CHUNK + (k.low - from), *x = w->block + (k.low - low) * length;
        if (values)
            j->f->attention_values[0](w->c + u * length, length, p, TL_ATTENTION_CHUNK, (int)n, x, k.high - k.low, length, half);
        else
            j->f->attention_scores[0](p, TL_ATTENTION_CHUNK, w->q + u * length, length, (int)n, x, k.high - k.low, length, params->scale,
                                      half);
    }
}

/* Keys from <= t < to of one chunk: c, cm and cl of each unit that sees some of them. */
static void chunk_of(const job *j, int64_t from, int64_t to) {
    const work *w = &j->w;
    int64_t group = j->s.group, dv = j->s.dv;
    bool half = j->t->src[V]->dtype == TL_F16;
    for (int64_t low = from, n = block_keys(j->s.d); low < to; low += n)
        block_of(j, false, from, low, low + n < to ? low + n : to);
    for (int64_t i = j->i0; i < j->i1; i++) {
        keys k = visible(j, i, from, to);
        for (int64_t h = 0; k.low < k.high && h < group; h++) {
            int64_t u = (i - j->base) * group + h;
            float *p = w->p + u * TL_ATTENTION_CHUNK + (k.low - from);
            adjust(j->t, p, i, j->kv_head * group + h, k.low, k.high - k.low);
            j->f->attention_weights[0](p, k.low, k.high - k.low, half, &w->cm[u], &w->cl[u]);
            memset(w->c + u * dv, 0, (size_t)dv * sizeof(float));
        }
    }
    for (int64_t low = from, n = block_keys(dv); low < to; low += n)
        block_of(j, true, from, low, low + n < to ? low + n : to);
}

/* The running m, l and a [dv] of one unit take in a chunk's m, l and c, which is overwritten. */
static void combine(const tl_kernels *f, float *m, float *l, float *a, float chunk_m, float chunk_l, float *c, int64_t dv) {
    float both = tl_maxf(*m, chunk_m), old = tl_expf(*m - both), now = tl_expf(chunk_m - both);
    *l = *l * old + chunk_l * now;
    f->scale[0](a, a, old, dv);
    f->scale[0](c, c, now, dv);
    f->add[0](a, a, c, dv);
    *m = both;
}

static keys keys_of(const tl_tensor *t, int64_t query) {
    const int32_t *span = (const int32_t *)tl_data(t->src[SPAN]) + 3 * query;
    return (keys){span[1], span[2] > span[1] ? span[2] : span[1]};
}

/* The first query after i0 (i1 at most) that cannot share fetched keys with those before it: it is of another sequence, or its keys lie
 * apart from theirs. What lies in a gap must not be read: its pages may not exist. *seen: the keys of the queries before it. */
static int64_t company(const tl_tensor *t, int64_t i0, int64_t i1, keys *seen) {
    const int32_t *span = tl_data(t->src[SPAN]);
    *seen = keys_of(t, i0);
    int64_t i = i0 + 1;
    for (; i < i1 && span[3 * i] == span[3 * i0]; i++) {
        keys more = keys_of(t, i);
        if (more.low >= more.high)
            continue;
        if (seen->low >= seen->high)
            *seen = more;
        if (more.low > seen->high || more.high < seen->low)
            break;
        seen->low = more.low < seen->low ? more.low : seen->low;
        seen->high = more.high > seen->high ? more.high : seen->high;
    }
    return i;
}

/* All chunks of keys low <= t < high, which the job's queries see between them. */
static void sweep(const job *j, int64_t low, int64_t high) {
    const work *w = &j->w;
    int64_t dv = j->s.dv;
    for (int64_t chunk = low / TL_ATTENTION_CHUNK * TL_ATTENTION_CHUNK; low < high && chunk < high; chunk += TL_ATTENTION_CHUNK) {
        int64_t from = chunk < low ? low : chunk, to = chunk + TL_ATTENTION_CHUNK < high ? chunk + TL_ATTENTION_CHUNK : high;
        chunk_of(j, from, to);
        for (int64_t i = j->i0; i < j->i1; i++) {
            keys k = visible(j, i, from, to);
            for (int64_t u = (i - j->base) * j->s.group; k.low < k.high && u < (i + 1 - j->base) * j->s.group; u++)
                combine(j->f, &w->m[u], &w->l[u], w->a + u * dv, w->cm[u], w->cl[u], w->c + u * dv, dv);
        }
    }
}

/* Queries of i0 .. i1 - 1 as the products want them. */
static void load_queries(const job *j) {
    for (int64_t u = (j->i0 - j->base) * j->s.group; u < (j->i1 - j->base) * j->s.group; u++) {
        int64_t i = j->base + u / j->s.group, head = j->kv_head * j->s.group + u % j->s.group;
        const float *q = tl_row(j->t->src[Q], i * j->s.heads + head);
        if (j->t->src[K]->dtype == TL_F16)
            j->f->round_x13[0](j->w.q + u * j->s.d, q, j->s.d);
        else
            memcpy(j->w.q + u * j->s.d, q, (size_t)j->s.d * sizeof(float));
    }
}

/* y = a / l, after the head's sink; a is overwritten, c is room for dv floats. */
static void finish(const tl_kernels *f, const tl_tensor *t, float m, float l, float *a, float *c, int64_t query, int64_t head) {
    shape s = shape_of(t);
    keys k = keys_of(t, query);
    float *y = tl_row(t, query * s.heads + head);
    if (k.low >= k.high) {
        memset(y, 0, (size_t)s.dv * sizeof(float));
        return;
    }
    if (t->src[SINKS]) {
        float sink = ((const float *)tl_data(t->src[SINKS]))[head];
        float both = tl_maxf(m, sink), old = tl_expf(m - both);
        l = l * old + tl_expf(sink - both);
        f->scale[0](a, a, old, s.dv);
    }
    for (int64_t i = 0; i < s.dv; i++)
        c[i] = l;
    f->div[0](y, a, c, s.dv);
}

/* ---- blocks of queries ---- */

/* Whether this run's one query is cut over its keys: where it sees several chunks, and the step has room for their parts. */
static bool is_split(const cpu_step *step, const cpu_run *r) {
    const tl_tensor *t = step->node;
    if (step->buffer < 0 || tl_plan_dim0(r->plan, t) != 1)
        return false;
    keys k = keys_of(t, 0);
    return k.high - k.low > TL_ATTENTION_CHUNK;
}

static int64_t tiles(const cpu_step *s, const cpu_run *r) {
    int64_t n = tl_plan_dim0(r->plan, s->node);
    return is_split(s, r) ? 0 : (n + QUERIES - 1) / QUERIES * tl_dim(s->node->src[K], 1);
}

static void run(const cpu_step *step, const cpu_run *r, int64_t tile, void *scratch) {
    const tl_tensor *t = step->node;
    shape s = shape_of(t);
    int64_t kv_heads = tl_dim(t->src[K], 1), i0 = tile / kv_heads * QUERIES, n = tl_plan_dim0(r->plan, t);
    int64_t i1 = i0 + QUERIES < n ? i0 + QUERIES : n;
    job j = {&r->cpu->kernels, t, tl_data(t->src[SPAN]), s, work_of(s, QUERIES, scratch), tile % kv_heads, i0, i0, i1};
    load_queries(&j);
    for (int64_t u = 0; u < (i1 - i0) * s.group; u++) {
        memset(j.w.a + u * s.dv, 0, (size_t)s.dv * sizeof(float));
        j.w.l[u] = 0;
        j.w.m[u] = tl_real(TL_INF_BITS | TL_SIGN_BIT);
    }
    for (int64_t a = i0; a < i1; a = j.i1) {
        keys seen;
        j.i0 = a;
        j.i1 = company(t, a, i1, &seen);
        sweep(&j, seen.low, seen.high);
    }
    for (int64_t u = 0; u < (i1 - i0) * s.group; u++)
        finish(j.f, t, j.w.m[u], j.w.l[u], j.w.a + u * s.dv, j.w.c, i0 + u / s.group, j.kv_head * s.group + u % s.group);
}

const cpu_driver tl_cpu_driver_attention = {"attention", tiles, run};

/* ---- one query over many keys ---- */

/* Floats that a chunk leaves for a head: m, l and c [dv]. */
static int64_t part_floats(shape s) {
    return s.dv + 2;
}

static int64_t most_chunks(const tl_tensor *t) {
    return (tl_attention_keys(t, tl_dim(t->src[K], 0)) + TL_ATTENTION_CHUNK - 1) / TL_ATTENTION_CHUNK + 1;
}

/* It pays where a query's tiles, one a key head, are so few that unequal cores cannot share them well. */
size_t tl_cpu_attention_parts(const tl_cpu *cpu, const tl_tensor *t) {
    shape s = shape_of(t);
    bool may_be_one = t->size || t->shape[0] == 1;
    if (cpu->threads == 1 || !may_be_one || s.heads / s.group >= 8 * cpu->threads || most_chunks(t) <= 2)
        return 0;
    return bytes_of(most_chunks(t), s.heads, part_floats(s));
}

static float *part_of(const cpu_step *step, shape s, int64_t chunk, int64_t head) {
    return (float *)step->address + (chunk * s.heads + head) * part_floats(s);
}

/* Chunk number i of the query's, and how many there are. */
static keys chunk_at(const tl_tensor *t, int64_t i) {
    keys all = keys_of(t, 0), k = {(all.low / TL_ATTENTION_CHUNK + i) * TL_ATTENTION_CHUNK, 0};
    k.high = k.low + TL_ATTENTION_CHUNK < all.high ? k.low + TL_ATTENTION_CHUNK : all.high;
    k.low = k.low > all.low ? k.low : all.low;
    return k;
}

static int64_t chunks(const tl_tensor *t) {
    keys all = keys_of(t, 0);
    return (all.high + TL_ATTENTION_CHUNK - 1) / TL_ATTENTION_CHUNK - all.low / TL_ATTENTION_CHUNK;
}

static int64_t split_tiles(const cpu_step *s, const cpu_run *r) {
    return is_split(s, r) ? chunks(s->node) * tl_dim(s->node->src[K], 1) : 0;
}

static void split_run(const cpu_step *step, const cpu_run *r, int64_t tile, void *scratch) {
    const tl_tensor *t = step->node;
    shape s = shape_of(t);
    int64_t kv_heads = tl_dim(t->src[K], 1), chunk = tile / kv_heads;
    job j = {&r->cpu->kernels, t, tl_data(t->src[SPAN]), s, work_of(s, QUERIES, scratch), tile % kv_heads, 0, 0, 1};
    keys k = chunk_at(t, chunk);
    load_queries(&j);
    chunk_of(&j, k.low, k.high);
    for (int64_t u = 0; u < s.group; u++) {
        float *part = part_of(step, s, chunk, j.kv_head * s.group + u);
        part[0] = j.w.cm[u];
        part[1] = j.w.cl[u];
        memcpy(part + 2, j.w.c + u * s.dv, (size_t)s.dv * sizeof(float));
    }
}

const cpu_driver tl_cpu_driver_split = {"attention_split", split_tiles, split_run};

static int64_t join_tiles(const cpu_step *s, const cpu_run *r) {
    return is_split(s, r) ? tl_dim(s->node->src[K], 1) : 0;
}

static void join_run(const cpu_step *step, const cpu_run *r, int64_t tile, void *scratch) {
    const tl_tensor *t = step->node;
    shape s = shape_of(t);
    float *a = scratch, *c = a + s.dv;
    for (int64_t head = tile * s.group; head < (tile + 1) * s.group; head++) {
        float m = tl_real(TL_INF_BITS | TL_SIGN_BIT), l = 0;
        memset(a, 0, (size_t)s.dv * sizeof(float));
        for (int64_t i = 0; i < chunks(t); i++) {
            float *part = part_of(step, s, i, head);
            combine(&r->cpu->kernels, &m, &l, a, part[0], part[1], part + 2, s.dv);
        }
        finish(&r->cpu->kernels, t, m, l, a, c, 0, head);
    }
}

const cpu_driver tl_cpu_driver_join = {"attention_join", join_tiles, join_run};
