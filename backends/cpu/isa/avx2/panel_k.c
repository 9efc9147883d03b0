/* panel_k.c: packed panels of K-quants (backends/cpu/pack.c) times rows of tl_x256 with AVX2. As in panel.c a panel has two halves of 8 rows, a
 * column or a few are multiplied straight from it, and many run in tiles of 16 rows by 3 columns over a strip: one super-block, decoded.
 *
 * Where things lie follows from the file's block: groups of 4 bytes in file order. Quants are taken unsigned: maddubs adds their products
 * with x in 16 bits, as many as fit, and madd multiplies by the sub-block's scale and adds on in 32: S costs no more than a sum. Centred types
 * are put right by the sums of x: sum sc (q - o) x = sum sc q x - o sum sc bsum. All of it is exact (|S| < 2^29); the float step is that of
 * quant.h. */
#include "backends/cpu/isa/avx2/avx2.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx2/vec.h"
#include "backends/cpu/isa/super_parts.inl"
#include "backends/cpu/isa/interleave.inl"
#include "backends/cpu/isa/unroll.h"

/* Pins a running sum to its register: left alone, gcc computes all products first and spills them. */
#define KEEP(v) __asm__("" : "+x"(v))
/* Hides that an address is known, so that words of x are broadcast from memory: gcc would keep them all, on the stack. */
#define HIDE(p) __asm__("" : "+r"(p))

enum { COLUMNS = 3 }; /* of a tile, as in panel.c */
enum { FEW = 3 };     /* columns up to which decoding each time is no dearer than a strip */
enum { AHEAD = 4096 };

/* Groups whose products are added in 16 bits: 2 * most * 127 each, and no further than a sub-block. */
INL int fit_of(tl_dtype t) {
    return t == TL_Q6_K ? 2 : t == TL_Q4_K ? 8 : 4;
}

/* The bytes at i and j of each lane, with their sign, as a pair of 16 bits. */
INL __m256i pair(__m256i v, int i, int j) {
    const int first = i << 8 | j << 24 | 0x00800080, step = 0x04000400;
    const __m256i from =
        _mm256_setr_epi32(first, first + step, first + 2 * step, first + 3 * step, first, first + step, first + 2 * step, first + 3 * step);
    return _mm256_srai_epi16(_mm256_shuffle_epi8(v, from), 8);
}

/* ---- sums of x ---- */

/* What scales or minima are multiplied with: sums of x over sub-blocks, two to a 32-bit word: 8 words for 16s, 4 for 32s. */
typedef struct x_sums {
    _Alignas(32) int32_t word[8];
} x_sums;

INL void sums_of(tl_dtype t, const tl_x256 *x, x_sums *s) {
    __m256i b = _mm256_loadu_si256((const void *)x->bsum);
    if (is_wide(t)) {
        b = _mm256_madd_epi16(b, _mm256_set1_epi16(1));
        b = _mm256_permute4x64_epi64(_mm256_packs_epi32(b, b), 0x08);
    }
    _mm256_store_si256((void *)s->word, b);
}

INL __m256i add_pairs(__m256i acc, __m256i a, __m256i b) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b));
}

INL __m256 halves(const uint8_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p));
}

/* acc + what a super-block adds; centred types have their offset in s already. */
INL __m256 add_block(tl_dtype t, __m256 acc, __m256i s, __m256i sums, __m256 d, __m256 m, __m256 dx) {
    __m256 v = _mm256_cvtepi32_ps(s);
    if (offset_log2(t))
        return _mm256_add_ps(acc, _mm256_mul_ps(v, _mm256_mul_ps(d, dx)));
    v = _mm256_sub_ps(_mm256_mul_ps(v, d), _mm256_mul_ps(_mm256_cvtepi32_ps(sums), m));
    return _mm256_add_ps(acc, _mm256_mul_ps(v, dx));
}

/* What S starts from, where sums holds the sum of scales times sums of x. */
INL __m256i start_of(tl_dtype t, __m256i sums) {
    const __m256i zero = _mm256_setzero_si256();
    return offset_log2(t) ? _mm256_sub_epi32(zero, _mm256_slli_epi32(sums, offset_log2(t))) : zero;
}

/* ---- one column, straight from the panel; half after half was faster than both together ---- */

INL __m256 one_block(tl_dtype t, bool asks, __m256 acc, const uint8_t *block, int h, const tl_x256 *x, const x_sums *xs) {
    const uint8_t *p = block + head_bytes(t) + 32 * h;
    const int quads = is_wide(t) ? 2 : 4, fit = fit_of(t);
    __m256i sc[4], mn, sums = _mm256_setzero_si256();
    UNROLL
    for (int q = 0; q < quads; q++) {
        scales_of(t, p, q, &sc[q], &mn);
        __m256i f = offset_log2(t) ? sc[q] : mn;
        sums = add_pairs(sums, pair(f, 0, 1), _mm256_set1_epi32(xs->word[2 * q]));
        sums = add_pairs(sums, pair(f, 2, 3), _mm256_set1_epi32(xs->word[2 * q + 1]));
    }
    __m256i s = _mm256_setzero_si256();
    UNROLL
    for (int r = 0; r < 8; r++) {
        for (size_t i = 0; asks && i < block_bytes(t) / 16; i += 64) /* a few lines at a time: a burst would fill the queue of misses */
            _mm_prefetch((const char *)block + AHEAD + (size_t)(8 * h + r) * (block_bytes(t) / 16) + i, _MM_HINT_T0);
        UNROLL
        for (int j0 = 0; j0 < 8; j0 += fit) {
            __m256i part = _mm256_maddubs_epi16(values_of(t, p, r, j0), vi_four(x->q + 32 * r + 4 * j0));
            UNROLL
            for (int j = j0 + 1; j < j0 + fit; j++)
                part = _mm256_add_epi16(part, _mm256_maddubs_epi16(values_of(t, p, r, j), vi_four(x->q + 32 * r + 4 * j)));
            const int sub = is_wide(t) ? r : 2 * r + j0 / 4;
            s = add_pairs(s, part, pair(sc[sub / 4], sub % 4, sub % 4));
            KEEP(s);
        }
    }
    __m256 m = offset_log2(t) ? _mm256_setzero_ps() : halves(block + 32 + 16 * h);
    s = _mm256_add_epi32(s, start_of(t, sums)); /* last, so that nothing waits for it */
    return add_block(t, acc, s, sums, halves(block + 16 * h), m, _mm256_set1_ps(x->d));
}

INL void one_column(tl_dtype t, float *y, const uint8_t *panel, const source *rows, const tl_x256 *x, int64_t k) {
    uint8_t room[ROOM];
    __m256 acc[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int64_t b = 0; b < k / 256; b++) {
        const uint8_t *p = block_at(t, panel, rows, (size_t)b, room);
        x_sums xs;
        sums_of(t, &x[b], &xs);
        for (int h = 0; h < 2; h++) {
            const tl_x256 *again = &x[b];
            HIDE(again);
            acc[h] = one_block(t, !rows, acc[h], p, h, again, &xs);
        }
    }
    _mm256_storeu_ps(y, acc[0]);
    _mm256_storeu_ps(y + 8, acc[1]);
}

/* ---- many columns ---- */

/* A super-block: values, scales of each sub-block twice, and what the sums of x are multiplied with. */
typedef struct strip {
    __m256i u[8][8][2], sc[16][2], factors[8][2];
    __m256 d[2], m[2];
} strip;

INL void fill(tl_dtype t, strip *s, const uint8_t *block) {
    const int quads = is_wide(t) ? 2 : 4;
    for (int h = 0; h < 2; h++) {
        const uint8_t *p = block + head_bytes(t) + 32 * h;
        s->d[h] = halves(block + 16 * h);
        s->m[h] = offset_log2(t) ? _mm256_setzero_ps() : halves(block + 32 + 16 * h);
        for (int q = 0; q < quads; q++) {
            __m256i sc, mn;
            scales_of(t, p, q, &sc, &mn);
            __m256i f = offset_log2(t) ? sc : mn;
            s->factors[2 * q][h] = pair(f, 0, 1);
            s->factors[2 * q + 1][h] = pair(f, 2, 3);
            for (int i = 0; i < 4; i++)
                s->sc[4 * q + i][h] = pair(sc, i, i);
        }
        for (int r = 0; r < 8; r++)
            for (int j = 0; j < 8; j++)
                s->u[r][j][h] = values_of(t, p, r, j);
    }
}

/* Adds a super-block to y, the sums of 16 rows times C columns. */
INL void tile(tl_dtype t, int C, float *y, int64_t y_stride, const strip *w, const tl_x256 *const *x) {
    const int words = is_wide(t) ? 4 : 8, fit = fit_of(t);
    __m256i s[2][COLUMNS], sums[2][COLUMNS];
    for (int c = 0; c < C; c++) {
        x_sums xs;
        sums_of(t, x[c], &xs);
        sums[0][c] = sums[1][c] = _mm256_setzero_si256();
        for (int i = 0; i < words; i++)
            for (int h = 0; h < 2; h++)
                sums[h][c] = add_pairs(sums[h][c], w->factors[i][h], _mm256_set1_epi32(xs.word[i]));
        for (int h = 0; h < 2; h++)
            s[h][c] = start_of(t, sums[h][c]);
    }
    for (int r = 0; r < 8; r++)
        for (int j0 = 0; j0 < 8; j0 += fit) {
            __m256i part[2][COLUMNS];
            for (int c = 0; c < C; c++)
                part[0][c] = part[1][c] = _mm256_setzero_si256();
            for (int j = j0; j < j0 + fit; j++)
                for (int c = 0; c < C; c++) {
                    __m256i v = vi_four(x[c]->q + 32 * r + 4 * j);
                    for (int h = 0; h < 2; h++) {
                        part[h][c] = _mm256_add_epi16(part[h][c], _mm256_maddubs_epi16(w->u[r][j][h], v));
                        KEEP(part[h][c]);
                    }
                }
            const int sub = is_wide(t) ? r : 2 * r + j0 / 4;
            for (int c = 0; c < C; c++)
                for (int h = 0; h < 2; h++)
                    s[h][c] = add_pairs(s[h][c], part[h][c], w->sc[sub][h]);
        }
    for (int c = 0; c < C; c++)
        for (int h = 0; h < 2; h++) {
            float *to = y + c * y_stride + 8 * h;
            _mm256_storeu_ps(to, add_block(t, _mm256_loadu_ps(to), s[h][c], sums[h][c], w->d[h], w->m[h], _mm256_set1_ps(x[c]->d)));
        }
}

INL void many_columns(tl_dtype t, float *y, int64_t y_stride, const uint8_t *p, const void *x, size_t x_stride, int n_cols, int64_t k) {
    strip w;
    for (int c = 0; c < n_cols; c++)
        for (int h = 0; h < 2; h++)
            _mm256_storeu_ps(y + c * y_stride + 8 * h, _mm256_setzero_ps());
    for (int64_t b = 0; b < k / 256; b++, p += block_bytes(t)) {
        fill(t, &w, p);
        for (int c = 0; c < n_cols; c += COLUMNS) {
            const tl_x256 *v[COLUMNS];
            const int C = n_cols - c < COLUMNS ? n_cols - c : COLUMNS;
            for (int i = 0; i < C; i++)
                v[i] = (const tl_x256 *)(const void *)((const char *)x + (size_t)(c + i) * x_stride) + b;
            float *to = y + c * y_stride;
            if (C == 3)
                tile(t, 3, to, y_stride, &w, v);
            else if (C == 2)
                tile(t, 2, to, y_stride, &w, v);
            else
                tile(t, 1, to, y_stride, &w, v);
        }
    }
}

#define TL_ISA(name) tl_avx2_##name
#include "backends/cpu/isa/panels.inl"

PANEL(q2_k, TL_Q2_K)
PANEL(q3_k, TL_Q3_K)
PANEL(q4_k, TL_Q4_K)
PANEL(q5_k, TL_Q5_K)
PANEL(q6_k, TL_Q6_K)
#endif
