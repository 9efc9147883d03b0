/* rows.inl: row kernels written once against the vector words of a level's vec.h and compiled once a level (isa/LEVEL/rows.c includes
 * vec.h, defines TL_ISA, then includes this). Every function is the scalar sequence of tensor/math.h on VL lanes; tails run the scalar
 * functions, which are the same operations, so a cut can never show.
 *
 * The words: vf, vi, vm are VL floats, 32-bit integers and a mask; a core holds REGISTERS of them. v_load v_store v_set; v_add v_sub v_mul
 * v_div v_sqrt each rounded;
 * v_fused is one rounding and only for exact products; v_max is a > b ? a : b; v_lt v_eq are false where either is NaN; v_sel(m, a, b)
 * is a where m; v_bits v_real change the type only; vi_shr is logical; vi_lt vi_max are signed; v_from_f16 and v_from_bf16 are exact;
 * v_fold is tl_fold16, v_fold4 that of four sums, v_folds of FOLDS; v_pinned keeps a value in its register where the compiler would load it at each use;
 * vi_store_i8 narrows values that fit; vi_sum vi_top reduce; v_split v_join part pairs; v_from_int converts.
 *
 * Words of single files, which a level needs only if it includes them: super_parts.inl (4 bytes a lane); copy.inl: vi_from_u8
 * vi_store_16 v_to_f16; trig.inl: vd, VL / 2 doubles; interleave.inl: vi_store vi_across. */
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

/* v_exp of what it neither overflows nor sends to zero; NaN gives anything. */
static inline vf v_exp_middle(vf x) {
    vf t = v_add(v_mul(x, v_set(0x1.715476p+0f)), v_set(0x1.8p+23f));
    vf n = v_sub(t, v_set(0x1.8p+23f));
    vf r = v_sub(v_sub(x, v_mul(n, v_set(0x1.62e4p-1f))), v_mul(n, v_set(0x1.7f7d1cp-20f)));
    vf q = v_add(v_mul(v_set(0x1.6a2418p-10f), r), v_set(0x1.1239fap-7f));
    q = v_add(v_mul(q, r), v_set(0x1.5558f2p-5f));
    q = v_add(v_mul(q, r), v_set(0x1.555492p-3f));
    q = v_add(v_mul(q, r), v_set(0x1.fffffcp-2f));
    vf p = v_add(v_set(1.0f), v_add(r, v_mul(v_mul(r, r), q)));
    return v_real(vi_add(v_bits(p), vi_shl(v_bits(t), 23)));
}

static inline vf v_exp(vf x) {
    vf y = v_exp_middle(x);
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

/* v_x13 of a number from 2^-100 to 2^100. */
static inline vf v_x13_middle(vf x) {
    vi a = v_bits(x), r = vi_add(vi_add(a, vi_set(0x3FF)), vi_and(vi_shr(a, 11), vi_set(1)));
    return v_real(vi_and(r, vi_set(~0x7FF)));
}

static inline vf v_x13(vf x) {
    vi u = v_bits(x), sign = vi_and(u, vi_set(INT32_MIN)), a = vi_and(u, vi_set(INT32_MAX));
    vf y = v_x13_middle(v_real(a));
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
