/* build.h: the graph of one step of a model. */
#ifndef TALLY_BUILD_H
#define TALLY_BUILD_H

#include "models/model_internal.h"

typedef struct tl_build_limits {
    int64_t batch, rows, sessions, pages; /* maxima: tokens a run, rows of logits a run, sessions, pages a session */
} tl_build_limits;

/* Builds the whole graph into b->g; b has model, hp, k, v. */
tl_status tl_build_graph(tl_build *b, const tl_build_limits *limits, tl_tensor **logits, tl_error *err);

#endif
