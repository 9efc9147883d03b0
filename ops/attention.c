/* attention.c: softmax(q k^T) v over the keys that each query's span names: the contract of everything that serves models.
 *
 * Which keys a query sees is data: span[i] = sequence, first key, end. Causal masks, windows, shared prefixes and many sequences are
 * contents of span and pages; the n x n matrix of scores is never made. The definition (ARCHITECTURE.md, "Numerics", rule 6) cuts keys
 * into chunks of 256 by absolute position, each with a maximum, a sum and a weighted sum of values of its own, and combines chunks in
 * ascending order: so tiles, threads and a long decode split over keys agree to the last bit. With f16 keys and values, q and the
 * probabilities are rounded to 13 bits, so that every product is exact. Rows outside the visible range are never read.
 *
 * -inf scores are legal as long as each chunk keeps one finite score; a chunk whose scores are all -inf makes the result NaN. */
#include "ops/internal.h"
#include "tensor/math.h"
#include "tensor/platform.h"
#include "tensor/quant.h"

enum { Q, K, V, SPAN, PAGES, BIAS, SINKS, N_SRC };

tl_tensor *tl_attention(tl_graph *g, tl_tensor *q, tl_tensor *k, tl_tensor *v, tl_tensor *span, tl_tensor *pages, tl_tensor *bias,
                        tl_tensor *sinks, float scale, float cap) {
    tl_attention_params p = {scale, cap};
    return tl_node(g, tl_op_get(TL_OP_ATTENTION), N_SRC, (tl_tensor *[]){q, k, v, span, pages, bias, sinks}, &p, sizeof p);
}

/* ---- shapes ---------------------------------------------------------------------------------------------------------------------- */

static tl_status infer_types(tl_graph *g, const tl_tensor *out) {
    const tl_tensor *k = out->src[K], *v = out->src[V];
    static const struct {
        int i;
        tl_dtype dtype;
    } wants[] = {{Q, TL_F32}, {SPAN, TL_I32}, {PAGES, TL_I32}, {BIAS, TL_F32}, {SINKS, TL_F32}};
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
        tl_status s = out->src[wants[i].i] ? tl_want_dtype(g, out, wants[i].i, wants[i].dtype) : TL_OK;
        if (s)
            return s;
    }
    if (k->dtype != v->dtype || (k->dtype != TL_F32 && k->dtype != TL_F16))
        return tl_shape_error(g, out, "k and v must both be f32 or both f16");
    return TL_OK;
}

static tl_status infer_optional(tl_graph *g, const tl_tensor *out) {
    const tl_tensor *q = out->src[Q], *pages = out->src[PAGES], *bias = out->src[BIAS], *sinks = out->src[SINKS];
    if (pages && pages->rank != 2)
        return tl_shape_error(g, out, "pages [sequences, pages of one] are wanted");
    if (bias && (bias->rank != 3 || (bias->shape[1] != 1 && bias->shape[1] != q->shape[1])))
        return tl_shape_error(g, out, "bias [n or 1, h or 1, keys] is wanted");
    if (bias && (bias->shape[0] != q->shape[0] || bias->size != q->size) && (bias->shape[0] != 1 || bias->size))
        return tl_shape_error(g, out, "the first axis of bias must be that of q, or 1");
    if (sinks && (sinks->rank != 1 || sinks->size || sinks->shape[0] != q->shape[1]))
        return tl_shape_error(g, out, "sinks [h] are wanted");
    return TL_OK;
}

tl_status tl_attention_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *q = out->src[Q], *k = out->src[K], *v = out->src[V], *span = out->src[SPAN];
    const tl_attention_params *p = out->params;
    tl_status s = tl_want_params(g, out);
    if (!s)
        s = infer_types(g, out);
    if (s)
        return s;
    if (q->rank != 3 || k->rank != 3 || v->rank != 3)
        return tl_shape_error(g, out, "q [n, h, d], k [rows, hk, d] and v [rows, hk, dv] are wanted");
    if (q->shape[2] != k->shape[2])
        return tl_shape_error(g, out, "heads of q and k differ in length");
    if (k->shape[0] != v->shape[0] || k->size != v->size || k->shape[1] != v->shape[1])
        return tl_shape_error(g, out, "k and v differ in rows or heads");
    if (q->shape[1] % k->shape[1])
        return tl_shape_error(g, out, "the heads of q must be a multiple of those of k");
    if (span->rank != 2 || span->shape[1] != 3 || span->shape[0] != q->shape[0] || span->size != q->size)
        return tl_shape_error(g, out, "span [n, 3] (sequence, first key, end) must have the first axis of q");
    if (p->scale - p->scale != 0 || !(p->cap >= 0) || p->cap - p->cap != 0)
        return tl_graph_fail(g, TL_ERR_USAGE, "attention: scale and cap must be finite and cap not negative (0: no cap)");
    s = infer_optional(g, out);
    if (s)
        return s;
    tl_like(out, q, TL_F32);
    out->shape[2] = v->shape[2];
    return TL_OK;
}

/* ---- where a key lies ------------------------------------------------------------------------------------------------------------ */

static const int32_t *span_of(const tl_tensor *out, int64_t i) {
    return tl_row(out->src[SPAN], i);
}

/* The row of key t of sequence s. */
static int64_t key_row(const tl_tensor *out, int32_t s, int64_t t) {
    const tl_tensor *pages = out->src[PAGES];
    if (!pages)
        return t;
    const int32_t *page = tl_row(pages, s);
    return (int64_t)page[t / TL_ATTENTION_PAGE] * TL_ATTENTION_PAGE + t % TL_ATTENTION_PAGE;
}

static const char *head_row(const tl_tensor *kv, int64_t row, int64_t head) {
    return (const char *)tl_data(kv) + row * kv->stride[0] + head * kv->stride[1];
}

/* No more than an i32 can name, however many pages a table has room for or often a view repeats its rows: so products of it stay numbers. */
int64_t tl_attention_keys(const tl_tensor *out, int64_t rows) {
    const int64_t most = INT64_C(1) << 31;
    const tl_tensor *pages = out->src[PAGES];
    if (!pages)
        return rows < most ? rows : most;
    return pages->shape[1] < most / TL_ATTENTION_PAGE ? pages->shape[1] * TL_ATTENTION_PAGE : most;
}

tl_status tl_attention_check(const tl_tensor *out, const tl_plan *p, tl_error *err) {
    const tl_tensor *pages = out->src[PAGES], *bias = out->src[BIAS];
    int64_t rows = tl_plan_dim0(p, out->src[K]), most = tl_attention_keys(out, rows), sequences = pages ? tl_plan_dim0(p, pages) : 1;
    for (int64_t i = 0; i < tl_plan_dim0(p, out->src[SPAN]); i++) {
        const int32_t *span = span_of(out, i);
        if (span[0] < 0 || span[0] >= sequences)
            return tl_fail(err, TL_ERR_RANGE, "attention: query %lld is of sequence %d; %s%lld", (long long)i, (int)span[0],
                           pages ? "sequences with pages: " : "without pages sequences: ", (long long)sequences);
        if (span[1] < 0 || span[2] > most)
            return tl_fail(err, TL_ERR_RANGE, "attention: query %lld sees keys %d to %d; keys run from 0 to %lld", (long long)i,
                           (int)span[1], (int)span[2], (long long)most);
        if (bias && span[2] > span[1] && span[2] > bias->shape[2])
            return tl_fail(err, TL_ERR_RANGE, "attention: query %lld sees keys to %d, but the bias has %lld", (long long)i, (int)span[2],
                           (long long)bias->shape[2]);
        for (int64_t t = span[1] / TL_ATTENTION_PAGE; pages && span[2] > span[1] && t * TL_ATTENTION_PAGE < span[2]; t++) {
            int32_t page = ((const int32_t *)tl_row(pages, span[0]))[t];
            if (page < 0 || page >= rows / TL_ATTENTION_PAGE)
                return tl_fail(err, TL_ERR_RANGE,
                               "attention: page %lld of sequence %d, seen by query %lld, is number %d; k and v hold %lld pages",
                               (long long)t, (int)span[0], (long long)i, (int)page, (long long)(rows / TL_ATTENTION_PAGE));
        }
    }
    return TL_OK;
}

/* ---- the definition ---------------------------------------------------------------------------------------------------------------- */

/* One query head at work; arrays lie in scratch. */
typedef struct worker {
    float *q;     /* [d], rounded for f16 keys */
    float *row;   /* [max(d, dv)]: a key or a value in f32 */
    float *p;     /* [256]: scores, then probabilities, at t mod 256 */
    float *a, *c; /* [dv]: the weighted sum of values so far, and of the chunk */
    float m, l;   /* maximum and sum of probabilities so far */
} worker;

static int64_t longer(int64_t a, int64_t b) {
    return a > b ? a : b;
}

size_t tl_attention_scratch(const tl_tensor *out) {
    int64_t d = out->src[K]->shape[2], dv = out->src[V]->shape[2];
    return tl_mul_saturated((uint64_t)(d + longer(d, dv) + TL_ATTENTION_CHUNK + 2 * dv), sizeof(float));
}

static worker make_worker(const tl_tensor *out, void *scratch) {
    int64_t d = out->src[K]->shape[2], dv = out->src[V]->shape[2];
    worker w = {.q = scratch};
    w.row = w.q + d;
    w.p = w.row + longer(d, dv);
    w.a = w.p + TL_ATTENTION_CHUNK;
    w.c = w.a + dv;
    return w;
}

/* A row of keys or values as f32: itself, or decoded at w->row. */
static const float *as_f32(const worker *w, const tl_tensor *kv, int64_t row, int64_t head) {
    const char *at = head_row(kv, row, head);
    if (kv->dtype == TL_F32)
        return (const void *)at;
    tl_codec_of(kv->dtype)->decode(at, w->row, kv->shape[2]);
    return w->row;
}

/* Scores of keys t0 <= t < t1, which lie in one chunk, into w->p; returns their maximum. */
static float score_chunk(const worker *w, const tl_tensor *out, int64_t i, int64_t head, int64_t t0, int64_t t1) {
    const tl_tensor *q = out->src[Q], *k = out->src[K], *bias = out->src[BIAS];
    const tl_attention_params *params = out->params;
    const float *added = NULL;
    if (bias)
        added = (const void *)((const char *)tl_data(bias) + (bias->shape[0] > 1 ? i * bias->stride[0] : 0) +
                               (bias->shape[1] > 1 ? head * bias->stride[1] : 0));
    int64_t kv_head = head / (q->shape[1] / k->shape[1]);
    float most = tl_real(TL_INF_BITS | TL_SIGN_BIT);
    for (int64_t t = t0; t < t1; t++) {
        float s = tl_dot_lanes(w->q, as_f32(w, k, key_row(out, span_of(out, i)[0], t), kv_head), k->shape[2]) * params->scale;
        if (params->cap > 0)
            s = params->cap * tl_tanhf(s / params->cap);
        if (added)
            s += added[t];
        w->p[t % TL_ATTENTION_CHUNK] = s;
        most = tl_maxf(most, s);
    }
    return most;
}

/* Turns scores into probabilities under the chunk's maximum; returns their sum, key t in lane t mod 16. */
static float weigh_chunk(const worker *w, float most, bool round, int64_t t0, int64_t t1) {
    float lanes[16] = {0};
    for (int64_t t = t0; t < t1; t++) {
        float *p = &w->p[t % TL_ATTENTION_CHUNK], x = *p - most;
        *p = x < -64.0f ? 0.0f : tl_expf(x);
        if (round)
            *p = tl_x13(*p);
        lanes[t % 16] += *p;
    }
    return tl_fold16(lanes);
}

/* Adds the chunk that holds keys t0 <= t < t1 to what came before. */
static void add_chunk(worker *w, const tl_tensor *out, int64_t i, int64_t head, int64_t t0, int64_t t1) {
    const tl_tensor *v = out->src[V];
    int64_t dv = v->shape[2], kv_head = head / (out->src[Q]->shape[1] / v->shape[1]);
    float most = score_chunk(w, out, i, head, t0, t1);
    float sum = weigh_chunk(w, most, v->dtype == TL_F16, t0, t1);
    for (int64_t j = 0; j < dv; j++)
        w->c[j] = 0;
    for (int64_t t = t0; t < t1; t++) {
        const float *value = as_f32(w, v, key_row(out, span_of(out, i)[0], t), kv_head);
        float p = w->p[t % TL_ATTENTION_CHUNK];
        for (int64_t j = 0; j < dv; j++)
            w->c[j] += p * value[j];
    }
    float both = tl_maxf(w->m, most), f = tl_expf(w->m - both), g = tl_expf(most - both);
    w->l = w->l * f + sum * g;
    for (int64_t j = 0; j < dv; j++)
        w->a[j] = w->a[j] * f + w->c[j] * g;
    w->m = both;
}

/* A sink joins the denominator only: a key whose value is zero. */
static void add_sink(worker *w, float sink, int64_t dv) {
    float both = tl_maxf(w->m, sink), f = tl_expf(w->m - both);
    w->l = w->l * f + tl_expf(sink - both);
    for (int64_t j = 0; j < dv; j++)
        w->a[j] *= f;
}

/* q [n, h, d], k [rows, hk, d], v [rows, hk, dv], span [n, 3] -> [n, h, dv]; a work row is one head of one query. */
void tl_attention_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    const tl_tensor *q = out->src[Q], *k = out->src[K];
    int64_t heads = q->shape[1], d = q->shape[2], dv = out->shape[2];
    const float *sinks = out->src[SINKS] ? tl_data(out->src[SINKS]) : NULL;
    worker w = make_worker(out, scratch);
    for (int64_t r = row0; r < row1; r++) {
        int64_t i = r / heads, head = r % heads, first = span_of(out, i)[1], end = span_of(out, i)[2];
        const float *x = tl_row(q, r);
        float *y = tl_row(out, r);
        for (int64_t j = 0; j < d; j++)
            w.q[j] = k->dtype == TL_F16 ? tl_x13(x[j]) : x[j];
        for (int64_t j = 0; j < dv; j++)
            w.a[j] = 0;
        w.l = 0;
        w.m = tl_real(TL_INF_BITS | TL_SIGN_BIT);
        for (int64_t t0 = first; t0 < end;) {
            int64_t edge = (t0 / TL_ATTENTION_CHUNK + 1) * TL_ATTENTION_CHUNK, t1 = edge < end ? edge : end;
            add_chunk(&w, out, i, head, t0, t1);
            t0 = t1;
        }
        if (sinks)
            add_sink(&w, sinks[head], dv);
        for (int64_t j = 0; j < dv; j++)
            y[j] = end > first ? w.a[j] / w.l : 0;
    }
}

/* Keys that `queries` queries see: by their spans where these are a bound input, else as many as can be. *distinct: those that must be read:
 * what neighbours of one sequence see in common counts once. */
static double visible_keys(const tl_tensor *out, int64_t queries, double *distinct) {
    const tl_tensor *span = out->src[SPAN];
    int64_t most = tl_attention_keys(out, out->src[K]->shape[0]), low = 0, high = 0;
    *distinct = queries > 0 ? (double)most : 0;
    if (!(span->base->mark & TL_MARK_INPUT) || !tl_data(span))
        return (double)queries * (double)most;
    double keys = 0;
    *distinct = 0;
    for (int64_t i = 0; i < queries; i++) {
        int64_t first = span_of(out, i)[1], end = span_of(out, i)[2];
        if (first < 0 || end <= first || end > most)
            continue;
        keys += (double)(end - first);
        if (high > low && first <= high && end >= low && span_of(out, i)[0] == span_of(out, i - 1)[0]) {
            low = first < low ? first : low;
            high = end > high ? end : high;
            continue;
        }
        *distinct += (double)(high - low);
        low = first;
        high = end;
    }
    *distinct += (double)(high - low);
    return keys;
}

void tl_attention_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    const tl_tensor *q = out->src[Q], *k = out->src[K];
    double heads = (double)q->shape[1], d = (double)q->shape[2], dv = (double)out->shape[2];
    double distinct, keys = visible_keys(out, rows / q->shape[1], &distinct);
    c->ops = 2 * keys * heads * (d + dv);
    c->read = 4 * (double)rows * d + distinct * (double)k->shape[1] * (d + dv) * tl_dtype_get(k->dtype)->block_bytes;
    c->written = 4 * (double)rows * dv;
}
