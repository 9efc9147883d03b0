/* answers.c: the known-answer test of the relaxed level. Engines have compiled its instructions wrongly (the baseline compiler of Node 20
 * mixes up registers around the dot product, so that it shows in some code and not in other), which no validation of a module tells.
 * So whoever chooses a level runs the level's own kernels first: those of quantised panels, on weights of 15, 31 and 63 by +-127 and on
 * mixed ones, and those with relaxed_madd, against simd128; and both dot products, bare with weights up to 127 and
 * in a tile, because panels run the one of them that is quick here. */
#include "backends/cpu/isa/relaxed/relaxed.h"

#ifdef TL_HAVE_LEVEL
#include <string.h>

#include "backends/cpu/isa/relaxed/products.h"

#define INL static inline __attribute__((always_inline))

enum { K = 256, COLUMNS = 13, PANEL_BYTES = 210 * TL_PANEL, ROOM = 1024 };
_Static_assert(PANEL_BYTES >= 24 * TL_PANEL * (K / 32), "Q6_K is the longest, Q5_1 the longest in blocks of 32");

/* ---- the instructions ---- */

static __attribute__((noinline)) bool dot_is_right(const int8_t *x, const uint8_t *w, int first) {
    int32_t got[VL];
    int16_t pairs[2 * VL];
    bool right = true;
    vi_store(got, dot_add(IN_32, vi_set(first), vi_load(x), vi_load(w)));
    vi_store(pairs, dot_first(IN_16, vi_load(x), vi_load(w)));
    for (int lane = 0; lane < VL; lane++) {
        int want = first;
        for (int i = 4 * lane; i < 4 * lane + 4; i += 2) {
            int pair = x[i] * w[i] + x[i + 1] * w[i + 1];
            want += pair;
            right &= pairs[i / 2] == pair;
        }
        right &= got[lane] == want;
    }
    return right;
}

static bool dots_are_right(void) {
    static const uint8_t most[] = {15, 31, 63, 127};
    bool right = true;
    for (int turn = 0; turn < 64; turn++) {
        int8_t x[16];
        uint8_t w[16];
        for (int i = 0; i < 16; i++) {
            x[i] = (int8_t)(turn >> (2 + i % 4) & 1 ? -127 : 127);
            w[i] = most[turn % 4];
        }
        right &= dot_is_right(x, w, turn * 1000 - 32000);
    }
    return right;
}

/* ---- the instructions as tiles have them: several sums at once, which panels need not run in this engine for both (products.h) ---- */

enum { TILE = 4 };

INL void add_tile(dot_form form, int32_t (*out)[2][VL], const vi (*u)[2], const int8_t *q) {
    vi sum[TILE][2];
    for (int c = 0; c < TILE; c++)
        sum[c][0] = sum[c][1] = vi_set(0);
    for (int g = 0; g < 8; g++, u++, q += 4)
        for (int c = 0; c < TILE; c++) {
            const vi four = vi_spread(q + 32 * c);
            sum[c][0] = dot_add(form, sum[c][0], four, u[0][0]);
            sum[c][1] = dot_add(form, sum[c][1], four, u[0][1]);
        }
    for (int c = 0; c < TILE; c++)
        for (int h = 0; h < 2; h++)
            vi_store(out[c][h], dot_end(form, sum[c][h]));
}

static __attribute__((noinline)) void add_tile_16(int32_t (*out)[2][VL], const vi (*u)[2], const int8_t *q) {
    add_tile(IN_16, out, u, q);
}

static __attribute__((noinline)) void add_tile_32(int32_t (*out)[2][VL], const vi (*u)[2], const int8_t *q) {
    add_tile(IN_32, out, u, q);
}

static bool tiles_are_right(void) {
    vi u[8][2];
    uint8_t byte[8][2][4 * VL];
    int8_t q[TILE][32];
    int32_t in_16[TILE][2][VL], in_32[TILE][2][VL];
    bool right = true;
    for (int i = 0; i < (int)sizeof byte; i++)
        (&byte[0][0][0])[i] = (uint8_t)(i * 7 % 16);
    for (int i = 0; i < (int)sizeof q; i++)
        (&q[0][0])[i] = (int8_t)(i * 37 % 255 - 127);
    memcpy(u, byte, sizeof u);
    add_tile_16(in_16, u, q[0]);
    add_tile_32(in_32, u, q[0]);
    for (int c = 0; c < TILE; c++)
        for (int h = 0; h < 2; h++)
            for (int lane = 0; lane < VL; lane++) {
                int want = 0;
                for (int i = 0; i < 32; i++)
                    want += q[c][i] * byte[i / 4][h][4 * lane + i % 4];
                right &= in_16[c][h][lane] == want && in_32[c][h][lane] == want;
            }
    return right;
}

/* ---- the kernels ---- */

static uint32_t next(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* x: +-127, in odd columns mixed; both kinds of blocks with their sums. */
static void make_x(tl_x32 *x32, tl_x256 *x256, int column, uint32_t *seed) {
    *x256 = (tl_x256){.d = 0.5f + 0.25f * (float)column};
    for (int b = 0; b < K / 32; b++)
        x32[b] = (tl_x32){.d = x256->d};
    for (int i = 0; i < K; i++) {
        uint32_t r = next(seed);
        int8_t q = (int8_t)(column % 2 ? (int)(r % 255) - 127 : r & 1 ? 127 : -127);
        x256->q[i] = x32[i / 32].q[i % 32] = q;
        x256->bsum[i / 16] = (int16_t)(x256->bsum[i / 16] + q);
        x32[i / 32].bsum += q;
    }
}

/* A panel whose weights are as large as can be, or mixed; its scales, with which a block begins, are numbers in either case. */
static void make_panel(tl_dtype type, uint8_t *panel, bool mixed, uint32_t *seed) {
    const tl_dtype_info *info = tl_dtype_get(type);
    size_t halves = info->kind == TL_KIND_SCALE_MIN || info->kind == TL_KIND_SUPER_MIN ? 2 * TL_PANEL : TL_PANEL;
    size_t block = (size_t)info->block_bytes * TL_PANEL, bytes = block * (size_t)(K / info->block);
    for (size_t i = 0; i < bytes; i++)
        panel[i] = mixed ? (uint8_t)next(seed) : 0xFF;
    for (size_t at = 0; at < bytes; at += block)
        for (size_t i = 0; i < halves; i++) {
            uint16_t half = (uint16_t)(0x3400 + next(seed) % 0x800); /* 0.25 to 1 */
            memcpy(panel + at + 2 * i, &half, 2);
        }
}

static bool panels_agree(const tl_kernels *own, const tl_kernels *below) {
    static const int counts[] = {1, 4, COLUMNS}; /* straight from the panel, a tile, strips and what is left over */
    tl_x32 x32[COLUMNS][K / 32];
    tl_x256 x256[COLUMNS];
    uint8_t panel[PANEL_BYTES];
    uint32_t seed = 1;
    bool same = true;
    for (int c = 0; c < COLUMNS; c++)
        make_x(x32[c], &x256[c], c, &seed);
    for (int t = 0; t < TL_N_DTYPES; t++)
        for (int run = 0; own->panel[t] && run < 6; run++) {
            float got[COLUMNS * TL_PANEL] = {0}, want[COLUMNS * TL_PANEL] = {0};
            bool small = tl_dtype_get((tl_dtype)t)->block == 32;
            const void *x = small ? (const void *)x32 : x256;
            size_t stride = small ? sizeof x32[0] : sizeof x256[0];
            make_panel((tl_dtype)t, panel, run % 2, &seed);
            own->panel[t](got, TL_PANEL, panel, x, stride, counts[run / 2], K);
            below->panel[t](want, TL_PANEL, panel, x, stride, counts[run / 2], K);
            same &= memcmp(got, want, sizeof got) == 0;
        }
    return same;
}

/* Products of multiples of 1/64 below 8 are exact, and so is every sum. */
static bool products_agree(const tl_kernels *own, const tl_kernels *below) {
    enum { D = 40, N = 5 };
    float q[TL_HEADS * D], keys[N * D], got[ROOM] = {0}, want[ROOM] = {0};
    uint16_t w[N * D];
    uint32_t seed = 2;
    for (int i = 0; i < TL_HEADS * D; i++)
        q[i] = (float)((int)(next(&seed) % 1024) - 512) / 64;
    for (int i = 0; i < N * D; i++) {
        keys[i] = (float)((int)(next(&seed) % 1024) - 512) / 64;
        w[i] = (uint16_t)(0x3400 + next(&seed) % 0x1000);
    }
    for (int pass = 0; pass < 2; pass++) {
        const tl_kernels *k = pass ? below : own;
        float *y = pass ? want : got;
        for (int heads = 1; heads <= TL_HEADS; heads++, y += 100 + TL_HEADS * D / 2) {
            k->attention_scores[0](y, N, q, D, heads, keys, N, D, 0.5f, true);
            k->attention_values[0](y + 20, D / 2, q, D, heads, keys, N, D / 2, true);
            k->dot[TL_F16](y + 100, N, w, D * sizeof *w, N, q, D * sizeof *q, heads, D);
        }
    }
    return memcmp(got, want, sizeof got) == 0;
}

const char *tl_relaxed_lacks(void) {
    tl_kernels own, below;
    tl_level_flatten(&tl_level_relaxed, &own);
    tl_level_flatten(&tl_level_simd128, &below);
    if (dots_are_right() && tiles_are_right() && panels_agree(&own, &below) && products_agree(&own, &below))
        return NULL;
    return "this engine computes relaxed instructions wrongly, a known-answer test found";
}
#endif
