/* idioms.c: what is no op because a few ops make it: a convolution, softplus, a soft cap, a norm by 1 + w, a relative bias of attention, a
 * mixture of experts. Each stands in a function to copy; the program compares its results with plain loops. */
#include <math.h>
#include <stdio.h>
#include <tally.h>

#define SHAPE(...) ((int64_t[]){__VA_ARGS__})

/* A 3x3 convolution with padding, of any stride or dilation: pixels x [h w, c] and a row of zeros [1, c]; around [h w, 9] i32 has the numbers
 * of each output's nine pixels, h w where one lies outside; kernel [out, 9 c], its rows in the order ky, kx, c -> [h w, out]. */
static tl_tensor *convolution(tl_graph *g, tl_tensor *x, tl_tensor *zeros, tl_tensor *around, tl_tensor *kernel) {
    tl_tensor *patches = tl_gather(g, tl_concat(g, (tl_tensor *[]){x, zeros}, 2, 0), around); /* [h w, 9, c] */
    return tl_linear(g, tl_reshape(g, patches, 2, SHAPE(-1, tl_dim(kernel, 1))), kernel, NULL);
}

/* log(1 + exp(x)) for any x, large ones too. */
static tl_tensor *softplus(tl_graph *g, tl_tensor *x) {
    return tl_sub(g, tl_relu(g, x), tl_log(g, tl_sigmoid(g, tl_abs(g, x))));
}

/* cap tanh(x / cap): Gemma 2's logits. tl_attention has a cap of its own for scores. */
static tl_tensor *soft_cap(tl_graph *g, tl_tensor *x, float cap) {
    return tl_scale(g, tl_tanh(g, tl_scale(g, x, 1 / cap)), cap);
}

/* The RMS norm times 1 + w. */
static tl_tensor *norm_one_plus(tl_graph *g, tl_tensor *x, tl_tensor *w, float eps) {
    tl_tensor *n = tl_rms_norm(g, x, NULL, eps);
    return tl_add(g, n, tl_mul(g, n, w));
}

/* T5's bias of attention: table [buckets, heads], bucket [n, keys] i32 of each pair -> [n, heads, keys], tl_attention's bias. */
static tl_tensor *relative_bias(tl_graph *g, tl_tensor *table, tl_tensor *bucket) {
    return tl_permute(g, tl_embed(g, table, bucket), (int[]){0, 2, 1});
}

/* Of the experts w [experts, out, in] each row of x [n, in] takes the k that router [experts, in] likes best -> [n, out]. The matrices that
 * are taken are copied, so this is for few rows; for many compute every expert and weigh those that were not chosen by 0. */
static tl_tensor *experts(tl_graph *g, tl_tensor *x, tl_tensor *router, tl_tensor *w, int64_t k) {
    tl_tensor *weight, *id;
    tl_topk(g, tl_softmax(g, tl_linear(g, x, router, NULL), NULL, 1), k, &weight, &id); /* [n, k] each */
    weight = tl_div(g, weight, tl_sum(g, weight));
    tl_tensor *column = tl_reshape(g, x, 4, SHAPE(-1, 1, tl_dim(x, 1), 1));
    tl_tensor *y = tl_matmul(g, tl_gather(g, w, id), column); /* [n, k, out, in] times [n, 1, in, 1] */
    y = tl_matmul(g, tl_reshape(g, weight, 3, SHAPE(-1, 1, k)), tl_reshape(g, y, 3, SHAPE(-1, k, tl_dim(w, 1))));
    return tl_reshape(g, y, 2, SHAPE(-1, tl_dim(w, 1)));
}

enum { H = 4, W = 5, C = 3, OUT = 2, N = 4, HEADS = 2, BUCKETS = 7, EXPERTS = 5, K = 2, MOST = 64 };

static float x[H * W][C], zeros[1][C], kernel[OUT][3][3][C], w1[C], table[BUCKETS][HEADS], router[EXPERTS][C], expert[EXPERTS][OUT][C];
static int32_t around[H * W][3][3], bucket[N][N];

static void fill(float *data, size_t n, uint32_t seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (float)(seed >> 8) * 0x1p-22f - 2;
    }
}

static void prepare(void) {
    fill(&x[0][0], H * W * C, 1), fill(&kernel[0][0][0][0], OUT * 9 * C, 2), fill(w1, C, 3), fill(&table[0][0], BUCKETS * HEADS, 4);
    fill(&router[0][0], EXPERTS * C, 5), fill(&expert[0][0][0], EXPERTS * OUT * C, 6);
    x[1][0] = 200; /* exp of it is no f32 */
    for (int i = 0; i < H * W * 9; i++) {
        int row = i / 9 / W + i % 9 / 3 - 1, column = i / 9 % W + i % 3 - 1;
        bool inside = row >= 0 && row < H && column >= 0 && column < W;
        around[i / 9][i % 9 / 3][i % 3] = inside ? row * W + column : H * W;
    }
    for (int i = 0; i < N * N; i++)
        bucket[i / N][i % N] = i % N - i / N + N - 1; /* by distance */
}

/* The largest error of y against a function that computes element i, j, relative to what is above 1. */
static double worst(const float *y, int rows, int columns, double (*want)(int i, int j)) {
    double most = 0;
    for (int i = 0; i < rows * columns; i++) {
        double v = want(i / columns, i % columns), e = fabs(y[i] - v) / (fabs(v) > 1 ? fabs(v) : 1);
        most = e <= most ? most : e; /* NaN counts */
    }
    return most;
}
static double want_convolution(int i, int o) {
    double sum = 0;
    for (int k = 0; k < 9 * C; k++) {
        int row = i / W + k / C / 3 - 1, column = i % W + k / C % 3 - 1;
        if (row >= 0 && row < H && column >= 0 && column < W)
            sum += (double)x[row * W + column][k % C] * kernel[o][k / C / 3][k / C % 3][k % C];
    }
    return sum;
}
static double want_softplus(int i, int j) {
    return x[i][j] > 100 ? x[i][j] : log1p(exp(x[i][j]));
}
static double want_cap(int i, int j) {
    return 30 * tanh(x[i][j] / 30);
}
static double want_norm(int i, int j) {
    double sum = 1e-6 * C;
    for (int k = 0; k < C; k++)
        sum += (double)x[i][k] * x[i][k];
    return x[i][j] / sqrt(sum / C) * (1 + w1[j]);
}
static double want_bias(int i, int j) {
    return table[j % N - i + N - 1][j / N];
}
static double want_experts(int i, int o) {
    double score[EXPERTS] = {0}, sum = 0, y = 0;
    int best = 0, second = -1;
    for (int e = 0; e < EXPERTS; e++)
        for (int k = 0; k < C; k++)
            score[e] += (double)router[e][k] * x[i][k];
    for (int e = 1; e < EXPERTS; e++)
        best = score[e] > score[best] ? e : best;
    for (int e = 0; e < EXPERTS; e++)
        second = e != best && (second < 0 || score[e] > score[second]) ? e : second;
    for (int e = 0; e < EXPERTS; e++) {
        double weight = e == best || e == second ? exp(score[e] - score[best]) : 0;
        sum += weight;
        for (int k = 0; k < C; k++)
            y += weight * expert[e][o][k] * x[i][k];
    }
    return y / sum;
}

/* A constant in this program's memory. A missing one is NULL, which the graph reports. */
static tl_tensor *constant(tl_bank *b, const char *name, tl_dtype dtype, int rank, const int64_t *shape, const void *data) {
    tl_tensor *t = NULL;
    tl_bank_wrap(b, name, dtype, rank, shape, data, false, &t, NULL);
    return t;
}

int main(void) {
    tl_error err = {0};
    tl_backend *be = NULL;
    tl_bank *b = NULL;
    tl_graph *g = NULL;
    tl_plan *plan = NULL;
    prepare();
    tl_status s = tl_backend_open(&be, NULL, &err);
    if (!s && !(s = tl_bank_new(&b, be, &err)))
        s = tl_graph_new(&g, &err);
    tl_tensor *in = constant(b, "x", TL_F32, 2, SHAPE(H * W, C), x);
    struct {
        const char *name;
        tl_tensor *y;
        int rows, columns;
        double (*want)(int i, int j);
    } all[] = {
        {"convolution",
         convolution(g, in, constant(b, "zeros", TL_F32, 2, SHAPE(1, C), zeros), constant(b, "around", TL_I32, 2, SHAPE(H * W, 9), around),
                     constant(b, "kernel", TL_F32, 2, SHAPE(OUT, 9 * C), kernel)),
         H * W, OUT, want_convolution},
        {"softplus", softplus(g, in), H * W, C, want_softplus},
        {"soft cap", soft_cap(g, in, 30), H * W, C, want_cap},
        {"norm by 1 + w", norm_one_plus(g, in, constant(b, "w1", TL_F32, 1, SHAPE(C), w1), 1e-6f), H * W, C, want_norm},
        {"relative bias",
         relative_bias(g, constant(b, "table", TL_F32, 2, SHAPE(BUCKETS, HEADS), table),
                       constant(b, "bucket", TL_I32, 2, SHAPE(N, N), bucket)),
         N, HEADS * N, want_bias},
        {"experts",
         experts(g, in, constant(b, "router", TL_F32, 2, SHAPE(EXPERTS, C), router),
                 constant(b, "expert", TL_F32, 3, SHAPE(EXPERTS, OUT, C), expert), K),
         H * W, OUT, want_experts},
    };
    enum { COUNT = sizeof all / sizeof *all };
    for (int i = 0; i < COUNT; i++)
        tl_output(g, all[i].y);
    if (!s && !(s = tl_plan_new(&plan, g, be, NULL, &err)))
        s = tl_plan_run(plan, &err);
    bool right = !s;
    for (int i = 0; i < COUNT && !s; i++) {
        float y[MOST];
        if ((s = tl_read(all[i].y, y, tl_bytes(all[i].y), &err)))
            break;
        double e = worst(y, all[i].rows, all[i].columns, all[i].want);
        right = right && e < 1e-5;
        printf("%-14s %s\n", all[i].name, e < 1e-5 ? "as plain loops have it" : "WRONG");
    }
    if (s)
        printf("%s\n", err.message);
    tl_plan_free(plan), tl_graph_free(g), tl_bank_free(b), tl_backend_free(be);
    return !s && right ? 0 : 1;
}
