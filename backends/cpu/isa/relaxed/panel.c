/* panel.c: packed panels of 32-blocks (backends/cpu/pack.c) times rows of tl_x32 with the relaxed dot products. x, which has a sign, is the first
 * operand and weights of 0 .. 31 are the second: within 7 bits every engine gives the same. Q8_0 has 8 and stays with simd128.
 *
 * Many columns: a block becomes a *strip* of bytes, and tiles of 8 rows by 4 columns run over it. One column: straight from the panel. Both exist
 * for either instruction of dot.h. */
#include "backends/cpu/isa/relaxed/relaxed.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/relaxed/dot.h"
#include "backends/cpu/isa/simd128/block.h"

enum { COLUMNS = 4, FEW = 2 }; /* columns of a tile; up to which no strip pays */

/* Groups whose products fit 16 bits when added: 2 * most * 127 each. */
INL int fit_of(tl_dtype t, dot_form form) {
    return form == IN_16 && has_fifth(t) ? 4 : GROUPS;
}

/* ---- one column ---- */

INL void one_column(tl_dtype t, dot_form form, float *y, const uint8_t *p, const tl_x32 *x, int64_t k) {
    const int fit = fit_of(t, form);
    vf acc[QUADS];
    for (int i = 0; i < QUADS; i++)
        acc[i] = v_set(0.0f);
    for (int64_t b = 0; b < k / 32; b++, x++, p += block_bytes(t)) {
        const uint8_t *groups = kept(p + head_bytes(t));
        const vf dx = v_set(x->d), bsum = v_set((float)x->bsum);
        vi sum[QUADS], low[QUADS], high[QUADS], fifth[QUADS];
        for (int i = 0; i < QUADS; i++)
            fifth[i] = has_fifth(t) ? vi_load(groups + 4 * VL * i) : vi_set(0);
        if (has_fifth(t))
            groups += 4 * TL_PANEL;
        UNROLL
        for (int g = 0; g < GROUPS / 2; g++) {
            const vi u = vi_spread(x->q + 4 * g), v = vi_spread(x->q + 16 + 4 * g);
            for (int i = 0; i < QUADS; i++) {
                vi w = vi_load(groups + 4 * TL_PANEL * g + 4 * VL * i), l = low_of(t, w, fifth[i]), h = high_of(t, w, fifth[i]);
                low[i] = g == 0 ? dot_first(form, u, l) : dot_add(form, low[i], u, l);
                high[i] = g == 0 ? dot_first(form, v, h) : dot_add(form, high[i], v, h);
                fifth[i] = vi_shr(fifth[i], 4);
            }
        }
        for (int i = 0; i < QUADS; i++) {
            sum[i] = fit == GROUPS && form == IN_16 ? dot_end(form, wasm_i16x8_add(low[i], high[i]))
                                                    : vi_add(dot_end(form, low[i]), dot_end(form, high[i]));
            if (offset_of(t))
                sum[i] = vi_sub(sum[i], vi_set(offset_of(t) * x->bsum));
        }
        for (int i = 0; i < QUADS; i++)
            acc[i] = add_block(t, acc[i], sum[i], scale_of(p, i), min_of(t, p, i), dx, bsum);
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

/* A strip times a block of each of C columns, added to y. */
INL void tile(tl_dtype t, dot_form form, int C, float *y, int64_t y_stride, const strip *s, const char *x, size_t x_stride) {
    const int fit = fit_of(t, form);
    const tl_x32 *v[COLUMNS];
    for (int c = 0; c < C; c++)
        v[c] = (const void *)(x + (size_t)c * x_stride);
    ROLLED
    for (int pair = 0; pair < QUADS / 2; pair++) {
        const vi(*u)[2] = kept(s->u[pair]);
        vi sum[COLUMNS][2], part[COLUMNS][2];
        for (int c = 0; c < C; c++)
            v[c] = kept(v[c]); /* or its bytes would be loaded before the loop, and spilled */
        UNROLL
        for (int from = 0; from < GROUPS; from += fit) {
            UNROLL
            for (int g = from; g < from + fit; g++)
                for (int c = 0; c < C; c++) {
                    vi four = vi_spread(v[c]->q + 4 * g);
                    for (int h = 0; h < 2; h++)
                        part[c][h] = g == from ? dot_first(form, four, u[g][h]) : dot_add(form, part[c][h], four, u[g][h]);
                }
            for (int c = 0; c < C; c++)
                for (int h = 0; h < 2; h++)
                    sum[c][h] = from == 0 ? dot_end(form, part[c][h]) : vi_add(sum[c][h], dot_end(form, part[c][h]));
        }
        for (int c = 0; c < C; c++) {
            const vf dx = v_set(v[c]->d), bsum = has_min(t) ? v_set((float)v[c]->bsum) : v_set(0.0f);
            for (int h = 0; h < 2; h++) {
                float *to = y + c * y_stride + VL * (2 * pair + h);
                vi centred = offset_of(t) ? vi_sub(sum[c][h], vi_set(offset_of(t) * v[c]->bsum)) : sum[c][h];
                v_store(to, add_block(t, v_load(to), centred, s->d[2 * pair + h], s->m[2 * pair + h], dx, bsum));
            }
        }
    }
}

INL void many_columns(tl_dtype t, dot_form form, float *y, int64_t y_stride, const uint8_t *p, const char *x, size_t x_stride, int n_cols,
                      int64_t k) {
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

INL void panel(tl_dtype t, dot_form form, float *y, int64_t y_stride, const void *p, const void *x, size_t x_stride, int n_cols, int64_t k) {
    if (n_cols > FEW)
        many_columns(t, form, y, y_stride, p, x, x_stride, n_cols, k);
    else
        for (int c = 0; c < n_cols; c++)
            one_column(t, form, y + c * y_stride, p, (const void *)((const char *)x + (size_t)c * x_stride), k);
}

#define PANEL(name, type)                                                                                                                  \
    void tl_relaxed_panel_##name(float *y, int64_t y_stride, const void *p, const void *x, size_t x_stride, int n_cols, int64_t k) {       \
        if (form_here() == IN_16)                                                                                                          \
            panel(type, IN_16, y, y_stride, p, x, x_stride, n_cols, k);                                                                    \
        else                                                                                                                               \
            panel(type, IN_32, y, y_stride, p, x, x_stride, n_cols, k);                                                                    \
    }

PANEL(q4_0, TL_Q4_0)
PANEL(q4_1, TL_Q4_1)
PANEL(q5_0, TL_Q5_0)
PANEL(q5_1, TL_Q5_1)
#endif
