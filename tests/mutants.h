/* mutants.h: what tests of the checkers share: a table with one damaged kernel, and that the checker of that kernel must notice. */
#ifndef TALLY_TESTS_MUTANTS_H
#define TALLY_TESTS_MUTANTS_H

#include <string.h>

#include "tests/suite.h"
#include "tests/support/kernels.h"

static inline tl_kernels scalar_table(void) {
    tl_kernels k;
    tl_level_flatten(tl_level_find("scalar"), &k);
    return k;
}

/* The checker of kernel `name` refuses it in k, and says which it is; with the kernel of the scalar level it is content. */
static inline void must_notice(const tl_kernels *k, const char *name) {
    char why[KERNEL_WHY] = "";
    int i = kernel_find(name);
    ck_assert_int_ge(i, 0);
    ck_assert_msg(!kernel_check(k, i, why), "%s is damaged and passes", name);
    ck_assert_msg(strncmp(why, name, strlen(name)) == 0, "the message is '%s'", why);
    tl_kernels good = scalar_table();
    ck_assert_msg(kernel_check(&good, i, why), "%s", why);
}

/* A test that puts `kernel` into slot[entry] and wants the checker of `kernel_name` to notice. */
#define MUTANT(test, slot, entry, kernel, kernel_name) \
    START_TEST(test) {                                 \
        tl_kernels k = scalar_table();                 \
        k.slot[entry] = kernel;                        \
        must_notice(&k, kernel_name);                  \
    }                                                  \
    END_TEST

#endif
