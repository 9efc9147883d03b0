/* web.h: what the C files of the WebAssembly module share. A module instance serves one model, so there is one engine, and its address is
 * nobody's business: JavaScript calls web_* functions with numbers and addresses, and reads results where web_text, web_ids and web_numbers
 * say. Only public headers are used. */
#ifndef TALLY_WEB_H
#define TALLY_WEB_H

#include "models/model.h"

/* A function that JavaScript calls. */
#if defined(__wasm__)
#define WEB_EXPORT(name) __attribute__((export_name(#name)))
#else
#define WEB_EXPORT(name)
#endif

enum { WEB_NUMBERS = 256, WEB_TOP_MAX = 100 };

typedef struct web_engine {
    tl_backend *backend;
    tl_gguf *gguf; /* of the model, which owns it once begun */
    tl_model *model;
    tl_context *context;
    tl_session *session;
    tl_sampler *sampler;
    tl_detok detok;
    tl_ids sequence; /* prompt and answer */
    tl_ids ids;      /* result of encoding */
    tl_text text;    /* result of anything that gives text */
    float *logits;   /* of the last position of the sequence */
    double number[WEB_NUMBERS];
    tl_error err;
} web_engine;

extern web_engine web;

/* The result text becomes this. */
tl_status web_say(const char *text, size_t n);
/* "name<TAB>value<NEWLINE>" behind the result text. */
tl_status web_line(const char *name, const char *value, size_t n);

#endif
