/* context.c: the KV cache and the one plan for a loaded model: made once, run for every step (step.c) of every session (session.c). A
 * forecast walks the same path with tensors that are only declared, so what it says is what is taken. */
#include "models/context.h"

#include <stdio.h>
#include <string.h>

#include "models/hparams.h"
#include "tensor/platform.h"

tl_context_options tl_context_defaults(void) {
    return (tl_context_options){.kv = TL_F16};
}

tl_status tl_context_resolve(const tl_hparams *hp, const tl_context_options *o, tl_context_options *out, tl_error *err) {
    *out = o ? *o : tl_context_defaults();
    if (out->n_ctx < 0 || out->n_batch < 0 || out->n_rows < 0 || out->n_sessions < 0)
        return tl_fail(err, TL_ERR_USAGE, "context: n_ctx %d, n_batch %d, n_rows %d, n_sessions %d: none may be negative (0: default)",
                       (int)out->n_ctx, (int)out->n_batch, (int)out->n_rows, (int)out->n_sessions);
    if (out->kv != TL_F16 && out->kv != TL_F32)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "context: keys and values may be f16 or f32, not %s",
                       tl_dtype_get(out->kv) ? tl_dtype_get(out->kv)->name : "an unknown type");
    int64_t ctx = out->n_ctx ? out->n_ctx : hp->n_ctx_train;
    ctx = (ctx + TL_PAGE - 1) / TL_PAGE * TL_PAGE;
    if (ctx > 1 << 30)
        return tl_fail(err, TL_ERR_USAGE, "context: n_ctx %lld is more than %d", (long long)ctx, 1 << 30);
    out->n_ctx = (int32_t)ctx;
    if (out->n_batch == 0)
        out->n_batch = 512;
    if (out->n_batch > out->n_ctx)
        out->n_batch = out->n_ctx;
    if (out->n_rows == 0)
        out->n_rows = 32;
    if (out->n_rows > out->n_batch)
        out->n_rows = out->n_batch;
    if (out->n_sessions == 0)
        out->n_sessions = 1;
    if (out->n_sessions > 4096)
        return tl_fail(err, TL_ERR_USAGE, "context: %d sessions are more than 4096", (int)out->n_sessions);
    return TL_OK;
}

/* ---- parts ---- */

static tl_status make_caches(tl_context *c, bool dry, tl_error *err) {
    const tl_model *m = c->model;
    int layers = m->hp.n_layer;
    tl_status s = tl_bank_new(&c->bank, m->backend, err);
    c->build.k = tl_alloc((size_t)layers * sizeof *c->build.k);
    c->build.v = tl_alloc((size_t)layers * sizeof *c->build.v);
    if (!s && (!c->build.k || !c->build.v))
        s = tl_fail(err, TL_ERR_MEMORY, "context: out of memory");
    for (int i = 0; i < layers && !s; i++) {
        char name[48];
        tl_state_shape shape = m->arch->state(&m->hp, i);
        /* A head's rows side by side: attention goes along them, and memory gives long runs faster than pieces. */
        int64_t rows = c->options.n_ctx;
        snprintf(name, sizeof name, "cache.%d.k", i);
        s = (dry ? tl_bank_declare : tl_bank_add)(c->bank, name, c->options.kv, 3, (int64_t[]){shape.heads, rows, shape.k_dim}, NULL,
                                                  &c->build.k[i], err);
        snprintf(name, sizeof name, "cache.%d.v", i);
        if (!s)
            s = (dry ? tl_bank_declare : tl_bank_add)(c->bank, name, c->options.kv, 3, (int64_t[]){shape.heads, rows, shape.v_dim}, NULL,
                                                      &c->build.v[i], err);
    }
    return s;
}

static tl_status make_graph(tl_context *c, tl_error *err) {
    tl_status s = tl_graph_new(&c->graph, err);
    if (s)
        return s;
    c->build.g = c->graph;
    c->build.model = c->model;
    c->build.hp = &c->model->hp;
    for (int i = 0; i < c->model->hp.n_layer; i++) { /* as the ops see them: [rows, heads, d] */
        c->build.k[i] = tl_permute(c->graph, c->build.k[i], (int[]){1, 0, 2});
        c->build.v[i] = tl_permute(c->graph, c->build.v[i], (int[]){1, 0, 2});
    }
    tl_build_limits limits = {c->options.n_batch, c->options.n_rows, c->options.n_sessions, c->n_pages};
    return tl_build_graph(&c->build, &limits, &c->logits, err);
}

/* Zeroed memory for n * width items; NULL where it does not fit, which the product of two lengths may not in 32 bits. */
static void *book(size_t n, size_t width, size_t item) {
    return tl_mul_size(n, width, &n) ? tl_alloc_array(n, item) : NULL;
}

static tl_status make_books(tl_context *c, tl_error *err) {
    size_t batch = (size_t)c->options.n_batch, pages = (size_t)c->n_pages, sessions = (size_t)c->options.n_sessions;
    size_t width = (size_t)(c->model->hp.n_vocab > c->model->hp.n_embd ? c->model->hp.n_vocab : c->model->hp.n_embd);
    c->free_pages = book(pages, 1, sizeof *c->free_pages);
    c->table = book(pages, sessions, sizeof *c->table);
    c->sessions = book(sessions, 1, sizeof *c->sessions);
    c->ids = book(batch, 6, sizeof *c->ids);
    c->take = book((size_t)c->options.n_rows, 1, sizeof *c->take);
    c->rows = book((size_t)c->options.n_rows, width, sizeof *c->rows);
    if (!c->free_pages || !c->table || !c->sessions || !c->ids || !c->take || !c->rows)
        return tl_fail(err, TL_ERR_MEMORY, "context: out of memory for the books of %d tokens", (int)c->options.n_ctx);
    c->pos = c->ids + batch;
    c->slots = c->pos + batch;
    c->span = c->slots + batch;
    for (int32_t i = 0; i < c->n_pages; i++)
        c->free_pages[i] = c->n_pages - 1 - i;
    c->pages_free = c->n_pages;
    c->table_changed = true;
    return TL_OK;
}

static tl_memory_forecast forecast_of(const tl_context *c, tl_plan_memory plan) {
    tl_memory_forecast f = {.kv = tl_bank_bytes(c->bank), .activations = plan.activations, .workers = plan.workers};
    f.weights = tl_bank_bytes(c->model->bank) + c->model->mapped_bytes;
    f.total = f.weights + f.kv + f.activations + f.workers;
    return f;
}

/* Resolves the options and makes all that a context has. */
static tl_status fill_context(tl_context *c, const tl_context_options *o, bool dry, tl_error *err) {
    const tl_model *m = c->model;
    tl_status s = tl_context_resolve(&m->hp, o, &c->options, err);
    c->n_pages = c->options.n_ctx / TL_PAGE;
    if (!s)
        s = make_caches(c, dry, err);
    if (!s)
        s = make_graph(c, err);
    if (!s && dry) {
        tl_plan_memory memory;
        s = tl_plan_forecast(c->graph, m->backend, &c->options.plan, &memory, err);
        c->memory = forecast_of(c, memory);
    } else if (!s) {
        s = tl_plan_new(&c->plan, c->graph, m->backend, &c->options.plan, err);
        if (!s)
            c->memory = forecast_of(c, tl_plan_memory_of(c->plan));
        if (!s)
            s = make_books(c, err);
    }
    return s;
}

static tl_status open_context(tl_context **out, tl_model *m, const tl_context_options *o, bool dry, tl_error *err) {
    *out = NULL;
    tl_context *c = tl_alloc(sizeof *c);
    if (!c)
        return tl_fail(err, TL_ERR_MEMORY, "context: out of memory");
    c->model = m;
    uint64_t env = tl_float_enter(); /* an architecture computes constants of its graph, such as attention's scale */
    tl_status s = fill_context(c, o, dry, err);
    tl_float_leave(env);
    if (s) {
        tl_context_free(c);
        return s;
    }
    *out = c;
    return TL_OK;
}

/* ---- the public half ---- */

tl_status tl_context_new(tl_context **c, tl_model *m, const tl_context_options *o, tl_error *err) {
    if (!c)
        return tl_fail(err, TL_ERR_USAGE, "context: no place for it given");
    *c = NULL;
    if (!m || !m->complete)
        return tl_fail(err, TL_ERR_USAGE, "context: %s",
                       !m                      ? "no model given"
                       : m->options.vocab_only ? "the model was loaded without weights (vocab_only)"
                                               : "the model's weights are not loaded completely");
    return open_context(c, m, o, false, err);
}

void tl_context_free(tl_context *c) {
    if (!c)
        return;
    for (int32_t i = 0; c->sessions && i < c->options.n_sessions; i++)
        tl_session_free(c->sessions[i]);
    tl_plan_free(c->plan);
    tl_graph_free(c->graph);
    tl_bank_free(c->bank);
    tl_free(c->build.k);
    tl_free(c->build.v);
    tl_free(c->free_pages);
    tl_free(c->table);
    tl_free(c->sessions);
    tl_free(c->ids);
    tl_free(c->take);
    tl_free(c->rows);
    tl_free(c);
}

tl_status tl_context_forecast(const tl_gguf *g, tl_backend *be, const tl_model_options *mo, const tl_context_options *o,
                              tl_memory_forecast *out, tl_error *err) {
    if (!out)
        return tl_fail(err, TL_ERR_USAGE, "forecast: no place for it given");
    *out = (tl_memory_forecast){0, 0, 0, 0, 0};
    if (!g || !be)
        return tl_fail(err, TL_ERR_USAGE, "forecast: a file and a backend are needed");
    if (mo && mo->vocab_only)
        return tl_fail(err, TL_ERR_USAGE, "forecast: a model without weights (vocab_only) makes no context");
    tl_model *m;
    tl_context *c = NULL;
    tl_status s = tl_model_open_dry(&m, g, be, mo, err);
    if (!s)
        s = open_context(&c, m, o, true, err);
    if (!s)
        *out = c->memory;
    tl_context_free(c);
    tl_model_free(m);
    return s;
}

tl_model *tl_context_model(const tl_context *c) {
    return c ? c->model : NULL;
}

tl_plan *tl_context_plan(const tl_context *c) {
    return c ? c->plan : NULL;
}

int32_t tl_context_size(const tl_context *c) {
    return c ? c->options.n_ctx : 0;
}

int32_t tl_context_free_tokens(const tl_context *c) {
    return c ? c->pages_free * TL_PAGE : 0;
}

tl_memory_forecast tl_context_memory(const tl_context *c) {
    return c ? c->memory : (tl_memory_forecast){0, 0, 0, 0, 0};
}

void tl_context_cancel(tl_context *c) {
    if (c)
        tl_plan_cancel(c->plan);
}
