/* record.c: records of named fields as CSV, JSON, JSON lines and SQL; cells of markdown tables. */
#include "tools/record.h"

#include <math.h>
#include <string.h>

#include "models/model.h"

static Field *add(Record *r, const char *name, FieldKind kind) {
    Field *f = &r->f[r->n < RECORD_FIELDS ? r->n++ : RECORD_FIELDS - 1];
    *f = (Field){.name = name, .kind = kind};
    return f;
}

void record_text(Record *r, const char *name, const char *text) {
    add(r, name, FIELD_TEXT)->text = text;
}

void record_whole(Record *r, const char *name, int64_t v) {
    add(r, name, FIELD_WHOLE)->whole = v;
}

void record_real(Record *r, const char *name, double v) {
    add(r, name, FIELD_REAL)->real = v;
}

void record_list(Record *r, const char *name, FieldKind kind, const double *v, double scale, int n) {
    Field *f = add(r, name, kind);
    f->list = v;
    f->scale = scale;
    f->n = n;
}

static bool is_list(const Field *f) {
    return f->kind == FIELD_WHOLES || f->kind == FIELD_REALS;
}

/* ---- JSON ---- */

static void write_json(Json *j, const Record *r) {
    json_open(j, NULL, '{');
    for (int i = 0; i < r->n; i++) {
        const Field *f = &r->f[i];
        if (f->kind == FIELD_TEXT) {
            json_string(j, f->name, f->text);
        } else if (f->kind == FIELD_WHOLE) {
            json_int(j, f->name, f->whole);
        } else if (f->kind == FIELD_REAL) {
            json_real(j, f->name, f->real, 9);
        } else {
            json_flat(j, f->name, '[');
            for (int k = 0; k < f->n; k++)
                if (f->kind == FIELD_WHOLES)
                    json_int(j, NULL, (int64_t)(f->list[k] * f->scale + 0.5));
                else
                    json_real(j, NULL, f->list[k] * f->scale, 9);
            json_close(j, ']');
        }
    }
    json_close(j, '}');
}

/* ---- CSV, SQL ---- */

/* The value between quotes, in which `quote` is doubled; where there is none, `none`. */
static void write_quoted(FILE *file, const Field *f, char quote, const char *none) {
    char number[32];
    if (f->kind == FIELD_TEXT ? !f->text : f->kind == FIELD_REAL && !isfinite(f->real)) {
        fputs(none, file);
        return;
    }
    fputc(quote, file);
    if (f->kind == FIELD_WHOLE)
        fprintf(file, "%lld", (long long)f->whole);
    else if (f->kind == FIELD_REAL)
        fputs(tl_number_print(f->real, 9, number), file);
    for (const char *p = f->text; p && *p; p++) {
        if (*p == quote)
            fputc(quote, file);
        fputc(*p, file);
    }
    fputc(quote, file);
}

static void write_names(FILE *file, const Record *r, const char *between) {
    for (int i = 0, n = 0; i < r->n; i++)
        if (!is_list(&r->f[i]))
            fprintf(file, "%s%s", n++ ? between : "", r->f[i].name);
}

static void write_values(FILE *file, const Record *r, const char *between, char quote, const char *none) {
    for (int i = 0, n = 0; i < r->n; i++)
        if (!is_list(&r->f[i])) {
            fputs(n++ ? between : "", file);
            write_quoted(file, &r->f[i], quote, none);
        }
}

static void write_csv(const RecordWriter *w, const Record *r) {
    if (w->written == 0) {
        write_names(w->file, r, ",");
        fputc('\n', w->file);
    }
    write_values(w->file, r, ",", '"', "\"\"");
    fputc('\n', w->file);
}

static void write_sql(const RecordWriter *w, const Record *r) {
    static const char *const types[] = {"TEXT", "INTEGER", "REAL"};
    if (w->written == 0) {
        fprintf(w->file, "CREATE TABLE IF NOT EXISTS %s (\n", w->table);
        for (int i = 0, n = 0; i < r->n; i++)
            if (!is_list(&r->f[i]))
                fprintf(w->file, "%s  %s %s", n++ ? ",\n" : "", r->f[i].name, types[r->f[i].kind]);
        fputs("\n);\n\n", w->file);
    }
    fprintf(w->file, "INSERT INTO %s (", w->table);
    write_names(w->file, r, ", ");
    fputs(") VALUES (", w->file);
    write_values(w->file, r, ", ", '\'', "NULL");
    fputs(");\n", w->file);
}

/* ---- all of them ---- */

RecordWriter record_writer(FILE *file, const char *format, const char *table) {
    return (RecordWriter){.file = file, .format = format, .table = table, .json = json_on(file, strcmp(format, "json") == 0)};
}

void record_write(RecordWriter *w, const Record *r) {
    if (w->written == 0 && strcmp(w->format, "json") == 0)
        json_open(&w->json, NULL, '[');
    if (strcmp(w->format, "csv") == 0)
        write_csv(w, r);
    else if (strcmp(w->format, "sql") == 0)
        write_sql(w, r);
    else if (strncmp(w->format, "json", 4) == 0)
        write_json(&w->json, r);
    w->written++;
    fflush(w->file);
}

void record_end(RecordWriter *w) {
    if (w->written > 0 && strcmp(w->format, "json") == 0)
        json_close(&w->json, ']');
}

/* ---- markdown ---- */

void md_cell(FILE *file, int width, const char *text) {
    int n = width < 0 ? -width : width;
    fputs(" ", file);
    if (!text) {
        for (int i = 0; i < n - (width > 0); i++)
            fputc('-', file);
        fputs(width > 0 ? ": |" : " |", file);
        return;
    }
    int shown = 0;
    for (const char *p = text; *p; p++)
        shown += ((unsigned char)*p & 0xC0) != 0x80;
    int pad = shown < n ? n - shown : 0;
    fprintf(file, "%*s%s%*s |", width > 0 ? pad : 0, "", text, width > 0 ? 0 : pad, "");
}

void md_number(FILE *file, int width, const char *format, double v) {
    char text[48];
    snprintf(text, sizeof text, format, v);
    md_cell(file, width, text);
}
