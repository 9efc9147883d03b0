/* neon_dotprod.h: the kernels of the neon-dotprod level, and whether this compilation has its instructions; contracts are in
 * backends/cpu/kernels.h. */
#ifndef TALLY_CPU_NEON_DOTPROD_H
#define TALLY_CPU_NEON_DOTPROD_H

#include "backends/cpu/kernels.h"

#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#define TL_HAVE_LEVEL 1
#endif

#define TL_LEVEL_PREFIX(name) tl_neon_dotprod_##name
#include "backends/cpu/isa/kernels.inl"

#endif
