/* complete.c: continues a text by a model, token by token: load, context, session, tokenizer, sampler, and the loop between them.
 *
 *     complete MODEL.gguf "Once upon a time"
 *
 * Without a model it takes the one that TALLY_DEMO_MODEL names, and without that says how it is called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tally.h>

enum { CONTEXT = 256, MOST = 48 };

typedef struct program {
    tl_backend *backend;
    tl_model *model;
    tl_context *context;
    tl_session *session;
    tl_sampler *sampler;
    tl_ids ids;    /* the whole sequence: the prompt, and what was drawn */
    tl_text text;  /* what a token adds */
    float *logits; /* [n_vocab] of the last position */
} program;

static tl_status prepare(program *p, const char *path, tl_error *err) {
    tl_context_options context = tl_context_defaults();
    tl_sampler_options sampler = tl_sampler_defaults();
    tl_status s;
    context.n_ctx = CONTEXT; /* 0: all that the model was trained for */
    sampler.temperature = 0; /* always the likeliest token; else give a seed, too */
    if ((s = tl_backend_open(&p->backend, NULL, err)) || (s = tl_model_load(&p->model, path, p->backend, NULL, err)) ||
        (s = tl_context_new(&p->context, p->model, &context, err)) || (s = tl_session_new(&p->session, p->context, err)))
        return s;
    int32_t n_vocab = tl_model_hparams(p->model)->n_vocab;
    p->logits = malloc((size_t)n_vocab * sizeof *p->logits);
    if (!p->logits)
        return tl_fail(err, TL_ERR_MEMORY, "out of memory for %d logits", (int)n_vocab);
    return tl_sampler_new(&p->sampler, n_vocab, &sampler, err);
}

/* The session gets the whole sequence each time, knows what of it is computed already, and computes the rest: first the prompt, then
 * one token after the other. */
static tl_status complete(program *p, const char *prompt, tl_error *err) {
    const tl_tokenizer *t = tl_model_tokenizer(p->model);
    tl_detok detok = tl_detok_start(t, false, false); /* a token may end inside a character: half ones wait here */
    tl_status s = tl_tokenizer_encode(t, prompt, strlen(prompt), TL_ENCODE_SPECIAL, &p->ids, err);
    for (int i = 0; i < MOST && !s; i++) {
        int32_t id;
        if ((s = tl_session_sync(p->session, p->ids.id, (int64_t)p->ids.n, p->logits, err)) ||
            (s = tl_sampler_next(p->sampler, p->logits, &id, err)) || tl_tokenizer_is_end(t, id))
            break;
        p->text.n = 0;
        if (!(s = tl_ids_append(&p->ids, &id, 1, err)) && !(s = tl_detok_push(&detok, id, &p->text, err)))
            fwrite(p->text.data, 1, p->text.n, stdout);
    }
    return s;
}

/* In this order: each lives on the one after it. */
static void release(program *p) {
    tl_sampler_free(p->sampler);
    tl_session_free(p->session);
    tl_context_free(p->context);
    tl_model_free(p->model);
    tl_backend_free(p->backend);
    tl_ids_free(&p->ids);
    tl_text_free(&p->text);
    free(p->logits);
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : getenv("TALLY_DEMO_MODEL"), *prompt = argc > 2 ? argv[2] : "The sky is";
    program p = {0};
    tl_error err = {0};
    if (!path || !*path)
        return printf("usage: complete MODEL.gguf [\"TEXT\"]\n"), 0;
    fputs(prompt, stdout);
    tl_status s = prepare(&p, path, &err);
    if (!s)
        s = complete(&p, prompt, &err);
    puts(s ? "" : " ...");
    if (s)
        fprintf(stderr, "%s\n", err.message);
    release(&p);
    return s ? 1 : 0;
}
