/* fuzz_chat.c: a libFuzzer target. The input is a file's chat template, and the roles and contents of a conversation. */
#include <stdlib.h>
#include <string.h>

#include "models/model.h"
#include "tests/support/vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok)
        abort();
}

static void check_template(const char *text) {
    small_vocab *v = malloc(sizeof *v);
    tl_text bytes = {0}, system = {0};
    tl_gguf *g = NULL;
    const tl_chat *c = NULL;
    tl_error err = {0};
    require(v != NULL);
    small_spm(v);
    v->n = v->n_types = v->n_scores = 3; /* a short file */
    v->chat_template = text;
    require(small_write(v, &bytes, &err) == TL_OK && tl_gguf_from_memory(&g, bytes.data, bytes.n, &err) == TL_OK);
    tl_status s = tl_chat_of_model(g, &c, &system, &err);
    require(s == TL_OK ? c != NULL : s == TL_ERR_UNSUPPORTED && c == NULL && system.n == 0);
    require(c == tl_chat_by_template(text, strlen(text)));
    require(system.n <= strlen(text));
    tl_gguf_free(g);
    tl_text_free(&bytes);
    tl_text_free(&system);
    free(v);
}

/* A conversation of the lines of text; a line's first character says whose it is. */
static void check_conversation(char *text, const tl_chat *c) {
    static const char *const roles[] = {"user", "assistant", "system", "tool"};
    tl_message m[16];
    int n = 0;
    size_t bytes = 0;
    for (char *line = strtok(text, "\n"); line != NULL && n < 16; line = strtok(NULL, "\n")) {
        m[n++] = (tl_message){roles[line[0] & 3], line + 1};
        bytes += strlen(line);
    }
    tl_text out = {0};
    tl_error err = {0};
    tl_status s = tl_chat_render(c, m, n, n % 2 == 0, &out, &err);
    require(s == TL_OK ? out.n > 0 && out.n < bytes + 80 * ((size_t)n + 1) : s == TL_ERR_USAGE && out.n == 0 && err.message[0] != 0);
    tl_text_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"chatml", "llama2", "llama3", "zephyr", "mistral"};
    if (size == 0)
        return 0;
    char *text = malloc(size);
    require(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    if (data[0] % 6 == 5)
        check_template(text);
    else
        check_conversation(text, tl_chat_by_name(names[data[0] % 6]));
    free(text);
    return 0;
}
