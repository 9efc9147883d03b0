/* test_run.c: what a run promises: it computes what is needed and nothing else, inputs keep and outputs last, transfers take leading rows,
 * only current rows are touched, and a refused or cancelled run leaves things in order. */
#include "tests/rig.h"

#include <stdatomic.h>

static const char *const specs[] = {"ref", "ref:threads=3,tile=1", "cpu:threads=1", "cpu:threads=3,tile=1"};
enum { N_SPECS = sizeof specs / sizeof specs[0] };

/* ---- what is computed ---- */

typedef struct seen {
    const tl_tensor *node[64];
    int n;
    tl_plan *cancel;
    int cancel_at;
} seen;

static void see(void *ctx, const tl_plan *p, const tl_tensor *node) {
    seen *s = ctx;
    (void)p;
    if (s->cancel && s->n == s->cancel_at)
        tl_plan_cancel(s->cancel);
    if (s->n < 64)
        s->node[s->n++] = node;
}

START_TEST(nodes_that_no_output_needs_are_not_computed) {
    rig r = rig_open(specs[_i]);
    seen s = {.n = 0};
    tl_tensor *x = rig_input(&r, "x", 2, 4), *unused = rig_input(&r, "unused", 2, 4);
    tl_tensor *dead = tl_neg(r.g, unused), *half_dead = tl_abs(r.g, x);
    tl_tensor *y = tl_output(r.g, tl_sqr(r.g, x));
    tl_add(r.g, half_dead, dead);
    rig_plan(&r, &(tl_plan_options){.probe = see, .probe_ctx = &s});
    rig_fill(&r, x, 1);
    rig_run(&r);
    ck_assert_int_eq(s.n, 1);
    ck_assert_ptr_eq(s.node[0], y);
    ck_assert_int_eq(tl_plan_time(r.plan, dead), -1);
    ck_assert_int_eq(tl_plan_time(r.plan, half_dead), -1);
    ck_assert_int_eq(tl_plan_time(r.plan, y), 0);
    rig_close(&r);
}
END_TEST

START_TEST(a_state_write_is_computed_without_any_output) {
    rig r = rig_open(specs[_i]);
    tl_tensor *state = rig_state(&r, "cache", 2, 4, 0), *x = rig_input(&r, "x", 2, 4);
    tl_assign(r.g, state, tl_neg(r.g, x));
    rig_plan(&r, NULL);
    rig_fill(&r, x, 1);
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, state, 0), -1);
    ck_assert_float_eq(rig_value(&r, state, 7), -8);
    rig_close(&r);
}
END_TEST

START_TEST(the_probe_sees_every_node_in_order_with_its_value) {
    rig r = rig_open(specs[_i]);
    seen s = {.n = 0};
    tl_tensor *x = rig_input(&r, "x", 2, 4), *y[8];
    tl_tensor *at = x;
    for (int i = 0; i < 8; i++)
        at = y[i] = i % 2 ? tl_neg(r.g, at) : tl_scale(r.g, at, 2);
    tl_output(r.g, tl_reshape(r.g, at, 1, (int64_t[]){8}));
    rig_plan(&r, &(tl_plan_options){.probe = see, .probe_ctx = &s});
    rig_run(&r);
    ck_assert_int_eq(s.n, 8);
    for (int i = 0; i < 8; i++)
        ck_assert_ptr_eq(s.node[i], y[i]);
    rig_close(&r);
}
END_TEST

static void check_double(void *ctx, const tl_plan *p, const tl_tensor *node) {
    float want = *(float *)ctx *= 2;
    ck_assert_int_eq(tl_plan_rows(p, node), 3);
    for (int64_t row = 0; row < 3; row++)
        for (int i = 0; i < 4; i++)
            ck_assert_float_eq(((const float *)tl_row(node, row))[i], want);
}

START_TEST(the_probe_finds_current_rows_and_values_while_memory_is_reused) {
    rig r = rig_open(specs[_i]);
    float value = 1;
    tl_tensor *x = tl_input(r.g, "x", TL_F32, 2, (int64_t[]){tl_size(r.g, "n", 5), 4}), *at = x;
    for (int i = 0; i < 10; i++)
        at = tl_add(r.g, at, at);
    tl_output(r.g, at);
    rig_plan(&r, &(tl_plan_options){.probe = check_double, .probe_ctx = &value});
    float ones[12];
    for (int i = 0; i < 12; i++)
        ones[i] = 1;
    MUST(&r, tl_plan_set(r.plan, "n", 3, &r.err));
    MUST(&r, tl_write(x, ones, sizeof ones, &r.err));
    rig_run(&r);
    ck_assert_float_eq(value, 1024);
    rig_close(&r);
}
END_TEST

/* ---- inputs and outputs ---- */

START_TEST(inputs_keep_value_and_memory_between_runs) {
    rig r = rig_open(specs[_i]);
    tl_tensor *x = rig_input(&r, "x", 4, 8), *at = x;
    for (int i = 0; i < 6; i++)
        at = tl_neg(r.g, at); /* a chain that would like to run in place, from the input on */
    tl_output(r.g, at);
    rig_plan(&r, NULL);
    ck_assert_float_eq(rig_value(&r, x, 31), 0); /* zeros at first */
    rig_fill(&r, x, 5);
    const void *address = tl_data(x);
    for (int run = 0; run < 4; run++) {
        rig_run(&r);
        ck_assert_ptr_eq(tl_data(x), address);
        for (int i = 0; i < 32; i++)
            ck_assert_float_eq(rig_value(&r, x, i), 5 + (float)i);
        ck_assert_float_eq(rig_value(&r, at, 31), 36);
    }
    rig_close(&r);
}
END_TEST

START_TEST(an_output_in_the_middle_lasts_to_the_end_of_the_run) {
    rig r = rig_open(specs[_i]);
    tl_tensor *x = rig_input(&r, "x", 4, 8);
    tl_tensor *early = tl_output(r.g, tl_scale(r.g, x, 3)), *at = early;
    for (int i = 0; i < 8; i++)
        at = tl_neg(r.g, tl_add(r.g, at, at));
    tl_output(r.g, at);
    rig_plan(&r, NULL);
    rig_fill(&r, x, 1);
    rig_run(&r);
    for (int i = 0; i < 32; i++) {
        ck_assert_float_eq(rig_value(&r, early, i), 3 + 3 * (float)i);
        ck_assert_float_eq(rig_value(&r, at, i), 256 * (3 + 3 * (float)i));
    }
    rig_close(&r);
}
END_TEST

START_TEST(inputs_bank_tensors_and_views_can_be_outputs) {
    rig r = rig_open(specs[_i]);
    tl_tensor *x = rig_input(&r, "x", 2, 4), *w = rig_state(&r, "w", 2, 4, 10);
    tl_tensor *a = tl_output(r.g, x), *b = tl_output(r.g, w), *c = tl_output(r.g, tl_slice(r.g, tl_neg(r.g, x), 1, 1, 2, 2));
    rig_plan(&r, NULL);
    rig_fill(&r, x, 1);
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, a, 7), 8);
    ck_assert_float_eq(rig_value(&r, b, 7), 17);
    ck_assert_float_eq(rig_value(&r, c, 0), -2);
    ck_assert_float_eq(rig_value(&r, c, 1), -4);
    ck_assert_float_eq(rig_value(&r, c, 2), -6);
    ck_assert_float_eq(rig_value(&r, c, 3), -8);
    rig_close(&r);
}
END_TEST

START_TEST(transfers_take_leading_rows) {
    rig r = rig_open(specs[_i]);
    tl_tensor *x = rig_input(&r, "x", 4, 2), *y = tl_output(r.g, tl_neg(r.g, x));
    float values[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8] = {0};
    rig_plan(&r, NULL);
    MUST(&r, tl_write(x, values, sizeof values, &r.err));
    MUST(&r, tl_write(x, (float[]){-1, -2}, 2 * sizeof(float), &r.err));
    MUST(&r, tl_write(x, NULL, 0, &r.err));
    rig_run(&r);
    MUST(&r, tl_read(y, out, 4 * sizeof(float), &r.err));
    ck_assert_float_eq(out[0], 1);
    ck_assert_float_eq(out[1], 2);
    ck_assert_float_eq(out[2], -3);
    ck_assert_float_eq(out[3], -4);
    ck_assert_float_eq(out[4], 0);
    rig_close(&r);
}
END_TEST

START_TEST(a_wrong_transfer_is_refused_with_its_reason) {
    static const float fixed[4] = {1, 2, 3, 4};
    rig r = rig_open("ref");
    float values[16] = {0};
    tl_tensor *x = rig_input(&r, "x", 4, 2), *hidden = tl_neg(r.g, x), *weight, *y = tl_output(r.g, tl_abs(r.g, hidden));
    tl_tensor *columns = tl_slice(r.g, x, 1, 0, 1, 1), *unneeded = tl_relu(r.g, x);
    MUST(&r, tl_bank_wrap(r.bank, "fixed", TL_F32, 1, (int64_t[]){4}, fixed, false, &weight, &r.err));
    REFUSED(&r, tl_write(x, values, 32, &r.err), TL_ERR_USAGE, "make a plan");
    rig_plan(&r, &(tl_plan_options){.no_fuse = true});
    REFUSED(&r, tl_write(x, values, 40, &r.err), TL_ERR_USAGE, "at most 32");
    REFUSED(&r, tl_read(x, values, 12, &r.err), TL_ERR_USAGE, "whole rows of 8");
    REFUSED(&r, tl_read(hidden, values, 32, &r.err), TL_ERR_USAGE, "tl_output");
    REFUSED(&r, tl_write(hidden, values, 32, &r.err), TL_ERR_USAGE, "tl_output");
    REFUSED(&r, tl_read(unneeded, values, 32, &r.err), TL_ERR_USAGE, "no output needs it: mark it with tl_output");
    REFUSED(&r, tl_write(columns, values, 16, &r.err), TL_ERR_USAGE, "not dense");
    REFUSED(&r, tl_write(weight, values, 16, &r.err), TL_ERR_USAGE, "may not be written");
    REFUSED(&r, tl_write(x, NULL, 32, &r.err), TL_ERR_USAGE, "no data");
    REFUSED(&r, tl_read(x, NULL, 32, &r.err), TL_ERR_USAGE, "no memory");
    REFUSED(&r, tl_write(NULL, values, 32, &r.err), TL_ERR_USAGE, "no tensor");
    REFUSED(&r, tl_read(NULL, values, 32, &r.err), TL_ERR_USAGE, "no tensor");
    REFUSED(&r, tl_read(y, values, 32, &r.err), TL_ERR_USAGE, "has no value yet");
    rig_run(&r);
    MUST(&r, tl_read(y, values, 32, &r.err));
    tl_plan_free(r.plan);
    r.plan = NULL;
    REFUSED(&r, tl_read(x, values, 32, &r.err), TL_ERR_USAGE, "make a plan");
    rig_close(&r);
}
END_TEST

/* ---- sizes ---- */

START_TEST(a_run_computes_the_current_rows_only) {
    rig r = rig_open(specs[_i]);
    tl_tensor *x = tl_input(r.g, "x", TL_F32, 2, (int64_t[]){tl_size(r.g, "n", 6), 2}), *y = tl_output(r.g, tl_neg(r.g, x));
    rig_plan(&r, &(tl_plan_options){.no_reuse = true});
    rig_fill(&r, x, 1);
    static const int64_t values[] = {6, 1, 4, 0, 6};
    for (int k = 0; k < 5; k++) {
        float poison[12];
        for (int i = 0; i < 12; i++)
            poison[i] = 99;
        MUST(&r, tl_write(y, poison, sizeof poison, &r.err));
        MUST(&r, tl_plan_set(r.plan, "n", values[k], &r.err));
        ck_assert_int_eq(tl_plan_dim0(r.plan, y), values[k]);
        rig_run(&r);
        for (int i = 0; i < 12; i++)
            ck_assert_float_eq(rig_value(&r, y, i), i < 2 * values[k] ? -1 - (float)i : 99);
    }
    rig_close(&r);
}
END_TEST

START_TEST(a_size_takes_0_to_its_maximum) {
    rig r = rig_open("ref");
    tl_output(r.g, tl_neg(r.g, tl_input(r.g, "x", TL_F32, 2, (int64_t[]){tl_size(r.g, "n", 6), 2})));
    rig_plan(&r, NULL);
    REFUSED(&r, tl_plan_set(r.plan, "n", 7, &r.err), TL_ERR_RANGE, "'n' = 7");
    REFUSED(&r, tl_plan_set(r.plan, "n", -1, &r.err), TL_ERR_RANGE, "'n' = -1");
    REFUSED(&r, tl_plan_set(r.plan, "m", 1, &r.err), TL_ERR_USAGE, "'m'");
    REFUSED(&r, tl_plan_set(r.plan, NULL, 1, &r.err), TL_ERR_USAGE, "name");
    REFUSED(&r, tl_plan_set(NULL, "n", 1, &r.err), TL_ERR_USAGE, "plan");
    rig_close(&r);
}
END_TEST

/* ---- refused runs ---- */

START_TEST(an_id_out_of_range_refuses_the_run_before_anything_is_written) {
    rig r = rig_open(specs[_i]);
    tl_tensor *table = rig_state(&r, "table", 4, 8, 0), *state = rig_state(&r, "cache", 2, 8, 100);
    tl_tensor *ids = tl_input(r.g, "ids", TL_I32, 1, (int64_t[]){2}), *x = rig_input(&r, "x", 2, 8);
    tl_assign(r.g, state, x); /* comes first */
    tl_tensor *y = tl_output(r.g, tl_embed(r.g, table, ids));
    rig_plan(&r, NULL);
    static const int32_t bad[][2] = {{0, 4}, {-1, 0}, {INT32_MIN, 1}, {3, INT32_MAX}};
    for (int k = 0; k < 4; k++) {
        rig_write_ints(&r, ids, bad[k]);
        REFUSED(&r, tl_plan_run(r.plan, &r.err), TL_ERR_RANGE, "embed");
        ck_assert_float_eq(rig_value(&r, state, 0), 100);
    }
    rig_write_ints(&r, ids, (int32_t[]){3, 0});
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, y, 0), 24);
    ck_assert_float_eq(rig_value(&r, y, 8), 0);
    ck_assert_float_eq(rig_value(&r, state, 0), 0);
    rig_close(&r);
}
END_TEST

START_TEST(ids_past_the_current_rows_are_not_looked_at) {
    rig r = rig_open(specs[_i]);
    tl_tensor *table = rig_state(&r, "table", 4, 8, 0);
    tl_tensor *ids = tl_input(r.g, "ids", TL_I32, 1, (int64_t[]){tl_size(r.g, "n", 3)});
    tl_tensor *y = tl_output(r.g, tl_embed(r.g, table, ids));
    rig_plan(&r, NULL);
    rig_write_ints(&r, ids, (int32_t[]){1, 2, 77});
    MUST(&r, tl_plan_set(r.plan, "n", 2, &r.err));
    rig_run(&r);
    float out[16];
    MUST(&r, tl_read(y, out, sizeof out, &r.err));
    ck_assert_float_eq(out[8], 16);
    MUST(&r, tl_plan_set(r.plan, "n", 3, &r.err));
    REFUSED(&r, tl_plan_run(r.plan, &r.err), TL_ERR_RANGE, "77");
    rig_close(&r);
}
END_TEST

START_TEST(computed_ids_out_of_range_end_the_run_before_they_are_used) {
    rig r = rig_open(specs[_i]);
    tl_tensor *table = rig_state(&r, "table", 4, 8, 0), *x = rig_input(&r, "x", 2, 6);
    tl_tensor *ids = tl_reshape(r.g, tl_argmax(r.g, x), 1, (int64_t[]){2}); /* 0 .. 5, the table has 4 rows */
    tl_tensor *y = tl_output(r.g, tl_embed(r.g, table, ids));
    rig_plan(&r, NULL);
    float values[12] = {0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0, 0};
    MUST(&r, tl_write(x, values, sizeof values, &r.err));
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, y, 0), 16);
    ck_assert_float_eq(rig_value(&r, y, 8), 0);
    values[5] = 10;
    MUST(&r, tl_write(x, values, sizeof values, &r.err));
    REFUSED(&r, tl_plan_run(r.plan, &r.err), TL_ERR_RANGE, "embed");
    values[5] = 0;
    MUST(&r, tl_write(x, values, sizeof values, &r.err));
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, y, 0), 16);
    rig_close(&r);
}
END_TEST

/* ---- cancelling ---- */

START_TEST(a_cancel_from_the_probe_ends_the_run_and_the_next_one_is_right) {
    rig r = rig_open(specs[_i]);
    seen s = {.cancel_at = 2};
    tl_tensor *x = rig_input(&r, "x", 2, 4), *at = x;
    for (int i = 0; i < 10; i++)
        at = tl_add(r.g, at, at);
    tl_output(r.g, at);
    rig_plan(&r, &(tl_plan_options){.probe = see, .probe_ctx = &s});
    rig_fill(&r, x, 1);
    s.cancel = r.plan;
    REFUSED(&r, tl_plan_run(r.plan, &r.err), TL_CANCELLED, "cancelled");
    ck_assert_int_eq(s.n, 3);
    s = (seen){.n = 0};
    rig_run(&r);
    ck_assert_int_eq(s.n, 10);
    ck_assert_float_eq(rig_value(&r, at, 7), 8 * 1024);
    rig_close(&r);
}
END_TEST

START_TEST(a_cancel_before_the_run_holds_until_taken_back) {
    rig r = rig_open(specs[_i]);
    tl_tensor *state = rig_state(&r, "cache", 2, 4, 100), *x = rig_input(&r, "x", 2, 4);
    tl_assign(r.g, state, x);
    rig_plan(&r, NULL);
    tl_plan_cancel(r.plan);
    ck_assert(tl_plan_cancelled(r.plan));
    REFUSED(&r, tl_plan_run(r.plan, &r.err), TL_CANCELLED, "cancelled");
    ck_assert_float_eq(rig_value(&r, state, 0), 100);
    ck_assert(!tl_plan_cancelled(r.plan));
    tl_plan_cancel(r.plan);
    tl_plan_resume(r.plan);
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, state, 0), 0);
    int32_t one = 1; /* as a page's script stores it */
    memcpy(tl_plan_cancel_word(r.plan), &one, sizeof one);
    REFUSED(&r, tl_plan_run(r.plan, &r.err), TL_CANCELLED, "cancelled");
    rig_run(&r);
    rig_close(&r);
}
END_TEST

START_TEST(a_cancel_is_used_up_by_a_run_that_fails_otherwise) {
    rig r = rig_open(specs[_i]);
    tl_tensor *ids = tl_input(r.g, "ids", TL_I32, 1, (int64_t[]){1}), *table = rig_state(&r, "table", 2, 4, 100);
    tl_output(r.g, tl_embed(r.g, table, ids));
    rig_plan(&r, NULL);
    MUST(&r, tl_write(ids, (int32_t[]){7}, sizeof(int32_t), &r.err));
    tl_plan_cancel(r.plan);
    REFUSED(&r, tl_plan_run(r.plan, &r.err), TL_ERR_RANGE, "embed");
    MUST(&r, tl_write(ids, (int32_t[]){1}, sizeof(int32_t), &r.err));
    rig_run(&r);
    rig_close(&r);
}
END_TEST

/* An op that says when it runs, so that the canceller below knows that the run has begun. */
static tl_status begin_infer(tl_graph *g, tl_tensor *out) {
    (void)g;
    out->dtype = TL_F32;
    out->rank = 2;
    memcpy(out->shape, out->src[0]->shape, sizeof out->shape);
    return TL_OK;
}

static void begin_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    atomic_int *begun;
    (void)scratch;
    memcpy(&begun, out->params, sizeof begun);
    atomic_store(begun, 1);
    for (int64_t r = row0; r < row1; r++)
        memcpy(tl_row(out, r), tl_row(out->src[0], r), (size_t)tl_dim(out, -1) * sizeof(float));
}

static const tl_op begin_op = {
    .name = "begin", .formula = "y = x", .id = -1, .min_src = 1, .max_src = 1, .infer = begin_infer, .ref = begin_ref};

typedef struct canceller {
    tl_plan *plan;
    atomic_int *begun;
} canceller;

static void cancel_when_begun(void *arg) {
    const canceller *c = arg;
    while (!atomic_load(c->begun))
        tl_yield();
    tl_plan_cancel(c->plan);
}

START_TEST(a_cancel_from_another_thread_ends_a_long_run) {
    rig r = rig_open(specs[_i]);
    atomic_int begun = 0, *begun_at = &begun;
    tl_tensor *w = rig_state(&r, "w", 256, 256, 0), *x = rig_input(&r, "x", 64, 256);
    tl_tensor *at = tl_node(r.g, &begin_op, 1, &x, &begun_at, sizeof begun_at);
    tl_thread *thread;
    for (int i = 0; i < 2000; i++) /* far longer than the cancel takes */
        at = tl_linear(r.g, at, w, NULL);
    tl_output(r.g, at);
    rig_plan(&r, NULL);
    canceller c = {r.plan, &begun};
    MUST(&r, tl_thread_start(&thread, cancel_when_begun, &c));
    tl_status s = tl_plan_run(r.plan, &r.err);
    tl_thread_join(thread);
    ck_assert_int_eq(s, TL_CANCELLED);
    rig_close(&r);
}
END_TEST

static Suite *runs_suite(void) {
    Suite *s = suite_create("run");
    TCase *c = tcase_create("run");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, nodes_that_no_output_needs_are_not_computed, 0, N_SPECS);
    tcase_add_loop_test(c, a_state_write_is_computed_without_any_output, 0, N_SPECS);
    tcase_add_loop_test(c, the_probe_sees_every_node_in_order_with_its_value, 0, N_SPECS);
    tcase_add_loop_test(c, the_probe_finds_current_rows_and_values_while_memory_is_reused, 0, N_SPECS);
    tcase_add_loop_test(c, inputs_keep_value_and_memory_between_runs, 0, N_SPECS);
    tcase_add_loop_test(c, an_output_in_the_middle_lasts_to_the_end_of_the_run, 0, N_SPECS);
    tcase_add_loop_test(c, inputs_bank_tensors_and_views_can_be_outputs, 0, N_SPECS);
    tcase_add_loop_test(c, transfers_take_leading_rows, 0, N_SPECS);
    tcase_add_test(c, a_wrong_transfer_is_refused_with_its_reason);
    tcase_add_loop_test(c, a_run_computes_the_current_rows_only, 0, N_SPECS);
    tcase_add_test(c, a_size_takes_0_to_its_maximum);
    tcase_add_loop_test(c, an_id_out_of_range_refuses_the_run_before_anything_is_written, 0, N_SPECS);
    tcase_add_loop_test(c, ids_past_the_current_rows_are_not_looked_at, 0, N_SPECS);
    tcase_add_loop_test(c, computed_ids_out_of_range_end_the_run_before_they_are_used, 0, N_SPECS);
    tcase_add_loop_test(c, a_cancel_from_the_probe_ends_the_run_and_the_next_one_is_right, 0, N_SPECS);
    tcase_add_loop_test(c, a_cancel_before_the_run_holds_until_taken_back, 0, N_SPECS);
    tcase_add_loop_test(c, a_cancel_is_used_up_by_a_run_that_fails_otherwise, 0, N_SPECS);
    tcase_add_loop_test(c, a_cancel_from_another_thread_ends_a_long_run, 0, N_SPECS);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(runs_suite());
}
