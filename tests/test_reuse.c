/* test_reuse.c: memory reuse, running in place, fusion and threads never change a value: graphs that are hard on the planner, each compared
 * with ref without any of that, through the frame of cases.h (garbage in outputs and past the current rows, every size, every run twice,
 * node by node with a probe). Random graphs are in check_graphs.c. */
#include "tests/crew.h"

enum { ROWS = 6, WIDTH = 64 };

static tl_tensor *fixed_input(case_env *e, const char *name) {
    return case_input(e, name, TL_F32, 2, (int64_t[]){ROWS, WIDTH}, FILL_NORMAL);
}

/* ---- adversaries: a value is needed longer than it looks ---- */

static void read_twice_by_one_node(case_env *e) {
    tl_tensor *y = tl_neg(e->g, fixed_input(e, "x"));
    case_output(e, tl_mul(e->g, y, y));
}

static void both_operands_die(case_env *e) {
    tl_tensor *x = fixed_input(e, "x"), *a = tl_neg(e->g, x), *b = tl_abs(e->g, x);
    case_output(e, tl_sub(e->g, a, b));
}

static void second_operand_dies(case_env *e) {
    tl_tensor *x = fixed_input(e, "x"), *a = tl_neg(e->g, x), *b = tl_sqr(e->g, x), *y = tl_sub(e->g, a, b);
    case_output(e, tl_add(e->g, y, a));
}

static void a_view_outlives_its_root(case_env *e) {
    tl_tensor *y = tl_neg(e->g, fixed_input(e, "x")), *row = tl_slice(e->g, y, 0, 2, 1, 1);
    tl_tensor *z = tl_scale(e->g, y, 3); /* y itself is read for the last time */
    case_output(e, tl_add(e->g, z, row));
}

static void a_node_reads_root_and_view(case_env *e) {
    tl_tensor *y = tl_neg(e->g, fixed_input(e, "x")), *row = tl_slice(e->g, y, 0, ROWS - 1, 1, 1);
    case_output(e, tl_add(e->g, y, row)); /* in place, row 0 would be fine and the last row not */
}

static void a_node_reads_two_views(case_env *e) {
    tl_tensor *y = tl_neg(e->g, fixed_input(e, "x"));
    tl_tensor *upper = tl_slice(e->g, y, 0, 0, ROWS / 2, 1), *lower = tl_slice(e->g, y, 0, ROWS / 2, ROWS / 2, 1);
    tl_tensor *z = tl_sub(e->g, upper, lower);
    case_output(e, tl_mul(e->g, z, tl_slice(e->g, y, 0, 1, ROWS / 2, 2)));
}

static void a_node_reads_root_and_transpose(case_env *e) {
    tl_tensor *y = tl_neg(e->g, case_input(e, "x", TL_F32, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL));
    case_output(e, tl_add(e->g, y, tl_permute(e->g, y, (int[]){1, 0})));
}

static void in_place_through_a_reshape(case_env *e) {
    tl_tensor *y = tl_neg(e->g, fixed_input(e, "x")), *flat = tl_reshape(e->g, y, 1, (int64_t[]){ROWS * WIDTH});
    tl_tensor *z = tl_scale(e->g, flat, 2), *back = tl_reshape(e->g, z, 2, (int64_t[]){ROWS, WIDTH});
    case_output(e, tl_add(e->g, back, y));
}

static void in_place_under_a_broadcast(case_env *e) {
    tl_tensor *x = fixed_input(e, "x"), *row = tl_neg(e->g, tl_slice(e->g, x, 0, 0, 1, 1)), *column = tl_sum(e->g, x);
    tl_tensor *square = tl_mul(e->g, row, column); /* [1, WIDTH] by [ROWS, 1] */
    case_output(e, tl_add(e->g, tl_add(e->g, square, row), column));
}

static void equal_bytes_but_another_shape(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 2, (int64_t[]){8, 8}, FILL_NORMAL);
    tl_tensor *a = tl_neg(e->g, tl_reshape(e->g, x, 3, (int64_t[]){8, 1, 8})),
              *b = tl_abs(e->g, tl_reshape(e->g, x, 3, (int64_t[]){1, 8, 8}));
    case_output(e, tl_sub(e->g, a, b)); /* [8, 8, 8] */
    tl_tensor *c = tl_reshape(e->g, tl_sqr(e->g, x), 3, (int64_t[]){8, 1, 8}), *d = tl_scale(e->g, c, 2);
    case_output(e, tl_sub(e->g, tl_permute(e->g, d, (int[]){1, 0, 2}), tl_reshape(e->g, x, 3, (int64_t[]){1, 8, 8})));
}

static void an_output_is_read_for_the_last_time(case_env *e) {
    tl_tensor *y = tl_neg(e->g, fixed_input(e, "x"));
    case_output(e, y);
    tl_tensor *z = tl_scale(e->g, y, 2);
    case_output(e, tl_slice(e->g, z, 1, 3, 8, 2));
    case_output(e, tl_sqr(e->g, z));
}

static void a_long_chain_with_side_exits(case_env *e) {
    tl_tensor *at = fixed_input(e, "x"), *kept = NULL;
    for (int i = 0; i < 24; i++) {
        at = i % 3 ? tl_tanh(e->g, at) : tl_scale(e->g, at, 1.5f);
        if (i % 7 == 3)
            kept = kept ? tl_add(e->g, kept, at) : at;
    }
    case_output(e, tl_sub(e->g, at, kept));
}

static void a_state_is_read_before_its_write(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, (int64_t[]){ROWS, WIDTH}, FILL_NORMAL), *x = fixed_input(e, "x");
    tl_tensor *old = tl_scale(e->g, s, 1), *view = tl_slice(e->g, s, 0, 0, 2, 1), *early = tl_neg(e->g, view);
    tl_tensor *now = tl_assign(e->g, s, tl_add(e->g, s, x));
    case_output(e, tl_sub(e->g, now, old));
    case_output(e, tl_add(e->g, early, tl_slice(e->g, now, 0, 0, 2, 1)));
}

static void a_state_is_written_part_by_part(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, (int64_t[]){ROWS, WIDTH}, FILL_NORMAL), *x = fixed_input(e, "x");
    for (int i = 0; i < 3; i++) {
        tl_tensor *now = tl_latest(e->g, s), *half = tl_slice(e->g, now, 0, i, 3, 1);
        tl_tensor *y = tl_mul(e->g, tl_slice(e->g, x, 0, i, 3, 1), tl_slice(e->g, now, 0, 3 - i, 3, 1));
        tl_assign(e->g, half, y);
    }
    case_output(e, tl_neg(e->g, tl_latest(e->g, s)));
}

static void a_state_takes_its_own_rows(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, (int64_t[]){ROWS, WIDTH}, FILL_NORMAL);
    int64_t n = case_size(e, "n", 4);
    static const int32_t sources[] = {3, 0, 4, 1}, targets[] = {0, 5, 3, 2};
    tl_tensor *from = case_values(e, "from", 1, &n, sources), *to = case_values(e, "to", 1, &n, targets);
    tl_tensor *rows = tl_gather(e->g, s, from), *now = tl_set_rows(e->g, s, to, rows);
    now = tl_set_rows(e->g, now, from, tl_add(e->g, rows, tl_gather(e->g, now, to)));
    case_output(e, tl_gather(e->g, now, to));
}

static void shared_prepared_rows(case_env *e) {
    int64_t n = case_size(e, "n", 5);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, (int64_t[]){n, WIDTH}, FILL_NORMAL), *h = tl_rms_norm(e->g, x, NULL, 1e-5f);
    tl_tensor *a = case_weight(e, "a", TL_Q4_0, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *b = case_weight(e, "b", TL_Q8_0, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *c = case_weight(e, "c", TL_Q4_1, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *d = case_weight(e, "d", TL_F16, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *y = tl_linear(e->g, h, a, NULL), *filler = tl_tanh(e->g, tl_abs(e->g, tl_neg(e->g, y)));
    tl_tensor *z = tl_linear(e->g, h, b, NULL); /* the prepared rows of h must have lasted */
    y = tl_swiglu(e->g, tl_linear(e->g, filler, c, NULL), tl_linear(e->g, h, d, NULL));
    case_output(e, tl_add(e->g, tl_add(e->g, tl_linear(e->g, h, a, NULL), z), y));
}

static void one_residual_for_two_sums(case_env *e) {
    int64_t n = case_size(e, "n", 5);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, (int64_t[]){n, WIDTH}, FILL_NORMAL);
    tl_tensor *w = case_weight(e, "w", TL_Q4_1, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *y = tl_linear(e->g, x, w, NULL), *sum = tl_add(e->g, x, y), *other = tl_add(e->g, y, y);
    case_output(e, tl_mul(e->g, sum, other));
    tl_tensor *z = tl_linear(e->g, sum, w, NULL);
    case_output(e, z);
    case_output(e, tl_add(e->g, z, sum));
    case_output(e, tl_add(e->g, tl_linear(e->g, other, w, NULL), tl_slice(e->g, other, 1, 0, WIDTH, 1)));
}

static void a_residual_is_also_the_input(case_env *e) {
    int64_t n = case_size(e, "n", 5);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, (int64_t[]){n, WIDTH}, FILL_NORMAL);
    tl_tensor *w = case_weight(e, "w", TL_F32, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *y = tl_tanh(e->g, x), *z = tl_tanh(e->g, tl_add(e->g, y, tl_linear(e->g, y, w, NULL)));
    tl_tensor *half = tl_reshape(e->g, z, 3, (int64_t[]){n, 1, WIDTH});
    case_output(e, tl_add(e->g, tl_linear(e->g, half, w, NULL), tl_reshape(e->g, z, 3, (int64_t[]){n, 1, WIDTH})));
}

static void a_residual_is_also_the_bias(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 2, (int64_t[]){1, WIDTH}, FILL_NORMAL), *r = tl_tanh(e->g, x);
    tl_tensor *w = case_weight(e, "w", TL_Q8_0, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *reversed = tl_permute(e->g, tl_reshape(e->g, r, 2, (int64_t[]){2, WIDTH / 2}), (int[]){1, 0});
    tl_tensor *y = tl_linear(e->g, x, w, tl_reshape(e->g, reversed, 1, (int64_t[]){WIDTH}));
    case_output(e, tl_add(e->g, tl_linear(e->g, y, w, tl_reshape(e->g, r, 1, (int64_t[]){WIDTH})), r));
}

/* Fusion would move the product, or the norm, past the write of what it reads. */
static void a_product_of_a_state_is_added_after_its_write(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, (int64_t[]){ROWS, WIDTH}, FILL_NORMAL), *x = fixed_input(e, "x");
    tl_tensor *w = case_weight(e, "w", TL_F32, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *y = tl_linear(e->g, s, w, NULL), *now = tl_assign(e->g, s, x);
    case_output(e, tl_add(e->g, y, now));
    tl_tensor *v = case_state(e, "weight", TL_F32, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL), *z = tl_linear(e->g, x, v, NULL);
    tl_assign(e->g, v, tl_scale(e->g, v, 2));
    case_output(e, tl_add(e->g, z, x));
}

static void a_norm_of_a_state_is_multiplied_after_its_write(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, (int64_t[]){ROWS, WIDTH}, FILL_NORMAL), *x = fixed_input(e, "x");
    tl_tensor *w = case_weight(e, "w", TL_Q8_0, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *norm = tl_rms_norm(e->g, s, NULL, 1e-5f), *gate = tl_swiglu(e->g, x, s);
    tl_assign(e->g, s, x);
    case_output(e, tl_linear(e->g, norm, w, NULL));
    case_output(e, tl_linear(e->g, gate, w, NULL));
}

static const struct adversary {
    const char *name;
    void (*build)(case_env *e);
} adversaries[] = {
#define ADVERSARY(f) \
    { #f, f }
    ADVERSARY(read_twice_by_one_node),
    ADVERSARY(both_operands_die),
    ADVERSARY(second_operand_dies),
    ADVERSARY(a_view_outlives_its_root),
    ADVERSARY(a_node_reads_root_and_view),
    ADVERSARY(a_node_reads_two_views),
    ADVERSARY(a_node_reads_root_and_transpose),
    ADVERSARY(in_place_through_a_reshape),
    ADVERSARY(in_place_under_a_broadcast),
    ADVERSARY(equal_bytes_but_another_shape),
    ADVERSARY(an_output_is_read_for_the_last_time),
    ADVERSARY(a_long_chain_with_side_exits),
    ADVERSARY(a_state_is_read_before_its_write),
    ADVERSARY(a_state_is_written_part_by_part),
    ADVERSARY(a_state_takes_its_own_rows),
    ADVERSARY(shared_prepared_rows),
    ADVERSARY(one_residual_for_two_sums),
    ADVERSARY(a_residual_is_also_the_input),
    ADVERSARY(a_residual_is_also_the_bias),
    ADVERSARY(a_product_of_a_state_is_added_after_its_write),
    ADVERSARY(a_norm_of_a_state_is_multiplied_after_its_write),
#undef ADVERSARY
};
enum { N_ADVERSARIES = sizeof adversaries / sizeof adversaries[0] };

/* ---- everywhere the same ---- */

static const char *const specs[] = {"ref:threads=1", "ref:threads=3,tile=1", "cpu:threads=1", "cpu:threads=3,tile=1"};
enum { N_SPECS = sizeof specs / sizeof specs[0] };

START_TEST(an_adversary_gives_the_same_everywhere) {
    crew c = crew_open(specs, N_SPECS);
    char why[CASE_WHY] = "", name[64];
    snprintf(name, sizeof name, "%s", adversaries[_i].name);
    case_item item = {.name = name, .build = adversaries[_i].build};
    bool ok = crew_agrees(&c, &item, why);
    crew_close(&c);
    ck_assert_msg(ok, "%s", why);
}
END_TEST

static Suite *reuse_suite(void) {
    Suite *s = suite_create("reuse");
    TCase *c = tcase_create("reuse");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, an_adversary_gives_the_same_everywhere, 0, N_ADVERSARIES);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(reuse_suite());
}
