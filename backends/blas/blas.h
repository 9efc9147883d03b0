/* blas.h: the blas backend from inside: which steps of a cpu program its drivers (gemm.c) can take over, and the scratch that they need. */
#ifndef TALLY_BLAS_H
#define TALLY_BLAS_H

#include "backends/cpu/cpu.h"

extern const cpu_driver tl_blas_driver_linear, tl_blas_driver_matmul;

/* Where x has rows enough at its maximum, by cpu->blas_rows, and its rows are a matrix. */
bool tl_blas_linear_fits(const tl_cpu *cpu, const tl_tensor *linear);
size_t tl_blas_linear_scratch(const tl_cpu *cpu, const tl_tensor *linear);
bool tl_blas_matmul_fits(const tl_tensor *node);
size_t tl_blas_matmul_scratch(const tl_cpu *cpu, const tl_tensor *node);

#endif
