/* rows.c: scalar row kernels: elementwise, norms, softmax, rope. Sums run in 16 lanes, element i in lane i mod 16, folded as a tree. */
#include <math.h>

#include "backends/cpu/isa/scalar/scalar.h"
#include "tensor/math.h"

#define UNARY(name, expr)                                        \
    void tl_scalar_##name(float *y, const float *x, int64_t n) { \
        for (int64_t i = 0; i < n; i++) {                        \
            float v = x[i];                                      \
            y[i] = (expr);                                       \
        }                                                        \
    }

UNARY(round_x13, tl_x13(v))
UNARY(neg, -v)
UNARY(abs, tl_absf(v))
UNARY(sqr, v *v)
UNARY(sqrt, sqrtf(v))
UNARY(exp, tl_expf(v))
UNARY(log, tl_logf(v))
UNARY(sin, tl_sinf(v))
UNARY(cos, tl_cosf(v))
UNARY(tanh, tl_tanhf(v))
UNARY(sigmoid, tl_sigmoidf(v))
UNARY(relu, v > 0 ? v : 0)
UNARY(silu, tl_siluf(v))
UNARY(gelu, tl_gelu_tanhf(v))
UNARY(gelu_erf, tl_gelu_erff(v))

#define BINARY(name, expr)                                                       \
    void tl_scalar_##name(float *y, const float *x, const float *z, int64_t n) { \
        for (int64_t i = 0; i < n; i++) {                                        \
            float a = x[i], b = z[i];                                            \
            y[i] = (expr);                                                       \
        }                                                                        \
    }

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a *b)
BINARY(div, a / b)
BINARY(swiglu, tl_siluf(a) * b)
BINARY(geglu, tl_gelu_tanhf(a) * b)

void tl_scalar_scale(float *y, const float *x, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * factor;
}

void tl_scalar_clamp(float *y, const float *x, float low, float high, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float v = x[i];
        v = v < low ? low : v;
        y[i] = v > high ? high : v;
    }
}

void tl_scalar_rms_norm(float *y, const float *x, const float *w, float eps, int64_t n) {
    float r = 1.0f / sqrtf(tl_dot_lanes(x, x, n) / (float)n + eps);
    if (w)
        for (int64_t i = 0; i < n; i++)
            y[i] = (x[i] * r) * w[i];
    else
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * r;
}

static float variance(const float *x, float mean, int64_t n) {
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] - mean;
        lane[i % 16] += v * v;
    }
    return tl_fold16(lane) / (float)n;
}

void tl_scalar_layer_norm(float *y, const float *x, const float *w, const float *b, float eps, int64_t n) {
    float mean = tl_sum_lanes(x, n) / (float)n, r = 1.0f / sqrtf(variance(x, mean, n) + eps);
    for (int64_t i = 0; i < n; i++) {
        float v = (x[i] - mean) * r;
        if (w)
            v = v * w[i];
        y[i] = b ? v + b[i] : v;
    }
}

void tl_scalar_softmax(float *y, const float *x, const float *mask, float scale, int64_t n) {
    float most = tl_real(TL_INF_BITS | TL_SIGN_BIT);
    for (int64_t i = 0; i < n; i++) {
        float s = x[i] * scale;
        y[i] = mask ? s + mask[i] : s;
        most = tl_maxf(y[i], most);
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = tl_expf(y[i] - most);
    float sum = tl_sum_lanes(y, n);
    for (int64_t i = 0; i < n; i++)
        y[i] = y[i] / sum;
}

void tl_scalar_rope(float *y, const float *x, const float *angles, int64_t pairs, int64_t d, tl_rope_mode mode) {
    int64_t step = mode == TL_ROPE_HALVES ? 1 : 2, apart = mode == TL_ROPE_HALVES ? pairs : 1;
    for (int64_t p = 0; p < pairs; p++) {
        float c = angles[2 * p], s = angles[2 * p + 1], a = x[p * step], b = x[p * step + apart];
        y[p * step] = a * c - b * s;
        y[p * step + apart] = a * s + b * c;
    }
    for (int64_t i = 2 * pairs; i < d; i++)
        y[i] = x[i];
}
