/* panel_k.c: packed panels of K-quants with simd128: isa/super.inl over the words of vec.h, by dot_i16x8 of bytes widened to pairs. */
#include "backends/cpu/isa/simd128/simd128.h"

#ifdef TL_HAVE_LEVEL
#include <string.h>

#include "backends/cpu/isa/simd128/vec.h"

enum { COLUMNS_K = 4 };

/* Dots of n vectors of unsigned bytes, below 128, with 4 n values of x. */
static inline __attribute__((always_inline)) vi dots(const vi *u, int n, const int8_t *x, int fit) {
    vi sum = vi_set(0);
    (void)fit; /* 32 bits hold all products */
    for (int i = 0; i < n; i++) {
        vi four = vi_spread(x + 4 * i);
        sum = vi_pairs(sum, vi_and(u[i], vi_set(0x00FF00FF)), vi_even(four));
        sum = vi_pairs(sum, vi_odd(u[i]), vi_odd(four));
    }
    return sum;
}

#define TL_ISA(name) tl_simd128_##name
#include "backends/cpu/isa/super.inl"
#endif
