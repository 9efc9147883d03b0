/* peaks.c: what the relaxed level can do at most: isa/peaks.inl over the words of simd128/vec.h. */
#include "backends/cpu/isa/relaxed/relaxed.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/simd128/vec.h"

enum { DOT_GROUPS = 4 };

static inline __attribute__((always_inline)) vi dots8(vi acc, vi u, const int8_t *x) {
    for (int i = 0; i < 8; i++)
        acc = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(vi_spread(x + 4 * i), u, acc);
    return acc;
}

#define TL_ISA(name) tl_relaxed_##name
#include "backends/cpu/isa/peaks.inl"
#endif
