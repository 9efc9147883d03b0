/* test_reference.c: real small models against llama.cpp's greedy continuations (TALLY_TEST_DATA/ref): all 48 ids of each f32 and f16
 * file, the first 16 of each quantised one with f32 keys and values. Activations of quantised files are rounded to 8 bits, so that noise
 * in the last bit of anything before (another exp, say) may turn ids whose logits are within some hundredths of each other; in the two
 * cases where that happens early it is a tie within a hundredth, which is what is asserted. */
#include "tests/gguf_files.h"
#include "tests/model_rig.h"
#include "tests/support/json.h"

enum { GREEDY = 48, SURE = 16 };

/* ties: steps, over all prompts, where the reference's id is our second best, less than TIE behind. */
static const struct {
    const char *model, *reference;
    bool exact;
    int ties;
} files[] = {
    {"stories260K-f32", "stories260K-f32", true, 0},
    {"stories260K-untied-f32", "stories260K-f32", true, 0}, /* the same weights, the output apart */
    {"babyllama-tok105-f16", "babyllama-tok105-f16", true, 0},
    {"babyllama-tok105-q4_0", "babyllama-tok105-q4_0", false, 0},
    {"babyllama-tok105-q4_1", "babyllama-tok105-q4_1", false, 0},
    {"babyllama-tok105-q8_0", "babyllama-tok105-q8_0", false, 0},
    {"stories260K-q8_0", "stories260K-q8_0", false, 0},
    {"stories260K-wide256-q2_k", "stories260K-wide256-q2_k", false, 0},
    {"stories260K-wide256-q3_k_s", "stories260K-wide256-q3_k_s", false, 1},
    {"stories260K-wide256-q4_k_s", "stories260K-wide256-q4_k_s", false, 0},
    {"stories260K-wide256-q4_k_m", "stories260K-wide256-q4_k_m", false, 0},
    {"stories260K-wide256-q5_k_s", "stories260K-wide256-q5_k_s", false, 0},
    {"stories260K-wide256-q6_k", "stories260K-wide256-q6_k", false, 1},
};
static const float tie = 0.01f;
enum { N_FILES = sizeof files / sizeof *files };

/* The prompt of a case, tokenised by us, is that of the reference; its ids go to ids. */
static int64_t prompt_ids(model_rig *r, const json *c, int32_t *ids, int64_t room) {
    const json *text = json_get(c, "prompt"), *expected = json_get(c, "prompt_ids");
    tl_ids found = {0};
    MUST(r, tl_tokenizer_encode(tl_model_tokenizer(r->m), text->string, text->length, TL_ENCODE_SPECIAL, &found, &r->err));
    ck_assert_uint_eq(found.n, expected->count);
    ck_assert_int_le((int64_t)found.n, room);
    for (size_t i = 0; i < found.n; i++) {
        ck_assert_int_eq(found.id[i], (int32_t)expected->item[i].number);
        ids[i] = found.id[i];
    }
    int64_t n = (int64_t)found.n;
    tl_ids_free(&found);
    return n;
}

/* Along the reference's path, each of its first `steps` ids is our best, or tied with it; gives the number of ties. */
static int check_greedy(model_rig *r, const char *name, const json *c, int steps) {
    int32_t ids[256];
    int32_t n_vocab = tl_model_hparams(r->m)->n_vocab;
    float *row = calloc((size_t)n_vocab, sizeof *row);
    const json *greedy = json_get(c, "greedy_ids");
    int64_t n = prompt_ids(r, c, ids, 256 - GREEDY);
    int ties = 0;
    ck_assert_ptr_nonnull(row);
    ck_assert_uint_eq(greedy->count, GREEDY);
    for (int i = 0; i < sparing(steps, SURE); i++) {
        MUST(r, tl_session_sync(r->s[0], ids, n, row, &r->err));
        int32_t best = tl_greedy(row, n_vocab), id = (int32_t)greedy->item[i].number;
        ck_assert(id >= 0 && id < n_vocab);
        ck_assert_msg(id == best || row[best] - row[id] < tie, "%s, '%.30s': id %d is %d, in the reference %d, which is %g behind", name,
                      json_get(c, "prompt")->string, i, (int)best, (int)id, (double)(row[best] - row[id]));
        ties += id != best;
        ids[n++] = id;
    }
    free(row);
    return ties;
}

static json *load_reference(const char *name) {
    char file[128], path[1024];
    snprintf(file, sizeof file, "ref/%s.json", name);
    json *doc = data_path(path, sizeof path, file) ? json_load(path) : NULL;
    ck_assert_msg(doc != NULL, "%s cannot be read", path);
    return doc;
}

static void check_file(const char *spec, int i, tl_dtype kv, int steps) {
    char file[128], path[1024];
    tl_context_options o = tl_context_defaults();
    o.kv = kv;
    snprintf(file, sizeof file, "models/%s.gguf", files[i].model);
    data_path(path, sizeof path, file);
    json *doc = load_reference(files[i].reference);
    const json *cases = json_get(doc, "cases");
    model_rig r = model_open_path(spec, path, NULL, &o);
    ck_assert_uint_eq(cases->count, 4);
    int ties = 0;
    int n = sparing(4, 1);
    for (int k = 0; k < n; k++)
        ties += check_greedy(&r, files[i].model, &cases->item[k], steps);
    ck_assert_int_eq(ties, n == 4 ? files[i].ties : 0); /* the ties come with the fourth prompt */
    model_close(&r);
    json_free(doc);
}

/* On cpu, and the first file on ref, too: that both have the same bits for each file is the next test. */
START_TEST(greedy_ids_are_those_of_llama_cpp) {
    if (!getenv("TALLY_TEST_DATA"))
        SKIP("TALLY_TEST_DATA is not set");
    const char *spec = _i < N_FILES ? "cpu" : "ref";
    int i = _i % N_FILES;
    if (files[i].exact) {
        check_file(spec, i, TL_F16, GREEDY);
        check_file(spec, i, TL_F32, GREEDY);
    } else {
        check_file(spec, i, TL_F32, SURE);
    }
}
END_TEST

/* The logits of a whole text on every backend and level, packed and not: one digest. */
START_TEST(every_backend_gives_one_digest) {
    if (!getenv("TALLY_TEST_DATA"))
        SKIP("TALLY_TEST_DATA is not set");
    char file[128], path[1024];
    snprintf(file, sizeof file, "models/%s.gguf", files[_i].model);
    data_path(path, sizeof path, file);
    uint64_t first = 0;
    int n = sparing(100, 6);
    for (int b = 0; tl_backend_openable(b); b++)
        for (int no_pack = 0; no_pack < sparing(2, 1) && tl_backend_same_bits(tl_backend_openable(b)); no_pack++) {
            tl_model_options mo = {.no_pack = no_pack};
            model_rig r = model_open_path(tl_backend_openable(b), path, &mo, NULL);
            int32_t ids[100], n_vocab = tl_model_hparams(r.m)->n_vocab;
            some_ids(ids, n, n_vocab, 2);
            float *rows = model_rows(&r, 0, ids, n, n, false);
            uint64_t digest = tl_digest_f32(TL_DIGEST_START, rows, (size_t)n * (size_t)n_vocab);
            first = b + no_pack == 0 ? digest : first;
            ck_assert_msg(digest == first, "%s: %s%s differs from %s", files[_i].model, tl_backend_openable(b),
                          no_pack ? ", not packed," : "", tl_backend_openable(0));
            free(rows);
            model_close(&r);
        }
}
END_TEST

static Suite *reference_suite(void) {
    Suite *s = suite_create("reference");
    TCase *c = tcase_create("against llama.cpp");
    tcase_set_timeout(c, 300);
    tcase_add_loop_test(c, greedy_ids_are_those_of_llama_cpp, 0, N_FILES + 1);
    tcase_add_loop_test(c, every_backend_gives_one_digest, 0, N_FILES);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(reference_suite());
}
