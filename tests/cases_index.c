/* cases_index.c: rows by number from and into tensors of every type, ids that are given, computed or read from a state, and chains of
 * writes and reads of one state. */
#include "tensor/quant.h"
#include "tests/cases_lists.h"

static int64_t width_of(tl_dtype t) { /* two blocks, or an odd number of plain elements */
    int block = tl_dtype_get(t)->block;
    return block > 1 ? 2 * block : 37;
}

static void add_types(case_list *l, const char *prefix, void (*build)(case_env *e), bool written) {
    for (int t = 0; t < TL_N_DTYPES; t++) {
        char name[64];
        tl_dtype dtype = (tl_dtype)t;
        if (written && !tl_codec_of(dtype)->encode)
            continue;
        snprintf(name, sizeof name, "%s-%s", prefix, tl_dtype_get(dtype)->name);
        case_add(l, name, build, &dtype, sizeof dtype);
    }
}

/* Distinct rows of `rows`, in no order: i * step mod rows, step prime to rows. */
static tl_tensor *scattered(case_env *e, const char *name, int n, int rows, int step) {
    int32_t values[1024];
    for (int i = 0; i < n && i < COUNT(values); i++)
        values[i] = (int32_t)((int64_t)i * step % rows);
    return case_values(e, name, 1, SHAPE(n), values);
}

/* ---- embed ---- */

static void embed_type(case_env *e) {
    tl_dtype t = *(const tl_dtype *)e->params;
    tl_tensor *ids = case_ints(e, "ids", 1, SHAPE(19), 0, 36);
    tl_tensor *table = case_weight(e, "table", t, 2, SHAPE(37, width_of(t)), FILL_NORMAL, TL_USE_LINEAR | TL_USE_EMBED);
    case_output(e, tl_embed(e->g, table, ids));
    case_output(e, tl_embed(e->g, case_weight(e, "odd", t, 2, SHAPE(37, width_of(t)), FILL_SPECIAL, TL_USE_EMBED), ids));
}

static void embed_varying(case_env *e) {
    int64_t n = case_size(e, "n", 20);
    tl_tensor *table = case_weight(e, "table", TL_Q4_1, 2, SHAPE(50, 64), FILL_NORMAL, TL_USE_LINEAR | TL_USE_EMBED);
    tl_tensor *x = tl_embed(e->g, table, case_ints(e, "ids", 1, SHAPE(n), 0, 49));
    case_output(e, x);
    tl_tensor *next = tl_argmax(e->g, x); /* the ids of another step, computed */
    case_output(e, tl_embed(e->g, tl_slice(e->g, case_input(e, "rows", TL_F32, 2, SHAPE(64, 18), FILL_NORMAL), 1, 1, 9, 2),
                            tl_reshape(e->g, next, 1, SHAPE(n))));
}

static void embed_table_of_views(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(30, 21), FILL_NORMAL), *ids = case_ints(e, "ids", 1, SHAPE(11), 0, 9);
    case_output(e, tl_embed(e->g, tl_slice(e->g, x, 0, 2, 10, 2), ids));
    case_output(e, tl_embed(e->g, tl_permute(e->g, x, (int[]){1, 0}), ids));
    case_output(e, tl_embed(e->g, tl_exp(e->g, x), ids));
}

static void embed_batch(case_env *e) { /* ids of several axes, the first of which may vary */
    tl_tensor *table = case_weight(e, "table", TL_Q8_0, 2, SHAPE(50, 64), FILL_SPECIAL, TL_USE_EMBED);
    case_output(e, tl_embed(e->g, table, case_ints(e, "ids", 3, SHAPE(2, 3, 5), 0, 49)));
    tl_tensor *ids = case_ints(e, "some", 2, SHAPE(case_size(e, "n", 6), 3), 0, 49);
    case_output(e, tl_permute(e->g, tl_embed(e->g, table, ids), (int[]){0, 2, 1}));
    case_output(e, tl_embed(e->g, table, tl_slice(e->g, ids, 1, 1, 2, 1)));
}

void cases_embed(case_list *l) {
    add_types(l, "embed/table", embed_type, false);
    case_add(l, "embed/varying", embed_varying, NULL, 0);
    case_add(l, "embed/table-of-views", embed_table_of_views, NULL, 0);
    case_add(l, "embed/batch", embed_batch, NULL, 0);
}

/* ---- gather ---- */

static void gather_type(case_env *e) {
    tl_dtype t = *(const tl_dtype *)e->params;
    tl_tensor *x = case_input(e, "x", t, 3, SHAPE(9, 3, width_of(t)), FILL_SPECIAL);
    case_output(e, tl_gather(e->g, x, case_ints(e, "ids", 1, SHAPE(14), 0, 8)));
    case_output(e, tl_gather(e->g, tl_permute(e->g, x, (int[]){1, 0, 2}), case_ints(e, "few", 1, SHAPE(2), 0, 2)));
}

static void gather_elements(case_env *e) {
    tl_tensor *ids = case_ints(e, "ids", 1, SHAPE(23), 0, 6);
    case_output(e, tl_gather(e->g, case_input(e, "x", TL_F32, 1, SHAPE(7), FILL_SPECIAL), ids));
    case_output(e, tl_gather(e->g, case_input(e, "half", TL_F16, 1, SHAPE(7), FILL_NORMAL), ids));
    case_output(e, tl_gather(e->g, ids, ids));
}

static void gather_varying(case_env *e) { /* the rows of a batch that want logits */
    int64_t n = case_size(e, "n", 8), m = case_size(e, "m", 8);
    static const int32_t first[8] = {0};
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(n, 33), FILL_NORMAL);
    tl_tensor *y = tl_gather(e->g, tl_exp(e->g, x), case_values(e, "rows", 1, SHAPE(m), first));
    case_output(e, tl_neg(e->g, y));
}

static void gather_from_computed(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(10, 26), FILL_NORMAL), *best;
    tl_topk(e->g, tl_reshape(e->g, tl_sum(e->g, x), 2, SHAPE(1, 10)), 4, NULL, &best);
    case_output(e, tl_gather(e->g, x, tl_reshape(e->g, best, 1, SHAPE(4))));
}

static void gather_batch(case_env *e) { /* numbers of several axes: of matrices, rows and elements */
    tl_tensor *ids = case_ints(e, "ids", 2, SHAPE(case_size(e, "n", 7), 3), 0, 4);
    case_output(e, tl_gather(e->g, case_input(e, "matrices", TL_F32, 3, SHAPE(5, 2, 9), FILL_NORMAL), ids));
    case_output(e, tl_gather(e->g, case_input(e, "blocks", TL_Q4_0, 2, SHAPE(5, 32), FILL_NORMAL), ids));
    case_output(e, tl_gather(e->g, case_input(e, "elements", TL_F16, 1, SHAPE(5), FILL_SPECIAL), ids));
}

void cases_gather(case_list *l) {
    add_types(l, "gather/type", gather_type, false);
    case_add(l, "gather/elements", gather_elements, NULL, 0);
    case_add(l, "gather/varying", gather_varying, NULL, 0);
    case_add(l, "gather/from-computed", gather_from_computed, NULL, 0);
    case_add(l, "gather/batch", gather_batch, NULL, 0);
}

/* ---- set_rows ---- */

static void set_rows_type(case_env *e) {
    tl_dtype t = *(const tl_dtype *)e->params;
    tl_tensor *s = case_state(e, "state", t, 3, SHAPE(12, 2, width_of(t)), FILL_NORMAL);
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(7, 2, width_of(t)), FILL_FINITE);
    s = tl_set_rows(e->g, s, scattered(e, "rows", 7, 12, 5), x);
    case_output(e, tl_gather(e->g, s, scattered(e, "back", 12, 12, 7)));
}

static void set_rows_same_type(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_Q6_K, 2, SHAPE(9, 256), FILL_NORMAL);
    case_output(e, tl_set_rows(e->g, s, scattered(e, "rows", 4, 9, 2), case_input(e, "x", TL_Q6_K, 2, SHAPE(4, 256), FILL_SPECIAL)));
}

static void set_rows_varying(case_env *e) {
    int64_t n = case_size(e, "n", 100);
    int32_t rows[100];
    for (int i = 0; i < COUNT(rows); i++)
        rows[i] = i * 37 % 128;
    tl_tensor *s = case_state(e, "state", TL_F16, 2, SHAPE(128, 24), FILL_NORMAL);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(n, 24), FILL_WIDE);
    s = tl_set_rows(e->g, s, case_values(e, "rows", 1, SHAPE(n), rows), tl_exp(e->g, x));
    case_output(e, tl_cast(e->g, s, TL_F32));
}

/* A read before the first write, one between, one after the second: each sees its own version. */
static void set_rows_versions(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, SHAPE(10, 17), FILL_NORMAL);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(3, 17), FILL_NORMAL);
    tl_tensor *turned = tl_exp(e->g, tl_permute(e->g, s, (int[]){1, 0}));
    tl_tensor *one = tl_set_rows(e->g, s, scattered(e, "first", 3, 10, 3), x);
    tl_tensor *between = tl_exp(e->g, tl_permute(e->g, one, (int[]){1, 0}));
    tl_tensor *two = tl_set_rows(e->g, one, scattered(e, "second", 3, 10, 7), tl_neg(e->g, x));
    case_output(e, tl_add(e->g, turned, between));
    case_output(e, tl_sum(e->g, two));
}

static void set_rows_of_a_view(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_BF16, 3, SHAPE(8, 4, 12), FILL_NORMAL);
    tl_tensor *head = tl_slice(e->g, s, 1, 2, 1, 1), *x = case_input(e, "x", TL_F32, 3, SHAPE(3, 1, 12), FILL_NORMAL);
    tl_tensor *after = tl_set_rows(e->g, head, scattered(e, "rows", 3, 8, 5), x);
    case_output(e, tl_cast(e->g, after, TL_F32));
    case_output(e, tl_cast(e->g, tl_latest(e->g, s), TL_F32));
}

static void set_rows_of_a_spread_view(case_env *e) { /* what one number stands for does not lie together in the state */
    tl_tensor *s = case_state(e, "state", TL_F16, 3, SHAPE(8, 4, 12), FILL_NORMAL);
    tl_tensor *heads = tl_slice(e->g, s, 1, 0, 2, 2), *x = case_input(e, "x", TL_F32, 3, SHAPE(5, 2, 12), FILL_NORMAL);
    tl_set_rows(e->g, heads, scattered(e, "rows", 5, 8, 3), x);
    case_output(e, tl_cast(e->g, tl_latest(e->g, s), TL_F32));
}

static void set_rows_from_itself(case_env *e) { /* rows change places: all are read before the first is written */
    tl_tensor *s = case_state(e, "state", TL_F32, 2, SHAPE(12, 9), FILL_NORMAL);
    case_output(e, tl_set_rows(e->g, s, scattered(e, "rows", 12, 12, 5), s));
}

void cases_set_rows(case_list *l) {
    add_types(l, "set_rows/type", set_rows_type, true);
    case_add(l, "set_rows/same-type", set_rows_same_type, NULL, 0);
    case_add(l, "set_rows/varying", set_rows_varying, NULL, 0);
    case_add(l, "set_rows/versions", set_rows_versions, NULL, 0);
    case_add(l, "set_rows/of-a-view", set_rows_of_a_view, NULL, 0);
    case_add(l, "set_rows/of-a-spread-view", set_rows_of_a_spread_view, NULL, 0);
    case_add(l, "set_rows/from-itself", set_rows_from_itself, NULL, 0);
}

/* ---- assign ---- */

static void assign_type(case_env *e) {
    tl_dtype t = *(const tl_dtype *)e->params;
    tl_tensor *s = case_state(e, "state", t, 2, SHAPE(5, width_of(t)), FILL_NORMAL);
    tl_tensor *same = case_state(e, "same", t, 2, SHAPE(5, width_of(t)), FILL_ZERO);
    tl_tensor *after = tl_assign(e->g, s, case_input(e, "x", TL_F32, 2, SHAPE(5, width_of(t)), FILL_FINITE));
    case_output(e, tl_cast(e->g, tl_assign(e->g, same, after), TL_F32));
}

static void assign_views(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, SHAPE(9, 9), FILL_NORMAL);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(1, 7), FILL_NORMAL);
    tl_tensor *inner = tl_slice(e->g, tl_slice(e->g, s, 0, 1, 7, 1), 1, 1, 7, 1);
    tl_tensor *written = tl_assign(e->g, inner, tl_broadcast(e->g, x, 2, SHAPE(7, 7)));
    case_output(e, tl_exp(e->g, written));
    tl_tensor *whole = tl_latest(e->g, s);
    case_output(e, tl_assign(e->g, whole, tl_permute(e->g, whole, (int[]){1, 0}))); /* turned in place */
}

static void assign_running_sum(case_env *e) {
    tl_tensor *s = case_state(e, "state", TL_F32, 2, SHAPE(4, 33), FILL_NORMAL);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(4, 33), FILL_NORMAL);
    for (int i = 0; i < 4; i++)
        s = tl_assign(e->g, s, tl_add(e->g, tl_scale(e->g, s, 0.5f), x));
    case_output(e, s);
}

/* The ids come out of a state that was written in the same run. */
static void assign_ids(case_env *e) {
    tl_tensor *s = case_state(e, "ids", TL_I32, 1, SHAPE(6), FILL_ONES);
    tl_tensor *table = case_input(e, "table", TL_F32, 2, SHAPE(20, 11), FILL_NORMAL);
    case_output(e, tl_embed(e->g, table, tl_assign(e->g, s, case_ints(e, "new", 1, SHAPE(6), 0, 19))));
}

void cases_assign(case_list *l) {
    add_types(l, "assign/type", assign_type, true);
    case_add(l, "assign/views", assign_views, NULL, 0);
    case_add(l, "assign/running-sum", assign_running_sum, NULL, 0);
    case_add(l, "assign/ids", assign_ids, NULL, 0);
}
