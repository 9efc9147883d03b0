/* panel.c: packed panels of 32-blocks with simd128: panel32.inl by dot_i16x8, which adds pairs of 16-bit products in 32 bits. Of 4 values of a
 * row bytes 0 and 2 make one pair and bytes 1 and 3 the other, and x is widened the same way, so that nothing is shuffled. */
#include "backends/cpu/isa/simd128/simd128.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/simd128/vec.h"

enum { PARTS = 2 };

static inline void split(vi bytes, vi *part) {
    part[0] = vi_even(bytes);
    part[1] = vi_odd(bytes);
}

static inline const uint8_t *prepare(const tl_x32 *x, int32_t *room) {
    for (int i = 0; i < 2; i++) {
        vi q = vi_load(x->q + 16 * i), even = vi_even(q), odd = vi_odd(q);
        wasm_v128_store(room + 8 * i, wasm_i32x4_shuffle(even, odd, 0, 4, 1, 5));
        wasm_v128_store(room + 8 * i + 4, wasm_i32x4_shuffle(even, odd, 2, 6, 3, 7));
    }
    return (const uint8_t *)room;
}

static inline vi step(vi sum, vi part, const uint8_t *x) {
    return vi_pairs(sum, part, vi_spread(x));
}

#define TL_ISA(name) tl_simd128_##name
#include "backends/cpu/isa/simd128/panel32.inl"

PANEL(q4_0, TL_Q4_0)
PANEL(q4_1, TL_Q4_1)
PANEL(q5_0, TL_Q5_0)
PANEL(q5_1, TL_Q5_1)
PANEL(q8_0, TL_Q8_0)
#endif
