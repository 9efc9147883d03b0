/* panel.inl: the panel kernels of a NEON level: columns in tiles over strips (strip.inl and the level's tiles), the rest one by one, by
 * direct.inl, as rows as stored are, or, where the level defines REST, by the one below. LEAST_TILED: columns from which a strip pays. */

#ifndef REST
#define REST(block, name, type, at, panel, n, k) \
    for (int c = 0; c < (n); c++)                \
    direct_##block(type, y_of(at, c), panel, NULL, x##block##_of(at, c), k)
#define STORED(block, name, type)                                                                    \
    void TL_ISA(stored_##name)(float *y, const void *w, size_t w_stride, const void *x, int64_t k) { \
        const source rows = source_of(w, w_stride);                                                  \
        direct_##block(type, y, NULL, &rows, x, k);                                                  \
    }
#else
#define STORED(block, name, type)
#endif

/* A tile begins with what `from` holds, columns from_stride floats apart: zeros, then y. */
INL void panel_32(tl_dtype t, place at, const uint8_t *panel, int n_cols, int64_t k) {
    static const float zeros[TL_PANEL] = {0};
    strip w;
    for (int64_t b = 0; b < k / 32; b += RUNS) {
        int n = k / 32 - b < RUNS ? (int)(k / 32 - b) : RUNS;
        for (int r = 0; r < n; r++)
            fill_32(t, w.blocks + (size_t)r * strip_bytes(t), panel + (size_t)(b + r) * block_bytes(t));
        for (int c = 0; c < n_cols; c += TILE) {
            place p = moved_by(at, c, (size_t)b * sizeof(tl_x32));
            tile_32(t, p, b ? p.y : zeros, b ? p.y_stride : 0, w.blocks, n);
        }
    }
}

INL void panel_256(tl_dtype t, place at, const uint8_t *panel, int n_cols, int64_t k) {
    super_strip w;
    for (int c = 0; c < n_cols; c++)
        memset(y_of(at, c), 0, TL_PANEL * sizeof(float));
    for (int64_t b = 0; b < k / 256; b++) {
        const uint8_t *block = panel + (size_t)b * block_bytes(t);
        fill_256(t, &w, block);
        for (int c = 0; c < n_cols; c += TILE)
            tile_256(t, moved_by(at, c, (size_t)b * sizeof(tl_x256)), &w, block);
    }
}

#define PANEL(block, name, type)                                                                                                      \
    void TL_ISA(panel_##name)(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) { \
        int tiled = n_cols < LEAST_TILED ? 0 : n_cols / TILE * TILE;                                                                  \
        place at = {y, y_stride, x, x_stride};                                                                                        \
        if (tiled)                                                                                                                    \
            panel_##block(type, at, panel, tiled, k);                                                                                 \
        REST(block, name, type, moved_by(at, tiled, 0), panel, n_cols - tiled, k);                                                    \
    }                                                                                                                                 \
    STORED(block, name, type)

PANEL(32, q4_0, TL_Q4_0)
PANEL(32, q4_1, TL_Q4_1)
PANEL(32, q5_0, TL_Q5_0)
PANEL(32, q5_1, TL_Q5_1)
PANEL(32, q8_0, TL_Q8_0)
PANEL(256, q2_k, TL_Q2_K)
PANEL(256, q3_k, TL_Q3_K)
PANEL(256, q4_k, TL_Q4_K)
PANEL(256, q5_k, TL_Q5_K)
PANEL(256, q6_k, TL_Q6_K)
