/* strip.inl: packed panels times many rows of activations, shared by the NEON levels: eight blocks of 32, or one super-block, are taken apart
 * once, into a strip that stays in the first cache, and then meet every tile of columns.
 *
 * A level's panel.c defines before it includes this: TILE, columns of a tile; put_run(dst, q, u): stores the 8 vectors that rows
 * 4 q .. 4 q + 3 have of 32 elements (u[g]: elements 4 g ..) into the 512 bytes of 16 rows, in the order that its products want;
 * put_ints(dst, q, v): one value of each of these rows. After it, the tiles: tile_32 and tile_256. */

enum { RUNS = 8, TWICE = 2 * TL_PANEL };

typedef struct strip {
    int8_t q[RUNS][32 * TL_PANEL];
    int32_t d[RUNS][TWICE], m[RUNS][TWICE]; /* bits of floats: blocks of 32; a level may want each value twice */
    int32_t sc[16][TWICE];                  /* super-blocks: scales of sub-blocks, wide or not */
    int8x16_t mn[16];                       /* minima of four sub-blocks, [quad * 4 + q] */
} strip;

INL void fill_32(tl_dtype t, strip *w, int run, const uint8_t *block) {
    const uint8_t *p = block + head_of_32(t);
#pragma GCC unroll 8
    for (int q = 0; q < 4; q++) {
        int8x16_t u[8];
        if (t == TL_Q8_0)
#pragma GCC unroll 8
            for (int g = 0; g < 8; g++)
                u[g] = vreinterpretq_s8_u8(group(p, g, q));
        else
#pragma GCC unroll 8
            for (int g = 0; g < 4; g++) {
                couple c = unpack_32(t, p, g, q, true);
                u[g] = c.a;
                u[g + 4] = c.b;
            }
        put_run(w->q[run], q, u);
        put_ints(w->d[run], q, vreinterpretq_s32_f32(halves(block, q)));
        if (has_min(t))
            put_ints(w->m[run], q, vreinterpretq_s32_f32(halves(block + 2 * TL_PANEL, q)));
    }
}

INL void fill_256(tl_dtype t, strip *w, const uint8_t *block) {
    const uint8_t *p = block + head_of_256(t);
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
            put_run(w->q[first_run(t, i)], q, a);
            put_run(w->q[second_run(t, i)], q, b);
        }
}

INL float32x4_t floats_at(const int32_t *bits) {
    return vreinterpretq_f32_s32(vld1q_s32(bits));
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
