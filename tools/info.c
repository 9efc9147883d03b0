/* info.c: `llama info`: what a model is and the memory that it takes, from the file's table alone; no weight is read. */
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/facts.h"
#include "tools/load.h"
#include "tools/say.h"

typedef struct Facts {
    const Settings *settings;
    tl_gguf *file;
    tl_backend *backend;
    tl_model *model;             /* vocabulary and metadata; NULL: this build cannot run it */
    char why_not[TL_ERROR_MAX];
    tl_context_options options;
    tl_memory_forecast forecast; /* all 0: not to be had */
    const tl_chat *chat;
    double parameters;
} Facts;

static int collect(Facts *f, const Settings *s) {
    tl_error err;
    const char *path;
    tl_model_options mo = {.no_pack = s->no_pack};
    int code = model_path(s, &path);
    if (code)
        return code;
    f->settings = s;
    if (tl_gguf_open(&f->file, path, &err))
        return say_status(EXIT_MODEL, &err);
    if ((code = backend_open(&f->backend, s->backend, s->threads)))
        return code;
    for (int64_t i = 0; i < tl_gguf_tensors(f->file); i++)
        f->parameters += tensor_elements(tl_gguf_tensor_at(f->file, i));
    f->options = context_options(s);
    f->options.n_rows = 1;
    tl_model_options vocabulary = {.vocab_only = true};
    tl_status status = tl_model_load(&f->model, path, f->backend, &vocabulary, &err);
    if (!status && tl_gguf_tensors(f->file) == 0)
        snprintf(f->why_not, sizeof f->why_not, "the file has no tensors: it is a vocabulary alone");
    else if (!status && (code = context_fit(f->file, f->backend, &mo, &f->options)) == 0)
        status = tl_context_forecast(f->file, f->backend, &mo, &f->options, &f->forecast, &err);
    if (status)
        snprintf(f->why_not, sizeof f->why_not, "%s", err.message);
    if (tl_chat_of_model(f->file, &f->chat, NULL, &err))
        f->chat = NULL;
    return code;
}

static void print_model(const Facts *f) {
    const tl_hparams *h = tl_model_hparams(f->model);
    char number[32];
    printf("model         %s\n", tl_model_describe(f->model));
    printf("architecture  %s: %d layers, embedding %d, %d heads, %d KV heads, head %d, feed-forward %d\n", h->arch, (int)h->n_layer,
           (int)h->n_embd, (int)h->n_head, (int)h->n_head_kv, (int)h->head_dim, (int)h->n_ff);
    printf("context       %d tokens in training\n", (int)h->n_ctx_train);
    printf("rope          base %s, %d dimensions%s\n", tl_number_print(h->rope_base, 9, number), (int)h->rope_dims,
           h->rope_scaling ? ", scaled" : "");
    printf("embedding     %s\n", h->tied ? "tied: used for the output too" : "apart from the output");
    const tl_tokenizer *t = tl_model_tokenizer(f->model);
    tl_special_ids ids = tl_tokenizer_special(t);
    printf("tokenizer     %s, %s, %d tokens; BOS %d%s, EOS %d%s\n", tl_tokenizer_model(t), tl_tokenizer_pre(t), (int)tl_tokenizer_size(t),
           (int)ids.bos, ids.add_bos ? " added" : "", (int)ids.eos, ids.add_eos ? " added" : "");
}

static void print_forecast(const Facts *f) {
    const tl_memory_forecast *m = &f->forecast;
    char size[24];
    int32_t trained = tl_model_hparams(f->model)->n_ctx_train, n_ctx = f->options.n_ctx ? f->options.n_ctx : trained;
    printf("\nmemory for -c %d, KV %s, -ub %d, on %s\n", (int)n_ctx, tl_dtype_get(f->options.kv)->name,
           (int)f->options.n_batch, tl_backend_describe(f->backend));
    const char *const names[] = {"weights", "KV", "activations", "workers", "total"};
    const uint64_t values[] = {m->weights, m->kv, m->activations, m->workers, m->total};
    Table t = table_new(3, (const char *const[]){"<", "bytes", ""});
    for (int i = 0; i < 5; i++) {
        table_cell(&t, "  %s", names[i]);
        table_cell(&t, "%llu", (unsigned long long)values[i]);
        table_cell(&t, "%s", size_text((double)values[i], size));
    }
    table_print(&t, stdout, false);
}

static void print_text(const Facts *f) {
    char size[24];
    const tl_gguf *g = f->file;
    printf("file          %s (%s)\n", f->settings->model, size_text((double)tl_gguf_file_bytes(g), size));
    printf("format        GGUF version %d, %lld keys, %lld tensors, %.2f M parameters\n", tl_gguf_version(g), (long long)tl_gguf_keys(g),
           (long long)tl_gguf_tensors(g), f->parameters * 1e-6);
    if (f->model)
        print_model(f);
    printf("chat template %s\n", f->chat                                                    ? tl_chat_name(f->chat)
                                 : tl_gguf_find(g, "tokenizer.chat_template") >= 0 ? "not recognised; see --chat-template"
                                                                                   : "none");
    if (*f->why_not)
        printf("runs          no: %s\n", f->why_not);
    puts("\ntensors");
    print_types(g);
    if (f->forecast.total > 0)
        print_forecast(f);
    puts("\nmetadata");
    print_keys(g, f->settings->all);
    if (f->settings->all) {
        puts("");
        print_tensors(g);
    }
}

static void json_model(const Facts *f, Json *j) {
    const tl_hparams *h = tl_model_hparams(f->model);
    const tl_tokenizer *t = tl_model_tokenizer(f->model);
    tl_special_ids ids = tl_tokenizer_special(t);
    json_string(j, "model_type", tl_model_describe(f->model));
    json_string(j, "architecture", h->arch);
    json_int(j, "n_layer", h->n_layer);
    json_int(j, "n_embd", h->n_embd);
    json_int(j, "n_head", h->n_head);
    json_int(j, "n_head_kv", h->n_head_kv);
    json_int(j, "head_dim", h->head_dim);
    json_int(j, "n_ff", h->n_ff);
    json_int(j, "n_ctx_train", h->n_ctx_train);
    json_real(j, "rope_base", h->rope_base, 17);
    json_bool(j, "tied", h->tied);
    json_flat(j, "tokenizer", '{');
    json_string(j, "model", tl_tokenizer_model(t));
    json_string(j, "pre", tl_tokenizer_pre(t));
    json_int(j, "tokens", tl_tokenizer_size(t));
    json_int(j, "bos", ids.bos);
    json_int(j, "eos", ids.eos);
    json_bool(j, "add_bos", ids.add_bos);
    json_close(j, '}');
}

static void print_json(const Facts *f) {
    const tl_memory_forecast *m = &f->forecast;
    Json j = json_on(stdout, true);
    json_open(&j, NULL, '{');
    json_string(&j, "file", f->settings->model);
    json_int(&j, "file_bytes", (int64_t)tl_gguf_file_bytes(f->file));
    json_int(&j, "gguf_version", tl_gguf_version(f->file));
    json_int(&j, "model_n_params", (int64_t)f->parameters);
    if (f->model)
        json_model(f, &j);
    json_string(&j, "chat_template", f->chat ? tl_chat_name(f->chat) : NULL);
    json_bool(&j, "runs", !*f->why_not);
    json_string(&j, "why_not", *f->why_not ? f->why_not : NULL);
    json_types(&j, "types", f->file);
    if (m->total > 0) {
        json_flat(&j, "memory", '{');
        json_int(&j, "n_ctx", f->options.n_ctx ? f->options.n_ctx : tl_model_hparams(f->model)->n_ctx_train);
        json_string(&j, "type_k", tl_dtype_get(f->options.kv)->name);
        json_string(&j, "backend", tl_backend_describe(f->backend));
        json_int(&j, "weights", (int64_t)m->weights);
        json_int(&j, "kv", (int64_t)m->kv);
        json_int(&j, "activations", (int64_t)m->activations);
        json_int(&j, "workers", (int64_t)m->workers);
        json_int(&j, "total", (int64_t)m->total);
        json_close(&j, '}');
    }
    json_keys(&j, "metadata", f->file, f->settings->all);
    if (f->settings->all)
        json_tensors(&j, "tensors", f->file);
    json_close(&j, '}');
}

/* A plan needs the weights: this is the one part of info that loads them. */
static int print_plan(const Settings *s) {
    Engine e = {0};
    tl_context_options o = context_options(s);
    int code = engine_load(&e, s, s->backend, s->threads, &o);
    if (code == 0)
        code = engine_start(&e, &o);
    if (code == 0)
        engine_print_plan(&e, stdout);
    engine_close(&e);
    return code;
}

int command_info(int argc, char **argv) {
    Settings s;
    Facts f = {0};
    int code;
    if (command_begin(&s, CMD_INFO, 1, argc, argv, &code))
        return code;
    if (s.plan)
        return print_plan(&s);
    code = collect(&f, &s);
    if (code == 0 && s.json)
        print_json(&f);
    else if (code == 0)
        print_text(&f);
    tl_model_free(f.model);
    tl_backend_free(f.backend);
    tl_gguf_free(f.file);
    return code;
}
