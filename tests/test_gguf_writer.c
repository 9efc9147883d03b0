/* test_gguf_writer.c: files that the GGUF writer makes: equal to llama.cpp's for the real models, readable, refused early where the reader
 * would refuse them, and never left half-written. */
#define _POSIX_C_SOURCE 200809L /* symlink */

#include "models/gguf.h"
#include "tests/gguf_files.h"

#include <unistd.h>

static void copy_key(tl_gguf_writer *w, const tl_gguf *g, int64_t i) {
    const char *key = tl_gguf_key(g, i);
    tl_gguf_type type = tl_gguf_key_type(g, i), elem;
    tl_status s = TL_ERR_INTERNAL;
    int64_t count, n;
    double f;
    bool yes;
    const void *data;
    tl_gguf_string str;
    tl_error err = {0};
    if (type == TL_GGUF_ARRAY) {
        elem = tl_gguf_array_type(g, i, &count);
        ck_assert_int_eq(tl_gguf_get_array(g, key, true, elem, count, &data, NULL, NULL), TL_OK);
        if (elem == TL_GGUF_STRING) {
            tl_gguf_string *v = malloc((size_t)(count ? count : 1) * sizeof *v);
            for (int64_t k = 0; k < count; k++)
                v[k] = tl_gguf_array_string(g, key, k);
            s = tl_gguf_set_strings(w, key, v, count, &err);
            free(v);
        } else
            s = tl_gguf_set_array(w, key, elem, data, count, &err);
    } else if (type == TL_GGUF_STRING && tl_gguf_get_string(g, key, true, &str, NULL) == TL_OK)
        s = tl_gguf_set_string(w, key, str.data, str.n, &err);
    else if (type == TL_GGUF_BOOL && tl_gguf_get_bool(g, key, true, &yes, NULL) == TL_OK)
        s = tl_gguf_set_bool(w, key, yes, &err);
    else if ((type == TL_GGUF_F32 || type == TL_GGUF_F64) && tl_gguf_get_float(g, key, true, &f, NULL) == TL_OK)
        s = tl_gguf_set_float(w, key, type, f, &err);
    else if (tl_gguf_get_int(g, key, true, INT64_MIN, INT64_MAX, &n, NULL) == TL_OK)
        s = tl_gguf_set_int(w, key, type, n, &err);
    ck_assert_msg(s == TL_OK, "%s: %s", key, err.message);
}

static tl_gguf_writer *copy_all(const tl_gguf *g) {
    tl_gguf_writer *w;
    ck_assert_int_eq(tl_gguf_writer_new(&w, NULL), TL_OK);
    for (int64_t i = 0; i < tl_gguf_keys(g); i++)
        copy_key(w, g, i);
    for (int64_t i = 0; i < tl_gguf_tensors(g); i++) {
        const tl_gguf_tensor *t = tl_gguf_tensor_at(g, i);
        ck_assert_int_eq(tl_gguf_add_tensor(w, t->name, t->dtype, t->rank, t->shape, tl_gguf_tensor_data(g, t), NULL), TL_OK);
    }
    return w;
}

START_TEST(real_files_come_back_byte_for_byte) {
    if (!getenv("TALLY_TEST_DATA"))
        SKIP("TALLY_TEST_DATA is not set");
    for (size_t i = 0; i < COUNT(real_models); i++) {
        tl_gguf *g = open_data(real_models[i]);
        tl_gguf_writer *w = copy_all(g);
        tl_text out = {0};
        ck_assert_int_eq(tl_gguf_writer_bytes(w, &out, NULL), TL_OK);
        ck_assert_uint_eq(out.n, tl_gguf_file_bytes(g));
        ck_assert_int_eq(memcmp(out.data, g->file, out.n), 0);
        tl_text_free(&out);
        tl_gguf_writer_free(w);
        tl_gguf_free(g);
    }
}
END_TEST

/* A writer with a bit of everything; its tensor is of `weights`. */
static tl_gguf_writer *small_writer(const float weights[8], tl_error *err) {
    tl_gguf_writer *w;
    int64_t shape[2] = {2, 4};
    uint8_t bools[2] = {0, 1};
    tl_gguf_string strings[2] = {{"a", 1}, {NULL, 0}};
    tl_status s = tl_gguf_writer_new(&w, err);
    if (s == TL_OK)
        s = tl_gguf_set_string(w, "general.architecture", "llama", 5, err);
    if (s == TL_OK)
        s = tl_gguf_set_int(w, "general.alignment", TL_GGUF_U32, 128, err);
    if (s == TL_OK)
        s = tl_gguf_set_float(w, "f", TL_GGUF_F32, 0.1, err);
    if (s == TL_OK)
        s = tl_gguf_set_bool(w, "b", true, err);
    if (s == TL_OK)
        s = tl_gguf_set_array(w, "bools", TL_GGUF_BOOL, bools, 2, err);
    if (s == TL_OK)
        s = tl_gguf_set_strings(w, "strings", strings, 2, err);
    for (int i = 0; s == TL_OK && i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "t.%d", i);
        s = tl_gguf_add_tensor(w, name, TL_F32, 2, shape, weights, err);
    }
    if (s == TL_OK)
        return w;
    tl_gguf_writer_free(w);
    return NULL;
}

static const float eight[8] = {1, 2, 3, 4, 5, 6, 7, 8};

START_TEST(what_is_written_reads_back) {
    tl_gguf_writer *w = small_writer(eight, NULL);
    tl_text out = {0};
    tl_gguf *g;
    tl_error err = {0};
    ck_assert_int_eq(tl_gguf_writer_bytes(w, &out, NULL), TL_OK);
    ck_assert_msg(tl_gguf_from_memory(&g, out.data, out.n, &err) == TL_OK, "%s", err.message);
    ck_assert_int_eq(tl_gguf_version(g), 3);
    ck_assert_uint_eq(tl_gguf_alignment(g), 128);
    check_text(g, "f", 1, "0.1");
    check_text(g, "bools", 9, "[false, true]");
    check_text(g, "strings", 9, "[\"a\", \"\"]");
    for (int i = 0; i < 40; i++) {
        const tl_gguf_tensor *t = tl_gguf_tensor_at(g, i);
        ck_assert_uint_eq(t->offset % 128, 0);
        ck_assert(t->rank == 2 && t->shape[0] == 2 && t->shape[1] == 4);
        ck_assert_int_eq(memcmp(tl_gguf_tensor_data(g, t), eight, sizeof eight), 0);
    }
    ck_assert_uint_eq(out.n % 128, 0); /* the last tensor is padded, too, as llama.cpp does */
    tl_gguf_free(g);
    tl_gguf_writer_free(w);
    tl_text_free(&out);
}
END_TEST

START_TEST(the_writer_refuses_what_the_reader_would) {
    tl_gguf_writer *w;
    tl_error err;
    char longest[65537];
    memset(longest, 'k', sizeof longest);
    longest[65536] = 0;
    ck_assert_int_eq(tl_gguf_writer_new(&w, NULL), TL_OK);
    ck_assert_int_eq(tl_gguf_set_int(w, "twice", TL_GGUF_U8, 1, NULL), TL_OK);
    ck_assert_int_eq(tl_gguf_set_bool(w, "twice", true, &err), TL_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "'twice'"));
    ck_assert_int_eq(tl_gguf_set_int(w, "", TL_GGUF_U8, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_int(w, "\xc3\xa9", TL_GGUF_U8, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_int(w, longest, TL_GGUF_U8, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_int(w, longest + 1, TL_GGUF_U8, 1, NULL), TL_OK);
    ck_assert_int_eq(tl_gguf_set_int(w, "x", TL_GGUF_U8, 256, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_int(w, "x", TL_GGUF_U64, -1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_int(w, "x", TL_GGUF_I8, -129, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_int(w, "x", TL_GGUF_F32, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_float(w, "x", TL_GGUF_U32, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_array(w, "x", TL_GGUF_STRING, "", 0, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_array(w, "x", TL_GGUF_ARRAY, "", 0, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_array(w, "x", TL_GGUF_BOOL, "\2", 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_array(w, "x", TL_GGUF_F32, NULL, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_array(w, "x", TL_GGUF_F64, "", INT64_MAX, NULL), TL_ERR_MEMORY);
    ck_assert_int_eq(tl_gguf_set_strings(w, "x", NULL, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_string(w, "x", NULL, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_int(w, "general.alignment", TL_GGUF_U32, 48, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_int(w, "general.alignment", TL_GGUF_U64, 32, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_string(w, "general.alignment", "32", 2, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_set_int(NULL, "x", TL_GGUF_U8, 1, NULL), TL_ERR_USAGE);
    int64_t four[5] = {4, 1, 1, 1, 1}, none[1] = {0}, huge[2] = {INT64_MAX, 2}, odd[1] = {33};
    ck_assert_int_eq(tl_gguf_add_tensor(w, "t", TL_F32, 1, four, eight, NULL), TL_OK);
    ck_assert_int_eq(tl_gguf_add_tensor(w, "t", TL_F32, 1, four, eight, &err), TL_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.message, "tensor 't'"));
    ck_assert_int_eq(tl_gguf_add_tensor(w, longest + sizeof longest - 65, TL_F32, 1, four, eight, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_add_tensor(w, "", TL_F32, 1, four, eight, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_add_tensor(w, "u\n", TL_F32, 1, four, eight, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_add_tensor(w, "u", TL_N_DTYPES, 1, four, eight, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_add_tensor(w, "u", TL_F32, 5, four, eight, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_add_tensor(w, "u", TL_F32, 0, four, eight, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_add_tensor(w, "u", TL_F32, 1, none, eight, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_add_tensor(w, "u", TL_F32, 2, huge, eight, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_add_tensor(w, "u", TL_F32, 1, huge, eight, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_add_tensor(w, "u", TL_Q4_0, 1, odd, eight, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_add_tensor(w, "u", TL_F32, 1, four, NULL, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_writer_new(NULL, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_writer_save(w, "", NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_writer_bytes(w, NULL, NULL), TL_ERR_USAGE);
    tl_gguf_writer_free(w);
    tl_gguf_writer_free(NULL);
}
END_TEST

START_TEST(a_saved_file_opens_and_leaves_no_part) {
    char path[512], part[600];
    tl_gguf_writer *w = small_writer(eight, NULL);
    tl_gguf *g;
    tl_error err = {0};
    temporary(path, sizeof path, "saved.gguf");
    snprintf(part, sizeof part, "%s.part", path);
    ck_assert_msg(tl_gguf_writer_save(w, path, &err) == TL_OK, "%s", err.message);
    ck_assert(!exists(part));
    ck_assert_msg(tl_gguf_open(&g, path, &err) == TL_OK, "%s", err.message);
    ck_assert_str_eq(tl_gguf_path(g), path);
    ck_assert_int_eq(tl_gguf_tensors(g), 40);
    tl_gguf_free(g);
    remove(path);
    tl_gguf_writer_free(w);
}
END_TEST

START_TEST(a_place_that_cannot_be_written_is_named) {
    tl_gguf_writer *w = small_writer(eight, NULL);
    tl_error err = {0};
    ck_assert_int_eq(tl_gguf_writer_save(w, "/nonexistent/folder/x.gguf", &err), TL_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "/nonexistent/folder/x.gguf"));
    tl_gguf_writer_free(w);
}
END_TEST

/* The part is renamed at the end, which would put a file in a device's place. */
START_TEST(what_is_no_file_is_left_alone) {
    char path[512], part[600];
    tl_error err = {0};
    temporary(path, sizeof path, "special.gguf");
    snprintf(part, sizeof part, "%s.part", path);
    if (!exists("/dev/null") || symlink("/dev/null", path) != 0)
        SKIP("this system has no /dev/null");
    tl_gguf_writer *w = small_writer(eight, NULL);
    ck_assert_int_eq(tl_gguf_writer_save(w, path, &err), TL_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "a device"));
    ck_assert(!exists(part));
    remove(path);
    ck_assert_int_eq(tl_gguf_writer_save(w, ".", &err), TL_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "is a directory"));
    ck_assert_int_eq(tl_gguf_writer_save(w, path, &err), TL_OK);
    remove(path);
    tl_gguf_writer_free(w);
}
END_TEST

START_TEST(a_full_disk_is_reported_and_the_part_removed) {
    char path[512], part[600];
    tl_error err = {0};
    temporary(path, sizeof path, "full.gguf");
    snprintf(part, sizeof part, "%s.part", path);
    if (!exists("/dev/full") || symlink("/dev/full", part) != 0)
        SKIP("this system has no /dev/full");
    tl_gguf_writer *w = small_writer(eight, NULL);
    FILE *old = fopen(path, "wb");
    ck_assert(old && fputs("the old file", old) >= 0 && fclose(old) == 0);
    ck_assert_int_eq(tl_gguf_writer_save(w, path, &err), TL_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "is the disk full?"));
    ck_assert(!exists(part));
    char kept[32] = "";
    old = fopen(path, "rb"); /* what was there before is untouched */
    ck_assert(old && fgets(kept, sizeof kept, old) && fclose(old) == 0);
    ck_assert_str_eq(kept, "the old file");
    remove(path);
    tl_gguf_writer_free(w);
}
END_TEST

/* ---- allocations that fail ---- */

START_TEST(every_allocation_of_writing_may_fail) {
    tl_status s = TL_ERR_MEMORY;
    long n = 0;
    for (; s != TL_OK; n++) {
        tl_error err = {0};
        tl_text out = {0};
        ck_assert_int_lt(n, 1000);
        tl_alloc_fail_at(n, n % 2 == 1);
        tl_gguf_writer *w = small_writer(eight, &err);
        s = w ? tl_gguf_writer_bytes(w, &out, &err) : TL_ERR_MEMORY;
        bool failed = tl_alloc_count() > n;
        tl_alloc_fail_at(-1, false);
        ck_assert_int_eq(failed, s != TL_OK);
        if (s != TL_OK)
            ck_assert_msg(s == TL_ERR_MEMORY && err.status == TL_ERR_MEMORY && err.message[0], "allocation %ld: %s", n, err.message);
        tl_text_free(&out);
        tl_gguf_writer_free(w);
    }
    ck_assert_int_gt(n, 10);
}
END_TEST

START_TEST(a_setter_that_ran_out_of_memory_may_be_called_again) {
    tl_gguf_writer *w;
    tl_text out = {0};
    tl_gguf *g;
    int64_t shape = 8;
    ck_assert_int_eq(tl_gguf_writer_new(&w, NULL), TL_OK);
    for (long n = 0; n < 6; n++) {
        tl_alloc_fail_at(n, false);
        tl_status key = tl_gguf_set_int(w, "k", TL_GGUF_U8, 7, NULL);
        tl_status tensor = tl_gguf_add_tensor(w, "t", TL_F32, 1, &shape, eight, NULL);
        tl_alloc_fail_at(-1, false);
        ck_assert(key == TL_ERR_MEMORY || key == TL_OK || key == TL_ERR_USAGE); /* usage: it is set already */
        ck_assert(tensor == TL_ERR_MEMORY || tensor == TL_OK || tensor == TL_ERR_USAGE);
    }
    ck_assert_int_eq(tl_gguf_writer_bytes(w, &out, NULL), TL_OK);
    ck_assert_int_eq(tl_gguf_from_memory(&g, out.data, out.n, NULL), TL_OK);
    check_int(g, "k", 7);
    ck_assert_int_eq(memcmp(tl_gguf_tensor_data(g, tl_gguf_tensor_find(g, "t")), eight, 32), 0);
    ck_assert(tl_gguf_keys(g) == 1 && tl_gguf_tensors(g) == 1);
    tl_gguf_free(g);
    tl_text_free(&out);
    tl_gguf_writer_free(w);
}
END_TEST

static Suite *gguf_writer_suite(void) {
    Suite *s = suite_create("gguf_writer");
    TCase *c = tcase_create("writing");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, real_files_come_back_byte_for_byte);
    tcase_add_test(c, what_is_written_reads_back);
    tcase_add_test(c, the_writer_refuses_what_the_reader_would);
    tcase_add_test(c, a_saved_file_opens_and_leaves_no_part);
    tcase_add_test(c, a_place_that_cannot_be_written_is_named);
    tcase_add_test(c, a_full_disk_is_reported_and_the_part_removed);
    tcase_add_test(c, what_is_no_file_is_left_alone);
    tcase_add_test(c, every_allocation_of_writing_may_fail);
    tcase_add_test(c, a_setter_that_ran_out_of_memory_may_be_called_again);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(gguf_writer_suite());
}
