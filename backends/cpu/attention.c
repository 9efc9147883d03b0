/* attention.c: the driver of attention. A tile is a block of queries of one head group: keys and values of a chunk are brought to f32
 * once, in this worker's scratch, and serve all queries and heads of the tile. Chunks and their combination follow the reference to
 * the bit (ops/attention.c); where a tile begins cannot matter. */
#include <string.h>

#include "backends/cpu/cpu.h"
#include "ops/ops.h"
#include "tensor/math.h"

enum { Q, K, V, SPAN, PAGES, BIAS, SINKS };
enum { MOST_LENGTH = 1 << 16 }; /* of a head */
enum { QUERIES = 16 };          /* a tile's queries: enough to share a chunk's decoding, few enough to share work among threads */

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

/* A tile's scratch. Queries and heads of the group are numbered together: u = query * group + head. */
typedef struct work {
    float *keys, *values; /* [256][d], [256][dv] of the chunk at hand */
    float *q;             /* [units][d] */
    float *a;             /* [units][dv] */
    float *m, *l;         /* [units] */
    float *p, *c;         /* [TL_HEADS][256], [TL_HEADS][dv] */
} work;

static size_t floats(const tl_tensor *t) {
    shape s = shape_of(t);
    int64_t units = QUERIES * s.group;
    return (size_t)(TL_ATTENTION_CHUNK * (s.d + s.dv + TL_HEADS) + units * (s.d + s.dv + 2) + TL_HEADS * s.dv);
}

size_t tl_cpu_attention_scratch(const tl_tensor *t) {
    return floats(t) * sizeof(float);
}

static work work_of(const tl_tensor *t, void *scratch) {
    shape s = shape_of(t);
    int64_t units = QUERIES * s.group;
    work w;
    w.keys = scratch;
    w.values = w.keys + TL_ATTENTION_CHUNK * s.d;
    w.q = w.values + TL_ATTENTION_CHUNK * s.dv;
    w.a = w.q + units * s.d;
    w.m = w.a + units * s.dv;
    w.l = w.m + units;
    w.p = w.l + units;
    w.c = w.p + TL_HEADS * TL_ATTENTION_CHUNK;
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

/* Keys t0 <= t < t1 of one chunk, whose first fetched key is `from`, for n_q heads of one query, u the first one's number. */
static void add_chunk(const tl_kernels *f, const tl_tensor *t, const work *w, int64_t u, int64_t query, int64_t head, int n_q, int64_t from,
                      int64_t t0, int64_t t1) {
    shape s = shape_of(t);
    const tl_attention_params *params = t->params;
    bool half = t->src[V]->dtype == TL_F16;
    int64_t n = t1 - t0;
    float most[TL_HEADS], sum[TL_HEADS];
    f->attention_scores[0](w->p, TL_ATTENTION_CHUNK, w->q + u * s.d, s.d, n_q, w->keys + (t0 - from) * s.d, n, s.d, params->scale, half);
    for (int h = 0; h < n_q; h++) {
        float *p = w->p + h * TL_ATTENTION_CHUNK;
        adjust(t, p, query, head + h, t0, n);
        f->attention_weights[0](p, t0, n, half, &most[h], &sum[h]);
    }
    f->attention_values[0](w->c, s.dv, w->p, TL_ATTENTION_CHUNK, n_q, w->values + (t0 - from) * s.dv, n, s.dv, half);
    for (int h = 0; h < n_q; h++) {
        float *m = &w->m[u + h], *l = &w->l[u + h], *a = w->a + (u + h) * s.dv, *c = w->c + h * s.dv;
        float both = tl_maxf(*m, most[h]), old = tl_expf(*m - both), now = tl_expf(most[h] - both);
        *l = *l * old + sum[h] * now;
        for (int64_t j = 0; j < s.dv; j++)
            a[j] = a[j] * old + c[j] * now;
        *m = both;
    }
}

/* A range of keys. */
typedef struct keys {
    int64_t low, high;
} keys;

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

/* Queries i0 <= i < i1 of one sequence, which see all keys low <= t < high between them. */
static void sweep(const tl_kernels *f, const tl_tensor *t, const work *w, int64_t kv_head, int64_t base, int64_t i0, int64_t i1,
                  int64_t low, int64_t high) {
    shape s = shape_of(t);
    const int32_t *span = tl_data(t->src[SPAN]);
    for (int64_t chunk = low / TL_ATTENTION_CHUNK * TL_ATTENTION_CHUNK; low < high && chunk < high; chunk += TL_ATTENTION_CHUNK) {
        int64_t from = chunk < low ? low : chunk, to = chunk + TL_ATTENTION_CHUNK < high ? chunk + TL_ATTENTION_CHUNK : high;
        fetch(f, t, t->src[K], kv_head, span[3 * i0], from, to, w->keys);
        fetch(f, t, t->src[V], kv_head, span[3 * i0], from, to, w->values);
        for (int64_t i = i0; i < i1; i++) {
            int64_t t0 = span[3 * i + 1] > from ? span[3 * i + 1] : from, t1 = span[3 * i + 2] < to ? span[3 * i + 2] : to;
            for (int64_t h = 0; t0 < t1 && h < s.group; h += TL_HEADS) {
                int n_q = s.group - h < TL_HEADS ? (int)(s.group - h) : TL_HEADS;
                add_chunk(f, t, w, (i - base) * s.group + h, i, kv_head * s.group + h, n_q, from, t0, t1);
            }
        }
    }
}

static void finish(const tl_tensor *t, const work *w, int64_t u, int64_t query, int64_t head) {
    shape s = shape_of(t);
    const int32_t *span = (const int32_t *)tl_data(t->src[SPAN]) + 3 * query;
    float *a = w->a + u * s.dv, *y = tl_row(t, query * s.heads + head);
    if (t->src[SINKS]) {
        float sink = ((const float *)tl_data(t->src[SINKS]))[head];
        float both = tl_maxf(w->m[u], sink), old = tl_expf(w->m[u] - both);
        w->l[u] = w->l[u] * old + tl_expf(sink - both);
        for (int64_t j = 0; j < s.dv; j++)
            a[j] *= old;
    }
    for (int64_t j = 0; j < s.dv; j++)
        y[j] = span[2] > span[1] ? a[j] / w->l[u] : 0;
}

static int64_t tiles(const cpu_step *s, const cpu_run *r) {
    int64_t n = tl_plan_dim0(r->plan, s->node);
    return (n + QUERIES - 1) / QUERIES * tl_dim(s->node->src[K], 1);
}

static void run(const cpu_step *step, const cpu_run *r, int64_t tile, void *scratch) {
    const tl_tensor *t = step->node;
    const tl_kernels *f = &r->cpu->kernels;
    shape s = shape_of(t);
    int64_t kv_heads = tl_dim(t->src[K], 1), kv_head = tile % kv_heads, i0 = tile / kv_heads * QUERIES, n = tl_plan_dim0(r->plan, t);
    int64_t i1 = i0 + QUERIES < n ? i0 + QUERIES : n;
    work w = work_of(t, scratch);
    for (int64_t i = i0; i < i1; i++) {
        for (int64_t h = 0; h < s.group; h++) {
            int64_t u = (i - i0) * s.group + h;
            const float *q = tl_row(t->src[Q], i * s.heads + kv_head * s.group + h);
            if (t->src[K]->dtype == TL_F16)
                f->round_x13[0](w.q + u * s.d, q, s.d);
            else
                memcpy(w.q + u * s.d, q, (size_t)s.d * sizeof(float));
            memset(w.a + u * s.dv, 0, (size_t)s.dv * sizeof(float));
            w.l[u] = 0;
            w.m[u] = tl_real(TL_INF_BITS | TL_SIGN_BIT);
        }
    }
    for (int64_t a = i0, b; a < i1; a = b) {
        keys seen;
        b = company(t, a, i1, &seen);
        sweep(f, t, &w, kv_head, i0, a, b, seen.low, seen.high);
    }
    for (int64_t i = i0; i < i1; i++)
        for (int64_t h = 0; h < s.group; h++)
            finish(t, &w, (i - i0) * s.group + h, i, kv_head * s.group + h);
}

const cpu_driver tl_cpu_driver_attention = {"attention", tiles, run};
