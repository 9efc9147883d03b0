/* test_gguf_hostile_tensors.c: what the GGUF reader refuses of tensors, as test_gguf_hostile.c. */
#include "tests/gguf_refused.h"

START_TEST(an_empty_tensor_name_is_refused) {
    blob b = {0};
    put_header(&b, 3, 1, 0);
    put_tensor(&b, "", 1, (uint64_t[]){1}, 24, 0);
    put_zeros(&b, 64);
    REFUSED(&b, TL_ERR_FORMAT, "tensor 1 of 1", "byte 24", "name is empty");
}
END_TEST

START_TEST(a_tensor_name_of_65_bytes_is_refused_and_of_64_read) {
    char name[66];
    for (int n = 64; n <= 65; n++) {
        blob b = {0};
        memset(name, 'n', sizeof name);
        name[n] = 0;
        put_header(&b, 3, 1, 0);
        put_tensor(&b, name, 1, (uint64_t[]){1}, 24, 0);
        put_padding(&b, 32);
        put_zeros(&b, 1);
        if (n == 65)
            REFUSED(&b, TL_ERR_FORMAT, "tensor 1 of 1", "byte 24", "65 bytes", "at most 64");
        else {
            tl_gguf *g = from_blob(&b);
            ck_assert_str_eq(tl_gguf_tensor_at(g, 0)->name, name);
            tl_gguf_free(g);
            free(b.p);
        }
    }
}
END_TEST

START_TEST(a_tensor_name_that_cannot_be_printed_is_refused) {
    static const struct {
        const char *name;
        size_t n;
        const char *found;
    } bad[] = {{"a\0b", 3, "0x00"}, {"a\tb", 3, "0x09"}, {"\xff", 1, "0xff"}, {"x\xc2\x9b", 3, "0xc2"}, {"\xe2\x82", 2, "0xe2"}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        blob b = {0};
        put_header(&b, 3, 1, 0);
        put_string_n(&b, bad[i].name, bad[i].n);
        put_zeros(&b, 64);
        REFUSED(&b, TL_ERR_FORMAT, "tensor '", "the tensor's name holds byte", bad[i].found);
    }
}
END_TEST

START_TEST(a_tensor_that_comes_twice_is_refused) {
    blob b = {0};
    put_header(&b, 3, 2, 0);
    put_tensor(&b, "w", 1, (uint64_t[]){8}, 0, 0);
    put_tensor(&b, "w", 1, (uint64_t[]){8}, 0, 32);
    put_padding(&b, 32);
    put_zeros(&b, 64);
    REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "twice", "number 1 and 2");
}
END_TEST

START_TEST(a_rank_outside_1_to_4_is_refused) {
    static const uint32_t ranks[] = {0, 5, 6, 1000, 0x80000000u, 0xFFFFFFFFu};
    static const uint64_t dims[1000] = {1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < COUNT(ranks); i++) {
        char found[32];
        blob b = {0};
        put_header(&b, 3, 1, 0);
        put_string(&b, "w");
        put_number(&b, ranks[i], 4);
        put(&b, dims, sizeof dims);
        snprintf(found, sizeof found, "%lu dimensions", (unsigned long)ranks[i]);
        REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "byte 33", found, "expected 1 to 4");
    }
}
END_TEST

START_TEST(a_dimension_of_zero_is_refused_wherever_it_stands) {
    for (int at = 0; at < 3; at++) {
        uint64_t dims[3] = {2, 2, 2};
        char where[32];
        dims[at] = 0;
        blob b = one_tensor(3, dims, 0, 0, 64);
        snprintf(where, sizeof where, "dimension %d is 0", at);
        REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", where, "expected 1 to 2^63 - 1");
    }
}
END_TEST

START_TEST(a_negative_dimension_is_refused) {
    blob b = one_tensor(2, (uint64_t[]){4, UINT64_MAX}, 0, 0, 64);
    REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "byte 45", "dimension 1 is 18446744073709551615");
}
END_TEST

START_TEST(dimensions_whose_product_wraps_are_refused) {
    static const uint64_t dims[][4] = {
        {1ull << 32, 1ull << 32, 1, 1}, /* 2^64: wraps to 0 */
        {1ull << 32, 1ull << 31, 1, 1}, /* 2^63 */
        {1ull << 62, 4, 1, 1},          {1ull << 16, 1ull << 16, 1ull << 16, 1ull << 16}, {3, 0x5555555555555556ull, 1, 1}, /* wraps to 2 */
        {INT64_MAX, 2, 1, 1},
    };
    for (size_t i = 0; i < COUNT(dims); i++) {
        blob b = one_tensor(4, dims[i], 0, 0, 64);
        REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "dimension", "more than 2^63 elements");
    }
}
END_TEST

START_TEST(bytes_that_wrap_are_refused) {
    blob b = one_tensor(2, (uint64_t[]){1ull << 42, (1ull << 20) + 1}, 28, 0, 64); /* f64: 2^62 elements, 2^65 bytes */
    REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "4611690416473899008 elements of f64", "more than 2^64 bytes");
    b = one_tensor(1, (uint64_t[]){(1ull << 61) + 1}, 28, 0, 64); /* 2^64 + 8 bytes, which wraps to 8 */
    REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "2305843009213693953 elements of f64", "more than 2^64 bytes");
}
END_TEST

START_TEST(removed_types_are_refused_by_name) {
    static const struct {
        uint32_t id;
        const char *name;
    } removed[] = {
        {4, "q4_2"},      {5, "q4_3"},        {31, "q4_0_4_4"},   {32, "q4_0_4_8"},
        {33, "q4_0_8_8"}, {36, "iq4_nl_4_4"}, {37, "iq4_nl_4_8"}, {38, "iq4_nl_8_8"},
    };
    for (size_t i = 0; i < COUNT(removed); i++) {
        blob b = one_tensor(1, (uint64_t[]){256}, removed[i].id, 0, 1024);
        REFUSED(&b, TL_ERR_UNSUPPORTED, "tensor 'w'", "byte 45", removed[i].name, "was removed from the format");
    }
}
END_TEST

START_TEST(unknown_tensor_types_are_refused) {
    static const uint32_t ids[] = {43, 100, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu};
    for (size_t i = 0; i < COUNT(ids); i++) {
        char found[48];
        blob b = one_tensor(1, (uint64_t[]){256}, ids[i], 0, 1024);
        snprintf(found, sizeof found, "unknown tensor type %lu", (unsigned long)ids[i]);
        REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "byte 45", found, "0 to 42");
    }
}
END_TEST

START_TEST(rows_that_are_no_whole_blocks_are_refused) {
    blob b = one_tensor(2, (uint64_t[]){48, 2}, 2, 0, 1024); /* 96 elements are whole blocks, rows of 48 are not */
    REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "rows of 48 elements", "a multiple of 32", "q4_0");
    b = one_tensor(1, (uint64_t[]){128}, 16, 0, 1024);
    REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "rows of 128 elements", "a multiple of 256", "iq2_xxs");
}
END_TEST

START_TEST(a_tensor_offset_off_the_alignment_is_refused) {
    blob b = one_tensor(1, (uint64_t[]){1}, 24, 16, 64);
    REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "byte 49", "data offset 16", "a multiple of the alignment 32");
}
END_TEST

START_TEST(a_tensor_beyond_the_end_is_refused) {
    static const uint64_t offsets[] = {32, 64, 96, 1ull << 40, (uint64_t)INT64_MAX + 1, UINT64_MAX - 31, UINT64_MAX - 127};
    for (size_t i = 0; i < COUNT(offsets); i++) {
        char found[64];
        blob b = one_tensor(1, (uint64_t[]){10}, 0, offsets[i], 64);
        snprintf(found, sizeof found, "its 40 bytes at 64 + %llu", (unsigned long long)offsets[i]);
        REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "byte 49", found, "beyond the file's 128", "download");
    }
}
END_TEST

START_TEST(a_tensor_one_byte_short_is_refused_and_exact_is_read) {
    blob b = one_tensor(1, (uint64_t[]){10}, 0, 0, 39);
    REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "beyond the file's 103");
    b = one_tensor(1, (uint64_t[]){10}, 0, 0, 40);
    tl_gguf_free(from_blob(&b));
    free(b.p);
}
END_TEST

START_TEST(a_file_that_ends_before_its_data_begins_is_refused) {
    blob b = {0};
    put_header(&b, 3, 1, 0);
    put_tensor(&b, "w", 1, (uint64_t[]){1}, 24, 0); /* no padding, no data */
    REFUSED(&b, TL_ERR_FORMAT, "tensor 'w'", "its 1 bytes at 64 + 0 end beyond the file's 57");
}
END_TEST

START_TEST(overlapping_tensors_are_refused_in_any_order) {
    for (int order = 0; order < 2; order++) {
        blob b = {0};
        put_header(&b, 3, 3, 0);
        put_tensor(&b, "far", 1, (uint64_t[]){8}, 0, 128);
        put_tensor(&b, order ? "long" : "inside", 1, (uint64_t[]){order ? 9 : 8}, 0, order ? 0 : 32);
        put_tensor(&b, order ? "inside" : "long", 1, (uint64_t[]){order ? 8 : 9}, 0, order ? 32 : 0);
        put_padding(&b, 32);
        put_zeros(&b, 160);
        REFUSED(&b, TL_ERR_FORMAT, "tensors 'long'", "'inside'", "overlap");
    }
}
END_TEST

START_TEST(two_tensors_in_one_place_are_refused) {
    blob b = {0};
    put_header(&b, 3, 2, 0);
    put_tensor(&b, "x", 1, (uint64_t[]){1}, 24, 0);
    put_tensor(&b, "y", 1, (uint64_t[]){1}, 24, 0);
    put_padding(&b, 32);
    put_zeros(&b, 32);
    REFUSED(&b, TL_ERR_FORMAT, "'x'", "'y'", "overlap");
}
END_TEST

static Suite *gguf_hostile_tensors_suite(void) {
    Suite *s = suite_create("gguf_hostile_tensors");
    TCase *c = tcase_create("tensors");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, an_empty_tensor_name_is_refused);
    tcase_add_test(c, a_tensor_name_of_65_bytes_is_refused_and_of_64_read);
    tcase_add_test(c, a_tensor_name_that_cannot_be_printed_is_refused);
    tcase_add_test(c, a_tensor_that_comes_twice_is_refused);
    tcase_add_test(c, a_rank_outside_1_to_4_is_refused);
    tcase_add_test(c, a_dimension_of_zero_is_refused_wherever_it_stands);
    tcase_add_test(c, a_negative_dimension_is_refused);
    tcase_add_test(c, dimensions_whose_product_wraps_are_refused);
    tcase_add_test(c, bytes_that_wrap_are_refused);
    tcase_add_test(c, removed_types_are_refused_by_name);
    tcase_add_test(c, unknown_tensor_types_are_refused);
    tcase_add_test(c, rows_that_are_no_whole_blocks_are_refused);
    tcase_add_test(c, a_tensor_offset_off_the_alignment_is_refused);
    tcase_add_test(c, a_tensor_beyond_the_end_is_refused);
    tcase_add_test(c, a_tensor_one_byte_short_is_refused_and_exact_is_read);
    tcase_add_test(c, a_file_that_ends_before_its_data_begins_is_refused);
    tcase_add_test(c, overlapping_tensors_are_refused_in_any_order);
    tcase_add_test(c, two_tensors_in_one_place_are_refused);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(gguf_hostile_tensors_suite());
}
