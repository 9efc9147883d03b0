/* blas.c: the optional backend `blas`: the cpu backend in which OpenBLAS multiplies large float matrices. Everything else is the cpu
 * backend's: its program is compiled first, then the steps of linear layers and matmuls get the drivers of gemm.c. OpenBLAS adds in
 * an order of its own, which depends on the machine and on the shape of a call: results are near those of the other backends, not the same bits,
 * and tests/test_blas.c says how near. Only where Tally is built with TALLY_BLAS. */
#include "backends/blas/blas.h"

#ifdef TL_BLAS

#include <cblas.h>
#include <stdio.h>
#include <string.h>

#include "backends/internal.h"
#include "ops/ops.h"

/* Rows of x from which on a call of OpenBLAS, with the strip decoded, takes less time than the cpu backend's own kernels; 0: none does. Measured
 * on Zen 3 with OpenBLAS 0.3.21, k of 1024 and 4096, one thread (GOP/s, f32: 54 against 80 from 128 rows on; Q4_0: 117 against 66). */
static const int measured[2][N_PREPS] = {
    {[PREP_NONE] = 1, [PREP_X32] = 4, [PREP_X256] = 4, [PREP_X13] = 2}, /* level scalar */
    {[PREP_NONE] = 32, [PREP_X32] = 0, [PREP_X256] = 0, [PREP_X13] = 256},
};

/* Moves the options of cpu from *options to rest, keeps rows=N. */
static tl_status own_options(const char *options, char *rest, size_t bytes, int *rows, tl_error *err) {
    tl_option o;
    tl_status s;
    size_t n = 0;
    *rest = 0;
    while ((s = tl_option_next(&options, &o, err)) == TL_MORE) {
        if (strcmp(o.key, "rows") == 0) {
            if ((s = tl_option_int(&o, 1, INT32_MAX, rows, err)))
                return s;
            continue;
        }
        n += (size_t)snprintf(rest + n, bytes - n, "%s%s=%s", n ? "," : "", o.key, o.value);
        if (n >= bytes)
            return tl_fail(err, TL_ERR_USAGE, "backend blas: the list of options is longer than %d characters", (int)bytes - 1);
    }
    return s;
}

static tl_status open_blas(tl_backend *be, const char *options, tl_error *err) {
    char rest[256], version[40];
    int rows = 0;
    tl_status s = own_options(options, rest, sizeof rest, &rows, err);
    if (s || (s = tl_cpu_open(be, rest, false, err)))
        return s;
    tl_cpu *c = be->impl;
    for (int i = 0; i < N_PREPS; i++)
        c->blas_rows[i] = rows ? rows : measured[c->level->base != NULL][i];
    snprintf(version, sizeof version, "%s", openblas_get_config()); /* "OpenBLAS 0.3.21 NO_LAPACKE ..." */
    char *end = strchr(version, ' ');
    if (end)
        end[1 + strcspn(end + 1, " ")] = 0;
    snprintf(c->text, sizeof c->text, "blas, %s, level %s, %d thread%s; outside the promise of the same bits", version, c->level->name,
             c->threads, c->threads == 1 ? "" : "s");
    return TL_OK;
}

static tl_status compile(tl_backend *be, tl_plan *p, tl_error *err) {
    const tl_cpu *c = be->impl;
    tl_status status = tl_cpu_compile(be, p, err);
    if (status)
        return status;
    cpu_program *prog = p->impl;
    size_t scratch = prog->scratch;
    for (int i = 0; i < prog->n; i++) {
        cpu_step *s = &prog->steps[i];
        size_t bytes;
        if (s->driver == &tl_cpu_driver_linear && tl_blas_linear_fits(c, s->linear)) {
            s->driver = &tl_blas_driver_linear;
            bytes = tl_blas_linear_scratch(c, s->linear);
        } else if (s->driver == &tl_cpu_driver_reference && s->node->op == tl_op_get(TL_OP_MATMUL) && tl_blas_matmul_fits(s->node)) {
            s->driver = &tl_blas_driver_matmul;
            bytes = tl_blas_matmul_scratch(c, s->node);
        } else {
            continue;
        }
        s->kernel = p->steps[i].kernel = "sgemm";
        p->steps[i].max_tiles = s->driver->tiles(s, &(cpu_run){c, p});
        scratch = bytes > scratch ? bytes : scratch;
    }
    tl_plan_workers(p, c->threads, scratch);
    return TL_OK;
}

/* The pool's workers call OpenBLAS side by side, each for a strip: threads of its own would only fight for the cores. It keeps one
 * number for the process, which the program around us may have set. */
static tl_status run(tl_backend *be, tl_plan *p, tl_error *err) {
    openblas_set_num_threads(1);
    return tl_cpu_run(be, p, err);
}

const tl_backend_ops tl_blas_ops = {
    .name = "blas",
    .help = "cpu with OpenBLAS for large products, outside the promise of the same bits; options of cpu, and rows=N",
    .own_bits = true,
    .open = open_blas,
    .close = tl_cpu_close,
    .alloc = tl_cpu_alloc,
    .free = tl_cpu_free,
    .layout = tl_cpu_layout,
    .parallel = tl_cpu_parallel,
    .compile = compile,
    .drop = tl_cpu_drop,
    .run = run,
    .describe = tl_cpu_describe,
    .threads = tl_cpu_threads,
    .peaks = tl_cpu_peaks,
};

#endif
