/* level.c: the table of the avxvnni level: products of blocks of 32. K-quants are avx2's, whose scales come with the sums for nothing. */
#include "backends/cpu/isa/avxvnni/avxvnni.h"

#define OF_32(f) \
    { [TL_Q4_0] = f##_q4_0, [TL_Q4_1] = f##_q4_1, [TL_Q5_0] = f##_q5_0, [TL_Q5_1] = f##_q5_1, [TL_Q8_0] = f##_q8_0 }

#ifdef TL_HAVE_LEVEL
static const tl_kernels kernels = {
    .panel = OF_32(tl_avxvnni_panel),
    .stored = OF_32(tl_avxvnni_stored),
    .peak_int8 = {tl_avxvnni_peak_int8},
};
#define KERNELS &kernels
#else
#define KERNELS NULL
#endif

const tl_level tl_level_avxvnni = {"avxvnni", &tl_level_avx2, tl_cpu_lacks_avxvnni, KERNELS};
