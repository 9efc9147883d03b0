/* quant_k.c: Q2_K, Q3_K, Q4_K, Q5_K and Q6_K: super-blocks of 256 weights under f16 super-scales, with small integer scales (and
 * minima) for sub-blocks of 16 or 32, as GGUF files have them. unpack gives a super-block's integers; decode is (d*sc)*q - m*mn over them,
 * each operation rounded. Decode only: their quantisers search for the best scales and belong to a tool. */
#include "tensor/math.h"
#include "tensor/quant.h"

/* Blocks as bytes, so that any address will do. */
typedef struct block_q2_k {
    uint8_t scales[16], qs[64], d[2], m[2];
} block_q2_k;
typedef struct block_q3_k {
    uint8_t hmask[32], qs[64], scales[12], d[2];
} block_q3_k;
typedef struct block_q4_k {
    uint8_t d[2], m[2], scales[12], qs[128];
} block_q4_k;
typedef struct block_q5_k {
    uint8_t d[2], m[2], scales[12], qh[32], qs[128];
} block_q5_k;
typedef struct block_q6_k {
    uint8_t ql[128], qh[64], scales[16], d[2];
} block_q6_k;

static float load_f16(const uint8_t *p) {
    return tl_f16_to_f32((uint16_t)(p[0] | p[1] << 8));
}

/* 2 bits: each half of 128 elements has 32 bytes, which hold four runs of 32 elements in their bit pairs. */
static void unpack_pairs(const uint8_t qs[64], int8_t q[256]) {
    for (int i = 0; i < 256; i++) {
        q[i] = (int8_t)(qs[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3);
    }
}

/* 4 bits: each quarter of 64 elements has 32 bytes, its first 32 elements low, the others high. */
static void unpack_nibbles(const uint8_t qs[128], int8_t q[256]) {
    for (int i = 0; i < 256; i++) {
        q[i] = (int8_t)(qs[i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15);
    }
}

static void unpack_q2_k(const void *block, tl_ints *out) {
    const block_q2_k *b = block;
    out->d = load_f16(b->d);
    out->m = load_f16(b->m);
    for (int s = 0; s < 16; s++) {
        out->sc[s] = (int8_t)(b->scales[s] & 15);
        out->mn[s] = b->scales[s] >> 4;
    }
    unpack_pairs(b->qs, out->q);
}

/* A set bit of hmask (bit r of byte i for element 32 r + i) means no 4 is taken off. Scales: 16 low nibbles in 8 bytes, then their
 * upper bit pairs in 4 bytes, less 32. */
static void unpack_q3_k(const void *block, tl_ints *out) {
    const block_q3_k *b = block;
    out->d = load_f16(b->d);
    out->m = 0.0f;
    for (int s = 0; s < 16; s++) {
        int low = b->scales[s % 8] >> s / 8 * 4 & 15, high = b->scales[8 + s % 4] >> s / 4 * 2 & 3;
        out->sc[s] = (int8_t)((low | high << 4) - 32);
        out->mn[s] = 0;
    }
    unpack_pairs(b->qs, out->q);
    for (int i = 0; i < 256; i++) {
        out->q[i] = (int8_t)(out->q[i] - (b->hmask[i % 32] >> i / 32 & 1 ? 0 : 4));
    }
}

/* Q4_K, Q5_K: eight scales and eight minima of 6 bits in 12 bytes: the first four of each in the low 6 bits of bytes 0-3 and 4-7, whose top
 * pairs are the upper bits of the last four; the lower nibbles of those share bytes 8-11. Each serves 32 elements, so it comes twice. */
static void unpack_scales(const uint8_t scales[12], tl_ints *out) {
    for (int s = 0; s < 8; s++) {
        int sc, mn;
        if (s < 4) {
            sc = scales[s] & 63;
            mn = scales[s + 4] & 63;
        } else {
            sc = (scales[s + 4] & 15) | scales[s - 4] >> 6 << 4;
            mn = scales[s + 4] >> 4 | scales[s] >> 6 << 4;
        }
        out->sc[2 * s] = out->sc[2 * s + 1] = (int8_t)sc;
        out->mn[2 * s] = out->mn[2 * s + 1] = (uint8_t)mn;
    }
}

static void unpack_q4_k(const void *block, tl_ints *out) {
    const block_q4_k *b = block;
    out->d = load_f16(b->d);
    out->m = load_f16(b->m);
    unpack_scales(b->scales, out);
    unpack_nibbles(b->qs, out->q);
}

/* Bit r of qh[i] is the fifth bit of element 32 r + i. */
static void unpack_q5_k(const void *block, tl_ints *out) {
    const block_q5_k *b = block;
    out->d = load_f16(b->d);
    out->m = load_f16(b->m);
    unpack_scales(b->scales, out);
    unpack_nibbles(b->qs, out->q);
    for (int i = 0; i < 256; i++) {
        out->q[i] = (int8_t)(out->q[i] | (b->qh[i % 32] >> i / 32 & 1) << 4);
    }
}

/* Each half of 128 elements: ql has 64 bytes, low nibbles for its first 64 elements, high for the others; qh has 32 bytes, laid out as
 * unpack_pairs reads them; less 32. */
static void unpack_q6_k(const void *block, tl_ints *out) {
    const block_q6_k *b = block;
    out->d = load_f16(b->d);
    out->m = 0.0f;
    memcpy(out->sc, b->scales, 16);
    memset(out->mn, 0, 16);
    unpack_pairs(b->qh, out->q);
    for (int i = 0; i < 256; i++) {
        int low = b->ql[i / 128 * 64 + i % 64] >> i % 128 / 64 * 4 & 15;
        out->q[i] = (int8_t)((low | out->q[i] << 4) - 32);
    }
}

/* Without minima m*mn is +0, and taking +0 off changes nothing, -0 included. */
static void decode_super(tl_unpack_fn unpack, size_t block_bytes, const uint8_t *src, float *dst, int64_t n) {
    for (; n > 0; n -= 256, src += block_bytes, dst += 256) {
        tl_ints ints;
        unpack(src, &ints);
        for (int s = 0; s < 16; s++) {
            float scale = ints.d * (float)ints.sc[s], min = ints.m * (float)ints.mn[s];
            for (int i = 16 * s; i < 16 * s + 16; i++) {
                dst[i] = scale * (float)ints.q[i] - min;
            }
        }
    }
}

static void decode_q2_k(const void *src, float *dst, int64_t n) {
    decode_super(unpack_q2_k, sizeof(block_q2_k), src, dst, n);
}

static void decode_q3_k(const void *src, float *dst, int64_t n) {
    decode_super(unpack_q3_k, sizeof(block_q3_k), src, dst, n);
}

static void decode_q4_k(const void *src, float *dst, int64_t n) {
    decode_super(unpack_q4_k, sizeof(block_q4_k), src, dst, n);
}

static void decode_q5_k(const void *src, float *dst, int64_t n) {
    decode_super(unpack_q5_k, sizeof(block_q5_k), src, dst, n);
}

static void decode_q6_k(const void *src, float *dst, int64_t n) {
    decode_super(unpack_q6_k, sizeof(block_q6_k), src, dst, n);
}

const tl_codec tl_codec_q2_k = {decode_q2_k, NULL, unpack_q2_k};
const tl_codec tl_codec_q3_k = {decode_q3_k, NULL, unpack_q3_k};
const tl_codec tl_codec_q4_k = {decode_q4_k, NULL, unpack_q4_k};
const tl_codec tl_codec_q5_k = {decode_q5_k, NULL, unpack_q5_k};
const tl_codec tl_codec_q6_k = {decode_q6_k, NULL, unpack_q6_k};
