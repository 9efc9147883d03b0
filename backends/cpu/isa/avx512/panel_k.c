/* panel_k.c: packed panels of K-quants (backends/cpu/pack.c) times rows of tl_x256 with AVX-512 VNNI. As in panel.c one
 * column is multiplied straight from the panel, and many run in tiles of 12, or 4, over a strip: one super-block, decoded.
 *
 * Quants are taken unsigned. Those of centred types are put right by what a sub-block's sum starts from, minus the offset times the sum of x.
 * A strip of Q2_K or Q3_K has the scale of a sub-block multiplied into its bytes: 3 * 15 fits, and (q - 4) * sc, which is -124 .. 128, fits when
 * moved by 124. S is then nothing but a sum. All of it is exact (|S| < 2^29); the float step is that of quant.h. */
#include "backends/cpu/isa/avx512/avx512.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx512/super.h"
#include "backends/cpu/isa/interleave.inl"

enum {
    COLUMNS = 12,
    CHAINS = 4,
    FEW = CHAINS - 1
}; /* of a tile, those summed side by side, as in panel.c, and up to which there is no tile */
enum { AHEAD = 4096 };

/* Is a strip's scale in its bytes? */
INL bool folds(tl_dtype t) {
    return t == TL_Q2_K || t == TL_Q3_K;
}

INL const tl_x256 *column(const void *x, size_t x_stride, int c) {
    return (const void *)((const char *)x + (size_t)c * x_stride);
}

/* What the sum of each sub-block starts from. Where it is read it comes from memory: a load spreads a number over a vector for nothing. */
INL void starts_of(tl_dtype t, const tl_x256 *x, int32_t *starts) {
    vi sums = _mm512_cvtepi16_epi32(_mm256_loadu_si256((const void *)x->bsum));
    vi_store(starts, vi_sub(vi_set(0), vi_shl(sums, (unsigned)offset_log2(t))));
    __asm__("" : "+m"(*(int32_t(*)[16])starts));
}

/* acc + what a super-block adds. */
INL vf add_block(tl_dtype t, vf acc, vi s, vi sums, vf d, vf m, float dx) {
    vf v = v_from_int(s);
    if (offset_log2(t))
        return v_add(acc, v_mul(v, v_mul(d, v_set(dx))));
    return v_add(acc, v_mul(v_sub(v_mul(v, d), v_mul(v_from_int(sums), m)), v_set(dx)));
}

/* ---- one column, straight from the panel ---- */

/* How many bits up in their bytes the values of run r lie, where they need not be put together. */
INL int raised_by(tl_dtype t, int r) {
    return t == TL_Q4_K ? r % 2 * 4 : t == TL_Q2_K ? r % 4 * 2 : 0;
}

/* Those values, left up there: one instruction instead of two. */
INL vi raised(tl_dtype t, const uint8_t *p, int r, int j) {
    if (t == TL_Q4_K)
        return vi_bytes(group(p, 3 + r / 2 * 8 + j), 0, 15 << raised_by(t, r));
    if (t == TL_Q2_K)
        return vi_bytes(group(p, 4 + r / 4 * 8 + j), 0, 3 << raised_by(t, r));
    return values_of(t, p, r, j);
}

INL vf one_block(tl_dtype t, bool asks, vf acc, const uint8_t *block, const tl_x256 *x) {
    const uint8_t *p = block + head_bytes(t);
    int32_t starts[16];
    vi sc[4], mn[4], sums = vi_set(0);
    vi s[4] = {vi_set(0), vi_set(0), vi_set(0), vi_set(0)}; /* of values 0, 2, 4, 6 bits up */
    if (offset_log2(t))
        starts_of(t, x, starts);
    all_scales_of(t, p, sc, mn);
    UNROLL
    for (int r = 0; r < 8; r++) {
        for (size_t i = 0; asks && i < block_bytes(t) / 8; i += 64) /* a few lines at a time: a burst would fill the queue of misses */
            _mm_prefetch((const char *)block + AHEAD + (size_t)r * (block_bytes(t) / 8) + i, _MM_HINT_T0);
        const int sub = is_wide(t) ? r : 2 * r; /* and sub + 1, unless they are of 32: there two chains are quicker too */
        vi *to = &s[raised_by(t, r) / 2], sum[2] = {vi_set(0), vi_set(0)};
        if (offset_log2(t)) {
            sum[0] = vi_set(starts[sub]);
            sum[1] = vi_set(starts[sub + 1]);
        }
        UNROLL
        for (int i = 0; i < 8; i++) {
            const int j = i % 2 * 4 + i / 2;
            sum[i % 2] = vi_products(sum[i % 2], raised(t, p, r, j), x->q + 32 * r + 4 * j);
        }
        if (is_wide(t))
            *to = vi_add(*to, vi_mul(vi_add(sum[0], sum[1]), vi_byte(sc[sub / 4], (unsigned)sub % 4)));
        else
            for (int h = 0; h < 2; h++)
                *to = vi_add(*to, vi_mul(sum[h], vi_byte(sc[sub / 4], (unsigned)(sub % 4 + h))));
    }
    if (!offset_log2(t)) {
        UNROLL
        for (int i = 0; i < 8; i++)
            sums = vi_products16(sums, minima(t, mn, i), x->bsum + 2 * i);
    }
    UNROLL
    for (unsigned i = 1; i < 4; i++) /* nothing is lost: what was added is that many times as much */
        if (t == TL_Q2_K || (t == TL_Q4_K && i == 2))
            s[0] = vi_add(s[0], _mm512_srai_epi32(s[i], 2 * i));
    return add_block(t, acc, s[0], sums, v_from_f16(block), minimum_of(t, block), x->d);
}

INL void one_column(tl_dtype t, float *y, const uint8_t *panel, const source *rows, const tl_x256 *x, int64_t k) {
    uint8_t room[ROOM];
    vf acc = v_set(0.0f);
    for (int64_t b = 0; b < k / 256; b++)
        acc = one_block(t, !rows, acc, block_at(t, panel, rows, (size_t)b, room), &x[b]);
    v_store(y, acc);
}

/* ---- many columns ---- */

/* A super-block: values, the scale of each sub-block and what the sums of x are multiplied with. */
typedef struct strip {
    vi u[64], sc[16], minima[8];
    vf d, m;
} strip;

INL void fill(tl_dtype t, strip *w, const uint8_t *block) {
    const uint8_t *p = block + head_bytes(t);
    const int n = groups_of(t);
    vi sc[4], mn[4];
    w->d = v_from_f16(block);
    w->m = minimum_of(t, block);
    all_scales_of(t, p, sc, mn);
    UNROLL
    for (int i = 0; i < 8; i++)
        w->minima[i] = offset_log2(t) ? vi_set(0) : minima(t, mn, i);
    UNROLL
    for (int sub = 0; sub < subs_of(t); sub++) {
        const vi scale = pair(sc[sub / 4], sub % 4, sub % 4);
        w->sc[sub] = vi_byte(sc[sub / 4], (unsigned)sub % 4);
        UNROLL
        for (int j = sub * n; j < sub * n + n; j++) {
            const vi u = values_of(t, p, j / 8, j % 8);
            w->u[j] = folds(t) ? folded(t, u, scale) : u;
        }
    }
}

/* Adds a sub-block to S of CHAINS columns. */
INL void some(tl_dtype t, vi *s, const strip *w, int sub, const void *x, size_t x_stride, int32_t (*starts)[16]) {
    const int n = groups_of(t), first = sub * n;
    vi sum[CHAINS];
    UNROLL
    for (int c = 0; c < CHAINS; c++)
        sum[c] = folds(t) ? s[c] : offset_log2(t) ? vi_set(starts[c][sub]) : vi_set(0);
    UNROLL
    for (int j = 0; j < n; j++) {
        UNROLL
        for (int c = 0; c < CHAINS; c++)
            sum[c] = vi_products(sum[c], w->u[first + j], column(x, x_stride, c)->q + 4 * (first + j));
    }
    UNROLL
    for (int c = 0; c < CHAINS; c++)
        s[c] = folds(t) ? sum[c] : vi_add(s[c], vi_mul(sum[c], w->sc[sub]));
}

/* Adds a super-block to y, the sums of C columns. */
INL void tile(tl_dtype t, int C, float *y, int64_t y_stride, const strip *w, const void *x, size_t x_stride) {
    int32_t starts[COLUMNS][16];
    vi s[COLUMNS];
    UNROLL
    for (int c = 0; c < C; c++) {
        s[c] = vi_set(0);
        if (t == TL_Q6_K)
            starts_of(t, column(x, x_stride, c), starts[c]);
        if (t == TL_Q3_K) {
            int32_t sum = 0;
            for (int i = 0; i < 16; i++)
                sum += column(x, x_stride, c)->bsum[i];
            s[c] = vi_set(-FOLDED * sum);
        }
    }
    for (int sub = 0; sub < subs_of(t); sub++) {
        UNROLL
        for (int c = 0; c < C; c += CHAINS)
            some(t, s + c, w, sub, column(x, x_stride, c), x_stride, starts + c);
    }
    UNROLL
    for (int c = 0; c < C; c++) {
        const tl_x256 *v = column(x, x_stride, c);
        vi sums = vi_set(0);
        if (!offset_log2(t)) {
            UNROLL
            for (int i = 0; i < 8; i++)
                sums = vi_products16(sums, w->minima[i], v->bsum + 2 * i);
        }
        v_store(y + c * y_stride, add_block(t, v_load(y + c * y_stride), s[c], sums, w->d, w->m, v->d));
    }
}

/* What is left over of CHAINS goes straight from the panel. */
INL void many_columns(tl_dtype t, float *y, int64_t y_stride, const uint8_t *p, const void *x, size_t x_stride, int n_cols, int64_t k) {
    const int tiled = n_cols / CHAINS * CHAINS;
    strip w;
    for (int c = tiled; c < n_cols; c++)
        one_column(t, y + c * y_stride, p, NULL, column(x, x_stride, c), k);
    for (int c = 0; c < tiled; c++)
        v_store(y + c * y_stride, v_set(0.0f));
    for (int64_t b = 0; b < k / 256; b++, p += block_bytes(t)) {
        int c = 0;
        fill(t, &w, p);
        for (; c + COLUMNS <= tiled; c += COLUMNS)
            tile(t, COLUMNS, y + c * y_stride, y_stride, &w, column(x, x_stride, c) + b, x_stride);
        for (; c < tiled; c += CHAINS)
            tile(t, CHAINS, y + c * y_stride, y_stride, &w, column(x, x_stride, c) + b, x_stride);
    }
}

#define TL_ISA(name) tl_avx512_##name
#include "backends/cpu/isa/panels.inl"

PANEL(q2_k, TL_Q2_K)
PANEL(q3_k, TL_Q3_K)
PANEL(q4_k, TL_Q4_K)
PANEL(q5_k, TL_Q5_K)
PANEL(q6_k, TL_Q6_K)
#endif
