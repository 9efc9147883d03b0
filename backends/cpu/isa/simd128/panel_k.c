/* panel_k.c: packed panels of K-quants (backends/cpu/pack.c) times rows of tl_x256 with simd128, by dot_i16x8 on weights and x widened to
 * 16 bits in pairs.
 *
 * Many columns: a super-block becomes a *strip* of 16-bit weights that are centred and have the scale of their sub-block in them, |sc (q - o)| <=
 * 128 * 32, so that S is one sum of products, below 2^28, and a scale costs nothing. Tiles of 8 rows by 4 columns run over it. One column:
 * straight from the panel, a sum for each sub-block, then times its scale. The float step is that of quant.h.
 *
 * Widened, bytes 0 and 2 of a group make one pair and bytes 1 and 3 the other: 16 values become 8 of the one kind and 8 of the other. A
 * *step* is such a pair; steps of weights and of x come in the same order. */
#include "backends/cpu/isa/simd128/simd128.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/simd128/super.h"

enum {
    COLUMNS = 4,
    FEW = 2,
    STEPS = 128,
    STEPS_16 = 8
}; /* columns of a tile; up to which no strip pays; steps of a super-block, of 16 elements */

/* ---- widening ---- */

/* All steps of x, one a word. */
INL void widen(int32_t *word, const tl_x256 *x) {
    for (int i = 0; i < 16; i++) {
        vi q = vi_load(x->q + 16 * i);
        vi_store(word + STEPS_16 * i, vi_even(q));
        vi_store(word + STEPS_16 * i + 4, vi_odd(q));
    }
}

/* Both steps of a group, whose bytes are unsigned. */
INL vi even_of(vi v) {
    return vi_and(v, wasm_i16x8_splat(0x00FF));
}

INL vi odd_of(vi v) {
    return wasm_u16x8_shr(v, 8);
}

/* ---- one column ---- */

/* Elements v of a group, bytes below 64, are taken as 16 bits twice: as they are, which is the odd one times 256 and the even one, and the even one
 * alone. Multiplied with the odd x and with 256 times the even x less the odd, which is within 16 bits, both give 256 times the product:
 *     (256 o + e) xo + e (256 xe - xo) = 256 (e xe + o xo)
 * so that the odd ones need no instruction. Words of x for this: of each run the 8 for the even ones, then the 8 odd. */
INL void widen_256(int32_t *word, const tl_x256 *x) {
    UNROLL
    for (int i = 0; i < 16; i++) {
        const vi q = vi_load(x->q + 16 * i), odd = vi_odd(q);
        int32_t *run = word + 2 * STEPS_16 * (i / 2) + i % 2 * 4;
        vi_store(run, wasm_i16x8_sub(wasm_i16x8_shl(q, 8), odd));
        vi_store(run + STEPS_16, odd);
    }
}

/* A super-block of 16 rows, added to y; ahead: the next of the panel, or this. */
INL void one_block(tl_dtype t, masks m, vi evens, float *y, const uint8_t *block, const uint8_t *ahead, const tl_x256 *x,
                   const int32_t *steps) {
    const int each = is_wide(t) ? 8 : 4, subs = 8 / each; /* groups of a sub-block; sub-blocks of a run */
    const uint8_t *p = block + head_bytes(t);
    vi scale[QUADS][16], s[QUADS], sums[QUADS];
    x_sums xs;
    sums_of(t, x, &xs);
    ROLLED
    for (int i = 0; i < QUADS; i++) {
        vi sc[4];
        sums[i] = quad_sums(t, p + 4 * VL * i, &xs, sc);
        UNROLL
        for (int k = 0; k < 4 * fours_of(t); k++)
            scale[i][k] = vi_byte(sc[k / 4], k % 4);
    }
    UNROLL
    for (int i = 0; i < QUADS; i++)
        s[i] = vi_set(0);
    const vi *next = scale[0];
    ROLLED
    for (int chunk = 0; chunk < 8 / runs_of(t); chunk++) {
        UNROLL
        for (int pass = 0; pass < runs_of(t) / 2; pass++) {
            cursor at = start_of(t, p, chunk);
            touch_part(t, ahead, chunk * runs_of(t) / 2 + pass);
            const int32_t *two = steps + chunk * runs_of(t) * 2 * STEPS_16;
            const vi *sc = next;
            ROLLED
            for (int sub = 0; sub < subs; sub++) {
                vi sum[QUADS][2];
                UNROLL
                for (int i = 0; i < QUADS; i++)
                    sum[i][0] = sum[i][1] = vi_set(0);
                ROLLED
                for (int j = 0; j < each; j++) {
                    vi even[2], odd[2];
                    at = kept_at(at);
                    two = kept(two);
                    UNROLL
                    for (int r = 0; r < 2; r++) {
                        even[r] = vi_spread(two + 2 * STEPS_16 * run_of(t, pass, r));
                        odd[r] = vi_spread(two + 2 * STEPS_16 * run_of(t, pass, r) + STEPS_16);
                    }
                    UNROLL
                    for (int i = 0; i < QUADS; i++)
                        for (int r = 0; r < 2; r++) {
                            const int n = run_of(t, pass, r);
                            const vi v = value_of(t, m, raw_at(t, moved(at, 4 * VL * i), chunk, n), n);
                            sum[i][r] = vi_pairs(vi_pairs(sum[i][r], v, odd[r]), vi_and(v, evens), even[r]);
                        }
                    at = moved(at, 4 * TL_PANEL);
                    two++;
                }
                UNROLL
                for (int i = 0; i < QUADS; i++) {
                    UNROLL
                    for (int r = 0; r < 2; r++)
                        s[i] = vi_add(s[i], vi_mul(wasm_i32x4_shr(sum[i][r], 8), sc[16 * i + run_of(t, pass, r) * subs]));
                }
                sc++;
            }
        }
        next += runs_of(t) * subs;
    }
    UNROLL
    for (int i = 0; i < QUADS; i++)
        v_store(y + VL * i,
                add_block(t, v_load(y + VL * i), centred(t, s[i], sums[i]), sums[i], scale_of(block, i), min_of(t, block, i), v_set(x->d)));
}

INL void one_column(tl_dtype t, float *y, const uint8_t *panel, const source *rows, const tl_x256 *x, int64_t k) {
    uint8_t room[ROOM];
    const masks m = masks_of(t);
    const vi evens = vi_set(0x00FF00FF);
    UNROLL
    for (int i = 0; i < QUADS; i++)
        v_store(y + VL * i, v_set(0.0f));
    if (is_scattered(t) && !rows)
        vi_touch(panel, block_bytes(t));
    ROLLED
    for (int64_t b = 0; b < k / 256; b++) {
        const uint8_t *p = block_at(t, panel, rows, (size_t)b, room);
        int32_t steps[STEPS];
        widen_256(steps, &x[b]);
        one_block(t, m, evens, y, p, !rows && b + 1 < k / 256 ? p + block_bytes(t) : p, &x[b], steps);
    }
}

/* ---- many columns ---- */

/* A super-block: steps times their scales, two quads of rows side by side, and what the float step needs. */
typedef struct strip {
    vi w[QUADS / 2][STEPS][2], mn[QUADS][4];
    vf d[QUADS], m[QUADS];
} strip;

INL void fill(tl_dtype t, strip *s, const uint8_t *block) {
    const masks m = masks_of(t);
    ROLLED
    for (int i = 0; i < QUADS; i++) {
        const uint8_t *p = kept(block + head_bytes(t) + 4 * VL * i);
        const vi offset = wasm_i16x8_splat((int16_t)offset_of(t));
        vi sc[4], scale[16];
        s->d[i] = scale_of(block, i);
        s->m[i] = min_of(t, block, i);
        UNROLL
        for (int f = 0; f < fours_of(t); f++)
            scales_of(t, p, f, &sc[f], &s->mn[i][f]);
        for (int f = 0; f < fours_of(t); f++)
            UNROLL
        for (int n = 0; n < 4; n++)
            scale[4 * f + n] = twice(sc[f], n);
        ROLLED
        for (int chunk = 0; chunk < 8 / runs_of(t); chunk++) {
            cursor at = start_of(t, p, chunk);
            ROLLED
            for (int j = 0; j < 8; j++) {
                UNROLL
                for (int n = 0; n < runs_of(t); n++) {
                    const int r = chunk * runs_of(t) + n;
                    const vi by = scale[is_wide(t) ? r : 2 * r + j / 4], v = value_of(t, m, raw_at(t, at, chunk, n), n);
                    vi *to = &s->w[i / 2][(2 * r + j / 4) * STEPS_16 + j % 4][i % 2];
                    to[0] = wasm_i16x8_mul(wasm_i16x8_sub(even_of(v), offset), by);
                    to[2 * 4] = wasm_i16x8_mul(wasm_i16x8_sub(odd_of(v), offset), by);
                }
                at = moved(at, 4 * TL_PANEL);
            }
        }
    }
}

/* Two quads of a strip times C columns: the sums over a super-block. */
INL void sum_steps(int C, vi (*sum)[2], const vi (*w)[2], const int32_t *x) {
    vi s[COLUMNS][2];
    for (int c = 0; c < C; c++)
        s[c][0] = s[c][1] = vi_set(0);
    ROLLED
    for (int i = 0; i < STEPS; i++) {
        w = kept(w);
        x = kept(x);
        for (int c = 0; c < C; c++) {
            vi two = vi_spread(x + c * STEPS);
            s[c][0] = vi_pairs(s[c][0], w[0][0], two);
            s[c][1] = vi_pairs(s[c][1], w[0][1], two);
        }
        w++;
        x++;
    }
    for (int c = 0; c < C; c++) {
        sum[c][0] = s[c][0];
        sum[c][1] = s[c][1];
    }
}

#define SUM_STEPS(n)                                                                                      \
    static __attribute__((noinline)) void sum_steps_##n(vi(*sum)[2], const vi(*w)[2], const int32_t *x) { \
        sum_steps(n, sum, w, x);                                                                          \
    }
SUM_STEPS(1)
SUM_STEPS(2)
SUM_STEPS(3)
SUM_STEPS(4)

/* Adds a super-block to y, the sums of 16 rows times C columns. */
INL void tile(tl_dtype t, int C, float *y, int64_t y_stride, const strip *w, const tl_x256 *const *x) {
    int32_t steps[COLUMNS][STEPS];
    x_sums xs[COLUMNS];
    for (int c = 0; c < C; c++) {
        widen(steps[c], x[c]);
        sums_of(t, x[c], &xs[c]);
    }
    for (int pair = 0; pair < QUADS / 2; pair++) {
        vi sum[COLUMNS][2];
        if (C == 4)
            sum_steps_4(sum, w->w[pair], steps[0]);
        else if (C == 3)
            sum_steps_3(sum, w->w[pair], steps[0]);
        else if (C == 2)
            sum_steps_2(sum, w->w[pair], steps[0]);
        else
            sum_steps_1(sum, w->w[pair], steps[0]);
        for (int h = 0; h < 2; h++)
            for (int c = 0; c < C; c++) {
                const int i = 2 * pair + h;
                float *to = y + c * y_stride + VL * i;
                vi sums = vi_set(0);
                if (!offset_of(t))
                    for (int f = 0; f < fours_of(t); f++)
                        sums = with_sums(sums, w->mn[i][f], &xs[c], f);
                v_store(to, add_block(t, v_load(to), sum[c][h], sums, w->d[i], w->m[i], v_set(x[c]->d)));
            }
    }
}

INL void many_columns(tl_dtype t, float *y, int64_t y_stride, const uint8_t *p, const void *x, size_t x_stride, int n_cols, int64_t k) {
    strip w;
    for (int c = 0; c < n_cols; c++)
        for (int i = 0; i < QUADS; i++)
            v_store(y + c * y_stride + VL * i, v_set(0.0f));
    for (int64_t b = 0; b < k / 256; b++, p += block_bytes(t)) {
        fill(t, &w, p);
        for (int c = 0; c < n_cols; c += COLUMNS) {
            const tl_x256 *v[COLUMNS];
            const int C = n_cols - c < COLUMNS ? n_cols - c : COLUMNS;
            for (int i = 0; i < C; i++)
                v[i] = (const tl_x256 *)(const void *)((const char *)x + (size_t)(c + i) * x_stride) + b;
            tile(t, C, y + c * y_stride, y_stride, &w, v);
        }
    }
}

#define TL_ISA(name) tl_simd128_##name
#include "backends/cpu/isa/panels.inl"

PANEL(q2_k, TL_Q2_K)
PANEL(q3_k, TL_Q3_K)
PANEL(q4_k, TL_Q4_K)
PANEL(q5_k, TL_Q5_K)
PANEL(q6_k, TL_Q6_K)
#endif
