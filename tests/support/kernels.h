/* kernels.h: what judges kernels of the cpu backend: a plain definition of every slot of backends/cpu/kernels.def, and for every signature a
 * checker that runs a kernel on generated data and compares bits with the definition. The checkers take a table of kernels, so that
 * tests/check_kernels.c can hand them every level's and tests/test_mutants.c damaged ones. A slot without definition, or a signature
 * without checker, does not compile.
 *
 * Who links this adds tests/cases_fill.c, the generator. */
#ifndef TALLY_TESTS_KERNELS_H
#define TALLY_TESTS_KERNELS_H

#include "backends/cpu/kernels.h"

enum { KERNEL_WHY = 512 };

/* Kernels are numbered: every entry of every slot. The name of one: "rms_norm", "dot/q4_1". */
int kernel_count(void);
const char *kernel_name(int i, char *buf, size_t bytes);
int kernel_find(const char *name); /* -1: none */
/* Whether kernel i is defined: then every level must have it unless it is optional, else none may. */
bool kernel_defined(int i);
bool kernel_optional(int i);                   /* a level may do without */
bool kernel_given(const tl_kernels *k, int i); /* whether k has it */
/* True where kernel i of k keeps every promise (or is rightly absent); else why says what broke it. */
bool kernel_check(const tl_kernels *k, int i, char why[KERNEL_WHY]);
/* The definitions as a table. */
extern const tl_kernels kernel_definitions;

/* Speed of kernel i, in cache: "ns/element" or "GMAC/s". */
typedef struct kernel_speed {
    const char *unit;
    double one, many; /* many: with several columns, or longer rows */
} kernel_speed;
kernel_speed kernel_time(const tl_kernels *k, int i);

/* ---- from here on for checkers (tests/support/kernel_*.c) ---- */

typedef void (*kernel_fn)(void); /* any kernel */

typedef struct kernel_job {
    const char *name;
    tl_dtype type; /* the entry of a slot by weight type */
    kernel_fn fn, want;
    char *why;
    char what[200]; /* the case at hand, for messages */
} kernel_job;

/* A buffer that a kernel is given. Its address is put where `pointer` points. */
typedef struct kernel_arg {
    void *pointer; /* of any object pointer */
    size_t bytes;
    size_t align;      /* what the kernel may count on */
    const void *data;  /* what it holds; NULL: an output, full of garbage */
    bool changes;      /* an input that the kernel writes too */
    size_t unit;       /* outputs: a float stands at every multiple of this; the rest are integers. 0: 4; KERNEL_INTEGERS: none */
    unsigned in_place; /* outputs: bit i: may be the same memory as argument i */
} kernel_arg;

#define KERNEL_INTEGERS SIZE_MAX

/* Calls the definition on plain memory and the kernel in every way memory can lie (in the midst of garbage, at the end and at the start of
 * what may be touched, in place) and compares outputs, inputs and surroundings. */
bool kernel_run(kernel_job *j, void (*call)(kernel_fn fn, const void *args), const void *args, kernel_arg *arg, int n);
void kernel_says(kernel_job *j, const char *fmt, ...) TL_PRINTF(2, 3);  /* sets what */
bool kernel_fails(kernel_job *j, const char *fmt, ...) TL_PRINTF(2, 3); /* sets why; gives false */

/* Generated floats; fills are those of tests/cases.h and one of random bits. */
enum { KERNEL_FILLS = 10 };
const char *kernel_fill_name(int fill);
void kernel_floats(float *dst, int64_t n, int fill, uint64_t seed);
/* The lengths to try, up to most: 1 .. 100 (sparing: fewer), 172, 576, 1000 and a long one. i from 0; 0 past the end. */
int64_t kernel_length(int i, int64_t most);

#define KERNEL_CHECKER(type) bool check_##type(kernel_job *j)
KERNEL_CHECKER(tl_fn_quantize_x32);
KERNEL_CHECKER(tl_fn_quantize_x256);
KERNEL_CHECKER(tl_fn_unary);
KERNEL_CHECKER(tl_fn_binary);
KERNEL_CHECKER(tl_fn_scale);
KERNEL_CHECKER(tl_fn_clamp);
KERNEL_CHECKER(tl_fn_rms_norm);
KERNEL_CHECKER(tl_fn_layer_norm);
KERNEL_CHECKER(tl_fn_softmax);
KERNEL_CHECKER(tl_fn_rope);
KERNEL_CHECKER(tl_fn_dot);
KERNEL_CHECKER(tl_fn_pack);
KERNEL_CHECKER(tl_fn_panel);
KERNEL_CHECKER(tl_fn_stored);
KERNEL_CHECKER(tl_fn_arrange_x32);
KERNEL_CHECKER(tl_fn_arrange_x256);
KERNEL_CHECKER(tl_fn_grouped);
KERNEL_CHECKER(tl_fn_from_f16);
KERNEL_CHECKER(tl_fn_scores);
KERNEL_CHECKER(tl_fn_weights);
KERNEL_CHECKER(tl_fn_values);
KERNEL_CHECKER(tl_fn_decode);
KERNEL_CHECKER(tl_fn_encode);
KERNEL_CHECKER(tl_fn_first_above);
KERNEL_CHECKER(tl_fn_argmax);
KERNEL_CHECKER(tl_fn_peak);
KERNEL_CHECKER(tl_fn_peak_int8);
KERNEL_CHECKER(tl_fn_peak_read);
KERNEL_CHECKER(tl_fn_peak_triad);

#define KERNEL_TIMER(type) kernel_speed time_##type(tl_dtype entry, type fn)
KERNEL_TIMER(tl_fn_quantize_x32);
KERNEL_TIMER(tl_fn_quantize_x256);
KERNEL_TIMER(tl_fn_unary);
KERNEL_TIMER(tl_fn_binary);
KERNEL_TIMER(tl_fn_scale);
KERNEL_TIMER(tl_fn_clamp);
KERNEL_TIMER(tl_fn_rms_norm);
KERNEL_TIMER(tl_fn_layer_norm);
KERNEL_TIMER(tl_fn_softmax);
KERNEL_TIMER(tl_fn_rope);
KERNEL_TIMER(tl_fn_dot);
KERNEL_TIMER(tl_fn_pack);
KERNEL_TIMER(tl_fn_panel);
KERNEL_TIMER(tl_fn_stored);
KERNEL_TIMER(tl_fn_arrange_x32);
KERNEL_TIMER(tl_fn_arrange_x256);
KERNEL_TIMER(tl_fn_grouped);
KERNEL_TIMER(tl_fn_from_f16);
KERNEL_TIMER(tl_fn_scores);
KERNEL_TIMER(tl_fn_weights);
KERNEL_TIMER(tl_fn_values);
KERNEL_TIMER(tl_fn_decode);
KERNEL_TIMER(tl_fn_encode);
KERNEL_TIMER(tl_fn_first_above);
KERNEL_TIMER(tl_fn_argmax);
KERNEL_TIMER(tl_fn_peak);
KERNEL_TIMER(tl_fn_peak_int8);
KERNEL_TIMER(tl_fn_peak_read);
KERNEL_TIMER(tl_fn_peak_triad);

#endif
