/* stored.c: quantised weight rows as stored for the neon level: isa/stored.inl over the words of vec.h and the level's panel kernels. */
#include "backends/cpu/isa/neon/neon.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/neon/vec.h"

#define TL_ISA(name) tl_neon_##name
#include "backends/cpu/isa/stored.inl"
#endif
