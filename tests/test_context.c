/* test_context.c: making contexts: options, sizes that are rounded or refused, and forecasts that are true to the byte. */
#include "tests/gguf_files.h"
#include "tests/model_rig.h"
#include "tests/roundings.h"

static tiny_model tiny_of(tl_dtype dtype, bool untied) {
    tiny_config c = tiny_defaults();
    c.dtype = dtype;
    c.untied = untied;
    c.rope_freqs = true;
    return tiny_make(&c);
}

/* ---- the caller's rounding -------------------------------------------------------------------------------------------------- */

/* 1 / sqrt(24) is rounded up to a float and 1 / sqrt(32) down, the epsilon of f64 either way: a caller that rounds otherwise while it loads
 * a model and makes a context must not change them. */
START_TEST(a_model_opened_in_another_rounding_gives_the_same_bits) {
    enum { IDS = 9 };
    int32_t ids[IDS];
    float *want = NULL;
    tiny_config c = tiny_defaults();
    c.head_dim = c.head_dim_v = _i ? 32 : 24;
    c.patch[0] = (tiny_patch){.key = "llama.attention.layer_norm_rms_epsilon", .type = TL_GGUF_F64, .number = _i ? 1.3e-2 : 1.1e-2};
    tiny_model t = tiny_make(&c);
    some_ids(ids, IDS, c.n_vocab, 7);
    tl_context_options o = tl_context_defaults();
    o.kv = TL_F32; /* the 13 bits of f16's weights would hide most of it */
    for (int i = 0; i < N_ROUNDINGS; i++) {
        ck_assert_int_eq(fesetround(roundings[i]), 0);
        model_rig r = model_open_tiny("cpu", &t, NULL, &o);
        ck_assert_int_eq(fegetround(), roundings[i]);
        fesetround(FE_TONEAREST);
        float *rows = model_fresh(&r, 0, ids, IDS, IDS);
        if (want)
            ck_assert_msg(same_bits(rows, want, IDS * model_width(&r, false)), "rounding mode %d", roundings[i]);
        if (want)
            free(rows);
        else
            want = rows;
        model_close(&r);
    }
    free(want);
    tiny_free(&t);
}
END_TEST

/* ---- options --------------------------------------------------------------------------------------------------------------- */

START_TEST(sizes_have_defaults_and_are_rounded_to_pages) {
    tiny_model t = tiny_of(TL_F32, false);
    model_rig r = model_open_tiny("cpu", &t, NULL, NULL);
    ck_assert_int_eq(tl_context_size(r.c), 256); /* the model's */
    ck_assert_int_eq(tl_context_free_tokens(r.c), 256);
    ck_assert_ptr_eq(tl_context_model(r.c), r.m);
    ck_assert_ptr_nonnull(tl_context_plan(r.c));
    ck_assert_int_eq(tl_context_defaults().kv, TL_F16);
    static const int32_t asked[][2] = {{1, 64}, {64, 64}, {65, 128}, {1000, 1024}};
    for (int i = 0; i < 4; i++) {
        tl_context_options o = tl_context_defaults();
        o.n_ctx = asked[i][0];
        model_context(&r, &o);
        ck_assert_int_eq(tl_context_size(r.c), asked[i][1]);
    }
    model_close(&r);
    tiny_free(&t);
}
END_TEST

START_TEST(keys_and_values_take_the_bytes_of_their_type) {
    tiny_model t = tiny_of(TL_F32, false);
    tl_context_options o = tl_context_defaults();
    model_rig r = model_open_tiny("cpu", &t, NULL, &o);
    ck_assert_uint_eq(tl_context_memory(r.c).kv, 2 * 2 * 256 * 2 * 16 * 2); /* layers, k and v, tokens, heads, dims, bytes */
    o.kv = TL_F32;
    model_context(&r, &o);
    ck_assert_uint_eq(tl_context_memory(r.c).kv, 2 * 2 * 256 * 2 * 16 * 4);
    model_close(&r);
    tiny_free(&t);
}
END_TEST

START_TEST(impossible_options_are_refused) {
    tiny_model t = tiny_of(TL_F32, false);
    model_rig r = model_open_tiny("cpu", &t, NULL, NULL);
    tl_context_options o;
    tl_context *c;
#define TRY(status, words, field, value)                                 \
    do {                                                                 \
        o = tl_context_defaults();                                       \
        o.field = value;                                                 \
        REFUSED(&r, tl_context_new(&c, r.m, &o, &r.err), status, words); \
        ck_assert_ptr_null(c);                                           \
    } while (0)
    TRY(TL_ERR_USAGE, "n_ctx -1", n_ctx, -1);
    TRY(TL_ERR_USAGE, "n_batch -2147483648", n_batch, INT32_MIN);
    TRY(TL_ERR_USAGE, "n_rows -3", n_rows, -3);
    TRY(TL_ERR_USAGE, "n_sessions -4", n_sessions, -4);
    TRY(TL_ERR_USAGE, "n_ctx 2147483648 is more than 1073741824", n_ctx, INT32_MAX);
    TRY(TL_ERR_USAGE, "4097 sessions are more than 4096", n_sessions, 4097);
    TRY(TL_ERR_UNSUPPORTED, "keys and values may be f16 or f32, not q8_0", kv, TL_Q8_0);
    TRY(TL_ERR_UNSUPPORTED, "keys and values may be f16 or f32, not an unknown type", kv, (tl_dtype)99);
#undef TRY
    REFUSED(&r, tl_context_new(&c, NULL, NULL, &r.err), TL_ERR_USAGE, "no model given");
    model_close(&r);
    tiny_free(&t);
}
END_TEST

START_TEST(no_context_and_no_model_have_no_properties) {
    tl_memory_forecast m = tl_context_memory(NULL);
    ck_assert_uint_eq(m.total + m.kv + m.weights, 0);
    ck_assert_ptr_null(tl_context_model(NULL));
    ck_assert_ptr_null(tl_context_plan(NULL));
    ck_assert_int_eq(tl_context_size(NULL) + tl_context_free_tokens(NULL), 0);
    ck_assert_ptr_null(tl_model_hparams(NULL));
    ck_assert_ptr_null(tl_model_gguf(NULL));
    ck_assert_ptr_null(tl_model_tokenizer(NULL));
    ck_assert_ptr_null(tl_model_backend(NULL));
    ck_assert_uint_eq(tl_model_params(NULL) + tl_model_weight_bytes(NULL), 0);
    ck_assert_str_eq(tl_model_describe(NULL), "");
    tl_context_free(NULL);
    tl_model_free(NULL);
}
END_TEST

/* ---- vocabularies ------------------------------------------------------------------------------------------------------------ */

START_TEST(a_model_without_weights_tokenizes_and_makes_no_context) {
    tiny_model t = tiny_of(TL_F32, false);
    tl_model_options mo = {.vocab_only = true};
    tl_error err = {0};
    struct {
        tl_error err;
    } r = {{0}};
    tl_gguf *g;
    tl_model *m;
    tl_context *c;
    tl_memory_forecast f;
    tl_ids ids = {0};
    MUST(&r, tl_gguf_from_memory(&g, t.file.data, t.file.n, &r.err));
    MUST(&r, tl_model_load_gguf(&m, g, NULL, &mo, &r.err)); /* not even a backend */
    MUST(&r, tl_tokenizer_encode(tl_model_tokenizer(m), "a b", 3, TL_ENCODE_SPECIAL, &ids, &r.err));
    ck_assert_uint_gt(ids.n, 1);
    REFUSED(&r, tl_context_new(&c, m, NULL, &r.err), TL_ERR_USAGE, "without weights");
    REFUSED(&r, tl_model_feed(m, 0, t.file.data, 1, &r.err), TL_ERR_USAGE, "a model with weights");
    tl_backend *be;
    MUST(&r, tl_backend_open(&be, "cpu", &r.err));
    REFUSED(&r, tl_context_forecast(tl_model_gguf(m), be, &mo, NULL, &f, &r.err), TL_ERR_USAGE, "vocab_only");
    ck_assert_uint_eq(f.total, 0);
    ck_assert_int_eq(tl_context_forecast(tl_model_gguf(m), be, NULL, NULL, &f, &err), TL_OK);
    REFUSED(&r, tl_context_forecast(NULL, be, NULL, NULL, &f, &r.err), TL_ERR_USAGE, "a file and a backend");
    REFUSED(&r, tl_context_forecast(tl_model_gguf(m), NULL, NULL, NULL, &f, &r.err), TL_ERR_USAGE, "a file and a backend");
    tl_backend_free(be);
    tl_ids_free(&ids);
    tl_model_free(m);
    tiny_free(&t);
}
END_TEST

START_TEST(a_vocabulary_file_is_no_model) {
    char path[1024];
    model_rig r = {0};
    if (!data_path(path, sizeof path, "vocab/ggml-vocab-phi-3.gguf"))
        SKIP("TALLY_TEST_DATA is not set");
    MUST(&r, tl_backend_open(&r.be, "cpu", &r.err));
    REFUSED(&r, tl_model_load(&r.m, path, r.be, NULL, &r.err), TL_ERR_FORMAT, "the file holds a vocabulary but no weights");
    ck_assert_ptr_null(r.m);
    tl_model_options mo = {.vocab_only = true};
    MUST(&r, tl_model_load(&r.m, path, NULL, &mo, &r.err));
    ck_assert_int_eq(tl_tokenizer_size(tl_model_tokenizer(r.m)), 32064);
    model_close(&r);
}
END_TEST

/* ---- forecasts --------------------------------------------------------------------------------------------------------------- */

static void check_forecast(const tl_gguf *g, model_rig *r, const tl_model_options *mo, const tl_context_options *o) {
    tl_memory_forecast f, m = tl_context_memory(r->c);
    MUST(r, tl_context_forecast(g, r->be, mo, o, &f, &r->err));
    ck_assert_uint_eq(f.weights, m.weights);
    ck_assert_uint_eq(f.kv, m.kv);
    ck_assert_uint_eq(f.activations, m.activations);
    ck_assert_uint_eq(f.workers, m.workers);
    ck_assert_uint_eq(f.total, m.total);
    ck_assert_uint_eq(f.total, f.weights + f.kv + f.activations + f.workers);
    ck_assert_uint_gt(f.activations, 0);
    ck_assert_uint_ge(f.weights, tl_model_weight_bytes(r->m));
}

/* By the opened file and by its table alone, whose data no one has. */
static void check_forecasts(model_rig *r, const tl_model_options *mo, const tl_context_options *o, const void *file, size_t n) {
    tl_gguf *table;
    uint64_t want;
    size_t head = (size_t)tl_gguf_data_offset(tl_model_gguf(r->m));
    ck_assert_uint_le(head, n);
    MUST(r, tl_gguf_parse(&table, file, head, n, &want, &r->err));
    check_forecast(tl_model_gguf(r->m), r, mo, o);
    check_forecast(table, r, mo, o);
    tl_gguf_free(table);
}

START_TEST(a_forecast_equals_what_a_context_takes) {
    static const tl_dtype dtypes[] = {TL_F32, TL_F16, TL_Q8_0, TL_Q4_0, TL_Q4_1, TL_Q5_1};
    tiny_model t = tiny_of(dtypes[_i], _i % 2);
    for (int b = 0; tl_backend_openable(b); b++)
        for (int variant = 0; variant < 4; variant++) {
            tl_model_options mo = {.no_pack = variant & 1};
            tl_context_options o = {.n_ctx = 64 << variant,
                                    .n_batch = 1 + 30 * variant,
                                    .n_rows = variant,
                                    .n_sessions = 1 + variant % 3,
                                    .kv = variant & 2 ? TL_F32 : TL_F16,
                                    .plan = {.no_reuse = variant == 1, .no_fuse = variant == 2}};
            model_rig r = model_open_tiny(tl_backend_openable(b), &t, &mo, &o);
            check_forecasts(&r, &mo, &o, t.file.data, t.file.n);
            model_close(&r);
        }
    tiny_free(&t);
}
END_TEST

START_TEST(packed_weights_and_weights_as_stored_are_counted_once) {
    tiny_model t = tiny_of(TL_Q8_0, false);
    for (int no_pack = 0; no_pack < 2; no_pack++) {
        tl_model_options mo = {.no_pack = no_pack};
        model_rig r = model_open_tiny("cpu", &t, &mo, NULL);
        uint64_t stored = tl_model_weight_bytes(r.m), taken = tl_context_memory(r.c).weights;
        ck_assert_uint_ge(taken, stored);
        ck_assert_uint_le(taken, stored + stored / 8); /* padding of rows to groups */
        if (no_pack)
            ck_assert_uint_eq(taken, stored);
        model_close(&r);
    }
    tiny_free(&t);
}
END_TEST

START_TEST(a_forecast_of_a_broken_file_gives_its_message) {
    tiny_config c = tiny_defaults();
    c.without = "blk.1.ffn_up.weight";
    tiny_model t = tiny_make(&c);
    model_rig r = {0};
    tl_gguf *g;
    tl_memory_forecast f;
    MUST(&r, tl_backend_open(&r.be, "cpu", &r.err));
    MUST(&r, tl_gguf_from_memory(&g, t.file.data, t.file.n, &r.err));
    REFUSED(&r, tl_context_forecast(g, r.be, NULL, NULL, &f, &r.err), TL_ERR_FORMAT, "tensor 'blk.1.ffn_up.weight' is missing");
    ck_assert_uint_eq(f.total, 0);
    tl_gguf_free(g);
    model_close(&r);
    tiny_free(&t);
}
END_TEST

static Suite *context_suite(void) {
    Suite *s = suite_create("context");
    TCase *c = tcase_create("contexts");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, a_model_opened_in_another_rounding_gives_the_same_bits, 0, 2);
    tcase_add_test(c, sizes_have_defaults_and_are_rounded_to_pages);
    tcase_add_test(c, keys_and_values_take_the_bytes_of_their_type);
    tcase_add_test(c, impossible_options_are_refused);
    tcase_add_test(c, no_context_and_no_model_have_no_properties);
    tcase_add_test(c, a_model_without_weights_tokenizes_and_makes_no_context);
    tcase_add_test(c, a_vocabulary_file_is_no_model);
    tcase_add_loop_test(c, a_forecast_equals_what_a_context_takes, 0, 6);
    tcase_add_test(c, packed_weights_and_weights_as_stored_are_counted_once);
    tcase_add_test(c, a_forecast_of_a_broken_file_gives_its_message);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(context_suite());
}
