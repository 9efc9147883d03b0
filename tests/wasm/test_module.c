/* test_module.c: what is the module's own: the demo model's digest on each of its levels with the threads that it was lent, which level
 * the known-answer test lets through, memory that really ends, and lengths that 32 bits do not hold. Built for WebAssembly only. */
#include <stdio.h>

#include "backends/cpu/kernels.h"
#include "backends/internal.h"
#include "models/model.h"
#include "tests/demo_digest.h"
#include "tests/model_rig.h"
#include "tests/tokenizer_rig.h"

/* ---- levels --------------------------------------------------------------------------------------------------------------- */

static const char *const levels[] = {"simd128", "relaxed"};
enum { N_LEVELS = sizeof levels / sizeof *levels };

static bool runs(const char *level) {
    for (int i = 0; tl_cpu_level_name(i); i++)
        if (strcmp(tl_cpu_level_name(i), level) == 0)
            return !tl_cpu_level_lacks(i);
    return false;
}

static uint64_t digest_of(model_rig *r) {
    int32_t n_vocab = tl_model_hparams(r->m)->n_vocab;
    tl_ids ids = {0};
    MUST(r, tl_tokenizer_encode(tl_model_tokenizer(r->m), demo_text, strlen(demo_text), TL_ENCODE_SPECIAL, &ids, &r->err));
    float *rows = model_rows(r, 0, ids.id, (int64_t)ids.n, (int64_t)ids.n, false), *last = rows + (ids.n - 1) * (size_t)n_vocab;
    uint64_t digest = tl_digest_f32(TL_DIGEST_START, rows, ids.n * (size_t)n_vocab);
    for (int i = 0; i < DEMO_STEPS; i++) {
        int32_t id = tl_greedy(last, n_vocab);
        ck_assert_int_eq(id, demo_ids[i]);
        MUST(r, tl_ids_append(&ids, &id, 1, &r->err));
        MUST(r, tl_session_sync(r->s[0], ids.id, (int64_t)ids.n, last, &r->err));
        digest = tl_digest_f32(digest, last, (size_t)n_vocab);
    }
    tl_ids_free(&ids);
    free(rows);
    return digest;
}

START_TEST(the_demo_model_has_its_digest) {
    const char *path = getenv("TALLY_DEMO_MODEL"), *level = levels[_i];
    if (!path)
        SKIP("TALLY_DEMO_MODEL is not set");
    if (!runs(level))
        SKIP("level relaxed is not in this module or not right in this engine");
    for (int threads = 1; threads <= tl_cpu_count(); threads++) {
        char spec[64];
        snprintf(spec, sizeof spec, "cpu:isa=%s,threads=%d", level, threads);
        tl_context_options o = {.n_ctx = 128, .kv = TL_F16};
        model_rig r = model_open_path(spec, path, NULL, &o);
        uint64_t digest = digest_of(&r);
        printf("demo model, %s: %016llx\n", tl_backend_describe(r.be), (unsigned long long)digest);
        ck_assert_uint_eq(digest, DEMO_DIGEST);
        model_close(&r);
    }
}
END_TEST

/* TALLY_TEST_LEVEL is what the engine is known to compute rightly: with a baseline compiler that gets the relaxed dot product wrong it
 * is simd128, and the level above says why it is not taken. */
START_TEST(the_level_is_the_best_that_computes_rightly) {
    const char *wanted = getenv("TALLY_TEST_LEVEL");
    if (!wanted)
        SKIP("TALLY_TEST_LEVEL is not set");
    tl_backend *be;
    tl_error err = {0};
    ck_assert_int_eq(tl_backend_open(&be, "cpu:threads=1", &err), TL_OK);
    ck_assert_msg(strstr(tl_backend_describe(be), wanted) != NULL, "'%s' lacks '%s'", tl_backend_describe(be), wanted);
    tl_backend_free(be);
    if (strcmp(wanted, "relaxed") == 0)
        return;
    ck_assert_int_ne(tl_backend_open(&be, "cpu:isa=relaxed", &err), TL_OK);
    printf("%s\n", err.message);
    ck_assert(strstr(err.message, "known-answer test") != NULL || strstr(err.message, "this build lacks it") != NULL);
}
END_TEST

/* ---- memory --------------------------------------------------------------------------------------------------------------- */

enum { MOST_BLOCKS = 4200 };

/* The host gives this test 64 MiB (suite.txt). */
START_TEST(where_memory_ends_loading_fails_and_works_again_after) {
    static void *block[MOST_BLOCKS];
    tiny_config small = tiny_defaults();
    tiny_model t = tiny_make(&small);
    const char *path = getenv("TALLY_DEMO_MODEL");
    tl_backend *be;
    tl_gguf *g;
    tl_model *m = NULL;
    tl_error err = {0};
    ck_assert_int_eq(tl_backend_open(&be, "cpu:threads=1", &err), TL_OK);
    ck_assert_int_eq(tl_gguf_from_memory(&g, t.file.data, t.file.n, &err), TL_OK);
    if (path) {
        ck_assert_int_eq(tl_model_load(&m, path, be, NULL, &err), TL_ERR_MEMORY);
        ck_assert_ptr_null(m);
    }
    size_t n = 0, size = 1 << 20;
    for (; size >= 64; size /= 4) /* to the last bytes */
        while (n < MOST_BLOCKS && (block[n] = tl_alloc_aligned(size)) != NULL)
            n++;
    ck_assert_uint_lt(n, MOST_BLOCKS);
    ck_assert_int_eq(tl_model_load_gguf(&m, g, be, NULL, &err), TL_ERR_MEMORY);
    ck_assert_ptr_null(m);
    while (n > 0)
        tl_free_aligned(block[--n], 0);
    tl_backend_free(be);
    model_rig r = model_open_tiny("cpu:threads=1", &t, NULL, NULL);
    model_close(&r);
}
END_TEST

START_TEST(a_block_of_half_the_memory_or_more_is_refused_and_not_a_trap) {
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 63, (size_t)1 << 31, PTRDIFF_MAX, PTRDIFF_MAX - 64, PTRDIFF_MAX - 65536};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ck_assert_ptr_null(tl_alloc(sizes[i]));
        ck_assert_ptr_null(tl_realloc(NULL, sizes[i]));
        ck_assert_ptr_null(tl_alloc_aligned(sizes[i]));
    }
}
END_TEST

/* ---- lengths -------------------------------------------------------------------------------------------------------------- */

START_TEST(a_row_too_long_for_a_panel_stays_as_stored) {
    tl_backend *be;
    tl_bank *bank;
    tl_tensor *w;
    tl_error err = {0};
    ck_assert_int_eq(tl_backend_open(&be, "cpu:threads=1", &err), TL_OK);
    ck_assert_int_eq(tl_bank_new(&bank, be, &err), TL_OK);
    static const int64_t blocks[] = {1 << 20, 1 << 22, 1 << 23};
    static const bool packs[] = {true, false, false}; /* 16 rows of 2^22 blocks of 18 bytes are more than a quarter of 4 GiB */
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        ck_assert_int_eq(tl_bank_declare(bank, name, TL_Q4_0, 2, (int64_t[]){1, blocks[i] * 32}, NULL, &w, &err), TL_OK);
        ck_assert_int_eq(be->ops->layout(be, w, TL_USE_LINEAR) != NULL, packs[i]);
    }
    tl_bank_free(bank);
    tl_backend_free(be);
}
END_TEST

START_TEST(a_bank_of_more_than_4_GiB_is_counted) {
    tl_backend *be;
    tl_bank *bank;
    tl_tensor *w;
    tl_error err = {0};
    ck_assert_int_eq(tl_backend_open(&be, "cpu:threads=1", &err), TL_OK);
    ck_assert_int_eq(tl_bank_new(&bank, be, &err), TL_OK);
    for (int i = 0; i < 12; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        ck_assert_int_eq(tl_bank_declare(bank, name, TL_F32, 1, (int64_t[]){INT64_C(1) << 27}, NULL, &w, &err), TL_OK);
    }
    ck_assert_uint_eq(tl_bank_bytes(bank), UINT64_C(6) << 30);
    ck_assert_int_eq(tl_bank_declare(bank, "large", TL_F32, 1, (int64_t[]){INT64_C(1) << 30}, NULL, &w, &err), TL_ERR_MEMORY);
    tl_bank_free(bank);
    tl_backend_free(be);
}
END_TEST

/* Eight bytes for each of them in spm.c: 2^32 and a few. */
START_TEST(a_text_of_more_spaces_than_a_vocabulary_can_join_is_refused) {
    size_t n = ((size_t)1 << 29) / 3;
    char *text = malloc(n);
    tl_ids ids = {0};
    tl_error err = {0};
    ck_assert_ptr_nonnull(text);
    memset(text, ' ', n);
    tl_tokenizer *t = load(fresh(small_spm));
    ck_assert_int_eq(tl_tokenizer_encode(t, text, n, 0, &ids, &err), TL_ERR_MEMORY);
    ck_assert_uint_eq(ids.n, 0);
    tl_tokenizer_free(t);
    free(text);
}
END_TEST

START_TEST(a_vocabulary_of_more_bytes_than_4_GiB_is_refused_by_a_sampler) {
    tl_sampler *s;
    tl_error err = {0};
    for (int extra = 0; extra < 2; extra++) {
        ck_assert_int_eq(tl_sampler_new(&s, (1 << 29) + extra, NULL, &err), TL_ERR_MEMORY);
        ck_assert_int_eq(tl_sampler_new(&s, (1 << 30) + extra, NULL, &err), TL_ERR_MEMORY);
        ck_assert_ptr_null(s);
    }
}
END_TEST

static Suite *module_suite(void) {
    Suite *s = suite_create("module");
    TCase *c = tcase_create("module");
    tcase_add_loop_test(c, the_demo_model_has_its_digest, 0, N_LEVELS);
    tcase_add_test(c, the_level_is_the_best_that_computes_rightly);
    tcase_add_test(c, where_memory_ends_loading_fails_and_works_again_after);
    tcase_add_test(c, a_block_of_half_the_memory_or_more_is_refused_and_not_a_trap);
    tcase_add_test(c, a_row_too_long_for_a_panel_stays_as_stored);
    tcase_add_test(c, a_bank_of_more_than_4_GiB_is_counted);
    tcase_add_test(c, a_text_of_more_spaces_than_a_vocabulary_can_join_is_refused);
    tcase_add_test(c, a_vocabulary_of_more_bytes_than_4_GiB_is_refused_by_a_sampler);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(module_suite());
}
