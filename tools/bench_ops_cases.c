/* bench_ops_cases.c: the shapes at which `llama bench --ops` measures: of a typical model, with weights of every type, or those that a model
 * file has. */
#include <stdio.h>
#include <string.h>

#include "tools/bench_ops.h"
#include "tools/say.h"

static void add_weight(OpWeight *list, int *n, tl_dtype type, int64_t rows, int64_t k) {
    for (int i = 0; i < *n; i++)
        if (list[i].type == type && list[i].n == rows && list[i].k == k)
            return;
    if (*n < WEIGHTS_MAX)
        list[(*n)++] = (OpWeight){type, rows, k};
}

void op_shapes_typical(OpShapes *s) {
    *s = (OpShapes){
        .name = "shapes of TinyLlama 1.1B", .embd = 2048, .heads = 32, .heads_kv = 4, .head_dim = 64, .ff = 5632, .vocab = 32000};
    const int64_t more[][2] = {{s->embd, s->embd}, {s->heads_kv * s->head_dim, s->embd}, {s->embd, s->ff}, {s->vocab, s->embd}};
    for (int t = 0; t < TL_N_DTYPES; t++) {
        if (tl_dtype_get((tl_dtype)t)->kind == TL_KIND_INT)
            continue;
        add_weight(s->linear, &s->n_linear, (tl_dtype)t, s->ff, s->embd);
        add_weight(s->embed, &s->n_embed, (tl_dtype)t, s->vocab, s->embd);
    }
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        add_weight(s->linear, &s->n_linear, TL_Q4_0, more[i][0], more[i][1]);
}

static int read_shapes(OpShapes *s, const tl_model *m) {
    const tl_hparams *h = tl_model_hparams(m);
    const tl_gguf *g = tl_model_gguf(m);
    *s = (OpShapes){
        .embd = h->n_embd, .heads = h->n_head, .heads_kv = h->n_head_kv, .head_dim = h->head_dim, .ff = h->n_ff, .vocab = h->n_vocab};
    snprintf(s->name, sizeof s->name, "%s", tl_model_describe(m));
    for (int64_t i = 0; i < tl_gguf_tensors(g); i++) {
        const tl_gguf_tensor *t = tl_gguf_tensor_at(g, i);
        bool table = strcmp(t->name, "token_embd.weight") == 0;
        if (t->rank != 2 || t->dtype == TL_N_DTYPES || tl_dtype_get(t->dtype)->kind == TL_KIND_INT)
            continue;
        if (table)
            add_weight(s->embed, &s->n_embed, t->dtype, t->shape[0], t->shape[1]);
        if (!table || h->tied)
            add_weight(s->linear, &s->n_linear, t->dtype, t->shape[0], t->shape[1]);
    }
    if (s->n_linear == 0 || s->n_embed == 0)
        return say_error(EXIT_MODEL, "the model holds no weights that could be measured");
    return 0;
}

int op_shapes_of_model(OpShapes *s, const char *path, tl_backend *ref) {
    tl_error err;
    tl_model *m;
    if (tl_model_load(&m, path, ref, &(tl_model_options){.no_pack = true}, &err))
        return say_status(EXIT_MODEL, &err);
    int code = read_shapes(s, m);
    tl_model_free(m);
    return code;
}
