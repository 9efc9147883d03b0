/* stored.c: quantised weight rows as stored for the simd128 level: isa/stored.inl over the words of vec.h and the level's panel kernels. */
#include "backends/cpu/isa/simd128/simd128.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/simd128/vec.h"

#define TL_ISA(name) tl_simd128_##name
#include "backends/cpu/isa/stored.inl"
#endif
