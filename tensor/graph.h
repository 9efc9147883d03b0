/* graph.h: a graph from inside, and growing arrays; shared by the files of this folder. */
#ifndef TALLY_GRAPH_H
#define TALLY_GRAPH_H

#include "tensor/arena.h"
#include "tensor/tensor.h"

/* Bytes that a tensor in memory may have: a few of them still make a size, and their elements can be counted. */
#define TL_TENSOR_MOST ((size_t)(INT64_MAX < SIZE_MAX ? INT64_MAX : SIZE_MAX) / 4)
/* The same for what need not be in memory: a view that repeats its base, all tensors of a bank together. */
#define TL_COUNT_MOST ((uint64_t)INT64_MAX / 4)

typedef struct tl_size_entry {
    const char *name;
    int64_t max;
} tl_size_entry;

/* The newest version of a bank tensor that this graph writes, and the node that wrote it. */
typedef struct tl_write_entry {
    tl_tensor *root, *writer, *handle;
    int version;
} tl_write_entry;

struct tl_graph {
    tl_arena arena;
    tl_error error;
    bool failed;
    tl_tensor **nodes;
    int n_nodes, cap_nodes;
    tl_size_entry *sizes;
    int n_sizes, cap_sizes;
    tl_write_entry *writes; /* by root: open addressing, a power of two, at most half full */
    size_t n_writes, cap_writes;
    tl_plan *plan; /* the live one */
};

/* How often this graph writes the memory of root. */
int tl_graph_writes(const tl_graph *g, const tl_tensor *root);

/* Grows *array so that one more element fits; false when out of memory. */
bool tl_grow(void **array, int *cap, int n, size_t element);

#endif
