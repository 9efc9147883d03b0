/* dot.inl: float weight rows as stored times rows of x, in 16 lanes, over the words of a level's vec.h. A weight vector is loaded once for
 * four columns. For f16 the x rows come rounded to 13 bits, so products are exact. */
#include "tensor/math.h"

enum { GROUPS = 16 / VL };

static inline vf load_f32(const char *w, int64_t i) {
    return v_load((const float *)(const void *)w + i);
}

static inline vf load_f16(const char *w, int64_t i) {
    return v_from_f16(w + 2 * i);
}

static inline float one_f32(const char *w, int64_t i) {
    float v;
    memcpy(&v, w + 4 * i, 4);
    return v;
}

static inline float one_f16(const char *w, int64_t i) {
    uint16_t h;
    memcpy(&h, w + 2 * i, 2);
    return tl_f16_to_f32(h);
}

#define COLUMN(c) ((const float *)(const void *)((const char *)x + (size_t)(c) * x_stride))

/* One row times C columns from column c0. */
#define ROW_TIMES(C, type)                                                                                                                 \
    do {                                                                                                                                   \
        vf s[C][GROUPS];                                                                                                                   \
        for (int c = 0; c < (C); c++)                                                                                                      \
            for (int g = 0; g < GROUPS; g++)                                                                                               \
                s[c][g] = v_set(0.0f);                                                                                                     \
        for (int64_t i = 0; i < done; i += 16)                                                                                             \
            for (int g = 0; g < GROUPS; g++) {                                                                                             \
                vf v = load_##type(row, i + g * VL);                                                                                       \
                for (int c = 0; c < (C); c++)                                                                                              \
                    s[c][g] = v_add(s[c][g], v_mul(v, v_load(COLUMN(c0 + c) + i + g * VL)));                                               \
            }                                                                                                                              \
        for (int c = 0; c < (C); c++) {                                                                                                    \
            float lane[16];                                                                                                                \
            for (int g = 0; g < GROUPS; g++)                                                                                               \
                v_store(lane + g * VL, s[c][g]);                                                                                           \
            for (int64_t i = done; i < k; i++)                                                                                             \
                lane[i % 16] += one_##type(row, i) * COLUMN(c0 + c)[i];                                                                    \
            y[(c0 + c) * y_stride + r] = tl_fold16(lane);                                                                                  \
        }                                                                                                                                  \
    } while (0)

#define DOT(type)                                                                                                                          \
    void TL_ISA(dot_##type)(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride,        \
                            int n_cols, int64_t k) {                                                                                       \
        int64_t done = k / 16 * 16;                                                                                                        \
        int c0 = 0;                                                                                                                        \
        for (; c0 + 4 <= n_cols; c0 += 4)                                                                                                  \
            for (int r = 0; r < n_rows; r++) {                                                                                             \
                const char *row = (const char *)w + (size_t)r * w_stride;                                                                  \
                ROW_TIMES(4, type);                                                                                                        \
            }                                                                                                                              \
        for (; c0 < n_cols; c0++)                                                                                                          \
            for (int r = 0; r < n_rows; r++) {                                                                                             \
                const char *row = (const char *)w + (size_t)r * w_stride;                                                                  \
                ROW_TIMES(1, type);                                                                                                        \
            }                                                                                                                              \
    }

DOT(f32)
DOT(f16)
