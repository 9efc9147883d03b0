/* llama.c: the command line tool: main, the table of subcommands, --help, --version. */
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/report.h"
#include "tools/say.h"
#include "tools/term.h"

typedef struct Command {
    const char *name, *alias;
    unsigned bit;
    int (*run)(int argc, char **argv);
    const char *usage, *help;
} Command;

/* clang-format off */
static const Command commands[] = {
    {"run", NULL, CMD_RUN, command_run, "-m FILE -p TEXT [options]", "continues a text; the continuation alone goes to stdout"},
    {"chat", NULL, CMD_CHAT, command_chat, "-m FILE [options]", "talks, by the model's own chat template"},
    {"info", "show", CMD_INFO, command_info, "-m FILE [-c N] [options]", "what a model is, and the memory that it takes; loads no weights"},
    {"tokenize", NULL, CMD_TOKENIZE, command_tokenize, "-m FILE -p TEXT [options]", "text to tokens"},
    {"bench", NULL, CMD_BENCH, command_bench, "-m FILE [options]", "tokens a second; lists: 1,2,4 or 128-512+128 or 1-8*2"},
    {"verify", NULL, CMD_VERIFY, command_verify, "-m FILE [--backend A] [--against B] [options]",
     "two backends give the same bits, or where they first differ"},
    {"gguf", NULL, CMD_GGUF, command_gguf, "dump|check FILE [options]", "a file's keys and tensors; checks all of it"},
};
/* clang-format on */
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const char *const codes =
    "Exit codes: 0 done, 1 the run failed, 2 wrong use, 3 the model cannot be loaded, 4 not enough memory, 5 a comparison failed, "
    "130 ended by Ctrl-C";

static int print_help(void) {
    printf("usage: llama COMMAND [options]\n       llama -m FILE -p TEXT        the same as llama run\n\n");
    for (int i = 0; i < N_COMMANDS; i++)
        printf("  %-10s %s%s\n", commands[i].name, commands[i].help, commands[i].alias ? " (alias: show)" : "");
    printf("\n'llama COMMAND --help' lists the options of a command.\n"
           "An option may come from the environment: LLAMA_ARG_MODEL, LLAMA_ARG_CTX_SIZE, ...; the help texts name them in brackets.\n"
           "An argument wins over a variable. 'llama --list-devices' lists what --backend takes; --version, --license say what they are.\n"
           "stdout gets what was asked for, stderr all else. NO_COLOR is honoured.\n\n%s.\n",
           codes);
    return out_finish(EXIT_DONE);
}

static int print_version(void) {
    printf("tally %s\n", tl_version());
    if (strcmp(tl_version(), TL_VERSION_STRING) != 0)
        printf("(the tool was built for %s)\n", TL_VERSION_STRING);
    return out_finish(EXIT_DONE);
}

/* What can compute here, by spec, and what this machine lacks. */
static int print_devices(void) {
    for (int i = 0; tl_backend_openable(i); i++)
        printf("%s%s\n", tl_backend_openable(i), tl_backend_same_bits(tl_backend_openable(i)) ? "" : " (not the same bits)");
    for (int i = 0; tl_backend_lacking(i); i++)
        printf("%s (not on this machine)\n", tl_backend_lacking(i));
    return out_finish(EXIT_DONE);
}

bool command_begin(Settings *s, unsigned command, int bare, int argc, char **argv, int *code) {
    const Command *c = commands;
    int n;
    while (c->bit != command)
        c++;
    *code = settings_read(s, command, c->name, bare, argc, argv);
    if (s->help || s->version) {
        *code = EXIT_DONE;
        if (s->version) {
            print_version();
            return true;
        }
        const Option *table = options_table(&n);
        printf("usage: llama %s %s\n%s.\n\n", c->name, c->usage, c->help);
        args_help(table, n, command);
        printf("\n%s.\n", codes);
        return true;
    }
    term_set_color(s->color);
    return *code != 0;
}

static const Command *find(const char *name) {
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0 || (commands[i].alias && strcmp(commands[i].alias, name) == 0))
            return &commands[i];
    return NULL;
}

static int unknown(const char *name) {
    const char *names[N_COMMANDS + 2];
    for (int i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    names[N_COMMANDS] = "show";
    names[N_COMMANDS + 1] = NULL;
    const char *near = nearest_word(name, names);
    if (near)
        return say_usage(NULL, "'%s' is not a command; is it '%s'?", name, near);
    return say_usage(NULL, "'%s' is neither a command nor a model file", name);
}

/* A first word that is no command: `llama MODEL.gguf`. */
static bool is_model(const char *word) {
    size_t n = strlen(word);
    return strchr(word, '/') != NULL || (n > 5 && strcmp(word + n - 5, ".gguf") == 0);
}

static int dispatch(int argc, char **argv) {
    const char *first = argc > 1 ? argv[1] : NULL;
    if (!first)
        return say_usage(NULL, "no command: run, chat, info, tokenize, bench, verify or gguf");
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || (strcmp(first, "help") == 0 && argc == 2))
        return print_help();
    if (strcmp(first, "--version") == 0 || strcmp(first, "version") == 0)
        return print_version();
    if (strcmp(first, "--list-devices") == 0)
        return print_devices();
    if (strcmp(first, "--license") == 0) {
        puts("MIT; see the file LICENSE");
        return EXIT_DONE;
    }
    if (strcmp(first, "help") == 0) {
        const Command *about = find(argv[2]);
        char *help[] = {"--help"};
        return about ? about->run(1, help) : unknown(argv[2]);
    }
    const Command *c = find(first);
    if (c)
        return c->run(argc - 2, argv + 2);
    if (first[0] == '-' || is_model(first))
        return command_bare(argc - 1, argv + 1);
    return unknown(first);
}

int main(int argc, char **argv) {
    out_setup();
    term_catch_signals();
    int code = dispatch(argc, argv);
    term_progress_clear();
    return out_finish(code);
}
