/* matmul.c: a b for two computed operands, batched; the product of a model's weights is linear.c's.
 *
 * An output element is a sum over k in 16 lanes (ARCHITECTURE.md, "Numerics", rule 2); against f16, a is rounded to 13 bits first (rule 4).
 * Leading axes broadcast by strides of 0: nothing is repeated in memory. */
#include "ops/internal.h"
#include "tensor/math.h"
#include "tensor/quant.h"

/* Columns of b that one pass takes: their lanes stay in the nearest cache. */
enum { TILE = 64, LANES = 16 };

tl_tensor *tl_matmul(tl_graph *g, tl_tensor *a, tl_tensor *b) {
    return tl_node(g, tl_op_get(TL_OP_MATMUL), 2, (tl_tensor *[]){a, b}, NULL, 0);
}

/* Axis i of out, counted from the last, of t; 1 where t has none. */
static int64_t from_last(const tl_tensor *t, int i) {
    return i < t->rank ? t->shape[t->rank - 1 - i] : 1;
}

/* Whether a varying axis 0 of t can be axis 0 of the result: other varies alike there, repeats (a fixed 1) or does not reach it. */
static bool size_fits(const tl_tensor *t, const tl_tensor *other, int rank) {
    if (!t->size || rank == 2)
        return true;
    return t->rank == rank && (other->rank < rank || other->size == t->size || (!other->size && other->shape[0] == 1));
}

tl_status tl_matmul_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *a = out->src[0], *b = out->src[1];
    tl_status s = tl_want_dtype(g, out, 0, TL_F32);
    if (s)
        return s;
    if (b->dtype != TL_F32 && b->dtype != TL_F16 && b->dtype != TL_BF16)
        return tl_shape_error(g, out, "b must be f32, f16 or bf16 (linear takes quantised weights)");
    if (a->rank < 2 || b->rank < 2)
        return tl_shape_error(g, out, "a [.., m, k] and b [.., k, n] are wanted");
    if (from_last(a, 0) != from_last(b, 1))
        return tl_shape_error(g, out, "the last axis of a and the one before the last of b, which are summed over, differ");
    int rank = a->rank > b->rank ? a->rank : b->rank;
    if ((b->rank == 2 && b->size) || !size_fits(a, b, rank) || !size_fits(b, a, rank))
        return tl_shape_error(g, out, "a varying axis must be the first of the result; the other operand varies alike there or has 1");
    for (int i = 2; i < rank; i++)
        if (from_last(a, i) != from_last(b, i) && from_last(a, i) != 1 && from_last(b, i) != 1)
            return tl_shape_error(g, out, "leading axes must be equal or 1");
    out->dtype = TL_F32;
    out->rank = rank;
    out->size = a->size ? a->size : b->size;
    for (int i = 2; i < rank; i++)
        out->shape[rank - 1 - i] = from_last(a, i) != 1 ? from_last(a, i) : from_last(b, i);
    out->shape[rank - 2] = from_last(a, 1);
    out->shape[rank - 1] = from_last(b, 0);
    return TL_OK;
}

size_t tl_matmul_scratch(const tl_tensor *out) {
    return (TILE * LANES + TILE + (size_t)tl_dim(out->src[0], -1)) * sizeof(float);
}

const char *tl_matmul_matrix(const tl_tensor *t, const tl_tensor *out, int64_t batch) {
    const char *at = tl_data(t);
    for (int i = 2; i < out->rank; i++) {
        int64_t length = from_last(out, i), index = batch % length;
        batch /= length;
        if (from_last(t, i) != 1)
            at += index * t->stride[t->rank - 1 - i];
    }
    return at;
}

/* a [.., m, k], b [.., k, n] -> [.., m, n]; a work row is one row of one matrix. */
void tl_matmul_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    const tl_tensor *a = out->src[0], *b = out->src[1];
    int64_t m = tl_dim(a, -2), k = tl_dim(a, -1), n = tl_dim(b, -1);
    int64_t a_step = a->stride[a->rank - 2], b_step = b->stride[b->rank - 2];
    const tl_codec *codec = tl_codec_of(b->dtype);
    size_t element = (size_t)tl_dtype_get(b->dtype)->block_bytes;
    float *lanes = scratch, *values = lanes + TILE * LANES, *rounded = values + TILE;
    for (int64_t r = row0; r < row1; r++) {
        const float *x = (const void *)(tl_matmul_matrix(a, out, r / m) + r % m * a_step);
        const char *bm = tl_matmul_matrix(b, out, r / m);
        float *y = tl_row(out, r);
        if (b->dtype == TL_F16) {
            tl_round_x13(x, k, rounded);
            x = rounded;
        }
        for (int64_t j0 = 0; j0 < n; j0 += TILE) {
            int64_t width = n - j0 < TILE ? n - j0 : TILE;
            for (int i = 0; i < TILE * LANES; i++)
                lanes[i] = 0;
            for (int64_t i = 0; i < k; i++) {
                codec->decode(bm + i * b_step + (size_t)j0 * element, values, width);
                for (int64_t j = 0; j < width; j++)
                    lanes[j * LANES + i % LANES] += x[i] * values[j];
            }
            for (int64_t j = 0; j < width; j++)
                y[j0 + j] = tl_fold16(lanes + j * LANES);
        }
    }
}

void tl_matmul_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    const tl_tensor *a = out->src[0], *b = out->src[1];
    double m = (double)tl_dim(a, -2), k = (double)tl_dim(a, -1), n = (double)tl_dim(b, -1), r = (double)rows;
    double matrices = r / m > 1 ? r / m : 1, own = (double)(tl_rows(b) / tl_dim(b, -2)); /* a broadcast b is read once */
    c->ops = 2 * r * n * k;
    c->read = 4 * r * k + (matrices < own ? matrices : own) * k * n * tl_dtype_get(b->dtype)->block_bytes;
    c->written = 4 * r * n;
}
