/* panel.c: packed panels (backends/cpu/pack.c) of blocks of 32 times quantised rows with AVX2. A vector holds 4 values of 8 rows, so a
 * panel has two halves. One column, or a few, are multiplied straight from the panel, at the speed of memory. For more, blocks are decoded
 * once to a *strip*, unsigned bytes that stay in the first cache, and tiles of 16 rows by 3 columns run over it.
 *
 * maddubs multiplies unsigned by signed bytes and adds pairs in 16 bits. Eight such pairs of nibbles fit (8 * 2 * 15 * 127), four of
 * 5-bit values, one of bytes. Q8_0 is |w| * (x ^ f) + n with f all ones where w < 0: there x ^ f is -x - 1, and n, the sum of the |w| of a
 * row's negative weights, puts it right. |w| <= 128 and -128 <= x ^ f <= 126 (127 where w > 0): two products are within 16 bits. */
#include "backends/cpu/isa/avx2/avx2.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx2/block.h"
#include "backends/cpu/isa/block_float.inl"
#include "backends/cpu/isa/interleave.inl"

/* Pins a running sum to its register: left alone, gcc computes all products first and spills them. */
#define KEEP(v) __asm__("" : "+x"(v))

enum { COLUMNS = 3 };       /* of a tile: 6 sums of integers, 6 of floats, two vectors of weights, one of x fill the registers */
enum { STRIP_BLOCKS = 16 }; /* blocks decoded at once: 8 KiB of weights */
enum { FEW = 3 };           /* columns up to which decoding each time is no dearer than a strip */
enum { AHEAD = 2048 };      /* bytes of prefetch: memory needs about 80 ns, which is this much at its speed */

INL __m256i sum_pairs(__m256i v) {
    return _mm256_madd_epi16(v, _mm256_set1_epi16(1));
}

/* acc + what a block adds. isum without its offset. */
INL __m256 add_block(tl_dtype t, __m256 acc, __m256i isum, __m256 d, __m256 m, __m256 dx, int32_t bsum) {
    if (zero_of(t))
        isum = _mm256_sub_epi32(isum, _mm256_set1_epi32(zero_of(t) * bsum));
    return with_block(t, acc, v_from_int(isum), d, m, dx, v_set((float)bsum));
}

/* ---- one column, straight from the panel or the rows ---- */

/* The integer dots of 8 rows over one block. */
INL __m256i dot8(tl_dtype t, const uint8_t *quants, const int8_t *x) {
    __m256i sum = _mm256_setzero_si256(), part;
    if (t == TL_Q8_0) {
        for (int g = 0; g < 8; g++) {
            __m256i w = load(quants + g * 64);
            part = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(vi_four(x + 4 * g), w));
            sum = _mm256_add_epi32(sum, sum_pairs(part));
        }
        return sum;
    }
    for (int i = 0; i < 2; i++) { /* four groups fit into 16 bits, also those of 5 bits */
        __m256i u[4];
        decode(t, quants, i, u);
        part = _mm256_add_epi16(_mm256_maddubs_epi16(u[0], vi_four(x + 8 * i)), _mm256_maddubs_epi16(u[1], vi_four(x + 8 * i + 4)));
        __m256i rest =
            _mm256_add_epi16(_mm256_maddubs_epi16(u[2], vi_four(x + 8 * i + 16)), _mm256_maddubs_epi16(u[3], vi_four(x + 8 * i + 20)));
        sum = _mm256_add_epi32(sum, sum_pairs(_mm256_add_epi16(part, rest)));
    }
    return sum;
}

INL void one_column(tl_dtype t, float *y, const uint8_t *panel, const source *rows, const tl_x32 *x, int64_t k) {
    uint8_t room[ROOM];
    __m256 acc[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int64_t b = 0; b < k / 32; b++) {
        const uint8_t *p = block_at(t, panel, rows, (size_t)b, room);
        for (size_t i = 0; i < block_bytes(t) && !rows; i += 64)
            _mm_prefetch((const char *)p + AHEAD + i, _MM_HINT_T0);
        __m256 dx = _mm256_set1_ps(x[b].d);
        for (int h = 0; h < 2; h++) {
            __m256 m = has_min(t) ? halves(p + 32 + 16 * h) : _mm256_setzero_ps();
            acc[h] = add_block(t, acc[h], dot8(t, p + head_bytes(t) + 32 * h, x[b].q), halves(p + 16 * h), m, dx, x[b].bsum);
        }
    }
    _mm256_storeu_ps(y, acc[0]);
    _mm256_storeu_ps(y + 8, acc[1]);
}

/* ---- many columns ---- */

typedef struct strip {
    __m256i u[STRIP_BLOCKS][8][2];
    __m256i flip[STRIP_BLOCKS][8][2], start[STRIP_BLOCKS][2]; /* Q8_0: f and n of above */
    __m256 d[STRIP_BLOCKS][2], m[STRIP_BLOCKS][2];
} strip;

INL void fill(tl_dtype t, strip *s, const uint8_t *p, int blocks) {
    for (int b = 0; b < blocks; b++, p += block_bytes(t))
        for (int h = 0; h < 2; h++) {
            const uint8_t *quants = p + head_bytes(t) + 32 * h;
            s->d[b][h] = halves(p + 16 * h);
            if (has_min(t))
                s->m[b][h] = halves(p + 32 + 16 * h);
            if (t == TL_Q8_0) {
                s->start[b][h] = _mm256_setzero_si256();
                for (int g = 0; g < 8; g++) {
                    __m256i w = load(quants + g * 64), u = _mm256_abs_epi8(w), f = _mm256_cmpgt_epi8(_mm256_setzero_si256(), w);
                    s->u[b][g][h] = u;
                    s->flip[b][g][h] = f;
                    __m256i negative = _mm256_maddubs_epi16(_mm256_and_si256(u, f), _mm256_set1_epi8(1));
                    s->start[b][h] = _mm256_add_epi32(s->start[b][h], sum_pairs(negative));
                }
            } else {
                for (int i = 0; i < 2; i++) {
                    __m256i u[4];
                    decode(t, quants, i, u);
                    for (int j = 0; j < 4; j++)
                        s->u[b][2 * i + j % 2 + j / 2 * 4][h] = u[j];
                }
            }
        }
}

/* Integer dots of block b with C columns, sum[h][c]: of bytes ... */
INL void ints8(int C, const strip *s, int b, const tl_x32 *const *x, __m256i sum[2][COLUMNS]) {
    const __m256i ones = _mm256_set1_epi16(1);
    for (int c = 0; c < C; c++)
        for (int h = 0; h < 2; h++)
            sum[h][c] = s->start[b][h];
    for (int g = 0; g < 8; g++)
        for (int c = 0; c < C; c++) {
            __m256i v = vi_four(x[c][b].q + 4 * g);
            for (int h = 0; h < 2; h++) {
                __m256i products = _mm256_maddubs_epi16(s->u[b][g][h], _mm256_xor_si256(v, s->flip[b][g][h]));
                sum[h][c] = _mm256_add_epi32(sum[h][c], _mm256_madd_epi16(products, ones));
                KEEP(sum[h][c]);
            }
        }
}

/* ... and of nibbles and 5-bit values, `fit` products added in 16 bits. */
INL void ints(int fit, int C, const strip *s, int b, const tl_x32 *const *x, __m256i sum[2][COLUMNS]) {
    for (int c = 0; c < C; c++)
        sum[0][c] = sum[1][c] = _mm256_setzero_si256();
    for (int g0 = 0; g0 < 8; g0 += fit) {
        __m256i part[2][COLUMNS];
        for (int c = 0; c < C; c++)
            for (int h = 0; h < 2; h++)
                part[h][c] = _mm256_setzero_si256();
        for (int g = g0; g < g0 + fit; g++)
            for (int c = 0; c < C; c++) {
                __m256i v = vi_four(x[c][b].q + 4 * g);
                for (int h = 0; h < 2; h++) {
                    part[h][c] = _mm256_add_epi16(part[h][c], _mm256_maddubs_epi16(s->u[b][g][h], v));
                    KEEP(part[h][c]);
                }
            }
        for (int c = 0; c < C; c++)
            for (int h = 0; h < 2; h++)
                sum[h][c] = _mm256_add_epi32(sum[h][c], sum_pairs(part[h][c]));
    }
}

/* Adds some blocks to y, the sums of 16 rows times C columns. */
INL void tile(tl_dtype t, int C, float *y, int64_t y_stride, const strip *s, int blocks, const tl_x32 *const *x) {
    __m256 acc[2][COLUMNS];
    for (int c = 0; c < C; c++)
        for (int h = 0; h < 2; h++)
            acc[h][c] = _mm256_loadu_ps(y + c * y_stride + 8 * h);
    for (int b = 0; b < blocks; b++) {
        __m256i sum[2][COLUMNS];
        if (t == TL_Q8_0)
            ints8(C, s, b, x, sum);
        else
            ints(has_fifth(t) ? 4 : 8, C, s, b, x, sum);
        for (int c = 0; c < C; c++) {
            __m256 dx = _mm256_set1_ps(x[c][b].d);
            for (int h = 0; h < 2; h++)
                acc[h][c] = add_block(t, acc[h][c], sum[h][c], s->d[b][h], s->m[b][h], dx, x[c][b].bsum);
        }
    }
    for (int c = 0; c < C; c++)
        for (int h = 0; h < 2; h++)
            _mm256_storeu_ps(y + c * y_stride + 8 * h, acc[h][c]);
}

INL void many_columns(tl_dtype t, float *y, int64_t y_stride, const uint8_t *p, const void *x, size_t x_stride, int n_cols, int64_t k) {
    const int64_t blocks = k / 32;
    strip s;
    for (int c = 0; c < n_cols; c++)
        for (int h = 0; h < 2; h++)
            _mm256_storeu_ps(y + c * y_stride + 8 * h, _mm256_setzero_ps());
    for (int64_t b = 0; b < blocks; b += STRIP_BLOCKS, p += STRIP_BLOCKS * block_bytes(t)) {
        const int n = blocks - b < STRIP_BLOCKS ? (int)(blocks - b) : STRIP_BLOCKS;
        fill(t, &s, p, n);
        for (int c = 0; c < n_cols; c += COLUMNS) {
            const tl_x32 *v[COLUMNS];
            const int C = n_cols - c < COLUMNS ? n_cols - c : COLUMNS;
            for (int i = 0; i < C; i++)
                v[i] = (const tl_x32 *)(const void *)((const char *)x + (size_t)(c + i) * x_stride) + b;
            float *to = y + c * y_stride;
            if (C == 3)
                tile(t, 3, to, y_stride, &s, n, v);
            else if (C == 2)
                tile(t, 2, to, y_stride, &s, n, v);
            else
                tile(t, 1, to, y_stride, &s, n, v);
        }
    }
}

#define TL_ISA(name) tl_avx2_##name
#include "backends/cpu/isa/panels.inl"

PANEL(q4_0, TL_Q4_0)
PANEL(q4_1, TL_Q4_1)
PANEL(q5_0, TL_Q5_0)
PANEL(q5_1, TL_Q5_1)
PANEL(q8_0, TL_Q8_0)
#endif
