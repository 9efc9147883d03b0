/* panel_k.c: packed panels of K-quants with AVX2: isa/super.inl over the words of vec.h. maddubs adds pairs in 16 bits, where only as many
 * products fit as fit_of says. */
#include "backends/cpu/isa/avx2/avx2.h"

#ifdef TL_HAVE_LEVEL
#include <string.h>

#include "backends/cpu/isa/avx2/vec.h"

enum { COLUMNS_K = 4 };

/* Dots of n vectors of unsigned bytes with 4 n values of x. */
static inline __attribute__((always_inline)) vi dots(const vi *u, int n, const int8_t *x, int fit) {
    const vi ones = _mm256_set1_epi16(1);
    vi sum = vi_set(0), part = vi_set(0);
    for (int i = 0; i < n; i++) {
        int32_t four;
        memcpy(&four, x + 4 * i, 4);
        vi products = _mm256_maddubs_epi16(u[i], vi_set(four));
        part = i % fit ? _mm256_add_epi16(part, products) : products;
        if (i % fit == fit - 1 || i == n - 1)
            sum = vi_pairs(sum, part, ones);
    }
    return sum;
}

#define TL_ISA(name) tl_avx2_##name
#include "backends/cpu/isa/super.inl"
#endif
