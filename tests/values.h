/* values.h: what tests of ops by hand stand on: operands with given values, and results that must be these values. A test has one rig, r,
 * of the ref backend. */
#ifndef TALLY_TESTS_VALUES_H
#define TALLY_TESTS_VALUES_H

#include "tensor/math.h"
#include "tests/rig.h"

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})
#define FLOATS(...) ((float[]){__VA_ARGS__})
#define INTS(...) ((int32_t[]){__VA_ARGS__})

static rig r;

static inline void open_rig(void) {
    r = rig_open("ref");
}

static inline void close_rig(void) {
    rig_close(&r);
}

/* Operands with given values. */
static inline tl_tensor *given(tl_dtype dtype, int rank, const int64_t *shape, const void *values) {
    char name[16];
    tl_tensor *t;
    snprintf(name, sizeof name, "t%d", tl_bank_count(r.bank));
    MUST(&r, tl_bank_add(r.bank, name, dtype, rank, shape, NULL, &t, &r.err));
    memcpy(tl_data(t), values, tl_bytes(t));
    return t;
}

static inline tl_tensor *row(int64_t n, const float *values) {
    return given(TL_F32, 1, SHAPE(n), values);
}

static inline tl_tensor *matrix(int64_t m, int64_t n, const float *values) {
    return given(TL_F32, 2, SHAPE(m, n), values);
}

static inline tl_tensor *ids(int64_t n, const int32_t *values) {
    return given(TL_I32, 1, SHAPE(n), values);
}

static inline void compute(tl_tensor *t) {
    tl_output(r.g, t);
    rig_plan(&r, NULL);
    rig_run(&r);
}

/* t computes to exactly these n values, -0 told from +0, NaN equal to NaN; then another graph begins. */
static inline void gives(tl_tensor *t, int n, const float *want) {
    float got[256];
    compute(t);
    ck_assert_int_eq(t->dtype, TL_F32);
    ck_assert_int_eq(tl_count(t), n);
    MUST(&r, tl_read(t, got, (size_t)n * sizeof *got, &r.err));
    for (int i = 0; i < n; i++)
        ck_assert_msg(tl_bits(got[i]) == tl_bits(want[i]) || (got[i] != got[i] && want[i] != want[i]), "%s[%d] is %.9g (%08x), not %.9g",
                      t->op ? t->op->name : "leaf", i, (double)got[i], (unsigned)tl_bits(got[i]), (double)want[i]);
    rig_next_graph(&r);
}
#define GIVES(t, ...) gives(t, COUNT(FLOATS(__VA_ARGS__)), FLOATS(__VA_ARGS__))

static inline void gives_ints(tl_tensor *t, int n, const int32_t *want) {
    int32_t got[256];
    compute(t);
    ck_assert_int_eq(t->dtype, TL_I32);
    ck_assert_int_eq(tl_count(t), n);
    MUST(&r, tl_read(t, got, (size_t)n * sizeof *got, &r.err));
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(got[i], want[i]);
    rig_next_graph(&r);
}
#define GIVES_INTS(t, ...) gives_ints(t, COUNT(INTS(__VA_ARGS__)), INTS(__VA_ARGS__))

/* How many nodes of the graph are of op. */
static inline int nodes_of(int op) {
    int n = 0;
    for (int i = 0; i < tl_graph_count(r.g); i++)
        n += tl_graph_node(r.g, i)->op == tl_op_get(op);
    return n;
}

/* A suite whose tests have r opened before and closed after. */
static inline Suite *values_suite(const char *name, const TTest *const *tests, int n) {
    Suite *s = suite_create(name);
    TCase *t = tcase_create(name);
    tcase_add_checked_fixture(t, open_rig, close_rig);
    for (int i = 0; i < n; i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return s;
}

#endif
