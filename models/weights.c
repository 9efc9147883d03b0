/* weights.c: from an architecture's weight table to tensors in the bank. First every name is resolved and every shape checked; then each
 * tensor is wrapped where it lies (mapped, as stored), or copied, or packed while it is read, its mapped pages dropped behind it. */
#include <stdio.h>
#include <string.h>

#include "models/gguf.h"
#include "models/hparams.h"
#include "models/model_internal.h"
#include "tensor/platform.h"

enum { STAGING_ROWS = 64 }; /* rows that wait for the layout: a multiple of every group */

/* ---- resolve ---- */

static bool per_layer(const char *pattern) {
    return strchr(pattern, '%') != NULL;
}

static const char *tensor_name(const char *pattern, int layer, const char *suffix, char buf[80]) {
    const char *at = strstr(pattern, "%d");
    if (at)
        snprintf(buf, 80, "%.*s%d%s.%s", (int)(at - pattern), pattern, layer, at + 2, suffix);
    else
        snprintf(buf, 80, "%s.%s", pattern, suffix);
    return buf;
}

/* Enters a tensor of the file into the slots; one that is tied may be there already, and gets more uses. */
static tl_status want(tl_model *m, const tl_weight_row *row, int rank, const tl_gguf_tensor *info, unsigned uses, bool tied,
                      tl_error *err) {
    for (int i = 0; tied && i < m->n_slots; i++)
        if (m->slots[i].info == info) {
            m->slots[i].uses |= uses;
            return TL_OK;
        }
    if (info->dtype == TL_N_DTYPES)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "%s: tensor '%s' is %s, which this build cannot decode; convert the model to another type",
                       tl_gguf_label(m->gguf), info->name, tl_gguf_type_name(info->type));
    model_slot *slot = &m->slots[m->n_slots++];
    *slot = (model_slot){.info = info, .rank = rank, .uses = uses};
    for (int i = 0; i < rank; i++)
        slot->shape[i] = tl_hparams_dim(&m->hp, row->shape[i]);
    return TL_OK;
}

/* The axes are compared from the last on: GGUF writes that one first, and some writers drop axes of 1 at their end. */
static tl_status check_shape(const tl_model *m, const tl_weight_row *row, const tl_gguf_tensor *t, int rank, tl_error *err) {
    char found[96] = "", expected[96] = "";
    bool same = true;
    for (int i = 0; i < t->rank; i++) {
        same = same && (i >= t->rank - rank || t->shape[i] == 1);
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%lld", i ? ", " : "", (long long)t->shape[i]);
    }
    for (int i = 0; i < rank; i++) {
        int64_t d = tl_hparams_dim(&m->hp, row->shape[i]);
        int at = i + t->rank - rank;
        same = same && d == (at < 0 ? 1 : t->shape[at]);
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s%lld", i ? ", " : "", (long long)d);
    }
    if (same)
        return TL_OK;
    return tl_fail(err, TL_ERR_FORMAT, "%s: tensor '%s' is [%s], the metadata asks for [%s]", tl_gguf_label(m->gguf), t->name, found,
                   expected);
}

static tl_status check_type(const tl_model *m, const tl_gguf_tensor *t, unsigned uses, tl_error *err) {
    bool plain = uses & TL_USE_OTHER;
    if (t->dtype < TL_N_DTYPES && tl_dtype_get(t->dtype)->kind == TL_KIND_INT)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "%s: tensor '%s' holds integers (%s), not weights", tl_gguf_label(m->gguf), t->name,
                       tl_dtype_get(t->dtype)->name);
    if (plain && t->dtype != TL_F32)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "%s: tensor '%s' is %s; f32 is wanted here", tl_gguf_label(m->gguf), t->name,
                       tl_gguf_type_name(t->type));
    return TL_OK;
}

/* One tensor by name: checked and entered, or NULL where it is absent and may be. */
static tl_status find(tl_model *m, const tl_weight_row *row, const char *name, int rank, unsigned uses, bool optional, bool tied,
                      const tl_gguf_tensor **out, tl_error *err) {
    *out = tl_gguf_tensor_find(m->gguf, name);
    if (!*out)
        return optional ? TL_OK : tl_fail(err, TL_ERR_FORMAT, "%s: tensor '%s' is missing", tl_gguf_label(m->gguf), name);
    tl_status s = check_shape(m, row, *out, rank, err);
    if (!s)
        s = check_type(m, *out, uses, err);
    return s ? s : want(m, row, rank, *out, uses, tied, err);
}

static int rank_of(const tl_weight_row *row) {
    int rank = 0;
    while (rank < 3 && row->shape[rank] != DIM_NONE)
        rank++;
    return rank;
}

/* Where a table row's tensors are named, before they have places in the bank. */
typedef struct named {
    const tl_gguf_tensor *w, *bias;
} named;

static tl_status resolve_row(tl_model *m, const tl_weight_row *row, int layer, named *out, tl_error *err) {
    char name[80];
    tl_status s = find(m, row, tensor_name(row->pattern, layer, "weight", name), rank_of(row), row->uses, row->optional || row->tied, false,
                       &out->w, err);
    if (!s && !out->w && row->tied)
        s = find(m, row, tensor_name(row->tied, layer, "weight", name), rank_of(row), row->uses, false, true, &out->w, err);
    if (!s && row->bias)
        s = find(m, row, tensor_name(row->pattern, layer, "bias", name), 1, TL_USE_OTHER, true, false, &out->bias, err);
    return s;
}

static int by_offset(const void *a, const void *b) {
    uint64_t x = ((const model_slot *)a)->info->offset, y = ((const model_slot *)b)->info->offset;
    return x < y ? -1 : x > y;
}

/* Heap sort: the C library's qsort may allocate. */
static void sort_slots(model_slot *v, int n) {
    for (int i = n / 2 - 1, end = n; end > 1;) {
        int root = i;
        if (i < 0) {
            model_slot t = v[0];
            v[0] = v[--end];
            v[end] = t;
            root = 0;
        } else {
            i--;
        }
        for (int child; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && by_offset(&v[child], &v[child + 1]) < 0)
                child++;
            if (by_offset(&v[root], &v[child]) >= 0)
                break;
            model_slot t = v[root];
            v[root] = v[child];
            v[child] = t;
        }
    }
}

/* ---- places in the bank ---- */

/* Wrapping needs the bytes in memory, aligned for their elements. */
static const void *wrappable(const tl_model *m, const tl_gguf_tensor *info) {
    const void *data = tl_gguf_tensor_data(m->gguf, info);
    bool plain = tl_dtype_get(info->dtype)->block == 1;
    return m->backend->ops->write || (plain && (uintptr_t)data % 4) ? NULL : data;
}

static tl_status place(tl_model *m, model_slot *slot, tl_error *err) {
    const tl_gguf_tensor *i = slot->info;
    tl_tensor shape = {.dtype = i->dtype, .rank = slot->rank, .base = &shape};
    memcpy(shape.shape, slot->shape, sizeof slot->shape);
    const tl_layout *layout =
        m->options.no_pack || !m->backend->ops->layout ? NULL : m->backend->ops->layout(m->backend, &shape, slot->uses);
    const void *data = layout ? NULL : wrappable(m, i);
    m->weight_bytes += i->bytes;
    m->params += (uint64_t)tl_count(&shape);
    if (data) {
        slot->have = i->bytes;
        m->mapped_bytes += i->bytes;
        return tl_bank_wrap(m->bank, i->name, i->dtype, slot->rank, slot->shape, data, false, &slot->t, err);
    }
    return (m->dry ? tl_bank_declare : tl_bank_add)(m->bank, i->name, i->dtype, slot->rank, slot->shape, layout, &slot->t, err);
}

tl_status tl_weights_resolve(tl_model *m, tl_error *err) {
    int layers = m->hp.n_layer, rows = m->arch->n_weights;
    size_t n = (size_t)rows * (size_t)layers;
    named *names = tl_alloc(n * sizeof *names);
    m->weights = tl_alloc(n * sizeof *m->weights);
    m->slots = tl_alloc(n * 2 * sizeof *m->slots);
    tl_status s = names && m->weights && m->slots
                      ? TL_OK
                      : tl_fail(err, TL_ERR_MEMORY, "%s: out of memory for %lld weights", tl_gguf_label(m->gguf), (long long)n);
    for (int r = 0; r < rows && !s; r++)
        for (int l = 0; l < (per_layer(m->arch->weights[r].pattern) ? layers : 1) && !s; l++)
            s = resolve_row(m, &m->arch->weights[r], l, &names[(size_t)r * (size_t)layers + (size_t)l], err);
    if (!s)
        sort_slots(m->slots, m->n_slots);
    for (int i = 0; i < m->n_slots && !s; i++)
        s = place(m, &m->slots[i], err);
    for (size_t i = 0; i < n && !s; i++) {
        m->weights[i].w = names[i].w ? tl_bank_find(m->bank, names[i].w->name) : NULL;
        m->weights[i].bias = names[i].bias ? tl_bank_find(m->bank, names[i].bias->name) : NULL;
    }
    tl_free(names);
    return s;
}

/* ---- data ---- */

static tl_status check_finite(const tl_model *m, const model_slot *slot, uint64_t at, const void *bytes, size_t n, tl_error *err) {
    const tl_dtype_info *d = tl_dtype_get(slot->info->dtype);
    float values[256];
    size_t step = (size_t)d->block_bytes * (size_t)(256 / d->block);
    for (size_t i = 0; i < n; i += step) {
        size_t part = n - i < step ? n - i : step;
        int64_t count = (int64_t)(part / (size_t)d->block_bytes) * d->block;
        tl_status s = tl_decode(slot->info->dtype, (const char *)bytes + i, values, count, err);
        for (int64_t k = 0; k < count && !s; k++)
            if (values[k] - values[k] != 0)
                return tl_fail(err, TL_ERR_FORMAT, "%s: tensor '%s' holds a NaN or infinite value at element %lld", tl_gguf_label(m->gguf),
                               slot->info->name, (long long)((at + i) / (size_t)d->block_bytes * (size_t)d->block) + (long long)k);
        if (s)
            return s;
    }
    return TL_OK;
}

static tl_status check_values(const tl_model *m, const model_slot *slot, uint64_t at, const void *bytes, size_t n, tl_error *err) {
    uint64_t env = tl_float_enter();
    tl_status s = check_finite(m, slot, at, bytes, n, err);
    tl_float_leave(env);
    return s;
}

static tl_status progress(tl_model *m, uint64_t more, tl_error *err) {
    m->fed += more;
    if (m->options.progress &&
        !m->options.progress(m->options.progress_ctx, m->weight_bytes ? (double)m->fed / (double)m->weight_bytes : 1))
        return tl_fail(err, TL_CANCELLED, "loading was cancelled");
    return TL_OK;
}

static size_t row_bytes(const model_slot *slot) {
    const tl_dtype_info *d = tl_dtype_get(slot->info->dtype);
    return (size_t)(slot->shape[slot->rank - 1] / d->block) * (size_t)d->block_bytes;
}

/* The next bytes of a slot's tensor, which arrive in order. Packed ones wait in staging until whole groups of rows are there. What is
 * refused counts as not arrived, so that such a model can never be complete. */
static tl_status accept(tl_model *m, model_slot *slot, const unsigned char *bytes, size_t n, tl_error *err) {
    tl_tensor *t = slot->t;
    if (!t->layout) {
        tl_buffer *b = t->buffer;
        tl_status s = TL_OK;
        if (m->backend->ops->write)
            s = m->backend->ops->write(m->backend, b, (size_t)slot->have, bytes, n);
        else
            memcpy((char *)b->data + slot->have, bytes, n);
        if (!s && slot->have + n == slot->info->bytes && m->options.check_tensors)
            s = check_values(m, slot, 0, b->data, (size_t)slot->info->bytes, err);
        if (!s)
            slot->have += n;
        return s;
    }
    size_t row = row_bytes(slot), batch = row * STAGING_ROWS, all = (size_t)slot->info->bytes;
    if (!m->staging && !(m->staging = tl_alloc(batch)))
        return tl_fail(err, TL_ERR_MEMORY, "%s: out of memory while packing '%s'", tl_gguf_label(m->gguf), slot->info->name);
    while (n > 0) {
        size_t held = (size_t)slot->have - (size_t)slot->rows * row, part = batch - held < n ? batch - held : n;
        memcpy(m->staging + held, bytes, part);
        bytes += part;
        n -= part;
        slot->have += part;
        held += part;
        if (held == batch || slot->have == all) {
            int64_t rows = (int64_t)(held / row);
            tl_status s = m->options.check_tensors ? check_values(m, slot, (uint64_t)slot->rows * row, m->staging, held, err) : TL_OK;
            if (s) {
                slot->have = (uint64_t)slot->rows * row;
                return s;
            }
            t->layout->pack(t, slot->rows, slot->rows + rows, m->staging, tl_data(t));
            slot->rows += rows;
        }
    }
    if (slot->have == all) {
        tl_free(m->staging);
        m->staging = NULL;
    }
    return TL_OK;
}

tl_status tl_weights_feed(tl_model *m, uint64_t offset, const void *bytes, size_t n, tl_error *err) {
    for (; m->at < m->n_slots; m->at++) {
        model_slot *slot = &m->slots[m->at];
        const tl_gguf_tensor *i = slot->info;
        if (slot->have == i->bytes)
            continue;
        uint64_t next = i->offset + slot->have;
        if (offset > next)
            return tl_fail(err, TL_ERR_USAGE, "%s: bytes from offset %llu arrived, but '%s' waits for offset %llu", tl_gguf_label(m->gguf),
                           (unsigned long long)offset, i->name, (unsigned long long)next);
        if (offset + n <= next)
            return TL_MORE;
        uint64_t skip = next - offset, left = i->bytes - slot->have, have = n - skip;
        size_t part = (size_t)(have < left ? have : left);
        tl_status s = accept(m, slot, (const unsigned char *)bytes + skip, part, err);
        if (!s)
            s = progress(m, part, err);
        if (s)
            return s;
        if (slot->have < i->bytes)
            return TL_MORE;
    }
    m->complete = true;
    return TL_OK;
}

/* ---- packing from the map, by all threads ---- */

/* Piece by piece, so that the mapped pages can be dropped behind it and little is held twice. */
static tl_status pack_mapped(tl_model *m, model_slot *slot, const unsigned char *data, tl_error *err) {
    enum { PIECE_ROWS = 4096 };
    size_t row = row_bytes(slot);
    int64_t rows = (int64_t)(slot->info->bytes / row);
    tl_status s = TL_OK;
    for (int64_t at = 0; at < rows && !s; at = slot->rows) {
        slot->rows = at + PIECE_ROWS < rows ? at + PIECE_ROWS : rows;
        slot->have = (uint64_t)slot->rows * row;
        tl_bank_pack(m->bank, slot->t, at, slot->rows, data + (size_t)at * row);
        tl_gguf_drop(m->gguf, slot->info->offset + (uint64_t)at * row, (uint64_t)(slot->rows - at) * row);
        s = progress(m, (uint64_t)(slot->rows - at) * row, err);
    }
    return s;
}

/* A tensor from the map or through a reader, piece by piece, so that little is held twice. */
static tl_status load_slot(tl_model *m, model_slot *slot, unsigned char *piece, size_t most, tl_error *err) {
    const tl_gguf_tensor *i = slot->info;
    const unsigned char *data = tl_gguf_tensor_data(m->gguf, i);
    if (data && slot->t->layout && !m->options.check_tensors)
        return pack_mapped(m, slot, data, err);
    tl_status s = TL_OK;
    for (uint64_t at = 0; at < i->bytes && !s; at += most) {
        size_t n = (size_t)(i->bytes - at < most ? i->bytes - at : most);
        const unsigned char *from = data ? data + at : piece;
        if (!data)
            s = tl_gguf_tensor_read(m->gguf, i, at, piece, n, err);
        if (!s && slot->have <= at)
            s = accept(m, slot, from, n, err);
        else if (!s) /* wrapped where it lies */
            s = check_values(m, slot, at, from, n, err);
        if (!s)
            s = progress(m, n, err);
        if (data && slot->t->layout)
            tl_gguf_drop(m->gguf, i->offset + at, n);
    }
    return s;
}

tl_status tl_weights_load(tl_model *m, tl_error *err) {
    enum { PIECE = 2 << 20 };
    unsigned char *piece = NULL;
    tl_status s = TL_OK;
    for (int i = 0; i < m->n_slots && !s; i++) {
        model_slot *slot = &m->slots[i];
        size_t block = (size_t)tl_dtype_get(slot->info->dtype)->block_bytes, most = PIECE / block * block;
        if (!piece && !tl_gguf_tensor_data(m->gguf, slot->info) && !(piece = tl_alloc(PIECE)))
            s = tl_fail(err, TL_ERR_MEMORY, "%s: out of memory for reading", tl_gguf_label(m->gguf));
        if (!s && slot->have == slot->info->bytes && !m->options.check_tensors)
            s = progress(m, slot->info->bytes, err);
        else if (!s)
            s = load_slot(m, slot, piece, most, err);
    }
    tl_free(piece);
    m->complete = !s;
    return s;
}
