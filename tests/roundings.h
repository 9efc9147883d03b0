/* roundings.h: the rounding modes that a caller of the library may have set, the usual one first; the only one where there are no others. */
#ifndef TALLY_TESTS_ROUNDINGS_H
#define TALLY_TESTS_ROUNDINGS_H

#include <fenv.h>

static const int roundings[] = {
    FE_TONEAREST,
#ifdef FE_UPWARD
    FE_UPWARD,
    FE_DOWNWARD,
    FE_TOWARDZERO,
#endif
};
enum { N_ROUNDINGS = sizeof roundings / sizeof *roundings };

#endif
