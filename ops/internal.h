/* internal.h: what the families of ops share among themselves and with backends: generated prototypes. */
#ifndef TALLY_OPS_INTERNAL_H
#define TALLY_OPS_INTERNAL_H

#include "ops/ops.h"

#define TL_OP(ID, name, least, most, flags, work, writes, scratch_fn, check_fn, formula)                                              \
    tl_status tl_##name##_infer(tl_graph *g, tl_tensor *out);                                                                      \
    void tl_##name##_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch);                                         \
    void tl_##name##_cost(const tl_tensor *out, int64_t rows, tl_cost *c);
#include "ops/ops.def"
#undef TL_OP

size_t tl_cast_scratch(const tl_tensor *out);
size_t tl_topk_scratch(const tl_tensor *out);
size_t tl_linear_scratch(const tl_tensor *out);
size_t tl_matmul_scratch(const tl_tensor *out);
size_t tl_attention_scratch(const tl_tensor *out);
size_t tl_embed_scratch(const tl_tensor *out);
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
/* The cost of touching `rows` rows of out and of equal-shaped sources once, with ops_per_element. */
void tl_cost_rows(const tl_tensor *out, int64_t rows, double ops_per_element, tl_cost *c);

#endif
