/* cases.h: the case list of every op, written once and used by check_backends (bits against ref), by the golden digests and by benches.
 *
 * A row of ops.def demands a function `void cases_NAME(case_list *l)` (tests/cases_FAMILY.c) that adds its cases. A case builds a small
 * graph through a case_env, which makes inputs, weights and states with generated data: integers from a fixed generator, so that every
 * platform sees the same bits. */
#ifndef TALLY_TESTS_CASES_H
#define TALLY_TESTS_CASES_H

#include "backends/backend.h"
#include "ops/ops.h"
#include "tensor/tensor.h"

typedef enum case_fill {
    FILL_NORMAL,  /* about [-2, 2], varied */
    FILL_WIDE,    /* exponents over 2^-20 .. 2^20, both signs */
    FILL_CANCEL,  /* large values of alternating sign that nearly cancel */
    FILL_TIES,    /* many equal values, small integers and halves */
    FILL_TINY,    /* around 2^-100 +- ulps, denormals, +-0 */
    FILL_SPECIAL, /* NORMAL with a few inf, -inf, NaN, FLT_MAX, -0 */
    FILL_FINITE,  /* SPECIAL without NaN and inf */
    FILL_ZERO,
    FILL_ONES,
    FILL_EQUAL,   /* rows of one value each */
    FILL_SPARSE,  /* zeros of both signs, one value in five */
    FILL_REACH,   /* all exponents of finite f32 but the outermost */
    FILL_BENDS,   /* sixteenths up to +-125, the ends of exp and the cut of attention, and some ulps */
    FILL_STEPS,   /* beside the ties of a row quantised to int8 blocks */
    FILL_HALFWAY, /* beside the midpoints of f16, bf16 and 13 bits */
    FILL_BITS     /* any bits, also of block types */
} case_fill;

typedef struct case_env case_env;
typedef struct case_list case_list;

/* What build may use: */
struct case_env {
    tl_graph *g;
    tl_backend *backend;
    const void *params; /* the case's own, as given to case_add */
};
/* An input [shape] filled by pattern; integers dtypes are filled with values lo .. hi by case_ints. */
tl_tensor *case_input(case_env *e, const char *name, tl_dtype dtype, int rank, const int64_t *shape, case_fill fill);
tl_tensor *case_ints(case_env *e, const char *name, int rank, const int64_t *shape, int32_t lo, int32_t hi);
/* An i32 input with given values (count of the shape at its maximum). */
tl_tensor *case_values(case_env *e, const char *name, int rank, const int64_t *shape, const int32_t *values);
/* A bank tensor: encoded from generated floats where the type has an encoder, else random block bytes with sane scales; FILL_SPECIAL: blocks with
 * extreme integers and scales (0x0001, negative, inf, NaN). uses: TL_USE_ mask; the backend's own layout is applied (packed). 0: as stored. */
tl_tensor *case_weight(case_env *e, const char *name, tl_dtype dtype, int rank, const int64_t *shape, case_fill fill, unsigned uses);
/* A bank tensor to be written by the graph; its content after the run is compared too. */
tl_tensor *case_state(case_env *e, const char *name, tl_dtype dtype, int rank, const int64_t *shape, case_fill fill);
/* Declares a size "n" with maximum max; the case runs with each of its current values: max, 1, and some between (0 too). */
int64_t case_size(case_env *e, const char *name, int64_t max);
/* Marks a result to be compared. */
void case_output(case_env *e, tl_tensor *t);

/* Adds a case; name like "rms_norm/w/576". params are copied (bytes may be 0). */
void case_add(case_list *l, const char *name, void (*build)(case_env *e), const void *params, size_t bytes);

#define TL_OP(ID, name, least, most, flags, work, writes, scratch, check, formula) void cases_##name(case_list *l);
#include "ops/ops.def"
#undef TL_OP

#endif
