/* What calls may use of memory, all together. */
#include "server/service.h"
#include <stdio.h>

bool sw_service_enter(struct sw_service *service, struct sw_rpc_server_call *call, uint64_t bytes)
{
    uint64_t before = atomic_fetch_add(&service->calls_bytes, bytes);
    if (before + bytes <= service->limits.calls_bytes_max)
        return true;
    atomic_fetch_sub(&service->calls_bytes, bytes);
    char details[160];
    snprintf(details, sizeof(details),
             "the node is busy: its calls already hold %llu of the %llu MiB that they may; try again",
             (unsigned long long)(before >> 20), (unsigned long long)(service->limits.calls_bytes_max >> 20));
    sw_rpc_server_finish(call, NULL, SW_RPC_RESOURCE_EXHAUSTED, details);
    return false;
}

void sw_service_leave(struct sw_service *service, uint64_t bytes)
{
    atomic_fetch_sub(&service->calls_bytes, bytes);
}
