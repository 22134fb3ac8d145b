/*
 * The nodes of a test: what nodes.c (their start and end, what is told to them) and the services (retrieve_service.c,
 * store_service.c) share.
 */
#ifndef SW_TESTING_NODES_H
#define SW_TESTING_NODES_H

#include "client/testing/values.h"
#include "common/pool.h"
#include "common/rpc.h"
#include "symwave/testing.h"
#include <pthread.h>

struct test_node {
    struct sw_test_nodes *nodes;
    uint32_t index;
    char id[16], address[32];
    struct sw_rpc_server *server;
    /* under the lock of all */
    struct sw_test_script script;
    struct sw_test_counts counts;
};

struct sw_test_nodes {
    pthread_mutex_t lock;
    struct sw_rpc_loop *loop;
    struct sw_pool *pool; /* for what comes later */
    struct test_values *values;
    uint32_t count;
    struct test_node node[SW_TEST_NODES_MAX];
};

/* The node's script as it is now. */
struct sw_test_script sw_test_node_script(struct test_node *node);
/* Ends a call as the script says. */
void sw_test_node_fail(const struct sw_test_script *script, struct sw_rpc_server_call *call);

extern const struct sw_rpc_server_handler sw_test_retrieve_handler;
extern const struct sw_rpc_server_handler sw_test_store_handler;
extern const struct sw_rpc_server_handler sw_test_info_handler;
extern const struct sw_rpc_server_handler sw_test_health_handler;

#endif
