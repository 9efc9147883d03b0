/* test_mutants_copy.c: the checks of conversions, order, packing and the functions that take doubles notice what may not be: each test
 * damages one kernel the way a hurried optimiser would, and the checker must say so. */
#include <math.h>

#include "tensor/math.h"
#include "tests/mutants.h"

/* ---- to f32 ---- */

static void f16_flushed(const void *src, float *y, int64_t n) { /* denormals are lost */
    scalar_table().decode[TL_F16](src, y, n);
    for (int64_t i = 0; i < n; i++)
        y[i] = tl_absf(y[i]) < 0x1p-14f ? tl_signf(0, y[i]) : y[i];
}
MUTANT(halves_decoded_without_denormals, decode, TL_F16, f16_flushed, "decode/f16")

static void bf16_short(const void *src, float *y, int64_t n) { /* the last element of an odd tail is forgotten */
    scalar_table().decode[TL_BF16](src, y, n % 16 == 5 ? n - 1 : n);
}
MUTANT(one_element_of_a_decoded_tail_is_left, decode, TL_BF16, bf16_short, "decode/bf16")

static void q8_0_long(const void *src, float *y, int64_t n) { /* a vector too many */
    scalar_table().decode[TL_Q8_0](src, y, n);
    y[n] = 0;
}
MUTANT(a_decoded_row_is_written_too_far, decode, TL_Q8_0, q8_0_long, "decode/q8_0")

static void q4_0_scale_off(const void *src, float *y, int64_t n) { /* the scale of the last block, by one ulp */
    tl_ints ints;
    scalar_table().decode[TL_Q4_0](src, y, n);
    tl_unpack_of(TL_Q4_0)((const char *)src + (n / 32 - 1) * 18, &ints);
    for (int i = 0; i < 32; i++)
        y[n - 32 + i] = (float)ints.q[i] * tl_real(tl_bits(ints.d) + 1);
}
MUTANT(one_decoded_scale_off_by_an_ulp, decode, TL_Q4_0, q4_0_scale_off, "decode/q4_0")

static void q4_1_fused(const void *src, float *y, int64_t n) {
    for (int64_t b = 0; b < n / 32; b++) {
        tl_ints ints;
        tl_unpack_of(TL_Q4_1)((const char *)src + b * 20, &ints);
        for (int i = 0; i < 32; i++)
            y[32 * b + i] = fmaf((float)ints.q[i], ints.d, ints.m);
    }
}

/* 4 bits times 11 are exact, so fusing changes nothing there: the checker must not complain. */
START_TEST(an_exact_product_may_be_fused_in_decoding) {
    tl_kernels k = scalar_table();
    char why[KERNEL_WHY] = "";
    k.decode[TL_Q4_1] = q4_1_fused;
    ck_assert_msg(kernel_check(&k, kernel_find("decode/q4_1"), why), "%s", why);
}
END_TEST

static void q5_1_with_fourth_bits(const void *src, float *y, int64_t n) { /* the fifth bits of the upper half are those of the lower */
    for (int64_t b = 0; b < n / 32; b++) {
        tl_ints ints;
        uint8_t block[24];
        memcpy(block, (const char *)src + b * 24, sizeof block);
        memcpy(block + 6, block + 4, 2);
        tl_unpack_of(TL_Q5_1)(block, &ints);
        for (int i = 0; i < 32; i++)
            y[32 * b + i] = (float)ints.q[i] * ints.d + ints.m;
    }
}
MUTANT(fifth_bits_of_the_other_half, decode, TL_Q5_1, q5_1_with_fourth_bits, "decode/q5_1")

/* ---- from f32 ---- */

static void put(void *dst, int64_t i, uint16_t h) {
    memcpy((char *)dst + 2 * i, &h, sizeof h);
}

static void f16_half_away(const float *x, void *dst, int64_t n) { /* halves of a step go up, not to the even neighbour */
    scalar_table().encode[TL_F16](x, dst, n);
    for (int64_t i = 0; i < n; i++) {
        uint32_t a = tl_bits(x[i]) & ~TL_SIGN_BIT;
        if (a >= 0x38800000u && a < 0x477FF000u && (a & 0x1FFFu) == 0x1000u)
            put(dst, i, (uint16_t)((tl_bits(x[i]) >> 16 & 0x8000u) | ((a - 0x38000000u + 0x1000u) >> 13)));
    }
}
MUTANT(halves_rounded_half_away, encode, TL_F16, f16_half_away, "encode/f16")

static void f16_flushed_back(const float *x, void *dst, int64_t n) {
    scalar_table().encode[TL_F16](x, dst, n);
    for (int64_t i = 0; i < n; i++)
        if (tl_absf(x[i]) < 0x1p-14f)
            put(dst, i, (uint16_t)(tl_bits(x[i]) >> 16 & 0x8000u));
}
MUTANT(halves_encoded_without_denormals, encode, TL_F16, f16_flushed_back, "encode/f16")

static void bf16_nan_lost(const float *x, void *dst, int64_t n) { /* rounding carries a NaN over into inf or -0 */
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = tl_bits(x[i]);
        put(dst, i, (uint16_t)((u + 0x7FFFu + (u >> 16 & 1u)) >> 16));
    }
}
MUTANT(a_nan_rounded_to_bf16, encode, TL_BF16, bf16_nan_lost, "encode/bf16")

static void bf16_cut(const float *x, void *dst, int64_t n) {
    scalar_table().encode[TL_BF16](x, dst, n);
    for (int64_t i = n / 8 * 8; i < n && x[i] == x[i]; i++) /* only a tail is cut instead of rounded */
        put(dst, i, (uint16_t)(tl_bits(x[i]) >> 16));
}
MUTANT(a_tail_of_bf16_cut, encode, TL_BF16, bf16_cut, "encode/bf16")

/* ---- order ---- */

static int64_t last_of_equals(const float *x, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        best = tl_order_key(x[i]) >= tl_order_key(x[best]) ? i : best;
    return best;
}
MUTANT(the_last_of_equals_wins, argmax, 0, last_of_equals, "argmax")

static int64_t zeros_by_sign(const float *x, int64_t n) { /* bits compared as integers: -0 stands below +0 */
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) {
        bool before = x[i] == 0 && x[best] == 0 ? tl_bits(x[best]) > tl_bits(x[i]) : tl_order_key(x[i]) > tl_order_key(x[best]);
        best = before ? i : best;
    }
    return best;
}
MUTANT(zeros_ordered_by_sign, argmax, 0, zeros_by_sign, "argmax")

static int64_t nan_wins(const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (x[i] != x[i])
            return i;
    return scalar_table().argmax[0](x, n);
}
MUTANT(a_nan_is_the_largest, argmax, 0, nan_wins, "argmax")

static int64_t nan_never_starts(const float *x, int64_t n) { /* x[i] > x[best] as floats: a NaN that stands first stays */
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}
MUTANT(a_nan_that_stands_first_stays, argmax, 0, nan_never_starts, "argmax")

static int64_t above_or_equal(const float *x, int64_t from, int64_t n, int32_t key) {
    while (from < n && tl_order_key(x[from]) < key)
        from++;
    return from;
}
MUTANT(an_equal_counts_as_above, first_above, 0, above_or_equal, "first_above")

static int64_t above_in_vectors(const float *x, int64_t from, int64_t n, int32_t key) { /* gives where the vector begins */
    return scalar_table().first_above[0](x, from, n, key) / 8 * 8;
}
MUTANT(the_place_of_a_vector_for_that_of_an_element, first_above, 0, above_in_vectors, "first_above")

/* ---- functions ---- */

static void log_of_normals(float *y, const float *x, int64_t n) { /* denormals are not scaled up */
    scalar_table().log[0](y, x, n);
    for (int64_t i = 0; i < n; i++)
        if (x[i] > 0 && x[i] < 0x1p-126f)
            y[i] = -tl_real(TL_INF_BITS);
}
MUTANT(log_without_denormals, log, 0, log_of_normals, "log")

static void sin_of_zero(float *y, const float *x, int64_t n) { /* the polynomial gives +0 for -0 */
    scalar_table().sin[0](y, x, n);
    for (int64_t i = 0; i < n; i++)
        y[i] = y[i] + 0.0f;
}
MUTANT(sin_without_minus_zero, sin, 0, sin_of_zero, "sin")

static void cos_in_float(float *y, const float *x, int64_t n) { /* a polynomial in floats where it is good enough */
    scalar_table().cos[0](y, x, n);
    for (int64_t i = 0; i < n; i++)
        if (tl_absf(x[i]) < 0x1p-3f)
            y[i] = 1.0f - (0.5f * (x[i] * x[i]) - 0x1.555556p-5f * (x[i] * x[i] * x[i] * x[i]));
}
MUTANT(cos_in_floats, cos, 0, cos_in_float, "cos")

static void sin_near(float *y, const float *x, int64_t n) { /* the near reduction for all angles */
    scalar_table().sin[0](y, x, n);
    for (int64_t i = 0; i < n; i++)
        if (tl_absf(x[i]) > 0x1p+20f && tl_absf(x[i]) < 0x1p+30f) {
            double s, c, turns = (double)x[i] * 0x1.45f306dc9c883p-3;
            turns -= (turns + 0x1.8p+52) - 0x1.8p+52;
            tl_sincos(turns * 0x1.921fb54442d18p+2, &s, &c);
            y[i] = (float)s;
        }
}
MUTANT(sin_of_far_angles_by_a_plain_quotient, sin, 0, sin_near, "sin")

static void clamp_by_max(float *y, const float *x, float low, float high, int64_t n) { /* max and min lose NaN */
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] > low ? x[i] : low;
        y[i] = v < high ? v : high;
    }
}
MUTANT(clamp_that_loses_nan, clamp, 0, clamp_by_max, "clamp")

/* ---- weights ---- */

static void f16_missing_rows(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride,
                             int n_cols, int64_t k) { /* sixteen rows are written where there are fewer */
    scalar_table().dot[TL_F16](y, y_stride, w, w_stride, n_rows, x, x_stride, n_cols, k);
    if (n_rows < TL_PANEL)
        y[(n_cols - 1) * y_stride + n_rows] = y[(n_cols - 1) * y_stride + n_rows - 1];
}
MUTANT(rows_that_are_missing_are_written, dot, TL_F16, f16_missing_rows, "dot/f16")

static void q6_k_last_block_first(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride,
                                  int n_cols, int64_t k) { /* blocks are added from the last to the first */
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++) {
            float sum = 0;
            for (int64_t b = k / 256; b-- > 0;)
                sum += tl_dot_quant(TL_Q6_K, (const char *)w + (size_t)r * w_stride + b * 210,
                                    (const tl_x256 *)((const void *)((const char *)x + (size_t)c * x_stride)) + b, 256);
            y[c * y_stride + r] = sum;
        }
}
ROWS_MUTANT(blocks_added_backwards, TL_Q6_K, q6_k_last_block_first, "panel/q6_k")

static void q3_k_last_bytes(void *panel, const void *w, size_t w_stride, int64_t k) { /* of 108 bytes those after six times 16 */
    scalar_table().pack[TL_Q3_K](panel, w, w_stride, k);
    memset((char *)panel + (2 + 96) * TL_PANEL, 0, 12 * TL_PANEL);
}
MUTANT(the_last_bytes_of_a_block_are_left, pack, TL_Q3_K, q3_k_last_bytes, "pack/q3_k")

static void q5_1_heads(void *panel, const void *w, size_t w_stride, int64_t k) { /* scales and minima change places */
    scalar_table().pack[TL_Q5_1](panel, w, w_stride, k);
    for (int i = 0; i < 2 * TL_PANEL; i++) {
        char *a = (char *)panel + i, *b = a + 2 * TL_PANEL, c = *a;
        *a = *b;
        *b = c;
    }
}
MUTANT(scales_and_minima_exchanged, pack, TL_Q5_1, q5_1_heads, "pack/q5_1")

static void q4_0_dense_rows(void *panel, const void *w, size_t w_stride, int64_t k) { /* rows taken for dense */
    (void)w_stride;
    scalar_table().pack[TL_Q4_0](panel, w, (size_t)(k / 32 * 18), k);
}
MUTANT(rows_to_pack_taken_for_dense, pack, TL_Q4_0, q4_0_dense_rows, "pack/q4_0")

static Suite *mutants_copy_suite(void) {
    Suite *s = suite_create("mutants_copy");
    TCase *t = tcase_create("mutants_copy");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, halves_decoded_without_denormals);
    tcase_add_test(t, one_element_of_a_decoded_tail_is_left);
    tcase_add_test(t, a_decoded_row_is_written_too_far);
    tcase_add_test(t, one_decoded_scale_off_by_an_ulp);
    tcase_add_test(t, an_exact_product_may_be_fused_in_decoding);
    tcase_add_test(t, fifth_bits_of_the_other_half);
    tcase_add_test(t, halves_rounded_half_away);
    tcase_add_test(t, halves_encoded_without_denormals);
    tcase_add_test(t, a_nan_rounded_to_bf16);
    tcase_add_test(t, a_tail_of_bf16_cut);
    tcase_add_test(t, the_last_of_equals_wins);
    tcase_add_test(t, zeros_ordered_by_sign);
    tcase_add_test(t, a_nan_is_the_largest);
    tcase_add_test(t, a_nan_that_stands_first_stays);
    tcase_add_test(t, an_equal_counts_as_above);
    tcase_add_test(t, the_place_of_a_vector_for_that_of_an_element);
    tcase_add_test(t, log_without_denormals);
    tcase_add_test(t, sin_without_minus_zero);
    tcase_add_test(t, cos_in_floats);
    tcase_add_test(t, sin_of_far_angles_by_a_plain_quotient);
    tcase_add_test(t, clamp_that_loses_nan);
    tcase_add_test(t, rows_that_are_missing_are_written);
    tcase_add_test(t, blocks_added_backwards);
    tcase_add_test(t, the_last_bytes_of_a_block_are_left);
    tcase_add_test(t, scales_and_minima_exchanged);
    tcase_add_test(t, rows_to_pack_taken_for_dense);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(mutants_copy_suite());
}
