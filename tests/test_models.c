/* test_models.c: logits of synthetic models, one for each thing that Llama files may differ in, against the plain loops of
 * support/plain_llama.c; and that each of those things matters: with it left out of the plain loops, the two disagree. */
#include <math.h>

#include "tests/model_rig.h"
#include "tests/support/plain_llama.h"

enum { LENGTH = 90 };

typedef struct model_case {
    const char *name;
    tiny_config config;
    double tolerance; /* root mean square of the difference over that of the logits */
} model_case;

/* Float weights: only the rounding of f32 sums. F16: activations of 13 bits. Blocks: activations of 8 bits. */
#define FLOATS 2e-6
#define HALVES 5e-4
#define BLOCKS 5e-2

/* clang-format off */
enum { GQA, MHA, MQA, UNTIED, BIASES, BIASES_UNTIED, KEY_LENGTH, VALUE_LENGTH, PARTIAL_ROPE, ROPE_FREQS, LINEAR, YARN, YARN_FREQS, ATTN_FACTOR, BASE, EPSILON, F16, BF16,
       Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0_UNTIED, N_CASES };

static model_case model_of(int i) {
    model_case m = {NULL, tiny_defaults(), FLOATS};
    tiny_config *c = &m.config;
    c->seed = (unsigned)i + 1;
    switch (i) {
    case GQA: m.name = "grouped queries, tied output"; break;
    case MHA: m.name = "as many heads of keys as of queries"; c->n_head_kv = 4; break;
    case MQA: m.name = "one head of keys"; c->n_head_kv = 1; break;
    case UNTIED: m.name = "an output of its own"; c->untied = true; break;
    case BIASES: m.name = "biases, tied output"; c->biases = true; break;
    case BIASES_UNTIED: m.name = "biases, an output of its own"; c->biases = c->untied = true; break;
    case KEY_LENGTH: m.name = "heads wider than dim / heads"; c->head_dim = c->head_dim_v = 24; break;
    case VALUE_LENGTH: m.name = "values narrower than keys"; c->head_dim_v = 8; break;
    case PARTIAL_ROPE: m.name = "rope on a part of the dims"; c->rope_dims = 8; break;
    case ROPE_FREQS: m.name = "rope_freqs"; c->rope_freqs = true; break;
    case LINEAR: m.name = "linear rope scaling"; c->scaling = "linear"; c->factor = 4; break;
    case YARN: m.name = "YaRN"; c->scaling = "yarn"; c->factor = 8; c->original_ctx = 32; break;
    case YARN_FREQS: m.name = "YaRN over rope_freqs"; c->scaling = "yarn"; c->factor = 4; c->original_ctx = 64; c->rope_freqs = true; break;
    case ATTN_FACTOR: m.name = "a factor on YaRN's own magnitude"; c->scaling = "yarn"; c->factor = 4; c->original_ctx = 32; c->attn_factor = 0.75; break;
    case BASE: m.name = "another rope base"; c->rope_base = 500; break;
    case EPSILON: m.name = "a large epsilon"; c->eps = 0.125; break;
    case F16: m.name = "f16 weights"; c->dtype = TL_F16; m.tolerance = HALVES; break;
    case BF16: m.name = "bf16 weights"; c->dtype = TL_BF16; break;
    case Q8_0: m.name = "q8_0 weights"; c->dtype = TL_Q8_0; m.tolerance = BLOCKS; break;
    case Q4_0: m.name = "q4_0 weights"; c->dtype = TL_Q4_0; m.tolerance = BLOCKS; break;
    case Q4_1: m.name = "q4_1 weights"; c->dtype = TL_Q4_1; m.tolerance = BLOCKS; break;
    case Q5_0: m.name = "q5_0 weights"; c->dtype = TL_Q5_0; m.tolerance = BLOCKS; break;
    case Q5_1: m.name = "q5_1 weights"; c->dtype = TL_Q5_1; m.tolerance = BLOCKS; break;
    default: m.name = "q8_0 weights, an output of its own"; c->dtype = TL_Q8_0; c->untied = true; m.tolerance = BLOCKS; break;
    }
    return m;
}
/* clang-format on */

/* Root mean square of a - b over that of b. */
static double distance(const float *a, const double *b, size_t n) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += b[i] * b[i];
    }
    return sqrt(difference / size);
}

static void plain(const tiny_model *t, const int32_t *ids, double **logits, double **hidden) {
    *logits = calloc((size_t)LENGTH * (size_t)t->c.n_vocab, sizeof **logits);
    *hidden = calloc((size_t)LENGTH * (size_t)t->c.n_embd, sizeof **hidden);
    ck_assert(*logits != NULL && *hidden != NULL);
    plain_llama(t, ids, LENGTH, *logits, *hidden);
}

START_TEST(logits_and_hidden_rows_are_those_of_plain_loops) {
    model_case m = model_of(_i);
    tiny_model t = tiny_make(&m.config);
    tl_context_options o = tl_context_defaults();
    int32_t ids[LENGTH];
    double *logits, *hidden;
    o.kv = TL_F32;
    some_ids(ids, LENGTH, t.c.n_vocab, (unsigned)_i + 7);
    plain(&t, ids, &logits, &hidden);
    for (int b = 0; each_spec(b); b++) {
        model_rig r = model_open_tiny(each_spec(b), &t, NULL, &o);
        float *rows = model_rows(&r, 0, ids, LENGTH, LENGTH, false);
        double d = distance(rows, logits, (size_t)LENGTH * (size_t)t.c.n_vocab);
        ck_assert_msg(d < m.tolerance, "%s, %s: logits differ by %g of their size", m.name, each_spec(b), d);
        free(rows);
        rows = model_rows(&r, 0, ids, LENGTH, LENGTH, true);
        d = distance(rows, hidden, (size_t)LENGTH * (size_t)t.c.n_embd);
        ck_assert_msg(d < m.tolerance, "%s, %s: hidden rows differ by %g of their size", m.name, each_spec(b), d);
        free(rows);
        model_close(&r);
    }
    free(logits);
    free(hidden);
    tiny_free(&t);
}
END_TEST

START_TEST(keys_and_values_in_f16_cost_little) {
    tiny_config config = tiny_defaults();
    tiny_model t = tiny_make(&config);
    int32_t ids[LENGTH];
    double *logits, *hidden;
    some_ids(ids, LENGTH, t.c.n_vocab, 3);
    plain(&t, ids, &logits, &hidden);
    model_rig r = model_open_tiny("cpu", &t, NULL, NULL);
    float *rows = model_rows(&r, 0, ids, LENGTH, LENGTH, false);
    double d = distance(rows, logits, (size_t)LENGTH * (size_t)t.c.n_vocab);
    ck_assert_msg(d < 5e-3 && d > FLOATS, "differ by %g", d);
    free(rows);
    model_close(&r);
    free(logits);
    free(hidden);
    tiny_free(&t);
}
END_TEST

START_TEST(leading_axes_of_1_may_be_absent_from_the_file) {
    static const tl_dtype types[] = {TL_F32, TL_F16};
    int32_t ids[LENGTH];
    for (int i = 0; i < 4; i++) {
        float *rows[2];
        tiny_config c = tiny_defaults();
        c.n_ff = 1; /* gate and up are [1, 64] */
        c.dtype = types[i / 2];
        some_ids(ids, LENGTH, c.n_vocab, 5);
        for (int k = 0; k < 2; k++) {
            c.no_ones = k;
            tiny_model t = tiny_make(&c);
            model_rig r = model_open_tiny("cpu", &t, &(tl_model_options){.no_pack = i % 2}, NULL);
            rows[k] = model_rows(&r, 0, ids, LENGTH, LENGTH, false);
            model_close(&r);
            tiny_free(&t);
        }
        ck_assert(same_bits(rows[0], rows[1], (size_t)LENGTH * (size_t)c.n_vocab));
        free(rows[0]);
        free(rows[1]);
    }
}
END_TEST

/* What the plain loops say of the same weights without the thing that the case is about. */
static void leave_out(int i, tiny_model *t) {
    tiny_config *c = &t->c;
    switch (i) {
    case ROPE_FREQS:
    case YARN_FREQS: memcpy((char *)tiny_find(t, "rope_freqs.weight")->name, "none", 5); break;
    case LINEAR:
    case YARN: c->scaling = NULL; break;
    case PARTIAL_ROPE: c->rope_dims = 0; break;
    case ATTN_FACTOR: c->attn_factor = 0; break;
    case BASE: c->rope_base = 10000; break;
    case EPSILON: c->eps = 1e-5; break;
    case BIASES:
    case BIASES_UNTIED:
        for (int k = 0; k < t->n_tensors; k++)
            if (strstr(t->tensors[k].name, ".bias"))
                t->tensors[k].name[0] = '-';
        break;
    default: break;
    }
}

START_TEST(what_a_case_is_about_moves_the_logits) {
    static const int about[] = {BIASES, BIASES_UNTIED, PARTIAL_ROPE, ROPE_FREQS, LINEAR, YARN, YARN_FREQS, ATTN_FACTOR, BASE, EPSILON};
    model_case m = model_of(about[_i]);
    tiny_model t = tiny_make(&m.config);
    int32_t ids[LENGTH];
    double *with, *without, *hidden, *hidden_without;
    some_ids(ids, LENGTH, t.c.n_vocab, 5);
    plain(&t, ids, &with, &hidden);
    leave_out(about[_i], &t);
    plain(&t, ids, &without, &hidden_without);
    size_t n = (size_t)LENGTH * (size_t)t.c.n_vocab;
    float *rounded = calloc(n, sizeof *rounded);
    ck_assert_ptr_nonnull(rounded);
    for (size_t i = 0; i < n; i++)
        rounded[i] = (float)without[i];
    ck_assert_msg(distance(rounded, with, n) > 1000 * m.tolerance, "%s: moves the logits by %g only", m.name, distance(rounded, with, n));
    free(rounded);
    free(with);
    free(without);
    free(hidden);
    free(hidden_without);
    tiny_free(&t);
}
END_TEST

static void scales_alike(const tiny_config *one, const tiny_config *other) {
    tiny_model a = tiny_make(one), b = tiny_make(other);
    int32_t ids[LENGTH];
    some_ids(ids, LENGTH, a.c.n_vocab, 9);
    model_rig x = model_open_tiny("cpu", &a, NULL, NULL), y = model_open_tiny("cpu", &b, NULL, NULL);
    float *p = model_rows(&x, 0, ids, LENGTH, LENGTH, false), *q = model_rows(&y, 0, ids, LENGTH, LENGTH, false);
    ck_assert(same_bits(p, q, (size_t)LENGTH * (size_t)a.c.n_vocab));
    free(p);
    free(q);
    model_close(&x);
    model_close(&y);
    tiny_free(&a);
    tiny_free(&b);
}

/* As llama.cpp reads them: a factor alone, the older key alone and the older key beside a type are linear scaling; "none" scales never. */
START_TEST(every_way_to_say_linear_scaling_or_none_is_understood) {
    const tiny_patch older = {"llama.rope.scale_linear", TL_GGUF_F32, 4, NULL};
    tiny_config linear = tiny_defaults(), plain = linear, c = linear;
    linear.scaling = "linear";
    linear.factor = 4;
    c.factor = 4;
    scales_alike(&linear, &c);
    c = plain;
    c.patch[0] = older;
    scales_alike(&linear, &c);
    c.scaling = "linear";
    scales_alike(&linear, &c);
    c.scaling = "none";
    scales_alike(&plain, &c);
    c = plain;
    c.scaling = "none";
    c.factor = 4;
    scales_alike(&plain, &c);
}
END_TEST

static Suite *models_suite(void) {
    Suite *s = suite_create("models");
    TCase *c = tcase_create("against plain loops");
    tcase_set_timeout(c, 300);
    tcase_add_loop_test(c, logits_and_hidden_rows_are_those_of_plain_loops, sparing(0, F16), N_CASES); /* sparing: element types alone */
    tcase_add_loop_test(c, what_a_case_is_about_moves_the_logits, 0, sparing(9, 2));
    tcase_add_test(c, keys_and_values_in_f16_cost_little);
    tcase_add_test(c, leading_axes_of_1_may_be_absent_from_the_file);
    tcase_add_test(c, every_way_to_say_linear_scaling_or_none_is_understood);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(models_suite());
}
