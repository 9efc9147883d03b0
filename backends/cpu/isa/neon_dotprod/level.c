/* level.c: the table of the neon-dotprod level: products of quantised weights; what it leaves out it inherits. */
#include "backends/cpu/isa/neon_dotprod/neon_dotprod.h"

#ifdef TL_HAVE_LEVEL
static const tl_kernels kernels = {
    .panel = TL_BLOCK_KERNELS(tl_neon_dotprod_panel),
    .stored = TL_BLOCK_KERNELS(tl_neon_dotprod_stored),
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
