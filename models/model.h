/* model.h: the public interface of Tally's models: GGUF files, tokenizers, chat templates, samplers, loaded models, contexts and
 * sessions. Everything here follows the conventions at the head of tensor/tensor.h.
 *
 *     tl_backend *be;   tl_backend_open(&be, NULL, &err);
 *     tl_model *m;      tl_model_load(&m, "model.gguf", be, NULL, &err);
 *     tl_context *c;    tl_context_new(&c, m, NULL, &err);
 *     tl_session *s;    tl_session_new(&s, c, &err);
 *     tl_ids ids = {0}; tl_tokenizer_encode(tl_model_tokenizer(m), text, n, TL_ENCODE_SPECIAL, &ids, &err);
 *     tl_session_sync(s, ids.id, ids.n, logits, &err);      // logits [n_vocab] of the last position
 *     tl_sampler_next(sampler, logits, &id, &err);          // a token; append it to ids, and sync again
 *
 * tools/examples/complete.c is that as a program. Free in the order session, context, model, backend: each lives on the next.
 *
 * Sections: 1 bytes and ids - 2 GGUF - 3 tokenizer - 4 chat - 5 sampler - 6 model - 7 context and sessions */
#ifndef TALLY_MODEL_H
#define TALLY_MODEL_H

#include "backends/backend.h"
#include "ops/ops.h"
#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ==== 1 bytes and ids: growable results, all zero at first ============================================================== */

typedef struct tl_text {
    char *data;
    size_t n, cap;
} tl_text; /* bytes, always followed by a 0 once anything was appended */
typedef struct tl_ids {
    int32_t *id;
    size_t n, cap;
} tl_ids; /* token ids */
TL_API tl_status tl_text_append(tl_text *t, const char *bytes, size_t n, tl_error *err);
TL_API void tl_text_free(tl_text *t); /* frees and zeroes */
TL_API tl_status tl_ids_append(tl_ids *t, const int32_t *id, size_t n, tl_error *err);
TL_API void tl_ids_free(tl_ids *t);

/* ==== 2 GGUF (github.com/ggml-org/ggml, docs/gguf.md; versions 2 and 3, little-endian) ===================================== */

typedef enum tl_gguf_type {
    TL_GGUF_U8,
    TL_GGUF_I8,
    TL_GGUF_U16,
    TL_GGUF_I16,
    TL_GGUF_U32,
    TL_GGUF_I32,
    TL_GGUF_F32,
    TL_GGUF_BOOL,
    TL_GGUF_STRING,
    TL_GGUF_ARRAY,
    TL_GGUF_U64,
    TL_GGUF_I64,
    TL_GGUF_F64
} tl_gguf_type;

typedef struct tl_gguf tl_gguf;
typedef struct tl_gguf_string {
    const char *data;
    size_t n;
} tl_gguf_string; /* not terminated; may hold any bytes */
typedef struct tl_gguf_tensor {
    const char *name; /* terminated, at most 64 bytes */
    int type;         /* GGUF type id */
    tl_dtype dtype;   /* TL_N_DTYPES where Tally lacks the type (size is known all the same) */
    int rank;
    int64_t shape[4]; /* NumPy order: the file's reversed order is undone here and nowhere else */
    uint64_t offset;  /* from the start of the file */
    uint64_t bytes;
} tl_gguf_tensor;

/* A source of bytes; read must give exactly n bytes or fail. */
typedef struct tl_reader {
    void *ctx;
    uint64_t bytes;
    tl_status (*read)(void *ctx, uint64_t offset, void *dst, size_t n, tl_error *err);
} tl_reader;

/* Reads the table from the first n bytes of a file of file_bytes bytes. TL_MORE: *want is how many first bytes to come back with.
 * The object keeps its own copy of all it needs. */
TL_API tl_status tl_gguf_parse(tl_gguf **out, const void *bytes, size_t n, uint64_t file_bytes, uint64_t *want, tl_error *err);
/* The same from a file (its data mapped), from memory (borrowed: must outlive the object), or through callbacks. */
TL_API tl_status tl_gguf_open(tl_gguf **out, const char *path, tl_error *err);
TL_API tl_status tl_gguf_from_memory(tl_gguf **out, const void *bytes, size_t n, tl_error *err);
TL_API tl_status tl_gguf_from_reader(tl_gguf **out, const tl_reader *reader, tl_error *err);
TL_API void tl_gguf_free(tl_gguf *g);
TL_API int tl_gguf_version(const tl_gguf *g);
TL_API uint64_t tl_gguf_alignment(const tl_gguf *g);
TL_API uint64_t tl_gguf_data_offset(const tl_gguf *g); /* where tensor data begins */
TL_API uint64_t tl_gguf_file_bytes(const tl_gguf *g);
TL_API const char *tl_gguf_path(const tl_gguf *g); /* "" where it has none; for messages */

/* Keys in file order. type of an array key is TL_GGUF_ARRAY; its elements' type and count come from tl_gguf_array. */
TL_API int64_t tl_gguf_keys(const tl_gguf *g);
TL_API const char *tl_gguf_key(const tl_gguf *g, int64_t i);
TL_API tl_gguf_type tl_gguf_key_type(const tl_gguf *g, int64_t i);
TL_API int64_t tl_gguf_find(const tl_gguf *g, const char *key); /* -1 where absent; hashed */
/* Typed getters. `required` and absent: TL_ERR_FORMAT that names the key; not required and absent: TL_OK, *out as it was. Integers of
 * any width and sign convert where the value fits lo .. hi, else TL_ERR_FORMAT with key, found, expected. */
TL_API tl_status tl_gguf_get_int(const tl_gguf *g, const char *key, bool required, int64_t lo, int64_t hi, int64_t *out, tl_error *err);
TL_API tl_status tl_gguf_get_float(const tl_gguf *g, const char *key, bool required, double *out, tl_error *err);
TL_API tl_status tl_gguf_get_bool(const tl_gguf *g, const char *key, bool required, bool *out, tl_error *err);
TL_API tl_status tl_gguf_get_string(const tl_gguf *g, const char *key, bool required, tl_gguf_string *out, tl_error *err);
/* An array: its element type and count must be as wanted (count -1: any). For numbers *data is the packed little-endian elements,
 * possibly unaligned; for strings *data is NULL and the elements come from tl_gguf_array_string. */
TL_API tl_status tl_gguf_get_array(const tl_gguf *g, const char *key, bool required, tl_gguf_type elem, int64_t want_count,
                                   const void **data, int64_t *count, tl_error *err);
TL_API tl_gguf_string tl_gguf_array_string(const tl_gguf *g, const char *key, int64_t i);
/* Element type and count of array key number i. */
TL_API tl_gguf_type tl_gguf_array_type(const tl_gguf *g, int64_t i, int64_t *count);
/* The value of key number i as text for people: control characters escaped, arrays cut to `max_items`. */
TL_API tl_status tl_gguf_value_text(const tl_gguf *g, int64_t i, int64_t max_items, tl_text *out, tl_error *err);

/* The name of a GGUF tensor type, also of one that Tally cannot compute with: "q4_1", "iq4_nl"; NULL where unknown. */
TL_API const char *tl_gguf_type_name(int type);
TL_API int64_t tl_gguf_tensors(const tl_gguf *g);
TL_API const tl_gguf_tensor *tl_gguf_tensor_at(const tl_gguf *g, int64_t i);
TL_API const tl_gguf_tensor *tl_gguf_tensor_find(const tl_gguf *g, const char *name); /* NULL where absent; hashed */
/* The data in memory (mapped or borrowed), or NULL (parse, reader). */
TL_API const void *tl_gguf_tensor_data(const tl_gguf *g, const tl_gguf_tensor *t);
/* Copies bytes [offset, offset + n) of the tensor's data, from wherever it is; not after tl_gguf_parse. */
TL_API tl_status tl_gguf_tensor_read(const tl_gguf *g, const tl_gguf_tensor *t, uint64_t offset, void *dst, size_t n, tl_error *err);
/* Mapped pages of a byte range of the file may leave memory; they stay readable. */
TL_API void tl_gguf_drop(const tl_gguf *g, uint64_t offset, uint64_t n);
/* Name comparisons done by the reader's hash tables so far: for the test that nothing is quadratic. */
TL_API uint64_t tl_gguf_comparisons(const tl_gguf *g);

/* Writing. Setters collect; tl_gguf_writer_save and _bytes lay out and write header, table and data in one pass. */
typedef struct tl_gguf_writer tl_gguf_writer;
TL_API tl_status tl_gguf_writer_new(tl_gguf_writer **w, tl_error *err);
TL_API void tl_gguf_writer_free(tl_gguf_writer *w);
TL_API tl_status tl_gguf_set_int(tl_gguf_writer *w, const char *key, tl_gguf_type type, int64_t v, tl_error *err);
TL_API tl_status tl_gguf_set_float(tl_gguf_writer *w, const char *key, tl_gguf_type type, double v, tl_error *err);
TL_API tl_status tl_gguf_set_bool(tl_gguf_writer *w, const char *key, bool v, tl_error *err);
TL_API tl_status tl_gguf_set_string(tl_gguf_writer *w, const char *key, const char *v, size_t n, tl_error *err);
TL_API tl_status tl_gguf_set_array(tl_gguf_writer *w, const char *key, tl_gguf_type elem, const void *data, int64_t count, tl_error *err);
TL_API tl_status tl_gguf_set_strings(tl_gguf_writer *w, const char *key, const tl_gguf_string *v, int64_t count, tl_error *err);
/* data (borrowed until it is written): rows as stored, tl_bytes of the dense shape (NumPy order). */
TL_API tl_status tl_gguf_add_tensor(tl_gguf_writer *w, const char *name, tl_dtype dtype, int rank, const int64_t *shape, const void *data,
                                    tl_error *err);
/* Writes to path (through PATH.part, renamed at the end), or appends to a text buffer. */
TL_API tl_status tl_gguf_writer_save(tl_gguf_writer *w, const char *path, tl_error *err);
TL_API tl_status tl_gguf_writer_bytes(tl_gguf_writer *w, tl_text *out, tl_error *err);

/* ==== 3 tokenizer ============================================================================================================ */

typedef struct tl_tokenizer tl_tokenizer;
enum {                        /* tl_tokenizer_encode flags */
       TL_ENCODE_SPECIAL = 1, /* add BOS / EOS as the model asks (add_bos_token, add_eos_token) */
       TL_ENCODE_PARSE = 2    /* text like "<|im_end|>" becomes the control token; without it, it is plain text */
};
typedef struct tl_special_ids {
    int32_t bos, eos, eot, unk, sep, pad, nl;
    bool add_bos, add_eos, add_space_prefix;
} tl_special_ids; /* -1: none */

/* From tokenizer.ggml.*: model llama (SPM) or gpt2 (byte-level BPE) with pre default, gpt-2, llama-bpe, qwen2, smollm. */
TL_API tl_status tl_tokenizer_new(tl_tokenizer **t, const tl_gguf *g, tl_error *err);
TL_API void tl_tokenizer_free(tl_tokenizer *t);
TL_API int32_t tl_tokenizer_size(const tl_tokenizer *t);
TL_API const char *tl_tokenizer_model(const tl_tokenizer *t); /* "spm" or "bpe" */
TL_API const char *tl_tokenizer_pre(const tl_tokenizer *t);
TL_API tl_special_ids tl_tokenizer_special(const tl_tokenizer *t);
/* Appends the ids of text [n bytes]. Invalid UTF-8 has a defined result: each bad byte is a byte of its own. */
TL_API tl_status tl_tokenizer_encode(const tl_tokenizer *t, const char *text, size_t n, unsigned flags, tl_ids *out, tl_error *err);
/* The bytes that a token adds to text. Control tokens add none unless `special`. Out of range: n = 0. */
TL_API tl_gguf_string tl_tokenizer_piece(const tl_tokenizer *t, int32_t id, bool special);
/* The token's own string as stored, for listings. */
TL_API tl_gguf_string tl_tokenizer_token(const tl_tokenizer *t, int32_t id);
TL_API bool tl_tokenizer_is_control(const tl_tokenizer *t, int32_t id);
/* Tokens that end an answer: EOS, EOT, and the well-known ends found in the vocabulary (<|im_end|>, <|eot_id|>, <|end|>, ...). */
TL_API bool tl_tokenizer_is_end(const tl_tokenizer *t, int32_t id);
/* The id whose stored string equals text; -1 where absent. */
TL_API int32_t tl_tokenizer_find(const tl_tokenizer *t, const char *text, size_t n);
/* Whole text of ids. For SPM the space that encoding put in front is taken off again. Invalid UTF-8 is passed as is. */
TL_API tl_status tl_tokenizer_decode(const tl_tokenizer *t, const int32_t *ids, size_t n, bool special, tl_text *out, tl_error *err);

/* A stream of text that never splits a UTF-8 character: bytes of an unfinished one wait inside. */
typedef struct tl_detok {
    const tl_tokenizer *t;
    bool special, started, strip;
    unsigned char held[4];
    int n_held;
} tl_detok;
/* strip: the first token begins a text, so SPM's leading space goes; false where text continues a prompt. */
TL_API tl_detok tl_detok_start(const tl_tokenizer *t, bool special, bool strip);
TL_API tl_status tl_detok_push(tl_detok *d, int32_t id, tl_text *out, tl_error *err);
TL_API tl_status tl_detok_end(tl_detok *d, tl_text *out, tl_error *err); /* an unfinished character comes out as U+FFFD */

/* ==== 4 chat ================================================================================================================= */

typedef struct tl_message {
    const char *role, *content;
} tl_message;                   /* role: system, user, assistant */
typedef struct tl_chat tl_chat; /* a row of the built-in template table */

/* By name (chatml, llama2, llama3, zephyr, mistral; `names` lists them) or recognised from a template's text. Unknown: NULL. */
TL_API const tl_chat *tl_chat_by_name(const char *name);
TL_API const tl_chat *tl_chat_by_template(const char *text, size_t n);
TL_API const char *tl_chat_name(const tl_chat *c);
TL_API const char *tl_chat_names(void); /* "chatml, llama2, ..." */
/* The model's own template (tokenizer.chat_template, with its default system message where it has one); TL_ERR_UNSUPPORTED names what to
 * pass instead. */
TL_API tl_status tl_chat_of_model(const tl_gguf *g, const tl_chat **out, tl_text *default_system, tl_error *err);
/* Renders messages; add_assistant opens the answer's turn. To be encoded with TL_ENCODE_SPECIAL | TL_ENCODE_PARSE: a BOS that the
 * template itself would write is left to the tokenizer, so it never doubles. An unknown role or order is an error. */
TL_API tl_status tl_chat_render(const tl_chat *c, const tl_message *messages, int n, bool add_assistant, tl_text *out, tl_error *err);

/* ==== 5 sampler ============================================================================================================== */

/* llama.cpp's names, defaults and order: penalties, (dry, top_n_sigma: later), top_k, (typical), top_p, min_p, (xtc), temperature. */
typedef struct tl_sampler_options {
    float temperature;       /* 0.8; <= 0: greedy */
    int32_t top_k;           /* 40; <= 0: all */
    float top_p;             /* 0.95; >= 1: off */
    float min_p;             /* 0.05; <= 0: off */
    float repeat_penalty;    /* 1.0: off */
    float presence_penalty;  /* 0 */
    float frequency_penalty; /* 0 */
    int32_t repeat_last_n;   /* 64; 0: off, -1: the whole sequence */
    int32_t min_keep;        /* 1 */
    const int32_t *bias_ids; /* logit bias: bias_values[i] is added to the logit of bias_ids[i] */
    const float *bias_values;
    int32_t n_bias;
    uint32_t seed;
} tl_sampler_options;

typedef struct tl_sampler tl_sampler;
TL_API tl_sampler_options tl_sampler_defaults(void);
/* general.sampling.* of the file into the options. */
TL_API tl_status tl_sampler_from_gguf(const tl_gguf *g, tl_sampler_options *o, tl_error *err);
/* Copies the options. NaN or out-of-range options: TL_ERR_USAGE. */
TL_API tl_status tl_sampler_new(tl_sampler **s, int32_t n_vocab, const tl_sampler_options *o, tl_error *err);
TL_API void tl_sampler_free(tl_sampler *s);
/* Picks a token from logits [n_vocab] and counts it as seen. NaN logits count as -inf; none left: TL_ERR_RANGE. Deterministic for a
 * seed, everywhere. */
TL_API tl_status tl_sampler_next(tl_sampler *s, const float *logits, int32_t *id, tl_error *err);
/* Tokens that came another way (the prompt), for the penalties. */
TL_API tl_status tl_sampler_accept(tl_sampler *s, const int32_t *ids, size_t n, tl_error *err);
TL_API void tl_sampler_forget(tl_sampler *s); /* what was seen; the random stream goes on */
TL_API void tl_sampler_reset(tl_sampler *s);  /* forgets what was seen, restarts the random stream */
/* The index of the largest logit, ties to the lower; NaN counts as -inf; -1 where n is 0. */
TL_API int32_t tl_greedy(const float *logits, int32_t n);
/* A seed from the clock, for seed -1. */
TL_API uint32_t tl_seed_from_clock(void);

/* ==== 6 model ================================================================================================================ */

typedef struct tl_model tl_model;

typedef struct tl_hparams {
    char arch[32];
    int32_t n_vocab, n_layer, n_embd, n_head, n_head_kv, head_dim, head_dim_v, n_ff, n_ctx_train, rope_dims;
    float norm_eps;
    double rope_base;
    int32_t rope_scaling;                                    /* tl_rope_scaling of ops.h */
    double rope_factor, rope_original_ctx, rope_attn_factor; /* the last multiplies cos and sin; 1: no key says so */
    bool tied;                                               /* no output.weight: the embedding is used twice */
} tl_hparams;

typedef struct tl_model_options {
    bool no_pack;                                 /* weights stay mapped as stored: instant start, slower matmul, same bits */
    bool vocab_only;                              /* tokenizer and metadata, no weights */
    bool check_tensors;                           /* refuse weights with NaN or infinite values */
    bool (*progress)(void *ctx, double fraction); /* false cancels */
    void *progress_ctx;
} tl_model_options;

/* Loads for one backend. The backend must outlive the model. */
TL_API tl_status tl_model_load(tl_model **m, const char *path, tl_backend *be, const tl_model_options *o, tl_error *err);
/* The same from an opened file, which the model takes over (also on failure). */
TL_API tl_status tl_model_load_gguf(tl_model **m, tl_gguf *g, tl_backend *be, const tl_model_options *o, tl_error *err);
/* Streaming, for a browser: g from tl_gguf_parse; then tensor data in file order, any cut, ascending offsets, gaps ignored, TL_MORE until
 * the last weight is complete. A model that is not complete refuses to make contexts. */
TL_API tl_status tl_model_begin(tl_model **m, tl_gguf *g, tl_backend *be, const tl_model_options *o, tl_error *err);
TL_API tl_status tl_model_feed(tl_model *m, uint64_t offset, const void *bytes, size_t n, tl_error *err);
TL_API void tl_model_free(tl_model *m);
TL_API const tl_hparams *tl_model_hparams(const tl_model *m);
TL_API const tl_gguf *tl_model_gguf(const tl_model *m);
TL_API const tl_tokenizer *tl_model_tokenizer(const tl_model *m);
TL_API tl_backend *tl_model_backend(const tl_model *m);
TL_API uint64_t tl_model_params(const tl_model *m);       /* elements of all weights */
TL_API uint64_t tl_model_weight_bytes(const tl_model *m); /* as stored */
/* "llama 135M Q4_1": architecture, parameters, commonest type; as llama-bench's model column. */
TL_API const char *tl_model_describe(const tl_model *m);
/* The names of the architectures that this build knows: "llama, ...". */
TL_API const char *tl_model_archs(void);

/* ==== 7 context and sessions ================================================================================================= */

typedef struct tl_context tl_context;
typedef struct tl_session tl_session;
enum { TL_PAGE = 64 }; /* tokens a page of the KV cache */

typedef struct tl_context_options {
    int32_t n_ctx;        /* tokens that all sessions together can hold; 0: from the model. Rounded up to pages */
    int32_t n_batch;      /* tokens a run; 0: 512. At most n_ctx: more is cut to that */
    int32_t n_rows;       /* rows of logits a run; 0: 32. At most n_batch, as well */
    int32_t n_sessions;   /* sessions at a time; 0: 1 */
    tl_dtype kv;          /* TL_F32 or TL_F16. Set by tl_context_defaults: TL_F16 */
    tl_plan_options plan; /* no_reuse, no_fuse, profile, probe */
} tl_context_options;

typedef struct tl_memory_forecast {
    uint64_t weights, kv, activations, workers, total;
} tl_memory_forecast;

TL_API tl_context_options tl_context_defaults(void);
/* o NULL: defaults. The model must outlive the context, the context its sessions. */
TL_API tl_status tl_context_new(tl_context **c, tl_model *m, const tl_context_options *o, tl_error *err);
TL_API void tl_context_free(tl_context *c);
/* What loading the file and making this context would take, without loading: exact to the byte for weights (packed or mapped), KV and
 * plan. */
TL_API tl_status tl_context_forecast(const tl_gguf *g, tl_backend *be, const tl_model_options *mo, const tl_context_options *o,
                                     tl_memory_forecast *out, tl_error *err);
TL_API tl_model *tl_context_model(const tl_context *c);
TL_API tl_plan *tl_context_plan(const tl_context *c); /* to print or profile */
TL_API int32_t tl_context_size(const tl_context *c);  /* n_ctx as rounded */
TL_API int32_t tl_context_free_tokens(const tl_context *c);
TL_API tl_memory_forecast tl_context_memory(const tl_context *c);
/* Ends a step in progress (any thread, signal handlers): it returns TL_CANCELLED and sessions stay usable. Cleared when a step returns
 * so. */
TL_API void tl_context_cancel(tl_context *c);

TL_API tl_status tl_session_new(tl_session **s, tl_context *c, tl_error *err);
TL_API void tl_session_free(tl_session *s);
TL_API int64_t tl_session_length(const tl_session *s);     /* tokens whose keys and values it holds */
TL_API const int32_t *tl_session_ids(const tl_session *s); /* [length]; a step of the session changes them */
TL_API void tl_session_clear(tl_session *s);               /* gives its pages back */

typedef struct tl_want {
    tl_session *session;
    const int32_t *ids; /* the *whole* sequence: the session keeps the common prefix and computes the rest */
    int64_t n;
    int64_t n_rows;   /* how many last positions return a row, 0 .. n */
    bool hidden;      /* rows of the final norm [n_embd] in place of logits [n_vocab] */
    float *rows;      /* out: [n_rows, n_vocab or n_embd] */
    int64_t computed; /* out: tokens that were computed, not reused; after a failure those that were finished */
} tl_want;

/* Evaluates k sessions in one batch (each session at most once). Same bits as one by one. Ids, lengths and pages of all wants are checked
 * before any token is evaluated: a refused step (TL_ERR_RANGE, TL_ERR_FULL, TL_ERR_USAGE) changes nothing. After TL_CANCELLED each
 * session holds the tokens that were finished. */
TL_API tl_status tl_context_step(tl_context *c, tl_want *wants, int k, tl_error *err);
/* One session, logits of the last position [n_vocab] (NULL: none wanted). */
TL_API tl_status tl_session_sync(tl_session *s, const int32_t *ids, int64_t n, float *logits, tl_error *err);

/* Own number printer and parser, independent of the locale. tl_number_parse: the whole of text must be a number (decimal, optional
 * fraction and exponent); false otherwise. tl_number_print: the shortest of up to `digits` significant digits, into buf[32]. */
TL_API bool tl_number_parse(const char *text, size_t n, double *out);
TL_API const char *tl_number_print(double v, int digits, char buf[32]);

/* FNV-1a-64 over the little-endian bytes of f32 values, every NaN as 0x7FC00000; start from TL_DIGEST_START. */
#define TL_DIGEST_START 0xcbf29ce484222325ull
TL_API uint64_t tl_digest_f32(uint64_t h, const float *v, size_t n);

#ifdef __cplusplus
}
#endif
#endif
