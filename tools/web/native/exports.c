/* exports.c: the functions that the package's worker calls in the module: open, parse, feed, context, and the three results (text, ids,
 * numbers) that others leave behind. Offsets and sizes of files cross as doubles, which are exact to 2^53; statuses are tl_status. */
#include "tools/web/native/web.h"

#include <stdlib.h>
#include <string.h>

web_engine web;

/* ---- memory and results ------------------------------------------------------------------------------------------------------ */

WEB_EXPORT(web_alloc) void *web_alloc(size_t n) {
    return malloc(n ? n : 1);
}

WEB_EXPORT(web_free) void web_free(void *p) {
    free(p);
}

WEB_EXPORT(web_error) const char *web_error(void) {
    return web.err.message;
}

WEB_EXPORT(web_text) const char *web_text(void) {
    return web.text.data;
}

WEB_EXPORT(web_text_length) size_t web_text_length(void) {
    return web.text.n;
}

WEB_EXPORT(web_ids) const int32_t *web_ids(void) {
    return web.ids.id;
}

WEB_EXPORT(web_ids_length) size_t web_ids_length(void) {
    return web.ids.n;
}

WEB_EXPORT(web_numbers) const double *web_numbers(void) {
    return web.number;
}

tl_status web_say(const char *text, size_t n) {
    web.text.n = 0;
    return tl_text_append(&web.text, text, n, &web.err);
}

/* The result text: why the backend of that spec cannot be opened; nothing where it can. */
WEB_EXPORT(web_refusal) int web_refusal(const char *spec) {
    tl_backend *be = NULL;
    tl_error why;
    const char *text = tl_backend_open(&be, spec, &why) ? why.message : "";
    tl_backend_free(be);
    return web_say(text, strlen(text));
}

/* ---- loading, in the order of the calls ----------------------------------------------------------------------------------------- */

WEB_EXPORT(web_open) int web_open(const char *spec) {
    return web.backend ? TL_OK : tl_backend_open(&web.backend, spec, &web.err);
}

/* The first n bytes of a file of file_bytes. TL_MORE: numbers[0] is how many to come back with. TL_OK: numbers[0] is where the data begins. */
WEB_EXPORT(web_parse) int web_parse(const void *bytes, size_t n, double file_bytes) {
    uint64_t want = 0;
    tl_status s = tl_gguf_parse(&web.gguf, bytes, n, (uint64_t)file_bytes, &want, &web.err);
    web.number[0] = s == TL_OK ? (double)tl_gguf_data_offset(web.gguf) : (double)want;
    return s;
}

/* A context of n_ctx tokens, or of what the model was trained for where that is less. One row of logits serves: prompts and tokens want the
 * last one only. */
static tl_status context_options(const tl_gguf *g, int32_t n_ctx, tl_context_options *o) {
    enum { BATCH = 256 };
    int64_t trained = 0;
    tl_gguf_string arch;
    tl_status s = tl_gguf_get_string(g, "general.architecture", true, &arch, &web.err);
    if (s)
        return s;
    tl_text key = {0};
    if (!(s = tl_text_append(&key, arch.data, arch.n, &web.err)) && !(s = tl_text_append(&key, ".context_length", 15, &web.err)))
        s = tl_gguf_get_int(g, key.data, false, 1, INT32_MAX, &trained, &web.err);
    tl_text_free(&key);
    *o = tl_context_defaults();
    o->n_ctx = trained > 0 && trained < n_ctx ? (int32_t)trained : n_ctx;
    o->n_batch = BATCH;
    o->n_rows = 1;
    o->plan.profile = true; /* two clock readings a step: nothing beside its work */
    return s;
}

static void put_memory(tl_memory_forecast f, const tl_context_options *o) {
    const double number[] = {(double)f.weights, (double)f.kv, (double)f.activations, (double)f.workers, (double)f.total, (double)o->n_ctx};
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        web.number[i] = number[i];
}

/* numbers: weights, kv, activations, workers, total, context size. The text is the model's name, or its architecture. */
WEB_EXPORT(web_forecast) int web_forecast(int32_t n_ctx) {
    tl_context_options o;
    tl_memory_forecast f;
    tl_gguf_string name = {"", 0};
    tl_status s = context_options(web.gguf, n_ctx, &o);
    if (s || (s = tl_context_forecast(web.gguf, web.backend, NULL, &o, &f, &web.err)) ||
        (s = tl_gguf_get_string(web.gguf, "general.architecture", true, &name, &web.err)) ||
        (s = tl_gguf_get_string(web.gguf, "general.name", false, &name, &web.err)))
        return s;
    put_memory(f, &o);
    return web_say(name.data, name.n);
}

WEB_EXPORT(web_begin) int web_begin(void) {
    return tl_model_begin(&web.model, web.gguf, web.backend, NULL, &web.err);
}

WEB_EXPORT(web_feed) int web_feed(double offset, const void *bytes, size_t n) {
    return tl_model_feed(web.model, (uint64_t)offset, bytes, n, &web.err);
}

/* numbers as web_forecast's. */
WEB_EXPORT(web_context) int web_context(int32_t n_ctx) {
    tl_context_options o;
    tl_status s = context_options(web.gguf, n_ctx, &o);
    if (s || (s = tl_context_new(&web.context, web.model, &o, &web.err)) || (s = tl_session_new(&web.session, web.context, &web.err)))
        return s;
    web.logits = malloc((size_t)tl_model_hparams(web.model)->n_vocab * sizeof *web.logits);
    if (!web.logits)
        return tl_fail(&web.err, TL_ERR_MEMORY, "out of memory for a row of logits");
    o.n_ctx = tl_context_size(web.context);
    put_memory(tl_context_memory(web.context), &o);
    return TL_OK;
}

/* Where another thread stores 1 to end a run, and 0 before it asks for another. */
WEB_EXPORT(web_cancel_word) const void *web_cancel_word(void) {
    return tl_plan_cancel_word(tl_context_plan(web.context));
}
