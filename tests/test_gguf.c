/* test_gguf.c: the GGUF reader on well-formed files (real ones too) and the typed getters. The ways in are test_gguf_ways.c's, what the reader
 * refuses test_gguf_hostile*.c's, writing test_gguf_writer.c's. */
#include "models/gguf.h"
#include "tests/gguf_files.h"
#include "tests/gguf_walk.h"

/* ---- real files ---- */

static const char *const real_vocabularies[] = {"vocab/ggml-vocab-phi-3.gguf", "vocab/ggml-vocab-gpt-2.gguf", "vocab/vocab-llama-bpe.gguf",
                                                "vocab/vocab-qwen2.gguf"};

START_TEST(every_model_of_the_test_data_opens) {
    if (!getenv("TALLY_TEST_DATA"))
        SKIP("TALLY_TEST_DATA is not set");
    for (size_t i = 0; i < COUNT(real_models); i++) {
        tl_gguf *g = open_data(real_models[i]);
        ck_assert_int_eq(tl_gguf_version(g), 3);
        ck_assert_int_ge(tl_gguf_tensors(g), 47);
        ck_assert_int_ge(tl_gguf_keys(g), 19);
        const tl_gguf_tensor *t = tl_gguf_tensor_find(g, "token_embd.weight");
        ck_assert_ptr_nonnull(t);
        ck_assert_int_eq(t->rank, 2);
        ck_assert_int_ne(t->dtype, TL_N_DTYPES);
        int64_t dim = 0;
        ck_assert_int_eq(tl_gguf_get_int(g, "llama.embedding_length", true, 1, 1 << 20, &dim, NULL), TL_OK);
        ck_assert_int_eq(t->shape[1], dim);
        walk_all(g);
        tl_gguf_free(g);
    }
}
END_TEST

START_TEST(every_vocabulary_without_tensors_opens) {
    if (!getenv("TALLY_TEST_DATA"))
        SKIP("TALLY_TEST_DATA is not set");
    for (size_t i = 0; i < COUNT(real_vocabularies); i++) {
        tl_gguf *g = open_data(real_vocabularies[i]);
        int64_t n = 0;
        ck_assert_int_eq(tl_gguf_tensors(g), 0);
        ck_assert_int_eq(tl_gguf_get_array(g, "tokenizer.ggml.tokens", true, TL_GGUF_STRING, -1, NULL, &n, NULL), TL_OK);
        ck_assert_int_ge(n, 32000);
        ck_assert_uint_gt(tl_gguf_array_string(g, "tokenizer.ggml.tokens", n / 2).n, 0);
        ck_assert(tl_gguf_data_offset(g) <= tl_gguf_file_bytes(g));
        tl_gguf_free(g);
    }
}
END_TEST

START_TEST(the_demo_model_opens) {
    const char *path = getenv("TALLY_DEMO_MODEL");
    tl_gguf *g;
    tl_error err;
    if (!path)
        SKIP("TALLY_DEMO_MODEL is not set");
    ck_assert_msg(tl_gguf_open(&g, path, &err) == TL_OK, "%s", err.message);
    ck_assert_int_eq(tl_gguf_tensors(g), 272);
    int types[64] = {0};
    for (int64_t i = 0; i < 272; i++)
        types[tl_gguf_tensor_at(g, i)->type]++;
    ck_assert(types[3] == 210 && types[8] == 1 && types[0] == 61); /* Q4_1, Q8_0, F32 */
    int64_t dim = 0;
    ck_assert_int_eq(tl_gguf_get_int(g, "llama.embedding_length", true, 1, 1 << 20, &dim, &err), TL_OK);
    ck_assert_int_eq(dim, 576);
    walk_all(g);
    tl_gguf_free(g);
}
END_TEST

/* ---- a small file, read whole ---- */

START_TEST(a_small_file_gives_its_facts) {
    blob b = sample_file();
    tl_gguf *g = from_blob(&b);
    ck_assert_int_eq(tl_gguf_version(g), 3);
    ck_assert_uint_eq(tl_gguf_alignment(g), 64);
    ck_assert_uint_eq(tl_gguf_file_bytes(g), b.n);
    ck_assert_uint_eq(tl_gguf_data_offset(g), b.n - 133);
    ck_assert_str_eq(tl_gguf_path(g), "");
    ck_assert_int_eq(tl_gguf_keys(g), SAMPLE_KEYS);
    ck_assert_str_eq(tl_gguf_key(g, 0), "general.architecture");
    ck_assert_str_eq(tl_gguf_key(g, SAMPLE_KEYS - 1), "a.empty");
    ck_assert_int_eq(tl_gguf_key_type(g, 1), TL_GGUF_U32);
    ck_assert_int_eq(tl_gguf_find(g, "t.u8"), 2);
    ck_assert_int_eq(tl_gguf_find(g, "t.u"), -1);
    ck_assert_int_eq(tl_gguf_find(g, ""), -1);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(shapes_come_in_numpy_order) {
    blob b = sample_file();
    tl_gguf *g = from_blob(&b);
    const tl_gguf_tensor *w = tl_gguf_tensor_find(g, "w"), *q = tl_gguf_tensor_find(g, "q"), *c = tl_gguf_tensor_find(g, "c");
    ck_assert(w == tl_gguf_tensor_at(g, 0) && q == tl_gguf_tensor_at(g, 1) && c == tl_gguf_tensor_at(g, 2));
    ck_assert(w->rank == 2 && w->shape[0] == 3 && w->shape[1] == 4 && w->dtype == TL_F32 && w->type == 0 && w->bytes == 48);
    ck_assert(q->rank == 2 && q->shape[0] == 2 && q->shape[1] == 32 && q->dtype == TL_Q4_0 && q->bytes == 36);
    ck_assert(c->rank == 1 && c->shape[0] == 5 && c->dtype == TL_I8 && c->bytes == 5);
    ck_assert_uint_eq(w->offset, tl_gguf_data_offset(g));
    ck_assert_uint_eq(c->offset, tl_gguf_data_offset(g) + 128);
    ck_assert_ptr_null(tl_gguf_tensor_find(g, "W"));
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(version_2_is_read_like_version_3) {
    blob b = sample_file();
    b.p[4] = 2;
    tl_gguf *g = from_blob(&b);
    ck_assert_int_eq(tl_gguf_version(g), 2);
    ck_assert_int_eq(tl_gguf_tensors(g), SAMPLE_TENSORS);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(a_file_without_tensors_may_end_before_its_data_begins) {
    blob b = {0};
    put_header(&b, 3, 0, 1);
    put_u32_key(&b, "a", 1);
    ck_assert_uint_ne(b.n % 32, 0);
    tl_gguf *g = from_blob(&b);
    ck_assert_int_eq(tl_gguf_tensors(g), 0);
    ck_assert_uint_eq(tl_gguf_data_offset(g), b.n);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(tensors_may_lie_in_any_order_with_gaps) {
    enum { N = 100 };
    blob b = {0};
    char name[16];
    put_header(&b, 3, N, 0);
    for (uint64_t i = 0; i < N; i++) {
        snprintf(name, sizeof name, "t%d", (int)i);
        put_tensor(&b, name, 1, (uint64_t[]){8}, 0, i * 37 % N * 64); /* 32 bytes each, a gap of 32 behind */
    }
    put_padding(&b, 32);
    put_zeros(&b, N * 64);
    tl_gguf *g = from_blob(&b);
    ck_assert_uint_eq(tl_gguf_tensor_at(g, 2)->offset, tl_gguf_data_offset(g) + 74 * 64);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(every_tensor_type_has_its_size) {
    /* id, elements a block, bytes a block: from ggml's own block structs. */
    static const unsigned sizes[][3] = {
        {0, 1, 4},      {1, 1, 2},     {2, 32, 18},    {3, 32, 20},    {6, 32, 22},    {7, 32, 24},    {8, 32, 34},
        {9, 32, 36},    {10, 256, 84}, {11, 256, 110}, {12, 256, 144}, {13, 256, 176}, {14, 256, 210}, {15, 256, 292},
        {16, 256, 66},  {17, 256, 74}, {18, 256, 98},  {19, 256, 50},  {20, 32, 18},   {21, 256, 110}, {22, 256, 82},
        {23, 256, 136}, {24, 1, 1},    {25, 1, 2},     {26, 1, 4},     {27, 1, 8},     {28, 1, 8},     {29, 256, 56},
        {30, 1, 2},     {34, 256, 54}, {35, 256, 66},  {39, 32, 17},   {40, 64, 36},   {41, 128, 18},  {42, 64, 18},
    };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        blob b = {0};
        put_header(&b, 3, 1, 0);
        put_tensor(&b, "t", 2, (uint64_t[]){sizes[i][1], 3}, sizes[i][0], 0);
        put_padding(&b, 32);
        put_zeros(&b, (size_t)sizes[i][2] * 3);
        tl_gguf *g = from_blob(&b);
        const tl_gguf_tensor *t = tl_gguf_tensor_at(g, 0);
        ck_assert_uint_eq(t->bytes, sizes[i][2] * 3);
        ck_assert_str_ne(tl_gguf_type_name((int)sizes[i][0]), "");
        if (t->dtype != TL_N_DTYPES)
            ck_assert_int_eq(tl_dtype_get(t->dtype)->gguf, t->type);
        tl_gguf_free(g);
        free(b.p);
    }
    ck_assert_str_eq(tl_gguf_type_name(3), "q4_1");
    ck_assert_str_eq(tl_gguf_type_name(20), "iq4_nl");
    ck_assert_ptr_null(tl_gguf_type_name(4));
    ck_assert_ptr_null(tl_gguf_type_name(-1));
}
END_TEST

/* ---- getters ---- */

START_TEST(integers_of_every_width_and_sign_convert) {
    blob b = sample_file();
    tl_gguf *g = from_blob(&b);
    check_int(g, "t.u8", 200);
    check_int(g, "t.i8", -100);
    check_int(g, "t.u16", 60000);
    check_int(g, "t.i16", -30000);
    check_int(g, "t.u32", 4000000000ll);
    check_int(g, "t.i32", -2000000000ll);
    check_int(g, "t.i64", -5000000000ll);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(floats_bools_and_strings_come_as_stored) {
    blob b = sample_file();
    tl_gguf *g = from_blob(&b);
    double v = 0;
    bool yes = false, no = true;
    tl_gguf_string s;
    ck_assert_int_eq(tl_gguf_get_float(g, "t.f32", true, &v, NULL), TL_OK);
    ck_assert(v == (double)0.1f);
    ck_assert_int_eq(tl_gguf_get_float(g, "t.f64", true, &v, NULL), TL_OK);
    ck_assert(v == -2.5);
    ck_assert_int_eq(tl_gguf_get_bool(g, "t.true", true, &yes, NULL), TL_OK);
    ck_assert_int_eq(tl_gguf_get_bool(g, "t.false", true, &no, NULL), TL_OK);
    ck_assert(yes && !no);
    ck_assert_int_eq(tl_gguf_get_string(g, "general.architecture", true, &s, NULL), TL_OK);
    ck_assert(s.n == 5 && memcmp(s.data, "llama", 5) == 0);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(arrays_come_packed_and_strings_by_number) {
    blob b = sample_file();
    tl_gguf *g = from_blob(&b);
    const void *data;
    int64_t n = 0;
    ck_assert_int_eq(tl_gguf_get_array(g, "a.i32", true, TL_GGUF_I32, 3, &data, &n, NULL), TL_OK);
    ck_assert(n == 3 && memcmp(data, "\7\0\0\0\xf8\xff\xff\xff\t\0\0\0", 12) == 0);
    ck_assert_int_eq(tl_gguf_get_array(g, "a.empty", true, TL_GGUF_F32, -1, &data, &n, NULL), TL_OK);
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(tl_gguf_get_array(g, "a.strings", true, TL_GGUF_STRING, -1, &data, &n, NULL), TL_OK);
    ck_assert_int_eq(n, SAMPLE_STRINGS);
    ck_assert_ptr_null(data);
    for (int i = SAMPLE_STRINGS - 1; i >= 0; i--) {
        char want[16];
        int len = snprintf(want, sizeof want, "s%0*d", i % 5, i);
        tl_gguf_string s = tl_gguf_array_string(g, "a.strings", i);
        ck_assert(s.n == (size_t)len && memcmp(s.data, want, s.n) == 0);
    }
    ck_assert_uint_eq(tl_gguf_array_string(g, "a.strings", SAMPLE_STRINGS).n, 0);
    ck_assert_uint_eq(tl_gguf_array_string(g, "a.strings", -1).n, 0);
    ck_assert_ptr_nonnull(tl_gguf_array_string(g, "a.i32", 0).data);
    ck_assert_int_eq(tl_gguf_array_type(g, tl_gguf_find(g, "a.bools"), &n), TL_GGUF_BOOL);
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(tl_gguf_array_type(g, tl_gguf_find(g, "t.u8"), &n), TL_GGUF_U8);
    ck_assert_int_eq(n, -1);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(an_absent_key_is_an_error_only_where_required) {
    blob b = sample_file();
    tl_gguf *g = from_blob(&b);
    tl_error err;
    int64_t i = 5;
    double f = 6;
    bool yes = true;
    tl_gguf_string s = {"x", 1};
    int64_t n = 8;
    ck_assert_int_eq(tl_gguf_get_int(g, "none.at.all", false, 0, 1, &i, &err), TL_OK);
    ck_assert_int_eq(tl_gguf_get_float(g, "none.at.all", false, &f, &err), TL_OK);
    ck_assert_int_eq(tl_gguf_get_bool(g, "none.at.all", false, &yes, &err), TL_OK);
    ck_assert_int_eq(tl_gguf_get_string(g, "none.at.all", false, &s, &err), TL_OK);
    ck_assert_int_eq(tl_gguf_get_array(g, "none.at.all", false, TL_GGUF_U8, -1, NULL, &n, &err), TL_OK);
    ck_assert(i == 5 && f == 6 && yes && s.n == 1 && n == 8);
    ck_assert_int_eq(tl_gguf_get_int(g, "none.at.all", true, 0, 1, &i, &err), TL_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "'none.at.all' is missing, expected an integer from 0 to 1"));
    ck_assert_int_eq(tl_gguf_get_float(g, "none.at.all", true, &f, &err), TL_ERR_FORMAT);
    ck_assert_int_eq(tl_gguf_get_bool(g, "none.at.all", true, &yes, &err), TL_ERR_FORMAT);
    ck_assert_int_eq(tl_gguf_get_string(g, "none.at.all", true, &s, &err), TL_ERR_FORMAT);
    ck_assert_int_eq(tl_gguf_get_array(g, "none.at.all", true, TL_GGUF_U8, -1, NULL, &n, &err), TL_ERR_FORMAT);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

static void expect_words(const tl_error *err, const char *first, const char *second) {
    ck_assert_int_eq(err->status, TL_ERR_FORMAT);
    ck_assert_msg(strstr(err->message, first) && strstr(err->message, second), "'%s' and '%s' are not in: %s", first, second, err->message);
}

START_TEST(a_value_of_the_wrong_type_or_range_is_an_error_that_says_so) {
    blob b = sample_file();
    tl_gguf *g = from_blob(&b);
    tl_error err;
    int64_t i = 77, n;
    double f;
    bool yes;
    tl_gguf_string s;
    tl_gguf_get_int(g, "t.u8", true, 0, 199, &i, &err);
    expect_words(&err, "key 't.u8'", "found 200, expected an integer from 0 to 199");
    tl_gguf_get_int(g, "t.i8", true, -99, 0, &i, &err);
    expect_words(&err, "key 't.i8'", "found -100, expected");
    tl_gguf_get_int(g, "t.u64", true, INT64_MIN, INT64_MAX, &i, &err);
    expect_words(&err, "key 't.u64'", "found 18446744073709551615");
    tl_gguf_get_int(g, "t.f32", true, 0, 1, &i, &err);
    expect_words(&err, "key 't.f32'", "of type f32");
    tl_gguf_get_int(g, "t.true", true, 0, 1, &i, &err);
    expect_words(&err, "key 't.true'", "of type bool");
    tl_gguf_get_int(g, "a.i32", true, 0, 1, &i, &err);
    expect_words(&err, "key 'a.i32'", "an array of 3 i32");
    tl_gguf_get_int(g, "general.architecture", false, 0, 1, &i, &err);
    expect_words(&err, "general.architecture", "of type string");
    ck_assert_int_eq(i, 77);
    tl_gguf_get_float(g, "t.i32", true, &f, &err);
    expect_words(&err, "key 't.i32'", "of type i32, expected a float");
    tl_gguf_get_bool(g, "t.u8", true, &yes, &err);
    expect_words(&err, "key 't.u8'", "expected a bool");
    tl_gguf_get_string(g, "a.strings", true, &s, &err);
    expect_words(&err, "key 'a.strings'", "an array of 50 string, expected a string");
    tl_gguf_get_array(g, "a.i32", true, TL_GGUF_F32, -1, NULL, &n, &err);
    expect_words(&err, "key 'a.i32'", "an array of 3 i32, expected an array of f32");
    tl_gguf_get_array(g, "a.i32", true, TL_GGUF_I32, 4, NULL, &n, &err);
    expect_words(&err, "key 'a.i32'", "expected an array of 4 i32");
    tl_gguf_get_array(g, "t.u8", true, TL_GGUF_U8, 1, NULL, &n, &err);
    expect_words(&err, "key 't.u8'", "a value of type u8, expected an array of 1 u8");
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(values_print_for_people) {
    blob b = sample_file();
    tl_gguf *g = from_blob(&b);
    check_text(g, "general.architecture", 3, "llama");
    check_text(g, "t.i8", 3, "-100");
    check_text(g, "t.u64", 3, "18446744073709551615");
    check_text(g, "t.f32", 3, "0.1");
    check_text(g, "t.f64", 3, "-2.5");
    check_text(g, "t.true", 3, "true");
    check_text(g, "a.i32", -1, "[7, -8, 9]");
    check_text(g, "a.i32", 2, "[7, -8, ... 1 more]");
    check_text(g, "a.i32", 0, "[... 3 more]");
    check_text(g, "a.strings", 2, "[\"s0\", \"s1\", ... 48 more]");
    check_text(g, "a.bools", 5, "[true, false]");
    check_text(g, "a.empty", 5, "[]");
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(text_of_strings_cannot_reach_the_terminal) {
    blob b = {0};
    put_header(&b, 3, 0, 2);
    put_key(&b, "s", TL_GGUF_STRING);
    put_string(&b, "\x1b[31m\n\t\r\\ \"q\" \x7f \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xff \xc0\x80 \xed\xa0\x80 "
                   "\xc2\x9b \xe2\x80\xae \xe2\x82");
    put_array_key(&b, "a", TL_GGUF_STRING, 1);
    put_string_n(&b, "\"\0\"", 3);
    tl_gguf *g = from_blob(&b);
    check_text(g, "s", 1,
               "\\x1b[31m\\n\\t\\r\\\\ \"q\" \\x7f \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \\xff \\xc0\\x80 \\xed\\xa0\\x80 \\xc2\\x9b "
               "\\xe2\\x80\\xae \\xe2\\x82");
    check_text(g, "a", 1, "[\"\\\"\\x00\\\"\"]");
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

static Suite *gguf_suite(void) {
    Suite *s = suite_create("gguf");
    TCase *c = tcase_create("reading");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, every_model_of_the_test_data_opens);
    tcase_add_test(c, every_vocabulary_without_tensors_opens);
    tcase_add_test(c, the_demo_model_opens);
    tcase_add_test(c, a_small_file_gives_its_facts);
    tcase_add_test(c, shapes_come_in_numpy_order);
    tcase_add_test(c, version_2_is_read_like_version_3);
    tcase_add_test(c, a_file_without_tensors_may_end_before_its_data_begins);
    tcase_add_test(c, tensors_may_lie_in_any_order_with_gaps);
    tcase_add_test(c, every_tensor_type_has_its_size);
    tcase_add_test(c, integers_of_every_width_and_sign_convert);
    tcase_add_test(c, floats_bools_and_strings_come_as_stored);
    tcase_add_test(c, arrays_come_packed_and_strings_by_number);
    tcase_add_test(c, an_absent_key_is_an_error_only_where_required);
    tcase_add_test(c, a_value_of_the_wrong_type_or_range_is_an_error_that_says_so);
    tcase_add_test(c, values_print_for_people);
    tcase_add_test(c, text_of_strings_cannot_reach_the_terminal);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(gguf_suite());
}
