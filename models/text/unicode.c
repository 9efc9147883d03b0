/* unicode.c: the class of a character (letter, number, space), from the ranges of unicode_table.c. */
#include "models/text/text.h"

unsigned tl_unicode_class(uint32_t cp) {
    if (cp >= 0x110000)
        return 0;
    int lo = 0, hi = tl_unicode_n_ranges; /* the range begins at lo or later, before hi */
    while (hi - lo > 1) {
        int mid = lo + (hi - lo) / 2;
        if (tl_unicode_ranges[mid] >> 8 <= cp)
            lo = mid;
        else
            hi = mid;
    }
    return tl_unicode_ranges[lo] & 0xFF;
}
