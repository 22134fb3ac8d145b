/* What calls may use of memory, all together; and how they end. */
#include "server/service.h"
#include <stdio.h>

/* Of "unix:" and a path, or "ipv6:" and an address with its port. */
#define PEER_SIZE 160

void sw_service_init(struct sw_service *service, const struct sw_limits *limits)
{
    pthread_mutex_init(&service->limits_lock, NULL);
    /* By default those who share a lock come first, and with many who store nobody else would ever have it. */
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&service->damage_lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    sw_admission_init(&service->admission);
    sw_admission_init(&service->calls);
    service->message_bytes_max = limits->message_bytes_max;
    service->limits = *limits;
}

void sw_service_clear(struct sw_service *service)
{
    sw_admission_clear(&service->admission);
    sw_admission_clear(&service->calls);
    pthread_rwlock_destroy(&service->damage_lock);
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
    const struct sw_limits limits = sw_service_limits(service);
    char peer[PEER_SIZE], details[200];
    sw_rpc_server_peer(call, peer, sizeof(peer));
    enum sw_admitted admitted =
        sw_admission_enter(&service->admission, peer, bytes, limits.calls_bytes_max, limits.peer_bytes_max);
    if (admitted == SW_ADMITTED)
        return true;
    const bool is_peer = admitted == SW_ADMITTED_NOT_PEER;
    snprintf(details, sizeof(details),
             "the node is busy: %s calls hold what they may of its memory, %llu MiB (%s); try again",
             is_peer ? "your address's" : "its",
             (unsigned long long)((is_peer ? limits.peer_bytes_max : limits.calls_bytes_max) >> 20),
             is_peer ? "peer-bytes-max" : "calls-bytes-max");
    sw_metrics_add(service->metrics, is_peer ? SW_METRIC_CALLS_PEER_BUSY : SW_METRIC_CALLS_BUSY, 1);
    sw_service_no_room(call, details);
    return false;
}

void sw_service_leave(struct sw_service *service, const struct sw_rpc_server_call *call, uint64_t bytes)
{
    char peer[PEER_SIZE];
    sw_rpc_server_peer(call, peer, sizeof(peer));
    sw_admission_leave(&service->admission, peer, bytes);
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
