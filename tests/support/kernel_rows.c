/* kernel_rows.c: checkers of the kernels that work on rows: quantising, elementwise, norms, softmax, rope. */
#include <stdio.h>

#include "tensor/math.h"
#include "tests/support/kernels.h"

enum { LONGEST = 16387 };

/* What a call takes; each signature uses some. */
typedef struct row_args {
    float *y;
    const float *a, *b, *c;
    void *blocks;
    float p, q;
    int64_t n, pairs;
    tl_rope_mode mode;
} row_args;

/* ---- rows of x for linear layers ---- */

static void call_quantize_x32(kernel_fn fn, const void *args) {
    const row_args *v = args;
    ((tl_fn_quantize_x32)fn)(v->a, v->n, v->blocks);
}

static void call_quantize_x256(kernel_fn fn, const void *args) {
    const row_args *v = args;
    ((tl_fn_quantize_x256)fn)(v->a, v->n, v->blocks);
}

/* Half of the elements where x / d and x * id, or the ways to round a half, part: near (i + 0.5) amax / 127. */
static void near_ties(float *x, int64_t n) {
    for (int64_t i = 1; i < n; i += 2)
        x[i] = ((float)(i * 37 % 252 - 126) + 0.5f) * (tl_absf(x[0]) / 127.0f);
}

static bool check_quantizer(kernel_job *j, int block, size_t block_bytes, void (*call)(kernel_fn, const void *)) {
    static float x[LONGEST];
    static const int blocks[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 18, 31, 48};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        for (int fill = 0; fill < 2 * KERNEL_FILLS; fill++) {
            row_args v = {.n = (int64_t)blocks[i] * block};
            kernel_floats(x, v.n, fill % KERNEL_FILLS, (uint64_t)(i * 100) + (uint64_t)fill);
            for (int64_t b = 0; fill >= KERNEL_FILLS && b < v.n; b += block)
                near_ties(x + b, block);
            kernel_says(j, "k = %lld, %s%s", (long long)v.n, kernel_fill_name(fill % KERNEL_FILLS),
                        fill >= KERNEL_FILLS ? " and near ties" : "");
            kernel_arg arg[] = {{.pointer = &v.a, .bytes = (size_t)v.n * 4, .align = 4, .data = x},
                                {.pointer = &v.blocks, .bytes = (size_t)blocks[i] * block_bytes, .align = 4, .unit = block_bytes}};
            if (!kernel_run(j, call, &v, arg, 2))
                return false;
        }
    return true;
}

KERNEL_CHECKER(tl_fn_quantize_x32) {
    return check_quantizer(j, 32, sizeof(tl_x32), call_quantize_x32);
}

KERNEL_CHECKER(tl_fn_quantize_x256) {
    return check_quantizer(j, 256, sizeof(tl_x256), call_quantize_x256);
}

/* ---- elementwise ---- */

static void call_unary(kernel_fn fn, const void *args) {
    const row_args *v = args;
    ((tl_fn_unary)fn)(v->y, v->a, v->n);
}

static void call_binary(kernel_fn fn, const void *args) {
    const row_args *v = args;
    ((tl_fn_binary)fn)(v->y, v->a, v->b, v->n);
}

static void call_scale(kernel_fn fn, const void *args) {
    const row_args *v = args;
    ((tl_fn_scale)fn)(v->y, v->a, v->p, v->n);
}

static void call_clamp(kernel_fn fn, const void *args) {
    const row_args *v = args;
    ((tl_fn_clamp)fn)(v->y, v->a, v->p, v->q, v->n);
}

/* Every length with every fill for n_in rows of data; y may lie in place of each. */
static bool check_map(kernel_job *j, row_args *v, int n_in, void (*call)(kernel_fn, const void *), const char *more) {
    static float x[2][LONGEST];
    for (int i = 0; (v->n = kernel_length(i, LONGEST)) > 0; i++)
        for (int fill = 0; fill < KERNEL_FILLS; fill++) {
            size_t bytes = (size_t)v->n * sizeof(float);
            for (int k = 0; k < n_in; k++)
                kernel_floats(x[k], v->n, fill, (uint64_t)(i * 1000 + fill * 10 + k));
            kernel_says(j, "n = %lld, %s%s", (long long)v->n, kernel_fill_name(fill), more);
            kernel_arg arg[3] = {{.pointer = &v->a, .bytes = bytes, .align = 4, .data = x[0]},
                                 {.pointer = &v->b, .bytes = bytes, .align = 4, .data = x[1]}};
            arg[n_in] = (kernel_arg){.pointer = &v->y, .bytes = bytes, .align = 4, .in_place = (1u << n_in) - 1};
            if (!kernel_run(j, call, v, arg, n_in + 1))
                return false;
        }
    return true;
}

static bool check_values(kernel_job *j, const float *x, int64_t n) {
    row_args v = {.n = n};
    kernel_arg arg[] = {{.pointer = &v.a, .bytes = (size_t)n * 4, .align = 4, .data = x},
                        {.pointer = &v.y, .bytes = (size_t)n * 4, .align = 4}};
    return kernel_run(j, call_unary, &v, arg, 2);
}

/* Half a million floats from all there are, and those next to where some function changes its way. */
static bool check_sweep(kernel_job *j) {
    static const float edges[] = {0,     0x1p-126f, 0x1p-100f, 0x1p-24f,  0x1p-14f,       0.5f,           0.625f,   0.70710678f,
                                  1,     2,         4,         8.5f,      0x1.5d589ep+6f, 0x1.62e42ep+6f, 0x1p+20f, 65504,
                                  65520, 0x1p+100f, 1.570796f, 3.141593f, 0x1.62e43p-2f,  0x1.8p+23f,     FLT_MAX};
    enum { PART = 16384, PARTS = 32, STEP = 8191, NEAR = 64, EDGES = sizeof edges / sizeof *edges };
    static float x[PART];
    for (uint32_t part = 0; part < PARTS; part++) {
        for (uint32_t i = 0; i < PART; i++)
            x[i] = tl_real((part * PART + i) * STEP);
        kernel_says(j, "floats from %08x on", (unsigned)(part * PART * STEP));
        if (!check_values(j, x, PART))
            return false;
    }
    for (uint32_t e = 0; e < EDGES; e++) {
        for (uint32_t i = 0; i < 4 * NEAR; i++)
            x[i] = tl_real((tl_bits(edges[e]) - NEAR + i % (2 * NEAR)) ^ (i < 2 * NEAR ? 0 : TL_SIGN_BIT));
        kernel_says(j, "floats about +-%08x", (unsigned)tl_bits(edges[e]));
        if (!check_values(j, x, 4 * NEAR))
            return false;
    }
    return true;
}

KERNEL_CHECKER(tl_fn_unary) {
    row_args v = {.n = 0};
    return check_map(j, &v, 1, call_unary, "") && check_sweep(j);
}

KERNEL_CHECKER(tl_fn_binary) {
    row_args v = {.n = 0};
    return check_map(j, &v, 2, call_binary, "");
}

KERNEL_CHECKER(tl_fn_scale) {
    static const uint32_t factors[] = {0x3E000000, 0x3DD105EB, 0xBF800000, 0x80000000,
                                       0x7F800000, 0x00000001, 0x7F7FFFFF}; /* 1/8, 0.1020, -1 .. */
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        row_args v = {.p = tl_real(factors[i])};
        char more[32];
        snprintf(more, sizeof more, ", factor %08x", (unsigned)factors[i]);
        if (!check_map(j, &v, 1, call_scale, more))
            return false;
    }
    return true;
}

KERNEL_CHECKER(tl_fn_clamp) {
    static const struct {
        uint32_t low, high;
    } ranges[] = {
        {0xBF800000, 0x3F800000}, {0x00000000, 0x7F800000}, {0xFF800000, 0x80000000}, {0x3F000000, 0x3F000000}, {0xFF7FFFFF, 0x7F7FFFFF}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        row_args v = {.p = tl_real(ranges[i].low), .q = tl_real(ranges[i].high)};
        char more[48];
        snprintf(more, sizeof more, ", from %08x to %08x", (unsigned)ranges[i].low, (unsigned)ranges[i].high);
        if (!check_map(j, &v, 1, call_clamp, more))
            return false;
    }
    return true;
}

/* ---- whole rows with optional vectors ---- */

static void call_rms_norm(kernel_fn fn, const void *args) {
    const row_args *v = args;
    ((tl_fn_rms_norm)fn)(v->y, v->a, v->b, v->p, v->n);
}

static void call_layer_norm(kernel_fn fn, const void *args) {
    const row_args *v = args;
    ((tl_fn_layer_norm)fn)(v->y, v->a, v->b, v->c, v->p, v->n);
}

static void call_softmax(kernel_fn fn, const void *args) {
    const row_args *v = args;
    ((tl_fn_softmax)fn)(v->y, v->a, v->b, v->p, v->n);
}

/* A mask as models have it: 0 and -inf; sometimes -inf throughout. */
static void make_mask(float *mask, int64_t n, int turn) {
    for (int64_t i = 0; i < n; i++)
        mask[i] = turn % 7 == 0 || (i * 2654435761u >> 7 & 1) ? -tl_real(TL_INF_BITS) : 0.0f;
}

/* Every length and fill, with every choice of optional vectors b and c: bit 0 of `with` for b, bit 1 for c. y may lie in place of x. */
static bool check_rows(kernel_job *j, int choices, bool masks, void (*call)(kernel_fn, const void *)) {
    static float x[LONGEST], b[LONGEST], c[LONGEST];
    static const float p_of_norm[] = {1e-5f, 0, 1}, p_of_softmax[] = {1, 0.125f, -3};
    for (int i = 0; kernel_length(i, LONGEST) > 0; i++)
        for (int fill = 0; fill < KERNEL_FILLS; fill++)
            for (int with = 0; with < choices; with++) {
                int turn = i * 7 + fill + with;
                row_args v = {.n = kernel_length(i, LONGEST), .p = masks ? p_of_softmax[turn % 3] : p_of_norm[turn % 3]};
                size_t bytes = (size_t)v.n * sizeof(float);
                kernel_floats(x, v.n, fill, (uint64_t)turn * 3);
                kernel_floats(b, v.n, turn % KERNEL_FILLS, (uint64_t)turn * 3 + 1);
                kernel_floats(c, v.n, turn / 2 % KERNEL_FILLS, (uint64_t)turn * 3 + 2);
                if (masks && turn % 2)
                    make_mask(b, v.n, turn);
                kernel_says(j, "n = %lld, %s, optional operands %d", (long long)v.n, kernel_fill_name(fill), with);
                kernel_arg arg[4] = {{.pointer = &v.a, .bytes = bytes, .align = 4, .data = x}};
                int n = 1;
                if (with & 1)
                    arg[n++] = (kernel_arg){.pointer = &v.b, .bytes = bytes, .align = 4, .data = b};
                if (with & 2)
                    arg[n++] = (kernel_arg){.pointer = &v.c, .bytes = bytes, .align = 4, .data = c};
                arg[n] = (kernel_arg){.pointer = &v.y, .bytes = bytes, .align = 4, .in_place = 1};
                if (!kernel_run(j, call, &v, arg, n + 1))
                    return false;
            }
    return true;
}

KERNEL_CHECKER(tl_fn_rms_norm) {
    return check_rows(j, 2, false, call_rms_norm);
}

KERNEL_CHECKER(tl_fn_layer_norm) {
    return check_rows(j, 4, false, call_layer_norm);
}

KERNEL_CHECKER(tl_fn_softmax) {
    return check_rows(j, 2, true, call_softmax);
}

/* ---- rope ---- */

static void call_rope(kernel_fn fn, const void *args) {
    const row_args *v = args;
    ((tl_fn_rope)fn)(v->y, v->a, v->b, v->pairs, v->n, v->mode);
}

static bool check_head(kernel_job *j, int64_t d, int64_t pairs, int fill, tl_rope_mode mode) {
    static float x[LONGEST], angles[LONGEST];
    row_args v = {.n = d, .pairs = pairs, .mode = mode};
    kernel_floats(x, d, fill, (uint64_t)(d * 10 + fill));
    kernel_floats(angles, 2 * pairs, fill == 5 ? 0 : fill, (uint64_t)(d * 10 + fill) + 77);
    kernel_says(j, "%lld of %lld elements, %s, %s", (long long)(2 * pairs), (long long)d, mode == TL_ROPE_HALVES ? "halves" : "interleaved",
                kernel_fill_name(fill));
    kernel_arg arg[] = {{.pointer = &v.a, .bytes = (size_t)d * 4, .align = 4, .data = x},
                        {.pointer = &v.b, .bytes = (size_t)pairs * 8, .align = 4, .data = angles},
                        {.pointer = &v.y, .bytes = (size_t)d * 4, .align = 4, .in_place = 1}};
    return kernel_run(j, call_rope, &v, arg, 3);
}

KERNEL_CHECKER(tl_fn_rope) {
    for (int i = 1; kernel_length(i, LONGEST) > 0; i++) {
        int64_t d = kernel_length(i, LONGEST);
        for (int fill = 0; fill < KERNEL_FILLS; fill++)
            for (int part = 0; part < 4; part++) {
                int64_t pairs = part / 2 ? (d + 3) / 4 : d / 2;
                if (!check_head(j, d, pairs, fill, part % 2 ? TL_ROPE_HALVES : TL_ROPE_INTERLEAVED))
                    return false;
            }
    }
    return true;
}
