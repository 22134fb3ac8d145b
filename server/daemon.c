/* What a node is made of, in the order it is made and taken apart. */
#include "server/daemon.h"
#include "server/health.h"
#include "server/reflection.h"
#include <stdlib.h>

/* Beside calls_bytes_max, for connections and the requests of calls that are still to be admitted. */
#define CONNECTIONS_BYTES ((size_t)128 << 20)

struct sw_daemon {
    struct sw_service service;
    struct sw_rpc_loop *loop;
    struct sw_health *health;
    struct sw_reflection *reflection;
    struct sw_rpc_server *server;
};

static enum sw_status serve(struct sw_daemon *daemon, const char *address, int *port, struct sw_error *error)
{
    const struct sw_rpc_server_method methods[] = {
        {"/symwave.v1.SymbolStore/BatchGetValues", false, &sw_batch_get_values_handler, &daemon->service, false},
        {"/symwave.v1.SymbolStore/RetrieveBatch", false, &sw_retrieve_batch_handler, &daemon->service, false},
        {"/symwave.v1.SymbolStore/StoreBatch", true, &sw_store_batch_handler, &daemon->service, false},
        {"/symwave.v1.SymbolStore/GetNodeInfo", false, &sw_get_node_info_handler, &daemon->service, false},
        {"/grpc.health.v1.Health/Check", false, &sw_health_check_handler, daemon->health, true},
        {"/grpc.health.v1.Health/Watch", false, &sw_health_watch_handler, daemon->health, true},
        {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true, &sw_reflection_handler, daemon->reflection,
         false},
        {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", true, &sw_reflection_handler,
         daemon->reflection, false},
    };
    const struct sw_rpc_server_options options = {
        .message_bytes_max = daemon->service.message_bytes_max,
        /* Calls are admitted one by one; this is for what comes before that. */
        .memory_bytes_max = sw_service_limits(&daemon->service).calls_bytes_max + CONNECTIONS_BYTES,
        .methods = methods,
        .method_count = sizeof(methods) / sizeof(methods[0]),
    };
    return sw_rpc_server_new(daemon->loop, address, &options, &daemon->server, port, error);
}

enum sw_status sw_daemon_start(const struct sw_config *config, struct sw_store *store, const struct sw_logger *logger,
                               struct sw_daemon **out, int *port, struct sw_error *error)
{
    *out = NULL;
    struct sw_daemon *daemon = calloc(1, sizeof(*daemon));
    if (!daemon)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a node");
    daemon->service.store = store;
    sw_service_init(&daemon->service, &config->limits);
    daemon->service.node_id = config->node_id;
    daemon->service.logger = logger;
    enum sw_status status = sw_pool_new((uint32_t)config->workers, "sw-worker", &daemon->service.pool, error);
    if (status == SW_OK)
        status = sw_pool_new(1, "sw-info", &daemon->service.info_pool, error);
    if (status == SW_OK)
        status = sw_rpc_loop_new(&daemon->loop, error);
    if (status == SW_OK) {
        daemon->health = sw_health_new(&daemon->service);
        daemon->reflection = sw_reflection_new(&daemon->service);
        if (!daemon->health || !daemon->reflection)
            status = sw_error_set(error, SW_NO_MEMORY, "no memory for health and reflection");
    }
    if (status == SW_OK)
        status = serve(daemon, config->listen, port, error);
    if (status == SW_OK)
        *out = daemon;
    else
        sw_daemon_free(daemon);
    return status;
}

void sw_daemon_reload(struct sw_daemon *daemon, const struct sw_config *config)
{
    sw_service_set_limits(&daemon->service, &config->limits);
}

void sw_daemon_set_serving(struct sw_daemon *daemon, bool serving)
{
    sw_health_set(daemon->health, serving);
}

size_t sw_daemon_stop(struct sw_daemon *daemon, uint32_t grace_ms)
{
    sw_health_stop(daemon->health);
    sw_reflection_stop(daemon->reflection);
    return sw_rpc_server_stop(daemon->server, (uint64_t)grace_ms * 1000);
}

void sw_daemon_free(struct sw_daemon *daemon)
{
    if (!daemon)
        return;
    sw_rpc_server_free(daemon->server);
    sw_pool_free(daemon->service.pool); /* a task may still be on its last lines */
    sw_pool_free(daemon->service.info_pool);
    sw_reflection_free(daemon->reflection);
    sw_health_free(daemon->health);
    sw_rpc_loop_free(daemon->loop); /* gRPC releases what it still has of the store's values */
    sw_service_clear(&daemon->service);
    free(daemon);
}
