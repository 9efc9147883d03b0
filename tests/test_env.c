/* test_env.c: the caller's floating-point mode is the caller's own: whatever rounding, flushing and exception masks it has set, results are
 * the same bits, and the mode is found again afterwards. Other modes than the default can be set here on x86 only. */
#include "tests/model_rig.h"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#include <math.h>
#define HAS_MODES 1
#endif

#ifdef HAS_MODES

enum { ROWS = 5, WIDTH = 64, CONTROL = 0xFFC0 }; /* CONTROL: all of MXCSR but its sticky flags */

static const struct {
    const char *name;
    unsigned mxcsr;
} modes[] = {
    {"flush to zero, denormals are zero", 0x1F80 | 0x8040},
    {"round up", 0x1F80 | 0x4000},
    {"round down", 0x1F80 | 0x2000},
    {"round to zero, flush", 0x1F80 | 0x6000 | 0x8040},
    {"exceptions unmasked",
     0x0000 | 0x1000 | 0x0100}, /* invalid, zero divide, overflow and underflow would trap; inexact and denormal not */
};
enum { N_MODES = sizeof modes / sizeof modes[0] };

static const char *const specs[] = {"ref:threads=1", "ref:threads=3,tile=1", "cpu:threads=1", "cpu:threads=3,tile=1"};
enum { N_SPECS = sizeof specs / sizeof specs[0] };

/* Values whose sums round, that underflow, overflow, divide by zero and go through every function. */
static float sample(int i) {
    static const float special[] = {1e-40f, -3e-39f, 3e38f, 1.0f / 3, -2.7182818f, 1e-20f, 0.0f, 88.0f};
    return i % 7 == 0 ? special[i / 7 % 8] : (float)(i % 97 - 48) / 37;
}

static tl_tensor *make_weight(rig *r, const char *name, tl_dtype dtype) {
    tl_tensor *t;
    float values[WIDTH * WIDTH];
    uint8_t stored[sizeof values];
    for (int i = 0; i < WIDTH * WIDTH; i++)
        values[i] = (float)(i * 37 % 101 - 50) / 64;
    MUST(r, tl_bank_add(r->bank, name, dtype, 2, (int64_t[]){WIDTH, WIDTH}, NULL, &t, &r->err));
    MUST(r, tl_encode(dtype, values, stored, WIDTH * WIDTH, &r->err));
    MUST(r, tl_write(t, stored, tl_bytes(t), &r->err));
    return t;
}

enum { N_OUTPUTS = 9 };

/* Arithmetic of every kind that the library has. */
static void build(rig *r, tl_tensor **x, tl_tensor **out) {
    tl_tensor *q = make_weight(r, "q", TL_Q4_1), *h = make_weight(r, "h", TL_F16), *f = make_weight(r, "f", TL_F32);
    tl_graph *g = r->g;
    *x = tl_input(g, "x", TL_F32, 2, (int64_t[]){ROWS, WIDTH});
    out[0] = tl_div(g, *x, tl_abs(g, *x));
    out[1] = tl_mul(g, *x, *x);
    out[2] = tl_exp(g, *x);
    out[3] = tl_softmax(g, *x, NULL, 0.3f);
    out[4] = tl_rms_norm(g, tl_clamp(g, *x, -9, 9), NULL, 1e-5f);
    out[5] = tl_linear(g, out[4], q, NULL);
    out[6] = tl_linear(g, tl_silu(g, out[5]), h, NULL);
    out[7] = tl_linear(g, tl_gelu(g, *x), f, NULL);
    out[8] = tl_sin(g, tl_scale(g, *x, 1e-3f));
    for (int i = 0; i < N_OUTPUTS; i++)
        out[i] = tl_output(g, out[i]);
    rig_plan(r, NULL);
    float values[ROWS * WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++)
        values[i] = sample(i);
    MUST(r, tl_write(*x, values, sizeof values, &r->err));
}

static void read_bits(rig *r, tl_tensor *const *out, uint32_t *bits) {
    for (int k = 0; k < N_OUTPUTS; k++) {
        uint32_t *at = bits + k * ROWS * WIDTH;
        MUST(r, tl_read(out[k], at, ROWS * WIDTH * 4, &r->err));
        for (int i = 0; i < ROWS * WIDTH; i++)
            if ((at[i] & 0x7FFFFFFF) > 0x7F800000)
                at[i] = 0x7FC00000;
    }
}

START_TEST(a_run_gives_the_same_bits_in_every_mode_and_restores_it) {
    static uint32_t want[N_OUTPUTS * ROWS * WIDTH], got[N_OUTPUTS * ROWS * WIDTH];
    tl_tensor *x, *out[N_OUTPUTS];
    rig r = rig_open(specs[_i]);
    build(&r, &x, out);
    rig_run(&r);
    read_bits(&r, out, want);
    unsigned before = _mm_getcsr();
    for (int m = 0; m < N_MODES; m++) {
        _mm_setcsr(modes[m].mxcsr);
        tl_status s = tl_plan_run(r.plan, &r.err);
        unsigned after = _mm_getcsr();
        _mm_setcsr(before);
        ck_assert_int_eq(s, TL_OK);
        ck_assert_uint_eq(after & CONTROL, modes[m].mxcsr & CONTROL);
        read_bits(&r, out, got);
        for (int i = 0; i < N_OUTPUTS * ROWS * WIDTH; i++)
            ck_assert_msg(want[i] == got[i], "%s: output %d, element %d is %08X, not %08X", modes[m].name, i / (ROWS * WIDTH),
                          i % (ROWS * WIDTH), (unsigned)got[i], (unsigned)want[i]);
    }
    rig_close(&r);
}
END_TEST

START_TEST(a_refused_run_restores_the_mode_too) {
    rig r = rig_open(specs[_i]);
    tl_tensor *table = rig_state(&r, "table", 4, 8, 0), *ids = tl_input(r.g, "ids", TL_I32, 1, (int64_t[]){1});
    tl_output(r.g, tl_embed(r.g, table, ids));
    rig_plan(&r, NULL);
    rig_write_ints(&r, ids, (int32_t[]){9});
    unsigned before = _mm_getcsr();
    _mm_setcsr(modes[3].mxcsr);
    tl_status refused = tl_plan_run(r.plan, &r.err);
    unsigned after_refused = _mm_getcsr();
    tl_plan_cancel(r.plan);
    rig_write_ints(&r, ids, (int32_t[]){1});
    tl_status cancelled = tl_plan_run(r.plan, &r.err);
    unsigned after_cancelled = _mm_getcsr();
    _mm_setcsr(before);
    ck_assert_int_eq(refused, TL_ERR_RANGE);
    ck_assert_int_eq(cancelled, TL_CANCELLED);
    ck_assert_uint_eq(after_refused & CONTROL, modes[3].mxcsr & CONTROL);
    ck_assert_uint_eq(after_cancelled & CONTROL, modes[3].mxcsr & CONTROL);
    rig_close(&r);
}
END_TEST

/* Backends opened, and graphs built and planned, while another mode is set: constants that are computed then must not differ. */
START_TEST(opening_building_and_planning_in_any_mode_gives_the_same_bits) {
    static uint32_t want[ROWS * WIDTH], got[ROWS * WIDTH];
    for (int m = -1; m < N_MODES; m++) {
        unsigned before = _mm_getcsr();
        if (m >= 0)
            _mm_setcsr(modes[m].mxcsr);
        rig r = rig_open(specs[_i]);
        double freq[16], magnitude;
        tl_rope_config c = tl_rope_defaults(32);
        c.scaling = TL_ROPE_YARN;
        c.factor = 4;
        c.original_ctx = 4096;
        MUST(&r, tl_rope_freqs(&c, freq, &magnitude, &r.err));
        tl_tensor *pos = tl_input(r.g, "pos", TL_I32, 1, (int64_t[]){ROWS});
        tl_tensor *y = tl_output(r.g, tl_rope_angles(r.g, pos, 16, freq, magnitude, NULL));
        rig_plan(&r, NULL);
        rig_write_ints(&r, pos, (int32_t[]){0, 1, 77, 4095, 100000});
        rig_run(&r);
        MUST(&r, tl_read(y, m < 0 ? want : got, tl_bytes(y), &r.err));
        rig_close(&r);
        _mm_setcsr(before);
        for (int i = 0; m >= 0 && i < ROWS * 32; i++)
            ck_assert_msg(want[i] == got[i], "%s: element %d is %08X, not %08X", modes[m].name, i, (unsigned)got[i], (unsigned)want[i]);
    }
}
END_TEST

START_TEST(encoding_and_decoding_give_the_same_bytes_in_every_mode) {
    static const tl_dtype dtypes[] = {TL_F16, TL_BF16, TL_I8, TL_Q4_0, TL_Q4_1, TL_Q5_0, TL_Q5_1, TL_Q8_0};
    float values[256], want_values[256], got_values[256];
    uint8_t want[1024], got[1024];
    for (int i = 0; i < 256; i++)
        values[i] = i < 128 ? sample(i * 8 + 1) : sample(i * 5) * 1e-7f; /* the latter: denormal as f16, and as scales */
    for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++) {
        const tl_dtype_info *info = tl_dtype_get(dtypes[d]);
        size_t bytes = 256 / (size_t)info->block * (size_t)info->block_bytes;
        ck_assert_int_eq(tl_encode(dtypes[d], values, want, 256, NULL), TL_OK);
        ck_assert_int_eq(tl_decode(dtypes[d], want, want_values, 256, NULL), TL_OK);
        unsigned before = _mm_getcsr();
        for (int m = 0; m < N_MODES; m++) {
            _mm_setcsr(modes[m].mxcsr);
            tl_encode(dtypes[d], values, got, 256, NULL);
            tl_decode(dtypes[d], want, got_values, 256, NULL);
            unsigned after = _mm_getcsr();
            _mm_setcsr(before);
            ck_assert_msg(memcmp(want, got, bytes) == 0, "%s: encoding %s differs", modes[m].name, info->name);
            ck_assert_msg(memcmp(want_values, got_values, sizeof want_values) == 0, "%s: decoding %s differs", modes[m].name, info->name);
            ck_assert_uint_eq(after & CONTROL, modes[m].mxcsr & CONTROL);
        }
    }
}
END_TEST

/* What is judged before anything runs may be NaN or infinite: comparing and subtracting that must not reach a caller who traps it. */
static void judge(int what, tl_status *got) {
    const float nan = NAN;
    tl_error err;
    tl_graph *g;
    ck_assert_int_eq(tl_graph_new(&g, &err), TL_OK);
    tl_tensor *x = tl_input(g, "x", TL_F32, 2, (int64_t[]){ROWS, WIDTH}), *pos = tl_input(g, "pos", TL_I32, 1, (int64_t[]){ROWS});
    tl_sampler_options o = tl_sampler_defaults();
    tl_sampler *s;
    tl_rope_config c = tl_rope_defaults(4);
    double freq[2] = {1, INFINITY}, magnitude;
    unsigned before = _mm_getcsr();
    _mm_setcsr(modes[N_MODES - 1].mxcsr);
    switch (what) {
    case 0: tl_clamp(g, x, nan, 1); break;
    case 1: tl_rms_norm(g, x, NULL, nan); break;
    case 2: tl_rope_angles(g, pos, 2, freq, 1, NULL); break;
    case 3:
        c.base = NAN;
        *got = tl_rope_freqs(&c, freq, &magnitude, &err);
        break;
    default:
        o.temperature = nan;
        *got = tl_sampler_new(&s, 4, &o, &err);
        break;
    }
    _mm_setcsr(before);
    if (what < 3)
        *got = tl_graph_error(g) ? tl_graph_error(g)->status : TL_OK;
    tl_graph_free(g);
}

START_TEST(parameters_that_are_no_numbers_are_refused_without_a_trap) {
    tl_status got = TL_OK;
    judge(_i, &got);
    ck_assert_int_eq(got, TL_ERR_USAGE);
}
END_TEST

START_TEST(a_file_of_values_that_are_no_numbers_is_refused_without_a_trap) {
    const float infinite = INFINITY;
    tiny_config c = tiny_defaults();
    tl_model_options o = {.check_tensors = true};
    tl_sampler_options options = tl_sampler_defaults();
    tl_backend *be;
    tl_gguf *g;
    tl_model *m;
    tl_error err;
    c.patch[0] = (tiny_patch){.key = "general.sampling.top_p", .type = TL_GGUF_F32, .number = NAN};
    tiny_model t = tiny_make(&c);
    ck_assert_int_eq(tl_backend_open(&be, "cpu", &err), TL_OK);
    ck_assert_int_eq(tl_gguf_from_memory(&g, t.file.data, t.file.n, &err), TL_OK);
    memcpy(t.file.data + tl_gguf_tensor_find(g, "output_norm.weight")->offset, &infinite, sizeof infinite);
    unsigned before = _mm_getcsr();
    _mm_setcsr(modes[N_MODES - 1].mxcsr);
    tl_status sampling = tl_sampler_from_gguf(g, &options, &err), loading = tl_model_load_gguf(&m, g, be, &o, &err);
    _mm_setcsr(before);
    ck_assert_int_eq(sampling, TL_ERR_FORMAT);
    ck_assert_int_eq(loading, TL_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.message, "output_norm.weight"));
    tl_backend_free(be);
    tiny_free(&t);
}
END_TEST

START_TEST(a_denormal_logit_is_the_largest_in_every_mode) {
    const float logits[] = {0, 1e-40f, -1e-40f};
    unsigned before = _mm_getcsr();
    for (int m = 0; m < N_MODES; m++) {
        _mm_setcsr(modes[m].mxcsr);
        int32_t best = tl_greedy(logits, 3);
        unsigned after = _mm_getcsr();
        _mm_setcsr(before);
        ck_assert_msg(best == 1, "%s: %d", modes[m].name, (int)best);
        ck_assert_uint_eq(after & CONTROL, modes[m].mxcsr & CONTROL);
    }
}
END_TEST

#else

START_TEST(other_modes_are_for_x86) {
    SKIP("no other floating-point mode can be set on this processor");
}
END_TEST

#endif

static Suite *env_suite(void) {
    Suite *s = suite_create("env");
    TCase *c = tcase_create("env");
#ifdef HAS_MODES
    tcase_add_loop_test(c, a_run_gives_the_same_bits_in_every_mode_and_restores_it, 0, N_SPECS);
    tcase_add_loop_test(c, a_refused_run_restores_the_mode_too, 0, N_SPECS);
    tcase_add_loop_test(c, opening_building_and_planning_in_any_mode_gives_the_same_bits, 0, N_SPECS);
    tcase_add_loop_test(c, parameters_that_are_no_numbers_are_refused_without_a_trap, 0, 5);
    tcase_add_test(c, a_file_of_values_that_are_no_numbers_is_refused_without_a_trap);
    tcase_add_test(c, a_denormal_logit_is_the_largest_in_every_mode);
    tcase_add_test(c, encoding_and_decoding_give_the_same_bytes_in_every_mode);
#else
    tcase_add_test(c, other_modes_are_for_x86);
#endif
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(env_suite());
}
