/* panel32.inl: packed panels of 32-blocks (backends/cpu/pack.c) times quantised rows, for the levels of WebAssembly. A vector holds 4
 * values of 4 rows. The level's panel.c says how such bytes are multiplied: PARTS vectors that split() makes of them, prepare(), which
 * gives the 4-byte steps of x in the same order, and step(), the sum with the products of one vector and one step.
 *
 * Many columns: a block of the panel is decoded once to a *strip* and multiplied by groups of COLUMNS columns, 8 rows at a time, which
 * fills the 16 registers of an x86. One column: straight from the panel. The float step follows quant.h operation by operation; m * bsum
 * has 11 + 12 bits, is exact, and may be fused. */
#define INL static inline __attribute__((always_inline))
enum { COLUMNS = 4, QUADS = TL_PANEL / VL, GROUPS = 8, STEPS = GROUPS * PARTS };

/* ---- facts of a type ---- */

INL bool has_min(tl_dtype type) {
    return type == TL_Q4_1 || type == TL_Q5_1;
}

INL bool has_fifth(tl_dtype type) {
    return type == TL_Q5_0 || type == TL_Q5_1;
}

INL size_t head_bytes(tl_dtype type) {
    return has_min(type) ? 64 : 32;
}

INL size_t block_bytes(tl_dtype type) {
    return head_bytes(type) + (type == TL_Q8_0 ? 512 : has_fifth(type) ? 320 : 256);
}

INL int offset_of(tl_dtype type) {
    return type == TL_Q4_0 ? 8 : type == TL_Q5_0 ? 16 : 0;
}

/* ---- decoding ---- */

/* Four bits, one a byte, to bit 4 of that byte: x * 0x204081 puts bit i of a nibble at bit 8 i. */
INL vi fifth_bits(vi bits, int at) {
    vi nibble = vi_and(vi_shr(bits, at), vi_set(15));
    return vi_shl(vi_and(vi_mul(nibble, vi_set(0x204081)), vi_set(0x01010101)), 4);
}

/* Bytes of one quad of rows: elements 4 g .. 4 g + 3 and, where bytes hold two, 16 + 4 g .. 16 + 4 g + 3. Group 0 of Q5 holds the
 * fifth bits of all 32. */
INL void bytes_of(tl_dtype type, const uint8_t *quants, vi fifth, int g, vi *low, vi *high) {
    vi w = vi_load(quants + (size_t)(g + (has_fifth(type) ? 1 : 0)) * 4 * TL_PANEL);
    *low = type == TL_Q8_0 ? w : vi_bytes(w, 0, 15);
    *high = vi_bytes(w, 4, 15);
    if (has_fifth(type)) {
        *low = vi_or(*low, fifth_bits(fifth, 4 * g));
        *high = vi_or(*high, fifth_bits(fifth, 16 + 4 * g));
    }
}

/* Groups that a load of 4 bytes a row gives, and how many loads there are. */
INL int loads_of(tl_dtype type) {
    return type == TL_Q8_0 ? GROUPS : GROUPS / 2;
}

INL vi fifth_of(tl_dtype type, const uint8_t *quants) {
    return has_fifth(type) ? vi_load(quants) : vi_set(0);
}

/* ---- the float step: acc + what the integers of one block give, for 4 rows and one column ---- */

INL vf add_block(tl_dtype type, vf acc, vi sum, vf d, vf m, const tl_x32 *x) {
    vf dx = v_set(x->d);
    if (offset_of(type))
        sum = vi_sub(sum, vi_set(offset_of(type) * x->bsum));
    vf isum = v_from_int(sum);
    if (has_min(type))
        return v_add(acc, v_mul(v_fused(m, v_set((float)x->bsum), v_mul(isum, d)), dx));
    return v_add(acc, v_mul(isum, v_mul(d, dx)));
}

INL vf scale_of(const uint8_t *p, int quad) {
    return v_from_f16(p + 2 * VL * quad);
}

INL vf min_of(tl_dtype type, const uint8_t *p, int quad) {
    return has_min(type) ? v_from_f16(p + 2 * TL_PANEL + 2 * VL * quad) : v_set(0.0f);
}

/* ---- one column ---- */

INL void one_column(tl_dtype type, float *y, const uint8_t *p, const tl_x32 *x, int64_t k) {
    vf acc[QUADS];
    for (int i = 0; i < QUADS; i++)
        acc[i] = v_set(0.0f);
    for (int64_t b = 0; b < k / 32; b++, p += block_bytes(type)) {
        int32_t room[STEPS];
        const uint8_t *xs = prepare(&x[b], room);
        for (int i = 0; i < QUADS; i++) {
            const uint8_t *quants = p + head_bytes(type) + 4 * VL * i;
            vi sum = vi_set(0), low, high, part[PARTS];
            for (int g = 0; g < loads_of(type); g++) {
                bytes_of(type, quants, fifth_of(type, quants), g, &low, &high);
                split(low, part);
                for (int j = 0; j < PARTS; j++)
                    sum = step(sum, part[j], xs + 4 * (PARTS * g + j));
                if (type == TL_Q8_0)
                    continue;
                split(high, part);
                for (int j = 0; j < PARTS; j++)
                    sum = step(sum, part[j], xs + 4 * (PARTS * (g + 4) + j));
            }
            acc[i] = add_block(type, acc[i], sum, scale_of(p, i), min_of(type, p, i), &x[b]);
        }
    }
    for (int i = 0; i < QUADS; i++)
        v_store(y + VL * i, acc[i]);
}

/* ---- many columns ---- */

typedef struct strip {
    vi w[QUADS][STEPS];
    vf d[QUADS], m[QUADS];
} strip;

INL void fill_strip(tl_dtype type, strip *s, const uint8_t *p) {
    for (int i = 0; i < QUADS; i++) {
        const uint8_t *quants = p + head_bytes(type) + 4 * VL * i;
        vi low, high;
        s->d[i] = scale_of(p, i);
        s->m[i] = min_of(type, p, i);
        for (int g = 0; g < loads_of(type); g++) {
            bytes_of(type, quants, fifth_of(type, quants), g, &low, &high);
            split(low, &s->w[i][PARTS * g]);
            if (type != TL_Q8_0)
                split(high, &s->w[i][PARTS * (g + 4)]);
        }
    }
}

/* A strip times block b of C columns, added to y. */
INL void tile(tl_dtype type, int C, float *y, int64_t y_stride, const strip *s, const void *x, size_t x_stride, int64_t b) {
    const tl_x32 *block[COLUMNS];
    const uint8_t *xs[COLUMNS];
    int32_t room[COLUMNS][STEPS];
    for (int c = 0; c < C; c++) {
        block[c] = (const tl_x32 *)(const void *)((const char *)x + (size_t)c * x_stride) + b;
        xs[c] = prepare(block[c], room[c]);
    }
    for (int i = 0; i < QUADS; i += 2) {
        vi sum[2][COLUMNS];
        for (int c = 0; c < C; c++)
            sum[0][c] = sum[1][c] = vi_set(0);
        for (int j = 0; j < STEPS; j++)
            for (int c = 0; c < C; c++) {
                sum[0][c] = step(sum[0][c], s->w[i][j], xs[c] + 4 * j);
                sum[1][c] = step(sum[1][c], s->w[i + 1][j], xs[c] + 4 * j);
            }
        for (int c = 0; c < C; c++)
            for (int h = 0; h < 2; h++) {
                float *out = y + c * y_stride + VL * (i + h);
                v_store(out, add_block(type, v_load(out), sum[h][c], s->d[i + h], s->m[i + h], block[c]));
            }
    }
}

INL void columns(tl_dtype type, float *y, int64_t y_stride, const uint8_t *p, const void *x, size_t x_stride, int n_cols, int64_t k) {
    strip s;
    for (int c = 0; c < n_cols; c++)
        for (int i = 0; i < QUADS; i++)
            v_store(y + c * y_stride + VL * i, v_set(0.0f));
    for (int64_t b = 0; b < k / 32; b++, p += block_bytes(type)) {
        int c = 0;
        fill_strip(type, &s, p);
        for (; c + COLUMNS <= n_cols; c += COLUMNS)
            tile(type, COLUMNS, y + c * y_stride, y_stride, &s, (const char *)x + (size_t)c * x_stride, x_stride, b);
        for (; c < n_cols; c++)
            tile(type, 1, y + c * y_stride, y_stride, &s, (const char *)x + (size_t)c * x_stride, x_stride, b);
    }
}

#define PANEL(name, type)                                                                                                                  \
    void TL_ISA(panel_##name)(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) {      \
        if (n_cols >= COLUMNS) {                                                                                                           \
            columns(type, y, y_stride, panel, x, x_stride, n_cols, k);                                                                     \
            return;                                                                                                                        \
        }                                                                                                                                  \
        for (int c = 0; c < n_cols; c++)                                                                                                   \
            one_column(type, y + c * y_stride, panel, (const void *)((const char *)x + (size_t)c * x_stride), k);                          \
    }
