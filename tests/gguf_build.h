/* gguf_build.h: a byte builder for crafted GGUF files, well-formed and not, for the tests of the reader. It knows nothing of the reader:
 * each function appends what the format says, or whatever the test gives instead. Out of memory, it ends the program. */
#ifndef TALLY_TESTS_GGUF_BUILD_H
#define TALLY_TESTS_GGUF_BUILD_H

#include "models/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct blob {
    uint8_t *p;
    size_t n, cap;
} blob;

static inline void put(blob *b, const void *bytes, size_t n) {
    if (b->n + n > b->cap) {
        b->cap = (b->n + n) * 2;
        b->p = realloc(b->p, b->cap);
        if (!b->p)
            exit(99);
    }
    if (n > 0)
        memcpy(b->p + b->n, bytes, n);
    b->n += n;
}

static inline void put_number(blob *b, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++)
        put(b, &(uint8_t){(uint8_t)(v >> (8 * i))}, 1);
}

static inline void put_string_n(blob *b, const void *s, size_t n) {
    put_number(b, n, 8);
    put(b, s, n);
}

static inline void put_string(blob *b, const char *s) {
    put_string_n(b, s, strlen(s));
}

static inline void put_zeros(blob *b, size_t n) {
    while (n-- > 0)
        put(b, "", 1);
}

static inline void put_padding(blob *b, size_t alignment) {
    put_zeros(b, (alignment - b->n % alignment) % alignment);
}

static inline void put_header(blob *b, uint32_t version, uint64_t tensors, uint64_t keys) {
    put(b, "GGUF", 4);
    put_number(b, version, 4);
    put_number(b, tensors, 8);
    put_number(b, keys, 8);
}

static inline void put_key(blob *b, const char *key, uint32_t type) {
    put_string(b, key);
    put_number(b, type, 4);
}

static inline void put_int_key(blob *b, const char *key, uint32_t type, uint64_t v, int bytes) {
    put_key(b, key, type);
    put_number(b, v, bytes);
}

static inline void put_u32_key(blob *b, const char *key, uint32_t v) {
    put_int_key(b, key, TL_GGUF_U32, v, 4);
}

static inline void put_array_key(blob *b, const char *key, uint32_t elem, uint64_t count) {
    put_key(b, key, TL_GGUF_ARRAY);
    put_number(b, elem, 4);
    put_number(b, count, 8);
}

/* dims in the file's order: the fastest first. */
static inline void put_tensor(blob *b, const char *name, uint32_t rank, const uint64_t *dims, uint32_t type, uint64_t offset) {
    put_string(b, name);
    put_number(b, rank, 4);
    for (uint32_t i = 0; i < rank; i++)
        put_number(b, dims[i], 8);
    put_number(b, type, 4);
    put_number(b, offset, 8);
}

enum { SAMPLE_STRINGS = 50, SAMPLE_KEYS = 18, SAMPLE_TENSORS = 3 };

/* A small file with a value of every type and tensors of three types: w f32 [3, 4], q q4_0 [2, 32], c i8 [5]. */
static inline blob sample_file(void) {
    blob b = {0};
    put_header(&b, 3, SAMPLE_TENSORS, SAMPLE_KEYS);
    put_key(&b, "general.architecture", TL_GGUF_STRING);
    put_string(&b, "llama");
    put_u32_key(&b, "general.alignment", 64);
    put_int_key(&b, "t.u8", TL_GGUF_U8, 200, 1);
    put_int_key(&b, "t.i8", TL_GGUF_I8, (uint64_t)-100, 1);
    put_int_key(&b, "t.u16", TL_GGUF_U16, 60000, 2);
    put_int_key(&b, "t.i16", TL_GGUF_I16, (uint64_t)-30000, 2);
    put_int_key(&b, "t.u32", TL_GGUF_U32, 4000000000u, 4);
    put_int_key(&b, "t.i32", TL_GGUF_I32, (uint64_t)-2000000000, 4);
    put_int_key(&b, "t.f32", TL_GGUF_F32, 0x3DCCCCCDu, 4); /* 0.1f */
    put_int_key(&b, "t.true", TL_GGUF_BOOL, 1, 1);
    put_int_key(&b, "t.false", TL_GGUF_BOOL, 0, 1);
    put_int_key(&b, "t.u64", TL_GGUF_U64, 0xFFFFFFFFFFFFFFFFull, 8);
    put_int_key(&b, "t.i64", TL_GGUF_I64, (uint64_t)-5000000000ll, 8);
    put_int_key(&b, "t.f64", TL_GGUF_F64, 0xC004000000000000ull, 8); /* -2.5 */
    put_array_key(&b, "a.i32", TL_GGUF_I32, 3);
    put_number(&b, 7, 4);
    put_number(&b, (uint64_t)-8, 4);
    put_number(&b, 9, 4);
    put_array_key(&b, "a.strings", TL_GGUF_STRING, SAMPLE_STRINGS);
    for (int i = 0; i < SAMPLE_STRINGS; i++) {
        char text[16];
        snprintf(text, sizeof text, "s%0*d", i % 5, i);
        put_string(&b, text);
    }
    put_array_key(&b, "a.bools", TL_GGUF_BOOL, 2);
    put_number(&b, 0x0001, 2);
    put_array_key(&b, "a.empty", TL_GGUF_F32, 0);
    put_tensor(&b, "w", 2, (uint64_t[]){4, 3}, 0, 0);
    put_tensor(&b, "q", 2, (uint64_t[]){32, 2}, 2, 64);
    put_tensor(&b, "c", 1, (uint64_t[]){5}, 24, 128);
    put_padding(&b, 64);
    for (int i = 0; i < 128 + 5; i++)
        put_number(&b, (uint64_t)i, 1);
    return b;
}

#endif
