/* dot.c: float products of the neon level: isa/dot.inl over the words of vec.h. A tile's sums fill the registers. */
#include <string.h>

#include "backends/cpu/isa/neon/neon.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/neon/vec.h"

enum { TILE_ROWS = 2, TILE_COLUMNS = 3 };

#define TL_ISA(name) tl_neon_##name
#include "backends/cpu/isa/dot.inl"
#endif
