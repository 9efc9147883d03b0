/* test_mutants.c: the checks of row and attention kernels, and the comparison with ref, notice what may not be: each test damages one
 * kernel the way a hurried optimiser would, and the checker must say so. Products are in test_mutants_linear.c. */
#include <math.h>
#include <signal.h>

#include "backends/backend.h"
#include "backends/cpu/cpu.h"
#include "ops/ops.h"
#include "tensor/math.h"
#include "tensor/platform.h"
#include "tests/mutants.h"

/* ---- norms, softmax, rope ---- */

static void rms_norm_fused(float *y, const float *x, const float *w, float eps, int64_t n) {
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i % 16] = fmaf(x[i], x[i], lane[i % 16]);
    float r = 1.0f / sqrtf(tl_fold16(lane) / (float)n + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = w ? (x[i] * r) * w[i] : x[i] * r;
}
MUTANT(rms_norm_with_a_fused_sum, rms_norm, 0, rms_norm_fused, "rms_norm")

static void rms_norm_regrouped(float *y, const float *x, const float *w, float eps, int64_t n) {
    float r = 1.0f / sqrtf(tl_dot_lanes(x, x, n) / (float)n + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = w ? x[i] * (r * w[i]) : x[i] * r;
}
MUTANT(rms_norm_with_scale_and_weight_first, rms_norm, 0, rms_norm_regrouped, "rms_norm")

static void rms_norm_by_reciprocal_length(float *y, const float *x, const float *w, float eps, int64_t n) {
    float r = 1.0f / sqrtf(tl_dot_lanes(x, x, n) * (1.0f / (float)n) + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = w ? (x[i] * r) * w[i] : x[i] * r;
}
MUTANT(rms_norm_with_a_product_for_the_quotient, rms_norm, 0, rms_norm_by_reciprocal_length, "rms_norm")

static void layer_norm_fused(float *y, const float *x, const float *w, const float *b, float eps, int64_t n) {
    float mean = tl_sum_lanes(x, n) / (float)n, lane[16] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i % 16] += (x[i] - mean) * (x[i] - mean);
    float r = 1.0f / sqrtf(tl_fold16(lane) / (float)n + eps);
    for (int64_t i = 0; i < n; i++) {
        float v = (x[i] - mean) * r;
        y[i] = w && b ? fmaf(v, w[i], b[i]) : w ? v * w[i] : b ? v + b[i] : v;
    }
}
MUTANT(layer_norm_with_weight_and_bias_fused, layer_norm, 0, layer_norm_fused, "layer_norm")

static void layer_norm_in_one_pass(float *y, const float *x, const float *w, const float *b, float eps, int64_t n) {
    float mean = tl_sum_lanes(x, n) / (float)n, r = 1.0f / sqrtf(tl_dot_lanes(x, x, n) / (float)n - mean * mean + eps);
    for (int64_t i = 0; i < n; i++) {
        float v = (x[i] - mean) * r;
        v = w ? v * w[i] : v;
        y[i] = b ? v + b[i] : v;
    }
}
MUTANT(layer_norm_in_a_single_pass, layer_norm, 0, layer_norm_in_one_pass, "layer_norm")

static void softmax_by_reciprocal(float *y, const float *x, const float *mask, float scale, int64_t n) {
    float most = -tl_real(TL_INF_BITS);
    for (int64_t i = 0; i < n; i++) {
        y[i] = mask ? x[i] * scale + mask[i] : x[i] * scale;
        most = tl_maxf(y[i], most);
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = tl_expf(y[i] - most);
    float inverse = 1.0f / tl_sum_lanes(y, n);
    for (int64_t i = 0; i < n; i++)
        y[i] = y[i] * inverse;
}
MUTANT(softmax_with_a_product_for_the_quotient, softmax, 0, softmax_by_reciprocal, "softmax")

static void rope_fused(float *y, const float *x, const float *angles, int64_t pairs, int64_t d, tl_rope_mode mode) {
    int64_t step = mode == TL_ROPE_HALVES ? 1 : 2, apart = mode == TL_ROPE_HALVES ? pairs : 1;
    for (int64_t p = 0; p < pairs; p++) {
        float c = angles[2 * p], s = angles[2 * p + 1], a = x[p * step], b = x[p * step + apart];
        y[p * step] = fmaf(a, c, -(b * s));
        y[p * step + apart] = fmaf(a, s, b * c);
    }
    for (int64_t i = 2 * pairs; i < d; i++)
        y[i] = x[i];
}
MUTANT(rope_with_fused_products, rope, 0, rope_fused, "rope")

static void rope_without_rest(float *y, const float *x, const float *angles, int64_t pairs, int64_t d, tl_rope_mode mode) {
    scalar_table().rope[0](y, x, angles, pairs, 2 * pairs, mode);
    (void)d;
}
MUTANT(rope_that_leaves_the_other_elements, rope, 0, rope_without_rest, "rope")

/* ---- tails and neighbours ---- */

static void relu_short(float *y, const float *x, int64_t n) { /* the last element of an odd tail is forgotten */
    scalar_table().relu[0](y, x, n % 16 == 5 ? n - 1 : n);
}
MUTANT(one_element_of_a_tail_is_left, relu, 0, relu_short, "relu")

static void abs_long(float *y, const float *x, int64_t n) { /* writes whole vectors */
    scalar_table().abs[0](y, x, n);
    for (int64_t i = n; i % 4; i++)
        y[i] = 0;
}
MUTANT(a_tail_is_written_too_far, abs, 0, abs_long, "abs")

static void sqr_early(float *y, const float *x, int64_t n) {
    scalar_table().sqr[0](y, x, n);
    if (n == 33)
        y[-1] = 0;
}
MUTANT(the_element_before_is_written, sqr, 0, sqr_early, "sqr")

static void rms_norm_reads_on(float *y, const float *x, const float *w, float eps, int64_t n) { /* padding taken for zeros */
    float lane[16] = {0};
    for (int64_t i = 0; i < (n + 3) / 4 * 4; i++)
        lane[i % 16] += x[i] * x[i];
    float r = 1.0f / sqrtf(tl_fold16(lane) / (float)n + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = w ? (x[i] * r) * w[i] : x[i] * r;
}
MUTANT(a_sum_reads_beyond_its_row, rms_norm, 0, rms_norm_reads_on, "rms_norm")

/* Only a page without access notices a value that is read and not used. */
static void neg_peeks(float *y, const float *x, int64_t n) {
    const volatile float *beyond = x;
    float unused = beyond[n];
    (void)unused;
    scalar_table().neg[0](y, x, n);
}

START_TEST(a_value_beyond_the_row_is_read_in_vain) {
    tl_kernels k = scalar_table();
    char why[KERNEL_WHY];
    k.neg[0] = neg_peeks;
    kernel_check(&k, kernel_find("neg"), why);
}
END_TEST

static void add_writes_early(float *y, const float *a, const float *b, int64_t n) { /* in place of b, half of b is gone */
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i];
    for (int64_t i = 0; i < n; i++)
        y[i] += b[i];
}
MUTANT(a_sum_cannot_run_in_place, add, 0, add_writes_early, "add")

static void scale_changes_its_operand(float *y, const float *x, float factor, int64_t n) {
    scalar_table().scale[0](y, x, factor, n);
    union {
        const float *from;
        float *to;
    } p = {.from = x}; /* a cast that warnings let pass */
    p.to[0] = y[0];
}
MUTANT(an_input_is_written, scale, 0, scale_changes_its_operand, "scale")

static void relu_signed(float *y, const float *x, int64_t n) { /* max(x, 0) leaves -0 or NaN */
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] < 0 ? 0 : x[i];
}
MUTANT(relu_keeps_minus_zero_and_nan, relu, 0, relu_signed, "relu")

static void exp_of_libm(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        y[i] = expf(x[i]);
}
MUTANT(exp_of_another_library, exp, 0, exp_of_libm, "exp")

/* ---- attention ---- */

/* (Counting lanes from the chunk's first key would not show: the fold gives the same for lanes turned round.) */
static void weights_summed_in_order(float *s, int64_t t0, int64_t n, bool half, float *max, float *sum) {
    scalar_table().attention_weights[0](s, t0, n, half, max, sum);
    *sum = 0;
    for (int64_t t = 0; t < n; t++)
        *sum += s[t];
}
MUTANT(probabilities_summed_in_order, attention_weights, 0, weights_summed_in_order, "attention_weights")

static void weights_unrounded(float *s, int64_t t0, int64_t n, bool half, float *max, float *sum) {
    (void)half;
    scalar_table().attention_weights[0](s, t0, n, false, max, sum);
}
MUTANT(probabilities_not_rounded_to_13_bits, attention_weights, 0, weights_unrounded, "attention_weights")

static void weights_uncut(float *s, int64_t t0, int64_t n, bool half, float *max, float *sum) {
    float lane[16] = {0};
    *max = -tl_real(TL_INF_BITS);
    for (int64_t t = 0; t < n; t++)
        *max = tl_maxf(*max, s[t]);
    for (int64_t t = 0; t < n; t++) {
        s[t] = half ? tl_x13(tl_expf(s[t] - *max)) : tl_expf(s[t] - *max);
        lane[(t0 + t) % 16] += s[t];
    }
    *sum = tl_fold16(lane);
}
MUTANT(probabilities_below_the_cut_kept, attention_weights, 0, weights_uncut, "attention_weights")

static void values_fused(float *a, int64_t a_stride, const float *p, int64_t p_stride, int n_q, const float *values, int64_t n, int64_t dv,
                         bool half) {
    (void)half; /* where the products are exact this is right: the checker must try others */
    for (int h = 0; h < n_q; h++)
        for (int64_t j = 0; j < dv; j++) {
            float sum = 0;
            for (int64_t t = 0; t < n; t++)
                sum = fmaf(p[h * p_stride + t], values[t * dv + j], sum);
            a[h * a_stride + j] = sum;
        }
}
MUTANT(values_fused_into_their_sum, attention_values, 0, values_fused, "attention_values")

static void values_without_zero(float *a, int64_t a_stride, const float *p, int64_t p_stride, int n_q, const float *values, int64_t n,
                                int64_t dv, bool half) {
    (void)half;
    for (int h = 0; h < n_q; h++)
        for (int64_t j = 0; j < dv; j++) {
            float sum = p[h * p_stride] * values[j];
            for (int64_t t = 1; t < n; t++)
                sum += p[h * p_stride + t] * values[t * dv + j];
            a[h * a_stride + j] = sum;
        }
}
MUTANT(a_sum_of_values_without_zero, attention_values, 0, values_without_zero, "attention_values")

static void from_f16_flushed(float *y, const void *x, size_t stride, int64_t n, int64_t d) { /* denormals are lost */
    scalar_table().from_f16[0](y, x, stride, n, d);
    for (int64_t i = 0; i < n * d; i++)
        y[i] = tl_absf(y[i]) < 0x1p-14f ? tl_signf(0, y[i]) : y[i];
}
MUTANT(halves_without_denormals, from_f16, 0, from_f16_flushed, "from_f16")

/* ---- tables ---- */

START_TEST(a_missing_kernel_is_noticed) {
    tl_kernels k = scalar_table();
    k.gelu[0] = NULL;
    must_notice(&k, "gelu");
    k = scalar_table();
    k.panel[TL_Q5_K] = NULL;
    must_notice(&k, "panel/q5_k");
}
END_TEST

START_TEST(a_kernel_without_definition_is_noticed) {
    tl_kernels k = scalar_table();
    k.dot[TL_I32] = k.dot[TL_F32];
    must_notice(&k, "dot/i32");
}
END_TEST

START_TEST(the_definitions_pass) {
    char why[KERNEL_WHY];
    for (int i = 0; i < kernel_count(); i += sparing(5, 25))
        ck_assert_msg(kernel_check(&kernel_definitions, i, why), "%s", why);
}
END_TEST

/* ---- whole ops: what a backend with the wrong kernels or chunks gives differs from ref ---- */

enum { KEYS = 700, HEAD = 64 };

typedef struct attention_data {
    float q[HEAD], y[HEAD];
    uint16_t k[KEYS * HEAD], v[KEYS * HEAD];
} attention_data;

/* One query over all keys, f16, on `be`. */
static void attend(tl_backend *be, attention_data *a) {
    static const int32_t all[] = {0, 0, KEYS};
    tl_error err = {0};
    tl_graph *g;
    tl_plan *p;
    ck_assert_int_eq(tl_graph_new(&g, &err), TL_OK);
    tl_tensor *q = tl_input(g, "q", TL_F32, 3, (int64_t[]){1, 1, HEAD}), *k = tl_input(g, "k", TL_F16, 3, (int64_t[]){KEYS, 1, HEAD});
    tl_tensor *v = tl_input(g, "v", TL_F16, 3, (int64_t[]){KEYS, 1, HEAD}), *span = tl_input(g, "span", TL_I32, 2, (int64_t[]){1, 3});
    tl_tensor *y = tl_output(g, tl_attention(g, q, k, v, span, NULL, NULL, NULL, 0.125f, 0));
    ck_assert_msg(tl_plan_new(&p, g, be, NULL, &err) == TL_OK, "%s", err.message);
    tl_write(q, a->q, sizeof a->q, NULL);
    tl_write(k, a->k, sizeof a->k, NULL);
    tl_write(v, a->v, sizeof a->v, NULL);
    tl_write(span, all, sizeof all, NULL);
    ck_assert_msg(tl_plan_run(p, &err) == TL_OK, "%s", err.message);
    tl_read(y, a->y, sizeof a->y, NULL);
    tl_plan_free(p);
    tl_graph_free(g);
}

static void make_attention(attention_data *a) {
    static float values[KEYS * HEAD];
    kernel_floats(a->q, HEAD, 0, 1);
    kernel_floats(values, KEYS * HEAD, 0, 2);
    tl_encode(TL_F16, values, a->k, KEYS * HEAD, NULL);
    kernel_floats(values, KEYS * HEAD, 0, 3);
    tl_encode(TL_F16, values, a->v, KEYS * HEAD, NULL);
}

/* Attention by the rule with chunks of any length, from the kernels of a table. */
static void attend_in_chunks(const tl_kernels *f, attention_data *a, int chunk) {
    static float keys[KEYS * HEAD], values[KEYS * HEAD];
    float q[HEAD], s[KEYS], part[HEAD], m = -tl_real(TL_INF_BITS), l = 0;
    f->round_x13[0](q, a->q, HEAD);
    f->from_f16[0](keys, a->k, 2 * HEAD, KEYS, HEAD);
    f->from_f16[0](values, a->v, 2 * HEAD, KEYS, HEAD);
    memset(a->y, 0, sizeof a->y);
    for (int t = 0; t < KEYS; t += chunk) {
        int n = KEYS - t < chunk ? KEYS - t : chunk;
        float most, sum;
        f->attention_scores[0](s, KEYS, q, HEAD, 1, keys + t * HEAD, n, HEAD, 0.125f, true);
        f->attention_weights[0](s, t, n, true, &most, &sum);
        memset(part, 0, sizeof part);
        f->attention_values[0](part, HEAD, s, KEYS, 1, values + t * HEAD, n, HEAD, true);
        float both = tl_maxf(m, most), old = tl_expf(m - both), now = tl_expf(most - both);
        l = l * old + sum * now;
        for (int i = 0; i < HEAD; i++)
            a->y[i] = a->y[i] * old + part[i] * now;
        m = both;
    }
    for (int i = 0; i < HEAD; i++)
        a->y[i] = a->y[i] / l;
}

START_TEST(chunks_of_another_length_give_other_bits) {
    static const int wrong[] = {255, 257, 128, 64, 512, KEYS};
    static attention_data want, got;
    tl_backend *ref;
    tl_kernels k = scalar_table();
    make_attention(&want);
    got = want;
    ck_assert_int_eq(tl_backend_open(&ref, "ref", NULL), TL_OK);
    attend(ref, &want);
    tl_backend_free(ref);
    uint64_t environment = tl_float_enter();
    attend_in_chunks(&k, &got, 256);
    ck_assert_mem_eq(got.y, want.y, sizeof want.y);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        attend_in_chunks(&k, &got, wrong[i]);
        ck_assert_msg(memcmp(got.y, want.y, sizeof want.y) != 0, "chunks of %d", wrong[i]);
    }
    tl_float_leave(environment);
}
END_TEST

/* What a backend computes hangs on its table: with one kernel damaged, attention is not what ref gives. */
static void must_change_attention(void (*damage)(tl_kernels *k)) {
    static attention_data want, got;
    tl_backend *be;
    make_attention(&want);
    got = want;
    ck_assert_int_eq(tl_backend_open(&be, "cpu:isa=scalar,threads=1", NULL), TL_OK);
    attend(be, &want);
    damage(&((tl_cpu *)be->impl)->kernels);
    attend(be, &got);
    tl_backend_free(be);
    ck_assert_int_ne(memcmp(got.y, want.y, sizeof want.y), 0);
}

static void not_rounded(float *y, const float *x, int64_t n) {
    memmove(y, x, (size_t)n * sizeof *y);
}

static void without_x13(tl_kernels *k) {
    k->round_x13[0] = not_rounded;
}

static void without_rounded_weights(tl_kernels *k) {
    k->attention_weights[0] = weights_unrounded;
}

START_TEST(attention_without_13_bits_gives_other_bits) {
    must_change_attention(without_x13);
    must_change_attention(without_rounded_weights);
}
END_TEST

static Suite *mutants_suite(void) {
    Suite *s = suite_create("mutants");
    TCase *t = tcase_create("mutants");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, rms_norm_with_a_fused_sum);
    tcase_add_test(t, rms_norm_with_scale_and_weight_first);
    tcase_add_test(t, rms_norm_with_a_product_for_the_quotient);
    tcase_add_test(t, layer_norm_with_weight_and_bias_fused);
    tcase_add_test(t, layer_norm_in_a_single_pass);
    tcase_add_test(t, softmax_with_a_product_for_the_quotient);
    tcase_add_test(t, rope_with_fused_products);
    tcase_add_test(t, rope_that_leaves_the_other_elements);
    tcase_add_test(t, one_element_of_a_tail_is_left);
    tcase_add_test(t, a_tail_is_written_too_far);
    tcase_add_test(t, the_element_before_is_written);
    tcase_add_test(t, a_sum_reads_beyond_its_row);
    tcase_add_test_raise_signal(t, a_value_beyond_the_row_is_read_in_vain, SIGSEGV);
    tcase_add_test(t, a_sum_cannot_run_in_place);
    tcase_add_test(t, an_input_is_written);
    tcase_add_test(t, relu_keeps_minus_zero_and_nan);
    tcase_add_test(t, exp_of_another_library);
    tcase_add_test(t, probabilities_summed_in_order);
    tcase_add_test(t, probabilities_not_rounded_to_13_bits);
    tcase_add_test(t, probabilities_below_the_cut_kept);
    tcase_add_test(t, values_fused_into_their_sum);
    tcase_add_test(t, a_sum_of_values_without_zero);
    tcase_add_test(t, halves_without_denormals);
    tcase_add_test(t, a_missing_kernel_is_noticed);
    tcase_add_test(t, a_kernel_without_definition_is_noticed);
    tcase_add_test(t, the_definitions_pass);
    tcase_add_test(t, chunks_of_another_length_give_other_bits);
    tcase_add_test(t, attention_without_13_bits_gives_other_bits);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(mutants_suite());
}
