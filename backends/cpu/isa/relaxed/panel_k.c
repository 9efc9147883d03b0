/* panel_k.c: packed panels of K-quants (backends/cpu/pack.c) times rows of tl_x256 with the relaxed dot products. x, which has a sign, is the
 * first operand and weights of 0 .. 63 are the second: within 7 bits every engine gives the same. Centred types are put right by the sums of x:
 * sum sc (q - o) x = sum sc q x - o sum sc bsum. All of it is exact; the float step is that of quant.h.
 *
 * Many columns: a super-block becomes a *strip* of bytes and scales, and tiles of 8 rows by 3 columns run over it. One column: straight from the
 * panel. Both exist for either instruction of products.h; in 16 bits the scale is multiplied by the instruction that widens, and costs nothing. */
#include "backends/cpu/isa/relaxed/relaxed.h"

#ifdef TL_HAVE_LEVEL
#include <string.h>

#include "backends/cpu/isa/relaxed/products.h"
#include "backends/cpu/isa/simd128/super.h"

enum { COLUMNS = 3, FEW = 2 }; /* columns of a tile; up to which no strip pays */

/* Groups whose products fit 16 bits when added, 2 * most * 127 each, and no further than a sub-block. */
INL int fit_of(tl_dtype t, dot_form form) {
    return t == TL_Q4_K || (form == IN_32 && is_wide(t)) ? 8 : t == TL_Q6_K && form == IN_16 ? 2 : 4;
}

INL vi scale_for(dot_form form, vi sc, int j) {
    return form == IN_16 ? twice(sc, j) : vi_byte(sc, j);
}

/* ---- one column ---- */

/* sum [i][r]: the products of x over n groups of a pass; q is the first of the chunk's. Two groups, quad after quad, need no start and little room;
 * more, group after group, have their sums in registers. */
INL void sum_groups(tl_dtype t, dot_form form, masks m, vi (*sum)[2], cursor at, const int8_t *q, int chunk, int pass, int n) {
    if (n <= 2) {
        vi four[2][2];
        UNROLL
        for (int g = 0; g < n; g++)
            for (int r = 0; r < 2; r++)
                four[g][r] = vi_spread(q + 32 * run_of(t, pass, r) + 4 * g);
        UNROLL
        for (int i = 0; i < QUADS; i++)
            for (int g = 0; g < n; g++)
                for (int r = 0; r < 2; r++) {
                    const int run = run_of(t, pass, r);
                    const vi v = value_of(t, m, raw_at(t, moved(at, 4 * TL_PANEL * g + 4 * VL * i), chunk, run), run);
                    sum[i][r] = g == 0 ? dot_first(form, four[g][r], v) : dot_add(form, sum[i][r], four[g][r], v);
                }
        return;
    }
    UNROLL
    for (int i = 0; i < QUADS; i++)
        sum[i][0] = sum[i][1] = vi_set(0);
    ROLLED
    for (int g = 0; g < n; g++) {
        vi four[2];
        at = kept_at(at);
        q = kept(q);
        for (int r = 0; r < 2; r++)
            four[r] = vi_spread(q + 32 * run_of(t, pass, r));
        UNROLL
        for (int i = 0; i < QUADS; i++)
            for (int r = 0; r < 2; r++) {
                const int run = run_of(t, pass, r);
                const vi v = value_of(t, m, raw_at(t, moved(at, 4 * VL * i), chunk, run), run);
                sum[i][r] = dot_add(form, sum[i][r], four[r], v);
            }
        at = moved(at, 4 * TL_PANEL);
        q += 4;
    }
}

/* A super-block of 16 rows, added to y; ahead: the next of the panel, or this. */
INL void one_block(tl_dtype t, dot_form form, masks m, float *y, const uint8_t *block, const uint8_t *ahead, const tl_x256 *x) {
    const int fit = fit_of(t, form), each = is_wide(t) ? 8 : 4, subs = 8 / each; /* groups of a sub-block; sub-blocks of a run */
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
            scale[i][k] = scale_for(form, sc[k / 4], k % 4);
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
            const int8_t *q = x->q + 32 * chunk * runs_of(t);
            const vi *sc = next;
            ROLLED
            for (int j = 0; j < 8; j += fit) {
                vi sum[QUADS][2];
                at = kept_at(at);
                q = kept(q);
                sum_groups(t, form, m, sum, at, q, chunk, pass, fit);
                UNROLL
                for (int i = 0; i < QUADS; i++) {
                    UNROLL
                    for (int r = 0; r < 2; r++)
                        s[i] = vi_add(s[i], dot_scaled(form, sum[i][r], sc[16 * i + run_of(t, pass, r) * subs]));
                }
                at = moved(at, fit * 4 * TL_PANEL);
                q += 4 * fit;
                if ((j + fit) % each == 0)
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

INL void one_column_by(dot_form form, tl_dtype t, float *y, const uint8_t *panel, const source *rows, const tl_x256 *x, int64_t k) {
    uint8_t room[ROOM];
    const masks m = masks_of(t);
    UNROLL
    for (int i = 0; i < QUADS; i++)
        v_store(y + VL * i, v_set(0.0f));
    if (is_scattered(t) && !rows)
        vi_touch(panel, block_bytes(t));
    ROLLED
    for (int64_t b = 0; b < k / 256; b++) {
        const uint8_t *p = block_at(t, panel, rows, (size_t)b, room);
        one_block(t, form, m, y, p, !rows && b + 1 < k / 256 ? p + block_bytes(t) : p, &x[b]);
    }
}

/* ---- many columns ---- */

/* A super-block: bytes and scales of two quads of rows side by side, what the sums of x are multiplied with, and what the float step needs. */
typedef struct strip {
    vi u[QUADS / 2][64][2], sc[QUADS / 2][16][2], factors[QUADS][4];
    vf d[QUADS], m[QUADS];
} strip;

INL void fill(tl_dtype t, dot_form form, strip *s, const uint8_t *block) {
    const masks m = masks_of(t);
    ROLLED
    for (int i = 0; i < QUADS; i++) {
        const uint8_t *p = kept(block + head_bytes(t) + 4 * VL * i);
        s->d[i] = scale_of(block, i);
        s->m[i] = min_of(t, block, i);
        UNROLL
        for (int f = 0; f < fours_of(t); f++) {
            vi sc, mn;
            scales_of(t, p, f, &sc, &mn);
            s->factors[i][f] = offset_of(t) ? sc : mn;
            for (int j = 0; j < 4; j++)
                s->sc[i / 2][4 * f + j][i % 2] = scale_for(form, sc, j);
        }
        ROLLED
        for (int chunk = 0; chunk < 8 / runs_of(t); chunk++) {
            cursor at = start_of(t, p, chunk);
            ROLLED
            for (int j = 0; j < 8; j++) {
                UNROLL
                for (int n = 0; n < runs_of(t); n++)
                    s->u[i / 2][8 * (chunk * runs_of(t) + n) + j][i % 2] = value_of(t, m, raw_at(t, at, chunk, n), n);
                at = moved(at, 4 * TL_PANEL);
            }
        }
    }
}

/* Adds a super-block to y, the sums of 16 rows times C columns. */
INL void tile(tl_dtype t, dot_form form, int C, float *y, int64_t y_stride, const strip *w, const tl_x256 *const *x) {
    const int fit = fit_of(t, form), each = is_wide(t) ? 8 : 4; /* groups of a sub-block */
    int8_t q[COLUMNS][256];
    x_sums xs[COLUMNS];
    for (int c = 0; c < C; c++) {
        memcpy(q[c], x[c]->q, sizeof q[c]);
        sums_of(t, x[c], &xs[c]);
    }
    ROLLED
    for (int pair = 0; pair < QUADS / 2; pair++) {
        vi s[COLUMNS][2];
        for (int c = 0; c < C; c++)
            s[c][0] = s[c][1] = vi_set(0);
        const vi(*u)[2] = w->u[pair], (*sc)[2] = w->sc[pair];
        const int8_t *at = q[0];
        ROLLED
        for (int sub = 0; sub < 64 / each; sub++) {
            for (int from = 0; from < each; from += fit) {
                vi part[COLUMNS][2];
                for (int c = 0; c < C; c++)
                    part[c][0] = part[c][1] = vi_set(0);
                ROLLED
                for (int j = 0; j < fit;
                     j++) { /* one group a turn: unrolled, clang takes one sum after the other and spills what they share */
                    u = kept(u);
                    at = kept(at);
                    for (int c = 0; c < C; c++) {
                        const vi four = vi_spread(at + 256 * c);
                        part[c][0] = dot_add(form, part[c][0], four, u[0][0]);
                        part[c][1] = dot_add(form, part[c][1], four, u[0][1]);
                    }
                    u++;
                    at += 4;
                }
                for (int c = 0; c < C; c++)
                    for (int h = 0; h < 2; h++)
                        s[c][h] = vi_add(s[c][h], dot_scaled(form, part[c][h], sc[0][h]));
            }
            sc++;
        }
        for (int c = 0; c < C; c++)
            for (int h = 0; h < 2; h++) {
                const int i = 2 * pair + h;
                float *to = y + c * y_stride + VL * i;
                vi sums = vi_set(0);
                for (int f = 0; f < fours_of(t); f++)
                    sums = with_sums(sums, w->factors[i][f], &xs[c], f);
                v_store(to, add_block(t, v_load(to), centred(t, s[c][h], sums), sums, w->d[i], w->m[i], v_set(x[c]->d)));
            }
    }
}

INL void many_columns_by(dot_form form, tl_dtype t, float *y, int64_t y_stride, const uint8_t *p, const char *x, size_t x_stride,
                         int n_cols, int64_t k) {
    strip w;
    for (int c = 0; c < n_cols; c++)
        for (int i = 0; i < QUADS; i++)
            v_store(y + c * y_stride + VL * i, v_set(0.0f));
    for (int64_t b = 0; b < k / 256; b++, p += block_bytes(t)) {
        fill(t, form, &w, p);
        for (int c = 0; c < n_cols;) {
            const int C = n_cols - c < COLUMNS ? 1 : COLUMNS;
            const tl_x256 *v[COLUMNS];
            for (int i = 0; i < C; i++)
                v[i] = (const tl_x256 *)(const void *)(x + (size_t)(c + i) * x_stride) + b;
            if (C == COLUMNS)
                tile(t, form, COLUMNS, y + c * y_stride, y_stride, &w, v);
            else
                tile(t, form, 1, y + c * y_stride, y_stride, &w, v);
            c += C;
        }
    }
}

/* ---- by the instruction that is quick here ---- */

INL void one_column(tl_dtype t, float *y, const void *p, const source *rows, const tl_x256 *x, int64_t k) {
    BY_FORM(one_column_by, t, y, p, rows, x, k);
}

INL void many_columns(tl_dtype t, float *y, int64_t y_stride, const void *p, const void *x, size_t x_stride, int n_cols, int64_t k) {
    BY_FORM(many_columns_by, t, y, y_stride, p, x, x_stride, n_cols, k);
}

#define TL_ISA(name) tl_relaxed_##name
#include "backends/cpu/isa/panels.inl"

PANEL(q2_k, TL_Q2_K)
PANEL(q3_k, TL_Q3_K)
PANEL(q4_k, TL_Q4_K)
PANEL(q5_k, TL_Q5_K)
PANEL(q6_k, TL_Q6_K)
#endif
