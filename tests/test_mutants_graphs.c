/* test_mutants_graphs.c: the comparison that check_graphs makes notices what may not be: with one kernel of a backend damaged, one of the first
 * random graphs (draw.h) gives other bits than ref. */
#include <math.h>
#include <string.h>

#include "backends/backend.h"
#include "backends/cpu/cpu.h"
#include "ops/ops.h"
#include "tensor/math.h"
#include "tests/draw.h"
#include "tests/mutants.h"

enum { GRAPHS = 150 }; /* of those that check_graphs runs without arguments, as many as come to one backend of three */

/* Whether graph `seed` gives the bits of ref on `be`. */
static bool gives_the_same(uint64_t seed, tl_backend *ref, tl_backend *be) {
    const tl_plan_options options = {.no_reuse = false};
    char name[DRAW_NAME], why[CASE_WHY] = "";
    case_item item = draw_item(&seed, name);
    case_expected x;
    case_live c;
    bool ok = case_expect(&x, &item, ref, why);
    ck_assert_msg(ok, "%s", why);
    ok = case_open(&c, &item, be, true);
    ck_assert_msg(ok, "%s", c.why);
    ok = case_compare(&c, &x, &options, false, why);
    case_close(&c);
    case_expected_drop(&x);
    return ok;
}

static void some_graph_must_notice(const char *spec, void (*damage)(tl_kernels *k)) {
    tl_backend *ref, *be;
    tl_error err = {0};
    uint64_t seed = 0;
    ck_assert_msg(tl_backend_open(&ref, "ref:threads=1", &err) == TL_OK, "%s", err.message);
    ck_assert_msg(tl_backend_open(&be, spec, &err) == TL_OK, "%s", err.message);
    damage(&((tl_cpu *)be->impl)->kernels);
    while (seed < GRAPHS && gives_the_same(seed, ref, be))
        seed++;
    tl_backend_free(be);
    tl_backend_free(ref);
    ck_assert_msg(seed < GRAPHS, "none of %d graphs notices", (int)GRAPHS);
}

#define GRAPH_MUTANT(test, damage)                                         \
    START_TEST(test) {                                                     \
        some_graph_must_notice("cpu:isa=scalar,threads=2,tile=1", damage); \
    }                                                                      \
    END_TEST

/* ---- the last lane of one element of a tail ---- */

static void silu_short(float *y, const float *x, int64_t n) {
    scalar_table().silu[0](y, x, n % 16 == 1 ? n - 1 : n);
}

static void without_last_of_silu(tl_kernels *k) {
    k->silu[0] = silu_short;
}
GRAPH_MUTANT(the_last_element_of_a_tail, without_last_of_silu)

/* ---- an ulp ---- */

static void rms_norm_regrouped(float *y, const float *x, const float *w, float eps, int64_t n) {
    float r = 1.0f / sqrtf(tl_dot_lanes(x, x, n) / (float)n + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = w ? x[i] * (r * w[i]) : x[i] * r;
}

static void with_regrouped_norm(tl_kernels *k) {
    k->rms_norm[0] = rms_norm_regrouped;
}
GRAPH_MUTANT(a_norm_with_scale_and_weight_first, with_regrouped_norm)

/* ---- a lane of a panel ---- */

static void panel_swapped(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) {
    scalar_table().panel[TL_Q4_1](y, y_stride, panel, x, x_stride, n_cols, k);
    for (int j = 0; j < n_cols; j++)
        y[j * y_stride + TL_PANEL - 1] = y[j * y_stride + TL_PANEL - 2];
}

static void with_a_lane_of_another(tl_kernels *k) {
    k->panel[TL_Q4_1] = panel_swapped;
}
GRAPH_MUTANT(the_last_lane_of_a_panel, with_a_lane_of_another)

/* ---- special values alone ---- */

static void relu_signed(float *y, const float *x, int64_t n) { /* NaN stays */
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] <= 0 ? 0 : x[i];
}

static void with_nan_in_relu(tl_kernels *k) {
    k->relu[0] = relu_signed;
}
GRAPH_MUTANT(relu_of_nan, with_nan_in_relu)

static void not_rounded(float *y, const float *x, int64_t n) {
    memmove(y, x, (size_t)n * sizeof *y);
}

static void without_x13(tl_kernels *k) {
    k->round_x13[0] = not_rounded;
}
GRAPH_MUTANT(activations_of_more_than_13_bits, without_x13)

static Suite *mutants_suite(void) {
    Suite *s = suite_create("mutants of graphs");
    TCase *t = tcase_create("graphs");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_last_element_of_a_tail);
    tcase_add_test(t, a_norm_with_scale_and_weight_first);
    tcase_add_test(t, the_last_lane_of_a_panel);
    tcase_add_test(t, relu_of_nan);
    tcase_add_test(t, activations_of_more_than_13_bits);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(mutants_suite());
}
