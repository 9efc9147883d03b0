/* gguf_writer.c: makes GGUF version 3 files, little-endian, as llama.cpp reads and writes them: keys and tensors in the order in which they
 * were added, each tensor's data padded to the alignment. Keys are serialised as they are set; tensor data stays the caller's until the
 * file is written. Anything that the reader would refuse is refused here, when it is set. */
#include "models/gguf.h"

#include "tensor/arena.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { WRITER_NAME_MAX = TL_GGUF_NAME_MAX - 1 }; /* the format allows 64 bytes, llama.cpp 63 */

typedef struct writer_tensor {
    const char *name;
    const void *data;
    uint64_t bytes;
    int type, rank;
    int64_t shape[TL_GGUF_DIMS_MAX];
} writer_tensor;

struct tl_gguf_writer {
    tl_arena arena; /* names */
    tl_name_index keys, tensor_index;
    tl_text table; /* key records, as in the file */
    writer_tensor *tensors;
    size_t cap;
    uint64_t align;
};

tl_status tl_gguf_writer_new(tl_gguf_writer **w, tl_error *err) {
    if (!w)
        return tl_fail(err, TL_ERR_USAGE, "tl_gguf_writer_new: no place for the result");
    *w = tl_alloc(sizeof **w);
    if (!*w)
        return tl_fail(err, TL_ERR_MEMORY, "no memory for a GGUF writer");
    (*w)->align = TL_GGUF_ALIGN;
    return TL_OK;
}

void tl_gguf_writer_free(tl_gguf_writer *w) {
    if (!w)
        return;
    tl_arena_free(&w->arena);
    tl_index_free(&w->keys);
    tl_index_free(&w->tensor_index);
    tl_text_free(&w->table);
    tl_free(w->tensors);
    tl_free(w);
}

/* Enters a new name; what names: "key", "tensor". */
static tl_status writer_name(tl_gguf_writer *w, tl_name_index *index, const char *what, const char *name, tl_error *err) {
    char shown[80];
    size_t n = strlen(name);
    tl_show_bytes(name, n, shown, sizeof shown);
    if (tl_index_find(index, name, n) >= 0)
        return tl_fail(err, TL_ERR_USAGE, "GGUF writer: %s '%s' was set before; set each once", what, shown);
    if (index->n == index->cap) {
        tl_status s = tl_index_reserve(index, index->cap < 16 ? 16 : (uint64_t)index->cap * 2, err);
        if (s != TL_OK)
            return s;
    }
    const char *copy = tl_arena_copy(&w->arena, name, n);
    if (!copy)
        return tl_fail(err, TL_ERR_MEMORY, "GGUF writer: no memory for %s '%s'", what, shown);
    tl_index_add(index, copy, n);
    return TL_OK;
}

/* ---- keys ----------------------------------------------------------------------------------------------------------------- */

static void writer_put(tl_text *t, uint64_t v, int bytes) {
    tl_store_le(t->data + t->n, v, bytes);
    t->n += (size_t)bytes;
}

static void writer_put_bytes(tl_text *t, const void *bytes, size_t n) {
    if (n > 0)
        memcpy(t->data + t->n, bytes, n);
    t->n += n;
}

static bool writer_key_ok(const char *key) {
    size_t n = 0;
    for (; key[n]; n++)
        if (key[n] < 0x20 || key[n] > 0x7E || n == TL_GGUF_KEY_MAX)
            return false;
    return n > 0;
}

/* Begins a key's record and makes room for `bytes` bytes of value, so that nothing after this can fail. */
static tl_status writer_begin(tl_gguf_writer *w, const char *key, tl_gguf_type type, size_t bytes, tl_error *err) {
    char shown[80];
    if (!w || !key)
        return tl_fail(err, TL_ERR_USAGE, "GGUF writer: needs a writer and a key");
    if (!writer_key_ok(key))
        return tl_fail(err, TL_ERR_USAGE, "GGUF writer: key '%s' must be 1 to %d letters of printable ASCII",
                       tl_show_bytes(key, strlen(key), shown, sizeof shown), TL_GGUF_KEY_MAX);
    size_t n = strlen(key), record;
    if (!tl_add_size(bytes, n + 12, &record))
        return tl_fail(err, TL_ERR_MEMORY, "GGUF writer: the value of '%.64s' is too large", key);
    tl_status s = tl_text_reserve(&w->table, record, err);
    if (s == TL_OK)
        s = writer_name(w, &w->keys, "key", key, err);
    if (s != TL_OK)
        return s;
    writer_put(&w->table, n, 8);
    writer_put_bytes(&w->table, key, n);
    writer_put(&w->table, (uint64_t)type, 4);
    return TL_OK;
}

/* general.alignment is no mere value: it moves the data. */
static bool writer_is_alignment(const char *key) {
    return key && strcmp(key, "general.alignment") == 0;
}

static tl_status writer_misaligned(tl_error *err) {
    return tl_fail(err, TL_ERR_USAGE, "GGUF writer: 'general.alignment' must be u32 and a power of two from 8 to %d", TL_GGUF_ALIGN_MAX);
}

tl_status tl_gguf_set_int(tl_gguf_writer *w, const char *key, tl_gguf_type type, int64_t v, tl_error *err) {
    bool is_int = type == TL_GGUF_U8 || type == TL_GGUF_U16 || type == TL_GGUF_U32 || type == TL_GGUF_U64 || tl_gguf_is_signed(type);
    if (!is_int)
        return tl_fail(err, TL_ERR_USAGE, "GGUF writer: type %s of '%.128s' is no integer", tl_gguf_value_type_name(type), key ? key : "");
    int bytes = tl_gguf_value_bytes(type), bits = 8 * bytes;
    int64_t hi = bits == 64 ? INT64_MAX : tl_gguf_is_signed(type) ? ((int64_t)1 << (bits - 1)) - 1 : ((int64_t)1 << bits) - 1;
    int64_t lo = tl_gguf_is_signed(type) ? -hi - 1 : 0;
    if (v < lo || v > hi)
        return tl_fail(err, TL_ERR_USAGE, "GGUF writer: %lld does not fit the type %s of '%.128s'", (long long)v,
                       tl_gguf_value_type_name(type), key ? key : "");
    bool alignment = writer_is_alignment(key);
    if (alignment && (type != TL_GGUF_U32 || !tl_gguf_align_ok((uint64_t)v)))
        return writer_misaligned(err);
    tl_status s = writer_begin(w, key, type, (size_t)bytes, err);
    if (s != TL_OK)
        return s;
    writer_put(&w->table, (uint64_t)v, bytes);
    if (alignment)
        w->align = (uint64_t)v;
    return TL_OK;
}

tl_status tl_gguf_set_float(tl_gguf_writer *w, const char *key, tl_gguf_type type, double v, tl_error *err) {
    uint32_t low;
    uint64_t bits;
    if (type != TL_GGUF_F32 && type != TL_GGUF_F64)
        return tl_fail(err, TL_ERR_USAGE, "GGUF writer: type %s of '%.128s' is no float", tl_gguf_value_type_name(type), key ? key : "");
    if (writer_is_alignment(key))
        return writer_misaligned(err);
    volatile double wide = v; /* volatile: else the compiler may move the rounding out of the calls around it */
    uint64_t saved = tl_float_enter();
    volatile float rounded = (float)wide;
    tl_float_leave(saved);
    float f = rounded;
    memcpy(&low, &f, sizeof low);
    memcpy(&bits, &v, sizeof bits);
    tl_status s = writer_begin(w, key, type, (size_t)tl_gguf_value_bytes(type), err);
    if (s == TL_OK)
        writer_put(&w->table, type == TL_GGUF_F32 ? low : bits, tl_gguf_value_bytes(type));
    return s;
}

tl_status tl_gguf_set_bool(tl_gguf_writer *w, const char *key, bool v, tl_error *err) {
    if (writer_is_alignment(key))
        return writer_misaligned(err);
    tl_status s = writer_begin(w, key, TL_GGUF_BOOL, 1, err);
    if (s == TL_OK)
        writer_put(&w->table, v, 1);
    return s;
}

tl_status tl_gguf_set_string(tl_gguf_writer *w, const char *key, const char *v, size_t n, tl_error *err) {
    size_t bytes;
    if ((!v && n > 0) || writer_is_alignment(key))
        return v ? writer_misaligned(err) : tl_fail(err, TL_ERR_USAGE, "GGUF writer: no string for '%.128s'", key ? key : "");
    if (!tl_add_size(n, 8, &bytes))
        return tl_fail(err, TL_ERR_MEMORY, "GGUF writer: the value of '%.128s' is too large", key ? key : "");
    tl_status s = writer_begin(w, key, TL_GGUF_STRING, bytes, err);
    if (s != TL_OK)
        return s;
    writer_put(&w->table, n, 8);
    writer_put_bytes(&w->table, v, n);
    return TL_OK;
}

tl_status tl_gguf_set_array(tl_gguf_writer *w, const char *key, tl_gguf_type elem, const void *data, int64_t count, tl_error *err) {
    size_t each = (size_t)tl_gguf_value_bytes(elem), bytes, record;
    if (each == 0 || count < 0 || (!data && count > 0) || writer_is_alignment(key))
        return tl_fail(err, TL_ERR_USAGE, "GGUF writer: '%.128s' cannot be an array of %lld %s; strings go through tl_gguf_set_strings",
                       key ? key : "", (long long)count, tl_gguf_value_type_name(elem));
    if ((uint64_t)count > SIZE_MAX || !tl_mul_size((size_t)count, each, &bytes) || !tl_add_size(bytes, 12, &record))
        return tl_fail(err, TL_ERR_MEMORY, "GGUF writer: the value of '%.128s' is too large", key ? key : "");
    for (int64_t i = 0; elem == TL_GGUF_BOOL && i < count; i++)
        if (((const uint8_t *)data)[i] > 1)
            return tl_fail(err, TL_ERR_USAGE, "GGUF writer: element %lld of '%.128s' is %d, expected 0 or 1", (long long)i, key ? key : "",
                           ((const uint8_t *)data)[i]);
    tl_status s = writer_begin(w, key, TL_GGUF_ARRAY, record, err);
    if (s != TL_OK)
        return s;
    writer_put(&w->table, (uint64_t)elem, 4);
    writer_put(&w->table, (uint64_t)count, 8);
    writer_put_bytes(&w->table, data, bytes);
    return TL_OK;
}

tl_status tl_gguf_set_strings(tl_gguf_writer *w, const char *key, const tl_gguf_string *v, int64_t count, tl_error *err) {
    size_t record = 12;
    if (count < 0 || (!v && count > 0) || writer_is_alignment(key))
        return tl_fail(err, TL_ERR_USAGE, "GGUF writer: '%.128s' cannot be an array of %lld strings", key ? key : "", (long long)count);
    for (int64_t i = 0; i < count; i++) {
        if (!v[i].data && v[i].n > 0)
            return tl_fail(err, TL_ERR_USAGE, "GGUF writer: string %lld of '%.128s' is NULL", (long long)i, key ? key : "");
        if (!tl_add_size(record, 8, &record) || !tl_add_size(record, v[i].n, &record))
            return tl_fail(err, TL_ERR_MEMORY, "GGUF writer: the value of '%.128s' is too large", key ? key : "");
    }
    tl_status s = writer_begin(w, key, TL_GGUF_ARRAY, record, err);
    if (s != TL_OK)
        return s;
    writer_put(&w->table, TL_GGUF_STRING, 4);
    writer_put(&w->table, (uint64_t)count, 8);
    for (int64_t i = 0; i < count; i++) {
        writer_put(&w->table, v[i].n, 8);
        writer_put_bytes(&w->table, v[i].data, v[i].n);
    }
    return TL_OK;
}

/* ---- tensors -------------------------------------------------------------------------------------------------------------- */

static bool writer_name_ok(const char *name) {
    size_t n = 0, len;
    size_t total = strlen(name);
    for (; n < total; n += len) {
        len = tl_printable_char((const uint8_t *)name + n, total - n);
        if (len == 0)
            return false;
    }
    return n > 0 && n <= WRITER_NAME_MAX;
}

/* Bytes of a dense tensor; false where shape and type do not go together. */
static bool writer_size(const tl_dtype_info *d, int rank, const int64_t *shape, uint64_t *bytes) {
    uint64_t count = 1;
    for (int i = 0; i < rank; i++) {
        if (shape[i] <= 0 || count > (uint64_t)INT64_MAX / (uint64_t)shape[i])
            return false;
        count *= (uint64_t)shape[i];
    }
    *bytes = count / (uint64_t)d->block * (uint64_t)d->block_bytes;
    return shape[rank - 1] % d->block == 0 && count / (uint64_t)d->block <= (uint64_t)INT64_MAX / (uint64_t)d->block_bytes;
}

tl_status tl_gguf_add_tensor(tl_gguf_writer *w, const char *name, tl_dtype dtype, int rank, const int64_t *shape, const void *data,
                             tl_error *err) {
    char shown[80];
    const tl_dtype_info *d = tl_dtype_get(dtype);
    if (!w || !name || !shape || !data)
        return tl_fail(err, TL_ERR_USAGE, "tl_gguf_add_tensor: needs a writer, a name, a shape and data");
    tl_show_bytes(name, strlen(name), shown, sizeof shown);
    if (!writer_name_ok(name))
        return tl_fail(err, TL_ERR_USAGE, "GGUF writer: tensor '%s': a name must have 1 to %d bytes of printable UTF-8", shown,
                       WRITER_NAME_MAX);
    if (!d || rank < 1 || rank > TL_GGUF_DIMS_MAX)
        return tl_fail(err, TL_ERR_USAGE, "GGUF writer: tensor '%s': type %d and rank %d, expected a known type and 1 to %d axes", shown,
                       (int)dtype, rank, TL_GGUF_DIMS_MAX);
    writer_tensor t = {.data = data, .type = d->gguf, .rank = rank};
    memcpy(t.shape, shape, (size_t)rank * sizeof *shape);
    if (!writer_size(d, rank, shape, &t.bytes))
        return tl_fail(err, TL_ERR_USAGE,
                       "GGUF writer: tensor '%s': every axis must be positive, the last (%lld) a multiple of %d for %s, "
                       "and all of it less than 2^63 bytes",
                       shown, (long long)shape[rank - 1], d->block, d->name);
    if (w->tensor_index.n == w->cap) {
        size_t cap = w->cap < 16 ? 16 : w->cap * 2, bytes;
        writer_tensor *grown = tl_mul_size(cap, sizeof *grown, &bytes) ? tl_realloc(w->tensors, bytes) : NULL;
        if (!grown)
            return tl_fail(err, TL_ERR_MEMORY, "GGUF writer: no memory for tensor '%s'", shown);
        w->tensors = grown;
        w->cap = cap;
    }
    tl_status s = writer_name(w, &w->tensor_index, "tensor", name, err);
    if (s != TL_OK)
        return s;
    uint32_t i = w->tensor_index.n - 1;
    t.name = w->tensor_index.name[i];
    w->tensors[i] = t;
    return TL_OK;
}

/* ---- output --------------------------------------------------------------------------------------------------------------- */

/* Where bytes go: a file or a text. */
typedef struct writer_sink {
    FILE *file;
    tl_text *text;
    const char *path;
    uint64_t at;
    tl_error *err;
} writer_sink;

static tl_status writer_refused(const writer_sink *k, const char *did) {
    return tl_fail(k->err, TL_ERR_IO, "cannot %s '%.200s' (byte %llu): %s; is the disk full?", did, k->path, (unsigned long long)k->at,
                   strerror(errno));
}

static tl_status writer_emit(writer_sink *k, const void *bytes, uint64_t n) {
    if (n > SIZE_MAX)
        return tl_fail(k->err, TL_ERR_MEMORY, "GGUF writer: a tensor of %llu bytes cannot be in memory", (unsigned long long)n);
    if (n == 0)
        return TL_OK;
    if (k->file && fwrite(bytes, 1, (size_t)n, k->file) != n)
        return writer_refused(k, "write");
    k->at += n;
    return k->file ? TL_OK : tl_text_append(k->text, bytes, (size_t)n, k->err);
}

static tl_status writer_emit_number(writer_sink *k, uint64_t v, int bytes) {
    uint8_t le[8];
    tl_store_le(le, v, bytes);
    return writer_emit(k, le, (uint64_t)bytes);
}

static uint64_t writer_padding(const tl_gguf_writer *w, uint64_t bytes) {
    return (w->align - bytes % w->align) % w->align;
}

static tl_status writer_pad(const tl_gguf_writer *w, writer_sink *k) {
    static const uint8_t zeros[256];
    tl_status s = TL_OK;
    for (uint64_t left = writer_padding(w, k->at), n; s == TL_OK && left > 0; left -= n) {
        n = left < sizeof zeros ? left : sizeof zeros;
        s = writer_emit(k, zeros, n);
    }
    return s;
}

static tl_status writer_emit_record(writer_sink *k, const writer_tensor *t, uint64_t offset) {
    size_t n = strlen(t->name);
    tl_status s = writer_emit_number(k, n, 8);
    if (s == TL_OK)
        s = writer_emit(k, t->name, n);
    if (s == TL_OK)
        s = writer_emit_number(k, (uint64_t)t->rank, 4);
    for (int i = t->rank - 1; s == TL_OK && i >= 0; i--) /* the file's order is reversed */
        s = writer_emit_number(k, (uint64_t)t->shape[i], 8);
    if (s == TL_OK)
        s = writer_emit_number(k, (uint64_t)t->type, 4);
    return s == TL_OK ? writer_emit_number(k, offset, 8) : s;
}

static tl_status writer_emit_all(const tl_gguf_writer *w, writer_sink *k) {
    uint64_t n = w->tensor_index.n, offset = 0;
    tl_status s = writer_emit(k, "GGUF\3\0\0\0", 8);
    if (s == TL_OK)
        s = writer_emit_number(k, n, 8);
    if (s == TL_OK)
        s = writer_emit_number(k, w->keys.n, 8);
    if (s == TL_OK)
        s = writer_emit(k, w->table.data, w->table.n);
    for (uint64_t i = 0; s == TL_OK && i < n; i++) {
        s = writer_emit_record(k, &w->tensors[i], offset);
        uint64_t bytes = w->tensors[i].bytes, padded = bytes + writer_padding(w, bytes); /* bytes < 2^63 */
        if (offset > (uint64_t)INT64_MAX - padded)
            return tl_fail(k->err, TL_ERR_MEMORY, "GGUF writer: the tensors together have more than 2^63 bytes");
        offset += padded;
    }
    if (s == TL_OK)
        s = writer_pad(w, k);
    for (uint64_t i = 0; s == TL_OK && i < n; i++) {
        s = writer_emit(k, w->tensors[i].data, w->tensors[i].bytes);
        if (s == TL_OK)
            s = writer_pad(w, k);
    }
    return s;
}

tl_status tl_gguf_writer_bytes(tl_gguf_writer *w, tl_text *out, tl_error *err) {
    if (!w || !out)
        return tl_fail(err, TL_ERR_USAGE, "tl_gguf_writer_bytes: needs a writer and a text");
    size_t before = out->n;
    writer_sink k = {.text = out, .path = "", .err = err};
    tl_status s = writer_emit_all(w, &k);
    if (s != TL_OK && out->data) {
        out->n = before;
        out->data[before] = 0;
    }
    return s;
}

/* Writes the part file; it stays on failure, for the caller to remove. */
static tl_status writer_save_part(const tl_gguf_writer *w, const char *part, bool *made, tl_error *err) {
    writer_sink k = {.path = part, .err = err};
    k.file = fopen(part, "wb");
    *made = k.file != NULL;
    if (!k.file)
        return tl_fail(err, TL_ERR_IO, "cannot create '%.300s': %s", part, strerror(errno));
    tl_status s = writer_emit_all(w, &k);
    if (s == TL_OK && fflush(k.file) != 0)
        s = writer_refused(&k, "write");
    if (fclose(k.file) != 0 && s == TL_OK)
        s = writer_refused(&k, "close");
    return s;
}

tl_status tl_gguf_writer_save(tl_gguf_writer *w, const char *path, tl_error *err) {
    bool made;
    if (!w || !path || !*path)
        return tl_fail(err, TL_ERR_USAGE, "tl_gguf_writer_save: needs a writer and a path");
    if (tl_path_special(path)) /* the renaming at the end would put a file in its place */
        return tl_fail(err, TL_ERR_IO, "cannot write '%.300s': it is a directory, a device or a pipe; give the path of a regular file",
                       path);
    size_t n = strlen(path);
    char *part = tl_alloc(n + sizeof ".part");
    if (!part)
        return tl_fail(err, TL_ERR_MEMORY, "no memory to write '%.200s'", path);
    memcpy(part, path, n);
    memcpy(part + n, ".part", sizeof ".part");
    tl_status s = writer_save_part(w, part, &made, err);
    if (s == TL_OK && rename(part, path) != 0)
        s = tl_fail(err, TL_ERR_IO, "cannot rename '%.150s' to '%.150s': %s", part, path, strerror(errno));
    if (s != TL_OK && made)
        remove(part);
    tl_free(part);
    return s;
}
