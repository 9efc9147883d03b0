/* nearest.c: a graph of one's own over the weights of a GGUF file: the tokens whose embeddings have the largest products with that of a token. An
 * architecture that `llama` does not know begins like this.
 *
 *     nearest MODEL.gguf " sky"
 *
 * Without a model it takes the one that TALLY_DEMO_MODEL names, and without that says how it is called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tally.h>

enum { NEAREST = 6 };

typedef struct program {
    tl_gguf *file;
    tl_tokenizer *tokenizer;
    tl_backend *backend;
    tl_bank *bank;
    tl_graph *g;
    tl_plan *plan;
    tl_tensor *id, *near; /* id [1] i32 -> near [1, NEAREST] i32 */
} program;

/* A tensor of the file as a weight for `uses` (TL_USE_LINEAR, ..). The file must outlive the bank. */
static tl_status weight(program *p, const char *name, unsigned uses, tl_tensor **out, tl_error *err) {
    const tl_gguf_tensor *t = tl_gguf_tensor_find(p->file, name);
    if (!t)
        return tl_fail(err, TL_ERR_FORMAT, "the file has no tensor '%s'", name);
    if (t->dtype == TL_N_DTYPES)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "'%s' is of a type that Tally lacks", name);
    return tl_bank_weight(p->bank, name, t->dtype, t->rank, t->shape, tl_gguf_tensor_data(p->file, t), uses, out, err);
}

static tl_status prepare(program *p, const char *path, tl_error *err) {
    tl_tensor *table; /* [n_vocab, n_embd], of any type */
    tl_status s;
    if ((s = tl_gguf_open(&p->file, path, err)) || (s = tl_tokenizer_new(&p->tokenizer, p->file, err)) ||
        (s = tl_backend_open(&p->backend, NULL, err)) || (s = tl_bank_new(&p->bank, p->backend, err)) ||
        (s = weight(p, "token_embd.weight", TL_USE_LINEAR | TL_USE_EMBED, &table, err)) || (s = tl_graph_new(&p->g, err)))
        return s;
    p->id = tl_input(p->g, "id", TL_I32, 1, (int64_t[]){1});
    tl_topk(p->g, tl_linear(p->g, tl_embed(p->g, table, p->id), table, NULL), NEAREST, NULL, &p->near);
    tl_output(p->g, p->near);
    return tl_plan_new(&p->plan, p->g, p->backend, NULL, err);
}

static tl_status search(program *p, const char *text, tl_error *err) {
    tl_ids ids = {0};
    int32_t near[NEAREST];
    tl_status s = tl_tokenizer_encode(p->tokenizer, text, strlen(text), 0, &ids, err);
    if (!s && ids.n == 0)
        s = tl_fail(err, TL_ERR_USAGE, "the text is empty");
    if (!s && !(s = tl_write(p->id, ids.id, sizeof *ids.id, err)) && !(s = tl_plan_run(p->plan, err)))
        s = tl_read(p->near, near, sizeof near, err);
    for (int i = 0; i < NEAREST && !s; i++) {
        tl_gguf_string piece = tl_tokenizer_piece(p->tokenizer, near[i], true);
        printf("%6d '%.*s'\n", (int)near[i], (int)piece.n, piece.data);
    }
    tl_ids_free(&ids);
    return s;
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : getenv("TALLY_DEMO_MODEL"), *text = argc > 2 ? argv[2] : " sky";
    program p = {0};
    tl_error err = {0};
    if (!path || !*path)
        return printf("usage: nearest MODEL.gguf [\"TEXT\"]\n"), 0;
    tl_status s = prepare(&p, path, &err);
    if (!s)
        s = search(&p, text, &err);
    if (s)
        fprintf(stderr, "%s\n", err.message);
    tl_plan_free(p.plan), tl_graph_free(p.g), tl_bank_free(p.bank), tl_backend_free(p.backend);
    tl_tokenizer_free(p.tokenizer), tl_gguf_free(p.file);
    return s ? 1 : 0;
}
