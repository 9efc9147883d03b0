/* pool.c: threads with one parallel primitive.
 *
 * A run is an offer, not a command: the caller opens a gate and takes tiles itself; a worker that comes by while the gate is open steps
 * in and takes tiles, too. When no tile is left the caller closes the gate and waits for those inside only, each of which is computing
 * its last tile. A worker that is late, asleep or without a core is never waited for, so a busy machine costs speed, not a stall.
 *
 * One that the system stops inside a tile, because another process shares its core, is waited for, as long as that process's turn is. So a
 * worker that this has happened to rests between tiles for a while, of its own accord and before its turn is over: the other process has
 * its turn then, and nobody waits.
 *
 * All that threads agree on is in one atomic word, the gate, and so in one order that all of them see:
 *
 *     bits  0-11  inside    workers inside
 *     bits 12-23  asleep    workers asleep, or bound to be: counted under the lock
 *     bit  24     OPEN      tiles are on offer
 *     bit  25     CALLER    the caller sleeps until the last worker is out
 *     bit  26     STOP      the pool ends
 *     bits 32-63  run       number of the run, so that a worker enters each at most once; it may wrap: entering is never a duty
 *
 * No wakeup is lost, because who goes to sleep says so in the gate while holding the lock, and who changes the gate learns of it from
 * the same atomic operation, then takes the lock before it signals: the sleeper is inside tl_cond_wait by then.
 * The job (fn, arg, tiles) is written only while the gate is closed with nobody inside. */
#include "tensor/pool.h"

#include <stdatomic.h>

#include "tensor/platform.h"

#define GATE_INSIDE ((uint64_t)1)
#define GATE_INSIDE_MASK ((uint64_t)0xFFF)
#define GATE_ASLEEP ((uint64_t)1 << 12)
#define GATE_ASLEEP_MASK ((uint64_t)0xFFF << 12)
#define GATE_OPEN ((uint64_t)1 << 24)
#define GATE_CALLER ((uint64_t)1 << 25)
#define GATE_STOP ((uint64_t)1 << 26)
#define GATE_RUN ((uint64_t)1 << 32)

enum { POOL_MAX_THREADS = 1024, POOL_LINE = 64, POOL_RELAXES = 16 };

/* How long to spin before sleeping. Steps of a plan follow each other within microseconds; waking a thread costs about as much as
 * this, so spinning at worst doubles the cost of sleeping. */
static const double POOL_SPIN_SECONDS = 30e-6;

/* A worker that held up the caller for POOL_LATE, and was without a processor as long, rests POOL_RESTS times: after each POOL_STRETCH,
 * which is below the turn of a thread that shares a core (3 ms in Linux). A rest costs 200 us where nobody wants the core. */
static const double POOL_LATE_SECONDS = 500e-6, POOL_STRETCH_SECONDS = 2.5e-3, POOL_REST_SECONDS = 200e-6;
enum { POOL_RESTS = 32 };

typedef struct pool_worker {
    tl_pool *pool;
    tl_thread *thread;
    int index;              /* 1 .. threads-1 */
    int rests;              /* to be taken */
    double began, computed; /* tl_now() and tl_thread_seconds() when it last came back from sleep */
} pool_worker;

struct tl_pool {
    _Alignas(POOL_LINE) atomic_uint_fast64_t gate;
    _Alignas(POOL_LINE) atomic_int_fast64_t next; /* the tile to be taken next; a line of its own: all threads write it at every tile */
    _Alignas(POOL_LINE) tl_pool_fn fn;            /* the job */
    void *arg;
    int64_t tiles;
    int threads;
    pool_worker *workers; /* threads - 1 */
    tl_mutex *lock;
    tl_cond *offered; /* workers sleep on it */
    tl_cond *emptied; /* the caller sleeps on it */
    double waiting;   /* under the lock: since when */
};

/* Order: relaxed; it only deals out numbers. What a tile reads and writes is ordered by the gate. */
static void take_tiles(tl_pool *p, int index) {
    for (;;) {
        int64_t tile = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (tile >= p->tiles)
            return;
        p->fn(p->arg, tile, index);
    }
}

/* Whether a worker whose last run was `seen` should stop waiting. */
static bool gate_calls(uint64_t gate, uint64_t seen) {
    return (gate & GATE_STOP) || ((gate & GATE_OPEN) && gate / GATE_RUN != seen);
}

/* Spins until call or deadline; the gate as last seen. Order: relaxed; gate_enter() and sleep_until_called() look again and order. */
static uint64_t spin_until_called(tl_pool *p, uint64_t seen) {
    uint64_t gate = atomic_load_explicit(&p->gate, memory_order_relaxed);
    double end = tl_now() + POOL_SPIN_SECONDS;
    while (!gate_calls(gate, seen) && tl_now() < end)
        for (int i = 0; i < POOL_RELAXES && !gate_calls(gate, seen); i++) {
            tl_cpu_relax();
            gate = atomic_load_explicit(&p->gate, memory_order_relaxed);
        }
    return gate;
}

/* Announces sleep and sleeps until called; gives back the gate.
 * Orders: relaxed; the lock orders these against the signal, and what the gate guards is ordered by gate_enter(). The announcement
 * must fail where the gate has been opened meanwhile, hence compare-exchange: partner is the fetch_add in tl_pool_run (fetch_or in
 * pool_stop), which either comes first, and is seen here, or sees the announcement. */
static uint64_t sleep_until_called(tl_pool *p, uint64_t seen) {
    tl_mutex_lock(p->lock);
    uint64_t gate = atomic_load_explicit(&p->gate, memory_order_relaxed);
    while (!gate_calls(gate, seen))
        if (atomic_compare_exchange_weak_explicit(&p->gate, &gate, gate + GATE_ASLEEP, memory_order_relaxed, memory_order_relaxed)) {
            do {
                tl_cond_wait(p->offered, p->lock);
                gate = atomic_load_explicit(&p->gate, memory_order_relaxed);
            } while (!gate_calls(gate, seen));
            gate = atomic_fetch_sub_explicit(&p->gate, GATE_ASLEEP, memory_order_relaxed) - GATE_ASLEEP;
        }
    tl_mutex_unlock(p->lock);
    return gate;
}

/* Steps in where the gate is open to a worker whose last run was *seen. Order of success: acquire; partner is the fetch_add (release)
 * in tl_pool_run: the job and all that the caller wrote before are visible inside. */
static bool gate_enter(tl_pool *p, uint64_t gate, uint64_t *seen) {
    while ((gate & GATE_OPEN) && gate / GATE_RUN != *seen)
        if (atomic_compare_exchange_weak_explicit(&p->gate, &gate, gate + GATE_INSIDE, memory_order_acquire, memory_order_relaxed)) {
            *seen = gate / GATE_RUN;
            return true;
        }
    return false;
}

/* Order: release; partner is the load (acquire) in wait_for_workers: what this worker's tiles wrote is visible to the caller. The last
 * one out wakes the caller if it sleeps; true where that was late. */
static bool gate_leave(tl_pool *p) {
    uint64_t before = atomic_fetch_sub_explicit(&p->gate, GATE_INSIDE, memory_order_release);
    if (!(before & GATE_CALLER) || (before & GATE_INSIDE_MASK) != GATE_INSIDE)
        return false;
    tl_mutex_lock(p->lock);
    bool late = tl_now() - p->waiting > POOL_LATE_SECONDS;
    tl_cond_signal_all(p->emptied);
    tl_mutex_unlock(p->lock);
    return late;
}

static void begin_stretch(pool_worker *w) {
    w->began = tl_now();
    w->computed = tl_thread_seconds();
}

/* Between tiles: whether it is time to rest. */
static bool must_rest(pool_worker *w, bool late) {
    double passed = tl_now() - w->began;
    if (late && passed - (tl_thread_seconds() - w->computed) > POOL_LATE_SECONDS) {
        w->rests = POOL_RESTS;
        return true;
    }
    if (late) /* by the length of its tile */
        begin_stretch(w);
    if (w->rests == 0 || passed < POOL_STRETCH_SECONDS)
        return false;
    w->rests--;
    return true;
}

static void pool_worker_main(void *arg) {
    pool_worker *w = arg;
    tl_pool *p = w->pool;
    uint64_t seen = 0; /* runs count from 1 */
    begin_stretch(w);
    for (;;) {
        uint64_t gate = spin_until_called(p, seen);
        if (!gate_calls(gate, seen)) {
            gate = sleep_until_called(p, seen);
            begin_stretch(w);
        }
        if (gate & GATE_STOP)
            return;
        if (gate_enter(p, gate, &seen)) {
            uint64_t saved = tl_float_enter();
            take_tiles(p, w->index);
            tl_float_leave(saved);
            bool late = gate_leave(p);
            if ((late || w->rests > 0) && must_rest(w, late)) {
                tl_sleep(POOL_REST_SECONDS);
                begin_stretch(w);
            }
        }
    }
}

/* Waits, spinning first, until nobody is inside the closed gate. Order of the loads: acquire; partner is the fetch_sub (release) in
 * gate_leave(). GATE_CALLER is set under the lock: a last worker that leaves later sees it, takes the lock and so signals a caller that
 * waits; one that left earlier is seen by the load. Its own order is relaxed: it guards nothing. */
static void wait_for_workers(tl_pool *p) {
    double end = 0;
    for (int i = 1; atomic_load_explicit(&p->gate, memory_order_acquire) & GATE_INSIDE_MASK; i++) {
        tl_cpu_relax();
        if (i % POOL_RELAXES)
            continue;
        double now = tl_now();
        if (end == 0)
            end = now + POOL_SPIN_SECONDS;
        else if (now >= end)
            break;
    }
    if (!(atomic_load_explicit(&p->gate, memory_order_acquire) & GATE_INSIDE_MASK))
        return;
    tl_mutex_lock(p->lock);
    p->waiting = tl_now();
    atomic_fetch_or_explicit(&p->gate, GATE_CALLER, memory_order_relaxed);
    while (atomic_load_explicit(&p->gate, memory_order_acquire) & GATE_INSIDE_MASK)
        tl_cond_wait(p->emptied, p->lock);
    atomic_fetch_and_explicit(&p->gate, ~GATE_CALLER, memory_order_relaxed);
    tl_mutex_unlock(p->lock);
}

void tl_pool_run(tl_pool *p, tl_pool_fn fn, void *arg, int64_t tiles) {
    uint64_t saved = tl_float_enter();
    if (p->threads == 1 || tiles <= 1) {
        for (int64_t i = 0; i < tiles; i++)
            fn(arg, i, 0);
        tl_float_leave(saved);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    p->tiles = tiles;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed); /* published with the job */
    /* Order: release; partner is the compare-exchange (acquire) in gate_enter(). */
    uint64_t before = atomic_fetch_add_explicit(&p->gate, GATE_RUN + GATE_OPEN, memory_order_release);
    if (before & GATE_ASLEEP_MASK) {
        tl_mutex_lock(p->lock);
        tl_cond_signal_all(p->offered);
        tl_mutex_unlock(p->lock);
    }
    take_tiles(p, 0);
    /* Order: relaxed; closing publishes nothing. Who entered before is counted inside, and nobody enters after. */
    atomic_fetch_and_explicit(&p->gate, ~GATE_OPEN, memory_order_relaxed);
    wait_for_workers(p);
    tl_float_leave(saved);
}

/* Ends and joins the workers 0 .. started-1. Order: relaxed; they read nothing further, and joining orders the rest. */
static void pool_stop(tl_pool *p, int started) {
    atomic_fetch_or_explicit(&p->gate, GATE_STOP, memory_order_relaxed);
    tl_mutex_lock(p->lock);
    tl_cond_signal_all(p->offered);
    tl_mutex_unlock(p->lock);
    for (int i = 0; i < started; i++)
        tl_thread_join(p->workers[i].thread);
}

static void pool_release(tl_pool *p) {
    tl_cond_free(p->emptied);
    tl_cond_free(p->offered);
    tl_mutex_free(p->lock);
    tl_free(p->workers);
    tl_free_aligned(p, sizeof *p);
}

static tl_status pool_start(tl_pool *p, tl_error *err) {
    for (int i = 0; i < p->threads - 1; i++) {
        p->workers[i] = (pool_worker){.pool = p, .index = i + 1};
        tl_status s = tl_thread_start(&p->workers[i].thread, pool_worker_main, &p->workers[i]);
        if (s != TL_OK) {
            pool_stop(p, i);
            return tl_fail(err, s, "thread %d of %d cannot be started (%s): ask for fewer threads", i + 2, p->threads,
                           s == TL_ERR_MEMORY ? "out of memory" : "the system allows no more");
        }
    }
    return TL_OK;
}

tl_status tl_pool_new(tl_pool **out, int threads, tl_error *err) {
    *out = NULL;
    if (threads < 1 || threads > POOL_MAX_THREADS)
        return tl_fail(err, TL_ERR_USAGE, "a pool of %d threads was asked for: give 1 to %d", threads, POOL_MAX_THREADS);
    tl_pool *p = tl_alloc_aligned(sizeof *p);
    if (!p)
        return tl_fail(err, TL_ERR_MEMORY, "out of memory for a pool of %d threads", threads);
    p->threads = threads;
    atomic_init(&p->gate, 0);
    atomic_init(&p->next, 0);
    p->workers = tl_alloc((size_t)threads * sizeof *p->workers);
    p->lock = tl_mutex_new();
    p->offered = tl_cond_new();
    p->emptied = tl_cond_new();
    tl_status s = p->workers && p->lock && p->offered && p->emptied
                      ? pool_start(p, err)
                      : tl_fail(err, TL_ERR_MEMORY, "out of memory for a pool of %d threads", threads);
    if (s != TL_OK) {
        pool_release(p);
        return s;
    }
    *out = p;
    return TL_OK;
}

void tl_pool_free(tl_pool *p) {
    if (!p)
        return;
    pool_stop(p, p->threads - 1);
    pool_release(p);
}

int tl_pool_threads(const tl_pool *p) {
    return p->threads;
}
