/*
 * A prefix of etcd as a list of nodes: under the prefix and a node's id its address, each under a lease of the node's.
 * By etcd's v3 gRPC API.
 *
 * Calls block, and are tried at one endpoint after the other, beginning with the one that answered last. One thread at
 * a time.
 */
#ifndef SW_ETCD_H
#define SW_ETCD_H

#include "common/tls_files.h"
#include "symwave/node_list.h"

#define SW_ETCD_PREFIX_DEFAULT "/symwave/nodes/"

struct sw_etcd;

/*
 * endpoints: addresses as in a node list, commas between; prefix NULL: the default. TLS where files has any, or tls is
 * set. All is copied or read. SW_INVALID_ARGUMENT, SW_NO_MEMORY, SW_IO_ERROR, and what sw_tls_load returns.
 */
enum sw_status sw_etcd_new(const char *endpoints, const char *prefix, bool tls, const struct sw_tls_files *files,
                           struct sw_etcd **etcd, struct sw_error *error);
void sw_etcd_free(struct sw_etcd *etcd); /* NULL is allowed */

/*
 * What is under the prefix, as a list for the caller to free, with the revision that it is of. Entries that are no node
 * are counted in *passed_over. An empty prefix gives an empty list. Takes a minute at most.
 */
enum sw_status sw_etcd_list(struct sw_etcd *etcd, struct sw_node_list **list, int64_t *revision, size_t *passed_over,
                            struct sw_error *error);

/*
 * Has changed called, on a thread of the library's, whenever something under the prefix has changed after a revision,
 * until the stream breaks, which is told by one more call. Where one is open, nothing is done.
 */
enum sw_status sw_etcd_watch(struct sw_etcd *etcd, int64_t revision, void (*changed)(void *user_data), void *user_data,
                             struct sw_error *error);
/* Whether the stream is open. */
bool sw_etcd_is_watching(struct sw_etcd *etcd);

/* Puts a node's address, under a new lease of so many seconds, for the caller to keep alive or to give back. */
enum sw_status sw_etcd_register(struct sw_etcd *etcd, const char *id, const char *address, uint32_t ttl_s,
                                int64_t *lease, struct sw_error *error);
/* Renews a lease. SW_NOT_FOUND where it has ended: the node is not registered any more. */
enum sw_status sw_etcd_keep_alive(struct sw_etcd *etcd, int64_t lease, struct sw_error *error);
/* Any thread: ends the call under way, and all later ones but sw_etcd_revoke, with SW_CANCELLED. */
void sw_etcd_stop(struct sw_etcd *etcd);
/* Ends a lease, and what was put under it goes. Takes three seconds at most, one at an endpoint. */
enum sw_status sw_etcd_revoke(struct sw_etcd *etcd, int64_t lease, struct sw_error *error);

#endif
