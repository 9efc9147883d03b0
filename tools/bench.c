/* bench.c: `llama bench`: tokens a second for every combination of the lists given. */
#include "tools/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/profile.h"
#include "tools/say.h"
#include "tools/term.h"

enum { PATH_MOST = 4096, PRINTERS = 2 };

typedef struct Bench {
    const Settings *settings; /* its model is the one at work */
    const Lists *lists;
    BenchPrinter printer[PRINTERS]; /* on stdout and, if asked for, on stderr */
    int n_printers, n_tests;
    Engine engine;
    BenchRunner runner;
    tl_peaks peaks;
} Bench;

/* ---- what there is to do ---- */

/* Is there a test at all? */
static bool any_test(const Lists *l) {
    bool any = l->pairs.n > 0;
    for (int i = 0; i < l->prompt.n; i++)
        any = any || l->prompt.v[i] > 0;
    for (int i = 0; i < l->gen.n; i++)
        any = any || l->gen.v[i] > 0;
    return any;
}

static int64_t largest(const int64_t *v, int n) {
    int64_t most = 0;
    for (int i = 0; i < n; i++)
        most = v[i] > most ? v[i] : most;
    return most;
}

/* Tokens that the longest test holds, with its depth. */
static int64_t most_tokens(const Lists *l) {
    int64_t prompt = largest(l->prompt.v, l->prompt.n), gen = largest(l->gen.v, l->gen.n), most = prompt > gen ? prompt : gen;
    for (int i = 0; i < l->pairs.n; i++)
        most = l->pairs.prompt[i] + l->pairs.gen[i] > most ? l->pairs.prompt[i] + l->pairs.gen[i] : most;
    return most + largest(l->depth.v, l->depth.n);
}

/* ---- tests ---- */

static int run_test(Bench *b, BenchTest test) {
    BenchResult r = {0};
    if (b->n_tests++ > 0 && b->settings->delay > 0)
        term_sleep(b->settings->delay);
    test.repetitions = (int)b->settings->repetitions;
    r.samples = malloc((size_t)test.repetitions * sizeof *r.samples);
    r.rates = malloc((size_t)test.repetitions * sizeof *r.rates);
    int code = r.samples && r.rates ? bench_measure(&b->runner, &test, &r) : say_error(EXIT_MEMORY, "out of memory for the samples");
    for (int i = 0; i < b->n_printers && code == 0; i++)
        bench_print(&b->printer[i], &b->engine, b->settings, &r);
    if (code == 0 && !out_open())
        code = BENCH_UNREAD;
    free(r.samples);
    free(r.rates);
    return code;
}

/* Every test at one depth: prompts, generations, pairs. */
static int run_tests(Bench *b, BenchTest t) {
    const Lists *l = b->lists;
    int code = 0;
    for (int i = 0; i < l->prompt.n && code == 0; i++) {
        t.n_prompt = l->prompt.v[i];
        t.n_gen = 0;
        if (t.n_prompt > 0)
            code = run_test(b, t);
    }
    for (int i = 0; i < l->gen.n && code == 0; i++) {
        t.n_prompt = 0;
        t.n_gen = l->gen.v[i];
        if (t.n_gen > 0)
            code = run_test(b, t);
    }
    for (int i = 0; i < l->pairs.n && code == 0; i++) {
        t.n_prompt = l->pairs.prompt[i];
        t.n_gen = l->pairs.gen[i];
        code = run_test(b, t);
    }
    return code;
}

/* Every depth in one context: what a test needs of the one before it stays. */
static int run_depths(Bench *b, BenchTest t) {
    const Lists *l = b->lists;
    int code = bench_start(&b->runner, &b->engine, b->settings, &b->peaks, most_tokens(l), &t);
    for (int d = 0; d < l->depth.n && code == 0; d++) {
        t.n_depth = l->depth.v[d];
        code = run_tests(b, t);
    }
    bench_stop(&b->runner);
    return code;
}

static int run_combinations(Bench *b) {
    const Lists *l = b->lists;
    int code = 0;
    for (int i = 0; i < l->batch.n && code == 0; i++)
        for (int u = 0; u < l->ubatch.n && code == 0; u++)
            for (int k = 0; k < l->types.n && code == 0; k++)
                code = run_depths(b, (BenchTest){.n_batch = l->batch.v[i], .n_ubatch = l->ubatch.v[u], .kv = l->types.v[k]});
    return code;
}

/* ---- models, backends, threads ---- */

/* Before the model is loaded, and gone by then, so that the memory for it does not count as the model's. */
static int measure_peaks(Bench *b, const char *spec, int64_t threads) {
    tl_backend *be;
    int code = backend_open(&be, spec, threads);
    if (code)
        return code;
    b->peaks = profile_peaks(be, !b->settings->no_warmup || b->settings->profile);
    tl_backend_free(be);
    if (say_get_level() == SAY_ALL && b->peaks.read > 0)
        profile_print_peaks(stderr, &b->peaks);
    return 0;
}

static int run_engine(Bench *b, const char *spec, int64_t threads) {
    tl_context_options o = tl_context_defaults();
    o.n_ctx = TL_PAGE; /* tests make contexts of their own */
    int code = measure_peaks(b, spec, threads);
    if (code == 0 && (code = engine_load(&b->engine, b->settings, spec, threads, &o)) == 0)
        code = run_combinations(b);
    engine_close(&b->engine);
    return code;
}

static int run_model(Bench *b, const Settings *s, const char *path) {
    Settings with = *s;
    const Lists *l = b->lists;
    int code = 0, n_specs = l->backends.n ? l->backends.n : 1;
    with.model = path;
    b->settings = &with;
    for (int k = 0; k < n_specs && code == 0; k++) {
        const char *spec = l->backends.n ? l->backends.v[k] : NULL;
        int n_threads = spec && strstr(spec, "threads=") ? 1 : l->threads.n; /* a spec's own number stands */
        for (int i = 0; i < n_threads && code == 0; i++)
            code = run_engine(b, spec, l->threads.v[i]);
    }
    b->settings = s;
    return code;
}

static bool is_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file)
        fclose(file);
    return file != NULL;
}

/* The models of one argument: a path, or several joined by commas where there is no file of the whole name. */
static int run_models(Bench *b, const Settings *s, const char *text) {
    size_t length = strlen(text);
    if (!strchr(text, ',') || is_file(text))
        return run_model(b, s, text);
    if (text[0] == ',' || text[length - 1] == ',' || strstr(text, ",,"))
        return say_usage(s, "-m: '%.200s' is not a list of files joined by commas: a part is empty", text);
    int code = 0;
    for (const char *p = text; p && code == 0;) {
        char path[PATH_MOST];
        size_t n = strcspn(p, ",");
        snprintf(path, sizeof path, "%.*s", (int)n, p);
        code = run_model(b, s, path);
        p = p[n] ? p + n + 1 : NULL;
    }
    return code;
}

static int bench(const Settings *s, const Lists *l) {
    Bench b = {.settings = s, .lists = l};
    int code = 0;
    b.printer[b.n_printers++] = bench_printer(stdout, s->format, l);
    if (s->format_err)
        b.printer[b.n_printers++] = bench_printer(stderr, s->format_err, l);
    for (int i = 0; i < s->models.n && code == 0; i++)
        code = run_models(&b, s, s->models.text[i]);
    for (int i = 0; i < b.n_printers; i++)
        bench_print_end(&b.printer[i]);
    return code == BENCH_UNREAD ? EXIT_DONE : code;
}

int command_bench(int argc, char **argv) {
    Settings s;
    Lists lists;
    int code;
    const char *path;
    if (command_begin(&s, CMD_BENCH, POSITIONAL_MAX, argc, argv, &code))
        return code;
    if (s.json && s.format && strcmp(s.format, "json") != 0 && strcmp(s.format, "jsonl") != 0)
        return say_usage(&s, "--json and -o %s: choose one", s.format);
    if (!s.format)
        s.format = s.json ? "jsonl" : "md";
    if ((code = bench_read_lists(&s, &lists)))
        return code;
    if (s.ops || lists.ops.n)
        return bench_ops(&s, &lists);
    if (s.models.n == 0 && (code = model_path(&s, &path)))
        return code;
    if (!any_test(&lists))
        return say_usage(&s, "nothing to measure: -p, -n and -pg name no test");
    return bench(&s, &lists);
}
