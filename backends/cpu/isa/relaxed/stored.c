/* stored.c: quantised weight rows as stored for the relaxed level: isa/stored.inl over the words of vec.h and the level's panel kernels. */
#define tl_relaxed_panel_q8_0 tl_simd128_panel_q8_0 /* which it has not; its dot is not used either */
#include "backends/cpu/isa/relaxed/relaxed.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/simd128/vec.h"

#define TL_ISA(name) tl_relaxed_##name
#include "backends/cpu/isa/stored.inl"
#endif
