/* part.h: the words of isa/neon/direct.inl by dot products: sums of any length fit. Only static inline. */
#ifndef TALLY_NEON_DOTPROD_PART_H
#define TALLY_NEON_DOTPROD_PART_H

#include <arm_neon.h>

typedef int32x4_t part;

#define ADD4(part, w, x, lane) part = vdotq_laneq_s32(part, w, x, lane)

static inline part part_new(int32x4_t start) {
    return start;
}

static inline part part_spilled(part p) {
    return p;
}

static inline int32x4_t part_total(part p, int32x4_t start, int fit) {
    (void)start, (void)fit;
    return p;
}

#endif
