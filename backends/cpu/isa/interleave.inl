/* interleave.inl: blocks of sixteen rows as stored become packed blocks, as pack.c has them, over the words of a level's vec.h: one after the
 * other for a panel (pack.inl), or each for a product that takes it at once (panels.inl). */
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

enum { ROOM = TL_PANEL * 210 }; /* bytes of the longest packed block */

/* Sixteen rows of a weight as stored. Those after them mostly lie right behind: memory is asked for them in the meantime, as many bytes as are
 * read, a line or a few at once, since a burst would fill the queue of misses. Asking is no reading: what lies beyond the weights is never
 * touched. */
typedef struct source {
    const uint8_t *row[TL_PANEL], *next;
} source;

INL source source_of(const void *w, size_t w_stride) {
    source s;
    for (int r = 0; r < TL_PANEL; r++)
        s.row[r] = (const uint8_t *)w + (size_t)r * w_stride;
    s.next = (const uint8_t *)w + TL_PANEL * w_stride;
    return s;
}

/* Block b of each row -> a packed block. What is left of the other bytes after whole 16s is moved with those before it; scale and minimum are
 * cut from the first or last 16 of the block. */
INL void interleave(tl_dtype t, uint8_t *packed, const source *s, size_t b) {
    const parts p = parts_of(t);
    const size_t at = b * p.bytes;
    const uint8_t *ask = s->next + at * TL_PANEL;
    for (int r = 0; r < TL_PANEL; r += VL) {
        uint8_t *groups = packed + p.head * TL_PANEL + 4 * r;
        vi g[4], head;
        vi_across(g, s->row + r, at + (p.head_at ? p.bytes - 16 : 0));
        head = !p.head_at ? g[0] : p.head == 2 ? vi_shr(g[3], 16) : g[3];
        vi_store_16(packed + 2 * r, head);
        if (p.head == 4)
            vi_store_16(packed + 2 * (TL_PANEL + r), vi_shr(head, 16));
        for (size_t i = 0; i < p.others; i += 16) {
            size_t from = i + 16 <= p.others ? i : p.others - 16;
            vi_across(g, s->row + r, at + p.others_at + from);
            for (size_t j = 0; j < 4; j++)
                vi_store(groups + (from + 4 * j) * TL_PANEL, g[j]);
            for (int line = 0; line < VL / 4; line++, ask += 64)
                __builtin_prefetch(ask);
        }
    }
    __builtin_prefetch(ask); /* as many bytes as scales and minima have */
}

/* Block b: of a packed panel, or of rows, packed into room [ROOM]. */
INL const uint8_t *block_at(tl_dtype t, const uint8_t *panel, const source *rows, size_t b, uint8_t *room) {
    if (!rows)
        return panel + b * parts_of(t).bytes * TL_PANEL;
    interleave(t, room, rows, b);
    return room;
}
