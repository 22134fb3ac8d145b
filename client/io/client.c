/* The client: its options, its threads, and the waiting on its clock. */
#include "client/io/client_internal.h"
#include "client/io/node_set.h"
#include "common/memory.h"
#include <string.h>

/*
 * Beside twice the budget, for connections and what arrives on them: room that nodes which keep to what they are asked
 * for never fill, and that those who do not cannot pass.
 */
#define CONNECTIONS_BYTES ((uint64_t)64 << 20)

/* One option's default and bounds. */
static enum sw_status bound(uint64_t *value, uint64_t fallback, uint64_t least, uint64_t most, const char *name,
                            struct sw_error *error)
{
    if (*value == 0)
        *value = fallback;
    if (*value < least || *value > most)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "option %s is %llu: it must be %llu to %llu", name,
                            (unsigned long long)*value, (unsigned long long)least, (unsigned long long)most);
    return SW_OK;
}

static enum sw_status bound32(uint32_t *value, uint32_t fallback, uint32_t least, uint32_t most, const char *name,
                              struct sw_error *error)
{
    uint64_t wide = *value;
    enum sw_status status = bound(&wide, fallback, least, most, name, error);
    *value = (uint32_t)wide;
    return status;
}

static enum sw_status fill_options(struct sw_client_options *o, struct sw_error *error)
{
    const struct {
        uint32_t *value;
        uint32_t fallback, least, most;
        const char *name;
    } small[] = {
        {&o->candidates, 6, 1, SW_WAVES_MAX, "candidates"},
        {&o->request_keys_max, 600, 1, 600, "request_keys_max"},
        {&o->requests_max, 128, 1, 1024, "requests_max"},
        {&o->node_requests_max, 4, 1, 1024, "node_requests_max"},
        {&o->window_keys_max, 12000, 1, 10000000, "window_keys_max"},
        {&o->local_keys_max, 5000, 1, 10000000, "local_keys_max"},
        {&o->stall_timeout_ms, 2000, 10, 3600000, "stall_timeout_ms"},
        {&o->workers, 2, 1, 64, "workers"},
        {&o->store_timeout_ms, 30000, 10, 3600000, "store_timeout_ms"},
        {&o->hedge_percent, 5, 1, 100, "hedge_percent"},
    };
    for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
        enum sw_status status =
            bound32(small[i].value, small[i].fallback, small[i].least, small[i].most, small[i].name, error);
        if (status != SW_OK)
            return status;
    }
    enum sw_status status = bound(&o->budget_bytes, 32u << 20, 1u << 20, 1ull << 34, "budget_bytes", error);
    if (status == SW_OK)
        status = bound(&o->value_bytes_max, 1u << 20, 1, 64u << 20, "value_bytes_max", error);
    if (status != SW_OK)
        return status;
    if (o->value_bytes_max > o->budget_bytes)
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "option value_bytes_max is %llu: it must not be above budget_bytes, %llu",
                            (unsigned long long)o->value_bytes_max, (unsigned long long)o->budget_bytes);
    if (o->log_level == 0)
        o->log_level = SW_LOG_INFO;
    return SW_OK;
}

enum sw_status sw_client_open(const struct sw_client_options *options, const struct sw_node_list *nodes,
                              struct sw_client **out, struct sw_error *error)
{
    *out = NULL;
    struct sw_client *client = sw_calloc(1, sizeof(*client));
    if (!client)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a client");
    pthread_mutex_init(&client->lock, NULL);
    sw_cond_init(&client->budget_freed);
    SW_OPTIONS_COPY(&client->options, options);
    enum sw_status status = fill_options(&client->options, error);
    if (status == SW_OK)
        status = sw_security_load(&client->options, &client->security, error);
    if (status == SW_OK)
        status = sw_security_check(&client->security, nodes, error);
    if (status != SW_OK)
        goto out;
    client->logger = (struct sw_logger){
        .level = client->options.log_level, .fn = client->options.log, .user_data = client->options.log_data};
    client->budget.limit_bytes = client->options.budget_bytes;
    status = sw_node_set_new(nodes, NULL, &client->nodes, error);
    if (status == SW_OK)
        status = sw_pool_new(client->options.workers, "sw-worker", &client->pool, error);
    if (status == SW_OK)
        status = sw_rpc_loop_new(&client->loop, error);
    if (status == SW_OK)
        sw_rpc_loop_bound_memory(client->loop, 2 * client->options.budget_bytes + CONNECTIONS_BYTES);
out:
    if (status == SW_OK)
        *out = client;
    else
        sw_client_close(client);
    return status;
}

void sw_client_close(struct sw_client *client)
{
    if (!client)
        return;
    if (client->nodes)
        sw_node_set_unref(client->nodes);
    sw_pool_free(client->pool);
    sw_rpc_loop_free(client->loop);
    sw_security_clear(&client->security);
    pthread_cond_destroy(&client->budget_freed);
    pthread_mutex_destroy(&client->lock);
    sw_free(client);
}

enum sw_status sw_client_set_nodes(struct sw_client *client, const struct sw_node_list *nodes, struct sw_error *error)
{
    struct node_set *old = sw_client_nodes(client);
    struct node_set *set;
    enum sw_status status = sw_security_check(&client->security, nodes, error);
    if (status == SW_OK)
        status = sw_node_set_new(nodes, old, &set, error);
    if (status == SW_OK) {
        pthread_mutex_lock(&client->lock);
        struct node_set *replaced = client->nodes;
        sw_node_set_take_health(set, replaced);
        client->nodes = set;
        for (struct retrieval *other = client->retrievals; other; other = sw_retrieval_next(other))
            sw_retrieval_nodes_changed(other);
        pthread_mutex_unlock(&client->lock);
        sw_node_set_unref(replaced);
    }
    sw_node_set_unref(old);
    return status;
}

struct node_set *sw_client_nodes(struct sw_client *client)
{
    pthread_mutex_lock(&client->lock);
    struct node_set *set = client->nodes;
    atomic_fetch_add(&set->references, 1);
    pthread_mutex_unlock(&client->lock);
    return set;
}

void sw_client_budget_freed(struct sw_client *client, const struct retrieval *except)
{
    for (struct retrieval *other = client->retrievals; other; other = sw_retrieval_next(other))
        if (other != except && sw_retrieval_wants_budget(other))
            sw_retrieval_poke(other);
    if (client->stores_waiting > 0)
        pthread_cond_broadcast(&client->budget_freed);
}

enum sw_status sw_client_route(struct sw_client *client, const struct sw_key *key, const char *task_id,
                               struct sw_route *route, struct sw_error *error)
{
    if (!key || !route)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a route needs a key and a place for the answer");
    /* The client's list cannot go away under this call, so its strings stay valid as the header says. */
    struct node_set *set = sw_client_nodes(client);
    uint32_t nodes[SW_ROUTE_CANDIDATES_MAX];
    memset(route, 0, sizeof(*route));
    route->candidate_count = sw_route_nearest(set->table, key, client->options.candidates, nodes);
    route->base = sw_route_base(key, task_id ? task_id : "", route->candidate_count);
    for (uint32_t i = 0; i < route->candidate_count; i++) {
        route->candidates[i].id = set->peers[nodes[i]]->id;
        route->candidates[i].address = set->peers[nodes[i]]->address;
    }
    sw_node_set_unref(set);
    return SW_OK;
}
