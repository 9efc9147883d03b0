/* draw_rows.c: draws ops that move data or work along rows: views, copies, elementwise ops, reductions, norms, softmax. */
#include "tests/draw.h"

/* ---- views ---- */

static int64_t some_divisor(drawing *d, int64_t n) {
    int64_t f = draw_between(d, 1, 12);
    while (n % f != 0)
        f--;
    return f;
}

static bool is_in_blocks(const tl_tensor *x) {
    return tl_dtype_get(x->dtype)->block > 1;
}

static tl_tensor *reshaped(drawing *d, tl_tensor *x) {
    int64_t count = tl_count(x), last = x->shape[x->rank - 1];
    if (x->size) {
        int64_t row = count / x->shape[0], f = is_in_blocks(x) ? row / last : some_divisor(d, row);
        return tl_reshape(d->g, x, 3, (int64_t[]){d->n, f, row / f});
    }
    if (is_in_blocks(x) || draw_chance(d, 50))
        return tl_reshape(d->g, x, 2, (int64_t[]){count / last, last});
    int64_t f = some_divisor(d, count);
    if (d->even || draw_chance(d, 50)) /* folded along the last axis, which a permutation may turn */
        f = some_divisor(d, last);
    return f > 1 && count / last > 1 && last % f == 0 ? tl_reshape(d->g, x, 3, (int64_t[]){count / last, f, -1})
                                                      : tl_reshape(d->g, x, 2, (int64_t[]){some_divisor(d, count), -1});
}

static tl_tensor *permuted(drawing *d, tl_tensor *x) {
    int axes[TL_MAX_RANK], first = x->size ? 1 : 0, last = x->rank - (is_in_blocks(x) ? 2 : 1);
    for (int a = 0; a < x->rank; a++)
        axes[a] = a;
    for (int a = last; a > first; a--) {
        int b = (int)draw_between(d, first, a), kept = axes[a];
        axes[a] = axes[b];
        axes[b] = kept;
    }
    return tl_permute(d->g, x, axes);
}

static tl_tensor *sliced(drawing *d, tl_tensor *x) {
    int first = x->size ? 1 : 0, last = x->rank - (is_in_blocks(x) ? 2 : 1);
    if (last < first)
        return x;
    int a = (int)draw_between(d, first, last);
    int64_t n = x->shape[a], step = draw_between(d, 1, 3);
    if (d->even && n % 2 == 0 && draw_chance(d, 60)) /* a half: two of them make a whole again */
        return tl_slice(d->g, x, a, draw_chance(d, 50) ? 0 : n / 2, n / 2, 1);
    int64_t start = draw_between(d, 0, n - 1), most = (n - start + step - 1) / step;
    return tl_slice(d->g, x, a, start, draw_chance(d, 50) ? most : draw_between(d, 1, most), step);
}

static tl_tensor *repeated(drawing *d, tl_tensor *x) {
    int64_t shape[TL_MAX_RANK];
    int more = !x->size && x->rank < 4 && draw_chance(d, 50) ? 1 : 0;
    if (more)
        shape[0] = draw_between(d, 1, 5);
    for (int a = 0; a < x->rank; a++) {
        shape[a + more] = draw_length(d, x, a);
        if (x->shape[a] == 1 && !(a == 0 && x->size) && draw_chance(d, 60))
            shape[a + more] = draw_between(d, 1, 9);
    }
    return tl_broadcast(d->g, x, x->rank + more, shape);
}

tl_tensor *draw_op_reshape(drawing *d) {
    tl_tensor *x = draw_operand(d);
    return x ? reshaped(d, x) : NULL;
}

tl_tensor *draw_op_permute(drawing *d) {
    tl_tensor *x = draw_operand(d);
    return x ? permuted(d, x) : NULL;
}

tl_tensor *draw_op_slice(drawing *d) {
    tl_tensor *x = draw_operand(d);
    return x ? sliced(d, x) : NULL;
}

tl_tensor *draw_op_broadcast(drawing *d) {
    tl_tensor *x = draw_operand(d);
    return x ? repeated(d, x) : NULL;
}

tl_tensor *draw_view(drawing *d, tl_tensor *x) {
    static tl_tensor *(*const views[])(drawing * d, tl_tensor * x) = {reshaped, permuted, sliced, repeated};
    if (!x)
        return NULL;
    tl_tensor *y = DRAW_ONE(d, views)(d, x);
    return !y || tl_count(y) <= d->most ? y : x;
}

/* ---- copies ---- */

tl_tensor *draw_op_contiguous(drawing *d) {
    return tl_contiguous(d->g, draw_operand(d));
}

/* A packed weight read by what cannot take it. */
tl_tensor *draw_op_unpack(drawing *d) {
    int64_t k = draw_width(d), rows = draw_between(d, 1, 24);
    if (rows * k > d->most)
        return NULL;
    tl_tensor *w = draw_weight_of(d, rows, k, TL_USE_LINEAR);
    if (draw_chance(d, 40))
        w = tl_unpack(d->g, w);
    else if (w)
        w = draw_chance(d, 50) ? sliced(d, w) : tl_reshape(d->g, w, 3, (int64_t[]){1, rows, k});
    return tl_cast(d->g, w, TL_F32);
}

tl_tensor *draw_op_cast(drawing *d) {
    tl_tensor *x = draw_operand(d);
    if (!x)
        return NULL;
    tl_tensor *y = tl_cast(d->g, x, draw_written(d, x->shape[x->rank - 1]));
    if (draw_chance(d, 50))
        y = draw_view(d, y);
    return draw_chance(d, 70) ? tl_cast(d->g, y, TL_F32) : y;
}

/* Parts of one operand, which were one before, or new ones. */
tl_tensor *draw_op_concat(drawing *d) {
    tl_tensor *x = draw_operand(d), *parts[TL_MAX_SRC] = {x};
    if (!x || (x->size && x->rank < 2))
        return NULL;
    int n = (int)draw_between(d, 2, draw_chance(d, 10) ? TL_MAX_SRC : 4);
    int axis = (int)draw_between(d, x->size ? 1 : 0, x->rank - 1);
    int64_t length = x->shape[axis], shape[TL_MAX_RANK];
    if (length > 1 && draw_chance(d, 40)) {
        int64_t half = length / 2;
        parts[1] = tl_slice(d->g, x, axis, 0, half, 1);
        parts[0] = tl_slice(d->g, x, axis, half, length - half, 1);
        return tl_concat(d->g, parts, 2, axis);
    }
    for (int i = 1; i < n; i++) {
        parts[i] = x;
        if (draw_chance(d, 40))
            continue;
        for (int a = 0; a < x->rank; a++)
            shape[a] = draw_length(d, x, a);
        shape[axis] = draw_between(d, 1, 20);
        parts[i] = draw_input(d, TL_F32, x->rank, shape);
    }
    return tl_concat(d->g, parts, n, draw_chance(d, 50) ? axis : axis - x->rank);
}

/* ---- elementwise ---- */

#define UNARY(name)                              \
    tl_tensor *draw_op_##name(drawing *d) {      \
        return tl_##name(d->g, draw_operand(d)); \
    }
UNARY(neg)
UNARY(abs)
UNARY(sqr)
UNARY(sqrt)
UNARY(exp)
UNARY(log)
UNARY(sin)
UNARY(cos)
UNARY(tanh)
UNARY(sigmoid)
UNARY(relu)
UNARY(silu)
UNARY(gelu)
UNARY(gelu_erf)
UNARY(sum)
UNARY(mean)
UNARY(max)
UNARY(argmax)
#undef UNARY

/* Something by which x is broadcast, or the other way round: a row or a column of it, or of something new. */
static tl_tensor *other_operand(drawing *d, tl_tensor *x) {
    if (!x || draw_chance(d, 75))
        return draw_partner(d, x, false);
    int axis = x->size || draw_chance(d, 50) ? x->rank - 1 : 0;
    if (axis == 0 && x->size)
        return x;
    if (draw_chance(d, 30))
        return tl_mean(d->g, x);
    return tl_slice(d->g, x, axis, draw_between(d, 0, x->shape[axis] - 1), 1, 1);
}

static tl_tensor *binary(drawing *d, tl_tensor *(*build)(tl_graph *g, tl_tensor *a, tl_tensor *b)) {
    tl_tensor *x = draw_operand(d), *y = other_operand(d, x);
    return draw_chance(d, 50) ? build(d->g, x, y) : build(d->g, y, x);
}

static tl_tensor *gated(drawing *d, tl_tensor *(*build)(tl_graph *g, tl_tensor *gate, tl_tensor *up)) {
    tl_tensor *x = draw_operand(d), *y = draw_partner(d, x, true);
    return build(d->g, x, y);
}

tl_tensor *draw_op_add(drawing *d) {
    return binary(d, tl_add);
}

tl_tensor *draw_op_sub(drawing *d) {
    return binary(d, tl_sub);
}

tl_tensor *draw_op_mul(drawing *d) {
    return binary(d, tl_mul);
}

tl_tensor *draw_op_div(drawing *d) {
    return binary(d, tl_div);
}

tl_tensor *draw_op_swiglu(drawing *d) {
    return gated(d, tl_swiglu);
}

tl_tensor *draw_op_geglu(drawing *d) {
    return gated(d, tl_geglu);
}

tl_tensor *draw_op_scale(drawing *d) {
    tl_tensor *x = draw_operand(d);
    return tl_scale(d->g, x, draw_real(d));
}

tl_tensor *draw_op_clamp(drawing *d) {
    static const float ranges[][2] = {{-1.5f, 2.0f}, {0, 6}, {0, 0}, {-0.0f, 0.0f}, {-0x1p-149f, 0x1p-149f}, {-0x1p100f, -1}, {1, 1}};
    tl_tensor *x = draw_operand(d);
    const float *range = DRAW_ONE(d, ranges);
    return tl_clamp(d->g, x, range[0], range[1]);
}

/* ---- along rows ---- */

tl_tensor *draw_op_topk(drawing *d) {
    tl_tensor *x = draw_operand(d), *values = NULL, *ids = NULL;
    if (!x)
        return NULL;
    int64_t n = x->shape[x->rank - 1];
    tl_topk(d->g, x, draw_between(d, 1, n > 8 && draw_chance(d, 50) ? 8 : n), &values, &ids);
    if (draw_chance(d, 70))
        draw_keep(d, ids);
    return values;
}

static float epsilon(drawing *d) {
    static const float values[] = {1e-5f, 1e-5f, 1e-5f, 0.0f, 1e30f};
    return DRAW_ONE(d, values);
}

tl_tensor *draw_op_rms_norm(drawing *d) {
    tl_tensor *x = draw_operand(d), *w = NULL;
    if (!x)
        return NULL;
    if (draw_chance(d, 60)) {
        tl_dtype t = draw_float(d);
        w = draw_input(d, t, 1, &x->shape[x->rank - 1]);
    }
    return tl_rms_norm(d->g, x, w, epsilon(d));
}

tl_tensor *draw_op_layer_norm(drawing *d) {
    tl_tensor *x = draw_operand(d), *operands[2] = {NULL, NULL};
    if (!x)
        return NULL;
    for (int i = 0; i < 2; i++)
        if (draw_chance(d, 60)) {
            tl_dtype t = draw_float(d);
            operands[i] = draw_input(d, t, 1, &x->shape[x->rank - 1]);
        }
    return tl_layer_norm(d->g, x, operands[0], operands[1], epsilon(d));
}

tl_tensor *draw_op_softmax(drawing *d) {
    tl_tensor *x = draw_operand(d), *mask = NULL;
    if (draw_chance(d, 50))
        mask = draw_partner(d, x, false);
    if (mask && draw_chance(d, 40))
        mask = tl_log(d->g, tl_relu(d->g, mask)); /* -inf in half of it */
    return tl_softmax(d->g, x, mask, draw_chance(d, 60) ? 0.3f : draw_finite(d));
}
