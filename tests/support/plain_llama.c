/* plain_llama.c: the Llama model in plain loops (plain_llama.h): the whole sequence at once, no cache, no batches, libm. */
#include "tests/support/plain_llama.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double *room(size_t n) {
    double *p = calloc(n, sizeof *p);
    if (!p) {
        fprintf(stderr, "plain model: out of memory\n");
        exit(99);
    }
    return p;
}

static const tiny_tensor *weight(const tiny_model *m, int layer, const char *part, const char *suffix) {
    char name[64];
    if (layer < 0)
        snprintf(name, sizeof name, "%s.%s", part, suffix);
    else
        snprintf(name, sizeof name, "blk.%d.%s.%s", layer, part, suffix);
    return tiny_find(m, name);
}

/* y[r] = sum_k w[r][k] x[k] (+ bias[r]) for every row r of the weight. */
static void multiply(const tiny_model *m, int layer, const char *part, const double *x, double *y) {
    const tiny_tensor *w = weight(m, layer, part, "weight"), *bias = weight(m, layer, part, "bias");
    if (!w)
        w = weight(m, -1, "token_embd", "weight"); /* tied */
    for (int64_t r = 0; r < w->shape[0]; r++) {
        y[r] = bias ? (double)bias->values[r] : 0;
        for (int64_t k = 0; k < w->shape[1]; k++)
            y[r] += (double)w->values[r * w->shape[1] + k] * x[k];
    }
}

static void normalise(const tiny_model *m, int layer, const char *part, const double *x, double *y) {
    const tiny_tensor *w = weight(m, layer, part, "weight");
    double squares = 0;
    for (int i = 0; i < m->c.n_embd; i++)
        squares += x[i] * x[i];
    for (int i = 0; i < m->c.n_embd; i++)
        y[i] = x[i] / sqrt(squares / m->c.n_embd + m->c.eps) * (double)w->values[i];
}

/* The angle by which pair p of a head turns at position pos, and what its cosine and sine are multiplied by. */
static double angle(const tiny_model *m, int dims, int p, int pos, double *magnitude) {
    const tiny_config *c = &m->c;
    const tiny_tensor *factors = tiny_find(m, "rope_freqs.weight");
    double theta = pos * pow(c->rope_base, -2.0 * p / dims);
    *magnitude = c->attn_factor != 0 ? c->attn_factor : 1;
    if (factors)
        theta /= (double)factors->values[p];
    if (c->scaling && strcmp(c->scaling, "linear") == 0)
        return theta / c->factor;
    if (c->scaling && strcmp(c->scaling, "yarn") == 0) {
        /* Peng et al. 2023 (arXiv:2309.00071): 32 and 1 turns within the trained context bound the ramp */
        double from = floor(dims * log(c->original_ctx / (32 * 2 * 3.14159265358979)) / (2 * log(c->rope_base)));
        double to = ceil(dims * log(c->original_ctx / (1 * 2 * 3.14159265358979)) / (2 * log(c->rope_base)));
        from = from < 0 ? 0 : from;
        to = to > dims - 1 ? dims - 1 : to;
        double ramp = (p - from) / (to - from > 0.001 ? to - from : 0.001);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        *magnitude *= 0.1 * log(c->factor) + 1;
        return theta / c->factor * ramp + theta * (1 - ramp);
    }
    return theta;
}

/* Turns neighbouring pairs of each head; dims beyond rope_dims stay. */
static void rotate(const tiny_model *m, double *x, int heads, int pos) {
    int d = m->c.head_dim, dims = m->c.rope_dims ? m->c.rope_dims : d;
    for (int h = 0; h < heads; h++)
        for (int p = 0; p < dims / 2; p++) {
            double magnitude, a = angle(m, dims, p, pos, &magnitude);
            double *pair = x + h * d + 2 * p, x0 = pair[0], x1 = pair[1];
            pair[0] = (x0 * cos(a) - x1 * sin(a)) * magnitude;
            pair[1] = (x0 * sin(a) + x1 * cos(a)) * magnitude;
        }
}

/* One head's query at position t over the keys and values of positions 0 .. t. */
static void attend(const tiny_config *c, const double *q, const double *k, const double *v, int kv_head, int t, double *out) {
    double *score = room((size_t)t + 1), largest = -INFINITY, sum = 0;
    for (int s = 0; s <= t; s++) {
        for (int i = 0; i < c->head_dim; i++)
            score[s] += q[i] * k[((size_t)s * (size_t)c->n_head_kv + (size_t)kv_head) * (size_t)c->head_dim + (size_t)i];
        score[s] /= sqrt(c->head_dim);
        largest = score[s] > largest ? score[s] : largest;
    }
    for (int s = 0; s <= t; s++)
        sum += score[s] = exp(score[s] - largest);
    for (int i = 0; i < c->head_dim_v; i++) {
        out[i] = 0;
        for (int s = 0; s <= t; s++)
            out[i] += score[s] / sum * v[((size_t)s * (size_t)c->n_head_kv + (size_t)kv_head) * (size_t)c->head_dim_v + (size_t)i];
    }
    free(score);
}

/* x [n, n_embd] through one layer. */
static void run_layer(const tiny_model *m, int layer, double *x, int n) {
    const tiny_config *c = &m->c;
    size_t dim = (size_t)c->n_embd, rows = (size_t)n, ff = (size_t)c->n_ff;
    size_t wide_q = (size_t)(c->n_head * c->head_dim), wide_k = (size_t)(c->n_head_kv * c->head_dim);
    size_t wide_v = (size_t)(c->n_head_kv * c->head_dim_v), wide_a = (size_t)(c->n_head * c->head_dim_v);
    double *y = room(dim), *q = room(rows * wide_q), *k = room(rows * wide_k), *v = room(rows * wide_v), *a = room(wide_a);
    double *gate = room(ff), *up = room(ff), *back = room(dim);
    for (int t = 0; t < n; t++) {
        normalise(m, layer, "attn_norm", x + (size_t)t * dim, y);
        multiply(m, layer, "attn_q", y, q + (size_t)t * wide_q);
        multiply(m, layer, "attn_k", y, k + (size_t)t * wide_k);
        multiply(m, layer, "attn_v", y, v + (size_t)t * wide_v);
        rotate(m, q + (size_t)t * wide_q, c->n_head, t);
        rotate(m, k + (size_t)t * wide_k, c->n_head_kv, t);
    }
    for (int t = 0; t < n; t++) {
        double *row = x + (size_t)t * dim;
        for (int h = 0; h < c->n_head; h++)
            attend(c, q + (size_t)t * wide_q + h * c->head_dim, k, v, h / (c->n_head / c->n_head_kv), t, a + h * c->head_dim_v);
        multiply(m, layer, "attn_output", a, back);
        for (size_t i = 0; i < dim; i++)
            row[i] += back[i];
        normalise(m, layer, "ffn_norm", row, y);
        multiply(m, layer, "ffn_gate", y, gate);
        multiply(m, layer, "ffn_up", y, up);
        for (size_t i = 0; i < ff; i++)
            gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
        multiply(m, layer, "ffn_down", gate, back);
        for (size_t i = 0; i < dim; i++)
            row[i] += back[i];
    }
    free(y);
    free(q);
    free(k);
    free(v);
    free(a);
    free(gate);
    free(up);
    free(back);
}

void plain_llama(const tiny_model *m, const int32_t *ids, int n, double *logits, double *hidden) {
    size_t dim = (size_t)m->c.n_embd;
    const tiny_tensor *table = weight(m, -1, "token_embd", "weight");
    double *x = room((size_t)n * dim), *y = room(dim);
    for (int t = 0; t < n; t++)
        for (size_t i = 0; i < dim; i++)
            x[(size_t)t * dim + i] = (double)table->values[(size_t)ids[t] * dim + i];
    for (int layer = 0; layer < m->c.n_layer; layer++)
        run_layer(m, layer, x, n);
    for (int t = 0; t < n; t++) {
        normalise(m, -1, "output_norm", x + (size_t)t * dim, y);
        if (hidden)
            memcpy(hidden + (size_t)t * dim, y, dim * sizeof *y);
        multiply(m, -1, "output", y, logits + (size_t)t * (size_t)m->c.n_vocab);
    }
    free(x);
    free(y);
}
