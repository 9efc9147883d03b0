/* test_dot.c: blocks of activations, and the dot products that define a linear layer: against the rule written out a second time, by
 * hand, against exact arithmetic, and as golden digests. Inputs come from an integer generator. */
#include "tests/suite.h"

#include <math.h>

#include "tests/blocks.h"

/* ---- activations ------------------------------------------------------------------------------------------------------------ */

START_TEST(activations_round_half_to_even_of_x_times_inverse) {
    float x[32] = {127.0f, 0.5f, -0.5f, 1.5f, 2.5f, -2.5f, -127.0f, 3.0f};
    static const int8_t expected[9] = {127, 0, 0, 2, 2, -2, -127, 3, 0};
    tl_x32 out;
    tl_quantize_x32(x, 32, &out);
    CK_BITS(out.d, 1.0f);
    ck_assert_mem_eq(out.q, expected, sizeof expected);
    ck_assert_int_eq(out.bsum, 5);

    uint64_t seed = 80;
    float y[256];
    int unlike = 0;
    for (int b = 0; b < 2000; b++) {
        float amax = 0.0f;
        tl_x256 big;
        for (int i = 0; i < 256; i++) {
            y[i] = random_float(&seed, 2);
            if (i > 0 && b % 2) /* close to ties */
                y[i] = (float)((int)(random_u32(&seed) % 252) - 126 + 0.5) * (fabsf(y[0]) / 127.0f);
            amax = tl_maxf(amax, fabsf(y[i]));
        }
        tl_quantize_x256(y, 256, &big);
        CK_BITS(big.d, amax / 127.0f);
        float id = 127.0f / amax;
        for (int s = 0; s < 16; s++) {
            int sum = 0;
            for (int i = 16 * s; i < 16 * s + 16; i++) {
                int q = (int)rintf(y[i] * id);
                sum += q;
                if (big.q[i] != q)
                    ck_abort_msg("element %d is %d, not %d", i, big.q[i], q);
                unlike += q != (int)rintf(y[i] / big.d);
            }
            ck_assert_int_eq(big.bsum[s], sum);
        }
    }
    ck_assert_int_gt(unlike, 0); /* the data tells x * id from x / d */
}
END_TEST

START_TEST(blocks_of_activations_have_the_stated_edges) {
    static const struct {
        float x;
        uint32_t d;
        int q;
    } rows[] = {
        {0.0f, 0, 0},
        {-0.0f, 0, 0},
        {0x1p-149f, 0, 0},
        {0x1.fffffep-101f, 0, 0},
        {0x1p-100f, 0x0A010204u, 127},
        {-0x1p-100f, 0x0A010204u, -127},
        {-0x1.000002p-100f, 0x0A010205u, -127},
        {FLT_MAX, 0x7C010204u, 127},
        {INFINITY, TL_NAN_BITS, 0},
        {-INFINITY, TL_NAN_BITS, 0},
        {NAN, TL_NAN_BITS, 0},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        float x[512] = {0};
        tl_x32 small[16];
        tl_x256 big[2];
        x[300] = rows[r].x;
        memset(small, 0x55, sizeof small);
        memset(big, 0x55, sizeof big);
        tl_quantize_x32(x, 512, small);
        tl_quantize_x256(x, 512, big);
        ck_assert_uint_eq(tl_bits(small[9].d), rows[r].d);
        ck_assert_uint_eq(tl_bits(big[1].d), rows[r].d);
        CK_BITS(small[8].d, 0.0f);
        CK_BITS(big[0].d, 0.0f);
        ck_assert_int_eq(small[9].q[12], rows[r].q);
        ck_assert_int_eq(big[1].q[44], rows[r].q);
        ck_assert_int_eq(small[9].bsum, rows[r].q);
        ck_assert_int_eq(big[1].bsum[2], rows[r].q);
        ck_assert_int_eq(big[1].bsum[3], 0);
        ck_assert_int_eq(small[9].q[13], 0);
    }
}
END_TEST

/* For amax of every exponent and many mantissas: amax * (127 / amax) may round above 127, never to 128. */
START_TEST(quantised_activations_never_reach_minus_128) {
    uint64_t seed = 81;
    for (int b = 0; b < 200000; b++) {
        float x[32] = {0};
        tl_x32 out;
        x[7] = -fabsf(random_float(&seed, 99));
        tl_quantize_x32(x, 32, &out);
        if (out.q[7] != -127)
            ck_abort_msg("%a gives %d", (double)x[7], out.q[7]);
    }
}
END_TEST

START_TEST(rows_round_to_13_bits_in_place) {
    float x[3] = {1.0f + 0x1p-13f, -3.0f - 0x1p-12f - 0x1p-20f, 0x1p-101f};
    tl_round_x13(x, 3, x);
    CK_BITS(x[0], 1.0f);
    CK_BITS(x[1], -3.0f - 0x1p-11f);
    CK_BITS(x[2], 0.0f);
}
END_TEST

/* ---- dot products ---------------------------------------------------------------------------------------------------------- */

/* The rule in its own words, by kind; integers in 64 bits. */
static float dot_by_rule(tl_dtype t, const uint8_t *w, const void *xq, int blocks) {
    const tl_dtype_info *info = tl_dtype_get(t);
    volatile float acc = 0.0f; /* volatile: each step is rounded and stored */
    for (int b = 0; b < blocks; b++, w += info->block_bytes) {
        tl_ints ints;
        tl_unpack_of(t)(w, &ints);
        int64_t isum = 0, mins = 0;
        float dx;
        int32_t bsum = 0;
        if (info->block == 32) {
            const tl_x32 *x = (const tl_x32 *)xq + b;
            dx = x->d;
            bsum = x->bsum;
            for (int i = 0; i < 32; i++)
                isum += ints.q[i] * x->q[i];
        } else {
            const tl_x256 *x = (const tl_x256 *)xq + b;
            dx = x->d;
            for (int i = 0; i < 256; i++) {
                isum += (int64_t)ints.sc[i / 16] * ints.q[i] * x->q[i];
                mins += (int64_t)ints.mn[i / 16] * x->q[i];
            }
        }
        volatile float a, c;
        switch (info->kind) {
        case TL_KIND_SCALE:
        case TL_KIND_SUPER:
            a = ints.d * dx;
            c = (float)isum * a;
            break;
        case TL_KIND_SCALE_MIN:
            a = (float)isum * ints.d;
            c = ints.m * (float)bsum;
            c = a + c;
            c = c * dx;
            break;
        default:
            a = (float)isum * ints.d;
            c = (float)mins * ints.m;
            c = a - c;
            c = c * dx;
        }
        acc = acc + c;
    }
    return acc;
}

enum { BLOCKS_A_ROW = 5 };

typedef struct row {
    uint8_t w[BLOCKS_A_ROW * MOST_BYTES + 1];
    float x[BLOCKS_A_ROW * 256];
    tl_x32 x32[BLOCKS_A_ROW];
    tl_x256 x256[BLOCKS_A_ROW];
} row;

static const void *random_row(tl_dtype t, row *r, uint64_t *seed) {
    const tl_dtype_info *info = tl_dtype_get(t);
    for (int b = 0; b < BLOCKS_A_ROW; b++)
        random_block(t, r->w + 1 + b * info->block_bytes, seed);
    for (int i = 0; i < BLOCKS_A_ROW * info->block; i++)
        r->x[i] = random_float(seed, 3);
    if (info->block == 32) {
        tl_quantize_x32(r->x, BLOCKS_A_ROW * 32, r->x32);
        return r->x32;
    }
    tl_quantize_x256(r->x, BLOCKS_A_ROW * 256, r->x256);
    return r->x256;
}

static const uint64_t golden_dot[TL_N_DTYPES] = {
    [TL_Q4_0] = UINT64_C(0x694BF8B36507F8FD), [TL_Q4_1] = UINT64_C(0x344025D452D5243C), [TL_Q5_0] = UINT64_C(0x846ECEB7C8D4EF71),
    [TL_Q5_1] = UINT64_C(0x014437A97029F81E), [TL_Q8_0] = UINT64_C(0x9043C1FFF71409B7), [TL_Q2_K] = UINT64_C(0x7A6DB48A6737574F),
    [TL_Q3_K] = UINT64_C(0x46ADDE93B9C6BD84), [TL_Q4_K] = UINT64_C(0x3E701B20B387BD7F), [TL_Q5_K] = UINT64_C(0x89DCFF82044C1F4B),
    [TL_Q6_K] = UINT64_C(0xF4C7DA5E4B9270A6),
};

START_TEST(quantised_dots_follow_the_rule_to_the_bit) {
    tl_dtype t = (tl_dtype)_i;
    const tl_dtype_info *info = tl_dtype_get(t);
    uint64_t seed = 100 + (uint64_t)_i, digest = DIGEST_START;
    row r;
    for (int n = 0; n < 300; n++) {
        const void *xq = random_row(t, &r, &seed);
        float y = tl_dot_quant(t, r.w + 1, xq, BLOCKS_A_ROW * info->block);
        CK_BITS(y, dot_by_rule(t, r.w + 1, xq, BLOCKS_A_ROW));
        digest = digest_float(digest, y);
    }
    CK_DIGEST(info->name, digest, golden_dot[t]);
}
END_TEST

START_TEST(quantised_dots_are_near_the_products_of_decoded_values) {
    tl_dtype t = (tl_dtype)_i;
    const tl_dtype_info *info = tl_dtype_get(t);
    uint64_t seed = 200 + (uint64_t)_i;
    row r;
    for (int n = 0; n < 50; n++) {
        const void *xq = random_row(t, &r, &seed);
        float w[BLOCKS_A_ROW * 256];
        int k = BLOCKS_A_ROW * info->block;
        ck_assert_int_eq(tl_decode(t, r.w + 1, w, k, NULL), TL_OK);
        double exact = 0.0, size = 0.0;
        for (int i = 0; i < k; i++) {
            int b = i / info->block, e = i % info->block;
            double x = info->block == 32 ? (double)r.x32[b].d * r.x32[b].q[e] : (double)r.x256[b].d * r.x256[b].q[e];
            exact += (double)w[i] * x;
            size += fabs((double)w[i] * x);
        }
        double found = (double)tl_dot_quant(t, r.w + 1, xq, k);
        ck_assert_msg(fabs(found - exact) <= size * 0x1p-20, "%s: %g, exact %g", info->name, found, exact);
    }
}
END_TEST

/* d = 1.5, m = 0.5, dx = 1 (x holds 127), by hand. */
START_TEST(small_dots_by_hand) {
    float x[32] = {127.0f, 1.0f, -2.0f};
    tl_x32 xq;
    tl_quantize_x32(x, 32, &xq);
    uint8_t q8[34] = {0x00, 0x3E, 0x80, 3, 5}, q41[20] = {0x00, 0x3E, 0x00, 0x38, 0x01, 0x02, 0x03};
    CK_BITS(tl_dot_quant(TL_Q8_0, q8, &xq, 32), (-128 * 127 + 3 - 10) * 1.5f);
    CK_BITS(tl_dot_quant(TL_Q4_1, q41, &xq, 32), (127 + 2 - 6) * 1.5f + 0.5f * 126);
    CK_BITS(tl_dot_quant(TL_Q8_0, q8, &xq, 0), 0.0f);
}
END_TEST

START_TEST(the_greatest_sums_stay_exact_in_32_bits) {
    float x[256];
    tl_x256 xq;
    uint8_t w[210];
    for (int i = 0; i < 256; i++)
        x[i] = 127.0f;
    tl_quantize_x256(x, 256, &xq);
    memset(w, 0, sizeof w); /* Q6_K: q = -32, sc = -128: S = 128 * 32 * 127 * 256 = 2^20 * 127 */
    memset(w + 192, 0x80, 16);
    put_f16(w, 208, 0x3C00);
    CK_BITS(tl_dot_quant(TL_Q6_K, w, &xq, 256), 0x1p+20f * 127.0f);
    memset(w, 0xFF, sizeof w); /* Q5_K: q = 31, sc = mn = 63; dmin = 0: S = 63 * 31 * 127 * 256, T not seen; then the other way round */
    put_f16(w, 0, 0x3C00);
    put_f16(w, 2, 0x0000);
    CK_BITS(tl_dot_quant(TL_Q5_K, w, &xq, 256), (float)(63 * 31 * 127 * 256));
    put_f16(w, 0, 0x0000);
    put_f16(w, 2, 0x3C00);
    CK_BITS(tl_dot_quant(TL_Q5_K, w, &xq, 256), -(float)(63 * 127 * 256));
}
END_TEST

START_TEST(a_nan_or_infinite_activation_makes_every_dot_nan) {
    tl_dtype t = (tl_dtype)_i;
    const tl_dtype_info *info = tl_dtype_get(t);
    uint64_t seed = 300;
    row r;
    random_row(t, &r, &seed);
    r.x[info->block + 3] = _i % 2 ? NAN : INFINITY;
    tl_quantize_x32(r.x, BLOCKS_A_ROW * 32, r.x32);
    tl_quantize_x256(r.x, info->block == 256 ? BLOCKS_A_ROW * 256 : 256, r.x256);
    ck_assert(isnan(tl_dot_quant(t, r.w + 1, info->block == 32 ? (const void *)r.x32 : r.x256, BLOCKS_A_ROW * info->block)));
}
END_TEST

START_TEST(float_dots_are_the_lane_dots_of_decoded_weights) {
    static const tl_dtype types[] = {TL_F32, TL_BF16, TL_F16};
    uint64_t seed = 400;
    for (int k = 0; k < 3; k++)
        for (int n = 0; n <= 100; n++) {
            float w[100], x[100];
            uint8_t stored[1 + sizeof w];
            for (int i = 0; i < n; i++) {
                w[i] = random_float(&seed, 10);
                x[i] = random_float(&seed, 10);
            }
            if (types[k] == TL_F16)
                tl_round_x13(x, n, x);
            ck_assert_int_eq(tl_encode(types[k], w, stored + 1, n, NULL), TL_OK);
            ck_assert_int_eq(tl_decode(types[k], stored + 1, w, n, NULL), TL_OK);
            CK_BITS(tl_dot_float(types[k], stored + 1, x, n), tl_dot_lanes(w, x, n));
        }
}
END_TEST

static Suite *dot_suite(void) {
    Suite *s = suite_create("dot");
    TCase *t = tcase_create("dot");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, enter_float, leave_float);
    tcase_add_test(t, activations_round_half_to_even_of_x_times_inverse);
    tcase_add_test(t, blocks_of_activations_have_the_stated_edges);
    tcase_add_test(t, quantised_activations_never_reach_minus_128);
    tcase_add_test(t, rows_round_to_13_bits_in_place);
    tcase_add_loop_test(t, quantised_dots_follow_the_rule_to_the_bit, FIRST_QUANT, LAST_QUANT + 1);
    tcase_add_loop_test(t, quantised_dots_are_near_the_products_of_decoded_values, FIRST_QUANT, LAST_QUANT + 1);
    tcase_add_test(t, small_dots_by_hand);
    tcase_add_test(t, the_greatest_sums_stay_exact_in_32_bits);
    tcase_add_loop_test(t, a_nan_or_infinite_activation_makes_every_dot_nan, FIRST_QUANT, LAST_QUANT + 1);
    tcase_add_test(t, float_dots_are_the_lane_dots_of_decoded_weights);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(dot_suite());
}
