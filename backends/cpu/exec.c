/* exec.c: runs a program: step after step, each over its tiles. Tiles stop early once the plan is cancelled. */
#include "backends/cpu/cpu.h"
#include "tensor/platform.h"

typedef struct tile_job {
    const cpu_step *step;
    cpu_run run;
} tile_job;

static void run_tile(void *arg, int64_t tile, int worker) {
    const tile_job *job = arg;
    if (!tl_plan_cancelled(job->run.plan))
        job->step->driver->run(job->step, &job->run, tile, tl_plan_worker(job->run.plan, worker));
}

tl_cost tl_cpu_step_cost(const cpu_step *s, const tl_plan *p) {
    const tl_tensor *node = s->linear ? s->linear : s->node;
    if (s->driver != &tl_cpu_driver_prep)
        return tl_cpu_cost(node, tl_plan_work(p, node));
    double rows = (double)tl_plan_rows(p, node), bytes = rows * (double)tl_dim(node, -1) * sizeof(float);
    return (tl_cost){bytes, bytes, rows * (double)s->prep_row};
}

static void add_cost(tl_cost *sum, tl_cost c) {
    sum->ops += c.ops;
    sum->read += c.read;
    sum->written += c.written;
}

/* Whether step i is the last that writes its node: attention has several. */
static bool completes(const cpu_program *p, int i) {
    const cpu_step *s = &p->steps[i], *next = s + 1;
    return s->driver != &tl_cpu_driver_prep && (i + 1 == p->n || next->node != s->node || next->driver == &tl_cpu_driver_prep);
}

tl_status tl_cpu_run(tl_backend *be, tl_plan *p, tl_error *err) {
    cpu_program *prog = p->impl;
    tile_job job = {NULL, {be->impl, p}};
    for (int i = 0; i < prog->n; i++) {
        cpu_step *s = &prog->steps[i];
        double start = p->options.profile ? tl_now() : 0;
        tl_status status = s->driver == &tl_cpu_driver_prep ? TL_OK : tl_plan_check_late(p, s->node, err);
        if (status)
            return status;
        if (s->buffer >= 0 && !s->address)
            s->address = tl_plan_address(p, s->buffer);
        int64_t tiles = s->driver->tiles(s, &job.run);
        job.step = s;
        if (tiles > 0)
            tl_pool_run(job.run.cpu->pool, run_tile, &job, tiles);
        if (tl_plan_cancelled(p))
            return TL_CANCELLED;
        p->steps[i].tiles = tiles;
        if (p->options.profile) {
            p->steps[i].seconds += tl_now() - start;
            if (tiles > 0 && s->driver != &tl_cpu_driver_join) /* the cost of a node that is cut stands with its parts */
                add_cost(&p->steps[i].done, tl_cpu_step_cost(s, p));
        }
        if (p->options.probe && completes(prog, i))
            p->options.probe(p->options.probe_ctx, p, s->node);
    }
    return tl_plan_cancelled(p) ? TL_CANCELLED : TL_OK;
}
