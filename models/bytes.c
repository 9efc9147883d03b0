/* bytes.c: tl_text and tl_ids, the two growable results that functions of the model layer append to. Growth doubles, so that appending
 * is linear in total; a failed append leaves the buffer as it was. */
#include "models/gguf.h"

#include "tensor/platform.h"

#include <string.h>

enum { TEXT_FIRST = 64, IDS_FIRST = 32 };

/* The capacity that holds `used` items and `extra` more of `size` bytes each; 0 where that is no size. */
static size_t grown_capacity(size_t cap, size_t first, size_t used, size_t extra, size_t size) {
    size_t least, bytes;
    if (!tl_add_size(used, extra, &least) || !tl_mul_size(least, size, &bytes))
        return 0;
    size_t twice = cap > SIZE_MAX / size / 2 ? least : cap * 2;
    size_t want = twice > least ? twice : least;
    return want > first ? want : first;
}

tl_status tl_text_reserve(tl_text *t, size_t extra, tl_error *err) {
    if (t->cap > t->n && extra < t->cap - t->n)
        return TL_OK;
    size_t room = extra < SIZE_MAX ? extra + 1 : SIZE_MAX; /* 1: the terminator */
    size_t cap = grown_capacity(t->cap, TEXT_FIRST, t->n, room, 1);
    char *data = cap ? tl_realloc(t->data, cap) : NULL;
    if (!data)
        return tl_fail(err, TL_ERR_MEMORY, "no memory to append %llu bytes to a text of %llu", (unsigned long long)extra,
                       (unsigned long long)t->n);
    t->data = data;
    t->cap = cap;
    t->data[t->n] = 0;
    return TL_OK;
}

tl_status tl_text_append(tl_text *t, const char *bytes, size_t n, tl_error *err) {
    if (!t || (!bytes && n > 0))
        return tl_fail(err, TL_ERR_USAGE, "tl_text_append: needs a text and bytes to append");
    tl_status s = tl_text_reserve(t, n, err);
    if (s != TL_OK)
        return s;
    if (n > 0)
        memcpy(t->data + t->n, bytes, n);
    t->n += n;
    t->data[t->n] = 0;
    return TL_OK;
}

void tl_text_free(tl_text *t) {
    if (!t)
        return;
    tl_free(t->data);
    *t = (tl_text){0};
}

tl_status tl_ids_append(tl_ids *t, const int32_t *id, size_t n, tl_error *err) {
    if (!t || (!id && n > 0))
        return tl_fail(err, TL_ERR_USAGE, "tl_ids_append: needs a list and ids to append");
    if (n > t->cap - t->n) {
        size_t cap = grown_capacity(t->cap, IDS_FIRST, t->n, n, sizeof *id);
        int32_t *grown = cap ? tl_realloc(t->id, cap * sizeof *id) : NULL;
        if (!grown)
            return tl_fail(err, TL_ERR_MEMORY, "no memory to append %llu ids to a list of %llu", (unsigned long long)n,
                           (unsigned long long)t->n);
        t->id = grown;
        t->cap = cap;
    }
    if (n > 0)
        memcpy(t->id + t->n, id, n * sizeof *id);
    t->n += n;
    return TL_OK;
}

void tl_ids_free(tl_ids *t) {
    if (!t)
        return;
    tl_free(t->id);
    *t = (tl_ids){0};
}
