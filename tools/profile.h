/* profile.h: where the time of a plan went, by op, by layer and by role. */
#ifndef TOOLS_PROFILE_H
#define TOOLS_PROFILE_H

#include "models/model.h"
#include "tools/report.h"

typedef struct ProfileSum {
    double seconds, ops, bytes;
} ProfileSum;

/* All rows of the profile so far. */
ProfileSum profile_sum(const tl_plan *p);
/* On stderr, as --profile asks: NULL: nothing, "json": an object, else three tables. */
void profile_report(const tl_plan *p, const char *how);
/* The same as a member "profile" of an object: lists by_op, by_layer, by_role. */
void profile_json(const tl_plan *p, Json *j);

#endif
