/*
 * Any bytes as the messages of any call to a real node in this process: each call comes to an end, with a code that a
 * caller can act upon and a text where it failed; the node's own mistakes, INTERNAL and UNKNOWN, are never it.
 *
 * The first byte says which method. For one that takes several messages, the rest is those, each after its length in
 * one byte; for the others it is the message.
 */
#include "server/test/node_fixture.h"
#include "symwave/v1/admin.pb-c.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not Watch, which does not end by itself; and not Backup and Compact, which write to the disk whatever they are told.
 */
static const struct {
    const char *name;
    bool streams;
} methods[] = {
    {"/symwave.v1.SymbolStore/BatchGetValues", false},
    {"/symwave.v1.SymbolStore/RetrieveBatch", false},
    {"/symwave.v1.SymbolStore/StoreBatch", true},
    {"/symwave.v1.SymbolStore/GetNodeInfo", false},
    {"/symwave.v1.SymbolStore/FindNode", false},
    {"/symwave.v1.SymbolStore/DeleteBatch", false},
    {"/symwave.v1.Admin/GetStats", false},
    {"/symwave.v1.Admin/ListSymbols", false},
    {"/symwave.v1.Admin/Scrub", false},
    {"/grpc.health.v1.Health/Check", false},
    {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", true},
    {"/no.such.Service/Method", false},
};
#define METHODS (sizeof(methods) / sizeof(methods[0]))

static struct node *node;

static void end(void)
{
    node_free(node);
}

/* The node's own socket: there, everything is allowed. */
static void begin(void)
{
    static char address[200];
    node = node_new();
    node_start(node);
    snprintf(address, sizeof(address), "unix:%s/admin.sock", node->path);
    sw_rpc_channel_free(node->channel);
    node->channel = sw_rpc_channel_new(node->loop, address, &(struct sw_rpc_channel_options){0});
    if (!node->channel)
        abort();
    atexit(end);
}

static struct reply stream(const char *method, const uint8_t *data, size_t size)
{
    struct stream *call = stream_open(node, method);
    while (size > 0) {
        size_t count = data[0] < size - 1 ? data[0] : size - 1;
        if (!stream_send(call, data + 1, count))
            break;
        data += 1 + count;
        size -= 1 + count;
    }
    return stream_close(call);
}

/* A scrub that is told to be slow is: it would not end in time. */
static bool is_slow(const char *method, const uint8_t *data, size_t size)
{
    if (strcmp(method, "/symwave.v1.Admin/Scrub") != 0)
        return false;
    Symwave__V1__ScrubRequest *request = symwave__v1__scrub_request__unpack(NULL, size, data);
    const bool slow = request && request->bytes_per_second > 0 && request->bytes_per_second < 1 << 20;
    symwave__v1__scrub_request__free_unpacked(request, NULL);
    return slow;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (!node)
        begin();
    const char *method = methods[data[0] % METHODS].name;
    if (is_slow(method, data + 1, size - 1))
        return 0;
    struct reply reply = methods[data[0] % METHODS].streams ? stream(method, data + 1, size - 1)
                                                            : node_call(node, method, data + 1, size - 1);
    if (reply.code == SW_RPC_INTERNAL || reply.code == SW_RPC_UNKNOWN || reply.code == SW_RPC_DEADLINE_EXCEEDED ||
        (reply.code != SW_RPC_OK && reply.details[0] == '\0')) {
        fprintf(stderr, "%s: %s: %s\n", method, sw_rpc_code_name(reply.code), reply.details);
        abort();
    }
    reply_clear(&reply);
    return 0;
}
