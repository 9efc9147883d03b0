/* level.c: the table of the neon-dotprod level: products of quantised weights; what it leaves out it inherits. */
#include "backends/cpu/isa/neon_dotprod/neon_dotprod.h"

#ifdef TL_HAVE_LEVEL
static const tl_kernels kernels = {
    .panel = {[TL_Q4_0] = tl_neon_dotprod_panel_q4_0,
              [TL_Q4_1] = tl_neon_dotprod_panel_q4_1,
              [TL_Q5_0] = tl_neon_dotprod_panel_q5_0,
              [TL_Q5_1] = tl_neon_dotprod_panel_q5_1,
              [TL_Q8_0] = tl_neon_dotprod_panel_q8_0,
              [TL_Q2_K] = tl_neon_dotprod_panel_q2_k,
              [TL_Q3_K] = tl_neon_dotprod_panel_q3_k,
              [TL_Q4_K] = tl_neon_dotprod_panel_q4_k,
              [TL_Q5_K] = tl_neon_dotprod_panel_q5_k,
              [TL_Q6_K] = tl_neon_dotprod_panel_q6_k},
    .peak_apart = {tl_neon_dotprod_peak_apart},
    .peak_exact = {tl_neon_dotprod_peak_exact},
    .peak_int8 = {tl_neon_dotprod_peak_int8},
    .peak_read = {tl_neon_dotprod_peak_read},
    .peak_triad = {tl_neon_dotprod_peak_triad},
};
#define KERNELS &kernels
#else
#define KERNELS NULL
#endif

const tl_level tl_level_neon_dotprod = {"neon-dotprod", &tl_level_neon, tl_cpu_lacks_dotprod, KERNELS};
