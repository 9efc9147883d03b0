/* peaks.c: what this machine can do at most, measured: bytes a second through memory, operations a second in registers, on the backend's
 * own threads. It is what profiles and benches compare with. A tile is short and there are many, so that every thread is at work. Each figure is
 * the best of some short rounds, because other programs only ever slow one down, and all of it takes a fraction of a second. */
#include "backends/cpu/cpu.h"
#include "tensor/platform.h"

enum {
    ROUNDS = 7,
    STREAM = 8 << 20, /* floats of each of the three arrays: together three times a cache of 32 MiB */
    STREAM_TILE = 1 << 16,
    STREAM_TILES = STREAM / STREAM_TILE,
    STEPS = 4096, /* of a tile of arithmetic: 10 to 100 microseconds */
    X_STEPS = 1024,
    X_TIMES = 4 /* the same bytes again */
};
#define ROUND_SECONDS 0.004

typedef struct measure {
    const tl_kernels *arithmetic, *memory;
    float *stream; /* [3][STREAM] */
    uint8_t u[4 * TL_PEAK_LANES];
    int8_t x[4 * X_STEPS];
} measure;

static void fill(void *arg, int64_t tile, int worker) {
    float *x = ((measure *)arg)->stream + tile * STREAM_TILE;
    (void)worker;
    for (int64_t i = 0; i < STREAM_TILE; i++)
        x[i] = 1;
}

static void read_all(void *arg, int64_t tile, int worker) {
    const measure *m = arg;
    float lanes[TL_PEAK_BLOCK] = {0};
    (void)worker;
    m->memory->peak_read[0](lanes, m->stream + tile * STREAM_TILE, STREAM_TILE);
}

static void triad(void *arg, int64_t tile, int worker) {
    const measure *m = arg;
    float *y = m->stream + tile * STREAM_TILE;
    (void)worker;
    m->memory->peak_triad[0](y, y + STREAM, y + 2 * STREAM, 0.5f, STREAM_TILE);
}

static void apart(void *arg, int64_t tile, int worker) {
    float lanes[TL_PEAK_LANES] = {0};
    (void)tile;
    (void)worker;
    ((const measure *)arg)->arithmetic->peak_apart[0](lanes, 0.5f, 1, STEPS);
}

static void exact(void *arg, int64_t tile, int worker) {
    float lanes[TL_PEAK_LANES] = {0};
    (void)tile;
    (void)worker;
    ((const measure *)arg)->arithmetic->peak_exact[0](lanes, 0.5f, 1, STEPS);
}

static void int8(void *arg, int64_t tile, int worker) {
    const measure *m = arg;
    (void)tile;
    (void)worker;
    for (int i = 0; i < X_TIMES; i++) {
        int32_t sums[TL_PEAK_LANES] = {0};
        m->arithmetic->peak_int8[0](sums, m->u, m->x, X_STEPS);
    }
}

static double seconds_of(const tl_cpu *c, measure *m, tl_pool_fn fn, int64_t tiles) {
    double start = tl_now();
    tl_pool_run(c->pool, fn, m, tiles);
    double seconds = tl_now() - start;
    return seconds > 1e-9 ? seconds : 1e-9;
}

/* Tiles a second in the best round. tiles 0: as many as a round has time for. */
static double tile_rate(const tl_cpu *c, measure *m, tl_pool_fn fn, int64_t tiles) {
    double best = seconds_of(c, m, fn, tiles ? tiles : c->threads);
    if (tiles == 0) {
        tiles = c->threads * (1 + (int64_t)(ROUND_SECONDS / best));
        best = seconds_of(c, m, fn, tiles);
    }
    for (int i = 1; i < ROUNDS; i++) {
        double now = seconds_of(c, m, fn, tiles);
        best = now < best ? now : best;
    }
    return (double)tiles / best;
}

tl_status tl_cpu_peaks(tl_backend *be, tl_peaks *out, tl_error *err) {
    const tl_cpu *c = be->impl;
    const size_t bytes = 3 * (size_t)STREAM * sizeof(float);
    const double tile_bytes = (double)STREAM_TILE * sizeof(float), steps = 2.0 * STEPS * TL_PEAK_LANES;
    const double dots = 8.0 * X_TIMES * X_STEPS * TL_PEAK_LANES;
    tl_kernels own, best;
    /* memory is the machine's, whatever the level; the ref backend has no level and is compared with the lowest */
    tl_level_flatten(c->reference ? tl_level_find("scalar") : c->level, &own);
    tl_level_flatten(tl_level_find(NULL), &best);
    measure m = {.arithmetic = &own, .memory = &best, .stream = tl_alloc_aligned(bytes)};
    for (size_t i = 0; i < sizeof m.u; i++)
        m.u[i] = (uint8_t)(i % 16);
    for (size_t i = 0; i < sizeof m.x; i++)
        m.x[i] = (int8_t)(i % 127);
    if (!m.stream)
        return tl_fail(err, TL_ERR_MEMORY, "peaks: out of memory for %llu bytes to stream through", (unsigned long long)bytes);
    tl_mutex_lock(be->lock);
    tl_pool_run(c->pool, fill, &m, 3 * STREAM_TILES); /* memory that was never written has no pages of its own */
    out->read = tile_rate(c, &m, read_all, 3 * STREAM_TILES) * tile_bytes;
    out->triad = tile_rate(c, &m, triad, STREAM_TILES) * 3 * tile_bytes;
    out->apart = tile_rate(c, &m, apart, 0) * steps;
    out->exact = tile_rate(c, &m, exact, 0) * steps;
    out->int8 = tile_rate(c, &m, int8, 0) * dots;
    tl_mutex_unlock(be->lock);
    tl_free_aligned(m.stream, bytes);
    return TL_OK;
}
