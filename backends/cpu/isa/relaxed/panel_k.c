/* panel_k.c: packed panels of K-quants with the relaxed dot product: isa/super.inl over the words of vec.h. x, which has a sign, is the
 * first operand and weights of 0 .. 63 are the second: within 7 bits every engine gives the same. */
#include "backends/cpu/isa/relaxed/relaxed.h"

#ifdef TL_HAVE_LEVEL
#include <string.h>

#include "backends/cpu/isa/simd128/vec.h"

enum { COLUMNS_K = 4 };

/* Dots of n vectors of unsigned bytes, below 128, with 4 n values of x. */
static inline __attribute__((always_inline)) vi dots(const vi *u, int n, const int8_t *x, int fit) {
    vi sum = vi_set(0);
    (void)fit; /* 2 * 127 * 127 fits 16 bits, and more are not added there */
    for (int i = 0; i < n; i++)
        sum = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(vi_spread(x + 4 * i), u[i], sum);
    return sum;
}

#define TL_ISA(name) tl_relaxed_##name
#include "backends/cpu/isa/super.inl"
#endif
