/* linear.c: the drivers of linear layers: *prep* prepares rows of x once (quantised, or rounded to 13 bits) for all layers that read them;
 * *linear* cuts the weight rows into tiles and runs all columns of x against each, so that a tile's weights are read from memory once.
 * No sum is ever cut. */
#include <string.h>

#include "backends/cpu/cpu.h"
#include "ops/ops.h"
#include "tensor/platform.h"

/* Rows of x a pass over a tile's weights, which are decoded once for them; quantised, they mostly stay in L2. Where groups are multiplied at once,
 * decoding is a larger share of the work. As floats rows are four times as large, and each is fetched for a pass: fewer of them, and more weights,
 * which take turns with them there. */
enum { COLUMNS = 4 * TL_GROUP, GROUPED_COLUMNS = 8 * TL_GROUP, FLOAT_COLUMNS = TL_GROUP };
enum { TILE_BYTES = 64 << 10, FLOAT_TILE_BYTES = 384 << 10 };
/* With few columns weights come at the speed of memory, which brings the first lines of a tile late: long ones. */
enum { STREAM_BYTES = 256 << 10, STREAM_COLUMNS = TL_GROUP };
/* Rows of x for several passes may be more than L2 holds, and then are fetched for each tile. So many panels of one share that, as far as these
 * are no larger. */
enum { SHARING_PANELS = 4, SHARING_BYTES = 512 << 10 };

static int columns_each(const tl_kernels *f, const tl_tensor *w) {
    return !tl_cpu_layout_of(w->dtype) ? FLOAT_COLUMNS : f->grouped[w->dtype] ? GROUPED_COLUMNS : COLUMNS;
}

cpu_prep tl_cpu_prep_of(tl_dtype weight) {
    switch (tl_dtype_get(weight)->kind) {
    case TL_KIND_SCALE:
    case TL_KIND_SCALE_MIN: return PREP_X32;
    case TL_KIND_SUPER:
    case TL_KIND_SUPER_MIN: return PREP_X256;
    case TL_KIND_HALF: return PREP_X13;
    default: return PREP_NONE;
    }
}

size_t tl_cpu_prep_bytes(cpu_prep kind, int64_t k) {
    switch (kind) {
    case PREP_X32: return (size_t)(k / 32) * sizeof(tl_x32);
    case PREP_X256: return (size_t)(k / 256) * sizeof(tl_x256);
    case PREP_X13: return (size_t)k * sizeof(float);
    default: return 0;
    }
}

/* ---- prep ---- */

/* Whole groups of rows are arranged where the level's products want that; rows left over never are. */
tl_fn_arrange tl_cpu_arrange_of(const tl_kernels *f, cpu_prep kind) {
    return kind == PREP_X32 ? f->arrange_x32[0] : kind == PREP_X256 ? f->arrange_x256[0] : NULL;
}

/* A row to be computed, then a group that is not arranged yet. */
size_t tl_cpu_prep_scratch(const tl_cpu *cpu, const tl_tensor *x, cpu_prep kind, bool produce) {
    const int64_t k = tl_dim(x, -1);
    const size_t row = produce ? tl_mul_saturated((size_t)k, sizeof(float)) : 0;
    return tl_cpu_arrange_of(&cpu->kernels, kind) ? tl_add_saturated(row, tl_mul_saturated(tl_cpu_prep_bytes(kind, k), TL_GROUP)) : row;
}

/* Rows a tile; whole groups. */
static int64_t prep_each(const cpu_step *s, const cpu_run *r, int64_t rows) {
    const int64_t n = tl_cpu_tile_rows(r->cpu, rows, (double)tl_dim(s->node, -1) * (s->produce ? 8 : 3));
    return tl_cpu_arrange_of(&r->cpu->kernels, s->prep) ? (n + TL_GROUP - 1) / TL_GROUP * TL_GROUP : n;
}

static int64_t prep_tiles(const cpu_step *s, const cpu_run *r) {
    int64_t rows = tl_plan_rows(r->plan, s->node);
    return rows <= 0 ? 0 : (rows + prep_each(s, r, rows) - 1) / prep_each(s, r, rows);
}

static void prep_row(const cpu_step *s, const cpu_run *r, int64_t row, void *out, float *produced) {
    const int64_t k = tl_dim(s->node, -1);
    const tl_kernels *f = &r->cpu->kernels;
    const float *x = produced;
    if (s->produce)
        tl_cpu_row(r->cpu, s->node, row, produced);
    else
        x = tl_row(s->node, row);
    if (s->prep == PREP_X32)
        f->quantize_x32[0](x, k, out);
    else if (s->prep == PREP_X256)
        f->quantize_x256[0](x, k, out);
    else
        f->round_x13[0](out, x, k);
}

static void prep_run(const cpu_step *s, const cpu_run *r, int64_t tile, void *scratch) {
    int64_t rows = tl_plan_rows(r->plan, s->node), n = prep_each(s, r, rows), row = tile * n, end = row + n < rows ? row + n : rows;
    const int64_t k = tl_dim(s->node, -1);
    const tl_fn_arrange arrange = tl_cpu_arrange_of(&r->cpu->kernels, s->prep);
    char *group = (char *)scratch + (s->produce ? (size_t)k * sizeof(float) : 0);
    for (; arrange && row + TL_GROUP <= end; row += TL_GROUP) {
        for (int i = 0; i < TL_GROUP; i++)
            prep_row(s, r, row + i, group + (size_t)i * s->prep_row, scratch);
        arrange((char *)s->address + (size_t)row * s->prep_row, group, s->prep_row, k);
    }
    for (; row < end; row++)
        prep_row(s, r, row, (char *)s->address + (size_t)row * s->prep_row, scratch);
}

const cpu_driver tl_cpu_driver_prep = {"prep", prep_tiles, prep_run};

/* ---- linear ---- */

bool tl_cpu_linear_fits(const tl_cpu *cpu, const tl_tensor *linear) {
    const tl_tensor *w = linear->src[1], *x = linear->src[0];
    if (w->layout && w->layout != tl_cpu_layout_of(w->dtype))
        return false;
    if (tl_cpu_layout_of(w->dtype) ? !cpu->kernels.panel[w->dtype] || !cpu->kernels.pack[w->dtype] || !cpu->kernels.stored[w->dtype]
                                   : !cpu->kernels.dot[w->dtype])
        return false;
    /* plain f32 rows are read in place, a fixed distance apart */
    return tl_cpu_prep_of(w->dtype) != PREP_NONE || (x->dtype == TL_F32 && tl_dense(x));
}

/* Weights that no panel has been made of yet; panels of them are made on the way. */
static bool is_stored(const tl_tensor *w) {
    return !w->layout && tl_cpu_layout_of(w->dtype);
}

const char *tl_cpu_linear_slot(const tl_cpu *cpu, const tl_tensor *linear) {
    const tl_tensor *w = linear->src[1];
    if (!tl_cpu_layout_of(w->dtype))
        return "dot";
    return cpu->kernels.grouped[w->dtype] && tl_rows(linear->src[0]) >= TL_GROUP ? "grouped" : "panel";
}

static size_t panel_bytes(const tl_tensor *w) {
    return tl_mul_saturated(tl_row_bytes(w), TL_PANEL);
}

static size_t sums_bytes(const tl_kernels *f, const tl_tensor *w) {
    return (size_t)columns_each(f, w) * TL_PANEL * sizeof(float);
}

size_t tl_cpu_linear_scratch(const tl_cpu *cpu, const tl_tensor *linear) {
    const tl_tensor *w = linear->src[1];
    return tl_add_saturated(sums_bytes(&cpu->kernels, w), is_stored(w) ? panel_bytes(w) : 0);
}

/* Panels that lie in so many bytes; 1 at least. */
static int64_t panels_in(size_t bytes, size_t panel) {
    return panel < bytes ? (int64_t)(bytes / panel) : 1;
}

/* Panels a tile: enough weights to share what is fetched for a tile, but enough tiles for all threads. */
static int64_t panels_each(const cpu_step *s, const cpu_run *r, int64_t panels) {
    const tl_tensor *w = s->linear->src[1];
    const int64_t rows = tl_plan_rows(r->plan, s->node);
    const size_t bytes = panel_bytes(w);
    int64_t most, parts = r->cpu->threads * 4;
    if (!tl_cpu_layout_of(w->dtype) && rows > 1) {
        most = panels_in(FLOAT_TILE_BYTES, bytes);
    } else if (rows <= STREAM_COLUMNS) {
        most = panels_in(STREAM_BYTES, bytes);
        parts *= 2; /* small matrices lie in caches, and are the sooner unevenly shared */
    } else {
        most = panels_in(TILE_BYTES, bytes);
        if (w->layout && rows > columns_each(&r->cpu->kernels, w) && most < SHARING_PANELS) {
            most = panels_in(SHARING_BYTES, bytes);
            most = most < SHARING_PANELS ? most : SHARING_PANELS;
        }
    }
    int64_t even = (panels + parts - 1) / parts;
    double work = (double)tl_dim(w, 1) * TL_PANEL * (double)rows;
    int64_t least = (int64_t)(2.0 * r->cpu->tile / work) + 1;
    int64_t n = even < most ? even : most;
    return n > least ? n : least;
}

static int64_t panel_count(const cpu_step *s) {
    return (tl_dim(s->linear->src[1], 0) + TL_PANEL - 1) / TL_PANEL;
}

static int64_t linear_tiles(const cpu_step *s, const cpu_run *r) {
    if (tl_plan_rows(r->plan, s->node) <= 0)
        return 0;
    int64_t panels = panel_count(s), each = panels_each(s, r, panels);
    return (panels + each - 1) / each;
}

/* A panel's part of the output: rows j0 .. j0 + n_rows - 1 of the weight, n_cols columns from c0 on. */
typedef struct part {
    int64_t j0, c0;
    int n_rows, n_cols;
} part;

enum { COLUMNS_AHEAD = 16 };

/* Columns lie a power of two apart, as a rule, and no processor foresees such steps: memory is asked for some of them before they are needed. */
static void ask(const float *out, const float *residual, int64_t at) {
    __builtin_prefetch(out + at, 1);
    if (residual)
        __builtin_prefetch(residual + at);
}

/* y [n_cols][TL_PANEL] + bias + residual -> the output. Sums grow in y and not where they go, because there columns would push each other
 * out of the caches. */
static void store(const cpu_step *s, const tl_kernels *f, float *y, part p) {
    const tl_tensor *bias = s->linear->n_src > 2 ? s->linear->src[2] : NULL;
    int64_t n = tl_dim(s->node, -1), at = p.c0 * n + p.j0; /* both are dense */
    float *out = (float *)tl_data(s->node) + at;
    const float *residual = s->residual ? (const float *)tl_data(s->residual) + at : NULL;
    for (int c = 0; c < COLUMNS_AHEAD && c < p.n_cols; c++)
        ask(out, residual, c * n);
    for (int c = 0; c < p.n_cols; c++, y += TL_PANEL) {
        if (c + COLUMNS_AHEAD < p.n_cols)
            ask(out, residual, (c + COLUMNS_AHEAD) * n);
        if (bias)
            f->add[0](y, y, (const float *)tl_data(bias) + p.j0, p.n_rows);
        if (residual)
            f->add[0](out + c * n, y, residual + c * n, p.n_rows);
        else if (p.n_rows == TL_PANEL) /* a length known to the compiler: two moves in place of a call */
            memcpy(out + c * n, y, TL_PANEL * sizeof *out);
        else
            memcpy(out + c * n, y, (size_t)p.n_rows * sizeof *out);
    }
}

/* A panel of n_rows as stored, made at `to`; rows that it lacks are zeros. */
static void make_panel(const tl_kernels *f, const tl_tensor *w, const char *rows, int n_rows, char *to) {
    if (n_rows == TL_PANEL) {
        f->pack[w->dtype](to, rows, (size_t)w->stride[0], tl_dim(w, 1));
        return;
    }
    memset(to, 0, panel_bytes(w));
    for (int r = 0; r < n_rows; r++)
        tl_cpu_pack_row(w->dtype, to, r, rows + r * w->stride[0], tl_dim(w, 1));
}

/* A tile at work. */
typedef struct job {
    const cpu_step *step;
    const tl_kernels *f;
    const tl_tensor *w;
    const char *xs; /* columns of x, x_bytes apart */
    size_t x_bytes;
    int64_t columns;
    float *y;
} job;

static part part_at(const job *j, int64_t panel, int64_t c0) {
    const int64_t rows = tl_dim(j->w, 0) - panel * TL_PANEL, columns = j->columns - c0;
    const int most = columns_each(j->f, j->w);
    return (part){panel * TL_PANEL, c0, rows < TL_PANEL ? (int)rows : TL_PANEL, columns < most ? (int)columns : most};
}

/* Rows of floats, or a panel of blocks, times some columns. */
static void multiply(const job *j, const char *weights, part p) {
    tl_dtype t = j->w->dtype;
    const char *xs = j->xs + (size_t)p.c0 * j->x_bytes;
    int64_t k = tl_dim(j->w, 1);
    if (tl_cpu_layout_of(t)) {
        const int groups = j->f->grouped[t] ? p.n_cols / TL_GROUP : 0, grouped = groups * TL_GROUP;
        if (groups)
            j->f->grouped[t](j->y, TL_PANEL, weights, xs, j->x_bytes, groups, k);
        if (grouped < p.n_cols)
            j->f->panel[t](j->y + grouped * TL_PANEL, TL_PANEL, weights, xs + (size_t)grouped * j->x_bytes, j->x_bytes, p.n_cols - grouped,
                           k);
    } else {
        j->f->dot[t](j->y, TL_PANEL, weights, (size_t)j->w->stride[0], p.n_rows, xs, j->x_bytes, p.n_cols, k);
    }
    store(j->step, j->f, j->y, p);
}

/* All panels of a tile take turns in a pass over some columns, which stay in a near cache; but one that is made on the way is made once, and for one
 * column none is. */
static void linear_run(const cpu_step *s, const cpu_run *r, int64_t tile, void *scratch) {
    const tl_tensor *w = s->linear->src[1], *x = s->linear->src[0];
    int64_t panels = panel_count(s), each = panels_each(s, r, panels), first = tile * each,
            end = first + each < panels ? first + each : panels;
    bool plain = s->prep == PREP_NONE;
    job j = {.step = s,
             .f = &r->cpu->kernels,
             .w = w,
             .xs = plain ? tl_data(x) : s->address,
             .x_bytes = plain ? (size_t)tl_dim(w, 1) * sizeof(float) : s->prep_row,
             .columns = tl_plan_rows(r->plan, s->node),
             .y = scratch};
    const char *weights = tl_data(w);
    const int pass = columns_each(j.f, w);
    size_t bytes = w->layout ? panel_bytes(w) : (size_t)w->stride[0] * TL_PANEL;
    if (is_stored(w)) {
        char *made = (char *)scratch + sums_bytes(j.f, w);
        for (int64_t panel = first; panel < end; panel++) {
            const part all = part_at(&j, panel, 0);
            const char *rows = weights + (size_t)panel * bytes;
            if (j.columns == 1 && all.n_rows == TL_PANEL) {
                j.f->stored[w->dtype](j.y, rows, (size_t)w->stride[0], j.xs, tl_dim(w, 1));
                store(s, j.f, j.y, all);
                continue;
            }
            make_panel(j.f, w, rows, all.n_rows, made);
            for (int64_t c0 = 0; c0 < j.columns; c0 += pass)
                multiply(&j, made, part_at(&j, panel, c0));
        }
        return;
    }
    for (int64_t c0 = 0; c0 < j.columns; c0 += pass)
        for (int64_t panel = first; panel < end; panel++)
            multiply(&j, weights + (size_t)panel * bytes, part_at(&j, panel, c0));
}

const cpu_driver tl_cpu_driver_linear = {"linear", linear_tiles, linear_run};
