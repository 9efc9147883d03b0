/* utf8.h: writing UTF-8, and text that is not all there yet. tl_utf8_read is in tensor.h: whoever prints bytes out of a file needs it. */
#ifndef TALLY_UTF8_H
#define TALLY_UTF8_H

#include "tensor/tensor.h"

/* Writes cp (a scalar value) and returns its length. */
int tl_utf8_write(uint32_t cp, char out[4]);
/* True if s [n bytes] is the beginning of one well-formed character and more bytes could complete it. */
bool tl_utf8_unfinished(const char *s, size_t n);

#endif
