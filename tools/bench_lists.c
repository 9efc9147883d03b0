/* bench_lists.c: lists and ranges of numbers, as llama-bench reads them. */
#include <string.h>

#include "tools/bench.h"

/* A number in text [n bytes], lo .. hi. */
static bool number(const char *text, size_t n, int64_t lo, int64_t hi, int64_t *out) {
    char copy[24];
    if (n == 0 || n >= sizeof copy || text[0] == '+' || text[0] == '-')
        return false;
    memcpy(copy, text, n);
    copy[n] = 0;
    return parse_int(copy, lo, hi, out);
}

static bool append(IntList *list, int64_t v) {
    if (list->n == LIST_MAX)
        return false;
    list->v[list->n++] = v;
    return true;
}

/* "7", "1-8", "128-512+128", "1-8*2" in text [n bytes]. */
static bool parse_range(const char *text, size_t n, int64_t lo, int64_t hi, IntList *list) {
    const char *dash = memchr(text, '-', n);
    int64_t first, last, step = 1;
    if (!dash)
        return number(text, n, lo, hi, &first) && append(list, first);
    size_t left = (size_t)(dash - text), right = strcspn(dash + 1, "+*,");
    if (right > n - left - 1)
        right = n - left - 1;
    char by = left + 1 + right < n ? dash[1 + right] : '+';
    if (!number(text, left, lo, hi, &first) || !number(dash + 1, right, lo, hi, &last) || first > last)
        return false;
    if (left + 1 + right < n && !number(dash + 2 + right, n - left - right - 2, by == '*' ? 2 : 1, hi, &step))
        return false;
    if (by == '*' && first == 0)
        return false;
    for (int64_t v = first; v <= last; v = by == '*' ? v * step : v + step)
        if (!append(list, v))
            return false;
    return true;
}

bool parse_int_list(const char *text, int64_t lo, int64_t hi, IntList *list) {
    list->n = 0;
    for (;;) {
        size_t n = strcspn(text, ",");
        if (!parse_range(text, n, lo, hi, list))
            return false;
        if (!text[n])
            return true;
        text += n + 1;
    }
}

bool parse_pair_list(const char *text, int64_t lo, int64_t hi, PairList *list) {
    list->n = 0;
    for (;;) {
        size_t n = strcspn(text, ";"), comma = strcspn(text, ",");
        if (comma >= n || list->n == LIST_MAX || !number(text, comma, lo, hi, &list->prompt[list->n]) ||
            !number(text + comma + 1, n - comma - 1, lo, hi, &list->gen[list->n]))
            return false;
        list->n++;
        if (!text[n])
            return true;
        text += n + 1;
    }
}
