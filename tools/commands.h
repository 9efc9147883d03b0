/* commands.h: the subcommands. Each takes the arguments behind its name and returns the exit code. */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "tools/settings.h"

int command_run(int argc, char **argv);
int command_chat(int argc, char **argv);
int command_info(int argc, char **argv);
int command_tokenize(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_gguf(int argc, char **argv);

/* settings_read, and --help and --version answered: true if *code is the end of it. */
bool command_begin(Settings *s, unsigned command, int bare, int argc, char **argv, int *code);
/* The chat behind `llama chat`, and behind `llama run` with -cnv, -st or a bare `llama -m MODEL` on a terminal. */
int chat_with(const Settings *s);
/* `llama -m MODEL` without a subcommand. */
int command_bare(int argc, char **argv);

#endif
