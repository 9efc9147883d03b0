/* reference.c: the driver for nodes without a faster one: the op's reference over tiles of work rows. Complete by construction. */
#include "backends/cpu/cpu.h"

tl_cost tl_cpu_cost(const tl_tensor *node, int64_t rows) {
    tl_cost c = {0, 0, 0};
    if (node->op->cost) {
        node->op->cost(node, rows, &c);
        return c;
    }
    double share = (double)rows / (double)tl_rows(node->op->rows_of ? node->src[node->op->rows_of - 1] : node);
    for (int i = 0; i < node->n_src; i++)
        c.read += node->src[i] ? share * (double)tl_bytes(node->src[i]) : 0;
    c.written = share * (double)tl_bytes(node);
    return c;
}

static int64_t tile_rows(const cpu_step *s, const cpu_run *r, int64_t rows) {
    tl_cost c = tl_cpu_cost(s->node, rows);
    return tl_cpu_tile_rows(r->cpu, rows, rows > 0 ? (c.ops + (c.read + c.written) / 4) / (double)rows : 0);
}

int64_t tl_cpu_tiles(const cpu_step *s, const cpu_run *r) {
    int64_t rows = tl_plan_work(r->plan, s->node);
    if (rows <= 0)
        return 0;
    int64_t each = tile_rows(s, r, rows);
    return (rows + each - 1) / each;
}

void tl_cpu_tile(const cpu_step *s, const cpu_run *r, int64_t tile, int64_t *row0, int64_t *row1) {
    int64_t rows = tl_plan_work(r->plan, s->node), each = tile_rows(s, r, rows);
    *row0 = tile * each;
    *row1 = *row0 + each < rows ? *row0 + each : rows;
}

static void run(const cpu_step *s, const cpu_run *r, int64_t tile, void *scratch) {
    int64_t row0, row1;
    tl_cpu_tile(s, r, tile, &row0, &row1);
    s->node->op->ref(s->node, row0, row1, scratch);
}

const cpu_driver tl_cpu_driver_reference = {"reference", tl_cpu_tiles, run};
