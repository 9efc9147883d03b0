/* ref.c: the judge: every node is one step that calls its op's reference over rows. It shares compile, pool and run with the cpu
 * backend and has neither kernels, packing nor fusion; threads cut rows only, so they cannot change a result. */
#include "backends/cpu/cpu.h"
#include "backends/internal.h"

static tl_status open_ref(tl_backend *be, const char *options, tl_error *err) {
    return tl_cpu_open(be, options, true, err);
}

static const tl_layout *layout(tl_backend *be, const tl_tensor *weight, unsigned uses) {
    (void)be;
    (void)weight;
    (void)uses;
    return NULL;
}

const tl_backend_ops tl_ref_ops = {
    .name = "ref",
    .help = "the definition of every result, slow; options threads=N, tile=OPERATIONS",
    .open = open_ref,
    .close = tl_cpu_close,
    .alloc = tl_cpu_alloc,
    .free = tl_cpu_free,
    .layout = layout,
    .compile = tl_cpu_compile,
    .drop = tl_cpu_drop,
    .run = tl_cpu_run,
    .describe = tl_cpu_describe,
    .threads = tl_cpu_threads,
    .peaks = tl_cpu_peaks,
};
