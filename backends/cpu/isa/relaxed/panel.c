/* panel.c: packed panels of 32-blocks with the relaxed dot product: simd128/panel32.inl on bytes. x, which has a sign, is the first operand and
 * weights of 0 .. 31 are the second: within 7 bits every engine gives the same. Q8_0 has 8 and stays with simd128. */
#include "backends/cpu/isa/relaxed/relaxed.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/simd128/vec.h"

enum { PARTS = 1 };

static inline void split(vi bytes, vi *part) {
    part[0] = bytes;
}

static inline const uint8_t *prepare(const tl_x32 *x, int32_t *room) {
    (void)room;
    return (const uint8_t *)x->q;
}

static inline vi step(vi sum, vi part, const uint8_t *x) {
    return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(vi_spread(x), part, sum);
}

#define TL_ISA(name) tl_relaxed_##name
#include "backends/cpu/isa/simd128/panel32.inl"

PANEL(q4_0, TL_Q4_0)
PANEL(q4_1, TL_Q4_1)
PANEL(q5_0, TL_Q5_0)
PANEL(q5_1, TL_Q5_1)
#endif
