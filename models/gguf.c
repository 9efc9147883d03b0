/* gguf.c: reads and checks the table of a GGUF file (header, keys, tensor records) from its first bytes. Files come from strangers: nothing
 * is believed before it is compared with the bytes that remain, and each refusal says file, key or tensor, byte offset, what was found,
 * what was expected and what to do.
 *
 * The table is walked twice. The first walk checks the format and adds up sizes without allocating anything, so a prefix that is too short
 * costs no more than the walk; the second fills tables of exactly those sizes, of at most TL_GGUF_INDEX_MAX bytes whatever a file claims.
 * Numbers are read byte by byte and lengths kept in 64 bits, so the machine's byte order, alignment and word size do not matter here. */
#include "models/gguf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DAMAGED "the file is damaged or was cut short: download or copy it again"
#define MISWRITTEN "the program that wrote the file is at fault, or the file is damaged: download it again or convert the model anew"

enum {
    GGUF_KEY_LEAST = 14,    /* bytes of the shortest key record: length, a letter, type, u8 */
    GGUF_TENSOR_LEAST = 33, /* of a tensor record: length, a letter, rank, a dimension, type, offset */
    GGUF_FIRST_WANT = 65536 /* prefixes grow from here */
};

/* A walk over the table: where it is, and what it is at, for messages. */
typedef struct gguf_walk {
    const uint8_t *bytes;
    size_t n; /* at hand */
    uint64_t file_bytes, at;
    const char *label;
    const char *kind;     /* "key", "tensor"; NULL: the header */
    uint64_t item, items; /* number of it */
    const uint8_t *name;  /* its name once that was read, else NULL */
    size_t name_n;
    uint64_t *want;
    tl_error *err;
    /* Sums of the first walk, from which the second allocates. */
    uint64_t names, marks, seed;
} gguf_walk;

int tl_gguf_value_bytes(unsigned type) {
    static const uint8_t bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < sizeof bytes ? bytes[type] : 0;
}

/* ---- messages ------------------------------------------------------------------------------------------------------------- */

/* "FILE: key 'x', byte 123: WHAT; FIX". */
static tl_status gguf_refuse(const gguf_walk *w, tl_status status, uint64_t at, const char *fix, const char *fmt, ...) TL_PRINTF(5, 6);
static tl_status gguf_refuse(const gguf_walk *w, tl_status status, uint64_t at, const char *fix, const char *fmt, ...) {
    char what[256], name[88], subject[128] = "";
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    if (w->kind && w->name)
        snprintf(subject, sizeof subject, "%s '%s', ", w->kind, tl_show_bytes(w->name, w->name_n, name, 72));
    else if (w->kind)
        snprintf(subject, sizeof subject, "%s %llu of %llu, ", w->kind, (unsigned long long)w->item + 1, (unsigned long long)w->items);
    return tl_fail(w->err, status, "%s: %sbyte %llu: %s; %s", w->label, subject, (unsigned long long)at, what, fix);
}

/* ---- bytes ---------------------------------------------------------------------------------------------------------------- */

/* Makes sure that `need` more bytes are at hand. TL_MORE where the file has them and the prefix has not: then asks for twice the prefix at
 * least, so that all walks together cost no more than two over the whole. */
static tl_status gguf_need(gguf_walk *w, uint64_t need, const char *what) {
    uint64_t left = w->file_bytes - w->at;
    if (need > left)
        return gguf_refuse(w, TL_ERR_FORMAT, w->at, DAMAGED, "%s needs %llu bytes, but only %llu are left of the file's %llu", what,
                           (unsigned long long)need, (unsigned long long)left, (unsigned long long)w->file_bytes);
    if (need <= w->n - w->at)
        return TL_OK;
    uint64_t want = w->at + need, twice = (uint64_t)w->n * 2;
    want = want > twice ? want : twice;
    want = want > GGUF_FIRST_WANT ? want : GGUF_FIRST_WANT;
    *w->want = want < w->file_bytes ? want : w->file_bytes;
    return TL_MORE;
}

static uint64_t gguf_number(gguf_walk *w, int bytes) {
    uint64_t v = tl_load_le(w->bytes + w->at, bytes);
    w->at += (uint64_t)bytes;
    return v;
}

/* A length and that many bytes. */
static tl_status gguf_string(gguf_walk *w, const char *what, uint64_t most, const uint8_t **s, size_t *n) {
    char text[64];
    tl_status status = gguf_need(w, 8, what);
    if (status != TL_OK)
        return status;
    uint64_t start = w->at, len = gguf_number(w, 8);
    if (len > most)
        return gguf_refuse(w, TL_ERR_FORMAT, start, MISWRITTEN, "%s has %llu bytes, expected at most %llu", what, (unsigned long long)len,
                           (unsigned long long)most);
    if (len > w->n - w->at) { /* words are made where they are needed: a vocabulary is 100,000 strings */
        snprintf(text, sizeof text, "%s of %llu bytes", what, (unsigned long long)len);
        return gguf_need(w, len, text);
    }
    *s = w->bytes + w->at;
    *n = (size_t)len;
    w->at += len;
    return TL_OK;
}

/* ---- header --------------------------------------------------------------------------------------------------------------- */

/* What a file that is no GGUF seems to be. */
static const struct gguf_lookalike {
    const char *magic;
    uint8_t at, n;
    const char *is;
} gguf_lookalikes[] = {
    {"version https://git-lf", 0, 22, "a git-lfs pointer, the model itself is elsewhere: run `git lfs pull`"},
    {"{", 8, 1, "a safetensors file: convert it with llama.cpp's convert_hf_to_gguf.py"},
    {"PK\3\4", 0, 4, "a zip archive, such as a PyTorch checkpoint: unpack or convert it"},
    {"\x80\2", 0, 2, "a Python pickle, such as an old PyTorch checkpoint: convert it with llama.cpp's convert_hf_to_gguf.py"},
    {"\x1f\x8b", 0, 2, "a gzip archive: unpack it"},
    {"\x28\xb5\x2f\xfd", 0, 4, "a zstd archive: unpack it"},
    {"lmgg", 0, 4, "an old GGML file, from before GGUF: get the model as GGUF"},
    {"fmgg", 0, 4, "an old GGMF file, from before GGUF: get the model as GGUF"},
    {"tjgg", 0, 4, "an old GGJT file, from before GGUF: get the model as GGUF"},
    {"algg", 0, 4, "an old GGLA adapter, from before GGUF: get it as GGUF"},
    {"FUGG", 0, 4, "a GGUF file with its bytes swapped: get the little-endian one"},
    {"\x89HDF", 0, 4, "an HDF5 file: convert it"},
    {"<", 0, 1, "a web page, so the download went wrong: use the link to the file itself"},
    {"{", 0, 1, "JSON, perhaps a server's error message: download the file again"},
    {"\0\0\0\0\0\0\0\0", 0, 8, "nothing but zeros, so a download that was not finished: download it again"},
};

static tl_status gguf_refuse_magic(const gguf_walk *w, size_t head) {
    const char *is = "no known kind of model file: give the path of a .gguf file";
    char found[64];
    for (size_t i = 0; i < sizeof gguf_lookalikes / sizeof *gguf_lookalikes; i++) {
        const struct gguf_lookalike *l = &gguf_lookalikes[i];
        if ((size_t)l->at + l->n <= head && memcmp(w->bytes + l->at, l->magic, l->n) == 0) {
            is = l->is;
            break;
        }
    }
    tl_show_bytes(w->bytes, head < 8 ? head : 8, found, sizeof found);
    return tl_fail(w->err, TL_ERR_FORMAT, "%s: not a GGUF file: byte 0: found '%s', expected 'GGUF'; it looks like %s", w->label, found,
                   is);
}

static tl_status gguf_version_check(const gguf_walk *w, uint32_t version) {
    if (version == 2 || version == 3)
        return TL_OK;
    if (version != 0 && (version & 0xFFFF) == 0)
        return gguf_refuse(w, TL_ERR_UNSUPPORTED, 4, "get a little-endian file of this model",
                           "the file is big-endian (version 0x%08lx), expected little-endian", (unsigned long)version);
    if (version == 1)
        return gguf_refuse(w, TL_ERR_UNSUPPORTED, 4, "get a newer file of this model, or convert the model anew",
                           "GGUF version 1 of August 2023, expected 2 or 3");
    if (version > 3 && version < 256)
        return gguf_refuse(w, TL_ERR_UNSUPPORTED, 4, "use a newer release of Tally, or another file", "GGUF version %lu, expected 2 or 3",
                           (unsigned long)version);
    return gguf_refuse(w, TL_ERR_FORMAT, 4, DAMAGED, "GGUF version %lu, expected 2 or 3", (unsigned long)version);
}

static tl_status gguf_header(gguf_walk *w, int *version, uint64_t *tensors, uint64_t *keys) {
    size_t head = w->file_bytes < TL_GGUF_HEADER ? (size_t)w->file_bytes : TL_GGUF_HEADER;
    if (w->file_bytes == 0)
        return tl_fail(w->err, TL_ERR_FORMAT, "%s: the file is empty (0 bytes), expected a GGUF file; download or copy it again", w->label);
    if (w->n < head)
        return gguf_need(w, head, "the header");
    if (head < 4 || memcmp(w->bytes, "GGUF", 4) != 0)
        return gguf_refuse_magic(w, head);
    tl_status s = gguf_need(w, TL_GGUF_HEADER, "the header");
    if (s != TL_OK)
        return s;
    w->at = 4;
    *version = (int)gguf_number(w, 4);
    s = gguf_version_check(w, (uint32_t)*version);
    if (s != TL_OK)
        return s;
    *tensors = gguf_number(w, 8);
    *keys = gguf_number(w, 8);
    uint64_t left = w->file_bytes - TL_GGUF_HEADER;
    if (*keys > left / GGUF_KEY_LEAST)
        return gguf_refuse(w, TL_ERR_FORMAT, 16, DAMAGED, "%llu keys, but the %llu bytes that follow hold at most %llu",
                           (unsigned long long)*keys, (unsigned long long)left, (unsigned long long)(left / GGUF_KEY_LEAST));
    left -= *keys * GGUF_KEY_LEAST;
    if (*tensors > left / GGUF_TENSOR_LEAST)
        return gguf_refuse(w, TL_ERR_FORMAT, 8, DAMAGED, "%llu tensors, but the %llu bytes that follow the keys hold at most %llu records",
                           (unsigned long long)*tensors, (unsigned long long)left, (unsigned long long)(left / GGUF_TENSOR_LEAST));
    return TL_OK;
}

/* ---- keys ----------------------------------------------------------------------------------------------------------------- */

static tl_status gguf_check_bools(const gguf_walk *w, uint64_t at, uint64_t count) {
    for (uint64_t i = 0; i < count; i++)
        if (w->bytes[at + i] > 1)
            return gguf_refuse(w, TL_ERR_FORMAT, at + i, MISWRITTEN, "a bool is %d, expected 0 or 1", w->bytes[at + i]);
    return TL_OK;
}

/* marks NULL: only counts. */
static tl_status gguf_strings(gguf_walk *w, uint64_t count, uint64_t *marks) {
    const uint8_t *text;
    size_t len;
    for (uint64_t i = 0; i < count; i++) {
        if (i % TL_GGUF_MARK == 0 && marks)
            marks[i / TL_GGUF_MARK] = w->at;
        tl_status s = gguf_string(w, "a string of the array", UINT64_MAX, &text, &len);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

static tl_status gguf_array(gguf_walk *w, tl_gguf_key_entry *k, uint64_t *marks) {
    tl_status s = gguf_need(w, 12, "an array's type and count");
    if (s != TL_OK)
        return s;
    uint64_t start = w->at;
    uint32_t elem = (uint32_t)gguf_number(w, 4);
    k->count = gguf_number(w, 8);
    k->value = w->at;
    if (elem == TL_GGUF_ARRAY)
        return gguf_refuse(w, TL_ERR_UNSUPPORTED, start, "remove the key from the file, or convert the model anew without it",
                           "an array of arrays, expected an array of numbers, bools or strings");
    if (elem > TL_GGUF_F64)
        return gguf_refuse(w, TL_ERR_FORMAT, start, DAMAGED, "array elements of type %lu, expected 0 to 12", (unsigned long)elem);
    k->elem = (uint8_t)elem;
    uint64_t left = w->file_bytes - w->at, size = elem == TL_GGUF_STRING ? 8 : (uint64_t)tl_gguf_value_bytes(elem);
    if (k->count > left / size)
        return gguf_refuse(w, TL_ERR_FORMAT, start + 4, DAMAGED, "an array of %llu %s, but the %llu bytes left hold at most %llu",
                           (unsigned long long)k->count, tl_gguf_value_type_name(elem), (unsigned long long)left,
                           (unsigned long long)(left / size));
    if (elem == TL_GGUF_STRING) {
        k->mark = w->marks;
        w->marks += k->count / TL_GGUF_MARK + (k->count % TL_GGUF_MARK != 0);
        return gguf_strings(w, k->count, marks ? marks + k->mark : NULL);
    }
    s = gguf_need(w, k->count * size, "the array");
    if (s == TL_OK && elem == TL_GGUF_BOOL)
        s = gguf_check_bools(w, w->at, k->count);
    if (s == TL_OK)
        w->at += k->count * size;
    return s;
}

static tl_status gguf_key_name(gguf_walk *w) {
    const uint8_t *name;
    size_t n;
    uint64_t start = w->at;
    tl_status s = gguf_string(w, "the key", TL_GGUF_KEY_MAX, &name, &n);
    if (s != TL_OK)
        return s;
    if (n == 0)
        return gguf_refuse(w, TL_ERR_FORMAT, start, MISWRITTEN, "the key is empty, expected 1 to %d letters", TL_GGUF_KEY_MAX);
    w->name = name;
    w->name_n = n;
    for (size_t i = 0; i < n; i++)
        if (name[i] < 0x20 || name[i] > 0x7E)
            return gguf_refuse(w, TL_ERR_FORMAT, start + 8 + i, MISWRITTEN, "the key holds byte 0x%02x, expected printable ASCII", name[i]);
    return TL_OK;
}

static tl_status gguf_key(gguf_walk *w, tl_gguf_key_entry *k, uint64_t *marks) {
    tl_status s = gguf_key_name(w);
    if (s == TL_OK)
        s = gguf_need(w, 4, "the value's type");
    if (s != TL_OK)
        return s;
    uint64_t start = w->at;
    uint32_t type = (uint32_t)gguf_number(w, 4);
    const uint8_t *text;
    size_t len;
    if (type > TL_GGUF_F64)
        return gguf_refuse(w, TL_ERR_FORMAT, start, DAMAGED, "a value of type %lu, expected 0 to 12", (unsigned long)type);
    *k = (tl_gguf_key_entry){.value = w->at, .type = (uint8_t)type};
    if (type == TL_GGUF_ARRAY)
        return gguf_array(w, k, marks);
    if (type == TL_GGUF_STRING)
        return gguf_string(w, "the string", UINT64_MAX, &text, &len);
    uint64_t size = (uint64_t)tl_gguf_value_bytes(type);
    s = gguf_need(w, size, "the value");
    if (s == TL_OK && type == TL_GGUF_BOOL)
        s = gguf_check_bools(w, w->at, 1);
    if (s == TL_OK)
        w->at += size;
    return s;
}

/* ---- tensors -------------------------------------------------------------------------------------------------------------- */

static tl_status gguf_tensor_name(gguf_walk *w) {
    const uint8_t *name;
    size_t n, len;
    uint64_t start = w->at;
    tl_status s = gguf_string(w, "the tensor's name", TL_GGUF_NAME_MAX, &name, &n);
    if (s != TL_OK)
        return s;
    if (n == 0)
        return gguf_refuse(w, TL_ERR_FORMAT, start, MISWRITTEN, "the tensor's name is empty, expected 1 to %d bytes", TL_GGUF_NAME_MAX);
    w->name = name;
    w->name_n = n;
    for (size_t i = 0; i < n; i += len) {
        len = tl_printable_char(name + i, n - i);
        if (len == 0)
            return gguf_refuse(w, TL_ERR_FORMAT, start + 8 + i, MISWRITTEN, "the tensor's name holds byte 0x%02x, expected printable UTF-8",
                               name[i]);
    }
    return TL_OK;
}

/* The dimensions, reversed into t->shape; the count of elements fits 63 bits. */
static tl_status gguf_dims(gguf_walk *w, tl_gguf_tensor *t, uint64_t *count) {
    tl_status s = gguf_need(w, 4, "the number of dimensions");
    if (s != TL_OK)
        return s;
    uint64_t start = w->at, rank = gguf_number(w, 4);
    if (rank == 0 || rank > TL_GGUF_DIMS_MAX)
        return gguf_refuse(w, TL_ERR_FORMAT, start, DAMAGED, "%llu dimensions, expected 1 to %d", (unsigned long long)rank,
                           TL_GGUF_DIMS_MAX);
    s = gguf_need(w, rank * 8, "the dimensions");
    if (s != TL_OK)
        return s;
    t->rank = (int)rank;
    *count = 1;
    for (int i = 0; i < TL_GGUF_DIMS_MAX; i++)
        t->shape[i] = 1;
    for (int i = 0; i < t->rank; i++) {
        uint64_t at = w->at, dim = gguf_number(w, 8);
        if (dim == 0 || dim > INT64_MAX)
            return gguf_refuse(w, TL_ERR_FORMAT, at, DAMAGED, "dimension %d is %llu, expected 1 to 2^63 - 1", i, (unsigned long long)dim);
        if (*count > (uint64_t)INT64_MAX / dim)
            return gguf_refuse(w, TL_ERR_FORMAT, at, DAMAGED, "dimension %d is %llu, with the ones before more than 2^63 elements", i,
                               (unsigned long long)dim);
        *count *= dim;
        t->shape[t->rank - 1 - i] = (int64_t)dim;
    }
    return TL_OK;
}

static tl_status gguf_type(gguf_walk *w, tl_gguf_tensor *t, uint64_t count) {
    uint64_t start = w->at;
    uint32_t type = (uint32_t)gguf_number(w, 4);
    unsigned block, bytes;
    const char *removed = tl_gguf_type_removed(type);
    if (removed)
        return gguf_refuse(w, TL_ERR_UNSUPPORTED, start, "get the model in a type of today, such as q4_0 or q4_k",
                           "type %lu (%s) was removed from the format", (unsigned long)type, removed);
    if (!tl_gguf_type_size(type, &block, &bytes))
        return gguf_refuse(w, TL_ERR_FORMAT, start, "the file is damaged, or newer than this release of Tally: get it in another type",
                           "unknown tensor type %lu, expected one of 0 to 42", (unsigned long)type);
    int64_t row = t->shape[t->rank - 1];
    if (row % (int64_t)block != 0)
        return gguf_refuse(w, TL_ERR_FORMAT, start, MISWRITTEN, "rows of %lld elements, expected a multiple of %u, the block of %s",
                           (long long)row, block, tl_gguf_type_name((int)type));
    if (count / block > UINT64_MAX / bytes)
        return gguf_refuse(w, TL_ERR_FORMAT, start, DAMAGED, "%llu elements of %s take more than 2^64 bytes", (unsigned long long)count,
                           tl_gguf_type_name((int)type));
    t->type = (int)type;
    t->bytes = count / block * bytes;
    if (!tl_dtype_of_gguf((int)type, &t->dtype))
        t->dtype = TL_N_DTYPES;
    return TL_OK;
}

/* t->offset is the offset as stored: from the start of the data. */
static tl_status gguf_tensor(gguf_walk *w, tl_gguf_tensor *t) {
    uint64_t count = 0;
    tl_status s = gguf_tensor_name(w);
    if (s == TL_OK)
        s = gguf_dims(w, t, &count);
    if (s == TL_OK)
        s = gguf_need(w, 12, "the tensor's type and offset");
    if (s == TL_OK)
        s = gguf_type(w, t, count);
    if (s == TL_OK)
        t->offset = gguf_number(w, 8);
    return s;
}

/* Makes t->offset one from the start of the file, inside the file with all of its bytes. The walk is behind the record. */
static tl_status gguf_place(gguf_walk *w, const tl_gguf *g, tl_gguf_tensor *t) {
    uint64_t relative = t->offset, at = w->at - 8;
    if (relative % g->alignment != 0)
        return gguf_refuse(w, TL_ERR_FORMAT, at, MISWRITTEN, "data offset %llu, expected a multiple of the alignment %llu",
                           (unsigned long long)relative, (unsigned long long)g->alignment);
    if (g->data_offset > g->file_bytes || relative > g->file_bytes - g->data_offset || t->bytes > g->file_bytes - g->data_offset - relative)
        return gguf_refuse(w, TL_ERR_FORMAT, at, DAMAGED, "its %llu bytes at %llu + %llu end beyond the file's %llu",
                           (unsigned long long)t->bytes, (unsigned long long)g->data_offset, (unsigned long long)relative,
                           (unsigned long long)g->file_bytes);
    t->offset = g->data_offset + relative;
    return TL_OK;
}

/* ---- the two walks -------------------------------------------------------------------------------------------------------- */

static void gguf_enter(gguf_walk *w, const char *kind, uint64_t item, uint64_t items) {
    w->kind = kind;
    w->item = item;
    w->items = items;
    w->name = NULL;
}

static void gguf_count_name(gguf_walk *w) {
    w->names += (uint64_t)w->name_n + 1;
    w->seed = tl_name_hash(w->seed, w->name, w->name_n);
}

/* Checks every record and adds up w->names, w->marks, w->seed. */
static tl_status gguf_first_walk(gguf_walk *w, uint64_t keys, uint64_t tensors) {
    tl_gguf_key_entry k;
    tl_gguf_tensor t = {0};
    tl_status s = TL_OK;
    for (uint64_t i = 0; s == TL_OK && i < keys; i++) {
        gguf_enter(w, "key", i, keys);
        s = gguf_key(w, &k, NULL);
        if (s == TL_OK)
            gguf_count_name(w);
    }
    for (uint64_t i = 0; s == TL_OK && i < tensors; i++) {
        gguf_enter(w, "tensor", i, tensors);
        s = gguf_tensor(w, &t);
        if (s == TL_OK)
            gguf_count_name(w);
    }
    w->kind = NULL;
    return s;
}

static tl_status gguf_allocate(const gguf_walk *w, tl_gguf *g, uint64_t keys, uint64_t tensors) {
    uint64_t key_index = tl_index_bytes(keys), tensor_index = tl_index_bytes(tensors);
    const uint64_t limit = TL_GGUF_INDEX_MAX;
    bool fits = key_index <= limit && tensor_index <= limit && w->names <= limit && w->marks <= limit; /* so the sum cannot wrap */
    uint64_t bytes = fits ? key_index + tensor_index + w->names + w->marks * sizeof *g->marks + keys * sizeof *g->keys +
                                tensors * (sizeof *g->tensors + sizeof(uint32_t))
                          : UINT64_MAX;
    if (bytes > limit)
        return tl_fail(w->err, TL_ERR_UNSUPPORTED,
                       "%s: %llu keys and %llu tensors with %llu bytes of names need more than %d MiB to list, "
                       "the most that a file may take; split the model or shorten its metadata",
                       w->label, (unsigned long long)keys, (unsigned long long)tensors, (unsigned long long)w->names,
                       TL_GGUF_INDEX_MAX >> 20);
    g->key_index.seed = g->tensor_index.seed = w->seed;
    g->keys = tl_alloc((size_t)keys * sizeof *g->keys);
    g->tensors = tl_alloc((size_t)tensors * sizeof *g->tensors);
    g->names = tl_alloc((size_t)w->names);
    g->marks = tl_alloc((size_t)w->marks * sizeof *g->marks);
    if (!g->keys || !g->tensors || !g->names || !g->marks)
        return tl_fail(w->err, TL_ERR_MEMORY, "%s: no memory to list %llu keys and %llu tensors", w->label, (unsigned long long)keys,
                       (unsigned long long)tensors);
    tl_status s = tl_index_reserve(&g->key_index, keys, w->err);
    return s == TL_OK ? tl_index_reserve(&g->tensor_index, tensors, w->err) : s;
}

/* Copies the name that the walk is at and enters it into the index. */
static tl_status gguf_enter_name(gguf_walk *w, tl_gguf *g, tl_name_index *index, const char **name) {
    char *copy = g->names + w->names;
    memcpy(copy, w->name, w->name_n);
    copy[w->name_n] = 0;
    w->names += (uint64_t)w->name_n + 1;
    int64_t twin = tl_index_add(index, copy, w->name_n);
    if (twin >= 0)
        return gguf_refuse(w, TL_ERR_FORMAT, (uint64_t)(w->name - w->bytes), MISWRITTEN, "the %s is there twice, as number %lld and %llu",
                           w->kind, (long long)twin + 1, (unsigned long long)w->item + 1);
    *name = copy;
    return TL_OK;
}

static tl_status gguf_fill_keys(gguf_walk *w, tl_gguf *g, uint64_t keys) {
    const char *name;
    tl_status s = TL_OK;
    for (uint64_t i = 0; s == TL_OK && i < keys; i++) {
        gguf_enter(w, "key", i, keys);
        s = gguf_key(w, &g->keys[i], g->marks);
        if (s == TL_OK)
            s = gguf_enter_name(w, g, &g->key_index, &name);
    }
    w->kind = NULL;
    return s;
}

static tl_status gguf_fill_tensors(gguf_walk *w, tl_gguf *g, uint64_t tensors) {
    tl_status s = TL_OK;
    for (uint64_t i = 0; s == TL_OK && i < tensors; i++) {
        tl_gguf_tensor *t = &g->tensors[i];
        gguf_enter(w, "tensor", i, tensors);
        s = gguf_tensor(w, t);
        if (s == TL_OK)
            s = gguf_enter_name(w, g, &g->tensor_index, &t->name);
        if (s == TL_OK)
            s = gguf_place(w, g, t);
    }
    w->kind = NULL;
    return s == TL_OK ? tl_gguf_check_overlap(g, w->err) : s;
}

/* general.alignment, and from it where the data begins. */
static tl_status gguf_settle_alignment(gguf_walk *w, tl_gguf *g, uint64_t table_bytes) {
    static const char key[] = "general.alignment";
    int64_t i = tl_gguf_find(g, key);
    g->alignment = TL_GGUF_ALIGN;
    if (i >= 0) {
        const tl_gguf_key_entry *k = &g->keys[i];
        w->kind = "key";
        w->name = (const uint8_t *)key;
        w->name_n = sizeof key - 1;
        if (k->type != TL_GGUF_U32)
            return gguf_refuse(w, TL_ERR_FORMAT, k->value, MISWRITTEN, "the alignment is of type %s, expected u32",
                               tl_gguf_value_type_name(k->type));
        g->alignment = tl_load_le(w->bytes + k->value, 4);
        if (!tl_gguf_align_ok(g->alignment))
            return gguf_refuse(w, TL_ERR_FORMAT, k->value, MISWRITTEN, "the alignment is %llu, expected a power of two from 8 to %d",
                               (unsigned long long)g->alignment, TL_GGUF_ALIGN_MAX);
        w->kind = NULL;
    }
    uint64_t rest = table_bytes % g->alignment, pad = rest > 0 ? g->alignment - rest : 0;
    g->data_offset = pad <= UINT64_MAX - table_bytes ? table_bytes + pad : UINT64_MAX;
    return TL_OK;
}

/* A part of a model that was split over several files lacks the other parts' tensors. */
static tl_status gguf_refuse_split(const gguf_walk *w, const tl_gguf *g) {
    int64_t count = 1, no = 0;
    tl_error ignored; /* keys of another meaning are the model's business */
    if (tl_gguf_get_int(g, "split.count", false, 0, INT64_MAX, &count, &ignored) != TL_OK || count <= 1)
        return TL_OK;
    if (tl_gguf_get_int(g, "split.no", false, 0, INT64_MAX, &no, &ignored) != TL_OK)
        no = 0;
    return tl_fail(w->err, TL_ERR_UNSUPPORTED,
                   "%s: key 'split.count': this is part %lld of a model split into %lld files, expected one "
                   "file; merge them with `llama-gguf-split --merge FIRST-PART MERGED.gguf` and load that",
                   w->label, (long long)no + 1, (long long)count);
}

tl_status tl_gguf_read_table(tl_gguf *g, const uint8_t *bytes, size_t n, uint64_t *want, tl_error *err) {
    gguf_walk w = {.bytes = bytes, .n = n, .file_bytes = g->file_bytes, .label = g->label, .want = want, .err = err};
    uint64_t keys = 0, tensors = 0;
    tl_status s = gguf_header(&w, &g->version, &tensors, &keys);
    if (s == TL_OK)
        s = gguf_first_walk(&w, keys, tensors);
    uint64_t table_bytes = w.at;
    if (s == TL_OK)
        s = gguf_allocate(&w, g, keys, tensors);
    if (s != TL_OK)
        return s;
    g->table = bytes;
    g->table_bytes = table_bytes;
    w.at = TL_GGUF_HEADER;
    w.names = w.marks = 0;
    s = gguf_fill_keys(&w, g, keys);
    if (s == TL_OK)
        s = gguf_settle_alignment(&w, g, table_bytes);
    if (s == TL_OK)
        s = gguf_refuse_split(&w, g);
    if (s == TL_OK)
        s = gguf_fill_tensors(&w, g, tensors);
    if (s == TL_OK && g->data_offset > g->file_bytes) /* a vocabulary without tensors may end right behind its table */
        g->data_offset = g->file_bytes;
    return s;
}
