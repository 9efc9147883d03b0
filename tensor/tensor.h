/* tensor.h: the public interface of Tally's lowest layer: status, element types, tensors, lazy graphs, banks and plans.
 *
 * The idea in one breath: builders (ops/ops.h) record nodes in a *graph*; nothing runs. A *plan* lays the graph out for a
 * *backend* (backends/backend.h) and runs it, any number of times. Tensors that outlive graphs (weights, KV caches) live in a
 * *bank*. The interfaces that planning calls upwards (tl_op, tl_layout, tl_backend_ops) are declared here and implemented in
 * the layers to the right: tensor <- ops <- backends <- models <- tools.
 *
 *     tl_graph *g; tl_graph_new(&g, &err);
 *     tl_tensor *x = tl_input(g, "x", TL_F32, 2, (int64_t[]){n, dim});
 *     tl_tensor *y = tl_linear(g, tl_rms_norm(g, x, norm, 1e-5f), w, NULL);
 *     tl_output(g, y);
 *     tl_plan_new(&plan, g, backend, NULL, &err);
 *     tl_write(x, data, bytes, &err); tl_plan_run(plan, &err); tl_read(y, out, bytes, &err);
 *
 * Conventions of every function in Tally:
 *   - X_new pairs with X_free; X_free(NULL) is allowed. Strings are copied. Nothing is reference counted.
 *   - A function that can fail returns a tl_status and fills `err` when that is not NULL. The message is one sentence that says
 *     what, where and how to mend it. On failure an output pointer is set to NULL.
 *   - Nothing aborts, prints or keeps global state.
 *   - Backends and loaded models may be shared by threads; runs queue on a backend. A bank may be shared by graphs of several
 *     threads while nobody adds to it or writes it (weights). Everything else is used by one thread at a time (tl_plan_cancel
 *     excepted).
 *   - Shapes are in NumPy order: shape[0] is the first axis, the last axis is the fastest. Strides are in bytes.
 */
#ifndef TALLY_TENSOR_H
#define TALLY_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TL_VERSION_MAJOR 0
#define TL_VERSION_MINOR 1
#define TL_VERSION_PATCH 0
#define TL_VERSION_STRING "0.1.0"

#if defined(_WIN32) && defined(TL_SHARED)
#ifdef TL_BUILDING
#define TL_API __declspec(dllexport)
#else
#define TL_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define TL_API __attribute__((visibility("default")))
#else
#define TL_API
#endif

#if defined(__GNUC__)
#define TL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define TL_PRINTF(f, a)
#endif

/* The version of the library that is linked, "MAJOR.MINOR.PATCH"; compare with TL_VERSION_STRING of the header. */
TL_API const char *tl_version(void);

/* Bytes of memory that this process may use: the machine's, or less where a control group sets a limit (a container); 0: unknown. */
TL_API size_t tl_memory_total(void);

/* ---- status and errors ------------------------------------------------------------------------------------------------- */

typedef enum tl_status {
    TL_OK = 0,
    TL_MORE,            /* a streaming reader wants more bytes; no error message */
    TL_CANCELLED,       /* stopped on request */
    TL_ERR_USAGE,       /* the call itself is wrong: NULL, wrong shape, wrong order, foreign object */
    TL_ERR_RANGE,       /* a value (id, position, span) lies outside what the call allows */
    TL_ERR_MEMORY,      /* an allocation failed or a size overflows */
    TL_ERR_IO,          /* the system refused: open, read, write, map */
    TL_ERR_FORMAT,      /* a file's content is malformed */
    TL_ERR_UNSUPPORTED, /* well formed, but not something this build can do */
    TL_ERR_FULL,        /* no room left: context or pages */
    TL_ERR_INTERNAL     /* a bug in Tally; please report */
} tl_status;

enum { TL_ERROR_MAX = 512 };
typedef struct tl_error {
    tl_status status;
    char message[TL_ERROR_MAX]; /* UTF-8, one sentence, no newline, always terminated */
} tl_error;

/* "ok", "usage", "memory" ...: a word for logs. */
TL_API const char *tl_status_name(tl_status s);
/* Fills *err (NULL: nothing) with s and the formatted message, and returns s. A message that is too long is cut at a UTF-8
 * boundary. Use %s, %d, %lld and kin only: floats depend on the locale. */
TL_API tl_status tl_fail(tl_error *err, tl_status s, const char *fmt, ...) TL_PRINTF(3, 4);

/* Reads the UTF-8 character at s [n > 0 bytes]; returns its length. A byte that begins no well-formed character (Unicode 15, table 3-7) is
 * one of its own: length 1 and *cp = 0xFFFD (a real U+FFFD has length 3). */
TL_API int tl_utf8_read(const char *s, size_t n, uint32_t *cp);

/* ---- element types ----------------------------------------------------------------------------------------------------- */

/* One value a row of dtype.def: TL_F32, TL_F16, TL_BF16, TL_I8, TL_I16, TL_I32, TL_Q4_0, ... */
typedef enum tl_dtype {
#define TL_DTYPE(ID, name, gguf, block, bytes, kind, help) TL_##ID,
#include "dtype.def"
#undef TL_DTYPE
    TL_N_DTYPES
} tl_dtype;

/* How a type's values enter a product; chooses the arithmetic of linear (ARCHITECTURE.md, "Numerics"). */
typedef enum tl_kind {
    TL_KIND_FLOAT,     /* f32, bf16: weight exact in f32, times x */
    TL_KIND_HALF,      /* f16: times x rounded to 13 bits */
    TL_KIND_INT,       /* i8, i16, i32: ids and data, no linear */
    TL_KIND_SCALE,     /* 32-blocks with a scale: q8_0 q4_0 q5_0 */
    TL_KIND_SCALE_MIN, /* 32-blocks with scale and minimum: q4_1 q5_1 */
    TL_KIND_SUPER_MIN, /* 256-blocks, integer sub-scales and sub-minima: q2_k q4_k q5_k */
    TL_KIND_SUPER      /* 256-blocks, signed integer sub-scales: q3_k q6_k */
} tl_kind;

typedef struct tl_dtype_info {
    const char *name; /* lower case: "q4_0" */
    int gguf;         /* type id in GGUF files */
    int block;        /* elements a block; 1 for plain types */
    int block_bytes;
    tl_kind kind;
    const char *help;
} tl_dtype_info;

/* The facts of a type; NULL where t is not a type. */
TL_API const tl_dtype_info *tl_dtype_get(tl_dtype t);
/* By name ("q4_0", any case) or GGUF id; false where unknown. */
TL_API bool tl_dtype_find(const char *name, tl_dtype *out);
TL_API bool tl_dtype_of_gguf(int gguf_id, tl_dtype *out);
/* Decodes n elements (a multiple of the block) exactly to f32. src may be unaligned. Every type decodes. */
TL_API tl_status tl_decode(tl_dtype t, const void *src, float *dst, int64_t n, tl_error *err);
/* Encodes n elements (a multiple of the block), round to nearest even for f16 and bf16, saturating with round half to even for
 * integers (NaN: 0), llama.cpp's reference quantiser for Q4_0 .. Q8_0 (same bytes). K-quants: TL_ERR_UNSUPPORTED. */
TL_API tl_status tl_encode(tl_dtype t, const float *src, void *dst, int64_t n, tl_error *err);

/* ---- tensors ----------------------------------------------------------------------------------------------------------- */

enum { TL_MAX_RANK = 6, TL_MAX_SRC = 8 };

typedef struct tl_graph tl_graph;
typedef struct tl_bank tl_bank;
typedef struct tl_plan tl_plan;
typedef struct tl_backend tl_backend;
typedef struct tl_tensor tl_tensor;
typedef struct tl_op tl_op;
typedef struct tl_layout tl_layout;

/* Memory of a backend. data is NULL where the host cannot reach it. */
typedef struct tl_buffer {
    void *data;
    size_t bytes;
    tl_backend *backend;
    void *impl;
} tl_buffer;

struct tl_tensor {   /* read the fields, change none */
    const tl_op *op; /* NULL: a leaf (input or bank tensor) */
    tl_dtype dtype;
    int rank, n_src;
    int size; /* the named size that axis 0 follows, 1-based; 0: fixed */
    int64_t shape[TL_MAX_RANK];
    int64_t stride[TL_MAX_RANK]; /* bytes; for block types the last one is that of a whole block */
    tl_tensor *src[TL_MAX_SRC];  /* an absent optional operand is NULL */
    tl_tensor *base;             /* the root whose memory this is; itself unless a view or a state after a write */
    size_t offset;               /* a view: from its base; a root: from its buffer */
    const tl_layout *layout;     /* NULL: rows as stored; else a backend's packing */
    tl_buffer *buffer;           /* roots only: set while memory is bound */
    const char *name;            /* NULL: none */
    const void *params;          /* the builder's struct, in the graph's arena */
    tl_graph *graph;             /* NULL: a bank tensor */
    int id;                      /* number of the node in its graph, build order; -1: a bank tensor */
    int version;                 /* which write of its base this handle sees */
    unsigned mark;               /* TL_MARK_*: roles */
};

enum { TL_MARK_INPUT = 1, TL_MARK_OUTPUT = 2, TL_MARK_STATE = 4, TL_MARK_BANK = 8 };

/* What a failed builder returned (NULL) may be asked too: it has no elements, no bytes, no data, and every axis is 1.
 * Elements along an axis, -1 is the last; 1 for an axis outside the rank. A varying axis gives its maximum. */
TL_API int64_t tl_dim(const tl_tensor *t, int axis);
/* Elements, and bytes as stored densely (a packed layout's own size where it has one), at the maximum of a varying axis. */
TL_API int64_t tl_count(const tl_tensor *t);
TL_API size_t tl_bytes(const tl_tensor *t);
/* Rows: the product of all axes but the last (1 for rank 0 and 1). */
TL_API int64_t tl_rows(const tl_tensor *t);
/* Bytes of one row as stored densely. */
TL_API size_t tl_row_bytes(const tl_tensor *t);
/* True if rank, lengths and the named size that axis 0 follows are equal. */
TL_API bool tl_same_shape(const tl_tensor *a, const tl_tensor *b);
/* True if the last axis is dense (every op's rows need that), or all of it is. */
TL_API bool tl_row_dense(const tl_tensor *t);
TL_API bool tl_dense(const tl_tensor *t);
/* Host address of the first element, or of row r (all axes but the last flattened); NULL while no memory is bound. */
TL_API void *tl_data(const tl_tensor *t);
TL_API void *tl_row(const tl_tensor *t, int64_t r);
/* Writes "'name' f32 [4, 64]", where axis 0 varies "'name' f32 [n<=4, 64]", into buf (cut if too small) and returns buf. */
TL_API const char *tl_describe(const tl_tensor *t, char *buf, size_t bytes);
/* Copies between host memory and a tensor with bound memory (an input, an output, a bank tensor; after tl_plan_new). bytes may
 * be fewer than the tensor's: leading rows of axis 0. A write wants a dense tensor; a read gives any view densely and waits for the run;
 * an output has no value, and is refused, before the first run.
 * Where axis 0 varies, rows from its current value on are not the last run's: they hold whatever stood there. */
TL_API tl_status tl_write(tl_tensor *t, const void *data, size_t bytes, tl_error *err);
TL_API tl_status tl_read(const tl_tensor *t, void *data, size_t bytes, tl_error *err);

/* ---- ops --------------------------------------------------------------------------------------------------------------- */

typedef struct tl_cost {
    double ops, read, written;
} tl_cost; /* operations (a multiply-add is 2), bytes, bytes */

enum {                        /* tl_op.flags */
       TL_OP_VIEW = 1,        /* moves no data: infer sets base, offset, stride */
       TL_OP_STATE = 2,       /* the output *is* source 0 after the write */
       TL_OP_ELEMENTWISE = 4, /* output element i depends on element i of equal-shaped sources: may run in place */
       TL_OP_STRIDED = 8,     /* accepts rows whose last axis is not dense; else builders insert a copy */
       TL_OP_PACKED = 16      /* accepts source 1 (linear) or 0 (embed) in a packed layout; else an unpack is inserted */
};

struct tl_op { /* a row of ops.def, or a user's own (see docs/ and tools/examples/) */
    const char *name, *formula;
    int id;               /* TL_OP_... of ops.h; -1: a user's op */
    int min_src, max_src; /* an operand from index min_src on may be NULL */
    unsigned flags;
    unsigned writes; /* bit i: source i is a state that this op also writes; see tl_after */
    int rows_of;     /* work rows are those of the output (0) or of source rows_of - 1 */
    /* Checks the sources and sets dtype, rank, shape, size of out (a view also base, offset, stride). On failure calls
     * tl_graph_fail and returns its status. */
    tl_status (*infer)(tl_graph *g, tl_tensor *out);
    /* Bytes of scratch a worker needs, SIZE_MAX where that is no size; NULL: none. 64-byte aligned. */
    size_t (*scratch)(const tl_tensor *out);
    /* Integer values that ref relies on (ids in range, spans inside pages): checked before the run where they are inputs, else before
     * the step; tl_plan_dim0 gives the current extent of axis 0. NULL: nothing to check. */
    tl_status (*check)(const tl_tensor *out, const tl_plan *p, tl_error *err);
    /* The definition: computes work rows row0 <= r < row1. Must give the same bits for any cut into rows. Of an axis that varies tl_dim
     * is the maximum and only the rows it is called for are in use: an op that walks such an axis itself (a scan whose work rows are
     * those of its state) takes the length as an operand. */
    void (*ref)(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch);
    /* Cost of computing `rows` work rows; NULL: bytes of all operands. */
    void (*cost)(const tl_tensor *out, int64_t rows, tl_cost *c);
};

/* ---- packed layouts ---------------------------------------------------------------------------------------------------- */

struct tl_layout {
    const char *name;
    int group; /* rows (axis -2) are padded to a multiple of it */
    size_t (*bytes)(const tl_tensor *t);
    /* Packs rows row0 <= r < row1 (row0 a multiple of group, row1 too or the last row) given as stored at src (row row0 first)
     * into dst, the start of the packed tensor. Rows of padding decode to zero. Disjoint ranges may be packed by several threads. */
    void (*pack)(const tl_tensor *t, int64_t row0, int64_t row1, const void *src, void *dst);
    /* The inverse for any rows: row0 <= r < row1 of the packed tensor at packed, as stored, into dst. */
    void (*unpack_rows)(const tl_tensor *t, int64_t row0, int64_t row1, const void *packed, void *dst);
};

/* ---- graphs ------------------------------------------------------------------------------------------------------------ */

/* A graph owns its nodes. Builders return NULL once it has failed, so that NULL comes as an operand to those after it; the first message
 * stays, and tl_plan_new reports it: one check per graph. */
TL_API tl_status tl_graph_new(tl_graph **g, tl_error *err);
TL_API void tl_graph_free(tl_graph *g);
/* The first error, or NULL. */
TL_API const tl_error *tl_graph_error(const tl_graph *g);
/* Puts the graph into the error state (the first call counts) and returns s: for infer functions and builders. */
TL_API tl_status tl_graph_fail(tl_graph *g, tl_status s, const char *fmt, ...) TL_PRINTF(3, 4);

/* Declares a named size with its maximum (1 .. 2^40) and returns a tagged length: valid only as shape[0] of tl_input,
 * tl_reshape or tl_broadcast. The axis is planned at its maximum; tl_plan_set gives the current value before a run. */
TL_API int64_t tl_size(tl_graph *g, const char *name, int64_t max);
/* What a length in a shape means: a tagged one gives its size number (1-based) and maximum, a plain one 0 and itself. False: neither. */
TL_API bool tl_size_decode(const tl_graph *g, int64_t length, int *size, int64_t *max);
/* An input: keeps its memory and value between runs (zeros at first). */
TL_API tl_tensor *tl_input(tl_graph *g, const char *name, tl_dtype dtype, int rank, const int64_t *shape);
/* Marks t as an output: it lasts until the next run. Gives back t. */
TL_API tl_tensor *tl_output(tl_graph *g, tl_tensor *t);
/* Names a node, for messages, prints and probes; returns t. */
TL_API tl_tensor *tl_name(tl_graph *g, tl_tensor *t, const char *fmt, ...) TL_PRINTF(3, 4);
/* Records a node: copies params into the graph's arena, checks operands (same graph or bank; NULL only from min_src on; no
 * reader of a state from before a write), calls infer. Builders use tl_node of ops.h, which also inserts copies. */
TL_API tl_tensor *tl_graph_add(tl_graph *g, const tl_op *op, int n_src, tl_tensor *const *src, const void *params, size_t params_bytes);
/* The whole state behind source i of node after that node's write: for ops with TL_OP_STATE (i = 0) or bit i of writes. */
TL_API tl_tensor *tl_after(tl_graph *g, tl_tensor *node, int i);
/* A bank tensor's newest handle in this graph: itself before any write, and whole also after a write of a part. */
TL_API tl_tensor *tl_latest(tl_graph *g, tl_tensor *bank_tensor);
/* Memory of the graph's own lifetime, 16-byte aligned, zeroed; NULL (graph failed) when out of memory. */
TL_API void *tl_graph_alloc(tl_graph *g, size_t bytes);
/* Nodes in build order. */
TL_API int tl_graph_count(const tl_graph *g);
TL_API tl_tensor *tl_graph_node(const tl_graph *g, int i);
/* Number of named sizes; name and maximum of size i (1-based, as tl_tensor.size). */
TL_API int tl_graph_sizes(const tl_graph *g);
TL_API const char *tl_graph_size_name(const tl_graph *g, int i);
TL_API int64_t tl_graph_size_max(const tl_graph *g, int i);

/* Text goes through this: a chunk of n bytes; return false to stop. */
typedef bool (*tl_sink)(void *ctx, const char *text, size_t n);
/* One node a line: id, name, op, dtype, shape, sources, parameters' formula. */
TL_API tl_status tl_graph_print(const tl_graph *g, tl_sink sink, void *ctx);
/* Graphviz. */
TL_API tl_status tl_graph_dot(const tl_graph *g, tl_sink sink, void *ctx);

/* ---- banks ------------------------------------------------------------------------------------------------------------- */

/* Tensors that outlive graphs, on one backend. Graphs use them as operands directly; a graph writes one only through an op that
 * returns its state (set_rows, assign). A bank must outlive the plans of graphs that use it. */
TL_API tl_status tl_bank_new(tl_bank **b, tl_backend *be, tl_error *err);
TL_API void tl_bank_free(tl_bank *b);
/* A new zeroed tensor (layout NULL: rows as stored). Names are unique. */
TL_API tl_status tl_bank_add(tl_bank *b, const char *name, tl_dtype dtype, int rank, const int64_t *shape, const tl_layout *layout,
                             tl_tensor **out, tl_error *err);
/* The same over memory of the caller's, which must outlive the bank; host backends only; never written unless writable. Plain types lie
 * at multiples of their size, block types anywhere. */
TL_API tl_status tl_bank_wrap(tl_bank *b, const char *name, tl_dtype dtype, int rank, const int64_t *shape, const void *data, bool writable,
                              tl_tensor **out, tl_error *err);
/* A weight whose rows lie as stored at data: packed as the backend wants it for its uses (a mask of TL_USE_*), else wrapped where it lies,
 * as if by tl_bank_wrap. The same bits either way, but products with packed rows are faster. */
TL_API tl_status tl_bank_weight(tl_bank *b, const char *name, tl_dtype dtype, int rank, const int64_t *shape, const void *data,
                                unsigned uses, tl_tensor **out, tl_error *err);
enum { TL_USE_LINEAR = 1, TL_USE_EMBED = 2, TL_USE_OTHER = 4 };
/* Rows row0 <= r < row1 of a tensor that was added with a layout, given as stored at data (row row0 first), are packed by all threads of the
 * backend. row0 is a multiple of the layout's group, row1 too or the end. */
TL_API void tl_bank_pack(tl_bank *b, tl_tensor *t, int64_t row0, int64_t row1, const void *data);
/* A tensor without memory, for forecasts: graphs may be built and forecast on it, not run. */
TL_API tl_status tl_bank_declare(tl_bank *b, const char *name, tl_dtype dtype, int rank, const int64_t *shape, const tl_layout *layout,
                                 tl_tensor **out, tl_error *err);
/* By name; NULL where absent. */
TL_API tl_tensor *tl_bank_find(const tl_bank *b, const char *name);
TL_API int tl_bank_count(const tl_bank *b);
TL_API tl_tensor *tl_bank_tensor(const tl_bank *b, int i);
/* Bytes of the bank's tensors: allocated or declared; wrapped memory apart. */
TL_API uint64_t tl_bank_bytes(const tl_bank *b); /* of a declared bank, too: more than a machine of 32 bits can hold */

/* ---- plans ------------------------------------------------------------------------------------------------------------- */

typedef struct tl_plan_options {
    bool no_reuse; /* every node keeps memory of its own */
    bool no_fuse;  /* one step a node */
    bool profile;  /* time each step: tl_plan_profile */
    /* Called on the running thread after each node has its value, in order, with the rows that are valid now; implies no_fuse. The
     * backend is busy meanwhile: a run of any plan on it from in here, or the loading of a model, would wait forever. It may read and
     * cancel; the run goes by what was checked before it: no size is set, no tensor written, nothing freed. */
    void (*probe)(void *ctx, const tl_plan *p, const tl_tensor *node);
    void *probe_ctx;
} tl_plan_options;

typedef struct tl_plan_memory {
    size_t activations; /* nodes, inputs, outputs, scratch of steps */
    size_t no_reuse;    /* what activations would be without reuse; SIZE_MAX: no size */
    size_t workers;     /* scratch of all workers */
    size_t total;       /* activations + workers */
} tl_plan_memory;

typedef struct tl_plan_profile_row {
    const char *op, *kernel, *node; /* node: name of the last node of the step, or "" */
    int tiles;                      /* in the last run */
    double seconds;                 /* summed over runs */
    tl_cost cost;                   /* summed over runs */
} tl_plan_profile_row;

/* Plans what outputs and state writes of g need, in build order. options NULL: defaults. The graph must outlive the plan; one
 * live plan a graph. */
TL_API tl_status tl_plan_new(tl_plan **p, tl_graph *g, tl_backend *be, const tl_plan_options *options, tl_error *err);
TL_API void tl_plan_free(tl_plan *p);
/* What tl_plan_new would allocate, to the byte, without allocating it. */
TL_API tl_status tl_plan_forecast(tl_graph *g, tl_backend *be, const tl_plan_options *options, tl_plan_memory *out, tl_error *err);
/* The current value of a named size, 0 .. its maximum (its value at first). */
TL_API tl_status tl_plan_set(tl_plan *p, const char *size, int64_t value, tl_error *err);
/* Checks ids and spans that inputs hold, then computes everything. A run that fails (TL_ERR_RANGE, TL_CANCELLED) may have
 * written states in part. */
TL_API tl_status tl_plan_run(tl_plan *p, tl_error *err);
/* Ends a run in progress soon (checked at every tile); it returns TL_CANCELLED. Safe from any thread or signal handler. Without a
 * run in progress the next one is cancelled; tl_plan_resume takes it back. A run that fails otherwise has used a cancel up. */
TL_API void tl_plan_cancel(tl_plan *p);
TL_API void tl_plan_resume(tl_plan *p);
/* The 32-bit word that tl_plan_cancel sets to 1, for one that shares this memory but cannot call into it: a page's script beside a
 * WebAssembly worker. Lives as long as the plan. */
TL_API void *tl_plan_cancel_word(tl_plan *p);
TL_API tl_plan_memory tl_plan_memory_of(const tl_plan *p);
/* Steps with op, kernel, tiles, bytes, operations. */
TL_API tl_status tl_plan_print(const tl_plan *p, tl_sink sink, void *ctx);
/* Rows of the profile so far (one a step), owned by the plan until the next call; 0 rows without options.profile. */
TL_API int tl_plan_profile(const tl_plan *p, const tl_plan_profile_row **rows);
TL_API void tl_plan_profile_reset(tl_plan *p);
/* Profiles the runs from now on, or no longer; what was summed so far stays, and is to be read while profiling. */
TL_API void tl_plan_profile_on(tl_plan *p, bool on);

/* ---- for backends: the plan seen from inside ------------------------------------------------------------------------------ */

/* What a step is, for prints and profiles; filled by a backend's compile through tl_plan_add_step. The functions of this section are
 * called by backends with what they were given: unlike all others they do not check for NULL. */
typedef struct tl_plan_step {
    const tl_tensor *node; /* the (last) node it computes, or the one it prepares for */
    const char *op, *kernel;
    int64_t max_tiles;
    tl_cost cost;   /* at the maximum sizes */
    double seconds; /* profile: summed */
    tl_cost done;   /* profile: summed */
    int64_t tiles;  /* of the last run */
} tl_plan_step;

typedef struct tl_life {
    int first, last;
    int interval;
} tl_life; /* node times; interval: number in the layout, -1: external */

struct tl_plan {
    tl_graph *graph;
    tl_backend *backend;
    tl_plan_options options;
    tl_tensor **nodes; /* live computing nodes (no views), in order: time t is nodes[t] */
    int n_nodes;
    tl_life *life;    /* by node id: of roots of the graph */
    int64_t *current; /* by size number (1-based): its value now */
    tl_plan_step *steps;
    int n_steps;
    bool ran;                     /* a run has begun: outputs have values */
    void *impl;                   /* the backend's program */
    struct tl_plan_private *priv; /* the planner's own */
};

/* Asks for scratch of the plan's own that lives from time first to last; returns a handle, or -1 when out of memory. Only during
 * compile. */
TL_API int tl_plan_scratch(tl_plan *p, size_t bytes, int first, int last);
/* The address behind a handle, 64-byte aligned; only after layout. */
TL_API void *tl_plan_address(const tl_plan *p, int handle);
/* Keeps t's memory until time `last` at least. Only during compile. */
TL_API void tl_plan_extend(tl_plan *p, const tl_tensor *t, int last);
/* Time of a node in this plan, -1 where it is not computed. */
TL_API int tl_plan_time(const tl_plan *p, const tl_tensor *t);
/* How many plan nodes read t (through views too), outputs counted as one more. */
TL_API int tl_plan_readers(const tl_plan *p, const tl_tensor *t);
/* Whether the plan writes the memory of t, which is a state then. */
TL_API bool tl_plan_writes(const tl_plan *p, const tl_tensor *t);
/* Marks t as never stored: fused away. Only during compile. */
TL_API void tl_plan_elide(tl_plan *p, const tl_tensor *t);
/* Appends a step; returns its number or -1 when out of memory. Only during compile. */
TL_API int tl_plan_add_step(tl_plan *p, const tl_tensor *node, const char *op, const char *kernel, int64_t max_tiles, const tl_cost *cost);
/* Sets the scratch that a worker needs and their number, for forecasts. Only during compile. */
TL_API void tl_plan_workers(tl_plan *p, int workers, size_t bytes_each);
/* Worker w's scratch, 64-byte aligned; only after layout. */
TL_API void *tl_plan_worker(const tl_plan *p, int w);
/* Runs the check of a node whose integer operands are computed in this plan (others were checked before the run). */
TL_API tl_status tl_plan_check_late(const tl_plan *p, const tl_tensor *node, tl_error *err);
/* Now: the current extent of axis 0, and current rows, of t. */
TL_API int64_t tl_plan_dim0(const tl_plan *p, const tl_tensor *t);
TL_API int64_t tl_plan_rows(const tl_plan *p, const tl_tensor *t);
/* Work rows of a node now (of its output, or of source rows_of - 1). */
TL_API int64_t tl_plan_work(const tl_plan *p, const tl_tensor *node);
/* True once tl_plan_cancel was called: ask at every tile. */
TL_API bool tl_plan_cancelled(const tl_plan *p);

/* ---- for backends: what one provides ---------------------------------------------------------------------------------------- */

/* What a machine does at most, as a backend's threads measure it, for profiles and benches to compare with: bytes and operations (a
 * multiply-add is 2) a second. */
typedef struct tl_peaks {
    double read;  /* bytes: reading memory from one end to the other */
    double triad; /* bytes: y = a + factor * b, two arrays read and one written */
    double apart; /* operations on f32, each rounded on its own: f32 and bf16 products, norms, elementwise */
    double exact; /* operations on f32 where products are exact and may be fused: f16 weights, attention over f16 */
    double int8;  /* operations of products of 4 bits by 8, summed exactly: quantised weights */
} tl_peaks;

typedef struct tl_backend_ops {
    const char *name, *help;
    bool own_bits; /* its results are outside the promise of the same bits everywhere */
    tl_status (*open)(tl_backend *be, const char *options, tl_error *err); /* options: "isa=avx2,threads=4" or "" */
    void (*close)(tl_backend *be);
    tl_status (*alloc)(tl_backend *be, size_t bytes, tl_buffer *out); /* zeroed, 64-byte aligned */
    void (*free)(tl_backend *be, tl_buffer *b);
    /* NULL: host memory. */
    tl_status (*write)(tl_backend *be, tl_buffer *b, size_t offset, const void *data, size_t bytes);
    tl_status (*read)(tl_backend *be, const tl_buffer *b, size_t offset, void *data, size_t bytes);
    /* The layout in which the backend wants a weight of this type, shape and TL_USE_ mask; NULL: as stored. */
    const tl_layout *(*layout)(tl_backend *be, const tl_tensor *weight, unsigned uses);
    /* Calls fn for every tile 0 .. tiles - 1 on the backend's threads: for packing. NULL: the caller loops. */
    void (*parallel)(tl_backend *be, void (*fn)(void *arg, int64_t tile), void *arg, int64_t tiles);
    /* NULL: runs it; else the reason why not. */
    const char *(*reject)(tl_backend *be, const tl_tensor *node);
    tl_status (*compile)(tl_backend *be, tl_plan *p, tl_error *err);
    void (*drop)(tl_backend *be, tl_plan *p); /* frees what compile made */
    tl_status (*run)(tl_backend *be, tl_plan *p, tl_error *err);
    tl_status (*poll)(tl_backend *be, tl_plan *p); /* NULL: run returns when done */
    /* A sentence for info and bench: level, threads. */
    const char *(*describe)(tl_backend *be);
    int (*threads)(tl_backend *be);
    /* Measures what it can do at most; NULL: not known. */
    tl_status (*peaks)(tl_backend *be, tl_peaks *out, tl_error *err);
} tl_backend_ops;

struct tl_backend { /* made by tl_backend_open of backends/backend.h */
    const tl_backend_ops *ops;
    void *impl;
    char *spec;
    void *lock; /* runs queue on it */
};

#ifdef __cplusplus
}
#endif
#endif
