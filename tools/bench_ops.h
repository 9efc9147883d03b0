/* bench_ops.h: what the parts of `llama bench --ops` share: the shapes of a model, one op at one of them as a graph, its result. */
#ifndef TOOLS_BENCH_OPS_H
#define TOOLS_BENCH_OPS_H

#include "tools/bench.h"
#include "tools/profile.h"

/* ---- which ops at which shapes (bench_ops_cases.c) ---- */

typedef struct OpWeight {
    tl_dtype type;
    int64_t n, k; /* [n, k] */
} OpWeight;

enum { WEIGHTS_MAX = 64 };
typedef struct OpShapes {
    char name[160]; /* the model's */
    int64_t embd, heads, heads_kv, head_dim, ff, vocab;
    OpWeight linear[WEIGHTS_MAX], embed[WEIGHTS_MAX];
    int n_linear, n_embed;
} OpShapes;

/* Those of TinyLlama 1.1B, with weights of every type. */
void op_shapes_typical(OpShapes *s);
/* Those of a model file. Returns 0 or an exit code after a message. */
int op_shapes_of_model(OpShapes *s, const char *path, tl_backend *ref);

/* One op to measure. */
typedef struct OpCase {
    int op;        /* TL_OP_... */
    int64_t rows;  /* of the operands that vary: 1 when making tokens, more when reading a prompt */
    int64_t depth; /* attention: keys before the first query's own */
    tl_dtype type; /* of the weights or keys; TL_N_DTYPES: f32 alone */
    OpWeight weight;
    int copies; /* nodes with operands of their own, so that those are not found in the cache that the run before left */
} OpCase;

/* ---- a case as a graph (bench_ops_build.c) ---- */

typedef enum OpFill { FILL_FLOATS, FILL_POSITIVE, FILL_IDS, FILL_DISTINCT, FILL_POSITIONS, FILL_SPANS } OpFill;
enum { OP_INPUTS = 4 };
typedef struct OpInput {
    tl_tensor *t;
    OpFill fill;
    int32_t below; /* ids */
} OpInput;

typedef struct OpGraph {
    const OpShapes *shapes;
    const OpCase *c;
    tl_backend *be;
    tl_bank *bank;
    tl_graph *g;
    tl_plan *plan;
    int64_t n; /* the tagged length of operands that vary */
    OpInput input[OP_INPUTS];
    tl_tensor *first, *last; /* results: of the first copy and of the last */
    tl_error err;
} OpGraph;

/* How an op is measured; a row of a table. */
typedef struct OpRow {
    int op;
    tl_tensor *(*build)(OpGraph *b, int copy); /* the result, or for a state the tensor that holds it; NULL after an error */
    tl_tensor *(*unary)(tl_graph *g, tl_tensor *x);
    tl_tensor *(*binary)(tl_graph *g, tl_tensor *a, tl_tensor *b);
    enum { WIDE_EMBD, WIDE_FF, WIDE_VOCAB } wide; /* elements of a row, unary and binary */
    bool positive;                                /* values above 0 */
    bool whole;                                   /* rows of the result are not those of the operands: it is compared whole */
} OpRow;
/* NULL: a view, which moves nothing. */
const OpRow *op_row(int op);

/* Builds and plans the case, with a profile; op_graph_close in either case. */
tl_status op_graph_open(OpGraph *b, const OpShapes *shapes, const OpCase *c, tl_backend *be, int copies);
void op_graph_close(OpGraph *b);
/* Writes the inputs' rows row0 <= r < row0 + n as the first ones and sets n, which counts until the next call. */
tl_status op_graph_rows(OpGraph *b, int64_t row0, int64_t n);
/* "2048", "32000 x 2048": the weight, or what a row of the first operand is. */
const char *op_graph_shape(const OpGraph *b, char *text, size_t n);

/* ---- printing (bench_ops_print.c) ---- */

typedef struct OpResult {
    const char *kernel;
    double *samples; /* seconds a run, [repetitions] */
    int n;
    ProfileSum sum; /* of one run */
    char time[24];
} OpResult;

typedef struct OpPrinter {
    RecordWriter writer;
} OpPrinter;
OpPrinter op_printer(FILE *file, const char *format);
void op_print(OpPrinter *p, const OpGraph *b, const tl_peaks *peaks, const OpResult *r);
void op_print_end(OpPrinter *p);

#endif
