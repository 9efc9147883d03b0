/* test_user_op.c: an op of the user's own, through the same struct as a built-in one: parameters, scratch, rows cut over threads, a check
 * of values before the run, costs, states of its own; it runs on every backend with the same result. */
#include <math.h>

#include "tests/rig.h"

static const char *const specs[] = {"ref", "ref:threads=3,tile=1", "cpu:threads=1", "cpu:threads=3,tile=1"};
enum { N_SPECS = sizeof specs / sizeof specs[0] };

/* ---- moving_sum: y[.., i] = factor * (x[.., i] + x[.., i - 1] + .. of the last `window`), through a copy of the row in scratch ---- */

typedef struct moving_params {
    float factor;
    int window;
} moving_params;

static tl_status moving_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0];
    const moving_params *p = out->params;
    if (x->dtype != TL_F32)
        return tl_graph_fail(g, TL_ERR_USAGE, "moving_sum: wants f32");
    if (p->window < 1)
        return tl_graph_fail(g, TL_ERR_USAGE, "moving_sum: window %d is not positive", p->window);
    out->dtype = TL_F32;
    out->rank = x->rank;
    out->size = x->size;
    memcpy(out->shape, x->shape, sizeof out->shape);
    return TL_OK;
}

static size_t moving_scratch(const tl_tensor *out) {
    return (size_t)tl_dim(out, -1) * sizeof(float);
}

static void moving_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    const moving_params *p = out->params;
    int64_t n = tl_dim(out, -1);
    float *copy = scratch;
    for (int64_t r = row0; r < row1; r++) {
        float *y = tl_row(out, r);
        memcpy(copy, tl_row(out->src[0], r), (size_t)n * sizeof *copy);
        for (int64_t i = 0; i < n; i++) {
            float sum = 0;
            for (int64_t j = i < p->window ? 0 : i - p->window + 1; j <= i; j++)
                sum += copy[j];
            y[i] = sum * p->factor;
        }
    }
}

static void moving_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    double elements = (double)rows * (double)tl_dim(out, -1);
    c->ops = elements * (double)((const moving_params *)out->params)->window;
    c->read = c->written = elements * 4;
}

static const tl_op moving_op = {.name = "moving_sum",
                                .formula = "y[i] = factor (x[i] + .. + x[i - window + 1])",
                                .id = -1,
                                .min_src = 1,
                                .max_src = 1,
                                .infer = moving_infer,
                                .scratch = moving_scratch,
                                .ref = moving_ref,
                                .cost = moving_cost};

static tl_tensor *moving_sum(tl_graph *g, tl_tensor *x, float factor, int window) {
    return tl_node(g, &moving_op, 1, &x, &(moving_params){factor, window}, sizeof(moving_params));
}

static float moving_want(int64_t row, int64_t i, int window) { /* x[row][i] = row * 100 + i + 1 */
    float sum = 0;
    for (int64_t j = i < window ? 0 : i - window + 1; j <= i; j++)
        sum += (float)(row * 100 + j + 1);
    return sum * 0.5f;
}

static void fill_rows(rig *r, tl_tensor *x) {
    int64_t n = tl_dim(x, -1);
    float *data = tl_data(x);
    for (int64_t i = 0; i < tl_count(x); i++)
        data[i] = (float)(i / n * 100 + i % n + 1);
    (void)r;
}

START_TEST(a_users_op_runs_with_parameters_scratch_and_sizes) {
    rig r = rig_open(specs[_i]);
    tl_tensor *x = tl_input(r.g, "x", TL_F32, 2, (int64_t[]){tl_size(r.g, "n", 40), 24});
    tl_tensor *y = tl_output(r.g, tl_name(r.g, moving_sum(r.g, x, 0.5f, 5), "smooth"));
    rig_plan(&r, NULL);
    fill_rows(&r, x);
    static const int64_t sizes[] = {40, 1, 7, 0, 40};
    for (int k = 0; k < 5; k++) {
        memset(tl_data(y), 0xFF, tl_bytes(y));
        MUST(&r, tl_plan_set(r.plan, "n", sizes[k], &r.err));
        rig_run(&r);
        for (int64_t i = 0; i < sizes[k] * 24; i++)
            ck_assert_float_eq(((const float *)tl_data(y))[i], moving_want(i / 24, i % 24, 5));
    }
    rig_close(&r);
}
END_TEST

START_TEST(a_users_op_gets_dense_rows_of_a_strided_operand) {
    rig r = rig_open(specs[_i]);
    tl_tensor *x = rig_input(&r, "x", 6, 24), *every_second = tl_slice(r.g, x, 1, 0, 12, 2);
    tl_tensor *y = tl_output(r.g, moving_sum(r.g, every_second, 1, 1)), *z = tl_output(r.g, moving_sum(r.g, tl_neg(r.g, y), 2, 1));
    rig_plan(&r, NULL);
    fill_rows(&r, x);
    rig_run(&r);
    for (int i = 0; i < 72; i++) {
        float want = (float)(i / 12 * 100 + i % 12 * 2 + 1);
        ck_assert_float_eq(rig_value(&r, y, i), want);
        ck_assert_float_eq(rig_value(&r, z, i), -2 * want);
    }
    rig_close(&r);
}
END_TEST

START_TEST(a_users_op_refuses_shapes_in_its_own_words) {
    rig r = rig_open("ref");
    ck_assert_ptr_null(moving_sum(r.g, rig_input(&r, "x", 2, 4), 1, 0));
    FAILED(r.g, "window 0 is not positive");
    rig_next_graph(&r);
    ck_assert_ptr_null(moving_sum(r.g, NULL, 1, 1));
    FAILED(r.g, "moving_sum");
    rig_close(&r);
}
END_TEST

START_TEST(a_users_op_shows_in_print_and_profile_with_its_cost) {
    rig r = rig_open(specs[_i]);
    static text_sink s;
    const tl_plan_profile_row *rows;
    tl_output(r.g, tl_name(r.g, moving_sum(r.g, rig_input(&r, "x", 10, 24), 1, 5), "smooth"));
    rig_plan(&r, &(tl_plan_options){.profile = true});
    rig_run(&r);
    rig_run(&r);
    s = (text_sink){.calls_left = -1};
    MUST(&r, tl_plan_print(r.plan, collect_text, &s));
    ck_assert_ptr_nonnull(strstr(s.text, "moving_sum"));
    ck_assert_int_eq(tl_plan_profile(r.plan, &rows), 1);
    ck_assert_str_eq(rows[0].op, "moving_sum");
    ck_assert_str_eq(rows[0].node, "smooth");
    ck_assert_double_eq(rows[0].cost.ops, 2 * 10 * 24 * 5);
    ck_assert_double_eq(rows[0].cost.read, 2 * 10 * 24 * 4);
    rig_close(&r);
}
END_TEST

/* ---- running_mean: result x - mean so far, and the new state, one node with two results ---- */

static tl_status running_infer(tl_graph *g, tl_tensor *out) {
    (void)g;
    const tl_tensor *x = out->src[0];
    out->dtype = TL_F32;
    out->rank = x->rank;
    memcpy(out->shape, x->shape, sizeof out->shape);
    return TL_OK;
}

static void running_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    for (int64_t r = row0; r < row1; r++) {
        const float *x = tl_row(out->src[0], r);
        float *y = tl_row(out, r), *state = tl_row(out->src[1], r);
        for (int64_t i = 0; i < tl_dim(out, -1); i++) {
            y[i] = x[i] - state[i];
            state[i] = (state[i] + x[i]) * 0.5f;
        }
    }
}

static const tl_op running_op = {.name = "running_mean",
                                 .formula = "y = x - s; s = (s + x) / 2",
                                 .id = -1,
                                 .min_src = 2,
                                 .max_src = 2,
                                 .writes = 2,
                                 .infer = running_infer,
                                 .ref = running_ref};

START_TEST(a_users_op_may_give_a_result_and_a_new_state) {
    rig r = rig_open(specs[_i]);
    tl_tensor *state = rig_state(&r, "mean", 8, 4, 0), *x = rig_input(&r, "x", 8, 4);
    tl_tensor *before = tl_output(r.g, tl_scale(r.g, state, 1));
    tl_tensor *y = tl_output(r.g, tl_node(r.g, &running_op, 2, (tl_tensor *[]){x, state}, NULL, 0));
    tl_tensor *now = tl_after(r.g, y, 1);
    ck_assert_ptr_nonnull(now);
    ck_assert_int_eq(now->version, 1);
    tl_tensor *after = tl_output(r.g, tl_scale(r.g, now, 10));
    rig_plan(&r, NULL);
    rig_fill(&r, x, 1);
    float s[32];
    for (int i = 0; i < 32; i++)
        s[i] = (float)i;
    for (int run = 0; run < 3; run++) {
        rig_run(&r);
        for (int i = 0; i < 32; i++) {
            float value = 1 + (float)i;
            ck_assert_float_eq(rig_value(&r, before, i), s[i]);
            ck_assert_float_eq(rig_value(&r, y, i), value - s[i]);
            s[i] = (s[i] + value) * 0.5f;
            ck_assert_float_eq(rig_value(&r, state, i), s[i]);
            ck_assert_float_eq(rig_value(&r, after, i), 10 * s[i]);
        }
    }
    rig_close(&r);
}
END_TEST

START_TEST(a_state_that_a_users_op_wrote_is_stale_for_later_readers) {
    rig r = rig_open("ref");
    tl_tensor *state = rig_state(&r, "mean", 8, 4, 0), *x = rig_input(&r, "x", 8, 4);
    ck_assert_ptr_nonnull(tl_node(r.g, &running_op, 2, (tl_tensor *[]){x, state}, NULL, 0));
    ck_assert_ptr_null(tl_neg(r.g, state));
    FAILED(r.g, "running_mean");
    rig_close(&r);
}
END_TEST

/* ---- pick: a check of values before anything runs ---- */

static tl_status pick_check(const tl_tensor *out, const tl_plan *p, tl_error *err) {
    const int32_t *which = tl_data(out->src[1]);
    for (int64_t i = 0; i < tl_plan_dim0(p, out->src[1]); i++)
        if (which[i] < 0 || which[i] >= tl_dim(out->src[0], -1))
            return tl_fail(err, TL_ERR_RANGE, "pick: column %d of %d", which[i], (int)tl_dim(out->src[0], -1));
    return TL_OK;
}

static tl_status pick_infer(tl_graph *g, tl_tensor *out) {
    (void)g;
    out->dtype = TL_F32;
    out->rank = 2;
    out->size = out->src[0]->size;
    out->shape[0] = out->src[0]->shape[0];
    out->shape[1] = 1;
    return TL_OK;
}

static void pick_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    for (int64_t r = row0; r < row1; r++)
        *(float *)tl_row(out, r) = ((const float *)tl_row(out->src[0], r))[((const int32_t *)tl_data(out->src[1]))[r]];
}

static const tl_op pick_op = {.name = "pick",
                              .formula = "y[r] = x[r][which[r]]",
                              .id = -1,
                              .min_src = 2,
                              .max_src = 2,
                              .infer = pick_infer,
                              .check = pick_check,
                              .ref = pick_ref};

START_TEST(a_users_check_refuses_a_run_with_its_message) {
    rig r = rig_open(specs[_i]);
    tl_tensor *x = rig_input(&r, "x", 3, 4), *which = tl_input(r.g, "which", TL_I32, 1, (int64_t[]){3});
    tl_tensor *y = tl_output(r.g, tl_node(r.g, &pick_op, 2, (tl_tensor *[]){x, which}, NULL, 0));
    rig_plan(&r, NULL);
    rig_fill(&r, x, 0);
    rig_write_ints(&r, which, (int32_t[]){1, 4, 0});
    REFUSED(&r, tl_plan_run(r.plan, &r.err), TL_ERR_RANGE, "pick: column 4 of 4");
    rig_write_ints(&r, which, (int32_t[]){1, 3, 0});
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, y, 0), 1);
    ck_assert_float_eq(rig_value(&r, y, 1), 7);
    ck_assert_float_eq(rig_value(&r, y, 2), 8);
    rig_close(&r);
}
END_TEST

/* ---- pick_small: the same by i8 that the plan computes, so that there is nothing to check before the run ---- */

static tl_status pick_small_check(const tl_tensor *out, const tl_plan *p, tl_error *err) {
    const int8_t *which = tl_data(out->src[1]);
    for (int64_t i = 0; i < tl_plan_dim0(p, out->src[1]); i++)
        if (which[i] < 0 || which[i] >= tl_dim(out->src[0], -1))
            return tl_fail(err, TL_ERR_RANGE, "pick: column %d of %d", which[i], (int)tl_dim(out->src[0], -1));
    return TL_OK;
}

static void pick_small_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    for (int64_t r = row0; r < row1; r++)
        *(float *)tl_row(out, r) = ((const float *)tl_row(out->src[0], r))[((const int8_t *)tl_data(out->src[1]))[r]];
}

START_TEST(a_users_check_of_small_integers_waits_for_them) {
    tl_op op = pick_op;
    op.check = pick_small_check;
    op.ref = pick_small_ref;
    rig r = rig_open(specs[_i]);
    tl_tensor *x = rig_input(&r, "x", 3, 4), *wanted = tl_input(r.g, "wanted", TL_F32, 1, (int64_t[]){3});
    tl_tensor *y = tl_output(r.g, tl_node(r.g, &op, 2, (tl_tensor *[]){x, tl_cast(r.g, wanted, TL_I8)}, NULL, 0));
    rig_plan(&r, NULL);
    rig_fill(&r, x, 0);
    rig_fill(&r, wanted, 2); /* 2, 3, 4 */
    REFUSED(&r, tl_plan_run(r.plan, &r.err), TL_ERR_RANGE, "pick: column 4 of 4");
    rig_fill(&r, wanted, 1);
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, y, 2), 11);
    rig_close(&r);
}
END_TEST

/* ---- scale_in_place: an elementwise op may take its operand's memory ---- */

static tl_status double_infer(tl_graph *g, tl_tensor *out) {
    (void)g;
    const tl_tensor *x = out->src[0];
    out->dtype = x->dtype;
    out->rank = x->rank;
    out->size = x->size;
    memcpy(out->shape, x->shape, sizeof out->shape);
    return TL_OK;
}

static void double_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    for (int64_t r = row0; r < row1; r++)
        for (int64_t i = 0; i < tl_dim(out, -1); i++)
            ((float *)tl_row(out, r))[i] = 2 * ((const float *)tl_row(out->src[0], r))[i];
}

static const tl_op double_op = {.name = "double",
                                .formula = "y = 2 x",
                                .id = -1,
                                .min_src = 1,
                                .max_src = 1,
                                .flags = TL_OP_ELEMENTWISE,
                                .infer = double_infer,
                                .ref = double_ref};

START_TEST(an_elementwise_op_of_the_user_runs_in_place) {
    rig r = rig_open(specs[_i]);
    tl_tensor *x = rig_input(&r, "x", 16, 16), *at = x;
    for (int i = 0; i < 10; i++)
        at = tl_node(r.g, &double_op, 1, &at, NULL, 0);
    tl_output(r.g, at);
    rig_plan(&r, NULL);
    ck_assert_uint_le(tl_plan_memory_of(r.plan).activations, 2u * 16 * 16 * 4);
    rig_fill(&r, x, 1);
    rig_run(&r);
    for (int i = 0; i < 256; i++) {
        ck_assert_float_eq(rig_value(&r, at, i), 1024 * (1 + (float)i));
        ck_assert_float_eq(rig_value(&r, x, i), 1 + (float)i);
    }
    rig_close(&r);
}
END_TEST

/* y = x + w backwards, x [n, n], w [1, n n]: a source of another shape, though of as many bytes. */
static void mixed_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const float *w = tl_data(out->src[1]);
    int64_t n = tl_dim(out, -1);
    for (int64_t r = row0; r < row1; r++)
        for (int64_t i = 0; i < n; i++)
            ((float *)tl_row(out, r))[i] = ((const float *)tl_row(out->src[0], r))[i] + w[tl_count(out) - 1 - r * n - i];
}

START_TEST(an_elementwise_op_leaves_a_source_of_another_shape_alone) {
    tl_op op = double_op;
    op.min_src = op.max_src = 2;
    op.ref = mixed_ref;
    rig r = rig_open(specs[_i]);
    tl_tensor *x = rig_input(&r, "x", 8, 8), *w = tl_scale(r.g, rig_input(&r, "w", 1, 64), 2);
    tl_tensor *y = tl_output(r.g, tl_node(r.g, &op, 2, (tl_tensor *[]){x, w}, NULL, 0));
    rig_plan(&r, NULL);
    rig_fill(&r, x, 0);
    rig_fill(&r, tl_graph_node(r.g, 1), 0);
    rig_run(&r);
    for (int i = 0; i < 64; i++)
        ck_assert_float_eq(rig_value(&r, y, i), (float)(i + 2 * (63 - i)));
    rig_close(&r);
}
END_TEST

/* ---- ops that are described wrongly ---- */

static tl_status lone_infer(tl_graph *g, tl_tensor *out) {
    (void)g;
    out->dtype = TL_F32;
    out->rank = 2;
    out->shape[0] = out->shape[1] = 4;
    out->stride[0] = 16;
    out->stride[1] = 4;
    return TL_OK;
}

static tl_status sized_infer(tl_graph *g, tl_tensor *out) {
    out->size = 2; /* there is one */
    return lone_infer(g, out);
}

static void lone_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)out, (void)row0, (void)row1, (void)scratch;
}

START_TEST(an_op_that_contradicts_itself_is_refused) {
    static const struct {
        tl_op op;
        int n_src;
        const char *words;
    } bad[] = {
        {{.name = "a", .id = -1, .max_src = 1, .flags = TL_OP_VIEW, .infer = lone_infer}, 0, "needs an operand 0"},
        {{.name = "b", .id = -1, .max_src = 1, .flags = TL_OP_STATE, .infer = lone_infer, .ref = lone_ref}, 0, "needs an operand 0"},
        {{.name = "c", .id = -1, .max_src = 1, .rows_of = 1, .infer = lone_infer, .ref = lone_ref}, 0, "rows of operand 0"},
        {{.name = "d", .id = -1, .max_src = 1, .rows_of = 9, .infer = lone_infer, .ref = lone_ref}, 1, "rows of operand 8"},
        {{.name = "e", .id = -1, .max_src = 1, .infer = sized_infer, .ref = lone_ref}, 1, "named size"},
        {{.name = "f", .id = -1, .max_src = 1, .flags = TL_OP_VIEW, .infer = lone_infer}, 1, "malformed"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rig r = rig_open("ref");
        tl_size(r.g, "n", 4);
        tl_tensor *x = rig_input(&r, "x", 4, 4);
        ck_assert_ptr_null(tl_node(r.g, &bad[i].op, bad[i].n_src, &x, NULL, 0));
        FAILED(r.g, bad[i].words);
        rig_close(&r);
    }
}
END_TEST

/* ---- window: a view of x's memory with any lengths and strides ---- */

typedef struct window_params {
    int64_t shape[2], stride[2];
} window_params;

static tl_status window_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0];
    const window_params *p = out->params;
    (void)g;
    out->dtype = x->dtype;
    out->rank = 2;
    out->base = x->base;
    memcpy(out->shape, p->shape, sizeof p->shape);
    memcpy(out->stride, p->stride, sizeof p->stride);
    return TL_OK;
}

static const tl_op window_op = {.name = "window",
                                .formula = "y[i, j] = the element of x at i stride[0] + j stride[1]",
                                .id = -1,
                                .min_src = 1,
                                .max_src = 1,
                                .flags = TL_OP_VIEW | TL_OP_STRIDED,
                                .infer = window_infer};

START_TEST(a_users_view_stays_inside_its_base_and_can_be_counted) {
    static const struct {
        window_params p;
        bool fits;
    } views[] = {
        {{{3, 2}, {4, 4}}, true},
        {{{3, 3}, {4, 4}}, false},
        {{{1 << 30, 4}, {0, 4}}, true}, /* 16 GiB, of 16 bytes */
        {{{INT64_C(1) << 40, INT64_C(1) << 19}, {0, 0}}, false},
        {{{INT64_C(1) << 40, INT64_C(1) << 40}, {0, 0}}, false},
        {{{(INT64_C(1) << 32) + 1, 1}, {4, 4}}, false}, /* 32 bits would see the first row only */
        {{{1, 2}, {4, INT64_C(1) << 32}}, false},
    };
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        rig r = rig_open("ref");
        tl_tensor *x = rig_input(&r, "x", 1, 4), *y = tl_node(r.g, &window_op, 1, &x, &views[i].p, sizeof views[i].p);
        ck_assert_int_eq(y != NULL, views[i].fits);
        if (!views[i].fits)
            FAILED(r.g, "window");
        rig_close(&r);
    }
}
END_TEST

/* ---- costly: says that it costs what its parameter says ---- */

static tl_status costly_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0];
    (void)g;
    out->dtype = x->dtype;
    out->rank = x->rank;
    memcpy(out->shape, x->shape, sizeof out->shape);
    return TL_OK;
}

static void costly_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    for (int64_t r = row0; r < row1; r++)
        memcpy(tl_row(out, r), tl_row(out->src[0], r), (size_t)tl_dim(out, -1) * sizeof(float));
}

static void costly_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    (void)rows;
    c->ops = c->read = *(const double *)out->params;
}

static const tl_op costly_op = {.name = "costly",
                                .formula = "y = x",
                                .id = -1,
                                .min_src = 1,
                                .max_src = 1,
                                .infer = costly_infer,
                                .ref = costly_ref,
                                .cost = costly_cost};

START_TEST(a_users_cost_may_be_any_number) {
    static const struct {
        double cost;
        const char *kib, *kop;
    } costs[] = {{0, " 0 KiB", " 0 kop"},
                 {2048000, " 2000 KiB", " 2048 kop"},
                 {1e30, " 9223372036854775807 KiB", " 9223372036854775807 kop"},
                 {INFINITY, " 9223372036854775807 KiB", " 9223372036854775807 kop"},
                 {-1e30, " -9223372036854775808 KiB", " -9223372036854775808 kop"},
                 {NAN, " 0 KiB", " 0 kop"}};
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
        rig r = rig_open(specs[_i]);
        static text_sink s;
        tl_tensor *x = rig_input(&r, "x", 10, 3);
        tl_tensor *y = tl_output(r.g, tl_node(r.g, &costly_op, 1, &x, &costs[i].cost, sizeof costs[i].cost));
        rig_plan(&r, NULL);
        rig_fill(&r, x, 1);
        rig_run(&r);
        for (int k = 0; k < 30; k++)
            ck_assert_float_eq(rig_value(&r, y, k), (float)(k + 1));
        s = (text_sink){.calls_left = -1};
        MUST(&r, tl_plan_print(r.plan, collect_text, &s));
        ck_assert_msg(strstr(s.text, costs[i].kib) && strstr(s.text, costs[i].kop), "%s", s.text);
        rig_close(&r);
    }
}
END_TEST

static Suite *user_op_suite(void) {
    Suite *s = suite_create("user op");
    TCase *c = tcase_create("user op");
    tcase_add_loop_test(c, a_users_op_runs_with_parameters_scratch_and_sizes, 0, N_SPECS);
    tcase_add_loop_test(c, a_users_op_gets_dense_rows_of_a_strided_operand, 0, N_SPECS);
    tcase_add_test(c, a_users_op_refuses_shapes_in_its_own_words);
    tcase_add_loop_test(c, a_users_op_shows_in_print_and_profile_with_its_cost, 0, N_SPECS);
    tcase_add_loop_test(c, a_users_op_may_give_a_result_and_a_new_state, 0, N_SPECS);
    tcase_add_test(c, a_state_that_a_users_op_wrote_is_stale_for_later_readers);
    tcase_add_loop_test(c, a_users_check_refuses_a_run_with_its_message, 0, N_SPECS);
    tcase_add_loop_test(c, a_users_check_of_small_integers_waits_for_them, 0, N_SPECS);
    tcase_add_loop_test(c, an_elementwise_op_leaves_a_source_of_another_shape_alone, 0, N_SPECS);
    tcase_add_test(c, an_op_that_contradicts_itself_is_refused);
    tcase_add_test(c, a_users_view_stays_inside_its_base_and_can_be_counted);
    tcase_add_loop_test(c, a_users_cost_may_be_any_number, 0, N_SPECS);
    tcase_add_loop_test(c, an_elementwise_op_of_the_user_runs_in_place, 0, N_SPECS);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(user_op_suite());
}
