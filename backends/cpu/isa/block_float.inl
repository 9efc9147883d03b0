/* block_float.inl: the float step of quant.h for blocks of 32, operation by operation, over the words of a level's vec.h. Behind block_parts.inl. */

/* acc + what a block adds: sum, the integer sum of its products; its scale and minimum; of x the scale and, where there are minima, the sum.
 * m * bsum has 11 + 12 bits, is exact, and may be fused. */
INL vf with_block(tl_dtype t, vf acc, vf sum, vf d, vf m, vf dx, vf bsum) {
    if (has_min(t))
        return v_add(acc, v_mul(v_fused(m, bsum, v_mul(sum, d)), dx));
    return v_add(acc, v_mul(sum, v_mul(d, dx)));
}
