/* test_gguf_ways.c: the ways into the GGUF reader (file, memory, prefix, callbacks), what many names cost, and allocations that fail. */
#include "models/gguf.h"
#include "tests/gguf_files.h"
#include "tests/gguf_walk.h"

/* ---- ways in ---- */

START_TEST(data_in_memory_is_borrowed_where_it_lies) {
    blob b = sample_file();
    tl_gguf *g = from_blob(&b);
    const tl_gguf_tensor *q = tl_gguf_tensor_find(g, "q");
    uint8_t bytes[4];
    tl_error err;
    ck_assert_ptr_eq(tl_gguf_tensor_data(g, q), b.p + q->offset);
    ck_assert_int_eq(tl_gguf_tensor_read(g, q, 32, bytes, 4, &err), TL_OK);
    ck_assert_int_eq(memcmp(bytes, b.p + q->offset + 32, 4), 0);
    ck_assert_int_eq(tl_gguf_tensor_read(g, q, 36, bytes, 0, &err), TL_OK);
    ck_assert_int_eq(tl_gguf_tensor_read(g, q, 33, bytes, 4, &err), TL_ERR_RANGE);
    ck_assert_ptr_nonnull(strstr(err.message, "tensor 'q'"));
    ck_assert_int_eq(tl_gguf_tensor_read(g, q, UINT64_MAX, bytes, 2, &err), TL_ERR_RANGE);
    tl_gguf_drop(g, 0, UINT64_MAX); /* nothing is mapped: nothing happens */
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(a_tensor_of_another_file_leads_nowhere) {
    blob b = sample_file();
    tl_gguf *g = from_blob(&b);
    tl_gguf_tensor beyond = *tl_gguf_tensor_find(g, "q"), longer = beyond;
    uint8_t byte;
    beyond.offset = b.n + 1;
    longer.bytes = b.n;
    ck_assert_ptr_null(tl_gguf_tensor_data(g, &beyond));
    ck_assert_ptr_null(tl_gguf_tensor_data(g, &longer));
    ck_assert_int_eq(tl_gguf_tensor_read(g, &beyond, 0, &byte, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_tensor_read(g, &longer, 0, &byte, 1, NULL), TL_ERR_USAGE);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(a_prefix_asks_for_more_and_never_for_too_much) {
    blob b = {0};
    enum { KEYS = 20000 };
    char key[32];
    put_header(&b, 3, 1, KEYS);
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key.number.%d", i);
        put_u32_key(&b, key, (uint32_t)i);
    }
    put_tensor(&b, "w", 1, (uint64_t[]){4}, 0, 0);
    size_t table = b.n;
    put_padding(&b, 32);
    put_zeros(&b, 16);
    uint64_t n = 0, want = 0, walked = 0, file_bytes = b.n;
    tl_gguf *g = (tl_gguf *)&b;
    tl_status s;
    while ((s = tl_gguf_parse(&g, b.p, (size_t)n, file_bytes, &want, NULL)) == TL_MORE) {
        ck_assert_ptr_null(g);
        ck_assert_uint_gt(want, n);
        ck_assert_uint_le(want, file_bytes);
        walked += n;
        n = want;
    }
    ck_assert_int_eq(s, TL_OK);
    ck_assert_uint_gt(walked, 0);
    ck_assert_uint_le(walked, 2 * table);
    memset(b.p, 0xEE, b.n); /* the object has a copy of its own */
    ck_assert_int_eq(tl_gguf_keys(g), KEYS);
    check_int(g, "key.number.12345", 12345);
    ck_assert_ptr_null(tl_gguf_tensor_data(g, tl_gguf_tensor_at(g, 0)));
    uint8_t byte;
    tl_error err;
    ck_assert_int_eq(tl_gguf_tensor_read(g, tl_gguf_tensor_at(g, 0), 0, &byte, 1, &err), TL_ERR_USAGE);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(a_table_in_a_prefix_needs_no_data_behind_it) {
    blob b = sample_file();
    uint64_t want;
    tl_gguf *g;
    size_t table = b.n - 133; /* with its padding */
    ck_assert_int_eq(tl_gguf_parse(&g, b.p, table, b.n, &want, NULL), TL_OK);
    ck_assert_uint_eq(tl_gguf_tensor_find(g, "c")->offset, b.n - 5);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

typedef struct counted {
    const blob *b;
    int calls;
    uint64_t bytes;
    int fail_at;
    tl_status how;
} counted;

static tl_status read_counted(void *ctx, uint64_t offset, void *dst, size_t n, tl_error *err) {
    counted *c = ctx;
    if (c->calls++ == c->fail_at)
        return c->how == TL_MORE ? TL_MORE : tl_fail(err, c->how, "the line is dead");
    ck_assert(offset + n <= c->b->n);
    memcpy(dst, c->b->p + offset, n);
    c->bytes += n;
    return TL_OK;
}

START_TEST(callbacks_give_what_memory_gives) {
    blob b = sample_file();
    counted c = {&b, 0, 0, -1, TL_OK};
    tl_reader r = {&c, b.n, read_counted};
    tl_gguf *g, *m = from_blob(&b);
    uint8_t bytes[36];
    ck_assert_int_eq(tl_gguf_from_reader(&g, &r, NULL), TL_OK);
    ck_assert_int_eq(tl_gguf_keys(g), tl_gguf_keys(m));
    for (int64_t i = 0; i < SAMPLE_KEYS; i++) {
        tl_text x = {0}, y = {0};
        ck_assert_str_eq(tl_gguf_key(g, i), tl_gguf_key(m, i));
        tl_gguf_value_text(g, i, -1, &x, NULL);
        tl_gguf_value_text(m, i, -1, &y, NULL);
        ck_assert_str_eq(x.data, y.data);
        tl_text_free(&x);
        tl_text_free(&y);
    }
    const tl_gguf_tensor *q = tl_gguf_tensor_find(g, "q");
    ck_assert_ptr_null(tl_gguf_tensor_data(g, q));
    ck_assert_int_eq(tl_gguf_tensor_read(g, q, 0, bytes, 36, NULL), TL_OK);
    ck_assert_int_eq(memcmp(bytes, b.p + q->offset, 36), 0);
    tl_gguf_free(g);
    tl_gguf_free(m);
    free(b.p);
}
END_TEST

START_TEST(callbacks_read_a_long_table_about_twice_and_the_data_not_at_all) {
    blob b = {0};
    put_header(&b, 3, 1, 1);
    put_array_key(&b, "a", TL_GGUF_STRING, 200000);
    for (int i = 0; i < 200000; i++)
        put_string(&b, "token");
    put_tensor(&b, "w", 1, (uint64_t[]){4 << 20}, 0, 0);
    size_t table = b.n;
    put_padding(&b, 32);
    put_zeros(&b, 16 << 20);
    counted c = {&b, 0, 0, -1, TL_OK};
    tl_reader r = {&c, b.n, read_counted};
    tl_gguf *g;
    ck_assert_int_eq(tl_gguf_from_reader(&g, &r, NULL), TL_OK);
    ck_assert_uint_le(c.bytes, 4 * table);
    ck_assert_uint_eq(tl_gguf_array_string(g, "a", 199999).n, 5);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(a_failing_callback_ends_the_reading_with_its_status) {
    blob b = sample_file();
    counted c = {&b, 0, 0, 0, TL_ERR_IO};
    tl_reader r = {&c, b.n, read_counted};
    tl_gguf *g = (tl_gguf *)&b;
    tl_error err;
    ck_assert_int_eq(tl_gguf_from_reader(&g, &r, &err), TL_ERR_IO);
    ck_assert_str_eq(err.message, "the line is dead");
    ck_assert_ptr_null(g);
    c = (counted){&b, 0, 0, 0, TL_MORE}; /* a status that would have the reader go on for ever */
    ck_assert_int_eq(tl_gguf_from_reader(&g, &r, &err), TL_ERR_IO);
    c = (counted){&b, 0, 0, 1, TL_ERR_IO};
    ck_assert_int_eq(tl_gguf_from_reader(&g, &r, &err), TL_OK);
    uint8_t byte;
    ck_assert_int_eq(tl_gguf_tensor_read(g, tl_gguf_tensor_at(g, 0), 0, &byte, 1, &err), TL_ERR_IO);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(a_file_that_changes_keeps_the_table_that_was_checked) {
    blob b = sample_file();
    char path[512];
    temporary(path, sizeof path, "changed.gguf");
    FILE *f = fopen(path, "wb");
    ck_assert(f && fwrite(b.p, 1, b.n, f) == b.n && fclose(f) == 0);
    tl_gguf *g, *m = from_blob(&b);
    ck_assert_int_eq(tl_gguf_open(&g, path, NULL), TL_OK);
    blob other = {0};
    put_zeros(&other, b.n);
    memset(other.p, 0x7E, b.n);
    f = fopen(path, "r+b");
    ck_assert(f && fwrite(other.p, 1, b.n, f) == b.n && fclose(f) == 0);
    for (int64_t i = 0; i < SAMPLE_KEYS; i++) {
        tl_text x = {0}, y = {0};
        ck_assert_int_eq(tl_gguf_value_text(g, i, -1, &x, NULL), TL_OK);
        ck_assert_int_eq(tl_gguf_value_text(m, i, -1, &y, NULL), TL_OK);
        ck_assert_str_eq(x.data, y.data);
        tl_text_free(&x);
        tl_text_free(&y);
    }
    tl_gguf_free(g);
    tl_gguf_free(m);
    remove(path);
    free(other.p);
    free(b.p);
}
END_TEST

START_TEST(dropped_pages_of_a_mapped_file_stay_readable) {
    if (!getenv("TALLY_TEST_DATA"))
        SKIP("TALLY_TEST_DATA is not set");
    tl_gguf *g = open_data(real_models[0]);
    const tl_gguf_tensor *t = tl_gguf_tensor_find(g, "token_embd.weight");
    uint64_t before = tl_digest_f32(TL_DIGEST_START, tl_gguf_tensor_data(g, t), (size_t)(t->bytes / 4));
    tl_gguf_drop(g, t->offset, t->bytes);
    tl_gguf_drop(g, tl_gguf_file_bytes(g) - 1, UINT64_MAX);
    tl_gguf_drop(g, tl_gguf_file_bytes(g), 1);
    ck_assert(tl_digest_f32(TL_DIGEST_START, tl_gguf_tensor_data(g, t), (size_t)(t->bytes / 4)) == before);
    tl_gguf_free(g);
}
END_TEST

START_TEST(null_arguments_are_usage_errors) {
    blob b = sample_file();
    tl_gguf *g = from_blob(&b), *x;
    tl_reader no_read = {NULL, 5, NULL};
    tl_text t = {0};
    uint64_t want;
    int64_t n = 0;
    ck_assert_int_eq(tl_gguf_open(NULL, "x", NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_open(&x, NULL, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_from_memory(NULL, b.p, b.n, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_from_memory(&x, NULL, 3, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_from_reader(&x, NULL, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_from_reader(&x, &no_read, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_parse(NULL, b.p, b.n, b.n, &want, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_parse(&x, b.p, b.n, b.n - 1, &want, NULL), TL_ERR_USAGE); /* more bytes than the file has */
    ck_assert_int_eq(tl_gguf_parse(&x, b.p, 10, b.n, NULL, NULL), TL_MORE);
    ck_assert_int_eq(tl_gguf_get_int(NULL, "a", false, 0, 1, &n, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_get_int(g, NULL, false, 0, 1, &n, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_get_int(g, "t.u8", false, 0, 255, NULL, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_get_float(g, "t.f32", false, NULL, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_value_text(NULL, 0, 1, &t, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_value_text(g, SAMPLE_KEYS, 1, &t, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_value_text(g, -1, 1, &t, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_value_text(g, 0, 1, NULL, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_tensor_read(g, NULL, 0, &n, 1, NULL), TL_ERR_USAGE);
    ck_assert_int_eq(tl_gguf_tensor_read(NULL, tl_gguf_tensor_at(g, 0), 0, &n, 1, NULL), TL_ERR_USAGE);
    ck_assert_ptr_null(tl_gguf_key(g, -1));
    ck_assert_ptr_null(tl_gguf_key(g, SAMPLE_KEYS));
    ck_assert_ptr_null(tl_gguf_tensor_at(g, SAMPLE_TENSORS));
    ck_assert_ptr_null(tl_gguf_tensor_data(g, NULL));
    ck_assert_int_eq(tl_gguf_find(g, NULL), -1);
    ck_assert_int_eq(tl_gguf_keys(NULL) + tl_gguf_tensors(NULL) + tl_gguf_version(NULL), 0);
    ck_assert_uint_eq(tl_gguf_file_bytes(NULL) + tl_gguf_data_offset(NULL) + tl_gguf_alignment(NULL) + tl_gguf_comparisons(NULL), 0);
    ck_assert_str_eq(tl_gguf_path(NULL), "");
    ck_assert_ptr_null(tl_gguf_tensor_find(g, NULL));
    tl_gguf_drop(NULL, 0, 1);
    tl_gguf_free(NULL);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

/* ---- many names ---- */

START_TEST(three_hundred_thousand_keys_cost_few_comparisons) {
    enum { N = 300000 };
    blob b = {0};
    char key[32];
    put_header(&b, 3, 0, N);
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof key, "k%d", i);
        put_int_key(&b, key, TL_GGUF_U8, (uint64_t)i & 1, 1);
    }
    tl_gguf *g = from_blob(&b);
    ck_assert_uint_le(tl_gguf_comparisons(g), 8ull * N);
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof key, "k%d", i);
        ck_assert_int_eq(tl_gguf_find(g, key), i);
    }
    ck_assert_uint_ge(tl_gguf_comparisons(g), N);
    ck_assert_uint_le(tl_gguf_comparisons(g), 2ull * 8 * N);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(two_hundred_thousand_tensors_cost_few_comparisons) {
    enum { N = 200000 };
    blob b = {0};
    char name[32];
    put_header(&b, 3, N, 0);
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "blk.%d.weight", i);
        put_tensor(&b, name, 1, (uint64_t[]){1}, 24, (uint64_t)(N - 1 - i) * 32); /* backwards: must be sorted */
    }
    put_padding(&b, 32);
    put_zeros(&b, N * 32);
    tl_gguf *g = from_blob(&b);
    ck_assert_uint_le(tl_gguf_comparisons(g), 8ull * N);
    ck_assert_ptr_eq(tl_gguf_tensor_find(g, "blk.177777.weight"), tl_gguf_tensor_at(g, 177777));
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

START_TEST(equal_hashes_are_told_apart_by_name) {
    tl_name_index x = {0};
    ck_assert_int_eq(tl_index_reserve(&x, 4, NULL), TL_OK);
    ck_assert_int_eq(tl_index_add(&x, "one", 3), -1);
    ck_assert_int_eq(tl_index_add(&x, "two", 3), -1);
    x.hash[0] = tl_name_hash(x.seed, "six", 3); /* as if "one" had the hash of "six", in its place */
    memset(x.slot, 0, x.slots * sizeof *x.slot);
    x.slot[x.hash[0] & (x.slots - 1)] = 1;
    ck_assert_int_eq(tl_index_find(&x, "six", 3), -1);
    ck_assert_uint_eq(atomic_load(&x.comparisons), 1);
    tl_index_free(&x);
}
END_TEST

/* ---- allocations that fail ---- */

/* One way in: opens the sample and reads it; the status. */
static tl_status open_sample(int way, const blob *b, const char *path, tl_error *err) {
    counted c = {b, 0, 0, -1, TL_OK};
    tl_reader r = {&c, b->n, read_counted};
    tl_gguf *g;
    tl_text t = {0};
    uint64_t want;
    tl_status s = way == 0   ? tl_gguf_from_memory(&g, b->p, b->n, err)
                  : way == 1 ? tl_gguf_parse(&g, b->p, b->n, b->n, &want, err)
                  : way == 2 ? tl_gguf_from_reader(&g, &r, err)
                             : tl_gguf_open(&g, path, err);
    if (s != TL_OK)
        ck_assert_ptr_null(g);
    for (int64_t i = 0; s == TL_OK && i < SAMPLE_KEYS; i++)
        s = tl_gguf_value_text(g, i, -1, &t, err);
    tl_text_free(&t);
    tl_gguf_free(g);
    return s;
}

START_TEST(every_allocation_of_reading_may_fail) {
    blob b = {0}, sample = sample_file();
    put(&b, sample.p, sample.n);
    /* Tensors out of order, so that sorting allocates: the offsets of "w" and "c" change places. */
    size_t w = b.n - 133;
    while (memcmp(b.p + w, "\1\0\0\0\0\0\0\0w", 9) != 0)
        w--;
    put_number(&b, 0, 1); /* "w" takes 48 bytes at 128, beyond the 5 of "c" */
    put_zeros(&b, 64);
    b.p[w + 33] = 128;
    b.p[w + 82 + 25] = 0;
    char path[512];
    temporary(path, sizeof path, "oom.gguf");
    FILE *f = fopen(path, "wb");
    ck_assert(f && fwrite(b.p, 1, b.n, f) == b.n && fclose(f) == 0);
    for (int way = 0; way < 4; way++)
        for (int later = 0; later < 2; later++) {
            long n = 0;
            tl_status s = TL_ERR_MEMORY;
            for (; s != TL_OK; n++) {
                tl_error err = {0};
                ck_assert_int_lt(n, 200);
                tl_alloc_fail_at(n, later);
                s = open_sample(way, &b, path, &err);
                bool failed = tl_alloc_count() > n;
                tl_alloc_fail_at(-1, false);
                if (s != TL_OK)
                    ck_assert_msg(s == TL_ERR_MEMORY && err.message[0], "allocation %ld of way %d: %d %s", n, way, (int)s, err.message);
                else if (failed && n < 200) /* shrinking may fail without harm */
                    s = TL_ERR_MEMORY;
            }
            ck_assert_int_gt(n, 10);
        }
    remove(path);
    free(b.p);
    free(sample.p);
}
END_TEST

static Suite *gguf_ways_suite(void) {
    Suite *s = suite_create("gguf_ways");
    TCase *c = tcase_create("ways");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, data_in_memory_is_borrowed_where_it_lies);
    tcase_add_test(c, a_tensor_of_another_file_leads_nowhere);
    tcase_add_test(c, a_prefix_asks_for_more_and_never_for_too_much);
    tcase_add_test(c, a_table_in_a_prefix_needs_no_data_behind_it);
    tcase_add_test(c, callbacks_give_what_memory_gives);
    tcase_add_test(c, callbacks_read_a_long_table_about_twice_and_the_data_not_at_all);
    tcase_add_test(c, a_failing_callback_ends_the_reading_with_its_status);
    tcase_add_test(c, a_file_that_changes_keeps_the_table_that_was_checked);
    tcase_add_test(c, dropped_pages_of_a_mapped_file_stay_readable);
    tcase_add_test(c, null_arguments_are_usage_errors);
    tcase_add_test(c, three_hundred_thousand_keys_cost_few_comparisons);
    tcase_add_test(c, two_hundred_thousand_tensors_cost_few_comparisons);
    tcase_add_test(c, equal_hashes_are_told_apart_by_name);
    suite_add_tcase(s, c);
    c = tcase_create("memory");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, every_allocation_of_reading_may_fail);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(gguf_ways_suite());
}
