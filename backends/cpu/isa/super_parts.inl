/* super_parts.inl: where things lie in a packed super-block of K-quants (pack.c), over the words of a level's vec.h. It follows from the
 * file's block: groups of 4 bytes in file order, each group of all rows in turn. p is the first group of VL rows. */
#include "tensor/quant.h"

#define INL static inline __attribute__((always_inline))

#include "backends/cpu/isa/block_parts.inl"

/* log2 of how far values stand from zero; 0: they have minima instead. */
INL int offset_log2(tl_dtype t) {
    return t == TL_Q6_K ? 5 : t == TL_Q3_K ? 2 : 0;
}

/* ---- decoding ---- */

INL vi group(const uint8_t *p, int g) {
    return vi_load(p + g * (4 * TL_PANEL));
}

/* Scales (and minima) of sub-blocks 4 quad .. 4 quad + 3, one a byte, of each row. Q4_K and Q5_K have two quads for 32s, the others four for 16s. */
INL void scales_of(tl_dtype t, const uint8_t *p, int quad, vi *sc, vi *mn) {
    *mn = vi_set(0);
    if (is_wide(t)) {
        vi a = group(p, 0), b = group(p, 1), c = group(p, 2);
        *sc = quad ? vi_or(vi_bytes(c, 0, 15), vi_bytes(a, 2, 48)) : vi_bytes(a, 0, 63);
        *mn = quad ? vi_or(vi_bytes(c, 4, 15), vi_bytes(b, 2, 48)) : vi_bytes(b, 0, 63);
    } else if (t == TL_Q2_K) {
        *sc = vi_bytes(group(p, quad), 0, 15);
        *mn = vi_bytes(group(p, quad), 4, 15);
    } else if (t == TL_Q3_K) {
        vi low = vi_bytes(group(p, 24 + quad % 2), quad / 2 * 4, 15), all = group(p, 26);
        vi high = quad < 2 ? vi_bytes_up(all, 4 - 2 * quad, 48) : vi_bytes(all, 2 * quad - 4, 48);
        *sc = vi_sub_bytes(vi_or(low, high), vi_set(0x20202020));
    } else {
        *sc = group(p, 48 + quad);
    }
}

/* Group j of run r, 32 elements, unsigned. */
INL vi values_of(tl_dtype t, const uint8_t *p, int r, int j) {
    const int half = r / 4, quarter = r % 4;
    if (t == TL_Q4_K)
        return vi_bytes(group(p, 3 + r / 2 * 8 + j), r % 2 * 4, 15);
    if (t == TL_Q5_K) {
        vi fifth = group(p, 3 + j);
        fifth = r < 4 ? vi_bytes_up(fifth, 4 - r, 16) : vi_bytes(fifth, r - 4, 16);
        return vi_or(vi_bytes(group(p, 11 + r / 2 * 8 + j), r % 2 * 4, 15), fifth);
    }
    if (t == TL_Q6_K) {
        vi high = group(p, 32 + half * 8 + j);
        high = quarter < 3 ? vi_bytes_up(high, 4 - 2 * quarter, 48) : vi_bytes(high, 2, 48);
        return vi_or(vi_bytes(group(p, half * 16 + quarter % 2 * 8 + j), quarter / 2 * 4, 15), high);
    }
    if (t == TL_Q2_K)
        return vi_bytes(group(p, 4 + half * 8 + j), 2 * quarter, 3);
    vi third = group(p, j);
    third = r < 2 ? vi_bytes_up(third, 2 - r, 4) : vi_bytes(third, r - 2, 4);
    return vi_or(vi_bytes(group(p, 8 + half * 8 + j), 2 * quarter, 3), third);
}
