/* arena.h: a growing bump allocator: many small things, freed together. */
#ifndef TALLY_ARENA_H
#define TALLY_ARENA_H

#include "tensor/tensor.h"

typedef struct tl_arena {
    struct tl_arena_block *head;
} tl_arena; /* all zero: an empty arena */

TL_API void *tl_arena_alloc(tl_arena *a, size_t bytes);           /* zeroed, 16-byte aligned; NULL when out of memory */
TL_API char *tl_arena_copy(tl_arena *a, const char *s, size_t n); /* n bytes and a terminator */
TL_API void tl_arena_free(tl_arena *a);                           /* everything; the arena is empty again */

#endif
