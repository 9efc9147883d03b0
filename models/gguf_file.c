/* gguf_file.c: the life of a tl_gguf and where its bytes come from: a prefix (which it copies), a file (the table kept, tensor data mapped),
 * memory (borrowed), or callbacks (the table kept, tensor data read on demand). The table itself is read by gguf.c. */
#include "models/gguf.h"

#include <stdio.h>
#include <string.h>

enum { READER_FIRST = 256 << 10 }; /* most tables of small models fit; larger ones take a few rounds */

tl_status tl_gguf_new(tl_gguf **out, const char *path, uint64_t file_bytes, tl_error *err) {
    size_t n = path ? strlen(path) : 0;
    tl_gguf *g = tl_alloc(sizeof *g);
    char *copy = tl_alloc(n + 1);
    *out = NULL;
    if (!g || !copy) {
        tl_free(g);
        tl_free(copy);
        return tl_fail(err, TL_ERR_MEMORY, "no memory to open a GGUF file");
    }
    if (n > 0)
        memcpy(copy, path, n);
    g->path = copy;
    g->file_bytes = file_bytes;
    size_t room = sizeof g->label - 4;
    const char *tail = n > room ? path + n - room : copy; /* messages have little room, and a path's end tells most */
    while (n > room && ((unsigned char)*tail & 0xC0) == 0x80)
        tail++;
    snprintf(g->label, sizeof g->label, "%s%s", n > room ? "..." : "", n > 0 ? tail : "GGUF data");
    *out = g;
    return TL_OK;
}

void tl_gguf_free(tl_gguf *g) {
    if (!g)
        return;
    tl_index_free(&g->key_index);
    tl_index_free(&g->tensor_index);
    tl_free(g->keys);
    tl_free(g->tensors);
    tl_free(g->names);
    tl_free(g->marks);
    tl_free(g->owned);
    tl_free(g->path);
    tl_map_close(&g->map);
    tl_free(g);
}

/* Hands g over, or frees it. */
static tl_status gguf_finish(tl_gguf **out, tl_gguf *g, tl_status s) {
    if (s == TL_OK)
        *out = g;
    else
        tl_gguf_free(g);
    return s;
}

tl_status tl_gguf_parse(tl_gguf **out, const void *bytes, size_t n, uint64_t file_bytes, uint64_t *want, tl_error *err) {
    tl_gguf *g;
    uint64_t unused;
    if (out)
        *out = NULL;
    if (!out || (!bytes && n > 0) || n > file_bytes)
        return tl_fail(err, TL_ERR_USAGE, "tl_gguf_parse: needs a place for the result and the first bytes of a file, %llu of %llu given",
                       (unsigned long long)n, (unsigned long long)file_bytes);
    tl_status s = tl_gguf_new(&g, NULL, file_bytes, err);
    if (s != TL_OK)
        return s;
    s = tl_gguf_read_table(g, bytes, n, want ? want : &unused, err);
    if (s == TL_OK) {
        g->owned = tl_alloc((size_t)g->table_bytes);
        if (g->owned)
            g->table = memcpy(g->owned, bytes, (size_t)g->table_bytes);
        else
            s = tl_fail(err, TL_ERR_MEMORY, "%s: no memory to keep the table of %llu bytes", g->label, (unsigned long long)g->table_bytes);
    }
    return gguf_finish(out, g, s);
}

tl_status tl_gguf_from_memory(tl_gguf **out, const void *bytes, size_t n, tl_error *err) {
    tl_gguf *g;
    if (out)
        *out = NULL;
    if (!out || (!bytes && n > 0))
        return tl_fail(err, TL_ERR_USAGE, "tl_gguf_from_memory: needs a place for the result and the bytes of a file");
    tl_status s = tl_gguf_new(&g, NULL, n, err);
    if (s != TL_OK)
        return s;
    uint64_t want; /* never more than the whole file */
    g->file = bytes;
    return gguf_finish(out, g, tl_gguf_read_table(g, bytes, n, &want, err));
}

static tl_status gguf_call_reader(const tl_reader *r, uint64_t offset, void *dst, size_t n, tl_error *err) {
    tl_status s = r->read(r->ctx, offset, dst, n, err);
    if (s == TL_MORE)
        return tl_fail(err, TL_ERR_IO, "a reader of a GGUF file gave less than the %llu bytes from %llu on that it said it has",
                       (unsigned long long)n, (unsigned long long)offset);
    return s;
}

/* Reads growing prefixes until the table is complete. A prefix is read afresh rather than grown: that costs one more pass over the
 * table, and saves holding two copies of it. */
static tl_status gguf_from_callbacks(tl_gguf *g, const tl_reader *r, tl_error *err) {
    uint64_t want = r->bytes < READER_FIRST ? r->bytes : READER_FIRST;
    tl_status s = TL_MORE;
    while (s == TL_MORE) {
        uint64_t n = want;
        tl_free(g->owned);
        g->owned = n < SIZE_MAX ? tl_alloc((size_t)n) : NULL;
        if (!g->owned)
            return tl_fail(err, TL_ERR_MEMORY, "%s: no memory to read a table of %llu bytes or more", g->label, (unsigned long long)n);
        s = n > 0 ? gguf_call_reader(r, 0, g->owned, (size_t)n, err) : TL_OK;
        if (s == TL_OK)
            s = tl_gguf_read_table(g, g->owned, (size_t)n, &want, err);
    }
    if (s == TL_OK) {
        uint8_t *shrunk = tl_realloc(g->owned, (size_t)g->table_bytes);
        g->owned = shrunk ? shrunk : g->owned; /* where shrinking fails, the larger block serves as well */
        g->table = g->owned;
    }
    return s;
}

/* A reader of a map. */
static tl_status gguf_copy(void *map, uint64_t offset, void *dst, size_t n, tl_error *err) {
    (void)err;
    memcpy(dst, (const uint8_t *)((const tl_map *)map)->data + offset, n);
    return TL_OK;
}

/* The table is kept apart from the map: another program may write to the file while it is in use, and lengths that were checked must be
 * those that are read. */
tl_status tl_gguf_open(tl_gguf **out, const char *path, tl_error *err) {
    tl_gguf *g;
    tl_map map;
    if (out)
        *out = NULL;
    if (!out || !path)
        return tl_fail(err, TL_ERR_USAGE, "tl_gguf_open: needs a place for the result and a path");
    tl_status s = tl_map_open(&map, path, err);
    if (s != TL_OK)
        return s;
    s = tl_gguf_new(&g, path, map.bytes, err);
    if (s != TL_OK) {
        tl_map_close(&map);
        return s;
    }
    g->map = map;
    g->file = map.data;
    s = gguf_from_callbacks(g, &(tl_reader){&map, map.bytes, gguf_copy}, err);
    if (s == TL_OK)
        tl_gguf_drop(g, 0, g->table_bytes);
    return gguf_finish(out, g, s);
}

tl_status tl_gguf_from_reader(tl_gguf **out, const tl_reader *reader, tl_error *err) {
    tl_gguf *g;
    if (out)
        *out = NULL;
    if (!out || !reader || !reader->read)
        return tl_fail(err, TL_ERR_USAGE, "tl_gguf_from_reader: needs a place for the result and a reader");
    tl_status s = tl_gguf_new(&g, NULL, reader->bytes, err);
    if (s != TL_OK)
        return s;
    g->reader = *reader;
    return gguf_finish(out, g, gguf_from_callbacks(g, &g->reader, err));
}

/* Whether t may be one of g's: a tensor of another file could lead beyond the end of this one. */
static bool gguf_holds(const tl_gguf *g, const tl_gguf_tensor *t) {
    return t->offset <= g->file_bytes && t->bytes <= g->file_bytes - t->offset;
}

const void *tl_gguf_tensor_data(const tl_gguf *g, const tl_gguf_tensor *t) {
    return g && t && g->file && gguf_holds(g, t) ? g->file + t->offset : NULL;
}

tl_status tl_gguf_tensor_read(const tl_gguf *g, const tl_gguf_tensor *t, uint64_t offset, void *dst, size_t n, tl_error *err) {
    if (!g || !t || (!dst && n > 0))
        return tl_fail(err, TL_ERR_USAGE, "tl_gguf_tensor_read: needs a file, one of its tensors and memory");
    if (!gguf_holds(g, t))
        return tl_fail(err, TL_ERR_USAGE, "%s: tensor '%s' is another file's", g->label, t->name);
    if (offset > t->bytes || n > t->bytes - offset)
        return tl_fail(err, TL_ERR_RANGE, "%s: tensor '%s': bytes %llu to %llu were asked for, it has %llu", g->label, t->name,
                       (unsigned long long)offset, (unsigned long long)offset + n, (unsigned long long)t->bytes);
    if (!g->file && !g->reader.read)
        return tl_fail(err, TL_ERR_USAGE, "%s: tensor '%s': only the table was parsed, the data is fed to a model (tl_model_feed)",
                       g->label, t->name);
    if (n == 0)
        return TL_OK;
    if (!g->file)
        return gguf_call_reader(&g->reader, t->offset + offset, dst, n, err);
    memcpy(dst, g->file + t->offset + offset, n);
    return TL_OK;
}

void tl_gguf_drop(const tl_gguf *g, uint64_t offset, uint64_t n) {
    if (!g || !g->map.data || offset >= g->map.bytes)
        return;
    uint64_t left = g->map.bytes - offset;
    tl_map map = g->map;
    tl_map_drop(&map, (size_t)offset, (size_t)(n < left ? n : left));
}
