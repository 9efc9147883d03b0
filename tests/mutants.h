/* mutants.h: what tests of the checkers share: a table with one damaged kernel, and that the checker of that kernel must notice. */
#ifndef TALLY_TESTS_MUTANTS_H
#define TALLY_TESTS_MUTANTS_H

#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"
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

/* The product of a panel by one of its rows as stored, which is what mutants are written for. */
static inline void panel_by_rows(tl_dtype type, tl_fn_dot rows, float *y, int64_t y_stride, const void *panel, const void *x,
                                 size_t x_stride, int n_cols, int64_t k) {
    tl_tensor t = {.dtype = type, .rank = 2, .shape = {TL_PANEL, k}};
    size_t row_bytes = (size_t)(k / tl_dtype_get(type)->block) * (size_t)tl_dtype_get(type)->block_bytes;
    char *w = malloc(row_bytes * TL_PANEL);
    ck_assert_ptr_nonnull(w);
    tl_cpu_layout_of(type)->unpack_rows(&t, 0, TL_PANEL, panel, w);
    rows(y, y_stride, w, row_bytes, TL_PANEL, x, x_stride, n_cols, k);
    free(w);
}

/* A test like MUTANT with a panel kernel of such rows. */
#define ROWS_MUTANT(test, type, rows, kernel_name)                                                                                      \
    static void rows##_of_panel(float *y, int64_t y_stride, const void *panel, const void *x, size_t x_stride, int n_cols, int64_t k) { \
        panel_by_rows(type, rows, y, y_stride, panel, x, x_stride, n_cols, k);                                                          \
    }                                                                                                                                   \
    MUTANT(test, panel, type, rows##_of_panel, kernel_name)

#endif
