/* fuzz_tokenizer.c: a libFuzzer target. The first byte chooses: a good vocabulary and any text, which must come back as it was; or a
 * vocabulary made of the input, which must be refused or work. */
#include <stdlib.h>
#include <string.h>

#include "models/text/text.h"
#include "tests/support/vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok)
        abort();
}

/* Encodes and decodes: ids lie in the vocabulary, the stream gives valid UTF-8, and where `back` the text returns. */
static void check_text(const tl_tokenizer *t, const char *text, size_t n, unsigned flags, bool back) {
    tl_ids ids = {0};
    tl_text whole = {0}, parts = {0};
    tl_error err = {0};
    require(tl_tokenizer_encode(t, text, n, flags, &ids, &err) == TL_OK);
    require(tl_tokenizer_decode(t, ids.id, ids.n, true, &whole, &err) == TL_OK);
    tl_detok d = tl_detok_start(t, true, true);
    for (size_t i = 0; i < ids.n; i++) {
        require(ids.id[i] >= 0 && ids.id[i] < tl_tokenizer_size(t));
        require((flags & TL_ENCODE_PARSE) != 0 || !tl_tokenizer_is_control(t, ids.id[i]) || ids.id[i] == tl_tokenizer_special(t).unk);
        require(tl_detok_push(&d, ids.id[i], &parts, &err) == TL_OK);
    }
    require(tl_detok_end(&d, &parts, &err) == TL_OK);
    for (size_t at = 0; at < parts.n;) {
        uint32_t cp;
        int len = tl_utf8_read(parts.data + at, parts.n - at, &cp);
        require(len > 1 || cp < 0x80);
        at += (size_t)len;
    }
    if (back)
        require(whole.n == n && (n == 0 || memcmp(whole.data, text, n) == 0));
    tl_ids_free(&ids);
    tl_text_free(&whole);
    tl_text_free(&parts);
}

/* Number 5 is SPM, the others are BPE of each kind; made once. */
static const tl_tokenizer *good_tokenizer(int number) {
    static const char *const pres[] = {"default", "gpt-2", "llama-bpe", "qwen2", "smollm"};
    static tl_tokenizer *made[6];
    if (made[number] == NULL) {
        small_vocab *v = malloc(sizeof *v);
        require(v != NULL);
        (number == 5 ? small_spm : small_bpe)(v);
        if (number < 5)
            v->pre = pres[number];
        require(small_tokenizer(v, &made[number], NULL) == TL_OK);
        free(v);
    }
    return made[number];
}

static void good_vocabulary(uint8_t choice, const char *text, size_t n) {
    const tl_tokenizer *t = good_tokenizer(choice % 6);
    bool spm = choice % 6 == 5, stand_in = false;
    for (size_t i = 0; spm && i + 3 <= n; i++) /* SPM cannot tell it from a space */
        stand_in = stand_in || memcmp(text + i, "\xE2\x96\x81", 3) == 0;
    check_text(t, text, n, 0, !stand_in);
    check_text(t, text, n, TL_ENCODE_PARSE, !stand_in);
}

/* Reads fields from the front of the input; zeros when it is used up. */
typedef struct input {
    const uint8_t *at;
    size_t left;
} input;

static uint8_t take(input *in) {
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

static tl_gguf_string take_string(input *in, size_t most) {
    size_t n = take(in) % (most + 1);
    if (n > in->left)
        n = in->left;
    tl_gguf_string s = {(const char *)in->at, n};
    in->at += n;
    in->left -= n;
    return s;
}

static void made_vocabulary(input in) {
    static const char *const keys[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.unknown_token_id",
                                       "tokenizer.ggml.eot_token_id"};
    static const char *const flags[] = {"tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_space_prefix"};
    small_vocab *v = malloc(sizeof *v);
    tl_tokenizer *t = NULL;
    tl_error err = {0};
    require(v != NULL);
    uint8_t shape = take(&in);
    (shape & 1 ? small_spm : small_bpe)(v);
    v->pre = shape & 2 ? "llama-bpe" : "smollm";
    for (int i = shape >> 2 & 15; i > 0; i--) {
        tl_gguf_string s = take_string(&in, 20);
        uint8_t type = take(&in);
        small_add(v, s.data, s.n, type & 7, (float)(int8_t)take(&in));
    }
    for (int i = take(&in) & 7; i > 0; i--)
        v->token[take(&in)] = take_string(&in, 8); /* a hole in the bytes */
    for (int i = take(&in) & 7; v->n_merges >= 0 && i > 0; i--)
        v->merge[v->n_merges++] = take_string(&in, 12);
    for (int i = take(&in) & 3; i > 0; i--) {
        v->ids[v->n_ids].key = keys[i];
        v->ids[v->n_ids++].value = (int64_t)take(&in) * 3 - 3;
    }
    for (int i = take(&in) & 3; i > 0; i--) {
        v->flags[v->n_flags].key = flags[i - 1];
        v->flags[v->n_flags++].value = (take(&in) & 1) != 0;
    }
    tl_status s = small_tokenizer(v, &t, &err);
    require(s == TL_OK ? t != NULL : t == NULL && err.message[0] != 0);
    if (t != NULL) {
        check_text(t, (const char *)in.at, in.left, 0, false);
        check_text(t, (const char *)in.at, in.left, TL_ENCODE_PARSE | TL_ENCODE_SPECIAL, false);
        for (int32_t id = 0; id < tl_tokenizer_size(t); id++)
            require(tl_tokenizer_piece(t, id, true).n <= tl_tokenizer_token(t, id).n);
    }
    tl_tokenizer_free(t);
    free(v);
}

/* The input as a whole file. */
static void as_file(const uint8_t *data, size_t size) {
    tl_gguf *g = NULL;
    tl_tokenizer *t = NULL;
    tl_error err = {0};
    if (tl_gguf_from_memory(&g, data, size, &err) == TL_OK && tl_tokenizer_new(&t, g, &err) == TL_OK)
        check_text(t, "hello world <s>", 15, TL_ENCODE_PARSE | TL_ENCODE_SPECIAL, false);
    tl_tokenizer_free(t);
    tl_gguf_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    if (size > 4 && memcmp(data, "GGUF", 4) == 0)
        as_file(data, size);
    else if (data[0] & 0x80)
        made_vocabulary((input){data + 1, size - 1});
    else
        good_vocabulary(data[0], (const char *)data + 1, size - 1);
    return 0;
}
