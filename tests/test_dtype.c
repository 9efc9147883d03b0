/* test_dtype.c: the table of element types, look-ups, decoding and encoding through the public functions with all their refusals, and
 * the error messages themselves. Nothing here sets the float environment: tl_decode and tl_encode have to. */
#include "tests/suite.h"

#include <math.h>

#include "tests/digest.h"
#include "tensor/quant.h"

/* ---- the table ------------------------------------------------------------------------------------------------------------ */

START_TEST(every_type_has_consistent_facts_and_is_found_by_name_and_id) {
    ck_assert_int_eq(TL_N_DTYPES, 16);
    for (int t = 0; t < TL_N_DTYPES; t++) {
        const tl_dtype_info *info = tl_dtype_get((tl_dtype)t);
        tl_dtype found = TL_N_DTYPES;
        ck_assert(tl_dtype_find(info->name, &found) && found == (tl_dtype)t);
        ck_assert(tl_dtype_of_gguf(info->gguf, &found) && found == (tl_dtype)t);
        ck_assert_int_eq(info->block, info->kind <= TL_KIND_INT ? 1 : info->kind <= TL_KIND_SCALE_MIN ? 32 : 256);
        ck_assert_int_gt((int)strlen(info->help), 0);
        const tl_codec *codec = tl_codec_of((tl_dtype)t);
        ck_assert(codec->decode != NULL);
        ck_assert_int_eq(codec->unpack != NULL, info->kind > TL_KIND_INT);
        ck_assert_int_eq(codec->encode != NULL, info->kind <= TL_KIND_SCALE_MIN);
        ck_assert(tl_unpack_of((tl_dtype)t) == codec->unpack);
    }
}
END_TEST

START_TEST(ids_and_sizes_are_those_of_gguf) {
    static const struct {
        const char *name;
        int gguf, block, bytes;
    } rows[] = {
        {"f32", 0, 1, 4},       {"f16", 1, 1, 2},       {"q4_0", 2, 32, 18},    {"q4_1", 3, 32, 20},
        {"q5_0", 6, 32, 22},    {"q5_1", 7, 32, 24},    {"q8_0", 8, 32, 34},    {"q2_k", 10, 256, 84},
        {"q3_k", 11, 256, 110}, {"q4_k", 12, 256, 144}, {"q5_k", 13, 256, 176}, {"q6_k", 14, 256, 210},
        {"i8", 24, 1, 1},       {"i16", 25, 1, 2},      {"i32", 26, 1, 4},      {"bf16", 30, 1, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tl_dtype t = TL_N_DTYPES;
        ck_assert(tl_dtype_find(rows[i].name, &t));
        const tl_dtype_info *info = tl_dtype_get(t);
        ck_assert_int_eq(info->gguf, rows[i].gguf);
        ck_assert_int_eq(info->block, rows[i].block);
        ck_assert_int_eq(info->block_bytes, rows[i].bytes);
    }
}
END_TEST

START_TEST(names_are_found_in_any_case_and_only_whole) {
    tl_dtype t = TL_F32;
    ck_assert(tl_dtype_find("Q4_K", &t) && t == TL_Q4_K);
    ck_assert(tl_dtype_find("bF16", &t) && t == TL_BF16);
    static const char *const wrong[] = {"", "q4", "q4_", "q4_00", "q4_0 ", " q4_0", "f64", "Q4_0\xC2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert(!tl_dtype_find(wrong[i], &t));
    ck_assert(!tl_dtype_find(NULL, &t));
    ck_assert_int_eq(t, TL_BF16);
}
END_TEST

START_TEST(unknown_and_removed_types_are_nothing) {
    static const int removed[] = {-1, 4, 5, 9, 31, 32, 33, 36, 37, 38, 255, 0x7FFFFFFF, -0x7FFFFFFF - 1};
    tl_dtype t;
    for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++)
        ck_assert(!tl_dtype_of_gguf(removed[i], &t));
    static const int wrong[] = {-1, TL_N_DTYPES, 0x7FFFFFFF};
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_null(tl_dtype_get((tl_dtype)wrong[i]));
        ck_assert_ptr_null(tl_codec_of((tl_dtype)wrong[i]));
        ck_assert(tl_unpack_of((tl_dtype)wrong[i]) == NULL);
    }
}
END_TEST

/* ---- decode and encode ------------------------------------------------------------------------------------------------------ */

START_TEST(floats_survive_all_plain_float_types_unaligned) {
    const float x[5] = {1.0f, -0.5f, 0.0f, -0.0f, INFINITY};
    static const tl_dtype types[] = {TL_F32, TL_F16, TL_BF16};
    for (int k = 0; k < 3; k++) {
        uint8_t stored[1 + sizeof x];
        float back[5];
        ck_assert_int_eq(tl_encode(types[k], x, stored + 1, 5, NULL), TL_OK);
        ck_assert_int_eq(tl_decode(types[k], stored + 1, back, 5, NULL), TL_OK);
        ck_assert_mem_eq(x, back, sizeof x);
    }
}
END_TEST

START_TEST(integers_saturate_and_round_half_to_even_and_nan_gives_zero) {
    static const struct {
        tl_dtype t;
        float x;
        double expected;
    } rows[] = {
        {TL_I8, 127.5f, 127},
        {TL_I8, -128.5f, -128},
        {TL_I8, 1e30f, 127},
        {TL_I8, 0.5f, 0},
        {TL_I8, 1.5f, 2},
        {TL_I8, -2.5f, -2},
        {TL_I8, -INFINITY, -128},
        {TL_I8, NAN, 0},
        {TL_I16, 40000.0f, 32767},
        {TL_I16, -40000.0f, -32768},
        {TL_I16, 1000.5f, 1000},
        {TL_I16, NAN, 0},
        {TL_I32, 3e9f, 2147483648.0},
        {TL_I32, -3e9f, -2147483648.0},
        {TL_I32, 16777216.0f, 16777216},
        {TL_I32, 3.5f, 4},
        {TL_I32, INFINITY, 2147483648.0},
        {TL_I32, NAN, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t stored[5];
        float back;
        ck_assert_int_eq(tl_encode(rows[i].t, &rows[i].x, stored + 1, 1, NULL), TL_OK);
        ck_assert_int_eq(tl_decode(rows[i].t, stored + 1, &back, 1, NULL), TL_OK);
        ck_assert_double_eq((double)back, rows[i].expected);
    }
    int32_t most;
    const float big = 0x1p+31f;
    ck_assert_int_eq(tl_encode(TL_I32, &big, &most, 1, NULL), TL_OK);
    ck_assert_int_eq(most, INT32_MAX);
}
END_TEST

START_TEST(results_do_not_depend_on_the_callers_rounding) {
    const float x = 1.0f + 0x1p-11f, tiny = 0x1p-149f; /* halfway between two f16; the least denormal */
    uint16_t h;
    float back;
    ck_assert_int_eq(tl_encode(TL_F16, &x, &h, 1, NULL), TL_OK);
    ck_assert_uint_eq(h, 0x3C00);
    ck_assert_int_eq(tl_encode(TL_F32, &tiny, &back, 1, NULL), TL_OK);
    ck_assert_uint_eq(tl_bits(back), 1);
    int32_t odd = 16777217, v;
    ck_assert_int_eq(tl_decode(TL_I32, &odd, &back, 1, NULL), TL_OK);
    ck_assert_uint_eq(tl_bits(back), tl_bits(16777216.0f));
    const float half = 2.5f;
    ck_assert_int_eq(tl_encode(TL_I32, &half, &v, 1, NULL), TL_OK);
    ck_assert_int_eq(v, 2);
}
END_TEST

START_TEST(wrong_calls_are_refused_with_a_sentence) {
    float x[32] = {0};
    uint8_t stored[256];
    tl_error err;
    ck_assert_int_eq(tl_encode(TL_Q4_0, x, stored, 31, &err), TL_ERR_USAGE);
    ck_assert_str_eq(err.message, "encode q4_0: 31 elements are not whole blocks; give a multiple of 32");
    ck_assert_int_eq(err.status, TL_ERR_USAGE);
    ck_assert_int_eq(tl_decode(TL_Q6_K, stored, x, 32, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_decode(TL_F32, stored, x, -1, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_decode((tl_dtype)99, stored, x, 1, &err), TL_ERR_USAGE);
    ck_assert_str_eq(err.message, "decode: 99 is no element type; there are 0 .. 15");
    ck_assert_int_eq(tl_encode((tl_dtype)-1, x, stored, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_decode(TL_F16, NULL, x, 1, &err), TL_ERR_USAGE);
    ck_assert_str_eq(err.message, "decode f16: the source pointer is NULL");
    ck_assert_int_eq(tl_encode(TL_F16, x, NULL, 1, &err), TL_ERR_USAGE);
    ck_assert_str_eq(err.message, "encode f16: the destination pointer is NULL");
    ck_assert_int_eq(tl_encode(TL_F16, NULL, NULL, 0, &err), TL_OK);
    ck_assert_int_eq(tl_decode(TL_Q4_K, NULL, NULL, 0, &err), TL_OK);
    for (int t = TL_Q2_K; t <= TL_Q6_K; t++) {
        float y[256] = {0};
        ck_assert_int_eq(tl_encode((tl_dtype)t, y, stored, 256, &err), TL_ERR_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(err.message, "choose q8_0"));
    }
}
END_TEST

/* ---- errors ---------------------------------------------------------------------------------------------------------------- */

START_TEST(statuses_have_words) {
    static const char *const words[] = {"ok", "more",   "cancelled",   "usage", "range",   "memory",
                                        "io", "format", "unsupported", "full",  "internal"};
    for (int i = 0; i <= TL_ERR_INTERNAL; i++)
        ck_assert_str_eq(tl_status_name((tl_status)i), words[i]);
    ck_assert_str_eq(tl_status_name((tl_status)(TL_ERR_INTERNAL + 1)), "unknown");
    ck_assert_str_eq(tl_status_name((tl_status)-1), "unknown");
    ck_assert_str_eq(tl_version(), TL_VERSION_STRING);
}
END_TEST

START_TEST(a_failure_formats_its_message_even_from_itself) {
    tl_error err;
    ck_assert_int_eq(tl_fail(&err, TL_ERR_IO, "open %s: %d of %lld", "x", 3, 1LL << 40), TL_ERR_IO);
    ck_assert_int_eq(err.status, TL_ERR_IO);
    ck_assert_str_eq(err.message, "open x: 3 of 1099511627776");
    ck_assert_int_eq(tl_fail(&err, TL_ERR_FORMAT, "model: %s", err.message), TL_ERR_FORMAT);
    ck_assert_str_eq(err.message, "model: open x: 3 of 1099511627776");
    ck_assert_int_eq(tl_fail(NULL, TL_ERR_FULL, "%s", "nobody listens"), TL_ERR_FULL);
}
END_TEST

START_TEST(a_long_message_is_cut_between_characters) {
    static const char *const ends[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}; /* 2, 3 and 4 bytes */
    for (int k = 0; k < 3; k++) {
        size_t width = strlen(ends[k]);
        for (size_t room = 0; room <= width; room++) {
            char text[TL_ERROR_MAX + 8];
            size_t n = TL_ERROR_MAX - 1 - room;
            memset(text, 'a', n);
            memcpy(text + n, ends[k], width + 1);
            tl_error err;
            tl_fail(&err, TL_ERR_IO, "%s", text);
            ck_assert_uint_eq(strlen(err.message), room == width ? TL_ERROR_MAX - 1 : n);
        }
    }
}
END_TEST

START_TEST(control_characters_and_broken_utf8_become_question_marks) {
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"a\nb\x1B[31m\x7F", "a?b?[31m?"},
        {"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"},
        {"\x80 \xC0\xAF \xC1\xBF", "? ?? ??"},                              /* stray, overlong */
        {"\xE0\x80\x80 \xED\xA0\x80 \xED\x9F\xBF", "??? ??? \xED\x9F\xBF"}, /* overlong, surrogate, the last before them */
        {"\xF4\x90\x80\x80 \xF5 \xFF \xF0\x8F\xBF\xBF", "???? ? ? ????"},
        {"\xC3; \xE2\x82; x", "?; ??; x"},
        {"ends in\xE2\x82", "ends in"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tl_error err;
        tl_fail(&err, TL_ERR_FORMAT, "%s", rows[i].in);
        ck_assert_str_eq(err.message, rows[i].out);
    }
}
END_TEST

static Suite *dtype_suite(void) {
    Suite *s = suite_create("dtype");
    TCase *t = tcase_create("dtype");
    tcase_add_test(t, every_type_has_consistent_facts_and_is_found_by_name_and_id);
    tcase_add_test(t, ids_and_sizes_are_those_of_gguf);
    tcase_add_test(t, names_are_found_in_any_case_and_only_whole);
    tcase_add_test(t, unknown_and_removed_types_are_nothing);
    tcase_add_test(t, floats_survive_all_plain_float_types_unaligned);
    tcase_add_test(t, integers_saturate_and_round_half_to_even_and_nan_gives_zero);
    tcase_add_test(t, results_do_not_depend_on_the_callers_rounding);
    tcase_add_test(t, wrong_calls_are_refused_with_a_sentence);
    tcase_add_test(t, statuses_have_words);
    tcase_add_test(t, a_failure_formats_its_message_even_from_itself);
    tcase_add_test(t, a_long_message_is_cut_between_characters);
    tcase_add_test(t, control_characters_and_broken_utf8_become_question_marks);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(dtype_suite());
}
