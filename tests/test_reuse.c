/* test_reuse.c: memory reuse, running in place, fusion and threads never change a value: graphs that are hard on the planner, and random
 * graphs of elementwise ops, views, products and state writes, each compared with ref without any of that, through the frame of
 * cases.h (garbage in outputs and past the current rows, every size, every run twice, node by node with a probe). */
#include "tests/crew.h"

enum { ROWS = 6, WIDTH = 64 };

static tl_tensor *fixed_input(case_env *e, const char *name) {
    return case_input(e, name, TL_F32, 2, (int64_t[]){ROWS, WIDTH}, FILL_NORMAL);
}

/* ---- adversaries: a value is needed longer than it looks ---- */

static void read_twice_by_one_node(case_env *e) {
    tl_tensor *y = tl_neg(e->g, fixed_input(e, "x"));
    case_output(e, tl_mul(e->g, y, y));
}

static void both_operands_die(case_env *e) {
    tl_tensor *x = fixed_input(e, "x"), *a = tl_neg(e->g, x), *b = tl_abs(e->g, x);
    case_output(e, tl_sub(e->g, a, b));
}

static void second_operand_dies(case_env *e) {
    tl_tensor *x = fixed_input(e, "x"), *a = tl_neg(e->g, x), *b = tl_sqr(e->g, x), *y = tl_sub(e->g, a, b);
    case_output(e, tl_add(e->g, y, a));
}

static void a_view_outlives_its_root(case_env *e) {
    tl_tensor *y = tl_neg(e->g, fixed_input(e, "x")), *row = tl_slice(e->g, y, 0, 2, 1, 1);
    tl_tensor *z = tl_scale(e->g, y, 3); /* y itself is read for the last time */
    case_output(e, tl_add(e->g, z, row));
}

static void a_node_reads_root_and_view(case_env *e) {
    tl_tensor *y = tl_neg(e->g, fixed_input(e, "x")), *row = tl_slice(e->g, y, 0, ROWS - 1, 1, 1);
    case_output(e, tl_add(e->g, y, row)); /* in place, row 0 would be fine and the last row not */
}

static void a_node_reads_two_views(case_env *e) {
    tl_tensor *y = tl_neg(e->g, fixed_input(e, "x"));
    tl_tensor *upper = tl_slice(e->g, y, 0, 0, ROWS / 2, 1), *lower = tl_slice(e->g, y, 0, ROWS / 2, ROWS / 2, 1);
    tl_tensor *z = tl_sub(e->g, upper, lower);
    case_output(e, tl_mul(e->g, z, tl_slice(e->g, y, 0, 1, ROWS / 2, 2)));
}

static void a_node_reads_root_and_transpose(case_env *e) {
    tl_tensor *y = tl_neg(e->g, case_input(e, "x", TL_F32, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL));
    case_output(e, tl_add(e->g, y, tl_permute(e->g, y, (int[]){1, 0})));
}

static void in_place_through_a_reshape(case_env *e) {
    tl_tensor *y = tl_neg(e->g, fixed_input(e, "x")), *flat = tl_reshape(e->g, y, 1, (int64_t[]){ROWS * WIDTH});
    tl_tensor *z = tl_scale(e->g, flat, 2), *back = tl_reshape(e->g, z, 2, (int64_t[]){ROWS, WIDTH});
    case_output(e, tl_add(e->g, back, y));
}

static void in_place_under_a_broadcast(case_env *e) {
    tl_tensor *x = fixed_input(e, "x"), *row = tl_neg(e->g, tl_slice(e->g, x, 0, 0, 1, 1)), *column = tl_sum(e->g, x);
    tl_tensor *square = tl_mul(e->g, row, column); /* [1, WIDTH] by [ROWS, 1] */
    case_output(e, tl_add(e->g, tl_add(e->g, square, row), column));
}

static void equal_bytes_but_another_shape(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 2, (int64_t[]){8, 8}, FILL_NORMAL);
    tl_tensor *a = tl_neg(e->g, tl_reshape(e->g, x, 3, (int64_t[]){8, 1, 8})),
              *b = tl_abs(e->g, tl_reshape(e->g, x, 3, (int64_t[]){1, 8, 8}));
    case_output(e, tl_sub(e->g, a, b)); /* [8, 8, 8] */
    tl_tensor *c = tl_reshape(e->g, tl_sqr(e->g, x), 3, (int64_t[]){8, 1, 8}), *d = tl_scale(e->g, c, 2);
    case_output(e, tl_sub(e->g, tl_permute(e->g, d, (int[]){1, 0, 2}), tl_reshape(e->g, x, 3, (int64_t[]){1, 8, 8})));
}

static void an_output_is_read_for_the_last_time(case_env *e) {
    tl_tensor *y = tl_neg(e->g, fixed_input(e, "x"));
    case_output(e, y);
    tl_tensor *z = tl_scale(e->g, y, 2);
    case_output(e, tl_slice(e->g, z, 1, 3, 8, 2));
    case_output(e, tl_sqr(e->g, z));
}

static void a_long_chain_with_side_exits(case_env *e) {
    tl_tensor *at = fixed_input(e, "x"), *kept = NULL;
    for (int i = 0; i < 24; i++) {
        at = i % 3 ? tl_tanh(e->g, at) : tl_scale(e->g, at, 1.5f);
        if (i % 7 == 3)
            kept = kept ? tl_add(e->g, kept, at) : at;
    }
    case_output(e, tl_sub(e->g, at, kept));
}

static void a_state_is_read_before_its_write(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, (int64_t[]){ROWS, WIDTH}, FILL_NORMAL), *x = fixed_input(e, "x");
    tl_tensor *old = tl_scale(e->g, s, 1), *view = tl_slice(e->g, s, 0, 0, 2, 1), *early = tl_neg(e->g, view);
    tl_tensor *now = tl_assign(e->g, s, tl_add(e->g, s, x));
    case_output(e, tl_sub(e->g, now, old));
    case_output(e, tl_add(e->g, early, tl_slice(e->g, now, 0, 0, 2, 1)));
}

static void a_state_is_written_part_by_part(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, (int64_t[]){ROWS, WIDTH}, FILL_NORMAL), *x = fixed_input(e, "x");
    for (int i = 0; i < 3; i++) {
        tl_tensor *now = tl_latest(e->g, s), *half = tl_slice(e->g, now, 0, i, 3, 1);
        tl_tensor *y = tl_mul(e->g, tl_slice(e->g, x, 0, i, 3, 1), tl_slice(e->g, now, 0, 3 - i, 3, 1));
        tl_assign(e->g, half, y);
    }
    case_output(e, tl_neg(e->g, tl_latest(e->g, s)));
}

static void a_state_takes_its_own_rows(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, (int64_t[]){ROWS, WIDTH}, FILL_NORMAL);
    int64_t n = case_size(e, "n", 4);
    static const int32_t sources[] = {3, 0, 4, 1}, targets[] = {0, 5, 3, 2};
    tl_tensor *from = case_values(e, "from", 1, &n, sources), *to = case_values(e, "to", 1, &n, targets);
    tl_tensor *rows = tl_gather(e->g, s, from), *now = tl_set_rows(e->g, s, to, rows);
    now = tl_set_rows(e->g, now, from, tl_add(e->g, rows, tl_gather(e->g, now, to)));
    case_output(e, tl_gather(e->g, now, to));
}

static void shared_prepared_rows(case_env *e) {
    int64_t n = case_size(e, "n", 5);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, (int64_t[]){n, WIDTH}, FILL_NORMAL), *h = tl_rms_norm(e->g, x, NULL, 1e-5f);
    tl_tensor *a = case_weight(e, "a", TL_Q4_0, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *b = case_weight(e, "b", TL_Q8_0, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *c = case_weight(e, "c", TL_Q4_1, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *d = case_weight(e, "d", TL_F16, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *y = tl_linear(e->g, h, a, NULL), *filler = tl_tanh(e->g, tl_abs(e->g, tl_neg(e->g, y)));
    tl_tensor *z = tl_linear(e->g, h, b, NULL); /* the prepared rows of h must have lasted */
    y = tl_swiglu(e->g, tl_linear(e->g, filler, c, NULL), tl_linear(e->g, h, d, NULL));
    case_output(e, tl_add(e->g, tl_add(e->g, tl_linear(e->g, h, a, NULL), z), y));
}

static void one_residual_for_two_sums(case_env *e) {
    int64_t n = case_size(e, "n", 5);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, (int64_t[]){n, WIDTH}, FILL_NORMAL);
    tl_tensor *w = case_weight(e, "w", TL_Q4_1, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *y = tl_linear(e->g, x, w, NULL), *sum = tl_add(e->g, x, y), *other = tl_add(e->g, y, y);
    case_output(e, tl_mul(e->g, sum, other));
    tl_tensor *z = tl_linear(e->g, sum, w, NULL);
    case_output(e, z);
    case_output(e, tl_add(e->g, z, sum));
    case_output(e, tl_add(e->g, tl_linear(e->g, other, w, NULL), tl_slice(e->g, other, 1, 0, WIDTH, 1)));
}

static void a_residual_is_also_the_input(case_env *e) {
    int64_t n = case_size(e, "n", 5);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, (int64_t[]){n, WIDTH}, FILL_NORMAL);
    tl_tensor *w = case_weight(e, "w", TL_F32, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *y = tl_tanh(e->g, x), *z = tl_tanh(e->g, tl_add(e->g, y, tl_linear(e->g, y, w, NULL)));
    tl_tensor *half = tl_reshape(e->g, z, 3, (int64_t[]){n, 1, WIDTH});
    case_output(e, tl_add(e->g, tl_linear(e->g, half, w, NULL), tl_reshape(e->g, z, 3, (int64_t[]){n, 1, WIDTH})));
}

static void a_residual_is_also_the_bias(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 2, (int64_t[]){1, WIDTH}, FILL_NORMAL), *r = tl_tanh(e->g, x);
    tl_tensor *w = case_weight(e, "w", TL_Q8_0, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *reversed = tl_permute(e->g, tl_reshape(e->g, r, 2, (int64_t[]){2, WIDTH / 2}), (int[]){1, 0});
    tl_tensor *y = tl_linear(e->g, x, w, tl_reshape(e->g, reversed, 1, (int64_t[]){WIDTH}));
    case_output(e, tl_add(e->g, tl_linear(e->g, y, w, tl_reshape(e->g, r, 1, (int64_t[]){WIDTH})), r));
}

/* Fusion would move the product, or the norm, past the write of what it reads. */
static void a_product_of_a_state_is_added_after_its_write(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, (int64_t[]){ROWS, WIDTH}, FILL_NORMAL), *x = fixed_input(e, "x");
    tl_tensor *w = case_weight(e, "w", TL_F32, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *y = tl_linear(e->g, s, w, NULL), *now = tl_assign(e->g, s, x);
    case_output(e, tl_add(e->g, y, now));
    tl_tensor *v = case_state(e, "weight", TL_F32, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL), *z = tl_linear(e->g, x, v, NULL);
    tl_assign(e->g, v, tl_scale(e->g, v, 2));
    case_output(e, tl_add(e->g, z, x));
}

static void a_norm_of_a_state_is_multiplied_after_its_write(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, (int64_t[]){ROWS, WIDTH}, FILL_NORMAL), *x = fixed_input(e, "x");
    tl_tensor *w = case_weight(e, "w", TL_Q8_0, 2, (int64_t[]){WIDTH, WIDTH}, FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *norm = tl_rms_norm(e->g, s, NULL, 1e-5f), *gate = tl_swiglu(e->g, x, s);
    tl_assign(e->g, s, x);
    case_output(e, tl_linear(e->g, norm, w, NULL));
    case_output(e, tl_linear(e->g, gate, w, NULL));
}

static const struct adversary {
    const char *name;
    void (*build)(case_env *e);
} adversaries[] = {
#define ADVERSARY(f) \
    { #f, f }
    ADVERSARY(read_twice_by_one_node),
    ADVERSARY(both_operands_die),
    ADVERSARY(second_operand_dies),
    ADVERSARY(a_view_outlives_its_root),
    ADVERSARY(a_node_reads_root_and_view),
    ADVERSARY(a_node_reads_two_views),
    ADVERSARY(a_node_reads_root_and_transpose),
    ADVERSARY(in_place_through_a_reshape),
    ADVERSARY(in_place_under_a_broadcast),
    ADVERSARY(equal_bytes_but_another_shape),
    ADVERSARY(an_output_is_read_for_the_last_time),
    ADVERSARY(a_long_chain_with_side_exits),
    ADVERSARY(a_state_is_read_before_its_write),
    ADVERSARY(a_state_is_written_part_by_part),
    ADVERSARY(a_state_takes_its_own_rows),
    ADVERSARY(shared_prepared_rows),
    ADVERSARY(one_residual_for_two_sums),
    ADVERSARY(a_residual_is_also_the_input),
    ADVERSARY(a_residual_is_also_the_bias),
    ADVERSARY(a_product_of_a_state_is_added_after_its_write),
    ADVERSARY(a_norm_of_a_state_is_multiplied_after_its_write),
#undef ADVERSARY
};
enum { N_ADVERSARIES = sizeof adversaries / sizeof adversaries[0] };

/* ---- random graphs: a growing pool of [rows, 32 or 64] tensors, rows fixed or varying ---- */

enum { POOL = 96, N_WEIGHTS = 6, FEW_OUTPUTS = 10 };

typedef struct maker {
    case_env *e;
    tl_graph *g;
    uint64_t seed;
    tl_tensor *pool[POOL];
    int n, outputs;
    tl_tensor *ids, *rows;           /* [n] i32: any rows to read, rows to write */
    tl_tensor *state, *narrow_state; /* bank tensors [ROWS, 64] and [ROWS, 32] */
    tl_tensor *weight[2][N_WEIGHTS]; /* [32 or 64, 32 and 64] by width of x */
} maker;

static int any(maker *m, int count) {
    return (int)(case_random(&m->seed) >> 33) % count;
}

static tl_tensor *pick(maker *m) { /* the newer half twice as often */
    int from = any(m, 2) ? m->n / 2 : 0;
    return m->pool[from + any(m, m->n - from)];
}

static bool same_shape(const tl_tensor *a, const tl_tensor *b) {
    return a->size == b->size && a->shape[0] == b->shape[0] && a->shape[1] == b->shape[1];
}

/* Another tensor of x's shape, or x itself. */
static tl_tensor *partner(maker *m, tl_tensor *x) {
    for (int tries = 0; tries < 8; tries++) {
        tl_tensor *y = pick(m);
        if (same_shape(x, y))
            return y;
    }
    return x;
}

static tl_tensor *make_unary(maker *m, tl_tensor *x) {
    switch (any(m, 9)) {
    case 0: return tl_neg(m->g, x);
    case 1: return tl_abs(m->g, x);
    case 2: return tl_scale(m->g, x, 0.75f);
    case 3: return tl_clamp(m->g, x, -1.5f, 2.0f);
    case 4: return tl_relu(m->g, x);
    case 5: return tl_silu(m->g, x);
    case 6: return tl_sigmoid(m->g, x);
    case 7: return tl_sqr(m->g, tl_clamp(m->g, x, -2.0f, 2.0f));
    default: return tl_tanh(m->g, x);
    }
}

static tl_tensor *make_binary(maker *m, tl_tensor *a, tl_tensor *b) {
    switch (any(m, 4)) {
    case 0: return tl_add(m->g, a, b);
    case 1: return tl_sub(m->g, a, b);
    case 2: return tl_swiglu(m->g, a, b);
    default: return tl_mul(m->g, tl_tanh(m->g, a), b);
    }
}

static tl_tensor *make_view(maker *m, tl_tensor *x) {
    int64_t width = x->shape[1], half = width / 2;
    int64_t folded[] = {-1, 2, half}, flat[] = {-1, width};
    tl_tensor *lower = tl_slice(m->g, x, 1, 0, half, 1), *upper = tl_slice(m->g, x, 1, half, half, 1), *y;
    switch (any(m, 6)) {
    case 0: return tl_concat(m->g, (tl_tensor *[]){upper, lower}, 2, 1);
    case 1: return tl_add(m->g, tl_concat(m->g, (tl_tensor *[]){lower, upper}, 2, -1), x);
    case 2: /* fold, swap, unfold */
        y = tl_permute(m->g, tl_reshape(m->g, x, 3, folded), (int[]){0, 2, 1});
        return tl_reshape(m->g, y, 2, flat);
    case 3: return tl_reshape(m->g, make_unary(m, tl_reshape(m->g, x, 3, folded)), 2, flat);
    case 4: return width == 64 ? tl_slice(m->g, x, 1, any(m, 2), 32, 2) : tl_concat(m->g, (tl_tensor *[]){x, x}, 2, 1);
    default:
        return x->size ? tl_neg(m->g, x)
                       : tl_slice(m->g, tl_broadcast(m->g, tl_slice(m->g, x, 0, any(m, ROWS), 1, 1), 2, (int64_t[]){ROWS, width}), 0, 0,
                                  ROWS, 1);
    }
}

static tl_tensor *make_broadcast(maker *m, tl_tensor *x) {
    int64_t width = x->shape[1];
    tl_tensor *column = any(m, 2) ? tl_slice(m->g, x, 1, any(m, (int)width), 1, 1) : tl_mean(m->g, x);
    if (x->size || any(m, 2))
        return tl_add(m->g, x, column);
    tl_tensor *row = tl_slice(m->g, x, 0, any(m, ROWS), 1, 1);
    return any(m, 2) ? tl_sub(m->g, row, x) : tl_mul(m->g, tl_tanh(m->g, row), tl_tanh(m->g, column));
}

static tl_tensor *make_product(maker *m, tl_tensor *x) {
    tl_tensor *y =
        tl_linear(m->g, any(m, 2) ? x : tl_rms_norm(m->g, x, NULL, 1e-5f), m->weight[x->shape[1] == 64][any(m, N_WEIGHTS)], NULL);
    return any(m, 2) && y && same_shape(x, y) ? tl_add(m->g, x, y) : y;
}

/* Writes x into a state, then reads from it. */
static tl_tensor *make_write(maker *m, tl_tensor *x) {
    tl_tensor *state = x->shape[1] == 64 ? m->state : m->narrow_state, *now = tl_latest(m->g, state);
    tl_tensor *old = any(m, 2) ? make_unary(m, now) : NULL;
    if (!x->size && any(m, 2)) {
        tl_assign(m->g, now, any(m, 2) ? x : tl_tanh(m->g, tl_add(m->g, x, now)));
    } else if (!x->size) {
        tl_assign(m->g, tl_slice(m->g, now, 0, 1, 3, 1), tl_slice(m->g, x, 0, any(m, 3), 3, 1));
    } else {
        tl_set_rows(m->g, now, m->rows, x);
    }
    now = tl_latest(m->g, state);
    if (old && m->n < POOL)
        m->pool[m->n++] = old;
    return any(m, 2) ? make_unary(m, now) : tl_gather(m->g, now, m->ids);
}

static tl_tensor *make_node(maker *m) {
    tl_tensor *x = pick(m);
    switch (any(m, 12)) {
    case 0:
    case 1:
    case 2: return make_unary(m, x);
    case 3:
    case 4: return make_binary(m, x, partner(m, x));
    case 5:
    case 6: return make_view(m, x);
    case 7: return make_broadcast(m, x);
    case 8:
    case 9: return make_product(m, x);
    case 10: return any(m, 2) ? tl_softmax(m->g, x, NULL, 0.5f) : x->size ? tl_rms_norm(m->g, x, NULL, 1e-5f) : tl_gather(m->g, x, m->ids);
    default: return make_write(m, x);
    }
}

static void make_leaves(maker *m) {
    static const tl_dtype dtypes[N_WEIGHTS] = {TL_F32, TL_Q4_0, TL_Q8_0, TL_F16, TL_Q4_1, TL_Q8_0};
    int64_t n = case_size(m->e, "n", ROWS);
    static const int32_t rows[ROWS] = {2, 0, 5, 3, 1, 4};
    m->ids = case_ints(m->e, "ids", 1, &n, 0, ROWS - 1);
    m->rows = case_values(m->e, "rows", 1, &n, rows);
    m->state = case_state(m->e, "state", TL_F32, 2, (int64_t[]){ROWS, 64}, FILL_NORMAL);
    m->narrow_state = case_state(m->e, "narrow", TL_F32, 2, (int64_t[]){ROWS, 32}, FILL_NORMAL);
    for (int i = 0; i < 2 * N_WEIGHTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", i);
        m->weight[i % 2][i / 2] =
            case_weight(m->e, name, dtypes[i / 2], 2, (int64_t[]){i / 2 % 2 ? 32 : 64, i % 2 ? 64 : 32}, FILL_NORMAL, TL_USE_LINEAR);
    }
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        m->pool[m->n++] = case_input(m->e, name, TL_F32, 2, (int64_t[]){i < 2 ? n : ROWS, i % 2 ? 64 : 32}, FILL_NORMAL);
    }
}

static void build_random(case_env *e) {
    maker m = {.e = e, .g = e->g};
    memcpy(&m.seed, e->params, sizeof m.seed);
    make_leaves(&m);
    int nodes = 12 + any(&m, 40);
    for (int i = 0; i < nodes && m.n < POOL; i++) {
        tl_tensor *t = make_node(&m);
        if (!t || tl_graph_error(e->g))
            return;
        m.pool[m.n++] = t;
        if (any(&m, 6) == 0 && m.outputs < FEW_OUTPUTS && ++m.outputs)
            case_output(e, t);
    }
    case_output(e, m.pool[m.n - 1]);
    case_output(e, pick(&m));
}

/* ---- everywhere the same ---- */

static const char *const specs[] = {"ref:threads=1", "ref:threads=3,tile=1", "cpu:threads=1", "cpu:threads=3,tile=1"};
enum { N_SPECS = sizeof specs / sizeof specs[0] };

START_TEST(an_adversary_gives_the_same_everywhere) {
    crew c = crew_open(specs, N_SPECS);
    char why[CASE_WHY] = "", name[64];
    snprintf(name, sizeof name, "%s", adversaries[_i].name);
    case_item item = {.name = name, .build = adversaries[_i].build};
    bool ok = crew_agrees(&c, &item, why);
    crew_close(&c);
    ck_assert_msg(ok, "%s", why);
}
END_TEST

enum { GRAPHS = 300, GRAPHS_A_TEST = 25 };

START_TEST(random_graphs_give_the_same_everywhere) {
    crew c = crew_open(specs, N_SPECS);
    char why[CASE_WHY] = "", name[64];
    bool ok = true;
    for (int i = 0; i < GRAPHS_A_TEST && ok; i++) {
        uint64_t seed = (uint64_t)(_i * GRAPHS_A_TEST + i);
        snprintf(name, sizeof name, "random graph %d", (int)seed);
        case_item item = {.name = name, .build = build_random, .params = &seed};
        ok = crew_agrees(&c, &item, why);
    }
    crew_close(&c);
    ck_assert_msg(ok, "%s", why);
}
END_TEST

static Suite *reuse_suite(void) {
    Suite *s = suite_create("reuse");
    TCase *c = tcase_create("reuse");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, an_adversary_gives_the_same_everywhere, 0, N_ADVERSARIES);
    tcase_add_loop_test(c, random_graphs_give_the_same_everywhere, 0, GRAPHS / GRAPHS_A_TEST);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(reuse_suite());
}
