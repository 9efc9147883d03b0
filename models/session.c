/* session.c: one sequence in a context: its tokens and its pages. Pages are taken and given back here; step.c fills them. */
#include "models/session.h"

#include <string.h>

#include "tensor/platform.h"

tl_status tl_session_new(tl_session **s, tl_context *c, tl_error *err) {
    if (!s)
        return tl_fail(err, TL_ERR_USAGE, "session: no place for it given");
    *s = NULL;
    if (!c)
        return tl_fail(err, TL_ERR_USAGE, "session: no context given");
    int32_t slot = 0;
    while (slot < c->options.n_sessions && c->sessions[slot])
        slot++;
    if (slot == c->options.n_sessions)
        return tl_fail(err, TL_ERR_FULL, "session: the context has %d session%s, all in use; free one or make it with more n_sessions",
                       (int)c->options.n_sessions, c->options.n_sessions == 1 ? "" : "s");
    tl_session *n = tl_alloc(sizeof *n);
    int32_t *ids = tl_alloc((size_t)c->options.n_ctx * sizeof *ids);
    if (!n || !ids) {
        tl_free(n);
        tl_free(ids);
        return tl_fail(err, TL_ERR_MEMORY, "session: out of memory");
    }
    *n = (tl_session){.context = c, .slot = slot, .ids = ids};
    c->sessions[slot] = n;
    *s = n;
    return TL_OK;
}

void tl_session_free(tl_session *s) {
    if (!s)
        return;
    tl_session_cut(s, 0);
    s->context->sessions[s->slot] = NULL;
    tl_free(s->ids);
    tl_free(s);
}

int64_t tl_session_length(const tl_session *s) {
    return s ? s->length : 0;
}

const int32_t *tl_session_ids(const tl_session *s) {
    return s ? s->ids : NULL;
}

void tl_session_clear(tl_session *s) {
    if (s)
        tl_session_cut(s, 0);
}

int32_t tl_pages_for(int64_t tokens) {
    return (int32_t)((tokens + TL_PAGE - 1) / TL_PAGE);
}

static int32_t *row_of(const tl_session *s) {
    return s->context->table + (size_t)s->slot * (size_t)s->context->n_pages;
}

void tl_session_cut(tl_session *s, int64_t length) {
    tl_context *c = s->context;
    if (length < s->length)
        s->length = length;
    while (s->n_pages > tl_pages_for(s->length)) {
        /* the table keeps a valid page number in a free place, so that it may always be read */
        c->free_pages[c->pages_free++] = row_of(s)[--s->n_pages];
    }
}

void tl_session_reserve(tl_session *s, int64_t length) {
    tl_context *c = s->context;
    while (s->n_pages < tl_pages_for(length)) {
        row_of(s)[s->n_pages++] = c->free_pages[--c->pages_free];
        c->table_changed = true;
    }
}

int32_t tl_session_row(const tl_session *s, int64_t position) {
    return row_of(s)[position / TL_PAGE] * TL_PAGE + (int32_t)(position % TL_PAGE);
}

tl_status tl_session_sync(tl_session *s, const int32_t *ids, int64_t n, float *logits, tl_error *err) {
    if (!s)
        return tl_fail(err, TL_ERR_USAGE, "session: none given");
    if (logits && n < 1)
        return tl_fail(err, TL_ERR_USAGE, "session: no tokens are given, so there is no last one whose logits could be returned");
    tl_want want = {.session = s, .ids = ids, .n = n, .n_rows = logits ? 1 : 0, .rows = logits};
    return tl_context_step(s->context, &want, 1, err);
}
