/* detok.c: ids back to text, whole or as a stream. Decoding undoes encoding: the space that SPM puts in front at the start, and again after
 * each special token, is taken off. The stream's text is always valid UTF-8, so that it may go into JSON or onto a terminal as it comes. */
#include <string.h>

#include "models/text/text.h"

static tl_status detok_check(const tl_tokenizer *t, int32_t id, tl_error *err) {
    if (id >= 0 && id < t->v.n)
        return TL_OK;
    return tl_fail(err, TL_ERR_RANGE, "decode: token %d; the vocabulary has the tokens 0 .. %d", (int)id, (int)t->v.n - 1);
}

/* The bytes that id adds where *fresh says that a space in front belongs to the encoding; sets *fresh for the next one. */
static tl_gguf_string detok_piece(const tl_tokenizer *t, int32_t id, bool special, bool *fresh) {
    tl_gguf_string piece = tl_tokenizer_piece(t, id, special);
    unsigned type = t->v.type[id];
    if (type == TL_TOKEN_CONTROL || type == TL_TOKEN_USER) {
        *fresh = true;
        return piece;
    }
    if (piece.n == 0)
        return piece;
    if (*fresh && t->special.add_space_prefix && piece.data[0] == ' ') {
        piece.data++;
        piece.n--;
    }
    *fresh = false;
    return piece;
}

tl_status tl_tokenizer_decode(const tl_tokenizer *t, const int32_t *ids, size_t n, bool special, tl_text *out, tl_error *err) {
    if (t == NULL || out == NULL || (ids == NULL && n > 0))
        return tl_fail(err, TL_ERR_USAGE, "tl_tokenizer_decode: needs a tokenizer, ids and a text to append to");
    size_t before = out->n;
    bool fresh = true;
    tl_status s = TL_OK;
    for (size_t i = 0; i < n && s == TL_OK; i++) {
        s = detok_check(t, ids[i], err);
        if (s != TL_OK)
            break;
        tl_gguf_string piece = detok_piece(t, ids[i], special, &fresh);
        s = tl_text_append(out, piece.data, piece.n, err);
    }
    if (s != TL_OK && out->data != NULL) {
        out->n = before;
        out->data[before] = 0;
    }
    return s;
}

tl_detok tl_detok_start(const tl_tokenizer *t, bool special, bool strip) {
    return (tl_detok){.t = t, .special = special, .strip = strip};
}

static tl_status detok_replacement(tl_text *out, tl_error *err) {
    return tl_text_append(out, "\xEF\xBF\xBD", 3, err);
}

/* Adds a byte to the unfinished character; what is complete, or can no longer become complete, goes out. */
static tl_status detok_byte(tl_detok *d, unsigned char byte, tl_text *out, tl_error *err) {
    d->held[d->n_held++] = byte;
    char held[4];
    memcpy(held, d->held, sizeof held);
    if (tl_utf8_unfinished(held, (size_t)d->n_held))
        return TL_OK;
    uint32_t cp;
    int len = tl_utf8_read(held, (size_t)d->n_held, &cp);
    bool whole = len == d->n_held && (len > 1 || cp < 0x80);
    bool again = !whole && d->n_held > 1; /* the bytes before this one were cut off by it */
    d->n_held = 0;
    tl_status s = whole ? tl_text_append(out, held, (size_t)len, err) : detok_replacement(out, err);
    return s == TL_OK && again ? detok_byte(d, byte, out, err) : s;
}

tl_status tl_detok_push(tl_detok *d, int32_t id, tl_text *out, tl_error *err) {
    if (d == NULL || d->t == NULL || out == NULL)
        return tl_fail(err, TL_ERR_USAGE, "tl_detok_push: needs a stream from tl_detok_start and a text to append to");
    tl_status s = detok_check(d->t, id, err);
    if (s != TL_OK)
        return s;
    tl_detok before = *d;
    size_t n = out->n;
    bool fresh = d->strip && !d->started;
    tl_gguf_string piece = detok_piece(d->t, id, d->special, &fresh);
    d->started = !fresh;
    d->strip = d->strip || fresh; /* after a special token a text begins, whatever came before the stream */
    for (size_t i = 0; i < piece.n && s == TL_OK; i++)
        s = detok_byte(d, (unsigned char)piece.data[i], out, err);
    if (s != TL_OK) {
        *d = before;
        if (out->data != NULL) {
            out->n = n;
            out->data[n] = 0;
        }
    }
    return s;
}

tl_status tl_detok_end(tl_detok *d, tl_text *out, tl_error *err) {
    if (d == NULL || out == NULL)
        return tl_fail(err, TL_ERR_USAGE, "tl_detok_end: needs a stream from tl_detok_start and a text to append to");
    if (d->n_held == 0)
        return TL_OK;
    tl_status s = detok_replacement(out, err);
    if (s == TL_OK)
        d->n_held = 0;
    return s;
}
