/* profile.c: adds up the steps of a plan's profile and holds them against the machine's peaks: a step takes at least the time that its bytes
 * take through memory, and the time that its operations take; the larger of both bounds it. Nodes are named after weights: in
 * "blk.3.attn_q" 3 is the layer and attn_q the role. */
#include "tools/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BY_OP, BY_LAYER, BY_ROLE, GROUPINGS };

typedef struct Group {
    char name[64];
    long order;
    ProfileSum sum;
} Group;
typedef struct Grouping {
    Group *group;
    int n;
} Grouping;

/* ---- peaks ---- */

tl_peaks profile_peaks(tl_backend *be, bool wanted) {
    tl_peaks peaks = {0};
    if (wanted)
        tl_backend_peaks(be, &peaks, NULL);
    return peaks;
}

/* Operations a second at most: of the arithmetic that belongs to the type at the end of the kernel's name (avx2_panel_q4_0). */
static double peak_of(const char *kernel, const tl_peaks *peaks) {
    size_t n = strlen(kernel);
    for (int t = 0; t < TL_N_DTYPES; t++) {
        const tl_dtype_info *type = tl_dtype_get((tl_dtype)t);
        size_t length = strlen(type->name);
        if (n <= length || kernel[n - length - 1] != '_' || strcmp(kernel + n - length, type->name) != 0)
            continue;
        if (type->kind == TL_KIND_HALF)
            return peaks->exact;
        if (type->kind != TL_KIND_FLOAT && type->kind != TL_KIND_INT)
            return peaks->int8;
    }
    return peaks->apart;
}

void profile_add(ProfileSum *sum, const tl_plan_profile_row *row, const tl_peaks *peaks) {
    double bytes = row->cost.read + row->cost.written, stream = peaks->read > peaks->triad ? peaks->read : peaks->triad;
    double arithmetic = peak_of(row->kernel, peaks);
    double memory = stream > 0 ? bytes / stream : 0, compute = arithmetic > 0 ? row->cost.ops / arithmetic : 0;
    sum->seconds += row->seconds;
    sum->ops += row->cost.ops;
    sum->bytes += bytes;
    sum->memory += memory;
    sum->compute += compute;
    sum->least += memory > compute ? memory : compute;
}

ProfileSum profile_sum(const tl_plan *p, const tl_peaks *peaks) {
    const tl_plan_profile_row *rows;
    int n = tl_plan_profile(p, &rows);
    ProfileSum sum = {0};
    for (int i = 0; i < n; i++)
        profile_add(&sum, &rows[i], peaks);
    return sum;
}

const char *profile_bound(const ProfileSum *sum) {
    return sum->least <= 0 ? "" : sum->memory >= sum->compute ? "memory" : "compute";
}

double profile_of_peak(const ProfileSum *sum) {
    return sum->least > 0 && sum->seconds > 0 ? sum->least / sum->seconds * 100 : NAN;
}

void profile_print_peaks(FILE *file, const tl_peaks *p) {
    fprintf(file, "peaks: memory read %.1f GB/s, triad %.1f GB/s; f32 %.1f GOP/s, f32 with exact products %.1f GOP/s, int8 %.1f GOP/s\n",
            p->read * 1e-9, p->triad * 1e-9, p->apart * 1e-9, p->exact * 1e-9, p->int8 * 1e-9);
}

void profile_json_peaks(Json *j, const tl_peaks *p) {
    json_flat(j, "peaks", '{');
    json_real(j, "read_gb_s", p->read * 1e-9, 4);
    json_real(j, "triad_gb_s", p->triad * 1e-9, 4);
    json_real(j, "f32_gop_s", p->apart * 1e-9, 4);
    json_real(j, "exact_gop_s", p->exact * 1e-9, 4);
    json_real(j, "int8_gop_s", p->int8 * 1e-9, 4);
    json_close(j, '}');
}

/* ---- by op, layer, role ---- */

/* The layer of a node (-1: none) and its role: 3 and "attn_q" of "blk.3.attn_q", 3 and "cache.k" of "cache.3.k". */
static long layer_of(const char *node, char *role, size_t n) {
    char *end;
    size_t head = strcspn(node, ".");
    snprintf(role, n, "%s", node);
    if (node[head] == 0 || node[head + 1] < '0' || node[head + 1] > '9')
        return -1;
    long layer = strtol(node + head + 1, &end, 10);
    if (*end != '.')
        return -1;
    if (head == 3 && strncmp(node, "blk", 3) == 0)
        snprintf(role, n, "%s", end + 1);
    else
        snprintf(role, n, "%.*s.%s", (int)head, node, end + 1);
    return layer;
}

static void key_of(int by, const tl_plan_profile_row *row, Group *key) {
    char role[64];
    long layer = layer_of(row->node, role, sizeof role);
    memset(key, 0, sizeof *key);
    if (by == BY_OP) {
        snprintf(key->name, sizeof key->name, "%s %s", row->op, row->kernel);
    } else if (by == BY_LAYER) {
        if (layer >= 0)
            snprintf(key->name, sizeof key->name, "%ld", layer);
        else
            snprintf(key->name, sizeof key->name, "outside");
        key->order = layer;
    } else {
        snprintf(key->name, sizeof key->name, "%s", *role ? role : row->op);
    }
}

static int by_time(const void *a, const void *b) {
    double x = ((const Group *)a)->sum.seconds, y = ((const Group *)b)->sum.seconds;
    return x < y ? 1 : x > y ? -1 : strcmp(((const Group *)a)->name, ((const Group *)b)->name);
}

static int by_layer(const void *a, const void *b) {
    long x = ((const Group *)a)->order, y = ((const Group *)b)->order;
    return (x > y) - (x < y);
}

static Grouping make(const tl_plan *p, int by, const tl_peaks *peaks) {
    const tl_plan_profile_row *rows;
    int n = tl_plan_profile(p, &rows);
    Grouping g = {malloc((size_t)(n + 1) * sizeof *g.group), 0};
    for (int i = 0; i < n && g.group; i++) {
        Group key;
        int k = 0;
        key_of(by, &rows[i], &key);
        while (k < g.n && strcmp(g.group[k].name, key.name) != 0)
            k++;
        if (k == g.n)
            g.group[g.n++] = key;
        profile_add(&g.group[k].sum, &rows[i], peaks);
    }
    if (g.group)
        qsort(g.group, (size_t)g.n, sizeof *g.group, by == BY_LAYER ? by_layer : by_time);
    return g;
}

static double per_second(double amount, double seconds) {
    return seconds > 0 ? amount / seconds * 1e-9 : 0;
}

static void print_tables(const tl_plan *p, const tl_peaks *peaks, FILE *file) {
    static const char *const names[GROUPINGS] = {"<op", "<layer", "<role"};
    ProfileSum all = profile_sum(p, peaks);
    bool known = all.least > 0;
    for (int by = 0; by < GROUPINGS; by++) {
        Grouping g = make(p, by, peaks);
        Table t = table_new(known ? 7 : 5, (const char *const[]){names[by], "ms", "%", "GB/s", "GOP/s", "% of peak", "<bound by"});
        for (int i = 0; i < g.n; i++) {
            const ProfileSum *sum = &g.group[i].sum;
            table_cell(&t, "%s", g.group[i].name);
            table_cell(&t, "%.2f", sum->seconds * 1e3);
            table_cell(&t, "%.1f", all.seconds > 0 ? sum->seconds / all.seconds * 100 : 0);
            table_cell(&t, "%.2f", per_second(sum->bytes, sum->seconds));
            table_cell(&t, "%.2f", per_second(sum->ops, sum->seconds));
            if (known && sum->least > 0 && sum->seconds > 0)
                table_cell(&t, "%.1f", profile_of_peak(sum));
            else if (known)
                table_cell(&t, "-");
            if (known)
                table_cell(&t, "%s", profile_bound(sum));
        }
        fputc('\n', file);
        table_print(&t, file, false);
        free(g.group);
    }
    fprintf(file, "\nall steps: %.2f ms, %.2f GB/s, %.2f GOP/s\n", all.seconds * 1e3, per_second(all.bytes, all.seconds),
            per_second(all.ops, all.seconds));
    if (known)
        profile_print_peaks(file, peaks);
}

void profile_json(const tl_plan *p, const tl_peaks *peaks, Json *j) {
    static const char *const names[GROUPINGS] = {"by_op", "by_layer", "by_role"};
    json_open(j, "profile", '{');
    if (profile_sum(p, peaks).least > 0)
        profile_json_peaks(j, peaks);
    for (int by = 0; by < GROUPINGS; by++) {
        Grouping g = make(p, by, peaks);
        json_open(j, names[by], '[');
        for (int i = 0; i < g.n; i++) {
            const ProfileSum *sum = &g.group[i].sum;
            json_flat(j, NULL, '{');
            json_string(j, "name", g.group[i].name);
            json_real(j, "ms", sum->seconds * 1e3, 6);
            json_real(j, "gb_s", per_second(sum->bytes, sum->seconds), 4);
            json_real(j, "gop_s", per_second(sum->ops, sum->seconds), 4);
            json_real(j, "of_peak", profile_of_peak(sum), 4);
            json_string(j, "bound", *profile_bound(sum) ? profile_bound(sum) : NULL);
            json_close(j, '}');
        }
        json_close(j, ']');
        free(g.group);
    }
    json_close(j, '}');
}

void profile_report(const tl_plan *p, const tl_peaks *peaks, const char *how) {
    if (!how)
        return;
    if (strcmp(how, "json") != 0) {
        print_tables(p, peaks, stderr);
        return;
    }
    Json j = json_on(stderr, false);
    json_open(&j, NULL, '{');
    profile_json(p, peaks, &j);
    json_close(&j, '}');
}
