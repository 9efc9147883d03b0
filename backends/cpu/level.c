/* level.c: the list of ISA levels, the choice among them, and inheritance between their tables. */
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "backends/cpu/kernels.h"
#include "backends/internal.h"
#include "tensor/platform.h"

/* ---- what this CPU has; the compiler's built-ins ask CPUID and, for wide registers, XCR0 ---- */

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
/* clang's built-in does not know this one: CPUID leaf 1, ECX bit 29. */
static bool has_f16c(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c >> 29 & 1;
}

const char *tl_cpu_lacks_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c() ? NULL : "this CPU lacks AVX2, FMA or F16C";
}

const char *tl_cpu_lacks_avx512(void) {
    __builtin_cpu_init();
    return !tl_cpu_lacks_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni")
               ? NULL
               : "this CPU lacks AVX-512 F, BW, DQ, VL or VNNI";
}
/* Neither compiler's built-in knows these everywhere: CPUID leaf 7, EDX bits 24 and 25; its subleaf 1, EAX bit 4. */
static bool has_tiles(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 3) == 3;
}

static bool has_avxvnni(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1;
}

const char *tl_cpu_lacks_avxvnni(void) {
    const char *lacks = tl_cpu_lacks_avx2();
    return lacks ? lacks : has_avxvnni() ? NULL : "this CPU lacks AVX-VNNI";
}

const char *tl_cpu_lacks_amx(void) {
    const char *lacks = tl_cpu_lacks_avx512();
    if (lacks)
        return lacks;
    if (!has_tiles())
        return "this CPU lacks AMX-TILE or AMX-INT8";
    return tl_cpu_has(TL_X86_TILES) ? NULL : "this system does not let the process use AMX";
}
#else
const char *tl_cpu_lacks_avx2(void) {
    return "this is no x86";
}

const char *tl_cpu_lacks_amx(void) {
    return "this is no x86";
}

const char *tl_cpu_lacks_avxvnni(void) {
    return "this is no x86";
}

const char *tl_cpu_lacks_avx512(void) {
    return "this is no x86";
}
#endif

const char *tl_cpu_lacks_dotprod(void) {
    return tl_cpu_has(TL_ARM_DOTPROD) ? NULL : "this CPU lacks the dot products of Armv8.2 (dotprod)";
}

const char *tl_cpu_lacks_i8mm(void) {
    const char *lacks = tl_cpu_lacks_dotprod();
    return lacks ? lacks : tl_cpu_has(TL_ARM_I8MM) ? NULL : "this CPU lacks the matrix products of Armv8.6 (i8mm)";
}

/* ---- the list ---- */

typedef struct level_row {
    const tl_level *level;
    const char *name, *spec;
} level_row;

static const level_row rows[] = {
#define TL_LEVEL(id, text) {&tl_level_##id, text, "cpu:isa=" text},
#include "backends/cpu/levels.def"
#undef TL_LEVEL
};
enum { N_LEVELS = sizeof rows / sizeof *rows };

const char *tl_cpu_level_name(int i) {
    return i >= 0 && i < N_LEVELS ? rows[i].name : NULL;
}

const char *tl_cpu_level_spec(int i) {
    return i >= 0 && i < N_LEVELS ? rows[i].spec : NULL;
}

const char *tl_cpu_level_lacks(int i) {
    const tl_level *l = rows[i].level;
    return !l->kernels ? "this build lacks it" : l->lacks ? l->lacks() : NULL;
}

const tl_level *tl_level_find(const char *name) {
    const tl_level *best = NULL;
    for (int i = 0; i < N_LEVELS; i++)
        if (name ? strcmp(rows[i].name, name) == 0 : !tl_cpu_level_lacks(i))
            best = rows[i].level;
    return best;
}

void tl_level_flatten(const tl_level *l, tl_kernels *out) {
    memset(out, 0, sizeof *out);
    for (; l; l = l->base) {
        if (!l->kernels)
            continue;
#define TL_KERNEL(name, type, entries)  \
    for (int i = 0; i < (entries); i++) \
        if (!out->name[i])              \
            out->name[i] = l->kernels->name[i];
#include "backends/cpu/kernels.def"
#undef TL_KERNEL
    }
}

static void put_name(char *out, const tl_level *l, const char *slot, int entries, int entry) {
    const char *type = entries > 1 ? tl_dtype_get((tl_dtype)entry)->name : "";
    if (!*out)
        snprintf(out, TL_KERNEL_NAME, "%s_%s%s%s", l->name, slot, *type ? "_" : "", type);
}

void tl_level_names(const tl_level *l, tl_kernel_names *out) {
    memset(out, 0, sizeof *out);
    for (; l; l = l->base) {
        if (!l->kernels)
            continue;
#define TL_KERNEL(name, type, entries)  \
    for (int i = 0; i < (entries); i++) \
        if (l->kernels->name[i])        \
            put_name(out->name[i], l, #name, entries, i);
#include "backends/cpu/kernels.def"
#undef TL_KERNEL
    }
}
