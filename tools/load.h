/* load.h: from settings to a loaded model with a context and a session. */
#ifndef TOOLS_LOAD_H
#define TOOLS_LOAD_H

#include "tools/settings.h"

typedef struct Engine {
    tl_backend *backend;
    tl_model *model;
    tl_context *context;
    tl_session *session;
    double load_seconds;
} Engine;

/* Functions return 0 or an exit code after a message. */

/* The path of the model, or how to give one. Whatever maps it from now on: a file that is cut short meanwhile ends the program with a message. */
int model_path(const Settings *s, const char **path);
/* Opens a backend by spec (NULL: the default) with `threads` (0: as the spec or the environment says). */
int backend_open(tl_backend **be, const char *spec, int64_t threads);
/* Options of a context as the settings have them. */
tl_context_options context_options(const Settings *s);
/* Where n_ctx is 0: the model's own, halved until the forecast fits into memory, with a note. */
int context_fit(const tl_gguf *g, tl_backend *be, const tl_model_options *mo, tl_context_options *o);
/* Backend and model, with progress; then context and session. engine_close frees both, also after a failure. */
int engine_load(Engine *e, const Settings *s, const char *spec, int64_t threads, tl_context_options *o);
int engine_start(Engine *e, const tl_context_options *o);
void engine_stop(Engine *e); /* context and session only */
void engine_close(Engine *e);
/* Prints the plan. */
void engine_print_plan(const Engine *e, void *file);
/* A sink (tensor.h) whose ctx is a FILE *. */
bool file_sink(void *ctx, const char *text, size_t n);

#endif
