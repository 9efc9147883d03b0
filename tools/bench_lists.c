/* bench_lists.c: lists and ranges of `llama bench`, as llama-bench reads them: joined by commas, or an option given again. */
#include <string.h>

#include "tools/bench.h"
#include "tools/say.h"

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

bool parse_type_list(const char *text, TypeList *list) {
    for (const char *p = text; p;) {
        size_t n = strcspn(p, ",");
        bool half = n == 3 && memcmp(p, "f16", 3) == 0, single = n == 3 && memcmp(p, "f32", 3) == 0;
        if ((!half && !single) || list->n == LIST_MAX)
            return false;
        list->v[list->n++] = half ? TL_F16 : TL_F32;
        p = p[n] ? p + n + 1 : NULL;
    }
    return true;
}

/* KEY=VALUE, as an option in the midst of a spec; "cpu:KEY=VALUE" begins one. */
static bool continues_spec(const char *part, size_t n) {
    const char *equals = memchr(part, '=', n), *colon = memchr(part, ':', n);
    return equals && (!colon || colon > equals);
}

bool parse_text_list(const char *text, bool specs, SpecList *list) {
    for (const char *p = text; p;) {
        size_t n = strcspn(p, ",");
        while (specs && p[n] && continues_spec(p + n + 1, strcspn(p + n + 1, ",")))
            n += 1 + strcspn(p + n + 1, ",");
        if (n == 0 || n >= SPEC_MAX || list->n == LIST_MAX)
            return false;
        memcpy(list->v[list->n], p, n);
        list->v[list->n++][n] = 0;
        p = p[n] ? p + n + 1 : NULL;
    }
    return true;
}

/* ---- of the settings ---- */

static int read_ints(const Settings *s, const char *name, const TextList *texts, const char *usual, int64_t lo, int64_t hi, IntList *list) {
    bool good = texts->n > 0 || parse_int_list(usual, lo, hi, list);
    int i = 0;
    for (; i < texts->n && good; i++)
        good = parse_int_list(texts->text[i], lo, hi, list);
    if (good)
        return 0;
    return say_usage(s, "%s: '%.60s' is not a list of numbers from %lld to %lld: 1,2,4 or 128-512+128 or 1-8*2, %d values at most", name,
                     i ? texts->text[i - 1] : usual, (long long)lo, (long long)hi, LIST_MAX);
}

static int read_pairs(const Settings *s, int64_t most, PairList *list) {
    for (int i = 0; i < s->list_pg.n; i++)
        if (!parse_pair_list(s->list_pg.text[i], 1, most, list))
            return say_usage(s, "-pg: '%.60s' is not PROMPT,GEN with numbers from 1 to %lld, several joined by ;", s->list_pg.text[i],
                             (long long)most);
    return 0;
}

static int read_types(const Settings *s, const char *name, const TextList *texts, TypeList *list) {
    for (int i = 0; i < texts->n; i++)
        if (!parse_type_list(texts->text[i], list))
            return say_usage(s, "%s: '%.60s' is not a list of f16, f32", name, texts->text[i]);
    return 0;
}

static int read_kv(const Settings *s, Lists *l) {
    int code = read_types(s, "-ctk", &s->list_type_k, &l->types);
    if (code || (code = read_types(s, "-ctv", &s->list_type_v, &l->types_v)))
        return code;
    bool same = l->types.n == l->types_v.n && memcmp(l->types.v, l->types_v.v, sizeof l->types.v) == 0;
    if (l->types.n && l->types_v.n && !same)
        return say_usage(s, "-ctk %s and -ctv %s: keys and values have one type here; give both the same", s->list_type_k.text[0],
                         s->list_type_v.text[0]);
    if (l->types.n == 0)
        l->types = l->types_v;
    if (l->types.n == 0)
        parse_type_list("f16", &l->types);
    return 0;
}

static int read_texts(const Settings *s, const char *name, const TextList *texts, bool specs, SpecList *list) {
    for (int i = 0; i < texts->n; i++)
        if (!parse_text_list(texts->text[i], specs, list))
            return say_usage(s, "%s: '%.60s' is not a list; its parts are joined by commas, %d at most, of up to %d bytes", name,
                             texts->text[i], LIST_MAX, SPEC_MAX - 1);
    return 0;
}

int bench_read_lists(const Settings *s, Lists *l) {
    const int64_t most = 1 << 20;
    int code;
    memset(l, 0, sizeof *l);
    bool only_pairs = s->list_pg.n && !s->list_prompt.n && !s->list_gen.n;
    if ((code = read_ints(s, "-p", &s->list_prompt, only_pairs ? "0" : "512", 0, most, &l->prompt)) ||
        (code = read_ints(s, "-n", &s->list_gen, only_pairs ? "0" : "128", 0, most, &l->gen)) ||
        (code = read_ints(s, "-d", &s->list_depth, "0", 0, most, &l->depth)) ||
        (code = read_ints(s, "-t", &s->list_threads, "0", s->list_threads.n ? 1 : 0, 256, &l->threads)) ||
        (code = read_ints(s, "-b", &s->list_batch, "2048", 1, 65536, &l->batch)) ||
        (code = read_ints(s, "-ub", &s->list_ubatch, "512", 1, 65536, &l->ubatch)) || (code = read_pairs(s, most, &l->pairs)) ||
        (code = read_kv(s, l)) || (code = read_texts(s, "--backend", &s->backends, true, &l->backends)))
        return code;
    return 0;
}
