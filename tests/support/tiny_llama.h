/* tiny_llama.h: small Llama models with random weights as GGUF files in memory, for tests of the model layer that need no data from
 * outside. A test states the sizes and what is special; it may leave things out of the file or put others in their place. The weights
 * stay at hand as plain floats, for plain_llama.h. */
#ifndef TALLY_TESTS_TINY_LLAMA_H
#define TALLY_TESTS_TINY_LLAMA_H

#include "models/model.h"

enum { TINY_PATCHES = 4 };

/* A key that the file holds in place of the usual one of this name (or beside the others). */
typedef struct tiny_patch {
    const char *key;
    tl_gguf_type type; /* an integer type, F32, F64, BOOL, STRING or ARRAY (of one i32) */
    double number;
    const char *text;
} tiny_patch;

typedef struct tiny_config {
    int n_embd, n_layer, n_head, n_head_kv, n_ff, n_vocab, n_ctx;
    int head_dim, head_dim_v;                 /* written as key_length, value_length where they differ from what follows without */
    int rope_dims;                            /* 0: head_dim, and no key */
    double rope_base;                         /* 10000: no key */
    const char *scaling;                      /* rope.scaling.type, NULL: no key */
    double factor, original_ctx, attn_factor; /* 0: no key */
    double eps;
    bool untied, biases, rope_freqs;
    tl_dtype dtype; /* of the matrices; norms, biases and rope_freqs are f32 */
    unsigned seed;
    const char *without; /* a key or tensor left out of the file */
    tiny_patch patch[TINY_PATCHES];
    const char *odd_tensor;  /* this tensor is f32 zeros of another shape */
    int64_t odd_shape[3];    /* ends with 0 */
    bool no_ones;            /* leading axes of 1 are left out of the file */
    const char *cast_tensor; /* this tensor (of plain elements) is stored as cast_dtype */
    tl_dtype cast_dtype;
} tiny_config;

typedef struct tiny_tensor {
    char name[48];
    int rank;
    int64_t shape[2];
    tl_dtype dtype;
    float *values; /* decoded from what the file holds */
    void *stored;
} tiny_tensor;

typedef struct tiny_model {
    tiny_config c;
    tiny_tensor *tensors;
    int n_tensors;
    tl_text file;
} tiny_model;

/* 2 layers, dim 64, 4 heads, 2 for keys and values, vocabulary 300 (SPM with bytes), context 256, f32, tied. */
tiny_config tiny_defaults(void);
/* Makes weights and file; out of memory or against the writer it ends the program. */
tiny_model tiny_make(const tiny_config *c);
void tiny_free(tiny_model *m);
/* By full name ("output_norm.weight"); NULL where the model has none. */
const tiny_tensor *tiny_find(const tiny_model *m, const char *name);

#endif
