/* block.h: what lies in a packed block of 32, 16 rows side by side, in the words of vec.h; for the levels that build on avx512 too. */
#ifndef TALLY_BLOCK_AVX512_H
#define TALLY_BLOCK_AVX512_H

#include "backends/cpu/isa/avx512/vec.h"
#include "backends/cpu/isa/unroll.h"

#define INL static inline __attribute__((always_inline))

#include "backends/cpu/isa/block_parts.inl"
#include "backends/cpu/isa/block_float.inl"

/* Bits `at` .. at + 3 of each lane, one a byte, worth 16: permutexvar reads no more of a lane than these four. */
INL vi fifths(vi bits, int at) {
    const int a = 0x00000010, b = 0x00001000, c = 0x00100000, d = 0x10000000;
    const vi spread = _mm512_setr_epi32(0, a, b, a | b, c, a | c, b | c, a | b | c, d, a | d, b | d, a | b | d, c | d, a | c | d, b | c | d,
                                        a | b | c | d);
    return _mm512_permutexvar_epi32(vi_shr(bits, (unsigned)at), spread);
}

/* The 32 values of each row as the file has them, 4 a lane: unsigned, but those of Q8_0. */
INL void values_of_block(tl_dtype t, const uint8_t *p, vi *u) {
    const uint8_t *quants = p + head_bytes(t);
    if (t == TL_Q8_0) {
        UNROLL
        for (int g = 0; g < 8; g++)
            u[g] = vi_load(quants + g * 64);
        return;
    }
    UNROLL
    for (int g = 0; g < 4; g++) {
        vi nibbles = vi_load(quants + (has_fifth(t) ? 64 : 0) + g * 64);
        u[g] = vi_bytes(nibbles, 0, 15);
        u[g + 4] = vi_bytes(nibbles, 4, 15);
        if (has_fifth(t)) { /* group 0 of the block holds those of its 32 elements */
            vi fifth = vi_load(quants);
            u[g] = vi_or(u[g], fifths(fifth, 4 * g));
            u[g + 4] = vi_or(u[g + 4], fifths(fifth, 16 + 4 * g));
        }
    }
}

/* A decoded block: values, signed (less what stands for zero) or unsigned (bytes of Q8_0 moved by 128), scales, minima. */
typedef struct block {
    vi values[8];
    vf d, m;
} block;

INL void decode_block(tl_dtype t, bool is_signed, const uint8_t *p, block *w) {
    w->d = v_from_f16(p);
    w->m = has_min(t) ? v_from_f16(p + 2 * TL_PANEL) : v_set(0.0f);
    values_of_block(t, p, w->values);
    UNROLL
    for (int g = 0; g < 8; g++)
        if (is_signed && zero_of(t))
            w->values[g] = vi_sub_bytes(w->values[g], _mm512_set1_epi8((char)zero_of(t)));
        else if (!is_signed && t == TL_Q8_0)
            w->values[g] = vi_xor(w->values[g], _mm512_set1_epi8((char)-128));
}

#endif
