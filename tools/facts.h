/* facts.h: what stands in a GGUF file, for people and for machines: keys, tensors, sums by type. */
#ifndef TOOLS_FACTS_H
#define TOOLS_FACTS_H

#include "models/model.h"
#include "tools/report.h"

/* Keys with their values, arrays cut unless `all`. */
void print_keys(const tl_gguf *g, bool all);
void json_keys(Json *j, const char *key, const tl_gguf *g, bool all);
/* All tensors: name, type, shape, offset, bytes. */
void print_tensors(const tl_gguf *g);
void json_tensors(Json *j, const char *key, const tl_gguf *g);
/* Count, elements and bytes by type. */
void print_types(const tl_gguf *g);
void json_types(Json *j, const char *key, const tl_gguf *g);
double tensor_elements(const tl_gguf_tensor *t);
const char *tensor_type(const tl_gguf_tensor *t);

#endif
