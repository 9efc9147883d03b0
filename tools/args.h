/* args.h: a parser of command lines that is driven by a table of options. It knows nothing of what the options mean; the table stands
 * in options.c and the fields that it fills in settings.h. */
#ifndef TOOLS_ARGS_H
#define TOOLS_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum OptionKind {
    OPTION_SET,     /* a bool becomes true */
    OPTION_CLEAR,   /* a bool becomes false */
    OPTION_INT,     /* an int64_t, lo .. hi */
    OPTION_FLOAT,   /* a double, lo .. hi */
    OPTION_TEXT,    /* a const char * */
    OPTION_CHOICE,  /* a const char *, one of `choices` */
    OPTION_MAYBE,   /* the same, and the word may be missing, which gives ""; a next argument that is none of the words is not taken */
    OPTION_EQUALS,  /* the same, and only --name=word gives a word */
    OPTION_LIST,    /* a TextList; may be given again and again */
    OPTION_IGNORED, /* accepted without effect; takes a value where `value` is set */
    OPTION_RESERVED /* the name of something that is not there yet: an error that says so */
} OptionKind;

enum { TEXT_LIST_MAX = 64 };
typedef struct TextList {
    const char *text[TEXT_LIST_MAX];
    int n;
} TextList;

typedef struct Option {
    unsigned commands; /* mask of the commands that take it */
    const char *names; /* "-m --model": short names first, aliases last */
    const char *value; /* what stands for the value in help texts: "FILE"; NULL for none */
    OptionKind kind;
    size_t field; /* offset in the struct that is filled */
    double lo, hi;
    const char *choices; /* words between blanks */
    const char *env;     /* a variable of the environment that gives the value where no argument does */
    const char *help;
} Option;

enum { OPTIONS_MAX = 160, POSITIONAL_MAX = 8 };
typedef struct Args {
    const Option *table;
    int n_options;
    unsigned command; /* bit in Option.commands */
    const char *command_name;
    void *fields;
    bool given[OPTIONS_MAX]; /* by argument or environment */
    const char *positional[POSITIONAL_MAX];
    int n_positional, most_positional;
    char error[400]; /* why parsing failed: a sentence */
} Args;

/* Reads argv[0 .. argc) into a->fields; false: a->error says why. */
bool args_parse(Args *a, int argc, char **argv);
/* Fields that no argument gave, from the environment. */
bool args_environment(Args *a);
/* Notes that an argument gave this field its value, so that no variable of the environment does. */
void args_mark(Args *a, size_t field);
/* Was an option given that fills this field? */
bool args_given(const Args *a, size_t field);
/* Prints the options of a command, a line or two each, to stdout. */
void args_help(const Option *table, int n, unsigned command);
/* The word of `words` (NULL at the end) that is nearest to a mistyped one; NULL where none is near. */
const char *nearest_word(const char *typed, const char *const *words);
/* The whole of text as a number lo .. hi; false otherwise. Without trailing bytes, NaN, infinities, overflow. */
bool parse_int(const char *text, int64_t lo, int64_t hi, int64_t *out);
bool parse_float(const char *text, double lo, double hi, double *out);

#endif
