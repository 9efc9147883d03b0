/* verify.c: `llama verify`: the same bits on two backends, or the node where they first part; and the digest that is equal on every
 * machine: FNV-1a-64 over the little-endian f32 logits of every position of a prompt and of the greedy steps after it, KV in f16. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/load.h"
#include "tools/report.h"
#include "tools/say.h"
#include "tools/term.h"
#include "tools/text.h"

/* The stated prompt. Digests are committed: never change it. */
static const char fixed_prompt[] =
    "The quick brown fox jumps over the lazy dog. Tally counts every bit twice, once on each half of the stick.";
enum { FIXED_STEPS = 32, LABEL = 48 };

typedef struct Node {
    uint64_t digest;
    int run;
    char label[LABEL];
} Node;

/* What one backend gave. */
typedef struct Trace {
    Node *nodes; /* f32 results of all runs, in order */
    size_t n, cap;
    bool broken; /* out of memory */
    int run;
    uint64_t digest;
    tl_ids ids; /* the greedy ones */
    size_t n_prompt;
    char backend[160];
} Trace;

/* ---- one backend ---- */

/* Copies that one backend's layouts want and another's do not are left out. */
static bool is_copy(const tl_tensor *node) {
    return strcmp(node->op->name, "unpack") == 0 || strcmp(node->op->name, "contiguous") == 0;
}

/* A probe (tensor.h): digests the rows of a node that are valid now. */
static void record(void *ctx, const tl_plan *p, const tl_tensor *node) {
    Trace *t = ctx;
    if (node->dtype != TL_F32 || (node->op->flags & TL_OP_STATE) || is_copy(node) || t->broken || !tl_data(node))
        return;
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 4096;
        Node *grown = realloc(t->nodes, cap * sizeof *grown);
        if (!grown) {
            t->broken = true;
            return;
        }
        t->nodes = grown;
        t->cap = cap;
    }
    Node *n = &t->nodes[t->n++];
    int64_t rows = tl_plan_rows(p, node);
    n->run = t->run;
    n->digest = TL_DIGEST_START;
    snprintf(n->label, sizeof n->label, "%s (%s)", node->name ? node->name : "unnamed", node->op->name);
    for (int64_t r = 0; r < rows; r++)
        n->digest = tl_digest_f32(n->digest, tl_row(node, r), (size_t)tl_dim(node, -1));
}

static int out_of_memory(void) {
    return say_error(EXIT_MEMORY, "out of memory");
}

/* The prompt's logits at every position, then greedy steps. */
static int run_steps(Engine *e, Trace *t, const tl_ids *prompt, int64_t steps) {
    tl_error err;
    int32_t n_vocab = tl_model_hparams(e->model)->n_vocab;
    size_t row = (size_t)n_vocab;
    tl_ids ids = {0};
    float *logits = malloc(prompt->n * row * sizeof *logits), *last = logits ? logits + (prompt->n - 1) * row : NULL;
    if (!logits)
        return out_of_memory();
    tl_want want = {.session = e->session, .ids = prompt->id, .n = (int64_t)prompt->n, .n_rows = (int64_t)prompt->n, .rows = logits};
    tl_status s = tl_ids_append(&ids, prompt->id, prompt->n, &err);
    if (!s)
        s = tl_context_step(e->context, &want, 1, &err);
    t->digest = tl_digest_f32(TL_DIGEST_START, logits, s ? 0 : prompt->n * row);
    for (int64_t i = 0; i < steps && !s; i++) {
        int32_t id = tl_greedy(last, n_vocab);
        t->run++;
        if (say_get_level() > SAY_ERRORS)
            term_progress(t->backend, (double)(i + 1) / (double)steps);
        s = tl_ids_append(&ids, &id, 1, &err);
        if (!s)
            s = tl_ids_append(&t->ids, &id, 1, &err);
        if (!s)
            s = tl_session_sync(e->session, ids.id, (int64_t)ids.n, last, &err);
        if (!s)
            t->digest = tl_digest_f32(t->digest, last, row);
    }
    term_progress_clear();
    tl_ids_free(&ids);
    free(logits);
    return s ? say_status(EXIT_RUN, &err) : t->broken ? out_of_memory() : 0;
}

static int encode(const Settings *s, const tl_model *m, tl_ids *ids) {
    tl_error err;
    tl_text text = {0};
    int code = 0;
    if (s->prompt)
        code = text_argument(s, s->prompt, &text);
    if (code == 0 && tl_tokenizer_encode(tl_model_tokenizer(m), s->prompt ? text.data : fixed_prompt,
                                         s->prompt ? text.n : strlen(fixed_prompt), TL_ENCODE_SPECIAL, ids, &err))
        code = say_status(EXIT_RUN, &err);
    if (code == 0 && ids->n == 0)
        code = say_error(EXIT_USAGE, "the prompt is empty: give some text");
    tl_text_free(&text);
    return code;
}

/* Loads, runs, frees. */
static int trace(const Settings *s, const char *spec, bool nodes, Trace *t) {
    Engine e = {0};
    tl_ids prompt = {0};
    int64_t steps = GIVEN(s, n_predict) ? s->n_predict : FIXED_STEPS;
    tl_context_options o = context_options(s);
    o.n_ctx = TL_PAGE;
    o.kv = TL_F16;
    o.n_rows = 0;
    memset(t, 0, sizeof *t);
    int code = engine_load(&e, s, spec, s->threads, &o);
    if (code == 0)
        code = encode(s, e.model, &prompt);
    if (code == 0) {
        snprintf(t->backend, sizeof t->backend, "%s", tl_backend_describe(e.backend));
        t->n_prompt = prompt.n;
        o.n_ctx = (int32_t)((int64_t)prompt.n + steps);
        o.plan.probe = nodes ? record : NULL;
        o.plan.probe_ctx = t;
        code = engine_start(&e, &o);
    }
    if (code == 0)
        code = run_steps(&e, t, &prompt, steps);
    tl_ids_free(&prompt);
    engine_close(&e);
    return code;
}

static void trace_free(Trace *t) {
    free(t->nodes);
    tl_ids_free(&t->ids);
}

/* ---- reports ---- */

/* The digest, held against the expected one where there is one. */
static int print_digest(const Settings *s, const Trace *t) {
    char digest[24];
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)t->digest);
    bool as_expected = !s->expect || strcmp(digest, s->expect) == 0;
    if (!s->json) {
        puts(digest);
        return as_expected ? EXIT_DONE : say_error(EXIT_DIFFERENT, "the digest is %s, %s was expected", digest, s->expect);
    }
    Json j = json_on(stdout, false);
    json_open(&j, NULL, '{');
    json_string(&j, "digest", digest);
    if (s->expect)
        json_bool(&j, "equal", as_expected);
    json_string(&j, "backend", t->backend);
    json_int(&j, "prompt_n", (int64_t)t->n_prompt);
    json_ids(&j, "ids", t->ids.id, t->ids.n);
    json_close(&j, '}');
    return as_expected ? EXIT_DONE : EXIT_DIFFERENT;
}

/* The first node whose digest differs, or whose label does: the index, or n where all are equal. */
static size_t first_difference(const Trace *a, const Trace *b) {
    size_t n = a->n < b->n ? a->n : b->n, i = 0;
    while (i < n && a->nodes[i].digest == b->nodes[i].digest && strcmp(a->nodes[i].label, b->nodes[i].label) == 0)
        i++;
    return i;
}

static int print_comparison(const Settings *s, const Trace *a, const Trace *b) {
    size_t at = first_difference(a, b), n = a->n < b->n ? a->n : b->n;
    bool same = at == n && a->n == b->n && a->digest == b->digest;
    const Node *x = at < a->n ? &a->nodes[at] : NULL, *y = at < b->n ? &b->nodes[at] : NULL;
    char digest[2][24];
    snprintf(digest[0], sizeof digest[0], "%016llx", (unsigned long long)a->digest);
    snprintf(digest[1], sizeof digest[1], "%016llx", (unsigned long long)b->digest);
    if (s->json) {
        Json j = json_on(stdout, false);
        json_open(&j, NULL, '{');
        json_bool(&j, "equal", same);
        json_string(&j, "backend", a->backend);
        json_string(&j, "against", b->backend);
        json_string(&j, "digest", digest[0]);
        json_string(&j, "digest_against", digest[1]);
        json_int(&j, "nodes", (int64_t)n);
        json_string(&j, "node", same ? NULL : x ? x->label : y ? y->label : "logits");
        json_int(&j, "run", same ? -1 : x ? x->run : y ? y->run : 0);
        json_int(&j, "prompt_n", (int64_t)a->n_prompt);
        json_ids(&j, "ids", a->ids.id, a->ids.n);
        json_close(&j, '}');
        return same ? EXIT_DONE : EXIT_DIFFERENT;
    }
    if (same) {
        printf("%s\nsame bits: %s; %s: %zu results of nodes, %zu prompt tokens, %zu greedy steps\n", digest[0], a->backend, b->backend, n,
               a->n_prompt, a->ids.n);
        return EXIT_DONE;
    }
    int run = x ? x->run : y ? y->run : 0;
    printf("first difference: %s%d: node %s\n", run == 0 ? "the prompt, run " : "greedy step ", run,
           x   ? x->label
           : y ? y->label
               : "logits");
    if (x && y && strcmp(x->label, y->label) != 0)
        printf("  (the other has %s there)\n", y->label);
    printf("  %s: logits %s\n  %s: logits %s\n", a->backend, digest[0], b->backend, digest[1]);
    return say_error(EXIT_DIFFERENT, "the backends differ");
}

int command_verify(int argc, char **argv) {
    Settings s;
    Trace a = {0}, b = {0};
    const char *path;
    int code;
    if (command_begin(&s, CMD_VERIFY, 1, argc, argv, &code) || (code = model_path(&s, &path)))
        return code;
    if (s.expect && (strlen(s.expect) != 16 || strspn(s.expect, "0123456789abcdef") != 16))
        return say_usage(&s, "--expect: '%s' is not a digest: 16 digits 0 to 9, a to f", s.expect);
    s.digest |= s.expect != NULL;
    if (s.digest && s.against)
        return say_usage(&s, "--digest runs --backend alone: leave --against away");
    for (int i = 0; i < 2; i++) {
        const char *spec = i ? s.against : s.backend;
        if (!tl_backend_same_bits(spec))
            say_note("%s is outside the promise of the same bits: a difference is to be expected", spec);
    }
    code = trace(&s, s.backend, !s.digest, &a);
    if (code == 0 && s.digest)
        code = print_digest(&s, &a);
    else if (code == 0 && (code = trace(&s, s.against ? s.against : "ref", true, &b)) == 0)
        code = print_comparison(&s, &a, &b);
    trace_free(&a);
    trace_free(&b);
    return code;
}
