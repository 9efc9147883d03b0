/* peaks.c: what the simd128 level can do at most: isa/peaks.inl over the words of vec.h. */
#include "backends/cpu/isa/simd128/simd128.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/simd128/vec.h"

enum { DOT_GROUPS = 4 };

/* u and x widened to pairs, as the panels have them. */
static inline __attribute__((always_inline)) vi dots8(vi acc, vi u, const int8_t *x) {
    for (int i = 0; i < 8; i++) {
        vi four = vi_spread(x + 4 * i);
        acc = vi_pairs(acc, vi_even(u), vi_even(four));
        acc = vi_pairs(acc, vi_odd(u), vi_odd(four));
    }
    return acc;
}

#define TL_ISA(name) tl_simd128_##name
#include "backends/cpu/isa/peaks.inl"
#endif
