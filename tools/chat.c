/* chat.c: `llama chat`: turns of a conversation, from a terminal, a pipe, or one question on the command line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/generate.h"
#include "tools/messages.h"
#include "tools/profile.h"
#include "tools/say.h"
#include "tools/term.h"
#include "tools/text.h"

typedef struct Chat {
    const Settings *settings;
    Engine engine;
    Generator generator;
    Messages messages;
    StopReason last; /* how the last answer ended */
    int answers;
} Chat;

enum { NEXT_QUIT = -1, NEXT_EOF = -2, NEXT_LINE = 0, NEXT_REGENERATE = 1 };

static const char *const help_text = "  /regen   answers the last question again\n"
                                     "  /clear   forgets the conversation\n"
                                     "  /exit    ends; so does Ctrl-D\n"
                                     "  Ctrl-C   ends an answer; at the prompt, or twice, the program\n"
                                     "  A line that ends in \\ goes on in the next.\n";

/* ---- one answer ---- */

/* Lets the model answer the conversation so far. Returns 0 or an exit code after a message. */
static int answer(Chat *c) {
    tl_error err;
    Generator *g = &c->generator;
    if (messages_encode(&c->messages, tl_model_tokenizer(c->engine.model), &g->ids, &err))
        return say_status(EXIT_RUN, &err);
    if (c->settings->verbose_prompt)
        print_prompt_tokens(g);
    c->last = generate(g, !c->settings->json, true);
    if (c->last == STOP_ERROR) {
        if ((int64_t)g->ids.n > tl_context_size(c->engine.context) && c->answers > 0)
            say_note("/clear forgets the conversation so far");
        return g->code;
    }
    c->answers++;
    if (c->settings->json) {
        Json j = json_on(stdout, false);
        json_open(&j, NULL, '{');
        json_generation(&j, g, c->last);
        json_close(&j, '}');
    } else {
        out_write("\n", 1);
    }
    fflush(stdout);
    if (c->last == STOP_CONTEXT)
        say_note("the context is full (%d tokens): /clear forgets the conversation, -c N gives a longer one",
                 (int)tl_context_size(c->engine.context));
    if (!messages_add(&c->messages, "assistant", g->text.data ? g->text.data : "", g->text.n))
        return say_error(EXIT_MEMORY, "out of memory for the answer");
    return out_open() ? 0 : NEXT_EOF;
}

/* A question and its answer; a question that cannot be answered is taken back. */
static int ask(Chat *c, const char *text, size_t n) {
    if (!messages_add(&c->messages, "user", text, n))
        return say_error(EXIT_MEMORY, "out of memory for the question");
    int code = answer(c);
    if (code > 0)
        messages_pop(&c->messages, "user");
    return code;
}

/* ---- the conversation ---- */

/* A line, with those that it goes on in; NULL at the end. */
static char *read_question(bool terminal, bool *failed) {
    const char *color = term_color(TERM_STDERR, TERM_GREEN TERM_BOLD);
    char *whole = NULL;
    size_t n = 0;
    for (bool more = true; more;) {
        if (terminal) {
            fprintf(stderr, "%s%s %s", color, whole ? "." : ">", *color ? TERM_PLAIN : "");
            fflush(stderr);
        }
        char *line = term_read_line(failed);
        if (!line)
            return *failed || term_interrupts() > 0 ? free(whole), NULL : whole;
        size_t length = strlen(line);
        more = length > 0 && line[length - 1] == '\\';
        if (more)
            line[length - 1] = '\n';
        char *grown = realloc(whole, n + length + 1);
        if (!grown) {
            free(line);
            free(whole);
            *failed = true;
            return NULL;
        }
        whole = grown;
        memcpy(whole + n, line, length + 1);
        n += length;
        free(line);
    }
    return whole;
}

/* Obeys a line that is a command. NEXT_LINE: it was not, or nothing follows from it and *handled is set. */
static int command_line(Chat *c, const char *line, bool *handled) {
    *handled = true;
    if (strcmp(line, "/exit") == 0 || strcmp(line, "/quit") == 0 || strcmp(line, "/bye") == 0)
        return NEXT_QUIT;
    if (strcmp(line, "/help") == 0 || strcmp(line, "/?") == 0) {
        fputs(help_text, stderr);
    } else if (strcmp(line, "/clear") == 0) {
        messages_clear(&c->messages);
        generator_clear(&c->generator);
        say_note("the conversation is forgotten");
    } else if (strcmp(line, "/regen") == 0) {
        if (messages_pop(&c->messages, "assistant"))
            return NEXT_REGENERATE;
        say_note("there is no answer yet");
    } else if (line[0] == '/' && strchr(line, ' ') == NULL && strchr(line + 1, '/') == NULL && strchr(line, '\n') == NULL) {
        say_note("%s is not a command; /help lists them", line);
    } else {
        *handled = false;
    }
    return NEXT_LINE;
}

/* Reads and answers until the input ends. Returns the exit code. */
static int converse(Chat *c, bool terminal) {
    for (;;) {
        bool failed, handled;
        if (term_interrupts() > 1)
            return EXIT_INTERRUPTED;
        term_reset_interrupts();
        char *line = read_question(terminal, &failed);
        if (failed)
            return say_error(EXIT_MEMORY, "out of memory for a line of input");
        if (!line && ferror(stdin) && term_interrupts() == 0)
            return say_error(EXIT_RUN, "stdin: %s", strerror(errno));
        if (!line) {
            if (terminal)
                fputc('\n', stderr);
            return term_interrupts() > 0 || (c->answers > 0 && c->last == STOP_INTERRUPT) ? EXIT_INTERRUPTED : EXIT_DONE;
        }
        int next = command_line(c, line, &handled), code = 0;
        if (next == NEXT_REGENERATE)
            code = answer(c);
        else if (!handled && *line)
            code = ask(c, line, strlen(line));
        free(line);
        if (next == NEXT_QUIT || code == NEXT_EOF)
            return EXIT_DONE;
        if (code > 0 && !terminal)
            return code;
    }
}

static int start(Chat *c, const tl_text *prompt, bool prompted) {
    const Settings *s = c->settings;
    bool terminal = term_is_tty(TERM_STDIN);
    if (s->plan)
        engine_print_plan(&c->engine, stderr);
    say_note("seed %u%s", (unsigned)c->generator.seed, c->generator.greedy ? " (not used: greedy)" : "");
    say_detail("chat template: %s", tl_chat_name(c->messages.chat));
    if (s->single_turn && prompt->n == 0)
        return say_usage(s, "--single-turn without a question: give -p TEXT or -f FILE, or pipe it in");
    if (!s->single_turn && terminal)
        say_note("%s. /help lists commands; Ctrl-C ends an answer, Ctrl-D the chat.", tl_model_describe(c->engine.model));
    if (prompted && prompt->n > 0) {
        int code = ask(c, prompt->data, prompt->n);
        if (code != 0 || s->single_turn)
            return code == NEXT_EOF ? EXIT_DONE : code ? code : c->last == STOP_INTERRUPT ? EXIT_INTERRUPTED : EXIT_DONE;
    }
    return converse(c, terminal);
}

static void print_reports(Chat *c) {
    const Settings *s = c->settings;
    if (c->answers > 0)
        print_timings(&c->generator, &c->generator.total);
    tl_peaks peaks = profile_peaks(c->engine.backend, s->profile != NULL);
    profile_report(tl_context_plan(c->engine.context), &peaks, s->profile);
}

int chat_with(const Settings *s) {
    Chat c = {.settings = s};
    tl_text prompt = {0};
    bool prompted;
    const char *path;
    tl_context_options o = context_options(s);
    int code = model_path(s, &path);
    if (code == 0)
        code = text_prompt(s, s->single_turn, &prompt, &prompted);
    if (code == 0)
        code = engine_load(&c.engine, s, s->backend, s->threads, &o);
    if (code == 0)
        code = messages_open(&c.messages, s, c.engine.model);
    if (code == 0)
        code = engine_start(&c.engine, &o);
    if (code == 0)
        code = generator_open(&c.generator, s, &c.engine);
    if (code == 0) {
        code = start(&c, &prompt, prompted);
        print_reports(&c);
    }
    generator_close(&c.generator);
    messages_close(&c.messages);
    engine_close(&c.engine);
    tl_text_free(&prompt);
    return code;
}

int command_chat(int argc, char **argv) {
    Settings s;
    int code;
    if (command_begin(&s, CMD_CHAT, 2, argc, argv, &code))
        return code;
    if (s.no_conversation)
        return say_usage(&s, "-no-cnv in a chat: use 'llama run'");
    return chat_with(&s);
}
