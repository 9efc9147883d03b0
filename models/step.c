/* step.c: evaluates the wants of several sessions as one stream of tokens, cut into runs of the plan. All that can be refused is refused
 * before the first token; the cut into runs, and who shares one, cannot change a bit (ARCHITECTURE.md, "Numerics"). */
#include <string.h>

#include "models/session.h"
#include "tensor/platform.h"

static tl_status refuse(tl_error *err, tl_status s, int want, const char *what, int64_t a, int64_t b) {
    return tl_fail(err, s, "step: want %d: %s (%lld, %lld)", want, what, (long long)a, (long long)b);
}

static tl_status check_want(const tl_context *c, const tl_want *wants, int i, tl_error *err) {
    const tl_want *w = &wants[i];
    int32_t n_vocab = c->model->hp.n_vocab;
    if (!w->session || w->session->context != c)
        return tl_fail(err, TL_ERR_USAGE, "step: want %d has no session of this context", i);
    for (int k = 0; k < i; k++)
        if (wants[k].session == w->session)
            return tl_fail(err, TL_ERR_USAGE, "step: wants %d and %d are of one session; each may come once a step", k, i);
    if (w->n < 0 || (w->n > 0 && !w->ids) || w->n_rows < 0 || w->n_rows > w->n || (w->n_rows > 0 && !w->rows))
        return refuse(err, TL_ERR_USAGE, i, "ids and 0 <= n_rows <= n with room for the rows are needed; n, n_rows are", w->n, w->n_rows);
    if (w->n > c->options.n_ctx)
        return tl_fail(err, TL_ERR_FULL,
                       "the context is full: %lld tokens are more than its %d; make it with a larger n_ctx or start a shorter conversation",
                       (long long)w->n, (int)c->options.n_ctx);
    for (int64_t t = 0; t < w->n; t++)
        if (w->ids[t] < 0 || w->ids[t] >= n_vocab)
            return tl_fail(err, TL_ERR_RANGE, "step: want %d: token %lld is id %d; the model has ids 0 to %d", i, (long long)t,
                           (int)w->ids[t], (int)n_vocab - 1);
    return TL_OK;
}

/* How many first tokens need no computing: the common prefix, but for those whose rows are wanted. */
static int64_t kept(const tl_want *w) {
    int64_t n = 0, most = w->n - w->n_rows < w->session->length ? w->n - w->n_rows : w->session->length;
    while (n < most && w->ids[n] == w->session->ids[n])
        n++;
    return n;
}

static tl_status check_pages(const tl_context *c, const tl_want *wants, int k, tl_error *err) {
    int64_t room = c->pages_free, need = 0;
    for (int i = 0; i < k; i++) {
        int32_t keep = tl_pages_for(kept(&wants[i]));
        room += wants[i].session->n_pages - keep;
        need += tl_pages_for(wants[i].n) - keep;
    }
    if (need <= room)
        return TL_OK;
    return tl_fail(
        err, TL_ERR_FULL,
        "the context is full: %lld more pages of %d tokens are needed, %lld are free; make it with a larger n_ctx or clear a session",
        (long long)need, TL_PAGE, (long long)room);
}

/* ---- one run ---- */

/* Where the stream of tokens stands, and what the run at hand holds. */
typedef struct stream {
    tl_context *c;
    tl_want *wants;
    int k, want; /* the want that the next token comes from */
    int64_t at;  /* its position */
    int n, m;    /* tokens and rows of this run */
} stream;

/* Adds the next token to the run. */
static void put_token(stream *s) {
    tl_context *c = s->c;
    const tl_want *w = &s->wants[s->want];
    int64_t i = s->n++;
    c->ids[i] = w->ids[s->at];
    c->pos[i] = (int32_t)s->at;
    c->slots[i] = tl_session_row(w->session, s->at);
    c->span[3 * i] = w->session->slot;
    c->span[3 * i + 1] = 0;
    c->span[3 * i + 2] = (int32_t)s->at + 1;
    if (s->at >= w->n - w->n_rows)
        c->take[s->m++] = (int32_t)i;
    s->at++;
}

/* Fills a run with the next tokens, up to its maxima. */
static void fill(stream *s) {
    const tl_context_options *o = &s->c->options;
    s->n = s->m = 0;
    while (s->want < s->k && s->n < o->n_batch) {
        const tl_want *w = &s->wants[s->want];
        if (s->at == w->n) {
            s->want++;
            s->at = s->want < s->k ? s->wants[s->want].session->length : 0;
            continue;
        }
        if (s->at >= w->n - w->n_rows && s->m == o->n_rows)
            return;
        put_token(s);
    }
}

static tl_status write_inputs(const stream *s, tl_error *err) {
    tl_context *c = s->c;
    size_t n = (size_t)s->n * sizeof(int32_t);
    tl_status st;
    if ((st = tl_plan_set(c->plan, "n", s->n, err)) || (st = tl_plan_set(c->plan, "m", s->m, err)) ||
        (st = tl_write(c->build.ids, c->ids, n, err)) || (st = tl_write(c->build.pos, c->pos, n, err)) ||
        (st = tl_write(c->build.slots, c->slots, n, err)) || (st = tl_write(c->build.span, c->span, 3 * n, err)) ||
        (st = tl_write(c->build.take, c->take, (size_t)s->m * sizeof(int32_t), err)))
        return st;
    if (c->table_changed)
        st = tl_write(c->build.pages, c->table, (size_t)c->n_pages * (size_t)c->options.n_sessions * sizeof(int32_t), err);
    c->table_changed = c->table_changed && st;
    return st;
}

/* Notes tokens of the run as held, and hands out its rows. */
static tl_status take_results(const stream *s, tl_error *err) {
    tl_context *c = s->c;
    const tl_tensor *from[2] = {c->logits, c->build.hidden};
    for (int hidden = 0; hidden < 2; hidden++) {
        size_t width = (size_t)tl_dim(from[hidden], -1);
        bool read = false;
        for (int i = 0; i < s->m; i++) {
            int64_t token = c->take[i];
            int want = 0;
            while (s->wants[want].session->slot != c->span[3 * token])
                want++;
            tl_want *w = &s->wants[want];
            if (w->hidden != (bool)hidden)
                continue;
            tl_status st = read ? TL_OK : tl_read(from[hidden], c->rows, (size_t)s->m * width * sizeof(float), err);
            if (st)
                return st;
            read = true;
            memcpy(w->rows + (size_t)(c->pos[token] - (w->n - w->n_rows)) * width, c->rows + (size_t)i * width, width * sizeof(float));
        }
    }
    for (int64_t i = 0; i < s->n; i++) {
        tl_session *session = c->sessions[c->span[3 * i]];
        session->ids[session->length++] = c->ids[i];
    }
    return TL_OK;
}

tl_status tl_context_step(tl_context *c, tl_want *wants, int k, tl_error *err) {
    if (!c || !wants || k < 1)
        return tl_fail(err, TL_ERR_USAGE, "step: a context and at least one want are needed");
    tl_status s = TL_OK;
    for (int i = 0; i < k && !s; i++)
        s = check_want(c, wants, i, err);
    if (!s)
        s = check_pages(c, wants, k, err);
    if (s)
        return s;
    for (int i = 0; i < k; i++)
        tl_session_cut(wants[i].session, kept(&wants[i]));
    for (int i = 0; i < k; i++) {
        wants[i].computed = wants[i].n - wants[i].session->length;
        tl_session_reserve(wants[i].session, wants[i].n);
    }
    stream run = {.c = c, .wants = wants, .k = k, .at = wants[0].session->length};
    for (fill(&run); run.n > 0 && !s; fill(&run)) {
        if ((s = write_inputs(&run, err)) || (s = tl_plan_run(c->plan, err)) || (s = take_results(&run, err)))
            break;
    }
    for (int i = 0; i < k; i++) { /* after a failure: tokens that were not finished count no more, and their pages go back */
        wants[i].computed -= wants[i].n - wants[i].session->length;
        tl_session_cut(wants[i].session, wants[i].session->length);
    }
    return s;
}
