/* panel.c: packed panels times quantised rows by sdot, which adds 4 products in each of 4 lanes: a vector holds 4 values of 4 rows, a lane of
 * x the same 4 of a column. A tile is 16 rows and 4 columns; its sums stay in registers over a strip. The float step follows quant.h
 * operation by operation; m * bsum has 11 + 12 bits, is exact, and may be fused. */
#include "backends/cpu/isa/neon_dotprod/neon_dotprod.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/neon/unpack.h"
#include "backends/cpu/isa/neon_dotprod/part.h"

#include "backends/cpu/isa/neon/direct.inl"

enum { TILE = 4, LEAST_TILED = 4, RAISED = 4, MOST_BYTES = 4 * 160 };

INL size_t strip_bytes(tl_dtype t) {
    return has_min(t) ? 4 * 160 : 4 * 144;
}

INL void order(int8x16_t *u, int n) {
    (void)u, (void)n;
}

/* Rows 4 q .. 4 q + 3 lie together, so that a tile reads them in order. */
INL void put_run(int8_t *dst, int q, const int8x16_t *u) {
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        vst1q_s8(dst + 128 * q + 16 * g, u[g]);
}

INL void put_ints(int32_t *dst, int q, int32x4_t v) {
    vst1q_s32(dst + 8 * q, v);
}

/* Behind the values of four rows come their scales, and minima. */
INL void put_block(tl_dtype t, int8_t *dst, int q, const int8x16_t *u, float32x4_t d, float32x4_t m) {
    int8x16_t v[8];
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        v[g] = held(u[g]);
    dst += strip_bytes(t) / 4 * (size_t)q;
    put_run(dst, 0, v);
    vst1q_s8(dst + 128, vreinterpretq_s8_f32(d));
    if (has_min(t))
        vst1q_s8(dst + 144, vreinterpretq_s8_f32(m));
}

#include "backends/cpu/isa/neon/strip.inl"

/* ---- blocks of 32 ----
 *
 * The tile is written in assembler: it needs every register, and compilers move some about then.
 *     v0 .. v15   float sums, those of column c in v(4 c) .. v(4 c + 3)
 *     v16 .. v23  x of column c in v(16 + 2 c) and v(17 + 2 c)
 *     v24         d of the columns; where weights have minima v25: the sums of x
 *     v25 .. v27  of a strip; where weights have minima v26 and v27
 *     v28 .. v31  integer sums of four rows, a register each column */

/* clang-format off */
/* Four values of each of four rows, v[w], with a lane of each column's x. */
#define DOTS(w, x0, x1, x2, x3, lane)                    \
    "sdot v28.4s, v" #w ".16b, " #x0 ".4b[" #lane "]\n" \
    "sdot v29.4s, v" #w ".16b, " #x1 ".4b[" #lane "]\n" \
    "sdot v30.4s, v" #w ".16b, " #x2 ".4b[" #lane "]\n" \
    "sdot v31.4s, v" #w ".16b, " #x3 ".4b[" #lane "]\n"
#define LOW(w, lane) DOTS(w, v16, v18, v20, v22, lane)
#define HIGH(w, lane) DOTS(w, v17, v19, v21, v23, lane)

/* One load in place of four movi, which many cores give to the vector units; these are busy, loads are not. */
#define CLEAR "ld1 {v28.4s, v29.4s, v30.4s, v31.4s}, [%[zeros]]\n"
#define NEXT_2 "ld1 {v26.16b, v27.16b}, [%[w]], #32\n"
#define NEXT_3 "ld1 {v25.16b, v26.16b, v27.16b}, [%[w]], #48\n"
#define TO_FLOAT(raised)               \
    "scvtf v28.4s, v28.4s" raised "\n" \
    "scvtf v29.4s, v29.4s" raised "\n" \
    "scvtf v30.4s, v30.4s" raised "\n" \
    "scvtf v31.4s, v31.4s" raised "\n"
#define ADD(a0, a1, a2, a3)                 \
    "fadd " #a0 ".4s, " #a0 ".4s, v28.4s\n" \
    "fadd " #a1 ".4s, " #a1 ".4s, v29.4s\n" \
    "fadd " #a2 ".4s, " #a2 ".4s, v30.4s\n" \
    "fadd " #a3 ".4s, " #a3 ".4s, v31.4s\n"

/* Four rows of a block onto a0 .. a3: acc + (float)isum * (d * dx). */
#define ROWS(raised, a0, a1, a2, a3)                \
    CLEAR                                           \
    NEXT_3 LOW(25, 0) LOW(26, 1) LOW(27, 2)         \
    NEXT_3 LOW(25, 3) HIGH(26, 0) HIGH(27, 1)       \
    NEXT_3 HIGH(25, 2) HIGH(26, 3) TO_FLOAT(raised) \
    "fmul v25.4s, v27.4s, v24.s[0]\n"               \
    "fmul v26.4s, v27.4s, v24.s[1]\n"               \
    "fmul v28.4s, v28.4s, v25.4s\n"                 \
    "fmul v29.4s, v29.4s, v26.4s\n"                 \
    "fmul v25.4s, v27.4s, v24.s[2]\n"               \
    "fmul v26.4s, v27.4s, v24.s[3]\n"               \
    "fmul v30.4s, v30.4s, v25.4s\n"                 \
    "fmul v31.4s, v31.4s, v26.4s\n"                 \
    ADD(a0, a1, a2, a3)

/* The same with minima: acc + ((float)isum * d + m * (float)bsum) * dx. */
#define MIN_ROWS(raised, a0, a1, a2, a3)     \
    CLEAR                                    \
    NEXT_2 LOW(26, 0) LOW(27, 1)             \
    NEXT_2 LOW(26, 2) LOW(27, 3)             \
    NEXT_2 HIGH(26, 0) HIGH(27, 1)           \
    NEXT_2 HIGH(26, 2) HIGH(27, 3)           \
    NEXT_2 TO_FLOAT(raised)                  \
    "fmul v28.4s, v28.4s, v26.4s\n"          \
    "fmul v29.4s, v29.4s, v26.4s\n"          \
    "fmul v30.4s, v30.4s, v26.4s\n"          \
    "fmul v31.4s, v31.4s, v26.4s\n"          \
    "fmla v28.4s, v27.4s, v25.s[0]\n"        \
    "fmla v29.4s, v27.4s, v25.s[1]\n"        \
    "fmla v30.4s, v27.4s, v25.s[2]\n"        \
    "fmla v31.4s, v27.4s, v25.s[3]\n"        \
    "fmul v28.4s, v28.4s, v24.s[0]\n"        \
    "fmul v29.4s, v29.4s, v24.s[1]\n"        \
    "fmul v30.4s, v30.4s, v24.s[2]\n"        \
    "fmul v31.4s, v31.4s, v24.s[3]\n"        \
    ADD(a0, a1, a2, a3)

/* The next word of each column into the lanes of v. */
#define WORDS(v)                        \
    "ldr s" #v ", [%[x0]], #4\n"        \
    "ld1 {v" #v ".s}[1], [%[x1]], #4\n" \
    "ld1 {v" #v ".s}[2], [%[x2]], #4\n" \
    "ld1 {v" #v ".s}[3], [%[x3]], #4\n"
#define COLUMNS(step)                             \
    "ld1 {v16.16b, v17.16b}, [%[x0]], " step "\n" \
    "ld1 {v18.16b, v19.16b}, [%[x1]], " step "\n" \
    "ld1 {v20.16b, v21.16b}, [%[x2]], " step "\n" \
    "ld1 {v22.16b, v23.16b}, [%[x3]], " step "\n"

/* The float sums from, or to, columns of p. */
#define SUMS(op, p, step)                                    \
    op " {v0.4s, v1.4s, v2.4s, v3.4s}, [" p "], " step "\n"   \
    op " {v4.4s, v5.4s, v6.4s, v7.4s}, [" p "], " step "\n"   \
    op " {v8.4s, v9.4s, v10.4s, v11.4s}, [" p "], " step "\n" \
    op " {v12.4s, v13.4s, v14.4s, v15.4s}, [" p "], " step "\n"

/* Over n blocks. __extension__: ISO C promises no strings as long as this. */
#define TILE_OF(x, rows, raised)                                                                                                     \
    __extension__({                                                                                                                  \
        __asm__ volatile(SUMS("ld1", "%[from]", "%[from_step]")                                                                      \
                         "1:\n" x                                                                                                    \
                         rows(raised, v0, v4, v8, v12)                                                                               \
                         rows(raised, v1, v5, v9, v13)                                                                               \
                         rows(raised, v2, v6, v10, v14)                                                                              \
                         rows(raised, v3, v7, v11, v15)                                                                              \
                         "subs %w[n], %w[n], #1\n"                                                                                   \
                         "b.ne 1b\n"                                                                                                 \
                         SUMS("st1", "%[y]", "%[y_step]")                                                                            \
                         : [x0] "+r"(x0), [x1] "+r"(x1), [x2] "+r"(x2), [x3] "+r"(x3), [w] "+r"(w), [n] "+r"(n),                     \
                           [from] "+r"(from), [y] "+r"(y)                                                                            \
                         : [step] "r"(sizeof(tl_x32) - 4), [zeros] "r"(zeros), [from_step] "r"(4 * from_stride),                     \
                           [y_step] "r"(4 * at.y_stride)                                                                             \
                         : "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",   \
                           "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",  \
                           "v29", "v30", "v31");                                                                                     \
    })
/* clang-format on */

/* n blocks onto what `from` holds, into y. */
INL void tile_32(tl_dtype t, place at, const float *from, int64_t from_stride, const int8_t *w, int n) {
    static const int32_t zeros[4 * TILE] = {0};
    const tl_x32 *x0 = x32_of(at, 0), *x1 = x32_of(at, 1), *x2 = x32_of(at, 2), *x3 = x32_of(at, 3);
    float *y = at.y;
    if (has_min(t))
        TILE_OF(WORDS(24) COLUMNS("#32") WORDS(25) "scvtf v25.4s, v25.4s\n", MIN_ROWS, "");
    else if (t == TL_Q4_0) /* four bits stand behind the point */
        TILE_OF(WORDS(24) COLUMNS("%[step]"), ROWS, ", #4");
    else
        TILE_OF(WORDS(24) COLUMNS("%[step]"), ROWS, "");
}

/* ---- super-blocks ---- */

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

INL void tile_256(tl_dtype t, place at, const super_strip *w, const uint8_t *head) {
    int32x4_t sum[4][TILE], s[TILE];
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++)
        clear(sum[q]);
    for (int r = 0; r < 8; r++) {
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
            int32x4_t T = has_min(t) ? factor_sums(t, w->mn, q, sums) : vdupq_n_s32(0);
            float *y = y_of(at, c) + 4 * q;
            vst1q_f32(y, add_super(t, vld1q_f32(y), head, q, sum[q][c], T, v->d));
        }
    }
}

#define TL_ISA(name) tl_neon_dotprod_##name
#include "backends/cpu/isa/neon/panel.inl"
#endif
