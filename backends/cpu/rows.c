/* rows.c: the driver for ops that work row by row through one kernel: elementwise, norms, softmax, rope. One row can also be computed into
 * scratch, which is how a norm or a swiglu is fused into the preparation of a linear layer's rows. */
#include <string.h>

#include "backends/cpu/cpu.h"
#include "ops/ops.h"

/* Kernels of plain signatures by op id. */
static tl_fn_unary unary_of(const tl_kernels *k, int id) {
    switch (id) {
    case TL_OP_NEG: return k->neg[0];
    case TL_OP_ABS: return k->abs[0];
    case TL_OP_SQR: return k->sqr[0];
    case TL_OP_SQRT: return k->sqrt[0];
    case TL_OP_EXP: return k->exp[0];
    case TL_OP_LOG: return k->log[0];
    case TL_OP_SIN: return k->sin[0];
    case TL_OP_COS: return k->cos[0];
    case TL_OP_TANH: return k->tanh[0];
    case TL_OP_SIGMOID: return k->sigmoid[0];
    case TL_OP_RELU: return k->relu[0];
    case TL_OP_SILU: return k->silu[0];
    case TL_OP_GELU: return k->gelu[0];
    case TL_OP_GELU_ERF: return k->gelu_erf[0];
    default: return NULL;
    }
}

static tl_fn_binary binary_of(const tl_kernels *k, int id) {
    switch (id) {
    case TL_OP_ADD: return k->add[0];
    case TL_OP_SUB: return k->sub[0];
    case TL_OP_MUL: return k->mul[0];
    case TL_OP_DIV: return k->div[0];
    case TL_OP_SWIGLU: return k->swiglu[0];
    case TL_OP_GEGLU: return k->geglu[0];
    default: return NULL;
    }
}

bool tl_cpu_rows_fit(const tl_tensor *t) {
    if (t->op->id < 0 || t->dtype != TL_F32)
        return false;
    for (int i = 0; i < t->n_src; i++)
        if (t->src[i] && (t->src[i]->dtype != TL_F32 || t->src[i]->layout || !tl_row_dense(t->src[i])))
            return false;
    switch (t->op->id) {
    case TL_OP_NEG: case TL_OP_ABS: case TL_OP_SQR: case TL_OP_SQRT: case TL_OP_EXP: case TL_OP_LOG: case TL_OP_SIN: case TL_OP_COS:
    case TL_OP_TANH: case TL_OP_SIGMOID: case TL_OP_RELU: case TL_OP_SILU: case TL_OP_GELU: case TL_OP_GELU_ERF: case TL_OP_ADD:
    case TL_OP_SUB: case TL_OP_MUL: case TL_OP_DIV: case TL_OP_SWIGLU: case TL_OP_GEGLU: case TL_OP_SCALE: case TL_OP_CLAMP:
    case TL_OP_RMS_NORM: case TL_OP_LAYER_NORM: case TL_OP_SOFTMAX:
        return true;
    case TL_OP_ROPE:
        return tl_dense(t->src[1]);
    default:
        return false;
    }
}

static const float *operand(const tl_tensor *t, int i, int64_t row) {
    return i < t->n_src && t->src[i] ? tl_row(t->src[i], row) : NULL;
}

static void rope_row(const tl_cpu *cpu, const tl_tensor *t, int64_t row, float *dst) {
    const tl_rope_params *p = t->params;
    int64_t heads = tl_dim(t, 1), pairs = tl_dim(t->src[1], 1);
    cpu->kernels.rope[0](dst, operand(t, 0, row), (const float *)tl_data(t->src[1]) + row / heads * pairs * 2, pairs, tl_dim(t, -1), p->mode);
}

void tl_cpu_row(const tl_cpu *cpu, const tl_tensor *t, int64_t row, float *dst) {
    const tl_kernels *k = &cpu->kernels;
    int64_t n = tl_dim(t, -1);
    const float *a = operand(t, 0, row);
    switch (t->op->id) {
    case TL_OP_SCALE:
        k->scale[0](dst, a, ((const tl_scale_params *)t->params)->factor, n);
        return;
    case TL_OP_CLAMP:
        k->clamp[0](dst, a, ((const tl_clamp_params *)t->params)->low, ((const tl_clamp_params *)t->params)->high, n);
        return;
    case TL_OP_RMS_NORM:
        k->rms_norm[0](dst, a, operand(t, 1, 0), ((const tl_norm_params *)t->params)->eps, n);
        return;
    case TL_OP_LAYER_NORM:
        k->layer_norm[0](dst, a, operand(t, 1, 0), operand(t, 2, 0), ((const tl_norm_params *)t->params)->eps, n);
        return;
    case TL_OP_SOFTMAX:
        k->softmax[0](dst, a, operand(t, 1, row), ((const tl_softmax_params *)t->params)->scale, n);
        return;
    case TL_OP_ROPE:
        rope_row(cpu, t, row, dst);
        return;
    default:
        break;
    }
    tl_fn_unary unary = unary_of(k, t->op->id);
    if (unary)
        unary(dst, a, n);
    else
        binary_of(k, t->op->id)(dst, a, operand(t, 1, row), n);
}

static int64_t each(const cpu_step *s, const cpu_run *r, int64_t rows) {
    return tl_cpu_tile_rows(r->cpu, rows, (double)tl_dim(s->node, -1) * 4);
}

static int64_t tiles(const cpu_step *s, const cpu_run *r) {
    int64_t rows = tl_plan_rows(r->plan, s->node);
    return rows <= 0 ? 0 : (rows + each(s, r, rows) - 1) / each(s, r, rows);
}

static void run(const cpu_step *s, const cpu_run *r, int64_t tile, void *scratch) {
    (void)scratch;
    int64_t rows = tl_plan_rows(r->plan, s->node), n = each(s, r, rows), end = (tile + 1) * n < rows ? (tile + 1) * n : rows;
    for (int64_t row = tile * n; row < end; row++)
        tl_cpu_row(r->cpu, s->node, row, tl_row(s->node, row));
}

const cpu_driver tl_cpu_driver_rows = {"rows", tiles, run};
