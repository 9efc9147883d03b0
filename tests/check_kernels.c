/* check_kernels.c: every kernel of every level that this CPU has against its definition, bit for bit (tests/support/kernels.h says how), and
 * the packed layouts against rows as stored.
 *
 * Without arguments a Check program: a test a kernel and level. With arguments a tool:
 *   check_kernels [-l LEVEL] [-c TEXT]   checks kernels whose name contains TEXT
 *   check_kernels --list                 prints the names of kernels
 *   check_kernels --bench [-l LEVEL] [-c TEXT]   checks each kernel, then prints its speed */
#include "tests/support/kernels.h"
#include "tests/suite.h"

#include <string.h>

#include "backends/cpu/cpu.h"
#include "backends/internal.h"
#include "tests/cases_internal.h"

/* The i-th level that can run here; NULL past the end. */
static const tl_level *usable_level(int i) {
    for (int l = 0; tl_cpu_level_name(l); l++)
        if (!tl_cpu_level_lacks(l) && i-- == 0)
            return tl_level_find(tl_cpu_level_name(l));
    return NULL;
}

/* ---- kernels ---- */

START_TEST(every_kernel_keeps_to_its_definition) {
    const tl_level *level = usable_level(_i / kernel_count());
    tl_kernels k;
    char why[KERNEL_WHY] = "";
    tl_level_flatten(level, &k);
    bool ok = kernel_check(&k, _i % kernel_count(), why);
    ck_assert_msg(ok, "level %s: %s", level->name, why);
}
END_TEST

START_TEST(every_weight_type_has_a_product) {
    char name[64];
    for (int t = 0; t < TL_N_DTYPES; t++) {
        const tl_dtype_info *info = tl_dtype_get((tl_dtype)t);
        snprintf(name, sizeof name, "dot/%s", info->name);
        ck_assert_msg(kernel_defined(kernel_find(name)) == (info->kind != TL_KIND_INT && info->block == 1), "%s", name);
        for (int slot = 0; slot < 2; slot++) {
            snprintf(name, sizeof name, "%s/%s", slot ? "pack" : "panel", info->name);
            ck_assert_msg(kernel_defined(kernel_find(name)) == (tl_cpu_layout_of((tl_dtype)t) != NULL), "%s", name);
        }
    }
}
END_TEST

/* Rows are arranged for all layers that read them. */
START_TEST(who_arranges_columns_multiplies_groups_of_every_type) {
    tl_kernels k;
    tl_level_flatten(usable_level(_i), &k);
    for (int t = 0; t < TL_N_DTYPES; t++) {
        const bool arranged = tl_cpu_arrange_of(&k, tl_cpu_prep_of((tl_dtype)t)) != NULL;
        ck_assert_msg(arranged == (k.grouped[t] != NULL), "level %s, %s", usable_level(_i)->name, tl_dtype_get((tl_dtype)t)->name);
    }
}
END_TEST

/* ---- levels ---- */

static const tl_level *level_like(tl_level *l, const char *name, const tl_level *base, const tl_kernels *k) {
    *l = (tl_level){name, base, NULL, k};
    return l;
}

START_TEST(a_level_inherits_what_it_lacks) {
    tl_kernels bottom, own = {.neg = {kernel_definitions.neg[0]}, .panel = {[TL_Q4_1] = kernel_definitions.panel[TL_Q4_1]}}, k;
    tl_level middle, top;
    const tl_level *scalar = tl_level_find("scalar");
    tl_level_flatten(scalar, &bottom);
    tl_level_flatten(level_like(&top, "top", level_like(&middle, "middle", scalar, NULL), &own), &k);
    ck_assert(k.neg[0] == kernel_definitions.neg[0] && k.abs[0] == bottom.abs[0]);
    ck_assert(k.panel[TL_Q4_1] == kernel_definitions.panel[TL_Q4_1] && k.panel[TL_Q4_0] == bottom.panel[TL_Q4_0] && !k.panel[TL_I32]);
}
END_TEST

START_TEST(a_kernel_is_named_after_the_level_that_provides_it) {
    tl_kernels own = {.neg = {kernel_definitions.neg[0]}, .panel = {[TL_Q4_1] = kernel_definitions.panel[TL_Q4_1]}};
    tl_kernel_names names;
    tl_level middle, top;
    tl_level_names(level_like(&top, "top", level_like(&middle, "middle", tl_level_find("scalar"), NULL), &own), &names);
    ck_assert_str_eq(names.neg[0], "top_neg");
    ck_assert_str_eq(names.abs[0], "scalar_abs");
    ck_assert_str_eq(names.panel[TL_Q4_1], "top_panel_q4_1");
    ck_assert_str_eq(names.panel[TL_Q4_0], "scalar_panel_q4_0");
    ck_assert_str_eq(names.panel[TL_I32], "");
}
END_TEST

START_TEST(levels_are_found_by_name_and_the_best_without) {
    for (int i = 0; usable_level(i); i++) {
        ck_assert_ptr_eq(tl_level_find(usable_level(i)->name), usable_level(i));
        if (!usable_level(i + 1))
            ck_assert_ptr_eq(tl_level_find(NULL), usable_level(i));
    }
    ck_assert_ptr_null(tl_level_find("mmx"));
    ck_assert_ptr_null(tl_cpu_level_name(-1));
}
END_TEST

/* ---- packed layouts ---- */

enum { WIDTH = 768, MOST_ROWS = 35, ROOM = 48 * WIDTH * 2 };

START_TEST(packed_rows_come_back_and_padding_is_zero) {
    for (int type = 0; type < TL_N_DTYPES; type++) {
        const tl_layout *layout = tl_cpu_layout_of((tl_dtype)type);
        const tl_dtype_info *info = tl_dtype_get((tl_dtype)type);
        size_t row = (size_t)(WIDTH / info->block * info->block_bytes);
        for (int n = 1; layout && n <= MOST_ROWS; n++) {
            static uint8_t stored[ROOM], packed[ROOM], back[ROOM], zero[ROOM];
            tl_tensor t = {.dtype = (tl_dtype)type, .rank = 2, .shape = {n, WIDTH}};
            size_t padded = (size_t)((n + TL_PANEL - 1) / TL_PANEL * TL_PANEL);
            ck_assert_uint_eq(layout->bytes(&t), padded * row);
            for (size_t i = 0; i < (size_t)n * row; i++)
                stored[i] = (uint8_t)(i * 167 + i / 251 + (size_t)n);
            memset(packed, 0, padded * row);
            memset(packed + padded * row, 0xA5, 64);
            for (int r = (n - 1) / TL_PANEL * TL_PANEL; r >= 0; r -= TL_PANEL) /* panel by panel, from the last */
                layout->pack(&t, r, r + TL_PANEL < n ? r + TL_PANEL : n, stored + (size_t)r * row, packed);
            for (int i = 0; i < 64; i++)
                ck_assert_uint_eq(packed[padded * row + (size_t)i], 0xA5);
            for (int a = 0; a < n; a++) { /* a cut from every row on */
                int b = a + 1 + a * 7 % (n - a);
                memset(back, 0xA5, sizeof back);
                layout->unpack_rows(&t, a, b, packed, back);
                ck_assert_mem_eq(back, stored + (size_t)a * row, (size_t)(b - a) * row);
                ck_assert_uint_eq(back[(size_t)(b - a) * row], 0xA5);
            }
            memset(back, 0, padded * row);
            for (int a = 0, b = 0; a < n; a = b) { /* pieces that begin and end anywhere */
                b = a + 1 + a * 5 % (n - a);
                layout->pack(&t, a, b, stored + (size_t)a * row, back);
            }
            ck_assert_mem_eq(back, packed, padded * row);
            t.shape[0] = (int64_t)padded;
            layout->unpack_rows(&t, n, (int64_t)padded, packed, back);
            ck_assert_mem_eq(back, zero, (padded - (size_t)n) * row);
        }
    }
}
END_TEST

static Suite *kernels_suite(void) {
    Suite *s = suite_create("kernels");
    TCase *kernels = tcase_create("kernels"), *tables = tcase_create("tables");
    int levels = 0;
    while (usable_level(levels))
        levels++;
    tcase_set_timeout(kernels, 600);
    tcase_add_loop_test(tables, who_arranges_columns_multiplies_groups_of_every_type, 0, levels);
    tcase_add_loop_test(kernels, every_kernel_keeps_to_its_definition, 0, levels * kernel_count());
    tcase_add_test(tables, every_weight_type_has_a_product);
    tcase_add_test(tables, a_level_inherits_what_it_lacks);
    tcase_add_test(tables, a_kernel_is_named_after_the_level_that_provides_it);
    tcase_add_test(tables, levels_are_found_by_name_and_the_best_without);
    tcase_add_test(tables, packed_rows_come_back_and_padding_is_zero);
    suite_add_tcase(s, kernels);
    suite_add_tcase(s, tables);
    return s;
}

static int run_as_test(void) {
    for (int l = 0; tl_cpu_level_name(l); l++)
        if (tl_cpu_level_lacks(l))
            printf("SKIP: level %s: %s\n", tl_cpu_level_name(l), tl_cpu_level_lacks(l));
    fflush(stdout);
    return run_suite(kernels_suite());
}

/* ---- as a tool ---- */

typedef struct wish {
    const char *level, *text;
    bool list, bench;
} wish;

static bool is_wanted(const wish *w, const tl_kernels *k, int i) {
    char name[64];
    return kernel_defined(i) && (kernel_given(k, i) || !kernel_optional(i)) &&
           (!w->text || strstr(kernel_name(i, name, sizeof name), w->text));
}

/* Checks the kernels of one level, and times them; false: one fails. */
static bool check_level(const wish *w, const tl_level *level) {
    char name[64], why[KERNEL_WHY];
    tl_kernels k;
    bool all = true;
    tl_level_flatten(level, &k);
    for (int i = 0; i < kernel_count(); i++) {
        if (!is_wanted(w, &k, i))
            continue;
        bool ok = kernel_check(&k, i, why);
        all = all && ok;
        printf("%-8s %-20s ", level->name, kernel_name(i, name, sizeof name));
        if (ok && w->bench) {
            kernel_speed s = kernel_time(&k, i);
            printf("%8.2f %8.2f %s\n", s.one, s.many, s.unit);
        } else {
            puts(ok ? "good" : why);
        }
        fflush(stdout);
    }
    return all;
}

static bool read_arguments(wish *w, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--list") == 0)
            w->list = true;
        else if (strcmp(argv[i], "--bench") == 0)
            w->bench = true;
        else if (strcmp(argv[i], "-l") == 0 && has_value)
            w->level = argv[++i];
        else if (strcmp(argv[i], "-c") == 0 && has_value)
            w->text = argv[++i];
        else
            return false;
    }
    return true;
}

static int run_as_tool(int argc, char **argv) {
    wish w = {0};
    char name[64];
    bool all = true, found = false;
    if (!read_arguments(&w, argc, argv)) {
        fprintf(stderr, "usage: %s [--list | --bench] [-l LEVEL] [-c TEXT]\n", argv[0]);
        return 2;
    }
    for (int i = 0; w.list && i < kernel_count(); i++)
        if (is_wanted(&w, &kernel_definitions, i))
            puts(kernel_name(i, name, sizeof name));
    for (int i = 0; !w.list && usable_level(i); i++)
        if (!w.level || strcmp(w.level, usable_level(i)->name) == 0) {
            all = check_level(&w, usable_level(i)) && all;
            found = true;
        }
    if (!w.list && !found)
        fprintf(stderr, "no level %s here\n", w.level);
    return all && (found || w.list) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    return argc > 1 ? run_as_tool(argc, argv) : run_as_test();
}
