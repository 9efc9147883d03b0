/* status.c: the version, the words for statuses, and the one function that fills an error. */
#include "tensor/utf8.h"

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

/* Names out of hostile files end up in messages: control characters and what is not UTF-8 become '?', a sequence that the end cuts goes. */
static void clean(char *text) {
    size_t n = strlen(text);
    for (size_t at = 0; at < n;) {
        if (tl_utf8_unfinished(text + at, n - at)) {
            text[at] = 0;
            return;
        }
        uint32_t cp;
        int length = tl_utf8_read(text + at, n - at, &cp);
        if (cp < 0x20 || cp == 0x7F || (cp == 0xFFFD && length == 1))
            text[at] = '?';
        at += (size_t)length;
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
