/* digest.h: what golden tests share: FNV-1a-64 over the little-endian bytes of values (every NaN counted as one), and the integer
 * generator that makes their inputs the same on every machine. */
#ifndef TALLY_TESTS_DIGEST_H
#define TALLY_TESTS_DIGEST_H

#include "tensor/math.h"

#include <inttypes.h>

#define DIGEST_START UINT64_C(0xCBF29CE484222325)

static inline uint64_t digest_bytes(uint64_t digest, const void *data, size_t bytes) {
    const uint8_t *p = data;
    for (size_t i = 0; i < bytes; i++)
        digest = (digest ^ p[i]) * UINT64_C(0x100000001B3);
    return digest;
}

static inline uint64_t digest_u64(uint64_t digest, uint64_t v) {
    for (int i = 0; i < 8; i++)
        digest = (digest ^ (v >> 8 * i & 0xFF)) * UINT64_C(0x100000001B3);
    return digest;
}

static inline uint64_t digest_float(uint64_t digest, float x) {
    uint32_t v = x == x ? tl_bits(x) : TL_NAN_BITS;
    for (int i = 0; i < 4; i++)
        digest = (digest ^ (v >> 8 * i & 0xFF)) * UINT64_C(0x100000001B3);
    return digest;
}

static inline uint64_t digest_double(uint64_t digest, double x) {
    return digest_u64(digest, x == x ? tl_bits64(x) : UINT64_C(0x7FF8000000000000));
}

/* 32 well mixed bits. */
static inline uint32_t random_u32(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint32_t x = (uint32_t)(*seed >> 32);
    x ^= x >> 15;
    x *= 0x2C1B3C6Du;
    return x ^ x >> 13;
}

/* A float of either sign whose exponent spreads over 2^-spread .. 2^spread; its 24 bits of mantissa are random. */
static inline float random_float(uint64_t *seed, int spread) {
    uint32_t u = random_u32(seed), v = random_u32(seed);
    uint32_t exponent = 127u - (uint32_t)spread + v % (2u * (uint32_t)spread + 1u);
    return tl_real((u & 0x807FFFFFu) | exponent << 23);
}

#define CK_DIGEST(what, found, expected) \
    ck_assert_msg((found) == (expected), "%s: digest %016" PRIx64 ", golden %016" PRIx64, what, (uint64_t)(found), (uint64_t)(expected))

#endif
