/* peaks.c: what the avx2 level can do at most: isa/peaks.inl over the words of vec.h. */
#include "backends/cpu/isa/avx2/avx2.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx2/vec.h"

enum { DOT_GROUPS = 3 };

/* Eight sums of two products, each 15 * 127 at most, fit into 16 bits. */
static inline __attribute__((always_inline)) vi dots8(vi acc, vi u, const int8_t *x) {
    vi part = _mm256_setzero_si256();
    for (int i = 0; i < 8; i++)
        part = _mm256_add_epi16(part, _mm256_maddubs_epi16(u, vi_four(x + 4 * i)));
    return vi_pairs(acc, part, _mm256_set1_epi16(1));
}

#define TL_ISA(name) tl_avx2_##name
#include "backends/cpu/isa/peaks.inl"
#endif
