/* trig.inl: sine and cosine by tl_sincos of tensor/math.h, in VL / 2 doubles at once, written over the words of a level's vec.h. An isa/LEVEL/
 * rows.c includes it after rows.inl, which has the words it shares. Vectors with a value beyond 2^20, inf or NaN go to the scalar function,
 * whose reduction of far angles has no lanes. */

/* The far end of the near reduction: bits of 2^20. */
#define NEAR_BITS 0x49800000

/* Sines of x, or cosines where `cosine`, which is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) vd vd_trig(bool cosine, vd x) {
    const vd shift = vd_set(0x1.8p+52), one = vd_set(1.0);
    vd t = vd_add(vd_mul(x, vd_set(0x1.45f306dc9c883p-1)), shift), n = vd_sub(t, shift);
    vd r = vd_sub(x, vd_mul(n, vd_set(0x1.921fb544p+0)));
    r = vd_sub(vd_sub(r, vd_mul(n, vd_set(0x1.0b4611a6p-34))), vd_mul(n, vd_set(0x1.3198a2e037073p-69)));
    vd z = vd_mul(r, r);
    vd s = vd_add(vd_set(-2.50507602534068634195e-08), vd_mul(z, vd_set(1.58969099521155010221e-10)));
    s = vd_add(vd_set(2.75573137070700676789e-06), vd_mul(z, s));
    s = vd_add(vd_set(-1.98412698298579493134e-04), vd_mul(z, s));
    s = vd_add(vd_set(8.33333333332248946124e-03), vd_mul(z, s));
    s = vd_add(vd_set(-1.66666666666666324348e-01), vd_mul(z, s));
    s = vd_if_zero(r, r, vd_add(r, vd_mul(vd_mul(r, z), s)));
    vd c = vd_add(vd_set(2.08757232129817482790e-09), vd_mul(z, vd_set(-1.13596475577881948265e-11)));
    c = vd_add(vd_set(-2.75573143513906633035e-07), vd_mul(z, c));
    c = vd_add(vd_set(2.48015872894767294178e-05), vd_mul(z, c));
    c = vd_add(vd_set(-1.38888888888741095749e-03), vd_mul(z, c));
    c = vd_add(vd_set(4.16666666666666019037e-02), vd_mul(z, c));
    c = vd_sub(one, vd_sub(vd_mul(vd_set(0.5), z), vd_mul(vd_mul(z, z), c)));
    vd odd = vd_shl(t, 63); /* the quadrant stands in the low bits of t; one more is t + 1 */
    return cosine ? vd_turn(vd_pick(odd, s, c), vd_shl(vd_add(t, one), 62)) : vd_turn(vd_pick(odd, c, s), vd_shl(t, 62));
}

#define TRIG(name, cosine, scalar)                                                                                                         \
    void TL_ISA(name)(float *y, const float *x, int64_t n) {                                                                               \
        int64_t i = 0;                                                                                                                     \
        for (; i + VL <= n; i += VL) {                                                                                                     \
            if (vi_top(vi_and(v_bits(v_load(x + i)), vi_set(INT32_MAX))) > NEAR_BITS) {                                                    \
                for (int k = 0; k < VL; k++)                                                                                               \
                    y[i + k] = scalar(x[i + k]);                                                                                           \
                continue;                                                                                                                  \
            }                                                                                                                              \
            vd_store(y + i, vd_trig(cosine, vd_load(x + i)));                                                                              \
            vd_store(y + i + VL / 2, vd_trig(cosine, vd_load(x + i + VL / 2)));                                                            \
        }                                                                                                                                  \
        for (; i < n; i++)                                                                                                                 \
            y[i] = scalar(x[i]);                                                                                                           \
    }

TRIG(sin, false, tl_sinf)
TRIG(cos, true, tl_cosf)
