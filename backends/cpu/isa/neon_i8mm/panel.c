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

enum { TILE = 4, LEAST_TILED = 4, RAISED = 4, MOST_BYTES = TL_PANEL / 2 * 128 };

INL size_t strip_bytes(tl_dtype t) {
    return TL_PANEL / 2 * (has_min(t) ? 128 : 112);
}

/* Two groups of 4 values make 8 of a row: rows 4 q and 4 q + 1 in the even vectors, the other two in the odd ones. */
INL void order(int8x16_t *u, int n) {
#pragma GCC unroll 8
    for (int g = 0; g < n; g += 2) {
        int32x4_t a = vreinterpretq_s32_s8(u[g]), b = vreinterpretq_s32_s8(u[g + 1]);
        u[g] = vreinterpretq_s8_s32(vzip1q_s32(a, b));
        u[g + 1] = vreinterpretq_s8_s32(vzip2q_s32(a, b));
    }
}

INL void put_run(int8_t *dst, int q, const int8x16_t *u) {
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        vst1q_s8(dst + 128 * q + 64 * (g % 2) + 16 * (g / 2), u[g]);
}

/* Each twice, for the two columns. */
INL void put_ints(int32_t *dst, int q, int32x4_t v) {
    vst1q_s32(dst + 8 * q, vzip1q_s32(v, v));
    vst1q_s32(dst + 8 * q + 4, vzip2q_s32(v, v));
}

/* A pair of rows: two vectors of values, two of zeros that its sums start at, two of values, the scales, the minima. */
INL void put_block(tl_dtype t, int8_t *dst, int q, const int8x16_t *u, float32x4_t d, float32x4_t m) {
    const size_t pair = strip_bytes(t) / (TL_PANEL / 2);
    const int8x16_t zero = held(vdupq_n_s8(0));
    int8x16_t v[8];
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        v[g] = held(u[g]);
    int8_t *pairs[2] = {dst + pair * (size_t)(2 * q), dst + pair * (size_t)(2 * q + 1)};
#pragma GCC unroll 8
    for (int i = 0; i < 2; i++) {
        vst1q_s8(pairs[i], v[i]);
        vst1q_s8(pairs[i] + 16, v[2 + i]);
        vst1q_s8(pairs[i] + 32, zero);
        vst1q_s8(pairs[i] + 48, zero);
        vst1q_s8(pairs[i] + 64, v[4 + i]);
        vst1q_s8(pairs[i] + 80, v[6 + i]);
        vst1q_s8(pairs[i] + 96, vreinterpretq_s8_f32(i ? vzip2q_f32(d, d) : vzip1q_f32(d, d)));
        if (has_min(t))
            vst1q_s8(pairs[i] + 112, vreinterpretq_s8_f32(i ? vzip2q_f32(m, m) : vzip1q_f32(m, m)));
    }
}

#include "backends/cpu/isa/neon/strip.inl"

/* ---- blocks of 32 ----
 *
 * The tile is written in assembler: it needs every register, and compilers move some about then.
 *     v0 .. v15   float sums: of rows 2 i and 2 i + 1 v(2 i), with columns 0 and 1, and v(2 i + 1), with columns 2 and 3
 *     v16 .. v19  x of columns 0 and 1, 8 values of each; v20 .. v23: of columns 2 and 3
 *     v24, v25    d of these columns; where weights have minima v26 and v27: the sums of x
 *     v28, v29    of a strip, and v27 where there are no minima
 *     v30, v31    integer sums of a pair of rows */

/* clang-format off */
/* Eight values of each of two rows, v[w], with those of columns 0 and 1, and 2 and 3. */
#define DOTS(w, x0, x1)                         \
    "smmla v30.4s, v" #w ".16b, v" #x0 ".16b\n" \
    "smmla v31.4s, v" #w ".16b, v" #x1 ".16b\n"
/* Sums start at zeros that come with the values: a movi takes a vector unit on many cores; these are busy, loads are not. */
#define FIRST                                                       \
    "ld1 {v28.16b, v29.16b, v30.16b, v31.16b}, [%[w]], #64\n" \
    DOTS(28, 16, 20) DOTS(29, 17, 21)
#define NEXT_2 "ld1 {v28.16b, v29.16b}, [%[w]], #32\n"
#define TO_FLOAT(raised)               \
    "scvtf v30.4s, v30.4s" raised "\n" \
    "scvtf v31.4s, v31.4s" raised "\n"
#define ADD(a0, a1)                         \
    "fadd " #a0 ".4s, " #a0 ".4s, v30.4s\n" \
    "fadd " #a1 ".4s, " #a1 ".4s, v31.4s\n"

/* Two rows of a block onto a0 and a1: acc + (float)isum * (d * dx). */
#define ROWS(raised, a0, a1)                             \
    FIRST                                                \
    "ld1 {v27.16b, v28.16b, v29.16b}, [%[w]], #48\n"     \
    DOTS(27, 18, 22) DOTS(28, 19, 23) TO_FLOAT(raised)   \
    "fmul v27.4s, v29.4s, v24.4s\n"                      \
    "fmul v28.4s, v29.4s, v25.4s\n"                      \
    "fmul v30.4s, v30.4s, v27.4s\n"                      \
    "fmul v31.4s, v31.4s, v28.4s\n"                      \
    ADD(a0, a1)

/* The same with minima: acc + ((float)isum * d + m * (float)bsum) * dx. */
#define MIN_ROWS(raised, a0, a1)             \
    FIRST                                    \
    NEXT_2 DOTS(28, 18, 22) DOTS(29, 19, 23) \
    NEXT_2 TO_FLOAT(raised)                  \
    "fmul v30.4s, v30.4s, v28.4s\n"          \
    "fmul v31.4s, v31.4s, v28.4s\n"          \
    "fmla v30.4s, v29.4s, v26.4s\n"          \
    "fmla v31.4s, v29.4s, v27.4s\n"          \
    "fmul v30.4s, v30.4s, v24.4s\n"          \
    "fmul v31.4s, v31.4s, v25.4s\n"          \
    ADD(a0, a1)

/* The next word of columns 0 and 1 to v[a], each twice; of the others to v[b]. */
#define WORDS(a, b)                     \
    "ld1r {v" #a ".4s}, [%[x0]], #4\n"  \
    "ld1 {v" #a ".s}[1], [%[x1]], #4\n" \
    "mov v" #a ".s[3], v" #a ".s[1]\n"  \
    "ld1r {v" #b ".4s}, [%[x2]], #4\n"  \
    "ld1 {v" #b ".s}[1], [%[x3]], #4\n" \
    "mov v" #b ".s[3], v" #b ".s[1]\n"
/* Low halves, then high halves: nothing needs to be zipped. */
#define COLUMNS(step)                                          \
    "ld1 {v16.1d, v17.1d, v18.1d, v19.1d}, [%[x0]], " step "\n" \
    "ld4 {v16.d, v17.d, v18.d, v19.d}[1], [%[x1]], " step "\n"  \
    "ld1 {v20.1d, v21.1d, v22.1d, v23.1d}, [%[x2]], " step "\n" \
    "ld4 {v20.d, v21.d, v22.d, v23.d}[1], [%[x3]], " step "\n"

/* Columns of y, four registers each from v16 on, from or to p; to float sums as above, and back. */
#define SUMS(op, p, step)                                        \
    op " {v16.4s, v17.4s, v18.4s, v19.4s}, [" p "], " step "\n" \
    op " {v20.4s, v21.4s, v22.4s, v23.4s}, [" p "], " step "\n" \
    op " {v24.4s, v25.4s, v26.4s, v27.4s}, [" p "], " step "\n" \
    op " {v28.4s, v29.4s, v30.4s, v31.4s}, [" p "], " step "\n"
#define TOGETHER(a, b, c, d, c0, c1, c2, c3)            \
    "zip1 v" #a ".4s, v" #c0 ".4s, v" #c1 ".4s\n" \
    "zip1 v" #b ".4s, v" #c2 ".4s, v" #c3 ".4s\n" \
    "zip2 v" #c ".4s, v" #c0 ".4s, v" #c1 ".4s\n" \
    "zip2 v" #d ".4s, v" #c2 ".4s, v" #c3 ".4s\n"
#define APART(a, b, c, d, c0, c1, c2, c3)               \
    "uzp1 v" #c0 ".4s, v" #a ".4s, v" #c ".4s\n"  \
    "uzp2 v" #c1 ".4s, v" #a ".4s, v" #c ".4s\n"  \
    "uzp1 v" #c2 ".4s, v" #b ".4s, v" #d ".4s\n"  \
    "uzp2 v" #c3 ".4s, v" #b ".4s, v" #d ".4s\n"
#define ALL(what)                           \
    what(0, 1, 2, 3, 16, 20, 24, 28)    \
    what(4, 5, 6, 7, 17, 21, 25, 29)    \
    what(8, 9, 10, 11, 18, 22, 26, 30)  \
    what(12, 13, 14, 15, 19, 23, 27, 31)

/* Over n blocks. __extension__: ISO C promises no strings as long as this. */
#define TILE_OF(x, rows, raised)                                                                                                     \
    __extension__({                                                                                                                  \
        __asm__ volatile(SUMS("ld1", "%[from]", "%[from_step]") ALL(TOGETHER)                                                        \
                         "1:\n" x                                                                                                    \
                         rows(raised, v0, v1)                                                                                        \
                         rows(raised, v2, v3)                                                                                        \
                         rows(raised, v4, v5)                                                                                        \
                         rows(raised, v6, v7)                                                                                        \
                         rows(raised, v8, v9)                                                                                        \
                         rows(raised, v10, v11)                                                                                      \
                         rows(raised, v12, v13)                                                                                      \
                         rows(raised, v14, v15)                                                                                      \
                         "subs %w[n], %w[n], #1\n"                                                                                   \
                         "b.ne 1b\n"                                                                                                 \
                         ALL(APART) SUMS("st1", "%[y]", "%[y_step]")                                                                 \
                         : [x0] "+r"(x0), [x1] "+r"(x1), [x2] "+r"(x2), [x3] "+r"(x3), [w] "+r"(w), [n] "+r"(n),                     \
                           [from] "+r"(from), [y] "+r"(y)                                                                            \
                         : [step] "r"(sizeof(tl_x32) - 4), [from_step] "r"(4 * from_stride), [y_step] "r"(4 * at.y_stride)           \
                         : "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",   \
                           "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",  \
                           "v29", "v30", "v31");                                                                                     \
    })
/* clang-format on */

/* n blocks onto what `from` holds, into y. */
INL void tile_32(tl_dtype t, place at, const float *from, int64_t from_stride, const int8_t *w, int n) {
    const tl_x32 *x0 = x32_of(at, 0), *x1 = x32_of(at, 1), *x2 = x32_of(at, 2), *x3 = x32_of(at, 3);
    float *y = at.y;
    if (has_min(t))
        TILE_OF(WORDS(24, 25) COLUMNS("#32") WORDS(26, 27) "scvtf v26.4s, v26.4s\n scvtf v27.4s, v27.4s\n", MIN_ROWS, "");
    else if (t == TL_Q4_0) /* four bits stand behind the point */
        TILE_OF(WORDS(24, 25) COLUMNS("%[step]"), ROWS, ", #4");
    else
        TILE_OF(WORDS(24, 25) COLUMNS("%[step]"), ROWS, "");
}

/* ---- super-blocks ---- */

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

/* Sums of a sub-block times its scales, onto sum; the next one begins. */
INL void add_scaled(int32x4_t *sum, int32x4_t *s, int32x4_t sc) {
#pragma GCC unroll 8
    for (int j = 0; j < 2; j++) {
        sum[j] = vmlaq_s32(sum[j], s[j], sc);
        s[j] = vdupq_n_s32(0);
    }
}

INL void tile_256(tl_dtype t, place at, const super_strip *w, const uint8_t *head) {
    int32x4_t sum[PAIRS][2];
#pragma GCC unroll 8
    for (int i = 0; i < PAIRS; i++)
        sum[i][0] = sum[i][1] = vdupq_n_s32(0);
    for (int r = 0; r < 8; r++) {
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
            int32x4_t T = has_min(t) ? factor_sums(t, w->mn, q, sums) : vdupq_n_s32(0);
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
