/* draw.h: random graphs of all ops, which check_graphs compares on all backends. A seed gives the same graph and the same data on every
 * backend, compiler and machine: both come from integers alone, and no expression draws twice, because compilers differ in which operand
 * or argument they evaluate first.
 *
 * A graph is drawn op by op. A row of ops.def demands a function `draw_op_NAME` (draw_rows.c, draw_products.c, draw_attention.c, draw_writes.c)
 * that draws operands for the op, new ones or results of before, and records it. What a graph may hold that a program could build by hand
 * belongs here; what the builders refuse does not: a graph that fails is a mistake of these files. */
#ifndef TALLY_TESTS_DRAW_H
#define TALLY_TESTS_DRAW_H

#include "tests/cases_internal.h"

/* The build function of a case whose params are its seed, a uint64_t. */
void draw_graph(case_env *e);
/* The case of *seed; name [DRAW_NAME] and *seed must outlive it. */
enum { DRAW_NAME = 40 };
case_item draw_item(uint64_t *seed, char *name);
/* Adds 1 for each op that a run of the case's graph computes: views that it reads count, too. counts [TL_N_OPS]. */
void draw_count(const tl_plan *p, const case_live *c, int64_t *counts);

/* ---- for draw*.c: a graph being drawn (draw.c) ---- */

enum { DRAW_POOL = 128, DRAW_LEAVES = 64, DRAW_OUTPUTS = 40 };

typedef struct drawing {
    case_env *e;
    tl_graph *g;
    uint64_t random;
    int nasty;        /* which data it may hold: 0 tame, 1 every finite value, 2 every value */
    bool even;        /* all of few shapes, so that operands fit each other and memory is used again */
    bool wide;        /* may hold long rows */
    int64_t n, n_max; /* a named size, as a length of shapes, and its maximum; 0: there is none */
    int64_t rows, widths[2];
    int64_t most; /* elements of a tensor */
    int64_t work; /* products of a node */
    struct {
        tl_tensor *t;
        bool used;
    } pool[DRAW_POOL]; /* results and inputs that later ops may read, of any type */
    int n_pool;
    tl_tensor *weights[DRAW_LEAVES], *states[DRAW_LEAVES];
    int n_weights, n_states, leaves;
} drawing;

uint64_t draw_bits(drawing *d);
int64_t draw_between(drawing *d, int64_t lo, int64_t hi);
bool draw_chance(drawing *d, int percent);
#define DRAW_ONE(d, list) (list)[draw_between(d, 0, (int64_t)(sizeof(list) / sizeof *(list)) - 1)]
/* An f32 of the pool, or a new one; often through views. */
tl_tensor *draw_operand(drawing *d);
/* Something of f32 that broadcasts to x: of x's shape where `whole`. */
tl_tensor *draw_partner(drawing *d, tl_tensor *x, bool whole);
/* A view of x, or x. */
tl_tensor *draw_view(drawing *d, tl_tensor *x);
/* Later ops may read t, where it is not too large. Gives back t. */
tl_tensor *draw_keep(drawing *d, tl_tensor *t);
/* No later op may read what lies in this state: it is written. */
void draw_forget(drawing *d, const tl_tensor *state);
/* The pool's member that fits, marked as read; NULL: none was found. */
tl_tensor *draw_found(drawing *d, bool (*fits)(const drawing *d, const tl_tensor *t, const void *like), const void *like);
/* Axis a of x as a length of shapes. */
int64_t draw_length(const drawing *d, const tl_tensor *x, int a);

/* ---- leaves (draw_leaves.c) ---- */

case_fill draw_fill(drawing *d);
int64_t draw_width(drawing *d);
int64_t draw_few(drawing *d);                   /* a small length, often 1 */
float draw_real(drawing *d);                    /* a parameter: may be NaN or infinite */
float draw_finite(drawing *d);                  /* one that may not */
tl_dtype draw_float(drawing *d);                /* f32, f16, bf16 */
tl_dtype draw_written(drawing *d, int64_t row); /* a type with an encoder for rows of that length */
tl_tensor *draw_new(drawing *d);                /* an f32 input of any shape */
tl_tensor *draw_input(drawing *d, tl_dtype dtype, int rank, const int64_t *shape);
tl_tensor *draw_ids(drawing *d, int rank, const int64_t *shape, int64_t lo, int64_t hi);
tl_tensor *draw_values(drawing *d, int rank, const int64_t *shape, const int32_t *values);
tl_tensor *draw_order(drawing *d, int64_t length, int64_t n, int64_t rows); /* i32 [length]: n different row numbers */
tl_tensor *draw_bank(drawing *d, tl_dtype dtype, int rank, const int64_t *shape, unsigned uses);
tl_tensor *draw_state(drawing *d, tl_dtype dtype, int rank, const int64_t *shape);
tl_tensor *draw_weight(drawing *d, int64_t k, int64_t most_rows); /* [n, k] of any float or block type */
tl_tensor *draw_weight_of(drawing *d, int64_t rows, int64_t k, unsigned uses);
tl_tensor *draw_vector(drawing *d, int64_t n); /* f32 [n] */

/* ---- ops ---- */

#define TL_OP(ID, name, least, most, flags, work, writes, scratch, check, formula) tl_tensor *draw_op_##name(drawing *d);
#include "ops/ops.def"
#undef TL_OP

#endif
