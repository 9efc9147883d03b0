/* bench_print.c: results of `llama bench` as markdown, CSV, JSON and JSON lines. Columns and field names are llama-bench's, so that
 * scripts for it work; gb_s, gop_s, peak_rss and ttft_ms come on top. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/bench.h"
#include "tools/term.h"

enum { FIELDS = 40 };
typedef struct Field {
    const char *name;
    enum { TEXT, WHOLE, REAL } kind;
    const char *text;
    int64_t whole;
    double real;
} Field;
typedef struct Fields {
    Field f[FIELDS];
    int n;
    char commit[32], cpu[160], backend[160];
} Fields;

static void add_text(Fields *fields, const char *name, const char *text) {
    fields->f[fields->n++] = (Field){name, TEXT, text, 0, 0};
}

static void add_whole(Fields *fields, const char *name, int64_t v) {
    fields->f[fields->n++] = (Field){name, WHOLE, NULL, v, 0};
}

static void add_real(Fields *fields, const char *name, double v) {
    fields->f[fields->n++] = (Field){name, REAL, NULL, 0, v};
}

/* "cpu, level scalar" of "cpu, level scalar, 2 threads": threads are a column of their own. */
static void backend_name(const Engine *e, char *text, size_t n) {
    snprintf(text, n, "%s", tl_backend_describe(e->backend));
    for (char *p = text; *p; p++) {
        if (p[0] == ',' && p[1] == ' ' && p[2] >= '0' && p[2] <= '9') {
            *p = 0;
            break;
        }
    }
}

static void collect(Fields *f, const Engine *e, const Settings *s, const BenchResult *r) {
    const BenchTest *t = &r->test;
    double seconds = bench_mean(r->samples, r->n);
    bool measured = r->bytes > 0 && seconds > 0;
    f->n = 0;
    snprintf(f->commit, sizeof f->commit, "tally-%s", tl_version());
    backend_name(e, f->backend, sizeof f->backend);
    add_text(f, "build_commit", f->commit);
    add_whole(f, "build_number", TL_VERSION_MAJOR * 10000 + TL_VERSION_MINOR * 100 + TL_VERSION_PATCH);
    add_text(f, "cpu_info", term_cpu_name(f->cpu, sizeof f->cpu));
    add_text(f, "backends", f->backend);
    add_text(f, "model_filename", s->model);
    add_text(f, "model_type", tl_model_describe(e->model));
    add_whole(f, "model_size", (int64_t)tl_model_weight_bytes(e->model));
    add_whole(f, "model_n_params", (int64_t)tl_model_params(e->model));
    add_whole(f, "n_batch", t->n_batch);
    add_whole(f, "n_ubatch", t->n_ubatch);
    add_whole(f, "n_threads", tl_backend_threads(e->backend));
    add_text(f, "type_k", tl_dtype_get(t->kv)->name);
    add_text(f, "type_v", tl_dtype_get(t->kv)->name);
    add_whole(f, "n_prompt", t->n_prompt);
    add_whole(f, "n_gen", t->n_gen);
    add_whole(f, "n_depth", t->n_depth);
    add_text(f, "test_time", r->time);
    add_whole(f, "avg_ns", (int64_t)(seconds * 1e9 + 0.5));
    add_whole(f, "stddev_ns", (int64_t)(bench_deviation(r->samples, r->n) * 1e9 + 0.5));
    add_real(f, "avg_ts", bench_mean(r->rates, r->n));
    add_real(f, "stddev_ts", bench_deviation(r->rates, r->n));
    add_real(f, "gb_s", measured ? r->bytes / seconds * 1e-9 : NAN);
    add_real(f, "gop_s", measured ? r->ops / seconds * 1e-9 : NAN);
    add_whole(f, "peak_rss", (int64_t)term_peak_memory());
    add_real(f, "ttft_ms", r->first_seconds * 1e3);
}

/* ---- JSON, CSV ---- */

static void print_json(Json *j, const Fields *fields, const BenchResult *r) {
    json_open(j, NULL, '{');
    for (int i = 0; i < fields->n; i++) {
        const Field *f = &fields->f[i];
        if (f->kind == TEXT)
            json_string(j, f->name, f->text);
        else if (f->kind == WHOLE)
            json_int(j, f->name, f->whole);
        else
            json_real(j, f->name, f->real, 9);
    }
    json_flat(j, "samples_ns", '[');
    for (int i = 0; i < r->n; i++)
        json_int(j, NULL, (int64_t)(r->samples[i] * 1e9 + 0.5));
    json_close(j, ']');
    json_flat(j, "samples_ts", '[');
    for (int i = 0; i < r->n; i++)
        json_real(j, NULL, r->rates[i], 9);
    json_close(j, ']');
    json_close(j, '}');
}

static void print_csv(const Fields *fields, bool head) {
    char number[32];
    for (int i = 0; i < fields->n && head; i++)
        printf("%s%s", i ? "," : "", fields->f[i].name);
    if (head)
        putchar('\n');
    for (int i = 0; i < fields->n; i++) {
        const Field *f = &fields->f[i];
        fputs(i ? ",\"" : "\"", stdout);
        if (f->kind == WHOLE)
            printf("%lld", (long long)f->whole);
        else if (f->kind == REAL && isfinite(f->real))
            fputs(tl_number_print(f->real, 9, number), stdout);
        for (const char *p = f->text; p && *p; p++)
            fputs(*p == '"' ? "\"\"" : (char[]){*p, 0}, stdout);
        putchar('"');
    }
    putchar('\n');
}

/* ---- markdown ---- */

enum { MODEL = 24, SIZE = 11, BACKEND = 18, SMALL = 8, TEST = 20, RATE = 20, OURS = 9 };

/* A cell, flush right but for a negative width, and a rule in place of the text where it is NULL. */
static void cell(int width, const char *text) {
    int n = width < 0 ? -width : width;
    fputs(" ", stdout);
    if (!text) {
        for (int i = 0; i < n - (width > 0); i++)
            putchar('-');
        fputs(width > 0 ? ": |" : " |", stdout);
        return;
    }
    int shown = 0;
    for (const char *p = text; *p; p++)
        shown += ((unsigned char)*p & 0xC0) != 0x80;
    int pad = shown < n ? n - shown : 0;
    printf("%*s%s%*s |", width > 0 ? pad : 0, "", text, width > 0 ? 0 : pad, "");
}

static void number_cell(int width, const char *format, double v) {
    char text[48];
    snprintf(text, sizeof text, format, v);
    cell(width, text);
}

static void print_head(const BenchPrinter *p, bool rule) {
    putchar('|');
    cell(-MODEL, rule ? NULL : "model");
    cell(SIZE, rule ? NULL : "size");
    cell(SIZE, rule ? NULL : "params");
    cell(-BACKEND, rule ? NULL : "backend");
    cell(SMALL, rule ? NULL : "threads");
    if (p->batch)
        cell(SMALL, rule ? NULL : "n_batch");
    if (p->ubatch)
        cell(SMALL, rule ? NULL : "n_ubatch");
    if (p->types)
        cell(SMALL, rule ? NULL : "type_k");
    if (p->types)
        cell(SMALL, rule ? NULL : "type_v");
    cell(TEST, rule ? NULL : "test");
    cell(RATE, rule ? NULL : "t/s");
    cell(OURS, rule ? NULL : "GB/s");
    cell(OURS, rule ? NULL : "GOP/s");
    cell(OURS, rule ? NULL : "TTFT ms");
    cell(SIZE, rule ? NULL : "peak");
    putchar('\n');
}

static void test_name(const BenchTest *t, char *text, size_t n) {
    size_t used = 0;
    text[0] = 0;
    if (t->n_prompt > 0)
        used += (size_t)snprintf(text, n, "pp%lld", (long long)t->n_prompt);
    if (t->n_gen > 0)
        used += (size_t)snprintf(text + used, n - used, "%stg%lld", t->n_prompt > 0 ? "+" : "", (long long)t->n_gen);
    if (t->n_depth > 0)
        snprintf(text + used, n - used, " @ d%lld", (long long)t->n_depth);
}

static void print_row(const BenchPrinter *p, const Engine *e, const BenchResult *r) {
    const BenchTest *t = &r->test;
    char text[160], params[32];
    double seconds = bench_mean(r->samples, r->n), n_params = (double)tl_model_params(e->model);
    putchar('|');
    cell(-MODEL, tl_model_describe(e->model));
    cell(SIZE, size_text((double)tl_model_weight_bytes(e->model), text));
    snprintf(params, sizeof params, n_params < 1e9 ? "%.2f M" : "%.2f B", n_params < 1e9 ? n_params * 1e-6 : n_params * 1e-9);
    cell(SIZE, params);
    backend_name(e, text, sizeof text);
    cell(-BACKEND, text);
    number_cell(SMALL, "%.0f", tl_backend_threads(e->backend));
    if (p->batch)
        number_cell(SMALL, "%.0f", (double)t->n_batch);
    if (p->ubatch)
        number_cell(SMALL, "%.0f", (double)t->n_ubatch);
    if (p->types) {
        cell(SMALL, tl_dtype_get(t->kv)->name);
        cell(SMALL, tl_dtype_get(t->kv)->name);
    }
    test_name(t, text, sizeof text);
    cell(TEST, text);
    snprintf(text, sizeof text, "%.2f \xC2\xB1 %.2f", bench_mean(r->rates, r->n), bench_deviation(r->rates, r->n));
    cell(RATE, text);
    bool measured = r->bytes > 0 && seconds > 0;
    number_cell(OURS, measured ? "%.2f" : "-", measured ? r->bytes / seconds * 1e-9 : 0);
    number_cell(OURS, measured ? "%.2f" : "-", measured ? r->ops / seconds * 1e-9 : 0);
    number_cell(OURS, "%.1f", r->first_seconds * 1e3);
    cell(SIZE, size_text((double)term_peak_memory(), text));
    putchar('\n');
}

/* ---- all of it ---- */

void bench_print_start(BenchPrinter *p) {
    const char *format = p->settings->format;
    p->json = json_on(stdout, strcmp(format, "json") == 0);
    if (strcmp(format, "json") == 0)
        json_open(&p->json, NULL, '[');
    if (strcmp(format, "md") == 0) {
        print_head(p, false);
        print_head(p, true);
    }
}

void bench_print(BenchPrinter *p, const Engine *e, const BenchResult *r) {
    const char *format = p->settings->format;
    Fields fields;
    collect(&fields, e, p->settings, r);
    term_progress_clear();
    if (strcmp(format, "csv") == 0)
        print_csv(&fields, p->printed == 0);
    else if (strcmp(format, "md") == 0)
        print_row(p, e, r);
    else
        print_json(&p->json, &fields, r);
    p->printed++;
    fflush(stdout);
}

void bench_print_end(BenchPrinter *p) {
    if (strcmp(p->settings->format, "json") == 0)
        json_close(&p->json, ']');
}
