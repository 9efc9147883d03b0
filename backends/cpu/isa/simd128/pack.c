/* pack.c: the packing of weight rows for the simd128 level: isa/pack.inl over the words of vec.h. */
#include "backends/cpu/isa/simd128/simd128.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/simd128/vec.h"

#define TL_ISA(name) tl_simd128_##name
#include "backends/cpu/isa/pack.inl"
#endif
