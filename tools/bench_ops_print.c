/* bench_ops_print.c: results of `llama bench --ops`, one by one, in the formats of `llama bench`. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/bench_ops.h"
#include "tools/term.h"

enum { OP = 12, SHAPE = 26, ROWS = 5, TYPE = 5, BACKEND = 18, KERNEL = 24, NUMBER = 10, BOUND = 8 };

static double per_second(double amount, double seconds) {
    return seconds > 0 ? amount / seconds * 1e-9 : NAN;
}

/* The type of the weights or keys; else f32, but where f32 becomes f16. */
static const char *type_of(const OpGraph *b) {
    tl_dtype other = b->first->dtype == TL_F16 ? TL_F16 : TL_F32;
    return tl_dtype_get(b->c->type < TL_N_DTYPES ? b->c->type : other)->name;
}

static void write_record(OpPrinter *p, const OpGraph *b, const tl_peaks *peaks, const OpResult *r) {
    char commit[32], cpu[160], backend[160], shape[64];
    Record f = {.n = 0};
    snprintf(commit, sizeof commit, "tally-%s", tl_version());
    record_text(&f, "build_commit", commit);
    record_text(&f, "cpu_info", term_cpu_name(cpu, sizeof cpu));
    record_text(&f, "backends", bench_backend_name(b->be, backend, sizeof backend));
    record_whole(&f, "n_threads", tl_backend_threads(b->be));
    record_text(&f, "model_type", b->shapes->name);
    record_text(&f, "op", tl_op_get(b->c->op)->name);
    record_text(&f, "kernel", r->kernel);
    record_text(&f, "type", type_of(b));
    record_text(&f, "shape", op_graph_shape(b, shape, sizeof shape));
    record_whole(&f, "n_rows", b->c->rows);
    record_whole(&f, "n_depth", b->c->depth);
    record_text(&f, "test_time", r->time);
    record_whole(&f, "avg_ns", (int64_t)(r->sum.seconds * 1e9 + 0.5));
    record_whole(&f, "stddev_ns", (int64_t)(bench_deviation(r->samples, r->n) * 1e9 + 0.5));
    record_real(&f, "bytes", r->sum.bytes);
    record_real(&f, "ops", r->sum.ops);
    record_real(&f, "gb_s", per_second(r->sum.bytes, r->sum.seconds));
    record_real(&f, "gop_s", per_second(r->sum.ops, r->sum.seconds));
    record_real(&f, "of_peak", profile_of_peak(&r->sum));
    record_text(&f, "bound", *profile_bound(&r->sum) ? profile_bound(&r->sum) : NULL);
    record_real(&f, "peak_read_gb_s", peaks->read * 1e-9);
    record_real(&f, "peak_triad_gb_s", peaks->triad * 1e-9);
    record_real(&f, "peak_f32_gop_s", peaks->apart * 1e-9);
    record_real(&f, "peak_exact_gop_s", peaks->exact * 1e-9);
    record_real(&f, "peak_int8_gop_s", peaks->int8 * 1e-9);
    record_list(&f, "samples_ns", FIELD_WHOLES, r->samples, 1e9, r->n);
    record_write(&p->writer, &f);
}

/* ---- markdown ---- */

static void print_head(FILE *file, bool rule) {
    fputc('|', file);
    md_cell(file, -OP, rule ? NULL : "op");
    md_cell(file, -SHAPE, rule ? NULL : "shape");
    md_cell(file, ROWS, rule ? NULL : "rows");
    md_cell(file, -TYPE, rule ? NULL : "type");
    md_cell(file, -BACKEND, rule ? NULL : "backend");
    md_cell(file, NUMBER, rule ? NULL : "threads");
    md_cell(file, -KERNEL, rule ? NULL : "kernel");
    md_cell(file, NUMBER, rule ? NULL : "us");
    md_cell(file, NUMBER, rule ? NULL : "GB/s");
    md_cell(file, NUMBER, rule ? NULL : "GOP/s");
    md_cell(file, NUMBER, rule ? NULL : "% of peak");
    md_cell(file, -BOUND, rule ? NULL : "bound by");
    fputc('\n', file);
}

static void print_row(FILE *file, const OpGraph *b, const OpResult *r) {
    char text[160];
    double of_peak = profile_of_peak(&r->sum);
    fputc('|', file);
    md_cell(file, -OP, tl_op_get(b->c->op)->name);
    md_cell(file, -SHAPE, op_graph_shape(b, text, sizeof text));
    md_number(file, ROWS, "%.0f", (double)b->c->rows);
    md_cell(file, -TYPE, type_of(b));
    md_cell(file, -BACKEND, bench_backend_name(b->be, text, sizeof text));
    md_number(file, NUMBER, "%.0f", tl_backend_threads(b->be));
    md_cell(file, -KERNEL, r->kernel);
    md_number(file, NUMBER, "%.2f", r->sum.seconds * 1e6);
    md_number(file, NUMBER, "%.2f", per_second(r->sum.bytes, r->sum.seconds));
    md_number(file, NUMBER, "%.2f", per_second(r->sum.ops, r->sum.seconds));
    md_number(file, NUMBER, isfinite(of_peak) ? "%.1f" : "-", of_peak);
    md_cell(file, -BOUND, profile_bound(&r->sum));
    fputc('\n', file);
    fflush(file);
}

/* ---- all of it ---- */

OpPrinter op_printer(FILE *file, const char *format) {
    return (OpPrinter){record_writer(file, format, "tally_ops")};
}

void op_print(OpPrinter *p, const OpGraph *b, const tl_peaks *peaks, const OpResult *r) {
    term_progress_clear();
    if (strcmp(p->writer.format, "md") != 0) {
        write_record(p, b, peaks, r);
        return;
    }
    if (p->writer.written++ == 0) {
        fprintf(p->writer.file, "%s\n\n", b->shapes->name);
        print_head(p->writer.file, false);
        print_head(p->writer.file, true);
    }
    print_row(p->writer.file, b, r);
}

void op_print_end(OpPrinter *p) {
    record_end(&p->writer);
}
