/* scalar.h: the kernels of the scalar level; signatures and contracts are in backends/cpu/kernels.h. */
#ifndef TALLY_CPU_SCALAR_H
#define TALLY_CPU_SCALAR_H

#include "backends/cpu/kernels.h"

#define TL_SCALAR_UNARY(name) void tl_scalar_##name(float *y, const float *x, int64_t n);
TL_SCALAR_UNARY(round_x13)
TL_SCALAR_UNARY(neg)
TL_SCALAR_UNARY(abs)
TL_SCALAR_UNARY(sqr)
TL_SCALAR_UNARY(sqrt)
TL_SCALAR_UNARY(exp)
TL_SCALAR_UNARY(log)
TL_SCALAR_UNARY(sin)
TL_SCALAR_UNARY(cos)
TL_SCALAR_UNARY(tanh)
TL_SCALAR_UNARY(sigmoid)
TL_SCALAR_UNARY(relu)
TL_SCALAR_UNARY(silu)
TL_SCALAR_UNARY(gelu)
TL_SCALAR_UNARY(gelu_erf)
#undef TL_SCALAR_UNARY

#define TL_SCALAR_BINARY(name) void tl_scalar_##name(float *y, const float *a, const float *b, int64_t n);
TL_SCALAR_BINARY(add)
TL_SCALAR_BINARY(sub)
TL_SCALAR_BINARY(mul)
TL_SCALAR_BINARY(div)
TL_SCALAR_BINARY(swiglu)
TL_SCALAR_BINARY(geglu)
#undef TL_SCALAR_BINARY

void tl_scalar_scale(float *y, const float *x, float factor, int64_t n);
void tl_scalar_clamp(float *y, const float *x, float low, float high, int64_t n);
void tl_scalar_rms_norm(float *y, const float *x, const float *w, float eps, int64_t n);
void tl_scalar_layer_norm(float *y, const float *x, const float *w, const float *b, float eps, int64_t n);
void tl_scalar_softmax(float *y, const float *x, const float *mask, float scale, int64_t n);
void tl_scalar_rope(float *y, const float *x, const float *angles, int64_t pairs, int64_t d, tl_rope_mode mode);

#define TL_SCALAR_DOT(name)                                                                                                           \
    void tl_scalar_dot_##name(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride, \
                              int n_cols, int64_t k);
TL_SCALAR_DOT(f32)
TL_SCALAR_DOT(f16)
TL_SCALAR_DOT(bf16)
#undef TL_SCALAR_DOT

#define TL_SCALAR_PACK(f, name, type) void f##_##name(void *panel, const void *w, size_t w_stride, int64_t k);
TL_BLOCK_TYPES(TL_SCALAR_PACK, tl_scalar_pack)
#undef TL_SCALAR_PACK

#define TL_SCALAR_PANEL(f, name, type) \
    void f##_##name(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k);
TL_BLOCK_TYPES(TL_SCALAR_PANEL, tl_scalar_panel)
#undef TL_SCALAR_PANEL

void tl_scalar_from_f16(float *y, const void *x, size_t stride, int64_t n, int64_t d);
void tl_scalar_scores(float *s, int64_t s_stride, const float *q, int64_t q_stride, int n_q, const float *keys, int64_t n, int64_t d,
                      float scale, bool half);
void tl_scalar_weights(float *s, int64_t t0, int64_t n, bool half, float *max, float *sum);
void tl_scalar_values(float *a, int64_t a_stride, const float *p, int64_t p_stride, int n_q, const float *values, int64_t n, int64_t dv,
                      bool half);

#define TL_DTYPE(ID, name, gguf, block, bytes, kind, help) void tl_scalar_decode_##name(const void *src, float *y, int64_t n);
#include "tensor/dtype.def"
#undef TL_DTYPE

#define TL_SCALAR_ENCODE(name) void tl_scalar_encode_##name(const float *x, void *dst, int64_t n);
TL_SCALAR_ENCODE(f32)
TL_SCALAR_ENCODE(f16)
TL_SCALAR_ENCODE(bf16)
TL_SCALAR_ENCODE(i8)
TL_SCALAR_ENCODE(i16)
TL_SCALAR_ENCODE(i32)
TL_SCALAR_ENCODE(q4_0)
TL_SCALAR_ENCODE(q4_1)
TL_SCALAR_ENCODE(q5_0)
TL_SCALAR_ENCODE(q5_1)
TL_SCALAR_ENCODE(q8_0)
#undef TL_SCALAR_ENCODE
int64_t tl_scalar_first_above(const float *x, int64_t from, int64_t n, int32_t key);
int64_t tl_scalar_argmax(const float *x, int64_t n);
void tl_scalar_peak(float *lanes, float a, float b, int64_t n);
void tl_scalar_peak_int8(int32_t *sums, const uint8_t *u, const int8_t *x, int64_t n);
void tl_scalar_peak_read(float *lanes, const float *x, int64_t n);
void tl_scalar_peak_triad(float *y, const float *a, const float *b, float factor, int64_t n);

#endif
