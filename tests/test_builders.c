/* test_builders.c: what the builders of views, copies, elementwise ops, reductions, norms, softmax and rows by number refuse, and how they
 * say it: each wrong operand fails the graph with a sentence that names op, operands and shapes. Nothing here runs. */
#include <math.h>

#include "tests/rig.h"

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})
#define AXES(...) ((int[]){__VA_ARGS__})

static rig r;

/* Operands of every test: bank tensors named by type and shape, so that they outlive a failed graph. */
static tl_tensor *a, *b, *v4, *v3, *i3, *i2x3, *h, *q4, *k6, *cube, *state;

static tl_tensor *tensor(const char *name, tl_dtype dtype, int rank, const int64_t *shape) {
    tl_tensor *t;
    MUST(&r, tl_bank_add(r.bank, name, dtype, rank, shape, NULL, &t, &r.err));
    return t;
}

static void open_rig(void) {
    r = rig_open("ref");
    a = tensor("a", TL_F32, 2, SHAPE(2, 3));
    b = tensor("b", TL_F32, 2, SHAPE(3, 4));
    v4 = tensor("v4", TL_F32, 1, SHAPE(4));
    v3 = tensor("v3", TL_F32, 1, SHAPE(3));
    i3 = tensor("i3", TL_I32, 1, SHAPE(3));
    i2x3 = tensor("i2x3", TL_I32, 2, SHAPE(2, 3));
    h = tensor("h", TL_F16, 2, SHAPE(2, 3));
    q4 = tensor("q4", TL_Q4_0, 2, SHAPE(4, 64));
    k6 = tensor("k6", TL_Q6_K, 2, SHAPE(4, 256));
    cube = tensor("cube", TL_F32, 3, SHAPE(2, 3, 4));
    state = tensor("state", TL_F32, 2, SHAPE(5, 3));
}

static void close_rig(void) {
    rig_close(&r);
}

/* The builder gives NULL, the graph fails with a message that holds `words`, and another graph begins. */
#define BAD(call, words)                                             \
    do {                                                             \
        ck_assert_msg((call) == NULL, "%s is accepted", #call);      \
        FAILED(r.g, words);                                          \
        ck_assert_int_eq(tl_graph_error(r.g)->status, TL_ERR_USAGE); \
        rig_next_graph(&r);                                          \
    } while (0)

/* A varying input [n <= 4, width] or [n <= 4] of the graph at hand. */
static tl_tensor *varying(tl_dtype dtype, int rank, int64_t width) {
    return tl_input(r.g, "vary", dtype, rank, SHAPE(tl_size(r.g, "n", 4), width));
}

static tl_tensor *varying_otherwise(int64_t width) {
    return tl_input(r.g, "other", TL_F32, 2, SHAPE(tl_size(r.g, "m", 4), width));
}

START_TEST(a_null_or_failed_graph_and_a_null_operand_give_null) {
    typedef tl_tensor *(*unary_fn)(tl_graph * g, tl_tensor * x);
    static const unary_fn all[] = {tl_contiguous, tl_unpack,  tl_neg,  tl_abs,  tl_sqr,  tl_sqrt,     tl_exp, tl_log,  tl_sin, tl_cos,
                                   tl_tanh,       tl_sigmoid, tl_relu, tl_silu, tl_gelu, tl_gelu_erf, tl_sum, tl_mean, tl_max, tl_argmax};
    for (int i = 0; i < COUNT(all); i++) {
        ck_assert_ptr_null(all[i](NULL, a));
        BAD(all[i](r.g, NULL), "operand 0 is missing (NULL)");
    }
    tl_tensor *values = a, *ids = a;
    BAD(tl_reshape(r.g, NULL, 1, SHAPE(1)), "reshape: operand 0 is missing");
    BAD(tl_permute(r.g, NULL, AXES(0)), "permute: operand 0 is missing");
    BAD(tl_slice(r.g, NULL, 0, 0, 1, 1), "slice: operand 0 is missing");
    BAD(tl_broadcast(r.g, NULL, 1, SHAPE(1)), "broadcast: operand 0 is missing");
    BAD(tl_cast(r.g, NULL, TL_F16), "cast: operand 0 is missing");
    BAD(tl_concat(r.g, (tl_tensor *[]){a, NULL}, 2, 0), "concat: operand 1 is missing");
    BAD(tl_add(r.g, a, NULL), "add: operand 1 is missing");
    BAD(tl_linear(r.g, tl_neg(r.g, a), NULL, NULL), "linear: operand 1 is missing (NULL); the last node built before is #0 neg f32 [2, 3]");
    BAD(tl_swiglu(r.g, NULL, a), "swiglu: operand 0 is missing");
    BAD(tl_scale(r.g, NULL, 1), "scale: operand 0 is missing");
    BAD(tl_clamp(r.g, NULL, 0, 1), "clamp: operand 0 is missing");
    BAD(tl_topk(r.g, NULL, 1, &values, &ids), "topk: operand 0 is missing");
    ck_assert(!values && !ids);
    BAD(tl_rms_norm(r.g, NULL, v3, 0), "rms_norm: operand 0 is missing");
    BAD(tl_layer_norm(r.g, NULL, v3, v3, 0), "layer_norm: operand 0 is missing");
    BAD(tl_softmax(r.g, NULL, NULL, 1), "softmax: operand 0 is missing");
    BAD(tl_embed(r.g, a, NULL), "embed: operand 1 is missing");
    BAD(tl_gather(r.g, NULL, i3), "gather: operand 0 is missing");
    BAD(tl_set_rows(r.g, state, NULL, a), "set_rows: operand 1 is missing");
    BAD(tl_assign(r.g, state, NULL), "assign: operand 1 is missing");
}
END_TEST

START_TEST(the_first_message_stays) {
    ck_assert_ptr_null(tl_add(r.g, a, b));
    ck_assert_ptr_null(tl_neg(r.g, NULL));
    ck_assert_ptr_null(tl_neg(r.g, a));
    ck_assert_ptr_null(tl_concat(r.g, NULL, 0, 0));
    ck_assert_ptr_null(tl_node(r.g, NULL, -1, NULL, NULL, 0));
    FAILED(r.g, "add: 'a' f32 [2, 3] and 'b' f32 [3, 4] do not broadcast");
}
END_TEST

START_TEST(an_operand_of_another_graph_is_refused) {
    tl_graph *other;
    MUST(&r, tl_graph_new(&other, &r.err));
    tl_tensor *x = tl_input(other, "x", TL_F32, 2, SHAPE(2, 3));
    BAD(tl_neg(r.g, x), "neg: operand 0, 'x' f32 [2, 3], belongs to another graph");
    BAD(tl_add(r.g, a, tl_permute(other, tl_input(other, "y", TL_F32, 2, SHAPE(3, 2)), AXES(1, 0))), "belongs to another graph");
    BAD(tl_neg(r.g, tl_permute(other, x, AXES(1, 0))), "contiguous: operand 0");
    tl_graph_free(other);
}
END_TEST

START_TEST(nodes_by_hand_without_parameters_are_refused) {
    static const int with_parameters[] = {TL_OP_RESHAPE, TL_OP_PERMUTE, TL_OP_SLICE,    TL_OP_BROADCAST,  TL_OP_CAST,   TL_OP_SCALE,
                                          TL_OP_CLAMP,   TL_OP_TOPK,    TL_OP_RMS_NORM, TL_OP_LAYER_NORM, TL_OP_SOFTMAX};
    for (int i = 0; i < COUNT(with_parameters); i++)
        BAD(tl_node(r.g, tl_op_get(with_parameters[i]), 1, &a, NULL, 0), "added without its parameters");
    BAD(tl_node(r.g, tl_op_get(TL_OP_CONCAT), 2, (tl_tensor *[]){a, a}, NULL, 0), "added without its parameters");
    BAD(tl_node(r.g, NULL, 1, &a, NULL, 0), "tl_node: an op and 0 to 8 operands");
    BAD(tl_node(r.g, tl_op_get(TL_OP_NEG), 9, &a, NULL, 0), "tl_node: an op and 0 to 8 operands");
    BAD(tl_node(r.g, tl_op_get(TL_OP_ADD), 1, &a, NULL, 0), "add: 1 operands, wants 2 to 2");
    BAD(tl_node(r.g, tl_op_get(TL_OP_ADD), 2, (tl_tensor *[]){a, b}, NULL, 0), "add: 'a' f32 [2, 3] and 'b' f32 [3, 4]: the shapes differ");
    BAD(tl_node(r.g, tl_op_get(TL_OP_UNPACK), 1, &a, NULL, 0), "unpack: 'a' f32 [2, 3]: the operand is not packed");
    tl_tensor *turned = tl_permute(r.g, a, AXES(1, 0));
    BAD(tl_node(r.g, tl_op_get(TL_OP_RESHAPE), 1, &turned, &(tl_reshape_params){.rank = 1, .shape = {6}}, sizeof(tl_reshape_params)),
        "no strides show it");
    BAD(tl_node(r.g, tl_op_get(TL_OP_BROADCAST), 1, &a, &(tl_reshape_params){.rank = 7}, sizeof(tl_reshape_params)), "6 at most");
    BAD(tl_node(r.g, tl_op_get(TL_OP_RESHAPE), 1, &a, &(tl_reshape_params){.rank = 0}, sizeof(tl_reshape_params)), "rank must be 1 to 6");
}
END_TEST

START_TEST(views_refuse_what_strides_cannot_show) {
    BAD(tl_reshape(r.g, a, 2, SHAPE(2, 4)), "reshape: 'a' f32 [2, 3] to [2, 4]: the number of elements differs");
    BAD(tl_reshape(r.g, a, 2, SHAPE(4, -1)), "reshape: 'a' f32 [2, 3] to [4, -1]: one length may be -1, where the others divide");
    BAD(tl_reshape(r.g, a, 2, SHAPE(-1, -1)), "one length may be -1");
    BAD(tl_reshape(r.g, a, 2, SHAPE(0, -1)), "a length must be positive");
    BAD(tl_reshape(r.g, a, 2, SHAPE(INT64_C(1) << 61, INT64_C(1) << 61)), "the number of elements differs");
    BAD(tl_reshape(r.g, a, 0, SHAPE(6)), "reshape: a shape of rank 1 to 6 is wanted, rank 0 given");
    BAD(tl_reshape(r.g, a, 7, SHAPE(1, 1, 1, 1, 1, 1, 6)), "rank 7 given");
    BAD(tl_reshape(r.g, a, 2, NULL), "reshape: a shape");
    BAD(tl_reshape(r.g, q4, 1, SHAPE(256)), "block types keep their last axis");
    BAD(tl_permute(r.g, a, NULL), "permute: no axes given");
    BAD(tl_permute(r.g, a, AXES(0, 0)), "permute: 'a' f32 [2, 3]: the axes must be 0 to rank - 1, each once");
    BAD(tl_permute(r.g, a, AXES(0, 2)), "the axes must be");
    BAD(tl_permute(r.g, a, AXES(-1, 0)), "the axes must be");
    BAD(tl_permute(r.g, q4, AXES(1, 0)), "block types keep their last axis");
    BAD(tl_slice(r.g, a, 2, 0, 1, 1), "slice: 'a' f32 [2, 3]: the axis is not one of the operand");
    BAD(tl_slice(r.g, a, -3, 0, 1, 1), "the axis is not one of the operand");
    BAD(tl_slice(r.g, a, 1, 1, 3, 1), "slice: 'a' f32 [2, 3]: 3 elements from 1 by 1 do not lie in axis 1 of 3");
    BAD(tl_slice(r.g, a, 1, 0, 2, 3), "2 elements from 0 by 3");
    BAD(tl_slice(r.g, a, 1, -1, 1, 1), "from -1");
    BAD(tl_slice(r.g, a, 1, 3, 1, 1), "from 3");
    BAD(tl_slice(r.g, a, 1, 0, 0, 1), "0 elements");
    BAD(tl_slice(r.g, a, 1, 0, 1, 0), "by 0");
    BAD(tl_slice(r.g, a, 1, 0, INT64_MAX, INT64_MAX), "do not lie in axis 1");
    BAD(tl_slice(r.g, q4, 1, 16, 32, 1), "the last axis of a block type is cut at whole blocks, step 1");
    BAD(tl_slice(r.g, q4, 1, 0, 40, 1), "whole blocks");
    BAD(tl_slice(r.g, q4, 1, 0, 32, 2), "whole blocks");
    BAD(tl_broadcast(r.g, a, 2, SHAPE(2, 6)), "broadcast: 'a' f32 [2, 3] to [2, 6]: lengths must be equal, or 1 in the operand");
    BAD(tl_broadcast(r.g, a, 1, SHAPE(3)), "the rank must not shrink");
    BAD(tl_broadcast(r.g, a, 3, SHAPE(0, 2, 3)), "a length is not positive");
    BAD(tl_broadcast(r.g, v3, 3, SHAPE(INT64_C(1) << 40, INT64_C(1) << 20, 3)), "the number of elements overflows");
    BAD(tl_broadcast(r.g, a, 3, NULL), "broadcast: a shape");
}
END_TEST

START_TEST(a_varying_axis_stays_whole_and_first) {
    BAD(tl_reshape(r.g, varying(TL_F32, 2, 6), 2, SHAPE(8, 3)), "reshape: 'vary' f32 [n<=4, 6] to [8, 3]: a varying axis 0 stays whole");
    BAD(tl_reshape(r.g, varying(TL_F32, 2, 6), 1, SHAPE(-1)), "a varying axis 0 stays whole");
    BAD(tl_reshape(r.g, varying(TL_F32, 2, 6), 2, SHAPE(tl_size(r.g, "m", 4), 6)), "the named size is not that of the operand");
    BAD(tl_reshape(r.g, a, 2, SHAPE(tl_size(r.g, "m", 2), 3)), "the named size is not that of the operand");
    BAD(tl_reshape(r.g, varying(TL_F32, 2, 6), 2, SHAPE(6, tl_size(r.g, "n", 4))),
        "a named size of this graph may be axis 0 only (axis 1)");
    BAD(tl_reshape(r.g, a, 1, SHAPE(INT64_C(1) << 62 | INT64_C(9) << 44 | 6)), "a named size of this graph");
    BAD(tl_permute(r.g, varying(TL_F32, 2, 6), AXES(1, 0)), "a varying axis 0 stays first");
    BAD(tl_slice(r.g, varying(TL_F32, 2, 6), 0, 0, 2, 1), "a varying axis 0 stays whole; tl_gather");
    BAD(tl_broadcast(r.g, varying(TL_F32, 2, 1), 3, SHAPE(2, 4, 1)), "a varying axis 0 stays as it is, and first");
    BAD(tl_broadcast(r.g, varying(TL_F32, 2, 1), 2, SHAPE(tl_size(r.g, "m", 4), 5)), "a varying axis 0 stays as it is");
    BAD(tl_broadcast(r.g, tl_input(r.g, "one", TL_F32, 2, SHAPE(tl_size(r.g, "k", 1), 3)), 2, SHAPE(5, 3)),
        "a varying axis 0 stays as it is");
    BAD(tl_broadcast(r.g, b, 2, SHAPE(tl_size(r.g, "k", 3), 4)), "a fixed axis of more than 1 cannot follow a named size");
    BAD(tl_concat(r.g, (tl_tensor *[]){varying(TL_F32, 2, 3), a}, 2, 0),
        "concat: 'vary' f32 [n<=4, 3] and 'a' f32 [2, 3]: not along a varying axis");
    BAD(tl_concat(r.g, (tl_tensor *[]){a, varying(TL_F32, 2, 3)}, 2, 0), "not along a varying axis");
    BAD(tl_concat(r.g, (tl_tensor *[]){varying(TL_F32, 2, 3), varying_otherwise(3)}, 2, 1), "axis 0 follows different sizes");
    BAD(tl_neg(r.g, varying(TL_F32, 1, 0)), "neg: a computed tensor that varies needs rank 2");
    BAD(tl_sum(r.g, varying(TL_F32, 1, 0)), "sum: 'vary' f32 [n<=4]: the last axis must not vary");
    BAD(tl_softmax(r.g, varying(TL_F32, 1, 0), NULL, 1), "the last axis must not vary");
    BAD(tl_rms_norm(r.g, varying(TL_F32, 1, 0), NULL, 0), "the last axis must not vary");
}
END_TEST

START_TEST(different_sizes_do_not_broadcast) {
    tl_tensor *fixed = tensor("fixed", TL_F32, 2, SHAPE(4, 3));
    BAD(tl_add(r.g, varying(TL_F32, 2, 3), varying_otherwise(3)),
        "add: 'vary' f32 [n<=4, 3] and 'other' f32 [m<=4, 3] do not broadcast: a varying");
    BAD(tl_add(r.g, varying(TL_F32, 2, 3), fixed), "a varying axis 0 matches the same named size, or is repeated from length 1");
    BAD(tl_add(r.g, fixed, varying(TL_F32, 2, 3)), "a varying axis 0 matches");
    BAD(tl_mul(r.g, cube, varying(TL_F32, 2, 1)), "lengths must be equal or 1");
    BAD(tl_mul(r.g, tl_reshape(r.g, cube, 3, SHAPE(6, 4, 1)), varying(TL_F32, 2, 3)), "a varying axis 0 matches"); /* it would be axis 1 */
    BAD(tl_sub(r.g, tl_input(r.g, "one", TL_F32, 2, SHAPE(tl_size(r.g, "k", 1), 3)), fixed), "a varying axis 0 matches");
    BAD(tl_swiglu(r.g, varying(TL_F32, 2, 3), varying_otherwise(3)),
        "swiglu: 'vary' f32 [n<=4, 3] and 'other' f32 [m<=4, 3]: the shapes differ");
    BAD(tl_softmax(r.g, varying(TL_F32, 2, 3), fixed, 1), "a fixed axis of more than 1 cannot follow a named size");
    BAD(tl_set_rows(r.g, state, tl_input(r.g, "i", TL_I32, 1, SHAPE(4)), varying(TL_F32, 2, 3)), "following the same named size");
    BAD(tl_assign(r.g, fixed, varying(TL_F32, 2, 3)), "assign: 'fixed' f32 [4, 3] and 'vary' f32 [n<=4, 3]: the shapes differ");
}
END_TEST

START_TEST(copies_refuse_types_and_shapes) {
    BAD(tl_cast(r.g, a, (tl_dtype)TL_N_DTYPES), "cast: 'a' f32 [2, 3] to type");
    BAD(tl_cast(r.g, a, TL_Q4_0), "cast: 'a' f32 [2, 3] to q4_0: rows must be whole blocks of 32");
    ck_assert_ptr_null(tl_cast(r.g, q4, TL_Q6_K));
    FAILED(r.g, "cast: 'q4' q4_0 [4, 64] to q6_k: that type can be read, not written");
    ck_assert_int_eq(tl_graph_error(r.g)->status, TL_ERR_UNSUPPORTED);
    rig_next_graph(&r);
    BAD(tl_concat(r.g, (tl_tensor *[]){a}, 1, 0), "concat: 2 to 8 operands are wanted, 1 given");
    BAD(tl_concat(r.g, (tl_tensor *[]){a, a, a, a, a, a, a, a, a}, 9, 0), "9 given");
    BAD(tl_concat(r.g, NULL, 2, 0), "0 given");
    BAD(tl_concat(r.g, (tl_tensor *[]){a, b}, 2, 0), "concat: 'a' f32 [2, 3] and 'b' f32 [3, 4]: shapes must be equal but for the axis");
    BAD(tl_concat(r.g, (tl_tensor *[]){a, h}, 2, 0), "types and ranks must be equal");
    BAD(tl_concat(r.g, (tl_tensor *[]){a, v3}, 2, 0), "types and ranks must be equal");
    BAD(tl_concat(r.g, (tl_tensor *[]){a, a}, 2, 2), "the axis is not one of the operands");
    BAD(tl_concat(r.g, (tl_tensor *[]){a, a}, 2, -3), "the axis is not one of the operands");
}
END_TEST

START_TEST(float_ops_want_f32) {
    BAD(tl_neg(r.g, h), "neg: operand 0, 'h' f16 [2, 3], must be f32; tl_cast makes it so");
    BAD(tl_add(r.g, a, h), "add: operand 1, 'h' f16 [2, 3], must be f32");
    BAD(tl_scale(r.g, i3, 2), "scale: operand 0, 'i3' i32 [3], must be f32");
    BAD(tl_clamp(r.g, i3, 0, 1), "clamp: operand 0");
    BAD(tl_geglu(r.g, h, h), "geglu: operand 0");
    BAD(tl_sum(r.g, h), "sum: operand 0");
    BAD(tl_argmax(r.g, q4), "argmax: operand 0, 'q4' q4_0 [4, 64], must be f32");
    BAD(tl_topk(r.g, h, 1, NULL, NULL), "topk: operand 0");
    BAD(tl_rms_norm(r.g, h, NULL, 0), "rms_norm: operand 0");
    BAD(tl_layer_norm(r.g, h, NULL, NULL, 0), "layer_norm: operand 0");
    BAD(tl_softmax(r.g, h, NULL, 1), "softmax: operand 0");
    BAD(tl_softmax(r.g, a, h, 1), "softmax: operand 1, 'h' f16 [2, 3], must be f32");
}
END_TEST

START_TEST(elementwise_ops_refuse_shapes_and_limits) {
    BAD(tl_add(r.g, a, v4),
        "add: 'a' f32 [2, 3] and 'v4' f32 [4] do not broadcast: lengths must be equal or 1, counted from the last axis");
    BAD(tl_swiglu(r.g, a, v3), "swiglu: 'a' f32 [2, 3] and 'v3' f32 [3]: the shapes differ");
    BAD(tl_geglu(r.g, a, b), "geglu: 'a' f32 [2, 3] and 'b' f32 [3, 4]: the shapes differ");
    BAD(tl_clamp(r.g, a, 1, 0), "clamp: 'a' f32 [2, 3]: low must not be above high, and neither NaN");
    BAD(tl_clamp(r.g, a, NAN, 0), "neither NaN");
    BAD(tl_add(r.g, tl_broadcast(r.g, v3, 3, SHAPE(INT64_C(1) << 38, 1, 3)), tl_broadcast(r.g, v3, 3, SHAPE(1, INT64_C(1) << 38, 3))),
        "overflows");
}
END_TEST

START_TEST(ops_along_the_last_axis_refuse_operands) {
    tl_tensor *values, *ids;
    BAD(tl_topk(r.g, a, 4, &values, &ids), "topk: k is 4, rows of 'a' f32 [2, 3] have 1 to 3");
    BAD(tl_topk(r.g, a, 0, &values, NULL), "topk: k is 0");
    if (sizeof(size_t) > 4) /* else no tensor is that long */
        BAD(tl_argmax(r.g, tl_broadcast(r.g, tl_slice(r.g, v3, 0, 0, 1, 1), 1, SHAPE(INT64_C(1) << 31))),
            "rows of more than 2147483647 elements have no i32 index");
    BAD(tl_rms_norm(r.g, a, v4, 0), "rms_norm: 'a' f32 [2, 3] has rows of 3, weight 'v4' f32 [4] must be [3]");
    BAD(tl_rms_norm(r.g, a, a, 0), "weight 'a' f32 [2, 3] must be [3]");
    BAD(tl_rms_norm(r.g, a, i3, 0), "rms_norm: weight 'i3' i32 [3] must be f32, f16 or bf16");
    BAD(tl_rms_norm(r.g, a, v3, -1), "eps must be finite and not negative");
    BAD(tl_rms_norm(r.g, a, v3, NAN), "eps must be finite");
    BAD(tl_rms_norm(r.g, a, v3, INFINITY), "eps must be finite");
    BAD(tl_layer_norm(r.g, a, v4, NULL, 0), "layer_norm: 'a' f32 [2, 3] has rows of 3, weight 'v4' f32 [4] must be [3]");
    BAD(tl_layer_norm(r.g, a, v3, v4, 0), "bias 'v4' f32 [4] must be [3]");
    BAD(tl_softmax(r.g, a, v4, 1), "softmax: mask 'v4' f32 [4] does not broadcast to 'a' f32 [2, 3]: lengths must be equal or 1");
    BAD(tl_softmax(r.g, a, cube, 1), "softmax: mask 'cube' f32 [2, 3, 4] does not broadcast to 'a' f32 [2, 3]");
    BAD(tl_softmax(r.g, a, varying(TL_F32, 2, 3), 1), "softmax: mask 'vary' f32 [n<=4, 3] does not broadcast to 'a' f32 [2, 3]");
}
END_TEST

START_TEST(rows_by_number_refuse_operands) {
    BAD(tl_embed(r.g, v3, i3), "embed: 'v3' f32 [3] and 'i3' i32 [3]: the table must be [rows, width]");
    BAD(tl_embed(r.g, a, v3), "embed: operand 1, 'v3' f32 [3], must be i32");
    tl_tensor *deep = tensor("deep", TL_I32, 6, SHAPE(1, 1, 1, 1, 1, 2));
    BAD(tl_embed(r.g, a, deep),
        "embed: 'a' f32 [2, 3] and 'deep' i32 [1, 1, 1, 1, 1, 2]: the row numbers' axes and those of a row are too many");
    BAD(tl_gather(r.g, cube, tl_reshape(r.g, deep, 5, SHAPE(1, 1, 1, 1, 2))), "gather: 'cube' f32 [2, 3, 4] and");
    BAD(tl_set_rows(r.g, state, i2x3, b), "'i2x3' i32 [2, 3] and 'b' f32 [3, 4]: row numbers must be [n]");
    BAD(tl_gather(r.g, tensor("blocks", TL_Q8_0, 1, SHAPE(64)), i3), "single elements of a block type cannot be gathered");
    BAD(tl_set_rows(r.g, state, v3, b), "set_rows: operand 1, 'v3' f32 [3], must be i32");
    BAD(tl_set_rows(r.g, state, i3, b), "rows of x must have the shape of rows of the state");
    BAD(tl_set_rows(r.g, state, i3, a), "as many row numbers as rows of x are wanted");
    BAD(tl_set_rows(r.g, state, i3, v3), "must have one rank, 2 at least");
    BAD(tl_set_rows(r.g, v4, i3, v3), "must have one rank, 2 at least");
    BAD(tl_set_rows(r.g, state, i3, h),
        "set_rows: 'state' f32 [5, 3], 'i3' i32 [3] and 'h' f16 [2, 3]: what is written must be f32 or of the state's");
    BAD(tl_assign(r.g, state, a), "assign: 'state' f32 [5, 3] and 'a' f32 [2, 3]: the shapes differ");
    BAD(tl_assign(r.g, a, h), "assign: 'a' f32 [2, 3] and 'h' f16 [2, 3]: what is written must be f32 or of the state's type");
    ck_assert_ptr_null(tl_assign(r.g, k6, tensor("f", TL_F32, 2, SHAPE(4, 256))));
    FAILED(r.g, "assign: state 'k6' q6_k [4, 256] is of a type that can be read, not written");
    ck_assert_int_eq(tl_graph_error(r.g)->status, TL_ERR_UNSUPPORTED);
}
END_TEST

START_TEST(a_state_written_in_part_is_refused_with_the_way_to_the_whole) {
    tl_tensor *row = tl_slice(r.g, a, 0, 0, 1, 1);
    tl_assign(r.g, tl_slice(r.g, state, 0, 0, 1, 1), row); /* gives row 0 alone */
    BAD(tl_slice(r.g, state, 0, 1, 1, 1), "use the handle that the write returned, or tl_latest for the whole state");
    row = tl_slice(r.g, a, 0, 0, 1, 1);
    for (int64_t i = 0; i < 5; i++)
        row = tl_assign(r.g, tl_slice(r.g, tl_latest(r.g, state), 0, i, 1, 1), row);
    ck_assert_ptr_null(tl_graph_error(r.g));
}
END_TEST

START_TEST(a_state_is_a_bank_tensor_that_lies_row_by_row) {
    tl_tensor *x = tl_input(r.g, "x", TL_F32, 2, SHAPE(2, 3));
    BAD(tl_assign(r.g, x, a), "assign: 'x' f32 [2, 3] cannot be written");
    BAD(tl_assign(r.g, tl_permute(r.g, state, AXES(1, 0)), tensor("y", TL_F32, 2, SHAPE(3, 5))),
        "is written where it lies, so its rows must be dense");
    BAD(tl_assign(r.g, tl_broadcast(r.g, v3, 2, SHAPE(2, 3)), a), "not repeated");
    BAD(tl_assign(r.g, tl_exp(r.g, a), a), "cannot be written");
}
END_TEST

/* Views, copies, states and broadcasts, with every allocation failing in turn. */
static tl_tensor *build_some(tl_graph *g) {
    tl_tensor *x = tl_input(g, "x", TL_F32, 2, SHAPE(tl_size(g, "n", 7), 3));
    tl_tensor *y = tl_add(g, tl_rms_norm(g, x, v3, 1e-5f), v3);
    for (int i = 0; i < 20; i++)
        y = tl_concat(g, (tl_tensor *[]){tl_slice(g, y, 1, 1, 2, 1), tl_slice(g, tl_swiglu(g, y, x), 1, 0, 1, 1)}, 2, 1);
    tl_tensor *turned = tl_softmax(g, tl_permute(g, cube, AXES(2, 1, 0)), NULL, 1);
    tl_tensor *written = tl_set_rows(g, state, i3, tl_reshape(g, turned, 2, SHAPE(-1, 3)) ? tl_slice(g, state, 0, 0, 3, 1) : NULL);
    return tl_assign(g, written, tl_topk(g, tl_scale(g, written, 2), 3, NULL, NULL) ? tl_neg(g, written) : NULL);
}

START_TEST(a_build_that_runs_out_of_memory_says_so) {
    int failures = 0;
    for (long at = 0;; at++) {
        tl_graph *g = NULL;
        tl_error err = {0};
        tl_alloc_fail_at(at, false);
        tl_status s = tl_graph_new(&g, &err);
        tl_tensor *t = s == TL_OK ? build_some(g) : NULL;
        tl_alloc_fail_at(-1, false);
        if (s == TL_OK && t == NULL) {
            ck_assert_ptr_nonnull(tl_graph_error(g));
            s = tl_graph_error(g)->status;
        }
        tl_graph_free(g);
        if (t)
            break;
        ck_assert_msg(s == TL_ERR_MEMORY, "allocation %ld: %s", at, tl_status_name(s));
        failures++;
    }
    ck_assert_int_gt(failures, 3);
}
END_TEST

static Suite *builders_suite(void) {
    Suite *s = suite_create("builders");
    const TTest *const tests[] = {a_null_or_failed_graph_and_a_null_operand_give_null,
                                  the_first_message_stays,
                                  an_operand_of_another_graph_is_refused,
                                  nodes_by_hand_without_parameters_are_refused,
                                  views_refuse_what_strides_cannot_show,
                                  a_varying_axis_stays_whole_and_first,
                                  different_sizes_do_not_broadcast,
                                  copies_refuse_types_and_shapes,
                                  float_ops_want_f32,
                                  elementwise_ops_refuse_shapes_and_limits,
                                  ops_along_the_last_axis_refuse_operands,
                                  rows_by_number_refuse_operands,
                                  a_state_written_in_part_is_refused_with_the_way_to_the_whole,
                                  a_state_is_a_bank_tensor_that_lies_row_by_row,
                                  a_build_that_runs_out_of_memory_says_so};
    TCase *t = tcase_create("builders");
    tcase_add_checked_fixture(t, open_rig, close_rig);
    for (int i = 0; i < COUNT(tests); i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(builders_suite());
}
