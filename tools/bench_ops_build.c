/* bench_ops_build.c: one op of `llama bench --ops` as a small graph, built by the public builders of ops.h: which operands it has, what they
 * hold. Values come from a generator and from the number of the row, so that any rows of an operand can be made again elsewhere. */
#include <stdlib.h>
#include <string.h>

#include "tools/bench_ops.h"

enum { GATHERED = 4096, TOP_K = 40, PERIOD = 61 }; /* PERIOD: rows of a weight that differ; the packing's 16 does not divide it */

/* ---- data ---- */

static uint32_t random_of(uint64_t i) {
    uint64_t z = (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (uint32_t)(z >> 32);
}

/* -2 .. 2, exact */
static float float_of(uint64_t i) {
    return (float)((int32_t)(random_of(i) >> 12) - (1 << 19)) * 0x1p-18f;
}

/* n values of row r of an input, at least as many as fit. */
static void fill_row(const OpInput *in, const OpCase *c, int slot, int64_t r, int64_t n, void *out) {
    uint64_t at = ((uint64_t)slot << 56) + (uint64_t)(r * n);
    int32_t *ids = out;
    float *x = out;
    for (int64_t i = 0; i < n; i++) {
        switch (in->fill) {
        case FILL_FLOATS: x[i] = float_of(at + (uint64_t)i); break;
        case FILL_POSITIVE: x[i] = (float)(1 + random_of(at + (uint64_t)i) % 65536) * 0x1p-14f; break;
        case FILL_IDS: ids[i] = (int32_t)(random_of(at + (uint64_t)i) % (uint32_t)in->below); break;
        case FILL_DISTINCT: ids[i] = (int32_t)((uint64_t)(r * 7) % (uint32_t)in->below); break;
        case FILL_POSITIONS: ids[i] = (int32_t)(c->depth + r); break;
        case FILL_SPANS: ids[i] = i < 2 ? 0 : (int32_t)(c->depth + r + 1); break;
        }
    }
}

/* Rows of a weight as stored: encoded floats, or for a type without encoder random blocks. The second byte of each pair is such that, read as
 * f16, the pair is a scale between 2^-7 and 2. */
static tl_status fill_weight(tl_dtype type, int64_t rows, int64_t k, uint8_t *out, tl_error *err) {
    const tl_dtype_info *d = tl_dtype_get(type);
    size_t row = (size_t)(k / d->block * d->block_bytes);
    int64_t made = rows < PERIOD ? rows : PERIOD;
    float *x = malloc((size_t)k * sizeof *x);
    bool encodes = true;
    tl_status s = x ? TL_OK : tl_fail(err, TL_ERR_MEMORY, "out of memory for a weight");
    for (int64_t r = 0; r < made && s == TL_OK; r++) {
        for (int64_t i = 0; i < k; i++)
            x[i] = float_of((uint64_t)(r * k + i) + ((uint64_t)1 << 60)) * 0x1p-5f;
        encodes = encodes && tl_encode(type, x, out + (size_t)r * row, k, NULL) == TL_OK;
        for (size_t i = 0; i < row && !encodes; i++) {
            uint8_t byte = (uint8_t)random_of((uint64_t)r * row + i);
            out[(size_t)r * row + i] = i % 2 ? (uint8_t)((byte & 0x9F) | 0x20) : byte;
        }
    }
    for (int64_t r = made; r < rows && s == TL_OK; r++)
        memcpy(out + (size_t)r * row, out + (size_t)(r % PERIOD) * row, row);
    free(x);
    return s;
}

/* ---- operands ---- */

/* Input number `slot`, the same for all copies. Its first axis varies but where the op's result is compared whole. */
static tl_tensor *input(OpGraph *b, int slot, tl_dtype type, int rank, int64_t second, int64_t third, OpFill fill) {
    int64_t shape[] = {b->n, second, third};
    if (!b->input[slot].t)
        b->input[slot] = (OpInput){tl_input(b->g, "input", type, rank, shape), fill, 0};
    return b->input[slot].t;
}

static tl_tensor *ids(OpGraph *b, int slot, OpFill fill, int64_t below) {
    tl_tensor *t = input(b, slot, TL_I32, 1, 0, 0, fill);
    b->input[slot].below = (int32_t)below;
    return t;
}

/* A bank tensor of rows [n, k] (rank 3: [n, k / third, third]) in the layout that the backend wants for these uses. */
static tl_tensor *weight(OpGraph *b, const char *name, int copy, tl_dtype type, int64_t n, int64_t k, int64_t third, unsigned uses) {
    char full[48];
    tl_tensor probe = {.dtype = type, .rank = third ? 3 : 2, .shape = {n, third ? k / third : k, third}}, *t;
    const tl_layout *layout = uses && b->be->ops->layout ? b->be->ops->layout(b->be, &probe, uses) : NULL;
    size_t bytes = (size_t)n * (size_t)(k / tl_dtype_get(type)->block * tl_dtype_get(type)->block_bytes);
    snprintf(full, sizeof full, "%s.%d", name, copy);
    if (tl_bank_add(b->bank, full, type, probe.rank, probe.shape, layout, &t, &b->err))
        return NULL;
    uint8_t *data = malloc(bytes);
    tl_status s = data ? fill_weight(type, n, k, data, &b->err) : tl_fail(&b->err, TL_ERR_MEMORY, "out of memory for a weight");
    if (s == TL_OK && layout)
        tl_bank_pack(b->bank, t, 0, n, data);
    else if (s == TL_OK)
        s = tl_write(t, data, bytes, &b->err);
    free(data);
    return s ? NULL : t;
}

/* ---- ops ---- */

static int64_t width_of(const OpGraph *b) {
    const OpShapes *s = b->shapes;
    int wide = op_row(b->c->op)->wide;
    return wide == WIDE_VOCAB ? s->vocab : wide == WIDE_FF ? s->ff : s->embd;
}

static tl_tensor *build_unary(OpGraph *b, int copy) {
    const OpRow *row = op_row(b->c->op);
    (void)copy;
    return row->unary(b->g, input(b, 0, TL_F32, 2, width_of(b), 0, row->positive ? FILL_POSITIVE : FILL_FLOATS));
}

static tl_tensor *build_binary(OpGraph *b, int copy) {
    int64_t n = width_of(b);
    (void)copy;
    return op_row(b->c->op)->binary(b->g, input(b, 0, TL_F32, 2, n, 0, FILL_FLOATS), input(b, 1, TL_F32, 2, n, 0, FILL_FLOATS));
}

/* Heads and dims of a row change places. */
static tl_tensor *build_contiguous(OpGraph *b, int copy) {
    tl_tensor *x = input(b, 0, TL_F32, 3, b->shapes->heads, b->shapes->head_dim, FILL_FLOATS);
    (void)copy;
    return tl_contiguous(b->g, tl_permute(b->g, x, (int[]){0, 2, 1}));
}

static tl_tensor *build_unpack(OpGraph *b, int copy) {
    return tl_unpack(b->g, weight(b, "w", copy, b->c->type, b->c->weight.n, b->c->weight.k, 0, TL_USE_LINEAR));
}

static tl_tensor *cast_f16(tl_graph *g, tl_tensor *x) {
    return tl_cast(g, x, TL_F16);
}

static tl_tensor *concat_last(tl_graph *g, tl_tensor *a, tl_tensor *b) {
    return tl_concat(g, (tl_tensor *[]){a, b}, 2, 1);
}

static tl_tensor *scale(tl_graph *g, tl_tensor *x) {
    return tl_scale(g, x, 0.125f);
}

static tl_tensor *clamp(tl_graph *g, tl_tensor *x) {
    return tl_clamp(g, x, -1, 1);
}

static tl_tensor *topk(tl_graph *g, tl_tensor *x) {
    tl_tensor *found;
    return tl_topk(g, x, tl_dim(x, -1) < TOP_K ? tl_dim(x, -1) : TOP_K, NULL, &found);
}

static tl_tensor *softmax(tl_graph *g, tl_tensor *x) {
    return tl_softmax(g, x, NULL, 0.125f);
}

static tl_tensor *build_rms_norm(OpGraph *b, int copy) {
    tl_tensor *w = weight(b, "w", copy, TL_F32, 1, b->shapes->embd, 0, 0);
    return tl_rms_norm(b->g, input(b, 0, TL_F32, 2, b->shapes->embd, 0, FILL_FLOATS), tl_reshape(b->g, w, 1, &b->shapes->embd), 1e-5f);
}

static tl_tensor *build_layer_norm(OpGraph *b, int copy) {
    const int64_t *n = &b->shapes->embd;
    tl_tensor *w = weight(b, "w", copy, TL_F32, 1, *n, 0, 0), *bias = weight(b, "bias", copy, TL_F32, 1, *n, 0, 0);
    return tl_layer_norm(b->g, input(b, 0, TL_F32, 2, *n, 0, FILL_FLOATS), tl_reshape(b->g, w, 1, n), tl_reshape(b->g, bias, 1, n), 1e-5f);
}

static tl_tensor *build_rope_angles(OpGraph *b, int copy) {
    int dims = (int)b->shapes->head_dim;
    tl_rope_config c = tl_rope_defaults(dims);
    double *freq = tl_graph_alloc(b->g, (size_t)dims / 2 * sizeof *freq), magnitude;
    (void)copy;
    if (!freq || tl_rope_freqs(&c, freq, &magnitude, &b->err))
        return NULL;
    return tl_rope_angles(b->g, ids(b, 0, FILL_POSITIONS, 0), dims / 2, freq, magnitude, NULL);
}

static tl_tensor *build_rope(OpGraph *b, int copy) {
    tl_tensor *x = input(b, 0, TL_F32, 3, b->shapes->heads, b->shapes->head_dim, FILL_FLOATS);
    (void)copy;
    return tl_rope(b->g, x, input(b, 1, TL_F32, 3, b->shapes->head_dim / 2, 2, FILL_FLOATS), TL_ROPE_INTERLEAVED);
}

static tl_tensor *build_linear(OpGraph *b, int copy) {
    const OpWeight *w = &b->c->weight;
    tl_tensor *x = input(b, 0, TL_F32, 2, w->k, 0, FILL_FLOATS);
    return tl_linear(b->g, x, weight(b, "w", copy, w->type, w->n, w->k, 0, TL_USE_LINEAR), NULL);
}

static tl_tensor *build_matmul(OpGraph *b, int copy) {
    tl_tensor *x = input(b, 0, TL_F32, 2, b->shapes->embd, 0, FILL_FLOATS);
    return tl_matmul(b->g, x, weight(b, "b", copy, TL_F32, b->shapes->embd, b->shapes->head_dim, 0, 0));
}

/* Keys or values as a context keeps them: [heads, keys, d], seen as [keys, heads, d]. */
static tl_tensor *cache(OpGraph *b, const char *name, int copy) {
    const OpShapes *s = b->shapes;
    int64_t keys = b->c->depth + b->c->rows;
    return tl_permute(b->g, weight(b, name, copy, b->c->type, s->heads_kv, keys * s->head_dim, s->head_dim, 0), (int[]){1, 0, 2});
}

static tl_tensor *build_attention(OpGraph *b, int copy) {
    const OpShapes *s = b->shapes;
    tl_tensor *q = input(b, 0, TL_F32, 3, s->heads, s->head_dim, FILL_FLOATS), *span = input(b, 1, TL_I32, 2, 3, 0, FILL_SPANS);
    return tl_attention(b->g, q, cache(b, "k", copy), cache(b, "v", copy), span, NULL, NULL, NULL, 0.125f, 0);
}

static tl_tensor *build_embed(OpGraph *b, int copy) {
    const OpWeight *w = &b->c->weight;
    return tl_embed(b->g, weight(b, "table", copy, w->type, w->n, w->k, 0, TL_USE_EMBED), ids(b, 0, FILL_IDS, w->n));
}

static tl_tensor *build_gather(OpGraph *b, int copy) {
    return tl_gather(b->g, weight(b, "x", copy, TL_F32, GATHERED, b->shapes->embd, 0, 0), ids(b, 0, FILL_IDS, GATHERED));
}

/* Rows of the KV cache. */
static tl_tensor *build_set_rows(OpGraph *b, int copy) {
    int64_t width = b->shapes->heads_kv * b->shapes->head_dim, rows = b->c->rows > GATHERED ? b->c->rows : GATHERED;
    rows += rows % 7 == 0; /* ids are multiples of 7, and no two may be equal */
    tl_tensor *state = weight(b, "state", copy, TL_F16, rows, width, 0, 0);
    tl_set_rows(b->g, state, ids(b, 0, FILL_DISTINCT, rows), input(b, 1, TL_F32, 2, width, 0, FILL_FLOATS));
    return state;
}

static tl_tensor *build_assign(OpGraph *b, int copy) {
    tl_tensor *state = weight(b, "state", copy, TL_F32, b->c->rows, b->shapes->embd, 0, 0);
    tl_assign(b->g, state, input(b, 0, TL_F32, 2, b->shapes->embd, 0, FILL_FLOATS));
    return state;
}

/* clang-format off */
#define UNARY(ID, fn, width) {.op = TL_OP_##ID, .build = build_unary, .unary = fn, .wide = width}
#define POSITIVE(ID, fn, width) {.op = TL_OP_##ID, .build = build_unary, .unary = fn, .wide = width, .positive = true}
#define BINARY(ID, fn, width) {.op = TL_OP_##ID, .build = build_binary, .binary = fn, .wide = width}
#define OTHER(ID, fn) {.op = TL_OP_##ID, .build = fn}
#define WHOLE(ID, fn) {.op = TL_OP_##ID, .build = fn, .whole = true}
static const OpRow op_rows[] = {
    OTHER(CONTIGUOUS, build_contiguous), WHOLE(UNPACK, build_unpack),
    UNARY(CAST, cast_f16, WIDE_FF), BINARY(CONCAT, concat_last, WIDE_EMBD),
    BINARY(ADD, tl_add, WIDE_EMBD), BINARY(SUB, tl_sub, WIDE_EMBD), BINARY(MUL, tl_mul, WIDE_EMBD), BINARY(DIV, tl_div, WIDE_EMBD),
    UNARY(SCALE, scale, WIDE_EMBD), UNARY(CLAMP, clamp, WIDE_EMBD), UNARY(NEG, tl_neg, WIDE_EMBD), UNARY(ABS, tl_abs, WIDE_EMBD),
    UNARY(SQR, tl_sqr, WIDE_EMBD), POSITIVE(SQRT, tl_sqrt, WIDE_EMBD), UNARY(EXP, tl_exp, WIDE_EMBD), POSITIVE(LOG, tl_log, WIDE_EMBD),
    UNARY(SIN, tl_sin, WIDE_EMBD), UNARY(COS, tl_cos, WIDE_EMBD), UNARY(TANH, tl_tanh, WIDE_FF), UNARY(SIGMOID, tl_sigmoid, WIDE_FF),
    UNARY(RELU, tl_relu, WIDE_FF), UNARY(SILU, tl_silu, WIDE_FF), UNARY(GELU, tl_gelu, WIDE_FF), UNARY(GELU_ERF, tl_gelu_erf, WIDE_FF),
    BINARY(SWIGLU, tl_swiglu, WIDE_FF), BINARY(GEGLU, tl_geglu, WIDE_FF),
    UNARY(SUM, tl_sum, WIDE_EMBD), UNARY(MEAN, tl_mean, WIDE_EMBD), UNARY(MAX, tl_max, WIDE_VOCAB), UNARY(ARGMAX, tl_argmax, WIDE_VOCAB),
    UNARY(TOPK, topk, WIDE_VOCAB),
    OTHER(RMS_NORM, build_rms_norm), OTHER(LAYER_NORM, build_layer_norm), UNARY(SOFTMAX, softmax, WIDE_EMBD),
    OTHER(ROPE_ANGLES, build_rope_angles), OTHER(ROPE, build_rope), OTHER(LINEAR, build_linear), OTHER(MATMUL, build_matmul),
    OTHER(ATTENTION, build_attention), OTHER(EMBED, build_embed), OTHER(GATHER, build_gather),
    WHOLE(SET_ROWS, build_set_rows), WHOLE(ASSIGN, build_assign),
};
/* clang-format on */

const OpRow *op_row(int op) {
    for (size_t i = 0; i < sizeof op_rows / sizeof *op_rows; i++)
        if (op_rows[i].op == op)
            return &op_rows[i];
    return NULL;
}

/* ---- a graph ---- */

static tl_status build(OpGraph *b, int copies) {
    const OpRow *row = op_row(b->c->op);
    b->n = row->whole && b->c->op != TL_OP_SET_ROWS ? b->c->rows : tl_size(b->g, "n", b->c->rows);
    for (int copy = 0; copy < copies; copy++) {
        tl_tensor *y = row->build(b, copy);
        if (!y)
            return tl_graph_error(b->g) ? tl_fail(&b->err, tl_graph_error(b->g)->status, "%s", tl_graph_error(b->g)->message)
                                        : b->err.status;
        tl_output(b->g, y);
        b->first = copy == 0 ? y : b->first;
        b->last = y;
    }
    return tl_plan_new(&b->plan, b->g, b->be, &(tl_plan_options){.profile = true}, &b->err);
}

tl_status op_graph_open(OpGraph *b, const OpShapes *shapes, const OpCase *c, tl_backend *be, int copies) {
    *b = (OpGraph){.shapes = shapes, .c = c, .be = be};
    tl_status s = tl_bank_new(&b->bank, be, &b->err);
    if (s == TL_OK)
        s = tl_graph_new(&b->g, &b->err);
    return s ? s : build(b, copies);
}

void op_graph_close(OpGraph *b) {
    tl_plan_free(b->plan);
    tl_graph_free(b->g);
    tl_bank_free(b->bank);
    *b = (OpGraph){0};
}

tl_status op_graph_rows(OpGraph *b, int64_t row0, int64_t n) {
    for (int slot = 0; slot < OP_INPUTS; slot++) {
        const OpInput *in = &b->input[slot];
        if (!in->t)
            continue;
        int64_t width = tl_count(in->t) / in->t->shape[0];
        size_t bytes = (size_t)(n * width) * 4; /* f32 or i32 */
        int32_t *data = malloc(bytes);
        if (!data)
            return tl_fail(&b->err, TL_ERR_MEMORY, "out of memory for an operand");
        for (int64_t r = 0; r < n; r++)
            fill_row(in, b->c, slot, row0 + r, width, data + r * width);
        tl_status s = tl_write(in->t, data, bytes, &b->err);
        free(data);
        if (s)
            return s;
    }
    return tl_graph_sizes(b->g) > 0 ? tl_plan_set(b->plan, "n", n, &b->err) : TL_OK;
}

const char *op_graph_shape(const OpGraph *b, char *text, size_t n) {
    const OpShapes *s = b->shapes;
    switch (b->c->op) {
    case TL_OP_LINEAR:
    case TL_OP_EMBED:
    case TL_OP_UNPACK: snprintf(text, n, "%lld x %lld", (long long)b->c->weight.n, (long long)b->c->weight.k); return text;
    case TL_OP_MATMUL: snprintf(text, n, "%lld x %lld", (long long)s->embd, (long long)s->head_dim); return text;
    case TL_OP_ATTENTION:
        snprintf(text, n, "%lld / %lld x %lld @ d%lld", (long long)s->heads, (long long)s->heads_kv, (long long)s->head_dim,
                 (long long)b->c->depth);
        return text;
    case TL_OP_GATHER: snprintf(text, n, "%lld", (long long)s->embd); return text;
    case TL_OP_SET_ROWS: snprintf(text, n, "%lld", (long long)(s->heads_kv * s->head_dim)); return text;
    default: break;
    }
    const tl_tensor *x = b->input[0].t;
    if (x->rank == 3)
        snprintf(text, n, "%lld x %lld", (long long)x->shape[1], (long long)x->shape[2]);
    else
        snprintf(text, n, "%lld", (long long)(x->rank == 2 ? x->shape[1] : s->head_dim));
    return text;
}
