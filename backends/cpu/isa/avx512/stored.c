/* stored.c: quantised weight rows as stored for the avx512 level: isa/stored.inl over the words of vec.h and the level's panel kernels. */
#include "backends/cpu/isa/avx512/avx512.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx512/vec.h"

#define TL_ISA(name) tl_avx512_##name
#include "backends/cpu/isa/stored.inl"
#endif
