/* dot.inl: float weight rows as stored times rows of x, in 16 lanes, over the words of a level's vec.h: tiles of TILE_ROWS weight rows and
 * TILE_COLUMNS rows of x read both along k. For f16 the x rows come rounded to 13 bits, products are exact and may be fused; f32 and
 * bf16 never are. */
#include "tensor/math.h"

#define INL static inline __attribute__((always_inline))

enum { GROUPS = 16 / VL };
enum { PART = 512 }; /* elements of k that all rows of weights go by before the next ones */
enum { LINE = 32 };  /* elements between two requests to memory */

INL vf load_weights(tl_dtype t, const char *w, int64_t i) {
    return t == TL_F16 ? v_from_f16(w + 2 * i) : t == TL_BF16 ? v_from_bf16(w + 2 * i) : v_load((const void *)(w + 4 * i));
}

INL size_t size_of(tl_dtype t) {
    return t == TL_F32 ? 4 : 2;
}

INL float one_weight(tl_dtype t, const char *w, int64_t i) {
    uint16_t h;
    float v;
    if (t == TL_F32) {
        memcpy(&v, w + 4 * i, 4);
        return v;
    }
    memcpy(&h, w + 2 * i, 2);
    return t == TL_F16 ? tl_f16_to_f32(h) : tl_bf16_to_f32(h);
}

INL const float *column(const void *x, size_t stride, int c) {
    return (const void *)((const char *)x + (size_t)c * stride);
}

/* Adds R weight rows from `row` on times C rows of x, elements from .. to - 1, whole sixteens, to sums that stay in memory from one part of k to the next;
 * t, R and C are constants wherever this is inlined. */
INL void tile(tl_dtype t, int R, int C, vf (*sums)[TL_PANEL][GROUPS], int row, const char *w, size_t w_stride, const void *x,
              size_t x_stride, int64_t from, int64_t to) {
    w += (size_t)row * w_stride;
    vf s[TILE_ROWS][TILE_COLUMNS][GROUPS];
    for (int r = 0; r < R; r++)
        for (int c = 0; c < C; c++)
            for (int g = 0; g < GROUPS; g++)
                s[r][c][g] = from ? sums[c][row + r][g] : v_set(0.0f);
    for (int64_t i = from; i < to; i += 16) {
        if (C == 1 && i % LINE == 0) /* memory bounds one column: ask for the same part of the next rows */
            for (int r = 0; r < R; r++)
                for (size_t j = 0; j < LINE * size_of(t); j += 64)
                    __builtin_prefetch(w + (size_t)(r + R) * w_stride + (size_t)i * size_of(t) + j);
        for (int g = 0; g < GROUPS; g++) {
            vf v[TILE_ROWS];
            for (int r = 0; r < R; r++)
                v[r] = load_weights(t, w + (size_t)r * w_stride, i + g * VL);
            for (int c = 0; c < C; c++) {
                vf u = v_pinned(v_load(column(x, x_stride, c) + i + g * VL));
                for (int r = 0; r < R; r++)
                    s[r][c][g] = t == TL_F16 ? v_fused(v[r], u, s[r][c][g]) : v_add(s[r][c][g], v_mul(v[r], u));
            }
        }
    }
    for (int r = 0; r < R; r++)
        for (int c = 0; c < C; c++)
            for (int g = 0; g < GROUPS; g++)
                sums[c][row + r][g] = s[r][c][g];
}

/* The elements of k that are no whole sixteen, of one weight row and one row of x. */
INL void rest(tl_dtype t, vf *sum, const char *w, const float *x, int64_t k) {
    float lane[16];
    for (int g = 0; g < GROUPS; g++)
        v_store(lane + g * VL, sum[g]);
    for (int64_t i = k / 16 * 16; i < k; i++)
        lane[i % 16] += one_weight(t, w, i) * x[i];
    for (int g = 0; g < GROUPS; g++)
        sum[g] = v_load(lane + g * VL);
}

/* C rows of x against all weight rows. Several rows of x stay in the nearest cache while all weight rows go by one part of k. */
INL void columns(tl_dtype t, int C, float *y, int64_t y_stride, const char *w, size_t w_stride, int n_rows, const void *x, size_t x_stride,
                 int64_t k) {
    const int64_t done = k / 16 * 16, part = C > 1 ? PART : done;
    vf sums[TILE_COLUMNS][TL_PANEL][GROUPS];
    int64_t from = 0;
    do {
        const int64_t to = from + part < done ? from + part : done;
        int r = 0;
        for (; r + TILE_ROWS <= n_rows; r += TILE_ROWS)
            tile(t, TILE_ROWS, C, sums, r, w, w_stride, x, x_stride, from, to);
        for (; r < n_rows; r++)
            tile(t, 1, C, sums, r, w, w_stride, x, x_stride, from, to);
        from = to;
    } while (from < done);
    for (int c = 0; c < C; c++, y += y_stride) {
        for (int r = 0; done < k && r < n_rows; r++)
            rest(t, sums[c][r], w + (size_t)r * w_stride, column(x, x_stride, c), k);
        int r = 0;
        for (; r + FOLDS <= n_rows; r += FOLDS)
            v_folds(y + r, sums[c] + r);
        for (; r < n_rows; r++)
            y[r] = v_fold(sums[c][r]);
    }
}

#define DOT(name, type)                                                                                                             \
    void TL_ISA(dot_##name)(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride, \
                            int n_cols, int64_t k) {                                                                                \
        int c = 0;                                                                                                                  \
        for (; c + TILE_COLUMNS <= n_cols; c += TILE_COLUMNS)                                                                       \
            columns(type, TILE_COLUMNS, y + c * y_stride, y_stride, w, w_stride, n_rows, column(x, x_stride, c), x_stride, k);      \
        for (; c < n_cols; c++)                                                                                                     \
            columns(type, 1, y + c * y_stride, y_stride, w, w_stride, n_rows, column(x, x_stride, c), x_stride, k);                 \
    }

DOT(f32, TL_F32)
DOT(f16, TL_F16)
DOT(bf16, TL_BF16)
