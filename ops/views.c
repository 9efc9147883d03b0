/* views.c: reshape, permute, slice, broadcast: other shapes and strides over the memory of their operand. Nothing is computed; a plan has
 * no step for them, so their references are empty.
 *
 * The infer functions do all the checking, because a node may also be added by hand; builders only resolve what is relative: -1, negative
 * axes, tagged lengths. A varying axis 0 is kept whole and first; the last axis of a block type keeps its blocks. */
#include <stdio.h>
#include <string.h>

#include "ops/internal.h"

/* out starts as x, in x's memory. */
static void view_of(tl_tensor *out, const tl_tensor *x) {
    tl_like(out, x, x->dtype);
    memcpy(out->stride, x->stride, sizeof out->stride);
    out->base = x->base;
    out->offset = x->base == x ? 0 : x->offset;
}

static tl_status view_error(tl_graph *g, const tl_tensor *out, int rank, const int64_t *shape, const char *why) {
    char x[160], text[160] = "";
    int n = 0;
    for (int i = 0; i < rank && i < TL_MAX_RANK; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%lld", i ? ", " : "", (long long)shape[i]);
    return tl_graph_fail(g, TL_ERR_USAGE, "%s: %s to [%s]: %s", out->op->name, tl_describe(out->src[0], x, sizeof x), text, why);
}

static int block_of(const tl_tensor *x) {
    return tl_dtype_get(x->dtype)->block;
}

/* Reads a shape as a caller gives it into p: a named size may stand first. */
static bool read_shape(tl_graph *g, const char *op, int rank, const int64_t *shape, tl_reshape_params *p) {
    if (!shape || rank < 1 || rank > TL_MAX_RANK) {
        tl_graph_fail(g, TL_ERR_USAGE, "%s: a shape of rank 1 to %d is wanted, rank %d given", op, TL_MAX_RANK, rank);
        return false;
    }
    p->rank = rank;
    for (int i = 0; i < rank; i++) {
        int size;
        if (!tl_size_decode(g, shape[i], &size, &p->shape[i]) || (size && i > 0)) {
            tl_graph_fail(g, TL_ERR_USAGE, "%s: a named size of this graph may be axis 0 only (axis %d)", op, i);
            return false;
        }
        if (size)
            p->size = size;
    }
    return true;
}

/* ---- reshape -------------------------------------------------------------------------------------------------------------- */

/* Strides that show x's elements in another shape of as many; false where none do. Old axes that lie one behind the other form a run; every
 * new axis must fit into one run, starting from the last. */
static bool restride(const tl_tensor *x, int rank, const int64_t *shape, int64_t *stride) {
    int i = x->rank - 1, j = rank - 1;
    int64_t run = 1, used = 1, step = tl_dtype_get(x->dtype)->block_bytes; /* elements of the run, those given out, stride */
    if (block_of(x) > 1) {                                                 /* the last axis stays as it is */
        step = x->stride[i--];
        stride[j--] = step;
    }
    for (; j >= 0; j--) {
        if (shape[j] != 1 && used == run) {
            while (i > 0 && x->shape[i] == 1)
                i--;
            run = x->shape[i];
            step = x->stride[i];
            used = 1;
            for (i--; i >= 0 && (x->shape[i] == 1 || x->stride[i] == step * run); i--)
                run *= x->shape[i];
        }
        if (run % (used * shape[j]))
            return false;
        stride[j] = step * used;
        used *= shape[j];
    }
    return true;
}

/* Why x cannot have the shape; NULL where it can. */
static const char *reshape_fault(const tl_tensor *x, const tl_reshape_params *p) {
    int64_t n = 1, count = tl_count(x);
    if (p->rank < 1 || p->rank > TL_MAX_RANK)
        return "the rank must be 1 to 6";
    for (int i = 0; i < p->rank; i++) {
        if (p->shape[i] == -1) /* resolve() found no length for it */
            return "one length may be -1, where the others divide the number of elements";
        if (p->shape[i] < 1 || p->shape[i] > count / n)
            return p->shape[i] < 1 ? "a length must be positive, or -1: what is left" : "the number of elements differs";
        n *= p->shape[i];
    }
    if (n != count)
        return "the number of elements differs";
    if (p->size && p->size != x->size)
        return "the named size is not that of the operand";
    if (x->size && p->shape[0] != x->shape[0])
        return "a varying axis 0 stays whole";
    if (block_of(x) > 1 && p->shape[p->rank - 1] != tl_dim(x, -1))
        return "block types keep their last axis";
    return NULL;
}

/* The length that -1 stands for; -1 stays where there is no such length. */
static void resolve(const tl_tensor *x, tl_reshape_params *p) {
    int64_t n = 1, count = tl_count(x);
    int open = -1;
    for (int i = 0; i < p->rank; i++) {
        if (p->shape[i] == -1 && open < 0) {
            open = i;
        } else if (p->shape[i] < 1 || p->shape[i] > count / n) {
            return;
        } else {
            n *= p->shape[i];
        }
    }
    if (open >= 0 && count % n == 0)
        p->shape[open] = count / n;
}

tl_tensor *tl_reshape(tl_graph *g, tl_tensor *x, int rank, const int64_t *shape) {
    tl_reshape_params p = {0};
    int64_t stride[TL_MAX_RANK];
    if (!tl_operands(g, "reshape", 1, &x) || !read_shape(g, "reshape", rank, shape, &p))
        return NULL;
    resolve(x, &p);
    if (x->layout)
        x = tl_unpack(g, x);
    if (x && !reshape_fault(x, &p) && !restride(x, p.rank, p.shape, stride))
        x = tl_copy_of(g, x);
    return tl_node(g, tl_op_get(TL_OP_RESHAPE), 1, &x, &p, sizeof p);
}

tl_status tl_reshape_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0];
    const tl_reshape_params *p = out->params;
    if (tl_want_params(g, out))
        return TL_ERR_USAGE;
    const char *fault = reshape_fault(x, p);
    if (fault)
        return view_error(g, out, p->rank, p->shape, fault);
    view_of(out, x);
    if (!restride(x, p->rank, p->shape, out->stride))
        return view_error(g, out, p->rank, p->shape, "no strides show it; tl_reshape makes a copy");
    out->rank = p->rank;
    memcpy(out->shape, p->shape, (size_t)p->rank * sizeof out->shape[0]);
    return TL_OK;
}

void tl_reshape_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)out, (void)row0, (void)row1, (void)scratch;
}

void tl_reshape_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    (void)out, (void)rows;
    *c = (tl_cost){0};
}

/* ---- permute -------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_permute(tl_graph *g, tl_tensor *x, const int *axes) {
    tl_permute_params p = {{0}};
    if (!tl_operands(g, "permute", 1, &x))
        return NULL;
    if (!axes) {
        tl_graph_fail(g, TL_ERR_USAGE, "permute: no axes given");
        return NULL;
    }
    memcpy(p.axes, axes, (size_t)x->rank * sizeof p.axes[0]);
    return tl_node(g, tl_op_get(TL_OP_PERMUTE), 1, &x, &p, sizeof p);
}

tl_status tl_permute_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0];
    const tl_permute_params *p = out->params;
    unsigned seen = 0;
    if (tl_want_params(g, out))
        return TL_ERR_USAGE;
    view_of(out, x);
    for (int i = 0; i < x->rank; i++) {
        int a = p->axes[i];
        if (a < 0 || a >= x->rank || seen >> a & 1)
            return tl_shape_error(g, out, "the axes must be 0 to rank - 1, each once");
        seen |= 1u << a;
        out->shape[i] = x->shape[a];
        out->stride[i] = x->stride[a];
    }
    if (x->size && p->axes[0] != 0)
        return tl_shape_error(g, out, "a varying axis 0 stays first");
    if (block_of(x) > 1 && p->axes[x->rank - 1] != x->rank - 1)
        return tl_shape_error(g, out, "block types keep their last axis");
    return TL_OK;
}

void tl_permute_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)out, (void)row0, (void)row1, (void)scratch;
}

void tl_permute_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    (void)out, (void)rows;
    *c = (tl_cost){0};
}

/* ---- slice ---------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_slice(tl_graph *g, tl_tensor *x, int axis, int64_t start, int64_t length, int64_t step) {
    if (!tl_operands(g, "slice", 1, &x))
        return NULL;
    tl_slice_params p = {.axis = axis < 0 ? axis + x->rank : axis, .start = start, .length = length, .step = step};
    return tl_node(g, tl_op_get(TL_OP_SLICE), 1, &x, &p, sizeof p);
}

tl_status tl_slice_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0];
    const tl_slice_params *p = out->params;
    char text[160];
    if (tl_want_params(g, out))
        return TL_ERR_USAGE;
    if (p->axis < 0 || p->axis >= x->rank)
        return tl_shape_error(g, out, "the axis is not one of the operand");
    int64_t n = x->shape[p->axis], block = p->axis == x->rank - 1 ? block_of(x) : 1;
    if (p->start < 0 || p->start >= n || p->length < 1 || p->step < 1 || p->length - 1 > (n - 1 - p->start) / p->step)
        return tl_graph_fail(g, TL_ERR_USAGE, "slice: %s: %lld elements from %lld by %lld do not lie in axis %d of %lld",
                             tl_describe(x, text, sizeof text), (long long)p->length, (long long)p->start, (long long)p->step, p->axis,
                             (long long)n);
    if (x->size && p->axis == 0 && p->length != n)
        return tl_shape_error(g, out, "a varying axis 0 stays whole; tl_gather takes rows of it by number");
    if (block > 1 && (p->start % block || p->length % block || p->step != 1))
        return tl_shape_error(g, out, "the last axis of a block type is cut at whole blocks, step 1");
    view_of(out, x);
    out->shape[p->axis] = p->length;
    out->offset += (size_t)(p->start / block) * (size_t)x->stride[p->axis];
    if (p->length > 1)
        out->stride[p->axis] *= p->step;
    return TL_OK;
}

void tl_slice_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)out, (void)row0, (void)row1, (void)scratch;
}

void tl_slice_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    (void)out, (void)rows;
    *c = (tl_cost){0};
}

/* ---- broadcast ------------------------------------------------------------------------------------------------------------ */

tl_tensor *tl_broadcast(tl_graph *g, tl_tensor *x, int rank, const int64_t *shape) {
    tl_reshape_params p = {0};
    if (!tl_operands(g, "broadcast", 1, &x) || !read_shape(g, "broadcast", rank, shape, &p))
        return NULL;
    return tl_node(g, tl_op_get(TL_OP_BROADCAST), 1, &x, &p, sizeof p);
}

tl_tensor *tl_broadcast_to(tl_graph *g, tl_tensor *x, int rank, const int64_t *shape, int size) {
    tl_reshape_params p = {.rank = rank, .size = size};
    memcpy(p.shape, shape, (size_t)rank * sizeof p.shape[0]);
    if (!x || (x->rank == rank && x->size == size && memcmp(x->shape, shape, (size_t)rank * sizeof shape[0]) == 0))
        return x;
    return tl_node(g, tl_op_get(TL_OP_BROADCAST), 1, &x, &p, sizeof p);
}

tl_status tl_broadcast_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0];
    const tl_reshape_params *p = out->params;
    if (tl_want_params(g, out))
        return TL_ERR_USAGE;
    if (p->rank < x->rank || p->rank > TL_MAX_RANK)
        return view_error(g, out, p->rank, p->shape, "the rank must not shrink, and is 6 at most");
    view_of(out, x);
    int lead = p->rank - x->rank;
    int64_t n = 1;
    for (int i = 0; i < p->rank; i++) {
        bool new_axis = i < lead, same = !new_axis && p->shape[i] == x->shape[i - lead];
        if (p->shape[i] < 1 || p->shape[i] > (INT64_MAX >> 8) / n)
            return view_error(g, out, p->rank, p->shape, "a length is not positive, or the number of elements overflows");
        if (!same && !new_axis && x->shape[i - lead] != 1)
            return view_error(g, out, p->rank, p->shape, "lengths must be equal, or 1 in the operand, counted from the last axis");
        n *= p->shape[i];
        out->shape[i] = p->shape[i];
        out->stride[i] = same ? x->stride[i - lead] : 0;
    }
    out->rank = p->rank;
    if (x->size && (lead > 0 || p->shape[0] != x->shape[0] || (p->size && p->size != x->size)))
        return view_error(g, out, p->rank, p->shape, "a varying axis 0 stays as it is, and first");
    if (!x->size && p->size) {
        if (p->shape[0] != tl_graph_size_max(g, p->size) || (lead == 0 && x->shape[0] != 1))
            return view_error(g, out, p->rank, p->shape, "a fixed axis of more than 1 cannot follow a named size");
        out->size = p->size;
    }
    return TL_OK;
}

void tl_broadcast_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)out, (void)row0, (void)row1, (void)scratch;
}

void tl_broadcast_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    (void)out, (void)rows;
    *c = (tl_cost){0};
}
