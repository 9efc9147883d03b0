/* test_attention.c: attention: values by hand, the stated arithmetic to the last bit written a second time, distance from plain double
 * loops, where keys lie and which are never read, and every message of builder and run. */
#include <math.h>

#include "tensor/math.h"
#include "tests/rig.h"

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})

/* Everything one call of attention reads. k [rows, hk, d] and v [rows, hk, dv] hold f32 here, f16 values exactly where kv is f16. */
typedef struct scene {
    int n, h, hk, d, dv, rows;
    tl_dtype kv;
    const float *q, *k, *v;
    const int32_t *span;
    const int32_t *pages; /* [sequences, per_sequence] or NULL */
    int sequences, per_sequence;
    const float *bias; /* [bias_n, bias_h, bias_t] or NULL */
    int bias_n, bias_h, bias_t;
    const float *sinks;
    float scale, cap;
} scene;

static void put(rig *r, tl_tensor *t, const void *data) {
    if (t)
        MUST(r, tl_write(t, data, tl_bytes(t), &r->err));
}

static tl_tensor *put_cache(rig *r, const char *name, const scene *s, int d, const float *values) {
    tl_tensor *t;
    MUST(r, tl_bank_add(r->bank, name, s->kv, 3, SHAPE(s->rows, s->hk, d), NULL, &t, &r->err));
    ck_assert_int_eq(tl_encode(s->kv, values, tl_data(t), tl_count(t), NULL), TL_OK);
    return t;
}

/* Runs the scene on ref into y [n, h, dv]; gives the run's status, with its message in *err. */
static tl_status attend(const scene *s, float *y, tl_error *err) {
    rig r = rig_open("ref");
    tl_tensor *q = tl_input(r.g, "q", TL_F32, 3, SHAPE(s->n, s->h, s->d)), *span = tl_input(r.g, "span", TL_I32, 2, SHAPE(s->n, 3));
    tl_tensor *k = put_cache(&r, "k", s, s->d, s->k), *v = put_cache(&r, "v", s, s->dv, s->v);
    tl_tensor *pages = s->pages ? tl_input(r.g, "pages", TL_I32, 2, SHAPE(s->sequences, s->per_sequence)) : NULL;
    tl_tensor *bias = s->bias ? tl_input(r.g, "bias", TL_F32, 3, SHAPE(s->bias_n, s->bias_h, s->bias_t)) : NULL;
    tl_tensor *sinks = s->sinks ? tl_input(r.g, "sinks", TL_F32, 1, SHAPE(s->h)) : NULL;
    tl_tensor *out = tl_output(r.g, tl_attention(r.g, q, k, v, span, pages, bias, sinks, s->scale, s->cap));
    rig_plan(&r, NULL);
    put(&r, q, s->q);
    put(&r, span, s->span);
    put(&r, pages, s->pages);
    put(&r, bias, s->bias);
    put(&r, sinks, s->sinks);
    tl_status status = tl_plan_run(r.plan, err);
    if (status == TL_OK)
        MUST(&r, tl_read(out, y, tl_bytes(out), &r.err));
    rig_close(&r);
    return status;
}

static void must_attend(const scene *s, float *y) {
    tl_error err = {0};
    ck_assert_msg(attend(s, y, &err) == TL_OK, "%s", err.message);
}

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

/* ---- by hand: d = 1, q = 1, scale = 1, so a key is its own score ---- */

static scene simple(const float *k, const float *v, int rows, const int32_t *span) {
    static const float one = 1;
    return (scene){
        .n = 1, .h = 1, .hk = 1, .d = 1, .dv = 1, .rows = rows, .kv = TL_F32, .q = &one, .k = k, .v = v, .span = span, .scale = 1};
}

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

/* ---- messages ---- */

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
    tcase_add_test(c, refuses_a_run_with_spans_or_pages_out_of_range);
    tcase_add_test(c, says_what_does_not_fit);
    tcase_add_test(c, passes_the_size_of_q_on);
    tcase_add_test(c, scratch_for_a_huge_group_of_heads_is_counted_or_refused);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(attention_suite());
}
