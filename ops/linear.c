/* linear.c: x w^T + bias, the op in which a model spends its time, for weights of every float and block type, packed or as stored.
 *
 * The weight's kind chooses the arithmetic (ARCHITECTURE.md, "Numerics", rules 3 and 4): a row of x is first rounded to the form that
 * the weight wants (tl_x32 or tl_x256 blocks, 13 bits, or as it is) and every output is then one dot product of tensor/quant.h, summed in
 * its fixed order, plus bias. No output depends on another, so work may be cut anywhere. */
#include "ops/internal.h"
#include "tensor/platform.h"
#include "tensor/quant.h"

/* Rows of x that one pass over the weight serves: a packed weight row is then unpacked once for all of them. */
enum { BLOCK_ROWS = 16 };

tl_tensor *tl_linear(tl_graph *g, tl_tensor *x, tl_tensor *w, tl_tensor *bias) {
    return tl_node(g, tl_op_get(TL_OP_LINEAR), 3, (tl_tensor *[]){x, w, bias}, NULL, 0);
}

tl_status tl_linear_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0], *w = out->src[1], *bias = out->src[2];
    char xs[160], ws[160], bs[160];
    tl_status s = tl_want_dtype(g, out, 0, TL_F32);
    if (!s && bias)
        s = tl_want_dtype(g, out, 2, TL_F32);
    if (s)
        return s;
    tl_describe(x, xs, sizeof xs);
    tl_describe(w, ws, sizeof ws);
    tl_describe(bias, bs, sizeof bs);
    if (tl_dtype_get(w->dtype)->kind == TL_KIND_INT)
        return tl_graph_fail(g, TL_ERR_USAGE, "linear: weight %s holds plain integers; a float or block type is wanted (cast it)", ws);
    if (w->rank != 2)
        return tl_graph_fail(g, TL_ERR_USAGE, "linear: weight %s has rank %d; [n, k] is wanted", ws, w->rank);
    if (w->size || (bias && bias->size))
        return tl_graph_fail(g, TL_ERR_USAGE, "linear: weight %s%s%s varies; only leading axes of x may", ws, bias ? " or bias " : "",
                             bias ? bs : "");
    if (x->rank == 1 && x->size)
        return tl_graph_fail(g, TL_ERR_USAGE, "linear: the axis of x %s that is summed over varies", xs);
    if (tl_dim(x, -1) != w->shape[1])
        return tl_graph_fail(g, TL_ERR_USAGE, "linear: %s has rows of %lld, weight %s wants %lld", xs, (long long)tl_dim(x, -1), ws,
                             (long long)w->shape[1]);
    if (bias && (bias->rank != 1 || bias->shape[0] != w->shape[0]))
        return tl_graph_fail(g, TL_ERR_USAGE, "linear: bias %s does not fit weight %s; [%lld] is wanted", bs, ws, (long long)w->shape[0]);
    tl_like(out, x, TL_F32);
    out->shape[out->rank - 1] = w->shape[0];
    return TL_OK;
}

/* Bytes of a row of k activations in the form that a weight of type t wants; a multiple of 64. */
static size_t prepared_bytes(tl_dtype t, int64_t k) {
    int block = tl_dtype_get(t)->block;
    size_t bytes = block == 1    ? (size_t)k * sizeof(float)
                   : block == 32 ? (size_t)(k / 32) * sizeof(tl_x32)
                                 : (size_t)(k / 256) * sizeof(tl_x256);
    return (bytes + 63) / 64 * 64;
}

/* The row in the form that a weight of type t wants: x itself, or made at `to`. */
static const void *prepare(tl_dtype t, const float *x, int64_t k, void *to) {
    switch (tl_dtype_get(t)->kind) {
    case TL_KIND_FLOAT: return x;
    case TL_KIND_HALF: tl_round_x13(x, k, to); return to;
    case TL_KIND_SCALE:
    case TL_KIND_SCALE_MIN: tl_quantize_x32(x, k, to); return to;
    default: tl_quantize_x256(x, k, to); return to;
    }
}

size_t tl_linear_scratch(const tl_tensor *out) {
    const tl_tensor *w = out->src[1];
    return tl_add_saturated(tl_mul_saturated(BLOCK_ROWS, prepared_bytes(w->dtype, w->shape[1])), tl_row_bytes(w));
}

/* x [.., k], w [n, k], bias [n] or none -> [.., n]; a work row is a row of x. */
void tl_linear_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    const tl_tensor *x = out->src[0], *w = out->src[1];
    const float *bias = out->src[2] ? tl_data(out->src[2]) : NULL;
    int64_t n = w->shape[0], k = w->shape[1];
    size_t step = prepared_bytes(w->dtype, k);
    bool quantised = tl_dtype_get(w->dtype)->block > 1;
    void *unpacked = (char *)scratch + BLOCK_ROWS * step;
    for (int64_t r0 = row0; r0 < row1; r0 += BLOCK_ROWS) {
        int64_t rows = row1 - r0 < BLOCK_ROWS ? row1 - r0 : BLOCK_ROWS;
        const void *ready[BLOCK_ROWS];
        for (int64_t i = 0; i < rows; i++)
            ready[i] = prepare(w->dtype, tl_row(x, r0 + i), k, (char *)scratch + (size_t)i * step);
        for (int64_t j = 0; j < n; j++) {
            const void *wrow = unpacked;
            if (w->layout)
                w->layout->unpack_rows(w, j, j + 1, tl_data(w), unpacked);
            else
                wrow = tl_row(w, j);
            for (int64_t i = 0; i < rows; i++) {
                float acc = quantised ? tl_dot_quant(w->dtype, wrow, ready[i], k) : tl_dot_float(w->dtype, wrow, ready[i], k);
                float *y = tl_row(out, r0 + i);
                y[j] = bias ? acc + bias[j] : acc;
            }
        }
    }
}

void tl_linear_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    const tl_tensor *w = out->src[1];
    double n = (double)w->shape[0], k = (double)w->shape[1], r = (double)rows;
    c->ops = 2 * r * n * k;
    c->read = (double)tl_bytes(w) + 4 * r * k + (out->src[2] ? 4 * n : 0);
    c->written = 4 * r * n;
}
