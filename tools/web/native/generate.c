/* generate.c: text in and out of the module: tokenizing, chat templates, and the token loop cut into calls (start, eval, draw), so that the
 * worker can listen between any two of them. */
#include "tools/web/native/web.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- text -------------------------------------------------------------------------------------------------------------------- */

WEB_EXPORT(web_encode) int web_encode(const char *text, size_t n, unsigned flags) {
    web.ids.n = 0;
    return tl_tokenizer_encode(tl_model_tokenizer(web.model), text, n, flags, &web.ids, &web.err);
}

WEB_EXPORT(web_decode) int web_decode(const int32_t *ids, size_t n, int special) {
    web.text.n = 0;
    return tl_tokenizer_decode(tl_model_tokenizer(web.model), ids, n, special != 0, &web.text, &web.err);
}

WEB_EXPORT(web_piece) int web_piece(int32_t id) {
    tl_gguf_string s = tl_tokenizer_piece(tl_model_tokenizer(web.model), id, true);
    return web_say(s.n ? s.data : "", s.n);
}

/* n messages as "role\0content\0" one after the other; the result is a prompt that ends where the answer begins. */
WEB_EXPORT(web_render) int web_render(const char *bytes, int n) {
    const tl_chat *chat;
    tl_text system = {0};
    tl_message *m = calloc((size_t)n + 1, sizeof *m);
    tl_status s = m ? tl_chat_of_model(tl_model_gguf(web.model), &chat, &system, &web.err)
                    : tl_fail(&web.err, TL_ERR_MEMORY, "out of memory for %d messages", n);
    int at = 0;
    if (!s && system.n > 0 && n > 0 && strcmp(bytes, "system") != 0)
        m[at++] = (tl_message){"system", system.data};
    for (int i = 0; i < n && !s; i++) {
        const char *content = bytes + strlen(bytes) + 1;
        m[at++] = (tl_message){bytes, content};
        bytes = content + strlen(content) + 1;
    }
    web.text.n = 0;
    if (!s)
        s = tl_chat_render(chat, m, at, true, &web.text, &web.err);
    tl_text_free(&system);
    free(m);
    return s;
}

/* ---- sampling ------------------------------------------------------------------------------------------------------------------ */

/* Options that are NaN keep the default, of the file where it has one. seed: always given. */
WEB_EXPORT(web_sampler)
int web_sampler(const double *option, double seed, const int32_t *bias_ids, const float *bias_values, int n_bias) {
    enum { TEMPERATURE, TOP_K, TOP_P, MIN_P, REPEAT, PRESENCE, FREQUENCY, LAST_N, MIN_KEEP };
    tl_sampler_options o = tl_sampler_defaults();
    tl_status s = tl_sampler_from_gguf(tl_model_gguf(web.model), &o, &web.err);
    if (s)
        return s;
#define TAKE(name, type, i) o.name = isnan(option[i]) ? o.name : (type)option[i]
    TAKE(temperature, float, TEMPERATURE);
    TAKE(top_k, int32_t, TOP_K);
    TAKE(top_p, float, TOP_P);
    TAKE(min_p, float, MIN_P);
    TAKE(repeat_penalty, float, REPEAT);
    TAKE(presence_penalty, float, PRESENCE);
    TAKE(frequency_penalty, float, FREQUENCY);
    TAKE(repeat_last_n, int32_t, LAST_N);
    TAKE(min_keep, int32_t, MIN_KEEP);
#undef TAKE
    o.bias_ids = bias_ids;
    o.bias_values = bias_values;
    o.n_bias = n_bias;
    o.seed = (uint32_t)seed;
    tl_sampler_free(web.sampler);
    return tl_sampler_new(&web.sampler, tl_model_hparams(web.model)->n_vocab, &o, &web.err);
}

/* The k likeliest tokens of the model, before any sampler option: numbers are id, probability, id, probability ... */
WEB_EXPORT(web_top) int web_top(int k) {
    int n = tl_model_hparams(web.model)->n_vocab, held = 0;
    int32_t best[WEB_TOP_MAX];
    for (int i = 0; i < n; i++) {
        if (held == k && !(web.logits[i] > web.logits[best[held - 1]]))
            continue;
        int at = held < k ? held++ : held - 1;
        for (; at > 0 && web.logits[i] > web.logits[best[at - 1]]; at--)
            best[at] = best[at - 1];
        best[at] = i;
    }
    float most = web.logits[tl_greedy(web.logits, n)];
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += exp((double)(web.logits[i] - most));
    for (int i = 0; i < held; i++) {
        web.number[2 * i] = best[i];
        web.number[2 * i + 1] = exp((double)(web.logits[best[i]] - most)) / sum;
    }
    web.number[WEB_NUMBERS - 2] = (double)most;
    web.number[WEB_NUMBERS - 1] = sum;
    return held;
}

/* Of a token, once web_top has looked at the same logits. */
WEB_EXPORT(web_probability) double web_probability(int32_t id) {
    return exp((double)web.logits[id] - web.number[WEB_NUMBERS - 2]) / web.number[WEB_NUMBERS - 1];
}

/* ---- the token loop ------------------------------------------------------------------------------------------------------------- */

/* Begins with a prompt's ids. numbers[0]: how many tokens the session still holds. */
WEB_EXPORT(web_start) int web_start(const int32_t *ids, size_t n, int fresh) {
    int64_t kept = 0, held = tl_session_length(web.session);
    int32_t room = tl_context_size(web.context);
    if (n == 0)
        return tl_fail(&web.err, TL_ERR_USAGE, "the prompt is empty: give at least one token");
    if (n > (size_t)room)
        return tl_fail(&web.err, TL_ERR_FULL,
                       "the prompt has %zu tokens, the context holds %d: shorten it, or load with a larger contextSize", n, (int)room);
    while (kept < held && kept < (int64_t)n - 1 && tl_session_ids(web.session)[kept] == ids[kept])
        kept++;
    web.number[0] = (double)kept;
    web.sequence.n = 0;
    web.detok = tl_detok_start(tl_model_tokenizer(web.model), false, fresh != 0);
    tl_status s = tl_ids_append(&web.sequence, ids, n, &web.err);
    return s ? s : tl_sampler_accept(web.sampler, ids, n, &web.err);
}

/* Evaluates the first n tokens of the sequence, or what is missing of them; logits where that is all of it. */
WEB_EXPORT(web_eval) int web_eval(size_t n) {
    return tl_session_sync(web.session, web.sequence.id, (int64_t)n, n == web.sequence.n ? web.logits : NULL, &web.err);
}

/* Draws a token. numbers: id, whether it ends the answer, whether the context is full with it. The result is its text. */
WEB_EXPORT(web_draw) int web_draw(void) {
    int32_t id;
    web.text.n = 0;
    tl_status s = tl_sampler_next(web.sampler, web.logits, &id, &web.err);
    if (s || (s = tl_ids_append(&web.sequence, &id, 1, &web.err)))
        return s;
    bool end = tl_tokenizer_is_end(tl_model_tokenizer(web.model), id);
    web.number[0] = id;
    web.number[1] = end;
    web.number[2] = (int64_t)web.sequence.n >= tl_context_size(web.context);
    return end ? TL_OK : tl_detok_push(&web.detok, id, &web.text, &web.err);
}

/* The bytes of an unfinished character, which nothing will finish. */
WEB_EXPORT(web_finish) int web_finish(void) {
    web.text.n = 0;
    return tl_detok_end(&web.detok, &web.text, &web.err);
}
