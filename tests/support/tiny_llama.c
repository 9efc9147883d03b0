/* tiny_llama.c: random Llama models as GGUF files (tiny_llama.h). */
#include "tests/support/tiny_llama.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(tl_status s, const tl_error *err) {
    if (s == TL_OK)
        return;
    fprintf(stderr, "tiny model: %s\n", err->message);
    exit(99);
}

static void *must_alloc(size_t bytes) {
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p) {
        fprintf(stderr, "tiny model: out of memory\n");
        exit(99);
    }
    return p;
}

tiny_config tiny_defaults(void) {
    return (tiny_config){.n_embd = 64,
                         .n_layer = 2,
                         .n_head = 4,
                         .n_head_kv = 2,
                         .n_ff = 96,
                         .n_vocab = 300,
                         .n_ctx = 256,
                         .head_dim = 16,
                         .head_dim_v = 16,
                         .rope_base = 10000,
                         .eps = 1e-5,
                         .dtype = TL_F32,
                         .seed = 1};
}

/* ---- weights ------------------------------------------------------------------------------------------------------------ */

/* Uniform in -1 .. 1. */
static float uniform(uint32_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return (float)(int32_t)(*seed >> 8) / 8388608.0f - 1.0f;
}

/* What a tensor's values are like: centre plus spread times uniform. */
typedef struct dist {
    float centre, spread;
} dist;

static void add_tensor(tiny_model *m, const char *name, int64_t rows, int64_t columns, tl_dtype dtype, dist d) {
    if (m->c.cast_tensor && strcmp(name, m->c.cast_tensor) == 0)
        dtype = m->c.cast_dtype;
    tiny_tensor *t = &m->tensors[m->n_tensors++];
    int64_t n = rows * columns;
    const tl_dtype_info *info = tl_dtype_get(dtype);
    uint32_t seed = m->c.seed * 2654435761u + 40503u * (uint32_t)m->n_tensors;
    tl_error err;
    *t = (tiny_tensor){.rank = rows > 1 ? 2 : 1, .shape = {rows > 1 ? rows : columns, columns}, .dtype = dtype};
    snprintf(t->name, sizeof t->name, "%s", name);
    t->values = must_alloc((size_t)n * sizeof(float));
    t->stored = must_alloc((size_t)(n / info->block) * (size_t)info->block_bytes);
    for (int64_t i = 0; i < n; i++)
        t->values[i] = d.centre + d.spread * uniform(&seed);
    must(tl_encode(dtype, t->values, t->stored, n, &err), &err);
    must(tl_decode(dtype, t->stored, t->values, n, &err), &err);
}

/* A matrix whose products have about `gain` times the size of x, and its bias where the model has biases. */
static void add_matrix(tiny_model *m, const char *stem, int64_t rows, int64_t columns, float gain, bool bias) {
    char name[48];
    float root = 1;
    for (int i = 0; i < 40; i++) /* sqrt(3 / columns) */
        root = 0.5f * (root + 3.0f / (float)columns / root);
    snprintf(name, sizeof name, "%s.weight", stem);
    add_tensor(m, name, rows, columns, m->c.dtype, (dist){0, gain * root});
    snprintf(name, sizeof name, "%s.bias", stem);
    if (bias && m->c.biases)
        add_tensor(m, name, 1, rows, TL_F32, (dist){0.1f, 0.5f});
}

static void add_layer_part(tiny_model *m, int layer, const char *part, int64_t rows, int64_t columns, float gain) {
    char stem[32], name[48];
    snprintf(stem, sizeof stem, "blk.%d.%s", layer, part);
    if (rows > 1) {
        add_matrix(m, stem, rows, columns, gain, true);
        return;
    }
    snprintf(name, sizeof name, "%s.weight", stem);
    add_tensor(m, name, 1, columns, TL_F32, (dist){1, gain});
}

static void add_weights(tiny_model *m) {
    const tiny_config *c = &m->c;
    add_matrix(m, "token_embd", c->n_vocab, c->n_embd, 4, false);
    for (int i = 0; i < c->n_layer; i++) {
        add_layer_part(m, i, "attn_norm", 1, c->n_embd, 0.3f);
        add_layer_part(m, i, "attn_q", c->n_head * c->head_dim, c->n_embd, 1.2f);
        add_layer_part(m, i, "attn_k", c->n_head_kv * c->head_dim, c->n_embd, 1.2f);
        add_layer_part(m, i, "attn_v", c->n_head_kv * c->head_dim_v, c->n_embd, 1.5f);
        add_layer_part(m, i, "attn_output", c->n_embd, c->n_head * c->head_dim_v, 1.5f);
        add_layer_part(m, i, "ffn_norm", 1, c->n_embd, 0.3f);
        add_layer_part(m, i, "ffn_gate", c->n_ff, c->n_embd, 1.5f);
        add_layer_part(m, i, "ffn_up", c->n_ff, c->n_embd, 1.5f);
        add_layer_part(m, i, "ffn_down", c->n_embd, c->n_ff, 1.5f);
    }
    add_tensor(m, "output_norm.weight", 1, c->n_embd, TL_F32, (dist){1, 0.3f});
    if (c->untied)
        add_matrix(m, "output", c->n_vocab, c->n_embd, 1, true);
    else if (c->biases)
        add_tensor(m, "output.bias", 1, c->n_vocab, TL_F32, (dist){0, 0.5f});
    if (c->rope_freqs)
        add_tensor(m, "rope_freqs.weight", 1, (c->rope_dims ? c->rope_dims : c->head_dim) / 2, TL_F32, (dist){3, 2});
}

/* ---- the file ----------------------------------------------------------------------------------------------------------- */

static bool left_out(const tiny_config *c, const char *name) {
    if (c->without && strcmp(c->without, name) == 0)
        return true;
    for (int i = 0; i < TINY_PATCHES; i++)
        if (c->patch[i].key && strcmp(c->patch[i].key, name) == 0)
            return true;
    return false;
}

static void put_int(const tiny_config *c, tl_gguf_writer *w, const char *key, int64_t v) {
    tl_error err;
    if (!left_out(c, key))
        must(tl_gguf_set_int(w, key, TL_GGUF_U32, v, &err), &err);
}

static void put_float(const tiny_config *c, tl_gguf_writer *w, const char *key, double v) {
    tl_error err;
    if (!left_out(c, key))
        must(tl_gguf_set_float(w, key, TL_GGUF_F32, v, &err), &err);
}

static void put_text(const tiny_config *c, tl_gguf_writer *w, const char *key, const char *v) {
    tl_error err;
    if (!left_out(c, key))
        must(tl_gguf_set_string(w, key, v, strlen(v), &err), &err);
}

static void put_patches(const tiny_config *c, tl_gguf_writer *w) {
    for (int i = 0; i < TINY_PATCHES; i++) {
        const tiny_patch *p = &c->patch[i];
        tl_error err;
        int32_t one = p->type == TL_GGUF_ARRAY ? (int32_t)p->number : 0;
        tl_status s = TL_OK;
        if (!p->key)
            continue;
        if (p->type == TL_GGUF_STRING)
            s = tl_gguf_set_string(w, p->key, p->text, strlen(p->text), &err);
        else if (p->type == TL_GGUF_ARRAY)
            s = tl_gguf_set_array(w, p->key, TL_GGUF_I32, &one, 1, &err);
        else if (p->type == TL_GGUF_BOOL)
            s = tl_gguf_set_bool(w, p->key, p->number != 0, &err);
        else if (p->type == TL_GGUF_F32 || p->type == TL_GGUF_F64)
            s = tl_gguf_set_float(w, p->key, p->type, p->number, &err);
        else
            s = tl_gguf_set_int(w, p->key, p->type, (int64_t)p->number, &err);
        must(s, &err);
    }
}

static void put_keys(const tiny_config *c, tl_gguf_writer *w) {
    put_text(c, w, "general.architecture", "llama");
    put_int(c, w, "llama.block_count", c->n_layer);
    put_int(c, w, "llama.context_length", c->n_ctx);
    put_int(c, w, "llama.embedding_length", c->n_embd);
    put_int(c, w, "llama.feed_forward_length", c->n_ff);
    put_int(c, w, "llama.attention.head_count", c->n_head);
    if (c->n_head_kv != c->n_head)
        put_int(c, w, "llama.attention.head_count_kv", c->n_head_kv);
    if (c->head_dim != c->n_embd / c->n_head)
        put_int(c, w, "llama.attention.key_length", c->head_dim);
    if (c->head_dim_v != c->head_dim)
        put_int(c, w, "llama.attention.value_length", c->head_dim_v);
    if (c->rope_dims)
        put_int(c, w, "llama.rope.dimension_count", c->rope_dims);
    if (c->rope_base != 10000)
        put_float(c, w, "llama.rope.freq_base", c->rope_base);
    if (c->scaling)
        put_text(c, w, "llama.rope.scaling.type", c->scaling);
    if (c->attn_factor != 0)
        put_float(c, w, "llama.rope.scaling.attn_factor", c->attn_factor);
    if (c->factor != 0)
        put_float(c, w, "llama.rope.scaling.factor", c->factor);
    if (c->original_ctx != 0)
        put_int(c, w, "llama.rope.scaling.original_context_length", (int64_t)c->original_ctx);
    put_float(c, w, "llama.attention.layer_norm_rms_epsilon", c->eps);
}

/* <unk>, <s>, </s>, the 256 bytes, the word boundary and letters, then words of the boundary and one or more letters. */
static void put_vocabulary(const tiny_config *c, tl_gguf_writer *w) {
    char(*text)[16] = must_alloc((size_t)c->n_vocab * sizeof *text);
    tl_gguf_string *token = must_alloc((size_t)c->n_vocab * sizeof *token);
    float *score = must_alloc((size_t)c->n_vocab * sizeof *score);
    int32_t *type = must_alloc((size_t)c->n_vocab * sizeof *type);
    tl_error err;
    for (int i = 0; i < c->n_vocab; i++) {
        static const char *const first[] = {"<unk>", "<s>", "</s>"};
        int letter = i - 260;
        if (i < 3)
            snprintf(text[i], sizeof text[i], "%s", first[i]);
        else if (i < 259)
            snprintf(text[i], sizeof text[i], "<0x%02X>", (unsigned)(i - 3) & 0xFF);
        else if (i == 259)
            snprintf(text[i], sizeof text[i], "\xE2\x96\x81");
        else if (letter < 26)
            snprintf(text[i], sizeof text[i], "%c", 'a' + letter);
        else
            snprintf(text[i], sizeof text[i], "\xE2\x96\x81%c%.*s", 'a' + letter % 26, letter / 26 - 1, "zzzzzzzz");
        token[i] = (tl_gguf_string){text[i], strlen(text[i])};
        score[i] = (float)-i;
        type[i] = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1;
    }
    put_text(c, w, "tokenizer.ggml.model", "llama");
    must(tl_gguf_set_strings(w, "tokenizer.ggml.tokens", token, c->n_vocab, &err), &err);
    must(tl_gguf_set_array(w, "tokenizer.ggml.scores", TL_GGUF_F32, score, c->n_vocab, &err), &err);
    must(tl_gguf_set_array(w, "tokenizer.ggml.token_type", TL_GGUF_I32, type, c->n_vocab, &err), &err);
    put_int(c, w, "tokenizer.ggml.bos_token_id", 1);
    put_int(c, w, "tokenizer.ggml.eos_token_id", 2);
    free(text);
    free(token);
    free(score);
    free(type);
}

tiny_model tiny_make(const tiny_config *c) {
    tiny_model m = {.c = *c, .tensors = must_alloc((size_t)(16 * c->n_layer + 8) * sizeof *m.tensors)};
    float *zeros = NULL;
    tl_gguf_writer *w;
    tl_error err;
    add_weights(&m);
    must(tl_gguf_writer_new(&w, &err), &err);
    put_keys(c, w);
    put_vocabulary(c, w);
    put_patches(c, w);
    for (int i = 0; i < m.n_tensors; i++) {
        const tiny_tensor *t = &m.tensors[i];
        if (left_out(c, t->name))
            continue;
        if (c->odd_tensor && strcmp(c->odd_tensor, t->name) == 0) {
            int rank = 0;
            int64_t n = 1;
            while (rank < 3 && c->odd_shape[rank])
                n *= c->odd_shape[rank++];
            zeros = must_alloc((size_t)n * sizeof *zeros);
            must(tl_gguf_add_tensor(w, t->name, TL_F32, rank, c->odd_shape, zeros, &err), &err);
        } else {
            int left = c->no_ones && t->rank == 2 && t->shape[0] == 1;
            must(tl_gguf_add_tensor(w, t->name, t->dtype, t->rank - left, t->shape + left, t->stored, &err), &err);
        }
    }
    must(tl_gguf_writer_bytes(w, &m.file, &err), &err);
    tl_gguf_writer_free(w);
    free(zeros);
    return m;
}

void tiny_free(tiny_model *m) {
    for (int i = 0; i < m->n_tensors; i++) {
        free(m->tensors[i].values);
        free(m->tensors[i].stored);
    }
    free(m->tensors);
    tl_text_free(&m->file);
    *m = (tiny_model){.tensors = NULL};
}

const tiny_tensor *tiny_find(const tiny_model *m, const char *name) {
    for (int i = 0; i < m->n_tensors; i++)
        if (strcmp(m->tensors[i].name, name) == 0)
            return &m->tensors[i];
    return NULL;
}
