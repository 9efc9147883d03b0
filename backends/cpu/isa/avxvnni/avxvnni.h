/* avxvnni.h: the kernels of the avxvnni level, and whether this compilation has its instructions; contracts are in backends/cpu/kernels.h. */
#ifndef TALLY_CPU_AVXVNNI_H
#define TALLY_CPU_AVXVNNI_H

#include "backends/cpu/kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__) && defined(__AVXVNNI__)
#define TL_HAVE_LEVEL 1
#endif

#define TL_LEVEL_PREFIX(name) tl_avxvnni_##name
#include "backends/cpu/isa/kernels.inl"

#endif
