/* cases.c: the list of cases: what the functions cases_NAME, one a row of ops.def, add. */
#include "tests/cases_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *copy_text(const char *s) {
    size_t n = strlen(s) + 1;
    char *copy = malloc(n);
    if (copy)
        memcpy(copy, s, n);
    return copy;
}

static bool name_is_new(const case_list *l, const char *name) {
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return false;
    return true;
}

static bool name_fits_op(const case_list *l, const char *name) {
    const char *op = tl_op_get(l->op)->name;
    size_t n = strlen(op);
    return strncmp(name, op, n) == 0 && name[n] == '/' && name[n + 1] != '\0';
}

static bool make_room(case_list *l) {
    if (l->n < l->room)
        return true;
    int room = l->room ? 2 * l->room : 256;
    case_item *items = realloc(l->items, (size_t)room * sizeof *items);
    if (!items)
        return false;
    l->items = items;
    l->room = room;
    return true;
}

void case_add(case_list *l, const char *name, void (*build)(case_env *e), const void *params, size_t bytes) {
    static char wrong[256];
    if (l->error)
        return;
    if (!name_fits_op(l, name) || !name_is_new(l, name)) {
        snprintf(wrong, sizeof wrong, "case '%s' of op %s: a name is OP/WHAT and occurs once", name, tl_op_get(l->op)->name);
        l->error = wrong;
        return;
    }
    case_item item = {copy_text(name), l->op, build, malloc(bytes + 1)};
    if (!item.name || !item.params || !make_room(l)) {
        free(item.name);
        free(item.params);
        l->error = "out of memory";
        return;
    }
    if (bytes)
        memcpy(item.params, params, bytes);
    l->items[l->n++] = item;
}

bool cases_collect(case_list *l) {
    static void (*const rows[])(case_list *) = {
#define TL_OP(ID, name, least, most, flags, work, writes, scratch, check, formula) cases_##name,
#include "ops/ops.def"
#undef TL_OP
    };
    memset(l, 0, sizeof *l);
    for (l->op = 0; l->op < TL_N_OPS; l->op++) {
        int before = l->n;
        rows[l->op](l);
        if (l->n == before && !l->error)
            l->error = "an op has no case: its function cases_NAME adds none";
        if (l->error)
            return false;
    }
    return true;
}

void cases_drop(case_list *l) {
    for (int i = 0; i < l->n; i++) {
        free(l->items[i].name);
        free(l->items[i].params);
    }
    free(l->items);
    memset(l, 0, sizeof *l);
}
