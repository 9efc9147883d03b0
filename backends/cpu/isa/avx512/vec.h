/* vec.h: the vector words of the avx512 level: 16 lanes. What each one does is listed in backends/cpu/isa/rows.inl. Only static inline. */
#ifndef TALLY_VEC_AVX512_H
#define TALLY_VEC_AVX512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

/* clang-format off */
enum { VL = 16, REGISTERS = 32 };
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

static inline vf v_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
static inline vf v_set(float x) { return _mm512_set1_ps(x); }
static inline vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf v_fused(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); } /* only where a * b is exact */
static inline vf v_pinned(vf a) { return a; } /* compilers keep it: 32 registers hold a tile and its operands */
static inline vf v_sqrt(vf a) { return _mm512_sqrt_ps(a); }
static inline vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); } /* a > b ? a : b */
static inline vm v_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline vm v_eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline vf v_sel(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }
static inline vi v_bits(vf a) { return _mm512_castps_si512(a); }
static inline vf v_real(vi a) { return _mm512_castsi512_ps(a); }
static inline vi vi_set(int32_t x) { return _mm512_set1_epi32(x); }
static inline vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
static inline vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
static inline vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
static inline vi vi_or(vi a, vi b) { return _mm512_or_si512(a, b); }
static inline vi vi_xor(vi a, vi b) { return _mm512_xor_si512(a, b); }
static inline vi vi_shl(vi a, unsigned n) { return _mm512_slli_epi32(a, n); }
static inline vi vi_shr(vi a, unsigned n) { return _mm512_srli_epi32(a, n); }
static inline vi vi_max(vi a, vi b) { return _mm512_max_epi32(a, b); }
static inline vm vi_lt(vi a, vi b) { return _mm512_cmplt_epi32_mask(a, b); }
static inline vf v_from_bf16(const void *p) { return v_real(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16)); }
static inline vf v_from_f16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256(p)); }
static inline void vi_store_i8(int8_t *p, vi v) { _mm_storeu_si128((void *)p, _mm512_cvtepi32_epi8(v)); }
static inline int32_t vi_sum(vi v) { return _mm512_reduce_add_epi32(v); }
static inline int32_t vi_top(vi v) { return _mm512_reduce_max_epi32(v); }

/* The 16 lanes of a sum as tl_fold16 adds them. */
static inline float v_fold(const vf *s) {
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(s[0]), _mm512_extractf32x8_ps(s[0], 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1)), c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

/* Four such sums to out[0..3]: two sums, then four, share a register. */
static inline void v_fold4(float *out, vf (*s)[1]) {
    vf ab = v_add(_mm512_shuffle_f32x4(s[0][0], s[1][0], 0x44), _mm512_shuffle_f32x4(s[0][0], s[1][0], 0xEE));
    vf cd = v_add(_mm512_shuffle_f32x4(s[2][0], s[3][0], 0x44), _mm512_shuffle_f32x4(s[2][0], s[3][0], 0xEE));
    vf x = v_add(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
    x = v_add(x, _mm512_permute_ps(x, 0x0E));
    x = v_add(x, _mm512_permute_ps(x, 0x01));
    const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm_storeu_ps(out, _mm512_castps512_ps128(_mm512_permutexvar_ps(first, x)));
}

/* The same of FOLDS: at each step the halves that stay where they are come by a blend, those that move by a shuffle, which has one port only. */
enum { FOLDS = 16 };
static inline void v_folds(float *out, vf (*s)[1]) {
    const __m512i fours = _mm512_setr_epi32(4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 24, 25, 26, 27);
    const __m512i ones = _mm512_setr_epi32(1, 16, 3, 18, 5, 20, 7, 22, 9, 24, 11, 26, 13, 28, 15, 30);
    vf a[8], b[4], c[2];
    for (int i = 0; i < 8; i++)
        a[i] = v_add(v_sel(0xFF00, s[i + 8][0], s[i][0]), _mm512_shuffle_f32x4(s[i][0], s[i + 8][0], 0x4E));
    for (int i = 0; i < 4; i++)
        b[i] = v_add(v_sel(0xF0F0, a[i + 4], a[i]), _mm512_permutex2var_ps(a[i], fours, a[i + 4]));
    for (int i = 0; i < 2; i++)
        c[i] = v_add(v_sel(0xCCCC, b[i + 2], b[i]), _mm512_shuffle_ps(b[i], b[i + 2], 0x4E));
    v_store(out, v_add(v_sel(0xAAAA, c[1], c[0]), _mm512_permutex2var_ps(c[0], ones, c[1])));
}

/* Pairs (a0 b0 a1 b1 ...) of 2 VL floats to the even and the odd ones, and back. */
static inline void v_split(const float *p, vf *even, vf *odd) {
    const vi e = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30), o = vi_add(e, vi_set(1));
    vf a = v_load(p), b = v_load(p + 16);
    *even = _mm512_permutex2var_ps(a, e, b);
    *odd = _mm512_permutex2var_ps(a, o, b);
}

static inline void v_join(float *p, vf even, vf odd) {
    const vi lo = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), hi = vi_add(lo, vi_set(8));
    v_store(p, _mm512_permutex2var_ps(even, lo, odd));
    v_store(p + 16, _mm512_permutex2var_ps(even, hi, odd));
}

/* ---- words of packed panels (super_parts.inl): 4 bytes a lane ---- */

static inline vi vi_load(const void *p) { return _mm512_loadu_si512(p); }
static inline vi vi_mul(vi a, vi b) { return _mm512_mullo_epi32(a, b); }
static inline vi vi_sub_bytes(vi a, vi b) { return _mm512_sub_epi8(a, b); }
static inline vf v_from_int(vi a) { return _mm512_cvtepi32_ps(a); }
/* The bytes shifted right, or left, by n and masked, n and mask so that nothing of a neighbour stays. */
static inline vi vi_bytes(vi a, unsigned n, int mask) { return vi_and(n ? _mm512_srli_epi16(a, n) : a, _mm512_set1_epi8((char)mask)); }
static inline vi vi_bytes_up(vi a, unsigned n, int mask) { return vi_and(n ? _mm512_slli_epi16(a, n) : a, _mm512_set1_epi8((char)mask)); }
/* Byte j with its sign. */
static inline vi vi_byte(vi a, unsigned j) { return _mm512_srai_epi32(j < 3 ? _mm512_slli_epi32(a, 24 - 8 * j) : a, 24); }

/* s + the products of u, unsigned bytes, with the same 4 bytes at x in each lane; and of pairs of 16 bits. In assembler, because gcc spreads what
 * is at x by an instruction of its own; volatile, because it would put the products of one sum in a row, where each waits for the last. */
#ifdef __AVX512VNNI__
/* a, computed here and now: gcc would move it behind what follows, until registers no longer do. */
static inline vf v_here(vf a) { __asm__("" : "+v"(a)); return a; }
#define PRODUCTS(instruction, emulated)                                                                                  \
    __asm__ volatile(instruction " %2%{1to16%}, %1, %0" : "+v"(s) : "v"(u), "m"(*(const int32_t(*)[1])x)); \
    return s
#else /* tests/support/avx512 */
static inline vf v_here(vf a) { return a; }
#define PRODUCTS(instruction, emulated) \
    int32_t v;                          \
    memcpy(&v, x, 4);                   \
    return emulated(s, u, vi_set(v))
#endif
static inline vi vi_products(vi s, vi u, const void *x) { PRODUCTS("vpdpbusd", _mm512_dpbusd_epi32); }
static inline vi vi_products16(vi s, vi u, const void *x) { PRODUCTS("vpdpwssd", _mm512_dpwssd_epi32); }
#undef PRODUCTS

/* ---- words of conversions (copy.inl) ---- */

/* VL bytes to integers; the low 16 bits of each lane; nearest f16, half to even, as tl_f32_to_f16. */
static inline vi vi_from_u8(const void *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128(p)); }
static inline void vi_store_16(void *p, vi v) { _mm256_storeu_si256(p, _mm512_cvtepi32_epi16(v)); }
static inline void v_to_f16(void *p, vf v) { _mm256_storeu_si256(p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)); }

/* ---- words of doubles (trig.inl): VL / 2 lanes ---- */

typedef __m512d vd;
static inline vd vd_load(const float *p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
static inline void vd_store(float *p, vd v) { _mm256_storeu_ps(p, _mm512_cvtpd_ps(v)); }
static inline vd vd_set(double x) { return _mm512_set1_pd(x); }
static inline vd vd_add(vd a, vd b) { return _mm512_add_pd(a, b); }
static inline vd vd_sub(vd a, vd b) { return _mm512_sub_pd(a, b); }
static inline vd vd_mul(vd a, vd b) { return _mm512_mul_pd(a, b); }
/* The bits shifted left; a where b is 0, else c; a where m's sign is set, else b; a with its sign turned where m's is set. */
static inline vd vd_shl(vd a, unsigned n) { return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(a), n)); }
static inline vd vd_if_zero(vd b, vd a, vd c) { return _mm512_mask_blend_pd(_mm512_cmp_pd_mask(b, _mm512_setzero_pd(), _CMP_EQ_OQ), c, a); }
static inline vd vd_pick(vd m, vd a, vd b) { return _mm512_mask_blend_pd(_mm512_movepi64_mask(_mm512_castpd_si512(m)), b, a); }
static inline vd vd_turn(vd a, vd m) { return _mm512_xor_pd(a, _mm512_and_pd(m, _mm512_set1_pd(-0.0))); }

/* ---- words of rows as stored (interleave.inl) ---- */

static inline void vi_store(void *p, vi v) { _mm512_storeu_si512(p, v); }
/* 16 bytes of each of VL rows, `at` bytes from their start: lane r of out[g] is group g of 4 bytes of row r. */
static inline void vi_across(vi *out, const uint8_t *const *rows, size_t at) {
    vi a[4];
    for (int i = 0; i < 4; i++) {
        a[i] = _mm512_castsi128_si512(_mm_loadu_si128((const void *)(rows[i] + at)));
        a[i] = _mm512_inserti32x4(a[i], _mm_loadu_si128((const void *)(rows[i + 4] + at)), 1);
        a[i] = _mm512_inserti32x4(a[i], _mm_loadu_si128((const void *)(rows[i + 8] + at)), 2);
        a[i] = _mm512_inserti32x4(a[i], _mm_loadu_si128((const void *)(rows[i + 12] + at)), 3);
    }
    vi p = _mm512_unpacklo_epi32(a[0], a[1]), q = _mm512_unpackhi_epi32(a[0], a[1]);
    vi r = _mm512_unpacklo_epi32(a[2], a[3]), s = _mm512_unpackhi_epi32(a[2], a[3]);
    out[0] = _mm512_unpacklo_epi64(p, r);
    out[1] = _mm512_unpackhi_epi64(p, r);
    out[2] = _mm512_unpacklo_epi64(q, s);
    out[3] = _mm512_unpackhi_epi64(q, s);
}
/* clang-format on */

#endif
