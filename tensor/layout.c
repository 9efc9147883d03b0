/* layout.c: gives intervals of time places in one block of memory. Pure: it knows neither tensors nor plans, so it can be tested on
 * thousands of random patterns.
 *
 * Greedy by size: the largest interval is placed first, each at the lowest end of the smallest gap that fits between those placed
 * before it that are alive at the same time, or else on top of them. Large things fix the shape and small ones fill the holes.
 * Quadratic in the number of intervals, with a loop of a few instructions inside: 5,000 take some tens of milliseconds. */
#include "tensor/layout.h"

#include <stdlib.h>

#include "tensor/platform.h"

enum { OFFSET_ALIGN = 64 };

typedef struct layout_place {
    size_t offset, end;
    int first, last;
} layout_place;

static bool offset_round(size_t bytes, size_t *out) {
    if (!tl_add_size(bytes, OFFSET_ALIGN - 1, out))
        return false;
    *out -= *out % OFFSET_ALIGN;
    return true;
}

/* Larger first, ties by first, then by index (which the addresses order): total, so the result does not hang on qsort's ways. */
static int interval_order(const void *pa, const void *pb) {
    const tl_interval *a = *(const tl_interval *const *)pa, *b = *(const tl_interval *const *)pb;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* The best offset for `bytes` from first to last. placed is ordered by offset. */
static size_t find_gap(const layout_place *placed, int n, size_t bytes, int first, int last) {
    size_t top = 0, best = 0, best_gap = SIZE_MAX; /* top: end of everything alive so far */
    for (int i = 0; i < n; i++) {
        if (placed[i].last < first || placed[i].first > last)
            continue;
        if (placed[i].offset > top) {
            size_t gap = placed[i].offset - top;
            if (gap >= bytes && gap < best_gap) {
                best = top;
                best_gap = gap;
            }
        }
        if (placed[i].end > top)
            top = placed[i].end;
    }
    return best_gap < SIZE_MAX ? best : top;
}

/* Keeps placed ordered by offset. */
static void place_insert(layout_place *placed, int n, layout_place p) {
    int i = n;
    for (; i > 0 && placed[i - 1].offset > p.offset; i--)
        placed[i] = placed[i - 1];
    placed[i] = p;
}

static tl_status layout_shared(tl_interval *v, int n, tl_interval **order, layout_place *placed, size_t *total) {
    size_t all = 0;
    int n_placed = 0;
    for (int i = 0; i < n; i++)
        order[i] = &v[i];
    qsort(order, (size_t)n, sizeof *order, interval_order);
    for (int i = 0; i < n && order[i]->bytes > 0; i++) {
        tl_interval *t = order[i];
        size_t bytes, end;
        if (!offset_round(t->bytes, &bytes))
            return TL_ERR_MEMORY;
        t->offset = find_gap(placed, n_placed, bytes, t->first, t->last);
        if (!tl_add_size(t->offset, bytes, &end))
            return TL_ERR_MEMORY;
        place_insert(placed, n_placed++, (layout_place){t->offset, end, t->first, t->last});
        all = end > all ? end : all;
    }
    *total = all;
    return TL_OK;
}

static tl_status layout_separate(tl_interval *v, int n, size_t *total) {
    size_t all = 0;
    for (int i = 0; i < n; i++) {
        size_t bytes;
        v[i].offset = v[i].bytes ? all : 0;
        if (!offset_round(v[i].bytes, &bytes) || !tl_add_size(all, bytes, &all))
            return TL_ERR_MEMORY;
    }
    *total = all;
    return TL_OK;
}

tl_status tl_layout_intervals(tl_interval *v, int n, bool reuse, size_t *total) {
    *total = 0;
    if (n < 0)
        return TL_ERR_USAGE;
    for (int i = 0; i < n; i++) {
        v[i].offset = 0;
        if (v[i].first > v[i].last)
            return TL_ERR_USAGE;
    }
    if (n == 0)
        return TL_OK;
    if (!reuse)
        return layout_separate(v, n, total);
    size_t order_bytes, placed_bytes;
    if (!tl_mul_size((size_t)n, sizeof(tl_interval *), &order_bytes) || !tl_mul_size((size_t)n, sizeof(layout_place), &placed_bytes))
        return TL_ERR_MEMORY;
    tl_interval **order = tl_alloc(order_bytes);
    layout_place *placed = tl_alloc(placed_bytes);
    tl_status s = order && placed ? layout_shared(v, n, order, placed, total) : TL_ERR_MEMORY;
    tl_free(order);
    tl_free(placed);
    return s;
}

/* The set alive changes to the larger only where an interval begins, so only those times are asked. */
size_t tl_layout_bound(const tl_interval *v, int n) {
    size_t most = 0;
    for (int i = 0; i < n; i++) {
        size_t sum = 0, bytes;
        for (int k = 0; k < n; k++) {
            if (v[k].first > v[i].first || v[k].last < v[i].first)
                continue;
            if (!offset_round(v[k].bytes, &bytes) || !tl_add_size(sum, bytes, &sum))
                return SIZE_MAX;
        }
        most = sum > most ? sum : most;
    }
    return most;
}
