/* digest.c: one 64-bit number for a row of values, equal wherever the bits are equal. FNV-1a over the little-endian bytes of each value,
 * so that it depends neither on the machine's byte order nor on a struct's padding; every NaN counts as the same one, because which
 * bits a NaN has is not promised. */
#include "models/model.h"

#include <string.h>

uint64_t tl_digest_f32(uint64_t h, const float *v, size_t n) {
    for (size_t i = 0; v && i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
            bits = 0x7FC00000u;
        for (int shift = 0; shift < 32; shift += 8)
            h = (h ^ (bits >> shift & 0xFF)) * 0x100000001b3ull;
    }
    return h;
}
