/* vec.h: the vector words of the simd128 and relaxed levels: 4 lanes. rows.inl, dot.inl and the panels are written against these names;
 * what each one does is listed in backends/cpu/isa/rows.inl. Compiled for relaxed, v_fused is relaxed_madd, which an engine may or may
 * not fuse: where the product is exact both give the same bits. Only static inline. */
#ifndef TALLY_VEC_SIMD128_H
#define TALLY_VEC_SIMD128_H

#include <stdint.h>
#include <string.h>
#include <wasm_simd128.h>

/* clang-format off */
enum { VL = 4, REGISTERS = 16 };
typedef v128_t vf;
typedef v128_t vi;
typedef v128_t vm;

static inline vf v_load(const float *p) { return wasm_v128_load(p); }
static inline void v_store(float *p, vf v) { wasm_v128_store(p, v); }
/* A constant is hidden from the compiler, which would make it anew at each use, for which V8 takes three instructions, and not before a loop. */
static inline vf v_set(float x) {
    if (__builtin_constant_p(x) && x != 0.0f)
        __asm__("" : "+r"(x));
    return wasm_f32x4_splat(x);
}
static inline vf v_add(vf a, vf b) { return wasm_f32x4_add(a, b); }
static inline vf v_sub(vf a, vf b) { return wasm_f32x4_sub(a, b); }
static inline vf v_mul(vf a, vf b) { return wasm_f32x4_mul(a, b); }
static inline vf v_div(vf a, vf b) { return wasm_f32x4_div(a, b); }
#if defined(__wasm_relaxed_simd__)
static inline vf v_fused(vf a, vf b, vf c) { return wasm_f32x4_relaxed_madd(a, b, c); } /* only where a * b is exact */
#else
static inline vf v_fused(vf a, vf b, vf c) { return wasm_f32x4_add(wasm_f32x4_mul(a, b), c); }
#endif
static inline vf v_pinned(vf a) { return a; }
static inline vf v_sqrt(vf a) { return wasm_f32x4_sqrt(a); }
static inline vf v_max(vf a, vf b) { return wasm_f32x4_pmax(b, a); } /* a > b ? a : b */
static inline vm v_lt(vf a, vf b) { return wasm_f32x4_lt(a, b); }
static inline vm v_eq(vf a, vf b) { return wasm_f32x4_eq(a, b); }
static inline vf v_sel(vm m, vf a, vf b) { return wasm_v128_bitselect(a, b, m); }
static inline vi v_bits(vf a) { return a; }
static inline vf v_real(vi a) { return a; }
static inline vi vi_set(int32_t x) {
    if (__builtin_constant_p(x) && x != 0)
        __asm__("" : "+r"(x));
    return wasm_i32x4_splat(x);
}
static inline vi vi_add(vi a, vi b) { return wasm_i32x4_add(a, b); }
static inline vi vi_sub(vi a, vi b) { return wasm_i32x4_sub(a, b); }
static inline vi vi_and(vi a, vi b) { return wasm_v128_and(a, b); }
static inline vi vi_or(vi a, vi b) { return wasm_v128_or(a, b); }
static inline vi vi_xor(vi a, vi b) { return wasm_v128_xor(a, b); }
static inline vi vi_shl(vi a, int n) { return wasm_i32x4_shl(a, (uint32_t)n); }
static inline vi vi_shr(vi a, int n) { return wasm_u32x4_shr(a, (uint32_t)n); }
static inline vi vi_max(vi a, vi b) { return wasm_i32x4_max(a, b); }
static inline vm vi_lt(vi a, vi b) { return wasm_i32x4_lt(a, b); }
static inline vf v_from_bf16(const void *p) { return wasm_i32x4_shl(wasm_u32x4_load16x4(p), 16); }

/* There is no such instruction. As the bits of a float, exponent and mantissa of an f16 are 2^112 too small, and the product with 2^112
 * is exact, for denormals, too; inf and NaN get the exponent of theirs. Widened with its sign, an f16 has that where a float has it. */
static inline vf v_from_f16(const void *p) {
    vi a = vi_shl(wasm_i32x4_load16x4(p), 13), special = wasm_i32x4_gt(vi_and(a, vi_set(0x0FFFFFFF)), vi_set(0x0F7FFFFF));
    return vi_or(v_mul(vi_and(a, vi_set((int32_t)0x8FFFFFFF)), v_set(0x1p+112f)), vi_and(special, vi_set(0x7F800000)));
}

static inline void vi_store_i8(int8_t *p, vi v) {
    vi w = wasm_i16x8_narrow_i32x4(v, v);
    wasm_v128_store32_lane(p, wasm_i8x16_narrow_i16x8(w, w), 0);
}

static inline int32_t vi_sum(vi v) {
    vi s = vi_add(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
    return wasm_i32x4_extract_lane(vi_add(s, wasm_i32x4_shuffle(s, s, 1, 0, 3, 2)), 0);
}

static inline int32_t vi_top(vi v) {
    vi s = vi_max(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
    return wasm_i32x4_extract_lane(vi_max(s, wasm_i32x4_shuffle(s, s, 1, 0, 3, 2)), 0);
}

/* The 16 lanes of a sum, VL to a vector, as tl_fold16 adds them. */
static inline float v_fold(const vf *s) {
    vf a = v_add(v_add(s[0], s[2]), v_add(s[1], s[3])), b = v_add(a, wasm_i32x4_shuffle(a, a, 2, 3, 0, 1));
    return wasm_f32x4_extract_lane(b, 0) + wasm_f32x4_extract_lane(b, 1);
}

/* Four such sums to out[0..3]: halves of two sums meet in one vector at each step. */
static inline void v_fold4(float *out, vf (*s)[4]) {
    vf a[4];
    for (int i = 0; i < 4; i++)
        a[i] = v_add(v_add(s[i][0], s[i][2]), v_add(s[i][1], s[i][3]));
    vf x = v_add(wasm_i32x4_shuffle(a[0], a[1], 0, 1, 4, 5), wasm_i32x4_shuffle(a[0], a[1], 2, 3, 6, 7));
    vf y = v_add(wasm_i32x4_shuffle(a[2], a[3], 0, 1, 4, 5), wasm_i32x4_shuffle(a[2], a[3], 2, 3, 6, 7));
    v_store(out, v_add(wasm_i32x4_shuffle(x, y, 0, 2, 4, 6), wasm_i32x4_shuffle(x, y, 1, 3, 5, 7)));
}

/* The same of FOLDS. */
enum { FOLDS = 4 };
static inline void v_folds(float *out, vf (*s)[4]) { v_fold4(out, s); }

/* Pairs (a0 b0 a1 b1 ...) of 2 VL floats to the even and the odd ones, and back. */
static inline void v_split(const float *p, vf *even, vf *odd) {
    vf a = v_load(p), b = v_load(p + 4);
    *even = wasm_i32x4_shuffle(a, b, 0, 2, 4, 6);
    *odd = wasm_i32x4_shuffle(a, b, 1, 3, 5, 7);
}

static inline void v_join(float *p, vf even, vf odd) {
    v_store(p, wasm_i32x4_shuffle(even, odd, 0, 4, 1, 5));
    v_store(p + 4, wasm_i32x4_shuffle(even, odd, 2, 6, 3, 7));
}

/* ---- words of packed panels: 4 bytes a lane ---- */

static inline vi vi_load(const void *p) { return wasm_v128_load(p); }
static inline vi vi_mul(vi a, vi b) { return wasm_i32x4_mul(a, b); }
static inline vf v_from_int(vi a) { return wasm_f32x4_convert_i32x4(a); }
/* The bytes shifted right by n and masked, n and mask so that nothing of a neighbour stays. */
static inline vi vi_bytes(vi a, int n, int mask) { return vi_and(wasm_u16x8_shr(a, (uint32_t)n), wasm_i8x16_splat((int8_t)mask)); }
static inline vi vi_bytes_up(vi a, int n, int mask) { return vi_and(wasm_i16x8_shl(a, (uint32_t)n), wasm_i8x16_splat((int8_t)mask)); }
static inline vi vi_sub_bytes(vi a, vi b) { return wasm_i8x16_sub(a, b); }
/* Byte j with its sign. */
static inline vi vi_byte(vi a, int j) { return wasm_i32x4_shr(wasm_i32x4_shl(a, (uint32_t)(24 - 8 * j)), 24); }
/* Bytes 0 and 2, or 1 and 3, with their sign, as 16-bit pairs; acc + the sum of products of such pairs. */
static inline vi vi_even(vi a) { return wasm_i16x8_shr(wasm_i16x8_shl(a, 8), 8); }
static inline vi vi_odd(vi a) { return wasm_i16x8_shr(a, 8); }
static inline vi vi_pairs(vi acc, vi a, vi b) { return vi_add(acc, wasm_i32x4_dot_i16x8(a, b)); }
/* The same address, of which nothing else is known: so that what is added to it goes into the instruction that loads. */
static inline const void *kept(const void *p) { __asm__("" : "+r"(p)); return p; }
/* The same 4 bytes in every lane. */
static inline vi vi_spread(const void *p) { return wasm_v128_load32_splat(p); }
/* Asks memory for n bytes: there is no instruction for it, so a byte of each line is loaded. */
static inline void vi_touch(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i += 64)
        __asm__ volatile("" : : "r"((int)*(const volatile uint8_t *)(p + i)));
}

/* ---- words of conversions (copy.inl) ---- */

/* VL bytes to integers; the low 16 bits of each lane. */
static inline vi vi_from_u8(const void *p) { return wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(p))); }
static inline void vi_store_16(void *p, vi v) {
    wasm_v128_store64_lane(p, wasm_i8x16_shuffle(v, v, 0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13), 0);
}

/* Nearest f16, half to even, case by case as tl_f32_to_f16. */
static inline void v_to_f16(void *p, vf v) {
    vi sign = vi_and(vi_shr(v, 16), vi_set(0x8000)), a = vi_and(v, vi_set(0x7FFFFFFF)), odd = vi_and(vi_shr(a, 13), vi_set(1));
    vi r = vi_shr(vi_add(vi_add(a, vi_set(0xFFF - 0x38000000)), odd), 13);
    r = v_sel(vi_lt(a, vi_set(0x38800000)), vi_sub(v_add(a, v_set(0.5f)), vi_set(0x3F000000)), r);
    r = v_sel(vi_lt(a, vi_set(0x477FF000)), r, vi_set(0x7C00));
    r = v_sel(vi_lt(vi_set(0x7F800000), a), vi_or(vi_set(0x7E00), vi_and(vi_shr(a, 13), vi_set(0x3FF))), r);
    vi_store_16(p, vi_or(r, sign));
}

/* ---- words of doubles (trig.inl): VL / 2 lanes ---- */

typedef v128_t vd;
static inline vd vd_load(const float *p) { return wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(p)); }
static inline void vd_store(float *p, vd v) { wasm_v128_store64_lane(p, wasm_f32x4_demote_f64x2_zero(v), 0); }
static inline vd vd_set(double x) { return wasm_f64x2_splat(x); }
static inline vd vd_add(vd a, vd b) { return wasm_f64x2_add(a, b); }
static inline vd vd_sub(vd a, vd b) { return wasm_f64x2_sub(a, b); }
static inline vd vd_mul(vd a, vd b) { return wasm_f64x2_mul(a, b); }
/* The bits shifted left; a where b is 0, else c; a where m's sign is set, else b; a with its sign turned where m's is set. */
static inline vd vd_shl(vd a, int n) { return wasm_i64x2_shl(a, (uint32_t)n); }
static inline vd vd_if_zero(vd b, vd a, vd c) { return wasm_v128_bitselect(a, c, wasm_f64x2_eq(b, vd_set(0.0))); }
static inline vd vd_pick(vd m, vd a, vd b) { return wasm_v128_bitselect(a, b, wasm_i64x2_shr(m, 63)); }
static inline vd vd_turn(vd a, vd m) { return wasm_v128_xor(a, wasm_v128_and(m, vd_set(-0.0))); }

/* ---- words of rows as stored (interleave.inl) ---- */

static inline void vi_store(void *p, vi v) { wasm_v128_store(p, v); }
/* 16 bytes of each of VL rows, `at` bytes from their start: lane r of out[g] is group g of 4 bytes of row r. */
static inline void vi_across(vi *out, const uint8_t *const *rows, size_t at) {
    vi a = vi_load(rows[0] + at), b = vi_load(rows[1] + at), c = vi_load(rows[2] + at), d = vi_load(rows[3] + at);
    vi ab = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), cd = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5);
    out[0] = wasm_i64x2_shuffle(ab, cd, 0, 2);
    out[1] = wasm_i64x2_shuffle(ab, cd, 1, 3);
    ab = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
    cd = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
    out[2] = wasm_i64x2_shuffle(ab, cd, 0, 2);
    out[3] = wasm_i64x2_shuffle(ab, cd, 1, 3);
}
/* clang-format on */

#endif
