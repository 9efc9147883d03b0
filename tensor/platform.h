/* platform.h: all that Tally asks of the operating system and of the C library's allocator; platform.c, and platform_wasm.c where
 * there is no system, are the only files with OS calls and OS #ifs. Internal to the library (and to its tests). */
#ifndef TALLY_PLATFORM_H
#define TALLY_PLATFORM_H

#include "tensor/tensor.h"

/* ---- memory: every allocation of the library goes through these three (aligned ones apart, which count too) ---- */
TL_API void *tl_alloc(size_t bytes);            /* zeroed; NULL when out of memory; 0 bytes gives a unique pointer */
TL_API void *tl_realloc(void *p, size_t bytes); /* grown part not zeroed */
TL_API void tl_free(void *p);
TL_API void *tl_alloc_aligned(size_t bytes); /* zeroed, 64-byte aligned, pages given lazily where large */
TL_API void tl_free_aligned(void *p, size_t bytes);
/* Test hook: the n-th allocation from now (0-based) and, with `from_then_on`, all later ones fail; n < 0 switches it off. Counts while on.
 * The one piece of process-wide state, and only where a test sets it. */
TL_API void tl_alloc_fail_at(long n, bool from_then_on); /* LONG_MAX: only counts */
TL_API long tl_alloc_count(void);                        /* allocations since tl_alloc_fail_at was last called */
bool tl_alloc_refused(size_t bytes);                     /* for platform.c: whether an allocation of so many bytes must fail; counts it */
/* a * b and a + b; false where the result does not fit. */
static inline bool tl_mul_size(size_t a, size_t b, size_t *out) {
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}
static inline bool tl_add_size(size_t a, size_t b, size_t *out) {
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}
/* The same; SIZE_MAX, which no allocation gives, where the result does not fit. Factors that are no sizes themselves do not, either. */
static inline size_t tl_mul_saturated(uint64_t a, uint64_t b) {
    return b != 0 && a > SIZE_MAX / b ? SIZE_MAX : (size_t)(a * b);
}
static inline size_t tl_add_saturated(size_t a, size_t b) {
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}
/* Zeroed memory for n items; NULL where it does not fit. */
static inline void *tl_alloc_array(size_t n, size_t item) {
    size_t bytes;
    return tl_mul_size(n, item, &bytes) ? tl_alloc(bytes) : NULL;
}

/* ---- files ---- */
typedef struct tl_map {
    const void *data;
    size_t bytes;
    void *impl;
} tl_map;
TL_API tl_status tl_map_open(tl_map *m, const char *path, tl_error *err); /* read-only private map of the whole file; counts as an alloc */
TL_API void tl_map_drop(tl_map *m, size_t offset, size_t bytes);          /* pages inside may leave memory; content stays readable */
/* For tests: the same as if pages had so many bytes (4, 16 and 64 KiB are in use on Arm), a multiple of what they have here. */
TL_API void tl_map_drop_pages(tl_map *m, size_t offset, size_t bytes, size_t page);
TL_API void tl_map_close(tl_map *m);
TL_API bool tl_path_special(const char *path); /* there is something, and it is no regular file: a directory, a device, a pipe */

/* ---- clock, machine ---- */
TL_API double tl_now(void);            /* seconds, monotonic */
TL_API double tl_thread_seconds(void); /* for which this thread has had a processor; tl_now() where the system does not say */
TL_API int tl_cpu_count(void);         /* physical cores within the process's affinity and cgroup quota, at least 1 */
TL_API size_t tl_page_size(void);
typedef enum tl_cpu_feature { TL_ARM_DOTPROD, TL_ARM_I8MM, TL_X86_TILES } tl_cpu_feature;
/* Asked of the system, because 64-bit Arm hides it from programs, and Linux lets a process use the tile registers of AMX only once it has asked
 * for them, as this does; false on other machines. */
TL_API bool tl_cpu_has(tl_cpu_feature f);
TL_API size_t tl_memory_peak(void); /* peak resident bytes of this process; 0: unknown */
/* For tests: the same from a copy of Linux's /proc and /sys under `root` ("": the machine's), as if CPUs 0 .. cpus-1 were allowed (0: those
 * that are). Other systems give the machine's own. */
TL_API int tl_cpu_count_under(const char *root, int cpus);
TL_API size_t tl_memory_total_under(const char *root);

/* ---- threads ---- */
typedef struct tl_thread tl_thread;
typedef struct tl_mutex tl_mutex;
typedef struct tl_cond tl_cond;
/* TL_ERR_MEMORY or TL_ERR_IO (the system refuses another thread), and *t NULL. The thread gets no signals meant for the process. */
TL_API tl_status tl_thread_start(tl_thread **t, void (*fn)(void *), void *arg);
TL_API void tl_thread_join(tl_thread *t); /* waits, then frees it */
TL_API tl_mutex *tl_mutex_new(void);      /* NULL when out of memory */
TL_API void tl_mutex_free(tl_mutex *m);
TL_API void tl_mutex_lock(tl_mutex *m);
TL_API void tl_mutex_unlock(tl_mutex *m);
TL_API tl_cond *tl_cond_new(void);
TL_API void tl_cond_free(tl_cond *c);
TL_API void tl_cond_wait(tl_cond *c, tl_mutex *m);
TL_API void tl_cond_signal_all(tl_cond *c);
TL_API void tl_cpu_relax(void); /* a pause inside a spin */
TL_API void tl_yield(void);
TL_API void tl_sleep(double seconds); /* below a second; may end early */

/* ---- floating-point environment: round to nearest, denormals kept, exceptions masked (floatenv.c) ---- */
TL_API uint64_t tl_float_enter(void); /* sets it for this thread, returns the caller's */
TL_API void tl_float_leave(uint64_t saved);
/* What is wrong with this build or machine's float arithmetic (contraction, flushed denormals, excess precision): NULL, or a sentence
 * that names the flag to remove. */
TL_API const char *tl_float_check(void);

#endif
