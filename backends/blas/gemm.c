/* gemm.c: the drivers of the blas backend: *linear* and *matmul* in which OpenBLAS multiplies, a strip of weight rows or of columns of b
 * a tile. A strip that is not f32 is decoded into the worker's scratch first. Each worker calls OpenBLAS on its own, so the
 * backend's pool is what uses the cores. A linear layer of few rows goes the cpu backend's way. */
#include "backends/blas/blas.h"

#ifdef TL_BLAS

#include <cblas.h>

#include "ops/internal.h"
#include "tensor/quant.h"

enum {
    STRIP_FLOATS = 1 << 18, /* of a decoded strip, where it has more than LEAST: 1 MiB, about a core's L2 */
    STRIP_LEAST = 16,
    STRIP_MOST = 256,
    X_ROWS = 256,     /* rows of x a call: their products with a strip are kept in scratch, for bias and residual */
    K_MOST = 1 << 24, /* floats of a row: 16 decoded ones are a size everywhere; longer ones go the cpu backend's way */
};

/* Length of a strip of n rows (or columns) of k floats: even shares for the threads, within the bounds above. */
static int64_t strip_of(const tl_cpu *cpu, int64_t n, int64_t k) {
    int64_t fits = STRIP_FLOATS / k, share = (n + cpu->threads * 2 - 1) / (cpu->threads * 2), strip = fits < share ? fits : share;
    strip = (strip + STRIP_LEAST - 1) / STRIP_LEAST * STRIP_LEAST;
    return strip > STRIP_MOST ? STRIP_MOST : strip < STRIP_LEAST ? STRIP_LEAST : strip;
}

/* Whether rows of k floats, `stride` bytes apart, are a matrix to BLAS, whose numbers are ints. */
static bool is_matrix(int64_t stride, int64_t k) {
    return k <= K_MOST && stride % (int64_t)sizeof(float) == 0 && stride / (int64_t)sizeof(float) >= k &&
           stride / (int64_t)sizeof(float) <= INT32_MAX;
}

/* ---- linear: x [.., k], w [n, k] -> [.., n] ---- */

/* Rows of x that are equally far apart: dense, or any matrix. */
static int64_t x_stride(const tl_tensor *x) {
    return tl_dense(x) ? tl_dim(x, -1) * (int64_t)sizeof(float) : x->rank == 2 ? x->stride[0] : 0;
}

static int least_rows(const tl_cpu *cpu, const tl_tensor *linear) {
    return cpu->blas_rows[tl_cpu_prep_of(linear->src[1]->dtype)];
}

static bool as_stored(const tl_tensor *w) {
    return w->dtype == TL_F32 && is_matrix(w->stride[0], w->shape[1]);
}

bool tl_blas_linear_fits(const tl_cpu *cpu, const tl_tensor *linear) {
    const tl_tensor *x = linear->src[0], *w = linear->src[1];
    return least_rows(cpu, linear) && tl_rows(x) >= least_rows(cpu, linear) && is_matrix(x_stride(x), w->shape[1]);
}

size_t tl_blas_linear_scratch(const tl_cpu *cpu, const tl_tensor *linear) {
    const tl_tensor *w = linear->src[1];
    int64_t n = w->shape[0], k = w->shape[1], strip = strip_of(cpu, n, k);
    size_t products = (size_t)(X_ROWS * strip) * sizeof(float);
    return as_stored(w) ? products : products + (size_t)(strip * k) * sizeof(float) + tl_row_bytes(w);
}

static bool has_many_rows(const cpu_step *s, const cpu_run *r) {
    return tl_plan_rows(r->plan, s->node) >= least_rows(r->cpu, s->linear);
}

static int64_t linear_tiles(const cpu_step *s, const cpu_run *r) {
    if (!has_many_rows(s, r))
        return tl_cpu_driver_linear.tiles(s, r);
    int64_t n = s->linear->src[1]->shape[0], strip = strip_of(r->cpu, n, s->linear->src[1]->shape[1]);
    return (n + strip - 1) / strip;
}

/* Rows row0 .. row0 + n - 1 of w, packed or as stored -> out [n, k] */
static void decode_rows(const tl_tensor *w, int64_t row0, int64_t n, float *out, void *stored) {
    int64_t k = w->shape[1];
    const tl_codec *codec = tl_codec_of(w->dtype);
    for (int64_t j = 0; j < n; j++) {
        const void *row = stored;
        if (w->layout)
            w->layout->unpack_rows(w, row0 + j, row0 + j + 1, tl_data(w), stored);
        else
            row = tl_row(w, row0 + j);
        codec->decode(row, out + j * k, k);
    }
}

/* y [rows, width] + bias + residual -> columns j0 .. of rows row0 .. of the output, which may be the residual's memory. */
static void store(const cpu_step *s, const float *y, int64_t row0, int64_t rows, int64_t j0, int64_t width) {
    const tl_tensor *bias = s->linear->n_src > 2 ? s->linear->src[2] : NULL;
    const float *b = bias ? (const float *)tl_data(bias) + j0 : NULL;
    for (int64_t i = 0; i < rows; i++, y += width) {
        float *out = (float *)tl_row(s->node, row0 + i) + j0;
        const float *add = s->residual ? (const float *)tl_row(s->residual, row0 + i) + j0 : NULL;
        for (int64_t j = 0; j < width; j++) {
            float v = y[j];
            if (b)
                v += b[j];
            if (add)
                v += add[j];
            out[j] = v;
        }
    }
}

static void linear_run(const cpu_step *s, const cpu_run *r, int64_t tile, void *scratch) {
    if (!has_many_rows(s, r)) {
        tl_cpu_driver_linear.run(s, r, tile, scratch);
        return;
    }
    const tl_tensor *x = s->linear->src[0], *w = s->linear->src[1];
    int64_t n = w->shape[0], k = w->shape[1], strip = strip_of(r->cpu, n, k), rows = tl_plan_rows(r->plan, s->node);
    int64_t j0 = tile * strip, width = n - j0 < strip ? n - j0 : strip, step = k;
    float *y = scratch, *decoded = y + X_ROWS * strip;
    const float *weights = decoded;
    if (as_stored(w)) {
        weights = tl_row(w, j0);
        step = w->stride[0] / (int64_t)sizeof(float);
    } else {
        decode_rows(w, j0, width, decoded, decoded + strip * k);
    }
    for (int64_t row = 0; row < rows; row += X_ROWS) {
        int64_t m = rows - row < X_ROWS ? rows - row : X_ROWS;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)width, (int)k, 1.0f, tl_row(x, row),
                    (int)(x_stride(x) / (int64_t)sizeof(float)), weights, (int)step, 0.0f, y, (int)width);
        store(s, y, row, m, j0, width);
    }
}

const cpu_driver tl_blas_driver_linear = {"blas linear", linear_tiles, linear_run};

/* ---- matmul: a [.., m, k], b [.., k, n] -> [.., m, n] ---- */

bool tl_blas_matmul_fits(const tl_tensor *node) {
    const tl_tensor *a = node->src[0], *b = node->src[1];
    return tl_dim(a, -2) <= INT32_MAX && is_matrix(a->stride[a->rank - 2], tl_dim(a, -1)) &&
           (b->dtype != TL_F32 || is_matrix(b->stride[b->rank - 2], tl_dim(b, -1))) && tl_dim(b, -1) <= INT32_MAX;
}

size_t tl_blas_matmul_scratch(const tl_cpu *cpu, const tl_tensor *node) {
    const tl_tensor *b = node->src[1];
    return b->dtype == TL_F32 ? 0 : (size_t)(strip_of(cpu, tl_dim(b, -1), tl_dim(b, -2)) * tl_dim(b, -2)) * sizeof(float);
}

/* Rows of one matrix, and matrices, now: the varying axis is the rows of the only one or counts matrices. */
static int64_t matrix_rows(const cpu_step *s, const cpu_run *r) {
    return s->node->rank == 2 ? tl_plan_work(r->plan, s->node) : tl_dim(s->node, -2);
}

static int64_t strips_of(const cpu_step *s, const cpu_run *r) {
    const tl_tensor *b = s->node->src[1];
    int64_t strip = strip_of(r->cpu, tl_dim(b, -1), tl_dim(b, -2));
    return (tl_dim(b, -1) + strip - 1) / strip;
}

static int64_t matmul_tiles(const cpu_step *s, const cpu_run *r) {
    int64_t work = tl_plan_work(r->plan, s->node);
    return work <= 0 ? 0 : work / matrix_rows(s, r) * strips_of(s, r);
}

static void matmul_run(const cpu_step *s, const cpu_run *r, int64_t tile, void *scratch) {
    const tl_tensor *a = s->node->src[0], *b = s->node->src[1];
    int64_t strips = strips_of(s, r), m = matrix_rows(s, r), k = tl_dim(b, -2), n = tl_dim(b, -1), strip = strip_of(r->cpu, n, k);
    int64_t batch = tile / strips, j0 = tile % strips * strip, width = n - j0 < strip ? n - j0 : strip;
    int64_t b_stride = b->stride[b->rank - 2], step = b_stride / (int64_t)sizeof(float);
    const char *from = tl_matmul_matrix(b, s->node, batch) + j0 * tl_dtype_get(b->dtype)->block_bytes;
    const float *columns = (const void *)from;
    float *y = (float *)tl_row(s->node, batch * m) + j0;
    if (b->dtype != TL_F32) {
        for (int64_t i = 0; i < k; i++)
            tl_codec_of(b->dtype)->decode(from + i * b_stride, (float *)scratch + i * width, width);
        columns = scratch;
        step = width;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)width, (int)k, 1.0f,
                (const void *)tl_matmul_matrix(a, s->node, batch), (int)(a->stride[a->rank - 2] / (int64_t)sizeof(float)), columns,
                (int)step, 0.0f, y, (int)n);
}

const cpu_driver tl_blas_driver_matmul = {"blas matmul", matmul_tiles, matmul_run};

#endif
