/* kernels.c: the list of kernels, made from kernels.def: names, checkers and timers by signature. */
#include "tests/support/kernels.h"

#include <stdio.h>
#include <string.h>

#include "tensor/platform.h"

typedef struct slot {
    const char *name;
    int entries;
    bool optional;
    kernel_fn (*of)(const tl_kernels *k, int entry);
    bool (*check)(kernel_job *j);
    kernel_speed (*time)(const tl_kernels *k, int entry);
} slot;

#define TL_KERNEL(name, type, entries)                                \
    static kernel_fn of_##name(const tl_kernels *k, int entry) {      \
        return (kernel_fn)k->name[entry];                             \
    }                                                                 \
    static kernel_speed time_##name(const tl_kernels *k, int entry) { \
        return time_##type((tl_dtype)entry, k->name[entry]);          \
    }
#include "backends/cpu/kernels.def"
#undef TL_KERNEL

static const slot slots[] = {
#define TL_KERNEL(name, type, entries) {#name, entries, false, of_##name, check_##type, time_##name},
#define TL_OPTIONAL_KERNEL(name, type, entries) {#name, entries, true, of_##name, check_##type, time_##name},
#include "backends/cpu/kernels.def"
#undef TL_KERNEL
};
enum { N_SLOTS = sizeof slots / sizeof *slots };

int kernel_count(void) {
    int n = 0;
    for (int s = 0; s < N_SLOTS; s++)
        n += slots[s].entries;
    return n;
}

/* The slot of kernel i, and its entry. */
static const slot *slot_of(int i, int *entry) {
    const slot *s = slots;
    for (; i >= s->entries; s++)
        i -= s->entries;
    *entry = i;
    return s;
}

const char *kernel_name(int i, char *buf, size_t bytes) {
    int entry;
    const slot *s = slot_of(i, &entry);
    snprintf(buf, bytes, "%s%s%s", s->name, s->entries > 1 ? "/" : "", s->entries > 1 ? tl_dtype_get((tl_dtype)entry)->name : "");
    return buf;
}

int kernel_find(const char *name) {
    char buf[64];
    for (int i = 0; i < kernel_count(); i++)
        if (strcmp(kernel_name(i, buf, sizeof buf), name) == 0)
            return i;
    return -1;
}

bool kernel_given(const tl_kernels *k, int i) {
    int entry;
    const slot *s = slot_of(i, &entry);
    return s->of(k, entry) != NULL;
}

bool kernel_defined(int i) {
    return kernel_given(&kernel_definitions, i);
}

bool kernel_optional(int i) {
    int entry;
    return slot_of(i, &entry)->optional;
}

bool kernel_check(const tl_kernels *k, int i, char why[KERNEL_WHY]) {
    int entry;
    const slot *s = slot_of(i, &entry);
    char name[64];
    kernel_job j = {.name = kernel_name(i, name, sizeof name), .type = (tl_dtype)entry, .why = why};
    j.fn = s->of(k, entry);
    j.want = s->of(&kernel_definitions, entry);
    kernel_says(&j, "the table");
    if (!j.fn != !j.want && (j.fn || !s->optional))
        return kernel_fails(&j, j.fn ? "the level has a kernel that has no definition" : "the level neither has nor inherits this kernel");
    uint64_t environment = tl_float_enter();
    bool ok = !j.fn || s->check(&j);
    tl_float_leave(environment);
    return ok;
}

kernel_speed kernel_time(const tl_kernels *k, int i) {
    int entry;
    const slot *s = slot_of(i, &entry);
    return s->time(k, entry);
}
