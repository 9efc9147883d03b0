/* draw.c: draws a graph: how nasty, how long and of which shapes it is, then op by op, and at last what of it is an output: everything that
 * no op has read, and some of the rest. */
#include "tests/draw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t draw_bits(drawing *d) {
    return case_random(&d->random);
}

int64_t draw_between(drawing *d, int64_t lo, int64_t hi) {
    return lo + (int64_t)((draw_bits(d) >> 8) % (uint64_t)(hi - lo + 1));
}

bool draw_chance(drawing *d, int percent) {
    return draw_between(d, 0, 99) < percent;
}

/* ---- the pool ---- */

tl_tensor *draw_keep(drawing *d, tl_tensor *t) {
    if (t && d->n_pool < DRAW_POOL && tl_count(t) <= d->most) {
        d->pool[d->n_pool].t = t;
        d->pool[d->n_pool++].used = false;
    }
    return t;
}

void draw_forget(drawing *d, const tl_tensor *state) {
    int kept = 0;
    for (int i = 0; i < d->n_pool; i++)
        if (d->pool[i].t->base != state)
            d->pool[kept++] = d->pool[i];
    d->n_pool = kept;
}

static void mark_read(drawing *d, const tl_tensor *t) {
    for (int i = 0; i < d->n_pool; i++)
        d->pool[i].used |= d->pool[i].t->base == t->base;
}

/* The newest few more often than the others. */
static int any_of_pool(drawing *d) {
    int few = d->n_pool < 3 ? d->n_pool : 3;
    return (int)(draw_chance(d, 60) ? draw_between(d, d->n_pool - few, d->n_pool - 1) : draw_between(d, 0, d->n_pool - 1));
}

tl_tensor *draw_found(drawing *d, bool (*fits)(const drawing *d, const tl_tensor *t, const void *like), const void *like) {
    for (int tries = 0; tries < 6 && d->n_pool > 0; tries++) {
        tl_tensor *t = d->pool[any_of_pool(d)].t;
        if (t->dtype == TL_F32 && fits(d, t, like)) {
            mark_read(d, t);
            return t;
        }
    }
    return NULL;
}

static bool any_fits(const drawing *d, const tl_tensor *t, const void *like) {
    (void)d;
    (void)t;
    (void)like;
    return true;
}

tl_tensor *draw_operand(drawing *d) {
    tl_tensor *x = draw_chance(d, d->even ? 95 : 85) ? draw_found(d, any_fits, NULL) : NULL;
    if (!x)
        x = draw_keep(d, draw_new(d));
    if (x)
        mark_read(d, x);
    while (x && draw_chance(d, 22))
        x = draw_view(d, x);
    return x;
}

static bool has_shape(const drawing *d, const tl_tensor *t, const void *like) {
    (void)d;
    return t != like && tl_same_shape(t, like);
}

int64_t draw_length(const drawing *d, const tl_tensor *x, int a) {
    return a == 0 && x->size ? d->n : x->shape[a];
}

tl_tensor *draw_partner(drawing *d, tl_tensor *x, bool whole) {
    if (!x)
        return NULL;
    tl_tensor *y = draw_chance(d, d->even ? 80 : 50) ? draw_found(d, has_shape, x) : NULL;
    if (y || draw_chance(d, 8))
        return y ? y : x;
    int64_t shape[TL_MAX_RANK];
    int dropped = whole || draw_chance(d, 70) ? 0 : (int)draw_between(d, 0, x->rank - 1);
    for (int a = dropped; a < x->rank; a++)
        shape[a - dropped] = !whole && draw_chance(d, 15) ? 1 : draw_length(d, x, a);
    bool varies = x->size && shape[0] == d->n;
    return !varies && draw_chance(d, 20) ? draw_bank(d, TL_F32, x->rank - dropped, shape, 0)
                                         : draw_input(d, TL_F32, x->rank - dropped, shape);
}

/* ---- ops ---- */

static tl_tensor *(*const drawers[TL_N_OPS])(drawing *d) = {
#define TL_OP(ID, name, least, most, flags, work, writes, scratch, check, formula) draw_op_##name,
#include "ops/ops.def"
#undef TL_OP
};

/* How often an op is drawn beside others; not named: once. */
static const int odds[TL_N_OPS] = {
    [TL_OP_LINEAR] = 24,    [TL_OP_ATTENTION] = 14, [TL_OP_ROPE] = 4,     [TL_OP_MATMUL] = 4,     [TL_OP_SET_ROWS] = 4,
    [TL_OP_ASSIGN] = 4,     [TL_OP_ADD] = 4,        [TL_OP_SUB] = 2,      [TL_OP_MUL] = 3,        [TL_OP_SWIGLU] = 2,
    [TL_OP_SCALE] = 2,      [TL_OP_SOFTMAX] = 3,    [TL_OP_RMS_NORM] = 3, [TL_OP_LAYER_NORM] = 2, [TL_OP_CONCAT] = 3,
    [TL_OP_CONTIGUOUS] = 2, [TL_OP_CAST] = 3,       [TL_OP_GATHER] = 3,   [TL_OP_EMBED] = 2,
};

static int odds_of(const drawing *d, int op, int writes) {
    int n = odds[op] ? odds[op] : 1;
    if (tl_op_get(op)->flags & TL_OP_STATE)
        return n * writes;
    return d->even && op == TL_OP_ATTENTION ? 1 : n; /* nothing of an even graph's shapes */
}

static int any_op(drawing *d, int writes) {
    int all = 0, op = 0;
    for (int i = 0; i < TL_N_OPS; i++)
        all += odds_of(d, i, writes);
    int at = (int)draw_between(d, 0, all - 1);
    while ((at -= odds_of(d, op, writes)) >= 0)
        op++;
    return op;
}

/* ---- the whole ---- */

static void choose(drawing *d) {
    static const int nastiness[] = {0, 0, 0, 1, 1, 1, 1, 2, 2, 2};
    static const int64_t even_widths[] = {32, 64, 64, 96, 256, 40, 17};
    d->nasty = DRAW_ONE(d, nastiness);
    d->even = draw_chance(d, 40);
    d->wide = !d->even && draw_chance(d, 6);
    d->most = d->wide ? 30000 : 8000;
    d->work = d->wide ? 400000 : 100000;
    d->rows = draw_between(d, 2, 8);
    d->widths[0] = DRAW_ONE(d, even_widths);
    d->widths[1] = DRAW_ONE(d, even_widths);
    if (draw_chance(d, 65)) {
        d->n_max = draw_chance(d, 50) ? d->rows : draw_few(d);
        d->n = case_size(d->e, "n", d->n_max);
    }
}

static bool is_result(const tl_tensor *t) {
    return t->base->op != NULL || t->base->graph == NULL;
}

static void mark_outputs(drawing *d) {
    int n = 0;
    for (int i = d->n_pool - 1; i >= 0 && n < DRAW_OUTPUTS; i--) {
        bool wanted = !d->pool[i].used || i == d->n_pool - 1 || draw_chance(d, 12);
        if (!wanted || !is_result(d->pool[i].t))
            continue;
        case_output(d->e, d->pool[i].t);
        n++;
    }
    if (n == 0 && d->n_states == 0)
        case_output(d->e, tl_neg(d->g, d->pool[0].t));
}

void draw_graph(case_env *e) {
    drawing d = {.e = e, .g = e->g};
    memcpy(&d.random, e->params, sizeof d.random);
    draw_bits(&d);
    choose(&d);
    int writes = draw_chance(&d, 40) ? 6 : 1;
    int ops = (int)(d.even ? draw_between(&d, 8, 40) : draw_chance(&d, 50) ? draw_between(&d, 1, 4) : draw_between(&d, 1, 14));
    draw_keep(&d, draw_new(&d));
    for (int i = 0; i < ops && d.leaves < DRAW_LEAVES - 16 && !tl_graph_error(d.g); i++) {
        int op = any_op(&d, writes);
        draw_keep(&d, drawers[op](&d));
    }
    if (!tl_graph_error(d.g))
        mark_outputs(&d);
}

case_item draw_item(uint64_t *seed, char *name) {
    snprintf(name, DRAW_NAME, "graph %llu", (unsigned long long)*seed);
    return (case_item){.name = name, .op = -1, .build = draw_graph, .params = seed};
}

/* ---- what a run computes ---- */

static void count_node(const tl_tensor *t, bool *seen, int64_t *counts) {
    if (!t || !t->op || !t->graph || seen[t->id])
        return;
    seen[t->id] = true;
    if (t->op->id >= 0)
        counts[t->op->id]++;
    if (t->op->flags & TL_OP_VIEW)
        count_node(t->src[0], seen, counts);
}

void draw_count(const tl_plan *p, const case_live *c, int64_t *counts) {
    bool *seen = calloc((size_t)tl_graph_count(p->graph) + 1, sizeof *seen);
    if (!seen)
        return;
    for (int i = 0; i < p->n_nodes; i++) {
        count_node(p->nodes[i], seen, counts);
        for (int s = 0; s < p->nodes[i]->n_src; s++)
            count_node(p->nodes[i]->src[s], seen, counts);
    }
    for (int i = 0; i < c->n_outputs; i++)
        count_node(c->outputs[i], seen, counts);
    free(seen);
}
