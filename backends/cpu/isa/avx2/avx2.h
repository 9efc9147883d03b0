/* avx2.h: the kernels of the avx2 level, and whether this compilation has its instructions; contracts are in backends/cpu/kernels.h. */
#ifndef TALLY_CPU_AVX2_H
#define TALLY_CPU_AVX2_H

#include "backends/cpu/kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define TL_HAVE_LEVEL 1
#endif

#define TL_LEVEL_PREFIX(name) tl_avx2_##name
#include "backends/cpu/isa/kernels.inl"

#endif
