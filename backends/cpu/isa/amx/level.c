/* level.c: the table of the amx level: avx512's with products of groups of columns by tiles. */
#include "backends/cpu/isa/amx/amx.h"

#ifdef TL_HAVE_LEVEL
static const tl_kernels kernels = {
    .arrange_x32 = {tl_amx_arrange_x32},
    .arrange_x256 = {tl_amx_arrange_x256},
    .grouped = TL_BLOCK_KERNELS(tl_amx_grouped),
};
#define KERNELS &kernels
#else
#define KERNELS NULL
#endif

const tl_level tl_level_amx = {"amx", &tl_level_avx512, tl_cpu_lacks_amx, KERNELS};
