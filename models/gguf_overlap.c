/* gguf_overlap.c: no two tensors of a file may share bytes. Files list their tensors in order as a rule, and then one pass tells;
 * others are sorted first, by a sort that no order of offsets makes slow. */
#include "models/gguf.h"

#include <string.h>

/* Heap sort of tensor numbers by offset: in place, n log n for any file. Only files that are out of order need it. */
static void gguf_sift(const tl_gguf_tensor *t, uint32_t *order, size_t root, size_t n) {
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && t[order[child]].offset < t[order[child + 1]].offset)
            child++;
        if (t[order[root]].offset >= t[order[child]].offset)
            return;
        uint32_t moved = order[root];
        order[root] = order[child];
        order[child] = moved;
    }
}

static void gguf_sort(const tl_gguf_tensor *t, uint32_t *order, size_t n) {
    for (size_t i = n / 2; i-- > 0;)
        gguf_sift(t, order, i, n);
    for (size_t end = n; end-- > 1;) {
        uint32_t largest = order[0];
        order[0] = order[end];
        order[end] = largest;
        gguf_sift(t, order, 0, end);
    }
}

static tl_status gguf_check_pair(const tl_gguf *g, const tl_gguf_tensor *a, const tl_gguf_tensor *b, tl_error *err) {
    char first[72], second[72];
    if (a->offset + a->bytes <= b->offset)
        return TL_OK;
    return tl_fail(err, TL_ERR_FORMAT,
                   "%s: tensors '%s' (bytes %llu to %llu) and '%s' (from byte %llu on) overlap; the program that wrote "
                   "the file is at fault, or the file is damaged: download it again or convert the model anew",
                   g->label, tl_show_bytes(a->name, strlen(a->name), first, sizeof first), (unsigned long long)a->offset,
                   (unsigned long long)(a->offset + a->bytes), tl_show_bytes(b->name, strlen(b->name), second, sizeof second),
                   (unsigned long long)b->offset);
}

tl_status tl_gguf_check_overlap(const tl_gguf *g, tl_error *err) {
    uint32_t n = g->tensor_index.n;
    const tl_gguf_tensor *t = g->tensors;
    uint32_t sorted = 1;
    while (sorted < n && t[sorted - 1].offset <= t[sorted].offset)
        sorted++;
    uint32_t *order = sorted < n ? tl_alloc(n * sizeof *order) : NULL;
    if (sorted < n && !order)
        return tl_fail(err, TL_ERR_MEMORY, "%s: no memory to sort %lu tensors", g->label, (unsigned long)n);
    for (uint32_t i = 0; order && i < n; i++)
        order[i] = i;
    if (order)
        gguf_sort(t, order, n);
    tl_status s = TL_OK;
    for (uint32_t i = 1; s == TL_OK && i < n; i++)
        s = gguf_check_pair(g, &t[order ? order[i - 1] : i - 1], &t[order ? order[i] : i], err);
    tl_free(order);
    return s;
}
