/* draw_products.c: draws linear layers with what models put around them, products, rotations and rows by number. */
#include "tests/draw.h"

#include <stdlib.h>

/* ---- linear ---- */

/* What the cpu backend may compute while it prepares rows: a norm, or gate times up. */
static tl_tensor *before_linear(drawing *d, tl_tensor *x) {
    int64_t k = x->shape[x->rank - 1], way = draw_between(d, 0, 9);
    tl_tensor *w = NULL, *b = NULL;
    if (way >= 8) {
        tl_tensor *up = draw_partner(d, x, true);
        return way == 8 ? tl_swiglu(d->g, x, up) : tl_geglu(d->g, x, up);
    }
    if (draw_chance(d, 75))
        w = draw_input(d, TL_F32, 1, &k);
    if (way < 6)
        return tl_rms_norm(d->g, x, w, draw_chance(d, 80) ? 1e-5f : 0.0f);
    if (draw_chance(d, 60))
        b = draw_input(d, TL_F32, 1, &k);
    return tl_layer_norm(d->g, x, w, b, 1e-5f);
}

static tl_tensor *with_residual(drawing *d, tl_tensor *y) {
    tl_tensor *r = draw_partner(d, y, draw_chance(d, 80));
    return draw_chance(d, 50) ? tl_add(d->g, y, r) : tl_add(d->g, r, y);
}

/* One to three layers of the same rows. */
tl_tensor *draw_op_linear(drawing *d) {
    tl_tensor *x = draw_operand(d), *y = NULL;
    if (x && draw_chance(d, 40))
        x = before_linear(d, x);
    if (!x)
        return NULL;
    int64_t k = x->shape[x->rank - 1], most_rows = d->work / tl_count(x);
    if (most_rows * tl_rows(x) > d->most)
        most_rows = d->most / tl_rows(x);
    if (draw_chance(d, 20))
        draw_keep(d, x);
    for (int64_t layers = draw_chance(d, 35) ? draw_between(d, 2, 3) : 1; layers > 0 && most_rows > 0; layers--) {
        draw_keep(d, y);
        tl_tensor *w = draw_weight(d, k, most_rows);
        if (!w)
            return NULL;
        y = tl_linear(d->g, x, w, draw_chance(d, 35) ? draw_vector(d, w->shape[0]) : NULL);
        if (y && draw_chance(d, 40))
            y = with_residual(d, y);
    }
    return y;
}

/* ---- matmul ---- */

tl_tensor *draw_op_matmul(drawing *d) {
    tl_tensor *a = draw_operand(d);
    if (a && a->rank == 1)
        a = tl_reshape(d->g, a, 2, (int64_t[]){1, a->shape[0]});
    if (!a)
        return NULL;
    int64_t k = a->shape[a->rank - 1], n = draw_between(d, 1, draw_chance(d, 50) ? 20 : 80), shape[TL_MAX_RANK];
    int axes[TL_MAX_RANK], rank = 0, leading = a->rank - 2;
    if (n > d->work / tl_count(a))
        n = d->work / tl_count(a);
    if (n * k > d->most)
        n = d->most / k;
    if (n < 1)
        return NULL;
    if (leading > 0 && draw_chance(d, 60)) /* as many leading axes as a has, each its own or 1 */
        for (int i = 0; i < leading; i++)
            shape[rank++] = (i == 0 && a->size) || draw_chance(d, 50) || n * k * a->shape[i] > d->most ? 1 : a->shape[i];
    else if (leading == 0 && !a->size && draw_chance(d, 25))
        shape[rank++] = draw_between(d, 1, 4);
    bool turned = draw_chance(d, 40);
    for (int i = 0; i < rank + 2; i++)
        axes[i] = i;
    axes[rank] += turned;
    axes[rank + 1] -= turned;
    shape[rank + turned] = k;
    shape[rank + !turned] = n;
    tl_dtype t = draw_float(d);
    tl_tensor *b = draw_chance(d, 50) ? draw_input(d, t, rank + 2, shape) : draw_bank(d, t, rank + 2, shape, 0);
    return tl_matmul(d->g, a, turned ? tl_permute(d->g, b, axes) : b);
}

/* ---- rope ---- */

static void draw_frequencies(drawing *d, int pairs, double *freq, double *magnitude) {
    static const tl_rope_scaling scalings[] = {TL_ROPE_NONE, TL_ROPE_LINEAR, TL_ROPE_YARN, TL_ROPE_LLAMA3};
    tl_rope_config c = tl_rope_defaults(2 * pairs);
    c.scaling = DRAW_ONE(d, scalings);
    c.factor = 4;
    c.original_ctx = 512;
    c.base = draw_chance(d, 80) ? 10000 : 500000;
    if (draw_chance(d, 20) || tl_rope_freqs(&c, freq, magnitude, NULL) != TL_OK) {
        *magnitude = 1;
        for (int p = 0; p < pairs; p++)
            freq[p] = (double)draw_between(d, -1000000, 1000000) * 0x1p-16;
    }
}

/* [n, pairs, 2] for rows of that length. */
static tl_tensor *draw_angles(drawing *d, int64_t n, int pairs) {
    static const int64_t ranges[][2] = {{0, 50}, {0, 5000}, {0, 2000000}, {INT32_MIN, INT32_MAX}};
    double magnitude = 1, *freq = malloc((size_t)pairs * sizeof *freq);
    int *section = malloc((size_t)pairs * sizeof *section);
    tl_tensor *angles = NULL;
    if (freq && section) {
        int64_t sections = draw_chance(d, 30) ? draw_between(d, 1, 4) : 0;
        const int64_t *range = DRAW_ONE(d, ranges);
        draw_frequencies(d, pairs, freq, &magnitude);
        for (int p = 0; p < pairs; p++)
            section[p] = sections ? (int)draw_between(d, 0, sections - 1) : 0;
        tl_tensor *pos = draw_ids(d, sections ? 2 : 1, (int64_t[]){n, sections}, range[0], range[1]);
        angles = tl_rope_angles(d->g, pos, pairs, freq, magnitude, sections ? section : NULL);
    }
    free(freq);
    free(section);
    return angles;
}

tl_tensor *draw_op_rope_angles(drawing *d) {
    int64_t n = d->n && draw_chance(d, 50) ? d->n : draw_few(d);
    return draw_angles(d, n, (int)draw_between(d, 1, 70));
}

static bool has_heads(const drawing *d, const tl_tensor *t, const void *like) {
    (void)d;
    (void)like;
    return t->rank == 3 && t->shape[2] >= 2;
}

tl_tensor *draw_op_rope(drawing *d) {
    tl_tensor *x = draw_found(d, has_heads, NULL);
    if (!x) {
        int64_t n = d->n && draw_chance(d, 60) ? d->n : draw_between(d, 1, 8), heads = draw_between(d, 1, 4);
        int64_t length = draw_chance(d, 70) ? 2 * draw_between(d, 1, 48) : draw_between(d, 2, 70);
        x = draw_input(d, TL_F32, 3, (int64_t[]){n, heads, length});
    }
    if (!x)
        return NULL;
    int64_t half = x->shape[2] / 2, pairs = draw_chance(d, 60) ? half : draw_between(d, 1, half), n = draw_length(d, x, 0);
    tl_tensor *angles = draw_chance(d, 25) ? draw_input(d, TL_F32, 3, (int64_t[]){n, pairs, 2}) : draw_angles(d, n, (int)pairs);
    return tl_rope(d->g, x, angles, draw_chance(d, 50) ? TL_ROPE_HALVES : TL_ROPE_INTERLEAVED);
}

/* ---- rows by number ---- */

static bool picks_few(const drawing *d, const tl_tensor *t, const void *like) {
    (void)like;
    return t->rank < TL_MAX_RANK && tl_rows(t) * 8 <= d->most && t->shape[t->rank - 1] <= 300;
}

/* Numbers of a table's rows: an input, or computed in this graph, where the table has as many rows as the axis that they number. */
static tl_tensor *draw_numbers(drawing *d, int64_t *rows) {
    tl_tensor *x = draw_chance(d, 30) ? draw_found(d, picks_few, NULL) : NULL;
    if (x) {
        *rows = x->shape[x->rank - 1];
        return draw_chance(d, 50) ? tl_argmax(d->g, x) : tl_topk(d->g, x, *rows < 3 ? 1 : 3, NULL, &x);
    }
    int64_t shape[] = {d->n && draw_chance(d, 50) ? d->n : draw_few(d), 0};
    shape[1] = draw_between(d, 1, 3);
    *rows = draw_between(d, 1, 40);
    return draw_ids(d, draw_chance(d, 25) ? 2 : 1, shape, 0, *rows - 1);
}

tl_tensor *draw_op_embed(drawing *d) {
    int64_t rows, k = draw_width(d);
    tl_tensor *ids = draw_numbers(d, &rows), *table;
    if (!ids || rows * k > d->most || tl_count(ids) * k > d->most)
        return NULL;
    unsigned uses = draw_chance(d, 60) ? TL_USE_EMBED | TL_USE_LINEAR : 0;
    table = draw_chance(d, 10) ? draw_bank(d, TL_I8, 2, (int64_t[]){rows, k}, 0) : draw_weight_of(d, rows, k, uses);
    return tl_embed(d->g, draw_chance(d, 10) ? tl_slice(d->g, table, 0, 0, rows, 1) : table, ids);
}

tl_tensor *draw_op_gather(drawing *d) {
    tl_tensor *x = draw_operand(d), *ids;
    int64_t rows;
    if (!x)
        return NULL;
    if (draw_chance(d, 25)) { /* of a table whose rows are numbered in this graph */
        ids = draw_numbers(d, &rows);
        int64_t k = draw_width(d);
        if (!ids || rows * k > d->most || tl_count(ids) * k > d->most)
            return NULL;
        x = draw_input(d, TL_F32, 2, (int64_t[]){rows, k});
    } else {
        int64_t n = d->n && draw_chance(d, 50) ? d->n : draw_few(d), inner = tl_count(x) / x->shape[0];
        if (x->size || (n == d->n ? d->n_max : n) * inner > d->most || (n == d->n && x->rank < 2))
            return NULL;
        ids = draw_ids(d, 1, &n, 0, x->shape[0] - 1);
    }
    return tl_gather(d->g, x, ids);
}
