/* test_gguf_damage.c: systematic damage of GGUF files: every truncation, random mutations, and files made to cost much. */
#include "tests/gguf_refused.h"
#include "tests/gguf_walk.h"

START_TEST(tables_beyond_the_memory_limit_are_refused) {
    enum { N = 700000 };
    blob b = {0};
    char name[16];
    put_header(&b, 3, N, 0);
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "t%d", i);
        put_tensor(&b, name, 1, (uint64_t[]){1}, 24, (uint64_t)i * 32);
    }
    put_padding(&b, 32);
    tl_alloc_fail_at(1 << 30, false);
    tl_gguf *g;
    tl_error err;
    ck_assert_int_eq(tl_gguf_from_memory(&g, b.p, b.n, &err), TL_ERR_UNSUPPORTED);
    ck_assert_int_le(tl_alloc_count(), 2);
    tl_alloc_fail_at(-1, false);
    ck_assert(strstr(err.message, "700000 tensors") && strstr(err.message, "64 MiB"));
    free(b.p);
}
END_TEST

START_TEST(every_truncation_of_a_small_file_is_refused) {
    blob b = sample_file();
    for (size_t n = 0; n < b.n; n++) {
        blob cut = {0};
        put(&cut, b.p, n);
        REFUSED(&cut, TL_ERR_FORMAT, n < 4 ? "GGUF" : n < 24 ? "the header needs 24 bytes" : ": ");
    }
    free(b.p);
}
END_TEST

START_TEST(every_prefix_of_a_small_file_asks_for_more) {
    blob b = sample_file();
    size_t table = 0;
    for (size_t n = 0; n <= b.n; n++) {
        uint8_t *exact = malloc(n ? n : 1);
        uint64_t want = 0;
        tl_gguf *g;
        if (n > 0)
            memcpy(exact, b.p, n);
        tl_status s = tl_gguf_parse(&g, exact, n, b.n, &want, NULL);
        free(exact);
        if (s == TL_OK && table == 0)
            table = n;
        ck_assert_int_eq(s, table ? TL_OK : TL_MORE);
        if (s == TL_MORE)
            ck_assert(want > n && want <= b.n);
        else
            walk_all(g);
        tl_gguf_free(g);
    }
    ck_assert(table > 24 && table < b.n);
    free(b.p);
}
END_TEST

/* xorshift64: the same mutations everywhere. */
static uint64_t next_random(uint64_t *x) {
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void mutate(blob *m, uint64_t *x) {
    static const uint64_t edges[] = {0,     1,          7,          8,          31,        33,         255,           65535,
                                     65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, INT64_MAX, UINT64_MAX, UINT64_MAX - 7};
    size_t at = (size_t)(next_random(x) % m->n), width = (size_t)1 << next_random(x) % 4;
    uint64_t v = edges[next_random(x) % COUNT(edges)];
    switch (next_random(x) % 6) {
    case 0: m->p[at] ^= (uint8_t)(1u << next_random(x) % 8); break;
    case 1: m->p[at] = (uint8_t)next_random(x); break;
    case 2: /* a number of the edges */
        for (size_t i = 0; i < width && at + i < m->n; i++)
            m->p[at + i] = (uint8_t)(v >> (8 * i));
        break;
    case 3: m->n = at + 1; break;
    case 4: /* a piece again, elsewhere */
        for (size_t i = 0, from = (size_t)(next_random(x) % m->n); i < width * 8 && at + i < m->n && from + i < m->n; i++)
            m->p[at + i] = m->p[from + i];
        break;
    default: /* a piece gone */
        if (at + width < m->n) {
            memmove(m->p + at, m->p + at + width, m->n - at - width);
            m->n -= width;
        }
    }
}

START_TEST(twenty_thousand_mutations_are_read_or_refused) {
    blob b = sample_file();
    uint64_t x = 0x9E3779B97F4A7C15ull;
    int read = 0, no = 0, count = sparing(20000, 2500);
    for (int i = 0; i < count; i++) {
        blob m = {0};
        tl_gguf *g, *parsed;
        tl_error err = {0};
        uint64_t want;
        put(&m, b.p, b.n);
        for (uint64_t k = next_random(&x) % 3 + 1; k > 0; k--)
            mutate(&m, &x);
        uint8_t *exact = malloc(m.n);
        memcpy(exact, m.p, m.n);
        tl_status s = tl_gguf_from_memory(&g, exact, m.n, &err);
        ck_assert_int_eq(tl_gguf_parse(&parsed, exact, m.n, m.n, &want, NULL), s);
        if (s == TL_OK)
            ck_assert_uint_ne(walk_all(g) + walk_all(parsed), 0);
        else
            ck_assert(g == NULL && parsed == NULL && err.status == s && err.message[0] && !strchr(err.message, '\n'));
        read += s == TL_OK;
        no += s != TL_OK;
        tl_gguf_free(g);
        tl_gguf_free(parsed);
        free(exact);
        free(m.p);
    }
    ck_assert_int_gt(read, count / 20); /* the mutations are neither all harmless nor all fatal */
    ck_assert_int_gt(no, count / 20);
    free(b.p);
}
END_TEST

START_TEST(keys_made_to_collide_do_not) {
    /* Names that all fall into one slot under the seed of an honest file must spread again, because they change the seed. */
    enum { N = 2000 };
    blob b = {0};
    char key[32];
    uint64_t tried = 0;
    put_header(&b, 3, 0, N);
    for (int found = 0; found < N; tried++) {
        snprintf(key, sizeof key, "k%llu", (unsigned long long)tried);
        if ((tl_name_hash(0, key, strlen(key)) & 0xFF) != 0)
            continue;
        put_int_key(&b, key, TL_GGUF_U8, 1, 1);
        found++;
    }
    tl_gguf *g = from_blob(&b);
    uint64_t worst = 0, chain = 0;
    for (uint32_t i = 0; i < g->key_index.slots; i++) {
        chain = g->key_index.slot[i] ? chain + 1 : 0;
        worst = chain > worst ? chain : worst;
    }
    ck_assert_uint_lt(worst, 100);
    tl_gguf_free(g);
    free(b.p);
}
END_TEST

static Suite *gguf_damage_suite(void) {
    Suite *s = suite_create("gguf_damage");
    TCase *c = tcase_create("damage");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, tables_beyond_the_memory_limit_are_refused);
    tcase_add_test(c, every_truncation_of_a_small_file_is_refused);
    tcase_add_test(c, every_prefix_of_a_small_file_asks_for_more);
    tcase_add_test(c, twenty_thousand_mutations_are_read_or_refused);
    tcase_add_test(c, keys_made_to_collide_do_not);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(gguf_damage_suite());
}
