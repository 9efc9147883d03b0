/* context.h: a context and its sessions from inside; shared by context.c, session.c and step.c. */
#ifndef TALLY_CONTEXT_H
#define TALLY_CONTEXT_H

#include "models/build.h"

struct tl_session {
    tl_context *context;
    int32_t slot; /* its row in the page table */
    int32_t *ids; /* tokens whose keys and values lie in its pages, room for n_ctx */
    int64_t length;
    int32_t n_pages; /* taken, the first n_pages of its row */
};

struct tl_context {
    tl_model *model;
    tl_context_options options; /* as resolved: nothing 0 */
    int32_t n_pages, pages_free;
    int32_t *free_pages; /* stack of page numbers */
    int32_t *table;      /* [n_sessions][n_pages]: page numbers of each session */
    bool table_changed;
    tl_session **sessions; /* by slot, NULL: free */
    tl_bank *bank;
    tl_graph *graph;
    tl_plan *plan;
    tl_build build;
    tl_tensor *logits;
    int32_t *ids, *pos, *slots, *span, *take; /* [n_batch] (span [n_batch][3], take [n_rows]): a run's inputs */
    float *rows;                              /* [n_rows][max(n_vocab, n_embd)]: a run's results */
    tl_memory_forecast memory;
};

/* Fills zeros of o with defaults, rounds and ranges. */
tl_status tl_context_resolve(const tl_hparams *hp, const tl_context_options *o, tl_context_options *out, tl_error *err);

#endif
