/* check_graphs.c: random graphs of all ops (draw.h) on the backends that open here, against ref with one thread: outputs and states must be
 * equal bit for bit (NaN is NaN) at every size and in every run of a plan. A graph runs on a few of them, in ways drawn with it: number of
 * threads, whole tiles or the smallest, weights packed or as stored, with and without reuse and fusion, probed.
 *
 * Without arguments a Check program over the first seeds. With arguments a tool:
 *   check_graphs [-b SPEC]... [--from SEED] [--count N] [--seconds S] [-v]
 *       N graphs (1000; with --seconds no limit) from SEED (1000000) on, or as many as S seconds allow; on all backends, or on those of -b. A SPEC
 *       that holds threads= is taken as it is, and in all ways. -v: says what it runs, and at the end how often it ran each op.
 *   check_graphs --digest [--from SEED] [--count N]
 *       a digest of graphs and of ref's results, to hold machines to each other; without seeds the one that stands below, to be renewed after a
 *       change of draw*.c or of an op */
#include "tests/draw.h"
#include "tests/suite.h"

#include "tensor/platform.h"

#include <string.h>

enum { GRAPHS = 450, GRAPHS_A_TEST = 15, DIGESTED = 40 };
static const uint64_t DIGEST = UINT64_C(0x848A2F56B6E206F7);

/* ---- where and how a graph runs ---- */

enum { PROBE = CASE_WAYS - 1, LOOKS = 3, MOST_SPECS = 16 };

typedef struct bases { /* specs without numbers of threads, or exact ones */
    const char *spec[MOST_SPECS];
    int n, first; /* first: how many take turns in the first look at a graph */
} bases;

typedef struct look {
    char spec[96];
    int way;
    bool pack;
} look;

/* All that open here and promise the same bits; ref itself, which comes last, has less to prove. */
static bases all_bases(void) {
    bases b = {.n = 0};
    for (int ref = 0; ref < 2; ref++)
        for (int i = 0; tl_backend_openable(i) && b.n < MOST_SPECS; i++)
            if (tl_backend_same_bits(tl_backend_openable(i)) && (strcmp(tl_backend_openable(i), "ref") == 0) == ref)
                b.spec[b.n++] = tl_backend_openable(i);
    b.first = b.n > 1 ? b.n - 1 : 1;
    return b;
}

/* Look number i at a graph. The first one is as programs run. */
static look draw_look(const bases *b, uint64_t seed, int i) {
    static const char *const tails[] = {"threads=1", "threads=2,tile=1", "threads=3,tile=1", "threads=3"};
    uint64_t state = seed ^ (uint64_t)(i + 1) << 56, r = case_random(&state);
    const char *base = i == 0 ? b->spec[seed % (uint64_t)b->first] : b->spec[(r >> 40) % (uint64_t)b->n];
    look l = {.way = i == 0 ? 0 : (int)((r >> 20) % CASE_WAYS), .pack = i == 0 || (r >> 30) % 4 > 0};
    snprintf(l.spec, sizeof l.spec, "%s%c%s", base, strchr(base, ':') ? ',' : ':', tails[(r >> 10) % 4]);
    return l;
}

/* ---- one graph ---- */

static bool check_look(const case_item *item, const case_expected *x, const look *l, char *why) {
    case_live c;
    tl_backend *be;
    tl_error err = {0};
    char reason[CASE_WHY];
    if (tl_backend_open(&be, l->spec, &err) != TL_OK)
        return snprintf(why, CASE_WHY, "%s: %s", l->spec, err.message) < 0;
    bool ok = case_open(&c, item, be, l->pack);
    if (!ok)
        snprintf(reason, sizeof reason, "%s", c.why);
    ok = ok && case_compare(&c, x, &case_ways[l->way].options, case_ways[l->way].probed, reason);
    if (!ok)
        snprintf(why, CASE_WHY, "%s on %s (%s, weights %s): %.800s", item->name, l->spec, case_ways[l->way].name,
                 l->pack ? "packed" : "as stored", reason);
    case_close(&c);
    tl_backend_free(be);
    return ok;
}

/* A difference has been found: where a probe sees it too, it names the first node; and the command that repeats it. */
static void explain(const case_item *item, const case_expected *x, const look *l, uint64_t seed, char *why) {
    char probed[CASE_WHY] = "no difference is seen";
    look again = *l;
    again.way = PROBE;
    check_look(item, x, &again, probed);
    size_t n = strlen(why);
    snprintf(why + n, CASE_WHY + CASE_WHY - n, "\n    probed: %.700s\n    again: check_graphs -b %s --from %llu --count 1", probed, l->spec,
             (unsigned long long)seed);
}

static bool check_all_ways(const case_item *item, const case_expected *x, const char *spec, char *why) {
    for (int i = 0; i < 2 * CASE_WAYS; i++) {
        look l = {.way = (PROBE + i / 2) % CASE_WAYS, .pack = i % 2 == 0}; /* the probe, which names the node, first */
        snprintf(l.spec, sizeof l.spec, "%s", spec);
        if (!check_look(item, x, &l, why))
            return false;
    }
    return true;
}

/* why [2 * CASE_WHY] */
static bool check_seed(const bases *b, tl_backend *ref, uint64_t seed, bool says, char *why) {
    char name[DRAW_NAME];
    case_item item = draw_item(&seed, name);
    case_expected x;
    bool ok = case_expect(&x, &item, ref, why);
    for (int i = 0; i < b->n && ok; i++)
        if (strstr(b->spec[i], "threads="))
            ok = check_all_ways(&item, &x, b->spec[i], why);
    for (int i = 0; i < LOOKS && ok && !strstr(b->spec[0], "threads="); i++) {
        look l = draw_look(b, seed, i);
        if (says)
            printf("%s: %s, %s, weights %s\n", name, l.spec, case_ways[l.way].name, l.pack ? "packed" : "as stored");
        ok = check_look(&item, &x, &l, why);
        if (!ok)
            explain(&item, &x, &l, seed, why);
    }
    case_expected_drop(&x);
    return ok;
}

/* ---- what graphs hold ---- */

/* On the default backend, with weights packed: elsewhere no unpack is needed. */
static bool count_ops(tl_backend *be, uint64_t seed, int64_t *counts, char *why) {
    char name[DRAW_NAME];
    case_item item = draw_item(&seed, name);
    case_live c;
    tl_plan *p = NULL;
    tl_error err = {0};
    bool ok = case_open(&c, &item, be, true);
    if (!ok)
        snprintf(why, CASE_WHY, "%s: %.900s", name, c.why);
    if (ok && tl_plan_new(&p, c.env.g, be, NULL, &err) != TL_OK) {
        snprintf(why, CASE_WHY, "%s: %s", name, err.message);
        ok = false;
    }
    if (ok)
        draw_count(p, &c, counts);
    tl_plan_free(p);
    case_close(&c);
    return ok;
}

static bool digest_graphs(tl_backend *ref, uint64_t from, uint64_t count, uint64_t *digest, char *why) {
    *digest = CASE_HASH_START;
    for (uint64_t seed = from; seed < from + count; seed++) {
        char name[DRAW_NAME];
        case_item item = draw_item(&seed, name);
        case_expected x;
        if (!case_expect(&x, &item, ref, why))
            return false;
        for (int s = 0; s < x.steps; s++)
            *digest = case_hash(*digest, x.step[s].data, x.step[s].bytes);
        for (int i = 0; i < x.trail.n; i++) {
            uint64_t node = x.trail.digest[i];
            for (int byte = 0; byte < 8; byte++, node >>= 8)
                *digest = case_hash(*digest, &(uint8_t){(uint8_t)node}, 1);
        }
        case_expected_drop(&x);
    }
    return true;
}

/* ---- tests ---- */

static tl_backend *open_backend(const char *spec) {
    tl_backend *be;
    tl_error err = {0};
    ck_assert_msg(tl_backend_open(&be, spec, &err) == TL_OK, "%s: %s", spec, err.message);
    return be;
}

START_TEST(graphs_give_the_same_bits_everywhere) {
    tl_backend *ref = open_backend("ref:threads=1");
    bases b = all_bases();
    char why[2 * CASE_WHY] = "";
    bool ok = true;
    for (int i = 0; i < GRAPHS_A_TEST && ok; i++)
        ok = check_seed(&b, ref, (uint64_t)(_i * GRAPHS_A_TEST + i), false, why);
    tl_backend_free(ref);
    ck_assert_msg(ok, "%s", why);
}
END_TEST

START_TEST(every_op_is_run) {
    tl_backend *be = open_backend("cpu:threads=1");
    int64_t counts[TL_N_OPS] = {0};
    char why[CASE_WHY] = "";
    bool ok = true;
    for (uint64_t seed = 0; seed < GRAPHS && ok; seed++)
        ok = count_ops(be, seed, counts, why);
    tl_backend_free(be);
    ck_assert_msg(ok, "%s", why);
    for (int op = 0; op < TL_N_OPS; op++)
        ck_assert_msg(counts[op] > 0, "no graph of %d runs %s", (int)GRAPHS, tl_op_get(op)->name);
}
END_TEST

/* Also holds ref itself to one result on every machine. */
START_TEST(seeds_draw_the_same_everywhere) {
    tl_backend *ref = open_backend("ref:threads=1");
    uint64_t digest = 0;
    char why[CASE_WHY] = "";
    bool ok = digest_graphs(ref, 0, DIGESTED, &digest, why);
    tl_backend_free(ref);
    ck_assert_msg(ok, "%s", why);
    ck_assert_msg(digest == DIGEST, "digest %016llX, not %016llX: graphs or results have changed; check_graphs --digest gives the new one",
                  (unsigned long long)digest, (unsigned long long)DIGEST);
}
END_TEST

static Suite *graphs_suite(void) {
    Suite *s = suite_create("graphs");
    TCase *c = tcase_create("graphs");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, graphs_give_the_same_bits_everywhere, 0, sparing(GRAPHS, GRAPHS / 10) / GRAPHS_A_TEST);
    tcase_add_test(c, every_op_is_run);
    tcase_add_test(c, seeds_draw_the_same_everywhere);
    suite_add_tcase(s, c);
    return s;
}

/* ---- as a tool ---- */

typedef struct wish {
    bases on;
    uint64_t from, count;
    double seconds;
    bool verbose, digest;
} wish;

static int print_digest(const wish *w, tl_backend *ref) {
    uint64_t digest;
    char why[CASE_WHY];
    if (!digest_graphs(ref, w->from, w->count, &digest, why)) {
        fprintf(stderr, "%s\n", why);
        return EXIT_FAILURE;
    }
    printf("%016llX\n", (unsigned long long)digest);
    return EXIT_SUCCESS;
}

static int check_graphs(const wish *w, tl_backend *ref, tl_backend *counted) {
    int64_t counts[TL_N_OPS] = {0};
    uint64_t passed = 0, failed = 0;
    double start = tl_now();
    for (uint64_t i = 0; i < w->count && failed < 20 && (w->seconds <= 0 || tl_now() - start < w->seconds); i++) {
        char why[2 * CASE_WHY];
        bool ok = check_seed(&w->on, ref, w->from + i, w->verbose, why) && (!w->verbose || count_ops(counted, w->from + i, counts, why));
        passed += ok;
        failed += !ok;
        if (!ok) {
            printf("%s\n", why);
            fflush(stdout);
        }
    }
    for (int op = 0; op < TL_N_OPS && w->verbose; op++)
        printf("%-12s %lld\n", tl_op_get(op)->name, (long long)counts[op]);
    printf("%llu passed, %llu failed, from seed %llu on, %.0f s\n", (unsigned long long)passed, (unsigned long long)failed,
           (unsigned long long)w->from, tl_now() - start);
    return failed == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool read_arguments(wish *w, int argc, char **argv) {
    bool counted = false, started = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "-v") == 0) {
            w->verbose = true;
            continue;
        }
        if (strcmp(argv[i], "--digest") == 0) {
            w->digest = true;
            continue;
        }
        if (!value)
            return false;
        if (strcmp(argv[i], "-b") == 0 && w->on.n < MOST_SPECS)
            w->on.spec[w->on.n++] = value, w->on.first++;
        else if (strcmp(argv[i], "--from") == 0)
            w->from = strtoull(value, NULL, 10), started = true;
        else if (strcmp(argv[i], "--count") == 0)
            w->count = strtoull(value, NULL, 10), counted = true;
        else if (strcmp(argv[i], "--seconds") == 0)
            w->seconds = (double)strtol(value, NULL, 10);
        else
            return false;
        i++;
    }
    if (!counted && w->seconds > 0)
        w->count = UINT64_MAX;
    if (w->digest && !started)
        w->from = 0;
    if (w->digest && !counted)
        w->count = DIGESTED;
    return true;
}

static bool can_open_all(const bases *b, tl_error *err) {
    for (int i = 0; i < b->n; i++) {
        tl_backend *be;
        if (tl_backend_open(&be, b->spec[i], err) != TL_OK)
            return false;
        tl_backend_free(be);
    }
    return true;
}

static int run_as_tool(int argc, char **argv) {
    wish w = {.from = 1000000, .count = 1000};
    tl_backend *ref = NULL, *counted = NULL;
    tl_error err = {0};
    int code = 2;
    if (!read_arguments(&w, argc, argv)) {
        fprintf(stderr, "usage: %s [-b SPEC]... [--from SEED] [--count N] [--seconds S] [-v] [--digest]\n", argv[0]);
        return code;
    }
    if (w.on.n == 0)
        w.on = all_bases();
    if (!can_open_all(&w.on, &err) || tl_backend_open(&ref, "ref:threads=1", &err) != TL_OK ||
        tl_backend_open(&counted, "cpu:threads=1", &err) != TL_OK)
        fprintf(stderr, "%s\n", err.message);
    else
        code = w.digest ? print_digest(&w, ref) : check_graphs(&w, ref, counted);
    tl_backend_free(counted);
    tl_backend_free(ref);
    return code;
}

int main(int argc, char **argv) {
    return argc > 1 ? run_as_tool(argc, argv) : run_suite(graphs_suite());
}
