/* peaks.c: what smmla can do at most; the other peaks are those of the levels below. */
#include "backends/cpu/isa/neon_i8mm/neon_i8mm.h"

#ifdef TL_HAVE_LEVEL
#include <arm_neon.h>

enum { PAIRS = 12 }; /* of lanes at once: sums and weights stay in registers, and the sums are enough to hide a latency */

/* A vector of weights is u of a lane twice, then of the next; x has steps t, t + 1 and t + 2, t + 3. So a sum is (lane 0 by the first two, by the
 * last two, lane 1 by the first, by the last). */
void tl_neon_i8mm_peak_int8(int32_t *sums, const uint8_t *u, const int8_t *x, int64_t n) {
    for (int at = 0; at < TL_PEAK_LANES; at += 2 * PAIRS) {
        int8x16_t w[PAIRS];
        int32x4_t s[PAIRS];
        for (int p = 0; p < PAIRS; p++) {
            int32x2_t two = vreinterpret_s32_u8(vld1_u8(u + 4 * (at + 2 * p)));
            w[p] = vreinterpretq_s8_s32(vcombine_s32(vdup_lane_s32(two, 0), vdup_lane_s32(two, 1)));
            s[p] = vdupq_n_s32(0);
        }
        for (int64_t t = 0; t < n; t += 4) {
            const int8x16_t v = vld1q_s8(x + 4 * t);
            for (int p = 0; p < PAIRS; p++)
                s[p] = vmmlaq_s32(s[p], w[p], v);
        }
        for (int p = 0; p < PAIRS; p++) {
            int32_t *to = sums + at + 2 * p;
            vst1_s32(to, vadd_s32(vld1_s32(to), vpadd_s32(vget_low_s32(s[p]), vget_high_s32(s[p]))));
        }
    }
}
#endif
