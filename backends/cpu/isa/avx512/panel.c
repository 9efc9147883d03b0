/* panel.c: packed panels (backends/cpu/pack.c) times quantised rows with AVX-512 VNNI. A vector holds 4 values of all 16 rows. dpbusd wants
 * its first operand unsigned: nibbles are; bytes are moved by +128, and the accumulator starts at -128 * bsum (Q4_0: at -8 * bsum, Q5_0:
 * at -16 * bsum), all exact. The float step follows quant.h operation by operation; m * bsum has 11 + 12 bits, is exact, and may be
 * fused. */
#include "backends/cpu/isa/avx512/avx512.h"

#ifdef TL_HAVE_LEVEL
#include <immintrin.h>
#include <string.h>

#define INL static inline __attribute__((always_inline))
enum { MOST_COLUMNS = 8 };

INL __m512i four(const int8_t *q) {
    int32_t v;
    memcpy(&v, q, 4);
    return _mm512_set1_epi32(v);
}

INL void ints4(const uint8_t *quants, const tl_x32 *const *x, int64_t b, int C, __m512i *sum) {
    const __m512i low = _mm512_set1_epi8(15);
    for (int g = 0; g < 4; g++) {
        __m512i w = _mm512_loadu_si512(quants + g * 64), l = _mm512_and_si512(w, low), h = _mm512_and_si512(_mm512_srli_epi16(w, 4), low);
        for (int c = 0; c < C; c++) {
            sum[c] = _mm512_dpbusd_epi32(sum[c], l, four(x[c][b].q + 4 * g));
            sum[c] = _mm512_dpbusd_epi32(sum[c], h, four(x[c][b].q + 16 + 4 * g));
        }
    }
}

/* Four bits, one a byte, to bit 4 of that byte: x * 0x204081 puts bit i of a nibble at bit 8 i. */
INL __m512i fifth_bits(__m512i bits, unsigned at) {
    __m512i nibble = _mm512_and_si512(_mm512_srli_epi32(bits, at), _mm512_set1_epi32(15));
    __m512i spread = _mm512_and_si512(_mm512_mullo_epi32(nibble, _mm512_set1_epi32(0x204081)), _mm512_set1_epi32(0x01010101));
    return _mm512_slli_epi32(spread, 4);
}

/* Group 0 holds the fifth bits of all 32 elements. */
INL void ints5(const uint8_t *quants, const tl_x32 *const *x, int64_t b, int C, __m512i *sum) {
    const __m512i low = _mm512_set1_epi8(15), fifth = _mm512_loadu_si512(quants);
    for (int g = 0; g < 4; g++) {
        __m512i w = _mm512_loadu_si512(quants + 64 + g * 64);
        __m512i l = _mm512_or_si512(_mm512_and_si512(w, low), fifth_bits(fifth, 4 * (unsigned)g));
        __m512i h = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(w, 4), low), fifth_bits(fifth, 16 + 4 * (unsigned)g));
        for (int c = 0; c < C; c++) {
            sum[c] = _mm512_dpbusd_epi32(sum[c], l, four(x[c][b].q + 4 * g));
            sum[c] = _mm512_dpbusd_epi32(sum[c], h, four(x[c][b].q + 16 + 4 * g));
        }
    }
}

INL void ints8(const uint8_t *quants, const tl_x32 *const *x, int64_t b, int C, __m512i *sum) {
    const __m512i flip = _mm512_set1_epi8((char)-128);
    for (int g = 0; g < 8; g++) {
        __m512i w = _mm512_xor_si512(_mm512_loadu_si512(quants + g * 64), flip);
        for (int c = 0; c < C; c++)
            sum[c] = _mm512_dpbusd_epi32(sum[c], w, four(x[c][b].q + 4 * g));
    }
}

/* C columns of a panel; type is a constant wherever this is inlined. */
INL void columns(tl_dtype type, int C, float *y, int64_t y_stride, const uint8_t *p, const void *x, size_t x_stride, int64_t k) {
    const bool min = type == TL_Q4_1 || type == TL_Q5_1, five = type == TL_Q5_0 || type == TL_Q5_1;
    const size_t head = min ? 64 : 32, bytes = head + (type == TL_Q8_0 ? 512 : five ? 320 : 256);
    const int offset = type == TL_Q4_0 ? -8 : type == TL_Q5_0 ? -16 : type == TL_Q8_0 ? -128 : 0;
    const tl_x32 *v[MOST_COLUMNS];
    __m512 acc[MOST_COLUMNS];
    for (int c = 0; c < C; c++) {
        v[c] = (const void *)((const char *)x + (size_t)c * x_stride);
        acc[c] = _mm512_setzero_ps();
    }
    for (int64_t b = 0; b < k / 32; b++, p += bytes) {
        __m512i sum[MOST_COLUMNS];
        for (int c = 0; c < C; c++)
            sum[c] = _mm512_set1_epi32(offset * v[c][b].bsum);
        if (type == TL_Q8_0)
            ints8(p + head, v, b, C, sum);
        else if (five)
            ints5(p + head, v, b, C, sum);
        else
            ints4(p + head, v, b, C, sum);
        __m512 d = _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p));
        for (int c = 0; c < C; c++) {
            __m512 dx = _mm512_set1_ps(v[c][b].d), isum = _mm512_cvtepi32_ps(sum[c]), term;
            if (min) {
                __m512 m = _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(p + 32)));
                term = _mm512_mul_ps(_mm512_fmadd_ps(m, _mm512_set1_ps((float)v[c][b].bsum), _mm512_mul_ps(isum, d)), dx);
            } else {
                term = _mm512_mul_ps(isum, _mm512_mul_ps(d, dx));
            }
            acc[c] = _mm512_add_ps(acc[c], term);
        }
    }
    for (int c = 0; c < C; c++)
        _mm512_storeu_ps(y + c * y_stride, acc[c]);
}

#define PANEL(name, type)                                                                                                               \
    void tl_avx512_panel_##name(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) { \
        int c = 0;                                                                                                                      \
        for (; c + MOST_COLUMNS <= n_cols; c += MOST_COLUMNS)                                                                           \
            columns(type, MOST_COLUMNS, y + c * y_stride, y_stride, panel, (const char *)x + (size_t)c * x_stride, x_stride, k);        \
        for (; c < n_cols; c++)                                                                                                         \
            columns(type, 1, y + c * y_stride, y_stride, panel, (const char *)x + (size_t)c * x_stride, x_stride, k);                   \
    }

PANEL(q4_0, TL_Q4_0)
PANEL(q4_1, TL_Q4_1)
PANEL(q5_0, TL_Q5_0)
PANEL(q5_1, TL_Q5_1)
PANEL(q8_0, TL_Q8_0)
#endif
