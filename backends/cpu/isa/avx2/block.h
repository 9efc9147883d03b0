/* block.h: what lies in half of a packed block of 32, 8 rows side by side, in vectors of AVX2; for the levels that build on avx2 too. */
#ifndef TALLY_BLOCK_AVX2_H
#define TALLY_BLOCK_AVX2_H

#include "backends/cpu/isa/avx2/vec.h"

#define INL static inline __attribute__((always_inline))

#include "backends/cpu/isa/block_parts.inl"

INL __m256i load(const void *p) {
    return _mm256_loadu_si256(p);
}

/* Groups g (low) and g + 4 (high) of a 4-bit half block, g < 4. quants: the half's first group. */
INL void nibbles(const uint8_t *quants, int g, __m256i *low, __m256i *high) {
    const __m256i mask = _mm256_set1_epi8(15);
    __m256i w = load(quants + g * 64);
    *low = _mm256_and_si256(w, mask);
    *high = _mm256_and_si256(_mm256_srli_epi16(w, 4), mask);
}

/* Bits 4 g .. 4 g + 3 of each lane, one a byte, worth 16: byte g / 2 goes to all four, each keeps its bit. */
INL __m256i fifths(__m256i bits, int g) {
    const int n = 0x01010101 * (g / 2), m = 0x04040404;
    const __m256i from = _mm256_setr_epi32(n, n + m, n + 2 * m, n + 3 * m, n, n + m, n + 2 * m, n + 3 * m);
    const __m256i mine = _mm256_set1_epi32(g % 2 ? (int)0x80402010u : 0x08040201);
    __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(bits, from), mine), mine);
    return _mm256_and_si256(set, _mm256_set1_epi8(16));
}

/* Groups 2 i, 2 i + 1 (low) and 2 i + 4, 2 i + 5 (high) of a half block: u[0], u[1], u[2], u[3]. Group 0 of a 5-bit block holds its 32 fifth
 * bits. */
INL void decode(tl_dtype t, const uint8_t *quants, int i, __m256i *u) {
    const uint8_t *p = quants + (has_fifth(t) ? 64 : 0);
    for (int j = 0; j < 2; j++) {
        nibbles(p, 2 * i + j, &u[j], &u[2 + j]);
        if (has_fifth(t)) {
            u[j] = _mm256_or_si256(u[j], fifths(load(quants), 2 * i + j));
            u[2 + j] = _mm256_or_si256(u[2 + j], fifths(load(quants), 2 * i + j + 4));
        }
    }
}

INL __m256 halves(const uint8_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p));
}

#endif
