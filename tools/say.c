/* say.c: messages on stderr. stdout belongs to what was asked for. */
#include "tools/say.h"

#include <stdarg.h>
#include <stdio.h>

#include "tools/term.h"

static int level = SAY_USUAL;

void say_level(int new_level) {
    level = new_level;
}

int say_get_level(void) {
    return level;
}

static void print(const char *color, const char *head, const char *format, va_list ap) {
    term_progress_clear();
    fprintf(stderr, "%s%s%s", color, head, *color ? TERM_PLAIN : "");
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
}

int say_error(int code, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    print(term_color(TERM_STDERR, TERM_RED), "llama: ", format, ap);
    va_end(ap);
    return code;
}

int say_usage(const Settings *s, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    print(term_color(TERM_STDERR, TERM_RED), "llama: ", format, ap);
    va_end(ap);
    if (s && s->args.command_name)
        fprintf(stderr, "usage: llama %s [options]; 'llama %s --help' lists them\n", s->args.command_name, s->args.command_name);
    else
        fputs("usage: llama COMMAND [options]; 'llama --help' lists the commands\n", stderr);
    return EXIT_USAGE;
}

int say_status(int code, const tl_error *err) {
    if (err->status == TL_CANCELLED)
        return EXIT_INTERRUPTED;
    return say_error(err->status == TL_ERR_MEMORY ? EXIT_MEMORY : code, "%s", err->message);
}

void say_note(const char *format, ...) {
    va_list ap;
    if (level < SAY_USUAL)
        return;
    va_start(ap, format);
    print("", "", format, ap);
    va_end(ap);
}

void say_detail(const char *format, ...) {
    va_list ap;
    if (level < SAY_ALL)
        return;
    va_start(ap, format);
    print(term_color(TERM_STDERR, TERM_DIM), "", format, ap);
    va_end(ap);
}
