/* ops.h: the ops and their builders. A builder records one node (or a few) in a graph and infers its shape; nothing runs.
 *
 * Rules for all of them:
 *   - A NULL graph, or one that has failed, gives NULL; the first message stays with the graph. In one that has not, a NULL operand is an
 *     error, unless it is optional.
 *   - [.., n] means any leading axes. A shape's first axis may vary (tl_size); results pass it on. Operands with different sizes do not
 *     broadcast against each other. A computed tensor whose axis 0 varies has rank 2 at least; ids, positions and spans may have rank 1.
 *   - Values are f32 unless said otherwise; ids and positions are i32.
 *   - An op whose rows must be dense gets a copy inserted by tl_node; a packed weight where an op cannot take it gets an unpack.
 *   - The reference of each op is the definition of its result, to the last bit (ARCHITECTURE.md, "Numerics"). */
#ifndef TALLY_OPS_H
#define TALLY_OPS_H

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum tl_op_id {
#define TL_OP(ID, name, least, most, flags, work, writes, scratch_fn, check_fn, formula) TL_OP_##ID,
#include "ops.def"
#undef TL_OP
    TL_N_OPS
};

/* The row of a built-in op; NULL out of range. */
TL_API const tl_op *tl_op_get(int id);
/* The builders' common path, also for a user's own op: as tl_graph_add, but first inserts copies of operands whose rows are not dense
 * (unless the op is TL_OP_STRIDED) and unpacks packed operands (unless TL_OP_PACKED takes them: source 1 of linear, 0 of embed). A
 * copy of the same view is made once. op must outlive the graph. */
TL_API tl_tensor *tl_node(tl_graph *g, const tl_op *op, int n_src, tl_tensor *const *src, const void *params, size_t params_bytes);

/* ---- views: no data moves; a varying axis 0 is kept whole ---------------------------------------------------------------------- */

/* Same elements in order. One length may be -1: what is left. Where x varies, shape[0] is its tagged size, its maximum or -1. A view
 * where strides allow, else of a copy. Block types keep their last axis. */
TL_API tl_tensor *tl_reshape(tl_graph *g, tl_tensor *x, int rank, const int64_t *shape);
/* y.shape[i] = x.shape[axes[i]]. Block types and varying tensors keep the last / first axis where it is. */
TL_API tl_tensor *tl_permute(tl_graph *g, tl_tensor *x, const int *axes);
/* Elements start, start + step, ... (length of them) along axis (negative: from the end); step >= 1. Whole blocks for block types. */
TL_API tl_tensor *tl_slice(tl_graph *g, tl_tensor *x, int axis, int64_t start, int64_t length, int64_t step);
/* NumPy broadcasting to shape: axes of length 1, and new leading ones, repeat by stride 0. */
TL_API tl_tensor *tl_broadcast(tl_graph *g, tl_tensor *x, int rank, const int64_t *shape);

/* ---- copies ------------------------------------------------------------------------------------------------------------------- */

TL_API tl_tensor *tl_contiguous(tl_graph *g, tl_tensor *x); /* any type; x itself where it is dense */
TL_API tl_tensor *tl_unpack(tl_graph *g, tl_tensor *x);     /* x itself where it has no layout */
/* Any type to f32, f32 to any type with an encoder; others go through f32. Same type: x itself. */
TL_API tl_tensor *tl_cast(tl_graph *g, tl_tensor *x, tl_dtype dtype);
/* 2 .. TL_MAX_SRC tensors of one type, equal but for the axis. Not along a varying axis. */
TL_API tl_tensor *tl_concat(tl_graph *g, tl_tensor *const *x, int n, int axis);

/* ---- elementwise, f32 ----------------------------------------------------------------------------------------------------------- */

/* a, b broadcast against each other (NumPy rules) -> the common shape. */
TL_API tl_tensor *tl_add(tl_graph *g, tl_tensor *a, tl_tensor *b);
TL_API tl_tensor *tl_sub(tl_graph *g, tl_tensor *a, tl_tensor *b);
TL_API tl_tensor *tl_mul(tl_graph *g, tl_tensor *a, tl_tensor *b);
TL_API tl_tensor *tl_div(tl_graph *g, tl_tensor *a, tl_tensor *b);
/* x [..] -> [..] */
TL_API tl_tensor *tl_scale(tl_graph *g, tl_tensor *x, float factor);
TL_API tl_tensor *tl_clamp(tl_graph *g, tl_tensor *x, float low, float high);
TL_API tl_tensor *tl_neg(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_abs(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_sqr(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_sqrt(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_exp(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_log(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_sin(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_cos(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_tanh(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_sigmoid(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_relu(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_silu(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_gelu(tl_graph *g, tl_tensor *x);     /* the tanh form */
TL_API tl_tensor *tl_gelu_erf(tl_graph *g, tl_tensor *x); /* the exact form */
/* gate [..], up [..], equal shapes -> [..] */
TL_API tl_tensor *tl_swiglu(tl_graph *g, tl_tensor *gate, tl_tensor *up);
TL_API tl_tensor *tl_geglu(tl_graph *g, tl_tensor *gate, tl_tensor *up);

/* ---- along the last axis ---------------------------------------------------------------------------------------------------------- */

/* x [.., n] -> [.., 1] */
TL_API tl_tensor *tl_sum(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_mean(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_max(tl_graph *g, tl_tensor *x);
TL_API tl_tensor *tl_argmax(tl_graph *g, tl_tensor *x); /* i32 */
/* x [.., n], 1 <= k <= n -> *values [.., k] f32 and *ids [.., k] i32; either pointer may be NULL. Gives back *ids, or *values. */
TL_API tl_tensor *tl_topk(tl_graph *g, tl_tensor *x, int64_t k, tl_tensor **values, tl_tensor **ids);
/* x [.., n], w [n] or NULL -> [.., n]. w of any float type. */
TL_API tl_tensor *tl_rms_norm(tl_graph *g, tl_tensor *x, tl_tensor *w, float eps);
TL_API tl_tensor *tl_layer_norm(tl_graph *g, tl_tensor *x, tl_tensor *w, tl_tensor *b, float eps);
/* x [.., n], mask broadcastable to x or NULL -> [.., n]. A row that is -inf throughout gives NaN. */
TL_API tl_tensor *tl_softmax(tl_graph *g, tl_tensor *x, tl_tensor *mask, float scale);

/* ---- rotary positions ---------------------------------------------------------------------------------------------------------------- */

typedef enum tl_rope_scaling { TL_ROPE_NONE, TL_ROPE_LINEAR, TL_ROPE_YARN, TL_ROPE_LLAMA3 } tl_rope_scaling;
typedef struct tl_rope_config {
    double base; /* 10000 */
    int dims;    /* rotated dims, even; pairs = dims / 2 */
    tl_rope_scaling scaling;
    double factor;                                        /* linear, yarn, llama3: how many times longer than trained */
    double original_ctx;                                  /* yarn, llama3 */
    double beta_fast, beta_slow, attn_factor, ext_factor; /* yarn: 32, 1, 1, 1 */
    double low_freq, high_freq;                           /* llama3: 1, 4 */
    const float *factors;                                 /* NULL, or [pairs]: divides the frequency (rope_freqs.weight) */
} tl_rope_config;
TL_API tl_rope_config tl_rope_defaults(int dims);
/* Frequencies [dims / 2] and magnitude of a configuration, in double by arithmetic of our own: same bits everywhere. */
TL_API tl_status tl_rope_freqs(const tl_rope_config *c, double *freq, double *magnitude, tl_error *err);
/* pos [n] i32, or [n, sections] with section [pairs] naming the column of each pair -> [n, pairs, 2] (cos, sin). freq is copied. */
TL_API tl_tensor *tl_rope_angles(tl_graph *g, tl_tensor *pos, int pairs, const double *freq, double magnitude, const int *section);
typedef enum tl_rope_mode { TL_ROPE_INTERLEAVED, TL_ROPE_HALVES } tl_rope_mode;
/* x [n, h, d], angles [n, pairs, 2], 2 pairs <= d -> [n, h, d]. Pair p is (2p, 2p + 1) or (p, p + pairs); dims from 2 pairs on stay. */
TL_API tl_tensor *tl_rope(tl_graph *g, tl_tensor *x, tl_tensor *angles, tl_rope_mode mode);

/* ---- products ------------------------------------------------------------------------------------------------------------------ */

/* x [.., k], w [n, k] (any float or block type, packed or not), bias [n] f32 or NULL -> [.., n]. */
TL_API tl_tensor *tl_linear(tl_graph *g, tl_tensor *x, tl_tensor *w, tl_tensor *bias);
/* a [.., m, k] f32, b [.., k, n] f32, f16 or bf16; leading axes broadcast -> [.., m, n]. */
TL_API tl_tensor *tl_matmul(tl_graph *g, tl_tensor *a, tl_tensor *b);

/* q [n, h, d] f32; k [rows, hk, d], v [rows, hk, dv] both f32 or both f16, h a multiple of hk; span [n, 3] i32: sequence, first key, end
 * -> [n, h, dv]. Query i sees keys first <= t < end of its sequence. Key t of sequence s lies in row t, or with pages [s, p] i32 in row
 * pages[s][t / 64] * 64 + t % 64. score = dot * scale; cap > 0: cap * tanh(score / cap); bias [n or 1, h or 1, T] adds bias[.., t];
 * sinks [h] join the denominator. No visible key gives zeros. Optional: pages, bias, sinks. */
TL_API tl_tensor *tl_attention(tl_graph *g, tl_tensor *q, tl_tensor *k, tl_tensor *v, tl_tensor *span, tl_tensor *pages, tl_tensor *bias,
                               tl_tensor *sinks, float scale, float cap);
enum { TL_ATTENTION_CHUNK = 256, TL_ATTENTION_PAGE = 64 };

/* ---- rows by number ------------------------------------------------------------------------------------------------------------ */

/* table [v, d] of any type (packed or not), ids [..] -> [.., d] f32. Ids out of range refuse the run. */
TL_API tl_tensor *tl_embed(tl_graph *g, tl_tensor *table, tl_tensor *ids);
/* x [r, ..] of any type, ids [..] -> the axes of ids, then those of x behind its first, same type. */
TL_API tl_tensor *tl_gather(tl_graph *g, tl_tensor *x, tl_tensor *ids);
/* state [r, ..] (a bank tensor or a view of one; f32 or a type with an encoder), rows [n], x [n, ..] f32 or the state's type -> the state
 * after the write. Later ops use that handle. A row may be written once in a run: two equal row numbers refuse it, so that no order of
 * threads can matter. */
TL_API tl_tensor *tl_set_rows(tl_graph *g, tl_tensor *state, tl_tensor *rows, tl_tensor *x);
/* state [..] = x [..] (same shape; x f32 or the state's type) -> the state after the write. Of a view, a layer's part for
 * instance, that is the view: tl_latest gives the whole state. */
TL_API tl_tensor *tl_assign(tl_graph *g, tl_tensor *state, tl_tensor *x);

/* ---- parameters, as a backend sees them in tl_tensor.params -------------------------------------------------------------------- */

typedef struct tl_scale_params {
    float factor;
} tl_scale_params;
typedef struct tl_clamp_params {
    float low, high;
} tl_clamp_params;
typedef struct tl_norm_params {
    float eps;
} tl_norm_params;
typedef struct tl_softmax_params {
    float scale;
} tl_softmax_params;
typedef struct tl_topk_params {
    int64_t k;
    bool ids;
} tl_topk_params;
typedef struct tl_concat_params {
    int axis;
} tl_concat_params;
typedef struct tl_cast_params {
    tl_dtype dtype;
} tl_cast_params;
/* Also of broadcast. size: the named size that axis 0 follows, 0: as x. */
typedef struct tl_reshape_params {
    int rank, size;
    int64_t shape[TL_MAX_RANK];
} tl_reshape_params;
typedef struct tl_permute_params {
    int axes[TL_MAX_RANK];
} tl_permute_params;
typedef struct tl_slice_params {
    int axis;
    int64_t start, length, step;
} tl_slice_params;
/* freq_section: freq [pairs], then section [pairs]. C++ has no such arrays. */
#ifndef __cplusplus
typedef struct tl_rope_angles_params {
    int pairs;
    double magnitude;
    bool sectioned;
    double freq_section[];
} tl_rope_angles_params;
#endif
typedef struct tl_rope_params {
    tl_rope_mode mode;
} tl_rope_params;
typedef struct tl_attention_params {
    float scale, cap;
} tl_attention_params;

#ifdef __cplusplus
}
#endif
#endif
