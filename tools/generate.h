/* generate.h: the token loop: a prompt is read, tokens are drawn and their text goes out, until something ends it. */
#ifndef TOOLS_GENERATE_H
#define TOOLS_GENERATE_H

#include "tools/load.h"
#include "tools/report.h"

typedef enum StopReason { STOP_END, STOP_LENGTH, STOP_CONTEXT, STOP_REVERSE, STOP_CLOSED, STOP_INTERRUPT, STOP_ERROR } StopReason;

/* tokens: drawn; steps: runs that this took after the prompt's, one fewer as a rule. */
typedef struct Timings {
    int64_t prompt_tokens, reused_tokens, tokens, steps;
    double prompt_seconds, seconds;
} Timings;

typedef struct Generator {
    const Settings *settings;
    Engine *engine;
    tl_sampler *sampler;
    uint32_t seed;
    bool greedy;
    float *logits;    /* [n_vocab] */
    tl_ids ids, seen; /* the sequence so far; what the sampler has been told */
    size_t n_prompt;  /* of ids, in the last call */
    tl_text text;     /* what the last call made */
    Timings last, total;
    int code; /* the exit code of STOP_ERROR */
} Generator;

/* Returns 0 or an exit code after a message. */
int generator_open(Generator *g, const Settings *s, Engine *e);
void generator_close(Generator *g);
/* Forgets the sequence: what follows is as after generator_open, but for g->total. */
void generator_clear(Generator *g);
/* Continues g->ids, which holds the prompt, and appends to it what it draws. Text goes to stdout as it comes if `stream`; `fresh`: the
 * text begins something, so SentencePiece's leading space goes. */
StopReason generate(Generator *g, bool stream, bool fresh);
const char *stop_name(StopReason r);
/* Load, prompt, generation, memory: on stderr. */
void print_timings(const Generator *g, const Timings *t);
/* Members of a JSON object: text, ids, stop, seed, timings. */
void json_generation(Json *j, const Generator *g, StopReason r);
/* Lists the tokens of the prompt on stderr. */
void print_prompt_tokens(const Generator *g);

#endif
