/* suite.h: what every Check program of the suite shares: running one Suite as a program, and skipping aloud. */
#ifndef TALLY_TESTS_SUITE_H
#define TALLY_TESTS_SUITE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* Runs the suite; Check's summary line is what tests/run counts. */
static inline int run_suite(Suite *s) {
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Ends a test that cannot run here, with a line that tests/run counts as skipped. */
#define SKIP(why)                                \
    do {                                         \
        printf("SKIP: %s: %s\n", __func__, why); \
        fflush(stdout);                          \
        return;                                  \
    } while (0)

#endif
