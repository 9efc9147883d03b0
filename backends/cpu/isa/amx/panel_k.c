/* panel_k.c: packed panels of K-quants times groups of columns with AMX; panel.c tells how. The scale of a sub-block is multiplied into the values,
 * so that a product of two tiles runs over a whole super-block and nothing is left to do between its sub-blocks. A value times a scale need
 * not fit a byte: then it is two *digits*, the sums of which are put together at the end, and all of it is exact (|S| < 2^29):
 *
 *   Q2_K        q * sc <= 45: one digit                          Q3_K  (q - 4) * sc is -124 .. 128: one, moved by 124
 *   Q4_K, Q5_K  q * (sc >> 3), unsigned, worth 8, and q * (sc & 7)
 *   Q6_K        (q - 32) * sc = 128 h + l with l of -64 .. 63
 *
 * While the products of a group run, its neighbour's sums go through the float step of quant.h. */
#include "backends/cpu/isa/amx/amx.h"

#ifdef TL_HAVE_LEVEL
#include <string.h>

#include "backends/cpu/isa/amx/tiles.h"
#include "backends/cpu/isa/avx512/super.h"

enum { HALF = TL_GROUP / 2, QUARTERS = 4 }; /* a tile takes 64 elements, a quarter of a super-block */
/* Bytes: an arranged group has the values of all super-blocks, a quarter of each column after the other, then their ends: scales, then sums. */
enum { QUARTER = TL_GROUP * 64, VALUES = QUARTERS * QUARTER, SUMS = TL_GROUP * 4, END = TL_GROUP * 36 };

void tl_amx_arrange_x256(void *group, const void *rows, size_t stride, int64_t k) {
    char *values = group, *end = values + k / 256 * VALUES;
    for (int64_t b = 0; b < k / 256; b++, values += VALUES, end += END)
        for (int c = 0; c < TL_GROUP; c++) {
            const tl_x256 *x = (const tl_x256 *)(const void *)((const char *)rows + (size_t)c * stride) + b;
            for (int i = 0; i < QUARTERS; i++)
                memcpy(values + i * QUARTER + c * 64, x->q + i * 64, 64);
            memcpy(end + c * 4, &x->d, 4);
            memcpy(end + SUMS + c * 32, x->bsum, 32);
        }
}

/* ---- a strip: a super-block, decoded ---- */

INL int digits_of(tl_dtype t) {
    return t == TL_Q2_K || t == TL_Q3_K ? 1 : 2;
}

typedef struct strip {
    vi high[64], low[64], minima[8]; /* the only digit is `low` */
    vf d, m;
} strip;

/* Two digits of (u - 32) * scale, scale the same in both halves of a lane. */
INL void split(vi u, vi scale, vi *high, vi *low) {
    const vi q = vi_sub_bytes(u, vi_set(0x20202020)), half = _mm512_set1_epi16(64), mask = _mm512_set1_epi16(127);
    vi even = _mm512_add_epi16(_mm512_mullo_epi16(_mm512_srai_epi16(_mm512_slli_epi16(q, 8), 8), scale), half);
    vi odd = _mm512_add_epi16(_mm512_mullo_epi16(_mm512_srai_epi16(q, 8), scale), half);
    vi bytes = _mm512_set1_epi16(255);
    *high = vi_or(vi_and(_mm512_srai_epi16(even, 7), bytes), _mm512_slli_epi16(_mm512_srai_epi16(odd, 7), 8));
    *low = vi_sub_bytes(vi_or(vi_and(even, mask), _mm512_slli_epi16(vi_and(odd, mask), 8)), vi_set(0x40404040));
}

INL void fill(tl_dtype t, strip *w, const uint8_t *block) {
    const uint8_t *p = block + head_bytes(t);
    const int n = groups_of(t);
    vi sc[4], mn[4];
    w->d = v_from_f16(block);
    w->m = minimum_of(t, block);
    all_scales_of(t, p, sc, mn);
    UNROLL
    for (int i = 0; i < 8; i++)
        w->minima[i] = has_min(t) ? minima(t, mn, i) : _mm512_set1_epi16(-FOLDED);
    UNROLL
    for (int sub = 0; sub < subs_of(t); sub++) {
        const vi scale = pair(sc[sub / 4], sub % 4, sub % 4);
        const vi eights = _mm512_srai_epi16(scale, 3), ones = vi_and(scale, _mm512_set1_epi16(7));
        UNROLL
        for (int j = sub * n; j < sub * n + n; j++) {
            vi u = values_of(t, p, j / 8, j % 8);
            if (t == TL_Q6_K) {
                split(u, scale, &w->high[j], &w->low[j]);
            } else if (is_wide(t)) {
                w->high[j] = times(u, eights);
                w->low[j] = times(u, ones);
            } else {
                w->low[j] = folded(t, u, scale);
            }
        }
    }
}

/* ---- a super-block times a group ---- */

/* The sums of a group: [digit] [column] [row]. */
typedef struct sums {
    int32_t of[2][TL_GROUP][TL_PANEL] __attribute__((aligned(64)));
} sums;

#define DOTS(DOT, q, two)                                \
    TILE_LOAD(4, x + (q)*QUARTER, HALF, 64);             \
    TILE_LOAD(7, w->low + (q)*16, 16, 64);               \
    DOT(0, 4, 7);                                        \
    TILE_LOAD(5, x + (q)*QUARTER + HALF * 64, HALF, 64); \
    DOT(1, 5, 7);                                        \
    if (two) {                                           \
        TILE_LOAD(6, w->high + (q)*16, 16, 64);          \
        DOT(2, 4, 6);                                    \
        DOT(3, 5, 6);                                    \
    }

/* The products of a quarter. */
INL void multiply(tl_dtype t, const strip *w, const char *x, int q) {
    if (t == TL_Q6_K) {
        DOTS(TILE_DOT_SIGNED, q, true)
    } else {
        DOTS(TILE_DOT_UNSIGNED, q, digits_of(t) == 2)
    }
}

/* Adds what a super-block gives to y, for columns from .. from + n - 1 of a group. */
INL void add_super(tl_dtype t, float *y, int64_t y_stride, const sums *s, const strip *w, const char *end, int from, int n) {
    for (int c = from; c < from + n; c++) {
        vi all = vi_load(s->of[0][c]), less = vi_set(0);
        const vf dx = v_set(((const float *)(const void *)end)[c]);
        if (digits_of(t) == 2)
            all = vi_add(all, vi_shl(vi_load(s->of[1][c]), t == TL_Q6_K ? 7 : 3));
        if (t != TL_Q6_K) {
            UNROLL
            for (int i = 0; i < 8; i++)
                less = vi_products16(less, w->minima[i], end + SUMS + c * 32 + i * 4);
        }
        vf old = v_load(y + c * y_stride), v;
        if (has_min(t))
            v = v_mul(v_sub(v_mul(v_from_int(all), w->d), v_mul(v_from_int(less), w->m)), dx);
        else
            v = v_mul(v_from_int(vi_add(all, less)), v_mul(w->d, dx));
        v_store(y + c * y_stride, v_add(old, v));
    }
}

INL void grouped(tl_dtype t, float *y, int64_t y_stride, const uint8_t *p, const char *x, size_t x_stride, int n_groups, int64_t k) {
    const tile_shapes shapes = {
        .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {HALF, HALF, HALF, HALF, HALF, HALF, 16, 16}};
    const int64_t blocks = k / 256, n = n_groups;
    strip strips[2];
    sums of[2];
    TILE_SHAPES(&shapes);
    for (int c = 0; c < n_groups * TL_GROUP; c++)
        v_store(y + c * y_stride, v_set(0.0f));
    /* Step i multiplies super-block i / n by group i % n, and adds up what step i - 1 has. */
    for (int64_t i = 0; i <= blocks * n; i++) {
        const int64_t last = i > 0 ? i - 1 : 0, b = i / n, g = i % n, last_b = last / n, last_g = last % n;
        const strip *w = &strips[b % 2], *last_w = &strips[last_b % 2];
        const char *group = x + (size_t)g * TL_GROUP * x_stride + b * VALUES;
        const char *last_end = x + (size_t)last_g * TL_GROUP * x_stride + blocks * VALUES + last_b * END;
        float *last_y = y + last_g * TL_GROUP * y_stride;
        if (i < blocks * n) {
            if (g == 0)
                fill(t, &strips[b % 2], p + (size_t)b * block_bytes(t));
            TILE_ZERO(0);
            TILE_ZERO(1);
            TILE_ZERO(2);
            TILE_ZERO(3);
        }
        for (int q = 0; q < QUARTERS; q++) {
            if (i < blocks * n)
                multiply(t, w, group, q);
            if (i > 0)
                add_super(t, last_y, y_stride, &of[last % 2], last_w, last_end, q * (TL_GROUP / QUARTERS), TL_GROUP / QUARTERS);
        }
        if (i < blocks * n) {
            sums *s = &of[i % 2];
            TILE_STORE(0, s->of[0][0], HALF, 64);
            TILE_STORE(1, s->of[0][HALF], HALF, 64);
            if (digits_of(t) == 2) {
                TILE_STORE(2, s->of[1][0], HALF, 64);
                TILE_STORE(3, s->of[1][HALF], HALF, 64);
            }
        }
    }
    TILE_RELEASE();
}

TL_BLOCK256_TYPES(TL_AMX_GROUPED, tl_amx_grouped)
#endif
