/* print.c: a graph as text for people and as Graphviz. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tensor/graph.h"

typedef struct printer {
    tl_sink sink;
    void *ctx;
    bool stopped;
} printer;

static void put(printer *p, const char *fmt, ...) TL_PRINTF(2, 3);

static void put(printer *p, const char *fmt, ...) {
    char text[512];
    va_list a;
    if (p->stopped)
        return;
    va_start(a, fmt);
    int n = vsnprintf(text, sizeof text, fmt, a);
    va_end(a);
    if (n > (int)sizeof text - 1)
        n = (int)sizeof text - 1;
    if (n > 0 && !p->sink(p->ctx, text, (size_t)n))
        p->stopped = true;
}

static void put_shape(printer *p, const tl_graph *g, const tl_tensor *t) {
    const tl_dtype_info *d = tl_dtype_get(t->dtype);
    put(p, "%s [", d->name);
    for (int i = 0; i < t->rank; i++) {
        if (i == 0 && t->size)
            put(p, "%s<=%lld", tl_graph_size_name(g, t->size), (long long)t->shape[0]);
        else
            put(p, "%s%lld", i ? ", " : "", (long long)t->shape[i]);
    }
    put(p, "]");
}

static void put_source(printer *p, const tl_tensor *s) {
    if (!s)
        put(p, " -");
    else if (s->graph)
        put(p, " #%d", s->id);
    else
        put(p, " %s", s->name);
}

tl_status tl_graph_print(const tl_graph *g, tl_sink sink, void *ctx) {
    if (!g || !sink)
        return TL_ERR_USAGE;
    printer p = {sink, ctx, false};
    for (int i = 0; i < g->n_nodes; i++) {
        const tl_tensor *t = g->nodes[i];
        put(&p, "#%-4d %-12s ", t->id, t->op ? t->op->name : "input");
        put_shape(&p, g, t);
        if (t->n_src)
            put(&p, " <-");
        for (int k = 0; k < t->n_src; k++)
            put_source(&p, t->src[k]);
        if (t->name)
            put(&p, "  '%s'", t->name);
        if (t->mark & TL_MARK_OUTPUT)
            put(&p, "  output");
        put(&p, "\n");
    }
    if (g->failed)
        put(&p, "error: %s\n", g->error.message);
    return p.stopped ? TL_CANCELLED : TL_OK;
}

/* Text inside a dot string. */
static void put_escaped(printer *p, const char *s) {
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            put(p, "\\");
        put(p, "%c", (unsigned char)*s < 32 ? ' ' : *s);
    }
}

tl_status tl_graph_dot(const tl_graph *g, tl_sink sink, void *ctx) {
    if (!g || !sink)
        return TL_ERR_USAGE;
    printer p = {sink, ctx, false};
    put(&p, "digraph tally {\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for (int i = 0; i < g->n_nodes; i++) {
        const tl_tensor *t = g->nodes[i];
        bool view = t->op && t->op->flags & TL_OP_VIEW;
        put(&p, "  n%d [label=\"%s", t->id, t->op ? t->op->name : "input");
        if (t->name) {
            put(&p, "\\n");
            put_escaped(&p, t->name);
        }
        put(&p, "\\n");
        put_shape(&p, g, t);
        put(&p, "\"%s%s];\n", view ? ", style=dashed" : t->op ? "" : ", style=rounded", t->mark & TL_MARK_OUTPUT ? ", penwidth=2" : "");
        for (int k = 0; k < t->n_src; k++) {
            const tl_tensor *s = t->src[k];
            if (s && s->graph) {
                put(&p, "  n%d -> n%d;\n", s->id, t->id);
            } else if (s) {
                put(&p, "  \"");
                put_escaped(&p, s->name);
                put(&p, "\" -> n%d;\n", t->id);
            }
        }
    }
    put(&p, "}\n");
    return p.stopped ? TL_CANCELLED : TL_OK;
}
