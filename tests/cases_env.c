/* cases_env.c: the environment in which a case is built: a graph, and a bank for weights and states, on one backend. The data of every
 * tensor follows from the names of case and tensor, so a case is the same on every backend and machine. */
#include "tests/cases_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a build may use ---- */

static case_live *live_of(case_env *e) {
    return (case_live *)e; /* env is the first member */
}

/* The first thing that goes wrong stays. */
TL_PRINTF(2, 3) static void *refuse(case_live *c, const char *fmt, ...) {
    if (c->why[0] == '\0') {
        va_list args;
        va_start(args, fmt);
        vsnprintf(c->why, sizeof c->why, fmt, args);
        va_end(args);
    }
    return NULL;
}

static uint64_t seed_of(const case_live *c, const char *tensor) {
    uint64_t h = case_hash(CASE_HASH_START, c->item->name, strlen(c->item->name));
    h = case_hash(h, "/", 1);
    return case_hash(h, tensor, strlen(tensor));
}

/* A slot for t with its first content still to be made; NULL: none left. */
static case_slot *new_slot(case_live *c, case_slot *slots, int *n, tl_tensor *t) {
    if (*n == CASE_MAX_TENSORS)
        return refuse(c, "more than %d inputs or states", (int)CASE_MAX_TENSORS);
    case_slot *s = &slots[*n];
    s->t = t;
    s->bytes = tl_bytes(t);
    s->data = calloc(1, s->bytes + 1);
    if (!s->data)
        return refuse(c, "out of memory");
    ++*n;
    return s;
}

static case_slot *new_input(case_live *c, const char *name, tl_dtype dtype, int rank, const int64_t *shape) {
    tl_tensor *t = tl_input(c->env.g, name, dtype, rank, shape);
    return t ? new_slot(c, c->inputs, &c->n_inputs, t) : NULL;
}

tl_tensor *case_input(case_env *e, const char *name, tl_dtype dtype, int rank, const int64_t *shape, case_fill fill) {
    case_live *c = live_of(e);
    case_slot *s = new_input(c, name, dtype, rank, shape);
    if (!s)
        return NULL;
    if (!case_generate(dtype, s->data, tl_count(s->t), tl_dim(s->t, -1), fill, seed_of(c, name)))
        return refuse(c, "no data for input '%s'", name);
    return s->t;
}

tl_tensor *case_ints(case_env *e, const char *name, int rank, const int64_t *shape, int32_t lo, int32_t hi) {
    case_live *c = live_of(e);
    case_slot *s = new_input(c, name, TL_I32, rank, shape);
    if (!s)
        return NULL;
    uint64_t seed = seed_of(c, name), span = (uint64_t)((int64_t)hi - lo + 1);
    for (int64_t i = 0; i < tl_count(s->t); i++) {
        int32_t v = (int32_t)(lo + (int64_t)(case_random(&seed) % span));
        memcpy(s->data + 4 * i, &v, sizeof v);
    }
    return s->t;
}

tl_tensor *case_values(case_env *e, const char *name, int rank, const int64_t *shape, const int32_t *values) {
    case_slot *s = new_input(live_of(e), name, TL_I32, rank, shape);
    if (!s)
        return NULL;
    memcpy(s->data, values, s->bytes);
    return s->t;
}

/* What tl_bank_add would make, for the backend's choice of a layout. */
static tl_tensor describe_weight(tl_dtype dtype, int rank, const int64_t *shape) {
    const tl_dtype_info *info = tl_dtype_get(dtype);
    tl_tensor t = {.dtype = dtype, .rank = rank, .id = -1, .mark = TL_MARK_BANK};
    int64_t bytes = info->block_bytes;
    for (int a = rank - 1; a >= 0; a--) {
        t.shape[a] = shape[a];
        t.stride[a] = bytes;
        bytes *= a == rank - 1 ? shape[a] / info->block : shape[a];
    }
    return t;
}

static tl_status write_packed(tl_tensor *t, const uint8_t *stored, tl_error *err) {
    size_t bytes = t->layout->bytes(t);
    uint8_t *packed = calloc(1, bytes + 1);
    if (!packed)
        return tl_fail(err, TL_ERR_MEMORY, "out of memory");
    t->layout->pack(t, 0, tl_rows(t), stored, packed);
    tl_status s = TL_OK;
    if (tl_data(t))
        memcpy(tl_data(t), packed, bytes);
    else if (t->buffer->backend->ops->write(t->buffer->backend, t->buffer, t->offset, packed, bytes) != TL_OK)
        s = tl_fail(err, TL_ERR_INTERNAL, "the backend's write of a packed tensor failed");
    free(packed);
    return s;
}

/* Rows as stored, in layout; NULL where it failed. */
static tl_tensor *new_bank_tensor(case_live *c, const char *name, tl_dtype dtype, int rank, const int64_t *shape, const tl_layout *layout,
                                  const uint8_t *stored, size_t bytes) {
    tl_tensor *t = NULL;
    tl_error err = {0};
    if (tl_bank_add(c->bank, name, dtype, rank, shape, layout, &t, &err) != TL_OK)
        return refuse(c, "bank tensor '%s': %s", name, err.message);
    tl_status s = layout ? write_packed(t, stored, &err) : tl_write(t, stored, bytes, &err);
    return s == TL_OK ? t : refuse(c, "bank tensor '%s': %s", name, err.message);
}

static uint8_t *new_content(case_live *c, const tl_tensor *like, const char *name, case_fill fill, size_t *bytes) {
    *bytes = tl_bytes(like);
    uint8_t *data = calloc(1, *bytes + 1);
    if (data && case_generate(like->dtype, data, tl_count(like), tl_dim(like, -1), fill, seed_of(c, name)))
        return data;
    free(data);
    return refuse(c, "no data for bank tensor '%s'", name);
}

tl_tensor *case_weight(case_env *e, const char *name, tl_dtype dtype, int rank, const int64_t *shape, case_fill fill, unsigned uses) {
    case_live *c = live_of(e);
    tl_tensor like = describe_weight(dtype, rank, shape);
    const tl_layout *layout = NULL;
    size_t bytes;
    uint8_t *stored = new_content(c, &like, name, fill, &bytes);
    if (!stored)
        return NULL;
    if (uses != 0 && e->backend->ops->layout)
        layout = e->backend->ops->layout(e->backend, &like, uses);
    if (layout)
        c->packed = true;
    tl_tensor *t = new_bank_tensor(c, name, dtype, rank, shape, c->pack ? layout : NULL, stored, bytes);
    free(stored);
    return t;
}

tl_tensor *case_state(case_env *e, const char *name, tl_dtype dtype, int rank, const int64_t *shape, case_fill fill) {
    case_live *c = live_of(e);
    tl_tensor like = describe_weight(dtype, rank, shape);
    size_t bytes;
    uint8_t *stored = new_content(c, &like, name, fill, &bytes);
    if (!stored)
        return NULL;
    tl_tensor *t = new_bank_tensor(c, name, dtype, rank, shape, NULL, stored, bytes);
    case_slot *s = t ? new_slot(c, c->states, &c->n_states, t) : NULL;
    if (s)
        memcpy(s->data, stored, bytes);
    free(stored);
    return s ? t : NULL;
}

int64_t case_size(case_env *e, const char *name, int64_t max) {
    return tl_size(e->g, name, max);
}

void case_output(case_env *e, tl_tensor *t) {
    case_live *c = live_of(e);
    tl_tensor *out = tl_output(e->g, t);
    if (!out)
        return; /* the graph has failed and says why */
    if (c->n_outputs == CASE_MAX_TENSORS)
        refuse(c, "more than %d outputs", (int)CASE_MAX_TENSORS);
    else
        c->outputs[c->n_outputs++] = out;
}

/* ---- a case on a backend ---- */

bool case_open(case_live *c, const case_item *item, tl_backend *be, bool pack) {
    tl_error err = {0};
    memset(c, 0, sizeof *c);
    c->item = item;
    c->pack = pack;
    c->env.backend = be;
    c->env.params = item->params;
    if (tl_graph_new(&c->env.g, &err) != TL_OK || tl_bank_new(&c->bank, be, &err) != TL_OK) {
        refuse(c, "%s", err.message);
        return false;
    }
    item->build(&c->env);
    if (tl_graph_error(c->env.g))
        refuse(c, "the graph has failed: %s", tl_graph_error(c->env.g)->message);
    else if (c->n_outputs + c->n_states == 0)
        refuse(c, "the case marks no output and has no state");
    return c->why[0] == '\0';
}

void case_close(case_live *c) {
    tl_graph_free(c->env.g);
    tl_bank_free(c->bank);
    for (int i = 0; i < c->n_inputs; i++)
        free(c->inputs[i].data);
    for (int i = 0; i < c->n_states; i++)
        free(c->states[i].data);
    memset(c, 0, sizeof *c);
}
