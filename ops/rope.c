/* rope.c: rotary positions: frequencies of a configuration, angles of a batch of positions, and the rotation itself.
 *
 * Frequencies are made once, at load, in double (tl_rope_freqs) and travel as parameters of rope_angles, which runs once per step and
 * kind of rope; rope then rotates rows of q or k with those cosines and sines. So nothing in a graph depends on a position, and a
 * cached key is never rotated again. All functions used are ours: the same bits on every machine. */
#include <stddef.h>

#include "ops/internal.h"
#include "tensor/math.h"
#include "tensor/platform.h"

enum { MAX_PAIRS = 65536 };
#define PI 3.14159265358979323846

/* ---- frequencies ----------------------------------------------------------------------------------------------------------------- */

tl_rope_config tl_rope_defaults(int dims) {
    return (tl_rope_config){.base = 10000,
                            .dims = dims,
                            .scaling = TL_ROPE_NONE,
                            .factor = 1,
                            .original_ctx = 8192,
                            .beta_fast = 32,
                            .beta_slow = 1,
                            .attn_factor = 1,
                            .ext_factor = 1,
                            .low_freq = 1,
                            .high_freq = 4,
                            .factors = NULL};
}

static bool is_number(double x) {
    return x == x;
}

/* x > 0 and finite (false for NaN). */
static bool positive(double x) {
    return x > 0 && x < 0x1p1023;
}

/* Largest integer not above x, and smallest not below; |x| < 2^31. */
static double floor_of(double x) {
    double n = (double)(int64_t)x;
    return n > x ? n - 1 : n;
}

static double ceil_of(double x) {
    return -floor_of(-x);
}

static double clamp_to(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

/* YaRN: ln of 1 / frequency of the pair that turns `turns` times within the trained context; NaN where no normal double is that. */
static double yarn_ln(const tl_rope_config *c, double turns) {
    return tl_ln(c->original_ctx / (turns * 2 * PI));
}

/* The (fractional) number of that pair. */
static double yarn_pair(const tl_rope_config *c, double turns) {
    return clamp_to(c->dims * yarn_ln(c, turns) / (2 * tl_ln(c->base)), -0x1p30, 0x1p30);
}

/* YaRN ("NTK by parts", Peng et al. 2023, as llama.cpp): fast pairs keep their frequency, slow ones are interpolated, a ramp between. */
static double yarn_freq(const tl_rope_config *c, double freq, int pair) {
    double low = clamp_to(floor_of(yarn_pair(c, c->beta_fast)), 0, 0x1p30);
    double high = clamp_to(ceil_of(yarn_pair(c, c->beta_slow)), -0x1p30, c->dims - 1);
    double width = high - low > 0.001 ? high - low : 0.001;
    double keep = (1 - clamp_to((pair - low) / width, 0, 1)) * c->ext_factor;
    return freq / c->factor * (1 - keep) + freq * keep;
}

/* Llama 3.1: by wavelength against the trained context. */
static double llama3_freq(const tl_rope_config *c, double freq) {
    double turns = c->original_ctx * freq / (2 * PI); /* within the trained context */
    if (turns > c->high_freq)
        return freq;
    if (turns < c->low_freq)
        return freq / c->factor;
    double keep = (turns - c->low_freq) / (c->high_freq - c->low_freq);
    return freq / c->factor * (1 - keep) + freq * keep;
}

static tl_status check_config(const tl_rope_config *c, tl_error *err) {
    if (c->dims < 2 || c->dims % 2 || c->dims / 2 > MAX_PAIRS)
        return tl_fail(err, TL_ERR_USAGE, "tl_rope_freqs: %d rotated dims; an even number from 2 to %d is wanted", c->dims, 2 * MAX_PAIRS);
    if (!positive(c->base) || c->base <= 1)
        return tl_fail(err, TL_ERR_USAGE, "tl_rope_freqs: the base must be a finite number above 1 (10000 is usual)");
    if (!positive(c->attn_factor))
        return tl_fail(err, TL_ERR_USAGE, "tl_rope_freqs: attn_factor must be positive and finite (1 changes nothing)");
    if ((int)c->scaling < TL_ROPE_NONE || c->scaling > TL_ROPE_LLAMA3)
        return tl_fail(err, TL_ERR_USAGE, "tl_rope_freqs: unknown scaling %d", (int)c->scaling);
    if (c->scaling != TL_ROPE_NONE && !positive(c->factor))
        return tl_fail(err, TL_ERR_USAGE, "tl_rope_freqs: the factor of a scaled rope must be positive and finite (1 changes nothing)");
    if (c->scaling >= TL_ROPE_YARN && !positive(c->original_ctx))
        return tl_fail(err, TL_ERR_USAGE, "tl_rope_freqs: original_ctx, the trained context, must be positive and finite");
    if (c->scaling == TL_ROPE_YARN && (!positive(c->beta_fast) || !positive(c->beta_slow)))
        return tl_fail(err, TL_ERR_USAGE, "tl_rope_freqs: beta_fast and beta_slow must be positive and finite (32 and 1 are usual)");
    if (c->scaling == TL_ROPE_YARN && !(is_number(yarn_ln(c, c->beta_fast)) && is_number(yarn_ln(c, c->beta_slow))))
        return tl_fail(err, TL_ERR_USAGE, "tl_rope_freqs: beta_fast and beta_slow must lie nearer to original_ctx");
    if (c->scaling == TL_ROPE_YARN && !(c->ext_factor >= 0 && c->ext_factor <= 1))
        return tl_fail(err, TL_ERR_USAGE, "tl_rope_freqs: ext_factor must lie between 0 and 1");
    if (c->scaling == TL_ROPE_LLAMA3 && (!positive(c->low_freq) || !positive(c->high_freq) || c->high_freq <= c->low_freq))
        return tl_fail(err, TL_ERR_USAGE,
                       "tl_rope_freqs: low_freq and high_freq must be positive, and high_freq the larger (1 and 4 are usual)");
    for (int p = 0; c->factors && p < c->dims / 2; p++)
        if (!positive(c->factors[p]))
            return tl_fail(err, TL_ERR_USAGE, "tl_rope_freqs: frequency factor %d is not positive and finite", p);
    return TL_OK;
}

tl_status tl_rope_freqs(const tl_rope_config *c, double *freq, double *magnitude, tl_error *err) {
    if (!c || !freq || !magnitude)
        return tl_fail(err, TL_ERR_USAGE, "tl_rope_freqs: configuration, freq and magnitude must be given");
    uint64_t saved = tl_float_enter();
    tl_status s = check_config(c, err);
    for (int p = 0; !s && p < c->dims / 2; p++) {
        double f = tl_pow(c->base, -2.0 * p / c->dims);
        if (c->factors)
            f /= (double)c->factors[p];
        if (c->scaling == TL_ROPE_LINEAR)
            f /= c->factor;
        else if (c->scaling == TL_ROPE_YARN)
            f = yarn_freq(c, f, p);
        else if (c->scaling == TL_ROPE_LLAMA3)
            f = llama3_freq(c, f);
        freq[p] = f;
    }
    if (!s) {
        *magnitude = c->attn_factor;
        if (c->scaling == TL_ROPE_YARN && c->ext_factor != 0)
            *magnitude *= 1 + 0.1 * tl_ln(c->factor);
    }
    tl_float_leave(saved);
    return s;
}

/* ---- angles ---------------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_rope_angles(tl_graph *g, tl_tensor *pos, int pairs, const double *freq, double magnitude, const int *section) {
    if (!g || tl_graph_error(g))
        return NULL;
    if (pairs < 1 || pairs > MAX_PAIRS || !freq) {
        tl_graph_fail(g, TL_ERR_USAGE, "rope_angles: %d pairs%s; from 1 to %d pairs, each with a frequency, are wanted", pairs,
                      freq ? "" : " without frequencies", MAX_PAIRS);
        return NULL;
    }
    size_t count = (size_t)pairs * (section ? 2 : 1);
    size_t bytes = offsetof(tl_rope_angles_params, freq_section) + count * sizeof(double);
    if (bytes < sizeof(tl_rope_angles_params))
        bytes = sizeof(tl_rope_angles_params);
    tl_rope_angles_params *p = tl_alloc(bytes);
    if (!p) {
        tl_graph_fail(g, TL_ERR_MEMORY, "rope_angles: out of memory for %d frequencies", pairs);
        return NULL;
    }
    p->pairs = pairs;
    p->magnitude = magnitude;
    p->sectioned = section != NULL;
    for (int i = 0; i < pairs; i++) {
        p->freq_section[i] = freq[i];
        if (section)
            p->freq_section[pairs + i] = section[i];
    }
    tl_tensor *out = tl_node(g, tl_op_get(TL_OP_ROPE_ANGLES), 1, &pos, p, bytes);
    tl_free(p);
    return out;
}

tl_status tl_rope_angles_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *pos = out->src[0];
    const tl_rope_angles_params *p = out->params;
    tl_status s = tl_want_params(g, out);
    if (!s)
        s = tl_want_dtype(g, out, 0, TL_I32);
    if (s)
        return s;
    if (pos->rank != (p->sectioned ? 2 : 1))
        return tl_shape_error(g, out,
                              p->sectioned ? "positions by section are [n, sections]"
                                           : "positions are [n]; [n, sections] wants a section for each pair");
    if (!positive(p->magnitude))
        return tl_graph_fail(g, TL_ERR_USAGE, "rope_angles: the magnitude must be positive and finite (1 is usual)");
    for (int i = 0; i < p->pairs; i++) {
        if (p->freq_section[i] - p->freq_section[i] != 0)
            return tl_graph_fail(g, TL_ERR_USAGE, "rope_angles: the frequency of pair %d is not finite", i);
        if (p->sectioned && !(p->freq_section[p->pairs + i] >= 0 && p->freq_section[p->pairs + i] < (double)pos->shape[1]))
            return tl_graph_fail(g, TL_ERR_USAGE, "rope_angles: pair %d takes section %lld, but the positions have %lld", i,
                                 (long long)p->freq_section[p->pairs + i], (long long)pos->shape[1]);
    }
    tl_like(out, pos, TL_F32);
    out->rank = 3;
    out->shape[1] = p->pairs;
    out->shape[2] = 2;
    return TL_OK;
}

static int32_t position(const tl_tensor *pos, int64_t i, int64_t column) {
    const char *row = (const char *)tl_data(pos) + i * pos->stride[0];
    return *(const int32_t *)(const void *)(row + (pos->rank > 1 ? column * pos->stride[1] : 0));
}

/* pos [n] or [n, sections] -> [n, pairs, 2]; a work row is one (cos, sin). */
void tl_rope_angles_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_tensor *pos = out->src[0];
    const tl_rope_angles_params *p = out->params;
    for (int64_t r = row0; r < row1; r++) {
        int64_t pair = r % p->pairs;
        int32_t at = position(pos, r / p->pairs, p->sectioned ? (int64_t)p->freq_section[p->pairs + pair] : 0);
        double s, c;
        tl_sincos((double)at * p->freq_section[pair], &s, &c);
        float *y = tl_row(out, r);
        y[0] = (float)(c * p->magnitude);
        y[1] = (float)(s * p->magnitude);
    }
}

void tl_rope_angles_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    const tl_rope_angles_params *p = out->params;
    c->ops = 40.0 * (double)rows; /* about: both polynomials and the reduction */
    c->read = 4.0 * (double)rows / p->pairs;
    c->written = 8.0 * (double)rows;
}

/* ---- rotation -------------------------------------------------------------------------------------------------------------------- */

tl_tensor *tl_rope(tl_graph *g, tl_tensor *x, tl_tensor *angles, tl_rope_mode mode) {
    tl_rope_params p = {mode};
    return tl_node(g, tl_op_get(TL_OP_ROPE), 2, (tl_tensor *[]){x, angles}, &p, sizeof p);
}

tl_status tl_rope_infer(tl_graph *g, tl_tensor *out) {
    const tl_tensor *x = out->src[0], *a = out->src[1];
    const tl_rope_params *p = out->params;
    tl_status s = tl_want_params(g, out);
    if (!s)
        s = tl_want_dtype(g, out, 0, TL_F32);
    if (!s)
        s = tl_want_dtype(g, out, 1, TL_F32);
    if (s)
        return s;
    if (p->mode != TL_ROPE_INTERLEAVED && p->mode != TL_ROPE_HALVES)
        return tl_graph_fail(g, TL_ERR_USAGE, "rope: unknown mode %d; it is TL_ROPE_INTERLEAVED or TL_ROPE_HALVES", (int)p->mode);
    if (x->rank != 3 || a->rank != 3 || a->shape[2] != 2)
        return tl_shape_error(g, out, "x [n, h, d] and angles [n, pairs, 2] are wanted");
    if (x->shape[0] != a->shape[0] || x->size != a->size)
        return tl_shape_error(g, out, "x and angles must have the same first axis");
    if (2 * a->shape[1] > x->shape[2])
        return tl_shape_error(g, out, "the pairs need more dims than a head has");
    tl_like(out, x, TL_F32);
    return TL_OK;
}

/* x [n, h, d], angles [n, pairs, 2] -> [n, h, d]; a work row is one head. */
void tl_rope_ref(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)scratch;
    const tl_tensor *x = out->src[0], *angles = out->src[1];
    const tl_rope_params *params = out->params;
    int64_t heads = x->shape[1], d = x->shape[2], pairs = angles->shape[1];
    bool halves = params->mode == TL_ROPE_HALVES;
    for (int64_t r = row0; r < row1; r++) {
        const float *v = tl_row(x, r);
        float *y = tl_row(out, r);
        for (int64_t p = 0; p < pairs; p++) {
            const float *cs = tl_row(angles, r / heads * pairs + p);
            int64_t i = halves ? p : 2 * p, j = halves ? p + pairs : 2 * p + 1;
            float a = v[i], b = v[j];
            y[i] = a * cs[0] - b * cs[1];
            y[j] = a * cs[1] + b * cs[0];
        }
        for (int64_t i = 2 * pairs; i < d; i++)
            y[i] = v[i];
    }
}

void tl_rope_cost(const tl_tensor *out, int64_t rows, tl_cost *c) {
    double heads = (double)out->shape[1], d = (double)out->shape[2], pairs = (double)out->src[1]->shape[1];
    c->ops = 6 * pairs * (double)rows;
    c->read = 4 * d * (double)rows + 8 * pairs * (double)rows / heads;
    c->written = 4 * d * (double)rows;
}
