/* test_history.c: five bugs that cost an ancestor of this project its output, each as a test of its name that fails with the bug put back.
 * All judge by the plain loops of support/plain_llama.c, which know neither cache nor batch, and by what a step says of itself. */
#include <math.h>

#include "models/context.h"
#include "tests/gguf_files.h"
#include "tests/model_rig.h"
#include "tests/support/plain_llama.h"

enum { PROMPT = 40, MORE = 8, N = PROMPT + MORE, WIDE = 300 };
static const double close_enough = 2e-6;

static tiny_model tiny;
static int32_t ids[N];
static double *plain; /* logits [N, WIDE] */

/* What the probe has seen. */
static struct { int64_t tokens, runs; } seen;

static void count_tokens(void *ctx, const tl_plan *p, const tl_tensor *node) {
    (void)ctx;
    if (node->name && strcmp(node->name, "embed") == 0) {
        seen.tokens += tl_plan_rows(p, node);
        seen.runs++;
    }
}

static double *plain_logits(const tiny_model *t) {
    double *logits = calloc((size_t)N * WIDE, sizeof *logits);
    ck_assert_ptr_nonnull(logits);
    plain_llama(t, ids, N, logits, NULL);
    return logits;
}

static void setup(void) {
    tiny_config c = tiny_defaults();
    tiny = tiny_make(&c);
    some_ids(ids, N, WIDE, 11);
    plain = plain_logits(&tiny);
}

static void teardown(void) {
    free(plain);
    tiny_free(&tiny);
}

/* Root mean square of a - b over that of b. */
static double distance(const float *a, const double *b, int64_t n) {
    double difference = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += b[i] * b[i];
    }
    return sqrt(difference / size);
}

static double distance_of_plain(const double *a, const double *b, int64_t n) {
    float *rounded = calloc((size_t)n, sizeof *rounded);
    ck_assert_ptr_nonnull(rounded);
    for (int64_t i = 0; i < n; i++)
        rounded[i] = (float)a[i];
    double d = distance(rounded, b, n);
    free(rounded);
    return d;
}

static model_rig open_model(int i, int batch) {
    tl_context_options o = {.kv = TL_F32, .n_batch = batch, .plan = {.probe = count_tokens}};
    model_rig r = model_open_tiny(i ? "cpu" : "ref", &tiny, NULL, &o);
    memset(&seen, 0, sizeof seen);
    return r;
}

/* The row of position n - 1 is that of the plain loops; gives how many tokens were computed for it. */
static int64_t check_step(model_rig *r, int64_t n) {
    float row[WIDE];
    tl_want want = {.session = r->s[0], .ids = ids, .n = n, .n_rows = 1, .rows = row};
    MUST(r, tl_context_step(r->c, &want, 1, &r->err));
    double d = distance(row, plain + (n - 1) * WIDE, WIDE);
    ck_assert_msg(d < close_enough, "position %d: logits differ by %g of their size", (int)n - 1, d);
    return want.computed;
}

/* 1. The position in the KV cache was advanced by one after a batch, not by the tokens written. */
START_TEST(kv_position_advances_by_the_tokens_written) {
    static const int batches[] = {512, 16};
    model_rig r = open_model(_i % 2, batches[_i / 2]);
    ck_assert_int_eq(check_step(&r, PROMPT), PROMPT);
    ck_assert_int_eq(tl_session_length(r.s[0]), PROMPT);
    ck_assert_int_eq(check_step(&r, N - 3), MORE - 3); /* a second batch, written behind the first */
    ck_assert_int_eq(tl_session_length(r.s[0]), N - 3);
    ck_assert_int_eq(check_step(&r, N), 3);
    ck_assert_int_eq(tl_session_length(r.s[0]), N);
    ck_assert_int_eq(seen.tokens, N);
    model_close(&r);
}
END_TEST

/* 2. Attention ran over the whole cache, so that rows without tokens, or of tokens given up, took part. */
START_TEST(attention_sees_the_valid_part_of_the_cache_only) {
    model_rig r = open_model(_i, 512);
    for (int layer = 0; layer < tiny.c.n_layer; layer++) /* whatever is read beyond the tokens shows */
        for (int v = 0; v < 2; v++) {
            tl_tensor *cache = (v ? r.c->build.v : r.c->build.k)[layer]->base;
            for (int64_t i = 0; i < tl_count(cache); i++)
                ((float *)tl_data(cache))[i] = NAN;
        }
    check_step(&r, 3);
    check_step(&r, PROMPT);
    int32_t other[N];
    some_ids(other, N, WIDE, 99);
    other[0] = 7;
    free(model_rows(&r, 0, other, N, 1, false)); /* another sequence, of which nothing is kept */
    check_step(&r, 5);
    tl_session_clear(r.s[0]);
    check_step(&r, 9);
    model_close(&r);
}
END_TEST

/* 3. The last token of the prompt was evaluated with the prompt and once more as the first of the answer. */
START_TEST(the_last_prompt_token_is_evaluated_once) {
    model_rig r = open_model(_i, 512);
    ck_assert_int_eq(check_step(&r, PROMPT), PROMPT);
    ck_assert_int_eq(seen.tokens, PROMPT);
    for (int i = 1; i <= MORE; i++) {
        ck_assert_int_eq(check_step(&r, PROMPT + i), 1);
        ck_assert_int_eq(seen.tokens, PROMPT + i);
        ck_assert_int_eq(seen.runs, 1 + i);
        ck_assert_int_eq(tl_session_length(r.s[0]), PROMPT + i);
    }
    model_close(&r);
}
END_TEST

/* 4. All tokens of the prompt were rotated by one position. */
START_TEST(each_prompt_token_has_a_rope_position_of_its_own) {
    model_rig r = open_model(_i % 2, _i / 2 ? 7 : 512);
    float *rows = model_rows(&r, 0, ids, PROMPT, PROMPT, false);
    double d = distance(rows, plain, PROMPT * WIDE);
    ck_assert_msg(d < close_enough, "logits differ by %g of their size", d);
    free(rows);
    model_close(&r);
    tiny_model still = tiny; /* a base so large that only the first pair turns: positions nearly gone, and the difference is plain to see */
    still.c.rope_base = 1e30;
    double *without = plain_logits(&still);
    ck_assert(distance_of_plain(without, plain, PROMPT * WIDE) > 1e4 * close_enough);
    free(without);
}
END_TEST

/* 5. Weights were read transposed, which no shape tells of a square one. */
START_TEST(weights_are_not_read_transposed) {
    model_rig r = open_model(_i, 512);
    const tiny_tensor *q = tiny_find(&tiny, "blk.0.attn_q.weight");
    ck_assert(q->shape[0] == 64 && q->shape[1] == 64); /* square */
    check_step(&r, N);
    model_close(&r);
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < i; j++) {
            float x = q->values[64 * i + j];
            q->values[64 * i + j] = q->values[64 * j + i];
            q->values[64 * j + i] = x;
        }
    double *transposed = plain_logits(&tiny);
    ck_assert(distance_of_plain(transposed, plain, N * WIDE) > 1e4 * close_enough);
    free(transposed);
}
END_TEST

/* The same from bytes made by hand: the format stores a matrix row by row and names its fastest dimension first. */
START_TEST(a_square_weight_in_a_file_is_stored_row_by_row) {
    static const float w[2][2] = {{1, 2}, {30, 40}}, x[2] = {5, 7};
    blob b = {0};
    float y[2];
    put_header(&b, 3, 1, 0);
    put_tensor(&b, "w", 2, (uint64_t[]){2, 2}, 0, 0);
    put_padding(&b, 32);
    put(&b, w, sizeof w);
    rig r = rig_open("cpu");
    tl_gguf *g = from_blob(&b);
    const tl_gguf_tensor *info = tl_gguf_tensor_at(g, 0);
    tl_tensor *weight;
    float copy[4];
    MUST(&r, tl_gguf_tensor_read(g, info, 0, copy, sizeof copy, &r.err));
    MUST(&r, tl_bank_wrap(r.bank, "w", TL_F32, 2, info->shape, copy, false, &weight, &r.err));
    tl_tensor *in = rig_input(&r, "x", 1, 2), *out = tl_output(r.g, tl_linear(r.g, in, weight, NULL));
    rig_plan(&r, NULL);
    MUST(&r, tl_write(in, x, sizeof x, &r.err));
    rig_run(&r);
    MUST(&r, tl_read(out, y, sizeof y, &r.err));
    ck_assert(y[0] == 1 * 5 + 2 * 7 && y[1] == 30 * 5 + 40 * 7);
    rig_close(&r);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

static Suite *history_suite(void) {
    Suite *s = suite_create("history");
    TCase *c = tcase_create("five bugs");
    tcase_add_unchecked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, kv_position_advances_by_the_tokens_written, 0, 4);
    tcase_add_loop_test(c, attention_sees_the_valid_part_of_the_cache_only, 0, 2);
    tcase_add_loop_test(c, the_last_prompt_token_is_evaluated_once, 0, 2);
    tcase_add_loop_test(c, each_prompt_token_has_a_rope_position_of_its_own, 0, 4);
    tcase_add_loop_test(c, weights_are_not_read_transposed, 0, 2);
    tcase_add_test(c, a_square_weight_in_a_file_is_stored_row_by_row);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(history_suite());
}
