/* rows.c: the driver for ops that work row by row through one kernel: elementwise, norms, softmax, rope. One row can also be computed into
 * scratch, which is how a norm or a swiglu is fused into the preparation of a linear layer's rows. */
#include <stddef.h>

#include "backends/cpu/cpu.h"
#include "ops/ops.h"

/* How an op's row kernel is called, and where it stands in the table of slots. An op that is not listed has none. */
typedef enum row_kind { ROW_NONE, ROW_UNARY, ROW_BINARY, ROW_OTHER } row_kind;
typedef struct row_entry {
    row_kind kind;
    size_t slot;
} row_entry;

/* clang-format off */
#define UNARY(ID, name) [TL_OP_##ID] = {ROW_UNARY, offsetof(tl_kernels, name)}
#define BINARY(ID, name) [TL_OP_##ID] = {ROW_BINARY, offsetof(tl_kernels, name)}
#define OTHER(ID) [TL_OP_##ID] = {ROW_OTHER, 0}
static const row_entry entries[TL_N_OPS] = {
    UNARY(NEG, neg), UNARY(ABS, abs), UNARY(SQR, sqr), UNARY(SQRT, sqrt), UNARY(EXP, exp), UNARY(LOG, log), UNARY(SIN, sin),
    UNARY(COS, cos), UNARY(TANH, tanh), UNARY(SIGMOID, sigmoid), UNARY(RELU, relu), UNARY(SILU, silu), UNARY(GELU, gelu),
    UNARY(GELU_ERF, gelu_erf),
    BINARY(ADD, add), BINARY(SUB, sub), BINARY(MUL, mul), BINARY(DIV, div), BINARY(SWIGLU, swiglu), BINARY(GEGLU, geglu),
    OTHER(SCALE), OTHER(CLAMP), OTHER(RMS_NORM), OTHER(LAYER_NORM), OTHER(SOFTMAX), OTHER(ROPE),
};
/* clang-format on */

/* A user's own op has no entry, whatever id it claims. */
static row_entry entry_of(const tl_tensor *t) {
    return tl_op_get(t->op->id) == t->op ? entries[t->op->id] : (row_entry){ROW_NONE, 0};
}

bool tl_cpu_rows_fit(const tl_tensor *t) {
    if (entry_of(t).kind == ROW_NONE || t->dtype != TL_F32)
        return false;
    for (int i = 0; i < t->n_src; i++)
        if (t->src[i] && (t->src[i]->dtype != TL_F32 || t->src[i]->layout || !tl_row_dense(t->src[i])))
            return false;
    return t->op->id != TL_OP_ROPE || tl_dense(t->src[1]);
}

static const float *operand(const tl_tensor *t, int i, int64_t row) {
    return i < t->n_src && t->src[i] ? tl_row(t->src[i], row) : NULL;
}

static void rope_row(const tl_cpu *cpu, const tl_tensor *t, int64_t row, float *dst) {
    const tl_rope_params *p = t->params;
    int64_t heads = tl_dim(t, 1), pairs = tl_dim(t->src[1], 1);
    cpu->kernels.rope[0](dst, operand(t, 0, row), (const float *)tl_data(t->src[1]) + row / heads * pairs * 2, pairs, tl_dim(t, -1),
                         p->mode);
}

void tl_cpu_row(const tl_cpu *cpu, const tl_tensor *t, int64_t row, float *dst) {
    const tl_kernels *k = &cpu->kernels;
    int64_t n = tl_dim(t, -1);
    const float *a = operand(t, 0, row);
    switch (t->op->id) {
    case TL_OP_SCALE: k->scale[0](dst, a, ((const tl_scale_params *)t->params)->factor, n); return;
    case TL_OP_CLAMP: k->clamp[0](dst, a, ((const tl_clamp_params *)t->params)->low, ((const tl_clamp_params *)t->params)->high, n); return;
    case TL_OP_RMS_NORM: k->rms_norm[0](dst, a, operand(t, 1, 0), ((const tl_norm_params *)t->params)->eps, n); return;
    case TL_OP_LAYER_NORM:
        k->layer_norm[0](dst, a, operand(t, 1, 0), operand(t, 2, 0), ((const tl_norm_params *)t->params)->eps, n);
        return;
    case TL_OP_SOFTMAX: k->softmax[0](dst, a, operand(t, 1, row), ((const tl_softmax_params *)t->params)->scale, n); return;
    case TL_OP_ROPE: rope_row(cpu, t, row, dst); return;
    default: break;
    }
    row_entry e = entry_of(t);
    const void *slot = (const char *)k + e.slot;
    if (e.kind == ROW_UNARY)
        (*(const tl_fn_unary *)slot)(dst, a, n);
    else
        (*(const tl_fn_binary *)slot)(dst, a, operand(t, 1, row), n);
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
