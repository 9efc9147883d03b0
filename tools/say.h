/* say.h: what is said to the user on stderr, and the exit codes. */
#ifndef TOOLS_SAY_H
#define TOOLS_SAY_H

#include "tools/settings.h"

enum { EXIT_DONE = 0, EXIT_RUN = 1, EXIT_USAGE = 2, EXIT_MODEL = 3, EXIT_MEMORY = 4, EXIT_DIFFERENT = 5, EXIT_INTERRUPTED = 130 };
enum { SAY_ERRORS, SAY_USUAL, SAY_ALL };

/* How much is said; SAY_USUAL at first. */
void say_level(int level);
int say_get_level(void);
/* "llama: ...", with the cause in red on a terminal; returns the code. */
int say_error(int code, const char *format, ...) TL_PRINTF(2, 3);
/* The same about the command line: names the help to read; returns EXIT_USAGE. */
int say_usage(const Settings *s, const char *format, ...) TL_PRINTF(2, 3);
/* A failure of the library while doing what `code` stands for: no memory gives EXIT_MEMORY, a cancelled call EXIT_INTERRUPTED. */
int say_status(int code, const tl_error *err);
/* A line at the usual level, or only with -v. */
void say_note(const char *format, ...) TL_PRINTF(1, 2);
void say_detail(const char *format, ...) TL_PRINTF(1, 2);

#endif
