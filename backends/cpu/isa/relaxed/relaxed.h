/* relaxed.h: the kernels of the relaxed level, and whether this compilation has its instructions; contracts are in backends/cpu/kernels.h. */
#ifndef TALLY_CPU_RELAXED_H
#define TALLY_CPU_RELAXED_H

#include "backends/cpu/kernels.h"

#if defined(__wasm_relaxed_simd__)
#define TL_HAVE_LEVEL 1
#endif

#define TL_LEVEL_PREFIX(name) tl_relaxed_##name
#include "backends/cpu/isa/kernels.inl"

/* answers.c: NULL, or that this engine gets the level's instructions wrong. */
const char *tl_relaxed_lacks(void);

#endif
