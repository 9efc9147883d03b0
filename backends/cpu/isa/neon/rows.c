/* rows.c: the row kernels of the neon level: isa/rows.inl, attention.inl and trig.inl over the words of vec.h. */
#include "backends/cpu/isa/neon/neon.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/neon/vec.h"

#define TL_ISA(name) tl_neon_##name
#include "backends/cpu/isa/rows.inl"
#include "backends/cpu/isa/attention.inl"
#include "backends/cpu/isa/trig.inl"
#endif
