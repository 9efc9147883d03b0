/* cases_fill.c: the data of cases, made from integers alone, so that every platform and compiler sees the same bits: a fixed generator
 * (splitmix64) and floats composed from sign, exponent and fraction. Block types are encoded from floats where the library has an encoder;
 * K-quants, and every block type's special values, are bytes with scales put in their places. */
#include "tests/cases_internal.h"

#include <stdlib.h>
#include <string.h>

uint64_t case_hash(uint64_t h, const void *data, size_t bytes) {
    const uint8_t *p = data;
    for (size_t i = 0; i < bytes; i++)
        h = (h ^ p[i]) * 0x100000001B3u;
    return h;
}

uint64_t case_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* ---- floats, as bits ---- */

enum { SIGN_SHIFT = 31, EXPONENT_SHIFT = 23, ONE = 127 }; /* ONE: the exponent field of 1.0 */

static uint32_t compose(uint64_t sign, uint32_t exponent, uint64_t fraction) {
    return (uint32_t)(sign & 1) << SIGN_SHIFT | exponent << EXPONENT_SHIFT | (uint32_t)(fraction & 0x7FFFFF);
}

/* Magnitudes below 2, each binade half as likely as the next larger one, all fraction bits in use: sums round at every step. */
static uint32_t normal_bits(uint64_t *seed) {
    uint64_t r = case_random(seed);
    uint32_t down = 0;
    while (down < 12 && (r >> (24 + down) & 1))
        down++;
    return compose(r >> 63, ONE - down, r);
}

/* f32 and bf16 span 2^-20 .. 2^20; what is stored by f16 (values or scales) spans what f16 can hold. */
static uint32_t wide_bits(uint64_t *seed, bool small_range) {
    uint64_t r = case_random(seed);
    uint32_t span = small_range ? 14 : 20;
    return compose(r >> 63, ONE - span + (uint32_t)(r >> 24) % (2 * span + 1), r);
}

/* Element i of a row: 2^12 and a bit, signs alternating within and across the 16 lanes of a sum. */
static uint32_t cancel_bits(uint64_t *seed, int64_t i) {
    uint64_t r = case_random(seed);
    return compose((uint64_t)(i + i / 16), ONE + 12, 0x2AAAAA + (r & 0x3F));
}

static uint32_t ties_bits(uint64_t *seed) {
    static const uint32_t values[] = {0x00000000, 0x3F000000, 0x3F800000, 0x3FC00000,
                                      0x40000000, 0x40200000, 0x40400000, 0x40600000}; /* 0 .5 1 .. 3.5 */
    uint64_t r = case_random(seed);
    return values[r & 7] | (uint32_t)(r >> 63) << SIGN_SHIFT;
}

static uint32_t tiny_bits(uint64_t *seed) {
    uint64_t r = case_random(seed);
    uint64_t sign = r >> 63;
    switch ((r >> 32) & 7) {
    case 0: return compose(sign, ONE - 100, 0);
    case 1: return compose(sign, ONE - 100, 1);
    case 2: return compose(sign, ONE - 101, 0x7FFFFF);
    case 3: return compose(sign, ONE - 100, r);
    case 4: return compose(sign, 0, r);
    case 5: return compose(sign, 0, 1);
    case 6: return compose(sign, 1, 0);
    default: return compose(sign, 0, 0);
    }
}

static uint32_t sparse_bits(uint64_t *seed) {
    uint32_t bits = normal_bits(seed);
    return case_random(seed) % 5 ? bits & 0x80000000 : bits;
}

static uint32_t reach_bits(uint64_t *seed) {
    uint64_t r = case_random(seed);
    return compose(r >> 63, ONE - 99 + (uint32_t)(r >> 24) % 200, r);
}

static uint32_t bits_of_integer(uint32_t v, int exponent) { /* v 2^exponent, rounded down to 24 bits */
    uint32_t top = 31;
    if (v == 0)
        return 0;
    while (!(v >> top))
        top--;
    return compose(0, (uint32_t)(ONE + exponent) + top, top > EXPONENT_SHIFT ? v >> (top - EXPONENT_SHIFT) : v << (EXPONENT_SHIFT - top));
}

/* The bits beside them: one ulp less to one more. */
static uint32_t beside(uint32_t bits, uint64_t r) {
    return (bits & 0x7FFFFFFF) == 0 ? bits : bits + (uint32_t)(r >> 60) % 3 - 1;
}

static uint32_t bends_bits(uint64_t *seed) {
    static const uint32_t ends[] = {0x42B17218, 0xC2AEAC4F, 0xC2CFF1B5, 0xC2800000}; /* 88.72, -87.34, -103.97, -64 */
    uint64_t r = case_random(seed);
    if (r >> 40 & 1 && r >> 41 & 1)
        return ends[r >> 42 & 3] + (uint32_t)(r >> 8) % 5 - 2;
    return bits_of_integer((uint32_t)(r >> 24) % 2001, -4) + (uint32_t)(r & 7) + ((uint32_t)(r >> 63) << SIGN_SHIFT);
}

/* Element i of a row: the largest magnitude of 32, then halves of its 127th parts. */
static uint32_t steps_bits(uint64_t *seed, int64_t i, uint32_t *largest) {
    uint64_t r = case_random(seed);
    if (i % 32 == 0)
        *largest = (uint32_t)r & 0xFFFFF;
    uint64_t halves = i % 32 == 0 ? 254 : (r >> 24) % 127 * 2 + 1;
    uint32_t v = (uint32_t)((((uint64_t)*largest | 0x100000) << 10) * halves / 254);
    return beside(bits_of_integer(v, -30), r) | (uint32_t)(r >> 63) << SIGN_SHIFT;
}

static uint32_t halfway_bits(uint64_t *seed) {
    static const int dropped[] = {11, 13, 16}; /* bits of a fraction that 13 bits, f16 and bf16 lack */
    uint32_t bits = normal_bits(seed);
    uint64_t r = case_random(seed);
    int n = dropped[(r >> 24) % 3];
    return beside(bits >> n << n | 1u << (n - 1), r);
}

/* Quiet, signalling, negative, with a payload in the lowest bits alone (which a narrower type cuts off): all are the one NaN that counts. */
static uint32_t nan_bits(uint64_t r) {
    static const uint32_t nans[] = {0x7FC00000, 0xFFC00000, 0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FA5A5A5, 0xFF80FFFF};
    return nans[r >> 40 & 7];
}

/* A row has a class (which special values it may hold) and about two of them, so that not every row ends as NaN. */
static uint32_t special_bits(uint64_t *seed, uint64_t row_class, int64_t row, uint32_t largest, bool finite) {
    static const uint32_t infinity = 0x7F800000, minus_infinity = 0xFF800000;
    uint32_t plain = normal_bits(seed);
    uint64_t r = case_random(seed);
    uint64_t rarity = row > 4 ? (uint64_t)row / 2 : 2;
    if ((r >> 8) % rarity != 0)
        return plain;
    switch (finite ? 0 : row_class % 6) {
    case 1: return infinity;
    case 2: return minus_infinity;
    case 3: return r & 1 ? infinity : minus_infinity;
    case 4: return nan_bits(r);
    case 5: return r & 1 ? nan_bits(r) : r & 2 ? infinity : largest;
    default: return r & 1 ? 0x80000000 : r & 2 ? largest : r & 4 ? largest | 0x80000000 : r & 8 ? 0x00000001 : 0x00000000;
    }
}

static uint32_t largest_of(tl_dtype dtype) {
    return dtype == TL_F32 ? 0x7F7FFFFF : dtype == TL_BF16 ? 0x7F7F0000 : 0x477FE000; /* FLT_MAX, bf16's, 65504 */
}

static void generate_floats(tl_dtype dtype, float *dst, int64_t n, int64_t row, case_fill fill, uint64_t *seed) {
    bool small_range = dtype != TL_F32 && dtype != TL_BF16;
    uint64_t row_class = 0;
    uint32_t row_bits = 0, largest = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = 0;
        if (i % row == 0) {
            row_class = case_random(seed);
            row_bits = compose(row_class >> 63, ONE - 4 + (uint32_t)(row_class >> 24) % 8, row_class);
        }
        switch (fill) {
        case FILL_NORMAL: bits = normal_bits(seed); break;
        case FILL_WIDE: bits = wide_bits(seed, small_range); break;
        case FILL_CANCEL: bits = cancel_bits(seed, i % row); break;
        case FILL_TIES: bits = ties_bits(seed); break;
        case FILL_TINY: bits = tiny_bits(seed); break;
        case FILL_SPECIAL: bits = special_bits(seed, row_class, row, largest_of(dtype), false); break;
        case FILL_FINITE: bits = special_bits(seed, row_class, row, largest_of(dtype), true); break;
        case FILL_ZERO: break;
        case FILL_ONES: bits = 0x3F800000; break;
        case FILL_EQUAL: bits = row_bits; break;
        case FILL_SPARSE: bits = sparse_bits(seed); break;
        case FILL_REACH: bits = reach_bits(seed); break;
        case FILL_BENDS: bits = bends_bits(seed); break;
        case FILL_STEPS: bits = steps_bits(seed, i % row, &largest); break;
        case FILL_HALFWAY: bits = halfway_bits(seed); break;
        case FILL_BITS: bits = (uint32_t)(case_random(seed) >> 32); break;
        }
        memcpy(&dst[i], &bits, sizeof bits);
    }
}

/* ---- integers ---- */

static void generate_ints(int width, uint8_t *dst, int64_t n, case_fill fill, uint64_t *seed) {
    for (int64_t i = 0; i < n; i++) {
        uint64_t r = case_random(seed);
        int32_t v = (int32_t)(r >> 32) % 128;
        if (fill == FILL_ZERO)
            v = 0;
        else if (fill == FILL_ONES)
            v = 1;
        else if (fill == FILL_WIDE || fill == FILL_BITS)
            v = (int32_t)(r >> 32);
        else if ((fill == FILL_SPECIAL || fill == FILL_FINITE) && (r & 3) == 0)
            v = r & 4 ? (int32_t)(0x7FFFFFFFu >> (32 - 8 * width)) : -(int32_t)(0x7FFFFFFFu >> (32 - 8 * width)) - 1;
        memcpy(dst + i * width, &v, (size_t)width); /* little-endian: the low bytes */
    }
}

/* ---- blocks ---- */

enum { F16_NORMAL = 9, F16_ONE = 0x3C00, F16_NAN = 0x7E00, F16_INFINITY = 0x7C00 }; /* F16_NORMAL: the exponent field of 2^-6 */

/* Where a block type keeps its f16 scales: how many, and the byte of the first; a second follows it at once. */
static bool scale_places(tl_dtype dtype, int *first, int *count) {
    switch (dtype) {
    case TL_Q4_0:
    case TL_Q5_0:
    case TL_Q8_0: *first = 0, *count = 1; return true;
    case TL_Q4_1:
    case TL_Q5_1:
    case TL_Q4_K:
    case TL_Q5_K: *first = 0, *count = 2; return true;
    case TL_Q2_K: *first = 80, *count = 2; return true;
    case TL_Q3_K: *first = 108, *count = 1; return true;
    case TL_Q6_K: *first = 208, *count = 1; return true;
    default: return false;
    }
}

static uint16_t special_scale(uint64_t r, uint16_t plain, bool finite) {
    switch (r & 15) {
    case 0: return 0x0001;
    case 1: return plain | 0x8000;
    case 2: return 0x7BFF;
    case 3: return 0x8000;
    case 4: return finite ? 0x0000 : F16_INFINITY;
    case 5: return finite ? 0x0400 : F16_INFINITY | 0x8000;
    case 6: return finite ? 0x8001 : (uint16_t)(F16_INFINITY | (r >> 40 & 0x83FF) | 1); /* any NaN */
    default: return plain;
    }
}

static uint16_t block_scale(case_fill fill, uint64_t *seed) {
    uint64_t r = case_random(seed);
    uint16_t plain = (uint16_t)((F16_NORMAL - 1 + (r >> 20) % 3) << 10 | (r >> 32 & 0x3FF));
    switch (fill) {
    case FILL_WIDE: return (uint16_t)((1 + (r >> 20) % 20) << 10 | (r >> 32 & 0x83FF));
    case FILL_CANCEL: return (uint16_t)(plain | (r & 0x8000));
    case FILL_TINY: return (uint16_t)(r >> 32 & 0x8003);
    case FILL_SPECIAL: return special_scale(r, plain, false);
    case FILL_FINITE: return special_scale(r, plain, true);
    case FILL_ZERO: return 0;
    case FILL_ONES: return F16_ONE;
    case FILL_BITS: return (uint16_t)(r >> 32);
    default: return plain;
    }
}

/* Quants and sub-scales of a block: random bytes, or with special fills often all at one extreme (-128, 0, 127, 15, 63 by type). */
static void block_quants(uint8_t *block, int bytes, case_fill fill, uint64_t *seed) {
    static const uint8_t extreme[] = {0x80, 0xFF, 0x7F, 0x00};
    uint64_t kind = case_random(seed);
    for (int i = 0; i < bytes; i++) {
        uint64_t r = case_random(seed);
        block[i] = (uint8_t)(r >> 32);
        if (fill == FILL_SPECIAL || fill == FILL_FINITE) {
            if (kind & 1)
                block[i] = extreme[kind >> 8 & 3];
            else if (r & 1)
                block[i] = extreme[r >> 8 & 3];
        }
    }
    if (fill == FILL_ZERO)
        memset(block, 0, (size_t)bytes);
}

static bool generate_blocks(tl_dtype dtype, uint8_t *dst, int64_t n, case_fill fill, uint64_t *seed) {
    const tl_dtype_info *info = tl_dtype_get(dtype);
    int first, count;
    if (!scale_places(dtype, &first, &count))
        return false;
    for (int64_t b = 0; b < n / info->block; b++, dst += info->block_bytes) {
        block_quants(dst, info->block_bytes, fill, seed);
        for (int s = 0; s < count; s++) {
            uint16_t scale = block_scale(fill, seed);
            memcpy(dst + first + 2 * s, &scale, sizeof scale);
        }
    }
    return true;
}

/* ---- all types ---- */

bool case_generate(tl_dtype dtype, void *dst, int64_t n, int64_t row, case_fill fill, uint64_t seed) {
    const tl_dtype_info *info = tl_dtype_get(dtype);
    if (n == 0)
        return true;
    if (row < 1)
        row = 1;
    if (info->kind == TL_KIND_INT) {
        generate_ints(info->block_bytes, dst, n, fill, &seed);
        return true;
    }
    if (info->block > 1 && (fill == FILL_SPECIAL || fill == FILL_FINITE || fill == FILL_BITS))
        return generate_blocks(dtype, dst, n, fill, &seed);
    if (info->block == 1 && info->block_bytes == 2 && fill == FILL_BITS) { /* an encoder would leave out most */
        generate_ints(2, dst, n, fill, &seed);
        return true;
    }
    float *values = malloc((size_t)n * sizeof *values);
    if (!values)
        return false;
    uint64_t of_floats = seed;
    generate_floats(dtype, values, n, row, fill, &of_floats);
    tl_status s = tl_encode(dtype, values, dst, n, NULL);
    free(values);
    return s == TL_OK || (info->block > 1 && generate_blocks(dtype, dst, n, fill, &seed));
}

static void canonical_halves(uint8_t *p, int64_t n, uint16_t infinity, uint16_t nan) {
    for (int64_t i = 0; i < n; i++) {
        uint16_t v;
        memcpy(&v, p + 2 * i, sizeof v);
        if ((v & 0x7FFF) > infinity)
            memcpy(p + 2 * i, &nan, sizeof nan);
    }
}

void case_canonical(tl_dtype dtype, void *data, int64_t n) {
    const tl_dtype_info *info = tl_dtype_get(dtype);
    uint8_t *p = data;
    int first, count;
    if (dtype == TL_F32) {
        const uint32_t nan = 0x7FC00000;
        for (int64_t i = 0; i < n; i++) {
            uint32_t v;
            memcpy(&v, p + 4 * i, sizeof v);
            if ((v & 0x7FFFFFFF) > 0x7F800000)
                memcpy(p + 4 * i, &nan, sizeof nan);
        }
    } else if (dtype == TL_F16) {
        canonical_halves(p, n, F16_INFINITY, F16_NAN);
    } else if (dtype == TL_BF16) {
        canonical_halves(p, n, 0x7F80, 0x7FC0);
    } else if (scale_places(dtype, &first, &count)) {
        for (int64_t b = 0; b < n / info->block; b++)
            canonical_halves(p + b * info->block_bytes + first, count, F16_INFINITY, F16_NAN);
    }
}
