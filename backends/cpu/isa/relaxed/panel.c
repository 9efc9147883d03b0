/* panel.c: packed panels of 32-blocks (backends/cpu/pack.c) times rows of tl_x32 with the relaxed dot products. x, which has a sign, is the first
 * operand and weights of 0 .. 31 are the second: within 7 bits every engine gives the same. Q8_0 has 8 and stays with simd128.
 *
 * Many columns: a block becomes a *strip* of bytes, and tiles of 8 rows by 4 columns run over it. One column: straight from the panel. Both exist
 * for either instruction of products.h. */
#include "backends/cpu/isa/relaxed/relaxed.h"

#ifdef TL_HAVE_LEVEL
#include <string.h>

#include "backends/cpu/isa/relaxed/products.h"
#include "backends/cpu/isa/simd128/block.h"

enum { COLUMNS = 4, FEW = 2 }; /* columns of a tile; up to which no strip pays */

/* Whether the products of a block do not fit 16 bits when added, but those of its halves do: 2 * most * 127 for each of 8 groups. */
INL bool in_halves(tl_dtype t, dot_form form) {
    return form == IN_16 && has_fifth(t);
}

/* ---- one column ---- */

INL void one_column_by(dot_form form, tl_dtype t, float *y, const uint8_t *panel, const source *rows, const tl_x32 *x, int64_t k) {
    uint8_t room[ROOM];
    const bool halves = in_halves(t, form);
    vf acc[QUADS];
    for (int i = 0; i < QUADS; i++)
        acc[i] = v_set(0.0f);
    for (int64_t b = 0; b < k / 32; b++, x++) {
        const uint8_t *p = block_at(t, panel, rows, (size_t)b, room);
        const uint8_t *groups = kept(p + head_bytes(t));
        const vf dx = v_set(x->d), bsum = v_set((float)x->bsum);
        const int8_t *four = x->q;
        vi low[QUADS], high[QUADS], fifth[QUADS];
        for (int i = 0; i < QUADS; i++) {
            low[i] = high[i] = vi_set(0);
            fifth[i] = has_fifth(t) ? vi_load(groups + 4 * VL * i) : vi_set(0);
        }
        if (has_fifth(t))
            groups += 4 * TL_PANEL;
        ROLLED
        for (int g = 0; g < GROUPS / 2; g++) {
            groups = kept(groups);
            four = kept(four);
            const vi u = vi_spread(four), v = vi_spread(four + 16);
            for (int i = 0; i < QUADS; i++) {
                const vi w = vi_load(groups + 4 * VL * i);
                low[i] = dot_add(form, low[i], u, low_of(t, w, fifth[i]));
                if (halves)
                    high[i] = dot_add(form, high[i], v, high_of(t, w, fifth[i]));
                else
                    low[i] = dot_add(form, low[i], v, high_of(t, w, fifth[i]));
                fifth[i] = vi_shr(fifth[i], 4);
            }
            groups += 4 * TL_PANEL;
            four += 4;
        }
        for (int i = 0; i < QUADS; i++) {
            vi sum = dot_end(form, low[i]);
            if (halves)
                sum = vi_add(sum, dot_end(form, high[i]));
            if (offset_of(t))
                sum = vi_sub(sum, vi_set(offset_of(t) * x->bsum));
            acc[i] = add_block(t, acc[i], sum, scale_of(p, i), min_of(t, p, i), dx, bsum);
        }
    }
    for (int i = 0; i < QUADS; i++)
        v_store(y + VL * i, acc[i]);
}

/* ---- many columns ---- */

/* A block: bytes of two quads of rows side by side, and what the float step needs. */
typedef struct strip {
    vi u[QUADS / 2][GROUPS][2];
    vf d[QUADS], m[QUADS];
} strip;

INL void fill(tl_dtype t, strip *s, const uint8_t *block) {
    ROLLED
    for (int i = 0; i < QUADS; i++) {
        const uint8_t *p = kept(block + head_bytes(t) + 4 * VL * i);
        s->d[i] = scale_of(block, i);
        s->m[i] = min_of(t, block, i);
        UNROLL
        for (int g = 0; g < GROUPS; g++)
            s->u[i / 2][g][i % 2] = values_of(t, p, g);
    }
}

/* sum [c][h] + the products of n groups of a strip with the bytes of C columns. One group a turn: unrolled, clang takes one sum after the other
 * and spills what they share. */
INL void add_groups(dot_form form, int C, vi (*sum)[2], const vi (*u)[2], const int8_t *q, int n) {
    for (int c = 0; c < C; c++)
        sum[c][0] = sum[c][1] = vi_set(0);
    ROLLED
    for (int g = 0; g < n; g++) {
        u = kept(u);
        q = kept(q);
        for (int c = 0; c < C; c++) {
            const vi four = vi_spread(q + 32 * c);
            sum[c][0] = dot_add(form, sum[c][0], four, u[0][0]);
            sum[c][1] = dot_add(form, sum[c][1], four, u[0][1]);
        }
        u++;
        q += 4;
    }
    for (int c = 0; c < C; c++)
        for (int h = 0; h < 2; h++)
            sum[c][h] = dot_end(form, sum[c][h]);
}

/* A strip times a block of each of C columns, added to y. */
INL void tile(tl_dtype t, dot_form form, int C, float *y, int64_t y_stride, const strip *s, const char *x, size_t x_stride) {
    int8_t q[COLUMNS][32];
    vf dx[COLUMNS], bsum[COLUMNS];
    vi offset[COLUMNS];
    for (int c = 0; c < C; c++) {
        const tl_x32 *v = (const void *)(x + (size_t)c * x_stride);
        memcpy(q[c], v->q, sizeof v->q);
        dx[c] = v_set(v->d);
        bsum[c] = has_min(t) ? v_set((float)v->bsum) : v_set(0.0f);
        offset[c] = offset_of(t) ? vi_set(offset_of(t) * v->bsum) : vi_set(0);
    }
    ROLLED
    for (int pair = 0; pair < QUADS / 2; pair++) {
        vi sum[COLUMNS][2], more[COLUMNS][2];
        add_groups(form, C, sum, s->u[pair], q[0], in_halves(t, form) ? 4 : 8);
        if (in_halves(t, form))
            add_groups(form, C, more, s->u[pair] + 4, q[0] + 16, 4);
        for (int c = 0; c < C; c++)
            for (int h = 0; h < 2; h++) {
                float *to = y + c * y_stride + VL * (2 * pair + h);
                vi centred = offset_of(t) ? vi_sub(sum[c][h], offset[c]) : sum[c][h];
                if (in_halves(t, form))
                    centred = vi_add(centred, more[c][h]);
                v_store(to, add_block(t, v_load(to), centred, s->d[2 * pair + h], s->m[2 * pair + h], dx[c], bsum[c]));
            }
    }
}

INL void many_columns_by(dot_form form, tl_dtype t, float *y, int64_t y_stride, const uint8_t *p, const char *x, size_t x_stride,
                         int n_cols, int64_t k) {
    strip s;
    for (int c = 0; c < n_cols; c++)
        for (int i = 0; i < QUADS; i++)
            v_store(y + c * y_stride + VL * i, v_set(0.0f));
    for (int64_t b = 0; b < k / 32; b++, x += sizeof(tl_x32), p += block_bytes(t)) {
        int c = 0;
        fill(t, &s, p);
        for (; c + COLUMNS <= n_cols; c += COLUMNS)
            tile(t, form, COLUMNS, y + c * y_stride, y_stride, &s, x + (size_t)c * x_stride, x_stride);
        for (; c < n_cols; c++)
            tile(t, form, 1, y + c * y_stride, y_stride, &s, x + (size_t)c * x_stride, x_stride);
    }
}

/* ---- by the instruction that is quick here ---- */

INL void one_column(tl_dtype t, float *y, const void *p, const source *rows, const tl_x32 *x, int64_t k) {
    BY_FORM(one_column_by, t, y, p, rows, x, k);
}

INL void many_columns(tl_dtype t, float *y, int64_t y_stride, const void *p, const void *x, size_t x_stride, int n_cols, int64_t k) {
    BY_FORM(many_columns_by, t, y, y_stride, p, x, x_stride, n_cols, k);
}

#define TL_ISA(name) tl_relaxed_##name
#include "backends/cpu/isa/panels.inl"

PANEL(q4_0, TL_Q4_0)
PANEL(q4_1, TL_Q4_1)
PANEL(q5_0, TL_Q5_0)
PANEL(q5_1, TL_Q5_1)
#endif
