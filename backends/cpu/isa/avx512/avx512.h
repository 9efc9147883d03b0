/* avx512.h: the kernels of the avx512 level, and whether this compilation has its instructions; contracts are in backends/cpu/kernels.h. */
#ifndef TALLY_CPU_AVX512_H
#define TALLY_CPU_AVX512_H

#include "backends/cpu/kernels.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512VNNI__)
#define TL_HAVE_LEVEL 1
#endif

#define TL_LEVEL_PREFIX(name) tl_avx512_##name
#include "backends/cpu/isa/kernels.inl"

#endif
