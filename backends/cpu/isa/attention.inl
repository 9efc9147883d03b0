/* attention.inl: attention over one chunk, written once against the vector words of a level's vec.h, behind rows.inl, which lists them.
 *
 * Tiles are shaped for registers: so many sums at once that the additions' latency hides, so few that none is spilled, and as many products
 * a load as that leaves. */

#include "backends/cpu/isa/unroll.h"

enum { ROWS_AHEAD = 64 }; /* some thousand products before a row is wanted, which is longer than memory takes to bring it */

static inline __attribute__((always_inline)) void rows_from_f16(float *y, const char *x, size_t stride, int64_t n, int64_t d) {
    for (int64_t r = 0; r < n; r++, x += stride, y += d) {
        int64_t i = 0;
        for (; i < 2 * d; i += 64) /* what lies there may be of another tensor, or nothing: asking is no reading */
            __builtin_prefetch(x + ROWS_AHEAD * stride + i, 0, 2); /* to the second cache: it takes more requests at a time */
        for (i = 0; i + 2 * VL <= d; i += 2 * VL) {
            vf a = v_from_f16(x + 2 * i), b = v_from_f16(x + 2 * (i + VL));
            v_store(y + i, a);
            v_store(y + i + VL, b);
        }
        for (; i + VL <= d; i += VL)
            v_store(y + i, v_from_f16(x + 2 * i));
        for (; i < d; i++) {
            uint16_t h;
            memcpy(&h, x + 2 * i, 2);
            y[i] = tl_f16_to_f32(h);
        }
    }
}

/* Lengths that most heads have, as constants: loops without tests, and keys at fixed distances, whose addresses need no register each. */
#define BY_LENGTH(d, call)      \
    switch (d) {                \
    case 64: call(64); break;   \
    case 128: call(128); break; \
    default: call(d); break;    \
    }

void TL_ISA(from_f16)(float *y, const void *x, size_t stride, int64_t n, int64_t d) {
#define FROM_F16(d) rows_from_f16(y, x, stride, n, d)
    BY_LENGTH(d, FROM_F16)
#undef FROM_F16
}

/* A sum plus a product, in one rounding where the product is exact. */
static inline __attribute__((always_inline)) vf plus(bool exact, vf sum, vf a, vf b) {
    return exact ? v_fused(a, b, sum) : v_add(sum, v_mul(a, b));
}

/* ---- scores ---- */

enum { AT_ONCE = REGISTERS / 8 < GROUPS ? REGISTERS / 8 : GROUPS }; /* vectors of lanes that four sums keep in registers */

/* s[0..N-1] = q . N keys: a load of q serves them all, and their folds are shared. N, which is FOLDS or 4, and half are constants wherever this is
 * inlined. */
static inline __attribute__((always_inline)) void some_scores(int N, bool half, float *s, const float *q, const float *keys, int64_t d) {
    vf sum[FOLDS][GROUPS];
    for (int from = 0; from < GROUPS; from += AT_ONCE) {
        vf part[FOLDS][AT_ONCE];
        UNROLL
        for (int t = 0; t < N; t++)
            for (int g = 0; g < AT_ONCE; g++)
                part[t][g] = v_set(0.0f);
        for (int64_t i = from * VL; i < d; i += 16)
            for (int g = 0; g < AT_ONCE; g++) {
                vf x = v_load(q + i + g * VL);
                UNROLL
                for (int t = 0; t < N; t++)
                    part[t][g] = plus(half, part[t][g], x, v_load(keys + t * d + i + g * VL));
            }
        UNROLL
        for (int t = 0; t < N; t++)
            for (int g = 0; g < AT_ONCE; g++)
                sum[t][from + g] = part[t][g];
    }
    if (N == 4)
        v_fold4(s, sum);
    else
        v_folds(s, sum);
}

static inline __attribute__((always_inline)) float one_score(bool half, const float *q, const float *key, int64_t d) {
    const int64_t done = d / 16 * 16;
    vf sum[GROUPS];
    float lane[16];
    for (int g = 0; g < GROUPS; g++)
        sum[g] = v_set(0.0f);
    for (int64_t i = 0; i < done; i += 16)
        for (int g = 0; g < GROUPS; g++)
            sum[g] = plus(half, sum[g], v_load(q + i + g * VL), v_load(key + i + g * VL));
    for (int g = 0; g < GROUPS; g++)
        v_store(lane + g * VL, sum[g]);
    for (int64_t i = done; i < d; i++)
        lane[i % 16] += q[i] * key[i];
    return tl_fold16(lane);
}

static inline __attribute__((always_inline)) void scores_at(bool half, float *s, const float *q, const float *keys, int64_t n, int64_t d) {
    int64_t t = 0;
    for (; d % 16 == 0 && t + FOLDS <= n; t += FOLDS)
        some_scores(FOLDS, half, s + t, q, keys + t * d, d);
    for (; d % 16 == 0 && t + 4 <= n; t += 4)
        some_scores(4, half, s + t, q, keys + t * d, d);
    for (; t < n; t++)
        s[t] = one_score(half, q, keys + t * d, d);
}

static inline __attribute__((always_inline)) void scores_of(bool half, float *s, const float *q, const float *keys, int64_t n, int64_t d) {
#define SCORES(d) scores_at(half, s, q, keys, n, d)
    BY_LENGTH(d, SCORES)
#undef SCORES
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

/* ---- weights ---- */

/* exp(x), 0 below -64, rounded to x13 if half, for x <= 0, where neither v_exp nor v_x13 can leave its middle; NaN where x is. */
static inline __attribute__((always_inline)) vf v_weight(bool half, vf x) {
    vf y = v_exp_middle(x);
    y = half ? v_x13_middle(y) : y;
    return v_sel(v_lt(x, v_set(-64.0f)), v_set(0.0f), v_sel(v_eq(x, x), y, x));
}

static inline float weight(bool half, float x) {
    float p = x < -64.0f ? 0.0f : tl_expf(x);
    return half ? tl_x13(p) : p;
}

static inline __attribute__((always_inline)) void weights_of(bool half, float *s, int64_t t0, int64_t n, float *max, float *sum) {
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
    for (t = 0; t < n && (t0 + t) % 16; t++) {
        s[t] = weight(half, s[t] - most);
        lane[(t0 + t) % 16] += s[t];
    }
    vf l[GROUPS];
    for (int g = 0; g < GROUPS; g++)
        l[g] = v_load(lane + g * VL);
    for (; t + 16 <= n; t += 16)
        for (int g = 0; g < GROUPS; g++) {
            vf p = v_weight(half, v_sub(v_load(s + t + g * VL), v_set(most)));
            v_store(s + t + g * VL, p);
            l[g] = v_add(l[g], p);
        }
    for (int g = 0; g < GROUPS; g++)
        v_store(lane + g * VL, l[g]);
    for (; t < n; t++) {
        s[t] = weight(half, s[t] - most);
        lane[(t0 + t) % 16] += s[t];
    }
    *max = most;
    *sum = tl_fold16(lane);
}

void TL_ISA(weights)(float *s, int64_t t0, int64_t n, bool half, float *max, float *sum) {
    if (half)
        weights_of(true, s, t0, n, max, sum);
    else
        weights_of(false, s, t0, n, max, sum);
}

/* ---- values ---- */

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

/* J so that the sums of H rows stay in half of the registers. */
static inline __attribute__((always_inline)) void all_values(int H, bool half, float *a, int64_t a_stride, const float *p, int64_t p_stride,
                                                             const float *values, int64_t n, int64_t dv) {
    const int J = H <= REGISTERS / 8 ? 4 : REGISTERS / 8;
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

void TL_ISA(values)(float *a, int64_t a_stride, const float *p, int64_t p_stride, int n_q, const float *values, int64_t n, int64_t dv,
                    bool half) {
#define VALUES(H, half) all_values(H, half, a, a_stride, p, p_stride, values, n, dv)
    BY_HEADS(VALUES)
#undef VALUES
}
