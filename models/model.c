/* model.c: loading: opens the file, finds the architecture, reads hyperparameters and tokenizer, and has weights.c bring the weights to
 * the backend. A loaded model changes no more and may be shared by threads. */
#include <stdio.h>
#include <string.h>

#include "models/gguf.h"
#include "models/hparams.h"
#include "models/model_internal.h"
#include "tensor/platform.h"

static const tl_arch *const archs[] = {
#define TL_ARCH(id, text) &tl_arch_##id,
#include "models/arch.def"
#undef TL_ARCH
};

const tl_arch *tl_arch_find(const char *name, size_t n) {
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        if (strlen(archs[i]->name) == n && memcmp(archs[i]->name, name, n) == 0)
            return archs[i];
    return NULL;
}

const char *tl_model_archs(void) {
    static const char names[] = ""
#define TL_ARCH(id, text) ", " text
#include "models/arch.def"
#undef TL_ARCH
        ;
    return names + 2;
}

/* ---- a line about the model ---- */

static void describe(tl_model *m) {
    uint64_t by_type[TL_N_DTYPES] = {0}, most = 0;
    const char *type = "?";
    for (int i = 0; i < m->n_slots; i++)
        by_type[m->slots[i].info->dtype] += m->slots[i].info->bytes;
    for (int t = 0; t < TL_N_DTYPES; t++)
        if (by_type[t] > most) {
            most = by_type[t];
            type = tl_dtype_get((tl_dtype)t)->name;
        }
    char upper[16] = "";
    for (size_t i = 0; type[i] && i + 1 < sizeof upper; i++)
        upper[i] = (char)(type[i] >= 'a' && type[i] <= 'z' ? type[i] - 32 : type[i]);
    /* in hundredths of a billion or million, rounded */
    uint64_t p = m->params, unit = p >= 1000000000 ? 10000000 : 10000, h = (p + unit / 2) / unit;
    if (p >= 1000000)
        snprintf(m->text, sizeof m->text, "%s %llu.%02llu%s %s", m->hp.arch, (unsigned long long)(h / 100), (unsigned long long)(h % 100),
                 p >= 1000000000 ? "B" : "M", upper);
    else
        snprintf(m->text, sizeof m->text, "%s %lluK %s", m->hp.arch, (unsigned long long)(p / 1000), upper);
}

/* ---- opening ---- */

static tl_status check_vocab(const tl_model *m, tl_error *err) {
    int32_t tokens = tl_tokenizer_size(m->tokenizer);
    if (m->hp.n_vocab < tokens)
        return tl_fail(err, TL_ERR_FORMAT, "%s: the vocabulary has %d tokens, but 'token_embd.weight' %d rows", tl_gguf_label(m->gguf),
                       (int)tokens, (int)m->hp.n_vocab);
    return TL_OK;
}

static tl_status open_parts(tl_model *m, tl_error *err) {
    tl_status s = m->dry ? TL_OK : tl_tokenizer_new(&m->tokenizer, m->gguf, err);
    if (s || m->options.vocab_only)
        return s;
    if (tl_gguf_tensors(m->gguf) == 0)
        return tl_fail(err, TL_ERR_FORMAT, "%s: the file holds a vocabulary but no weights", tl_gguf_label(m->gguf));
    if ((s = tl_hparams_read(m->gguf, &m->hp, &m->arch, err)))
        return s;
    if (m->tokenizer && (s = check_vocab(m, err)))
        return s;
    if ((s = tl_bank_new(&m->bank, m->backend, err)) || (s = tl_weights_resolve(m, err)))
        return s;
    describe(m);
    return TL_OK;
}

static tl_status open_model(tl_model **out, const tl_gguf *g, tl_gguf *owned, tl_backend *be, const tl_model_options *o, bool dry,
                            tl_error *err) {
    bool usable = out && g && (be || (o && o->vocab_only));
    tl_model *m = usable ? tl_alloc(sizeof *m) : NULL;
    if (out)
        *out = NULL;
    if (!m) {
        tl_gguf_free(owned);
        return usable ? tl_fail(err, TL_ERR_MEMORY, "model: out of memory")
                      : tl_fail(err, TL_ERR_USAGE, "model: a place for it, a file and a backend are needed");
    }
    m->gguf = g;
    m->owned = owned;
    m->backend = be;
    m->dry = dry;
    if (o)
        m->options = *o;
    uint64_t env = tl_float_enter(); /* hyperparameters are rounded to floats */
    tl_status s = open_parts(m, err);
    tl_float_leave(env);
    if (s) {
        tl_model_free(m);
        return s;
    }
    *out = m;
    return TL_OK;
}

tl_status tl_model_open_dry(tl_model **m, const tl_gguf *g, tl_backend *be, const tl_model_options *o, tl_error *err) {
    return open_model(m, g, NULL, be, o, true, err);
}

tl_status tl_model_begin(tl_model **m, tl_gguf *g, tl_backend *be, const tl_model_options *o, tl_error *err) {
    return open_model(m, g, g, be, o, false, err);
}

tl_status tl_model_feed(tl_model *m, uint64_t offset, const void *bytes, size_t n, tl_error *err) {
    if (!m || !m->bank || (!bytes && n))
        return tl_fail(err, TL_ERR_USAGE, "tl_model_feed: a model with weights and bytes are needed");
    return m->complete ? TL_OK : tl_weights_feed(m, offset, bytes, n, err);
}

tl_status tl_model_load_gguf(tl_model **out, tl_gguf *g, tl_backend *be, const tl_model_options *o, tl_error *err) {
    tl_model *m = NULL;
    tl_status s = tl_model_begin(out ? &m : NULL, g, be, o, err);
    if (!s && !m->options.vocab_only)
        s = tl_weights_load(m, err);
    if (s) {
        tl_model_free(m);
        m = NULL;
    }
    if (out)
        *out = m;
    return s;
}

tl_status tl_model_load(tl_model **out, const char *path, tl_backend *be, const tl_model_options *o, tl_error *err) {
    if (!out)
        return tl_fail(err, TL_ERR_USAGE, "tl_model_load: no place for the model given");
    *out = NULL;
    tl_gguf *g;
    tl_status s = tl_gguf_open(&g, path, err);
    return s ? s : tl_model_load_gguf(out, g, be, o, err);
}

void tl_model_free(tl_model *m) {
    if (!m)
        return;
    tl_bank_free(m->bank);
    tl_tokenizer_free(m->tokenizer);
    tl_gguf_free(m->owned);
    tl_free(m->weights);
    tl_free(m->slots);
    tl_free(m->staging);
    tl_free(m);
}

/* ---- facts ---- */

const tl_hparams *tl_model_hparams(const tl_model *m) {
    return m ? &m->hp : NULL;
}

const tl_gguf *tl_model_gguf(const tl_model *m) {
    return m ? m->gguf : NULL;
}

const tl_tokenizer *tl_model_tokenizer(const tl_model *m) {
    return m ? m->tokenizer : NULL;
}

tl_backend *tl_model_backend(const tl_model *m) {
    return m ? m->backend : NULL;
}

uint64_t tl_model_params(const tl_model *m) {
    return m ? m->params : 0;
}

uint64_t tl_model_weight_bytes(const tl_model *m) {
    return m ? m->weight_bytes : 0;
}

const char *tl_model_describe(const tl_model *m) {
    return m ? m->text : "";
}
