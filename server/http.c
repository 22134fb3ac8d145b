#include "server/http.h"
#include "common/rpc.h"
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX 64
/* From one address, so that none keeps all others out. */
#define PEER_CONNECTIONS_MAX 16
#define CONNECTION_TIMEOUT_S 10
#define CONNECTION_BYTES     16384

struct sw_http {
    struct MHD_Daemon *daemon;
    struct sw_http_handler handler;
    void *user_data;
};

static const char index_text[] = "symwaved\n\n"
                                 "/metrics   for Prometheus\n"
                                 "/livez     200 while the process answers\n"
                                 "/readyz    200 while the node serves\n"
                                 "/channelz  servers and connections, as gRPC's core knows them (JSON)\n";

/* Answers with a text, which is freed if it is owned. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, char *text,
                              size_t bytes, bool is_owned)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(bytes, text, is_owned ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response) {
        if (is_owned)
            free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *text)
{
    return answer(connection, status, "text/plain; charset=utf-8", (char *)text, strlen(text), false);
}

static enum MHD_Result answer_metrics(struct sw_http *http, struct MHD_Connection *connection)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return MHD_NO;
    http->handler.metrics(http->user_data, out);
    if (fclose(out) != 0) {
        free(text);
        return say(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory for the metrics\n");
    }
    return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text, bytes, true);
}

static enum MHD_Result answer_ready(struct sw_http *http, struct MHD_Connection *connection)
{
    const char *reason = "";
    if (http->handler.is_ready(http->user_data, &reason))
        return say(connection, MHD_HTTP_OK, "ok\n");
    return say(connection, MHD_HTTP_SERVICE_UNAVAILABLE, reason);
}

/* "/channelz" for all servers, "/channelz/server/ID", "/channelz/sockets/SERVER_ID", "/channelz/socket/ID". */
static enum MHD_Result answer_channelz(struct MHD_Connection *connection, const char *rest)
{
    static const struct {
        const char *prefix;
        enum sw_rpc_channelz what;
    } kinds[] = {{"/server/", SW_RPC_CHANNELZ_SERVER},
                 {"/sockets/", SW_RPC_CHANNELZ_SERVER_SOCKETS},
                 {"/socket/", SW_RPC_CHANNELZ_SOCKET}};
    char *text = NULL;
    if (*rest == '\0')
        text = sw_rpc_channelz(SW_RPC_CHANNELZ_SERVERS, 0);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strncmp(rest, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            text = sw_rpc_channelz(kinds[i].what, strtoll(rest + strlen(kinds[i].prefix), NULL, 10));
    if (!text)
        return say(connection, MHD_HTTP_NOT_FOUND, "there is no such entity\n");
    return answer(connection, MHD_HTTP_OK, "application/json", text, strlen(text), true);
}

static enum MHD_Result handle(void *user_data, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_bytes, void **state)
{
    struct sw_http *http = user_data;
    static int seen;
    (void)version;
    (void)upload;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
    if (!*state) { /* the headers have come; an answer may only be queued at the next call */
        *state = &seen;
        return MHD_YES;
    }
    if (*upload_bytes > 0) { /* a body that nobody asked for is dropped */
        *upload_bytes = 0;
        return MHD_YES;
    }
    if (strcmp(url, "/metrics") == 0)
        return answer_metrics(http, connection);
    if (strcmp(url, "/livez") == 0)
        return say(connection, MHD_HTTP_OK, "ok\n");
    if (strcmp(url, "/readyz") == 0)
        return answer_ready(http, connection);
    if (strncmp(url, "/channelz", 9) == 0)
        return answer_channelz(connection, url + 9);
    if (strcmp(url, "/") == 0)
        return say(connection, MHD_HTTP_OK, index_text);
    return say(connection, MHD_HTTP_NOT_FOUND, "there is no such page: see /\n");
}

/* The first address of HOST:PORT, which has been checked for its form. */
static enum sw_status resolve(const char *listen, struct sockaddr_storage *address, struct sw_error *error)
{
    const char *colon = strrchr(listen, ':');
    char host[256];
    size_t length = (size_t)(colon - listen);
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    const char *begin = listen;
    if (length >= 2 && listen[0] == '[' && listen[length - 1] == ']') {
        begin++;
        length -= 2;
    }
    snprintf(host, sizeof(host), "%.*s", (int)length, begin);
    int code = getaddrinfo(host, colon + 1, &hints, &found);
    if (code != 0)
        return sw_error_set(error, SW_IO_ERROR, "--http-listen %.200s: %s", listen, gai_strerror(code));
    memcpy(address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return SW_OK;
}

enum sw_status sw_http_start(const char *listen, const struct sw_http_handler *handler, void *user_data,
                             struct sw_http **out, int *port, struct sw_error *error)
{
    struct sockaddr_storage address = {0};
    *out = NULL;
    enum sw_status status = resolve(listen, &address, error);
    if (status != SW_OK)
        return status;
    struct sw_http *http = calloc(1, sizeof(*http));
    if (!http)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for HTTP");
    http->handler = *handler;
    http->user_data = user_data;
    const unsigned flags =
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | (address.ss_family == AF_INET6 ? (unsigned)MHD_USE_IPv6 : 0);
    http->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, handle, http, MHD_OPTION_SOCK_ADDR, &address,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                         (unsigned)PEER_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    if (!http->daemon) {
        free(http);
        return sw_error_set(error, SW_IO_ERROR,
                            "cannot listen on %.200s for HTTP: is the address this machine's, and the port free?",
                            listen);
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
    *port = info ? info->port : 0;
    *out = http;
    return SW_OK;
}

void sw_http_stop(struct sw_http *http)
{
    if (!http)
        return;
    MHD_stop_daemon(http->daemon);
    free(http);
}
