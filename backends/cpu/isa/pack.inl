/* pack.inl: sixteen rows of quantised weights as stored become a packed panel, as pack.c has it, written once over the words of a level's
 * vec.h. So weights that stay as stored need no products of their own: a panel is made where one is wanted, and multiplied like any other. */
#include "tensor/quant.h"

#define INL static inline __attribute__((always_inline))

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

INL void pack_rows(tl_dtype t, uint8_t *panel, const uint8_t *w, size_t w_stride, int64_t k) {
    const parts p = parts_of(t);
    const uint8_t *rows[TL_PANEL];
    for (int r = 0; r < TL_PANEL; r++)
        rows[r] = w + (size_t)r * w_stride;
    for (size_t b = 0; b < (size_t)k / (p.bytes > 34 ? 256 : 32); b++) {
        ask_ahead(w + TL_PANEL * w_stride + b * p.bytes * TL_PANEL, p.bytes * TL_PANEL);
        interleave(p, panel + b * p.bytes * TL_PANEL, rows, b * p.bytes);
    }
}

#define PACK(f, name, type)                                                   \
    void f##_##name(void *panel, const void *w, size_t w_stride, int64_t k) { \
        pack_rows(type, panel, w, w_stride, k);                               \
    }
TL_BLOCK_TYPES(PACK, TL_ISA(pack))
