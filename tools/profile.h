/* profile.h: where the time of a plan went, by op, by layer and by role, and how near it came to what memory and arithmetic allow. */
#ifndef TOOLS_PROFILE_H
#define TOOLS_PROFILE_H

#include "models/model.h"
#include "tools/report.h"

typedef struct ProfileSum {
    double seconds, ops, bytes;
    double memory, compute; /* seconds that the bytes, and that the operations, take at the machine's peak; 0: not measured */
    double least;           /* the larger of both, step by step */
} ProfileSum;

/* What the backend's machine can do at most: measured, which takes a fraction of a second; 0 where that is not wanted or the backend cannot. */
tl_peaks profile_peaks(tl_backend *be, bool wanted);
/* A line: "peaks: memory read 20.1 GB/s, ..." */
void profile_print_peaks(FILE *file, const tl_peaks *peaks);
void profile_json_peaks(Json *j, const tl_peaks *peaks);
/* Adds a row, whose arithmetic its kernel's name tells: one that ends in a type multiplies weights or keys of that type. */
void profile_add(ProfileSum *sum, const tl_plan_profile_row *row, const tl_peaks *peaks);
/* All rows of the profile so far. */
ProfileSum profile_sum(const tl_plan *p, const tl_peaks *peaks);
/* "memory" or "compute": what bounds it at best; "" where peaks are unknown or nothing was done. */
const char *profile_bound(const ProfileSum *sum);
/* How much of that bound is reached, in percent; NaN where peaks are unknown. More than 100: the data came from a cache. */
double profile_of_peak(const ProfileSum *sum);

/* On stderr, as --profile asks: NULL: nothing, "json": an object, else three tables. */
void profile_report(const tl_plan *p, const tl_peaks *peaks, const char *how);
/* The same as a member "profile" of an object: peaks, and lists by_op, by_layer, by_role. */
void profile_json(const tl_plan *p, const tl_peaks *peaks, Json *j);

#endif
