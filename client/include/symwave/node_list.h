/*
 * Node lists: which nodes there are and where they listen.
 *
 * A node's place among the keys is the BLAKE3-256 of its id, so ids must not change; addresses may.
 */
#ifndef SYMWAVE_NODE_LIST_H
#define SYMWAVE_NODE_LIST_H

#include "symwave/key.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SW_NODE_ID_BYTES_MAX        255
#define SW_NODE_ADDRESS_BYTES_MAX   255
#define SW_NODE_LIST_FILE_BYTES_MAX (256u << 20) /* room for a million nodes; a larger file is a mistake */

struct sw_node {
    const char *id;      /* 1 to 255 bytes, printable, no white space */
    const char *address; /* "host:port", "[v6]:port" or "unix:/path" */
    struct sw_key place; /* BLAKE3-256 of id */
};

/* A list of nodes with distinct ids. Not thread-safe while it is being filled; read-only use from any thread. */
struct sw_node_list;

/* An empty list, or NULL without memory. The caller frees it. */
SW_PUBLIC struct sw_node_list *sw_node_list_new(void);
SW_PUBLIC void sw_node_list_free(struct sw_node_list *list); /* NULL is allowed */

/*
 * Adds a node; both strings are copied. SW_INVALID_ARGUMENT where the id is empty, too long, has white space or control
 * characters, or is in the list already, or where the address is not of a form above; SW_NO_MEMORY.
 */
SW_PUBLIC enum sw_status sw_node_list_add(struct sw_node_list *list, const char *id, const char *address,
                                          struct sw_error *error);

/*
 * Reads a YAML file: "nodes:" with "- id: ..." and "address: host:port" for each. On success *list is the caller's to
 * free; on failure it is NULL and the error names the file and, where YAML is at fault, line and column.
 * SW_NOT_FOUND, SW_IO_ERROR, SW_INVALID_ARGUMENT, SW_NO_MEMORY. Blocks on the file.
 */
SW_PUBLIC enum sw_status sw_node_list_load(const char *path, struct sw_node_list **list, struct sw_error *error);

/* The same from memory; name stands for the file's in errors. */
SW_PUBLIC enum sw_status sw_node_list_parse(const char *text, size_t text_bytes, const char *name,
                                            struct sw_node_list **list, struct sw_error *error);

SW_PUBLIC size_t sw_node_list_count(const struct sw_node_list *list);

/* Whether a node with an id is in the list; if so its number goes to *index, which may be NULL. Does not block. */
SW_PUBLIC bool sw_node_list_find(const struct sw_node_list *list, const char *id, size_t *index);

/* Node number index, below the count; valid until the list is changed or freed. */
SW_PUBLIC const struct sw_node *sw_node_list_at(const struct sw_node_list *list, size_t index);

#ifdef __cplusplus
}
#endif

#endif
