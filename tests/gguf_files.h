/* gguf_files.h: what the GGUF suites share beside the byte builder: the real files of the test data, opening with a message, comparing
 * single values, temporary files. */
#ifndef TALLY_TESTS_GGUF_FILES_H
#define TALLY_TESTS_GGUF_FILES_H

#include "models/model.h"
#include "tensor/platform.h"
#include "tests/gguf_build.h"
#include "tests/suite.h"

static const char *const real_models[] = {
    "models/stories260K-f32.gguf",
    "models/stories260K-q8_0.gguf",
    "models/stories260K-untied-f32.gguf",
    "models/babyllama-tok105-f16.gguf",
    "models/babyllama-tok105-q4_0.gguf",
    "models/babyllama-tok105-q4_1.gguf",
    "models/babyllama-tok105-q8_0.gguf",
    "models/stories260K-wide256-q2_k.gguf",
    "models/stories260K-wide256-q3_k_s.gguf",
    "models/stories260K-wide256-q4_k_s.gguf",
    "models/stories260K-wide256-q4_k_m.gguf",
    "models/stories260K-wide256-q5_k_s.gguf",
    "models/stories260K-wide256-q6_k.gguf",
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

static inline tl_gguf *from_blob(const blob *b) {
    tl_gguf *g;
    tl_error err = {0};
    ck_assert_msg(tl_gguf_from_memory(&g, b->p, b->n, &err) == TL_OK, "%s", err.message);
    return g;
}

static inline bool data_path(char *buf, size_t size, const char *name) {
    const char *folder = getenv("TALLY_TEST_DATA");
    if (folder)
        snprintf(buf, size, "%s/%s", folder, name);
    return folder != NULL;
}

static inline tl_gguf *open_data(const char *name) {
    char path[1024];
    tl_gguf *g;
    tl_error err = {0};
    ck_assert(data_path(path, sizeof path, name));
    ck_assert_msg(tl_gguf_open(&g, path, &err) == TL_OK, "%s", err.message);
    ck_assert_str_eq(tl_gguf_path(g), path);
    return g;
}

static inline void check_int(const tl_gguf *g, const char *key, int64_t want) {
    int64_t v = 0;
    tl_error err = {0};
    ck_assert_msg(tl_gguf_get_int(g, key, true, INT64_MIN, INT64_MAX, &v, &err) == TL_OK, "%s", err.message);
    ck_assert_int_eq(v, want);
}

static inline void check_text(const tl_gguf *g, const char *key, int64_t max_items, const char *want) {
    tl_text t = {0};
    ck_assert_int_eq(tl_gguf_value_text(g, tl_gguf_find(g, key), max_items, &t, NULL), TL_OK);
    ck_assert_str_eq(t.data, want);
    tl_text_free(&t);
}

/* A name in the folder for temporary files that no other run uses. */
static inline void temporary(char *buf, size_t size, const char *name) {
    const char *folder = getenv("TMPDIR");
    snprintf(buf, size, "%s/tally-%p-%ld-%s", folder ? folder : "/tmp", (void *)buf, (long)(tl_now() * 1e6), name);
}

static inline bool exists(const char *path) {
    FILE *f = fopen(path, "rb");
    if (f)
        fclose(f);
    return f != NULL;
}

#endif
