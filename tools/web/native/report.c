/* report.c: facts about the model and its plan, as lines of fields between tabs, which JavaScript splits. */
#include "tools/web/native/web.h"

#include <stdio.h>
#include <string.h>

static tl_status append(const char *text) {
    return tl_text_append(&web.text, text, strlen(text), &web.err);
}

tl_status web_line(const char *name, const char *value, size_t n) {
    tl_status s = append(name);
    if (s || (s = append("\t")))
        return s;
    for (size_t i = 0; i < n && !s; i++) { /* a name in a file may hold anything */
        char c = value[i];
        s = tl_text_append(&web.text, (unsigned char)c < ' ' ? " " : &c, 1, &web.err);
    }
    return s ? s : append("\n");
}

static tl_status line_string(const char *name, const char *value) {
    return web_line(name, value, strlen(value));
}

static tl_status line_number(const char *name, double v) {
    char text[32];
    return line_string(name, tl_number_print(v, 17, text));
}

/* Facts of the file, the model and the backend. */
WEB_EXPORT(web_info) int web_info(void) {
    const tl_hparams *h = tl_model_hparams(web.model);
    const tl_gguf *g = tl_model_gguf(web.model);
    const tl_chat *chat = NULL;
    tl_gguf_string name = {"", 0};
    tl_error ignored; /* a model without a name or a known template is no failure */
    tl_gguf_get_string(g, "general.name", false, &name, &ignored);
    if (tl_chat_of_model(g, &chat, NULL, &ignored))
        chat = NULL;
    web.text.n = 0;
    tl_status s;
    (void)((s = line_string("description", tl_model_describe(web.model))) || (s = line_string("architecture", h->arch)) ||
           (s = web_line("name", name.data, name.n)) || (s = line_number("parameters", (double)tl_model_params(web.model))) ||
           (s = line_number("trainedContextSize", h->n_ctx_train)) || (s = line_number("vocabularySize", h->n_vocab)) ||
           (s = line_number("layers", h->n_layer)) || (s = line_number("embeddingSize", h->n_embd)) ||
           (s = line_string("chatTemplate", chat ? tl_chat_name(chat) : "")) ||
           (s = line_string("tokenizer", tl_tokenizer_model(tl_model_tokenizer(web.model)))) ||
           (s = line_number("weightBytes", (double)tl_model_weight_bytes(web.model))) ||
           (s = line_string("backend", tl_backend_describe(web.backend))) ||
           (s = line_number("threads", tl_backend_threads(web.backend))) || (s = line_string("version", tl_version())));
    return s;
}

static tl_status field_number(double v, const char *behind) {
    char text[32];
    tl_status s = append(tl_number_print(v, 9, text));
    return s ? s : append(behind);
}

static tl_status step_line(const char *op, const char *kernel, const char *node, double tiles, tl_cost cost, double seconds) {
    tl_status s;
    (void)((s = append(op ? op : "")) || (s = append("\t")) || (s = append(kernel ? kernel : "")) || (s = append("\t")) ||
           (s = append(node ? node : "")) || (s = append("\t")) || (s = field_number(tiles, "\t")) || (s = field_number(cost.ops, "\t")) ||
           (s = field_number(cost.read + cost.written, "\t")) || (s = field_number(seconds * 1e3, "\n")));
    return s;
}

/* The steps of a run at its largest: op, kernel, node, tiles, operations, bytes, 0. */
WEB_EXPORT(web_plan) int web_plan(void) {
    const tl_plan *p = tl_context_plan(web.context);
    tl_status s = TL_OK;
    web.text.n = 0;
    for (int i = 0; i < p->n_steps && !s; i++) {
        const tl_plan_step *t = &p->steps[i];
        s = step_line(t->op, t->kernel, t->node ? t->node->name : NULL, (double)t->max_tiles, t->cost, 0);
    }
    return s;
}

/* The same for all runs so far, with milliseconds last. */
WEB_EXPORT(web_profile) int web_profile(int reset) {
    const tl_plan_profile_row *rows;
    int n = tl_plan_profile(tl_context_plan(web.context), &rows);
    tl_status s = TL_OK;
    web.text.n = 0;
    for (int i = 0; i < n && !s; i++)
        s = step_line(rows[i].op, rows[i].kernel, rows[i].node, rows[i].tiles, rows[i].cost, rows[i].seconds);
    if (reset)
        tl_plan_profile_reset(tl_context_plan(web.context));
    return s;
}
