/* demo_digest.h: what the demo model (SmolLM2-135M-Instruct, Q4_1) says, to the last bit, on every machine: made by the ref backend.
 * FNV-1a-64 over the little-endian f32 logits of every position of the text and then of each of the greedy steps after it, keys and
 * values in f16; the ids are those steps. `llama verify --digest` prints the same. A change here is a change of the arithmetic. */
#ifndef TALLY_TESTS_DEMO_DIGEST_H
#define TALLY_TESTS_DEMO_DIGEST_H

#include <stdint.h>

enum { DEMO_STEPS = 32 };
#define DEMO_DIGEST UINT64_C(0xb46ab92f9c2e0333)
static const char demo_text[] =
    "The quick brown fox jumps over the lazy dog. Tally counts every bit twice, once on each half of the stick.";
static const int32_t demo_ids[DEMO_STEPS] = {198, 198, 504, 2988, 314, 216, 34, 30, 2,    198, 1, 520, 9531, 198,  504, 2988,
                                             314, 216, 34,  30,   2,   198, 2,  1,  9690, 198, 2, 198, 1,    4093, 198, 57};

#endif
