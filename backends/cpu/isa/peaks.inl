/* peaks.inl: loops that find what a level can do at most (backends/cpu/peaks.c), written once against the vector words of a level's vec.h.
 * isa/LEVEL/peaks.c includes vec.h, defines TL_ISA, and adds what is its own:
 *   enum { DOT_GROUPS }: vectors of u that stay in registers at once; 16 / VL * 12 is a multiple of it
 *   vi dots8(vi acc, vi u, const int8_t *x): acc + u . x[0 .. 3] + u . x[4 .. 7] + .. + u . x[28 .. 31] in each lane of 4 bytes, exact for u
 *   of 0 .. 15 and x from -127 */
#include <string.h>

/* Chains of operations that wait for each other: enough to hide a latency of 6 at two a cycle, few enough for 16 registers. */
enum { CHAINS = 12, PASSES = TL_PEAK_LANES / (CHAINS * VL) };

#define PEAK(name, step)                                             \
    void TL_ISA(name)(float *lanes, float a, float b, int64_t n) {   \
        const vf va = v_set(a), vb = v_set(b);                       \
        for (int p = 0; p < PASSES; p++, lanes += CHAINS * VL) {     \
            vf l[CHAINS];                                            \
            for (int c = 0; c < CHAINS; c++)                         \
                l[c] = v_load(lanes + c * VL);                       \
            for (int64_t i = 0; i < n; i++)                          \
                for (int c = 0; c < CHAINS; c++)                     \
                    l[c] = (step);                                   \
            for (int c = 0; c < CHAINS; c++)                         \
                v_store(lanes + c * VL, l[c]);                       \
        }                                                            \
    }
PEAK(peak_apart, v_add(v_mul(l[c], va), vb))
PEAK(peak_exact, v_fused(l[c], va, vb))

void TL_ISA(peak_int8)(int32_t *sums, const uint8_t *u, const int8_t *x, int64_t n) {
    for (int at = 0; at < TL_PEAK_LANES; at += DOT_GROUPS * VL) {
        vi s[DOT_GROUPS], w[DOT_GROUPS];
        memcpy(s, sums + at, sizeof s);
        memcpy(w, u + 4 * at, sizeof w);
        for (int64_t t = 0; t < n; t += 8)
            for (int g = 0; g < DOT_GROUPS; g++)
                s[g] = dots8(s[g], w[g], x + 4 * t);
        memcpy(sums + at, s, sizeof s);
    }
}

void TL_ISA(peak_read)(float *lanes, const float *x, int64_t n) {
    enum { SUMS = TL_PEAK_BLOCK / VL };
    vf s[SUMS];
    for (int g = 0; g < SUMS; g++)
        s[g] = v_load(lanes + g * VL);
    for (int64_t i = 0; i < n; i += TL_PEAK_BLOCK)
        for (int g = 0; g < SUMS; g++)
            s[g] = v_add(s[g], v_load(x + i + g * VL));
    for (int g = 0; g < SUMS; g++)
        v_store(lanes + g * VL, s[g]);
}

void TL_ISA(peak_triad)(float *y, const float *a, const float *b, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i += VL)
        v_store(y + i, v_add(v_load(a + i), v_mul(v_set(factor), v_load(b + i))));
}
