/* Lists of keys, from key files and from the command line. */
#ifndef SW_CLI_KEY_LIST_H
#define SW_CLI_KEY_LIST_H

#include "symwave/key.h"

struct key_list {
    struct sw_key *keys;
    size_t count;
    size_t capacity;
};

void key_list_clear(struct key_list *list);

/* Adds one key in any of its text forms. SW_INVALID_ARGUMENT, naming it; SW_NO_MEMORY. */
enum sw_status key_list_add(struct key_list *list, const char *text, struct sw_error *error);

/*
 * Adds the keys of a file, "-" for standard input: one a line, of which the first field counts, so that what `store`
 * prints will do; blank lines and lines that begin with '#' are passed over. SW_NOT_FOUND, SW_IO_ERROR,
 * SW_INVALID_ARGUMENT (the error names file, line and why), SW_NO_MEMORY.
 */
enum sw_status key_list_read(struct key_list *list, const char *path, struct sw_error *error);

/* How many different keys there are; 0 without memory. */
size_t key_list_distinct(const struct key_list *list);

#endif
