/* level.c: the table of the neon-i8mm level: products of quantised weights; what it leaves out it inherits. */
#include "backends/cpu/isa/neon_i8mm/neon_i8mm.h"

#ifdef TL_HAVE_LEVEL
static const tl_kernels kernels = {
    .panel = {[TL_Q4_0] = tl_neon_i8mm_panel_q4_0,
              [TL_Q4_1] = tl_neon_i8mm_panel_q4_1,
              [TL_Q5_0] = tl_neon_i8mm_panel_q5_0,
              [TL_Q5_1] = tl_neon_i8mm_panel_q5_1,
              [TL_Q8_0] = tl_neon_i8mm_panel_q8_0,
              [TL_Q2_K] = tl_neon_i8mm_panel_q2_k,
              [TL_Q3_K] = tl_neon_i8mm_panel_q3_k,
              [TL_Q4_K] = tl_neon_i8mm_panel_q4_k,
              [TL_Q5_K] = tl_neon_i8mm_panel_q5_k,
              [TL_Q6_K] = tl_neon_i8mm_panel_q6_k},
};
#define KERNELS &kernels
#else
#define KERNELS NULL
#endif

const tl_level tl_level_neon_i8mm = {"neon-i8mm", &tl_level_neon_dotprod, tl_cpu_lacks_i8mm, KERNELS};
