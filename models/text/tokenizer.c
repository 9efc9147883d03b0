/* tokenizer.c: a tokenizer from the tokenizer.ggml.* keys of a file, and encoding: special tokens are found first, the stretches between
 * them go to SPM or BPE. Everything in the file is checked here once; spm.c and bpe.c rely on it. Defaults are llama.cpp's. */
#include <string.h>

#include "models/gguf.h"
#include "models/text/text.h"
#include "tensor/platform.h"

enum { TOK_COUNT_MAX = 1 << 24, TOK_SHOWN = 80 };

#define TOK_KEY(name) "tokenizer.ggml." name

static tl_status tok_no_memory(const char *what, tl_error *err) {
    return tl_fail(err, TL_ERR_MEMORY, "tokenizer: out of memory for %s", what);
}

/* ---- kind -------------------------------------------------------------------------------------------------------------- */

static tl_status tok_load_kind(tl_tokenizer *t, const tl_gguf *g, tl_error *err) {
    tl_gguf_string model = {0}, pre = {0};
    char shown[TOK_SHOWN];
    tl_status s = tl_gguf_get_string(g, TOK_KEY("model"), true, &model, err);
    if (s == TL_OK)
        s = tl_gguf_get_string(g, TOK_KEY("pre"), false, &pre, err);
    if (s != TL_OK)
        return s;
    if (model.n == 5 && memcmp(model.data, "llama", 5) == 0)
        return TL_OK;
    if (model.n != 4 || memcmp(model.data, "gpt2", 4) != 0)
        return tl_fail(err, TL_ERR_UNSUPPORTED,
                       "%s: tokenizer.ggml.model is '%s'; this build knows llama (SentencePiece) and gpt2 (byte-level BPE)",
                       tl_gguf_label(g), tl_show_bytes(model.data, model.n, shown, sizeof shown));
    t->pre = pre.n == 0 ? tl_pre_find("default", 7) : tl_pre_find(pre.data, pre.n);
    if (t->pre == NULL)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "%s: tokenizer.ggml.pre is '%s'; this build knows %s", tl_gguf_label(g),
                       tl_show_bytes(pre.data, pre.n, shown, sizeof shown), tl_pre_names());
    return TL_OK;
}

/* ---- tokens ------------------------------------------------------------------------------------------------------------ */

static tl_status tok_load_texts(tl_vocab *v, const tl_gguf *g, tl_error *err) {
    const char *key = TOK_KEY("tokens");
    const void *unused = NULL;
    int64_t count = 0;
    uint64_t total = 0;
    tl_status s = tl_gguf_get_array(g, key, true, TL_GGUF_STRING, -1, &unused, &count, err);
    if (s != TL_OK)
        return s;
    if (count < 1 || count > TOK_COUNT_MAX)
        return tl_fail(err, TL_ERR_FORMAT, "%s: %s has %lld tokens; 1 .. %d are allowed", tl_gguf_label(g), key, (long long)count,
                       (int)TOK_COUNT_MAX);
    for (int64_t i = 0; i < count; i++) {
        size_t n = tl_gguf_array_string(g, key, i).n;
        if (n > TL_TOKEN_MAX)
            return tl_fail(err, TL_ERR_FORMAT, "%s: %s: token %lld has %llu bytes; at most %d are allowed", tl_gguf_label(g), key,
                           (long long)i, (unsigned long long)n, (int)TL_TOKEN_MAX);
        total += n;
    }
    if (total > INT32_MAX)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "%s: %s holds %llu bytes of text; at most %d are supported", tl_gguf_label(g), key,
                       (unsigned long long)total, INT32_MAX);
    v->n = (int32_t)count;
    v->text = tl_alloc((size_t)total);
    v->text_at = tl_alloc(((size_t)count + 1) * sizeof *v->text_at);
    if (v->text == NULL || v->text_at == NULL)
        return tok_no_memory("the token texts", err);
    for (int32_t i = 0; i < v->n; i++) {
        tl_gguf_string text = tl_gguf_array_string(g, key, i);
        if (text.n > 0)
            memcpy(v->text + v->text_at[i], text.data, text.n);
        v->text_at[i + 1] = v->text_at[i] + (uint32_t)text.n;
    }
    return TL_OK;
}

static int tok_hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "<0x0A>" means; -1: not of that form. */
static int tok_byte_of(tl_gguf_string s) {
    if (s.n != 6 || memcmp(s.data, "<0x", 3) != 0 || s.data[5] != '>' || tok_hex(s.data[3]) < 0 || tok_hex(s.data[4]) < 0)
        return -1;
    return tok_hex(s.data[3]) * 16 + tok_hex(s.data[4]);
}

static tl_status tok_load_types(tl_tokenizer *t, const tl_gguf *g, tl_error *err) {
    tl_vocab *v = &t->v;
    const void *data = NULL;
    int64_t count = 0;
    tl_status s = tl_gguf_get_array(g, TOK_KEY("token_type"), false, TL_GGUF_I32, v->n, &data, &count, err);
    if (s != TL_OK)
        return s;
    v->type = tl_alloc((size_t)v->n);
    if (v->type == NULL)
        return tok_no_memory("the token types", err);
    for (int32_t i = 0; i < v->n; i++) {
        tl_gguf_string text = tl_vocab_text(v, i);
        uint64_t type = data != NULL ? tl_load_le((const uint8_t *)data + 4 * (size_t)i, 4) : TL_TOKEN_NORMAL;
        if (data == NULL && t->pre == NULL && tok_byte_of(text) >= 0)
            type = TL_TOKEN_BYTE;
        /* As llama.cpp: a type that nobody has defined makes a token that adds no text. */
        v->type[i] = type >= TL_TOKEN_NORMAL && type <= TL_TOKEN_BYTE ? (unsigned char)type : TL_TOKEN_UNUSED;
        if (v->type[i] == TL_TOKEN_BYTE && tok_byte_of(text) < 0) {
            char shown[TOK_SHOWN];
            return tl_fail(err, TL_ERR_FORMAT, "%s: tokenizer.ggml.tokens: byte token %d is '%s'; it must be <0x00> .. <0xFF>",
                           tl_gguf_label(g), (int)i, tl_show_bytes(text.data, text.n, shown, sizeof shown));
        }
    }
    return TL_OK;
}

/* Scores as integers of the opposite order: the best becomes the smallest, equal floats (also 0 and -0) equal integers, NaN the last. */
static uint32_t tok_score_order(uint32_t bits) {
    if ((bits & 0x7FFFFFFF) > 0x7F800000)
        return UINT32_MAX;
    if (bits == 0x80000000)
        bits = 0;
    return bits >> 31 ? bits : 0x7FFFFFFF - bits;
}

static tl_status tok_load_scores(tl_vocab *v, const tl_gguf *g, tl_error *err) {
    const void *data = NULL;
    int64_t count = 0;
    tl_status s = tl_gguf_get_array(g, TOK_KEY("scores"), false, TL_GGUF_F32, v->n, &data, &count, err);
    if (s != TL_OK)
        return s;
    v->order = tl_alloc((size_t)v->n * sizeof *v->order);
    if (v->order == NULL)
        return tok_no_memory("the token scores", err);
    for (int32_t i = 0; i < v->n && data != NULL; i++)
        v->order[i] = tok_score_order((uint32_t)tl_load_le((const uint8_t *)data + 4 * (size_t)i, 4));
    return TL_OK;
}

/* Which token says a byte that belongs to no other token. */
static void tok_find_bytes(tl_tokenizer *t) {
    tl_vocab *v = &t->v;
    for (int b = 0; b < 256; b++) {
        static const char hex[] = "0123456789ABCDEF";
        const char name[6] = {'<', '0', 'x', hex[b >> 4], hex[b & 15], '>'};
        char c[4];
        size_t n = (size_t)tl_utf8_write(tl_bpe_char((unsigned char)b), c);
        if (t->pre == NULL) {
            c[0] = (char)(unsigned char)b;
            n = 1;
        }
        int32_t id = tl_vocab_find(v, c, n), named = t->pre == NULL ? tl_vocab_find(v, name, sizeof name) : -1;
        v->byte_id[b] = named >= 0 && v->type[named] == TL_TOKEN_BYTE ? named : tl_vocab_plain(v, id) ? id : -1;
    }
    for (int32_t i = 0; i < v->n; i++) { /* tokens like <0x0a> */
        int b = v->type[i] == TL_TOKEN_BYTE ? tok_byte_of(tl_vocab_text(v, i)) : -1;
        if (b >= 0 && v->byte_id[b] < 0)
            v->byte_id[b] = i;
    }
    t->special.nl = v->byte_id['\n'];
}

/* Writes what token i adds to text, never longer than its stored string; returns its length. */
static size_t tok_write_piece(const tl_tokenizer *t, int32_t i, char *out) {
    tl_gguf_string s = tl_vocab_text(&t->v, i);
    unsigned type = t->v.type[i];
    size_t n = 0;
    if (type == TL_TOKEN_UNUSED)
        return 0;
    if (type == TL_TOKEN_BYTE) {
        *out = (char)(unsigned char)tok_byte_of(s);
        return 1;
    }
    for (size_t at = 0; at < s.n;) {
        uint32_t cp;
        size_t len = (size_t)tl_utf8_read(s.data + at, s.n - at, &cp);
        int byte = t->pre == NULL ? (len == 3 && cp == 0x2581 ? ' ' : -1) : len > 1 || cp < 0x80 ? tl_bpe_byte(cp) : -1;
        if (type == TL_TOKEN_NORMAL && byte >= 0)
            out[n++] = (char)(unsigned char)byte;
        else
            for (size_t j = 0; j < len; j++)
                out[n++] = s.data[at + j];
        at += len;
    }
    return n;
}

static tl_status tok_make_pieces(tl_tokenizer *t, tl_error *err) {
    tl_vocab *v = &t->v;
    v->piece = tl_alloc(v->text_at[v->n]);
    v->piece_at = tl_alloc(((size_t)v->n + 1) * sizeof *v->piece_at);
    if (v->piece == NULL || v->piece_at == NULL)
        return tok_no_memory("the token pieces", err);
    for (int32_t i = 0; i < v->n; i++)
        v->piece_at[i + 1] = v->piece_at[i] + (uint32_t)tok_write_piece(t, i, v->piece + v->piece_at[i]);
    return TL_OK;
}

/* ---- merges ------------------------------------------------------------------------------------------------------------ */

/* Reads "left right" into a rule; *known is false where one of the three texts is no token of plain text. joined has room for the longest token. */
static tl_status tok_read_merge(const tl_vocab *v, const tl_gguf *g, tl_gguf_string s, int64_t i, char *joined, tl_rule *rule, bool *known,
                                tl_error *err) {
    const char *gap = s.n > 0 ? memchr(s.data, ' ', s.n) : NULL;
    size_t left = gap != NULL ? (size_t)(gap - s.data) : 0, right = gap != NULL ? s.n - left - 1 : 0;
    if (left == 0 || right == 0 || memchr(gap + 1, ' ', right) != NULL) {
        char shown[TOK_SHOWN];
        return tl_fail(err, TL_ERR_FORMAT, "%s: tokenizer.ggml.merges: entry %lld is '%s'; expected two tokens with one space between",
                       tl_gguf_label(g), (long long)i, tl_show_bytes(s.data, s.n, shown, sizeof shown));
    }
    *known = false;
    if (left > v->longest || right > v->longest - left)
        return TL_OK;
    memcpy(joined, s.data, left);
    memcpy(joined + left, gap + 1, right);
    *rule = (tl_rule){tl_vocab_find(v, s.data, left), tl_vocab_find(v, gap + 1, right), (int32_t)i, tl_vocab_find(v, joined, left + right)};
    *known = tl_vocab_plain(v, rule->left) && tl_vocab_plain(v, rule->right) && tl_vocab_plain(v, rule->id);
    return TL_OK;
}

static tl_status tok_load_merges(tl_vocab *v, const tl_gguf *g, tl_error *err) {
    const char *key = TOK_KEY("merges");
    const void *unused = NULL;
    int64_t count = 0;
    tl_status s = tl_gguf_get_array(g, key, true, TL_GGUF_STRING, -1, &unused, &count, err);
    if (s != TL_OK)
        return s;
    if (count > INT32_MAX)
        return tl_fail(err, TL_ERR_FORMAT, "%s: %s has %lld entries; at most %d are allowed", tl_gguf_label(g), key, (long long)count,
                       INT32_MAX);
    char *joined = tl_alloc(v->longest + 1);
    s = joined != NULL ? tl_vocab_rules(v, count, err) : tok_no_memory("the merges", err);
    for (int64_t i = 0; i < count && s == TL_OK; i++) {
        tl_rule rule = {0};
        bool known = false;
        s = tok_read_merge(v, g, tl_gguf_array_string(g, key, i), i, joined, &rule, &known, err);
        if (s == TL_OK && known)
            tl_vocab_add_rule(v, rule);
    }
    tl_free(joined);
    return s;
}

/* ---- special ids ------------------------------------------------------------------------------------------------------- */

/* An optional id; -1, also as an unsigned 32-bit number, means none. */
static tl_status tok_load_id(const tl_tokenizer *t, const tl_gguf *g, const char *key, int32_t *id, tl_error *err) {
    int64_t v = *id;
    tl_status s = tl_gguf_get_int(g, key, false, INT64_MIN, INT64_MAX, &v, err);
    if (s != TL_OK)
        return s;
    if (v == UINT32_MAX)
        v = -1;
    if (v < -1 || v >= t->v.n)
        return tl_fail(err, TL_ERR_FORMAT, "%s: %s is %lld; the vocabulary has the tokens 0 .. %d", tl_gguf_label(g), key, (long long)v,
                       (int)t->v.n - 1);
    *id = (int32_t)v;
    return TL_OK;
}

/* A flag that asks for a token: an error where the file sets it and has no such token, false where only the default does. */
static tl_status tok_load_add(const tl_gguf *g, const char *key, const char *id_key, int32_t id, bool *add, tl_error *err) {
    bool given = tl_gguf_find(g, key) >= 0;
    tl_status s = tl_gguf_get_bool(g, key, false, add, err);
    if (s == TL_OK && given && *add && id < 0)
        return tl_fail(err, TL_ERR_FORMAT, "%s: %s is true but %s is missing", tl_gguf_label(g), key, id_key);
    *add = *add && id >= 0;
    return s;
}

/* Ends of an answer by their text, as llama.cpp knows them; files seldom name them all. The first of the leading ones that exists is the
 * end of turn where the file does not say. A normal token counts only if its name cannot be text: in Qwen2 "</s>" is a piece of HTML. */
static const char *const tok_ends[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
    /* and these end an answer, but no turn */
    "<|eom_id|>",
    "</s>",
    "[EOS]",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
};
enum { TOK_TURN_ENDS = 11, TOK_ENDS = sizeof tok_ends / sizeof *tok_ends };

static void tok_mark_end(tl_tokenizer *t, int32_t id) {
    if (id >= 0)
        t->end[id] = true;
}

static tl_status tok_find_ends(tl_tokenizer *t, const tl_gguf *g, tl_error *err) {
    int32_t eom = -1;
    tl_status s = tok_load_id(t, g, TOK_KEY("eom_token_id"), &eom, err);
    if (s != TL_OK)
        return s;
    t->end = tl_alloc((size_t)t->v.n * sizeof *t->end);
    if (t->end == NULL)
        return tok_no_memory("the ends of answers", err);
    for (int i = 0; i < TOK_ENDS; i++) {
        int32_t id = tl_vocab_find(&t->v, tok_ends[i], strlen(tok_ends[i]));
        if (id >= 0 && t->v.type[id] == TL_TOKEN_NORMAL && strncmp(tok_ends[i], "<|", 2) != 0)
            continue;
        if (i < TOK_TURN_ENDS && t->special.eot < 0)
            t->special.eot = id;
        tok_mark_end(t, id);
        if (id >= 0)
            t->v.type[id] = TL_TOKEN_CONTROL; /* whatever the file says: it is no text */
    }
    tok_mark_end(t, t->special.eos);
    tok_mark_end(t, t->special.eot);
    tok_mark_end(t, eom);
    return TL_OK;
}

static tl_status tok_load_special(tl_tokenizer *t, const tl_gguf *g, tl_error *err) {
    tl_special_ids *x = &t->special;
    bool spm = t->pre == NULL;
    *x = (tl_special_ids){-1, -1, -1, -1, -1, -1, -1, spm || t->pre->add_bos, false, spm};
    if (spm) { /* SentencePiece's own numbers */
        x->unk = 0;
        x->bos = t->v.n > 1 ? 1 : -1;
        x->eos = t->v.n > 2 ? 2 : -1;
    }
    const struct {
        const char *key;
        int32_t *id;
    } ids[] = {
        {TOK_KEY("bos_token_id"), &x->bos},     {TOK_KEY("eos_token_id"), &x->eos},       {TOK_KEY("eot_token_id"), &x->eot},
        {TOK_KEY("unknown_token_id"), &x->unk}, {TOK_KEY("separator_token_id"), &x->sep}, {TOK_KEY("seperator_token_id"), &x->sep},
        {TOK_KEY("padding_token_id"), &x->pad},
    };
    tl_status s = TL_OK;
    for (size_t i = 0; i < sizeof ids / sizeof *ids && s == TL_OK; i++)
        s = tok_load_id(t, g, ids[i].key, ids[i].id, err);
    if (s == TL_OK)
        s = tok_load_add(g, TOK_KEY("add_bos_token"), TOK_KEY("bos_token_id"), x->bos, &x->add_bos, err);
    if (s == TL_OK)
        s = tok_load_add(g, TOK_KEY("add_eos_token"), TOK_KEY("eos_token_id"), x->eos, &x->add_eos, err);
    if (s == TL_OK)
        s = tl_gguf_get_bool(g, TOK_KEY("add_space_prefix"), false, &x->add_space_prefix, err);
    x->add_space_prefix = x->add_space_prefix && spm; /* BPE puts no space in front, whatever the key says */
    return s;
}

/* ---- the object -------------------------------------------------------------------------------------------------------- */

static tl_status tok_load(tl_tokenizer *t, const tl_gguf *g, tl_error *err) {
    tl_status s = tok_load_kind(t, g, err);
    if (s == TL_OK)
        s = tok_load_texts(&t->v, g, err);
    if (s == TL_OK)
        s = tok_load_types(t, g, err);
    if (s == TL_OK)
        s = tl_vocab_index(&t->v, err);
    if (s == TL_OK)
        s = tok_load_special(t, g, err);
    if (s == TL_OK)
        s = tok_find_ends(t, g, err); /* types are final from here on */
    if (s == TL_OK)
        s = t->pre == NULL ? tok_load_scores(&t->v, g, err) : tok_load_merges(&t->v, g, err);
    if (s != TL_OK)
        return s;
    tok_find_bytes(t);
    s = tok_make_pieces(t, err);
    return s == TL_OK ? tl_vocab_specials(&t->v, err) : s;
}

tl_status tl_tokenizer_new(tl_tokenizer **out, const tl_gguf *g, tl_error *err) {
    if (out != NULL)
        *out = NULL;
    if (out == NULL || g == NULL)
        return tl_fail(err, TL_ERR_USAGE, "tl_tokenizer_new: needs a place for the result and a GGUF file");
    tl_tokenizer *t = tl_alloc(sizeof *t);
    if (t == NULL)
        return tok_no_memory("the tokenizer", err);
    tl_status s = tok_load(t, g, err);
    if (s == TL_OK)
        *out = t;
    else
        tl_tokenizer_free(t);
    return s;
}

void tl_tokenizer_free(tl_tokenizer *t) {
    if (t == NULL)
        return;
    tl_vocab_free(&t->v);
    tl_free(t->end);
    tl_free(t);
}

int32_t tl_tokenizer_size(const tl_tokenizer *t) {
    return t ? t->v.n : 0;
}

const char *tl_tokenizer_model(const tl_tokenizer *t) {
    return t == NULL || t->pre == NULL ? "spm" : "bpe";
}

const char *tl_tokenizer_pre(const tl_tokenizer *t) {
    return t == NULL || t->pre == NULL ? "default" : t->pre->name;
}

tl_special_ids tl_tokenizer_special(const tl_tokenizer *t) {
    return t != NULL ? t->special : (tl_special_ids){.bos = -1, .eos = -1, .eot = -1, .unk = -1, .sep = -1, .pad = -1, .nl = -1};
}

static bool tok_has(const tl_tokenizer *t, int32_t id) {
    return t != NULL && id >= 0 && id < t->v.n;
}

tl_gguf_string tl_tokenizer_piece(const tl_tokenizer *t, int32_t id, bool special) {
    if (!tok_has(t, id) || (!special && (t->v.type[id] == TL_TOKEN_CONTROL || t->v.type[id] == TL_TOKEN_UNKNOWN)))
        return (tl_gguf_string){"", 0};
    return tl_vocab_piece(&t->v, id);
}

tl_gguf_string tl_tokenizer_token(const tl_tokenizer *t, int32_t id) {
    return tok_has(t, id) ? tl_vocab_text(&t->v, id) : (tl_gguf_string){"", 0};
}

bool tl_tokenizer_is_control(const tl_tokenizer *t, int32_t id) {
    return tok_has(t, id) && t->v.type[id] == TL_TOKEN_CONTROL;
}

bool tl_tokenizer_is_end(const tl_tokenizer *t, int32_t id) {
    return tok_has(t, id) && t->end[id];
}

int32_t tl_tokenizer_find(const tl_tokenizer *t, const char *text, size_t n) {
    return t != NULL && text != NULL ? tl_vocab_find(&t->v, text, n) : -1;
}

/* ---- encoding ---------------------------------------------------------------------------------------------------------- */

/* Plain text between special tokens. SPM puts its space in front at the start and after every special token, as llama.cpp does. */
static tl_status tok_encode_stretch(const tl_tokenizer *t, const char *s, size_t n, tl_ids *out, tl_error *err) {
    if (n == 0)
        return TL_OK;
    if (t->pre != NULL)
        return tl_bpe_encode(&t->v, t->pre, s, n, out, err);
    return tl_spm_encode(&t->v, s, n, t->special.add_space_prefix, t->special.unk, out, err);
}

static tl_status tok_encode_text(const tl_tokenizer *t, const char *text, size_t n, bool parse, tl_ids *out, tl_error *err) {
    size_t begin = 0, at = 0;
    tl_status s = TL_OK;
    while (at < n && s == TL_OK) {
        int32_t id = tl_vocab_special_at(&t->v, text + at, n - at, parse);
        if (id < 0) {
            at++;
            continue;
        }
        s = tok_encode_stretch(t, text + begin, at - begin, out, err);
        if (s == TL_OK)
            s = tl_ids_append(out, &id, 1, err);
        at += tl_vocab_text(&t->v, id).n;
        begin = at;
    }
    return s == TL_OK ? tok_encode_stretch(t, text + begin, n - begin, out, err) : s;
}

tl_status tl_tokenizer_encode(const tl_tokenizer *t, const char *text, size_t n, unsigned flags, tl_ids *out, tl_error *err) {
    if (t == NULL || out == NULL || (text == NULL && n > 0))
        return tl_fail(err, TL_ERR_USAGE, "tl_tokenizer_encode: needs a tokenizer, a text and a list for the ids");
    size_t before = out->n;
    bool special = (flags & TL_ENCODE_SPECIAL) != 0;
    tl_status s = TL_OK;
    if (special && t->special.add_bos)
        s = tl_ids_append(out, &t->special.bos, 1, err);
    if (s == TL_OK)
        s = tok_encode_text(t, text, n, (flags & TL_ENCODE_PARSE) != 0, out, err);
    if (s == TL_OK && special && t->special.add_eos)
        s = tl_ids_append(out, &t->special.eos, 1, err);
    if (s != TL_OK)
        out->n = before;
    return s;
}
