/* kernel_time.c: how fast a kernel is on data that lies in cache: nanoseconds an element, or for products thousand million multiply-adds a
 * second. The fastest of many short runs counts, because other programs only ever slow a run down. */
#include <string.h>

#include "backends/cpu/cpu.h"
#include "tensor/platform.h"
#include "tests/cases_internal.h"
#include "tests/support/kernels.h"

enum { SHORT = 768, LONG = 4096 }; /* elements: whole blocks of any type */
enum { GROUPS = 2, COLUMNS = GROUPS * TL_GROUP, KEYS = TL_ATTENTION_CHUNK, HEAD = 64, ROW_BYTES = 4 * LONG };

static float a[LONG], b[LONG], c[LONG], y[LONG];
static float keys[KEYS * 2 * HEAD];
static uint8_t weights[TL_PANEL * ROW_BYTES], group[TL_GROUP * ROW_BYTES];
_Alignas(64) static uint8_t prepared[COLUMNS * ROW_BYTES];

static void fill(void) {
    kernel_floats(a, LONG, FILL_NORMAL, 1);
    kernel_floats(b, LONG, FILL_NORMAL, 2);
    kernel_floats(c, LONG, FILL_NORMAL, 3);
    kernel_floats(keys, KEYS * 2 * HEAD, FILL_NORMAL, 4);
}

/* Seconds of the statement, at best. */
#define TIME(best, statement)                                        \
    do {                                                             \
        double begin_ = tl_now();                                    \
        (best) = 1e9;                                                \
        for (int i_ = 0; i_ < 5 || tl_now() - begin_ < 0.03; i_++) { \
            double t_ = tl_now();                                    \
            statement;                                               \
            t_ = tl_now() - t_;                                      \
            (best) = t_ < (best) ? t_ : (best);                      \
        }                                                            \
    } while (0)

/* ns an element of fn on n = SHORT and LONG elements, many times over so that the clock's step does not matter. */
#define ELEMENTS(call)                                \
    kernel_speed speed = {"ns/element", 0, 0};        \
    double seconds;                                   \
    int64_t n = SHORT;                                \
    (void)entry;                                      \
    fill();                                           \
    TIME(seconds, for (int k = 0; k < 16; k++) call); \
    speed.one = seconds * 1e9 / 16 / (double)n;       \
    n = LONG;                                         \
    TIME(seconds, for (int k = 0; k < 4; k++) call);  \
    speed.many = seconds * 1e9 / 4 / (double)n;       \
    return speed

KERNEL_TIMER(tl_fn_quantize_x32) {
    ELEMENTS(fn(a, n / 32 * 32, (void *)prepared));
}

KERNEL_TIMER(tl_fn_quantize_x256) {
    ELEMENTS(fn(a, n / 256 * 256, (void *)prepared));
}

KERNEL_TIMER(tl_fn_unary) {
    ELEMENTS(fn(y, a, n));
}

KERNEL_TIMER(tl_fn_binary) {
    ELEMENTS(fn(y, a, b, n));
}

KERNEL_TIMER(tl_fn_scale) {
    ELEMENTS(fn(y, a, 0.125f, n));
}

KERNEL_TIMER(tl_fn_clamp) {
    ELEMENTS(fn(y, a, -1, 1, n));
}

KERNEL_TIMER(tl_fn_rms_norm) {
    ELEMENTS(fn(y, a, b, 1e-5f, n));
}

KERNEL_TIMER(tl_fn_layer_norm) {
    ELEMENTS(fn(y, a, b, c, 1e-5f, n));
}

KERNEL_TIMER(tl_fn_softmax) {
    ELEMENTS(fn(y, a, b, 0.125f, n));
}

KERNEL_TIMER(tl_fn_rope) {
    ELEMENTS(fn(y, a, b, n / 2, n, TL_ROPE_INTERLEAVED));
}

KERNEL_TIMER(tl_fn_from_f16) {
    ELEMENTS(fn(y, b, 2 * 64, n / 64, 64));
}

/* ---- copies ---- */

/* The first answer is kept, so that no compiler leaves the call out. */
static volatile int64_t answer;

KERNEL_TIMER(tl_fn_decode) {
    int64_t block = tl_dtype_get(entry)->block;
    case_generate(entry, weights, LONG, LONG, FILL_NORMAL, 1);
    ELEMENTS(fn(weights, y, n / block * block));
}

KERNEL_TIMER(tl_fn_encode) {
    ELEMENTS(fn(a, prepared, n));
}

KERNEL_TIMER(tl_fn_first_above) {
    ELEMENTS(answer = fn(a, 0, n, INT32_MAX));
}

KERNEL_TIMER(tl_fn_argmax) {
    ELEMENTS(answer = fn(a, n));
}

/* ---- products ---- */

/* Rows of weights and prepared rows of x, each right behind the other as models have them: far strides would meet in one set of a cache. */
static size_t weight_bytes(tl_dtype t) {
    const tl_dtype_info *info = tl_dtype_get(t);
    return (size_t)(LONG / info->block * info->block_bytes);
}

static size_t x_bytes(tl_dtype t) {
    cpu_prep kind = tl_cpu_prep_of(t);
    return kind == PREP_NONE ? sizeof a : tl_cpu_prep_bytes(kind, LONG);
}

static void prepare(tl_dtype t) {
    fill();
    for (int i = 0; i < COLUMNS; i++) {
        void *row = prepared + (size_t)i * x_bytes(t);
        switch (tl_cpu_prep_of(t)) {
        case PREP_X32: tl_quantize_x32(a, LONG, row); break;
        case PREP_X256: tl_quantize_x256(a, LONG, row); break;
        case PREP_X13: tl_round_x13(a, LONG, row); break;
        default: memcpy(row, a, sizeof a);
        }
    }
    for (int r = 0; r < TL_PANEL; r++)
        case_generate(t, weights + (size_t)r * weight_bytes(t), LONG, LONG, FILL_NORMAL, (uint64_t)r);
}

static kernel_speed gmacs(double one, double many) {
    double macs = (double)TL_PANEL * LONG * 1e-9;
    return (kernel_speed){"GMAC/s", macs / one, macs * COLUMNS / many};
}

KERNEL_TIMER(tl_fn_dot) {
    size_t w = weight_bytes(entry), x = x_bytes(entry);
    double one, many;
    prepare(entry);
    TIME(one, fn(y, TL_PANEL, weights, w, TL_PANEL, prepared, x, 1, LONG));
    TIME(many, fn(y, TL_PANEL, weights, w, TL_PANEL, prepared, x, COLUMNS, LONG));
    return gmacs(one, many);
}

static uint8_t packed[TL_PANEL * ROW_BYTES];

KERNEL_TIMER(tl_fn_pack) {
    size_t w = weight_bytes(entry);
    double once;
    prepare(entry);
    TIME(once, fn(packed, weights, w, LONG));
    once = (double)w * TL_PANEL * 1e-9 / once;
    return (kernel_speed){"GB/s", once, once};
}

KERNEL_TIMER(tl_fn_panel) {
    tl_tensor t = {.dtype = entry, .rank = 2, .shape = {TL_PANEL, LONG}};
    double one, many;
    prepare(entry);
    tl_cpu_layout_of(entry)->pack(&t, 0, TL_PANEL, weights, packed);
    TIME(one, fn(y, TL_PANEL, packed, prepared, x_bytes(entry), 1, LONG));
    TIME(many, fn(y, TL_PANEL, packed, prepared, x_bytes(entry), COLUMNS, LONG));
    return gmacs(one, many);
}

/* GB/s of rows of x. */
static kernel_speed arranged(tl_dtype t, tl_fn_arrange fn) {
    const size_t bytes = x_bytes(t);
    double once;
    prepare(t);
    TIME(once, fn(group, prepared, bytes, LONG));
    once = (double)bytes * TL_GROUP * 1e-9 / once;
    return (kernel_speed){"GB/s", once, once};
}

KERNEL_TIMER(tl_fn_arrange_x32) {
    (void)entry;
    return arranged(TL_Q8_0, fn);
}

KERNEL_TIMER(tl_fn_arrange_x256) {
    (void)entry;
    return arranged(TL_Q4_K, fn);
}

/* One group, and some. The columns are all alike, and so are their groups. */
KERNEL_TIMER(tl_fn_grouped) {
    const size_t bytes = x_bytes(entry);
    tl_tensor t = {.dtype = entry, .rank = 2, .shape = {TL_PANEL, LONG}};
    double one, many;
    prepare(entry);
    tl_cpu_layout_of(entry)->pack(&t, 0, TL_PANEL, weights, packed);
    tl_cpu_arrange_of(&kernel_definitions, tl_cpu_prep_of(entry))(group, prepared, bytes, LONG);
    for (size_t i = 0; i < GROUPS; i++)
        memcpy(prepared + i * TL_GROUP * bytes, group, TL_GROUP * bytes);
    TIME(one, fn(y, TL_PANEL, packed, prepared, bytes, 1, LONG));
    TIME(many, fn(y, TL_PANEL, packed, prepared, bytes, GROUPS, LONG));
    const double macs = (double)TL_PANEL * TL_GROUP * LONG * 1e-9;
    return (kernel_speed){"GMAC/s", macs / one, GROUPS * macs / many};
}

KERNEL_TIMER(tl_fn_stored) {
    double one;
    prepare(entry);
    TIME(one, fn(y, weights, weight_bytes(entry), prepared, LONG));
    return gmacs(one, COLUMNS * one);
}

/* ---- attention: heads of 64, one and TL_HEADS at once ---- */

KERNEL_TIMER(tl_fn_scores) {
    double one, many, macs = (double)KEYS * HEAD * 1e-9;
    (void)entry;
    fill();
    TIME(one, for (int i = 0; i < 8; i++) fn(y, KEYS, a, HEAD, 1, keys, KEYS, HEAD, 0.125f, true));
    TIME(many, for (int i = 0; i < 2; i++) fn(y, KEYS, a, HEAD, TL_HEADS, keys, KEYS, HEAD, 0.125f, true));
    return (kernel_speed){"GMAC/s", 8 * macs / one, 8 * macs / many};
}

KERNEL_TIMER(tl_fn_weights) {
    float max, sum;
    ELEMENTS(for (int64_t at = 0; at < n; at += KEYS) {
        memcpy(y, a, KEYS * sizeof(float));
        fn(y, 0, n - at < KEYS ? n - at : KEYS, true, &max, &sum);
    });
}

KERNEL_TIMER(tl_fn_values) {
    double one, many, macs = (double)KEYS * HEAD * 1e-9;
    (void)entry;
    fill();
    TIME(one, for (int i = 0; i < 8; i++) fn(y, HEAD, a, KEYS, 1, keys, KEYS, HEAD, true));
    TIME(many, for (int i = 0; i < 2; i++) fn(y, HEAD, a, KEYS, TL_HEADS, keys, KEYS, HEAD, true));
    return (kernel_speed){"GMAC/s", 8 * macs / one, 8 * macs / many};
}

/* ---- peaks ---- */

KERNEL_TIMER(tl_fn_peak) {
    double seconds, macs = 1024.0 * TL_PEAK_LANES * 1e-9;
    (void)entry;
    fill();
    TIME(seconds, fn(y, 0.5f, 1, 1024));
    return (kernel_speed){"GMAC/s", macs / seconds, macs / seconds};
}

KERNEL_TIMER(tl_fn_peak_int8) {
    static int32_t sums[TL_PEAK_LANES];
    static uint8_t u[4 * TL_PEAK_LANES];
    double seconds, macs = 1024.0 * 4 * TL_PEAK_LANES * 1e-9;
    (void)entry;
    TIME(seconds, fn(sums, u, (const int8_t *)prepared, 1024));
    return (kernel_speed){"GMAC/s", macs / seconds, macs / seconds};
}

KERNEL_TIMER(tl_fn_peak_read) {
    ELEMENTS(fn(y, a, n));
}

KERNEL_TIMER(tl_fn_peak_triad) {
    ELEMENTS(fn(y, a, b, 0.5f, n));
}
