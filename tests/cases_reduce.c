/* cases_reduce.c: sums, maxima and orders along the last axis: every lane remainder, cancellation, ties, NaN, and views. */
#include "tests/cases_lists.h"

typedef tl_tensor *(*reduce_fn)(tl_graph *g, tl_tensor *x);
typedef struct pick {
    reduce_fn f;
    case_fill fill;
    int group;
} pick;

static void add(case_list *l, const char *op, const char *what, int number, void (*build)(case_env *e), pick p) {
    char name[64];
    if (number >= 0)
        snprintf(name, sizeof name, "%s/%s%d", op, what, number);
    else
        snprintf(name, sizeof name, "%s/%s", op, what);
    case_add(l, name, build, &p, sizeof p);
}

static void reduce_lengths(case_env *e) {
    const pick *p = e->params;
    for (int i = 0; i < LENGTHS_A_GROUP; i++)
        case_output(e, p->f(e->g, length_input(e, p->group, i, 3, "x", FILL_NORMAL)));
}

static void reduce_fill(case_env *e) {
    const pick *p = e->params;
    case_output(e, p->f(e->g, case_input(e, "x", TL_F32, 2, SHAPE(24, 203), p->fill)));
    case_output(e, p->f(e->g, case_input(e, "long", TL_F32, 1, SHAPE(4999), p->fill)));
}

static void reduce_views(case_env *e) {
    const pick *p = e->params;
    tl_tensor *x = case_input(e, "x", TL_F32, 4, SHAPE(3, 4, 5, 23), FILL_NORMAL);
    case_output(e, p->f(e->g, x));
    case_output(e, p->f(e->g, tl_permute(e->g, x, (int[]){3, 0, 2, 1})));
    case_output(e, p->f(e->g, tl_slice(e->g, x, 3, 1, 11, 2)));
    case_output(e, p->f(e->g, tl_slice(e->g, x, 1, 0, 2, 3)));
    case_output(e, p->f(e->g, tl_broadcast(e->g, tl_slice(e->g, x, 3, 0, 1, 1), 4, SHAPE(3, 4, 5, 9))));
}

static void reduce_varying(case_env *e) {
    const pick *p = e->params;
    int64_t n = case_size(e, "n", 9);
    case_output(e, p->f(e->g, case_input(e, "x", TL_F32, 3, SHAPE(n, 2, 45), FILL_NORMAL)));
}

static void add_reduce(case_list *l, const char *op, reduce_fn f) {
    for (int i = 0; i < LENGTH_GROUPS; i++)
        add(l, op, "lengths", i, reduce_lengths, (pick){.f = f, .group = i});
    for (int i = 0; i < COUNT(all_fills); i++)
        add(l, op, all_fills[i].name, -1, reduce_fill, (pick){.f = f, .fill = all_fills[i].fill});
    add(l, op, "views", -1, reduce_views, (pick){.f = f});
    add(l, op, "varying", -1, reduce_varying, (pick){.f = f});
}

void cases_sum(case_list *l) {
    add_reduce(l, "sum", tl_sum);
}

void cases_mean(case_list *l) {
    add_reduce(l, "mean", tl_mean);
}

void cases_max(case_list *l) {
    add_reduce(l, "max", tl_max);
}

void cases_argmax(case_list *l) {
    add_reduce(l, "argmax", tl_argmax);
}

/* ---- topk ---- */

static void both(case_env *e, tl_tensor *x, int64_t k) {
    tl_tensor *values, *ids;
    tl_topk(e->g, x, k, &values, &ids);
    case_output(e, values);
    case_output(e, ids);
}

static tl_tensor *top1(tl_graph *g, tl_tensor *x) {
    return tl_topk(g, x, 1, NULL, NULL);
}

static tl_tensor *all_sorted(tl_graph *g, tl_tensor *x) {
    tl_tensor *values;
    return tl_topk(g, x, x ? tl_dim(x, -1) : 1, &values, NULL);
}

static void topk_some(case_env *e) {
    const pick *p = e->params;
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(12, 173), p->fill);
    both(e, x, 1);
    both(e, x, 8);
    both(e, x, 100);
    both(e, x, 173);
}

static void topk_varying(case_env *e) {
    int64_t n = case_size(e, "n", 9);
    both(e, case_input(e, "x", TL_F32, 3, SHAPE(n, 2, 45), FILL_TIES), 7);
}

static void topk_vocabulary(case_env *e) {
    both(e, case_input(e, "x", TL_F32, 2, SHAPE(2, 49152), FILL_NORMAL), 40);
}

void cases_topk(case_list *l) {
    for (int i = 0; i < LENGTH_GROUPS; i++) {
        add(l, "topk", "one", i, reduce_lengths, (pick){.f = top1, .group = i});
        add(l, "topk", "all", i, reduce_lengths, (pick){.f = all_sorted, .group = i});
    }
    for (int i = 0; i < COUNT(all_fills); i++)
        add(l, "topk", all_fills[i].name, -1, topk_some, (pick){.fill = all_fills[i].fill});
    add(l, "topk", "views", -1, reduce_views, (pick){.f = all_sorted});
    add(l, "topk", "varying", -1, topk_varying, (pick){0});
    add(l, "topk", "vocabulary", -1, topk_vocabulary, (pick){0});
}
