/* index.c: rows by number (embed, gather, set_rows) and writing a whole state (assign).
 *
 * Row numbers are data, so they are checked right before the values are used (the check functions): a number out of range refuses the
 * run, and no reference ever reads or writes outside its operands. set_rows also refuses equal numbers: threads that write one row in
 * any order could not promise the same bits. */
#include <string.h>

#include "ops/internal.h"
#include "tensor/platform.h"
#include "tensor/quant.h"

/* The ids in use now number rows of `of`. */
static tl_status check_ids(const tl_tensor *out, const tl_tensor *ids, const tl_tensor *of, const tl_plan *p, tl_error *err) {
    const int32_t *id = tl_data(ids);
    int64_t n = tl_plan_dim0(p, ids) * (tl_count(ids) / ids->shape[0]), rows = tl_plan_dim0(p, of);
    char is[160], os[160];
    if (!id)
        return tl_fail(err, TL_ERR_INTERNAL, "%s: %s is not in host memory", out->op->name, tl_describe(ids, is, sizeof is));
    for (int64_t i = 0; i < n; i++) {
        if (id[i] >= 0 && id[i] < rows)
            continue;
        tl_describe(ids, is, sizeof is);
        tl_describe(of, os, sizeof os);
        if (rows < of->shape[0])
            return tl_fail(err, TL_ERR_RANGE, "%s: id %d at position %lld of %s is outside the first %lld rows of %s, which are in use now",
                           out->op->name, (int)id[i], (long long)i, is, (long long)rows, os);
        return tl_fail(err, TL_ERR_RANGE, "%s: id %d at position %lld of %s is outside %s", out->op->name, (int)id[i], (long long)i, is,
                       os);
    }
    return TL_OK;
}

/* Gives out the axes of ids, then those of x behind its first. */
static tl_status shape_by_ids(tl_graph *g, tl_tensor *out, const tl_tensor *x, const tl_tensor *ids) {
    if (tl_want_dtype(g, out, 1, TL_I32))
        return TL_ERR_USAGE;
    if (ids->rank + x->rank - 1 > TL_MAX_RANK)
        return tl_shape_error(g, out, "the row numbers' axes and those of a row are too many together");
    out->rank = ids->rank + x->rank - 1;
    out->size = ids->size;
    memcpy(out->shape, ids->shape, (size_t)ids->rank * sizeof *ids->shape);
    memcpy(out->shape + ids->rank, x->shape + 1, (size_t)(x->rank - 1) * sizeof *x->shape);
    return TL_OK;
}

/* ---- embed ------------------------------------------------------------------------------------------------------------------ */

tl_tensor *tl_embed(tl_graph *g, tl_tensor *table, tl_tensor *ids) {
    return tl_node(g, tl_op_get(TL_OP_EMBED), 2, (tl_tensor *[]){table, ids}, NULL, 0);
}

tl_status tl_embed_infer(tl_graph *g, tl_tensor *out) {
    if (out->src[0]->rank != 2)
        return tl_shape_error(g, out, "the table must be [rows, width]");
    out->dtype = TL_F32;
    return shape_by_ids(g, out, out->src[0], out->src[1]);
}

/* A row of a packed table as stored. */
size_t tl_embed_scratch(const tl_tensor *out) {
    return out->src[0]->layout ? tl_row_bytes(out->src[0]) : 0;
}

tl_status tl_embed_check(const tl_tensor *out, const tl_plan *p, tl_error *err) {
    return check_ids(out, out->src[1], out->src[0], p, err);
}

/* table [v, d], ids [..] -> [.., d] f32 */
void tl_embed_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    const tl_tensor *table = out->src[0];
    const int32_t *id = tl_data(out->src[1]);
    for (int64_t r = row0; r < row1; r++) {
        const void *row = scratch;
        if (table->layout)
            table->layout->unpack_rows(table, id[r], (int64_t)id[r] + 1, tl_data(table), scratch);
        else
            row = tl_row(table, id[r]);
        tl_codec_of(table->dtype)->decode(row, tl_row(out, r), table->shape[1]);
    }
}

void tl_embed_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    double r = (double)rows;
    *c = (tl_cost){.ops = r * (double)tl_dim(out, -1),
                   .read = r * (double)(tl_row_bytes(out->src[0]) + sizeof(int32_t)),
                   .written = r * (double)tl_row_bytes(out)};
}

/* ---- gather ----------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_gather(tl_graph *g, tl_tensor *x, tl_tensor *ids) {
    return tl_node(g, tl_op_get(TL_OP_GATHER), 2, (tl_tensor *[]){x, ids}, NULL, 0);
}

tl_status tl_gather_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0];
    if (x->rank == 1 && tl_dtype_get(x->dtype)->block > 1)
        return tl_shape_error(g, out, "single elements of a block type cannot be gathered");
    out->dtype = x->dtype;
    return shape_by_ids(g, out, x, out->src[1]);
}

tl_status tl_gather_check(const tl_tensor *out, const tl_plan *p, tl_error *err) {
    return check_ids(out, out->src[1], out->src[0], p, err);
}

/* x [r, ..], ids [..] -> their axes, then x's behind the first; x [r] gives rows of elements */
void tl_gather_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_tensor *x = out->src[0];
    const int32_t *id = tl_data(out->src[1]);
    size_t bytes = tl_row_bytes(out);
    if (x->rank == 1) {
        size_t element = (size_t)tl_dtype_get(x->dtype)->block_bytes;
        int64_t length = tl_dim(out, -1);
        for (int64_t i = row0 * length; i < row1 * length; i++)
            memcpy((char *)tl_data(out) + (size_t)i * element, (const char *)tl_data(x) + (size_t)id[i] * element, element);
        return;
    }
    int64_t inner = tl_rows(x) / x->shape[0]; /* rows that one id stands for */
    for (int64_t r = row0; r < row1; r++)
        memcpy(tl_row(out, r), tl_row(x, id[r / inner] * inner + r % inner), bytes);
}

void tl_gather_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    double moved = (double)rows * (double)tl_row_bytes(out);
    *c = (tl_cost){.read = moved + (double)rows * sizeof(int32_t), .written = moved};
}

/* ---- set_rows --------------------------------------------------------------------------------------------------------------- */

/* x can be written into a state of this type. */
static tl_status want_writable(tl_graph *g, const tl_tensor *out, const tl_tensor *x) {
    char text[160];
    if (x->dtype != out->dtype && x->dtype != TL_F32)
        return tl_shape_error(g, out, "what is written must be f32 or of the state's type");
    if (x->dtype != out->dtype && !tl_codec_of(out->dtype)->encode)
        return tl_graph_fail(g, TL_ERR_UNSUPPORTED, "%s: state %s is of a type that can be read, not written", out->op->name,
                             tl_describe(out->src[0], text, sizeof text));
    return TL_OK;
}

/* Row `to` of out becomes row `from` of x. */
static void put_row(const tl_tensor *out, int64_t to, const tl_tensor *x, int64_t from) {
    if (x->dtype == out->dtype)
        memcpy(tl_row(out, to), tl_row(x, from), tl_row_bytes(x));
    else
        tl_codec_of(out->dtype)->encode(tl_row(x, from), tl_row(out, to), tl_dim(x, -1));
}

static void cost_of_write(const tl_tensor *out, const tl_tensor *x, int64_t rows, tl_cost *c) {
    double r = (double)rows;
    *c = (tl_cost){.ops = x->dtype == out->dtype ? 0 : r * (double)tl_dim(x, -1),
                   .read = r * (double)tl_row_bytes(x),
                   .written = r * (double)tl_row_bytes(out)};
}

tl_tensor *tl_set_rows(tl_graph *g, tl_tensor *state, tl_tensor *rows, tl_tensor *x) {
    return tl_node(g, tl_op_get(TL_OP_SET_ROWS), 3, (tl_tensor *[]){state, rows, x}, NULL, 0);
}

tl_status tl_set_rows_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *rows = out->src[1], *x = out->src[2];
    if (tl_want_dtype(g, out, 1, TL_I32) || want_writable(g, out, x))
        return TL_ERR_USAGE;
    if (rows->rank != 1)
        return tl_shape_error(g, out, "row numbers must be [n]");
    if (out->rank < 2 || x->rank != out->rank)
        return tl_shape_error(g, out, "state [r, ..] and x [n, ..] must have one rank, 2 at least");
    if (rows->shape[0] != x->shape[0] || rows->size != x->size)
        return tl_shape_error(g, out, "as many row numbers as rows of x are wanted, following the same named size");
    for (int i = 1; i < x->rank; i++)
        if (x->shape[i] != out->shape[i])
            return tl_shape_error(g, out, "rows of x must have the shape of rows of the state");
    return TL_OK;
}

static tl_status repeated(const tl_tensor *out, int64_t i, tl_error *err) {
    const tl_tensor *rows = out->src[1];
    const int32_t *row = tl_data(rows);
    int64_t first = 0;
    char rs[160], ss[160];
    while (row[first] != row[i])
        first++;
    return tl_fail(err, TL_ERR_RANGE, "set_rows: row %d stands at positions %lld and %lld of %s; a row of %s may be written once",
                   (int)row[i], (long long)first, (long long)i, tl_describe(rows, rs, sizeof rs), tl_describe(out->src[0], ss, sizeof ss));
}

/* In range, and all different: mostly they ascend, which shows it at once; few are compared in pairs, many by a map of the state's rows. */
tl_status tl_set_rows_check(const tl_tensor *out, const tl_plan *p, tl_error *err) {
    enum { FEW = 64 };
    const tl_tensor *rows = out->src[1];
    tl_status s = check_ids(out, rows, out->src[0], p, err);
    if (s)
        return s;
    const int32_t *row = tl_data(rows);
    int64_t n = tl_plan_dim0(p, rows), rising = 1;
    while (rising < n && row[rising] > row[rising - 1])
        rising++;
    if (rising >= n)
        return TL_OK;
    if (n <= FEW) {
        for (int64_t i = rising; i < n; i++)
            for (int64_t k = 0; k < i; k++)
                if (row[k] == row[i])
                    return repeated(out, i, err);
        return TL_OK;
    }
    uint8_t *seen = tl_alloc((size_t)(out->shape[0] / 8 + 1));
    if (!seen)
        return tl_fail(err, TL_ERR_MEMORY, "set_rows: out of memory");
    for (int64_t i = 0; i < n && !s; i++) {
        if (seen[row[i] / 8] >> row[i] % 8 & 1)
            s = repeated(out, i, err);
        seen[row[i] / 8] |= (uint8_t)(1 << row[i] % 8);
    }
    tl_free(seen);
    return s;
}

/* state [r, ..], rows [n], x [n, ..]: state[rows[i]] = x[i]; a work row is a row of x. */
void tl_set_rows_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_tensor *x = out->src[2];
    const int32_t *row = tl_data(out->src[1]);
    int64_t inner = tl_rows(x) / x->shape[0];
    for (int64_t r = row0; r < row1; r++)
        put_row(out, row[r / inner] * inner + r % inner, x, r);
}

void tl_set_rows_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    cost_of_write(out, out->src[2], rows, c);
}

/* ---- assign ----------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_assign(tl_graph *g, tl_tensor *state, tl_tensor *x) {
    return tl_node(g, tl_op_get(TL_OP_ASSIGN), 2, (tl_tensor *[]){state, x}, NULL, 0);
}

tl_status tl_assign_infer(tl_graph *g, tl_tensor *out) {
    if (want_writable(g, out, out->src[1]))
        return TL_ERR_USAGE;
    if (!tl_same_shape(out, out->src[1]))
        return tl_shape_error(g, out, "the shapes differ");
    return TL_OK;
}

/* state [..] = x [..]; a work row is a row of x. */
void tl_assign_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    for (int64_t r = row0; r < row1; r++)
        put_row(out, r, out->src[1], r);
}

void tl_assign_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    cost_of_write(out, out->src[1], rows, c);
}
