/* pack.inl: sixteen rows of quantised weights as stored become a packed panel, as pack.c has it, written once over the words of a level's
 * vec.h. So weights that stay as stored need no products of their own: a panel is made where one is wanted, and multiplied like any other. */
#include "tensor/quant.h"

#define INL static inline __attribute__((always_inline))

#include "backends/cpu/isa/block_parts.inl"
#include "backends/cpu/isa/interleave.inl"

INL void pack_rows(tl_dtype t, uint8_t *panel, const void *w, size_t w_stride, int64_t k) {
    const source rows = source_of(w, w_stride);
    for (size_t b = 0; b < (size_t)k / block_length(t); b++)
        interleave(t, panel + b * block_bytes(t), &rows, b);
}

#define PACK(f, name, type)                                                   \
    void f##_##name(void *panel, const void *w, size_t w_stride, int64_t k) { \
        pack_rows(type, panel, w, w_stride, k);                               \
    }
TL_BLOCK_TYPES(PACK, TL_ISA(pack))
