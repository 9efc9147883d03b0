/* gguf.h: what the files of the GGUF reader and writer share. Internal to the model layer.
 *
 *   gguf.c          the table of a file, from bytes: every check of the format but
 *   gguf_overlap.c  tensors that share bytes
 *   gguf_get.c      typed getters over an accepted table
 *   gguf_file.c     where the bytes come from: file, memory, callbacks; tensor data
 *   gguf_value.c    values, names and types as text
 *   gguf_index.c    names to numbers, hashed
 *   gguf_writer.c   files from keys and tensors */
#ifndef TALLY_GGUF_H
#define TALLY_GGUF_H

#include "models/model.h"
#include "tensor/platform.h"

#include <stdatomic.h>

/* ---- limits, shared by reader and writer ---- */
enum {
    TL_GGUF_HEADER = 24,     /* magic, version, two counts */
    TL_GGUF_KEY_MAX = 65535, /* bytes of a key */
    TL_GGUF_NAME_MAX = 64,   /* bytes of a tensor's name */
    TL_GGUF_DIMS_MAX = 4,
    TL_GGUF_ALIGN = 32, /* where general.alignment is absent */
    TL_GGUF_ALIGN_MAX = 65536,
    TL_GGUF_INDEX_MAX = 64 << 20, /* bytes that the reader allocates beside the table itself */
    TL_GGUF_MARK = 16             /* strings of an array between two remembered offsets */
};

/* A power of two that is a multiple of 8. */
static inline bool tl_gguf_align_ok(uint64_t a) {
    return a >= 8 && a <= TL_GGUF_ALIGN_MAX && (a & (a - 1)) == 0;
}

/* ---- little-endian loads and stores, any alignment ---- */
static inline uint64_t tl_load_le(const uint8_t *p, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}
static inline void tl_store_le(void *dst, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++)
        ((uint8_t *)dst)[i] = (uint8_t)(v >> (8 * i));
}

/* ---- gguf_index.c: an open-addressing table from names to entry numbers; the names' memory is the caller's ---- */
typedef struct tl_name_index {
    const char **name;      /* by entry */
    uint64_t *hash;         /* by entry: names are compared only where hashes are equal */
    uint32_t *slot;         /* entry + 1; 0: free */
    uint32_t n, cap, slots; /* slots is a power of two */
    uint64_t seed;
    atomic_ullong comparisons;
} tl_name_index;

uint64_t tl_name_hash(uint64_t seed, const void *name, size_t n);
/* Bytes that a table of n names takes; UINT64_MAX where n is beyond any table. */
uint64_t tl_index_bytes(uint64_t n);
/* Makes room for n names in all; the table is as it was on failure. */
tl_status tl_index_reserve(tl_name_index *x, uint64_t n, tl_error *err);
/* The entry of a name; -1 where absent. */
int64_t tl_index_find(const tl_name_index *x, const char *name, size_t n);
/* Adds a terminated name as entry x->n (there must be room) and returns -1; or returns the entry that has it already. */
int64_t tl_index_add(tl_name_index *x, const char *name, size_t n);
void tl_index_free(tl_name_index *x);

/* ---- gguf.c ---- */
typedef struct tl_gguf_key_entry {
    uint64_t value;     /* offset of the value, of an array's first element */
    uint64_t count;     /* elements of an array */
    uint64_t mark;      /* a string array: the first of its offsets in tl_gguf.marks */
    uint8_t type, elem; /* tl_gguf_type */
} tl_gguf_key_entry;

struct tl_gguf {
    const uint8_t *table; /* the first table_bytes bytes of the file: borrowed or owned */
    uint64_t table_bytes, file_bytes, data_offset, alignment;
    int version;
    tl_gguf_key_entry *keys;
    tl_gguf_tensor *tensors;
    tl_name_index key_index, tensor_index;
    char *names;         /* of keys and tensors, terminated */
    uint64_t *marks;     /* offset of every TL_GGUF_MARK-th string of the string arrays */
    uint8_t *owned;      /* a copy of the table, or NULL */
    const uint8_t *file; /* the whole file in memory, or NULL */
    tl_map map;
    tl_reader reader; /* read is NULL where there is none */
    char *path;       /* never NULL */
    char label[132];  /* the path, cut in front, for messages */
};

/* What messages call the file: its path, cut in front where it is long, or "GGUF data". */
static inline const char *tl_gguf_label(const tl_gguf *g) {
    return g->label;
}
/* An object without a table for a file of file_bytes bytes. path NULL: none. */
tl_status tl_gguf_new(tl_gguf **out, const char *path, uint64_t file_bytes, tl_error *err);
/* Reads the table of g from the first n bytes of its file, which g borrows from then on. TL_MORE: *want, and nothing was allocated. */
tl_status tl_gguf_read_table(tl_gguf *g, const uint8_t *bytes, size_t n, uint64_t *want, tl_error *err);
/* Bytes of a value of a fixed size; 0 for strings, arrays and unknown types. */
int tl_gguf_value_bytes(unsigned type);

/* ---- gguf_overlap.c ---- */
/* The placed tensors of g must not share bytes. */
tl_status tl_gguf_check_overlap(const tl_gguf *g, tl_error *err);

/* ---- gguf_get.c ---- */
/* String i of string array k. */
tl_gguf_string tl_gguf_string_of(const tl_gguf *g, const tl_gguf_key_entry *k, uint64_t i);
tl_gguf_string tl_gguf_string_at(const tl_gguf *g, uint64_t offset);
/* Floats as stored. */
double tl_gguf_float_at(const uint8_t *p, unsigned type);
/* Integers: the low 64 bits, sign-extended. */
uint64_t tl_gguf_int_at(const uint8_t *p, unsigned type);
bool tl_gguf_is_signed(unsigned type);

/* ---- gguf_value.c ---- */
const char *tl_gguf_value_type_name(unsigned type); /* "u32", "string" */
/* Elements and bytes a block of a GGUF tensor type, also of types that Tally lacks; false where unknown. */
bool tl_gguf_type_size(unsigned type, unsigned *block, unsigned *bytes);
/* The former name of a type that was taken out of the format, or NULL. */
const char *tl_gguf_type_removed(unsigned type);
/* Length of the printable UTF-8 character at s; 0: a control character or no UTF-8. */
size_t tl_printable_char(const uint8_t *s, size_t n);
/* Bytes for a message: what cannot be printed escaped, cut to the buffer with "...". Returns buf. */
const char *tl_show_bytes(const void *bytes, size_t n, char *buf, size_t size);

/* ---- bytes.c ---- */
/* Room for n more bytes and the terminator. */
tl_status tl_text_reserve(tl_text *t, size_t n, tl_error *err);

#endif
