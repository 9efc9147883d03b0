/* test_rope.c: frequencies of every scaling against the formulas in libm's double, angles against libm, rotation by hand, and every
 * message. */
#include <math.h>

#include "tensor/math.h"
#include "tests/rig.h"

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})

/* ---- frequencies ---- */

enum { PAIRS = 32 };

static void freqs_of(const tl_rope_config *c, double *freq, double *magnitude) {
    tl_error err = {0};
    ck_assert_msg(tl_rope_freqs(c, freq, magnitude, &err) == TL_OK, "%s", err.message);
}

static void assert_close(double got, double want) {
    ck_assert_msg(fabs(got - want) <= 1e-12 * fabs(want), "%.17g, not %.17g", got, want);
}

START_TEST(falls_geometrically_from_one) {
    double freq[PAIRS], magnitude;
    tl_rope_config c = tl_rope_defaults(2 * PAIRS);
    freqs_of(&c, freq, &magnitude);
    ck_assert(freq[0] == 1 && magnitude == 1);
    for (int p = 0; p < PAIRS; p++)
        assert_close(freq[p], pow(10000, -p / (double)PAIRS));
    c.base = 500000;
    freqs_of(&c, freq, &magnitude);
    for (int p = 0; p < PAIRS; p++)
        assert_close(freq[p], pow(500000, -p / (double)PAIRS));
}
END_TEST

START_TEST(divides_by_the_linear_factor_and_by_given_factors) {
    double freq[PAIRS], magnitude;
    float factors[PAIRS];
    for (int p = 0; p < PAIRS; p++)
        factors[p] = 1 + (float)p;
    tl_rope_config c = tl_rope_defaults(2 * PAIRS);
    c.factors = factors;
    c.attn_factor = 1.25;
    freqs_of(&c, freq, &magnitude);
    ck_assert(magnitude == 1.25);
    for (int p = 0; p < PAIRS; p++)
        assert_close(freq[p], pow(10000, -p / (double)PAIRS) / (1 + p));
    c.scaling = TL_ROPE_LINEAR;
    c.factor = 4;
    freqs_of(&c, freq, &magnitude);
    for (int p = 0; p < PAIRS; p++)
        assert_close(freq[p], pow(10000, -p / (double)PAIRS) / (1 + p) / 4);
}
END_TEST

/* As the code that came with Llama 3.1 does it, by wavelength. */
START_TEST(stretches_long_waves_as_llama_3) {
    double freq[PAIRS], magnitude;
    int kept = 0, stretched = 0;
    tl_rope_config c = tl_rope_defaults(2 * PAIRS);
    c.scaling = TL_ROPE_LLAMA3;
    c.base = 500000;
    c.factor = 8;
    c.original_ctx = 8192;
    freqs_of(&c, freq, &magnitude);
    ck_assert(magnitude == 1);
    for (int p = 0; p < PAIRS; p++) {
        double plain = pow(500000, -p / (double)PAIRS), wave = 2 * acos(-1) / plain, smooth = (8192 / wave - 1) / (4 - 1), want;
        if (wave < 8192.0 / 4)
            want = plain;
        else if (wave > 8192.0 / 1)
            want = plain / 8;
        else
            want = (1 - smooth) * plain / 8 + smooth * plain;
        kept += want == plain;
        stretched += want == plain / 8;
        assert_close(freq[p], want);
    }
    ck_assert(kept > 5 && stretched > 5 && kept + stretched < PAIRS);
}
END_TEST

/* As llama.cpp: a ramp between the pairs that turn 32 times and once within the trained context. */
START_TEST(interpolates_by_parts_as_yarn) {
    double freq[PAIRS], magnitude;
    int kept = 0, stretched = 0;
    tl_rope_config c = tl_rope_defaults(2 * PAIRS);
    c.scaling = TL_ROPE_YARN;
    c.factor = 4;
    c.original_ctx = 4096;
    freqs_of(&c, freq, &magnitude);
    assert_close(magnitude, 1 + 0.1 * log(4));
    double low = floor(2 * PAIRS * log(4096 / (32 * 2 * acos(-1))) / (2 * log(10000)));
    double high = ceil(2 * PAIRS * log(4096 / (1 * 2 * acos(-1))) / (2 * log(10000)));
    for (int p = 0; p < PAIRS; p++) {
        double plain = pow(10000, -p / (double)PAIRS), keep = 1 - fmin(1, fmax(0, (p - low) / (high - low)));
        assert_close(freq[p], plain / 4 * (1 - keep) + plain * keep);
        kept += keep == 1;
        stretched += keep == 0;
    }
    ck_assert(kept > 5 && stretched > 5 && kept + stretched < PAIRS);
    c.ext_factor = 0;
    c.attn_factor = 0.75;
    freqs_of(&c, freq, &magnitude);
    ck_assert(magnitude == 0.75);
    for (int p = 0; p < PAIRS; p++)
        assert_close(freq[p], pow(10000, -p / (double)PAIRS) / 4);
}
END_TEST

START_TEST(refuses_configurations_that_mean_nothing) {
    double freq[PAIRS], magnitude;
    float factors[PAIRS] = {1, 0};
    tl_error err;
    tl_rope_config c;
#define REFUSES(change, words)                                                                    \
    do {                                                                                          \
        c = tl_rope_defaults(2 * PAIRS);                                                          \
        change;                                                                                   \
        ck_assert_int_eq(tl_rope_freqs(&c, freq, &magnitude, &err), TL_ERR_USAGE);                \
        ck_assert_msg(strstr(err.message, words) != NULL, "'%s' lacks '%s'", err.message, words); \
    } while (0)
    REFUSES(c.dims = 63, "63 rotated dims");
    REFUSES(c.dims = 0, "0 rotated dims");
    REFUSES(c.dims = 131074, "131074 rotated dims");
    REFUSES(c.base = 1, "the base must be");
    REFUSES(c.base = NAN, "the base must be");
    REFUSES(c.base = INFINITY, "the base must be");
    REFUSES(c.attn_factor = 0, "attn_factor");
    REFUSES(c.scaling = (tl_rope_scaling)9, "unknown scaling 9");
    REFUSES((c.scaling = TL_ROPE_LINEAR, c.factor = 0), "the factor of a scaled rope");
    REFUSES((c.scaling = TL_ROPE_YARN, c.original_ctx = -1), "original_ctx");
    REFUSES((c.scaling = TL_ROPE_YARN, c.beta_fast = 0), "beta_fast and beta_slow");
    REFUSES((c.scaling = TL_ROPE_YARN, c.beta_slow = NAN), "beta_fast and beta_slow");
    REFUSES((c.scaling = TL_ROPE_YARN, c.beta_fast = 0x1p1022), "beta_fast and beta_slow");
    REFUSES((c.scaling = TL_ROPE_YARN, c.beta_slow = 0x1p-1022), "beta_fast and beta_slow");
    REFUSES((c.scaling = TL_ROPE_YARN, c.original_ctx = 0x1p-1070), "beta_fast and beta_slow");
    REFUSES((c.scaling = TL_ROPE_YARN, c.ext_factor = 2), "ext_factor");
    REFUSES((c.scaling = TL_ROPE_LLAMA3, c.high_freq = 1), "low_freq and high_freq");
    REFUSES(c.factors = factors, "frequency factor 1 is not positive");
#undef REFUSES
    ck_assert_int_eq(tl_rope_freqs(NULL, freq, &magnitude, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_rope_freqs(&c, NULL, &magnitude, NULL), TL_ERR_USAGE);
}
END_TEST

/* ---- angles ---- */

/* Runs rope_angles over pos [n] or [n, sections] into y [n, pairs, 2]. */
static void run_angles(int n, int sections, const int32_t *pos, int pairs, const double *freq, double magnitude, const int *section,
                       float *y) {
    rig r = rig_open("ref");
    tl_tensor *p = tl_input(r.g, "pos", TL_I32, section ? 2 : 1, SHAPE(n, sections));
    tl_tensor *out = tl_output(r.g, tl_rope_angles(r.g, p, pairs, freq, magnitude, section));
    rig_plan(&r, NULL);
    rig_write_ints(&r, p, pos);
    rig_run(&r);
    MUST(&r, tl_read(out, y, tl_bytes(out), &r.err));
    rig_close(&r);
}

START_TEST(turns_positions_into_cosines_and_sines) {
    static const int32_t pos[] = {0, 1, 15, 16, 17, 255, 256, 257, 512, 8191, 131072, 1048576, 1048577, 2147483647, -1, -70000};
    float y[COUNT(pos) * PAIRS * 2];
    double freq[PAIRS], magnitude;
    tl_rope_config c = tl_rope_defaults(2 * PAIRS);
    freqs_of(&c, freq, &magnitude);
    run_angles(COUNT(pos), 0, pos, PAIRS, freq, 1.5, NULL, y);
    tl_float_enter(); /* the suite also runs in other rounding modes, which would shift the angles here */
    for (int i = 0; i < COUNT(pos) * PAIRS; i++) {
        double angle = pos[i / PAIRS] * freq[i % PAIRS];
        ck_assert_double_eq_tol(y[2 * i], 1.5 * cos(angle), 1.3e-7);
        ck_assert_double_eq_tol(y[2 * i + 1], 1.5 * sin(angle), 1.3e-7);
    }
    ck_assert(y[0] == 1.5f && y[1] == 0);
}
END_TEST

START_TEST(takes_the_position_of_each_pairs_section) {
    static const int32_t pos[] = {1, 20, 300, 4, 50, 600};
    static const int section[] = {2, 0, 1, 2};
    static const double freq[] = {1, 0.5, 0.25, 0.125};
    float y[2 * 4 * 2];
    run_angles(2, 3, pos, 4, freq, 1, section, y);
    for (int i = 0; i < 8; i++) {
        double angle = pos[i / 4 * 3 + section[i % 4]] * freq[i % 4];
        ck_assert_double_eq_tol(y[2 * i], cos(angle), 1e-7);
        ck_assert_double_eq_tol(y[2 * i + 1], sin(angle), 1e-7);
    }
}
END_TEST

START_TEST(copies_the_frequencies) {
    rig r = rig_open("ref");
    double freq[2] = {1, 0.5};
    tl_tensor *pos = tl_input(r.g, "pos", TL_I32, 1, SHAPE(tl_size(r.g, "n", 7)));
    tl_tensor *y = tl_rope_angles(r.g, pos, 2, freq, 1, NULL);
    freq[0] = freq[1] = 77;
    ck_assert_ptr_nonnull(y);
    ck_assert(y->rank == 3 && y->shape[0] == 7 && y->shape[1] == 2 && y->shape[2] == 2 && y->size == 1);
    const tl_rope_angles_params *p = y->params;
    ck_assert(p->pairs == 2 && p->freq_section[0] == 1 && p->freq_section[1] == 0.5);
    rig_close(&r);
}
END_TEST

START_TEST(says_which_angles_cannot_be) {
    static const double freq[] = {1, 0.5}, odd[] = {1, NAN};
    static const int section[] = {0, 2}, below[] = {-1, 0};
    rig r = rig_open("ref");
#define REFUSES(call, words)      \
    do {                          \
        ck_assert_ptr_null(call); \
        FAILED(r.g, words);       \
        rig_next_graph(&r);       \
    } while (0)
#define POS(type, ...) tl_input(r.g, "pos", type, COUNT(SHAPE(__VA_ARGS__)), SHAPE(__VA_ARGS__))
    REFUSES(tl_rope_angles(r.g, POS(TL_I32, 3), 0, freq, 1, NULL), "rope_angles: 0 pairs; from 1 to 65536 pairs");
    REFUSES(tl_rope_angles(r.g, POS(TL_I32, 3), 65537, freq, 1, NULL), "rope_angles: 65537 pairs");
    REFUSES(tl_rope_angles(r.g, POS(TL_I32, 3), 2, NULL, 1, NULL), "2 pairs without frequencies");
    REFUSES(tl_rope_angles(r.g, POS(TL_F32, 3), 2, freq, 1, NULL), "rope_angles: operand 0, 'pos' f32 [3], must be i32");
    REFUSES(tl_rope_angles(r.g, POS(TL_I32, 3, 2), 2, freq, 1, NULL), "positions are [n]");
    REFUSES(tl_rope_angles(r.g, POS(TL_I32, 3), 2, freq, 1, section), "positions by section are [n, sections]");
    REFUSES(tl_rope_angles(r.g, POS(TL_I32, 3, 2), 2, freq, 1, section), "pair 1 takes section 2, but the positions have 2");
    REFUSES(tl_rope_angles(r.g, POS(TL_I32, 3, 2), 2, freq, 1, below), "pair 0 takes section -1");
    REFUSES(tl_rope_angles(r.g, POS(TL_I32, 3), 2, odd, 1, NULL), "the frequency of pair 1 is not finite");
    REFUSES(tl_rope_angles(r.g, POS(TL_I32, 3), 2, freq, 0, NULL), "the magnitude must be positive");
    REFUSES(tl_rope_angles(r.g, NULL, 2, freq, 1, NULL), "rope_angles: operand 0 is missing");
    ck_assert_ptr_null(tl_rope_angles(NULL, NULL, 2, freq, 1, NULL));
    rig_close(&r);
}
END_TEST

/* ---- rotation ---- */

/* Rotates x [n, h, d] by angles [n, pairs, 2] into y. */
static void run_rope(int n, int h, int d, int pairs, const float *x, const float *angles, tl_rope_mode mode, float *y) {
    rig r = rig_open("ref");
    tl_tensor *in = tl_input(r.g, "x", TL_F32, 3, SHAPE(n, h, d)), *a = tl_input(r.g, "angles", TL_F32, 3, SHAPE(n, pairs, 2));
    tl_tensor *out = tl_output(r.g, tl_rope(r.g, in, a, mode));
    rig_plan(&r, NULL);
    MUST(&r, tl_write(in, x, tl_bytes(in), &r.err));
    MUST(&r, tl_write(a, angles, tl_bytes(a), &r.err));
    rig_run(&r);
    MUST(&r, tl_read(out, y, tl_bytes(out), &r.err));
    rig_close(&r);
}

static void assert_equal(const float *got, const float *want, int n) {
    for (int i = 0; i < n; i++)
        ck_assert_msg(tl_bits(got[i]) == tl_bits(want[i]), "element %d is %g, not %g", i, (double)got[i], (double)want[i]);
}

/* Two rows of two heads; row 0 turns its pairs by a quarter and a half, row 1 by the pseudo-angle (2, 1). */
START_TEST(rotates_each_pair_by_its_angle) {
    static const float x[] = {1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 1, 0, 0, 1, 9, 0, 1, 1, 0, 9}, angles[] = {0, 1, -1, 0, 2, 1, 2, 1};
    static const float interleaved[] = {-2, 1, -3, -4, 5, -20, 10, -30, -40, 50, 2, 1, -1, 2, 9, -1, 2, 2, 1, 9};
    static const float halves[] = {-3, -2, 1, -4, 5, -30, -20, 10, -40, 50, 2, -1, 1, 2, 9, -1, 2, 2, 1, 9};
    float y[20];
    run_rope(2, 2, 5, 2, x, angles, TL_ROPE_INTERLEAVED, y);
    assert_equal(y, interleaved, 20);
    run_rope(2, 2, 5, 2, x, angles, TL_ROPE_HALVES, y);
    assert_equal(y, halves, 20);
}
END_TEST

START_TEST(rounds_each_product_before_it_subtracts) {
    static const float a = 1 + 0x1p-12f, c = 1 + 0x3p-13f;
    float y[2];
    run_rope(1, 1, 2, 1, (float[]){a, a}, (float[]){c, c}, TL_ROPE_INTERLEAVED, y);
    ck_assert(tl_bits(y[0]) == 0 && y[1] == 2 * (float)(a * c)); /* fused, the first would be what rounding cut off */
}
END_TEST

START_TEST(leaves_dims_beyond_its_pairs_as_they_are) {
    static const float angles[] = {NAN, NAN};
    float x[7] = {1, 2, -0.0f, 4, INFINITY, 6, 0x1p-149f}, y[7];
    run_rope(1, 1, 7, 1, x, angles, TL_ROPE_HALVES, y);
    assert_equal(y + 2, x + 2, 5);
}
END_TEST

START_TEST(keeps_lengths_and_relative_angles) {
    enum { D = 2 * PAIRS };
    static const int32_t pos[] = {3, 103, 10, 110};
    float angles[4 * D], x[4 * D], y[4 * D];
    double freq[PAIRS], magnitude, dots[2] = {0}, length = 0, turned = 0;
    tl_rope_config c = tl_rope_defaults(D);
    freqs_of(&c, freq, &magnitude);
    run_angles(4, 0, pos, PAIRS, freq, 1, NULL, angles);
    for (int i = 0; i < 4 * D; i++)
        x[i] = (float)((i % D * 37 + (i / D % 2) * 11) % 19 - 9); /* rows 0 and 2 are equal, and 1 and 3 */
    run_rope(4, 1, D, PAIRS, x, angles, TL_ROPE_HALVES, y);
    for (int i = 0; i < D; i++) {
        dots[0] += (double)y[i] * y[D + i];
        dots[1] += (double)y[2 * D + i] * y[3 * D + i];
        length += (double)x[i] * x[i];
        turned += (double)y[i] * y[i];
    }
    ck_assert_double_eq_tol(dots[0], dots[1], 1e-3); /* 3 and 103 are as far apart as 10 and 110 */
    ck_assert_double_eq_tol(length, turned, 1e-3);
    ck_assert(memcmp(x, y, sizeof x) != 0);
}
END_TEST

START_TEST(says_which_rotations_cannot_be) {
    rig r = rig_open("ref");
#define X(type, ...) tl_input(r.g, "x", type, COUNT(SHAPE(__VA_ARGS__)), SHAPE(__VA_ARGS__))
    REFUSES(tl_rope(r.g, X(TL_F32, 3, 8), X(TL_F32, 3, 4, 2), TL_ROPE_HALVES), "x [n, h, d] and angles [n, pairs, 2] are wanted");
    REFUSES(tl_rope(r.g, X(TL_F32, 3, 2, 8), X(TL_F32, 3, 4, 3), TL_ROPE_HALVES), "x [n, h, d] and angles [n, pairs, 2] are wanted");
    REFUSES(tl_rope(r.g, X(TL_F32, 3, 2, 8), X(TL_F32, 2, 4, 2), TL_ROPE_HALVES), "x and angles must have the same first axis");
    REFUSES(tl_rope(r.g, X(TL_F32, tl_size(r.g, "n", 3), 2, 8), X(TL_F32, 3, 4, 2), TL_ROPE_HALVES),
            "x and angles must have the same first axis");
    REFUSES(tl_rope(r.g, X(TL_F32, 3, 2, 8), X(TL_F32, 3, 5, 2), TL_ROPE_HALVES), "the pairs need more dims than a head has");
    REFUSES(tl_rope(r.g, X(TL_F16, 3, 2, 8), X(TL_F32, 3, 4, 2), TL_ROPE_HALVES), "rope: operand 0, 'x' f16 [3, 2, 8], must be f32");
    REFUSES(tl_rope(r.g, X(TL_F32, 3, 2, 8), X(TL_F16, 3, 4, 2), TL_ROPE_HALVES), "rope: operand 1, 'x' f16 [3, 4, 2], must be f32");
    REFUSES(tl_rope(r.g, X(TL_F32, 3, 2, 8), X(TL_F32, 3, 4, 2), (tl_rope_mode)7), "rope: unknown mode 7");
    REFUSES(tl_rope(r.g, X(TL_F32, 3, 2, 8), NULL, TL_ROPE_HALVES), "rope: operand 1 is missing");
#undef X
#undef POS
#undef REFUSES
    rig_close(&r);
}
END_TEST

START_TEST(counts_operations_and_bytes) {
    rig r = rig_open("ref");
    static const double freq[4] = {1, 1, 1, 1};
    tl_tensor *angles = tl_rope_angles(r.g, tl_input(r.g, "pos", TL_I32, 1, SHAPE(3)), 4, freq, 1, NULL);
    tl_tensor *y = tl_rope(r.g, tl_input(r.g, "x", TL_F32, 3, SHAPE(3, 2, 9)), angles, TL_ROPE_HALVES);
    tl_cost c;
    y->op->cost(y, 6, &c);
    ck_assert(c.ops == 6 * 4 * 6 && c.read == 6 * 9 * 4 + 3 * 4 * 8 && c.written == 6 * 9 * 4);
    angles->op->cost(angles, 12, &c);
    ck_assert(c.ops > 0 && c.read == 3 * 4 && c.written == 12 * 8);
    rig_close(&r);
}
END_TEST

static Suite *rope_suite(void) {
    Suite *s = suite_create("rope");
    TCase *c = tcase_create("frequencies");
    tcase_add_test(c, falls_geometrically_from_one);
    tcase_add_test(c, divides_by_the_linear_factor_and_by_given_factors);
    tcase_add_test(c, stretches_long_waves_as_llama_3);
    tcase_add_test(c, interpolates_by_parts_as_yarn);
    tcase_add_test(c, refuses_configurations_that_mean_nothing);
    suite_add_tcase(s, c);
    c = tcase_create("angles");
    tcase_add_test(c, turns_positions_into_cosines_and_sines);
    tcase_add_test(c, takes_the_position_of_each_pairs_section);
    tcase_add_test(c, copies_the_frequencies);
    tcase_add_test(c, says_which_angles_cannot_be);
    suite_add_tcase(s, c);
    c = tcase_create("rotation");
    tcase_add_test(c, rotates_each_pair_by_its_angle);
    tcase_add_test(c, rounds_each_product_before_it_subtracts);
    tcase_add_test(c, leaves_dims_beyond_its_pairs_as_they_are);
    tcase_add_test(c, keeps_lengths_and_relative_angles);
    tcase_add_test(c, says_which_rotations_cannot_be);
    tcase_add_test(c, counts_operations_and_bytes);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(rope_suite());
}
