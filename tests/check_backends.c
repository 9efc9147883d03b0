/* check_backends.c: every case of every op, on every backend that opens here, against ref with one thread: bits must be equal (NaN is
 * NaN) for 1, 2, 3 and 7 threads, with and without memory reuse and fusion, with weights packed and as stored, with a probe.
 *
 * Without arguments a Check program: a test an op, and one an op for the golden digests. With arguments a tool:
 *   check_backends [-b SPEC] [-c TEXT]   checks one backend; only cases whose name contains TEXT
 *   check_backends --list [-c TEXT]      prints the names of cases
 *   check_backends --bench [-b SPEC] [-c TEXT]   checks each case, then prints GB/s and GOP/s
 *   check_backends --golden > tests/golden.def   digests of ref, to be committed after a wanted change
 * With TALLY_TEST_SPARING set only 1 and 3 threads. */
#include "tests/cases_internal.h"
#include "tests/suite.h"

#include "tensor/platform.h"

#include <string.h>

/* ---- backends: each openable spec at several numbers of threads; tile=1 cuts even the small work of cases for them ---- */

enum { MAX_BACKENDS = 64 };
static const int thread_counts[] = {1, 3, 2, 7}; /* sparing: the first two */
enum { N_THREAD_COUNTS = sizeof thread_counts / sizeof thread_counts[0] };

typedef struct fleet {
    tl_backend *ref;
    struct {
        tl_backend *be;
        char spec[96];
    } member[MAX_BACKENDS];
    int n;
    char why[CASE_WHY];
} fleet;

static bool add_member(fleet *f, const char *spec) {
    tl_error err = {0};
    if (f->n == MAX_BACKENDS)
        return snprintf(f->why, sizeof f->why, "more than %d backends", (int)MAX_BACKENDS) < 0;
    snprintf(f->member[f->n].spec, sizeof f->member[f->n].spec, "%s", spec);
    if (tl_backend_open(&f->member[f->n].be, spec, &err) != TL_OK)
        return snprintf(f->why, sizeof f->why, "backend %s: %s", spec, err.message) < 0;
    f->n++;
    return true;
}

static bool add_with_threads(fleet *f, const char *spec) {
    if (strstr(spec, "threads="))
        return add_member(f, spec);
    for (int i = 0; i < sparing(N_THREAD_COUNTS, 2); i++) {
        char full[96];
        snprintf(full, sizeof full, "%s%cthreads=%d%s", spec, strchr(spec, ':') ? ',' : ':', thread_counts[i],
                 thread_counts[i] > 1 ? ",tile=1" : "");
        if (!add_member(f, full))
            return false;
    }
    return true;
}

/* only NULL: all that open here and promise the same bits. */
static bool open_fleet(fleet *f, const char *only) {
    tl_error err = {0};
    memset(f, 0, sizeof *f);
    if (tl_backend_open(&f->ref, "ref:threads=1", &err) != TL_OK)
        return snprintf(f->why, sizeof f->why, "backend ref: %s", err.message) < 0;
    if (only)
        return add_with_threads(f, only);
    for (int i = 0; tl_backend_openable(i); i++)
        if (tl_backend_same_bits(tl_backend_openable(i)) && !add_with_threads(f, tl_backend_openable(i)))
            return false;
    return true;
}

static void close_fleet(fleet *f) {
    for (int i = 0; i < f->n; i++)
        tl_backend_free(f->member[i].be);
    tl_backend_free(f->ref);
}

/* ---- a case on the fleet ---- */

/* All ways on one backend; *packed: the backend wanted a weight in a layout of its own. */
static bool check_ways(const case_item *item, const case_expected *x, tl_backend *be, const char *spec, bool pack, bool *packed,
                       char *why) {
    case_live c;
    char reason[CASE_WHY];
    bool ok = case_open(&c, item, be, pack);
    if (!ok)
        snprintf(why, CASE_WHY, "%s on %s: %.800s", item->name, spec, c.why);
    *packed = c.packed;
    for (int w = 0; w < CASE_WAYS && ok; w++) {
        ok = case_compare(&c, x, &case_ways[w].options, case_ways[w].probed, reason);
        if (!ok)
            snprintf(why, CASE_WHY, "%s on %s (%s, weights %s): %.800s", item->name, spec, case_ways[w].name,
                     c.packed && pack ? "packed" : "as stored", reason);
    }
    case_close(&c);
    return ok;
}

static bool check_item(const fleet *f, const case_item *item, char *why) {
    case_expected x;
    bool ok = case_expect(&x, item, f->ref, why);
    for (int i = 0; i < f->n && ok; i++) {
        bool packed;
        ok = check_ways(item, &x, f->member[i].be, f->member[i].spec, true, &packed, why);
        if (ok && packed)
            ok = check_ways(item, &x, f->member[i].be, f->member[i].spec, false, &packed, why);
    }
    case_expected_drop(&x);
    return ok;
}

/* ---- golden digests ---- */

/* Every value of every step of every case of an op, on ref: little-endian, NaN made one. */
static bool digest_op(tl_backend *ref, const case_list *l, int op, uint64_t *digest, char *why) {
    uint64_t h = CASE_HASH_START;
    for (int i = 0; i < l->n; i++) {
        case_expected x;
        if (l->items[i].op != op)
            continue;
        if (!case_expect(&x, &l->items[i], ref, why))
            return false;
        h = case_hash(h, l->items[i].name, strlen(l->items[i].name));
        for (int s = 0; s < x.steps; s++)
            h = case_hash(h, x.step[s].data, x.step[s].bytes);
        case_expected_drop(&x);
    }
    *digest = h;
    return true;
}

static const struct golden {
    const char *op;
    uint64_t digest;
} golden[] = {
#define GOLDEN(op, digest) {#op, digest},
#include "tests/golden.def"
#undef GOLDEN
    {NULL, 0},
};

static int print_golden(const case_list *l) {
    fleet f;
    char why[CASE_WHY];
    bool ok = open_fleet(&f, "ref:threads=1");
    if (!ok)
        fprintf(stderr, "%s\n", f.why);
    if (ok)
        puts("/* golden.def: a digest of all of ref's results for the cases of each op, equal on every machine, compiler and flag set. "
             "Made by\n"
             " * check_backends --golden; a change here is a change of results or of cases, and its commit says why. */");
    for (int op = 0; op < TL_N_OPS && ok; op++) {
        uint64_t digest;
        ok = digest_op(f.ref, l, op, &digest, why);
        if (ok)
            printf("GOLDEN(%s, 0x%016llX)\n", tl_op_get(op)->name, (unsigned long long)digest);
        else
            fprintf(stderr, "%s\n", why);
    }
    close_fleet(&f);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- tests ---- */

static bool graph_has_op(const tl_graph *g, int op) {
    for (int i = 0; i < tl_graph_count(g); i++)
        if (tl_graph_node(g, i)->op && tl_graph_node(g, i)->op->id == op)
            return true;
    return false;
}

/* Whether the case puts a node of its op into its graph on some backend: an unpack stands only where weights are packed. */
static bool uses_its_op(const fleet *f, const case_item *item) {
    bool found = false;
    for (int i = 0; i < f->n && !found; i++) {
        case_live c;
        found = case_open(&c, item, f->member[i].be, true) && graph_has_op(c.env.g, item->op);
        case_close(&c);
    }
    return found;
}

START_TEST(every_op_gives_the_same_bits_everywhere) {
    case_list l;
    fleet f;
    char why[CASE_WHY] = "";
    bool ok = cases_collect(&l);
    ck_assert_msg(ok, "%s", l.error);
    ok = open_fleet(&f, NULL);
    ck_assert_msg(ok, "%s", f.why);
    bool used = false;
    for (int i = 0; i < l.n && ok; i++) {
        if (l.items[i].op != _i)
            continue;
        ok = check_item(&f, &l.items[i], why);
        used = used || uses_its_op(&f, &l.items[i]);
    }
    close_fleet(&f);
    cases_drop(&l);
    ck_assert_msg(ok, "%s", why);
    ck_assert_msg(used, "no case of %s has a node of it", tl_op_get(_i)->name);
}
END_TEST

START_TEST(every_op_gives_its_golden_digest) {
    case_list l;
    fleet f;
    char why[CASE_WHY] = "";
    uint64_t digest = 0;
    const char *op = tl_op_get(_i)->name;
    const struct golden *row = golden;
    bool ok = cases_collect(&l);
    ck_assert_msg(ok, "%s", l.error);
    ok = open_fleet(&f, "ref:threads=1");
    ck_assert_msg(ok, "%s", f.why);
    ok = digest_op(f.ref, &l, _i, &digest, why);
    close_fleet(&f);
    cases_drop(&l);
    ck_assert_msg(ok, "%s", why);
    while (row->op && strcmp(row->op, op) != 0)
        row++;
    ck_assert_msg(row->op != NULL, "golden.def has no row for %s; make one by check_backends --golden", op);
    ck_assert_msg(row->digest == digest, "%s: digest %016llX, golden.def has %016llX: results or cases have changed", op,
                  (unsigned long long)digest, (unsigned long long)row->digest);
}
END_TEST

static Suite *backends_suite(void) {
    Suite *s = suite_create("backends");
    TCase *bits = tcase_create("same bits"), *digests = tcase_create("golden");
    tcase_set_timeout(bits, 600);
    tcase_set_timeout(digests, 600);
    tcase_add_loop_test(bits, every_op_gives_the_same_bits_everywhere, 0, TL_N_OPS);
    tcase_add_loop_test(digests, every_op_gives_its_golden_digest, 0, TL_N_OPS);
    suite_add_tcase(s, bits);
    suite_add_tcase(s, digests);
    return s;
}

static int run_as_test(void) {
    for (int i = 0; tl_backend_lacking(i); i++)
        printf("SKIP: level %s: this CPU lacks it\n", tl_backend_lacking(i));
    fflush(stdout);
    return run_suite(backends_suite());
}

/* ---- as a tool ---- */

typedef struct wish {
    const char *spec, *text;
    bool list, bench, golden;
} wish;

static bool is_wanted(const wish *w, const case_item *item) {
    return !w->text || strstr(item->name, w->text);
}

static int list_cases(const case_list *l, const wish *w) {
    for (int i = 0; i < l->n; i++)
        if (is_wanted(w, &l->items[i]))
            puts(l->items[i].name);
    return EXIT_SUCCESS;
}

static int check_cases(const case_list *l, const wish *w) {
    fleet f;
    char why[CASE_WHY];
    int passed = 0, failed = 0;
    if (!open_fleet(&f, w->spec)) {
        fprintf(stderr, "%s\n", f.why);
        failed++;
    }
    for (int i = 0; i < l->n && f.n > 0; i++) {
        if (!is_wanted(w, &l->items[i]))
            continue;
        if (check_item(&f, &l->items[i], why)) {
            passed++;
        } else {
            printf("%s\n", why);
            failed++;
        }
    }
    close_fleet(&f);
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static tl_cost plan_cost(const tl_plan *p) {
    tl_cost sum = {0};
    for (int i = 0; i < p->n_nodes; i++) {
        tl_cost c = {0};
        const tl_op *op = p->nodes[i]->op;
        if (op->cost)
            op->cost(p->nodes[i], tl_plan_work(p, p->nodes[i]), &c);
        sum.ops += c.ops;
        sum.read += c.read;
        sum.written += c.written;
    }
    return sum;
}

/* Seconds of the fastest of several runs. */
static double fastest_run(tl_plan *p) {
    double start = tl_now(), best = 1e9;
    for (int i = 0; i < 3 || (i < 100000 && tl_now() - start < 0.05); i++) {
        double t = tl_now();
        if (tl_plan_run(p, NULL) != TL_OK)
            return 0;
        t = tl_now() - t;
        best = t < best ? t : best;
    }
    return best;
}

static bool bench_item(const fleet *f, int member, const case_item *item, char *why) {
    case_expected x;
    case_live c;
    tl_plan *p = NULL;
    tl_error err = {0};
    bool ok = case_expect(&x, item, f->ref, why);
    if (!ok)
        return false;
    ok = case_open(&c, item, f->member[member].be, true);
    if (!ok)
        snprintf(why, CASE_WHY, "%s: %.800s", item->name, c.why);
    ok = ok && case_compare(&c, &x, &case_ways[0].options, false, why);
    if (ok && tl_plan_new(&p, c.env.g, f->member[member].be, NULL, &err) != TL_OK) {
        snprintf(why, CASE_WHY, "%s: %.800s", item->name, err.message);
        ok = false;
    }
    case_result first = {0};
    ok = ok && case_step(&c, p, 0, false, &first); /* inputs in place */
    case_result_drop(&first);
    if (ok) {
        tl_cost cost = plan_cost(p);
        double seconds = fastest_run(p);
        printf("%-48s %10.2f us %9.3f GB/s %9.3f GOP/s\n", item->name, seconds * 1e6, (cost.read + cost.written) / seconds * 1e-9,
               cost.ops / seconds * 1e-9);
    }
    tl_plan_free(p);
    case_close(&c);
    case_expected_drop(&x);
    return ok;
}

static int bench_cases(const case_list *l, const wish *w) {
    fleet f = {0};
    char why[CASE_WHY];
    bool ok = tl_backend_open(&f.ref, "ref:threads=1", NULL) == TL_OK && add_member(&f, w->spec ? w->spec : "cpu");
    if (!ok) {
        fprintf(stderr, "%s\n", f.why);
        tl_backend_free(f.ref);
        return EXIT_FAILURE;
    }
    printf("%s\n", tl_backend_describe(f.member[0].be));
    for (int i = 0; i < l->n; i++)
        if (is_wanted(w, &l->items[i]) && !bench_item(&f, 0, &l->items[i], why)) {
            printf("%s\n", why);
            ok = false;
        }
    close_fleet(&f);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool read_arguments(wish *w, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--list") == 0)
            w->list = true;
        else if (strcmp(argv[i], "--bench") == 0)
            w->bench = true;
        else if (strcmp(argv[i], "--golden") == 0)
            w->golden = true;
        else if (strcmp(argv[i], "-b") == 0 && has_value)
            w->spec = argv[++i];
        else if (strcmp(argv[i], "-c") == 0 && has_value)
            w->text = argv[++i];
        else
            return false;
    }
    return true;
}

static int run_as_tool(int argc, char **argv) {
    wish w = {0};
    case_list l;
    if (!read_arguments(&w, argc, argv)) {
        fprintf(stderr, "usage: %s [--list | --bench | --golden] [-b SPEC] [-c TEXT]\n", argv[0]);
        return 2;
    }
    if (!cases_collect(&l)) {
        fprintf(stderr, "%s\n", l.error);
        return EXIT_FAILURE;
    }
    int code = w.list ? list_cases(&l, &w) : w.golden ? print_golden(&l) : w.bench ? bench_cases(&l, &w) : check_cases(&l, &w);
    cases_drop(&l);
    return code;
}

int main(int argc, char **argv) {
    return argc > 1 ? run_as_tool(argc, argv) : run_as_test();
}
