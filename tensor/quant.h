/* quant.h: how quantised weights and activations meet: blocks of activations, the integers inside a block of weights, and the dot
 * products that define a linear layer to the last bit (ARCHITECTURE.md, "Numerics", rules 2 to 4). Codecs of all element types.
 *
 * Weights keep their file's blocks (dtype.def). Activations are rounded once a row, to X32 blocks against weights of 32-blocks, to
 * X256 against K-quants, to 13 bits against f16. These functions are plain and are the judge; kernels do the same arithmetic.
 * n and k are always whole blocks here, pointers to weights need no alignment. Implemented in quant.c, quant_q.c, quant_k.c, dtype.c.
 */
#ifndef TALLY_QUANT_H
#define TALLY_QUANT_H

#include "tensor/tensor.h"

/* ---- activations --------------------------------------------------------------------------------------------------------- */

typedef struct tl_x32 {
    float d;      /* x is about d * q */
    int8_t q[32]; /* -127 .. 127, never -128 */
    int32_t bsum; /* sum of q */
} tl_x32;

typedef struct tl_x256 {
    float d;
    int8_t q[256];
    int16_t bsum[16]; /* sums of 16 q each */
} tl_x256;

/* Each block: amax = largest |x|; below 2^-100: d = 0, q = 0; inf or NaN in it: d = NaN, q = 0; else d = amax / 127 and
 * q = rne(x * (127 / amax)). x [n] -> out [n / 32] or [n / 256]. */
void tl_quantize_x32(const float *x, int64_t n, tl_x32 *out);
void tl_quantize_x256(const float *x, int64_t n, tl_x256 *out);
/* out[i] = tl_x13(x[i]); in place is allowed. */
void tl_round_x13(const float *x, int64_t n, float *out);

/* ---- the integers of a block of weights ------------------------------------------------------------------------------------ */

/* 32-blocks fill d, m and q[0..31]: the value is d*q + m (m is 0 but for Q4_1 and Q5_1; Q4_0 and Q5_0 come centred, minus 8 and 16).
 * K-quants fill everything: element i of sub-block s = i / 16 is d*sc[s]*q[i] - m*mn[s]; where sub-blocks have 32 elements, sc and mn
 * come twice; Q3_K and Q6_K come centred, with m = 0 and mn = 0; Q2_K, Q4_K and Q5_K have q >= 0. What is not named is left alone. */
typedef struct tl_ints {
    float d, m;
    int8_t q[256];
    int8_t sc[16];
    uint8_t mn[16];
} tl_ints;

typedef void (*tl_unpack_fn)(const void *block, tl_ints *out);
/* NULL for float and integer types. */
tl_unpack_fn tl_unpack_of(tl_dtype t);

/* ---- dot products: the definition ------------------------------------------------------------------------------------------ */

/* A quantised weight row of k elements times a row of activations, tl_x32[k / 32] or tl_x256[k / 256] as t's block wants. Blocks are
 * added in order to acc from +0, each operation rounded, integers exact:
 *   TL_KIND_SCALE       acc + (float)isum * (d * dx)
 *   TL_KIND_SCALE_MIN   acc + ((float)isum * d + m * (float)bsum) * dx
 *   TL_KIND_SUPER_MIN   acc + ((float)S * d - (float)T * m) * dx      S = sum sc * isum, T = sum mn * bsum over sub-blocks
 *   TL_KIND_SUPER       acc + (float)S * (d * dx) */
float tl_dot_quant(tl_dtype t, const void *wrow, const void *xq, int64_t k);
/* A weight row of F32, BF16 or F16 times x (for F16 already rounded by tl_round_x13), in 16 lanes as tl_dot_lanes; any k. */
float tl_dot_float(tl_dtype t, const void *wrow, const float *x, int64_t k);

/* ---- codecs ---------------------------------------------------------------------------------------------------------------- */

typedef struct tl_codec {
    void (*decode)(const void *src, float *dst, int64_t n);
    void (*encode)(const float *src, void *dst, int64_t n); /* NULL: decode only */
    tl_unpack_fn unpack;                                    /* NULL: not quantised */
} tl_codec;

/* NULL where t is not a type. tl_decode and tl_encode of tensor.h are these with checks. */
const tl_codec *tl_codec_of(tl_dtype t);

/* One a row of dtype.def, each defined in the file of its family. */
#define TL_DTYPE(ID, name, gguf, block, bytes, kind, help) extern const tl_codec tl_codec_##name;
#include "tensor/dtype.def"
#undef TL_DTYPE

#endif
