/* kernels.inl: prototypes of a level's kernels, from TL_LEVEL_PREFIX: those of the other .inl files, and the panels. A SIMD level has those whose
 * file it includes. */
#define TL_UNARY(name) void TL_LEVEL_PREFIX(name)(float *y, const float *x, int64_t n);
TL_UNARY(round_x13)
TL_UNARY(neg)
TL_UNARY(abs)
TL_UNARY(sqr)
TL_UNARY(sqrt)
TL_UNARY(exp)
TL_UNARY(log)
TL_UNARY(sin)
TL_UNARY(cos)
TL_UNARY(tanh)
TL_UNARY(sigmoid)
TL_UNARY(relu)
TL_UNARY(silu)
TL_UNARY(gelu)
TL_UNARY(gelu_erf)
#undef TL_UNARY

#define TL_BINARY(name) void TL_LEVEL_PREFIX(name)(float *y, const float *a, const float *b, int64_t n);
TL_BINARY(add)
TL_BINARY(sub)
TL_BINARY(mul)
TL_BINARY(div)
TL_BINARY(swiglu)
TL_BINARY(geglu)
#undef TL_BINARY

void TL_LEVEL_PREFIX(scale)(float *y, const float *x, float factor, int64_t n);
void TL_LEVEL_PREFIX(clamp)(float *y, const float *x, float low, float high, int64_t n);
void TL_LEVEL_PREFIX(rms_norm)(float *y, const float *x, const float *w, float eps, int64_t n);
void TL_LEVEL_PREFIX(layer_norm)(float *y, const float *x, const float *w, const float *b, float eps, int64_t n);
void TL_LEVEL_PREFIX(softmax)(float *y, const float *x, const float *mask, float scale, int64_t n);
void TL_LEVEL_PREFIX(rope)(float *y, const float *x, const float *angles, int64_t pairs, int64_t d, tl_rope_mode mode);
void TL_LEVEL_PREFIX(quantize_x32)(const float *x, int64_t k, tl_x32 *out);
void TL_LEVEL_PREFIX(quantize_x256)(const float *x, int64_t k, tl_x256 *out);
void TL_LEVEL_PREFIX(from_f16)(float *y, const void *x, size_t stride, int64_t n, int64_t d);
void TL_LEVEL_PREFIX(scores)(float *s, int64_t s_stride, const float *q, int64_t q_stride, int n_q, const float *keys, int64_t n, int64_t d,
                             float scale, bool half);
void TL_LEVEL_PREFIX(weights)(float *s, int64_t t0, int64_t n, bool half, float *max, float *sum);
void TL_LEVEL_PREFIX(values)(float *a, int64_t a_stride, const float *p, int64_t p_stride, int n_q, const float *values, int64_t n,
                             int64_t dv, bool half);

#define TL_PANEL_OF(f, name, type) \
    void f##_##name(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k);
TL_BLOCK_TYPES(TL_PANEL_OF, TL_LEVEL_PREFIX(panel))
#undef TL_PANEL_OF

void TL_LEVEL_PREFIX(arrange_x32)(void *group, const void *x, size_t stride, int64_t k);
void TL_LEVEL_PREFIX(arrange_x256)(void *group, const void *x, size_t stride, int64_t k);
#define TL_GROUPED_OF(f, name, type) \
    void f##_##name(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_groups, int64_t k);
TL_BLOCK_TYPES(TL_GROUPED_OF, TL_LEVEL_PREFIX(grouped))
#undef TL_GROUPED_OF

#define TL_DOT_OF(name)                                                                                                     \
    void TL_LEVEL_PREFIX(dot_##name)(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, \
                                     size_t x_stride, int n_cols, int64_t k);
TL_DOT_OF(f32)
TL_DOT_OF(f16)
TL_DOT_OF(bf16)
#undef TL_DOT_OF

#define TL_PACK_OF(f, name, type) void f##_##name(void *panel, const void *w, size_t w_stride, int64_t k);
TL_BLOCK_TYPES(TL_PACK_OF, TL_LEVEL_PREFIX(pack))
#undef TL_PACK_OF

#define TL_STORED_OF(f, name, type) void f##_##name(float *y, const void *w, size_t w_stride, const void *x, int64_t k);
TL_BLOCK_TYPES(TL_STORED_OF, TL_LEVEL_PREFIX(stored))
#undef TL_STORED_OF

#define TL_DECODE_OF(f, name, type) void f##_##name(const void *src, float *y, int64_t n);
TL_BLOCK_TYPES(TL_DECODE_OF, TL_LEVEL_PREFIX(decode))
#undef TL_DECODE_OF
void TL_LEVEL_PREFIX(decode_f16)(const void *src, float *y, int64_t n);
void TL_LEVEL_PREFIX(decode_bf16)(const void *src, float *y, int64_t n);
void TL_LEVEL_PREFIX(encode_f16)(const float *x, void *dst, int64_t n);
void TL_LEVEL_PREFIX(encode_bf16)(const float *x, void *dst, int64_t n);
int64_t TL_LEVEL_PREFIX(first_above)(const float *x, int64_t from, int64_t n, int32_t key);
int64_t TL_LEVEL_PREFIX(argmax)(const float *x, int64_t n);
void TL_LEVEL_PREFIX(peak_apart)(float *lanes, float a, float b, int64_t n);
void TL_LEVEL_PREFIX(peak_exact)(float *lanes, float a, float b, int64_t n);
void TL_LEVEL_PREFIX(peak_int8)(int32_t *sums, const uint8_t *u, const int8_t *x, int64_t n);
void TL_LEVEL_PREFIX(peak_read)(float *lanes, const float *x, int64_t n);
void TL_LEVEL_PREFIX(peak_triad)(float *y, const float *a, const float *b, float factor, int64_t n);
#undef TL_LEVEL_PREFIX
