/* norm.c: rms_norm and layer_norm along the last axis.
 *
 * The order of operations is part of the result (ARCHITECTURE.md, "Numerics", rule 2): sums in 16 lanes, one reciprocal a row, then one
 * multiplication after the other. layer_norm takes the mean first and then sums squares of differences: one pass would cancel. */
#include <math.h>

#include "ops/internal.h"
#include "tensor/math.h"
#include "tensor/quant.h"

/* Operand i is absent, or [n] of a float type. */
static tl_status want_vector(tl_graph *g, const tl_tensor *out, int i, const char *what) {
    const tl_tensor *x = out->src[0], *w = out->src[i];
    char xs[160], ws[160];
    if (!w)
        return TL_OK;
    tl_describe(x, xs, sizeof xs);
    tl_describe(w, ws, sizeof ws);
    tl_kind kind = tl_dtype_get(w->dtype)->kind;
    if (kind != TL_KIND_FLOAT && kind != TL_KIND_HALF)
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: %s %s must be f32, f16 or bf16", out->op->name, what, ws);
    if (w->rank != 1 || w->size || w->shape[0] != tl_dim(x, -1))
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: %s has rows of %lld, %s %s must be [%lld]", out->op->name, xs, (long long)tl_dim(x, -1),
                             what, ws, (long long)tl_dim(x, -1));
    return TL_OK;
}

static tl_status infer_norm(tl_graph *g, tl_tensor *out) {
    const tl_norm_params *p = out->params;
    if (tl_want_params(g, out) || tl_want_dtype(g, out, 0, TL_F32))
        return TL_ERR_USAGE;
    if (!(p->eps >= 0.0f) || p->eps == tl_real(TL_INF_BITS))
        return tl_shape_error(g, out, "eps must be finite and not negative");
    if (out->src[0]->rank == 1 && out->src[0]->size)
        return tl_shape_error(g, out, "the last axis must not vary");
    tl_like(out, out->src[0], TL_F32);
    return TL_OK;
}

/* Element i of w. */
static float element(const tl_tensor *w, int64_t i) {
    float v;
    tl_codec_of(w->dtype)->decode((const char *)tl_data(w) + i * tl_dtype_get(w->dtype)->block_bytes, &v, 1);
    return v;
}

/* ---- rms_norm --------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_rms_norm(tl_graph *g, tl_tensor *x, tl_tensor *w, float eps) {
    tl_norm_params p = {eps};
    return tl_node(g, tl_op_get(TL_OP_RMS_NORM), 2, (tl_tensor *[]){x, w}, &p, sizeof p);
}

tl_status tl_rms_norm_infer(tl_graph *g, tl_tensor *out) {
    return infer_norm(g, out) || want_vector(g, out, 1, "weight") ? TL_ERR_USAGE : TL_OK;
}

/* x [.., n], w [n] or none -> [.., n]: r = 1 / sqrt(sum(x^2) / n + eps); y = (x * r) * w */
void tl_rms_norm_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_tensor *w = out->src[1];
    const tl_norm_params *p = out->params;
    int64_t n = tl_dim(out, -1);
    for (int64_t row = row0; row < row1; row++) {
        const float *x = tl_row(out->src[0], row);
        float *y = tl_row(out, row);
        float r = 1.0f / sqrtf(tl_dot_lanes(x, x, n) / (float)n + p->eps);
        for (int64_t i = 0; i < n; i++) {
            float v = x[i] * r;
            y[i] = w ? v * element(w, i) : v;
        }
    }
}

void tl_rms_norm_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    tl_cost_rows(out, rows, out->src[1] ? 4 : 3, c);
}

/* ---- layer_norm ------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_layer_norm(tl_graph *g, tl_tensor *x, tl_tensor *w, tl_tensor *b, float eps) {
    tl_norm_params p = {eps};
    return tl_node(g, tl_op_get(TL_OP_LAYER_NORM), 3, (tl_tensor *[]){x, w, b}, &p, sizeof p);
}

tl_status tl_layer_norm_infer(tl_graph *g, tl_tensor *out) {
    return infer_norm(g, out) || want_vector(g, out, 1, "weight") || want_vector(g, out, 2, "bias") ? TL_ERR_USAGE : TL_OK;
}

/* sum (x - mean)^2 in 16 lanes */
static float sum_squares(const float *x, int64_t n, float mean) {
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++) {
        float d = x[i] - mean;
        lane[i % 16] += d * d;
    }
    return tl_fold16(lane);
}

/* x [.., n], w [n] or none, b [n] or none -> [.., n]: d = x - mean; y = (d * (1 / sqrt(sum(d^2) / n + eps))) * w + b */
void tl_layer_norm_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_tensor *w = out->src[1], *b = out->src[2];
    const tl_norm_params *p = out->params;
    int64_t n = tl_dim(out, -1);
    for (int64_t row = row0; row < row1; row++) {
        const float *x = tl_row(out->src[0], row);
        float *y = tl_row(out, row);
        float mean = tl_sum_lanes(x, n) / (float)n;
        float r = 1.0f / sqrtf(sum_squares(x, n, mean) / (float)n + p->eps);
        for (int64_t i = 0; i < n; i++) {
            float v = (x[i] - mean) * r;
            if (w)
                v = v * element(w, i);
            y[i] = b ? v + element(b, i) : v;
        }
    }
}

void tl_layer_norm_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    tl_cost_rows(out, rows, 6 + (out->src[1] != NULL) + (out->src[2] != NULL), c);
}
