/* test_layout.c: layouts never overlap what is alive together, are never smaller than the bound nor much larger on patterns like a
 * transformer's, and are the same every time. Patterns come from an integer generator, so every machine tests the same ones. */
#include "tests/suite.h"

#include <string.h>

#include "tensor/layout.h"
#include "tensor/platform.h"

static uint32_t next(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static size_t rounded(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

/* Everything that must hold of any layout. */
static void check_layout(const tl_interval *v, int n, size_t total) {
    ck_assert_uint_eq(total % 64, 0);
    for (int i = 0; i < n; i++) {
        ck_assert_uint_eq(v[i].offset % 64, 0);
        ck_assert_uint_le(v[i].offset, total);
        ck_assert_uint_le(v[i].bytes, total - v[i].offset);
        for (int k = 0; k < i; k++)
            if (v[i].bytes && v[k].bytes && v[i].first <= v[k].last && v[k].first <= v[i].last)
                ck_assert(v[i].offset + v[i].bytes <= v[k].offset || v[k].offset + v[k].bytes <= v[i].offset);
    }
}

static void random_intervals(tl_interval *v, int n, uint32_t *seed) {
    int span = 1 + (int)(next(seed) % (unsigned)(2 * n)), life = 1 + (int)(next(seed) % 40);
    for (int i = 0; i < n; i++) {
        v[i].bytes = next(seed) % 8 == 0 ? 0 : next(seed) % 3 ? next(seed) % 100000 : 64 * (next(seed) % 8);
        v[i].first = (int)(next(seed) % (unsigned)span) - span / 2;
        v[i].last = v[i].first + (int)(next(seed) % (unsigned)life);
        v[i].offset = 12345;
    }
}

START_TEST(random_layouts_never_overlap_and_respect_the_bound) {
    tl_interval v[120];
    uint32_t seed = 7;
    for (int round = 0; round < 2000; round++) {
        int n = 1 + (int)(next(&seed) % 120);
        size_t total = 1, apart = 0;
        random_intervals(v, n, &seed);
        ck_assert_int_eq(tl_layout_intervals(v, n, true, &total), TL_OK);
        check_layout(v, n, total);
        ck_assert_uint_ge(total, tl_layout_bound(v, n));
        for (int i = 0; i < n; i++)
            apart += rounded(v[i].bytes);
        ck_assert_uint_le(total, apart);
        ck_assert_int_eq(tl_layout_intervals(v, n, false, &total), TL_OK);
        ck_assert_uint_eq(total, apart);
        for (int i = 0; i < n; i++) /* alive at one time, all of them: reuse must be off */
            v[i].first = 0, v[i].last = 1 << 20;
        check_layout(v, n, total);
        ck_assert_uint_eq(tl_layout_bound(v, n), apart);
    }
}
END_TEST

START_TEST(one_at_a_time_takes_the_largest) {
    tl_interval v[] = {{100, 0, 0, 0}, {1000, 1, 3, 0}, {64, 4, 4, 0}, {999, 5, 9, 0}};
    size_t total;
    ck_assert_int_eq(tl_layout_intervals(v, 4, true, &total), TL_OK);
    ck_assert_uint_eq(total, 1024);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(v[i].offset, 0);
}
END_TEST

START_TEST(last_is_inclusive) {
    tl_interval v[] = {{64, 0, 1, 0}, {64, 1, 2, 0}, {64, 2, 3, 0}};
    size_t total;
    ck_assert_uint_eq(tl_layout_bound(v, 3), 128);
    ck_assert_int_eq(tl_layout_intervals(v, 3, true, &total), TL_OK);
    ck_assert_uint_eq(total, 128);
    ck_assert_uint_ne(v[0].offset, v[1].offset);
    ck_assert_uint_ne(v[1].offset, v[2].offset);
    ck_assert_uint_eq(v[0].offset, v[2].offset);
}
END_TEST

START_TEST(small_one_takes_the_smallest_gap_that_fits) {
    /* Largest first, all alive at time 0 stack up: 640, 576, 512, 448. At time 1 those of 640 and 512 are gone: two gaps. */
    tl_interval v[] = {{640, 0, 0, 0}, {576, 0, 1, 0}, {512, 0, 0, 0}, {448, 0, 1, 0}, {320, 1, 1, 0}};
    size_t total;
    ck_assert_int_eq(tl_layout_intervals(v, 5, true, &total), TL_OK);
    ck_assert_uint_eq(total, 640 + 576 + 512 + 448);
    ck_assert_uint_eq(v[4].offset, 640 + 576);
}
END_TEST

START_TEST(ties_go_by_first_then_index) {
    tl_interval v[] = {{64, 5, 9, 0}, {64, 5, 9, 0}, {64, 4, 9, 0}, {128, 5, 9, 0}};
    size_t total;
    ck_assert_int_eq(tl_layout_intervals(v, 4, true, &total), TL_OK);
    ck_assert_uint_eq(v[3].offset, 0);
    ck_assert_uint_eq(v[2].offset, 128);
    ck_assert_uint_eq(v[0].offset, 192);
    ck_assert_uint_eq(v[1].offset, 256);
}
END_TEST

START_TEST(empty_intervals_take_no_room) {
    tl_interval v[] = {{0, 0, 9, 77}, {100, 0, 9, 77}, {0, 3, 3, 77}};
    size_t total;
    for (int reuse = 0; reuse < 2; reuse++) {
        ck_assert_int_eq(tl_layout_intervals(v, 3, reuse, &total), TL_OK);
        ck_assert_uint_eq(total, 128);
        for (int i = 0; i < 3; i++)
            ck_assert_uint_eq(v[i].offset, 0);
    }
    v[1].bytes = 0;
    ck_assert_int_eq(tl_layout_intervals(v, 3, true, &total), TL_OK);
    ck_assert_uint_eq(total, 0);
    ck_assert_uint_eq(tl_layout_bound(v, 3), 0);
}
END_TEST

START_TEST(none_at_all_is_a_layout_of_nothing) {
    size_t total = 5;
    ck_assert_int_eq(tl_layout_intervals(NULL, 0, true, &total), TL_OK);
    ck_assert_uint_eq(total, 0);
    total = 5;
    ck_assert_int_eq(tl_layout_intervals(NULL, 0, false, &total), TL_OK);
    ck_assert_uint_eq(total, 0);
    ck_assert_uint_eq(tl_layout_bound(NULL, 0), 0);
}
END_TEST

START_TEST(misuse_is_refused) {
    tl_interval v[] = {{64, 3, 2, 0}};
    size_t total = 5;
    ck_assert_int_eq(tl_layout_intervals(v, 1, true, &total), TL_ERR_USAGE);
    ck_assert_uint_eq(total, 0);
    ck_assert_int_eq(tl_layout_intervals(v, -1, true, &total), TL_ERR_USAGE);
}
END_TEST

START_TEST(sizes_that_overflow_are_refused) {
    const size_t half = SIZE_MAX / 2 + 1;
    tl_interval cases[][2] = {
        {{SIZE_MAX, 0, 0, 0}, {1, 1, 1, 0}},       /* rounding up */
        {{SIZE_MAX - 62, 0, 0, 0}, {1, 1, 1, 0}},  /* just too much for rounding */
        {{half, 0, 0, 0}, {half, 0, 0, 0}},        /* the sum is 2^64: wraps to 0 */
        {{SIZE_MAX - 63, 0, 0, 0}, {64, 0, 0, 0}}, /* rounds well, sum wraps */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int reuse = 0; reuse < 2; reuse++) {
            size_t total = 5;
            ck_assert_int_eq(tl_layout_intervals(cases[i], 2, reuse, &total), TL_ERR_MEMORY);
            ck_assert_uint_eq(total, 0);
            ck_assert_uint_eq(tl_layout_bound(cases[i], 2), SIZE_MAX);
        }
    tl_interval apart[] = {{half, 0, 0, 0}, {half, 1, 1, 0}}; /* fits when shared */
    size_t total;
    ck_assert_int_eq(tl_layout_intervals(apart, 2, true, &total), TL_OK);
    ck_assert_uint_eq(total, half);
    ck_assert_int_eq(tl_layout_intervals(apart, 2, false, &total), TL_ERR_MEMORY);
}
END_TEST

START_TEST(failing_scratch_is_an_error_without_leak) {
    tl_interval v[] = {{64, 0, 1, 0}, {64, 1, 2, 0}};
    size_t total;
    for (long i = 0; i < 2; i++) {
        tl_alloc_fail_at(i, false);
        ck_assert_int_eq(tl_layout_intervals(v, 2, true, &total), TL_ERR_MEMORY);
        ck_assert_uint_eq(total, 0);
        tl_alloc_fail_at(-1, false);
    }
    ck_assert_int_eq(tl_layout_intervals(v, 2, true, &total), TL_OK);
}
END_TEST

/* One layer after the other as a plan would see them: x lives from layer to layer, q, k, v, scores' scratch, the two of the feed-forward
 * part, quantised copies of what enters a linear. Sizes for n tokens. Returns how many. */
static int transformer(tl_interval *v, int layers, size_t n, size_t dim, size_t kv, size_t ffn) {
    int c = 0, t = 0;
    size_t f = sizeof(float) * n, q8 = 40 * n;
#define LIVES(size, from, to) v[c++] = (tl_interval){(size), (from), (to), 0}
    LIVES(4 * n, 0, 12 * layers + 1); /* ids, positions, spans: inputs live throughout */
    LIVES(24 * n, 0, 12 * layers + 1);
    LIVES(f * 64, 1, 12 * layers); /* angles */
    LIVES(f * dim, 0, 11);         /* embedding, the first x */
    for (int i = 0; i < layers; i++, t += 12) {
        LIVES(f * dim, t + 1, t + 4);         /* norm */
        LIVES(q8 * (dim / 32), t + 2, t + 4); /* quantised for q, k, v */
        LIVES(f * dim, t + 2, t + 6);         /* q, then roped */
        LIVES(f * kv, t + 3, t + 5);
        LIVES(f * kv, t + 4, t + 5);
        LIVES(f * dim, t + 6, t + 7); /* attention */
        LIVES(q8 * (dim / 32), t + 7, t + 7);
        LIVES(f * dim, t + 7, t + 11); /* x + projection */
        LIVES(f * dim, t + 8, t + 10); /* norm */
        LIVES(q8 * (dim / 32), t + 9, t + 10);
        LIVES(f * ffn, t + 9, t + 10);  /* gate */
        LIVES(f * ffn, t + 10, t + 10); /* up */
        LIVES(q8 * (ffn / 32), t + 11, t + 11);
        LIVES(f * dim, t + 11, t + 12 + (i + 1 < layers ? 11 : 0)); /* x of the next layer */
    }
    LIVES(f * dim, t + 1, t + 1);
    LIVES(sizeof(float) * dim * (n < 32 ? n : 32), t + 1, t + 1); /* logits, few enough not to hide the layers */
#undef LIVES
    return c;
}

/* At the time of writing every one of them meets the bound exactly. */
START_TEST(transformers_come_near_the_bound) {
    static tl_interval v[32 * 14 + 8];
    static const size_t shapes[][3] = {{576, 192, 1536},    {2048, 256, 5632}, {2048, 512, 8192},
                                       {4096, 1024, 14336}, {896, 128, 4864},  {64, 64, 172}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (size_t n = 1; n <= 512; n *= 8) {
            size_t total;
            int count = transformer(v, 32, n, shapes[i][0], shapes[i][1], shapes[i][2]);
            ck_assert_int_eq(tl_layout_intervals(v, count, true, &total), TL_OK);
            check_layout(v, count, total);
            size_t bound = tl_layout_bound(v, count);
            if (getenv("TALLY_TEST_VERBOSE"))
                printf("dim %zu n %zu: %zu over the bound of %zu\n", shapes[i][0], n, total - bound, bound);
            ck_assert_uint_ge(total, bound);
            ck_assert_uint_le(total - bound, bound / 50); /* 2 % */
        }
}
END_TEST

/* Graphs of random shape but with lives as in networks: most short, some residual, a few throughout. Far harder than a real network, and
 * the bound itself may be out of reach; at the time of writing 3.7 % over it on average, 24 % at worst. */
START_TEST(random_networks_come_near_the_bound) {
    static tl_interval v[400];
    uint32_t seed = 3;
    size_t worst = 0, totals = 0, bounds = 0;
    for (int round = 0; round < 300; round++) {
        int n = 100 + (int)(next(&seed) % 300);
        size_t unit = 64 * (1 + next(&seed) % 500);
        for (int i = 0; i < n; i++) {
            unsigned kind = next(&seed) % 32;
            int life = kind == 0 ? n : kind < 6 ? 5 + (int)(next(&seed) % 10) : 1 + (int)(next(&seed) % 3);
            v[i] = (tl_interval){unit * (1 + next(&seed) % 4) / (kind % 3 ? 1 : 4), i, i + life < n ? i + life : n, 0};
        }
        size_t total, bound = tl_layout_bound(v, n);
        ck_assert_int_eq(tl_layout_intervals(v, n, true, &total), TL_OK);
        check_layout(v, n, total);
        size_t over = (total - bound) * 1000 / bound;
        worst = over > worst ? over : worst;
        totals += total / 64;
        bounds += bound / 64;
    }
    if (getenv("TALLY_TEST_VERBOSE"))
        printf("worst %zu per mille over the bound, on average %zu\n", worst, (totals - bounds) * 1000 / bounds);
    ck_assert_uint_le(worst, 300);
    ck_assert_uint_le((totals - bounds) * 1000 / bounds, 50);
}
END_TEST

START_TEST(same_input_gives_same_offsets_whatever_they_held_before) {
    static tl_interval a[300], b[300];
    uint32_t seed = 11;
    size_t ta, tb;
    random_intervals(a, 300, &seed);
    memcpy(b, a, sizeof a);
    for (int i = 0; i < 300; i++)
        b[i].offset = (size_t)i * 64;
    ck_assert_int_eq(tl_layout_intervals(a, 300, true, &ta), TL_OK);
    ck_assert_int_eq(tl_layout_intervals(b, 300, true, &tb), TL_OK);
    ck_assert_uint_eq(ta, tb);
    for (int i = 0; i < 300; i++)
        ck_assert_uint_eq(a[i].offset, b[i].offset);
}
END_TEST

START_TEST(five_thousand_all_alive_at_once_pack_without_loss) {
    static tl_interval v[5000];
    uint32_t seed = 5;
    size_t total, apart = 0;
    for (int i = 0; i < 5000; i++) {
        v[i] = (tl_interval){next(&seed) % 1000000, i % 7, 100, 0};
        apart += rounded(v[i].bytes);
    }
    ck_assert_int_eq(tl_layout_intervals(v, 5000, true, &total), TL_OK);
    ck_assert_uint_eq(total, apart);
    ck_assert_uint_eq(tl_layout_bound(v, 5000), apart);
}
END_TEST

static Suite *layout_suite(void) {
    Suite *s = suite_create("layout");
    TCase *t = tcase_create("layout");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, random_layouts_never_overlap_and_respect_the_bound);
    tcase_add_test(t, one_at_a_time_takes_the_largest);
    tcase_add_test(t, last_is_inclusive);
    tcase_add_test(t, small_one_takes_the_smallest_gap_that_fits);
    tcase_add_test(t, ties_go_by_first_then_index);
    tcase_add_test(t, empty_intervals_take_no_room);
    tcase_add_test(t, none_at_all_is_a_layout_of_nothing);
    tcase_add_test(t, misuse_is_refused);
    tcase_add_test(t, sizes_that_overflow_are_refused);
    tcase_add_test(t, failing_scratch_is_an_error_without_leak);
    tcase_add_test(t, transformers_come_near_the_bound);
    tcase_add_test(t, random_networks_come_near_the_bound);
    tcase_add_test(t, same_input_gives_same_offsets_whatever_they_held_before);
    tcase_add_test(t, five_thousand_all_alive_at_once_pack_without_loss);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(layout_suite());
}
