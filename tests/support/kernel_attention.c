/* kernel_attention.c: checkers of the kernels of attention over one chunk of keys. */
#include <string.h>

#include "tensor/math.h"
#include "tests/cases_internal.h"
#include "tests/support/kernels.h"

enum { MOST_KEYS = TL_ATTENTION_CHUNK, MOST_D = 256 };

typedef struct attention_args {
    float *y;
    const float *a, *b;
    const void *halves;
    float *max, *sum;
    size_t stride;
    int64_t n, d, t0;
    float scale;
    bool half, has_nan;
    int heads;
    int64_t gap; /* floats between rows */
} attention_args;

/* ---- f16 rows ---- */

static void call_from_f16(kernel_fn fn, const void *args) {
    const attention_args *v = args;
    ((tl_fn_from_f16)fn)(v->y, v->halves, v->stride, v->n, v->d);
}

static bool check_halves(kernel_job *j, int64_t n, int64_t d, size_t gap, uint16_t first) {
    static uint8_t rows[1 << 19];
    attention_args v = {.n = n, .d = d, .stride = 2 * (size_t)d + gap};
    memset(rows, 0xFF, sizeof rows);
    for (int64_t i = 0; i < n * d; i++) {
        uint16_t h = (uint16_t)(first + i);
        memcpy(rows + (size_t)(i / d) * v.stride + 2 * (size_t)(i % d), &h, 2);
    }
    kernel_says(j, "%lld rows of %lld, %zu bytes apart, values from %04x", (long long)n, (long long)d, v.stride, (unsigned)first);
    kernel_arg arg[] = {{.pointer = &v.halves, .bytes = (size_t)(n - 1) * v.stride + 2 * (size_t)d, .align = 2, .data = rows},
                        {.pointer = &v.y, .bytes = (size_t)(n * d) * 4, .align = 4}};
    return kernel_run(j, call_from_f16, &v, arg, 2);
}

KERNEL_CHECKER(tl_fn_from_f16) {
    for (int64_t d = 1; d <= 100; d++) /* stretches around zero, among the denormals, at inf and NaN */
        if (!check_halves(j, 1 + d % 5, d, 2 * (size_t)(d % 3), (uint16_t)(d * 0x0400 - 60)))
            return false;
    return check_halves(j, 64, 172, 6, 0x7B00) && check_halves(j, 256, 256, 0, 0); /* the last has all there are */
}

/* ---- scores ---- */

static void call_scores(kernel_fn fn, const void *args) {
    const attention_args *v = args;
    ((tl_fn_scores)fn)(v->y, v->n + v->gap, v->a, v->d + v->gap, v->heads, v->b, v->n, v->d, v->scale, v->half);
}

/* Products of a value of 13 bits with one from f16 are exact. */
static void make_exact(float *x, int64_t n, bool to_f16) {
    for (int64_t i = 0; i < n; i++)
        x[i] = to_f16 ? tl_f16_to_f32(tl_f32_to_f16(x[i])) : tl_x13(x[i]);
}

static bool check_keys(kernel_job *j, int64_t n, int64_t d, int fill, int turn) {
    static float q[TL_HEADS * (MOST_D + 3)], keys[MOST_KEYS * MOST_D];
    attention_args v = {.n = n, .d = d, .scale = turn % 2 ? 0.125f : 0x1.6a09e6p-4f};
    v.heads = 1 + turn % TL_HEADS;
    v.half = turn / TL_HEADS % 2;
    v.gap = turn % 3;
    int64_t all = v.heads * (d + v.gap) - v.gap;
    kernel_floats(q, all, fill, (uint64_t)turn * 2);
    kernel_floats(keys, n * d, turn % 3 ? fill : turn % KERNEL_FILLS, (uint64_t)turn * 2 + 1);
    for (int64_t i = 0; turn % 11 == 0 && i < all; i++) /* each product is -0 */
        q[i] = -1;
    for (int64_t i = 0; turn % 11 == 0 && i < n * d; i++)
        keys[i] = 0;
    if (v.half) {
        make_exact(q, all, false);
        make_exact(keys, n * d, true);
    }
    kernel_says(j, "%lld keys of %lld, %d queries%s, %s", (long long)n, (long long)d, v.heads, v.half ? " of 13 bits" : "",
                turn % 11 ? kernel_fill_name(fill) : "products of -0");
    kernel_arg arg[] = {{.pointer = &v.a, .bytes = (size_t)all * 4, .align = 4, .data = q},
                        {.pointer = &v.b, .bytes = (size_t)(n * d) * 4, .align = 4, .data = keys},
                        {.pointer = &v.y, .bytes = (size_t)(v.heads * (n + v.gap) - v.gap) * 4, .align = 4}};
    return kernel_run(j, call_scores, &v, arg, 3);
}

static const int64_t key_counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 255, 256};
static const int64_t head_lengths[] = {1, 2, 15, 16, 17, 32, 33, 64, 80, 96, 128, 172, 192, 256};
enum { N_KEY_COUNTS = sizeof key_counts / sizeof *key_counts, N_HEAD_LENGTHS = sizeof head_lengths / sizeof *head_lengths };

/* Every d with few keys, then common d with every number of keys. */
static bool check_shapes(kernel_job *j, bool (*check)(kernel_job *j, int64_t n, int64_t d, int fill, int turn)) {
    int turn = 0;
    for (int64_t d = 1; d <= 100; d++)
        for (int fill = 0; fill < KERNEL_FILLS; fill++, turn++)
            if (!check(j, 1 + turn % 9, d, fill, turn))
                return false;
    for (int i = 0; i < N_HEAD_LENGTHS; i++)
        for (int k = 0; k < N_KEY_COUNTS; k++, turn++)
            if (!check(j, key_counts[k], head_lengths[i], turn % KERNEL_FILLS, turn))
                return false;
    return true;
}

KERNEL_CHECKER(tl_fn_scores) {
    return check_shapes(j, check_keys);
}

/* ---- weights ---- */

/* Where a score is NaN the sum is NaN, and so is the attention's result whatever the maximum: nothing else is promised then. The sign of
 * a zero maximum cannot be seen either: the driver only subtracts it. */
static void call_weights(kernel_fn fn, const void *args) {
    const attention_args *v = args;
    ((tl_fn_weights)fn)(v->y, v->t0, v->n, v->half, v->max, v->sum);
    *v->max += 0.0f;
    if (v->has_nan && *v->sum != *v->sum) {
        *v->max = 0;
        memset(v->y, 0, (size_t)v->n * sizeof(float));
    }
}

/* Scores from far below the maximum, around the cut at -64, to it. */
static void make_scores(float *s, int64_t n, int fill, int turn) {
    kernel_floats(s, n, fill, (uint64_t)turn);
    for (int64_t t = 0; turn % 2 && fill < 4 && t < n; t++)
        s[t] = s[t] * 40;
    if (turn % 5 == 0)
        s[turn % n] = 10;
    if (turn % 5 == 0 && n > 3) {
        s[(turn + 1) % n] = -54;
        s[(turn + 2) % n] = tl_real(tl_bits(-54.0f) + 1);
        s[(turn + 3) % n] = -tl_real(TL_INF_BITS);
    }
}

static bool check_scores(kernel_job *j, int64_t n, int64_t t0, int fill, bool half, int turn) {
    static float s[MOST_KEYS];
    attention_args v = {.n = n, .t0 = t0, .half = half};
    make_scores(s, n, fill, turn);
    for (int64_t t = 0; t < n; t++)
        v.has_nan = v.has_nan || s[t] != s[t];
    kernel_says(j, "%lld keys from %lld, %s%s", (long long)n, (long long)t0, kernel_fill_name(fill), half ? ", to 13 bits" : "");
    kernel_arg arg[] = {{.pointer = &v.y, .bytes = (size_t)n * 4, .align = 4, .data = s, .changes = true},
                        {.pointer = &v.max, .bytes = 4, .align = 4},
                        {.pointer = &v.sum, .bytes = 4, .align = 4}};
    return kernel_run(j, call_weights, &v, arg, 3);
}

KERNEL_CHECKER(tl_fn_weights) {
    int turn = 0;
    for (int64_t n = 1; n <= MOST_KEYS; n += n < 100 ? 1 : 13)
        for (int fill = 0; fill < KERNEL_FILLS; fill++)
            for (int half = 0; half < 2; half++, turn++)
                if (!check_scores(j, n, (MOST_KEYS - n) * (turn % 4) / 3 + (turn % 8 == 3 ? 5120 : 0), fill, half, turn))
                    return false;
    return true;
}

/* ---- values ---- */

static void call_values(kernel_fn fn, const void *args) {
    const attention_args *v = args;
    ((tl_fn_values)fn)(v->y, v->d + v->gap, v->a, v->n + v->gap, v->heads, v->b, v->n, v->d, v->half);
}

static bool check_sum(kernel_job *j, int64_t n, int64_t d, int fill, int turn) {
    static float p[TL_HEADS * (MOST_KEYS + 3)], values[MOST_KEYS * MOST_D], sums[TL_HEADS * (MOST_D + 3)];
    attention_args v = {.n = n, .d = d};
    v.heads = 1 + turn % TL_HEADS;
    v.half = turn / TL_HEADS % 2;
    v.gap = turn % 3;
    int64_t all = v.heads * (n + v.gap) - v.gap, out = v.heads * (d + v.gap) - v.gap;
    memset(sums, 0, sizeof sums);
    if (turn % 3 == 1) /* the sums so far */
        kernel_floats(sums, out, fill, (uint64_t)turn * 2 + 7);
    kernel_floats(p, all, fill, (uint64_t)turn * 2);
    kernel_floats(values, n * d, turn % 3 ? fill : turn % KERNEL_FILLS, (uint64_t)turn * 2 + 1);
    for (int64_t i = 0; turn % 11 == 0 && i < all; i++) /* each product is -0 */
        p[i] = 0;
    for (int64_t i = 0; turn % 11 == 0 && i < n * d; i++)
        values[i] = -1;
    if (v.half) {
        make_exact(p, all, false);
        make_exact(values, n * d, true);
    }
    kernel_says(j, "%lld values of %lld, %d rows of weights%s, %s", (long long)n, (long long)d, v.heads, v.half ? " of 13 bits" : "",
                turn % 11 ? kernel_fill_name(fill) : "products of -0");
    kernel_arg arg[] = {{.pointer = &v.a, .bytes = (size_t)all * 4, .align = 4, .data = p},
                        {.pointer = &v.b, .bytes = (size_t)(n * d) * 4, .align = 4, .data = values},
                        {.pointer = &v.y, .bytes = (size_t)out * 4, .align = 4, .data = sums, .changes = true}};
    return kernel_run(j, call_values, &v, arg, 3);
}

KERNEL_CHECKER(tl_fn_values) {
    return check_shapes(j, check_sum);
}
