/* dot.c: float products of the relaxed level: isa/dot.inl over the words of simd128/vec.h. A tile keeps four vectors of sums a product. */
#include "backends/cpu/isa/relaxed/relaxed.h"

#ifdef TL_HAVE_LEVEL
#include <string.h>

#include "backends/cpu/isa/simd128/vec.h"

enum { TILE_ROWS = 1, TILE_COLUMNS = 3 };
#define TL_ISA(name) tl_relaxed_##name
#include "backends/cpu/isa/dot.inl"
#endif
