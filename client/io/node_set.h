/* Node sets: a node list as the client works with it. */
#ifndef SW_NODE_SET_H
#define SW_NODE_SET_H

#include "client/io/client_internal.h"

/*
 * Makes a set of a list, which is copied. Nodes that old (may be NULL) names with the same id and address keep their
 * connections. SW_INVALID_ARGUMENT (an empty list), SW_NO_MEMORY.
 */
enum sw_status sw_node_set_new(const struct sw_node_list *list, const struct node_set *old, struct node_set **set,
                               struct sw_error *error);

/* Whether two sets have the same nodes, where one was made with the other as old, or with one like it. */
bool sw_node_set_is_same(const struct node_set *a, const struct node_set *b);
/* Whether a set has the peer. */
bool sw_node_set_has(const struct node_set *set, const struct peer *peer);

/* Copies what is known of the nodes' health. Under the client's lock. */
void sw_node_set_take_health(struct node_set *set, const struct node_set *old);

/*
 * sw_client_node_statuses of any set: a table of as many as it has nodes, with strings that live as long as it does.
 * cancel may be NULL; SW_CANCELLED.
 */
enum sw_status sw_node_set_statuses(struct sw_client *client, struct node_set *nodes, uint32_t timeout_ms,
                                    struct sw_cancel *cancel, struct sw_node_status ***statuses,
                                    struct sw_error *error);

#endif
