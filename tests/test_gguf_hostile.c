/* test_gguf_hostile.c: what the GGUF reader refuses of a header and of keys, one test a check: each crafts the smallest file with that one
 * fault, and asks for the status and for a message that names the place, what was found and what was expected. */
#include "tests/gguf_refused.h"

/* ---- not GGUF, or not this GGUF ---- */

START_TEST(an_empty_file_is_called_empty) {
    blob b = {0};
    REFUSED(&b, TL_ERR_FORMAT, "empty (0 bytes)", "expected a GGUF file", "download");
}
END_TEST

START_TEST(files_of_other_kinds_are_recognised) {
    static const struct {
        const char *bytes;
        size_t n;
        const char *word;
    } others[] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0", 56, "git lfs pull"},
        {"\x40\1\0\0\0\0\0\0{\"__metadata__\":{}}", 27, "safetensors"},
        {"PK\3\4\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, "zip"},
        {"<!DOCTYPE html><html><body>404</body></html>", 44, "web page"},
        {"<html>", 6, "web page"},
        {"{\"error\":\"Entry not found\"}", 27, "JSON"},
        {"\x80\2\x8a\nl\xfc\x9c\x46\xf9\x20j\xa8P\x19.\x80\2M\xe9\3.\x80\2}q", 26, "pickle"},
        {"\x1f\x8b\b\0\0\0\0\0\0\3", 10, "gzip"},
        {"tjgg\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, "GGJT"},
        {"FUGG\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, "swapped"},
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, "zeros"},
        {"hello, world, this is a text", 28, "path of a .gguf file"},
        {"GG", 2, "expected 'GGUF'"},
        {"GGU\0\3\0\0\0", 8, "expected 'GGUF'"},
    };
    for (size_t i = 0; i < COUNT(others); i++) {
        blob b = {0};
        put(&b, others[i].bytes, others[i].n);
        REFUSED(&b, TL_ERR_FORMAT, "not a GGUF file", "byte 0", others[i].word);
    }
}
END_TEST

START_TEST(an_empty_or_missing_path_is_named) {
    char path[512];
    tl_gguf *g = (tl_gguf *)path;
    tl_error err = {0};
    temporary(path, sizeof path, "empty.gguf");
    FILE *f = fopen(path, "wb");
    ck_assert(f && fclose(f) == 0);
    ck_assert_int_ne(tl_gguf_open(&g, path, &err), TL_OK);
    ck_assert_ptr_null(g);
    ck_assert(strstr(err.message, path) && strstr(err.message, "empty"));
    remove(path);
    ck_assert_int_eq(tl_gguf_open(&g, path, &err), TL_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, path));
}
END_TEST

START_TEST(a_refused_file_is_named_by_its_path) {
    char path[512];
    tl_gguf *g;
    tl_error err = {0};
    temporary(path, sizeof path, "page.gguf");
    FILE *f = fopen(path, "wb");
    ck_assert(f && fputs("<!DOCTYPE html>", f) >= 0 && fclose(f) == 0);
    ck_assert_int_eq(tl_gguf_open(&g, path, &err), TL_ERR_FORMAT);
    remove(path);
    ck_assert_msg(strncmp(err.message, path, strlen(path)) == 0, "%s", err.message);
}
END_TEST

START_TEST(a_long_path_leaves_room_for_the_reason) {
    char path[600];
    tl_gguf *g;
    tl_error err = {0};
    memset(path, 'a', sizeof path);
    snprintf(path + 500, sizeof path - 500, "/\xc3\xa9/model.gguf");
    blob b = {0};
    put_header(&b, 1, 0, 0);
    ck_assert_int_eq(tl_gguf_new(&g, path, b.n, &err), TL_OK);
    ck_assert_str_eq(tl_gguf_path(g), path);
    uint64_t want;
    ck_assert_int_eq(tl_gguf_read_table(g, b.p, b.n, &want, &err), TL_ERR_UNSUPPORTED);
    ck_assert(strncmp(err.message, "...aaa", 6) == 0 && strstr(err.message, "/\xc3\xa9/model.gguf: byte 4: GGUF version 1"));
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(version_1_is_refused) {
    blob b = {0};
    put_header(&b, 1, 0, 0);
    REFUSED(&b, TL_ERR_UNSUPPORTED, "byte 4", "GGUF version 1", "expected 2 or 3", "convert");
}
END_TEST

START_TEST(version_4_asks_for_a_newer_release) {
    blob b = {0};
    put_header(&b, 4, 0, 0);
    REFUSED(&b, TL_ERR_UNSUPPORTED, "byte 4", "GGUF version 4", "expected 2 or 3", "newer release");
}
END_TEST

START_TEST(versions_that_never_were_mean_damage) {
    for (int i = 0; i < 2; i++) {
        blob b = {0};
        put_header(&b, i ? 0x12345678 : 0, 0, 0);
        REFUSED(&b, TL_ERR_FORMAT, "byte 4", i ? "version 305419896" : "version 0", "damaged");
    }
}
END_TEST

START_TEST(big_endian_files_are_called_so) {
    blob b = {0};
    put_header(&b, 0x03000000, 0, 0);
    REFUSED(&b, TL_ERR_UNSUPPORTED, "byte 4", "big-endian", "expected little-endian");
}
END_TEST

/* ---- counts ---- */

START_TEST(more_keys_than_the_file_could_hold_are_refused) {
    static const uint64_t counts[] = {2, 1u << 20, INT64_MAX, UINT64_MAX, UINT64_MAX / 13 + 1, UINT64_MAX / 40 + 2};
    for (size_t i = 0; i < COUNT(counts); i++) {
        blob b = {0};
        put_header(&b, 3, 0, counts[i]);
        put_int_key(&b, "k", TL_GGUF_U8, 1, 1); /* 14 bytes, the shortest */
        REFUSED(&b, TL_ERR_FORMAT, "byte 16", " keys", "at most 1", "damaged");
    }
}
END_TEST

START_TEST(more_tensors_than_the_file_could_hold_are_refused) {
    static const uint64_t counts[] = {2, 1u << 20, INT64_MAX, UINT64_MAX, UINT64_MAX / 24 + 1, UINT64_MAX / 80 + 2};
    for (size_t i = 0; i < COUNT(counts); i++) {
        blob b = {0};
        put_header(&b, 3, counts[i], 1);
        put_int_key(&b, "k", TL_GGUF_U8, 1, 1);
        put_tensor(&b, "w", 1, (uint64_t[]){1}, 24, 0); /* 33 bytes, the shortest */
        put_zeros(&b, 32);
        REFUSED(&b, TL_ERR_FORMAT, "byte 8", " tensors", "at most 1", "damaged");
    }
}
END_TEST

START_TEST(claims_of_size_cost_no_memory) {
    static const uint64_t counts[] = {1u << 30, UINT64_MAX / 64};
    for (size_t i = 0; i < COUNT(counts); i++) {
        /* A prefix of a file that claims to be long enough for its counts: the reader asks for more, it does not allocate tables. */
        blob b = {0};
        tl_gguf *g;
        uint64_t want = 0;
        put_header(&b, 3, counts[i] / 4, counts[i]);
        tl_alloc_fail_at(1 << 30, false);
        ck_assert_int_eq(tl_gguf_parse(&g, b.p, b.n, UINT64_MAX, &want, NULL), TL_MORE);
        ck_assert_int_le(tl_alloc_count(), 2); /* the object and its path */
        tl_alloc_fail_at(-1, false);
        ck_assert_uint_le(want, 65536);
        free(b.p);
    }
}
END_TEST
/* ---- keys ---- */

START_TEST(an_empty_key_is_refused) {
    blob b = one_key("", TL_GGUF_U32);
    put_zeros(&b, 100);
    REFUSED(&b, TL_ERR_FORMAT, "key 1 of 1", "byte 24", "the key is empty");
}
END_TEST

START_TEST(a_key_of_65536_bytes_is_refused) {
    blob b = {0};
    put_header(&b, 3, 0, 1);
    put_number(&b, 65536, 8);
    for (int i = 0; i < 65536; i++)
        put(&b, "k", 1);
    put_zeros(&b, 8);
    REFUSED(&b, TL_ERR_FORMAT, "key 1 of 1", "byte 24", "65536 bytes", "at most 65535");
}
END_TEST

START_TEST(a_key_of_65535_bytes_is_read) {
    blob b = {0};
    put_header(&b, 3, 0, 1);
    put_number(&b, 65535, 8);
    for (int i = 0; i < 65535; i++)
        put(&b, "k", 1);
    put_number(&b, TL_GGUF_U32, 4);
    put_number(&b, 5, 4);
    tl_gguf *g = from_blob(&b);
    ck_assert_uint_eq(strlen(tl_gguf_key(g, 0)), 65535);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(a_key_beyond_the_end_is_refused) {
    blob b = {0};
    put_header(&b, 3, 0, 1);
    put_number(&b, 60, 8);
    put_zeros(&b, 50);
    REFUSED(&b, TL_ERR_FORMAT, "key 1 of 1", "byte 32", "the key of 60 bytes", "only 50 are left", "download");
}
END_TEST

START_TEST(a_key_that_is_no_printable_ascii_is_refused) {
    static const char *const keys[] = {"caf\xc3\xa9", "a\nb", "\x1b[0m", "del\x7f"};
    static const char *const found[] = {"0xc3", "0x0a", "0x1b", "0x7f"};
    for (size_t i = 0; i < COUNT(keys); i++) {
        blob b = one_key(keys[i], TL_GGUF_U32);
        put_number(&b, 1, 4);
        REFUSED(&b, TL_ERR_FORMAT, "the key holds byte", found[i], "expected printable ASCII");
    }
}
END_TEST

START_TEST(a_key_with_a_zero_byte_is_refused) {
    blob b = {0};
    put_header(&b, 3, 0, 1);
    put_string_n(&b, "a\0b", 3);
    put_number(&b, TL_GGUF_U32, 4);
    put_number(&b, 1, 4);
    REFUSED(&b, TL_ERR_FORMAT, "key 'a\\x00b'", "byte 33", "0x00");
}
END_TEST

START_TEST(a_key_that_comes_twice_is_refused) {
    blob b = {0};
    put_header(&b, 3, 0, 3);
    put_u32_key(&b, "a", 1);
    put_u32_key(&b, "b.c", 1);
    put_int_key(&b, "a", TL_GGUF_U8, 1, 1);
    REFUSED(&b, TL_ERR_FORMAT, "key 'a'", "twice", "number 1 and 3");
}
END_TEST

START_TEST(unknown_value_types_are_refused) {
    static const uint32_t types[] = {13, 255, 0x80000000u, 0xFFFFFFFFu};
    for (size_t i = 0; i < COUNT(types); i++) {
        char found[64];
        blob b = one_key("some.key", types[i]);
        put_zeros(&b, 32);
        snprintf(found, sizeof found, "a value of type %lu", (unsigned long)types[i]);
        REFUSED(&b, TL_ERR_FORMAT, "key 'some.key'", "byte 40", found, "expected 0 to 12");
    }
}
END_TEST

START_TEST(values_cut_short_are_refused) {
    static const struct {
        uint32_t type;
        int bytes;
    } cuts[] = {{TL_GGUF_U16, 1}, {TL_GGUF_U32, 3},    {TL_GGUF_F32, 0},   {TL_GGUF_U64, 7},
                {TL_GGUF_F64, 4}, {TL_GGUF_STRING, 7}, {TL_GGUF_ARRAY, 11}};
    for (size_t i = 0; i < COUNT(cuts); i++) {
        blob b = one_key("the.key", cuts[i].type);
        put_zeros(&b, (size_t)cuts[i].bytes);
        REFUSED(&b, TL_ERR_FORMAT, "key 'the.key'", "byte 43", "are left of the file's", "damaged");
    }
}
END_TEST

START_TEST(a_bool_of_2_is_refused) {
    blob b = one_key("flag", TL_GGUF_BOOL);
    put_number(&b, 2, 1);
    REFUSED(&b, TL_ERR_FORMAT, "key 'flag'", "byte 40", "a bool is 2", "expected 0 or 1");
}
END_TEST

START_TEST(a_bool_of_255_in_an_array_is_refused) {
    blob b = {0};
    put_header(&b, 3, 0, 1);
    put_array_key(&b, "flags", TL_GGUF_BOOL, 3);
    put(&b, "\1\0\xff", 3);
    REFUSED(&b, TL_ERR_FORMAT, "key 'flags'", "byte 55", "a bool is 255");
}
END_TEST

START_TEST(a_string_beyond_the_end_is_refused) {
    static const uint64_t lengths[] = {5, 1u << 31, (uint64_t)UINT32_MAX + 1, INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        blob b = one_key("name", TL_GGUF_STRING);
        put_number(&b, lengths[i], 8);
        put(&b, "abcd", 4);
        REFUSED(&b, TL_ERR_FORMAT, "key 'name'", "byte 48", "only 4 are left");
    }
}
END_TEST

START_TEST(arrays_of_arrays_are_refused_at_any_depth) {
    blob b = {0};
    put_header(&b, 3, 0, 1);
    put_array_key(&b, "nested", TL_GGUF_ARRAY, 1);
    for (int i = 0; i < 100000; i++) {
        put_number(&b, TL_GGUF_ARRAY, 4);
        put_number(&b, 1, 8);
    }
    REFUSED(&b, TL_ERR_UNSUPPORTED, "key 'nested'", "byte 42", "an array of arrays");
}
END_TEST

START_TEST(unknown_array_types_are_refused) {
    blob b = {0};
    put_header(&b, 3, 0, 1);
    put_array_key(&b, "list", 13, 0);
    REFUSED(&b, TL_ERR_FORMAT, "key 'list'", "byte 40", "elements of type 13", "expected 0 to 12");
}
END_TEST

START_TEST(an_array_longer_than_the_file_is_refused) {
    static const uint64_t counts[] = {3, UINT64_MAX, UINT64_MAX / 8 + 1, UINT64_MAX / 4 + 1, INT64_MAX};
    for (size_t i = 0; i < COUNT(counts); i++)
        for (int strings = 0; strings < 2; strings++) {
            blob b = {0};
            put_header(&b, 3, 0, 1);
            put_array_key(&b, "list", strings ? TL_GGUF_STRING : TL_GGUF_U64, counts[i]);
            put_zeros(&b, 16);
            REFUSED(&b, TL_ERR_FORMAT, "key 'list'", "byte 44", "hold at most 2", strings ? " string" : " u64");
        }
}
END_TEST

START_TEST(a_string_of_an_array_beyond_the_end_is_refused) {
    blob b = {0};
    put_header(&b, 3, 0, 1);
    put_array_key(&b, "words", TL_GGUF_STRING, 2);
    put_string(&b, "ok");
    put_number(&b, 9, 8);
    put(&b, "12345678", 8);
    REFUSED(&b, TL_ERR_FORMAT, "key 'words'", "byte 71", "a string of the array of 9 bytes", "only 8 are left");
}
END_TEST

START_TEST(bad_alignments_are_refused) {
    static const uint32_t bad[] = {0, 1, 2, 4, 12, 24, 33, 131072, 0x80000000u, 0xFFFFFFFFu};
    for (size_t i = 0; i < COUNT(bad); i++) {
        char found[32];
        blob b = {0};
        put_header(&b, 3, 0, 1);
        put_u32_key(&b, "general.alignment", bad[i]);
        snprintf(found, sizeof found, "is %lu,", (unsigned long)bad[i]);
        REFUSED(&b, TL_ERR_FORMAT, "key 'general.alignment'", "byte 53", found, "a power of two from 8 to 65536");
    }
}
END_TEST

START_TEST(an_alignment_of_another_type_is_refused) {
    blob b = one_key("general.alignment", TL_GGUF_U64);
    put_number(&b, 32, 8);
    REFUSED(&b, TL_ERR_FORMAT, "key 'general.alignment'", "of type u64", "expected u32");
    b = one_key("general.alignment", TL_GGUF_STRING);
    put_string(&b, "32");
    REFUSED(&b, TL_ERR_FORMAT, "key 'general.alignment'", "of type string", "expected u32");
}
END_TEST

START_TEST(alignments_from_8_to_65536_are_read) {
    for (uint32_t a = 8; a <= 65536; a *= 2) {
        blob b = {0};
        put_header(&b, 3, 2, 1);
        put_u32_key(&b, "general.alignment", a);
        put_tensor(&b, "x", 1, (uint64_t[]){1}, 24, 0);
        put_tensor(&b, "y", 1, (uint64_t[]){1}, 24, a);
        put_padding(&b, a);
        put_zeros(&b, a + 1);
        tl_gguf *g = from_blob(&b);
        ck_assert_uint_eq(tl_gguf_alignment(g), a);
        ck_assert_uint_eq(tl_gguf_tensor_at(g, 1)->offset, b.n - 1);
        tl_gguf_free(g);
        free(b.p);
    }
}
END_TEST

START_TEST(a_part_of_a_split_model_says_how_to_merge) {
    blob b = {0};
    put_header(&b, 3, 0, 2);
    put_int_key(&b, "split.no", TL_GGUF_U16, 1, 2);
    put_int_key(&b, "split.count", TL_GGUF_U16, 3, 2);
    REFUSED(&b, TL_ERR_UNSUPPORTED, "split.count", "part 2 of a model split into 3", "llama-gguf-split --merge");
}
END_TEST

START_TEST(a_split_into_one_is_read) {
    blob b = {0};
    put_header(&b, 3, 0, 1);
    put_int_key(&b, "split.count", TL_GGUF_U16, 1, 2);
    tl_gguf_free(from_blob(&b));
    free(b.p);
}
END_TEST

static Suite *gguf_hostile_suite(void) {
    Suite *s = suite_create("gguf_hostile");
    TCase *c = tcase_create("header");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, an_empty_file_is_called_empty);
    tcase_add_test(c, files_of_other_kinds_are_recognised);
    tcase_add_test(c, an_empty_or_missing_path_is_named);
    tcase_add_test(c, a_refused_file_is_named_by_its_path);
    tcase_add_test(c, a_long_path_leaves_room_for_the_reason);
    tcase_add_test(c, version_1_is_refused);
    tcase_add_test(c, version_4_asks_for_a_newer_release);
    tcase_add_test(c, versions_that_never_were_mean_damage);
    tcase_add_test(c, big_endian_files_are_called_so);
    tcase_add_test(c, more_keys_than_the_file_could_hold_are_refused);
    tcase_add_test(c, more_tensors_than_the_file_could_hold_are_refused);
    tcase_add_test(c, claims_of_size_cost_no_memory);
    suite_add_tcase(s, c);
    c = tcase_create("keys");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, an_empty_key_is_refused);
    tcase_add_test(c, a_key_of_65536_bytes_is_refused);
    tcase_add_test(c, a_key_of_65535_bytes_is_read);
    tcase_add_test(c, a_key_beyond_the_end_is_refused);
    tcase_add_test(c, a_key_that_is_no_printable_ascii_is_refused);
    tcase_add_test(c, a_key_with_a_zero_byte_is_refused);
    tcase_add_test(c, a_key_that_comes_twice_is_refused);
    tcase_add_test(c, unknown_value_types_are_refused);
    tcase_add_test(c, values_cut_short_are_refused);
    tcase_add_test(c, a_bool_of_2_is_refused);
    tcase_add_test(c, a_bool_of_255_in_an_array_is_refused);
    tcase_add_test(c, a_string_beyond_the_end_is_refused);
    tcase_add_test(c, arrays_of_arrays_are_refused_at_any_depth);
    tcase_add_test(c, unknown_array_types_are_refused);
    tcase_add_test(c, an_array_longer_than_the_file_is_refused);
    tcase_add_test(c, a_string_of_an_array_beyond_the_end_is_refused);
    tcase_add_test(c, bad_alignments_are_refused);
    tcase_add_test(c, an_alignment_of_another_type_is_refused);
    tcase_add_test(c, alignments_from_8_to_65536_are_read);
    tcase_add_test(c, a_part_of_a_split_model_says_how_to_merge);
    tcase_add_test(c, a_split_into_one_is_read);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(gguf_hostile_suite());
}
