/* floatenv.c: the float environment that all results rest on: setting it (round to nearest, denormals kept, exceptions masked),
 * restoring the caller's, and checking at run time that this build and machine really compute so. The #ifs here are about
 * processors; a target without a branch of its own (wasm) gets portable C. tl_float_check is compiled with the flags of the whole
 * library, so what it finds holds for every kernel; each check below names the flag it was seen to catch. */
#include "tensor/platform.h"

#include <fenv.h>
#include <stdatomic.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

/* ---- enter, leave --------------------------------------------------------------------------------------------------------- */

/* Each fence keeps the compiler from moving loads and stores, and the arithmetic between them, over the change. */
#if defined(__SSE2__)

enum { MXCSR_DEFAULT = 0x1F80 }; /* all exceptions masked, round to nearest, neither FTZ nor DAZ */

uint64_t tl_float_enter(void) {
    uint64_t saved = _mm_getcsr();
    _mm_setcsr(MXCSR_DEFAULT);
    atomic_signal_fence(memory_order_seq_cst);
    return saved;
}

void tl_float_leave(uint64_t saved) {
    atomic_signal_fence(memory_order_seq_cst);
    _mm_setcsr((unsigned)saved);
}

#elif defined(__aarch64__)

uint64_t tl_float_enter(void) {
    uint64_t saved;
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0) : "memory");
    return saved;
}

void tl_float_leave(uint64_t saved) {
    __asm__ volatile("msr fpcr, %0" : : "r"(saved) : "memory");
}

#else

uint64_t tl_float_enter(void) {
    int saved = fegetround();
    fesetround(FE_TONEAREST);
    return (uint64_t)saved;
}

void tl_float_leave(uint64_t saved) {
    fesetround((int)saved);
}

#endif

/* ---- check: the operands are volatile, so that nothing is computed by the compiler ----------------------------------------- */

/* (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24: the last term is half a unit, and rounding to even drops it. A fused operation keeps it. */
static const float NEAR_ONE = 1.0f + 1.0f / 4096, NEAR_ONE_SQUARED = 1.0f + 1.0f / 2048;

static bool fuses(void) {
    volatile float va = NEAR_ONE, vc = -NEAR_ONE_SQUARED, out;
    float a = va, b = va, c = vc;
    out = a * b + c;
    return out != 0;
}

/* The rotation of rope, which vectorizers may turn into fused multiply-add-subtract whatever -ffp-contract says. */
static bool loop_fuses(void) {
    volatile float va = NEAR_ONE;
    float x[32], angle[32], y[32];
    bool wrong = false;
    for (int i = 0; i < 32; i++)
        x[i] = angle[i] = va;
    for (int i = 0; i < 16; i++) {
        float a = x[2 * i], b = x[2 * i + 1], c = angle[2 * i], s = angle[2 * i + 1];
        y[2 * i] = a * c - b * s;
        y[2 * i + 1] = a * s + b * c;
    }
    for (int i = 0; i < 32; i += 2)
        wrong |= y[i] != 0 || y[i + 1] != 2 * NEAR_ONE_SQUARED;
    return wrong;
}

/* 1 + 2^-24 rounds to 1: the sum shows neither digits beyond float nor a rearrangement to (one - one) + half. */
static bool keeps_excess(void) {
    volatile float v_one = 1, v_half = 1.0f / (1 << 24), out;
    float one = v_one, half = v_half;
    out = (one + half) - one;
    return out != 0;
}

static bool flushes_denormals(void) {
    volatile float least = 0x1p-126f, half = 0.5f, two = 2, out, back;
    out = least * half;
    back = out * two;
    return out == 0 || back != least;
}

/* NaN unequal to itself, and -0 + 0 = +0: what "finite math" and "no signed zeros" take away. */
static bool forgets_nan_or_sign(void) {
    volatile float zero = 0, sum;
    float nan = zero / zero, negative = -zero;
    sum = negative + 0.0f;
    return nan == nan || 1 / sum < 0;
}

const char *tl_float_check(void) {
    const char *wrong = NULL;
    uint64_t saved = tl_float_enter();
    if (keeps_excess())
        wrong = "float sums are rearranged or carry more digits than a float has: build without -ffast-math, -Ofast and "
                "-fassociative-math, and on x86 with -msse2 -mfpmath=sse";
    else if (forgets_nan_or_sign())
        wrong = "NaN or the sign of zero is optimised away: build without -ffast-math, -Ofast, -ffinite-math-only and -fno-signed-zeros";
    else if (fuses())
        wrong = "a * b + c is fused into one rounding: build with -ffp-contract=off";
    else if (loop_fuses())
        wrong = "vectorized loops fuse multiplication and addition: build with -ffp-contract=off, and gcc with -fno-tree-vectorize";
    else if (flushes_denormals())
        wrong = "denormal floats are flushed to zero, and this machine or build does not let us switch that off: build without "
                "-ffast-math and -mdaz-ftz, for a target with IEEE denormals";
    tl_float_leave(saved);
    return wrong;
}
