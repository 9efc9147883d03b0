/* load.c: opening backend, model, context and session, with progress and with the messages that a user needs when one of them fails. */
#include "tools/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/report.h"
#include "tools/say.h"
#include "tools/term.h"

/* Nothing is downloaded: says how to. */
static int say_download(const char *repo) {
    int n = (int)strcspn(repo, ":");
    const char *quant = repo[n] ? repo + n + 1 : "Q4_K_M";
    return say_error(EXIT_USAGE,
                     "-hf %s: this program uses no network. Fetch the file and pass it by -m:\n"
                     "    hf download %.*s --include '*%s*.gguf' --local-dir .\n"
                     "or, with a name from https://huggingface.co/%.*s/tree/main:\n"
                     "    curl -L -O https://huggingface.co/%.*s/resolve/main/NAME.gguf",
                     repo, n, repo, quant, n, repo, n, repo);
}

int model_path(const Settings *s, const char **path) {
    *path = s->model;
    if (s->hf_repo && !s->model)
        return say_download(s->hf_repo);
    if (!s->model || !*s->model)
        return say_usage(s, "no model: give -m FILE, or set LLAMA_ARG_MODEL");
    term_watch_file(s->model, EXIT_MODEL);
    return 0;
}

/* ---- backend ---- */

int backend_open(tl_backend **be, const char *spec, int64_t threads) {
    tl_error err;
    char with_threads[256];
    int64_t hint;
    const char *omp = getenv("OMP_NUM_THREADS");
    spec = spec ? spec : "";
    if (threads == 0 && omp && parse_int(omp, 1, 256, &hint))
        threads = hint;
    if (threads > 0 && !strstr(spec, "threads=")) {
        snprintf(with_threads, sizeof with_threads, "%s%cthreads=%lld", *spec ? spec : "cpu", strchr(spec, ':') ? ',' : ':',
                 (long long)threads);
        spec = with_threads;
    }
    if (tl_backend_open(be, spec, &err))
        return say_status(err.status == TL_ERR_USAGE || err.status == TL_ERR_UNSUPPORTED ? EXIT_USAGE : EXIT_RUN, &err);
    return 0;
}

/* ---- context ---- */

tl_context_options context_options(const Settings *s) {
    tl_context_options o = tl_context_defaults();
    o.n_ctx = (int32_t)s->n_ctx;
    o.n_batch = (int32_t)(s->n_batch < s->n_ubatch ? s->n_batch : s->n_ubatch);
    o.n_rows = 1;
    o.kv = s->type_k && strcmp(s->type_k, "f32") == 0 ? TL_F32 : TL_F16;
    o.plan.profile = s->profile != NULL;
    return o;
}

int context_fit(const tl_gguf *g, tl_backend *be, const tl_model_options *mo, tl_context_options *o) {
    tl_error err;
    tl_memory_forecast forecast;
    tl_gguf_string arch;
    char key[80];
    int64_t trained = 0;
    uint64_t room = tl_memory_total() / 10 * 9;
    if (o->n_ctx != 0 || room == 0 || tl_context_forecast(g, be, mo, o, &forecast, &err) || forecast.total <= room)
        return 0; /* what is wrong with the file, loading says better */
    if (tl_gguf_get_string(g, "general.architecture", true, &arch, &err))
        return 0;
    snprintf(key, sizeof key, "%.*s.context_length", (int)(arch.n < 48 ? arch.n : 48), arch.data);
    if (tl_gguf_get_int(g, key, true, 1, INT32_MAX, &trained, &err))
        return 0;
    tl_context_options smaller = *o;
    for (smaller.n_ctx = (int32_t)trained; smaller.n_ctx > 512;) {
        smaller.n_ctx /= 2;
        if (tl_context_forecast(g, be, mo, &smaller, &forecast, &err))
            return 0;
        if (forecast.total <= room)
            break;
    }
    say_note("the context is cut from %lld to %d tokens, to fit into memory; -c N sets it", (long long)trained, (int)smaller.n_ctx);
    *o = smaller;
    return 0;
}

static bool on_progress(void *ctx, double fraction) {
    (void)ctx;
    if (say_get_level() > SAY_ERRORS)
        term_progress("loading", fraction);
    return term_interrupts() == 0;
}

static void on_interrupt(void *context) {
    tl_context_cancel(context);
}

int engine_load(Engine *e, const Settings *s, const char *spec, int64_t threads, tl_context_options *o) {
    tl_error err;
    tl_gguf *g;
    const char *path;
    double start = term_now();
    tl_model_options mo = {.no_pack = s->no_pack, .check_tensors = s->check_tensors, .progress = on_progress};
    memset(e, 0, sizeof *e);
    int code = model_path(s, &path);
    if (code || (code = backend_open(&e->backend, spec, threads)))
        return code;
    say_detail("backend: %s", tl_backend_describe(e->backend));
    if (tl_gguf_open(&g, path, &err))
        return say_status(EXIT_MODEL, &err);
    if ((code = context_fit(g, e->backend, &mo, o))) {
        tl_gguf_free(g);
        return code;
    }
    tl_status status = tl_model_load_gguf(&e->model, g, e->backend, &mo, &err);
    term_progress_clear();
    if (status == TL_ERR_MEMORY && !s->no_pack)
        say_note("--no-pack leaves the weights in the file, from where the system can fetch them again: slower, with less memory");
    if (status)
        return say_status(EXIT_MODEL, &err);
    const tl_hparams *hp = tl_model_hparams(e->model);
    if (o->n_ctx > hp->n_ctx_train)
        say_note("the context of %d tokens is longer than the %d that the model was trained for", (int)o->n_ctx, (int)hp->n_ctx_train);
    say_detail("model: %s, %s", tl_model_describe(e->model), path);
    e->load_seconds = term_now() - start;
    return 0;
}

int engine_start(Engine *e, const tl_context_options *o) {
    tl_error err;
    double start = term_now();
    if (tl_context_new(&e->context, e->model, o, &err)) {
        if (err.status == TL_ERR_MEMORY)
            say_note("a smaller context takes less memory: -c N; 'llama info -c N' says how much");
        return say_status(err.status == TL_ERR_USAGE || err.status == TL_ERR_RANGE ? EXIT_USAGE : EXIT_RUN, &err);
    }
    if (tl_session_new(&e->session, e->context, &err))
        return say_status(EXIT_RUN, &err);
    term_on_interrupt(on_interrupt, e->context);
    if (term_interrupts() > 0)
        return EXIT_INTERRUPTED; /* since the weights were there */
    e->load_seconds += term_now() - start;
    tl_memory_forecast m = tl_context_memory(e->context);
    char text[4][24];
    say_detail("memory: weights %s, KV %s for %d tokens, activations %s, workers %s", size_text((double)m.weights, text[0]),
               size_text((double)m.kv, text[1]), (int)tl_context_size(e->context), size_text((double)m.activations, text[2]),
               size_text((double)m.workers, text[3]));
    return 0;
}

void engine_stop(Engine *e) {
    term_on_interrupt(NULL, NULL);
    tl_session_free(e->session);
    tl_context_free(e->context);
    e->session = NULL;
    e->context = NULL;
}

void engine_close(Engine *e) {
    engine_stop(e);
    tl_model_free(e->model);
    tl_backend_free(e->backend);
    memset(e, 0, sizeof *e);
}

bool file_sink(void *ctx, const char *text, size_t n) {
    return fwrite(text, 1, n, ctx) == n;
}

void engine_print_plan(const Engine *e, void *file) {
    tl_plan_print(tl_context_plan(e->context), file_sink, file);
}
