/* hparams.h: reading hyperparameters; shared by the files that load and build. */
#ifndef TALLY_HPARAMS_H
#define TALLY_HPARAMS_H

#include "models/arch.h"

/* Fills hp from g and finds the architecture. Every value is ranged. */
tl_status tl_hparams_read(const tl_gguf *g, tl_hparams *hp, const tl_arch **arch, tl_error *err);
int64_t tl_hparams_dim(const tl_hparams *hp, tl_dim_symbol d);

#endif
