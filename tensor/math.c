/* math.c: the parts of math.h that are not inline: sums over a row, the reduction of far angles, and log and pow in double for what is
 * computed once at load (rope frequencies). The same law: fixed sequences of + - * /, no libm. */
#include "tensor/math.h"

#include <stdbool.h>

/* ---- sums ---------------------------------------------------------------------------------------------------------------- */

float tl_sum_lanes(const float *x, int64_t n) {
    float lane[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (int j = 0; j < 16; j++) {
            lane[j] += x[i + j];
        }
    }
    for (int j = 0; i < n; i++, j++) {
        lane[j] += x[i];
    }
    return tl_fold16(lane);
}

float tl_dot_lanes(const float *a, const float *b, int64_t n) {
    float lane[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (int j = 0; j < 16; j++) {
            lane[j] += a[i + j] * b[i + j];
        }
    }
    for (int j = 0; i < n; i++, j++) {
        lane[j] += a[i] * b[i];
    }
    return tl_fold16(lane);
}

/* ---- far angles ------------------------------------------------------------------------------------------------------------ */

/* Bits of 2/pi after 63 zeros and the one before the point: bit p from the left weighs 2^(63 - p). */
static const uint32_t two_over_pi[40] = {
    0x00000000u, 0x00000000u, 0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u, 0xF534DDC0u, 0xDB629599u, 0x3C439041u, 0xFE5163ABu, 0xDEBBC561u,
    0xB7246E3Au, 0x424DD2E0u, 0x06492EEAu, 0x09D1921Cu, 0xFE1DEB1Cu, 0xB129A73Eu, 0xE88235F5u, 0x2EBB4484u, 0xE99C7026u, 0xB45F7E41u,
    0x3991D639u, 0x835339F4u, 0x9C845F8Bu, 0xBDF9283Bu, 0x1FF897FFu, 0xDE05980Fu, 0xEF2F118Bu, 0x5A0A6D1Fu, 0x6D367ECFu, 0x27CB09B7u,
    0x4F463F66u, 0x9E5FEA2Du, 0x7527BAC7u, 0xEBE5F17Bu, 0x3D0739F7u, 0x8A5292EAu, 0x6BFB5FB1u, 0x1F8D5D08u, 0x56033046u, 0xFC7B6BABu,
};

/* Payne and Hanek: x = m 2^e with m an integer; bits of 2/pi that m 2^e lifts to multiples of 4 cannot matter, so 192 bits from bit
 * e - 1 after the point on give x 2/pi mod 4 with 190 bits after the point, of which cancellation eats at most some 62. */
double tl_reduce_far(double x, uint64_t *quadrant) {
    uint64_t u = tl_bits64(x);
    int exponent = (int)(u >> 52 & 0x7FF);
    if (exponent == 0x7FF) {
        *quadrant = 0;
        return tl_real64(0x7FF8000000000000u);
    }
    uint64_t m = (u & 0xFFFFFFFFFFFFFu) | 0x10000000000000u;
    int at = exponent - 1023 - 52 + 62; /* e + 62: where bit e - 1 stands in the table; 30 or more as |x| > 2^20 */
    uint32_t window[6];                 /* least word first */
    for (int i = 0; i < 6; i++) {
        int word = at / 32 + 5 - i;
        uint64_t two = (uint64_t)two_over_pi[word] << 32 | two_over_pi[word + 1];
        window[i] = (uint32_t)(two << at % 32 >> 32);
    }
    uint32_t product[6] = {0}; /* m * window mod 2^192 */
    for (int half = 0; half < 2; half++) {
        uint64_t factor = half ? m >> 32 : m & 0xFFFFFFFFu, carry = 0;
        for (int i = 0; i + half < 6; i++) {
            carry += product[i + half] + factor * window[i];
            product[i + half] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    uint64_t k = product[5] >> 30;
    bool up = product[5] >> 29 & 1u; /* a fraction of one half or more: one quadrant further, and back by the rest */
    double fraction = 0.0;
    uint64_t borrow = up;
    for (int i = 0; i < 6; i++) {
        uint32_t w = product[i] << 2 | (i > 0 ? product[i - 1] >> 30 : 0u);
        if (up) { /* two's complement, word by word */
            borrow += (uint32_t)~w;
            w = (uint32_t)borrow;
            borrow >>= 32;
        }
        fraction = (fraction + (double)w) * 0x1p-32;
    }
    k += up;
    double r = fraction * 0x1.921fb54442d18p+0;
    bool negative = u >> 63;
    *quadrant = negative ? 0 - k : k;
    return up != negative ? -r : r;
}

/* ---- log and pow ------------------------------------------------------------------------------------------------------------- */

static bool is_positive_normal(double x) {
    return x >= 0x1p-1022 && x <= 0x1.fffffffffffffp+1023;
}

/* x = 2^k m with m in [sqrt 1/2, sqrt 2); returns log m = 2 (s + s^3/3 + s^5/5 ...), s = (m - 1) / (m + 1), s^2 < 0.0295. */
static double split_log(double x, int *k) {
    uint64_t v = tl_bits64(x) - 0x3FE6A09E667F3BCDu; /* the bits of sqrt 1/2 */
    double m = tl_real64((v & 0xFFFFFFFFFFFFFu) + 0x3FE6A09E667F3BCDu);
    *k = (int)(((v >> 52) ^ 0x800u) - 0x800u);
    double s = (m - 1.0) / (m + 1.0), z = s * s, p = 0.0;
    for (int i = 21; i > 1; i -= 2) {
        p = p * z + 1.0 / i;
    }
    return 2.0 * s + (2.0 * s) * (z * p);
}

double tl_ln(double x) {
    if (!is_positive_normal(x)) {
        return tl_real64(0x7FF8000000000000u);
    }
    int k;
    double f = split_log(x, &k);
    return k * 0x1.62e42feep-1 + (f + k * 0x1.a39ef35793c76p-33); /* ln 2 in two pieces, the first product exact */
}

/* 2^(y log2 x), log2 x = k + f. y k is kept exact by cutting y in two, so that a large k costs no precision. */
double tl_pow(double x, double y) {
    if (!is_positive_normal(x) || !(y - y == 0.0)) {
        return tl_real64(0x7FF8000000000000u);
    }
    int k;
    double f = split_log(x, &k) * 0x1.71547652b82fep+0;
    double size = y * (k + f);
    if (size > 1025.0) {
        return tl_real64(0x7FF0000000000000u);
    }
    if (size < -1080.0) {
        return 0.0;
    }
    double high = tl_real64(tl_bits64(y) & ~(uint64_t)0x7FFFFFF), low = y - high;
    double n = (size + 0x1.8p+52) - 0x1.8p+52;
    double s = (high * k - n) + (low * k + y * f);
    double u = s * 0x1.62e42fefa39efp-1, p = 1.0; /* e^u = 1 + u/1 (1 + u/2 (1 + u/3 ...)), |u| < 0.36 */
    for (int i = 15; i > 0; i--) {
        p = 1.0 + u * p / i;
    }
    int64_t a = (int64_t)n / 2, b = (int64_t)n - a; /* in two steps, so that neither leaves the exponents of a double */
    return p * tl_real64((uint64_t)(1023 + a) << 52) * tl_real64((uint64_t)(1023 + b) << 52);
}
