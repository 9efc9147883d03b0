/* test_tokenizer_file.c: what a file may say about its tokenizer, each refusal with the key in its message, and every allocation failing
 * once. */
#include <string.h>

#include "models/text/text.h"
#include "tensor/platform.h"
#include "tests/suite.h"
#include "tests/support/vocab.h"

static small_vocab *fresh(void (*fill)(small_vocab *)) {
    small_vocab *v = malloc(sizeof *v);
    fill(v);
    return v;
}

/* The vocabulary (freed) is refused so, with `part` in the message. */
static void expect_refused(small_vocab *v, tl_status want, const char *part) {
    tl_tokenizer *t;
    tl_error err = {0};
    tl_status s = small_tokenizer(v, &t, &err);
    ck_assert_msg(s == want && strstr(err.message, part) != NULL, "status %s, message '%s'; expected '%s'", tl_status_name(s), err.message,
                  part);
    ck_assert_ptr_null(t);
    free(v);
}

static void expect_loads(small_vocab *v) {
    tl_tokenizer *t;
    tl_error err = {0};
    ck_assert_msg(small_tokenizer(v, &t, &err) == TL_OK, "%s", err.message);
    tl_tokenizer_free(t);
    free(v);
}

static small_vocab *with_id(small_vocab *v, const char *key, int64_t value) {
    v->ids[v->n_ids].key = key;
    v->ids[v->n_ids++].value = value;
    return v;
}

/* ---- kinds ----------------------------------------------------------------------------------------------------------------- */

START_TEST(an_unknown_model_or_pre_is_named_with_what_there_is) {
    small_vocab *v = fresh(small_spm);
    v->model = "bert";
    expect_refused(v, TL_ERR_UNSUPPORTED, "GGUF data: tokenizer.ggml.model is 'bert'; this build knows llama (SentencePiece) and gpt2");
    v = fresh(small_spm);
    v->model = NULL;
    expect_refused(v, TL_ERR_FORMAT, "tokenizer.ggml.model");
    v = fresh(small_bpe);
    v->pre = "deepseek\x1b-llm";
    expect_refused(v, TL_ERR_UNSUPPORTED, "-llm'; this build knows default, gpt-2, llama-bpe, llama3, llama-v3, qwen2, smollm");
}
END_TEST

START_TEST(a_missing_pre_is_the_default_and_spm_has_none) {
    small_vocab *v = fresh(small_bpe);
    tl_tokenizer *t;
    v->pre = NULL;
    ck_assert_int_eq(small_tokenizer(v, &t, NULL), TL_OK);
    ck_assert_str_eq(tl_tokenizer_pre(t), "default");
    tl_tokenizer_free(t);
    small_spm(v);
    v->pre = "anything";
    ck_assert_int_eq(small_tokenizer(v, &t, NULL), TL_OK);
    ck_assert_str_eq(tl_tokenizer_pre(t), "default");
    tl_tokenizer_free(t);
    free(v);
}
END_TEST

/* ---- arrays ---------------------------------------------------------------------------------------------------------------- */

START_TEST(arrays_must_be_as_long_as_the_tokens) {
    small_vocab *v = fresh(small_spm);
    v->n_types--;
    expect_refused(v, TL_ERR_FORMAT, "tokenizer.ggml.token_type");
    v = fresh(small_spm);
    v->n_scores--;
    expect_refused(v, TL_ERR_FORMAT, "tokenizer.ggml.scores");
    v = fresh(small_spm);
    v->n = v->n_types = v->n_scores = 0;
    expect_refused(v, TL_ERR_FORMAT, "tokenizer.ggml.tokens has 0 tokens");
    v = fresh(small_bpe);
    v->n_merges = -1;
    expect_refused(v, TL_ERR_FORMAT, "tokenizer.ggml.merges");
}
END_TEST

START_TEST(arrays_of_another_element_type_are_refused) {
    static const struct {
        const char *key;
        tl_gguf_type type;
    } wrong[] = {{"tokenizer.ggml.token_type", TL_GGUF_F32}, {"tokenizer.ggml.scores", TL_GGUF_I32}, {"tokenizer.ggml.tokens", TL_GGUF_U8}};
    for (int i = 0; i < 3; i++) {
        int32_t values[4] = {1, 1, 1, 1};
        tl_gguf_string tokens[4] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}};
        tl_gguf_writer *w;
        tl_text bytes = {0};
        tl_gguf *g;
        tl_tokenizer *t;
        tl_error err = {0};
        ck_assert_int_eq(tl_gguf_writer_new(&w, &err), TL_OK);
        ck_assert_int_eq(tl_gguf_set_string(w, "tokenizer.ggml.model", "llama", 5, &err), TL_OK);
        if (i < 2)
            ck_assert_int_eq(tl_gguf_set_strings(w, "tokenizer.ggml.tokens", tokens, 4, &err), TL_OK);
        ck_assert_int_eq(tl_gguf_set_array(w, wrong[i].key, wrong[i].type, values, 4, &err), TL_OK);
        ck_assert_int_eq(tl_gguf_writer_bytes(w, &bytes, &err), TL_OK);
        ck_assert_int_eq(tl_gguf_from_memory(&g, bytes.data, bytes.n, &err), TL_OK);
        ck_assert_int_eq(tl_tokenizer_new(&t, g, &err), TL_ERR_FORMAT);
        ck_assert_msg(strstr(err.message, wrong[i].key) != NULL, "%s", err.message);
        tl_gguf_free(g);
        tl_text_free(&bytes);
        tl_gguf_writer_free(w);
    }
}
END_TEST

START_TEST(types_and_scores_may_be_missing) {
    small_vocab *v = fresh(small_spm);
    tl_tokenizer *t;
    v->n_types = v->n_scores = 0;
    ck_assert_int_eq(small_tokenizer(v, &t, NULL), TL_OK);
    tl_gguf_string byte = tl_tokenizer_piece(t, 3 + 'x', false);
    ck_assert(byte.n == 1 && byte.data[0] == 'x'); /* <0x78> is a byte token by its form */
    ck_assert(tl_tokenizer_is_control(t, tl_tokenizer_find(t, "<|im_end|>", 10)));
    tl_tokenizer_free(t);
    free(v);
}
END_TEST

START_TEST(odd_types_and_scores_load) {
    small_vocab *v = fresh(small_spm);
    for (int64_t i = 300; i < v->n; i++)
        v->type[i] = (int32_t)(i % 2 ? INT32_MIN : 77);
    for (int64_t i = 0; i < v->n; i++) {
        uint32_t bits = i % 3 ? 0x7FC00000u : 0xFF800000u; /* NaN, -inf */
        memcpy(&v->score[i], &bits, sizeof bits);
    }
    expect_loads(v);
}
END_TEST

/* ---- tokens ---------------------------------------------------------------------------------------------------------------- */

START_TEST(byte_tokens_are_strict) {
    static const char *const bad[] = {"<0x-1>", "<0x+1>", "<0x 1>", "<0xG0>", "<0x1>", "<0x100>", "<0X0A>", "0x0A", "<0x0A> ", "<0x0A"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        small_vocab *v = fresh(small_spm);
        small_add(v, bad[i], strlen(bad[i]), 6, 0);
        expect_refused(v, TL_ERR_FORMAT, bad[i]);
    }
    small_vocab *v = fresh(small_spm);
    v->token[3 + 0x0A] = (tl_gguf_string){"<0x0a>", 6};
    tl_tokenizer *t;
    ck_assert_int_eq(small_tokenizer(v, &t, NULL), TL_OK);
    ck_assert_int_eq(tl_tokenizer_special(t).nl, 3 + 0x0A);
    tl_tokenizer_free(t);
    free(v);
}
END_TEST

START_TEST(tokens_have_a_longest_length) {
    char *large = malloc(TL_TOKEN_MAX + 1);
    memset(large, 'a', TL_TOKEN_MAX + 1);
    small_vocab *v = fresh(small_spm);
    int32_t id = small_add(v, "x", 1, 1, 0);
    v->token[id] = (tl_gguf_string){large, TL_TOKEN_MAX};
    expect_loads(v);
    v = fresh(small_spm);
    id = small_add(v, "x", 1, 1, 0);
    v->token[id] = (tl_gguf_string){large, TL_TOKEN_MAX + 1};
    expect_refused(v, TL_ERR_FORMAT, "has 65537 bytes; at most 65536 are allowed");
    v = fresh(small_spm);
    id = small_add(v, "x", 1, 3, 0);
    v->token[id] = (tl_gguf_string){large, TL_SPECIAL_MAX};
    expect_loads(v);
    v = fresh(small_spm);
    id = small_add(v, "x", 1, 3, 0);
    v->token[id] = (tl_gguf_string){large, TL_SPECIAL_MAX + 1};
    expect_refused(v, TL_ERR_FORMAT, "has 257 bytes; at most 256 are allowed");
    free(large);
}
END_TEST

START_TEST(of_equal_tokens_the_first_is_found) {
    small_vocab *v = fresh(small_spm);
    tl_tokenizer *t;
    int32_t a = tl_tokenizer_find(NULL, NULL, 0), first = (int32_t)v->n;
    ck_assert_int_eq(a, -1);
    small_add(v, "twice", 5, 1, 0);
    small_add(v, "twice", 5, 3, 0);
    small_add(v, "", 0, 1, 0);
    small_add(v, "", 0, 3, 0);
    ck_assert_int_eq(small_tokenizer(v, &t, NULL), TL_OK);
    ck_assert_int_eq(tl_tokenizer_find(t, "twice", 5), first);
    ck_assert_uint_eq(tl_tokenizer_piece(t, first + 2, true).n, 0);
    tl_tokenizer_free(t);
    free(v);
}
END_TEST

/* ---- merges ---------------------------------------------------------------------------------------------------------------- */

START_TEST(a_merge_is_two_tokens_and_one_space) {
    static const char *const bad[] = {"", " ", "a", "ab", " ab", "ab ", "a b c", "a  b", "  "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        small_vocab *v = fresh(small_bpe);
        v->merge[3] = (tl_gguf_string){bad[i], strlen(bad[i])};
        expect_refused(v, TL_ERR_FORMAT, "tokenizer.ggml.merges: entry 3 is '");
    }
}
END_TEST

START_TEST(of_equal_merges_the_first_counts) {
    small_vocab *v = fresh(small_bpe);
    tl_tokenizer *t;
    tl_ids ids = {0};
    v->merge[v->n_merges++] = (tl_gguf_string){"o h", 3};
    small_add(v, "oh", 2, 1, 0);
    v->merge[v->n_merges++] = (tl_gguf_string){"h e", 3};
    ck_assert_int_eq(small_tokenizer(v, &t, NULL), TL_OK);
    ck_assert_int_eq(tl_tokenizer_encode(t, "ohe", 3, 0, &ids, NULL), TL_OK); /* h e of rank 0 before o h */
    ck_assert_uint_eq(ids.n, 2);
    ck_assert_int_eq(ids.id[0], 'o'); /* bytes are the first tokens */
    tl_ids_free(&ids);
    tl_tokenizer_free(t);
    free(v);
}
END_TEST

START_TEST(no_merges_at_all_load) {
    small_vocab *v = fresh(small_bpe);
    v->n_merges = 0;
    expect_loads(v);
}
END_TEST

/* ---- special ids ----------------------------------------------------------------------------------------------------------- */

START_TEST(ids_lie_in_the_vocabulary) {
    static const char *const keys[] = {"tokenizer.ggml.bos_token_id",       "tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.eot_token_id",       "tokenizer.ggml.eom_token_id",
                                       "tokenizer.ggml.unknown_token_id",   "tokenizer.ggml.padding_token_id",
                                       "tokenizer.ggml.separator_token_id", "tokenizer.ggml.seperator_token_id"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        small_vocab *v = fresh(small_spm);
        expect_refused(with_id(v, keys[i], v->n), TL_ERR_FORMAT, keys[i]);
        expect_refused(with_id(fresh(small_spm), keys[i], -2), TL_ERR_FORMAT, keys[i]);
        expect_refused(with_id(fresh(small_spm), keys[i], (int64_t)1 << 40), TL_ERR_FORMAT, keys[i]);
        expect_loads(with_id(fresh(small_spm), keys[i], 5));
        expect_loads(with_id(fresh(small_spm), keys[i], UINT32_MAX)); /* how some files write -1 */
        expect_loads(with_id(fresh(small_spm), keys[i], -1));
    }
}
END_TEST

START_TEST(asking_for_a_bos_that_does_not_exist_is_an_error) {
    small_vocab *v = fresh(small_bpe);
    v->flags[0].key = "tokenizer.ggml.add_bos_token";
    v->flags[0].value = true;
    v->n_flags = 1;
    expect_refused(v, TL_ERR_FORMAT, "tokenizer.ggml.add_bos_token is true but tokenizer.ggml.bos_token_id is missing");
    v = with_id(fresh(small_spm), "tokenizer.ggml.eos_token_id", -1);
    v->flags[0].key = "tokenizer.ggml.add_eos_token";
    v->flags[0].value = true;
    v->n_flags = 1;
    expect_refused(v, TL_ERR_FORMAT, "tokenizer.ggml.add_eos_token is true but tokenizer.ggml.eos_token_id is missing");
}
END_TEST

START_TEST(a_vocabulary_of_one_token_loads_and_encodes) {
    small_vocab *v = fresh(small_spm);
    tl_tokenizer *t;
    tl_ids ids = {0};
    v->n = v->n_types = v->n_scores = 1;
    ck_assert_int_eq(small_tokenizer(v, &t, NULL), TL_OK);
    ck_assert_int_eq(tl_tokenizer_special(t).bos, -1);
    ck_assert_int_eq(tl_tokenizer_encode(t, "ab", 2, TL_ENCODE_SPECIAL, &ids, NULL), TL_OK);
    ck_assert_uint_eq(ids.n, 5); /* nothing but <unk>: three bytes of the space's stand-in, a, b */
    tl_ids_free(&ids);
    tl_tokenizer_free(t);
    free(v);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

static tl_gguf *file_of(void (*fill)(small_vocab *), tl_text *bytes) {
    small_vocab *v = fresh(fill);
    tl_gguf *g = NULL;
    ck_assert_int_eq(small_write(v, bytes, NULL), TL_OK);
    ck_assert_int_eq(tl_gguf_from_memory(&g, bytes->data, bytes->n, NULL), TL_OK);
    free(v);
    return g;
}

/* Encodes, decodes and streams once; the first failure is the result. What fails leaves its output as it was. */
static tl_status use(const tl_tokenizer *t, const char *text, size_t n) {
    tl_ids ids = {0};
    tl_text whole = {0}, parts = {0};
    tl_detok d = tl_detok_start(t, true, true);
    tl_error err = {0};
    tl_status s = tl_tokenizer_encode(t, text, n, TL_ENCODE_SPECIAL | TL_ENCODE_PARSE, &ids, &err);
    if (s != TL_OK)
        ck_assert_uint_eq(ids.n, 0);
    if (s == TL_OK) {
        s = tl_tokenizer_decode(t, ids.id, ids.n, true, &whole, &err);
        if (s != TL_OK)
            ck_assert_uint_eq(whole.n, 0);
    }
    for (size_t i = 0; i < ids.n && s == TL_OK; i++) {
        size_t before = parts.n;
        tl_detok kept = d;
        s = tl_detok_push(&d, ids.id[i], &parts, &err);
        if (s != TL_OK) {
            ck_assert_uint_eq(parts.n, before);
            ck_assert_int_eq(d.n_held, kept.n_held);
        }
    }
    if (s == TL_OK)
        s = tl_detok_end(&d, &parts, &err);
    ck_assert(s == TL_OK || err.message[0] != 0);
    tl_ids_free(&ids);
    tl_text_free(&whole);
    tl_text_free(&parts);
    return s;
}

START_TEST(every_failing_allocation_gives_a_status_and_no_leak) {
    void (*fill[])(small_vocab *) = {small_spm, small_bpe};
    char text[600];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "hello world <|im_end|>\xE4\xB8"[i % 24];
    for (int k = 0; k < 4; k++) {
        tl_text bytes = {0};
        tl_gguf *g = file_of(fill[k % 2], &bytes);
        tl_tokenizer *t = NULL, *kept;
        bool on = k >= 2;
        ck_assert_int_eq(tl_tokenizer_new(&kept, g, NULL), TL_OK);
        for (int step = 0; step < 2; step++)
            for (long at = 0;; at++) {
                tl_error err = {0};
                tl_alloc_fail_at(at, on);
                tl_status s = step == 0 ? tl_tokenizer_new(&t, g, &err) : use(kept, text, sizeof text);
                bool reached = tl_alloc_count() > at;
                tl_alloc_fail_at(-1, false);
                ck_assert_int_eq(s, reached ? TL_ERR_MEMORY : TL_OK);
                if (reached && step == 0)
                    ck_assert_ptr_null(t);
                tl_tokenizer_free(t);
                t = NULL;
                if (!reached) {
                    ck_assert_int_gt(at, 5);
                    break;
                }
            }
        tl_tokenizer_free(kept);
        tl_gguf_free(g);
        tl_text_free(&bytes);
    }
}
END_TEST

static Suite *tokenizer_file_suite(void) {
    Suite *s = suite_create("tokenizer file");
    TCase *c = tcase_create("tokenizer file");
    tcase_add_test(c, an_unknown_model_or_pre_is_named_with_what_there_is);
    tcase_add_test(c, a_missing_pre_is_the_default_and_spm_has_none);
    tcase_add_test(c, arrays_must_be_as_long_as_the_tokens);
    tcase_add_test(c, arrays_of_another_element_type_are_refused);
    tcase_add_test(c, types_and_scores_may_be_missing);
    tcase_add_test(c, odd_types_and_scores_load);
    tcase_add_test(c, byte_tokens_are_strict);
    tcase_add_test(c, tokens_have_a_longest_length);
    tcase_add_test(c, of_equal_tokens_the_first_is_found);
    tcase_add_test(c, a_merge_is_two_tokens_and_one_space);
    tcase_add_test(c, of_equal_merges_the_first_counts);
    tcase_add_test(c, no_merges_at_all_load);
    tcase_add_test(c, ids_lie_in_the_vocabulary);
    tcase_add_test(c, asking_for_a_bos_that_does_not_exist_is_an_error);
    tcase_add_test(c, a_vocabulary_of_one_token_loads_and_encodes);
    tcase_add_test(c, every_failing_allocation_gives_a_status_and_no_leak);
    tcase_set_timeout(c, 120);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(tokenizer_file_suite());
}
