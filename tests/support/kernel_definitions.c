/* kernel_definitions.c: every kernel in its plainest form: loops over elements, sums in an array of 16 lanes, the functions of
 * tensor/math.h and the dot products of tensor/quant.h. Nothing here is shared with backends/. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"
#include "tests/blocks.h"
#include "tests/support/kernels.h"

/* ---- sums ---- */

static float fold(float l[16]) {
    for (int apart = 8; apart > 0; apart /= 2)
        for (int i = 0; i < apart; i++)
            l[i] = l[i] + l[i + apart];
    return l[0];
}

static float sum_of(const float *x, int64_t n) {
    float l[16] = {0};
    for (int64_t i = 0; i < n; i++)
        l[i % 16] = l[i % 16] + x[i];
    return fold(l);
}

static float dot_of(const float *a, const float *b, int64_t n) {
    float l[16] = {0};
    for (int64_t i = 0; i < n; i++) {
        float product = a[i] * b[i];
        l[i % 16] = l[i % 16] + product;
    }
    return fold(l);
}

/* ---- activations ---- */

/* q[0..n): the integers of one block; its scale. */
static float quantize(const float *x, int n, int8_t *q) {
    float most = 0;
    bool finite = true;
    for (int i = 0; i < n; i++) {
        q[i] = 0;
        finite = finite && x[i] - x[i] == 0;
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    }
    if (!finite)
        return tl_real(TL_NAN_BITS);
    if (most < 0x1p-100f)
        return 0;
    float inverse = 127.0f / most;
    for (int i = 0; i < n; i++)
        q[i] = (int8_t)rintf(x[i] * inverse);
    return most / 127.0f;
}

static void def_quantize_x32(const float *x, int64_t k, tl_x32 *out) {
    for (int64_t b = 0; b < k / 32; b++) {
        out[b].d = quantize(x + 32 * b, 32, out[b].q);
        out[b].bsum = 0;
        for (int i = 0; i < 32; i++)
            out[b].bsum += out[b].q[i];
    }
}

static void def_quantize_x256(const float *x, int64_t k, tl_x256 *out) {
    for (int64_t b = 0; b < k / 256; b++) {
        out[b].d = quantize(x + 256 * b, 256, out[b].q);
        for (int s = 0; s < 16; s++)
            out[b].bsum[s] = 0;
        for (int i = 0; i < 256; i++)
            out[b].bsum[i / 16] = (int16_t)(out[b].bsum[i / 16] + out[b].q[i]);
    }
}

/* ---- linear ---- */

#define ROWS_BY_COLUMNS(value)                                              \
    for (int r = 0; r < n_rows; r++)                                        \
        for (int c = 0; c < n_cols; c++) {                                  \
            const uint8_t *row = (const uint8_t *)w + (size_t)r * w_stride; \
            const void *column = (const uint8_t *)x + (size_t)c * x_stride; \
            y[c * y_stride + r] = (value);                                  \
        }

static float float_dot(tl_dtype t, const uint8_t *row, const float *x, int64_t k) {
    float l[16] = {0};
    size_t bytes = (size_t)tl_dtype_get(t)->block_bytes;
    for (int64_t i = 0; i < k; i++) {
        float weight, product;
        tl_decode(t, row + (size_t)i * bytes, &weight, 1, NULL);
        product = weight * x[i];
        l[i % 16] = l[i % 16] + product;
    }
    return fold(l);
}

#define FLOAT_DOT(name, type)                                                                                                          \
    static void def_dot_##name(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride, \
                               int n_cols, int64_t k) {                                                                                \
        ROWS_BY_COLUMNS(float_dot(type, row, column, k))                                                                               \
    }
FLOAT_DOT(f32, TL_F32)
FLOAT_DOT(f16, TL_F16)
FLOAT_DOT(bf16, TL_BF16)

/* Where byte i of a block of row r lies in a packed block: halves of scale and minimum side by side for the 16 rows, then the other
 * bytes in groups of 4 side by side. */
static size_t packed_at(tl_dtype t, int r, int i) {
    int head = f16_at[t].m < 0 ? 2 : 4, first = f16_at[t].d, other = i < first ? i : i - head;
    if (i >= first && i < first + head)
        return (size_t)(((i - first) / 2 * TL_PANEL + r) * 2 + (i - first) % 2);
    return (size_t)(head * TL_PANEL + (other / 4 * TL_PANEL + r) * 4 + other % 4);
}

static void pack(tl_dtype t, uint8_t *to, const uint8_t *w, size_t w_stride, int64_t k) {
    int bytes = tl_dtype_get(t)->block_bytes;
    for (int r = 0; r < TL_PANEL; r++)
        for (int64_t b = 0; b < k / tl_dtype_get(t)->block; b++)
            for (int i = 0; i < bytes; i++)
                to[b * bytes * TL_PANEL + (int64_t)packed_at(t, r, i)] = w[(size_t)r * w_stride + (size_t)(b * bytes + i)];
}

#define PACK(f, name, type)                                                       \
    static void f##_##name(void *to, const void *w, size_t w_stride, int64_t k) { \
        pack(type, to, w, w_stride, k);                                           \
    }
TL_BLOCK_TYPES(PACK, def_pack)

static void panel(tl_dtype t, float *y, int64_t y_stride, const uint8_t *from, const void *x, size_t x_stride, int n_cols, int64_t k) {
    int bytes = tl_dtype_get(t)->block_bytes;
    int64_t blocks = k / tl_dtype_get(t)->block;
    uint8_t *row = malloc((size_t)(blocks * bytes));
    for (int r = 0; row && r < TL_PANEL; r++) {
        for (int64_t b = 0; b < blocks; b++)
            for (int i = 0; i < bytes; i++)
                row[b * bytes + i] = from[b * bytes * TL_PANEL + (int64_t)packed_at(t, r, i)];
        for (int c = 0; c < n_cols; c++)
            y[c * y_stride + r] = tl_dot_quant(t, row, (const uint8_t *)x + (size_t)c * x_stride, k);
    }
    free(row);
}

#define PANEL(f, name, type)                                                                                                      \
    static void f##_##name(float *y, int64_t y_stride, const void *from, const void *x, size_t x_stride, int n_cols, int64_t k) { \
        panel(type, y, y_stride, from, x, x_stride, n_cols, k);                                                                   \
    }
TL_BLOCK_TYPES(PANEL, def_panel)

/* ---- groups of columns, by the contract of kernels.h ---- */

static void def_arrange_x32(void *group, const void *x, size_t stride, int64_t k) {
    for (int64_t b = 0; b < k / 32; b++) {
        char *to = (char *)group + b * TL_GROUP * 40;
        for (int c = 0; c < TL_GROUP; c++) {
            tl_x32 from;
            memcpy(&from, (const char *)x + (size_t)c * stride + (size_t)b * sizeof from, sizeof from);
            const float sum = (float)from.bsum;
            memcpy(to + c * 32, from.q, 32);
            memcpy(to + TL_GROUP * 32 + c * 4, &from.d, 4);
            memcpy(to + TL_GROUP * 36 + c * 4, &sum, 4);
        }
    }
}

static void def_arrange_x256(void *group, const void *x, size_t stride, int64_t k) {
    for (int64_t b = 0; b < k / 256; b++) {
        char *values = (char *)group + b * TL_GROUP * 256, *rest = (char *)group + k * TL_GROUP + b * TL_GROUP * 36;
        for (int c = 0; c < TL_GROUP; c++) {
            tl_x256 from;
            memcpy(&from, (const char *)x + (size_t)c * stride + (size_t)b * sizeof from, sizeof from);
            for (int i = 0; i < 256; i++)
                values[(i / 64 * TL_GROUP + c) * 64 + i % 64] = from.q[i];
            memcpy(rest + c * 4, &from.d, 4);
            memcpy(rest + TL_GROUP * 4 + c * 32, from.bsum, 32);
        }
    }
}

/* Column c of a group as a row of x again. */
static void column_of(tl_dtype t, void *row, const char *group, int c, int64_t k) {
    if (tl_cpu_prep_of(t) == PREP_X32) {
        tl_x32 *x = row;
        for (int64_t b = 0; b < k / 32; b++, group += TL_GROUP * 40) {
            float sum;
            memcpy(x[b].q, group + c * 32, 32);
            memcpy(&x[b].d, group + TL_GROUP * 32 + c * 4, 4);
            memcpy(&sum, group + TL_GROUP * 36 + c * 4, 4);
            x[b].bsum = (int32_t)sum;
        }
        return;
    }
    tl_x256 *x = row;
    for (int64_t b = 0; b < k / 256; b++) {
        const char *rest = group + k * TL_GROUP + b * TL_GROUP * 36;
        for (int i = 0; i < 256; i++)
            x[b].q[i] = (int8_t)group[((b * 4 + i / 64) * TL_GROUP + c) * 64 + i % 64];
        memcpy(&x[b].d, rest + c * 4, 4);
        memcpy(x[b].bsum, rest + TL_GROUP * 4 + c * 32, 32);
    }
}

static void grouped(tl_dtype t, float *y, int64_t y_stride, const uint8_t *from, const char *x, size_t x_stride, int n_groups, int64_t k) {
    char *row = malloc(tl_cpu_prep_bytes(tl_cpu_prep_of(t), k));
    for (int c = 0; row && c < n_groups * TL_GROUP; c++) {
        column_of(t, row, x + (size_t)(c / TL_GROUP * TL_GROUP) * x_stride, c % TL_GROUP, k);
        panel(t, y + c * y_stride, y_stride, from, row, 0, 1, k);
    }
    free(row);
}
#define GROUPED(f, name, type)                                                                                                      \
    static void f##_##name(float *y, int64_t y_stride, const void *from, const void *x, size_t x_stride, int n_groups, int64_t k) { \
        grouped(type, y, y_stride, from, x, x_stride, n_groups, k);                                                                 \
    }
TL_BLOCK_TYPES(GROUPED, def_grouped)

#define STORED(f, name, type)                                                                    \
    static void f##_##name(float *y, const void *w, size_t w_stride, const void *x, int64_t k) { \
        for (int r = 0; r < TL_PANEL; r++)                                                       \
            y[r] = tl_dot_quant(type, (const uint8_t *)w + (size_t)r * w_stride, x, k);          \
    }
TL_BLOCK_TYPES(STORED, def_stored)

/* ---- elementwise ---- */

#define UNARY(name, value)                                        \
    static void def_##name(float *y, const float *x, int64_t n) { \
        for (int64_t i = 0; i < n; i++)                           \
            y[i] = (value);                                       \
    }
#define BINARY(name, value)                                                       \
    static void def_##name(float *y, const float *a, const float *b, int64_t n) { \
        for (int64_t i = 0; i < n; i++)                                           \
            y[i] = (value);                                                       \
    }
UNARY(round_x13, tl_x13(x[i]))
UNARY(neg, tl_real(tl_bits(x[i]) ^ TL_SIGN_BIT))
UNARY(abs, fabsf(x[i]))
UNARY(sqr, x[i] * x[i])
UNARY(sqrt, sqrtf(x[i]))
UNARY(exp, tl_expf(x[i]))
UNARY(log, tl_logf(x[i]))
UNARY(sin, tl_sinf(x[i]))
UNARY(cos, tl_cosf(x[i]))
UNARY(tanh, tl_tanhf(x[i]))
UNARY(sigmoid, 1.0f / (1.0f + tl_expf(-x[i])))
UNARY(relu, x[i] > 0 ? x[i] : 0.0f)
UNARY(silu, x[i] / (1.0f + tl_expf(-x[i])))
UNARY(gelu, tl_gelu_tanhf(x[i]))
UNARY(gelu_erf, tl_gelu_erff(x[i]))
BINARY(add, a[i] + b[i])
BINARY(sub, a[i] - b[i])
BINARY(mul, a[i] * b[i])
BINARY(div, a[i] / b[i])
BINARY(swiglu, a[i] / (1.0f + tl_expf(-a[i])) * b[i])
BINARY(geglu, tl_gelu_tanhf(a[i]) * b[i])

static void def_scale(float *y, const float *x, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * factor;
}

static void def_clamp(float *y, const float *x, float low, float high, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] < low ? low : x[i] > high ? high : x[i];
}

/* ---- rows ---- */

static void def_rms_norm(float *y, const float *x, const float *w, float eps, int64_t n) {
    float mean = dot_of(x, x, n) / (float)n, r = 1.0f / sqrtf(mean + eps);
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] * r;
        y[i] = w ? v * w[i] : v;
    }
}

static void def_layer_norm(float *y, const float *x, const float *w, const float *b, float eps, int64_t n) {
    float mean = sum_of(x, n) / (float)n, l[16] = {0};
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] - mean, square = v * v;
        l[i % 16] = l[i % 16] + square;
    }
    float r = 1.0f / sqrtf(fold(l) / (float)n + eps);
    for (int64_t i = 0; i < n; i++) {
        float v = (x[i] - mean) * r;
        v = w ? v * w[i] : v;
        y[i] = b ? v + b[i] : v;
    }
}

static void def_softmax(float *y, const float *x, const float *mask, float scale, int64_t n) {
    float most = -tl_real(TL_INF_BITS), sum;
    for (int64_t i = 0; i < n; i++) {
        float s = x[i] * scale;
        y[i] = mask ? s + mask[i] : s;
        most = y[i] > most ? y[i] : most;
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = tl_expf(y[i] - most);
    sum = sum_of(y, n);
    for (int64_t i = 0; i < n; i++)
        y[i] = y[i] / sum;
}

static void def_rope(float *y, const float *x, const float *angles, int64_t pairs, int64_t d, tl_rope_mode mode) {
    for (int64_t p = 0; p < pairs; p++) {
        int64_t i = mode == TL_ROPE_HALVES ? p : 2 * p, j = mode == TL_ROPE_HALVES ? p + pairs : 2 * p + 1;
        float ac = x[i] * angles[2 * p], bs = x[j] * angles[2 * p + 1], as = x[i] * angles[2 * p + 1], bc = x[j] * angles[2 * p];
        y[i] = ac - bs;
        y[j] = as + bc;
    }
    for (int64_t i = 2 * pairs; i < d; i++)
        y[i] = x[i];
}

/* ---- attention ---- */

static void def_from_f16(float *y, const void *x, size_t stride, int64_t n, int64_t d) {
    for (int64_t r = 0; r < n; r++)
        tl_decode(TL_F16, (const uint8_t *)x + (size_t)r * stride, y + r * d, d, NULL);
}

static void def_attention_scores(float *s, int64_t s_stride, const float *q, int64_t q_stride, int n_q, const float *keys, int64_t n,
                                 int64_t d, float scale, bool half) {
    (void)half; /* exact products: fused or not, the bits are these */
    for (int h = 0; h < n_q; h++)
        for (int64_t t = 0; t < n; t++)
            s[h * s_stride + t] = dot_of(q + h * q_stride, keys + t * d, d) * scale;
}

static void def_attention_weights(float *s, int64_t t0, int64_t n, bool half, float *max, float *sum) {
    float most = -tl_real(TL_INF_BITS), l[16] = {0};
    for (int64_t t = 0; t < n; t++)
        most = s[t] > most ? s[t] : most;
    for (int64_t t = 0; t < n; t++) {
        float p = s[t] - most < -64.0f ? 0.0f : tl_expf(s[t] - most);
        s[t] = half ? tl_x13(p) : p;
        l[(t0 + t) % 16] = l[(t0 + t) % 16] + s[t];
    }
    *max = most;
    *sum = fold(l);
}

static void def_attention_values(float *a, int64_t a_stride, const float *p, int64_t p_stride, int n_q, const float *values, int64_t n,
                                 int64_t dv, bool half) {
    (void)half;
    for (int h = 0; h < n_q; h++) {
        for (int64_t j = 0; j < dv; j++) {
            float sum = a[h * a_stride + j];
            for (int64_t t = 0; t < n; t++) {
                float product = p[h * p_stride + t] * values[t * dv + j];
                sum = sum + product;
            }
            a[h * a_stride + j] = sum;
        }
    }
}

/* ---- copies ---- */

#define TL_DTYPE(ID, name, gguf, block, bytes, kind, help)                \
    static void def_decode_##name(const void *src, float *y, int64_t n) { \
        tl_decode(TL_##ID, src, y, n, NULL);                              \
    }
#include "tensor/dtype.def"
#undef TL_DTYPE

#define ENCODE(name, type)                                                \
    static void def_encode_##name(const float *x, void *dst, int64_t n) { \
        tl_encode(type, x, dst, n, NULL);                                 \
    }
ENCODE(f32, TL_F32)
ENCODE(f16, TL_F16)
ENCODE(bf16, TL_BF16)
ENCODE(i8, TL_I8)
ENCODE(i16, TL_I16)
ENCODE(i32, TL_I32)
ENCODE(q4_0, TL_Q4_0)
ENCODE(q4_1, TL_Q4_1)
ENCODE(q5_0, TL_Q5_0)
ENCODE(q5_1, TL_Q5_1)
ENCODE(q8_0, TL_Q8_0)

/* a before b: a number before NaN, the larger before the smaller. */
static bool stands_before(float a, float b) {
    return b != b ? a == a : a > b;
}

static int64_t def_argmax(const float *x, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        best = stands_before(x[i], x[best]) ? i : best;
    return best;
}

/* The float whose key this is, up to that of inf; NaN for keys below that of -inf. */
static float float_of(int32_t key) {
    return key == INT32_MIN ? tl_real(TL_NAN_BITS) : key < 0 ? -tl_real((uint32_t)-key) : tl_real((uint32_t)key);
}

static int64_t def_first_above(const float *x, int64_t from, int64_t n, int32_t key) {
    while (from < n && (key >= (int32_t)TL_INF_BITS || !stands_before(x[from], float_of(key))))
        from++;
    return from;
}

/* ---- peaks ---- */

static void def_peak_apart(float *lanes, float a, float b, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < TL_PEAK_LANES; j++) {
            float product = lanes[j] * a;
            lanes[j] = product + b;
        }
}

#define def_peak_exact def_peak_apart /* exact products: fused or not, the bits are these */

static void def_peak_int8(int32_t *sums, const uint8_t *u, const int8_t *x, int64_t n) {
    for (int64_t t = 0; t < n; t++)
        for (int j = 0; j < TL_PEAK_LANES; j++)
            for (int i = 0; i < 4; i++)
                sums[j] += u[4 * j + i] * x[4 * t + i];
}

static void def_peak_read(float *lanes, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        lanes[i % TL_PEAK_BLOCK] += x[i];
}

static void def_peak_triad(float *y, const float *a, const float *b, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float product = factor * b[i];
        y[i] = a[i] + product;
    }
}

/* ---- the table: made from kernels.def, so that a slot without definition does not compile ---- */

#define BY_TYPE_dot [TL_F32] = def_dot_f32, [TL_F16] = def_dot_f16, [TL_BF16] = def_dot_bf16
#define BY_TYPE_pack TL_BLOCK_TYPES(TL_KERNEL_ROW, def_pack)
#define BY_TYPE_panel TL_BLOCK_TYPES(TL_KERNEL_ROW, def_panel)
#define BY_TYPE_grouped TL_BLOCK_TYPES(TL_KERNEL_ROW, def_grouped)
#define BY_TYPE_stored TL_BLOCK_TYPES(TL_KERNEL_ROW, def_stored)
#define BY_ENCODED_TYPE(slot)                                                                                               \
    [TL_F32] = def_##slot##_f32, [TL_F16] = def_##slot##_f16, [TL_BF16] = def_##slot##_bf16, [TL_I8] = def_##slot##_i8,     \
    [TL_I16] = def_##slot##_i16, [TL_I32] = def_##slot##_i32, [TL_Q4_0] = def_##slot##_q4_0, [TL_Q4_1] = def_##slot##_q4_1, \
    [TL_Q5_0] = def_##slot##_q5_0, [TL_Q5_1] = def_##slot##_q5_1, [TL_Q8_0] = def_##slot##_q8_0
#define BY_TYPE_decode                                                                                              \
    BY_ENCODED_TYPE(decode), [TL_Q2_K] = def_decode_q2_k, [TL_Q3_K] = def_decode_q3_k, [TL_Q4_K] = def_decode_q4_k, \
                             [TL_Q5_K] = def_decode_q5_k, [TL_Q6_K] = def_decode_q6_k
#define BY_TYPE_encode BY_ENCODED_TYPE(encode)
#define DEFINED_1(name) def_##name
#define DEFINED_TL_N_DTYPES(name) BY_TYPE_##name

const tl_kernels kernel_definitions = {
#define TL_KERNEL(name, type, entries) .name = {DEFINED_##entries(name)},
#include "backends/cpu/kernels.def"
#undef TL_KERNEL
};
