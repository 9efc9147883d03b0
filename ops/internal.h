/* internal.h: what the families of ops share among themselves and with backends: generated prototypes. */
#ifndef TALLY_OPS_INTERNAL_H
#define TALLY_OPS_INTERNAL_H

#include "ops/ops.h"

#define TL_OP(ID, name, least, most, flags, work, writes, scratch_fn, check_fn, formula)   \
    tl_status tl_##name##_infer(tl_graph *g, tl_tensor *out);                              \
    void tl_##name##_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch); \
    void tl_##name##_cost(const tl_tensor *out, int64_t rows, tl_cost *c);
#include "ops/ops.def"
#undef TL_OP

size_t tl_cast_scratch(const tl_tensor *out);
size_t tl_topk_scratch(const tl_tensor *out);
size_t tl_linear_scratch(const tl_tensor *out);
size_t tl_matmul_scratch(const tl_tensor *out);
size_t tl_attention_scratch(const tl_tensor *out);
size_t tl_embed_scratch(const tl_tensor *out);
/* How many keys a sequence can have, and the value that an end must not exceed, where k has so many rows. */
int64_t tl_attention_keys(const tl_tensor *out, int64_t rows);
tl_status tl_attention_check(const tl_tensor *out, const tl_plan *p, tl_error *err);
tl_status tl_embed_check(const tl_tensor *out, const tl_plan *p, tl_error *err);
tl_status tl_gather_check(const tl_tensor *out, const tl_plan *p, tl_error *err);
tl_status tl_set_rows_check(const tl_tensor *out, const tl_plan *p, tl_error *err);

/* For infer functions (ops.c). Each fails the graph with a sentence that names op, operand and shapes. */
/* Source i must be there with this type. */
tl_status tl_want_dtype(tl_graph *g, const tl_tensor *out, int i, tl_dtype dtype);
/* out takes dtype, and shape and size from x. */
void tl_like(tl_tensor *out, const tl_tensor *x, tl_dtype dtype);
/* "op: 'a' f32 [2, 3] and 'b' f32 [4]: why". */
tl_status tl_shape_error(tl_graph *g, const tl_tensor *out, const char *why);
/* Operand i is NULL, which the op does not take. NULL has no name, so the message says where in the graph it is. */
tl_status tl_missing(tl_graph *g, const char *op, int i);
/* The node's parameters must be there: a node added by hand may lack them. */
tl_status tl_want_params(tl_graph *g, const tl_tensor *out);
/* matmul: the first element of the [.., rows, columns] matrix of operand t that goes with matrix number `batch` of out. */
const char *tl_matmul_matrix(const tl_tensor *t, const tl_tensor *out, int64_t batch);
/* The cost of touching `rows` rows of out and of equal-shaped sources once, with ops_per_element. */
void tl_cost_rows(const tl_tensor *out, int64_t rows, double ops_per_element, tl_cost *c);

/* For builders. */
/* True where g is in order and the n operands are there; a missing one fails the graph. */
bool tl_operands(tl_graph *g, const char *op, int n, tl_tensor *const *x);
/* The node of op id (CONTIGUOUS or UNPACK) on x: one for all equal views between two writes of a state. */
tl_tensor *tl_make_once(tl_graph *g, int id, tl_tensor *x);
/* A dense copy of x in memory of its own, made once. */
tl_tensor *tl_copy_of(tl_graph *g, tl_tensor *x);
/* x repeated to shape, where axis 0 follows the named size `size` (0: x's own or none); x itself where nothing changes. */
tl_tensor *tl_broadcast_to(tl_graph *g, tl_tensor *x, int rank, const int64_t *shape, int size);

#endif
