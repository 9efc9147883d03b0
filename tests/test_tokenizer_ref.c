/* test_tokenizer_ref.c: the tokenisations of llama.cpp and HF tokenizers, for real vocabularies. */
#include <string.h>

#include "models/text/text.h"
#include "tests/suite.h"
#include "tests/support/json.h"

static tl_tokenizer *load(const char *path) {
    tl_gguf *g;
    tl_tokenizer *t;
    tl_error err = {0};
    ck_assert_msg(tl_gguf_open(&g, path, &err) == TL_OK, "%s", err.message);
    ck_assert_msg(tl_tokenizer_new(&t, g, &err) == TL_OK, "%s", err.message);
    tl_gguf_free(g);
    return t;
}

static void expect_ids(const tl_tokenizer *t, const char *text, size_t n, unsigned flags, const int32_t *want, size_t n_want) {
    tl_ids got = {0};
    tl_error err = {0};
    ck_assert_msg(tl_tokenizer_encode(t, text, n, flags, &got, &err) == TL_OK, "%s", err.message);
    ck_assert_msg(got.n == n_want && (n_want == 0 || memcmp(got.id, want, n_want * sizeof *want) == 0), "'%.*s'", (int)n, text);
    tl_ids_free(&got);
}

static void expect_json_ids(const tl_tokenizer *t, const json *text, const json *ids, unsigned flags) {
    int32_t want[512];
    ck_assert(text != NULL && ids != NULL && ids->count <= 512);
    for (size_t i = 0; i < ids->count; i++)
        want[i] = (int32_t)ids->item[i].number;
    expect_ids(t, text->string, text->length, flags, want, ids->count);
}

/* Reads the numbers of a line. */
static size_t read_line(const char **p, int32_t *ids, size_t room) {
    size_t n = 0;
    while (**p != 0 && **p != '\n') {
        char *end;
        long id = strtol(*p, &end, 10);
        if (end == *p)
            break;
        ck_assert_uint_lt(n, room);
        ids[n++] = (int32_t)id;
        *p = end;
    }
    while (**p != 0 && *(*p)++ != '\n') {
    }
    return n;
}

/* The 47 cases of a vocabulary of llama.cpp's own tests: texts in NAME.inp, ids without BOS in NAME.out. */
static void expect_vocabulary(const char *name) {
    const char *data = getenv("TALLY_TEST_DATA"), separator[] = "\n__ggml_vocab_test__\n";
    if (data == NULL)
        SKIP("needs TALLY_TEST_DATA");
    char path[1024];
    size_t n, unused, cases = 0;
    snprintf(path, sizeof path, "%s/vocab/%s", data, name);
    tl_tokenizer *t = load(path);
    snprintf(path, sizeof path, "%s/vocab/%s.inp", data, name);
    char *input = read_whole_file(path, &n);
    snprintf(path, sizeof path, "%s/vocab/%s.out", data, name);
    char *output = read_whole_file(path, &unused);
    ck_assert(input != NULL && output != NULL);
    const char *lines = output;
    for (const char *text = input; text != NULL; cases++) {
        const char *end = strstr(text, separator);
        int32_t want[1024];
        size_t n_want = read_line(&lines, want, 1024);
        expect_ids(t, text, end != NULL ? (size_t)(end - text) : (size_t)(input + n - text), 0, want, n_want);
        text = end != NULL ? end + sizeof separator - 1 : NULL;
    }
    ck_assert_uint_eq(cases, 47);
    free(input);
    free(output);
    tl_tokenizer_free(t);
}

START_TEST(phi_3_matches_47_of_47) {
    expect_vocabulary("ggml-vocab-phi-3.gguf");
}
END_TEST

START_TEST(gpt_2_matches_47_of_47) {
    expect_vocabulary("ggml-vocab-gpt-2.gguf");
}
END_TEST

START_TEST(llama_bpe_matches_47_of_47) {
    expect_vocabulary("vocab-llama-bpe.gguf");
}
END_TEST

START_TEST(qwen2_matches_47_of_47) {
    expect_vocabulary("vocab-qwen2.gguf");
}
END_TEST

/* [{"text": .., "ids": [..]}] */
static void expect_tokenisations(const tl_tokenizer *t, const char *path) {
    json *ref = json_load(path);
    ck_assert_msg(ref != NULL, "cannot read %s", path);
    ck_assert_uint_eq(ref->count, 47);
    for (size_t i = 0; i < ref->count; i++)
        expect_json_ids(t, json_get(&ref->item[i], "text"), json_get(&ref->item[i], "ids"), 0);
    json_free(ref);
}

START_TEST(stories_matches_47_of_47_and_its_prompts) {
    const char *data = getenv("TALLY_TEST_DATA");
    if (data == NULL)
        SKIP("needs TALLY_TEST_DATA");
    char path[1024];
    snprintf(path, sizeof path, "%s/models/stories260K-f32.gguf", data);
    tl_tokenizer *t = load(path);
    snprintf(path, sizeof path, "%s/ref/stories260K-f32.tok.json", data);
    expect_tokenisations(t, path);
    snprintf(path, sizeof path, "%s/ref/stories260K-f32.json", data);
    json *ref = json_load(path);
    const json *cases = json_get(ref, "cases");
    ck_assert_uint_eq(cases->count, 4);
    for (size_t i = 0; i < cases->count; i++) {
        const json *ids = json_get(&cases->item[i], "greedy_ids");
        tl_ids answer = {0};
        tl_text text = {0};
        tl_error err = {0};
        expect_json_ids(t, json_get(&cases->item[i], "prompt"), json_get(&cases->item[i], "prompt_ids"), TL_ENCODE_SPECIAL);
        for (size_t k = 0; k < ids->count; k++)
            ck_assert_int_eq(tl_ids_append(&answer, (const int32_t[]){(int32_t)ids->item[k].number}, 1, &err), TL_OK);
        ck_assert_int_eq(tl_tokenizer_decode(t, answer.id, answer.n, false, &text, &err), TL_OK); /* the reference takes the space off */
        tl_ids_free(&answer);
        ck_assert_str_eq(text.data, json_get(&cases->item[i], "text")->string);
        tl_text_free(&text);
    }
    json_free(ref);
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(the_demo_model_matches_47_of_47_and_its_prompts) {
    const char *data = getenv("TALLY_TEST_DATA"), *model = getenv("TALLY_DEMO_MODEL");
    if (data == NULL || model == NULL)
        SKIP("needs TALLY_TEST_DATA and TALLY_DEMO_MODEL");
    char path[1024];
    tl_tokenizer *t = load(model);
    snprintf(path, sizeof path, "%s/ref/smollm2-135m-instruct-q4_1.tok.json", data);
    expect_tokenisations(t, path);
    snprintf(path, sizeof path, "%s/ref/smollm2-135m-instruct-q4_1.json", data);
    json *ref = json_load(path);
    const json *cases = json_get(ref, "complete");
    ck_assert_uint_eq(cases->count, 5);
    for (size_t i = 0; i < cases->count; i++)
        expect_json_ids(t, json_get(&cases->item[i], "prompt"), json_get(&cases->item[i], "prompt_ids"), TL_ENCODE_SPECIAL);
    json_free(ref);
    tl_tokenizer_free(t);
}
END_TEST

/* decode(encode(s)) is s without the bytes that a byte-level vocabulary has no token for. */
static void expect_comes_back(const tl_tokenizer *t, const char *s, size_t n) {
    char want[1024];
    size_t m = 0;
    tl_ids ids = {0};
    tl_text text = {0};
    ck_assert_uint_le(n, sizeof want);
    for (size_t i = 0; i < n; i++) {
        char c[4];
        size_t len = (size_t)tl_utf8_write(tl_bpe_char((unsigned char)s[i]), c);
        if (strcmp(tl_tokenizer_model(t), "spm") == 0 || tl_tokenizer_find(t, c, len) >= 0)
            want[m++] = s[i];
    }
    ck_assert_int_eq(tl_tokenizer_encode(t, s, n, TL_ENCODE_PARSE, &ids, NULL), TL_OK);
    ck_assert_int_eq(tl_tokenizer_decode(t, ids.id, ids.n, true, &text, NULL), TL_OK);
    ck_assert_msg(text.n == m && (m == 0 || memcmp(text.data, want, m) == 0), "'%.*s' comes back as '%s'", (int)n, s,
                  text.n > 0 ? text.data : "");
    tl_ids_free(&ids);
    tl_text_free(&text);
}

START_TEST(every_token_and_sampled_code_points_come_back) {
    static const char *const names[] = {"vocab/ggml-vocab-phi-3.gguf",
                                        "vocab/ggml-vocab-gpt-2.gguf",
                                        "vocab/vocab-llama-bpe.gguf",
                                        "vocab/vocab-qwen2.gguf",
                                        "models/stories260K-f32.gguf",
                                        "models/babyllama-tok105-f16.gguf",
                                        NULL};
    const char *data = getenv("TALLY_TEST_DATA"), *model = getenv("TALLY_DEMO_MODEL");
    if (data == NULL)
        SKIP("needs TALLY_TEST_DATA");
    for (int i = 0; i < 7; i++) {
        char path[1024];
        if (names[i] == NULL && model == NULL)
            continue;
        snprintf(path, sizeof path, "%s/%s", data, names[i] != NULL ? names[i] : "");
        tl_tokenizer *t = load(names[i] != NULL ? path : model);
        for (int32_t id = 0; id < tl_tokenizer_size(t); id += sparing(1, 17)) {
            tl_gguf_string piece = tl_tokenizer_piece(t, id, true);
            expect_comes_back(t, piece.data, piece.n);
        }
        for (uint32_t cp = 0; cp < 0x110000; cp += cp < 0x3000 ? 1 : 97) {
            char s[4];
            if ((cp < 0xD800 || cp > 0xDFFF) && cp != 0x2581) /* SPM's stand-in for the space */
                expect_comes_back(t, s, (size_t)tl_utf8_write(cp, s));
        }
        tl_tokenizer_free(t);
    }
}
END_TEST

static Suite *tokenizer_ref_suite(void) {
    Suite *s = suite_create("tokenizer reference");
    TCase *c = tcase_create("tokenizer reference");
    tcase_add_test(c, phi_3_matches_47_of_47);
    tcase_add_test(c, gpt_2_matches_47_of_47);
    tcase_add_test(c, llama_bpe_matches_47_of_47);
    tcase_add_test(c, qwen2_matches_47_of_47);
    tcase_add_test(c, stories_matches_47_of_47_and_its_prompts);
    tcase_add_test(c, the_demo_model_matches_47_of_47_and_its_prompts);
    tcase_add_test(c, every_token_and_sampled_code_points_come_back);
    tcase_set_timeout(c, 300);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(tokenizer_ref_suite());
}
