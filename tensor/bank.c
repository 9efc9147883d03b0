/* bank.c: tensors that outlive graphs: weights and caches. A bank owns their memory (or borrows it: wrap) and their names; which version
 * of one a graph sees is the graph's business. */
#include <string.h>

#include "tensor/arena.h"
#include "tensor/graph.h"
#include "tensor/platform.h"

typedef struct bank_slot {
    uint64_t hash;
    tl_tensor *tensor;
} bank_slot;

struct tl_bank {
    tl_backend *backend;
    tl_arena arena;
    tl_tensor **tensors;
    int n, cap;
    bank_slot *slots; /* open addressing, a power of two, at most half full */
    size_t n_slots;
    uint64_t bytes;
};

tl_status tl_bank_new(tl_bank **b, tl_backend *be, tl_error *err) {
    if (!b)
        return tl_fail(err, TL_ERR_USAGE, "tl_bank_new: no place for the bank given");
    *b = NULL;
    if (!be)
        return tl_fail(err, TL_ERR_USAGE, "tl_bank_new: no backend given");
    tl_bank *n = tl_alloc(sizeof *n);
    if (!n)
        return tl_fail(err, TL_ERR_MEMORY, "tl_bank_new: out of memory");
    n->backend = be;
    *b = n;
    return TL_OK;
}

void tl_bank_free(tl_bank *b) {
    if (!b)
        return;
    for (int i = 0; i < b->n; i++) {
        tl_buffer *buf = b->tensors[i]->buffer;
        if (buf->backend)
            b->backend->ops->free(b->backend, buf);
    }
    tl_free(b->tensors);
    tl_free(b->slots);
    tl_arena_free(&b->arena);
    tl_free(b);
}

static uint64_t hash_name(const char *s) {
    uint64_t h = 0xcbf29ce484222325ull;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3ull;
    return h ^ h >> 29;
}

static bank_slot *probe(const tl_bank *b, const char *name, uint64_t h) {
    size_t i = (size_t)h & (b->n_slots - 1);
    while (b->slots[i].tensor && (b->slots[i].hash != h || strcmp(b->slots[i].tensor->name, name) != 0))
        i = (i + 1) & (b->n_slots - 1);
    return &b->slots[i];
}

static bool grow_slots(tl_bank *b) {
    size_t n = b->n_slots ? b->n_slots * 2 : 64;
    bank_slot *old = b->slots, *s = tl_alloc(n * sizeof *s);
    if (!s)
        return false;
    b->slots = s;
    b->n_slots = n;
    for (int i = 0; i < b->n; i++) {
        uint64_t h = hash_name(b->tensors[i]->name);
        *probe(b, b->tensors[i]->name, h) = (bank_slot){h, b->tensors[i]};
    }
    tl_free(old);
    return true;
}

/* A tensor with name, type, shape and dense strides, entered into the table but without memory. */
static tl_status enter(tl_bank *b, const char *what, const char *name, tl_dtype dtype, int rank, const int64_t *shape, tl_tensor **out,
                       tl_error *err) {
    const tl_dtype_info *d = tl_dtype_get(dtype);
    if (!b || !name || !shape)
        return tl_fail(err, TL_ERR_USAGE, "%s: bank, name and shape must be given", what);
    if (!d)
        return tl_fail(err, TL_ERR_USAGE, "%s: '%s' has the unknown type %d", what, name, (int)dtype);
    if (rank < 1 || rank > TL_MAX_RANK)
        return tl_fail(err, TL_ERR_USAGE, "%s: '%s' has rank %d, not 1 to %d", what, name, rank, TL_MAX_RANK);
    size_t bytes = (size_t)d->block_bytes;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 1)
            return tl_fail(err, TL_ERR_USAGE, "%s: '%s' has axis %d of length %lld; 1 is the least", what, name, i, (long long)shape[i]);
        if (i == rank - 1 && shape[i] % d->block)
            return tl_fail(err, TL_ERR_USAGE, "%s: '%s' has rows of %lld; %s wants a multiple of %d", what, name, (long long)shape[i],
                           d->name, d->block);
        int number;
        int64_t most;
        if (!tl_size_decode(NULL, shape[i], &number, &most) && most <= INT64_C(1) << 40) /* what tl_size gives, not just a huge length */
            return tl_fail(err, TL_ERR_USAGE, "%s: axis %d of '%s' is a named size (tl_size), which only tensors of a graph may follow",
                           what, i, name);
        int64_t blocks = i == rank - 1 ? shape[i] / d->block : shape[i];
        if ((uint64_t)blocks > SIZE_MAX || !tl_mul_size(bytes, (size_t)blocks, &bytes) || bytes > TL_TENSOR_MOST)
            return tl_fail(err, TL_ERR_MEMORY, "%s: the size of '%s' overflows", what, name);
    }
    if ((size_t)b->n * 2 >= b->n_slots && !grow_slots(b))
        return tl_fail(err, TL_ERR_MEMORY, "%s: out of memory for '%s'", what, name);
    uint64_t h = hash_name(name);
    bank_slot *slot = probe(b, name, h);
    if (slot->tensor)
        return tl_fail(err, TL_ERR_USAGE, "%s: the bank has a tensor '%s' already", what, name);
    tl_tensor *t = tl_arena_alloc(&b->arena, sizeof *t);
    char *copy = tl_arena_copy(&b->arena, name, strlen(name));
    tl_buffer *buf = tl_arena_alloc(&b->arena, sizeof *buf);
    if (!t || !copy || !buf || !tl_grow((void **)&b->tensors, &b->cap, b->n, sizeof *b->tensors))
        return tl_fail(err, TL_ERR_MEMORY, "%s: out of memory for '%s'", what, name);
    *t = (tl_tensor){.dtype = dtype, .rank = rank, .name = copy, .id = -1, .base = t, .buffer = buf, .mark = TL_MARK_BANK};
    memcpy(t->shape, shape, (size_t)rank * sizeof *shape);
    t->stride[rank - 1] = d->block_bytes;
    for (int i = rank - 2; i >= 0; i--)
        t->stride[i] = t->stride[i + 1] * (i == rank - 2 ? shape[i + 1] / d->block : shape[i + 1]);
    *slot = (bank_slot){h, t};
    b->tensors[b->n++] = t;
    *out = t;
    return TL_OK;
}

/* Takes back the newest entry; the arena keeps its few bytes. */
static void leave(tl_bank *b, tl_tensor *t) {
    uint64_t h = hash_name(t->name);
    bank_slot *slot = probe(b, t->name, h);
    b->n--;
    *slot = (bank_slot){0, NULL};
    /* Nothing was entered after t, so no other probe sequence runs through its slot except ones that were complete without it. */
}

/* Whether a tensor of the bank's own can be counted with the others; if not, it is taken back. */
static tl_status count(tl_bank *b, const char *what, tl_tensor *t, tl_error *err) {
    if (tl_bytes(t) <= TL_COUNT_MOST - b->bytes)
        return TL_OK;
    leave(b, t);
    return tl_fail(err, TL_ERR_MEMORY, "%s: the size of the bank overflows with '%s'", what, t->name);
}

/* Gives the newest tensor memory of the bank's own, or takes it back. */
static tl_status allocate(tl_bank *b, const char *what, tl_tensor *t, tl_error *err) {
    tl_status s = count(b, what, t, err);
    if (s)
        return s;
    size_t bytes = tl_bytes(t);
    s = b->backend->ops->alloc(b->backend, bytes, t->buffer);
    if (s) {
        leave(b, t);
        return tl_fail(err, s, "%s: no memory for '%s': %llu bytes", what, t->name, (unsigned long long)bytes);
    }
    b->bytes += bytes;
    return TL_OK;
}

tl_status tl_bank_add(tl_bank *b, const char *name, tl_dtype dtype, int rank, const int64_t *shape, const tl_layout *layout,
                      tl_tensor **out, tl_error *err) {
    tl_tensor *t = NULL;
    if (out)
        *out = NULL;
    tl_status s = enter(b, "tl_bank_add", name, dtype, rank, shape, &t, err);
    if (s)
        return s;
    t->layout = layout;
    t->mark |= TL_MARK_STATE;
    if ((s = allocate(b, "tl_bank_add", t, err)))
        return s;
    if (out)
        *out = t;
    return TL_OK;
}

tl_status tl_bank_declare(tl_bank *b, const char *name, tl_dtype dtype, int rank, const int64_t *shape, const tl_layout *layout,
                          tl_tensor **out, tl_error *err) {
    tl_tensor *t = NULL;
    if (out)
        *out = NULL;
    tl_status s = enter(b, "tl_bank_declare", name, dtype, rank, shape, &t, err);
    if (s)
        return s;
    t->layout = layout;
    t->mark |= TL_MARK_STATE;
    if ((s = count(b, "tl_bank_declare", t, err)))
        return s;
    b->bytes += tl_bytes(t);
    if (out)
        *out = t;
    return TL_OK;
}

tl_status tl_bank_wrap(tl_bank *b, const char *name, tl_dtype dtype, int rank, const int64_t *shape, const void *data, bool writable,
                       tl_tensor **out, tl_error *err) {
    tl_tensor *t = NULL;
    if (out)
        *out = NULL;
    if (!data)
        return tl_fail(err, TL_ERR_USAGE, "tl_bank_wrap: no memory given for '%s'", name ? name : "");
    if (b && b->backend->ops->write)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "tl_bank_wrap: backend %s cannot use host memory", b->backend->ops->name);
    const tl_dtype_info *d = tl_dtype_get(dtype);
    if (d && d->block == 1 && (uintptr_t)data % (uintptr_t)d->block_bytes)
        return tl_fail(err, TL_ERR_USAGE, "tl_bank_wrap: the memory for '%s' must lie at a multiple of %d bytes, the size of %s",
                       name ? name : "", d->block_bytes, d->name);
    tl_status s = enter(b, "tl_bank_wrap", name, dtype, rank, shape, &t, err);
    if (s)
        return s;
    if (writable)
        t->mark |= TL_MARK_STATE;
    /* backend NULL marks memory that the bank does not own; a tensor never writes through data unless it is a state */
    *t->buffer = (tl_buffer){.data = (void *)(uintptr_t)data, .bytes = tl_bytes(t)};
    if (out)
        *out = t;
    return TL_OK;
}

/* ---- packed weights ---- */

enum { PACK_ROWS = 64 }; /* a tile: a multiple of every group */

typedef struct pack_job {
    const tl_tensor *t;
    int64_t row0, row1;
    const char *data;
    size_t row;
} pack_job;

static void pack_tile(void *arg, int64_t tile) {
    const pack_job *j = arg;
    int64_t from = j->row0 + tile * PACK_ROWS, to = from + PACK_ROWS < j->row1 ? from + PACK_ROWS : j->row1;
    j->t->layout->pack(j->t, from, to, j->data + (size_t)(from - j->row0) * j->row, tl_data(j->t));
}

void tl_bank_pack(tl_bank *b, tl_tensor *t, int64_t row0, int64_t row1, const void *data) {
    pack_job j = {t, row0, row1, data, tl_row_bytes(t)};
    int64_t tiles = (row1 - row0 + PACK_ROWS - 1) / PACK_ROWS;
    if (b->backend->ops->parallel)
        b->backend->ops->parallel(b->backend, pack_tile, &j, tiles);
    else
        for (int64_t tile = 0; tile < tiles; tile++)
            pack_tile(&j, tile);
}

tl_status tl_bank_weight(tl_bank *b, const char *name, tl_dtype dtype, int rank, const int64_t *shape, const void *data, unsigned uses,
                         tl_tensor **out, tl_error *err) {
    tl_tensor *t = NULL;
    if (out)
        *out = NULL;
    tl_status s = tl_bank_wrap(b, name, dtype, rank, shape, data, false, &t, err);
    if (s)
        return s;
    t->layout = b->backend->ops->layout ? b->backend->ops->layout(b->backend, t, uses) : NULL;
    if (t->layout) {
        if ((s = allocate(b, "tl_bank_weight", t, err)))
            return s;
        tl_bank_pack(b, t, 0, tl_rows(t), data);
    }
    if (out)
        *out = t;
    return TL_OK;
}

tl_tensor *tl_bank_find(const tl_bank *b, const char *name) {
    return b && name && b->n_slots ? probe(b, name, hash_name(name))->tensor : NULL;
}

int tl_bank_count(const tl_bank *b) {
    return b ? b->n : 0;
}

tl_tensor *tl_bank_tensor(const tl_bank *b, int i) {
    return b && i >= 0 && i < b->n ? b->tensors[i] : NULL;
}

uint64_t tl_bank_bytes(const tl_bank *b) {
    return b ? b->bytes : 0;
}
