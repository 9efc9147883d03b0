/* pack.c: the packing of weight rows for the neon level: isa/pack.inl over the words of vec.h. */
#include "backends/cpu/isa/neon/neon.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/neon/vec.h"

#define TL_ISA(name) tl_neon_##name
#include "backends/cpu/isa/pack.inl"
#endif
