/* super.inl: packed panels of K-quants times rows of tl_x256, written once over the words of a level's vec.h. The level's panel_k.c gives
 * dots(): the integer dots of 4 bytes a lane over some vectors.
 *
 * Where things lie in a packed super-block (pack.c) follows from the file's block: groups of 4 bytes in file order. All sums are exact
 * integers; centred types are taken unsigned and put right by the sums of x: sum sc (q - o) x = sum sc q x - o sum sc bsum.
 * The float step is that of quant.h. */
#include <string.h>

#include "tensor/math.h"
#include "tensor/quant.h"

#define INL static inline __attribute__((always_inline))

enum { HALVES = TL_PANEL / VL }; /* vectors that make 16 rows */

/* Facts of a type: bytes of f16 scales, groups, and how far values stand from zero. */
INL size_t head_of(tl_dtype t) {
    return t == TL_Q3_K || t == TL_Q6_K ? 2 : 4;
}

/* Sub-blocks of 32 in place of 16. */
INL bool is_wide(tl_dtype t) {
    return t == TL_Q4_K || t == TL_Q5_K;
}

INL int offset_of(tl_dtype t) {
    return t == TL_Q6_K ? 32 : t == TL_Q3_K ? 4 : 0;
}

/* How many products 2 * most * 127 fit into 16 bits. */
INL int fit_of(tl_dtype t) {
    return t == TL_Q6_K ? 2 : t == TL_Q5_K ? 4 : 8;
}

/* Group g of the lanes at p, where p is the first group of this half. */
INL vi group(const uint8_t *p, int g) {
    return vi_load(p + g * (4 * TL_PANEL));
}

/* Scales (and minima) of sub-blocks 4 quad .. 4 quad + 3, one a byte. Q4_K and Q5_K have two quads for 32s, the others four for 16s. */
INL void scales_of(tl_dtype t, const uint8_t *p, int quad, vi *sc, vi *mn) {
    *mn = vi_set(0);
    if (is_wide(t)) {
        vi a = group(p, 0), b = group(p, 1), c = group(p, 2);
        if (quad == 0) {
            *sc = vi_bytes(a, 0, 63);
            *mn = vi_bytes(b, 0, 63);
        } else {
            *sc = vi_or(vi_bytes(c, 0, 15), vi_bytes(a, 2, 48));
            *mn = vi_or(vi_bytes(c, 4, 15), vi_bytes(b, 2, 48));
        }
    } else if (t == TL_Q2_K) {
        vi a = group(p, quad);
        *sc = vi_bytes(a, 0, 15);
        *mn = vi_bytes(a, 4, 15);
    } else if (t == TL_Q3_K) {
        vi low = quad < 2 ? vi_bytes(group(p, 24 + quad), 0, 15) : vi_bytes(group(p, 22 + quad), 4, 15);
        vi all = group(p, 26), high = quad == 0   ? vi_shl(vi_bytes(all, 0, 3), 4)
                                      : quad == 1 ? vi_bytes(vi_shl(all, 2), 0, 48)
                                      : quad == 2 ? vi_bytes(all, 0, 48)
                                                  : vi_bytes(all, 2, 48);
        /* minus 32 in each byte: the bit on top keeps a borrow from the next one */
        const vi top = vi_set((int32_t)0x80808080u);
        *sc = vi_xor(vi_sub(vi_or(vi_or(low, high), top), vi_set(0x20202020)), top);
    } else {
        *sc = group(p, 48 + quad);
    }
}

/* The 8 vectors of run r: 32 elements, unsigned. */
INL void run_of(tl_dtype t, const uint8_t *p, int r, vi *u) {
    int half = r / 4, quarter = r % 4;
    for (int j = 0; j < 8; j++) {
        if (t == TL_Q4_K) {
            u[j] = vi_bytes(group(p, 3 + r / 2 * 8 + j), r % 2 * 4, 15);
        } else if (t == TL_Q5_K) {
            vi fifth = vi_bytes(group(p, 3 + j), r, 1);
            u[j] = vi_or(vi_bytes(group(p, 11 + r / 2 * 8 + j), r % 2 * 4, 15), vi_shl(fifth, 4));
        } else if (t == TL_Q6_K) {
            vi high = vi_bytes(group(p, 32 + half * 8 + j), 2 * quarter, 3);
            u[j] = vi_or(vi_bytes(group(p, half * 16 + quarter % 2 * 8 + j), quarter / 2 * 4, 15), vi_shl(high, 4));
        } else if (t == TL_Q2_K) {
            u[j] = vi_bytes(group(p, 4 + half * 8 + j), 2 * quarter, 3);
        } else {
            vi third = vi_bytes(group(p, j), r, 1);
            u[j] = vi_or(vi_bytes(group(p, 8 + half * 8 + j), 2 * quarter, 3), vi_shl(third, 2));
        }
    }
}

INL vi pair_of(int16_t a, int16_t b) {
    return vi_set((int32_t)((uint16_t)a | (uint32_t)(uint16_t)b << 16));
}

/* acc + the sum over a quad's four sub-blocks of factor * sum of x; wide: sub-blocks of 32. */
INL vi with_sums(vi acc, vi factors, const tl_x256 *x, int quad, bool wide) {
    const int16_t *s = x->bsum;
    int q = 4 * quad;
    if (wide) {
        const int16_t *w = s + 8 * quad;
        acc = vi_pairs(acc, vi_even(factors), pair_of((int16_t)(w[0] + w[1]), (int16_t)(w[4] + w[5])));
        return vi_pairs(acc, vi_odd(factors), pair_of((int16_t)(w[2] + w[3]), (int16_t)(w[6] + w[7])));
    }
    acc = vi_pairs(acc, vi_even(factors), pair_of(s[q], s[q + 2]));
    return vi_pairs(acc, vi_odd(factors), pair_of(s[q + 1], s[q + 3]));
}

/* What a block's integers give for one column: S and T of quant.h, T without its factor where the type is centred. */
typedef struct sums {
    vi s, t;
} sums;

/* Adds one super-block to y, the sums of C columns of this half of a panel. p is its first group, head its f16 scales. */
INL void add_block(tl_dtype t, int C, float *y, int64_t y_stride, const sums *sum, const uint8_t *head, const tl_x256 *const *x) {
    const bool minima = offset_of(t) == 0;
    vf d = v_from_f16(head);
    for (int c = 0; c < C; c++) {
        vf dx = v_set(x[c]->d), acc = v_load(y + c * y_stride);
        if (minima) {
            vf m = v_from_f16(head + 2 * TL_PANEL);
            acc = v_add(acc, v_mul(v_sub(v_mul(v_from_int(sum[c].s), d), v_mul(v_from_int(sum[c].t), m)), dx));
        } else {
            vi s = vi_sub(sum[c].s, vi_mul(sum[c].t, vi_set(offset_of(t))));
            acc = v_add(acc, v_mul(v_from_int(s), v_mul(d, dx)));
        }
        v_store(y + c * y_stride, acc);
    }
}

/* The dots of run r with C columns, times its scales, into sum. */
INL void add_run(tl_dtype t, int C, sums *sum, const vi *u, vi sc, int r, const tl_x256 *const *x) {
    const bool wide = is_wide(t);
    vi first = vi_byte(sc, wide ? r % 4 : r % 2 * 2), second = vi_byte(sc, wide ? r % 4 : r % 2 * 2 + 1);
    for (int c = 0; c < C; c++) {
        const int8_t *q = x[c]->q + 32 * r;
        if (wide) {
            sum[c].s = vi_add(sum[c].s, vi_mul(dots(u, 8, q, fit_of(t)), first));
        } else {
            sum[c].s = vi_add(sum[c].s, vi_mul(dots(u, 4, q, fit_of(t)), first));
            sum[c].s = vi_add(sum[c].s, vi_mul(dots(u + 4, 4, q + 16, fit_of(t)), second));
        }
    }
}

/* One super-block times C columns, straight from the panel. t and C are constants wherever this is inlined. */
INL void block_direct(tl_dtype t, int C, float *y, int64_t y_stride, const uint8_t *block, int half, const tl_x256 *const *x) {
    const uint8_t *p = block + head_of(t) * TL_PANEL + half * 4 * VL;
    sums sum[COLUMNS_K];
    vi sc = vi_set(0), mn, u[8];
    for (int c = 0; c < C; c++)
        sum[c] = (sums){vi_set(0), vi_set(0)};
    for (int r = 0; r < 8; r++) {
        int runs = is_wide(t) ? 4 : 2; /* that share a quad of scales */
        if (r % runs == 0) {
            scales_of(t, p, r / runs, &sc, &mn);
            for (int c = 0; c < C; c++)
                sum[c].t = with_sums(sum[c].t, offset_of(t) ? sc : mn, x[c], r / runs, is_wide(t));
        }
        run_of(t, p, r, u);
        add_run(t, C, sum, u, sc, r, x);
    }
    add_block(t, C, y, y_stride, sum, block + half * 2 * VL, x);
}

/* A super-block's integers, decoded once for many columns; they stay in the first cache. */
typedef struct strip {
    vi u[8][8], sc[4], mn[4];
} strip;

INL void fill_strip(tl_dtype t, strip *w, const uint8_t *block, int half) {
    const uint8_t *p = block + head_of(t) * TL_PANEL + half * 4 * VL;
    for (int quad = 0; quad < (is_wide(t) ? 2 : 4); quad++)
        scales_of(t, p, quad, &w->sc[quad], &w->mn[quad]);
    for (int r = 0; r < 8; r++)
        run_of(t, p, r, w->u[r]);
}

INL void block_strip(tl_dtype t, int C, float *y, int64_t y_stride, const uint8_t *block, int half, const strip *w,
                     const tl_x256 *const *x) {
    sums sum[COLUMNS_K];
    int runs = is_wide(t) ? 4 : 2;
    for (int c = 0; c < C; c++) {
        sum[c] = (sums){vi_set(0), vi_set(0)};
        for (int quad = 0; quad < 8 / runs; quad++)
            sum[c].t = with_sums(sum[c].t, offset_of(t) ? w->sc[quad] : w->mn[quad], x[c], quad, is_wide(t));
    }
    for (int r = 0; r < 8; r++)
        add_run(t, C, sum, w->u[r], w->sc[r / runs], r, x);
    add_block(t, C, y, y_stride, sum, block + half * 2 * VL, x);
}

INL void point(const tl_x256 **v, int C, const void *x, size_t x_stride, int c, int64_t b) {
    for (int i = 0; i < C; i++)
        v[i] = (const tl_x256 *)(const void *)((const char *)x + (size_t)(c + i) * x_stride) + b;
}

INL void panel_k(tl_dtype t, float *y, int64_t y_stride, const uint8_t *panel, const void *x, size_t x_stride, int n_cols, int64_t k) {
    const size_t bytes = (size_t)tl_dtype_get(t)->block_bytes * TL_PANEL;
    const tl_x256 *v[COLUMNS_K];
    strip w;
    for (int c = 0; c < n_cols; c++)
        for (int half = 0; half < HALVES; half++)
            v_store(y + c * y_stride + half * VL, v_set(0.0f));
    for (int64_t b = 0; b < k / 256; b++, panel += bytes) {
        for (int half = 0; half < HALVES; half++) {
            float *out = y + half * VL;
            int c = 0;
            if (n_cols >= 2 * COLUMNS_K) {
                fill_strip(t, &w, panel, half);
                for (; c + COLUMNS_K <= n_cols; c += COLUMNS_K) {
                    point(v, COLUMNS_K, x, x_stride, c, b);
                    block_strip(t, COLUMNS_K, out + c * y_stride, y_stride, panel, half, &w, v);
                }
            }
            for (; c + COLUMNS_K <= n_cols; c += COLUMNS_K) {
                point(v, COLUMNS_K, x, x_stride, c, b);
                block_direct(t, COLUMNS_K, out + c * y_stride, y_stride, panel, half, v);
            }
            for (; c < n_cols; c++) {
                point(v, 1, x, x_stride, c, b);
                block_direct(t, 1, out + c * y_stride, y_stride, panel, half, v);
            }
        }
    }
}

#define PANEL_K(name, type)                                                                                                                \
    void TL_ISA(panel_##name)(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) {      \
        panel_k(type, y, y_stride, panel, x, x_stride, n_cols, k);                                                                         \
    }

PANEL_K(q2_k, TL_Q2_K)
PANEL_K(q3_k, TL_Q3_K)
PANEL_K(q4_k, TL_Q4_K)
PANEL_K(q5_k, TL_Q5_K)
PANEL_K(q6_k, TL_Q6_K)
