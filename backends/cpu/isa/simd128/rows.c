/* rows.c: the row kernels of the simd128 level: isa/rows.inl, attention.inl and trig.inl over the words of simd128/vec.h. */
#include "backends/cpu/isa/simd128/simd128.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/simd128/vec.h"

#define TL_ISA(name) tl_simd128_##name
#include "backends/cpu/isa/rows.inl"
#include "backends/cpu/isa/attention.inl"
#include "backends/cpu/isa/trig.inl"
#endif
