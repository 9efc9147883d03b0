/* tokenize.c: `llama tokenize`: text to ids, with the piece of text that each stands for. Reads the vocabulary alone. */
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/load.h"
#include "tools/report.h"
#include "tools/say.h"
#include "tools/term.h"
#include "tools/text.h"

static void print_json(const tl_tokenizer *t, const tl_ids *ids) {
    Json j = json_on(stdout, false);
    json_open(&j, NULL, '{');
    json_int(&j, "count", (int64_t)ids->n);
    json_ids(&j, "ids", ids->id, ids->n);
    json_open(&j, "pieces", '[');
    for (size_t i = 0; i < ids->n; i++) {
        tl_gguf_string piece = tl_tokenizer_piece(t, ids->id[i], true);
        json_text(&j, NULL, piece.data ? piece.data : "", piece.n);
    }
    json_close(&j, ']');
    json_close(&j, '}');
}

static void print_list(const tl_ids *ids) {
    putchar('[');
    for (size_t i = 0; i < ids->n; i++)
        printf("%s%d", i ? ", " : "", (int)ids->id[i]);
    puts("]");
}

static void print_pieces(const tl_tokenizer *t, const tl_ids *ids) {
    for (size_t i = 0; i < ids->n; i++) {
        tl_gguf_string piece = tl_tokenizer_piece(t, ids->id[i], true);
        printf("%6d -> '", (int)ids->id[i]);
        print_escaped(stdout, piece.data, piece.n);
        puts("'");
    }
}

static int tokenize(const Settings *s, const tl_tokenizer *t, const tl_text *text) {
    tl_ids ids = {0};
    tl_error err;
    unsigned flags = (s->no_bos ? 0 : TL_ENCODE_SPECIAL) | (s->no_parse ? 0 : TL_ENCODE_PARSE);
    if (tl_tokenizer_encode(t, text->data, text->n, flags, &ids, &err)) {
        tl_ids_free(&ids);
        return say_status(EXIT_RUN, &err);
    }
    if (s->json)
        print_json(t, &ids);
    else if (s->ids && !s->show)
        print_list(&ids);
    else
        print_pieces(t, &ids);
    if (s->show_count && !s->json)
        printf("Total number of tokens: %zu\n", ids.n);
    tl_ids_free(&ids);
    return EXIT_DONE;
}

int command_tokenize(int argc, char **argv) {
    Settings s;
    tl_gguf *g = NULL;
    tl_tokenizer *t = NULL;
    tl_text text = {0};
    tl_error err;
    const char *path;
    bool found;
    int code;
    if (command_begin(&s, CMD_TOKENIZE, 2, argc, argv, &code) || (code = model_path(&s, &path)))
        return code;
    if ((code = text_prompt(&s, true, &text, &found)) == 0 && !found)
        code = say_usage(&s, "no text: give -p TEXT or -f FILE, or pipe it in");
    if (code == 0 && (tl_gguf_open(&g, path, &err) || tl_tokenizer_new(&t, g, &err)))
        code = say_status(EXIT_MODEL, &err);
    if (code == 0) {
        term_interrupt_ends();
        code = tokenize(&s, t, &text);
    }
    tl_tokenizer_free(t);
    tl_gguf_free(g);
    tl_text_free(&text);
    return code;
}
