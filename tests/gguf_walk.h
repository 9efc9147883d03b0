/* gguf_walk.h: touches everything that an accepted GGUF file offers: for the hostile-file tests and the fuzzer, where a
 * sanitizer judges. */
#ifndef TALLY_TESTS_GGUF_WALK_H
#define TALLY_TESTS_GGUF_WALK_H

#include "models/model.h"

#include <stdlib.h>
#include <string.h>

static inline void walk_keys(const tl_gguf *g, unsigned *sum) {
    for (int64_t i = 0; i < tl_gguf_keys(g); i++) {
        const char *key = tl_gguf_key(g, i);
        int64_t count, n = 0;
        double number;
        bool yes;
        const void *data;
        tl_gguf_string s;
        tl_text text = {0};
        tl_error err;
        if (tl_gguf_find(g, key) != i)
            abort(); /* a key that is there must be found */
        tl_gguf_type elem = tl_gguf_array_type(g, i, &count);
        tl_gguf_get_int(g, key, true, INT64_MIN, INT64_MAX, &n, &err);
        tl_gguf_get_float(g, key, true, &number, &err);
        tl_gguf_get_bool(g, key, true, &yes, &err);
        if (tl_gguf_get_string(g, key, true, &s, &err) == TL_OK)
            for (size_t k = 0; k < s.n; k++)
                *sum += (unsigned char)s.data[k];
        if (tl_gguf_get_array(g, key, true, elem, -1, &data, &count, &err) == TL_OK && elem == TL_GGUF_STRING)
            for (int64_t k = 0; k < count; k++)
                *sum += (unsigned)tl_gguf_array_string(g, key, k).n;
        tl_gguf_value_text(g, i, i % 2 ? -1 : 3, &text, &err);
        for (size_t k = 0; k < text.n; k++)
            *sum += (unsigned char)text.data[k];
        tl_text_free(&text);
    }
}

static inline void walk_tensors(const tl_gguf *g, unsigned *sum) {
    for (int64_t i = 0; i < tl_gguf_tensors(g); i++) {
        const tl_gguf_tensor *t = tl_gguf_tensor_at(g, i);
        tl_error err;
        unsigned char ends[2];
        if (tl_gguf_tensor_find(g, t->name) != t || !tl_gguf_type_name(t->type) || t->offset + t->bytes > tl_gguf_file_bytes(g))
            abort();
        const unsigned char *data = tl_gguf_tensor_data(g, t);
        if (data)
            *sum += data[0] + data[t->bytes - 1];
        if (tl_gguf_tensor_read(g, t, 0, &ends[0], 1, &err) == TL_OK && tl_gguf_tensor_read(g, t, t->bytes - 1, &ends[1], 1, &err) == TL_OK)
            *sum += ends[0] + ends[1];
        tl_gguf_tensor_read(g, t, t->bytes, ends, 1, &err);
    }
}

/* The sum keeps the compiler from dropping the reads. */
static inline unsigned walk_all(const tl_gguf *g) {
    unsigned sum = (unsigned)tl_gguf_version(g) + (unsigned)tl_gguf_alignment(g) + (unsigned)tl_gguf_data_offset(g);
    walk_keys(g, &sum);
    walk_tensors(g, &sum);
    return sum;
}

#endif
