/* test_tokenizer_decode.c: text comes back from ids, whole or as a stream that never holds half a character. */
#include "tests/tokenizer_rig.h"

/* ---- decoding -------------------------------------------------------------------------------------------------------------- */

START_TEST(decoding_undoes_encoding_for_any_bytes) {
    static const char *const parts[] = {"hello", " ",      "  ",         "world", "\n", "é", "中",       "🦙", "\xFF", "\xC3",
                                        "\x80",  "<tool>", "<|im_end|>", "<s>",   "a",  "1", "\xE2\x96", "'s",   "\t",   "<"};
    void (*fill[])(small_vocab *) = {small_spm, small_bpe};
    for (int k = 0; k < 2; k++) {
        tl_tokenizer *t = load(fresh(fill[k]));
        uint32_t random = 3;
        for (int round = 0; round < 4000; round++) {
            char text[256];
            size_t n = 0;
            for (int i = 0; i < round % 20; i++) {
                const char *part = parts[next_random(&random) % 20];
                memcpy(text + n, part, strlen(part));
                n += strlen(part);
            }
            text[n] = 0;
            if (strstr(text, "\xE2\x96\x81") == NULL) /* SPM cannot tell it from a space */
                expect_round_trip(t, text, n, round % 2 ? PARSE : PLAIN);
        }
        tl_tokenizer_free(t);
    }
}
END_TEST

START_TEST(every_token_and_every_code_point_comes_back) {
    void (*fill[])(small_vocab *) = {small_spm, small_bpe};
    for (int k = 0; k < 2; k++) {
        tl_tokenizer *t = load(fresh(fill[k]));
        for (int32_t id = 0; id < tl_tokenizer_size(t); id++) {
            tl_gguf_string piece = tl_tokenizer_piece(t, id, true);
            expect_round_trip(t, piece.data, piece.n, PARSE);
        }
        for (uint32_t cp = 0; cp < 0x110000; cp += cp < 0x3000 ? 1 : 61) {
            char s[4];
            if ((cp < 0xD800 || cp > 0xDFFF) && cp != 0x2581)
                expect_round_trip(t, s, (size_t)tl_utf8_write(cp, s), PLAIN);
        }
        tl_tokenizer_free(t);
    }
}
END_TEST

START_TEST(control_and_unknown_tokens_are_text_only_on_request) {
    tl_tokenizer *t = load(fresh(small_spm));
    ck_assert_uint_eq(tl_tokenizer_piece(t, 1, false).n, 0);
    ck_assert_uint_eq(tl_tokenizer_piece(t, 0, false).n, 0);
    ck_assert_uint_eq(tl_tokenizer_piece(t, 1, true).n, 3);
    ck_assert_uint_eq(tl_tokenizer_piece(t, tl_tokenizer_find(t, "<tool>", 6), false).n, 6);
    ck_assert_uint_eq(tl_tokenizer_piece(t, -1, true).n, 0);
    ck_assert_uint_eq(tl_tokenizer_piece(t, tl_tokenizer_size(t), true).n, 0);
    ck_assert_uint_eq(tl_tokenizer_token(t, -1).n, 0);
    tl_gguf_string byte = tl_tokenizer_piece(t, BYTE0 + 0xFF, false);
    ck_assert(byte.n == 1 && (unsigned char)byte.data[0] == 0xFF);
    ck_assert_int_eq(tl_tokenizer_find(t, "no such token", 13), -1);
    ck_assert_int_eq(tl_tokenizer_find(t, "", 0), -1);
    ck_assert_int_eq(tl_tokenizer_find(t, NULL, 0), -1);
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(ids_outside_the_vocabulary_are_refused_and_change_nothing) {
    tl_tokenizer *t = load(fresh(small_spm));
    tl_text out = {0};
    tl_error err = {0};
    tl_detok d = tl_detok_start(t, false, true);
    const int32_t bad[] = {BYTE0 + 'a', tl_tokenizer_size(t)};
    ck_assert_int_eq(tl_text_append(&out, "x", 1, &err), TL_OK);
    ck_assert_int_eq(tl_tokenizer_decode(t, bad, 2, false, &out, &err), TL_ERR_RANGE);
    ck_assert_ptr_nonnull(strstr(err.message, "the vocabulary has the tokens 0 .. "));
    ck_assert_str_eq(out.data, "x");
    ck_assert_int_eq(tl_detok_push(&d, -1, &out, &err), TL_ERR_RANGE);
    ck_assert_str_eq(out.data, "x");
    tl_text_free(&out);
    tl_tokenizer_free(t);
}
END_TEST

/* ---- the stream ------------------------------------------------------------------------------------------------------------ */

/* Pushes ids one by one; after each the text so far is valid UTF-8. */
static void stream(const tl_tokenizer *t, const int32_t *ids, size_t n, bool special, bool strip, tl_text *out) {
    tl_error err = {0};
    tl_detok d = tl_detok_start(t, special, strip);
    for (size_t i = 0; i <= n; i++) {
        size_t from = out->n;
        ck_assert_int_eq(i < n ? tl_detok_push(&d, ids[i], out, &err) : tl_detok_end(&d, out, &err), TL_OK);
        while (from < out->n) {
            uint32_t cp;
            int len = tl_utf8_read(out->data + from, out->n - from, &cp);
            ck_assert(len > 1 || cp < 0x80);
            from += (size_t)len;
        }
    }
}

START_TEST(the_stream_of_valid_text_is_its_decoding) {
    static const char *const texts[] = {"hello world", "  é中🦙 x", "a<tool> b<|im_end|> c", "🦙🦙", ""};
    void (*fill[])(small_vocab *) = {small_spm, small_bpe};
    for (int k = 0; k < 2; k++) {
        tl_tokenizer *t = load(fresh(fill[k]));
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            for (int special = 0; special < 2; special++) {
                tl_ids ids = encode(t, texts[i], strlen(texts[i]), SPECIAL | PARSE);
                tl_text whole = {0}, parts = {0};
                ck_assert_int_eq(tl_tokenizer_decode(t, ids.id, ids.n, special, &whole, NULL), TL_OK);
                stream(t, ids.id, ids.n, special, true, &parts);
                ck_assert_str_eq(parts.n > 0 ? parts.data : "", whole.n > 0 ? whole.data : "");
                tl_ids_free(&ids);
                tl_text_free(&whole);
                tl_text_free(&parts);
            }
        tl_tokenizer_free(t);
    }
}
END_TEST

START_TEST(the_stream_keeps_the_space_where_text_continues) {
    tl_tokenizer *t = load(fresh(small_spm));
    int32_t hello = tl_tokenizer_find(t, "▁hello", 8);
    const int32_t ids[] = {hello, hello, 2, hello};
    tl_text out = {0};
    stream(t, ids, 4, false, false, &out);
    ck_assert_str_eq(out.data, " hello hellohello"); /* after a special token a text begins anew */
    out.n = 0;
    stream(t, ids, 4, true, true, &out);
    ck_assert_str_eq(out.data, "hello hello</s>hello");
    tl_text_free(&out);
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(the_stream_replaces_what_is_no_character) {
    static const struct {
        const char *bytes, *want;
    } known[] = {
        {"\xF0\x9F\xA6\x99", "🦙"},
        {"\xFF", "\uFFFD"},
        {"\xE4\xB8", "\uFFFD"},
        {"\xE4\xB8"
         "a",
         "\uFFFDa"},
        {"\xC3\xC3\xA9", "\uFFFDé"},
        {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},
        {"\xF0\x9F\xE4\xB8\xAD", "\uFFFD中"},
        {"\x80", "\uFFFD"},
    };
    tl_tokenizer *t = load(fresh(small_spm));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        int32_t ids[8];
        size_t n = strlen(known[i].bytes);
        for (size_t j = 0; j < n; j++)
            ids[j] = BYTE0 + (unsigned char)known[i].bytes[j];
        tl_text out = {0};
        stream(t, ids, n, false, true, &out);
        ck_assert_str_eq(out.data, known[i].want);
        tl_text_free(&out);
    }
    tl_tokenizer_free(t);
}
END_TEST

static Suite *tokenizer_decode_suite(void) {
    Suite *s = suite_create("tokenizer_decode");
    TCase *c = tcase_create("tokenizer_decode");
    tcase_add_test(c, decoding_undoes_encoding_for_any_bytes);
    tcase_add_test(c, every_token_and_every_code_point_comes_back);
    tcase_add_test(c, control_and_unknown_tokens_are_text_only_on_request);
    tcase_add_test(c, ids_outside_the_vocabulary_are_refused_and_change_nothing);
    tcase_add_test(c, the_stream_of_valid_text_is_its_decoding);
    tcase_add_test(c, the_stream_keeps_the_space_where_text_continues);
    tcase_add_test(c, the_stream_replaces_what_is_no_character);
    tcase_set_timeout(c, 120);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(tokenizer_decode_suite());
}
