/* The nodes of a test: their start and end, and what is told to them. */
#include "client/testing/nodes.h"
#include "common/memory.h"
#include <string.h>

/* A StoreBatch message has a few symbols, each as large as a client may send. */
#define MESSAGE_BYTES_MAX ((size_t)64 << 20)

struct sw_test_script sw_test_node_script(struct test_node *node)
{
    pthread_mutex_lock(&node->nodes->lock);
    struct sw_test_script script = node->script;
    pthread_mutex_unlock(&node->nodes->lock);
    return script;
}

void sw_test_node_fail(const struct sw_test_script *script, struct sw_rpc_server_call *call)
{
    enum sw_status status = script->status == SW_OK ? SW_UNAVAILABLE : script->status;
    if (script->pushback_ms > 0)
        sw_rpc_server_set_pushback(call, script->pushback_ms);
    sw_rpc_server_finish(call, NULL, sw_rpc_code_from_status(status), "the test has this node fail");
}

/* Bits of a node, or of all; 0 where there is none. */
static uint64_t mask_of(const struct sw_test_nodes *nodes, uint32_t node)
{
    if (node == SW_TEST_EVERY_NODE)
        return UINT64_MAX;
    return node < nodes->count ? (uint64_t)1 << node : 0;
}

static enum sw_status start_node(struct sw_test_nodes *nodes, uint32_t index, struct sw_error *error)
{
    struct test_node *node = &nodes->node[index];
    const struct sw_rpc_server_method methods[] = {
        {.path = "/symwave.v1.SymbolStore/RetrieveBatch", .handler = &sw_test_retrieve_handler, .service = node},
        {.path = "/symwave.v1.SymbolStore/StoreBatch",
         .client_streams = true,
         .handler = &sw_test_store_handler,
         .service = node},
        {.path = "/symwave.v1.SymbolStore/GetNodeInfo", .handler = &sw_test_info_handler, .service = node},
        {.path = "/grpc.health.v1.Health/Check", .handler = &sw_test_health_handler, .service = node},
    };
    const struct sw_rpc_server_options options = {.methods = methods,
                                                  .method_count = sizeof(methods) / sizeof(methods[0]),
                                                  .message_bytes_max = MESSAGE_BYTES_MAX};
    int port = 0;
    node->nodes = nodes;
    node->index = index;
    snprintf(node->id, sizeof(node->id), "node-%u", index);
    enum sw_status status = sw_rpc_server_new(nodes->loop, "127.0.0.1:0", &options, &node->server, &port, error);
    snprintf(node->address, sizeof(node->address), "127.0.0.1:%d", port);
    nodes->count += status == SW_OK;
    return status;
}

enum sw_status sw_test_nodes_start(uint32_t count, struct sw_test_nodes **nodes, struct sw_error *error)
{
    *nodes = NULL;
    if (count < 1 || count > SW_TEST_NODES_MAX)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%u nodes: a test has 1 to %d", count, SW_TEST_NODES_MAX);
    struct sw_test_nodes *self = sw_calloc(1, sizeof(*self));
    if (!self)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for nodes");
    pthread_mutex_init(&self->lock, NULL);
    self->values = sw_test_values_new();
    enum sw_status status = self->values ? SW_OK : sw_error_set(error, SW_NO_MEMORY, "no memory for nodes");
    if (status == SW_OK)
        status = sw_pool_new(1, "test-nodes", &self->pool, error);
    if (status == SW_OK)
        status = sw_rpc_loop_new(&self->loop, error);
    for (uint32_t i = 0; i < count && status == SW_OK; i++)
        status = start_node(self, i, error);
    if (status != SW_OK) {
        sw_test_nodes_stop(self);
        return status;
    }
    *nodes = self;
    return SW_OK;
}

void sw_test_nodes_stop(struct sw_test_nodes *nodes)
{
    if (!nodes)
        return;
    for (uint32_t i = 0; i < nodes->count; i++) {
        sw_rpc_server_stop(nodes->node[i].server, 0);
        sw_rpc_server_free(nodes->node[i].server);
    }
    sw_pool_free(nodes->pool);
    sw_rpc_loop_free(nodes->loop);
    sw_test_values_free(nodes->values);
    pthread_mutex_destroy(&nodes->lock);
    sw_free(nodes);
}

struct sw_node_list *sw_test_nodes_list(const struct sw_test_nodes *nodes)
{
    struct sw_node_list *list = sw_node_list_new();
    for (uint32_t i = 0; list && i < nodes->count; i++)
        if (sw_node_list_add(list, nodes->node[i].id, nodes->node[i].address, NULL) != SW_OK) {
            sw_node_list_free(list);
            return NULL;
        }
    return list;
}

enum sw_status sw_test_nodes_script(struct sw_test_nodes *nodes, uint32_t node, const struct sw_test_script *script,
                                    struct sw_error *error)
{
    struct sw_test_script copy = {.size = 0};
    uint64_t mask = mask_of(nodes, node);
    if (mask == 0)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "there is no node %u: there are %u", node, nodes->count);
    memcpy(&copy, script, script->size < sizeof(copy) ? script->size : sizeof(copy));
    pthread_mutex_lock(&nodes->lock);
    for (uint32_t i = 0; i < nodes->count; i++)
        if (mask >> i & 1)
            nodes->node[i].script = copy;
    pthread_mutex_unlock(&nodes->lock);
    return SW_OK;
}

enum sw_status sw_test_nodes_add(struct sw_test_nodes *nodes, uint32_t node, const void *value, size_t value_bytes,
                                 struct sw_key *key, struct sw_error *error)
{
    struct sw_key own;
    uint64_t mask = mask_of(nodes, node);
    if (mask == 0)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "there is no node %u: there are %u", node, nodes->count);
    if (value_bytes == 0)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a value is empty: a symbol has at least one byte");
    if (!sw_test_values_add(nodes->values, mask, value, value_bytes, key ? key : &own))
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a value of %zu bytes", value_bytes);
    return SW_OK;
}

void sw_test_nodes_remove(struct sw_test_nodes *nodes, uint32_t node, const struct sw_key *key)
{
    sw_test_values_remove(nodes->values, mask_of(nodes, node), key);
}

bool sw_test_nodes_hold(const struct sw_test_nodes *nodes, uint32_t node, const struct sw_key *key)
{
    struct test_value *value = node < nodes->count ? sw_test_values_find(nodes->values, node, key) : NULL;
    sw_test_value_unref(value);
    return value != NULL;
}

void sw_test_nodes_counts(const struct sw_test_nodes *nodes, uint32_t node, struct sw_test_counts *counts,
                          size_t counts_bytes)
{
    struct sw_test_counts now = {0};
    if (node < nodes->count) {
        pthread_mutex_lock((pthread_mutex_t *)&nodes->lock);
        now = nodes->node[node].counts;
        pthread_mutex_unlock((pthread_mutex_t *)&nodes->lock);
    }
    memset(counts, 0, counts_bytes);
    memcpy(counts, &now, counts_bytes < sizeof(now) ? counts_bytes : sizeof(now));
}
