/* bench.h: what the parts of `llama bench` share: lists of parameters, a test, its result, the printers. */
#ifndef TOOLS_BENCH_H
#define TOOLS_BENCH_H

#include "tools/load.h"
#include "tools/report.h"

enum { LIST_MAX = 64 };
typedef struct IntList {
    int64_t v[LIST_MAX];
    int n;
} IntList;
typedef struct PairList {
    int64_t prompt[LIST_MAX], gen[LIST_MAX];
    int n;
} PairList;

/* "1,2,4", "128-512+128", "1-8*2", and these joined by commas, each value lo .. hi. False: malformed, or more than LIST_MAX values. */
bool parse_int_list(const char *text, int64_t lo, int64_t hi, IntList *list);
/* "512,128" or "512,128;1024,16". */
bool parse_pair_list(const char *text, int64_t lo, int64_t hi, PairList *list);

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
    char time[24];
} BenchResult;

double bench_mean(const double *v, int n);
double bench_deviation(const double *v, int n); /* of a sample: by n - 1 */

/* Runs a test: once with a profile to know what it moves, once to warm up and to compare, then the timed ones. r->samples and
 * r->rates have room for the repetitions. Returns 0 or an exit code after a message. */
int bench_measure(Engine *e, const Settings *s, const BenchTest *test, BenchResult *r);

/* Prints results one by one, in the format of the settings. */
typedef struct BenchPrinter {
    const Settings *settings;
    Json json;
    bool batch, ubatch, types; /* columns that vary */
    int printed;
} BenchPrinter;

void bench_print_start(BenchPrinter *p);
void bench_print(BenchPrinter *p, const Engine *e, const BenchResult *r);
void bench_print_end(BenchPrinter *p);

#endif
