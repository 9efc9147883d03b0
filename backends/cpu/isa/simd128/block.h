/* block.h: what the panels of 32-blocks of simd128 and relaxed share: facts of a type, decoding, the float step. A packed block
 * (backends/cpu/pack.c) holds 16 scales, 16 minima, then groups of 4 bytes, each for 16 rows. A *quad* is 4 rows, one a lane; p is the first
 * group of a quad. Only static inline; t is a constant wherever these are inlined. */
#ifndef TALLY_BLOCK_SIMD128_H
#define TALLY_BLOCK_SIMD128_H

#include "backends/cpu/isa/simd128/vec.h"
#include "backends/cpu/isa/unroll.h"
#include "backends/cpu/kernels.h"

#define INL static inline __attribute__((always_inline))

enum { QUADS = TL_PANEL / VL, GROUPS = 8 };

/* ---- facts of a type ---- */

#include "backends/cpu/isa/block_parts.inl"
#include "backends/cpu/isa/interleave.inl"

/* How far stored values stand from zero. */
INL int offset_of(tl_dtype t) {
    return t == TL_Q4_0 ? 8 : t == TL_Q5_0 ? 16 : 0;
}

/* ---- decoding ---- */

/* Four bits, one a byte, to bit 4 of that byte: x * 0x204081 puts bit i of a nibble at bit 8 i. */
INL vi fifth_bits(vi bits, int at) {
    vi nibble = vi_and(vi_shr(bits, at), vi_set(15));
    return vi_and(vi_shl(vi_mul(nibble, vi_set(0x204081)), 4), vi_set(0x10101010));
}

/* Groups that are loaded: those of Q8_0 hold a group of elements, the others elements 4 g .. 4 g + 3 and 16 + 4 g .. 16 + 4 g + 3, whose fifth bits
 * are bits 4 g and 16 + 4 g on of a group before all others. */
INL int loads_of(tl_dtype t) {
    return t == TL_Q8_0 ? GROUPS : GROUPS / 2;
}

/* fifth: shifted right by 4 g. */
INL vi low_of(tl_dtype t, vi w, vi fifth) {
    vi v = vi_bytes(w, 0, 15);
    return has_fifth(t) ? vi_or(v, fifth_bits(fifth, 0)) : v;
}

INL vi high_of(tl_dtype t, vi w, vi fifth) {
    vi v = vi_bytes(w, 4, 15);
    return has_fifth(t) ? vi_or(v, fifth_bits(fifth, 16)) : v;
}

/* Group g of 8: elements 4 g .. 4 g + 3. */
INL vi values_of(tl_dtype t, const uint8_t *p, int g) {
    if (t == TL_Q8_0)
        return vi_load(p + g * 4 * TL_PANEL);
    vi w = vi_load(p + (g % 4 + (has_fifth(t) ? 1 : 0)) * 4 * TL_PANEL), fifth = has_fifth(t) ? vi_shr(vi_load(p), 4 * (g % 4)) : vi_set(0);
    return g < 4 ? low_of(t, w, fifth) : high_of(t, w, fifth);
}

INL vf scale_of(const uint8_t *block, int quad) {
    return v_from_f16(block + 2 * VL * quad);
}

INL vf min_of(tl_dtype t, const uint8_t *block, int quad) {
    return has_min(t) ? v_from_f16(block + 2 * TL_PANEL + 2 * VL * quad) : v_set(0.0f);
}

/* ---- the float step: acc + what the centred sum of one block gives, operation by operation as in quant.h ---- */

/* m * bsum has 11 + 12 bits, is exact, and may be fused. */
INL vf add_block(tl_dtype t, vf acc, vi sum, vf d, vf m, vf dx, vf bsum) {
    vf isum = v_from_int(sum);
    if (has_min(t))
        return v_add(acc, v_mul(v_fused(m, bsum, v_mul(isum, d)), dx));
    return v_add(acc, v_mul(isum, v_mul(d, dx)));
}

#endif
