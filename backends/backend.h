/* backend.h: opening backends by a spec string.
 *
 * A spec is a backend's name, or the name with options: "cpu", "cpu:isa=scalar,threads=4", "ref:threads=2". A bare level name of the cpu
 * backend ("scalar", "avx2") means "cpu:isa=NAME". NULL or "" is the default: cpu. The backends are the rows of backends.def; a row
 * that this build or machine lacks is an error that lists what there is. The interface that a backend implements is tl_backend_ops of
 * tensor/tensor.h. */
#ifndef TALLY_BACKEND_H
#define TALLY_BACKEND_H

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opens a backend; also checks that this build's float arithmetic keeps the promise of equal bits (contraction, denormals). */
TL_API tl_status tl_backend_open(tl_backend **be, const char *spec, tl_error *err);
/* After all plans, banks and models on it. Not in the child of a fork, which has none of the backend's threads, for which this waits: it opens
 * a backend of its own. */
TL_API void tl_backend_free(tl_backend *be);
/* Rows of backends.def: names and one-line help, i = 0 .. count - 1. */
TL_API int tl_backend_count(void);
TL_API const char *tl_backend_name(int i);
TL_API const char *tl_backend_help(int i);
/* Every spec that can be opened here, each backend and each ISA level of cpu: "ref", "cpu:isa=scalar", ...; NULL past the end. */
TL_API const char *tl_backend_openable(int i);
/* False for the spec of a backend whose results are near those of the others but not the same bits: blas, where this build has it. */
TL_API bool tl_backend_same_bits(const char *spec);
/* Levels of cpu that this CPU or build lacks, for a test's report; NULL past the end. */
TL_API const char *tl_backend_lacking(int i);
/* A sentence: backend, level, threads. Owned by the backend. */
TL_API const char *tl_backend_describe(tl_backend *be);
TL_API int tl_backend_threads(tl_backend *be);
/* Measures what the machine does at most on this backend: memory at the machine's best, arithmetic at the backend's level, the best of short
 * runs, on its threads, in a fraction of a second and with 96 MiB for the while. TL_ERR_UNSUPPORTED where the backend has no measure. */
TL_API tl_status tl_backend_peaks(tl_backend *be, tl_peaks *out, tl_error *err);

#ifdef __cplusplus
}
#endif
#endif
