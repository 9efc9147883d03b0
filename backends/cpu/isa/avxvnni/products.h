/* products.h: the word that avxvnni adds to those of isa/avx2/vec.h. */
#ifndef TALLY_PRODUCTS_AVXVNNI_H
#define TALLY_PRODUCTS_AVXVNNI_H

#include "backends/cpu/isa/avx2/vec.h"

/* s + the products of u, unsigned bytes, and x, four a lane. Volatile, because gcc would put the products of one sum in a row, where each waits for
 * the last. */
static inline vi vi_products(vi s, vi u, vi x) {
#ifdef __AVXVNNI__
    __asm__ volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(s) : "x"(u), "x"(x));
    return s;
#else
    return emu_dot_half(s, u, x); /* tests/support/avx512 */
#endif
}

#endif
