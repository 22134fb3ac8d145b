/*
 * Any bytes as what an etcd answers: the list of nodes is read or refused with a text, and always comes to an end; a
 * registration and a renewal likewise. The server is ours, over real gRPC; the bytes are its answers, one after the
 * other, each after its length in two bytes, and then no more.
 */
#include "common/etcd.h"
#include "common/rpc.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sw_etcd *etcd;
/* constant while a call is under way */
static const uint8_t *left;
static atomic_size_t left_bytes;

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static void *start(struct sw_rpc_server_call *call, void *service)
{
    (void)service;
    return call;
}

/* The next answer; when there is none, an empty one, which is the last page of a list. */
static void answer(void *state, struct sw_rpc_message *request)
{
    struct sw_rpc_message *message = sw_rpc_message_new();
    size_t bytes = left_bytes, count = 0;
    sw_rpc_message_free(request);
    must(message != NULL, "no memory");
    if (bytes >= 2) {
        count = (size_t)left[0] << 8 | left[1];
        count = count < bytes - 2 ? count : bytes - 2;
        sw_rpc_message_add_copy(message, left + 2, count);
        left += 2 + count;
        left_bytes = bytes - 2 - count;
    }
    sw_rpc_server_finish(state, message, SW_RPC_OK, NULL);
}

static void end(void *state)
{
    (void)state;
}

static void begin(void)
{
    static const struct sw_rpc_server_handler handler = {.start = start, .message = answer, .end = end};
    static const char *const paths[] = {"/etcdserverpb.KV/Range", "/etcdserverpb.KV/Put",
                                        "/etcdserverpb.Lease/LeaseGrant", "/etcdserverpb.Lease/LeaseRevoke",
                                        "/etcdserverpb.Lease/LeaseKeepAlive"};
    struct sw_rpc_server_method methods[sizeof(paths) / sizeof(*paths)];
    struct sw_rpc_loop *loop;
    struct sw_rpc_server *server;
    struct sw_error error;
    char address[32];
    int port;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        methods[i] = (struct sw_rpc_server_method){.path = paths[i], .handler = &handler};
    const struct sw_rpc_server_options options = {.methods = methods, .method_count = sizeof(paths) / sizeof(*paths)};
    must(sw_rpc_loop_new(&loop, &error) == SW_OK, "no loop");
    must(sw_rpc_server_new(loop, "127.0.0.1:0", &options, &server, &port, &error) == SW_OK, "no server");
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    must(sw_etcd_new(address, NULL, false, &(struct sw_tls_files){.ca = NULL}, &etcd, &error) == SW_OK, "no client");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_error error = {0};
    struct sw_node_list *list = NULL;
    int64_t revision, lease = 1;
    size_t passed_over;
    enum sw_status status;
    if (size == 0)
        return 0;
    if (!etcd)
        begin();
    left = data + 1;
    left_bytes = size - 1;
    switch (data[0] % 3) {
    case 0:
        status = sw_etcd_list(etcd, &list, &revision, &passed_over, &error);
        must((status == SW_OK) == (list != NULL), "a list, or none");
        for (size_t i = 0; list && i < sw_node_list_count(list); i++)
            must(sw_node_list_at(list, i)->id[0] != '\0' && sw_node_list_at(list, i)->address[0] != '\0',
                 "half a node");
        sw_node_list_free(list);
        break;
    case 1:
        status = sw_etcd_register(etcd, "node-1", "127.0.0.1:4400", 10, &lease, &error);
        break;
    default:
        status = sw_etcd_keep_alive(etcd, lease, &error);
        break;
    }
    must(status == SW_OK || error.message[0] != '\0', "an error without a text");
    return 0;
}
