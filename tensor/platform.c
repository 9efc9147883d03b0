/* platform.c: the operating system and the C library's allocator, behind platform.h. The only file with OS calls and OS #ifs
 * (WebAssembly apart, which has no system: platform_wasm.c): each concern (memory, files, machine, threads) is one section, and a
 * further system (Windows) adds one branch to each. Linux and macOS have branches of their own where they differ; the rest is POSIX.
 * Everything else in Tally is plain C11. Nothing here keeps state. */
#if !defined(__wasm__)
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE 1 /* madvise, MAP_ANONYMOUS, sysctlbyname */
#else
#define _GNU_SOURCE 1 /* madvise, MAP_ANONYMOUS, sched_getaffinity */
#endif
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "tensor/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#if defined(__linux__) && defined(__aarch64__)
#include <sys/auxv.h>
#endif
#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#endif
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

/* ---- memory --------------------------------------------------------------------------------------------------------------- */

enum {
    BLOCK_ALIGN = 64,     /* a cache line, and the widest vector */
    PAGES_FROM = 1 << 20, /* aligned blocks this large are pages of their own: zeroed lazily, given back at once */
    HUGE_FROM = 4 << 20   /* two huge pages of x86 at least: below that the hint buys nothing */
};

void *tl_alloc(size_t bytes) {
    return tl_alloc_refused(bytes) ? NULL : calloc(1, bytes ? bytes : 1);
}

void *tl_realloc(void *p, size_t bytes) {
    return tl_alloc_refused(bytes) ? NULL : realloc(p, bytes ? bytes : 1);
}

void tl_free(void *p) {
    free(p);
}

void *tl_alloc_aligned(size_t bytes) {
    void *p = NULL;
    if (tl_alloc_refused(bytes))
        return NULL;
    if (bytes < PAGES_FROM) { /* of the exact size, so that a sanitizer sees the first byte behind it */
        size_t n = bytes ? bytes : 1;
        return posix_memalign(&p, BLOCK_ALIGN, n) == 0 ? memset(p, 0, n) : NULL;
    }
    p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
#if defined(MADV_HUGEPAGE)
    if (bytes >= HUGE_FROM)
        madvise(p, bytes, MADV_HUGEPAGE); /* a hint: its failure changes nothing */
#endif
    return p;
}

void tl_free_aligned(void *p, size_t bytes) {
    if (!p)
        return;
    if (bytes < PAGES_FROM)
        free(p);
    else
        munmap(p, bytes);
}

/* ---- files ---------------------------------------------------------------------------------------------------------------- */

static int open_read(const char *path) {
    int fd;
    do /* O_NONBLOCK: a pipe without a writer must not hang us before fstat can refuse it */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Maps the open file fd; the caller closes it. */
static tl_status map_file(tl_map *m, int fd, const char *path, tl_error *err) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return tl_fail(err, TL_ERR_IO, "cannot read the size of '%s': %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return tl_fail(err, TL_ERR_IO, "'%s' is a directory: give the path of a file in it", path);
    if (!S_ISREG(st.st_mode))
        return tl_fail(err, TL_ERR_IO, "'%s' is a pipe or a device, which cannot be mapped: give the path of a regular file", path);
    if (st.st_size <= 0)
        return tl_fail(err, TL_ERR_IO, "'%s' is empty (0 bytes): was its download or copy cut short?", path);
    if ((uintmax_t)st.st_size > PTRDIFF_MAX || tl_alloc_refused((size_t)st.st_size))
        return tl_fail(err, TL_ERR_MEMORY, "'%s' has %lld bytes, which do not fit into this process's address space", path,
                       (long long)st.st_size);
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return tl_fail(err, errno == ENOMEM ? TL_ERR_MEMORY : TL_ERR_IO, "cannot map '%s' (%lld bytes): %s", path, (long long)st.st_size,
                       strerror(errno));
    *m = (tl_map){p, (size_t)st.st_size, p};
    return TL_OK;
}

tl_status tl_map_open(tl_map *m, const char *path, tl_error *err) {
    *m = (tl_map){0};
    if (!path)
        return tl_fail(err, TL_ERR_USAGE, "no path was given for the file to open");
    int fd = open_read(path);
    if (fd < 0)
        return tl_fail(err, TL_ERR_IO, "cannot open '%s': %s", path, strerror(errno));
    tl_status s = map_file(m, fd, path, err);
    close(fd); /* the map holds on to the file by itself */
    return s;
}

/* The map is private and never written, so a dropped page comes back from the file when it is read again. */
void tl_map_drop_pages(tl_map *m, size_t offset, size_t bytes, size_t page) {
    if (!m->impl || offset >= m->bytes)
        return;
    if (bytes > m->bytes - offset)
        bytes = m->bytes - offset;
    size_t end = (offset + bytes) / page * page, pad = (page - offset % page) % page;
    if (end > offset && end - offset > pad)
        madvise((char *)m->impl + offset + pad, end - offset - pad, MADV_DONTNEED); /* a hint, too */
}

void tl_map_drop(tl_map *m, size_t offset, size_t bytes) {
    tl_map_drop_pages(m, offset, bytes, tl_page_size());
}

void tl_map_close(tl_map *m) {
    if (m->impl)
        munmap(m->impl, m->bytes);
    *m = (tl_map){0};
}

bool tl_path_special(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

/* ---- clock, machine ------------------------------------------------------------------------------------------------------- */

static double clock_seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double tl_now(void) {
    return clock_seconds(CLOCK_MONOTONIC);
}

double tl_thread_seconds(void) {
    return clock_seconds(CLOCK_THREAD_CPUTIME_ID);
}

size_t tl_page_size(void) {
    long n = sysconf(_SC_PAGESIZE);
    return n > 0 ? (size_t)n : 4096;
}

#if defined(__linux__)

enum { MAX_CPUS = 8192, PATH_BYTES = 4608 };

/* Reads a small file of /proc or /sys, found under root, as a terminated string; false where there is none. A longer one is cut.
 * Plain reads: stdio would allocate. */
static bool read_text(char *buf, size_t cap, const char *root, const char *path) {
    char full[PATH_BYTES];
    int len = snprintf(full, sizeof full, "%s%s", root, path);
    if (len < 0 || (size_t)len >= sizeof full)
        return false;
    int fd = open_read(full);
    if (fd < 0)
        return false;
    size_t n = 0;
    while (n < cap - 1) {
        ssize_t got = read(fd, buf + n, cap - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    close(fd);
    buf[n] = 0;
    return n > 0;
}

/* Lowers *cap to a limit that the control group at dir (a path under root) sets. */
typedef void limit_fn(const char *root, const char *dir, bool v2, uint64_t *cap);

/* CPU time: quota microseconds in each period, in whole CPUs rounded up. */
static void limit_cpus(const char *root, const char *dir, bool v2, uint64_t *cap) {
    char path[PATH_BYTES], text[64];
    char *period_text = text;
    snprintf(path, sizeof path, "%s/%s", dir, v2 ? "cpu.max" : "cpu.cfs_quota_us");
    if (!read_text(text, sizeof text, root, path))
        return;
    long long quota = strtoll(text, &period_text, 10); /* "max" and -1: no limit; v2 gives the period behind the quota */
    if (quota <= 0)
        return;
    if (!v2) {
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
        if (!read_text(text, sizeof text, root, path))
            return;
        period_text = text;
    }
    long long period = strtoll(period_text, NULL, 10);
    if (period <= 0)
        return;
    uint64_t cpus = (uint64_t)quota / (uint64_t)period + (quota % period != 0);
    if (cpus < *cap)
        *cap = cpus;
}

static void limit_memory(const char *root, const char *dir, bool v2, uint64_t *cap) {
    char path[PATH_BYTES], text[64], *end;
    snprintf(path, sizeof path, "%s/%s", dir, v2 ? "memory.max" : "memory.limit_in_bytes");
    if (!read_text(text, sizeof text, root, path))
        return;
    unsigned long long bytes = strtoull(text, &end, 10); /* "max": no limit */
    if (end != text && bytes > 0 && bytes < *cap)
        *cap = bytes;
}

/* A limit on any group counts for all groups inside: applies limit to mount/path and to each parent up to the mount. In a container
 * the path may be the host's and absent here; the mount itself, which is the container's group, is always asked. */
static void limit_upwards(const char *root, const char *mount, const char *group, bool v2, limit_fn *limit, uint64_t *cap) {
    char dir[PATH_BYTES];
    int base = snprintf(dir, sizeof dir, "/sys/fs/cgroup%s", mount);
    int len = snprintf(dir, sizeof dir, "/sys/fs/cgroup%s%s", mount, group);
    if (len < 0 || (size_t)len >= sizeof dir - 64) /* 64: room for the name of a file */
        return;
    for (;;) {
        limit(root, dir, v2, cap);
        char *slash = strrchr(dir, '/');
        if (slash < dir + base)
            return;
        *slash = 0;
    }
}

/* The least limit that this process's control groups (v1, v2 or both mounted) set for a controller ("cpu", "memory"). */
static uint64_t cgroup_cap(const char *root, const char *controller, limit_fn *limit) {
    char text[8192], mount[256], needle[32], list[258];
    uint64_t cap = UINT64_MAX;
    snprintf(needle, sizeof needle, ",%s,", controller);
    if (!read_text(text, sizeof text, root, "/proc/self/cgroup"))
        return cap;
    for (char *line = text, *next; *line; line = next) { /* "4:cpu,cpuacct:/group" is v1, "0::/group" v2 */
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = 0;
        char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;
        if (!group)
            continue;
        *names++ = 0;
        *group++ = 0;
        if (!*names) {
            limit_upwards(root, "", group, true, limit, &cap);
            limit_upwards(root, "/unified", group, true, limit, &cap); /* where v1 and v2 are mounted side by side */
            continue;
        }
        int len = snprintf(list, sizeof list, ",%s,", names);
        if (len < 0 || (size_t)len >= sizeof list || !strstr(list, needle))
            continue;
        snprintf(mount, sizeof mount, "/%s", controller);
        limit_upwards(root, mount, group, false, limit, &cap);
        snprintf(mount, sizeof mount, "/%s", names);
        limit_upwards(root, mount, group, false, limit, &cap);
    }
    return cap;
}

/* Number `file` of one CPU; -1 where there is none. */
static long cpu_number(const char *root, int cpu, const char *file) {
    char path[128], text[64];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
    return read_text(text, sizeof text, root, path) ? strtol(text, NULL, 10) : -1;
}

/* Whether an allowed CPU with a lower number shares cpu's core, so that the core has been counted. */
static bool core_seen(const char *root, int cpu, const bool *allowed) {
    static const char *const names[] = {"thread_siblings_list", "core_cpus_list"}; /* the old name, and the new one for the same */
    char path[128], text[1024] = "";
    for (int i = 0; i < 2 && !*text; i++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, names[i]);
        read_text(text, sizeof text, root, path);
    }
    for (char *p = text, *end; *p; p = *end ? end + 1 : end) { /* "0-1,8" */
        long first = strtol(p, &end, 10), last = first;
        if (end == p)
            return false;
        if (*end == '-')
            last = strtol(end + 1, &end, 10);
        for (long i = first < 0 ? 0 : first; i <= last && i < cpu; i++)
            if (allowed[i])
                return true;
        if (*end != ',')
            return false;
    }
    return false;
}

/* Cores with an allowed CPU. Where the kernel knows capacities (Arm's big and little cores), only those with half of the largest or
 * more: a slow core would hold up every step. */
static int count_cores(const char *root, const bool *allowed) {
    long most = -1;
    int cores = 0;
    for (int i = 0; i < MAX_CPUS; i++)
        if (allowed[i]) {
            long c = cpu_number(root, i, "cpu_capacity");
            most = c > most ? c : most;
        }
    for (int i = 0; i < MAX_CPUS; i++)
        if (allowed[i] && !(most > 0 && cpu_number(root, i, "cpu_capacity") < (most + 1) / 2) && !core_seen(root, i, allowed))
            cores++;
    return cores;
}

int tl_cpu_count_under(const char *root, int cpus) {
    bool allowed[MAX_CPUS] = {false};
    cpu_set_t sets[MAX_CPUS / CPU_SETSIZE];
    memset(sets, 0, sizeof sets);
    bool known = cpus <= 0 && sched_getaffinity(0, sizeof sets, sets) == 0;
    if (cpus <= 0 && !known) /* forbidden, as some sandboxes do */
        cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    for (int i = 0; i < MAX_CPUS; i++)
        allowed[i] = known ? CPU_ISSET(i % CPU_SETSIZE, &sets[i / CPU_SETSIZE]) : i < cpus;
    int cores = count_cores(root, allowed);
    uint64_t cap = cgroup_cap(root, "cpu", limit_cpus);
    if ((uint64_t)cores > cap)
        cores = (int)cap;
    return cores > 0 ? cores : 1;
}

size_t tl_memory_total_under(const char *root) {
    uint64_t cap = cgroup_cap(root, "memory", limit_memory);
    long pages = sysconf(_SC_PHYS_PAGES);
    uint64_t total = pages > 0 ? (uint64_t)pages * tl_page_size() : 0;
    if (cap != UINT64_MAX && (total == 0 || cap < total))
        total = cap;
    return total > SIZE_MAX ? SIZE_MAX : (size_t)total;
}

/* Not getrusage: its figure survives exec, and so may be a parent's. */
size_t tl_memory_peak(void) {
    char text[4096];
    if (!read_text(text, sizeof text, "", "/proc/self/status"))
        return 0;
    const char *at = strstr(text, "VmHWM:");
    return at ? (size_t)strtoull(at + 6, NULL, 10) * 1024 : 0;
}

#elif defined(__APPLE__)

static uint64_t sysctl_number(const char *name) {
    uint64_t v = 0; /* the machine is little-endian: a 32-bit answer fills the low half */
    size_t bytes = sizeof v;
    return sysctlbyname(name, &v, &bytes, NULL, 0) == 0 ? v : 0;
}

int tl_cpu_count_under(const char *root, int cpus) {
    (void)root;
    (void)cpus;
    uint64_t n = sysctl_number("hw.perflevel0.physicalcpu"); /* the fast cores of Apple's own processors */
    if (n == 0)
        n = sysctl_number("hw.physicalcpu");
    return n > 0 ? (int)n : 1;
}

size_t tl_memory_total_under(const char *root) {
    (void)root;
    return (size_t)sysctl_number("hw.memsize");
}

size_t tl_memory_peak(void) {
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? (size_t)u.ru_maxrss : 0; /* bytes here, unlike elsewhere */
}

#else

int tl_cpu_count_under(const char *root, int cpus) {
    (void)root;
    (void)cpus;
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

size_t tl_memory_total_under(const char *root) {
    (void)root;
    return 0;
}

size_t tl_memory_peak(void) {
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? (size_t)u.ru_maxrss * 1024 : 0;
}

#endif

#if defined(__aarch64__) && defined(__linux__)
bool tl_cpu_has(tl_cpu_feature f) { /* bits of the kernel's interface, which older headers do not name */
    return f == TL_ARM_DOTPROD ? getauxval(AT_HWCAP) >> 20 & 1 : f == TL_ARM_I8MM ? getauxval(AT_HWCAP2) >> 13 & 1 : false;
}
#elif defined(__aarch64__) && defined(__APPLE__)
bool tl_cpu_has(tl_cpu_feature f) { /* an M1 has no i8mm */
    static const char *const names[] = {[TL_ARM_DOTPROD] = "hw.optional.arm.FEAT_DotProd", [TL_ARM_I8MM] = "hw.optional.arm.FEAT_I8MM"};
    return f <= TL_ARM_I8MM && sysctl_number(names[f]) != 0;
}
#elif defined(__x86_64__) && defined(__linux__)
bool tl_cpu_has(tl_cpu_feature f) { /* the kernel's documentation, arch/x86/xstate.rst; older headers do not name these */
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return f == TL_X86_TILES && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#else
bool tl_cpu_has(tl_cpu_feature f) {
    (void)f;
    return false;
}
#endif

int tl_cpu_count(void) {
    return tl_cpu_count_under("", 0);
}

size_t tl_memory_total(void) {
    return tl_memory_total_under("");
}

/* ---- threads -------------------------------------------------------------------------------------------------------------- */

enum { STACK_BYTES = 2 << 20 }; /* systems' own defaults range from 128 KiB (musl) to 8 MiB */

struct tl_thread {
    pthread_t id;
    void (*fn)(void *);
    void *arg;
};
struct tl_mutex {
    pthread_mutex_t m;
};
struct tl_cond {
    pthread_cond_t c;
};

static void *thread_main(void *arg) {
    tl_thread *t = arg;
    t->fn(t->arg);
    return NULL;
}

/* Signals such as SIGINT belong to the program's own threads: all are blocked in ours but those that a thread causes itself, and the
 * profiler's. A new thread inherits the mask. */
static int create_unsignalled(tl_thread *t, const pthread_attr_t *attr) {
    static const int kept[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPROF};
    sigset_t block, caller;
    sigfillset(&block);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        sigdelset(&block, kept[i]);
    pthread_sigmask(SIG_SETMASK, &block, &caller);
    int e = pthread_create(&t->id, attr, thread_main, t);
    pthread_sigmask(SIG_SETMASK, &caller, NULL);
    return e;
}

tl_status tl_thread_start(tl_thread **t, void (*fn)(void *), void *arg) {
    pthread_attr_t attr;
    *t = tl_alloc(sizeof **t);
    if (!*t)
        return TL_ERR_MEMORY;
    (*t)->fn = fn;
    (*t)->arg = arg;
    int e = pthread_attr_init(&attr);
    if (e == 0) {
        pthread_attr_setstacksize(&attr, STACK_BYTES); /* refused: the system's default serves */
        e = create_unsignalled(*t, &attr);
        pthread_attr_destroy(&attr);
    }
    if (e == 0)
        return TL_OK;
    tl_free(*t);
    *t = NULL;
    return e == ENOMEM ? TL_ERR_MEMORY : TL_ERR_IO;
}

void tl_thread_join(tl_thread *t) {
    if (!t)
        return;
    pthread_join(t->id, NULL);
    tl_free(t);
}

tl_mutex *tl_mutex_new(void) {
    tl_mutex *m = tl_alloc(sizeof *m);
    if (m && pthread_mutex_init(&m->m, NULL) != 0) {
        tl_free(m);
        return NULL;
    }
    return m;
}

void tl_mutex_free(tl_mutex *m) {
    if (!m)
        return;
    pthread_mutex_destroy(&m->m);
    tl_free(m);
}

void tl_mutex_lock(tl_mutex *m) {
    pthread_mutex_lock(&m->m);
}

void tl_mutex_unlock(tl_mutex *m) {
    pthread_mutex_unlock(&m->m);
}

tl_cond *tl_cond_new(void) {
    tl_cond *c = tl_alloc(sizeof *c);
    if (c && pthread_cond_init(&c->c, NULL) != 0) {
        tl_free(c);
        return NULL;
    }
    return c;
}

void tl_cond_free(tl_cond *c) {
    if (!c)
        return;
    pthread_cond_destroy(&c->c);
    tl_free(c);
}

void tl_cond_wait(tl_cond *c, tl_mutex *m) {
    pthread_cond_wait(&c->c, &m->m);
}

void tl_cond_signal_all(tl_cond *c) {
    pthread_cond_broadcast(&c->c);
}

void tl_cpu_relax(void) {
#if defined(__SSE2__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* yield is a no-op on most cores; isb waits about as long as x86's pause */
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

void tl_yield(void) {
    sched_yield();
}

void tl_sleep(double seconds) {
    nanosleep(&(struct timespec){.tv_nsec = (long)(seconds * 1e9)}, NULL);
}
#else
typedef int tl_platform_is_elsewhere; /* a file of C holds a declaration */
#endif
