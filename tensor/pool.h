/* pool.h: threads with one parallel primitive. */
#ifndef TALLY_POOL_H
#define TALLY_POOL_H

#include "tensor/tensor.h"

typedef struct tl_pool tl_pool;
/* fn computes tile `tile`; worker is 0 .. threads-1 (the caller is 0): index of per-worker scratch. */
typedef void (*tl_pool_fn)(void *arg, int64_t tile, int worker);

/* threads counts the caller; 1 makes no thread. Threads that cannot be started are an error (none is left behind). */
TL_API tl_status tl_pool_new(tl_pool **p, int threads, tl_error *err);
TL_API void tl_pool_free(tl_pool *p);
TL_API int tl_pool_threads(const tl_pool *p);
/* Calls fn for each tile in 0 .. tiles-1, taken from an atomic counter by all threads, and returns when all are done. Tiles of one
 * call may run in any order, and no thread is certain to get one. One tile, or one thread: runs on the caller. Not reentrant. fn runs
 * under tl_float_enter on every thread; after a call workers spin briefly, then sleep. */
TL_API void tl_pool_run(tl_pool *p, tl_pool_fn fn, void *arg, int64_t tiles);

#endif
