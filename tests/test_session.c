/* test_session.c: whatever way tokens take into a session, the bits are those of one fresh run: cut into pieces, after a prefix that was
 * kept, beside other sessions, on pages in any order, with any number of threads. And a step that is refused changes nothing. */
#include <stdatomic.h>

#include "tests/model_rig.h"

enum { N = 150, WIDE = 300 };

static tiny_model tiny; /* of the fixture: q4_1 weights */
static int32_t ids[N];
static float *expected[2]; /* logits [N, WIDE] by ref in one run, keys and values f16 and f32 */

static const tl_dtype kinds[2] = {TL_F16, TL_F32};

static tl_context_options with(tl_dtype kv, int batch, int rows, int sessions) {
    tl_context_options o = tl_context_defaults();
    o.kv = kv;
    o.n_ctx = 256;
    o.n_batch = batch;
    o.n_rows = rows;
    o.n_sessions = sessions;
    return o;
}

static void setup(void) {
    tiny_config c = tiny_defaults();
    c.dtype = TL_Q4_1;
    c.n_vocab = WIDE;
    tiny = tiny_make(&c);
    some_ids(ids, N, WIDE, 1);
    for (int i = 0; i < 2; i++) {
        tl_context_options o = with(kinds[i], 256, 256, 1);
        model_rig r = model_open_tiny("ref", &tiny, NULL, &o);
        expected[i] = model_rows(&r, 0, ids, N, N, false);
        model_close(&r);
    }
}

static void teardown(void) {
    tiny_free(&tiny);
    free(expected[0]);
    free(expected[1]);
}

/* rows [count, WIDE] are those of positions from on. */
static bool as_expected(int kind, const float *rows, int64_t from, int64_t count) {
    return same_bits(rows, expected[kind] + from * WIDE, (size_t)count * WIDE);
}

/* ---- one session, any cut ------------------------------------------------------------------------------------------------ */

/* Every position's row, asked for in calls of `piece` tokens. */
static void check_pieces(model_rig *r, int kind, int piece) {
    tl_session_clear(r->s[0]);
    for (int at = 0; at < N; at += piece) {
        int n = N - at < piece ? N - at : piece;
        float *rows = model_rows(r, 0, ids, at + n, n, false);
        ck_assert_msg(as_expected(kind, rows, at, n), "calls of %d tokens, at %d", piece, at);
        free(rows);
    }
    ck_assert_int_eq(tl_session_length(r->s[0]), N);
    ck_assert_mem_eq(tl_session_ids(r->s[0]), ids, sizeof ids);
}

START_TEST(prefill_at_once_in_pieces_or_one_by_one_gives_the_same_bits) {
    static const char *const specs[] = {"cpu:threads=1", "cpu:threads=3", "ref", "cpu:threads=2", "cpu:threads=7", "cpu:isa=scalar"};
    static const int batches[] = {256, 17, 1}, pieces[] = {N, 17, 1};
    for (int kind = 0; kind < 2; kind++)
        for (int b = 0; b < 3; b++) {
            tl_context_options o = with(kinds[kind], batches[b], 32, 1);
            model_rig r = model_open_tiny(specs[_i], &tiny, NULL, &o);
            for (int p = 0; p < 3; p++)
                if (p == (b + kind) % 3 || sparing(1, 0))
                    check_pieces(&r, kind, pieces[p]);
            model_close(&r);
        }
}
END_TEST

START_TEST(without_reuse_fusion_or_packing_the_bits_stay) {
    for (int kind = 0; kind < 2; kind++)
        for (int options = 0; options < 8; options += sparing(1, 7)) {
            tl_context_options o = with(kinds[kind], 64, 32, 1);
            tl_model_options mo = {.no_pack = options & 1};
            o.plan.no_reuse = options & 2;
            o.plan.no_fuse = options & 4;
            model_rig r = model_open_tiny(_i ? "cpu" : "ref", &tiny, &mo, &o);
            check_pieces(&r, kind, N);
            check_pieces(&r, kind, 1 + 48 * (options & 1));
            model_close(&r);
        }
}
END_TEST

START_TEST(more_rows_than_fit_a_run_take_several) {
    static const int maxima[] = {1, 2, 31, 149, 150};
    tl_context_options o = with(TL_F16, 256, maxima[_i], 1);
    model_rig r = model_open_tiny("cpu", &tiny, NULL, &o);
    float *rows = model_fresh(&r, 0, ids, N, N);
    ck_assert(as_expected(0, rows, 0, N));
    free(rows);
    rows = model_fresh(&r, 0, ids, N, 40);
    ck_assert(as_expected(0, rows, N - 40, 40));
    free(rows);
    model_close(&r);
}
END_TEST

/* ---- prefixes ------------------------------------------------------------------------------------------------------------ */

/* A step of session 0 whose last n_rows rows must be as in a fresh run; gives the tokens computed. */
static int64_t step_as_fresh(model_rig *r, const int32_t *sequence, int64_t n, int64_t n_rows) {
    float *rows = calloc((size_t)n_rows * WIDE + 1, sizeof *rows), *fresh = model_fresh(r, 1, sequence, n, n_rows);
    tl_want want = {.session = r->s[0], .ids = sequence, .n = n, .n_rows = n_rows, .rows = rows};
    ck_assert_ptr_nonnull(rows);
    MUST(r, tl_context_step(r->c, &want, 1, &r->err));
    ck_assert(same_bits(rows, fresh, (size_t)n_rows * WIDE));
    ck_assert_int_eq(tl_session_length(r->s[0]), n);
    ck_assert_mem_eq(tl_session_ids(r->s[0]), sequence, (size_t)n * sizeof *sequence);
    free(rows);
    free(fresh);
    return want.computed;
}

START_TEST(a_kept_prefix_gives_the_bits_of_a_fresh_run) {
    tl_context_options o = with(kinds[_i], 64, 32, 2);
    o.n_ctx = 512;
    model_rig r = model_open_tiny("cpu", &tiny, NULL, &o);
    int32_t other[N];
    memcpy(other, ids, sizeof ids);
    ck_assert_int_eq(step_as_fresh(&r, ids, 100, 1), 100);
    ck_assert_int_eq(step_as_fresh(&r, ids, N, 1), N - 100); /* goes on */
    ck_assert_int_eq(step_as_fresh(&r, ids, N, 1), 1);       /* retry: the last token again, for its row */
    ck_assert_int_eq(step_as_fresh(&r, ids, N, 0), 0);       /* nothing wanted, nothing computed */
    ck_assert_int_eq(step_as_fresh(&r, ids, N, 30), 30);
    other[70] ^= 1; /* edit in the middle */
    ck_assert_int_eq(step_as_fresh(&r, other, N, 5), N - 70);
    ck_assert_int_eq(step_as_fresh(&r, ids, 75, 1), 5); /* back, and shorter */
    ck_assert_int_eq(step_as_fresh(&r, ids, 64, 1), 1); /* shorter: only the row's own token */
    ck_assert_int_eq(step_as_fresh(&r, ids, 63, 0), 0);
    other[0] = 5;
    ck_assert_int_eq(step_as_fresh(&r, other, 20, 20), 20); /* nothing in common */
    ck_assert_int_eq(step_as_fresh(&r, other, 0, 0), 0);    /* the empty sequence */
    ck_assert_int_eq(tl_context_free_tokens(r.c), 512);
    model_close(&r);
}
END_TEST

/* ---- several sessions ------------------------------------------------------------------------------------------------------ */

START_TEST(sessions_in_one_step_give_the_bits_of_one_by_one) {
    tl_context_options alone = with(kinds[_i], 64, 8, 1), together = with(kinds[_i], 64, 8, 3);
    together.n_ctx = 1024;
    model_rig a = model_open_tiny("ref", &tiny, NULL, &alone), b = model_open_tiny("cpu", &tiny, NULL, &together);
    static const int lengths[][3] = {{5, 0, 0}, {6, 90, 0}, {7, 91, 33}, {90, 12, 34}, {91, 140, 64}, {92, 141, 65}, {1, 150, 66}};
    for (int i = 0; i < (int)(sizeof lengths / sizeof *lengths); i += sparing(1, 2)) {
        tl_want wants[3];
        float *rows[3];
        int k = 0;
        for (int s = 2; s >= 0; s--) { /* in another order than the sessions' own */
            int n = lengths[i][s], from = 40 * s > N - n ? N - n : 40 * s, n_rows = n < 12 ? n : 1 + 11 * (s == 1);
            if (n == 0)
                continue;
            rows[k] = calloc((size_t)n_rows * WIDE, sizeof **rows);
            ck_assert_ptr_nonnull(rows[k]);
            wants[k] = (tl_want){.session = b.s[s], .ids = ids + from, .n = n, .n_rows = n_rows, .rows = rows[k]};
            k++;
        }
        MUST(&b, tl_context_step(b.c, wants, k, &b.err));
        for (int j = 0; j < k; j++) {
            float *fresh = model_fresh(&a, 0, wants[j].ids, wants[j].n, wants[j].n_rows);
            ck_assert_msg(same_bits(rows[j], fresh, (size_t)wants[j].n_rows * WIDE), "step %d, want %d", i, j);
            free(fresh);
            free(rows[j]);
        }
    }
    model_close(&a);
    model_close(&b);
}
END_TEST

START_TEST(hidden_rows_and_logits_come_from_one_step) {
    tl_context_options o = with(TL_F16, 32, 4, 3);
    o.n_ctx = 768;
    model_rig r = model_open_tiny("cpu", &tiny, NULL, &o);
    float *logits = model_rows(&r, 0, ids, 50, 6, false), *hidden = model_rows(&r, 1, ids + 3, 40, 9, true);
    size_t dim = model_width(&r, true);
    float *both = calloc(6 * WIDE + 9 * dim + 2 * dim, sizeof *both);
    ck_assert_ptr_nonnull(both);
    for (int i = 0; i < 2; i++)
        tl_session_clear(r.s[i]);
    tl_want wants[] = {{.session = r.s[1], .ids = ids + 3, .n = 40, .n_rows = 9, .hidden = true, .rows = both + 6 * WIDE},
                       {.session = r.s[0], .ids = ids, .n = 50, .n_rows = 6, .rows = both},
                       {.session = r.s[2], .ids = ids + 3, .n = 40, .n_rows = 2, .hidden = true, .rows = both + 6 * WIDE + 9 * dim}};
    MUST(&r, tl_context_step(r.c, wants, 3, &r.err));
    ck_assert(same_bits(both, logits, 6 * WIDE));
    ck_assert(same_bits(both + 6 * WIDE, hidden, 9 * dim));
    ck_assert(same_bits(both + 6 * WIDE + 9 * dim, hidden + 7 * dim, 2 * dim));
    free(both);
    free(logits);
    free(hidden);
    model_close(&r);
}
END_TEST

/* Sessions that grow in turns take pages in turns, and take those of others after a clear: keys of one sequence then lie anywhere. */
START_TEST(pages_in_any_order_give_the_same_bits) {
    tl_context_options o = with(kinds[_i], 64, 8, 3);
    o.n_ctx = 64 * 6;
    model_rig r = model_open_tiny("cpu", &tiny, NULL, &o);
    for (int round = 0; round < 4; round++) {
        for (int n = 30; n <= N - 30; n += 30)
            for (int s = 0; s < 2; s++)
                free(model_rows(&r, s, ids + s, n, 1, false));
        tl_session_clear(r.s[round % 2]);
        float *rows = model_rows(&r, 2, ids, N, 3, false);
        ck_assert(as_expected(_i, rows, N - 3, 3));
        free(rows);
        rows = model_rows(&r, !(round % 2), ids, 64 + round, 1, false);
        ck_assert(as_expected(_i, rows, 63 + round, 1));
        free(rows);
        tl_session_clear(r.s[2]);
        ck_assert_int_eq(tl_context_free_tokens(r.c), 64 * (round == 0 ? 5 : 4));
    }
    for (int s = 0; s < 3; s++)
        tl_session_clear(r.s[s]);
    ck_assert_int_eq(tl_context_free_tokens(r.c), 64 * 6);
    model_close(&r);
}
END_TEST

/* ---- refusals ---------------------------------------------------------------------------------------------------------------- */

/* Sessions 0 and 1 hold 100 and 30 tokens. */
static model_rig two_sessions(int n_ctx) {
    tl_context_options o = with(TL_F16, 64, 8, 2);
    o.n_ctx = n_ctx;
    model_rig r = model_open_tiny("cpu", &tiny, NULL, &o);
    free(model_rows(&r, 0, ids, 100, 1, false));
    free(model_rows(&r, 1, ids + 7, 30, 1, false));
    return r;
}

/* Both still hold them, and go on with the right bits. */
static void unchanged(model_rig *r) {
    ck_assert_int_eq(tl_session_length(r->s[0]), 100);
    ck_assert_int_eq(tl_session_length(r->s[1]), 30);
    ck_assert_mem_eq(tl_session_ids(r->s[0]), ids, 100 * sizeof *ids);
    ck_assert_mem_eq(tl_session_ids(r->s[1]), ids + 7, 30 * sizeof *ids);
    ck_assert_int_eq(tl_context_free_tokens(r->c), tl_context_size(r->c) - 192);
    float *rows = calloc(WIDE, sizeof *rows);
    tl_want want = {.session = r->s[0], .ids = ids, .n = 101, .n_rows = 1, .rows = rows};
    MUST(r, tl_context_step(r->c, &want, 1, &r->err));
    ck_assert_int_eq(want.computed, 1);
    ck_assert(as_expected(0, rows, 100, 1));
    free(rows);
}

START_TEST(a_full_context_is_refused_and_says_what_to_do) {
    model_rig r = two_sessions(256);
    float row[WIDE] = {0};
    int32_t many[257] = {0};
    REFUSED(&r, tl_session_sync(r.s[0], many, 257, row, &r.err), TL_ERR_FULL,
            "the context is full: 257 tokens are more than its 256; make it with a larger n_ctx or start a shorter conversation");
    REFUSED(&r, tl_session_sync(r.s[1], ids, 129, row, &r.err), TL_ERR_FULL,
            "the context is full: 3 more pages of 64 tokens are needed, 2 are free; make it with a larger n_ctx or clear a session");
    tl_want both[] = {{.session = r.s[1], .ids = ids + 7, .n = 70, .n_rows = 1, .rows = row},
                      {.session = r.s[0], .ids = ids, .n = 129, .n_rows = 0}};
    REFUSED(&r, tl_context_step(r.c, both, 2, &r.err), TL_ERR_FULL, "the context is full");
    unchanged(&r);
    tl_session_clear(r.s[0]); /* as the message says */
    float *rows = model_rows(&r, 1, ids, 129, 1, false);
    ck_assert(as_expected(0, rows, 128, 1));
    free(rows);
    model_close(&r);
}
END_TEST

START_TEST(wrong_wants_are_refused_and_change_nothing) {
    model_rig r = two_sessions(256);
    model_rig foreign = two_sessions(256);
    float rows[2 * WIDE];
    int32_t wrong[3] = {1, 2, WIDE};
    tl_want good = {.session = r.s[1], .ids = ids, .n = 3, .n_rows = 1, .rows = rows};
#define TRY(status, words, ...)                                             \
    do {                                                                    \
        tl_want wants[2] = {good, {__VA_ARGS__}};                           \
        REFUSED(&r, tl_context_step(r.c, wants, 2, &r.err), status, words); \
    } while (0)
    TRY(TL_ERR_RANGE, "want 1: token 2 is id 300; the model has ids 0 to 299", .session = r.s[0], .ids = wrong, .n = 3);
    wrong[2] = -1;
    TRY(TL_ERR_RANGE, "want 1: token 2 is id -1", .session = r.s[0], .ids = wrong, .n = 3);
    wrong[2] = INT32_MIN;
    TRY(TL_ERR_RANGE, "want 1: token 2", .session = r.s[0], .ids = wrong, .n = 3);
    TRY(TL_ERR_USAGE, "wants 0 and 1 are of one session", .session = r.s[1], .ids = ids, .n = 3);
    TRY(TL_ERR_USAGE, "want 1 has no session of this context", .session = NULL, .ids = ids, .n = 3);
    TRY(TL_ERR_USAGE, "want 1 has no session of this context", .session = foreign.s[0], .ids = ids, .n = 3);
    TRY(TL_ERR_USAGE, "want 1", .session = r.s[0], .ids = NULL, .n = 3);
    TRY(TL_ERR_USAGE, "want 1", .session = r.s[0], .ids = ids, .n = -1);
    TRY(TL_ERR_USAGE, "want 1", .session = r.s[0], .ids = ids, .n = INT64_MIN);
    TRY(TL_ERR_FULL, "the context is full", .session = r.s[0], .ids = ids, .n = INT64_MAX);
    TRY(TL_ERR_USAGE, "n, n_rows are (3, 4)", .session = r.s[0], .ids = ids, .n = 3, .n_rows = 4, .rows = rows);
    TRY(TL_ERR_USAGE, "want 1", .session = r.s[0], .ids = ids, .n = 3, .n_rows = -1, .rows = rows);
    TRY(TL_ERR_USAGE, "want 1", .session = r.s[0], .ids = ids, .n = 3, .n_rows = 1, .rows = NULL);
#undef TRY
    REFUSED(&r, tl_context_step(NULL, &good, 1, &r.err), TL_ERR_USAGE, "a context and at least one want");
    REFUSED(&r, tl_context_step(r.c, NULL, 1, &r.err), TL_ERR_USAGE, "a context and at least one want");
    REFUSED(&r, tl_context_step(r.c, &good, 0, &r.err), TL_ERR_USAGE, "a context and at least one want");
    REFUSED(&r, tl_context_step(r.c, &good, -1, &r.err), TL_ERR_USAGE, "a context and at least one want");
    REFUSED(&r, tl_session_sync(NULL, ids, 3, rows, &r.err), TL_ERR_USAGE, "session: none given");
    REFUSED(&r, tl_session_sync(r.s[0], ids, 0, rows, &r.err), TL_ERR_USAGE, "no tokens are given"); /* no last position to give a row of */
    unchanged(&r);
    model_close(&r);
    model_close(&foreign);
}
END_TEST

START_TEST(sessions_beyond_the_number_are_refused_until_one_is_freed) {
    model_rig r = two_sessions(256);
    tl_session *third;
    REFUSED(&r, tl_session_new(&third, r.c, &r.err), TL_ERR_FULL, "the context has 2 sessions, all in use");
    ck_assert_ptr_null(third);
    REFUSED(&r, tl_session_new(&third, NULL, &r.err), TL_ERR_USAGE, "no context");
    tl_session_free(r.s[0]);
    ck_assert_int_eq(tl_context_free_tokens(r.c), 256 - 64);
    MUST(&r, tl_session_new(&r.s[0], r.c, &r.err));
    ck_assert_int_eq(tl_session_length(r.s[0]), 0);
    float *rows = model_rows(&r, 0, ids, 100, 1, false);
    ck_assert(as_expected(0, rows, 99, 1));
    free(rows);
    model_close(&r);
}
END_TEST

START_TEST(no_session_is_an_empty_one) {
    tl_session_free(NULL);
    tl_session_clear(NULL);
    ck_assert_int_eq(tl_session_length(NULL), 0);
    ck_assert_ptr_null(tl_session_ids(NULL));
}
END_TEST

/* ---- cancelling ---------------------------------------------------------------------------------------------------------------- */

/* A probe that has the step cancelled at its node number `at`, here or by the thread that waits for `reached`. */
typedef struct canceller {
    tl_context *c;
    int at, seen;
    bool by_thread;
    atomic_bool reached, done;
} canceller;

static void probe_cancel(void *ctx, const tl_plan *p, const tl_tensor *node) {
    canceller *k = ctx;
    (void)p;
    (void)node;
    if (k->seen++ != k->at)
        return;
    atomic_store(&k->reached, true);
    if (!k->by_thread)
        tl_context_cancel(k->c);
    while (k->by_thread && !atomic_load(&k->done))
        tl_yield();
}

static void cancel_when_reached(void *arg) {
    canceller *k = arg;
    while (!atomic_load(&k->reached))
        tl_yield();
    tl_context_cancel(k->c);
    atomic_store(&k->done, true);
}

START_TEST(a_cancelled_prefill_leaves_sessions_that_go_on) {
    canceller k = {.at = -1, .by_thread = _i};
    tl_context_options o = with(TL_F16, 16, 4, 2);
    o.plan.probe = probe_cancel;
    o.plan.probe_ctx = &k;
    for (int backend = 0; backend < 2; backend++) {
        model_rig r = model_open_tiny(backend ? "cpu:threads=2" : "ref", &tiny, NULL, &o);
        float row[WIDE];
        k = (canceller){.c = r.c, .at = -1, .by_thread = _i};
        free(model_rows(&r, 1, ids + 9, 10, 1, false));
        int nodes = k.seen; /* of one run */
        k.at = 3 * nodes + nodes / 2;
        k.seen = 0;
        tl_thread *thread = NULL;
        if (k.by_thread)
            ck_assert_int_eq(tl_thread_start(&thread, cancel_when_reached, &k), TL_OK);
        tl_want wants[] = {{.session = r.s[1], .ids = ids + 9, .n = 26, .n_rows = 0},
                           {.session = r.s[0], .ids = ids, .n = 100, .n_rows = 1, .rows = row}};
        tl_status s = tl_context_step(r.c, wants, 2, &r.err);
        if (thread)
            tl_thread_join(thread);
        ck_assert_msg(s == TL_CANCELLED, "%s: %s", tl_status_name(s), r.err.message);
        ck_assert_int_eq(tl_session_length(r.s[1]), 26);
        ck_assert_int_eq(wants[0].computed, 16);
        ck_assert_int_eq(wants[1].computed, 32);
        ck_assert_int_eq(tl_session_length(r.s[0]), 32); /* the first run took 16 of the other session's tokens */
        ck_assert_mem_eq(tl_session_ids(r.s[0]), ids, 32 * sizeof *ids);
        ck_assert_int_eq(tl_context_free_tokens(r.c), 256 - 128);
        wants[1].computed = -1;
        k.at = -1;
        MUST(&r, tl_context_step(r.c, wants, 2, &r.err));
        ck_assert_int_eq(wants[1].computed, 68);
        ck_assert(as_expected(0, row, 99, 1));
        model_close(&r);
    }
}
END_TEST

START_TEST(logits_of_no_token_are_refused) {
    model_rig r = two_sessions(256);
    float row[WIDE];
    REFUSED(&r, tl_session_sync(r.s[0], ids, 0, row, &r.err), TL_ERR_USAGE, "no tokens are given");
    MUST(&r, tl_session_sync(r.s[0], NULL, 0, NULL, &r.err)); /* forgets all */
    ck_assert_int_eq(tl_session_length(r.s[0]), 0);
    model_close(&r);
}
END_TEST

START_TEST(a_cancel_between_steps_ends_the_next_one_alone) {
    model_rig r = two_sessions(256);
    float row[WIDE];
    tl_context_cancel(NULL);
    tl_context_cancel(r.c);
    REFUSED(&r, tl_session_sync(r.s[0], ids, N, row, &r.err), TL_CANCELLED, "");
    unchanged(&r);
    model_close(&r);
}
END_TEST

/* ---- threads of the caller ------------------------------------------------------------------------------------------------------- */

typedef struct worker {
    model_rig *r;
    int first;
    bool good;
} worker;

static void run_context(void *arg) {
    worker *w = arg;
    tl_context *c = NULL;
    tl_session *s = NULL;
    tl_context_options o = with(TL_F16, 16, 4, 1);
    float *row = calloc(WIDE, sizeof *row);
    w->good = row && !tl_context_new(&c, w->r->m, &o, NULL) && !tl_session_new(&s, c, NULL);
    for (int n = w->first; n <= N && w->good; n += 37)
        w->good = !tl_session_sync(s, ids, n, row, NULL) && as_expected(0, row, n - 1, 1);
    tl_context_free(c);
    free(row);
}

START_TEST(threads_share_a_model_and_its_backend) {
    tl_context_options o = with(TL_F16, 16, 4, 1);
    model_rig r = model_open_tiny("cpu:threads=2", &tiny, NULL, &o);
    tl_thread *thread[3];
    worker workers[3];
    for (int i = 0; i < 3; i++) {
        workers[i] = (worker){.r = &r, .first = 11 + 20 * i};
        ck_assert_int_eq(tl_thread_start(&thread[i], run_context, &workers[i]), TL_OK);
    }
    for (int i = 0; i < 3; i++)
        tl_thread_join(thread[i]);
    for (int i = 0; i < 3; i++)
        ck_assert_msg(workers[i].good, "thread %d", i);
    model_close(&r);
}
END_TEST

static Suite *session_suite(void) {
    Suite *s = suite_create("session");
    TCase *ways = tcase_create("ways"), *c = tcase_create("sessions"); /* the first takes minutes under a checker: see tests/run */
    tcase_add_unchecked_fixture(ways, setup, teardown);
    tcase_set_timeout(ways, 300);
    tcase_add_loop_test(ways, prefill_at_once_in_pieces_or_one_by_one_gives_the_same_bits, 0, sparing(6, 3));
    tcase_add_loop_test(ways, without_reuse_fusion_or_packing_the_bits_stay, 0, 2);
    suite_add_tcase(s, ways);
    tcase_add_unchecked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 300);
    tcase_add_loop_test(c, more_rows_than_fit_a_run_take_several, 0, 5);
    tcase_add_loop_test(c, a_kept_prefix_gives_the_bits_of_a_fresh_run, 0, 2);
    tcase_add_loop_test(c, sessions_in_one_step_give_the_bits_of_one_by_one, 0, 2);
    tcase_add_test(c, hidden_rows_and_logits_come_from_one_step);
    tcase_add_loop_test(c, pages_in_any_order_give_the_same_bits, 0, 2);
    tcase_add_test(c, a_full_context_is_refused_and_says_what_to_do);
    tcase_add_test(c, wrong_wants_are_refused_and_change_nothing);
    tcase_add_test(c, sessions_beyond_the_number_are_refused_until_one_is_freed);
    tcase_add_test(c, no_session_is_an_empty_one);
    tcase_add_loop_test(c, a_cancelled_prefill_leaves_sessions_that_go_on, 0, 2);
    tcase_add_test(c, logits_of_no_token_are_refused);
    tcase_add_test(c, a_cancel_between_steps_ends_the_next_one_alone);
    tcase_add_test(c, threads_share_a_model_and_its_backend);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(session_suite());
}
