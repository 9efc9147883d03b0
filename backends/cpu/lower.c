/* lower.c: nodes to steps. Without fusion a node is one step (a linear layer with quantised weights two: prep and product). Fusion is
 * short and listed here:
 *   1. rows prepared for linear layers are shared by all layers that read the same x as the same kind (q, k, v; gate, up);
 *   2. a norm or swiglu that only such layers read is computed inside prep and never stored;
 *   3. an add that is the only reader of a linear layer becomes its residual.
 * Each gives the same bits as the plain steps, because no operation and no order of additions changes. */
#include <string.h>

#include "backends/cpu/cpu.h"
#include "ops/ops.h"
#include "tensor/platform.h"

/* What lowering finds out about a node before any step is made; by time. */
typedef struct note {
    int runs_at;            /* linear: the time of its product (its own, or of the add that took it) */
    const tl_tensor *taken; /* add: the linear it finishes */
    int prep;               /* linear: plan scratch of its prepared rows, -1: not yet */
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

static bool same_shape(const tl_tensor *a, const tl_tensor *b) {
    return a->rank == b->rank && a->size == b->size && memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

/* True where t's memory is a bank tensor that this plan writes: a step that reads it must stay where it is. */
static bool is_written(const lowering *l, const tl_tensor *t) {
    if (!t || t->base->graph)
        return false;
    for (int i = 0; i < l->plan->n_nodes; i++) {
        const tl_tensor *n = l->plan->nodes[i];
        for (int k = 0; k < n->n_src; k++)
            if (n->src[k] && n->src[k]->base == t->base && ((k == 0 && n->op->flags & TL_OP_STATE) || (k < 32 && n->op->writes >> k & 1)))
                return true;
    }
    return false;
}

static bool reads_written(const lowering *l, const tl_tensor *t) {
    for (int k = 0; k < t->n_src; k++)
        if (is_written(l, t->src[k]))
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
            if (!same_shape(lin, add) || !same_shape(other, add) || !tl_row_dense(other) || other->base == lin || reads_written(l, lin))
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

static bool shares(const lowering *l, const tl_tensor *t, const tl_tensor *x, cpu_prep kind) {
    return is_linear(l, t) && t->src[0] == x && tl_cpu_prep_of(t->src[1]->dtype) == kind;
}

/* Whether x need not be stored: a row op that only layers of one kind read. */
static bool may_produce(const lowering *l, const tl_tensor *x, cpu_prep kind) {
    int at = tl_plan_time(l->plan, x), readers = 0;
    if (l->cpu->blas_rows[kind] || l->plan->options.no_fuse || at < 0 || x->base != x || x->mark & TL_MARK_OUTPUT || l->notes[at].taken ||
        l->notes[at].elided)
        return false;
    if (!is_op(x, TL_OP_RMS_NORM) && !is_op(x, TL_OP_LAYER_NORM) && !is_op(x, TL_OP_SWIGLU) && !is_op(x, TL_OP_GEGLU))
        return false;
    if (!tl_cpu_rows_fit(x) || reads_written(l, x))
        return false;
    for (int i = at; i < l->plan->n_nodes; i++)
        readers += shares(l, l->plan->nodes[i], x, kind);
    return readers == tl_plan_readers(l->plan, x);
}

/* Gives all layers that share x's rows one buffer, and marks x as elided where it is made inside prep. */
static tl_status find_prep(lowering *l, int time) {
    const tl_tensor *lin = l->plan->nodes[time], *x = lin->src[0];
    cpu_prep kind = tl_cpu_prep_of(lin->src[1]->dtype);
    note *mine = &l->notes[time];
    if (kind == PREP_NONE || mine->prep >= 0)
        return TL_OK;
    int first = mine->runs_at, last = mine->runs_at;
    bool share = !l->plan->options.no_fuse;
    for (int i = time + 1; share && i < l->plan->n_nodes; i++) {
        if (!shares(l, l->plan->nodes[i], x, kind))
            continue;
        first = l->notes[i].runs_at < first ? l->notes[i].runs_at : first;
        last = l->notes[i].runs_at > last ? l->notes[i].runs_at : last;
    }
    bool produce = may_produce(l, x, kind);
    size_t bytes;
    int handle = -1;
    if (tl_mul_size(tl_cpu_prep_bytes(kind, tl_dim(x, -1)), (size_t)tl_rows(x), &bytes))
        handle = tl_plan_scratch(l->plan, bytes, first, last);
    if (handle < 0)
        return tl_fail(l->err, TL_ERR_MEMORY, "plan: out of memory for prepared rows");
    for (int i = time; i < l->plan->n_nodes; i++)
        if (i == time || (share && shares(l, l->plan->nodes[i], x, kind)))
            l->notes[i].prep = handle;
    if (produce) {
        l->notes[tl_plan_time(l->plan, x)].elided = true;
        tl_plan_elide(l->plan, x);
        for (int k = 0; k < x->n_src; k++)
            if (x->src[k])
                tl_plan_extend(l->plan, x->src[k], first);
    } else {
        tl_plan_extend(l->plan, x, first);
    }
    return TL_OK;
}

/* ---- steps ---- */

static tl_cost cost_at_most(const tl_tensor *node) {
    return tl_cpu_cost(node, tl_rows(node->op->rows_of ? node->src[node->op->rows_of - 1] : node));
}

static tl_status add_step(lowering *l, const cpu_step *s, const char *op, int64_t tiles, const tl_cost *cost, size_t scratch) {
    cpu_program *p = l->prog;
    if (p->n == p->cap) {
        int cap = p->cap ? p->cap * 2 : 64;
        cpu_step *grown = tl_realloc(p->steps, (size_t)cap * sizeof *grown);
        if (!grown)
            return tl_fail(l->err, TL_ERR_MEMORY, "plan: out of memory for steps");
        p->steps = grown;
        p->cap = cap;
    }
    if (tl_plan_add_step(l->plan, s->node, op, s->kernel, tiles, cost) < 0)
        return tl_fail(l->err, TL_ERR_MEMORY, "plan: out of memory for steps");
    p->steps[p->n++] = *s;
    if (scratch > l->scratch)
        l->scratch = scratch;
    return TL_OK;
}

/* Tiles of a step at the maximum sizes; a plan starts there. */
static int64_t most_tiles(const lowering *l, const cpu_step *s) {
    cpu_run r = {l->cpu, l->plan};
    return s->driver->tiles(s, &r);
}

static tl_status add_prep(lowering *l, const tl_tensor *x, cpu_prep kind, int handle, bool produce) {
    static const char *const names[] = {"none", "quantize_x32", "quantize_x256", "round_x13"};
    for (int i = 0; i < l->prog->n; i++)
        if (l->prog->steps[i].driver == &tl_cpu_driver_prep && l->prog->steps[i].buffer == handle)
            return TL_OK;
    cpu_step s = {.driver = &tl_cpu_driver_prep,
                  .kernel = tl_cpu_kernel_name(l->cpu, names[kind], 0),
                  .node = x,
                  .prep = kind,
                  .buffer = handle,
                  .prep_row = tl_cpu_prep_bytes(kind, tl_dim(x, -1)),
                  .produce = produce};
    double rows = (double)tl_rows(x), bytes = rows * (double)tl_dim(x, -1) * 4;
    tl_cost c = {bytes, bytes, rows * (double)s.prep_row};
    return add_step(l, &s, produce ? x->op->name : "prep", most_tiles(l, &s), &c, produce ? (size_t)tl_dim(x, -1) * sizeof(float) : 0);
}

static tl_status add_linear(lowering *l, const tl_tensor *lin, const tl_tensor *node, const tl_tensor *residual) {
    const note *n = &l->notes[tl_plan_time(l->plan, lin)];
    const tl_tensor *x = lin->src[0], *w = lin->src[1];
    cpu_prep kind = tl_cpu_prep_of(w->dtype);
    if (kind != PREP_NONE) {
        int at = tl_plan_time(l->plan, x);
        tl_status s = add_prep(l, x, kind, n->prep, at >= 0 && l->notes[at].elided && l->notes[at].runs_at < 0);
        if (s)
            return s;
    }
    cpu_step s = {.driver = &tl_cpu_driver_linear,
                  .kernel = tl_cpu_kernel_name(l->cpu, w->layout ? "panel" : "dot", w->dtype),
                  .node = node,
                  .linear = lin,
                  .residual = residual,
                  .prep = kind,
                  .buffer = kind == PREP_NONE ? -1 : n->prep,
                  .prep_row = tl_cpu_prep_bytes(kind, tl_dim(x, -1))};
    tl_cost c = cost_at_most(lin);
    return add_step(l, &s, residual ? "linear+add" : "linear", most_tiles(l, &s), &c, tl_cpu_linear_scratch(lin));
}

/* Attention is three steps, of which a run takes the first, or the other two where its one query is cut over its keys. */
static tl_status add_attention(lowering *l, const tl_tensor *t, int time) {
    cpu_step s = {.driver = &tl_cpu_driver_attention, .kernel = l->cpu->attention[t->src[1]->dtype == TL_F16], .node = t, .buffer = -1};
    size_t parts = tl_cpu_attention_parts(l->cpu, t);
    int64_t tiles = most_tiles(l, &s); /* before there is a buffer, so that no span is looked at, which have no values yet */
    if (parts && (s.buffer = tl_plan_scratch(l->plan, parts, time, time)) < 0)
        return tl_fail(l->err, TL_ERR_MEMORY, "plan: out of memory for attention");
    tl_cost c = cost_at_most(t), none = {0, 0, 0};
    tl_status status = add_step(l, &s, t->op->name, tiles, &c, tl_cpu_attention_scratch(t));
    if (parts && !status) {
        s.driver = &tl_cpu_driver_split;
        status = add_step(l, &s, "attention_split", 0, &none, tl_cpu_attention_scratch(t));
        s.driver = &tl_cpu_driver_join;
        status = status ? status : add_step(l, &s, "attention_join", 0, &none, 0);
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
    tl_cost c = cost_at_most(t);
    return add_step(l, &s, t->op->name, most_tiles(l, &s), &c, scratch);
}

static tl_status lower(lowering *l) {
    int n = l->plan->n_nodes;
    for (int i = 0; i < n; i++)
        l->notes[i] = (note){-1, NULL, -1, false};
    for (int i = 0; i < n; i++)
        if (is_linear(l, l->plan->nodes[i]))
            l->notes[i].runs_at = i;
    if (!l->plan->options.no_fuse && !l->cpu->reference)
        find_residuals(l);
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
