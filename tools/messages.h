/* messages.h: a conversation: its messages, its template, and the token ids that it renders to. */
#ifndef TOOLS_MESSAGES_H
#define TOOLS_MESSAGES_H

#include "tools/settings.h"

typedef struct Messages {
    const tl_chat *chat;
    tl_message *list; /* contents are owned */
    int n, cap;
} Messages;

/* The template and the system message by the settings, else by the model. Returns 0 or an exit code after a message. */
int messages_open(Messages *m, const Settings *s, const tl_model *model);
void messages_close(Messages *m);
/* role: "system", "user" or "assistant". False: out of memory. */
bool messages_add(Messages *m, const char *role, const char *text, size_t n);
/* Takes the last message away, if it has this role. */
bool messages_pop(Messages *m, const char *role);
/* Back to the system message. */
void messages_clear(Messages *m);
/* The conversation up to the assistant's turn, as ids. */
tl_status messages_encode(const Messages *m, const tl_tokenizer *t, tl_ids *ids, tl_error *err);

#endif
