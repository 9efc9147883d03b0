/* settings.h: all that the command line can set, for every subcommand, with the defaults in settings_defaults. The table of options that
 * fills it stands in options.c. */
#ifndef TOOLS_SETTINGS_H
#define TOOLS_SETTINGS_H

#include "models/model.h"
#include "tools/args.h"

/* Bits of Option.commands. */
enum { CMD_RUN = 1, CMD_CHAT = 2, CMD_INFO = 4, CMD_TOKENIZE = 8, CMD_BENCH = 16, CMD_VERIFY = 32, CMD_GGUF = 64, CMD_ALL = 127 };

typedef struct Settings {
    Args args; /* how the fields came to be set */
    /* model, machine */
    const char *model, *backend, *hf_repo;
    int64_t threads, batch_threads, n_ctx, n_batch, n_ubatch;
    const char *type_k, *type_v;
    bool no_pack, no_mmap, check_tensors, gpu_layers;
    /* prompt */
    const char *prompt, *file, *binary_file, *system, *system_file;
    bool no_escape, display_prompt, verbose_prompt, special;
    /* generation */
    int64_t n_predict;
    bool ignore_eos;
    TextList reverse_prompts, logit_bias;
    /* sampling */
    int64_t seed, top_k, repeat_last_n, min_keep;
    double temperature, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty;
    /* chat */
    bool conversation, no_conversation, single_turn;
    const char *chat_template, *chat_template_file, *flash_attention;
    const char *color;
    /* output */
    bool json, quiet, verbose, no_timings, all, show, ids, show_count, no_bos, no_parse, from_stdin, plan;
    int64_t verbosity;
    const char *profile, *format; /* "" or "json"; NULL: none */
    /* bench: lists such as 128,256-1024*2, each of which may be given again */
    TextList models, backends, list_prompt, list_gen, list_pg, list_depth, list_threads, list_batch, list_ubatch, list_type_k, list_type_v;
    int64_t repetitions;
    double delay;
    const char *format_err;
    bool no_warmup;
    /* verify */
    const char *against, *expect;
    bool digest;
    /* everywhere */
    bool help, version;
} Settings;

Settings settings_defaults(void);
/* Was the option given that fills this field? */
#define GIVEN(s, name) args_given(&(s)->args, offsetof(Settings, name))

/* The table of options, and its length. */
const Option *options_table(int *n);
/* Reads the arguments after the subcommand's name, then the environment. Bare arguments: at most `bare`; the first is the model where -m
 * gives none, the next the prompt. Returns 0, or the exit code after a message. */
int settings_read(Settings *s, unsigned command, const char *name, int bare, int argc, char **argv);

#endif
