/* bench_print.c: results of `llama bench` as markdown, CSV, JSON, JSON lines and SQL. Columns and field names are llama-bench's, so that
 * scripts for it work; gb_s, gop_s, of_peak, bound, peak_rss and ttft_ms come on top. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/bench.h"
#include "tools/term.h"

const char *bench_backend_name(tl_backend *be, char *text, size_t n) {
    snprintf(text, n, "%s", tl_backend_describe(be));
    for (char *p = text; *p; p++)
        if (p[0] == ',' && p[1] == ' ' && p[2] >= '0' && p[2] <= '9') {
            const char *end = p + 1 + strcspn(p + 1, ",");
            memmove(p, end, strlen(end) + 1);
            break;
        }
    return text;
}

/* Figures of a result; NaN where they were not measured. */
static double per_second(double amount, double seconds) {
    return amount > 0 && seconds > 0 ? amount / seconds * 1e-9 : NAN;
}

static double of_peak(const BenchResult *r) {
    double seconds = bench_mean(r->samples, r->n);
    return r->least > 0 && seconds > 0 ? r->least / seconds * 100 : NAN;
}

static void write_record(BenchPrinter *p, const Engine *e, const Settings *s, const BenchResult *r) {
    const BenchTest *t = &r->test;
    char commit[32], cpu[160], backend[160];
    double seconds = bench_mean(r->samples, r->n);
    Record f = {.n = 0};
    snprintf(commit, sizeof commit, "tally-%s", tl_version());
    record_text(&f, "build_commit", commit);
    record_whole(&f, "build_number", TL_VERSION_MAJOR * 10000 + TL_VERSION_MINOR * 100 + TL_VERSION_PATCH);
    record_text(&f, "cpu_info", term_cpu_name(cpu, sizeof cpu));
    record_text(&f, "backends", bench_backend_name(e->backend, backend, sizeof backend));
    record_text(&f, "model_filename", s->model);
    record_text(&f, "model_type", tl_model_describe(e->model));
    record_whole(&f, "model_size", (int64_t)tl_model_weight_bytes(e->model));
    record_whole(&f, "model_n_params", (int64_t)tl_model_params(e->model));
    record_whole(&f, "n_batch", t->n_batch);
    record_whole(&f, "n_ubatch", t->n_ubatch);
    record_whole(&f, "n_threads", tl_backend_threads(e->backend));
    record_text(&f, "type_k", tl_dtype_get(t->kv)->name);
    record_text(&f, "type_v", tl_dtype_get(t->kv)->name);
    record_whole(&f, "n_prompt", t->n_prompt);
    record_whole(&f, "n_gen", t->n_gen);
    record_whole(&f, "n_depth", t->n_depth);
    record_text(&f, "test_time", r->time);
    record_whole(&f, "avg_ns", (int64_t)(seconds * 1e9 + 0.5));
    record_whole(&f, "stddev_ns", (int64_t)(bench_deviation(r->samples, r->n) * 1e9 + 0.5));
    record_real(&f, "avg_ts", bench_mean(r->rates, r->n));
    record_real(&f, "stddev_ts", bench_deviation(r->rates, r->n));
    record_real(&f, "gb_s", per_second(r->bytes, seconds));
    record_real(&f, "gop_s", per_second(r->ops, seconds));
    record_real(&f, "of_peak", of_peak(r));
    record_text(&f, "bound", *r->bound ? r->bound : NULL);
    record_whole(&f, "peak_rss", (int64_t)term_peak_memory());
    record_real(&f, "ttft_ms", r->first_seconds * 1e3);
    record_list(&f, "samples_ns", FIELD_WHOLES, r->samples, 1e9, r->n);
    record_list(&f, "samples_ts", FIELD_REALS, r->rates, 1, r->n);
    record_write(&p->writer, &f);
}

/* ---- markdown ---- */

enum { MODEL = 24, SIZE = 11, BACKEND = 18, SMALL = 8, TEST = 20, RATE = 20, OURS = 9 };

static void print_head(const BenchPrinter *p, bool rule) {
    FILE *file = p->writer.file;
    fputc('|', file);
    md_cell(file, -MODEL, rule ? NULL : "model");
    md_cell(file, SIZE, rule ? NULL : "size");
    md_cell(file, SIZE, rule ? NULL : "params");
    md_cell(file, -BACKEND, rule ? NULL : "backend");
    md_cell(file, SMALL, rule ? NULL : "threads");
    if (p->batch)
        md_cell(file, SMALL, rule ? NULL : "n_batch");
    if (p->ubatch)
        md_cell(file, SMALL, rule ? NULL : "n_ubatch");
    if (p->types)
        md_cell(file, SMALL, rule ? NULL : "type_k");
    if (p->types)
        md_cell(file, SMALL, rule ? NULL : "type_v");
    md_cell(file, TEST, rule ? NULL : "test");
    md_cell(file, RATE, rule ? NULL : "t/s");
    md_cell(file, OURS, rule ? NULL : "GB/s");
    md_cell(file, OURS, rule ? NULL : "GOP/s");
    md_cell(file, OURS, rule ? NULL : "% of peak");
    md_cell(file, OURS, rule ? NULL : "TTFT ms");
    md_cell(file, SIZE, rule ? NULL : "peak");
    fputc('\n', file);
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

/* A number, or a dash where there is none. */
static void measured_cell(FILE *file, const char *format, double v) {
    md_number(file, OURS, isfinite(v) ? format : "-", v);
}

static void print_row(const BenchPrinter *p, const Engine *e, const BenchResult *r) {
    const BenchTest *t = &r->test;
    FILE *file = p->writer.file;
    char text[160], params[32];
    double seconds = bench_mean(r->samples, r->n), n_params = (double)tl_model_params(e->model);
    fputc('|', file);
    md_cell(file, -MODEL, tl_model_describe(e->model));
    md_cell(file, SIZE, size_text((double)tl_model_weight_bytes(e->model), text));
    snprintf(params, sizeof params, n_params < 1e9 ? "%.2f M" : "%.2f B", n_params < 1e9 ? n_params * 1e-6 : n_params * 1e-9);
    md_cell(file, SIZE, params);
    md_cell(file, -BACKEND, bench_backend_name(e->backend, text, sizeof text));
    md_number(file, SMALL, "%.0f", tl_backend_threads(e->backend));
    if (p->batch)
        md_number(file, SMALL, "%.0f", (double)t->n_batch);
    if (p->ubatch)
        md_number(file, SMALL, "%.0f", (double)t->n_ubatch);
    for (int i = 0; i < 2 && p->types; i++)
        md_cell(file, SMALL, tl_dtype_get(t->kv)->name);
    test_name(t, text, sizeof text);
    md_cell(file, TEST, text);
    snprintf(text, sizeof text, "%.2f \xC2\xB1 %.2f", bench_mean(r->rates, r->n), bench_deviation(r->rates, r->n));
    md_cell(file, RATE, text);
    measured_cell(file, "%.2f", per_second(r->bytes, seconds));
    measured_cell(file, "%.2f", per_second(r->ops, seconds));
    measured_cell(file, "%.1f", of_peak(r));
    md_number(file, OURS, "%.1f", r->first_seconds * 1e3);
    md_cell(file, SIZE, size_text((double)term_peak_memory(), text));
    fputc('\n', file);
    fflush(file);
}

/* ---- all of it ---- */

BenchPrinter bench_printer(FILE *file, const char *format, const Lists *l) {
    BenchPrinter p = {.writer = record_writer(file, format, "llama_bench")};
    p.batch = l->batch.n > 1 || l->batch.v[0] != 2048;
    p.ubatch = l->ubatch.n > 1 || l->ubatch.v[0] != 512;
    p.types = l->types.n > 1 || l->types.v[0] != TL_F16;
    return p;
}

void bench_print(BenchPrinter *p, const Engine *e, const Settings *s, const BenchResult *r) {
    term_progress_clear();
    if (strcmp(p->writer.format, "md") != 0) {
        write_record(p, e, s, r);
        return;
    }
    if (p->writer.written++ == 0) {
        print_head(p, false);
        print_head(p, true);
    }
    print_row(p, e, r);
}

void bench_print_end(BenchPrinter *p) {
    record_end(&p->writer);
}
