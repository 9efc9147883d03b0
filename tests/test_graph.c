/* test_graph.c: what a graph promises while it is built: errors stick, operands are checked, states have versions, sizes vary on the first
 * axis only, names and prints say what is there, and no failed allocation does harm. */
#include "tests/rig.h"

static const int64_t two_by_four[] = {2, 4};

/* ---- errors ---- */

START_TEST(the_first_error_stays_and_builders_give_null_after_it) {
    rig r = rig_open("ref");
    tl_tensor *x = rig_input(&r, "x", 2, 4), *w = rig_input(&r, "w", 3, 5);
    ck_assert_ptr_null(tl_linear(r.g, x, w, NULL));
    tl_error first = *tl_graph_error(r.g);
    ck_assert_int_eq(first.status, TL_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(first.message, "'x'"));
    ck_assert_ptr_nonnull(strstr(first.message, "'w'"));
    int count = tl_graph_count(r.g);
    ck_assert_ptr_null(tl_neg(r.g, x));
    ck_assert_ptr_null(tl_add(r.g, NULL, x));
    ck_assert_ptr_null(tl_input(r.g, "late", TL_F32, 2, two_by_four));
    ck_assert_ptr_null(tl_output(r.g, x));
    ck_assert_ptr_null(tl_name(r.g, x, "late"));
    ck_assert_ptr_null(tl_latest(r.g, x));
    ck_assert_ptr_null(tl_after(r.g, x, 0));
    tl_graph_fail(r.g, TL_ERR_RANGE, "a second error");
    ck_assert_str_eq(tl_graph_error(r.g)->message, first.message);
    ck_assert_int_eq(tl_graph_count(r.g), count);
    REFUSED(&r, tl_plan_new(&r.plan, r.g, r.be, NULL, &r.err), TL_ERR_USAGE, first.message);
    ck_assert_ptr_null(r.plan);
    rig_close(&r);
}
END_TEST

START_TEST(without_a_graph_builders_give_null) {
    tl_tensor *none = NULL;
    ck_assert_ptr_null(tl_add(NULL, NULL, NULL));
    ck_assert_ptr_null(tl_input(NULL, "x", TL_F32, 2, two_by_four));
    ck_assert_ptr_null(tl_output(NULL, NULL));
    ck_assert_ptr_null(tl_concat(NULL, &none, 1, 0));
    ck_assert_ptr_null(tl_graph_alloc(NULL, 8));
    ck_assert_ptr_null(tl_graph_error(NULL));
    ck_assert_int_eq(tl_graph_count(NULL), 0);
    tl_graph_free(NULL);
}
END_TEST

START_TEST(a_missing_operand_is_named_by_its_number) {
    rig r = rig_open("ref");
    ck_assert_ptr_null(tl_sub(r.g, rig_input(&r, "x", 2, 4), NULL));
    FAILED(r.g, "sub: operand 1");
    rig_close(&r);
}
END_TEST

START_TEST(an_operand_of_another_graph_is_refused_by_name) {
    rig r = rig_open("ref");
    tl_graph *other;
    MUST(&r, tl_graph_new(&other, &r.err));
    tl_tensor *foreign = tl_input(other, "foreign", TL_F32, 2, two_by_four);
    ck_assert_ptr_null(tl_add(r.g, rig_input(&r, "x", 2, 4), foreign));
    FAILED(r.g, "'foreign'");
    tl_graph_free(other);
    rig_close(&r);
}
END_TEST

START_TEST(an_output_or_name_of_another_graph_is_refused) {
    rig r = rig_open("ref");
    tl_graph *other;
    MUST(&r, tl_graph_new(&other, &r.err));
    tl_tensor *foreign = tl_input(other, "foreign", TL_F32, 2, two_by_four);
    ck_assert_ptr_null(tl_output(r.g, foreign));
    FAILED(r.g, "another graph");
    rig_next_graph(&r);
    ck_assert_ptr_null(tl_name(r.g, foreign, "mine"));
    FAILED(r.g, "tl_name");
    ck_assert_str_eq(foreign->name, "foreign");
    tl_graph_free(other);
    rig_close(&r);
}
END_TEST

static const struct {
    tl_dtype dtype;
    int rank;
    int64_t shape[7];
    const char *words;
} bad_shapes[] = {
    {TL_F32, 0, {1}, "rank"},
    {TL_F32, 7, {1, 1, 1, 1, 1, 1, 1}, "rank"},
    {TL_F32, -1, {1}, "rank"},
    {TL_F32, 2, {0, 4}, "axis 0"},
    {TL_F32, 2, {2, -1}, "axis 1"},
    {TL_Q4_0, 2, {2, 48}, "multiple of 32"},
    {TL_Q6_K, 2, {2, 128}, "multiple of 256"},
    {TL_F32, 3, {INT64_C(1) << 32, INT64_C(1) << 32, 1}, "overflow"},
    {TL_F32, 3, {INT64_C(1) << 31, INT64_C(1) << 31, 2}, "overflow"},
    {TL_F32, 1, {INT64_MAX}, "'x'"},
    {TL_F32, 1, {INT64_MIN}, "'x'"},
    {(tl_dtype)99, 1, {4}, "type"},
    {(tl_dtype)-1, 1, {4}, "type"},
};

START_TEST(an_impossible_shape_or_type_is_refused) {
    rig r = rig_open("ref");
    ck_assert_ptr_null(tl_input(r.g, "x", bad_shapes[_i].dtype, bad_shapes[_i].rank, bad_shapes[_i].shape));
    FAILED(r.g, bad_shapes[_i].words);
    rig_close(&r);
}
END_TEST

static tl_status infer_view_outside(tl_graph *g, tl_tensor *out) {
    (void)g;
    const tl_tensor *x = out->src[0];
    *out = (tl_tensor){.op = out->op,
                       .dtype = x->dtype,
                       .rank = 1,
                       .shape = {tl_count(x)},
                       .stride = {4},
                       .base = x->base,
                       .offset = 4,
                       .graph = out->graph,
                       .id = out->id,
                       .n_src = 1,
                       .src = {out->src[0]}};
    return TL_OK;
}

START_TEST(a_view_that_leaves_its_parent_is_refused) {
    static const tl_op outside = {.name = "outside",
                                  .formula = "one element too far",
                                  .id = -1,
                                  .min_src = 1,
                                  .max_src = 1,
                                  .flags = TL_OP_VIEW,
                                  .infer = infer_view_outside};
    rig r = rig_open("ref");
    tl_tensor *x = rig_input(&r, "x", 2, 4);
    ck_assert_ptr_null(tl_graph_add(r.g, &outside, 1, &x, NULL, 0));
    FAILED(r.g, "leaves its parent");
    rig_close(&r);
}
END_TEST

/* ---- states ---- */

START_TEST(reading_an_old_state_after_a_write_names_both_nodes) {
    rig r = rig_open("ref");
    tl_tensor *state = rig_state(&r, "cache", 2, 4, 0), *x = rig_input(&r, "x", 2, 4);
    ck_assert_ptr_nonnull(tl_assign(r.g, state, x));
    ck_assert_ptr_null(tl_neg(r.g, state));
    FAILED(r.g, "neg: 'cache'");
    FAILED(r.g, "assign");
    rig_close(&r);
}
END_TEST

START_TEST(reading_an_old_view_of_a_state_after_a_write_is_refused) {
    rig r = rig_open("ref");
    tl_tensor *state = rig_state(&r, "cache", 4, 4, 0), *x = rig_input(&r, "x", 2, 4);
    tl_tensor *head = tl_slice(r.g, state, 0, 0, 2, 1), *tail = tl_slice(r.g, state, 0, 2, 2, 1);
    ck_assert_ptr_nonnull(tl_assign(r.g, head, x));
    ck_assert_ptr_null(tl_neg(r.g, tail)); /* a view shares its base's version */
    FAILED(r.g, "assign");
    rig_close(&r);
}
END_TEST

START_TEST(a_second_write_of_one_version_is_refused) {
    rig r = rig_open("ref");
    tl_tensor *state = rig_state(&r, "cache", 2, 4, 0), *x = rig_input(&r, "x", 2, 4);
    ck_assert_ptr_nonnull(tl_assign(r.g, state, x));
    ck_assert_ptr_null(tl_assign(r.g, state, x));
    FAILED(r.g, "assign: 'cache'");
    rig_close(&r);
}
END_TEST

START_TEST(a_chain_of_writes_and_earlier_readers_is_allowed) {
    rig r = rig_open("ref");
    tl_tensor *state = rig_state(&r, "cache", 2, 4, 0), *x = rig_input(&r, "x", 2, 4);
    tl_tensor *before = tl_neg(r.g, state), *one = tl_assign(r.g, state, x), *two = tl_assign(r.g, one, before);
    ck_assert_ptr_null(tl_graph_error(r.g));
    ck_assert_int_eq(one->version, 1);
    ck_assert_int_eq(two->version, 2);
    ck_assert_ptr_eq(two->base, state);
    rig_close(&r);
}
END_TEST

START_TEST(latest_and_after_give_the_newest_handle) {
    rig r = rig_open("ref");
    tl_tensor *state = rig_state(&r, "cache", 4, 4, 0), *x = rig_input(&r, "x", 2, 4);
    ck_assert_ptr_eq(tl_latest(r.g, state), state);
    tl_tensor *write = tl_assign(r.g, tl_slice(r.g, state, 0, 1, 2, 1), x);
    tl_tensor *whole = tl_latest(r.g, state);
    ck_assert_ptr_nonnull(whole);
    ck_assert_int_eq(whole->version, 1);
    ck_assert_int_eq(whole->shape[0], 4); /* the state, not the part that was written */
    ck_assert_ptr_eq(tl_after(r.g, write, 0), whole);
    ck_assert_ptr_eq(tl_latest(r.g, state), whole);
    ck_assert_ptr_nonnull(tl_neg(r.g, whole));
    ck_assert_ptr_null(tl_graph_error(r.g));
    rig_close(&r);
}
END_TEST

/* A write through a view that holds all elements, but elsewhere or in another shape, must not become the state's handle. */
START_TEST(latest_has_the_shape_of_the_state_after_a_write_through_a_view_of_all_of_it) {
    rig r = rig_open("ref");
    tl_tensor *cube, *x = tl_input(r.g, "x", TL_F32, 3, (int64_t[]){3, 3, 2}), *flat = rig_state(&r, "flat", 4, 6, 0);
    MUST(&r, tl_bank_add(r.bank, "cube", TL_F32, 3, (int64_t[]){3, 3, 2}, NULL, &cube, &r.err));
    tl_tensor *turned = tl_assign(r.g, tl_permute(r.g, cube, (int[]){1, 0, 2}), x), *whole = tl_latest(r.g, cube);
    ck_assert_ptr_eq(tl_after(r.g, turned, 0), whole);
    ck_assert(tl_dense(whole));
    tl_assign(r.g, tl_reshape(r.g, flat, 2, (int64_t[]){6, 4}), rig_input(&r, "y", 6, 4));
    ck_assert_int_eq(tl_latest(r.g, flat)->shape[0], 4);
    tl_tensor *again = tl_assign(r.g, tl_latest(r.g, flat), rig_input(&r, "z", 4, 6));
    ck_assert_ptr_eq(tl_latest(r.g, flat), again); /* a write of the state as it is needs no view */
    tl_output(r.g, tl_neg(r.g, whole));
    rig_plan(&r, NULL);
    rig_fill(&r, x, 0);
    rig_run(&r);
    for (int i = 0; i < 18; i++) /* cube[a][b] = x[b][a] */
        ck_assert_float_eq(((const float *)tl_data(cube))[i], (float)(i / 2 % 3 * 6 + i / 6 * 2 + i % 2));
    rig_close(&r);
}
END_TEST

START_TEST(many_states_have_versions_of_their_own) {
    enum { MANY = 1000 };
    static tl_tensor *states[MANY];
    char name[24];
    rig r = rig_open("ref");
    tl_tensor *x = rig_input(&r, "x", 1, 2);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "state %d", i);
        states[i] = rig_state(&r, name, 1, 2, 0);
    }
    for (int i = 0; i < MANY; i++) /* state i is written i % 4 times */
        for (int k = 0; k < i % 4; k++)
            tl_assign(r.g, tl_latest(r.g, states[i]), x);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(tl_latest(r.g, states[i])->version, i % 4);
        ck_assert_ptr_eq(tl_latest(r.g, states[i])->base, states[i]);
    }
    tl_neg(r.g, states[MANY - 1]);
    FAILED(r.g, "'state 999'");
    rig_close(&r);
}
END_TEST

START_TEST(after_a_node_that_writes_nothing_is_an_error) {
    rig r = rig_open("ref");
    tl_tensor *y = tl_neg(r.g, rig_input(&r, "x", 2, 4));
    ck_assert_ptr_null(tl_after(r.g, y, 0));
    FAILED(r.g, "neg does not write its operand 0");
    rig_close(&r);
}
END_TEST

START_TEST(after_a_write_that_another_followed_is_an_error) {
    rig r = rig_open("ref");
    tl_tensor *state = rig_state(&r, "cache", 2, 4, 0), *x = rig_input(&r, "x", 2, 4);
    tl_tensor *one = tl_assign(r.g, state, x);
    tl_assign(r.g, one, x);
    ck_assert_ptr_null(tl_after(r.g, one, 0));
    FAILED(r.g, "written again");
    rig_close(&r);
}
END_TEST

START_TEST(only_bank_tensors_that_may_be_written_are_states) {
    static const float fixed[8] = {0};
    rig r = rig_open("ref");
    tl_tensor *x = rig_input(&r, "x", 2, 4), *weight;
    ck_assert_ptr_null(tl_assign(r.g, rig_input(&r, "input", 2, 4), x));
    FAILED(r.g, "'input'");
    rig_next_graph(&r);
    x = rig_input(&r, "x", 2, 4);
    ck_assert_ptr_null(tl_assign(r.g, tl_neg(r.g, x), x));
    FAILED(r.g, "cannot be written");
    rig_next_graph(&r);
    MUST(&r, tl_bank_wrap(r.bank, "fixed", TL_F32, 2, two_by_four, fixed, false, &weight, &r.err));
    ck_assert_ptr_null(tl_assign(r.g, weight, rig_input(&r, "x", 2, 4)));
    FAILED(r.g, "'fixed'");
    rig_close(&r);
}
END_TEST

/* ---- sizes ---- */

START_TEST(a_size_is_planned_at_its_maximum_and_passed_on) {
    rig r = rig_open("ref");
    int64_t n = tl_size(r.g, "n", 512), m = tl_size(r.g, "m", 8);
    tl_tensor *x = tl_input(r.g, "x", TL_F32, 2, (int64_t[]){n, 4}), *y = tl_neg(r.g, x);
    ck_assert_int_eq(x->shape[0], 512);
    ck_assert_int_eq(x->size, 1);
    ck_assert_int_eq(y->size, 1);
    ck_assert_int_eq(tl_input(r.g, "z", TL_F32, 1, &m)->size, 2);
    ck_assert_int_eq(tl_graph_sizes(r.g), 2);
    ck_assert_str_eq(tl_graph_size_name(r.g, 1), "n");
    ck_assert_int_eq(tl_graph_size_max(r.g, 2), 8);
    ck_assert_ptr_null(tl_graph_size_name(r.g, 0));
    ck_assert_ptr_null(tl_graph_size_name(r.g, 3));
    ck_assert_int_eq(tl_size(r.g, "n", 512), n);
    rig_close(&r);
}
END_TEST

START_TEST(a_size_stands_on_axis_0_only) {
    rig r = rig_open("ref");
    int64_t n = tl_size(r.g, "n", 8);
    ck_assert_ptr_null(tl_input(r.g, "x", TL_F32, 2, (int64_t[]){4, n}));
    FAILED(r.g, "'x'");
    rig_next_graph(&r);
    n = tl_size(r.g, "n", 8);
    ck_assert_ptr_null(tl_reshape(r.g, rig_input(&r, "y", 4, 8), 2, (int64_t[]){4, n}));
    FAILED(r.g, "reshape");
    rig_next_graph(&r);
    n = tl_size(r.g, "n", 8);
    ck_assert_ptr_null(tl_slice(r.g, rig_input(&r, "y", 8, 8), 0, 0, n, 1));
    FAILED(r.g, "slice");
    rig_close(&r);
}
END_TEST

START_TEST(a_size_that_this_graph_has_not_declared_is_refused) {
    rig r = rig_open("ref");
    tl_graph *other;
    MUST(&r, tl_graph_new(&other, &r.err));
    int64_t n = tl_size(other, "n", 8);
    tl_graph_free(other);
    ck_assert_ptr_null(tl_input(r.g, "x", TL_F32, 2, (int64_t[]){n, 4}));
    FAILED(r.g, "'x'");
    rig_close(&r);
}
END_TEST

static const struct {
    const char *name;
    int64_t max;
} bad_sizes[] = {
    {"n", 0}, {"n", -3}, {"n", (INT64_C(1) << 40) + 1}, {"", 4}, {NULL, 4}, {"n", INT64_MAX},
};

START_TEST(a_size_needs_a_name_and_a_maximum) {
    rig r = rig_open("ref");
    int64_t n = tl_size(r.g, bad_sizes[_i].name, bad_sizes[_i].max);
    FAILED(r.g, "tl_size");
    ck_assert_ptr_null(tl_input(r.g, "x", TL_F32, 1, &n));
    rig_close(&r);
}
END_TEST

START_TEST(a_size_has_one_maximum) {
    rig r = rig_open("ref");
    tl_size(r.g, "n", 8);
    tl_size(r.g, "n", 9);
    FAILED(r.g, "maximum 8, now 9");
    rig_close(&r);
}
END_TEST

START_TEST(different_sizes_do_not_broadcast) {
    rig r = rig_open("ref");
    tl_tensor *a = tl_input(r.g, "a", TL_F32, 2, (int64_t[]){tl_size(r.g, "n", 8), 4});
    tl_tensor *b = tl_input(r.g, "b", TL_F32, 2, (int64_t[]){tl_size(r.g, "m", 8), 4});
    ck_assert_ptr_null(tl_add(r.g, a, b));
    FAILED(r.g, "'a'");
    FAILED(r.g, "'b'");
    rig_close(&r);
}
END_TEST

START_TEST(a_view_keeps_a_varying_axis_whole) {
    rig r = rig_open("ref");
    int64_t n = tl_size(r.g, "n", 8);
    tl_tensor *x = tl_input(r.g, "x", TL_F32, 2, (int64_t[]){n, 6});
    tl_tensor *y = tl_reshape(r.g, x, 3, (int64_t[]){n, 2, 3});
    ck_assert_int_eq(y->size, 1);
    ck_assert_int_eq(tl_slice(r.g, x, 1, 1, 2, 2)->size, 1);
    ck_assert_ptr_null(tl_slice(r.g, x, 0, 1, 2, 1));
    FAILED(r.g, "slice");
    rig_next_graph(&r);
    x = tl_input(r.g, "x", TL_F32, 2, (int64_t[]){tl_size(r.g, "n", 8), 6});
    ck_assert_ptr_null(tl_permute(r.g, x, (int[]){1, 0}));
    FAILED(r.g, "permute");
    rig_close(&r);
}
END_TEST

/* ---- names and prints ---- */

START_TEST(names_are_formatted_copied_and_used_in_messages) {
    rig r = rig_open("ref");
    char name[] = "layer";
    tl_tensor *x = rig_input(&r, "x", 2, 4), *y = tl_neg(r.g, x);
    ck_assert_ptr_eq(tl_name(r.g, y, "%s.%d", name, 7), y);
    memset(name, '?', 5);
    ck_assert_str_eq(y->name, "layer.7");
    char text[64];
    ck_assert_str_eq(tl_describe(y, text, sizeof text), "'layer.7' f32 [2, 4]");
    ck_assert_ptr_null(tl_add(r.g, y, rig_input(&r, "z", 3, 4)));
    FAILED(r.g, "'layer.7' f32 [2, 4]");
    rig_close(&r);
}
END_TEST

START_TEST(a_description_is_cut_to_its_buffer) {
    rig r = rig_open("ref");
    tl_tensor *x = rig_input(&r, "a_long_name", 2, 4);
    char full[64], text[64];
    size_t n = strlen(tl_describe(x, full, sizeof full));
    for (size_t bytes = 1; bytes <= n; bytes++) {
        memset(text, '#', sizeof text);
        tl_describe(x, text, bytes);
        ck_assert_int_eq(text[bytes], '#');
        ck_assert_uint_eq(strlen(text), bytes - 1);
        ck_assert_int_eq(strncmp(text, full, bytes - 1), 0);
    }
    rig_close(&r);
}
END_TEST

static void build_for_print(rig *r) {
    int64_t n = tl_size(r->g, "n", 8);
    tl_tensor *x = tl_input(r->g, "x", TL_F32, 2, (int64_t[]){n, 4}), *w = rig_state(r, "weight", 3, 4, 1);
    tl_tensor *y = tl_name(r->g, tl_linear(r->g, x, w, NULL), "say \"y\"");
    tl_tensor *view = tl_reshape(r->g, y, 3, (int64_t[]){n, 3, 1});
    tl_output(r->g, tl_neg(r->g, view));
}

START_TEST(a_print_has_a_line_a_node_with_op_shape_sources_and_name) {
    rig r = rig_open("ref");
    static text_sink s;
    build_for_print(&r);
    s = (text_sink){.calls_left = -1};
    MUST(&r, tl_graph_print(r.g, collect_text, &s));
    int lines = 0;
    for (size_t i = 0; i < s.n; i++)
        lines += s.text[i] == '\n';
    ck_assert_int_eq(lines, tl_graph_count(r.g));
    static const char *const parts[] = {"#0    input", "f32 [n<=8, 4]", "linear       f32 [n<=8, 3] <- #0 weight",
                                        "'say \"y\"'", "reshape",       "output"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        ck_assert_msg(strstr(s.text, parts[i]) != NULL, "'%s' is missing in\n%s", parts[i], s.text);
    rig_close(&r);
}
END_TEST

START_TEST(a_dot_export_is_one_graph_with_escaped_names_and_every_edge) {
    rig r = rig_open("ref");
    static text_sink s;
    build_for_print(&r);
    s = (text_sink){.calls_left = -1};
    MUST(&r, tl_graph_dot(r.g, collect_text, &s));
    static const char *const parts[] = {"digraph tally {", "n0 -> n1;", "\"weight\" -> n1;", "say \\\"y\\\"", "n1 -> n2;", "n2 -> n3;"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        ck_assert_msg(strstr(s.text, parts[i]) != NULL, "'%s' is missing in\n%s", parts[i], s.text);
    ck_assert_str_eq(s.text + s.n - 2, "}\n");
    rig_close(&r);
}
END_TEST

START_TEST(a_failed_graph_prints_its_error) {
    rig r = rig_open("ref");
    static text_sink s;
    tl_reshape(r.g, rig_input(&r, "x", 2, 4), 1, (int64_t[]){9});
    s = (text_sink){.calls_left = -1};
    MUST(&r, tl_graph_print(r.g, collect_text, &s));
    ck_assert_ptr_nonnull(strstr(s.text, tl_graph_error(r.g)->message));
    rig_close(&r);
}
END_TEST

START_TEST(a_sink_that_says_stop_ends_a_print) {
    rig r = rig_open("ref");
    static text_sink s;
    build_for_print(&r);
    for (int calls = 0; calls < 8; calls++) {
        s = (text_sink){.calls_left = calls};
        ck_assert_int_eq(tl_graph_print(r.g, collect_text, &s), TL_CANCELLED);
        s = (text_sink){.calls_left = calls};
        ck_assert_int_eq(tl_graph_dot(r.g, collect_text, &s), TL_CANCELLED);
    }
    ck_assert_int_eq(tl_graph_print(r.g, NULL, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_graph_dot(NULL, collect_text, &s), TL_ERR_USAGE);
    rig_close(&r);
}
END_TEST

/* ---- memory ---- */

/* Enough nodes, sizes and writes that every array of a graph grows. */
static void build_large(rig *r, tl_tensor *state) {
    int64_t n = tl_size(r->g, "n", 8);
    tl_tensor *x = tl_input(r->g, "x", TL_F32, 2, (int64_t[]){n, 4});
    tl_tensor *y = rig_input(r, "y", 2, 4), *s = state;
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "size %d", i);
        tl_size(r->g, name, i + 1);
        x = tl_name(r->g, tl_scale(r->g, x, 2), "node %d", i);
        y = tl_contiguous(r->g, tl_permute(r->g, tl_slice(r->g, y, 1, 0, 4, 1), (int[]){0, 1}));
        s = tl_assign(r->g, s, tl_add(r->g, y, s));
    }
    tl_output(r->g, x);
    tl_latest(r->g, state);
}

START_TEST(any_allocation_may_fail_while_a_graph_is_built) {
    rig r = rig_open("ref");
    tl_tensor *state = rig_state(&r, "cache", 2, 4, 0);
    build_large(&r, state);
    ck_assert_msg(tl_graph_error(r.g) == NULL, "%s", tl_graph_error(r.g)->message);
    bool from_then_on = _i == 1;
    for (long fail = 0;; fail++) {
        tl_graph_free(r.g);
        tl_alloc_fail_at(fail, from_then_on);
        tl_status s = tl_graph_new(&r.g, &r.err);
        if (s == TL_OK)
            build_large(&r, state);
        long made = tl_alloc_count();
        tl_alloc_fail_at(-1, false);
        if (s != TL_OK) {
            ck_assert_int_eq(s, TL_ERR_MEMORY);
            ck_assert_ptr_null(r.g);
        } else if (made <= fail) {
            ck_assert_ptr_null(tl_graph_error(r.g)); /* nothing failed any more: done */
            ck_assert_int_gt(fail, 5);
            break;
        } else {
            ck_assert_ptr_nonnull(tl_graph_error(r.g));
            ck_assert_int_eq(tl_graph_error(r.g)->status, TL_ERR_MEMORY);
        }
    }
    rig_close(&r);
}
END_TEST

static Suite *graph_suite(void) {
    Suite *s = suite_create("graph");
    TCase *errors = tcase_create("errors"), *states = tcase_create("states"), *sizes = tcase_create("sizes"), *text = tcase_create("text");
    TCase *memory = tcase_create("memory");
    tcase_add_test(errors, the_first_error_stays_and_builders_give_null_after_it);
    tcase_add_test(errors, without_a_graph_builders_give_null);
    tcase_add_test(errors, a_missing_operand_is_named_by_its_number);
    tcase_add_test(errors, an_operand_of_another_graph_is_refused_by_name);
    tcase_add_test(errors, an_output_or_name_of_another_graph_is_refused);
    tcase_add_loop_test(errors, an_impossible_shape_or_type_is_refused, 0, (int)(sizeof bad_shapes / sizeof bad_shapes[0]));
    tcase_add_test(errors, a_view_that_leaves_its_parent_is_refused);
    tcase_add_test(states, reading_an_old_state_after_a_write_names_both_nodes);
    tcase_add_test(states, reading_an_old_view_of_a_state_after_a_write_is_refused);
    tcase_add_test(states, a_second_write_of_one_version_is_refused);
    tcase_add_test(states, a_chain_of_writes_and_earlier_readers_is_allowed);
    tcase_add_test(states, latest_and_after_give_the_newest_handle);
    tcase_add_test(states, latest_has_the_shape_of_the_state_after_a_write_through_a_view_of_all_of_it);
    tcase_add_test(states, many_states_have_versions_of_their_own);
    tcase_add_test(states, after_a_node_that_writes_nothing_is_an_error);
    tcase_add_test(states, after_a_write_that_another_followed_is_an_error);
    tcase_add_test(states, only_bank_tensors_that_may_be_written_are_states);
    tcase_add_test(sizes, a_size_is_planned_at_its_maximum_and_passed_on);
    tcase_add_test(sizes, a_size_stands_on_axis_0_only);
    tcase_add_test(sizes, a_size_that_this_graph_has_not_declared_is_refused);
    tcase_add_loop_test(sizes, a_size_needs_a_name_and_a_maximum, 0, (int)(sizeof bad_sizes / sizeof bad_sizes[0]));
    tcase_add_test(sizes, a_size_has_one_maximum);
    tcase_add_test(sizes, different_sizes_do_not_broadcast);
    tcase_add_test(sizes, a_view_keeps_a_varying_axis_whole);
    tcase_add_test(text, names_are_formatted_copied_and_used_in_messages);
    tcase_add_test(text, a_description_is_cut_to_its_buffer);
    tcase_add_test(text, a_print_has_a_line_a_node_with_op_shape_sources_and_name);
    tcase_add_test(text, a_dot_export_is_one_graph_with_escaped_names_and_every_edge);
    tcase_add_test(text, a_failed_graph_prints_its_error);
    tcase_add_test(text, a_sink_that_says_stop_ends_a_print);
    tcase_add_loop_test(memory, any_allocation_may_fail_while_a_graph_is_built, 0, 2);
    suite_add_tcase(s, errors);
    suite_add_tcase(s, states);
    suite_add_tcase(s, sizes);
    suite_add_tcase(s, text);
    suite_add_tcase(s, memory);
    return s;
}

int main(void) {
    return run_suite(graph_suite());
}
