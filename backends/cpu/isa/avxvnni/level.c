/* level.c: the table of the avxvnni level: products of blocks of 32. K-quants are avx2's, whose scales come with the sums for nothing. */
#include "backends/cpu/isa/avxvnni/avxvnni.h"

#ifdef TL_HAVE_LEVEL
static const tl_kernels kernels = {
    .panel = {TL_BLOCK32_TYPES(TL_KERNEL_ROW, tl_avxvnni_panel)},
    .stored = {TL_BLOCK32_TYPES(TL_KERNEL_ROW, tl_avxvnni_stored)},
    .peak_int8 = {tl_avxvnni_peak_int8},
};
#define KERNELS &kernels
#else
#define KERNELS NULL
#endif

const tl_level tl_level_avxvnni = {"avxvnni", &tl_level_avx2, tl_cpu_lacks_avxvnni, KERNELS};
