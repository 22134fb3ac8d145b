/* What calls may use of memory, all together; and how they end. */
#include "server/service.h"
#include <stdio.h>

void sw_service_init(struct sw_service *service, const struct sw_limits *limits)
{
    pthread_mutex_init(&service->limits_lock, NULL);
    service->message_bytes_max = limits->message_bytes_max;
    service->limits = *limits;
}

void sw_service_clear(struct sw_service *service)
{
    pthread_mutex_destroy(&service->limits_lock);
}

struct sw_limits sw_service_limits(struct sw_service *service)
{
    pthread_mutex_lock(&service->limits_lock);
    struct sw_limits limits = service->limits;
    pthread_mutex_unlock(&service->limits_lock);
    return limits;
}

void sw_service_set_limits(struct sw_service *service, const struct sw_limits *limits)
{
    pthread_mutex_lock(&service->limits_lock);
    service->limits = *limits;
    service->limits.message_bytes_max = service->message_bytes_max;
    pthread_mutex_unlock(&service->limits_lock);
}

bool sw_service_enter(struct sw_service *service, struct sw_rpc_server_call *call, uint64_t bytes)
{
    const uint64_t bytes_max = sw_service_limits(service).calls_bytes_max;
    uint64_t before = atomic_fetch_add(&service->calls_bytes, bytes);
    if (before + bytes <= bytes_max)
        return true;
    atomic_fetch_sub(&service->calls_bytes, bytes);
    char details[160];
    snprintf(details, sizeof(details),
             "the node is busy: its calls already hold %llu of the %llu MiB that they may; try again",
             (unsigned long long)(before >> 20), (unsigned long long)(bytes_max >> 20));
    sw_metrics_add(service->metrics, SW_METRIC_CALLS_BUSY, 1);
    sw_service_no_room(call, details);
    return false;
}

void sw_service_leave(struct sw_service *service, uint64_t bytes)
{
    atomic_fetch_sub(&service->calls_bytes, bytes);
}

static bool is_gone(const void *call)
{
    return sw_rpc_server_is_cancelled(call);
}

struct sw_store_reader sw_service_reader(const struct sw_rpc_server_call *call)
{
    return (struct sw_store_reader){.is_gone = is_gone, .user_data = call};
}

void sw_service_no_room(struct sw_rpc_server_call *call, const char *details)
{
    sw_rpc_server_set_pushback(call, SW_RPC_PUSHBACK_ROOM_MS);
    sw_rpc_server_finish(call, NULL, SW_RPC_RESOURCE_EXHAUSTED, details);
}

void sw_service_stopping(struct sw_rpc_server_call *call)
{
    sw_rpc_server_set_pushback(call, SW_RPC_PUSHBACK_STOPPING_MS);
    sw_rpc_server_finish(call, NULL, SW_RPC_UNAVAILABLE, "the node is stopping");
}

void sw_service_finish(struct sw_rpc_server_call *call, struct sw_rpc_message *answer, enum sw_status status,
                       const struct sw_error *error)
{
    if (status == SW_NO_MEMORY)
        sw_rpc_server_set_pushback(call, SW_RPC_PUSHBACK_ROOM_MS);
    sw_rpc_server_finish(call, answer, sw_rpc_code_from_status(status), status == SW_OK ? NULL : error->message);
}
