/* test_attention.c: attention: values by hand, the stated arithmetic to the last bit written a second time, distance from plain double
 * loops, where keys lie, and which are never read. Messages are in test_attention_checks.c. */
#include <math.h>

#include "tensor/math.h"
#include "tests/attention_rig.h"

static uint32_t next(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void fill(float *x, int n, uint32_t seed, tl_dtype as) { /* [-2, 2), as values of the type */
    for (int i = 0; i < n; i++) {
        x[i] = (float)((int32_t)next(&seed) - (1 << 23)) * 0x1p-22f;
        if (as == TL_F16)
            x[i] = (float)((int32_t)(next(&seed) & 0x7FF) - 1024) * 0x1p-9f;
    }
}

static void assert_bits(float got, float want) {
    ck_assert_msg(tl_bits(got) == tl_bits(want) || (got != got && want != want), "0x%08X, not 0x%08X", (unsigned)tl_bits(got),
                  (unsigned)tl_bits(want));
}

/* ---- by hand: a key is its own score ---- */

START_TEST(gives_the_value_of_an_only_key_and_the_mean_of_equals) {
    static const float k[] = {3, 5, 5}, v[] = {7, 10, 20};
    float y;
    scene s = simple(k, v, 3, (int32_t[]){0, 0, 1});
    must_attend(&s, &y);
    assert_bits(y, 7);
    s.span = (int32_t[]){0, 1, 3};
    must_attend(&s, &y);
    assert_bits(y, 15);
}
END_TEST

START_TEST(scales_scores) {
    static const float k[] = {0, 4}, v[] = {0, 1};
    float y;
    scene s = simple(k, v, 2, (int32_t[]){0, 0, 2});
    s.scale = 0.25f;
    must_attend(&s, &y);
    ck_assert_double_eq_tol(y, 1 / (1 + exp(-1)), 1e-6);
}
END_TEST

START_TEST(drops_scores_more_than_64_below_the_best) {
    static const float v[] = {0, 0x1p100f};
    float y;
    scene s = simple((float[]){0, -64}, v, 2, (int32_t[]){0, 0, 2});
    must_attend(&s, &y);
    ck_assert_double_eq_tol(y / ldexp(exp(-64), 100), 1, 1e-5);
    s.k = (float[]){0, -64.25f};
    must_attend(&s, &y);
    assert_bits(y, 0);
}
END_TEST

START_TEST(lets_a_sink_join_the_denominator_only) {
    static const float k[] = {2, 2}, v[] = {6, 6}, equal = 2, far_above = 500, far_below = -500;
    float y;
    scene s = simple(k, v, 2, (int32_t[]){0, 0, 2});
    s.sinks = &equal;
    must_attend(&s, &y);
    assert_bits(y, 4);
    s.sinks = &far_above;
    must_attend(&s, &y);
    assert_bits(y, 0);
    s.sinks = &far_below;
    must_attend(&s, &y);
    assert_bits(y, 6);
}
END_TEST

START_TEST(caps_before_it_adds_the_bias) {
    static const float k[] = {1000, 0}, v[] = {1, 0}, bias[] = {0, 3};
    float y;
    scene s = simple(k, v, 2, (int32_t[]){0, 0, 2});
    s.cap = 2;
    must_attend(&s, &y);
    ck_assert_double_eq_tol(y, 1 / (1 + exp(-2)), 1e-6);
    s.bias = bias;
    s.bias_n = s.bias_h = 1;
    s.bias_t = 2;
    must_attend(&s, &y);
    ck_assert_double_eq_tol(y, 1 / (1 + exp(1)), 1e-6);
}
END_TEST

START_TEST(gives_zeros_where_nothing_is_visible) {
    static const float k[] = {1, 2}, v[] = {3, 4}, sink = 1;
    static const int32_t nothing[][3] = {{0, 0, 0}, {0, 1, 1}, {0, 2, 1}, {0, 1000000, 0}, {0, 0, -5}};
    for (int i = 0; i < COUNT(nothing); i++) {
        float y = 9;
        scene s = simple(k, v, 2, nothing[i]);
        must_attend(&s, &y);
        assert_bits(y, 0);
        s.sinks = &sink;
        y = 9;
        must_attend(&s, &y);
        assert_bits(y, 0);
    }
}
END_TEST

START_TEST(keeps_nan_and_takes_minus_inf_as_unseen) {
    static const float v[] = {3, 5}, inf = (float)INFINITY;
    float y;
    scene s = simple((float[]){1, NAN}, v, 2, (int32_t[]){0, 0, 2});
    must_attend(&s, &y);
    ck_assert(y != y);
    s.k = (float[]){1, inf};
    must_attend(&s, &y);
    ck_assert(y != y);
    s.k = (float[]){1, -inf};
    must_attend(&s, &y);
    assert_bits(y, 3);
    s.k = (float[]){-inf, -inf};
    must_attend(&s, &y);
    ck_assert(y != y);
}
END_TEST

/* Four heads of q on two of k and v: 0, 1 -> 0 and 2, 3 -> 1. */
START_TEST(shares_key_heads_among_neighbouring_query_heads) {
    static const float q[] = {1, 1, 1, 1}, k[] = {0, 0}, v[] = {10, 11, 20, 21}, want[] = {10, 11, 10, 11, 20, 21, 20, 21};
    float y[8];
    scene s = {.n = 1,
               .h = 4,
               .hk = 2,
               .d = 1,
               .dv = 2,
               .rows = 1,
               .kv = TL_F32,
               .q = q,
               .k = k,
               .v = v,
               .span = (int32_t[]){0, 0, 1},
               .scale = 1};
    must_attend(&s, y);
    for (int i = 0; i < 8; i++)
        assert_bits(y[i], want[i]);
}
END_TEST

/* ---- the arithmetic written again ---- */

static float lanes_of(const float *a, const float *b, int n, int at) { /* sum a b (or a), element i in lane (at + i) mod 16 */
    float l[16] = {0};
    for (int i = 0; i < n; i++)
        l[(at + i) % 16] += b ? a[i] * b[i] : a[i];
    for (int half = 8; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            l[j] += l[j + half];
    return l[0];
}

static int64_t row_of(const scene *s, int sequence, int t) {
    return s->pages ? (int64_t)s->pages[sequence * s->per_sequence + t / 64] * 64 + t % 64 : t;
}

static const float *bias_of(const scene *s, int i, int head) {
    return s->bias + ((size_t)(s->bias_n > 1 ? i : 0) * (size_t)s->bias_h + (size_t)(s->bias_h > 1 ? head : 0)) * (size_t)s->bias_t;
}

/* Rule 6 for one query and head, with chunks of `chunk` keys. */
static void state_attention(const scene *s, int i, int head, int chunk, float *y) {
    const int32_t *span = s->span + 3 * i;
    int kv_head = head / (s->h / s->hk);
    bool half = s->kv == TL_F16;
    float q[128], a[128] = {0}, m = -(float)INFINITY, l = 0;
    for (int j = 0; j < s->d; j++)
        q[j] = half ? tl_x13(s->q[(i * s->h + head) * s->d + j]) : s->q[(i * s->h + head) * s->d + j];
    for (int c = 0; c * chunk < span[2]; c++) {
        int t0 = span[1] > c * chunk ? span[1] : c * chunk, t1 = span[2] < (c + 1) * chunk ? span[2] : (c + 1) * chunk;
        float p[1024], best = -(float)INFINITY, ac[128] = {0};
        if (t0 >= t1)
            continue;
        for (int t = t0; t < t1; t++) {
            float x = lanes_of(q, s->k + (row_of(s, span[0], t) * s->hk + kv_head) * s->d, s->d, 0) * s->scale;
            if (s->cap > 0)
                x = s->cap * tl_tanhf(x / s->cap);
            if (s->bias)
                x += bias_of(s, i, head)[t];
            p[t - t0] = x;
            best = x > best ? x : best;
        }
        for (int t = t0; t < t1; t++) {
            float x = p[t - t0] - best, e = x < -64 ? 0 : tl_expf(x);
            p[t - t0] = half ? tl_x13(e) : e;
        }
        for (int j = 0; j < s->dv; j++)
            for (int t = t0; t < t1; t++)
                ac[j] += p[t - t0] * s->v[(row_of(s, span[0], t) * s->hk + kv_head) * s->dv + j];
        float both = m > best ? m : best, f = tl_expf(m - both), g = tl_expf(best - both);
        l = l * f + lanes_of(p, NULL, t1 - t0, t0) * g;
        for (int j = 0; j < s->dv; j++)
            a[j] = a[j] * f + ac[j] * g;
        m = both;
    }
    if (s->sinks) {
        float both = m > s->sinks[head] ? m : s->sinks[head], f = tl_expf(m - both);
        l = l * f + tl_expf(s->sinks[head] - both);
        for (int j = 0; j < s->dv; j++)
            a[j] = a[j] * f;
    }
    for (int j = 0; j < s->dv; j++)
        y[j] = span[2] > span[1] ? a[j] / l : 0;
}

enum { N = 12, H = 3, HK = 1, D = 20, DV = 12, KEYS = 640 };
static const int32_t wide_spans[] = {0, 0, 1,   0, 0, 16,  0, 0,   17,  0, 0, 255, 0, 0,   256, 0, 0,   257,
                                     0, 0, 512, 0, 0, 600, 0, 250, 260, 0, 9, 640, 0, 300, 511, 0, 255, 513};

/* A scene with everything in it: options by the bits of kind: 1 f16, 2 pages, 4 bias, 8 sinks and cap. */
static scene full_scene(int kind) {
    static float q[N * H * D], k[KEYS * HK * D], v[KEYS * HK * DV], bias[H * KEYS];
    static const float sinks[H] = {0.5f, -3, 8};
    static int32_t spans[COUNT(wide_spans)], pages[20];
    scene s = {.n = N,
               .h = H,
               .hk = HK,
               .d = D,
               .dv = DV,
               .rows = KEYS,
               .kv = kind & 1 ? TL_F16 : TL_F32,
               .q = q,
               .k = k,
               .v = v,
               .span = spans,
               .scale = 0.3f};
    fill(q, COUNT(q), 1, TL_F32);
    fill(k, COUNT(k), 2, s.kv);
    fill(v, COUNT(v), 3, s.kv);
    memcpy(spans, wide_spans, sizeof spans);
    if (kind & 2) {
        for (int i = 0; i < 20; i++)
            pages[i] = (7 * i + i / 10) % 10;
        for (int i = 0; i < N; i++)
            spans[3 * i] = i % 2;
        s.pages = pages;
        s.sequences = 2;
        s.per_sequence = 10;
    }
    if (kind & 4) {
        fill(bias, COUNT(bias), 4, TL_F32);
        s.bias = bias;
        s.bias_n = 1;
        s.bias_h = H;
        s.bias_t = KEYS;
    }
    if (kind & 8) {
        s.sinks = sinks;
        s.cap = 1.5f;
    }
    return s;
}

START_TEST(computes_chunks_of_256_keys_as_stated) {
    static float y[N * H * DV];
    scene s = full_scene(_i);
    int other_chunk_differs = 0;
    must_attend(&s, y);
    for (int r = 0; r < N * H; r++) {
        float want[DV], other[DV];
        uint64_t saved = tl_float_enter(); /* the suite also runs in other rounding modes */
        state_attention(&s, r / H, r % H, 256, want);
        state_attention(&s, r / H, r % H, 255, other);
        tl_float_leave(saved);
        for (int j = 0; j < DV; j++) {
            assert_bits(y[r * DV + j], want[j]);
            other_chunk_differs += want[j] != other[j];
        }
    }
    ck_assert_int_gt(other_chunk_differs, 100); /* else the data could not tell */
}
END_TEST

START_TEST(stays_near_plain_double_loops) {
    static float y[N * H * DV];
    scene s = full_scene(_i);
    double allowed = _i & 1 ? 1e-3 : 1e-5;
    must_attend(&s, y);
    for (int r = 0; r < N * H; r++) {
        int i = r / H, head = r % H, sequence = s.span[3 * i], first = s.span[3 * i + 1], end = s.span[3 * i + 2];
        double p[KEYS], best = s.sinks ? s.sinks[head] : -INFINITY, sum = 0;
        for (int t = first; t < end; t++) {
            p[t] = 0;
            for (int j = 0; j < D; j++)
                p[t] += (double)s.q[r * D + j] * s.k[row_of(&s, sequence, t) * D + j];
            p[t] *= s.scale;
            p[t] = s.cap > 0 ? s.cap * tanh(p[t] / s.cap) : p[t];
            p[t] += s.bias ? bias_of(&s, i, head)[t] : 0;
            best = p[t] > best ? p[t] : best;
        }
        for (int t = first; t < end; t++)
            sum += p[t] = exp(p[t] - best);
        sum += s.sinks ? exp(s.sinks[head] - best) : 0;
        for (int j = 0; j < DV; j++) {
            double want = 0;
            for (int t = first; t < end; t++)
                want += p[t] / sum * s.v[row_of(&s, sequence, t) * DV + j];
            ck_assert_double_eq_tol(y[r * DV + j], want, allowed);
        }
    }
}
END_TEST

/* ---- where keys lie ---- */

START_TEST(gives_the_same_bits_wherever_the_pages_lie) {
    static float moved_k[KEYS * D], moved_v[KEYS * DV], plain[N * H * DV], paged[N * H * DV];
    static const int32_t pages[10] = {3, 9, 0, 4, 7, 1, 8, 2, 6, 5};
    for (int kind = 0; kind < 2; kind++) {
        scene s = full_scene(kind);
        must_attend(&s, plain);
        for (int t = 0; t < KEYS; t++) {
            int row = pages[t / 64] * 64 + t % 64;
            memcpy(moved_k + row * D, s.k + t * D, D * sizeof(float));
            memcpy(moved_v + row * DV, s.v + t * DV, DV * sizeof(float));
        }
        s.k = moved_k;
        s.v = moved_v;
        s.pages = pages;
        s.sequences = 1;
        s.per_sequence = 10;
        must_attend(&s, paged);
        ck_assert(memcmp(plain, paged, sizeof plain) == 0);
    }
}
END_TEST

START_TEST(gives_each_query_alone_the_same_bits) {
    static float all[N * H * DV], one[H * DV];
    scene s = full_scene(15);
    must_attend(&s, all);
    const float *q = s.q;
    const int32_t *span = s.span;
    for (int i = 0; i < N; i++) {
        s.n = 1;
        s.q = q + i * H * D;
        s.span = span + 3 * i;
        must_attend(&s, one);
        ck_assert(memcmp(all + i * H * DV, one, sizeof one) == 0);
    }
}
END_TEST

START_TEST(never_reads_keys_outside_the_span) {
    static float k[KEYS], v[KEYS];
    float y;
    for (int i = 0; i < KEYS; i++)
        k[i] = v[i] = i >= 250 && i < 515 ? 1 : (float)NAN;
    scene s = simple(k, v, KEYS, (int32_t[]){0, 250, 515});
    must_attend(&s, &y);
    assert_bits(y, 1);
}
END_TEST

START_TEST(counts_the_keys_that_spans_show) {
    rig r = rig_open("ref");
    tl_tensor *q = tl_input(r.g, "q", TL_F32, 3, SHAPE(2, 4, 8)), *k = tl_input(r.g, "k", TL_F16, 3, SHAPE(100, 2, 8));
    tl_tensor *v = tl_input(r.g, "v", TL_F16, 3, SHAPE(100, 2, 16)), *span = tl_input(r.g, "span", TL_I32, 2, SHAPE(2, 3));
    tl_tensor *y = tl_output(r.g, tl_attention(r.g, q, k, v, span, NULL, NULL, NULL, 1, 0));
    tl_cost c;
    y->op->cost(y, 8, &c);
    ck_assert(c.ops == 2 * 200 * 4 * 24); /* nothing bound yet: all that could be seen */
    rig_plan(&r, NULL);
    put(&r, span, (int32_t[]){0, 0, 10, 0, 5, 12});
    y->op->cost(y, 8, &c);
    /* 17 keys are seen, 12 different ones read */
    ck_assert(c.ops == 2 * 17 * 4 * 24 && c.read == 4 * 8 * 8 + 12 * 2 * 24 * 2 && c.written == 4 * 8 * 16);
    put(&r, span, (int32_t[]){0, 0, 10, 0, 11, 12});
    y->op->cost(y, 8, &c);
    ck_assert(c.ops == 2 * 11 * 4 * 24 && c.read == 4 * 8 * 8 + 11 * 2 * 24 * 2);
    put(&r, span, (int32_t[]){0, 20, 30, 0, 7, 20});
    y->op->cost(y, 8, &c);
    ck_assert(c.ops == 2 * 23 * 4 * 24 && c.read == 4 * 8 * 8 + 23 * 2 * 24 * 2);
    put(&r, span, (int32_t[]){0, 0, 0, 0, 3, 4});
    y->op->cost(y, 8, &c);
    ck_assert(c.ops == 2 * 1 * 4 * 24 && c.read == 4 * 8 * 8 + 1 * 2 * 24 * 2);
    rig_close(&r);
}
END_TEST

static Suite *attention_suite(void) {
    Suite *s = suite_create("attention");
    TCase *c = tcase_create("attention");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, gives_the_value_of_an_only_key_and_the_mean_of_equals);
    tcase_add_test(c, scales_scores);
    tcase_add_test(c, drops_scores_more_than_64_below_the_best);
    tcase_add_test(c, lets_a_sink_join_the_denominator_only);
    tcase_add_test(c, caps_before_it_adds_the_bias);
    tcase_add_test(c, gives_zeros_where_nothing_is_visible);
    tcase_add_test(c, keeps_nan_and_takes_minus_inf_as_unseen);
    tcase_add_test(c, shares_key_heads_among_neighbouring_query_heads);
    tcase_add_loop_test(c, computes_chunks_of_256_keys_as_stated, 0, 16);
    tcase_add_loop_test(c, stays_near_plain_double_loops, 0, 16);
    tcase_add_test(c, gives_the_same_bits_wherever_the_pages_lie);
    tcase_add_test(c, gives_each_query_alone_the_same_bits);
    tcase_add_test(c, never_reads_keys_outside_the_span);
    tcase_add_test(c, counts_the_keys_that_spans_show);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(attention_suite());
}
