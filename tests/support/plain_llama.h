/* plain_llama.h: the Llama model in plain loops and double precision, for tests: written from the paper and from the description of
 * the GGUF format's conventions, sharing nothing with the library but the weights' values. */
#ifndef TALLY_TESTS_PLAIN_LLAMA_H
#define TALLY_TESTS_PLAIN_LLAMA_H

#include "tests/support/tiny_llama.h"

/* Logits [n, n_vocab] of every position of ids [n], and the rows after the final norm [n, n_embd] where hidden is not NULL. */
void plain_llama(const tiny_model *m, const int32_t *ids, int n, double *logits, double *hidden);

#endif
