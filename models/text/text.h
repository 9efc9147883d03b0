/* text.h: what the files of models/text share: character classes, the vocabulary with its lookups, the two tokenizer kinds and
 * the pre-tokenisers. Nothing here knows GGUF: tokenizer.c fills a tl_vocab from a file, a test may fill one by hand. Internal. */
#ifndef TALLY_TEXT_H
#define TALLY_TEXT_H

#include "models/model.h"
#include "tensor/utf8.h"

/* ---- unicode.c ----------------------------------------------------------------------------------------------------------- */

enum { TL_CHAR_LETTER = 1, TL_CHAR_MARK = 2, TL_CHAR_NUMBER = 4, TL_CHAR_PUNCT = 8, TL_CHAR_SYMBOL = 16, TL_CHAR_SPACE = 32 };

extern const uint32_t tl_unicode_ranges[]; /* unicode_table.c: first code point * 256 + class, ascending */
extern const int tl_unicode_n_ranges;

/* The class of a code point: one TL_CHAR_ bit, or 0 (controls, unassigned, beyond Unicode). */
unsigned tl_unicode_class(uint32_t cp);

/* ---- vocab.c: token texts and the ways to find them ---------------------------------------------------------------------- */

enum { /* token types, as in tokenizer.ggml.token_type */
       TL_TOKEN_NORMAL = 1,
       TL_TOKEN_UNKNOWN = 2,
       TL_TOKEN_CONTROL = 3,
       TL_TOKEN_USER = 4,
       TL_TOKEN_UNUSED = 5,
       TL_TOKEN_BYTE = 6
};
enum { TL_TOKEN_MAX = 65536, TL_SPECIAL_MAX = 256 }; /* bytes of a token; of one that is matched in text before tokenising */

typedef struct tl_slot {
    uint32_t tag;
    int32_t id;
} tl_slot; /* of the text hash; id -1: empty */
typedef struct tl_rule {
    int32_t left, right, rank, id;
} tl_rule; /* BPE merge; left -1: empty */
typedef struct tl_edge {
    uint32_t key;
    int32_t node;
} tl_edge; /* key: node * 256 + byte; node 0: empty */
typedef struct tl_trie_node {
    int32_t parsed, plain;
} tl_trie_node; /* token that ends here with TL_ENCODE_PARSE, and without */

typedef struct tl_vocab {
    int32_t n;
    char *text, *piece;           /* all token strings as stored, and as they appear in text */
    uint32_t *text_at, *piece_at; /* [n + 1] */
    unsigned char *type;          /* [n] */
    uint32_t *order;              /* [n] SPM: scores as integers, best first */
    int32_t byte_id[256];         /* the token of a lone byte, -1: none */
    size_t longest;               /* bytes of the longest token */
    tl_slot *slots;               /* text -> id */
    uint32_t slot_mask;
    tl_rule *rules; /* BPE: (left id, right id) -> rank, id */
    uint32_t rule_mask;
    tl_trie_node *nodes; /* special tokens by their bytes; node 0 is the root */
    tl_edge *edges;
    uint32_t edge_mask;
    int32_t n_nodes;
} tl_vocab;

/* Hashes of byte strings that a longer string's prefix hashes give in one step: h(s) = sum (s[i] + 1) * B^(n-1-i) mod 2^64. */
#define TL_HASH_BASE 0x9E3779B97F4A7C15ull
uint64_t tl_text_hash(const char *s, size_t n);
/* The id of a string; the first of equal ones; -1 where absent. */
int32_t tl_vocab_find(const tl_vocab *v, const char *s, size_t n);
int32_t tl_vocab_find_hashed(const tl_vocab *v, const char *s, size_t n, uint64_t hash);
/* Builds slots and longest from text; the empty string is never found. */
tl_status tl_vocab_index(tl_vocab *v, tl_error *err);
/* Makes room for n rules, adds one (the first of equal pairs stays), finds one (NULL: none). */
tl_status tl_vocab_rules(tl_vocab *v, int64_t n, tl_error *err);
void tl_vocab_add_rule(tl_vocab *v, tl_rule rule);
const tl_rule *tl_vocab_rule(const tl_vocab *v, int32_t left, int32_t right);
/* Builds the trie of control, unknown and user-defined tokens, after types are final. */
tl_status tl_vocab_specials(tl_vocab *v, tl_error *err);
/* The longest special token at the start of s; -1 where none. Without `parse` only user-defined ones count. */
int32_t tl_vocab_special_at(const tl_vocab *v, const char *s, size_t n, bool parse);
void tl_vocab_free(tl_vocab *v);
static inline tl_gguf_string tl_vocab_text(const tl_vocab *v, int32_t id) {
    return (tl_gguf_string){v->text + v->text_at[id], v->text_at[id + 1] - v->text_at[id]};
}
static inline tl_gguf_string tl_vocab_piece(const tl_vocab *v, int32_t id) {
    return (tl_gguf_string){v->piece + v->piece_at[id], v->piece_at[id + 1] - v->piece_at[id]};
}

/* True if plain text may become this token: control, unknown, unused and byte tokens never come out of joining characters, so that no
 * text without TL_ENCODE_PARSE can forge one. */
static inline bool tl_vocab_plain(const tl_vocab *v, int32_t id) {
    return id >= 0 && (v->type[id] == TL_TOKEN_NORMAL || v->type[id] == TL_TOKEN_USER);
}

/* ---- merge.c: joining neighbours, best pair first, in n log n -------------------------------------------------------------- */

typedef struct tl_symbol {
    uint32_t at, len;
    int32_t prev, next, id;
} tl_symbol; /* bytes of the text; len 0: joined into its left one */
typedef struct tl_pair {
    uint32_t order, len;
    int32_t left, id;
} tl_pair; /* a possible join, len: of both */
typedef struct tl_merger {
    tl_symbol *symbols;
    tl_pair *heap;
    size_t n, cap, n_heap, cap_heap;
} tl_merger;
/* Whether two neighbours may join: sets order (lower first) and the id of the whole. */
typedef bool (*tl_join_fn)(const void *ctx, const tl_symbol *left, const tl_symbol *right, uint32_t *order, int32_t *id);
/* Room for n symbols. */
tl_status tl_merger_reserve(tl_merger *m, size_t n, tl_error *err);
/* Joins m->symbols[0 .. m->n) until nothing joins; the rest is the chain by next from symbol 0. Ties go to the left. */
tl_status tl_merger_run(tl_merger *m, tl_join_fn join, const void *ctx, tl_error *err);
void tl_merger_free(tl_merger *m);

/* ---- spm.c, bpe.c: one stretch of plain text to ids ------------------------------------------------------------------------ */

typedef struct tl_pre tl_pre;
enum { TL_STRETCH_MAX = 1 << 28 }; /* bytes of one stretch: three bytes each, and indices, stay within 31 bits */

/* prefix: put a space in front. unk: the id for what the vocabulary cannot say, -1: leave it out. */
tl_status tl_spm_encode(const tl_vocab *v, const char *s, size_t n, bool prefix, int32_t unk, tl_ids *out, tl_error *err);
tl_status tl_bpe_encode(const tl_vocab *v, const tl_pre *pre, const char *s, size_t n, tl_ids *out, tl_error *err);
/* The character that stands for a byte in byte-level BPE vocabularies (GPT-2's table), and the byte for a character, -1: none. */
uint32_t tl_bpe_char(unsigned char byte);
int tl_bpe_byte(uint32_t cp);

/* ---- pretokenizer.c -------------------------------------------------------------------------------------------------------- */

/* A splitter: bytes of the first piece of s [n > 0 bytes]. */
typedef size_t (*tl_split_fn)(const char *s, size_t n);
struct tl_pre {
    const char *name;
    tl_split_fn stage[5]; /* each splits the pieces of the one before; up to the first NULL */
    bool ignore_merges;   /* a piece that is a token is taken whole */
    bool add_bos;         /* where the file does not say */
};
const tl_pre *tl_pre_find(const char *name, size_t n);
const char *tl_pre_names(void);
/* Calls fn with each piece of s, left to right; stops at a failure and returns it. */
typedef tl_status (*tl_piece_fn)(void *ctx, const char *piece, size_t n, tl_error *err);
tl_status tl_pre_split(const tl_pre *p, const char *s, size_t n, tl_piece_fn fn, void *ctx, tl_error *err);

/* ---- tokenizer.c, detok.c -------------------------------------------------------------------------------------------------- */

struct tl_tokenizer {
    tl_vocab v;
    const tl_pre *pre; /* NULL: SPM */
    tl_special_ids special;
    bool *end; /* [v.n] ends an answer */
};

#endif
