/* bench_test.c: one test of `llama bench`: fill the context to its depth, then read a prompt, make tokens, or both. Neither tokenising nor
 * sampling is in it. Results are compared before anything is timed: a wrong number computed fast is worth nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench.h"
#include "tools/profile.h"
#include "tools/say.h"
#include "tools/term.h"

typedef struct Runner {
    Engine *engine;
    const BenchTest *test;
    int32_t *ids;
    float *logits, *expected; /* [n_vocab] */
    double first_seconds;     /* of the last run */
} Runner;

double bench_mean(const double *v, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += v[i];
    return n > 0 ? sum / n : 0;
}

double bench_deviation(const double *v, int n) {
    double mean = bench_mean(v, n), sum = 0;
    for (int i = 0; i < n; i++)
        sum += (v[i] - mean) * (v[i] - mean);
    return n > 1 ? sqrt(sum / (n - 1)) : 0;
}

/* Evaluates tokens from `from` to `to`, at most `batch` a step; the last step gives logits if asked. */
static tl_status advance(Runner *r, int64_t from, int64_t to, int64_t batch, bool logits, tl_error *err) {
    for (int64_t at = from; at < to;) {
        int64_t end = at + batch < to ? at + batch : to;
        tl_want want = {.session = r->engine->session, .ids = r->ids, .n = end, .n_rows = logits && end == to, .rows = r->logits};
        tl_status s = tl_context_step(r->engine->context, &want, 1, err);
        if (s)
            return s;
        at = end;
    }
    return TL_OK;
}

/* An empty session filled to the test's depth. */
static tl_status prepare(Runner *r, tl_error *err) {
    tl_session_clear(r->engine->session);
    return advance(r, 0, r->test->n_depth, r->test->n_batch, false, err);
}

static tl_status perform(Runner *r, double *seconds, tl_error *err) {
    const BenchTest *t = r->test;
    int64_t at = t->n_depth + t->n_prompt, end = at + t->n_gen;
    double start = term_now();
    tl_status s = advance(r, t->n_depth, at, t->n_batch, true, err);
    r->first_seconds = term_now() - start;
    for (; at < end && !s; at++) {
        s = advance(r, at, at + 1, 1, true, err);
        if (at == t->n_depth)
            r->first_seconds = term_now() - start;
    }
    *seconds = term_now() - start;
    return s;
}

/* The same tokens each time, spread over the vocabulary. */
static void fill_ids(Runner *r, int64_t n, int32_t n_vocab) {
    uint32_t state = 1;
    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        r->ids[i] = (int32_t)((state >> 8) % (uint32_t)n_vocab);
    }
}

static int start(Runner *r, bool profile) {
    const BenchTest *t = r->test;
    tl_context_options o = tl_context_defaults();
    o.n_ctx = (int32_t)(t->n_depth + t->n_prompt + t->n_gen);
    o.n_batch = (int32_t)(t->n_batch < t->n_ubatch ? t->n_batch : t->n_ubatch);
    o.n_rows = 1;
    o.kv = t->kv;
    o.plan.profile = profile;
    return engine_start(r->engine, &o);
}

/* What a repetition moves and does, and what its logits are. */
static int run_profiled(Runner *r, const Settings *s, BenchResult *result) {
    tl_error err;
    double seconds;
    int code = start(r, true);
    if (code)
        return code;
    if (prepare(r, &err))
        return say_status(EXIT_RUN, &err);
    tl_plan_profile_reset(tl_context_plan(r->engine->context));
    if (perform(r, &seconds, &err))
        return say_status(EXIT_RUN, &err);
    ProfileSum sum = profile_sum(tl_context_plan(r->engine->context));
    result->bytes = sum.bytes;
    result->ops = sum.ops;
    memcpy(r->expected, r->logits, (size_t)tl_model_hparams(r->engine->model)->n_vocab * sizeof *r->logits);
    if (s->plan)
        engine_print_plan(r->engine, stderr);
    profile_report(tl_context_plan(r->engine->context), s->profile);
    return 0;
}

static int compare(const Runner *r) {
    int32_t n = tl_model_hparams(r->engine->model)->n_vocab;
    for (int32_t i = 0; i < n; i++)
        if (!isfinite(r->logits[i]))
            return say_error(EXIT_DIFFERENT, "logit %d is not a finite number: nothing is timed", (int)i);
    if (memcmp(r->logits, r->expected, (size_t)n * sizeof *r->logits) != 0)
        return say_error(EXIT_DIFFERENT, "two runs of the same tokens give different logits: nothing is timed; please report it");
    return 0;
}

static int run_timed(Runner *r, const Settings *s, BenchResult *result) {
    tl_error err;
    double seconds, first = 0;
    int code = start(r, false);
    if (code)
        return code;
    if (!s->no_warmup) {
        if (prepare(r, &err) || perform(r, &seconds, &err))
            return say_status(EXIT_RUN, &err);
        if ((code = compare(r)))
            return code;
    }
    for (result->n = 0; result->n < r->test->repetitions; result->n++) {
        if (say_get_level() > SAY_ERRORS)
            term_progress("measuring", (double)result->n / r->test->repetitions);
        if (prepare(r, &err) || perform(r, &result->samples[result->n], &err))
            return say_status(EXIT_RUN, &err);
        seconds = result->samples[result->n];
        result->rates[result->n] = seconds > 0 ? (double)(r->test->n_prompt + r->test->n_gen) / seconds : 0;
        first += r->first_seconds;
    }
    term_progress_clear();
    result->first_seconds = first / r->test->repetitions;
    return 0;
}

int bench_measure(Engine *e, const Settings *s, const BenchTest *test, BenchResult *result) {
    int32_t n_vocab = tl_model_hparams(e->model)->n_vocab;
    int64_t n = test->n_depth + test->n_prompt + test->n_gen;
    size_t row = (size_t)n_vocab * sizeof(float);
    Runner r = {e, test, malloc((size_t)n * sizeof *r.ids), malloc(row), malloc(row), 0};
    result->test = *test;
    result->bytes = result->ops = 0;
    term_utc(result->time);
    int code = 0;
    if (!r.ids || !r.logits || !r.expected) {
        code = say_error(EXIT_MEMORY, "out of memory for the tokens of a test");
    } else {
        fill_ids(&r, n, n_vocab);
        if (!s->no_warmup || s->profile || s->plan)
            code = run_profiled(&r, s, result);
        engine_stop(e);
        if (code == 0)
            code = run_timed(&r, s, result);
        engine_stop(e);
    }
    free(r.expected);
    free(r.logits);
    free(r.ids);
    return code;
}
