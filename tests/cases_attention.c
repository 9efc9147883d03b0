/* cases_attention.c: attention over spans that begin and end about the lanes (16), the pages (64) and the chunks (256) of keys, with and
 * without pages, f32 and f16 keys, grouped heads, windows, several sequences, bias, sinks and cap, and as a layer of a model uses it. */
#include <stdio.h>

#include "tests/cases.h"

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})

enum { MAX_QUERIES = 16, SEQUENCES = 3, PAGES = 10, KEYS = PAGES * TL_ATTENTION_PAGE };

typedef struct range {
    int32_t first, end;
} range;
typedef enum range_set { ENDS, WINDOWS, CAUSAL, SHORT, NOTHING, ALONE, ALONE_INSIDE, N_RANGE_SETS } range_set;
static const range ends[] = {{0, 0},   {0, 1},   {0, 15},  {0, 16},  {0, 17},  {0, 64},
                             {0, 255}, {0, 256}, {0, 257}, {0, 512}, {0, 600}, {0, KEYS}};
static const range windows[] = {{0, 1},     {5, 5},    {9, 3},     {1, 256},   {15, 17}, {250, 260}, {255, 257}, {256, 512},
                                {300, 600}, {17, 600}, {599, 600}, {511, 513}, {0, -7},  {256, 256}, {63, 65},   {100, 131}};
static const range causal[] = {{0, 301}, {0, 302}, {0, 303}, {0, 304}, {0, 305}, {0, 306}, {0, 307}};
static const range short_ones[] = {{0, 3}, {0, 4}, {2, 5}, {0, 6}, {4, 7}};
static const range nothing[] = {{0, 0}, {9, 9}, {KEYS, KEYS}, {20, 1}};
static const range alone[] = {{0, KEYS}}, alone_inside[] = {{300, 601}}; /* one query over several chunks: cut over its keys */
static const struct {
    const range *r;
    int n;
} sets[N_RANGE_SETS] = {{ends, COUNT(ends)},
                        {windows, COUNT(windows)},
                        {causal, COUNT(causal)},
                        {short_ones, COUNT(short_ones)},
                        {nothing, COUNT(nothing)},
                        {alone, COUNT(alone)},
                        {alone_inside, COUNT(alone_inside)}};

typedef enum bias_kind { NO_BIAS, BIAS_FULL, BIAS_ONE_HEAD, BIAS_ONE_QUERY, BIAS_ROW, BIAS_MASK, BIAS_SPECIAL, BIAS_FINITE } bias_kind;

typedef struct scene {
    const char *name;
    range_set set;
    tl_dtype kv;
    int h, hk, d, dv;
    bool pages, varies, sinks;
    bias_kind bias;
    float cap;
    case_fill q, k;
} scene;

/* span [n, 3]; with pages the queries take turns among the sequences. */
static tl_tensor *spans(case_env *e, int64_t n, range_set set, bool pages) {
    int32_t values[3 * MAX_QUERIES];
    for (int i = 0; i < sets[set].n; i++) {
        values[3 * i] = pages ? i % SEQUENCES : 0;
        values[3 * i + 1] = sets[set].r[i].first;
        values[3 * i + 2] = sets[set].r[i].end;
    }
    return case_values(e, "span", 2, SHAPE(n, 3), values);
}

/* Every sequence has its own order of the same pages: some are shared at the same place, as a common prefix is. */
static tl_tensor *page_table(case_env *e) {
    int32_t values[SEQUENCES * PAGES];
    for (int s = 0; s < SEQUENCES; s++)
        for (int j = 0; j < PAGES; j++)
            values[s * PAGES + j] = s == 1 ? j : (7 * j + 3 * s) % PAGES;
    return case_values(e, "pages", 2, SHAPE(SEQUENCES, PAGES), values);
}

static tl_tensor *make_bias(case_env *e, bias_kind kind, int64_t n, int64_t h) {
    switch (kind) {
    case BIAS_FULL: return case_input(e, "bias", TL_F32, 3, SHAPE(n, h, KEYS), FILL_NORMAL);
    case BIAS_ONE_HEAD: return case_input(e, "bias", TL_F32, 3, SHAPE(n, 1, KEYS), FILL_NORMAL);
    case BIAS_ONE_QUERY: return case_input(e, "bias", TL_F32, 3, SHAPE(1, h, KEYS + 3), FILL_WIDE);
    case BIAS_ROW: return case_input(e, "bias", TL_F32, 3, SHAPE(1, 1, KEYS), FILL_NORMAL);
    case BIAS_MASK:
        return tl_log(e->g, tl_relu(e->g, case_input(e, "bias", TL_F32, 3, SHAPE(n, 1, KEYS), FILL_NORMAL))); /* half of it -inf */
    case BIAS_SPECIAL: return case_input(e, "bias", TL_F32, 3, SHAPE(n, h, KEYS), FILL_SPECIAL);
    case BIAS_FINITE: return case_input(e, "bias", TL_F32, 3, SHAPE(n, 1, KEYS), FILL_FINITE);
    default: return NULL;
    }
}

static case_fill sinks_fill(bias_kind bias) { /* as nasty as the bias */
    return bias == BIAS_SPECIAL ? FILL_SPECIAL : bias == BIAS_FINITE ? FILL_FINITE : FILL_NORMAL;
}

static void build(case_env *e) {
    const scene *c = e->params;
    int64_t n = c->varies ? case_size(e, "n", sets[c->set].n) : sets[c->set].n;
    tl_tensor *q = case_input(e, "q", TL_F32, 3, SHAPE(n, c->h, c->d), c->q);
    tl_tensor *k = case_weight(e, "k", c->kv, 3, SHAPE(KEYS, c->hk, c->d), c->k, 0);
    tl_tensor *v = case_weight(e, "v", c->kv, 3, SHAPE(KEYS, c->hk, c->dv), c->k, 0);
    tl_tensor *sinks = c->sinks ? case_input(e, "sinks", TL_F32, 1, SHAPE(c->h), sinks_fill(c->bias)) : NULL;
    tl_tensor *pages = c->pages ? page_table(e) : NULL, *span = spans(e, n, c->set, c->pages);
    float scale = c->d >= 64 ? 0.125f : 0.5f;
    case_output(e, tl_attention(e->g, q, k, v, span, pages, make_bias(e, c->bias, n, c->h), sinks, scale, c->cap));
}

/* clang-format off */
#define N FILL_NORMAL
static const scene scenes[] = {
    {"attention/f32/ends", ENDS, TL_F32, 2, 2, 8, 8, false, true, false, NO_BIAS, 0, N, N},
    {"attention/f16/ends", ENDS, TL_F16, 2, 2, 8, 8, false, true, false, NO_BIAS, 0, N, N},
    {"attention/f32/ends/pages", ENDS, TL_F32, 3, 1, 64, 64, true, false, false, NO_BIAS, 0, N, N},
    {"attention/f16/ends/pages", ENDS, TL_F16, 9, 3, 64, 64, true, true, false, NO_BIAS, 0, N, N},
    {"attention/f32/windows", WINDOWS, TL_F32, 2, 1, 16, 16, false, false, false, NO_BIAS, 0, N, N},
    {"attention/f16/windows", WINDOWS, TL_F16, 2, 1, 16, 16, false, true, false, NO_BIAS, 0, N, N},
    {"attention/f32/windows/pages", WINDOWS, TL_F32, 2, 2, 24, 24, true, true, false, NO_BIAS, 0, N, N},
    {"attention/f16/windows/pages", WINDOWS, TL_F16, 3, 3, 40, 40, true, false, false, NO_BIAS, 0, N, N},
    {"attention/f32/causal/d80", CAUSAL, TL_F32, 2, 2, 80, 80, false, true, false, NO_BIAS, 0, N, N},
    {"attention/f16/causal/d128", CAUSAL, TL_F16, 8, 1, 128, 128, true, true, false, NO_BIAS, 0, N, N},
    {"attention/f16/causal/d64", CAUSAL, TL_F16, 9, 3, 64, 64, true, true, false, NO_BIAS, 0, N, N},
    {"attention/f32/group8", SHORT, TL_F32, 8, 1, 8, 8, true, false, false, NO_BIAS, 0, N, N},
    {"attention/f16/group3", SHORT, TL_F16, 6, 2, 20, 20, false, false, false, NO_BIAS, 0, N, N},
    {"attention/f32/group2", SHORT, TL_F32, 4, 2, 1, 1, false, false, false, NO_BIAS, 0, N, N},
    {"attention/f32/dv24", CAUSAL, TL_F32, 2, 1, 8, 24, false, false, false, NO_BIAS, 0, N, N},
    {"attention/f16/dv32", CAUSAL, TL_F16, 2, 1, 64, 32, true, false, false, NO_BIAS, 0, N, N},
    {"attention/f16/d7_dv5", WINDOWS, TL_F16, 2, 1, 7, 5, false, false, false, NO_BIAS, 0, N, N},
    {"attention/f32/nothing", NOTHING, TL_F32, 2, 1, 8, 8, true, true, true, NO_BIAS, 0, N, N},
    {"attention/f16/nothing", NOTHING, TL_F16, 2, 1, 8, 8, false, false, false, NO_BIAS, 0, N, N},
    {"attention/f32/bias", ENDS, TL_F32, 2, 1, 8, 8, false, true, false, BIAS_FULL, 0, N, N},
    {"attention/f16/bias/one_head", WINDOWS, TL_F16, 3, 1, 16, 16, true, true, false, BIAS_ONE_HEAD, 0, N, N},
    {"attention/f32/bias/one_query", WINDOWS, TL_F32, 3, 3, 16, 16, true, true, false, BIAS_ONE_QUERY, 0, N, N},
    {"attention/f16/bias/row", ENDS, TL_F16, 2, 2, 16, 16, false, false, false, BIAS_ROW, 0, N, N},
    {"attention/f32/bias/mask", CAUSAL, TL_F32, 2, 1, 8, 8, false, true, false, BIAS_MASK, 0, N, N},
    {"attention/f16/bias/mask", WINDOWS, TL_F16, 2, 1, 8, 8, true, false, true, BIAS_MASK, 0, N, N},
    {"attention/f32/group7/special_bias", WINDOWS, TL_F32, 7, 1, 24, 24, true, true, true, BIAS_SPECIAL, 0, N, N},
    {"attention/f16/group5/special_bias", WINDOWS, TL_F16, 10, 2, 16, 16, false, false, true, BIAS_SPECIAL, 8.0f, N, N},
    {"attention/f16/group5/finite_bias", CAUSAL, TL_F16, 5, 1, 40, 24, true, true, true, BIAS_FINITE, 0, N, N},
    {"attention/f32/sinks", ENDS, TL_F32, 4, 2, 8, 8, false, true, true, NO_BIAS, 0, N, N},
    {"attention/f16/sinks", WINDOWS, TL_F16, 4, 2, 64, 64, true, false, true, NO_BIAS, 0, N, N},
    {"attention/f32/cap", CAUSAL, TL_F32, 2, 1, 16, 16, false, false, false, NO_BIAS, 2.5f, N, N},
    {"attention/f16/cap_bias_sinks", WINDOWS, TL_F16, 2, 1, 16, 16, true, true, true, BIAS_FULL, 30.0f, N, N},
    {"attention/f32/wide", CAUSAL, TL_F32, 2, 1, 16, 16, false, false, false, NO_BIAS, 0, FILL_WIDE, N},
    {"attention/f16/wide", WINDOWS, TL_F16, 2, 1, 16, 16, true, false, false, NO_BIAS, 0, FILL_WIDE, N},
    {"attention/f32/tiny", CAUSAL, TL_F32, 2, 1, 16, 16, false, false, false, NO_BIAS, 0, FILL_TINY, N},
    {"attention/f16/tiny", CAUSAL, TL_F16, 2, 1, 16, 16, false, false, false, NO_BIAS, 0, FILL_TINY, N},
    {"attention/f32/equal_scores", WINDOWS, TL_F32, 2, 1, 16, 16, true, false, false, NO_BIAS, 0, FILL_ZERO, N},
    {"attention/f16/ties", ENDS, TL_F16, 2, 1, 8, 8, false, false, false, NO_BIAS, 0, FILL_TIES, FILL_TIES},
    {"attention/f32/special_q", SHORT, TL_F32, 4, 1, 8, 8, false, false, false, NO_BIAS, 0, FILL_SPECIAL, N},
    {"attention/f16/special_q", SHORT, TL_F16, 4, 1, 8, 8, true, false, false, NO_BIAS, 0, FILL_SPECIAL, N},
    {"attention/f32/special_kv", WINDOWS, TL_F32, 2, 2, 8, 8, false, false, false, NO_BIAS, 0, N, FILL_SPECIAL},
    {"attention/f16/special_kv", WINDOWS, TL_F16, 2, 2, 8, 8, true, false, false, NO_BIAS, 0, N, FILL_SPECIAL},
    {"attention/f32/alone", ALONE, TL_F32, 4, 2, 16, 16, true, true, true, NO_BIAS, 0, N, N},
    {"attention/f16/alone", ALONE, TL_F16, 3, 1, 64, 32, true, false, false, BIAS_FULL, 0, N, N},
    {"attention/f32/alone/window", ALONE_INSIDE, TL_F32, 2, 1, 24, 8, false, true, false, BIAS_MASK, 0, FILL_WIDE, N},
    {"attention/f16/alone/window", ALONE_INSIDE, TL_F16, 4, 1, 16, 16, true, true, true, NO_BIAS, 5.0f, N, FILL_SPECIAL},
    {"attention/f16/cancel", ENDS, TL_F16, 1, 1, 16, 16, true, false, false, NO_BIAS, 0, N, FILL_CANCEL},
};
#undef N
/* clang-format on */

static void build_computed(case_env *e) { /* k and v are this step's own rows, seen causally: an encoder, or a first prompt */
    int64_t n = case_size(e, "n", 7);
    int32_t values[21];
    for (int i = 0; i < 7; i++) {
        values[3 * i] = 0;
        values[3 * i + 1] = 0;
        values[3 * i + 2] = i + 1;
    }
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(n, 3, 8), FILL_NORMAL), *span = case_values(e, "span", 2, SHAPE(n, 3), values);
    case_output(e, tl_attention(e->g, tl_neg(e->g, x), x, tl_silu(e->g, x), span, NULL, NULL, NULL, 0.25f, 0));
    tl_tensor *half = tl_cast(e->g, x, TL_F16);
    case_output(e, tl_attention(e->g, x, half, half, span, NULL, NULL, NULL, 0.25f, 0));
}

static void build_views(case_env *e) { /* q, k and v lie in one row of heads */
    int64_t n = case_size(e, "n", 5);
    int32_t values[15];
    for (int i = 0; i < 5; i++) {
        values[3 * i] = 0;
        values[3 * i + 1] = i / 2;
        values[3 * i + 2] = i + 1;
    }
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(n, 8, 16), FILL_NORMAL), *span = case_values(e, "span", 2, SHAPE(n, 3), values);
    tl_tensor *q = tl_slice(e->g, x, 1, 0, 4, 1), *k = tl_slice(e->g, x, 1, 4, 2, 1), *v = tl_slice(e->g, x, 1, 6, 2, 1);
    case_output(e, tl_attention(e->g, q, k, v, span, NULL, NULL, NULL, 0.25f, 0));
    case_output(e, tl_attention(e->g, q, k, tl_slice(e->g, v, 2, 0, 8, 2), span, NULL, NULL, NULL, 0.25f, 0));
    case_output(e, tl_attention(e->g, tl_broadcast(e->g, case_input(e, "one", TL_F32, 3, SHAPE(1, 1, 16), FILL_NORMAL), 3, SHAPE(3, 4, 16)),
                                case_weight(e, "k", TL_F16, 3, SHAPE(8, 2, 16), FILL_NORMAL, 0),
                                case_weight(e, "v", TL_F16, 3, SHAPE(8, 2, 16), FILL_NORMAL, 0),
                                case_values(e, "fixed", 2, SHAPE(3, 3), values), NULL, NULL, NULL, 0.25f, 0));
}

/* A layer of a model: projections, rope, rows into the paged cache, attention over it, projection back, residual. */
static void build_layer(case_env *e) {
    enum { MOST = 6, DIM = 64, HEADS = 4, KV_HEADS = 2, D = 16 };
    static const int32_t pos[MOST] = {0, 1, 2, 70, 3, 71}, rows[MOST] = {128, 129, 130, 6, 131, 7};
    static const int32_t span[3 * MOST] = {0, 0, 1, 0, 0, 2, 0, 0, 3, 1, 0, 71, 0, 0, 4, 1, 8, 72}, pages[4] = {2, 1, 3, 0};
    tl_dtype kv = *(const tl_dtype *)e->params;
    int64_t n = case_size(e, "n", MOST);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(n, DIM), FILL_NORMAL),
              *norm = case_input(e, "norm", TL_F32, 1, SHAPE(DIM), FILL_ONES);
    tl_tensor *h = tl_rms_norm(e->g, x, norm, 1e-5f);
    tl_tensor *wq = case_weight(e, "wq", TL_Q4_1, 2, SHAPE(HEADS * D, DIM), FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *wk = case_weight(e, "wk", TL_Q4_1, 2, SHAPE(KV_HEADS * D, DIM), FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *wv = case_weight(e, "wv", TL_Q8_0, 2, SHAPE(KV_HEADS * D, DIM), FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *wo = case_weight(e, "wo", TL_Q4_0, 2, SHAPE(DIM, HEADS * D), FILL_NORMAL, TL_USE_LINEAR);
    double freq[D / 2], magnitude;
    tl_rope_config config = tl_rope_defaults(D);
    tl_rope_freqs(&config, freq, &magnitude, NULL);
    tl_tensor *angles = tl_rope_angles(e->g, case_values(e, "pos", 1, SHAPE(n), pos), D / 2, freq, magnitude, NULL);
    tl_tensor *at = case_values(e, "rows", 1, SHAPE(n), rows);
    tl_tensor *q = tl_rope(e->g, tl_reshape(e->g, tl_linear(e->g, h, wq, NULL), 3, SHAPE(-1, HEADS, D)), angles, TL_ROPE_INTERLEAVED);
    tl_tensor *k = tl_rope(e->g, tl_reshape(e->g, tl_linear(e->g, h, wk, NULL), 3, SHAPE(-1, KV_HEADS, D)), angles, TL_ROPE_INTERLEAVED);
    tl_tensor *v = tl_reshape(e->g, tl_linear(e->g, h, wv, NULL), 3, SHAPE(-1, KV_HEADS, D));
    tl_tensor *keys = tl_set_rows(e->g, case_state(e, "keys", kv, 3, SHAPE(256, KV_HEADS, D), FILL_NORMAL), at, k);
    tl_tensor *values = tl_set_rows(e->g, case_state(e, "values", kv, 3, SHAPE(256, KV_HEADS, D), FILL_NORMAL), at, v);
    tl_tensor *seen = tl_attention(e->g, q, keys, values, case_values(e, "span", 2, SHAPE(n, 3), span),
                                   case_values(e, "pages", 2, SHAPE(2, 2), pages), NULL, NULL, 0.25f, 0);
    case_output(e, tl_add(e->g, x, tl_linear(e->g, tl_reshape(e->g, seen, 2, SHAPE(-1, HEADS * D)), wo, NULL)));
}

void cases_attention(case_list *l) {
    static const tl_dtype kv[] = {TL_F32, TL_F16};
    for (int i = 0; i < COUNT(scenes); i++)
        case_add(l, scenes[i].name, build, &scenes[i], sizeof scenes[i]);
    case_add(l, "attention/computed", build_computed, NULL, 0);
    case_add(l, "attention/views", build_views, NULL, 0);
    case_add(l, "attention/layer/f32", build_layer, &kv[0], sizeof kv[0]);
    case_add(l, "attention/layer/f16", build_layer, &kv[1], sizeof kv[1]);
}
