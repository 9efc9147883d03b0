/* gguf_refused.h: asks that the GGUF reader refuse a file, and makes the smallest files that a test can spoil. */
#ifndef TALLY_TESTS_GGUF_REFUSED_H
#define TALLY_TESTS_GGUF_REFUSED_H

#include "models/gguf.h"
#include "tests/gguf_files.h"

/* The file must be refused whole and as a stream, with all words in the message. Frees it. */
static inline void refused(blob *b, tl_status status, const char *const words[]) {
    tl_gguf *g = (tl_gguf *)b;
    tl_error err = {0};
    uint64_t want;
    uint8_t *exact = malloc(b->n ? b->n : 1); /* so that a sanitizer sees a read behind the end */
    ck_assert_ptr_nonnull(exact);
    if (b->n > 0)
        memcpy(exact, b->p, b->n);
    ck_assert_int_eq(tl_gguf_from_memory(&g, exact, b->n, &err), status);
    ck_assert_ptr_null(g);
    ck_assert_int_eq(err.status, status);
    for (int i = 0; words[i]; i++)
        ck_assert_msg(strstr(err.message, words[i]) != NULL, "'%s' is not in: %s", words[i], err.message);
    ck_assert_int_eq(tl_gguf_parse(&g, exact, b->n, b->n, &want, &err), status);
    ck_assert_ptr_null(g);
    ck_assert_ptr_null(strchr(err.message, '\n'));
    free(exact);
    free(b->p);
}

#define REFUSED(b, status, ...) refused(b, status, (const char *const[]){__VA_ARGS__, NULL})

/* A file with one key, whose value the test appends. */
static inline blob one_key(const char *key, uint32_t type) {
    blob b = {0};
    put_header(&b, 3, 0, 1);
    put_key(&b, key, type);
    return b;
}

/* A file with one tensor and `data` bytes behind its table. */
static inline blob one_tensor(uint32_t rank, const uint64_t *dims, uint32_t type, uint64_t offset, size_t data) {
    blob b = {0};
    put_header(&b, 3, 1, 0);
    put_tensor(&b, "w", rank, dims, type, offset);
    put_padding(&b, 32);
    put_zeros(&b, data);
    return b;
}

#endif
