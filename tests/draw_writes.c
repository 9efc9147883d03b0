/* draw_writes.c: draws writes of states: new ones and those of before, whole or by parts, from what is at hand or from the state itself, with
 * readers of the old value whose own readers come after the write: what a planner must keep apart. */
#include "tests/draw.h"

static bool is_f32(const tl_tensor *t) {
    return t->dtype == TL_F32;
}

static int64_t last_length(const tl_tensor *t) {
    return t->shape[t->rank - 1];
}

/* The newest value of a state, or a view of it that may be written: its rows are dense. */
static tl_tensor *part_of_state(drawing *d, tl_tensor *state) {
    tl_tensor *v = tl_latest(d->g, state);
    for (int i = 0; v && i < 3 && draw_chance(d, 40); i++) {
        int last = v->rank - (tl_dtype_get(v->dtype)->block > 1 ? 2 : 1), a = (int)draw_between(d, 0, v->rank - 1);
        tl_tensor *w = v;
        if (draw_chance(d, 60) && a <= last) {
            int64_t n = v->shape[a], start = draw_between(d, 0, n - 1), step = draw_between(d, 1, 2), most = (n - start + step - 1) / step;
            w = tl_slice(d->g, v, a, start, draw_chance(d, 60) ? most : draw_between(d, 1, most), step);
        } else if (v->rank == 3 && draw_chance(d, 70)) {
            w = tl_permute(d->g, v, (int[]){1, 0, 2});
        } else if (v->rank == 3 && tl_dense(v)) {
            w = tl_reshape(d->g, v, 2, (int64_t[]){tl_rows(v), last_length(v)});
        }
        if (!w || w->base != state || !tl_row_dense(w))
            break;
        v = w;
    }
    return v;
}

static tl_tensor *any_state(drawing *d) {
    int64_t shape[3] = {0};
    if (d->n_states > 0 && draw_chance(d, 65))
        return d->states[draw_between(d, 0, d->n_states - 1)];
    if (d->even) {
        shape[0] = d->rows;
        shape[1] = draw_width(d);
        return draw_state(d, TL_F32, 2, shape);
    }
    int rank = (int)draw_between(d, 1, 3);
    for (int a = 0; a < rank; a++)
        shape[a] = draw_between(d, 1, 12);
    shape[rank - 1] = draw_chance(d, 60) ? 32 * draw_between(d, 1, 4) : draw_between(d, 1, 40);
    if (rank == 2 && draw_chance(d, 30))
        shape[0] = shape[1];
    return draw_state(d, draw_chance(d, 60) ? TL_F32 : draw_written(d, shape[rank - 1]), rank, shape);
}

/* ---- readers of the old value ---- */

/* Reads a state's value of before a write, in a way that a backend may want to do later. */
static tl_tensor *read_early(drawing *d, tl_tensor *state, bool *norm) {
    tl_tensor *v = part_of_state(d, state), *x, *w;
    *norm = false;
    if (!v)
        return NULL;
    int64_t k = last_length(v), way = draw_between(d, 0, 6);
    if (way == 0 && v->rank == 2 && tl_dtype_get(v->dtype)->kind != TL_KIND_INT) { /* as a weight */
        x = draw_input(d, TL_F32, 2, (int64_t[]){d->rows, k});
        return tl_linear(d->g, x, v, NULL);
    }
    v = tl_cast(d->g, v, TL_F32);
    if (way == 1 && v && v->rank == 1) { /* as a bias */
        int64_t width = draw_width(d) % 128 + 1;
        x = draw_input(d, TL_F32, 2, (int64_t[]){d->rows, width});
        return tl_linear(d->g, x, draw_weight_of(d, k, width, TL_USE_LINEAR), v);
    }
    if (way == 2)
        return tl_scale(d->g, v, 0.5f);
    if (way == 3)
        return tl_add(d->g, v, v);
    *norm = way == 4;
    if (way >= 4)
        v = tl_rms_norm(d->g, v, NULL, 1e-5f);
    if (way >= 5) {
        w = v ? draw_weight(d, k, d->work / tl_count(v)) : NULL;
        return w ? tl_linear(d->g, v, w, NULL) : NULL;
    }
    return v && v->base != state ? v : NULL;
}

/* After the write: what read_early gave is read itself. */
static void read_late(drawing *d, tl_tensor *early, bool norm) {
    tl_tensor *y = early;
    if (norm && draw_chance(d, 70)) {
        for (int64_t layers = draw_between(d, 1, 2); layers > 0; layers--) {
            tl_tensor *w = draw_weight(d, last_length(early), d->work / tl_count(early));
            y = w ? draw_keep(d, tl_linear(d->g, early, w, NULL)) : NULL;
        }
        return;
    }
    if (draw_chance(d, 70)) {
        tl_tensor *r = draw_partner(d, early, true);
        y = draw_chance(d, 50) ? tl_add(d->g, early, r) : tl_add(d->g, r, early);
    }
    draw_keep(d, y);
}

/* ---- what is written ---- */

/* Something of v's shape: from the state itself, or anything. */
static tl_tensor *draw_content(drawing *d, tl_tensor *state, tl_tensor *v) {
    int64_t way = draw_between(d, 0, 5);
    tl_tensor *x;
    if (way == 0 && is_f32(v)) {
        x = part_of_state(d, state);
        if (x && tl_same_shape(x, v))
            return x;
    }
    if (way == 1 && v->rank == 2 && v->shape[0] == v->shape[1] && tl_dtype_get(v->dtype)->block == 1)
        return tl_permute(d->g, v, (int[]){1, 0});
    if (way == 2 && is_f32(v))
        return tl_scale(d->g, v, -0.75f);
    if (way == 3)
        return draw_input(d, v->dtype, v->rank, v->shape);
    x = draw_partner(d, v, true);
    return way == 4 && is_f32(v) ? tl_add(d->g, v, x) : x;
}

/* Some rows of v, in any order, get new rows or rows of v itself. */
static tl_tensor *write_rows(drawing *d, tl_tensor *v) {
    int64_t rows = v->shape[0], n = draw_between(d, 1, rows), length = n, shape[TL_MAX_RANK];
    if (d->n && d->n_max <= rows && v->rank > 1 && draw_chance(d, 50)) {
        n = d->n_max;
        length = d->n;
    }
    tl_tensor *at = draw_order(d, length, n, rows), *x = NULL;
    for (int a = 0; a < v->rank; a++)
        shape[a] = a == 0 ? length : v->shape[a];
    if (length == n && is_f32(v) && draw_chance(d, 30))
        x = tl_slice(d->g, v, 0, rows - n, n, 1);
    else
        x = draw_input(d, draw_chance(d, 70) ? TL_F32 : v->dtype, v->rank, shape);
    return tl_set_rows(d->g, v, at, x);
}

/* What stands in a state after y, its last write. */
static tl_tensor *after_write(drawing *d, tl_tensor *state, tl_tensor *y) {
    draw_forget(d, state);
    tl_tensor *whole = tl_latest(d->g, state);
    if (draw_chance(d, 40))
        y = whole;
    if (draw_chance(d, 30))
        y = draw_view(d, y);
    return y && (is_f32(y) || draw_chance(d, 25)) ? y : tl_cast(d->g, y, TL_F32);
}

static tl_tensor *write_state(drawing *d, bool by_rows) {
    tl_tensor *state = any_state(d), *v = state ? part_of_state(d, state) : NULL, *early = NULL;
    bool norm = false;
    if (!v || (by_rows && v->rank < 2))
        return NULL;
    if (draw_chance(d, 60))
        early = read_early(d, state, &norm);
    tl_tensor *y = by_rows ? write_rows(d, v) : tl_assign(d->g, v, draw_content(d, state, v));
    y = after_write(d, state, y);
    if (early && tl_count(early) <= d->most)
        read_late(d, early, norm);
    return y;
}

/* A new state takes a value that the graph has computed. */
static tl_tensor *write_result(drawing *d, bool by_rows) {
    tl_tensor *x = draw_operand(d);
    int64_t shape[TL_MAX_RANK];
    if (!x || (by_rows ? x->rank < 2 : x->size != 0))
        return NULL;
    for (int a = 0; a < x->rank; a++)
        shape[a] = x->shape[a];
    if (by_rows)
        shape[0] += draw_between(d, 0, 12);
    tl_dtype t = draw_written(d, last_length(x));
    tl_tensor *state = draw_state(d, t, x->rank, shape), *y;
    if (by_rows) {
        tl_tensor *at = draw_order(d, draw_length(d, x, 0), x->shape[0], shape[0]);
        y = tl_set_rows(d->g, state, at, x);
    } else {
        y = tl_assign(d->g, state, x);
    }
    return y ? after_write(d, state, y) : NULL;
}

tl_tensor *draw_op_set_rows(drawing *d) {
    return draw_chance(d, 35) ? write_result(d, true) : write_state(d, true);
}

tl_tensor *draw_op_assign(drawing *d) {
    return draw_chance(d, 35) ? write_result(d, false) : write_state(d, false);
}
