/* test_unicode.c: UTF-8 reading is strict and total, and the generated table has Unicode's classes. */
#include <string.h>

#include "models/text/text.h"
#include "tests/suite.h"

START_TEST(every_scalar_value_is_written_and_read_back) {
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        if (cp >= 0xD800 && cp < 0xE000)
            continue;
        char s[4];
        uint32_t back;
        int n = tl_utf8_write(cp, s);
        ck_assert_int_eq(n, cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4);
        ck_assert_int_eq(tl_utf8_read(s, (size_t)n, &back), n);
        ck_assert_uint_eq(back, cp);
        for (int cut = 1; cut < n; cut++) {
            ck_assert(tl_utf8_unfinished(s, (size_t)cut));
            ck_assert_int_eq(tl_utf8_read(s, (size_t)cut, &back), 1);
            ck_assert_uint_eq(back, 0xFFFD);
        }
        ck_assert(!tl_utf8_unfinished(s, (size_t)n));
    }
}
END_TEST

START_TEST(malformed_bytes_are_read_one_by_one) {
    static const char *const bad[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xE0\x80\x80",
        "\xE0\x9F\xBF", /* overlong */
        "\xED\xA0\x80",
        "\xED\xBF\xBF", /* surrogates */
        "\xF0\x80\x80\x80",
        "\xF0\x8F\xBF\xBF", /* overlong */
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF", /* beyond U+10FFFF */
        "\xC3(",
        "\xE2\x82(",
        "\xF0\x9F\xA6(", /* cut off */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint32_t cp;
        ck_assert_msg(tl_utf8_read(bad[i], strlen(bad[i]), &cp) == 1 && cp == 0xFFFD, "case %d", (int)i);
        ck_assert_msg(!tl_utf8_unfinished(bad[i], strlen(bad[i])), "case %d", (int)i);
    }
}
END_TEST

START_TEST(any_two_bytes_agree_with_the_table_of_well_formed_sequences) {
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            char s[2] = {(char)(unsigned char)a, (char)(unsigned char)b};
            uint32_t cp;
            int want = a >= 0xC2 && a <= 0xDF && b >= 0x80 && b <= 0xBF ? 2 : 1;
            ck_assert_int_eq(tl_utf8_read(s, 2, &cp), want);
            bool tail = b >= 0x80 && b <= 0xBF;
            bool open = tail && ((a == 0xE0 && b >= 0xA0) || (a >= 0xE1 && a <= 0xEC) || (a == 0xED && b <= 0x9F) || a == 0xEE ||
                                 a == 0xEF || (a == 0xF0 && b >= 0x90) || (a >= 0xF1 && a <= 0xF3) || (a == 0xF4 && b <= 0x8F));
            ck_assert_int_eq(tl_utf8_unfinished(s, 2), open);
        }
}
END_TEST

START_TEST(white_space_is_the_25_characters_of_unicode) {
    static const uint32_t spaces[] = {0x9,    0xA,    0xB,    0xC,    0xD,    0x20,   0x85,   0xA0,   0x1680,
                                      0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008,
                                      0x2009, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
    size_t next = 0;
    for (uint32_t cp = 0; cp < 0x110000; cp++)
        if (tl_unicode_class(cp) == TL_CHAR_SPACE) {
            ck_assert_uint_lt(next, sizeof spaces / sizeof *spaces);
            ck_assert_uint_eq(cp, spaces[next++]);
        }
    ck_assert_uint_eq(next, 25);
}
END_TEST

START_TEST(classes_are_those_of_the_general_category) {
    static const struct {
        uint32_t cp;
        unsigned cls;
    } known[] = {
        {'a', TL_CHAR_LETTER},
        {'Z', TL_CHAR_LETTER},
        {'0', TL_CHAR_NUMBER},
        {'9', TL_CHAR_NUMBER},
        {'_', TL_CHAR_PUNCT},
        {'!', TL_CHAR_PUNCT},
        {'$', TL_CHAR_SYMBOL},
        {'+', TL_CHAR_SYMBOL},
        {'`', TL_CHAR_SYMBOL},
        {0, 0},
        {0x1C, 0},
        {0x7F, 0},
        {0xAA, TL_CHAR_LETTER},
        {0xB2, TL_CHAR_NUMBER},
        {0xBD, TL_CHAR_NUMBER},
        {0xD7, TL_CHAR_SYMBOL},
        {0x301, TL_CHAR_MARK},
        {0x17B6, TL_CHAR_MARK},
        {0x1780, TL_CHAR_LETTER},
        {0x4E2D, TL_CHAR_LETTER},
        {0x2160, TL_CHAR_NUMBER},
        {0x2581, TL_CHAR_SYMBOL},
        {0x200B, 0},
        {0x200D, 0},
        {0xAC00, TL_CHAR_LETTER},
        {0xD7A3, TL_CHAR_LETTER},
        {0xD7A4, 0},
        {0xD800, 0},
        {0xE000, 0},
        {0xFFFD, TL_CHAR_SYMBOL},
        {0xFF10, TL_CHAR_NUMBER},
        {0x1F999, TL_CHAR_SYMBOL},
        {0x20000, TL_CHAR_LETTER},
        {0xE0100, TL_CHAR_MARK},
        {0x10FFFF, 0},
        {0x110000, 0},
        {UINT32_MAX, 0},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        ck_assert_msg(tl_unicode_class(known[i].cp) == known[i].cls, "U+%04X has class %u", (unsigned)known[i].cp,
                      tl_unicode_class(known[i].cp));
}
END_TEST

/* Counts by Python's unicodedata 14.0, independent of the generator's ranges. */
START_TEST(each_class_has_as_many_characters_as_unicode_14) {
    long count[7] = {0};
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        unsigned cls = tl_unicode_class(cp);
        int bit = 0;
        while (cls >> bit > 1)
            bit++;
        ck_assert(cls == 0 || cls == 1u << bit);
        count[cls == 0 ? 6 : bit]++;
    }
    ck_assert_int_eq(count[0], 131756);
    ck_assert_int_eq(count[1], 2408);
    ck_assert_int_eq(count[2], 1791);
    ck_assert_int_eq(count[3], 819);
    ck_assert_int_eq(count[4], 7741);
    ck_assert_int_eq(count[5], 25);
}
END_TEST

START_TEST(the_table_is_sorted_and_begins_at_zero) {
    ck_assert_uint_eq(tl_unicode_ranges[0] >> 8, 0);
    for (int i = 1; i < tl_unicode_n_ranges; i++) {
        ck_assert_uint_lt(tl_unicode_ranges[i - 1] >> 8, tl_unicode_ranges[i] >> 8);
        ck_assert_uint_ne(tl_unicode_ranges[i - 1] & 0xFF, tl_unicode_ranges[i] & 0xFF);
    }
}
END_TEST

static Suite *unicode_suite(void) {
    Suite *s = suite_create("unicode");
    TCase *c = tcase_create("unicode");
    tcase_add_test(c, every_scalar_value_is_written_and_read_back);
    tcase_add_test(c, malformed_bytes_are_read_one_by_one);
    tcase_add_test(c, any_two_bytes_agree_with_the_table_of_well_formed_sequences);
    tcase_add_test(c, white_space_is_the_25_characters_of_unicode);
    tcase_add_test(c, classes_are_those_of_the_general_category);
    tcase_add_test(c, each_class_has_as_many_characters_as_unicode_14);
    tcase_add_test(c, the_table_is_sorted_and_begins_at_zero);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(unicode_suite());
}
