/* utf8.c: reading and writing UTF-8. Strict: what is not well formed (overlong forms, surrogates, beyond U+10FFFF, cut short) is read as
 * single bytes, so that any bytes can be shown, and have a tokenisation that gives them back. */
#include "tensor/utf8.h"

/* Length that a lead byte announces, and the bounds of its second byte; 0: begins nothing. */
static int utf8_lead(unsigned char b, unsigned char *lo, unsigned char *hi) {
    *lo = 0x80;
    *hi = 0xBF;
    if (b < 0x80)
        return 1;
    if (b >= 0xC2 && b <= 0xDF)
        return 2;
    if (b >= 0xE0 && b <= 0xEF) {
        if (b == 0xE0)
            *lo = 0xA0; /* below: overlong */
        if (b == 0xED)
            *hi = 0x9F; /* above: surrogates */
        return 3;
    }
    if (b >= 0xF0 && b <= 0xF4) {
        if (b == 0xF0)
            *lo = 0x90;
        if (b == 0xF4)
            *hi = 0x8F; /* above: beyond U+10FFFF */
        return 4;
    }
    return 0;
}

/* Bytes at the start of s that belong to one well-formed character so far; *want is its full length. */
static int utf8_match(const unsigned char *s, size_t n, int *want) {
    unsigned char lo, hi;
    *want = utf8_lead(s[0], &lo, &hi);
    if (*want == 0)
        return 0;
    int got = 1;
    while (got < *want && (size_t)got < n && s[got] >= lo && s[got] <= hi) {
        lo = 0x80;
        hi = 0xBF;
        got++;
    }
    return got;
}

int tl_utf8_read(const char *s, size_t n, uint32_t *cp) {
    const unsigned char *u = (const unsigned char *)s;
    int want, got = utf8_match(u, n, &want);
    if (want == 0 || got < want) {
        *cp = 0xFFFD;
        return 1;
    }
    uint32_t c = want == 1 ? u[0] : u[0] & (0x7Fu >> want);
    for (int i = 1; i < want; i++)
        c = c << 6 | (u[i] & 0x3F);
    *cp = c;
    return want;
}

int tl_utf8_write(uint32_t cp, char out[4]) {
    unsigned char *u = (unsigned char *)out;
    if (cp < 0x80) {
        u[0] = (unsigned char)cp;
        return 1;
    }
    int n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--) {
        u[i] = (unsigned char)(0x80 | (cp & 0x3F));
        cp >>= 6;
    }
    u[0] = (unsigned char)((0xF00u >> n & 0xFF) | cp);
    return n;
}

bool tl_utf8_unfinished(const char *s, size_t n) {
    if (n == 0)
        return false;
    int want, got = utf8_match((const unsigned char *)s, n, &want);
    return want > 0 && (size_t)got == n && got < want;
}
