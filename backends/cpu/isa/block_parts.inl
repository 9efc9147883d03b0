/* block_parts.inl: facts of the 32-block types as packed (pack.c): 16 f16 scales, 16 f16 minima, then groups of 4 bytes, each for 16 rows. t is a
 * constant wherever these are inlined. */

INL bool has_min(tl_dtype t) {
    return t == TL_Q4_1 || t == TL_Q5_1;
}

INL bool has_fifth(tl_dtype t) {
    return t == TL_Q5_0 || t == TL_Q5_1;
}

INL size_t head_bytes(tl_dtype t) {
    return has_min(t) ? 4 * TL_PANEL : 2 * TL_PANEL;
}

INL size_t block_bytes(tl_dtype t) {
    return head_bytes(t) + TL_PANEL * (t == TL_Q8_0 ? 32 : has_fifth(t) ? 20 : 16);
}
