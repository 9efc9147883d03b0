/* linear.c: scalar products of weight rows and prepared activations, and the packing of rows. A row of a packed panel is decoded to integers
 * once a block and then meets every column; each output adds its blocks in order, so the cut into rows and columns cannot matter. */
#include <string.h>

#include "backends/cpu/isa/scalar/scalar.h"
#include "tensor/math.h"

/* ---- float rows ---- */

enum { COLUMNS = 4 }; /* rows of x that share one decoding of a weight row */

/* m weights from element i of a row on. */
static inline void load(tl_dtype type, const char *w, int64_t i, int m, float *part) {
    uint16_t half[16];
    if (type == TL_F32) {
        memcpy(part, w + 4 * i, (size_t)m * 4);
        return;
    }
    memcpy(half, w + 2 * i, (size_t)m * 2);
    for (int j = 0; j < m; j++)
        part[j] = type == TL_F16 ? tl_f16_to_f32(half[j]) : tl_bf16_to_f32(half[j]);
}

/* One weight row times n <= COLUMNS rows of x, in 16 lanes each; type is a constant wherever this is inlined. */
static inline void float_row(tl_dtype type, float *y, int64_t y_stride, const char *w, const char *x, size_t x_stride, int n, int64_t k) {
    float lane[COLUMNS][16] = {{0}}, part[16];
    for (int64_t i = 0; i < k; i += 16) {
        int m = k - i < 16 ? (int)(k - i) : 16;
        load(type, w, i, m, part);
        for (int c = 0; c < n; c++) {
            const float *v = (const float *)(const void *)(x + (size_t)c * x_stride) + i;
            if (m == 16)
                for (int j = 0; j < 16; j++)
                    lane[c][j] += part[j] * v[j];
            else
                for (int j = 0; j < m; j++)
                    lane[c][j] += part[j] * v[j];
        }
    }
    for (int c = 0; c < n; c++)
        y[c * y_stride] = tl_fold16(lane[c]);
}

#define FLOAT_DOT(name, type)                                                                                                         \
    void tl_scalar_dot_##name(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride, \
                              int n_cols, int64_t k) {                                                                                \
        for (int r = 0; r < n_rows; r++)                                                                                              \
            for (int c = 0; c < n_cols; c += COLUMNS)                                                                                 \
                float_row(type, y + c * y_stride + r, y_stride, (const char *)w + (size_t)r * w_stride,                               \
                          (const char *)x + (size_t)c * x_stride, x_stride, n_cols - c < COLUMNS ? n_cols - c : COLUMNS, k);          \
    }

FLOAT_DOT(f32, TL_F32)
FLOAT_DOT(f16, TL_F16)
FLOAT_DOT(bf16, TL_BF16)

/* ---- integers ---- */

enum { MOST_BLOCK_BYTES = 210 };

/* Four sums side by side: a processor has several adders, and one sum would keep it waiting. */
static inline int32_t dot_ints(const int8_t *a, const int8_t *b, int n) {
    int32_t s[4] = {0};
    for (int i = 0; i < n; i += 4)
        for (int j = 0; j < 4; j++)
            s[j] += a[i + j] * b[i + j];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static inline const tl_x32 *column32(const void *x, size_t stride, int c) {
    return (const void *)((const char *)x + (size_t)c * stride);
}

static inline const tl_x256 *column256(const void *x, size_t stride, int c) {
    return (const void *)((const char *)x + (size_t)c * stride);
}

/* One block of 32 times block b of every column, added to y. */
static inline void block32(float *y, int64_t y_stride, const tl_ints *w, bool min, const void *x, size_t x_stride, int n_cols, int64_t b) {
    for (int c = 0; c < n_cols; c++) {
        const tl_x32 *v = column32(x, x_stride, c) + b;
        float isum = (float)dot_ints(w->q, v->q, 32), *acc = &y[c * y_stride];
        if (min)
            *acc = *acc + (isum * w->d + w->m * (float)v->bsum) * v->d;
        else
            *acc = *acc + isum * (w->d * v->d);
    }
}

/* One block of 256 times block b of every column. */
static inline void block256(float *y, int64_t y_stride, const tl_ints *w, bool min, const void *x, size_t x_stride, int n_cols, int64_t b) {
    for (int c = 0; c < n_cols; c++) {
        const tl_x256 *v = column256(x, x_stride, c) + b;
        int32_t s = 0, t = 0;
        for (int i = 0; i < 16; i++) {
            s += w->sc[i] * dot_ints(w->q + 16 * i, v->q + 16 * i, 16);
            t += w->mn[i] * v->bsum[i];
        }
        float *acc = &y[c * y_stride];
        if (min)
            *acc = *acc + ((float)s * w->d - (float)t * w->m) * v->d;
        else
            *acc = *acc + (float)s * (w->d * v->d);
    }
}

static inline void add_block(int block, float *y, int64_t y_stride, const tl_ints *w, bool min, const void *x, size_t x_stride, int n_cols,
                             int64_t b) {
    if (block == 32)
        block32(y, y_stride, w, min, x, x_stride, n_cols, b);
    else
        block256(y, y_stride, w, min, x, x_stride, n_cols, b);
}

/* ---- packed panels (backends/cpu/pack.c has the layout) ---- */

/* Puts a block of row `lane` together as the file has it: halves of scale (and minimum) at head_at, other bytes around them. */
static inline void gather(const uint8_t *packed, int lane, int block_bytes, int head_at, int head, uint8_t *block) {
    for (int h = 0; h < head / 2; h++)
        memcpy(block + head_at + 2 * h, packed + (h * TL_PANEL + lane) * 2, 2);
    packed += head * TL_PANEL;
    for (int g = 0; g < (block_bytes - head) / 4; g++)
        memcpy(block + (head_at == 0 ? head : 0) + 4 * g, packed + (g * TL_PANEL + lane) * 4, 4);
}

static inline void panel_rows(tl_dtype type, float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols,
                              int64_t k) {
    const tl_dtype_info *info = tl_dtype_get(type);
    tl_unpack_fn unpack = tl_unpack_of(type);
    bool min = info->kind == TL_KIND_SCALE_MIN || info->kind == TL_KIND_SUPER_MIN;
    int head = min ? 4 : 2, head_at = type == TL_Q2_K || type == TL_Q3_K || type == TL_Q6_K ? info->block_bytes - head : 0;
    const uint8_t *packed = panel;
    uint8_t block[MOST_BLOCK_BYTES];
    tl_ints ints;
    memset(&ints, 0, sizeof ints);
    for (int c = 0; c < n_cols; c++)
        for (int lane = 0; lane < TL_PANEL; lane++)
            y[c * y_stride + lane] = 0;
    for (int64_t b = 0; b < k / info->block; b++, packed += info->block_bytes * TL_PANEL)
        for (int lane = 0; lane < TL_PANEL; lane++) {
            gather(packed, lane, info->block_bytes, head_at, head, block);
            unpack(block, &ints);
            add_block(info->block, y + lane, y_stride, &ints, min, x, x_stride, n_cols, b);
        }
}

#define PANEL(f, name, type)                                                                                                \
    void f##_##name(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) { \
        panel_rows(type, y, y_stride, panel, x, x_stride, n_cols, k);                                                       \
    }
TL_BLOCK_TYPES(PANEL, tl_scalar_panel)

static inline void stored_rows(tl_dtype type, float *y, const uint8_t *w, size_t w_stride, const void *x, int64_t k) {
    const tl_dtype_info *info = tl_dtype_get(type);
    tl_unpack_fn unpack = tl_unpack_of(type);
    bool min = info->kind == TL_KIND_SCALE_MIN || info->kind == TL_KIND_SUPER_MIN;
    tl_ints ints;
    memset(&ints, 0, sizeof ints);
    for (int r = 0; r < TL_PANEL; r++, w += w_stride) {
        y[r] = 0;
        for (int64_t b = 0; b < k / info->block; b++) {
            unpack(w + b * info->block_bytes, &ints);
            add_block(info->block, y + r, 0, &ints, min, x, 0, 1, b);
        }
    }
}

#define STORED(f, name, type)                                                             \
    void f##_##name(float *y, const void *w, size_t w_stride, const void *x, int64_t k) { \
        stored_rows(type, y, w, w_stride, x, k);                                          \
    }
TL_BLOCK_TYPES(STORED, tl_scalar_stored)

#define PACK(f, name, type)                                                             \
    void f##_##name(void *panel, const void *w, size_t w_stride, int64_t k) {           \
        for (int r = 0; r < TL_PANEL; r++)                                              \
            tl_cpu_pack_row(type, panel, r, (const char *)w + (size_t)r * w_stride, k); \
    }
TL_BLOCK_TYPES(PACK, tl_scalar_pack)
