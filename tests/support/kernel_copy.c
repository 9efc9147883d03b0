/* kernel_copy.c: checkers of the kernels of the copy driver: conversions of rows, and the order of floats. */
#include <string.h>

#include "tensor/math.h"
#include "tests/blocks.h"
#include "tests/cases_internal.h"
#include "tests/support/kernels.h"

enum { LONGEST = 16387, ROOM = LONGEST * 4 };

typedef struct copy_args {
    const float *x;
    float *y;
    const void *stored;
    void *out;
    int64_t from, n;
    int32_t key;
} copy_args;

/* ---- conversions ---- */

static void call_decode(kernel_fn fn, const void *args) {
    const copy_args *v = args;
    ((tl_fn_decode)fn)(v->stored, v->y, v->n);
}

static void call_encode(kernel_fn fn, const void *args) {
    const copy_args *v = args;
    ((tl_fn_encode)fn)(v->x, v->out, v->n);
}

static size_t stored_bytes(tl_dtype t, int64_t n) {
    return (size_t)(n / tl_dtype_get(t)->block) * (size_t)tl_dtype_get(t)->block_bytes;
}

static bool check_decode(kernel_job *j, const void *stored, int64_t n) {
    copy_args v = {.n = n};
    kernel_arg arg[] = {{.pointer = &v.stored, .bytes = stored_bytes(j->type, n), .align = 1, .data = stored},
                        {.pointer = &v.y, .bytes = (size_t)n * 4, .align = 4}};
    return kernel_run(j, call_decode, &v, arg, 2);
}

/* Every half there is, from one on; any place of a vector gets any of them in some part. */
static bool check_all_halves(kernel_job *j) {
    enum { PART = 16384 };
    static uint16_t all[PART];
    for (uint32_t part = 0; part < 4; part++) {
        for (uint32_t i = 0; i < PART; i++)
            all[i] = (uint16_t)(part * PART + i);
        kernel_says(j, "halves from %04x on", (unsigned)(part * PART));
        if (!check_decode(j, all, PART))
            return false;
    }
    return true;
}

/* Blocks of random bytes under scales of every kind: finite ones, then any sixteen bits. */
static bool check_random_blocks(kernel_job *j, int64_t n, uint64_t seed, bool sane) {
    static uint8_t blocks[ROOM];
    size_t bytes = (size_t)tl_dtype_get(j->type)->block_bytes;
    for (size_t at = 0; at < stored_bytes(j->type, n); at += bytes) {
        random_block(j->type, blocks + at, &seed);
        for (size_t i = 0; !sane && i < bytes; i++)
            blocks[at + i] = (uint8_t)random_u32(&seed);
    }
    kernel_says(j, "n = %lld, %s blocks", (long long)n, sane ? "finite" : "any");
    return check_decode(j, blocks, n);
}

KERNEL_CHECKER(tl_fn_decode) {
    static uint8_t stored[ROOM];
    int block = tl_dtype_get(j->type)->block;
    for (int i = 0; kernel_length(i, LONGEST) > 0; i++) {
        int64_t n = block == 1 ? kernel_length(i, LONGEST) : (int64_t)(i + 1) * block;
        if (i >= 20 && block > 1)
            break;
        if (block > 1 && !(check_random_blocks(j, n, (uint64_t)i, true) && check_random_blocks(j, n, (uint64_t)i, false)))
            return false;
        for (int fill = 0; block == 1 && fill < 2; fill++) {
            uint64_t seed = (uint64_t)(i * 2 + fill);
            for (size_t k = 0; k < stored_bytes(j->type, n); k++)
                stored[k] = (uint8_t)random_u32(&seed);
            kernel_says(j, "n = %lld, any bits", (long long)n);
            if (!check_decode(j, stored, n))
                return false;
        }
    }
    return tl_dtype_get(j->type)->block_bytes != 2 || check_all_halves(j);
}

static bool check_encode(kernel_job *j, const float *x, int64_t n) {
    copy_args v = {.n = n};
    kernel_arg arg[] = {
        {.pointer = &v.x, .bytes = (size_t)n * 4, .align = 4, .data = x},
        {.pointer = &v.out, .bytes = stored_bytes(j->type, n), .align = 1, .unit = j->type == TL_F32 ? 4 : KERNEL_INTEGERS}};
    return kernel_run(j, call_encode, &v, arg, 2);
}

/* Floats from all there are, and those around every value of a narrower type and halfway between two, where rounding turns. */
static bool check_rounding(kernel_job *j) {
    enum { PART = 16384, PARTS = 16, STEP = 16381, SHIFT = 13 };
    static float x[PART];
    for (uint32_t part = 0; part < PARTS; part++) {
        for (uint32_t i = 0; i < PART; i++)
            x[i] = tl_real((part * PART + i) * STEP);
        kernel_says(j, "floats from %08x on", (unsigned)(part * PART * STEP));
        if (!check_encode(j, x, PART))
            return false;
        for (uint32_t i = 0; i < PART; i++) /* 1/4096th of a step of f16 off a half step, for all exponents from 2^-26 to 2^17 */
            x[i] = tl_real((0x32800000u + ((part * PART + i) * 1381u << (SHIFT - 1)) % (43u << 23)) + i % 3 - 1);
        kernel_says(j, "floats about half steps, part %u", (unsigned)part);
        if (!check_encode(j, x, PART))
            return false;
    }
    return true;
}

KERNEL_CHECKER(tl_fn_encode) {
    static float x[LONGEST];
    int block = tl_dtype_get(j->type)->block;
    for (int i = 0; kernel_length(i, LONGEST) > 0; i++) {
        int64_t n = block == 1 ? kernel_length(i, LONGEST) : (int64_t)(i + 1) * block;
        if (i >= 20 && block > 1)
            break;
        for (int fill = 0; fill < KERNEL_FILLS; fill++) {
            kernel_floats(x, n, fill, (uint64_t)(i * 100 + fill));
            kernel_says(j, "n = %lld, %s", (long long)n, kernel_fill_name(fill));
            if (!check_encode(j, x, n))
                return false;
        }
    }
    return check_rounding(j);
}

/* ---- order ---- */

static void call_first_above(kernel_fn fn, const void *args) {
    const copy_args *v = args;
    *(int64_t *)v->out = ((tl_fn_first_above)fn)(v->x, v->from, v->n, v->key);
}

static void call_argmax(kernel_fn fn, const void *args) {
    const copy_args *v = args;
    *(int64_t *)v->out = ((tl_fn_argmax)fn)(v->x, v->n);
}

static bool check_order(kernel_job *j, void (*call)(kernel_fn, const void *), copy_args *v, const float *x) {
    kernel_arg arg[] = {{.pointer = &v->x, .bytes = (size_t)v->n * 4, .align = 4, .data = x},
                        {.pointer = &v->out, .bytes = sizeof(int64_t), .align = 8, .unit = KERNEL_INTEGERS}};
    return kernel_run(j, call, v, arg, 2);
}

/* Rows in which equals, both zeros and NaN compete: few different values, some put where a vector or a row ends. */
static void make_rivals(float *x, int64_t n, int turn) {
    const float values[] = {0, -0.0f, 1, 1, tl_real(TL_NAN_BITS), tl_real(TL_NAN_BITS | TL_SIGN_BIT), -1, -tl_real(TL_INF_BITS)};
    int most = 1 + turn % 8; /* of those values */
    uint64_t seed = (uint64_t)turn;
    for (int64_t i = 0; i < n; i++)
        x[i] = values[(random_u32(&seed) % (uint32_t)most + (uint32_t)turn / 8) % 8];
    if (turn % 3 == 0)
        x[n - 1] = turn % 2 ? tl_real(TL_INF_BITS) : 2;
}

enum { RIVALS = 24 };

static void make_row(float *x, int64_t n, int turn) {
    if (turn < RIVALS)
        make_rivals(x, n, turn);
    else
        kernel_floats(x, n, turn - RIVALS, (uint64_t)(n * 100 + turn));
}

KERNEL_CHECKER(tl_fn_argmax) {
    static float x[LONGEST];
    for (int i = 0; kernel_length(i, LONGEST) > 0; i++)
        for (int turn = 0; turn < RIVALS + KERNEL_FILLS; turn++) {
            copy_args v = {.n = kernel_length(i, LONGEST)};
            make_row(x, v.n, turn);
            kernel_says(j, "n = %lld, row %d", (long long)v.n, turn);
            if (!check_order(j, call_argmax, &v, x))
                return false;
        }
    return true;
}

KERNEL_CHECKER(tl_fn_first_above) {
    static float x[LONGEST];
    for (int i = 0; kernel_length(i, LONGEST) > 0; i++)
        for (int turn = 0; turn < RIVALS + KERNEL_FILLS; turn++) {
            copy_args v = {.n = kernel_length(i, LONGEST)};
            make_row(x, v.n, turn);
            v.from = v.n * (turn % 5) / 4; /* n itself too */
            int32_t near = tl_order_key(x[(v.n * turn / 3 + turn) % v.n]);
            v.key = turn % 7 == 0 ? INT32_MIN : turn % 7 == 1 ? INT32_MAX : near - (turn % 2 && near > INT32_MIN);
            kernel_says(j, "n = %lld from %lld, row %d, key %ld", (long long)v.n, (long long)v.from, turn, (long)v.key);
            if (!check_order(j, call_first_above, &v, x))
                return false;
        }
    return true;
}
