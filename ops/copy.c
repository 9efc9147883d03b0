/* copy.c: the same values elsewhere: contiguous (dense), unpack (as stored instead of a backend's packing), cast, concat.
 *
 * Rows are moved as bytes, so that all but cast take every element type. tl_node inserts contiguous and unpack where an op needs them. */
#include <string.h>

#include "ops/internal.h"
#include "tensor/platform.h"
#include "tensor/quant.h"

/* ---- contiguous ------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_copy_of(tl_graph *g, tl_tensor *x) {
    if (!x)
        return NULL;
    if (x->size && x->rank == 1) { /* a computed tensor that varies has rank 2 at least: copy a column, then see it as a row */
        tl_tensor *column = tl_copy_of(g, tl_reshape(g, x, 2, (int64_t[]){x->shape[0], 1}));
        return tl_reshape(g, column, 1, x->shape);
    }
    return tl_make_once(g, TL_OP_CONTIGUOUS, x);
}

tl_tensor *tl_contiguous(tl_graph *g, tl_tensor *x) {
    if (!tl_operands(g, "contiguous", 1, &x))
        return NULL;
    if (x->layout)
        return tl_unpack(g, x);
    return tl_dense(x) ? x : tl_copy_of(g, x);
}

tl_status tl_contiguous_infer(tl_graph *g, tl_tensor *out) {
    if (out->src[0]->layout)
        return tl_shape_error(g, out, "the operand is packed; tl_unpack gives its rows");
    tl_like(out, out->src[0], out->src[0]->dtype);
    return TL_OK;
}

/* x [..] with any strides -> [..] */
void tl_contiguous_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_tensor *x = out->src[0];
    size_t element = (size_t)tl_dtype_get(x->dtype)->block_bytes, bytes = tl_row_bytes(out);
    for (int64_t r = row0; r < row1; r++) {
        char *to = tl_row(out, r);
        const char *from = tl_row(x, r);
        if (tl_row_dense(x)) {
            memcpy(to, from, bytes);
        } else {
            for (size_t at = 0; at < bytes; at += element, from += x->stride[x->rank - 1])
                memcpy(to + at, from, element);
        }
    }
}

void tl_contiguous_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    tl_cost_rows(out, rows, 0, c);
}

/* ---- unpack ----------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_unpack(tl_graph *g, tl_tensor *x) {
    if (!tl_operands(g, "unpack", 1, &x))
        return NULL;
    return x->layout ? tl_make_once(g, TL_OP_UNPACK, x) : x;
}

tl_status tl_unpack_infer(tl_graph *g, tl_tensor *out) {
    if (!out->src[0]->layout)
        return tl_shape_error(g, out, "the operand is not packed");
    tl_like(out, out->src[0], out->src[0]->dtype);
    return TL_OK;
}

void tl_unpack_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_tensor *x = out->src[0];
    if (row0 < row1)
        x->layout->unpack_rows(x, row0, row1, tl_data(x), tl_row(out, row0));
}

void tl_unpack_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    tl_cost_rows(out, rows, 0, c);
}

/* ---- cast ------------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_cast(tl_graph *g, tl_tensor *x, tl_dtype dtype) {
    if (!tl_operands(g, "cast", 1, &x))
        return NULL;
    if (x->dtype == dtype)
        return tl_unpack(g, x);
    tl_cast_params p = {dtype};
    return tl_node(g, tl_op_get(TL_OP_CAST), 1, &x, &p, sizeof p);
}

tl_status tl_cast_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0];
    const tl_cast_params *p = out->params;
    char text[160];
    if (tl_want_params(g, out))
        return TL_ERR_USAGE;
    const tl_dtype_info *d = tl_dtype_get(p->dtype);
    if (!d)
        return tl_graph_fail(g, TL_ERR_USAGE, "cast: %s to type %d, which is none", tl_describe(x, text, sizeof text), (int)p->dtype);
    if (!tl_codec_of(p->dtype)->encode)
        return tl_graph_fail(g, TL_ERR_UNSUPPORTED, "cast: %s to %s: that type can be read, not written", tl_describe(x, text, sizeof text),
                             d->name);
    if (tl_dim(x, -1) % d->block)
        return tl_graph_fail(g, TL_ERR_USAGE, "cast: %s to %s: rows must be whole blocks of %d", tl_describe(x, text, sizeof text), d->name,
                             d->block);
    tl_like(out, x, p->dtype);
    return TL_OK;
}

/* A row as f32, where it is that on neither side. */
size_t tl_cast_scratch(const tl_tensor *out) {
    bool through = out->dtype != TL_F32 && out->src[0]->dtype != TL_F32;
    return through ? tl_mul_saturated((uint64_t)tl_dim(out, -1), sizeof(float)) : 0;
}

/* x [..] -> [..] of another type, by way of f32. */
void tl_cast_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    const tl_tensor *x = out->src[0];
    int64_t n = tl_dim(x, -1);
    for (int64_t r = row0; r < row1; r++) {
        const void *from = tl_row(x, r);
        void *to = tl_row(out, r);
        if (out->dtype == TL_F32) {
            tl_codec_of(x->dtype)->decode(from, to, n);
        } else if (x->dtype == TL_F32) {
            tl_codec_of(out->dtype)->encode(from, to, n);
        } else {
            tl_codec_of(x->dtype)->decode(from, scratch, n);
            tl_codec_of(out->dtype)->encode(scratch, to, n);
        }
    }
}

void tl_cast_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    tl_cost_rows(out, rows, 1, c);
}

/* ---- concat ----------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_concat(tl_graph *g, tl_tensor *const *x, int n, int axis) {
    if (!g || tl_graph_error(g))
        return NULL;
    if (!x || n < 2 || n > TL_MAX_SRC) {
        tl_graph_fail(g, TL_ERR_USAGE, "concat: 2 to %d operands are wanted, %d given", TL_MAX_SRC, x ? n : 0);
        return NULL;
    }
    if (!tl_operands(g, "concat", n, x))
        return NULL;
    tl_concat_params p = {axis < 0 ? axis + x[0]->rank : axis};
    return tl_node(g, tl_op_get(TL_OP_CONCAT), n, x, &p, sizeof p);
}

tl_status tl_concat_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *first = out->src[0];
    const tl_concat_params *p = out->params;
    if (tl_want_params(g, out))
        return TL_ERR_USAGE;
    tl_like(out, first, first->dtype);
    if (p->axis < 0 || p->axis >= first->rank)
        return tl_shape_error(g, out, "the axis is not one of the operands");
    for (int i = 0; i < out->n_src; i++) {
        const tl_tensor *x = out->src[i];
        if (!x)
            return tl_missing(g, "concat", i);
        if (x->dtype != first->dtype || x->rank != first->rank)
            return tl_shape_error(g, out, "types and ranks must be equal");
        if (p->axis == 0 && x->size)
            return tl_shape_error(g, out, "not along a varying axis");
        if (x->size != first->size)
            return tl_shape_error(g, out, "axis 0 follows different sizes");
        for (int k = 0; k < x->rank; k++)
            if (k != p->axis && x->shape[k] != first->shape[k])
                return tl_shape_error(g, out, "shapes must be equal but for the axis");
        if (i > 0 && x->shape[p->axis] > INT64_MAX - out->shape[p->axis])
            return tl_shape_error(g, out, "the length overflows");
        if (i > 0)
            out->shape[p->axis] += x->shape[p->axis];
    }
    return TL_OK;
}

/* x0 [.., n0, ..], x1 [.., n1, ..], ... -> [.., n0 + n1 + .., ..] */
void tl_concat_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_concat_params *p = out->params;
    int64_t inner = 1, length = out->shape[p->axis]; /* rows below the axis */
    for (int k = p->axis + 1; k < out->rank - 1; k++)
        inner *= out->shape[k];
    for (int64_t r = row0; r < row1; r++) {
        char *to = tl_row(out, r);
        if (p->axis == out->rank - 1) { /* a piece of every row */
            for (int i = 0; i < out->n_src; i++) {
                memcpy(to, tl_row(out->src[i], r), tl_row_bytes(out->src[i]));
                to += tl_row_bytes(out->src[i]);
            }
            continue;
        }
        int64_t outer = r / inner / length, at = r / inner % length;
        int i = 0;
        while (at >= out->src[i]->shape[p->axis])
            at -= out->src[i++]->shape[p->axis];
        memcpy(to, tl_row(out->src[i], (outer * out->src[i]->shape[p->axis] + at) * inner + r % inner), tl_row_bytes(out));
    }
}

void tl_concat_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    tl_cost_rows(out, rows, 0, c);
    c->read = c->written;
}
