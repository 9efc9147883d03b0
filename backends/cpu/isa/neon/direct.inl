/* direct.inl: one row of activations times packed panels, straight from the panel, or times rows as stored, packed block by block; shared by the NEON levels. A level's panel.c includes
 * unpack.h, defines the words below, then includes this.
 *
 * The words: part is the dots of four rows in the making; part_new(start) begins with exact integers; ADD4(part, w, x, lane) adds the products
 * of the 4 values of each row in w with 4 values of x, lane a literal; part_spilled(part) must follow every second ADD4 where values may be
 * as large as a byte; part_total(part, start, fit) gives start plus the dots, fit saying how many products may add up in 16 bits. */

#include "backends/cpu/isa/neon/vec.h"
#include "backends/cpu/isa/interleave.inl"

/* ---- blocks of 32 ---- */

#define STEP_8(g, x, lane)                                                     \
    _Pragma("GCC unroll 8") \
    for (int q = 0; q < 4; q++) {                                              \
        ADD4(s[q], vreinterpretq_s8_u8(group(p, g, q)), x, lane);              \
        if (g % 2)                                                             \
            s[q] = part_spilled(s[q]);                                                 \
    }

#define STEP_4(g)                                        \
    _Pragma("GCC unroll 8") \
    for (int q = 0; q < 4; q++) {                        \
        couple w = unpack_32(t, p, g, q, false);         \
        ADD4(s[q], w.a, x0, g);                          \
        ADD4(s[q], w.b, x1, g);                          \
    }

/* Adds block x to acc, 4 rows a vector. */
INL void direct_block(tl_dtype t, float32x4_t *acc, const uint8_t *block, const tl_x32 *x) {
    const uint8_t *p = block + head_bytes(t);
    const int8x16_t x0 = vld1q_s8(x->q), x1 = vld1q_s8(x->q + 16);
    const int32x4_t start = vdupq_n_s32(-offset_of(t) * x->bsum);
    part s[4];
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
        s[q] = part_new(start);
    if (t == TL_Q8_0) {
        STEP_8(0, x0, 0)
        STEP_8(1, x0, 1)
        STEP_8(2, x0, 2)
        STEP_8(3, x0, 3)
        STEP_8(4, x1, 0)
        STEP_8(5, x1, 1)
        STEP_8(6, x1, 2)
        STEP_8(7, x1, 3)
    } else {
        STEP_4(0)
        STEP_4(1)
        STEP_4(2)
        STEP_4(3)
    }
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++) {
        float32x4_t isum = vcvtq_f32_s32(part_total(s[q], start, fit_of(t))), d = halves(block, q), term;
        if (has_min(t)) /* m * bsum has 11 + 12 bits: exact, so it may be fused */
            term = vmulq_n_f32(vfmaq_n_f32(vmulq_f32(isum, d), halves(block + 2 * TL_PANEL, q), (float)x->bsum), x->d);
        else
            term = vmulq_f32(isum, vmulq_n_f32(d, x->d));
        acc[q] = vaddq_f32(acc[q], term);
    }
}

INL void direct_32(tl_dtype t, float *y, const uint8_t *panel, const source *rows, const tl_x32 *x, int64_t k) {
    uint8_t room[ROOM];
    float32x4_t acc[4];
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
        acc[q] = vdupq_n_f32(0);
    for (int64_t b = 0; b < k / 32; b++)
        direct_block(t, acc, block_at(t, panel, rows, (size_t)b, room), x + b);
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
        vst1q_f32(y + 4 * q, acc[q]);
}

/* ---- super-blocks ---- */

/* Sum over sub-blocks of factors, one a byte in [quad * 4 + q], times the sums of x: dots with the high and low bytes of these sums. */
INL int32x4_t factor_sums(tl_dtype t, const int8x16_t *factors, int q, couple sums) {
    const int32x4_t zero = vdupq_n_s32(0);
    part high = part_new(zero);
    if (is_wide(t)) {
        ADD4(high, factors[q], sums.b, 2);
        ADD4(high, factors[4 + q], sums.b, 3);
    } else {
        ADD4(high, factors[q], sums.b, 0);
        ADD4(high, factors[4 + q], sums.b, 1);
        high = part_spilled(high);
        ADD4(high, factors[8 + q], sums.b, 2);
        ADD4(high, factors[12 + q], sums.b, 3);
    }
    high = part_spilled(high);
    int32x4_t above = vshlq_n_s32(part_total(high, zero, FIT_2), 7);
    part low = part_new(above);
    ADD4(low, factors[q], sums.a, 0);
    ADD4(low, factors[4 + q], sums.a, 1);
    if (!is_wide(t)) {
        low = part_spilled(low);
        ADD4(low, factors[8 + q], sums.a, 2);
        ADD4(low, factors[12 + q], sums.a, 3);
    }
    low = part_spilled(low);
    return part_total(low, above, FIT_2);
}

/* The float step of quant.h for rows 4 q ..: adds a super-block's sums to acc. */
INL float32x4_t add_super(tl_dtype t, float32x4_t acc, const uint8_t *head, int q, int32x4_t s, int32x4_t T, float dx) {
    float32x4_t d = halves(head, q), isum = vcvtq_f32_s32(s);
    if (!has_min(t))
        return vaddq_f32(acc, vmulq_f32(isum, vmulq_n_f32(d, dx)));
    float32x4_t m = halves(head + 2 * TL_PANEL, q);
    return vaddq_f32(acc, vmulq_n_f32(vsubq_f32(vmulq_f32(isum, d), vmulq_f32(vcvtq_f32_s32(T), m)), dx));
}

#define STEP_K(j, x0, x1, lane)                                   \
    _Pragma("GCC unroll 8") \
    for (int q = 0; q < 4; q++) {                                 \
        couple w = unpack_256(t, p, i, j, q, false);              \
        ADD4(a[q], w.a, x0, lane);                                \
        ADD4(b[q], w.b, x1, lane);                                \
    }

/* The dots of 4 or 8 STEP_K's times the scales of sub-blocks na and nb, into s; the next ones begin. */
INL void direct_scale(tl_dtype t, int32x4_t *s, part *a, part *b, const int8x16_t *sc, int na, int nb) {
    const int32x4_t zero = vdupq_n_s32(0);
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++) {
        s[q] = vmlaq_s32(s[q], part_total(a[q], zero, fit_of(t)), byte_of(sc[na / 4 * 4 + q], na % 4));
        s[q] = vmlaq_s32(s[q], part_total(b[q], zero, fit_of(t)), byte_of(sc[nb / 4 * 4 + q], nb % 4));
        a[q] = b[q] = part_new(zero);
    }
}

/* Adds super-block x to acc. */
INL void direct_super(tl_dtype t, float32x4_t *acc, const uint8_t *block, const tl_x256 *x) {
    const uint8_t *p = block + head_bytes(t);
    const int32x4_t zero = vdupq_n_s32(0);
    int8x16_t sc[16], mn[16];
    int32x4_t s[4];
    part a[4], b[4];
    for (int quad = 0; quad < (is_wide(t) ? 2 : 4); quad++)
#pragma GCC unroll 8
        for (int q = 0; q < 4; q++) {
            couple f = scales_of(t, p, quad, q);
            sc[4 * quad + q] = f.a;
            mn[4 * quad + q] = f.b;
        }
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++) {
        s[q] = zero;
        a[q] = b[q] = part_new(zero);
    }
    for (int i = 0; i < 4; i++) {
        int ra = first_run(t, i), rb = second_run(t, i);
        const int8_t *xa = x->q + 32 * ra, *xb = x->q + 32 * rb;
        int8x16_t x0 = vld1q_s8(xa), x1 = vld1q_s8(xb);
        STEP_K(0, x0, x1, 0)
        STEP_K(1, x0, x1, 1)
        STEP_K(2, x0, x1, 2)
        STEP_K(3, x0, x1, 3)
        if (!is_wide(t))
            direct_scale(t, s, a, b, sc, 2 * ra, 2 * rb);
        x0 = vld1q_s8(xa + 16);
        x1 = vld1q_s8(xb + 16);
        STEP_K(4, x0, x1, 0)
        STEP_K(5, x0, x1, 1)
        STEP_K(6, x0, x1, 2)
        STEP_K(7, x0, x1, 3)
        direct_scale(t, s, a, b, sc, is_wide(t) ? ra : 2 * ra + 1, is_wide(t) ? rb : 2 * rb + 1);
    }
    couple sums = sums_of(t, x);
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++) {
        int32x4_t T = t == TL_Q3_K ? zero : factor_sums(t, offset_of(t) ? sc : mn, q, sums);
        if (offset_of(t))
            s[q] = vmlsq_s32(s[q], T, vdupq_n_s32(offset_of(t)));
        acc[q] = add_super(t, acc[q], block, q, s[q], T, x->d);
    }
}

INL void direct_256(tl_dtype t, float *y, const uint8_t *panel, const source *rows, const tl_x256 *x, int64_t k) {
    uint8_t room[ROOM];
    float32x4_t acc[4];
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
        acc[q] = vdupq_n_f32(0);
    for (int64_t b = 0; b < k / 256; b++)
        direct_super(t, acc, block_at(t, panel, rows, (size_t)b, room), x + b);
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
        vst1q_f32(y + 4 * q, acc[q]);
}
