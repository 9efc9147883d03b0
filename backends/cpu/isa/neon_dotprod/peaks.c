/* peaks.c: what the neon-dotprod level can do at most: isa/peaks.inl over the words of isa/neon/vec.h. */
#include "backends/cpu/isa/neon_dotprod/neon_dotprod.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/neon/vec.h"

enum { DOT_GROUPS = 12 };

static inline __attribute__((always_inline)) vi dots8(vi acc, vi u, const int8_t *x) {
    int8x16_t w = vreinterpretq_s8_s32(u), a = vld1q_s8(x), b = vld1q_s8(x + 16);
    acc = vdotq_laneq_s32(acc, w, a, 0);
    acc = vdotq_laneq_s32(acc, w, a, 1);
    acc = vdotq_laneq_s32(acc, w, a, 2);
    acc = vdotq_laneq_s32(acc, w, a, 3);
    acc = vdotq_laneq_s32(acc, w, b, 0);
    acc = vdotq_laneq_s32(acc, w, b, 1);
    acc = vdotq_laneq_s32(acc, w, b, 2);
    return vdotq_laneq_s32(acc, w, b, 3);
}

#define TL_ISA(name) tl_neon_dotprod_##name
#include "backends/cpu/isa/peaks.inl"
#endif
