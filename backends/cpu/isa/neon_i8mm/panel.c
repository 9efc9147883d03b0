/* panel.c: packed panels times quantised rows by smmla, which multiplies 2 rows of 8 values with 2 columns of 8. A tile is 16 rows and 4
 * columns: sums of rows 2 i, 2 i + 1 and columns 2 j, 2 j + 1 share a vector (r0 c0, r0 c1, r1 c0, r1 c1) and stay in registers over a
 * strip. Fewer columns go to the level below. The float step follows quant.h operation by operation; m * bsum has 11 + 12 bits, is
 * exact, and may be fused. */
#include "backends/cpu/isa/neon_i8mm/neon_i8mm.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/neon/unpack.h"
#include "backends/cpu/isa/neon_dotprod/neon_dotprod.h"
#include "backends/cpu/isa/neon_dotprod/part.h"

#include "backends/cpu/isa/neon/direct.inl"

enum { TILE = 4, LEAST_TILED = 4 };

/* Two groups of 4 values make 8 of a row: rows 4 q and 4 q + 1 in 4 vectors, then the other two rows. */
INL void put_run(int8_t *dst, int q, const int8x16_t *u) {
#pragma GCC unroll 8
    for (int g = 0; g < 8; g += 2) {
        int32x4_t a = vreinterpretq_s32_s8(u[g]), b = vreinterpretq_s32_s8(u[g + 1]);
        vst1q_s8(dst + 128 * q + 8 * g, vreinterpretq_s8_s32(vzip1q_s32(a, b)));
        vst1q_s8(dst + 128 * q + 64 + 8 * g, vreinterpretq_s8_s32(vzip2q_s32(a, b)));
    }
}

/* Each twice, for the two columns. */
INL void put_ints(int32_t *dst, int q, int32x4_t v) {
    vst1q_s32(dst + 8 * q, vzip1q_s32(v, v));
    vst1q_s32(dst + 8 * q + 4, vzip2q_s32(v, v));
}

#include "backends/cpu/isa/neon/strip.inl"

enum { PAIRS = TL_PANEL / 2 }; /* of rows; of columns there are TILE / 2 */

/* 32 values of 2 columns, 8 and 8 to a vector; of both pairs of columns. */
typedef struct xs {
    int8x16_t v[2][4];
} xs;

INL void zip_columns(int8x16_t *out, const int8_t *a, const int8_t *b) {
#pragma GCC unroll 8
    for (int i = 0; i < 2; i++) {
        int64x2_t u = vreinterpretq_s64_s8(vld1q_s8(a + 16 * i)), v = vreinterpretq_s64_s8(vld1q_s8(b + 16 * i));
        out[2 * i] = vreinterpretq_s8_s64(vzip1q_s64(u, v));
        out[2 * i + 1] = vreinterpretq_s8_s64(vzip2q_s64(u, v));
    }
}

/* Dots of rows 2 i and 2 i + 1 with the columns over vectors g and g + 1 of a run, onto s: both loads first, so that a compiler makes
 * them one. */
INL void dots(int32x4_t *s, const int8_t *w, const xs *x, int g) {
    const int8x16_t u = vld1q_s8(w + 16 * g), v = vld1q_s8(w + 16 * g + 16);
#pragma GCC unroll 8
    for (int j = 0; j < 2; j++)
        s[j] = vmmlaq_s32(s[j], u, x->v[j][g]);
#pragma GCC unroll 8
    for (int j = 0; j < 2; j++)
        s[j] = vmmlaq_s32(s[j], v, x->v[j][g + 1]);
}

INL float32x4_t twice(float a, float b) {
    return vcombine_f32(vset_lane_f32(b, vdup_n_f32(a), 1), vset_lane_f32(b, vdup_n_f32(a), 1));
}

/* acc [PAIRS][2] of a tile from y, and back. */
INL void load_pairs(float32x4_t (*acc)[2], place at) {
#pragma GCC unroll 8
    for (int j = 0; j < 2; j++)
#pragma GCC unroll 8
        for (int q = 0; q < 4; q++) {
            float32x4_t a = vld1q_f32(y_of(at, 2 * j) + 4 * q), b = vld1q_f32(y_of(at, 2 * j + 1) + 4 * q);
            acc[2 * q][j] = vzip1q_f32(a, b);
            acc[2 * q + 1][j] = vzip2q_f32(a, b);
        }
}

INL void store_pairs(float32x4_t (*acc)[2], place at) {
#pragma GCC unroll 8
    for (int j = 0; j < 2; j++)
#pragma GCC unroll 8
        for (int q = 0; q < 4; q++) {
            vst1q_f32(y_of(at, 2 * j) + 4 * q, vuzp1q_f32(acc[2 * q][j], acc[2 * q + 1][j]));
            vst1q_f32(y_of(at, 2 * j + 1) + 4 * q, vuzp2q_f32(acc[2 * q][j], acc[2 * q + 1][j]));
        }
}

INL void tile_32(tl_dtype t, place at, const strip *w, int n) {
    float32x4_t acc[PAIRS][2];
    load_pairs(acc, at);
    for (int r = 0; r < n; r++, at.x += sizeof(tl_x32)) {
        xs x;
        float32x4_t dx[2], bsum[2];
#pragma GCC unroll 8
        for (int j = 0; j < 2; j++) {
            const tl_x32 *a = x32_of(at, 2 * j), *b = x32_of(at, 2 * j + 1);
            zip_columns(x.v[j], a->q, b->q);
            dx[j] = twice(a->d, b->d);
            bsum[j] = has_min(t) ? twice((float)a->bsum, (float)b->bsum) : dx[j];
        }
#pragma GCC unroll 8
        for (int i = 0; i < PAIRS; i++) {
            float32x4_t d = floats_at(w->d[r] + 4 * i), m = has_min(t) ? floats_at(w->m[r] + 4 * i) : d;
            int32x4_t s[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
            dots(s, w->q[r] + 64 * i, &x, 0);
            dots(s, w->q[r] + 64 * i, &x, 2);
#pragma GCC unroll 8
            for (int j = 0; j < 2; j++) {
                float32x4_t isum = vcvtq_f32_s32(s[j]);
                float32x4_t term =
                    has_min(t) ? vmulq_f32(vfmaq_f32(vmulq_f32(isum, d), m, bsum[j]), dx[j]) : vmulq_f32(isum, vmulq_f32(d, dx[j]));
                acc[i][j] = vaddq_f32(acc[i][j], term);
            }
        }
    }
    store_pairs(acc, at);
}

/* Sums of a sub-block times its scales, onto sum; the next one begins. */
INL void add_scaled(int32x4_t *sum, int32x4_t *s, int32x4_t sc) {
#pragma GCC unroll 8
    for (int j = 0; j < 2; j++) {
        sum[j] = vmlaq_s32(sum[j], s[j], sc);
        s[j] = vdupq_n_s32(0);
    }
}

INL void tile_256(tl_dtype t, place at, const strip *w, const uint8_t *head) {
    int32x4_t sum[PAIRS][2];
#pragma GCC unroll 8
    for (int i = 0; i < PAIRS; i++)
        sum[i][0] = sum[i][1] = vdupq_n_s32(0);
    for (int r = 0; r < RUNS; r++) {
        xs x;
#pragma GCC unroll 8
        for (int j = 0; j < 2; j++)
            zip_columns(x.v[j], x256_of(at, 2 * j)->q + 32 * r, x256_of(at, 2 * j + 1)->q + 32 * r);
#pragma GCC unroll 8
        for (int i = 0; i < PAIRS; i++) {
            int32x4_t s[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
            const int32_t *sc = w->sc[is_wide(t) ? r : 2 * r] + 4 * i;
            dots(s, w->q[r] + 64 * i, &x, 0);
            if (!is_wide(t)) {
                add_scaled(sum[i], s, vld1q_s32(sc));
                sc += TWICE;
            }
            dots(s, w->q[r] + 64 * i, &x, 2);
            add_scaled(sum[i], s, vld1q_s32(sc));
        }
    }
    for (int c = 0; c < TILE; c++) {
        const tl_x256 *v = x256_of(at, c);
        couple sums = sums_of(t, v);
#pragma GCC unroll 8
        for (int q = 0; q < 4; q++) {
            int32x4_t a = sum[2 * q][c / 2], b = sum[2 * q + 1][c / 2], s = c % 2 ? vuzp2q_s32(a, b) : vuzp1q_s32(a, b);
            int32x4_t T = is_centred(t) ? vdupq_n_s32(0) : factor_sums(t, w->mn, q, sums);
            float *y = y_of(at, c) + 4 * q;
            vst1q_f32(y, add_super(t, vld1q_f32(y), head, q, s, T, v->d));
        }
    }
}

#define TL_ISA(name) tl_neon_i8mm_##name
#define REST(block, name, type, at, panel, n, k) \
    if (n)                                       \
    tl_neon_dotprod_panel_##name((at).y, (at).y_stride, panel, (at).x, (at).x_stride, n, k)
#include "backends/cpu/isa/neon/panel.inl"
#endif
