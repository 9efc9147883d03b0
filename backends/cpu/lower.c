/* lower.c: nodes to steps. Without fusion a node is one step (a linear layer with quantised weights two: prep and product). Fusion is
 * short and listed here:
 *   1. rows prepared for linear layers are shared by all layers that read the same x as the same kind (q, k, v; gate, up);
 *   2. a norm or swiglu that only such layers read is computed inside prep and never stored;
 *   3. an add that is the only reader of a linear layer becomes its residual.
 * Each gives the same bits as the plain steps, because no operation and no order of additions changes. */
#include <stdlib.h>

#include "backends/cpu/cpu.h"
#include "ops/internal.h"
#include "tensor/platform.h"

/* What lowering finds out about a node before any step is made; by time. */
typedef struct note {
    int runs_at;            /* linear: the time of its product (its own, or of the add that took it) */
    const tl_tensor *taken; /* add: the linear it finishes */
    int next;               /* linear: the next that shares its prepared rows; from the last on to the first */
    int prep;               /* linear: plan scratch of those rows, -1: not yet */
    bool prepares;          /* linear: its product is the first that reads them */
    bool elided;            /* no step of its own */
} note;

typedef struct lowering {
    const tl_cpu *cpu;
    tl_plan *plan;
    cpu_program *prog;
    note *notes;
    size_t scratch;
    tl_error *err;
} lowering;

/* By address: a user's own op may bear any number. */
static bool is_op(const tl_tensor *t, int id) {
    return t->op == tl_op_get(id);
}

static bool is_linear(const lowering *l, const tl_tensor *t) {
    return is_op(t, TL_OP_LINEAR) && !l->cpu->reference && tl_cpu_linear_fits(l->cpu, t);
}

/* A step that reads a state which this plan writes must stay where it is. */
static bool reads_written(const lowering *l, const tl_tensor *t) {
    for (int k = 0; k < t->n_src; k++)
        if (t->src[k] && tl_plan_writes(l->plan, t->src[k]))
            return true;
    return false;
}

/* ---- fusion 3: add(linear, r) or add(r, linear) ---- */

static void find_residuals(lowering *l) {
    for (int time = 0; time < l->plan->n_nodes; time++) {
        const tl_tensor *add = l->plan->nodes[time];
        if (!is_op(add, TL_OP_ADD))
            continue;
        for (int k = 0; k < 2 && !l->notes[time].taken; k++) {
            const tl_tensor *lin = add->src[k], *other = add->src[1 - k];
            int at = tl_plan_time(l->plan, lin);
            if (at < 0 || lin->base != lin || !is_linear(l, lin) || lin->mark & TL_MARK_OUTPUT || tl_plan_readers(l->plan, lin) != 1)
                continue;
            if (!tl_same_shape(lin, add) || !tl_same_shape(other, add) || !tl_dense(other) || other->base == lin || reads_written(l, lin))
                continue;
            l->notes[time].taken = lin;
            l->notes[at].elided = true;
            l->notes[at].runs_at = time;
            tl_plan_elide(l->plan, lin);
            /* what the product reads must last to the step that runs it; past it where the sum would else be written over it in place */
            for (int i = 0; i < lin->n_src; i++)
                if (lin->src[i])
                    tl_plan_extend(l->plan, lin->src[i], lin->src[i]->base == other->base ? time + 1 : time);
        }
    }
}

/* ---- fusions 1 and 2: rows prepared for linear layers ---- */

typedef struct reader {
    const tl_tensor *x;
    cpu_prep kind;
    int time;
} reader;

/* Readers of one x as one kind side by side, in order of time. */
static int reader_order(const void *pa, const void *pb) {
    const reader *a = pa, *b = pb;
    if (a->x != b->x)
        return (uintptr_t)a->x < (uintptr_t)b->x ? -1 : 1;
    return a->kind != b->kind ? (int)a->kind - (int)b->kind : a->time - b->time;
}

/* Joins the layers that read the same x as the same kind into rings. */
static tl_status find_sharers(lowering *l) {
    int n = 0;
    reader *r = tl_alloc((size_t)(l->plan->n_nodes + 1) * sizeof *r);
    if (!r)
        return tl_fail(l->err, TL_ERR_MEMORY, "plan: out of memory");
    for (int time = 0; time < l->plan->n_nodes; time++) {
        const tl_tensor *t = l->plan->nodes[time];
        if (is_linear(l, t))
            r[n++] = (reader){t->src[0], tl_cpu_prep_of(t->src[1]->dtype), time};
    }
    qsort(r, (size_t)n, sizeof *r, reader_order);
    for (int i = 0, first = 0; i < n; i++) {
        bool last = i + 1 == n || r[i + 1].x != r[i].x || r[i + 1].kind != r[i].kind;
        l->notes[r[i].time].next = last ? r[first].time : r[i + 1].time;
        first = last ? i + 1 : first;
    }
    tl_free(r);
    return TL_OK;
}

/* Whether x, which `readers` layers read as one kind, need not be stored: a row op that nothing else reads. */
static bool may_produce(const lowering *l, const tl_tensor *x, cpu_prep kind, int readers) {
    int at = tl_plan_time(l->plan, x);
    if (l->cpu->blas_rows[kind] || l->plan->options.no_fuse || at < 0 || x->base != x || x->mark & TL_MARK_OUTPUT || l->notes[at].taken ||
        l->notes[at].elided)
        return false;
    if (!is_op(x, TL_OP_RMS_NORM) && !is_op(x, TL_OP_LAYER_NORM) && !is_op(x, TL_OP_SWIGLU) && !is_op(x, TL_OP_GEGLU))
        return false;
    return tl_cpu_rows_fit(x) && !reads_written(l, x) && readers == tl_plan_readers(l->plan, x);
}

/* Gives all layers that share x's rows one buffer, and marks x as elided where it is made inside prep. */
static tl_status find_prep(lowering *l, int time) {
    const tl_tensor *lin = l->plan->nodes[time], *x = lin->src[0];
    cpu_prep kind = tl_cpu_prep_of(lin->src[1]->dtype);
    note *notes = l->notes;
    if (kind == PREP_NONE || notes[time].prep >= 0)
        return TL_OK;
    int first = time, last = time, readers = 1; /* first, last: whose product runs first and last */
    for (int i = notes[time].next; i != time; i = notes[i].next, readers++) {
        first = notes[i].runs_at < notes[first].runs_at ? i : first;
        last = notes[i].runs_at > notes[last].runs_at ? i : last;
    }
    bool produce = may_produce(l, x, kind, readers);
    size_t bytes;
    int handle = -1;
    if (tl_mul_size(tl_cpu_prep_bytes(kind, tl_dim(x, -1)), (size_t)tl_rows(x), &bytes))
        handle = tl_plan_scratch(l->plan, bytes, notes[first].runs_at, notes[last].runs_at);
    if (handle < 0)
        return tl_fail(l->err, TL_ERR_MEMORY, "plan: out of memory for prepared rows");
    for (int i = time; notes[i].prep < 0; i = notes[i].next)
        notes[i].prep = handle;
    notes[first].prepares = true;
    if (produce) {
        notes[tl_plan_time(l->plan, x)].elided = true;
        tl_plan_elide(l->plan, x);
        for (int k = 0; k < x->n_src; k++)
            if (x->src[k])
                tl_plan_extend(l->plan, x->src[k], notes[first].runs_at);
    } else {
        tl_plan_extend(l->plan, x, notes[first].runs_at);
    }
    return TL_OK;
}

/* ---- steps ---- */

/* tiles: at the maximum sizes; a plan starts there, so a step's cost is that, too. */
static tl_status add_step(lowering *l, const cpu_step *s, const char *op, int64_t tiles, size_t scratch) {
    cpu_program *p = l->prog;
    tl_cost cost = tiles > 0 ? tl_cpu_step_cost(s, l->plan) : (tl_cost){0, 0, 0};
    if (p->n == p->cap) {
        int cap = p->cap ? p->cap * 2 : 64;
        cpu_step *grown = tl_realloc(p->steps, (size_t)cap * sizeof *grown);
        if (!grown)
            return tl_fail(l->err, TL_ERR_MEMORY, "plan: out of memory for steps");
        p->steps = grown;
        p->cap = cap;
    }
    if (tl_plan_add_step(l->plan, s->node, op, s->kernel, tiles, &cost) < 0)
        return tl_fail(l->err, TL_ERR_MEMORY, "plan: out of memory for steps");
    p->steps[p->n++] = *s;
    if (scratch > l->scratch)
        l->scratch = scratch;
    return TL_OK;
}

static int64_t most_tiles(const lowering *l, const cpu_step *s) {
    cpu_run r = {l->cpu, l->plan};
    return s->driver->tiles(s, &r);
}

static tl_status add_prep(lowering *l, const tl_tensor *x, cpu_prep kind, int handle, bool produce) {
    static const char *const names[] = {"none", "quantize_x32", "quantize_x256", "round_x13"};
    cpu_step s = {.driver = &tl_cpu_driver_prep,
                  .kernel = tl_cpu_kernel_name(l->cpu, names[kind], 0),
                  .node = x,
                  .prep = kind,
                  .buffer = handle,
                  .prep_row = tl_cpu_prep_bytes(kind, tl_dim(x, -1)),
                  .produce = produce};
    return add_step(l, &s, produce ? x->op->name : "prep", most_tiles(l, &s), tl_cpu_prep_scratch(l->cpu, x, kind, produce));
}

static tl_status add_linear(lowering *l, const tl_tensor *lin, const tl_tensor *node, const tl_tensor *residual) {
    const note *n = &l->notes[tl_plan_time(l->plan, lin)];
    const tl_tensor *x = lin->src[0], *w = lin->src[1];
    cpu_prep kind = tl_cpu_prep_of(w->dtype);
    if (n->prepares) {
        int at = tl_plan_time(l->plan, x);
        tl_status s = add_prep(l, x, kind, n->prep, at >= 0 && l->notes[at].elided && l->notes[at].runs_at < 0);
        if (s)
            return s;
    }
    cpu_step s = {.driver = &tl_cpu_driver_linear,
                  .kernel = tl_cpu_kernel_name(l->cpu, tl_cpu_linear_slot(l->cpu, lin), w->dtype),
                  .node = node,
                  .linear = lin,
                  .residual = residual,
                  .prep = kind,
                  .buffer = kind == PREP_NONE ? -1 : n->prep,
                  .prep_row = tl_cpu_prep_bytes(kind, tl_dim(x, -1))};
    return add_step(l, &s, residual ? "linear+add" : "linear", most_tiles(l, &s), tl_cpu_linear_scratch(l->cpu, lin));
}

/* Attention is three steps, of which a run takes the first, or the other two where its one query is cut over its keys. */
static tl_status add_attention(lowering *l, const tl_tensor *t, int time) {
    cpu_step s = {.driver = &tl_cpu_driver_attention, .kernel = l->cpu->attention[t->src[1]->dtype == TL_F16], .node = t, .buffer = -1};
    size_t parts = tl_cpu_attention_parts(l->cpu, t);
    int64_t tiles = most_tiles(l, &s); /* before there is a buffer, so that no span is looked at, which have no values yet */
    if (parts && (s.buffer = tl_plan_scratch(l->plan, parts, time, time)) < 0)
        return tl_fail(l->err, TL_ERR_MEMORY, "plan: out of memory for attention");
    tl_status status = add_step(l, &s, t->op->name, tiles, tl_cpu_attention_scratch(t));
    if (parts && !status) {
        s.driver = &tl_cpu_driver_split;
        status = add_step(l, &s, "attention_split", 0, tl_cpu_attention_scratch(t));
        s.driver = &tl_cpu_driver_join;
        status = status ? status : add_step(l, &s, "attention_join", 0, 0);
    }
    return status;
}

static tl_status add_node(lowering *l, int time) {
    const tl_tensor *t = l->plan->nodes[time];
    if (l->notes[time].elided)
        return TL_OK;
    if (l->notes[time].taken)
        return add_linear(l, l->notes[time].taken, t, t->src[t->src[0] == l->notes[time].taken]);
    if (is_linear(l, t))
        return add_linear(l, t, t, NULL);
    cpu_step s = {.driver = &tl_cpu_driver_reference, .kernel = "reference", .node = t, .buffer = -1};
    size_t scratch = t->op->scratch ? t->op->scratch(t) : 0;
    if (!l->cpu->reference && is_op(t, TL_OP_ATTENTION) && tl_cpu_attention_fits(t))
        return add_attention(l, t, time);
    if (!l->cpu->reference && tl_cpu_rows_fit(t)) {
        s.driver = &tl_cpu_driver_rows;
        s.kernel = tl_cpu_kernel_name(l->cpu, t->op->name, 0);
    } else if (!l->cpu->reference && tl_cpu_copy_fits(t)) {
        s.driver = &tl_cpu_driver_copy;
        s.kernel = tl_cpu_copy_kernel(l->cpu, t);
    }
    return add_step(l, &s, t->op->name, most_tiles(l, &s), scratch);
}

static tl_status lower(lowering *l) {
    int n = l->plan->n_nodes;
    for (int i = 0; i < n; i++)
        l->notes[i] = (note){.runs_at = -1, .next = i, .prep = -1};
    for (int i = 0; i < n; i++)
        if (is_linear(l, l->plan->nodes[i]))
            l->notes[i].runs_at = i;
    if (!l->plan->options.no_fuse && !l->cpu->reference) {
        find_residuals(l);
        tl_status s = find_sharers(l);
        if (s)
            return s;
    }
    for (int i = 0; i < n; i++) {
        tl_status s = is_linear(l, l->plan->nodes[i]) ? find_prep(l, i) : TL_OK;
        if (s)
            return s;
    }
    for (int i = 0; i < n; i++) {
        tl_status s = add_node(l, i);
        if (s)
            return s;
    }
    l->prog->scratch = l->scratch;
    tl_plan_workers(l->plan, l->cpu->threads, l->scratch);
    return TL_OK;
}

tl_status tl_cpu_compile(tl_backend *be, tl_plan *p, tl_error *err) {
    lowering l = {.cpu = be->impl, .plan = p, .err = err};
    l.prog = tl_alloc(sizeof *l.prog);
    l.notes = tl_alloc((size_t)(p->n_nodes + 1) * sizeof *l.notes);
    p->impl = l.prog;
    tl_status s = l.prog && l.notes ? lower(&l) : tl_fail(err, TL_ERR_MEMORY, "plan: out of memory");
    tl_free(l.notes);
    return s;
}

void tl_cpu_drop(tl_backend *be, tl_plan *p) {
    (void)be;
    cpu_program *prog = p->impl;
    if (prog)
        tl_free(prog->steps);
    tl_free(prog);
    p->impl = NULL;
}
