/* fuzz_gguf.c: libFuzzer target for the GGUF reader. Each input is read as a whole file in memory, and as a stream whose prefix grows by as
 * little as the reader lets it; the two must agree, every accessor is walked, and every refusal must say something. */
#include "models/model.h"
#include "tests/gguf_walk.h"

#include <stdint.h>

/* Parses prefixes of exactly the wanted size, each in a block of its own so that a sanitizer sees its end. */
static tl_status parse_growing(tl_gguf **g, const uint8_t *data, size_t n, tl_error *err) {
    uint64_t want = n < 5 ? n : 5;
    for (;;) {
        size_t have = (size_t)want;
        uint8_t *prefix = malloc(have ? have : 1);
        if (!prefix)
            return TL_ERR_MEMORY;
        if (have > 0)
            memcpy(prefix, data, have);
        tl_status s = tl_gguf_parse(g, prefix, have, n, &want, err);
        free(prefix);
        if (s != TL_MORE)
            return s;
        if (want <= have || want > n)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    tl_gguf *whole, *grown;
    tl_error err = {0}, err_grown = {0};
    tl_status s = tl_gguf_from_memory(&whole, data, n, &err);
    if (parse_growing(&grown, data, n, &err_grown) != s)
        abort();
    if (s != TL_OK && (whole || grown || err.message[0] == 0 || strcmp(err.message, err_grown.message) != 0))
        abort();
    if (s == TL_OK) {
        volatile unsigned sum = walk_all(whole) + walk_all(grown);
        (void)sum;
    }
    tl_gguf_free(whole);
    tl_gguf_free(grown);
    return 0;
}
