/* kernel_linear.c: checkers of the kernels of linear layers: rows of floats, or a packed panel, times prepared rows of x; packing. */
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"
#include "tensor/math.h"
#include "tests/blocks.h"
#include "tests/cases_internal.h"
#include "tests/support/kernels.h"

enum { MOST_ROWS = 16, MOST_K = 16384 };
/* Fills of weights and x beside those of floats. NEGATIVE_ZERO: every term of a sum is -0, so that the sum shows whether it began at +0. EXTREME ..
 * EXTREME + EXTREMES - 1, of blocks: sums of integers as far from zero as they can be; the number says how the signs of x lie. */
enum { NEGATIVE_ZERO = KERNEL_FILLS, EXTREME, EXTREMES = 4 };

typedef struct linear_args {
    tl_dtype type;
    float *y;
    void *panel, *group;
    const void *w, *x;
    size_t w_stride, x_stride;
    int64_t y_stride, k;
    int n_rows, n_cols;
} linear_args;

static void call_dot(kernel_fn fn, const void *args) {
    const linear_args *v = args;
    ((tl_fn_dot)fn)(v->y, v->y_stride, v->w, v->w_stride, v->n_rows, v->x, v->x_stride, v->n_cols, v->k);
}

static void call_pack(kernel_fn fn, const void *args) {
    const linear_args *v = args;
    ((tl_fn_pack)fn)(v->panel, v->w, v->w_stride, v->k);
}

static void call_panel(kernel_fn fn, const void *args) {
    const linear_args *v = args;
    ((tl_fn_panel)fn)(v->y, v->y_stride, v->w, v->x, v->x_stride, v->n_cols, v->k);
}

static void call_arrange_x32(kernel_fn fn, const void *args) {
    const linear_args *v = args;
    ((tl_fn_arrange_x32)fn)(v->group, v->x, v->x_stride, v->k);
}

static void call_arrange_x256(kernel_fn fn, const void *args) {
    const linear_args *v = args;
    ((tl_fn_arrange_x256)fn)(v->group, v->x, v->x_stride, v->k);
}

static void call_grouped(kernel_fn fn, const void *args) {
    const linear_args *v = args;
    ((tl_fn_grouped)fn)(v->y, v->y_stride, v->w, v->x, v->x_stride, v->n_cols / TL_GROUP, v->k);
}

static void call_stored(kernel_fn fn, const void *args) {
    const linear_args *v = args;
    ((tl_fn_stored)fn)(v->y, v->w, v->w_stride, v->x, v->k);
}

/* ---- data ---- */

static size_t weight_row_bytes(tl_dtype t, int64_t k) {
    return (size_t)(k / tl_dtype_get(t)->block) * (size_t)tl_dtype_get(t)->block_bytes;
}

static size_t x_row_bytes(tl_dtype t, int64_t k) {
    cpu_prep kind = tl_cpu_prep_of(t);
    return kind == PREP_NONE ? (size_t)k * sizeof(float) : tl_cpu_prep_bytes(kind, k);
}

/* Blocks whose sums of integers are 0 against x of alternating sign, under negative scales; plain floats +0 against negative x. */
static void negative_zeros(tl_dtype t, uint8_t *row, int64_t k) {
    const tl_dtype_info *info = tl_dtype_get(t);
    memset(row, 0, weight_row_bytes(t, k));
    for (int64_t b = 0; info->block > 1 && b < k / info->block; b++) {
        put_f16(row + b * info->block_bytes, f16_at[t].d, 0xBC00);                                            /* -1 */
        put_f16(row + b * info->block_bytes, f16_at[t].m, info->kind == TL_KIND_SUPER_MIN ? 0x3C00 : 0xBC00); /* taken off, or added */
    }
}

/* Where super-blocks have the scales (and minima) of their sub-blocks. */
static const struct {
    int at, bytes;
} sub_scales[TL_N_DTYPES] = {[TL_Q2_K] = {0, 16}, [TL_Q3_K] = {96, 12}, [TL_Q4_K] = {4, 12}, [TL_Q5_K] = {4, 12}, [TL_Q6_K] = {192, 16}};

/* Blocks whose values all stand at one end, and the scales of their sub-blocks too: which ends, the 16 rows of a panel share out. */
static void extremes(tl_dtype t, uint8_t *row, int64_t k, uint64_t seed) {
    static const uint8_t ends[] = {0x00, 0xFF, 0x80, 0x7F};
    const tl_dtype_info *info = tl_dtype_get(t);
    for (int64_t b = 0; b < k / info->block; b++, row += info->block_bytes) {
        memset(row, ends[seed % 4], (size_t)info->block_bytes);
        memset(row + sub_scales[t].at, ends[seed / 4 % 4], (size_t)sub_scales[t].bytes);
        put_f16(row, f16_at[t].d, 0x3C00);
        put_f16(row, f16_at[t].m, 0x3C00);
    }
}

static void make_weight(tl_dtype t, uint8_t *row, int64_t k, int fill, uint64_t seed) {
    float values[MOST_K];
    if (fill == NEGATIVE_ZERO)
        negative_zeros(t, row, k);
    else if (fill >= EXTREME)
        extremes(t, row, k, seed);
    else if (tl_dtype_get(t)->block > 1)
        case_generate(t, row, k, k, fill < KERNEL_FILLS - 1 ? (case_fill)fill : FILL_NORMAL, seed);
    else {
        kernel_floats(values, k, fill, seed);
        tl_encode(t, values, row, k, NULL);
    }
}

/* Whether element i of an extreme row is negative: none, all, every other one, every other sixteen. */
static bool is_negative(int fill, int64_t i) {
    const int64_t bits[EXTREMES] = {0, 1, i, i / 16};
    return bits[fill - EXTREME] & 1;
}

/* A row of x in the form that the weight wants. Extreme ones become -127 and 127. */
static void make_x(tl_dtype t, void *row, int64_t k, int fill, uint64_t seed) {
    float values[MOST_K];
    if (fill < KERNEL_FILLS)
        kernel_floats(values, k, fill, seed);
    for (int64_t i = 0; fill == NEGATIVE_ZERO && i < k; i++)
        values[i] = tl_dtype_get(t)->block > 1 && i % 2 ? 1.5f : -1.5f;
    for (int64_t i = 0; fill >= EXTREME && i < k; i++)
        values[i] = is_negative(fill, i) ? -1.5f : 1.5f;
    switch (tl_cpu_prep_of(t)) {
    case PREP_X32: tl_quantize_x32(values, k, row); break;
    case PREP_X256: tl_quantize_x256(values, k, row); break;
    case PREP_X13: tl_round_x13(values, k, row); break;
    default: memcpy(row, values, (size_t)k * sizeof(float));
    }
}

/* Rows `stride` bytes apart between garbage, the last one without anything after it. */
static uint8_t *spread(size_t bytes, size_t stride, int n) {
    uint8_t *rows = malloc((size_t)(n - 1) * stride + bytes);
    if (rows)
        memset(rows, 0xFF, (size_t)(n - 1) * stride + bytes);
    return rows;
}

typedef struct shape {
    int n_rows, n_cols;
    int64_t k;
} shape;

/* Fills of weights and x for turn number `turn` of a shape. */
typedef struct fills {
    int w, x;
} fills;
static const fills pairs[] = {
    {0, 0}, {1, 1}, {2, 2}, {3, 3}, {0, 4}, {4, 0}, {5, 0}, {0, 5}, {6, 6}, {7, 0}, {8, 1}, {9, 9}, {NEGATIVE_ZERO, NEGATIVE_ZERO}};
enum { N_PAIRS = sizeof pairs / sizeof *pairs };

static const char *fill_name(int fill) {
    return fill < KERNEL_FILLS ? kernel_fill_name(fill) : fill == NEGATIVE_ZERO ? "for sums of -0" : "extreme";
}

static uint8_t *make_columns(const linear_args *v, size_t bytes, int fill, uint64_t seed) {
    uint8_t *x = spread(bytes, v->x_stride, v->n_cols);
    for (int c = 0; x && c < v->n_cols; c++)
        make_x(v->type, x + (size_t)c * v->x_stride, v->k, fill, seed + (uint64_t)c);
    return x;
}

static size_t y_bytes(const linear_args *v) {
    return (size_t)((v->n_cols - 1) * v->y_stride + v->n_rows) * sizeof(float);
}

/* ---- rows as stored: of floats, or of blocks, which may lie at any address ---- */

static bool check_rows(kernel_job *j, void (*call)(kernel_fn fn, const void *args), shape s, int turn, fills f) {
    const tl_dtype_info *info = tl_dtype_get(j->type);
    size_t element = info->block > 1 ? 1 : (size_t)info->block_bytes, w_bytes = weight_row_bytes(j->type, s.k),
           x_bytes = x_row_bytes(j->type, s.k);
    linear_args v = {.type = j->type,
                     .n_rows = s.n_rows,
                     .n_cols = s.n_cols,
                     .k = s.k,
                     .y_stride = s.n_rows + turn % 3,
                     .w_stride = w_bytes + (size_t)(turn % 4) * element,
                     .x_stride = x_bytes + (size_t)(turn % 5) * 4};
    uint8_t *w = spread(w_bytes, v.w_stride, s.n_rows), *x = make_columns(&v, x_bytes, f.x, (uint64_t)turn * 1000);
    for (int r = 0; w && r < s.n_rows; r++)
        make_weight(j->type, w + (size_t)r * v.w_stride, s.k, f.w, (uint64_t)turn * 1000 + 500 + (uint64_t)r);
    kernel_says(j, "%d rows, %d columns, k = %lld, weights %s, x %s", s.n_rows, s.n_cols, (long long)s.k, fill_name(f.w), fill_name(f.x));
    kernel_arg arg[] = {{.pointer = &v.w, .bytes = (size_t)(s.n_rows - 1) * v.w_stride + w_bytes, .align = element, .data = w},
                        {.pointer = &v.x, .bytes = (size_t)(s.n_cols - 1) * v.x_stride + x_bytes, .align = 4, .data = x},
                        {.pointer = &v.y, .bytes = y_bytes(&v), .align = 4}};
    bool ok = w && x ? kernel_run(j, call, &v, arg, 3) : kernel_fails(j, "out of memory");
    free(w);
    free(x);
    return ok;
}

static bool check_dot_shape(kernel_job *j, shape s, int turn) {
    return check_rows(j, call_dot, s, turn, pairs[turn % N_PAIRS]);
}

enum { N_COLUMN_COUNTS = 8 };

/* The last one is another from 6 to 40 for every number of rows. */
static int column_count(int c, int turn) {
    static const int counts[N_COLUMN_COUNTS - 1] = {1, 2, 3, 4, 5, 17, 32};
    return c < N_COLUMN_COUNTS - 1 ? counts[c] : 6 + turn / N_COLUMN_COUNTS * 11 % 35;
}

static const int64_t block_counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 18};
enum { N_BLOCK_COUNTS = sizeof block_counts / sizeof *block_counts };

KERNEL_CHECKER(tl_fn_dot) {
    int turn = 0;
    for (int i = 0; kernel_length(i, MOST_K) > 0; i++) /* every k */
        for (int f = 0; f < N_PAIRS; f++, turn++)
            if (!check_dot_shape(j, (shape){turn % 2 ? 1 : 4 + turn % 13, turn % 3 ? 1 : 1 + turn % 4, kernel_length(i, MOST_K)}, turn))
                return false;
    for (int rows = 1; rows <= MOST_ROWS; rows++)
        for (int c = 0; c < N_COLUMN_COUNTS; c++, turn++)
            if (!check_dot_shape(j, (shape){rows, column_count(c, turn), 1 + turn * 7 % 80}, turn))
                return false;
    /* rows that a level may cut along k, tiles of columns and a rest of them */
    for (int rows = 1; rows <= MOST_ROWS; rows++, turn += N_COLUMN_COUNTS)
        if (!check_dot_shape(j, (shape){rows, column_count(N_COLUMN_COUNTS - 1, turn), 497 + rows * 131 % 1600}, turn))
            return false;
    /* long rows, and more columns than a driver gives at once */
    return check_dot_shape(j, (shape){3, 2, 8192}, 0) && check_dot_shape(j, (shape){16, 5, 4096}, 1) &&
           check_dot_shape(j, (shape){5, 197, 3}, 1);
}

KERNEL_CHECKER(tl_fn_stored) {
    int block = tl_dtype_get(j->type)->block, most = block == 32 ? 20 : 6, turn = 0;
    for (int blocks = 1; blocks <= most; blocks++)
        for (int f = 0; f < N_PAIRS; f++, turn++)
            if (!check_rows(j, call_stored, (shape){TL_PANEL, 1, blocks * block}, turn, pairs[f]))
                return false;
    for (int way = 0; way < EXTREMES; way++, turn++)
        if (!check_rows(j, call_stored, (shape){TL_PANEL, 1, 2 * block}, turn, (fills){EXTREME, EXTREME + way}))
            return false;
    return check_rows(j, call_stored, (shape){TL_PANEL, 1, 4096}, 0, pairs[0]);
}

/* ---- rows of blocks to panels ---- */

KERNEL_CHECKER(tl_fn_pack) {
    int block = tl_dtype_get(j->type)->block;
    for (int turn = 0; turn < 12; turn++) {
        linear_args v = {.type = j->type, .k = block_counts[turn % N_BLOCK_COUNTS] * block};
        size_t bytes = weight_row_bytes(j->type, v.k);
        v.w_stride = bytes + (size_t)(turn % 4);
        uint8_t *w = spread(bytes, v.w_stride, TL_PANEL);
        uint64_t state = (uint64_t)turn;
        for (size_t i = 0; w && i < (TL_PANEL - 1) * v.w_stride + bytes; i++)
            w[i] = (uint8_t)case_random(&state);
        kernel_says(j, "k = %lld, rows %zu bytes apart", (long long)v.k, v.w_stride);
        kernel_arg arg[] = {{.pointer = &v.w, .bytes = (TL_PANEL - 1) * v.w_stride + bytes, .align = 1, .data = w},
                            {.pointer = &v.panel, .bytes = TL_PANEL * bytes, .align = 2}};
        bool ok = w ? kernel_run(j, call_pack, &v, arg, 2) : kernel_fails(j, "out of memory");
        free(w);
        if (!ok)
            return false;
    }
    return true;
}

/* ---- rows of x to groups ---- */

static bool check_arrange(kernel_job *j, tl_dtype type, void (*call)(kernel_fn, const void *)) {
    const int block = tl_dtype_get(type)->block;
    for (int turn = 0; turn < 20; turn++) {
        linear_args v = {.type = type, .n_cols = TL_GROUP, .k = block_counts[turn % N_BLOCK_COUNTS] * block};
        const size_t bytes = x_row_bytes(type, v.k);
        const int fill = turn < KERNEL_FILLS ? turn : EXTREME + turn % EXTREMES;
        v.x_stride = bytes + (size_t)(turn % 3) * 4;
        uint8_t *x = make_columns(&v, bytes, fill, (uint64_t)turn * 1000);
        kernel_says(j, "k = %lld, rows %zu bytes apart, x %s", (long long)v.k, v.x_stride, fill_name(fill));
        kernel_arg arg[] = {{.pointer = &v.x, .bytes = (TL_GROUP - 1) * v.x_stride + bytes, .align = 4, .data = x},
                            {.pointer = &v.group, .bytes = TL_GROUP * bytes, .align = 4, .unit = KERNEL_INTEGERS}};
        bool ok = x ? kernel_run(j, call, &v, arg, 2) : kernel_fails(j, "out of memory");
        free(x);
        if (!ok)
            return false;
    }
    return true;
}

KERNEL_CHECKER(tl_fn_arrange_x32) {
    return check_arrange(j, TL_Q8_0, call_arrange_x32);
}

KERNEL_CHECKER(tl_fn_arrange_x256) {
    return check_arrange(j, TL_Q4_K, call_arrange_x256);
}

/* ---- packed panels ---- */

/* Dense rows of x, whole groups, arranged in place. */
static bool arrange_columns(const linear_args *v, uint8_t *x, size_t x_bytes) {
    uint8_t *rows = malloc(TL_GROUP * x_bytes);
    for (int c = 0; rows && c < v->n_cols; c += TL_GROUP) {
        uint8_t *group = x + (size_t)c * x_bytes;
        memcpy(rows, group, TL_GROUP * x_bytes);
        tl_cpu_arrange_of(&kernel_definitions, tl_cpu_prep_of(v->type))(group, rows, x_bytes, v->k);
    }
    free(rows);
    return rows != NULL;
}

/* n_rows of the panel have weights, the others are padding. */
static bool check_product_of(kernel_job *j, void (*call)(kernel_fn, const void *), shape s, int turn, fills f) {
    const bool grouped = call == call_grouped;
    size_t w_bytes = weight_row_bytes(j->type, s.k), x_bytes = x_row_bytes(j->type, s.k);
    linear_args v = {.type = j->type,
                     .n_rows = TL_PANEL,
                     .n_cols = s.n_cols,
                     .k = s.k,
                     .y_stride = TL_PANEL + turn % 3,
                     .x_stride = x_bytes + (grouped ? 0 : (size_t)(turn % 5) * 4)};
    tl_tensor t = {.dtype = j->type, .rank = 2, .shape = {s.n_rows, s.k}};
    const tl_layout *layout = tl_cpu_layout_of(j->type);
    uint8_t *stored = malloc(w_bytes * MOST_ROWS), *packed = calloc(TL_PANEL, w_bytes),
            *x = make_columns(&v, x_bytes, f.x, (uint64_t)turn * 1000);
    bool ok = stored && packed && x && (!grouped || arrange_columns(&v, x, x_bytes));
    for (int r = 0; ok && r < s.n_rows; r++)
        make_weight(j->type, stored + (size_t)r * w_bytes, s.k, f.w, (uint64_t)turn * 1000 + 500 + (uint64_t)r);
    kernel_says(j, "%d rows, %d columns, k = %lld, weights %s, x %s", s.n_rows, s.n_cols, (long long)s.k, fill_name(f.w), fill_name(f.x));
    if (ok) {
        layout->pack(&t, 0, s.n_rows, stored, packed);
        kernel_arg arg[] = {{.pointer = &v.w, .bytes = w_bytes * TL_PANEL, .align = 2, .data = packed},
                            {.pointer = &v.x, .bytes = (size_t)(s.n_cols - 1) * v.x_stride + x_bytes, .align = 4, .data = x},
                            {.pointer = &v.y, .bytes = y_bytes(&v), .align = 4}};
        ok = kernel_run(j, call, &v, arg, 3);
    } else {
        kernel_fails(j, "out of memory");
    }
    free(stored);
    free(packed);
    free(x);
    return ok;
}

static bool check_panel_of(kernel_job *j, shape s, int turn, fills f) {
    return check_product_of(j, call_panel, s, turn, f);
}

static bool check_panel_shape(kernel_job *j, shape s, int turn) {
    return check_panel_of(j, s, turn, pairs[turn % N_PAIRS]);
}

KERNEL_CHECKER(tl_fn_panel) {
    int block = tl_dtype_get(j->type)->block, most = block == 32 ? 20 : 6, turn = 0;
    for (int blocks = 1; blocks <= most; blocks++)
        for (int f = 0; f < N_PAIRS; f++, turn++)
            if (!check_panel_shape(j, (shape){turn % 4 ? TL_PANEL : 1 + turn % TL_PANEL, turn % 3 ? 1 : 1 + turn % 4, blocks * block},
                                   turn))
                return false;
    for (int rows = 1; rows <= TL_PANEL; rows++)
        for (int c = 0; c < N_COLUMN_COUNTS; c++, turn++)
            if (!check_panel_shape(j, (shape){rows, column_count(c, turn), block_counts[turn % (block == 32 ? N_BLOCK_COUNTS : 3)] * block},
                                   turn))
                return false;
    for (int way = 0; way < EXTREMES; way++)
        for (int c = 0; c < N_COLUMN_COUNTS; c++, turn++)
            if (!check_panel_of(j, (shape){TL_PANEL, column_count(c, turn), 2 * block}, turn, (fills){EXTREME, EXTREME + way}))
                return false;
    return check_panel_shape(j, (shape){TL_PANEL, 3, 4096}, 0) && check_panel_shape(j, (shape){TL_PANEL, 2, 8192}, 1) &&
           check_panel_shape(j, (shape){TL_PANEL, 197, 3 * block}, 1);
}

static bool check_grouped(kernel_job *j, int n_groups, int64_t blocks, int turn, fills f) {
    return check_product_of(j, call_grouped,
                            (shape){turn % 4 ? TL_PANEL : 1 + turn % TL_PANEL, n_groups * TL_GROUP, blocks * tl_dtype_get(j->type)->block},
                            turn, f);
}

KERNEL_CHECKER(tl_fn_grouped) {
    const int most = tl_dtype_get(j->type)->block == 32 ? 20 : 5;
    int turn = 0;
    for (int blocks = 1; blocks <= most; blocks++)
        for (int n = 1; n <= 4; n++, turn++)
            if (!check_grouped(j, n, blocks, turn, pairs[turn % N_PAIRS]))
                return false;
    for (int i = 0; i < N_PAIRS; i++, turn++)
        if (!check_grouped(j, 1 + i % 2, 3, turn, pairs[i]))
            return false;
    for (int way = 0; way < EXTREMES; way++, turn++)
        if (!check_grouped(j, 1, 2, turn, (fills){EXTREME, EXTREME + way}))
            return false;
    return check_grouped(j, 2, tl_dtype_get(j->type)->block == 32 ? 70 : 9, 1, pairs[0]);
}
