/* rows.inl: row kernels written once against the vector words of a level's vec.h and compiled once a level (isa/LEVEL/rows.c includes
 * vec.h, defines TL_ISA, then includes this). Every function is the scalar sequence of tensor/math.h on VL lanes; tails run the scalar
 * functions, which are the same operations, so a cut can never show.
 *
 * The words: vf, vi, vm are VL floats, 32-bit integers and a mask. v_load v_store v_set; v_add v_sub v_mul v_div v_sqrt each rounded;
 * v_fused is one rounding and only for exact products; v_max is a > b ? a : b; v_lt v_eq are false where either is NaN; v_sel(m, a, b)
 * is a where m; v_bits v_real change the type only; vi_shr is logical; vi_lt vi_max are signed; v_from_f16 and v_from_bf16 are exact;
 * v_fold is tl_fold16, v_fold4 that of four sums; v_pinned keeps a value in its register where the compiler would load it at each use;
 * vi_store_i8 narrows values that fit; vi_sum vi_top reduce; v_split v_join part pairs; v_from_int converts.
 *
 * Words of single files, which a level needs only if it includes them: super_parts.inl (4 bytes a lane); copy.inl: vi_from_u8
 * vi_store_16 v_to_f16; trig.inl: vd, VL / 2 doubles; stored.inl: vi_store vi_across. */
#include <math.h>
#include <string.h>

#include "tensor/math.h"
#include "tensor/quant.h"

/* ---- math.h on lanes ---- */

static inline vf v_neg(vf x) {
    return v_real(vi_add(v_bits(x), vi_set(INT32_MIN)));
}

static inline vf v_abs(vf x) {
    return v_real(vi_and(v_bits(x), vi_set(INT32_MAX)));
}

static inline vf v_sign(vf x, vf s) {
    return v_real(vi_or(vi_and(v_bits(x), vi_set(INT32_MAX)), vi_and(v_bits(s), vi_set(INT32_MIN))));
}

static inline vf v_exp(vf x) {
    vf t = v_add(v_mul(x, v_set(0x1.715476p+0f)), v_set(0x1.8p+23f));
    vf n = v_sub(t, v_set(0x1.8p+23f));
    vf r = v_sub(v_sub(x, v_mul(n, v_set(0x1.62e4p-1f))), v_mul(n, v_set(0x1.7f7d1cp-20f)));
    vf q = v_add(v_mul(v_set(0x1.6a2418p-10f), r), v_set(0x1.1239fap-7f));
    q = v_add(v_mul(q, r), v_set(0x1.5558f2p-5f));
    q = v_add(v_mul(q, r), v_set(0x1.555492p-3f));
    q = v_add(v_mul(q, r), v_set(0x1.fffffcp-2f));
    vf p = v_add(v_set(1.0f), v_add(r, v_mul(v_mul(r, r), q)));
    vf y = v_real(vi_add(v_bits(p), vi_shl(v_bits(t), 23)));
    y = v_sel(v_lt(x, v_set(-0x1.5d589ep+6f)), v_set(0.0f), y);
    y = v_sel(v_lt(v_set(0x1.62e42ep+6f), x), v_real(vi_set((int32_t)TL_INF_BITS)), y);
    return v_sel(v_eq(x, x), y, x);
}

static inline vf v_sigmoid(vf x) {
    return v_div(v_set(1.0f), v_add(v_set(1.0f), v_exp(v_neg(x))));
}

static inline vf v_silu(vf x) {
    return v_div(x, v_add(v_set(1.0f), v_exp(v_neg(x))));
}

static inline vf v_gelu(vf x) {
    vf u = v_mul(v_set(0.79788456f), v_add(x, v_mul(v_mul(v_set(0.044715f), v_mul(x, x)), x)));
    return v_div(x, v_add(v_set(1.0f), v_exp(v_mul(v_set(-2.0f), u))));
}

static inline vf v_tanh(vf x) {
    vf a = v_abs(x), z = v_mul(x, x);
    vf s = v_div(v_set(2.0f), v_add(v_exp(v_add(a, a)), v_set(1.0f)));
    vf p = v_add(v_mul(v_set(-5.70498872745e-3f), z), v_set(2.06390887954e-2f));
    p = v_sub(v_mul(p, z), v_set(5.37397155531e-2f));
    p = v_add(v_mul(p, z), v_set(1.33314422036e-1f));
    p = v_sub(v_mul(p, z), v_set(3.33332819422e-1f));
    p = v_add(v_mul(v_mul(p, z), x), x);
    return v_sign(v_sel(v_lt(a, v_set(0.625f)), p, v_sub(v_set(1.0f), s)), x);
}

static inline vf v_log(vf x) {
    vm small = vi_lt(v_bits(x), vi_set(0x00800000)); /* below 0 too, where the end makes it NaN */
    vi u = v_bits(v_sel(small, v_mul(x, v_set(0x1p+23f)), x));
    vi v = vi_sub(u, vi_set(0x3F3504F3)), k = vi_sub(vi_xor(vi_shr(v, 23), vi_set(0x100)), vi_set(0x100));
    vf e = v_from_int(vi_sub(k, v_bits(v_sel(small, v_real(vi_set(23)), v_real(vi_set(0))))));
    vf f = v_sub(v_real(vi_add(vi_and(v, vi_set(0x007FFFFF)), vi_set(0x3F3504F3))), v_set(1.0f)), z = v_mul(f, f);
    vf p = v_sub(v_mul(v_set(7.0376836292e-2f), f), v_set(1.1514610310e-1f));
    p = v_add(v_mul(p, f), v_set(1.1676998740e-1f));
    p = v_sub(v_mul(p, f), v_set(1.2420140846e-1f));
    p = v_add(v_mul(p, f), v_set(1.4249322787e-1f));
    p = v_sub(v_mul(p, f), v_set(1.6668057665e-1f));
    p = v_add(v_mul(p, f), v_set(2.0000714765e-1f));
    p = v_sub(v_mul(p, f), v_set(2.4999993993e-1f));
    p = v_mul(v_add(v_mul(p, f), v_set(3.3333331174e-1f)), v_mul(f, z));
    vf rest = v_sub(v_add(p, v_mul(e, v_set(-2.12194440e-4f))), v_mul(v_set(0.5f), z));
    vf y = v_add(v_add(f, rest), v_mul(e, v_set(0.693359375f)));
    y = v_sel(v_eq(x, v_real(vi_set((int32_t)TL_INF_BITS))), x, y);
    y = v_sel(v_eq(x, v_set(0.0f)), v_real(vi_set((int32_t)(TL_INF_BITS | TL_SIGN_BIT))), y);
    y = v_sel(v_lt(x, v_set(0.0f)), v_real(vi_set((int32_t)TL_NAN_BITS)), y);
    return v_sel(v_eq(x, x), y, x);
}

static inline vf v_erf(vf x) {
    vf a = v_abs(x), z = v_mul(x, x), c = v_sel(v_lt(a, v_set(4.0f)), a, v_set(4.0f));
    vf p = v_sub(v_mul(v_set(0x1.4ae4aap-14f), z), v_set(0x1.a485dep-11f));
    p = v_add(v_mul(p, z), v_set(0x1.5419f4p-8f));
    p = v_sub(v_mul(p, z), v_set(0x1.b7fbb4p-6f));
    p = v_add(v_mul(p, z), v_set(0x1.ce2d2p-4f));
    p = v_sub(v_mul(p, z), v_set(0x1.81273ep-2f));
    p = v_add(v_mul(p, z), v_set(0x1.06eba8p-3f));
    vf q = v_add(v_mul(v_set(-0x1.6bd952p-16f), c), v_set(0x1.cec71cp-12f));
    q = v_sub(v_mul(q, c), v_set(0x1.138d18p-8f));
    q = v_add(v_mul(q, c), v_set(0x1.9d0344p-6f));
    q = v_sub(v_mul(q, c), v_set(0x1.bc153p-4f));
    q = v_sub(v_mul(q, c), v_set(0x1.443564p-1f));
    q = v_sub(v_mul(q, c), v_set(0x1.212c0ep+0f));
    q = v_add(v_mul(q, c), v_set(0x1.8a5d7cp-13f));
    vf y = v_sel(v_lt(a, v_set(1.0f)), v_add(x, v_mul(x, p)), v_sign(v_sub(v_set(1.0f), v_exp(q)), x));
    return v_sel(v_eq(x, x), y, x);
}

static inline vf v_gelu_erf(vf x) {
    return v_mul(v_mul(v_set(0.5f), x), v_add(v_set(1.0f), v_erf(v_mul(x, v_set(0.70710678f)))));
}

static inline vf v_x13(vf x) {
    vi u = v_bits(x), sign = vi_and(u, vi_set(INT32_MIN)), a = vi_and(u, vi_set(INT32_MAX));
    vi r = vi_add(vi_add(a, vi_set(0x3FF)), vi_and(vi_shr(a, 11), vi_set(1)));
    vf y = v_real(vi_and(r, vi_set(~0x7FF)));
    y = v_sel(vi_lt(a, vi_set(0x0D800000)), v_set(0.0f), y);
    y = v_sel(vi_lt(a, vi_set(0x71800000)), y, v_real(vi_set((int32_t)TL_INF_BITS)));
    y = v_sel(vi_lt(vi_set((int32_t)TL_INF_BITS), a), v_real(vi_set((int32_t)TL_NAN_BITS)), y);
    return v_real(vi_or(v_bits(y), sign));
}

static inline vf v_relu(vf x) {
    return v_sel(v_lt(v_set(0.0f), x), x, v_set(0.0f));
}

/* ---- elementwise ---- */

#define UNARY(name, vector, scalar)                          \
    void TL_ISA(name)(float *y, const float *x, int64_t n) { \
        int64_t i = 0;                                       \
        for (; i + VL <= n; i += VL)                         \
            v_store(y + i, vector(v_load(x + i)));           \
        for (; i < n; i++)                                   \
            y[i] = scalar(x[i]);                             \
    }

static inline vf v_sqr(vf x) {
    return v_mul(x, x);
}

static inline float s_sqr(float x) {
    return x * x;
}

static inline float s_neg(float x) {
    return -x;
}

static inline float s_relu(float x) {
    return x > 0 ? x : 0;
}

UNARY(round_x13, v_x13, tl_x13)
UNARY(neg, v_neg, s_neg)
UNARY(abs, v_abs, tl_absf)
UNARY(sqr, v_sqr, s_sqr)
UNARY(sqrt, v_sqrt, sqrtf)
UNARY(exp, v_exp, tl_expf)
UNARY(log, v_log, tl_logf)
UNARY(tanh, v_tanh, tl_tanhf)
UNARY(sigmoid, v_sigmoid, tl_sigmoidf)
UNARY(relu, v_relu, s_relu)
UNARY(silu, v_silu, tl_siluf)
UNARY(gelu, v_gelu, tl_gelu_tanhf)
UNARY(gelu_erf, v_gelu_erf, tl_gelu_erff)

#define BINARY(name, vector, scalar)                                         \
    void TL_ISA(name)(float *y, const float *a, const float *b, int64_t n) { \
        int64_t i = 0;                                                       \
        for (; i + VL <= n; i += VL)                                         \
            v_store(y + i, vector(v_load(a + i), v_load(b + i)));            \
        for (; i < n; i++)                                                   \
            y[i] = scalar(a[i], b[i]);                                       \
    }

static inline vf v_swiglu(vf a, vf b) {
    return v_mul(v_silu(a), b);
}

static inline vf v_geglu(vf a, vf b) {
    return v_mul(v_gelu(a), b);
}

static inline float s_add(float a, float b) {
    return a + b;
}

static inline float s_sub(float a, float b) {
    return a - b;
}

static inline float s_mul(float a, float b) {
    return a * b;
}

static inline float s_div(float a, float b) {
    return a / b;
}

static inline float s_swiglu(float a, float b) {
    return tl_siluf(a) * b;
}

static inline float s_geglu(float a, float b) {
    return tl_gelu_tanhf(a) * b;
}

BINARY(add, v_add, s_add)
BINARY(sub, v_sub, s_sub)
BINARY(mul, v_mul, s_mul)
BINARY(div, v_div, s_div)
BINARY(swiglu, v_swiglu, s_swiglu)
BINARY(geglu, v_geglu, s_geglu)

void TL_ISA(scale)(float *y, const float *x, float factor, int64_t n) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL)
        v_store(y + i, v_mul(v_load(x + i), v_set(factor)));
    for (; i < n; i++)
        y[i] = x[i] * factor;
}

void TL_ISA(clamp)(float *y, const float *x, float low, float high, int64_t n) {
    const vf l = v_set(low), h = v_set(high);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf v = v_load(x + i);
        v = v_sel(v_lt(v, l), l, v);
        v_store(y + i, v_sel(v_lt(h, v), h, v));
    }
    for (; i < n; i++) {
        float v = x[i] < low ? low : x[i];
        y[i] = v > high ? high : v;
    }
}

/* ---- sums in 16 lanes ---- */

enum { GROUPS = 16 / VL };

/* Lanes hold what vectors gave for i < done; the rest is added one by one, then all are folded. */
#define FINISH_LANES(lanes, done, n, term) \
    if (done == n)                         \
        return v_fold(lanes);              \
    float lane[16];                        \
    for (int g = 0; g < GROUPS; g++)       \
        v_store(lane + g * VL, lanes[g]);  \
    for (int64_t i = done; i < n; i++)     \
        lane[i % 16] += term;              \
    return tl_fold16(lane)

static inline float sum_lanes(const float *x, int64_t n) {
    vf s[GROUPS];
    int64_t done = n / 16 * 16;
    for (int g = 0; g < GROUPS; g++)
        s[g] = v_set(0.0f);
    for (int64_t b = 0; b < done; b += 16)
        for (int g = 0; g < GROUPS; g++)
            s[g] = v_add(s[g], v_load(x + b + g * VL));
    FINISH_LANES(s, done, n, x[i]);
}

/* sum (x[i] - mean)^2 */
static inline float sum_squares(const float *x, float mean, int64_t n) {
    vf s[GROUPS];
    int64_t done = n / 16 * 16;
    for (int g = 0; g < GROUPS; g++)
        s[g] = v_set(0.0f);
    for (int64_t b = 0; b < done; b += 16)
        for (int g = 0; g < GROUPS; g++) {
            vf v = v_sub(v_load(x + b + g * VL), v_set(mean));
            s[g] = v_add(s[g], v_mul(v, v));
        }
    FINISH_LANES(s, done, n, (x[i] - mean) * (x[i] - mean));
}

static inline float dot_lanes(const float *a, const float *b, int64_t n) {
    vf s[GROUPS];
    int64_t done = n / 16 * 16;
    for (int g = 0; g < GROUPS; g++)
        s[g] = v_set(0.0f);
    for (int64_t k = 0; k < done; k += 16)
        for (int g = 0; g < GROUPS; g++)
            s[g] = v_add(s[g], v_mul(v_load(a + k + g * VL), v_load(b + k + g * VL)));
    FINISH_LANES(s, done, n, a[i] * b[i]);
}

/* ---- norms, softmax, rope ---- */

void TL_ISA(rms_norm)(float *y, const float *x, const float *w, float eps, int64_t n) {
    float r = 1.0f / sqrtf(dot_lanes(x, x, n) / (float)n + eps);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf v = v_mul(v_load(x + i), v_set(r));
        v_store(y + i, w ? v_mul(v, v_load(w + i)) : v);
    }
    for (; i < n; i++) {
        float v = x[i] * r;
        y[i] = w ? v * w[i] : v;
    }
}

void TL_ISA(layer_norm)(float *y, const float *x, const float *w, const float *b, float eps, int64_t n) {
    float mean = sum_lanes(x, n) / (float)n, r = 1.0f / sqrtf(sum_squares(x, mean, n) / (float)n + eps);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf v = v_mul(v_sub(v_load(x + i), v_set(mean)), v_set(r));
        v = w ? v_mul(v, v_load(w + i)) : v;
        v_store(y + i, b ? v_add(v, v_load(b + i)) : v);
    }
    for (; i < n; i++) {
        float v = (x[i] - mean) * r;
        v = w ? v * w[i] : v;
        y[i] = b ? v + b[i] : v;
    }
}

void TL_ISA(softmax)(float *y, const float *x, const float *mask, float scale, int64_t n) {
    vf tops = v_real(vi_set((int32_t)(TL_INF_BITS | TL_SIGN_BIT)));
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf s = v_mul(v_load(x + i), v_set(scale));
        s = mask ? v_add(s, v_load(mask + i)) : s;
        v_store(y + i, s);
        tops = v_max(s, tops);
    }
    float top[VL], most = tl_real(TL_INF_BITS | TL_SIGN_BIT);
    v_store(top, tops);
    for (int k = 0; k < VL; k++)
        most = tl_maxf(top[k], most);
    for (; i < n; i++) {
        float s = x[i] * scale;
        y[i] = mask ? s + mask[i] : s;
        most = tl_maxf(y[i], most);
    }
    i = 0;
    for (; i + VL <= n; i += VL)
        v_store(y + i, v_exp(v_sub(v_load(y + i), v_set(most))));
    for (; i < n; i++)
        y[i] = tl_expf(y[i] - most);
    float sum = sum_lanes(y, n);
    i = 0;
    for (; i + VL <= n; i += VL)
        v_store(y + i, v_div(v_load(y + i), v_set(sum)));
    for (; i < n; i++)
        y[i] = y[i] / sum;
}

void TL_ISA(rope)(float *y, const float *x, const float *angles, int64_t pairs, int64_t d, tl_rope_mode mode) {
    int64_t p = 0, step = mode == TL_ROPE_HALVES ? 1 : 2, apart = mode == TL_ROPE_HALVES ? pairs : 1;
    for (; p + VL <= pairs; p += VL) {
        vf c, s, a, b;
        v_split(angles + 2 * p, &c, &s);
        if (mode == TL_ROPE_HALVES) {
            a = v_load(x + p);
            b = v_load(x + p + pairs);
        } else {
            v_split(x + 2 * p, &a, &b);
        }
        vf u = v_sub(v_mul(a, c), v_mul(b, s)), v = v_add(v_mul(a, s), v_mul(b, c));
        if (mode == TL_ROPE_HALVES) {
            v_store(y + p, u);
            v_store(y + p + pairs, v);
        } else {
            v_join(y + 2 * p, u, v);
        }
    }
    for (; p < pairs; p++) {
        float c = angles[2 * p], s = angles[2 * p + 1], a = x[p * step], b = x[p * step + apart];
        y[p * step] = a * c - b * s;
        y[p * step + apart] = a * s + b * c;
    }
    for (int64_t i = 2 * pairs; i < d; i++)
        y[i] = x[i];
}

/* ---- activations ---- */

/* Quantises x [n], n a multiple of 16, writes the sums of each 16 or gives the sum of all; returns d. */
static inline float quantize(const float *x, int n, int8_t *q, int16_t *bsum, int32_t *sum) {
    vi tops = vi_set(0);
    for (int i = 0; i < n; i += VL)
        tops = vi_max(tops, vi_and(v_bits(v_load(x + i)), vi_set(INT32_MAX)));
    uint32_t top = (uint32_t)vi_top(tops);
    float amax = tl_real(top);
    if (top >= TL_INF_BITS || amax < 0x1p-100f) {
        memset(q, 0, (size_t)n);
        for (int i = 0; bsum && i < n / 16; i++)
            bsum[i] = 0;
        *sum = 0;
        return top >= TL_INF_BITS ? tl_real(TL_NAN_BITS) : 0.0f;
    }
    vf id = v_set(127.0f / amax);
    vi all = vi_set(0);
    for (int i = 0; i < n; i += 16) {
        vi part = vi_set(0);
        for (int g = 0; g < GROUPS; g++) {
            vi v = vi_sub(v_bits(v_add(v_mul(v_load(x + i + g * VL), id), v_set(12582912.0f))), vi_set(0x4B400000));
            vi_store_i8(q + i + g * VL, v);
            part = vi_add(part, v);
        }
        if (bsum)
            bsum[i / 16] = (int16_t)vi_sum(part);
        all = vi_add(all, part);
    }
    *sum = vi_sum(all);
    return amax / 127.0f;
}

void TL_ISA(quantize_x32)(const float *x, int64_t n, tl_x32 *out) {
    for (int64_t b = 0; b < n / 32; b++)
        out[b].d = quantize(x + b * 32, 32, out[b].q, NULL, &out[b].bsum);
}

void TL_ISA(quantize_x256)(const float *x, int64_t n, tl_x256 *out) {
    int32_t sum;
    for (int64_t b = 0; b < n / 256; b++)
        out[b].d = quantize(x + b * 256, 256, out[b].q, out[b].bsum, &sum);
}

/* ---- attention over one chunk ---- */

enum { ROWS_AHEAD = 12 };

void TL_ISA(from_f16)(float *y, const void *x, size_t stride, int64_t n, int64_t d) {
    for (int64_t r = 0; r < n; r++) {
        const char *p = (const char *)x + (size_t)r * stride;
        int64_t i = 0;
        for (; i < 2 * d; i += 64) /* rows of a cache lie apart, which the CPU does not foresee; asking is no reading */
            __builtin_prefetch(p + ROWS_AHEAD * stride + i);
        for (i = 0; i + VL <= d; i += VL)
            v_store(y + r * d + i, v_from_f16(p + 2 * i));
        for (; i < d; i++) {
            uint16_t h;
            memcpy(&h, p + 2 * i, 2);
            y[r * d + i] = tl_f16_to_f32(h);
        }
    }
}

/* A sum plus a product, in one rounding where the product is exact. */
static inline __attribute__((always_inline)) vf plus(bool exact, vf sum, vf a, vf b) {
    return exact ? v_fused(a, b, sum) : v_add(sum, v_mul(a, b));
}

/* One query against four keys at a time: the sums fill 8 registers of AVX2, and their folds are shared. half is a constant wherever this is
 * inlined. */
static inline __attribute__((always_inline)) void scores_of(bool half, float *s, const float *q, const float *keys, int64_t n, int64_t d) {
    const int64_t done = d / 16 * 16;
    int64_t t = 0;
    for (; t + 4 <= n && done == d; t += 4) {
        vf sum[4][GROUPS];
        for (int j = 0; j < 4; j++)
            for (int g = 0; g < GROUPS; g++)
                sum[j][g] = v_set(0.0f);
        for (int64_t i = 0; i < d; i += 16)
            for (int g = 0; g < GROUPS; g++) {
                vf x = v_load(q + i + g * VL);
                for (int j = 0; j < 4; j++)
                    sum[j][g] = plus(half, sum[j][g], x, v_load(keys + (t + j) * d + i + g * VL));
            }
        v_fold4(s + t, sum);
    }
    for (; t < n; t++) {
        vf sum[GROUPS];
        float lane[16];
        for (int g = 0; g < GROUPS; g++)
            sum[g] = v_set(0.0f);
        for (int64_t i = 0; i < done; i += 16)
            for (int g = 0; g < GROUPS; g++)
                sum[g] = plus(half, sum[g], v_load(q + i + g * VL), v_load(keys + t * d + i + g * VL));
        for (int g = 0; g < GROUPS; g++)
            v_store(lane + g * VL, sum[g]);
        for (int64_t i = done; i < d; i++)
            lane[i % 16] += q[i] * keys[t * d + i];
        s[t] = tl_fold16(lane);
    }
}

void TL_ISA(scores)(float *s, int64_t s_stride, const float *q, int64_t q_stride, int n_q, const float *keys, int64_t n, int64_t d,
                    float scale, bool half) {
    for (int h = 0; h < n_q; h++) {
        float *to = s + h * s_stride;
        if (half)
            scores_of(true, to, q + h * q_stride, keys, n, d);
        else
            scores_of(false, to, q + h * q_stride, keys, n, d);
        TL_ISA(scale)(to, to, scale, n);
    }
}

#define BY_HEADS(call)              \
    switch (n_q + (half ? 4 : 0)) { \
    case 1: call(1, false); break;  \
    case 2: call(2, false); break;  \
    case 3: call(3, false); break;  \
    case 4: call(4, false); break;  \
    case 5: call(1, true); break;   \
    case 6: call(2, true); break;   \
    case 7: call(3, true); break;   \
    default: call(4, true); break;  \
    }

void TL_ISA(weights)(float *s, int64_t t0, int64_t n, bool half, float *max, float *sum) {
    float most = tl_real(TL_INF_BITS | TL_SIGN_BIT), lane[16] = {0}, top[VL];
    vf tops = v_set(most);
    int64_t t = 0;
    for (; t + VL <= n; t += VL)
        tops = v_max(tops, v_load(s + t));
    v_store(top, tops);
    for (int k = 0; k < VL; k++)
        most = tl_maxf(most, top[k]);
    for (; t < n; t++)
        most = tl_maxf(most, s[t]);
    vf l[GROUPS];
    for (t = 0; t < n && (t0 + t) % 16; t++) {
        float x = s[t] - most, p = x < -64.0f ? 0.0f : tl_expf(x);
        s[t] = half ? tl_x13(p) : p;
        lane[(t0 + t) % 16] += s[t];
    }
    for (int g = 0; g < GROUPS; g++)
        l[g] = v_load(lane + g * VL);
    for (; t + 16 <= n; t += 16)
        for (int g = 0; g < GROUPS; g++) {
            vf x = v_sub(v_load(s + t + g * VL), v_set(most));
            vf p = v_sel(v_lt(x, v_set(-64.0f)), v_set(0.0f), v_exp(x));
            p = half ? v_x13(p) : p;
            v_store(s + t + g * VL, p);
            l[g] = v_add(l[g], p);
        }
    for (int g = 0; g < GROUPS; g++)
        v_store(lane + g * VL, l[g]);
    for (; t < n; t++) {
        float x = s[t] - most, p = x < -64.0f ? 0.0f : tl_expf(x);
        s[t] = half ? tl_x13(p) : p;
        lane[(t0 + t) % 16] += s[t];
    }
    *max = most;
    *sum = tl_fold16(lane);
}

/* H rows of weights times J vectors of values from column j on; a value is loaded once for all of them. */
static inline __attribute__((always_inline)) void values_of(int H, int J, bool half, float *a, int64_t a_stride, const float *p,
                                                            int64_t p_stride, const float *values, int64_t n, int64_t dv, int64_t j) {
    vf sum[TL_HEADS][4];
    for (int h = 0; h < H; h++)
        for (int i = 0; i < J; i++)
            sum[h][i] = v_load(a + h * a_stride + j + i * VL);
    for (int64_t t = 0; t < n; t++) {
        vf v[4];
        for (int i = 0; i < J; i++)
            v[i] = v_load(values + t * dv + j + i * VL);
        for (int h = 0; h < H; h++) {
            vf w = v_set(p[h * p_stride + t]);
            for (int i = 0; i < J; i++)
                sum[h][i] = plus(half, sum[h][i], w, v[i]);
        }
    }
    for (int h = 0; h < H; h++)
        for (int i = 0; i < J; i++)
            v_store(a + h * a_stride + j + i * VL, sum[h][i]);
}

/* J so that the sums of TL_HEADS rows stay in registers: 16 of 32, or 8 of AVX2's 16. */
static inline __attribute__((always_inline)) void all_values(int H, bool half, float *a, int64_t a_stride, const float *p, int64_t p_stride,
                                                             const float *values, int64_t n, int64_t dv) {
    enum { J = VL == 8 ? 2 : 4 };
    int64_t j = 0;
    for (; j + J * VL <= dv; j += J * VL)
        values_of(H, J, half, a, a_stride, p, p_stride, values, n, dv, j);
    for (; j + VL <= dv; j += VL)
        values_of(H, 1, half, a, a_stride, p, p_stride, values, n, dv, j);
    for (; j < dv; j++)
        for (int h = 0; h < H; h++) {
            float s = a[h * a_stride + j];
            for (int64_t t = 0; t < n; t++)
                s += p[h * p_stride + t] * values[t * dv + j];
            a[h * a_stride + j] = s;
        }
}

void TL_ISA(values)(float *a, int64_t a_stride, const float *p, int64_t p_stride, int n_q, const float *values, int64_t n, int64_t dv,
                    bool half) {
#define VALUES(H, half) all_values(H, half, a, a_stride, p, p_stride, values, n, dv)
    BY_HEADS(VALUES)
#undef VALUES
}
