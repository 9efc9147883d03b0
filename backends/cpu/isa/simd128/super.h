/* super.h: what the panels of K-quants of simd128 and relaxed share: facts of a type, decoding, sums of x, the float step. Where things lie in a
 * packed super-block (backends/cpu/pack.c) follows from the file's block: groups of 4 bytes in file order, each for 16 rows. A *quad* is 4
 * rows, one a lane; p is the first group of a quad. Only static inline; t is a constant wherever these are inlined. */
#ifndef TALLY_SUPER_SIMD128_H
#define TALLY_SUPER_SIMD128_H

#include "backends/cpu/isa/simd128/vec.h"
#include "backends/cpu/isa/unroll.h"
#include "backends/cpu/kernels.h"

#include "backends/cpu/isa/super_parts.inl"
#include "backends/cpu/isa/interleave.inl"

enum { QUADS = TL_PANEL / VL };

/* ---- facts of a type ---- */

/* How far values stand from zero; 0: they have minima instead. */
INL int offset_of(tl_dtype t) {
    return offset_log2(t) ? 1 << offset_log2(t) : 0;
}

/* Groups of 4 bytes that scales are taken apart from, 4 scales each. */
INL int fours_of(tl_dtype t) {
    return is_wide(t) ? 2 : 4;
}

/* ---- decoding ---- */

/* A super-block is 8 runs of 32 elements. Runs that share bytes are a *chunk*: 2 of Q4_K and Q5_K, 4 of the others. What lies in group j of a
 * chunk's runs comes from one or two groups of low bits and one of high bits, so that a loop over j needs no shift that it does not know. */
INL int runs_of(tl_dtype t) {
    return is_wide(t) ? 2 : 4;
}

/* A chunk is met in *passes* over two of its runs, those of one group of low bits: the i-th of them. */
INL int run_of(tl_dtype t, int pass, int i) {
    return t == TL_Q6_K ? pass + 2 * i : 2 * pass + i;
}

typedef struct cursor {
    const uint8_t *low, *high;
} cursor;

INL cursor start_of(tl_dtype t, const uint8_t *p, int chunk) {
    const int group = 4 * TL_PANEL, low = t == TL_Q6_K ? 0 : t == TL_Q4_K ? 3 : t == TL_Q5_K ? 11 : t == TL_Q2_K ? 4 : 8;
    const int high = t == TL_Q6_K ? 32 + 8 * chunk : t == TL_Q5_K ? 3 : 0;
    return (cursor){p + (low + (t == TL_Q6_K ? 16 : 8) * chunk) * group, p + high * group};
}

INL cursor moved(cursor at, int bytes) {
    return (cursor){at.low + bytes, at.high + bytes};
}

/* See kept. */
INL cursor kept_at(cursor at) {
    return (cursor){kept(at.low), kept(at.high)};
}

/* Low and high bits of an element, one a byte. */
typedef struct masks {
    vi low, high;
} masks;

INL masks masks_of(tl_dtype t) {
    const int low = t == TL_Q2_K || t == TL_Q3_K ? 3 : 15, high = t == TL_Q3_K ? 4 : t == TL_Q5_K ? 16 : 48;
    return (masks){vi_set(low * 0x01010101), vi_set(high * 0x01010101)};
}

typedef struct raw {
    vi low, high;
} raw;

/* What run n of a chunk is made of. */
INL raw raw_at(tl_dtype t, cursor at, int chunk, int n) {
    raw w = {t == TL_Q6_K && n % 2 ? group(at.low, 8) : vi_load(at.low), vi_set(0)};
    if (t == TL_Q6_K || t == TL_Q5_K || t == TL_Q3_K)
        w.high = vi_load(at.high);
    if (t == TL_Q5_K || t == TL_Q3_K) /* bit r is that of run r */
        w.high = vi_shr(w.high, chunk * runs_of(t));
    return w;
}

/* Bits n on of each byte, or, below 0, moved up by -n, of which a mask leaves nothing of a neighbour. */
INL vi bits_at(vi a, int n, vi mask) {
    return vi_and(n < 0 ? wasm_i16x8_shl(a, (uint32_t)-n) : n > 0 ? wasm_u16x8_shr(a, (uint32_t)n) : a, mask);
}

/* Elements of run n of a chunk, unsigned. */
INL vi value_of(tl_dtype t, masks m, raw w, int n) {
    if (is_wide(t)) {
        vi v = bits_at(w.low, 4 * n, m.low);
        return t == TL_Q5_K ? vi_or(v, bits_at(w.high, n - 4, m.high)) : v;
    }
    if (t == TL_Q6_K)
        return vi_or(bits_at(w.low, n / 2 * 4, m.low), bits_at(w.high, 2 * n - 4, m.high));
    vi v = bits_at(w.low, 2 * n, m.low);
    return t == TL_Q2_K ? v : vi_or(v, bits_at(w.high, n - 2, m.high));
}

/* Byte j of each lane, with its sign, as a pair of 16 bits. */
INL vi twice(vi v, int j) {
    const vi from = wasm_i8x16_add(wasm_i8x16_const(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12), wasm_i8x16_splat((int8_t)j));
    return wasm_i16x8_shr(wasm_i8x16_swizzle(v, from), 8);
}

/* Whether low and high bits lie so far apart that a processor does not see that a panel is read from front to back: then a kernel touches the next
 * block, a part of it with each pass. There are four. */
INL bool is_scattered(tl_dtype t) {
    return t == TL_Q6_K || t == TL_Q3_K;
}

INL void touch_part(tl_dtype t, const uint8_t *block, int part) {
    if (is_scattered(t))
        vi_touch(block + part * (block_bytes(t) / 4), block_bytes(t) / 4);
}

/* ---- sums of x ---- */

/* What scales or minima are multiplied with: sums of x over sub-blocks, in pairs as bytes 0 and 2, or 1 and 3, of four scales have them. */
typedef struct x_sums {
    int32_t word[8];
} x_sums;

INL vi in_pairs(vi v) {
    return wasm_i16x8_shuffle(v, v, 0, 2, 1, 3, 4, 6, 5, 7);
}

INL void sums_of(tl_dtype t, const tl_x256 *x, x_sums *s) {
    vi a = vi_load(x->bsum), b = vi_load(x->bsum + 8);
    if (is_wide(t)) {
        vi_store(s->word, in_pairs(wasm_i16x8_narrow_i32x4(wasm_i32x4_extadd_pairwise_i16x8(a), wasm_i32x4_extadd_pairwise_i16x8(b))));
        return;
    }
    vi_store(s->word, in_pairs(a));
    vi_store(s->word + 4, in_pairs(b));
}

/* acc + the sum over four sub-blocks of a factor, one a byte, times the sum of x. */
INL vi with_sums(vi acc, vi factors, const x_sums *s, int four) {
    acc = vi_pairs(acc, vi_even(factors), vi_spread(&s->word[2 * four]));
    return vi_pairs(acc, vi_odd(factors), vi_spread(&s->word[2 * four + 1]));
}

/* The scales of a quad, four a word, and the sum over its sub-blocks of what is multiplied with sums of x: minima, or scales where values are centred. */
INL vi quad_sums(tl_dtype t, const uint8_t *p, const x_sums *xs, vi *sc) {
    vi sums = vi_set(0);
    UNROLL
    for (int f = 0; f < fours_of(t); f++) {
        vi mn;
        scales_of(t, p, f, &sc[f], &mn);
        sums = with_sums(sums, offset_of(t) ? sc[f] : mn, xs, f);
    }
    return sums;
}

/* S of values as they should stand, from that of unsigned ones and from quad_sums. */
INL vi centred(tl_dtype t, vi s, vi sums) {
    return offset_of(t) ? vi_sub(s, vi_mul(sums, vi_set(offset_of(t)))) : s;
}

/* ---- the float step ---- */

/* acc + what a super-block adds: s centred, sums those of minima times sums of x, head the block's f16 scales of this quad. */
INL vf add_block(tl_dtype t, vf acc, vi s, vi sums, vf d, vf m, vf dx) {
    vf v = v_from_int(s);
    if (offset_of(t))
        return v_add(acc, v_mul(v, v_mul(d, dx)));
    v = v_sub(v_mul(v, d), v_mul(v_from_int(sums), m));
    return v_add(acc, v_mul(v, dx));
}

INL vf scale_of(const uint8_t *block, int i) {
    return v_from_f16(block + 2 * VL * i);
}

INL vf min_of(tl_dtype t, const uint8_t *block, int i) {
    return offset_of(t) ? v_set(0.0f) : v_from_f16(block + 2 * TL_PANEL + 2 * VL * i);
}

#endif
