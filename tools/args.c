/* args.c: the table-driven parser of command lines; see args.h. "--name value" and "--name=value" are the same; "--" ends the options; a
 * lone "-" is an argument. Every number is read whole and checked against its range. */
#include "tools/args.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/model.h"

static bool fail(Args *a, const char *format, ...) TL_PRINTF(2, 3);
static bool fail(Args *a, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    vsnprintf(a->error, sizeof a->error, format, ap);
    va_end(ap);
    return false;
}

/* ---- numbers ---- */

bool parse_int(const char *text, int64_t lo, int64_t hi, int64_t *out) {
    bool negative = *text == '-';
    const char *p = text + (negative || *text == '+');
    uint64_t v = 0;
    if (*p == 0)
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (v > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    int64_t signed_v = negative ? -(int64_t)v : (int64_t)v;
    if (*p != 0 || signed_v < lo || signed_v > hi)
        return false;
    *out = signed_v;
    return true;
}

bool parse_float(const char *text, double lo, double hi, double *out) {
    double v;
    if (!tl_number_parse(text, strlen(text), &v) || !isfinite(v) || v < lo || v > hi)
        return false;
    *out = v;
    return true;
}

/* ---- names ---- */

/* The next word of a list between blanks: its start, and its length in *n; NULL at the end. */
static const char *next_word(const char *list, size_t *n) {
    list += strspn(list, " ");
    *n = strcspn(list, " ");
    return *n ? list : NULL;
}

static bool has_word(const char *list, const char *word, size_t length) {
    size_t n;
    for (const char *w = next_word(list, &n); w; w = next_word(w + n, &n))
        if (n == length && memcmp(w, word, n) == 0)
            return true;
    return false;
}

/* Letters to insert, delete, change or swap to get from a to b (restricted edit distance); long words count as far. */
static int distance(const char *a, const char *b) {
    enum { LONGEST = 40 };
    size_t n = strlen(a), m = strlen(b);
    int rows[LONGEST + 1][LONGEST + 1];
    if (n > LONGEST || m > LONGEST)
        return LONGEST;
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = (int)(i + j);
                continue;
            }
            int best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (rows[i - 1][j] + 1 < best)
                best = rows[i - 1][j] + 1;
            if (rows[i][j - 1] + 1 < best)
                best = rows[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && rows[i - 2][j - 2] + 1 < best)
                best = rows[i - 2][j - 2] + 1;
            rows[i][j] = best;
        }
    }
    return rows[n][m];
}

const char *nearest_word(const char *typed, const char *const *words) {
    const char *best = NULL;
    int least = (int)(strlen(typed) + 2) / 3 + 1;
    for (; *words; words++) {
        int d = distance(typed, *words);
        if (d < least) {
            least = d;
            best = *words;
        }
    }
    return best;
}

static int find(const Args *a, const char *name, size_t length) {
    for (int i = 0; i < a->n_options; i++)
        if ((a->table[i].commands & a->command) && has_word(a->table[i].names, name, length))
            return i;
    return -1;
}

/* Fails: names the nearest option, or the commands' own help. */
static bool unknown(Args *a, const char *name, size_t length) {
    char storage[OPTIONS_MAX * 3][40], typed[64];
    const char *words[OPTIONS_MAX * 3 + 1];
    int count = 0;
    for (int i = 0; i < a->n_options; i++) {
        size_t n;
        if (!(a->table[i].commands & a->command) || a->table[i].kind == OPTION_RESERVED)
            continue;
        for (const char *w = next_word(a->table[i].names, &n); w && count < OPTIONS_MAX * 3; w = next_word(w + n, &n)) {
            snprintf(storage[count], sizeof storage[count], "%.*s", (int)n, w);
            words[count] = storage[count];
            count++;
        }
    }
    words[count] = NULL;
    snprintf(typed, sizeof typed, "%.*s", (int)(length < 60 ? length : 60), name);
    const char *near = nearest_word(typed, words);
    for (int i = 0; i < a->n_options; i++)
        if (has_word(a->table[i].names, name, length))
            return fail(a, "option %s is not one of 'llama %s'", typed, a->command_name);
    return near ? fail(a, "option %s is unknown; is it %s?", typed, near) : fail(a, "option %s is unknown", typed);
}

/* ---- values ---- */

static const char *number_range(const Option *o, char *text, size_t bytes) {
    char lo[32], hi[32];
    tl_number_print(o->lo, 12, lo);
    tl_number_print(o->hi, 12, hi);
    snprintf(text, bytes, "%s from %s to %s", o->kind == OPTION_INT ? "a whole number" : "a number", lo, hi);
    return text;
}

static bool set_bool(Args *a, const Option *o, const char *from, const char *text, bool value) {
    if (text && has_word("1 on true yes enabled", text, strlen(text)))
        value = o->kind == OPTION_SET;
    else if (text && has_word("0 off false no disabled", text, strlen(text)))
        value = o->kind != OPTION_SET;
    else if (text)
        return fail(a, "%s: '%.60s' is neither on nor off", from, text);
    *(bool *)((char *)a->fields + o->field) = value;
    return true;
}

/* Gives option o the value text (NULL: none). `from` names it in messages. */
static bool assign(Args *a, const Option *o, const char *from, const char *text) {
    char range[120];
    void *field = (char *)a->fields + o->field;
    switch (o->kind) {
    case OPTION_SET: return set_bool(a, o, from, text, true);
    case OPTION_CLEAR: return set_bool(a, o, from, text, false);
    case OPTION_INT:
        if (!parse_int(text, (int64_t)o->lo, (int64_t)o->hi, field))
            return fail(a, "%s: '%.60s' is not %s", from, text, number_range(o, range, sizeof range));
        return true;
    case OPTION_FLOAT:
        if (!parse_float(text, o->lo, o->hi, field))
            return fail(a, "%s: '%.60s' is not %s", from, text, number_range(o, range, sizeof range));
        return true;
    case OPTION_TEXT: *(const char **)field = text; return true;
    case OPTION_CHOICE:
    case OPTION_MAYBE:
    case OPTION_EQUALS:
        if (text && !has_word(o->choices, text, strlen(text)))
            return fail(a, "%s: '%.60s' is not one of: %s", from, text, o->choices);
        *(const char **)field = text ? text : "";
        return true;
    case OPTION_LIST: {
        TextList *list = field;
        if (list->n == TEXT_LIST_MAX)
            return fail(a, "%s may be given %d times at most", from, TEXT_LIST_MAX);
        list->text[list->n++] = text;
        return true;
    }
    case OPTION_RESERVED: return fail(a, "%s is not supported yet: %s", from, o->help);
    case OPTION_IGNORED: return true;
    }
    return true;
}

static bool takes_value(const Option *o) {
    return o->value != NULL && o->kind != OPTION_EQUALS && o->kind != OPTION_RESERVED;
}

/* One option at argv[*i], which moves on over its value. */
static bool parse_option(Args *a, int argc, char **argv, int *i) {
    const char *arg = argv[*i], *equals = strncmp(arg, "--", 2) == 0 ? strchr(arg, '=') : NULL;
    size_t length = equals ? (size_t)(equals - arg) : strlen(arg);
    int index = find(a, arg, length);
    if (index < 0)
        return unknown(a, arg, length);
    const Option *o = &a->table[index];
    const char *text = equals ? equals + 1 : NULL;
    char from[48];
    snprintf(from, sizeof from, "%.*s", (int)length, arg);
    if (equals && o->value == NULL)
        return fail(a, "%s takes no value", from);
    if (!text && takes_value(o)) {
        const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;
        if (o->kind == OPTION_MAYBE) {
            if (next && has_word(o->choices, next, strlen(next)))
                text = argv[++*i];
        } else if (!next) {
            return fail(a, "%s wants a value: %s %s", from, from, o->value);
        } else {
            text = argv[++*i];
        }
    }
    a->given[index] = true;
    return assign(a, o, from, text);
}

bool args_parse(Args *a, int argc, char **argv) {
    bool options = true;
    for (int i = 0; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1] != 0) {
            if (!parse_option(a, argc, argv, &i))
                return false;
        } else if (a->n_positional == a->most_positional) {
            return fail(a, "argument '%.60s' is one too many", argv[i]);
        } else {
            a->positional[a->n_positional++] = argv[i];
        }
    }
    return true;
}

bool args_environment(Args *a) {
    for (int i = 0; i < a->n_options; i++) {
        const Option *o = &a->table[i];
        const char *text = o->env && (o->commands & a->command) ? getenv(o->env) : NULL;
        if (!text || !*text || args_given(a, o->field))
            continue;
        if (!assign(a, o, o->env, text))
            return false;
        a->given[i] = true;
    }
    return true;
}

void args_mark(Args *a, size_t field) {
    for (int i = 0; i < a->n_options; i++)
        if ((a->table[i].commands & a->command) && a->table[i].field == field && a->table[i].kind != OPTION_IGNORED)
            a->given[i] = true;
}

bool args_given(const Args *a, size_t field) {
    for (int i = 0; i < a->n_options; i++)
        if (a->given[i] && a->table[i].field == field && a->table[i].kind != OPTION_IGNORED)
            return true;
    return false;
}

/* ---- help ---- */

/* Text broken into lines of up to `width`, the second and later ones indented. */
static void print_wrapped(const char *text, int indent, int width) {
    int column = indent;
    size_t n;
    for (const char *w = next_word(text, &n); w; w = next_word(w + n, &n)) {
        if (column > indent && column + 1 + (int)n > width) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        fwrite(w, 1, n, stdout);
        column += (int)n;
    }
    putchar('\n');
}

static void print_option(const Option *o) {
    enum { INDENT = 34, WIDTH = 110 };
    char left[160] = "  ", text[600];
    size_t n, used = 2;
    for (const char *w = next_word(o->names, &n); w; w = next_word(w + n, &n))
        used += (size_t)snprintf(left + used, sizeof left - used, "%s%.*s", used > 2 ? ", " : "", (int)n, w);
    if (o->value)
        used += (size_t)snprintf(left + used, sizeof left - used, "%s%s", o->kind == OPTION_EQUALS ? "" : " ", o->value);
    printf("%s%*s", left, used < INDENT ? (int)(INDENT - used) : 0, "");
    if (used >= INDENT)
        printf("\n%*s", INDENT, "");
    snprintf(text, sizeof text, "%s%s%s%s", o->help, o->env ? " [" : "", o->env ? o->env : "", o->env ? "]" : "");
    print_wrapped(text, INDENT, WIDTH);
}

void args_help(const Option *table, int n, unsigned command) {
    for (int i = 0; i < n; i++)
        if ((table[i].commands & command) && table[i].kind != OPTION_RESERVED && table[i].kind != OPTION_IGNORED)
            print_option(&table[i]);
    const char *lists[] = {"\nAccepted without effect:", "\nReserved, not supported yet:"};
    for (int k = 0; k < 2; k++) {
        bool any = false;
        for (int i = 0; i < n; i++) {
            if (!(table[i].commands & command) || table[i].kind != (k ? OPTION_RESERVED : OPTION_IGNORED))
                continue;
            if (!any)
                puts(lists[k]);
            any = true;
            if (!k) {
                print_option(&table[i]);
                continue;
            }
            printf("  ");
            print_wrapped(table[i].names, 2, 110);
        }
    }
}
