/* test_quant.c: blocks of weights against hand-computed values and golden digests (taken when every decoded element and every encoded
 * byte was equal to llama.cpp's reference on millions of random blocks). Inputs come from an integer generator. */
#include "tests/suite.h"

#include <math.h>

#include "tests/blocks.h"

/* ---- layouts ---------------------------------------------------------------------------------------------------------------- */

/* In a block of zeros, setting one byte changes exactly these integers: pairs of element and difference, up to -1. */
typedef struct probe {
    tl_dtype t;
    int byte, value;
    int change[17];
} probe;

static const probe probes[] = {
    {TL_Q4_0, 2, 0x7F, {0, 15, 16, 7, -1}},
    {TL_Q4_0, 17, 0x21, {15, 1, 31, 2, -1}},
    {TL_Q4_1, 4, 0x7F, {0, 15, 16, 7, -1}},
    {TL_Q4_1, 19, 0x21, {15, 1, 31, 2, -1}},
    {TL_Q5_0, 2, 0x81, {0, 16, 7, 16, -1}},
    {TL_Q5_0, 5, 0x81, {24, 16, 31, 16, -1}},
    {TL_Q5_0, 6, 0x7F, {0, 15, 16, 7, -1}},
    {TL_Q5_1, 4, 0x81, {0, 16, 7, 16, -1}},
    {TL_Q5_1, 23, 0x21, {15, 1, 31, 2, -1}},
    {TL_Q8_0, 2, 0x80, {0, -128, -1}},
    {TL_Q8_0, 33, 0x7F, {31, 127, -1}},
    {TL_Q2_K, 16, 0xE4, {32, 1, 64, 2, 96, 3, -1}},
    {TL_Q2_K, 47, 0x1B, {31, 3, 63, 2, 95, 1, -1}},
    {TL_Q2_K, 48, 0xE4, {160, 1, 192, 2, 224, 3, -1}},
    {TL_Q3_K, 0, 0x81, {0, 4, 224, 4, -1}},
    {TL_Q3_K, 31, 0x12, {63, 4, 159, 4, -1}},
    {TL_Q3_K, 32, 0xE4, {32, 1, 64, 2, 96, 3, -1}},
    {TL_Q3_K, 95, 0x1B, {159, 3, 191, 2, 223, 1, -1}},
    {TL_Q4_K, 16, 0x7F, {0, 15, 32, 7, -1}},
    {TL_Q4_K, 143, 0x21, {223, 1, 255, 2, -1}},
    {TL_Q5_K, 16, 0x81, {0, 16, 224, 16, -1}},
    {TL_Q5_K, 47, 0x12, {63, 16, 159, 16, -1}},
    {TL_Q5_K, 48, 0x7F, {0, 15, 32, 7, -1}},
    {TL_Q6_K, 0, 0x7F, {0, 15, 64, 7, -1}},
    {TL_Q6_K, 63, 0x21, {63, 1, 127, 2, -1}},
    {TL_Q6_K, 64, 0x21, {128, 1, 192, 2, -1}},
    {TL_Q6_K, 128, 0xE4, {32, 16, 64, 32, 96, 48, -1}},
    {TL_Q6_K, 191, 0x1B, {159, 48, 191, 32, 223, 16, -1}},
};

START_TEST(each_bit_of_a_block_belongs_to_the_stated_element) {
    const probe *p = &probes[_i];
    uint8_t block[MOST_BYTES] = {0};
    int n = tl_dtype_get(p->t)->block, expected[256] = {0};
    tl_ints before, after;
    tl_unpack_of(p->t)(block, &before);
    block[p->byte] = (uint8_t)p->value;
    tl_unpack_of(p->t)(block, &after);
    for (const int *c = p->change; *c >= 0; c += 2)
        expected[c[0]] = c[1];
    for (int i = 0; i < n; i++)
        if (after.q[i] - before.q[i] != expected[i])
            ck_abort_msg("%s byte %d: element %d differs by %d", tl_dtype_get(p->t)->name, p->byte, i, after.q[i] - before.q[i]);
}
END_TEST

START_TEST(zero_bytes_are_the_least_integers) {
    static const struct {
        tl_dtype t;
        int q, sc;
    } rows[] = {
        {TL_Q4_0, -8, 0}, {TL_Q4_1, 0, 0},    {TL_Q5_0, -16, 0}, {TL_Q5_1, 0, 0}, {TL_Q8_0, 0, 0},
        {TL_Q2_K, 0, 0},  {TL_Q3_K, -4, -32}, {TL_Q4_K, 0, 0},   {TL_Q5_K, 0, 0}, {TL_Q6_K, -32, 0},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        uint8_t block[MOST_BYTES] = {0};
        tl_ints ints;
        tl_unpack_of(rows[r].t)(block, &ints);
        CK_BITS(ints.d, 0.0f);
        CK_BITS(ints.m, 0.0f);
        int n = tl_dtype_get(rows[r].t)->block;
        for (int i = 0; i < n; i++)
            ck_assert_int_eq(ints.q[i], rows[r].q);
        for (int s = 0; s < 16 && n == 256; s++) {
            ck_assert_int_eq(ints.sc[s], rows[r].sc);
            ck_assert_int_eq(ints.mn[s], 0);
        }
    }
}
END_TEST

/* scales: 12 bytes -> expected sc and mn of the eight sub-blocks of 32, worked out by hand. */
START_TEST(six_bit_scales_of_q4_k_and_q5_k_are_put_together) {
    static const uint8_t scales[12] = {0x41, 0x82, 0xC3, 0x3F, 0x05, 0x46, 0x87, 0xFF, 0x9A, 0xBC, 0xDE, 0xF1};
    static const int sc[8] = {1, 2, 3, 63, 0x1A, 0x2C, 0x3E, 0x01}, mn[8] = {5, 6, 7, 63, 0x09, 0x1B, 0x2D, 0x3F};
    for (int k = 0; k < 2; k++) {
        uint8_t block[MOST_BYTES] = {0};
        memcpy(block + 4, scales, 12);
        tl_ints ints;
        tl_unpack_of(k ? TL_Q5_K : TL_Q4_K)(block, &ints);
        for (int s = 0; s < 16; s++) {
            ck_assert_int_eq(ints.sc[s], sc[s / 2]);
            ck_assert_int_eq(ints.mn[s], mn[s / 2]);
        }
    }
}
END_TEST

START_TEST(scales_of_q2_k_q3_k_and_q6_k_are_put_together) {
    uint8_t block[MOST_BYTES] = {0};
    tl_ints ints;
    block[0] = 0x5A;
    block[15] = 0xF1;
    tl_unpack_of(TL_Q2_K)(block, &ints);
    ck_assert_int_eq(ints.sc[0], 10);
    ck_assert_int_eq(ints.mn[0], 5);
    ck_assert_int_eq(ints.sc[15], 1);
    ck_assert_int_eq(ints.mn[15], 15);

    static const uint8_t scales[12] = {0x21, 0x43, 0, 0, 0, 0, 0, 0xF8, 0xE4, 0, 0, 0xC3};
    static const int sc[16] = {1 - 32,      3 - 32, -32, 48 - 32, 16 - 32, -32, -32, 8 - 32,
                               2 + 32 - 32, 4 - 32, -32, -32,     48 - 32, -32, -32, 15 + 48 - 32};
    memset(block, 0, sizeof block);
    memcpy(block + 96, scales, 12);
    tl_unpack_of(TL_Q3_K)(block, &ints);
    for (int s = 0; s < 16; s++)
        ck_assert_int_eq(ints.sc[s], sc[s]);

    memset(block, 0, sizeof block);
    block[192] = 0x80;
    block[207] = 0x7F;
    tl_unpack_of(TL_Q6_K)(block, &ints);
    ck_assert_int_eq(ints.sc[0], -128);
    ck_assert_int_eq(ints.sc[15], 127);
}
END_TEST

/* ---- decode ---------------------------------------------------------------------------------------------------------------- */

/* Every byte 0x2D (13 and 2 in nibbles, 1 3 2 0 in pairs, bits 0 2 3 5 set), but for d = 0.5 and m = 0.25: elements by hand. */
static const struct {
    tl_dtype t;
    int element;
    float value;
} decoded[] = {
    {TL_Q4_0, 3, (13 - 8) * 0.5f},
    {TL_Q4_0, 19, (2 - 8) * 0.5f},
    {TL_Q4_1, 3, 13 * 0.5f + 0.25f},
    {TL_Q4_1, 19, 2 * 0.5f + 0.25f},
    {TL_Q5_0, 0, (29 - 16) * 0.5f},
    {TL_Q5_0, 17, (2 - 16) * 0.5f},
    {TL_Q5_1, 0, 29 * 0.5f + 0.25f},
    {TL_Q5_1, 17, 2 * 0.5f + 0.25f},
    {TL_Q8_0, 9, 45 * 0.5f},
    {TL_Q2_K, 0, 0.5f * 13 * 1 - 0.25f * 2},
    {TL_Q2_K, 50, 0.5f * 13 * 3 - 0.25f * 2},
    {TL_Q2_K, 255, -0.25f * 2},
    {TL_Q3_K, 0, 0.5f * (13 + 16 - 32) * 1},
    {TL_Q3_K, 50, 0.5f * (13 + 16 - 32) * (3 - 4)},
    {TL_Q3_K, 191, 0.5f * (2 + 32 - 32) * 3},
    {TL_Q4_K, 0, 0.5f * 45 * 13 - 0.25f * 45},
    {TL_Q4_K, 255, 0.5f * 13 * 2 - 0.25f * 2},
    {TL_Q5_K, 0, 0.5f * 45 * 29 - 0.25f * 45},
    {TL_Q5_K, 255, 0.5f * 13 * 2 - 0.25f * 2},
    {TL_Q6_K, 0, 0.5f * 45 * (13 + 16 - 32)},
    {TL_Q6_K, 100, 0.5f * 45 * (2 - 32)},
};

START_TEST(hand_computed_elements_decode_exactly) {
    for (size_t r = 0; r < sizeof decoded / sizeof decoded[0]; r++) {
        tl_dtype t = decoded[r].t;
        uint8_t block[1 + MOST_BYTES];
        float x[256];
        memset(block, 0x2D, sizeof block);
        put_f16(block + 1, f16_at[t].d, 0x3800);
        put_f16(block + 1, f16_at[t].m, 0x3400);
        ck_assert_int_eq(tl_decode(t, block + 1, x, tl_dtype_get(t)->block, NULL), TL_OK);
        ck_assert_msg(tl_bits(x[decoded[r].element]) == tl_bits(decoded[r].value), "%s element %d is %a, not %a", tl_dtype_get(t)->name,
                      decoded[r].element, (double)x[decoded[r].element], (double)decoded[r].value);
    }
}
END_TEST

START_TEST(decode_is_what_the_integers_say) {
    tl_dtype t = (tl_dtype)_i;
    const tl_dtype_info *info = tl_dtype_get(t);
    uint64_t seed = 20 + (uint64_t)_i;
    for (int b = 0; b < 64; b++) {
        uint8_t block[MOST_BYTES];
        float x[256];
        tl_ints ints;
        random_block(t, block, &seed);
        tl_unpack_of(t)(block, &ints);
        ck_assert_int_eq(tl_decode(t, block, x, info->block, NULL), TL_OK);
        for (int i = 0; i < info->block; i++) {
            float q = ints.q[i], expected = q * ints.d;
            if (info->kind == TL_KIND_SCALE_MIN) {
                expected = q * ints.d + ints.m;
            } else if (info->kind >= TL_KIND_SUPER_MIN) {
                float scale = ints.d * (float)ints.sc[i / 16], min = ints.m * (float)ints.mn[i / 16];
                expected = info->kind == TL_KIND_SUPER ? scale * q : scale * q - min;
            }
            if (tl_bits(x[i]) != tl_bits(expected))
                ck_abort_msg("%s element %d is %a, not %a", info->name, i, (double)x[i], (double)expected);
        }
    }
}
END_TEST

static const uint64_t golden_decode[TL_N_DTYPES] = {
    [TL_Q4_0] = UINT64_C(0x8BA4A73D186D2ED8), [TL_Q4_1] = UINT64_C(0xB2DF17C132638A5B), [TL_Q5_0] = UINT64_C(0xF542157C194CD465),
    [TL_Q5_1] = UINT64_C(0x9A2F4FEFDCE95E3E), [TL_Q8_0] = UINT64_C(0x988CC309052FFCB2), [TL_Q2_K] = UINT64_C(0x680BDB989EF9B10A),
    [TL_Q3_K] = UINT64_C(0xA8F75DACD72D0161), [TL_Q4_K] = UINT64_C(0x2F9345A2260BA3FA), [TL_Q5_K] = UINT64_C(0x3334ACF2F5BDE2B8),
    [TL_Q6_K] = UINT64_C(0x7112E60340890BEA),
};

/* All bytes random, so f16 scales are of every kind: negative, denormal, inf, NaN. */
START_TEST(decoded_blocks_are_the_golden_ones) {
    tl_dtype t = (tl_dtype)_i;
    const tl_dtype_info *info = tl_dtype_get(t);
    uint64_t seed = 40 + (uint64_t)_i, digest = DIGEST_START;
    for (int b = 0; b < 1000; b++) {
        uint8_t block[MOST_BYTES];
        float x[256];
        for (int i = 0; i < info->block_bytes; i++)
            block[i] = (uint8_t)random_u32(&seed);
        ck_assert_int_eq(tl_decode(t, block, x, info->block, NULL), TL_OK);
        for (int i = 0; i < info->block; i++)
            digest = digest_float(digest, x[i]);
    }
    CK_DIGEST(info->name, digest, golden_decode[t]);
}
END_TEST

START_TEST(odd_scales_decode_by_the_rules_of_floats) {
    static const uint16_t scales[] = {0x0001, 0x8001, 0x03FF, 0xBC00, 0x7C00, 0xFC00, 0x7E00, 0x8000};
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        uint8_t block[34] = {0};
        float x[32], d = tl_f16_to_f32(scales[i]);
        put_f16(block, 0, scales[i]);
        block[2] = 0x80; /* -128 */
        block[4] = 1;
        ck_assert_int_eq(tl_decode(TL_Q8_0, block, x, 32, NULL), TL_OK);
        ck_assert_uint_eq(digest_float(0, x[0]), digest_float(0, -128.0f * d));
        ck_assert_uint_eq(digest_float(0, x[1]), digest_float(0, 0.0f * d));
        ck_assert_uint_eq(digest_float(0, x[2]), digest_float(0, d));
    }
}
END_TEST

/* ---- encode ---------------------------------------------------------------------------------------------------------------- */

START_TEST(q4_0_makes_the_extreme_exact) {
    float x[32] = {0};
    uint8_t block[18];
    x[0] = -8.0f; /* d = 1: -8 -> 0, 7 -> 15, 8 would be 16 and is cut, 0 -> 8, 0.49 -> 8, 0.5 -> 9 */
    x[1] = 7.0f;
    x[2] = 8.0f;
    x[3] = 0.49f;
    x[4] = 0.5f;
    x[16] = -1.0f;
    ck_assert_int_eq(tl_encode(TL_Q4_0, x, block, 32, NULL), TL_OK);
    static const uint8_t expected[18] = {0x00, 0x3C, 0x70, 0x8F, 0x8F, 0x88, 0x89, 0x88, 0x88,
                                         0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88};
    ck_assert_mem_eq(block, expected, sizeof expected);
    x[2] = -0.0f;
    x[0] = 8.0f; /* the sign of the extreme goes into the scale: d = -1 */
    ck_assert_int_eq(tl_encode(TL_Q4_0, x, block, 32, NULL), TL_OK);
    ck_assert_uint_eq(block[1], 0xBC);
    ck_assert_uint_eq(block[2], 0x90);
}
END_TEST

START_TEST(q4_1_spans_the_range) {
    float x[32];
    uint8_t block[20];
    for (int i = 0; i < 32; i++)
        x[i] = -1.0f + 0.5f * (float)(i % 16); /* d = 0.5, m = -1, q = i mod 16 */
    ck_assert_int_eq(tl_encode(TL_Q4_1, x, block, 32, NULL), TL_OK);
    static const uint8_t head[4] = {0x00, 0x38, 0x00, 0xBC};
    ck_assert_mem_eq(block, head, 4);
    for (int j = 0; j < 16; j++)
        ck_assert_uint_eq(block[4 + j], (unsigned)(j * 17));
}
END_TEST

START_TEST(q5_0_and_q5_1_keep_the_fifth_bit_apart) {
    float x[32];
    uint8_t block[24];
    for (int i = 0; i < 32; i++)
        x[i] = (float)(i - 16); /* q5_0: d = 1, q = i; q5_1: d = 1, m = -16, q = i */
    ck_assert_int_eq(tl_encode(TL_Q5_0, x, block, 32, NULL), TL_OK);
    static const uint8_t head0[6] = {0x00, 0x3C, 0x00, 0x00, 0xFF, 0xFF}, head1[8] = {0x00, 0x3C, 0x00, 0xCC, 0x00, 0x00, 0xFF, 0xFF};
    ck_assert_mem_eq(block, head0, 6);
    for (int j = 0; j < 16; j++)
        ck_assert_uint_eq(block[6 + j], (unsigned)(j * 17));
    ck_assert_int_eq(tl_encode(TL_Q5_1, x, block, 32, NULL), TL_OK);
    ck_assert_mem_eq(block, head1, 8);
    for (int j = 0; j < 16; j++)
        ck_assert_uint_eq(block[8 + j], (unsigned)(j * 17));
}
END_TEST

START_TEST(q8_0_rounds_half_away_from_zero) {
    float x[32] = {127.0f, 0.5f, -0.5f, 1.5f, 2.5f, -2.5f, -127.0f, 0x1.fffffep-2f};
    static const int8_t expected[9] = {127, 1, -1, 2, 3, -3, -127, 0, 0};
    uint8_t block[34];
    ck_assert_int_eq(tl_encode(TL_Q8_0, x, block, 32, NULL), TL_OK);
    ck_assert_uint_eq(block[0] | block[1] << 8, 0x3C00);
    ck_assert_mem_eq(block + 2, expected, sizeof expected);
}
END_TEST

static float encode_input(int kind, uint64_t *seed) {
    int32_t r = (int32_t)random_u32(seed);
    switch (kind % 5) {
    case 0: return random_float(seed, 2);
    case 1: return random_float(seed, 20);
    case 2: return (float)(r % 128);
    case 3: return (float)(r % 61) * 0.5f;
    default: return r & 1 ? 0.0f : (float)(r >> 20) * 0x1p-9f + 3.0f;
    }
}

static const uint64_t golden_encode[TL_N_DTYPES] = {
    [TL_Q4_0] = UINT64_C(0x4DEC6DDA0CB51CF2), [TL_Q4_1] = UINT64_C(0x6074ED9E2A90EC16), [TL_Q5_0] = UINT64_C(0xC547D2BB53F11940),
    [TL_Q5_1] = UINT64_C(0xE5778BD4FD40F032), [TL_Q8_0] = UINT64_C(0x711A53C860DBCCF2),
};

START_TEST(encoded_bytes_are_the_golden_ones) {
    tl_dtype t = (tl_dtype)_i;
    const tl_dtype_info *info = tl_dtype_get(t);
    uint64_t seed = 60 + (uint64_t)_i, digest = DIGEST_START;
    for (int b = 0; b < 2000; b++) {
        uint8_t block[MOST_BYTES];
        float x[32];
        for (int i = 0; i < 32; i++)
            x[i] = encode_input(b, &seed);
        ck_assert_int_eq(tl_encode(t, x, block, 32, NULL), TL_OK);
        digest = digest_bytes(digest, block, (size_t)info->block_bytes);
    }
    CK_DIGEST(info->name, digest, golden_encode[t]);
}
END_TEST

/* No value leads outside the rules of C (the sanitizers watch), and a block of equal values comes back as such. */
START_TEST(any_float_can_be_encoded) {
    tl_dtype t = (tl_dtype)_i;
    static const float odd[] = {INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX, 0x1p-149f, -0x1p-149f, 0x1p-126f, 0.0f, -0.0f, 1.0f};
    enum { N = sizeof odd / sizeof odd[0] };
    for (int a = 0; a < N; a++)
        for (int b = 0; b < N; b++) {
            float x[32], back[32];
            uint8_t block[MOST_BYTES];
            for (int i = 0; i < 32; i++)
                x[i] = i % 3 ? odd[a] : odd[b];
            ck_assert_int_eq(tl_encode(t, x, block, 32, NULL), TL_OK);
            ck_assert_int_eq(tl_decode(t, block, back, 32, NULL), TL_OK);
            if (fabsf(odd[a]) <= 1.0f && odd[a] == odd[b])
                ck_assert_msg(fabsf(back[5] - odd[a]) < 1e-3f, "%a became %a", (double)odd[a], (double)back[5]);
        }
}
END_TEST

static Suite *quant_suite(void) {
    Suite *s = suite_create("quant");
    TCase *t = tcase_create("quant");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, enter_float, leave_float);
    tcase_add_loop_test(t, each_bit_of_a_block_belongs_to_the_stated_element, 0, (int)(sizeof probes / sizeof probes[0]));
    tcase_add_test(t, zero_bytes_are_the_least_integers);
    tcase_add_test(t, six_bit_scales_of_q4_k_and_q5_k_are_put_together);
    tcase_add_test(t, scales_of_q2_k_q3_k_and_q6_k_are_put_together);
    tcase_add_test(t, hand_computed_elements_decode_exactly);
    tcase_add_loop_test(t, decode_is_what_the_integers_say, FIRST_QUANT, LAST_QUANT + 1);
    tcase_add_loop_test(t, decoded_blocks_are_the_golden_ones, FIRST_QUANT, LAST_QUANT + 1);
    tcase_add_test(t, odd_scales_decode_by_the_rules_of_floats);
    tcase_add_test(t, q4_0_makes_the_extreme_exact);
    tcase_add_test(t, q4_1_spans_the_range);
    tcase_add_test(t, q5_0_and_q5_1_keep_the_fifth_bit_apart);
    tcase_add_test(t, q8_0_rounds_half_away_from_zero);
    tcase_add_loop_test(t, encoded_bytes_are_the_golden_ones, TL_Q4_0, TL_Q8_0 + 1);
    tcase_add_loop_test(t, any_float_can_be_encoded, TL_Q4_0, TL_Q8_0 + 1);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(quant_suite());
}
