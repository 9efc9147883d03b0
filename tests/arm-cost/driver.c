/* driver.c: one product of 16 weight rows with some rows of activations, by a level of Tally or by a kernel of ggml's library, so that
 * tests/arm-cost/run can count its instructions: driver REPEATS tally LEVEL TYPE COLUMNS K, or driver REPEATS LIBRARY KIND SYMBOL COLUMNS K
 * with KIND dot, gemv or gemm. The work done is REPEATS times the product; data is zero, which costs the same. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/kernels.h"

enum { ROWS = 16, MOST_COLUMNS = 64, MOST_BYTES = 4 << 20 };

static char w[MOST_BYTES], x[MOST_BYTES];
static float y[MOST_COLUMNS * ROWS];

typedef void (*dot_fn)(int n, float *s, size_t bs, const void *vx, size_t bx, const void *vy, size_t by, int nrc);
typedef void (*gem_fn)(int n, float *s, size_t bs, const void *vx, const void *vy, int nr, int nc);

static int run_tally(int repeats, const char *level, const char *type, int columns, int k) {
    tl_kernels kernels;
    const tl_level *l = tl_level_find(level);
    tl_dtype t;
    if (!l || !l->kernels || !tl_dtype_find(type, &t) || tl_dtype_get(t)->block < 32)
        return 2;
    tl_level_flatten(l, &kernels);
    size_t stride = tl_dtype_get(t)->block == 32 ? (size_t)(k / 32) * sizeof(tl_x32) : (size_t)(k / 256) * sizeof(tl_x256);
    for (int i = 0; i < repeats; i++)
        kernels.panel[t](y, ROWS, w, x, stride, columns, k);
    return 0;
}

static int run_ggml(int repeats, const char *path, const char *kind, const char *symbol, int columns, int k) {
    void *library = dlopen(path, RTLD_NOW), *address = library ? dlsym(library, symbol) : NULL;
    dot_fn dot;
    gem_fn gem;
    if (!address) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    memcpy(&dot, &address, sizeof dot);
    memcpy(&gem, &address, sizeof gem);
    for (int i = 0; i < repeats; i++) {
        if (strcmp(kind, "dot") != 0)
            gem(k, y, ROWS, w, x, columns, ROWS);
        else
            for (int c = 0; c < columns; c++)
                for (int r = 0; r < ROWS; r++)
                    dot(k, y + c * ROWS + r, 0, w + (size_t)r * (size_t)k * 2, 0, x + (size_t)c * (size_t)k * 2, 0, 1);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 7)
        return 2;
    int repeats = atoi(argv[1]), columns = atoi(argv[5]), k = atoi(argv[6]);
    if (strcmp(argv[2], "tally") == 0)
        return run_tally(repeats, argv[3], argv[4], columns, k);
    return run_ggml(repeats, argv[2], argv[3], argv[4], columns, k);
}
