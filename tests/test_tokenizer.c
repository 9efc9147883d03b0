/* test_tokenizer.c: what encoding means, on small vocabularies where every result can be worked out by hand, and against plain quadratic
 * definitions of SPM and BPE. Decoding is in test_tokenizer_decode.c. */
#include "tests/tokenizer_rig.h"

/* The ids of text, as the tokens' strings joined by '|', are `want`. */
static void expect(const tl_tokenizer *t, const char *text, unsigned flags, const char *want) {
    tl_ids ids = encode(t, text, strlen(text), flags);
    tl_text got = {0};
    for (size_t i = 0; i < ids.n; i++) {
        tl_gguf_string s = tl_tokenizer_token(t, ids.id[i]);
        if (i > 0)
            tl_text_append(&got, "|", 1, NULL);
        tl_text_append(&got, s.data, s.n, NULL);
    }
    ck_assert_msg(strcmp(got.n > 0 ? got.data : "", want) == 0, "'%s' gives '%s', expected '%s'", text, got.n > 0 ? got.data : "", want);
    tl_ids_free(&ids);
    tl_text_free(&got);
}

/* ---- SPM ------------------------------------------------------------------------------------------------------------------- */

START_TEST(spm_joins_the_best_score_first_and_puts_a_space_in_front) {
    tl_tokenizer *t = load(fresh(small_spm));
    ck_assert_str_eq(tl_tokenizer_model(t), "spm");
    expect(t, "hello world", PLAIN, "▁hello|▁w|or|ld"); /* ▁world is a token, but no pair leads to it */
    expect(t, "hello", PLAIN, "▁hello");
    expect(t, " hello", PLAIN, "▁|▁hello"); /* ▁h beats ▁▁ */
    expect(t, "  hello", PLAIN, "▁▁|▁hello");
    expect(t, "the", PLAIN, "▁|t|he"); /* he (rank 2) comes before th (rank 16), and ▁the is not reached */
    expect(t, "", PLAIN, "");
    expect(t, " ", PLAIN, "▁▁");
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(spm_ties_go_to_the_left) {
    tl_tokenizer *t = load(fresh(small_spm));
    expect(t, "aaa", PLAIN, "▁|aa|a");
    expect(t, "aaaaa", PLAIN, "▁|aaaa|a");
    expect(t, "aaaaaa", PLAIN, "▁|aaaa|aa");
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(spm_falls_back_to_bytes) {
    tl_tokenizer *t = load(fresh(small_spm));
    expect(t, "é中", PLAIN, "▁|é|<0xE4>|<0xB8>|<0xAD>");
    expect(t, "\n\x01", PLAIN, "▁|<0x0A>|<0x01>");
    expect(t, "\xC3h\xFF\x80", PLAIN, "▁|<0xC3>|h|<0xFF>|<0x80>"); /* each bad byte is a byte of its own */
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(spm_characters_that_are_no_token_still_join_into_one) {
    small_vocab *v = fresh(small_spm);
    small_add(v, "xy", 2, 1, 5);
    tl_tokenizer *t = load(v);
    expect(t, "xy x", PLAIN, "▁|xy|▁|<0x78>");
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(spm_without_bytes_says_unknown) {
    small_vocab *v = fresh(small_spm);
    for (int64_t i = BYTE0; i < BYTE0 + 256; i++)
        v->type[i] = 5;
    tl_tokenizer *t = load(v);
    expect(t, "é中", PLAIN, "▁|é|<unk>|<unk>|<unk>");
    ck_assert_int_eq(tl_tokenizer_special(t).nl, -1);
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(spm_puts_the_space_in_front_again_after_special_tokens) {
    tl_tokenizer *t = load(fresh(small_spm));
    expect(t, "hello<|im_end|>hello", PARSE, "▁hello|<|im_end|>|▁hello");
    expect(t, "<|im_end|>", PARSE, "<|im_end|>");
    expect(t, "a<tool>a", PLAIN, "▁|a|<tool>|▁|a");
    expect(t, "<s>a", SPECIAL | PARSE, "<s>|<s>|▁|a");
    tl_tokenizer_free(t);
    small_vocab *v = fresh(small_spm);
    v->flags[v->n_flags].key = "tokenizer.ggml.add_space_prefix";
    v->flags[v->n_flags++].value = false;
    t = load(v);
    expect(t, "hello<|im_end|>a", PARSE, "he|llo|<|im_end|>|a");
    expect_round_trip(t, " a", 2, PLAIN);
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(spm_scores_of_zero_and_minus_zero_tie) {
    small_vocab *v = fresh(small_spm);
    for (int64_t i = 0; i < v->n; i++)
        v->score[i] = i % 2 ? 0.0f : -0.0f;
    tl_tokenizer *t = load(v);
    expect(t, "hello", PLAIN, "▁hello"); /* ▁h, then ▁he, then ll, ... from the left */
    expect(t, "aaa", PLAIN, "▁|aa|a");
    tl_tokenizer_free(t);
}
END_TEST

/* The definition: of all neighbours whose text is a token, join those of the best score, the leftmost of equals; again. */
static size_t naive_spm(const small_vocab *v, const tl_tokenizer *t, const char *s, size_t n, int32_t *ids) {
    size_t at[128], k = 0;
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)s[i] & 0xC0) != 0x80)
            at[k++] = i;
    at[k] = n;
    for (;;) {
        size_t best = k;
        float score = 0;
        for (size_t i = 0; i + 1 < k; i++) {
            int32_t id = tl_tokenizer_find(t, s + at[i], at[i + 2] - at[i]);
            if (id >= 0 && v->type[id] == 1 && (best == k || v->score[id] > score)) {
                best = i;
                score = v->score[id];
            }
        }
        if (best == k)
            break;
        memmove(&at[best + 1], &at[best + 2], (k - best - 1) * sizeof *at);
        k--;
    }
    for (size_t i = 0; i < k; i++)
        ids[i] = tl_tokenizer_find(t, s + at[i], at[i + 1] - at[i]);
    return k;
}

START_TEST(spm_gives_what_its_definition_gives) {
    static const char *const letters[] = {"h", "e", "l", "o", "w", "r", "d", "a", "t", "▁", "▁", "a", "h", "é"};
    small_vocab *v = fresh(small_spm), *kept = fresh(small_spm);
    tl_tokenizer *t = load(v);
    uint32_t random = 7;
    for (int round = 0; round < 5000; round++) {
        char text[128] = "▁", plain[128];
        size_t n = 3, m = 0;
        for (int i = 0; i < round % 30; i++) {
            const char *c = letters[next_random(&random) % 14];
            memcpy(text + n, c, strlen(c));
            n += strlen(c);
        }
        for (size_t i = 3; i < n; i++) /* ▁ stands for a space */
            if (memcmp(text + i, "▁", 3) == 0) {
                plain[m++] = ' ';
                i += 2;
            } else {
                plain[m++] = text[i];
            }
        int32_t want[128];
        size_t k = m > 0 ? naive_spm(kept, t, text, n, want) : 0;
        tl_ids got = encode(t, plain, m, PLAIN);
        ck_assert_msg(got.n == k && (k == 0 || memcmp(got.id, want, k * sizeof *want) == 0), "'%.*s'", (int)n, text);
        tl_ids_free(&got);
    }
    free(kept);
    tl_tokenizer_free(t);
}
END_TEST

/* ---- BPE ------------------------------------------------------------------------------------------------------------------- */

START_TEST(bpe_byte_characters_are_a_bijection) {
    for (int b = 0; b < 256; b++) {
        uint32_t cp = tl_bpe_char((unsigned char)b);
        ck_assert_int_eq(tl_bpe_byte(cp), b);
        for (int a = 0; a < b; a++)
            ck_assert_uint_ne(tl_bpe_char((unsigned char)a), cp);
    }
    ck_assert_uint_eq(tl_bpe_char(' '), 0x120);
    ck_assert_uint_eq(tl_bpe_char('\n'), 0x10A);
    ck_assert_uint_eq(tl_bpe_char(0x7F), 0x121);
    ck_assert_uint_eq(tl_bpe_char(0xA0), 0x142);
    ck_assert_uint_eq(tl_bpe_char(0xAD), 0x143);
    ck_assert_int_eq(tl_bpe_byte(0x144), -1);
    ck_assert_int_eq(tl_bpe_byte(0x4E2D), -1);
}
END_TEST

START_TEST(bpe_joins_the_lowest_rank_first) {
    tl_tokenizer *t = load(fresh(small_bpe));
    ck_assert_str_eq(tl_tokenizer_model(t), "bpe");
    ck_assert_str_eq(tl_tokenizer_pre(t), "gpt-2");
    expect(t, "hello world", PLAIN, "hello|Ġworld");
    expect(t, "helhello", PLAIN, "he|l|hello");
    expect(t, "aaaaa", PLAIN, "aaaa|a");
    expect(t, "ü\n\n", PLAIN, "Ã¼|ĊĊ");
    expect(t, "\xFF\xC3", PLAIN, "ÿ|Ã");
    expect(t, "", PLAIN, "");
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(bpe_takes_a_piece_that_is_a_token_whole_only_where_merges_are_ignored) {
    small_vocab *v = fresh(small_bpe);
    small_add(v, "wow", 3, 1, 0); /* no merge leads to it */
    tl_tokenizer *t = load(v);
    expect(t, "wow wow", PLAIN, "w|o|w|Ġw|o|w");
    tl_tokenizer_free(t);
    v = fresh(small_bpe);
    v->pre = "llama-bpe";
    small_add(v, "wow", 3, 1, 0);
    t = load(v);
    expect(t, "wow wow", PLAIN, "wow|Ġw|o|w");
    expect(t, "wowow", PLAIN, "w|o|w|o|w");
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(bpe_leaves_out_bytes_that_the_vocabulary_lacks) {
    small_vocab *v = fresh(small_bpe);
    v->token[0xFF] = (tl_gguf_string){"nothing", 7};
    tl_tokenizer *t = load(v);
    expect(t,
           "a\xFF"
           "b",
           PLAIN, "a|b");
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(bpe_merges_of_unknown_tokens_are_ignored) {
    small_vocab *v = fresh(small_bpe);
    v->merge[0] = (tl_gguf_string){"h zz", 4};
    v->merge[1] = (tl_gguf_string){"zz l", 4};
    v->merge[4] = (tl_gguf_string){"w d", 3}; /* both known, wd is not */
    tl_tokenizer *t = load(v);
    expect(t, "hello wd", PLAIN, "h|e|l|l|o|Ġ|w|d");
    tl_tokenizer_free(t);
}
END_TEST

static size_t naive_bpe(const small_vocab *v, const tl_tokenizer *t, const char *s, size_t n, int32_t *ids) {
    size_t at[64], k = 0;
    while (k <= n) {
        at[k] = k;
        k++;
    }
    k--;
    for (;;) {
        size_t best = k;
        int64_t rank = v->n_merges;
        for (size_t i = 0; i + 1 < k; i++)
            for (int64_t r = 0; r < rank; r++) {
                const char *gap = memchr(v->merge[r].data, ' ', v->merge[r].n);
                size_t left = (size_t)(gap - v->merge[r].data), right = v->merge[r].n - left - 1;
                if (left == at[i + 1] - at[i] && right == at[i + 2] - at[i + 1] && memcmp(s + at[i], v->merge[r].data, left) == 0 &&
                    memcmp(s + at[i + 1], gap + 1, right) == 0) {
                    best = i;
                    rank = r;
                }
            }
        if (best == k)
            break;
        memmove(&at[best + 1], &at[best + 2], (k - best - 1) * sizeof *at);
        k--;
    }
    for (size_t i = 0; i < k; i++)
        ids[i] = tl_tokenizer_find(t, s + at[i], at[i + 1] - at[i]);
    return k;
}

START_TEST(bpe_gives_what_its_definition_gives) {
    small_vocab *kept = fresh(small_bpe);
    tl_tokenizer *t = load(fresh(small_bpe));
    uint32_t random = 9;
    for (int round = 0; round < 5000; round++) {
        char text[64];
        size_t n = (size_t)round % 40;
        for (size_t i = 0; i < n; i++)
            text[i] = "hheelllloaaw"[next_random(&random) % 12];
        int32_t want[64];
        size_t k = naive_bpe(kept, t, text, n, want);
        tl_ids got = encode(t, text, n, PLAIN);
        ck_assert_msg(got.n == k && (k == 0 || memcmp(got.id, want, k * sizeof *want) == 0), "'%.*s'", (int)n, text);
        tl_ids_free(&got);
    }
    free(kept);
    tl_tokenizer_free(t);
}
END_TEST

/* ---- special tokens -------------------------------------------------------------------------------------------------------- */

START_TEST(control_tokens_come_from_text_only_when_parsing_and_user_defined_ones_always) {
    tl_tokenizer *t = load(fresh(small_bpe));
    expect(t, "a<|im_end|><tool>", PARSE, "a|<|im_end|>|<tool>");
    expect(t, "a<tool>a", PLAIN, "a|<tool>|a");
    expect(t, "a<|im_end|>", PLAIN, "a|<|||i|m|_|e|n|d|||>");
    expect(t, "<|im_end|<|im_end|>", PARSE, "<|||i|m|_|e|n|d|||<|im_end|>");
    expect(t, "<tool<tool>>", PARSE, "<|t|o|o|l|<tool>|>");
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(the_longest_special_token_wins) {
    small_vocab *v = fresh(small_bpe);
    small_add(v, "<x", 2, 3, 0);
    small_add(v, "<xyz>", 5, 4, 0);
    small_add(v, "<xy", 3, 4, 0);
    tl_tokenizer *t = load(v);
    expect(t, "<xyz><xyz<xa", PARSE, "<xyz>|<xy|z|<x|a");
    expect(t, "<xyz><xyz<xa", PLAIN, "<xyz>|<xy|z|<|x|a");
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(plain_text_never_becomes_a_control_token) {
    small_vocab *v = fresh(small_bpe); /* a merge, and a whole piece, that spell a control token */
    v->pre = "llama-bpe";
    small_add(v, "ab", 2, 3, 0);
    v->merge[v->n_merges++] = (tl_gguf_string){"a b", 3};
    tl_tokenizer *t = load(v);
    expect(t, "ab", PLAIN, "a|b");
    expect(t, "ab", PARSE, "ab");
    tl_tokenizer_free(t);
    v = fresh(small_spm); /* two tokens that join into </s>, and a byte written out */
    small_add(v, "</", 2, 1, 9);
    small_add(v, "s>", 2, 1, 9);
    small_add(v, "<0x", 3, 1, 9);
    small_add(v, "0A>", 3, 1, 9);
    small_add(v, "<0", 2, 1, 9);
    small_add(v, "A>", 2, 1, 9);
    t = load(v);
    expect(t, "</s>", PLAIN, "▁|</|s>");
    expect(t, "</s>", PARSE, "</s>");
    expect_round_trip(t, "<0x0A>", 6, PLAIN);
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(bos_and_eos_are_added_as_the_file_asks) {
    tl_tokenizer *t = load(fresh(small_spm)); /* SPM: BOS unless the file says no */
    expect(t, "hello", SPECIAL, "<s>|▁hello");
    expect(t, "", SPECIAL, "<s>");
    tl_tokenizer_free(t);
    small_vocab *v = fresh(small_spm);
    v->flags[0].key = "tokenizer.ggml.add_bos_token";
    v->flags[1].key = "tokenizer.ggml.add_eos_token";
    v->flags[1].value = true;
    v->n_flags = 2;
    t = load(v);
    expect(t, "hello", SPECIAL, "▁hello|</s>");
    tl_tokenizer_free(t);
    v = fresh(small_bpe); /* gpt-2: none unless the file says so */
    v->ids[0].key = "tokenizer.ggml.bos_token_id";
    v->ids[0].value = 272;
    v->n_ids = 1;
    t = load(v);
    expect(t, "hello", SPECIAL, "hello");
    ck_assert_int_eq(tl_tokenizer_special(t).bos, 272);
    tl_tokenizer_free(t);
    v = fresh(small_bpe); /* llama-bpe: BOS where there is one */
    v->pre = "llama-bpe";
    t = load(v);
    expect(t, "hello", SPECIAL, "hello");
    tl_tokenizer_free(t);
    v = fresh(small_bpe);
    v->pre = "llama-bpe";
    v->ids[0].key = "tokenizer.ggml.bos_token_id";
    v->ids[0].value = 272;
    v->n_ids = 1;
    t = load(v);
    expect(t, "hello", SPECIAL, "<|endoftext|>|hello");
    tl_tokenizer_free(t);
}
END_TEST

START_TEST(ends_are_eos_eot_and_well_known_names) {
    small_vocab *v = fresh(small_bpe);
    int32_t html = small_add(v, "</s>", 4, 1, 0), turn = small_add(v, "<end_of_turn>", 13, 4, 0), odd = small_add(v, "odd", 3, 1, 0);
    int32_t call = small_add(v, "<|eom_id|>", 10, 1, 0);
    v->ids[0].key = "tokenizer.ggml.eos_token_id";
    v->ids[0].value = odd;
    v->n_ids = 1;
    tl_tokenizer *t = load(v);
    ck_assert(tl_tokenizer_is_end(t, odd));
    ck_assert(!tl_tokenizer_is_control(t, odd)); /* an end by number keeps its type */
    ck_assert(tl_tokenizer_is_end(t, 272));
    ck_assert(tl_tokenizer_is_end(t, 273));
    ck_assert(tl_tokenizer_is_end(t, turn) && tl_tokenizer_is_control(t, turn));
    ck_assert(tl_tokenizer_is_end(t, call) && tl_tokenizer_is_control(t, call));
    ck_assert(!tl_tokenizer_is_end(t, html) && !tl_tokenizer_is_control(t, html)); /* a normal token: HTML, not an end */
    ck_assert(!tl_tokenizer_is_end(t, 'a') && !tl_tokenizer_is_end(t, -1) && !tl_tokenizer_is_end(t, 100000));
    ck_assert_int_eq(tl_tokenizer_special(t).eot, 273);
    ck_assert_int_eq(tl_tokenizer_special(t).eos, odd);
    tl_tokenizer_free(t);
}
END_TEST

/* ---- size ------------------------------------------------------------------------------------------------------------------ */

START_TEST(a_mebibyte_of_one_letter_is_no_matter) {
    void (*fill[])(small_vocab *) = {small_spm, small_bpe};
    size_t n = (size_t)sparing(1 << 20, 1 << 18);
    char *text = malloc(n);
    memset(text, 'a', n);
    for (int k = 0; k < 2; k++) {
        tl_tokenizer *t = load(fresh(fill[k]));
        tl_ids ids = encode(t, text, n, PLAIN);
        ck_assert_uint_eq(ids.n, n / 4 + (k == 0)); /* aaaa, and ▁ in front */
        tl_text out = {0};
        ck_assert_int_eq(tl_tokenizer_decode(t, ids.id, ids.n, false, &out, NULL), TL_OK);
        ck_assert(out.n == n && memcmp(out.data, text, n) == 0);
        tl_text_free(&out);
        tl_ids_free(&ids);
        tl_tokenizer_free(t);
    }
    free(text);
}
END_TEST

START_TEST(wrong_calls_are_refused) {
    tl_tokenizer *t = load(fresh(small_spm));
    tl_ids ids = {0};
    tl_text out = {0};
    tl_detok d = {0};
    tl_error err = {0};
    tl_tokenizer *none = t;
    ck_assert_int_eq(tl_tokenizer_new(NULL, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_tokenizer_new(&none, NULL, &err), TL_ERR_USAGE);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(tl_tokenizer_encode(NULL, "a", 1, 0, &ids, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_tokenizer_encode(t, NULL, 1, 0, &ids, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_tokenizer_encode(t, "a", 1, 0, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_tokenizer_encode(t, NULL, 0, 0, &ids, &err), TL_OK);
    ck_assert_int_eq(tl_tokenizer_decode(t, NULL, 1, false, &out, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_tokenizer_decode(t, NULL, 0, false, &out, &err), TL_OK);
    ck_assert_int_eq(tl_detok_push(&d, 0, &out, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_detok_end(NULL, &out, &err), TL_ERR_USAGE);
    tl_tokenizer_free(NULL);
    tl_tokenizer_free(t);
}
END_TEST

static Suite *tokenizer_suite(void) {
    Suite *s = suite_create("tokenizer");
    TCase *c = tcase_create("tokenizer");
    tcase_add_test(c, spm_joins_the_best_score_first_and_puts_a_space_in_front);
    tcase_add_test(c, spm_ties_go_to_the_left);
    tcase_add_test(c, spm_falls_back_to_bytes);
    tcase_add_test(c, spm_characters_that_are_no_token_still_join_into_one);
    tcase_add_test(c, spm_without_bytes_says_unknown);
    tcase_add_test(c, spm_puts_the_space_in_front_again_after_special_tokens);
    tcase_add_test(c, spm_scores_of_zero_and_minus_zero_tie);
    tcase_add_test(c, spm_gives_what_its_definition_gives);
    tcase_add_test(c, bpe_byte_characters_are_a_bijection);
    tcase_add_test(c, bpe_joins_the_lowest_rank_first);
    tcase_add_test(c, bpe_takes_a_piece_that_is_a_token_whole_only_where_merges_are_ignored);
    tcase_add_test(c, bpe_leaves_out_bytes_that_the_vocabulary_lacks);
    tcase_add_test(c, bpe_merges_of_unknown_tokens_are_ignored);
    tcase_add_test(c, bpe_gives_what_its_definition_gives);
    tcase_add_test(c, control_tokens_come_from_text_only_when_parsing_and_user_defined_ones_always);
    tcase_add_test(c, the_longest_special_token_wins);
    tcase_add_test(c, plain_text_never_becomes_a_control_token);
    tcase_add_test(c, bos_and_eos_are_added_as_the_file_asks);
    tcase_add_test(c, ends_are_eos_eot_and_well_known_names);
    tcase_add_test(c, a_mebibyte_of_one_letter_is_no_matter);
    tcase_add_test(c, wrong_calls_are_refused);
    tcase_set_timeout(c, 120);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(tokenizer_suite());
}
