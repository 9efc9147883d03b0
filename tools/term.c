/* term.c: the tool's only file with calls to the operating system: POSIX. */
#define _POSIX_C_SOURCE 200809L
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE /* sysctlbyname */
#endif

#include "tools/term.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

bool term_is_tty(int stream) {
    return isatty(stream) == 1;
}

/* ---- colours ---- */

static int color_mode = -1; /* 0 off, 1 on, -1 by stream */

void term_set_color(const char *mode) {
    color_mode = mode == NULL || strcmp(mode, "auto") == 0 ? -1 : strcmp(mode, "off") != 0;
}

const char *term_color(int stream, const char *sequence) {
    const char *no = getenv("NO_COLOR"), *kind = getenv("TERM");
    bool on = color_mode == 1;
    if (color_mode < 0)
        on = term_is_tty(stream) && !(no && *no) && !(kind && strcmp(kind, "dumb") == 0);
    return on ? sequence : "";
}

/* ---- signals ---- */

static volatile sig_atomic_t interrupts, patience = 3; /* asked twice and still here */
static void (*volatile interrupt_fn)(void *);
static void *volatile interrupt_arg;

static void handle_interrupt(int signal_number) {
    int saved = errno;
    (void)signal_number;
    if (++interrupts >= patience)
        _exit(130);
    if (interrupt_fn)
        interrupt_fn(interrupt_arg);
    errno = saved;
}

static volatile sig_atomic_t pipe_closed;

static void handle_pipe(int signal_number) {
    (void)signal_number;
    pipe_closed = 1;
}

bool term_pipe_closed(void) {
    return pipe_closed != 0;
}

static void set_handler(int signal_number, void (*handler)(int), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(signal_number, &action, NULL);
}

/* Otherwise a write that Ctrl-C meets would fail, and take a piece of the answer with it. */
void term_reading(bool reading) {
    set_handler(SIGINT, handle_interrupt, reading ? 0 : SA_RESTART);
}

void term_catch_signals(void) {
    term_reading(false);
    set_handler(SIGPIPE, handle_pipe, SA_RESTART);
}

static char bus_message[1024];
static volatile sig_atomic_t bus_code;
static bool progress_shown;

static void handle_bus(int signal_number) {
    (void)signal_number;
    const char *text = progress_shown ? bus_message : bus_message + 1; /* a line of progress ends first */
    ssize_t written = write(TERM_STDERR, text, strlen(text));
    (void)written;
    _exit((int)bus_code);
}

void term_watch_file(const char *path, int code) {
    static const char tail[] = "' was cut short, or can no longer be read, while it was in use: restore it and start again\n";
    int n = snprintf(bus_message, sizeof bus_message - sizeof tail, "\nllama: '%s", path);
    size_t end = n < 0 ? 0 : (size_t)n < sizeof bus_message - sizeof tail ? (size_t)n : sizeof bus_message - sizeof tail - 1;
    memcpy(bus_message + end, tail, sizeof tail);
    bus_code = code;
    set_handler(SIGBUS, handle_bus, 0);
}

int term_interrupts(void) {
    return (int)interrupts;
}

void term_reset_interrupts(void) {
    interrupts = 0;
}

void term_interrupt_ends(void) {
    patience = 1;
}

void term_on_interrupt(void (*fn)(void *), void *arg) {
    interrupt_fn = NULL;
    interrupt_arg = arg;
    interrupt_fn = fn;
}

/* ---- input ---- */

static char *read_line(bool *failed) {
    size_t n = 0, cap = 0;
    char *line = NULL;
    for (;;) {
        int c = getchar();
        if (n + 1 >= cap) {
            size_t want = cap ? cap * 2 : 256;
            char *grown = realloc(line, want);
            if (!grown) {
                free(line);
                *failed = true;
                return NULL;
            }
            line = grown;
            cap = want;
        }
        if (c == EOF && (n == 0 || interrupts > 0)) {
            free(line);
            return NULL;
        }
        if (c == EOF || c == '\n')
            break;
        line[n++] = (char)c;
    }
    if (n > 0 && line[n - 1] == '\r')
        n--;
    line[n] = 0;
    return line;
}

char *term_read_line(bool *failed) {
    *failed = false;
    term_reading(true);
    char *line = interrupts > 0 ? NULL : read_line(failed);
    term_reading(false);
    return line;
}

/* ---- progress ---- */

void term_progress(const char *what, double fraction) {
    static double last;
    double now = term_now();
    if (!term_is_tty(TERM_STDERR) || (progress_shown && now - last < 0.05 && fraction < 1))
        return;
    last = now;
    fprintf(stderr, "\r%s %3d %%", what, (int)(fraction * 100));
    fflush(stderr);
    progress_shown = true;
}

void term_progress_clear(void) {
    if (!progress_shown)
        return;
    progress_shown = false;
    fputs("\r\033[K", stderr);
}

/* ---- machine ---- */

void term_sleep(double seconds) {
    for (double end = term_now() + seconds; interrupts == 0 && term_now() < end;) {
        double left = end - term_now(), slice = left < 0.05 ? left : 0.05;
        if (slice > 0)
            nanosleep(&(struct timespec){0, (long)(slice * 1e9)}, NULL);
    }
}

double term_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void term_utc(char text[24]) {
    time_t now = time(NULL);
    struct tm utc;
    if (!gmtime_r(&now, &utc) || !strftime(text, 24, "%Y-%m-%dT%H:%M:%SZ", &utc))
        text[0] = 0;
}

uint64_t term_peak_memory(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0 || usage.ru_maxrss < 0)
        return 0;
#if defined(__APPLE__)
    return (uint64_t)usage.ru_maxrss;
#else
    return (uint64_t)usage.ru_maxrss * 1024;
#endif
}

const char *term_cpu_name(char *buffer, size_t bytes) {
    buffer[0] = 0;
#if defined(__APPLE__)
    size_t n = bytes;
    if (sysctlbyname("machdep.cpu.brand_string", buffer, &n, NULL, 0) != 0)
        buffer[0] = 0;
#else
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && !*buffer && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(buffer, bytes, "%s", colon + 1 + (colon[1] == ' '));
    }
    if (f)
        fclose(f);
#endif
    return buffer;
}
