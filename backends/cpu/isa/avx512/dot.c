/* dot.c: float products of the avx512 level: isa/dot.inl over the words of vec.h. A tile's sums fill the registers. */
#include <string.h>

#include "backends/cpu/isa/avx512/avx512.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx512/vec.h"

enum { TILE_ROWS = 4, TILE_COLUMNS = 6 };

#define TL_ISA(name) tl_avx512_##name
#include "backends/cpu/isa/dot.inl"
#endif
