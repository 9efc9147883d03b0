/* unpack.h: packed panels (backends/cpu/pack.c) taken apart with NEON, shared by the NEON levels: the bytes of four rows of a panel become
 * vectors of values, 4 of each row. Only static inline. */
#ifndef TALLY_NEON_UNPACK_H
#define TALLY_NEON_UNPACK_H

#include <arm_neon.h>
#include <string.h>

#include "backends/cpu/kernels.h"

#define INL static inline __attribute__((always_inline))

#include "backends/cpu/isa/block_parts.inl"

/* ---- facts of types ---- */

/* How far the values of unpack_32 and unpack_256 stand above zero where they are not asked to be centred; the sums of x put it right. */
INL int offset_of(tl_dtype t) {
    return t == TL_Q4_0 ? 8 : t == TL_Q6_K ? 32 : 0;
}

/* How many products of values with x add up in 16 bits, where a level adds there: |-128| * 127 * 2, 31 * 127 * 8, and 15 * 127 * 16 fit.
 * Q6_K's are below 64, or -32 .. 31 where centred; its sub-blocks bring 4 products to a lane. */
enum { FIT_2, FIT_8, FIT_16 };

INL int fit_of(tl_dtype t) {
    return t == TL_Q8_0 ? FIT_2 : t == TL_Q5_1 || t == TL_Q5_K || t == TL_Q6_K ? FIT_8 : FIT_16;
}

/* ---- words ---- */

/* Group g of rows 4 q .. 4 q + 3: 4 bytes of each. */
INL uint8x16_t group(const uint8_t *p, int g, int q) {
    return vld1q_u8(p + g * (4 * TL_PANEL) + 16 * q);
}

INL uint8x16_t low_nibble(uint8x16_t v) {
    return vandq_u8(v, vdupq_n_u8(15));
}

/* The bytes shifted left (n < 0: right), of which mask stays. n may be a variable. */
INL uint8x16_t moved(uint8x16_t v, int n, int mask) {
    return vandq_u8(vshlq_u8(v, vdupq_n_s8((int8_t)n)), vdupq_n_u8((uint8_t)mask));
}

/* Puts `with` into the bytes of v that have one of the bits. */
INL uint8x16_t where(uint8x16_t v, uint8x16_t bytes, uint8x16_t bits, int with) {
    return vorrq_u8(v, vandq_u8(vtstq_u8(bytes, bits), vdupq_n_u8((uint8_t)with)));
}

INL uint8x16_t where_not(uint8x16_t v, uint8x16_t bytes, uint8x16_t bits, int with) {
    return vorrq_u8(v, vbicq_u8(vdupq_n_u8((uint8_t)with), vtstq_u8(bytes, bits)));
}

INL int8x16_t less(uint8x16_t v, int n) {
    return vreinterpretq_s8_u8(vsubq_u8(v, vdupq_n_u8((uint8_t)n)));
}

/* Byte j of each row, with its sign. */
INL int32x4_t byte_of(int8x16_t v, int j) {
    return vshrq_n_s32(vshlq_s32(vreinterpretq_s32_s8(v), vdupq_n_s32(24 - 8 * j)), 24);
}

/* v, in a register from here on: so what is stored side by side is made first and stored by pairs. */
INL int8x16_t held(int8x16_t v) {
    __asm__("" : "+w"(v));
    return v;
}

INL float32x4_t halves(const uint8_t *p, int q) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p + 8 * q)));
}

/* ---- values ---- */

/* Two vectors of values: 4 elements of each of four rows, and 4 that lie further on. */
typedef struct couple {
    int8x16_t a, b;
} couple;

/* Elements 4 g .. 4 g + 3 and 16 + 4 g .. of a block of 32, g < 4; not of Q8_0. p is the packed block behind its halves. */
INL couple unpack_32(tl_dtype t, const uint8_t *p, int g, int q, bool centre) {
    uint8x16_t w = group(p, has_fifth(t) ? g + 1 : g, q), a = low_nibble(w), b = vshrq_n_u8(w, 4);
    if (has_fifth(t)) { /* bits 4 g .. of byte g / 2 of group 0, and of byte 2 + g / 2 */
        static const uint8_t bytes[16] = {0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12};
        static const uint8_t masks[16] = {1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8};
        uint8x16_t fifth = group(p, 0, q), at = vaddq_u8(vld1q_u8(bytes), vdupq_n_u8((uint8_t)(g / 2)));
        uint8x16_t mask = vld1q_u8(masks);
        mask = g % 2 ? vshlq_n_u8(mask, 4) : mask;
        uint8x16_t low = vqtbl1q_u8(fifth, at), high = vqtbl1q_u8(fifth, vaddq_u8(at, vdupq_n_u8(2)));
        if (t == TL_Q5_0) /* minus 16 where the bit is not set */
            return (couple){less(where_not(a, low, mask, 0xF0), 0), less(where_not(b, high, mask, 0xF0), 0)};
        return (couple){less(where(a, low, mask, 16), 0), less(where(b, high, mask, 16), 0)};
    }
    int down = centre ? offset_of(t) : 0;
    return (couple){less(a, down), less(b, down)};
}

/* Which two runs of 32 elements pair i (of 4) of a super-block holds: they share bytes of the file. */
INL int first_run(tl_dtype t, int i) {
    return is_wide(t) ? 2 * i : i / 2 * 4 + i % 2;
}

INL int second_run(tl_dtype t, int i) {
    return first_run(t, i) + (is_wide(t) ? 1 : 2);
}

/* Elements 4 j .. 4 j + 3 of the two runs of pair i. p is the packed super-block behind its halves; i may be a
 * variable. */
INL couple unpack_256(tl_dtype t, const uint8_t *p, int i, int j, int q, bool centre) {
    int half = i / 2, a = i % 2, down = centre ? offset_of(t) : 0;
    uint8x16_t first = vdupq_n_u8((uint8_t)(1 << first_run(t, i))), second = vdupq_n_u8((uint8_t)(1 << second_run(t, i)));
    if (is_wide(t)) {
        uint8x16_t w = group(p, (t == TL_Q5_K ? 11 : 3) + 8 * i + j, q), low = low_nibble(w), high = vshrq_n_u8(w, 4);
        if (t == TL_Q5_K) {
            uint8x16_t fifth = group(p, 3 + j, q);
            low = where(low, fifth, first, 16);
            high = where(high, fifth, second, 16);
        }
        return (couple){less(low, 0), less(high, 0)};
    }
    if (t == TL_Q6_K) {
        uint8x16_t w = group(p, half * 16 + a * 8 + j, q), top = group(p, 32 + half * 8 + j, q);
        return (couple){less(vorrq_u8(low_nibble(w), moved(top, 4 - 2 * a, 48)), down),
                        less(vorrq_u8(vshrq_n_u8(w, 4), moved(top, -2 * a, 48)), down)};
    }
    uint8x16_t w = group(p, (t == TL_Q2_K ? 4 : 8) + half * 8 + j, q), low = moved(w, -2 * a, 3), high = moved(w, -2 * a - 4, 3);
    if (t == TL_Q3_K) { /* minus 4 where the third bit is not set */
        uint8x16_t third = group(p, j, q);
        low = where_not(low, third, first, 0xFC);
        high = where_not(high, third, second, 0xFC);
    }
    return (couple){less(low, 0), less(high, 0)};
}

/* Scales and minima of sub-blocks 4 quad .. 4 quad + 3, one a byte. Wide types have two quads, the others four; p as above. */
INL couple scales_of(tl_dtype t, const uint8_t *p, int quad, int q) {
    const int8x16_t none = vdupq_n_s8(0);
    if (is_wide(t)) {
        uint8x16_t a = group(p, 0, q), b = group(p, 1, q), c = group(p, 2, q);
        if (quad == 0)
            return (couple){less(moved(a, 0, 63), 0), less(moved(b, 0, 63), 0)};
        return (couple){less(vorrq_u8(low_nibble(c), moved(a, -2, 48)), 0), less(vorrq_u8(vshrq_n_u8(c, 4), moved(b, -2, 48)), 0)};
    }
    if (t == TL_Q2_K)
        return (couple){less(low_nibble(group(p, quad, q)), 0), less(vshrq_n_u8(group(p, quad, q), 4), 0)};
    if (t == TL_Q3_K) {
        uint8x16_t low = quad < 2 ? low_nibble(group(p, 24 + quad, q)) : vshrq_n_u8(group(p, 22 + quad, q), 4);
        return (couple){less(vorrq_u8(low, moved(group(p, 26, q), 4 - 2 * quad, 48)), 32), none};
    }
    return (couple){less(group(p, 48 + quad, q), 0), none};
}

/* The sums of x of each sub-block, s, as bytes: s = 128 * high + low, low in 0 .. 127. Wide: 8 bytes of low, 8 of high. */
INL couple sums_of(tl_dtype t, const tl_x256 *x) {
    int16x8_t s = vld1q_s16(x->bsum), u = vld1q_s16(x->bsum + 8);
    const int16x8_t low = vdupq_n_s16(127);
    if (is_wide(t)) {
        s = vpaddq_s16(s, u);
        int8x16_t both = vcombine_s8(vmovn_s16(vandq_s16(s, low)), vshrn_n_s16(s, 7));
        return (couple){both, both};
    }
    return (couple){vcombine_s8(vmovn_s16(vandq_s16(s, low)), vmovn_s16(vandq_s16(u, low))),
                    vcombine_s8(vshrn_n_s16(s, 7), vshrn_n_s16(u, 7))};
}

#endif
