/* options.c: the one table of all options: names, which subcommands take them, the field they fill, the range, the variable of the
 * environment, the help text. Parsing, --help and the messages about bad values come from it. The names are llama.cpp's where it has
 * them. */
#include <stdlib.h>
#include <string.h>

#include "tools/say.h"
#include "tools/settings.h"

#define F(name) offsetof(Settings, name)
#define GENERATE (CMD_RUN | CMD_CHAT)
#define COMPUTE (GENERATE | CMD_BENCH | CMD_VERIFY)
#define SIZED (GENERATE | CMD_INFO)
#define I32 2147483647.0
#define BIG 1e30

/* clang-format off */
static const Option table[] = {
    /* ---- model and machine ---- */
    {CMD_ALL & ~CMD_BENCH, "-m --model", "FILE", OPTION_TEXT, F(model), .env = "LLAMA_ARG_MODEL",
     .help = "the model, a GGUF file; also as first bare argument"},
    {CMD_BENCH, "-m --model", "FILE", OPTION_LIST, F(models), .env = "LLAMA_ARG_MODEL",
     .help = "a model, a GGUF file; several: given again, joined by commas, or as bare arguments"},
    {CMD_ALL, "-hf --hf-repo", "REPO[:QUANT]", OPTION_TEXT, F(hf_repo), .env = "LLAMA_ARG_HF_REPO",
     .help = "downloads nothing: says which command fetches the model, and ends"},
    {(COMPUTE | CMD_INFO) & ~CMD_BENCH, "--backend", "SPEC", OPTION_TEXT, F(backend), .env = "TALLY_BACKEND",
     .help = "what computes: ref, cpu, cpu:isa=LEVEL,threads=N; a bare level name means cpu:isa=LEVEL"},
    {CMD_BENCH, "--backend", "LIST", OPTION_LIST, F(backends), .env = "TALLY_BACKEND",
     .help = "what computes: ref, cpu, cpu:isa=LEVEL,threads=N; a bare level name means cpu:isa=LEVEL; several: scalar,cpu:threads=2,ref"},
    {GENERATE | CMD_INFO | CMD_VERIFY, "-t --threads", "N", OPTION_INT, F(threads), 1, 256, .env = "LLAMA_ARG_THREADS",
     .help = "threads; by default the physical cores that the process may use"},
    {CMD_BENCH, "-t --threads", "LIST", OPTION_LIST, F(list_threads), .env = "LLAMA_ARG_THREADS", .help = "threads to try"},
    {GENERATE, "-tb --threads-batch", "N", OPTION_INT, F(batch_threads), 1, 256,
     .help = "accepted; prompts are computed by as many threads as answers"},
    {SIZED, "-c --ctx-size", "N", OPTION_INT, F(n_ctx), 0, 1073741824, .env = "LLAMA_ARG_CTX_SIZE",
     .help = "tokens that the context holds, rounded up to a multiple of 64; 0: as the model was trained, less where memory is short"},
    {SIZED | CMD_VERIFY, "-b --batch-size", "N", OPTION_INT, F(n_batch), 1, 65536, .env = "LLAMA_ARG_BATCH",
     .help = "most tokens a step (2048)"},
    {SIZED | CMD_VERIFY, "-ub --ubatch-size", "N", OPTION_INT, F(n_ubatch), 1, 65536, .env = "LLAMA_ARG_UBATCH",
     .help = "most tokens a run of the graph (512); the smaller of the two counts"},
    {CMD_BENCH, "-b --batch-size", "LIST", OPTION_LIST, F(list_batch), .env = "LLAMA_ARG_BATCH", .help = "most tokens a step (2048)"},
    {CMD_BENCH, "-ub --ubatch-size", "LIST", OPTION_LIST, F(list_ubatch), .env = "LLAMA_ARG_UBATCH",
     .help = "most tokens a run of the graph (512)"},
    {SIZED, "-ctk --cache-type-k", "TYPE", OPTION_CHOICE, F(type_k), .choices = "f16 f32", .env = "LLAMA_ARG_CACHE_TYPE_K",
     .help = "type of the cached keys: f16 or f32 (f16)"},
    {SIZED, "-ctv --cache-type-v", "TYPE", OPTION_CHOICE, F(type_v), .choices = "f16 f32", .env = "LLAMA_ARG_CACHE_TYPE_V",
     .help = "type of the cached values; the same as of the keys"},
    {CMD_BENCH, "-ctk --cache-type-k", "LIST", OPTION_LIST, F(list_type_k), .env = "LLAMA_ARG_CACHE_TYPE_K",
     .help = "types of the cached keys: f16, f32 (f16)"},
    {CMD_BENCH, "-ctv --cache-type-v", "LIST", OPTION_LIST, F(list_type_v), .env = "LLAMA_ARG_CACHE_TYPE_V",
     .help = "types of the cached values; those of the keys"},
    {COMPUTE | CMD_INFO, "--no-pack", NULL, OPTION_SET, F(no_pack),
     .help = "weights stay mapped as stored: starts at once, computes slower, same bits"},
    {GENERATE | CMD_GGUF, "--check-tensors", NULL, OPTION_SET, F(check_tensors), .help = "refuses weights with NaN or infinite values"},

    /* ---- prompt ---- */
    {CMD_RUN, "-p --prompt", "TEXT", OPTION_TEXT, F(prompt),
     .help = "the text to continue; also as second bare argument, or through a pipe"},
    {CMD_CHAT, "-p --prompt", "TEXT", OPTION_TEXT, F(prompt), .help = "the first question; also as second bare argument"},
    {CMD_TOKENIZE, "-p --prompt", "TEXT", OPTION_TEXT, F(prompt), .help = "the text; also as second bare argument, or through a pipe"},
    {CMD_VERIFY, "-p --prompt", "TEXT", OPTION_TEXT, F(prompt), .help = "the text to run in place of the fixed one"},
    {GENERATE | CMD_TOKENIZE, "-f --file", "FILE", OPTION_TEXT, F(file),
     .help = "the prompt from a file, less one newline at its end; -: from stdin"},
    {GENERATE, "-bf --binary-file", "FILE", OPTION_TEXT, F(binary_file), .help = "the prompt from a file, every byte as it is"},
    {CMD_TOKENIZE, "--stdin", NULL, OPTION_SET, F(from_stdin), .help = "the text from stdin, as -f -"},
    {CMD_CHAT | CMD_RUN, "-sys --system-prompt", "TEXT", OPTION_TEXT, F(system),
     .help = "the system message, in place of the model's own; only in a chat"},
    {CMD_CHAT | CMD_RUN, "-sysf --system-prompt-file", "FILE", OPTION_TEXT, F(system_file), .help = "the same from a file, less one newline at its end"},
    {GENERATE | CMD_TOKENIZE, "-e --escape", NULL, OPTION_CLEAR, F(no_escape),
     .help = "\\n, \\t, \\\\, \\\", \\xHH in -p and -sys mean what they do in C (the default)"},
    {GENERATE | CMD_TOKENIZE, "--no-escape", NULL, OPTION_SET, F(no_escape), .help = "they are taken as they stand"},
    {CMD_RUN, "--display-prompt", NULL, OPTION_SET, F(display_prompt), .help = "prints the prompt in front of its continuation"},
    {CMD_RUN, "--no-display-prompt", NULL, OPTION_CLEAR, F(display_prompt), .help = "does not (the default)"},
    {GENERATE, "--verbose-prompt", NULL, OPTION_SET, F(verbose_prompt), .help = "lists the prompt's tokens on stderr first"},
    {GENERATE, "-sp --special", NULL, OPTION_SET, F(special), .help = "prints control tokens as text"},
    {CMD_TOKENIZE, "--ids", NULL, OPTION_SET, F(ids), .help = "the ids alone, as a list: [1, 2, 3]"},
    {CMD_TOKENIZE, "--show", NULL, OPTION_SET, F(show), .help = "each id with its piece of text, a line each (the default)"},
    {CMD_TOKENIZE, "--show-count", NULL, OPTION_SET, F(show_count), .help = "the number of tokens besides"},
    {CMD_TOKENIZE, "--no-bos", NULL, OPTION_SET, F(no_bos), .help = "adds no token in front or behind"},
    {CMD_TOKENIZE, "--no-parse-special", NULL, OPTION_SET, F(no_parse), .help = "text such as <|im_end|> is text, not a control token"},

    /* ---- generation ---- */
    {GENERATE, "-n --predict --n-predict", "N", OPTION_INT, F(n_predict), -2, I32, .env = "LLAMA_ARG_N_PREDICT",
     .help = "tokens to make; -1, -2: until the text ends or the context is full (-1)"},
    {CMD_VERIFY, "-n --predict --n-predict", "N", OPTION_INT, F(n_predict), 0, 1048576, .help = "greedy steps after the prompt (32)"},
    {GENERATE, "-s --seed", "N", OPTION_INT, F(seed), -1, 4294967295.0,
     .help = "for the random choices; -1: another one each time. The seed used is printed"},
    {GENERATE, "--temp --temperature", "X", OPTION_FLOAT, F(temperature), 0, BIG, .help = "0: always the likeliest token (0.8)"},
    {GENERATE, "--top-k", "N", OPTION_INT, F(top_k), 0, I32, .env = "LLAMA_ARG_TOP_K", .help = "only the N likeliest tokens; 0: all (40)"},
    {GENERATE, "--top-p", "X", OPTION_FLOAT, F(top_p), 0, 1,
     .help = "only the likeliest tokens that make up this probability; 1: all (0.95)"},
    {GENERATE, "--min-p", "X", OPTION_FLOAT, F(min_p), 0, 1,
     .help = "only tokens at least this likely, in terms of the likeliest; 0: all (0.05)"},
    {GENERATE, "--repeat-penalty", "X", OPTION_FLOAT, F(repeat_penalty), 0.01, BIG,
     .help = "divides the logits of recent tokens; 1: off (1)"},
    {GENERATE, "--repeat-last-n", "N", OPTION_INT, F(repeat_last_n), -1, I32, .help = "how many tokens are recent; -1: all (64)"},
    {GENERATE, "--presence-penalty", "X", OPTION_FLOAT, F(presence_penalty), -BIG, BIG, .help = "taken off recent tokens once (0)"},
    {GENERATE, "--frequency-penalty", "X", OPTION_FLOAT, F(frequency_penalty), -BIG, BIG,
     .help = "taken off recent tokens for each time (0)"},
    {GENERATE, "--min-keep", "N", OPTION_INT, F(min_keep), 0, I32, .help = "tokens that --top-p and --min-p leave at least (1)"},
    {GENERATE, "-l --logit-bias", "ID+BIAS", OPTION_LIST, F(logit_bias),
     .help = "adds to a token's logit: 15043+1, 15043-1; -inf forbids it; may be repeated"},
    {GENERATE, "--ignore-eos", NULL, OPTION_SET, F(ignore_eos), .help = "goes on where the text would end"},
    {GENERATE, "-r --reverse-prompt", "TEXT", OPTION_LIST, F(reverse_prompts), .help = "stops behind this text; may be repeated"},

    /* ---- chat ---- */
    {GENERATE, "-cnv --conversation -i --interactive", NULL, OPTION_SET, F(conversation), .help = "a chat, wherever the input comes from"},
    {GENERATE, "-no-cnv --no-conversation", NULL, OPTION_SET, F(no_conversation), .help = "no chat: the prompt is continued"},
    {GENERATE, "-st --single-turn", NULL, OPTION_SET, F(single_turn), .help = "a chat of one question and its answer"},
    {GENERATE, "--chat-template", "NAME", OPTION_TEXT, F(chat_template), .env = "LLAMA_ARG_CHAT_TEMPLATE",
     .help = "chatml, llama2, llama3, zephyr, mistral, or the text of a template; by default the model's"},
    {GENERATE, "--chat-template-file", "FILE", OPTION_TEXT, F(chat_template_file), .env = "LLAMA_ARG_CHAT_TEMPLATE_FILE",
     .help = "the same from a file, less one newline at its end"},
    {CMD_ALL, "-co --color", "on|off|auto", OPTION_MAYBE, F(color), .choices = "on off auto", .env = "LLAMA_LOG_COLORS",
     .help = "colours; auto: on a terminal, unless NO_COLOR is set"},

    /* ---- bench ---- */
    {CMD_BENCH, "-p --n-prompt", "LIST", OPTION_LIST, F(list_prompt), .help = "tests of reading prompts of so many tokens (512); 0: none"},
    {CMD_BENCH, "-n --n-gen", "LIST", OPTION_LIST, F(list_gen), .help = "tests of making so many tokens (128); 0: none"},
    {CMD_BENCH, "-pg", "PP,TG", OPTION_LIST, F(list_pg),
     .help = "a test of both, one after the other; several: given again, or 512,128;1024,16"},
    {CMD_BENCH, "-d --n-depth", "LIST", OPTION_LIST, F(list_depth),
     .help = "tokens in the context before a test, which are not timed (0)"},
    {CMD_BENCH, "-r --repetitions", "N", OPTION_INT, F(repetitions), 1, 10000, .help = "times that a test is run (5)"},
    {CMD_BENCH, "--no-warmup", NULL, OPTION_SET, F(no_warmup),
     .help = "no run before the timed ones, and so no check of the results and no GB/s"},
    {CMD_BENCH, "--delay", "SECONDS", OPTION_FLOAT, F(delay), 0, 86400, .help = "pause before each test but the first (0)"},
    {CMD_BENCH, "-o --output", "md|csv|json|jsonl|sql", OPTION_CHOICE, F(format), .choices = "md csv json jsonl sql",
     .help = "how to print (md)"},
    {CMD_BENCH, "-oe --output-err", "md|csv|json|jsonl|sql", OPTION_CHOICE, F(format_err), .choices = "md csv json jsonl sql",
     .help = "the same on stderr besides (not at all)"},
    {CMD_BENCH, "--ops", NULL, OPTION_SET, F(ops),
     .help = "measures single ops in place of a model, at the shapes of -m or else of a 1.1B model, on every level; -p: rows of a prompt"},
    {CMD_BENCH, "--op", "LIST", OPTION_LIST, F(list_op), .help = "only ops of these names, such as linear,attention; means --ops"},

    /* ---- verify ---- */
    {CMD_VERIFY, "--against", "SPEC", OPTION_TEXT, F(against), .help = "the backend to compare with (ref)"},
    {CMD_VERIFY, "--digest", NULL, OPTION_SET, F(digest), .help = "runs --backend alone and prints the digest of its logits"},
    {CMD_VERIFY, "--expect", "DIGEST", OPTION_TEXT, F(expect), .help = "as --digest, and exits with 5 where the digest is another one"},

    /* ---- output ---- */
    {CMD_ALL, "--json", NULL, OPTION_SET, F(json), .help = "prints JSON, an object a line where there are several"},
    {CMD_INFO | CMD_GGUF, "--all", NULL, OPTION_SET, F(all), .help = "long arrays whole; in info also every tensor"},
    {COMPUTE & ~CMD_VERIFY, "--profile", "[=json]", OPTION_EQUALS, F(profile), .choices = "json table",
     .help = "time by op, layer and role, and what bounds it, on stderr"},
    {SIZED | CMD_BENCH, "--plan", NULL, OPTION_SET, F(plan),
     .help = "prints the plan: steps, kernels, bytes, operations; on stderr (info: stdout)"},
    {CMD_ALL, "-q --quiet --log-disable", NULL, OPTION_SET, F(quiet), .help = "nothing on stderr but errors"},
    {CMD_ALL, "-v --verbose --log-verbose", NULL, OPTION_SET, F(verbose), .help = "more on stderr"},
    {CMD_ALL, "-lv --verbosity --log-verbosity", "N", OPTION_INT, F(verbosity), 0, 5, .env = "LLAMA_LOG_VERBOSITY",
     .help = "0, 1: as -q; 2, 3: usual; 4, 5: as -v"},
    {GENERATE, "--no-perf", NULL, OPTION_SET, F(no_timings), .env = "LLAMA_ARG_NO_PERF", .help = "no timings at the end"},
    {GENERATE, "--perf", NULL, OPTION_CLEAR, F(no_timings), .help = "timings (the default)"},
    {CMD_ALL, "-h --help", NULL, OPTION_SET, F(help), .help = "this text"},
    {CMD_ALL, "--version", NULL, OPTION_SET, F(version), .help = "the version"},

    /* ---- what scripts carry ---- */
    {COMPUTE, "-ngl --gpu-layers --n-gpu-layers", "N", OPTION_IGNORED, F(gpu_layers),
     .help = "layers on a GPU: this build computes on the CPU"},
    {CMD_ALL, "--mmap", NULL, OPTION_CLEAR, F(no_mmap), .help = "maps the file (always so)"},
    {CMD_ALL, "--no-mmap", NULL, OPTION_SET, F(no_mmap), .env = "LLAMA_ARG_NO_MMAP",
     .help = "the file is mapped all the same, and dropped behind the loader"},
    {COMPUTE, "--mlock", NULL, OPTION_IGNORED, .help = "keeps the weights in memory"},
    {GENERATE | CMD_VERIFY, "--warmup --no-warmup", NULL, OPTION_IGNORED, .help = "an empty run first"},
    {GENERATE, "--jinja --no-jinja", NULL, OPTION_IGNORED, .help = "templates are recognised, not run"},
    {GENERATE, "--no-context-shift", NULL, OPTION_IGNORED, .help = "a full context ends the text: always so"},
    {GENERATE, "--simple-io", NULL, OPTION_IGNORED, .help = "input and output are plain: always so"},
    {CMD_BENCH, "-fa --flash-attn", "LIST", OPTION_IGNORED, .help = "attention is always fused"},
    {CMD_BENCH, "-mmp", "LIST", OPTION_IGNORED, .help = "maps the file (always so)"},
    {CMD_BENCH, "--progress", NULL, OPTION_IGNORED, .help = "progress is shown on a terminal"},
    {COMPUTE & ~CMD_BENCH, "-fa --flash-attn", "on|off|auto", OPTION_MAYBE, F(flash_attention), .choices = "on off auto",
     .help = "attention is always fused"},
    {COMPUTE, "--deterministic", NULL, OPTION_IGNORED,
     .help = "results are the same bits on every backend, whatever the threads: always so"},

    /* ---- names kept for later ---- */
    {GENERATE, "--keep --context-shift", "N", OPTION_RESERVED, .help = "a full context ends the text; give a larger -c"},
    {GENERATE, "--samplers --sampler-seq --sampling-seq", "LIST", OPTION_RESERVED,
     .help = "the order is penalties, top-k, top-p, min-p, temperature"},
    {GENERATE, "--typical --top-nsigma --top-n-sigma --xtc-probability --xtc-threshold", "X", OPTION_RESERVED,
     .help = "use --top-k, --top-p or --min-p"},
    {GENERATE, "--dry-multiplier --dry-base --dry-allowed-length --dry-penalty-last-n --dry-sequence-breaker", "X", OPTION_RESERVED,
     .help = "use --repeat-penalty"},
    {GENERATE, "--mirostat --mirostat-lr --mirostat-ent --dynatemp-range --dynatemp-exp", "X", OPTION_RESERVED,
     .help = "use --temp with --top-p or --min-p"},
    {GENERATE, "--grammar --grammar-file -j --json-schema -jf --json-schema-file", "X", OPTION_RESERVED,
     .help = "answers cannot be constrained"},
    {GENERATE, "--in-prefix --in-suffix --in-prefix-bos", "X", OPTION_RESERVED, .help = "the chat template frames the input"},
    {COMPUTE, "--lora --lora-scaled --control-vector --control-vector-scaled", "FILE", OPTION_RESERVED,
     .help = "merge the adapter into the model first"},
    {COMPUTE, "-md --model-draft --spec-type --draft --draft-max --spec-draft-n-max", "X", OPTION_RESERVED,
     .help = "there is no speculative decoding"},
    {COMPUTE, "--rope-scaling --rope-scale --rope-freq-base --rope-freq-scale", "X", OPTION_RESERVED,
     .help = "the model's own rope settings are used"},
    {COMPUTE, "--yarn-orig-ctx --yarn-ext-factor --yarn-attn-factor --yarn-beta-slow --yarn-beta-fast", "X", OPTION_RESERVED,
     .help = "the model's own rope settings are used"},
    {COMPUTE, "--override-kv", "KEY=TYPE:VALUE", OPTION_RESERVED, .help = "the model's own metadata is used"},
    {COMPUTE, "-lm --load-mode -sm --split-mode -ts --tensor-split -mg --main-gpu -dev --device", "X", OPTION_RESERVED,
     .help = "this build computes on the CPU; see --backend"},
    {COMPUTE, "--inspect --dry-run --verify", NULL, OPTION_RESERVED, .help = "see 'llama verify', 'llama info --plan'"},
    {CMD_ALL, "--log-file", "FILE", OPTION_RESERVED, .help = "redirect stderr"},
    {CMD_ALL, "--completion-bash", NULL, OPTION_RESERVED, .help = "'llama COMMAND --help' lists the options"},
};
/* clang-format on */

const Option *options_table(int *n) {
    *n = (int)(sizeof table / sizeof *table);
    return table;
}

Settings settings_defaults(void) {
    Settings s = {.n_batch = 2048, .n_ubatch = 512, .n_predict = -1, .seed = -1, .repetitions = 5, .verbosity = 2};
    return s;
}

/* Combinations that no single option shows. */
static int settings_check(Settings *s) {
    if (s->type_k && s->type_v && strcmp(s->type_k, s->type_v) != 0)
        return say_usage(s, "-ctk %s and -ctv %s: keys and values have one type here; give both the same", s->type_k, s->type_v);
    if (!s->type_k)
        s->type_k = s->type_v ? s->type_v : "f16";
    if ((s->prompt != NULL) + (s->file != NULL) + (s->binary_file != NULL) + s->from_stdin > 1)
        return say_usage(s, "the prompt is given more than once: choose one of -p, -f, -bf, --stdin and a bare argument");
    if (s->system && s->system_file)
        return say_usage(s, "the system message is given twice: choose -sys or -sysf");
    if (s->chat_template && s->chat_template_file)
        return say_usage(s, "the chat template is given twice: choose --chat-template or --chat-template-file");
    if ((s->conversation || s->single_turn) && s->no_conversation)
        return say_usage(s, "-cnv or -st, and -no-cnv: choose one");
    if (s->quiet && s->verbose)
        return say_usage(s, "-q and -v: choose one");
    return 0;
}

static bool is_gguf(const char *path) {
    size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".gguf") == 0;
}

/* Bare arguments: the model, the prompt. With a model in the environment, one bare argument is the model only by its name's end. */
static int settings_bare(Settings *s, int bare) {
    const Args *a = &s->args;
    int i = 0;
    const char *env = getenv("LLAMA_ARG_MODEL");
    bool other_model = env && *env && bare == 2;
    while (a->command == CMD_BENCH && i < a->n_positional && s->models.n < TEXT_LIST_MAX) {
        s->models.text[s->models.n++] = a->positional[i++];
        args_mark(&s->args, F(models));
    }
    if (i < a->n_positional && !s->model && (!other_model || a->n_positional == 2 || is_gguf(a->positional[0]))) {
        s->model = a->positional[i++];
        args_mark(&s->args, F(model));
    }
    if (i < a->n_positional && bare == 2 && !s->prompt)
        s->prompt = a->positional[i++];
    if (i < a->n_positional)
        return say_usage(s, "argument '%.60s' is one too many", a->positional[i]);
    return 0;
}

/* The variables. An argument wins over them, also over those of the options that it excludes or that have to fit it. */
static bool settings_environment(Settings *s) {
    const char **const pairs[][2] = {{&s->chat_template, &s->chat_template_file}, {&s->type_k, &s->type_v}, {&s->model, &s->hf_repo}};
    enum { N_PAIRS = sizeof pairs / sizeof *pairs };
    bool given[N_PAIRS][2];
    for (int i = 0; i < N_PAIRS; i++)
        for (int k = 0; k < 2; k++)
            given[i][k] = *pairs[i][k] != NULL;
    if (!args_environment(&s->args))
        return false;
    for (int i = 0; i < N_PAIRS; i++)
        for (int k = 0; k < 2; k++)
            if (given[i][k] && !given[i][1 - k])
                *pairs[i][1 - k] = NULL;
    return true;
}

int settings_read(Settings *s, unsigned command, const char *name, int bare, int argc, char **argv) {
    *s = settings_defaults();
    s->args = (Args){.table = table,
                     .n_options = (int)(sizeof table / sizeof *table),
                     .command = command,
                     .command_name = name,
                     .fields = s,
                     .most_positional = bare};
    bool good = args_parse(&s->args, argc, argv);
    if (s->help || s->version)
        return 0;
    if (!good)
        return say_usage(s, "%s", s->args.error);
    int code = settings_bare(s, bare);
    if (code)
        return code;
    if (!settings_environment(s))
        return say_usage(s, "%s", s->args.error);
    if (s->quiet || (s->verbosity < 2 && !s->verbose))
        say_level(SAY_ERRORS);
    else if (s->verbose || s->verbosity > 3)
        say_level(SAY_ALL);
    if (GIVEN(s, no_mmap) && s->no_mmap)
        say_note("--no-mmap: the file is mapped all the same, and given back page by page while loading");
    for (int i = 0; i < s->args.n_options; i++)
        if (s->args.given[i] && table[i].kind == OPTION_IGNORED && strstr(table[i].names, "-ngl"))
            say_note("-ngl is ignored: this build computes on the CPU");
    return settings_check(s);
}
