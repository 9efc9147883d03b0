/* pack.c: the packed layout of weights for linear layers: panels of 16 rows, interleaved so that one vector holds one k-step of all of
 * them. A block of the file has f16 scales (one, or with a minimum two) and other bytes in groups of 4. Per panel and block: the 16
 * scales side by side, the 16 minima, then group 0 of row 0, of row 1, ... of row 15, then group 1, in the order of the file. So a byte
 * keeps its elements and nothing grows but the padding of the last panel, whose rows decode to zero. All block types and all ISA
 * levels share it. */
#include <string.h>

#include "backends/cpu/cpu.h"

/* Where the scales of a block of the file lie (2 or 4 bytes: first, or last), and how many other bytes there are. */
typedef struct block_parts {
    size_t head_at, head, others_at, others;
} block_parts;

static block_parts parts_of(tl_dtype t) {
    const tl_dtype_info *d = tl_dtype_get(t);
    size_t head = d->kind == TL_KIND_SCALE_MIN || d->kind == TL_KIND_SUPER_MIN ? 4 : 2, others = (size_t)d->block_bytes - head;
    bool last = t == TL_Q2_K || t == TL_Q3_K || t == TL_Q6_K;
    return last ? (block_parts){others, head, 0, others} : (block_parts){0, head, head, others};
}

static int64_t blocks_of(const tl_tensor *t) {
    return tl_dim(t, -1) / tl_dtype_get(t->dtype)->block;
}

static size_t packed_bytes(const tl_tensor *t) {
    int64_t n = tl_dim(t, -2), panels = (n + TL_PANEL - 1) / TL_PANEL;
    return (size_t)(panels * TL_PANEL) * tl_row_bytes(t);
}

/* Address of 2-byte half h (0: scale, 1: minimum) and of 4-byte group g of row r in a packed block. */
static size_t half_at(size_t h, int r) {
    return (h * TL_PANEL + (size_t)r) * 2;
}

static size_t group_at(block_parts p, size_t g, int r) {
    return p.head * TL_PANEL + (g * TL_PANEL + (size_t)r) * 4;
}

/* Rows lane .. lane + n - 1 of a panel at once, so that a whole one is written from front to back. */
static inline void pack_lanes(block_parts p, char *panel, int lane, int n, const char *rows, size_t row_bytes, size_t blocks) {
    const size_t block = p.head + p.others;
    for (size_t b = 0; b < blocks; b++, rows += block, panel += block * TL_PANEL) {
        for (size_t h = 0; h < p.head / 2; h++)
            for (int r = 0; r < n; r++)
                memcpy(panel + half_at(h, lane + r), rows + (size_t)r * row_bytes + p.head_at + 2 * h, 2);
        for (size_t g = 0; g < p.others / 4; g++)
            for (int r = 0; r < n; r++)
                memcpy(panel + group_at(p, g, lane + r), rows + (size_t)r * row_bytes + p.others_at + 4 * g, 4);
    }
}

void tl_cpu_pack_row(tl_dtype t, void *panel, int lane, const void *row, int64_t k) {
    pack_lanes(parts_of(t), panel, lane, 1, row, 0, (size_t)(k / tl_dtype_get(t)->block));
}

static void pack(const tl_tensor *t, int64_t row0, int64_t row1, const void *src, void *dst) {
    size_t row_bytes = tl_row_bytes(t);
    const char *from = src;
    for (int64_t r = row0; r < row1;) {
        char *panel = (char *)dst + (size_t)(r / TL_PANEL) * row_bytes * TL_PANEL;
        int n = r % TL_PANEL == 0 && r + TL_PANEL <= row1 ? TL_PANEL : 1;
        if (n == TL_PANEL)
            pack_lanes(parts_of(t->dtype), panel, 0, TL_PANEL, from, row_bytes, (size_t)blocks_of(t));
        else
            tl_cpu_pack_row(t->dtype, panel, (int)(r % TL_PANEL), from, tl_dim(t, -1));
        r += n;
        from += (size_t)n * row_bytes;
    }
}

static void unpack_rows(const tl_tensor *t, int64_t row0, int64_t row1, const void *packed, void *dst) {
    block_parts p = parts_of(t->dtype);
    size_t block = p.head + p.others, blocks = (size_t)blocks_of(t), panel_bytes = block * blocks * TL_PANEL;
    char *to = dst;
    for (int64_t r = row0; r < row1; r++) {
        const char *panel = (const char *)packed + (size_t)(r / TL_PANEL) * panel_bytes;
        int lane = (int)(r % TL_PANEL);
        for (size_t b = 0; b < blocks; b++, to += block, panel += block * TL_PANEL) {
            for (size_t h = 0; h < p.head / 2; h++)
                memcpy(to + p.head_at + 2 * h, panel + half_at(h, lane), 2);
            for (size_t g = 0; g < p.others / 4; g++)
                memcpy(to + p.others_at + 4 * g, panel + group_at(p, g, lane), 4);
        }
    }
}

static const tl_layout panel16 = {"panel16", TL_PANEL, packed_bytes, pack, unpack_rows};

const tl_layout *tl_cpu_layout_of(tl_dtype t) {
    return tl_dtype_get(t)->block > 1 ? &panel16 : NULL;
}
