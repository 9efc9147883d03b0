/* amx.h: the kernels of the amx level, and whether this compilation has its instructions; contracts are in backends/cpu/kernels.h. */
#ifndef TALLY_CPU_AMX_H
#define TALLY_CPU_AMX_H

#include "backends/cpu/kernels.h"

#if (defined(__AMX_INT8__) || defined(__AMXINT8__)) && defined(__AVX512VNNI__) /* clang before 15 has the second name */
#define TL_HAVE_LEVEL 1
#endif

#define TL_LEVEL_PREFIX(name) tl_amx_##name
#include "backends/cpu/isa/kernels.inl"

/* The kernel of a type, from the file's own grouped(), for which the type is a constant. */
#define TL_AMX_GROUPED(f, name, type)                                                                                         \
    void f##_##name(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_groups, int64_t k) { \
        grouped(type, y, y_stride, panel, x, x_stride, n_groups, k);                                                          \
    }

#endif
