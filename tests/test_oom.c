/* test_oom.c: every allocation of a model's life fails in turn, once and from then on: opening, loading in each way, forecast, context,
 * session, tokenising, stepping. Each time there is a status with a message, nothing leaks (the suite runs under a leak checker), and
 * what was there before still works, to the bit. */
#include <limits.h>

#include "tests/model_rig.h"

enum { N = 12 };

static tiny_model tiny;
static int32_t ids[N];
static float *expected; /* [N, 300] */

static void setup(void) {
    tiny_config c = tiny_defaults();
    c.n_layer = 1;
    c.n_ctx = 128;
    c.dtype = TL_Q4_1;
    c.biases = c.rope_freqs = true;
    tiny = tiny_make(&c);
    some_ids(ids, N, c.n_vocab, 2);
    model_rig r = model_open_tiny("ref", &tiny, NULL, NULL);
    expected = model_rows(&r, 0, ids, N, N, false);
    model_close(&r);
}

static void teardown(void) {
    tiny_free(&tiny);
    free(expected);
}

/* ---- the life of a model -------------------------------------------------------------------------------------------------------- */

typedef struct way {
    const char *spec;
    enum { BY_MEMORY, BY_READER, BY_FEED } load;
    bool no_pack, check;
} way;

static const way ways[] = {{"ref", BY_MEMORY, false, false},
                           {"cpu:threads=1", BY_MEMORY, false, true},
                           {"cpu:threads=2", BY_READER, true, false},
                           {"cpu:threads=2", BY_FEED, false, true}};
enum { N_WAYS = sizeof ways / sizeof *ways };

static tl_status read_bytes(void *ctx, uint64_t offset, void *dst, size_t n, tl_error *err) {
    (void)ctx;
    if (offset > tiny.file.n || n > tiny.file.n - offset)
        return tl_fail(err, TL_ERR_IO, "beyond the end");
    memcpy(dst, tiny.file.data + offset, n);
    return TL_OK;
}

static tl_status feed(tl_model *m, tl_error *err) {
    tl_status s = TL_MORE;
    for (size_t at = 0; at < tiny.file.n && s == TL_MORE; at += 7000)
        s = tl_model_feed(m, at, tiny.file.data + at, tiny.file.n - at < 7000 ? tiny.file.n - at : 7000, err);
    return s;
}

static tl_status load(const way *w, tl_model **m, tl_backend *be, tl_error *err) {
    tl_reader reader = {NULL, tiny.file.n, read_bytes};
    tl_model_options mo = {.no_pack = w->no_pack, .check_tensors = w->check};
    tl_gguf *g = NULL;
    uint64_t want;
    tl_status s = w->load == BY_READER ? tl_gguf_from_reader(&g, &reader, err)
                  : w->load == BY_FEED ? tl_gguf_parse(&g, tiny.file.data, tiny.file.n, tiny.file.n, &want, err)
                                       : tl_gguf_from_memory(&g, tiny.file.data, tiny.file.n, err);
    if (s)
        return s;
    if (w->load != BY_FEED)
        return tl_model_load_gguf(m, g, be, &mo, err);
    if (!(s = tl_model_begin(m, g, be, &mo, err)))
        s = feed(*m, err);
    return s;
}

static tl_context_options small_context(void) {
    tl_context_options o = tl_context_defaults();
    o.n_batch = 5;
    o.n_rows = 3;
    o.n_sessions = 2;
    return o;
}

/* Everything, until something fails; rows [N, 300] where all went well. */
static tl_status live(const way *w, float *rows, tl_error *err) {
    tl_backend *be = NULL;
    tl_model *m = NULL;
    tl_context *c = NULL;
    tl_session *a = NULL, *b = NULL;
    tl_memory_forecast forecast;
    tl_context_options o = small_context();
    tl_ids tokens = {0};
    tl_text text = {0};
    tl_status s = tl_backend_open(&be, w->spec, err);
    if (!s)
        s = load(w, &m, be, err);
    if (!s)
        s = tl_context_forecast(tl_model_gguf(m), be, NULL, &o, &forecast, err);
    if (!s)
        s = tl_context_new(&c, m, &o, err);
    if (!s)
        s = tl_session_new(&a, c, err);
    if (!s)
        s = tl_session_new(&b, c, err);
    if (!s)
        s = tl_tokenizer_encode(tl_model_tokenizer(m), "az a bzz\xFF", 9, TL_ENCODE_SPECIAL | TL_ENCODE_PARSE, &tokens, err);
    if (!s)
        s = tl_tokenizer_decode(tl_model_tokenizer(m), tokens.id, tokens.n, true, &text, err);
    tl_want wants[] = {{.session = b, .ids = ids, .n = 3}, {.session = a, .ids = ids, .n = N, .n_rows = N, .rows = rows}};
    if (!s)
        s = tl_context_step(c, wants, 2, err);
    tl_ids_free(&tokens);
    tl_text_free(&text);
    tl_session_free(a);
    tl_context_free(c);
    tl_model_free(m);
    tl_backend_free(be);
    return s;
}

static bool as_expected(const float *rows, int64_t from, int64_t count) {
    return same_bits(rows, expected + from * 300, (size_t)count * 300);
}

START_TEST(each_allocation_of_a_models_life_may_fail) {
    float *rows = calloc(N * 300, sizeof *rows);
    tl_error err = {0};
    ck_assert_ptr_nonnull(rows);
    tl_alloc_fail_at(LONG_MAX, false);
    ck_assert_msg(live(&ways[_i], rows, &err) == TL_OK, "%s", err.message);
    long count = tl_alloc_count();
    ck_assert_int_gt(count, 50);
    ck_assert(as_expected(rows, 0, N));
    for (long at = 0; at < count; at += sparing(1, 5))
        for (int on = 0; on < 2; on++) {
            memset(&err, 0, sizeof err);
            memset(rows, 0, N * 300 * sizeof *rows);
            tl_alloc_fail_at(at, on);
            tl_status s = live(&ways[_i], rows, &err);
            tl_alloc_fail_at(-1, false);
            if (s == TL_OK) /* it could do without */
                ck_assert_msg(as_expected(rows, 0, N), "allocation %ld failed unseen", at);
            else
                ck_assert_msg(s == TL_ERR_MEMORY && err.status == s && err.message[0], "allocation %ld: %s, '%s'", at, tl_status_name(s),
                              err.message);
        }
    tl_alloc_fail_at(0, true);
    ck_assert_int_eq(live(&ways[_i], rows, &err), TL_ERR_MEMORY);
    tl_alloc_fail_at(-1, false);
    free(rows);
}
END_TEST

/* ---- what was there before --------------------------------------------------------------------------------------------------------- */

/* A session that has tokens, while allocation number `at` fails: another session, a context, a forecast and a tokenisation are tried,
 * then the session itself goes on. Gives the number of allocations. */
static long around(model_rig *r, long at, bool on) {
    tl_session *other = NULL;
    tl_context *c = NULL;
    tl_context_options o = small_context();
    tl_memory_forecast forecast;
    tl_ids tokens = {0};
    float row[300];
    tl_want want = {.session = r->s[0], .ids = ids, .n = 8, .n_rows = 1, .rows = row};
    tl_session_clear(r->s[0]);
    free(model_rows(r, 0, ids, 5, 1, false));
    tl_alloc_fail_at(at, on);
    tl_status made = tl_session_new(&other, r->c, NULL);
    ck_assert(made == (other ? TL_OK : TL_ERR_MEMORY));
    made = tl_context_new(&c, r->m, &o, NULL);
    ck_assert(made == (c ? TL_OK : TL_ERR_MEMORY));
    made = tl_context_forecast(tl_model_gguf(r->m), r->be, NULL, &o, &forecast, NULL);
    ck_assert(made == (forecast.total ? TL_OK : TL_ERR_MEMORY));
    made = tl_tokenizer_encode(tl_model_tokenizer(r->m), "az bz", 5, 0, &tokens, NULL);
    ck_assert(made == TL_OK || made == TL_ERR_MEMORY);
    made = tl_context_step(r->c, &want, 1, &r->err);
    long count = tl_alloc_count();
    tl_alloc_fail_at(-1, false);
    if (made == TL_OK)
        ck_assert(as_expected(row, 7, 1));
    else
        ck_assert_msg(made == TL_ERR_MEMORY, "%s", r->err.message);
    MUST(r, tl_context_step(r->c, &want, 1, &r->err));
    ck_assert(as_expected(row, 7, 1));
    tl_session_free(other);
    tl_context_free(c);
    tl_ids_free(&tokens);
    return count;
}

START_TEST(a_failed_allocation_leaves_what_was_there_usable) {
    tl_context_options o = small_context();
    o.n_sessions = 3;
    model_rig r = model_open_tiny(ways[_i].spec, &tiny, NULL, &o);
    tl_session_free(r.s[2]);
    long count = around(&r, LONG_MAX, false);
    ck_assert_int_gt(count, 10);
    for (long at = 0; at < count; at++)
        for (int on = 0; on < 2; on++)
            around(&r, at, on);
    model_close(&r);
}
END_TEST

/* A stream that ran out of memory takes the same bytes again. */
START_TEST(a_failed_feed_goes_on_with_the_same_bytes) {
    way w = {"cpu:threads=1", BY_FEED, false, true};
    tl_backend *be;
    tl_error err = {0};
    long count = 1;
    int failures = 0;
    ck_assert_int_eq(tl_backend_open(&be, w.spec, &err), TL_OK);
    for (long at = 0; at < count; at++) {
        tl_gguf *g;
        tl_model *m;
        uint64_t want;
        model_rig r = {0};
        ck_assert_int_eq(tl_gguf_parse(&g, tiny.file.data, tiny.file.n, tiny.file.n, &want, &err), TL_OK);
        ck_assert_int_eq(tl_model_begin(&m, g, be, NULL, &err), TL_OK);
        tl_alloc_fail_at(at, false);
        tl_status s = feed(m, &err);
        count = tl_alloc_count() > count ? tl_alloc_count() : count;
        tl_alloc_fail_at(-1, false);
        failures += s != TL_OK;
        ck_assert(s == TL_OK || s == TL_ERR_MEMORY);
        ck_assert_int_eq(feed(m, &err), TL_OK);
        r.m = m;
        model_context(&r, NULL);
        float *rows = model_rows(&r, 0, ids, N, N, false);
        ck_assert(as_expected(rows, 0, N));
        free(rows);
        tl_context_free(r.c);
        tl_model_free(m);
    }
    ck_assert_int_gt(failures, 0);
    tl_backend_free(be);
}
END_TEST

static Suite *oom_suite(void) {
    Suite *s = suite_create("oom");
    TCase *c = tcase_create("out of memory");
    tcase_add_unchecked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 300);
    tcase_add_loop_test(c, each_allocation_of_a_models_life_may_fail, 0, N_WAYS);
    tcase_add_loop_test(c, a_failed_allocation_leaves_what_was_there_usable, 0, 2);
    tcase_add_test(c, a_failed_feed_goes_on_with_the_same_bytes);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(oom_suite());
}
