/* vocab.c: the small vocabularies of vocab.h. */
#include "tests/support/vocab.h"

#include <stdio.h>
#include <string.h>

int32_t small_add(small_vocab *v, const char *text, size_t n, int32_t type, float score) {
    if (v->n >= SMALL_TOKENS || n > sizeof v->storage - v->stored)
        return -1;
    char *copy = v->storage + v->stored;
    memcpy(copy, text, n);
    v->stored += n;
    v->token[v->n] = (tl_gguf_string){copy, n};
    v->type[v->n] = type;
    v->score[v->n] = score;
    v->n_types = v->n_scores = v->n + 1;
    return (int32_t)v->n++;
}

static void add_words(small_vocab *v, const char *const *word, size_t n, int32_t type) {
    for (size_t i = 0; i < n; i++)
        small_add(v, word[i], strlen(word[i]), type, -(float)i);
}

void small_spm(small_vocab *v) {
    static const char *const words[] = {
        "▁h",   "▁w", "he", "ll", "▁he", "llo", "▁hello", "or", "ld", "▁world", "aa", "aaaa", "▁▁", "ü",    "b▁",
        "▁the", "th", "▁",  "e",  "h",   "l",   "o",      "w",  "r",  "d",      "a",  "t",    "é",  "🦙",
    };
    *v = (small_vocab){.model = "llama", .n_merges = -1};
    small_add(v, "<unk>", 5, 2, 0);
    small_add(v, "<s>", 3, 3, 0);
    small_add(v, "</s>", 4, 3, 0);
    for (int b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)b);
        small_add(v, name, 6, 6, 0);
    }
    add_words(v, words, sizeof words / sizeof *words, 1);
    small_add(v, "<|im_end|>", 10, 3, 0);
    small_add(v, "<tool>", 6, 4, 0);
}

/* GPT-2's character for a byte, written out as its authors do: printable ones first, the rest from U+0100 on in order. */
static size_t byte_char(int byte, char out[4]) {
    int cp = byte, spare = 0x100;
    for (int b = 0; b <= byte; b++) {
        bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        cp = printable ? b : spare++;
    }
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    out[0] = (char)(unsigned char)(0xC0 | cp >> 6);
    out[1] = (char)(unsigned char)(0x80 | (cp & 0x3F));
    return 2;
}

void small_bpe(small_vocab *v) {
    static const char *const merges[] = {
        "h e", "l l", "he ll", "hell o", "Ġ w", "o r", "l d", "Ġw or", "Ġwor ld", "a a", "aa aa", "Ġ Ġ", "Ã ¼", "1 2", "Ċ Ċ", "! !",
    };
    *v = (small_vocab){.model = "gpt2", .pre = "gpt-2"};
    for (int b = 0; b < 256; b++) {
        char c[4];
        small_add(v, c, byte_char(b, c), 1, 0);
    }
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
        const char *gap = strchr(merges[i], ' ');
        char joined[32];
        size_t left = (size_t)(gap - merges[i]), right = strlen(gap + 1);
        memcpy(joined, merges[i], left);
        memcpy(joined + left, gap + 1, right);
        small_add(v, joined, left + right, 1, 0);
        v->merge[v->n_merges++] = (tl_gguf_string){merges[i], strlen(merges[i])};
    }
    small_add(v, "<|endoftext|>", 13, 3, 0);
    small_add(v, "<|im_end|>", 10, 3, 0);
    small_add(v, "<tool>", 6, 4, 0);
}

static tl_status write_keys(const small_vocab *v, tl_gguf_writer *w, tl_error *err) {
    tl_status s = tl_gguf_set_string(w, "general.architecture", "llama", 5, err);
    if (s == TL_OK && v->model != NULL)
        s = tl_gguf_set_string(w, "tokenizer.ggml.model", v->model, strlen(v->model), err);
    if (s == TL_OK && v->pre != NULL)
        s = tl_gguf_set_string(w, "tokenizer.ggml.pre", v->pre, strlen(v->pre), err);
    if (s == TL_OK)
        s = tl_gguf_set_strings(w, "tokenizer.ggml.tokens", v->token, v->n, err);
    if (s == TL_OK && v->n_types > 0)
        s = tl_gguf_set_array(w, "tokenizer.ggml.token_type", TL_GGUF_I32, v->type, v->n_types, err);
    if (s == TL_OK && v->n_scores > 0)
        s = tl_gguf_set_array(w, "tokenizer.ggml.scores", TL_GGUF_F32, v->score, v->n_scores, err);
    if (s == TL_OK && v->n_merges >= 0)
        s = tl_gguf_set_strings(w, "tokenizer.ggml.merges", v->merge, v->n_merges, err);
    for (int i = 0; i < v->n_ids && s == TL_OK; i++)
        s = tl_gguf_set_int(w, v->ids[i].key, TL_GGUF_I64, v->ids[i].value, err);
    for (int i = 0; i < v->n_flags && s == TL_OK; i++)
        s = tl_gguf_set_bool(w, v->flags[i].key, v->flags[i].value, err);
    if (s == TL_OK && v->chat_template != NULL)
        s = tl_gguf_set_string(w, "tokenizer.chat_template", v->chat_template, strlen(v->chat_template), err);
    return s;
}

tl_status small_write(const small_vocab *v, tl_text *out, tl_error *err) {
    tl_gguf_writer *w;
    tl_status s = tl_gguf_writer_new(&w, err);
    if (s == TL_OK)
        s = write_keys(v, w, err);
    if (s == TL_OK)
        s = tl_gguf_writer_bytes(w, out, err);
    tl_gguf_writer_free(w);
    return s;
}

tl_status small_tokenizer(const small_vocab *v, tl_tokenizer **t, tl_error *err) {
    tl_text bytes = {0};
    tl_gguf *g = NULL;
    *t = NULL;
    tl_status s = small_write(v, &bytes, err);
    if (s == TL_OK)
        s = tl_gguf_from_memory(&g, bytes.data, bytes.n, err);
    if (s == TL_OK)
        s = tl_tokenizer_new(t, g, err);
    tl_gguf_free(g);
    tl_text_free(&bytes);
    return s;
}
