/* cpu.h: the cpu backend from inside. A compiled plan is a *program*: steps in order, each cut into tiles that the pool runs. lower.c
 * makes steps of nodes, exec.c runs them; drivers by family (rows.c, copy.c, linear.c, attention.c, reference.c) know how a step is cut
 * and what a tile does, and call kernels through the level's table. The ref backend is the same machine with reference steps only,
 * the blas backend with other drivers for some steps. */
#ifndef TALLY_CPU_H
#define TALLY_CPU_H

#include "backends/cpu/kernels.h"
#include "tensor/pool.h"
#include "tensor/tensor.h"

/* How x is prepared for a linear layer. */
typedef enum cpu_prep { PREP_NONE, PREP_X32, PREP_X256, PREP_X13, N_PREPS } cpu_prep;

typedef struct tl_cpu {
    tl_pool *pool;
    int threads;
    int tile;       /* least operations of a tile, as far as rows allow; tests take 1, so that small work is cut too */
    bool reference; /* the ref backend */
    bool pack;      /* weights are wanted packed */
    const tl_level *level;
    tl_kernels kernels;
    tl_kernel_names names;
    char attention[2][TL_KERNEL_NAME]; /* of the steps that attention.c runs, with keys of f32 and of f16 */
    /* The blas backend, by what linear does to x here: rows of x from which on BLAS multiplies, 0: never. It reads x as it is, so such
     * an x is stored, too, where this backend would compute it inside prep. */
    int blas_rows[N_PREPS];
    char text[128];
} tl_cpu;

typedef struct cpu_step cpu_step;

/* A run as a tile sees it. */
typedef struct cpu_run {
    const tl_cpu *cpu;
    const tl_plan *plan;
} cpu_run;

/* What a family of steps can do. */
typedef struct cpu_driver {
    const char *name;
    int64_t (*tiles)(const cpu_step *s, const cpu_run *r);                         /* now; 0: nothing to do */
    void (*run)(const cpu_step *s, const cpu_run *r, int64_t tile, void *scratch); /* scratch: this worker's */
} cpu_driver;

struct cpu_step {
    const cpu_driver *driver;
    const char *kernel;        /* for prints */
    const tl_tensor *node;     /* whose memory is written (prep: the node that x is, perhaps elided) */
    const tl_tensor *linear;   /* linear: the linear node (node is the add after it where that was fused) */
    const tl_tensor *residual; /* linear: added last, or NULL */
    cpu_prep prep;             /* prep, linear: kind */
    int buffer;                /* prep, linear: plan scratch that holds prepared rows; attention: parts of one query; -1: none */
    size_t prep_row;           /* bytes a prepared row */
    bool produce;              /* prep: x was elided, its row is computed here */
    const void *address;       /* of buffer, found at the first run */
};

typedef struct cpu_program {
    cpu_step *steps;
    int n, cap;
    size_t scratch; /* that a worker needs */
} cpu_program;

extern const cpu_driver tl_cpu_driver_reference, tl_cpu_driver_rows, tl_cpu_driver_copy, tl_cpu_driver_prep, tl_cpu_driver_linear,
    tl_cpu_driver_attention, tl_cpu_driver_split, tl_cpu_driver_join;

/* cpu.c: the name of a slot's kernel (entry: of a slot with one a type); the level's own name where there is no such slot. */
const char *tl_cpu_kernel_name(const tl_cpu *cpu, const char *slot, int entry);
/* lower.c */
tl_status tl_cpu_compile(tl_backend *be, tl_plan *p, tl_error *err);
void tl_cpu_drop(tl_backend *be, tl_plan *p);
/* exec.c: what a step costs in a run at the current sizes; the run. */
tl_cost tl_cpu_step_cost(const cpu_step *s, const tl_plan *p);
tl_status tl_cpu_run(tl_backend *be, tl_plan *p, tl_error *err);
/* rows.c: whether node has a row kernel and its operands suit it; one row of it into dst. */
bool tl_cpu_rows_fit(const tl_tensor *node);
void tl_cpu_row(const tl_cpu *cpu, const tl_tensor *node, int64_t row, float *dst);
/* copy.c: whether node is an op of that driver. */
bool tl_cpu_copy_fits(const tl_tensor *node);
const char *tl_cpu_copy_kernel(const tl_cpu *cpu, const tl_tensor *node); /* for prints */
/* linear.c */
cpu_prep tl_cpu_prep_of(tl_dtype weight);
size_t tl_cpu_prep_bytes(cpu_prep kind, int64_t k);
tl_fn_arrange tl_cpu_arrange_of(const tl_kernels *f, cpu_prep kind);        /* NULL: rows of this kind stay as they are */
const char *tl_cpu_linear_slot(const tl_cpu *cpu, const tl_tensor *linear); /* of the product that takes most rows of x at their maximum */
size_t tl_cpu_prep_scratch(const tl_cpu *cpu, const tl_tensor *x, cpu_prep kind, bool produce);
size_t tl_cpu_linear_scratch(const tl_cpu *cpu, const tl_tensor *linear);
bool tl_cpu_linear_fits(const tl_cpu *cpu, const tl_tensor *linear);
/* attention.c */
size_t tl_cpu_attention_scratch(const tl_tensor *node);
bool tl_cpu_attention_fits(const tl_tensor *node);
size_t tl_cpu_attention_parts(const tl_cpu *cpu,
                              const tl_tensor *node); /* plan scratch that lets one query be cut over its keys; 0: no use */
/* pack.c: the packed layout of a weight type; NULL: there is none. */
const tl_layout *tl_cpu_layout_of(tl_dtype t);

/* reference.c: what `rows` work rows of a node cost; without an op's word on it, the bytes of all operands. */
tl_cost tl_cpu_cost(const tl_tensor *node, int64_t rows);
/* reference.c: a step cut by that cost: its tiles now, and the work rows of one. */
int64_t tl_cpu_tiles(const cpu_step *s, const cpu_run *r);
void tl_cpu_tile(const cpu_step *s, const cpu_run *r, int64_t tile, int64_t *row0, int64_t *row1);

/* cpu.c, shared with ref and blas */
tl_status tl_cpu_open(tl_backend *be, const char *options, bool reference, tl_error *err);
void tl_cpu_close(tl_backend *be);
tl_status tl_cpu_alloc(tl_backend *be, size_t bytes, tl_buffer *out);
void tl_cpu_free(tl_backend *be, tl_buffer *b);
void tl_cpu_parallel(tl_backend *be, void (*fn)(void *arg, int64_t tile), void *arg, int64_t tiles);
const char *tl_cpu_describe(tl_backend *be);
int tl_cpu_threads(tl_backend *be);
/* peaks.c */
tl_status tl_cpu_peaks(tl_backend *be, tl_peaks *out, tl_error *err);
const tl_layout *tl_cpu_layout(tl_backend *be, const tl_tensor *weight, unsigned uses);

/* Rows a tile, 1 .. rows, so that `rows` rows of `work` operations each make tiles worth waking a thread for. */
int64_t tl_cpu_tile_rows(const tl_cpu *cpu, int64_t rows, double work);

#endif
