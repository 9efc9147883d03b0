/* reduce.c: sum, mean, max, argmax and topk along the last axis.
 *
 * Sums run in 16 lanes (tl_sum_lanes). What compares for order (argmax, topk) compares integer keys, so that every machine and every order
 * of comparing gives one answer: -0 equals +0, NaN is below all, equal values go by their index. */
#include <stdint.h>

#include "ops/internal.h"
#include "tensor/math.h"

/* x [.., n] f32 -> [.., last] of dtype */
static tl_status infer_last(tl_graph *g, tl_tensor *out, tl_dtype dtype, int64_t last) {
    if (tl_want_dtype(g, out, 0, TL_F32))
        return TL_ERR_USAGE;
    if (out->src[0]->rank == 1 && out->src[0]->size)
        return tl_shape_error(g, out, "the last axis must not vary");
    tl_like(out, out->src[0], dtype);
    out->shape[out->rank - 1] = last;
    return TL_OK;
}

/* Ids are i32, so a row may have no more than that. */
static tl_status infer_ids(tl_graph *g, tl_tensor *out, tl_dtype dtype, int64_t last) {
    if (tl_dim(out->src[0], -1) > INT32_MAX)
        return tl_shape_error(g, out, "rows of more than 2147483647 elements have no i32 index");
    return infer_last(g, out, dtype, last);
}

static void cost_of(const tl_tensor *out, int64_t rows, double ops_per_element, tl_cost *c) {
    tl_cost_rows(out, rows, 0, c);
    c->ops = (double)rows * (double)tl_dim(out->src[0], -1) * ops_per_element;
}

/* ---- sum, mean -------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_sum(tl_graph *g, tl_tensor *x) {
    return tl_node(g, tl_op_get(TL_OP_SUM), 1, &x, NULL, 0);
}

tl_status tl_sum_infer(tl_graph *g, tl_tensor *out) {
    return infer_last(g, out, TL_F32, 1);
}

/* x [.., n] -> [.., 1] */
void tl_sum_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    for (int64_t r = row0; r < row1; r++)
        *(float *)tl_row(out, r) = tl_sum_lanes(tl_row(out->src[0], r), tl_dim(out->src[0], -1));
}

void tl_sum_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    cost_of(out, rows, 1, c);
}

tl_tensor *tl_mean(tl_graph *g, tl_tensor *x) {
    return tl_node(g, tl_op_get(TL_OP_MEAN), 1, &x, NULL, 0);
}

tl_status tl_mean_infer(tl_graph *g, tl_tensor *out) {
    return infer_last(g, out, TL_F32, 1);
}

/* x [.., n] -> [.., 1] */
void tl_mean_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    int64_t n = tl_dim(out->src[0], -1);
    for (int64_t r = row0; r < row1; r++)
        *(float *)tl_row(out, r) = tl_sum_lanes(tl_row(out->src[0], r), n) / (float)n;
}

void tl_mean_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    cost_of(out, rows, 1, c);
}

/* ---- max -------------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_max(tl_graph *g, tl_tensor *x) {
    return tl_node(g, tl_op_get(TL_OP_MAX), 1, &x, NULL, 0);
}

tl_status tl_max_infer(tl_graph *g, tl_tensor *out) {
    return infer_last(g, out, TL_F32, 1);
}

/* x [.., n] -> [.., 1]. Adding +0 last makes -0 a +0, whichever of the two stood first. */
void tl_max_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    int64_t n = tl_dim(out->src[0], -1);
    for (int64_t r = row0; r < row1; r++) {
        const float *x = tl_row(out->src[0], r);
        float m = -tl_real(TL_INF_BITS);
        bool nan = false;
        for (int64_t i = 0; i < n; i++) {
            m = tl_maxf(x[i], m);
            nan = nan || x[i] != x[i];
        }
        *(float *)tl_row(out, r) = nan ? tl_real(TL_NAN_BITS) : m + 0.0f;
    }
}

void tl_max_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    cost_of(out, rows, 1, c);
}

/* ---- argmax ----------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_argmax(tl_graph *g, tl_tensor *x) {
    return tl_node(g, tl_op_get(TL_OP_ARGMAX), 1, &x, NULL, 0);
}

tl_status tl_argmax_infer(tl_graph *g, tl_tensor *out) {
    return infer_ids(g, out, TL_I32, 1);
}

/* x [.., n] -> [.., 1] i32 */
void tl_argmax_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    int64_t n = tl_dim(out->src[0], -1);
    for (int64_t r = row0; r < row1; r++) {
        const float *x = tl_row(out->src[0], r);
        int64_t best = 0;
        for (int64_t i = 1; i < n; i++)
            if (tl_order_key(x[i]) > tl_order_key(x[best]))
                best = i;
        *(int32_t *)tl_row(out, r) = (int32_t)best;
    }
}

void tl_argmax_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    cost_of(out, rows, 1, c);
}

/* ---- topk ------------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_topk(tl_graph *g, tl_tensor *x, int64_t k, tl_tensor **values, tl_tensor **ids) {
    const tl_op *op = tl_op_get(TL_OP_TOPK);
    tl_topk_params p = {.k = k};
    tl_tensor *v = NULL, *i = NULL;
    if (values)
        *values = v = tl_node(g, op, 1, &x, &p, sizeof p);
    p.ids = true;
    if (ids || !values)
        i = tl_node(g, op, 1, &x, &p, sizeof p);
    if (ids)
        *ids = i;
    return ids || !values ? i : v;
}

tl_status tl_topk_infer(tl_graph *g, tl_tensor *out) {
    const tl_topk_params *p = out->params;
    char text[160];
    if (tl_want_params(g, out))
        return TL_ERR_USAGE;
    if (p->k < 1 || p->k > tl_dim(out->src[0], -1))
        return tl_graph_fail(g, TL_ERR_USAGE, "topk: k is %lld, rows of %s have 1 to %lld", (long long)p->k,
                             tl_describe(out->src[0], text, sizeof text), (long long)tl_dim(out->src[0], -1));
    return infer_ids(g, out, p->ids ? TL_I32 : TL_F32, p->k);
}

/* Value and index in one integer, larger is better: the key above, and below it the index, lower indices larger. */
static uint64_t rank_of(float x, int64_t i) {
    return (uint64_t)((uint32_t)tl_order_key(x) ^ TL_SIGN_BIT) << 32 | (uint32_t)(INT32_MAX - i);
}

/* Restores the heap (smallest first, n entries) below entry i. */
static void sift(uint64_t *heap, int64_t n, int64_t i) {
    for (int64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (heap[i] <= heap[child])
            return;
        uint64_t t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
    }
}

size_t tl_topk_scratch(const tl_tensor *out) {
    const tl_topk_params *p = out->params;
    return (size_t)p->k * sizeof(uint64_t);
}

/* x [.., n] -> [.., k]: a heap keeps the k best seen so far, the worst of them on top; taking it off again and again sorts them. */
void tl_topk_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    const tl_topk_params *p = out->params;
    int64_t n = tl_dim(out->src[0], -1), k = p->k;
    uint64_t *heap = scratch;
    for (int64_t r = row0; r < row1; r++) {
        const float *x = tl_row(out->src[0], r);
        void *y = tl_row(out, r);
        for (int64_t i = 0; i < k; i++)
            heap[i] = rank_of(x[i], i);
        for (int64_t i = k / 2; i-- > 0;)
            sift(heap, k, i);
        for (int64_t i = k; i < n; i++) {
            if (rank_of(x[i], i) > heap[0]) {
                heap[0] = rank_of(x[i], i);
                sift(heap, k, 0);
            }
        }
        for (int64_t left = k; left-- > 0;) {
            int32_t id = INT32_MAX - (int32_t)(uint32_t)heap[0];
            if (p->ids)
                ((int32_t *)y)[left] = id;
            else
                ((float *)y)[left] = x[id];
            heap[0] = heap[left];
            sift(heap, left, 0);
        }
    }
}

void tl_topk_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    cost_of(out, rows, 2, c);
}
