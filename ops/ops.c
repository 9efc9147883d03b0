/* ops.c: the table of ops, made from the rows of ops.def, and what their families share.
 *
 * tl_node is the path that every builder takes into a graph. It sees to it that an op never meets memory it cannot read: rows that are
 * not dense are copied, packed weights unpacked, a source that lies in the very memory the node writes is copied first. Such a copy is an
 * ordinary node, made once for all equal views; the plan's printout shows it. */
#include "ops/internal.h"

#include <stdio.h>
#include <string.h>

/* ---- the table ------------------------------------------------------------------------------------------------------------- */

#define TL_OP(ID, name, least, most, flags, work, writes, scratch_fn, check_fn, formula)                                  \
    [TL_OP_##ID] = {#name,      formula,  TL_OP_##ID,      least,           most, flags, writes, work, tl_##name##_infer, \
                    scratch_fn, check_fn, tl_##name##_ref, tl_##name##_cost},
static const tl_op table[TL_N_OPS] = {
#include "ops/ops.def"
};
#undef TL_OP

const tl_op *tl_op_get(int id) {
    return id >= 0 && id < TL_N_OPS ? &table[id] : NULL;
}

/* ---- for builders ---------------------------------------------------------------------------------------------------------- */

tl_status tl_missing(tl_graph *g, const char *op, int i) {
    int n = tl_graph_count(g);
    char text[160];
    if (n == 0)
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: operand %d is missing (NULL)", op, i);
    return tl_graph_fail(g, TL_ERR_USAGE, "%s: operand %d is missing (NULL); the last node built before is %s", op, i,
                         tl_describe(tl_graph_node(g, n - 1), text, sizeof text));
}

bool tl_operands(tl_graph *g, const char *op, int n, tl_tensor *const *x) {
    if (!g || tl_graph_error(g))
        return false;
    for (int i = 0; i < n; i++) {
        if (!x[i]) {
            tl_missing(g, op, i);
            return false;
        }
    }
    return true;
}

static bool writes_source(const tl_op *op, int i) {
    return (i == 0 && op->flags & TL_OP_STATE) || (i < 32 && op->writes >> i & 1);
}

static bool same_view(const tl_tensor *a, const tl_tensor *b) {
    return a == b ||
           (a->base == b->base && a->base != a && b->base != b && a->offset == b->offset && a->dtype == b->dtype &&
            a->layout == b->layout && tl_same_shape(a, b) && memcmp(a->stride, b->stride, (size_t)a->rank * sizeof a->stride[0]) == 0);
}

/* The node that already holds x as op makes it, NULL where there is none. A copy from before a write of x's memory is never given out: it
 * would be old, or x is, and tl_graph_add refuses that. */
static tl_tensor *made_before(const tl_graph *g, const tl_op *op, const tl_tensor *x) {
    int first = x->base->graph ? x->base->id + 1 : 0;
    for (int i = tl_graph_count(g) - 1; i >= first; i--) {
        tl_tensor *t = tl_graph_node(g, i);
        if (t->op == op && same_view(t->src[0], x))
            return t;
        for (int k = 0; t->op && k < t->n_src; k++)
            if (writes_source(t->op, k) && t->src[k] && t->src[k]->base == x->base)
                return NULL;
    }
    return NULL;
}

tl_tensor *tl_make_once(tl_graph *g, int id, tl_tensor *x) {
    const tl_op *op = tl_op_get(id);
    tl_tensor *t = made_before(g, op, x);
    return t ? t : tl_graph_add(g, op, 1, &x, NULL, 0);
}

/* The source that an op with TL_OP_PACKED reads packed. */
static int packed_source(const tl_op *op) {
    return op->id == TL_OP_LINEAR ? 1 : 0;
}

/* Source i of op as op can read it; NULL and the graph has failed where that cannot be. */
static tl_tensor *readable(tl_graph *g, const tl_op *op, int i, tl_tensor *x, int n_src, tl_tensor *const *src) {
    char text[160];
    if (writes_source(op, i)) {
        bool once = true; /* no element stands twice */
        for (int k = 0; k < x->rank; k++)
            once = once && (x->shape[k] == 1 || x->stride[k] > 0);
        if (!x->layout && tl_row_dense(x) && once)
            return x;
        tl_graph_fail(g, TL_ERR_USAGE, "%s: state %s is written where it lies, so its rows must be dense, not packed, not repeated",
                      op->name, tl_describe(x, text, sizeof text));
        return NULL;
    }
    if (x->layout && !(op->flags & TL_OP_PACKED && i == packed_source(op)))
        x = tl_unpack(g, x);
    if (x && !(op->flags & TL_OP_STRIDED) && !tl_row_dense(x))
        x = tl_copy_of(g, x);
    for (int k = 0; x && k < n_src; k++)
        if (src[k] && writes_source(op, k) && src[k]->base == x->base)
            return tl_copy_of(g, x); /* read before the first row is written */
    return x;
}

tl_tensor *tl_node(tl_graph *g, const tl_op *op, int n_src, tl_tensor *const *src, const void *params, size_t params_bytes) {
    tl_tensor *ready[TL_MAX_SRC] = {NULL};
    if (!g || tl_graph_error(g))
        return NULL;
    if (!op || n_src < 0 || n_src > TL_MAX_SRC || (n_src > 0 && !src)) {
        tl_graph_fail(g, TL_ERR_USAGE, "tl_node: an op and 0 to %d operands are wanted", TL_MAX_SRC);
        return NULL;
    }
    for (int i = 0; i < n_src; i++) {
        if (!src[i] && i < op->min_src && op->name) {
            tl_missing(g, op->name, i);
            return NULL;
        }
        if (!src[i])
            continue;
        ready[i] = readable(g, op, i, src[i], n_src, src);
        if (!ready[i])
            return NULL;
    }
    return tl_graph_add(g, op, n_src, ready, params, params_bytes);
}

/* ---- for infer functions ------------------------------------------------------------------------------------------------------ */

tl_status tl_want_dtype(tl_graph *g, const tl_tensor *out, int i, tl_dtype dtype) {
    char text[160];
    const tl_tensor *x = out->src[i];
    if (!x)
        return tl_missing(g, out->op->name, i);
    if (x->dtype != dtype)
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: operand %d, %s, must be %s; tl_cast makes it so", out->op->name, i,
                             tl_describe(x, text, sizeof text), tl_dtype_get(dtype)->name);
    return TL_OK;
}

tl_status tl_want_params(tl_graph *g, const tl_tensor *out) {
    return out->params ? TL_OK : tl_graph_fail(g, TL_ERR_USAGE, "%s: the node was added without its parameters", out->op->name);
}

void tl_like(tl_tensor *out, const tl_tensor *x, tl_dtype dtype) {
    out->dtype = dtype;
    out->rank = x->rank;
    out->size = x->size;
    memcpy(out->shape, x->shape, sizeof out->shape);
}

tl_status tl_shape_error(tl_graph *g, const tl_tensor *out, const char *why) {
    char list[320] = "", text[120];
    size_t n = 0;
    for (int i = 0; i < out->n_src && n < sizeof list; i++) {
        if (!out->src[i])
            continue;
        const char *join = n == 0 ? "" : i + 1 < out->n_src ? ", " : " and ";
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", join, tl_describe(out->src[i], text, sizeof text));
    }
    return tl_graph_fail(g, TL_ERR_USAGE, "%s: %s: %s", out->op->name, list, why);
}

void tl_cost_rows(const tl_tensor *out, int64_t rows, double ops_per_element, tl_cost *c) {
    double r = (double)rows;
    *c = (tl_cost){.ops = r * (double)tl_dim(out, -1) * ops_per_element, .written = r * (double)tl_row_bytes(out)};
    for (int i = 0; i < out->n_src; i++) {
        const tl_tensor *x = out->src[i];
        if (x)
            c->read += tl_rows(x) == tl_rows(out) ? r * (double)tl_row_bytes(x) : (double)tl_bytes(x);
    }
}
