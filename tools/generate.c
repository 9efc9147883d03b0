/* generate.c: the token loop. Everything is computed by tl_context_step on the whole sequence, so that what a session already holds is
 * not computed again. */
#include "tools/generate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sampling.h"
#include "tools/say.h"
#include "tools/term.h"

int generator_open(Generator *g, const Settings *s, Engine *e) {
    memset(g, 0, sizeof *g);
    g->settings = s;
    g->engine = e;
    g->logits = malloc((size_t)tl_model_hparams(e->model)->n_vocab * sizeof *g->logits);
    if (!g->logits)
        return say_error(EXIT_MEMORY, "out of memory for a row of logits");
    return sampler_open(&g->sampler, s, e->model, &g->seed, &g->greedy);
}

void generator_close(Generator *g) {
    tl_sampler_free(g->sampler);
    tl_ids_free(&g->ids);
    tl_ids_free(&g->seen);
    tl_text_free(&g->text);
    free(g->logits);
    memset(g, 0, sizeof *g);
}

void generator_clear(Generator *g) {
    tl_session_clear(g->engine->session);
    tl_sampler_reset(g->sampler);
    g->ids.n = g->seen.n = 0;
}

const char *stop_name(StopReason r) {
    static const char *const names[] = {"end", "length", "context", "reverse-prompt", "closed", "interrupt", "error"};
    return names[r];
}

static StopReason failed(Generator *g, const tl_error *err) {
    g->code = say_status(EXIT_RUN, err);
    return err->status == TL_CANCELLED ? STOP_INTERRUPT : STOP_ERROR;
}

/* Tells the sampler of tokens that it has not drawn itself: those of ids behind what it has seen; all of them where it has seen others, such as
 * an answer that is to be given again. */
static tl_status tell_sampler(Generator *g, tl_error *err) {
    size_t same = 0;
    while (same < g->ids.n && same < g->seen.n && g->ids.id[same] == g->seen.id[same])
        same++;
    if (same < g->seen.n) {
        tl_sampler_forget(g->sampler);
        same = 0;
    }
    tl_status s = tl_sampler_accept(g->sampler, g->ids.id + same, g->ids.n - same, err);
    g->seen.n = 0;
    return s ? s : tl_ids_append(&g->seen, g->ids.id, g->ids.n, err);
}

/* The whole sequence is computed; g->logits are those of its last position. */
static tl_status compute(Generator *g, int64_t *computed, tl_error *err) {
    tl_want want = {.session = g->engine->session, .ids = g->ids.id, .n = (int64_t)g->ids.n, .n_rows = 1, .rows = g->logits};
    tl_status s = tl_context_step(g->engine->context, &want, 1, err);
    *computed = want.computed;
    return s;
}

/* A cancel that came too late for the last answer would end this one before it begins: once more then. */
static tl_status compute_prompt(Generator *g, tl_error *err) {
    Timings *t = &g->last;
    double start = term_now();
    tl_status s = compute(g, &t->prompt_tokens, err);
    if (s == TL_CANCELLED && term_interrupts() == 0)
        s = compute(g, &t->prompt_tokens, err);
    t->prompt_seconds = term_now() - start;
    t->reused_tokens = tl_session_length(g->engine->session) - t->prompt_tokens; /* of a prompt that was interrupted, the part done */
    return s;
}

/* Forbids the tokens that would end the text. */
static void mask_ends(Generator *g) {
    const tl_tokenizer *t = tl_model_tokenizer(g->engine->model);
    int32_t n = tl_tokenizer_size(t), n_vocab = tl_model_hparams(g->engine->model)->n_vocab;
    for (int32_t i = 0; i < n && i < n_vocab; i++)
        if (tl_tokenizer_is_end(t, i))
            g->logits[i] = -INFINITY;
}

/* Cuts the text behind the first reverse prompt that ends in what was added at `from`; true if there is one. */
static bool cut_at_reverse(Generator *g, size_t from) {
    const TextList *list = &g->settings->reverse_prompts;
    for (int i = 0; i < list->n; i++) {
        size_t length = strlen(list->text[i]), start = from >= length ? from - length : 0;
        for (size_t at = start; length > 0 && at + length <= g->text.n; at++) {
            if (memcmp(g->text.data + at, list->text[i], length) == 0) {
                g->text.n = at + length;
                return true;
            }
        }
    }
    return false;
}

static bool send(Generator *g, bool stream, size_t from) {
    return !stream || g->text.n <= from || out_write(g->text.data + from, g->text.n - from);
}

/* Draws tokens until something ends it; the logits of the prompt are there. */
static StopReason draw(Generator *g, tl_detok *detok, bool stream) {
    const Settings *s = g->settings;
    const tl_tokenizer *t = tl_model_tokenizer(g->engine->model);
    tl_error err;
    int64_t computed, most = s->n_predict < 0 ? INT64_MAX : s->n_predict, room = tl_context_size(g->engine->context);
    for (;;) {
        int32_t id;
        size_t before = g->text.n;
        if (g->last.tokens >= most)
            return STOP_LENGTH;
        if (s->ignore_eos)
            mask_ends(g);
        if (tl_sampler_next(g->sampler, g->logits, &id, &err) || tl_ids_append(&g->ids, &id, 1, &err) ||
            tl_ids_append(&g->seen, &id, 1, &err))
            return failed(g, &err);
        g->last.tokens++;
        bool end = tl_tokenizer_is_end(t, id);
        if ((!end || s->special) && tl_detok_push(detok, id, &g->text, &err))
            return failed(g, &err);
        bool reversed = cut_at_reverse(g, before);
        if (!send(g, stream, before))
            return STOP_CLOSED;
        if (end || reversed)
            return end ? STOP_END : STOP_REVERSE;
        if (g->last.tokens >= most)
            return STOP_LENGTH;
        if ((int64_t)g->ids.n >= room)
            return STOP_CONTEXT;
        if (compute(g, &computed, &err))
            return failed(g, &err);
        g->last.steps++;
    }
}

StopReason generate(Generator *g, bool stream, bool fresh) {
    tl_error err;
    tl_detok detok = tl_detok_start(tl_model_tokenizer(g->engine->model), g->settings->special, fresh);
    int64_t room = tl_context_size(g->engine->context);
    g->n_prompt = g->ids.n;
    g->text.n = 0;
    g->code = 0;
    g->last = (Timings){0};
    if ((int64_t)g->ids.n > room) {
        g->code = say_error(EXIT_RUN, "the prompt has %zu tokens, the context holds %lld: shorten it, or give -c %zu", g->ids.n,
                            (long long)room, (g->ids.n + 255) / 256 * 256);
        return STOP_ERROR;
    }
    if (tell_sampler(g, &err) || compute_prompt(g, &err))
        return failed(g, &err);
    double start = term_now();
    StopReason r = (int64_t)g->ids.n >= room ? STOP_CONTEXT : draw(g, &detok, stream);
    size_t before = g->text.n;
    if (r != STOP_REVERSE && !tl_detok_end(&detok, &g->text, &err) && !send(g, stream, before))
        r = STOP_CLOSED;
    g->last.seconds = term_now() - start;
    g->total.prompt_tokens += g->last.prompt_tokens;
    g->total.reused_tokens += g->last.reused_tokens;
    g->total.prompt_seconds += g->last.prompt_seconds;
    g->total.tokens += g->last.tokens;
    g->total.steps += g->last.steps;
    g->total.seconds += g->last.seconds;
    return r;
}

/* ---- reports ---- */

static double rate(int64_t n, double seconds) {
    return seconds > 0 ? (double)n / seconds : 0;
}

void print_timings(const Generator *g, const Timings *t) {
    char peak[24];
    if (g->settings->no_timings || say_get_level() == SAY_ERRORS)
        return;
    const char *dim = term_color(TERM_STDERR, TERM_DIM), *plain = *dim ? TERM_PLAIN : "";
    fprintf(stderr, "%sload       %9.1f ms\n", dim, g->engine->load_seconds * 1e3);
    fprintf(stderr, "prompt     %9.1f ms %6lld tokens %9.2f t/s", t->prompt_seconds * 1e3, (long long)t->prompt_tokens,
            rate(t->prompt_tokens, t->prompt_seconds));
    if (t->reused_tokens > 0)
        fprintf(stderr, "   (and %lld kept from before)", (long long)t->reused_tokens);
    fprintf(stderr, "\ngeneration %9.1f ms %6lld tokens", t->seconds * 1e3, (long long)t->tokens);
    if (t->steps > 0) /* the first token comes with the prompt */
        fprintf(stderr, " %9.2f t/s", rate(t->steps, t->seconds));
    fputc('\n', stderr);
    fprintf(stderr, "memory     %s at most%s\n", size_text((double)term_peak_memory(), peak), plain);
}

void json_generation(Json *j, const Generator *g, StopReason r) {
    const Timings *t = &g->last;
    json_text(j, "text", g->text.data ? g->text.data : "", g->text.n);
    json_ids(j, "prompt_ids", g->ids.id, g->n_prompt);
    json_ids(j, "ids", g->ids.id + g->n_prompt, g->ids.n - g->n_prompt);
    json_string(j, "stop", stop_name(r));
    json_int(j, "seed", g->seed);
    json_flat(j, "timings", '{');
    json_real(j, "load_ms", g->engine->load_seconds * 1e3, 6);
    json_int(j, "prompt_n", t->prompt_tokens);
    json_int(j, "cache_n", t->reused_tokens);
    json_real(j, "prompt_ms", t->prompt_seconds * 1e3, 6);
    json_real(j, "prompt_per_second", rate(t->prompt_tokens, t->prompt_seconds), 6);
    json_int(j, "predicted_n", t->tokens);
    json_real(j, "predicted_ms", t->seconds * 1e3, 6);
    json_real(j, "predicted_per_second", rate(t->steps, t->seconds), 6);
    json_int(j, "peak_rss", (int64_t)term_peak_memory());
    json_close(j, '}');
}

void print_prompt_tokens(const Generator *g) {
    const tl_tokenizer *t = tl_model_tokenizer(g->engine->model);
    fprintf(stderr, "prompt: %zu tokens\n", g->ids.n);
    for (size_t i = 0; i < g->ids.n; i++) {
        tl_gguf_string piece = tl_tokenizer_piece(t, g->ids.id[i], true);
        fprintf(stderr, "%8d  '", (int)g->ids.id[i]);
        print_escaped(stderr, piece.data, piece.n);
        fputs("'\n", stderr);
    }
}
