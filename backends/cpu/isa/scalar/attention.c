/* attention.c: scalar kernels of attention over one chunk of keys, whose keys and values are f32 rows side by side. */
#include <string.h>

#include "backends/cpu/isa/scalar/scalar.h"
#include "tensor/math.h"

void tl_scalar_from_f16(float *y, const void *x, size_t stride, int64_t n, int64_t d) {
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < d; i++) {
            uint16_t h;
            memcpy(&h, (const char *)x + (size_t)r * stride + 2 * (size_t)i, 2);
            y[r * d + i] = tl_f16_to_f32(h);
        }
}

/* The scalar level never fuses, so `half` changes nothing. */
void tl_scalar_scores(float *s, int64_t s_stride, const float *q, int64_t q_stride, int n_q, const float *keys, int64_t n, int64_t d,
                      float scale, bool half) {
    (void)half;
    for (int h = 0; h < n_q; h++)
        for (int64_t t = 0; t < n; t++)
            s[h * s_stride + t] = tl_dot_lanes(q + h * q_stride, keys + t * d, d) * scale;
}

void tl_scalar_weights(float *s, int64_t t0, int64_t n, bool half, float *max, float *sum) {
    float most = tl_real(TL_INF_BITS | TL_SIGN_BIT), lane[16] = {0};
    for (int64_t t = 0; t < n; t++)
        most = tl_maxf(most, s[t]);
    for (int64_t t = 0; t < n; t++) {
        float x = s[t] - most, p = x < -64.0f ? 0.0f : tl_expf(x);
        if (half)
            p = tl_x13(p);
        s[t] = p;
        lane[(t0 + t) % 16] += p;
    }
    *max = most;
    *sum = tl_fold16(lane);
}

void tl_scalar_values(float *a, int64_t a_stride, const float *p, int64_t p_stride, int n_q, const float *values, int64_t n, int64_t dv,
                      bool half) {
    (void)half;
    for (int h = 0; h < n_q; h++) {
        float *sum = a + h * a_stride;
        for (int64_t t = 0; t < n; t++)
            for (int64_t j = 0; j < dv; j++)
                sum[j] += p[h * p_stride + t] * values[t * dv + j];
    }
}
