/* copy.c: conversions and order of floats for the avx512 level: isa/copy.inl over the words of vec.h. */
#include "backends/cpu/isa/avx512/avx512.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx512/vec.h"

#define TL_ISA(name) tl_avx512_##name
#include "backends/cpu/isa/copy.inl"
#endif
