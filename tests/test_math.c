/* test_math.c: the law of arithmetic: error bounds of the elementary functions against libm (the judge here, never used for results),
 * golden digests that must be the same for every compiler and machine, and the exactness of conversions, folds and sums.
 * Everything runs inside tl_float_enter, so that the caller's rounding does not matter. */
#include "tests/suite.h"

#include <math.h>
#include <stdbool.h>

#include "tensor/platform.h"
#include "tests/digest.h"

static uint64_t saved;

static void enter(void) {
    saved = tl_float_enter();
}

static void leave(void) {
    tl_float_leave(saved);
}

/* ---- error bounds -------------------------------------------------------------------------------------------------------- */

typedef struct function {
    const char *name;
    float (*f)(float);
    double (*judge)(double);
    double ulp;      /* bound, in ulp of the exact result's binade */
    uint64_t golden; /* digest over the sampled floats */
} function;

static const function functions[] = {
    {"exp", tl_expf, exp, 1.0, UINT64_C(0x98576FB05140CF4C)},    {"log", tl_logf, log, 1.0, UINT64_C(0x17D578AACB4D93BB)},
    {"tanh", tl_tanhf, tanh, 2.0, UINT64_C(0x819FE66C1B68C109)}, {"erf", tl_erff, erf, 2.0, UINT64_C(0x7ADA671BC177D3A6)},
    {"sin", tl_sinf, sin, 0.501, UINT64_C(0x2665ECBA91587F9A)},  {"cos", tl_cosf, cos, 0.501, UINT64_C(0xDBB90E9C4753211D)},
};

static const uint64_t first_golden[] = {
    /* over a tenth of them */
    UINT64_C(0xA5B0FCD4A2EBC7BE), UINT64_C(0xCDBEE6954CDDAF90), UINT64_C(0x122C852406B15989),
    UINT64_C(0x25DDE3686360CFD8), UINT64_C(0x7A8948198375F59E), UINT64_C(0x1792D63E5B462661),
};

enum { N_FUNCTIONS = sizeof functions / sizeof functions[0], STRIDE = 4099 };

/* Results below the normal range may be 0 (exp says so). */
static double error_ulp(float y, double exact) {
    if (isinf(y) || fabs(exact) > 0x1.fffffefp+127)
        return isinf(y) && fabs(exact) > 0x1.fffffefp+127 && (y > 0) == (exact > 0) ? 0.0 : HUGE_VAL;
    if (y == 0.0f && fabs(exact) < 0x1p-126)
        return 0.0;
    int e;
    frexp(exact, &e);
    return fabs((double)y - exact) / ldexp(1.0, (e < -125 ? -125 : e) - 24);
}

START_TEST(errors_stay_below_the_stated_bounds_over_all_floats) {
    const function *fn = &functions[_i];
    double worst = 0.0;
    float at = 0.0f;
    for (uint64_t u = 0; u < UINT64_C(1) << 32; u += STRIDE * (uint64_t)sparing(1, 8)) {
        float x = tl_real((uint32_t)u), y = fn->f(x);
        double exact = fn->judge((double)x);
        if (isnan(exact)) {
            ck_assert_msg(isnan(y), "%s(%a) = %a, not NaN", fn->name, (double)x, (double)y);
            continue;
        }
        double error = error_ulp(y, exact);
        if (!(error <= worst)) {
            worst = error;
            at = x;
        }
    }
    ck_assert_msg(worst < fn->ulp, "%s: %g ulp at %a", fn->name, worst, (double)at);
}
END_TEST

START_TEST(results_are_the_golden_bits) {
    const function *fn = &functions[_i];
    uint64_t digest = DIGEST_START;
    uint64_t seed = 1;
    for (uint64_t u = 0; u < UINT64_C(1) << 32; u += 65521)
        digest = digest_float(digest, fn->f(tl_real((uint32_t)u)));
    for (int part = 0; part < sparing(10, 1);
         part++) { /* many where the polynomials work: a coefficient's last bit shows only now and then */
        for (int i = 0; i < 200000; i++)
            digest = digest_float(digest, fn->f(random_float(&seed, 3)));
        if (part == 0)
            CK_DIGEST(fn->name, digest, first_golden[_i]);
        if (part == 9)
            CK_DIGEST(fn->name, digest, fn->golden);
    }
}
END_TEST

static double sigmoid(double x) {
    return 1.0 / (1.0 + exp(-x));
}

static double silu(double x) {
    return x / (1.0 + exp(-x));
}

static double gelu_tanh(double x) {
    return x / (1.0 + exp(-2.0 * sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}

static double gelu_erf(double x) {
    return 0.5 * x * erfc(-x / sqrt(2.0));
}

/* Activations: error in units of 2^-24 max(|x|, 1), goldens like above. */
static const function activations[] = {
    {"sigmoid", tl_sigmoidf, sigmoid, 2.0, UINT64_C(0x147EFFDA5EA85F76)},
    {"silu", tl_siluf, silu, 2.0, UINT64_C(0x1AEB3DA6BC64211C)},
    {"gelu_tanh", tl_gelu_tanhf, gelu_tanh, 2.0, UINT64_C(0x7D8AD8670A4CF74D)},
    {"gelu_erf", tl_gelu_erff, gelu_erf, 2.0, UINT64_C(0x4C17E3B95FD62760)},
};

enum { N_ACTIVATIONS = sizeof activations / sizeof activations[0] };

START_TEST(activations_follow_their_formulas) {
    const function *fn = &activations[_i];
    uint64_t digest = DIGEST_START;
    for (uint64_t u = 0; u < UINT64_C(1) << 32; u += 16381) {
        float x = tl_real((uint32_t)u), y = fn->f(x);
        digest = digest_float(digest, y);
        if (!isfinite(x))
            continue;
        double error = fabs((double)y - fn->judge((double)x)) / fmax(fabs((double)x), 1.0) * 0x1p+24;
        if (!(error < fn->ulp))
            ck_abort_msg("%s(%a) = %a is off by %g", fn->name, (double)x, (double)y, error);
    }
    CK_DIGEST(fn->name, digest, fn->golden);
}
END_TEST

#define CK_BITS(found, expected) ck_assert_uint_eq(tl_bits(found), tl_bits(expected))

START_TEST(special_values_are_exact) {
    const float inf = INFINITY;
    CK_BITS(tl_expf(0.0f), 1.0f);
    CK_BITS(tl_expf(-0.0f), 1.0f);
    CK_BITS(tl_expf(-inf), 0.0f);
    CK_BITS(tl_expf(-1e30f), 0.0f);
    CK_BITS(tl_expf(inf), inf);
    CK_BITS(tl_expf(1e30f), inf);
    ck_assert(tl_expf(0x1.62e42ep+6f) < inf && tl_expf(0x1.62e43p+6f) == inf);
    ck_assert(tl_expf(-0x1.5d589ep+6f) >= 0x1p-126f && tl_expf(-0x1.5d58ap+6f) == 0.0f);
    CK_BITS(tl_logf(1.0f), 0.0f);
    CK_BITS(tl_logf(inf), inf);
    CK_BITS(tl_logf(0.0f), -inf);
    CK_BITS(tl_logf(-0.0f), -inf);
    ck_assert(isnan(tl_logf(-1.0f)) && isnan(tl_logf(-inf)) && isnan(tl_logf(-0x1p-149f)));
    CK_BITS(tl_tanhf(-0.0f), -0.0f);
    CK_BITS(tl_tanhf(inf), 1.0f);
    CK_BITS(tl_tanhf(-inf), -1.0f);
    CK_BITS(tl_erff(-0.0f), -0.0f);
    CK_BITS(tl_erff(inf), 1.0f);
    CK_BITS(tl_erff(-inf), -1.0f);
    CK_BITS(tl_sinf(-0.0f), -0.0f);
    CK_BITS(tl_sinf(0.0f), 0.0f);
    CK_BITS(tl_cosf(-0.0f), 1.0f);
    ck_assert(isnan(tl_sinf(inf)) && isnan(tl_cosf(-inf)) && isnan(tl_sinf(NAN)) && isnan(tl_cosf(NAN)));
    CK_BITS(tl_sigmoidf(0.0f), 0.5f);
    CK_BITS(tl_siluf(-0.0f), -0.0f);
    CK_BITS(tl_gelu_tanhf(-0.0f), -0.0f);
    CK_BITS(tl_gelu_erff(-0.0f), -0.0f);
}
END_TEST

/* ---- sin and cos in double -------------------------------------------------------------------------------------------------- */

START_TEST(sincos_is_close_near_and_far_and_golden) {
    uint64_t seed = 3, digest = DIGEST_START;
    for (int i = 0; i < 200000; i++) {
        uint64_t u = (uint64_t)random_u32(&seed) << 32 | random_u32(&seed);
        double x = i % 4 == 0   ? (double)(u >> 44)                         /* positions up to 2^20 */
                   : i % 4 == 1 ? (double)(int64_t)u * 0x1p-43              /* their products with frequencies */
                   : i % 4 == 2 ? tl_real64(u % 0x7FF0000000000000u)        /* every exponent */
                                : (double)(u >> 43) * 0x1.921fb54442d18p+0; /* near multiples of pi/2, both sides of 2^20 */
        double s, c;
        tl_sincos(x, &s, &c);
        digest = digest_double(digest_double(digest, s), c);
        double bound = fabs(x) <= 0x1p+20 ? 0x1p-52 : 0x1p-51;
#if defined(__wasm__)
        bound += 0x1p-53; /* of the libm that is compared with: musl's own error */
#endif
        if (!(fabs(s - sin(x)) < bound && fabs(c - cos(x)) < bound))
            ck_abort_msg("sincos(%a) = %a, %a; libm %a, %a", x, s, c, sin(x), cos(x));
    }
    CK_DIGEST("sincos", digest, UINT64_C(0xCF58049D764F5109));
}
END_TEST

START_TEST(sincos_is_odd_and_even_and_nan_for_what_is_not_finite) {
    static const double points[] = {0.0, 1.0, 3.0, 0x1p+20, 0x1.0000000000001p+20, 0x1p+53, 1e300};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        double s, c, ns, nc;
        tl_sincos(points[i], &s, &c);
        tl_sincos(-points[i], &ns, &nc);
        ck_assert_uint_eq(tl_bits64(-s), tl_bits64(ns));
        ck_assert_uint_eq(tl_bits64(c), tl_bits64(nc));
    }
    static const double bad[] = {INFINITY, -INFINITY, NAN};
    for (int i = 0; i < 3; i++) {
        double s, c;
        tl_sincos(bad[i], &s, &c);
        ck_assert(isnan(s) && isnan(c));
    }
}
END_TEST

/* ---- log and pow in double ---------------------------------------------------------------------------------------------------- */

START_TEST(pow_of_rope_frequencies_is_within_4_ulp_of_libm) {
    static const double bases[] = {100.0, 10000.0, 50000.0, 100000.0, 500000.0, 1000000.0, 10000000.0};
    uint64_t digest = DIGEST_START;
    for (size_t b = 0; b < sizeof bases / sizeof bases[0]; b++)
        for (int dim = 2; dim <= 256; dim += 2)
            for (int i = -dim; i <= dim; i += 2) {
                double y = (double)i / dim, p = tl_pow(bases[b], y), judge = pow(bases[b], y);
                digest = digest_double(digest, p);
                if (!(fabs(p - judge) <= judge * 0x1p-51))
                    ck_abort_msg("pow(%g, %g) = %a, libm %a", bases[b], y, p, judge);
            }
    CK_DIGEST("pow", digest, UINT64_C(0x9084A60A9539DA85));
}
END_TEST

START_TEST(pow_has_stated_edges) {
    ck_assert_double_eq(tl_pow(2.0, 10.0), 1024.0);
    ck_assert_double_eq(tl_pow(2.0, -1074.0), 0x1p-1074);
    ck_assert_double_eq(tl_pow(2.0, 1023.0), 0x1p+1023);
    ck_assert_double_eq(tl_pow(12345.0, 0.0), 1.0);
    ck_assert_double_eq(tl_pow(1.0, 1e300), 1.0);
    ck_assert(tl_pow(10.0, 1e300) == INFINITY && tl_pow(2.0, 1024.0) == INFINITY);
    ck_assert(tl_pow(10.0, -1e300) == 0.0 && tl_pow(0.5, 2000.0) == 0.0);
    static const double bad[] = {0.0, -0.0, -1.0, 0x1p-1074, INFINITY, -INFINITY, NAN};
    for (int i = 0; i < 7; i++)
        ck_assert(isnan(tl_pow(bad[i], 0.5)) && isnan(tl_ln(bad[i])));
    ck_assert(isnan(tl_pow(2.0, INFINITY)) && isnan(tl_pow(2.0, -INFINITY)) && isnan(tl_pow(2.0, NAN)));
}
END_TEST

START_TEST(ln_is_within_4_ulp_of_libm) {
    uint64_t seed = 9, digest = DIGEST_START;
    for (int i = 0; i < 200000; i++) {
        uint64_t u = (uint64_t)random_u32(&seed) << 32 | random_u32(&seed);
        double x = i % 2 ? tl_real64(0x10000000000000u + u % 0x7FE0000000000000u) : 0.5 + (double)(u >> 11) * 0x1p-52;
        double y = tl_ln(x), judge = log(x);
        digest = digest_double(digest, y);
        if (!(fabs(y - judge) <= fabs(judge) * 0x1p-51))
            ck_abort_msg("log(%a) = %a, libm %a", x, y, judge);
    }
    ck_assert_uint_eq(tl_bits64(tl_ln(1.0)), 0);
    CK_DIGEST("ln", digest, UINT64_C(0x9FD3A3B3351A79A9));
}
END_TEST

/* ---- integers and maxima ---------------------------------------------------------------------------------------------------- */

START_TEST(float_to_int_rounds_half_to_even) {
    static const struct {
        float v;
        int32_t n;
    } rows[] = {
        {0.5f, 0},
        {1.5f, 2},
        {2.5f, 2},
        {-0.5f, 0},
        {-1.5f, -2},
        {-2.5f, -2},
        {0x1.fffffep-2f, 0},
        {-126.5f, -126},
        {126.50001f, 127},
        {4194303.0f, 4194303},
        {-4194303.0f, -4194303},
        {4194302.5f, 4194302},
        {-0.0f, 0},
        {0x1p-149f, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_int_eq(tl_rne_int(rows[i].v), rows[i].n);
}
END_TEST

START_TEST(max_takes_the_second_unless_the_first_is_greater) {
    CK_BITS(tl_maxf(1.0f, 2.0f), 2.0f);
    CK_BITS(tl_maxf(2.0f, 1.0f), 2.0f);
    CK_BITS(tl_maxf(0.0f, -0.0f), -0.0f);
    CK_BITS(tl_maxf(-0.0f, 0.0f), 0.0f);
    CK_BITS(tl_maxf(NAN, 1.0f), 1.0f);
    ck_assert(isnan(tl_maxf(1.0f, NAN)));
}
END_TEST

/* ---- 13 bits -------------------------------------------------------------------------------------------------------------- */

START_TEST(x13_rounds_to_13_bits_half_to_even) {
    uint64_t seed = 5;
    for (int i = 0; i < 1000000; i++) {
        uint32_t u = random_u32(&seed);
        if (i % 4 == 0)
            u = (u & ~0x7FFu) | 0x400u; /* ties */
        float x = tl_real(u), y = tl_x13(x);
        double a = fabs((double)x), expected;
        if (isnan(x)) {
            expected = NAN;
        } else if (a < 0x1p-100) {
            expected = 0.0;
        } else if (a >= 0x1p+100) {
            expected = INFINITY;
        } else {
            int e;
            double m = frexp(a, &e);
            expected = ldexp(rint(ldexp(m, 13)), e - 13);
        }
        expected = copysign(expected, (double)x);
        if (!(isnan(x) ? isnan(y) : tl_bits64(expected) == tl_bits64((double)y)))
            ck_abort_msg("x13(%a) = %a, expected %a", (double)x, (double)y, expected);
        if (!isnan(y) && tl_bits(tl_x13(y)) != tl_bits(y) && fabsf(y) < 0x1p+100f)
            ck_abort_msg("x13 twice differs at %a", (double)x);
    }
}
END_TEST

START_TEST(x13_has_the_stated_ends) {
    CK_BITS(tl_x13(0x1p-100f), 0x1p-100f);
    CK_BITS(tl_x13(0x1.fffffep-101f), 0.0f);
    CK_BITS(tl_x13(-0x1.fffffep-101f), -0.0f);
    CK_BITS(tl_x13(-0.0f), -0.0f);
    CK_BITS(tl_x13(0x1.fffffep+99f), 0x1p+100f);
    CK_BITS(tl_x13(0x1p+100f), (float)INFINITY);
    CK_BITS(tl_x13(-FLT_MAX), (float)-INFINITY);
    CK_BITS(tl_x13((float)-INFINITY), (float)-INFINITY);
    ck_assert(isnan(tl_x13(NAN)) && isnan(tl_x13(tl_real(0x7F800001u))) && isnan(tl_x13(tl_real(0xFFFFFFFFu))));
}
END_TEST

START_TEST(x13_times_f16_is_exact) {
    uint64_t seed = 6;
    for (int i = 0; i < 1000000; i++) {
        uint16_t h = (uint16_t)random_u32(&seed);
        float w = tl_f16_to_f32(h), x = tl_x13(random_float(&seed, 105));
        if (isfinite(w) && isfinite(x) && (double)(w * x) != (double)w * (double)x)
            ck_abort_msg("%a * %a is not exact", (double)w, (double)x);
    }
}
END_TEST

/* ---- f16, bf16 -------------------------------------------------------------------------------------------------------------- */

static double f16_value(uint16_t h) {
    int e = h >> 10 & 31, m = h & 1023;
    double a = e == 31 ? (m ? NAN : INFINITY) : e == 0 ? ldexp(m, -24) : ldexp(1024 + m, e - 25);
    return h & 0x8000 ? -a : a;
}

START_TEST(every_f16_decodes_exactly_and_comes_back) {
    for (uint32_t h = 0; h < 65536; h++) {
        float x = tl_f16_to_f32((uint16_t)h);
        double exact = f16_value((uint16_t)h);
        uint16_t back = tl_f32_to_f16(x);
        bool good = isnan(exact) ? isnan(x) && back == (h | 0x200u) && (tl_bits(x) & 0x00400000u)
                                 : tl_bits64((double)x) == tl_bits64(exact) && back == h;
        if (!good)
            ck_abort_msg("f16 %04x gives %a and %04x", h, (double)x, back);
    }
}
END_TEST

/* Rounding by rint of the quotient by the last place, in double, where all of it is exact. */
static uint16_t f16_judge(float x) {
    double a = fabs((double)x);
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    if (a >= 65520.0)
        return sign | 0x7C00;
    int e;
    frexp(a, &e);
    e = a < 0x1p-14 ? -14 : e - 1;
    uint32_t steps = (uint32_t)rint(ldexp(a, 10 - e)); /* 1024 .. 2048 for normals: a carry moves the exponent by itself */
    return (uint16_t)(sign | (steps + (uint32_t)(e + 14) * 1024u));
}

START_TEST(f32_to_f16_rounds_to_nearest_even) {
    uint64_t seed = 7;
    for (int i = 0; i < 1000000; i++) {
        float x = i % 2 ? tl_real(random_u32(&seed)) : random_float(&seed, 26);
        if (!isnan(x) && tl_f32_to_f16(x) != f16_judge(x))
            ck_abort_msg("%a gives %04x, expected %04x", (double)x, tl_f32_to_f16(x), f16_judge(x));
    }
    for (uint32_t h = 0; h < 0x7C00; h++) { /* each midpoint, and its neighbours */
        float mid = (float)((f16_value((uint16_t)h) + (h == 0x7BFF ? 65536.0 : f16_value((uint16_t)(h + 1)))) / 2);
        uint32_t even = h & 1 ? h + 1 : h;
        float below = tl_real(tl_bits(mid) - 1), above = tl_real(tl_bits(mid) + 1);
        if (tl_f32_to_f16(mid) != even || tl_f32_to_f16(below) != h || tl_f32_to_f16(above) != h + 1 ||
            tl_f32_to_f16(-mid) != (even | 0x8000u))
            ck_abort_msg("midpoint above %04x", h);
    }
    ck_assert_uint_eq(tl_f32_to_f16(tl_real(0x7F800001u)), 0x7E00);
    ck_assert_uint_eq(tl_f32_to_f16(tl_real(0xFFFFFFFFu)), 0xFFFF);
    ck_assert_uint_eq(tl_f32_to_f16((float)-INFINITY), 0xFC00);
}
END_TEST

START_TEST(bf16_is_the_upper_half_rounded_to_even) {
    for (uint32_t h = 0; h < 65536; h++) {
        float x = tl_bf16_to_f32((uint16_t)h);
        bool nan = (h & 0x7FFF) > 0x7F80;
        ck_assert(tl_bits(x) == h << 16);
        ck_assert(tl_f32_to_bf16(x) == (nan ? h | 0x40 : h));
        if ((h & 0x7FFF) < 0x7F80) {
            ck_assert(tl_f32_to_bf16(tl_real(h << 16 | 0x8000)) == (h & 1 ? h + 1 : h));
            ck_assert(tl_f32_to_bf16(tl_real(h << 16 | 0x7FFF)) == h);
            ck_assert(tl_f32_to_bf16(tl_real(h << 16 | 0x8001)) == h + 1);
        }
    }
    ck_assert(tl_f32_to_bf16(tl_real(0x7F800001u)) == 0x7FC0);
    ck_assert(tl_f32_to_bf16(tl_real(0xFFFFFFFFu)) == 0xFFFF);
}
END_TEST

/* ---- sums ------------------------------------------------------------------------------------------------------------------ */

enum { MAX_N = 300 };

static void fill(float *x, int n, uint64_t *seed) {
    for (int i = 0; i < n; i++)
        x[i] = random_float(seed, 20);
}

/* The rule written the other way round: lane by lane, and the tree as a recursion (j folds with j + half). */
static float tree(const float *lane, int j, int half) {
    return half == 16 ? lane[j] : tree(lane, j, half * 2) + tree(lane, j + half, half * 2);
}

static float sum_by_lanes(const float *a, const float *b, int n) {
    float lane[16];
    for (int j = 0; j < 16; j++) {
        lane[j] = 0.0f;
        for (int i = j; i < n; i += 16) {
            float product = b ? a[i] * b[i] : a[i];
            lane[j] = lane[j] + product;
        }
    }
    return tree(lane, 0, 1);
}

START_TEST(sums_run_in_sixteen_lanes_and_fold_as_a_tree) {
    uint64_t seed = 8;
    float a[MAX_N], b[MAX_N];
    int unlike = 0;
    for (int n = 0; n <= MAX_N; n++) {
        fill(a, n, &seed);
        fill(b, n, &seed);
        CK_BITS(tl_sum_lanes(a, n), sum_by_lanes(a, NULL, n));
        CK_BITS(tl_dot_lanes(a, b, n), sum_by_lanes(a, b, n));
        float plain = 0.0f;
        for (int i = 0; i < n; i++)
            plain += a[i];
        unlike += plain != tl_sum_lanes(a, n);
    }
    ck_assert_int_gt(unlike, MAX_N / 2); /* the data tells orders apart */
}
END_TEST

START_TEST(sums_start_at_plus_zero) {
    const float zeros[2] = {-0.0f, -0.0f};
    CK_BITS(tl_sum_lanes(zeros, 2), 0.0f);
    CK_BITS(tl_sum_lanes(NULL, 0), 0.0f);
    CK_BITS(tl_dot_lanes(zeros, (const float[]){1.0f, 1.0f}, 2), 0.0f);
}
END_TEST

START_TEST(products_in_a_dot_are_rounded_before_they_are_added) {
    const float x = 1.0f + 0x1p-12f; /* x^2 = 1 + 2^-11 + 2^-24 rounds to 1 + 2^-11 */
    float a[17] = {-(1.0f + 0x1p-11f)}, b[17] = {1.0f};
    a[16] = b[16] = x; /* the same lane, so that a fused step would leave 2^-24 */
    CK_BITS(tl_dot_lanes(a, b, 17), 0.0f);
}
END_TEST

static Suite *math_suite(void) {
    Suite *s = suite_create("math");
    TCase *t = tcase_create("math");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, enter, leave);
    tcase_add_loop_test(t, errors_stay_below_the_stated_bounds_over_all_floats, 0, N_FUNCTIONS);
    tcase_add_loop_test(t, results_are_the_golden_bits, 0, N_FUNCTIONS);
    tcase_add_loop_test(t, activations_follow_their_formulas, 0, N_ACTIVATIONS);
    tcase_add_test(t, special_values_are_exact);
    tcase_add_test(t, sincos_is_close_near_and_far_and_golden);
    tcase_add_test(t, sincos_is_odd_and_even_and_nan_for_what_is_not_finite);
    tcase_add_test(t, pow_of_rope_frequencies_is_within_4_ulp_of_libm);
    tcase_add_test(t, pow_has_stated_edges);
    tcase_add_test(t, ln_is_within_4_ulp_of_libm);
    tcase_add_test(t, float_to_int_rounds_half_to_even);
    tcase_add_test(t, max_takes_the_second_unless_the_first_is_greater);
    tcase_add_test(t, x13_rounds_to_13_bits_half_to_even);
    tcase_add_test(t, x13_has_the_stated_ends);
    tcase_add_test(t, x13_times_f16_is_exact);
    tcase_add_test(t, every_f16_decodes_exactly_and_comes_back);
    tcase_add_test(t, f32_to_f16_rounds_to_nearest_even);
    tcase_add_test(t, bf16_is_the_upper_half_rounded_to_even);
    tcase_add_test(t, sums_run_in_sixteen_lanes_and_fold_as_a_tree);
    tcase_add_test(t, sums_start_at_plus_zero);
    tcase_add_test(t, products_in_a_dot_are_rounded_before_they_are_added);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(math_suite());
}
