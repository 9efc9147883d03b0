/* immintrin.h: the AVX-512 instructions that the avx512 level uses, made of AVX2's: with the CMake option TALLY_EMULATE_AVX512 the level is
 * compiled against this header, so that a CPU without AVX-512 can prove the level's bits (not its speed). A vector is two halves; each
 * instruction does to its lanes what Intel's manual says. One that is missing here does not compile: add it.
 *
 * The compiler's own header comes first, for AVX2 and for types; its AVX-512 names are then hidden by macros. */
#ifndef TALLY_TESTS_AVX512_H
#define TALLY_TESTS_AVX512_H

#include_next <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef struct emu_f {
    __m256 h[2];
} emu_f;
typedef struct emu_d {
    __m256d h[2];
} emu_d;
typedef struct emu_i {
    __m256i h[2];
} emu_i;
#define __m512 emu_f
#define __m512d emu_d
#define __m512i emu_i

/* ---- lane by lane: what AVX2 has is done to both halves ---- */

#define EMU_ONE(name, to, from, half)              \
    static inline to emu_##name(from a) {          \
        return (to){{half(a.h[0]), half(a.h[1])}}; \
    }
#define EMU_TWO(name, type, half)                                    \
    static inline type emu_##name(type a, type b) {                  \
        return (type){{half(a.h[0], b.h[0]), half(a.h[1], b.h[1])}}; \
    }
#define EMU_COUNT(name, half)                                         \
    static inline emu_i emu_##name(emu_i a, unsigned n) {             \
        return (emu_i){{half(a.h[0], (int)n), half(a.h[1], (int)n)}}; \
    }
#define EMU_SET(name, to, from, half)     \
    static inline to emu_##name(from x) { \
        return (to){{half(x), half(x)}};  \
    }

EMU_TWO(add_ps, emu_f, _mm256_add_ps)
EMU_TWO(sub_ps, emu_f, _mm256_sub_ps)
EMU_TWO(mul_ps, emu_f, _mm256_mul_ps)
EMU_TWO(div_ps, emu_f, _mm256_div_ps)
EMU_TWO(max_ps, emu_f, _mm256_max_ps)
EMU_ONE(sqrt_ps, emu_f, emu_f, _mm256_sqrt_ps)
EMU_TWO(add_pd, emu_d, _mm256_add_pd)
EMU_TWO(sub_pd, emu_d, _mm256_sub_pd)
EMU_TWO(mul_pd, emu_d, _mm256_mul_pd)
EMU_TWO(and_pd, emu_d, _mm256_and_pd)
EMU_TWO(xor_pd, emu_d, _mm256_xor_pd)
EMU_TWO(add_epi32, emu_i, _mm256_add_epi32)
EMU_TWO(sub_epi32, emu_i, _mm256_sub_epi32)
EMU_TWO(mullo_epi32, emu_i, _mm256_mullo_epi32)
EMU_TWO(add_epi16, emu_i, _mm256_add_epi16)
EMU_TWO(mullo_epi16, emu_i, _mm256_mullo_epi16)
EMU_TWO(sub_epi8, emu_i, _mm256_sub_epi8)
EMU_TWO(shuffle_epi8, emu_i, _mm256_shuffle_epi8)
EMU_TWO(max_epi32, emu_i, _mm256_max_epi32)
EMU_TWO(madd_epi16, emu_i, _mm256_madd_epi16)
EMU_TWO(and_si512, emu_i, _mm256_and_si256)
EMU_TWO(or_si512, emu_i, _mm256_or_si256)
EMU_TWO(xor_si512, emu_i, _mm256_xor_si256)
EMU_TWO(unpacklo_epi32, emu_i, _mm256_unpacklo_epi32)
EMU_TWO(unpackhi_epi32, emu_i, _mm256_unpackhi_epi32)
EMU_TWO(unpacklo_epi64, emu_i, _mm256_unpacklo_epi64)
EMU_TWO(unpackhi_epi64, emu_i, _mm256_unpackhi_epi64)
EMU_COUNT(slli_epi16, _mm256_slli_epi16)
EMU_COUNT(srli_epi16, _mm256_srli_epi16)
EMU_COUNT(srai_epi16, _mm256_srai_epi16)
EMU_COUNT(slli_epi32, _mm256_slli_epi32)
EMU_COUNT(srli_epi32, _mm256_srli_epi32)
EMU_COUNT(srai_epi32, _mm256_srai_epi32)
EMU_COUNT(slli_epi64, _mm256_slli_epi64)
EMU_SET(set1_ps, emu_f, float, _mm256_set1_ps)
EMU_SET(set1_pd, emu_d, double, _mm256_set1_pd)
EMU_SET(set1_epi8, emu_i, char, _mm256_set1_epi8)
EMU_SET(set1_epi16, emu_i, short, _mm256_set1_epi16)
EMU_SET(set1_epi32, emu_i, int, _mm256_set1_epi32)
EMU_ONE(cvtepi32_ps, emu_f, emu_i, _mm256_cvtepi32_ps)
EMU_ONE(castps_si512, emu_i, emu_f, _mm256_castps_si256)
EMU_ONE(castsi512_ps, emu_f, emu_i, _mm256_castsi256_ps)
EMU_ONE(castpd_si512, emu_i, emu_d, _mm256_castpd_si256)
EMU_ONE(castsi512_pd, emu_d, emu_i, _mm256_castsi256_pd)

static inline emu_f emu_fmadd_ps(emu_f a, emu_f b, emu_f c) {
    return (emu_f){{_mm256_fmadd_ps(a.h[0], b.h[0], c.h[0]), _mm256_fmadd_ps(a.h[1], b.h[1], c.h[1])}};
}

/* Unsigned bytes of u times signed ones of s, four to a lane, added to acc without saturation. */
static inline __m256i emu_dot_half(__m256i acc, __m256i u, __m256i s) {
    __m256i even = _mm256_madd_epi16(_mm256_and_si256(u, _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16(s, 8), 8));
    __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(u, 8), _mm256_srai_epi16(s, 8));
    return _mm256_add_epi32(acc, _mm256_add_epi32(even, odd));
}

static inline emu_i emu_dpbusd_epi32(emu_i acc, emu_i u, emu_i s) {
    return (emu_i){{emu_dot_half(acc.h[0], u.h[0], s.h[0]), emu_dot_half(acc.h[1], u.h[1], s.h[1])}};
}

/* Pairs of 16 bits, both signed. */
static inline emu_i emu_dpwssd_epi32(emu_i acc, emu_i a, emu_i b) {
    return emu_add_epi32(acc, emu_madd_epi16(a, b));
}

/* ---- memory ---- */

static inline emu_f emu_loadu_ps(const void *p) {
    emu_f v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline emu_i emu_loadu_si512(const void *p) {
    emu_i v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void emu_storeu_ps(void *p, emu_f v) {
    memcpy(p, &v, sizeof v);
}

static inline void emu_storeu_si512(void *p, emu_i v) {
    memcpy(p, &v, sizeof v);
}

/* ---- masks: a bit a lane ---- */

static inline __mmask16 emu_mask16(__m256 low, __m256 high) {
    return (__mmask16)(_mm256_movemask_ps(low) | _mm256_movemask_ps(high) << 8);
}

static inline __mmask8 emu_mask8(__m256d low, __m256d high) {
    return (__mmask8)(_mm256_movemask_pd(low) | _mm256_movemask_pd(high) << 4);
}

static inline __mmask16 emu_cmplt_epi32_mask(emu_i a, emu_i b) {
    return emu_mask16(_mm256_castsi256_ps(_mm256_cmpgt_epi32(b.h[0], a.h[0])), _mm256_castsi256_ps(_mm256_cmpgt_epi32(b.h[1], a.h[1])));
}

static inline __mmask8 emu_movepi64_mask(emu_i a) {
    return emu_mask8(_mm256_castsi256_pd(a.h[0]), _mm256_castsi256_pd(a.h[1]));
}

/* Lanes of ones where the mask's bits are set. */
static inline __m256 emu_lanes(unsigned mask) {
    const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)mask), bits), bits));
}

static inline __m256d emu_wide_lanes(unsigned mask) {
    const __m256i bits = _mm256_setr_epi64x(1, 2, 4, 8);
    return _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x((long long)mask), bits), bits));
}

static inline emu_f emu_mask_blend_ps(__mmask16 m, emu_f a, emu_f b) {
    return (emu_f){{_mm256_blendv_ps(a.h[0], b.h[0], emu_lanes(m)), _mm256_blendv_ps(a.h[1], b.h[1], emu_lanes((unsigned)m >> 8))}};
}

static inline emu_d emu_mask_blend_pd(__mmask8 m, emu_d a, emu_d b) {
    return (emu_d){
        {_mm256_blendv_pd(a.h[0], b.h[0], emu_wide_lanes(m)), _mm256_blendv_pd(a.h[1], b.h[1], emu_wide_lanes((unsigned)m >> 4))}};
}

/* ---- other widths ---- */

static inline emu_i emu_cvtepu8_epi32(__m128i a) {
    return (emu_i){{_mm256_cvtepu8_epi32(a), _mm256_cvtepu8_epi32(_mm_srli_si128(a, 8))}};
}

static inline emu_i emu_cvtepi16_epi32(__m256i a) {
    return (emu_i){{_mm256_cvtepi16_epi32(_mm256_castsi256_si128(a)), _mm256_cvtepi16_epi32(_mm256_extracti128_si256(a, 1))}};
}

static inline emu_i emu_cvtepu16_epi32(__m256i a) {
    return (emu_i){{_mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)), _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1))}};
}

static inline __m128i emu_cvtepi32_epi8(emu_i a) {
    uint32_t lane[16];
    uint8_t low[16];
    memcpy(lane, &a, sizeof lane);
    for (int i = 0; i < 16; i++)
        low[i] = (uint8_t)lane[i];
    return _mm_loadu_si128((const void *)low);
}

static inline __m256i emu_cvtepi32_epi16(emu_i a) {
    uint32_t lane[16];
    uint16_t low[16];
    memcpy(lane, &a, sizeof lane);
    for (int i = 0; i < 16; i++)
        low[i] = (uint16_t)lane[i];
    return _mm256_loadu_si256((const void *)low);
}

static inline emu_f emu_cvtph_ps(__m256i a) {
    return (emu_f){{_mm256_cvtph_ps(_mm256_castsi256_si128(a)), _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1))}};
}

static inline emu_d emu_cvtps_pd(__m256 a) {
    return (emu_d){{_mm256_cvtps_pd(_mm256_castps256_ps128(a)), _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1))}};
}

static inline __m256 emu_cvtpd_ps(emu_d a) {
    return _mm256_set_m128(_mm256_cvtpd_ps(a.h[1]), _mm256_cvtpd_ps(a.h[0]));
}

static inline emu_i emu_castsi128_si512(__m128i a) { /* what lies above is undefined: here zeros */
    return (emu_i){{_mm256_zextsi128_si256(a), _mm256_setzero_si256()}};
}

static inline emu_i emu_inserti32x4(emu_i a, __m128i b, int quarter) {
    memcpy((char *)&a + 16 * quarter, &b, sizeof b);
    return a;
}

/* ---- across lanes ---- */

static inline emu_f emu_permutex2var_ps(emu_f a, emu_i index, emu_f b) {
    float from[32], to[16];
    uint32_t at[16];
    memcpy(from, &a, sizeof a);
    memcpy(from + 16, &b, sizeof b);
    memcpy(at, &index, sizeof at);
    for (int i = 0; i < 16; i++)
        to[i] = from[at[i] & 31];
    return emu_loadu_ps(to);
}

static inline emu_f emu_permutexvar_ps(emu_i index, emu_f a) {
    float from[16], to[16];
    uint32_t at[16];
    memcpy(from, &a, sizeof a);
    memcpy(at, &index, sizeof at);
    for (int i = 0; i < 16; i++)
        to[i] = from[at[i] & 15];
    return emu_loadu_ps(to);
}

static inline emu_i emu_permutexvar_epi32(emu_i index, emu_i a) {
    return emu_castps_si512(emu_permutexvar_ps(index, emu_castsi512_ps(a)));
}

/* Quarters how & 3 and how >> 2 & 3 of a, then two of b. */
static inline emu_f emu_shuffle_f32x4(emu_f a, emu_f b, int how) {
    emu_f to;
    for (int i = 0; i < 4; i++)
        memcpy((char *)&to + 16 * i, (const char *)(i < 2 ? &a : &b) + 16 * (how >> 2 * i & 3), 16);
    return to;
}

static inline int32_t emu_reduce_add_epi32(emu_i a) {
    uint32_t lane[16], sum = 0;
    memcpy(lane, &a, sizeof lane);
    for (int i = 0; i < 16; i++)
        sum += lane[i];
    return (int32_t)sum;
}

static inline int32_t emu_reduce_max_epi32(emu_i a) {
    int32_t lane[16], most = INT32_MIN;
    memcpy(lane, &a, sizeof lane);
    for (int i = 0; i < 16; i++)
        most = lane[i] > most ? lane[i] : most;
    return most;
}

/* ---- Intel's names; some are macros of the compiler's header ---- */

#undef _mm512_cmp_ps_mask
#undef _mm512_cmp_pd_mask
#undef _mm512_cvtps_ph
#undef _mm512_permute_ps
#undef _mm512_shuffle_ps
#undef _mm512_shuffle_f32x4
#undef _mm512_extractf32x8_ps
#undef _mm512_inserti32x4
#undef _mm512_slli_epi16
#undef _mm512_srli_epi16
#undef _mm512_srai_epi16
#undef _mm512_slli_epi32
#undef _mm512_srli_epi32
#undef _mm512_srai_epi32
#undef _mm512_slli_epi64
#undef _mm512_cmplt_epi32_mask
#undef _mm512_loadu_si512
#undef _mm512_storeu_si512
#undef _mm512_setr_epi32
#undef _mm512_set4_epi32

#define _mm512_cmp_ps_mask(a, b, how) emu_mask16(_mm256_cmp_ps((a).h[0], (b).h[0], how), _mm256_cmp_ps((a).h[1], (b).h[1], how))
#define _mm512_cmp_pd_mask(a, b, how) emu_mask8(_mm256_cmp_pd((a).h[0], (b).h[0], how), _mm256_cmp_pd((a).h[1], (b).h[1], how))
#define _mm512_cvtps_ph(a, how) _mm256_set_m128i(_mm256_cvtps_ph((a).h[1], (how)&7), _mm256_cvtps_ph((a).h[0], (how)&7))
#define _mm512_shuffle_ps(a, b, how) ((emu_f){{_mm256_shuffle_ps((a).h[0], (b).h[0], how), _mm256_shuffle_ps((a).h[1], (b).h[1], how)}})
#define _mm512_permute_ps(a, how) ((emu_f){{_mm256_permute_ps((a).h[0], how), _mm256_permute_ps((a).h[1], how)}})
#define _mm512_castps512_ps128(a) _mm256_castps256_ps128((a).h[0])
#define _mm512_castps512_ps256(a) ((a).h[0])
#define _mm512_extractf32x8_ps(a, i) ((a).h[i])
#define _mm512_setr_epi32(...) emu_loadu_si512((const int[16]){__VA_ARGS__})
#define _mm512_set4_epi32(d, c, b, a) _mm512_setr_epi32(a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d)
#define _mm512_setzero_si512() emu_set1_epi32(0)
#define _mm512_setzero_ps() emu_set1_ps(0)
#define _mm512_setzero_pd() emu_set1_pd(0)
#define _mm512_add_epi16 emu_add_epi16
#define _mm512_add_epi32 emu_add_epi32
#define _mm512_add_pd emu_add_pd
#define _mm512_add_ps emu_add_ps
#define _mm512_and_pd emu_and_pd
#define _mm512_and_si512 emu_and_si512
#define _mm512_castpd_si512 emu_castpd_si512
#define _mm512_castps_si512 emu_castps_si512
#define _mm512_castsi128_si512 emu_castsi128_si512
#define _mm512_castsi512_pd emu_castsi512_pd
#define _mm512_castsi512_ps emu_castsi512_ps
#define _mm512_cmplt_epi32_mask emu_cmplt_epi32_mask
#define _mm512_cvtepi16_epi32 emu_cvtepi16_epi32
#define _mm512_cvtepi32_epi16 emu_cvtepi32_epi16
#define _mm512_cvtepi32_epi8 emu_cvtepi32_epi8
#define _mm512_cvtepi32_ps emu_cvtepi32_ps
#define _mm512_cvtepu16_epi32 emu_cvtepu16_epi32
#define _mm512_cvtepu8_epi32 emu_cvtepu8_epi32
#define _mm512_cvtpd_ps emu_cvtpd_ps
#define _mm512_cvtph_ps emu_cvtph_ps
#define _mm512_cvtps_pd emu_cvtps_pd
#define _mm512_div_ps emu_div_ps
#define _mm512_dpbusd_epi32 emu_dpbusd_epi32
#define _mm512_dpwssd_epi32 emu_dpwssd_epi32
#define _mm512_fmadd_ps emu_fmadd_ps
#define _mm512_inserti32x4 emu_inserti32x4
#define _mm512_loadu_ps emu_loadu_ps
#define _mm512_loadu_si512 emu_loadu_si512
#define _mm512_madd_epi16 emu_madd_epi16
#define _mm512_mask_blend_pd emu_mask_blend_pd
#define _mm512_mask_blend_ps emu_mask_blend_ps
#define _mm512_max_epi32 emu_max_epi32
#define _mm512_max_ps emu_max_ps
#define _mm512_movepi64_mask emu_movepi64_mask
#define _mm512_mul_pd emu_mul_pd
#define _mm512_mul_ps emu_mul_ps
#define _mm512_mullo_epi16 emu_mullo_epi16
#define _mm512_mullo_epi32 emu_mullo_epi32
#define _mm512_or_si512 emu_or_si512
#define _mm512_permutex2var_ps emu_permutex2var_ps
#define _mm512_permutexvar_epi32 emu_permutexvar_epi32
#define _mm512_permutexvar_ps emu_permutexvar_ps
#define _mm512_reduce_add_epi32 emu_reduce_add_epi32
#define _mm512_reduce_max_epi32 emu_reduce_max_epi32
#define _mm512_set1_epi16 emu_set1_epi16
#define _mm512_set1_epi32 emu_set1_epi32
#define _mm512_set1_epi8 emu_set1_epi8
#define _mm512_set1_pd emu_set1_pd
#define _mm512_set1_ps emu_set1_ps
#define _mm512_shuffle_epi8 emu_shuffle_epi8
#define _mm512_shuffle_f32x4 emu_shuffle_f32x4
#define _mm512_slli_epi16 emu_slli_epi16
#define _mm512_slli_epi32 emu_slli_epi32
#define _mm512_slli_epi64 emu_slli_epi64
#define _mm512_sqrt_ps emu_sqrt_ps
#define _mm512_srai_epi16 emu_srai_epi16
#define _mm512_srai_epi32 emu_srai_epi32
#define _mm512_srli_epi16 emu_srli_epi16
#define _mm512_srli_epi32 emu_srli_epi32
#define _mm512_storeu_ps emu_storeu_ps
#define _mm512_storeu_si512 emu_storeu_si512
#define _mm512_sub_epi32 emu_sub_epi32
#define _mm512_sub_epi8 emu_sub_epi8
#define _mm512_sub_pd emu_sub_pd
#define _mm512_sub_ps emu_sub_ps
#define _mm512_unpackhi_epi32 emu_unpackhi_epi32
#define _mm512_unpackhi_epi64 emu_unpackhi_epi64
#define _mm512_unpacklo_epi32 emu_unpacklo_epi32
#define _mm512_unpacklo_epi64 emu_unpacklo_epi64
#define _mm512_xor_pd emu_xor_pd
#define _mm512_xor_si512 emu_xor_si512

/* ---- AMX: tile registers as arrays; where the processor would raise an exception, so does this ---- */

static _Thread_local struct { uint8_t bytes[8], rows[8], tile[8][16][64]; } emu_amx;

/* s: what ldtilecfg reads (Intel SDM): palette, start, at 16 the bytes of each row, at 48 the rows. */
static inline void emu_tile_shapes(const void *s) {
    const uint8_t *c = s;
    memset(&emu_amx, 0, sizeof emu_amx);
    if (c[0] != 1 || c[1])
        __builtin_trap();
    for (int t = 0; t < 8; t++) {
        emu_amx.bytes[t] = c[16 + 2 * t];
        emu_amx.rows[t] = c[48 + t];
        if (emu_amx.bytes[t] > 64 || c[17 + 2 * t] || emu_amx.rows[t] > 16)
            __builtin_trap();
    }
}

static inline void emu_tile_release(void) {
    memset(&emu_amx, 0, sizeof emu_amx);
}

static inline void emu_tile_zero(int t) {
    if (!emu_amx.rows[t])
        __builtin_trap();
    memset(emu_amx.tile[t], 0, sizeof emu_amx.tile[t]);
}

static inline void emu_tile_load(int t, const void *from, size_t stride) {
    emu_tile_zero(t);
    for (int r = 0; r < emu_amx.rows[t]; r++)
        memcpy(emu_amx.tile[t][r], (const char *)from + (size_t)r * stride, emu_amx.bytes[t]);
}

static inline void emu_tile_store(int t, void *to, size_t stride) {
    if (!emu_amx.rows[t])
        __builtin_trap();
    for (int r = 0; r < emu_amx.rows[t]; r++)
        memcpy((char *)to + (size_t)r * stride, emu_amx.tile[t][r], emu_amx.bytes[t]);
}

static inline void emu_tile_dot(int to, int a, int b, int is_signed) {
    const int k = emu_amx.bytes[a] / 4, n = emu_amx.bytes[to] / 4;
    if (emu_amx.rows[to] != emu_amx.rows[a] || emu_amx.bytes[to] != emu_amx.bytes[b] || k != emu_amx.rows[b] || to == a || to == b ||
        a == b)
        __builtin_trap();
    for (int i = 0; i < emu_amx.rows[to]; i++)
        for (int j = 0; j < n; j++) {
            int32_t sum;
            memcpy(&sum, emu_amx.tile[to][i] + 4 * j, 4);
            for (int l = 0; l < 4 * k; l++) {
                const uint8_t u = emu_amx.tile[b][l / 4][4 * j + l % 4];
                sum += (int8_t)emu_amx.tile[a][i][l] * (is_signed ? (int8_t)u : u);
            }
            memcpy(emu_amx.tile[to][i] + 4 * j, &sum, 4);
        }
}

#endif
