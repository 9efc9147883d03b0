/* products.h: the relaxed dot products that the panels of this level are written on. There are two, and which is quick depends on the machine:
 * that which adds four products in 32 bits is one instruction where a processor has such (AVX-VNNI, dotprod of Arm) and five where it has
 * not; that which adds two in 16 bits is one instruction on any x86 and three on Arm. Both give the same for a signed first operand and a second of 7
 * bits. Only static inline. */
#ifndef TALLY_PRODUCTS_RELAXED_H
#define TALLY_PRODUCTS_RELAXED_H

#include "backends/cpu/isa/simd128/vec.h"

/* IN_16: sums of 2 products in 16 bits, of which the caller adds no more than fit; IN_32: sums of 4 in 32. The saturating sum never saturates; clang
 * does not regroup it, which makes it load all that the sums of a tile are made of before the first. */
typedef enum dot_form { IN_16, IN_32 } dot_form;

static inline __attribute__((always_inline)) vi dot_first(dot_form form, vi x, vi u) {
    return form == IN_16 ? wasm_i16x8_relaxed_dot_i8x16_i7x16(x, u) : wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, u, vi_set(0));
}

static inline __attribute__((always_inline)) vi dot_add(dot_form form, vi sum, vi x, vi u) {
    if (form == IN_16)
        return wasm_i16x8_add_sat(sum, wasm_i16x8_relaxed_dot_i8x16_i7x16(x, u));
    return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x, u, sum);
}

/* The sum in 32 bits. */
static inline __attribute__((always_inline)) vi dot_end(dot_form form, vi sum) {
    return form == IN_16 ? wasm_i32x4_dot_i16x8(sum, wasm_i16x8_splat(1)) : sum;
}

/* The sum in 32 bits times a scale, which lies there twice in 16 bits or once in 32. */
static inline __attribute__((always_inline)) vi dot_scaled(dot_form form, vi sum, vi scale) {
    return form == IN_16 ? wasm_i32x4_dot_i16x8(sum, scale) : vi_mul(sum, scale);
}

/* Which of both is quick here. No product is computed by this: beyond 7 bits the instruction shows what it is made of, and only where it adds in 16
 * bits first, saturating, as x86 does without VNNI, is this 2 * 32767. Whatever the answer, results are the same. */
static inline __attribute__((always_inline)) dot_form form_here(void) {
    vi v = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(wasm_i8x16_splat(127), wasm_i8x16_splat(-1), vi_set(0));
    return wasm_i32x4_extract_lane(v, 0) == 65534 ? IN_16 : IN_32;
}

/* Calls a function made for either form with the one that is quick here. */
#define BY_FORM(function, ...) (form_here() == IN_16 ? function(IN_16, __VA_ARGS__) : function(IN_32, __VA_ARGS__))

#endif
