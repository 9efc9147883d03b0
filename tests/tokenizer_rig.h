/* tokenizer_rig.h: what tests of the tokenizer stand on: small vocabularies loaded, texts encoded, and integers that look random. */
#ifndef TALLY_TESTS_TOKENIZER_RIG_H
#define TALLY_TESTS_TOKENIZER_RIG_H

#include <string.h>

#include "models/text/text.h"
#include "tests/suite.h"
#include "tests/support/vocab.h"

enum { PLAIN = 0, SPECIAL = TL_ENCODE_SPECIAL, PARSE = TL_ENCODE_PARSE, BYTE0 = 3 }; /* BYTE0: id of <0x00> in small_spm */

static inline small_vocab *fresh(void (*fill)(small_vocab *)) {
    small_vocab *v = malloc(sizeof *v);
    fill(v);
    return v;
}

static inline tl_tokenizer *load(small_vocab *v) {
    tl_tokenizer *t;
    tl_error err = {0};
    ck_assert_msg(small_tokenizer(v, &t, &err) == TL_OK, "%s", err.message);
    free(v);
    return t;
}

static inline tl_ids encode(const tl_tokenizer *t, const char *text, size_t n, unsigned flags) {
    tl_ids ids = {0};
    tl_error err = {0};
    ck_assert_msg(tl_tokenizer_encode(t, text, n, flags, &ids, &err) == TL_OK, "%s", err.message);
    return ids;
}

/* What text encodes to decodes to it. */
static inline void expect_round_trip(const tl_tokenizer *t, const char *text, size_t n, unsigned flags) {
    tl_ids ids = encode(t, text, n, flags);
    tl_text got = {0};
    tl_error err = {0};
    ck_assert_msg(tl_tokenizer_decode(t, ids.id, ids.n, (flags & PARSE) != 0, &got, &err) == TL_OK, "%s", err.message);
    ck_assert_msg(got.n == n && (n == 0 || memcmp(got.data, text, n) == 0), "'%.*s' comes back as '%s'", (int)n, text,
                  got.n > 0 ? got.data : "");
    tl_ids_free(&ids);
    tl_text_free(&got);
}

static inline uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

#endif
