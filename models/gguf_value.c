/* gguf_value.c: what a GGUF file holds as text for people: names of types, metadata values, and bytes made safe to print. A file's strings
 * are a stranger's: control characters would reach the terminal, so they are escaped everywhere, messages included. */
#include "models/gguf.h"

#include <stdio.h>
#include <string.h>

static const char *const gguf_value_names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                               "bool", "string", "array", "u64", "i64", "f64"};

const char *tl_gguf_value_type_name(unsigned type) {
    return type < sizeof gguf_value_names / sizeof *gguf_value_names ? gguf_value_names[type] : "unknown";
}

/* ---- tensor types that Tally lacks: their size is checked all the same (ggml.h, ggml-common.h of ggml 0.9) ---- */

static const struct gguf_foreign_type {
    const char *name;
    uint8_t type;
    uint16_t block, bytes;
} gguf_foreign_types[] = {
    {"q8_1", 9, 32, 36},    {"q8_k", 15, 256, 292}, {"iq2_xxs", 16, 256, 66}, {"iq2_xs", 17, 256, 74}, {"iq3_xxs", 18, 256, 98},
    {"iq1_s", 19, 256, 50}, {"iq4_nl", 20, 32, 18}, {"iq3_s", 21, 256, 110},  {"iq2_s", 22, 256, 82},  {"iq4_xs", 23, 256, 136},
    {"i64", 27, 1, 8},      {"f64", 28, 1, 8},      {"iq1_m", 29, 256, 56},   {"tq1_0", 34, 256, 54},  {"tq2_0", 35, 256, 66},
    {"mxfp4", 39, 32, 17},  {"nvfp4", 40, 64, 36},  {"q1_0", 41, 128, 18},    {"q2_0", 42, 64, 18},
};

static const struct gguf_removed_type {
    const char *name;
    uint8_t type;
} gguf_removed_types[] = {
    {"q4_2", 4},      {"q4_3", 5},        {"q4_0_4_4", 31},   {"q4_0_4_8", 32},
    {"q4_0_8_8", 33}, {"iq4_nl_4_4", 36}, {"iq4_nl_4_8", 37}, {"iq4_nl_8_8", 38},
};

static const struct gguf_foreign_type *gguf_foreign_find(unsigned type) {
    for (size_t i = 0; i < sizeof gguf_foreign_types / sizeof *gguf_foreign_types; i++)
        if (gguf_foreign_types[i].type == type)
            return &gguf_foreign_types[i];
    return NULL;
}

bool tl_gguf_type_size(unsigned type, unsigned *block, unsigned *bytes) {
    tl_dtype own;
    const struct gguf_foreign_type *f = gguf_foreign_find(type);
    if (type <= INT32_MAX && tl_dtype_of_gguf((int)type, &own)) {
        const tl_dtype_info *d = tl_dtype_get(own);
        *block = (unsigned)d->block;
        *bytes = (unsigned)d->block_bytes;
    } else if (f) {
        *block = f->block;
        *bytes = f->bytes;
    } else
        return false;
    return true;
}

const char *tl_gguf_type_removed(unsigned type) {
    for (size_t i = 0; i < sizeof gguf_removed_types / sizeof *gguf_removed_types; i++)
        if (gguf_removed_types[i].type == type)
            return gguf_removed_types[i].name;
    return NULL;
}

const char *tl_gguf_type_name(int type) {
    tl_dtype own;
    const struct gguf_foreign_type *f = type >= 0 ? gguf_foreign_find((unsigned)type) : NULL;
    if (tl_dtype_of_gguf(type, &own))
        return tl_dtype_get(own)->name;
    return f ? f->name : NULL;
}

/* ---- bytes ---- */

size_t tl_printable_char(const uint8_t *s, size_t n) {
    uint32_t cp = 0;
    int len = n > 0 ? tl_utf8_read((const char *)s, n, &cp) : 0;
    bool malformed = cp == 0xFFFD && len == 1;
    bool control = cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || cp == 0x2028 || cp == 0x2029; /* C0, C1 and the line separators */
    bool turns = (cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069);         /* reorders the text around it */
    return malformed || control || turns ? 0 : (size_t)len;
}

/* The printable form of what is at s, at most 4 bytes, into out; returns how many bytes of s it stands for. */
static size_t escape_char(const uint8_t *s, size_t n, bool quoted, char out[5], size_t *out_n) {
    static const char hex[] = "0123456789abcdef";
    const char *shorts = "\nn\rr\tt\\\\\"\"";
    size_t len = tl_printable_char(s, n);
    for (; *shorts; shorts += 2)
        if ((char)s[0] == shorts[0] && (s[0] != '"' || quoted)) {
            out[0] = '\\';
            out[1] = shorts[1];
            *out_n = 2;
            return 1;
        }
    if (len > 0) {
        memcpy(out, s, len);
        *out_n = len;
        return len;
    }
    out[0] = '\\';
    out[1] = 'x';
    out[2] = hex[s[0] >> 4];
    out[3] = hex[s[0] & 15];
    *out_n = 4;
    return 1;
}

const char *tl_show_bytes(const void *bytes, size_t n, char *buf, size_t size) {
    const uint8_t *s = bytes;
    size_t used = 0, at = 0;
    char c[5];
    while (at < n) {
        size_t c_n, step = escape_char(s + at, n - at, false, c, &c_n);
        bool last = at + step == n;
        if (used + c_n + (last ? 1 : 4) > size) { /* 4: the dots and the terminator */
            memcpy(buf + used, "...", 3);
            used += 3;
            break;
        }
        memcpy(buf + used, c, c_n);
        used += c_n;
        at += step;
    }
    buf[used] = 0;
    return buf;
}

static tl_status append_escaped(tl_text *out, tl_gguf_string s, bool quoted, tl_error *err) {
    tl_status status = tl_text_reserve(out, s.n, err); /* most strings need no escape */
    char c[5];
    for (size_t at = 0, c_n; status == TL_OK && at < s.n;) {
        at += escape_char((const uint8_t *)s.data + at, s.n - at, quoted, c, &c_n);
        status = tl_text_append(out, c, c_n, err);
    }
    return status;
}

/* ---- values ---- */

/* The shortest decimal that gives the same f32 again: 0.1, and not the 0.100000001 of its double. */
static const char *print_f32(double v, char buf[32]) {
    uint64_t saved = tl_float_enter();
    const char *text = buf;
    double back = 0;
    for (int digits = 6; digits <= 9; digits++) {
        text = tl_number_print(v, digits, buf);
        if (tl_number_parse(text, strlen(text), &back) && (double)(float)back == v)
            break;
    }
    tl_float_leave(saved);
    return text;
}

static tl_status append_number(tl_text *out, const uint8_t *p, unsigned type, tl_error *err) {
    char buf[32];
    const char *text = buf;
    if (type == TL_GGUF_BOOL)
        text = *p ? "true" : "false";
    else if (type == TL_GGUF_F32)
        text = print_f32(tl_gguf_float_at(p, type), buf);
    else if (type == TL_GGUF_F64)
        text = tl_number_print(tl_gguf_float_at(p, type), 17, buf);
    else if (tl_gguf_is_signed(type))
        snprintf(buf, sizeof buf, "%lld", (long long)tl_gguf_int_at(p, type));
    else
        snprintf(buf, sizeof buf, "%llu", (unsigned long long)tl_gguf_int_at(p, type));
    return tl_text_append(out, text, strlen(text), err);
}

static tl_status append_item(tl_text *out, const tl_gguf *g, const tl_gguf_key_entry *k, uint64_t offset, tl_error *err) {
    if (k->elem != TL_GGUF_STRING)
        return append_number(out, g->table + offset, k->elem, err);
    tl_status s = tl_text_append(out, "\"", 1, err);
    if (s == TL_OK)
        s = append_escaped(out, tl_gguf_string_at(g, offset), true, err);
    return s == TL_OK ? tl_text_append(out, "\"", 1, err) : s;
}

static tl_status append_array(tl_text *out, const tl_gguf *g, const tl_gguf_key_entry *k, int64_t max_items, tl_error *err) {
    uint64_t shown = max_items < 0 || (uint64_t)max_items > k->count ? k->count : (uint64_t)max_items, offset = k->value;
    tl_status s = tl_text_append(out, "[", 1, err);
    for (uint64_t i = 0; s == TL_OK && i < shown; i++) {
        if (i > 0)
            s = tl_text_append(out, ", ", 2, err);
        if (s == TL_OK)
            s = append_item(out, g, k, offset, err);
        offset += k->elem == TL_GGUF_STRING ? 8 + (uint64_t)tl_gguf_string_at(g, offset).n : (uint64_t)tl_gguf_value_bytes(k->elem);
    }
    if (s == TL_OK && shown < k->count) {
        char more[64];
        int n = snprintf(more, sizeof more, "%s... %llu more", shown > 0 ? ", " : "", (unsigned long long)(k->count - shown));
        s = tl_text_append(out, more, (size_t)n, err);
    }
    return s == TL_OK ? tl_text_append(out, "]", 1, err) : s;
}

tl_status tl_gguf_value_text(const tl_gguf *g, int64_t i, int64_t max_items, tl_text *out, tl_error *err) {
    if (!g || !out || i < 0 || i >= tl_gguf_keys(g))
        return tl_fail(err, TL_ERR_USAGE, "tl_gguf_value_text: there is no key number %lld, the file has %lld", (long long)i,
                       (long long)tl_gguf_keys(g));
    const tl_gguf_key_entry *k = &g->keys[i];
    size_t before = out->n;
    tl_status s;
    if (k->type == TL_GGUF_ARRAY)
        s = append_array(out, g, k, max_items, err);
    else if (k->type == TL_GGUF_STRING)
        s = append_escaped(out, tl_gguf_string_at(g, k->value), false, err);
    else
        s = append_number(out, g->table + k->value, k->type, err);
    if (s != TL_OK && out->data) { /* all or nothing */
        out->n = before;
        out->data[before] = 0;
    }
    return s == TL_OK ? tl_text_append(out, "", 0, err) : s;
}
