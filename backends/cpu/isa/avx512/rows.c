/* rows.c: the row kernels of the avx512 level: isa/rows.inl, attention.inl and trig.inl over the words of vec.h. */
#include "backends/cpu/isa/avx512/avx512.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx512/vec.h"

#define TL_ISA(name) tl_avx512_##name
#include "backends/cpu/isa/rows.inl"
#include "backends/cpu/isa/attention.inl"
#include "backends/cpu/isa/trig.inl"
#endif
