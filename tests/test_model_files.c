/* test_model_files.c: files that are sound GGUF and no sound model: every hyperparameter missing, of the wrong type or out of range, and
 * every way in which a tensor may be missing or not fit. Each is refused when the model is loaded, and the message names key or tensor,
 * what was found and what is expected. */
#include "tests/model_rig.h"

/* Loading gives this status and a message that holds all words. */
static void refuse(const tiny_config *c, const tl_model_options *mo, tl_status status, const char *words, const char *more) {
    tiny_model t = tiny_make(c);
    model_rig r = {0};
    tl_gguf *g;
    MUST(&r, tl_backend_open(&r.be, "cpu:threads=1", &r.err));
    MUST(&r, tl_gguf_from_memory(&g, t.file.data, t.file.n, &r.err));
    REFUSED(&r, tl_model_load_gguf(&r.m, g, r.be, mo, &r.err), status, words);
    ck_assert_msg(strstr(r.err.message, more), "'%s' lacks '%s'", r.err.message, more);
    ck_assert_ptr_null(r.m);
    tl_backend_free(r.be);
    tiny_free(&t);
}

/* ---- keys -------------------------------------------------------------------------------------------------------------------- */

START_TEST(a_key_that_is_needed_is_missing) {
    static const char *const keys[] = {"general.architecture",
                                       "llama.block_count",
                                       "llama.context_length",
                                       "llama.embedding_length",
                                       "llama.feed_forward_length",
                                       "llama.attention.head_count",
                                       "llama.attention.layer_norm_rms_epsilon",
                                       "tokenizer.ggml.model"};
    tiny_config c = tiny_defaults();
    c.without = keys[_i];
    refuse(&c, NULL, TL_ERR_FORMAT, keys[_i], "missing");
}
END_TEST

START_TEST(a_key_has_a_value_of_another_type) {
    static const char *const numbers[] = {"llama.block_count",
                                          "llama.context_length",
                                          "llama.embedding_length",
                                          "llama.feed_forward_length",
                                          "llama.attention.head_count",
                                          "llama.attention.head_count_kv",
                                          "llama.attention.key_length",
                                          "llama.attention.value_length",
                                          "llama.rope.dimension_count",
                                          "llama.rope.scaling.original_context_length",
                                          "llama.expert_count",
                                          "llama.attention.layer_norm_rms_epsilon",
                                          "llama.rope.freq_base",
                                          "llama.rope.scaling.factor",
                                          "llama.rope.scaling.attn_factor",
                                          "llama.rope.scale_linear"};
    static const char *const texts[] = {"general.architecture", "llama.rope.scaling.type", "tokenizer.ggml.model"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        tiny_config c = tiny_defaults();
        c.patch[0] = (tiny_patch){numbers[i], TL_GGUF_STRING, 0, "64"};
        refuse(&c, NULL, TL_ERR_FORMAT, numbers[i], "string");
        c.patch[0] = (tiny_patch){numbers[i], TL_GGUF_ARRAY, 2, NULL};
        refuse(&c, NULL, TL_ERR_FORMAT, numbers[i], "array");
        c.patch[0] = (tiny_patch){numbers[i], TL_GGUF_BOOL, 1, NULL};
        refuse(&c, NULL, TL_ERR_FORMAT, numbers[i], "bool");
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tiny_config c = tiny_defaults();
        c.patch[0] = (tiny_patch){texts[i], TL_GGUF_U32, 1, NULL};
        refuse(&c, NULL, TL_ERR_FORMAT, texts[i], "u32");
    }
}
END_TEST

START_TEST(a_count_is_zero_negative_or_huge) {
    static const struct {
        const char *key;
        double most;
    } keys[] = {
        {"llama.block_count", 4096},          {"llama.context_length", 1 << 30},
        {"llama.embedding_length", 1 << 20},  {"llama.feed_forward_length", 1 << 24},
        {"llama.attention.head_count", 4096}, {"llama.attention.head_count_kv", 4096},
        {"llama.attention.key_length", 4096}, {"llama.attention.value_length", 4096},
        {"llama.rope.dimension_count", 16},   {"llama.rope.scaling.original_context_length", 1 << 30},
    };
    const char *key = keys[_i].key;
    tiny_config c = tiny_defaults();
    c.patch[0] = (tiny_patch){key, TL_GGUF_U32, 0, NULL};
    refuse(&c, NULL, TL_ERR_FORMAT, key, "0");
    c.patch[0] = (tiny_patch){key, TL_GGUF_I32, -1, NULL};
    refuse(&c, NULL, TL_ERR_FORMAT, key, "-1");
    c.patch[0] = (tiny_patch){key, TL_GGUF_U32, keys[_i].most + 1, NULL};
    refuse(&c, NULL, TL_ERR_FORMAT, key, "expected");
    c.patch[0] = (tiny_patch){key, TL_GGUF_I64, 9e18, NULL};
    refuse(&c, NULL, TL_ERR_FORMAT, key, "9000000000000000000");
}
END_TEST

START_TEST(a_number_is_out_of_its_range) {
    double infinite = 1e308 * 10, nan = infinite - infinite;
    const struct {
        const char *key;
        double value;
        const char *scaling, *words;
    } cases[] = {
        {"llama.rope.freq_base", 0, NULL, "rope.freq_base is 0, not 1 to"},
        {"llama.rope.freq_base", -10000, NULL, "rope.freq_base is -10000"},
        {"llama.rope.freq_base", infinite, NULL, "rope.freq_base is inf"},
        {"llama.rope.freq_base", nan, NULL, "rope.freq_base is nan"},
        {"llama.attention.layer_norm_rms_epsilon", -1e-5, NULL, "layer_norm_rms_epsilon is -"},
        {"llama.attention.layer_norm_rms_epsilon", 2, NULL, "layer_norm_rms_epsilon is 2, not 0 to 1"},
        {"llama.attention.layer_norm_rms_epsilon", nan, NULL, "layer_norm_rms_epsilon is nan"},
        {"llama.rope.scaling.factor", -2, "linear", "rope.scaling.factor is -2"},
        {"llama.rope.scaling.factor", 0, "linear", "rope.scaling.factor must be above 0"},
        {"llama.rope.scaling.factor", 0, "yarn", "rope.scaling.factor must be above 0"},
        {"llama.rope.scaling.factor", nan, "yarn", "rope.scaling.factor is nan"},
        {"llama.rope.scale_linear", 1e7, NULL, "rope.scale_linear is 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny_config c = tiny_defaults();
        c.scaling = cases[i].scaling;
        c.patch[0] = (tiny_patch){cases[i].key, TL_GGUF_F64, cases[i].value, NULL};
        refuse(&c, NULL, TL_ERR_FORMAT, cases[i].words, "llama.");
    }
}
END_TEST

START_TEST(numbers_do_not_fit_each_other) {
    tiny_config c = tiny_defaults();
    c.patch[0] = (tiny_patch){"llama.attention.head_count_kv", TL_GGUF_U32, 3, NULL};
    refuse(&c, NULL, TL_ERR_FORMAT, "llama.attention.head_count 4 is no multiple of head_count_kv 3", "");
    c.patch[0] = (tiny_patch){"llama.attention.head_count_kv", TL_GGUF_U32, 8, NULL};
    refuse(&c, NULL, TL_ERR_FORMAT, "llama.attention.head_count 4 is no multiple of head_count_kv 8", "");
    c.patch[0] = (tiny_patch){"llama.attention.head_count", TL_GGUF_U32, 64, NULL};
    refuse(&c, NULL, TL_ERR_FORMAT, "64 heads leave no dims of llama.embedding_length 64", "");
    c.patch[0] = (tiny_patch){"llama.rope.dimension_count", TL_GGUF_U32, 7, NULL};
    refuse(&c, NULL, TL_ERR_FORMAT, "llama.rope.dimension_count 7 is odd", "");
    c.patch[0] = (tiny_patch){"llama.attention.key_length", TL_GGUF_U32, 15, NULL};
    refuse(&c, NULL, TL_ERR_FORMAT, "llama.rope.dimension_count 15 is odd", "");
    c.patch[0] = (tiny_patch){"llama.attention.key_length", TL_GGUF_U32, 1, NULL};
    refuse(&c, NULL, TL_ERR_FORMAT, "key_length", "1");
}
END_TEST

START_TEST(what_this_build_cannot_do_is_named) {
    tiny_config c = tiny_defaults();
    c.patch[0] = (tiny_patch){"general.architecture", TL_GGUF_STRING, 0, "mamba"};
    refuse(&c, NULL, TL_ERR_UNSUPPORTED, "general.architecture is 'mamba'; this build knows llama", "");
    c.patch[0] = (tiny_patch){"llama.rope.scaling.type", TL_GGUF_STRING, 0, "longrope"};
    refuse(&c, NULL, TL_ERR_UNSUPPORTED, "llama.rope.scaling.type is 'longrope'; this build knows none, linear, yarn", "");
    c.patch[0] = (tiny_patch){"llama.expert_count", TL_GGUF_U32, 8, NULL};
    refuse(&c, NULL, TL_ERR_UNSUPPORTED, "llama.expert_count is 8", "not supported yet");
    c.patch[0] = (tiny_patch){"tokenizer.ggml.model", TL_GGUF_STRING, 0, "bert"};
    refuse(&c, NULL, TL_ERR_UNSUPPORTED, "tokenizer.ggml.model is 'bert'", "");
}
END_TEST

/* ---- tensors -------------------------------------------------------------------------------------------------------------------- */

static const char *const names[] = {"token_embd.weight",     "output_norm.weight",  "blk.0.attn_norm.weight",   "blk.0.attn_q.weight",
                                    "blk.1.attn_k.weight",   "blk.1.attn_v.weight", "blk.0.attn_output.weight", "blk.1.ffn_norm.weight",
                                    "blk.0.ffn_gate.weight", "blk.1.ffn_up.weight", "blk.1.ffn_down.weight"};
enum { N_NAMES = sizeof names / sizeof *names };

START_TEST(a_tensor_is_missing) {
    char words[64];
    tiny_config c = tiny_defaults();
    c.without = names[_i];
    snprintf(words, sizeof words, "tensor '%s' is missing", names[_i]);
    refuse(&c, NULL, TL_ERR_FORMAT, words, "");
}
END_TEST

START_TEST(layers_beyond_those_of_the_file_are_missing) {
    tiny_config c = tiny_defaults();
    c.patch[0] = (tiny_patch){"llama.block_count", TL_GGUF_U32, 4096, NULL};
    refuse(&c, NULL, TL_ERR_FORMAT, "tensor 'blk.2.attn_norm.weight' is missing", "");
}
END_TEST

START_TEST(a_tensor_has_another_shape) {
    static const struct {
        int64_t shape[3];
        const char *words;
    } cases[] = {{{5, 0, 0}, "is [5], the metadata asks for ["},           {{7, 64, 0}, "is [7, 64], the metadata asks for ["},
                 {{64, 3, 0}, "is [64, 3], the metadata asks for ["},      {{2, 3, 4}, "is [2, 3, 4], the metadata asks for ["},
                 {{64, 64, 1}, "is [64, 64, 1], the metadata asks for ["}, {{1, 1, 7}, "is [1, 1, 7], the metadata asks for ["}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny_config c = tiny_defaults();
        c.odd_tensor = names[_i];
        memcpy(c.odd_shape, cases[i].shape, sizeof c.odd_shape);
        refuse(&c, NULL, TL_ERR_FORMAT, _i == 0 ? "the vocabulary has 300 tokens, but" : cases[i].words, names[_i]);
    }
}
END_TEST

START_TEST(optional_tensors_have_to_fit_too) {
    static const struct {
        const char *name;
        bool untied;
        const char *words;
    } cases[] = {
        {"output.weight", true, "is [3], the metadata asks for [300, 64]"},
        {"output.bias", true, "is [3], the metadata asks for [300]"},
        {"output.bias", false, "is [3], the metadata asks for [300]"},
        {"blk.1.attn_k.bias", false, "is [3], the metadata asks for [32]"},
        {"rope_freqs.weight", false, "is [3], the metadata asks for [8]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny_config c = tiny_defaults();
        c.untied = cases[i].untied;
        c.biases = c.rope_freqs = true;
        c.odd_tensor = cases[i].name;
        c.odd_shape[0] = 3;
        refuse(&c, NULL, TL_ERR_FORMAT, cases[i].words, cases[i].name);
    }
}
END_TEST

START_TEST(a_tensor_has_a_type_that_does_not_serve) {
    static const struct {
        const char *name;
        tl_dtype dtype;
        const char *words;
    } cases[] = {
        {"blk.0.attn_norm.weight", TL_F16, "is f16; f32 is wanted here"},
        {"output_norm.weight", TL_Q8_0, "is q8_0; f32 is wanted here"},
        {"blk.1.attn_v.bias", TL_BF16, "is bf16; f32 is wanted here"},
        {"rope_freqs.weight", TL_F16, "is f16; f32 is wanted here"},
        {"blk.0.attn_q.weight", TL_I32, "holds integers (i32), not weights"},
        {"token_embd.weight", TL_I8, "holds integers (i8), not weights"},
        {"blk.1.ffn_norm.weight", TL_I16, "holds integers (i16), not weights"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny_config c = tiny_defaults();
        c.biases = c.rope_freqs = true;
        c.cast_tensor = cases[i].name;
        c.cast_dtype = cases[i].dtype;
        refuse(&c, NULL, TL_ERR_UNSUPPORTED, cases[i].words, cases[i].name);
    }
}
END_TEST

/* A type that the format knows and this build does not: iq4_nl, whose blocks are as large as those of q4_0. */
START_TEST(a_tensor_has_a_type_that_cannot_be_decoded) {
    tiny_config c = tiny_defaults();
    c.dtype = TL_Q4_0;
    tiny_model t = tiny_make(&c);
    model_rig r = {0};
    tl_gguf *g;
    static const char name[] = "blk.1.ffn_up.weight";
    size_t at = 0;
    while (memcmp(t.file.data + at, name, strlen(name)) != 0)
        at++;
    at += strlen(name) + 4 + 2 * 8; /* rank, two dimensions */
    ck_assert_int_eq(t.file.data[at], 2);
    t.file.data[at] = 20;
    MUST(&r, tl_backend_open(&r.be, "cpu", &r.err));
    MUST(&r, tl_gguf_from_memory(&g, t.file.data, t.file.n, &r.err));
    REFUSED(&r, tl_model_load_gguf(&r.m, g, r.be, NULL, &r.err), TL_ERR_UNSUPPORTED,
            "tensor 'blk.1.ffn_up.weight' is iq4_nl, which this build cannot decode; convert the model to another type");
    model_close(&r);
    tiny_free(&t);
}
END_TEST

START_TEST(the_vocabulary_is_larger_than_the_embedding) {
    tiny_config c = tiny_defaults();
    c.odd_tensor = "token_embd.weight";
    c.odd_shape[0] = 299;
    c.odd_shape[1] = 64;
    refuse(&c, NULL, TL_ERR_FORMAT, "the vocabulary has 300 tokens, but 'token_embd.weight' 299 rows", "");
}
END_TEST

/* A context would compute with them; the file is at fault, and the message says where. */
START_TEST(rope_settings_that_give_no_angles_are_refused_by_the_context) {
    for (int i = 0; i < 2; i++) {
        tiny_config c = tiny_defaults();
        c.rope_freqs = true;
        if (i == 0)
            c.patch[0] = (tiny_patch){"llama.rope.freq_base", TL_GGUF_F32, 1, NULL};
        else
            c.odd_tensor = "rope_freqs.weight", c.odd_shape[0] = 8; /* zeros */
        tiny_model t = tiny_make(&c);
        model_rig r = {0};
        tl_gguf *g;
        tl_context *context;
        MUST(&r, tl_backend_open(&r.be, "cpu", &r.err));
        MUST(&r, tl_gguf_from_memory(&g, t.file.data, t.file.n, &r.err));
        MUST(&r, tl_model_load_gguf(&r.m, g, r.be, NULL, &r.err));
        REFUSED(&r, tl_context_new(&context, r.m, NULL, &r.err), TL_ERR_FORMAT, "the rope settings or rope_freqs.weight are not usable");
        model_close(&r);
        tiny_free(&t);
    }
}
END_TEST

static Suite *model_files_suite(void) {
    Suite *s = suite_create("model_files");
    TCase *c = tcase_create("keys");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, a_key_that_is_needed_is_missing, 0, 8);
    tcase_add_test(c, a_key_has_a_value_of_another_type);
    tcase_add_loop_test(c, a_count_is_zero_negative_or_huge, 0, 10);
    tcase_add_test(c, a_number_is_out_of_its_range);
    tcase_add_test(c, numbers_do_not_fit_each_other);
    tcase_add_test(c, what_this_build_cannot_do_is_named);
    suite_add_tcase(s, c);
    c = tcase_create("tensors");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, a_tensor_is_missing, 0, N_NAMES);
    tcase_add_test(c, layers_beyond_those_of_the_file_are_missing);
    tcase_add_loop_test(c, a_tensor_has_another_shape, 0, N_NAMES);
    tcase_add_test(c, optional_tensors_have_to_fit_too);
    tcase_add_test(c, a_tensor_has_a_type_that_does_not_serve);
    tcase_add_test(c, a_tensor_has_a_type_that_cannot_be_decoded);
    tcase_add_test(c, the_vocabulary_is_larger_than_the_embedding);
    tcase_add_test(c, rope_settings_that_give_no_angles_are_refused_by_the_context);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(model_files_suite());
}
