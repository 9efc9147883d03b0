/* sampler.c: from logits to a token. The chain is llama.cpp's: logit bias, penalties, top-k, top-p, min-p, temperature, a draw. It is
 * deterministic everywhere: candidates are sorted as integers in a total order (larger logit first, equal ones by id), sums run in that
 * order in double, exp is Tally's own, and so is the generator of random numbers. */
#include "models/gguf.h"
#include "models/model.h"
#include "tensor/math.h"
#include "tensor/platform.h"

#include <float.h>
#include <string.h>

/* A candidate as one integer: the high half grows as the logit falls, the low half is the id. */
typedef uint64_t sampler_cand;

struct tl_sampler {
    tl_sampler_options o;
    int32_t n_vocab;
    float *bias;                /* [n_vocab], NULL without bias */
    sampler_cand *cand, *spare; /* [n_vocab] */
    float *weight;              /* [n_vocab] exp(logit - best) of the sorted candidates */
    int32_t *count;             /* [n_vocab] how often a token is in the window */
    int32_t *window;            /* the last seen tokens, a ring once it has repeat_last_n */
    size_t n_window, cap_window, oldest;
    uint32_t random[4];
};

/* ---- random numbers: xoshiro128++ (Blackman, Vigna 2019), seeded by splitmix64 ------------------------------------------ */

static uint64_t sampler_splitmix(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15ull;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
}

static void sampler_seed(tl_sampler *s) {
    uint64_t state = s->o.seed, a = sampler_splitmix(&state), b = sampler_splitmix(&state);
    s->random[0] = (uint32_t)a;
    s->random[1] = (uint32_t)(a >> 32);
    s->random[2] = (uint32_t)b;
    s->random[3] = (uint32_t)(b >> 32) | 1; /* never all zero */
}

static uint32_t sampler_rotate(uint32_t x, int k) {
    return x << k | x >> (32 - k);
}

static uint32_t sampler_random(uint32_t r[4]) {
    uint32_t result = sampler_rotate(r[0] + r[3], 7) + r[0], t = r[1] << 9;
    r[2] ^= r[0];
    r[3] ^= r[1];
    r[1] ^= r[2];
    r[0] ^= r[3];
    r[2] ^= t;
    r[3] = sampler_rotate(r[3], 11);
    return result;
}

/* ---- candidates -------------------------------------------------------------------------------------------------------- */

static sampler_cand sampler_pack(float logit, int32_t id) {
    uint32_t bits;
    logit += 0.0f; /* -0 and 0 are the same logit */
    memcpy(&bits, &logit, sizeof bits);
    uint32_t rising = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (uint64_t)~rising << 32 | (uint32_t)id;
}

static int32_t sampler_id(sampler_cand c) {
    return (int32_t)(uint32_t)c;
}

static float sampler_logit(sampler_cand c) {
    uint32_t rising = ~(uint32_t)(c >> 32), bits = rising >> 31 ? rising & 0x7FFFFFFFu : ~rising;
    float logit;
    memcpy(&logit, &bits, sizeof logit);
    return logit;
}

/* Moves x down the heap c [n] (largest on top) from slot i. */
static void sampler_sift(sampler_cand *c, size_t n, size_t i, sampler_cand x) {
    size_t child;
    while ((child = 2 * i + 1) < n) {
        if (child + 1 < n && c[child + 1] > c[child])
            child++;
        if (c[child] <= x)
            break;
        c[i] = c[child];
        i = child;
    }
    c[i] = x;
}

/* Brings the k smallest of c [n] to its front, in any order: a heap of the k best so far, whose top is the worst of them. */
static void sampler_select(sampler_cand *c, size_t n, size_t k) {
    for (size_t i = k / 2; i-- > 0;)
        sampler_sift(c, k, i, c[i]);
    for (size_t i = k; i < n; i++)
        if (c[i] < c[0])
            sampler_sift(c, k, 0, c[i]);
}

/* Sorts c [n], all different, ascending: by bytes from the lowest, eight passes of which those that change nothing are skipped. */
static void sampler_sort(sampler_cand *c, sampler_cand *spare, size_t n) {
    sampler_cand *from = c, *to = spare;
    for (int shift = 0; shift < 64; shift += 8) {
        size_t start[256] = {0};
        for (size_t i = 0; i < n; i++)
            start[from[i] >> shift & 0xFF]++;
        if (n == 0 || start[from[0] >> shift & 0xFF] == n)
            continue;
        size_t sum = 0;
        for (int b = 0; b < 256; b++) {
            size_t count = start[b];
            start[b] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            to[start[from[i] >> shift & 0xFF]++] = from[i];
        sampler_cand *swap = from;
        from = to;
        to = swap;
    }
    if (from != c)
        memcpy(c, from, n * sizeof *c);
}

/* ---- the chain --------------------------------------------------------------------------------------------------------- */

static bool sampler_penalises(const tl_sampler_options *o) {
    return o->repeat_last_n != 0 && (o->repeat_penalty != 1.0f || o->frequency_penalty != 0.0f || o->presence_penalty != 0.0f);
}

static float sampler_penalise(const tl_sampler_options *o, float logit, int32_t count) {
    logit = logit <= 0.0f ? logit * o->repeat_penalty : logit / o->repeat_penalty;
    return logit - ((float)count * o->frequency_penalty + o->presence_penalty);
}

/* Candidates with bias and penalties; those masked (-inf, NaN) are left out. Infinite ones count as the largest float, so that differences
 * stay numbers. */
static size_t sampler_collect(tl_sampler *s, const float *logits) {
    bool penalise = sampler_penalises(&s->o);
    size_t n = 0;
    for (int32_t id = 0; id < s->n_vocab; id++) {
        float logit = logits[id];
        if (s->bias != NULL)
            logit += s->bias[id];
        if (logit > FLT_MAX)
            logit = FLT_MAX;
        if (penalise && s->count[id] > 0)
            logit = sampler_penalise(&s->o, logit, s->count[id]);
        if (logit > FLT_MAX)
            logit = FLT_MAX;
        if (logit >= -FLT_MAX)
            s->cand[n++] = sampler_pack(logit, id);
    }
    return n;
}

static float sampler_exp(float x) {
    return x < -104.0f ? 0.0f : tl_expf(x);
}

/* exp((logit - best) / temperature) of the first n sorted candidates; returns their sum. */
static double sampler_weigh(tl_sampler *s, size_t n, float temperature) {
    float best = sampler_logit(s->cand[0]);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        s->weight[i] = sampler_exp((sampler_logit(s->cand[i]) - best) / temperature);
        sum += s->weight[i];
    }
    return sum;
}

/* The fewest leading candidates whose probabilities reach p. */
static size_t sampler_top_p(tl_sampler *s, size_t n, float p, size_t min_keep) {
    double target = p * sampler_weigh(s, n, 1.0f), sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += s->weight[i];
        if (sum >= target && i + 1 >= min_keep)
            return i + 1;
    }
    return n;
}

/* Those at least min_p times as likely as the best. Weights are in order, so they are a front part. */
static size_t sampler_min_p(tl_sampler *s, size_t n, float p, size_t min_keep) {
    sampler_weigh(s, n, 1.0f);
    size_t keep = n < min_keep ? n : min_keep;
    while (keep < n && s->weight[keep] >= p)
        keep++;
    return keep;
}

static int32_t sampler_draw(tl_sampler *s, size_t n) {
    double sum = sampler_weigh(s, n, s->o.temperature), run = 0.0;
    double target = (double)(sampler_random(s->random) >> 8) * 0x1p-24 * sum;
    size_t last = 0;
    for (size_t i = 0; i < n; i++) {
        run += s->weight[i];
        if (run > target)
            return sampler_id(s->cand[i]);
        if (s->weight[i] > 0.0f)
            last = i;
    }
    return sampler_id(s->cand[last]);
}

static int32_t sampler_pick(tl_sampler *s, size_t n) {
    const tl_sampler_options *o = &s->o;
    size_t min_keep = o->min_keep > 1 ? (size_t)o->min_keep : 1;
    size_t k = o->temperature <= 0.0f ? 1 : o->top_k > 0 ? (size_t)o->top_k : n;
    if (k < min_keep && o->temperature > 0.0f)
        k = min_keep;
    if (k < n) {
        sampler_select(s->cand, n, k);
        n = k;
    }
    if (n == 1)
        return sampler_id(s->cand[0]);
    sampler_sort(s->cand, s->spare, n);
    if (o->top_p < 1.0f)
        n = sampler_top_p(s, n, o->top_p, min_keep);
    if (o->min_p > 0.0f)
        n = sampler_min_p(s, n, o->min_p, min_keep);
    return sampler_draw(s, n);
}

/* ---- what was seen ----------------------------------------------------------------------------------------------------- */

/* Room to count n more tokens, so that counting cannot fail half way. */
static tl_status sampler_reserve(tl_sampler *s, size_t n, tl_error *err) {
    int32_t last_n = s->o.repeat_last_n;
    if (last_n <= 0) /* off, or never forgotten: no window */
        return TL_OK;
    size_t want = n > (size_t)last_n - s->n_window ? (size_t)last_n : s->n_window + n;
    if (want <= s->cap_window)
        return TL_OK;
    size_t cap = s->cap_window + s->cap_window / 2;
    cap = cap < want ? want : cap < (size_t)last_n ? cap : (size_t)last_n;
    size_t bytes;
    int32_t *grown = tl_mul_size(cap, sizeof *grown, &bytes) ? tl_realloc(s->window, bytes) : NULL;
    if (grown == NULL)
        return tl_fail(err, TL_ERR_MEMORY, "sampler: out of memory for the last %d tokens", (int)last_n);
    s->window = grown;
    s->cap_window = cap;
    return TL_OK;
}

static void sampler_count(tl_sampler *s, int32_t id) {
    int32_t last_n = s->o.repeat_last_n;
    if (last_n == 0)
        return;
    if (s->count[id] < INT32_MAX)
        s->count[id]++;
    if (last_n < 0)
        return;
    if (s->n_window < (size_t)last_n) {
        s->window[s->n_window++] = id;
        return;
    }
    s->count[s->window[s->oldest]]--;
    s->window[s->oldest] = id;
    s->oldest = (s->oldest + 1) % (size_t)last_n;
}

tl_status tl_sampler_accept(tl_sampler *s, const int32_t *ids, size_t n, tl_error *err) {
    if (s == NULL || (ids == NULL && n > 0))
        return tl_fail(err, TL_ERR_USAGE, "tl_sampler_accept: needs a sampler and ids");
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= s->n_vocab)
            return tl_fail(err, TL_ERR_RANGE, "sampler: token %d; the vocabulary has the tokens 0 .. %d", (int)ids[i], (int)s->n_vocab - 1);
    tl_status status = sampler_reserve(s, n, err);
    for (size_t i = 0; i < n && status == TL_OK; i++)
        sampler_count(s, ids[i]);
    return status;
}

tl_status tl_sampler_next(tl_sampler *s, const float *logits, int32_t *id, tl_error *err) {
    if (id != NULL)
        *id = -1;
    if (s == NULL || logits == NULL || id == NULL)
        return tl_fail(err, TL_ERR_USAGE, "tl_sampler_next: needs a sampler, logits and a place for the token");
    tl_status status = sampler_reserve(s, 1, err);
    if (status != TL_OK)
        return status;
    uint64_t mode = tl_float_enter();
    size_t n = sampler_collect(s, logits);
    if (n > 0)
        *id = sampler_pick(s, n);
    tl_float_leave(mode);
    if (n == 0)
        return tl_fail(err, TL_ERR_RANGE, "sampler: no token is left: every logit is -inf or NaN, or masked by the logit bias");
    sampler_count(s, *id);
    return TL_OK;
}

void tl_sampler_forget(tl_sampler *s) {
    if (!s)
        return;
    memset(s->count, 0, (size_t)s->n_vocab * sizeof *s->count);
    s->n_window = s->oldest = 0;
}

void tl_sampler_reset(tl_sampler *s) {
    if (!s)
        return;
    tl_sampler_forget(s);
    sampler_seed(s);
}

/* ---- options and the object -------------------------------------------------------------------------------------------- */

tl_sampler_options tl_sampler_defaults(void) {
    return (tl_sampler_options){
        .temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .repeat_penalty = 1.0f, .repeat_last_n = 64, .min_keep = 1};
}

/* Written so that NaN is out of range. */
static bool sampler_within(float v, float lo, float hi) {
    return v >= lo && v <= hi;
}

static tl_status sampler_check(const tl_sampler_options *o, int32_t n_vocab, tl_error *err) {
    const char *wrong = !sampler_within(o->temperature, -FLT_MAX, FLT_MAX)         ? "temperature must be a finite number"
                        : !sampler_within(o->top_p, 0.0f, FLT_MAX)                 ? "top_p must be at least 0"
                        : !sampler_within(o->min_p, -FLT_MAX, 1.0f)                ? "min_p must be at most 1"
                        : !sampler_within(o->repeat_penalty, FLT_MIN, FLT_MAX)     ? "repeat_penalty must be a finite number above 0"
                        : !sampler_within(o->presence_penalty, -FLT_MAX, FLT_MAX)  ? "presence_penalty must be a finite number"
                        : !sampler_within(o->frequency_penalty, -FLT_MAX, FLT_MAX) ? "frequency_penalty must be a finite number"
                        : o->repeat_last_n < -1                                    ? "repeat_last_n must be -1, 0 or a count"
                        : o->min_keep < 0                                          ? "min_keep must be at least 0"
                        : o->n_bias < 0                                            ? "n_bias must be at least 0"
                        : o->n_bias > 0 && (o->bias_ids == NULL || o->bias_values == NULL) ? "the logit bias has no ids or no values"
                                                                                           : NULL;
    if (wrong != NULL)
        return tl_fail(err, TL_ERR_USAGE, "sampler: %s", wrong);
    for (int32_t i = 0; i < o->n_bias; i++) {
        if (o->bias_ids[i] < 0 || o->bias_ids[i] >= n_vocab)
            return tl_fail(err, TL_ERR_USAGE, "sampler: logit bias for token %d; the vocabulary has the tokens 0 .. %d",
                           (int)o->bias_ids[i], (int)n_vocab - 1);
        if (o->bias_values[i] != o->bias_values[i])
            return tl_fail(err, TL_ERR_USAGE, "sampler: the logit bias for token %d is not a number", (int)o->bias_ids[i]);
    }
    return TL_OK;
}

static tl_status sampler_make(tl_sampler **out, int32_t n_vocab, const tl_sampler_options *options, tl_error *err) {
    if (n_vocab < 1)
        return tl_fail(err, TL_ERR_USAGE, "tl_sampler_new: a vocabulary of %d tokens; at least 1 is needed", (int)n_vocab);
    tl_sampler_options o = options != NULL ? *options : tl_sampler_defaults();
    tl_status status = sampler_check(&o, n_vocab, err);
    if (status != TL_OK)
        return status;
    tl_sampler *s = tl_alloc(sizeof *s);
    size_t n = (size_t)n_vocab;
    if (s != NULL) {
        s->o = o;
        s->n_vocab = n_vocab;
        s->cand = tl_alloc_array(n, sizeof *s->cand);
        s->spare = tl_alloc_array(n, sizeof *s->spare);
        s->weight = tl_alloc_array(n, sizeof *s->weight);
        s->count = tl_alloc_array(n, sizeof *s->count);
        s->bias = o.n_bias > 0 ? tl_alloc_array(n, sizeof *s->bias) : NULL;
    }
    if (s == NULL || s->cand == NULL || s->spare == NULL || s->weight == NULL || s->count == NULL || (o.n_bias > 0 && s->bias == NULL)) {
        tl_sampler_free(s);
        return tl_fail(err, TL_ERR_MEMORY, "sampler: out of memory for %d tokens", (int)n_vocab);
    }
    for (int32_t i = 0; i < o.n_bias; i++)
        s->bias[o.bias_ids[i]] += o.bias_values[i];
    s->o.bias_ids = NULL; /* the caller's */
    s->o.bias_values = NULL;
    sampler_seed(s);
    *out = s;
    return TL_OK;
}

tl_status tl_sampler_new(tl_sampler **out, int32_t n_vocab, const tl_sampler_options *options, tl_error *err) {
    if (out == NULL)
        return tl_fail(err, TL_ERR_USAGE, "tl_sampler_new: needs a place for the result");
    *out = NULL;
    uint64_t mode = tl_float_enter();
    tl_status status = sampler_make(out, n_vocab, options, err);
    tl_float_leave(mode);
    return status;
}

void tl_sampler_free(tl_sampler *s) {
    if (s == NULL)
        return;
    tl_free(s->bias);
    tl_free(s->cand);
    tl_free(s->spare);
    tl_free(s->weight);
    tl_free(s->count);
    tl_free(s->window);
    tl_free(s);
}

/* A number of any type under general.sampling.; refused outside lo .. hi. */
static tl_status sampler_read(const tl_gguf *g, const char *key, double lo, double hi, const char *range, double *out, tl_error *err) {
    int64_t i = tl_gguf_find(g, key), whole = 0;
    if (i < 0)
        return TL_OK;
    tl_gguf_type type = tl_gguf_key_type(g, i);
    double v = 0.0;
    tl_status s;
    if (type == TL_GGUF_F32 || type == TL_GGUF_F64) {
        s = tl_gguf_get_float(g, key, true, &v, err);
    } else {
        s = tl_gguf_get_int(g, key, true, INT32_MIN, INT32_MAX, &whole, err);
        v = (double)whole;
    }
    if (s == TL_OK && !(v >= lo && v <= hi))
        return tl_fail(err, TL_ERR_FORMAT, "%s: %s must be %s", tl_gguf_label(g), key, range);
    if (s == TL_OK)
        *out = v;
    return s;
}

static tl_status sampler_read_all(const tl_gguf *g, tl_sampler_options *o, tl_error *err) {
    double temperature = o->temperature, top_k = o->top_k, top_p = o->top_p, min_p = o->min_p, repeat = o->repeat_penalty;
    double last_n = o->repeat_last_n;
    const struct {
        const char *key;
        double *value, lo, hi;
        const char *range;
    } rows[] = {
        {"general.sampling.temp", &temperature, -FLT_MAX, FLT_MAX, "a finite number"},
        {"general.sampling.top_k", &top_k, INT32_MIN, INT32_MAX, "a count"},
        {"general.sampling.top_p", &top_p, 0.0, FLT_MAX, "at least 0"},
        {"general.sampling.min_p", &min_p, -FLT_MAX, 1.0, "at most 1"},
        {"general.sampling.penalty_repeat", &repeat, FLT_MIN, FLT_MAX, "a finite number above 0"},
        {"general.sampling.penalty_last_n", &last_n, -1, INT32_MAX, "-1, 0 or a count"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tl_status s = sampler_read(g, rows[i].key, rows[i].lo, rows[i].hi, rows[i].range, rows[i].value, err);
        if (s != TL_OK)
            return s;
    }
    o->temperature = (float)temperature;
    o->top_k = (int32_t)top_k;
    o->top_p = (float)top_p;
    o->min_p = (float)min_p;
    o->repeat_penalty = (float)repeat;
    o->repeat_last_n = (int32_t)last_n;
    return TL_OK;
}

tl_status tl_sampler_from_gguf(const tl_gguf *g, tl_sampler_options *o, tl_error *err) {
    if (g == NULL || o == NULL)
        return tl_fail(err, TL_ERR_USAGE, "tl_sampler_from_gguf: needs a GGUF file and options");
    uint64_t mode = tl_float_enter();
    tl_status s = sampler_read_all(g, o, err);
    tl_float_leave(mode);
    return s;
}

int32_t tl_greedy(const float *logits, int32_t n) {
    if (logits == NULL || n < 1)
        return -1;
    uint64_t mode = tl_float_enter();
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++) /* a NaN in front gives way to any number above -inf */
        if (logits[i] > logits[best] || (logits[best] != logits[best] && logits[i] >= -FLT_MAX))
            best = i;
    tl_float_leave(mode);
    return best;
}

uint32_t tl_seed_from_clock(void) {
    double now = tl_now();
    uint64_t bits;
    memcpy(&bits, &now, sizeof bits);
    return (uint32_t)sampler_splitmix(&bits);
}
