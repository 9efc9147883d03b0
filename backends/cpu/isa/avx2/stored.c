/* stored.c: quantised weight rows as stored for the avx2 level: isa/stored.inl over the words of vec.h and the level's panel kernels. */
#include "backends/cpu/isa/avx2/avx2.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx2/vec.h"

#define TL_ISA(name) tl_avx2_##name
#include "backends/cpu/isa/stored.inl"
#endif
