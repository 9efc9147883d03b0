/* interleave.inl: blocks of sixteen rows as stored become packed blocks, as pack.c has them, over the words of a level's vec.h: one after the
 * other for a panel (pack.inl), or each for a product that takes it at once (panels.inl). Behind block_parts.inl; t is a constant wherever
 * these are inlined. */

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
    const size_t bytes = block_bytes(t) / TL_PANEL, head_n = head_bytes(t) / TL_PANEL, others = bytes - head_n, at = b * bytes;
    const bool last = t == TL_Q2_K || t == TL_Q3_K || t == TL_Q6_K; /* where the file has scale and minimum */
    const uint8_t *ask = s->next + at * TL_PANEL;
    for (int r = 0; r < TL_PANEL; r += VL) {
        uint8_t *groups = packed + head_bytes(t) + 4 * r;
        vi g[4], head;
        vi_across(g, s->row + r, at + (last ? bytes - 16 : 0));
        head = !last ? g[0] : has_min(t) ? g[3] : vi_shr(g[3], 16);
        vi_store_16(packed + 2 * r, head);
        if (has_min(t))
            vi_store_16(packed + 2 * (TL_PANEL + r), vi_shr(head, 16));
        for (size_t i = 0; i < others; i += 16) {
            size_t from = i + 16 <= others ? i : others - 16;
            vi_across(g, s->row + r, at + (last ? 0 : head_n) + from);
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
        return panel + b * block_bytes(t);
    interleave(t, room, rows, b);
    return room;
}
