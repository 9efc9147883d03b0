/* level.c: the table of the relaxed level, which leaves most to simd128, and the known-answer test that decides whether it may run. */
#include "backends/cpu/isa/relaxed/relaxed.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/simd128/vec.h"

/* Engines have compiled the relaxed dot product wrongly (the baseline compiler of Node 20 does), which no validation shows. So each
 * start multiplies weights of 15, 31, 63 and 127 by +-127, in the order that the kernels use, where a saturated or unsigned step
 * would show: often enough that the engine's second compiler has its turn, too. Not inlined, so that it is a function to compile. */
enum { TIMES = 2000 };

static __attribute__((noinline)) int wrong_dots(const int8_t *x, const uint8_t *w, int first) {
    vi sum = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(vi_load(x), vi_load(w), vi_set(first));
    int32_t got[VL], wrong = 0;
    wasm_v128_store(got, sum);
    for (int lane = 0; lane < VL; lane++) {
        int want = first;
        for (int i = 0; i < 4; i++)
            want += x[4 * lane + i] * w[4 * lane + i];
        wrong += got[lane] != want;
    }
    return wrong;
}

static const char *lacks(void) {
    static const uint8_t most[] = {15, 31, 63, 127};
    int wrong = 0;
    for (int turn = 0; turn < TIMES; turn++) {
        int8_t x[16];
        uint8_t w[16];
        for (int i = 0; i < 16; i++) {
            x[i] = (int8_t)(turn >> (2 + i % 8) & 1 ? -127 : 127);
            w[i] = i % 5 == 4 ? most[(turn + i) % 4] : most[turn % 4];
        }
        wrong += wrong_dots(x, w, turn - TIMES / 2);
    }
    return wrong ? "this engine computes the relaxed dot product wrongly (a known-answer test found out)" : NULL;
}

static const tl_kernels kernels = {
    .dot = {[TL_F16] = tl_relaxed_dot_f16},
    .panel = {[TL_Q4_0] = tl_relaxed_panel_q4_0,
              [TL_Q4_1] = tl_relaxed_panel_q4_1,
              [TL_Q5_0] = tl_relaxed_panel_q5_0,
              [TL_Q5_1] = tl_relaxed_panel_q5_1,
              [TL_Q2_K] = tl_relaxed_panel_q2_k,
              [TL_Q3_K] = tl_relaxed_panel_q3_k,
              [TL_Q4_K] = tl_relaxed_panel_q4_k,
              [TL_Q5_K] = tl_relaxed_panel_q5_k,
              [TL_Q6_K] = tl_relaxed_panel_q6_k},
    .attention_scores = {tl_relaxed_scores},
    .attention_values = {tl_relaxed_values},
};
#define KERNELS &kernels
#define LACKS lacks
#else
#define KERNELS NULL
#define LACKS NULL
#endif

const tl_level tl_level_relaxed = {"relaxed", &tl_level_simd128, LACKS, KERNELS};
