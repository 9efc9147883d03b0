/* test_ops.c: views, copies, elementwise ops, reductions, norms, softmax and rows by number against values worked out by hand, the copies
 * that tl_node inserts, and what a run refuses. What builders refuse is in test_builders.c; every op against every backend is in
 * check_backends. */
#include <math.h>

#include "tensor/math.h"
#include "tests/rig.h"

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})
#define FLOATS(...) ((float[]){__VA_ARGS__})
#define INTS(...) ((int32_t[]){__VA_ARGS__})

static rig r;

static void open_rig(void) {
    r = rig_open("ref");
}

static void close_rig(void) {
    rig_close(&r);
}

/* ---- operands with given values, and results -------------------------------------------------------------------------------- */

static tl_tensor *given(tl_dtype dtype, int rank, const int64_t *shape, const void *values) {
    char name[16];
    tl_tensor *t;
    snprintf(name, sizeof name, "t%d", tl_bank_count(r.bank));
    MUST(&r, tl_bank_add(r.bank, name, dtype, rank, shape, NULL, &t, &r.err));
    memcpy(tl_data(t), values, tl_bytes(t));
    return t;
}

static tl_tensor *row(int64_t n, const float *values) {
    return given(TL_F32, 1, SHAPE(n), values);
}

static tl_tensor *matrix(int64_t m, int64_t n, const float *values) {
    return given(TL_F32, 2, SHAPE(m, n), values);
}

static tl_tensor *ids(int64_t n, const int32_t *values) {
    return given(TL_I32, 1, SHAPE(n), values);
}

static void compute(tl_tensor *t) {
    tl_output(r.g, t);
    rig_plan(&r, NULL);
    rig_run(&r);
}

/* t computes to exactly these n values, -0 told from +0, NaN equal to NaN; then another graph begins. */
static void gives(tl_tensor *t, int n, const float *want) {
    float got[256];
    compute(t);
    ck_assert_int_eq(t->dtype, TL_F32);
    ck_assert_int_eq(tl_count(t), n);
    MUST(&r, tl_read(t, got, (size_t)n * sizeof *got, &r.err));
    for (int i = 0; i < n; i++)
        ck_assert_msg(tl_bits(got[i]) == tl_bits(want[i]) || (got[i] != got[i] && want[i] != want[i]), "%s[%d] is %.9g (%08x), not %.9g",
                      t->op ? t->op->name : "leaf", i, (double)got[i], (unsigned)tl_bits(got[i]), (double)want[i]);
    rig_next_graph(&r);
}
#define GIVES(t, ...) gives(t, COUNT(FLOATS(__VA_ARGS__)), FLOATS(__VA_ARGS__))

static void gives_ints(tl_tensor *t, int n, const int32_t *want) {
    int32_t got[256];
    compute(t);
    ck_assert_int_eq(t->dtype, TL_I32);
    ck_assert_int_eq(tl_count(t), n);
    MUST(&r, tl_read(t, got, (size_t)n * sizeof *got, &r.err));
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(got[i], want[i]);
    rig_next_graph(&r);
}
#define GIVES_INTS(t, ...) gives_ints(t, COUNT(INTS(__VA_ARGS__)), INTS(__VA_ARGS__))

static int nodes_of(int op) {
    int n = 0;
    for (int i = 0; i < tl_graph_count(r.g); i++)
        n += tl_graph_node(r.g, i)->op == tl_op_get(op);
    return n;
}

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

/* ---- what tl_node inserts ------------------------------------------------------------------------------------------------------ */

START_TEST(equal_views_are_copied_once) {
    tl_tensor *x = matrix(2, 3, FLOATS(0, 1, 2, 3, 4, 5));
    tl_tensor *y = tl_permute(r.g, x, (int[]){1, 0});
    tl_tensor *a = tl_neg(r.g, y), *b = tl_exp(r.g, y), *c = tl_sum(r.g, tl_permute(r.g, x, (int[]){1, 0}));
    ck_assert(a && b && c);
    ck_assert_int_eq(nodes_of(TL_OP_CONTIGUOUS), 1);
    ck_assert_ptr_eq(tl_contiguous(r.g, y), a->src[0]);
    ck_assert_ptr_eq(a->src[0], c->src[0]);
    tl_neg(r.g, tl_slice(r.g, y, 1, 0, 1, 1)); /* another view: a column of one is dense, no copy */
    ck_assert_int_eq(nodes_of(TL_OP_CONTIGUOUS), 1);
    tl_neg(r.g, tl_slice(r.g, y, 0, 0, 2, 1));
    ck_assert_int_eq(nodes_of(TL_OP_CONTIGUOUS), 2);
}
END_TEST

START_TEST(strided_rows_reach_an_elementwise_pair_without_a_copy) {
    tl_tensor *x = matrix(2, 2, FLOATS(0, 1, 2, 3));
    tl_tensor *y = tl_add(r.g, x, tl_permute(r.g, x, (int[]){1, 0}));
    ck_assert_int_eq(nodes_of(TL_OP_CONTIGUOUS), 0);
    GIVES(y, 0, 3, 3, 6);
}
END_TEST

START_TEST(a_dense_operand_is_not_copied) {
    tl_tensor *x = matrix(2, 2, FLOATS(0, 1, 2, 3));
    ck_assert_ptr_eq(tl_contiguous(r.g, x), x);
    ck_assert_ptr_eq(tl_unpack(r.g, x), x);
    ck_assert_ptr_eq(tl_cast(r.g, x, TL_F32), x);
    ck_assert_ptr_eq(tl_contiguous(r.g, tl_slice(r.g, x, 0, 1, 1, 1))->base, x);
}
END_TEST

START_TEST(a_copy_from_before_a_write_is_not_given_out_after_it) {
    tl_tensor *s = matrix(2, 2, FLOATS(1, 2, 3, 4)), *x = matrix(2, 2, FLOATS(5, 6, 7, 8));
    tl_tensor *before = tl_neg(r.g, tl_permute(r.g, s, (int[]){1, 0}));
    tl_tensor *now = tl_assign(r.g, s, x);
    tl_tensor *after = tl_neg(r.g, tl_permute(r.g, now, (int[]){1, 0}));
    ck_assert_ptr_ne(before->src[0], after->src[0]);
    GIVES(tl_concat(r.g, (tl_tensor *[]){before, after}, 2, 1), -1, -3, -5, -7, -2, -4, -6, -8);
}
END_TEST

START_TEST(an_old_view_whose_copy_exists_is_still_refused_after_a_write) {
    tl_tensor *s = matrix(2, 2, FLOATS(1, 2, 3, 4)), *view = tl_permute(r.g, s, (int[]){1, 0});
    tl_neg(r.g, view);
    tl_assign(r.g, s, matrix(2, 2, FLOATS(5, 6, 7, 8)));
    ck_assert_ptr_null(tl_neg(r.g, view));
    FAILED(r.g, "the state from before its write");
}
END_TEST

START_TEST(a_state_that_is_written_from_itself_is_read_first) {
    tl_tensor *s = matrix(3, 2, FLOATS(1, 2, 3, 4, 5, 6));
    GIVES(tl_set_rows(r.g, s, ids(3, INTS(2, 0, 1)), s), 3, 4, 5, 6, 1, 2);
    tl_tensor *q = matrix(2, 2, FLOATS(1, 2, 3, 4));
    GIVES(tl_assign(r.g, q, tl_permute(r.g, q, (int[]){1, 0})), 1, 3, 2, 4);
}
END_TEST

START_TEST(a_column_of_a_varying_table_serves_as_ids) {
    int64_t n = tl_size(r.g, "n", 3);
    tl_tensor *pairs = tl_input(r.g, "pairs", TL_I32, 2, SHAPE(n, 2)), *table = matrix(3, 1, FLOATS(10, 20, 30));
    tl_tensor *column = tl_reshape(r.g, tl_slice(r.g, pairs, 1, 1, 1, 1), 1, SHAPE(n));
    tl_tensor *y = tl_embed(r.g, table, column);
    ck_assert_int_eq(y->size, 1);
    tl_output(r.g, y);
    rig_plan(&r, NULL);
    MUST(&r, tl_write(pairs, INTS(9, 2, 9, 0, 9, 1), 24, &r.err));
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, y, 0), 30);
    ck_assert_float_eq(rig_value(&r, y, 1), 10);
    ck_assert_float_eq(rig_value(&r, y, 2), 20);
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

/* ---- rows by number ------------------------------------------------------------------------------------------------------------ */

START_TEST(embed_and_gather_pick_rows) {
    tl_tensor *t = matrix(3, 2, FLOATS(1, 2, 3, 4, 5, 6)), *i = ids(4, INTS(2, 0, 0, 1));
    GIVES(tl_embed(r.g, t, i), 5, 6, 1, 2, 1, 2, 3, 4);
    GIVES(tl_gather(r.g, t, i), 5, 6, 1, 2, 1, 2, 3, 4);
    GIVES(tl_embed(r.g, given(TL_I8, 2, SHAPE(3, 1), (int8_t[]){-1, 7, 9}), i), 9, -1, -1, 7);
    GIVES(tl_gather(r.g, given(TL_F32, 3, SHAPE(3, 2, 1), FLOATS(1, 2, 3, 4, 5, 6)), i), 5, 6, 1, 2, 1, 2, 3, 4);
    GIVES_INTS(tl_gather(r.g, i, i), 0, 2, 2, 0);
}
END_TEST

START_TEST(set_rows_writes_the_named_rows_and_no_other) {
    tl_tensor *s = matrix(4, 2, FLOATS(0, 0, 1, 1, 2, 2, 3, 3));
    GIVES(tl_set_rows(r.g, s, ids(2, INTS(3, 1)), matrix(2, 2, FLOATS(7, 8, 9, 10))), 0, 0, 9, 10, 2, 2, 7, 8);
    ck_assert_float_eq(((float *)tl_data(s))[7], 8); /* the bank holds it for the next graph */
    tl_tensor *h = given(TL_F16, 2, SHAPE(2, 1), (uint16_t[]){0, 0});
    GIVES(tl_cast(r.g, tl_set_rows(r.g, h, ids(1, INTS(1)), matrix(1, 1, FLOATS(2049))), TL_F32), 0, 2048);
}
END_TEST

START_TEST(assign_writes_a_state_or_a_piece_of_it) {
    tl_tensor *s = matrix(2, 3, FLOATS(1, 2, 3, 4, 5, 6));
    tl_tensor *piece = tl_slice(r.g, s, 1, 1, 2, 1);
    tl_assign(r.g, piece, matrix(2, 2, FLOATS(-1, -2, -3, -4)));
    GIVES(tl_scale(r.g, tl_latest(r.g, s), 2), 2, -2, -4, 8, -6, -8);
}
END_TEST

/* The graph with output t runs into `words`. */
static void run_refuses(tl_tensor *t, tl_status status, const char *words) {
    tl_output(r.g, t);
    rig_plan(&r, NULL);
    REFUSED(&r, tl_plan_run(r.plan, &r.err), status, words);
    rig_next_graph(&r);
}

START_TEST(ids_out_of_range_refuse_the_run) {
    tl_tensor *t = matrix(3, 2, FLOATS(1, 2, 3, 4, 5, 6)), *high = ids(3, INTS(0, 3, 1)), *low = ids(2, INTS(0, -1));
    run_refuses(tl_embed(r.g, t, high), TL_ERR_RANGE, "embed: id 3 at position 1 of 't1' i32 [3] is outside 't0' f32 [3, 2]");
    run_refuses(tl_embed(r.g, t, low), TL_ERR_RANGE, "embed: id -1 at position 1");
    run_refuses(tl_gather(r.g, t, high), TL_ERR_RANGE, "gather: id 3 at position 1");
    run_refuses(tl_set_rows(r.g, t, high, matrix(3, 2, FLOATS(0, 0, 0, 0, 0, 0))), TL_ERR_RANGE, "set_rows: id 3 at position 1");
    ck_assert_float_eq(((float *)tl_data(t))[0], 1); /* nothing was written */
}
END_TEST

START_TEST(ids_that_the_run_makes_are_checked_before_their_use) {
    tl_tensor *t = matrix(2, 1, FLOATS(1, 2)), *x = matrix(1, 3, FLOATS(0, 0, 9)), *s = ids(1, INTS(0));
    run_refuses(tl_embed(r.g, t, tl_reshape(r.g, tl_argmax(r.g, x), 1, SHAPE(1))), TL_ERR_RANGE, "id 2 at position 0");
    run_refuses(tl_embed(r.g, t, tl_assign(r.g, s, ids(1, INTS(5)))), TL_ERR_RANGE, "id 5 at position 0"); /* through a state */
}
END_TEST

START_TEST(only_rows_in_use_can_be_gathered) {
    int64_t n = tl_size(r.g, "n", 4);
    tl_tensor *x = tl_input(r.g, "x", TL_F32, 2, SHAPE(n, 1)), *y = tl_gather(r.g, x, ids(1, INTS(2)));
    tl_output(r.g, y);
    rig_plan(&r, NULL);
    rig_run(&r);
    MUST(&r, tl_plan_set(r.plan, "n", 2, &r.err));
    REFUSED(&r, tl_plan_run(r.plan, &r.err), TL_ERR_RANGE,
            "id 2 at position 0 of 't0' i32 [1] is outside the first 2 rows of 'x' f32 [4, 1]");
}
END_TEST

START_TEST(ids_past_the_current_number_are_not_looked_at) {
    int64_t n = tl_size(r.g, "n", 3);
    tl_tensor *i = tl_input(r.g, "i", TL_I32, 1, SHAPE(n)), *y = tl_embed(r.g, matrix(2, 1, FLOATS(4, 5)), i);
    tl_output(r.g, y);
    rig_plan(&r, NULL);
    rig_write_ints(&r, i, INTS(1, 0, 99));
    MUST(&r, tl_plan_set(r.plan, "n", 2, &r.err));
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, y, 0), 5);
    MUST(&r, tl_plan_set(r.plan, "n", 3, &r.err));
    REFUSED(&r, tl_plan_run(r.plan, &r.err), TL_ERR_RANGE, "id 99 at position 2");
}
END_TEST

START_TEST(a_row_is_written_once_in_a_run) {
    tl_tensor *s = matrix(9, 1, FLOATS(0, 1, 2, 3, 4, 5, 6, 7, 8)), *x = matrix(4, 1, FLOATS(1, 2, 3, 4));
    run_refuses(tl_set_rows(r.g, s, ids(4, INTS(5, 2, 7, 2)), x), TL_ERR_RANGE,
                "set_rows: row 2 stands at positions 1 and 3 of 't2' i32 [4]; a row of 't0' f32 [9, 1] may be written once");
    run_refuses(tl_set_rows(r.g, s, ids(4, INTS(1, 2, 3, 3)), x), TL_ERR_RANGE, "row 3 stands at positions 2 and 3");
    GIVES(tl_set_rows(r.g, s, ids(4, INTS(8, 2, 7, 0)), x), 4, 1, 2, 3, 4, 5, 6, 3, 1);
}
END_TEST

/* Falling row numbers 199 .. 0 of 200, of which one may be changed. */
static tl_tensor *many_rows(int at, int32_t value) {
    static float zeros[200];
    int32_t v[200];
    for (int i = 0; i < 200; i++)
        v[i] = i == at ? value : 199 - i;
    return tl_set_rows(r.g, matrix(200, 1, zeros), ids(200, v), matrix(200, 1, zeros));
}

START_TEST(many_rows_are_checked_too_and_need_memory_for_it) {
    compute(many_rows(-1, 0));
    rig_next_graph(&r);
    run_refuses(many_rows(150, 199 - 7), TL_ERR_RANGE, "row 192 stands at positions 7 and 150");
    tl_output(r.g, many_rows(-1, 0));
    rig_plan(&r, NULL);
    tl_alloc_fail_at(0, true);
    tl_status s = tl_plan_run(r.plan, &r.err);
    tl_alloc_fail_at(-1, false);
    ck_assert_int_eq(s, TL_ERR_MEMORY);
    rig_run(&r);
}
END_TEST

static Suite *ops_suite(void) {
    Suite *s = suite_create("ops");
    const TTest *const tests[] = {every_row_of_the_table_is_whole,
                                  costs_count_operations_and_bytes,
                                  a_reshape_keeps_the_order_of_elements,
                                  a_reshape_is_a_view_wherever_strides_allow,
                                  permute_slice_and_broadcast_show_the_elements_they_name,
                                  a_view_of_a_view_counts_from_the_root,
                                  a_slice_of_blocks_counts_blocks,
                                  equal_views_are_copied_once,
                                  strided_rows_reach_an_elementwise_pair_without_a_copy,
                                  a_dense_operand_is_not_copied,
                                  a_copy_from_before_a_write_is_not_given_out_after_it,
                                  an_old_view_whose_copy_exists_is_still_refused_after_a_write,
                                  a_state_that_is_written_from_itself_is_read_first,
                                  a_column_of_a_varying_table_serves_as_ids,
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
                                  softmax_shares_one_among_a_row,
                                  embed_and_gather_pick_rows,
                                  set_rows_writes_the_named_rows_and_no_other,
                                  assign_writes_a_state_or_a_piece_of_it,
                                  ids_out_of_range_refuse_the_run,
                                  ids_that_the_run_makes_are_checked_before_their_use,
                                  only_rows_in_use_can_be_gathered,
                                  ids_past_the_current_number_are_not_looked_at,
                                  a_row_is_written_once_in_a_run,
                                  many_rows_are_checked_too_and_need_memory_for_it};
    TCase *t = tcase_create("ops");
    tcase_add_checked_fixture(t, open_rig, close_rig);
    for (int i = 0; i < COUNT(tests); i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(ops_suite());
}
