/* backend.c: opening a backend by a spec string, and the lists behind --help, info and the tests. */
#include "backends/backend.h"

#include <string.h>

#include "backends/internal.h"
#include "tensor/platform.h"

typedef struct backend_row {
    const char *name;
    const tl_backend_ops *ops;
} backend_row;

#define TL_BACKEND_LEFT_OUT(name, how)
static const backend_row rows[] = {
#define TL_BACKEND(name, ops) {#name, &ops},
#include "backends/backends.def"
#undef TL_BACKEND
};
#undef TL_BACKEND_LEFT_OUT
enum { N_ROWS = sizeof rows / sizeof *rows };

int tl_backend_count(void) {
    return N_ROWS;
}

const char *tl_backend_name(int i) {
    return i >= 0 && i < N_ROWS ? rows[i].name : NULL;
}

const char *tl_backend_help(int i) {
    return i >= 0 && i < N_ROWS ? rows[i].ops->help : NULL;
}

/* ---- option lists ---- */

tl_status tl_option_next(const char **list, tl_option *o, tl_error *err) {
    const char *s = *list;
    if (!s || !*s)
        return TL_OK;
    size_t n = strcspn(s, ",");
    const char *eq = memchr(s, '=', n);
    size_t key = eq ? (size_t)(eq - s) : 0, value = eq ? n - key - 1 : 0;
    if (!eq || key == 0 || value == 0 || key >= sizeof o->key || value >= sizeof o->value || (s[n] == ',' && !s[n + 1]))
        return tl_fail(err, TL_ERR_USAGE, "backend options '%.80s': wants KEY=VALUE[,KEY=VALUE], as in isa=scalar,threads=4", s);
    memcpy(o->key, s, key);
    o->key[key] = 0;
    memcpy(o->value, eq + 1, value);
    o->value[value] = 0;
    *list = s + n + (s[n] == ',');
    return TL_MORE;
}

tl_status tl_option_int(const tl_option *o, int lo, int hi, int *out, tl_error *err) {
    int64_t v = 0;
    const char *s = o->value;
    for (; *s >= '0' && *s <= '9' && v <= hi; s++)
        v = v * 10 + (*s - '0');
    if (*s || s == o->value || v < lo || v > hi)
        return tl_fail(err, TL_ERR_USAGE, "backend option %s=%s: wants a number from %d to %d", o->key, o->value, lo, hi);
    *out = (int)v;
    return TL_OK;
}

/* ---- opening ---- */

static bool is_level(const char *name, size_t n) {
    for (int i = 0; tl_cpu_level_name(i); i++)
        if (strlen(tl_cpu_level_name(i)) == n && strncmp(tl_cpu_level_name(i), name, n) == 0)
            return true;
    return false;
}

static const backend_row *find(const char *name, size_t n) {
    for (int i = 0; i < N_ROWS; i++)
        if (strlen(rows[i].name) == n && strncmp(rows[i].name, name, n) == 0)
            return &rows[i];
    return NULL;
}

/* How to get a backend that this build leaves out; NULL: there is none of that name. */
static const char *left_out(const char *name, size_t n) {
    static const struct {
        const char *name, *how;
    } absent[] = {
#define TL_BACKEND(name, ops)
#define TL_BACKEND_LEFT_OUT(name, how) {#name, how},
#include "backends/backends.def"
#undef TL_BACKEND
#undef TL_BACKEND_LEFT_OUT
        {NULL, NULL},
    };
    for (int i = 0; absent[i].name; i++)
        if (strlen(absent[i].name) == n && strncmp(absent[i].name, name, n) == 0)
            return absent[i].how;
    return NULL;
}

static tl_status unknown(const char *spec, size_t n, tl_error *err) {
    char list[256] = "";
    const char *how = left_out(spec, n);
    if (how)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "backend '%.*s' is not in this build: %s", (int)n, spec, how);
    for (int i = 0; i < N_ROWS; i++) {
        strcat(list, i ? ", " : "");
        strcat(list, rows[i].name);
    }
    for (int i = 0; tl_cpu_level_name(i) && strlen(list) < 200; i++) {
        strcat(list, ", ");
        strcat(list, tl_cpu_level_name(i));
    }
    return tl_fail(err, TL_ERR_USAGE, "backend '%.80s' is unknown; there are %s (a level name means cpu:isa=NAME)", spec, list);
}

static tl_status check_repeats(const char *options, tl_error *err) {
    tl_option o, later;
    tl_status s;
    for (const char *list = options; (s = tl_option_next(&list, &o, err)) == TL_MORE;)
        for (const char *rest = list; tl_option_next(&rest, &later, NULL) == TL_MORE;)
            if (strcmp(o.key, later.key) == 0)
                return tl_fail(err, TL_ERR_USAGE, "backend option %s is given twice, as %s and as %s", o.key, o.value, later.value);
    return s;
}

tl_status tl_backend_open(tl_backend **out, const char *spec, tl_error *err) {
    if (!out)
        return tl_fail(err, TL_ERR_USAGE, "tl_backend_open: no place for the backend given");
    *out = NULL;
    const char *wrong = tl_float_check();
    if (wrong)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "backend: %s", wrong);
    if (!spec || !*spec)
        spec = rows[0].name;
    size_t n = strcspn(spec, ":");
    const char *options = spec[n] ? spec + n + 1 : "";
    char with_level[160];
    const backend_row *row = find(spec, n);
    if (!row && is_level(spec, n)) {
        if (n + strlen(options) + 6 > sizeof with_level)
            return tl_fail(err, TL_ERR_USAGE, "backend '%.80s' is too long", spec);
        memcpy(with_level, "isa=", 4);
        memcpy(with_level + 4, spec, n);
        with_level[4 + n] = 0;
        if (*options) {
            strcat(with_level, ",");
            strcat(with_level, options);
        }
        options = with_level;
        row = find("cpu", 3);
    }
    if (!row)
        return unknown(spec, n, err);
    tl_status s = check_repeats(options, err);
    if (s)
        return s;
    tl_backend *be = tl_alloc(sizeof *be);
    if (!be)
        return tl_fail(err, TL_ERR_MEMORY, "backend: out of memory");
    be->ops = row->ops;
    be->lock = tl_mutex_new();
    be->spec = tl_alloc(strlen(spec) + 1);
    if (!be->lock || !be->spec) {
        tl_backend_free(be);
        return tl_fail(err, TL_ERR_MEMORY, "backend: out of memory");
    }
    strcpy(be->spec, spec);
    s = be->ops->open(be, options, err);
    if (s) {
        tl_backend_free(be);
        return s;
    }
    *out = be;
    return TL_OK;
}

void tl_backend_free(tl_backend *be) {
    if (!be)
        return;
    if (be->impl)
        be->ops->close(be);
    tl_mutex_free(be->lock);
    tl_free(be->spec);
    tl_free(be);
}

const char *tl_backend_describe(tl_backend *be) {
    if (!be)
        return "";
    return be->ops->describe ? be->ops->describe(be) : be->ops->name;
}

int tl_backend_threads(tl_backend *be) {
    return be && be->ops->threads ? be->ops->threads(be) : 1;
}

tl_status tl_backend_peaks(tl_backend *be, tl_peaks *out, tl_error *err) {
    if (!be || !out)
        return tl_fail(err, TL_ERR_USAGE, "peaks: a backend and a place for the result are needed");
    *out = (tl_peaks){0};
    if (!be->ops->peaks)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "peaks: backend %s cannot measure them", be->ops->name);
    return be->ops->peaks(be, out, err);
}

/* ---- what can be opened here ---- */

const char *tl_backend_openable(int i) {
    for (int r = 0; r < N_ROWS; r++)
        if (strcmp(rows[r].name, "cpu") != 0 && i-- == 0)
            return rows[r].name;
    for (int l = 0; tl_cpu_level_name(l); l++)
        if (!tl_cpu_level_lacks(l) && i-- == 0)
            return tl_cpu_level_spec(l);
    return NULL;
}

bool tl_backend_same_bits(const char *spec) {
    const backend_row *row = spec ? find(spec, strcspn(spec, ":")) : NULL;
    return !row || !row->ops->own_bits;
}

const char *tl_backend_lacking(int i) {
    for (int l = 0; tl_cpu_level_name(l); l++)
        if (tl_cpu_level_lacks(l) && i-- == 0)
            return tl_cpu_level_name(l);
    return NULL;
}
