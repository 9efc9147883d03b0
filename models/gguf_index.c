/* gguf_index.c: names to entry numbers for the reader's keys and tensors and for the writer: open addressing with linear probing, at most
 * two thirds full. Each entry keeps its 64-bit hash, so a name is compared in full only when all 64 bits agree: about once a successful
 * look-up and never otherwise. The hash is SipHash-1-3 (Aumasson, Bernstein) under a seed; the reader takes the seed from all names of
 * the file, so that names chosen to collide would have to know the hash of themselves. */
#include "models/gguf.h"

#include <string.h>

static uint64_t sip_rotl(uint64_t x, int k) {
    return x << k | x >> (64 - k);
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = sip_rotl(v[1], 13) ^ v[0];
    v[3] = sip_rotl(v[3], 16) ^ v[2];
    v[0] = sip_rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = sip_rotl(v[1], 17) ^ v[2];
    v[3] = sip_rotl(v[3], 21) ^ v[0];
    v[2] = sip_rotl(v[2], 32);
}

uint64_t tl_name_hash(uint64_t seed, const void *name, size_t n) {
    const uint8_t *p = name;
    const uint64_t other = ~seed; /* the key's second half: nothing here is secret, only spread */
    uint64_t v[4] = {seed ^ 0x736f6d6570736575ull, other ^ 0x646f72616e646f6dull, seed ^ 0x6c7967656e657261ull,
                     other ^ 0x7465646279746573ull};
    for (size_t i = 0; i <= n / 8; i++) {
        size_t left = n - i * 8;
        uint64_t word = tl_load_le(p + i * 8, left < 8 ? (int)left : 8) | (left < 8 ? (uint64_t)(n & 0xFF) << 56 : 0);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xFF;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t index_slots(uint64_t n) {
    uint64_t slots = 16;
    while (slots < n + n / 2 + 1)
        slots *= 2;
    return slots;
}

uint64_t tl_index_bytes(uint64_t n) {
    if (n > UINT32_MAX / 4)
        return UINT64_MAX;
    return n * (sizeof(const char *) + sizeof(uint64_t)) + index_slots(n) * sizeof(uint32_t);
}

static void index_place(tl_name_index *x, uint32_t entry) {
    uint32_t at = (uint32_t)x->hash[entry] & (x->slots - 1);
    while (x->slot[at] != 0)
        at = (at + 1) & (x->slots - 1);
    x->slot[at] = entry + 1;
}

/* Carries the entries over into tables of their own size. */
static bool index_move(tl_name_index *x, size_t cap, size_t slots) {
    const char **name = tl_alloc(cap * sizeof *name);
    uint64_t *hash = tl_alloc(cap * sizeof *hash);
    uint32_t *slot = tl_alloc(slots * sizeof *slot);
    if (!name || !hash || !slot) {
        tl_free(name);
        tl_free(hash);
        tl_free(slot);
        return false;
    }
    if (x->n > 0) {
        memcpy(name, x->name, x->n * sizeof *name);
        memcpy(hash, x->hash, x->n * sizeof *hash);
    }
    tl_free(x->name);
    tl_free(x->hash);
    tl_free(x->slot);
    x->name = name;
    x->hash = hash;
    x->slot = slot;
    x->cap = (uint32_t)cap;
    x->slots = (uint32_t)slots;
    for (uint32_t i = 0; i < x->n; i++)
        index_place(x, i);
    return true;
}

tl_status tl_index_reserve(tl_name_index *x, uint64_t n, tl_error *err) {
    if (n <= x->cap && x->slots > 0)
        return TL_OK;
    uint64_t bytes = tl_index_bytes(n);
    if (bytes > SIZE_MAX || !index_move(x, (size_t)n, (size_t)index_slots(n)))
        return tl_fail(err, TL_ERR_MEMORY, "no memory for a table of %llu names", (unsigned long long)n);
    return TL_OK;
}

/* The slot that has the name, or the free one where it would go. */
static uint32_t index_probe(const tl_name_index *x, const char *name, size_t n, uint64_t hash) {
    /* The counter is the one field that a look-up changes, and it is atomic: threads may share a model's metadata. */
    atomic_ullong *comparisons = (atomic_ullong *)&x->comparisons;
    uint32_t at = (uint32_t)hash & (x->slots - 1);
    for (; x->slot[at] != 0; at = (at + 1) & (x->slots - 1)) {
        uint32_t entry = x->slot[at] - 1;
        if (x->hash[entry] != hash)
            continue;
        atomic_fetch_add_explicit(comparisons, 1, memory_order_relaxed);
        if (strlen(x->name[entry]) == n && memcmp(x->name[entry], name, n) == 0)
            break;
    }
    return at;
}

int64_t tl_index_find(const tl_name_index *x, const char *name, size_t n) {
    if (x->n == 0)
        return -1;
    return (int64_t)x->slot[index_probe(x, name, n, tl_name_hash(x->seed, name, n))] - 1;
}

int64_t tl_index_add(tl_name_index *x, const char *name, size_t n) {
    uint64_t hash = tl_name_hash(x->seed, name, n);
    uint32_t at = index_probe(x, name, n, hash);
    if (x->slot[at] != 0)
        return (int64_t)x->slot[at] - 1;
    x->name[x->n] = name;
    x->hash[x->n] = hash;
    x->slot[at] = ++x->n;
    return -1;
}

void tl_index_free(tl_name_index *x) {
    tl_free(x->name);
    tl_free(x->hash);
    tl_free(x->slot);
    x->name = NULL;
    x->hash = NULL;
    x->slot = NULL;
    x->n = x->cap = x->slots = 0;
}
