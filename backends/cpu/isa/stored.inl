/* stored.inl: quantised weight rows as stored times prepared rows of x, written once over the words of a level's vec.h and its panel
 * kernels. Block after block, up to TL_PANEL rows are interleaved into a small panel on the stack, as pack.c does it for good, and the
 * panel kernel multiplies that with the same block of every column; so a block is decoded once for all of them.
 *
 * A panel kernel starts its sums at +0, so for one block it gives that block's term, or +0 where the term is -0. A sum that started at +0
 * is never -0, and to any other -0 and +0 add alike: acc + term is the next sum of quant.h, bit for bit. */
#include <string.h>

#include "tensor/quant.h"

#define INL static inline __attribute__((always_inline))

enum { MOST_COLUMNS = 32, MOST_BLOCK_BYTES = 210 };

/* Where a block has its f16 scale, and minimum, and where its other bytes are. */
typedef struct parts {
    size_t bytes, head_at, head, others_at, others;
} parts;

/* t is a constant wherever this is inlined. */
INL parts parts_of(tl_dtype t) {
    parts p = {0};
    p.bytes = t == TL_Q4_0   ? 18
              : t == TL_Q4_1 ? 20
              : t == TL_Q5_0 ? 22
              : t == TL_Q5_1 ? 24
              : t == TL_Q8_0 ? 34
              : t == TL_Q2_K ? 84
              : t == TL_Q3_K ? 110
              : t == TL_Q4_K ? 144
              : t == TL_Q5_K ? 176
                             : 210;
    p.head = t == TL_Q4_1 || t == TL_Q5_1 || t == TL_Q2_K || t == TL_Q4_K || t == TL_Q5_K ? 4 : 2;
    p.others = p.bytes - p.head;
    p.head_at = t == TL_Q2_K || t == TL_Q3_K || t == TL_Q6_K ? p.others : 0;
    p.others_at = p.head_at ? 0 : p.head;
    return p;
}

/* The blocks `at` bytes from the start of TL_PANEL rows -> a packed block. What is left of the other bytes after whole 16s is moved with
 * those before it; scale and minimum are cut from the first or last 16 of the block. */
INL void interleave(parts p, uint8_t *panel, const uint8_t *const *rows, size_t at) {
    for (int r = 0; r < TL_PANEL; r += VL) {
        uint8_t *groups = panel + p.head * TL_PANEL + 4 * r;
        vi g[4], head;
        vi_across(g, rows + r, at + (p.head_at ? p.bytes - 16 : 0));
        head = !p.head_at ? g[0] : p.head == 2 ? vi_shr(g[3], 16) : g[3];
        vi_store_16(panel + 2 * r, head);
        if (p.head == 4)
            vi_store_16(panel + 2 * (TL_PANEL + r), vi_shr(head, 16));
        for (size_t i = 0; i < p.others; i += 16) {
            size_t from = i + 16 <= p.others ? i : p.others - 16;
            vi_across(g, rows + r, at + p.others_at + from);
            for (size_t j = 0; j < 4; j++)
                vi_store(groups + (from + 4 * j) * TL_PANEL, g[j]);
        }
    }
}

/* Rows mostly lie one behind the other, so the block at b of sixteen rows is as far from the next such as the rows are long: memory is asked
 * for what comes then, a line after the other. Asking is no reading: what lies beyond the weights is never touched. */
INL void ask_ahead(const uint8_t *p, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch(p + i);
}

/* n_rows <= TL_PANEL rows times n_cols <= MOST_COLUMNS columns. Rows that are missing are the last one again. */
INL void stored_tile(tl_dtype t, tl_fn_panel multiply, float *y, int64_t y_stride, const uint8_t *w, size_t w_stride, int n_rows,
                     const char *x, size_t x_stride, int n_cols, int64_t k) {
    const parts p = parts_of(t);
    const int64_t block = p.bytes > 34 ? 256 : 32;
    const size_t x_bytes = block == 256 ? sizeof(tl_x256) : sizeof(tl_x32);
    const uint8_t *rows[TL_PANEL];
    uint8_t panel[TL_PANEL * MOST_BLOCK_BYTES];
    float sum[MOST_COLUMNS * TL_PANEL], term[MOST_COLUMNS * TL_PANEL];
    for (int r = 0; r < TL_PANEL; r++)
        rows[r] = w + (size_t)(r < n_rows ? r : n_rows - 1) * w_stride;
    for (int64_t b = 0; b < k / block; b++, x += x_bytes) {
        ask_ahead(w + TL_PANEL * w_stride + (size_t)b * p.bytes * TL_PANEL, p.bytes * TL_PANEL);
        interleave(p, panel, rows, (size_t)b * p.bytes);
        multiply(b == 0 ? sum : term, TL_PANEL, panel, x, x_stride, n_cols, block);
        for (int i = 0; b > 0 && i < n_cols * TL_PANEL; i += VL)
            v_store(sum + i, v_add(v_load(sum + i), v_load(term + i)));
    }
    for (int c = 0; c < n_cols; c++)
        memcpy(y + c * y_stride, sum + c * TL_PANEL, (size_t)n_rows * sizeof *y);
}

#define STORED(name, type)                                                                                                                 \
    void TL_ISA(dot_##name)(float *y, int64_t y_stride, const void *w, size_t w_stride, int n_rows, const void *x, size_t x_stride,        \
                            int n_cols, int64_t k) {                                                                                       \
        for (int c = 0; c < n_cols; c += MOST_COLUMNS)                                                                                     \
            for (int r = 0; r < n_rows; r += TL_PANEL)                                                                                     \
                stored_tile(type, TL_ISA(panel_##name), y + c * y_stride + r, y_stride, (const uint8_t *)w + (size_t)r * w_stride,         \
                            w_stride, n_rows - r < TL_PANEL ? n_rows - r : TL_PANEL, (const char *)x + (size_t)c * x_stride, x_stride,     \
                            n_cols - c < MOST_COLUMNS ? n_cols - c : MOST_COLUMNS, k);                                                     \
    }

STORED(q4_0, TL_Q4_0)
STORED(q4_1, TL_Q4_1)
STORED(q5_0, TL_Q5_0)
STORED(q5_1, TL_Q5_1)
STORED(q8_0, TL_Q8_0)
STORED(q2_k, TL_Q2_K)
STORED(q3_k, TL_Q3_K)
STORED(q4_k, TL_Q4_K)
STORED(q5_k, TL_Q5_K)
STORED(q6_k, TL_Q6_K)
