/* attention_rig.h: one call of attention as a scene: what it reads, and how ref runs it. */
#ifndef TALLY_TESTS_ATTENTION_RIG_H
#define TALLY_TESTS_ATTENTION_RIG_H

#include "tests/rig.h"

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})

/* Everything one call of attention reads. k [rows, hk, d] and v [rows, hk, dv] hold f32 here, f16 values exactly where kv is f16. */
typedef struct scene {
    int n, h, hk, d, dv, rows;
    tl_dtype kv;
    const float *q, *k, *v;
    const int32_t *span;
    const int32_t *pages; /* [sequences, per_sequence] or NULL */
    int sequences, per_sequence;
    const float *bias; /* [bias_n, bias_h, bias_t] or NULL */
    int bias_n, bias_h, bias_t;
    const float *sinks;
    float scale, cap;
} scene;

static inline void put(rig *r, tl_tensor *t, const void *data) {
    if (t)
        MUST(r, tl_write(t, data, tl_bytes(t), &r->err));
}

static inline tl_tensor *put_cache(rig *r, const char *name, const scene *s, int d, const float *values) {
    tl_tensor *t;
    MUST(r, tl_bank_add(r->bank, name, s->kv, 3, SHAPE(s->rows, s->hk, d), NULL, &t, &r->err));
    ck_assert_int_eq(tl_encode(s->kv, values, tl_data(t), tl_count(t), NULL), TL_OK);
    return t;
}

/* Runs the scene on ref into y [n, h, dv]; gives the run's status, with its message in *err. */
static inline tl_status attend(const scene *s, float *y, tl_error *err) {
    rig r = rig_open("ref");
    tl_tensor *q = tl_input(r.g, "q", TL_F32, 3, SHAPE(s->n, s->h, s->d)), *span = tl_input(r.g, "span", TL_I32, 2, SHAPE(s->n, 3));
    tl_tensor *k = put_cache(&r, "k", s, s->d, s->k), *v = put_cache(&r, "v", s, s->dv, s->v);
    tl_tensor *pages = s->pages ? tl_input(r.g, "pages", TL_I32, 2, SHAPE(s->sequences, s->per_sequence)) : NULL;
    tl_tensor *bias = s->bias ? tl_input(r.g, "bias", TL_F32, 3, SHAPE(s->bias_n, s->bias_h, s->bias_t)) : NULL;
    tl_tensor *sinks = s->sinks ? tl_input(r.g, "sinks", TL_F32, 1, SHAPE(s->h)) : NULL;
    tl_tensor *out = tl_output(r.g, tl_attention(r.g, q, k, v, span, pages, bias, sinks, s->scale, s->cap));
    rig_plan(&r, NULL);
    put(&r, q, s->q);
    put(&r, span, s->span);
    put(&r, pages, s->pages);
    put(&r, bias, s->bias);
    put(&r, sinks, s->sinks);
    tl_status status = tl_plan_run(r.plan, err);
    if (status == TL_OK)
        MUST(&r, tl_read(out, y, tl_bytes(out), &r.err));
    rig_close(&r);
    return status;
}

static inline void must_attend(const scene *s, float *y) {
    tl_error err = {0};
    ck_assert_msg(attend(s, y, &err) == TL_OK, "%s", err.message);
}

/* d = 1, q = 1, scale = 1: a key is its own score. */
static inline scene simple(const float *k, const float *v, int rows, const int32_t *span) {
    static const float one = 1;
    return (scene){
        .n = 1, .h = 1, .hk = 1, .d = 1, .dv = 1, .rows = rows, .kv = TL_F32, .q = &one, .k = k, .v = v, .span = span, .scale = 1};
}

#endif
