/* panel.c: packed panels times quantised rows with the NEON of every 64-bit Arm. smlal adds products of bytes in 16 bits, where only as many
 * fit as the largest values allow (|-128| * 127 * 2 = 32,512 for bytes, 15 * 127 * 16 = 30,480 for nibbles), then neighbours are added in 32.
 * A vector holds 4 values of 4 rows, x the same 4 of a column in each lane. A tile is 16 rows and 2 columns. The float step follows
 * quant.h operation by operation; m * bsum has 11 + 12 bits, is exact, and may be fused. */
#include "backends/cpu/isa/neon/neon.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/neon/unpack.h"

/* Products in 16 bits: 2 of each row in each half; and what was spilled of them. */
typedef struct part {
    int16x8_t low, high;
    int32x4_t wide_low, wide_high;
} part;

INL part part_new(int32x4_t start) {
    (void)start;
    return (part){vdupq_n_s16(0), vdupq_n_s16(0), vdupq_n_s32(0), vdupq_n_s32(0)};
}

INL part part_add(part p, int8x16_t w, int8x16_t x) {
    p.low = vmlal_s8(p.low, vget_low_s8(w), vget_low_s8(x));
    p.high = vmlal_high_s8(p.high, w, x);
    return p;
}

#define ADD4(part, w, x, lane) part = part_add(part, w, vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(x), lane)))

INL part part_spilled(part p) {
    p.wide_low = vpadalq_s16(p.wide_low, p.low);
    p.wide_high = vpadalq_s16(p.wide_high, p.high);
    p.low = p.high = vdupq_n_s16(0);
    return p;
}

INL int32x4_t part_total(part p, int32x4_t start, int fit) {
    if (fit == FIT_2)
        return vaddq_s32(start, vpaddq_s32(p.wide_low, p.wide_high));
    if (fit == FIT_8)
        return vaddq_s32(start, vpaddq_s32(vpaddlq_s16(p.low), vpaddlq_s16(p.high)));
    return vpadalq_s16(start, vpaddq_s16(p.low, p.high));
}

#include "backends/cpu/isa/neon/direct.inl"

enum { TILE = 2, LEAST_TILED = 4, RAISED = 0, SCALES = 32 * TL_PANEL, MOST_BYTES = SCALES + 8 * TL_PANEL };

INL size_t strip_bytes(tl_dtype t) {
    return has_min(t) ? MOST_BYTES : SCALES + 4 * TL_PANEL;
}

INL void order(int8x16_t *u, int n) {
    (void)u, (void)n;
}

/* A group of all 16 rows lies together, as in the panel. */
INL void put_run(int8_t *dst, int q, const int8x16_t *u) {
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        vst1q_s8(dst + 64 * g + 16 * q, u[g]);
}

INL void put_ints(int32_t *dst, int q, int32x4_t v) {
    vst1q_s32(dst + 8 * q, v);
}

/* Then the scales of all rows, then the minima. */
INL void put_block(tl_dtype t, int8_t *dst, int q, const int8x16_t *u, float32x4_t d, float32x4_t m) {
    put_run(dst, q, u);
    vst1q_s8(dst + SCALES + 16 * q, vreinterpretq_s8_f32(d));
    if (has_min(t))
        vst1q_s8(dst + SCALES + 64 + 16 * q, vreinterpretq_s8_f32(m));
}

#include "backends/cpu/isa/neon/strip.inl"

INL float32x4_t scales_at(const int8_t *p) {
    return vreinterpretq_f32_s8(vld1q_s8(p));
}

/* Dots of 16 rows with both columns over groups g0 .. g1 - 1 of a run; x [2] at the run. */
INL void dots(tl_dtype t, part (*s)[TILE], const int8_t *w, const int8_t *const *x, int g0, int g1) {
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
#pragma GCC unroll 8
        for (int c = 0; c < TILE; c++)
            s[q][c] = part_new(vdupq_n_s32(0));
#pragma GCC unroll 8
    for (int g = g0; g < g1; g++) {
        int8x16_t v[TILE];
#pragma GCC unroll 8
        for (int c = 0; c < TILE; c++)
            v[c] = vreinterpretq_s8_s32(vld1q_dup_s32((const void *)(x[c] + 4 * g)));
#pragma GCC unroll 8
        for (int q = 0; q < 4; q++) {
            int8x16_t u = vld1q_s8(w + 64 * g + 16 * q);
#pragma GCC unroll 8
            for (int c = 0; c < TILE; c++) {
                s[q][c] = part_add(s[q][c], u, v[c]);
                if (t == TL_Q8_0 && g % 2)
                    s[q][c] = part_spilled(s[q][c]);
            }
        }
    }
}

INL void tile_32(tl_dtype t, place at, const float *from, int64_t from_stride, const int8_t *w, int n) {
    const int32x4_t zero = vdupq_n_s32(0);
    float32x4_t acc[4][TILE];
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
#pragma GCC unroll 8
        for (int c = 0; c < TILE; c++)
            acc[q][c] = vld1q_f32(from + c * from_stride + 4 * q);
    for (int r = 0; r < n; r++, at.x += sizeof(tl_x32), w += strip_bytes(t)) {
        part s[4][TILE];
        const tl_x32 *v[TILE] = {x32_of(at, 0), x32_of(at, 1)};
        const int8_t *x[TILE] = {v[0]->q, v[1]->q};
        dots(t, s, w, x, 0, 8);
#pragma GCC unroll 8
        for (int q = 0; q < 4; q++) {
            float32x4_t d = scales_at(w + SCALES + 16 * q), m = has_min(t) ? scales_at(w + SCALES + 64 + 16 * q) : d;
#pragma GCC unroll 8
            for (int c = 0; c < TILE; c++) {
                float32x4_t isum = vcvtq_f32_s32(part_total(s[q][c], zero, fit_of(t))), term;
                if (has_min(t))
                    term = vmulq_n_f32(vfmaq_n_f32(vmulq_f32(isum, d), m, (float)v[c]->bsum), v[c]->d);
                else
                    term = vmulq_f32(isum, vmulq_n_f32(d, v[c]->d));
                acc[q][c] = vaddq_f32(acc[q][c], term);
            }
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
#pragma GCC unroll 8
        for (int c = 0; c < TILE; c++)
            vst1q_f32(y_of(at, c) + 4 * q, acc[q][c]);
}

INL void tile_256(tl_dtype t, place at, const super_strip *w, const uint8_t *head) {
    const int32x4_t zero = vdupq_n_s32(0);
    const int parts = is_wide(t) ? 1 : 2; /* sub-blocks of a run */
    int32x4_t sum[4][TILE];
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
#pragma GCC unroll 8
        for (int c = 0; c < TILE; c++)
            sum[q][c] = zero;
    for (int r = 0; r < 8; r++) {
        const int8_t *x[TILE] = {x256_of(at, 0)->q + 32 * r, x256_of(at, 1)->q + 32 * r};
        for (int h = 0; h < parts; h++) {
            part s[4][TILE];
            dots(t, s, w->q[r], x, 4 * h, is_wide(t) ? 8 : 4 * h + 4);
#pragma GCC unroll 8
            for (int q = 0; q < 4; q++)
#pragma GCC unroll 8
                for (int c = 0; c < TILE; c++)
                    sum[q][c] = vmlaq_s32(sum[q][c], part_total(s[q][c], zero, fit_of(t)), vld1q_s32(w->sc[parts * r + h] + 8 * q));
        }
    }
    for (int c = 0; c < TILE; c++) {
        const tl_x256 *v = x256_of(at, c);
        couple sums = sums_of(t, v);
#pragma GCC unroll 8
        for (int q = 0; q < 4; q++) {
            int32x4_t T = has_min(t) ? factor_sums(t, w->mn, q, sums) : zero;
            float *y = y_of(at, c) + 4 * q;
            vst1q_f32(y, add_super(t, vld1q_f32(y), head, q, sum[q][c], T, v->d));
        }
    }
}

#define TL_ISA(name) tl_neon_##name
#include "backends/cpu/isa/neon/panel.inl"
#endif
