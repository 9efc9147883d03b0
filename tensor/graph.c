/* graph.c: recording. A graph owns its nodes; builders add them in order through tl_graph_add, which checks operands, lets the op infer
 * its shape, and counts the versions of states so that no reader can see a write that it did not ask for. The first error sticks.
 * Printing is in print.c, planning in plan.c. */
#include "tensor/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tensor/platform.h"

/* A tagged length: bit 62, the size's number above bit 44, its maximum below. */
#define SIZE_TAG ((int64_t)1 << 62)
#define SIZE_SHIFT 44
#define SIZE_MOST ((int64_t)1 << 40)
enum { MAX_SIZES = 64 };

/* For whatever would change a graph that has a live plan. */
static const char planned_already[] =
    "the graph is planned already, so this call has failed it for good; build another graph (to change a planned one, free its plan first)";

bool tl_grow(void **array, int *cap, int n, size_t element) {
    if (n < *cap)
        return true;
    int want = *cap ? *cap * 2 : 32;
    size_t bytes;
    if (*cap > INT32_MAX / 2 || !tl_mul_size((size_t)want, element, &bytes))
        return false;
    void *p = tl_realloc(*array, bytes);
    if (!p)
        return false;
    *array = p;
    *cap = want;
    return true;
}

tl_status tl_graph_new(tl_graph **g, tl_error *err) {
    if (!g)
        return tl_fail(err, TL_ERR_USAGE, "tl_graph_new: no place for the graph given");
    *g = tl_alloc(sizeof **g);
    return *g ? TL_OK : tl_fail(err, TL_ERR_MEMORY, "tl_graph_new: out of memory");
}

void tl_graph_free(tl_graph *g) {
    if (!g)
        return;
    if (g->plan)
        g->plan->graph = NULL;
    tl_arena_free(&g->arena);
    tl_free(g->nodes);
    tl_free(g->sizes);
    tl_free(g->writes);
    tl_free(g);
}

const tl_error *tl_graph_error(const tl_graph *g) {
    return g && g->failed ? &g->error : NULL;
}

tl_status tl_graph_fail(tl_graph *g, tl_status s, const char *fmt, ...) {
    if (g && !g->failed) {
        char text[TL_ERROR_MAX];
        va_list a;
        va_start(a, fmt);
        vsnprintf(text, sizeof text, fmt ? fmt : "no message given", a);
        va_end(a);
        tl_fail(&g->error, s, "%s", text);
        g->failed = true;
    }
    return s;
}

void *tl_graph_alloc(tl_graph *g, size_t bytes) {
    void *p = g ? tl_arena_alloc(&g->arena, bytes) : NULL;
    if (!p)
        tl_graph_fail(g, TL_ERR_MEMORY, "graph: out of memory");
    return p;
}

/* ---- named sizes ---- */

int64_t tl_size(tl_graph *g, const char *name, int64_t max) {
    if (!g || g->failed)
        return -1;
    if (!name || !*name || max < 1 || max > SIZE_MOST || g->n_sizes == MAX_SIZES) {
        tl_graph_fail(g, TL_ERR_USAGE,
                      "tl_size: '%s' with maximum %lld: a name and a maximum of 1 to %lld are needed, for at most %d sizes",
                      name ? name : "", (long long)max, (long long)SIZE_MOST, MAX_SIZES);
        return -1;
    }
    for (int i = 0; i < g->n_sizes; i++) {
        if (strcmp(g->sizes[i].name, name) != 0)
            continue;
        if (g->sizes[i].max == max)
            return SIZE_TAG | (int64_t)(i + 1) << SIZE_SHIFT | max;
        tl_graph_fail(g, TL_ERR_USAGE, "tl_size: '%s' was declared with maximum %lld, now %lld", name, (long long)g->sizes[i].max,
                      (long long)max);
        return -1;
    }
    if (g->plan) { /* whose current values have no place for it */
        tl_graph_fail(g, TL_ERR_USAGE, "tl_size: '%s': %s", name, planned_already);
        return -1;
    }
    char *copy = tl_arena_copy(&g->arena, name, strlen(name));
    if (!copy || !tl_grow((void **)&g->sizes, &g->cap_sizes, g->n_sizes, sizeof *g->sizes)) {
        tl_graph_fail(g, TL_ERR_MEMORY, "tl_size: out of memory for '%s'", name);
        return -1;
    }
    g->sizes[g->n_sizes++] = (tl_size_entry){copy, max};
    return SIZE_TAG | (int64_t)g->n_sizes << SIZE_SHIFT | max;
}

bool tl_size_decode(const tl_graph *g, int64_t length, int *size, int64_t *max) {
    if (!size || !max)
        return false;
    *size = 0;
    *max = length;
    if (!(length & SIZE_TAG) || length < 0)
        return length < SIZE_TAG;
    int64_t number = (length & (SIZE_TAG - 1)) >> SIZE_SHIFT;
    *max = length & (((int64_t)1 << SIZE_SHIFT) - 1);
    *size = (int)number;
    return g && number >= 1 && number <= g->n_sizes && g->sizes[number - 1].max == *max;
}

int tl_graph_sizes(const tl_graph *g) {
    return g ? g->n_sizes : 0;
}

const char *tl_graph_size_name(const tl_graph *g, int i) {
    return g && i >= 1 && i <= g->n_sizes ? g->sizes[i - 1].name : NULL;
}

int64_t tl_graph_size_max(const tl_graph *g, int i) {
    return g && i >= 1 && i <= g->n_sizes ? g->sizes[i - 1].max : 0;
}

/* ---- nodes ---- */

int tl_graph_count(const tl_graph *g) {
    return g ? g->n_nodes : 0;
}

tl_tensor *tl_graph_node(const tl_graph *g, int i) {
    return g && i >= 0 && i < g->n_nodes ? g->nodes[i] : NULL;
}

/* An empty node, not yet in the list. */
static tl_tensor *fresh(tl_graph *g, const tl_op *op) {
    tl_tensor *t = tl_graph_alloc(g, sizeof *t);
    if (!t)
        return NULL;
    t->op = op;
    t->base = t;
    t->graph = g;
    t->id = g->n_nodes;
    return t;
}

static tl_tensor *append(tl_graph *g, tl_tensor *t) {
    if (!tl_grow((void **)&g->nodes, &g->cap_nodes, g->n_nodes, sizeof *g->nodes)) {
        tl_graph_fail(g, TL_ERR_MEMORY, "graph: out of memory for node %d", g->n_nodes);
        return NULL;
    }
    g->nodes[g->n_nodes++] = t;
    return t;
}

/* Checks dtype, rank and shape of a tensor that has memory of its own, and gives it dense strides. */
static tl_status settle(tl_graph *g, tl_tensor *t, const char *what) {
    const tl_dtype_info *d = tl_dtype_get(t->dtype);
    char text[160];
    if (!d)
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: unknown type %d", what, (int)t->dtype);
    if (t->rank < 1 || t->rank > TL_MAX_RANK)
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: rank %d is not 1 to %d", what, t->rank, TL_MAX_RANK);
    size_t bytes = (size_t)d->block_bytes;
    for (int i = t->rank - 1; i >= 0; i--) {
        int block = i == t->rank - 1 ? d->block : 1;
        if (t->shape[i] < 1)
            return tl_graph_fail(g, TL_ERR_USAGE, "%s: axis %d of %s must have a length of at least 1", what, i,
                                 tl_describe(t, text, sizeof text));
        if (t->shape[i] % block)
            return tl_graph_fail(g, TL_ERR_USAGE, "%s: axis %d of %s must be a multiple of %d", what, i, tl_describe(t, text, sizeof text),
                                 block);
        t->stride[i] = (int64_t)bytes;
        uint64_t blocks = (uint64_t)(t->shape[i] / block);
        if (blocks > SIZE_MAX || !tl_mul_size(bytes, (size_t)blocks, &bytes) || bytes > TL_TENSOR_MOST)
            return tl_graph_fail(g, TL_ERR_MEMORY, "%s: the size of %s overflows", what, tl_describe(t, text, sizeof text));
    }
    return TL_OK;
}

/* A view must stay inside its base: the farthest byte is checked. Where it repeats it, its elements are to be countable all the same. */
static tl_status settle_view(tl_graph *g, tl_tensor *t) {
    char text[160];
    const tl_dtype_info *d = tl_dtype_get(t->dtype);
    if (!d || t->rank < 1 || t->rank > TL_MAX_RANK || t->base != t->src[0]->base)
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: the view is malformed", t->op->name);
    size_t end = (size_t)d->block_bytes, span;
    uint64_t dense = (uint64_t)d->block_bytes;
    bool fits = tl_add_size(end, t->offset, &end);
    for (int i = 0; fits && i < t->rank; i++) {
        int64_t blocks = i == t->rank - 1 ? t->shape[i] / d->block : t->shape[i];
        fits = blocks >= 1 && t->stride[i] >= 0 && dense <= TL_COUNT_MOST / (uint64_t)blocks;
        dense *= fits ? (uint64_t)blocks : 1;
        if (t->stride[i] > 0)
            fits = fits && (uint64_t)blocks <= SIZE_MAX && (uint64_t)t->stride[i] <= SIZE_MAX &&
                   tl_mul_size((size_t)blocks - 1, (size_t)t->stride[i], &span) && tl_add_size(end, span, &end);
    }
    if (!fits || end > tl_bytes(t->base))
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: %s leaves its parent", t->op->name, tl_describe(t, text, sizeof text));
    return TL_OK;
}

tl_tensor *tl_input(tl_graph *g, const char *name, tl_dtype dtype, int rank, const int64_t *shape) {
    if (!g || g->failed)
        return NULL;
    if (!name || !shape || rank < 1 || rank > TL_MAX_RANK) {
        tl_graph_fail(g, TL_ERR_USAGE, "tl_input: '%s' needs a name, a shape and a rank of 1 to %d", name ? name : "", TL_MAX_RANK);
        return NULL;
    }
    if (g->plan) {
        tl_graph_fail(g, TL_ERR_USAGE, "tl_input: '%s': %s", name, planned_already);
        return NULL;
    }
    tl_tensor *t = fresh(g, NULL);
    char *copy = tl_arena_copy(&g->arena, name, strlen(name));
    if (!t || !copy) {
        tl_graph_fail(g, TL_ERR_MEMORY, "tl_input: out of memory for '%s'", name);
        return NULL;
    }
    t->name = copy;
    t->dtype = dtype;
    t->rank = rank;
    t->mark = TL_MARK_INPUT;
    for (int i = 0; i < rank; i++) {
        int size;
        if (!tl_size_decode(g, shape[i], &size, &t->shape[i]) || (size && i > 0)) {
            tl_graph_fail(g, TL_ERR_USAGE, "tl_input: '%s': a named size of this graph may be axis 0 only (axis %d)", name, i);
            return NULL;
        }
        if (size)
            t->size = size;
    }
    return settle(g, t, name) ? NULL : append(g, t);
}

tl_tensor *tl_output(tl_graph *g, tl_tensor *t) {
    if (!g || g->failed)
        return NULL;
    if (!t || (t->graph && t->graph != g) || g->plan) {
        tl_graph_fail(g, TL_ERR_USAGE, "tl_output: %s",
                      !t        ? "no tensor given"
                      : g->plan ? planned_already
                                : "the tensor is another graph's");
        return NULL;
    }
    if (t->graph)
        t->mark |= TL_MARK_OUTPUT;
    return t;
}

tl_tensor *tl_name(tl_graph *g, tl_tensor *t, const char *fmt, ...) {
    if (!g || g->failed || !t)
        return NULL;
    if (t->graph != g || !fmt) {
        tl_graph_fail(g, TL_ERR_USAGE, "tl_name: %s", fmt ? "only this graph's own nodes can be named" : "no name given");
        return NULL;
    }
    char text[256];
    va_list a;
    va_start(a, fmt);
    vsnprintf(text, sizeof text, fmt, a);
    va_end(a);
    char *copy = tl_arena_copy(&g->arena, text, strlen(text));
    if (!copy) {
        tl_graph_fail(g, TL_ERR_MEMORY, "tl_name: out of memory for '%s'", text);
        return NULL;
    }
    t->name = copy;
    return t;
}

/* ---- states and their versions ---- */

static bool writes_source(const tl_op *op, int i) {
    return (i == 0 && op->flags & TL_OP_STATE) || (i < 32 && op->writes >> i & 1);
}

/* The entry of root, or the empty one where it belongs. */
static tl_write_entry *probe(const tl_graph *g, const tl_tensor *root) {
    uint64_t h = (uint64_t)(uintptr_t)root * 0x9e3779b97f4a7c15ull;
    size_t i = (size_t)(h >> 32) & (g->cap_writes - 1);
    while (g->writes[i].root && g->writes[i].root != root)
        i = (i + 1) & (g->cap_writes - 1);
    return &g->writes[i];
}

static tl_write_entry *find_write(const tl_graph *g, const tl_tensor *root) {
    tl_write_entry *w = g->n_writes ? probe(g, root) : NULL;
    return w && w->root ? w : NULL;
}

static bool grow_writes(tl_graph *g) {
    size_t had = g->cap_writes;
    tl_write_entry *old = g->writes, *w = tl_alloc((had ? 2 * had : 32) * sizeof *w);
    if (!w)
        return false;
    g->writes = w;
    g->cap_writes = had ? 2 * had : 32;
    for (size_t i = 0; i < had; i++)
        if (old[i].root)
            *probe(g, old[i].root) = old[i];
    tl_free(old);
    return true;
}

int tl_graph_writes(const tl_graph *g, const tl_tensor *root) {
    const tl_write_entry *w = find_write(g, root);
    return w ? w->version : 0;
}

static tl_status check_version(tl_graph *g, const tl_op *op, const tl_tensor *src) {
    const tl_write_entry *w = find_write(g, src->base);
    if (!w || w->version == src->version)
        return TL_OK;
    char a[160];
    return tl_graph_fail(g, TL_ERR_USAGE, "%s: %s is the state from before its write by #%d %s; use the handle that the write returned%s",
                         op->name, tl_describe(src, a, sizeof a), w->writer->id, w->writer->op->name,
                         w->handle ? "" : ", or tl_latest for the whole state");
}

/* Whether t is root again: not a view of it in another shape or order, nor of rows whose number varies. */
static bool is_whole(const tl_tensor *t, const tl_tensor *root) {
    return t->base == root && t->offset == 0 && tl_same_shape(t, root) &&
           memcmp(t->stride, root->stride, (size_t)root->rank * sizeof root->stride[0]) == 0;
}

/* Counts a write of root by node. */
static tl_status note_write(tl_graph *g, tl_tensor *root, tl_tensor *node) {
    tl_write_entry *w = find_write(g, root);
    if (!w) {
        if (2 * g->n_writes >= g->cap_writes && !grow_writes(g))
            return tl_graph_fail(g, TL_ERR_MEMORY, "graph: out of memory");
        g->n_writes++;
        w = probe(g, root);
        *w = (tl_write_entry){.root = root};
    }
    w->version++;
    w->writer = node;
    w->handle = node->op->flags & TL_OP_STATE && is_whole(node, root) ? node : NULL;
    return TL_OK;
}

/* The view that stands for a whole state after a write, where the writer's own output is not that. */
static tl_status after_infer(tl_graph *g, tl_tensor *out) {
    (void)g;
    (void)out;
    return TL_OK;
}

static const tl_op after_op = {.name = "after",
                               .formula = "the state after source 0 has run",
                               .id = -1,
                               .min_src = 1,
                               .max_src = 1,
                               .flags = TL_OP_VIEW | TL_OP_STRIDED | TL_OP_PACKED,
                               .infer = after_infer};

tl_tensor *tl_latest(tl_graph *g, tl_tensor *root) {
    if (!g || g->failed || !root)
        return NULL;
    tl_write_entry *w = find_write(g, root);
    if (!w)
        return root;
    if (w->handle)
        return w->handle;
    tl_tensor *t = fresh(g, &after_op);
    if (!t)
        return NULL;
    *t = (tl_tensor){.op = &after_op,
                     .dtype = root->dtype,
                     .rank = root->rank,
                     .n_src = 1,
                     .src = {w->writer},
                     .base = root,
                     .layout = root->layout,
                     .name = root->name,
                     .graph = g,
                     .id = t->id,
                     .version = w->version};
    memcpy(t->shape, root->shape, sizeof t->shape);
    memcpy(t->stride, root->stride, sizeof t->stride);
    w->handle = append(g, t);
    return w->handle;
}

tl_tensor *tl_after(tl_graph *g, tl_tensor *node, int i) {
    if (!g || g->failed || !node)
        return NULL;
    bool writes = node->op && i >= 0 && i < node->n_src && node->src[i] && writes_source(node->op, i);
    if (!writes || node->graph != g) {
        tl_graph_fail(g, TL_ERR_USAGE, "tl_after: #%d %s does not write its operand %d", node->id, node->op ? node->op->name : "leaf", i);
        return NULL;
    }
    tl_write_entry *w = find_write(g, node->src[i]->base);
    if (w->writer != node) {
        tl_graph_fail(g, TL_ERR_USAGE, "tl_after: the state of #%d %s was written again by #%d %s", node->id, node->op->name, w->writer->id,
                      w->writer->op->name);
        return NULL;
    }
    return tl_latest(g, w->root);
}

/* ---- adding a node ---- */

static tl_status check_sources(tl_graph *g, const tl_op *op, int n_src, tl_tensor *const *src) {
    char text[160];
    if (!op->name || !op->infer || (!(op->flags & TL_OP_VIEW) && !op->ref) || (n_src > 0 && !src))
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: an op needs a name, infer, ref (a view apart) and a list of its operands",
                             op->name ? op->name : "tl_graph_add");
    if (g->plan)
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: %s", op->name, planned_already);
    if (n_src < op->min_src || n_src > op->max_src || n_src > TL_MAX_SRC)
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: %d operands, wants %d to %d", op->name, n_src, op->min_src, op->max_src);
    for (int i = 0; i < n_src; i++) {
        if (!src[i]) {
            if (i < op->min_src)
                return tl_graph_fail(g, TL_ERR_USAGE, "%s: operand %d is missing (NULL)", op->name, i);
            continue;
        }
        if (src[i]->graph && src[i]->graph != g)
            return tl_graph_fail(g, TL_ERR_USAGE, "%s: operand %d, %s, belongs to another graph", op->name, i,
                                 tl_describe(src[i], text, sizeof text));
        if (check_version(g, op, src[i]))
            return g->error.status;
        bool written = writes_source(op, i);
        if (written && !(src[i]->base->mark & TL_MARK_STATE))
            return tl_graph_fail(g, TL_ERR_USAGE,
                                 "%s: %s cannot be written: a state is a bank tensor (or a view of one) that the bank may write", op->name,
                                 tl_describe(src[i], text, sizeof text));
        for (int j = 0; written && j < n_src; j++)
            if (j != i && src[j] && src[j]->base == src[i]->base)
                return tl_graph_fail(g, TL_ERR_USAGE, "%s: %s is written and read by one node", op->name,
                                     tl_describe(src[i], text, sizeof text));
    }
    if (op->flags & (TL_OP_VIEW | TL_OP_STATE) && (n_src == 0 || !src[0]))
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: a view or a state needs an operand 0", op->name);
    if (op->rows_of < 0 || op->rows_of > n_src || (op->rows_of && !src[op->rows_of - 1]))
        return tl_graph_fail(g, TL_ERR_USAGE, "%s: its work is the rows of operand %d, which is missing", op->name, op->rows_of - 1);
    return TL_OK;
}

/* What a state's output is before infer looks: the source itself, one version on; of a view without a name, with its bank tensor's. */
static void become_state(tl_tensor *out, const tl_tensor *s) {
    out->dtype = s->dtype;
    out->rank = s->rank;
    out->size = s->size;
    out->base = s->base;
    out->offset = s == s->base ? 0 : s->offset;
    memcpy(out->shape, s->shape, sizeof out->shape);
    memcpy(out->stride, s->stride, sizeof out->stride);
    out->version = s->version + 1;
    out->name = s->name ? s->name : s->base->name;
}

tl_tensor *tl_graph_add(tl_graph *g, const tl_op *op, int n_src, tl_tensor *const *src, const void *params, size_t params_bytes) {
    if (!g || g->failed || !op || check_sources(g, op, n_src, src))
        return NULL;
    tl_tensor *t = fresh(g, op);
    if (!t)
        return NULL;
    t->n_src = n_src;
    for (int i = 0; i < n_src; i++)
        t->src[i] = src[i];
    if (params && params_bytes) {
        void *copy = tl_graph_alloc(g, params_bytes);
        if (!copy)
            return NULL;
        memcpy(copy, params, params_bytes);
        t->params = copy;
    }
    if (op->flags & TL_OP_STATE)
        become_state(t, src[0]);
    uint64_t env = tl_float_enter(); /* parameters may be NaN, and the caller may trap what comparing them raises */
    tl_status s = op->infer(g, t);
    tl_float_leave(env);
    if (s) {
        tl_graph_fail(g, s, "%s: shape inference failed", op->name);
        return NULL;
    }
    if (op->flags & TL_OP_VIEW) {
        t->version = src[0]->version;
        if (settle_view(g, t))
            return NULL;
    } else if (!(op->flags & TL_OP_STATE)) {
        if (settle(g, t, op->name))
            return NULL;
        if (t->size && tl_graph_size_max(g, t->size) != t->shape[0]) {
            tl_graph_fail(g, TL_ERR_USAGE, "%s: axis 0 follows named size %d, but is not as long as its maximum", op->name, t->size);
            return NULL;
        }
        if (t->size && t->rank < 2) {
            tl_graph_fail(g, TL_ERR_USAGE, "%s: a computed tensor that varies needs rank 2: reshape the operand to [n, 1]", op->name);
            return NULL;
        }
    }
    if (!append(g, t))
        return NULL;
    for (int i = 0; i < n_src; i++)
        if (src[i] && writes_source(op, i) && note_write(g, src[i]->base, t))
            return NULL;
    return t;
}
