/* cases_norm.c: rms_norm and layer_norm over lengths, fills, types of weight, views and the widths of models. */
#include "tests/cases_lists.h"

typedef struct pick {
    bool layer;        /* layer_norm, else rms_norm */
    bool weight, bias; /* operands present */
    tl_dtype dtype;    /* of both */
    case_fill fill;
    int group;
    float eps;
} pick;

static void add(case_list *l, bool layer, const char *what, int number, void (*build)(case_env *e), pick p) {
    char name[64];
    p.layer = layer;
    if (number >= 0)
        snprintf(name, sizeof name, "%s/%s%d", layer ? "layer_norm" : "rms_norm", what, number);
    else
        snprintf(name, sizeof name, "%s/%s", layer ? "layer_norm" : "rms_norm", what);
    case_add(l, name, build, &p, sizeof p);
}

static tl_tensor *norm(case_env *e, tl_tensor *x, tl_tensor *w, tl_tensor *b) {
    const pick *p = e->params;
    return p->layer ? tl_layer_norm(e->g, x, p->weight ? w : NULL, p->bias ? b : NULL, p->eps)
                    : tl_rms_norm(e->g, x, p->weight ? w : NULL, p->eps);
}

static tl_tensor *vector(case_env *e, const char *name, int64_t n) {
    const pick *p = e->params;
    return case_weight(e, name, p->dtype, 1, SHAPE(n), FILL_NORMAL, TL_USE_OTHER);
}

static void norm_lengths(case_env *e) {
    const pick *p = e->params;
    tl_tensor *w = case_input(e, "w", TL_F32, 1, SHAPE(1000), FILL_NORMAL), *b = case_input(e, "b", TL_F32, 1, SHAPE(1000), FILL_NORMAL);
    for (int i = 0; i < LENGTHS_A_GROUP; i++) {
        tl_tensor *x = length_input(e, p->group, i, 3, "x", FILL_NORMAL);
        int64_t n = tl_dim(x, -1);
        case_output(e, norm(e, x, tl_slice(e->g, w, 0, 0, n, 1), tl_slice(e->g, b, 0, 1000 - n, n, 1)));
    }
}

static void norm_fill(case_env *e) {
    const pick *p = e->params;
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(24, 173), p->fill);
    case_output(e, norm(e, x, vector(e, "w", 173), vector(e, "b", 173)));
}

static void norm_views(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(5, 6, 34), FILL_NORMAL), *w = vector(e, "w", 34), *b = vector(e, "b", 34);
    case_output(e, norm(e, tl_permute(e->g, x, (int[]){1, 0, 2}), w, b));
    case_output(e, norm(e, tl_slice(e->g, x, 1, 1, 2, 3), w, b));
    tl_tensor *half = tl_slice(e->g, w, 0, 0, 17, 2);
    case_output(e, norm(e, tl_slice(e->g, x, 2, 1, 17, 2), half, half));
}

static void norm_model(case_env *e) {
    int64_t n = case_size(e, "n", 5);
    tl_tensor *w = vector(e, "w", 576), *b = vector(e, "b", 576);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(n, 576), FILL_NORMAL);
    tl_tensor *y = norm(e, x, w, b);
    case_output(e, y);
    case_output(e, tl_add(e->g, x, norm(e, y, w, b)));
}

static void add_norm(case_list *l, bool layer) {
    pick full = {.weight = true, .bias = layer, .dtype = TL_F32, .eps = 1e-5f};
    for (int i = 0; i < LENGTH_GROUPS; i++) {
        pick p = full;
        p.group = i;
        add(l, layer, "lengths", i, norm_lengths, p);
    }
    for (int i = 0; i < COUNT(all_fills); i++) {
        pick p = full;
        p.fill = all_fills[i].fill;
        add(l, layer, all_fills[i].name, -1, norm_fill, p);
    }
    static const tl_dtype types[] = {TL_F16, TL_BF16};
    for (int i = 0; i < COUNT(types); i++) {
        pick p = full;
        p.dtype = types[i];
        add(l, layer, tl_dtype_get(types[i])->name, -1, norm_fill, p);
    }
    pick bare = full, sharp = full;
    bare.weight = bare.bias = false;
    add(l, layer, "bare", -1, norm_fill, bare);
    sharp.eps = 0.0f;
    sharp.fill = FILL_ZERO; /* 0 / 0 */
    add(l, layer, "eps-zero", -1, norm_fill, sharp);
    add(l, layer, "views", -1, norm_views, full);
    add(l, layer, "model", -1, norm_model, full);
    add(l, layer, "model-bare", -1, norm_model, bare);
}

void cases_rms_norm(case_list *l) {
    add_norm(l, false);
}

void cases_layer_norm(case_list *l) {
    pick w = {.weight = true, .dtype = TL_F32, .eps = 1e-5f}, b = {.bias = true, .dtype = TL_F32, .eps = 1e-5f};
    add_norm(l, true);
    add(l, true, "weight-alone", -1, norm_fill, w);
    add(l, true, "bias-alone", -1, norm_fill, b);
}
