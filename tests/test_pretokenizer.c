/* test_pretokenizer.c: the hand-written splitters give what the published regular expressions give. */
#include <string.h>

#include "models/text/text.h"
#include "tests/suite.h"

/* Pieces joined by |, made with Python's regex module from the expressions at the head of pretokenizer.c. */
static const struct {
    const char *pre, *text, *pieces;
} cases[] = {
    {"gpt-2", "Hello world", "Hello| world"},
    {"gpt-2", " Hello  world", " Hello| | world"},
    {"gpt-2", "I've we'll 'S 'Ve it'sn't", "I|'ve| we|'ll| '|S| '|Ve| it|'s|n|'t"},
    {"gpt-2", "a1b22 333 4444", "a|1|b|22| 333| 4444"},
    {"gpt-2", "12345678", "12345678"},
    {"gpt-2", "x = y+1; // ok", "x| =| y|+|1|;| //| ok"},
    {"gpt-2", "tab\011next\012\012  two\015\012", "tab|\011|next|\012\012 | two|\015\012"},
    {"gpt-2", "   ", "   "},
    {"gpt-2", "  lead", " | lead"},
    {"gpt-2", "trail   ", "trail|   "},
    {"gpt-2", "a \012 b", "a| \012| b"},
    {"gpt-2", "!!! \?\?\? $5.00", "!!!| \?\?\?| $|5|.|00"},
    {"gpt-2", "\303\274ber na\303\257ve \344\270\255\346\226\207\345\255\227 \302\262\302\275",
     "\303\274ber| na\303\257ve| \344\270\255\346\226\207\345\255\227| \302\262\302\275"},
    {"gpt-2", "don't DON'T 'RE'D", "don|'t| DON|'|T| '|RE|'|D"},
    {"gpt-2", "\012\012\012\011x", "\012\012\012|\011|x"},
    {"gpt-2", "\303\251 e\314\201 \343\200\200wide", "\303\251| e|\314\201| |\343\200\200|wide"},
    {"gpt-2", " '", " '"},
    {"gpt-2", "'", "'"},
    {"gpt-2", "1\302\2402 \331\243\331\244", "1|\302\240|2| \331\243\331\244"},
    {"gpt-2", "\360\237\246\231\360\237\246\231 ok", "\360\237\246\231\360\237\246\231| ok"},
    {"gpt-2", "(a)[b]{c}", "(|a|)[|b|]{|c|}"},
    {"gpt-2", "--==__~~", "--==__~~"},
    {"gpt-2", "foo_bar.baz", "foo|_|bar|.|baz"},
    {"llama-bpe", "Hello world", "Hello| world"},
    {"llama-bpe", " Hello  world", " Hello| | world"},
    {"llama-bpe", "I've we'll 'S 'Ve it'sn't", "I|'ve| we|'ll| '|S| '|Ve| it|'s|n|'t"},
    {"llama-bpe", "a1b22 333 4444", "a|1|b|22| |333| |444|4"},
    {"llama-bpe", "12345678", "123|456|78"},
    {"llama-bpe", "x = y+1; // ok", "x| =| y|+|1|;| //| ok"},
    {"llama-bpe", "tab\011next\012\012  two\015\012", "tab|\011next|\012\012| | two|\015\012"},
    {"llama-bpe", "   ", "   "},
    {"llama-bpe", "  lead", " | lead"},
    {"llama-bpe", "trail   ", "trail|   "},
    {"llama-bpe", "a \012 b", "a| \012| b"},
    {"llama-bpe", "!!! \?\?\? $5.00", "!!!| \?\?\?| $|5|.|00"},
    {"llama-bpe", "\303\274ber na\303\257ve \344\270\255\346\226\207\345\255\227 \302\262\302\275",
     "\303\274ber| na\303\257ve| \344\270\255\346\226\207\345\255\227| |\302\262\302\275"},
    {"llama-bpe", "don't DON'T 'RE'D", "don|'t| DON|'T| '|RE|'D"},
    {"llama-bpe", "\012\012\012\011x", "\012\012\012|\011x"},
    {"llama-bpe", "\303\251 e\314\201 \343\200\200wide", "\303\251| e|\314\201| |\343\200\200wide"},
    {"llama-bpe", " '", " '"},
    {"llama-bpe", "'", "'"},
    {"llama-bpe", "1\302\2402 \331\243\331\244", "1|\302\240|2| |\331\243\331\244"},
    {"llama-bpe", "\360\237\246\231\360\237\246\231 ok", "\360\237\246\231\360\237\246\231| ok"},
    {"llama-bpe", "(a)[b]{c}", "(a|)[|b|]{|c|}"},
    {"llama-bpe", "--==__~~", "--==__~~"},
    {"llama-bpe", "foo_bar.baz", "foo|_bar|.baz"},
    {"qwen2", "Hello world", "Hello| world"},
    {"qwen2", " Hello  world", " Hello| | world"},
    {"qwen2", "I've we'll 'S 'Ve it'sn't", "I|'ve| we|'ll| '|S| '|Ve| it|'s|n|'t"},
    {"qwen2", "a1b22 333 4444", "a|1|b|2|2| |3|3|3| |4|4|4|4"},
    {"qwen2", "12345678", "1|2|3|4|5|6|7|8"},
    {"qwen2", "x = y+1; // ok", "x| =| y|+|1|;| //| ok"},
    {"qwen2", "tab\011next\012\012  two\015\012", "tab|\011next|\012\012| | two|\015\012"},
    {"qwen2", "   ", "   "},
    {"qwen2", "  lead", " | lead"},
    {"qwen2", "trail   ", "trail|   "},
    {"qwen2", "a \012 b", "a| \012| b"},
    {"qwen2", "!!! \?\?\? $5.00", "!!!| \?\?\?| $|5|.|0|0"},
    {"qwen2", "\303\274ber na\303\257ve \344\270\255\346\226\207\345\255\227 \302\262\302\275",
     "\303\274ber| na\303\257ve| \344\270\255\346\226\207\345\255\227| |\302\262|\302\275"},
    {"qwen2", "don't DON'T 'RE'D", "don|'t| DON|'T| '|RE|'D"},
    {"qwen2", "\012\012\012\011x", "\012\012\012|\011x"},
    {"qwen2", "\303\251 e\314\201 \343\200\200wide", "\303\251| e|\314\201| |\343\200\200wide"},
    {"qwen2", " '", " '"},
    {"qwen2", "'", "'"},
    {"qwen2", "1\302\2402 \331\243\331\244", "1|\302\240|2| |\331\243|\331\244"},
    {"qwen2", "\360\237\246\231\360\237\246\231 ok", "\360\237\246\231\360\237\246\231| ok"},
    {"qwen2", "(a)[b]{c}", "(a|)[|b|]{|c|}"},
    {"qwen2", "--==__~~", "--==__~~"},
    {"qwen2", "foo_bar.baz", "foo|_bar|.baz"},
    {"smollm", "Hello world", "Hello| world"},
    {"smollm", " Hello  world", " Hello| | world"},
    {"smollm", "I've we'll 'S 'Ve it'sn't", "I|'ve| we|'ll| '|S| '|Ve| it|'s|n|'t"},
    {"smollm", "a1b22 333 4444", "a|1|b|2|2| |3|3|3| |4|4|4|4"},
    {"smollm", "12345678", "1|2|3|4|5|6|7|8"},
    {"smollm", "x = y+1; // ok", "x| =| y|+|1|;| //| ok"},
    {"smollm", "tab\011next\012\012  two\015\012", "tab|\011|next|\012\012 | two|\015\012"},
    {"smollm", "   ", "   "},
    {"smollm", "  lead", " | lead"},
    {"smollm", "trail   ", "trail|   "},
    {"smollm", "a \012 b", "a| \012| b"},
    {"smollm", "!!! \?\?\? $5.00", "!!!| \?\?\?| $|5|.|0|0"},
    {"smollm", "\303\274ber na\303\257ve \344\270\255\346\226\207\345\255\227 \302\262\302\275",
     "\303\274ber| na\303\257ve| \344\270\255\346\226\207\345\255\227| |\302\262|\302\275"},
    {"smollm", "don't DON'T 'RE'D", "don|'t| DON|'|T| '|RE|'|D"},
    {"smollm", "\012\012\012\011x", "\012\012\012|\011|x"},
    {"smollm", "\303\251 e\314\201 \343\200\200wide", "\303\251| e|\314\201| |\343\200\200|wide"},
    {"smollm", " '", " '"},
    {"smollm", "'", "'"},
    {"smollm", "1\302\2402 \331\243\331\244", "1|\302\240|2| |\331\243|\331\244"},
    {"smollm", "\360\237\246\231\360\237\246\231 ok", "\360\237\246\231\360\237\246\231| ok"},
    {"smollm", "(a)[b]{c}", "(|a|)[|b|]{|c|}"},
    {"smollm", "--==__~~", "--==__~~"},
    {"smollm", "foo_bar.baz", "foo|_|bar|.|baz"},
    {"default", "Hello world", "Hello| world"},
    {"default", " Hello  world", " Hello| | world"},
    {"default", "I've we'll 'S 'Ve it'sn't", "I|'|ve| we|'|ll| |'|S| |'|Ve| it|'|sn|'|t"},
    {"default", "a1b22 333 4444", "a|1|b|22| |333| |444|4"},
    {"default", "12345678", "123|456|78"},
    {"default", "x = y+1; // ok", "x| |=| y|+|1|;| |//| ok"},
    {"default", "tab\011next\012\012  two\015\012", "tab|\011|next|\012\012 | two|\015\012"},
    {"default", "   ", "   "},
    {"default", "  lead", " | lead"},
    {"default", "trail   ", "trail|   "},
    {"default", "a \012 b", "a| \012| b"},
    {"default", "!!! \?\?\? $5.00", "!!!| |\?\?\?| |$|5|.|00"},
    {"default", "\303\274ber na\303\257ve \344\270\255\346\226\207\345\255\227 \302\262\302\275",
     "\303\274ber| na\303\257ve| \344\270\255\346\226\207\345\255\227| |\302\262\302\275"},
    {"default", "don't DON'T 'RE'D", "don|'|t| DON|'|T| |'|RE|'|D"},
    {"default", "\012\012\012\011x", "\012\012\012|\011|x"},
    {"default", "\303\251 e\314\201 \343\200\200wide", "\303\251| e|\314\201| |\343\200\200|wide"},
    {"default", " '", " |'"},
    {"default", "'", "'"},
    {"default", "1\302\2402 \331\243\331\244", "1|\302\240|2| |\331\243\331\244"},
    {"default", "\360\237\246\231\360\237\246\231 ok", "\360\237\246\231\360\237\246\231| ok"},
    {"default", "(a)[b]{c}", "(|a|)[|b|]{|c|}"},
    {"default", "--==__~~", "--==__~~"},
    {"default", "foo_bar.baz", "foo|_|bar|.|baz"},
};

typedef struct joined {
    char text[256];
    size_t n, pieces;
} joined;

static tl_status join_piece(void *ctx, const char *piece, size_t n, tl_error *err) {
    joined *j = ctx;
    if (n == 0 || j->n + n + 1 >= sizeof j->text)
        return tl_fail(err, TL_ERR_INTERNAL, "a piece of %d bytes", (int)n);
    if (j->pieces++ > 0)
        j->text[j->n++] = '|';
    memcpy(j->text + j->n, piece, n);
    j->n += n;
    j->text[j->n] = 0;
    return TL_OK;
}

START_TEST(pieces_are_those_of_the_regular_expressions) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        joined j = {0};
        tl_error err = {0};
        const tl_pre *p = tl_pre_find(cases[i].pre, strlen(cases[i].pre));
        ck_assert_ptr_nonnull(p);
        ck_assert_int_eq(tl_pre_split(p, cases[i].text, strlen(cases[i].text), join_piece, &j, &err), TL_OK);
        ck_assert_msg(strcmp(j.text, cases[i].pieces) == 0, "%s: '%s' gives '%s', expected '%s'", cases[i].pre, cases[i].text, j.text,
                      cases[i].pieces);
    }
}
END_TEST

typedef struct cursor {
    const char *at;
    size_t left;
} cursor;

static tl_status follow_piece(void *ctx, const char *piece, size_t n, tl_error *err) {
    cursor *c = ctx;
    if (n == 0 || n > c->left || piece != c->at)
        return tl_fail(err, TL_ERR_INTERNAL, "pieces do not follow each other");
    c->at += n;
    c->left -= n;
    return TL_OK;
}

START_TEST(pieces_of_any_bytes_are_the_bytes) {
    static const char *const names[] = {"default", "gpt-2", "llama-bpe", "qwen2", "smollm"};
    static const char alphabet[] = "aZ19 '\n\r\t!$\xC3\xA9\xE4\xB8\xAD\xCC\x81\xFF\x80\xC2\xBD";
    uint32_t random = 1;
    for (int round = 0; round < 20000; round++) {
        char text[64];
        size_t n = 1 + round % sizeof text;
        for (size_t i = 0; i < n; i++) {
            random = random * 1664525u + 1013904223u;
            text[i] = round % 3 == 0 ? (char)(unsigned char)(random >> 24) : alphabet[(random >> 16) % (sizeof alphabet - 1)];
        }
        const char *name = names[round % 5];
        cursor c = {text, n};
        tl_error err = {0};
        ck_assert_msg(tl_pre_split(tl_pre_find(name, strlen(name)), text, n, follow_piece, &c, &err) == TL_OK, "%s: %s", name, err.message);
        ck_assert_uint_eq(c.left, 0);
    }
}
END_TEST

static tl_status refuse_third(void *ctx, const char *piece, size_t n, tl_error *err) {
    (void)piece;
    (void)n;
    return ++*(int *)ctx == 3 ? tl_fail(err, TL_ERR_MEMORY, "third") : TL_OK;
}

START_TEST(a_failing_receiver_ends_the_split) {
    int calls = 0;
    tl_error err = {0};
    ck_assert_int_eq(tl_pre_split(tl_pre_find("smollm", 6), "a b c d e", 9, refuse_third, &calls, &err), TL_ERR_MEMORY);
    ck_assert_int_eq(calls, 3);
    ck_assert_str_eq(err.message, "third");
}
END_TEST

START_TEST(names_lists_what_find_finds) {
    char names[256];
    int n = 0;
    ck_assert_uint_lt(strlen(tl_pre_names()), sizeof names);
    strcpy(names, tl_pre_names());
    for (char *name = strtok(names, ", "); name != NULL; name = strtok(NULL, ", "), n++) {
        const tl_pre *p = tl_pre_find(name, strlen(name));
        ck_assert_ptr_nonnull(p);
        ck_assert_str_eq(p->name, name);
        ck_assert_int_eq(p->ignore_merges, strncmp(name, "llama", 5) == 0);
        ck_assert_int_eq(p->add_bos, strncmp(name, "llama", 5) == 0);
    }
    ck_assert_int_eq(n, 7);
    ck_assert_ptr_null(tl_pre_find("gpt", 3));
    ck_assert_ptr_null(tl_pre_find("", 0));
    ck_assert_ptr_null(tl_pre_find("qwen2\0", 6));
}
END_TEST

static Suite *pretokenizer_suite(void) {
    Suite *s = suite_create("pretokenizer");
    TCase *c = tcase_create("pretokenizer");
    tcase_add_test(c, pieces_are_those_of_the_regular_expressions);
    tcase_add_test(c, pieces_of_any_bytes_are_the_bytes);
    tcase_add_test(c, a_failing_receiver_ends_the_split);
    tcase_add_test(c, names_lists_what_find_finds);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(pretokenizer_suite());
}
