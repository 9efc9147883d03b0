/* super.h: what lies in a packed super-block, 16 rows side by side, in the words of vec.h; for the levels that build on avx512 too. */
#ifndef TALLY_SUPER_AVX512_H
#define TALLY_SUPER_AVX512_H

#include "backends/cpu/isa/avx512/vec.h"
#include "backends/cpu/isa/super_parts.inl"
#include "backends/cpu/isa/unroll.h"

/* Sub-blocks, groups of each, and vectors of their scales. */
INL int subs_of(tl_dtype t) {
    return is_wide(t) ? 8 : 16;
}

INL int groups_of(tl_dtype t) {
    return is_wide(t) ? 8 : 4;
}

INL int quads_of(tl_dtype t) {
    return is_wide(t) ? 2 : 4;
}

/* The bytes at i and j of each lane, with their sign, as a pair of 16 bits. */
INL vi pair(vi v, int i, int j) {
    const int from = i << 8 | j << 24 | 0x00800080, step = 0x04000400;
    return _mm512_srai_epi16(_mm512_shuffle_epi8(v, _mm512_set4_epi32(from + 3 * step, from + 2 * step, from + step, from)), 8);
}

/* The minima that meet word i of the sums of x, which has two of 16 elements. */
INL vi minima(tl_dtype t, const vi *mn, int i) {
    return is_wide(t) ? pair(mn[i / 4], i % 4, i % 4) : pair(mn[i / 2], i % 2 * 2, i % 2 * 2 + 1);
}

INL vf minimum_of(tl_dtype t, const uint8_t *block) {
    return has_min(t) ? v_from_f16(block + 2 * TL_PANEL) : v_set(0.0f);
}

/* Scales and minima of all sub-blocks. */
INL void all_scales_of(tl_dtype t, const uint8_t *p, vi *sc, vi *mn) {
    UNROLL
    for (int q = 0; q < quads_of(t); q++)
        scales_of(t, p, q, &sc[q], &mn[q]);
}

/* Bytes times a scale that stands twice in a lane, two at once in 16 bits: for products that do not leave their byte. */
INL vi times(vi bytes, vi scale) {
    return _mm512_mullo_epi16(bytes, scale);
}

enum { FOLDED = 124 }; /* what products of Q3_K are moved by: (q - 4) * sc is -124 .. 128 */

/* Values of Q2_K and Q3_K with their scale multiplied into them, which fits a byte: 3 * 15, or once it is moved. */
INL vi folded(tl_dtype t, vi u, vi scale) {
    const vi move = _mm512_add_epi16(_mm512_mullo_epi16(scale, _mm512_set1_epi16(-4 * 0x101)), _mm512_set1_epi16(FOLDED * 0x101));
    return t == TL_Q3_K ? _mm512_add_epi16(times(u, scale), move) : times(u, scale);
}

#endif
