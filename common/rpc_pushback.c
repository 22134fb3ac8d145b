/* The pushback of gRPC's retry design (A6) as metadata: how it is written, and how far what comes is believed. */
#include "common/rpc_core.h"
#include <stdio.h>

#define KEY    "grpc-retry-pushback-ms"
#define MS_MAX ((uint64_t)SW_RPC_PUSHBACK_US_MAX / 1000)

grpc_metadata sw_rpc_pushback_metadata(uint32_t ms)
{
    char text[16];
    snprintf(text, sizeof(text), "%u", ms);
    return (grpc_metadata){.key = grpc_slice_from_static_string(KEY), .value = grpc_slice_from_copied_string(text)};
}

static int64_t parse(const uint8_t *text, size_t bytes)
{
    uint64_t ms = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9')
            return SW_RPC_PUSHBACK_NEVER;
        ms = ms * 10 + (text[i] - '0');
        if (ms > MS_MAX)
            ms = MS_MAX; /* and go on: what follows may show that it is no number */
    }
    return bytes > 0 ? (int64_t)ms * 1000 : SW_RPC_PUSHBACK_NEVER;
}

int64_t sw_rpc_pushback_of(const grpc_metadata_array *trailing)
{
    for (size_t i = 0; i < trailing->count; i++) {
        const grpc_metadata *metadata = &trailing->metadata[i];
        if (grpc_slice_str_cmp(metadata->key, KEY) == 0)
            return parse(GRPC_SLICE_START_PTR(metadata->value), GRPC_SLICE_LENGTH(metadata->value));
    }
    return -1;
}
