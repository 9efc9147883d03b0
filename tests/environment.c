/* environment.c: linked into every test program. Before main it puts the process into the surroundings that tests/environment.sh
 * asks for: a locale with a decimal comma (TALLY_TEST_LOCALE), flushed denormals or another rounding (TALLY_TEST_FLOAT: flush,
 * up, down, zero, flush-up). The library has to give the same bits in all of them. Without the variables it does nothing. */
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rounding control as x86 numbers it; Arm's FPCR has up and down exchanged. */
enum { ROUND_NEAREST, ROUND_DOWN, ROUND_UP, ROUND_ZERO };

static int set_float_mode(int rounding, int flush) {
#if defined(__x86_64__) || defined(__i386__)
    unsigned mode = 0x1F80u | (unsigned)rounding << 13 | (flush ? 0x8040u : 0);
    __builtin_ia32_ldmxcsr(mode);
    return 1;
#elif defined(__aarch64__)
    static const uint64_t arm[] = {0, 2, 1, 3};
    uint64_t mode = arm[rounding] << 22 | (flush ? UINT64_C(1) << 24 : 0);
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
    return 1;
#else
    (void)rounding;
    (void)flush;
    return 0;
#endif
}

static void enter_environment(void) __attribute__((constructor));
static void enter_environment(void) {
    const char *name = getenv("TALLY_TEST_LOCALE");
    if (name && !setlocale(LC_ALL, name)) {
        fprintf(stderr, "TALLY_TEST_LOCALE: this system has no locale '%s'\n", name);
        exit(EXIT_FAILURE);
    }
    name = getenv("TALLY_TEST_FLOAT");
    if (!name)
        return;
    static const struct {
        const char *name;
        int rounding, flush;
    } modes[] = {
        {"flush", ROUND_NEAREST, 1}, {"up", ROUND_UP, 0}, {"down", ROUND_DOWN, 0}, {"zero", ROUND_ZERO, 0}, {"flush-up", ROUND_UP, 1}};
    size_t i = 0;
    while (i < sizeof modes / sizeof *modes && strcmp(name, modes[i].name) != 0)
        i++;
    if (i == sizeof modes / sizeof *modes || !set_float_mode(modes[i].rounding, modes[i].flush)) {
        fprintf(stderr, "TALLY_TEST_FLOAT: '%s' is none of flush, up, down, zero, flush-up, or this processor has no such mode\n", name);
        exit(EXIT_FAILURE);
    }
}
