/* layout.h: intervals of time to offsets in one block of memory: the planner's pure part. */
#ifndef TALLY_LAYOUT_H
#define TALLY_LAYOUT_H

#include "tensor/tensor.h"

typedef struct tl_interval {
    size_t bytes;    /* in: needed; 0 is allowed and takes no room */
    int first, last; /* in: alive at first <= t <= last */
    size_t offset;   /* out: multiple of 64 */
} tl_interval;

/* Gives each interval an offset so that no two that are alive at the same time overlap; *total is the block's size (multiple of 64).
 * Greedy by size (larger first, ties by first, then index) into the best gap; deterministic. reuse false: all get memory of their
 * own. TL_ERR_MEMORY where a sum overflows or scratch cannot be allocated, TL_ERR_USAGE where n < 0 or first > last: then *total is 0
 * and the offsets mean nothing. */
TL_API tl_status tl_layout_intervals(tl_interval *v, int n, bool reuse, size_t *total);
/* The largest sum of bytes (each rounded up to 64) alive at one time: no layout can be smaller. SIZE_MAX where a sum overflows. */
TL_API size_t tl_layout_bound(const tl_interval *v, int n);

#endif
