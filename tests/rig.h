/* rig.h: what tests of graphs and plans stand on: a backend, a bank, a graph and its plan, opened and closed in the right order, and short
 * ways to make states, to run and to look at results. Every step that must work is asserted with the library's own message. */
#ifndef TALLY_TESTS_RIG_H
#define TALLY_TESTS_RIG_H

#include <string.h>

#include "backends/backend.h"
#include "ops/ops.h"
#include "tensor/platform.h"
#include "tensor/tensor.h"
#include "tests/suite.h"

typedef struct rig {
    tl_backend *be;
    tl_bank *bank;
    tl_graph *g;
    tl_plan *plan;
    tl_error err;
} rig;

/* call gives TL_OK; else its message is the test's. */
#define MUST(r, call) ck_assert_msg((call) == TL_OK, "%s: %s", #call, (r)->err.message)
/* call gives `status`, and the message holds `words`. */
#define REFUSED(r, call, wanted, words)                                                                                    \
    do {                                                                                                                   \
        tl_status refused_ = (call);                                                                                       \
        ck_assert_msg(refused_ == (wanted), "%s: %s, not %s: %s", #call, tl_status_name(refused_), tl_status_name(wanted), \
                      (r)->err.message);                                                                                   \
        ck_assert_msg(strstr((r)->err.message, words) != NULL, "'%s' lacks '%s'", (r)->err.message, words);                \
    } while (0)
/* The graph has failed with a message that holds `words`. */
#define FAILED(g, words)                                                                                    \
    do {                                                                                                    \
        const tl_error *failed_ = tl_graph_error(g);                                                        \
        ck_assert_msg(failed_ != NULL, "the graph has not failed");                                         \
        ck_assert_msg(strstr(failed_->message, words) != NULL, "'%s' lacks '%s'", failed_->message, words); \
    } while (0)

static inline rig rig_open(const char *spec) {
    rig r = {0};
    MUST(&r, tl_backend_open(&r.be, spec, &r.err));
    MUST(&r, tl_bank_new(&r.bank, r.be, &r.err));
    MUST(&r, tl_graph_new(&r.g, &r.err));
    return r;
}

/* The graph is freed and another one begins; bank and backend stay. */
static inline void rig_next_graph(rig *r) {
    tl_plan_free(r->plan);
    r->plan = NULL;
    tl_graph_free(r->g);
    MUST(r, tl_graph_new(&r->g, &r->err));
}

static inline void rig_close(rig *r) {
    tl_plan_free(r->plan);
    tl_graph_free(r->g);
    tl_bank_free(r->bank);
    tl_backend_free(r->be);
}

static inline tl_tensor *rig_input(rig *r, const char *name, int64_t rows, int64_t n) {
    return tl_input(r->g, name, TL_F32, 2, (int64_t[]){rows, n});
}

/* A bank tensor f32 [rows, n] that holds value, value + 1, ... */
static inline tl_tensor *rig_state(rig *r, const char *name, int64_t rows, int64_t n, float value) {
    tl_tensor *t;
    MUST(r, tl_bank_add(r->bank, name, TL_F32, 2, (int64_t[]){rows, n}, NULL, &t, &r->err));
    for (int64_t i = 0; i < rows * n; i++)
        ((float *)tl_data(t))[i] = value + (float)i;
    return t;
}

static inline void rig_plan(rig *r, const tl_plan_options *options) {
    tl_plan_free(r->plan);
    r->plan = NULL;
    MUST(r, tl_plan_new(&r->plan, r->g, r->be, options, &r->err));
}

static inline void rig_run(rig *r) {
    MUST(r, tl_plan_run(r->plan, &r->err));
}

/* Fills an input with value, value + 1, ... */
static inline void rig_fill(rig *r, tl_tensor *t, float value) {
    float *data = malloc(tl_bytes(t));
    ck_assert_ptr_nonnull(data);
    for (int64_t i = 0; i < tl_count(t); i++)
        data[i] = value + (float)i;
    MUST(r, tl_write(t, data, tl_bytes(t), &r->err));
    free(data);
}

static inline void rig_write_ints(rig *r, tl_tensor *t, const int32_t *values) {
    MUST(r, tl_write(t, values, tl_bytes(t), &r->err));
}

/* Element i of an output, input or state of at most 4096 elements. */
static inline float rig_value(rig *r, const tl_tensor *t, int64_t i) {
    float data[4096];
    ck_assert_int_le(tl_count(t), 4096);
    MUST(r, tl_read(t, data, tl_bytes(t), &r->err));
    return data[i];
}

/* A sink that collects text (cut at its end). */
typedef struct text_sink {
    char text[16384];
    size_t n;
    int calls_left;
} text_sink;
static inline bool collect_text(void *ctx, const char *text, size_t n) {
    text_sink *s = ctx;
    if (s->calls_left-- == 0)
        return false;
    size_t room = sizeof s->text - 1 - s->n, take = n < room ? n : room;
    memcpy(s->text + s->n, text, take);
    s->n += take;
    s->text[s->n] = '\0';
    return true;
}

#endif
