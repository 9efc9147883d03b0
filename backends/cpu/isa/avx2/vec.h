/* vec.h: the vector words of the avx2 level: 8 lanes. The .inl files are written against these names; what each one does is
 * listed in backends/cpu/isa/rows.inl. Only static inline. */
#ifndef TALLY_VEC_AVX2_H
#define TALLY_VEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

/* clang-format off */
enum { VL = 8, REGISTERS = 16 };
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;

static inline vf v_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
static inline vf v_set(float x) { return _mm256_set1_ps(x); }
static inline vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf v_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf v_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf v_fused(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); } /* only where a * b is exact */
static inline vf v_pinned(vf a) { __asm__("" : "+x"(a)); return a; }
static inline vf v_sqrt(vf a) { return _mm256_sqrt_ps(a); }
static inline vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); } /* a > b ? a : b */
static inline vm v_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline vm v_eq(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
static inline vf v_sel(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }
static inline vi v_bits(vf a) { return _mm256_castps_si256(a); }
static inline vf v_real(vi a) { return _mm256_castsi256_ps(a); }
static inline vi vi_set(int32_t x) { return _mm256_set1_epi32(x); }
static inline vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
static inline vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
static inline vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
static inline vi vi_or(vi a, vi b) { return _mm256_or_si256(a, b); }
static inline vi vi_xor(vi a, vi b) { return _mm256_xor_si256(a, b); }
static inline vi vi_shl(vi a, int n) { return _mm256_slli_epi32(a, n); }
static inline vi vi_shr(vi a, int n) { return _mm256_srli_epi32(a, n); }
static inline vi vi_max(vi a, vi b) { return _mm256_max_epi32(a, b); }
static inline vm vi_lt(vi a, vi b) { return _mm256_castsi256_ps(_mm256_cmpgt_epi32(b, a)); }
static inline vf v_from_bf16(const void *p) { return v_real(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16)); }
static inline vf v_from_f16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128(p)); }

static inline void vi_store_i8(int8_t *p, vi v) {
    __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storel_epi64((void *)p, _mm_packs_epi16(w, w));
}

static inline int32_t vi_sum(vi v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

static inline int32_t vi_top(vi v) {
    __m128i s = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_max_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    return _mm_cvtsi128_si32(_mm_max_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

/* The 16 lanes of a sum, VL to a vector, as tl_fold16 adds them. */
static inline float v_fold(const vf *s) {
    vf a = v_add(s[0], s[1]);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1)), c = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

/* Four such sums to out[0..3]: halves of two sums meet in one register at each step. */
static inline void v_fold4(float *out, vf (*s)[2]) {
    vf a = v_add(s[0][0], s[0][1]), b = v_add(s[1][0], s[1][1]), c = v_add(s[2][0], s[2][1]), d = v_add(s[3][0], s[3][1]);
    vf ac = v_add(_mm256_permute2f128_ps(a, c, 0x20), _mm256_permute2f128_ps(a, c, 0x31));
    vf bd = v_add(_mm256_permute2f128_ps(b, d, 0x20), _mm256_permute2f128_ps(b, d, 0x31));
    vf x = v_add(_mm256_shuffle_ps(ac, bd, 0x44), _mm256_shuffle_ps(ac, bd, 0xEE));
    x = v_add(x, _mm256_movehdup_ps(x));
    _mm_storeu_ps(out, _mm_shuffle_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1), 0x88));
}

/* The same of FOLDS. */
enum { FOLDS = 4 };
static inline void v_folds(float *out, vf (*s)[2]) { v_fold4(out, s); }

/* Pairs (a0 b0 a1 b1 ...) of 2 VL floats to the even and the odd ones, and back. */
static inline void v_split(const float *p, vf *even, vf *odd) {
    vf a = v_load(p), b = v_load(p + 8);
    __m256 e = _mm256_shuffle_ps(a, b, 0x88), o = _mm256_shuffle_ps(a, b, 0xDD);
    *even = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(e), 0xD8));
    *odd = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(o), 0xD8));
}

static inline void v_join(float *p, vf even, vf odd) {
    __m256 lo = _mm256_unpacklo_ps(even, odd), hi = _mm256_unpackhi_ps(even, odd);
    v_store(p, _mm256_permute2f128_ps(lo, hi, 0x20));
    v_store(p + 8, _mm256_permute2f128_ps(lo, hi, 0x31));
}

/* ---- integers: bytes as they lie, and pairs of 16 bits ---- */

static inline vi vi_load(const void *p) { return _mm256_loadu_si256(p); }
/* The same 4 bytes in each lane. */
static inline vi vi_four(const void *p) { int32_t v; memcpy(&v, p, 4); return vi_set(v); }
static inline vf v_from_int(vi a) { return _mm256_cvtepi32_ps(a); }
static inline vi vi_pairs(vi acc, vi a, vi b) { return vi_add(acc, _mm256_madd_epi16(a, b)); }
static inline vi vi_sub_bytes(vi a, vi b) { return _mm256_sub_epi8(a, b); }
/* The bytes shifted right, or left, by n and masked, n and mask so that nothing of a neighbour stays. */
static inline vi vi_bytes(vi a, int n, int mask) { return vi_and(n ? _mm256_srli_epi16(a, n) : a, _mm256_set1_epi8((char)mask)); }
static inline vi vi_bytes_up(vi a, int n, int mask) { return vi_and(n ? _mm256_slli_epi16(a, n) : a, _mm256_set1_epi8((char)mask)); }

/* ---- words of conversions (copy.inl) ---- */

/* VL bytes to integers; the low 16 bits of each lane; nearest f16, half to even, as tl_f32_to_f16. */
static inline vi vi_from_u8(const void *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64(p)); }
static inline void vi_store_16(void *p, vi v) {
    vi low = _mm256_and_si256(v, _mm256_set1_epi32(0xFFFF)), w = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0xD8);
    _mm_storeu_si128(p, _mm256_castsi256_si128(w));
}
static inline void v_to_f16(void *p, vf v) { _mm_storeu_si128(p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT)); }

/* ---- words of doubles (trig.inl): VL / 2 lanes ---- */

typedef __m256d vd;
static inline vd vd_load(const float *p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
static inline void vd_store(float *p, vd v) { _mm_storeu_ps(p, _mm256_cvtpd_ps(v)); }
static inline vd vd_set(double x) { return _mm256_set1_pd(x); }
static inline vd vd_add(vd a, vd b) { return _mm256_add_pd(a, b); }
static inline vd vd_sub(vd a, vd b) { return _mm256_sub_pd(a, b); }
static inline vd vd_mul(vd a, vd b) { return _mm256_mul_pd(a, b); }
/* The bits shifted left; a where b is 0, else c; a where m's sign is set, else b; a with its sign turned where m's is set. */
static inline vd vd_shl(vd a, int n) { return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(a), n)); }
static inline vd vd_if_zero(vd b, vd a, vd c) { return _mm256_blendv_pd(c, a, _mm256_cmp_pd(b, _mm256_setzero_pd(), _CMP_EQ_OQ)); }
static inline vd vd_pick(vd m, vd a, vd b) { return _mm256_blendv_pd(b, a, m); }
static inline vd vd_turn(vd a, vd m) { return _mm256_xor_pd(a, _mm256_and_pd(m, _mm256_set1_pd(-0.0))); }

/* ---- words of rows as stored (interleave.inl) ---- */

static inline void vi_store(void *p, vi v) { _mm256_storeu_si256(p, v); }
/* 16 bytes of each of VL rows, `at` bytes from their start: lane r of out[g] is group g of 4 bytes of row r. */
static inline void vi_across(vi *out, const uint8_t *const *rows, size_t at) {
    vi a[4];
    for (int i = 0; i < 4; i++) {
        vi low = _mm256_castsi128_si256(_mm_loadu_si128((const void *)(rows[i] + at)));
        a[i] = _mm256_inserti128_si256(low, _mm_loadu_si128((const void *)(rows[i + 4] + at)), 1);
    }
    vi p = _mm256_unpacklo_epi32(a[0], a[1]), q = _mm256_unpackhi_epi32(a[0], a[1]);
    vi r = _mm256_unpacklo_epi32(a[2], a[3]), s = _mm256_unpackhi_epi32(a[2], a[3]);
    out[0] = _mm256_unpacklo_epi64(p, r);
    out[1] = _mm256_unpackhi_epi64(p, r);
    out[2] = _mm256_unpacklo_epi64(q, s);
    out[3] = _mm256_unpackhi_epi64(q, s);
}
/* clang-format on */

#endif
