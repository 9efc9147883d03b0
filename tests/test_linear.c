/* test_linear.c: linear and matmul: values by hand, the stated arithmetic to the last bit written a second time, distance from plain double
 * loops, independence from how rows are cut and weights lie, and every message of the builders. */
#include "tensor/math.h"
#include "tensor/quant.h"
#include "tests/rig.h"

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})

static const tl_dtype weight_types[] = {TL_F32,  TL_F16,  TL_BF16, TL_Q4_0, TL_Q4_1, TL_Q5_0, TL_Q5_1,
                                        TL_Q8_0, TL_Q2_K, TL_Q3_K, TL_Q4_K, TL_Q5_K, TL_Q6_K};

/* ---- data and runs ---- */

static uint32_t next(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void fill_floats(float *x, int64_t n, uint32_t seed) { /* [-2, 2) */
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((int32_t)next(&seed) - (1 << 23)) * 0x1p-22f;
}

static tl_tensor *input(rig *r, const char *name, int rank, const int64_t *shape) {
    return tl_input(r->g, name, TL_F32, rank, shape);
}

/* Stored rows of a weight with varied values: encoded, or for K-quants random bytes under scales of about 2^-6. */
static void make_weight(tl_dtype t, uint8_t *to, int64_t n, uint32_t seed) {
    const tl_dtype_info *d = tl_dtype_get(t);
    float *x = malloc((size_t)n * sizeof *x);
    ck_assert_ptr_nonnull(x);
    fill_floats(x, n, seed);
    if (d->block != 256)
        ck_assert_int_eq(tl_encode(t, x, to, n, NULL), TL_OK);
    else
        for (int64_t i = 0; i < n / 256 * d->block_bytes; i++)
            to[i] = (uint8_t)next(&seed);
    free(x);
    for (int64_t b = 0; d->block == 256 && b < n / 256; b++) {
        uint8_t *block = to + b * d->block_bytes;
        int at = t == TL_Q2_K ? 80 : t == TL_Q3_K ? 108 : t == TL_Q6_K ? 208 : 0;
        uint16_t scale = (uint16_t)(0x2400 + (next(&seed) & 0x3FF));
        memcpy(block + at, &scale, 2);
        if (tl_dtype_get(t)->kind == TL_KIND_SUPER_MIN)
            memcpy(block + at + 2, &scale, 2);
    }
}

static tl_tensor *bank_weight(rig *r, const char *name, tl_dtype t, int64_t n, int64_t k, const void *stored, const tl_layout *layout) {
    tl_tensor *w;
    MUST(r, tl_bank_add(r->bank, name, t, 2, SHAPE(n, k), layout, &w, &r->err));
    if (layout)
        layout->pack(w, 0, n, stored, tl_data(w));
    else
        MUST(r, tl_write(w, stored, tl_bytes(w), &r->err));
    return w;
}

/* Runs x [rows, k] through linear with the weight; y [rows, n]. */
static void run_linear(tl_dtype t, const void *stored, const float *bias, const float *x, int64_t rows, int64_t k, int64_t n,
                       const tl_layout *layout, float *y) {
    rig r = rig_open("ref");
    tl_tensor *in = input(&r, "x", 2, SHAPE(rows, k)), *b = bias ? input(&r, "bias", 1, SHAPE(n)) : NULL;
    tl_tensor *out = tl_output(r.g, tl_linear(r.g, in, bank_weight(&r, "w", t, n, k, stored, layout), b));
    rig_plan(&r, NULL);
    MUST(&r, tl_write(in, x, tl_bytes(in), &r.err));
    if (b)
        MUST(&r, tl_write(b, bias, tl_bytes(b), &r.err));
    rig_run(&r);
    MUST(&r, tl_read(out, y, tl_bytes(out), &r.err));
    rig_close(&r);
}

static void assert_bits(float got, float want) {
    ck_assert_msg(tl_bits(got) == tl_bits(want) || (got != got && want != want), "0x%08X, not 0x%08X", (unsigned)tl_bits(got),
                  (unsigned)tl_bits(want));
}

/* ---- linear by hand ---- */

START_TEST(multiplies_by_the_transposed_weight_and_adds_bias) {
    static const float x[] = {1, 2, 3, -1, 0, 5}, w[] = {1, 10, 100, 2, -3, 4}, bias[] = {0.5f, -1};
    static const float want[] = {321.5f, 7, 499.5f, 17};
    float y[4];
    run_linear(TL_F32, w, bias, x, 2, 3, 2, NULL, y);
    for (int i = 0; i < 4; i++)
        assert_bits(y[i], want[i]);
}
END_TEST

START_TEST(sums_floats_in_sixteen_lanes) {
    float x[32], w[32], y, straight = 0;
    fill_floats(x, 32, 3);
    fill_floats(w, 32, 4);
    float l[16];
    uint64_t saved = tl_float_enter();
    for (int j = 0; j < 16; j++)
        l[j] = x[j] * w[j] + x[j + 16] * w[j + 16];
    for (int half = 8; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            l[j] += l[j + half];
    for (int j = 0; j < 32; j++)
        straight += x[j] * w[j];
    tl_float_leave(saved);
    run_linear(TL_F32, w, NULL, x, 1, 32, 1, NULL, &y);
    assert_bits(y, l[0]);
    ck_assert(y != straight); /* else the data could not tell the two orders apart */
}
END_TEST

START_TEST(rounds_x_to_13_bits_against_f16_only) {
    static const float x[] = {1 + 0x1p-13f, 1 + 0x3p-13f, 0x1.fffp-101f, -0x1p100f};
    static const float rounded[] = {1, 1 + 0x1p-11f, 0, -1.0f / 0.0f};
    static const uint16_t half_one = 0x3C00, bf16_one = 0x3F80;
    for (int i = 0; i < COUNT(x); i++) {
        float y;
        run_linear(TL_F16, &half_one, NULL, &x[i], 1, 1, 1, NULL, &y);
        assert_bits(y, rounded[i]);
        run_linear(TL_BF16, &bf16_one, NULL, &x[i], 1, 1, 1, NULL, &y);
        assert_bits(y, x[i]);
    }
}
END_TEST

/* One Q8_0 block: d 0.5, q = 2 throughout; x = 127, 1, 1, ...: d 1, so q is x itself. */
START_TEST(multiplies_integers_under_the_scales) {
    uint8_t w[34] = {0x00, 0x38};
    float x[32], y;
    memset(w + 2, 2, 32);
    for (int i = 0; i < 32; i++)
        x[i] = i ? 1 : 127;
    run_linear(TL_Q8_0, w, NULL, x, 1, 32, 1, NULL, &y);
    assert_bits(y, 158);
}
END_TEST

/* ---- the arithmetic written again ---- */

static void quantise(const float *x, int block, float *d, int8_t q[256]) {
    float amax = 0;
    bool odd = false;
    for (int i = 0; i < block; i++) {
        float a = x[i] < 0 ? -x[i] : x[i];
        odd |= !(a < 1.0f / 0.0f);
        amax = a > amax ? a : amax;
    }
    memset(q, 0, 256);
    *d = odd ? 0.0f / 0.0f : amax < 0x1p-100f ? 0 : amax / 127.0f;
    for (int i = 0; i < block && !odd && amax >= 0x1p-100f; i++)
        q[i] = (int8_t)tl_rne_int(x[i] * (127.0f / amax));
}

/* Rule 3 for one output, from the integers of each block. */
static float stated_dot(tl_dtype t, const uint8_t *w, const float *x, int64_t k) {
    const tl_dtype_info *info = tl_dtype_get(t);
    uint64_t saved = tl_float_enter(); /* the suite also runs in other rounding modes */
    float acc = 0;
    for (int64_t b = 0; b < k / info->block; b++) {
        tl_ints v = {0};
        int8_t q[256];
        float dx;
        int32_t sum = 0, mins = 0, bsum = 0;
        tl_unpack_of(t)(w + b * info->block_bytes, &v);
        quantise(x + b * info->block, info->block, &dx, q);
        for (int i = 0; i < info->block; i++) {
            bool super = info->block == 256;
            sum += (super ? v.sc[i / 16] : 1) * v.q[i] * q[i];
            mins += super ? v.mn[i / 16] * q[i] : 0;
            bsum += q[i];
        }
        switch (info->kind) {
        case TL_KIND_SCALE_MIN: acc = acc + ((float)sum * v.d + v.m * (float)bsum) * dx; break;
        case TL_KIND_SUPER_MIN: acc = acc + ((float)sum * v.d - (float)mins * v.m) * dx; break;
        default: acc = acc + (float)sum * (v.d * dx); break;
        }
    }
    tl_float_leave(saved);
    return acc;
}

START_TEST(adds_blocks_in_order_as_stated) {
    enum { ROWS = 3, N = 5, K = 512 };
    static float x[ROWS * K], y[ROWS * N];
    static uint8_t w[N * K * 2];
    tl_dtype t = weight_types[_i];
    if (tl_dtype_get(t)->block == 1)
        return; /* the lanes above */
    fill_floats(x, ROWS * K, 7);
    for (int i = 0; i < 256; i++)
        x[2 * K + 256 + i] = 0x1.fp-101f; /* a block too small to have a scale */
    x[K + 300] = 1.0f / 0.0f;
    make_weight(t, w, N * K, 8);
    run_linear(t, w, NULL, x, ROWS, K, N, NULL, y);
    size_t row = (size_t)(K / tl_dtype_get(t)->block) * (size_t)tl_dtype_get(t)->block_bytes;
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < N; j++)
            assert_bits(y[r * N + j], stated_dot(t, w + (size_t)j * row, x + r * K, K));
    ck_assert(y[N] != y[N] && y[0] == y[0]); /* the row with inf, and it alone */
}
END_TEST

/* Against plain double loops: each element of x is off by half a step of its block's scale at most (2^-13 of itself against f16). */
START_TEST(stays_near_plain_double_loops) {
    enum { ROWS = 2, N = 4, K = 768 };
    static float x[ROWS * K], y[ROWS * N], bias[N], w[N * K];
    static uint8_t stored[N * K * 4];
    tl_dtype t = weight_types[_i];
    int block = tl_dtype_get(t)->block;
    fill_floats(x, ROWS * K, 17);
    fill_floats(bias, N, 18);
    make_weight(t, stored, N * K, 19);
    ck_assert_int_eq(tl_decode(t, stored, w, N * K, NULL), TL_OK);
    run_linear(t, stored, bias, x, ROWS, K, N, NULL, y);
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < N; j++) {
            double want = bias[j], size = 0, off = 0;
            for (int i = 0; i < K; i++) {
                double v = x[r * K + i], c = w[j * K + i], largest = 0;
                for (int b = i / block * block; b < i / block * block + block; b++)
                    largest = largest > tl_absf(x[r * K + b]) ? largest : tl_absf(x[r * K + b]);
                want += v * c;
                size += v * c < 0 ? -v * c : v * c;
                off += (c < 0 ? -c : c) * (block > 1 ? largest / 253 : t == TL_F16 ? largest * 0x1p-13 : 0);
            }
            double error = y[r * N + j] > want ? y[r * N + j] - want : want - y[r * N + j];
            ck_assert_msg(error <= off + 1e-5 * (size + 1), "%s: error %g, allowed %g", tl_dtype_get(t)->name, error,
                          off + 1e-5 * (size + 1));
        }
}
END_TEST

/* ---- the same bits however it is laid and cut ---- */

/* A layout that stores rows from the last to the first, in groups of 4. */
static size_t reversed_bytes(const tl_tensor *t) {
    const tl_dtype_info *d = tl_dtype_get(t->dtype);
    return (size_t)((t->shape[0] + 3) / 4 * 4) * (size_t)(t->shape[1] / d->block) * (size_t)d->block_bytes;
}

static size_t row_bytes(const tl_tensor *t) {
    return reversed_bytes(t) / (size_t)((t->shape[0] + 3) / 4 * 4);
}

static void reversed_pack(const tl_tensor *t, int64_t row0, int64_t row1, const void *src, void *dst) {
    for (int64_t r = row0; r < row1; r++)
        memcpy((char *)dst + reversed_bytes(t) - (size_t)(r + 1) * row_bytes(t), (const char *)src + (size_t)(r - row0) * row_bytes(t),
               row_bytes(t));
}

static void reversed_unpack(const tl_tensor *t, int64_t row0, int64_t row1, const void *packed, void *dst) {
    for (int64_t r = row0; r < row1; r++)
        memcpy((char *)dst + (size_t)(r - row0) * row_bytes(t), (const char *)packed + reversed_bytes(t) - (size_t)(r + 1) * row_bytes(t),
               row_bytes(t));
}

static const tl_layout reversed = {
    .name = "reversed", .group = 4, .bytes = reversed_bytes, .pack = reversed_pack, .unpack_rows = reversed_unpack};

START_TEST(gives_the_same_bits_packed_and_row_by_row) {
    enum { ROWS = 35, N = 6, K = 256 };
    static float x[ROWS * K], y[ROWS * N], packed[ROWS * N], one[N];
    static uint8_t w[N * K * 4];
    tl_dtype t = weight_types[_i];
    fill_floats(x, ROWS * K, 27);
    make_weight(t, w, N * K, 28);
    run_linear(t, w, NULL, x, ROWS, K, N, NULL, y);
    run_linear(t, w, NULL, x, ROWS, K, N, &reversed, packed);
    ck_assert(memcmp(y, packed, sizeof y) == 0);
    for (int r = 0; r < ROWS; r += 17) {
        run_linear(t, w, NULL, x + r * K, 1, K, N, NULL, one);
        ck_assert(memcmp(y + r * N, one, sizeof one) == 0);
    }
    ck_assert(y[0] != y[1] && y[0] != y[N]);
}
END_TEST

START_TEST(passes_leading_axes_and_sizes_on) {
    rig r = rig_open("ref");
    tl_tensor *w = input(&r, "w", 2, SHAPE(3, 4));
    tl_tensor *y = tl_linear(r.g, input(&r, "x", 3, SHAPE(tl_size(r.g, "n", 9), 2, 4)), w, NULL),
              *v = tl_linear(r.g, input(&r, "v", 1, SHAPE(4)), w, NULL);
    ck_assert_ptr_nonnull(y);
    ck_assert(y->rank == 3 && y->shape[0] == 9 && y->shape[1] == 2 && y->shape[2] == 3 && y->size == 1 && y->dtype == TL_F32);
    ck_assert_ptr_nonnull(v);
    ck_assert(v->rank == 1 && v->shape[0] == 3 && v->size == 0);
    rig_close(&r);
}
END_TEST

START_TEST(counts_operations_and_bytes) {
    rig r = rig_open("ref");
    tl_tensor *x = input(&r, "x", 2, SHAPE(5, 64)), *w, *y;
    tl_cost c;
    MUST(&r, tl_bank_add(r.bank, "w", TL_Q4_1, 2, SHAPE(7, 64), NULL, &w, &r.err));
    y = tl_linear(r.g, x, w, NULL);
    y->op->cost(y, 3, &c);
    ck_assert(c.ops == 2 * 3 * 7 * 64 && c.read == 7 * 40 + 3 * 64 * 4 && c.written == 3 * 7 * 4);
    y = tl_matmul(r.g, x, input(&r, "b", 2, SHAPE(64, 9)));
    y->op->cost(y, 5, &c);
    ck_assert(c.ops == 2 * 5 * 9 * 64 && c.read == (5 * 64 + 64 * 9) * 4 && c.written == 5 * 9 * 4);
    rig_close(&r);
}
END_TEST

/* ---- messages ---- */

START_TEST(linear_says_what_does_not_fit) {
    rig r = rig_open("ref");
    tl_tensor *w, *ints, *cube;
    MUST(&r, tl_bank_add(r.bank, "blk.0.attn_q", TL_F32, 2, SHAPE(6, 5), NULL, &w, &r.err));
    MUST(&r, tl_bank_add(r.bank, "ids", TL_I32, 2, SHAPE(6, 5), NULL, &ints, &r.err));
    MUST(&r, tl_bank_add(r.bank, "cube", TL_F32, 3, SHAPE(2, 6, 5), NULL, &cube, &r.err));
    ck_assert_ptr_null(tl_linear(r.g, input(&r, "attn_norm", 2, SHAPE(2, 4)), w, NULL));
    FAILED(r.g, "linear: 'attn_norm' f32 [2, 4] has rows of 4, weight 'blk.0.attn_q' f32 [6, 5] wants 5");
    rig_next_graph(&r);
    tl_linear(r.g, input(&r, "x", 2, SHAPE(2, 5)), ints, NULL);
    FAILED(r.g, "linear: weight 'ids' i32 [6, 5] holds plain integers");
    rig_next_graph(&r);
    tl_linear(r.g, input(&r, "x", 2, SHAPE(2, 5)), cube, NULL);
    FAILED(r.g, "linear: weight 'cube' f32 [2, 6, 5] has rank 3; [n, k] is wanted");
    rig_next_graph(&r);
    tl_linear(r.g, input(&r, "x", 2, SHAPE(2, 5)), w, input(&r, "bias", 1, SHAPE(5)));
    FAILED(r.g, "linear: bias 'bias' f32 [5] does not fit weight 'blk.0.attn_q' f32 [6, 5]; [6] is wanted");
    rig_next_graph(&r);
    tl_linear(r.g, input(&r, "x", 2, SHAPE(2, 5)), input(&r, "v", 2, SHAPE(tl_size(r.g, "n", 6), 5)), NULL);
    FAILED(r.g, "linear: weight 'v' f32 [n<=6, 5] varies");
    rig_next_graph(&r);
    tl_linear(r.g, input(&r, "x", 2, SHAPE(2, 5)), w, input(&r, "bias", 1, SHAPE(tl_size(r.g, "n", 6))));
    FAILED(r.g, "or bias 'bias' f32 [n<=6] varies");
    rig_next_graph(&r);
    tl_linear(r.g, input(&r, "x", 1, SHAPE(tl_size(r.g, "n", 5))), w, NULL);
    FAILED(r.g, "linear: the axis of x 'x' f32 [n<=5] that is summed over varies");
    rig_next_graph(&r);
    tl_linear(r.g, tl_input(r.g, "x", TL_F16, 2, SHAPE(2, 5)), w, NULL);
    FAILED(r.g, "linear: operand 0, 'x' f16 [2, 5], must be f32");
    rig_next_graph(&r);
    tl_linear(r.g, input(&r, "x", 2, SHAPE(2, 5)), w, tl_input(r.g, "bias", TL_I32, 1, SHAPE(6)));
    FAILED(r.g, "linear: operand 2, 'bias' i32 [6], must be f32");
    rig_next_graph(&r);
    ck_assert_ptr_null(tl_linear(r.g, input(&r, "x", 2, SHAPE(2, 5)), NULL, NULL));
    FAILED(r.g, "linear: operand 1 is missing");
    ck_assert_ptr_null(tl_linear(NULL, w, w, NULL));
    rig_close(&r);
}
END_TEST

START_TEST(matmul_says_what_does_not_fit) {
    rig r = rig_open("ref");
#define REFUSES(a, b, words)                        \
    do {                                            \
        tl_tensor *a_ = (a), *b_ = (b);             \
        ck_assert_ptr_null(tl_matmul(r.g, a_, b_)); \
        FAILED(r.g, words);                         \
        rig_next_graph(&r);                         \
    } while (0)
    REFUSES(input(&r, "a", 2, SHAPE(2, 3)), input(&r, "b", 2, SHAPE(4, 5)),
            "matmul: 'a' f32 [2, 3] and 'b' f32 [4, 5]: the last axis of a");
    REFUSES(input(&r, "a", 1, SHAPE(3)), input(&r, "b", 2, SHAPE(3, 5)), "a [.., m, k] and b [.., k, n] are wanted");
    REFUSES(input(&r, "a", 2, SHAPE(2, 3)), tl_input(r.g, "b", TL_I32, 2, SHAPE(3, 5)), "b must be f32, f16 or bf16");
    REFUSES(tl_input(r.g, "a", TL_F16, 2, SHAPE(2, 3)), input(&r, "b", 2, SHAPE(3, 5)), "matmul: operand 0, 'a' f16 [2, 3], must be f32");
    REFUSES(input(&r, "a", 3, SHAPE(4, 2, 3)), input(&r, "b", 3, SHAPE(5, 3, 5)), "leading axes must be equal or 1");
    REFUSES(input(&r, "a", 2, SHAPE(2, 3)), input(&r, "b", 2, SHAPE(tl_size(r.g, "n", 3), 5)),
            "a varying axis must be the first of the result");
    REFUSES(input(&r, "a", 2, SHAPE(tl_size(r.g, "n", 2), 3)), input(&r, "b", 3, SHAPE(4, 3, 5)),
            "a varying axis must be the first of the result");
    REFUSES(input(&r, "a", 3, SHAPE(tl_size(r.g, "n", 4), 2, 3)), input(&r, "b", 3, SHAPE(4, 3, 5)),
            "a varying axis must be the first of the result");
    REFUSES(input(&r, "a", 3, SHAPE(tl_size(r.g, "n", 4), 2, 3)), input(&r, "b", 3, SHAPE(tl_size(r.g, "m", 4), 3, 5)),
            "a varying axis must be");
    REFUSES(input(&r, "a", 2, SHAPE(2, 3)), NULL, "matmul: operand 1 is missing");
#undef REFUSES
    rig_close(&r);
}
END_TEST

/* ---- matmul ---- */

START_TEST(matmul_multiplies_by_rows_of_b) {
    static const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 0, -1, 2, 10, 100}, want[] = {29, 304, 59, 610};
    float y[4];
    rig r = rig_open("ref");
    tl_tensor *x = input(&r, "a", 2, SHAPE(2, 3)), *m = input(&r, "b", 2, SHAPE(3, 2)), *out = tl_output(r.g, tl_matmul(r.g, x, m));
    rig_plan(&r, NULL);
    MUST(&r, tl_write(x, a, sizeof a, &r.err));
    MUST(&r, tl_write(m, b, sizeof b, &r.err));
    rig_run(&r);
    MUST(&r, tl_read(out, y, sizeof y, &r.err));
    for (int i = 0; i < 4; i++)
        assert_bits(y[i], want[i]);
    rig_close(&r);
}
END_TEST

/* A matmul with b is a linear with its transpose, to the last bit, for each float type. */
START_TEST(matmul_equals_linear_of_the_transpose) {
    enum { M = 3, K = 50, N = 70 };
    static const tl_dtype types[] = {TL_F32, TL_F16, TL_BF16};
    static float a[M * K], b[K * N], transposed[N * K], want[M * N], got[M * N];
    static uint8_t stored[N * K * 4];
    tl_dtype t = types[_i];
    fill_floats(a, M * K, 31);
    fill_floats(b, K * N, 32);
    for (int i = 0; i < K * N; i++)
        transposed[i % N * K + i / N] = b[i];
    ck_assert_int_eq(tl_encode(t, transposed, stored, N * K, NULL), TL_OK);
    run_linear(t, stored, NULL, a, M, K, N, NULL, want);
    rig r = rig_open("ref");
    tl_tensor *x = input(&r, "a", 2, SHAPE(M, K)), *m = tl_input(r.g, "b", t, 2, SHAPE(K, N)), *out = tl_output(r.g, tl_matmul(r.g, x, m));
    rig_plan(&r, NULL);
    MUST(&r, tl_write(x, a, sizeof a, &r.err));
    ck_assert_int_eq(tl_encode(t, b, stored, K * N, NULL), TL_OK);
    MUST(&r, tl_write(m, stored, tl_bytes(m), &r.err));
    rig_run(&r);
    MUST(&r, tl_read(out, got, sizeof got, &r.err));
    ck_assert(memcmp(want, got, sizeof got) == 0);
    rig_close(&r);
}
END_TEST

START_TEST(matmul_broadcasts_leading_axes) {
    enum { K = 9, N = 5 };
    static float a[2 * 3 * K], b[4 * K * N], y[2 * 4 * 3 * N];
    fill_floats(a, COUNT(a), 41);
    fill_floats(b, COUNT(b), 42);
    rig r = rig_open("ref");
    tl_tensor *x = input(&r, "a", 4, SHAPE(2, 1, 3, K)), *m = input(&r, "b", 3, SHAPE(4, K, N)),
              *out = tl_output(r.g, tl_matmul(r.g, x, m));
    ck_assert_ptr_nonnull(out);
    ck_assert(out->rank == 4 && out->shape[0] == 2 && out->shape[1] == 4 && out->shape[2] == 3 && out->shape[3] == N);
    rig_plan(&r, NULL);
    MUST(&r, tl_write(x, a, sizeof a, &r.err));
    MUST(&r, tl_write(m, b, sizeof b, &r.err));
    rig_run(&r);
    MUST(&r, tl_read(out, y, sizeof y, &r.err));
    for (int i = 0; i < COUNT(y); i++) {
        int column = i % N, row = i / N % 3, right = i / N / 3 % 4, left = i / N / 3 / 4;
        double want = 0;
        for (int k = 0; k < K; k++)
            want += (double)a[(left * 3 + row) * K + k] * b[(right * K + k) * N + column];
        ck_assert_double_eq_tol(y[i], want, 1e-5);
    }
    rig_close(&r);
}
END_TEST

static Suite *linear_suite(void) {
    Suite *s = suite_create("linear");
    TCase *c = tcase_create("linear");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, multiplies_by_the_transposed_weight_and_adds_bias);
    tcase_add_test(c, sums_floats_in_sixteen_lanes);
    tcase_add_test(c, rounds_x_to_13_bits_against_f16_only);
    tcase_add_test(c, multiplies_integers_under_the_scales);
    tcase_add_loop_test(c, adds_blocks_in_order_as_stated, 0, COUNT(weight_types));
    tcase_add_loop_test(c, stays_near_plain_double_loops, 0, COUNT(weight_types));
    tcase_add_loop_test(c, gives_the_same_bits_packed_and_row_by_row, 0, COUNT(weight_types));
    tcase_add_test(c, passes_leading_axes_and_sizes_on);
    tcase_add_test(c, counts_operations_and_bytes);
    tcase_add_test(c, linear_says_what_does_not_fit);
    suite_add_tcase(s, c);
    TCase *m = tcase_create("matmul");
    tcase_add_test(m, matmul_multiplies_by_rows_of_b);
    tcase_add_loop_test(m, matmul_equals_linear_of_the_transpose, 0, 3);
    tcase_add_test(m, matmul_broadcasts_leading_axes);
    tcase_add_test(m, matmul_says_what_does_not_fit);
    suite_add_tcase(s, m);
    return s;
}

int main(void) {
    return run_suite(linear_suite());
}
