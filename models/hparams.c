/* hparams.c: hyperparameters from metadata: the keys that all architectures share, each ranged before anything is computed from it. */
#include "models/hparams.h"

#include <stdio.h>
#include <string.h>

#include "models/arch.h"
#include "models/gguf.h"

/* "ARCH.suffix" */
static const char *key(const tl_hparams *hp, const char *suffix, char buf[96]) {
    snprintf(buf, 96, "%s.%s", hp->arch, suffix);
    return buf;
}

static tl_status get_int(const tl_gguf *g, const tl_hparams *hp, const char *suffix, bool required, int64_t lo, int64_t hi, int32_t *out,
                         tl_error *err) {
    char buf[96];
    int64_t v = *out;
    tl_status s = tl_gguf_get_int(g, key(hp, suffix, buf), required, lo, hi, &v, err);
    *out = (int32_t)v;
    return s;
}

static tl_status get_float(const tl_gguf *g, const tl_hparams *hp, const char *suffix, bool required, double lo, double hi, double *out,
                           tl_error *err) {
    char buf[96], a[32], b[32], c[32];
    tl_status s = tl_gguf_get_float(g, key(hp, suffix, buf), required, out, err);
    if (!s && !(*out >= lo && *out <= hi))
        return tl_fail(err, TL_ERR_FORMAT, "%s: %s is %s, not %s to %s", tl_gguf_label(g), buf, tl_number_print(*out, 9, a),
                       tl_number_print(lo, 9, b), tl_number_print(hi, 9, c));
    return s;
}

/* rope.scaling.*, as llama.cpp reads them: the old rope.scale_linear is the factor where none is given, a factor without a type means
 * linear, and "none" scales by no factor. */
static tl_status read_rope(const tl_gguf *g, tl_hparams *hp, tl_error *err) {
    char buf[96];
    tl_gguf_string type = {NULL, 0};
    double old = 0;
    int32_t original = hp->n_ctx_train;
    tl_status s = TL_OK;
    hp->rope_base = 10000;
    hp->rope_factor = 1;
    hp->rope_attn_factor = 1;
    if ((s = get_float(g, hp, "rope.freq_base", false, 1, 1e12, &hp->rope_base, err)) ||
        (s = get_float(g, hp, "rope.scaling.factor", false, 0, 1e6, &hp->rope_factor, err)) ||
        (s = get_float(g, hp, "rope.scaling.attn_factor", false, 1e-6, 1e6, &hp->rope_attn_factor, err)) ||
        (s = get_int(g, hp, "rope.scaling.original_context_length", false, 1, 1 << 30, &original, err)) ||
        (s = get_float(g, hp, "rope.scale_linear", false, 0, 1e6, &old, err)) ||
        (s = tl_gguf_get_string(g, key(hp, "rope.scaling.type", buf), false, &type, err)))
        return s;
    hp->rope_original_ctx = original;
    char factor[96];
    if (old > 0 && tl_gguf_find(g, key(hp, "rope.scaling.factor", factor)) < 0)
        hp->rope_factor = old;
    if (!type.data)
        hp->rope_scaling = hp->rope_factor > 0 && hp->rope_factor != 1 ? TL_ROPE_LINEAR : TL_ROPE_NONE;
    else if (type.n == 4 && memcmp(type.data, "none", 4) == 0)
        hp->rope_scaling = TL_ROPE_NONE;
    else if (type.n == 6 && memcmp(type.data, "linear", 6) == 0)
        hp->rope_scaling = TL_ROPE_LINEAR;
    else if (type.n == 4 && memcmp(type.data, "yarn", 4) == 0)
        hp->rope_scaling = TL_ROPE_YARN;
    else
        return tl_fail(err, TL_ERR_UNSUPPORTED, "%s: %s is '%.*s'; this build knows none, linear, yarn", tl_gguf_label(g), buf,
                       (int)(type.n < 40 ? type.n : 40), type.data);
    if (hp->rope_scaling != TL_ROPE_NONE && !(hp->rope_factor > 0))
        return tl_fail(err, TL_ERR_FORMAT, "%s: %s.rope.scaling.factor must be above 0", tl_gguf_label(g), hp->arch);
    return TL_OK;
}

static tl_status read_heads(const tl_gguf *g, tl_hparams *hp, tl_error *err) {
    tl_status s;
    if ((s = get_int(g, hp, "attention.head_count", true, 1, 4096, &hp->n_head, err)))
        return s;
    hp->n_head_kv = hp->n_head;
    hp->head_dim = hp->n_embd / hp->n_head;
    if ((s = get_int(g, hp, "attention.head_count_kv", false, 1, 4096, &hp->n_head_kv, err)) ||
        (s = get_int(g, hp, "attention.key_length", false, 2, 4096, &hp->head_dim, err)))
        return s;
    hp->head_dim_v = hp->head_dim;
    if ((s = get_int(g, hp, "attention.value_length", false, 1, 4096, &hp->head_dim_v, err)))
        return s;
    if (hp->head_dim < 2)
        return tl_fail(err, TL_ERR_FORMAT, "%s: %d heads leave no dims of %s.embedding_length %d", tl_gguf_label(g), (int)hp->n_head,
                       hp->arch, (int)hp->n_embd);
    if (hp->n_head % hp->n_head_kv)
        return tl_fail(err, TL_ERR_FORMAT, "%s: %s.attention.head_count %d is no multiple of head_count_kv %d", tl_gguf_label(g), hp->arch,
                       (int)hp->n_head, (int)hp->n_head_kv);
    hp->rope_dims = hp->head_dim;
    if ((s = get_int(g, hp, "rope.dimension_count", false, 2, hp->head_dim, &hp->rope_dims, err)))
        return s;
    if (hp->rope_dims % 2)
        return tl_fail(err, TL_ERR_FORMAT, "%s: %s.rope.dimension_count %d is odd", tl_gguf_label(g), hp->arch, (int)hp->rope_dims);
    return TL_OK;
}

tl_status tl_hparams_read(const tl_gguf *g, tl_hparams *hp, const tl_arch **arch, tl_error *err) {
    memset(hp, 0, sizeof *hp);
    tl_gguf_string name = {"", 0};
    tl_status s = tl_gguf_get_string(g, "general.architecture", true, &name, err);
    if (s)
        return s;
    *arch = tl_arch_find(name.data, name.n);
    if (!*arch)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "%s: general.architecture is '%.*s'; this build knows %s", tl_gguf_label(g),
                       (int)(name.n < 40 ? name.n : 40), name.data, tl_model_archs());
    memcpy(hp->arch, (*arch)->name, strlen((*arch)->name) + 1);
    double eps = 1e-5;
    if ((s = get_int(g, hp, "block_count", true, 1, 4096, &hp->n_layer, err)) ||
        (s = get_int(g, hp, "embedding_length", true, 1, 1 << 20, &hp->n_embd, err)) ||
        (s = get_int(g, hp, "feed_forward_length", true, 1, 1 << 24, &hp->n_ff, err)) ||
        (s = get_int(g, hp, "context_length", true, 1, 1 << 30, &hp->n_ctx_train, err)) || (s = read_heads(g, hp, err)) ||
        (s = get_float(g, hp, (*arch)->norm_eps, true, 0, 1, &eps, err)) || (s = read_rope(g, hp, err)))
        return s;
    hp->norm_eps = (float)eps;
    const tl_gguf_tensor *table = tl_gguf_tensor_find(g, "token_embd.weight");
    if (!table)
        return tl_fail(err, TL_ERR_FORMAT, "%s: tensor 'token_embd.weight' is missing", tl_gguf_label(g));
    int64_t rows = table->rank < 2 ? 1 : table->shape[table->rank - 2]; /* behind leading axes of 1, if any */
    if (rows > INT32_MAX)
        return tl_fail(err, TL_ERR_FORMAT, "%s: tensor 'token_embd.weight' has %lld rows, more than %d", tl_gguf_label(g), (long long)rows,
                       INT32_MAX);
    hp->n_vocab = (int32_t)rows;
    hp->tied = !tl_gguf_tensor_find(g, "output.weight");
    return (*arch)->hparams ? (*arch)->hparams(g, hp, err) : TL_OK;
}

int64_t tl_hparams_dim(const tl_hparams *hp, tl_dim_symbol d) {
    switch (d) {
    case DIM_VOCAB: return hp->n_vocab;
    case DIM_EMBD: return hp->n_embd;
    case DIM_Q: return (int64_t)hp->n_head * hp->head_dim;
    case DIM_K: return (int64_t)hp->n_head_kv * hp->head_dim;
    case DIM_V: return (int64_t)hp->n_head_kv * hp->head_dim_v;
    case DIM_ATTN: return (int64_t)hp->n_head * hp->head_dim_v;
    case DIM_HEAD: return hp->head_dim;
    case DIM_FF: return hp->n_ff;
    case DIM_ROPE_PAIRS: return hp->rope_dims / 2;
    default: return 0;
    }
}
