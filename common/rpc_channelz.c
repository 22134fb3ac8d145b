/* Channelz: what gRPC's core says of its servers and their connections. */
#include "common/memory.h"
#include "common/rpc_core.h"
#include <string.h>

char *sw_rpc_channelz(enum sw_rpc_channelz what, int64_t id)
{
    char *text = NULL;
    grpc_init();
    switch (what) {
    case SW_RPC_CHANNELZ_SERVERS:
        text = grpc_channelz_get_servers(0);
        break;
    case SW_RPC_CHANNELZ_SERVER:
        text = grpc_channelz_get_server(id);
        break;
    case SW_RPC_CHANNELZ_SERVER_SOCKETS:
        text = grpc_channelz_get_server_sockets(id, 0, 0);
        break;
    case SW_RPC_CHANNELZ_SOCKET:
        text = grpc_channelz_get_socket(id);
        break;
    }
    char *copy = text ? sw_strdup(text) : NULL;
    gpr_free(text);
    grpc_shutdown();
    return copy;
}
