/* simd128.h: the kernels of the simd128 level, and whether this compilation has its instructions; contracts are in backends/cpu/kernels.h. */
#ifndef TALLY_CPU_SIMD128_H
#define TALLY_CPU_SIMD128_H

#include "backends/cpu/kernels.h"

#if defined(__wasm_simd128__)
#define TL_HAVE_LEVEL 1
#endif

#define TL_LEVEL_PREFIX(name) tl_simd128_##name
#include "backends/cpu/isa/kernels.inl"

#endif
