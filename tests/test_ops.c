/* test_ops.c: views, copies, elementwise ops, reductions, norms and softmax against values worked out by hand. Rows by number are in
 * test_ops_rows.c, the copies that tl_node inserts in test_ops_copies.c. What builders refuse is in test_builders.c; every op against
 * every backend is in check_backends. */
#include <math.h>

#include "tensor/math.h"
#include "tests/values.h"

static const float NONE = -0.0f; /* a name for the other zero */

/* ---- the table ----------------------------------------------------------------------------------------------------------------- */

START_TEST(every_row_of_the_table_is_whole) {
    for (int i = 0; i < TL_N_OPS; i++) {
        const tl_op *op = tl_op_get(i);
        ck_assert_int_eq(op->id, i);
        ck_assert_int_ge(op->min_src, 1);
        ck_assert_int_le(op->min_src, op->max_src);
        ck_assert_int_le(op->max_src, TL_MAX_SRC);
        ck_assert_int_le(op->rows_of, op->max_src);
        ck_assert(op->name && op->formula && op->infer && op->ref && op->cost);
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(op->name, tl_op_get(k)->name);
    }
    ck_assert_ptr_null(tl_op_get(-1));
    ck_assert_ptr_null(tl_op_get(TL_N_OPS));
}
END_TEST

START_TEST(costs_count_operations_and_bytes) {
    tl_tensor *a = matrix(2, 3, FLOATS(1, 2, 3, 4, 5, 6)), *w = row(3, FLOATS(1, 2, 3)), *i = ids(2, INTS(0, 1));
    tl_cost c;
    tl_tensor *y = tl_add(r.g, a, a);
    y->op->cost(y, 2, &c);
    ck_assert(c.ops == 6 && c.read == 48 && c.written == 24);
    y->op->cost(y, 1, &c);
    ck_assert(c.ops == 3 && c.read == 24 && c.written == 12);
    y = tl_sum(r.g, a);
    y->op->cost(y, 2, &c);
    ck_assert(c.ops == 6 && c.read == 24 && c.written == 8);
    y = tl_rms_norm(r.g, a, w, 0);
    y->op->cost(y, 2, &c);
    ck_assert(c.read == 36 && c.written == 24); /* the weight once */
    y = tl_embed(r.g, a, i);
    y->op->cost(y, 2, &c);
    ck_assert(c.read == 32 && c.written == 24); /* rows and ids, not the table */
    y = tl_concat(r.g, (tl_tensor *[]){a, a}, 2, 0);
    y->op->cost(y, 4, &c);
    ck_assert(c.read == 48 && c.written == 48);
    y = tl_reshape(r.g, a, 1, SHAPE(6));
    y->op->cost(y, 1, &c);
    ck_assert(c.ops == 0 && c.read == 0 && c.written == 0);
}
END_TEST

/* ---- views --------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_reshape_keeps_the_order_of_elements) {
    tl_tensor *x = matrix(2, 6, FLOATS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
    tl_tensor *y = tl_reshape(r.g, x, 3, SHAPE(3, -1, 2));
    ck_assert_int_eq(y->shape[1], 2);
    ck_assert_ptr_eq(y->base, x);
    GIVES(tl_contiguous(r.g, y), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
}
END_TEST

START_TEST(a_reshape_is_a_view_wherever_strides_allow) {
    float v[24] = {0};
    tl_tensor *x = given(TL_F32, 3, SHAPE(2, 3, 4), v);
    tl_tensor *turned = tl_permute(r.g, x, (int[]){0, 2, 1}), *rows = tl_slice(r.g, x, 1, 0, 2, 1);
    tl_reshape(r.g, turned, 5, SHAPE(2, 1, 4, 3, 1)); /* axes of 1 anywhere */
    tl_reshape(r.g, turned, 4, SHAPE(2, 2, 2, 3));    /* a split of any axis */
    tl_reshape(r.g, rows, 2, SHAPE(2, 8));            /* axes that lie one behind the other */
    tl_reshape(r.g, tl_broadcast(r.g, x, 4, SHAPE(5, 2, 3, 4)), 2, SHAPE(5, 24));
    ck_assert_int_eq(nodes_of(TL_OP_CONTIGUOUS), 0);
    ck_assert_ptr_ne(tl_reshape(r.g, turned, 2, SHAPE(2, 12))->base, x);
    ck_assert_ptr_ne(tl_reshape(r.g, rows, 1, SHAPE(16))->base, x);
    ck_assert_int_eq(nodes_of(TL_OP_CONTIGUOUS), 2);
}
END_TEST

START_TEST(permute_slice_and_broadcast_show_the_elements_they_name) {
    tl_tensor *x = matrix(2, 3, FLOATS(0, 1, 2, 3, 4, 5));
    GIVES(tl_contiguous(r.g, tl_permute(r.g, x, (int[]){1, 0})), 0, 3, 1, 4, 2, 5);
    GIVES(tl_contiguous(r.g, tl_slice(r.g, x, -1, 0, 2, 2)), 0, 2, 3, 5);
    GIVES(tl_contiguous(r.g, tl_slice(r.g, x, 0, 1, 1, 1)), 3, 4, 5);
    GIVES(tl_contiguous(r.g, tl_slice(r.g, tl_permute(r.g, x, (int[]){1, 0}), 0, 1, 2, 1)), 1, 4, 2, 5);
    GIVES(tl_contiguous(r.g, tl_broadcast(r.g, tl_slice(r.g, x, 1, 1, 1, 1), 3, SHAPE(2, 2, 3))), 1, 1, 1, 4, 4, 4, 1, 1, 1, 4, 4, 4);
}
END_TEST

START_TEST(a_view_of_a_view_counts_from_the_root) {
    float v[60] = {0};
    tl_tensor *x = given(TL_F32, 3, SHAPE(3, 4, 5), v);
    tl_tensor *y = tl_slice(r.g, tl_slice(r.g, x, 0, 1, 2, 1), 2, 2, 3, 1);
    ck_assert_ptr_eq(y->base, x);
    ck_assert_uint_eq(y->offset, 20 * 4 + 2 * 4);
    tl_tensor *z = tl_slice(r.g, tl_permute(r.g, y, (int[]){2, 0, 1}), 0, 1, 1, 1);
    ck_assert_uint_eq(z->offset, 20 * 4 + 3 * 4);
    ck_assert_int_eq(z->stride[1], 80);
}
END_TEST

START_TEST(a_slice_of_blocks_counts_blocks) {
    uint8_t v[4 * 34] = {0};
    tl_tensor *x = given(TL_Q8_0, 2, SHAPE(2, 64), v);
    tl_tensor *y = tl_slice(r.g, x, 1, 32, 32, 1);
    ck_assert_uint_eq(y->offset, 34);
    ck_assert_int_eq(y->stride[0], 68);
    ck_assert(tl_row_dense(y));
}
END_TEST

/* ---- copies -------------------------------------------------------------------------------------------------------------------- */

START_TEST(casts_round_to_even_and_saturate) {
    tl_tensor *x = row(8, FLOATS(2.5f, 3.5f, -2.5f, 300, -300, NAN, INFINITY, 0.4f));
    GIVES(tl_cast(r.g, tl_cast(r.g, x, TL_I8), TL_F32), 2, 4, -2, 127, -128, 0, 127, 0);
    GIVES_INTS(tl_cast(r.g, x, TL_I32), 2, 4, -2, 300, -300, 0, INT32_MAX, 0);
    tl_tensor *h = row(4, FLOATS(2049, 65519, 65520, -0.0f)); /* ties to even; the largest that does not overflow; the first that does */
    GIVES(tl_cast(r.g, tl_cast(r.g, h, TL_F16), TL_F32), 2048, 65504, INFINITY, NONE);
    GIVES(tl_cast(r.g, tl_cast(r.g, row(2, FLOATS(257, 259)), TL_BF16), TL_F32), 256, 260);
}
END_TEST

START_TEST(a_cast_between_two_other_types_goes_through_f32) {
    tl_tensor *x = given(TL_I16, 1, SHAPE(3), (int16_t[]){-7, 2049, 12});
    GIVES(tl_cast(r.g, tl_cast(r.g, x, TL_F16), TL_F32), -7, 2048, 12);
    GIVES_INTS(tl_cast(r.g, tl_cast(r.g, x, TL_I8), TL_I32), -7, 127, 12);
}
END_TEST

START_TEST(a_concat_stands_in_order_along_each_axis) {
    tl_tensor *a = matrix(2, 2, FLOATS(1, 2, 3, 4)), *b = matrix(2, 1, FLOATS(5, 6)), *c = matrix(1, 2, FLOATS(7, 8));
    GIVES(tl_concat(r.g, (tl_tensor *[]){a, b, a}, 3, 1), 1, 2, 5, 1, 2, 3, 4, 6, 3, 4);
    GIVES(tl_concat(r.g, (tl_tensor *[]){c, a, c}, 3, -2), 7, 8, 1, 2, 3, 4, 7, 8);
    tl_tensor *p = given(TL_F32, 3, SHAPE(2, 1, 2), FLOATS(1, 2, 3, 4));
    tl_tensor *q = given(TL_F32, 3, SHAPE(2, 2, 2), FLOATS(5, 6, 7, 8, 9, 10, 11, 12));
    GIVES(tl_concat(r.g, (tl_tensor *[]){p, q}, 2, 1), 1, 2, 5, 6, 7, 8, 3, 4, 9, 10, 11, 12);
}
END_TEST

/* ---- elementwise --------------------------------------------------------------------------------------------------------------- */

START_TEST(exact_values_of_one_operand) {
    tl_tensor *x = row(6, FLOATS(0, -0.0f, 2, -2, INFINITY, NAN));
    GIVES(tl_neg(r.g, x), NONE, 0, -2, 2, -INFINITY, NAN);
    GIVES(tl_abs(r.g, x), 0, 0, 2, 2, INFINITY, NAN);
    GIVES(tl_sqr(r.g, x), 0, 0, 4, 4, INFINITY, NAN);
    GIVES(tl_relu(r.g, x), 0, 0, 2, 0, INFINITY, 0);
    GIVES(tl_scale(r.g, x, -0.5f), NONE, 0, -1, 1, -INFINITY, NAN);
    GIVES(tl_clamp(r.g, x, -1, 1), 0, NONE, 1, -1, 1, NAN);
    GIVES(tl_sqrt(r.g, x), 0, NONE, 0x1.6a09e6p+0f, NAN, INFINITY, NAN);
    GIVES(tl_exp(r.g, row(4, FLOATS(0, -INFINITY, INFINITY, NAN))), 1, 0, INFINITY, NAN);
    GIVES(tl_log(r.g, row(5, FLOATS(1, 0, INFINITY, -1, NAN))), 0, -INFINITY, INFINITY, NAN, NAN);
    GIVES(tl_sin(r.g, row(3, FLOATS(0, INFINITY, NAN))), 0, NAN, NAN);
    GIVES(tl_cos(r.g, row(3, FLOATS(0, INFINITY, NAN))), 1, NAN, NAN);
    GIVES(tl_tanh(r.g, row(4, FLOATS(0, 20, -20, NAN))), 0, 1, -1, NAN);
    GIVES(tl_sigmoid(r.g, row(4, FLOATS(0, 200, -200, NAN))), 0.5f, 1, 0, NAN);
    GIVES(tl_silu(r.g, row(3, FLOATS(0, 200, NAN))), 0, 200, NAN);
    GIVES(tl_gelu(r.g, row(3, FLOATS(0, 30, NAN))), 0, 30, NAN);
    GIVES(tl_gelu_erf(r.g, row(3, FLOATS(0, 30, NAN))), 0, 30, NAN);
}
END_TEST

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static double silu(double x) {
    return x * sigmoid(x);
}

static double gelu(double x) {
    return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
}

static double gelu_erf(double x) {
    return 0.5 * x * (1 + erf(x / sqrt(2)));
}

START_TEST(functions_are_near_their_mathematical_values) {
    static const struct {
        tl_tensor *(*build)(tl_graph *g, tl_tensor *x);
        double (*f)(double x);
    } all[] = {{tl_exp, exp},         {tl_log, log},   {tl_sin, sin},   {tl_cos, cos},           {tl_tanh, tanh},
               {tl_sigmoid, sigmoid}, {tl_silu, silu}, {tl_gelu, gelu}, {tl_gelu_erf, gelu_erf}, {tl_sqrt, sqrt}};
    float x[40];
    for (int i = 0; i < COUNT(x); i++)
        x[i] = 0.01f + 0.17f * (float)i;
    tl_tensor *t = row(COUNT(x), x);
    for (int k = 0; k < COUNT(all); k++) {
        tl_tensor *y = all[k].build(r.g, t);
        compute(y);
        for (int i = 0; i < COUNT(x); i++) {
            double want = all[k].f((double)x[i]), got = (double)rig_value(&r, y, i);
            ck_assert_msg(fabs(got - want) <= 1e-6 * (fabs(want) + 0.1), "%s(%g) is %.9g, not %.9g", y->op->name, (double)x[i], got, want);
        }
        rig_next_graph(&r);
    }
}
END_TEST

START_TEST(two_operands_broadcast_like_numpy) {
    tl_tensor *x = matrix(2, 3, FLOATS(1, 2, 3, 4, 5, 6)), *v = row(3, FLOATS(10, 20, 30)), *c = matrix(2, 1, FLOATS(100, 200));
    GIVES(tl_add(r.g, x, v), 11, 22, 33, 14, 25, 36);
    GIVES(tl_sub(r.g, v, x), 9, 18, 27, 6, 15, 24);
    GIVES(tl_mul(r.g, x, c), 100, 200, 300, 800, 1000, 1200);
    GIVES(tl_div(r.g, c, row(1, FLOATS(8))), 12.5f, 25);
    GIVES(tl_add(r.g, c, v), 110, 120, 130, 210, 220, 230);
    tl_tensor *y = tl_mul(r.g, given(TL_F32, 3, SHAPE(2, 1, 1), FLOATS(1, -1)), x);
    ck_assert_int_eq(y->rank, 3);
    GIVES(y, 1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6);
    GIVES(tl_div(r.g, row(4, FLOATS(1, -1, 0, 1)), row(4, FLOATS(0, 0, 0, -0.0f))), INFINITY, -INFINITY, NAN, -INFINITY);
}
END_TEST

START_TEST(a_gate_is_its_function_times_up) {
    tl_tensor *gate = row(5, FLOATS(-3, -0.5f, 0, 0.7f, 4)), *up = row(5, FLOATS(1.1f, -2, 3, 0.3f, -7));
    float want[2][5];
    tl_tensor *y[2] = {tl_mul(r.g, tl_silu(r.g, gate), up), tl_mul(r.g, tl_gelu(r.g, gate), up)};
    tl_output(r.g, y[0]);
    compute(y[1]);
    for (int k = 0; k < 2; k++)
        MUST(&r, tl_read(y[k], want[k], sizeof want[k], &r.err));
    rig_next_graph(&r);
    gives(tl_swiglu(r.g, gate, up), 5, want[0]);
    gives(tl_geglu(r.g, gate, up), 5, want[1]);
}
END_TEST

/* ---- along the last axis ------------------------------------------------------------------------------------------------------- */

START_TEST(sums_run_in_sixteen_lanes) {
    float x[17] = {0};
    x[0] = 0x1p24f;
    x[8] = -0x1p24f;
    x[16] = 1; /* lost in lane 0; a sum from left to right would give 1 */
    GIVES(tl_sum(r.g, row(17, x)), 0);
    GIVES(tl_mean(r.g, matrix(2, 4, FLOATS(1, 2, 3, 4, -1, -1, -1, 5))), 2.5f, 0.5f);
    GIVES(tl_sum(r.g, row(2, FLOATS(-0.0f, -0.0f))), 0); /* lanes start at +0 */
}
END_TEST

START_TEST(max_keeps_nan_and_gives_plus_zero) {
    GIVES(tl_max(r.g, matrix(4, 3, FLOATS(1, 3, 2, -INFINITY, -INFINITY, -INFINITY, -0.0f, -0.0f, -1, 5, NAN, 7))), 3, -INFINITY, 0, NAN);
}
END_TEST

START_TEST(argmax_takes_the_lowest_index_of_equals_and_nan_last) {
    tl_tensor *x = matrix(5, 3, FLOATS(1, 3, 3, NAN, -INFINITY, -INFINITY, NAN, NAN, NAN, -0.0f, 0.0f, -1, INFINITY, NAN, INFINITY));
    GIVES_INTS(tl_argmax(r.g, x), 1, 1, 0, 0, 0);
}
END_TEST

START_TEST(topk_descends_and_ties_go_to_the_lower_id) {
    tl_tensor *x = row(7, FLOATS(2, 5, -0.0f, 5, NAN, 0.0f, 5)), *values, *at;
    ck_assert_ptr_eq(tl_topk(r.g, x, 4, &values, &at), at);
    tl_output(r.g, values);
    GIVES_INTS(at, 1, 3, 6, 0);
    tl_topk(r.g, x, 7, NULL, &at);
    GIVES_INTS(at, 1, 3, 6, 0, 2, 5, 4);
    ck_assert_ptr_eq(tl_topk(r.g, x, 7, &values, NULL), values);
    GIVES(values, 5, 5, 5, 2, NONE, 0, NAN);
    GIVES_INTS(tl_topk(r.g, x, 1, NULL, NULL), 1);
}
END_TEST

START_TEST(rms_norm_divides_by_the_root_of_the_mean_square) {
    tl_tensor *x = row(2, FLOATS(3, 4)), *w = row(2, FLOATS(2, -1));
    tl_tensor *h = given(TL_F16, 1, SHAPE(2), (uint16_t[]){0x4000, 0xBC00}); /* the same, 2 and -1 */
    uint64_t env = tl_float_enter();                                         /* round to nearest here too */
    float s = 1.0f / sqrtf(12.5f), y[2] = {3 * s, 4 * s};
    tl_float_leave(env);
    GIVES(tl_rms_norm(r.g, x, NULL, 0), y[0], y[1]);
    GIVES(tl_rms_norm(r.g, x, w, 0), y[0] * 2, -y[1]);
    GIVES(tl_rms_norm(r.g, x, h, 0), y[0] * 2, -y[1]);
    GIVES(tl_rms_norm(r.g, row(2, FLOATS(0, 0)), w, 0.25f), 0, NONE);
    GIVES(tl_rms_norm(r.g, row(1, FLOATS(-7)), NULL, 0), -1);
}
END_TEST

START_TEST(layer_norm_centres_and_scales) {
    tl_tensor *x = row(4, FLOATS(1, 3, 1, 3)), *w = row(4, FLOATS(2, 2, 2, 2)), *b = row(4, FLOATS(10, 20, 30, 40));
    GIVES(tl_layer_norm(r.g, x, NULL, NULL, 0), -1, 1, -1, 1);
    GIVES(tl_layer_norm(r.g, x, w, NULL, 0), -2, 2, -2, 2);
    GIVES(tl_layer_norm(r.g, x, NULL, b, 0), 9, 21, 29, 41);
    GIVES(tl_layer_norm(r.g, x, w, b, 3), 9, 21, 29, 41);                                  /* 1 / sqrt(1 + 3) */
    GIVES(tl_layer_norm(r.g, row(2, FLOATS(0x1p20f, 0x1p20f + 2)), NULL, NULL, 0), -1, 1); /* a far mean does not cancel */
}
END_TEST

START_TEST(softmax_shares_one_among_a_row) {
    tl_tensor *x = matrix(2, 4, FLOATS(5, 5, 5, 5, -2, -2, -2, -2));
    GIVES(tl_softmax(r.g, x, NULL, 0.5f), 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f);
    GIVES(tl_softmax(r.g, x, row(4, FLOATS(0, -INFINITY, 0, -INFINITY)), 1), 0.5f, 0, 0.5f, 0, 0.5f, 0, 0.5f, 0);
    GIVES(tl_softmax(r.g, x, matrix(2, 1, FLOATS(0, -INFINITY)), 1), 0.25f, 0.25f, 0.25f, 0.25f, NAN, NAN, NAN, NAN);
    GIVES(tl_softmax(r.g, row(3, FLOATS(0, 200, -INFINITY)), NULL, 1), 0, 1, 0); /* below exp's range */
    uint64_t env = tl_float_enter();                                             /* round to nearest here too */
    float p = tl_expf(-1.0f), want[2] = {p / (p + 1.0f), 1.0f / (p + 1.0f)};
    tl_float_leave(env);
    gives(tl_softmax(r.g, row(2, FLOATS(1, 3)), NULL, 0.5f), 2, want);
}
END_TEST

static Suite *ops_suite(void) {
    const TTest *const tests[] = {every_row_of_the_table_is_whole,
                                  costs_count_operations_and_bytes,
                                  a_reshape_keeps_the_order_of_elements,
                                  a_reshape_is_a_view_wherever_strides_allow,
                                  permute_slice_and_broadcast_show_the_elements_they_name,
                                  a_view_of_a_view_counts_from_the_root,
                                  a_slice_of_blocks_counts_blocks,
                                  casts_round_to_even_and_saturate,
                                  a_cast_between_two_other_types_goes_through_f32,
                                  a_concat_stands_in_order_along_each_axis,
                                  exact_values_of_one_operand,
                                  functions_are_near_their_mathematical_values,
                                  two_operands_broadcast_like_numpy,
                                  a_gate_is_its_function_times_up,
                                  sums_run_in_sixteen_lanes,
                                  max_keeps_nan_and_gives_plus_zero,
                                  argmax_takes_the_lowest_index_of_equals_and_nan_last,
                                  topk_descends_and_ties_go_to_the_lower_id,
                                  rms_norm_divides_by_the_root_of_the_mean_square,
                                  layer_norm_centres_and_scales,
                                  softmax_shares_one_among_a_row};
    return values_suite("ops", tests, COUNT(tests));
}

int main(void) {
    return run_suite(ops_suite());
}
