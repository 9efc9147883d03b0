/* panel.c: packed panels (backends/cpu/pack.c) times quantised rows with AVX2. A vector holds 4 values of 8 rows, so a panel has two
 * halves; maddubs adds pairs in 16 bits: 15 * 127 * 2 for nibbles (eight such fit), |-128| * 127 * 2 = 32,512 for bytes (one fits), where
 * the sign of the weight goes to x, which is never -128. The float step follows quant.h operation by operation; m * bsum has 11 + 12
 * bits, is exact, and may be fused. */
#include "backends/cpu/isa/avx2/avx2.h"

#ifdef TL_HAVE_LEVEL
#include <immintrin.h>
#include <string.h>

#define INL static inline __attribute__((always_inline))
enum { MOST_COLUMNS = 4 };

INL __m256i four(const int8_t *q) {
    int32_t v;
    memcpy(&v, q, 4);
    return _mm256_set1_epi32(v);
}

INL __m256i sum_pairs(__m256i v) {
    return _mm256_madd_epi16(v, _mm256_set1_epi16(1));
}

/* Integer dots of 8 rows with C columns over one block. */
INL void ints4(const uint8_t *quants, const tl_x32 *const *x, int64_t b, int C, __m256i *sum) {
    const __m256i low = _mm256_set1_epi8(15);
    __m256i s[MOST_COLUMNS];
    for (int c = 0; c < C; c++)
        s[c] = _mm256_setzero_si256();
    for (int g = 0; g < 4; g++) {
        __m256i w = _mm256_loadu_si256((const void *)(quants + g * 64)), l = _mm256_and_si256(w, low);
        __m256i h = _mm256_and_si256(_mm256_srli_epi16(w, 4), low);
        for (int c = 0; c < C; c++) {
            s[c] = _mm256_add_epi16(s[c], _mm256_maddubs_epi16(l, four(x[c][b].q + 4 * g)));
            s[c] = _mm256_add_epi16(s[c], _mm256_maddubs_epi16(h, four(x[c][b].q + 16 + 4 * g)));
        }
    }
    for (int c = 0; c < C; c++)
        sum[c] = sum_pairs(s[c]);
}

/* Four bits, one a byte, to bit 4 of that byte: x * 0x204081 puts bit i of a nibble at bit 8 i. */
INL __m256i fifth_bits(__m256i bits, int at) {
    __m256i nibble = _mm256_and_si256(_mm256_srli_epi32(bits, at), _mm256_set1_epi32(15));
    __m256i spread = _mm256_and_si256(_mm256_mullo_epi32(nibble, _mm256_set1_epi32(0x204081)), _mm256_set1_epi32(0x01010101));
    return _mm256_slli_epi32(spread, 4);
}

/* Group 0 holds the fifth bits of all 32 elements. 31 * 127 * 2 fits four times. */
INL void ints5(const uint8_t *quants, const tl_x32 *const *x, int64_t b, int C, __m256i *sum) {
    const __m256i low = _mm256_set1_epi8(15), fifth = _mm256_loadu_si256((const void *)quants);
    for (int c = 0; c < C; c++)
        sum[c] = _mm256_setzero_si256();
    for (int g = 0; g < 4; g++) {
        __m256i w = _mm256_loadu_si256((const void *)(quants + 64 + g * 64));
        __m256i l = _mm256_or_si256(_mm256_and_si256(w, low), fifth_bits(fifth, 4 * g));
        __m256i h = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(w, 4), low), fifth_bits(fifth, 16 + 4 * g));
        for (int c = 0; c < C; c++) {
            __m256i s = _mm256_maddubs_epi16(l, four(x[c][b].q + 4 * g));
            s = _mm256_add_epi16(s, _mm256_maddubs_epi16(h, four(x[c][b].q + 16 + 4 * g)));
            sum[c] = _mm256_add_epi32(sum[c], sum_pairs(s));
        }
    }
}

INL void ints8(const uint8_t *quants, const tl_x32 *const *x, int64_t b, int C, __m256i *sum) {
    for (int c = 0; c < C; c++)
        sum[c] = _mm256_setzero_si256();
    for (int g = 0; g < 8; g++) {
        __m256i w = _mm256_loadu_si256((const void *)(quants + g * 64)), a = _mm256_abs_epi8(w);
        for (int c = 0; c < C; c++)
            sum[c] = _mm256_add_epi32(sum[c], sum_pairs(_mm256_maddubs_epi16(a, _mm256_sign_epi8(four(x[c][b].q + 4 * g), w))));
    }
}

INL size_t head_bytes(tl_dtype type) {
    return type == TL_Q4_1 || type == TL_Q5_1 ? 64 : 32;
}

INL size_t block_bytes(tl_dtype type) {
    return head_bytes(type) + (type == TL_Q8_0 ? 512 : type == TL_Q5_0 || type == TL_Q5_1 ? 320 : 256);
}

/* Adds block b of 8 rows times C columns to acc. p is the packed block. type and C are constants wherever this is inlined. */
INL void add_block(tl_dtype type, int C, __m256 *acc, const uint8_t *p, int half, const tl_x32 *const *v, int64_t b) {
    const int offset = type == TL_Q4_0 ? 8 : type == TL_Q5_0 ? 16 : 0;
    const uint8_t *quants = p + head_bytes(type) + 32 * half;
    __m256i sum[MOST_COLUMNS];
    if (type == TL_Q8_0)
        ints8(quants, v, b, C, sum);
    else if (type == TL_Q5_0 || type == TL_Q5_1)
        ints5(quants, v, b, C, sum);
    else
        ints4(quants, v, b, C, sum);
    __m256 d = _mm256_cvtph_ps(_mm_loadu_si128((const void *)(p + 16 * half)));
    for (int c = 0; c < C; c++) {
        __m256 dx = _mm256_set1_ps(v[c][b].d);
        if (offset)
            sum[c] = _mm256_sub_epi32(sum[c], _mm256_set1_epi32(offset * v[c][b].bsum));
        __m256 isum = _mm256_cvtepi32_ps(sum[c]), term;
        if (type == TL_Q4_1 || type == TL_Q5_1) {
            __m256 m = _mm256_cvtph_ps(_mm_loadu_si128((const void *)(p + 32 + 16 * half)));
            term = _mm256_mul_ps(_mm256_fmadd_ps(m, _mm256_set1_ps((float)v[c][b].bsum), _mm256_mul_ps(isum, d)), dx);
        } else {
            term = _mm256_mul_ps(isum, _mm256_mul_ps(d, dx));
        }
        acc[c] = _mm256_add_ps(acc[c], term);
    }
}

/* One column: both halves together, so that the panel is read once, in order. */
INL void one_column(tl_dtype type, float *y, const uint8_t *p, const void *x, int64_t k) {
    const tl_x32 *v = x;
    __m256 acc[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int64_t b = 0; b < k / 32; b++, p += block_bytes(type))
        for (int half = 0; half < 2; half++)
            add_block(type, 1, &acc[half], p, half, &v, b);
    _mm256_storeu_ps(y, acc[0]);
    _mm256_storeu_ps(y + 8, acc[1]);
}

/* Several: half after half, because the sums of both would not fit the registers; the panel stays in the first cache. */
INL void columns(tl_dtype type, float *y, int64_t y_stride, const uint8_t *panel, const void *x, size_t x_stride, int64_t k) {
    const tl_x32 *v[MOST_COLUMNS];
    for (int c = 0; c < MOST_COLUMNS; c++)
        v[c] = (const void *)((const char *)x + (size_t)c * x_stride);
    for (int half = 0; half < 2; half++) {
        const uint8_t *p = panel;
        __m256 acc[MOST_COLUMNS];
        for (int c = 0; c < MOST_COLUMNS; c++)
            acc[c] = _mm256_setzero_ps();
        for (int64_t b = 0; b < k / 32; b++, p += block_bytes(type))
            add_block(type, MOST_COLUMNS, acc, p, half, v, b);
        for (int c = 0; c < MOST_COLUMNS; c++)
            _mm256_storeu_ps(y + c * y_stride + 8 * half, acc[c]);
    }
}

#define PANEL(name, type)                                                                                                             \
    void tl_avx2_panel_##name(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) { \
        int c = 0;                                                                                                                    \
        for (; c + MOST_COLUMNS <= n_cols; c += MOST_COLUMNS)                                                                         \
            columns(type, y + c * y_stride, y_stride, panel, (const char *)x + (size_t)c * x_stride, x_stride, k);                    \
        for (; c < n_cols; c++)                                                                                                       \
            one_column(type, y + c * y_stride, panel, (const char *)x + (size_t)c * x_stride, k);                                     \
    }

PANEL(q4_0, TL_Q4_0)
PANEL(q4_1, TL_Q4_1)
PANEL(q5_0, TL_Q5_0)
PANEL(q5_1, TL_Q5_1)
PANEL(q8_0, TL_Q8_0)
#endif
