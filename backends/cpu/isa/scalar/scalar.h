/* scalar.h: the kernels of the scalar level; signatures and contracts are in backends/cpu/kernels.h. */
#ifndef TALLY_CPU_SCALAR_H
#define TALLY_CPU_SCALAR_H

#include "backends/cpu/kernels.h"

#define TL_LEVEL_PREFIX(name) tl_scalar_##name
#include "backends/cpu/isa/kernels.inl"

/* For every type, where other levels have some. */
#define TL_DTYPE(ID, name, gguf, block, bytes, kind, help) void tl_scalar_decode_##name(const void *src, float *y, int64_t n);
#include "tensor/dtype.def"
#undef TL_DTYPE

#define TL_SCALAR_ENCODE(name) void tl_scalar_encode_##name(const float *x, void *dst, int64_t n);
TL_SCALAR_ENCODE(f32)
TL_SCALAR_ENCODE(i8)
TL_SCALAR_ENCODE(i16)
TL_SCALAR_ENCODE(i32)
TL_SCALAR_ENCODE(q4_0)
TL_SCALAR_ENCODE(q4_1)
TL_SCALAR_ENCODE(q5_0)
TL_SCALAR_ENCODE(q5_1)
TL_SCALAR_ENCODE(q8_0)
#undef TL_SCALAR_ENCODE
void tl_scalar_peak(float *lanes, float a, float b, int64_t n);

#endif
