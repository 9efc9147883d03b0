/* test_loading.c: whatever way a file's bytes come in - mapped, from memory, through callbacks, streamed in any cut - the model is the same
 * to the last bit; a stream with gaps, a cancelled load and weights that are no numbers are refused. */
#include "tests/gguf_files.h"
#include "tests/model_rig.h"

#include <math.h>

enum { N = 20 };
static const tl_dtype dtypes[] = {TL_F32, TL_F16, TL_Q8_0, TL_Q4_1};
static const char *const specs[] = {"ref", "cpu"};

static tiny_model tiny_of(tl_dtype dtype) {
    tiny_config c = tiny_defaults();
    c.dtype = dtype;
    c.untied = dtype == TL_Q4_1;
    c.rope_freqs = c.biases = true;
    return tiny_make(&c);
}

/* Logits [N, n_vocab] of a model; the caller frees them. */
static float *logits_of(tl_model *m) {
    model_rig r = {.m = m};
    int32_t ids[N];
    some_ids(ids, N, 300, 4);
    model_context(&r, NULL);
    float *rows = model_rows(&r, 0, ids, N, N, false);
    tl_context_free(r.c);
    return rows;
}

static void check_same(tl_model *m, const float *expected) {
    float *rows = logits_of(m);
    ck_assert(same_bits(rows, expected, N * 300));
    free(rows);
}

/* ---- ways in --------------------------------------------------------------------------------------------------------------------- */

static tl_status read_bytes(void *ctx, uint64_t offset, void *dst, size_t n, tl_error *err) {
    const tl_text *t = ctx;
    if (offset > t->n || n > t->n - offset)
        return tl_fail(err, TL_ERR_IO, "beyond the end");
    memcpy(dst, t->data + offset, n);
    return TL_OK;
}

START_TEST(a_file_memory_and_callbacks_give_the_same_model) {
    tiny_model t = tiny_of(dtypes[_i % 4]);
    tl_model_options mo = {.no_pack = _i / 4 % 2, .check_tensors = _i / 8};
    char path[1024];
    temporary(path, sizeof path, "load");
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(t.file.data, 1, t.file.n, f), t.file.n);
    ck_assert_int_eq(fclose(f), 0);
    for (int b = 0; b < 2; b++) {
        model_rig r = model_open_tiny(specs[b], &t, &mo, NULL);
        float *expected = logits_of(r.m);
        tl_reader reader = {&t.file, t.file.n, read_bytes};
        tl_gguf *g;
        tl_model *m;
        MUST(&r, tl_model_load(&m, path, r.be, &mo, &r.err));
        check_same(m, expected);
        ck_assert_uint_eq(tl_model_weight_bytes(m), tl_model_weight_bytes(r.m));
        ck_assert_uint_eq(tl_model_params(m), tl_model_params(r.m));
        ck_assert_ptr_eq(tl_model_backend(m), r.be);
        tl_model_free(m);
        MUST(&r, tl_gguf_from_reader(&g, &reader, &r.err));
        MUST(&r, tl_model_load_gguf(&m, g, r.be, &mo, &r.err));
        check_same(m, expected);
        tl_model_free(m);
        free(expected);
        model_close(&r);
    }
    remove(path);
    tiny_free(&t);
}
END_TEST

static tl_model *begin(model_rig *r, const tiny_model *t, const tl_model_options *mo, uint64_t *data) {
    tl_gguf *g;
    tl_model *m;
    uint64_t want;
    MUST(r, tl_gguf_parse(&g, t->file.data, t->file.n, t->file.n, &want, &r->err));
    *data = tl_gguf_data_offset(g);
    MUST(r, tl_model_begin(&m, g, r->be, mo, &r->err));
    return m;
}

START_TEST(a_stream_in_any_cut_gives_the_same_model) {
    tiny_model t = tiny_of(dtypes[_i % 4]);
    tl_model_options mo = {.no_pack = _i / 4};
    for (int b = 0; b < 2; b++) {
        model_rig r = model_open_tiny(specs[b], &t, &mo, NULL);
        float *expected = logits_of(r.m);
        for (int cut = 0; cut < sparing(6, 4); cut++) {
            uint64_t data, at = 0, seed = (uint64_t)cut + 1;
            tl_model *m = begin(&r, &t, &mo, &data);
            tl_context *c;
            tl_status s = TL_MORE;
            if (cut % 2)
                at = data; /* the table need not come again */
            while (at < t.file.n) {
                static const uint64_t most[] = {1 << 20, 4000, 1 << 14, 900, 257, 17};
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                uint64_t part = 1 + (seed >> 33) % most[cut], n = t.file.n - at < part ? t.file.n - at : part;
                ck_assert_int_eq(s, TL_MORE);
                REFUSED(&r, tl_context_new(&c, m, NULL, &r.err), TL_ERR_USAGE, "not loaded completely");
                char *copy = malloc((size_t)n); /* so that a read past the piece is seen */
                ck_assert_ptr_nonnull(copy);
                memcpy(copy, t.file.data + at, (size_t)n);
                s = tl_model_feed(m, at, copy, (size_t)n, &r.err);
                free(copy);
                at += n;
                if (cut == 3 && at > 100)
                    at -= n / 2; /* bytes that came before may come again */
                if (s == TL_OK)
                    break;
            }
            ck_assert_msg(s == TL_OK, "%s", s == TL_MORE ? "more" : r.err.message);
            ck_assert_int_eq(tl_model_feed(m, at, "", 0, &r.err), TL_OK);
            check_same(m, expected);
            tl_model_free(m);
        }
        free(expected);
        model_close(&r);
    }
    tiny_free(&t);
}
END_TEST

START_TEST(a_stream_with_a_gap_is_refused_and_goes_on_where_it_was) {
    tiny_model t = tiny_of(TL_Q8_0);
    model_rig r = model_open_tiny("cpu", &t, NULL, NULL);
    float *expected = logits_of(r.m);
    uint64_t data;
    tl_model *m = begin(&r, &t, NULL, &data);
    tl_error err = {0};
    REFUSED(&r, tl_model_feed(m, data + 64, t.file.data + data + 64, 100, &r.err), TL_ERR_USAGE, "waits for offset");
    ck_assert_int_eq(tl_model_feed(m, data, t.file.data + data, 5000, &err), TL_MORE);
    REFUSED(&r, tl_model_feed(m, UINT64_MAX - 10, t.file.data, 100, &r.err), TL_ERR_USAGE, "waits for offset");
    REFUSED(&r, tl_model_feed(m, data + 5000, NULL, 100, &r.err), TL_ERR_USAGE, "and bytes are needed");
    REFUSED(&r, tl_model_feed(NULL, 0, t.file.data, 100, &r.err), TL_ERR_USAGE, "a model with weights");
    ck_assert_int_eq(tl_model_feed(m, data + 5000, t.file.data + data + 5000, t.file.n - data - 5000, &err), TL_OK);
    check_same(m, expected);
    tl_model_free(m);
    free(expected);
    model_close(&r);
    tiny_free(&t);
}
END_TEST

/* ---- values ------------------------------------------------------------------------------------------------------------------------- */

/* Puts the f16 bits `scale` at the head of block number 5 of a tensor, or f32 bits into element 37 of an f32 tensor. */
static void spoil(tiny_model *t, const char *name, uint32_t bits) {
    tl_gguf *g;
    ck_assert_int_eq(tl_gguf_from_memory(&g, t->file.data, t->file.n, NULL), TL_OK);
    const tl_gguf_tensor *info = tl_gguf_tensor_find(g, name);
    ck_assert_ptr_nonnull(info);
    const tl_dtype_info *d = tl_dtype_get(info->dtype);
    if (info->dtype == TL_F32)
        memcpy(t->file.data + info->offset + 37 * 4, &bits, 4);
    else
        memcpy(t->file.data + info->offset + (d->block == 1 ? 160 : 5) * d->block_bytes, &(uint16_t){(uint16_t)bits}, 2);
    tl_gguf_free(g);
}

START_TEST(weights_that_are_no_numbers_are_refused_when_asked) {
    static const struct {
        tl_dtype dtype;
        const char *tensor;
        uint32_t bits;
        const char *element;
    } cases[] = {
        {TL_F32, "blk.1.attn_norm.weight", 0x7FC00000, "at element 37"}, {TL_F32, "blk.0.attn_q.weight", 0xFF800000, "at element 37"},
        {TL_F16, "token_embd.weight", 0x7C00, "at element 160"},         {TL_Q8_0, "blk.0.ffn_down.weight", 0x7E00, "at element 160"},
        {TL_Q4_1, "blk.1.attn_v.weight", 0xFC00, "at element 160"},
    };
    tiny_model t = tiny_of(cases[_i].dtype);
    tl_model_options check = {.check_tensors = true}, plain = {.check_tensors = false};
    char words[96];
    snprintf(words, sizeof words, "tensor '%s' holds a NaN or infinite value %s", cases[_i].tensor, cases[_i].element);
    for (int variant = 0; variant < 4; variant++) {
        check.no_pack = plain.no_pack = variant & 1;
        model_rig good = model_open_tiny(specs[variant / 2], &t, &check, NULL); /* untouched, it passes */
        model_close(&good);
    }
    spoil(&t, cases[_i].tensor, cases[_i].bits);
    for (int variant = 0; variant < 4; variant++) {
        check.no_pack = plain.no_pack = variant & 1;
        model_rig r = model_open_tiny(specs[variant / 2], &t, &plain, NULL); /* unasked too */
        tl_reader reader = {&t.file, t.file.n, read_bytes};
        tl_gguf *g;
        tl_model *m;
        tl_context *c;
        MUST(&r, tl_gguf_from_memory(&g, t.file.data, t.file.n, &r.err));
        REFUSED(&r, tl_model_load_gguf(&m, g, r.be, &check, &r.err), TL_ERR_FORMAT, words);
        ck_assert_ptr_null(m);
        MUST(&r, tl_gguf_from_reader(&g, &reader, &r.err));
        REFUSED(&r, tl_model_load_gguf(&m, g, r.be, &check, &r.err), TL_ERR_FORMAT, words);
        uint64_t data;
        m = begin(&r, &t, &check, &data);
        tl_status s = TL_MORE, refused = TL_OK;
        for (uint64_t at = data; at < t.file.n; at += 100) {
            size_t n = t.file.n - at < 100 ? (size_t)(t.file.n - at) : 100;
            s = tl_model_feed(m, at, t.file.data + at, n, &r.err);
            if (s != TL_MORE && refused == TL_OK) {
                refused = s;
                ck_assert_msg(s == TL_ERR_FORMAT && strstr(r.err.message, words), "%s", r.err.message);
            }
        }
        ck_assert_msg(s != TL_OK && refused == TL_ERR_FORMAT, "the rest of the stream made it complete");
        REFUSED(&r, tl_context_new(&c, m, NULL, &r.err), TL_ERR_USAGE, "not loaded completely");
        tl_model_free(m);
        model_close(&r);
    }
    tiny_free(&t);
}
END_TEST

/* ---- progress -------------------------------------------------------------------------------------------------------------------------- */

typedef struct watcher {
    int calls, stop_at;
    double last;
    bool falls;
} watcher;

static bool watch(void *ctx, double fraction) {
    watcher *w = ctx;
    w->falls |= fraction < w->last;
    w->last = fraction;
    return w->calls++ != w->stop_at;
}

START_TEST(progress_rises_to_one_and_may_cancel) {
    tiny_model t = tiny_of(TL_Q4_1);
    watcher w = {.stop_at = -1};
    tl_model_options mo = {.no_pack = _i & 1, .check_tensors = _i & 2, .progress = watch, .progress_ctx = &w};
    model_rig r = model_open_tiny("cpu", &t, &mo, NULL);
    ck_assert(!w.falls && w.last == 1 && w.calls > 10);
    for (int calls = w.calls, stop = 0; stop < calls; stop++) {
        tl_gguf *g;
        tl_model *m;
        w = (watcher){.stop_at = stop};
        MUST(&r, tl_gguf_from_memory(&g, t.file.data, t.file.n, &r.err));
        REFUSED(&r, tl_model_load_gguf(&m, g, r.be, &mo, &r.err), TL_CANCELLED, "cancelled");
        ck_assert_ptr_null(m);
        ck_assert_int_eq(w.calls, stop + 1);
    }
    model_close(&r);
    tiny_free(&t);
}
END_TEST

START_TEST(a_line_describes_the_model) {
    tiny_model t = tiny_of(TL_Q8_0);
    model_rig r = model_open_tiny("cpu", &t, NULL, NULL);
    uint64_t params = 0;
    for (int i = 0; i < t.n_tensors; i++)
        params += (uint64_t)(t.tensors[i].rank == 2 ? t.tensors[i].shape[0] * t.tensors[i].shape[1] : t.tensors[i].shape[0]);
    char text[64];
    snprintf(text, sizeof text, "llama %dK Q8_0", (int)(params / 1000));
    ck_assert_uint_eq(tl_model_params(r.m), params);
    ck_assert_str_eq(tl_model_describe(r.m), text);
    ck_assert_str_eq(tl_model_archs(), "llama");
    ck_assert_ptr_nonnull(tl_model_gguf(r.m));
    model_close(&r);
    tiny_free(&t);
}
END_TEST

START_TEST(a_load_without_file_or_backend_is_refused) {
    model_rig r = {0};
    tiny_model t = tiny_of(TL_F32);
    tl_gguf *g;
    REFUSED(&r, tl_model_load(&r.m, "/nowhere/model.gguf", NULL, NULL, &r.err), TL_ERR_IO, "/nowhere/model.gguf");
    REFUSED(&r, tl_model_load_gguf(&r.m, NULL, NULL, NULL, &r.err), TL_ERR_USAGE, "a file and a backend are needed");
    MUST(&r, tl_gguf_from_memory(&g, t.file.data, t.file.n, &r.err));
    REFUSED(&r, tl_model_load_gguf(&r.m, g, NULL, NULL, &r.err), TL_ERR_USAGE, "a file and a backend are needed"); /* and g is freed */
    tiny_free(&t);
}
END_TEST

static Suite *loading_suite(void) {
    Suite *s = suite_create("loading");
    TCase *c = tcase_create("loading");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, a_file_memory_and_callbacks_give_the_same_model, 0, sparing(16, 8));
    tcase_add_loop_test(c, a_stream_in_any_cut_gives_the_same_model, 0, 8);
    tcase_add_test(c, a_stream_with_a_gap_is_refused_and_goes_on_where_it_was);
    tcase_add_loop_test(c, weights_that_are_no_numbers_are_refused_when_asked, 0, 5);
    tcase_add_loop_test(c, progress_rises_to_one_and_may_cancel, 0, 4);
    tcase_add_test(c, a_line_describes_the_model);
    tcase_add_test(c, a_load_without_file_or_backend_is_refused);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(loading_suite());
}
