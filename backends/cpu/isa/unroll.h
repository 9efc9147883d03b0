/* unroll.h: UNROLL, before a loop that must be gone: its counter chooses registers and shifts. */
#ifndef TALLY_CPU_UNROLL_H
#define TALLY_CPU_UNROLL_H

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#endif
