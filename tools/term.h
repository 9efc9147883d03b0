/* term.h: all that the tool asks of the operating system: terminals, signals, clock, memory. */
#ifndef TOOLS_TERM_H
#define TOOLS_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TERM_STDIN, TERM_STDOUT, TERM_STDERR };
#define TERM_RED "\033[31m"
#define TERM_GREEN "\033[32m"
#define TERM_BOLD "\033[1m"
#define TERM_DIM "\033[2m"
#define TERM_PLAIN "\033[0m"

bool term_is_tty(int stream);
/* "on", "off", "auto" or "" (on); NULL: auto. */
void term_set_color(const char *mode);
/* The escape sequence where this stream is coloured, else "". */
const char *term_color(int stream, const char *sequence);

/* Ctrl-C counts from now on instead of ending the process; a closed pipe gives write errors. */
void term_catch_signals(void);
/* Between these Ctrl-C ends a read that waits for input; else it disturbs no read or write. */
void term_reading(bool reading);
/* Where a mapped file is cut short while it is in use, reading the missing part raises SIGBUS: from now on that ends the program with `code`
 * and a message that names path. */
void term_watch_file(const char *path, int code);
/* How often Ctrl-C was pressed since the last reset. */
int term_interrupts(void);
void term_reset_interrupts(void);
/* The first Ctrl-C ends the process from now on: for commands that only print, and hold nothing that has to be told or undone. */
void term_interrupt_ends(void);
/* Has the reader of a pipe gone away? */
bool term_pipe_closed(void);
/* The handler calls fn(arg) (NULL: nothing): something that may be called from a signal handler. */
void term_on_interrupt(void (*fn)(void *), void *arg);

/* A line of input without its newline, to be freed; NULL at the end of the file, on Ctrl-C, or (with *failed set) out of memory. */
char *term_read_line(bool *failed);

/* Progress on stderr, where that is a terminal: rewritten in place, and wiped before anything else is written. */
void term_progress(const char *what, double fraction);
void term_progress_clear(void);

void term_sleep(double seconds);                       /* ends at Ctrl-C */
double term_now(void);                                 /* seconds, monotonic */
void term_utc(char text[24]);                          /* "2024-05-01T12:00:00Z" */
uint64_t term_peak_memory(void);                       /* bytes that this process had in memory at most */
const char *term_cpu_name(char *buffer, size_t bytes); /* the processor's name; "" where unknown */

#endif
