/* pack.c: the packing of weight rows for the avx512 level: isa/pack.inl over the words of vec.h. */
#include "backends/cpu/isa/avx512/avx512.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx512/vec.h"

#define TL_ISA(name) tl_avx512_##name
#include "backends/cpu/isa/pack.inl"
#endif
