/* bench_test.c: one test of `llama bench`: fill the context to its depth, then read a prompt, make tokens, or both. Neither tokenising nor
 * sampling is in it. Results are compared before anything is timed: a wrong number computed fast is worth nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench.h"
#include "tools/profile.h"
#include "tools/say.h"
#include "tools/term.h"

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
static tl_status advance(BenchRunner *r, int64_t from, int64_t to, int64_t batch, bool logits, tl_error *err) {
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

/* The session at the test's depth: cut back to it, or filled up to it from where it is. Every test has the same tokens. */
static tl_status prepare(BenchRunner *r, const BenchTest *t, tl_error *err) {
    int64_t have = tl_session_length(r->engine->session);
    if (have <= t->n_depth)
        return advance(r, have, t->n_depth, t->n_batch, false, err);
    tl_want want = {.session = r->engine->session, .ids = r->ids, .n = t->n_depth};
    return tl_context_step(r->engine->context, &want, 1, err);
}

static tl_status perform(BenchRunner *r, const BenchTest *t, double *seconds, tl_error *err) {
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

/* What a repetition moves and does, and what its logits are. */
static int run_profiled(BenchRunner *r, const BenchTest *t, BenchResult *result) {
    tl_error err;
    double seconds;
    tl_plan *plan = tl_context_plan(r->engine->context);
    if (prepare(r, t, &err))
        return say_status(EXIT_RUN, &err);
    tl_plan_profile_reset(plan);
    tl_plan_profile_on(plan, true);
    tl_status status = perform(r, t, &seconds, &err);
    if (status == TL_OK) {
        ProfileSum sum = profile_sum(plan, &r->peaks);
        result->bytes = sum.bytes;
        result->ops = sum.ops;
        result->least = sum.least;
        result->bound = profile_bound(&sum);
        memcpy(r->expected, r->logits, (size_t)tl_model_hparams(r->engine->model)->n_vocab * sizeof *r->logits);
        profile_report(plan, &r->peaks, r->settings->profile);
    }
    tl_plan_profile_on(plan, false);
    return status ? say_status(EXIT_RUN, &err) : 0;
}

static int compare(const BenchRunner *r) {
    int32_t n = tl_model_hparams(r->engine->model)->n_vocab;
    for (int32_t i = 0; i < n; i++)
        if (!isfinite(r->logits[i]))
            return say_error(EXIT_DIFFERENT, "logit %d is not a finite number: nothing is timed", (int)i);
    if (memcmp(r->logits, r->expected, (size_t)n * sizeof *r->logits) != 0)
        return say_error(EXIT_DIFFERENT, "two runs of the same tokens give different logits: nothing is timed; please report it");
    return 0;
}

static int run_timed(BenchRunner *r, const BenchTest *t, BenchResult *result) {
    tl_error err;
    double seconds, first = 0;
    int code = 0;
    if (!r->settings->no_warmup) {
        if (prepare(r, t, &err) || perform(r, t, &seconds, &err))
            return say_status(EXIT_RUN, &err);
        if ((code = compare(r)))
            return code;
    }
    for (result->n = 0; result->n < t->repetitions; result->n++) {
        if (say_get_level() > SAY_ERRORS)
            term_progress("measuring", (double)result->n / t->repetitions);
        if (prepare(r, t, &err) || perform(r, t, &result->samples[result->n], &err))
            return say_status(EXIT_RUN, &err);
        seconds = result->samples[result->n];
        result->rates[result->n] = seconds > 0 ? (double)(t->n_prompt + t->n_gen) / seconds : 0;
        first += r->first_seconds;
    }
    term_progress_clear();
    result->first_seconds = first / t->repetitions;
    return 0;
}

int bench_measure(BenchRunner *r, const BenchTest *test, BenchResult *result) {
    result->test = *test;
    result->bytes = result->ops = result->least = 0;
    result->bound = "";
    term_utc(result->time);
    int code = !r->settings->no_warmup || r->settings->profile ? run_profiled(r, test, result) : 0;
    return code ? code : run_timed(r, test, result);
}

/* ---- the context ---- */

static void fill_ids(BenchRunner *r, int64_t n, int32_t n_vocab) {
    uint32_t state = 1;
    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        r->ids[i] = (int32_t)((state >> 8) % (uint32_t)n_vocab);
    }
}

int bench_start(BenchRunner *r, Engine *e, const Settings *s, const tl_peaks *peaks, int64_t n, const BenchTest *like) {
    int32_t n_vocab = tl_model_hparams(e->model)->n_vocab;
    size_t row = (size_t)n_vocab * sizeof(float);
    *r = (BenchRunner){.engine = e, .settings = s, .peaks = *peaks};
    r->ids = malloc((size_t)n * sizeof *r->ids);
    r->logits = malloc(row);
    r->expected = malloc(row);
    if (!r->ids || !r->logits || !r->expected)
        return say_error(EXIT_MEMORY, "out of memory for the tokens of a test");
    fill_ids(r, n, n_vocab);
    tl_context_options o = tl_context_defaults();
    o.n_ctx = (int32_t)n;
    o.n_batch = (int32_t)(like->n_batch < like->n_ubatch ? like->n_batch : like->n_ubatch);
    o.n_rows = 1;
    o.kv = like->kv;
    int code = engine_start(e, &o);
    if (code == 0 && (s->plan || say_get_level() == SAY_ALL))
        engine_print_plan(e, stderr);
    return code;
}

void bench_stop(BenchRunner *r) {
    engine_stop(r->engine);
    free(r->expected);
    free(r->logits);
    free(r->ids);
}
