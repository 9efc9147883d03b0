/* bench.h: what the parts of `llama bench` share: lists of parameters, a test, its result, the printers. */
#ifndef TOOLS_BENCH_H
#define TOOLS_BENCH_H

#include "tools/load.h"
#include "tools/record.h"

enum { BENCH_UNREAD = -1 }; /* in place of an exit code: nobody reads further results, so nothing is measured any more */

/* ---- lists (bench_lists.c): each call appends; the list is all zero at first ---- */

enum { LIST_MAX = 64, SPEC_MAX = 128 };
typedef struct IntList {
    int64_t v[LIST_MAX];
    int n;
} IntList;
typedef struct PairList {
    int64_t prompt[LIST_MAX], gen[LIST_MAX];
    int n;
} PairList;
typedef struct TypeList {
    tl_dtype v[LIST_MAX];
    int n;
} TypeList;
typedef struct SpecList {
    char v[LIST_MAX][SPEC_MAX];
    int n;
} SpecList;

/* "1,2,4", "128-512+128", "1-8*2", and these joined by commas, each value lo .. hi. False: malformed, or more than LIST_MAX values. */
bool parse_int_list(const char *text, int64_t lo, int64_t hi, IntList *list);
/* "512,128" or "512,128;1024,16". */
bool parse_pair_list(const char *text, int64_t lo, int64_t hi, PairList *list);
/* "f16,f32" */
bool parse_type_list(const char *text, TypeList *list);
/* "linear,rope"; backends: "scalar,cpu:isa=avx2,threads=2,ref", where a part KEY=VALUE belongs to the spec before it. */
bool parse_text_list(const char *text, bool specs, SpecList *list);

typedef struct Lists {
    IntList prompt, gen, depth, threads, batch, ubatch;
    PairList pairs;
    TypeList types, types_v;
    SpecList backends, ops; /* empty: not given */
} Lists;
/* All lists of the settings, with the defaults where one is not given. Returns 0 or an exit code after a message. */
int bench_read_lists(const Settings *s, Lists *l);

/* ---- tests of a model ---- */

typedef struct BenchTest {
    int64_t n_prompt, n_gen, n_depth, n_batch, n_ubatch;
    tl_dtype kv;
    int repetitions;
} BenchTest;

typedef struct BenchResult {
    BenchTest test;
    double *samples;      /* seconds, [repetitions] */
    double *rates;        /* tokens a second, the same */
    int n;                /* of them */
    double first_seconds; /* until the first row of logits, on average */
    double bytes, ops;    /* that one repetition moves and does; 0: not measured */
    double least;         /* seconds that these take at the machine's peaks, step by step; 0: not known */
    const char *bound;    /* by what: "memory", "compute", "" */
    char time[24];
} BenchResult;

double bench_mean(const double *v, int n);
double bench_deviation(const double *v, int n); /* of a sample: by n - 1 */

/* A context in which tests run one after the other: what one leaves in it, up to the next one's depth, is used again. */
typedef struct BenchRunner {
    Engine *engine;
    const Settings *settings;
    tl_peaks peaks;
    int32_t *ids;             /* the same sequence for every test, spread over the vocabulary */
    float *logits, *expected; /* [n_vocab] */
    double first_seconds;     /* of the last run */
} BenchRunner;

/* For tests of up to n tokens, depth included, and what else `like` says. engine is loaded. Returns 0 or an exit code after a message;
 * bench_stop in either case. */
int bench_start(BenchRunner *r, Engine *e, const Settings *s, const tl_peaks *peaks, int64_t n, const BenchTest *like);
void bench_stop(BenchRunner *r);
/* Runs a test: once with a profile to know what it moves, once to warm up and to compare, then the timed ones. result->samples and
 * ->rates have room for the repetitions. Returns 0 or an exit code after a message. */
int bench_measure(BenchRunner *r, const BenchTest *test, BenchResult *result);

/* ---- printing: results one by one ---- */

typedef struct BenchPrinter {
    RecordWriter writer;
    bool batch, ubatch, types; /* columns that vary */
} BenchPrinter;

BenchPrinter bench_printer(FILE *file, const char *format, const Lists *l);
void bench_print(BenchPrinter *p, const Engine *e, const Settings *s, const BenchResult *r);
void bench_print_end(BenchPrinter *p);
/* "cpu, level scalar, weights as stored" of "cpu, level scalar, 2 threads, weights as stored": threads are a column of their own. */
const char *bench_backend_name(tl_backend *be, char *text, size_t n);

/* ---- single ops (bench_ops.c) ---- */

int bench_ops(const Settings *s, const Lists *l);

#endif
