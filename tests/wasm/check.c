/* check.c: the half of Check that keeps suites: lists the tests of a program, or runs the one that the host asks for. */
#include "tests/wasm/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 512 }; /* tests, cases and fixtures of a program */

struct TCase {
    const char *name;
    SFun setup[8], teardown[8];
    int n_fixtures;
};
struct Suite {
    const char *name;
};
struct SRunner {
    Suite *suite;
};

typedef struct entry {
    const TCase *of;
    const TTest *test;
    int signal, first, end;
} entry;

static entry entries[MOST];
static int n_entries;
static TCase cases[MOST];
static int n_cases;
static Suite the_suite;
static SRunner the_runner;

Suite *suite_create(const char *name) {
    the_suite.name = name;
    return &the_suite;
}

void suite_add_tcase(Suite *s, TCase *t) {
    (void)s;
    (void)t;
}

TCase *tcase_create(const char *name) {
    if (n_cases == MOST)
        abort();
    cases[n_cases].name = name;
    return &cases[n_cases++];
}

void tcase_set_timeout(TCase *t, double seconds) {
    (void)t;
    (void)seconds;
}

void tcase_add_checked_fixture(TCase *t, SFun setup, SFun teardown) {
    if (t->n_fixtures == (int)(sizeof t->setup / sizeof *t->setup))
        abort();
    t->setup[t->n_fixtures] = setup;
    t->teardown[t->n_fixtures++] = teardown;
}

/* Each test has an instance of its own, so that once a case is once a test. */
void tcase_add_unchecked_fixture(TCase *t, SFun setup, SFun teardown) {
    tcase_add_checked_fixture(t, setup, teardown);
}

void check_add_test(TCase *t, const TTest *test, int signal, int first, int end) {
    if (n_entries == MOST)
        abort();
    entries[n_entries++] = (entry){t, test, signal, first, end};
}

SRunner *srunner_create(Suite *s) {
    the_runner.suite = s;
    return &the_runner;
}

void srunner_add_suite(SRunner *r, Suite *s) {
    (void)r;
    (void)s;
}

static void run(const entry *e, int i) {
    for (int f = 0; f < e->of->n_fixtures; f++)
        if (e->of->setup[f])
            e->of->setup[f]();
    e->test->fn(i);
    for (int f = e->of->n_fixtures - 1; f >= 0; f--)
        if (e->of->teardown[f])
            e->of->teardown[f]();
}

/* CHECK_TEST=n:i runs test n with _i = i. Without it: a line a test: n i signal case name. */
void srunner_run_all(SRunner *r, enum print_output mode) {
    const char *which = getenv("CHECK_TEST");
    (void)r;
    (void)mode;
    if (which && *which) {
        char *rest;
        long n = strtol(which, &rest, 10);
        run(&entries[n], (int)strtol(rest + 1, NULL, 10));
        return;
    }
    for (int n = 0; n < n_entries; n++)
        for (int i = entries[n].first; i < entries[n].end; i++)
            printf("CHECK %d:%d %d %s %s\n", n, i, entries[n].signal, entries[n].test->name, entries[n].of->name);
}

int srunner_ntests_failed(SRunner *r) {
    (void)r;
    return 0; /* a failed test does not come back */
}

void srunner_free(SRunner *r) {
    (void)r;
}

void check_fails(const char *file, int line, const char *fmt, ...) {
    va_list a;
    va_start(a, fmt);
    printf("%s:%d: ", file, line);
    vprintf(fmt, a);
    va_end(a);
    printf("\n");
    fflush(stdout);
    exit(1);
}
