/* gguf.c: `llama gguf dump` lists a file's keys and tensors, `llama gguf check` reads all of it as the loader would. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/facts.h"
#include "tools/load.h"
#include "tools/say.h"
#include "tools/term.h"

static int dump(const tl_gguf *g, const Settings *s) {
    term_interrupt_ends();
    if (s->json) {
        Json j = json_on(stdout, true);
        json_open(&j, NULL, '{');
        json_string(&j, "file", s->model);
        json_int(&j, "version", tl_gguf_version(g));
        json_int(&j, "alignment", (int64_t)tl_gguf_alignment(g));
        json_int(&j, "data_offset", (int64_t)tl_gguf_data_offset(g));
        json_int(&j, "file_bytes", (int64_t)tl_gguf_file_bytes(g));
        json_keys(&j, "keys", g, s->all);
        json_tensors(&j, "tensors", g);
        json_close(&j, '}');
        return EXIT_DONE;
    }
    printf("%s: GGUF version %d, alignment %llu, data from byte %llu of %llu\n\n%lld keys\n", s->model, tl_gguf_version(g),
           (unsigned long long)tl_gguf_alignment(g), (unsigned long long)tl_gguf_data_offset(g), (unsigned long long)tl_gguf_file_bytes(g),
           (long long)tl_gguf_keys(g));
    print_keys(g, s->all);
    printf("\n%lld tensors\n", (long long)tl_gguf_tensors(g));
    print_tensors(g);
    return EXIT_DONE;
}

/* ---- check ---- */

/* Decodes a tensor piece by piece; the index of the first value that is not finite, -1: none, -2: it cannot be read (*err says why). */
static int64_t first_bad(const tl_gguf *g, const tl_gguf_tensor *t, void *bytes, float *values, int64_t most, tl_error *err) {
    const tl_dtype_info *info = tl_dtype_get(t->dtype);
    int64_t n = (int64_t)tensor_elements(t), piece = most / info->block * info->block;
    for (int64_t at = 0; at < n; at += piece) {
        int64_t count = n - at < piece ? n - at : piece;
        uint64_t offset = (uint64_t)(at / info->block) * (uint64_t)info->block_bytes;
        size_t size = (size_t)(count / info->block) * (size_t)info->block_bytes;
        if (tl_gguf_tensor_read(g, t, offset, bytes, size, err) || tl_decode(t->dtype, bytes, values, count, err))
            return -2;
        for (int64_t i = 0; i < count; i++)
            if (!isfinite(values[i]))
                return at + i;
    }
    return -1;
}

static int check_values(const tl_gguf *g, const Settings *s) {
    enum { PIECE = 1 << 16 };
    tl_error err;
    int code = 0;
    void *bytes = malloc(PIECE * sizeof(float));
    float *values = malloc(PIECE * sizeof *values);
    if (!bytes || !values)
        code = say_error(EXIT_MEMORY, "out of memory for the values of a tensor");
    for (int64_t i = 0; i < tl_gguf_tensors(g) && code == 0; i++) {
        const tl_gguf_tensor *t = tl_gguf_tensor_at(g, i);
        if (term_interrupts() > 0)
            code = EXIT_INTERRUPTED;
        if (say_get_level() > SAY_ERRORS)
            term_progress("checking", (double)i / (double)tl_gguf_tensors(g));
        if (t->dtype == TL_N_DTYPES) {
            say_note("%s: tensor %s: values of type %s cannot be read, so they are not checked", s->model, t->name, tensor_type(t));
            continue;
        }
        int64_t bad = code ? -1 : first_bad(g, t, bytes, values, PIECE, &err);
        if (bad == -2)
            code = say_status(EXIT_MODEL, &err);
        else if (bad >= 0)
            code = say_error(EXIT_MODEL, "%s: tensor %s (%s): element %lld is not a finite number: the file is damaged, fetch it again",
                             s->model, t->name, tensor_type(t), (long long)bad);
    }
    term_progress_clear();
    free(values);
    free(bytes);
    return code;
}

/* What a loader would ask of the file: tokenizer, chat template, hyperparameters, each weight's name, type and shape. */
static int check_model(const tl_gguf *g, const Settings *s, bool *runs) {
    tl_error err;
    tl_tokenizer *t;
    tl_backend *be;
    tl_memory_forecast forecast;
    *runs = false;
    if (tl_gguf_find(g, "tokenizer.ggml.model") < 0)
        say_note("%s: no tokenizer", s->model);
    else if (tl_tokenizer_new(&t, g, &err))
        return say_status(EXIT_MODEL, &err);
    else
        tl_tokenizer_free(t);
    if (tl_gguf_tensors(g) == 0) {
        say_note("%s: no tensors: a vocabulary alone", s->model);
        return 0;
    }
    if (tl_gguf_find(g, "general.architecture") < 0) {
        say_note("%s: no general.architecture: tensors that are no model", s->model);
        return 0;
    }
    int code = backend_open(&be, NULL, 1);
    if (code)
        return code;
    tl_context_options o = tl_context_defaults();
    o.n_ctx = TL_PAGE;
    if (tl_context_forecast(g, be, NULL, &o, &forecast, &err))
        code = say_status(EXIT_MODEL, &err);
    tl_backend_free(be);
    *runs = code == 0;
    return code;
}

static int check(const tl_gguf *g, const Settings *s) {
    bool runs;
    int code = check_model(g, s, &runs);
    if (code == 0 && s->check_tensors)
        code = check_values(g, s);
    if (code)
        return code;
    if (s->json) {
        Json j = json_on(stdout, false);
        json_open(&j, NULL, '{');
        json_string(&j, "file", s->model);
        json_bool(&j, "good", true);
        json_bool(&j, "runs", runs);
        json_int(&j, "keys", tl_gguf_keys(g));
        json_int(&j, "tensors", tl_gguf_tensors(g));
        json_bool(&j, "values_checked", s->check_tensors);
        json_close(&j, '}');
    } else {
        printf("%s: good: %lld keys, %lld tensors%s%s\n", s->model, (long long)tl_gguf_keys(g), (long long)tl_gguf_tensors(g),
               s->check_tensors ? ", all values finite" : "", runs ? ", a model that this build runs" : "");
    }
    return EXIT_DONE;
}

int command_gguf(int argc, char **argv) {
    Settings s;
    tl_gguf *g;
    tl_error err;
    const char *path, *verb = NULL;
    int code;
    if (argc > 0 && argv[0][0] != '-') {
        verb = argv[0];
        argc--;
        argv++;
    }
    if (command_begin(&s, CMD_GGUF, 1, argc, argv, &code))
        return code;
    if (!verb || (strcmp(verb, "dump") != 0 && strcmp(verb, "check") != 0))
        return say_usage(&s, "gguf wants dump or check first%s%s", verb ? ", not " : "", verb ? verb : "");
    if ((code = model_path(&s, &path)))
        return code;
    if (tl_gguf_open(&g, path, &err))
        return say_status(EXIT_MODEL, &err);
    code = strcmp(verb, "dump") == 0 ? dump(g, &s) : check(g, &s);
    tl_gguf_free(g);
    return code;
}
