/* peaks.c: what the avxvnni level can do at most: isa/peaks.inl over the words of isa/avx2/vec.h. */
#include "backends/cpu/isa/avxvnni/avxvnni.h"

#ifdef TL_HAVE_LEVEL
#include "backends/cpu/isa/avxvnni/products.h"

enum { DOT_GROUPS = 6 };

/* Two chains for each of the groups, which alone are too few to hide the five cycles of a product. */
static inline __attribute__((always_inline)) vi dots8(vi acc, vi u, const int8_t *x) {
    vi sum[2] = {acc, vi_set(0)};
    for (int i = 0; i < 8; i++)
        sum[i % 2] = vi_products(sum[i % 2], u, vi_four(x + 4 * i));
    return vi_add(sum[0], sum[1]);
}

#define TL_ISA(name) tl_avxvnni_##name
#include "backends/cpu/isa/peaks.inl"
#endif
