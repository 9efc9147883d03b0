/* plan_print.c: a plan's steps, memory and profile as text and rows. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tensor/graph.h"
#include "tensor/plan.h"
#include "tensor/platform.h"

/* Toward zero; the nearest that there is where no integer is so large, 0 for NaN: a cost is whatever an op says. */
static long long whole(double v) {
    return v >= 0x1p63 ? LLONG_MAX : v > -0x1p63 ? (long long)v : v == v ? LLONG_MIN : 0;
}

static bool put_step(const tl_plan_step *s, int i, tl_sink sink, void *ctx) {
    char line[320], what[160];
    int n = snprintf(line, sizeof line, "%4d  %-12s %-24s tiles %6lld  %9lld KiB  %9lld kop  %s\n", i, s->op, s->kernel,
                     (long long)s->max_tiles, whole((s->cost.read + s->cost.written) / 1024), whole(s->cost.ops / 1000),
                     tl_describe(s->node, what, sizeof what));
    return sink(ctx, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
}

tl_status tl_plan_print(const tl_plan *p, tl_sink sink, void *ctx) {
    if (!p || !sink || !p->graph)
        return TL_ERR_USAGE;
    char line[320];
    for (int i = 0; i < p->n_steps; i++)
        if (!put_step(&p->steps[i], i, sink, ctx))
            return TL_CANCELLED;
    const tl_plan_memory *m = &p->priv->memory;
    int n = snprintf(line, sizeof line, "%d steps; activations %llu bytes (%llu without reuse), scratch of workers %llu bytes\n",
                     p->n_steps, (unsigned long long)m->activations, (unsigned long long)m->no_reuse, (unsigned long long)m->workers);
    return sink(ctx, line, (size_t)n) ? TL_OK : TL_CANCELLED;
}

int tl_plan_profile(const tl_plan *p, const tl_plan_profile_row **rows) {
    if (!rows)
        return 0;
    *rows = NULL;
    if (!p || !p->graph || !p->options.profile || p->n_steps == 0)
        return 0;
    tl_plan_private *q = p->priv;
    if (!q->profile)
        q->profile = tl_alloc((size_t)p->n_steps * sizeof *q->profile);
    if (!q->profile)
        return 0;
    for (int i = 0; i < p->n_steps; i++) {
        const tl_plan_step *s = &p->steps[i];
        q->profile[i] = (tl_plan_profile_row){s->op, s->kernel, s->node->name ? s->node->name : "", (int)s->tiles, s->seconds, s->done};
    }
    *rows = q->profile;
    return p->n_steps;
}

void tl_plan_profile_reset(tl_plan *p) {
    for (int i = 0; p && i < p->n_steps; i++) {
        p->steps[i].seconds = 0;
        p->steps[i].done = (tl_cost){0, 0, 0};
    }
}

void tl_plan_profile_on(tl_plan *p, bool on) {
    if (p)
        p->options.profile = on;
}
