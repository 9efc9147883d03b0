/* panel_k.c: packed panels of K-quants with AVX-512 VNNI: isa/super.inl over the words of vec.h. */
#include "backends/cpu/isa/avx512/avx512.h"

#ifdef TL_HAVE_LEVEL
#include <string.h>

#include "backends/cpu/isa/avx512/vec.h"

enum { COLUMNS_K = 8 };

/* Dots of n vectors of unsigned bytes with 4 n values of x; sums of any length fit. */
static inline __attribute__((always_inline)) vi dots(const vi *u, int n, const int8_t *x, int fit) {
    (void)fit;
    vi sum = vi_set(0);
    for (int i = 0; i < n; i++) {
        int32_t four;
        memcpy(&four, x + 4 * i, 4);
        sum = _mm512_dpbusd_epi32(sum, u[i], vi_set(four));
    }
    return sum;
}

#define TL_ISA(name) tl_avx512_##name
#include "backends/cpu/isa/super.inl"
#endif
