/* math.h: the law of float arithmetic (ARCHITECTURE.md, "Numerics"): the elementary functions, conversions and folds of which every
 * result in Tally is made, each a fixed sequence of + - * / and exact steps, every operation rounded apart. No libm.
 *
 * The scalar functions here are the definition. Vector code of an instruction set does the same operations in the same order on
 * its lanes and is compared bit for bit. Errors are stated in ulp of the float result and tested against libm. NaN in, NaN out;
 * which NaN is not promised. Kernels of each instruction set include this file: only `static inline` functions, because the
 * linker may keep any copy of another. The few functions for load time, and the sums over a row, are in math.c.
 */
#ifndef TALLY_MATH_H
#define TALLY_MATH_H

#include <float.h>
#include <stdint.h>
#include <string.h>

#ifdef __FAST_MATH__
#error "Tally promises the same bits everywhere: build it without -ffast-math"
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Tally reads the little-endian blocks of GGUF files where they lie: it needs a little-endian machine"
#endif
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "float arithmetic must be binary32 throughout: on 32-bit x86 use -msse2 -mfpmath=sse"
#endif

/* ---- bits -------------------------------------------------------------------------------------------------------------- */

#define TL_INF_BITS 0x7F800000u
#define TL_NAN_BITS 0x7FC00000u /* the NaN that digests and comparisons map every NaN to */
#define TL_SIGN_BIT 0x80000000u

static inline uint32_t tl_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float tl_real(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline uint64_t tl_bits64(double x) {
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline double tl_real64(uint64_t u) {
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* |x| and |x| with the sign of s, for NaN too. */
static inline float tl_absf(float x) {
    return tl_real(tl_bits(x) & ~TL_SIGN_BIT);
}

static inline float tl_signf(float x, float s) {
    return tl_real((tl_bits(x) & ~TL_SIGN_BIT) | (tl_bits(s) & TL_SIGN_BIT));
}

/* The max of every reduction: b where they are equal or either is NaN. */
static inline float tl_maxf(float a, float b) {
    return a > b ? a : b;
}

/* The order of floats as integers, for what compares (argmax, topk): -0 equals +0, NaN is below all. */
static inline int32_t tl_order_key(float x) {
    uint32_t u = tl_bits(x), a = u & ~TL_SIGN_BIT;
    if (a > TL_INF_BITS)
        return INT32_MIN;
    return u & TL_SIGN_BIT ? -(int32_t)a : (int32_t)a;
}

/* Nearest integer, half to even, |v| < 2^22: adding 1.5 * 2^23 leaves it in the low bits. */
static inline int32_t tl_rne_int(float v) {
    return (int32_t)(tl_bits(v + 12582912.0f) - 0x4B400000u);
}

/* ---- exp and its kin ----------------------------------------------------------------------------------------------------- */

/* e^x, error below 1 ulp. n = rne(x log2 e); r = x - n ln 2 with ln 2 in two pieces (the first has 15 bits and n at most 8, so that
 * product is exact); e^r = 1 + (r + r^2 q(r)); 2^n goes into the exponent field, where the low bits of t already hold n.
 * Below ln 2^-126 the result is +0 and above ln FLT_MAX it is inf, so no denormal ever comes out. */
static inline float tl_expf(float x) {
    float t = x * 0x1.715476p+0f + 0x1.8p+23f;
    float n = t - 0x1.8p+23f;
    float r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
    float q = (((0x1.6a2418p-10f * r + 0x1.1239fap-7f) * r + 0x1.5558f2p-5f) * r + 0x1.555492p-3f) * r + 0x1.fffffcp-2f;
    float p = 1.0f + (r + (r * r) * q);
    float y = tl_real(tl_bits(p) + (tl_bits(t) << 23));
    y = x < -0x1.5d589ep+6f ? 0.0f : y;
    y = x > 0x1.62e42ep+6f ? tl_real(TL_INF_BITS) : y;
    return x == x ? y : x;
}

static inline float tl_sigmoidf(float x) {
    return 1.0f / (1.0f + tl_expf(-x));
}

static inline float tl_siluf(float x) {
    return x / (1.0f + tl_expf(-x));
}

/* x / (1 + e^(-2u)) = x/2 (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x^3). */
static inline float tl_gelu_tanhf(float x) {
    float u = 0.79788456f * (x + (0.044715f * (x * x)) * x);
    return x / (1.0f + tl_expf(-2.0f * u));
}

/* ---- log, tanh, erf ------------------------------------------------------------------------------------------------------ */

/* Natural logarithm, error below 1 ulp. x = 2^k (1 + f) with 1 + f in [sqrt 1/2, sqrt 2); log(1 + f) = f - f^2/2 + f^3 P(f), P the
 * polynomial of Cephes' logf; k ln 2 in two pieces, the first exact. Denormals are scaled up first. log 0 = -inf, below 0: NaN. */
static inline float tl_logf(float x) {
    uint32_t u = tl_bits(x), scaled = 0;
    if (u < 0x00800000u) {
        u = tl_bits(x * 0x1p+23f);
        scaled = 23;
    }
    uint32_t v = u - 0x3F3504F3u;               /* the bits of sqrt 1/2 */
    uint32_t k = ((v >> 23) ^ 0x100u) - 0x100u; /* the top nine bits with their sign */
    float e = (float)(int32_t)(k - scaled);
    float f = tl_real((v & 0x007FFFFFu) + 0x3F3504F3u) - 1.0f;
    float z = f * f;
    float p = ((((((((7.0376836292e-2f * f - 1.1514610310e-1f) * f + 1.1676998740e-1f) * f - 1.2420140846e-1f) * f + 1.4249322787e-1f) * f -
                  1.6668057665e-1f) *
                     f +
                 2.0000714765e-1f) *
                    f -
                2.4999993993e-1f) *
                   f +
               3.3333331174e-1f) *
              (f * z);
    float y = (f + ((p + e * -2.12194440e-4f) - 0.5f * z)) + e * 0.693359375f;
    y = x == tl_real(TL_INF_BITS) ? x : y;
    y = x == 0.0f ? tl_real(TL_INF_BITS | TL_SIGN_BIT) : y;
    return x >= 0.0f ? y : tl_real(TL_NAN_BITS);
}

/* Hyperbolic tangent, error below 2 ulp: an odd polynomial (Cephes) below 0.625, else 1 - 2 / (e^(2|x|) + 1). The sign is set last,
 * because the polynomial would give +0 for -0. */
static inline float tl_tanhf(float x) {
    float a = tl_absf(x), z = x * x;
    float s = 2.0f / (tl_expf(a + a) + 1.0f);
    float p =
        ((((-5.70498872745e-3f * z + 2.06390887954e-2f) * z - 5.37397155531e-2f) * z + 1.33314422036e-1f) * z - 3.33332819422e-1f) * z * x +
        x;
    return tl_signf(a < 0.625f ? p : 1.0f - s, x);
}

/* Error function, error below 2 ulp. Below 1: x + x P(x^2). Above: 1 - e^Q(|x|), Q fitted to log erfc on [1, 4], where an error
 * of erfc weighs less than a sixth of itself; from 4 on the result is 1. (Least squares fits, reweighted towards minimax.) */
static inline float tl_erff(float x) {
    float a = tl_absf(x), z = x * x;
    float p =
        (((((0x1.4ae4aap-14f * z - 0x1.a485dep-11f) * z + 0x1.5419f4p-8f) * z - 0x1.b7fbb4p-6f) * z + 0x1.ce2d2p-4f) * z - 0x1.81273ep-2f) *
            z +
        0x1.06eba8p-3f;
    float c = a < 4.0f ? a : 4.0f;
    float q = ((((((-0x1.6bd952p-16f * c + 0x1.cec71cp-12f) * c - 0x1.138d18p-8f) * c + 0x1.9d0344p-6f) * c - 0x1.bc153p-4f) * c -
                0x1.443564p-1f) *
                   c -
               0x1.212c0ep+0f) *
                  c +
              0x1.8a5d7cp-13f;
    float y = a < 1.0f ? x + x * p : tl_signf(1.0f - tl_expf(q), x);
    return x == x ? y : x;
}

static inline float tl_gelu_erff(float x) {
    return (0.5f * x) * (1.0f + tl_erff(x * 0.70710678f));
}

/* ---- sin and cos --------------------------------------------------------------------------------------------------------- */

/* The far part of the reduction below, for finite |x| > 2^20 (math.c): x - n pi/2 with n the nearest integer, n mod 4 in *quadrant. */
double tl_reduce_far(double x, uint64_t *quadrant);

/* Sine and cosine in double for every finite x, error below 2^-52 up to 2^20 and 2^-51 beyond; NaN for inf and NaN. Up to 2^20,
 * n pi/2 is taken off in three pieces, of which the first two have 33 bits (exact products); on [-pi/4, pi/4] the polynomials have
 * fdlibm's coefficients. */
static inline void tl_sincos(double x, double *sine, double *cosine) {
    double t = x * 0x1.45f306dc9c883p-1 + 0x1.8p+52;
    double n = t - 0x1.8p+52;
    double r = ((x - n * 0x1.921fb544p+0) - n * 0x1.0b4611a6p-34) - n * 0x1.3198a2e037073p-69;
    uint64_t k = tl_bits64(t);
    if (!(x <= 0x1p+20 && x >= -0x1p+20)) {
        r = tl_reduce_far(x, &k);
    }
    double z = r * r;
    double s = r + r * z *
                       (-1.66666666666666324348e-01 +
                        z * (8.33333333332248946124e-03 +
                             z * (-1.98412698298579493134e-04 +
                                  z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
    double c =
        1.0 -
        (0.5 * z - z * z *
                       (4.16666666666666019037e-02 +
                        z * (-1.38888888888741095749e-03 +
                             z * (2.48015872894767294178e-05 + z * (-2.75573143513906633035e-07 +
                                                                    z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))))));
    s = r == 0.0 ? r : s; /* keeps -0 */
    double odd = k & 1 ? c : s, even = k & 1 ? s : c;
    *sine = k & 2 ? -odd : odd;
    *cosine = (k + 1) & 2 ? -even : even;
}

/* By tl_sincos, rounded to float: error below 0.501 ulp. */
static inline float tl_sinf(float x) {
    double s, c;
    tl_sincos((double)x, &s, &c);
    return (float)s;
}

static inline float tl_cosf(float x) {
    double s, c;
    tl_sincos((double)x, &s, &c);
    return (float)c;
}

/* ---- narrower floats ------------------------------------------------------------------------------------------------------ */

/* x to 13 significant bits, half to even, so that its product with an f16 is exact in f32. |x| < 2^-100 gives a zero and |x| >= 2^100 inf,
 * both with x's sign (no product of such with an f16 leaves the normal range); NaN stays. */
static inline float tl_x13(float x) {
    uint32_t u = tl_bits(x), sign = u & TL_SIGN_BIT, a = u ^ sign;
    uint32_t r = (a + 0x3FFu + ((a >> 11) & 1u)) & ~0x7FFu;
    r = a < 0x0D800000u ? 0u : r;           /* 2^-100 */
    r = a >= 0x71800000u ? TL_INF_BITS : r; /* 2^100 */
    r = a > TL_INF_BITS ? TL_NAN_BITS : r;
    return tl_real(r | sign);
}

/* Exact; a signalling NaN becomes quiet. */
static inline float tl_f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, a = h & 0x7FFFu;
    uint32_t normal = (a << 13) + 0x38000000u;                 /* the exponent's bias: 127 - 15 */
    uint32_t denormal = tl_bits((float)(int32_t)a * 0x1p-24f); /* exact: a < 2^10 */
    uint32_t special = (a << 13) | TL_INF_BITS | (a > 0x7C00u ? 0x00400000u : 0u);
    uint32_t r = a < 0x0400u ? denormal : normal;
    return tl_real((a >= 0x7C00u ? special : r) | sign);
}

/* Nearest, half to even; overflow gives inf, NaN a quiet NaN with what fits of its payload. */
static inline uint16_t tl_f32_to_f16(float x) {
    uint32_t u = tl_bits(x), sign = (u >> 16) & 0x8000u, a = u & ~TL_SIGN_BIT;
    uint32_t r;
    if (a > TL_INF_BITS) {
        r = 0x7E00u | ((a >> 13) & 0x3FFu);
    } else if (a >= 0x477FF000u) { /* 65520, halfway between the largest f16 and the next */
        r = 0x7C00u;
    } else if (a < 0x38800000u) { /* 2^-14: a denormal; adding 0.5 leaves it, rounded, in the low bits */
        r = tl_bits(tl_real(a) + 0.5f) - 0x3F000000u;
    } else {
        r = (a - 0x38000000u + 0xFFFu + ((a >> 13) & 1u)) >> 13;
    }
    return (uint16_t)(r | sign);
}

static inline float tl_bf16_to_f32(uint16_t h) {
    return tl_real((uint32_t)h << 16);
}

/* Nearest, half to even; NaN becomes a quiet NaN. */
static inline uint16_t tl_f32_to_bf16(float x) {
    uint32_t u = tl_bits(x);
    uint32_t r = (u + 0x7FFFu + ((u >> 16) & 1u)) >> 16;
    return (uint16_t)((u & ~TL_SIGN_BIT) > TL_INF_BITS ? (u >> 16) | 0x40u : r);
}

/* ---- sums over a row: 16 lanes, element i to lane i mod 16 ------------------------------------------------------------------ */

/* The lanes as a tree: l[j] += l[j + 8], then + 4, + 2, + 1. */
static inline float tl_fold16(const float lane[16]) {
    float l[8];
    for (int j = 0; j < 8; j++) {
        l[j] = lane[j] + lane[j + 8];
    }
    for (int j = 0; j < 4; j++) {
        l[j] += l[j + 4];
    }
    return (l[0] + l[2]) + (l[1] + l[3]);
}

/* sum x[i] and sum a[i] * b[i] (each product rounded before it is added), lanes start at +0, then the fold. */
float tl_sum_lanes(const float *x, int64_t n);
float tl_dot_lanes(const float *a, const float *b, int64_t n);

/* ---- for load time, in double ----------------------------------------------------------------------------------------------- */

/* Natural logarithm of a positive finite normal x, relative error below 2^-51; anything else gives NaN. */
double tl_ln(double x);
/* x^y for a positive finite normal x and a finite y, relative error below 1e-14 for |y| <= 1; anything else gives NaN. */
double tl_pow(double x, double y);

#endif
