/* crew.h: one case (tests/cases.h) on several backends in every way a plan can run: what tests of reuse, fusion and lowering stand on. */
#ifndef TALLY_TESTS_CREW_H
#define TALLY_TESTS_CREW_H

#include <string.h>

#include "tests/cases_internal.h"
#include "tests/suite.h"

enum { CREW_MOST = 8 };

/* Backends; the first one's results are what the others are held to. */
typedef struct crew {
    tl_backend *be[CREW_MOST];
    const char *const *specs;
    int n;
} crew;

static inline crew crew_open(const char *const *specs, int n) {
    crew c = {.specs = specs, .n = n};
    tl_error err = {0};
    ck_assert_int_le(n, CREW_MOST);
    for (int i = 0; i < n; i++)
        ck_assert_msg(tl_backend_open(&c.be[i], specs[i], &err) == TL_OK, "%s: %s", specs[i], err.message);
    return c;
}

static inline void crew_close(crew *c) {
    for (int i = 0; i < c->n; i++)
        tl_backend_free(c->be[i]);
}

/* With and without reuse and fusion, and probed, every backend of the crew gives the same bits. */
static inline bool crew_agrees(const crew *c, const case_item *item, char *why) {
    case_expected x;
    char reason[CASE_WHY];
    bool ok = case_expect(&x, item, c->be[0], why);
    for (int i = 0; i < c->n && ok; i++) {
        case_live live;
        ok = case_open(&live, item, c->be[i], true);
        if (!ok)
            snprintf(why, CASE_WHY, "%s on %s: %.800s", item->name, c->specs[i], live.why);
        for (int w = 0; w < CASE_WAYS && ok; w++) {
            ok = case_compare(&live, &x, &case_ways[w].options, case_ways[w].probed, reason);
            if (!ok)
                snprintf(why, CASE_WHY, "%s on %s (%s): %.800s", item->name, c->specs[i], case_ways[w].name, reason);
        }
        case_close(&live);
    }
    case_expected_drop(&x);
    return ok;
}

#endif
