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
    if (t == TL_Q4_K || t == TL_Q5_K) {
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

/* C columns of one half of a panel over all super-blocks. t and C are constants wherever this is inlined. */
INL void columns_k(tl_dtype t, int C, float *y, int64_t y_stride, const uint8_t *panel, int half, const void *x, size_t x_stride, int64_t k) {
    const size_t head = head_of(t) * TL_PANEL, bytes = (size_t)tl_dtype_get(t)->block_bytes * TL_PANEL;
    const bool wide = t == TL_Q4_K || t == TL_Q5_K, minima = wide || t == TL_Q2_K;
    const tl_x256 *v[COLUMNS_K];
    vf acc[COLUMNS_K];
    for (int c = 0; c < C; c++) {
        v[c] = (const void *)((const char *)x + (size_t)c * x_stride);
        acc[c] = v_set(0.0f);
    }
    for (int64_t b = 0; b < k / 256; b++, panel += bytes) {
        const uint8_t *p = panel + head + half * 4 * VL;
        vi S[COLUMNS_K], T[COLUMNS_K], sc = vi_set(0), mn, u[8];
        for (int c = 0; c < C; c++)
            S[c] = T[c] = vi_set(0);
        for (int r = 0; r < 8; r++) {
            if (r % (wide ? 4 : 2) == 0) {
                int quad = r / (wide ? 4 : 2);
                scales_of(t, p, quad, &sc, &mn);
                for (int c = 0; c < C; c++)
                    T[c] = with_sums(T[c], minima ? mn : sc, v[c] + b, quad, wide);
            }
            run_of(t, p, r, u);
            for (int c = 0; c < C; c++) {
                const int8_t *q = v[c][b].q + 32 * r;
                if (wide) {
                    S[c] = vi_add(S[c], vi_mul(dots(u, 8, q, fit_of(t)), vi_byte(sc, r % 4)));
                } else {
                    S[c] = vi_add(S[c], vi_mul(dots(u, 4, q, fit_of(t)), vi_byte(sc, r % 2 * 2)));
                    S[c] = vi_add(S[c], vi_mul(dots(u + 4, 4, q + 16, fit_of(t)), vi_byte(sc, r % 2 * 2 + 1)));
                }
            }
        }
        vf d = v_from_f16(panel + half * 2 * VL);
        for (int c = 0; c < C; c++) {
            vf dx = v_set(v[c][b].d);
            if (minima) {
                vf m = v_from_f16(panel + 2 * TL_PANEL + half * 2 * VL);
                acc[c] = v_add(acc[c], v_mul(v_sub(v_mul(v_from_int(S[c]), d), v_mul(v_from_int(T[c]), m)), dx));
            } else {
                vi sum = vi_sub(S[c], vi_mul(T[c], vi_set(offset_of(t))));
                acc[c] = v_add(acc[c], v_mul(v_from_int(sum), v_mul(d, dx)));
            }
        }
    }
    for (int c = 0; c < C; c++)
        v_store(y + c * y_stride + half * VL, acc[c]);
}

#define PANEL_K(name, type)                                                                                                                \
    void TL_ISA(panel_##name)(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) {      \
        for (int half = 0; half < HALVES; half++) {                                                                                        \
            int c = 0;                                                                                                                     \
            for (; c + COLUMNS_K <= n_cols; c += COLUMNS_K)                                                                                \
                columns_k(type, COLUMNS_K, y + c * y_stride, y_stride, panel, half, (const char *)x + (size_t)c * x_stride, x_stride, k);  \
            for (; c < n_cols; c++)                                                                                                        \
                columns_k(type, 1, y + c * y_stride, y_stride, panel, half, (const char *)x + (size_t)c * x_stride, x_stride, k);          \
        }                                                                                                                                  \
    }

PANEL_K(q2_k, TL_Q2_K)
PANEL_K(q3_k, TL_Q3_K)
PANEL_K(q4_k, TL_Q4_K)
PANEL_K(q5_k, TL_Q5_K)
PANEL_K(q6_k, TL_Q6_K)
