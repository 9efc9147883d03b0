/* plan.c: from a graph to a program that runs: collect -> lifetimes -> compile (the backend) -> in place -> layout -> bind; and the run.
 * A plan never changes what a graph means: order is build order, and only addresses are written into the nodes. plan_print.c prints
 * and profiles. Compile comes before layout, because fusion changes lifetimes. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tensor/graph.h"
#include "tensor/layout.h"
#include "tensor/plan.h"
#include "tensor/platform.h"

/* ---- collect: what outputs and state writes need ---- */

static bool writes_state(const tl_tensor *t) {
    return t->op && (t->op->flags & TL_OP_STATE || t->op->writes);
}

static bool computes(const tl_tensor *t) {
    return t->op && !(t->op->flags & TL_OP_VIEW);
}

static tl_status collect(tl_plan *p, tl_error *err) {
    const tl_graph *g = p->graph;
    size_t n = (size_t)g->n_nodes;
    tl_plan_private *q = p->priv;
    p->nodes = tl_alloc((n + 1) * sizeof *p->nodes);
    p->life = tl_alloc((n + 1) * sizeof *p->life);
    q->time = tl_alloc((n + 1) * sizeof *q->time);
    q->readers = tl_alloc((n + 1) * sizeof *q->readers);
    q->state = tl_alloc(n + 1);
    p->current = tl_alloc(((size_t)g->n_sizes + 1) * sizeof *p->current);
    if (!p->nodes || !p->life || !q->time || !q->readers || !q->state || !p->current)
        return tl_fail(err, TL_ERR_MEMORY, "plan: out of memory for %d nodes", g->n_nodes);
    for (int i = 1; i <= g->n_sizes; i++)
        p->current[i] = g->sizes[i - 1].max;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const tl_tensor *t = g->nodes[i];
        if (t->mark & TL_MARK_OUTPUT || writes_state(t))
            q->state[i] |= NODE_LIVE;
        if (!(q->state[i] & NODE_LIVE))
            continue;
        for (int k = 0; k < t->n_src; k++)
            if (t->src[k] && t->src[k]->graph)
                q->state[t->src[k]->id] |= NODE_LIVE;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        q->time[i] = -1;
        if (q->state[i] & NODE_LIVE && computes(g->nodes[i])) {
            q->time[i] = p->n_nodes;
            p->nodes[p->n_nodes++] = g->nodes[i];
        }
    }
    return TL_OK;
}

/* An output is read after the run, so it cannot be a state from before one of the run's writes. */
static tl_status check_outputs(const tl_graph *g, tl_error *err) {
    char text[160];
    for (int i = 0; i < g->n_nodes; i++) {
        const tl_tensor *t = g->nodes[i];
        if (t->mark & TL_MARK_OUTPUT && t->version != tl_graph_writes(g, t->base))
            return tl_fail(err, TL_ERR_USAGE,
                           "plan: output %s is a state from before a later write; mark the handle that the write returned",
                           tl_describe(t, text, sizeof text));
    }
    return TL_OK;
}

/* ---- lifetimes of roots that are the graph's own ---- */

static void lifetimes(tl_plan *p) {
    const tl_graph *g = p->graph;
    tl_plan_private *q = p->priv;
    for (int i = 0; i < g->n_nodes; i++) {
        const tl_tensor *t = g->nodes[i];
        p->life[i] = (tl_life){q->time[i], q->time[i], -1};
        if (t->mark & TL_MARK_INPUT)
            p->life[i] = (tl_life){0, p->n_nodes, -1};
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const tl_tensor *t = g->nodes[i];
        if (t->mark & TL_MARK_OUTPUT && t->base->graph) {
            p->life[t->base->id].last = p->n_nodes;
            q->readers[t->base->id]++;
        }
    }
    for (int time = 0; time < p->n_nodes; time++) {
        const tl_tensor *t = p->nodes[time];
        for (int k = 0; k < t->n_src; k++) {
            const tl_tensor *s = t->src[k];
            if (!s || !s->base->graph)
                continue;
            tl_life *l = &p->life[s->base->id];
            if (l->last < time)
                l->last = time;
            q->readers[s->base->id]++;
        }
    }
}

/* ---- what a backend's compile may ask ---- */

static int add_interval(tl_plan *p, size_t bytes, int first, int last) {
    tl_plan_private *q = p->priv;
    if (!tl_grow((void **)&q->intervals, &q->cap_intervals, q->n_intervals, sizeof *q->intervals))
        return -1;
    q->intervals[q->n_intervals] = (tl_interval){bytes, first, last, 0};
    return q->n_intervals++;
}

int tl_plan_scratch(tl_plan *p, size_t bytes, int first, int last) {
    return add_interval(p, bytes, first, last);
}

void *tl_plan_address(const tl_plan *p, int handle) {
    const tl_plan_private *q = p->priv;
    return handle >= 0 && handle < q->n_intervals && q->buffer.data ? (char *)q->buffer.data + q->intervals[handle].offset : NULL;
}

void tl_plan_extend(tl_plan *p, const tl_tensor *t, int last) {
    if (t->base->graph && p->life[t->base->id].last < last)
        p->life[t->base->id].last = last;
}

int tl_plan_time(const tl_plan *p, const tl_tensor *t) {
    return t->graph == p->graph && t->id >= 0 ? p->priv->time[t->id] : -1;
}

int tl_plan_readers(const tl_plan *p, const tl_tensor *t) {
    return t->base->graph ? p->priv->readers[t->base->id] : 0;
}

bool tl_plan_writes(const tl_plan *p, const tl_tensor *t) {
    return tl_graph_writes(p->graph, t->base) > 0;
}

void tl_plan_elide(tl_plan *p, const tl_tensor *t) {
    p->priv->state[t->base->id] |= NODE_ELIDED;
}

int tl_plan_add_step(tl_plan *p, const tl_tensor *node, const char *op, const char *kernel, int64_t max_tiles, const tl_cost *cost) {
    if (!tl_grow((void **)&p->steps, &p->priv->cap_steps, p->n_steps, sizeof *p->steps))
        return -1;
    p->steps[p->n_steps] =
        (tl_plan_step){.node = node, .op = op, .kernel = kernel, .max_tiles = max_tiles, .cost = cost ? *cost : (tl_cost){0, 0, 0}};
    return p->n_steps++;
}

void tl_plan_workers(tl_plan *p, int workers, size_t bytes_each) {
    p->priv->workers = workers;
    p->priv->worker_bytes = bytes_each > SIZE_MAX - 63 ? SIZE_MAX : (bytes_each + 63) / 64 * 64; /* SIZE_MAX: lay_out refuses it */
}

void *tl_plan_worker(const tl_plan *p, int w) {
    const tl_plan_private *q = p->priv;
    return q->scratch.data ? (char *)q->scratch.data + (size_t)w * q->worker_bytes : NULL;
}

/* ---- in place: the last reader of a source of equal size takes its memory ---- */

/* Whether out may live in the memory of its source i. The source must be a root that this plan computes (not input, output or
 * state), read for the last time and only once by this node, and equal in type, shape and varying axis. */
static bool may_take(const tl_plan *p, const tl_tensor *out, int i, int time) {
    const tl_plan_private *q = p->priv;
    const tl_tensor *s = out->src[i];
    if (!s || s->base != s || !s->graph || !s->op || q->time[s->id] < 0 || q->state[s->id] & NODE_ELIDED)
        return false;
    if (p->life[s->id].last != time || p->life[s->id].interval < 0 || s->dtype != out->dtype || !tl_same_shape(s, out))
        return false;
    for (int k = 0; k < out->n_src; k++)
        if (k != i && out->src[k] && out->src[k]->base == s)
            return false;
    return true;
}

static tl_status assign_intervals(tl_plan *p, tl_error *err) {
    const tl_graph *g = p->graph;
    tl_plan_private *q = p->priv;
    for (int i = 0; i < g->n_nodes; i++) {
        const tl_tensor *t = g->nodes[i];
        bool own = t->base == t && !(q->state[i] & NODE_ELIDED) && (t->mark & TL_MARK_INPUT || q->time[i] >= 0);
        if (!own)
            continue;
        int take = -1;
        if (q->time[i] >= 0 && t->op->flags & TL_OP_ELEMENTWISE && !p->options.no_reuse)
            for (int k = 0; k < t->n_src && take < 0; k++)
                if (may_take(p, t, k, q->time[i]))
                    take = p->life[t->src[k]->id].interval;
        if (take >= 0) {
            if (q->intervals[take].last < p->life[i].last)
                q->intervals[take].last = p->life[i].last;
        } else {
            take = add_interval(p, tl_bytes(t), p->life[i].first, p->life[i].last);
            if (take < 0)
                return tl_fail(err, TL_ERR_MEMORY, "plan: out of memory");
        }
        p->life[i].interval = take;
    }
    return TL_OK;
}

static tl_status lay_out(tl_plan *p, tl_error *err) {
    tl_plan_private *q = p->priv;
    for (int i = 0; i < q->n_intervals; i++) {
        size_t padded;
        if (!tl_add_size(q->intervals[i].bytes, 63, &padded))
            return tl_fail(err, TL_ERR_MEMORY, "plan: the size of a node or its scratch overflows");
        q->memory.no_reuse = tl_add_saturated(q->memory.no_reuse, padded / 64 * 64);
    }
    tl_status s = tl_layout_intervals(q->intervals, q->n_intervals, !p->options.no_reuse, &q->memory.activations);
    if (s)
        return tl_fail(err, s, "plan: cannot lay out %d intervals", q->n_intervals);
    if (!tl_mul_size((size_t)q->workers, q->worker_bytes, &q->memory.workers) ||
        !tl_add_size(q->memory.activations, q->memory.workers, &q->memory.total))
        return tl_fail(err, TL_ERR_MEMORY, "plan: its size overflows");
    return TL_OK;
}

/* ---- bind: memory, and its addresses into the roots ---- */

/* A forecast may read tensors that were only declared; a plan that runs may not. */
static tl_status check_memory(const tl_plan *p, tl_error *err) {
    char text[160];
    for (int i = 0; i < p->n_nodes; i++)
        for (int k = 0; k < p->nodes[i]->n_src; k++) {
            const tl_tensor *s = p->nodes[i]->src[k], *root = s ? s->base : NULL;
            if (root && root->mark & TL_MARK_BANK && !root->buffer->data && !root->buffer->backend)
                return tl_fail(err, TL_ERR_USAGE,
                               "plan: %s was only declared (tl_bank_declare) and has no memory: it may be forecast, not run",
                               tl_describe(root, text, sizeof text));
        }
    return TL_OK;
}

static tl_status bind(tl_plan *p, tl_error *err) {
    tl_plan_private *q = p->priv;
    tl_backend *be = p->backend;
    tl_status s = be->ops->alloc(be, q->memory.activations ? q->memory.activations : 64, &q->buffer);
    if (!s && q->memory.workers)
        s = be->ops->alloc(be, q->memory.workers, &q->scratch);
    if (s)
        return tl_fail(err, s, "plan: no memory for %llu bytes of activations and %llu of scratch",
                       (unsigned long long)q->memory.activations, (unsigned long long)q->memory.workers);
    for (int i = 0; i < p->graph->n_nodes; i++) {
        tl_tensor *t = p->graph->nodes[i];
        if (t->base != t || p->life[i].interval < 0)
            continue;
        t->buffer = &q->buffer;
        t->offset = q->intervals[p->life[i].interval].offset;
    }
    return TL_OK;
}

static void unbind(tl_plan *p) {
    for (int i = 0; p->graph && i < p->graph->n_nodes; i++)
        if (p->graph->nodes[i]->buffer == &p->priv->buffer)
            p->graph->nodes[i]->buffer = NULL;
}

/* ---- life of a plan ---- */

/* Everything but memory: what forecast needs. */
static tl_status prepare(tl_plan **out, tl_graph *g, tl_backend *be, const tl_plan_options *options, tl_error *err) {
    *out = NULL;
    if (!g || !be)
        return tl_fail(err, TL_ERR_USAGE, "plan: a graph and a backend are needed");
    if (g->failed)
        return tl_fail(err, g->error.status, "%s", g->error.message);
    if (g->plan)
        return tl_fail(err, TL_ERR_USAGE, "plan: this graph has a live plan; free it first");
    tl_plan *p = tl_alloc(sizeof *p);
    tl_plan_private *q = tl_alloc(sizeof *q);
    if (!p || !q) {
        tl_free(p);
        tl_free(q);
        return tl_fail(err, TL_ERR_MEMORY, "plan: out of memory");
    }
    p->graph = g;
    p->backend = be;
    p->priv = q;
    if (options)
        p->options = *options;
    p->options.no_fuse |= p->options.probe != NULL;
    *out = p;
    tl_status s = check_outputs(g, err);
    if (!s)
        s = collect(p, err);
    if (s)
        return s;
    lifetimes(p);
    for (int i = 0; be->ops->reject && i < p->n_nodes; i++) {
        const char *why = be->ops->reject(be, p->nodes[i]);
        char text[160];
        if (why)
            return tl_fail(err, TL_ERR_UNSUPPORTED, "plan: backend %s cannot run %s: %s", be->ops->name,
                           tl_describe(p->nodes[i], text, sizeof text), why);
    }
    s = be->ops->compile(be, p, err);
    if (!s)
        s = assign_intervals(p, err);
    return s ? s : lay_out(p, err);
}

tl_status tl_plan_new(tl_plan **out, tl_graph *g, tl_backend *be, const tl_plan_options *options, tl_error *err) {
    if (!out)
        return tl_fail(err, TL_ERR_USAGE, "tl_plan_new: no place for the plan given");
    tl_plan *p;
    tl_status s = prepare(&p, g, be, options, err);
    if (!s)
        s = bind(p, err);
    if (!s)
        s = check_memory(p, err);
    if (!s)
        g->plan = p;
    if (s) {
        tl_plan_free(p);
        p = NULL;
    }
    *out = p;
    return s;
}

tl_status tl_plan_forecast(tl_graph *g, tl_backend *be, const tl_plan_options *options, tl_plan_memory *out, tl_error *err) {
    if (!out)
        return tl_fail(err, TL_ERR_USAGE, "tl_plan_forecast: no place for the sizes given");
    tl_plan *p;
    tl_status s = prepare(&p, g, be, options, err);
    *out = s ? (tl_plan_memory){0, 0, 0, 0} : p->priv->memory;
    tl_plan_free(p);
    return s;
}

void tl_plan_free(tl_plan *p) {
    if (!p)
        return;
    tl_plan_private *q = p->priv;
    if (p->backend->ops->drop)
        p->backend->ops->drop(p->backend, p);
    unbind(p);
    if (q->buffer.backend)
        p->backend->ops->free(p->backend, &q->buffer);
    if (q->scratch.backend)
        p->backend->ops->free(p->backend, &q->scratch);
    if (p->graph && p->graph->plan == p)
        p->graph->plan = NULL;
    tl_free(q->time);
    tl_free(q->readers);
    tl_free(q->state);
    tl_free(q->intervals);
    tl_free(q->profile);
    tl_free(q);
    tl_free(p->nodes);
    tl_free(p->life);
    tl_free(p->current);
    tl_free(p->steps);
    tl_free(p);
}

tl_plan_memory tl_plan_memory_of(const tl_plan *p) {
    return p ? p->priv->memory : (tl_plan_memory){0, 0, 0, 0};
}

/* ---- now ---- */

tl_status tl_plan_set(tl_plan *p, const char *size, int64_t value, tl_error *err) {
    if (!p || !p->graph || !size)
        return tl_fail(err, TL_ERR_USAGE, "tl_plan_set: a plan with a graph and a size's name are needed");
    const tl_graph *g = p->graph;
    for (int i = 0; i < g->n_sizes; i++) {
        if (strcmp(g->sizes[i].name, size) != 0)
            continue;
        if (value < 0 || value > g->sizes[i].max)
            return tl_fail(err, TL_ERR_RANGE, "tl_plan_set: '%s' = %lld is not 0 to %lld", size, (long long)value,
                           (long long)g->sizes[i].max);
        p->current[i + 1] = value;
        return TL_OK;
    }
    return tl_fail(err, TL_ERR_USAGE, "tl_plan_set: the graph has no size '%s'", size);
}

int64_t tl_plan_dim0(const tl_plan *p, const tl_tensor *t) {
    return t->size ? p->current[t->size] : t->rank ? t->shape[0] : 1;
}

int64_t tl_plan_rows(const tl_plan *p, const tl_tensor *t) {
    int64_t n = t->rank > 1 ? tl_plan_dim0(p, t) : t->size ? p->current[t->size] > 0 : 1;
    for (int i = 1; i + 1 < t->rank; i++)
        n *= t->shape[i];
    return n;
}

int64_t tl_plan_work(const tl_plan *p, const tl_tensor *node) {
    return tl_plan_rows(p, node->op->rows_of ? node->src[node->op->rows_of - 1] : node);
}

/* ---- run ---- */

/* A check is late where an integer operand is computed by this plan, or is a state that it writes first. */
static bool is_late(const tl_tensor *t) {
    for (int k = 0; k < t->n_src; k++)
        if (t->src[k] && tl_dtype_get(t->src[k]->dtype)->kind == TL_KIND_INT && (t->src[k]->base->op || t->src[k]->version > 0))
            return true;
    return false;
}

tl_status tl_plan_check_late(const tl_plan *p, const tl_tensor *node, tl_error *err) {
    return node->op->check && is_late(node) ? node->op->check(node, p, err) : TL_OK;
}

tl_status tl_plan_run(tl_plan *p, tl_error *err) {
    if (!p || !p->graph)
        return tl_fail(err, TL_ERR_USAGE, "tl_plan_run: %s", p ? "the plan's graph was freed" : "no plan given");
    tl_mutex_lock(p->backend->lock);
    uint64_t env = tl_float_enter();
    tl_status s = TL_OK;
    for (int i = 0; i < p->n_nodes && !s; i++)
        if (p->nodes[i]->op->check && !is_late(p->nodes[i]))
            s = p->nodes[i]->op->check(p->nodes[i], p, err);
    if (!s && tl_plan_cancelled(p))
        s = TL_CANCELLED;
    p->ran = p->ran || !s;
    if (!s)
        s = p->backend->ops->run(p->backend, p, err);
    if (!s && p->backend->ops->poll)
        while ((s = p->backend->ops->poll(p->backend, p)) == TL_MORE)
            tl_yield();
    if (s == TL_CANCELLED)
        tl_fail(err, s, "the run was cancelled");
    if (s) /* whatever ended this run, a cancel was meant for it and not for the next */
        tl_plan_resume(p);
    tl_float_leave(env);
    tl_mutex_unlock(p->backend->lock);
    return s;
}

/* Order: relaxed everywhere; the flag carries no data, only "stop soon". */
void tl_plan_cancel(tl_plan *p) {
    if (p)
        atomic_store_explicit(&p->priv->cancel, 1, memory_order_relaxed);
}

void tl_plan_resume(tl_plan *p) {
    if (p)
        atomic_store_explicit(&p->priv->cancel, 0, memory_order_relaxed);
}

_Static_assert(sizeof(atomic_int) == 4, "tl_plan_cancel_word promises 32 bits");
void *tl_plan_cancel_word(tl_plan *p) {
    return p ? &p->priv->cancel : NULL;
}

bool tl_plan_cancelled(const tl_plan *p) {
    return atomic_load_explicit(&p->priv->cancel, memory_order_relaxed) != 0;
}
