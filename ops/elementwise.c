/* elementwise.c: f32 ops whose output element i depends on element i of their operands only. A plan may run them in place: every
 * reference reads an element before it writes it.
 *
 * add, sub, mul, div broadcast like NumPy: the builder puts views of stride 0 before them, so that what infer and the references see has
 * equal shapes, with any strides. The functions of one operand are those of tensor/math.h. */
#include <math.h>
#include <string.h>

#include "ops/internal.h"
#include "tensor/math.h"

/* ---- shapes ----------------------------------------------------------------------------------------------------------------- */

/* One f32 operand. */
static tl_status infer_unary(tl_graph *g, tl_tensor *out) {
    tl_status s = tl_want_dtype(g, out, 0, TL_F32);
    if (!s)
        tl_like(out, out->src[0], TL_F32);
    return s;
}

/* Two f32 operands of one shape. */
static tl_status infer_binary(tl_graph *g, tl_tensor *out) {
    if (tl_want_dtype(g, out, 0, TL_F32) || tl_want_dtype(g, out, 1, TL_F32))
        return TL_ERR_USAGE;
    if (!tl_same_shape(out->src[0], out->src[1]))
        return tl_shape_error(g, out, "the shapes differ");
    tl_like(out, out->src[0], TL_F32);
    return TL_OK;
}

static void broadcast_error(tl_graph *g, const char *op, const tl_tensor *a, const tl_tensor *b, const char *why) {
    char as[160], bs[160];
    tl_graph_fail(g, TL_ERR_USAGE, "%s: %s and %s do not broadcast: %s", op, tl_describe(a, as, sizeof as), tl_describe(b, bs, sizeof bs),
                  why);
}

/* The common shape of a and b, counted from the last axis; false, and the graph has failed, where there is none. */
static bool common_shape(tl_graph *g, const char *op, const tl_tensor *a, const tl_tensor *b, tl_reshape_params *p) {
    p->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= p->rank; i++) {
        int64_t la = tl_dim(a, -i), lb = tl_dim(b, -i);
        if (la != lb && la != 1 && lb != 1) {
            broadcast_error(g, op, a, b, "lengths must be equal or 1, counted from the last axis");
            return false;
        }
        p->shape[p->rank - i] = la > lb ? la : lb;
    }
    for (int i = 0; i < 2; i++) {
        const tl_tensor *x = i == 0 ? a : b, *y = i == 0 ? b : a;
        if (!x->size)
            continue;
        bool repeated = y->rank < p->rank || y->shape[0] == 1; /* y follows x along axis 0 */
        if (x->rank < p->rank || (y->rank == p->rank && y->size && y->size != x->size) || (!y->size && !repeated)) {
            broadcast_error(g, op, a, b, "a varying axis 0 matches the same named size, or is repeated from length 1");
            return false;
        }
        p->size = x->size;
    }
    return true;
}

static tl_tensor *binary(tl_graph *g, int id, tl_tensor *a, tl_tensor *b) {
    const tl_op *op = tl_op_get(id);
    tl_tensor *src[2] = {a, b};
    tl_reshape_params p = {0};
    if (!tl_operands(g, op->name, 2, src) || !common_shape(g, op->name, a, b, &p))
        return NULL;
    for (int i = 0; i < 2; i++) {
        src[i] = tl_broadcast_to(g, src[i], p.rank, p.shape, p.size);
        if (!src[i])
            return NULL;
    }
    return tl_node(g, op, 2, src, NULL, 0);
}

static tl_tensor *gated(tl_graph *g, int id, tl_tensor *gate, tl_tensor *up) {
    return tl_node(g, tl_op_get(id), 2, (tl_tensor *[]){gate, up}, NULL, 0);
}

static tl_tensor *unary(tl_graph *g, int id, tl_tensor *x) {
    return tl_node(g, tl_op_get(id), 1, &x, NULL, 0);
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------- */

/* y[i] = f(x[i]), rows dense. */
static void map(const tl_tensor *out, int64_t row0, int64_t row1, float (*f)(float)) {
    int64_t n = tl_dim(out, -1);
    for (int64_t r = row0; r < row1; r++) {
        const float *x = tl_row(out->src[0], r);
        float *y = tl_row(out, r);
        for (int64_t i = 0; i < n; i++)
            y[i] = f(x[i]);
    }
}

/* y[i] = f(a[i], b[i]), a and b with any strides. */
static void zip(const tl_tensor *out, int64_t row0, int64_t row1, float (*f)(float, float)) {
    const tl_tensor *a = out->src[0], *b = out->src[1];
    int64_t n = tl_dim(out, -1), da = a->stride[a->rank - 1], db = b->stride[b->rank - 1];
    for (int64_t r = row0; r < row1; r++) {
        const char *x = tl_row(a, r), *z = tl_row(b, r);
        float *y = tl_row(out, r);
        for (int64_t i = 0; i < n; i++)
            y[i] = f(*(const float *)(x + i * da), *(const float *)(z + i * db));
    }
}

/* ---- the ops of one operand ---------------------------------------------------------------------------------------------------- */

/* Builder, infer, reference and cost of tl_name: y = f(x), about `flops` operations an element. */
#define UNARY(ID, name, f, flops)                                                           \
    tl_tensor *tl_##name(tl_graph *g, tl_tensor *x) {                                       \
        return unary(g, TL_OP_##ID, x);                                                     \
    }                                                                                       \
    tl_status tl_##name##_infer(tl_graph *g, tl_tensor *out) {                              \
        return infer_unary(g, out);                                                         \
    }                                                                                       \
    void tl_##name##_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) { \
        (void)scratch;                                                                      \
        map(out, row0, row1, f);                                                            \
    }                                                                                       \
    void tl_##name##_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {                 \
        tl_cost_rows(out, rows, flops, c);                                                  \
    }

static float negated(float x) {
    return tl_real(tl_bits(x) ^ TL_SIGN_BIT);
}

static float squared(float x) {
    return x * x;
}

/* NaN gives 0. */
static float rectified(float x) {
    return x > 0.0f ? x : 0.0f;
}

UNARY(NEG, neg, negated, 1)
UNARY(ABS, abs, tl_absf, 1)
UNARY(SQR, sqr, squared, 1)
UNARY(SQRT, sqrt, sqrtf, 1)
UNARY(EXP, exp, tl_expf, 18)
UNARY(LOG, log, tl_logf, 30)
UNARY(SIN, sin, tl_sinf, 40)
UNARY(COS, cos, tl_cosf, 40)
UNARY(TANH, tanh, tl_tanhf, 34)
UNARY(SIGMOID, sigmoid, tl_sigmoidf, 20)
UNARY(RELU, relu, rectified, 1)
UNARY(SILU, silu, tl_siluf, 20)
UNARY(GELU, gelu, tl_gelu_tanhf, 27)
UNARY(GELU_ERF, gelu_erf, tl_gelu_erff, 55)

/* ---- the ops of two operands --------------------------------------------------------------------------------------------------- */

/* The same for two operands; build is binary (they broadcast) or gated (equal shapes). */
#define BINARY(ID, name, a, b, build, f, flops)                                             \
    tl_tensor *tl_##name(tl_graph *g, tl_tensor *a, tl_tensor *b) {                         \
        return build(g, TL_OP_##ID, a, b);                                                  \
    }                                                                                       \
    tl_status tl_##name##_infer(tl_graph *g, tl_tensor *out) {                              \
        return infer_binary(g, out);                                                        \
    }                                                                                       \
    void tl_##name##_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) { \
        (void)scratch;                                                                      \
        zip(out, row0, row1, f);                                                            \
    }                                                                                       \
    void tl_##name##_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {                 \
        tl_cost_rows(out, rows, flops, c);                                                  \
    }

static float sum_of(float a, float b) {
    return a + b;
}

static float difference(float a, float b) {
    return a - b;
}

static float product(float a, float b) {
    return a * b;
}

static float quotient(float a, float b) {
    return a / b;
}

static float swish_gated(float gate, float up) {
    return tl_siluf(gate) * up;
}

static float gelu_gated(float gate, float up) {
    return tl_gelu_tanhf(gate) * up;
}

BINARY(ADD, add, a, b, binary, sum_of, 1)
BINARY(SUB, sub, a, b, binary, difference, 1)
BINARY(MUL, mul, a, b, binary, product, 1)
BINARY(DIV, div, a, b, binary, quotient, 1)
BINARY(SWIGLU, swiglu, gate, up, gated, swish_gated, 21)
BINARY(GEGLU, geglu, gate, up, gated, gelu_gated, 28)

/* ---- with parameters ----------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_scale(tl_graph *g, tl_tensor *x, float factor) {
    tl_scale_params p = {factor};
    return tl_node(g, tl_op_get(TL_OP_SCALE), 1, &x, &p, sizeof p);
}

tl_status tl_scale_infer(tl_graph *g, tl_tensor *out) {
    return tl_want_params(g, out) ? TL_ERR_USAGE : infer_unary(g, out);
}

void tl_scale_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_scale_params *p = out->params;
    int64_t n = tl_dim(out, -1);
    for (int64_t r = row0; r < row1; r++) {
        const float *x = tl_row(out->src[0], r);
        float *y = tl_row(out, r);
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * p->factor;
    }
}

void tl_scale_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    tl_cost_rows(out, rows, 1, c);
}

tl_tensor *tl_clamp(tl_graph *g, tl_tensor *x, float low, float high) {
    tl_clamp_params p = {low, high};
    return tl_node(g, tl_op_get(TL_OP_CLAMP), 1, &x, &p, sizeof p);
}

tl_status tl_clamp_infer(tl_graph *g, tl_tensor *out) {
    const tl_clamp_params *p = out->params;
    if (tl_want_params(g, out))
        return TL_ERR_USAGE;
    if (!(p->low <= p->high))
        return tl_shape_error(g, out, "low must not be above high, and neither NaN");
    return infer_unary(g, out);
}

/* NaN and a zero's sign stay: both comparisons are false for them. */
void tl_clamp_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_clamp_params *p = out->params;
    int64_t n = tl_dim(out, -1);
    for (int64_t r = row0; r < row1; r++) {
        const float *x = tl_row(out->src[0], r);
        float *y = tl_row(out, r);
        for (int64_t i = 0; i < n; i++) {
            float v = p->low > x[i] ? p->low : x[i];
            y[i] = p->high < v ? p->high : v;
        }
    }
}

void tl_clamp_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    tl_cost_rows(out, rows, 2, c);
}
