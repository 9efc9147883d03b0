/* test_attention_checks.c: what attention checks: every message of builder and run, the shape of its result, and memory for many heads. */
#include <math.h>

#include "tests/attention_rig.h"

START_TEST(refuses_a_run_with_spans_or_pages_out_of_range) {
    static const float k[128] = {0}, bias[4] = {0};
    static const int32_t pages[] = {0, 1, 1, 2, -1, 0};
    tl_error err;
    float y;
    scene plain = simple(k, k, 100, NULL), paged = simple(k, k, 128, NULL), biased = simple(k, k, 100, NULL);
    paged.pages = pages;
    paged.sequences = 3;
    paged.per_sequence = 2;
    biased.bias = bias;
    biased.bias_n = biased.bias_h = 1;
    biased.bias_t = 4;
    const struct {
        const scene *s;
        int32_t span[3];
        const char *words; /* NULL: the run is fine */
    } runs[] = {
        {&plain, {1, 0, 5}, "attention: query 0 is of sequence 1"},
        {&plain, {-1, 0, 5}, "attention: query 0 is of sequence -1"},
        {&plain, {0, -1, 5}, "attention: query 0 sees keys -1 to 5; keys run from 0 to 100"},
        {&plain, {0, 0, 101}, "attention: query 0 sees keys 0 to 101; keys run from 0 to 100"},
        {&plain, {0, 0, 100}, NULL},
        {&paged, {3, 0, 5}, "attention: query 0 is of sequence 3"},
        {&paged, {0, 0, 129}, "keys 0 to 129; keys run from 0 to 128"},
        {&paged, {0, 0, 128}, NULL},
        {&paged, {1, 0, 65}, "attention: page 1 of sequence 1, seen by query 0, is number 2; k and v hold 2 pages"},
        {&paged, {1, 0, 64}, NULL},
        {&paged, {2, 0, 1}, "attention: page 0 of sequence 2, seen by query 0, is number -1"},
        {&paged, {2, 64, 65}, NULL},
        {&paged, {2, 5, 5}, NULL},
        {&biased, {0, 0, 5}, "attention: query 0 sees keys to 5, but the bias has 4"},
        {&biased, {0, 0, 4}, NULL},
    };
    for (int i = 0; i < COUNT(runs); i++) {
        scene s = *runs[i].s;
        s.span = runs[i].span;
        tl_status status = attend(&s, &y, &err);
        ck_assert_msg(status == (runs[i].words ? TL_ERR_RANGE : TL_OK), "run %d: %s", i, status ? err.message : "accepted");
        ck_assert_msg(!status || strstr(err.message, runs[i].words), "'%s' lacks '%s'", err.message, runs[i].words);
    }
}
END_TEST

typedef struct shapes {
    int64_t q[3], k[3], v[3], span[2];
    tl_dtype q_type, k_type, v_type, span_type;
    float scale, cap;
} shapes;

/* Adds an attention of these shapes to a fresh graph; bias, sinks and pages by the caller. */
static void build_shapes(rig *r, const shapes *s, tl_tensor *pages, tl_tensor *bias, tl_tensor *sinks) {
    tl_tensor *q = tl_input(r->g, "q", s->q_type, 3, s->q), *k = tl_input(r->g, "k", s->k_type, 3, s->k),
              *v = tl_input(r->g, "v", s->v_type, 3, s->v);
    ck_assert_ptr_null(tl_attention(r->g, q, k, v, tl_input(r->g, "span", s->span_type, 2, s->span), pages, bias, sinks, s->scale, s->cap));
}

START_TEST(says_what_does_not_fit) {
    static const shapes right = {{2, 4, 8}, {100, 2, 8}, {100, 2, 6}, {2, 3}, TL_F32, TL_F16, TL_F16, TL_I32, 1, 0};
    rig r = rig_open("ref");
    shapes s;
#define REFUSES(change, pages, bias, sinks, words) \
    do {                                           \
        s = right;                                 \
        change;                                    \
        build_shapes(&r, &s, pages, bias, sinks);  \
        FAILED(r.g, words);                        \
        rig_next_graph(&r);                        \
    } while (0)
#define INPUT(type, ...) tl_input(r.g, "t", type, COUNT(SHAPE(__VA_ARGS__)), SHAPE(__VA_ARGS__))
    REFUSES(s.k_type = TL_F32, NULL, NULL, NULL, "k and v must both be f32 or both f16");
    REFUSES(s.k_type = s.v_type = TL_BF16, NULL, NULL, NULL, "k and v must both be f32 or both f16");
    REFUSES(s.q_type = TL_F16, NULL, NULL, NULL, "attention: operand 0, 'q' f16 [2, 4, 8], must be f32");
    REFUSES(s.span_type = TL_F32, NULL, NULL, NULL, "attention: operand 3, 'span' f32 [2, 3], must be i32");
    REFUSES(s.k[2] = 9, NULL, NULL, NULL, "heads of q and k differ in length");
    REFUSES(s.v[0] = 99, NULL, NULL, NULL, "k and v differ in rows or heads");
    REFUSES(s.v[1] = 4, NULL, NULL, NULL, "k and v differ in rows or heads");
    REFUSES(s.q[1] = 3, NULL, NULL, NULL, "the heads of q must be a multiple of those of k");
    REFUSES(s.span[0] = 3, NULL, NULL, NULL, "span [n, 3] (sequence, first key, end) must have the first axis of q");
    REFUSES(s.span[1] = 2, NULL, NULL, NULL, "span [n, 3]");
    REFUSES(s.span[0] = tl_size(r.g, "n", 2), NULL, NULL, NULL, "span [n, 3]");
    REFUSES(s.scale = NAN, NULL, NULL, NULL, "attention: scale and cap must be finite");
    REFUSES(s.cap = -1, NULL, NULL, NULL, "attention: scale and cap must be finite");
    REFUSES((void)0, INPUT(TL_I32, 4), NULL, NULL, "pages [sequences, pages of one] are wanted");
    REFUSES((void)0, INPUT(TL_F32, 2, 2), NULL, NULL, "attention: operand 4, 't' f32 [2, 2], must be i32");
    REFUSES((void)0, NULL, INPUT(TL_F32, 2, 3, 100), NULL, "bias [n or 1, h or 1, keys] is wanted");
    REFUSES((void)0, NULL, INPUT(TL_F32, 2, 100), NULL, "bias [n or 1, h or 1, keys] is wanted");
    REFUSES((void)0, NULL, INPUT(TL_F32, 3, 4, 100), NULL, "the first axis of bias must be that of q, or 1");
    REFUSES((void)0, NULL, INPUT(TL_F32, tl_size(r.g, "n", 2), 4, 100), NULL, "the first axis of bias must be that of q, or 1");
    REFUSES((void)0, NULL, NULL, INPUT(TL_F32, 2), "sinks [h] are wanted");
    REFUSES((void)0, NULL, NULL, INPUT(TL_F16, 4), "attention: operand 6, 't' f16 [4], must be f32");
    tl_tensor *flat = INPUT(TL_F32, 2, 8);
    ck_assert_ptr_null(tl_attention(r.g, flat, flat, flat, INPUT(TL_I32, 2, 3), NULL, NULL, NULL, 1, 0));
    FAILED(r.g, "q [n, h, d], k [rows, hk, d] and v [rows, hk, dv] are wanted");
    rig_next_graph(&r);
    ck_assert_ptr_null(tl_attention(r.g, INPUT(TL_F32, 2, 4, 8), NULL, NULL, NULL, NULL, NULL, NULL, 1, 0));
    FAILED(r.g, "attention: operand 1 is missing");
#undef INPUT
#undef REFUSES
    rig_close(&r);
}
END_TEST

START_TEST(passes_the_size_of_q_on) {
    rig r = rig_open("ref");
    int64_t n = tl_size(r.g, "n", 5);
    tl_tensor *kv = tl_input(r.g, "kv", TL_F32, 3, SHAPE(9, 2, 8));
    tl_tensor *y = tl_attention(r.g, tl_input(r.g, "q", TL_F32, 3, SHAPE(n, 6, 8)), kv, kv, tl_input(r.g, "span", TL_I32, 2, SHAPE(n, 3)),
                                NULL, tl_input(r.g, "bias", TL_F32, 3, SHAPE(n, 1, 9)), NULL, 1, 0);
    ck_assert_ptr_nonnull(y);
    ck_assert(y->size == 1 && y->rank == 3 && y->shape[0] == 5 && y->shape[1] == 6 && y->shape[2] == 8 && y->dtype == TL_F32);
    rig_close(&r);
}
END_TEST

/* So many heads share a key head that a tile's scratch is more than 32 bits can count. */
START_TEST(scratch_for_a_huge_group_of_heads_is_counted_or_refused) {
    enum { HEADS = 1 << 18, D = 64 };
    rig r = rig_open("cpu:threads=1");
    tl_tensor *q = tl_input(r.g, "q", TL_F32, 3, (int64_t[]){1, HEADS, D}), *k = tl_input(r.g, "k", TL_F32, 3, (int64_t[]){64, 1, D});
    tl_tensor *v = tl_input(r.g, "v", TL_F32, 3, (int64_t[]){64, 1, D}), *span = tl_input(r.g, "span", TL_I32, 2, (int64_t[]){1, 3});
    tl_output(r.g, tl_attention(r.g, q, k, v, span, NULL, NULL, NULL, 1, 0));
    tl_plan_memory m;
    tl_status s = tl_plan_forecast(r.g, r.be, NULL, &m, &r.err);
    if (sizeof(size_t) > 4) {
        ck_assert_int_eq(s, TL_OK);
        ck_assert_uint_gt(m.workers, UINT64_C(7) << 30);
    } else {
        REFUSED(&r, s, TL_ERR_MEMORY, "overflows");
    }
    rig_close(&r);
}
END_TEST

/* One key and value repeated as often as a view may: a query can see at most as many as an i32 numbers, and what their chunks leave is more
 * than 32 bits can count. */
START_TEST(parts_of_a_query_over_repeated_keys_are_counted_or_refused) {
    enum { HEADS = 1 << 17 };
    const int64_t rows = INT64_C(1) << 53;
    rig r = rig_open("cpu:threads=2");
    tl_tensor *q = tl_input(r.g, "q", TL_F32, 3, SHAPE(1, HEADS, 1)), *span = tl_input(r.g, "span", TL_I32, 2, SHAPE(1, 3));
    tl_tensor *k = tl_broadcast(r.g, tl_input(r.g, "k", TL_F32, 3, SHAPE(1, 1, 1)), 3, SHAPE(rows, 1, 1));
    tl_tensor *v = tl_broadcast(r.g, tl_input(r.g, "v", TL_F32, 3, SHAPE(1, 1, 2)), 3, SHAPE(rows, 1, 2));
    tl_output(r.g, tl_attention(r.g, q, k, v, span, NULL, NULL, NULL, 1, 0));
    tl_plan_memory m;
    tl_status s = tl_plan_forecast(r.g, r.be, NULL, &m, &r.err);
    if (sizeof(size_t) > 4) {
        uint64_t part = sizeof(float) * (2 + 2), chunks = (UINT64_C(1) << 31) / TL_ATTENTION_CHUNK;
        ck_assert_int_eq(s, TL_OK);
        ck_assert_uint_gt(m.activations, chunks * HEADS * part);
        ck_assert_uint_lt(m.activations, (chunks + 16) * HEADS * part);
    } else {
        REFUSED(&r, s, TL_ERR_MEMORY, "overflows");
    }
    rig_close(&r);
}
END_TEST

/* Heads so long that the reference's scratch is more than 32 bits can count, by a few bytes. */
START_TEST(scratch_for_a_huge_head_is_counted_or_refused) {
    const int64_t d = (1 << 28) - 1;
    rig r = rig_open("ref:threads=1");
    tl_tensor *q = tl_input(r.g, "q", TL_F32, 3, SHAPE(1, 1, d)), *span = tl_input(r.g, "span", TL_I32, 2, SHAPE(1, 3));
    tl_tensor *k = tl_input(r.g, "k", TL_F16, 3, SHAPE(1, 1, d)), *v = tl_input(r.g, "v", TL_F16, 3, SHAPE(1, 1, d));
    tl_output(r.g, tl_attention(r.g, q, k, v, span, NULL, NULL, NULL, 1, 0));
    tl_plan_memory m;
    tl_status s = tl_plan_forecast(r.g, r.be, NULL, &m, &r.err);
    if (sizeof(size_t) > 4) {
        ck_assert_int_eq(s, TL_OK);
        ck_assert_uint_gt(m.workers, UINT64_C(1) << 32);
    } else {
        REFUSED(&r, s, TL_ERR_MEMORY, "overflows");
    }
    rig_close(&r);
}
END_TEST

static Suite *attention_checks_suite(void) {
    Suite *s = suite_create("attention_checks");
    TCase *c = tcase_create("checks");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, refuses_a_run_with_spans_or_pages_out_of_range);
    tcase_add_test(c, says_what_does_not_fit);
    tcase_add_test(c, passes_the_size_of_q_on);
    tcase_add_test(c, scratch_for_a_huge_group_of_heads_is_counted_or_refused);
    tcase_add_test(c, parts_of_a_query_over_repeated_keys_are_counted_or_refused);
    tcase_add_test(c, scratch_for_a_huge_head_is_counted_or_refused);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(attention_checks_suite());
}
