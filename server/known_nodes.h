/* The nodes that a node knows, from its own node list: whom FindNode tells of. */
#ifndef SW_SERVER_KNOWN_NODES_H
#define SW_SERVER_KNOWN_NODES_H

#include "symwave/node_list.h"

struct sw_known_nodes;

/* Of a node list's file; NULL: nobody. SW_NOT_FOUND, SW_IO_ERROR, SW_INVALID_ARGUMENT, SW_NO_MEMORY. */
enum sw_status sw_known_nodes_new(const char *path, struct sw_known_nodes **nodes, struct sw_error *error);
void sw_known_nodes_free(struct sw_known_nodes *nodes); /* NULL is allowed */
size_t sw_known_nodes_count(struct sw_known_nodes *nodes);
/* Takes over what other has, and frees that. From any thread. */
void sw_known_nodes_replace(struct sw_known_nodes *nodes, struct sw_known_nodes *other);

/*
 * Calls visit for each of the count nodes (at most SW_ROUTE_CANDIDATES_MAX) that are nearest to a target, nearest
 * first. visit must not come back here. From any thread.
 */
void sw_known_nodes_nearest(struct sw_known_nodes *nodes, const struct sw_key *target, uint32_t count,
                            void (*visit)(const struct sw_node *node, void *visit_data), void *visit_data);

#endif
