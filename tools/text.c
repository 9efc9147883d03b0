/* text.c: text from arguments, files and pipes. */
#include "tools/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/say.h"
#include "tools/term.h"

enum { MOST_TEXT = 1 << 28 }; /* bytes: more than any context holds, and an end to files that have none */

/* Appends the whole of a file, or of stdin where path is "-". */
static int text_read(const char *path, tl_text *out) {
    tl_error err;
    char chunk[1 << 14];
    size_t n;
    bool standard = strcmp(path, "-") == 0;
    errno = 0;
    term_reading(true); /* a file may be a pipe or a terminal, and wait as stdin does */
    FILE *f = standard ? stdin : fopen(path, "rb");
    if (!f) {
        term_reading(false);
        return term_interrupts() > 0 ? EXIT_INTERRUPTED : say_error(EXIT_RUN, "%s: %s", path, strerror(errno));
    }
    int code = 0;
    while (code == 0 && (n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        if (tl_text_append(out, chunk, n, &err))
            code = say_status(EXIT_RUN, &err);
        else if (out->n > MOST_TEXT)
            code = say_error(EXIT_RUN, "%s: the text is longer than %d MiB: give a part of it", standard ? "stdin" : path, MOST_TEXT >> 20);
        if (feof(f) || ferror(f)) /* a terminal would have to end, or be interrupted, once more */
            break;
    }
    if (code == 0 && term_interrupts() > 0)
        code = EXIT_INTERRUPTED;
    else if (code == 0 && ferror(f))
        code = say_error(EXIT_RUN, "%s: %s", standard ? "stdin" : path, strerror(errno));
    term_reading(false);
    if (!standard)
        fclose(f);
    return code;
}

int text_file(const char *path, tl_text *out) {
    int code = text_read(path, out);
    if (code == 0 && out->n > 0 && out->data[out->n - 1] == '\n')
        out->data[--out->n] = 0;
    return code;
}

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The character that the escape behind a backslash stands for, and how many bytes of s it takes (0: it is none). */
static size_t escape(const char *s, char *out) {
    static const char names[] = "nrt\\\"'", values[] = "\n\r\t\\\"'";
    const char *at = *s ? strchr(names, *s) : NULL;
    if (at) {
        *out = values[at - names];
        return 1;
    }
    if (*s != 'x' || hex(s[1]) < 0)
        return 0;
    bool two = hex(s[2]) >= 0;
    *out = (char)(two ? hex(s[1]) * 16 + hex(s[2]) : hex(s[1]));
    return two ? 3 : 2;
}

int text_argument(const Settings *s, const char *text, tl_text *out) {
    tl_error err;
    tl_status status = tl_text_append(out, "", 0, &err);
    while (*text && !status) {
        size_t plain = s->no_escape ? strlen(text) : strcspn(text, "\\");
        status = tl_text_append(out, text, plain, &err);
        text += plain;
        if (*text == '\\' && !status) {
            char c = '\\';
            text += 1 + escape(text + 1, &c);
            status = tl_text_append(out, &c, 1, &err);
        }
    }
    return status ? say_status(EXIT_RUN, &err) : 0;
}

int text_prompt(const Settings *s, bool pipe_too, tl_text *out, bool *found) {
    *found = true;
    if (s->prompt)
        return text_argument(s, s->prompt, out);
    if (s->binary_file)
        return text_read(s->binary_file, out);
    const char *path = s->file ? s->file : s->from_stdin || (pipe_too && !term_is_tty(TERM_STDIN)) ? "-" : NULL;
    if (!path) {
        *found = false;
        return 0;
    }
    int code = text_file(path, out);
    *found = out->n > 0 || s->file || s->from_stdin; /* an empty pipe that nobody asked for is no prompt */
    return code;
}
