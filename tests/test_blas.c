/* test_blas.c: the backend blas is near ref and says that it is not more: every product of every case lies within a bound that follows from
 * its length and the size of its operands; all other results are ref's bits; fused, packed and threaded runs give blas's own bits; a model
 * says what it says elsewhere. Without TALLY_BLAS the one test is that the backend's absence is explained. */
#include <math.h>

#include "ops/internal.h"
#include "tensor/quant.h"
#include "tests/cases_internal.h"
#include "tests/demo_digest.h"
#include "tests/model_rig.h"

static bool is_listed(const char *name) {
    for (int i = 0; i < tl_backend_count(); i++)
        if (strcmp(tl_backend_name(i), name) == 0)
            return true;
    return false;
}

static bool is_openable(const char *spec) {
    for (int i = 0; tl_backend_openable(i); i++)
        if (strcmp(tl_backend_openable(i), spec) == 0)
            return true;
    return false;
}

#ifndef TL_BLAS

START_TEST(a_backend_that_is_left_out_says_how_to_get_it) {
    static const char *const specs[] = {"blas", "blas:threads=2", "blas:"};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        tl_backend *be;
        rig r = {0};
        REFUSED(&r, tl_backend_open(&be, specs[i], &r.err), TL_ERR_UNSUPPORTED, "backend 'blas' is not in this build: ");
        ck_assert_ptr_nonnull(strstr(r.err.message, "cmake -DTALLY_BLAS=ON"));
        ck_assert_ptr_null(be);
    }
    ck_assert(!is_listed("blas") && !is_openable("blas"));
    rig r = {0};
    tl_backend *be;
    REFUSED(&r, tl_backend_open(&be, "bla", &r.err), TL_ERR_USAGE, "'bla' is unknown; there are cpu, ref, ");
}
END_TEST

#else

/* Not cblas.h, which the tests need not find. */
int openblas_get_num_threads(void);
void openblas_set_num_threads(int n);

/* ---- how far a product may be from ref's ----
 *
 * Either side rounds each of k products and additions once or a few times, relative to the size of what it adds: 2 (k + ROUNDINGS) 2^-24 of the
 * sum of |x| |w|, where |w| of a block type with a minimum is the size of both its parts. Ref besides rounds x for the weight (ARCHITECTURE.md,
 * "Numerics", rules 3 and 4): to half a step of 1/127 of a block's largest, or to 13 bits. Below 2^-120 nothing is promised. */

enum { ROUNDINGS = 16 };
static const double TOO_LARGE = 1e37, TINY = 0x1p-120, HALF_A_STEP = 0.5001 / 127;

typedef struct bounds {
    double size;  /* sum of |x| |w| */
    double prep;  /* what rounding x may change */
    double value; /* the product itself */
    bool finite;  /* all operands are */
} bounds;

/* The size of element i of a block: |d q| + |m| where both are there. */
static double block_size(tl_dtype t, const tl_ints *b, int i) {
    switch (tl_dtype_get(t)->kind) {
    case TL_KIND_SCALE:
    case TL_KIND_SCALE_MIN: return fabs((double)b->d * b->q[i]) + fabs((double)b->m);
    default: return fabs((double)b->d * b->sc[i / 16] * b->q[i]) + fabs((double)b->m * b->mn[i / 16]);
    }
}

/* Sizes and values of a row of k weights as stored. */
static void weigh(tl_dtype t, const void *row, int64_t k, double *size, float *value) {
    const tl_dtype_info *info = tl_dtype_get(t);
    tl_codec_of(t)->decode(row, value, k);
    for (int64_t i = 0; i < k; i++) {
        tl_ints ints = {0};
        if (info->block > 1 && i % info->block == 0)
            tl_unpack_of(t)((const char *)row + i / info->block * info->block_bytes, &ints);
        for (int64_t j = i; info->block > 1 && i % info->block == 0 && j < i + info->block; j++)
            size[j] = block_size(t, &ints, (int)(j - i));
        if (info->block == 1)
            size[i] = fabs((double)value[i]);
    }
}

/* How far each x [k] may be from what ref takes for it. */
static void prep_errors(tl_dtype t, const float *x, int64_t k, double *error) {
    int block = tl_dtype_get(t)->block;
    for (int64_t i = 0; i < k; i++) {
        double a = fabs((double)x[i]);
        error[i] = tl_dtype_get(t)->kind != TL_KIND_HALF ? 0 : a < 0x1p-100 ? 0x1p-100 : a < 0x1p100 ? a * 0x1p-13 : INFINITY;
    }
    for (int64_t i = 0; block > 1 && i < k; i += block) {
        double most = 0;
        for (int j = 0; j < block; j++)
            most = fabs((double)x[i + j]) > most ? fabs((double)x[i + j]) : most;
        for (int j = 0; j < block; j++)
            error[i + j] = most < 0x1p-100 ? most : most * HALF_A_STEP;
    }
}

static bounds bounds_of(const float *x, const double *error, const double *size, const float *value, int64_t k) {
    bounds b = {.finite = true};
    for (int64_t i = 0; i < k; i++) {
        b.size += fabs((double)x[i]) * size[i];
        b.prep += error[i] * size[i];
        b.value += (double)x[i] * (double)value[i];
        b.finite = b.finite && isfinite(x[i]) && isfinite(value[i]) && isfinite(size[i]);
    }
    return b;
}

typedef struct check {
    int64_t compared, beyond; /* results; those whose operands are not finite or too large for a bound */
    double worst;             /* error in bounds */
    bool by_blas;             /* this node, so that x was read as it is */
    char why[CASE_WHY];
} check;

static void compare(check *c, const tl_tensor *node, float got, float want, bounds b, float bias, int64_t k) {
    b.size += fabs((double)bias);
    b.value += (double)bias;
    double rounding = 2 * (double)(k + ROUNDINGS) * 0x1p-24 * (b.size + b.prep) + TINY * (double)k, bound = b.prep + rounding;
    double error = fabs((double)got - (double)want), alone = fabs((double)got - b.value);
    if (!b.finite || !(b.size + b.prep < TOO_LARGE)) {
        c->beyond++;
        if (!b.finite && isfinite(got))
            snprintf(c->why, sizeof c->why, "%s gives %g of operands that are not finite", node->op->name, (double)got);
        return;
    }
    c->compared++;
    c->worst = error / bound > c->worst ? error / bound : c->worst;
    if (!(error <= bound))
        snprintf(c->why, sizeof c->why, "%s: %g, ref has %g: %g apart, which is more than %g", node->op->name, (double)got, (double)want,
                 error, bound);
    else if (c->by_blas && !(alone <= rounding))
        snprintf(c->why, sizeof c->why, "%s: %g, exactly %g: %g apart, which is more than %g", node->op->name, (double)got, b.value, alone,
                 rounding);
}

/* got and want: the node's current rows. */
static void check_linear(check *c, const tl_tensor *node, int64_t rows, const float *got, const float *want) {
    const tl_tensor *x = node->src[0], *w = node->src[1], *bias = node->src[2];
    int64_t n = w->shape[0], k = w->shape[1];
    double *size = calloc((size_t)k, sizeof *size), *error = calloc((size_t)(rows * k), sizeof *error);
    float *value = calloc((size_t)k, sizeof *value);
    void *stored = calloc(1, tl_row_bytes(w));
    ck_assert(size && error && value && stored);
    for (int64_t r = 0; r < rows; r++)
        prep_errors(w->dtype, tl_row(x, r), k, error + r * k);
    for (int64_t j = 0; j < n; j++) {
        if (w->layout)
            w->layout->unpack_rows(w, j, j + 1, tl_data(w), stored);
        else
            memcpy(stored, tl_row(w, j), tl_row_bytes(w));
        weigh(w->dtype, stored, k, size, value);
        for (int64_t r = 0; r < rows; r++)
            compare(c, node, got[r * n + j], want[r * n + j], bounds_of(tl_row(x, r), error + r * k, size, value, k),
                    bias ? ((const float *)tl_data(bias))[j] : 0, k);
    }
    free(size);
    free(error);
    free(value);
    free(stored);
}

static void check_matmul(check *c, const tl_tensor *node, int64_t rows, const float *got, const float *want) {
    const tl_tensor *a = node->src[0], *b = node->src[1];
    int64_t m = tl_dim(a, -2), k = tl_dim(a, -1), n = tl_dim(b, -1);
    double *size = calloc((size_t)k, sizeof *size), *error = calloc((size_t)k, sizeof *error);
    float *value = calloc((size_t)k, sizeof *value);
    ck_assert(size && error && value);
    for (int64_t r = 0; r < rows; r++) {
        const void *row = tl_matmul_matrix(a, node, r / m) + r % m * a->stride[a->rank - 2];
        prep_errors(b->dtype, row, k, error);
        for (int64_t j = 0; j < n; j++) {
            const char *column = tl_matmul_matrix(b, node, r / m) + j * tl_dtype_get(b->dtype)->block_bytes;
            for (int64_t i = 0; i < k; i++)
                weigh(b->dtype, column + i * b->stride[b->rank - 2], 1, &size[i], &value[i]);
            compare(c, node, got[r * n + j], want[r * n + j], bounds_of(row, error, size, value, k), 0, k);
        }
    }
    free(size);
    free(error);
    free(value);
}

/* A probe: has ref compute the node again, on the very operands that blas had, and compares. What blas computed stays. */
static void check_node(void *ctx, const tl_plan *p, const tl_tensor *node) {
    check *c = ctx;
    int64_t rows = tl_plan_rows(p, node), n = tl_dim(node, -1);
    size_t bytes = (size_t)rows * tl_row_bytes(node);
    if (node->op->flags & TL_OP_STATE || node->dtype != TL_F32 || rows == 0 || c->why[0])
        return;
    float *got = malloc(bytes), *want = malloc(bytes);
    void *scratch = calloc(1, node->op->scratch ? node->op->scratch(node) + 1 : 1);
    ck_assert(got && want && scratch);
    memcpy(got, tl_data(node), bytes);
    node->op->ref(node, 0, tl_plan_work(p, node), scratch);
    memcpy(want, tl_data(node), bytes);
    memcpy(tl_data(node), got, bytes);
    c->by_blas = false;
    for (int i = 0; i < p->n_steps; i++)
        c->by_blas = c->by_blas || (p->steps[i].node == node && strcmp(p->steps[i].kernel, "sgemm") == 0);
    if (node->op->id == TL_OP_LINEAR) {
        check_linear(c, node, rows, got, want);
    } else if (node->op->id == TL_OP_MATMUL) {
        check_matmul(c, node, rows, got, want);
    } else {
        case_canonical(TL_F32, got, rows * n);
        case_canonical(TL_F32, want, rows * n);
        if (memcmp(got, want, bytes) != 0)
            snprintf(c->why, sizeof c->why, "%s has other bits than ref", node->op->name);
    }
    free(got);
    free(want);
    free(scratch);
}

/* ---- every case ---- */

static const char *const specs[] = {"blas:rows=1,threads=1", "blas:rows=1,threads=3,tile=1", "blas:rows=1,isa=scalar,threads=2"};
enum { N_SPECS = sizeof specs / sizeof *specs };

/* Node by node against ref, with weights packed or not. */
static void check_case(const case_item *item, tl_backend *be, bool pack, check *c) {
    case_live live;
    tl_plan *p;
    tl_error err = {0};
    tl_plan_options options = {.no_reuse = true, .probe = check_node, .probe_ctx = c};
    ck_assert_msg(case_open(&live, item, be, pack), "%s", live.why);
    ck_assert_msg(tl_plan_new(&p, live.env.g, be, &options, &err) == TL_OK, "%s: %s", item->name, err.message);
    for (int step = 0; step < case_steps(live.env.g); step++) {
        case_result r = {0};
        ck_assert_msg(case_step(&live, p, step, false, &r), "%s: %s", item->name, live.why);
        case_result_drop(&r);
        ck_assert_msg(c->why[0] == 0, "%s, step %d: %s", item->name, step, c->why);
    }
    tl_plan_free(p);
    case_close(&live);
}

/* However it runs, the bits are those of its own plain run. */
static void check_ways(const case_item *item, tl_backend *be) {
    static const tl_plan_options ways[] = {{.no_reuse = false}, {.no_reuse = true}, {.no_fuse = true}};
    case_expected x;
    char why[CASE_WHY];
    ck_assert_msg(case_expect(&x, item, be, why), "%s", why);
    for (int pack = 0; pack < 2; pack++)
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
            case_live live;
            ck_assert_msg(case_open(&live, item, be, pack), "%s", live.why);
            bool same = case_compare(&live, &x, &ways[i], false, why);
            ck_assert_msg(same, "%s, way %d of its own: %s", item->name, (int)i, why);
            case_close(&live);
        }
    case_expected_drop(&x);
}

START_TEST(every_product_is_within_its_bound_and_all_else_is_refs_bits) {
    case_list l;
    tl_backend *be;
    tl_error err = {0};
    check c = {0};
    ck_assert_msg(cases_collect(&l), "%s", l.error);
    ck_assert_msg(tl_backend_open(&be, specs[_i], &err) == TL_OK, "%s", err.message);
    for (int i = 0; i < l.n; i++) {
        bool is_product = l.items[i].op == TL_OP_LINEAR || l.items[i].op == TL_OP_MATMUL;
        if (is_product || _i == 0) /* all else does not differ from spec to spec */
            check_case(&l.items[i], be, true, &c);
        if (!is_product)
            continue;
        check_case(&l.items[i], be, false, &c);
        check_ways(&l.items[i], be);
    }
    tl_backend_free(be);
    cases_drop(&l);
    printf("%s: %lld products within their bounds, the farthest at %.3f of it; %lld without a bound\n", specs[_i], (long long)c.compared,
           c.worst, (long long)c.beyond);
    fflush(stdout);
    ck_assert_int_gt(c.compared, 20000);
    ck_assert_int_lt(c.beyond * 4, c.compared);
    ck_assert(c.worst > 0.01); /* some product is not ref's: BLAS was at work */
}
END_TEST

/* ---- when it is used ---- */

/* y of `rows` rows of x against a weight of 40 rows. */
static void product(const char *spec, tl_dtype t, int64_t rows, float *y, const char **kernel) {
    enum { N = 40, K = 512 };
    rig r = rig_open(spec);
    tl_tensor *w, *x = tl_input(r.g, "x", TL_F32, 2, (int64_t[]){tl_size(r.g, "n", 64), K});
    float *data = malloc(64 * K * sizeof *data);
    size_t bytes = (size_t)tl_dtype_get(t)->block_bytes * N * K / (size_t)tl_dtype_get(t)->block;
    void *stored = malloc(bytes);
    ck_assert(data && stored);
    ck_assert(case_generate(t, stored, N * K, K, FILL_NORMAL, 5) && case_generate(TL_F32, data, 64 * K, K, FILL_NORMAL, 6));
    MUST(&r, tl_bank_add(r.bank, "w", t, 2, (int64_t[]){N, K}, NULL, &w, &r.err));
    MUST(&r, tl_write(w, stored, bytes, &r.err));
    tl_tensor *out = tl_linear(r.g, x, w, NULL);
    tl_output(r.g, out);
    rig_plan(&r, NULL);
    MUST(&r, tl_plan_set(r.plan, "n", rows, &r.err));
    MUST(&r, tl_write(x, data, (size_t)rows * K * sizeof *data, &r.err));
    rig_run(&r);
    MUST(&r, tl_read(out, y, (size_t)rows * N * sizeof *y, &r.err));
    *kernel = strcmp(r.plan->steps[r.plan->n_steps - 1].kernel, "sgemm") == 0 ? "sgemm" : "other";
    rig_close(&r);
    free(data);
    free(stored);
}

START_TEST(few_rows_have_the_bits_of_cpu_and_many_come_from_blas) {
    static const tl_dtype types[] = {TL_F32, TL_BF16, TL_F16, TL_Q8_0, TL_Q6_K};
    float a[64 * 40], b[64 * 40];
    const char *kernel;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (int64_t rows = 1; rows <= 64; rows += rows == 1 ? 22 : rows == 23 ? 1 : 40) {
            product("cpu", types[i], rows, a, &kernel);
            product("blas:rows=24", types[i], rows, b, &kernel);
            ck_assert_str_eq(kernel, "sgemm");
            ck_assert_int_eq(same_bits(a, b, (size_t)rows * 40), rows < 24);
        }
    product("blas:rows=65", TL_F32, 64, b, &kernel); /* never reached: the plan has cpu's steps */
    ck_assert_str_eq(kernel, "other");
    product("blas:isa=scalar", TL_Q8_0, 64, b, &kernel);
    ck_assert_str_eq(kernel, "sgemm");
    product("cpu", TL_Q8_0, 64, a, &kernel);
    product("blas", TL_Q8_0, 64, b, &kernel);
    tl_backend *be;
    ck_assert_int_eq(tl_backend_open(&be, "blas", NULL), TL_OK);
    bool simd = !strstr(tl_backend_describe(be), "level scalar");
    tl_backend_free(be);
    ck_assert_int_eq(same_bits(a, b, 64 * 40), simd); /* a SIMD level multiplies quantised weights faster than BLAS */
}
END_TEST

START_TEST(openblas_gets_no_threads_of_its_own) {
    float y[64 * 40];
    const char *kernel;
    openblas_set_num_threads(2);
    product("blas:rows=1,threads=3", TL_F32, 64, y, &kernel);
    ck_assert_int_eq(openblas_get_num_threads(), 1);
}
END_TEST

START_TEST(it_says_that_it_is_outside_the_promise) {
    tl_backend *be;
    rig r = {0};
    ck_assert(is_listed("blas") && is_openable("blas"));
    ck_assert(!tl_backend_same_bits("blas") && !tl_backend_same_bits("blas:threads=2"));
    ck_assert(tl_backend_same_bits(NULL) && tl_backend_same_bits("") && tl_backend_same_bits("cpu:threads=2") &&
              tl_backend_same_bits("ref"));
    ck_assert(tl_backend_same_bits("scalar") && tl_backend_same_bits("bla"));
    MUST(&r, tl_backend_open(&be, "blas:isa=scalar,rows=3,threads=2", &r.err));
    ck_assert_ptr_nonnull(strstr(tl_backend_describe(be), "blas, OpenBLAS"));
    ck_assert_ptr_nonnull(strstr(tl_backend_describe(be), "level scalar, 2 threads; outside the promise of the same bits"));
    ck_assert_int_eq(tl_backend_threads(be), 2);
    tl_backend_free(be);
    REFUSED(&r, tl_backend_open(&be, "blas:rows=0", &r.err), TL_ERR_USAGE, "rows=0: wants a number from 1");
    REFUSED(&r, tl_backend_open(&be, "blas:threads=0", &r.err), TL_ERR_USAGE, "threads=0: wants a number from 1");
    REFUSED(&r, tl_backend_open(&be, "blas:speed=9", &r.err), TL_ERR_USAGE, "backend blas: option 'speed' is unknown");
    REFUSED(&r, tl_backend_open(&be, "blas:rows=2,,", &r.err), TL_ERR_USAGE, "wants KEY=VALUE");
}
END_TEST

/* ---- models ---- */

/* Root of the mean square of a - b, and their largest difference. */
static double distance(const float *a, const float *b, size_t n, double *largest) {
    double squares = 0;
    *largest = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        squares += d * d;
        *largest = d > *largest ? d : *largest;
    }
    return sqrt(squares / (double)n);
}

START_TEST(a_model_of_floats_says_the_same_to_five_digits) {
    tiny_config config = tiny_defaults();
    tiny_model t = tiny_make(&config);
    int32_t ids[40];
    double largest, size, ignored;
    some_ids(ids, 40, t.c.n_vocab, 11);
    tl_context_options o = tl_context_defaults();
    o.kv = TL_F32;
    model_rig a = model_open_tiny("ref", &t, NULL, &o), b = model_open_tiny("blas:rows=1", &t, NULL, &o);
    size_t n = 40 * model_width(&a, false);
    float *want = model_rows(&a, 0, ids, 40, 40, false), *got = model_rows(&b, 0, ids, 40, 40, false), *none = calloc(n, sizeof *none);
    size = distance(want, none, n, &ignored);
    ck_assert(distance(want, got, n, &largest) < 1e-5 * size);
    ck_assert(largest < 1e-4 * size && !same_bits(want, got, n));
    free(want);
    free(got);
    free(none);
    model_close(&a);
    model_close(&b);
    tiny_free(&t);
}
END_TEST

/* cpu's logits, which are ref's, differ from exact ones by the noise of rounding activations to 8 bits, a root mean square of up to 0.40 and
 * 1.40 at most (tests/test_demo_model.c, keys and values in f16). BLAS reads activations as they are, so about the same lies between the two. */
START_TEST(the_demo_model_is_within_the_noise_of_quantised_activations) {
    if (!getenv("TALLY_DEMO_MODEL"))
        SKIP("TALLY_DEMO_MODEL is not set");
    tl_context_options o = tl_context_defaults();
    o.kv = TL_F16;
    o.n_ctx = 128;
    tl_ids ids = {0};
    double largest;
    model_rig a = model_open_path("cpu", getenv("TALLY_DEMO_MODEL"), NULL, &o),
              b = model_open_path("blas:rows=8", getenv("TALLY_DEMO_MODEL"), NULL, &o);
    MUST(&a, tl_tokenizer_encode(tl_model_tokenizer(a.m), demo_text, strlen(demo_text), TL_ENCODE_SPECIAL, &ids, &a.err));
    size_t n = ids.n * model_width(&a, false);
    float *want = model_rows(&a, 0, ids.id, (int64_t)ids.n, (int64_t)ids.n, false);
    float *got = model_rows(&b, 0, ids.id, (int64_t)ids.n, (int64_t)ids.n, false);
    double rms = distance(want, got, n, &largest);
    printf("demo model: logits of blas and cpu: root mean square %.3f, largest %.3f\n", rms, largest);
    fflush(stdout);
    ck_assert_msg(rms > 0 && rms <= 0.40, "root mean square %g, largest %g", rms, largest);
    free(want);
    free(got);
    tl_ids_free(&ids);
    model_close(&a);
    model_close(&b);
}
END_TEST

#endif

static Suite *blas_suite(void) {
    Suite *s = suite_create("blas");
    TCase *t = tcase_create("blas");
    tcase_set_timeout(t, 300);
#ifndef TL_BLAS
    tcase_add_test(t, a_backend_that_is_left_out_says_how_to_get_it);
#else
    tcase_add_loop_test(t, every_product_is_within_its_bound_and_all_else_is_refs_bits, 0, N_SPECS);
    tcase_add_test(t, few_rows_have_the_bits_of_cpu_and_many_come_from_blas);
    tcase_add_test(t, openblas_gets_no_threads_of_its_own);
    tcase_add_test(t, it_says_that_it_is_outside_the_promise);
    tcase_add_test(t, a_model_of_floats_says_the_same_to_five_digits);
    tcase_add_test(t, the_demo_model_is_within_the_noise_of_quantised_activations);
#endif
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(blas_suite());
}
