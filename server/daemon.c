/* What a node is made of, in the order it is made and taken apart. */
#include "server/daemon.h"
#include "common/tls_files.h"
#include "server/access.h"
#include "server/connections.h"
#include "server/disk.h"
#include "server/health.h"
#include "server/known_nodes.h"
#include "server/metrics.h"
#include "server/reflection.h"
#include "server/scrub_schedule.h"
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

/* Beside calls_bytes_max, for connections and the requests of calls that are still to be admitted. */
#define CONNECTIONS_BYTES ((size_t)128 << 20)

/* A scrub takes hours, and must not keep a backup waiting. */
#define ADMIN_THREADS 4

struct sw_daemon {
    struct sw_service service;
    struct sw_access *access;
    struct sw_disk *disk;
    struct sw_metrics *metrics;
    atomic_bool access_log;
    int port;
    bool has_tls, has_client_ca; /* how it listens, until it stops */
    struct sw_rpc_loop *loop;
    struct sw_health *health;
    struct sw_reflection *reflection;
    struct sw_rpc_server *server;
};

/* ---- certificates ---- */

/* A certificate that ends so soon is told of as a warning. */
#define EXPIRES_SOON_S ((int64_t)14 * 86400)

static void log_certificate(const struct sw_logger *logger, const struct sw_tls_facts *facts)
{
    char subject[600], until[32] = "";
    const time_t not_after = (time_t)facts->not_after_s;
    const int64_t left_s = facts->not_after_s - (int64_t)time(NULL);
    struct tm fields;
    if (gmtime_r(&not_after, &fields))
        strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &fields);
    sw_log(logger, left_s < EXPIRES_SOON_S ? SW_LOG_WARN : SW_LOG_INFO,
           left_s < 0                ? "the certificate has expired: clients will refuse it"
           : left_s < EXPIRES_SOON_S ? "the certificate expires soon"
                                     : "certificate in use",
           "subject=%s not_after=%s", sw_log_quote(facts->subject, subject, sizeof(subject)), until);
}

/* The files of a configuration with TLS. */
static enum sw_status load_certificates(const struct sw_config *config, const struct sw_logger *logger,
                                        struct sw_tls_pem *pem, struct sw_error *error)
{
    const struct sw_tls_files files = {
        .ca = config->tls_client_ca, .certificate = config->tls_certificate, .key = config->tls_key};
    struct sw_tls_facts facts;
    enum sw_status status = sw_tls_load(&files, pem, &facts, error);
    if (status == SW_OK)
        log_certificate(logger, &facts);
    return status;
}

/* ---- the server ---- */

/* The methods, each with what it is called in metrics; in this order everywhere. */
static const struct sw_metrics_method method_names[] = {
    {"/symwave.v1.SymbolStore/BatchGetValues", "unary"},
    {"/symwave.v1.SymbolStore/RetrieveBatch", "server_stream"},
    {"/symwave.v1.SymbolStore/StoreBatch", "client_stream"},
    {"/symwave.v1.SymbolStore/GetNodeInfo", "unary"},
    {"/symwave.v1.SymbolStore/FindNode", "unary"},
    {"/symwave.v1.SymbolStore/DeleteBatch", "unary"},
    {"/symwave.v1.Admin/GetStats", "unary"},
    {"/symwave.v1.Admin/ListSymbols", "unary"},
    {"/symwave.v1.Admin/Backup", "unary"},
    {"/symwave.v1.Admin/Compact", "unary"},
    {"/symwave.v1.Admin/Scrub", "server_stream"},
    {"/grpc.health.v1.Health/Check", "unary"},
    {"/grpc.health.v1.Health/Watch", "server_stream"},
    {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "bidi_stream"},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "bidi_stream"},
};
#define METHODS (sizeof(method_names) / sizeof(method_names[0]))

static void make_methods(struct sw_daemon *daemon, struct sw_rpc_server_method methods[METHODS])
{
    const struct {
        const struct sw_rpc_server_handler *handler;
        void *service;
        enum sw_role role;
        bool serves_while_stopping;
    } rest[METHODS] = {
        {&sw_batch_get_values_handler, &daemon->service, SW_ROLE_READ, false},
        {&sw_retrieve_batch_handler, &daemon->service, SW_ROLE_READ, false},
        {&sw_store_batch_handler, &daemon->service, SW_ROLE_STORE, false},
        {&sw_get_node_info_handler, &daemon->service, SW_ROLE_READ, false},
        {&sw_find_node_handler, &daemon->service, SW_ROLE_READ, false},
        {&sw_delete_batch_handler, &daemon->service, SW_ROLE_ADMIN, false},
        {&sw_get_stats_handler, &daemon->service, SW_ROLE_ADMIN, false},
        {&sw_list_symbols_handler, &daemon->service, SW_ROLE_ADMIN, false},
        {&sw_backup_handler, &daemon->service, SW_ROLE_ADMIN, false},
        {&sw_compact_handler, &daemon->service, SW_ROLE_ADMIN, false},
        {&sw_scrub_handler, &daemon->service, SW_ROLE_ADMIN, false},
        {&sw_health_check_handler, daemon->health, SW_ROLE_NONE, true},
        {&sw_health_watch_handler, daemon->health, SW_ROLE_NONE, true},
        {&sw_reflection_handler, daemon->reflection, SW_ROLE_READ, false},
        {&sw_reflection_handler, daemon->reflection, SW_ROLE_READ, false},
    };
    for (size_t i = 0; i < METHODS; i++) {
        const char *type = method_names[i].type;
        methods[i] = (struct sw_rpc_server_method){.path = method_names[i].path,
                                                   .client_streams = strcmp(type, "client_stream") == 0 ||
                                                                     strcmp(type, "bidi_stream") == 0,
                                                   .handler = rest[i].handler,
                                                   .service = rest[i].service,
                                                   .serves_while_stopping = rest[i].serves_while_stopping,
                                                   .role = rest[i].role};
    }
}

/* Counts a call, which then has its place until it ends; false where there are too many, with the reason in details. */
static bool enter(struct sw_daemon *daemon, struct sw_rpc_server_call *call, char *details, size_t details_bytes)
{
    const struct sw_limits limits = sw_service_limits(&daemon->service);
    char peer[200];
    if (sw_rpc_server_is_local(call)) /* the node's own user, who may have to look what is the matter */
        return true;
    sw_rpc_server_peer(call, peer, sizeof(peer));
    const enum sw_admitted admitted =
        sw_admission_enter(&daemon->service.calls, peer, 1, limits.calls_max, limits.peer_calls_max);
    if (admitted == SW_ADMITTED)
        return true;
    const bool is_peer = admitted == SW_ADMITTED_NOT_PEER;
    snprintf(details, details_bytes, "the node is busy: %s calls are as many as may be, %" PRIu64 " (%s); try again",
             is_peer ? "your address's" : "its", is_peer ? limits.peer_calls_max : limits.calls_max,
             is_peer ? "peer-calls-max" : "calls-max");
    sw_metrics_add(daemon->metrics, is_peer ? SW_METRIC_CALLS_PEER_BUSY : SW_METRIC_CALLS_BUSY, 1);
    sw_rpc_server_set_pushback(call, SW_RPC_PUSHBACK_ROOM_MS);
    return false;
}

static void leave(struct sw_daemon *daemon, const struct sw_rpc_server_call *call)
{
    char peer[200];
    if (sw_rpc_server_is_local(call))
        return;
    sw_rpc_server_peer(call, peer, sizeof(peer));
    sw_admission_leave(&daemon->service.calls, peer, 1);
}

static enum sw_rpc_code allow(void *user_data, struct sw_rpc_server_call *call, int role, char *details,
                              size_t details_bytes)
{
    struct sw_daemon *daemon = user_data;
    if (!enter(daemon, call, details, details_bytes))
        return SW_RPC_RESOURCE_EXHAUSTED;
    enum sw_rpc_code code = sw_access_check(daemon->access, call, (enum sw_role)role, details, details_bytes);
    if (code != SW_RPC_OK) {
        leave(daemon, call);
        sw_metrics_add(daemon->metrics, SW_METRIC_CALLS_DENIED, 1);
    }
    return code;
}

static void started(void *user_data, size_t method)
{
    struct sw_daemon *daemon = user_data;
    sw_metrics_started(daemon->metrics, method);
}

static void ended(void *user_data, const struct sw_rpc_server_call *call, size_t method, enum sw_rpc_code code,
                  uint64_t us)
{
    struct sw_daemon *daemon = user_data;
    char peer[200], quoted[420];
    uint64_t in, out;
    sw_rpc_server_bytes(call, &in, &out);
    sw_metrics_ended(daemon->metrics, method, code, us);
    sw_metrics_add(daemon->metrics, SW_METRIC_MESSAGE_BYTES_IN, in);
    sw_metrics_add(daemon->metrics, SW_METRIC_MESSAGE_BYTES_OUT, out);
    if (sw_rpc_server_was_allowed(call))
        leave(daemon, call);
    sw_rpc_server_peer(call, peer, sizeof(peer));
    if (sw_rpc_server_is_cancelled(call) && out == 0)
        sw_connections_cancelled(peer);
    if (!atomic_load(&daemon->access_log))
        return;
    sw_log(daemon->service.logger, SW_LOG_INFO, "call",
           "method=%s peer=%s code=%s ms=%.3f received_bytes=%" PRIu64 " sent_bytes=%" PRIu64,
           method < METHODS ? method_names[method].path : "unknown", sw_log_quote(peer, quoted, sizeof(quoted)),
           sw_rpc_code_name(code), (double)us / 1000, in, out);
}

static void gave_up(void *user_data, const struct sw_rpc_server_call *call, uint64_t us)
{
    struct sw_daemon *daemon = user_data;
    char peer[200], quoted[420];
    sw_metrics_add(daemon->metrics, SW_METRIC_CALLS_GIVEN_UP, 1);
    sw_rpc_server_peer(call, peer, sizeof(peer));
    sw_log(daemon->service.logger, SW_LOG_WARN, "a call is given up: its client takes or sends nothing",
           "peer=%s waited_ms=%llu", sw_log_quote(peer, quoted, sizeof(quoted)), (unsigned long long)(us / 1000));
}

static const struct sw_rpc_server_hooks hooks = {
    .allow = allow, .started = started, .ended = ended, .gave_up = gave_up};

/* The node's own socket, in its folder; "" where the path is too long for one. */
static void local_address(const struct sw_config *config, const struct sw_logger *logger, char *out, size_t out_bytes)
{
    struct sockaddr_un address;
    out[0] = '\0';
    if (strlen(config->data) + sizeof("/admin.sock") > sizeof(address.sun_path))
        sw_log(logger, SW_LOG_WARN, "the data folder's path is too long for a socket in it: no administration over it",
               "bytes_max=%zu", sizeof(address.sun_path) - sizeof("/admin.sock"));
    else
        snprintf(out, out_bytes, "unix:%s/admin.sock", config->data);
}

static void set_floor(const struct sw_daemon *daemon, const struct sw_config *config)
{
    struct sw_store *store = daemon->service.store;
    if (store->set_floor)
        store->set_floor(store, config->disk_free_bytes_min, (uint32_t)config->disk_free_percent_min);
}

static void bound_connections(const struct sw_daemon *daemon, const struct sw_config *config)
{
    const uint64_t possible = sw_connections_possible(config->connections_max);
    if (possible < config->connections_max)
        sw_log(daemon->service.logger, SW_LOG_WARN,
               "fewer connections than connections-max: the process may not have more descriptors",
               "connections_max=%" PRIu64 " possible=%" PRIu64, config->connections_max, possible);
    sw_connections_bound(daemon->port, possible, config->peer_connections_max, daemon->service.logger);
}

static enum sw_status serve(struct sw_daemon *daemon, const struct sw_config *config, int *port, struct sw_error *error)
{
    struct sw_rpc_server_method methods[METHODS];
    make_methods(daemon, methods);
    char local[sizeof("unix:") + sizeof(struct sockaddr_un)];
    struct sw_tls_pem pem = {NULL, NULL, NULL};
    enum sw_status status = SW_OK;
    if (config->tls_certificate)
        status = load_certificates(config, daemon->service.logger, &pem, error);
    if (status != SW_OK)
        return status;
    local_address(config, daemon->service.logger, local, sizeof(local));
    if (!config->listen && !local[0])
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the data folder's path is too long for a socket in it: %s",
                            config->data);
    const struct sw_rpc_server_options options = {
        .message_bytes_max = daemon->service.message_bytes_max,
        /* Calls are admitted one by one; this is for what comes before that. */
        .memory_bytes_max = sw_service_limits(&daemon->service).calls_bytes_max + CONNECTIONS_BYTES,
        .methods = methods,
        .method_count = METHODS,
        .tls = config->tls_certificate ? &pem : NULL,
        .tls_client_optional = config->tls_client_optional,
        .local_address = local[0] ? local : NULL,
        .streams_max = config->streams_max,
        .handshake_timeout_ms = config->handshake_timeout_ms,
        .idle_timeout_ms = config->idle_timeout_ms,
        .patience_us = config->send_timeout_ms * 1000,
        .hooks = &hooks,
        .hooks_data = daemon,
    };
    daemon->has_tls = config->tls_certificate != NULL;
    daemon->has_client_ca = config->tls_client_ca != NULL;
    mode_t mask = umask(0177); /* the socket is for the node's own user */
    status = sw_rpc_server_new(daemon->loop, config->listen, &options, &daemon->server, &daemon->port, error);
    umask(mask);
    if (status == SW_OK)
        bound_connections(daemon, config);
    sw_tls_pem_clear(&pem);
    if (port)
        *port = daemon->port;
    return status;
}

enum sw_status sw_daemon_start(const struct sw_config *config, struct sw_store *store, const struct sw_logger *logger,
                               struct sw_daemon **out, int *port, struct sw_error *error)
{
    *out = NULL;
    struct sw_daemon *daemon = calloc(1, sizeof(*daemon));
    if (!daemon)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a node");
    daemon->service.store = store;
    sw_service_init(&daemon->service, &config->limits);
    atomic_init(&daemon->access_log, config->access_log);
    daemon->service.metrics = daemon->metrics = sw_metrics_new(method_names, METHODS);
    if (!daemon->metrics) {
        sw_daemon_free(daemon);
        return sw_error_set(error, SW_NO_MEMORY, "no memory for metrics");
    }
    daemon->service.node_id = config->node_id;
    daemon->service.data = config->data;
    daemon->service.logger = logger;
    enum sw_status status = sw_pool_new((uint32_t)config->workers, "sw-worker", &daemon->service.pool, error);
    if (status == SW_OK)
        status = sw_pool_new(1, "sw-info", &daemon->service.info_pool, error);
    if (status == SW_OK)
        status = sw_pool_new(ADMIN_THREADS, "sw-admin", &daemon->service.admin_pool, error);
    if (status == SW_OK)
        status = sw_rpc_loop_new(&daemon->loop, error);
    if (status == SW_OK) {
        daemon->health = sw_health_new(&daemon->service);
        daemon->reflection = sw_reflection_new(&daemon->service);
        if (!daemon->health || !daemon->reflection)
            status = sw_error_set(error, SW_NO_MEMORY, "no memory for health and reflection");
    }
    set_floor(daemon, config);
    if (status == SW_OK)
        status = sw_access_new(config, &daemon->access, error);
    if (status == SW_OK)
        status = sw_disk_start(&daemon->service, daemon->health, &daemon->disk, error);
    if (status == SW_OK)
        status = sw_known_nodes_new(config->listen ? config->nodes : NULL, &daemon->service.known_nodes, error);
    if (status == SW_OK)
        status = sw_scrub_schedule_start(&daemon->service, config->listen ? config->scrub_interval_hours : 0,
                                         config->scrub_bytes_per_second, &daemon->service.scrub_schedule, error);
    if (status == SW_OK)
        status = serve(daemon, config, port, error);
    if (status == SW_OK)
        *out = daemon;
    else
        sw_daemon_free(daemon);
    return status;
}

static void not_taken(const struct sw_daemon *daemon, const char *what, const struct sw_error *error)
{
    char quoted[SW_ERROR_MESSAGE_SIZE];
    sw_log(daemon->service.logger, SW_LOG_ERROR, what, "error=%s",
           sw_log_quote(error->message, quoted, sizeof(quoted)));
}

static void replace_known_nodes(const struct sw_daemon *daemon, struct sw_known_nodes *known)
{
    struct sw_known_nodes *nodes = daemon->service.known_nodes;
    const size_t before = sw_known_nodes_count(nodes), after = sw_known_nodes_count(known);
    sw_known_nodes_replace(nodes, known);
    if (before > 0 || after > 0)
        sw_log(daemon->service.logger, SW_LOG_INFO, "node list read again", "nodes_before=%zu nodes=%zu", before,
               after);
}

void sw_daemon_reload(struct sw_daemon *daemon, const struct sw_config *config)
{
    struct sw_access *access = NULL;
    struct sw_known_nodes *known = NULL;
    struct sw_tls_pem pem;
    struct sw_error error = {0};
    sw_service_set_limits(&daemon->service, &config->limits);
    set_floor(daemon, config);
    bound_connections(daemon, config);
    sw_scrub_schedule_set(daemon->service.scrub_schedule, config->scrub_interval_hours, config->scrub_bytes_per_second);
    sw_rpc_server_set_patience(daemon->server, config->send_timeout_ms * 1000);
    atomic_store(&daemon->access_log, config->access_log);
    if (sw_known_nodes_new(config->nodes, &known, &error) == SW_OK)
        replace_known_nodes(daemon, known);
    else
        not_taken(daemon, "node list not taken, that of before stays", &error);
    if (sw_access_new(config, &access, &error) == SW_OK)
        sw_access_replace(daemon->access, access);
    else
        not_taken(daemon, "access rules not taken, those of before stay", &error);
    if (daemon->has_tls != (config->tls_certificate != NULL) ||
        daemon->has_client_ca != (config->tls_client_ca != NULL)) {
        sw_error_set(
            &error, SW_INVALID_ARGUMENT,
            "the node listens %s TLS and asks %s for certificates; to change that takes a restart, and until then "
            "no certificate is taken",
            daemon->has_tls ? "with" : "without", daemon->has_client_ca ? "clients" : "no client");
        not_taken(daemon, "certificates not taken, those of before stay", &error);
        return;
    }
    if (!daemon->has_tls)
        return;
    if (load_certificates(config, daemon->service.logger, &pem, &error) == SW_OK)
        sw_rpc_server_set_certificates(daemon->server, &pem);
    else
        not_taken(daemon, "certificates not taken, those of before stay", &error);
    sw_tls_pem_clear(&pem);
}

/* ---- metrics ---- */

static void write_statistic(const char *name, const char *type, const char *help, double value, void *out)
{
    sw_metrics_write_one(out, name, type, help, value);
}

void sw_daemon_write_metrics(struct sw_daemon *daemon, FILE *out)
{
    struct sw_service *service = &daemon->service;
    struct sw_store_info info = {0};
    struct sw_error error;
    fprintf(
        out,
        "# HELP symwave_node_info Which node this is.\n# TYPE symwave_node_info gauge\nsymwave_node_info{node_id=\"");
    sw_metrics_write_label(out, service->node_id);
    fprintf(out, "\",version=\"%s\"} 1\n", SYMWAVE_VERSION);
    sw_metrics_write(daemon->metrics, out);
    sw_metrics_write_one(out, "symwave_calls_bytes", "gauge", "Memory that calls have reserved.",
                         (double)sw_admission_taken(&service->admission));
    sw_metrics_write_one(out, "symwave_calls_limit_bytes", "gauge", "Memory that they may reserve.",
                         (double)sw_service_limits(service).calls_bytes_max);
    sw_metrics_write_one(out, "symwave_calls", "gauge", "Calls under way, but for the node's own socket.",
                         (double)sw_admission_taken(&service->calls));
    const struct sw_connections connections = sw_connections_counts();
    sw_metrics_write_one(out, "symwave_connections", "gauge", "Connections of clients.", (double)connections.open);
    sw_metrics_write_one(out, "symwave_connections_accepted_total", "counter", "Connections accepted.",
                         (double)connections.accepted);
    sw_metrics_write_one(out, "symwave_connections_refused_total", "counter", "Connections closed as one too many.",
                         (double)connections.refused);
    sw_metrics_write_one(out, "symwave_connections_broken_total", "counter",
                         "Connections closed since their clients cancelled too many calls.",
                         (double)connections.broken);
    if (service->store->info(service->store, &info, &error) == SW_OK) {
        sw_metrics_write_one(out, "symwave_store_symbols", "gauge", "Symbols in the store, estimated.",
                             (double)info.symbol_count);
        sw_metrics_write_one(out, "symwave_store_bytes", "gauge", "Bytes of the store on disk.",
                             (double)info.stored_bytes);
        sw_metrics_write_one(out, "symwave_store_writable", "gauge", "1 while the node takes symbols.", info.writable);
        sw_metrics_write_one(out, "symwave_disk_free_bytes", "gauge", "Free bytes of the store's disk.",
                             (double)info.free_bytes);
    }
    const struct sw_scrub_record scrub = sw_scrub_schedule_record(service->scrub_schedule);
    sw_metrics_write_one(out, "symwave_scrub_running", "gauge", "1 while the node scrubs by itself.",
                         scrub.started_at > 0 && scrub.finished_at == 0);
    sw_metrics_write_one(out, "symwave_scrub_finished_timestamp_seconds", "gauge",
                         "When the last scrub ended; 0: there has been none, or one runs.",
                         scrub.started_at > 0 ? (double)scrub.finished_at : 0);
    sw_metrics_write_one(out, "symwave_scrub_damaged", "gauge", "Damaged symbols that it found.",
                         (double)scrub.state.damaged);
    if (service->store->statistics)
        service->store->statistics(service->store, write_statistic, out);
}

void sw_daemon_set_serving(struct sw_daemon *daemon, bool serving)
{
    sw_health_set(daemon->health, serving);
}

size_t sw_daemon_stop(struct sw_daemon *daemon, uint32_t grace_ms)
{
    sw_health_stop(daemon->health);
    sw_reflection_stop(daemon->reflection);
    size_t cancelled = sw_rpc_server_stop(daemon->server, (uint64_t)grace_ms * 1000);
    sw_connections_unbound();
    return cancelled;
}

void sw_daemon_free(struct sw_daemon *daemon)
{
    if (!daemon)
        return;
    sw_disk_stop(daemon->disk);
    sw_scrub_schedule_stop(daemon->service.scrub_schedule);
    sw_rpc_server_free(daemon->server);
    sw_pool_free(daemon->service.pool); /* a task may still be on its last lines */
    sw_pool_free(daemon->service.info_pool);
    sw_pool_free(daemon->service.admin_pool);
    sw_reflection_free(daemon->reflection);
    sw_health_free(daemon->health);
    sw_rpc_loop_free(daemon->loop); /* gRPC releases what it still has of the store's values */
    sw_access_free(daemon->access);
    sw_known_nodes_free(daemon->service.known_nodes);
    sw_metrics_free(daemon->metrics);
    sw_service_clear(&daemon->service);
    free(daemon);
}
