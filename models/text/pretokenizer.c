/* pretokenizer.c: cutting text into the pieces that BPE works on. The published regular expressions are written out by hand, since a
 * backtracking engine over untrusted text has no bound. A splitter returns the length of the first piece of what is left; a
 * pre-tokeniser is a row of splitters, each applied to the pieces of the one before. Every splitter looks at each character a fixed
 * number of times.
 *
 *   words      's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *   lines(k)   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,k}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
#include "models/text/text.h"

#include <string.h>

/* A place in the text, and the class and length of the character there; at the end length 0 and class PRE_END. */
enum { PRE_OTHER = TL_CHAR_MARK | TL_CHAR_PUNCT | TL_CHAR_SYMBOL | 64, PRE_END = 128 };
typedef struct pre_place {
    const char *s;
    size_t n, at; /* bytes of s; bytes before this place */
    unsigned cls; /* one of LETTER, NUMBER, SPACE, or a bit of PRE_OTHER */
    uint32_t cp;
    int len;
} pre_place;

static void pre_look(pre_place *p) {
    if (p->at >= p->n) {
        p->len = 0;
        p->cp = 0;
        p->cls = PRE_END;
        return;
    }
    p->len = tl_utf8_read(p->s + p->at, p->n - p->at, &p->cp);
    p->cls = tl_unicode_class(p->cp);
    if (p->cls == 0)
        p->cls = 64;
}

static void pre_step(pre_place *p) {
    p->at += (size_t)p->len;
    pre_look(p);
}

static pre_place pre_begin(const char *s, size_t n) {
    pre_place p = {.s = s, .n = n};
    pre_look(&p);
    return p;
}

/* Passes characters of the given classes. */
static void pre_run(pre_place *p, unsigned classes) {
    while (p->cls & classes)
        pre_step(p);
}

static bool pre_newline(const pre_place *p) {
    return p->cp == '\r' || p->cp == '\n';
}

/* 's 't 're 've 'm 'll 'd at the start of s: its length, or 0. fold: any case. */
static size_t pre_contraction(const char *s, size_t n, bool fold) {
    static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    if (n < 2 || s[0] != '\'')
        return 0;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t len = strlen(endings[i]), j = 0;
        while (j < len && 1 + j < n) {
            char c = s[1 + j];
            if (fold && c >= 'A' && c <= 'Z')
                c = (char)(c + ('a' - 'A'));
            if (c != endings[i][j])
                break;
            j++;
        }
        if (j == len)
            return 1 + len;
    }
    return 0;
}

/* \s+(?!\S)|\s+ from p, at a whitespace: all of the run, or all but its last character where something follows. */
static size_t pre_spaces(pre_place p) {
    size_t last = p.at, first = p.at;
    while (p.cls == TL_CHAR_SPACE) {
        last = p.at;
        pre_step(&p);
    }
    return p.cls != PRE_END && last > first ? last : p.at;
}

static size_t pre_words(const char *s, size_t n) {
    size_t contraction = pre_contraction(s, n, false);
    if (contraction > 0)
        return contraction;
    pre_place p = pre_begin(s, n), q = p;
    if (p.cp == ' ')
        pre_step(&q);
    if (q.cls & (TL_CHAR_LETTER | TL_CHAR_NUMBER)) {
        pre_run(&q, q.cls);
        return q.at;
    }
    if (q.cls & PRE_OTHER) {
        pre_run(&q, PRE_OTHER);
        return q.at;
    }
    return pre_spaces(p);
}

/* \s*[\r\n]+ from p: up to the last newline of the run of whitespace; 0 where it has none. */
static size_t pre_blank_lines(pre_place p) {
    size_t end = 0;
    while (p.cls == TL_CHAR_SPACE) {
        bool newline = pre_newline(&p);
        pre_step(&p);
        if (newline)
            end = p.at;
    }
    return end;
}

static size_t pre_lines(const char *s, size_t n, int digits) {
    size_t contraction = pre_contraction(s, n, true);
    if (contraction > 0)
        return contraction;
    pre_place p = pre_begin(s, n), q = p;
    pre_step(&q);
    if (p.cls == TL_CHAR_LETTER || (q.cls == TL_CHAR_LETTER && p.cls != TL_CHAR_NUMBER && !pre_newline(&p))) {
        pre_run(&q, TL_CHAR_LETTER);
        return q.at;
    }
    if (p.cls == TL_CHAR_NUMBER) {
        for (int i = 1; i < digits && q.cls == TL_CHAR_NUMBER; i++)
            pre_step(&q);
        return q.at;
    }
    if (p.cls & PRE_OTHER || (p.cp == ' ' && q.cls & PRE_OTHER)) {
        pre_run(&q, PRE_OTHER);
        while (q.cls != PRE_END && pre_newline(&q))
            pre_step(&q);
        return q.at;
    }
    size_t lines = pre_blank_lines(p);
    return lines > 0 ? lines : pre_spaces(p);
}

static size_t pre_lines_1(const char *s, size_t n) {
    return pre_lines(s, n, 1);
}

static size_t pre_lines_3(const char *s, size_t n) {
    return pre_lines(s, n, 3);
}

/* \p{N}: each number character alone, the rest in between. */
static size_t pre_each_number(const char *s, size_t n) {
    pre_place p = pre_begin(s, n);
    if (p.cls == TL_CHAR_NUMBER)
        return (size_t)p.len;
    while (p.cls != TL_CHAR_NUMBER && p.cls != PRE_END)
        pre_step(&p);
    return p.at;
}

/* \p{N}+ */
static size_t pre_numbers(const char *s, size_t n) {
    pre_place p = pre_begin(s, n);
    bool number = p.cls == TL_CHAR_NUMBER;
    while (p.cls != PRE_END && (p.cls == TL_CHAR_NUMBER) == number)
        pre_step(&p);
    return p.at;
}

/* [\p{P}$+<=>^~|]+ */
static bool pre_is_punctuation(const pre_place *p) {
    return p->cls == TL_CHAR_PUNCT || (p->cp > 0 && p->cp < 128 && strchr("$+<=>^~|", (int)p->cp) != NULL);
}

static size_t pre_punctuation(const char *s, size_t n) {
    pre_place p = pre_begin(s, n);
    bool punctuation = pre_is_punctuation(&p);
    while (p.cls != PRE_END && pre_is_punctuation(&p) == punctuation)
        pre_step(&p);
    return p.at;
}

/* [0-9][0-9][0-9]: three digits, or what comes before three digits. */
static size_t pre_three_digits(const char *s, size_t n) {
    size_t digits = 0;
    for (size_t i = 0; i < n; i++) {
        digits = s[i] >= '0' && s[i] <= '9' ? digits + 1 : 0;
        if (digits == 3)
            return i == 2 ? 3 : i - 2;
    }
    return n;
}

static const tl_pre pre_table[] = {
    {"default", {pre_punctuation, pre_words, pre_numbers, pre_three_digits}, false, false}, /* what llama.cpp does without a name */
    {"gpt-2", {pre_words}, false, false},
    {"llama-bpe", {pre_lines_3}, true, true},
    {"llama3", {pre_lines_3}, true, true}, /* older names of llama-bpe */
    {"llama-v3", {pre_lines_3}, true, true},
    {"qwen2", {pre_lines_1}, false, false},
    {"smollm", {pre_each_number, pre_words}, false, false},
};
enum { PRE_COUNT = sizeof pre_table / sizeof *pre_table };

const tl_pre *tl_pre_find(const char *name, size_t n) {
    for (int i = 0; i < PRE_COUNT; i++)
        if (strlen(pre_table[i].name) == n && memcmp(pre_table[i].name, name, n) == 0)
            return &pre_table[i];
    return NULL;
}

const char *tl_pre_names(void) {
    return "default, gpt-2, llama-bpe, llama3, llama-v3, qwen2, smollm";
}

/* Cuts s by the splitters from *stage on. As deep as there are stages. */
static tl_status pre_split_from(const tl_split_fn *stage, const char *s, size_t n, tl_piece_fn fn, void *ctx, tl_error *err) {
    if (*stage == NULL)
        return fn(ctx, s, n, err);
    tl_status status = TL_OK;
    while (n > 0 && status == TL_OK) {
        size_t len = (*stage)(s, n);
        status = pre_split_from(stage + 1, s, len, fn, ctx, err);
        s += len;
        n -= len;
    }
    return status;
}

tl_status tl_pre_split(const tl_pre *p, const char *s, size_t n, tl_piece_fn fn, void *ctx, tl_error *err) {
    return pre_split_from(p->stage, s, n, fn, ctx, err);
}
