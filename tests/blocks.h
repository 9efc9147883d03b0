/* blocks.h: what the tests of quantised types share: random blocks of weights, and the float environment as a fixture. */
#ifndef TALLY_TESTS_BLOCKS_H
#define TALLY_TESTS_BLOCKS_H

#include "tensor/platform.h"
#include "tensor/quant.h"
#include "tests/digest.h"

#define CK_BITS(found, expected) ck_assert_uint_eq(tl_bits(found), tl_bits(expected))

enum { FIRST_QUANT = TL_Q4_0, LAST_QUANT = TL_Q6_K, MOST_BYTES = 210 };

/* Where a type keeps its f16 scale and its f16 minimum; -1: none. */
static const struct {
    int d, m;
} f16_at[TL_N_DTYPES] = {
    [TL_Q4_0] = {0, -1},  [TL_Q4_1] = {0, 2},    [TL_Q5_0] = {0, -1}, [TL_Q5_1] = {0, 2}, [TL_Q8_0] = {0, -1},
    [TL_Q2_K] = {80, 82}, [TL_Q3_K] = {108, -1}, [TL_Q4_K] = {0, 2},  [TL_Q5_K] = {0, 2}, [TL_Q6_K] = {208, -1},
};

static inline void put_f16(uint8_t *block, int at, uint16_t h) {
    if (at >= 0) {
        block[at] = (uint8_t)h;
        block[at + 1] = (uint8_t)(h >> 8);
    }
}

/* A block of random bytes; scales and minima are finite: of either sign, 2^-14 .. 1. */
static inline void random_block(tl_dtype t, uint8_t *block, uint64_t *seed) {
    for (int i = 0; i < tl_dtype_get(t)->block_bytes; i++)
        block[i] = (uint8_t)random_u32(seed);
    put_f16(block, f16_at[t].d, (uint16_t)(0x0400 + (random_u32(seed) & 0x8000) + random_u32(seed) % 0x3800));
    put_f16(block, f16_at[t].m, (uint16_t)(0x0400 + (random_u32(seed) & 0x8000) + random_u32(seed) % 0x3800));
}

static uint64_t saved_environment;

static inline void enter_float(void) {
    saved_environment = tl_float_enter();
}

static inline void leave_float(void) {
    tl_float_leave(saved_environment);
}

#endif
