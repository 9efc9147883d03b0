/* kernel_peaks.c: checkers of the loops that find what a level can do at most. They compute like any kernel, so that a loop from which a
 * compiler took the work away, or which does less than it is paid for, is found out. */
#include <string.h>

#include "tests/cases_internal.h"
#include "tests/support/kernels.h"

enum { LANES = TL_PEAK_LANES, BLOCK = TL_PEAK_BLOCK, MOST = 40 };

typedef struct peak_args {
    float *y;
    const float *a, *b;
    int32_t *sums;
    const uint8_t *u;
    const int8_t *x;
    float p, q;
    int64_t n;
} peak_args;

static void call_peak(kernel_fn fn, const void *args) {
    const peak_args *v = args;
    ((tl_fn_peak)fn)(v->y, v->p, v->q, v->n);
}

static void call_int8(kernel_fn fn, const void *args) {
    const peak_args *v = args;
    ((tl_fn_peak_int8)fn)(v->sums, v->u, v->x, v->n);
}

static void call_read(kernel_fn fn, const void *args) {
    const peak_args *v = args;
    ((tl_fn_peak_read)fn)(v->y, v->a, v->n);
}

static void call_triad(kernel_fn fn, const void *args) {
    const peak_args *v = args;
    ((tl_fn_peak_triad)fn)(v->y, v->a, v->b, v->p, v->n);
}

/* Factors of both kinds for peak_apart, powers of two for peak_exact. */
KERNEL_CHECKER(tl_fn_peak) {
    static const float factors[] = {0.5f, 1, -2, 0x1p-7f, 0.7f, -1.1f, 3.14159f};
    static float lanes[LANES];
    int n_factors = strcmp(j->name, "peak_exact") == 0 ? 4 : 7;
    for (int f = 0; f < n_factors; f++)
        for (int64_t n = 0; n < MOST; n += n < 9 ? 1 : 7) {
            peak_args v = {.p = factors[f], .q = f % 2 ? 1.5f : -0.3f, .n = n};
            kernel_floats(lanes, LANES, FILL_NORMAL, (uint64_t)(100 * f + n));
            kernel_says(j, "factor %d, n = %lld", f, (long long)n);
            kernel_arg arg[] = {{.pointer = &v.y, .bytes = sizeof lanes, .align = 4, .data = lanes, .changes = true}};
            if (!kernel_run(j, call_peak, &v, arg, 1))
                return false;
        }
    return true;
}

/* Also with the largest products, of both signs. */
KERNEL_CHECKER(tl_fn_peak_int8) {
    static int32_t sums[LANES];
    static uint8_t u[4 * LANES];
    static int8_t x[4 * MOST];
    uint64_t state = 1;
    for (int how = 0; how < 4; how++)
        for (int64_t n = 8; n <= MOST; n += 8) {
            peak_args v = {.n = n};
            for (int i = 0; i < 4 * LANES; i++)
                u[i] = how < 2 ? 15 : (uint8_t)(case_random(&state) % 16);
            for (int i = 0; i < 4 * MOST; i++)
                x[i] = how == 0 ? 127 : how == 1 ? -127 : (int8_t)((int)(case_random(&state) % 255) - 127);
            for (int i = 0; i < LANES; i++)
                sums[i] = (int32_t)(case_random(&state) % 2000000) - 1000000;
            kernel_says(j, "numbers %d, n = %lld", how, (long long)n);
            kernel_arg arg[] = {{.pointer = &v.sums, .bytes = sizeof sums, .align = 4, .data = sums, .changes = true},
                                {.pointer = &v.u, .bytes = sizeof u, .align = 1, .data = u},
                                {.pointer = &v.x, .bytes = (size_t)n * 4, .align = 1, .data = x}};
            if (!kernel_run(j, call_int8, &v, arg, 3))
                return false;
        }
    return true;
}

KERNEL_CHECKER(tl_fn_peak_read) {
    static float lanes[BLOCK], x[BLOCK * MOST];
    for (int fill = 0; fill < KERNEL_FILLS; fill++)
        for (int64_t blocks = 1; blocks <= MOST; blocks += 3) {
            peak_args v = {.n = blocks * BLOCK};
            kernel_floats(lanes, BLOCK, fill, 1);
            kernel_floats(x, v.n, fill, (uint64_t)blocks);
            kernel_says(j, "n = %lld, %s", (long long)v.n, kernel_fill_name(fill));
            kernel_arg arg[] = {{.pointer = &v.y, .bytes = sizeof lanes, .align = 4, .data = lanes, .changes = true},
                                {.pointer = &v.a, .bytes = (size_t)v.n * 4, .align = 4, .data = x}};
            if (!kernel_run(j, call_read, &v, arg, 2))
                return false;
        }
    return true;
}

KERNEL_CHECKER(tl_fn_peak_triad) {
    static float a[BLOCK * MOST], b[BLOCK * MOST];
    for (int fill = 0; fill < KERNEL_FILLS; fill++)
        for (int64_t blocks = 1; blocks <= MOST; blocks += 3) {
            peak_args v = {.n = blocks * BLOCK, .p = 0.7f};
            size_t bytes = (size_t)v.n * 4;
            kernel_floats(a, v.n, fill, (uint64_t)blocks);
            kernel_floats(b, v.n, fill, (uint64_t)blocks + 100);
            kernel_says(j, "n = %lld, %s", (long long)v.n, kernel_fill_name(fill));
            kernel_arg arg[] = {{.pointer = &v.a, .bytes = bytes, .align = 4, .data = a},
                                {.pointer = &v.b, .bytes = bytes, .align = 4, .data = b},
                                {.pointer = &v.y, .bytes = bytes, .align = 4}};
            if (!kernel_run(j, call_triad, &v, arg, 3))
                return false;
        }
    return true;
}
