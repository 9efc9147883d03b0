/* profile.c: adds up the steps of a plan's profile. Nodes are named after weights: in "blk.3.attn_q" 3 is the layer and attn_q the role. */
#include "tools/profile.h"

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

static void add(ProfileSum *sum, const tl_plan_profile_row *row) {
    sum->seconds += row->seconds;
    sum->ops += row->cost.ops;
    sum->bytes += row->cost.read + row->cost.written;
}

ProfileSum profile_sum(const tl_plan *p) {
    const tl_plan_profile_row *rows;
    int n = tl_plan_profile(p, &rows);
    ProfileSum sum = {0, 0, 0};
    for (int i = 0; i < n; i++)
        add(&sum, &rows[i]);
    return sum;
}

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

static Grouping make(const tl_plan *p, int by) {
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
        add(&g.group[k].sum, &rows[i]);
    }
    if (g.group)
        qsort(g.group, (size_t)g.n, sizeof *g.group, by == BY_LAYER ? by_layer : by_time);
    return g;
}

static double per_second(double amount, double seconds) {
    return seconds > 0 ? amount / seconds * 1e-9 : 0;
}

static void print_tables(const tl_plan *p, FILE *file) {
    static const char *const names[GROUPINGS] = {"<op", "<layer", "<role"};
    ProfileSum all = profile_sum(p);
    for (int by = 0; by < GROUPINGS; by++) {
        Grouping g = make(p, by);
        Table t = table_new(5, (const char *const[]){names[by], "ms", "%", "GB/s", "GOP/s"});
        for (int i = 0; i < g.n; i++) {
            const ProfileSum *sum = &g.group[i].sum;
            table_cell(&t, "%s", g.group[i].name);
            table_cell(&t, "%.2f", sum->seconds * 1e3);
            table_cell(&t, "%.1f", all.seconds > 0 ? sum->seconds / all.seconds * 100 : 0);
            table_cell(&t, "%.2f", per_second(sum->bytes, sum->seconds));
            table_cell(&t, "%.2f", per_second(sum->ops, sum->seconds));
        }
        fputc('\n', file);
        table_print(&t, file, false);
        free(g.group);
    }
    fprintf(file, "\nall steps: %.2f ms, %.2f GB/s, %.2f GOP/s\n", all.seconds * 1e3, per_second(all.bytes, all.seconds),
            per_second(all.ops, all.seconds));
}

void profile_json(const tl_plan *p, Json *j) {
    static const char *const names[GROUPINGS] = {"by_op", "by_layer", "by_role"};
    json_open(j, "profile", '{');
    for (int by = 0; by < GROUPINGS; by++) {
        Grouping g = make(p, by);
        json_open(j, names[by], '[');
        for (int i = 0; i < g.n; i++) {
            const ProfileSum *sum = &g.group[i].sum;
            json_flat(j, NULL, '{');
            json_string(j, "name", g.group[i].name);
            json_real(j, "ms", sum->seconds * 1e3, 6);
            json_real(j, "gb_s", per_second(sum->bytes, sum->seconds), 4);
            json_real(j, "gop_s", per_second(sum->ops, sum->seconds), 4);
            json_close(j, '}');
        }
        json_close(j, ']');
        free(g.group);
    }
    json_close(j, '}');
}

void profile_report(const tl_plan *p, const char *how) {
    if (!how)
        return;
    if (strcmp(how, "json") != 0) {
        print_tables(p, stderr);
        return;
    }
    Json j = json_on(stderr, false);
    json_open(&j, NULL, '{');
    profile_json(p, &j);
    json_close(&j, '}');
}
