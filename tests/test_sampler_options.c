/* test_sampler_options.c: options and calls that a sampler refuses, and the options that a file brings. */
#include <math.h>
#include <string.h>

#include "models/model.h"
#include "tests/roundings.h"
#include "tests/suite.h"

/* ---- options --------------------------------------------------------------------------------------------------------------- */

static void refused(const tl_sampler_options *o, const char *part) {
    tl_sampler *s;
    tl_error err = {0};
    ck_assert_msg(tl_sampler_new(&s, 4, o, &err) == TL_ERR_USAGE, "%s: not refused", part);
    ck_assert_msg(strstr(err.message, part) != NULL, "%s: %s", part, err.message);
    ck_assert_ptr_null(s);
}

/* The defaults with some options set are refused by a message that has `part`. */
#define REFUSED_WITH(part, ...)                       \
    do {                                              \
        tl_sampler_options o = tl_sampler_defaults(); \
        __VA_ARGS__;                                  \
        refused(&o, part);                            \
    } while (0)

START_TEST(options_out_of_range_are_refused_by_name) {
    const int32_t outside[] = {4}, inside[] = {3}, negative[] = {-1};
    const float nan[] = {NAN}, zero[] = {0};
    REFUSED_WITH("temperature", o.temperature = NAN);
    REFUSED_WITH("temperature", o.temperature = INFINITY);
    REFUSED_WITH("top_p", o.top_p = NAN);
    REFUSED_WITH("top_p", o.top_p = -0.1f);
    REFUSED_WITH("min_p", o.min_p = NAN);
    REFUSED_WITH("min_p", o.min_p = 1.1f);
    REFUSED_WITH("repeat_penalty", o.repeat_penalty = 0);
    REFUSED_WITH("repeat_penalty", o.repeat_penalty = -1);
    REFUSED_WITH("repeat_penalty", o.repeat_penalty = INFINITY);
    REFUSED_WITH("repeat_penalty", o.repeat_penalty = NAN);
    REFUSED_WITH("presence_penalty", o.presence_penalty = NAN);
    REFUSED_WITH("presence_penalty", o.presence_penalty = INFINITY);
    REFUSED_WITH("frequency_penalty", o.frequency_penalty = -INFINITY);
    REFUSED_WITH("repeat_last_n", o.repeat_last_n = -2);
    REFUSED_WITH("min_keep", o.min_keep = -1);
    REFUSED_WITH("n_bias", o.n_bias = -1);
    REFUSED_WITH("no ids or no values", o.n_bias = 1);
    REFUSED_WITH("logit bias for token 4", o.n_bias = 1, o.bias_ids = outside, o.bias_values = zero);
    REFUSED_WITH("logit bias for token -1", o.n_bias = 1, o.bias_ids = negative, o.bias_values = zero);
    REFUSED_WITH("logit bias for token 3", o.n_bias = 1, o.bias_ids = inside, o.bias_values = nan);
    REFUSED_WITH("no ids or no values", o.n_bias = 1, o.bias_ids = inside);
}
END_TEST

START_TEST(wrong_calls_are_refused) {
    tl_sampler *s;
    tl_error err = {0};
    int32_t id;
    const float logits[] = {1, 2};
    const int32_t bad[] = {0, 2};
    ck_assert_int_eq(tl_sampler_new(NULL, 2, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_sampler_new(&s, 0, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_sampler_new(&s, 2, NULL, &err), TL_OK);
    ck_assert_int_eq(tl_sampler_next(NULL, logits, &id, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_sampler_next(s, NULL, &id, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_sampler_next(s, logits, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_sampler_accept(s, NULL, 1, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_sampler_accept(s, NULL, 0, &err), TL_OK);
    ck_assert_int_eq(tl_sampler_accept(s, bad, 2, &err), TL_ERR_RANGE);
    ck_assert_ptr_nonnull(strstr(err.message, "token 2; the vocabulary has the tokens 0 .. 1"));
    tl_sampler_free(s);
    tl_sampler_free(NULL);
    (void)tl_seed_from_clock();
}
END_TEST

/* ---- from a file ----------------------------------------------------------------------------------------------------------- */

typedef struct row {
    const char *key;
    tl_gguf_type type;
    double value;
} row;

static tl_status from_file(const row *rows, int n, tl_sampler_options *o, tl_error *err) {
    tl_gguf_writer *w;
    tl_gguf *g;
    tl_text bytes = {0};
    ck_assert_int_eq(tl_gguf_writer_new(&w, err), TL_OK);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(rows[i].type == TL_GGUF_F32 || rows[i].type == TL_GGUF_F64
                             ? tl_gguf_set_float(w, rows[i].key, rows[i].type, rows[i].value, err)
                             : tl_gguf_set_int(w, rows[i].key, rows[i].type, (int64_t)rows[i].value, err),
                         TL_OK);
    ck_assert_int_eq(tl_gguf_writer_bytes(w, &bytes, err), TL_OK);
    ck_assert_int_eq(tl_gguf_from_memory(&g, bytes.data, bytes.n, err), TL_OK);
    tl_status s = tl_sampler_from_gguf(g, o, err);
    tl_gguf_free(g);
    tl_gguf_writer_free(w);
    tl_text_free(&bytes);
    return s;
}

START_TEST(a_files_sampling_keys_become_options) {
    static const row rows[] = {
        {"general.sampling.temp", TL_GGUF_F32, 0.5},           {"general.sampling.top_k", TL_GGUF_I32, 20},
        {"general.sampling.top_p", TL_GGUF_F64, 0.25},         {"general.sampling.min_p", TL_GGUF_F32, 0.125},
        {"general.sampling.penalty_repeat", TL_GGUF_F32, 1.5}, {"general.sampling.penalty_last_n", TL_GGUF_I64, -1},
    };
    tl_sampler_options o = tl_sampler_defaults();
    tl_error err = {0};
    ck_assert_msg(from_file(rows, 6, &o, &err) == TL_OK, "%s", err.message);
    ck_assert(o.temperature == 0.5f && o.top_k == 20 && o.top_p == 0.25f && o.min_p == 0.125f && o.repeat_penalty == 1.5f);
    ck_assert_int_eq(o.repeat_last_n, -1);
    o = tl_sampler_defaults();
    ck_assert_int_eq(from_file((const row[]){{"general.sampling.temp", TL_GGUF_U8, 1}}, 1, &o, &err), TL_OK);
    ck_assert(o.temperature == 1.0f && o.top_k == 40 && o.repeat_last_n == 64); /* what the file leaves out stays */
    ck_assert_int_eq(tl_sampler_from_gguf(NULL, &o, &err), TL_ERR_USAGE);
}
END_TEST

START_TEST(options_are_the_same_whatever_the_callers_rounding) {
    static const row rows[] = {{"general.sampling.temp", TL_GGUF_F64, 0.7},
                               {"general.sampling.top_p", TL_GGUF_F64, 0.9},
                               {"general.sampling.min_p", TL_GGUF_F64, 0.1}};
    static const int32_t ids[] = {0, 0};
    static const float values[] = {0.1f, 1e-9f}; /* together 0.1 to nearest, and the next float upwards */
    tl_error err = {0};
    for (int i = 0; i < N_ROUNDINGS; i++) {
        tl_sampler_options o = tl_sampler_defaults(), greedy = tl_sampler_defaults();
        tl_sampler *s;
        int32_t id = -1;
        greedy.temperature = 0;
        greedy.bias_ids = ids;
        greedy.bias_values = values;
        greedy.n_bias = 2;
        fesetround(roundings[i]);
        tl_status read = from_file(rows, 3, &o, &err), made = tl_sampler_new(&s, 2, &greedy, &err);
        fesetround(FE_TONEAREST);
        ck_assert_int_eq(read, TL_OK);
        ck_assert_int_eq(made, TL_OK);
        ck_assert(o.temperature == 0.7f && o.top_p == 0.9f && o.min_p == 0.1f);
        ck_assert_int_eq(tl_sampler_next(s, (const float[]){0, 0.1f}, &id, &err), TL_OK);
        ck_assert_int_eq(id, 0);
        ck_assert_int_eq(tl_sampler_next(s, (const float[]){0, 0x1.99999cp-4f}, &id, &err), TL_OK); /* the float above 0.1 */
        ck_assert_int_eq(id, 1);
        tl_sampler_free(s);
    }
}
END_TEST

START_TEST(a_files_impossible_sampling_values_are_refused_by_key) {
    static const row bad[] = {
        {"general.sampling.top_p", TL_GGUF_F32, -0.5},         {"general.sampling.min_p", TL_GGUF_F64, 1.5},
        {"general.sampling.penalty_repeat", TL_GGUF_F32, 0},   {"general.sampling.penalty_last_n", TL_GGUF_I32, -2},
        {"general.sampling.top_k", TL_GGUF_I64, 4294967296.0}, {"general.sampling.temp", TL_GGUF_F64, 1e300},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tl_sampler_options o = tl_sampler_defaults();
        tl_error err = {0};
        ck_assert_int_eq(from_file(&bad[i], 1, &o, &err), TL_ERR_FORMAT);
        ck_assert_msg(strstr(err.message, bad[i].key) != NULL, "%s", err.message);
        ck_assert(o.top_p == 0.95f && o.top_k == 40 && o.temperature == 0.8f);
    }
}
END_TEST

static Suite *sampler_options_suite(void) {
    Suite *s = suite_create("sampler_options");
    TCase *c = tcase_create("sampler_options");
    tcase_add_test(c, options_out_of_range_are_refused_by_name);
    tcase_add_test(c, wrong_calls_are_refused);
    tcase_add_test(c, a_files_sampling_keys_become_options);
    tcase_add_test(c, options_are_the_same_whatever_the_callers_rounding);
    tcase_add_test(c, a_files_impossible_sampling_values_are_refused_by_key);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(sampler_options_suite());
}
