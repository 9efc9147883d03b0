/* rows.c: the row kernels of the relaxed level: isa/rows.inl and attention.inl over the words of simd128/vec.h. */
#include "backends/cpu/isa/relaxed/relaxed.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/simd128/vec.h"

#define TL_ISA(name) tl_relaxed_##name
#include "backends/cpu/isa/rows.inl"
#include "backends/cpu/isa/attention.inl"
#endif
