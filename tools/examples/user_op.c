/* user_op.c: an op of the user's own. It is a tl_op like the built-in ones: shapes (infer), the definition (ref), cost; it is threaded over
 * rows like the rest, runs on every backend, shows in prints and profiles, and may stand anywhere in a graph.
 *
 * snake(x; frequency) = x + sin^2(frequency x) / frequency (Ziyin et al. 2020, arXiv:2006.08195), an activation that Tally lacks. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <tally.h>

typedef struct snake_params {
    float frequency;
} snake_params;

/* x [..] f32 -> [..]: called once, when the graph is built. Errors go to the graph, in words that name the op. */
static tl_status snake_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0];
    const snake_params *p = out->params;
    char text[160];
    if (x->dtype != TL_F32)
        return tl_graph_fail(g, TL_ERR_USAGE, "snake: %s must be f32; tl_cast makes it so", tl_describe(x, text, sizeof text));
    if (!(p->frequency > 0))
        return tl_graph_fail(g, TL_ERR_USAGE, "snake: the frequency must be above 0");
    out->dtype = TL_F32;
    out->rank = x->rank;
    out->size = x->size; /* a varying first axis stays one */
    memcpy(out->shape, x->shape, sizeof out->shape);
    return TL_OK;
}

/* The definition: rows row0 <= r < row1, on any thread. A row's result depends on that row alone. sinf is the C library's, so these
 * bits may differ from machine to machine; an op of the library may not do that (ARCHITECTURE.md, "Numerics", rule 5). */
static void snake_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    float f = ((const snake_params *)out->params)->frequency;
    (void)scratch; /* tl_op.scratch says how many bytes an op wants here */
    for (int64_t r = row0; r < row1; r++) {
        const float *x = tl_row(out->src[0], r);
        float *y = tl_row(out, r);
        for (int64_t i = 0; i < tl_dim(out, -1); i++) {
            float s = sinf(f * x[i]);
            y[i] = x[i] + s * s / f;
        }
    }
}

static void snake_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    double elements = (double)rows * (double)tl_dim(out, -1);
    *c = (tl_cost){.ops = elements * 20, .read = elements * sizeof(float), .written = elements * sizeof(float)};
}

/* Elementwise: a plan may give y the memory of x. Must outlive the graphs that use it. */
static const tl_op snake_op = {.name = "snake",
                               .formula = "y = x + sin^2(f x) / f",
                               .id = -1,
                               .min_src = 1,
                               .max_src = 1,
                               .flags = TL_OP_ELEMENTWISE,
                               .infer = snake_infer,
                               .ref = snake_ref,
                               .cost = snake_cost};

/* The builder. tl_node copies the parameters, and copies x where its rows are not dense. */
static tl_tensor *snake(tl_graph *g, tl_tensor *x, float frequency) {
    return tl_node(g, &snake_op, 1, &x, &(snake_params){frequency}, sizeof(snake_params));
}

enum { ROWS = 256, WIDTH = 64 };

/* y = snake(x + x) on a backend. */
static tl_status run(const char *spec, float frequency, float (*x)[WIDTH], float (*y)[WIDTH], tl_error *err) {
    tl_backend *be = NULL;
    tl_graph *g = NULL;
    tl_plan *plan = NULL;
    tl_status s = tl_backend_open(&be, spec, err);
    if (!s)
        s = tl_graph_new(&g, err);
    tl_tensor *in = tl_input(g, "x", TL_F32, 2, (int64_t[]){ROWS, WIDTH});
    tl_tensor *out = tl_output(g, snake(g, tl_add(g, in, in), frequency));
    if (!s && !(s = tl_plan_new(&plan, g, be, NULL, err)) && !(s = tl_write(in, x, sizeof *x * ROWS, err)) && !(s = tl_plan_run(plan, err)))
        s = tl_read(out, y, sizeof *y * ROWS, err);
    if (!s)
        printf("%-24s y[0] = %.6f %.6f %.6f ...\n", tl_backend_describe(be), y[0][0], y[0][1], y[0][2]);
    tl_plan_free(plan);
    tl_graph_free(g);
    tl_backend_free(be);
    return s;
}

int main(void) {
    static const char *const specs[] = {"ref:threads=1", "cpu:threads=1", "cpu:threads=3"};
    static float x[ROWS][WIDTH], y[3][ROWS][WIDTH];
    tl_error err = {0};
    for (int i = 0; i < ROWS * WIDTH; i++)
        x[i / WIDTH][i % WIDTH] = (float)(i % 1000) / 100 - 5;
    for (int k = 0; k < 3; k++)
        if (run(specs[k], 2, x, y[k], &err))
            return printf("%s\n", err.message), 1;
    float want = 2 * x[0][0] + sinf(4 * x[0][0]) * sinf(4 * x[0][0]) / 2;
    bool same = !memcmp(y[0], y[1], sizeof y[0]) && !memcmp(y[0], y[2], sizeof y[0]), right = fabsf(y[0][0][0] - want) < 1e-5f;
    printf("the same on all: %s; as the formula says: %s\n", same ? "yes" : "NO", right ? "yes" : "NO");
    bool refused = run("cpu", -1, x, y[0], &err) == TL_ERR_USAGE;
    printf("a wrong parameter says: %s\n", err.message);
    return same && right && refused ? 0 : 1;
}
