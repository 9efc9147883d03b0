/* recurrent.c: two layers of a minimal gated recurrent unit (Feng et al. 2024, arXiv:2410.01201) whose state lies in a bank from run to run.
 * Products take all tokens of a run at once, the recurrence takes one after the other. The program checks that eight tokens one by one give
 * the bits of the same tokens four by four, and that a state of zeros begins anew. */
#include <stdio.h>
#include <string.h>
#include <tally.h>

enum { DIM = 32, LAYERS = 2, TOKENS = 8 };

typedef struct model {
    tl_backend *backend;
    tl_bank *bank;
    tl_tensor *gate, *candidate, *state; /* [LAYERS, DIM, DIM] twice, [LAYERS, DIM] */
    uint32_t random;
} model;

/* The same layers over `tokens` rows a run: graphs share the bank, and with it the state. */
typedef struct network {
    tl_graph *g;
    tl_plan *plan;
    tl_tensor *x, *y; /* [tokens, DIM] */
    int tokens;
} network;

static void fill(model *m, float *x, int n) {
    for (int i = 0; i < n; i++) {
        m->random = m->random * 1664525u + 1013904223u;
        x[i] = (float)(m->random >> 8) * 0x1p-24f - 0.5f;
    }
}

static tl_status open_model(model *m, tl_error *err) {
    static float w[LAYERS * DIM * DIM];
    const int64_t shape[3] = {LAYERS, DIM, DIM};
    tl_status s;
    if ((s = tl_backend_open(&m->backend, NULL, err)) || (s = tl_bank_new(&m->bank, m->backend, err)) ||
        (s = tl_bank_add(m->bank, "state", TL_F32, 2, (int64_t[]){LAYERS, DIM}, NULL, &m->state, err)) ||
        (s = tl_bank_add(m->bank, "gate", TL_F32, 3, shape, NULL, &m->gate, err)) ||
        (s = tl_bank_add(m->bank, "candidate", TL_F32, 3, shape, NULL, &m->candidate, err)))
        return s;
    fill(m, w, LAYERS * DIM * DIM);
    if ((s = tl_write(m->gate, w, sizeof w, err)))
        return s;
    fill(m, w, LAYERS * DIM * DIM);
    return tl_write(m->candidate, w, sizeof w, err);
}

/* Matrix number `layer` of w [LAYERS, DIM, DIM]. */
static tl_tensor *matrix(tl_graph *g, tl_tensor *w, int layer) {
    return tl_reshape(g, tl_slice(g, w, 0, layer, 1, 1), 2, (int64_t[]){DIM, DIM});
}

/* x [tokens, DIM] -> x + h [tokens, DIM], h = keep h + (1 - keep) new for one token after the other. */
static tl_tensor *layer_of(const model *m, tl_graph *g, int layer, tl_tensor *x, int tokens) {
    tl_tensor *keep = tl_sigmoid(g, tl_linear(g, x, matrix(g, m->gate, layer), NULL)), *h[TOKENS];
    tl_tensor *fresh = tl_linear(g, x, matrix(g, m->candidate, layer), NULL);
    for (int t = 0; t < tokens; t++) {
        /* This layer's row, as the last write of any row left the state. */
        tl_tensor *row = tl_slice(g, tl_latest(g, m->state), 0, layer, 1, 1), *now = tl_slice(g, fresh, 0, t, 1, 1);
        tl_tensor *mixed = tl_add(g, now, tl_mul(g, tl_slice(g, keep, 0, t, 1, 1), tl_sub(g, row, now)));
        tl_assign(g, row, mixed);
        h[t] = mixed; /* not the state, which the next token overwrites */
    }
    return tl_add(g, x, tokens == 1 ? h[0] : tl_concat(g, h, tokens, 0));
}

static tl_status build(network *n, const model *m, int tokens, tl_error *err) {
    tl_status s = tl_graph_new(&n->g, err);
    n->tokens = tokens;
    n->x = tl_input(n->g, "x", TL_F32, 2, (int64_t[]){tokens, DIM});
    n->y = n->x;
    for (int layer = 0; layer < LAYERS; layer++)
        n->y = layer_of(m, n->g, layer, n->y, tokens);
    tl_output(n->g, n->y);
    return s ? s : tl_plan_new(&n->plan, n->g, m->backend, NULL, err);
}

/* All tokens, from a state of zeros. */
static tl_status run(const network *n, const model *m, float (*x)[DIM], float (*y)[DIM], tl_error *err) {
    static const float zeros[LAYERS][DIM];
    tl_status s = tl_write(m->state, zeros, sizeof zeros, err);
    size_t bytes = sizeof *x * (size_t)n->tokens;
    for (int t = 0; t < TOKENS && !s; t += n->tokens)
        if (!(s = tl_write(n->x, x[t], bytes, err)) && !(s = tl_plan_run(n->plan, err)))
            s = tl_read(n->y, y[t], bytes, err);
    return s;
}

int main(void) {
    static float x[TOKENS][DIM], single[TOKENS][DIM], fours[TOKENS][DIM], again[TOKENS][DIM];
    model m = {0};
    network one = {0}, four = {0};
    tl_error err = {0};
    tl_status s = open_model(&m, &err);
    fill(&m, &x[0][0], TOKENS * DIM);
    memcpy(x[4], x[0], sizeof x[0]); /* tokens 0 and 4 are equal: only the state tells them apart */
    if (!s && !(s = build(&one, &m, 1, &err)) && !(s = build(&four, &m, 4, &err)) && !(s = run(&one, &m, x, single, &err)) &&
        !(s = run(&four, &m, x, fours, &err)))
        s = run(&one, &m, x, again, &err);
    bool same = !memcmp(single, fours, sizeof single), anew = !memcmp(single, again, sizeof single);
    bool remembers = memcmp(single[0], single[4], sizeof single[0]) != 0;
    if (s)
        printf("%s\n", err.message);
    else
        printf("y[7] = %.6f %.6f %.6f ...\nfour by four: %s; from zeros again: %s; token 4 knows of token 0: %s\n", single[7][0],
               single[7][1], single[7][2], same ? "the same bits" : "DIFFERENT", anew ? "the same bits" : "DIFFERENT",
               remembers ? "yes" : "NO");
    tl_plan_free(one.plan), tl_graph_free(one.g);
    tl_plan_free(four.plan), tl_graph_free(four.g);
    tl_bank_free(m.bank), tl_backend_free(m.backend);
    return !s && same && anew && remembers ? 0 : 1;
}
