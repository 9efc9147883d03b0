/* copy.c: the driver for ops that move rows, convert them or look where the largest stand: embed, gather, set_rows, assign, contiguous, cast,
 * concat, argmax, topk. What each one gives is its reference's (ops/index.c, copy.c, reduce.c); here rows that lie side by side move at
 * once, and conversions and searches are kernels. Ids were checked before a step runs. */
#include <string.h>

#include "backends/cpu/cpu.h"
#include "ops/internal.h"
#include "tensor/math.h"

enum { MOST_TOP = 256 }; /* the k of topk up to which a sorted list is quicker than the reference's heap */

/* Work rows row0 .. row1 - 1 of a node. */
typedef void (*copy_work)(const tl_kernels *f, const tl_tensor *out, int64_t row0, int64_t row1, void *scratch);

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ---- rows side by side ---- */

/* How many rows lie without a gap, counted from any row that is a multiple of it. */
static int64_t rows_together(const tl_tensor *t) {
    int64_t rows = 1, apart = (int64_t)tl_row_bytes(t);
    for (int i = t->rank - 2; i >= 0 && (t->shape[i] == 1 || t->stride[i] == apart); i--) {
        rows *= t->shape[i];
        apart *= t->shape[i];
    }
    return rows;
}

/* Rows from `to` of out are rows from `from` of x as out's type, as many as lie together in both, at most n; gives how many that were. x
 * and out are of one type or one of them is f32. */
typedef struct mover {
    const tl_kernels *f;
    const tl_tensor *out, *x;
    int64_t out_together, x_together;
} mover;

static mover mover_of(const tl_kernels *f, const tl_tensor *out, const tl_tensor *x) {
    return (mover){f, out, x, rows_together(out), rows_together(x)};
}

static int64_t move(const mover *m, int64_t to, int64_t from, int64_t n) {
    n = least(n, least(m->out_together - to % m->out_together, m->x_together - from % m->x_together));
    void *dst = tl_row(m->out, to);
    const void *src = tl_row(m->x, from);
    if (m->out->dtype == m->x->dtype)
        memcpy(dst, src, (size_t)n * tl_row_bytes(m->x));
    else if (m->x->dtype == TL_F32)
        m->f->encode[m->out->dtype](src, dst, n * tl_dim(m->x, -1));
    else
        m->f->decode[m->x->dtype](src, dst, n * tl_dim(m->x, -1));
    return n;
}

/* ---- rows by number ---- */

/* table [v, d], ids [..] -> [.., d] f32 */
static void embed(const tl_kernels *f, const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    const tl_tensor *table = out->src[0];
    const int32_t *id = tl_data(out->src[1]);
    for (int64_t r = row0; r < row1; r++) {
        const void *row = scratch;
        if (table->layout)
            table->layout->unpack_rows(table, id[r], (int64_t)id[r] + 1, tl_data(table), scratch);
        else
            row = tl_row(table, id[r]);
        f->decode[table->dtype](row, tl_row(out, r), tl_dim(table, 1));
    }
}

/* x [r, ..], ids [..]: out's rows are x's by number, or a state's rows by number become x's. */
static void by_number(const mover *m, const int32_t *id, int64_t inner, bool scatter, int64_t row0, int64_t row1) {
    for (int64_t r = row0, n; r < row1; r += n) {
        int64_t numbered = id[r / inner] * inner + r % inner, most = least(row1 - r, inner - r % inner);
        n = scatter ? move(m, numbered, r, most) : move(m, r, numbered, most);
    }
}

static void gather(const tl_kernels *f, const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    mover m = mover_of(f, out, out->src[0]);
    by_number(&m, tl_data(out->src[1]), tl_rows(m.x) / m.x->shape[0], false, row0, row1);
}

static void set_rows(const tl_kernels *f, const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    mover m = mover_of(f, out, out->src[2]);
    by_number(&m, tl_data(out->src[1]), tl_rows(m.x) / m.x->shape[0], true, row0, row1);
}

/* ---- whole tensors ---- */

static void move_all(const tl_kernels *f, const tl_tensor *out, const tl_tensor *x, int64_t row0, int64_t row1) {
    mover m = mover_of(f, out, x);
    for (int64_t r = row0; r < row1;)
        r += move(&m, r, r, row1 - r);
}

static void assign(const tl_kernels *f, const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    move_all(f, out, out->src[1], row0, row1);
}

/* n elements `apart` bytes from each other, side by side. */
static void pick_elements(char *to, const char *from, int64_t apart, size_t element, int64_t n) {
    if (element == 4)
        for (int64_t i = 0; i < n; i++)
            memcpy(to + 4 * i, from + i * apart, 4);
    else if (element == 2)
        for (int64_t i = 0; i < n; i++)
            memcpy(to + 2 * i, from + i * apart, 2);
    else
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * (int64_t)element, from + i * apart, element);
}

static void contiguous(const tl_kernels *f, const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_tensor *x = out->src[0];
    size_t element = (size_t)tl_dtype_get(x->dtype)->block_bytes;
    if (tl_row_dense(x)) {
        move_all(f, out, x, row0, row1);
        return;
    }
    for (int64_t r = row0; r < row1; r++)
        pick_elements(tl_row(out, r), tl_row(x, r), x->stride[x->rank - 1], element, (int64_t)(tl_row_bytes(out) / element));
}

static void cast(const tl_kernels *f, const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    const tl_tensor *x = out->src[0];
    if (x->dtype == TL_F32 || out->dtype == TL_F32) {
        move_all(f, out, x, row0, row1);
        return;
    }
    for (int64_t r = row0; r < row1; r++) {
        f->decode[x->dtype](tl_row(x, r), scratch, tl_dim(x, -1));
        f->encode[out->dtype](scratch, tl_row(out, r), tl_dim(x, -1));
    }
}

/* Along the last axis: a piece of every row. */
static void concat_pieces(const tl_tensor *out, int64_t row0, int64_t row1) {
    for (int64_t r = row0; r < row1; r++) {
        char *to = tl_row(out, r);
        for (int i = 0; i < out->n_src; i++) {
            memcpy(to, tl_row(out->src[i], r), tl_row_bytes(out->src[i]));
            to += tl_row_bytes(out->src[i]);
        }
    }
}

/* Along another: `inner` rows below the axis stand for each of its places, and runs of places come from one operand after the other. */
static void concat(const tl_kernels *f, const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    int axis = ((const tl_concat_params *)out->params)->axis;
    int64_t inner = 1, length = out->shape[axis];
    if (axis == out->rank - 1) {
        concat_pieces(out, row0, row1);
        return;
    }
    for (int k = axis + 1; k < out->rank - 1; k++)
        inner *= out->shape[k];
    for (int64_t r = row0, n; r < row1; r += n) {
        int64_t outer = r / inner / length, at = r / inner % length;
        int i = 0;
        while (at >= out->src[i]->shape[axis])
            at -= out->src[i++]->shape[axis];
        int64_t own = out->src[i]->shape[axis], from = (outer * own + at) * inner + r % inner;
        mover m = mover_of(f, out, out->src[i]);
        n = move(&m, r, from, least(row1 - r, (own - at) * inner - r % inner));
    }
}

/* ---- where the largest stand ---- */

static void argmax(const tl_kernels *f, const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    for (int64_t r = row0; r < row1; r++)
        *(int32_t *)tl_row(out, r) = (int32_t)f->argmax[0](tl_row(out->src[0], r), tl_dim(out->src[0], -1));
}

/* Value and index in one integer, larger is better: the key of order, and below it the index, lower indices larger. */
static uint64_t rank_of(float x, int64_t i) {
    return (uint64_t)((uint32_t)tl_order_key(x) ^ TL_SIGN_BIT) << 32 | (uint32_t)(INT32_MAX - i);
}

/* Into the list best [n], largest first, whose last may be given up. */
static void insert(uint64_t *best, int64_t n, uint64_t rank) {
    int64_t i = n - 1;
    for (; i > 0 && best[i - 1] < rank; i--)
        best[i] = best[i - 1];
    best[i] = rank;
}

/* The first k, sorted; from there on, from one to the next that is larger than the last of the list (an equal one stands behind it). */
static void find_best(const tl_kernels *f, uint64_t *best, int64_t k, const float *x, int64_t n) {
    for (int64_t i = 0; i < k; i++)
        insert(best, i + 1, rank_of(x[i], i));
    for (int64_t i = k; i < n; i++) {
        int32_t key = (int32_t)((uint32_t)(best[k - 1] >> 32) ^ TL_SIGN_BIT);
        i = f->first_above[0](x, i, n, key);
        if (i < n)
            insert(best, k, rank_of(x[i], i));
    }
}

static void topk(const tl_kernels *f, const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    const tl_topk_params *p = out->params;
    uint64_t *best = scratch;
    for (int64_t r = row0; r < row1; r++) {
        const float *x = tl_row(out->src[0], r);
        void *y = tl_row(out, r);
        find_best(f, best, p->k, x, tl_dim(out->src[0], -1));
        for (int64_t i = 0; i < p->k; i++) {
            int32_t id = INT32_MAX - (int32_t)(uint32_t)best[i];
            if (p->ids)
                ((int32_t *)y)[i] = id;
            else
                ((float *)y)[i] = x[id];
        }
    }
}

/* ---- the driver ---- */

/* clang-format off */
static const copy_work works[TL_N_OPS] = {
    [TL_OP_EMBED] = embed, [TL_OP_GATHER] = gather, [TL_OP_SET_ROWS] = set_rows, [TL_OP_ASSIGN] = assign,
    [TL_OP_CONTIGUOUS] = contiguous, [TL_OP_CAST] = cast, [TL_OP_CONCAT] = concat, [TL_OP_ARGMAX] = argmax, [TL_OP_TOPK] = topk,
};
/* clang-format on */

/* A user's own op has none, whatever id it claims; single elements by number and long lists are left to the reference. */
bool tl_cpu_copy_fits(const tl_tensor *t) {
    if (tl_op_get(t->op->id) != t->op || !works[t->op->id])
        return false;
    if (t->op->id == TL_OP_TOPK)
        return ((const tl_topk_params *)t->params)->k <= MOST_TOP;
    return t->op->id != TL_OP_GATHER || t->src[0]->rank > 1;
}

/* The first source whose type is not the output's decides: it is decoded, or what it is written as encoded. */
const char *tl_cpu_copy_kernel(const tl_cpu *cpu, const tl_tensor *t) {
    if (t->op->id == TL_OP_ARGMAX)
        return tl_cpu_kernel_name(cpu, "argmax", 0);
    if (t->op->id == TL_OP_TOPK)
        return tl_cpu_kernel_name(cpu, "first_above", 0);
    for (int i = 0; i < t->n_src; i++) {
        tl_dtype from = t->src[i] ? t->src[i]->dtype : t->dtype;
        if (from == TL_F32 && t->dtype != TL_F32)
            return tl_cpu_kernel_name(cpu, "encode", (int)t->dtype);
        if (from != t->dtype && from != TL_I32)
            return tl_cpu_kernel_name(cpu, "decode", (int)from);
    }
    return "copy";
}

static void run(const cpu_step *s, const cpu_run *r, int64_t tile, void *scratch) {
    int64_t row0, row1;
    tl_cpu_tile(s, r, tile, &row0, &row1);
    works[s->node->op->id](&r->cpu->kernels, s->node, row0, row1, scratch);
}

const cpu_driver tl_cpu_driver_copy = {"copy", tl_cpu_tiles, run};
