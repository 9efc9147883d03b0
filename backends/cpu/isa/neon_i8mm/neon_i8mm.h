/* neon_i8mm.h: the kernels of the neon-i8mm level, and whether this compilation has its instructions; contracts are in
 * backends/cpu/kernels.h. */
#ifndef TALLY_CPU_NEON_I8MM_H
#define TALLY_CPU_NEON_I8MM_H

#include "backends/cpu/kernels.h"

#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8)
#define TL_HAVE_LEVEL 1
#endif

#define TL_LEVEL_PREFIX(name) tl_neon_i8mm_##name
#include "backends/cpu/isa/kernels.inl"

#endif
