/* suite.h: what every Check program of the suite shares: running one Suite as a program, skipping aloud, and assertions that cost little. */
#ifndef TALLY_TESTS_SUITE_H
#define TALLY_TESTS_SUITE_H

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Check tells its parent of every assertion that holds, by a system call each, so that a crash can be said to come "after this point".
 * Loops assert millions of times: here each line is told of once. */
static inline _Bool told_before(int line) {
    static atomic_bool told[1024]; /* lines that share an entry only make the point less exact */
    return atomic_exchange_explicit(&told[line % 1024], 1, memory_order_relaxed);
}
#define _mark_point(file, line) (told_before(line) ? (void)0 : _mark_point(file, line))

/* Runs the suite; Check's summary line is what tests/run counts. */
static inline int run_suite(Suite *s) {
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* How much of a test of many draws runs: `few` where the runner asks for it, under an emulator. */
static inline int sparing(int full, int few) {
    return getenv("TALLY_TEST_SPARING") ? few : full;
}

/* Ends a test that cannot run here, with a line that tests/run counts as skipped. */
#define SKIP(why)                                \
    do {                                         \
        printf("SKIP: %s: %s\n", __func__, why); \
        fflush(stdout);                          \
        return;                                  \
    } while (0)

#endif
