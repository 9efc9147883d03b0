/* test_cpu.c: the cpu backend where lowering and drivers could go wrong: operands that are views, weights at odd addresses, memory shared
 * by a fused product and its residual, spans with gaps, more threads than tiles, no rows at all, ops of others, shapes too large. */
#include <stdio.h>

#include "backends/cpu/cpu.h"
#include "tests/crew.h"
#include "tests/rig.h"

enum { ROWS = 6, WIDE = 256 };
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})

static tl_tensor *input(case_env *e, const char *name, int64_t rows, int64_t n) {
    return case_input(e, name, TL_F32, 2, SHAPE(rows, n), FILL_NORMAL);
}

static tl_tensor *weight(case_env *e, const char *name, tl_dtype type, int64_t n, int64_t k) {
    return case_weight(e, name, type, 2, SHAPE(n, k), FILL_NORMAL, TL_USE_LINEAR);
}

static const tl_dtype kinds[] = {TL_F32, TL_BF16, TL_F16, TL_Q4_1, TL_Q8_0, TL_Q4_K, TL_Q6_K};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* f(e, w) for a weight [WIDE, WIDE] of every kind. */
static void with_kinds(case_env *e, void (*f)(case_env *e, tl_tensor *w)) {
    for (int i = 0; i < N_KINDS; i++)
        f(e, weight(e, tl_dtype_get(kinds[i])->name, kinds[i], WIDE, WIDE));
}

/* ---- operands that are views ---- */

static tl_tensor *shared_input(case_env *e, const char *name) {
    for (int i = 0; i < tl_graph_count(e->g); i++)
        if (tl_graph_node(e->g, i)->name && strcmp(tl_graph_node(e->g, i)->name, name) == 0)
            return tl_graph_node(e->g, i);
    return input(e, name, ROWS, 2 * WIDE);
}

static void strided_x(case_env *e, tl_tensor *w) {
    tl_tensor *x = shared_input(e, "x");
    case_output(e, tl_linear(e->g, tl_slice(e->g, x, 1, 32, WIDE, 1), w, NULL)); /* rows apart */
    case_output(e, tl_linear(e->g, tl_slice(e->g, x, 1, 0, WIDE, 2), w, NULL));  /* elements apart */
}

static void rows_of_x_are_apart(case_env *e) {
    with_kinds(e, strided_x);
}

static void repeated_x(case_env *e, tl_tensor *w) {
    tl_tensor *x = tl_slice(e->g, shared_input(e, "x"), 1, 0, WIDE, 1);
    tl_tensor *one = tl_broadcast(e->g, tl_slice(e->g, x, 0, 2, 1, 1), 2, SHAPE(5, WIDE)),
              *cube = tl_reshape(e->g, tl_neg(e->g, x), 3, SHAPE(2, 3, WIDE));
    tl_tensor *a = tl_linear(e->g, one, w, NULL), *b = tl_linear(e->g, tl_permute(e->g, cube, (int[]){1, 0, 2}), w, NULL);
    case_output(e, tl_add(e->g, tl_slice(e->g, a, 0, 0, 3, 1), tl_slice(e->g, tl_reshape(e->g, b, 2, SHAPE(6, WIDE)), 0, 1, 3, 2)));
}

static void x_is_repeated_or_permuted(case_env *e) {
    with_kinds(e, repeated_x);
}

static void viewed_weight(case_env *e, tl_tensor *w) {
    tl_tensor *x = tl_slice(e->g, shared_input(e, "x"), 1, 0, WIDE, 1);
    case_output(e, tl_linear(e->g, x, tl_slice(e->g, w, 0, 3, 21, 1), NULL));
    case_output(e, tl_linear(e->g, x, tl_slice(e->g, w, 0, 1, 37, 5), NULL));
}

static void weights_are_rows_of_others(case_env *e) {
    with_kinds(e, viewed_weight);
}

static void weights_are_computed(case_env *e) {
    tl_tensor *x = input(e, "x", ROWS, 40), *w = tl_tanh(e->g, input(e, "w", 24, 40)), *half = tl_cast(e->g, w, TL_F16);
    tl_tensor *bias = tl_slice(e->g, input(e, "b", 1, 96), 1, 5, 24, 3), *flat = tl_reshape(e->g, bias, 1, SHAPE(24));
    case_output(e, tl_linear(e->g, x, w, flat));
    case_output(e, tl_linear(e->g, x, half, tl_neg(e->g, flat)));
    tl_tensor *back = tl_linear(e->g, x, w, NULL);
    case_output(e, tl_linear(e->g, back, tl_permute(e->g, w, (int[]){1, 0}), NULL));
    case_output(e, tl_linear(e->g, w, w, NULL)); /* x and weight are one */
}

/* ---- fused products ---- */

static void residual_of(case_env *e, tl_tensor *w) {
    tl_tensor *x =
        tl_tanh(e->g, tl_slice(e->g, shared_input(e, "x"), 1, 0, WIDE, 1)); /* used by the product and by the sum, for the last time */
    case_output(e, tl_add(e->g, x, tl_linear(e->g, x, w, NULL)));
    tl_tensor *y = tl_tanh(e->g, x), *view = tl_slice(e->g, y, 0, 0, 3, 1), *rest = tl_slice(e->g, y, 0, 3, 3, 1);
    case_output(e, tl_add(e->g, tl_linear(e->g, view, w, NULL), rest));
}

static void the_residual_is_the_products_operand(case_env *e) {
    with_kinds(e, residual_of);
}

static void residuals_are_views(case_env *e) {
    tl_tensor *w = weight(e, "w", TL_Q8_0, 64, 64), *x = input(e, "x", ROWS, 64), *r = input(e, "r", 2 * ROWS, 96);
    case_output(e, tl_add(e->g, tl_linear(e->g, x, w, NULL), tl_slice(e->g, tl_slice(e->g, r, 0, 0, ROWS, 2), 1, 8, 64, 1)));
    tl_tensor *last = tl_slice(e->g, tl_slice(e->g, r, 0, 3, 1, 1), 1, 0, 64, 1);
    case_output(e, tl_add(e->g, last, tl_linear(e->g, x, w, NULL))); /* one row for all */
    tl_tensor *cube = tl_reshape(e->g, x, 3, SHAPE(2, 3, 64)),
              *turned = tl_permute(e->g, tl_reshape(e->g, tl_neg(e->g, x), 3, SHAPE(3, 2, 64)), (int[]){1, 0, 2});
    case_output(e, tl_add(e->g, tl_linear(e->g, cube, w, NULL), turned));
    tl_tensor *column = tl_slice(e->g, r, 1, 0, 1, 1);
    case_output(e, tl_add(e->g, tl_linear(e->g, x, w, NULL), tl_slice(e->g, column, 0, 0, ROWS, 1))); /* one column for all */
}

static void two_products_in_one_sum(case_env *e) {
    tl_tensor *a = weight(e, "a", TL_Q4_0, 64, 64), *b = weight(e, "b", TL_F32, 64, 64), *x = tl_silu(e->g, input(e, "x", ROWS, 64));
    tl_tensor *bias = case_weight(e, "bias", TL_F32, 1, SHAPE(64), FILL_NORMAL, 0);
    tl_tensor *y = tl_add(e->g, tl_linear(e->g, x, a, bias), tl_linear(e->g, x, b, bias));
    y = tl_add(e->g, y, tl_linear(e->g, y, a, NULL));
    case_output(e, tl_add(e->g, tl_linear(e->g, y, b, bias), y));
}

/* A norm, and a gate of two halves of wide rows, are computed inside the preparation of rows for several layers. */
static void produced_rows_come_from_views(case_env *e) {
    int64_t n = case_size(e, "n", ROWS);
    tl_tensor *wide = case_input(e, "wide", TL_F32, 2, SHAPE(n, 160), FILL_NORMAL),
              *norm = case_weight(e, "norm", TL_F32, 1, SHAPE(64), FILL_NORMAL, 0);
    tl_tensor *gate = tl_slice(e->g, wide, 1, 0, 64, 1), *up = tl_slice(e->g, wide, 1, 80, 64, 1);
    tl_tensor *a = weight(e, "a", TL_Q8_0, 64, 64), *b = weight(e, "b", TL_Q4_1, 48, 64), *c = weight(e, "c", TL_F16, 48, 64);
    tl_tensor *h = tl_rms_norm(e->g, gate, norm, 1e-5f), *f = tl_swiglu(e->g, gate, up), *g = tl_layer_norm(e->g, up, norm, NULL, 1e-5f);
    case_output(e, tl_linear(e->g, h, a, NULL));
    case_output(e, tl_linear(e->g, h, b, NULL));
    case_output(e, tl_add(e->g, gate, tl_linear(e->g, f, a, NULL)));
    case_output(e, tl_add(e->g, tl_linear(e->g, g, c, NULL), tl_linear(e->g, tl_geglu(e->g, up, gate), b, NULL)));
}

/* The rows of a norm serve three products, the second of which waits for its sum, after its operand's operand has been read for the last
 * time by others. */
static void a_product_waits_for_its_sum(case_env *e) {
    int64_t n = case_size(e, "n", ROWS);
    tl_tensor *x = tl_tanh(e->g, case_input(e, "x", TL_F32, 2, SHAPE(n, 64), FILL_NORMAL)), *h = tl_rms_norm(e->g, x, NULL, 1e-5f);
    tl_tensor *a = weight(e, "a", TL_Q8_0, 64, 64), *b = weight(e, "b", TL_Q4_0, 64, 64);
    tl_tensor *first = tl_linear(e->g, h, a, NULL), *filler = tl_exp(e->g, tl_scale(e->g, tl_abs(e->g, x), -1));
    for (int i = 0; i < 4; i++)
        filler = tl_sqrt(e->g, tl_scale(e->g, filler, 0.5f));
    tl_tensor *sum = tl_add(e->g, filler, first);
    case_output(e, tl_add(e->g, tl_linear(e->g, h, b, NULL), sum));
}

/* ---- spans ---- */

static tl_tensor *spans(case_env *e, int n, const int32_t (*of)[3]) {
    return case_values(e, "span", 2, SHAPE(n, 3), of[0]);
}

/* Pages that no query sees hold no page: their numbers mean nothing and must not be followed. */
static void pages_in_gaps_are_wild(case_env *e) {
    static const int32_t of[][3] = {{0, 0, 10},  {0, 640, 650}, {0, 130, 140}, {0, 700, 701},
                                    {1, 64, 65}, {0, 5, 5},     {1, 300, 420}, {1, 0, 3}};
    enum { QUERIES = 8, PAGES = 12 };
    static const int32_t wild[2][PAGES] = {{1, -1, 3, 0x7FFFFFFF, -5, 1 << 30, -1, 99, -2, 77, 0, 1000000},
                                           {2, 3, -1, -1, 0, 1, 2, 0x7FFFFFFF, -0x7FFFFFFF, 4, 4, 4}};
    tl_tensor *q = case_input(e, "q", TL_F32, 3, SHAPE(QUERIES, 2, 16), FILL_NORMAL), *span = spans(e, QUERIES, of);
    tl_tensor *pages = case_values(e, "pages", 2, SHAPE(2, PAGES), wild[0]);
    tl_tensor *k = case_input(e, "k", TL_F16, 3, SHAPE(256, 1, 16), FILL_NORMAL),
              *v = case_input(e, "v", TL_F16, 3, SHAPE(256, 1, 16), FILL_NORMAL);
    case_output(e, tl_attention(e->g, q, k, v, span, pages, NULL, NULL, 0.25f, 0));
    tl_tensor *k32 = tl_cast(e->g, k, TL_F32), *v32 = tl_cast(e->g, v, TL_F32);
    case_output(e, tl_attention(e->g, q, k32, v32, span, pages, NULL, NULL, 0.25f, 0));
}

/* Overlapping, touching, nested and far spans of one tile of queries, in every order. */
static void spans_in_disorder(case_env *e) {
    static const int32_t of[][3] = {{0, 500, 600}, {0, 0, 1},   {0, 599, 600}, {0, 255, 257}, {0, 100, 120}, {0, 120, 300}, {0, 300, 300},
                                    {0, 300, 301}, {0, 0, 600}, {0, 17, 18},   {0, 33, 34},   {0, 20, 30},   {0, 10, 40},   {0, 0, -3},
                                    {0, 40, 41},   {0, 42, 43}, {0, 41, 42},   {0, 256, 512}, {0, 511, 513}, {0, 0, 256}};
    tl_tensor *q = case_input(e, "q", TL_F32, 3, SHAPE(20, 3, 8), FILL_NORMAL),
              *k = case_input(e, "k", TL_F32, 3, SHAPE(600, 1, 8), FILL_NORMAL);
    tl_tensor *v = case_input(e, "v", TL_F32, 3, SHAPE(600, 1, 24), FILL_NORMAL);
    case_output(e, tl_attention(e->g, q, k, v, spans(e, 20, of), NULL, NULL, NULL, 0.5f, 0));
}

/* ---- states ---- */

static void a_product_of_a_state_stays_before_its_write(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, SHAPE(64, 64), FILL_NORMAL), *x = input(e, "x", 64, 64);
    tl_tensor *y = tl_linear(e->g, x, s, NULL),
              *of = tl_linear(e->g, tl_rms_norm(e->g, s, NULL, 1e-5f), weight(e, "w", TL_Q8_0, 64, 64), NULL);
    tl_tensor *now = tl_assign(e->g, s, x);
    case_output(e, tl_add(e->g, y, x)); /* both products could wait for their sums, and must not */
    case_output(e, tl_add(e->g, now, of));
}

static const struct {
    const char *name;
    void (*build)(case_env *e);
} scenes[] = {
#define SCENE(name) \
    { #name, name }
    SCENE(rows_of_x_are_apart),
    SCENE(x_is_repeated_or_permuted),
    SCENE(weights_are_rows_of_others),
    SCENE(weights_are_computed),
    SCENE(the_residual_is_the_products_operand),
    SCENE(residuals_are_views),
    SCENE(two_products_in_one_sum),
    SCENE(produced_rows_come_from_views),
    SCENE(a_product_waits_for_its_sum),
    SCENE(pages_in_gaps_are_wild),
    SCENE(spans_in_disorder),
    SCENE(a_product_of_a_state_stays_before_its_write),
};
enum { N_SCENES = sizeof scenes / sizeof *scenes };

#if defined(__wasm__)
#define MANY "9" /* the host lends no more */
#else
#define MANY "64"
#endif

START_TEST(a_scene_is_the_same_everywhere) {
    static const char *const specs[] = {"ref:threads=1", "cpu:threads=" MANY ",tile=1",     "cpu:threads=2,pack=0,tile=2147483647",
                                        "cpu:threads=1", "cpu:isa=scalar,threads=3,tile=1", "ref:threads=" MANY ",tile=1"};
    crew c = crew_open(specs, sparing(sizeof specs / sizeof *specs, 3));
    char why[CASE_WHY] = "", name[80];
    snprintf(name, sizeof name, "%s", scenes[_i].name);
    case_item item = {.name = name, .build = scenes[_i].build};
    bool ok = crew_agrees(&c, &item, why);
    crew_close(&c);
    ck_assert_msg(ok, "%s", why);
}
END_TEST

/* ---- weights at odd addresses: a file's tensors may lie anywhere ---- */

static void product_at(rig *r, const void *data, tl_dtype type, const float *x, float *y) {
    tl_tensor *w;
    char name[24];
    snprintf(name, sizeof name, "w%d", tl_bank_count(r->bank));
    MUST(r, tl_bank_wrap(r->bank, name, type, 2, SHAPE(20, WIDE), data, false, &w, &r->err));
    rig_next_graph(r);
    tl_tensor *in = rig_input(r, "x", 3, WIDE);
    tl_output(r->g, tl_linear(r->g, in, w, NULL));
    rig_plan(r, NULL);
    MUST(r, tl_write(in, x, 3 * WIDE * sizeof *x, &r->err));
    rig_run(r);
    MUST(r, tl_read(tl_graph_node(r->g, tl_graph_count(r->g) - 1), y, 3 * 20 * sizeof *y, &r->err));
}

START_TEST(weights_may_lie_at_odd_addresses) {
    static uint8_t even[20 * WIDE * 4], odd[20 * WIDE * 4 + 8];
    static float x[3 * WIDE];
    rig r = rig_open(_i ? "cpu:isa=scalar" : "cpu");
    case_generate(TL_F32, x, 3 * WIDE, WIDE, FILL_NORMAL, 1);
    for (int i = 1; i < N_KINDS; i++) { /* f32 rows have the alignment of floats */
        size_t step = tl_dtype_get(kinds[i])->block > 1 ? 1 : 2,
               bytes = (size_t)(20 * WIDE / tl_dtype_get(kinds[i])->block) * (size_t)tl_dtype_get(kinds[i])->block_bytes;
        float want[60], got[60];
        case_generate(kinds[i], even, 20 * WIDE, WIDE, FILL_NORMAL, 2);
        product_at(&r, even, kinds[i], x, want);
        for (size_t at = step; at < 8; at += 2 * step) {
            memcpy(odd + at, even, bytes);
            product_at(&r, odd + at, kinds[i], x, got);
            ck_assert_mem_eq(got, want, sizeof want);
        }
    }
    rig_close(&r);
}
END_TEST

/* ---- ops of others ---- */

static tl_status same_infer(tl_graph *g, tl_tensor *out) {
    (void)g;
    out->dtype = TL_F32;
    out->rank = 2;
    out->size = out->src[0]->size;
    memcpy(out->shape, out->src[0]->shape, sizeof out->shape);
    return TL_OK;
}

static void seven_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    for (int64_t r = row0; r < row1; r++)
        for (int64_t i = 0; i < tl_dim(out, -1); i++)
            ((float *)tl_row(out, r))[i] = 7;
}

START_TEST(an_op_that_bears_anothers_number_keeps_its_own_meaning) {
    static const int ids[] = {TL_OP_LINEAR, TL_OP_ADD, TL_OP_RMS_NORM, TL_OP_ATTENTION, TL_OP_NEG, TL_OP_SCALE, TL_OP_ROPE, 1000, -1};
    rig r = rig_open("cpu:threads=2");
    tl_tensor *state = rig_state(&r, "w", 32, 32, 0);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        tl_op seven = {
            .name = "seven", .formula = "y = 7", .id = ids[i], .min_src = 2, .max_src = 2, .infer = same_infer, .ref = seven_ref};
        rig_next_graph(&r);
        tl_tensor *x = rig_input(&r, "x", 32, 32), *product = tl_linear(r.g, x, state, NULL);
        tl_tensor *y = tl_node(r.g, &seven, 2, (tl_tensor *[]){product, x}, NULL, 0), *z = tl_linear(r.g, y, state, NULL);
        tl_output(r.g, y);
        tl_output(r.g, tl_add(r.g, z, x));
        rig_plan(&r, NULL);
        rig_fill(&r, x, 1);
        rig_run(&r);
        for (int k = 0; k < 32 * 32; k++)
            ck_assert_float_eq(rig_value(&r, y, k), 7);
        tl_plan_free(r.plan);
        r.plan = NULL;
    }
    rig_close(&r);
}
END_TEST

START_TEST(an_op_without_cost_is_cut_among_threads) {
    static const tl_op seven = {
        .name = "seven", .formula = "y = 7", .id = -1, .min_src = 1, .max_src = 1, .infer = same_infer, .ref = seven_ref};
    rig r = rig_open(_i ? "ref:threads=4" : "cpu:threads=4");
    tl_tensor *x = rig_input(&r, "x", 64, 4096), *y = tl_node(r.g, &seven, 1, &x, NULL, 0);
    tl_output(r.g, y);
    rig_plan(&r, &(tl_plan_options){.profile = true});
    rig_run(&r);
    const tl_plan_profile_row *rows;
    ck_assert_int_eq(tl_plan_profile(r.plan, &rows), 1);
    ck_assert_int_eq(rows[0].tiles, 16);
    ck_assert_double_eq(rows[0].cost.read, 64 * 4096 * 4);
    ck_assert_double_eq(rows[0].cost.written, 64 * 4096 * 4);
    rig_close(&r);
}
END_TEST

/* Level of the kernels' names, of a level's table or of what it inherits. */
static const char *level_of_slot(const tl_level *l, size_t slot) {
    void (*fn)(void);
    for (; l; l = l->base) {
        if (l->kernels)
            memcpy(&fn, (const char *)l->kernels + slot, sizeof fn);
        if (l->kernels && fn)
            return l->name;
    }
    return "none";
}

/* A step's kernel leads to the function that runs: level, slot, type. */
START_TEST(steps_are_named_after_their_kernels) {
    static const tl_op seven = {
        .name = "seven", .formula = "y = 7", .id = -1, .min_src = 1, .max_src = 1, .infer = same_infer, .ref = seven_ref};
    for (int i = 0; tl_backend_openable(i); i++) {
        rig r = rig_open(tl_backend_openable(i));
        const tl_cpu *cpu = r.be->impl;
        tl_tensor *w, *w_packed;
        MUST(&r, tl_bank_add(r.bank, "w", TL_Q4_1, 2, SHAPE(32, 32), NULL, &w, &r.err));
        MUST(&r, tl_bank_add(r.bank, "packed", TL_Q5_0, 2, SHAPE(32, 32), tl_cpu_layout_of(TL_Q5_0), &w_packed, &r.err));
        tl_tensor *x = rig_input(&r, "x", 3, 32);
        tl_output(r.g, tl_linear(r.g, x, w, NULL));
        if (!cpu->reference)
            tl_output(r.g, tl_linear(r.g, x, w_packed, NULL));
        tl_output(r.g, tl_log(r.g, tl_rms_norm(r.g, x, NULL, 1e-5f)));
        tl_output(r.g, tl_node(r.g, &seven, 1, &x, NULL, 0));
        rig_plan(&r, NULL);
        static const struct {
            const char *name;
            size_t slot;
        } want[] = {{"quantize_x32", offsetof(tl_kernels, quantize_x32)},
                    {"panel_q4_1", offsetof(tl_kernels, panel[TL_Q4_1])},
                    {"panel_q5_0", offsetof(tl_kernels, panel[TL_Q5_0])},
                    {"rms_norm", offsetof(tl_kernels, rms_norm)},
                    {"log", offsetof(tl_kernels, log)}};
        ck_assert_int_eq(r.plan->n_steps, cpu->reference ? 4 : 6);
        for (int k = 0; k < r.plan->n_steps; k++) {
            char name[64] = "reference";
            if (!cpu->reference && k < 5)
                snprintf(name, sizeof name, "%s_%s", level_of_slot(cpu->level, want[k].slot), want[k].name);
            ck_assert_str_eq(r.plan->steps[k].kernel, name);
        }
        rig_close(&r);
    }
}
END_TEST

/* ---- what the machine can do ---- */

START_TEST(peaks_are_measured_where_a_backend_can) {
    static const char *const specs[] = {"cpu:threads=2", "ref:threads=1"};
    rig r = rig_open(specs[_i]);
    tl_peaks p;
    MUST(&r, tl_backend_peaks(r.be, &p, &r.err));
    const double figures[] = {p.read, p.triad, p.apart, p.exact, p.int8};
    for (int i = 0; i < 5; i++)
        ck_assert_msg(figures[i] > 0 && figures[i] < 1e18, "figure %d is %g", i, figures[i]);
    tl_backend_ops without = *r.be->ops;
    const tl_backend_ops *with = r.be->ops;
    without.peaks = NULL;
    r.be->ops = &without;
    REFUSED(&r, tl_backend_peaks(r.be, &p, &r.err), TL_ERR_UNSUPPORTED, "cannot measure");
    ck_assert(p.read == 0 && p.int8 == 0);
    r.be->ops = with;
    REFUSED(&r, tl_backend_peaks(NULL, &p, &r.err), TL_ERR_USAGE, "backend");
    REFUSED(&r, tl_backend_peaks(r.be, NULL, &r.err), TL_ERR_USAGE, "place");
    tl_alloc_fail_at(0, false);
    REFUSED(&r, tl_backend_peaks(r.be, &p, &r.err), TL_ERR_MEMORY, "out of memory");
    tl_alloc_fail_at(-1, false);
    rig_close(&r);
}
END_TEST

/* ---- shapes too large to run ---- */

START_TEST(large_shapes_are_forecast_or_refused) {
    rig r = rig_open("cpu:threads=4");
    tl_plan_memory m;
    tl_tensor *w, *k, *v;
    MUST(&r, tl_bank_declare(r.bank, "w", TL_Q4_K, 2, SHAPE((int64_t)1 << 30, (int64_t)1 << 20), NULL, &w, &r.err));
    tl_tensor *x = rig_input(&r, "x", (int64_t)1 << 12, (int64_t)1 << 20);
    tl_output(r.g, tl_linear(r.g, tl_rms_norm(r.g, x, NULL, 1e-5f), w, NULL));
    MUST(&r, tl_plan_forecast(r.g, r.be, NULL, &m, &r.err));
    uint64_t rows = (uint64_t)1 << 12, prepared = rows * ((1 << 20) / 256) * sizeof(tl_x256);
    ck_assert_uint_ge(m.activations, (rows << 20) * 4 + (rows << 30) * 4);
    ck_assert_uint_le(m.activations, (rows << 20) * 4 + (rows << 30) * 4 + prepared + 4096);

    rig_next_graph(&r);
    int64_t d = (int64_t)1 << 40; /* a head: its chunk of keys alone would be 2^50 bytes */
    MUST(&r, tl_bank_declare(r.bank, "k", TL_F16, 3, SHAPE(4, 1, d), NULL, &k, &r.err));
    MUST(&r, tl_bank_declare(r.bank, "v", TL_F16, 3, SHAPE(4, 1, d), NULL, &v, &r.err));
    tl_tensor *q = tl_input(r.g, "q", TL_F32, 3, SHAPE(1, 1, d)), *span = tl_input(r.g, "span", TL_I32, 2, SHAPE(1, 3));
    tl_output(r.g, tl_attention(r.g, q, k, v, span, NULL, NULL, NULL, 1, 0));
    MUST(&r, tl_plan_forecast(r.g, r.be, NULL, &m, &r.err));
    ck_assert_uint_ge(m.activations, 2 * (uint64_t)d * 4);
    ck_assert_uint_le(m.workers, 4 * 8 * (uint64_t)d * 4);
    tl_plan *p;
    ck_assert_int_eq(tl_plan_new(&p, r.g, r.be, NULL, &r.err), TL_ERR_MEMORY);

    rig_next_graph(&r); /* a table of pages for 2^64 keys, of which 2^31 can be named */
    tl_tensor *pages = tl_input(r.g, "pages", TL_I32, 2, SHAPE(1, (int64_t)1 << 58));
    k = tl_input(r.g, "k", TL_F32, 3, SHAPE(64, 1, 2));
    q = tl_input(r.g, "q", TL_F32, 3, SHAPE(1, 1, 2));
    span = tl_input(r.g, "span", TL_I32, 2, SHAPE(1, 3));
    tl_output(r.g, tl_attention(r.g, q, k, k, span, pages, NULL, NULL, 1, 0));
    MUST(&r, tl_plan_forecast(r.g, r.be, NULL, &m, &r.err));
    ck_assert_uint_gt(m.activations, ((uint64_t)1 << 60) + ((uint64_t)1 << 31) / TL_ATTENTION_CHUNK * 16);
    ck_assert_uint_lt(m.activations, ((uint64_t)1 << 60) + ((uint64_t)1 << 31));

    rig_next_graph(&r); /* heads of one group: their scratch is more than 2^64 bytes */
    k = tl_input(r.g, "k", TL_F32, 3, SHAPE(64, 1, 2));
    v = tl_input(r.g, "v", TL_F32, 3, SHAPE(64, 1, 1));
    q = tl_input(r.g, "q", TL_F32, 3, SHAPE(1, (int64_t)1 << 57, 2));
    span = tl_input(r.g, "span", TL_I32, 2, SHAPE(1, 3));
    tl_output(r.g, tl_attention(r.g, q, k, v, span, NULL, NULL, NULL, 1, 0));
    REFUSED(&r, tl_plan_forecast(r.g, r.be, NULL, &m, &r.err), TL_ERR_MEMORY, "overflows");
    rig_close(&r);
}
END_TEST

/* ---- options ---- */

START_TEST(options_are_checked_and_named) {
    static const struct {
        const char *spec;
        tl_status status;
        const char *words;
    } bad[] = {
        {"cpu:isa=mmx", TL_ERR_USAGE, "isa=mmx is unknown; levels are scalar"},
        {"cpu:threads=0", TL_ERR_USAGE, "wants a number from 1 to"},
        {"cpu:threads=257", TL_ERR_USAGE, "wants a number from 1 to"},
        {"cpu:tile=0", TL_ERR_USAGE, "wants a number from 1 to"},
        {"cpu:pack=2", TL_ERR_USAGE, "wants a number from 0 to 1"},
        {"cpu:speed=9", TL_ERR_USAGE, "option 'speed' is unknown"},
        {"ref:isa=scalar", TL_ERR_USAGE, "option 'isa' is unknown"},
        {"ref:pack=1", TL_ERR_USAGE, "option 'pack' is unknown"},
        {"cpu:threads=2,", TL_ERR_USAGE, "wants KEY=VALUE"},
        {"mmx", TL_ERR_USAGE, "is unknown; there are"},
        {"cpu:threads=2,tile=5,threads=3", TL_ERR_USAGE, "threads is given twice, as 2 and as 3"},
        {"scalar:isa=avx2", TL_ERR_USAGE, "isa is given twice, as scalar and as avx2"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tl_backend *be;
        rig r = {0};
        REFUSED(&r, tl_backend_open(&be, bad[i].spec, &r.err), bad[i].status, bad[i].words);
        ck_assert_ptr_null(be);
    }
    for (int i = 0; tl_backend_lacking(i); i++) {
        char spec[48];
        tl_backend *be;
        rig r = {0};
        snprintf(spec, sizeof spec, "cpu:isa=%s", tl_backend_lacking(i));
        REFUSED(&r, tl_backend_open(&be, spec, &r.err), TL_ERR_UNSUPPORTED, "cannot run");
    }
    rig r = rig_open("scalar:threads=2,tile=5,pack=0");
    ck_assert_str_eq(tl_backend_describe(r.be), "cpu, level scalar, 2 threads, weights as stored");
    rig_close(&r);
}
END_TEST

/* ---- cutting work ---- */

START_TEST(tiles_cover_all_rows_whatever_they_cost) {
    static const double works[] = {0, 1e-300, 0.5, 1, 9999, 10000, 1e9, 1e300};
    static const int64_t counts[] = {1, 2, 3, 7, 64, 65, 1000003, (int64_t)1 << 50};
    static const int threads[] = {1, 2, 64, 256}, tiles[] = {1, 10000, INT32_MAX};
    for (int w = 0; w < 8; w++)
        for (int n = 0; n < 8; n++)
            for (int t = 0; t < 4; t++)
                for (int k = 0; k < 3; k++) {
                    tl_cpu cpu = {.threads = threads[t], .tile = tiles[k]};
                    int64_t each = tl_cpu_tile_rows(&cpu, counts[n], works[w]);
                    ck_assert_int_ge(each, 1);
                    ck_assert_int_le(each, counts[n]);
                    ck_assert_int_le((counts[n] + each - 1) / each, threads[t] * 4);
                }
}
END_TEST

/* TALLY_EXPECT_LEVEL: what the test command knows of the CPU that it emulates. */
START_TEST(the_level_by_default_is_the_best_of_this_cpu) {
    const char *expected = getenv("TALLY_EXPECT_LEVEL");
    char words[64];
    snprintf(words, sizeof words, "cpu, level %s, ", expected ? expected : tl_level_find(NULL)->name);
    rig r = rig_open("cpu");
    ck_assert_msg(strncmp(tl_backend_describe(r.be), words, strlen(words)) == 0, "%s, not %s", tl_backend_describe(r.be), words);
    rig_close(&r);
}
END_TEST

static Suite *cpu_suite(void) {
    Suite *s = suite_create("cpu");
    TCase *t = tcase_create("cpu"), *level = tcase_create("level");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, a_scene_is_the_same_everywhere, 0, N_SCENES);
    tcase_add_loop_test(t, weights_may_lie_at_odd_addresses, 0, 2);
    tcase_add_test(t, an_op_that_bears_anothers_number_keeps_its_own_meaning);
    tcase_add_loop_test(t, an_op_without_cost_is_cut_among_threads, 0, 2);
    tcase_add_test(t, steps_are_named_after_their_kernels);
    tcase_add_loop_test(t, peaks_are_measured_where_a_backend_can, 0, 2);
    tcase_add_test(t, large_shapes_are_forecast_or_refused);
    tcase_add_test(t, options_are_checked_and_named);
    tcase_add_test(level, the_level_by_default_is_the_best_of_this_cpu); /* apart, for tests/run */
    tcase_add_test(t, tiles_cover_all_rows_whatever_they_cost);
    suite_add_tcase(s, t);
    suite_add_tcase(s, level);
    return s;
}

int main(void) {
    return run_suite(cpu_suite());
}
