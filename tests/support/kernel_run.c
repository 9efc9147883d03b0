/* kernel_run.c: runs a kernel on memory that notices: each buffer lies in the midst of garbage, ends where memory ends, or begins where it
 * begins (pages without access on both sides). Floats of garbage are NaN, its bytes extreme; outputs and surroundings must come out as
 * the definition leaves them. Also the generated data. */
#define _DEFAULT_SOURCE 1 /* MAP_ANONYMOUS */
#define _DARWIN_C_SOURCE 1

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if !defined(__wasm__)
#include <sys/mman.h>
#endif
#include <unistd.h>

#include "tensor/math.h"
#include "tests/cases_internal.h"
#include "tests/suite.h"
#include "tests/support/kernels.h"

enum { MAX_ARGS = 5, MARGIN = 512, ROOM = 4 << 20 };
enum { INSIDE, AT_END, AT_START, N_PLACES };
static const char *const place_names[] = {"in the midst", "at the end of memory", "at the start of memory"};
enum { GARBAGE_IN = 0xFF, GARBAGE_OUT = 0xC3 }; /* NaN and -1 where nothing may be read; a number where nothing may be written */

/* ---- messages ---- */

void kernel_says(kernel_job *j, const char *fmt, ...) {
    va_list a;
    va_start(a, fmt);
    vsnprintf(j->what, sizeof j->what, fmt, a);
    va_end(a);
}

bool kernel_fails(kernel_job *j, const char *fmt, ...) {
    char text[256];
    va_list a;
    va_start(a, fmt);
    vsnprintf(text, sizeof text, fmt, a);
    va_end(a);
    snprintf(j->why, KERNEL_WHY, "%s: %s: %s", j->name, j->what, text);
    return false;
}

/* A kernel that leaves its memory dies, everywhere by the same signal; this says which one it was. */
static char running[480];
#if !defined(__wasm__)
static void die_with_name(int signal_number) {
    ssize_t ignored = write(STDERR_FILENO, running, strlen(running));
    (void)ignored;
    (void)signal_number;
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}
#endif

/* ---- memory ---- */

/* ROOM bytes between pages without access, as far as the system has such; mapped once. */
static uint8_t *memory_of(int arg) {
    static uint8_t *memory[MAX_ARGS];
#if defined(__wasm__)
    if (!memory[arg])
        memory[arg] = aligned_alloc(64, ROOM);
#else
    if (!memory[arg]) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        uint8_t *p = mmap(NULL, ROOM + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || mprotect(p + page, ROOM, PROT_READ | PROT_WRITE) != 0)
            return NULL;
        memory[arg] = p + page;
        signal(SIGSEGV, die_with_name);
        signal(SIGBUS, die_with_name);
    }
#endif
    return memory[arg];
}

/* Where argument i of these bytes lies; in the midst at every remainder of 64 that its alignment leaves, one run after the other. */
static uint8_t *placed(uint8_t *memory, const kernel_arg *arg, int i, int place, unsigned turn) {
    if (place == AT_START)
        return memory;
    if (place == AT_END)
        return memory + (ROOM - arg->bytes) / arg->align * arg->align;
    return memory + 4096 + ((turn * 7 + (unsigned)i * 5) % 64) / arg->align * arg->align;
}

/* Calls f on the bytes around [at, at + bytes), as far as there are any. */
static bool around(uint8_t *memory, uint8_t *at, size_t bytes, int value, bool (*f)(uint8_t *from, size_t n, int value)) {
    size_t before = (size_t)(at - memory) < MARGIN ? (size_t)(at - memory) : MARGIN;
    size_t left = ROOM - (size_t)(at - memory) - bytes, after = left < MARGIN ? left : MARGIN;
    bool first = f(at - before, before, value);
    return f(at + bytes, after, value) && first;
}

static bool set_bytes(uint8_t *from, size_t n, int value) {
    memset(from, value, n);
    return true;
}

static bool are_bytes(uint8_t *from, size_t n, int value) {
    for (size_t i = 0; i < n; i++)
        if (from[i] != value)
            return false;
    return true;
}

/* ---- one run ---- */

static void set_pointer(const kernel_arg *arg, void *value) {
    memcpy(arg->pointer, &value, sizeof value);
}

/* Floats of an output, every NaN made one. */
static void canonical(const kernel_arg *arg, uint8_t *data) {
    size_t unit = arg->unit ? arg->unit : 4;
    for (size_t i = 0; unit != KERNEL_INTEGERS && i + 4 <= arg->bytes; i += unit) {
        float v;
        memcpy(&v, data + i, sizeof v);
        if (v != v) {
            v = tl_real(TL_NAN_BITS);
            memcpy(data + i, &v, sizeof v);
        }
    }
}

static bool differs(kernel_job *j, const kernel_arg *arg, int i, const uint8_t *want, const uint8_t *got, const char *where) {
    size_t at = 0;
    uint32_t a, b;
    while (want[at] == got[at])
        at++;
    at = at / 4 * 4;
    memcpy(&a, want + at, arg->bytes - at < 4 ? arg->bytes - at : 4);
    memcpy(&b, got + at, arg->bytes - at < 4 ? arg->bytes - at : 4);
    return kernel_fails(j, "argument %d %s: word %zu is %08x, not %08x", i, where, at / 4, (unsigned)b, (unsigned)a);
}

/* The kernel on memory in one place; argument `out` (-1: none) lies where argument `in` does. */
static bool run_once(kernel_job *j, void (*call)(kernel_fn, const void *), const void *args, kernel_arg *arg, int n, uint8_t *const *want,
                     int place, int out, int in, char *where) {
    static unsigned turn;
    uint8_t *at[MAX_ARGS];
    turn++;
    for (int i = 0; i < n; i++) {
        uint8_t *memory = memory_of(i);
        bool writes = !arg[i].data;
        at[i] = i == out ? at[in] : placed(memory, &arg[i], i, place, turn);
        set_pointer(&arg[i], at[i]);
        if (i == out)
            continue;
        around(memory, at[i], arg[i].bytes, writes || i == in ? GARBAGE_OUT : GARBAGE_IN, set_bytes);
        if (writes)
            memset(at[i], GARBAGE_OUT, arg[i].bytes);
        else
            memcpy(at[i], arg[i].data, arg[i].bytes);
    }
    snprintf(running, sizeof running, "%s: %s: %s: touches memory beyond its arguments\n", j->name, j->what, where);
    call(j->fn, args);
    for (int i = 0; i < n; i++) {
        bool writes = !arg[i].data, result = writes || arg[i].changes;
        if (i != out && !around(memory_of(i), at[i], arg[i].bytes, writes || i == in ? GARBAGE_OUT : GARBAGE_IN, are_bytes))
            return kernel_fails(j, "argument %d %s: it wrote beyond", i, where);
        if (i == in && out >= 0)
            continue;
        if (result)
            canonical(&arg[i], at[i]);
        if (memcmp(at[i], result ? want[i] : (const uint8_t *)arg[i].data, arg[i].bytes) != 0)
            return differs(j, &arg[i], i, result ? want[i] : (const uint8_t *)arg[i].data, at[i], where);
    }
    return true;
}

/* What the definition makes of each argument; false: out of memory. */
static bool define(kernel_job *j, void (*call)(kernel_fn, const void *), const void *args, kernel_arg *arg, int n, uint8_t **want) {
    for (int i = 0; i < n; i++) {
        want[i] = malloc(arg[i].bytes + 1);
        if (!want[i])
            return false;
        if (arg[i].data)
            memcpy(want[i], arg[i].data, arg[i].bytes);
        else
            memset(want[i], GARBAGE_OUT, arg[i].bytes);
        set_pointer(&arg[i], want[i]);
    }
    call(j->want, args);
    for (int i = 0; i < n; i++)
        if (!arg[i].data || arg[i].changes)
            canonical(&arg[i], want[i]);
    return true;
}

bool kernel_run(kernel_job *j, void (*call)(kernel_fn fn, const void *args), const void *args, kernel_arg *arg, int n) {
    uint8_t *want[MAX_ARGS] = {NULL};
    char where[80];
    bool ok = n <= MAX_ARGS && define(j, call, args, arg, n, want);
    for (int i = 0; i < n && ok; i++)
        ok = memory_of(i) && arg[i].bytes + 8192 <= ROOM;
    if (!ok)
        kernel_fails(j, "no memory to run it in");
    for (int place = 0; place < N_PLACES && ok; place++) {
        snprintf(where, sizeof where, "%s", place_names[place]);
        ok = run_once(j, call, args, arg, n, want, place, -1, -1, where);
    }
    for (int out = 0; out < n && ok; out++)
        for (int in = 0; in < n && ok; in++)
            if (arg[out].in_place >> in & 1) {
                snprintf(where, sizeof where, "in place of argument %d", in);
                ok = run_once(j, call, args, arg, n, want, INSIDE, out, in, where);
            }
    for (int i = 0; i < n; i++)
        free(want[i]);
    return ok;
}

/* ---- data ---- */

static const char *const fill_names[KERNEL_FILLS] = {"normal",  "wide",   "cancel", "ties", "tiny",
                                                     "special", "finite", "zero",   "ones", "random bits"};

const char *kernel_fill_name(int fill) {
    return fill_names[fill];
}

void kernel_floats(float *dst, int64_t n, int fill, uint64_t seed) {
    if (fill < KERNEL_FILLS - 1) {
        case_generate(TL_F32, dst, n, n, (case_fill)fill, seed);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        dst[i] = tl_real((uint32_t)(case_random(&seed) >> 32));
}

int64_t kernel_length(int i, int64_t most) {
    static const int64_t longer[] = {172, 576, 1000, 16387};
    const int all = sparing(100, 36), apart = sparing(0, 7), end = all + apart; /* 9 apart: another rest for every vector */
    int64_t n = i < all ? i + 1 : i < end ? all + 9 * (i - all + 1) : i < end + 4 ? longer[i - end] : 0;
    return n <= most ? n : 0;
}
