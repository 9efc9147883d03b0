/* test_bank.c: tensors that outlive graphs: names are unique and found among thousands, memory is zeroed, counted, borrowed where wrapped,
 * a value written by one graph is read by the next, and a refused or failed tensor leaves the bank as it was. */
#include "tests/rig.h"

static const int64_t two_by_four[] = {2, 4};

START_TEST(a_new_tensor_is_zero_and_found_by_name) {
    rig r = rig_open("ref");
    char name[] = "weight";
    tl_tensor *t;
    MUST(&r, tl_bank_add(r.bank, name, TL_F16, 2, two_by_four, NULL, &t, &r.err));
    memset(name, '?', 6);
    ck_assert_str_eq(t->name, "weight");
    ck_assert_ptr_eq(tl_bank_find(r.bank, "weight"), t);
    ck_assert_ptr_null(tl_bank_find(r.bank, "weigh"));
    ck_assert_ptr_null(tl_bank_find(r.bank, NULL));
    ck_assert_ptr_eq(tl_bank_tensor(r.bank, 0), t);
    ck_assert_ptr_null(tl_bank_tensor(r.bank, 1));
    ck_assert_ptr_null(tl_bank_tensor(r.bank, -1));
    ck_assert_uint_eq((uintptr_t)tl_data(t) % 64, 0);
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(((const uint8_t *)tl_data(t))[i], 0);
    ck_assert(tl_dense(t));
    ck_assert_uint_eq(tl_bytes(t), 16);
    ck_assert_ptr_null(t->graph);
    rig_close(&r);
}
END_TEST

START_TEST(every_one_of_thousands_is_found) {
    enum { MANY = 5000 };
    rig r = rig_open("ref");
    char name[48];
    tl_tensor *t;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "blk.%d.attn_q.weight", i);
        MUST(&r, tl_bank_add(r.bank, name, TL_I8, 1, (int64_t[]){1 + i % 5}, NULL, &t, &r.err));
    }
    ck_assert_int_eq(tl_bank_count(r.bank), MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "blk.%d.attn_q.weight", i);
        ck_assert_ptr_eq(tl_bank_find(r.bank, name), tl_bank_tensor(r.bank, i));
        ck_assert_str_eq(tl_bank_tensor(r.bank, i)->name, name);
    }
    ck_assert_ptr_null(tl_bank_find(r.bank, "blk.5000.attn_q.weight"));
    rig_close(&r);
}
END_TEST

START_TEST(a_name_is_taken_once) {
    rig r = rig_open("ref");
    tl_tensor *t = rig_state(&r, "w", 2, 4, 0), *again = t;
    REFUSED(&r, tl_bank_add(r.bank, "w", TL_F32, 1, (int64_t[]){4}, NULL, &again, &r.err), TL_ERR_USAGE, "'w' already");
    ck_assert_ptr_null(again);
    ck_assert_ptr_eq(tl_bank_find(r.bank, "w"), t);
    ck_assert_int_eq(tl_bank_count(r.bank), 1);
    rig_close(&r);
}
END_TEST

START_TEST(bytes_count_what_the_bank_allocates_itself) {
    rig r = rig_open("ref");
    static float own[8];
    tl_tensor *t;
    ck_assert_uint_eq(tl_bank_bytes(r.bank), 0);
    MUST(&r, tl_bank_add(r.bank, "a", TL_F32, 2, two_by_four, NULL, &t, &r.err));
    MUST(&r, tl_bank_add(r.bank, "b", TL_Q4_1, 2, (int64_t[]){3, 64}, NULL, &t, &r.err));
    MUST(&r, tl_bank_wrap(r.bank, "c", TL_F32, 2, two_by_four, own, true, &t, &r.err));
    ck_assert_uint_eq(tl_bank_bytes(r.bank), 32 + 3 * 2 * 20);
    rig_close(&r);
}
END_TEST

static const struct {
    const char *name;
    tl_dtype dtype;
    int rank;
    int64_t shape[7];
    tl_status status;
    const char *words;
} bad[] = {
    {NULL, TL_F32, 1, {4}, TL_ERR_USAGE, "name"},
    {"w", TL_F32, 0, {4}, TL_ERR_USAGE, "rank 0"},
    {"w", TL_F32, 7, {1, 1, 1, 1, 1, 1, 1}, TL_ERR_USAGE, "rank 7"},
    {"w", TL_F32, 2, {4, 0}, TL_ERR_USAGE, "axis 1"},
    {"w", TL_F32, 2, {-4, 4}, TL_ERR_USAGE, "axis 0"},
    {"w", TL_Q8_0, 2, {4, 33}, TL_ERR_USAGE, "multiple of 32"},
    {"w", TL_Q2_K, 2, {4, 32}, TL_ERR_USAGE, "multiple of 256"},
    {"w", (tl_dtype)77, 1, {4}, TL_ERR_USAGE, "type 77"},
    {"w", TL_F32, 2, {INT64_C(1) << 40, INT64_C(1) << 40}, TL_ERR_MEMORY, "overflow"},
    {"w", TL_F32, 3, {INT64_C(1) << 31, INT64_C(1) << 31, 1}, TL_ERR_MEMORY, "'w'"},
    {"w", TL_F32, 1, {INT64_MAX}, TL_ERR_MEMORY, "overflow"},
    {"w", TL_Q2_K, 2, {INT64_C(1) << 31, INT64_C(1) << 32}, TL_ERR_MEMORY, "overflow"}, /* less than 2^62 bytes, but 2^63 elements */
};

START_TEST(an_impossible_tensor_is_refused_and_leaves_no_trace) {
    static const float own[4];
    rig r = rig_open("ref");
    tl_tensor *t = (tl_tensor *)&r;
    REFUSED(&r, tl_bank_add(r.bank, bad[_i].name, bad[_i].dtype, bad[_i].rank, bad[_i].shape, NULL, &t, &r.err), bad[_i].status,
            bad[_i].words);
    ck_assert_ptr_null(t);
    t = (tl_tensor *)&r;
    REFUSED(&r, tl_bank_wrap(r.bank, bad[_i].name, bad[_i].dtype, bad[_i].rank, bad[_i].shape, own, false, &t, &r.err), bad[_i].status,
            bad[_i].words);
    ck_assert_ptr_null(t);
    ck_assert_int_eq(tl_bank_count(r.bank), 0);
    ck_assert_uint_eq(tl_bank_bytes(r.bank), 0);
    MUST(&r, tl_bank_add(r.bank, "w", TL_F32, 2, two_by_four, NULL, &t, &r.err));
    rig_close(&r);
}
END_TEST

START_TEST(memory_of_the_callers_must_be_aligned_for_its_type) {
    static _Alignas(8) const char own[64];
    rig r = rig_open("ref");
    tl_tensor *t;
    REFUSED(&r, tl_bank_wrap(r.bank, "w", TL_F32, 1, (int64_t[]){4}, own + 2, false, &t, &r.err), TL_ERR_USAGE, "multiple of 4 bytes");
    REFUSED(&r, tl_bank_wrap(r.bank, "w", TL_F16, 1, (int64_t[]){4}, own + 1, false, &t, &r.err), TL_ERR_USAGE, "multiple of 2 bytes");
    ck_assert_int_eq(tl_bank_count(r.bank), 0);
    MUST(&r, tl_bank_wrap(r.bank, "h", TL_F16, 1, (int64_t[]){4}, own + 2, false, &t, &r.err));
    MUST(&r, tl_bank_wrap(r.bank, "q", TL_Q8_0, 1, (int64_t[]){32}, own + 1, false, &t, &r.err));
    rig_close(&r);
}
END_TEST

START_TEST(a_view_with_rows_of_4_gib_is_read_by_whole_rows_only) {
    rig r = rig_open("ref");
    tl_tensor *endless = tl_broadcast(r.g, rig_state(&r, "one", 1, 1, 0), 2, (int64_t[]){4, 1 << 30});
    float values[4];
    ck_assert_ptr_nonnull(endless);
    REFUSED(&r, tl_read(endless, values, sizeof values, &r.err), TL_ERR_USAGE, "whole rows of 4294967296");
    rig_close(&r);
}
END_TEST

START_TEST(a_view_of_one_row_of_4_gib_is_read) {
    rig r = rig_open("ref");
    tl_tensor *one, *endless;
    MUST(&r, tl_bank_add(r.bank, "one", TL_F32, 1, (int64_t[]){1}, NULL, &one, &r.err));
    *(float *)tl_data(one) = 7;
    endless = tl_broadcast(r.g, one, 1, (int64_t[]){1 << 30});
    ck_assert_ptr_nonnull(endless);
    float values[3] = {0};
    MUST(&r, tl_read(endless, values, sizeof values, &r.err));
    for (int i = 0; i < 3; i++)
        ck_assert_float_eq(values[i], 7);
    rig_close(&r);
}
END_TEST

START_TEST(a_bank_counts_its_bytes_or_refuses_more) {
    rig r = rig_open("ref");
    tl_tensor *t;
    int64_t rows = INT64_C(1) << 29; /* of 2^29 bytes: what 32 bits can count, and eight of that */
    for (int i = 0; i < 8; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", i);
        MUST(&r, tl_bank_declare(r.bank, name, TL_I8, 2, (int64_t[]){1, rows}, NULL, &t, &r.err));
    }
    ck_assert_uint_eq(tl_bank_bytes(r.bank), UINT64_C(1) << 32);
    tl_status s = tl_bank_declare(r.bank, "large", TL_I8, 2, (int64_t[]){rows, INT64_C(1) << 31}, NULL, &t, &r.err);
    if (sizeof(size_t) > 4)
        MUST(&r, s);
    REFUSED(&r, tl_bank_declare(r.bank, "more", TL_I8, 2, (int64_t[]){rows, INT64_C(1) << 31}, NULL, &t, &r.err), TL_ERR_MEMORY,
            "overflow");
    ck_assert_ptr_null(t);
    ck_assert_ptr_null(tl_bank_find(r.bank, "more"));
    ck_assert_uint_eq(tl_bank_bytes(r.bank), (UINT64_C(1) << 32) + (s ? 0 : UINT64_C(1) << 60));
    rig_close(&r);
}
END_TEST

START_TEST(a_named_size_is_refused_as_such) {
    rig r = rig_open("ref");
    tl_tensor *t;
    int64_t n = tl_size(r.g, "n", 4);
    REFUSED(&r, tl_bank_add(r.bank, "w", TL_F32, 2, (int64_t[]){n, 4}, NULL, &t, &r.err), TL_ERR_USAGE, "axis 0 of 'w' is a named size");
    rig_close(&r);
}
END_TEST

START_TEST(nothing_given_gives_a_message) {
    rig r = rig_open("ref");
    tl_bank *b = (tl_bank *)&r;
    tl_tensor *t = (tl_tensor *)&r;
    REFUSED(&r, tl_bank_new(&b, NULL, &r.err), TL_ERR_USAGE, "backend");
    ck_assert_ptr_null(b);
    REFUSED(&r, tl_bank_add(NULL, "w", TL_F32, 2, two_by_four, NULL, &t, &r.err), TL_ERR_USAGE, "bank");
    REFUSED(&r, tl_bank_add(r.bank, "w", TL_F32, 2, NULL, NULL, &t, &r.err), TL_ERR_USAGE, "shape");
    REFUSED(&r, tl_bank_wrap(r.bank, "w", TL_F32, 2, two_by_four, NULL, false, &t, &r.err), TL_ERR_USAGE, "memory");
    ck_assert_int_eq(tl_bank_add(r.bank, "w", TL_F32, 2, two_by_four, NULL, NULL, NULL), TL_OK);
    ck_assert_ptr_null(tl_bank_find(NULL, "w"));
    ck_assert_int_eq(tl_bank_count(NULL), 0);
    ck_assert_uint_eq(tl_bank_bytes(NULL), 0);
    tl_bank_free(NULL);
    rig_close(&r);
}
END_TEST

START_TEST(a_wrapped_tensor_is_the_callers_memory) {
    rig r = rig_open("ref");
    float own[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const float before[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    tl_tensor *t;
    MUST(&r, tl_bank_wrap(r.bank, "own", TL_F32, 2, two_by_four, own, false, &t, &r.err));
    ck_assert_ptr_eq(tl_data(t), own);
    tl_tensor *y = tl_output(r.g, tl_neg(r.g, t));
    rig_plan(&r, NULL);
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, y, 7), -8);
    REFUSED(&r, tl_write(t, before, sizeof before, &r.err), TL_ERR_USAGE, "'own'");
    ck_assert_mem_eq(own, before, sizeof own);
    rig_close(&r);
    ck_assert_mem_eq(own, before, sizeof own);
}
END_TEST

START_TEST(a_writable_wrapped_tensor_is_a_state) {
    rig r = rig_open("ref");
    float own[8] = {0};
    tl_tensor *t;
    MUST(&r, tl_bank_wrap(r.bank, "own", TL_F32, 2, two_by_four, own, true, &t, &r.err));
    tl_tensor *x = rig_input(&r, "x", 2, 4);
    tl_assign(r.g, t, x);
    rig_plan(&r, NULL);
    rig_fill(&r, x, 3);
    rig_run(&r);
    for (int i = 0; i < 8; i++)
        ck_assert_float_eq(own[i], 3 + (float)i);
    rig_close(&r);
}
END_TEST

START_TEST(what_one_graph_writes_the_next_graph_reads) {
    rig r = rig_open("cpu:threads=2");
    tl_tensor *state = rig_state(&r, "cache", 2, 4, 0), *x = rig_input(&r, "x", 2, 4);
    tl_assign(r.g, state, tl_scale(r.g, x, 10));
    rig_plan(&r, NULL);
    rig_fill(&r, x, 1);
    rig_run(&r);
    rig_next_graph(&r);
    tl_tensor *y = tl_output(r.g, tl_neg(r.g, state)); /* version 0 of this graph is what the bank holds */
    tl_assign(r.g, state, y);
    rig_plan(&r, NULL);
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, y, 7), -80);
    rig_run(&r);
    ck_assert_float_eq(rig_value(&r, y, 7), 80);
    ck_assert_float_eq(rig_value(&r, state, 0), 10);
    rig_close(&r);
}
END_TEST

static size_t layout_bytes(const tl_tensor *t) {
    return (size_t)((tl_rows(t) + 3) / 4 * 4) * (size_t)tl_dim(t, -1) * 4;
}

START_TEST(a_layout_says_how_much_memory_a_tensor_takes) {
    static const tl_layout padded = {.name = "padded4", .group = 4, .bytes = layout_bytes};
    rig r = rig_open("ref");
    tl_tensor *t;
    float value[8];
    MUST(&r, tl_bank_add(r.bank, "w", TL_F32, 2, (int64_t[]){5, 2}, &padded, &t, &r.err));
    ck_assert_uint_eq(tl_bytes(t), 64);
    ck_assert_uint_eq(tl_bank_bytes(r.bank), 64);
    REFUSED(&r, tl_read(t, value, 8, &r.err), TL_ERR_USAGE, "padded4");
    REFUSED(&r, tl_write(t, value, 8, &r.err), TL_ERR_USAGE, "padded4");
    rig_close(&r);
}
END_TEST

static void fill_bank(rig *r) {
    tl_bank *b;
    if (tl_bank_new(&b, r->be, &r->err) != TL_OK) {
        ck_assert_ptr_null(b);
        ck_assert_int_eq(r->err.status, TL_ERR_MEMORY);
        return;
    }
    int entered = 0;
    for (int i = 0; i < 80; i++) { /* past the first growth of the table of names */
        char name[32];
        tl_tensor *t;
        snprintf(name, sizeof name, "tensor %d", i);
        tl_status s = tl_bank_add(b, name, TL_F32, 2, two_by_four, NULL, &t, &r->err);
        ck_assert(s == TL_OK || s == TL_ERR_MEMORY);
        ck_assert_ptr_eq(tl_bank_find(b, name), t);
        entered += s == TL_OK;
        ck_assert_int_eq(tl_bank_count(b), entered);
    }
    tl_bank_free(b);
}

START_TEST(any_allocation_may_fail_while_a_bank_is_filled) {
    rig r = rig_open("ref");
    bool from_then_on = _i == 1;
    for (long fail = 0;; fail++) {
        tl_alloc_fail_at(fail, from_then_on);
        fill_bank(&r);
        long made = tl_alloc_count();
        tl_alloc_fail_at(-1, false);
        if (made <= fail) {
            ck_assert_int_gt(fail, 80);
            break;
        }
    }
    rig_close(&r);
}
END_TEST

/* A backend whose memory the host cannot reach, and that fails to transfer. */
static tl_status out_of_reach(tl_backend *be, size_t bytes, tl_buffer *out) {
    *out = (tl_buffer){.bytes = bytes, .backend = be};
    return TL_OK;
}

static void forget(tl_backend *be, tl_buffer *b) {
    (void)be;
    *b = (tl_buffer){.data = NULL};
}

static tl_status fail_to_write(tl_backend *be, tl_buffer *b, size_t offset, const void *data, size_t bytes) {
    (void)be;
    (void)b;
    (void)offset;
    (void)data;
    (void)bytes;
    return TL_ERR_IO;
}

START_TEST(a_write_that_the_backend_fails_says_so) {
    static const tl_backend_ops ops = {.name = "far", .alloc = out_of_reach, .free = forget, .write = fail_to_write};
    tl_backend far = {.ops = &ops};
    tl_bank *bank;
    tl_tensor *t;
    tl_error err = {0};
    ck_assert_int_eq(tl_bank_new(&bank, &far, &err), TL_OK);
    ck_assert_int_eq(tl_bank_add(bank, "w", TL_F32, 2, two_by_four, NULL, &t, &err), TL_OK);
    ck_assert_int_eq(tl_write(t, (float[8]){0}, sizeof(float[8]), &err), TL_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "'w'"));
    tl_bank_free(bank);
}
END_TEST

/* Forecasts read it; what would touch its memory says that there is none. */
START_TEST(a_declared_tensor_may_be_forecast_and_no_more) {
    rig r = rig_open(_i ? "cpu:threads=2" : "ref");
    tl_tensor *t;
    float values[8] = {0};
    tl_plan_memory m;
    MUST(&r, tl_bank_declare(r.bank, "w", TL_F32, 2, two_by_four, NULL, &t, &r.err));
    REFUSED(&r, tl_write(t, values, sizeof values, &r.err), TL_ERR_USAGE, "'w' f32 [2, 4] was only declared");
    REFUSED(&r, tl_read(t, values, sizeof values, &r.err), TL_ERR_USAGE, "'w' f32 [2, 4] was only declared");
    tl_tensor *view = tl_reshape(r.g, t, 1, (int64_t[]){8});
    tl_output(r.g, tl_neg(r.g, view));
    MUST(&r, tl_plan_forecast(r.g, r.be, NULL, &m, &r.err));
    ck_assert_uint_gt(m.total, 0);
    REFUSED(&r, tl_plan_new(&r.plan, r.g, r.be, NULL, &r.err), TL_ERR_USAGE, "'w' f32 [2, 4] was only declared");
    ck_assert_ptr_null(r.plan);
    REFUSED(&r, tl_read(view, values, sizeof values, &r.err), TL_ERR_USAGE, "was only declared");
    rig_close(&r);
}
END_TEST

static Suite *bank_suite(void) {
    Suite *s = suite_create("bank");
    TCase *c = tcase_create("bank");
    tcase_add_test(c, a_new_tensor_is_zero_and_found_by_name);
    tcase_add_test(c, every_one_of_thousands_is_found);
    tcase_add_test(c, a_name_is_taken_once);
    tcase_add_test(c, bytes_count_what_the_bank_allocates_itself);
    tcase_add_loop_test(c, an_impossible_tensor_is_refused_and_leaves_no_trace, 0, (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(c, memory_of_the_callers_must_be_aligned_for_its_type);
    tcase_add_test(c, a_view_with_rows_of_4_gib_is_read_by_whole_rows_only);
    tcase_add_test(c, a_view_of_one_row_of_4_gib_is_read);
    tcase_add_test(c, a_bank_counts_its_bytes_or_refuses_more);
    tcase_add_test(c, a_named_size_is_refused_as_such);
    tcase_add_test(c, nothing_given_gives_a_message);
    tcase_add_test(c, a_wrapped_tensor_is_the_callers_memory);
    tcase_add_test(c, a_writable_wrapped_tensor_is_a_state);
    tcase_add_test(c, what_one_graph_writes_the_next_graph_reads);
    tcase_add_test(c, a_layout_says_how_much_memory_a_tensor_takes);
    tcase_add_test(c, a_write_that_the_backend_fails_says_so);
    tcase_add_loop_test(c, a_declared_tensor_may_be_forecast_and_no_more, 0, 2);
    tcase_add_loop_test(c, any_allocation_may_fail_while_a_bank_is_filled, 0, 2);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(bank_suite());
}
