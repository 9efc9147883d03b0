/* spm.c: SentencePiece BPE as Llama uses it. Spaces become U+2581, the text is cut into characters, and neighbours whose joined text is a
 * token join, best score first, ties to the left. Characters that are no token come out as the tokens of their bytes.
 * Whether two neighbours may join is a lookup of their joined text: prefix hashes make each lookup constant, whatever its length. */
#include "models/text/text.h"

#include <string.h>

#include "tensor/platform.h"

typedef struct spm_text {
    const tl_vocab *v;
    char *bytes;      /* the text with spaces as U+2581 */
    uint64_t *prefix; /* [n + 1] hash of the first i bytes */
    uint64_t *power;  /* [longest + 1] powers of the hash base */
    size_t n, n_symbols;
} spm_text;

static int32_t spm_find(const spm_text *t, uint32_t at, uint32_t len) {
    if (len > t->v->longest)
        return -1;
    uint64_t hash = t->prefix[at + len] - t->prefix[at] * t->power[len];
    int32_t id = tl_vocab_find_hashed(t->v, t->bytes + at, len, hash);
    return tl_vocab_plain(t->v, id) ? id : -1;
}

static bool spm_join(const void *ctx, const tl_symbol *l, const tl_symbol *r, uint32_t *order, int32_t *id) {
    const spm_text *t = ctx;
    *id = spm_find(t, l->at, l->len + r->len);
    if (*id < 0)
        return false;
    *order = t->v->order[*id];
    return true;
}

static void spm_free(spm_text *t) {
    tl_free(t->bytes);
    tl_free(t->prefix);
    tl_free(t->power);
}

/* Escapes the text and hashes its prefixes. */
static tl_status spm_prepare(spm_text *t, const char *s, size_t n, bool prefix, tl_error *err) {
    size_t spaces = prefix;
    for (size_t i = 0; i < n; i++)
        spaces += s[i] == ' ';
    t->n = n + prefix + 2 * spaces;
    size_t powers = (t->n < t->v->longest ? t->n : t->v->longest) + 1;
    t->bytes = tl_alloc(t->n);
    t->prefix = tl_alloc_array(t->n + 1, sizeof *t->prefix);
    t->power = tl_alloc(powers * sizeof *t->power);
    if (t->bytes == NULL || t->prefix == NULL || t->power == NULL)
        return tl_fail(err, TL_ERR_MEMORY, "encode: out of memory for a text of %lld bytes", (long long)n);
    char *out = t->bytes;
    for (size_t i = 0; i < n + prefix; i++) {
        char c = prefix ? (i == 0 ? ' ' : s[i - 1]) : s[i];
        if (c == ' ') {
            memcpy(out, "\xE2\x96\x81", 3);
            out += 3;
        } else {
            *out++ = c;
        }
    }
    for (size_t i = 0; i < t->n; i++)
        t->prefix[i + 1] = t->prefix[i] * TL_HASH_BASE + (unsigned char)t->bytes[i] + 1;
    t->power[0] = 1;
    for (size_t i = 1; i < powers; i++)
        t->power[i] = t->power[i - 1] * TL_HASH_BASE;
    return TL_OK;
}

/* One symbol a character. */
static tl_status spm_cut(const spm_text *t, tl_merger *m, tl_error *err) {
    uint32_t cp;
    size_t n = 0;
    for (size_t at = 0; at < t->n; n++)
        at += (size_t)tl_utf8_read(t->bytes + at, t->n - at, &cp);
    tl_status s = tl_merger_reserve(m, n, err);
    if (s != TL_OK)
        return s;
    m->n = n;
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t len = (uint32_t)tl_utf8_read(t->bytes + at, t->n - at, &cp);
        m->symbols[i] = (tl_symbol){.at = at, .len = len, .id = spm_find(t, at, len)};
        at += len;
    }
    return TL_OK;
}

static tl_status spm_emit(const spm_text *t, const tl_merger *m, int32_t unk, tl_ids *out, tl_error *err) {
    for (int32_t i = m->n > 0 ? 0 : -1; i >= 0; i = m->symbols[i].next) {
        const tl_symbol *symbol = &m->symbols[i];
        int32_t ids[4];
        size_t n = 0;
        if (symbol->id >= 0)
            ids[n++] = symbol->id;
        for (uint32_t j = 0; symbol->id < 0 && j < symbol->len; j++) {
            int32_t id = t->v->byte_id[(unsigned char)t->bytes[symbol->at + j]];
            if (id >= 0 || unk >= 0)
                ids[n++] = id >= 0 ? id : unk;
        }
        tl_status s = tl_ids_append(out, ids, n, err);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

tl_status tl_spm_encode(const tl_vocab *v, const char *s, size_t n, bool prefix, int32_t unk, tl_ids *out, tl_error *err) {
    if (n > TL_STRETCH_MAX)
        return tl_fail(err, TL_ERR_RANGE, "encode: a text of %lld bytes; at most %d are allowed", (long long)n, (int)TL_STRETCH_MAX);
    spm_text t = {.v = v};
    tl_merger m = {0};
    tl_status status = spm_prepare(&t, s, n, prefix, err);
    if (status == TL_OK)
        status = spm_cut(&t, &m, err);
    if (status == TL_OK)
        status = tl_merger_run(&m, spm_join, &t, err);
    if (status == TL_OK)
        status = spm_emit(&t, &m, unk, out, err);
    tl_merger_free(&m);
    spm_free(&t);
    return status;
}
