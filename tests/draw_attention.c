/* draw_attention.c: draws attention: keys and values as inputs, weights, parts of one tensor, caches that the graph writes, or the run's own
 * rows; spans as models make them and others; pages, bias and sinks. */
#include "tests/draw.h"

#include <stdlib.h>

typedef struct heads {
    int64_t n, length;         /* queries, and as a length of shapes: may follow the named size */
    int64_t h, hk, dim, width; /* heads of q, of k and v; lengths of k and of v */
    int64_t rows;              /* of k and v */
    tl_dtype type;
    bool paged;
} heads;

static int64_t head_length(drawing *d) {
    static const int64_t lengths[] = {8, 16, 32, 64, 64, 128, 80, 96, 20, 7, 1, 3, 33, 48, 130};
    return draw_chance(d, 75) ? DRAW_ONE(d, lengths) : draw_between(d, 1, 140);
}

static heads draw_heads(drawing *d) {
    heads s = {.n = draw_chance(d, 40) ? 1 : draw_between(d, 1, 14), .type = TL_F16};
    s.length = s.n;
    if (d->n && draw_chance(d, 60)) {
        s.n = d->n_max;
        s.length = d->n;
    }
    s.hk = draw_between(d, 1, 4);
    s.h = draw_chance(d, 30) ? s.hk : s.hk * draw_between(d, 1, 9);
    s.dim = head_length(d);
    s.width = draw_chance(d, 70) ? s.dim : head_length(d);
    if (draw_chance(d, 40))
        s.type = TL_F32;
    s.paged = draw_chance(d, 50);
    s.rows = draw_between(d, 1, draw_chance(d, 50) ? 40 : 600);
    if (s.paged) {
        s.rows = TL_ATTENTION_PAGE * draw_between(d, 1, 8);
        s.rows += draw_between(d, 0, 30);
    }
    while (s.h > s.hk && s.n * s.h * s.rows * (s.dim + s.width) > 8 * d->work)
        s.h -= s.hk;
    while (s.rows * s.hk * (s.dim + s.width) > 6 * d->most && s.hk > 1) {
        s.h = s.h / s.hk * (s.hk - 1);
        s.hk--;
    }
    while (s.rows * s.hk * (s.dim + s.width) > 6 * d->most) {
        s.dim = s.dim / 2 + 1;
        s.width = s.width / 2 + 1;
    }
    return s;
}

/* ---- q, k, v ---- */

static bool is_query(const drawing *d, const tl_tensor *t, const void *like) {
    const heads *s = like;
    return t->rank == 3 && draw_length(d, t, 0) == s->length && t->shape[1] == s->h && t->shape[2] == s->dim;
}

static tl_tensor *draw_query(drawing *d, const heads *s) {
    tl_tensor *q = draw_found(d, is_query, s);
    if (q)
        return q;
    if (s->length == s->n && draw_chance(d, 15))
        return tl_permute(d->g, draw_input(d, TL_F32, 3, (int64_t[]){s->h, s->n, s->dim}), (int[]){1, 0, 2});
    return draw_input(d, TL_F32, 3, (int64_t[]){s->length, s->h, s->dim});
}

/* A cache [rows, hk, dim], or heads first and turned by a view, of which the graph writes some rows. */
static tl_tensor *draw_cache(drawing *d, const heads *s, int64_t dim, bool turned, tl_tensor *at, int64_t written) {
    int64_t shape[] = {turned ? s->hk : s->rows, turned ? s->rows : s->hk, dim};
    tl_tensor *state = draw_state(d, s->type, 3, shape);
    if (turned)
        state = tl_permute(d->g, state, (int[]){1, 0, 2});
    tl_dtype t = draw_chance(d, 80) ? TL_F32 : s->type;
    return tl_set_rows(d->g, state, at, draw_input(d, t, 3, (int64_t[]){written, s->hk, dim}));
}

static void draw_keys(drawing *d, const heads *s, tl_tensor **k, tl_tensor **v) {
    int64_t k_shape[] = {s->rows, s->hk, s->dim}, v_shape[] = {s->rows, s->hk, s->width}, way = draw_between(d, 0, 5);
    if (way == 0) {
        *k = draw_input(d, s->type, 3, k_shape);
        *v = draw_input(d, s->type, 3, v_shape);
    } else if (way == 1) {
        *k = draw_bank(d, s->type, 3, k_shape, 0);
        *v = draw_bank(d, s->type, 3, v_shape, 0);
    } else if (way == 2) {
        int64_t both[] = {s->rows, s->hk, s->dim + s->width + 1};
        tl_tensor *x = draw_input(d, s->type, 3, both);
        *k = tl_slice(d->g, x, 2, 0, s->dim, 1);
        *v = tl_slice(d->g, x, 2, s->dim + draw_between(d, 0, 1), s->width, 1);
    } else if (way == 3) {
        *k = tl_permute(d->g, draw_bank(d, s->type, 3, (int64_t[]){s->hk, s->rows, s->dim}, 0), (int[]){1, 0, 2});
        *v = tl_permute(d->g, draw_bank(d, s->type, 3, (int64_t[]){s->hk, s->rows, s->width}, 0), (int[]){1, 0, 2});
    } else {
        bool turned = draw_chance(d, 50), fits = s->n <= s->rows;
        int64_t n = fits ? s->n : s->rows, length = fits ? s->length : n;
        tl_tensor *at = draw_order(d, length, n, s->rows);
        *k = draw_cache(d, s, s->dim, turned, at, length);
        *v = draw_cache(d, s, s->width, turned, at, length);
    }
}

/* ---- spans ---- */

enum { CAUSAL, SEQUENCES, WINDOW, ANY, STRETCH, N_STYLES };

/* Of one query: sequence, first key, end; after the span of the query before it. */
static void draw_span(drawing *d, int style, int64_t i, int64_t start, int64_t keys, int64_t sequences, int32_t *span) {
    int64_t first = 0, end = start + 1 + i, sequence = 0;
    if (style != CAUSAL)
        sequence = i > 0 && draw_chance(d, 70) ? span[-3] : draw_between(d, 0, sequences - 1);
    if (style == WINDOW) {
        first = end - draw_between(d, 1, 300);
    } else if (style == ANY) {
        first = draw_between(d, 0, keys - 1);
        end = draw_between(d, 0, keys);
    } else if (style == STRETCH) {
        first = draw_chance(d, 50) ? start : draw_between(d, 0, keys - 1);
        end = draw_chance(d, 30) ? first : first + draw_between(d, 1, 300);
    }
    if (draw_chance(d, 3)) {
        first = 5;
        end = -draw_between(d, 0, 9);
    }
    span[0] = (int32_t)sequence;
    span[1] = (int32_t)(first < 0 ? 0 : first);
    span[2] = (int32_t)(end > keys ? keys : end);
}

static void draw_spans(drawing *d, int64_t n, int64_t keys, int64_t sequences, int32_t *spans) {
    int style = (int)draw_between(d, 0, N_STYLES - 1);
    int64_t start = draw_between(d, 0, keys - 1);
    for (int64_t i = 0; i < n; i++)
        draw_span(d, style, i, start, keys, sequences, spans + 3 * i);
}

enum { MOST_SEQUENCES = 4, MOST_PAGES = 8 };

/* A page that no span sees need not exist. */
static tl_tensor *draw_pages(drawing *d, const heads *s, int64_t sequences, int64_t n, const int32_t *spans) {
    int32_t pages[MOST_SEQUENCES * MOST_PAGES], absent = draw_chance(d, 50) ? INT32_MAX : -1;
    bool seen[MOST_SEQUENCES * MOST_PAGES] = {false};
    for (const int32_t *span = spans; span < spans + 3 * s->n; span += 3)
        for (int64_t t = span[1]; t < span[2]; t++)
            seen[span[0] * n + t / TL_ATTENTION_PAGE] = true;
    for (int64_t i = 0; i < sequences * n; i++) {
        pages[i] = (int32_t)draw_between(d, 0, s->rows / TL_ATTENTION_PAGE - 1);
        if (!seen[i])
            pages[i] = absent;
    }
    return draw_values(d, 2, (int64_t[]){sequences, n}, pages);
}

/* ---- the op ---- */

static tl_tensor *draw_bias(drawing *d, const heads *s, int64_t keys) {
    bool shared = draw_chance(d, 50), of_all_heads = draw_chance(d, 50);
    int64_t shape[] = {shared ? 1 : s->length, of_all_heads ? 1 : s->h, keys + draw_between(d, 0, 3)};
    if ((shared ? 1 : s->n) * shape[1] * shape[2] > 4 * d->most)
        shape[1] = 1;
    tl_tensor *bias = draw_input(d, TL_F32, 3, shape);
    return draw_chance(d, 20) ? tl_log(d->g, tl_relu(d->g, bias)) : bias;
}

static tl_tensor *attend(drawing *d, const heads *s, tl_tensor *q, tl_tensor *k, tl_tensor *v, tl_tensor *spans, tl_tensor *pages,
                         int64_t keys) {
    static const float scales[] = {1, 0.125f, -0.5f, 0, 1e30f, 1e-30f, 0x1.fffffep+127f, -1.0f, 0.08838835f},
                       caps[] = {30, 50, 1, 1e-30f, 1e30f, 0x1.fffffep+127f, 0x1p-140f};
    tl_tensor *bias = NULL, *sinks = NULL;
    if (draw_chance(d, 30))
        bias = draw_bias(d, s, keys);
    if (draw_chance(d, 30))
        sinks = draw_input(d, TL_F32, 1, &s->h);
    float scale = draw_chance(d, 70) ? 0.2f : DRAW_ONE(d, scales), cap = draw_chance(d, 75) ? 0 : DRAW_ONE(d, caps);
    return tl_attention(d->g, q, k, v, spans, pages, bias, sinks, scale, cap);
}

/* Keys and values are the run's own rows, seen causally or in windows. */
static tl_tensor *draw_encoder(drawing *d) {
    heads s = {.n = draw_between(d, 1, 24)};
    s.length = s.n;
    s.hk = draw_between(d, 1, 3);
    if (d->n && draw_chance(d, 70)) {
        s.n = d->n_max;
        s.length = d->n;
    }
    s.h = s.hk * draw_between(d, 1, 4);
    s.dim = draw_between(d, 1, 70);
    s.width = draw_chance(d, 60) ? s.dim : draw_between(d, 1, 70);
    tl_tensor *x = draw_input(d, TL_F32, 3, (int64_t[]){s.length, s.h + 2 * s.hk, s.dim > s.width ? s.dim : s.width});
    tl_tensor *q = tl_slice(d->g, tl_slice(d->g, x, 1, 0, s.h, 1), 2, 0, s.dim, 1);
    tl_tensor *k = tl_slice(d->g, tl_slice(d->g, x, 1, s.h, s.hk, 1), 2, 0, s.dim, 1);
    tl_tensor *v = tl_slice(d->g, tl_slice(d->g, x, 1, s.h + s.hk, s.hk, 1), 2, 0, s.width, 1);
    int32_t *spans = malloc((size_t)(3 * s.n) * sizeof *spans);
    if (!spans)
        return NULL;
    int64_t window = draw_between(d, 1, 40);
    for (int64_t i = 0; i < s.n; i++) {
        spans[3 * i] = 0;
        spans[3 * i + 1] = (int32_t)(i + 1 > window ? i + 1 - window : 0);
        spans[3 * i + 2] = (int32_t)(i + 1);
    }
    tl_tensor *seen = draw_values(d, 2, (int64_t[]){s.length, 3}, spans);
    free(spans);
    if (draw_chance(d, 40)) {
        k = tl_cast(d->g, k, TL_F16);
        v = tl_cast(d->g, v, TL_F16);
    } else if (draw_chance(d, 40)) {
        q = tl_neg(d->g, q);
        v = tl_silu(d->g, v);
    }
    return attend(d, &s, q, k, v, seen, NULL, s.n);
}

tl_tensor *draw_op_attention(drawing *d) {
    if (draw_chance(d, 20))
        return draw_encoder(d);
    heads s = draw_heads(d);
    tl_tensor *q = draw_query(d, &s), *k, *v, *pages = NULL, *seen = NULL;
    draw_keys(d, &s, &k, &v);
    int64_t sequences = 1, keys = s.rows;
    if (s.paged) {
        sequences = draw_between(d, 1, MOST_SEQUENCES);
        keys = TL_ATTENTION_PAGE * draw_between(d, 1, MOST_PAGES);
    }
    int32_t *spans = malloc((size_t)(3 * s.n) * sizeof *spans);
    if (!spans)
        return NULL;
    draw_spans(d, s.n, keys, sequences, spans);
    seen = draw_values(d, 2, (int64_t[]){s.length, 3}, spans);
    if (s.paged)
        pages = draw_pages(d, &s, sequences, keys / TL_ATTENTION_PAGE, spans);
    free(spans);
    return attend(d, &s, q, k, v, seen, pages, keys);
}
