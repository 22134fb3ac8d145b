#include "common/clock.h"
#include "common/memory.h"
#include "common/rpc_wait.h"
#include "server/admin_commands.h"
#include "server/daemon.h"
#include "server/rocksdb_log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* What a node may be configured to send, and a little more. */
#define MESSAGE_BYTES_MAX (((size_t)64 << 20) + 4096)

struct sw_admin_node {
    struct sw_rpc_loop *loop;
    struct sw_rpc_channel *channel;
    /* where none ran */
    struct sw_log_writer writer;
    struct sw_logger logger;
    struct sw_store *store;
    struct sw_daemon *daemon;
};

/* ---- opening ---- */

/* Whether somebody listens in the folder. */
static enum sw_status runs(const char *data, bool *listens, struct sw_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *listens = false;
    if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/admin.sock", data) >= (int)sizeof(address.sun_path))
        return sw_error_set(
            error, SW_INVALID_ARGUMENT,
            "%s: the path is too long for a socket in it, at most %zu bytes; name it from nearer, or by "
            "a symbolic link",
            data, sizeof(address.sun_path) - sizeof("/admin.sock"));
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return sw_error_set(error, SW_IO_ERROR, "cannot make a socket: %s", strerror(errno));
    const int failed = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
    close(fd);
    *listens = failed == 0;
    if (failed == EACCES || failed == EPERM)
        return sw_error_set(error, SW_PERMISSION_DENIED, "%s: %s; run this as the node's user, or as root",
                            address.sun_path, strerror(failed));
    if (failed == 0 || failed == ENOENT || failed == ECONNREFUSED)
        return SW_OK; /* refused: it is left over from a node that was killed */
    return sw_error_set(error, SW_IO_ERROR, "%s: %s", address.sun_path, strerror(failed));
}

enum sw_status sw_admin_check_owner(const char *data, struct sw_error *error)
{
    struct stat facts;
    if (geteuid() != 0 || stat(data, &facts) != 0 || facts.st_uid == 0)
        return SW_OK;
    return sw_error_set(
        error, SW_PERMISSION_DENIED,
        "%s is not root's, and its node could not use what root makes there; run this as its owner, with "
        "\"setpriv --reuid %u --regid %u --clear-groups\" before it",
        data, (unsigned)facts.st_uid, (unsigned)facts.st_gid);
}

/* Every RocksDB database has a file CURRENT. */
static enum sw_status check_exists(const char *data, struct sw_error *error)
{
    char *current = sw_text_new("%s/CURRENT", data);
    if (!current)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to open %s", data);
    const int failed = access(current, F_OK) == 0 ? 0 : errno;
    sw_free(current);
    if (failed == EACCES)
        return sw_error_set(error, SW_PERMISSION_DENIED, "%s: %s; run this as the node's user, or as root", data,
                            strerror(failed));
    return failed ? sw_error_set(error, SW_NOT_FOUND, "%s is no data folder of a node: there is no file CURRENT in it",
                                 data)
                  : SW_OK;
}

static enum sw_status start(struct sw_admin_node *node, const struct sw_config *config, struct sw_error *error)
{
    node->writer = (struct sw_log_writer){.fd = STDERR_FILENO, .format = SW_LOG_LOGFMT};
    node->logger = (struct sw_logger){.level = SW_LOG_ERROR, .fn = sw_log_writer_write, .user_data = &node->writer};
    enum sw_status status = sw_admin_check_owner(config->data, error);
    if (status == SW_OK)
        status = sw_store_rocksdb_open(config->data, &node->store, error);
    if (status == SW_OK) {
        sw_rocksdb_log_left_out(config->data, &node->logger);
        status = sw_daemon_start(config, node->store, &node->logger, &node->daemon, NULL, error);
    }
    return status;
}

enum sw_status sw_admin_node_open(const struct sw_config *config, bool must_exist, struct sw_admin_node **out,
                                  struct sw_error *error)
{
    struct sw_admin_node *node = *out = calloc(1, sizeof(*node));
    char *address = sw_text_new("unix:%s/admin.sock", config->data);
    bool listens = false;
    if (!node || !address) {
        sw_free(address);
        free(node);
        *out = NULL;
        return sw_error_set(error, SW_NO_MEMORY, "no memory to open %s", config->data);
    }
    enum sw_status status = runs(config->data, &listens, error);
    if (status == SW_OK && !listens && must_exist)
        status = check_exists(config->data, error);
    if (status == SW_OK && !listens)
        status = start(node, config, error);
    if (status == SW_OK)
        status = sw_rpc_loop_new(&node->loop, error);
    if (status == SW_OK) {
        const struct sw_rpc_channel_options options = {.message_bytes_max = MESSAGE_BYTES_MAX};
        node->channel = sw_rpc_channel_new(node->loop, address, &options);
        if (!node->channel)
            status = sw_error_set(error, SW_NO_MEMORY, "no memory to open %s", config->data);
    }
    sw_free(address);
    if (status != SW_OK) {
        sw_admin_node_close(node);
        *out = NULL;
    }
    return status;
}

void sw_admin_node_close(struct sw_admin_node *node)
{
    if (!node)
        return;
    sw_rpc_channel_free(node->channel);
    sw_rpc_loop_free(node->loop);
    if (node->daemon)
        sw_daemon_stop(node->daemon, 0);
    sw_daemon_free(node->daemon);
    if (node->store)
        node->store->close(node->store);
    free(node);
}

bool sw_admin_node_runs(const struct sw_admin_node *node)
{
    return !node->daemon;
}

/* ---- calls ---- */

enum sw_status sw_admin_node_call(struct sw_admin_node *node, const struct sw_admin_call *call, struct sw_error *error)
{
    char method[100];
    snprintf(method, sizeof(method), "/symwave.v1.%s", call->method);
    return sw_rpc_wait(node->channel,
                       &(struct sw_rpc_wait){.method = method,
                                             .request = call->request,
                                             .next = call->next,
                                             .message = call->message,
                                             .user_data = call->user_data,
                                             .stall_us = SW_CLOCK_NEVER},
                       error);
}
