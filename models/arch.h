/* arch.h: what an architecture file provides, and the words that it writes its graph with. A file states its weights as a table and its
 * graph in four builders that read like the paper; loading, checking, packing, caches, batches and sessions are generic.
 *
 * A recipe stands in CONTRIBUTING.md; models/llama.c is the model to follow. */
#ifndef TALLY_ARCH_H
#define TALLY_ARCH_H

#include "models/model.h"

/* Lengths that a weight's shape is written in; tl_hparams_dim gives their value. */
typedef enum tl_dim_symbol { DIM_NONE, DIM_VOCAB, DIM_EMBD, DIM_Q, DIM_K, DIM_V, DIM_ATTN, DIM_HEAD, DIM_FF, DIM_ROPE_PAIRS } tl_dim_symbol;

/* A row of the weight table. */
typedef struct tl_weight_row {
    const char *pattern;    /* "blk.%d.attn_q" (one a layer) or "output"; ".weight" is appended */
    tl_dim_symbol shape[3]; /* NumPy order, ends with DIM_NONE */
    unsigned uses;          /* TL_USE_ mask */
    bool optional;
    bool bias;        /* PATTERN.bias [first axis of shape] is taken where the file has it, and tl_apply adds it */
    const char *tied; /* the pattern whose tensor serves, with these uses too, when this one is absent */
} tl_weight_row;

/* A weight and what belongs to it. w is NULL where an optional one is absent. */
typedef struct tl_weight {
    tl_tensor *w, *bias;
} tl_weight;

/* What a layer keeps between runs: a cache of keys and values. */
typedef struct tl_state_shape {
    int32_t heads, k_dim, v_dim;
} tl_state_shape;

/* A graph under construction. ids, pos, slots [n], span [n, 3], pages [s, p], take [m] are its inputs. */
typedef struct tl_build {
    tl_graph *g;
    const tl_model *model;
    const tl_hparams *hp;
    tl_tensor *ids, *pos, *slots, *span, *pages, *take;
    tl_tensor **k, **v; /* by layer: the caches */
    tl_tensor *angles;  /* tl_angles, made once */
    tl_tensor *hidden;  /* set by head through tl_hidden */
} tl_build;

typedef struct tl_arch {
    const char *name;
    const tl_weight_row *weights;
    int n_weights;
    const char *norm_eps; /* the key of the epsilon of its norms, without "ARCH." */
    /* Reads what is not common to all architectures from metadata (may be NULL). */
    tl_status (*hparams)(const tl_gguf *g, tl_hparams *hp, tl_error *err);
    tl_state_shape (*state)(const tl_hparams *hp, int layer);
    tl_tensor *(*embed)(tl_build *b, tl_tensor *ids);      /* [n] -> x [n, n_embd] */
    tl_tensor *(*layer)(tl_build *b, int i, tl_tensor *x); /* x -> x */
    tl_tensor *(*head)(tl_build *b, tl_tensor *x);         /* x [m, n_embd] -> logits [m, n_vocab] */
} tl_arch;

#define TL_ARCH(id, text) extern const tl_arch tl_arch_##id;
#include "models/arch.def"
#undef TL_ARCH

/* ---- words for builders (build.c) ---- */

/* Weight row `row` (an index into the table) of layer i (0 for a row without layers). */
tl_weight tl_weight_of(const tl_build *b, int row, int i);
/* x times a weight, with all that belongs to it (bias). The only way in which an architecture multiplies by a weight. */
tl_tensor *tl_apply(tl_build *b, int row, int i, tl_tensor *x);
/* RMS norm by a weight row. */
tl_tensor *tl_norm(tl_build *b, int row, int i, tl_tensor *x);
/* The rope's angles of this batch. */
tl_tensor *tl_angles(tl_build *b);
/* q [n, h, d], k [n, hk, d], v [n, hk, dv], rotated as needed: writes k and v to layer i's cache and attends -> [n, h * dv]. */
tl_tensor *tl_attend(tl_build *b, int i, tl_tensor *q, tl_tensor *k, tl_tensor *v, float scale);
/* x [n, heads * d] -> [n, heads, d] */
tl_tensor *tl_heads(tl_build *b, tl_tensor *x, int heads, int d);
/* Marks the rows that tl_want.hidden returns; gives x back. */
tl_tensor *tl_hidden(tl_build *b, tl_tensor *x);
/* The architecture row for a name; NULL where unknown. */
const tl_arch *tl_arch_find(const char *name, size_t n);

#endif
