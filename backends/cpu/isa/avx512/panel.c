/* panel.c: packed panels (backends/cpu/pack.c) of blocks of 32 times quantised rows with AVX-512 VNNI. A vector holds 4 values of all 16
 * rows, and a block of 32 is 8 vectors: they stay in registers while columns pass by. One column, or a few, are multiplied straight from
 * the panel, at the speed of memory. For more, blocks are decoded once to a *strip* of bytes that stays in the first cache, and tiles of
 * 12 columns, whose sums stay in registers too, run over it.
 *
 * dpbusd wants its first operand unsigned: nibbles are, bytes are moved by +128. Sums start at minus that offset times the sum of x. All of it
 * is exact. The float step follows quant.h operation by operation; m * bsum has 11 + 12 bits, is exact, and may be fused. */
#include "backends/cpu/isa/avx512/avx512.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx512/block.h"

enum { COLUMNS = 12 };      /* of a tile; with 8 vectors of weights and the sums under way, what the registers hold */
enum { CHAINS = 4 };        /* columns whose integers are summed side by side: dpbusd takes 4 or 5 cycles */
enum { STRIP_BLOCKS = 16 }; /* blocks decoded at once: 8 KiB of weights */
enum { FEW = 3 };           /* columns up to which decoding each time is no dearer than a strip */
enum { AHEAD = 4096 };      /* bytes of prefetch: at its speed memory needs from half of it (80 ns) up to this much */

/* ---- facts of a type; type is a constant wherever these are inlined ---- */

#include "backends/cpu/isa/interleave.inl"

/* How far values are from what they stand for once they are unsigned. */
INL int offset_of(tl_dtype t) {
    return t == TL_Q8_0 ? 128 : zero_of(t);
}

/* ---- a block ---- */

INL const tl_x32 *column(const void *x, size_t x_stride, int c) {
    return (const void *)((const char *)x + (size_t)c * x_stride);
}

/* What sums start from; bsum fits 16 bits. */
INL __m512i start_of(tl_dtype t, int32_t bsum) {
    return offset_of(t) ? _mm512_madd_epi16(_mm512_set1_epi32(bsum), _mm512_set1_epi32(-offset_of(t) & 0xFFFF)) : _mm512_setzero_si512();
}

INL __m512 add_block(tl_dtype t, __m512 acc, __m512i isum, const block *w, const tl_x32 *x) {
    const vf bsum = v_from_int(vi_set(x->bsum)); /* converted there, a word is spread by the load */
    return with_block(t, acc, v_from_int(isum), w->d, w->m, v_set(x->d), bsum);
}

/* Adds a block to the sum of one column. */
INL __m512 one(tl_dtype t, __m512 acc, const block *w, const tl_x32 *x) {
    __m512i even = start_of(t, x->bsum), odd = _mm512_setzero_si512();
    UNROLL
    for (int g = 0; g < 8; g += 2) {
        even = vi_products(even, w->values[g], x->q + 4 * g);
        odd = vi_products(odd, w->values[g + 1], x->q + 4 * g + 4);
    }
    return add_block(t, acc, _mm512_add_epi32(even, odd), w, x);
}

/* The same for CHAINS columns. */
INL void some(tl_dtype t, __m512 *acc, const block *w, const void *x, size_t x_stride) {
    __m512i sum[CHAINS];
    UNROLL
    for (int c = 0; c < CHAINS; c++)
        sum[c] = start_of(t, column(x, x_stride, c)->bsum);
    UNROLL
    for (int g = 0; g < 8; g++) {
        UNROLL
        for (int c = 0; c < CHAINS; c++)
            sum[c] = vi_products(sum[c], w->values[g], column(x, x_stride, c)->q + 4 * g);
    }
    UNROLL
    for (int c = 0; c < CHAINS; c++)
        acc[c] = add_block(t, acc[c], sum[c], w, column(x, x_stride, c));
}

/* ---- one column, straight from the panel or the rows ---- */

INL void one_column(tl_dtype t, float *y, const uint8_t *panel, const source *rows, const tl_x32 *x, int64_t k) {
    uint8_t room[ROOM];
    __m512 acc = _mm512_setzero_ps();
    for (int64_t b = 0; b < k / 32; b++) {
        const uint8_t *p = block_at(t, panel, rows, (size_t)b, room);
        for (size_t i = 0; i < block_bytes(t) && !rows; i += 64)
            _mm_prefetch((const char *)p + AHEAD + i, _MM_HINT_T0);
        block w;
        decode_block(t, false, p, &w);
        acc = one(t, acc, &w, &x[b]);
    }
    _mm512_storeu_ps(y, acc);
}

/* ---- many columns ---- */

/* Adds the blocks of a strip to y, the sums of C columns, COLUMNS or CHAINS; or of fewer, whose sums pass through memory. */
INL void tile(tl_dtype t, int C, float *y, int64_t y_stride, const block *strip, int blocks, const tl_x32 *x, size_t x_stride) {
    __m512 acc[COLUMNS];
    UNROLL
    for (int c = 0; c < C; c++)
        acc[c] = _mm512_loadu_ps(y + c * y_stride);
    for (int b = 0; b < blocks; b++) {
        const block w = strip[b];
        UNROLL
        for (int c = 0; c < C; c += CHAINS)
            some(t, acc + c, &w, column(x + b, x_stride, c), x_stride);
    }
    UNROLL
    for (int c = 0; c < C; c++)
        _mm512_storeu_ps(y + c * y_stride, acc[c]);
}

INL void rest(tl_dtype t, float *y, int64_t y_stride, const block *strip, int blocks, const tl_x32 *x, size_t x_stride, int n_cols) {
    for (int b = 0; b < blocks; b++) {
        const block w = strip[b];
        for (int c = 0; c < n_cols; c++)
            _mm512_storeu_ps(y + c * y_stride, one(t, _mm512_loadu_ps(y + c * y_stride), &w, column(x + b, x_stride, c)));
    }
}

INL void many_columns(tl_dtype t, float *y, int64_t y_stride, const uint8_t *p, const void *x, size_t x_stride, int n_cols, int64_t k) {
    block strip[STRIP_BLOCKS];
    for (int c = 0; c < n_cols; c++)
        _mm512_storeu_ps(y + c * y_stride, _mm512_setzero_ps());
    for (int64_t b = 0; b < k / 32; b += STRIP_BLOCKS) {
        const int n = k / 32 - b < STRIP_BLOCKS ? (int)(k / 32 - b) : STRIP_BLOCKS;
        for (int i = 0; i < n; i++, p += block_bytes(t))
            decode_block(t, false, p, &strip[i]);
        int c = 0;
        for (; c + COLUMNS <= n_cols; c += COLUMNS)
            tile(t, COLUMNS, y + c * y_stride, y_stride, strip, n, column(x, x_stride, c) + b, x_stride);
        for (; c + CHAINS <= n_cols; c += CHAINS)
            tile(t, CHAINS, y + c * y_stride, y_stride, strip, n, column(x, x_stride, c) + b, x_stride);
        if (c < n_cols)
            rest(t, y + c * y_stride, y_stride, strip, n, column(x, x_stride, c) + b, x_stride, n_cols - c);
    }
}

#define TL_ISA(name) tl_avx512_##name
#include "backends/cpu/isa/panels.inl"

PANEL(q4_0, TL_Q4_0)
PANEL(q4_1, TL_Q4_1)
PANEL(q5_0, TL_Q5_0)
PANEL(q5_1, TL_Q5_1)
PANEL(q8_0, TL_Q8_0)
#endif
