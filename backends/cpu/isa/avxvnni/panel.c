/* panel.c: packed panels of blocks of 32 times quantised rows with the dot products of AVX-VNNI. As in isa/avx2/panel.c a panel has two halves of 8 rows,
 * a column or a few are multiplied straight from it, and many run in tiles of 16 rows by 6 columns over a strip. Where the sums of products need no
 * further step the registers hold the integers of 6 columns; sums of floats, one a block, pass through the first cache.
 *
 * dpbusd wants its first operand unsigned: bytes of Q8_0 are moved by 128, and sums start at minus the offset times the sum of x. */
#include "backends/cpu/isa/avxvnni/avxvnni.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx2/block.h"
#include "backends/cpu/isa/avxvnni/products.h"
#include "backends/cpu/isa/block_float.inl"
#include "backends/cpu/isa/interleave.inl"
#include "backends/cpu/isa/unroll.h"

enum { COLUMNS = 6 };       /* of a tile: 12 sums, two vectors of weights and one of x fill the registers */
enum { STRIP_BLOCKS = 16 }; /* blocks decoded at once: 8 KiB of weights */
enum { FEW = 3 };           /* columns up to which decoding each time is no dearer than a strip */
enum { AHEAD = 4096 };      /* bytes of prefetch, as in isa/avx512/panel.c */

/* How far values are from what they stand for once they are unsigned. */
INL int offset_of(tl_dtype t) {
    return t == TL_Q8_0 ? 128 : zero_of(t);
}

/* The 32 values of 8 rows, unsigned; p: the half's first group. */
INL void values_of_half(tl_dtype t, const uint8_t *p, vi *u) {
    for (int i = 0; i < 2; i++) {
        vi v[4];
        if (t != TL_Q8_0)
            decode(t, p, i, v);
        for (int j = 0; j < 4; j++) {
            const int g = 2 * i + j % 2 + j / 2 * 4;
            u[g] = t == TL_Q8_0 ? vi_xor(load(p + g * 64), _mm256_set1_epi8(-128)) : v[j];
        }
    }
}

INL vf minimum_of_half(tl_dtype t, const uint8_t *block, int h) {
    return has_min(t) ? halves(block + 2 * TL_PANEL + 16 * h) : v_set(0.0f);
}

INL vf add_block(tl_dtype t, vf acc, vi isum, vf d, vf m, const tl_x32 *x) {
    return with_block(t, acc, v_from_int(isum), d, m, v_set(x->d), v_set((float)x->bsum));
}

/* ---- one column, straight from the panel or the rows ---- */

INL void one_column(tl_dtype t, float *y, const uint8_t *panel, const source *rows, const tl_x32 *x, int64_t k) {
    uint8_t room[ROOM];
    vf acc[2] = {v_set(0.0f), v_set(0.0f)};
    for (int64_t b = 0; b < k / 32; b++) {
        const uint8_t *p = block_at(t, panel, rows, (size_t)b, room);
        for (size_t i = 0; i < block_bytes(t) && !rows; i += 64)
            _mm_prefetch((const char *)p + AHEAD + i, _MM_HINT_T0);
        UNROLL
        for (int h = 0; h < 2; h++) {
            vi u[8], even = vi_set(-offset_of(t) * x[b].bsum), odd = vi_set(0);
            values_of_half(t, p + head_bytes(t) + 32 * h, u);
            UNROLL
            for (int g = 0; g < 8; g += 2) {
                even = vi_products(even, u[g], vi_four(x[b].q + 4 * g));
                odd = vi_products(odd, u[g + 1], vi_four(x[b].q + 4 * g + 4));
            }
            acc[h] = add_block(t, acc[h], vi_add(even, odd), halves(p + 16 * h), minimum_of_half(t, p, h), &x[b]);
        }
    }
    v_store(y, acc[0]);
    v_store(y + 8, acc[1]);
}

/* ---- many columns ---- */

typedef struct block {
    vi u[2][8];
    vf d[2], m[2];
} block;

INL void fill(tl_dtype t, const uint8_t *p, block *w) {
    for (int h = 0; h < 2; h++) {
        w->d[h] = halves(p + 16 * h);
        w->m[h] = minimum_of_half(t, p, h);
        values_of_half(t, p + head_bytes(t) + 32 * h, w->u[h]);
    }
}

/* Adds the blocks of a strip to y, the sums of 16 rows times C columns. */
INL void tile(tl_dtype t, int C, float *y, int64_t y_stride, const block *strip, int blocks, const tl_x32 *const *x) {
    for (int b = 0; b < blocks; b++) {
        const block *w = &strip[b];
        vi sum[2][COLUMNS];
        UNROLL
        for (int c = 0; c < C; c++)
            sum[0][c] = sum[1][c] = vi_set(-offset_of(t) * x[c][b].bsum);
        UNROLL
        for (int g = 0; g < 8; g++) {
            const vi low = w->u[0][g], high = w->u[1][g];
            UNROLL
            for (int c = 0; c < C; c++) {
                const vi v = vi_four(x[c][b].q + 4 * g);
                sum[0][c] = vi_products(sum[0][c], low, v);
                sum[1][c] = vi_products(sum[1][c], high, v);
            }
        }
        UNROLL
        for (int c = 0; c < C; c++) {
            float *to = y + c * y_stride;
            v_store(to, add_block(t, v_load(to), sum[0][c], w->d[0], w->m[0], &x[c][b]));
            v_store(to + 8, add_block(t, v_load(to + 8), sum[1][c], w->d[1], w->m[1], &x[c][b]));
        }
    }
}

INL void columns(tl_dtype t, int C, float *y, int64_t y_stride, const block *strip, int blocks, const void *x, size_t x_stride, int64_t b) {
    const tl_x32 *at[COLUMNS];
    for (int c = 0; c < C; c++)
        at[c] = (const tl_x32 *)(const void *)((const char *)x + (size_t)c * x_stride) + b;
    tile(t, C, y, y_stride, strip, blocks, at);
}

INL void many_columns(tl_dtype t, float *y, int64_t y_stride, const uint8_t *p, const void *x, size_t x_stride, int n_cols, int64_t k) {
    block strip[STRIP_BLOCKS];
    for (int c = 0; c < n_cols; c++) {
        v_store(y + c * y_stride, v_set(0.0f));
        v_store(y + c * y_stride + 8, v_set(0.0f));
    }
    for (int64_t b = 0; b < k / 32; b += STRIP_BLOCKS) {
        const int n = k / 32 - b < STRIP_BLOCKS ? (int)(k / 32 - b) : STRIP_BLOCKS;
        int c = 0;
        for (int i = 0; i < n; i++, p += block_bytes(t))
            fill(t, p, &strip[i]);
        for (; c + COLUMNS <= n_cols; c += COLUMNS)
            columns(t, COLUMNS, y + c * y_stride, y_stride, strip, n, (const char *)x + (size_t)c * x_stride, x_stride, b);
        for (; c + 2 <= n_cols; c += 2)
            columns(t, 2, y + c * y_stride, y_stride, strip, n, (const char *)x + (size_t)c * x_stride, x_stride, b);
        if (c < n_cols)
            columns(t, 1, y + c * y_stride, y_stride, strip, n, (const char *)x + (size_t)c * x_stride, x_stride, b);
    }
}

#define TL_ISA(name) tl_avxvnni_##name
#include "backends/cpu/isa/panels.inl"

PANEL(q4_0, TL_Q4_0)
PANEL(q4_1, TL_Q4_1)
PANEL(q5_0, TL_Q5_0)
PANEL(q5_1, TL_Q5_1)
PANEL(q8_0, TL_Q8_0)
#endif
