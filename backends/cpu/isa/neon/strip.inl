/* strip.inl: packed panels times many rows of activations, shared by the NEON levels: some blocks of 32, or one super-block, are taken apart
 * once, into a strip that stays in the first cache, and then meet every tile of columns.
 *
 * A level's panel.c defines before it includes this: TILE, columns of a tile; RAISED, by how many bits the values of Q4_0 stand higher in a
 * strip (4, which makes centring cheap, or 0); strip_bytes(t), what a block of 32 takes there, MOST_BYTES at most; order(u, n): turns n vectors of which u[g] holds elements
 * 4 g .. of four rows into those that its products want; put_block(t, dst, q, u, d, m): stores the 8 ordered vectors of rows
 * 4 q .. 4 q + 3 with their scales, and minima, into a block of the strip; for super-blocks put_run(dst, q, u): the same into the 512 bytes of 32
 * elements, and put_ints(dst, q, v): one value of each row. After it, the tiles: tile_32 and tile_256. */

enum { RUNS = 16, TWICE = 2 * TL_PANEL };

/* Blocks of 32, in a level's own order. */
typedef struct strip {
    _Alignas(16) int8_t blocks[RUNS * MOST_BYTES];
} strip;

typedef struct super_strip {
    int8_t q[8][32 * TL_PANEL];
    int32_t sc[16][TWICE]; /* scales of sub-blocks, wide or not; a level may want each value twice */
    int8x16_t mn[16];      /* minima of four sub-blocks, [quad * 4 + q] */
} super_strip;

/* 32 elements of rows 4 q .. 4 q + 3, ordered. Where two groups share bytes these are ordered before they are taken apart. */
INL void values_32(tl_dtype t, int8x16_t *u, const uint8_t *p, int q) {
    if (t == TL_Q4_0 || t == TL_Q4_1) {
#pragma GCC unroll 8
        for (int g = 0; g < 4; g++)
            u[g] = vreinterpretq_s8_u8(group(p, g, q));
        order(u, 4);
#pragma GCC unroll 8
        for (int g = 0; g < 4; g++) {
            uint8x16_t w = vreinterpretq_u8_s8(u[g]);
            if (t == TL_Q4_0 && RAISED > 0) { /* q - 8 is the nibble with its top bit turned, read with a sign */
                w = veorq_u8(w, vdupq_n_u8(0x88));
                u[g] = less(vshlq_n_u8(w, 4), 0);
                u[g + 4] = less(vandq_u8(w, vdupq_n_u8(0xF0)), 0);
            } else {
                u[g] = less(low_nibble(w), offset_of(t));
                u[g + 4] = less(vshrq_n_u8(w, 4), offset_of(t));
            }
        }
        return;
    }
#pragma GCC unroll 8
    for (int g = 0; g < 4; g++)
        if (t == TL_Q8_0) {
            u[g] = vreinterpretq_s8_u8(group(p, g, q));
            u[g + 4] = vreinterpretq_s8_u8(group(p, g + 4, q));
        } else {
            couple c = unpack_32(t, p, g, q, true);
            u[g] = c.a;
            u[g + 4] = c.b;
        }
    order(u, 8);
}

INL void fill_32(tl_dtype t, int8_t *dst, const uint8_t *block) {
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++) {
        int8x16_t u[8];
        values_32(t, u, block + head_bytes(t), q);
        put_block(t, dst, q, u, halves(block, q), halves(block + (has_min(t) ? 2 * TL_PANEL : 0), q));
    }
}

INL void fill_256(tl_dtype t, super_strip *w, const uint8_t *block) {
    const uint8_t *p = block + head_bytes(t);
    for (int quad = 0; quad < (is_wide(t) ? 2 : 4); quad++)
#pragma GCC unroll 8
        for (int q = 0; q < 4; q++) {
            couple f = scales_of(t, p, quad, q);
#pragma GCC unroll 8
            for (int j = 0; j < 4; j++)
                put_ints(w->sc[4 * quad + j], q, byte_of(f.a, j));
            w->mn[4 * quad + q] = f.b;
        }
    for (int i = 0; i < 4; i++)
#pragma GCC unroll 8
        for (int q = 0; q < 4; q++) {
            int8x16_t a[8], b[8];
#pragma GCC unroll 8
            for (int j = 0; j < 8; j++) {
                couple c = unpack_256(t, p, i, j, q, true);
                a[j] = c.a;
                b[j] = c.b;
            }
            order(a, 8);
            order(b, 8);
            put_run(w->q[first_run(t, i)], q, a);
            put_run(w->q[second_run(t, i)], q, b);
        }
}

/* Columns of x and of y that a tile works on: x at a block, so many bytes apart. */
typedef struct place {
    float *y;
    int64_t y_stride;
    const char *x;
    size_t x_stride;
} place;

INL const tl_x32 *x32_of(place at, int c) {
    return (const tl_x32 *)(const void *)(at.x + (size_t)c * at.x_stride);
}

INL const tl_x256 *x256_of(place at, int c) {
    return (const tl_x256 *)(const void *)(at.x + (size_t)c * at.x_stride);
}

INL float *y_of(place at, int c) {
    return at.y + c * at.y_stride;
}

INL place moved_by(place at, int columns, size_t x_bytes) {
    return (place){at.y + columns * at.y_stride, at.y_stride, at.x + (size_t)columns * at.x_stride + x_bytes, at.x_stride};
}
