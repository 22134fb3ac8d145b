/* The status codes of gRPC: names, and what they mean to Symwave. */
#include "common/rpc.h"

static const struct {
    const char *name;
    enum sw_status status;
} codes[] = {
    [SW_RPC_OK] = {"OK", SW_OK},
    [SW_RPC_CANCELLED] = {"CANCELLED", SW_CANCELLED},
    [SW_RPC_UNKNOWN] = {"UNKNOWN", SW_PROTOCOL_ERROR},
    [SW_RPC_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", SW_INVALID_ARGUMENT},
    [SW_RPC_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", SW_DEADLINE_EXCEEDED},
    [SW_RPC_NOT_FOUND] = {"NOT_FOUND", SW_NOT_FOUND},
    [SW_RPC_ALREADY_EXISTS] = {"ALREADY_EXISTS", SW_PROTOCOL_ERROR},
    [SW_RPC_PERMISSION_DENIED] = {"PERMISSION_DENIED", SW_PERMISSION_DENIED},
    [SW_RPC_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", SW_RESOURCE_EXHAUSTED},
    [SW_RPC_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", SW_PROTOCOL_ERROR},
    [SW_RPC_ABORTED] = {"ABORTED", SW_UNAVAILABLE},
    [SW_RPC_OUT_OF_RANGE] = {"OUT_OF_RANGE", SW_PROTOCOL_ERROR},
    [SW_RPC_UNIMPLEMENTED] = {"UNIMPLEMENTED", SW_PROTOCOL_ERROR},
    [SW_RPC_INTERNAL] = {"INTERNAL", SW_PROTOCOL_ERROR},
    [SW_RPC_UNAVAILABLE] = {"UNAVAILABLE", SW_UNAVAILABLE},
    [SW_RPC_DATA_LOSS] = {"DATA_LOSS", SW_DATA_LOSS},
    [SW_RPC_UNAUTHENTICATED] = {"UNAUTHENTICATED", SW_PERMISSION_DENIED},
};

#define CODE_COUNT (sizeof(codes) / sizeof(codes[0]))

const char *sw_rpc_code_name(enum sw_rpc_code code)
{
    return (size_t)code < CODE_COUNT ? codes[code].name : "(no such code)";
}

enum sw_status sw_rpc_code_to_status(enum sw_rpc_code code)
{
    return (size_t)code < CODE_COUNT ? codes[code].status : SW_PROTOCOL_ERROR;
}

enum sw_rpc_code sw_rpc_code_from_status(enum sw_status status)
{
    switch (status) {
    case SW_NO_SPACE:
    case SW_NO_MEMORY:
        return SW_RPC_RESOURCE_EXHAUSTED;
    case SW_IO_ERROR:
    case SW_INTERNAL:
    case SW_PROTOCOL_ERROR:
        return SW_RPC_INTERNAL;
    case SW_UNAVAILABLE:
        return SW_RPC_UNAVAILABLE;
    case SW_SHORT:
        return SW_RPC_NOT_FOUND;
    default:
        for (size_t code = 0; code < CODE_COUNT; code++)
            if (codes[code].status == status)
                return (enum sw_rpc_code)code;
        return SW_RPC_UNKNOWN;
    }
}
