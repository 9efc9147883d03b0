/* text.h: text that comes from arguments, files and pipes. Functions return 0 or an exit code after a message. */
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

#include "tools/settings.h"

/* Appends a file, or stdin where path is "-", less the newline that editors add. */
int text_file(const char *path, tl_text *out);
/* Appends text, escapes such as \n resolved unless the user forbade it. */
int text_argument(const Settings *s, const char *text, tl_text *out);
/* The prompt by -p, -f, -bf, --stdin or a pipe; *found false: there is none. */
int text_prompt(const Settings *s, bool pipe_too, tl_text *out, bool *found);

#endif
