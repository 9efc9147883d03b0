/* test_platform.c: the allocator and its failure hook, file maps and their messages, what the machine is said to have (against made-up
 * copies of Linux's /sys and /proc), and threads. */
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE 1
#else
#define _GNU_SOURCE 1
#endif
#include "tests/suite.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tensor/platform.h"

/* ---- a directory of the test's own, gone after it -------------------------------------------------------------------------- */

static char dir[512];

static void make_dir(void) {
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/tally-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void) {
    char command[1024];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

/* The path of name in the directory; valid for the next two calls. */
static const char *in_dir(const char *name) {
    static char paths[3][1024];
    static int turn;
    turn = (turn + 1) % 3;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", dir, name);
    return paths[turn];
}

/* Writes a file, with the folders on the way to it. */
static void write_file(const char *name, const void *data, size_t n) {
    char path[1024];
    snprintf(path, sizeof path, "%s", in_dir(name));
    for (char *p = path + strlen(dir) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        mkdir(path, 0755);
    }
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_text(const char *name, const char *text) {
    write_file(name, text, strlen(text));
}

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

START_TEST(memory_is_zeroed_and_realloc_keeps_content) {
    for (size_t n = 0; n < 3000; n += 37) {
        unsigned char *p = tl_alloc(n);
        ck_assert_ptr_nonnull(p);
        for (size_t i = 0; i < n; i++) {
            ck_assert_uint_eq(p[i], 0);
            p[i] = (unsigned char)i;
        }
        p = tl_realloc(p, 2 * n);
        ck_assert_ptr_nonnull(p);
        for (size_t i = 0; i < n; i++)
            ck_assert_uint_eq(p[i], (unsigned char)i);
        p = tl_realloc(p, n / 2);
        for (size_t i = 0; i < n / 2; i++)
            ck_assert_uint_eq(p[i], (unsigned char)i);
        tl_free(p);
    }
    void *a = tl_alloc(0), *b = tl_alloc(0), *c = tl_realloc(NULL, 0);
    ck_assert(a && b && c && a != b && b != c && a != c);
    tl_free(a);
    tl_free(b);
    tl_free(c);
    tl_free(NULL);
}
END_TEST

START_TEST(aligned_memory_is_zeroed_and_aligned_at_every_size) {
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4095, 100000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (4 << 20) + 5, 40 << 20};
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            unsigned char *p = tl_alloc_aligned(sizes[i]), any = 0;
            ck_assert_ptr_nonnull(p);
            ck_assert_uint_eq((uintptr_t)p % 64, 0);
            for (size_t k = 0; k < sizes[i]; k++)
                any |= p[k];
            ck_assert_uint_eq(any, 0);
            memset(p, 0xA5, sizes[i]); /* so that the second round meets used memory */
            tl_free_aligned(p, sizes[i]);
        }
    tl_free_aligned(NULL, 0);
    tl_free_aligned(NULL, 1 << 30);
}
END_TEST

START_TEST(sizes_no_machine_has_are_refused) {
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 64, SIZE_MAX / 2 + 1};
    void *p = tl_alloc(16);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ck_assert_ptr_null(tl_alloc(sizes[i]));
        ck_assert_ptr_null(tl_alloc_aligned(sizes[i]));
        ck_assert_ptr_null(tl_realloc(p, sizes[i])); /* p stays */
    }
    ck_assert_ptr_null(tl_alloc_aligned(SIZE_MAX / 2));
    memset(p, 1, 16);
    tl_free(p);
}
END_TEST

START_TEST(hook_fails_the_nth_allocation_of_each_kind) {
    for (int kind = 0; kind < 3; kind++)
        for (int forever = 0; forever < 2; forever++) {
            tl_alloc_fail_at(2, forever);
            for (int i = 0; i < 6; i++) {
                void *p = kind == 0 ? tl_alloc(8) : kind == 1 ? tl_realloc(NULL, 8) : tl_alloc_aligned(8);
                ck_assert_int_eq(p == NULL, i == 2 || (forever && i > 2));
                if (kind == 2)
                    tl_free_aligned(p, 8);
                else
                    tl_free(p);
            }
            ck_assert_int_eq(tl_alloc_count(), 6);
        }
    tl_alloc_fail_at(-1, false);
    ck_assert_int_eq(tl_alloc_count(), 0);
    void *p = tl_alloc(8);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(tl_alloc_count(), 0); /* off: not counted */
    tl_alloc_fail_at(0, false);
    ck_assert_ptr_null(tl_realloc(p, 100));
    tl_alloc_fail_at(LONG_MIN, true);
    p = tl_realloc(p, 100);
    ck_assert_ptr_nonnull(p);
    tl_free(p);
}
END_TEST

START_TEST(size_arithmetic_notices_overflow) {
    size_t out = 1;
    ck_assert(tl_mul_size(SIZE_MAX, 1, &out) && out == SIZE_MAX);
    ck_assert(tl_mul_size(SIZE_MAX, 0, &out) && out == 0);
    ck_assert(tl_mul_size(0, SIZE_MAX, &out) && out == 0);
    ck_assert(!tl_mul_size(SIZE_MAX, 2, &out));
    ck_assert(!tl_mul_size(SIZE_MAX / 2 + 1, 2, &out));
    ck_assert(tl_mul_size(SIZE_MAX / 2, 2, &out) && out == SIZE_MAX - 1);
    ck_assert(tl_add_size(SIZE_MAX, 0, &out) && out == SIZE_MAX);
    ck_assert(!tl_add_size(SIZE_MAX, 1, &out));
    ck_assert(!tl_add_size(1, SIZE_MAX, &out));
}
END_TEST

/* ---- files ----------------------------------------------------------------------------------------------------------------- */

static unsigned char content(size_t i) {
    return (unsigned char)(i * 7 + i / 4096);
}

static void write_content(const char *name, size_t n) {
    unsigned char *p = malloc(n);
    for (size_t i = 0; i < n; i++)
        p[i] = content(i);
    write_file(name, p, n);
    free(p);
}

static void check_content(const tl_map *m) {
    const unsigned char *p = m->data;
    size_t wrong = 0;
    for (size_t i = 0; i < m->bytes; i++)
        wrong += p[i] != content(i);
    ck_assert_uint_eq(wrong, 0);
}

START_TEST(map_shows_the_whole_file) {
    const size_t page = tl_page_size(), sizes[] = {1, 100, page - 1, page, page + 1, 20 * page + 17};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        tl_map m;
        write_content("file", sizes[i]);
        ck_assert_int_eq(tl_map_open(&m, in_dir("file"), NULL), TL_OK);
        ck_assert_uint_eq(m.bytes, sizes[i]);
        ck_assert_int_eq(unlink(in_dir("file")), 0); /* the map holds it */
        check_content(&m);
        tl_map_close(&m);
        ck_assert_ptr_null(m.data);
        ck_assert_uint_eq(m.bytes, 0);
        tl_map_close(&m);
    }
}
END_TEST

START_TEST(dropped_pages_stay_readable_whatever_the_range) {
    tl_map m, none = {0};
    const size_t page = tl_page_size(), n = 20 * page + 17;
    const size_t at[] = {0, 1, page - 1, page, page + 1, 3 * page + 5, 20 * page, n - 1, n, n + 1, SIZE_MAX};
    write_content("file", n);
    ck_assert_int_eq(tl_map_open(&m, in_dir("file"), NULL), TL_OK);
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        for (size_t k = 0; k < sizeof at / sizeof at[0]; k++) {
            tl_map_drop(&m, at[i], at[k]);
            tl_map_drop(&none, at[i], at[k]);
        }
    check_content(&m);
    tl_map_close(&m);
}
END_TEST

#if defined(__linux__)
static size_t resident(const tl_map *m) { /* bytes of m that this process holds, from /proc/self/smaps */
    char line[512], start[32];
    size_t kib = 0;
    bool inside = false;
    snprintf(start, sizeof start, "%zx-", (size_t)(uintptr_t)m->data);
    FILE *f = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        inside = strncmp(line, start, strlen(start)) == 0 || (inside && !strstr(line, "VmFlags"));
        if (inside && sscanf(line, "Rss: %zu", &kib) == 1)
            break;
    }
    fclose(f);
    return kib * 1024;
}

/* 0: the machine's pages; machines of 64-bit Arm have also larger ones. */
static const size_t page_sizes[] = {0, 16384, 65536};
enum { N_PAGE_SIZES = sizeof page_sizes / sizeof page_sizes[0] };

static void drop(tl_map *m, size_t offset, size_t bytes, size_t page) {
    if (page == tl_page_size())
        tl_map_drop(m, offset, bytes);
    else
        tl_map_drop_pages(m, offset, bytes, page);
}

START_TEST(drop_takes_whole_pages_inside_the_range_only) {
    tl_map m;
    const size_t page = page_sizes[_i] ? page_sizes[_i] : tl_page_size();
    if (page % tl_page_size() != 0)
        return; /* this machine's are larger: the first round tried them */
    /* less than 2 MiB: a huge page in the file's cache would leave as a whole */
    write_content("file", 24 * page);
    ck_assert_int_eq(tl_map_open(&m, in_dir("file"), NULL), TL_OK);
    check_content(&m);
    ck_assert_uint_eq(resident(&m), 24 * page);
    drop(&m, 4 * page + 1, page - 1 + page - 1, page); /* page 5 but for its last byte */
    ck_assert_uint_eq(resident(&m), 24 * page);
    drop(&m, 4 * page + 1, page - 1 + page, page); /* page 5 */
    ck_assert_uint_eq(resident(&m), 23 * page);
    drop(&m, 16 * page, SIZE_MAX, page);
    ck_assert_uint_eq(resident(&m), 15 * page);
    drop(&m, 0, 16 * page, page);
    ck_assert_uint_eq(resident(&m), 0);
    check_content(&m);
    tl_map_close(&m);
}
END_TEST
#endif

static void check_refused(const char *path, tl_status status, const char *word) {
    tl_error err = {0};
    tl_map m = {&err, 5, &err};
    ck_assert_int_eq(tl_map_open(&m, path, &err), status);
    ck_assert_int_eq(err.status, status);
    ck_assert(m.data == NULL && m.bytes == 0 && m.impl == NULL);
    if (path)
        ck_assert_ptr_nonnull(strstr(err.message, path));
    ck_assert_ptr_nonnull(strstr(err.message, word));
    ck_assert_int_eq(tl_map_open(&m, path, NULL), status);
}

START_TEST(what_cannot_be_mapped_is_named) {
    check_refused(in_dir("absent"), TL_ERR_IO, strerror(ENOENT)); /* in the words of the locale */
    check_refused(dir, TL_ERR_IO, "is a directory");
    write_file("empty", "", 0);
    check_refused(in_dir("empty"), TL_ERR_IO, "is empty");
    ck_assert_int_eq(mkfifo(in_dir("pipe"), 0600), 0);
    check_refused(in_dir("pipe"), TL_ERR_IO, "pipe or a device"); /* and does not wait for a writer */
    check_refused("/dev/null", TL_ERR_IO, "pipe or a device");
    check_refused("", TL_ERR_IO, "cannot open");
    check_refused(NULL, TL_ERR_USAGE, "no path");
    if (geteuid() != 0) { /* root may read everything */
        write_file("secret", "x", 1);
        ck_assert_int_eq(chmod(in_dir("secret"), 0), 0);
        check_refused(in_dir("secret"), TL_ERR_IO, strerror(EACCES));
    }
}
END_TEST

START_TEST(failing_map_is_out_of_memory_and_loses_no_descriptor) {
    write_file("file", "x", 1);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, 64}), 0);
    for (int i = 0; i < 100; i++) { /* more than may now be open */
        tl_map m;
        tl_alloc_fail_at(0, false);
        ck_assert_int_eq(tl_map_open(&m, in_dir("file"), NULL), TL_ERR_MEMORY);
        tl_alloc_fail_at(-1, false);
        ck_assert_int_eq(tl_map_open(&m, dir, NULL), TL_ERR_IO);
        ck_assert_int_eq(tl_map_open(&m, in_dir("file"), NULL), TL_OK);
        tl_map_close(&m);
    }
}
END_TEST

/* ---- machine --------------------------------------------------------------------------------------------------------------- */

START_TEST(clock_goes_on_and_pages_are_powers_of_two) {
    double t = tl_now();
    for (int i = 0; i < 10000; i++) {
        double u = tl_now();
        ck_assert(u >= t);
        t = u;
    }
    size_t page = tl_page_size();
    ck_assert_uint_ge(page, 1024);
    ck_assert_uint_eq(page & (page - 1), 0);
}
END_TEST

START_TEST(a_thread_that_sleeps_has_no_processor) {
    double began = tl_now(), computed = tl_thread_seconds();
    while (tl_now() - began < 50e-3) /* a sleep may end early */
        tl_sleep(5e-3);
    double passed = tl_now() - began;
    computed = tl_thread_seconds() - computed;
    ck_assert(computed >= 0 && computed < passed / 2);
}
END_TEST

START_TEST(this_machine_has_cores_and_memory_and_a_peak_that_grows) {
    ck_assert_int_ge(tl_cpu_count(), 1);
    ck_assert_int_le(tl_cpu_count(), (int)sysconf(_SC_NPROCESSORS_ONLN));
    size_t total = tl_memory_total(), before = tl_memory_peak();
    if (total == 0 || before == 0)
        SKIP("this system does not tell its memory");
    const size_t grow = 48u << 20;
    char *p = tl_alloc_aligned(grow);
    ck_assert_ptr_nonnull(p);
    memset(p, 1, grow);
    ck_assert_uint_ge(tl_memory_peak(), grow);
    ck_assert_uint_le(tl_memory_peak(), total);
    ck_assert_uint_ge(tl_memory_peak(), before);
    tl_free_aligned(p, grow);
    ck_assert_uint_ge(tl_memory_peak(), grow);
}
END_TEST

#if defined(__linux__)

static void siblings(int cpu, const char *list) {
    char name[128];
    snprintf(name, sizeof name, "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    write_text(name, list);
}

START_TEST(threads_of_a_core_count_once) {
    ck_assert_int_eq(tl_cpu_count_under(dir, 6), 6); /* nothing known: each CPU a core */
    static const char *const pairs[] = {"0,4\n", "1,5\n", "2,6\n", "3,7\n", "0,4\n", "1,5\n", "2,6\n", "3,7\n"};
    for (int i = 0; i < 8; i++)
        siblings(i, pairs[i]);
    ck_assert_int_eq(tl_cpu_count_under(dir, 8), 4);
    ck_assert_int_eq(tl_cpu_count_under(dir, 5), 4); /* CPUs 5, 6, 7 not allowed: their cores are there through 1, 2, 3 */
    ck_assert_int_eq(tl_cpu_count_under(dir, 1), 1);
    for (int i = 0; i < 8; i++)
        siblings(i, i < 4 ? "0-3\n" : "4-5,6-7\n");
    ck_assert_int_eq(tl_cpu_count_under(dir, 8), 2);
    siblings(3, "rubbish\n");
    siblings(2, "1-99999999999999999999\n");
    ck_assert_int_eq(tl_cpu_count_under(dir, 4), 2);
}
END_TEST

START_TEST(cores_are_counted_past_the_1024th_and_by_the_new_name_of_the_list) {
    ck_assert_int_eq(tl_cpu_count_under(dir, 3000), 3000);
    ck_assert_int_eq(tl_cpu_count_under(dir, 10000), 8192);
    siblings(2047, "1023,2047\n");
    siblings(1023, "1023,2047\n");
    ck_assert_int_eq(tl_cpu_count_under(dir, 3000), 2999);
    write_text("sys/devices/system/cpu/cpu2999/topology/core_cpus_list", "2998-2999\n");
    write_text("sys/devices/system/cpu/cpu1023/topology/core_cpus_list", "0-1023\n"); /* the old name wins */
    ck_assert_int_eq(tl_cpu_count_under(dir, 3000), 2998);
}
END_TEST

START_TEST(slow_cores_do_not_count) {
    char name[128];
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "sys/devices/system/cpu/cpu%d/cpu_capacity", i);
        write_text(name, i < 4 ? "400\n" : i < 7 ? "512\n" : "1024\n");
    }
    ck_assert_int_eq(tl_cpu_count_under(dir, 8), 4);
    ck_assert_int_eq(tl_cpu_count_under(dir, 7), 7); /* the largest allowed is 512: 400 is more than half */
    ck_assert_int_eq(tl_cpu_count_under(dir, 4), 4);
}
END_TEST

START_TEST(quota_of_any_group_above_caps_the_cores) {
    write_text("proc/self/cgroup", "0::/user/app\n");
    ck_assert_int_eq(tl_cpu_count_under(dir, 8), 8);
    write_text("sys/fs/cgroup/user/app/cpu.max", "max 100000\n");
    ck_assert_int_eq(tl_cpu_count_under(dir, 8), 8);
    write_text("sys/fs/cgroup/user/cpu.max", "550000 100000\n");
    ck_assert_int_eq(tl_cpu_count_under(dir, 8), 6); /* rounded up */
    write_text("sys/fs/cgroup/cpu.max", "400000 100000\n");
    ck_assert_int_eq(tl_cpu_count_under(dir, 8), 4);
    write_text("sys/fs/cgroup/user/app/cpu.max", "1000 100000\n");
    ck_assert_int_eq(tl_cpu_count_under(dir, 8), 1);
    static const char *const odd[] = {"", "0 100000\n", "-5 100000\n", "100000 0\n", "100000\n", "x y\n"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        write_text("sys/fs/cgroup/user/app/cpu.max", odd[i]);
        ck_assert_int_eq(tl_cpu_count_under(dir, 8), 4);
    }
}
END_TEST

START_TEST(quota_of_version_1_groups_caps_the_cores) {
    write_text("proc/self/cgroup", "12:cpuset:/a\n4:cpu,cpuacct:/host/name\n3:memory:/m\n0::/\n");
    write_text("sys/fs/cgroup/cpuset/cpu.cfs_quota_us", "100000\n"); /* another controller's folder: not ours */
    write_text("sys/fs/cgroup/cpuset/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(tl_cpu_count_under(dir, 8), 8);
    write_text("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    write_text("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(tl_cpu_count_under(dir, 8), 8);
    write_text("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n"); /* the group's path is the host's: the mount counts */
    ck_assert_int_eq(tl_cpu_count_under(dir, 8), 3);
    write_text("sys/fs/cgroup/cpu/host/name/cpu.cfs_quota_us", "100000\n");
    write_text("sys/fs/cgroup/cpu/host/name/cpu.cfs_period_us", "50000\n");
    ck_assert_int_eq(tl_cpu_count_under(dir, 8), 2);
}
END_TEST

START_TEST(memory_is_capped_by_the_least_limit_of_the_groups) {
    size_t all = tl_memory_total_under(dir); /* no groups there */
    ck_assert_uint_ge(all, 256u << 20);
    write_text("proc/self/cgroup", "5:memory:/box\n0::/a/b\n");
    write_text("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "9223372036854771712\n"); /* version 1's "none" */
    write_text("sys/fs/cgroup/unified/a/b/memory.max", "max\n");
    ck_assert_uint_eq(tl_memory_total_under(dir), all);
    write_text("sys/fs/cgroup/unified/a/memory.max", "104857600\n");
    ck_assert_uint_eq(tl_memory_total_under(dir), 104857600);
    write_text("sys/fs/cgroup/memory/memory.limit_in_bytes", "104857599\n");
    ck_assert_uint_eq(tl_memory_total_under(dir), 104857599);
}
END_TEST

START_TEST(malformed_group_lists_are_survived) {
    char text[9000];
    static const char *const odd[] = {"", "\n\n", ":", "::", ":::", "0::", "0:cpu", "x\n0:cpu:\n", "4:,cpu,:/../..\n", "0::nopath"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        write_text("proc/self/cgroup", odd[i]);
        ck_assert_int_eq(tl_cpu_count_under(dir, 3), 3);
    }
    size_t n = (size_t)snprintf(text, sizeof text, "0::");
    while (n < sizeof text - 2)
        text[n] = n % 2 ? '/' : 'a', n++;
    text[n] = 0;
    write_text("proc/self/cgroup", text); /* longer than any path may be */
    ck_assert_int_eq(tl_cpu_count_under(dir, 3), 3);
    memset(text + 2, 'c', sizeof text - 4);
    write_text("proc/self/cgroup", text);
    ck_assert_int_eq(tl_cpu_count_under(dir, 3), 3);
}
END_TEST

START_TEST(affinity_is_respected) {
    cpu_set_t set, old;
    ck_assert_int_eq(sched_getaffinity(0, sizeof old, &old), 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &old))
        cpu++;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ck_assert_int_eq(sched_setaffinity(0, sizeof set, &set), 0);
    ck_assert_int_eq(tl_cpu_count(), 1);
    ck_assert_int_eq(sched_setaffinity(0, sizeof old, &old), 0);
}
END_TEST

#endif

/* ---- threads --------------------------------------------------------------------------------------------------------------- */

typedef struct turn {
    tl_mutex *lock;
    tl_cond *changed;
    int whose, done; /* plain: the lock guards them */
    bool interruptible;
} turn;

static void take_turns(void *arg) {
    turn *t = arg;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    tl_mutex_lock(t->lock);
    t->interruptible |= !sigismember(&mask, SIGINT) || sigismember(&mask, SIGSEGV);
    for (int i = 0; i < 1000; i++) {
        while (t->whose != 1)
            tl_cond_wait(t->changed, t->lock);
        t->done++;
        t->whose = 0;
        tl_cond_signal_all(t->changed);
    }
    tl_mutex_unlock(t->lock);
}

START_TEST(threads_take_turns_through_lock_and_condition) {
    turn t = {tl_mutex_new(), tl_cond_new(), 0, 0, false};
    tl_thread *other;
    ck_assert_int_eq(tl_thread_start(&other, take_turns, &t), TL_OK);
    tl_mutex_lock(t.lock);
    for (int i = 0; i < 1000; i++) {
        while (t.whose != 0)
            tl_cond_wait(t.changed, t.lock);
        ck_assert_int_eq(t.done, i);
        t.whose = 1;
        tl_cond_signal_all(t.changed);
    }
    tl_mutex_unlock(t.lock);
    tl_thread_join(other);
    ck_assert_int_eq(t.done, 1000);
    ck_assert(!t.interruptible); /* signals of the process stay with its own threads; faults do not */
    tl_cond_free(t.changed);
    tl_mutex_free(t.lock);
}
END_TEST

START_TEST(thread_objects_that_get_no_memory_are_null) {
    tl_thread *t = (tl_thread *)dir;
    tl_alloc_fail_at(0, true);
    ck_assert_int_eq(tl_thread_start(&t, take_turns, NULL), TL_ERR_MEMORY);
    ck_assert_ptr_null(t);
    ck_assert_ptr_null(tl_mutex_new());
    ck_assert_ptr_null(tl_cond_new());
    tl_alloc_fail_at(-1, false);
    tl_thread_join(NULL);
    tl_mutex_free(NULL);
    tl_cond_free(NULL);
    tl_cpu_relax();
    tl_yield();
}
END_TEST

static Suite *platform_suite(void) {
    Suite *s = suite_create("platform");
    TCase *memory = tcase_create("memory");
    tcase_add_test(memory, memory_is_zeroed_and_realloc_keeps_content);
    tcase_add_test(memory, aligned_memory_is_zeroed_and_aligned_at_every_size);
    tcase_add_test(memory, sizes_no_machine_has_are_refused);
    tcase_add_test(memory, hook_fails_the_nth_allocation_of_each_kind);
    tcase_add_test(memory, size_arithmetic_notices_overflow);
    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, make_dir, remove_dir);
    tcase_add_test(files, map_shows_the_whole_file);
    tcase_add_test(files, dropped_pages_stay_readable_whatever_the_range);
    tcase_add_test(files, what_cannot_be_mapped_is_named);
    tcase_add_test(files, failing_map_is_out_of_memory_and_loses_no_descriptor);
    TCase *machine = tcase_create("machine");
    tcase_add_checked_fixture(machine, make_dir, remove_dir);
    tcase_add_test(machine, clock_goes_on_and_pages_are_powers_of_two);
    tcase_add_test(machine, a_thread_that_sleeps_has_no_processor);
    tcase_add_test(machine, this_machine_has_cores_and_memory_and_a_peak_that_grows);
#if defined(__linux__)
    tcase_add_loop_test(files, drop_takes_whole_pages_inside_the_range_only, 0, N_PAGE_SIZES);
    tcase_add_test(machine, threads_of_a_core_count_once);
    tcase_add_test(machine, cores_are_counted_past_the_1024th_and_by_the_new_name_of_the_list);
    tcase_add_test(machine, slow_cores_do_not_count);
    tcase_add_test(machine, quota_of_any_group_above_caps_the_cores);
    tcase_add_test(machine, quota_of_version_1_groups_caps_the_cores);
    tcase_add_test(machine, memory_is_capped_by_the_least_limit_of_the_groups);
    tcase_add_test(machine, malformed_group_lists_are_survived);
    tcase_add_test(machine, affinity_is_respected);
#endif
    TCase *threads = tcase_create("threads");
    tcase_add_test(threads, threads_take_turns_through_lock_and_condition);
    tcase_add_test(threads, thread_objects_that_get_no_memory_are_null);
    TCase *all[] = {memory, files, machine, threads};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        tcase_set_timeout(all[i], 60);
        suite_add_tcase(s, all[i]);
    }
    return s;
}

int main(void) {
    return run_suite(platform_suite());
}
