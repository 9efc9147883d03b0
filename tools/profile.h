/* profile.h: where the time of a plan went, by op, by layer and by role. */
#ifndef TOOLS_PROFILE_H
#define TOOLS_PROFILE_H

#include "models/model.h"
#include "tools/report.h"

typedef struct ProfileSum { double seconds, ops, bytes; } ProfileSum;

/* All rows of the profile so far. */
ProfileSum profile_sum(const tl_plan *p);
/* Three tables; nothing without a profile. */
void profile_print(const tl_plan *p, FILE *file);
/* The same as a member "profile" of an object: lists by_op, by_layer, by_role. */
void profile_json(const tl_plan *p, Json *j);

#endif
