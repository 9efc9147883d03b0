/* json.c: the JSON reader of json.h, by recursive descent. */
#include "tests/support/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"

enum { JSON_DEPTH = 64 };

typedef struct reader {
    const char *p, *end;
    int depth;
} reader;

static bool read_value(reader *r, json *out);

static void skip_space(reader *r) {
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool take(reader *r, char c) {
    skip_space(r);
    if (r->p >= r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static bool take_word(reader *r, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return false;
    r->p += n;
    return true;
}

static bool read_hex4(reader *r, uint32_t *v) {
    *v = 0;
    for (int i = 0; i < 4; i++, r->p++) {
        if (r->p >= r->end)
            return false;
        char c = *r->p;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return false;
        *v = *v * 16 + (uint32_t)digit;
    }
    return true;
}

static size_t write_utf8(uint32_t cp, char *out) {
    unsigned char *u = (unsigned char *)out;
    if (cp < 0x80) {
        u[0] = (unsigned char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        u[i] = (unsigned char)(0x80 | (cp & 0x3F));
    u[0] = (unsigned char)((0xF00u >> n & 0xFF) | cp);
    return n;
}

/* After the u of an escape: one code point, from two escapes where the first is a high surrogate. */
static bool read_escape(reader *r, uint32_t *cp) {
    uint32_t low;
    if (!read_hex4(r, cp))
        return false;
    if (*cp < 0xD800 || *cp > 0xDFFF)
        return true;
    if (*cp > 0xDBFF || !take_word(r, "\\u") || !read_hex4(r, &low) || low < 0xDC00 || low > 0xDFFF)
        return false;
    *cp = 0x10000 + ((*cp - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

/* A string, from its opening quote; the result is never longer than what is left of the text. */
static bool read_string(reader *r, char **out, size_t *length) {
    if (!take(r, '"'))
        return false;
    const char *close = r->p;
    while (close < r->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= r->end)
        return false;
    char *s = malloc((size_t)(close - r->p) + 1);
    size_t n = 0;
    bool ok = s != NULL;
    while (ok && *r->p != '"') {
        if (*r->p != '\\') {
            s[n++] = *r->p++;
            continue;
        }
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *which = strchr(from, r->p[1]);
        uint32_t cp;
        if (r->p[1] == 'u') {
            r->p += 2;
            ok = read_escape(r, &cp);
            n += ok ? write_utf8(cp, s + n) : 0;
        } else if (which != NULL && r->p[1] != 0) {
            s[n++] = to[which - from];
            r->p += 2;
        } else {
            ok = false;
        }
    }
    if (!ok) {
        free(s);
        return false;
    }
    r->p++;
    s[n] = 0;
    *out = s;
    *length = n;
    return true;
}

static bool read_number(reader *r, json *out) {
    const char *begin = r->p;
    while (r->p < r->end && *r->p != 0 && strchr("+-.0123456789eE", *r->p) != NULL)
        r->p++;
    out->type = JSON_NUMBER;
    return tl_number_parse(begin, (size_t)(r->p - begin), &out->number); /* strtod would ask the locale */
}

/* Members or elements up to the closing bracket. What was read so far hangs on `out` even on failure, so that it is freed. */
static bool read_items(reader *r, json *out, char close) {
    size_t cap = 0;
    if (take(r, close))
        return true;
    do {
        if (out->count == cap) {
            cap = cap == 0 ? 8 : 2 * cap;
            json *items = realloc(out->item, cap * sizeof *items);
            if (items == NULL)
                return false;
            out->item = items;
            char **keys = realloc(out->key, cap * sizeof *keys);
            if (keys == NULL)
                return false;
            out->key = keys;
        }
        out->item[out->count] = (json){0};
        out->key[out->count] = NULL;
        size_t i = out->count++, unused;
        if (out->type == JSON_OBJECT && (!read_string(r, &out->key[i], &unused) || !take(r, ':')))
            return false;
        if (!read_value(r, &out->item[i]))
            return false;
    } while (take(r, ','));
    return take(r, close);
}

static bool read_value(reader *r, json *out) {
    skip_space(r);
    if (r->p >= r->end || r->depth >= JSON_DEPTH)
        return false;
    bool ok;
    r->depth++;
    if (*r->p == '{' || *r->p == '[') {
        out->type = *r->p == '{' ? JSON_OBJECT : JSON_ARRAY;
        r->p++;
        ok = read_items(r, out, out->type == JSON_OBJECT ? '}' : ']');
    } else if (*r->p == '"') {
        out->type = JSON_STRING;
        ok = read_string(r, &out->string, &out->length);
    } else if (*r->p == 't' || *r->p == 'f') {
        out->type = JSON_BOOL;
        out->boolean = *r->p == 't';
        ok = take_word(r, out->boolean ? "true" : "false");
    } else if (*r->p == 'n') {
        ok = take_word(r, "null");
    } else {
        ok = read_number(r, out);
    }
    r->depth--;
    return ok;
}

static void free_inside(json *v) {
    for (size_t i = 0; i < v->count; i++) {
        free_inside(&v->item[i]);
        free(v->key[i]);
    }
    free(v->item);
    free(v->key);
    free(v->string);
}

json *json_parse(const char *text, size_t n) {
    reader r = {text, text + n, 0};
    json *doc = calloc(1, sizeof *doc);
    if (doc == NULL)
        return NULL;
    bool ok = read_value(&r, doc);
    skip_space(&r);
    if (ok && r.p == r.end)
        return doc;
    json_free(doc);
    return NULL;
}

json *json_load(const char *path) {
    size_t n;
    char *text = read_whole_file(path, &n);
    json *doc = text != NULL ? json_parse(text, n) : NULL;
    free(text);
    return doc;
}

void json_free(json *doc) {
    if (doc != NULL)
        free_inside(doc);
    free(doc);
}

const json *json_get(const json *object, const char *key) {
    for (size_t i = 0; object != NULL && object->type == JSON_OBJECT && i < object->count; i++)
        if (strcmp(object->key[i], key) == 0)
            return &object->item[i];
    return NULL;
}

char *read_whole_file(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return NULL;
    char *data = NULL;
    long size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    if (size >= 0 && fseek(f, 0, SEEK_SET) == 0 && (data = malloc((size_t)size + 1)) != NULL) {
        *n = fread(data, 1, (size_t)size, f);
        data[*n] = 0;
    }
    fclose(f);
    return data;
}
