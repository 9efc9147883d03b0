/* draw_leaves.c: what drawn graphs stand on: shapes, types and data of inputs, weights and states. */
#include "tests/draw.h"

#include "tensor/quant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- data ---- */

case_fill draw_fill(drawing *d) {
    static const case_fill tame[] = {FILL_NORMAL, FILL_NORMAL, FILL_NORMAL, FILL_WIDE,    FILL_EQUAL,
                                     FILL_TIES,   FILL_STEPS,  FILL_STEPS,  FILL_HALFWAY, FILL_BENDS};
    static const case_fill finite[] = {FILL_NORMAL, FILL_WIDE,   FILL_EQUAL, FILL_TIES,   FILL_STEPS, FILL_HALFWAY, FILL_FINITE,
                                       FILL_REACH,  FILL_CANCEL, FILL_BENDS, FILL_SPARSE, FILL_TINY,  FILL_ZERO,    FILL_ONES};
    static const case_fill all[] = {FILL_NORMAL, FILL_WIDE,    FILL_FINITE,  FILL_REACH, FILL_TINY,   FILL_CANCEL, FILL_BITS,
                                    FILL_BITS,   FILL_SPECIAL, FILL_SPECIAL, FILL_BENDS, FILL_SPARSE, FILL_STEPS};
    int nasty = draw_chance(d, 60) ? d->nasty : 0;
    return nasty == 0 ? DRAW_ONE(d, tame) : nasty == 1 ? DRAW_ONE(d, finite) : DRAW_ONE(d, all);
}

static float of_bits(uint32_t bits) {
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

float draw_finite(drawing *d) {
    static const uint32_t odd[] = {0x00000000, 0x80000000, 0x3F800000, 0xBF800000, 0x00000001, 0x80800000, 0x7F7FFFFF,
                                   0xFF7FFFFF, 0x0D800000, 0x71800000, 0x3F000000, 0x4B7FFFFF, 0x42B17218, 0xC2AEAC50};
    if (d->nasty > 0 && draw_chance(d, 40))
        return of_bits(DRAW_ONE(d, odd));
    uint64_t r = draw_bits(d);
    return of_bits((uint32_t)(r >> 63) << 31 | (uint32_t)(124 + (r >> 24) % 5) << 23 | (uint32_t)(r & 0x7FFFFF));
}

float draw_real(drawing *d) {
    static const uint32_t special[] = {0x7F800000, 0xFF800000, 0x7FC00000, 0xFF800001};
    return d->nasty == 2 && draw_chance(d, 15) ? of_bits(DRAW_ONE(d, special)) : draw_finite(d);
}

/* ---- types ---- */

tl_dtype draw_float(drawing *d) {
    static const tl_dtype types[] = {TL_F32, TL_F16, TL_BF16};
    return DRAW_ONE(d, types);
}

/* Any type for which `fits`; else a float. */
static tl_dtype any_type(drawing *d, int64_t row, bool (*fits)(tl_dtype t)) {
    for (int tries = 0; tries < 5; tries++) {
        tl_dtype t = (tl_dtype)draw_between(d, 0, TL_N_DTYPES - 1);
        if (fits(t) && row % tl_dtype_get(t)->block == 0)
            return t;
    }
    return draw_float(d);
}

static bool has_encoder(tl_dtype t) {
    return tl_codec_of(t)->encode != NULL;
}

tl_dtype draw_written(drawing *d, int64_t row) {
    return draw_chance(d, 20) ? TL_F32 : any_type(d, row, has_encoder);
}

static bool has_products(tl_dtype t) {
    return tl_dtype_get(t)->kind != TL_KIND_INT;
}

/* ---- lengths ---- */

int64_t draw_width(drawing *d) {
    static const int64_t of_blocks[] = {32, 64, 64, 96, 128, 160, 192, 256, 256, 256, 288, 320, 512},
                         about_vectors[] = {1,  2,  3,  4,  5,  7,  8,  9,  12, 15,  16,  17,  23,  24,  31,
                                            32, 33, 40, 47, 48, 63, 64, 65, 80, 100, 127, 129, 255, 257, 300};
    if (d->even)
        return DRAW_ONE(d, d->widths);
    if (d->wide && draw_chance(d, 50))
        return draw_between(d, 1000, 9000);
    if (draw_chance(d, 50))
        return DRAW_ONE(d, of_blocks);
    return draw_chance(d, 60) ? DRAW_ONE(d, about_vectors) : draw_between(d, 1, 300);
}

int64_t draw_few(drawing *d) {
    if (draw_chance(d, 30))
        return 1;
    return draw_chance(d, 70) ? draw_between(d, 2, 6) : draw_between(d, 1, 30);
}

/* ---- inputs ---- */

static const char *next_name(drawing *d, const char *kind) {
    static char name[32]; /* builders copy it */
    snprintf(name, sizeof name, "%s%d", kind, d->leaves++);
    return name;
}

tl_tensor *draw_input(drawing *d, tl_dtype dtype, int rank, const int64_t *shape) {
    case_fill fill = draw_fill(d);
    return case_input(d->e, next_name(d, "x"), dtype, rank, shape, fill);
}

tl_tensor *draw_ids(drawing *d, int rank, const int64_t *shape, int64_t lo, int64_t hi) {
    return case_ints(d->e, next_name(d, "ids"), rank, shape, (int32_t)lo, (int32_t)hi);
}

tl_tensor *draw_values(drawing *d, int rank, const int64_t *shape, const int32_t *values) {
    return case_values(d->e, next_name(d, "ids"), rank, shape, values);
}

tl_tensor *draw_order(drawing *d, int64_t length, int64_t n, int64_t rows) {
    int32_t *order = malloc((size_t)rows * sizeof *order);
    for (int64_t i = 0; order && i < rows; i++)
        order[i] = (int32_t)i;
    for (int64_t i = 0; order && i < n; i++) {
        int64_t j = draw_between(d, i, rows - 1);
        int32_t v = order[i];
        order[i] = order[j];
        order[j] = v;
    }
    tl_tensor *t = order ? draw_values(d, 1, &length, order) : NULL;
    free(order);
    return t;
}

tl_tensor *draw_new(drawing *d) {
    int64_t shape[TL_MAX_RANK];
    bool varies = d->n != 0 && draw_chance(d, 50);
    if (d->even) {
        shape[0] = varies ? d->n : d->rows;
        shape[1] = draw_width(d);
        return draw_input(d, TL_F32, 2, shape);
    }
    int rank = (int)(draw_chance(d, 5) ? draw_between(d, 5, TL_MAX_RANK) : draw_between(d, varies ? 2 : 1, 4));
    int64_t width = draw_width(d), rest = d->most / (varies ? d->n_max : 1);
    shape[rank - 1] = width < rest ? width : rest;
    rest /= shape[rank - 1];
    for (int a = rank - 2; a >= 0; a--) {
        int64_t length = rank == 2 ? draw_few(d) : draw_between(d, 1, rank > 4 ? 3 : 5);
        shape[a] = length < rest ? length : rest;
        rest /= shape[a];
    }
    if (varies)
        shape[0] = d->n;
    return draw_input(d, TL_F32, rank, shape);
}

/* ---- bank tensors ---- */

tl_tensor *draw_bank(drawing *d, tl_dtype dtype, int rank, const int64_t *shape, unsigned uses) {
    case_fill fill = draw_fill(d);
    return case_weight(d->e, next_name(d, "w"), dtype, rank, shape, fill, uses);
}

tl_tensor *draw_state(drawing *d, tl_dtype dtype, int rank, const int64_t *shape) {
    case_fill fill = draw_fill(d);
    tl_tensor *t = case_state(d->e, next_name(d, "state"), dtype, rank, shape, fill);
    if (t)
        d->states[d->n_states++] = t;
    return t;
}

/* ---- weights of products ---- */

/* One of before; NULL: none was found. */
static tl_tensor *old_weight(drawing *d, int64_t k, int64_t most_rows) {
    for (int tries = 0; tries < 4 && d->n_states > 0 && draw_chance(d, 20); tries++) {
        tl_tensor *w = d->states[draw_between(d, 0, d->n_states - 1)];
        if (w->rank == 2 && w->shape[1] == k && w->shape[0] <= most_rows && tl_dtype_get(w->dtype)->kind != TL_KIND_INT)
            return tl_latest(d->g, w);
    }
    for (int tries = 0; tries < 5 && d->n_weights > 0 && draw_chance(d, d->even ? 90 : 50); tries++) {
        tl_tensor *w = d->weights[draw_between(d, 0, d->n_weights - 1)];
        if (w->shape[1] == k && w->shape[0] <= most_rows)
            return w;
    }
    return NULL;
}

/* A view of more rows, or of longer ones. */
static tl_tensor *part_of_weight(drawing *d, tl_dtype dtype, int64_t rows, int64_t k) {
    int64_t block = tl_dtype_get(dtype)->block;
    if (draw_chance(d, 50)) {
        int64_t more[] = {2 * rows + 3, k}, start = draw_between(d, 0, 2), step = draw_between(d, 1, 2);
        unsigned uses = draw_chance(d, 50) ? TL_USE_LINEAR : 0;
        return tl_slice(d->g, draw_bank(d, dtype, 2, more, uses), 0, start, rows, step);
    }
    int64_t longer[] = {rows, k + (block == 1 ? 3 : block)}, start = draw_between(d, 0, block == 1 ? 3 : 1) * block;
    return tl_slice(d->g, draw_input(d, dtype, 2, longer), 1, start, k, 1);
}

tl_tensor *draw_weight_of(drawing *d, int64_t rows, int64_t k, unsigned uses) {
    tl_dtype dtype = any_type(d, k, has_products);
    return draw_bank(d, dtype, 2, (int64_t[]){rows, k}, uses);
}

tl_tensor *draw_weight(drawing *d, int64_t k, int64_t most_rows) {
    tl_tensor *w = old_weight(d, k, most_rows);
    if (w)
        return w;
    tl_dtype dtype = any_type(d, k, has_products);
    int64_t rows = draw_chance(d, 30) ? k : draw_width(d);
    if (!d->even && draw_chance(d, 40))
        rows = draw_between(d, 1, 40);
    int64_t shape[] = {rows < most_rows ? rows : most_rows, k};
    int64_t way = draw_between(d, 0, 9);
    if (way < 6) {
        unsigned uses = draw_chance(d, 30) ? TL_USE_LINEAR | TL_USE_EMBED : TL_USE_LINEAR;
        w = draw_bank(d, dtype, 2, shape, uses);
        if (w)
            d->weights[d->n_weights++] = w;
        return w;
    }
    if (way < 8)
        return part_of_weight(d, dtype, shape[0], k);
    if (way == 8 || tl_dtype_get(dtype)->block > 1)
        return draw_input(d, dtype, 2, shape);
    return tl_cast(d->g, draw_input(d, TL_F32, 2, shape), dtype);
}

tl_tensor *draw_vector(drawing *d, int64_t n) {
    int64_t longer = 2 * n + 1, one = 1;
    int64_t way = draw_between(d, 0, 9);
    if (way == 0) {
        int64_t step = draw_between(d, 1, 2);
        return tl_slice(d->g, draw_input(d, TL_F32, 1, &longer), 0, 1, n, step);
    }
    if (way == 1)
        return tl_broadcast(d->g, draw_input(d, TL_F32, 1, &one), 1, &n);
    return way < 4 ? draw_bank(d, TL_F32, 1, &n, 0) : draw_input(d, TL_F32, 1, &n);
}
