/* facts.c: keys and tensors of a GGUF file. Whatever the file says is printed with its control characters escaped. */
#include "tools/facts.h"

#include <string.h>

enum { CUT = 8, CUT_TEXT = 160 };

const char *tensor_type(const tl_gguf_tensor *t) {
    const char *name = tl_gguf_type_name(t->type);
    return name ? name : "unknown";
}

double tensor_elements(const tl_gguf_tensor *t) {
    double n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= (double)t->shape[i];
    return n;
}

static const char *type_word(tl_gguf_type t) {
    static const char *const words[] = {"u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};
    return (size_t)t < sizeof words / sizeof *words ? words[t] : "?";
}

static void describe_type(const tl_gguf *g, int64_t i, char *text, size_t n) {
    int64_t count;
    tl_gguf_type t = tl_gguf_key_type(g, i);
    if (t != TL_GGUF_ARRAY) {
        snprintf(text, n, "%s", type_word(t));
        return;
    }
    t = tl_gguf_array_type(g, i, &count);
    snprintf(text, n, "%s[%lld]", type_word(t), (long long)count);
}

/* ---- keys ---- */

void print_keys(const tl_gguf *g, bool all) {
    for (int64_t i = 0; i < tl_gguf_keys(g); i++) {
        tl_text value = {0};
        tl_error err;
        char type[48];
        describe_type(g, i, type, sizeof type);
        if (tl_gguf_value_text(g, i, all ? INT64_MAX : CUT, &value, &err))
            printf("  %-44s %-14s (%s)\n", tl_gguf_key(g, i), type, err.message);
        else
            printf("  %-44s %-14s %.*s%s\n", tl_gguf_key(g, i), type, (int)(!all && value.n > CUT_TEXT ? CUT_TEXT : value.n),
                   value.data ? value.data : "", !all && value.n > CUT_TEXT ? "..." : "");
        tl_text_free(&value);
    }
}

/* Element i of packed little-endian numbers. */
static void json_element(Json *j, const unsigned char *data, tl_gguf_type type, int64_t i) {
#define ELEMENT(TYPE, print)                               \
    {                                                      \
        TYPE v;                                            \
        memcpy(&v, data + (size_t)i * sizeof v, sizeof v); \
        print;                                             \
        break;                                             \
    }
    switch (type) {
    case TL_GGUF_U8: ELEMENT(uint8_t, json_int(j, NULL, v))
    case TL_GGUF_I8: ELEMENT(int8_t, json_int(j, NULL, v))
    case TL_GGUF_U16: ELEMENT(uint16_t, json_int(j, NULL, v))
    case TL_GGUF_I16: ELEMENT(int16_t, json_int(j, NULL, v))
    case TL_GGUF_U32: ELEMENT(uint32_t, json_int(j, NULL, v))
    case TL_GGUF_I32: ELEMENT(int32_t, json_int(j, NULL, v))
    case TL_GGUF_U64: ELEMENT(uint64_t, json_real(j, NULL, (double)v, 17))
    case TL_GGUF_I64: ELEMENT(int64_t, json_int(j, NULL, v))
    case TL_GGUF_F32: ELEMENT(float, json_real(j, NULL, (double)v, 9))
    case TL_GGUF_F64: ELEMENT(double, json_real(j, NULL, v, 17))
    case TL_GGUF_BOOL: ELEMENT(uint8_t, json_bool(j, NULL, v != 0))
    default: json_string(j, NULL, NULL);
    }
#undef ELEMENT
}

static void json_array(Json *j, const tl_gguf *g, int64_t key, bool all) {
    const char *name = tl_gguf_key(g, key);
    const void *data = NULL;
    int64_t count;
    tl_error err;
    tl_gguf_type type = tl_gguf_array_type(g, key, &count);
    bool good = type != TL_GGUF_ARRAY && tl_gguf_get_array(g, name, true, type, -1, &data, &count, &err) == TL_OK;
    json_int(j, "count", count);
    json_flat(j, "value", '[');
    for (int64_t i = 0; good && i < count && (all || i < CUT); i++) {
        if (type == TL_GGUF_STRING) {
            tl_gguf_string s = tl_gguf_array_string(g, name, i);
            json_text(j, NULL, s.data ? s.data : "", s.n);
        } else {
            json_element(j, data, type, i);
        }
    }
    json_close(j, ']');
}

static void json_value(Json *j, const tl_gguf *g, int64_t i) {
    const char *name = tl_gguf_key(g, i);
    tl_error err;
    int64_t n;
    double v;
    bool flag;
    tl_gguf_string s;
    tl_text text = {0};
    switch (tl_gguf_key_type(g, i)) {
    case TL_GGUF_F32:
        if (tl_gguf_get_float(g, name, true, &v, &err) == TL_OK) {
            json_real(j, "value", v, 9);
            return;
        }
        break;
    case TL_GGUF_F64:
        if (tl_gguf_get_float(g, name, true, &v, &err) == TL_OK) {
            json_real(j, "value", v, 17);
            return;
        }
        break;
    case TL_GGUF_BOOL:
        if (tl_gguf_get_bool(g, name, true, &flag, &err) == TL_OK) {
            json_bool(j, "value", flag);
            return;
        }
        break;
    case TL_GGUF_STRING:
        if (tl_gguf_get_string(g, name, true, &s, &err) == TL_OK) {
            json_text(j, "value", s.data ? s.data : "", s.n);
            return;
        }
        break;
    default:
        if (tl_gguf_get_int(g, name, true, INT64_MIN, INT64_MAX, &n, &err) == TL_OK) {
            json_int(j, "value", n);
            return;
        }
    }
    if (tl_gguf_value_text(g, i, 1, &text, &err) == TL_OK) /* such as a u64 beyond i64 */
        json_text(j, "value", text.data, text.n);
    else
        json_string(j, "value", NULL);
    tl_text_free(&text);
}

void json_keys(Json *j, const char *key, const tl_gguf *g, bool all) {
    json_open(j, key, '[');
    for (int64_t i = 0; i < tl_gguf_keys(g); i++) {
        char type[48];
        describe_type(g, i, type, sizeof type);
        json_flat(j, NULL, '{');
        json_string(j, "key", tl_gguf_key(g, i));
        json_string(j, "type", type);
        if (tl_gguf_key_type(g, i) == TL_GGUF_ARRAY)
            json_array(j, g, i, all);
        else
            json_value(j, g, i);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* ---- tensors ---- */

void print_tensors(const tl_gguf *g) {
    Table t = table_new(5, (const char *const[]){"<tensor", "<type", "<shape", "offset", "bytes"});
    for (int64_t i = 0; i < tl_gguf_tensors(g); i++) {
        const tl_gguf_tensor *tensor = tl_gguf_tensor_at(g, i);
        char shape[120] = "[";
        for (int k = 0; k < tensor->rank; k++) {
            size_t n = strlen(shape);
            snprintf(shape + n, sizeof shape - n, "%s%lld", k ? ", " : "", (long long)tensor->shape[k]);
        }
        table_cell(&t, "%s", tensor->name);
        table_cell(&t, "%s", tensor_type(tensor));
        table_cell(&t, "%s]", shape);
        table_cell(&t, "%llu", (unsigned long long)tensor->offset);
        table_cell(&t, "%llu", (unsigned long long)tensor->bytes);
    }
    table_print(&t, stdout, false);
}

void json_tensors(Json *j, const char *key, const tl_gguf *g) {
    json_open(j, key, '[');
    for (int64_t i = 0; i < tl_gguf_tensors(g); i++) {
        const tl_gguf_tensor *t = tl_gguf_tensor_at(g, i);
        json_flat(j, NULL, '{');
        json_string(j, "name", t->name);
        json_string(j, "type", tensor_type(t));
        json_flat(j, "shape", '[');
        for (int k = 0; k < t->rank; k++)
            json_int(j, NULL, t->shape[k]);
        json_close(j, ']');
        json_int(j, "offset", (int64_t)t->offset);
        json_int(j, "bytes", (int64_t)t->bytes);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* ---- sums by type ---- */

enum { TYPES_MAX = 64 };
typedef struct TypeSum {
    int type;
    const char *name;
    int64_t count;
    double elements, bytes;
} TypeSum;

static int sum_types(const tl_gguf *g, TypeSum sums[TYPES_MAX]) {
    int n = 0;
    for (int64_t i = 0; i < tl_gguf_tensors(g); i++) {
        const tl_gguf_tensor *t = tl_gguf_tensor_at(g, i);
        int k = 0;
        while (k < n && sums[k].type != t->type)
            k++;
        if (k == TYPES_MAX)
            continue;
        if (k == n)
            sums[n++] = (TypeSum){t->type, tensor_type(t), 0, 0, 0};
        sums[k].count++;
        sums[k].elements += tensor_elements(t);
        sums[k].bytes += (double)t->bytes;
    }
    return n;
}

void print_types(const tl_gguf *g) {
    TypeSum sums[TYPES_MAX];
    char size[24];
    int n = sum_types(g, sums);
    Table t = table_new(4, (const char *const[]){"<  type", "tensors", "elements", "bytes"});
    for (int i = 0; i < n; i++) {
        table_cell(&t, "  %s", sums[i].name);
        table_cell(&t, "%lld", (long long)sums[i].count);
        table_cell(&t, "%.0f", sums[i].elements);
        table_cell(&t, "%s", size_text(sums[i].bytes, size));
    }
    table_print(&t, stdout, false);
}

void json_types(Json *j, const char *key, const tl_gguf *g) {
    TypeSum sums[TYPES_MAX];
    int n = sum_types(g, sums);
    json_open(j, key, '[');
    for (int i = 0; i < n; i++) {
        json_flat(j, NULL, '{');
        json_string(j, "type", sums[i].name);
        json_int(j, "tensors", sums[i].count);
        json_int(j, "elements", (int64_t)sums[i].elements);
        json_int(j, "bytes", (int64_t)sums[i].bytes);
        json_close(j, '}');
    }
    json_close(j, ']');
}
