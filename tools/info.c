/* info.c: `llama info`: what a model is and the memory that it takes, from the file's table alone; no weight is read. */
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/facts.h"
#include "tools/load.h"
#include "tools/say.h"
#include "tools/term.h"

/* From the metadata of any architecture, known to this build or not; 0: not said. */
typedef struct Shape {
    tl_gguf_string arch;
    int64_t layers, embedding, feed_forward, heads, heads_kv, head_dim, rope_dims, context;
    double rope_base;
    bool tied;
} Shape;

typedef struct Facts {
    const Settings *settings;
    tl_gguf *file;
    tl_backend *backend;
    tl_tokenizer *tokenizer; /* NULL: none that this build knows */
    Shape shape;
    char why_not[TL_ERROR_MAX]; /* "": this build runs it */
    tl_context_options options;
    tl_memory_forecast forecast; /* all 0: not to be had */
    const tl_chat *chat;
    double parameters;
} Facts;

/* An integer key of the architecture; fallback where it is absent or something else. */
static int64_t arch_int(const tl_gguf *g, tl_gguf_string arch, const char *name, int64_t fallback) {
    char key[160];
    tl_error err;
    int64_t v = fallback;
    snprintf(key, sizeof key, "%.*s.%s", (int)(arch.n < 64 ? arch.n : 64), arch.data, name);
    return tl_gguf_get_int(g, key, false, 0, INT32_MAX, &v, &err) ? fallback : v;
}

static void collect_shape(const tl_gguf *g, Shape *h) {
    tl_error err;
    char key[160];
    h->arch = (tl_gguf_string){"unknown", 7};
    if (tl_gguf_get_string(g, "general.architecture", false, &h->arch, &err) || h->arch.n > 64)
        h->arch = (tl_gguf_string){"unknown", 7};
    h->layers = arch_int(g, h->arch, "block_count", 0);
    h->embedding = arch_int(g, h->arch, "embedding_length", 0);
    h->feed_forward = arch_int(g, h->arch, "feed_forward_length", 0);
    h->heads = arch_int(g, h->arch, "attention.head_count", 0);
    h->heads_kv = arch_int(g, h->arch, "attention.head_count_kv", h->heads);
    h->head_dim = arch_int(g, h->arch, "attention.key_length", h->heads > 0 ? h->embedding / h->heads : 0);
    h->rope_dims = arch_int(g, h->arch, "rope.dimension_count", h->head_dim);
    h->context = arch_int(g, h->arch, "context_length", 0);
    bool llama = h->arch.n == 5 && memcmp(h->arch.data, "llama", 5) == 0; /* others may know no rope, or have another default */
    h->rope_base = llama && h->heads > 0 ? 10000 : 0;
    snprintf(key, sizeof key, "%.*s.rope.freq_base", (int)h->arch.n, h->arch.data);
    tl_gguf_get_float(g, key, false, &h->rope_base, &err);
    h->tied = tl_gguf_tensor_find(g, "output.weight") == NULL;
}

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
    collect_shape(f->file, &f->shape);
    for (int64_t i = 0; i < tl_gguf_tensors(f->file); i++)
        f->parameters += tensor_elements(tl_gguf_tensor_at(f->file, i));
    f->options = context_options(s);
    if (tl_chat_of_model(f->file, &f->chat, NULL, &err))
        f->chat = NULL;
    tl_status status = tl_tokenizer_new(&f->tokenizer, f->file, &err);
    if (!status && tl_gguf_tensors(f->file) == 0)
        status = tl_fail(&err, TL_ERR_UNSUPPORTED, "the file has no tensors: it is a vocabulary alone");
    if (!status) {
        context_fit(f->file, f->backend, &mo, &f->options);
        status = tl_context_forecast(f->file, f->backend, &mo, &f->options, &f->forecast, &err);
    }
    if (status == TL_ERR_USAGE)
        return say_status(EXIT_USAGE, &err);
    if (status)
        snprintf(f->why_not, sizeof f->why_not, "%s", err.message);
    return 0;
}

static void print_model(const Facts *f) {
    const Shape *h = &f->shape;
    char number[32], layers[96] = "";
    if (h->layers > 0)
        snprintf(layers, sizeof layers, ": %lld layers, embedding %lld, feed-forward %lld", (long long)h->layers, (long long)h->embedding,
                 (long long)h->feed_forward);
    fputs("architecture  ", stdout);
    print_escaped(stdout, h->arch.data, h->arch.n);
    puts(layers);
    if (h->heads > 0)
        printf("attention     %lld heads, %lld for keys and values, of %lld\n", (long long)h->heads, (long long)h->heads_kv,
               (long long)h->head_dim);
    if (h->context > 0)
        printf("context       %lld tokens in training\n", (long long)h->context);
    if (h->rope_base > 0)
        printf("rope          base %s, %lld dimensions\n", tl_number_print(h->rope_base, 9, number), (long long)h->rope_dims);
    if (tl_gguf_tensors(f->file) > 0)
        printf("embedding     %s\n", h->tied ? "tied: used for the output too" : "apart from the output");
    if (!f->tokenizer)
        return;
    const tl_tokenizer *t = f->tokenizer;
    tl_special_ids ids = tl_tokenizer_special(t);
    printf("tokenizer     %s, %s, %d tokens; BOS %d%s, EOS %d%s\n", tl_tokenizer_model(t), tl_tokenizer_pre(t), (int)tl_tokenizer_size(t),
           (int)ids.bos, ids.add_bos ? " added" : "", (int)ids.eos, ids.add_eos ? " added" : "");
}

/* Tokens that the context would hold: whole pages. */
static int64_t context_length(const Facts *f) {
    int64_t n = f->options.n_ctx ? f->options.n_ctx : f->shape.context;
    return (n + TL_PAGE - 1) / TL_PAGE * TL_PAGE;
}

static void print_forecast(const Facts *f) {
    const tl_memory_forecast *m = &f->forecast;
    char size[24];
    printf("\nmemory for -c %lld, KV %s, -ub %d, on %s\n", (long long)context_length(f), tl_dtype_get(f->options.kv)->name,
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
    print_model(f);
    const char *no_template = tl_gguf_find(g, "tokenizer.chat_template") >= 0 ? "not recognised; see --chat-template" : "none";
    printf("chat template %s\n", f->chat ? tl_chat_name(f->chat) : no_template);
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
    const Shape *h = &f->shape;
    json_text(j, "architecture", h->arch.data, h->arch.n);
    json_int(j, "n_layer", h->layers);
    json_int(j, "n_embd", h->embedding);
    json_int(j, "n_head", h->heads);
    json_int(j, "n_head_kv", h->heads_kv);
    json_int(j, "head_dim", h->head_dim);
    json_int(j, "n_ff", h->feed_forward);
    json_int(j, "n_ctx_train", h->context);
    json_real(j, "rope_base", h->rope_base, 17);
    json_bool(j, "tied", h->tied);
    if (!f->tokenizer)
        return;
    const tl_tokenizer *t = f->tokenizer;
    tl_special_ids ids = tl_tokenizer_special(t);
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
    json_model(f, &j);
    json_string(&j, "chat_template", f->chat ? tl_chat_name(f->chat) : NULL);
    json_bool(&j, "runs", !*f->why_not);
    json_string(&j, "why_not", *f->why_not ? f->why_not : NULL);
    json_types(&j, "types", f->file);
    if (m->total > 0) {
        json_flat(&j, "memory", '{');
        json_int(&j, "n_ctx", context_length(f));
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
    term_interrupt_ends();
    code = collect(&f, &s);
    if (code == 0 && s.json)
        print_json(&f);
    else if (code == 0)
        print_text(&f);
    tl_tokenizer_free(f.tokenizer);
    tl_backend_free(f.backend);
    tl_gguf_free(f.file);
    return code;
}
