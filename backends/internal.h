/* internal.h: what backend folders share: the vtables that backends.def names, and reading option lists. */
#ifndef TALLY_BACKENDS_INTERNAL_H
#define TALLY_BACKENDS_INTERNAL_H

#include "tensor/tensor.h"

#define TL_BACKEND(name, ops) extern const tl_backend_ops ops;
#define TL_BACKEND_LEFT_OUT(name, how)
#include "backends/backends.def"
#undef TL_BACKEND
#undef TL_BACKEND_LEFT_OUT

typedef struct tl_option {
    char key[32], value[64];
} tl_option;

/* Takes the next KEY=VALUE of a comma list and moves *list on. TL_MORE: one was taken; TL_OK: the list is empty. */
tl_status tl_option_next(const char **list, tl_option *o, tl_error *err);
/* A whole decimal number lo .. hi. */
tl_status tl_option_int(const tl_option *o, int lo, int hi, int *out, tl_error *err);

/* ISA levels of the cpu backend, whether usable here or not: name of row i and its spec (NULL past the end), and NULL or why it cannot
 * run here. */
const char *tl_cpu_level_name(int i);
const char *tl_cpu_level_spec(int i);
const char *tl_cpu_level_lacks(int i);

#endif
