/* copy.inl: kernels of the copy driver (backends/cpu/copy.c): rows of other types to f32 and back, and the order of floats, written once over
 * the words of a level's vec.h. What a codec of tensor/quant.h gives, these give; types that are not here have the codec itself, from the
 * scalar level. */
#include <string.h>

#include "tensor/math.h"
#include "tensor/quant.h"

#define INL static inline __attribute__((always_inline))

#include "backends/cpu/isa/block_parts.inl"

INL uint16_t half_at(const void *p, int64_t i) {
    uint16_t h;
    memcpy(&h, (const uint8_t *)p + 2 * i, sizeof h);
    return h;
}

/* ---- to f32 ---- */

#define DECODE_HALVES(name, vector, scalar)                                                                                                \
    void TL_ISA(decode_##name)(const void *src, float *y, int64_t n) {                                                                     \
        int64_t i = 0;                                                                                                                     \
        for (; i + VL <= n; i += VL)                                                                                                       \
            v_store(y + i, vector((const uint8_t *)src + 2 * i));                                                                          \
        for (; i < n; i++)                                                                                                                 \
            y[i] = scalar(half_at(src, i));                                                                                                \
    }

DECODE_HALVES(f16, v_from_f16, tl_f16_to_f32)
DECODE_HALVES(bf16, v_from_bf16, tl_bf16_to_f32)

/* Integers i .. i + VL - 1 of a block of 32, centred where the type is; q are its bytes behind scale, minimum and fifth bits. */
INL vi integers(tl_dtype t, const uint8_t *q, uint32_t fifth, int i) {
    static const int32_t lane_bits[16] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
    if (t == TL_Q8_0)
        return vi_sub(vi_xor(vi_from_u8(q + i), vi_set(128)), vi_set(128));
    vi v = vi_from_u8(q + i % 16);
    v = i < 16 ? vi_and(v, vi_set(15)) : vi_shr(v, 4);
    if (t == TL_Q5_0 || t == TL_Q5_1) {
        vm has = vi_lt(vi_set(0), vi_and(vi_set((int32_t)(fifth >> i & 0xFFFF)), vi_load(lane_bits)));
        v = vi_or(v, v_bits(v_sel(has, v_real(vi_set(16)), v_real(vi_set(0)))));
    }
    return t == TL_Q4_0 ? vi_sub(v, vi_set(8)) : t == TL_Q5_0 ? vi_sub(v, vi_set(16)) : v;
}

/* Blocks of 32; t is a constant wherever this is inlined. */
INL void decode_blocks(tl_dtype t, const uint8_t *src, float *y, int64_t n) {
    const bool min = has_min(t), five = has_fifth(t);
    const size_t head = head_bytes(t) / TL_PANEL, bytes = block_bytes(t) / TL_PANEL;
    for (; n > 0; n -= 32, src += bytes, y += 32) {
        const vf d = v_set(tl_f16_to_f32(half_at(src, 0))), m = v_set(min ? tl_f16_to_f32(half_at(src, 1)) : 0.0f);
        uint32_t fifth = 0;
        if (five)
            memcpy(&fifth, src + head, 4);
        for (int i = 0; i < 32; i += VL) {
            vf v = v_mul(v_from_int(integers(t, src + head + (five ? 4 : 0), fifth, i)), d);
            v_store(y + i, min ? v_add(v, m) : v);
        }
    }
}

#define DECODE_BLOCKS(name, type)                                                                                                          \
    void TL_ISA(decode_##name)(const void *src, float *y, int64_t n) {                                                                     \
        decode_blocks(type, src, y, n);                                                                                                    \
    }

DECODE_BLOCKS(q4_0, TL_Q4_0)
DECODE_BLOCKS(q4_1, TL_Q4_1)
DECODE_BLOCKS(q5_0, TL_Q5_0)
DECODE_BLOCKS(q5_1, TL_Q5_1)
DECODE_BLOCKS(q8_0, TL_Q8_0)

/* Some bits of each of 32 bytes, worth `unit` each where they stand: a product, which is exact, brings them down, so that no shift is needed. */
typedef struct bits {
    const uint8_t *at;
    int32_t mask;
    float unit;
} bits;

INL bits bits_of(const uint8_t *at, int mask, int up, int worth) {
    return (bits){at, mask << up, (float)worth / (float)(1 << up)};
}

INL vf values_of(bits b, int i) {
    return v_mul(v_from_int(vi_and(vi_from_u8(b.at + i), vi_set(b.mask))), v_set(b.unit));
}

/* Where a super-block (tensor/quant_k.c) has the low bits of run r, 32 elements, and the high ones where it keeps them apart. */
INL bits low_bits(tl_dtype t, const uint8_t *block, int r) {
    switch (t) {
    case TL_Q2_K: return bits_of(block + 16 + r / 4 * 32, 3, r % 4 * 2, 1);
    case TL_Q3_K: return bits_of(block + 32 + r / 4 * 32, 3, r % 4 * 2, 1);
    case TL_Q4_K: return bits_of(block + 16 + r / 2 * 32, 15, r % 2 * 4, 1);
    case TL_Q5_K: return bits_of(block + 48 + r / 2 * 32, 15, r % 2 * 4, 1);
    default: return bits_of(block + r / 4 * 64 + r % 2 * 32, 15, r % 4 / 2 * 4, 1);
    }
}

INL bits high_bits(tl_dtype t, const uint8_t *block, int r) {
    switch (t) {
    case TL_Q3_K: return bits_of(block, 1, r, 4);
    case TL_Q5_K: return bits_of(block + 16, 1, r, 16);
    default: return bits_of(block + 128 + r / 4 * 32, 3, r % 4 * 2, 16);
    }
}

/* Scale and minimum of sub-block s, 16 elements. */
INL int scale_of(tl_dtype t, const uint8_t *block, int s, int *min) {
    const uint8_t *p = block + (t == TL_Q6_K ? 192 : t == TL_Q3_K ? 96 : t == TL_Q2_K ? 0 : 4);
    *min = 0;
    if (t == TL_Q6_K)
        return (int8_t)p[s];
    if (t == TL_Q3_K)
        return (p[s % 8] >> s / 8 * 4 & 15) + (p[8 + s % 4] >> s / 4 * 2 & 3) * 16 - 32;
    if (t == TL_Q2_K) {
        *min = p[s] >> 4;
        return p[s] & 15;
    }
    p += s / 2;
    if (s < 8) {
        *min = p[4] & 63;
        return p[0] & 63;
    }
    *min = (p[4] >> 4) + (p[0] >> 6) * 16;
    return (p[4] & 15) + (p[-4] >> 6) * 16;
}

/* Super-blocks of 256; t is a constant wherever this is inlined. */
INL void decode_super(tl_dtype t, const uint8_t *src, float *y, int64_t n) {
    const bool min = has_min(t), has_high = t == TL_Q3_K || t == TL_Q5_K || t == TL_Q6_K;
    const size_t bytes = block_bytes(t) / TL_PANEL, head = is_wide(t) ? 0 : bytes - head_bytes(t) / TL_PANEL;
    const float offset = t == TL_Q3_K ? 4 : t == TL_Q6_K ? 32 : 0;
    for (; n > 0; n -= 256, src += bytes) {
        const float d = tl_f16_to_f32(half_at(src + head, 0)), m = min ? tl_f16_to_f32(half_at(src + head, 1)) : 0.0f;
        for (int s = 0; s < 16; s++, y += 16) {
            const bits low = low_bits(t, src, s / 2), high = high_bits(t, src, s / 2);
            int sub_min;
            const vf scale = v_set(d * (float)scale_of(t, src, s, &sub_min)), less = v_set(m * (float)sub_min);
            for (int i = 0; i < 16; i += VL) {
                vf v = values_of(low, s % 2 * 16 + i);
                v = has_high ? v_add(v, values_of(high, s % 2 * 16 + i)) : v;
                v = v_mul(offset > 0 ? v_sub(v, v_set(offset)) : v, scale);
                v_store(y + i, min ? v_sub(v, less) : v);
            }
        }
    }
}

#define DECODE_SUPER(name, type)                                                                                                           \
    void TL_ISA(decode_##name)(const void *src, float *y, int64_t n) {                                                                     \
        decode_super(type, src, y, n);                                                                                                     \
    }

DECODE_SUPER(q2_k, TL_Q2_K)
DECODE_SUPER(q3_k, TL_Q3_K)
DECODE_SUPER(q4_k, TL_Q4_K)
DECODE_SUPER(q5_k, TL_Q5_K)
DECODE_SUPER(q6_k, TL_Q6_K)

/* ---- from f32 ---- */

/* As tl_f32_to_bf16. */
INL void v_to_bf16(void *p, vf x) {
    vi u = v_bits(x), even = vi_and(vi_shr(u, 16), vi_set(1)), r = vi_shr(vi_add(vi_add(u, vi_set(0x7FFF)), even), 16);
    vi quiet = vi_or(vi_shr(u, 16), vi_set(0x40));
    vi_store_16(p, v_bits(v_sel(v_eq(x, x), v_real(r), v_real(quiet))));
}

#define ENCODE_HALVES(name, vector, scalar)                                                                                                \
    void TL_ISA(encode_##name)(const float *x, void *dst, int64_t n) {                                                                     \
        int64_t i = 0;                                                                                                                     \
        for (; i + VL <= n; i += VL)                                                                                                       \
            vector((uint8_t *)dst + 2 * i, v_load(x + i));                                                                                 \
        for (; i < n; i++) {                                                                                                               \
            uint16_t h = scalar(x[i]);                                                                                                     \
            memcpy((uint8_t *)dst + 2 * i, &h, sizeof h);                                                                                  \
        }                                                                                                                                  \
    }

ENCODE_HALVES(f16, v_to_f16, tl_f32_to_f16)
ENCODE_HALVES(bf16, v_to_bf16, tl_f32_to_bf16)

/* ---- order ---- */

/* tl_order_key on lanes. */
INL vi vi_order_key(vf x) {
    vi u = v_bits(x), a = vi_and(u, vi_set(INT32_MAX));
    vf key = v_sel(vi_lt(u, vi_set(0)), v_real(vi_sub(vi_set(0), a)), v_real(a));
    return v_bits(v_sel(v_eq(x, x), key, v_real(vi_set(INT32_MIN))));
}

int64_t TL_ISA(first_above)(const float *x, int64_t from, int64_t n, int32_t key) {
    for (; from + 4 * VL <= n; from += 4 * VL) {
        vi a = vi_max(vi_order_key(v_load(x + from)), vi_order_key(v_load(x + from + VL)));
        vi b = vi_max(vi_order_key(v_load(x + from + 2 * VL)), vi_order_key(v_load(x + from + 3 * VL)));
        if (vi_top(vi_max(a, b)) > key)
            break;
    }
    while (from < n && tl_order_key(x[from]) <= key)
        from++;
    return from;
}

/* The largest key, then the first that has it. */
int64_t TL_ISA(argmax)(const float *x, int64_t n) {
    vi tops = vi_set(INT32_MIN);
    int64_t i = 0;
    for (; i + VL <= n; i += VL)
        tops = vi_max(tops, vi_order_key(v_load(x + i)));
    int32_t top = vi_top(tops);
    for (; i < n; i++)
        top = tl_order_key(x[i]) > top ? tl_order_key(x[i]) : top;
    return top == INT32_MIN ? 0 : TL_ISA(first_above)(x, 0, n, top - 1);
}
