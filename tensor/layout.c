/* layout.c: gives intervals of time places in one block of memory. Pure: it knows neither tensors nor plans, so it can be tested on
 * thousands of random patterns.
 *
 * Greedy by size: the largest interval is placed first, each at the lowest end of the smallest gap that fits between those placed
 * before it that are alive at the same time, or else on top of them. Large things fix the shape and small ones fill the holes.
 *
 * What lies at one offset is a *shelf*: its intervals are never alive together, so they stand in order of time and a search halves them.
 * A deep network is many intervals on few shelves; where all are alive at once, each has a shelf of its own and the work is quadratic. */
#include "tensor/layout.h"

#include <stdlib.h>
#include <string.h>

#include "tensor/graph.h"
#include "tensor/platform.h"

enum { OFFSET_ALIGN = 64 };

typedef struct layout_place {
    size_t end;
    int first, last;
} layout_place;

typedef struct layout_shelf {
    size_t offset;
    layout_place *places;
    int n, cap;
} layout_shelf;

typedef struct layout_shelves {
    layout_shelf *v; /* in order of offset */
    int n, cap;
} layout_shelves;

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

/* The first place that is still alive at time first or begins later. */
static int find_place(const layout_shelf *s, int first) {
    int low = 0, high = s->n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (s->places[middle].last < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The best offset for `bytes` from first to last. */
static size_t find_gap(const layout_shelves *all, size_t bytes, int first, int last) {
    size_t top = 0, best = 0, best_gap = SIZE_MAX; /* top: end of everything alive so far */
    for (int i = 0; i < all->n; i++) {
        const layout_shelf *s = &all->v[i];
        int k = find_place(s, first);
        if (k == s->n || s->places[k].first > last)
            continue;
        if (s->offset > top) {
            size_t gap = s->offset - top;
            if (gap >= bytes && gap < best_gap) {
                best = top;
                best_gap = gap;
            }
        }
        for (; k < s->n && s->places[k].first <= last; k++)
            if (s->places[k].end > top)
                top = s->places[k].end;
    }
    return best_gap < SIZE_MAX ? best : top;
}

/* The shelf at offset, a new one where there is none; NULL when out of memory. */
static layout_shelf *find_shelf(layout_shelves *all, size_t offset) {
    int i = all->n;
    while (i > 0 && all->v[i - 1].offset > offset)
        i--;
    if (i > 0 && all->v[i - 1].offset == offset)
        return &all->v[i - 1];
    if (!tl_grow((void **)&all->v, &all->cap, all->n, sizeof *all->v))
        return NULL;
    memmove(all->v + i + 1, all->v + i, (size_t)(all->n++ - i) * sizeof *all->v);
    all->v[i] = (layout_shelf){.offset = offset};
    return &all->v[i];
}

static bool put_place(layout_shelves *all, size_t offset, layout_place p) {
    layout_shelf *s = find_shelf(all, offset);
    if (!s || !tl_grow((void **)&s->places, &s->cap, s->n, sizeof *s->places))
        return false;
    int i = find_place(s, p.first);
    memmove(s->places + i + 1, s->places + i, (size_t)(s->n++ - i) * sizeof *s->places);
    s->places[i] = p;
    return true;
}

static tl_status layout_shared(tl_interval *v, int n, tl_interval **order, layout_shelves *shelves, size_t *total) {
    size_t all = 0;
    for (int i = 0; i < n; i++)
        order[i] = &v[i];
    qsort(order, (size_t)n, sizeof *order, interval_order);
    for (int i = 0; i < n && order[i]->bytes > 0; i++) {
        tl_interval *t = order[i];
        size_t bytes, end;
        if (!offset_round(t->bytes, &bytes))
            return TL_ERR_MEMORY;
        t->offset = find_gap(shelves, bytes, t->first, t->last);
        if (!tl_add_size(t->offset, bytes, &end) || !put_place(shelves, t->offset, (layout_place){end, t->first, t->last}))
            return TL_ERR_MEMORY;
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
    size_t order_bytes;
    if (!tl_mul_size((size_t)n, sizeof(tl_interval *), &order_bytes))
        return TL_ERR_MEMORY;
    tl_interval **order = tl_alloc(order_bytes);
    layout_shelves shelves = {NULL, 0, 0};
    tl_status s = order ? layout_shared(v, n, order, &shelves, total) : TL_ERR_MEMORY;
    for (int i = 0; i < shelves.n; i++)
        tl_free(shelves.v[i].places);
    tl_free(shelves.v);
    tl_free(order);
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
