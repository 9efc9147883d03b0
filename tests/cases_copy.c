/* cases_copy.c: contiguous, unpack, cast and concat of every element type, by rows and by elements. */
#include "tensor/quant.h"
#include "tests/cases_lists.h"

static int64_t width_of(tl_dtype t) { /* two blocks, or an odd number of plain elements */
    int block = tl_dtype_get(t)->block;
    return block > 1 ? 2 * block : 37;
}

/* Adds one case for each type that has a row in dtype.def: "op/what-type". */
static void add_types(case_list *l, const char *prefix, void (*build)(case_env *e), bool (*wanted)(tl_dtype t)) {
    for (int t = 0; t < TL_N_DTYPES; t++) {
        char name[64];
        tl_dtype dtype = (tl_dtype)t;
        if (wanted && !wanted(dtype))
            continue;
        snprintf(name, sizeof name, "%s-%s", prefix, tl_dtype_get(dtype)->name);
        case_add(l, name, build, &dtype, sizeof dtype);
    }
}

static bool encodes(tl_dtype t) {
    return tl_codec_of(t)->encode != NULL;
}

/* ---- contiguous ---- */

static void contiguous_type(case_env *e) {
    tl_dtype t = *(const tl_dtype *)e->params;
    tl_tensor *x = case_input(e, "x", t, 3, SHAPE(3, 4, width_of(t)), FILL_FINITE);
    case_output(e, tl_contiguous(e->g, tl_permute(e->g, x, (int[]){1, 0, 2})));
    case_output(e, tl_contiguous(e->g, tl_slice(e->g, x, 1, 1, 2, 2)));
    if (tl_dtype_get(t)->block == 1)
        case_output(e, tl_contiguous(e->g, tl_permute(e->g, x, (int[]){2, 1, 0})));
}

static void contiguous_shared(case_env *e) { /* one copy, two readers, one of which may run in place */
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(13, 21), FILL_NORMAL);
    tl_tensor *t = tl_permute(e->g, x, (int[]){1, 0});
    tl_tensor *a = tl_exp(e->g, t), *b = tl_neg(e->g, t);
    case_output(e, tl_mul(e->g, a, b));
    case_output(e, tl_sum(e->g, tl_permute(e->g, x, (int[]){1, 0})));
}

static void contiguous_varying(case_env *e) {
    int64_t n = case_size(e, "n", 12);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(n, 31), FILL_NORMAL);
    case_output(e, tl_contiguous(e->g, tl_slice(e->g, x, 1, 1, 15, 2)));
}

void cases_contiguous(case_list *l) {
    add_types(l, "contiguous/views", contiguous_type, NULL);
    case_add(l, "contiguous/shared", contiguous_shared, NULL, 0);
    case_add(l, "contiguous/varying", contiguous_varying, NULL, 0);
}

/* ---- unpack ---- */

static void unpack_type(case_env *e) {
    tl_dtype t = *(const tl_dtype *)e->params;
    int block = tl_dtype_get(t)->block;
    tl_tensor *w = case_weight(e, "w", t, 2, SHAPE(37, block > 1 ? 3 * block : 40), FILL_NORMAL, TL_USE_LINEAR | TL_USE_EMBED);
    case_output(e, tl_unpack(e->g, w));
    case_output(e, tl_cast(e->g, w, TL_F32));
    case_output(e, tl_contiguous(e->g, tl_slice(e->g, w, 0, 3, 10, 3)));
}

void cases_unpack(case_list *l) {
    add_types(l, "unpack/weight", unpack_type, NULL);
}

/* ---- cast ---- */

static void cast_to_f32(case_env *e) {
    tl_dtype t = *(const tl_dtype *)e->params;
    static const case_fill fills[] = {FILL_NORMAL, FILL_WIDE, FILL_SPECIAL, FILL_ZERO};
    char name[16];
    for (int i = 0; i < COUNT(fills); i++) {
        snprintf(name, sizeof name, "x%d", i);
        case_output(e, tl_cast(e->g, case_input(e, name, t, 2, SHAPE(5, width_of(t)), fills[i]), TL_F32));
    }
}

static void cast_from_f32(case_env *e) {
    tl_dtype t = *(const tl_dtype *)e->params;
    char name[16];
    for (int i = 0; i < COUNT(all_fills); i++) {
        snprintf(name, sizeof name, "x%d", i);
        case_output(e, tl_cast(e->g, case_input(e, name, TL_F32, 2, SHAPE(7, width_of(t)), all_fills[i].fill), t));
    }
}

static void cast_through_f32(case_env *e) { /* to and from a type by way of f16 */
    tl_dtype t = *(const tl_dtype *)e->params;
    tl_tensor *x = case_input(e, "x", TL_F16, 2, SHAPE(5, width_of(t)), FILL_FINITE);
    tl_tensor *y = tl_cast(e->g, x, t);
    case_output(e, y);
    case_output(e, tl_cast(e->g, y, TL_BF16));
}

static void cast_views(case_env *e) {
    int64_t n = case_size(e, "n", 9);
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(n, 4, 50), FILL_NORMAL);
    case_output(e, tl_cast(e->g, tl_slice(e->g, x, 1, 1, 2, 2), TL_F16));
    case_output(e, tl_cast(e->g, tl_slice(e->g, x, 2, 0, 25, 2), TL_I8));
    case_output(e, tl_cast(e->g, tl_permute(e->g, x, (int[]){0, 2, 1}), TL_BF16));
}

void cases_cast(case_list *l) {
    add_types(l, "cast/to-f32-from", cast_to_f32, NULL);
    add_types(l, "cast/from-f32-to", cast_from_f32, encodes);
    add_types(l, "cast/through-f32", cast_through_f32, encodes);
    case_add(l, "cast/views", cast_views, NULL, 0);
}

/* ---- concat ---- */

static void concat_axes(case_env *e) {
    tl_tensor *a = case_input(e, "a", TL_F32, 3, SHAPE(3, 4, 17), FILL_NORMAL);
    tl_tensor *b = case_input(e, "b", TL_F32, 3, SHAPE(3, 1, 17), FILL_WIDE);
    tl_tensor *c = case_input(e, "c", TL_F32, 3, SHAPE(3, 4, 5), FILL_SPECIAL);
    case_output(e, tl_concat(e->g, (tl_tensor *[]){a, b, a}, 3, 1));
    case_output(e, tl_concat(e->g, (tl_tensor *[]){c, a}, 2, -1));
    case_output(e, tl_concat(e->g, (tl_tensor *[]){a, a}, 2, 0));
    case_output(e, tl_concat(e->g, (tl_tensor *[]){b, tl_slice(e->g, a, 1, 1, 2, 2)}, 2, 1));
    case_output(e, tl_concat(e->g, (tl_tensor *[]){a, tl_slice(e->g, a, 2, 1, 8, 2)}, 2, 2));
}

static void concat_many(case_env *e) {
    tl_tensor *x[TL_MAX_SRC];
    char name[16];
    for (int i = 0; i < TL_MAX_SRC; i++) {
        snprintf(name, sizeof name, "x%d", i);
        x[i] = case_input(e, name, TL_F32, 1, SHAPE(2 * i + 1), FILL_NORMAL);
    }
    case_output(e, tl_concat(e->g, x, TL_MAX_SRC, 0));
}

static void concat_varying(case_env *e) {
    int64_t n = case_size(e, "n", 10);
    tl_tensor *a = case_input(e, "a", TL_F32, 3, SHAPE(n, 2, 9), FILL_NORMAL);
    tl_tensor *b = case_input(e, "b", TL_F32, 3, SHAPE(n, 3, 9), FILL_NORMAL);
    tl_tensor *y = tl_concat(e->g, (tl_tensor *[]){a, b, a}, 3, 1);
    case_output(e, tl_concat(e->g, (tl_tensor *[]){y, tl_neg(e->g, y)}, 2, 2));
}

static void concat_type(case_env *e) {
    tl_dtype t = *(const tl_dtype *)e->params;
    tl_tensor *a = case_input(e, "a", t, 2, SHAPE(3, width_of(t)), FILL_FINITE);
    tl_tensor *b = case_input(e, "b", t, 2, SHAPE(5, width_of(t)), FILL_NORMAL);
    case_output(e, tl_concat(e->g, (tl_tensor *[]){a, b}, 2, 0));
    case_output(e, tl_concat(e->g, (tl_tensor *[]){a, tl_slice(e->g, b, 0, 1, 3, 1)}, 2, 1));
}

void cases_concat(case_list *l) {
    case_add(l, "concat/axes", concat_axes, NULL, 0);
    case_add(l, "concat/many", concat_many, NULL, 0);
    case_add(l, "concat/varying", concat_varying, NULL, 0);
    add_types(l, "concat/type", concat_type, NULL);
}
