/* test_plan.c: what planning promises: memory is what the forecast said and what reuse saves, a graph has one plan, every failed
 * allocation and misuse gets a message, prints and profiles say what is done. Runs are test_run.c's subject; whether reuse and fusion
 * ever change a value, test_reuse.c's. */
#include "tests/rig.h"

static const char *const specs[] = {"ref", "ref:threads=3,tile=1", "cpu:threads=1", "cpu:threads=3,tile=1"};
enum { N_SPECS = sizeof specs / sizeof specs[0] };

/* ---- memory ---- */

static size_t allocated; /* by the counting backend below */
static const tl_backend_ops *inner;

static tl_status counting_alloc(tl_backend *be, size_t bytes, tl_buffer *out) {
    allocated += bytes;
    return inner->alloc(be, bytes, out);
}

/* Layers like a model's: norm, two products, gate, residual. */
static void build_layers(rig *r, int layers) {
    tl_tensor *up = tl_bank_find(r->bank, "up"), *gate = tl_bank_find(r->bank, "gate"), *down = tl_bank_find(r->bank, "down");
    tl_tensor *x = tl_input(r->g, "x", TL_F32, 2, (int64_t[]){tl_size(r->g, "n", 8), 64});
    for (int i = 0; i < layers; i++) {
        tl_tensor *h = tl_rms_norm(r->g, x, NULL, 1e-5f);
        h = tl_swiglu(r->g, tl_linear(r->g, h, gate, NULL), tl_linear(r->g, h, up, NULL));
        x = tl_add(r->g, x, tl_linear(r->g, h, down, NULL));
    }
    tl_output(r->g, x);
}

static void build_model(rig *r) {
    tl_tensor *t;
    MUST(r, tl_bank_add(r->bank, "up", TL_Q8_0, 2, (int64_t[]){128, 64}, NULL, &t, &r->err));
    MUST(r, tl_bank_add(r->bank, "gate", TL_Q8_0, 2, (int64_t[]){128, 64}, NULL, &t, &r->err));
    rig_state(r, "down", 64, 128, 0);
    build_layers(r, 16);
}

/* The forecast of a linear layer whose only weight row is of k elements. */
static tl_status forecast_long_row(const char *spec, tl_dtype type, int64_t k, rig *r, tl_plan_memory *forecast) {
    tl_tensor *w;
    *r = rig_open(spec);
    MUST(r, tl_bank_declare(r->bank, "w", type, 2, (int64_t[]){1, k}, NULL, &w, &r->err));
    tl_output(r->g, tl_linear(r->g, rig_input(r, "x", 1, k), w, NULL));
    return tl_plan_forecast(r->g, r->be, NULL, forecast, &r->err);
}

/* Rows so long that sixteen of them are more bytes than a size_t holds: for f32 by one byte; of q8_0 as long as x may be, which where
 * a size_t has 64 bits is too much for two threads only. */
static const int64_t endless_f32 = (int64_t)(SIZE_MAX / 64) + 1, endless_q8_0 = (INT64_MAX < SIZE_MAX ? INT64_MAX : SIZE_MAX) / 16 + 1 - 32;

START_TEST(a_forecast_of_scratch_that_is_no_size_is_refused) {
    rig r;
    tl_plan_memory forecast;
    REFUSED(&r, forecast_long_row("ref:threads=1", TL_F32, endless_f32, &r, &forecast), TL_ERR_MEMORY, "overflows");
    ck_assert_uint_eq(forecast.total, 0);
    rig_close(&r);
    REFUSED(&r, forecast_long_row("cpu:threads=2,pack=0", TL_Q8_0, endless_q8_0, &r, &forecast), TL_ERR_MEMORY, "its size overflows");
    ck_assert_uint_eq(forecast.total, 0);
    rig_close(&r);
}
END_TEST

START_TEST(a_forecast_of_an_endless_weight_row_counts_it) {
    rig r;
    tl_plan_memory forecast;
    MUST(&r, forecast_long_row("cpu:threads=1", TL_F32, endless_f32, &r, &forecast));
    ck_assert_uint_ge(forecast.activations, (size_t)endless_f32 * 4);
    rig_close(&r);
}
END_TEST

/* A row that is small as it is and as it shall be, but not as the f32 between: more than 32 bits can count. */
START_TEST(a_row_on_its_way_from_type_to_type_is_counted_or_refused) {
    const int64_t n = 1 << 30;
    rig r = rig_open("ref:threads=1");
    tl_plan_memory forecast;
    tl_output(r.g, tl_cast(r.g, tl_input(r.g, "x", TL_Q4_0, 2, (int64_t[]){1, n}), TL_Q4_1));
    tl_status s = tl_plan_forecast(r.g, r.be, NULL, &forecast, &r.err);
    if (sizeof(size_t) > 4) {
        ck_assert_int_eq(s, TL_OK);
        ck_assert_uint_eq(forecast.workers, (uint64_t)n * 4);
    } else {
        REFUSED(&r, s, TL_ERR_MEMORY, "overflows");
    }
    rig_close(&r);
}
END_TEST

/* Nodes that together are more than a size_t counts, but take turns in memory. */
START_TEST(a_graph_that_fits_only_by_reuse_is_forecast) {
    const int64_t n = SIZE_MAX / 64 / 16 * 16;
    rig r = rig_open("ref:threads=1");
    tl_plan_memory forecast;
    tl_tensor *x = rig_input(&r, "x", 1, n);
    for (int i = 0; i < 20; i++)
        x = tl_softmax(r.g, x, NULL, 1);
    tl_output(r.g, x);
    MUST(&r, tl_plan_forecast(r.g, r.be, NULL, &forecast, &r.err));
    ck_assert_uint_eq(forecast.activations, 3 * (size_t)n * 4);
    ck_assert_uint_eq(forecast.no_reuse, SIZE_MAX);
    REFUSED(&r, tl_plan_forecast(r.g, r.be, &(tl_plan_options){.no_reuse = true}, &forecast, &r.err), TL_ERR_MEMORY, "cannot lay out");
    rig_close(&r);
}
END_TEST

START_TEST(the_forecast_is_what_a_plan_allocates_to_the_byte) {
    for (int option = 0; option < 4; option++) {
        rig r = rig_open(specs[_i]);
        tl_plan_options o = {.no_reuse = option & 1, .no_fuse = option >> 1};
        tl_plan_memory forecast;
        build_model(&r);
        inner = r.be->ops;
        tl_backend_ops counting = *inner;
        counting.alloc = counting_alloc;
        r.be->ops = &counting;
        allocated = 0;
        MUST(&r, tl_plan_forecast(r.g, r.be, &o, &forecast, &r.err));
        ck_assert_uint_eq(allocated, 0);
        rig_plan(&r, &o);
        tl_plan_memory m = tl_plan_memory_of(r.plan);
        ck_assert_uint_eq(allocated, forecast.total);
        ck_assert_uint_eq(m.total, forecast.total);
        ck_assert_uint_eq(m.activations, forecast.activations);
        ck_assert_uint_eq(m.workers, forecast.workers);
        ck_assert_uint_eq(m.no_reuse, forecast.no_reuse);
        ck_assert_uint_eq(m.total, m.activations + m.workers);
        rig_run(&r);
        ck_assert_uint_eq(allocated, forecast.total); /* a run allocates nothing of the backend's */
        tl_plan_free(r.plan);
        r.plan = NULL;
        r.be->ops = inner;
        rig_close(&r);
    }
}
END_TEST

START_TEST(reuse_makes_a_deep_graph_as_small_as_a_few_layers) {
    rig r = rig_open(specs[_i]);
    build_model(&r);
    rig_plan(&r, NULL);
    tl_plan_memory m = tl_plan_memory_of(r.plan);
    ck_assert_uint_gt(m.no_reuse, 8 * m.activations);
    ck_assert_uint_ge(m.activations, 2u * 8 * 64 * 4); /* the input, which keeps its memory, and the output */
    tl_plan_free(r.plan);
    r.plan = NULL;
    rig_plan(&r, &(tl_plan_options){.no_reuse = true});
    ck_assert_uint_eq(tl_plan_memory_of(r.plan).activations, tl_plan_memory_of(r.plan).no_reuse);
    rig_close(&r);
}
END_TEST

/* 100,000 nodes: in seconds only where no part of planning goes over all nodes for each. */
START_TEST(a_very_deep_graph_plans_as_a_short_one_does) {
    int deep = sparing(16667, 3000);
    rig r = rig_open(specs[_i]);
    build_model(&r);
    rig_plan(&r, NULL);
    tl_plan_memory memory = tl_plan_memory_of(r.plan);
    int steps = r.plan->n_steps;
    rig_next_graph(&r);
    build_layers(&r, deep);
    rig_plan(&r, NULL);
    ck_assert_int_ge(r.plan->n_nodes, 6 * deep);
    ck_assert_int_eq(r.plan->n_steps, steps / 16 * deep);
    ck_assert_uint_eq(tl_plan_memory_of(r.plan).total, memory.total);
    rig_close(&r);
}
END_TEST

START_TEST(any_allocation_may_fail_while_planning_and_running) {
    rig r = rig_open(specs[_i % N_SPECS]);
    bool from_then_on = _i >= N_SPECS;
    tl_plan_memory memory;
    build_model(&r);
    for (long fail = 0;; fail += sparing(1, 5)) {
        tl_alloc_fail_at(fail, from_then_on);
        tl_status forecast = tl_plan_forecast(r.g, r.be, NULL, &memory, &r.err);
        tl_status s = tl_plan_new(&r.plan, r.g, r.be, &(tl_plan_options){.profile = true}, &r.err);
        tl_status run = s == TL_OK ? tl_plan_run(r.plan, &r.err) : TL_OK;
        const tl_plan_profile_row *rows;
        if (s == TL_OK)
            tl_plan_profile(r.plan, &rows);
        long made = tl_alloc_count();
        tl_alloc_fail_at(-1, false);
        ck_assert(forecast == TL_OK || forecast == TL_ERR_MEMORY);
        ck_assert(s == TL_OK || s == TL_ERR_MEMORY);
        ck_assert(run == TL_OK || run == TL_ERR_MEMORY);
        ck_assert_int_eq(s == TL_OK, r.plan != NULL);
        tl_plan_free(r.plan);
        r.plan = NULL;
        if (made <= fail) {
            ck_assert_int_eq(s, TL_OK);
            ck_assert_int_gt(fail, 10);
            break;
        }
    }
    rig_plan(&r, NULL);
    rig_run(&r);
    rig_close(&r);
}
END_TEST

/* ---- one plan a graph ---- */

START_TEST(a_graph_has_one_live_plan) {
    rig r = rig_open("ref");
    tl_plan *second = (tl_plan *)&r;
    tl_plan_memory memory;
    tl_output(r.g, tl_neg(r.g, rig_input(&r, "x", 2, 4)));
    rig_plan(&r, NULL);
    REFUSED(&r, tl_plan_new(&second, r.g, r.be, NULL, &r.err), TL_ERR_USAGE, "live plan");
    ck_assert_ptr_null(second);
    REFUSED(&r, tl_plan_forecast(r.g, r.be, NULL, &memory, &r.err), TL_ERR_USAGE, "live plan");
    rig_run(&r);
    tl_plan_free(r.plan);
    r.plan = NULL;
    rig_plan(&r, NULL);
    rig_run(&r);
    rig_close(&r);
}
END_TEST

/* Each way to change a graph: 0 a node, 1 an input, 2 an output, 3 a named size. */
static bool changes(tl_graph *g, tl_tensor *x, int way) {
    return way == 0   ? tl_abs(g, x) != NULL
           : way == 1 ? tl_input(g, "late", TL_F32, 2, (int64_t[]){2, 4}) != NULL
           : way == 2 ? tl_output(g, x) != NULL
                      : tl_size(g, "late", 8) > 0;
}

START_TEST(changes_after_planning_are_refused) {
    rig r = rig_open("ref");
    tl_tensor *x = rig_input(&r, "x", tl_size(r.g, "n", 2), 4), *y = tl_output(r.g, tl_neg(r.g, x));
    rig_plan(&r, NULL);
    rig_fill(&r, x, 1);
    ck_assert_int_gt(tl_size(r.g, "n", 2), 0); /* asks for one that is there */
    ck_assert(!changes(r.g, x, _i));
    FAILED(r.g, "planned already");
    FAILED(r.g, "build another graph");
    rig_run(&r); /* as before */
    ck_assert_float_eq(rig_value(&r, y, 7), -8);
    ck_assert_int_eq(tl_plan_set(r.plan, "late", 1, NULL), TL_ERR_USAGE);
    tl_plan_free(r.plan); /* which does not help a graph that has failed */
    r.plan = NULL;
    ck_assert(!changes(r.g, x, _i));
    REFUSED(&r, tl_plan_new(&r.plan, r.g, r.be, NULL, &r.err), TL_ERR_USAGE, "planned already");
    rig_close(&r);
}
END_TEST

START_TEST(a_graph_whose_plan_is_freed_takes_changes) {
    rig r = rig_open("ref");
    tl_tensor *x = rig_input(&r, "x", 2, 4), *y = tl_output(r.g, tl_neg(r.g, x));
    rig_plan(&r, NULL);
    tl_plan_free(r.plan);
    r.plan = NULL;
    ck_assert(changes(r.g, x, _i));
    y = tl_output(r.g, tl_neg(r.g, y));
    rig_plan(&r, NULL);
    rig_fill(&r, x, 1);
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, y, 7), 8);
    rig_close(&r);
}
END_TEST

START_TEST(an_output_from_before_a_write_is_refused) {
    rig r = rig_open("ref");
    tl_tensor *state = rig_state(&r, "cache", 2, 4, 0), *old = tl_reshape(r.g, state, 1, (int64_t[]){8});
    tl_plan *plan;
    tl_output(r.g, old);
    rig_plan(&r, NULL); /* nothing writes it: as good as any output */
    tl_plan_free(r.plan);
    r.plan = NULL;
    tl_output(r.g, tl_assign(r.g, state, rig_input(&r, "x", 2, 4)));
    REFUSED(&r, tl_plan_new(&plan, r.g, r.be, NULL, &r.err), TL_ERR_USAGE, "from before a later write");
    rig_close(&r);
}
END_TEST

START_TEST(a_plan_without_its_graph_is_refused_and_can_be_freed) {
    rig r = rig_open("ref");
    tl_output(r.g, tl_neg(r.g, rig_input(&r, "x", 2, 4)));
    rig_plan(&r, NULL);
    tl_graph_free(r.g);
    r.g = NULL;
    REFUSED(&r, tl_plan_run(r.plan, &r.err), TL_ERR_USAGE, "graph was freed");
    REFUSED(&r, tl_plan_set(r.plan, "n", 1, &r.err), TL_ERR_USAGE, "graph");
    rig_close(&r);
}
END_TEST

START_TEST(nothing_given_gives_a_message) {
    rig r = rig_open("ref");
    tl_plan *p = (tl_plan *)&r;
    const tl_plan_profile_row *rows;
    REFUSED(&r, tl_plan_new(&p, NULL, r.be, NULL, &r.err), TL_ERR_USAGE, "graph");
    ck_assert_ptr_null(p);
    REFUSED(&r, tl_plan_new(&p, r.g, NULL, NULL, &r.err), TL_ERR_USAGE, "backend");
    REFUSED(&r, tl_plan_run(NULL, &r.err), TL_ERR_USAGE, "plan");
    ck_assert_int_eq(tl_plan_run(NULL, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_plan_print(NULL, collect_text, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_plan_profile(NULL, &rows), 0);
    tl_plan_profile_reset(NULL);
    tl_plan_profile_on(NULL, true);
    tl_plan_cancel(NULL);
    ck_assert_ptr_null(tl_plan_cancel_word(NULL));
    tl_plan_resume(NULL);
    tl_plan_free(NULL);
    rig_close(&r);
}
END_TEST

START_TEST(an_empty_graph_plans_and_runs) {
    rig r = rig_open(specs[_i]);
    rig_plan(&r, NULL);
    rig_run(&r);
    rig_close(&r);
}
END_TEST

static const char *reject_neg(tl_backend *be, const tl_tensor *node) {
    (void)be;
    return node->op->id == TL_OP_NEG ? "no signs here" : NULL;
}

START_TEST(a_backend_that_rejects_a_node_says_which_and_why) {
    rig r = rig_open("ref");
    tl_backend_ops picky = *r.be->ops;
    picky.reject = reject_neg;
    inner = r.be->ops;
    r.be->ops = &picky;
    tl_output(r.g, tl_name(r.g, tl_neg(r.g, rig_input(&r, "x", 2, 4)), "minus"));
    REFUSED(&r, tl_plan_new(&r.plan, r.g, r.be, NULL, &r.err), TL_ERR_UNSUPPORTED, "no signs here");
    ck_assert_ptr_nonnull(strstr(r.err.message, "'minus'"));
    r.be->ops = inner;
    rig_close(&r);
}
END_TEST

/* ---- profile and print ---- */

START_TEST(profile_rows_sum_what_the_ops_say) {
    rig r = rig_open(specs[_i]);
    const tl_plan_profile_row *rows;
    build_model(&r);
    rig_plan(&r, &(tl_plan_options){.profile = true, .no_fuse = true});
    double want = 0, ops = 0, seconds = 0;
    for (int i = 0; i < r.plan->n_nodes; i++) {
        tl_cost c = {0};
        const tl_tensor *node = r.plan->nodes[i];
        if (node->op->cost)
            node->op->cost(node, tl_plan_work(r.plan, node), &c);
        want += c.ops;
    }
    for (int run = 0; run < 3; run++)
        rig_run(&r);
    int n = tl_plan_profile(r.plan, &rows);
    ck_assert_int_eq(n, r.plan->n_steps);
    ck_assert_int_gt(n, 0);
    for (int i = 0; i < n; i++) {
        ck_assert_ptr_nonnull(rows[i].op);
        ck_assert_ptr_nonnull(rows[i].kernel);
        ck_assert_ptr_nonnull(rows[i].node);
        ck_assert_int_gt(rows[i].tiles, 0);
        ck_assert_double_ge(rows[i].seconds, 0);
        ops += rows[i].cost.ops;
        seconds += rows[i].seconds;
    }
    ck_assert_double_ge(ops, 3 * want); /* steps that prepare rows add their own */
    ck_assert_double_le(ops, 3 * want * 1.25);
    ck_assert_double_gt(seconds, 0);
    tl_plan_profile_reset(r.plan);
    n = tl_plan_profile(r.plan, &rows);
    for (int i = 0; i < n; i++) {
        ck_assert_double_eq(rows[i].seconds, 0);
        ck_assert_double_eq(rows[i].cost.ops, 0);
    }
    tl_plan_profile_on(r.plan, false);
    rig_run(&r);
    ck_assert_int_eq(tl_plan_profile(r.plan, &rows), 0);
    tl_plan_profile_on(r.plan, true);
    n = tl_plan_profile(r.plan, &rows);
    ck_assert_int_eq(n, r.plan->n_steps);
    ck_assert_double_eq(rows[0].seconds, 0); /* of the run between nothing was kept */
    rig_run(&r);
    ops = 0;
    n = tl_plan_profile(r.plan, &rows);
    for (int i = 0; i < n; i++)
        ops += rows[i].cost.ops;
    ck_assert_double_ge(ops, want);
    rig_close(&r);
}
END_TEST

START_TEST(without_the_option_there_is_no_profile) {
    rig r = rig_open("ref");
    const tl_plan_profile_row *rows = (const tl_plan_profile_row *)&r;
    tl_output(r.g, tl_neg(r.g, rig_input(&r, "x", 2, 4)));
    rig_plan(&r, NULL);
    rig_run(&r);
    ck_assert_int_eq(tl_plan_profile(r.plan, &rows), 0);
    ck_assert_ptr_null(rows);
    rig_close(&r);
}
END_TEST

START_TEST(a_plan_prints_its_steps_and_its_memory) {
    rig r = rig_open(specs[_i]);
    static text_sink s;
    char line[64];
    tl_tensor *w = rig_state(&r, "w", 8, 8, 0);
    tl_output(r.g, tl_name(r.g, tl_linear(r.g, tl_rms_norm(r.g, rig_input(&r, "x", 2, 8), NULL, 1e-5f), w, NULL), "logits"));
    rig_plan(&r, NULL);
    s = (text_sink){.calls_left = -1};
    MUST(&r, tl_plan_print(r.plan, collect_text, &s));
    ck_assert_ptr_nonnull(strstr(s.text, "linear"));
    ck_assert_ptr_nonnull(strstr(s.text, "'logits' f32 [2, 8]"));
    snprintf(line, sizeof line, "activations %llu bytes", (unsigned long long)tl_plan_memory_of(r.plan).activations);
    ck_assert_ptr_nonnull(strstr(s.text, line));
    int lines = 0;
    for (size_t i = 0; i < s.n; i++)
        lines += s.text[i] == '\n';
    ck_assert_int_eq(lines, r.plan->n_steps + 1);
    s = (text_sink){.calls_left = 0};
    ck_assert_int_eq(tl_plan_print(r.plan, collect_text, &s), TL_CANCELLED);
    rig_close(&r);
}
END_TEST

static Suite *plan_suite(void) {
    Suite *s = suite_create("plan");
    TCase *c = tcase_create("plan");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_forecast_of_scratch_that_is_no_size_is_refused);
    tcase_add_test(c, a_forecast_of_an_endless_weight_row_counts_it);
    tcase_add_test(c, a_row_on_its_way_from_type_to_type_is_counted_or_refused);
    tcase_add_test(c, a_graph_that_fits_only_by_reuse_is_forecast);
    tcase_add_loop_test(c, the_forecast_is_what_a_plan_allocates_to_the_byte, 0, N_SPECS);
    tcase_add_loop_test(c, reuse_makes_a_deep_graph_as_small_as_a_few_layers, 0, N_SPECS);
    tcase_add_loop_test(c, a_very_deep_graph_plans_as_a_short_one_does, 0, N_SPECS);
    tcase_add_loop_test(c, any_allocation_may_fail_while_planning_and_running, 0, 2 * N_SPECS);
    tcase_add_test(c, a_graph_has_one_live_plan);
    tcase_add_loop_test(c, changes_after_planning_are_refused, 0, 4);
    tcase_add_loop_test(c, a_graph_whose_plan_is_freed_takes_changes, 0, 4);
    tcase_add_test(c, an_output_from_before_a_write_is_refused);
    tcase_add_test(c, a_plan_without_its_graph_is_refused_and_can_be_freed);
    tcase_add_test(c, nothing_given_gives_a_message);
    tcase_add_loop_test(c, an_empty_graph_plans_and_runs, 0, N_SPECS);
    tcase_add_test(c, a_backend_that_rejects_a_node_says_which_and_why);
    tcase_add_loop_test(c, profile_rows_sum_what_the_ops_say, 0, N_SPECS);
    tcase_add_test(c, without_the_option_there_is_no_profile);
    tcase_add_loop_test(c, a_plan_prints_its_steps_and_its_memory, 0, N_SPECS);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(plan_suite());
}
