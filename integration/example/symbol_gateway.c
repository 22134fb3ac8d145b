/*
 * symbol_gateway NODES SOCKET: a daemon with one loop. Whoever connects to its Unix socket and sends a key, base58 and
 * a newline, gets the symbol's bytes, or nothing where it cannot be had, and the connection is closed. Its node list
 * follows the file; SIGTERM and SIGINT end it.
 */
#include "symwave/symwave.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define DEADLINE_MS     10000

/* Somebody who asked. What comes on its socket or from its call is its loop event. */
struct connection {
    unsigned number; /* its place in connections */
    int fd;
    char line[SW_KEY_BASE58_SIZE + 1];
    size_t line_bytes;
    struct sw_key key;
    struct sw_call *call; /* from the whole line to the answer */
    char *value;
    size_t value_bytes, written;
};

static struct sw_client *client;
static int loop;
static struct connection *connections[CONNECTIONS_MAX]; /* NULL: free */

static void watch(int fd, uint32_t events, void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) != 0 && errno == EEXIST)
        epoll_ctl(loop, EPOLL_CTL_MOD, fd, &event);
}

/* Frees it, ending its call first. */
static void connection_close(struct connection *connection)
{
    if (connection->call) {
        sw_call_cancel(connection->call);
        sw_retrieve_end(connection->call, NULL, NULL);
    }
    close(connection->fd);
    connections[connection->number] = NULL;
    free(connection->value);
    free(connection);
}

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    struct connection *connection = user_data;
    connection->value = malloc(symbol->value_bytes);
    if (!connection->value)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a symbol of %zu bytes", symbol->value_bytes);
    memcpy(connection->value, symbol->value, symbol->value_bytes);
    connection->value_bytes = symbol->value_bytes;
    return SW_OK;
}

/* Starts the call for the line that has come. False: it is no key. */
static bool ask(struct connection *connection)
{
    const struct sw_sink sink = {.take = take, .user_data = connection};
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    struct sw_call_options call_options = SW_CALL_OPTIONS_INIT;
    struct sw_error error;

    options.deadline_ms = DEADLINE_MS;
    call_options.dispatch = true; /* take() runs in this loop */
    enum sw_status status = sw_key_from_base58(connection->line, connection->line_bytes, &connection->key, &error);
    if (status == SW_OK)
        status =
            sw_retrieve_start(client, &connection->key, 1, &options, &sink, &call_options, &connection->call, &error);
    if (status != SW_OK)
        fprintf(stderr, "symbol_gateway: %s\n", error.message);
    else
        watch(sw_call_fd(connection->call), EPOLLIN, connection);
    return status == SW_OK;
}

/* Reads of the line what there is. False: the connection is to be closed. */
static bool read_line(struct connection *connection)
{
    const size_t room = sizeof(connection->line) - connection->line_bytes;
    const ssize_t count = recv(connection->fd, connection->line + connection->line_bytes, room, MSG_DONTWAIT);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    connection->line_bytes += (size_t)count;
    const char *end = memchr(connection->line, '\n', connection->line_bytes);
    if (!end)
        return count > 0 && connection->line_bytes < sizeof(connection->line);
    connection->line_bytes = (size_t)(end - connection->line);
    watch(connection->fd, 0, connection); /* until there is an answer, only of its end */
    return ask(connection);
}

/* Lets the call go on. False: it is over, and brought nothing. */
static bool go_on(struct connection *connection)
{
    struct sw_error error;

    if (!sw_call_dispatch(connection->call))
        return true;
    enum sw_status status = sw_retrieve_end(connection->call, NULL, &error);
    connection->call = NULL;
    if (status != SW_OK)
        fprintf(stderr, "symbol_gateway: %s\n", error.message);
    else
        watch(connection->fd, EPOLLOUT, connection);
    return status == SW_OK;
}

/* Writes of the answer what fits. False: that was all, or there is nobody any more. */
static bool write_value(struct connection *connection)
{
    const ssize_t count = send(connection->fd, connection->value + connection->written,
                               connection->value_bytes - connection->written, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    connection->written += (size_t)count;
    return connection->written < connection->value_bytes;
}

static void on_connection(struct connection *connection, uint32_t events)
{
    bool stays;
    if (events & (EPOLLHUP | EPOLLERR))
        stays = false;
    else if (connection->call)
        stays = go_on(connection);
    else if (connection->value)
        stays = write_value(connection);
    else
        stays = read_line(connection);
    if (!stays)
        connection_close(connection);
}

static void accept_one(int listener)
{
    unsigned number = 0;
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        return;
    while (number < CONNECTIONS_MAX && connections[number])
        number++;
    struct connection *connection = number < CONNECTIONS_MAX ? calloc(1, sizeof(*connection)) : NULL;
    if (!connection) {
        close(fd);
        return;
    }
    connection->number = number;
    connection->fd = fd;
    connections[number] = connection;
    watch(fd, EPOLLIN, connection);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    unlink(path);
    return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 64) == 0 ? fd : -1;
}

/* Told by the watch's own thread. */
static void nodes_changed(const struct sw_node_list *nodes, const struct sw_error *error, void *user_data)
{
    (void)user_data;
    if (nodes)
        fprintf(stderr, "symbol_gateway: %zu nodes\n", sw_node_list_count(nodes));
    else
        fprintf(stderr, "symbol_gateway: the node list stays as it was: %s\n", error->message);
}

/* Until a signal. */
static void run(int listener, int signals)
{
    static int is_listener, is_signal;
    struct epoll_event event;

    watch(listener, EPOLLIN, &is_listener);
    watch(signals, EPOLLIN, &is_signal);
    /* One event at a time: what is closed has no event left that was fetched before. */
    for (;;) {
        if (epoll_wait(loop, &event, 1, -1) != 1)
            continue;
        if (event.data.ptr == &is_signal)
            return;
        if (event.data.ptr == &is_listener)
            accept_one(listener);
        else
            on_connection(event.data.ptr, event.events);
    }
}

int main(int argc, char **argv)
{
    struct sw_node_list *nodes = NULL;
    struct sw_node_watch *list_watch = NULL;
    struct sw_error error = {.message = "usage: symbol_gateway NODES SOCKET"};
    enum sw_status status = argc == 3 ? SW_OK : SW_INVALID_ARGUMENT;
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    loop = epoll_create1(EPOLL_CLOEXEC);
    if (status == SW_OK)
        status = sw_node_list_load(argv[1], &nodes, &error);
    if (status == SW_OK)
        status = sw_client_open(NULL, nodes, &client, &error);
    if (status == SW_OK)
        status = sw_node_watch_file(client, argv[1], nodes_changed, NULL, &list_watch, &error);
    int listener = status == SW_OK ? listen_at(argv[2]) : -1;
    if (status == SW_OK && listener < 0)
        status = sw_error_set(&error, SW_IO_ERROR, "cannot listen at %s: %s", argv[2], strerror(errno));
    if (status == SW_OK) {
        fprintf(stderr, "symbol_gateway: listens at %s\n", argv[2]);
        run(listener, signalfd(-1, &mask, SFD_CLOEXEC));
    } else {
        fprintf(stderr, "symbol_gateway: %s\n", error.message);
    }
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        if (connections[i])
            connection_close(connections[i]);
    sw_node_watch_stop(list_watch);
    sw_client_close(client);
    sw_node_list_free(nodes);
    return status == SW_OK ? 0 : 1;
}
