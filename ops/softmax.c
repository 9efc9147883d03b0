/* softmax.c: softmax along the last axis, with a scale and an additive mask before it. Attention has its own (attention.c). */
#include "ops/internal.h"
#include "tensor/math.h"

tl_tensor *tl_softmax(tl_graph *g, tl_tensor *x, tl_tensor *mask, float scale) {
    tl_softmax_params p = {scale};
    if (!tl_operands(g, "softmax", 1, &x))
        return NULL;
    if (mask) {
        bool fits = mask->rank <= x->rank;
        for (int i = 1; i <= mask->rank; i++)
            fits = fits && (tl_dim(mask, -i) == tl_dim(x, -i) || tl_dim(mask, -i) == 1);
        if (!fits) {
            char xs[160], ms[160];
            tl_graph_fail(g, TL_ERR_USAGE,
                          "softmax: mask %s does not broadcast to %s: lengths must be equal or 1, counted from the last axis",
                          tl_describe(mask, ms, sizeof ms), tl_describe(x, xs, sizeof xs));
            return NULL;
        }
        mask = tl_broadcast_to(g, mask, x->rank, x->shape, x->size);
        if (!mask)
            return NULL;
    }
    return tl_node(g, tl_op_get(TL_OP_SOFTMAX), 2, (tl_tensor *[]){x, mask}, &p, sizeof p);
}

tl_status tl_softmax_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0], *mask = out->src[1];
    if (tl_want_params(g, out) || tl_want_dtype(g, out, 0, TL_F32) || (mask && tl_want_dtype(g, out, 1, TL_F32)))
        return TL_ERR_USAGE;
    if (x->rank == 1 && x->size)
        return tl_shape_error(g, out, "the last axis must not vary");
    if (mask && !tl_same_shape(x, mask))
        return tl_shape_error(g, out, "the mask must have the shape of x (tl_softmax broadcasts it)");
    tl_like(out, x, TL_F32);
    return TL_OK;
}

/* x [.., n], mask [.., n] or none -> [.., n]: s = x * scale [+ mask]; p = exp(s - max s); y = p / sum(p). Rows that are -inf throughout, or
 * hold NaN or +inf, come out as NaN. */
void tl_softmax_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_softmax_params *p = out->params;
    int64_t n = tl_dim(out, -1);
    for (int64_t r = row0; r < row1; r++) {
        const float *x = tl_row(out->src[0], r), *mask = out->src[1] ? tl_row(out->src[1], r) : NULL;
        float *y = tl_row(out, r), m = -tl_real(TL_INF_BITS);
        for (int64_t i = 0; i < n; i++) {
            float s = x[i] * p->scale;
            y[i] = mask ? s + mask[i] : s;
            m = tl_maxf(y[i], m);
        }
        for (int64_t i = 0; i < n; i++)
            y[i] = tl_expf(y[i] - m);
        float sum = tl_sum_lanes(y, n);
        for (int64_t i = 0; i < n; i++)
            y[i] = y[i] / sum;
    }
}

void tl_softmax_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    tl_cost_rows(out, rows, 23, c);
}
