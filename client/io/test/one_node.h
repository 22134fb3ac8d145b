/* A node on loopback with methods of the test's own, over real gRPC, and a client that knows no other. */
#ifndef SW_ONE_NODE_H
#define SW_ONE_NODE_H

#include "common/rpc.h"
#include "symwave/client.h"
#include <stdatomic.h>

struct one_node {
    struct sw_rpc_loop *loop;
    struct sw_rpc_server *server;
    atomic_int port; /* 0 until it is known: calls may come before the start has returned */
    char address[32];
    struct sw_client *client;
};

/* options may be NULL; their size is set here. Asserts that all goes well. */
void one_node_start(struct one_node *node, const struct sw_rpc_server_method *methods, size_t method_count,
                    const struct sw_client_options *options);
void one_node_stop(struct one_node *node);

#endif
