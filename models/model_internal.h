/* model_internal.h: a loaded model from inside; shared by model.c, weights.c, build.c and context.c. */
#ifndef TALLY_MODEL_INTERNAL_H
#define TALLY_MODEL_INTERNAL_H

#include "models/arch.h"
#include "tensor/arena.h"

/* A tensor of the file that the model uses, and how far it has come. */
typedef struct model_slot {
    const tl_gguf_tensor *info;
    int rank; /* as the model wants it: the file may leave out leading axes of 1 */
    int64_t shape[3];
    tl_tensor *t;
    unsigned uses;
    uint64_t have; /* bytes that have arrived, in order */
    int64_t rows;  /* rows given to the layout so far */
} model_slot;

struct tl_model {
    const tl_gguf *gguf;
    tl_gguf *owned; /* gguf, where the model frees it */
    tl_backend *backend;
    const tl_arch *arch;
    tl_hparams hp;
    tl_model_options options;
    tl_tokenizer *tokenizer;
    tl_bank *bank;
    bool dry; /* weights are declared, not loaded: for forecasts */
    bool complete;
    tl_weight *weights; /* [table row][layer] as weights[row * n_layer + layer] */
    model_slot *slots;  /* in file order */
    int n_slots, at;    /* at: the slot that a feed fills next */
    unsigned char *staging;
    uint64_t weight_bytes, mapped_bytes, params;
    uint64_t fed; /* bytes done, for progress */
    char text[96];
};

/* weights.c: finds every tensor that the architecture's table names, checks shapes, and gives each a place in the bank. */
tl_status tl_weights_resolve(tl_model *m, tl_error *err);
/* Fills all of them from the file behind m->gguf. */
tl_status tl_weights_load(tl_model *m, tl_error *err);
/* Takes bytes [offset, offset + n) of the file; TL_MORE until the last weight is complete. */
tl_status tl_weights_feed(tl_model *m, uint64_t offset, const void *bytes, size_t n, tl_error *err);

/* model.c: a model whose weights are declared only: for forecasts. Borrows g; no tokenizer. */
tl_status tl_model_open_dry(tl_model **m, const tl_gguf *g, tl_backend *be, const tl_model_options *o, tl_error *err);
/* The rope of the model's metadata and rope_freqs (build.c). */
tl_rope_config tl_model_rope(const tl_model *m);

#endif
