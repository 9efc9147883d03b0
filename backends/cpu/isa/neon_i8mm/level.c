/* level.c: the table of the neon-i8mm level: products of quantised weights; what it leaves out it inherits. */
#include "backends/cpu/isa/neon_i8mm/neon_i8mm.h"

#ifdef TL_HAVE_LEVEL
static const tl_kernels kernels = {
    .panel = TL_BLOCK_KERNELS(tl_neon_i8mm_panel),
    .peak_int8 = {tl_neon_i8mm_peak_int8},
};
#define KERNELS &kernels
#else
#define KERNELS NULL
#endif

const tl_level tl_level_neon_i8mm = {"neon-i8mm", &tl_level_neon_dotprod, tl_cpu_lacks_i8mm, KERNELS};
