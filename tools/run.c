/* run.c: `llama run` continues a text. The continuation alone goes to stdout. */
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/generate.h"
#include "tools/profile.h"
#include "tools/say.h"
#include "tools/term.h"
#include "tools/text.h"

static void print_reports(const Generator *g, const Engine *e, const Settings *s, StopReason r) {
    tl_peaks peaks = {0};
    if (s->json) {
        Json j = json_on(stdout, false);
        json_open(&j, NULL, '{');
        json_generation(&j, g, r);
        if (s->profile) {
            peaks = profile_peaks(e->backend, true); /* last, because it takes memory that is not the model's */
            profile_json(tl_context_plan(e->context), &peaks, &j);
        }
        json_close(&j, '}');
    }
    if (r == STOP_CONTEXT)
        say_note("the context is full (%d tokens): -c N gives a longer one", (int)tl_context_size(e->context));
    print_timings(g, &g->last);
    if (!s->json) {
        peaks = profile_peaks(e->backend, s->profile != NULL);
        profile_report(tl_context_plan(e->context), &peaks, s->profile);
    }
}

static int run_prompt(const Settings *s, Engine *e, Generator *g, const tl_text *prompt) {
    tl_error err;
    if (tl_tokenizer_encode(tl_model_tokenizer(e->model), prompt->data, prompt->n, TL_ENCODE_SPECIAL | TL_ENCODE_PARSE, &g->ids, &err))
        return say_status(EXIT_RUN, &err);
    if (g->ids.n == 0)
        return say_error(EXIT_USAGE, "the prompt is empty, and this model has no token to begin a text with: give some text");
    if (s->plan)
        engine_print_plan(e, stderr);
    if (s->verbose_prompt)
        print_prompt_tokens(g);
    say_note("seed %u%s", (unsigned)g->seed, g->greedy ? " (not used: greedy)" : "");
    bool open = true;
    if (s->display_prompt && !s->json)
        open = out_write(prompt->data, prompt->n);
    StopReason r = open ? generate(g, !s->json, prompt->n == 0) : STOP_CLOSED;
    if (!s->json && term_is_tty(TERM_STDOUT))
        out_write("\n", 1);
    else
        fflush(stdout);
    if (r != STOP_ERROR)
        print_reports(g, e, s, r);
    return r == STOP_ERROR ? g->code : r == STOP_INTERRUPT ? EXIT_INTERRUPTED : EXIT_DONE;
}

static int run_with(const Settings *s) {
    tl_text prompt = {0};
    Engine e = {0};
    Generator g = {0};
    bool found;
    const char *path;
    int code = model_path(s, &path);
    if (code == 0)
        code = text_prompt(s, true, &prompt, &found);
    if (code == 0 && !found)
        code = say_usage(s, "no prompt: give -p TEXT or -f FILE, or pipe a text in; 'llama chat -m %s' chats", path);
    tl_context_options o = context_options(s);
    if (code == 0)
        code = engine_load(&e, s, s->backend, s->threads, &o);
    if (code == 0)
        code = engine_start(&e, &o);
    if (code == 0)
        code = generator_open(&g, s, &e);
    if (code == 0)
        code = run_prompt(s, &e, &g, &prompt);
    generator_close(&g);
    engine_close(&e);
    tl_text_free(&prompt);
    return code;
}

int command_run(int argc, char **argv) {
    Settings s;
    int code;
    if (command_begin(&s, CMD_RUN, 2, argc, argv, &code))
        return code;
    if (s.conversation || s.single_turn)
        return chat_with(&s);
    if (s.system || s.system_file)
        return say_usage(&s, "-sys belongs to a chat: use 'llama chat', or add -cnv");
    return run_with(&s);
}

int command_bare(int argc, char **argv) {
    Settings s;
    int code;
    if (command_begin(&s, CMD_RUN, 2, argc, argv, &code))
        return code;
    bool prompt = s.prompt || s.file || s.binary_file;
    bool terminals = term_is_tty(TERM_STDIN) && term_is_tty(TERM_STDOUT);
    if (s.conversation || s.single_turn || (s.model && !prompt && terminals && !s.no_conversation))
        return chat_with(&s);
    return run_with(&s);
}
