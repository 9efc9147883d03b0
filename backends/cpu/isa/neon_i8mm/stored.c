/* stored.c: quantised weight rows as stored for the neon-i8mm level: isa/stored.inl over the words of isa/neon/vec.h and the level's panel
 * kernels. */
#include "backends/cpu/isa/neon_i8mm/neon_i8mm.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/neon/vec.h"

#define TL_ISA(name) tl_neon_i8mm_##name
#include "backends/cpu/isa/stored.inl"
#endif
