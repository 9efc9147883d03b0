/* cases_run.c: runs a case step by step and compares bits.
 *
 * What a step proves beyond its values: outputs are filled with garbage before each run, so every value read was computed; rows of inputs
 * past the current size are garbage, so nothing depends on them; a second run without writing the inputs gives the same, so no step
 * writes into an input; without reuse the rows of outputs past the current size keep their garbage, so nothing is written there. */
#include "tests/cases_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GARBAGE = 0xFF }; /* NaN as a float, out of range as an id */

/* ---- sizes ---- */

int case_steps(const tl_graph *g) {
    return tl_graph_sizes(g) == 0 ? 1 : tl_graph_sizes(g) == 1 ? 5 : CASE_MAX_STEPS;
}

/* Value of size i (1-based) in a step. */
static int64_t step_value(int step, int i, int64_t max) {
    int64_t between = i % 2 ? (2 * max + 2) / 3 : (max + 2) / 3;
    switch (step) {
    case 1: return 1;
    case 2: return between;
    case 3: return 0;
    case 5: return i == 1 ? 1 : between;
    case 6: return i == 1 ? between : 0;
    default: return max;
    }
}

static tl_status set_sizes(const tl_graph *g, tl_plan *p, int step, tl_error *err) {
    if (step == 0)
        return TL_OK; /* a plan starts at the maximum */
    for (int i = 1; i <= tl_graph_sizes(g); i++) {
        tl_status s = tl_plan_set(p, tl_graph_size_name(g, i), step_value(step, i, tl_graph_size_max(g, i)), err);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

/* Bytes of t's current rows. */
static size_t current_bytes(const tl_plan *p, const tl_tensor *t) {
    if (t->size == 0)
        return tl_bytes(t);
    return tl_bytes(t) / (size_t)t->shape[0] * (size_t)tl_plan_dim0(p, t);
}

/* ---- writing ---- */

/* False for what a run does not compute: inputs and bank tensors, and views of them. */
static bool is_computed(const tl_tensor *t) {
    return t->base->op != NULL && t->base->graph != NULL;
}

/* The root's whole memory: an output may be a view that is not dense. */
static void write_garbage(case_live *c) {
    for (int i = 0; i < c->n_outputs; i++) {
        tl_tensor *root = c->outputs[i]->base;
        if (is_computed(root) && tl_data(root))
            memset(tl_data(root), GARBAGE, tl_bytes(root));
    }
}

static tl_status write_inputs(case_live *c, const tl_plan *p, tl_error *err) {
    for (int i = 0; i < c->n_inputs; i++) {
        const case_slot *in = &c->inputs[i];
        if (!in->t->buffer)
            continue; /* the plan does not need it */
        uint8_t *data = malloc(in->bytes + 1);
        if (!data)
            return tl_fail(err, TL_ERR_MEMORY, "out of memory");
        memset(data, GARBAGE, in->bytes);
        memcpy(data, in->data, current_bytes(p, in->t));
        tl_status s = tl_write(in->t, data, in->bytes, err);
        free(data);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

static tl_status write_states(case_live *c, tl_error *err) {
    for (int i = 0; i < c->n_states; i++) {
        tl_status s = tl_write(c->states[i].t, c->states[i].data, c->states[i].bytes, err);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

/* ---- reading ---- */

static int64_t elements_of(tl_dtype dtype, size_t bytes) {
    const tl_dtype_info *info = tl_dtype_get(dtype);
    return (int64_t)(bytes / (size_t)info->block_bytes) * info->block;
}

/* Appends bytes of t to r as canonical values. */
static tl_status read_part(case_result *r, const tl_tensor *t, const char *kind, int number, size_t bytes, tl_error *err) {
    case_part *part = &r->parts[r->n_parts++];
    uint8_t *data = realloc(r->data, r->bytes + bytes + 1);
    if (!data)
        return tl_fail(err, TL_ERR_MEMORY, "out of memory");
    r->data = data;
    *part = (case_part){.dtype = t->dtype, .offset = r->bytes, .bytes = bytes, .of = t};
    snprintf(part->name, sizeof part->name, "%s %d %s", kind, number, t->name ? t->name : "");
    if (bytes > 0) {
        tl_status s = tl_read(t, data + r->bytes, bytes, err);
        if (s != TL_OK)
            return s;
    }
    case_canonical(t->dtype, data + r->bytes, elements_of(t->dtype, bytes));
    r->bytes += bytes;
    return TL_OK;
}

static tl_status read_all(case_live *c, const tl_plan *p, case_result *r, tl_error *err) {
    tl_status s = TL_OK;
    for (int i = 0; i < c->n_outputs && s == TL_OK; i++)
        s = read_part(r, c->outputs[i], "output", i, current_bytes(p, c->outputs[i]), err);
    for (int i = 0; i < c->n_states && s == TL_OK; i++)
        s = read_part(r, c->states[i].t, "state", i, c->states[i].bytes, err);
    return s;
}

/* Without reuse an output's rows past the current ones must still be the garbage of before. */
static tl_status check_past_rows(case_live *c, const tl_plan *p, tl_error *err) {
    for (int i = 0; i < c->n_outputs; i++) {
        const tl_tensor *t = c->outputs[i];
        size_t from = current_bytes(p, t), bytes = tl_bytes(t);
        if (!is_computed(t) || from == bytes)
            continue;
        uint8_t *data = malloc(bytes + 1);
        if (!data)
            return tl_fail(err, TL_ERR_MEMORY, "out of memory");
        tl_status s = tl_read(t, data, bytes, err);
        for (size_t b = from; b < bytes && s == TL_OK; b++)
            if (data[b] != GARBAGE)
                s = tl_fail(err, TL_ERR_INTERNAL, "output %d was written past its current rows, at byte %lld of %lld current ones", i,
                            (long long)b, (long long)from);
        free(data);
        if (s != TL_OK)
            return s;
    }
    return TL_OK;
}

void case_result_drop(case_result *r) {
    free(r->data);
    memset(r, 0, sizeof *r);
}

/* ---- a step ---- */

static bool went_wrong(case_live *c, int step, bool again, const tl_error *err) {
    snprintf(c->why, sizeof c->why, "step %d%s: %s", step, again ? ", again" : "", err->message);
    return false;
}

bool case_step(case_live *c, tl_plan *p, int step, bool again, case_result *r) {
    tl_error err = {0};
    r->bytes = 0;
    r->n_parts = 0;
    write_garbage(c); /* first: what a run does not compute is written after it */
    if (set_sizes(c->env.g, p, step, &err) != TL_OK || write_states(c, &err) != TL_OK || (!again && write_inputs(c, p, &err) != TL_OK))
        return went_wrong(c, step, again, &err);
    r->status = tl_plan_run(p, &err);
    if (r->status != TL_OK && r->status != TL_ERR_RANGE)
        return went_wrong(c, step, again, &err);
    if (r->status == TL_ERR_RANGE && step == 0)
        return went_wrong(c, step, again, &err); /* at their maximum the sizes of a case fit its data */
    if (r->status == TL_OK && read_all(c, p, r, &err) != TL_OK)
        return went_wrong(c, step, again, &err);
    if (r->status == TL_OK && p->options.no_reuse && check_past_rows(c, p, &err) != TL_OK)
        return went_wrong(c, step, again, &err);
    return true;
}

/* ---- comparing ---- */

static void write_hex(char *buf, const uint8_t *value, int bytes) {
    static const char digits[] = "0123456789ABCDEF";
    *buf++ = '0';
    *buf++ = 'x';
    for (int i = bytes - 1; i >= 0; i--) {
        *buf++ = digits[value[i] >> 4];
        *buf++ = digits[value[i] & 15];
    }
    *buf = '\0';
}

/* The op and shapes: "#5 linear f32 [4, 64] of 'x' f32 [4, 32], 'w' q4_0 [64, 32]". */
static void describe_node(const tl_tensor *t, char *buf, size_t bytes) {
    char text[160];
    size_t n = (size_t)snprintf(buf, bytes, "%s", tl_describe(t, text, sizeof text));
    for (int i = 0; i < t->n_src && n < bytes; i++)
        if (t->src[i])
            n += (size_t)snprintf(buf + n, bytes - n, "%s %s", i ? "," : " of", tl_describe(t->src[i], text, sizeof text));
}

/* The first difference inside a part: index of the element (of the byte, for block types) and both values. */
static void describe_difference(const case_part *part, const uint8_t *want, const uint8_t *got, char *why) {
    char node[400];
    const tl_dtype_info *info = tl_dtype_get(part->dtype);
    int width = info->block > 1 ? 1 : info->block_bytes;
    char hex_want[20], hex_got[20];
    size_t at = 0, differing = 0, count = part->bytes / (size_t)width;
    for (size_t i = count; i-- > 0;)
        if (memcmp(want + i * (size_t)width, got + i * (size_t)width, (size_t)width) != 0) {
            at = i;
            differing++;
        }
    write_hex(hex_want, want + at * (size_t)width, width);
    write_hex(hex_got, got + at * (size_t)width, width);
    describe_node(part->of, node, sizeof node);
    snprintf(why, CASE_WHY, "%s %s: %s %lld of %lld (the first of %lld that differ) is %s, ref has %s (%s)", part->name, info->name,
             info->block > 1 ? "byte" : "element", (long long)at, (long long)count, (long long)differing, hex_got, hex_want, node);
}

static bool equal_parts(const case_result *want, const case_result *got, char *why) {
    for (int i = 0; i < want->n_parts; i++) {
        const case_part *w = &want->parts[i], *g = &got->parts[i];
        if (w->bytes != g->bytes || w->dtype != g->dtype) {
            snprintf(why, CASE_WHY, "%s has %lld bytes, ref's has %lld", g->name, (long long)g->bytes, (long long)w->bytes);
            return false;
        }
        if (w->bytes > 0 && memcmp(want->data + w->offset, got->data + g->offset, w->bytes) != 0) {
            describe_difference(g, want->data + w->offset, got->data + g->offset, why);
            return false;
        }
    }
    return true;
}

/* The first node, of those that both saw, with other values; -1: none. */
static int first_difference(const case_trail *want, const case_trail *got) {
    for (int i = 0; i < want->n && i < got->n; i++)
        if (want->digest[i] != got->digest[i])
            return i;
    return -1;
}

static bool equal_trails(const case_trail *want, const case_trail *got, char *why) {
    char node[400];
    int at = first_difference(want, got);
    if (want->n != got->n) {
        snprintf(why, CASE_WHY, "the probe saw %d nodes, on ref %d", got->n, want->n);
        return false;
    }
    if (at >= 0) {
        describe_node(got->node[at], node, sizeof node);
        snprintf(why, CASE_WHY, "the probe saw other values than on ref at node %d of the %d of all steps: %s", at, want->n, node);
    }
    return at < 0;
}

/* A result differs: where that began. */
static void add_first_difference(const case_trail *want, const case_trail *got, char *why) {
    char node[400], rest[CASE_WHY];
    int at = first_difference(want, got);
    if (at < 0)
        return;
    describe_node(got->node[at], node, sizeof node);
    snprintf(rest, sizeof rest, "%s", why);
    snprintf(why, CASE_WHY, "first at %s; %.500s", node, rest);
}

bool case_equal(const case_result *want, const case_result *got, char *why) {
    if (want->status != got->status || want->n_parts != got->n_parts) {
        snprintf(why, CASE_WHY, "status %s with %d results, ref has %s with %d", tl_status_name(got->status), got->n_parts,
                 tl_status_name(want->status), want->n_parts);
        return false;
    }
    return equal_parts(want, got, why);
}

/* ---- node by node ---- */

static void keep_digest(void *ctx, const tl_plan *p, const tl_tensor *node) {
    case_trail *trail = ctx;
    if (node->op->id == TL_OP_UNPACK || trail->n == CASE_MAX_TRAIL)
        return;
    size_t bytes = current_bytes(p, node);
    uint8_t *data = malloc(bytes + 1);
    uint64_t h = CASE_HASH_START;
    if (data && bytes > 0 && tl_data(node)) {
        memcpy(data, tl_data(node), bytes);
        case_canonical(node->dtype, data, elements_of(node->dtype, bytes));
        h = case_hash(h, data, bytes);
    }
    free(data);
    trail->node[trail->n] = node;
    trail->digest[trail->n++] = h;
}

/* ---- what ref says ---- */

void case_expected_drop(case_expected *x) {
    for (int i = 0; i < CASE_MAX_STEPS; i++)
        case_result_drop(&x->step[i]);
    memset(x, 0, sizeof *x);
}

static bool run_steps(case_live *c, case_expected *x, tl_plan *p) {
    x->steps = case_steps(c->env.g);
    for (int step = 0; step < x->steps; step++)
        if (!case_step(c, p, step, false, &x->step[step]))
            return false;
    return true;
}

bool case_expect(case_expected *x, const case_item *item, tl_backend *ref, char *why) {
    case_live c;
    tl_plan *p = NULL;
    tl_error err = {0};
    tl_plan_options options = {.no_reuse = true, .no_fuse = true, .probe = keep_digest, .probe_ctx = &x->trail};
    memset(x, 0, sizeof *x);
    bool ok = case_open(&c, item, ref, false);
    if (ok && tl_plan_new(&p, c.env.g, ref, &options, &err) != TL_OK) {
        snprintf(c.why, sizeof c.why, "no plan: %s", err.message);
        ok = false;
    }
    ok = ok && run_steps(&c, x, p);
    if (!ok)
        snprintf(why, CASE_WHY, "%s: %.900s", item->name, c.why);
    tl_plan_free(p);
    case_close(&c);
    return ok;
}

/* ---- everything else against it ---- */

static bool compare_step(case_live *c, tl_plan *p, const case_expected *x, int step, bool again, char *why) {
    case_result r = {0};
    char difference[CASE_WHY];
    bool ok = case_step(c, p, step, again, &r);
    if (!ok) {
        snprintf(why, CASE_WHY, "%s", c->why);
    } else if (!case_equal(&x->step[step], &r, difference)) {
        snprintf(why, CASE_WHY, "step %d%s: %.900s", step, again ? ", again" : "", difference);
        ok = false;
    }
    case_result_drop(&r);
    return ok;
}

const case_way case_ways[CASE_WAYS] = {
    {"default", {.no_reuse = false}, false}, {"no_reuse", {.no_reuse = true}, false},
    {"no_fuse", {.no_fuse = true}, false},   {"no_reuse, no_fuse", {.no_reuse = true, .no_fuse = true}, false},
    {"probe", {.no_reuse = false}, true},
};

bool case_compare(case_live *c, const case_expected *x, const tl_plan_options *options, bool probed, char *why) {
    tl_error err = {0};
    tl_plan *p;
    case_trail seen = {.n = 0};
    tl_plan_options o = *options;
    if (probed) {
        o.probe = keep_digest;
        o.probe_ctx = &seen;
    }
    if (tl_plan_new(&p, c->env.g, c->env.backend, &o, &err) != TL_OK) {
        snprintf(why, CASE_WHY, "no plan: %s", err.message);
        return false;
    }
    bool ok = true;
    for (int step = 0; step < x->steps && ok; step++)
        ok = compare_step(c, p, x, step, false, why) && (probed || compare_step(c, p, x, step, true, why));
    if (ok && probed)
        ok = equal_trails(&x->trail, &seen, why);
    else if (probed)
        add_first_difference(&x->trail, &seen, why);
    tl_plan_free(p);
    return ok;
}
