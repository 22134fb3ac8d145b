#include "client/io/test/one_node.h"
#include "symwave/node_list.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

void one_node_start(struct one_node *node, const struct sw_rpc_server_method *methods, size_t method_count,
                    const struct sw_client_options *options)
{
    const struct sw_rpc_server_options server_options = {.methods = methods, .method_count = method_count};
    struct sw_client_options own = options ? *options : (struct sw_client_options){0};
    struct sw_node_list *list = sw_node_list_new();
    int port;
    own.size = sizeof(own);
    assert_int_equal(sw_rpc_loop_new(&node->loop, NULL), SW_OK);
    assert_int_equal(sw_rpc_server_new(node->loop, "127.0.0.1:0", &server_options, &node->server, &port, NULL), SW_OK);
    atomic_store(&node->port, port);
    snprintf(node->address, sizeof(node->address), "127.0.0.1:%d", port);
    assert_int_equal(sw_node_list_add(list, "n0", node->address, NULL), SW_OK);
    assert_int_equal(sw_client_open(&own, list, &node->client, NULL), SW_OK);
    sw_node_list_free(list);
}

void one_node_stop(struct one_node *node)
{
    sw_client_close(node->client);
    sw_rpc_server_stop(node->server, 0);
    sw_rpc_server_free(node->server);
    sw_rpc_loop_free(node->loop);
}
