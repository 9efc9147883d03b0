/* test_demo_model.c: the model that tools/demo talks with (TALLY_DEMO_MODEL), against exact arithmetic and against itself: prompts and chats
 * are tokenised as everyone does; logits are as near to those of float64 on the decoded weights (TALLY_TEST_DATA) as llama.cpp's; and the
 * digest of one text and its continuation is the committed one on every backend and level that can be opened here. */
#include <math.h>

#include "tests/demo_digest.h"
#include "tests/gguf_files.h"
#include "tests/model_rig.h"
#include "tests/support/json.h"

/* How far logits may be from exact ones. Rounding activations to 8 bits makes noise, of which every arithmetic, ours and llama.cpp's, is
 * one draw: norm weights changed in their last bit give root mean squares of 0.21 to 0.35 and largest differences of 0.55 to 1.31 with
 * either kind of keys and values. llama.cpp has 0.26 and 0.76. With f32 keys and values ours has to be as near; with f16 within the noise. */
static const struct {
    tl_dtype kv;
    const char *name;
    double rms, largest;
} kinds[] = {{TL_F32, "f32", 0.30, 0.95}, {TL_F16, "f16", 0.40, 1.40}};
enum { SURE_MARGIN = 1, ROOM = 512 };

static json *load_reference(void) {
    char path[1024];
    json *doc = data_path(path, sizeof path, "ref/smollm2-135m-instruct-q4_1.json") ? json_load(path) : NULL;
    ck_assert_msg(doc != NULL, "%s cannot be read", path);
    return doc;
}

static model_rig open_demo(const char *spec, tl_dtype kv) {
    tl_context_options o = tl_context_defaults();
    o.kv = kv;
    o.n_ctx = ROOM;
    return model_open_path(spec, getenv("TALLY_DEMO_MODEL"), NULL, &o);
}

/* ---- prompts --------------------------------------------------------------------------------------------------------------------- */

/* The chat of a case as text, with the model's own system message where the case brings none. */
static void render(model_rig *r, const json *c, tl_text *out) {
    const json *list = json_get(c, "messages");
    const tl_chat *chat;
    tl_text system = {0};
    tl_message messages[16];
    int n = 0;
    MUST(r, tl_chat_of_model(tl_model_gguf(r->m), &chat, &system, &r->err));
    ck_assert_str_eq(tl_chat_name(chat), "chatml");
    ck_assert_uint_gt(list->count, 0);
    ck_assert_uint_lt(list->count, 16);
    if (strcmp(json_get(&list->item[0], "role")->string, "system") != 0)
        messages[n++] = (tl_message){"system", system.data};
    for (size_t i = 0; i < list->count; i++)
        messages[n++] = (tl_message){json_get(&list->item[i], "role")->string, json_get(&list->item[i], "content")->string};
    MUST(r, tl_chat_render(chat, messages, n, true, out, &r->err));
    ck_assert_str_eq(out->data, json_get(c, "rendered")->string);
    tl_text_free(&system);
}

/* The ids of a case's prompt, which have to be those of the reference. */
static void prompt_ids(model_rig *r, const json *c, tl_ids *ids) {
    const json *expected = json_get(c, "prompt_ids"), *prompt = json_get(c, "prompt");
    const tl_tokenizer *t = tl_model_tokenizer(r->m);
    tl_text text = {0};
    if (prompt) {
        MUST(r, tl_tokenizer_encode(t, prompt->string, prompt->length, TL_ENCODE_SPECIAL, ids, &r->err));
    } else {
        render(r, c, &text);
        MUST(r, tl_tokenizer_encode(t, text.data, text.n, TL_ENCODE_SPECIAL | TL_ENCODE_PARSE, ids, &r->err));
    }
    ck_assert_uint_eq(ids->n, expected->count);
    for (size_t i = 0; i < ids->n; i++)
        ck_assert_int_eq(ids->id[i], (int32_t)expected->item[i].number);
    tl_text_free(&text);
}

/* ---- against exact arithmetic ------------------------------------------------------------------------------------------------------ */

typedef struct tally {
    double squares, largest;
    int values, steps;
} tally;

static void compare_top(const float *row, const json *top, tally *t) {
    ck_assert_uint_eq(top->count, 10);
    for (size_t i = 0; i < top->count; i++) {
        const json *pair = &top->item[i];
        double d = fabs((double)row[(int32_t)pair->item[0].number] - pair->item[1].number);
        t->squares += d * d;
        t->largest = d > t->largest ? d : t->largest;
        t->values++;
    }
}

/* The first row against the exact one, then greedy ids up to the first step whose margin is not sure. */
static void check_case(model_rig *r, const json *c, tally *t) {
    const json *exact = json_get(c, "exact"), *margins = json_get(exact, "margins"), *greedy = json_get(exact, "greedy_ids");
    int32_t n_vocab = tl_model_hparams(r->m)->n_vocab;
    float *row = calloc((size_t)n_vocab, sizeof *row);
    tl_ids ids = {0};
    ck_assert_ptr_nonnull(row);
    prompt_ids(r, c, &ids);
    for (size_t i = 0; i < greedy->count; i++) {
        MUST(r, tl_session_sync(r->s[0], ids.id, (int64_t)ids.n, row, &r->err));
        if (i == 0)
            compare_top(row, json_get(exact, "top10"), t);
        if (margins->item[i].number <= SURE_MARGIN)
            break;
        int32_t best = tl_greedy(row, n_vocab);
        ck_assert_int_eq(best, (int32_t)greedy->item[i].number);
        MUST(r, tl_ids_append(&ids, &best, 1, &r->err));
        t->steps++;
    }
    tl_ids_free(&ids);
    free(row);
}

START_TEST(logits_are_as_near_to_exact_ones_as_llama_cpp_s) {
    if (!getenv("TALLY_DEMO_MODEL") || !getenv("TALLY_TEST_DATA"))
        SKIP("TALLY_DEMO_MODEL or TALLY_TEST_DATA is not set");
    static const char *const lists[] = {"complete", "chat"};
    json *doc = load_reference();
    model_rig r = open_demo("cpu", kinds[_i].kv);
    tally t = {0};
    for (int k = 0; k < 2; k++) {
        const json *cases = json_get(doc, lists[k]);
        ck_assert_uint_eq(cases->count, k ? 4 : 5);
        for (size_t i = 0; i < cases->count; i++)
            check_case(&r, &cases->item[i], &t);
    }
    double rms = sqrt(t.squares / t.values);
    printf("demo model, %s keys and values: top-10 logits against exact arithmetic: root mean square %.3f, largest %.3f; %d sure greedy "
           "steps agree\n",
           kinds[_i].name, rms, t.largest, t.steps);
    fflush(stdout);
    ck_assert_int_eq(t.values, 90);
    ck_assert_msg(rms <= kinds[_i].rms && t.largest <= kinds[_i].largest, "root mean square %g, largest %g", rms, t.largest);
    ck_assert_int_ge(t.steps, 6);
    model_close(&r);
    json_free(doc);
}
END_TEST

/* ---- the digest ---------------------------------------------------------------------------------------------------------------------- */

START_TEST(every_backend_gives_the_committed_digest) {
    if (!getenv("TALLY_DEMO_MODEL"))
        SKIP("TALLY_DEMO_MODEL is not set");
    for (int b = 0; tl_backend_openable(b); b++) {
        if (!tl_backend_same_bits(tl_backend_openable(b)))
            continue;
        model_rig r = open_demo(tl_backend_openable(b), TL_F16);
        int32_t n_vocab = tl_model_hparams(r.m)->n_vocab;
        tl_ids ids = {0};
        MUST(&r, tl_tokenizer_encode(tl_model_tokenizer(r.m), demo_text, strlen(demo_text), TL_ENCODE_SPECIAL, &ids, &r.err));
        float *rows = model_rows(&r, 0, ids.id, (int64_t)ids.n, (int64_t)ids.n, false), *last = rows + (ids.n - 1) * (size_t)n_vocab;
        uint64_t digest = tl_digest_f32(TL_DIGEST_START, rows, ids.n * (size_t)n_vocab);
        for (int i = 0; i < DEMO_STEPS; i++) {
            int32_t id = tl_greedy(last, n_vocab);
            ck_assert_msg(id == demo_ids[i], "%s: greedy id %d is %d, not %d", tl_backend_openable(b), i, (int)id, (int)demo_ids[i]);
            MUST(&r, tl_ids_append(&ids, &id, 1, &r.err));
            MUST(&r, tl_session_sync(r.s[0], ids.id, (int64_t)ids.n, last, &r.err));
            digest = tl_digest_f32(digest, last, (size_t)n_vocab);
        }
        ck_assert_msg(digest == DEMO_DIGEST, "%s: digest %016llx, not %016llx", tl_backend_openable(b), (unsigned long long)digest,
                      (unsigned long long)DEMO_DIGEST);
        tl_ids_free(&ids);
        free(rows);
        model_close(&r);
    }
}
END_TEST

/* The promise in one place: cut, threads, packing and fusion do not show in the digest of a chat's logits. */
START_TEST(no_way_of_running_shows_in_the_bits) {
    if (!getenv("TALLY_DEMO_MODEL"))
        SKIP("TALLY_DEMO_MODEL is not set");
    static const struct {
        const char *spec;
        int batch;
        bool no_pack, no_fuse, no_reuse;
    } ways[] = {
        {"cpu", 0, false, false, false},          {"cpu:threads=1", 7, false, false, false}, {"cpu:threads=3", 1, false, true, false},
        {"cpu:threads=2", 13, true, false, true}, {"cpu:threads=7", 0, true, true, true},
    };
    enum { N = 40 };
    uint64_t first = 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        tl_context_options o = {
            .n_ctx = ROOM, .n_batch = ways[i].batch, .kv = TL_F16, .plan = {.no_fuse = ways[i].no_fuse, .no_reuse = ways[i].no_reuse}};
        tl_model_options mo = {.no_pack = ways[i].no_pack};
        model_rig r = model_open_path(ways[i].spec, getenv("TALLY_DEMO_MODEL"), &mo, &o);
        int32_t ids[N];
        some_ids(ids, N, tl_model_hparams(r.m)->n_vocab, 8);
        float *rows = model_rows(&r, 0, ids, N, 4, false);
        uint64_t digest = tl_digest_f32(TL_DIGEST_START, rows, 4 * model_width(&r, false));
        first = i == 0 ? digest : first;
        ck_assert_msg(digest == first, "%s, batches of %d%s%s%s", ways[i].spec, ways[i].batch, ways[i].no_pack ? ", not packed" : "",
                      ways[i].no_fuse ? ", not fused" : "", ways[i].no_reuse ? ", no reuse" : "");
        free(rows);
        model_close(&r);
    }
}
END_TEST

static Suite *demo_model_suite(void) {
    Suite *s = suite_create("demo_model");
    TCase *c = tcase_create("demo model");
    tcase_set_timeout(c, 900);
    tcase_add_loop_test(c, logits_are_as_near_to_exact_ones_as_llama_cpp_s, 0, 2);
    tcase_add_test(c, every_backend_gives_the_committed_digest);
    tcase_add_test(c, no_way_of_running_shows_in_the_bits);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(demo_model_suite());
}
