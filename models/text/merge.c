/* merge.c: the loop that SPM and BPE share. Symbols form a chain over the text; a heap holds the pairs that may join, best first; joining
 * two makes at most two new pairs. A pair in the heap is stale once either side has grown or gone, which its length gives away: lengths
 * only grow, so left.len + right.len equals the recorded sum exactly as long as neither has changed. n symbols cost n log n. */
#include "models/text/text.h"

#include "tensor/platform.h"

enum { MERGE_ARITY = 4 }; /* children of a heap node: four share a cache line, and the heap of a long piece is far larger than the cache */

static bool merge_before(tl_pair a, tl_pair b) {
    return a.order < b.order || (a.order == b.order && a.left < b.left);
}

static tl_status merge_push(tl_merger *m, tl_pair pair, tl_error *err) {
    if (m->n_heap == m->cap_heap) {
        size_t cap = m->cap_heap == 0 ? 64 : 2 * m->cap_heap; /* at most 2 n pairs live: bytes stay far from SIZE_MAX */
        tl_pair *grown = tl_realloc(m->heap, cap * sizeof *grown);
        if (grown == NULL)
            return tl_fail(err, TL_ERR_MEMORY, "encode: out of memory for %lld pairs", (long long)cap);
        m->heap = grown;
        m->cap_heap = cap;
    }
    size_t i = m->n_heap++;
    while (i > 0 && merge_before(pair, m->heap[(i - 1) / MERGE_ARITY])) {
        m->heap[i] = m->heap[(i - 1) / MERGE_ARITY];
        i = (i - 1) / MERGE_ARITY;
    }
    m->heap[i] = pair;
    return TL_OK;
}

static tl_pair merge_pop(tl_merger *m) {
    tl_pair top = m->heap[0], last = m->heap[--m->n_heap];
    size_t i = 0, first;
    while ((first = MERGE_ARITY * i + 1) < m->n_heap) {
        size_t end = first + MERGE_ARITY < m->n_heap ? first + MERGE_ARITY : m->n_heap, best = first;
        for (size_t child = first + 1; child < end; child++)
            if (merge_before(m->heap[child], m->heap[best]))
                best = child;
        if (!merge_before(m->heap[best], last))
            break;
        m->heap[i] = m->heap[best];
        i = best;
    }
    m->heap[i] = last;
    return top;
}

/* Puts the pair that begins at `left` into the heap, where it may join. */
static tl_status merge_offer(tl_merger *m, int32_t left, tl_join_fn join, const void *ctx, tl_error *err) {
    if (left < 0 || m->symbols[left].next < 0)
        return TL_OK;
    const tl_symbol *l = &m->symbols[left], *r = &m->symbols[l->next];
    tl_pair pair = {0, l->len + r->len, left, -1};
    if (!join(ctx, l, r, &pair.order, &pair.id))
        return TL_OK;
    return merge_push(m, pair, err);
}

tl_status tl_merger_reserve(tl_merger *m, size_t n, tl_error *err) {
    if (n <= m->cap)
        return TL_OK;
    size_t bytes;
    tl_symbol *grown = tl_mul_size(n, sizeof *grown, &bytes) ? tl_realloc(m->symbols, bytes) : NULL;
    if (grown == NULL)
        return tl_fail(err, TL_ERR_MEMORY, "encode: out of memory for a text of %lld symbols", (long long)n);
    m->symbols = grown;
    m->cap = n;
    return TL_OK;
}

tl_status tl_merger_run(tl_merger *m, tl_join_fn join, const void *ctx, tl_error *err) {
    m->n_heap = 0;
    for (size_t i = 0; i < m->n; i++) {
        m->symbols[i].prev = (int32_t)i - 1;
        m->symbols[i].next = i + 1 < m->n ? (int32_t)i + 1 : -1;
    }
    tl_status s = TL_OK;
    for (size_t i = 0; i + 1 < m->n && s == TL_OK; i++)
        s = merge_offer(m, (int32_t)i, join, ctx, err);
    while (m->n_heap > 0 && s == TL_OK) {
        tl_pair pair = merge_pop(m);
        tl_symbol *l = &m->symbols[pair.left];
        if (l->len == 0 || l->next < 0 || l->len + m->symbols[l->next].len != pair.len)
            continue;
        tl_symbol *r = &m->symbols[l->next];
        l->len = pair.len;
        l->id = pair.id;
        l->next = r->next;
        r->len = 0;
        if (l->next >= 0)
            m->symbols[l->next].prev = pair.left;
        s = merge_offer(m, l->prev, join, ctx, err);
        if (s == TL_OK)
            s = merge_offer(m, pair.left, join, ctx, err);
    }
    return s;
}

void tl_merger_free(tl_merger *m) {
    tl_free(m->symbols);
    tl_free(m->heap);
    *m = (tl_merger){0};
}
