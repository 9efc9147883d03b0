/* peaks.c: loops that find what the scalar level can do at most. Sums stay in registers, a dozen at a time. */
#include "backends/cpu/isa/scalar/scalar.h"

enum { CHAINS = 12 };

/* n times l = l * a + b, twice rounded. */
void tl_scalar_peak(float *lanes, float a, float b, int64_t n) {
    for (int at = 0; at < TL_PEAK_LANES; at += CHAINS) {
        float l[CHAINS];
        for (int c = 0; c < CHAINS; c++)
            l[c] = lanes[at + c];
        for (int64_t i = 0; i < n; i++)
            for (int c = 0; c < CHAINS; c++)
                l[c] = l[c] * a + b;
        for (int c = 0; c < CHAINS; c++)
            lanes[at + c] = l[c];
    }
}

void tl_scalar_peak_int8(int32_t *sums, const uint8_t *u, const int8_t *x, int64_t n) {
    for (int j = 0; j < TL_PEAK_LANES; j++) {
        int32_t s = sums[j], u0 = u[4 * j], u1 = u[4 * j + 1], u2 = u[4 * j + 2], u3 = u[4 * j + 3];
        for (int64_t t = 0; t < n; t++)
            s += u0 * x[4 * t] + u1 * x[4 * t + 1] + u2 * x[4 * t + 2] + u3 * x[4 * t + 3];
        sums[j] = s;
    }
}

void tl_scalar_peak_read(float *lanes, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i += TL_PEAK_BLOCK)
        for (int g = 0; g < TL_PEAK_BLOCK; g++)
            lanes[g] += x[i + g];
}

void tl_scalar_peak_triad(float *y, const float *a, const float *b, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + factor * b[i];
}
