/* bench.c: `llama bench`: tokens a second for every combination of the lists given. */
#include "tools/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/say.h"
#include "tools/term.h"

typedef struct Lists {
    IntList prompt, gen, depth, threads, batch, ubatch;
    PairList pairs;
    tl_dtype types[2];
    int n_types;
} Lists;

static int read_list(const Settings *s, const char *name, const char *text, const char *usual, int64_t lo, int64_t hi, IntList *list) {
    if (parse_int_list(text ? text : usual, lo, hi, list))
        return 0;
    return say_usage(s, "%s: '%.60s' is not a list of numbers from %lld to %lld: 1,2,4 or 128-512+128 or 1-8*2, %d values at most", name,
                     text, (long long)lo, (long long)hi, LIST_MAX);
}

/* "f16,f32" */
static int read_types(const Settings *s, const char *name, const char *text, Lists *l) {
    l->n_types = 0;
    for (const char *p = text; p;) {
        size_t n = strcspn(p, ",");
        bool half = n == 3 && memcmp(p, "f16", 3) == 0, single = n == 3 && memcmp(p, "f32", 3) == 0;
        if ((!half && !single) || l->n_types == 2)
            return say_usage(s, "%s: '%.60s' is not a list of f16, f32", name, text);
        l->types[l->n_types++] = half ? TL_F16 : TL_F32;
        p = p[n] ? p + n + 1 : NULL;
    }
    return 0;
}

static int read_lists(const Settings *s, Lists *l) {
    const int64_t most = 1 << 20;
    int code;
    memset(l, 0, sizeof *l);
    bool only_pairs = s->list_pg && !s->list_prompt && !s->list_gen;
    if ((code = read_list(s, "-p", s->list_prompt, only_pairs ? "0" : "512", 0, most, &l->prompt)) ||
        (code = read_list(s, "-n", s->list_gen, only_pairs ? "0" : "128", 0, most, &l->gen)) ||
        (code = read_list(s, "-d", s->list_depth, "0", 0, most, &l->depth)) ||
        (code = read_list(s, "-t", s->list_threads, "0", s->list_threads ? 1 : 0, 256, &l->threads)) ||
        (code = read_list(s, "-b", s->list_batch, "2048", 1, 65536, &l->batch)) ||
        (code = read_list(s, "-ub", s->list_ubatch, "512", 1, 65536, &l->ubatch)))
        return code;
    if (s->list_pg && !parse_pair_list(s->list_pg, 1, most, &l->pairs))
        return say_usage(s, "-pg: '%.60s' is not PROMPT,GEN with numbers from 1 to %lld, several joined by ;", s->list_pg, (long long)most);
    if (s->list_type_k && s->list_type_v && strcmp(s->list_type_k, s->list_type_v) != 0)
        return say_usage(s, "-ctk %s and -ctv %s: keys and values have one type here; give both the same", s->list_type_k, s->list_type_v);
    if (s->list_type_v && !s->list_type_k)
        return read_types(s, "-ctv", s->list_type_v, l);
    return read_types(s, "-ctk", s->list_type_k ? s->list_type_k : "f16", l);
}

/* Is there a test at all? */
static bool any_test(const Lists *l) {
    bool any = l->pairs.n > 0;
    for (int i = 0; i < l->prompt.n; i++)
        any = any || l->prompt.v[i] > 0;
    for (int i = 0; i < l->gen.n; i++)
        any = any || l->gen.v[i] > 0;
    return any;
}

static int run_test(Engine *e, BenchPrinter *p, BenchTest test) {
    BenchResult r = {0};
    test.repetitions = (int)p->settings->repetitions;
    r.samples = malloc((size_t)test.repetitions * sizeof *r.samples);
    r.rates = malloc((size_t)test.repetitions * sizeof *r.rates);
    int code = r.samples && r.rates ? bench_measure(e, p->settings, &test, &r) : say_error(EXIT_MEMORY, "out of memory for the samples");
    if (code == 0)
        bench_print(p, e, &r);
    free(r.samples);
    free(r.rates);
    return code;
}

/* Every test at one depth: prompts, generations, pairs. */
static int run_tests(Engine *e, BenchPrinter *p, const Lists *l, BenchTest t) {
    int code = 0;
    for (int i = 0; i < l->prompt.n && code == 0; i++) {
        t.n_prompt = l->prompt.v[i];
        t.n_gen = 0;
        if (t.n_prompt > 0)
            code = run_test(e, p, t);
    }
    for (int i = 0; i < l->gen.n && code == 0; i++) {
        t.n_prompt = 0;
        t.n_gen = l->gen.v[i];
        if (t.n_gen > 0)
            code = run_test(e, p, t);
    }
    for (int i = 0; i < l->pairs.n && code == 0; i++) {
        t.n_prompt = l->pairs.prompt[i];
        t.n_gen = l->pairs.gen[i];
        code = run_test(e, p, t);
    }
    return code;
}

static int run_combinations(Engine *e, BenchPrinter *p, const Lists *l) {
    int code = 0;
    for (int b = 0; b < l->batch.n && code == 0; b++)
        for (int u = 0; u < l->ubatch.n && code == 0; u++)
            for (int k = 0; k < l->n_types && code == 0; k++)
                for (int d = 0; d < l->depth.n && code == 0; d++)
                    code = run_tests(
                        e, p, l,
                        (BenchTest){.n_depth = l->depth.v[d], .n_batch = l->batch.v[b], .n_ubatch = l->ubatch.v[u], .kv = l->types[k]});
    return code;
}

static int bench(const Settings *s, const Lists *l) {
    BenchPrinter p = {.settings = s};
    int code = 0;
    p.batch = l->batch.n > 1 || l->batch.v[0] != 2048;
    p.ubatch = l->ubatch.n > 1 || l->ubatch.v[0] != 512;
    p.types = l->n_types > 1 || l->types[0] != TL_F16;
    bool started = false;
    for (int i = 0; i < l->threads.n && code == 0; i++) {
        Engine e = {0};
        tl_context_options o = tl_context_defaults();
        o.n_ctx = TL_PAGE; /* each test makes a context of its own */
        code = engine_load(&e, s, s->backend, l->threads.v[i], &o);
        if (code == 0 && !started) {
            bench_print_start(&p);
            started = true;
        }
        if (code == 0)
            code = run_combinations(&e, &p, l);
        engine_close(&e);
    }
    if (started)
        bench_print_end(&p);
    return code;
}

int command_bench(int argc, char **argv) {
    Settings s;
    Lists lists;
    const char *path;
    int code;
    if (command_begin(&s, CMD_BENCH, 1, argc, argv, &code))
        return code;
    if (s.json && s.format && strcmp(s.format, "json") != 0 && strcmp(s.format, "jsonl") != 0)
        return say_usage(&s, "--json and -o %s: choose one", s.format);
    if (!s.format)
        s.format = s.json ? "json" : "md";
    if ((code = read_lists(&s, &lists)) || (code = model_path(&s, &path)))
        return code;
    if (!any_test(&lists))
        return say_usage(&s, "nothing to measure: -p, -n and -pg name no test");
    return bench(&s, &lists);
}
