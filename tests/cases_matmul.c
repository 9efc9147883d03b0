/* cases_matmul.c: matmul over types of b, lengths about the lanes and tiles, batches that broadcast, and operands that are views. */
#include <stdio.h>

#include "tests/cases.h"

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})

typedef struct product {
    const char *name;
    tl_dtype b_dtype;
    int a_rank, b_rank;
    int64_t a[4], b[4];
    case_fill a_fill, b_fill;
    bool a_varies, b_varies; /* axis 0 follows the size "n" */
} product;

static void build(case_env *e) {
    const product *p = e->params;
    int64_t a[4], b[4];
    for (int i = 0; i < 4; i++) {
        a[i] = p->a[i];
        b[i] = p->b[i];
    }
    if (p->a_varies)
        a[0] = case_size(e, "n", a[0]);
    if (p->b_varies)
        b[0] = case_size(e, "n", b[0]);
    tl_tensor *x = case_input(e, "a", TL_F32, p->a_rank, a, p->a_fill);
    case_output(e, tl_matmul(e->g, x, case_input(e, "b", p->b_dtype, p->b_rank, b, p->b_fill)));
}

/* clang-format off */
static const product products[] = {
    {"matmul/f32/1x1x1", TL_F32, 2, 2, {1, 1}, {1, 1}, FILL_NORMAL, FILL_NORMAL, false, false},
    {"matmul/f32/k15", TL_F32, 2, 2, {3, 15}, {15, 4}, FILL_NORMAL, FILL_NORMAL, false, false},
    {"matmul/f32/k16", TL_F32, 2, 2, {2, 16}, {16, 5}, FILL_WIDE, FILL_NORMAL, false, false},
    {"matmul/f32/k17", TL_F32, 2, 2, {5, 17}, {17, 63}, FILL_NORMAL, FILL_WIDE, true, false},
    {"matmul/f32/k100", TL_F32, 2, 2, {7, 100}, {100, 64}, FILL_CANCEL, FILL_NORMAL, true, false},
    {"matmul/f32/n130", TL_F32, 2, 2, {3, 33}, {33, 130}, FILL_NORMAL, FILL_NORMAL, false, false},
    {"matmul/f32/special", TL_F32, 2, 2, {6, 40}, {40, 65}, FILL_SPECIAL, FILL_FINITE, false, false},
    {"matmul/f32/tiny", TL_F32, 2, 2, {3, 40}, {40, 9}, FILL_TINY, FILL_NORMAL, false, false},
    {"matmul/f16/k1", TL_F16, 2, 2, {3, 1}, {1, 7}, FILL_NORMAL, FILL_NORMAL, false, false},
    {"matmul/f16/k31", TL_F16, 2, 2, {5, 31}, {31, 65}, FILL_NORMAL, FILL_NORMAL, true, false},
    {"matmul/f16/k64", TL_F16, 2, 2, {4, 64}, {64, 33}, FILL_WIDE, FILL_WIDE, false, false},
    {"matmul/f16/tiny", TL_F16, 2, 2, {4, 33}, {33, 8}, FILL_TINY, FILL_NORMAL, false, false},
    {"matmul/f16/special", TL_F16, 2, 2, {6, 48}, {48, 16}, FILL_SPECIAL, FILL_SPECIAL, false, false},
    {"matmul/bf16/k50", TL_BF16, 2, 2, {3, 50}, {50, 66}, FILL_NORMAL, FILL_WIDE, true, false},
    {"matmul/bf16/special", TL_BF16, 2, 2, {4, 20}, {20, 7}, FILL_FINITE, FILL_SPECIAL, false, false},
    {"matmul/batch/equal", TL_F32, 3, 3, {3, 4, 20}, {3, 20, 7}, FILL_NORMAL, FILL_NORMAL, false, false},
    {"matmul/batch/varies", TL_F32, 3, 3, {4, 2, 20}, {4, 20, 7}, FILL_NORMAL, FILL_NORMAL, true, true},
    {"matmul/batch/varies_b_once", TL_F16, 3, 3, {4, 2, 20}, {1, 20, 7}, FILL_NORMAL, FILL_NORMAL, true, false},
    {"matmul/batch/varies_b_flat", TL_BF16, 3, 2, {4, 2, 20}, {20, 7}, FILL_NORMAL, FILL_NORMAL, true, false},
    {"matmul/batch/varies_a_flat", TL_F32, 2, 3, {2, 20}, {4, 20, 7}, FILL_NORMAL, FILL_NORMAL, false, true},
    {"matmul/batch/broadcast", TL_F32, 4, 3, {2, 1, 3, 18}, {4, 18, 5}, FILL_NORMAL, FILL_NORMAL, false, false},
    {"matmul/batch/cross", TL_F16, 4, 4, {2, 1, 3, 18}, {1, 3, 18, 5}, FILL_NORMAL, FILL_NORMAL, false, false},
};
/* clang-format on */

static void build_scores(case_env *e) { /* q k^T by head, with k [t, h, d] seen as [h, d, t] */
    tl_tensor *q = case_input(e, "q", TL_F32, 3, SHAPE(5, 3, 24), FILL_NORMAL),
              *k = case_input(e, "k", TL_F32, 3, SHAPE(9, 3, 24), FILL_NORMAL);
    tl_tensor *heads = tl_permute(e->g, q, (int[]){1, 0, 2});
    tl_tensor *scores = tl_matmul(e->g, heads, tl_permute(e->g, k, (int[]){1, 2, 0}));
    case_output(e, tl_softmax(e->g, scores, NULL, 0.25f));
}

static void build_views(case_env *e) { /* rows dense but far apart, and repeated rows: no copy is needed */
    tl_tensor *a = case_input(e, "a", TL_F32, 3, SHAPE(4, 2, 40), FILL_NORMAL),
              *b = case_input(e, "b", TL_F32, 2, SHAPE(20, 30), FILL_NORMAL);
    tl_tensor *left = tl_slice(e->g, tl_permute(e->g, a, (int[]){1, 0, 2}), 2, 10, 20, 1);
    case_output(e, tl_matmul(e->g, left, tl_slice(e->g, b, 1, 4, 9, 1)));
    case_output(e, tl_matmul(e->g, tl_slice(e->g, a, 2, 0, 20, 2), tl_broadcast(e->g, tl_slice(e->g, b, 0, 3, 1, 1), 2, SHAPE(20, 30))));
}

static void build_square(case_env *e) { /* one tensor twice */
    tl_tensor *a = case_input(e, "a", TL_F32, 2, SHAPE(19, 19), FILL_NORMAL);
    case_output(e, tl_matmul(e->g, a, a));
}

void cases_matmul(case_list *l) {
    for (int i = 0; i < COUNT(products); i++)
        case_add(l, products[i].name, build, &products[i], sizeof products[i]);
    case_add(l, "matmul/view/scores", build_scores, NULL, 0);
    case_add(l, "matmul/view/slices", build_views, NULL, 0);
    case_add(l, "matmul/view/square", build_square, NULL, 0);
}
