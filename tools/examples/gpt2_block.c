/* gpt2_block.c: one block of GPT-2 (Radford et al. 2019), written on the ops alone: layer norm, attention over a cache of keys and values,
 * a GELU feed-forward, residuals. Weights come from a small generator. Two checks, both to the bit: eight tokens at once give
 * what the same tokens give one by one, and the definition of all ops (backend ref) gives what the fast backend gives. */
#include <stdio.h>
#include <string.h>
#include <tally.h>

enum { DIM = 64, HEADS = 4, HEAD = DIM / HEADS, FF = 4 * DIM, CONTEXT = 64, TOKENS = 8 };

typedef struct block {
    tl_backend *backend;
    tl_bank *bank; /* what outlives a run: weights, keys, values */
    tl_graph *g;
    tl_plan *plan;
    tl_tensor *x, *slots, *span, *y; /* inputs x [n, DIM], slots [n], span [n, 3]; output y [n, DIM] */
    uint32_t random;
    tl_status status; /* of making weights: the first failure stays */
} block;

/* -1 .. 1, the same on every machine. */
static float next(block *b) {
    b->random = b->random * 1664525u + 1013904223u;
    return (float)(b->random >> 8) * 0x1p-23f - 1;
}

/* A weight [rows, columns], or a vector [rows] where columns is 0: offset + scale * random. */
static tl_tensor *weight(block *b, const char *name, int rows, int columns, float offset, float scale, tl_error *err) {
    static float data[FF * DIM];
    tl_tensor *t = NULL;
    int count = rows * (columns ? columns : 1);
    for (int i = 0; i < count; i++)
        data[i] = offset + scale * next(b);
    if (!b->status)
        b->status = tl_bank_add(b->bank, name, TL_F32, columns ? 2 : 1, (int64_t[]){rows, columns}, NULL, &t, err);
    if (!b->status)
        b->status = tl_write(t, data, sizeof *data * (size_t)count, err);
    return t; /* NULL passes through the builders; build looks at b->status */
}

static tl_tensor *cache(block *b, const char *name, tl_error *err) {
    tl_tensor *t = NULL;
    if (!b->status)
        b->status = tl_bank_add(b->bank, name, TL_F32, 3, (int64_t[]){CONTEXT, HEADS, HEAD}, NULL, &t, err);
    return t;
}

static tl_tensor *linear(block *b, const char *name, tl_tensor *x, int out, int in, tl_error *err) {
    char bias[32];
    snprintf(bias, sizeof bias, "%s.bias", name);
    tl_tensor *w = weight(b, name, out, in, 0, 0.2f, err);
    return tl_name(b->g, tl_linear(b->g, x, w, weight(b, bias, out, 0, 0, 0.1f, err)), "%s", name);
}

static tl_tensor *norm(block *b, const char *name, tl_tensor *x, tl_error *err) {
    char bias[32];
    snprintf(bias, sizeof bias, "%s.bias", name);
    tl_tensor *w = weight(b, name, DIM, 0, 1, 0.1f, err);
    return tl_layer_norm(b->g, x, w, weight(b, bias, DIM, 0, 0, 0.1f, err), 1e-5f);
}

/* Columns part * DIM .. of qkv [n, 3 DIM] as heads [n, HEADS, HEAD]: a view, no data moves. */
static tl_tensor *heads(block *b, tl_tensor *qkv, int part) {
    return tl_reshape(b->g, tl_slice(b->g, qkv, 1, part * DIM, DIM, 1), 3, (int64_t[]){-1, HEADS, HEAD});
}

static tl_tensor *attention(block *b, tl_tensor *x, tl_error *err) {
    tl_tensor *qkv = linear(b, "attn.qkv", x, 3 * DIM, DIM, err);
    /* What set_rows returns is the cache after the write: attention reads that handle, so the order is in the data flow. */
    tl_tensor *k = tl_set_rows(b->g, cache(b, "k", err), b->slots, heads(b, qkv, 1));
    tl_tensor *v = tl_set_rows(b->g, cache(b, "v", err), b->slots, heads(b, qkv, 2));
    tl_tensor *y = tl_attention(b->g, heads(b, qkv, 0), k, v, b->span, NULL, NULL, NULL, 0.25f /* 1 / sqrt(HEAD) */, 0);
    return linear(b, "attn.out", tl_reshape(b->g, y, 2, (int64_t[]){-1, DIM}), DIM, DIM, err);
}

static tl_tensor *feed_forward(block *b, tl_tensor *x, tl_error *err) {
    return linear(b, "mlp.out", tl_gelu(b->g, linear(b, "mlp.in", x, FF, DIM, err)), DIM, FF, err);
}

static tl_status build(block *b, const char *backend, tl_error *err) {
    memset(b, 0, sizeof *b);
    if ((b->status = tl_backend_open(&b->backend, backend, err)) || (b->status = tl_bank_new(&b->bank, b->backend, err)) ||
        (b->status = tl_graph_new(&b->g, err)))
        return b->status;
    int64_t n = tl_size(b->g, "n", TOKENS);
    b->x = tl_input(b->g, "x", TL_F32, 2, (int64_t[]){n, DIM});
    b->slots = tl_input(b->g, "slots", TL_I32, 1, &n);
    b->span = tl_input(b->g, "span", TL_I32, 2, (int64_t[]){n, 3});
    tl_tensor *x = tl_add(b->g, b->x, attention(b, norm(b, "ln_1", b->x, err), err));
    b->y = tl_output(b->g, tl_add(b->g, x, feed_forward(b, norm(b, "ln_2", x, err), err)));
    return b->status ? b->status : tl_plan_new(&b->plan, b->g, b->backend, NULL, err);
}

/* Tokens first .. first + n - 1 of x into y. Where a token stands is data: its row of the cache, and the keys that it sees. */
static tl_status step(block *b, float (*x)[DIM], float (*y)[DIM], int first, int n, tl_error *err) {
    int32_t slots[TOKENS], span[TOKENS][3];
    size_t bytes = sizeof x[0] * (size_t)n;
    for (int i = 0; i < n; i++) {
        slots[i] = first + i;
        span[i][0] = 0;             /* sequence */
        span[i][1] = 0;             /* first key */
        span[i][2] = first + i + 1; /* end: itself and all before it */
    }
    tl_status s;
    if ((s = tl_plan_set(b->plan, "n", n, err)) || (s = tl_write(b->x, x[first], bytes, err)) ||
        (s = tl_write(b->slots, slots, sizeof *slots * (size_t)n, err)) || (s = tl_write(b->span, span, sizeof *span * (size_t)n, err)) ||
        (s = tl_plan_run(b->plan, err)))
        return s;
    return tl_read(b->y, y[first], bytes, err);
}

static void drop(block *b) {
    tl_plan_free(b->plan);
    tl_graph_free(b->g);
    tl_bank_free(b->bank);
    tl_backend_free(b->backend);
}

int main(void) {
    static float x[TOKENS][DIM], at_once[TOKENS][DIM], one_by_one[TOKENS][DIM], by_ref[TOKENS][DIM];
    tl_error err = {0};
    block b, ref = {0};
    tl_status s = build(&b, NULL, &err);
    for (int i = 0; i < TOKENS * DIM; i++)
        x[i / DIM][i % DIM] = next(&b);
    if (!s)
        s = step(&b, x, at_once, 0, TOKENS, &err);
    for (int i = 0; i < TOKENS && !s; i++)
        s = step(&b, x, one_by_one, i, 1, &err);
    if (!s && !(s = build(&ref, "ref", &err)))
        s = step(&ref, x, by_ref, 0, TOKENS, &err);
    bool same = !memcmp(at_once, one_by_one, sizeof at_once), agree = !memcmp(at_once, by_ref, sizeof at_once);
    if (s)
        printf("%s\n", err.message);
    else
        printf("y[7] = %.6f %.6f %.6f ...\none by one: %s\n%s against ref: %s\n", at_once[7][0], at_once[7][1], at_once[7][2],
               same ? "the same bits" : "DIFFERENT", tl_backend_describe(b.backend), agree ? "the same bits" : "DIFFERENT");
    drop(&b);
    drop(&ref);
    return !s && same && agree ? 0 : 1;
}
