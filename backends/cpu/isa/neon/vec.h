/* vec.h: the vector words of the neon level: 4 lanes. rows.inl and dot.inl are written against these names; what each one does is listed
 * in backends/cpu/isa/rows.inl. Only static inline. The words of shifts are macros: the instruction holds the count. */
#ifndef TALLY_VEC_NEON_H
#define TALLY_VEC_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

/* clang-format off */
enum { VL = 4, REGISTERS = 32 };
typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm;

static inline vf v_load(const float *p) { return vld1q_f32(p); }
static inline void v_store(float *p, vf v) { vst1q_f32(p, v); }
static inline vf v_set(float x) { return vdupq_n_f32(x); }
static inline vf v_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf v_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf v_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf v_div(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf v_fused(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); } /* only where a * b is exact */
static inline vf v_pinned(vf a) { return a; }
static inline vf v_sqrt(vf a) { return vsqrtq_f32(a); }
static inline vf v_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); } /* fmax has rules of its own for NaN and -0 */
static inline vm v_lt(vf a, vf b) { return vcltq_f32(a, b); }
static inline vm v_eq(vf a, vf b) { return vceqq_f32(a, b); }
static inline vf v_sel(vm m, vf a, vf b) { return vbslq_f32(m, a, b); }
static inline vi v_bits(vf a) { return vreinterpretq_s32_f32(a); }
static inline vf v_real(vi a) { return vreinterpretq_f32_s32(a); }
static inline vi vi_set(int32_t x) { return vdupq_n_s32(x); }
static inline vi vi_add(vi a, vi b) { return vaddq_s32(a, b); }
static inline vi vi_sub(vi a, vi b) { return vsubq_s32(a, b); }
static inline vi vi_and(vi a, vi b) { return vandq_s32(a, b); }
static inline vi vi_or(vi a, vi b) { return vorrq_s32(a, b); }
static inline vi vi_xor(vi a, vi b) { return veorq_s32(a, b); }
#define vi_shl(a, n) vshlq_n_s32(a, n)
#define vi_shr(a, n) vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), n))
static inline vi vi_max(vi a, vi b) { return vmaxq_s32(a, b); }
static inline vm vi_lt(vi a, vi b) { return vcltq_s32(a, b); }
static inline vf v_from_bf16(const void *p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
static inline vf v_from_f16(const void *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline int32_t vi_sum(vi v) { return vaddvq_s32(v); }
static inline int32_t vi_top(vi v) { return vmaxvq_s32(v); }

static inline void vi_store_i8(int8_t *p, vi v) {
    int16x4_t w = vmovn_s32(v);
    int32_t four = vget_lane_s32(vreinterpret_s32_s8(vmovn_s16(vcombine_s16(w, w))), 0);
    memcpy(p, &four, 4);
}

/* The 16 lanes of a sum, VL to a vector, as tl_fold16 adds them. */
static inline float v_fold(const vf *s) {
    vf a = v_add(v_add(s[0], s[2]), v_add(s[1], s[3]));
    float32x2_t b = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
}

/* The same of four sums: out[j] of s[j]. */
static inline void v_fold4(float *out, vf (*s)[4]) {
    vf a[4];
    for (int j = 0; j < 4; j++)
        a[j] = v_add(v_add(s[j][0], s[j][2]), v_add(s[j][1], s[j][3]));
    vf b = v_add(vcombine_f32(vget_low_f32(a[0]), vget_low_f32(a[1])), vcombine_f32(vget_high_f32(a[0]), vget_high_f32(a[1])));
    vf c = v_add(vcombine_f32(vget_low_f32(a[2]), vget_low_f32(a[3])), vcombine_f32(vget_high_f32(a[2]), vget_high_f32(a[3])));
    v_store(out, vpaddq_f32(b, c));
}

/* The same of FOLDS. */
enum { FOLDS = 4 };
static inline void v_folds(float *out, vf (*s)[4]) { v_fold4(out, s); }

/* Pairs (a0 b0 a1 b1 ...) of 2 VL floats to the even and the odd ones, and back. */
static inline void v_split(const float *p, vf *even, vf *odd) {
    float32x4x2_t v = vld2q_f32(p);
    *even = v.val[0];
    *odd = v.val[1];
}

static inline void v_join(float *p, vf even, vf odd) {
    float32x4x2_t v;
    v.val[0] = even;
    v.val[1] = odd;
    vst2q_f32(p, v);
}

static inline vi vi_load(const void *p) { return vld1q_s32(p); }
static inline vf v_from_int(vi a) { return vcvtq_f32_s32(a); }

/* ---- words of conversions (copy.inl) ---- */

/* VL bytes to integers; the low 16 bits of each lane; nearest f16, half to even, as tl_f32_to_f16. */
static inline vi vi_from_u8(const void *p) {
    uint32_t four;
    memcpy(&four, p, 4);
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four)))));
}
static inline void vi_store_16(void *p, vi v) { vst1_u8(p, vreinterpret_u8_s16(vmovn_s32(v))); }
static inline void v_to_f16(void *p, vf v) { vst1_u8(p, vreinterpret_u8_f16(vcvt_f16_f32(v))); }

/* ---- words of doubles (trig.inl): VL / 2 lanes ---- */

typedef float64x2_t vd;
static inline vd vd_load(const float *p) { return vcvt_f64_f32(vld1_f32(p)); }
static inline void vd_store(float *p, vd v) { vst1_f32(p, vcvt_f32_f64(v)); }
static inline vd vd_set(double x) { return vdupq_n_f64(x); }
static inline vd vd_add(vd a, vd b) { return vaddq_f64(a, b); }
static inline vd vd_sub(vd a, vd b) { return vsubq_f64(a, b); }
static inline vd vd_mul(vd a, vd b) { return vmulq_f64(a, b); }
/* The bits shifted left; a where b is 0, else c; a where m's sign is set, else b; a with its sign turned where m's is set. */
#define vd_shl(a, n) vreinterpretq_f64_s64(vshlq_n_s64(vreinterpretq_s64_f64(a), n))
static inline vd vd_if_zero(vd b, vd a, vd c) { return vbslq_f64(vceqzq_f64(b), a, c); }
static inline vd vd_pick(vd m, vd a, vd b) { return vbslq_f64(vcltzq_s64(vreinterpretq_s64_f64(m)), a, b); }
static inline vd vd_turn(vd a, vd m) {
    int64x2_t sign = vandq_s64(vreinterpretq_s64_f64(m), vdupq_n_s64(INT64_MIN));
    return vreinterpretq_f64_s64(veorq_s64(vreinterpretq_s64_f64(a), sign));
}

/* ---- words of rows as stored (interleave.inl) ---- */

static inline void vi_store(void *p, vi v) { vst1q_u8(p, vreinterpretq_u8_s32(v)); }
/* 16 bytes of each of VL rows, `at` bytes from their start: lane r of out[g] is group g of 4 bytes of row r. */
static inline void vi_across(vi *out, const uint8_t *const *rows, size_t at) {
    vi r[4];
    for (int i = 0; i < 4; i++)
        r[i] = vreinterpretq_s32_u8(vld1q_u8(rows[i] + at));
    vi a = vzip1q_s32(r[0], r[2]), b = vzip1q_s32(r[1], r[3]), c = vzip2q_s32(r[0], r[2]), d = vzip2q_s32(r[1], r[3]);
    out[0] = vzip1q_s32(a, b);
    out[1] = vzip2q_s32(a, b);
    out[2] = vzip1q_s32(c, d);
    out[3] = vzip2q_s32(c, d);
}
/* clang-format on */

#endif
