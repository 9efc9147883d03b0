/* cases_linear.c: linear over every weight type: lengths, rows, fills, bias, packed and as stored; and the neighbourhoods in which a
 * backend may share or fuse: several linears on one x, residuals, norms before and activations between. */
#include <stdio.h>

#include "tests/cases.h"

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})

/* ---- one linear ---- */

typedef struct one {
    tl_dtype dtype;
    int64_t k, n, rows;
    case_fill x, w;
    bool bias, packed, varies;
} one;

static tl_tensor *weight(case_env *e, const char *name, tl_dtype dtype, int64_t n, int64_t k, case_fill fill) {
    return case_weight(e, name, dtype, 2, SHAPE(n, k), fill, TL_USE_LINEAR);
}

static void build_one(case_env *e) {
    const one *c = e->params;
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(c->varies ? case_size(e, "n", c->rows) : c->rows, c->k), c->x);
    tl_tensor *w = case_weight(e, "w", c->dtype, 2, SHAPE(c->n, c->k), c->w, c->packed ? TL_USE_LINEAR : 0);
    tl_tensor *bias = c->bias ? case_input(e, "bias", TL_F32, 1, SHAPE(c->n), FILL_NORMAL) : NULL;
    case_output(e, tl_linear(e->g, x, w, bias));
}

static const tl_dtype weights[] = {TL_F32,  TL_F16,  TL_BF16, TL_Q4_0, TL_Q4_1, TL_Q5_0, TL_Q5_1,
                                   TL_Q8_0, TL_Q2_K, TL_Q3_K, TL_Q4_K, TL_Q5_K, TL_Q6_K};

/* For each type six shapes and pairs of fills; which length goes with which turns from type to type, so that all meet. */
static void add_every_type(case_list *l) {
    static const int64_t float_k[] = {1, 15, 16, 17, 31, 100, 576}, super_k[] = {256, 512, 768, 1536};
    static const int64_t block_k[] = {32, 64, 96, 160, 256, 576, 1536};
    static const int64_t ns[] = {1, 3, 4, 7, 16, 33, 100}, rows[] = {1, 2, 3, 5, 17};
    static const struct {
        const char *name;
        one c;
    } kinds[] = {
        {"plain", {.x = FILL_NORMAL, .w = FILL_NORMAL}},
        {"wide/packed", {.x = FILL_WIDE, .w = FILL_NORMAL, .bias = true, .packed = true}},
        {"weights/packed", {.x = FILL_NORMAL, .w = FILL_SPECIAL, .packed = true}},
        {"special", {.x = FILL_SPECIAL, .w = FILL_NORMAL, .bias = true}},
        {"tiny/packed", {.x = FILL_TINY, .w = FILL_NORMAL, .packed = true, .varies = true}},
        {"cancel/packed", {.x = FILL_CANCEL, .w = FILL_FINITE, .bias = true, .packed = true, .varies = true}},
    };
    for (int t = 0; t < COUNT(weights); t++) {
        int block = tl_dtype_get(weights[t])->block;
        for (int s = 0; s < COUNT(kinds); s++) {
            one c = kinds[s].c;
            c.dtype = weights[t];
            c.n = ns[(t + 3 * s) % COUNT(ns)];
            c.rows = rows[(t + 2 * s) % COUNT(rows)];
            if (block == 1)
                c.k = float_k[(t + 2 * s) % COUNT(float_k)];
            else
                c.k = block == 32 ? block_k[(t + 2 * s) % COUNT(block_k)] : super_k[(t + s) % COUNT(super_k)];
            char name[96];
            snprintf(name, sizeof name, "linear/%s/%s/r%d_k%d_n%d", tl_dtype_get(c.dtype)->name, kinds[s].name, (int)c.rows, (int)c.k,
                     (int)c.n);
            case_add(l, name, build_one, &c, sizeof c);
        }
    }
}

/* Sums of integers as large as they come: activations all 127, blocks often all at one end. */
static void add_ends(case_list *l) {
    for (int t = 0; t < COUNT(weights); t++) {
        int block = tl_dtype_get(weights[t])->block;
        one c = {weights[t], 2 * block, 33, 5, FILL_ONES, FILL_FINITE, false, true, false};
        char name[64];
        snprintf(name, sizeof name, "linear/%s/ends", tl_dtype_get(weights[t])->name);
        if (block > 1)
            case_add(l, name, build_one, &c, sizeof c);
    }
}

/* The types of the demo model in its shapes' neighbourhood, the sides of row blocks of 16, and more rows of x than a backend takes at once. */
static void add_chosen(case_list *l) {
    /* clang-format off */
    static const struct { const char *name; one c; } chosen[] = {
        {"linear/q4_1/k576", {TL_Q4_1, 576, 100, 3, FILL_NORMAL, FILL_NORMAL, false, true, false}},
        {"linear/q4_1/k1536", {TL_Q4_1, 1536, 33, 2, FILL_NORMAL, FILL_NORMAL, false, true, false}},
        {"linear/q8_0/k576", {TL_Q8_0, 576, 100, 1, FILL_NORMAL, FILL_NORMAL, false, true, false}},
        {"linear/q4_0/rows16", {TL_Q4_0, 64, 7, 16, FILL_NORMAL, FILL_NORMAL, true, true, false}},
        {"linear/q4_0/rows33", {TL_Q4_0, 64, 16, 33, FILL_NORMAL, FILL_NORMAL, false, true, true}},
        {"linear/q4_0/rows221", {TL_Q4_0, 96, 33, 221, FILL_NORMAL, FILL_NORMAL, true, true, true}},
        {"linear/q6_k/rows217", {TL_Q6_K, 256, 36, 217, FILL_NORMAL, FILL_NORMAL, true, false, true}},
        {"linear/q8_0/rows48", {TL_Q8_0, 64, 17, 48, FILL_SPECIAL, FILL_NORMAL, false, true, false}},
        {"linear/q5_1/rows49", {TL_Q5_1, 96, 20, 49, FILL_WIDE, FILL_NORMAL, true, true, true}},
        {"linear/q2_k/rows25", {TL_Q2_K, 256, 17, 25, FILL_NORMAL, FILL_NORMAL, false, true, false}},
        {"linear/q3_k/rows24", {TL_Q3_K, 512, 16, 24, FILL_NORMAL, FILL_NORMAL, false, true, true}},
        {"linear/q4_k/rows53", {TL_Q4_K, 512, 33, 53, FILL_SPECIAL, FILL_NORMAL, true, true, false}},
        {"linear/q5_k/rows73", {TL_Q5_K, 256, 5, 73, FILL_CANCEL, FILL_FINITE, false, true, true}},
        {"linear/f16/rows98", {TL_F16, 48, 20, 98, FILL_NORMAL, FILL_NORMAL, false, false, true}},
        {"linear/f16/ties", {TL_F16, 64, 4, 2, FILL_TIES, FILL_TIES, false, false, false}},
        {"linear/f32/zero", {TL_F32, 33, 3, 2, FILL_ZERO, FILL_SPECIAL, false, false, false}},
        {"linear/q4_1/zero_x", {TL_Q4_1, 64, 3, 2, FILL_ZERO, FILL_FINITE, true, true, false}},
        {"linear/q5_1/zero_w", {TL_Q5_1, 64, 3, 2, FILL_NORMAL, FILL_ZERO, false, true, false}},
        {"linear/q8_0/ones", {TL_Q8_0, 96, 5, 2, FILL_ONES, FILL_ONES, false, true, false}},
        {"linear/q6_k/finite", {TL_Q6_K, 512, 4, 3, FILL_FINITE, FILL_FINITE, false, true, false}},
        {"linear/q4_k/wide_w", {TL_Q4_K, 512, 7, 2, FILL_NORMAL, FILL_WIDE, true, true, false}},
    };
    /* clang-format on */
    for (int i = 0; i < COUNT(chosen); i++)
        case_add(l, chosen[i].name, build_one, &chosen[i].c, sizeof chosen[i].c);
}

/* ---- views ---- */

static void build_vector(case_env *e) { /* x [k] -> [n] */
    case_output(e,
                tl_linear(e->g, case_input(e, "x", TL_F32, 1, SHAPE(64), FILL_NORMAL), weight(e, "w", TL_Q8_0, 7, 64, FILL_NORMAL), NULL));
}

static void build_rank4(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 4, SHAPE(case_size(e, "n", 3), 2, 3, 64), FILL_NORMAL);
    case_output(e, tl_linear(e->g, x, weight(e, "w", TL_Q4_1, 9, 64, FILL_NORMAL), NULL));
}

static void build_x_columns(case_env *e) { /* rows dense, but farther apart than long */
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(case_size(e, "n", 5), 160), FILL_NORMAL);
    case_output(e, tl_linear(e->g, tl_slice(e->g, x, 1, 32, 96, 1), weight(e, "w", TL_Q4_0, 7, 96, FILL_NORMAL), NULL));
    case_output(e, tl_linear(e->g, tl_slice(e->g, x, 1, 64, 96, 1), weight(e, "v", TL_F16, 7, 96, FILL_NORMAL), NULL));
}

static void build_x_strided(case_env *e) { /* needs a copy */
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(64, 5), FILL_NORMAL);
    tl_tensor *y = tl_permute(e->g, x, (int[]){1, 0});
    case_output(e, tl_linear(e->g, y, weight(e, "w", TL_Q4_1, 7, 64, FILL_NORMAL), NULL));
    case_output(e, tl_linear(e->g, y, weight(e, "v", TL_F32, 4, 64, FILL_NORMAL), NULL));
}

static void build_x_broadcast(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(1, 64), FILL_NORMAL);
    case_output(e, tl_linear(e->g, tl_broadcast(e->g, x, 2, SHAPE(5, 64)), weight(e, "w", TL_Q8_0, 7, 64, FILL_NORMAL), NULL));
}

/* Rows of a weight: cut from one as stored, and from a packed one, which is unpacked first. */
static void build_w_rows(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(3, 64), FILL_NORMAL);
    tl_tensor *stored = case_weight(e, "stored", TL_Q4_1, 2, SHAPE(12, 64), FILL_NORMAL, 0);
    tl_tensor *packed = weight(e, "packed", TL_Q4_1, 12, 64, FILL_NORMAL);
    case_output(e, tl_linear(e->g, x, tl_slice(e->g, stored, 0, 1, 5, 2), NULL));
    case_output(e, tl_linear(e->g, x, tl_slice(e->g, packed, 0, 3, 7, 1), NULL));
    case_output(e, tl_linear(e->g, x, packed, NULL));
}

static void build_w_columns(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(3, 64), FILL_NORMAL);
    tl_tensor *w = case_weight(e, "w", TL_Q8_0, 2, SHAPE(6, 128), FILL_NORMAL, 0);
    case_output(e, tl_linear(e->g, x, tl_slice(e->g, w, 1, 32, 64, 1), NULL));
}

static void build_w_computed(case_env *e) { /* a weight made by the graph itself */
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(case_size(e, "n", 3), 40), FILL_NORMAL);
    tl_tensor *w = case_input(e, "w", TL_F32, 2, SHAPE(6, 40), FILL_NORMAL);
    case_output(e, tl_linear(e->g, x, tl_scale(e->g, w, 0.5f), NULL));
    case_output(e, tl_linear(e->g, x, tl_cast(e->g, w, TL_F16), NULL));
}

static void build_tied(case_env *e) { /* one packed table, embedded and multiplied */
    tl_tensor *ids = case_ints(e, "ids", 1, SHAPE(case_size(e, "n", 5)), 0, 32);
    tl_tensor *table = case_weight(e, "table", TL_Q8_0, 2, SHAPE(33, 64), FILL_NORMAL, TL_USE_LINEAR | TL_USE_EMBED);
    tl_tensor *x = tl_embed(e->g, table, ids);
    case_output(e, tl_linear(e->g, x, table, NULL));
}

/* ---- several on one x ---- */

typedef struct shared {
    tl_dtype a, b, c;
    int64_t k;
    bool varies;
} shared;

static void build_shared(case_env *e) {
    const shared *s = e->params;
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(s->varies ? case_size(e, "n", 5) : 5, s->k), FILL_NORMAL);
    case_output(e, tl_linear(e->g, x, weight(e, "a", s->a, 17, s->k, FILL_NORMAL), NULL));
    case_output(e, tl_linear(e->g, x, weight(e, "b", s->b, 8, s->k, FILL_NORMAL), NULL));
    case_output(e, tl_linear(e->g, x, weight(e, "c", s->c, 9, s->k, FILL_NORMAL), case_input(e, "bias", TL_F32, 1, SHAPE(9), FILL_NORMAL)));
}

static void build_apart(case_env *e) { /* the second reader comes long after the first: what they share must live on */
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(case_size(e, "n", 5), 64), FILL_NORMAL);
    tl_tensor *y = tl_silu(e->g, x), *z = tl_linear(e->g, y, weight(e, "a", TL_Q4_1, 64, 64, FILL_NORMAL), NULL);
    for (int i = 0; i < 3; i++)
        z = tl_silu(e->g, tl_linear(e->g, z, weight(e, i == 0 ? "b0" : i == 1 ? "b1" : "b2", TL_Q8_0, 64, 64, FILL_NORMAL), NULL));
    case_output(e, tl_add(e->g, z, tl_linear(e->g, y, weight(e, "c", TL_Q4_0, 64, 64, FILL_NORMAL), NULL)));
}

static void build_of_matmul(case_env *e) { /* x is itself a product: what prepares its rows is no product */
    tl_tensor *x = tl_matmul(e->g, case_input(e, "a", TL_F32, 2, SHAPE(case_size(e, "n", 5), 20), FILL_NORMAL),
                             case_input(e, "b", TL_F32, 2, SHAPE(20, 64), FILL_NORMAL));
    case_output(e, tl_linear(e->g, x, weight(e, "w4", TL_Q4_0, 17, 64, FILL_NORMAL), NULL));
    case_output(e, tl_linear(e->g, x, weight(e, "w16", TL_F16, 9, 64, FILL_NORMAL), NULL));
}

/* The input changes its value in between: an equal-looking x that is another version must not share. */
static void build_state(case_env *e) {
    tl_tensor *s = case_state(e, "s", TL_F32, 2, SHAPE(4, 64), FILL_NORMAL), *w = weight(e, "w", TL_Q4_1, 5, 64, FILL_NORMAL);
    tl_tensor *before = tl_linear(e->g, s, w, NULL);
    tl_tensor *after = tl_assign(e->g, s, case_input(e, "x", TL_F32, 2, SHAPE(4, 64), FILL_WIDE));
    case_output(e, before);
    case_output(e, tl_linear(e->g, after, w, NULL));
}

/* ---- residuals ---- */

typedef enum residual { LEFT, RIGHT, OF_X, TWICE, ROW, BOTH_LINEAR, READ_LATER, COLUMNS, MANY, WITH_BIAS, N_RESIDUALS } residual;

static void build_residual(case_env *e) {
    residual kind = *(const residual *)e->params;
    int64_t n = case_size(e, "n", kind == MANY ? 197 : 5);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(n, 64), FILL_NORMAL);
    tl_tensor *r = case_input(e, "r", TL_F32, 2, SHAPE(n, kind == COLUMNS ? 96 : 64), FILL_CANCEL);
    tl_tensor *bias = kind == WITH_BIAS ? case_input(e, "bias", TL_F32, 1, SHAPE(64), FILL_NORMAL) : NULL;
    tl_tensor *y = tl_linear(e->g, x, weight(e, "w", TL_Q4_1, 64, 64, FILL_NORMAL), bias);
    switch (kind) {
    case LEFT: y = tl_add(e->g, y, r); break;
    case OF_X: y = tl_add(e->g, x, y); break;
    case TWICE: y = tl_add(e->g, tl_add(e->g, r, y), y); break;
    case COLUMNS: y = tl_add(e->g, y, tl_slice(e->g, r, 1, 16, 64, 1)); break;
    case ROW: y = tl_add(e->g, y, case_input(e, "row", TL_F32, 1, SHAPE(64), FILL_NORMAL)); break;
    case BOTH_LINEAR: y = tl_add(e->g, y, tl_linear(e->g, r, weight(e, "v", TL_Q8_0, 64, 64, FILL_NORMAL), NULL)); break;
    case READ_LATER: y = tl_mul(e->g, tl_add(e->g, r, y), tl_silu(e->g, r)); break;
    default: y = tl_add(e->g, r, y); break;
    }
    case_output(e, y);
}

static void build_residual_special(case_env *e) { /* NaN, infinities and zeros meet the sum only at its end */
    tl_dtype dtype = *(const tl_dtype *)e->params;
    int64_t n = case_size(e, "n", 5);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(n, 64), FILL_NORMAL);
    tl_tensor *r = case_input(e, "r", TL_F32, 2, SHAPE(n, 36), FILL_SPECIAL),
              *bias = case_input(e, "bias", TL_F32, 1, SHAPE(36), FILL_FINITE);
    tl_tensor *odd = case_input(e, "odd", TL_F32, 1, SHAPE(36), FILL_SPECIAL);
    case_output(e, tl_add(e->g, tl_linear(e->g, x, weight(e, "w", dtype, 36, 64, FILL_NORMAL), bias), r));
    case_output(e, tl_linear(e->g, x, weight(e, "v", dtype, 36, 64, FILL_NORMAL), odd));
}

static void build_residual_seen(case_env *e) { /* the product itself is an output too: it may not vanish into the sum */
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(3, 64), FILL_NORMAL);
    tl_tensor *y = tl_linear(e->g, x, weight(e, "w", TL_Q8_0, 64, 64, FILL_NORMAL), NULL);
    case_output(e, y);
    case_output(e, tl_add(e->g, x, y));
}

/* ---- blocks of a model ---- */

typedef struct block {
    tl_dtype dtype;
    int64_t dim, hidden;
    bool shared_down;
    int64_t rows;
} block;

static void build_mlp(case_env *e) { /* norm -> gate, up -> swiglu -> down -> residual, two layers */
    const block *c = e->params;
    static const char *const names[2][4] = {{"norm0", "gate0", "up0", "down0"}, {"norm1", "gate1", "up1", "down1"}};
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(case_size(e, "n", c->rows), c->dim), FILL_NORMAL);
    for (int i = 0; i < 2; i++) {
        tl_tensor *norm = case_weight(e, names[i][0], TL_F32, 1, SHAPE(c->dim), FILL_NORMAL, 0);
        tl_tensor *h = tl_rms_norm(e->g, x, norm, 1e-5f);
        tl_tensor *gate = tl_linear(e->g, h, weight(e, names[i][1], c->dtype, c->hidden, c->dim, FILL_NORMAL), NULL);
        tl_tensor *up = tl_linear(e->g, h, weight(e, names[i][2], c->dtype, c->hidden, c->dim, FILL_NORMAL), NULL);
        tl_tensor *down = weight(e, names[i][3], c->dtype, c->dim, c->hidden, FILL_NORMAL);
        x = tl_add(e->g, x, tl_linear(e->g, tl_swiglu(e->g, gate, up), down, NULL));
    }
    case_output(e, x);
}

static void build_norm(case_env *e) { /* the norm is read by linears of two kinds, and by the world */
    const block *c = e->params;
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(case_size(e, "n", c->rows), c->dim), FILL_WIDE);
    tl_tensor *h = tl_rms_norm(e->g, x, case_input(e, "norm", TL_F32, 1, SHAPE(c->dim), FILL_NORMAL), 1e-5f);
    case_output(e, tl_linear(e->g, h, weight(e, "a", c->dtype, c->hidden, c->dim, FILL_NORMAL), NULL));
    case_output(e, tl_linear(e->g, h, weight(e, "b", TL_F32, 7, c->dim, FILL_NORMAL), NULL));
    if (c->shared_down)
        case_output(e, h);
}

void cases_linear(case_list *l) {
    static const shared shares[] = {{TL_Q4_1, TL_Q4_1, TL_Q8_0, 96, true},
                                    {TL_Q4_0, TL_Q6_K, TL_F16, 256, false},
                                    {TL_F16, TL_Q8_0, TL_F32, 64, false},
                                    {TL_Q2_K, TL_Q3_K, TL_Q5_K, 256, true},
                                    {TL_BF16, TL_F16, TL_F16, 50, true}};
    static const char *const share_names[] = {"linear/shared/x32", "linear/shared/three_kinds", "linear/shared/x13", "linear/shared/x256",
                                              "linear/shared/float"};
    static const char *const residual_names[N_RESIDUALS] = {
        "linear/residual/left", "linear/residual/right",       "linear/residual/of_x",       "linear/residual/twice",
        "linear/residual/row",  "linear/residual/both_linear", "linear/residual/read_later", "linear/residual/columns",
        "linear/residual/many", "linear/residual/with_bias"};
    static const block blocks[] = {{TL_Q4_1, 64, 96, false, 5},  {TL_Q8_0, 32, 64, true, 5},    {TL_Q4_K, 256, 256, false, 5},
                                   {TL_Q6_K, 256, 512, true, 5}, {TL_F16, 40, 56, true, 5},     {TL_F32, 24, 36, false, 5},
                                   {TL_Q5_0, 64, 96, true, 50},  {TL_Q4_K, 256, 256, false, 31}};
    static const tl_dtype ends[] = {TL_Q4_1, TL_Q8_0, TL_F16, TL_BF16};
    add_every_type(l);
    add_ends(l);
    add_chosen(l);
    case_add(l, "linear/view/vector", build_vector, NULL, 0);
    case_add(l, "linear/view/rank4", build_rank4, NULL, 0);
    case_add(l, "linear/view/x_columns", build_x_columns, NULL, 0);
    case_add(l, "linear/view/x_strided", build_x_strided, NULL, 0);
    case_add(l, "linear/view/x_broadcast", build_x_broadcast, NULL, 0);
    case_add(l, "linear/view/w_rows", build_w_rows, NULL, 0);
    case_add(l, "linear/view/w_columns", build_w_columns, NULL, 0);
    case_add(l, "linear/view/w_computed", build_w_computed, NULL, 0);
    case_add(l, "linear/tied", build_tied, NULL, 0);
    for (int i = 0; i < COUNT(shares); i++)
        case_add(l, share_names[i], build_shared, &shares[i], sizeof shares[i]);
    case_add(l, "linear/shared/apart", build_apart, NULL, 0);
    case_add(l, "linear/of_matmul", build_of_matmul, NULL, 0);
    case_add(l, "linear/state", build_state, NULL, 0);
    for (residual r = LEFT; r < N_RESIDUALS; r++)
        case_add(l, residual_names[r], build_residual, &r, sizeof r);
    case_add(l, "linear/residual/seen", build_residual_seen, NULL, 0);
    for (int i = 0; i < COUNT(ends); i++) {
        char name[96];
        snprintf(name, sizeof name, "linear/residual/special/%s", tl_dtype_get(ends[i])->name);
        case_add(l, name, build_residual_special, &ends[i], sizeof ends[i]);
    }
    for (int i = 0; i < COUNT(blocks); i++) {
        char name[96];
        const char *many = blocks[i].rows > 5 ? "/many" : "";
        snprintf(name, sizeof name, "linear/mlp/%s%s", tl_dtype_get(blocks[i].dtype)->name, many);
        case_add(l, name, build_mlp, &blocks[i], sizeof blocks[i]);
        snprintf(name, sizeof name, "linear/norm/%s%s", tl_dtype_get(blocks[i].dtype)->name, many);
        case_add(l, name, build_norm, &blocks[i], sizeof blocks[i]);
    }
}
