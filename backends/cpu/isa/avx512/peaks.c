/* peaks.c: what the avx512 level can do at most: isa/peaks.inl over the words of vec.h. */
#include "backends/cpu/isa/avx512/avx512.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avx512/vec.h"

enum { DOT_GROUPS = 12 };

static inline __attribute__((always_inline)) vi dots8(vi acc, vi u, const int8_t *x) {
    for (int i = 0; i < 8; i++)
        acc = vi_products(acc, u, x + 4 * i);
    return acc;
}

#define TL_ISA(name) tl_avx512_##name
#include "backends/cpu/isa/peaks.inl"
#endif
