/* unroll.h: UNROLL, before a loop that must be gone: its counter chooses registers and shifts. Under a sanitizer it stays, because with a check at each
 * access compilers take minutes for what is left of it. ROLLED, before a loop that clang must not unroll. */
#ifndef TALLY_CPU_UNROLL_H
#define TALLY_CPU_UNROLL_H

#if defined(__SANITIZE_ADDRESS__)
#define UNROLL
#elif defined(__clang__)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNROLL
#else
#define UNROLL _Pragma("clang loop unroll(full)")
#endif
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define ROLLED _Pragma("clang loop unroll(disable)")

#endif
