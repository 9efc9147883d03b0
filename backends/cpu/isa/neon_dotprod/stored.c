/* stored.c: quantised weight rows as stored for the neon-dotprod level: isa/stored.inl over the words of isa/neon/vec.h and the level's panel
 * kernels. */
#include "backends/cpu/isa/neon_dotprod/neon_dotprod.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/neon/vec.h"

#define TL_ISA(name) tl_neon_dotprod_##name
#include "backends/cpu/isa/stored.inl"
#endif
