/* mlp.c: a two-layer perceptron on given weights: it adds two numbers of two bits each, exactly. It shows weights in a bank, a batch whose
 * size varies from run to run, a printed plan, and an error message. */
#include <stdio.h>
#include <tally.h>

/* Inputs are the bits a1 a0 b1 b0. Hidden unit t is relu(value - t) with value = 2 a1 + a0 + 2 b1 + b0; the outputs are the bits of
 * the sum: step(value >= t) = relu(value - t + 1) - relu(value - t), and a bit is a sum of steps with signs. */
enum { IN = 4, HIDDEN = 7, OUT = 3, CASES = 16 };

static const float w1[HIDDEN][IN] = {{2, 1, 2, 1}, {2, 1, 2, 1}, {2, 1, 2, 1}, {2, 1, 2, 1}, {2, 1, 2, 1}, {2, 1, 2, 1}, {2, 1, 2, 1}};
static const float b1[HIDDEN] = {0, -1, -2, -3, -4, -5, -6};
static const float w2[OUT][HIDDEN] = {
    {0, 0, 0, 1, -1, 0, 0},   /* 4: value >= 4 */
    {0, 1, -1, -1, 1, 1, -1}, /* 2: value in 2, 3, 6 */
    {1, -2, 2, -2, 2, -2, 1}, /* 1: value odd */
};

typedef struct mlp {
    tl_backend *backend;
    tl_bank *bank;
    tl_graph *g;
    tl_plan *plan;
    tl_tensor *x, *y;
} mlp;

/* A weight that lies in this program's memory: wrapped, not copied. */
static tl_status weight(mlp *m, const char *name, int rank, const int64_t *shape, const void *data, tl_tensor **out, tl_error *err) {
    return tl_bank_wrap(m->bank, name, TL_F32, rank, shape, data, false, out, err);
}

static tl_status build(mlp *m, tl_error *err) {
    tl_tensor *t_w1, *t_b1, *t_w2;
    tl_status s;
    if ((s = tl_backend_open(&m->backend, NULL, err)) || (s = tl_bank_new(&m->bank, m->backend, err)) || (s = tl_graph_new(&m->g, err)) ||
        (s = weight(m, "w1", 2, (int64_t[]){HIDDEN, IN}, w1, &t_w1, err)) ||
        (s = weight(m, "b1", 1, (int64_t[]){HIDDEN}, b1, &t_b1, err)) || (s = weight(m, "w2", 2, (int64_t[]){OUT, HIDDEN}, w2, &t_w2, err)))
        return s;
    int64_t n = tl_size(m->g, "n", CASES); /* rows of a run: up to CASES */
    m->x = tl_input(m->g, "x", TL_F32, 2, (int64_t[]){n, IN});
    tl_tensor *hidden = tl_relu(m->g, tl_linear(m->g, m->x, t_w1, t_b1)); /* [n, HIDDEN] */
    m->y = tl_output(m->g, tl_linear(m->g, hidden, t_w2, NULL));          /* [n, OUT] */
    return tl_plan_new(&m->plan, m->g, m->backend, NULL, err);
}

/* Runs cases first .. first + n - 1 and returns how many sums are right, -1 on error. */
static int run(mlp *m, int first, int n, tl_error *err) {
    float x[CASES][IN], y[CASES][OUT];
    int right = 0;
    for (int i = 0; i < n; i++)
        for (int bit = 0; bit < IN; bit++)
            x[i][bit] = (float)((first + i) >> (IN - 1 - bit) & 1);
    if (tl_plan_set(m->plan, "n", n, err) || tl_write(m->x, x, sizeof x[0] * (size_t)n, err) || tl_plan_run(m->plan, err) ||
        tl_read(m->y, y, sizeof y[0] * (size_t)n, err))
        return -1;
    for (int i = 0; i < n; i++)
        right += 4 * y[i][0] + 2 * y[i][1] + y[i][2] == (float)(((first + i) >> 2) + ((first + i) & 3));
    return right;
}

static bool print(void *ctx, const char *text, size_t n) {
    return fwrite(text, 1, n, ctx) == n;
}

int main(void) {
    mlp m = {0};
    tl_error err = {0};
    int right = -1, last = -1;
    if (!build(&m, &err)) {
        tl_plan_print(m.plan, print, stdout); /* steps, kernels, tiles, bytes */
        right = run(&m, 0, 13, &err);
        last = right < 0 ? -1 : run(&m, 13, 3, &err); /* the same plan, another batch */
    }
    if (last < 0)
        printf("%s\n", err.message);
    else
        printf("%d of %d sums are right\n", right + last, CASES);

    /* What a mistake looks like: the graph keeps the first message, builders after it do nothing. */
    tl_graph *g;
    if (m.bank && !tl_graph_new(&g, &err)) {
        tl_relu(g, tl_linear(g, tl_input(g, "x", TL_F32, 2, (int64_t[]){1, 3}), tl_bank_find(m.bank, "w1"), NULL));
        printf("a wrong shape says: %s\n", tl_graph_error(g)->message);
        tl_graph_free(g);
    }
    tl_plan_free(m.plan);
    tl_graph_free(m.g);
    tl_bank_free(m.bank); /* after the plans that use it */
    tl_backend_free(m.backend);
    return right + last == CASES ? 0 : 1;
}
