/* build.c: the words that architecture files write their graphs with, and the graph of a step around them: inputs, layers, the rows that
 * are wanted, the head. */
#include "models/build.h"

#include <stdio.h>
#include <string.h>

#include "models/gguf.h"
#include "tensor/platform.h"

tl_weight tl_weight_of(const tl_build *b, int row, int i) {
    return b->model->weights[(size_t)row * (size_t)b->hp->n_layer + (size_t)i];
}

/* Names a node after a weight, as "blk.3.attn_q". */
static tl_tensor *name_after(tl_build *b, tl_tensor *t, const tl_tensor *w) {
    const char *name = w && w->name ? w->name : "?", *dot = strrchr(name, '.');
    return tl_name(b->g, t, "%.*s", dot ? (int)(dot - name) : (int)strlen(name), name);
}

tl_tensor *tl_apply(tl_build *b, int row, int i, tl_tensor *x) {
    tl_weight w = tl_weight_of(b, row, i);
    tl_tensor *y = tl_linear(b->g, x, w.w, w.bias);
    const tl_weight_row *r = &b->model->arch->weights[row];
    if (r->tied && y)
        return tl_name(b->g, y, "%s", r->pattern);
    return name_after(b, y, w.w);
}

tl_tensor *tl_norm(tl_build *b, int row, int i, tl_tensor *x) {
    tl_weight w = tl_weight_of(b, row, i);
    return name_after(b, tl_rms_norm(b->g, x, w.w, b->hp->norm_eps), w.w);
}

tl_tensor *tl_heads(tl_build *b, tl_tensor *x, int heads, int d) {
    return tl_reshape(b->g, x, 3, (int64_t[]){-1, heads, d});
}

tl_tensor *tl_hidden(tl_build *b, tl_tensor *x) {
    b->hidden = tl_output(b->g, x);
    return x;
}

tl_tensor *tl_angles(tl_build *b) {
    if (b->angles)
        return b->angles;
    tl_rope_config c = tl_model_rope(b->model);
    double *freq = tl_alloc((size_t)(c.dims / 2) * sizeof *freq), magnitude = 1;
    tl_error err = {0};
    if (!freq)
        tl_graph_fail(b->g, TL_ERR_MEMORY, "rope: out of memory");
    else if (tl_rope_freqs(&c, freq, &magnitude, &err))
        tl_graph_fail(b->g, TL_ERR_FORMAT, "the rope settings or rope_freqs.weight are not usable: %s", err.message);
    else
        b->angles = tl_name(b->g, tl_rope_angles(b->g, b->pos, c.dims / 2, freq, magnitude, NULL), "rope_angles");
    tl_free(freq);
    return b->angles;
}

tl_tensor *tl_attend(tl_build *b, int i, tl_tensor *q, tl_tensor *k, tl_tensor *v, float scale) {
    b->k[i] = tl_set_rows(b->g, b->k[i], b->slots, k);
    b->v[i] = tl_set_rows(b->g, b->v[i], b->slots, v);
    tl_tensor *y = tl_attention(b->g, q, b->k[i], b->v[i], b->span, b->pages, NULL, NULL, scale, 0);
    y = tl_name(b->g, y, "blk.%d.attn", i);
    return y ? tl_reshape(b->g, y, 2, (int64_t[]){-1, tl_dim(y, 1) * tl_dim(y, 2)}) : NULL;
}

tl_status tl_build_graph(tl_build *b, const tl_build_limits *limits, tl_tensor **logits, tl_error *err) {
    tl_graph *g = b->g;
    const tl_arch *arch = b->model->arch;
    int64_t n = tl_size(g, "n", limits->batch), m = tl_size(g, "m", limits->rows);
    b->ids = tl_input(g, "ids", TL_I32, 1, &n);
    b->pos = tl_input(g, "pos", TL_I32, 1, &n);
    b->slots = tl_input(g, "slots", TL_I32, 1, &n);
    b->span = tl_input(g, "span", TL_I32, 2, (int64_t[]){n, 3});
    b->pages = tl_input(g, "pages", TL_I32, 2, (int64_t[]){limits->sessions, limits->pages});
    b->take = tl_input(g, "take", TL_I32, 1, &m);
    tl_tensor *x = tl_name(g, arch->embed(b, b->ids), "embed");
    for (int i = 0; i < b->hp->n_layer; i++)
        x = tl_name(g, arch->layer(b, i, x), "blk.%d.out", i);
    *logits = tl_output(g, tl_name(g, arch->head(b, tl_gather(g, x, b->take)), "logits"));
    const tl_error *failed = tl_graph_error(g);
    return failed ? tl_fail(err, failed->status, "%s: %s", tl_gguf_label(b->model->gguf), failed->message) : TL_OK;
}

tl_rope_config tl_model_rope(const tl_model *m) {
    tl_rope_config c = tl_rope_defaults(m->hp.rope_dims);
    c.base = m->hp.rope_base;
    c.scaling = (tl_rope_scaling)m->hp.rope_scaling;
    c.factor = m->hp.rope_factor;
    c.attn_factor = m->hp.rope_attn_factor;
    c.original_ctx = m->hp.rope_original_ctx;
    const tl_tensor *factors = tl_bank_find(m->bank, "rope_freqs.weight");
    c.factors = factors ? tl_data(factors) : NULL;
    return c;
}
