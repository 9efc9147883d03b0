/* platform_wasm.c: platform.h for WebAssembly: wasi-libc's allocator and files, and threads that the host lends.
 *
 * A module cannot make a thread. The host does: for each it asks tl_host_thread_new() for a slot, starts a worker with the same module
 * over the same memory, sets that worker's stack pointer to the slot's first word, and has it call tl_host_thread_serve(), which lends
 * the thread to tl_thread_start() until tl_host_thread_end(). So there are as many threads as the host lent; nothing is thread-local.
 * The host makes all slots before it hands the memory to a worker: one that is receiving it while it grows may go by the old size (V8
 * checks atomic accesses against that, and traps).
 * A worker may come late, but must come: who joins a thread waits for it.
 * What blocks does so by memory.atomic.wait32: the module runs in a worker, because a page's own thread may not wait. A module built
 * without atomics has no threads, and its locks do nothing.
 *
 * The list of slots outlives calls, as threads do; a module's instance is what a process is elsewhere. */
#define _POSIX_C_SOURCE 200809L

#include "tensor/platform.h"

#if defined(__wasm__)
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- locks ---------------------------------------------------------------------------------------------------------------- */

struct tl_mutex {
    atomic_int state; /* 0 open, 1 locked, 2 locked and perhaps awaited */
};
struct tl_cond {
    atomic_int signals;
};

#if defined(__wasm_atomics__)
/* Functions of their own: the baseline compiler of Node 20 loses the caller's locals over these two instructions (a store that followed
 * a wait went astray), but not over a call. */
#define APART __attribute__((noinline))

/* Sleeps while *word is value, at most so many nanoseconds (-1: no limit); may return early. */
static APART void wait_at_most(atomic_int *word, int value, int64_t nanoseconds) {
    __builtin_wasm_memory_atomic_wait32((int *)word, value, nanoseconds);
}

static void wait_while(atomic_int *word, int value) {
    wait_at_most(word, value, -1);
}

static APART void wake(atomic_int *word, unsigned most) {
    __builtin_wasm_memory_atomic_notify((int *)word, most);
}

static void wake_all(atomic_int *word) {
    wake(word, UINT32_MAX);
}

/* Order: acquire; partner is the exchange (release) in unlock(). */
static void lock(tl_mutex *m) {
    int open = 0;
    if (atomic_compare_exchange_strong_explicit(&m->state, &open, 1, memory_order_acquire, memory_order_relaxed))
        return;
    while (atomic_exchange_explicit(&m->state, 2, memory_order_acquire) != 0)
        wait_while(&m->state, 2);
}

static void unlock(tl_mutex *m) {
    if (atomic_exchange_explicit(&m->state, 0, memory_order_release) == 2)
        wake(&m->state, 1);
}
#else
static void lock(tl_mutex *m) {
    (void)m;
}

static void unlock(tl_mutex *m) {
    (void)m;
}
#endif

tl_mutex *tl_mutex_new(void) {
    return tl_alloc(sizeof(tl_mutex));
}

void tl_mutex_free(tl_mutex *m) {
    tl_free(m);
}

void tl_mutex_lock(tl_mutex *m) {
    lock(m);
}

void tl_mutex_unlock(tl_mutex *m) {
    unlock(m);
}

tl_cond *tl_cond_new(void) {
    return tl_alloc(sizeof(tl_cond));
}

void tl_cond_free(tl_cond *c) {
    tl_free(c);
}

/* Order: relaxed; the lock orders what is waited for. A signal between unlock and wait changes the count, and the wait returns. */
void tl_cond_wait(tl_cond *c, tl_mutex *m) {
#if defined(__wasm_atomics__)
    int seen = atomic_load_explicit(&c->signals, memory_order_relaxed);
    unlock(m);
    wait_while(&c->signals, seen);
    lock(m);
#else
    (void)c;
    (void)m;
#endif
}

void tl_cond_signal_all(tl_cond *c) {
#if defined(__wasm_atomics__)
    atomic_fetch_add_explicit(&c->signals, 1, memory_order_relaxed);
    wake_all(&c->signals);
#else
    (void)c;
#endif
}

void tl_cpu_relax(void) { /* there is no such instruction */
    atomic_signal_fence(memory_order_seq_cst);
}

void tl_yield(void) {
}

void tl_sleep(double seconds) {
#if defined(__wasm_atomics__)
    atomic_int nobody = 0; /* wakes this */
    wait_at_most(&nobody, 0, (int64_t)(seconds * 1e9));
#else
    (void)seconds;
#endif
}

/* ---- memory --------------------------------------------------------------------------------------------------------------- */

enum { BLOCK_ALIGN = 64, LARGEST = PTRDIFF_MAX - (1 << 20) }; /* wasi-libc's sbrk traps where a block and its overhead exceed 2 GiB */

static tl_mutex heap; /* wasi-libc's allocator is made for one thread */

void *tl_alloc(size_t bytes) {
    if (tl_alloc_refused(bytes) || bytes > LARGEST)
        return NULL;
    lock(&heap);
    void *p = calloc(1, bytes ? bytes : 1);
    unlock(&heap);
    return p;
}

void *tl_realloc(void *p, size_t bytes) {
    if (tl_alloc_refused(bytes) || bytes > LARGEST)
        return NULL;
    lock(&heap);
    p = realloc(p, bytes ? bytes : 1);
    unlock(&heap);
    return p;
}

void tl_free(void *p) {
    lock(&heap);
    free(p);
    unlock(&heap);
}

static void *aligned(size_t bytes) {
    void *p = NULL;
    if (bytes > LARGEST)
        return NULL;
    lock(&heap);
    int e = posix_memalign(&p, BLOCK_ALIGN, bytes ? bytes : 1);
    unlock(&heap);
    return e == 0 ? p : NULL;
}

void *tl_alloc_aligned(size_t bytes) {
    void *p = tl_alloc_refused(bytes) ? NULL : aligned(bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

void tl_free_aligned(void *p, size_t bytes) {
    (void)bytes;
    tl_free(p);
}

/* ---- files: read whole; a host that has none gives errors ------------------------------------------------------------------ */

static tl_status read_all(tl_map *m, int fd, const char *path, tl_error *err) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return tl_fail(err, TL_ERR_IO, "cannot read the size of '%s': %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return tl_fail(err, TL_ERR_IO, "'%s' is a directory: give the path of a file in it", path);
    if (st.st_size <= 0)
        return tl_fail(err, TL_ERR_IO, "'%s' is empty (0 bytes): was its download or copy cut short?", path);
    size_t bytes = (uint64_t)st.st_size > LARGEST ? SIZE_MAX : (size_t)st.st_size;
    char *p = tl_alloc_refused(bytes) ? NULL : aligned(bytes);
    if (!p)
        return tl_fail(err, TL_ERR_MEMORY, "'%s' has %lld bytes, which do not fit into this module's memory", path, (long long)st.st_size);
    for (size_t done = 0; done < bytes;) {
        ssize_t got = read(fd, p + done, bytes - done);
        if (got <= 0) {
            tl_free(p);
            return tl_fail(err, TL_ERR_IO, "cannot read '%s' at byte %lld of %lld: %s", path, (long long)done, (long long)st.st_size,
                           got ? strerror(errno) : "the file ends there");
        }
        done += (size_t)got;
    }
    *m = (tl_map){p, bytes, p};
    return TL_OK;
}

tl_status tl_map_open(tl_map *m, const char *path, tl_error *err) {
    *m = (tl_map){0};
    if (!path)
        return tl_fail(err, TL_ERR_USAGE, "no path was given for the file to open");
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return tl_fail(err, TL_ERR_IO, "cannot open '%s': %s", path, strerror(errno));
    tl_status s = read_all(m, fd, path, err);
    close(fd);
    return s;
}

void tl_map_drop(tl_map *m, size_t offset, size_t bytes) { /* memory is not given back in parts */
    (void)m;
    (void)offset;
    (void)bytes;
}

void tl_map_drop_pages(tl_map *m, size_t offset, size_t bytes, size_t page) {
    (void)page;
    tl_map_drop(m, offset, bytes);
}

void tl_map_close(tl_map *m) {
    tl_free(m->impl);
    *m = (tl_map){0};
}

bool tl_path_special(const char *path) {
    (void)path;
    return false;
}

/* ---- clock, machine ------------------------------------------------------------------------------------------------------- */

double tl_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double tl_thread_seconds(void) {
    return tl_now();
}

size_t tl_page_size(void) {
    return 65536;
}

bool tl_cpu_has(tl_cpu_feature f) {
    (void)f; /* they are Arm's */
    return false;
}

size_t tl_memory_total_under(const char *root) {
    (void)root;
    return 0; /* the host knows the maximum that it gave */
}

size_t tl_memory_total(void) {
    return 0;
}

size_t tl_memory_peak(void) { /* a memory never shrinks */
    size_t pages = __builtin_wasm_memory_size(0);
    return pages > SIZE_MAX / 65536 ? SIZE_MAX : pages * 65536;
}

/* ---- threads -------------------------------------------------------------------------------------------------------------- */

enum { FREE, TAKEN, CALLED, DONE, ENDED };

struct tl_thread {
    char *stack_top;  /* the host reads this word */
    atomic_int state; /* what its worker sleeps on, and who joins it */
    void (*fn)(void *);
    void *arg;
    struct tl_thread *next;
};

static tl_thread *lent; /* all slots; the list only grows, by the host's main thread, before it uses the library */
static int host_cpus;   /* 0: the host has not said */

/* Threads that are free, and the caller, so that a second backend opens, too; no more than the host has processors. */
int tl_cpu_count_under(const char *root, int cpus) {
    int n = 1;
    (void)root;
    (void)cpus;
    for (const tl_thread *t = lent; t; t = t->next)
        n += atomic_load_explicit(&t->state, memory_order_relaxed) == FREE;
    return host_cpus > 0 && n > host_cpus ? host_cpus : n;
}

int tl_cpu_count(void) {
    return tl_cpu_count_under("", 0);
}

#if defined(__wasm_atomics__)
enum { STACK_BYTES = 1 << 20 };

#define HOST(name) __attribute__((export_name(#name))) name

tl_thread *HOST(tl_host_thread_new)(void);
void HOST(tl_host_thread_serve)(tl_thread *t);
void HOST(tl_host_thread_end)(tl_thread *t);
void HOST(tl_host_cpus)(int n);

/* How many threads at most a backend shall use that is not told. */
void tl_host_cpus(int n) {
    host_cpus = n;
}

/* A slot for one more thread; NULL when out of memory. */
tl_thread *tl_host_thread_new(void) {
    tl_thread *t = tl_alloc(sizeof *t);
    char *block = t ? tl_alloc_aligned(STACK_BYTES) : NULL;
    if (!block) {
        tl_free(t);
        return NULL;
    }
    t->stack_top = block + STACK_BYTES; /* it grows downwards */
    t->next = lent;
    lent = t;
    return t;
}

/* Runs what tl_thread_start() gives to t, until tl_host_thread_end(). Order of the load: acquire; partner is the store (release) in
 * tl_thread_start(). That of the store: release; partner is the load (acquire) in tl_thread_join(). */
void tl_host_thread_serve(tl_thread *t) {
    for (;;) {
        int state = atomic_load_explicit(&t->state, memory_order_acquire);
        if (state == ENDED)
            return;
        if (state == CALLED) {
            t->fn(t->arg);
            atomic_store_explicit(&t->state, DONE, memory_order_release);
            wake_all(&t->state);
        } else {
            wait_while(&t->state, state);
        }
    }
}

/* Lets the worker of t, which must be free, return. */
void tl_host_thread_end(tl_thread *t) {
    atomic_store_explicit(&t->state, ENDED, memory_order_relaxed);
    wake_all(&t->state);
}

/* Orders: acquire of FREE, partner is the store (release) in tl_thread_join(), because a slot's words are reused; release of CALLED, see
 * tl_host_thread_serve(). */
tl_status tl_thread_start(tl_thread **t, void (*fn)(void *), void *arg) {
    *t = NULL;
    if (tl_alloc_refused(0))
        return TL_ERR_MEMORY;
    for (tl_thread *slot = lent; slot; slot = slot->next) {
        int free_one = FREE;
        if (!atomic_compare_exchange_strong_explicit(&slot->state, &free_one, TAKEN, memory_order_acquire, memory_order_relaxed))
            continue;
        slot->fn = fn;
        slot->arg = arg;
        atomic_store_explicit(&slot->state, CALLED, memory_order_release);
        wake_all(&slot->state);
        *t = slot;
        return TL_OK;
    }
    return TL_ERR_IO;
}

void tl_thread_join(tl_thread *t) {
    int state;
    if (!t)
        return;
    while ((state = atomic_load_explicit(&t->state, memory_order_acquire)) == CALLED)
        wait_while(&t->state, state);
    atomic_store_explicit(&t->state, FREE, memory_order_release);
}
#else
tl_status tl_thread_start(tl_thread **t, void (*fn)(void *), void *arg) {
    (void)fn;
    (void)arg;
    *t = NULL;
    return tl_alloc_refused(0) ? TL_ERR_MEMORY : TL_ERR_IO;
}

void tl_thread_join(tl_thread *t) {
    (void)t;
}
#endif
#endif
