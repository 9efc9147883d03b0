/* llama.c: the Llama architecture (Touvron et al. 2023, arXiv:2302.13971; grouped queries as in arXiv:2305.13245): Llama 1 to 3,
 * TinyLlama, SmolLM, Mistral and all that call themselves "llama" in GGUF. Pre-norm blocks of rotary attention and SwiGLU; rope pairs
 * are interleaved, because GGUF converters permute the rows of q and k for that. */
#include <math.h>

#include "models/arch.h"
#include "models/gguf.h"

enum {
    TOKEN_EMBD,
    OUTPUT_NORM,
    OUTPUT,
    ROPE_FREQS,
    ATTN_NORM,
    ATTN_Q,
    ATTN_K,
    ATTN_V,
    ATTN_OUTPUT,
    FFN_NORM,
    FFN_GATE,
    FFN_UP,
    FFN_DOWN,
    N_WEIGHTS
};

static const tl_weight_row weights[N_WEIGHTS] = {
    [TOKEN_EMBD] = {"token_embd", {DIM_VOCAB, DIM_EMBD}, .uses = TL_USE_EMBED},
    [OUTPUT_NORM] = {"output_norm", {DIM_EMBD}, .uses = TL_USE_OTHER},
    [OUTPUT] = {"output", {DIM_VOCAB, DIM_EMBD}, .uses = TL_USE_LINEAR, .bias = true, .tied = "token_embd"},
    [ROPE_FREQS] = {"rope_freqs", {DIM_ROPE_PAIRS}, .uses = TL_USE_OTHER, .optional = true},
    [ATTN_NORM] = {"blk.%d.attn_norm", {DIM_EMBD}, .uses = TL_USE_OTHER},
    [ATTN_Q] = {"blk.%d.attn_q", {DIM_Q, DIM_EMBD}, .uses = TL_USE_LINEAR, .bias = true},
    [ATTN_K] = {"blk.%d.attn_k", {DIM_K, DIM_EMBD}, .uses = TL_USE_LINEAR, .bias = true},
    [ATTN_V] = {"blk.%d.attn_v", {DIM_V, DIM_EMBD}, .uses = TL_USE_LINEAR, .bias = true},
    [ATTN_OUTPUT] = {"blk.%d.attn_output", {DIM_EMBD, DIM_ATTN}, .uses = TL_USE_LINEAR, .bias = true},
    [FFN_NORM] = {"blk.%d.ffn_norm", {DIM_EMBD}, .uses = TL_USE_OTHER},
    [FFN_GATE] = {"blk.%d.ffn_gate", {DIM_FF, DIM_EMBD}, .uses = TL_USE_LINEAR, .bias = true},
    [FFN_UP] = {"blk.%d.ffn_up", {DIM_FF, DIM_EMBD}, .uses = TL_USE_LINEAR, .bias = true},
    [FFN_DOWN] = {"blk.%d.ffn_down", {DIM_EMBD, DIM_FF}, .uses = TL_USE_LINEAR, .bias = true},
};

static tl_status hparams(const tl_gguf *g, tl_hparams *hp, tl_error *err) {
    (void)hp;
    int64_t experts = 0;
    tl_status s = tl_gguf_get_int(g, "llama.expert_count", false, 0, INT32_MAX, &experts, err);
    if (s)
        return s;
    if (experts > 0)
        return tl_fail(err, TL_ERR_UNSUPPORTED, "%s: llama.expert_count is %lld; a mixture of experts is not supported yet",
                       tl_gguf_label(g), (long long)experts);
    return TL_OK;
}

static tl_state_shape state(const tl_hparams *hp, int layer) {
    (void)layer;
    return (tl_state_shape){hp->n_head_kv, hp->head_dim, hp->head_dim_v};
}

static tl_tensor *embed(tl_build *b, tl_tensor *ids) {
    return tl_embed(b->g, tl_weight_of(b, TOKEN_EMBD, 0).w, ids);
}

static tl_tensor *attention(tl_build *b, int i, tl_tensor *x) {
    const tl_hparams *hp = b->hp;
    tl_tensor *q = tl_heads(b, tl_apply(b, ATTN_Q, i, x), hp->n_head, hp->head_dim);
    tl_tensor *k = tl_heads(b, tl_apply(b, ATTN_K, i, x), hp->n_head_kv, hp->head_dim);
    tl_tensor *v = tl_heads(b, tl_apply(b, ATTN_V, i, x), hp->n_head_kv, hp->head_dim_v);
    tl_tensor *angles = tl_angles(b);
    q = tl_name(b->g, tl_rope(b->g, q, angles, TL_ROPE_INTERLEAVED), "blk.%d.rope_q", i);
    k = tl_name(b->g, tl_rope(b->g, k, angles, TL_ROPE_INTERLEAVED), "blk.%d.rope_k", i);
    return tl_apply(b, ATTN_OUTPUT, i, tl_attend(b, i, q, k, v, (float)(1.0 / sqrt((double)hp->head_dim))));
}

static tl_tensor *feed_forward(tl_build *b, int i, tl_tensor *x) {
    tl_tensor *gate = tl_apply(b, FFN_GATE, i, x), *up = tl_apply(b, FFN_UP, i, x);
    return tl_apply(b, FFN_DOWN, i, tl_name(b->g, tl_swiglu(b->g, gate, up), "blk.%d.swiglu", i));
}

static tl_tensor *layer(tl_build *b, int i, tl_tensor *x) {
    x = tl_name(b->g, tl_add(b->g, x, attention(b, i, tl_norm(b, ATTN_NORM, i, x))), "blk.%d.attn_out", i);
    return tl_add(b->g, x, feed_forward(b, i, tl_norm(b, FFN_NORM, i, x)));
}

static tl_tensor *head(tl_build *b, tl_tensor *x) {
    return tl_apply(b, OUTPUT, 0, tl_hidden(b, tl_norm(b, OUTPUT_NORM, 0, x)));
}

const tl_arch tl_arch_llama = {"llama", weights, N_WEIGHTS, "attention.layer_norm_rms_epsilon", hparams, state, embed, layer, head};
