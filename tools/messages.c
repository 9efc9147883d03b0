/* messages.c: the messages of a chat. The whole conversation is rendered and encoded anew at each turn: the ids are then those of the
 * conversation itself, and the session finds out how much of it is computed already. */
#include "tools/messages.h"

#include <stdlib.h>
#include <string.h>

#include "tools/say.h"
#include "tools/text.h"

bool messages_add(Messages *m, const char *role, const char *text, size_t n) {
    if (m->n == m->cap) {
        int cap = m->cap ? m->cap * 2 : 16;
        tl_message *grown = realloc(m->list, (size_t)cap * sizeof *grown);
        if (!grown)
            return false;
        m->list = grown;
        m->cap = cap;
    }
    char *copy = malloc(n + 1);
    if (!copy)
        return false;
    for (size_t i = 0; i < n; i++) /* a message is a string: bytes of value 0 cannot stay */
        copy[i] = text[i] ? text[i] : ' ';
    copy[n] = 0;
    m->list[m->n++] = (tl_message){role, copy};
    return true;
}

bool messages_pop(Messages *m, const char *role) {
    if (m->n == 0 || strcmp(m->list[m->n - 1].role, role) != 0)
        return false;
    free((void *)(uintptr_t)m->list[--m->n].content);
    return true;
}

void messages_clear(Messages *m) {
    while (m->n > 0 && strcmp(m->list[m->n - 1].role, "system") != 0)
        messages_pop(m, m->list[m->n - 1].role);
}

void messages_close(Messages *m) {
    while (m->n > 0)
        messages_pop(m, m->list[m->n - 1].role);
    free(m->list);
    memset(m, 0, sizeof *m);
}

/* By --chat-template, a name or a template's text. */
static int template_by_text(Messages *m, const Settings *s, const char *text, size_t n) {
    m->chat = tl_chat_by_name(text);
    if (!m->chat)
        m->chat = tl_chat_by_template(text, n);
    if (!m->chat)
        return say_usage(s, "the chat template is neither one of %s nor a text of one that is recognised", tl_chat_names());
    return 0;
}

static int choose_template(Messages *m, const Settings *s, const tl_model *model, tl_text *system) {
    tl_error err;
    if (s->chat_template)
        return template_by_text(m, s, s->chat_template, strlen(s->chat_template));
    if (s->chat_template_file) {
        tl_text text = {0};
        int code = text_file(s->chat_template_file, &text);
        if (code == 0)
            code = template_by_text(m, s, text.data ? text.data : "", text.n);
        tl_text_free(&text);
        return code;
    }
    if (tl_chat_of_model(tl_model_gguf(model), &m->chat, system, &err))
        return err.status == TL_ERR_UNSUPPORTED ? say_error(EXIT_USAGE, "%s by --chat-template NAME", err.message)
                                                : say_status(EXIT_MODEL, &err);
    return 0;
}

int messages_open(Messages *m, const Settings *s, const tl_model *model) {
    tl_text system = {0};
    memset(m, 0, sizeof *m);
    int code = choose_template(m, s, model, &system);
    if (code == 0 && (s->system || s->system_file)) {
        system.n = 0;
        code = s->system ? text_argument(s, s->system, &system) : text_file(s->system_file, &system);
    }
    if (code == 0 && system.n > 0 && !messages_add(m, "system", system.data, system.n))
        code = say_error(EXIT_MEMORY, "out of memory for the system message");
    tl_text_free(&system);
    return code;
}

tl_status messages_encode(const Messages *m, const tl_tokenizer *t, tl_ids *ids, tl_error *err) {
    tl_text text = {0};
    ids->n = 0;
    tl_status s = tl_chat_render(m->chat, m->list, m->n, true, &text, err);
    if (!s)
        s = tl_tokenizer_encode(t, text.data, text.n, TL_ENCODE_SPECIAL | TL_ENCODE_PARSE, ids, err);
    tl_text_free(&text);
    return s;
}
