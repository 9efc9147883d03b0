/* level.c: the table of the relaxed level, which leaves most to simd128. */
#include "backends/cpu/isa/relaxed/relaxed.h"

#ifdef TL_HAVE_LEVEL
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
    .stored = {[TL_Q4_0] = tl_relaxed_stored_q4_0,
               [TL_Q4_1] = tl_relaxed_stored_q4_1,
               [TL_Q5_0] = tl_relaxed_stored_q5_0,
               [TL_Q5_1] = tl_relaxed_stored_q5_1,
               [TL_Q2_K] = tl_relaxed_stored_q2_k,
               [TL_Q3_K] = tl_relaxed_stored_q3_k,
               [TL_Q4_K] = tl_relaxed_stored_q4_k,
               [TL_Q5_K] = tl_relaxed_stored_q5_k,
               [TL_Q6_K] = tl_relaxed_stored_q6_k},
    .attention_scores = {tl_relaxed_scores},
    .attention_values = {tl_relaxed_values},
    .peak_exact = {tl_relaxed_peak_exact},
    .peak_int8 = {tl_relaxed_peak_int8},
};
#define KERNELS &kernels
#define LACKS tl_relaxed_lacks
#else
#define KERNELS NULL
#define LACKS NULL
#endif

const tl_level tl_level_relaxed = {"relaxed", &tl_level_simd128, LACKS, KERNELS};
