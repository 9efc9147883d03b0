/* kernels.h: what a kernel is: signatures, the table of slots that kernels.def lists, and levels. Every kernel equals its scalar
 * definition bit for bit (ARCHITECTURE.md, "Numerics"); n and k have any positive value unless said; floats and
 * prepared rows are aligned as floats are, halves of keys and values as halves, other stored elements not at all; y may be the same memory as an equal-shaped x. A
 * kernel reads and writes only what its arguments name. Every level has or inherits every kernel that tests/support/kernel_definitions.c
 * defines, but for those that kernels.def calls optional. */
#ifndef TALLY_CPU_KERNELS_H
#define TALLY_CPU_KERNELS_H

#include "ops/ops.h"
#include "tensor/quant.h"
#include "tensor/tensor.h"

enum { TL_PANEL = 16 }; /* weight rows a packed panel (pack.c) */
enum { TL_GROUP = 24 }; /* columns that are arranged together */
/* The types that are packed, X(f, name, type) for each, f being whatever X needs; and their rows of a table of kernels f_q4_0 ... */
/* clang-format off */
#define TL_BLOCK_TYPES(X, f) TL_BLOCK32_TYPES(X, f) TL_BLOCK256_TYPES(X, f)
#define TL_BLOCK32_TYPES(X, f) \
    X(f, q4_0, TL_Q4_0)        \
    X(f, q4_1, TL_Q4_1)        \
    X(f, q5_0, TL_Q5_0)        \
    X(f, q5_1, TL_Q5_1)        \
    X(f, q8_0, TL_Q8_0)
#define TL_BLOCK256_TYPES(X, f) \
    X(f, q2_k, TL_Q2_K)         \
    X(f, q3_k, TL_Q3_K)         \
    X(f, q4_k, TL_Q4_K)         \
    X(f, q5_k, TL_Q5_K)         \
    X(f, q6_k, TL_Q6_K)
/* clang-format on */
#define TL_KERNEL_ROW(f, name, type) [type] = f##_##name,
#define TL_BLOCK_KERNELS(f) \
    { TL_BLOCK_TYPES(TL_KERNEL_ROW, f) }

enum { TL_HEADS = 4 }; /* query heads that an attention kernel takes at once */

/* x [k] -> blocks; k in whole blocks. */
typedef void (*tl_fn_quantize_x32)(const float *x, int64_t k, tl_x32 *out);
typedef void (*tl_fn_quantize_x256)(const float *x, int64_t k, tl_x256 *out);
/* y[i] = f(x[i]) */
typedef void (*tl_fn_unary)(float *y, const float *x, int64_t n);
typedef void (*tl_fn_binary)(float *y, const float *a, const float *b, int64_t n);
typedef void (*tl_fn_scale)(float *y, const float *x, float factor, int64_t n);
typedef void (*tl_fn_clamp)(float *y, const float *x, float low, float high, int64_t n);
/* w (and b) f32 [n] or NULL */
typedef void (*tl_fn_rms_norm)(float *y, const float *x, const float *w, float eps, int64_t n);
typedef void (*tl_fn_layer_norm)(float *y, const float *x, const float *w, const float *b, float eps, int64_t n);
typedef void (*tl_fn_softmax)(float *y, const float *x, const float *mask, float scale, int64_t n);
/* One head: x [d], angles [pairs][2] (cos, sin). */
typedef void (*tl_fn_rope)(float *y, const float *x, const float *angles, int64_t pairs, int64_t d, tl_rope_mode mode);
/* y[c * y_stride + r] = w row r . x column c for rows < n_rows (TL_PANEL at most), columns < n_cols. w rows of floats w_stride bytes apart; x
 * rows (of 13 bits for halves, else plain f32) x_stride bytes apart. */
typedef void (*tl_fn_dot)(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride,
                          int n_cols, int64_t k);
/* TL_PANEL rows of blocks as stored, w_stride bytes apart -> one packed panel (pack.c has the layout). */
typedef void (*tl_fn_pack)(void *panel, const void *w, size_t w_stride, int64_t k);
/* The product for one packed panel, all TL_PANEL rows; x rows prepared for the weight's kind (x32, x256). */
typedef void (*tl_fn_panel)(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k);
/* TL_GROUP such x rows, stride bytes apart -> a group of columns, *arranged* in as many bytes, for a level whose panels want it so. x32: for each
 * block the q of all rows, then their d, then their bsum as floats. x256: for each block and 64 of its elements the q of all rows; behind them all, for
 * each block, the d of all rows, then their bsum. */
typedef void (*tl_fn_arrange)(void *group, const void *x, size_t stride, int64_t k);
typedef tl_fn_arrange tl_fn_arrange_x32, tl_fn_arrange_x256;
/* The product of a panel, as tl_fn_panel, for whole groups of columns: those of a group start TL_GROUP * x_stride bytes behind those of the last. */
typedef void (*tl_fn_grouped)(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_groups, int64_t k);
/* y[r] = row r of TL_PANEL rows of blocks as stored, w_stride bytes apart, times one such x row. */
typedef void (*tl_fn_stored)(float *y, const void *w, size_t w_stride, const void *x, int64_t k);
/* f16 rows of d to f32, rows stride bytes apart -> y [n][d] */
typedef void (*tl_fn_from_f16)(float *y, const void *x, size_t stride, int64_t n, int64_t d);
/* For each of n_q queries (1 .. TL_HEADS), q_stride floats apart: s[t] = (q . k[t]) * scale in 16 lanes, rows of s s_stride floats apart;
 * keys [n][d] f32. half: the products are exact (q of 13 bits, keys from f16). */
typedef void (*tl_fn_scores)(float *s, int64_t s_stride, const float *q, int64_t q_stride, int n_q, const float *keys, int64_t n, int64_t d,
                             float scale, bool half);
/* In place: s[t] -> exp(s[t] - max), 0 where s[t] - max < -64, rounded to x13 if half; gives the sum of them, lane (t0 + t) mod 16, into *sum
 * and the max into *max. Where a score is NaN so is *sum, and nothing else is promised (the result is NaN in any case); nor is the sign of a
 * zero max, which is only ever subtracted. */
typedef void (*tl_fn_weights)(float *s, int64_t t0, int64_t n, bool half, float *max, float *sum);
/* For each of n_q rows of weights (1 .. TL_HEADS): a[j] += p[t] * values[t][j], t ascending; a [dv], values [n][dv] f32. half: the products
 * are exact. */
typedef void (*tl_fn_values)(float *a, int64_t a_stride, const float *p, int64_t p_stride, int n_q, const float *values, int64_t n,
                             int64_t dv, bool half);
/* n elements (whole blocks) as stored -> f32, and f32 -> as stored, as tl_decode and tl_encode; stored elements need no alignment. Types that
 * cannot be encoded have no encode. */
typedef void (*tl_fn_decode)(const void *src, float *y, int64_t n);
typedef void (*tl_fn_encode)(const float *x, void *dst, int64_t n);
/* The least i >= from with tl_order_key(x[i]) > key; n: none. */
typedef int64_t (*tl_fn_first_above)(const float *x, int64_t from, int64_t n, int32_t key);
/* The index of the largest by tl_order_key, the lowest of equals. */
typedef int64_t (*tl_fn_argmax)(const float *x, int64_t n);

/* Loops that find what a level can do at most (peaks.c), with definitions like those of any kernel.
 * n times l = l * a + b for each of lanes [TL_PEAK_LANES]. peak_apart rounds twice; for peak_exact a is a power of two and no product is
 * denormal, so that it is exact and may be fused. */
enum { TL_PEAK_LANES = 192, TL_PEAK_BLOCK = 64 };
typedef void (*tl_fn_peak)(float *lanes, float a, float b, int64_t n);
/* sums[j] += u[4 j + i] * x[4 t + i] for i < 4, t < n; sums [TL_PEAK_LANES], u of 0 .. 15, x not -128, n in whole eights */
typedef void (*tl_fn_peak_int8)(int32_t *sums, const uint8_t *u, const int8_t *x, int64_t n);
/* lanes[i % TL_PEAK_BLOCK] += x[i], i ascending; n in whole blocks */
typedef void (*tl_fn_peak_read)(float *lanes, const float *x, int64_t n);
/* y[i] = a[i] + factor * b[i]; n in whole blocks */
typedef void (*tl_fn_peak_triad)(float *y, const float *a, const float *b, float factor, int64_t n);

typedef struct tl_kernels {
#define TL_KERNEL(name, type, entries) type name[entries];
#include "backends/cpu/kernels.def"
#undef TL_KERNEL
} tl_kernels;

typedef struct tl_level {
    const char *name;
    const struct tl_level *base; /* NULL: the lowest */
    const char *(*lacks)(void);  /* NULL or why this CPU or build cannot run it */
    const tl_kernels *kernels;   /* NULL: compiled without its flags */
} tl_level;

/* level.c: NULL, or what this CPU lacks. */
const char *tl_cpu_lacks_avx2(void);
const char *tl_cpu_lacks_avxvnni(void);
const char *tl_cpu_lacks_avx512(void);
const char *tl_cpu_lacks_amx(void);
const char *tl_cpu_lacks_dotprod(void);
const char *tl_cpu_lacks_i8mm(void);

#define TL_LEVEL(id, text) extern const tl_level tl_level_##id;
#include "backends/cpu/levels.def"
#undef TL_LEVEL

/* Names of kernels, entry for entry as in tl_kernels: "avx2_panel_q4_0": the level that provides it (which may be one below), the slot, and
 * where there is one entry a type, the type. Empty where there is no kernel. */
enum { TL_KERNEL_NAME = 40 };
typedef struct tl_kernel_names {
#define TL_KERNEL(name, type, entries) char name[entries][TL_KERNEL_NAME];
#include "backends/cpu/kernels.def"
#undef TL_KERNEL
} tl_kernel_names;

/* pack.c: one row of blocks as stored becomes row `lane` of a packed panel. */
void tl_cpu_pack_row(tl_dtype t, void *panel, int lane, const void *row, int64_t k);

/* The level by name or, NULL, the best that this CPU has; NULL where unknown. */
const tl_level *tl_level_find(const char *name);
/* All slots of a level, inherited ones filled in. */
void tl_level_flatten(const tl_level *l, tl_kernels *out);
void tl_level_names(const tl_level *l, tl_kernel_names *out);

#endif
