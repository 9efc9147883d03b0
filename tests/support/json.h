/* json.h: a small JSON reader for reference files in tests: the whole document as a tree. Strict enough for files that we made ourselves:
 * objects, arrays, strings with all escapes (surrogate pairs too), numbers, true, false, null. */
#ifndef TALLY_TESTS_JSON_H
#define TALLY_TESTS_JSON_H

#include <stdbool.h>
#include <stddef.h>

typedef enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_type;

typedef struct json {
    json_type type;
    bool boolean;
    double number;
    char *string;      /* UTF-8, terminated; length may be beyond a \u0000 */
    size_t length;     /* bytes of the string */
    size_t count;      /* items of an array or object */
    struct json *item; /* [count] */
    char **key;        /* [count] of an object */
} json;

/* The document in text [n bytes]; NULL where it is no JSON (or memory is out). */
json *json_parse(const char *text, size_t n);
/* The document in a file; NULL where it cannot be read or is no JSON. */
json *json_load(const char *path);
void json_free(json *doc);
/* A member of an object, or NULL. */
const json *json_get(const json *object, const char *key);
/* A whole file, terminated by a 0 beyond n; NULL where it cannot be read. The caller frees it. */
char *read_whole_file(const char *path, size_t *n);

#endif
