/* linear.c: scalar products of weight rows and prepared activations. A row of weights (or a packed panel) is decoded to integers once a
 * block and then meets every column; each output adds its blocks in order, so the cut into rows and columns cannot matter. */
#include <string.h>

#include "backends/cpu/isa/scalar/scalar.h"
#include "tensor/math.h"

/* ---- float rows ---- */

#define FLOAT_DOT(name, type)                                                                                                              \
    void tl_scalar_dot_##name(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride,       \
                              int n_cols, int64_t k) {                                                                                     \
        for (int r = 0; r < n_rows; r++)                                                                                                   \
            for (int c = 0; c < n_cols; c++)                                                                                               \
                y[c * y_stride + r] =                                                                                                      \
                    tl_dot_float(type, (const char *)w + (size_t)r * w_stride, (const void *)((const char *)x + (size_t)c * x_stride), k); \
    }

FLOAT_DOT(f32, TL_F32)
FLOAT_DOT(f16, TL_F16)
FLOAT_DOT(bf16, TL_BF16)

/* ---- integers ---- */

static inline int32_t dot32(const int8_t *a, const int8_t *b) {
    int32_t sum = 0;
    for (int i = 0; i < 32; i++)
        sum += a[i] * b[i];
    return sum;
}

static inline int32_t dot16(const int8_t *a, const int8_t *b) {
    int32_t sum = 0;
    for (int i = 0; i < 16; i++)
        sum += a[i] * b[i];
    return sum;
}

static inline const tl_x32 *column32(const void *x, size_t stride, int c) {
    return (const void *)((const char *)x + (size_t)c * stride);
}

static inline const tl_x256 *column256(const void *x, size_t stride, int c) {
    return (const void *)((const char *)x + (size_t)c * stride);
}

/* One block of 32 times block b of every column, added to y. */
static inline void block32(float *y, int64_t y_stride, const int8_t *q, float d, float m, bool min, const void *x, size_t x_stride, int n_cols,
                           int64_t b) {
    for (int c = 0; c < n_cols; c++) {
        const tl_x32 *v = column32(x, x_stride, c) + b;
        float isum = (float)dot32(q, v->q), *acc = &y[c * y_stride];
        if (min)
            *acc = *acc + (isum * d + m * (float)v->bsum) * v->d;
        else
            *acc = *acc + isum * (d * v->d);
    }
}

/* One block of 256 times block b of every column. */
static inline void block256(float *y, int64_t y_stride, const tl_ints *w, bool min, const void *x, size_t x_stride, int n_cols, int64_t b) {
    for (int c = 0; c < n_cols; c++) {
        const tl_x256 *v = column256(x, x_stride, c) + b;
        int32_t s = 0, t = 0;
        for (int i = 0; i < 16; i++) {
            s += w->sc[i] * dot16(w->q + 16 * i, v->q + 16 * i);
            t += w->mn[i] * v->bsum[i];
        }
        float *acc = &y[c * y_stride];
        if (min)
            *acc = *acc + ((float)s * w->d - (float)t * w->m) * v->d;
        else
            *acc = *acc + (float)s * (w->d * v->d);
    }
}

static inline void dot_rows(tl_dtype type, float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride,
                            int n_cols, int64_t k) {
    const tl_dtype_info *info = tl_dtype_get(type);
    tl_unpack_fn unpack = tl_unpack_of(type);
    bool min = info->kind == TL_KIND_SCALE_MIN || info->kind == TL_KIND_SUPER_MIN;
    tl_ints ints;
    memset(&ints, 0, sizeof ints);
    for (int r = 0; r < n_rows; r++) {
        const char *block = (const char *)w + (size_t)r * w_stride;
        for (int c = 0; c < n_cols; c++)
            y[c * y_stride + r] = 0;
        for (int64_t b = 0; b < k / info->block; b++, block += info->block_bytes) {
            unpack(block, &ints);
            if (info->block == 32)
                block32(y + r, y_stride, ints.q, ints.d, ints.m, min, x, x_stride, n_cols, b);
            else
                block256(y + r, y_stride, &ints, min, x, x_stride, n_cols, b);
        }
    }
}

#define QUANT_DOT(name, type)                                                                                                              \
    void tl_scalar_dot_##name(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride,       \
                              int n_cols, int64_t k) {                                                                                     \
        dot_rows(type, y, y_stride, w, w_stride, n_rows, x, x_stride, n_cols, k);                                                          \
    }

QUANT_DOT(q4_0, TL_Q4_0)
QUANT_DOT(q4_1, TL_Q4_1)
QUANT_DOT(q5_0, TL_Q5_0)
QUANT_DOT(q5_1, TL_Q5_1)
QUANT_DOT(q8_0, TL_Q8_0)
QUANT_DOT(q2_k, TL_Q2_K)
QUANT_DOT(q3_k, TL_Q3_K)
QUANT_DOT(q4_k, TL_Q4_K)
QUANT_DOT(q5_k, TL_Q5_K)
QUANT_DOT(q6_k, TL_Q6_K)

/* ---- packed panels (backends/cpu/pack.c has the layout) ---- */

/* A block of one row of a panel as 32 integers. */
static inline void row4(const uint8_t *quants, int lane, int offset, int8_t *q) {
    for (int g = 0; g < 4; g++)
        for (int i = 0; i < 4; i++) {
            uint8_t byte = quants[(g * TL_PANEL + lane) * 4 + i];
            q[4 * g + i] = (int8_t)((byte & 15) - offset);
            q[16 + 4 * g + i] = (int8_t)((byte >> 4) - offset);
        }
}

static inline void row8(const uint8_t *quants, int lane, int8_t *q) {
    for (int g = 0; g < 8; g++)
        memcpy(q + 4 * g, quants + (g * TL_PANEL + lane) * 4, 4);
}

static inline float half_at(const uint8_t *p, int i) {
    uint16_t h;
    memcpy(&h, p + 2 * i, 2);
    return tl_f16_to_f32(h);
}

static inline void panel_rows(tl_dtype type, float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) {
    const uint8_t *block = panel;
    size_t bytes = (size_t)tl_dtype_get(type)->block_bytes * TL_PANEL;
    int head = type == TL_Q4_1 ? 4 : 2;
    int8_t q[32];
    for (int c = 0; c < n_cols; c++)
        for (int lane = 0; lane < TL_PANEL; lane++)
            y[c * y_stride + lane] = 0;
    for (int64_t b = 0; b < k / 32; b++, block += bytes) {
        for (int lane = 0; lane < TL_PANEL; lane++) {
            if (type == TL_Q8_0)
                row8(block + head * TL_PANEL, lane, q);
            else
                row4(block + head * TL_PANEL, lane, type == TL_Q4_0 ? 8 : 0, q);
            float m = type == TL_Q4_1 ? half_at(block, TL_PANEL + lane) : 0;
            block32(y + lane, y_stride, q, half_at(block, lane), m, type == TL_Q4_1, x, x_stride, n_cols, b);
        }
    }
}

#define PANEL(name, type)                                                                                                                  \
    void tl_scalar_panel_##name(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) {    \
        panel_rows(type, y, y_stride, panel, x, x_stride, n_cols, k);                                                                      \
    }

PANEL(q4_0, TL_Q4_0)
PANEL(q4_1, TL_Q4_1)
PANEL(q8_0, TL_Q8_0)
