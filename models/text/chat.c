/* chat.c: rendering a conversation as the model was trained to see it. The templates in model files are Jinja programs of strangers; none
 * is ever run. The common ones are rows of a table, recognised in a template's text by markers that only they have, and give the same bytes
 * as the published templates, but for a BOS in front, which the tokenizer adds. */
#include <string.h>

#include "models/gguf.h"
#include "models/text/text.h"

enum { CHAT_MARKS = 4 };

struct tl_chat {
    const char *name;
    const char *has[CHAT_MARKS], *lacks[CHAT_MARKS]; /* what a template's text must and must not contain */
    bool pairs;                                      /* an optional system message, then user and assistant in turn; else any order */
    bool trim;                                       /* contents without white space around them */
    /* !pairs: a message is open role middle content close. */
    const char *open, *middle, *close;
    /* pairs: the first user message is first_open [system_open system system_close] content user_close. */
    const char *first_open, *later_open, *system_open, *system_close, *user_close, *answer_open, *answer_close;
};

/* The first row of a name is what the name means; the order is that of recognition. Sources: tokenizer_config.json of the models named. */
static const tl_chat chat_table[] = {
    {.name = "chatml", /* SmolLM2, Qwen2 */
     .has = {"<|im_start|>"},
     .lacks = {"<|im_sep|>", "<end_of_utterance>"},
     .open = "<|im_start|>",
     .middle = "\n",
     .close = "<|im_end|>\n"},
    {.name = "llama2", /* Llama-2-7b-chat */
     .has = {"[INST]", "<<SYS>>"},
     .lacks = {"[SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]"},
     .pairs = true,
     .trim = true,
     .first_open = "[INST] ",
     .later_open = "<s>[INST] ",
     .system_open = "<<SYS>>\n",
     .system_close = "\n<</SYS>>\n\n",
     .user_close = " [/INST]",
     .answer_open = " ",
     .answer_close = " </s>"},
    {.name = "llama3", /* Meta-Llama-3-8B-Instruct */
     .has = {"<|start_header_id|>", "<|end_header_id|>"},
     .trim = true,
     .open = "<|start_header_id|>",
     .middle = "<|end_header_id|>\n\n",
     .close = "<|eot_id|>"},
    {.name = "zephyr", /* TinyLlama-1.1B-Chat-v1.0, zephyr-7b */
     .has = {"<|user|>", "eos_token"},
     .lacks = {"<|end|>", "<|endoftext|>", "[gMASK]"},
     .open = "<|",
     .middle = "|>\n",
     .close = "</s>\n"},
    {.name = "mistral", /* Mistral's "v1" */
     .has = {"' [INST] '"},
     .lacks = {"<<SYS>>", "[SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]"},
     .pairs = true,
     .first_open = " [INST] ",
     .later_open = " [INST] ",
     .system_open = "",
     .system_close = "\n\n",
     .user_close = " [/INST]",
     .answer_open = " ",
     .answer_close = "</s>"},
    {.name = "mistral", /* Mistral-7B-Instruct-v0.2 */
     .has = {"[INST]"},
     .lacks = {"<<SYS>>", "[SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]"},
     .pairs = true,
     .first_open = "[INST] ",
     .later_open = "[INST] ",
     .system_open = "",
     .system_close = "\n\n",
     .user_close = " [/INST]",
     .answer_open = "",
     .answer_close = "</s>"},
};
enum { CHAT_COUNT = sizeof chat_table / sizeof *chat_table };

/* ---- finding ----------------------------------------------------------------------------------------------------------- */

/* The first place of word in text [n bytes]; NULL where absent. */
static const char *chat_find(const char *text, size_t n, const char *word) {
    size_t len = strlen(word);
    for (const char *p = text; (size_t)(text + n - p) >= len; p++) {
        p = memchr(p, word[0], (size_t)(text + n - p) - len + 1);
        if (p == NULL)
            return NULL;
        if (memcmp(p, word, len) == 0)
            return p;
    }
    return NULL;
}

const tl_chat *tl_chat_by_name(const char *name) {
    for (int i = 0; i < CHAT_COUNT && name != NULL; i++)
        if (strcmp(chat_table[i].name, name) == 0)
            return &chat_table[i];
    return NULL;
}

static bool chat_recognise(const tl_chat *c, const char *text, size_t n) {
    for (int i = 0; i < CHAT_MARKS && c->has[i] != NULL; i++)
        if (chat_find(text, n, c->has[i]) == NULL)
            return false;
    for (int i = 0; i < CHAT_MARKS && c->lacks[i] != NULL; i++)
        if (chat_find(text, n, c->lacks[i]) != NULL)
            return false;
    return true;
}

const tl_chat *tl_chat_by_template(const char *text, size_t n) {
    for (int i = 0; i < CHAT_COUNT && text != NULL; i++)
        if (chat_recognise(&chat_table[i], text, n))
            return &chat_table[i];
    return NULL;
}

const char *tl_chat_name(const tl_chat *c) {
    return c != NULL ? c->name : "";
}

const char *tl_chat_names(void) {
    return "chatml, llama2, llama3, zephyr, mistral";
}

/* ---- the default system message ---------------------------------------------------------------------------------------- */

/* One character of a Jinja string literal, escapes undone, into *c; returns the bytes read. */
static size_t chat_unescape(const char *s, size_t n, char *c) {
    *c = s[0];
    if (s[0] != '\\' || n < 2)
        return 1;
    *c = s[1] == 'n' ? '\n' : s[1] == 't' ? '\t' : s[1] == 'r' ? '\r' : s[1];
    return 2;
}

/* Reads a literal's rest from s, *used bytes: *found if it goes on as "<newline>MESSAGE<|im_end|>" before its closing quote; MESSAGE is
 * appended. */
static tl_status chat_read_default(const char *s, size_t n, char quote, size_t *used, bool *found, tl_text *out, tl_error *err) {
    char c;
    size_t before = out->n;
    *found = false;
    *used = n > 0 ? chat_unescape(s, n, &c) : 0;
    if (*used == 0 || c != '\n')
        return TL_OK;
    while (*used < n && s[*used] != quote) {
        if (n - *used >= 10 && memcmp(s + *used, "<|im_end|>", 10) == 0) {
            *found = out->n > before;
            return TL_OK;
        }
        *used += chat_unescape(s + *used, n - *used, &c);
        tl_status status = tl_text_append(out, &c, 1, err);
        if (status != TL_OK)
            return status;
    }
    if (out->n > before) { /* the literal ended first: no default message */
        out->n = before;
        out->data[before] = 0;
    }
    return TL_OK;
}

/* ChatML templates carry the message they put in when the conversation has none as a literal: '<|im_start|>system\nMESSAGE<|im_end|>\n'. */
static tl_status chat_find_default(const char *text, size_t n, tl_text *out, tl_error *err) {
    static const char start[] = "<|im_start|>system";
    const size_t len = sizeof start - 1;
    const char *end = text + n, *p = text;
    size_t before = out->n;
    bool found = false;
    tl_status s = TL_OK;
    while (!found && s == TL_OK && (p = chat_find(p, (size_t)(end - p), start)) != NULL) {
        char quote = p > text ? p[-1] : 0;
        size_t used = 0;
        p += len;
        if (quote == '\'' || quote == '"')
            s = chat_read_default(p, (size_t)(end - p), quote, &used, &found, out, err);
        p += used; /* what was read once is not searched again: linear in any text */
    }
    if (s != TL_OK && out->data != NULL) {
        out->n = before;
        out->data[before] = 0;
    }
    return s;
}

tl_status tl_chat_of_model(const tl_gguf *g, const tl_chat **out, tl_text *default_system, tl_error *err) {
    if (out != NULL)
        *out = NULL;
    if (g == NULL || out == NULL)
        return tl_fail(err, TL_ERR_USAGE, "tl_chat_of_model: needs a GGUF file and a place for the result");
    tl_gguf_string text = {0};
    tl_status s = tl_gguf_get_string(g, "tokenizer.chat_template", false, &text, err);
    if (s != TL_OK)
        return s;
    if (text.data == NULL)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "%s: the file has no chat template (tokenizer.chat_template); choose one of %s",
                       tl_gguf_label(g), tl_chat_names());
    const tl_chat *c = tl_chat_by_template(text.data, text.n);
    if (c == NULL) {
        char shown[80];
        return tl_fail(err, TL_ERR_UNSUPPORTED, "%s: unknown chat template '%s'; choose one of %s", tl_gguf_label(g),
                       tl_show_bytes(text.data, text.n, shown, sizeof shown), tl_chat_names());
    }
    if (default_system != NULL && c == tl_chat_by_name("chatml"))
        s = chat_find_default(text.data, text.n, default_system, err);
    if (s == TL_OK)
        *out = c;
    return s;
}

/* ---- rendering --------------------------------------------------------------------------------------------------------- */

static tl_status chat_add(tl_text *out, const char *s, tl_error *err) {
    return tl_text_append(out, s, strlen(s), err);
}

/* What Python's str.strip takes off. */
static bool chat_is_space(uint32_t cp) {
    return (cp >= 0x1C && cp <= 0x1F) || tl_unicode_class(cp) == TL_CHAR_SPACE;
}

static tl_gguf_string chat_trim_left(tl_gguf_string s) {
    uint32_t cp;
    while (s.n > 0) {
        size_t len = (size_t)tl_utf8_read(s.data, s.n, &cp);
        if (!chat_is_space(cp))
            break;
        s.data += len;
        s.n -= len;
    }
    return s;
}

static tl_gguf_string chat_trim_right(tl_gguf_string s) {
    size_t keep = 0;
    uint32_t cp;
    for (size_t at = 0; at < s.n;) {
        at += (size_t)tl_utf8_read(s.data + at, s.n - at, &cp);
        if (!chat_is_space(cp))
            keep = at;
    }
    s.n = keep;
    return s;
}

static tl_status chat_add_content(const tl_chat *c, tl_text *out, const char *s, tl_error *err) {
    tl_gguf_string text = {s, strlen(s)};
    if (c->trim)
        text = chat_trim_right(chat_trim_left(text));
    return tl_text_append(out, text.data, text.n, err);
}

static bool chat_is(const tl_message *m, const char *role) {
    return strcmp(m->role, role) == 0;
}

static tl_status chat_check(const tl_chat *c, const tl_message *m, int n, tl_error *err) {
    for (int i = 0; i < n; i++) {
        if (m[i].role == NULL || m[i].content == NULL)
            return tl_fail(err, TL_ERR_USAGE, "chat: message %d has no %s", i, m[i].role == NULL ? "role" : "content");
        if (!chat_is(&m[i], "system") && !chat_is(&m[i], "user") && !chat_is(&m[i], "assistant")) {
            char shown[40];
            return tl_fail(err, TL_ERR_USAGE, "chat: message %d has the role '%s'; the roles are system, user and assistant", i,
                           tl_show_bytes(m[i].role, strlen(m[i].role), shown, sizeof shown));
        }
    }
    if (!c->pairs)
        return TL_OK;
    int first = chat_is(&m[0], "system");
    if (n == first)
        return tl_fail(err, TL_ERR_USAGE, "chat: the template %s needs a user message after the system message", c->name);
    for (int i = first; i < n; i++) {
        const char *expected = (i - first) % 2 == 0 ? "user" : "assistant";
        if (!chat_is(&m[i], expected))
            return tl_fail(err, TL_ERR_USAGE,
                           "chat: message %d is of the role %s where the template %s wants %s: after an optional system message, user and "
                           "assistant take turns",
                           i, m[i].role, c->name, expected);
    }
    return TL_OK;
}

static tl_status chat_render_any(const tl_chat *c, const tl_message *m, int n, bool add_assistant, tl_text *out, tl_error *err) {
    tl_status s = TL_OK;
    for (int i = 0; i < n + add_assistant && s == TL_OK; i++) {
        s = chat_add(out, c->open, err);
        if (s == TL_OK)
            s = chat_add(out, i < n ? m[i].role : "assistant", err);
        if (s == TL_OK)
            s = chat_add(out, c->middle, err);
        if (s == TL_OK && i < n)
            s = chat_add_content(c, out, m[i].content, err);
        if (s == TL_OK && i < n)
            s = chat_add(out, c->close, err);
    }
    return s;
}

/* The system message and the first user message in one: the template trims them as one text, which begins with system_open. */
static tl_status chat_add_first(const tl_chat *c, const char *system, const char *content, tl_text *out, tl_error *err) {
    size_t begin = out->n;
    const char *const parts[] = {c->system_open, system, c->system_close, content};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        tl_status s = chat_add(out, parts[i], err);
        if (s != TL_OK)
            return s;
    }
    if (c->trim) {
        out->n = begin + chat_trim_right((tl_gguf_string){out->data + begin, out->n - begin}).n;
        out->data[out->n] = 0;
    }
    return TL_OK;
}

static tl_status chat_render_user(const tl_chat *c, const tl_message *m, const char *system, bool first, tl_text *out, tl_error *err) {
    tl_status s = chat_add(out, first ? c->first_open : c->later_open, err);
    if (s == TL_OK)
        s = system != NULL ? chat_add_first(c, system, m->content, out, err) : chat_add_content(c, out, m->content, err);
    return s == TL_OK ? chat_add(out, c->user_close, err) : s;
}

static tl_status chat_render_pairs(const tl_chat *c, const tl_message *m, int n, tl_text *out, tl_error *err) {
    int first = chat_is(&m[0], "system");
    tl_status s = TL_OK;
    for (int i = first; i < n && s == TL_OK; i++) {
        if ((i - first) % 2 == 0) {
            s = chat_render_user(c, &m[i], first && i == first ? m[0].content : NULL, i == first, out, err);
            continue;
        }
        s = chat_add(out, c->answer_open, err);
        if (s == TL_OK)
            s = chat_add_content(c, out, m[i].content, err);
        if (s == TL_OK)
            s = chat_add(out, c->answer_close, err);
    }
    return s;
}

tl_status tl_chat_render(const tl_chat *c, const tl_message *m, int n, bool add_assistant, tl_text *out, tl_error *err) {
    if (c == NULL || m == NULL || n < 1 || out == NULL)
        return tl_fail(err, TL_ERR_USAGE, "tl_chat_render: needs a template, at least one message and a text to append to");
    tl_status s = chat_check(c, m, n, err);
    if (s != TL_OK)
        return s;
    size_t before = out->n;
    s = c->pairs ? chat_render_pairs(c, m, n, out, err) : chat_render_any(c, m, n, add_assistant, out, err);
    if (s != TL_OK && out->data != NULL) {
        out->n = before;
        out->data[before] = 0;
    }
    return s;
}
