/* bpe.c: byte-level BPE as GPT-2 and its heirs use it. A pre-tokeniser cuts the text into pieces; in a piece each byte begins as the token
 * of its stand-in character, and neighbours join by the rank of their merge rule, lowest first, ties to the left. The vocabulary is in
 * stand-in characters; nothing here but the whole-piece lookup needs them, since rules are pairs of ids. */
#include "models/text/text.h"

#include "tensor/platform.h"

/* Printable bytes stand for themselves, the other 68 for U+0100 on, in order. */
static bool bpe_printable(uint32_t c) {
    return (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF);
}

uint32_t tl_bpe_char(unsigned char byte) {
    if (bpe_printable(byte))
        return byte;
    if (byte <= 0x20)
        return 0x100u + byte;
    return byte == 0xAD ? 0x143u : 0x121u + (byte - 0x7Fu);
}

int tl_bpe_byte(uint32_t cp) {
    if (bpe_printable(cp))
        return (int)cp;
    if (cp >= 0x100 && cp <= 0x120)
        return (int)cp - 0x100;
    if (cp >= 0x121 && cp <= 0x142)
        return (int)cp - 0x121 + 0x7F;
    return cp == 0x143 ? 0xAD : -1;
}

typedef struct bpe_run {
    const tl_vocab *v;
    bool whole;   /* a piece that is a token is taken whole */
    char *mapped; /* [longest + 1] a piece in stand-in characters */
    tl_merger merger;
    tl_ids *out;
} bpe_run;

static bool bpe_join(const void *ctx, const tl_symbol *l, const tl_symbol *r, uint32_t *order, int32_t *id) {
    const tl_rule *rule = tl_vocab_rule(ctx, l->id, r->id);
    if (rule == NULL)
        return false;
    *order = (uint32_t)rule->rank;
    *id = rule->id;
    return true;
}

/* The token whose text is the whole piece, -1: none. */
static int32_t bpe_find_whole(const bpe_run *run, const char *piece, size_t n) {
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        char c[4];
        int len = tl_utf8_write(tl_bpe_char((unsigned char)piece[i]), c);
        if (used + (size_t)len > run->v->longest)
            return -1;
        for (int j = 0; j < len; j++)
            run->mapped[used++] = c[j];
    }
    int32_t id = tl_vocab_find(run->v, run->mapped, used);
    return tl_vocab_plain(run->v, id) ? id : -1;
}

static tl_status bpe_piece(void *ctx, const char *piece, size_t n, tl_error *err) {
    bpe_run *run = ctx;
    if (run->whole) {
        int32_t id = bpe_find_whole(run, piece, n);
        if (id >= 0)
            return tl_ids_append(run->out, &id, 1, err);
    }
    tl_merger *m = &run->merger;
    tl_status s = tl_merger_reserve(m, n, err);
    if (s != TL_OK)
        return s;
    m->n = n;
    for (size_t i = 0; i < n; i++)
        m->symbols[i] = (tl_symbol){.at = (uint32_t)i, .len = 1, .id = run->v->byte_id[(unsigned char)piece[i]]};
    s = tl_merger_run(m, bpe_join, run->v, err);
    /* A byte that the vocabulary lacks is left out, as llama.cpp and HF tokenizers do. */
    for (int32_t i = 0; i >= 0 && s == TL_OK; i = m->symbols[i].next)
        if (m->symbols[i].id >= 0)
            s = tl_ids_append(run->out, &m->symbols[i].id, 1, err);
    return s;
}

tl_status tl_bpe_encode(const tl_vocab *v, const tl_pre *pre, const char *s, size_t n, tl_ids *out, tl_error *err) {
    if (n > TL_STRETCH_MAX)
        return tl_fail(err, TL_ERR_RANGE, "encode: a text of %lld bytes; at most %d are allowed", (long long)n, (int)TL_STRETCH_MAX);
    bpe_run run = {.v = v, .whole = pre->ignore_merges, .out = out};
    run.mapped = tl_alloc(v->longest + 1);
    if (run.mapped == NULL)
        return tl_fail(err, TL_ERR_MEMORY, "encode: out of memory for a piece of %lld bytes", (long long)v->longest);
    tl_status status = tl_pre_split(pre, s, n, bpe_piece, &run, err);
    tl_merger_free(&run.merger);
    tl_free(run.mapped);
    return status;
}
