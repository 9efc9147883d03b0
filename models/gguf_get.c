/* gguf_get.c: typed access to an accepted table: keys by number and by name, values checked for type and range, arrays, tensor records.
 * Nothing here trusts a value to be of the type that its name suggests. */
#include "models/gguf.h"

#include <stdio.h>
#include <string.h>

/* ---- raw values ----------------------------------------------------------------------------------------------------------- */

bool tl_gguf_is_signed(unsigned type) {
    return type == TL_GGUF_I8 || type == TL_GGUF_I16 || type == TL_GGUF_I32 || type == TL_GGUF_I64;
}

uint64_t tl_gguf_int_at(const uint8_t *p, unsigned type) {
    int bits = 8 * tl_gguf_value_bytes(type);
    uint64_t v = tl_load_le(p, bits / 8);
    if (tl_gguf_is_signed(type) && bits < 64 && v >> (bits - 1) & 1)
        v |= UINT64_MAX << bits;
    return v;
}

double tl_gguf_float_at(const uint8_t *p, unsigned type) {
    uint64_t bits = tl_load_le(p, tl_gguf_value_bytes(type));
    uint32_t low = (uint32_t)bits;
    float f;
    double d;
    memcpy(&f, &low, sizeof f);
    memcpy(&d, &bits, sizeof d);
    if (type == TL_GGUF_F64)
        return d;
    volatile float stored = f;         /* volatile: else the compiler may move the widening out of the calls around it */
    uint64_t saved = tl_float_enter(); /* a caller that flushes denormals must not change what a file says */
    volatile double wide = (double)stored;
    tl_float_leave(saved);
    return wide;
}

tl_gguf_string tl_gguf_string_at(const tl_gguf *g, uint64_t offset) {
    return (tl_gguf_string){(const char *)g->table + offset + 8, (size_t)tl_load_le(g->table + offset, 8)};
}

tl_gguf_string tl_gguf_string_of(const tl_gguf *g, const tl_gguf_key_entry *k, uint64_t i) {
    uint64_t at = g->marks[k->mark + i / TL_GGUF_MARK];
    for (uint64_t skip = i % TL_GGUF_MARK; skip > 0; skip--)
        at += 8 + tl_load_le(g->table + at, 8);
    return tl_gguf_string_at(g, at);
}

/* ---- keys by number ------------------------------------------------------------------------------------------------------- */

int64_t tl_gguf_keys(const tl_gguf *g) {
    return g ? g->key_index.n : 0;
}

static const tl_gguf_key_entry *gguf_key_at(const tl_gguf *g, int64_t i) {
    return i >= 0 && i < tl_gguf_keys(g) ? &g->keys[i] : NULL;
}

const char *tl_gguf_key(const tl_gguf *g, int64_t i) {
    return gguf_key_at(g, i) ? g->key_index.name[i] : NULL;
}

tl_gguf_type tl_gguf_key_type(const tl_gguf *g, int64_t i) {
    const tl_gguf_key_entry *k = gguf_key_at(g, i);
    return k ? (tl_gguf_type)k->type : TL_GGUF_U8;
}

int64_t tl_gguf_find(const tl_gguf *g, const char *key) {
    return g && key ? tl_index_find(&g->key_index, key, strlen(key)) : -1;
}

tl_gguf_type tl_gguf_array_type(const tl_gguf *g, int64_t i, int64_t *count) {
    const tl_gguf_key_entry *k = gguf_key_at(g, i);
    bool array = k && k->type == TL_GGUF_ARRAY;
    if (count)
        *count = array ? (int64_t)k->count : -1;
    return array ? (tl_gguf_type)k->elem : tl_gguf_key_type(g, i);
}

/* ---- typed getters -------------------------------------------------------------------------------------------------------- */

/* *k is NULL, with TL_OK, where the key is absent and may be. */
static tl_status gguf_look_up(const tl_gguf *g, const char *key, bool required, const char *wanted, const tl_gguf_key_entry **k,
                              tl_error *err) {
    *k = NULL;
    if (!g || !key)
        return tl_fail(err, TL_ERR_USAGE, "GGUF metadata: needs an opened file and a key");
    int64_t i = tl_gguf_find(g, key);
    if (i < 0 && required)
        return tl_fail(err, TL_ERR_FORMAT, "%s: key '%.128s' is missing, expected %s; the file is no complete model: convert it anew",
                       g->label, key, wanted);
    if (i >= 0)
        *k = &g->keys[i];
    return TL_OK;
}

static tl_status gguf_mistyped(const tl_gguf *g, const char *key, const tl_gguf_key_entry *k, const char *found, const char *wanted,
                               tl_error *err) {
    return tl_fail(err, TL_ERR_FORMAT, "%s: key '%.128s', byte %llu: found %s, expected %s; convert the model anew or correct the key",
                   g->label, key, (unsigned long long)k->value, found, wanted);
}

/* What an entry holds, for messages: "a string", "an array of 3 u32". */
static const char *gguf_found(const tl_gguf_key_entry *k, char *buf, size_t size) {
    if (k->type == TL_GGUF_ARRAY)
        snprintf(buf, size, "an array of %llu %s", (unsigned long long)k->count, tl_gguf_value_type_name(k->elem));
    else
        snprintf(buf, size, "a value of type %s", tl_gguf_value_type_name(k->type));
    return buf;
}

tl_status tl_gguf_get_int(const tl_gguf *g, const char *key, bool required, int64_t lo, int64_t hi, int64_t *out, tl_error *err) {
    const tl_gguf_key_entry *k;
    char wanted[64], found[64];
    snprintf(wanted, sizeof wanted, "an integer from %lld to %lld", (long long)lo, (long long)hi);
    tl_status s = gguf_look_up(g, key, required, wanted, &k, err);
    if (s != TL_OK || !k)
        return s;
    if (!out)
        return tl_fail(err, TL_ERR_USAGE, "tl_gguf_get_int: no place for the value of '%.128s'", key);
    bool is_float = k->type == TL_GGUF_F32 || k->type == TL_GGUF_F64;
    if (k->type == TL_GGUF_STRING || k->type == TL_GGUF_ARRAY || k->type == TL_GGUF_BOOL || is_float)
        return gguf_mistyped(g, key, k, gguf_found(k, found, sizeof found), wanted, err);
    uint64_t raw = tl_gguf_int_at(g->table + k->value, k->type);
    bool huge = !tl_gguf_is_signed(k->type) && raw > INT64_MAX;
    int64_t v;
    memcpy(&v, &raw, sizeof v);
    if (huge)
        snprintf(found, sizeof found, "%llu", (unsigned long long)raw);
    else
        snprintf(found, sizeof found, "%lld", (long long)v);
    if (huge || v < lo || v > hi)
        return gguf_mistyped(g, key, k, found, wanted, err);
    *out = v;
    return TL_OK;
}

/* The entry of a key that must have one type (or another, where that is given). */
static tl_status gguf_get_typed(const tl_gguf *g, const char *key, bool required, tl_gguf_type type, tl_gguf_type other, const char *wanted,
                                const void *out, const tl_gguf_key_entry **k, tl_error *err) {
    char found[64];
    tl_status s = gguf_look_up(g, key, required, wanted, k, err);
    if (s != TL_OK || !*k)
        return s;
    if (!out)
        return tl_fail(err, TL_ERR_USAGE, "GGUF metadata: no place for the value of '%.128s'", key);
    if ((*k)->type != type && (*k)->type != other)
        return gguf_mistyped(g, key, *k, gguf_found(*k, found, sizeof found), wanted, err);
    return TL_OK;
}

tl_status tl_gguf_get_float(const tl_gguf *g, const char *key, bool required, double *out, tl_error *err) {
    const tl_gguf_key_entry *k;
    tl_status s = gguf_get_typed(g, key, required, TL_GGUF_F32, TL_GGUF_F64, "a float", out, &k, err);
    if (s == TL_OK && k)
        *out = tl_gguf_float_at(g->table + k->value, k->type);
    return s;
}

tl_status tl_gguf_get_bool(const tl_gguf *g, const char *key, bool required, bool *out, tl_error *err) {
    const tl_gguf_key_entry *k;
    tl_status s = gguf_get_typed(g, key, required, TL_GGUF_BOOL, TL_GGUF_BOOL, "a bool", out, &k, err);
    if (s == TL_OK && k)
        *out = g->table[k->value] != 0;
    return s;
}

tl_status tl_gguf_get_string(const tl_gguf *g, const char *key, bool required, tl_gguf_string *out, tl_error *err) {
    const tl_gguf_key_entry *k;
    tl_status s = gguf_get_typed(g, key, required, TL_GGUF_STRING, TL_GGUF_STRING, "a string", out, &k, err);
    if (s == TL_OK && k)
        *out = tl_gguf_string_at(g, k->value);
    return s;
}

tl_status tl_gguf_get_array(const tl_gguf *g, const char *key, bool required, tl_gguf_type elem, int64_t want_count, const void **data,
                            int64_t *count, tl_error *err) {
    const tl_gguf_key_entry *k;
    char wanted[64], found[64];
    if (want_count < 0)
        snprintf(wanted, sizeof wanted, "an array of %s", tl_gguf_value_type_name(elem));
    else
        snprintf(wanted, sizeof wanted, "an array of %lld %s", (long long)want_count, tl_gguf_value_type_name(elem));
    tl_status s = gguf_look_up(g, key, required, wanted, &k, err);
    if (s != TL_OK || !k)
        return s;
    if (k->type != TL_GGUF_ARRAY || k->elem != (unsigned)elem || (want_count >= 0 && k->count != (uint64_t)want_count))
        return gguf_mistyped(g, key, k, gguf_found(k, found, sizeof found), wanted, err);
    if (data)
        *data = elem == TL_GGUF_STRING ? NULL : g->table + k->value;
    if (count)
        *count = (int64_t)k->count;
    return TL_OK;
}

tl_gguf_string tl_gguf_array_string(const tl_gguf *g, const char *key, int64_t i) {
    const tl_gguf_key_entry *k = gguf_key_at(g, tl_gguf_find(g, key));
    if (!k || k->type != TL_GGUF_ARRAY || k->elem != TL_GGUF_STRING || i < 0 || (uint64_t)i >= k->count)
        return (tl_gguf_string){"", 0};
    return tl_gguf_string_of(g, k, (uint64_t)i);
}

/* ---- tensors and facts ---------------------------------------------------------------------------------------------------- */

int64_t tl_gguf_tensors(const tl_gguf *g) {
    return g ? g->tensor_index.n : 0;
}

const tl_gguf_tensor *tl_gguf_tensor_at(const tl_gguf *g, int64_t i) {
    return i >= 0 && i < tl_gguf_tensors(g) ? &g->tensors[i] : NULL;
}

const tl_gguf_tensor *tl_gguf_tensor_find(const tl_gguf *g, const char *name) {
    return g && name ? tl_gguf_tensor_at(g, tl_index_find(&g->tensor_index, name, strlen(name))) : NULL;
}

int tl_gguf_version(const tl_gguf *g) {
    return g ? g->version : 0;
}

uint64_t tl_gguf_alignment(const tl_gguf *g) {
    return g ? g->alignment : 0;
}

uint64_t tl_gguf_data_offset(const tl_gguf *g) {
    return g ? g->data_offset : 0;
}

uint64_t tl_gguf_file_bytes(const tl_gguf *g) {
    return g ? g->file_bytes : 0;
}

const char *tl_gguf_path(const tl_gguf *g) {
    return g ? g->path : "";
}

uint64_t tl_gguf_comparisons(const tl_gguf *g) {
    if (!g)
        return 0;
    return atomic_load_explicit(&((tl_gguf *)g)->key_index.comparisons, memory_order_relaxed) +
           atomic_load_explicit(&((tl_gguf *)g)->tensor_index.comparisons, memory_order_relaxed);
}
