/* plan.h: the private half of a plan; shared by plan.c and plan_print.c only. */
#ifndef TALLY_PLAN_H
#define TALLY_PLAN_H

#include <stdatomic.h>

#include "tensor/layout.h"
#include "tensor/tensor.h"

enum { NODE_LIVE = 1, NODE_ELIDED = 2 };

typedef struct tl_plan_private {
    int *time;            /* by node id: place in nodes, -1 where not computed */
    int *readers;         /* by node id of roots */
    unsigned char *state; /* by node id: NODE_ bits */
    tl_interval *intervals;
    int n_intervals, cap_intervals, cap_steps;
    int workers;
    size_t worker_bytes;
    tl_buffer buffer, scratch;
    tl_plan_memory memory;
    atomic_int cancel;
    tl_plan_profile_row *profile;
} tl_plan_private;

#endif
