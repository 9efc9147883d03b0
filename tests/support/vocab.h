/* vocab.h: small vocabularies as GGUF files in memory, for tests of the tokenizer that need no data from outside. */
#ifndef TALLY_TESTS_VOCAB_H
#define TALLY_TESTS_VOCAB_H

#include "models/model.h"

enum { SMALL_TOKENS = 600 };

/* A vocabulary in the making: change what a test is about, then build. */
typedef struct small_vocab {
    const char *model, *pre; /* pre NULL: no such key */
    tl_gguf_string token[SMALL_TOKENS];
    int32_t type[SMALL_TOKENS];
    float score[SMALL_TOKENS];
    int64_t n, n_types, n_scores; /* n_types, n_scores: array lengths, 0: no such key; follow n unless a test says otherwise */
    tl_gguf_string merge[64];
    int64_t n_merges; /* -1: no such key */
    struct {
        const char *key;
        int64_t value;
    } ids[8];
    int n_ids;
    struct {
        const char *key;
        bool value;
    } flags[4];
    int n_flags;
    const char *chat_template; /* NULL: no such key */
    char storage[8192];        /* of made-up token texts */
    size_t stored;
} small_vocab;

/* SPM with <unk> 0, <s> 1, </s> 2, the 256 bytes from 3 on, characters and a few words, <|im_end|> (control), <tool> (user-defined). */
void small_spm(small_vocab *v);
/* Byte-level BPE, pre gpt-2: the 256 bytes' characters, merges up to "hello", " world", <|endoftext|>, <|im_end|> (control), <tool>. */
void small_bpe(small_vocab *v);
/* Adds a token of n bytes (copied); returns its id. */
int32_t small_add(small_vocab *v, const char *text, size_t n, int32_t type, float score);
/* The file's bytes into *out. */
tl_status small_write(const small_vocab *v, tl_text *out, tl_error *err);
/* The tokenizer of the vocabulary, through a file in memory. */
tl_status small_tokenizer(const small_vocab *v, tl_tokenizer **t, tl_error *err);

#endif
