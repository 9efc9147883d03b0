/* check.h: as much of the Check library as the suite uses, for a module that has neither processes nor signals. Found before the real
 * one by its folder on the include path. The host (run.mjs) runs each test in an instance of its own: check.c lists the tests, or runs
 * the one that CHECK_TEST names. A failed check ends the instance with status 1; a trap is a failure, too. */
#ifndef TALLY_TESTS_WASM_CHECK_H
#define TALLY_TESTS_WASM_CHECK_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct TTest {
    const char *name;
    void (*fn)(int i);
} TTest;
typedef struct Suite Suite;
typedef struct TCase TCase;
typedef struct SRunner SRunner;
typedef void (*SFun)(void);
enum print_output { CK_SILENT, CK_MINIMAL, CK_NORMAL, CK_VERBOSE, CK_ENV };

Suite *suite_create(const char *name);
void suite_add_tcase(Suite *s, TCase *t);
TCase *tcase_create(const char *name);
void tcase_set_timeout(TCase *t, double seconds); /* the host has none */
void tcase_add_checked_fixture(TCase *t, SFun setup, SFun teardown);
void tcase_add_unchecked_fixture(TCase *t, SFun setup, SFun teardown);
void check_add_test(TCase *t, const TTest *test, int signal, int first, int end);
SRunner *srunner_create(Suite *s);
void srunner_add_suite(SRunner *r, Suite *s);
void srunner_run_all(SRunner *r, enum print_output mode);
int srunner_ntests_failed(SRunner *r);
void srunner_free(SRunner *r);
_Noreturn void check_fails(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define tcase_add_test(t, test) check_add_test(t, test, 0, 0, 1)
#define tcase_add_loop_test(t, test, first, end) check_add_test(t, test, 0, first, end)
#define tcase_add_test_raise_signal(t, test, signal) check_add_test(t, test, signal, 0, 1)

#define START_TEST(test)                                  \
    static void test##_fn(int _i);                        \
    static const TTest test##_ttest = {#test, test##_fn}; \
    static const TTest *const test = &test##_ttest;       \
    static void test##_fn(int _i __attribute__((unused)))
#define END_TEST

#define ck_abort_msg(...) check_fails(__FILE__, __LINE__, __VA_ARGS__)
#define ck_assert_msg(condition, ...) ((condition) ? (void)0 : check_fails(__FILE__, __LINE__, __VA_ARGS__))
#define ck_assert(condition) ck_assert_msg(condition, "'%s' is false", #condition)
#define ck_assert_ptr_null(x) ck_assert_msg((x) == NULL, "'%s' is not NULL", #x)
#define ck_assert_ptr_nonnull(x) ck_assert_msg((x) != NULL, "'%s' is NULL", #x)

/* Compares x with y as `type` and shows both by `format`. */
#define CHECK_COMPARE(type, format, x, op, y)                                                                              \
    do {                                                                                                                   \
        type check_x = (x);                                                                                                \
        type check_y = (y);                                                                                                \
        if (!(check_x op check_y))                                                                                         \
            check_fails(__FILE__, __LINE__, "'%s %s %s' is false: " format " and " format, #x, #op, #y, check_x, check_y); \
    } while (0)
#define CHECK_INT(x, op, y) CHECK_COMPARE(long long, "%lld", x, op, y)
#define CHECK_UINT(x, op, y) CHECK_COMPARE(unsigned long long, "%llu", x, op, y)
#define CHECK_REAL(x, op, y) CHECK_COMPARE(double, "%a", x, op, y)
#define CHECK_PTR(x, op, y) CHECK_COMPARE(const void *, "%p", x, op, y)
#define ck_assert_int_eq(x, y) CHECK_INT(x, ==, y)
#define ck_assert_int_ne(x, y) CHECK_INT(x, !=, y)
#define ck_assert_int_lt(x, y) CHECK_INT(x, <, y)
#define ck_assert_int_le(x, y) CHECK_INT(x, <=, y)
#define ck_assert_int_gt(x, y) CHECK_INT(x, >, y)
#define ck_assert_int_ge(x, y) CHECK_INT(x, >=, y)
#define ck_assert_uint_eq(x, y) CHECK_UINT(x, ==, y)
#define ck_assert_uint_ne(x, y) CHECK_UINT(x, !=, y)
#define ck_assert_uint_lt(x, y) CHECK_UINT(x, <, y)
#define ck_assert_uint_le(x, y) CHECK_UINT(x, <=, y)
#define ck_assert_uint_gt(x, y) CHECK_UINT(x, >, y)
#define ck_assert_uint_ge(x, y) CHECK_UINT(x, >=, y)
#define ck_assert_float_eq(x, y) CHECK_REAL(x, ==, y)
#define ck_assert_double_eq(x, y) CHECK_REAL(x, ==, y)
#define ck_assert_double_lt(x, y) CHECK_REAL(x, <, y)
#define ck_assert_double_le(x, y) CHECK_REAL(x, <=, y)
#define ck_assert_double_gt(x, y) CHECK_REAL(x, >, y)
#define ck_assert_double_ge(x, y) CHECK_REAL(x, >=, y)
#define ck_assert_double_eq_tol(x, y, tolerance) CHECK_REAL(fabs((x) - (y)), <, tolerance)
#define ck_assert_ptr_eq(x, y) CHECK_PTR(x, ==, y)
#define ck_assert_ptr_ne(x, y) CHECK_PTR(x, !=, y)

/* Strings, either of which may be NULL. */
#define CHECK_STRINGS(x, y, wanted)                                                                                      \
    do {                                                                                                                 \
        const char *check_x = (x), *check_y = (y);                                                                       \
        bool check_same = check_x && check_y ? strcmp(check_x, check_y) == 0 : check_x == check_y;                       \
        if (check_same != (wanted))                                                                                      \
            check_fails(__FILE__, __LINE__, "'%s' and '%s' are \"%s\" and \"%s\"", #x, #y, check_x ? check_x : "(NULL)", \
                        check_y ? check_y : "(NULL)");                                                                   \
    } while (0)
#define ck_assert_str_eq(x, y) CHECK_STRINGS(x, y, true)
#define ck_assert_str_ne(x, y) CHECK_STRINGS(x, y, false)
#define ck_assert_mem_eq(x, y, bytes) ck_assert_msg(memcmp(x, y, bytes) == 0, "the bytes of '%s' and '%s' differ", #x, #y)

#endif
