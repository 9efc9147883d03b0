/* panel.c: packed panels of blocks of 32 (backends/cpu/pack.c) times groups of columns with AMX. Columns are the rows of one operand, the 16
 * rows of the panel the columns of the other: a product of two tiles is the integer sums of a block for half a group, which pass through memory
 * to the float step of quant.h. That of one block runs beside the products of the next but one. Blocks are decoded once to a *strip* that stays in the
 * first cache. Columns that make no group are the avx512 level's.
 *
 * Groups are arranged when x is quantised: for each block the bytes of all columns, then their scales, then the sums of their bytes, as floats. So
 * tiles are loaded from whole lines one after the other: from rows far apart they take as long as dpbusd. */
#include "backends/cpu/isa/amx/amx.h"

#ifdef TL_HAVE_LEVEL
#include <string.h>

#include "backends/cpu/isa/amx/tiles.h"
#include "backends/cpu/isa/avx512/block.h"

enum { HALF = TL_GROUP / 2 };
enum { STRIP_BLOCKS = 16 };
enum {
    SCALES = TL_GROUP * 32,
    SUMS = TL_GROUP * 36,
    GROUP_BLOCK = TL_GROUP * 40
}; /* bytes; where things are in an arranged block, and its length */

void tl_amx_arrange_x32(void *group, const void *rows, size_t stride, int64_t k) {
    char *out = group;
    for (int64_t b = 0; b < k / 32; b++, out += GROUP_BLOCK)
        for (int c = 0; c < TL_GROUP; c++) {
            const tl_x32 *x = (const tl_x32 *)(const void *)((const char *)rows + (size_t)c * stride) + b;
            const float sum = (float)x->bsum;
            memcpy(out + c * 32, x->q, 32);
            memcpy(out + SCALES + c * 4, &x->d, 4);
            memcpy(out + SUMS + c * 4, &sum, 4);
        }
}

/* ---- a tile: a panel times a group ---- */

/* Adds what a block gives half a group, whose sums and scales of x these are. */
INL void add_block(tl_dtype t, vf *acc, const int32_t *sums, const block *w, const char *x) {
    const vf d = w->d, m = w->m;
    UNROLL
    for (int c = 0; c < HALF; c++) {
        const float *dx = (const float *)(const void *)(x + SCALES) + c, *bsum = (const float *)(const void *)(x + SUMS) + c;
        const vf sum = v_from_int(vi_load(sums + c * TL_PANEL));
        acc[c] = v_here(with_block(t, acc[c], sum, d, m, v_set(*dx), v_set(*bsum)));
    }
}

#define PRODUCTS_LOW(b, to, w)                   \
    TILE_LOAD(4, x + (b)*GROUP_BLOCK, HALF, 32); \
    TILE_LOAD(w, strip[b].values, 8, 64);        \
    TILE_ZERO(to);                               \
    TILE_DOT_SIGNED(to, 4, w)
#define PRODUCTS_HIGH(b, to, w)                              \
    TILE_LOAD(5, x + (b)*GROUP_BLOCK + HALF * 32, HALF, 32); \
    TILE_ZERO(to);                                           \
    TILE_DOT_SIGNED(to, 5, w)

/* Adds the blocks of a strip to y. Sums of one block are in memory, those of the next in registers 2 and 3, or 0 and 1. */
INL void tile(tl_dtype t, float *y, int64_t y_stride, const block *strip, int blocks, const char *x) {
    int32_t even[2][HALF * TL_PANEL] __attribute__((aligned(64))), odd[2][HALF * TL_PANEL] __attribute__((aligned(64)));
    vf low[HALF], high[HALF];
    UNROLL
    for (int c = 0; c < HALF; c++) {
        low[c] = v_load(y + c * y_stride);
        high[c] = v_load(y + (c + HALF) * y_stride);
    }
    PRODUCTS_LOW(0, 0, 6);
    PRODUCTS_HIGH(0, 1, 6);
    TILE_STORE(0, even[0], HALF, 64);
    TILE_STORE(1, even[1], HALF, 64);
    if (blocks > 1) {
        PRODUCTS_LOW(1, 2, 7);
        PRODUCTS_HIGH(1, 3, 7);
    }
    for (;; strip += 2, x += 2 * GROUP_BLOCK, blocks -= 2) {
        TILE_STORE(2, odd[0], HALF, 64);
        if (blocks > 2) {
            PRODUCTS_LOW(2, 0, 6);
        }
        add_block(t, low, even[0], &strip[0], x);
        TILE_STORE(3, odd[1], HALF, 64);
        if (blocks > 2) {
            PRODUCTS_HIGH(2, 1, 6);
        }
        add_block(t, high, even[1], &strip[0], x + 4 * HALF);
        if (blocks < 2)
            break;
        TILE_STORE(0, even[0], HALF, 64);
        if (blocks > 3) {
            PRODUCTS_LOW(3, 2, 7);
        }
        add_block(t, low, odd[0], &strip[1], x + GROUP_BLOCK);
        TILE_STORE(1, even[1], HALF, 64);
        if (blocks > 3) {
            PRODUCTS_HIGH(3, 3, 7);
        }
        add_block(t, high, odd[1], &strip[1], x + GROUP_BLOCK + 4 * HALF);
        if (blocks == 2)
            break;
    }
    UNROLL
    for (int c = 0; c < HALF; c++) {
        v_store(y + c * y_stride, low[c]);
        v_store(y + (c + HALF) * y_stride, high[c]);
    }
}

INL void grouped(tl_dtype t, float *y, int64_t y_stride, const uint8_t *p, const char *x, size_t x_stride, int n_groups, int64_t k) {
    const tile_shapes shapes = {
        .palette = 1, .bytes = {64, 64, 64, 64, 32, 32, 64, 64}, .rows = {HALF, HALF, HALF, HALF, HALF, HALF, 8, 8}};
    block strip[STRIP_BLOCKS];
    TILE_SHAPES(&shapes);
    for (int c = 0; c < n_groups * TL_GROUP; c++)
        v_store(y + c * y_stride, v_set(0.0f));
    for (int64_t b = 0; b < k / 32; b += STRIP_BLOCKS, x += STRIP_BLOCKS * GROUP_BLOCK) {
        const int n = k / 32 - b < STRIP_BLOCKS ? (int)(k / 32 - b) : STRIP_BLOCKS;
        for (int i = 0; i < n; i++, p += block_bytes(t))
            decode_block(t, true, p, &strip[i]);
        for (int g = 0; g < n_groups; g++)
            tile(t, y + g * TL_GROUP * y_stride, y_stride, strip, n, x + (size_t)(g * TL_GROUP) * x_stride);
    }
    TILE_RELEASE();
}

TL_BLOCK32_TYPES(TL_AMX_GROUPED, tl_amx_grouped)
#endif
