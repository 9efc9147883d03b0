/* test_arena.c: the arena gives zeroed, aligned, separate memory of any size, survives every failing allocation, and frees it all
 * (which the address sanitizer's leak check sees). */
#include "tests/suite.h"

#include <limits.h>
#include <string.h>

#include "tensor/arena.h"
#include "tensor/platform.h"

START_TEST(blocks_are_zeroed_aligned_and_disjoint) {
    enum { N = 5000 };
    static unsigned char *at[N];
    static size_t size[N];
    tl_arena a = {0};
    uint32_t seed = 1;
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525u + 1013904223u;
        size[i] = seed >> 24 < 4 ? seed % 70000 : seed % 200;
        at[i] = tl_arena_alloc(&a, size[i]);
        ck_assert_ptr_nonnull(at[i]);
        ck_assert_uint_eq((uintptr_t)at[i] % 16, 0);
        for (size_t k = 0; k < size[i]; k++)
            ck_assert_uint_eq(at[i][k], 0);
        memset(at[i], i % 251 + 1, size[i]); /* a later block that overlaps is not zero, or spoils this one */
    }
    for (int i = 0; i < N; i++)
        for (size_t k = 0; k < size[i]; k++)
            ck_assert_uint_eq(at[i][k], i % 251 + 1);
    tl_arena_free(&a);
}
END_TEST

START_TEST(empty_allocations_have_addresses_of_their_own) {
    tl_arena a = {0};
    char *p = tl_arena_alloc(&a, 0), *q = tl_arena_alloc(&a, 0);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_nonnull(q);
    ck_assert_ptr_ne(p, q);
    tl_arena_free(&a);
}
END_TEST

START_TEST(large_block_leaves_the_current_one_in_use) {
    tl_arena a = {0};
    char *p = tl_arena_alloc(&a, 16);
    char *large = tl_arena_alloc(&a, 50u << 20);
    char *q = tl_arena_alloc(&a, 16);
    ck_assert_ptr_nonnull(large);
    large[0] = large[(50u << 20) - 1] = 1;
    ck_assert_ptr_eq(q, p + 16);
    tl_arena_free(&a);
}
END_TEST

START_TEST(many_small_things_take_few_allocations) {
    tl_arena a = {0};
    tl_alloc_fail_at(LONG_MAX, false);
    for (int i = 0; i < 100000; i++)
        ck_assert_ptr_nonnull(tl_arena_alloc(&a, 100)); /* 11.2 MB: 4 KiB, 8 KiB .. 1 MiB, 1 MiB ... */
    long n = tl_alloc_count();
    tl_alloc_fail_at(-1, false);
    tl_arena_free(&a);
    ck_assert_int_ge(n, 11);
    ck_assert_int_le(n, 20);
}
END_TEST

START_TEST(copy_takes_n_bytes_and_terminates) {
    tl_arena a = {0};
    char *s = tl_arena_copy(&a, "hello world", 5), *none = tl_arena_copy(&a, NULL, 0);
    ck_assert_str_eq(s, "hello");
    ck_assert_str_eq(none, "");
    char *zeros = tl_arena_copy(&a, "a\0b", 3);
    ck_assert_mem_eq(zeros, "a\0b", 4);
    tl_arena_free(&a);
}
END_TEST

START_TEST(sizes_that_overflow_are_refused) {
    tl_arena a = {0};
    char *p = tl_arena_alloc(&a, 10);
    for (size_t d = 0; d < 200; d++) {
        ck_assert_ptr_null(tl_arena_alloc(&a, SIZE_MAX - d));
        ck_assert_ptr_null(tl_arena_copy(&a, p, SIZE_MAX - d));
    }
    ck_assert_ptr_null(tl_arena_alloc(&a, PTRDIFF_MAX));
    ck_assert_ptr_nonnull(tl_arena_alloc(&a, 10));
    tl_arena_free(&a);
}
END_TEST

START_TEST(each_failing_allocation_gives_null_and_the_arena_goes_on) {
    for (int forever = 0; forever < 2; forever++)
        for (long fail = 0; fail < 12; fail++) {
            tl_arena a = {0};
            int failed = 0;
            tl_alloc_fail_at(fail, forever);
            for (int i = 0; i < 60; i++) {
                char *p = tl_arena_alloc(&a, 1000);
                if (p)
                    memset(p, 1, 1000);
                else
                    failed++;
            }
            bool reached = tl_alloc_count() > fail;
            tl_alloc_fail_at(-1, false);
            ck_assert_int_eq(failed > 0, reached);
            if (!forever)
                ck_assert_int_le(failed, 1);
            ck_assert_ptr_nonnull(tl_arena_alloc(&a, 1000));
            tl_arena_free(&a);
        }
}
END_TEST

START_TEST(freed_arena_is_empty_and_usable_again) {
    tl_arena a = {0};
    tl_arena_free(NULL);
    tl_arena_free(&a);
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_nonnull(tl_arena_alloc(&a, 100000));
        tl_arena_free(&a);
        ck_assert_ptr_null(a.head);
    }
}
END_TEST

static Suite *arena_suite(void) {
    Suite *s = suite_create("arena");
    TCase *t = tcase_create("arena");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, blocks_are_zeroed_aligned_and_disjoint);
    tcase_add_test(t, empty_allocations_have_addresses_of_their_own);
    tcase_add_test(t, large_block_leaves_the_current_one_in_use);
    tcase_add_test(t, many_small_things_take_few_allocations);
    tcase_add_test(t, copy_takes_n_bytes_and_terminates);
    tcase_add_test(t, sizes_that_overflow_are_refused);
    tcase_add_test(t, each_failing_allocation_gives_null_and_the_arena_goes_on);
    tcase_add_test(t, freed_arena_is_empty_and_usable_again);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(arena_suite());
}
