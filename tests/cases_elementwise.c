/* cases_elementwise.c: every elementwise op over every fill and length, broadcast and strided operands, and chains in which a step that
 * ran in place at the wrong moment would show. */
#include "tests/cases_lists.h"

typedef tl_tensor *(*unary_fn)(tl_graph *g, tl_tensor *x);
typedef tl_tensor *(*binary_fn)(tl_graph *g, tl_tensor *a, tl_tensor *b);
typedef struct pick {
    unary_fn f;
    binary_fn f2;
    case_fill fill;
    int group;
} pick;

static void add(case_list *l, const char *op, const char *what, int number, void (*build)(case_env *e), pick p) {
    char name[64];
    if (number >= 0)
        snprintf(name, sizeof name, "%s/%s%d", op, what, number);
    else
        snprintf(name, sizeof name, "%s/%s", op, what);
    case_add(l, name, build, &p, sizeof p);
}

static tl_tensor *transposed(case_env *e, tl_tensor *x) {
    return tl_permute(e->g, x, (int[]){1, 0});
}

/* ---- one operand ---- */

static void unary_lengths(case_env *e) {
    const pick *p = e->params;
    for (int i = 0; i < LENGTHS_A_GROUP; i++)
        case_output(e, p->f(e->g, length_input(e, p->group, i, 2, "x", FILL_NORMAL)));
}

static void unary_fill(case_env *e) {
    const pick *p = e->params;
    case_output(e, p->f(e->g, case_input(e, "x", TL_F32, 2, SHAPE(24, 93), p->fill)));
}

static void unary_views(case_env *e) {
    const pick *p = e->params;
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(5, 7, 19), FILL_NORMAL);
    case_output(e, p->f(e->g, tl_permute(e->g, x, (int[]){2, 0, 1})));
    case_output(e, p->f(e->g, tl_slice(e->g, x, 1, 1, 3, 2)));
    case_output(e, p->f(e->g, tl_slice(e->g, x, 2, 1, 9, 2)));
    case_output(e, p->f(e->g, tl_broadcast(e->g, tl_slice(e->g, x, 2, 3, 1, 1), 3, SHAPE(5, 7, 3))));
}

static void unary_varying(case_env *e) {
    const pick *p = e->params;
    int64_t n = case_size(e, "n", 9);
    case_output(e, p->f(e->g, case_input(e, "x", TL_F32, 3, SHAPE(n, 2, 37), FILL_NORMAL)));
}

/* a is read again after b could have taken its memory; c's memory is seen through a view. */
static void unary_chain(case_env *e) {
    const pick *p = e->params;
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(8, 29), FILL_NORMAL);
    tl_tensor *a = p->f(e->g, x), *b = p->f(e->g, a);
    tl_tensor *c = tl_sub(e->g, a, b);
    tl_tensor *row = tl_slice(e->g, c, 0, 0, 1, 1);
    tl_tensor *d = p->f(e->g, c);
    case_output(e, tl_add(e->g, d, row));
    case_output(e, p->f(e->g, p->f(e->g, p->f(e->g, d))));
}

static void add_unary(case_list *l, const char *op, unary_fn f) {
    for (int i = 0; i < LENGTH_GROUPS; i++)
        add(l, op, "lengths", i, unary_lengths, (pick){.f = f, .group = i});
    for (int i = 0; i < COUNT(all_fills); i++)
        add(l, op, all_fills[i].name, -1, unary_fill, (pick){.f = f, .fill = all_fills[i].fill});
    add(l, op, "views", -1, unary_views, (pick){.f = f});
    add(l, op, "varying", -1, unary_varying, (pick){.f = f});
    add(l, op, "chain", -1, unary_chain, (pick){.f = f});
}

#define UNARY_CASES(name)               \
    void cases_##name(case_list *l) {   \
        add_unary(l, #name, tl_##name); \
    }
UNARY_CASES(neg)
UNARY_CASES(abs)
UNARY_CASES(sqr)
UNARY_CASES(sqrt)
UNARY_CASES(exp)
UNARY_CASES(log)
UNARY_CASES(sin)
UNARY_CASES(cos)
UNARY_CASES(tanh)
UNARY_CASES(sigmoid)
UNARY_CASES(relu)
UNARY_CASES(silu)
UNARY_CASES(gelu)
UNARY_CASES(gelu_erf)

static tl_tensor *scaled(tl_graph *g, tl_tensor *x) {
    return tl_scale(g, x, 0.3f);
}

static tl_tensor *clamped(tl_graph *g, tl_tensor *x) {
    return tl_clamp(g, x, -0.75f, 0.5f);
}

static void scale_factors(case_env *e) {
    static const float factors[] = {0.0f, -0.0f, 1.0f, -1.5f, 0x1p-140f, 0x1p100f};
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(6, 61), FILL_SPECIAL);
    for (int i = 0; i < COUNT(factors); i++)
        case_output(e, tl_scale(e->g, x, factors[i]));
}

void cases_scale(case_list *l) {
    add_unary(l, "scale", scaled);
    case_add(l, "scale/factors", scale_factors, NULL, 0);
}

static void clamp_limits(case_env *e) {
    static const float limits[][2] = {{0.0f, 0.0f}, {-0.0f, 0.0f}, {0.0f, 1.0f}, {-0x1p120f, 0x1p120f}, {1.0f, 2.0f}};
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(6, 61), FILL_SPECIAL);
    for (int i = 0; i < COUNT(limits); i++)
        case_output(e, tl_clamp(e->g, x, limits[i][0], limits[i][1]));
}

void cases_clamp(case_list *l) {
    add_unary(l, "clamp", clamped);
    case_add(l, "clamp/limits", clamp_limits, NULL, 0);
}

/* ---- two operands ---- */

static void binary_lengths(case_env *e) {
    const pick *p = e->params;
    tl_tensor *y = case_input(e, "y", TL_F32, 2, SHAPE(2, 1000), FILL_NORMAL);
    for (int i = 0; i < LENGTHS_A_GROUP; i++) {
        tl_tensor *x = length_input(e, p->group, i, 2, "x", FILL_NORMAL);
        case_output(e, p->f2(e->g, x, tl_slice(e->g, y, 1, 0, tl_dim(x, -1), 1)));
    }
}

static void binary_fill(case_env *e) {
    const pick *p = e->params;
    tl_tensor *a = case_input(e, "a", TL_F32, 2, SHAPE(24, 93), p->fill), *b = case_input(e, "b", TL_F32, 2, SHAPE(24, 93), p->fill);
    case_output(e, p->f2(e->g, a, b));
    case_output(e, p->f2(e->g, a, case_input(e, "c", TL_F32, 2, SHAPE(24, 93), FILL_NORMAL)));
}

static void binary_views(case_env *e) {
    const pick *p = e->params;
    tl_tensor *a = case_input(e, "a", TL_F32, 2, SHAPE(18, 18), FILL_NORMAL);
    tl_tensor *b = case_input(e, "b", TL_F32, 2, SHAPE(18, 36), FILL_NORMAL);
    case_output(e, p->f2(e->g, a, transposed(e, a)));
    case_output(e, p->f2(e->g, transposed(e, a), transposed(e, a)));
    case_output(e, p->f2(e->g, tl_slice(e->g, b, 1, 1, 18, 2), a));
    case_output(e, p->f2(e->g, tl_slice(e->g, b, 0, 0, 9, 2), tl_slice(e->g, b, 0, 9, 9, 1)));
    case_output(e, p->f2(e->g, a, a));
}

/* t is read twice by one node, transposed against itself, and by a later node than its first reader; u and v could run in place. */
static void binary_chain(case_env *e) {
    const pick *p = e->params;
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(17, 17), FILL_NORMAL);
    tl_tensor *y = case_input(e, "y", TL_F32, 2, SHAPE(17, 17), FILL_NORMAL);
    tl_tensor *t = p->f2(e->g, x, y);
    tl_tensor *u = p->f2(e->g, t, x), *v = p->f2(e->g, u, t);
    tl_tensor *w = p->f2(e->g, v, v);
    case_output(e, p->f2(e->g, w, transposed(e, w)));
    tl_tensor *again = p->f2(e->g, y, x), *flat = tl_reshape(e->g, again, 1, SHAPE(289));
    tl_tensor *kept = p->f2(e->g, flat, tl_reshape(e->g, x, 1, SHAPE(289)));
    case_output(e, kept);
    case_output(e, p->f2(e->g, kept, flat)); /* an output is not overwritten */
}

static void binary_varying(case_env *e) {
    const pick *p = e->params;
    int64_t n = case_size(e, "n", 9);
    tl_tensor *a = case_input(e, "a", TL_F32, 2, SHAPE(n, 41), FILL_NORMAL), *b = case_input(e, "b", TL_F32, 2, SHAPE(n, 41), FILL_NORMAL);
    tl_tensor *c = p->f2(e->g, a, b);
    case_output(e, p->f2(e->g, c, a));
}

static void binary_broadcast(case_env *e) {
    const pick *p = e->params;
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(4, 6, 35), FILL_NORMAL);
    tl_tensor *row = case_input(e, "row", TL_F32, 1, SHAPE(35), FILL_NORMAL), *one = case_input(e, "one", TL_F32, 1, SHAPE(1), FILL_NORMAL);
    tl_tensor *column = case_input(e, "column", TL_F32, 2, SHAPE(6, 1), FILL_NORMAL);
    tl_tensor *slab = case_input(e, "slab", TL_F32, 3, SHAPE(4, 1, 1), FILL_NORMAL);
    tl_tensor *others[] = {row, one, column, slab};
    for (int i = 0; i < COUNT(others); i++) {
        case_output(e, p->f2(e->g, x, others[i]));
        case_output(e, p->f2(e->g, others[i], x));
    }
    case_output(e, p->f2(e->g, column, row));
    case_output(e, p->f2(e->g, row, slab));
}

/* The operand that repeats is a piece of the one whose memory the result could take. */
static void binary_broadcast_chain(case_env *e) {
    const pick *p = e->params;
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(9, 23), FILL_NORMAL);
    tl_tensor *t = tl_exp(e->g, x), *u = tl_exp(e->g, tl_neg(e->g, x));
    case_output(e, p->f2(e->g, t, tl_slice(e->g, t, 0, 0, 1, 1)));
    case_output(e, p->f2(e->g, tl_slice(e->g, u, 1, 0, 1, 1), u));
    tl_tensor *small = tl_sqr(e->g, tl_slice(e->g, x, 0, 2, 1, 1)); /* smaller than the result: no room for it */
    case_output(e, p->f2(e->g, small, x));
}

static void binary_broadcast_varying(case_env *e) {
    const pick *p = e->params;
    int64_t n = case_size(e, "n", 9);
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(n, 3, 21), FILL_NORMAL);
    tl_tensor *row = case_input(e, "row", TL_F32, 1, SHAPE(21), FILL_NORMAL);
    tl_tensor *one = case_input(e, "one", TL_F32, 3, SHAPE(1, 3, 1), FILL_NORMAL);
    tl_tensor *column = case_input(e, "column", TL_F32, 3, SHAPE(n, 1, 1), FILL_NORMAL);
    case_output(e, p->f2(e->g, x, row));
    case_output(e, p->f2(e->g, one, x));
    case_output(e, p->f2(e->g, column, x));
    case_output(e, p->f2(e->g, column, one));
}

static void add_binary(case_list *l, const char *op, binary_fn f, bool broadcasts) {
    pick p = {.f2 = f};
    for (int i = 0; i < LENGTH_GROUPS; i++)
        add(l, op, "lengths", i, binary_lengths, (pick){.f2 = f, .group = i});
    for (int i = 0; i < COUNT(all_fills); i++)
        add(l, op, all_fills[i].name, -1, binary_fill, (pick){.f2 = f, .fill = all_fills[i].fill});
    add(l, op, "views", -1, binary_views, p);
    add(l, op, "chain", -1, binary_chain, p);
    add(l, op, "varying", -1, binary_varying, p);
    if (broadcasts) {
        add(l, op, "broadcast", -1, binary_broadcast, p);
        add(l, op, "broadcast-chain", -1, binary_broadcast_chain, p);
        add(l, op, "broadcast-varying", -1, binary_broadcast_varying, p);
    }
}

#define BINARY_CASES(name, broadcasts)               \
    void cases_##name(case_list *l) {                \
        add_binary(l, #name, tl_##name, broadcasts); \
    }
BINARY_CASES(add, true)
BINARY_CASES(sub, true)
BINARY_CASES(mul, true)
BINARY_CASES(div, true)
BINARY_CASES(swiglu, false)
BINARY_CASES(geglu, false)
