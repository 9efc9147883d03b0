/* model_rig.h: what tests of models and sessions stand on: a backend, a model (from a file in memory or by path), a context and its
 * sessions, opened and closed in the right order, and short ways to steps and their rows. */
#ifndef TALLY_TESTS_MODEL_RIG_H
#define TALLY_TESTS_MODEL_RIG_H

#include "models/model.h"
#include "tests/rig.h"
#include "tests/support/tiny_llama.h"

enum { MODEL_RIG_SESSIONS = 4 };

typedef struct model_rig {
    tl_backend *be;
    tl_model *m;
    tl_context *c;
    tl_session *s[MODEL_RIG_SESSIONS];
    tl_error err;
} model_rig;

/* Frees the context and makes another one of the same model, with all its sessions. */
static inline void model_context(model_rig *r, const tl_context_options *o) {
    tl_context_free(r->c);
    memset(r->s, 0, sizeof r->s);
    MUST(r, tl_context_new(&r->c, r->m, o, &r->err));
    int n = o && o->n_sessions ? o->n_sessions : 1;
    for (int i = 0; i < n && i < MODEL_RIG_SESSIONS; i++)
        MUST(r, tl_session_new(&r->s[i], r->c, &r->err));
}

static inline model_rig model_open_tiny(const char *spec, const tiny_model *t, const tl_model_options *mo, const tl_context_options *o) {
    model_rig r = {0};
    tl_gguf *g;
    MUST(&r, tl_backend_open(&r.be, spec, &r.err));
    MUST(&r, tl_gguf_from_memory(&g, t->file.data, t->file.n, &r.err));
    MUST(&r, tl_model_load_gguf(&r.m, g, r.be, mo, &r.err));
    model_context(&r, o);
    return r;
}

static inline model_rig model_open_path(const char *spec, const char *path, const tl_model_options *mo, const tl_context_options *o) {
    model_rig r = {0};
    MUST(&r, tl_backend_open(&r.be, spec, &r.err));
    MUST(&r, tl_model_load(&r.m, path, r.be, mo, &r.err));
    model_context(&r, o);
    return r;
}

static inline void model_close(model_rig *r) {
    tl_context_free(r->c);
    tl_model_free(r->m);
    tl_backend_free(r->be);
}

static inline size_t model_width(const model_rig *r, bool hidden) {
    const tl_hparams *hp = tl_model_hparams(r->m);
    return (size_t)(hidden ? hp->n_embd : hp->n_vocab);
}

/* Rows of the last n_rows positions of ids [n] in session i; the caller frees them. */
static inline float *model_rows(model_rig *r, int i, const int32_t *ids, int64_t n, int64_t n_rows, bool hidden) {
    float *rows = calloc((size_t)n_rows * model_width(r, hidden) + 1, sizeof *rows);
    ck_assert_ptr_nonnull(rows);
    tl_want want = {.session = r->s[i], .ids = ids, .n = n, .n_rows = n_rows, .hidden = hidden, .rows = rows};
    MUST(r, tl_context_step(r->c, &want, 1, &r->err));
    return rows;
}

/* The same in a session that holds nothing before. */
static inline float *model_fresh(model_rig *r, int i, const int32_t *ids, int64_t n, int64_t n_rows) {
    tl_session_clear(r->s[i]);
    return model_rows(r, i, ids, n, n_rows, false);
}

/* Equal to the last bit, NaN or not. */
static inline bool same_bits(const float *a, const float *b, size_t n) {
    return memcmp(a, b, n * sizeof *a) == 0;
}

/* n ids that look random, below n_vocab, the first one BOS. */
/* The specs that a test goes through: all that open here or, sparing, cpu at its best level alone; NULL past the end. */
static inline const char *each_spec(int i) {
    return !sparing(0, 1) ? tl_backend_openable(i) : i == 0 ? "cpu" : NULL;
}

static inline void some_ids(int32_t *ids, int n, int32_t n_vocab, unsigned seed) {
    for (int i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        ids[i] = i == 0 ? 1 : (int32_t)((seed >> 8) % (unsigned)n_vocab);
    }
}

#endif
