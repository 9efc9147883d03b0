/* record.h: results as records of named fields, written one by one as CSV, JSON, JSON lines or SQL, and the cells of a markdown table that
 * grows line by line. */
#ifndef TOOLS_RECORD_H
#define TOOLS_RECORD_H

#include "tools/report.h"

typedef enum FieldKind {
    FIELD_TEXT,
    FIELD_WHOLE,
    FIELD_REAL,
    FIELD_WHOLES, /* lists stand in JSON only */
    FIELD_REALS
} FieldKind;

enum { RECORD_FIELDS = 48 };
typedef struct Field {
    const char *name;
    FieldKind kind;
    const char *text;
    int64_t whole;
    double real; /* not finite: null; in CSV empty */
    const double *list;
    int n;        /* of list */
    double scale; /* of its values */
} Field;
typedef struct Record {
    Field f[RECORD_FIELDS];
    int n;
} Record;

/* Names and texts are borrowed. */
void record_text(Record *r, const char *name, const char *text);
void record_whole(Record *r, const char *name, int64_t v);
void record_real(Record *r, const char *name, double v);
/* v [n], borrowed, times scale; FIELD_WHOLES rounds. */
void record_list(Record *r, const char *name, FieldKind kind, const double *v, double scale, int n);

typedef struct RecordWriter {
    FILE *file;
    const char *format; /* "csv", "json", "jsonl", "sql"; of "md" nothing is written */
    const char *table;  /* its name in SQL */
    Json json;
    int written;
} RecordWriter;

RecordWriter record_writer(FILE *file, const char *format, const char *table);
void record_write(RecordWriter *w, const Record *r);
void record_end(RecordWriter *w); /* of no record nothing is written */

/* "| " cells: flush right, or left where width is negative; text NULL: the rule below a head. */
void md_cell(FILE *file, int width, const char *text);
void md_number(FILE *file, int width, const char *format, double v);

#endif
