/* arena.c: a growing bump allocator: many small things that are freed together. A graph keeps its nodes, names and parameters in one.
 *
 * Blocks form a list; small requests are cut from the head, whose size doubles from block to block, so that a graph of any size makes
 * few allocations. A request that would waste much of a block gets one of its own, behind the head, which stays in use. */
#include "tensor/arena.h"

#include <string.h>

#include "tensor/platform.h"

enum { ARENA_UNIT = 16, ARENA_FIRST = 4 << 10, ARENA_LARGEST = 1 << 20 };

typedef struct tl_arena_block {
    struct tl_arena_block *next;
    size_t used, bytes; /* of the data, which begins at the first multiple of ARENA_UNIT behind this header */
} arena_block;

static char *arena_data(arena_block *b) {
    uintptr_t at = (uintptr_t)(b + 1);
    return (char *)(b + 1) + (ARENA_UNIT - at % ARENA_UNIT) % ARENA_UNIT;
}

static arena_block *arena_block_new(size_t bytes) {
    size_t all;
    if (!tl_add_size(bytes, sizeof(arena_block) + ARENA_UNIT, &all))
        return NULL;
    arena_block *b = tl_alloc(all);
    if (b)
        b->bytes = bytes;
    return b;
}

/* Puts a block with room for `bytes` into the list, as the head unless a large request takes all of it; NULL when out of memory. */
static arena_block *arena_grow(tl_arena *a, size_t bytes) {
    size_t size = a->head ? 2 * a->head->bytes : ARENA_FIRST;
    size = size < ARENA_FIRST ? ARENA_FIRST : size > ARENA_LARGEST ? ARENA_LARGEST : size;
    bool own = bytes > size / 4;
    arena_block *b = arena_block_new(own ? bytes : size);
    if (!b)
        return NULL;
    if (own && a->head) {
        b->next = a->head->next;
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return b;
}

void *tl_arena_alloc(tl_arena *a, size_t bytes) {
    size_t need;
    if (!tl_add_size(bytes ? bytes : 1, ARENA_UNIT - 1, &need)) /* an empty one gets an address of its own, too */
        return NULL;
    need -= need % ARENA_UNIT;
    arena_block *b = a->head;
    if (!b || need > b->bytes - b->used)
        b = arena_grow(a, need);
    if (!b)
        return NULL;
    void *p = arena_data(b) + b->used;
    b->used += need;
    return p;
}

char *tl_arena_copy(tl_arena *a, const char *s, size_t n) {
    size_t bytes;
    char *p = tl_add_size(n, 1, &bytes) ? tl_arena_alloc(a, bytes) : NULL;
    if (p && n > 0)
        memcpy(p, s, n); /* the terminator is there: arena memory is zeroed */
    return p;
}

void tl_arena_free(tl_arena *a) {
    if (!a)
        return;
    for (arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        tl_free(b);
    }
    a->head = NULL;
}
