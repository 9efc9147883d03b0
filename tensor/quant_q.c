/* quant_q.c: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0: blocks of 32 weights under an f16 scale, some with an f16 minimum, as GGUF files have them.
 *
 * unpack gives a block's integers; decode is d*q or d*q + m over them, each operation rounded; encode gives the bytes of llama.cpp's
 * reference quantiser for all finite input. Where that leaves C's rules (inf, NaN, a scale so small that its inverse overflows) ours
 * clamps, and takes NaN for the least value. */
#include "tensor/math.h"
#include "tensor/quant.h"

/* Blocks as bytes, so that any address will do. qh: bit i is the fifth bit of element i. qs[j]: element j low, j + 16 high. */
typedef struct block_q4_0 {
    uint8_t d[2], qs[16];
} block_q4_0;
typedef struct block_q4_1 {
    uint8_t d[2], m[2], qs[16];
} block_q4_1;
typedef struct block_q5_0 {
    uint8_t d[2], qh[4], qs[16];
} block_q5_0;
typedef struct block_q5_1 {
    uint8_t d[2], m[2], qh[4], qs[16];
} block_q5_1;
typedef struct block_q8_0 {
    uint8_t d[2], qs[32];
} block_q8_0;

static float load_f16(const uint8_t *p) {
    return tl_f16_to_f32((uint16_t)(p[0] | p[1] << 8));
}

static void store_f16(uint8_t *p, float x) {
    uint16_t h = tl_f32_to_f16(x);
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
}

/* ---- unpack ---------------------------------------------------------------------------------------------------------------- */

static void unpack_nibbles(const uint8_t qs[16], int minus, int8_t *q) {
    for (int j = 0; j < 16; j++) {
        q[j] = (int8_t)((qs[j] & 15) - minus);
        q[j + 16] = (int8_t)((qs[j] >> 4) - minus);
    }
}

static void add_fifth_bits(const uint8_t qh[4], int8_t *q) {
    for (int i = 0; i < 32; i++) {
        q[i] = (int8_t)(q[i] + ((qh[i / 8] >> i % 8 & 1) << 4));
    }
}

static void unpack_q4_0(const void *block, tl_ints *out) {
    const block_q4_0 *b = block;
    out->d = load_f16(b->d);
    out->m = 0.0f;
    unpack_nibbles(b->qs, 8, out->q);
}

static void unpack_q4_1(const void *block, tl_ints *out) {
    const block_q4_1 *b = block;
    out->d = load_f16(b->d);
    out->m = load_f16(b->m);
    unpack_nibbles(b->qs, 0, out->q);
}

static void unpack_q5_0(const void *block, tl_ints *out) {
    const block_q5_0 *b = block;
    out->d = load_f16(b->d);
    out->m = 0.0f;
    unpack_nibbles(b->qs, 16, out->q);
    add_fifth_bits(b->qh, out->q);
}

static void unpack_q5_1(const void *block, tl_ints *out) {
    const block_q5_1 *b = block;
    out->d = load_f16(b->d);
    out->m = load_f16(b->m);
    unpack_nibbles(b->qs, 0, out->q);
    add_fifth_bits(b->qh, out->q);
}

static void unpack_q8_0(const void *block, tl_ints *out) {
    const block_q8_0 *b = block;
    out->d = load_f16(b->d);
    out->m = 0.0f;
    memcpy(out->q, b->qs, 32);
}

/* ---- decode ---------------------------------------------------------------------------------------------------------------- */

static void decode_scale(tl_unpack_fn unpack, size_t block_bytes, const uint8_t *src, float *dst, int64_t n) {
    for (; n > 0; n -= 32, src += block_bytes, dst += 32) {
        tl_ints ints;
        unpack(src, &ints);
        for (int i = 0; i < 32; i++) {
            dst[i] = (float)ints.q[i] * ints.d;
        }
    }
}

/* Not decode_scale with m = 0: adding +0 would turn -0 into +0. */
static void decode_scale_min(tl_unpack_fn unpack, size_t block_bytes, const uint8_t *src, float *dst, int64_t n) {
    for (; n > 0; n -= 32, src += block_bytes, dst += 32) {
        tl_ints ints;
        unpack(src, &ints);
        for (int i = 0; i < 32; i++) {
            dst[i] = (float)ints.q[i] * ints.d + ints.m;
        }
    }
}

static void decode_q4_0(const void *src, float *dst, int64_t n) {
    decode_scale(unpack_q4_0, sizeof(block_q4_0), src, dst, n);
}

static void decode_q4_1(const void *src, float *dst, int64_t n) {
    decode_scale_min(unpack_q4_1, sizeof(block_q4_1), src, dst, n);
}

static void decode_q5_0(const void *src, float *dst, int64_t n) {
    decode_scale(unpack_q5_0, sizeof(block_q5_0), src, dst, n);
}

static void decode_q5_1(const void *src, float *dst, int64_t n) {
    decode_scale_min(unpack_q5_1, sizeof(block_q5_1), src, dst, n);
}

static void decode_q8_0(const void *src, float *dst, int64_t n) {
    decode_scale(unpack_q8_0, sizeof(block_q8_0), src, dst, n);
}

/* ---- encode ---------------------------------------------------------------------------------------------------------------- */

/* The element of largest magnitude with its sign, the first of equals. */
static float extreme_of(const float *x) {
    float extreme = 0.0f;
    for (int i = 0; i < 32; i++) {
        extreme = tl_absf(x[i]) > tl_absf(extreme) ? x[i] : extreme;
    }
    return extreme;
}

static void range_of(const float *x, float *low, float *high) {
    *low = *high = x[0];
    for (int i = 1; i < 32; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

static float inverse_of(float d) {
    return d != 0.0f ? 1.0f / d : 0.0f;
}

/* Towards zero, into 0 .. most; NaN gives 0. */
static uint8_t cut(float v, uint8_t most) {
    return v >= (float)most ? most : v > 0.0f ? (uint8_t)v : 0;
}

static void pack_nibbles(const uint8_t q[32], uint8_t qs[16]) {
    for (int j = 0; j < 16; j++) {
        qs[j] = (uint8_t)((q[j] & 15) | (q[j + 16] & 15) << 4);
    }
}

static void pack_fifth_bits(const uint8_t q[32], uint8_t qh[4]) {
    memset(qh, 0, 4);
    for (int i = 0; i < 32; i++) {
        qh[i / 8] = (uint8_t)(qh[i / 8] | (q[i] >> 4 & 1) << i % 8);
    }
}

/* Symmetric: the extreme becomes -half (q = 0), so that it is exact; its inverse is taken before the scale is rounded to f16. */
static float quantize_symmetric(const float *x, uint8_t half, uint8_t q[32]) {
    float d = extreme_of(x) / -(float)half, id = inverse_of(d);
    for (int i = 0; i < 32; i++) {
        q[i] = cut(x[i] * id + ((float)half + 0.5f), (uint8_t)(2 * half - 1));
    }
    return d;
}

static float quantize_range(const float *x, uint8_t most, uint8_t q[32], float *low) {
    float high;
    range_of(x, low, &high);
    float d = (high - *low) / (float)most, id = inverse_of(d);
    for (int i = 0; i < 32; i++) {
        q[i] = cut((x[i] - *low) * id + 0.5f, most);
    }
    return d;
}

static void encode_q4_0(const float *src, void *dst, int64_t n) {
    block_q4_0 *b = dst;
    for (; n > 0; n -= 32, src += 32, b++) {
        uint8_t q[32];
        store_f16(b->d, quantize_symmetric(src, 8, q));
        pack_nibbles(q, b->qs);
    }
}

static void encode_q4_1(const float *src, void *dst, int64_t n) {
    block_q4_1 *b = dst;
    for (; n > 0; n -= 32, src += 32, b++) {
        uint8_t q[32];
        float low;
        store_f16(b->d, quantize_range(src, 15, q, &low));
        store_f16(b->m, low);
        pack_nibbles(q, b->qs);
    }
}

static void encode_q5_0(const float *src, void *dst, int64_t n) {
    block_q5_0 *b = dst;
    for (; n > 0; n -= 32, src += 32, b++) {
        uint8_t q[32];
        store_f16(b->d, quantize_symmetric(src, 16, q));
        pack_nibbles(q, b->qs);
        pack_fifth_bits(q, b->qh);
    }
}

static void encode_q5_1(const float *src, void *dst, int64_t n) {
    block_q5_1 *b = dst;
    for (; n > 0; n -= 32, src += 32, b++) {
        uint8_t q[32];
        float low;
        store_f16(b->d, quantize_range(src, 31, q, &low));
        store_f16(b->m, low);
        pack_nibbles(q, b->qs);
        pack_fifth_bits(q, b->qh);
    }
}

/* Nearest, half away from zero, into -127 .. 127; NaN gives 0. In double, where adding one half is exact. */
static int8_t round_away(float v) {
    float a = tl_absf(v);
    int q = a >= 127.0f ? 127 : a > 0.0f ? (int)((double)a + 0.5) : 0;
    return (int8_t)(v < 0.0f ? -q : q);
}

static void encode_q8_0(const float *src, void *dst, int64_t n) {
    block_q8_0 *b = dst;
    for (; n > 0; n -= 32, src += 32, b++) {
        float d = tl_absf(extreme_of(src)) / 127.0f, id = inverse_of(d);
        store_f16(b->d, d);
        for (int i = 0; i < 32; i++) {
            b->qs[i] = (uint8_t)round_away(src[i] * id);
        }
    }
}

const tl_codec tl_codec_q4_0 = {decode_q4_0, encode_q4_0, unpack_q4_0};
const tl_codec tl_codec_q4_1 = {decode_q4_1, encode_q4_1, unpack_q4_1};
const tl_codec tl_codec_q5_0 = {decode_q5_0, encode_q5_0, unpack_q5_0};
const tl_codec tl_codec_q5_1 = {decode_q5_1, encode_q5_1, unpack_q5_1};
const tl_codec tl_codec_q8_0 = {decode_q8_0, encode_q8_0, unpack_q8_0};
