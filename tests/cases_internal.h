/* cases_internal.h: the frame behind cases.h: the list of cases, one case built on one backend, and its results step by step. Who writes
 * cases needs only cases.h; this is for cases.c, cases_env.c, cases_fill.c,
 * cases_run.c and the programs on top of them. */
#ifndef TALLY_TESTS_CASES_INTERNAL_H
#define TALLY_TESTS_CASES_INTERNAL_H

#include "tests/cases.h"

typedef struct case_item {
    char *name;
    int op; /* row of ops.def that demanded it */
    void (*build)(case_env *e);
    void *params;
} case_item;

struct case_list {
    case_item *items;
    int n, room;
    int op;            /* while collecting: the row at work */
    const char *error; /* the first thing wrong with the list itself, or NULL */
};

/* Calls cases_NAME of every row of ops.def. False: l->error says why. */
bool cases_collect(case_list *l);
void cases_drop(case_list *l);

/* ---- generated data (cases_fill.c) ---- */

uint64_t case_hash(uint64_t h, const void *data, size_t bytes); /* FNV-1a, continued from h */
#define CASE_HASH_START 0xCBF29CE484222325u
uint64_t case_random(uint64_t *state); /* splitmix64 */
/* n elements of dtype in rows of `row`; false: the type has no generator, or memory is out. */
bool case_generate(tl_dtype dtype, void *dst, int64_t n, int64_t row, case_fill fill, uint64_t seed);
/* Every NaN of n elements becomes the one NaN that counts: 0x7FC00000 and its like; in blocks, scales that are NaN. */
void case_canonical(tl_dtype dtype, void *data, int64_t n);

/* ---- a case on a backend (cases_env.c) ---- */

enum { CASE_MAX_TENSORS = 80, CASE_MAX_STEPS = 7, CASE_MAX_TRAIL = 1024, CASE_WHY = 1024 };

typedef struct case_slot {
    tl_tensor *t;
    uint8_t *data;
    size_t bytes;
} case_slot; /* data: what it holds at first */

typedef struct case_live {
    case_env env; /* first: build gets its address */
    const case_item *item;
    tl_bank *bank;
    bool pack;   /* give weights the layout that the backend wants */
    bool packed; /* some weight has one */
    case_slot inputs[CASE_MAX_TENSORS], states[CASE_MAX_TENSORS];
    tl_tensor *outputs[CASE_MAX_TENSORS];
    int n_inputs, n_states, n_outputs;
    char why[CASE_WHY];
} case_live;

/* Builds the case; false: c->why. Close it in either case, after its plans. */
bool case_open(case_live *c, const case_item *item, tl_backend *be, bool pack);
void case_close(case_live *c);

/* ---- running (cases_run.c) ---- */

typedef struct case_part {
    char name[48];
    tl_dtype dtype;
    size_t offset, bytes;
    const tl_tensor *of;     /* while its case is open */
} case_part;                 /* an output or a state */
typedef struct case_result { /* of one step */
    tl_status status;
    uint8_t *data; /* canonical values of the parts: outputs' current rows, whole states */
    size_t bytes;
    case_part parts[2 * CASE_MAX_TENSORS];
    int n_parts;
} case_result;

/* What a probe saw over all steps: a digest of each computed node's current rows. Unpacks do not count: only packed weights need them. */
typedef struct case_trail {
    uint64_t digest[CASE_MAX_TRAIL];
    const tl_tensor *node[CASE_MAX_TRAIL]; /* while its case is open */
    int n;
} case_trail;

/* Steps of a case: without sizes one; else each size at its maximum, at 1, between, 0, and again its maximum; with several sizes also
 * unequal ones. */
int case_steps(const tl_graph *g);
/* Runs step `step`: sizes set, states as at first, inputs written (rows past the current ones as garbage) unless `again`, outputs filled
 * with garbage. False: c->why, where something else went wrong than a refusal by the run (r->status). */
bool case_step(case_live *c, tl_plan *p, int step, bool again, case_result *r);
void case_result_drop(case_result *r);
/* Equal bits? Else why (CASE_WHY bytes) names part, first differing index and both values in hex. */
bool case_equal(const case_result *want, const case_result *got, char *why);

/* The results of all steps on ref: what everything else is held to. */
typedef struct case_expected {
    case_result step[CASE_MAX_STEPS];
    int steps;
    case_trail trail;
} case_expected;
bool case_expect(case_expected *x, const case_item *item, tl_backend *ref, char *why);
void case_expected_drop(case_expected *x);
/* The ways in which a plan can run; the probed one is the last. */
enum { CASE_WAYS = 5 };
typedef struct case_way {
    const char *name;
    tl_plan_options options;
    bool probed;
} case_way;
extern const case_way case_ways[CASE_WAYS];
/* Plans with options, runs every step twice, compares. `probed`: once, with a probe, and the trail is compared too. */
bool case_compare(case_live *c, const case_expected *x, const tl_plan_options *options, bool probed, char *why);

#endif
