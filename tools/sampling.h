/* sampling.h: the sampler that the settings ask for. */
#ifndef TOOLS_SAMPLING_H
#define TOOLS_SAMPLING_H

#include "tools/settings.h"

/* llama.cpp's defaults, then general.sampling.* of the file, then what the user gave. Returns 0 or an exit code after a message. */
int sampler_open(tl_sampler **sampler, const Settings *s, const tl_model *m, uint32_t *seed, bool *greedy);

#endif
