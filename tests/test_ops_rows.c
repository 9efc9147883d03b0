/* test_ops_rows.c: ops that take row numbers, or write a state, against values worked out by hand, and the row numbers that a run refuses. */
#include "tests/values.h"

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
            "id 2 at position 0 of 't0' i32 [1] is outside the first 2 rows of 'x' f32 [n<=4, 1]");
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

static Suite *ops_rows_suite(void) {
    const TTest *const tests[] = {embed_and_gather_pick_rows,
                                  set_rows_writes_the_named_rows_and_no_other,
                                  assign_writes_a_state_or_a_piece_of_it,
                                  ids_out_of_range_refuse_the_run,
                                  ids_that_the_run_makes_are_checked_before_their_use,
                                  only_rows_in_use_can_be_gathered,
                                  ids_past_the_current_number_are_not_looked_at,
                                  a_row_is_written_once_in_a_run,
                                  many_rows_are_checked_too_and_need_memory_for_it};
    return values_suite("ops_rows", tests, COUNT(tests));
}

int main(void) {
    return run_suite(ops_rows_suite());
}
