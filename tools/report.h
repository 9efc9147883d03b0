/* report.h: output for machines and people: a JSON writer, tables, sizes; and stdout's end. */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- JSON ---- */
enum { JSON_DEPTH = 16 };
typedef struct Json {
    FILE *file;
    bool pretty; /* members on lines of their own */
    int depth;
    bool filled[JSON_DEPTH], key_open, flat[JSON_DEPTH];
} Json;

Json json_on(FILE *file, bool pretty);
void json_open(Json *j, const char *key, char bracket); /* '{' or '['; key NULL: an element */
void json_flat(Json *j, const char *key, char bracket); /* the same, its members on one line */
void json_close(Json *j, char bracket);                 /* '}' or ']'; the outermost ends the line */
/* Any bytes: what is not UTF-8 becomes U+FFFD. text NULL: null. */
void json_text(Json *j, const char *key, const char *text, size_t n);
void json_string(Json *j, const char *key, const char *text);
void json_int(Json *j, const char *key, int64_t v);
void json_real(Json *j, const char *key, double v, int digits); /* NaN, infinities: null */
void json_bool(Json *j, const char *key, bool v);
void json_ids(Json *j, const char *key, const int32_t *ids, size_t n);

/* ---- tables ---- */
enum { TABLE_COLUMNS = 16 };
typedef struct Table {
    char **cells;
    size_t n, cap;
    int columns;
    bool left[TABLE_COLUMNS], broken;
} Table;

/* Columns by their heads; those that begin with '<' are set flush left. */
Table table_new(int columns, const char *const *heads);
void table_cell(Table *t, const char *format, ...);
/* Prints and frees; markdown: with bars, as llama-bench. */
void table_print(Table *t, FILE *file, bool markdown);

/* ---- values ---- */
/* "96.1 MiB", "880 B" into text, which is returned. */
const char *size_text(double bytes, char text[24]);
/* Bytes for a terminal: control characters as \n, \xHH. */
void print_escaped(FILE *file, const char *s, size_t n);

/* ---- stdout ---- */
/* Flushed at every write on a terminal, else by line. */
void out_setup(void);
/* False once stdout is closed or full. */
bool out_open(void);
bool out_write(const char *text, size_t n);
/* The exit code, after what was printed has left: a full disk is an error, a closed pipe is not. */
int out_finish(int code);

#endif
