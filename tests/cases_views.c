/* cases_views.c: views show the right elements: each ends in a dense copy, and in an op that reads it as it is or has it copied. */
#include "tests/cases_lists.h"

/* A view as a result by itself, copied, and computed with. */
static void show(case_env *e, tl_tensor *view) {
    case_output(e, tl_contiguous(e->g, view));
    if (view && view->dtype == TL_F32) {
        case_output(e, tl_add(e->g, view, view));
        if (!view->size || view->rank > 1)
            case_output(e, tl_neg(e->g, view));
    }
}

static tl_tensor *transposed(case_env *e, tl_tensor *x) {
    return tl_permute(e->g, x, (int[]){1, 0});
}

/* ---- reshape ---- */

static void reshape_splits_and_merges(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(6, 5, 14), FILL_NORMAL);
    show(e, tl_reshape(e->g, x, 2, SHAPE(30, 14)));
    show(e, tl_reshape(e->g, x, 1, SHAPE(-1)));
    show(e, tl_reshape(e->g, x, 6, SHAPE(2, 3, 5, 1, 7, 2)));
    show(e, tl_reshape(e->g, x, 4, SHAPE(1, 6, -1, 1)));
}

static void reshape_of_views(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(6, 5, 14), FILL_NORMAL);
    show(e, tl_reshape(e->g, tl_slice(e->g, x, 0, 1, 4, 1), 2, SHAPE(20, 14)));         /* still dense */
    show(e, tl_reshape(e->g, tl_slice(e->g, x, 1, 1, 3, 1), 3, SHAPE(6, 3, 14)));       /* strided, same axes */
    show(e, tl_reshape(e->g, tl_slice(e->g, x, 2, 2, 12, 1), 4, SHAPE(6, 5, 3, 4)));    /* the last axis splits */
    show(e, tl_reshape(e->g, tl_slice(e->g, x, 1, 1, 3, 1), 2, SHAPE(18, 14)));         /* needs a copy */
    show(e, tl_reshape(e->g, tl_permute(e->g, x, (int[]){2, 0, 1}), 2, SHAPE(14, 30))); /* two axes that stay together */
}

static void reshape_of_turned(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(12, 9), FILL_NORMAL);
    show(e, tl_reshape(e->g, transposed(e, x), 1, SHAPE(108)));
    show(e, tl_reshape(e->g, transposed(e, x), 3, SHAPE(9, 4, 3)));
    show(e, tl_reshape(e->g, tl_broadcast(e->g, x, 3, SHAPE(4, 12, 9)), 2, SHAPE(48, 9)));
    show(e, tl_reshape(e->g, tl_slice(e->g, x, 1, 0, 5, 2), 3, SHAPE(3, 4, 5)));
}

static void reshape_varying(case_env *e) {
    int64_t n = case_size(e, "n", 11);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(n, 24), FILL_NORMAL);
    show(e, tl_reshape(e->g, x, 3, SHAPE(n, 4, 6)));
    show(e, tl_reshape(e->g, x, 4, SHAPE(-1, 2, 3, 4)));
    show(e, tl_reshape(e->g, tl_slice(e->g, x, 1, 3, 20, 1), 3, SHAPE(11, 5, -1)));
    tl_tensor *ids = case_ints(e, "ids", 1, SHAPE(n), -9, 9);
    show(e, tl_reshape(e->g, ids, 2, SHAPE(n, 1)));
}

static void reshape_types(case_env *e) {
    show(e, tl_reshape(e->g, case_input(e, "half", TL_F16, 2, SHAPE(6, 7), FILL_NORMAL), 2, SHAPE(3, 14)));
    show(e, tl_reshape(e->g, case_input(e, "byte", TL_I8, 2, SHAPE(6, 7), FILL_WIDE), 1, SHAPE(42)));
    show(e, tl_reshape(e->g, case_input(e, "q4", TL_Q4_1, 2, SHAPE(6, 64), FILL_NORMAL), 3, SHAPE(2, 3, 64)));
    show(e, tl_reshape(e->g, tl_slice(e->g, case_input(e, "q6", TL_Q6_K, 3, SHAPE(4, 3, 512), FILL_NORMAL), 1, 1, 2, 1), 2, SHAPE(8, -1)));
    tl_tensor *w = case_weight(e, "packed", TL_Q4_1, 2, SHAPE(12, 64), FILL_NORMAL, TL_USE_LINEAR | TL_USE_EMBED);
    show(e, tl_reshape(e->g, w, 3, SHAPE(3, 4, 64)));
}

void cases_reshape(case_list *l) {
    case_add(l, "reshape/splits-and-merges", reshape_splits_and_merges, NULL, 0);
    case_add(l, "reshape/of-views", reshape_of_views, NULL, 0);
    case_add(l, "reshape/of-turned", reshape_of_turned, NULL, 0);
    case_add(l, "reshape/varying", reshape_varying, NULL, 0);
    case_add(l, "reshape/types", reshape_types, NULL, 0);
}

/* ---- permute ---- */

static void permute_matrix(case_env *e) {
    const int64_t *n = e->params;
    show(e, transposed(e, case_input(e, "x", TL_F32, 2, n, FILL_NORMAL)));
}

static void permute_three(case_env *e) {
    static const int axes[5][3] = {{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(3, 17, 5), FILL_NORMAL);
    for (int i = 0; i < COUNT(axes); i++)
        show(e, tl_permute(e->g, x, axes[i]));
}

static void permute_six(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 6, SHAPE(2, 3, 1, 4, 2, 5), FILL_NORMAL);
    tl_tensor *y = tl_permute(e->g, x, (int[]){5, 3, 1, 0, 2, 4});
    show(e, y);
    show(e, tl_permute(e->g, y, (int[]){3, 2, 4, 1, 5, 0})); /* and back */
}

static void permute_varying(case_env *e) {
    int64_t n = case_size(e, "n", 7);
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(n, 5, 19), FILL_NORMAL);
    show(e, tl_permute(e->g, x, (int[]){0, 2, 1}));
}

static void permute_types(case_env *e) {
    show(e, transposed(e, case_input(e, "half", TL_F16, 2, SHAPE(6, 7), FILL_NORMAL)));
    show(e, transposed(e, case_input(e, "byte", TL_I8, 2, SHAPE(9, 7), FILL_WIDE)));
    show(e, transposed(e, case_input(e, "short", TL_I16, 2, SHAPE(9, 7), FILL_WIDE)));
    show(e, tl_permute(e->g, case_input(e, "q8", TL_Q8_0, 3, SHAPE(3, 4, 64), FILL_NORMAL), (int[]){1, 0, 2}));
}

void cases_permute(case_list *l) {
    static const int64_t shapes[][2] = {{1, 9}, {9, 1}, {31, 17}, {64, 64}, {2, 1000}};
    static const char *const names[] = {"permute/row", "permute/column", "permute/odd", "permute/square", "permute/long"};
    for (int i = 0; i < COUNT(shapes); i++)
        case_add(l, names[i], permute_matrix, shapes[i], sizeof shapes[i]);
    case_add(l, "permute/three-axes", permute_three, NULL, 0);
    case_add(l, "permute/six-axes", permute_six, NULL, 0);
    case_add(l, "permute/varying", permute_varying, NULL, 0);
    case_add(l, "permute/types", permute_types, NULL, 0);
}

/* ---- slice ---- */

static void slice_each_axis(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(5, 7, 33), FILL_NORMAL);
    show(e, tl_slice(e->g, x, 0, 2, 3, 1));
    show(e, tl_slice(e->g, x, 1, 1, 3, 2));
    show(e, tl_slice(e->g, x, 2, 3, 29, 1));
    show(e, tl_slice(e->g, x, -1, 0, 11, 3));
    show(e, tl_slice(e->g, x, -3, 4, 1, 9));
}

static void slice_of_slices(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(20, 41), FILL_NORMAL);
    tl_tensor *y = tl_slice(e->g, tl_slice(e->g, x, 0, 1, 9, 2), 1, 1, 20, 2);
    show(e, y);
    show(e, tl_slice(e->g, transposed(e, y), 0, 3, 5, 3));
    show(e, tl_slice(e->g, y, 1, 19, 1, 1));
}

static void slice_varying(case_env *e) {
    int64_t n = case_size(e, "n", 9);
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(n, 6, 10), FILL_NORMAL);
    show(e, tl_slice(e->g, x, 1, 2, 3, 1));
    show(e, tl_slice(e->g, x, 2, 1, 4, 2));
    show(e, tl_slice(e->g, x, 0, 0, 9, 1));
}

static void slice_ids(case_env *e) { /* a column of a varying table as [n] */
    int64_t n = case_size(e, "n", 9);
    tl_tensor *x = case_ints(e, "x", 2, SHAPE(n, 3), 0, 15), *table = case_input(e, "table", TL_F32, 2, SHAPE(16, 5), FILL_NORMAL);
    tl_tensor *ids = tl_reshape(e->g, tl_slice(e->g, x, 1, 1, 1, 1), 1, SHAPE(n));
    case_output(e, tl_embed(e->g, table, ids));
}

static void slice_types(case_env *e) {
    show(e, tl_slice(e->g, case_input(e, "q5", TL_Q5_1, 2, SHAPE(4, 128), FILL_NORMAL), 1, 32, 64, 1));
    show(e, tl_slice(e->g, case_input(e, "q4", TL_Q4_K, 2, SHAPE(6, 768), FILL_NORMAL), -1, 256, 256, 1));
    show(e, tl_slice(e->g, case_input(e, "q2", TL_Q2_K, 2, SHAPE(6, 256), FILL_NORMAL), 0, 1, 3, 2));
    show(e, tl_slice(e->g, case_input(e, "bf", TL_BF16, 2, SHAPE(6, 25), FILL_NORMAL), 1, 1, 8, 3));
}

void cases_slice(case_list *l) {
    case_add(l, "slice/each-axis", slice_each_axis, NULL, 0);
    case_add(l, "slice/of-slices", slice_of_slices, NULL, 0);
    case_add(l, "slice/varying", slice_varying, NULL, 0);
    case_add(l, "slice/ids", slice_ids, NULL, 0);
    case_add(l, "slice/types", slice_types, NULL, 0);
}

/* ---- broadcast ---- */

static void broadcast_axes(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(4, 1, 9), FILL_NORMAL);
    show(e, tl_broadcast(e->g, x, 3, SHAPE(4, 6, 9)));
    show(e, tl_broadcast(e->g, x, 5, SHAPE(2, 3, 4, 1, 9)));
    show(e, tl_broadcast(e->g, tl_slice(e->g, x, 2, 4, 1, 1), 3, SHAPE(4, 2, 17)));
    show(e, tl_slice(e->g, tl_broadcast(e->g, x, 3, SHAPE(4, 6, 9)), 1, 1, 3, 2));
    show(e, tl_permute(e->g, tl_broadcast(e->g, x, 3, SHAPE(4, 6, 9)), (int[]){1, 2, 0}));
}

static void broadcast_varying(case_env *e) {
    int64_t n = case_size(e, "n", 6);
    show(e, tl_broadcast(e->g, case_input(e, "x", TL_F32, 2, SHAPE(n, 1), FILL_NORMAL), 2, SHAPE(n, 13)));
    show(e, tl_broadcast(e->g, case_input(e, "row", TL_F32, 1, SHAPE(7), FILL_NORMAL), 2, SHAPE(n, 7)));
    show(e, tl_broadcast(e->g, case_input(e, "one", TL_F32, 2, SHAPE(1, 1), FILL_NORMAL), 3, SHAPE(n, 2, 5)));
}

static void broadcast_types(case_env *e) {
    show(e, tl_broadcast(e->g, case_input(e, "q8", TL_Q8_0, 2, SHAPE(1, 64), FILL_NORMAL), 3, SHAPE(2, 3, 64)));
    show(e, tl_broadcast(e->g, case_input(e, "byte", TL_I8, 2, SHAPE(5, 1), FILL_WIDE), 2, SHAPE(5, 21)));
    show(e, tl_broadcast(e->g, case_input(e, "half", TL_F16, 1, SHAPE(1), FILL_NORMAL), 2, SHAPE(3, 5)));
}

void cases_broadcast(case_list *l) {
    case_add(l, "broadcast/axes", broadcast_axes, NULL, 0);
    case_add(l, "broadcast/varying", broadcast_varying, NULL, 0);
    case_add(l, "broadcast/types", broadcast_types, NULL, 0);
}
