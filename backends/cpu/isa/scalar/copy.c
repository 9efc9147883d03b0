/* copy.c: scalar kernels of the copy driver: the codecs of tensor/quant.h as kernels, and the order of floats. */
#include "backends/cpu/isa/scalar/scalar.h"
#include "tensor/math.h"

#define TL_DTYPE(ID, name, gguf, block, bytes, kind, help)               \
    void tl_scalar_decode_##name(const void *src, float *y, int64_t n) { \
        tl_codec_##name.decode(src, y, n);                               \
    }
#include "tensor/dtype.def"
#undef TL_DTYPE

#define ENCODE(name)                                                     \
    void tl_scalar_encode_##name(const float *x, void *dst, int64_t n) { \
        tl_codec_##name.encode(x, dst, n);                               \
    }

ENCODE(f32)
ENCODE(f16)
ENCODE(bf16)
ENCODE(i8)
ENCODE(i16)
ENCODE(i32)
ENCODE(q4_0)
ENCODE(q4_1)
ENCODE(q5_0)
ENCODE(q5_1)
ENCODE(q8_0)

int64_t tl_scalar_first_above(const float *x, int64_t from, int64_t n, int32_t key) {
    while (from < n && tl_order_key(x[from]) <= key)
        from++;
    return from;
}

int64_t tl_scalar_argmax(const float *x, int64_t n) {
    int64_t best = 0;
    int32_t top = tl_order_key(x[0]);
    for (int64_t i = 1; i < n; i++) {
        int32_t key = tl_order_key(x[i]);
        if (key > top) {
            top = key;
            best = i;
        }
    }
    return best;
}
