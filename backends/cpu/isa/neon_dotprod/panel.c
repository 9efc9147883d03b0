/* panel.c: packed panels times quantised rows by sdot, which adds 4 products in each of 4 lanes: a vector holds 4 values of 4 rows, a lane of
 * x the same 4 of a column. A tile is 16 rows and 4 columns; its sums stay in registers over a strip. The float step follows quant.h
 * operation by operation; m * bsum has 11 + 12 bits, is exact, and may be fused. */
#include "backends/cpu/isa/neon_dotprod/neon_dotprod.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/neon/unpack.h"
#include "backends/cpu/isa/neon_dotprod/part.h"

#include "backends/cpu/isa/neon/direct.inl"

enum { TILE = 4, LEAST_TILED = 4 };

/* Rows 4 q .. 4 q + 3 lie together, so that a tile reads them in order. */
INL void put_run(int8_t *dst, int q, const int8x16_t *u) {
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        vst1q_s8(dst + 128 * q + 16 * g, u[g]);
}

INL void put_ints(int32_t *dst, int q, int32x4_t v) {
    vst1q_s32(dst + 8 * q, v);
}

#include "backends/cpu/isa/neon/strip.inl"

/* Four columns' values of x: elements 0 .. 15 and 16 .. 31. */
typedef struct xs {
    int8x16_t a[TILE], b[TILE];
} xs;

/* Groups g and g + 1 of 4 rows: both loads first, so that a compiler makes them one. */
#define GROUPS(g, x, lane)                                                                                      \
    {                                                                                                           \
        const int8x16_t u = vld1q_s8(w + 16 * (g)), v = vld1q_s8(w + 16 * (g) + 16);                            \
        _Pragma("GCC unroll 8") for (int c = 0; c < TILE; c++) s[c] = vdotq_laneq_s32(s[c], u, x[c], lane);     \
        _Pragma("GCC unroll 8") for (int c = 0; c < TILE; c++) s[c] = vdotq_laneq_s32(s[c], v, x[c], lane + 1); \
    }

/* The dots of 4 rows over elements 0 .. 15, and over 16 .. 31, of a run, onto s. */
INL void dots_a(int32x4_t *s, const int8_t *w, const xs *x){GROUPS(0, x->a, 0) GROUPS(2, x->a, 2)}

INL void dots_b(int32x4_t *s, const int8_t *w, const xs *x){GROUPS(4, x->b, 0) GROUPS(6, x->b, 2)}

INL void clear(int32x4_t *s) {
#pragma GCC unroll 8
    for (int c = 0; c < TILE; c++)
        s[c] = vdupq_n_s32(0);
}

/* Column c of a block: the float step. */
#define COLUMN(c)                                                                                                                 \
    if (has_min(t))                                                                                                               \
        acc[q][c] = vaddq_f32(acc[q][c], vmulq_laneq_f32(vfmaq_laneq_f32(vmulq_f32(vcvtq_f32_s32(s[c]), d), m, bsum, c), dx, c)); \
    else                                                                                                                          \
        acc[q][c] = vaddq_f32(acc[q][c], vmulq_f32(vcvtq_f32_s32(s[c]), vmulq_laneq_f32(d, dx, c)));

INL void tile_32(tl_dtype t, place at, const strip *w, int n) {
    float32x4_t acc[4][TILE];
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
#pragma GCC unroll 8
        for (int c = 0; c < TILE; c++)
            acc[q][c] = vld1q_f32(y_of(at, c) + 4 * q);
    for (int r = 0; r < n; r++, at.x += sizeof(tl_x32)) {
        xs x;
        float32x4_t dx, bsum = vdupq_n_f32(0);
#pragma GCC unroll 8
        for (int c = 0; c < TILE; c++) {
            x.a[c] = vld1q_s8(x32_of(at, c)->q);
            x.b[c] = vld1q_s8(x32_of(at, c)->q + 16);
        }
        dx = vld1q_dup_f32(&x32_of(at, 0)->d);
        dx = vld1q_lane_f32(&x32_of(at, 1)->d, dx, 1);
        dx = vld1q_lane_f32(&x32_of(at, 2)->d, dx, 2);
        dx = vld1q_lane_f32(&x32_of(at, 3)->d, dx, 3);
        if (has_min(t)) {
            int32x4_t sums = vld1q_dup_s32(&x32_of(at, 0)->bsum);
            sums = vld1q_lane_s32(&x32_of(at, 1)->bsum, sums, 1);
            sums = vld1q_lane_s32(&x32_of(at, 2)->bsum, sums, 2);
            sums = vld1q_lane_s32(&x32_of(at, 3)->bsum, sums, 3);
            bsum = vcvtq_f32_s32(sums);
        }
#pragma GCC unroll 8
        for (int q = 0; q < 4; q++) {
            int32x4_t s[TILE];
            clear(s);
            dots_a(s, w->q[r] + 128 * q, &x);
            dots_b(s, w->q[r] + 128 * q, &x);
            float32x4_t d = floats_at(w->d[r] + 8 * q), m = d;
            if (has_min(t))
                m = floats_at(w->m[r] + 8 * q);
            COLUMN(0)
            COLUMN(1)
            COLUMN(2)
            COLUMN(3)
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
#pragma GCC unroll 8
        for (int c = 0; c < TILE; c++)
            vst1q_f32(y_of(at, c) + 4 * q, acc[q][c]);
}

INL void tile_256(tl_dtype t, place at, const strip *w, const uint8_t *head) {
    int32x4_t sum[4][TILE], s[TILE];
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
        clear(sum[q]);
    for (int r = 0; r < RUNS; r++) {
        xs x;
#pragma GCC unroll 8
        for (int c = 0; c < TILE; c++) {
            x.a[c] = vld1q_s8(x256_of(at, c)->q + 32 * r);
            x.b[c] = vld1q_s8(x256_of(at, c)->q + 32 * r + 16);
        }
#pragma GCC unroll 8
        for (int q = 0; q < 4; q++) {
            const int32_t *sc = w->sc[is_wide(t) ? r : 2 * r] + 8 * q;
            clear(s);
            dots_a(s, w->q[r] + 128 * q, &x);
            if (!is_wide(t)) {
#pragma GCC unroll 8
                for (int c = 0; c < TILE; c++)
                    sum[q][c] = vmlaq_s32(sum[q][c], s[c], vld1q_s32(sc));
                sc += TWICE;
                clear(s);
            }
            dots_b(s, w->q[r] + 128 * q, &x);
#pragma GCC unroll 8
            for (int c = 0; c < TILE; c++)
                sum[q][c] = vmlaq_s32(sum[q][c], s[c], vld1q_s32(sc));
        }
    }
    for (int c = 0; c < TILE; c++) {
        const tl_x256 *v = x256_of(at, c);
        couple sums = sums_of(t, v);
#pragma GCC unroll 8
        for (int q = 0; q < 4; q++) {
            int32x4_t T = is_centred(t) ? vdupq_n_s32(0) : factor_sums(t, w->mn, q, sums);
            float *y = y_of(at, c) + 4 * q;
            vst1q_f32(y, add_super(t, vld1q_f32(y), head, q, sum[q][c], T, v->d));
        }
    }
}

#define TL_ISA(name) tl_neon_dotprod_##name
#define REST(block, name, type, at, panel, n, k) \
    for (int c = 0; c < (n); c++)                \
    direct_##block(type, y_of(at, c), panel, x##block##_of(at, c), k)
#include "backends/cpu/isa/neon/panel.inl"
#endif
