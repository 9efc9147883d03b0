/* test_floatenv.c: the float environment is what results rest on whatever the caller's, the caller's comes back, and this build passes
 * the check. (That the check finds each wrong flag was seen by hand: it needs builds with those flags.) */
#include "tests/suite.h"

#include <fenv.h>
#include <string.h>

#include "tensor/platform.h"

static float tiny_product(void) {
    volatile float a = 0x1p-100f, b = 0x1p-40f; /* 2^-140: a denormal */
    return a * b;
}

static float one_third(void) {
    volatile float a = 1, b = 3;
    return a / b;
}

START_TEST(this_build_computes_as_the_reference_demands) {
    const char *wrong = tl_float_check();
    ck_assert_msg(wrong == NULL, "%s", wrong ? wrong : "");
}
END_TEST

START_TEST(enter_rounds_to_nearest_and_leave_restores_the_caller) {
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST};
    float nearest = one_third();
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        ck_assert_int_eq(fesetround(modes[i]), 0);
        float before = one_third();
        uint64_t saved = tl_float_enter();
        float inside = one_third();
        const char *wrong = tl_float_check();
        tl_float_leave(saved);
        float after = one_third();
        int mode = fegetround();
        fesetround(FE_TONEAREST);
        ck_assert_ptr_null(wrong);
        ck_assert_int_eq(memcmp(&inside, &nearest, 4), 0);
        ck_assert_int_eq(memcmp(&after, &before, 4), 0);
        ck_assert_int_eq(mode, modes[i]);
    }
}
END_TEST

START_TEST(enter_keeps_denormals_and_leave_restores_flushing) {
    ck_assert(tiny_product() > 0); /* the mode a program starts with */
#if !defined(__SSE2__) && !defined(__aarch64__)
    SKIP("no mode that flushes denormals is known for this processor");
#else
    uint64_t first = tl_float_enter();
#if defined(__SSE2__)
    tl_float_leave(0x1F80 | 0x8040);
#else
    tl_float_leave((uint64_t)1 << 24);
#endif
    float before = tiny_product();
    uint64_t saved = tl_float_enter();
    float inside = tiny_product();
    tl_float_leave(saved);
    const char *wrong = tl_float_check(); /* must not be misled by the caller's mode */
    float after = tiny_product();
    tl_float_leave(first);
    ck_assert_int_eq(memcmp(&before, &(float){0}, 4), 0);
    ck_assert_int_eq(memcmp(&inside, &(uint32_t){0x200}, 4), 0);
    ck_assert_int_eq(memcmp(&after, &(float){0}, 4), 0);
    ck_assert_ptr_null(wrong);
#endif
}
END_TEST

static Suite *floatenv_suite(void) {
    Suite *s = suite_create("floatenv");
    TCase *t = tcase_create("floatenv");
    tcase_add_test(t, this_build_computes_as_the_reference_demands);
    tcase_add_test(t, enter_rounds_to_nearest_and_leave_restores_the_caller);
    tcase_add_test(t, enter_keeps_denormals_and_leave_restores_flushing);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(floatenv_suite());
}
