/* cases_rope.c: angles at positions near and far, by section and scaling, and the rotation by pairs in both orders, whole and partial. */
#include <stdio.h>

#include "tests/cases.h"

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})

enum { N_POSITIONS = 16, MAX_PAIRS = 64 };
static const int32_t positions[N_POSITIONS] = {0, 1, 15, 16, 17, 255, 256, 257, 511, 512, 4095, 8192, 131071, 1048575, 1048576, 2147483647};

/* ---- angles ---- */

typedef struct angle_case {
    const char *name;
    int pairs, n, sections;
    tl_rope_scaling scaling;
    double factor, base;
    bool varies, factors;
} angle_case;

static tl_tensor *angles_of(case_env *e, tl_tensor *pos, const angle_case *c, const int *section) {
    float factors[MAX_PAIRS];
    double freq[MAX_PAIRS], magnitude;
    for (int p = 0; p < c->pairs; p++)
        factors[p] = 1 + (float)p / 8;
    tl_rope_config config = tl_rope_defaults(2 * c->pairs);
    config.scaling = c->scaling;
    config.base = c->base;
    config.factor = c->factor;
    config.factors = c->factors ? factors : NULL;
    if (tl_rope_freqs(&config, freq, &magnitude, NULL) != TL_OK)
        return NULL;
    return tl_rope_angles(e->g, pos, c->pairs, freq, magnitude, section);
}

static void build_angles(case_env *e) {
    const angle_case *c = e->params;
    int64_t n = c->varies ? case_size(e, "n", c->n) : c->n;
    if (c->sections == 0) {
        case_output(e, angles_of(e, case_values(e, "pos", 1, SHAPE(n), positions), c, NULL));
        return;
    }
    int section[MAX_PAIRS];
    for (int p = 0; p < c->pairs; p++)
        section[p] = p % c->sections;
    case_output(e, angles_of(e, case_ints(e, "pos", 2, SHAPE(n, c->sections), -3, 9000), c, section));
}

void cases_rope_angles(case_list *l) {
    static const angle_case all[] = {
        {"rope_angles/plain", 32, N_POSITIONS, 0, TL_ROPE_NONE, 1, 10000, true, false},
        {"rope_angles/one", 1, N_POSITIONS, 0, TL_ROPE_NONE, 1, 10000, false, false},
        {"rope_angles/base", 64, N_POSITIONS, 0, TL_ROPE_NONE, 1, 100000, true, false},
        {"rope_angles/factors", 24, N_POSITIONS, 0, TL_ROPE_NONE, 1, 500000, false, true},
        {"rope_angles/linear", 20, N_POSITIONS, 0, TL_ROPE_LINEAR, 4, 10000, false, false},
        {"rope_angles/yarn", 64, N_POSITIONS, 0, TL_ROPE_YARN, 16, 1000000, true, false},
        {"rope_angles/llama3", 64, N_POSITIONS, 0, TL_ROPE_LLAMA3, 8, 500000, false, false},
        {"rope_angles/sections2", 16, 9, 2, TL_ROPE_NONE, 1, 10000, true, false},
        {"rope_angles/sections3", 7, 5, 3, TL_ROPE_NONE, 1, 10000, false, false},
    };
    for (int i = 0; i < COUNT(all); i++)
        case_add(l, all[i].name, build_angles, &all[i], sizeof all[i]);
}

/* ---- rotation ---- */

typedef struct turn {
    tl_rope_mode mode;
    int n, heads, d, pairs;
    case_fill fill;
    bool varies;
} turn;

static tl_tensor *plain_angles(case_env *e, int64_t n, int pairs) {
    angle_case c = {.pairs = pairs, .factor = 1, .base = 10000};
    return angles_of(e, case_values(e, "pos", 1, SHAPE(n), positions), &c, NULL);
}

static void build_turn(case_env *e) {
    const turn *c = e->params;
    int64_t n = c->varies ? case_size(e, "n", c->n) : c->n;
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(n, c->heads, c->d), c->fill);
    case_output(e, tl_rope(e->g, x, plain_angles(e, n, c->pairs), c->mode));
}

static void build_given_angles(case_env *e) { /* any pair of numbers rotates, NaN and inf too */
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(5, 2, 24), FILL_WIDE),
              *angles = case_input(e, "angles", TL_F32, 3, SHAPE(5, 12, 2), FILL_SPECIAL);
    case_output(e, tl_rope(e->g, x, angles, TL_ROPE_HALVES));
    case_output(e, tl_rope(e->g, x, angles, TL_ROPE_INTERLEAVED));
}

static void build_view(case_env *e) { /* q and k lie in one row, as a joint projection leaves them */
    int64_t n = case_size(e, "n", 6);
    tl_tensor *x = case_input(e, "x", TL_F32, 3, SHAPE(n, 6, 16), FILL_NORMAL), *angles = plain_angles(e, n, 8);
    case_output(e, tl_rope(e->g, tl_slice(e->g, x, 1, 0, 4, 1), angles, TL_ROPE_INTERLEAVED));
    case_output(e, tl_rope(e->g, tl_slice(e->g, x, 1, 4, 2, 1), angles, TL_ROPE_HALVES));
    case_output(e, tl_rope(e->g, tl_slice(e->g, x, 2, 0, 8, 2), tl_slice(e->g, angles, 1, 1, 3, 2), TL_ROPE_HALVES));
}

typedef struct cache_case {
    const char *name;
    tl_dtype dtype;
    tl_rope_mode mode;
    bool read;
} cache_case;

/* linear -> rope -> rows of a cache, as every layer does; the cache may be read after, and the rotated rows too. */
static void build_cache(case_env *e) {
    static const int32_t rows[] = {7, 2, 9, 0, 11};
    const cache_case *c = e->params;
    int64_t n = case_size(e, "n", 5);
    tl_tensor *x = case_input(e, "x", TL_F32, 2, SHAPE(n, 64), FILL_NORMAL);
    tl_tensor *w = case_weight(e, "w", TL_Q4_1, 2, SHAPE(32, 64), FILL_NORMAL, TL_USE_LINEAR);
    tl_tensor *k = tl_reshape(e->g, tl_linear(e->g, x, w, NULL), 3, SHAPE(-1, 2, 16));
    tl_tensor *turned = tl_rope(e->g, k, plain_angles(e, n, 8), c->mode);
    tl_tensor *state = case_state(e, "cache", c->dtype, 3, SHAPE(12, 2, 16), FILL_NORMAL);
    tl_tensor *after = tl_set_rows(e->g, state, case_values(e, "rows", 1, SHAPE(n), rows), turned);
    if (c->read)
        case_output(e, turned);
    case_output(e, tl_cast(e->g, after, TL_F32));
}

void cases_rope(case_list *l) {
    static const turn turns[] = {
        {TL_ROPE_INTERLEAVED, N_POSITIONS, 3, 64, 32, FILL_NORMAL, true},
        {TL_ROPE_HALVES, N_POSITIONS, 3, 64, 32, FILL_NORMAL, true},
        {TL_ROPE_INTERLEAVED, 5, 2, 64, 12, FILL_NORMAL, false},
        {TL_ROPE_HALVES, 5, 2, 64, 12, FILL_NORMAL, false},
        {TL_ROPE_INTERLEAVED, 3, 1, 2, 1, FILL_NORMAL, false},
        {TL_ROPE_HALVES, 3, 1, 3, 1, FILL_NORMAL, false},
        {TL_ROPE_INTERLEAVED, 4, 5, 80, 40, FILL_WIDE, true},
        {TL_ROPE_HALVES, 4, 5, 80, 17, FILL_WIDE, true},
        {TL_ROPE_INTERLEAVED, 6, 2, 34, 17, FILL_SPECIAL, false},
        {TL_ROPE_HALVES, 6, 2, 34, 17, FILL_SPECIAL, false},
        {TL_ROPE_INTERLEAVED, 6, 2, 20, 9, FILL_TINY, false},
        {TL_ROPE_HALVES, 6, 2, 20, 9, FILL_CANCEL, false},
    };
    static const cache_case caches[] = {{"rope/cache/f16", TL_F16, TL_ROPE_INTERLEAVED, false},
                                        {"rope/cache/f32", TL_F32, TL_ROPE_HALVES, false},
                                        {"rope/cache/f16_read", TL_F16, TL_ROPE_HALVES, true}};
    for (int i = 0; i < COUNT(turns); i++) {
        char name[96];
        snprintf(name, sizeof name, "rope/%s/n%d_h%d_d%d_p%d_%d", turns[i].mode == TL_ROPE_HALVES ? "halves" : "interleaved", turns[i].n,
                 turns[i].heads, turns[i].d, turns[i].pairs, (int)turns[i].fill);
        case_add(l, name, build_turn, &turns[i], sizeof turns[i]);
    }
    case_add(l, "rope/given_angles", build_given_angles, NULL, 0);
    case_add(l, "rope/view", build_view, NULL, 0);
    for (int i = 0; i < COUNT(caches); i++)
        case_add(l, caches[i].name, build_cache, &caches[i], sizeof caches[i]);
}
