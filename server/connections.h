/*
 * How many connections a node has, in all and from one address. gRPC 1.51 has no bound for that, so this file's accept4
 * and close stand before libc's: it counts what is accepted on the node's port, and closes what is one too many.
 *
 * Nor has it one for calls that are begun and cancelled at once, which hold a place among calls for a moment only, and
 * can come faster than they are cleared away (CVE-2023-44487): a connection that cancels too many is closed.
 */
#ifndef SW_SERVER_CONNECTIONS_H
#define SW_SERVER_CONNECTIONS_H

#include "common/log.h"
#include <stdint.h>

struct sw_connections {
    uint64_t open, accepted, refused;
    uint64_t broken; /* closed for what their clients did */
};

/* Bounds connections to a TCP port of this process; from now on, or anew. logger is kept. */
void sw_connections_bound(int port, uint64_t connections_max, uint64_t peer_connections_max,
                          const struct sw_logger *logger);
/* Counts no more. The logger may go. */
void sw_connections_unbound(void);
/*
 * A call has ended that its client had cancelled before anything was sent to it. peer as sw_rpc_server_peer has it.
 * Closes its connection when there are more of them than a client that means well comes to. Any thread; does not block.
 */
void sw_connections_cancelled(const char *peer);

/* What has been counted; zeros where this build cannot count. */
struct sw_connections sw_connections_counts(void);

/* As many connections as the process's descriptors have room for beside the store's files, at most connections_max. */
uint64_t sw_connections_possible(uint64_t connections_max);

#endif
