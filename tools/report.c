/* report.c: the JSON writer, tables, and stdout. */
#include "tools/report.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"
#include "tools/say.h"
#include "tools/term.h"

/* ---- JSON ---- */

Json json_on(FILE *file, bool pretty) {
    return (Json){.file = file, .pretty = pretty};
}

static void json_newline(Json *j, int depth) {
    if (j->pretty && !j->flat[depth < JSON_DEPTH ? depth : JSON_DEPTH - 1])
        fprintf(j->file, "\n%*s", depth * 2, "");
}

static void json_quote(FILE *file, const char *s, size_t n) {
    fputc('"', file);
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t length = (size_t)tl_utf8_read(s + i, n - i, &cp);
        if (cp == '"' || cp == '\\')
            fprintf(file, "\\%c", s[i]);
        else if (cp == '\n')
            fputs("\\n", file);
        else if (cp == '\t')
            fputs("\\t", file);
        else if (cp < 0x20 || cp == 0x7F || (cp == 0xFFFD && length == 1))
            fprintf(file, "\\u%04x", (unsigned)cp);
        else
            fwrite(s + i, 1, length, file);
        i += length;
    }
    fputc('"', file);
}

/* The comma, the line and the key in front of a value. */
static void json_lead(Json *j, const char *key) {
    if (j->depth > 0) {
        if (j->filled[j->depth - 1])
            fputs(j->pretty && !j->flat[j->depth] ? "," : ", ", j->file);
        j->filled[j->depth - 1] = true;
        json_newline(j, j->depth);
    }
    if (key) {
        json_quote(j->file, key, strlen(key));
        fputs(": ", j->file);
    }
}

void json_open(Json *j, const char *key, char bracket) {
    json_lead(j, key);
    fputc(bracket, j->file);
    if (j->depth + 1 >= JSON_DEPTH)
        return;
    j->filled[j->depth++] = false;
    j->flat[j->depth] = j->flat[j->depth - 1];
}

void json_flat(Json *j, const char *key, char bracket) {
    json_open(j, key, bracket);
    j->flat[j->depth] = true;
}

void json_close(Json *j, char bracket) {
    bool filled = j->filled[j->depth - 1], flat = j->flat[j->depth];
    j->flat[j->depth] = false;
    j->depth--;
    if (filled && !flat)
        json_newline(j, j->depth);
    fputc(bracket, j->file);
    if (j->depth == 0)
        fputc('\n', j->file);
}

void json_text(Json *j, const char *key, const char *text, size_t n) {
    json_lead(j, key);
    if (text)
        json_quote(j->file, text, n);
    else
        fputs("null", j->file);
}

void json_string(Json *j, const char *key, const char *text) {
    json_text(j, key, text, text ? strlen(text) : 0);
}

void json_int(Json *j, const char *key, int64_t v) {
    json_lead(j, key);
    fprintf(j->file, "%lld", (long long)v);
}

void json_real(Json *j, const char *key, double v, int digits) {
    char text[32];
    json_lead(j, key);
    fputs(isfinite(v) ? tl_number_print(v, digits, text) : "null", j->file);
}

void json_bool(Json *j, const char *key, bool v) {
    json_lead(j, key);
    fputs(v ? "true" : "false", j->file);
}

void json_ids(Json *j, const char *key, const int32_t *ids, size_t n) {
    json_flat(j, key, '[');
    for (size_t i = 0; i < n; i++)
        json_int(j, NULL, ids[i]);
    json_close(j, ']');
}

/* ---- tables ---- */

static void table_add(Table *t, const char *text) {
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        char **grown = realloc(t->cells, cap * sizeof *grown);
        if (!grown) {
            t->broken = true;
            return;
        }
        t->cells = grown;
        t->cap = cap;
    }
    char *copy = malloc(strlen(text) + 1);
    if (!copy) {
        t->broken = true;
        return;
    }
    t->cells[t->n++] = strcpy(copy, text);
}

Table table_new(int columns, const char *const *heads) {
    Table t = {.columns = columns};
    for (int i = 0; i < columns; i++) {
        t.left[i] = heads[i][0] == '<';
        table_add(&t, heads[i] + t.left[i]);
    }
    return t;
}

void table_cell(Table *t, const char *format, ...) {
    char text[256];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    table_add(t, text);
}

/* Columns on the screen: characters, not bytes. */
static int width_of(const char *text) {
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static void print_rule(const Table *t, const int *width, FILE *file) {
    for (int c = 0; c < t->columns; c++) {
        fputs(c ? " | " : "| ", file);
        for (int i = 0; i < width[c] - !t->left[c]; i++)
            fputc('-', file);
        fputs(t->left[c] ? "" : ":", file);
    }
    fputs(" |\n", file);
}

void table_print(Table *t, FILE *file, bool markdown) {
    int width[TABLE_COLUMNS] = {0};
    size_t columns = (size_t)t->columns;
    if (t->broken)
        fputs("llama: out of memory: a table is missing\n", stderr);
    for (size_t i = 0; i < t->n && !t->broken; i++)
        if (width_of(t->cells[i]) > width[i % columns])
            width[i % columns] = width_of(t->cells[i]);
    for (size_t i = 0; i < t->n && !t->broken; i++) {
        size_t c = i % columns;
        int pad = width[c] - width_of(t->cells[i]);
        bool last = c + 1 == columns;
        fputs(c == 0 ? (markdown ? "| " : "") : (markdown ? " | " : "  "), file);
        if (t->left[c])
            fprintf(file, "%s%*s", t->cells[i], last && !markdown ? 0 : pad, "");
        else
            fprintf(file, "%*s%s", pad, "", t->cells[i]);
        if (last)
            fputs(markdown ? " |\n" : "\n", file);
        if (markdown && i + 1 == columns)
            print_rule(t, width, file);
    }
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (Table){0};
}

/* ---- values ---- */

const char *size_text(double bytes, char text[24]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int unit = 0;
    for (; bytes >= 1024 && unit < 4; unit++)
        bytes /= 1024;
    snprintf(text, 24, unit == 0 ? "%.0f %s" : "%.2f %s", bytes, units[unit]);
    return text;
}

void print_escaped(FILE *file, const char *s, size_t n) {
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t cp;
        length = (size_t)tl_utf8_read(s + i, n - i, &cp);
        bool malformed = cp == 0xFFFD && length == 1, control = cp < 0x20 || (cp >= 0x7F && cp < 0xA0);
        if (cp == '\n')
            fputs("\\n", file);
        else if (cp == '\\')
            fputs("\\\\", file);
        else if (!malformed && !control)
            fwrite(s + i, 1, length, file);
        else
            for (size_t k = 0; k < length; k++)
                fprintf(file, "\\x%02X", (unsigned)(unsigned char)s[i + k]);
    }
}

/* ---- stdout ---- */

void out_setup(void) {
    setvbuf(stdout, NULL, _IOLBF, 1 << 16);
}

bool out_open(void) {
    return !ferror(stdout);
}

bool out_write(const char *text, size_t n) {
    fwrite(text, 1, n, stdout);
    if (term_is_tty(TERM_STDOUT))
        fflush(stdout);
    return out_open();
}

int out_finish(int code) {
    errno = 0;
    bool good = fflush(stdout) == 0 && !ferror(stdout);
    if (good || term_pipe_closed() || code != EXIT_DONE)
        return code;
    return say_error(EXIT_RUN, "stdout: %s", errno ? strerror(errno) : "not all of the output could be written; is the disk full?");
}
