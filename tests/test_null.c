/* test_null.c: a NULL where an object is wanted is an error or an empty answer, never a crash; and so is a question to a plan whose graph
 * is gone. */
#include "models/model.h"
#include "tests/rig.h"

START_TEST(a_failed_builders_null_can_be_asked) {
    ck_assert_int_eq(tl_dim(NULL, -1), 1);
    ck_assert_int_eq(tl_count(NULL), 0);
    ck_assert_uint_eq(tl_bytes(NULL), 0);
    ck_assert_int_eq(tl_rows(NULL), 0);
    ck_assert(tl_row_dense(NULL));
    ck_assert(tl_dense(NULL));
    ck_assert(tl_same_shape(NULL, NULL));
    ck_assert_ptr_null(tl_data(NULL));
    ck_assert_ptr_null(tl_row(NULL, 3));
}
END_TEST

START_TEST(constructors_without_a_place_for_the_result_are_refused) {
    tl_error err = {0};
    ck_assert_int_eq(tl_graph_new(NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_bank_new(NULL, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_plan_new(NULL, NULL, NULL, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_plan_forecast(NULL, NULL, NULL, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_backend_open(NULL, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_model_load(NULL, "no such file", NULL, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_model_load_gguf(NULL, NULL, NULL, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_model_begin(NULL, NULL, NULL, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_context_new(NULL, NULL, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_context_forecast(NULL, NULL, NULL, NULL, NULL, &err), TL_ERR_USAGE);
    ck_assert_int_eq(tl_session_new(NULL, NULL, &err), TL_ERR_USAGE);
}
END_TEST

START_TEST(questions_to_no_object_have_empty_answers) {
    ck_assert_uint_eq(tl_plan_memory_of(NULL).total, 0);
    ck_assert_int_eq(tl_plan_profile(NULL, NULL), 0);
    ck_assert_str_eq(tl_backend_describe(NULL), "");
    ck_assert_int_eq(tl_backend_threads(NULL), 1);
    ck_assert_int_eq(tl_tokenizer_size(NULL), 0);
    ck_assert_int_eq(tl_tokenizer_special(NULL).bos, -1);
    ck_assert_uint_eq(tl_tokenizer_piece(NULL, 0, true).n, 0);
    ck_assert_int_eq(tl_tokenizer_find(NULL, "a", 1), -1);
    ck_assert(!tl_tokenizer_is_end(NULL, 0));
    tl_sampler_forget(NULL);
    tl_sampler_reset(NULL);
}
END_TEST

START_TEST(an_op_without_its_functions_is_refused) {
    static const tl_op empty = {.name = "empty", .id = -1};
    tl_graph *g;
    ck_assert_int_eq(tl_graph_new(&g, NULL), TL_OK);
    ck_assert_ptr_null(tl_graph_add(g, &empty, 0, NULL, NULL, 0));
    ck_assert_int_eq(tl_graph_error(g)->status, TL_ERR_USAGE);
    tl_graph_free(g);
}
END_TEST

START_TEST(a_profile_outlives_its_graph_as_nothing) {
    tl_backend *be;
    tl_graph *g;
    tl_plan *p;
    ck_assert_int_eq(tl_backend_open(&be, "cpu:threads=1", NULL), TL_OK);
    ck_assert_int_eq(tl_graph_new(&g, NULL), TL_OK);
    tl_output(g, tl_neg(g, tl_input(g, "x", TL_F32, 2, (int64_t[]){2, 3})));
    ck_assert_int_eq(tl_plan_new(&p, g, be, &(tl_plan_options){.profile = true}, NULL), TL_OK);
    const tl_plan_profile_row *rows;
    ck_assert_int_eq(tl_plan_profile(p, &rows), 1);
    tl_graph_free(g);
    ck_assert_int_eq(tl_plan_profile(p, &rows), 0);
    ck_assert_ptr_null(rows);
    tl_plan_free(p);
    tl_backend_free(be);
}
END_TEST

START_TEST(look_ups_without_a_place_for_the_result_find_nothing) {
    int size;
    int64_t max;
    ck_assert(!tl_dtype_find("f32", NULL));
    ck_assert(!tl_dtype_of_gguf(0, NULL));
    ck_assert(!tl_size_decode(NULL, 5, NULL, &max));
    ck_assert(!tl_size_decode(NULL, 5, &size, NULL));
}
END_TEST

START_TEST(no_place_for_text_and_no_text_are_allowed) {
    tl_error err = {0};
    rig r = rig_open("ref");
    ck_assert_str_eq(tl_describe(rig_input(&r, "x", 2, 3), NULL, 10), "");
    ck_assert_str_eq(tl_number_print(1.5, 3, NULL), "");
    ck_assert_uint_eq(tl_digest_f32(7, NULL, 3), 7);
    const char *volatile none = NULL; /* compilers refuse the word itself, and a text of unknown words without values */
    ck_assert_int_eq(tl_fail(&err, TL_ERR_RANGE, none, 0), TL_ERR_RANGE);
    ck_assert_str_eq(err.message, "no message given");
    ck_assert_int_eq(tl_graph_fail(r.g, TL_ERR_RANGE, none, 0), TL_ERR_RANGE);
    FAILED(r.g, "no message given");
    rig_close(&r);
}
END_TEST

static tl_status infer_nothing(tl_graph *g, tl_tensor *out) {
    (void)out;
    return tl_graph_fail(g, TL_ERR_USAGE, "reached");
}

static void compute_nothing(const tl_tensor *out, int64_t row0, int64_t row1, void *scratch) {
    (void)out, (void)row0, (void)row1, (void)scratch;
}

START_TEST(what_has_no_name_is_refused) {
    static const tl_op nameless = {.id = -1, .infer = infer_nothing, .ref = compute_nothing};
    rig r = rig_open("ref");
    ck_assert_ptr_null(tl_graph_add(r.g, &nameless, 0, NULL, NULL, 0));
    FAILED(r.g, "an op needs a name");
    rig_next_graph(&r);
    ck_assert_ptr_null(tl_name(r.g, rig_input(&r, "x", 2, 3), NULL));
    FAILED(r.g, "tl_name: no name given");
    rig_close(&r);
}
END_TEST

static Suite *null_suite(void) {
    Suite *s = suite_create("null");
    TCase *t = tcase_create("null");
    tcase_add_test(t, a_failed_builders_null_can_be_asked);
    tcase_add_test(t, constructors_without_a_place_for_the_result_are_refused);
    tcase_add_test(t, questions_to_no_object_have_empty_answers);
    tcase_add_test(t, look_ups_without_a_place_for_the_result_find_nothing);
    tcase_add_test(t, no_place_for_text_and_no_text_are_allowed);
    tcase_add_test(t, an_op_without_its_functions_is_refused);
    tcase_add_test(t, what_has_no_name_is_refused);
    tcase_add_test(t, a_profile_outlives_its_graph_as_nothing);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return run_suite(null_suite());
}
