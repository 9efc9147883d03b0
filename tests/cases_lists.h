/* cases_lists.h: the lists that cases of many ops run through: every fill, and row lengths around every width a kernel may work in. */
#ifndef TALLY_TESTS_CASES_LISTS_H
#define TALLY_TESTS_CASES_LISTS_H

#include <stdio.h>

#include "tests/cases.h"

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})

typedef struct fill_row {
    const char *name;
    case_fill fill;
} fill_row;
static const fill_row all_fills[] = {{"normal", FILL_NORMAL}, {"wide", FILL_WIDE}, {"cancel", FILL_CANCEL},
                                     {"ties", FILL_TIES},     {"tiny", FILL_TINY}, {"special", FILL_SPECIAL},
                                     {"finite", FILL_FINITE}, {"zero", FILL_ZERO}, {"ones", FILL_ONES}};

/* Odd lengths 1 .. 99, then even and large ones, in groups that fit one case. */
enum { LENGTHS_A_GROUP = 13, LENGTH_GROUPS = 5 };
static const int64_t all_lengths[LENGTH_GROUPS * LENGTHS_A_GROUP] = {1,  3,  5,  7,  9,  11, 13, 15,  17,  19,  21,  23,  25, /* */
                                                                     27, 29, 31, 33, 35, 37, 39, 41,  43,  45,  47,  49,  51, /* */
                                                                     53, 55, 57, 59, 61, 63, 65, 67,  69,  71,  73,  75,  77, /* */
                                                                     79, 81, 83, 85, 87, 89, 91, 93,  95,  97,  99,  2,   4,  /* */
                                                                     8,  16, 24, 32, 48, 64, 96, 100, 128, 172, 256, 576, 1000};

/* Input "xN" [rows, N] for each length of a group. */
static inline tl_tensor *length_input(case_env *e, int group, int i, int64_t rows, const char *prefix, case_fill fill) {
    char name[16];
    int64_t n = all_lengths[group * LENGTHS_A_GROUP + i];
    snprintf(name, sizeof name, "%s%d", prefix, (int)n);
    return case_input(e, name, TL_F32, 2, SHAPE(rows, n), fill);
}

#endif
