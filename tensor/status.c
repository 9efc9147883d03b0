/* status.c: the version, the words for statuses, and the one function that fills an error. */
#include "tensor/tensor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *tl_version(void) {
    return TL_VERSION_STRING;
}

const char *tl_status_name(tl_status s) {
    static const char *const names[] = {
        [TL_OK] = "ok",
        [TL_MORE] = "more",
        [TL_CANCELLED] = "cancelled",
        [TL_ERR_USAGE] = "usage",
        [TL_ERR_RANGE] = "range",
        [TL_ERR_MEMORY] = "memory",
        [TL_ERR_IO] = "io",
        [TL_ERR_FORMAT] = "format",
        [TL_ERR_UNSUPPORTED] = "unsupported",
        [TL_ERR_FULL] = "full",
        [TL_ERR_INTERNAL] = "internal",
    };
    return (unsigned)s < sizeof names / sizeof names[0] ? names[s] : "unknown";
}

/* Length of the UTF-8 sequence at s: 1 to 4; 0 where the bytes are not UTF-8; -1 where the text ends inside one. */
static int sequence_length(const unsigned char *s) {
    if (s[0] < 0x80) {
        return 1;
    }
    int n = s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : s[0] >= 0xE0 && s[0] < 0xF0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
    /* the second byte's range keeps out overlong forms, surrogates and values above U+10FFFF */
    unsigned low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80, high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    for (int i = 1; i < n; i++) {
        if (s[i] == 0) {
            return -1;
        }
        if (s[i] < low || s[i] > high) {
            return 0;
        }
        low = 0x80;
        high = 0xBF;
    }
    return n;
}

/* Names out of hostile files end up in messages: control characters and what is not UTF-8 become '?', a sequence that the end cuts goes. */
static void clean(char *text) {
    unsigned char *s = (unsigned char *)text;
    while (*s) {
        int n = sequence_length(s);
        if (n < 0) {
            *s = 0;
            return;
        }
        if (n == 0 || *s < 0x20 || *s == 0x7F) {
            *s = '?';
            n = 1;
        }
        s += n;
    }
}

tl_status tl_fail(tl_error *err, tl_status s, const char *fmt, ...) {
    if (!err) {
        return s;
    }
    char text[TL_ERROR_MAX] = ""; /* apart, as an argument may point into *err */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt ? fmt : "no message given", args);
    va_end(args);
    clean(text);
    err->status = s;
    memcpy(err->message, text, sizeof text);
    return s;
}
