/* tiles.h: the instructions of AMX as words: eight tile registers of up to 16 rows of 64 bytes, named by literal numbers. In assembler, because
 * compilers' own words do not say what memory they touch; elsewhere they are what tests emulate (tests/support/avx512). */
#ifndef TALLY_TILES_AMX_H
#define TALLY_TILES_AMX_H

#include <immintrin.h>
#include <stdint.h>

/* Shapes of the registers (Intel SDM, LDTILECFG). */
typedef struct tile_shapes {
    uint8_t palette, start, none[14];
    uint16_t bytes[16]; /* of a row */
    uint8_t rows[16];
} tile_shapes;

#if defined(__AMX_INT8__) || defined(__AMXINT8__)
#define TILE_SHAPES(s) __asm__ volatile("ldtilecfg %0" : : "m"(*(s)))
#define TILE_RELEASE() __asm__ volatile("tilerelease")
#define TILE_ZERO(tmm) __asm__ volatile("tilezero %%tmm" #tmm : :)
/* Rows of `bytes` bytes in a row; rows and bytes as the shape has them. */
#define TILE_LOAD(tmm, from, rows, bytes)              \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tmm \
                     :                                 \
                     : "r"(from), "r"((int64_t)(bytes)), "m"(*(const char(*)[(rows) * (bytes)])(const void *)(from)))
#define TILE_STORE(tmm, to, rows, bytes)                              \
    __asm__ volatile("tilestored %%tmm" #tmm ", (%1,%2,1)"            \
                     : "=m"(*(char(*)[(rows) * (bytes)])(void *)(to)) \
                     : "r"(to), "r"((int64_t)(bytes)))
/* to[i][j] += a[i][4 l + e] * b[l][4 j + e] for all l, e < 4; a signed bytes, b signed ones, or unsigned. */
#define TILE_DOT_SIGNED(to, a, b) __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #to : :)
#define TILE_DOT_UNSIGNED(to, a, b) __asm__ volatile("tdpbsud %%tmm" #b ", %%tmm" #a ", %%tmm" #to : :)
#else
#define TILE_SHAPES(s) emu_tile_shapes(s)
#define TILE_RELEASE() emu_tile_release()
#define TILE_ZERO(tmm) emu_tile_zero(tmm)
#define TILE_LOAD(tmm, from, rows, bytes) emu_tile_load(tmm, from, bytes)
#define TILE_STORE(tmm, to, rows, bytes) emu_tile_store(tmm, to, bytes)
#define TILE_DOT_SIGNED(to, a, b) emu_tile_dot(to, a, b, 1)
#define TILE_DOT_UNSIGNED(to, a, b) emu_tile_dot(to, a, b, 0)
#endif

#endif
