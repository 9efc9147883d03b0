/* pack.c: the packing of weight rows for the avx2 level: isa/pack.inl over the words of vec.h. */
#include "backends/cpu/isa/avx2/avx2.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx2/vec.h"

#define TL_ISA(name) tl_avx2_##name
#include "backends/cpu/isa/pack.inl"
#endif
