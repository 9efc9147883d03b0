/* test_bytes.c: growable texts and id lists, numbers as text both ways, digests. */
#include "models/model.h"
#include "tensor/platform.h"
#include "tests/suite.h"

#include <locale.h>
#include <string.h>

/* ---- tl_text, tl_ids ---- */

START_TEST(text_grows_and_stays_terminated) {
    tl_text t = {0};
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(tl_text_append(&t, "abc", 3, NULL), TL_OK);
        ck_assert_uint_eq(t.n, (size_t)(i + 1) * 3);
        ck_assert_int_eq(t.data[t.n], 0);
        ck_assert_uint_lt(t.n, t.cap);
    }
    ck_assert_uint_eq(strlen(t.data), 3000);
    tl_text_free(&t);
    ck_assert_ptr_null(t.data);
    ck_assert_uint_eq(t.n + t.cap, 0);
}
END_TEST

START_TEST(text_of_nothing_is_an_empty_string) {
    tl_text t = {0};
    ck_assert_int_eq(tl_text_append(&t, NULL, 0, NULL), TL_OK);
    ck_assert_str_eq(t.data, "");
    tl_text_free(&t);
    tl_text_free(NULL);
}
END_TEST

START_TEST(text_growth_is_geometric) {
    tl_text t = {0};
    tl_alloc_fail_at(1 << 30, false);
    for (int i = 0; i < 1 << 20; i++)
        tl_text_append(&t, "x", 1, NULL);
    ck_assert_uint_eq(t.n, 1 << 20);
    ck_assert_int_lt(tl_alloc_count(), 32);
    tl_alloc_fail_at(-1, false);
    tl_text_free(&t);
}
END_TEST

START_TEST(text_keeps_its_bytes_when_memory_fails) {
    tl_text t = {0};
    tl_error err;
    ck_assert_int_eq(tl_text_append(&t, "kept", 4, NULL), TL_OK);
    static char big[4096];
    tl_alloc_fail_at(0, true);
    tl_status s = tl_text_append(&t, big, sizeof big, &err);
    tl_alloc_fail_at(-1, false);
    ck_assert_int_eq(s, TL_ERR_MEMORY);
    ck_assert_str_eq(t.data, "kept");
    ck_assert_ptr_nonnull(strstr(err.message, "4096"));
    tl_text_free(&t);
}
END_TEST

START_TEST(text_size_beyond_memory_is_an_error) {
    tl_text t = {0};
    ck_assert_int_eq(tl_text_append(&t, "ab", 2, NULL), TL_OK);
    ck_assert_int_eq(tl_text_append(&t, "x", SIZE_MAX, NULL), TL_ERR_MEMORY);
    ck_assert_int_eq(tl_text_append(&t, "x", SIZE_MAX - 2, NULL), TL_ERR_MEMORY);
    ck_assert_str_eq(t.data, "ab");
    tl_text_free(&t);
}
END_TEST

START_TEST(null_text_is_a_usage_error) {
    tl_text t = {0};
    tl_ids ids = {0};
    ck_assert_int_eq(tl_text_append(NULL, "a", 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_text_append(&t, NULL, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_ids_append(NULL, &(int32_t){1}, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_ids_append(&ids, NULL, 1, NULL), TL_ERR_USAGE);
}
END_TEST

START_TEST(ids_grow_in_order) {
    tl_ids t = {0};
    for (int32_t i = 0; i < 1000; i++)
        ck_assert_int_eq(tl_ids_append(&t, (int32_t[]){i, -i}, 2, NULL), TL_OK);
    ck_assert_uint_eq(t.n, 2000);
    for (int32_t i = 0; i < 1000; i++)
        ck_assert(t.id[2 * i] == i && t.id[2 * i + 1] == -i);
    tl_ids_free(&t);
    ck_assert_ptr_null(t.id);
    tl_ids_free(NULL);
}
END_TEST

START_TEST(ids_keep_theirs_when_memory_fails) {
    tl_ids t = {0};
    static int32_t big[4096];
    ck_assert_int_eq(tl_ids_append(&t, (int32_t[]){5}, 1, NULL), TL_OK);
    tl_alloc_fail_at(0, true);
    tl_status s = tl_ids_append(&t, big, 4096, NULL);
    tl_alloc_fail_at(-1, false);
    ck_assert_int_eq(s, TL_ERR_MEMORY);
    ck_assert_int_eq(tl_ids_append(&t, big, SIZE_MAX / 4, NULL), TL_ERR_MEMORY);
    ck_assert(t.n == 1 && t.id[0] == 5);
    tl_ids_free(&t);
}
END_TEST

/* ---- numbers ---- */

static uint64_t bits_of(double v) {
    uint64_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}

static double from_bits(uint64_t b) {
    double v;
    memcpy(&v, &b, sizeof v);
    return v;
}

static void check_parse(const char *text, uint64_t bits) {
    double v = -1;
    ck_assert_msg(tl_number_parse(text, strlen(text), &v), "refused '%s'", text);
    ck_assert_msg(bits_of(v) == bits, "'%s' gave %016llx, expected %016llx", text, (unsigned long long)bits_of(v),
                  (unsigned long long)bits);
}

START_TEST(parse_is_correctly_rounded) {
    check_parse("0", 0);
    check_parse("-0", 1ull << 63);
    check_parse("1", 0x3FF0000000000000ull);
    check_parse("+1.5e0", 0x3FF8000000000000ull);
    check_parse(".5", 0x3FE0000000000000ull);
    check_parse("5.", 0x4014000000000000ull);
    check_parse("-2.5E+2", 0xC06F400000000000ull);
    check_parse("0.1", 0x3FB999999999999Aull);
    check_parse("000123.4500", 0x405EDCCCCCCCCCCDull);
    check_parse("1e22", 0x4480F0CF064DD592ull);
    check_parse("1e23", 0x44B52D02C7E14AF6ull);             /* not the product of rounded factors */
    check_parse("9007199254740993", 0x4340000000000000ull); /* 2^53 + 1: a tie, to even */
    check_parse("9007199254740993.0000000000000000000000000001", 0x4340000000000001ull);
    check_parse("9007199254740995", 0x4340000000000002ull);
    check_parse("2.2250738585072011e-308", 0x000FFFFFFFFFFFFFull); /* the number that hung PHP and Java */
    check_parse("2.2250738585072014e-308", 0x0010000000000000ull);
    check_parse("4.9406564584124654e-324", 1);
    check_parse("2.4703282292062327e-324", 0); /* just below half of the least */
    check_parse("2.4703282292062328e-324", 1);
    check_parse("1e-400", 0);
    check_parse("-1e-99999999999999999999", 1ull << 63);
    check_parse("1.7976931348623157e308", 0x7FEFFFFFFFFFFFFFull);
    check_parse("1.7976931348623158e308", 0x7FEFFFFFFFFFFFFFull);
    check_parse("0.000000000000000000000000000000000000000000000000000000000001e60", 0x3FF0000000000000ull);
    check_parse("0e999999999999", 0);
}
END_TEST

START_TEST(parse_takes_very_long_numbers) {
    char text[3000];
    memset(text, '0', sizeof text);
    text[0] = '1';
    text[1] = '.';
    text[2999] = 0;
    check_parse(text, 0x3FF0000000000000ull);
    /* 1 + 2^-53 is half way between 1 and its neighbour: the last digit of 3000 decides. */
    const char *tie = "1.00000000000000011102230246251565404236316680908203125";
    memcpy(text, tie, strlen(tie));
    check_parse(text, 0x3FF0000000000000ull);
    text[2998] = '1';
    check_parse(text, 0x3FF0000000000001ull);
}
END_TEST

START_TEST(parse_refuses_what_is_no_number) {
    static const char *const bad[] = {
        "",
        " ",
        "-",
        "+",
        ".",
        "-.",
        "e5",
        "1e",
        "1e+",
        "1e-",
        "1x",
        "1 ",
        " 1",
        "0x10",
        "0x1p3",
        "nan",
        "inf",
        "-inf",
        "NaN",
        "infinity",
        "1,5",
        "1.5.2",
        "--1",
        "+-1",
        "1e5.0",
        "1e5e5",
        "1e999",
        "-1e999",
        "1.7976931348623159e308",
        "1e309",
        "1e99999999999999999999",
        "1_000",
        "\xd9\xa1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double v = 7;
        ck_assert_msg(!tl_number_parse(bad[i], strlen(bad[i]), &v), "took '%s'", bad[i]);
        ck_assert_msg(v == 7, "'%s' changed the result", bad[i]);
    }
    double v;
    ck_assert(!tl_number_parse("1\0", 2, &v));
    ck_assert(!tl_number_parse(NULL, 0, &v));
    ck_assert(!tl_number_parse("1", 1, NULL));
}
END_TEST

START_TEST(parse_reads_only_what_it_is_given) {
    double v;
    ck_assert(tl_number_parse("12345", 2, &v));
    ck_assert(v == 12);
    ck_assert(!tl_number_parse("1e5", 2, &v));
}
END_TEST

static void check_print(double v, int digits, const char *want) {
    char buf[32];
    ck_assert_str_eq(tl_number_print(v, digits, buf), want);
}

START_TEST(print_rounds_to_the_digits_asked_for) {
    check_print(0, 6, "0");
    check_print(from_bits(1ull << 63), 6, "-0");
    check_print(0.1, 17, "0.1");
    check_print(0.1, 3, "0.1");
    check_print(2.0 / 3, 4, "0.6667");
    check_print(1234.5678, 6, "1234.57");
    check_print(1234.5678, 2, "1200");
    check_print(0.00012345, 3, "0.000123");
    check_print(0.999999, 3, "1");
    check_print(9.9996e9 + 0.5, 4, "10000000000");
    check_print(-2.5, 1, "-2"); /* a tie, to even */
    check_print(-3.5, 1, "-4");
    check_print(1.5e300, 5, "1.5e300");
    check_print(-1.25e-7, 5, "-1.25e-7");
    check_print(1.0 / 3, 17, "0.3333333333333333");
    check_print(5e-324, 17, "5e-324");
    check_print(1.7976931348623157e308, 17, "1.7976931348623157e308");
    check_print(2.5, 0, "2");
    check_print(2.5, 99, "2.5");
}
END_TEST

START_TEST(print_gives_whole_numbers_in_full) {
    check_print(1234567, 3, "1234567");
    check_print(-9007199254740991.0, 1, "-9007199254740991");
    check_print(98362432, 6, "98362432");
    check_print(9007199254740994.0, 17, "9007199254740994");
    check_print(1e17, 17, "1e17");
    check_print(1152921504606846976.0, 17, "1.152921504606847e18");
}
END_TEST

START_TEST(print_names_what_is_no_number) {
    check_print(from_bits(0x7FF0000000000000ull), 6, "inf");
    check_print(from_bits(0xFFF0000000000000ull), 6, "-inf");
    check_print(from_bits(0x7FF8000000000000ull), 6, "nan");
    check_print(from_bits(0xFFF8000000000001ull), 6, "nan");
}
END_TEST

/* The C library's own parser, with a decimal point whatever the locale of the run. */
static double c_strtod(const char *text, char **end) {
    char saved[64];
    snprintf(saved, sizeof saved, "%s", setlocale(LC_NUMERIC, NULL));
    setlocale(LC_NUMERIC, "C");
    double v = strtod(text, end);
    setlocale(LC_NUMERIC, saved);
    return v;
}

START_TEST(seventeen_digits_bring_every_double_back) {
    uint64_t x = 88172645463325252ull;
    uint64_t saved = tl_float_enter();
    for (int i = 0; i < 3000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        double v = from_bits(x), back;
        char buf[32], *end;
        if ((x & 0x7FF0000000000000ull) == 0x7FF0000000000000ull)
            continue;
        tl_number_print(v, 17, buf);
        ck_assert_uint_lt(strlen(buf), 32);
        ck_assert_msg(tl_number_parse(buf, strlen(buf), &back) && bits_of(back) == x, "%016llx printed as %s", (unsigned long long)x, buf);
        ck_assert_msg(bits_of(c_strtod(buf, &end)) == x && *end == 0, "strtod reads %s otherwise", buf);
    }
    tl_float_leave(saved);
}
END_TEST

START_TEST(parse_agrees_with_the_c_library) {
    uint64_t x = 1181783497276652981ull;
    uint64_t saved = tl_float_enter();
    for (int i = 0; i < 3000; i++) {
        char text[64];
        double v;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        snprintf(text, sizeof text, "%llu%04de%d", (unsigned long long)(x >> (x % 60)), (int)(x % 9999), (int)(x >> 20) % 330);
        bool taken = tl_number_parse(text, strlen(text), &v);
        double want = c_strtod(text, NULL);
        bool finite = bits_of(want) < 0x7FF0000000000000ull;
        ck_assert_msg(taken == finite && (!taken || bits_of(v) == bits_of(want)), "%s", text);
    }
    tl_float_leave(saved);
}
END_TEST

/* ---- digest ---- */

START_TEST(digest_is_fnv_1a_over_little_endian_bytes) {
    /* FNV-1a-64 of the bytes 00 00 80 3f 00 00 00 40, by hand in another language. */
    uint64_t h = TL_DIGEST_START;
    const unsigned char bytes[] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0x40};
    for (size_t i = 0; i < sizeof bytes; i++)
        h = (h ^ bytes[i]) * 1099511628211ull;
    ck_assert(tl_digest_f32(TL_DIGEST_START, (float[]){1.0f, 2.0f}, 2) == h);
    ck_assert(tl_digest_f32(tl_digest_f32(TL_DIGEST_START, (float[]){1.0f}, 1), (float[]){2.0f}, 1) == h);
    ck_assert(tl_digest_f32(TL_DIGEST_START, NULL, 0) == TL_DIGEST_START);
}
END_TEST

START_TEST(digest_sees_signs_of_zero_and_no_kind_of_nan) {
    float nans[3];
    uint32_t bits[3] = {0x7FC00000u, 0xFF800001u, 0x7FFFFFFFu};
    memcpy(nans, bits, sizeof nans);
    uint64_t first = tl_digest_f32(TL_DIGEST_START, &nans[0], 1);
    ck_assert(tl_digest_f32(TL_DIGEST_START, &nans[1], 1) == first);
    ck_assert(tl_digest_f32(TL_DIGEST_START, &nans[2], 1) == first);
    ck_assert(tl_digest_f32(TL_DIGEST_START, (float[]){0.0f}, 1) != tl_digest_f32(TL_DIGEST_START, (float[]){-0.0f}, 1));
    uint32_t infinite = 0x7F800000u;
    float inf;
    memcpy(&inf, &infinite, sizeof inf);
    ck_assert(tl_digest_f32(TL_DIGEST_START, &inf, 1) != first);
}
END_TEST

static Suite *bytes_suite(void) {
    Suite *s = suite_create("bytes");
    TCase *c = tcase_create("buffers");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, text_grows_and_stays_terminated);
    tcase_add_test(c, text_of_nothing_is_an_empty_string);
    tcase_add_test(c, text_growth_is_geometric);
    tcase_add_test(c, text_keeps_its_bytes_when_memory_fails);
    tcase_add_test(c, text_size_beyond_memory_is_an_error);
    tcase_add_test(c, null_text_is_a_usage_error);
    tcase_add_test(c, ids_grow_in_order);
    tcase_add_test(c, ids_keep_theirs_when_memory_fails);
    suite_add_tcase(s, c);
    c = tcase_create("numbers");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, parse_is_correctly_rounded);
    tcase_add_test(c, parse_takes_very_long_numbers);
    tcase_add_test(c, parse_refuses_what_is_no_number);
    tcase_add_test(c, parse_reads_only_what_it_is_given);
    tcase_add_test(c, print_rounds_to_the_digits_asked_for);
    tcase_add_test(c, print_gives_whole_numbers_in_full);
    tcase_add_test(c, print_names_what_is_no_number);
    tcase_add_test(c, seventeen_digits_bring_every_double_back);
    tcase_add_test(c, parse_agrees_with_the_c_library);
    suite_add_tcase(s, c);
    c = tcase_create("digest");
    tcase_add_test(c, digest_is_fnv_1a_over_little_endian_bytes);
    tcase_add_test(c, digest_sees_signs_of_zero_and_no_kind_of_nan);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(bytes_suite());
}
