/* tensor.c: arithmetic on shapes and strides, addresses, and copies between the host and a tensor. Nothing here knows an op. */
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

#include "tensor/graph.h"
#include "tensor/platform.h"

int64_t tl_dim(const tl_tensor *t, int axis) {
    if (!t)
        return 1;
    if (axis < 0)
        axis += t->rank;
    return axis < 0 || axis >= t->rank ? 1 : t->shape[axis];
}

int64_t tl_count(const tl_tensor *t) {
    int64_t n = t ? 1 : 0;
    for (int i = 0; t && i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

/* Elements laid side by side; of a view that repeats its base that may be more than a size_t holds. */
static uint64_t dense_bytes(const tl_tensor *t, int64_t count) {
    const tl_dtype_info *d = tl_dtype_get(t->dtype);
    return (uint64_t)(count / d->block) * (uint64_t)d->block_bytes;
}

size_t tl_bytes(const tl_tensor *t) {
    if (!t)
        return 0;
    return t->layout ? t->layout->bytes(t) : (size_t)dense_bytes(t, tl_count(t));
}

int64_t tl_rows(const tl_tensor *t) {
    int64_t n = t ? 1 : 0;
    for (int i = 0; t && i + 1 < t->rank; i++)
        n *= t->shape[i];
    return n;
}

size_t tl_row_bytes(const tl_tensor *t) {
    return t ? (size_t)dense_bytes(t, tl_dim(t, -1)) : 0;
}

bool tl_row_dense(const tl_tensor *t) {
    return !t || t->rank == 0 || tl_dim(t, -1) <= tl_dtype_get(t->dtype)->block ||
           t->stride[t->rank - 1] == tl_dtype_get(t->dtype)->block_bytes;
}

bool tl_same_shape(const tl_tensor *a, const tl_tensor *b) {
    if (!a || !b)
        return a == b;
    return a->rank == b->rank && a->size == b->size && memcmp(a->shape, b->shape, (size_t)a->rank * sizeof a->shape[0]) == 0;
}

bool tl_dense(const tl_tensor *t) {
    if (!t || !tl_row_dense(t))
        return !t;
    int64_t want = (int64_t)dense_bytes(t, tl_dim(t, -1));
    for (int i = t->rank - 2; i >= 0; i--) {
        if (t->shape[i] > 1 && t->stride[i] != want)
            return false;
        want *= t->shape[i];
    }
    return true;
}

void *tl_data(const tl_tensor *t) {
    const tl_tensor *root = t ? t->base : NULL;
    if (!root || !root->buffer || !root->buffer->data)
        return NULL;
    return (char *)root->buffer->data + root->offset + (t == root ? 0 : t->offset);
}

/* Bytes from the first element to row r, all axes but the last flattened. */
static int64_t row_offset(const tl_tensor *t, int64_t r) {
    int64_t at = 0;
    for (int i = t->rank - 2; i > 0; i--) {
        at += r % t->shape[i] * t->stride[i];
        r /= t->shape[i];
    }
    return t->rank > 1 ? at + r * t->stride[0] : at;
}

void *tl_row(const tl_tensor *t, int64_t r) {
    char *p = tl_data(t);
    return p ? p + row_offset(t, r) : NULL;
}

const char *tl_describe(const tl_tensor *t, char *buf, size_t bytes) {
    if (!buf || bytes == 0)
        return buf ? buf : "";
    int n = 0, room = (int)(bytes > 4096 ? 4096 : bytes);
    if (!t) {
        snprintf(buf, (size_t)room, "(none)");
        return buf;
    }
    const tl_dtype_info *d = tl_dtype_get(t->dtype);
    if (t->name)
        n = snprintf(buf, (size_t)room, "'%s' %s [", t->name, d ? d->name : "?");
    else
        n = snprintf(buf, (size_t)room, "#%d %s %s [", t->id, t->op ? t->op->name : "leaf", d ? d->name : "?");
    const char *varies = tl_graph_size_name(t->graph, t->size);
    for (int i = 0; i < t->rank && n < room; i++)
        n += snprintf(buf + n, (size_t)(room - n), "%s%s%s%lld", i ? ", " : "", i == 0 && varies ? varies : "",
                      i == 0 && varies ? "<=" : "", (long long)t->shape[i]);
    if (n < room)
        snprintf(buf + n, (size_t)(room - n), "]");
    return buf;
}

/* The buffer behind t if a transfer of `bytes` leading bytes is legal. */
static tl_status transfer(const tl_tensor *t, size_t bytes, const char *what, tl_error *err) {
    char text[160];
    if (!t)
        return tl_fail(err, TL_ERR_USAGE, "%s: no tensor given", what);
    tl_describe(t, text, sizeof text);
    const tl_tensor *root = t->base;
    if (!root->buffer)
        return tl_fail(err, TL_ERR_USAGE, "%s: %s has no memory; %s", what, text,
                       root->graph && root->graph->plan ? "no output needs it: mark it with tl_output before its graph is planned"
                                                        : "make a plan of its graph first");
    if (!root->buffer->data && !root->buffer->backend)
        return tl_fail(err, TL_ERR_USAGE, "%s: %s was only declared (tl_bank_declare) and has no memory", what, text);
    if (!((t->mark | root->mark) & (TL_MARK_INPUT | TL_MARK_OUTPUT | TL_MARK_BANK)))
        return tl_fail(err, TL_ERR_USAGE, "%s: %s is neither input, output nor bank tensor; its memory is reused (mark it with tl_output)",
                       what, text);
    if (t->layout)
        return tl_fail(err, TL_ERR_USAGE, "%s: %s is packed as '%s'", what, text, t->layout->name);
    uint64_t slice = dense_bytes(t, t->rank > 1 ? tl_count(t) / t->shape[0] : tl_dtype_get(t->dtype)->block),
             all = dense_bytes(t, tl_count(t));
    if (bytes > all || bytes % slice)
        return tl_fail(err, TL_ERR_USAGE, "%s: %llu bytes for %s, which takes whole rows of %llu, at most %llu", what,
                       (unsigned long long)bytes, text, (unsigned long long)slice, (unsigned long long)all);
    return TL_OK;
}

static size_t buffer_offset(const tl_tensor *t) {
    return t->base->offset + (t == t->base ? 0 : t->offset);
}

tl_status tl_write(tl_tensor *t, const void *data, size_t bytes, tl_error *err) {
    tl_status s = transfer(t, bytes, "tl_write", err);
    if (s)
        return s;
    char text[160];
    if (!tl_dense(t))
        return tl_fail(err, TL_ERR_USAGE, "tl_write: %s is a view that is not dense", tl_describe(t, text, sizeof text));
    if (t->base->mark & TL_MARK_BANK && !(t->base->mark & TL_MARK_STATE))
        return tl_fail(err, TL_ERR_USAGE, "tl_write: %s wraps memory that may not be written", tl_describe(t, text, sizeof text));
    tl_buffer *b = t->base->buffer;
    if (bytes == 0)
        return TL_OK;
    if (!data)
        return tl_fail(err, TL_ERR_USAGE, "tl_write: no data given for %s", tl_describe(t, text, sizeof text));
    if (b->backend && b->backend->ops->write) {
        s = b->backend->ops->write(b->backend, b, buffer_offset(t), data, bytes);
        return s ? tl_fail(err, s, "tl_write: the backend could not write %s", tl_describe(t, text, sizeof text)) : TL_OK;
    }
    memcpy((char *)b->data + buffer_offset(t), data, bytes);
    return TL_OK;
}

tl_status tl_read(const tl_tensor *t, void *data, size_t bytes, tl_error *err) {
    tl_status s = transfer(t, bytes, "tl_read", err);
    if (s)
        return s;
    char text[160];
    const tl_buffer *b = t->base->buffer;
    if (t->base->op && !t->base->graph->plan->ran)
        return tl_fail(err, TL_ERR_USAGE, "tl_read: %s has no value yet: run its plan first (tl_plan_run)",
                       tl_describe(t, text, sizeof text));
    if (bytes == 0)
        return TL_OK;
    if (!data)
        return tl_fail(err, TL_ERR_USAGE, "tl_read: no memory given for %s", tl_describe(t, text, sizeof text));
    uint64_t row = dense_bytes(t, tl_dim(t, -1)); /* of a view that repeats its base perhaps more than a size_t holds */
    size_t element = (size_t)tl_dtype_get(t->dtype)->block_bytes;
    bool dense = tl_dense(t);
    size_t piece = dense ? bytes : tl_row_dense(t) ? (size_t)row : element;
    for (size_t at = 0; at < bytes; at += piece) {
        size_t from = buffer_offset(t);
        if (!dense) {
            from += (size_t)row_offset(t, (int64_t)(at / row));
            if (piece == element && t->rank > 0)
                from += (size_t)(at % row / element) * (size_t)t->stride[t->rank - 1];
        }
        if (piece > bytes - at)
            piece = bytes - at;
        if (b->backend && b->backend->ops->read) {
            s = b->backend->ops->read(b->backend, b, from, (char *)data + at, piece);
            if (s)
                return tl_fail(err, s, "tl_read: the backend could not read %s", tl_describe(t, text, sizeof text));
        } else {
            memcpy((char *)data + at, (const char *)b->data + from, piece);
        }
    }
    return TL_OK;
}
