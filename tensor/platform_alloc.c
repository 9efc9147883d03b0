/* platform_alloc.c: the allocation hook of every platform: which allocations must fail. Its three atomics are the only state that
 * Tally keeps for the whole process, and only tests set them. */
#include <stdatomic.h>

#include "tensor/platform.h"

/* The test hook. Relaxed throughout: each value stands for itself; a test sets it before it starts threads. */
static atomic_long alloc_fail_at = -1; /* < 0: off */
static atomic_bool alloc_fail_later;
static atomic_long alloc_counted;

void tl_alloc_fail_at(long n, bool from_then_on) {
    atomic_store_explicit(&alloc_counted, 0, memory_order_relaxed);
    atomic_store_explicit(&alloc_fail_later, from_then_on, memory_order_relaxed);
    atomic_store_explicit(&alloc_fail_at, n < 0 ? -1 : n, memory_order_relaxed);
}

long tl_alloc_count(void) {
    return atomic_load_explicit(&alloc_counted, memory_order_relaxed);
}

/* Whether this allocation must fail: because a test says so, or because no object may be that large (which allocators under a
 * sanitizer punish instead of refusing). */
bool tl_alloc_refused(size_t bytes) {
    if (bytes > PTRDIFF_MAX)
        return true;
    long at = atomic_load_explicit(&alloc_fail_at, memory_order_relaxed);
    if (at < 0)
        return false;
    long i = atomic_fetch_add_explicit(&alloc_counted, 1, memory_order_relaxed);
    return i == at || (i > at && atomic_load_explicit(&alloc_fail_later, memory_order_relaxed));
}
