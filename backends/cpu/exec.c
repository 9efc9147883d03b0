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

/* The share of a node's cost that one run at the current sizes has. */
static void add_cost(tl_plan_step *out, const cpu_step *s, const cpu_run *r) {
    tl_cost c = {0, 0, 0};
    const tl_tensor *node = s->linear ? s->linear : s->node;
    if (s->driver == &tl_cpu_driver_prep) {
        double bytes = (double)tl_plan_rows(r->plan, node) * (double)tl_dim(node, -1) * 4;
        c = (tl_cost){bytes, bytes, (double)tl_plan_rows(r->plan, node) * (double)s->prep_row};
    } else {
        c = tl_cpu_cost(node, tl_plan_work(r->plan, node));
    }
    out->done.ops += c.ops;
    out->done.read += c.read;
    out->done.written += c.written;
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
                add_cost(&p->steps[i], s, &job.run);
        }
        if (p->options.probe && completes(prog, i))
            p->options.probe(p->options.probe_ctx, p, s->node);
    }
    return tl_plan_cancelled(p) ? TL_CANCELLED : TL_OK;
}
