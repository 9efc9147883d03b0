/* block_parts.inl: facts of blocks of 32 and 256 as packed (pack.c): 16 f16 scales, 16 f16 minima where the type has them, then groups of 4
 * bytes, each for 16 rows. t is a constant wherever these are inlined. */

INL bool has_min(tl_dtype t) {
    return t == TL_Q4_1 || t == TL_Q5_1 || t == TL_Q2_K || t == TL_Q4_K || t == TL_Q5_K;
}

/* Of the blocks of 32: fifth bits stand in a group of their own, before the others. */
INL bool has_fifth(tl_dtype t) {
    return t == TL_Q5_0 || t == TL_Q5_1;
}

/* Of the blocks of 32: which unsigned value stands for zero. */
INL int zero_of(tl_dtype t) {
    return t == TL_Q4_0 ? 8 : t == TL_Q5_0 ? 16 : 0;
}

/* Of the blocks of 256: sub-blocks of 32 in place of 16. */
INL bool is_wide(tl_dtype t) {
    return t == TL_Q4_K || t == TL_Q5_K;
}

INL size_t head_bytes(tl_dtype t) {
    return has_min(t) ? 4 * TL_PANEL : 2 * TL_PANEL;
}

INL size_t block_length(tl_dtype t) {
    switch (t) {
#define TL_DTYPE(ID, name, gguf, block, bytes, kind, help) \
    case TL_##ID: return block;
#include "tensor/dtype.def"
#undef TL_DTYPE
    default: return 0;
    }
}

/* Packing moves the bytes of 16 blocks and adds none. */
INL size_t block_bytes(tl_dtype t) {
    switch (t) {
#define TL_DTYPE(ID, name, gguf, block, bytes, kind, help) \
    case TL_##ID: return (size_t)TL_PANEL * bytes;
#include "tensor/dtype.def"
#undef TL_DTYPE
    default: return 0;
    }
}
