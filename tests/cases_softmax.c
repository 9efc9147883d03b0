/* cases_softmax.c: softmax over lengths, fills, scales and masks: whole, repeated, of minus infinity, and rows all masked. */
#include "tests/cases_lists.h"

typedef struct pick {
    case_fill fill;
    int group;
    float scale;
} pick;

static void softmax_lengths(case_env *e) {
    const pick *p = e->params;
    for (int i = 0; i < LENGTHS_A_GROUP; i++)
        case_output(e, tl_softmax(e->g, length_input(e, p->group, i, 3, "x", FILL_NORMAL), NULL, p->scale));
}

static void softmax_fill(case_env *e) {
    const pick *p = e->params;
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(24, 173), p->fill);
    case_output(e, tl_softmax(e->g, x, NULL, p->scale));
    case_output(e, tl_softmax(e->g, x, case_input(e, "mask", TL_F32, 2, SHAPE(24, 173), FILL_NORMAL), p->scale));
}

/* 0 or minus infinity. */
static tl_tensor *open_or_shut(case_env *e, const char *name, int rank, const int64_t *shape, int32_t least) {
    return tl_log(e->g, tl_cast(e->g, case_ints(e, name, rank, shape, least, 1), TL_F32));
}

static void softmax_masks(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 4, SHAPE(2, 3, 5, 37), FILL_NORMAL);
    case_output(e, tl_softmax(e->g, x, open_or_shut(e, "whole", 4, SHAPE(2, 3, 5, 37), 0), 0.125f));
    case_output(e, tl_softmax(e->g, x, open_or_shut(e, "queries", 2, SHAPE(5, 37), 0), 0.125f));
    case_output(e, tl_softmax(e->g, x, open_or_shut(e, "keys", 1, SHAPE(37), 0), 1.0f));
    case_output(e, tl_softmax(e->g, x, open_or_shut(e, "rows", 3, SHAPE(3, 5, 1), 0), -1.0f)); /* rows masked throughout: NaN */
    case_output(e, tl_softmax(e->g, x, tl_permute(e->g, case_input(e, "turned", TL_F32, 2, SHAPE(37, 5), FILL_WIDE), (int[]){1, 0}), 0.5f));
}

static void softmax_views(case_env *e) {
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(4, 6, 26), FILL_WIDE);
    case_output(e, tl_softmax(e->g, tl_permute(e->g, x, (int[]){2, 1, 0}), NULL, 1.0f));
    case_output(e, tl_softmax(e->g, tl_slice(e->g, x, 1, 1, 2, 2), tl_slice(e->g, x, 1, 0, 2, 2), 1.0f));
    tl_tensor *y = tl_exp(e->g, tl_scale(e->g, x, 0x1p-20f));
    case_output(e, tl_softmax(e->g, y, y, 1.0f)); /* one operand twice */
}

static void softmax_varying(case_env *e) {
    int64_t n = case_size(e, "n", 9);
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(n, 4, 51), FILL_NORMAL);
    case_output(e, tl_softmax(e->g, x, case_input(e, "all", TL_F32, 3, SHAPE(n, 1, 51), FILL_NORMAL), 0.3f));
    case_output(e, tl_softmax(e->g, x, case_input(e, "one", TL_F32, 3, SHAPE(1, 4, 51), FILL_NORMAL), 0.3f));
    case_output(e, tl_softmax(e->g, x, NULL, 3.0f));
}

void cases_softmax(case_list *l) {
    char name[64];
    for (int i = 0; i < LENGTH_GROUPS; i++) {
        snprintf(name, sizeof name, "softmax/lengths%d", i);
        case_add(l, name, softmax_lengths, &(pick){.group = i, .scale = 0.125f}, sizeof(pick));
    }
    for (int i = 0; i < COUNT(all_fills); i++) {
        snprintf(name, sizeof name, "softmax/%s", all_fills[i].name);
        case_add(l, name, softmax_fill, &(pick){.fill = all_fills[i].fill, .scale = 1.0f}, sizeof(pick));
    }
    case_add(l, "softmax/scale-zero", softmax_fill, &(pick){.fill = FILL_SPECIAL, .scale = 0.0f}, sizeof(pick));
    case_add(l, "softmax/masks", softmax_masks, NULL, 0);
    case_add(l, "softmax/views", softmax_views, NULL, 0);
    case_add(l, "softmax/varying", softmax_varying, NULL, 0);
}
