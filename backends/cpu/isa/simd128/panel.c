/* panel.c: packed panels of 32-blocks (backends/cpu/pack.c) times rows of tl_x32 with simd128, by dot_i16x8 on weights and x widened to 16 bits
 * in pairs: bytes 0 and 2 of a group make one pair and bytes 1 and 3 the other, so that nothing is shuffled. A *step* is such a pair.
 *
 * Many columns: a block becomes a *strip* of centred 16-bit weights, and tiles of 8 rows by 4 columns run over it, which fill the 16 registers of
 * an x86. One column: straight from the panel. */
#include "backends/cpu/isa/simd128/simd128.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/simd128/block.h"

enum { COLUMNS = 4, FEW = 2, STEPS = 16 }; /* columns of a tile; up to which no strip pays; steps of a block */

/* Steps of 16 values come as the even ones of 4 groups, then the odd ones. */
INL int step_of(int group, int odd) {
    return group / 4 * 8 + odd * 4 + group % 4;
}

INL void widen(int32_t *word, const tl_x32 *x) {
    for (int i = 0; i < 2; i++) {
        vi q = vi_load(x->q + 16 * i);
        vi_store(word + 8 * i, vi_even(q));
        vi_store(word + 8 * i + 4, vi_odd(q));
    }
}

/* Both steps of a group; Q8_0 has signs. */
INL vi even_of(tl_dtype t, vi v) {
    return t == TL_Q8_0 ? vi_even(v) : vi_and(v, wasm_i16x8_splat(0x00FF));
}

INL vi odd_of(tl_dtype t, vi v) {
    return t == TL_Q8_0 ? vi_odd(v) : wasm_u16x8_shr(v, 8);
}

INL void add_steps(tl_dtype t, vi *sum, vi v, const int32_t *two) {
    *sum = vi_pairs(vi_pairs(*sum, even_of(t, v), vi_spread(two)), odd_of(t, v), vi_spread(two + 4));
}

/* ---- one column ---- */

INL void one_column(tl_dtype t, float *y, const uint8_t *panel, const source *rows, const tl_x32 *x, int64_t k) {
    uint8_t room[ROOM];
    vf acc[QUADS];
    for (int i = 0; i < QUADS; i++)
        acc[i] = v_set(0.0f);
    for (int64_t b = 0; b < k / 32; b++, x++) {
        const uint8_t *p = block_at(t, panel, rows, (size_t)b, room);
        int32_t word[STEPS];
        const uint8_t *groups = p + head_bytes(t);
        const vf dx = v_set(x->d), bsum = v_set((float)x->bsum);
        vi sum[QUADS], fifth[QUADS];
        widen(word, x);
        for (int i = 0; i < QUADS; i++) {
            sum[i] = vi_set(-offset_of(t) * x->bsum);
            fifth[i] = has_fifth(t) ? vi_load(groups + 4 * VL * i) : vi_set(0);
        }
        if (has_fifth(t))
            groups += 4 * TL_PANEL;
        const int32_t *two = word;
        ROLLED
        for (int g = 0; g < loads_of(t); g++) {
            two = kept(two);
            groups = kept(groups);
            for (int i = 0; i < QUADS; i++) {
                vi w = vi_load(groups + 4 * VL * i);
                add_steps(t, &sum[i], t == TL_Q8_0 ? w : low_of(t, w, fifth[i]), two);
                if (t != TL_Q8_0)
                    add_steps(t, &sum[i], high_of(t, w, fifth[i]), two + 8);
                fifth[i] = vi_shr(fifth[i], 4);
            }
            two += t == TL_Q8_0 && g == 3 ? 5 : 1;
            groups += 4 * TL_PANEL;
        }
        for (int i = 0; i < QUADS; i++)
            acc[i] = add_block(t, acc[i], sum[i], scale_of(p, i), min_of(t, p, i), dx, bsum);
    }
    for (int i = 0; i < QUADS; i++)
        v_store(y + VL * i, acc[i]);
}

/* ---- many columns ---- */

/* A block: steps of two quads of rows side by side, and what the float step needs. */
typedef struct strip {
    vi w[QUADS / 2][STEPS][2];
    vf d[QUADS], m[QUADS];
} strip;

INL void fill(tl_dtype t, strip *s, const uint8_t *block) {
    ROLLED
    for (int i = 0; i < QUADS; i++) {
        const uint8_t *p = kept(block + head_bytes(t) + 4 * VL * i);
        const vi offset = wasm_i16x8_splat((int16_t)offset_of(t));
        s->d[i] = scale_of(block, i);
        s->m[i] = min_of(t, block, i);
        UNROLL
        for (int g = 0; g < GROUPS; g++) {
            vi v = values_of(t, p, g), even = even_of(t, v), odd = odd_of(t, v);
            s->w[i / 2][step_of(g, 0)][i % 2] = offset_of(t) ? wasm_i16x8_sub(even, offset) : even;
            s->w[i / 2][step_of(g, 1)][i % 2] = offset_of(t) ? wasm_i16x8_sub(odd, offset) : odd;
        }
    }
}

/* A strip times a block of each of C columns, added to y. */
INL void tile(tl_dtype t, int C, float *y, int64_t y_stride, const strip *s, const char *x, size_t x_stride) {
    int32_t word[COLUMNS][STEPS];
    vf dx[COLUMNS], bsum[COLUMNS];
    for (int c = 0; c < C; c++) {
        const tl_x32 *v = (const void *)(x + (size_t)c * x_stride);
        widen(word[c], v);
        dx[c] = v_set(v->d);
        bsum[c] = has_min(t) ? v_set((float)v->bsum) : v_set(0.0f);
    }
    ROLLED
    for (int pair = 0; pair < QUADS / 2; pair++) {
        const vi(*w)[2] = s->w[pair];
        const int32_t *two = word[0];
        vi sum[COLUMNS][2];
        for (int c = 0; c < C; c++)
            sum[c][0] = sum[c][1] = vi_set(0);
        ROLLED
        for (int j = 0; j < STEPS; j++) {
            w = kept(w);
            two = kept(two);
            for (int c = 0; c < C; c++) {
                vi v = vi_spread(two + c * STEPS);
                sum[c][0] = vi_pairs(sum[c][0], w[0][0], v);
                sum[c][1] = vi_pairs(sum[c][1], w[0][1], v);
            }
            w++;
            two++;
        }
        for (int c = 0; c < C; c++)
            for (int h = 0; h < 2; h++) {
                float *to = y + c * y_stride + VL * (2 * pair + h);
                v_store(to, add_block(t, v_load(to), sum[c][h], s->d[2 * pair + h], s->m[2 * pair + h], dx[c], bsum[c]));
            }
    }
}

INL void many_columns(tl_dtype t, float *y, int64_t y_stride, const uint8_t *p, const char *x, size_t x_stride, int n_cols, int64_t k) {
    strip s;
    for (int c = 0; c < n_cols; c++)
        for (int i = 0; i < QUADS; i++)
            v_store(y + c * y_stride + VL * i, v_set(0.0f));
    for (int64_t b = 0; b < k / 32; b++, x += sizeof(tl_x32), p += block_bytes(t)) {
        int c = 0;
        fill(t, &s, p);
        for (; c + COLUMNS <= n_cols; c += COLUMNS)
            tile(t, COLUMNS, y + c * y_stride, y_stride, &s, x + (size_t)c * x_stride, x_stride);
        if (c + 2 <= n_cols) {
            tile(t, 2, y + c * y_stride, y_stride, &s, x + (size_t)c * x_stride, x_stride);
            c += 2;
        }
        if (c < n_cols)
            tile(t, 1, y + c * y_stride, y_stride, &s, x + (size_t)c * x_stride, x_stride);
    }
}

#define TL_ISA(name) tl_simd128_##name
#include "backends/cpu/isa/panels.inl"

PANEL(q4_0, TL_Q4_0)
PANEL(q4_1, TL_Q4_1)
PANEL(q5_0, TL_Q5_0)
PANEL(q5_1, TL_Q5_1)
PANEL(q8_0, TL_Q8_0)
#endif
