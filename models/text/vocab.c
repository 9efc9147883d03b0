/* vocab.c: the lookups of a vocabulary. Three open-addressing tables: token text -> id, BPE pair -> rule, trie edge -> node. All are sized
 * once from counts that the file has already proved, stay at most half full, and are only read after loading, so a loaded tokenizer may be
 * shared by threads. */
#include "models/text/text.h"

#include <string.h>

#include "tensor/platform.h"

/* ---- hashing ----------------------------------------------------------------------------------------------------------- */

uint64_t tl_text_hash(const char *s, size_t n) {
    uint64_t h = 0;
    for (size_t i = 0; i < n; i++)
        h = h * TL_HASH_BASE + (unsigned char)s[i] + 1;
    return h;
}

/* Spreads a hash or key over all bits (the finaliser of MurmurHash3). */
static uint64_t vocab_mix(uint64_t h) {
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCDull;
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53ull;
    return h ^ h >> 33;
}

/* Slots of a table for n entries: a power of two, at least twice n. 0: too many. */
static uint32_t vocab_table_size(uint64_t n) {
    uint64_t size = 16;
    while (size < 2 * n)
        size *= 2;
    return size <= (uint64_t)1 << 31 ? (uint32_t)size : 0;
}

static tl_status vocab_out_of_memory(const char *what, tl_error *err) {
    return tl_fail(err, TL_ERR_MEMORY, "tokenizer: out of memory for %s", what);
}

/* A table of `size` entries of `bytes` bytes each; NULL when out of memory. */
static void *vocab_table(uint32_t size, size_t bytes) {
    return size != 0 ? tl_alloc_array(size, bytes) : NULL;
}

/* ---- text -> id -------------------------------------------------------------------------------------------------------- */

int32_t tl_vocab_find_hashed(const tl_vocab *v, const char *s, size_t n, uint64_t hash) {
    if (n == 0 || n > v->longest)
        return -1;
    uint64_t h = vocab_mix(hash);
    uint32_t tag = (uint32_t)(h >> 32);
    for (uint32_t i = (uint32_t)h & v->slot_mask;; i = (i + 1) & v->slot_mask) {
        tl_slot slot = v->slots[i];
        if (slot.id < 0)
            return -1;
        if (slot.tag != tag)
            continue;
        tl_gguf_string text = tl_vocab_text(v, slot.id);
        if (text.n == n && memcmp(text.data, s, n) == 0)
            return slot.id;
    }
}

int32_t tl_vocab_find(const tl_vocab *v, const char *s, size_t n) {
    return n == 0 || n > v->longest ? -1 : tl_vocab_find_hashed(v, s, n, tl_text_hash(s, n));
}

tl_status tl_vocab_index(tl_vocab *v, tl_error *err) {
    uint32_t size = vocab_table_size((uint64_t)v->n);
    v->slots = vocab_table(size, sizeof *v->slots);
    if (v->slots == NULL)
        return vocab_out_of_memory("the index of token texts", err);
    v->slot_mask = size - 1;
    for (uint32_t i = 0; i < size; i++)
        v->slots[i].id = -1;
    v->longest = 0;
    for (int32_t id = 0; id < v->n; id++) {
        tl_gguf_string text = tl_vocab_text(v, id);
        if (text.n > v->longest)
            v->longest = text.n;
        if (text.n == 0 || tl_vocab_find(v, text.data, text.n) >= 0)
            continue;
        uint64_t h = vocab_mix(tl_text_hash(text.data, text.n));
        uint32_t i = (uint32_t)h & v->slot_mask;
        while (v->slots[i].id >= 0)
            i = (i + 1) & v->slot_mask;
        v->slots[i] = (tl_slot){(uint32_t)(h >> 32), id};
    }
    return TL_OK;
}

/* ---- pair -> rule ------------------------------------------------------------------------------------------------------ */

/* Where the rule for a pair is, or would be put. */
static tl_rule *vocab_rule_slot(const tl_vocab *v, int32_t left, int32_t right) {
    uint64_t h = vocab_mix((uint64_t)(uint32_t)left << 32 | (uint32_t)right);
    uint32_t i = (uint32_t)h & v->rule_mask;
    while (v->rules[i].left >= 0 && (v->rules[i].left != left || v->rules[i].right != right))
        i = (i + 1) & v->rule_mask;
    return &v->rules[i];
}

tl_status tl_vocab_rules(tl_vocab *v, int64_t n, tl_error *err) {
    uint32_t size = vocab_table_size((uint64_t)n);
    v->rules = vocab_table(size, sizeof *v->rules);
    if (v->rules == NULL)
        return vocab_out_of_memory("the table of merges", err);
    v->rule_mask = size - 1;
    for (uint32_t i = 0; i < size; i++)
        v->rules[i].left = -1;
    return TL_OK;
}

void tl_vocab_add_rule(tl_vocab *v, tl_rule rule) {
    tl_rule *slot = vocab_rule_slot(v, rule.left, rule.right);
    if (slot->left < 0)
        *slot = rule;
}

const tl_rule *tl_vocab_rule(const tl_vocab *v, int32_t left, int32_t right) {
    if (left < 0 || right < 0)
        return NULL;
    const tl_rule *slot = vocab_rule_slot(v, left, right);
    return slot->left < 0 ? NULL : slot;
}

/* ---- special tokens ---------------------------------------------------------------------------------------------------- */

static bool vocab_is_special(unsigned char type) {
    return type == TL_TOKEN_UNKNOWN || type == TL_TOKEN_CONTROL || type == TL_TOKEN_USER;
}

static tl_edge *vocab_edge_slot(const tl_vocab *v, uint32_t key) {
    uint32_t i = (uint32_t)vocab_mix(key) & v->edge_mask;
    while (v->edges[i].node != 0 && v->edges[i].key != key)
        i = (i + 1) & v->edge_mask;
    return &v->edges[i];
}

static uint32_t vocab_edge_key(int32_t node, char byte) {
    return (uint32_t)node << 8 | (unsigned char)byte;
}

static void vocab_trie_insert(tl_vocab *v, int32_t id) {
    tl_gguf_string text = tl_vocab_text(v, id);
    int32_t node = 0;
    for (size_t i = 0; i < text.n; i++) {
        uint32_t key = vocab_edge_key(node, text.data[i]);
        tl_edge *edge = vocab_edge_slot(v, key);
        if (edge->node == 0) {
            v->nodes[v->n_nodes] = (tl_trie_node){-1, -1};
            *edge = (tl_edge){key, v->n_nodes++};
        }
        node = edge->node;
    }
    tl_trie_node *end = &v->nodes[node];
    if (end->parsed < 0)
        end->parsed = id;
    if (end->plain < 0 && v->type[id] == TL_TOKEN_USER)
        end->plain = id;
}

tl_status tl_vocab_specials(tl_vocab *v, tl_error *err) {
    uint64_t bytes = 0;
    for (int32_t id = 0; id < v->n; id++) {
        size_t n = tl_vocab_text(v, id).n;
        if (!vocab_is_special(v->type[id]))
            continue;
        if (n > TL_SPECIAL_MAX)
            return tl_fail(err, TL_ERR_FORMAT, "tokenizer.ggml.tokens: special token %d has %d bytes; at most %d are allowed", (int)id,
                           (int)n, (int)TL_SPECIAL_MAX);
        bytes += n;
    }
    if (bytes >= (uint64_t)1 << 24) /* node numbers share 32 bits with a byte */
        return tl_fail(err, TL_ERR_FORMAT, "tokenizer.ggml.token_type: special tokens have %lld bytes together; at most %d are allowed",
                       (long long)bytes, 1 << 24);
    uint32_t size = vocab_table_size(bytes);
    v->nodes = tl_alloc(((size_t)bytes + 1) * sizeof *v->nodes);
    v->edges = vocab_table(size, sizeof *v->edges);
    if (v->nodes == NULL || v->edges == NULL)
        return vocab_out_of_memory("the trie of special tokens", err);
    v->edge_mask = size - 1;
    v->nodes[0] = (tl_trie_node){-1, -1};
    v->n_nodes = 1;
    for (int32_t id = 0; id < v->n; id++)
        if (vocab_is_special(v->type[id]) && tl_vocab_text(v, id).n > 0)
            vocab_trie_insert(v, id);
    return TL_OK;
}

int32_t tl_vocab_special_at(const tl_vocab *v, const char *s, size_t n, bool parse) {
    int32_t node = 0, found = -1;
    for (size_t i = 0; i < n; i++) {
        node = vocab_edge_slot(v, vocab_edge_key(node, s[i]))->node;
        if (node == 0)
            break;
        int32_t id = parse ? v->nodes[node].parsed : v->nodes[node].plain;
        if (id >= 0)
            found = id;
    }
    return found;
}

void tl_vocab_free(tl_vocab *v) {
    tl_free(v->text);
    tl_free(v->piece);
    tl_free(v->text_at);
    tl_free(v->piece_at);
    tl_free(v->type);
    tl_free(v->order);
    tl_free(v->slots);
    tl_free(v->rules);
    tl_free(v->nodes);
    tl_free(v->edges);
    *v = (tl_vocab){0};
}
