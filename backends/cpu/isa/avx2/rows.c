/* rows.c: the row kernels of the avx2 level: isa/rows.inl, attention.inl and trig.inl over the words of vec.h. */
#include "backends/cpu/isa/avx2/avx2.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx2/vec.h"

#define TL_ISA(name) tl_avx2_##name
#include "backends/cpu/isa/rows.inl"
#include "backends/cpu/isa/attention.inl"
#include "backends/cpu/isa/trig.inl"
#endif
