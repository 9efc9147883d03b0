/* test_sampler.c: what each link of the chain keeps, and the same tokens for a seed everywhere. Options that are refused are in
 * test_sampler_options.c. */
#include <float.h>
#include <string.h>

#include "models/model.h"
#include "tensor/platform.h"
#include "tests/suite.h"

/* ---- helpers --------------------------------------------------------------------------------------------------------------- */

static float of_bits(uint32_t bits) {
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

#define NOT_A_NUMBER of_bits(0x7FC00000u)
#define INF of_bits(0x7F800000u)

/* Nothing but a draw from the softmax. */
static tl_sampler_options bare(void) {
    tl_sampler_options o = tl_sampler_defaults();
    o.temperature = 1.0f;
    o.top_k = 0;
    o.top_p = 1.0f;
    o.min_p = 0.0f;
    return o;
}

static tl_sampler *sampler(int32_t n, const tl_sampler_options *o) {
    tl_sampler *s;
    tl_error err = {0};
    ck_assert_msg(tl_sampler_new(&s, n, o, &err) == TL_OK, "%s", err.message);
    return s;
}

static int32_t next(tl_sampler *s, const float *logits) {
    int32_t id;
    tl_error err = {0};
    ck_assert_msg(tl_sampler_next(s, logits, &id, &err) == TL_OK, "%s", err.message);
    return id;
}

/* How often each of n tokens comes in `draws` draws. */
static void draw(const tl_sampler_options *o, const float *logits, int32_t n, int draws, int *count) {
    tl_sampler *s = sampler(n, o);
    memset(count, 0, (size_t)n * sizeof *count);
    for (int i = 0; i < draws; i++) {
        int32_t id = next(s, logits);
        ck_assert(id >= 0 && id < n);
        count[id]++;
    }
    tl_sampler_free(s);
}

/* Logits without any libm: multiples of 1/256 in -8 .. 8, with ties. */
static void fill(float *logits, int32_t n, uint32_t seed) {
    for (int32_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        logits[i] = (float)((int32_t)(seed >> 20) - 2048) / 256.0f;
    }
}

/* ---- greedy ---------------------------------------------------------------------------------------------------------------- */

START_TEST(the_defaults_are_llama_cpps) {
    tl_sampler_options o = tl_sampler_defaults();
    ck_assert(o.temperature == 0.8f && o.top_k == 40 && o.top_p == 0.95f && o.min_p == 0.05f && o.repeat_penalty == 1.0f);
    ck_assert(o.presence_penalty == 0 && o.frequency_penalty == 0 && o.repeat_last_n == 64 && o.min_keep == 1 && o.n_bias == 0);
}
END_TEST

START_TEST(greedy_is_the_largest_logit_and_the_lower_of_equals) {
    const float a[] = {1, 3, 3, 2}, b[] = {NOT_A_NUMBER, -INF, -5, NOT_A_NUMBER}, c[] = {-INF, NOT_A_NUMBER, INF, INF}, d[] = {-0.0f, 0.0f};
    const float none[] = {NOT_A_NUMBER, -INF};
    ck_assert_int_eq(tl_greedy(a, 4), 1);
    ck_assert_int_eq(tl_greedy(b, 4), 2);
    ck_assert_int_eq(tl_greedy(c, 4), 2);
    ck_assert_int_eq(tl_greedy(d, 2), 0);
    ck_assert_int_eq(tl_greedy(none, 2), 0);
    ck_assert_int_eq(tl_greedy(a, 0), -1);
    ck_assert_int_eq(tl_greedy(NULL, 3), -1);
    const float *cases[] = {a, b, c, d};
    tl_sampler_options o = tl_sampler_defaults();
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++) { /* temperature 0 and below, and top_k 1 */
            int32_t n = i == 3 ? 2 : 4;
            o.temperature = k == 0 ? 0.0f : k == 1 ? -1.0f : 0.8f;
            o.top_k = k == 2 ? 1 : 40;
            tl_sampler *s = sampler(n, &o);
            ck_assert_int_eq(next(s, cases[i]), tl_greedy(cases[i], n));
            tl_sampler_free(s);
        }
}
END_TEST

/* ---- the chain ------------------------------------------------------------------------------------------------------------- */

/* Probabilities 8/15, 4/15, 2/15, 1/15, in the order 2, 0, 3, 1. */
static const float halves[] = {1.3862944f, 0.0f, 2.0794415f, 0.6931472f};

START_TEST(draws_follow_the_softmax) {
    int count[4];
    tl_sampler_options o = bare();
    draw(&o, halves, 4, 15000, count); /* five standard deviations: at most 306 */
    ck_assert_int_le(abs(count[2] - 8000), 306);
    ck_assert_int_le(abs(count[0] - 4000), 306);
    ck_assert_int_le(abs(count[3] - 2000), 306);
    ck_assert_int_le(abs(count[1] - 1000), 306);
}
END_TEST

START_TEST(temperature_divides_the_logits) {
    int count[4];
    tl_sampler_options o = bare();
    o.temperature = 0.5f; /* 64 : 16 : 4 : 1 */
    draw(&o, halves, 4, 8500, count);
    ck_assert_int_le(abs(count[2] - 6400), 220);
    ck_assert_int_le(abs(count[0] - 1600), 220);
    ck_assert_int_le(abs(count[3] - 400), 110);
    o.temperature = 1e-30f;
    draw(&o, halves, 4, 100, count);
    ck_assert_int_eq(count[2], 100);
    o.temperature = FLT_MAX;
    draw(&o, halves, 4, 4000, count);
    for (int i = 0; i < 4; i++)
        ck_assert_int_le(abs(count[i] - 1000), 150);
}
END_TEST

START_TEST(top_k_keeps_the_k_largest) {
    int count[4];
    tl_sampler_options o = bare();
    o.top_k = 2;
    draw(&o, halves, 4, 1000, count);
    ck_assert(count[2] > 0 && count[0] > 0 && count[1] == 0 && count[3] == 0);
    o.min_keep = 3; /* at least so many */
    draw(&o, halves, 4, 1000, count);
    ck_assert(count[3] > 0 && count[1] == 0);
    o.top_k = 100;
    draw(&o, halves, 4, 1000, count);
    ck_assert(count[1] > 0);
}
END_TEST

START_TEST(top_k_of_many_with_ties_is_that_of_a_full_sort) {
    enum { N = 3000 };
    static float logits[N];
    static int count[N];
    tl_sampler_options o = bare();
    o.temperature = 1000.0f; /* all kept ones come */
    for (int k = 1; k < sparing(N, 400); k = k * 3 + 1) {
        fill(logits, N, (uint32_t)k);
        o.top_k = k;
        draw(&o, logits, N, 3 * k + 100, count);
        for (int32_t i = 0; i < N; i++) {
            if (count[i] == 0)
                continue;
            int32_t before = 0;
            for (int32_t j = 0; j < N; j++)
                before += logits[j] > logits[i] || (logits[j] == logits[i] && j < i);
            ck_assert_int_lt(before, k);
        }
    }
}
END_TEST

START_TEST(top_p_keeps_the_fewest_that_reach_p) {
    static const struct {
        float p;
        int kept;
    } cases[] = {{0.0f, 1}, {0.5f, 1}, {0.54f, 2}, {0.79f, 2}, {0.81f, 3}, {0.93f, 3}, {0.94f, 4}, {1.0f, 4}};
    static const int order[] = {2, 0, 3, 1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int count[4];
        tl_sampler_options o = bare();
        o.top_p = cases[i].p;
        draw(&o, halves, 4, 2000, count);
        for (int k = 0; k < 4; k++)
            ck_assert_msg((count[order[k]] > 0) == (k < cases[i].kept), "case %d, rank %d", (int)i, k);
    }
    int count[4];
    tl_sampler_options o = bare();
    o.top_p = 0.1f;
    o.min_keep = 2;
    draw(&o, halves, 4, 1000, count);
    ck_assert(count[0] > 0 && count[3] == 0);
    o.min_keep = 0; /* llama.cpp's default: still one */
    draw(&o, halves, 4, 1000, count);
    ck_assert_int_eq(count[2], 1000);
}
END_TEST

START_TEST(min_p_keeps_those_near_the_best) {
    static const struct {
        float p;
        int kept;
    } cases[] = {{-1.0f, 4}, {0.0f, 4}, {0.12f, 4}, {0.13f, 3}, {0.24f, 3}, {0.26f, 2}, {0.49f, 2}, {0.51f, 1}, {1.0f, 1}};
    static const int order[] = {2, 0, 3, 1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int count[4];
        tl_sampler_options o = bare();
        o.min_p = cases[i].p;
        draw(&o, halves, 4, 2000, count);
        for (int k = 0; k < 4; k++)
            ck_assert_msg((count[order[k]] > 0) == (k < cases[i].kept), "case %d, rank %d", (int)i, k);
    }
}
END_TEST

START_TEST(the_filters_come_before_the_temperature) {
    int count[4];
    tl_sampler_options o = bare();
    o.temperature = 100.0f; /* afterwards it would not keep one */
    o.min_p = 0.51f;
    draw(&o, halves, 4, 200, count);
    ck_assert_int_eq(count[2], 200);
}
END_TEST

/* ---- penalties and bias ---------------------------------------------------------------------------------------------------- */

START_TEST(the_repeat_penalty_divides_what_is_positive_and_multiplies_what_is_not) {
    const float logits[] = {2.0f, 1.5f, -1.0f, -1.5f};
    const int32_t seen[] = {0, 2};
    tl_sampler_options o = tl_sampler_defaults();
    o.temperature = 0;
    o.repeat_penalty = 1.4f; /* 2 -> 1.43 */
    tl_sampler *s = sampler(4, &o);
    ck_assert_int_eq(tl_sampler_accept(s, seen, 2, NULL), TL_OK);
    ck_assert_int_eq(next(s, logits), 1);
    tl_sampler_reset(s);
    ck_assert_int_eq(next(s, logits), 0);
    tl_sampler_free(s);
    const float negative[] = {-INF, -INF, -1.0f, -1.3f};
    s = sampler(4, &o); /* -1 -> -1.4 */
    ck_assert_int_eq(tl_sampler_accept(s, seen, 2, NULL), TL_OK);
    ck_assert_int_eq(next(s, negative), 3);
    tl_sampler_free(s);
}
END_TEST

START_TEST(frequency_counts_and_presence_does_not) {
    const float logits[] = {3.0f, 2.75f, 0.0f};
    const int32_t seen[] = {0, 1, 1, 1};
    tl_sampler_options o = tl_sampler_defaults();
    o.temperature = 0;
    o.frequency_penalty = 0.5f; /* 2.5, 1.25 */
    tl_sampler *s = sampler(3, &o);
    ck_assert_int_eq(tl_sampler_accept(s, seen, 4, NULL), TL_OK);
    ck_assert_int_eq(next(s, logits), 0); /* counted too: now 2, 1.25 */
    ck_assert_int_eq(next(s, logits), 0); /* 1.5, 1.25 */
    ck_assert_int_eq(next(s, logits), 0); /* 1, 1.25 */
    ck_assert_int_eq(next(s, logits), 1);
    tl_sampler_free(s);
    o.frequency_penalty = 0;
    o.presence_penalty = 2.9f;
    s = sampler(3, &o); /* 0.1, -0.15 */
    ck_assert_int_eq(tl_sampler_accept(s, seen, 4, NULL), TL_OK);
    ck_assert_int_eq(next(s, logits), 0);
    ck_assert_int_eq(next(s, logits), 0);
    tl_sampler_free(s);
}
END_TEST

START_TEST(only_the_last_n_tokens_count) {
    const float logits[] = {3.0f, 2.0f, 1.0f};
    const int32_t seen[] = {2, 1, 0, 0}; /* oldest first */
    static const struct { int32_t last_n, want; } cases[] = {{0, 0}, {1, 1}, {2, 1}, {3, 2}, {4, 0}, {5, 0}, {-1, 0}};
    tl_sampler_options o = tl_sampler_defaults();
    o.temperature = 0;
    o.presence_penalty = 100.0f; /* what is in the window comes last */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        o.repeat_last_n = cases[i].last_n;
        tl_sampler *s = sampler(3, &o);
        ck_assert_int_eq(tl_sampler_accept(s, seen, 4, NULL), TL_OK);
        ck_assert_int_eq(next(s, logits), cases[i].want);
        tl_sampler_free(s);
    }
    o.repeat_last_n = 2;
    tl_sampler *s = sampler(3, &o);
    int32_t got[6];
    for (int i = 0; i < 6; i++)
        got[i] = next(s, logits); /* each comes again once two others have passed */
    ck_assert(got[0] == 0 && got[1] == 1 && got[2] == 2 && got[3] == 0 && got[4] == 1 && got[5] == 2);
    tl_sampler_free(s);
    o.repeat_last_n = -1;
    o.frequency_penalty = 0.25f;
    o.presence_penalty = 0;
    s = sampler(3, &o);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(next(s, logits), 0); /* 3, 2.75, 2.5, 2.25 */
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(tl_sampler_accept(s, (const int32_t[]){2}, 1, NULL), TL_OK);
    ck_assert_int_eq(next(s, logits), 0); /* 2, of equals the lower */
    ck_assert_int_eq(next(s, logits), 1); /* nothing was forgotten */
    tl_sampler_free(s);
    o.repeat_last_n = INT32_MAX; /* the window grows with what is seen */
    s = sampler(3, &o);
    ck_assert_int_eq(next(s, logits), 0);
    tl_sampler_free(s);
}
END_TEST

START_TEST(bias_is_added_and_can_force_or_forbid) {
    const float logits[] = {3.0f, 2.0f, 1.0f};
    int32_t ids[] = {0, 1, 1};
    float values[] = {-INF, 0.5f, 0.5f};
    tl_sampler_options o = tl_sampler_defaults();
    o.temperature = 0;
    o.bias_ids = ids;
    o.bias_values = values;
    o.n_bias = 3;
    tl_sampler *s = sampler(3, &o);
    values[0] = 100; /* copied */
    ck_assert_int_eq(next(s, logits), 1);
    tl_sampler_free(s);
    values[0] = 0;
    ids[2] = 2;
    values[2] = INF;
    o.temperature = 1.0f;
    int count[3];
    draw(&o, logits, 3, 100, count);
    ck_assert_int_eq(count[2], 100);
}
END_TEST

/* ---- odd logits ------------------------------------------------------------------------------------------------------------ */

START_TEST(logits_that_are_no_numbers_are_never_drawn) {
    const float logits[] = {NOT_A_NUMBER, 1.0f, -INF, 1.0f, NOT_A_NUMBER};
    int count[5];
    tl_sampler_options o = bare();
    draw(&o, logits, 5, 1000, count);
    ck_assert(count[0] == 0 && count[2] == 0 && count[4] == 0 && count[1] > 0 && count[3] > 0);
    const float infinite[] = {INF, 5.0f, INF, -FLT_MAX, FLT_MIN};
    o.repeat_penalty = 0.5f;
    draw(&o, infinite, 5, 1000, count);
    ck_assert(count[0] > 0 && count[2] > 0 && count[1] == 0 && count[3] == 0);
}
END_TEST

START_TEST(no_token_left_is_an_error_and_counts_nothing) {
    const float none[] = {NOT_A_NUMBER, -INF, -INF}, some[] = {0, 1, 2};
    tl_sampler_options o = tl_sampler_defaults();
    o.repeat_last_n = -1;
    tl_sampler *s = sampler(3, &o), *fresh = sampler(3, &o);
    int32_t id = 7;
    tl_error err = {0};
    ck_assert_int_eq(tl_sampler_next(s, none, &id, &err), TL_ERR_RANGE);
    ck_assert_int_eq(id, -1);
    ck_assert_ptr_nonnull(strstr(err.message, "no token is left"));
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(next(s, some), next(fresh, some));
    tl_sampler_free(s);
    tl_sampler_free(fresh);
}
END_TEST

/* ---- determinism ----------------------------------------------------------------------------------------------------------- */

START_TEST(a_seed_gives_the_same_tokens_everywhere) {
    enum { N = 1000, DRAWS = 24 };
    static const int32_t golden[3][DRAWS] = {
        {34, 743, 765, 732, 627, 86, 538, 276, 270, 451, 150, 676, 83, 855, 297, 762, 889, 669, 543, 227, 50, 229, 729, 557},
        {713, 445, 814, 667, 244, 994, 538, 856, 139, 151, 258, 166, 452, 937, 428, 410, 725, 145, 574, 916, 625, 352, 987, 672},
        {896, 65, 825, 349, 815, 994, 818, 622, 138, 936, 251, 917, 568, 358, 644, 711, 690, 56, 729, 191, 812, 798, 625, 39},
    };
    static float logits[N];
    for (int k = 0; k < 3; k++) {
        tl_sampler_options o = k == 1 ? bare() : tl_sampler_defaults();
        o.seed = (uint32_t)k * 12345u;
        if (k == 2) {
            o.temperature = 1.3f;
            o.top_k = 300;
            o.repeat_penalty = 1.1f;
            o.frequency_penalty = 0.3f;
        }
        tl_sampler *s = sampler(N, &o);
        for (int i = 0; i < DRAWS; i++) {
            fill(logits, N, (uint32_t)i);
            int32_t id = next(s, logits);
            ck_assert_msg(id == golden[k][i], "options %d, draw %d: %d, expected %d", k, i, (int)id, (int)golden[k][i]);
        }
        tl_sampler_free(s);
    }
}
END_TEST

START_TEST(a_large_vocabulary_without_top_k_gives_the_same_tokens_everywhere) {
    enum { N = 151936 };
    static const int32_t golden[4] = {25729, 127027, 96145, 47704};
    float *logits = malloc(N * sizeof *logits);
    tl_sampler_options o = tl_sampler_defaults();
    o.top_k = 0;
    o.min_p = 0;
    o.seed = 99;
    tl_sampler *s = sampler(N, &o);
    for (int i = 0; i < 4; i++) {
        fill(logits, N, (uint32_t)i + 100);
        int32_t id = next(s, logits);
        ck_assert_msg(id == golden[i], "draw %d: %d, expected %d", i, (int)id, (int)golden[i]);
    }
    tl_sampler_free(s);
    free(logits);
}
END_TEST

START_TEST(reset_begins_the_stream_again_and_seeds_differ) {
    enum { N = 500 };
    static float logits[N];
    fill(logits, N, 1);
    tl_sampler_options o = bare();
    o.repeat_penalty = 1.2f;
    tl_sampler *a = sampler(N, &o);
    o.seed = 1;
    tl_sampler *b = sampler(N, &o);
    int32_t first[32];
    int same = 0;
    for (int i = 0; i < 32; i++) {
        first[i] = next(a, logits);
        same += first[i] == next(b, logits);
    }
    ck_assert_int_lt(same, 8);
    tl_sampler_reset(a);
    for (int i = 0; i < 32; i++)
        ck_assert_int_eq(next(a, logits), first[i]);
    tl_sampler_free(a);
    tl_sampler_free(b);
}
END_TEST

START_TEST(forgetting_what_was_seen_leaves_the_stream) {
    enum { N = 50 };
    float logits[N];
    int same = 0;
    fill(logits, N, 1);
    tl_sampler_options o = bare();
    tl_sampler *plain = sampler(N, &o);
    o.repeat_penalty = 3;
    tl_sampler *forgetful = sampler(N, &o), *other = sampler(N, &o);
    for (int i = 0; i < 32; i++) {
        int32_t id = next(plain, logits);
        ck_assert_int_eq(next(forgetful, logits), id);
        same += next(other, logits) == id;
        tl_sampler_forget(forgetful);
    }
    ck_assert_int_lt(same, 32);
    tl_sampler_free(plain);
    tl_sampler_free(forgetful);
    tl_sampler_free(other);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

static tl_status use(const tl_sampler_options *o, tl_error *err) {
    tl_sampler *s;
    float logits[50];
    int32_t id, ids[100] = {1, 2, 3};
    fill(logits, 50, 1);
    tl_status status = tl_sampler_new(&s, 50, o, err);
    if (status != TL_OK)
        return status;
    status = tl_sampler_accept(s, ids, 100, err);
    for (int i = 0; i < 20 && status == TL_OK; i++)
        status = tl_sampler_next(s, logits, &id, err);
    tl_sampler_free(s);
    return status;
}

START_TEST(every_failing_allocation_gives_a_status_and_no_leak) {
    const int32_t ids[] = {3};
    const float values[] = {1};
    tl_sampler_options o = tl_sampler_defaults();
    o.repeat_last_n = 1000;
    o.bias_ids = ids;
    o.bias_values = values;
    o.n_bias = 1;
    for (int on = 0; on < 2; on++)
        for (long at = 0;; at++) {
            tl_error err = {0};
            tl_alloc_fail_at(at, on);
            tl_status s = use(&o, &err);
            bool reached = tl_alloc_count() > at;
            tl_alloc_fail_at(-1, false);
            ck_assert_int_eq(s, reached ? TL_ERR_MEMORY : TL_OK);
            if (!reached) {
                ck_assert_int_gt(at, 6);
                break;
            }
        }
}
END_TEST

static Suite *sampler_suite(void) {
    Suite *s = suite_create("sampler");
    TCase *c = tcase_create("sampler");
    tcase_add_test(c, the_defaults_are_llama_cpps);
    tcase_add_test(c, greedy_is_the_largest_logit_and_the_lower_of_equals);
    tcase_add_test(c, draws_follow_the_softmax);
    tcase_add_test(c, temperature_divides_the_logits);
    tcase_add_test(c, top_k_keeps_the_k_largest);
    tcase_add_test(c, top_k_of_many_with_ties_is_that_of_a_full_sort);
    tcase_add_test(c, top_p_keeps_the_fewest_that_reach_p);
    tcase_add_test(c, min_p_keeps_those_near_the_best);
    tcase_add_test(c, the_filters_come_before_the_temperature);
    tcase_add_test(c, the_repeat_penalty_divides_what_is_positive_and_multiplies_what_is_not);
    tcase_add_test(c, frequency_counts_and_presence_does_not);
    tcase_add_test(c, only_the_last_n_tokens_count);
    tcase_add_test(c, bias_is_added_and_can_force_or_forbid);
    tcase_add_test(c, logits_that_are_no_numbers_are_never_drawn);
    tcase_add_test(c, no_token_left_is_an_error_and_counts_nothing);
    tcase_add_test(c, a_seed_gives_the_same_tokens_everywhere);
    tcase_add_test(c, a_large_vocabulary_without_top_k_gives_the_same_tokens_everywhere);
    tcase_add_test(c, reset_begins_the_stream_again_and_seeds_differ);
    tcase_add_test(c, forgetting_what_was_seen_leaves_the_stream);
    tcase_add_test(c, every_failing_allocation_gives_a_status_and_no_leak);
    tcase_set_timeout(c, 120);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(sampler_suite());
}
