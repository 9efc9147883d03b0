/* test_ops_copies.c: the copies that tl_node puts before an op, when it puts none, and that each is made once. */
#include "tests/values.h"

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

static Suite *ops_copies_suite(void) {
    const TTest *const tests[] = {equal_views_are_copied_once,
                                  strided_rows_reach_an_elementwise_pair_without_a_copy,
                                  a_dense_operand_is_not_copied,
                                  a_copy_from_before_a_write_is_not_given_out_after_it,
                                  an_old_view_whose_copy_exists_is_still_refused_after_a_write,
                                  a_state_that_is_written_from_itself_is_read_first,
                                  a_column_of_a_varying_table_serves_as_ids};
    return values_suite("ops_copies", tests, COUNT(tests));
}

int main(void) {
    return run_suite(ops_copies_suite());
}
