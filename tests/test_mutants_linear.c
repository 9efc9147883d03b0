/* test_mutants_linear.c: the checks of products and prepared rows notice what may not be: each test damages one kernel the way a hurried
 * optimiser would, and the checker must say so. */
#include <math.h>

#include "tensor/math.h"
#include "tests/mutants.h"

/* ---- sums in 16 lanes ---- */

typedef struct lanes {
    float l[16];
} lanes;

/* Adds x[i] * y[i] to lanes; fused: rounded once. */
static lanes products(const float *x, const float *y, int64_t n, bool fused) {
    lanes s = {{0}};
    for (int64_t i = 0; i < n; i++)
        s.l[i % 16] = fused ? fmaf(x[i], y[i], s.l[i % 16]) : s.l[i % 16] + x[i] * y[i];
    return s;
}

static float fold_in_pairs(lanes s) { /* neighbours first */
    for (int apart = 1; apart < 16; apart *= 2)
        for (int i = 0; i < 16; i += 2 * apart)
            s.l[i] += s.l[i + apart];
    return s.l[0];
}

static float fold_in_order(lanes s) {
    float sum = 0;
    for (int i = 0; i < 16; i++)
        sum += s.l[i];
    return sum;
}

static float fold_eight_lanes(const float *x, const float *y, int64_t n) {
    float l[8] = {0};
    for (int64_t i = 0; i < n; i++)
        l[i % 8] += x[i] * y[i];
    return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
}

/* The first product of a lane is its sum: what is -0 stays -0. */
static float without_zero(const float *x, const float *y, int64_t n) {
    float l[16];
    for (int i = 0; i < 16; i++)
        l[i] = -0.0f;
    for (int64_t i = 0; i < n; i++)
        l[i % 16] = i < 16 ? x[i] * y[i] : l[i % 16] + x[i] * y[i];
    return tl_fold16(l);
}

static float dot_fused(const float *x, const float *y, int64_t n) {
    return tl_fold16(products(x, y, n, true).l);
}

static float dot_in_pairs(const float *x, const float *y, int64_t n) {
    return fold_in_pairs(products(x, y, n, false));
}

static float dot_in_order(const float *x, const float *y, int64_t n) {
    return fold_in_order(products(x, y, n, false));
}

static float dot_at_once(const float *x, const float *y, int64_t n) { /* one sum */
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

/* Products of f32 rows and attention scores by another dot. */
#define DOT_MUTANT(how)                                                                                                              \
    static void f32_by_##how(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride, \
                             int n_cols, int64_t k) {                                                                                \
        for (int r = 0; r < n_rows; r++)                                                                                             \
            for (int c = 0; c < n_cols; c++)                                                                                         \
                y[c * y_stride + r] = how((const void *)((const char *)w + (size_t)r * w_stride),                                    \
                                          (const void *)((const char *)x + (size_t)c * x_stride), k);                                \
    }                                                                                                                                \
    static void scores_by_##how(float *s, int64_t s_stride, const float *q, int64_t q_stride, int n_q, const float *keys, int64_t n, \
                                int64_t d, float scale, bool half) {                                                                 \
        (void)half;                                                                                                                  \
        for (int h = 0; h < n_q; h++)                                                                                                \
            for (int64_t t = 0; t < n; t++)                                                                                          \
                s[h * s_stride + t] = how(q + h * q_stride, keys + t * d, d) * scale;                                                \
    }                                                                                                                                \
    MUTANT(dot_f32_by_##how, dot, TL_F32, f32_by_##how, "dot/f32")                                                                   \
    MUTANT(attention_scores_by_##how, attention_scores, 0, scores_by_##how, "attention_scores")

DOT_MUTANT(dot_fused)
DOT_MUTANT(dot_in_pairs)
DOT_MUTANT(dot_in_order)
DOT_MUTANT(dot_at_once)
DOT_MUTANT(fold_eight_lanes)
DOT_MUTANT(without_zero)

/* ---- prepared rows ---- */

typedef int8_t (*rounding)(float x, float d, float inverse);

static int8_t by_quotient(float x, float d, float inverse) {
    (void)inverse;
    return (int8_t)rintf(x / d);
}

static int8_t half_away(float x, float d, float inverse) {
    (void)d;
    return (int8_t)roundf(x * inverse);
}

static int8_t downwards(float x, float d, float inverse) {
    (void)d;
    return (int8_t)floorf(x * inverse + 0.5f);
}

static void quantize_x32_by(rounding f, const float *x, int64_t k, tl_x32 *out) {
    tl_quantize_x32(x, k, out);
    for (int64_t b = 0; b < k / 32; b++) {
        float most = 0;
        for (int i = 0; i < 32; i++)
            most = fabsf(x[32 * b + i]) > most ? fabsf(x[32 * b + i]) : most;
        if (!(out[b].d > 0))
            continue;
        out[b].bsum = 0;
        for (int i = 0; i < 32; i++) {
            out[b].q[i] = f(x[32 * b + i], out[b].d, 127.0f / most);
            out[b].bsum += out[b].q[i];
        }
    }
}

#define QUANTIZE_MUTANT(test, f)                                           \
    static void quantize_x32_##f(const float *x, int64_t k, tl_x32 *out) { \
        quantize_x32_by(f, x, k, out);                                     \
    }                                                                      \
    MUTANT(test, quantize_x32, 0, quantize_x32_##f, "quantize_x32")

QUANTIZE_MUTANT(quantising_by_quotient, by_quotient)
QUANTIZE_MUTANT(quantising_half_away_from_zero, half_away)
QUANTIZE_MUTANT(quantising_half_upwards, downwards)

static void quantize_x32_scale_off(const float *x, int64_t k, tl_x32 *out) {
    tl_quantize_x32(x, k, out);
    out[k / 32 - 1].d = tl_real(tl_bits(out[k / 32 - 1].d) ^ 1u);
}
MUTANT(one_scale_of_a_row_off_by_an_ulp, quantize_x32, 0, quantize_x32_scale_off, "quantize_x32")

static void quantize_x32_nan_lost(const float *x, int64_t k, tl_x32 *out) { /* a max that passes over NaN */
    tl_quantize_x32(x, k, out);
    for (int64_t b = 0; b < k / 32; b++)
        if (out[b].d != out[b].d)
            out[b].d = 1;
}
MUTANT(quantising_that_loses_nan, quantize_x32, 0, quantize_x32_nan_lost, "quantize_x32")

static void quantize_x256_sums_of_32(const float *x, int64_t k, tl_x256 *out) {
    tl_quantize_x256(x, k, out);
    for (int64_t b = 0; b < k / 256; b++)
        out[b].bsum[15] = (int16_t)(out[b].bsum[15] + out[b].bsum[14]);
}
MUTANT(one_sum_of_a_block_is_wrong, quantize_x256, 0, quantize_x256_sums_of_32, "quantize_x256")

static void no_x13(float *y, const float *x, int64_t n) {
    memmove(y, x, (size_t)n * sizeof *y);
}
MUTANT(no_rounding_to_13_bits, round_x13, 0, no_x13, "round_x13")

static void x13_half_away(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = tl_bits(x[i]), a = u & ~TL_SIGN_BIT;
        y[i] = a >= 0x0D800000u && a < 0x71000000u ? tl_real((u + 0x400u) & ~0x7FFu) : tl_x13(x[i]);
    }
}
MUTANT(rounding_to_13_bits_half_away, round_x13, 0, x13_half_away, "round_x13")

/* ---- products of quantised rows ---- */

typedef float (*block_sum)(const tl_ints *w, const tl_x32 *x, int32_t isum, float acc, bool first, bool last);

static float scales_apart(const tl_ints *w, const tl_x32 *x, int32_t isum, float acc, bool first, bool last) {
    (void)first, (void)last;
    return acc + ((float)isum * w->d) * x->d;
}

static float scale_fused(const tl_ints *w, const tl_x32 *x, int32_t isum, float acc, bool first, bool last) {
    (void)first, (void)last;
    return fmaf((float)isum, w->d * x->d, acc);
}

static float starts_without_zero(const tl_ints *w, const tl_x32 *x, int32_t isum, float acc, bool first, bool last) {
    (void)last;
    float term = (float)isum * (w->d * x->d);
    return first ? term : acc + term;
}

static float last_scale_off(const tl_ints *w, const tl_x32 *x, int32_t isum, float acc, bool first, bool last) {
    (void)first;
    float d = last ? tl_real(tl_bits(w->d) + 1) : w->d;
    return acc + (float)isum * (d * x->d);
}

static float weight_never_minus_128(const tl_ints *w, const tl_x32 *x, int32_t isum, float acc, bool first, bool last) {
    (void)first, (void)last;
    for (int i = 0; i < 32; i++)
        isum += w->q[i] == -128 ? -256 * x->q[i] : 0; /* a negation in 8 bits */
    return acc + (float)isum * (w->d * x->d);
}

/* Products of 5 bits by 8, sixteen to a sum of 16 bits, where eight fit. */
static float sums_too_narrow(const tl_ints *w, const tl_x32 *x, int32_t isum, float acc, bool first, bool last) {
    (void)first, (void)last;
    isum = 0;
    for (int half = 0; half < 2; half++) {
        uint32_t sum = 0;
        for (int i = 0; i < 32; i++)
            sum += i / 2 % 2 == half ? (uint32_t)(w->q[i] * x->q[i]) : 0;
        isum += (int32_t)((sum + 0x8000) & 0xFFFF) - 0x8000;
    }
    return acc + ((float)isum * w->d + w->m * (float)x->bsum) * x->d;
}

static float min_fused(const tl_ints *w, const tl_x32 *x, int32_t isum, float acc, bool first, bool last) {
    (void)first, (void)last;
    return acc + fmaf((float)isum, w->d, w->m * (float)x->bsum) * x->d; /* isum * d is not exact */
}

static float min_apart(const tl_ints *w, const tl_x32 *x, int32_t isum, float acc, bool first, bool last) {
    (void)first, (void)last;
    return (acc + (float)isum * (w->d * x->d)) + w->m * ((float)x->bsum * x->d);
}

static void blocks_by(tl_dtype t, block_sum f, float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x,
                      size_t x_stride, int n_cols, int64_t k) {
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++) {
            const tl_x32 *v = (const void *)((const char *)x + (size_t)c * x_stride);
            float acc = 0;
            for (int64_t b = 0; b < k / 32; b++) {
                tl_ints ints;
                int32_t isum = 0;
                tl_unpack_of(t)((const char *)w + (size_t)r * w_stride + b * tl_dtype_get(t)->block_bytes, &ints);
                for (int i = 0; i < 32; i++)
                    isum += ints.q[i] * v[b].q[i];
                acc = f(&ints, &v[b], isum, acc, b == 0, b == k / 32 - 1);
            }
            y[c * y_stride + r] = acc;
        }
}

#define BLOCK_MUTANT(test, type, TYPE, f)                                                                                          \
    static void type##_##f(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride, \
                           int n_cols, int64_t k) {                                                                                \
        blocks_by(TYPE, f, y, y_stride, w, w_stride, n_rows, x, x_stride, n_cols, k);                                              \
    }                                                                                                                              \
    ROWS_MUTANT(test, TYPE, type##_##f, "panel/" #type)

BLOCK_MUTANT(scales_multiplied_one_by_one, q8_0, TL_Q8_0, scales_apart)
BLOCK_MUTANT(a_block_fused_into_the_sum, q4_0, TL_Q4_0, scale_fused)
BLOCK_MUTANT(a_sum_of_blocks_without_zero, q5_0, TL_Q5_0, starts_without_zero)
BLOCK_MUTANT(the_last_scale_off_by_an_ulp, q4_0, TL_Q4_0, last_scale_off)
BLOCK_MUTANT(a_weight_of_minus_128_negated, q8_0, TL_Q8_0, weight_never_minus_128)
BLOCK_MUTANT(sums_in_16_bits_that_do_not_fit, q5_1, TL_Q5_1, sums_too_narrow)
BLOCK_MUTANT(an_inexact_product_fused, q4_1, TL_Q4_1, min_fused)
BLOCK_MUTANT(a_minimum_added_apart, q5_1, TL_Q5_1, min_apart)

/* The blocks of even number first: the sum is cut. */
static void q8_0_two_sums(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride,
                          int n_cols, int64_t k) {
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++) {
            float sum[2] = {0};
            for (int64_t b = 0; b < k / 32; b++)
                sum[b % 2] += tl_dot_quant(TL_Q8_0, (const char *)w + (size_t)r * w_stride + b * 34,
                                           (const tl_x32 *)((const void *)((const char *)x + (size_t)c * x_stride)) + b, 32);
            y[c * y_stride + r] = sum[0] + sum[1];
        }
}
ROWS_MUTANT(a_sum_of_blocks_cut_in_two, TL_Q8_0, q8_0_two_sums, "panel/q8_0")

/* The product of the super-block's scale with the row's scale first, as for types without minima. */
static void q4_k_regrouped(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride,
                           int n_cols, int64_t k) {
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++) {
            const tl_x256 *v = (const void *)((const char *)x + (size_t)c * x_stride);
            float acc = 0;
            for (int64_t b = 0; b < k / 256; b++) {
                tl_ints ints;
                int32_t s = 0, t = 0;
                tl_unpack_of(TL_Q4_K)((const char *)w + (size_t)r * w_stride + b * 144, &ints);
                for (int i = 0; i < 256; i++) {
                    s += ints.sc[i / 16] * ints.q[i] * v[b].q[i];
                    t += ints.mn[i / 16] * v[b].q[i];
                }
                acc = acc + ((float)s * (ints.d * v[b].d) - (float)t * (ints.m * v[b].d));
            }
            y[c * y_stride + r] = acc;
        }
}
ROWS_MUTANT(a_super_block_with_its_scales_regrouped, TL_Q4_K, q4_k_regrouped, "panel/q4_k")

/* Two rows of a panel change places. */
static void q4_0_swapped(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) {
    scalar_table().panel[TL_Q4_0](y, y_stride, panel, x, x_stride, n_cols, k);
    for (int c = 0; c < n_cols; c++) {
        float v = y[c * y_stride + 7];
        y[c * y_stride + 7] = y[c * y_stride + 8];
        y[c * y_stride + 8] = v;
    }
}
MUTANT(two_rows_of_a_panel_exchanged, panel, TL_Q4_0, q4_0_swapped, "panel/q4_0")

static void q8_0_last_column(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) {
    scalar_table().panel[TL_Q8_0](y, y_stride, panel, x, x_stride, n_cols > 4 ? n_cols / 4 * 4 : n_cols, k);
}
MUTANT(the_last_column_of_a_panel_left, panel, TL_Q8_0, q8_0_last_column, "panel/q8_0")

/* Rows as stored that are taken to lie right behind each other. */
static void q5_k_dense(float *y, const void *w, size_t w_stride, const void *x, int64_t k) {
    (void)w_stride;
    scalar_table().stored[TL_Q5_K](y, w, tl_row_bytes(&(tl_tensor){.dtype = TL_Q5_K, .rank = 1, .shape = {k}}), x, k);
}
MUTANT(rows_as_stored_without_their_stride, stored, TL_Q5_K, q5_k_dense, "stored/q5_k")

/* ---- groups of columns ---- */

static void q6_k_last_group(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_groups, int64_t k) {
    kernel_definitions.grouped[TL_Q6_K](y, y_stride, panel, x, x_stride, n_groups > 3 ? 3 : n_groups, k);
}
MUTANT(the_last_group_left, grouped, TL_Q6_K, q6_k_last_group, "grouped/q6_k")

/* The columns where one tile ends and the next begins. */
static void q4_1_exchanged(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_groups, int64_t k) {
    kernel_definitions.grouped[TL_Q4_1](y, y_stride, panel, x, x_stride, n_groups, k);
    for (int r = 0; r < TL_PANEL; r++) {
        float *a = y + (TL_GROUP / 2 - 1) * y_stride + r, *b = a + y_stride, v = *a;
        *a = *b;
        *b = v;
    }
}
MUTANT(two_columns_of_a_group_exchanged, grouped, TL_Q4_1, q4_1_exchanged, "grouped/q4_1")

/* The end of the last block without its last number: the sum of the last column. */
static void arrange_x32_short(void *group, const void *x, size_t stride, int64_t k) {
    kernel_definitions.arrange_x32[0](group, x, stride, k);
    memset((char *)group + k / 32 * TL_GROUP * 40 - 4, 0, 4);
}
MUTANT(the_last_sum_of_a_group_left, arrange_x32, 0, arrange_x32_short, "arrange_x32")

static void arrange_x256_dense(void *group, const void *x, size_t stride, int64_t k) {
    (void)stride;
    kernel_definitions.arrange_x256[0](group, x, (size_t)(k / 256) * sizeof(tl_x256), k);
}
MUTANT(columns_arranged_without_their_stride, arrange_x256, 0, arrange_x256_dense, "arrange_x256")

static Suite *mutants_linear_suite(void) {
    Suite *s = suite_create("mutants_linear");
    TCase *t = tcase_create("mutants_linear");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, dot_f32_by_dot_fused);
    tcase_add_test(t, attention_scores_by_dot_fused);
    tcase_add_test(t, dot_f32_by_dot_in_pairs);
    tcase_add_test(t, attention_scores_by_dot_in_pairs);
    tcase_add_test(t, dot_f32_by_dot_in_order);
    tcase_add_test(t, attention_scores_by_dot_in_order);
    tcase_add_test(t, dot_f32_by_dot_at_once);
    tcase_add_test(t, attention_scores_by_dot_at_once);
    tcase_add_test(t, dot_f32_by_fold_eight_lanes);
    tcase_add_test(t, attention_scores_by_fold_eight_lanes);
    tcase_add_test(t, dot_f32_by_without_zero);
    tcase_add_test(t, attention_scores_by_without_zero);
    tcase_add_test(t, quantising_by_quotient);
    tcase_add_test(t, quantising_half_away_from_zero);
    tcase_add_test(t, quantising_half_upwards);
    tcase_add_test(t, one_scale_of_a_row_off_by_an_ulp);
    tcase_add_test(t, quantising_that_loses_nan);
    tcase_add_test(t, one_sum_of_a_block_is_wrong);
    tcase_add_test(t, no_rounding_to_13_bits);
    tcase_add_test(t, rounding_to_13_bits_half_away);
    tcase_add_test(t, scales_multiplied_one_by_one);
    tcase_add_test(t, a_block_fused_into_the_sum);
    tcase_add_test(t, a_sum_of_blocks_without_zero);
    tcase_add_test(t, the_last_scale_off_by_an_ulp);
    tcase_add_test(t, a_weight_of_minus_128_negated);
    tcase_add_test(t, sums_in_16_bits_that_do_not_fit);
    tcase_add_test(t, an_inexact_product_fused);
    tcase_add_test(t, a_minimum_added_apart);
    tcase_add_test(t, a_sum_of_blocks_cut_in_two);
    tcase_add_test(t, a_super_block_with_its_scales_regrouped);
    tcase_add_test(t, two_rows_of_a_panel_exchanged);
    tcase_add_test(t, the_last_column_of_a_panel_left);
    tcase_add_test(t, the_last_group_left);
    tcase_add_test(t, two_columns_of_a_group_exchanged);
    tcase_add_test(t, the_last_sum_of_a_group_left);
    tcase_add_test(t, columns_arranged_without_their_stride);
    tcase_add_test(t, rows_as_stored_without_their_stride);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(mutants_linear_suite());
}
