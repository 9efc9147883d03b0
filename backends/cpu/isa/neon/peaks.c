/* peaks.c: what the neon level can do at most: isa/peaks.inl over the words of vec.h. */
#include "backends/cpu/isa/neon/neon.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/neon/vec.h"

enum { DOT_GROUPS = 6 };

/* Eight sums of two products, each 15 * 127 at most, fit into 16 bits. */
static inline __attribute__((always_inline)) vi dots8(vi acc, vi u, const int8_t *x) {
    int8x16_t w = vreinterpretq_s8_s32(u);
    int16x8_t low = vdupq_n_s16(0), high = vdupq_n_s16(0);
    for (int i = 0; i < 8; i++) {
        int32_t bytes;
        memcpy(&bytes, x + 4 * i, 4);
        int8x16_t four = vreinterpretq_s8_s32(vi_set(bytes));
        low = vmlal_s8(low, vget_low_s8(w), vget_low_s8(four));
        high = vmlal_high_s8(high, w, four);
    }
    return vpadalq_s16(acc, vpaddq_s16(low, high));
}

#define TL_ISA(name) tl_neon_##name
#include "backends/cpu/isa/peaks.inl"
#endif
