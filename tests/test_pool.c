/* test_pool.c: every tile of a run is computed exactly once, by a worker with a valid number, and all it wrote is there when the run
 * returns; no run hangs, however runs and sleeps of the workers meet; a pool that cannot be made leaves nothing behind. Run under
 * the thread sanitizer as well. */
#define _POSIX_C_SOURCE 200809L
#include "tests/suite.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "tensor/platform.h"
#include "tensor/pool.h"

static const int THREADS[] = {1, 2, 3, 7};
enum { N_THREADS = sizeof THREADS / sizeof THREADS[0], MOST = 5000 };

typedef struct work {
    int threads;
    int times[MOST];        /* plain memory: a tile given to two threads is a race that the sanitizer sees, too */
    int64_t per_worker[64]; /* each worker adds to its own without a lock */
    int64_t value[MOST];
    atomic_int strange; /* tiles with a worker number outside 0 .. threads-1 */
    int64_t input;      /* changes from run to run: a late worker would use an old one */
} work;

static void do_tile(void *arg, int64_t tile, int worker) {
    work *w = arg;
    if (worker < 0 || worker >= w->threads)
        atomic_fetch_add(&w->strange, 1);
    else
        w->per_worker[worker] += tile + 1;
    w->times[tile]++;
    w->value[tile] = w->input + tile;
}

/* Runs `tiles` tiles and checks all that a run promises. */
static void run_and_check(tl_pool *p, work *w, int64_t tiles, int64_t input) {
    memset(w->times, 0, sizeof w->times[0] * (size_t)(tiles + 1));
    memset(w->per_worker, 0, sizeof w->per_worker);
    w->input = input;
    tl_pool_run(p, do_tile, w, tiles);
    int64_t sum = 0;
    int wrong = w->times[tiles] != 0;
    for (int64_t i = 0; i < tiles; i++)
        wrong += w->times[i] != 1 || w->value[i] != input + i;
    for (int i = 0; i < w->threads; i++)
        sum += w->per_worker[i];
    ck_assert_int_eq(wrong, 0);
    ck_assert_int_eq(atomic_load(&w->strange), 0);
    ck_assert_int_eq(sum, tiles * (tiles + 1) / 2);
}

static work shared;

START_TEST(a_hundred_thousand_small_runs_compute_each_tile_once) {
    tl_pool *p;
    shared.threads = THREADS[_i];
    ck_assert_int_eq(tl_pool_new(&p, THREADS[_i], NULL), TL_OK);
    ck_assert_int_eq(tl_pool_threads(p), THREADS[_i]);
    uint32_t seed = 1;
    for (int run = 0; run < 100000; run++) {
        seed = seed * 1664525u + 1013904223u;
        run_and_check(p, &shared, (seed >> 16) % 12, run);
    }
    tl_pool_free(p);
}
END_TEST

START_TEST(long_runs_compute_each_tile_once) {
    tl_pool *p;
    shared.threads = THREADS[_i];
    ck_assert_int_eq(tl_pool_new(&p, THREADS[_i], NULL), TL_OK);
    for (int run = 0; run < 200; run++)
        run_and_check(p, &shared, MOST - 1 - run, run);
    tl_pool_free(p);
}
END_TEST

/* Pauses around the spin's length: runs meet workers that spin, are falling asleep, or sleep. */
START_TEST(runs_after_any_pause_return) {
    tl_pool *p;
    shared.threads = THREADS[_i];
    ck_assert_int_eq(tl_pool_new(&p, THREADS[_i], NULL), TL_OK);
    for (int run = 0; run < 3000; run++) {
        double end = tl_now() + (run % 100) * 1e-6;
        while (tl_now() < end)
            tl_yield();
        run_and_check(p, &shared, 2 + run % 5, run);
    }
    tl_pool_free(p);
}
END_TEST

static atomic_int arrived;

static void meet(void *arg, int64_t tile, int worker) {
    int *seen = arg;
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < 3) /* ends only when three threads are in a tile each: the test's time limit else fails it */
        tl_yield();
    seen[tile] = worker;
}

START_TEST(all_threads_of_a_pool_take_part) {
    tl_pool *p;
    int seen[3];
    ck_assert_int_eq(tl_pool_new(&p, 3, NULL), TL_OK);
    for (int run = 0; run < 200; run++) {
        atomic_store(&arrived, 0);
        tl_pool_run(p, meet, seen, 3);
        ck_assert_int_eq(seen[0] + seen[1] + seen[2], 3);
        ck_assert(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2]);
    }
    tl_pool_free(p);
}
END_TEST

static void be_slow(void *arg, int64_t tile, int worker) {
    (void)tile;
    atomic_int *done = arg;
    if (worker != 0) { /* far longer than the caller spins */
        double end = tl_now() + 2e-3;
        while (tl_now() < end)
            tl_yield();
    } else
        while (atomic_load(&arrived) == 0) /* so that a worker has a tile */
            tl_yield();
    atomic_fetch_add(&arrived, 1);
    atomic_fetch_add(done, 1);
}

START_TEST(caller_sleeps_until_slow_workers_are_done) {
    tl_pool *p;
    ck_assert_int_eq(tl_pool_new(&p, 3, NULL), TL_OK);
    for (int run = 0; run < 100; run++) {
        atomic_int done = 0;
        atomic_store(&arrived, 0);
        tl_pool_run(p, be_slow, &done, 3);
        ck_assert_int_eq(atomic_load(&done), 3);
    }
    tl_pool_free(p);
}
END_TEST

static void lose_the_core(void *arg, int64_t tile, int worker) {
    int *seen = arg;
    atomic_fetch_add(&arrived, worker != 0);
    if (worker != 0)
        tl_sleep(2e-3);
    else
        while (atomic_load(&arrived) == 0) /* so that a worker has a tile */
            tl_yield();
    seen[tile]++;
}

/* A worker without its core holds up the caller, so it rests after each run; it comes back, because meet() ends only with all three. */
START_TEST(workers_that_lose_their_core_rest_and_come_back) {
    tl_pool *p;
    int seen[3] = {0};
    ck_assert_int_eq(tl_pool_new(&p, 3, NULL), TL_OK);
    for (int run = 1; run <= 50; run++) {
        atomic_store(&arrived, 0);
        tl_pool_run(p, lose_the_core, seen, 3);
        ck_assert(seen[0] == run && seen[1] == run && seen[2] == run);
    }
    for (int run = 0; run < 200; run++) {
        atomic_store(&arrived, 0);
        tl_pool_run(p, meet, seen, 3);
        ck_assert_int_eq(seen[0] + seen[1] + seen[2], 3);
    }
    tl_pool_free(p);
}
END_TEST

static void note_worker(void *arg, int64_t tile, int worker) {
    ((int *)arg)[tile] += 1 + worker;
}

START_TEST(one_tile_and_none_stay_on_the_caller) {
    tl_pool *p;
    int seen[1] = {0};
    ck_assert_int_eq(tl_pool_new(&p, 3, NULL), TL_OK);
    tl_pool_run(p, note_worker, seen, 0);
    tl_pool_run(p, note_worker, seen, -1);
    ck_assert_int_eq(seen[0], 0);
    for (int i = 1; i <= 1000; i++) {
        tl_pool_run(p, note_worker, seen, 1);
        ck_assert_int_eq(seen[0], i);
    }
    tl_pool_free(p);
}
END_TEST

/* The caller's float environment, with flushing on where the processor has such a mode; what was before. */
static uint64_t flush_denormals(void) {
    uint64_t before = tl_float_enter();
#if defined(__SSE2__)
    tl_float_leave(0x1F80 | 0x8040); /* FTZ, DAZ */
#elif defined(__aarch64__)
    tl_float_leave((uint64_t)1 << 24); /* FZ */
#endif
    return before;
}

static void halve_least(void *arg, int64_t tile, int worker) {
    volatile float least = 0x1p-126f;
    volatile float *out = arg;
    (void)worker;
    out[tile] = least * 0.5f;
}

START_TEST(every_thread_keeps_denormals_and_the_callers_mode_comes_back) {
    tl_pool *p;
    volatile float out[64] = {0}, after[1];
    uint64_t before = flush_denormals(); /* threads inherit it from here */
    halve_least((void *)after, 0, 0);
    bool flushes = after[0] == 0;
    ck_assert_int_eq(tl_pool_new(&p, THREADS[_i], NULL), TL_OK);
    for (int run = 0; run < 100; run++) {
        tl_pool_run(p, halve_least, (void *)out, 64);
        for (int i = 0; i < 64; i++) {
            float got = out[i];
            out[i] = 0;
            ck_assert_int_eq(memcmp(&got, &(uint32_t){0x00400000}, 4), 0); /* 2^-127; a comparison of floats would flush here */
        }
    }
    tl_pool_free(p);
    halve_least((void *)after, 0, 0);
    ck_assert_int_eq(after[0] == 0, flushes);
    tl_float_leave(before);
#if defined(__SSE2__) || defined(__aarch64__)
    ck_assert(flushes);
#endif
}
END_TEST

static double cpu_seconds(void) {
    struct timespec t;
    ck_assert_int_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A worker that spun or polled would take all of the pause for itself. */
START_TEST(idle_threads_sleep) {
    tl_pool *p;
    shared.threads = 7;
    ck_assert_int_eq(tl_pool_new(&p, 7, NULL), TL_OK);
    for (int run = 0; run < 2; run++) { /* before the first run, and after one */
        const struct timespec pause = {0, 300 * 1000 * 1000};
        double before = cpu_seconds();
        ck_assert_int_eq(nanosleep(&pause, NULL), 0);
        double used = cpu_seconds() - before;
        ck_assert_msg(used < 0.05, "%g s of CPU time in 0.3 s without work", used);
        run_and_check(p, &shared, 100, run);
    }
    tl_pool_free(p);
}
END_TEST

START_TEST(pools_live_side_by_side_and_end_unused) {
    for (int run = 0; run < 200; run++) {
        tl_pool *a, *b;
        ck_assert_int_eq(tl_pool_new(&a, 3, NULL), TL_OK);
        ck_assert_int_eq(tl_pool_new(&b, 2, NULL), TL_OK);
        if (run % 2) {
            shared.threads = 3;
            run_and_check(a, &shared, 10, run);
            shared.threads = 2;
            run_and_check(b, &shared, 10, run);
        }
        tl_pool_free(a);
        tl_pool_free(b);
    }
    tl_pool_free(NULL);
}
END_TEST

START_TEST(thread_numbers_out_of_range_are_refused) {
    static const int wrong[] = {0, -1, INT_MIN, 1025, INT_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        tl_pool *p = (tl_pool *)&shared;
        tl_error err = {0};
        ck_assert_int_eq(tl_pool_new(&p, wrong[i], &err), TL_ERR_USAGE);
        ck_assert_ptr_null(p);
        ck_assert_ptr_nonnull(strstr(err.message, "threads"));
    }
}
END_TEST

START_TEST(each_failing_allocation_or_thread_is_an_error_that_leaves_nothing_behind) {
    tl_alloc_fail_at(LONG_MAX, false);
    tl_pool *p;
    ck_assert_int_eq(tl_pool_new(&p, 4, NULL), TL_OK);
    long n = tl_alloc_count();
    tl_alloc_fail_at(-1, false);
    tl_pool_free(p);
    ck_assert_int_ge(n, 3 + 1); /* three threads, the pool */
    for (int forever = 0; forever < 2; forever++)
        for (long fail = 0; fail < n; fail++) {
            tl_error err = {0};
            p = (tl_pool *)&shared;
            tl_alloc_fail_at(fail, forever);
            ck_assert_int_eq(tl_pool_new(&p, 4, &err), TL_ERR_MEMORY);
            tl_alloc_fail_at(-1, false);
            ck_assert_ptr_null(p);
            ck_assert_ptr_nonnull(strstr(err.message, "memory"));
        }
}
END_TEST

static Suite *pool_suite(void) {
    Suite *s = suite_create("pool");
    TCase *t = tcase_create("pool");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, a_hundred_thousand_small_runs_compute_each_tile_once, 0, N_THREADS);
    tcase_add_loop_test(t, long_runs_compute_each_tile_once, 0, N_THREADS);
    tcase_add_loop_test(t, runs_after_any_pause_return, 0, N_THREADS);
    tcase_add_test(t, all_threads_of_a_pool_take_part);
    tcase_add_test(t, caller_sleeps_until_slow_workers_are_done);
    tcase_add_test(t, workers_that_lose_their_core_rest_and_come_back);
    tcase_add_test(t, one_tile_and_none_stay_on_the_caller);
    tcase_add_loop_test(t, every_thread_keeps_denormals_and_the_callers_mode_comes_back, 0, N_THREADS);
    tcase_add_test(t, idle_threads_sleep);
    tcase_add_test(t, pools_live_side_by_side_and_end_unused);
    tcase_add_test(t, thread_numbers_out_of_range_are_refused);
    tcase_add_test(t, each_failing_allocation_or_thread_is_an_error_that_leaves_nothing_behind);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(pool_suite());
}
