/* symwaved: one node, or a command for who runs one. The node starts, waits for SIGTERM or SIGINT, stops; and reads its
 * configuration again at SIGHUP. */
#include "server/admin.h"
#include "server/daemon.h"
#include "server/notify.h"
#include "server/registration.h"
#include "server/rocksdb_log.h"
#include "server/watching.h"
#include "symwave/client.h"
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_LOCAL_FAILURE 3

/* What runs, and as what. */
struct running {
    struct sw_config config; /* as it was read last */
    struct sw_logger logger;
    struct sw_daemon *daemon;
};

/* Descriptors are connections and files of the store: as many as the system lets us have, within reason. */
static void raise_descriptor_limit(void)
{
    const rlim_t wanted = 65536;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Blocks the signals that the node waits for, in this thread and in all that it starts from now on. */
static void block_signals(sigset_t *signals)
{
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static void log_change(const char *name, const char *from, const char *to, bool reloadable, void *user_data)
{
    char before[SW_ERROR_MESSAGE_SIZE], after[SW_ERROR_MESSAGE_SIZE];
    sw_log(user_data, reloadable ? SW_LOG_INFO : SW_LOG_WARN,
           reloadable ? "configuration changed" : "configuration changed, but this takes a restart",
           "key=%s from=%s to=%s", name, sw_log_quote(from, before, sizeof(before)),
           sw_log_quote(to, after, sizeof(after)));
}

/* Reads the configuration again; where something is wrong with it, all stays as it is. */
static void reload(struct running *running)
{
    struct sw_config next;
    struct sw_error error = {0};
    char quoted[SW_ERROR_MESSAGE_SIZE];
    if (sw_config_reload(&running->config, &next, &error) != SW_OK) {
        sw_log(&running->logger, SW_LOG_ERROR, "configuration not taken, all stays as it is", "error=%s",
               sw_log_quote(error.message, quoted, sizeof(quoted)));
        return;
    }
    size_t changes = sw_config_compare(&running->config, &next, log_change, &running->logger);
    sw_daemon_reload(running->daemon, &next);
    sw_logger_set_level(&running->logger, next.log_level);
    sw_config_clear(&running->config);
    running->config = next;
    sw_log(&running->logger, SW_LOG_INFO, "configuration read again", "changes=%zu", changes);
}

/* Waits for the signal to stop. From then on another one ends the process at once: what was acknowledged is on disk. */
static int wait_for_signal(struct running *running, const sigset_t *signals)
{
    int received = 0;
    while (sigwait(signals, &received) != 0 || received == SIGHUP)
        if (received == SIGHUP) {
            sw_notify_reloading();
            reload(running);
            sw_notify_ready("serving");
        }
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
    return received;
}

/* The address listened on, with the port that was given for port 0. */
static void address_of(const char *listen, int port, char *out, size_t out_bytes)
{
    const char *colon = strrchr(listen, ':');
    if (strncmp(listen, "unix:", 5) == 0)
        snprintf(out, out_bytes, "%s", listen);
    else
        snprintf(out, out_bytes, "%.*s:%d", (int)(colon - listen), listen, port);
}

static void log_started(const struct sw_logger *logger, const struct sw_config *config, int port)
{
    char address[300], node[600], quoted_address[600], data[1100], text[320];
    address_of(config->listen, port, address, sizeof(address));
    sw_log(logger, SW_LOG_INFO, "node started", "node=%s address=%s data=%s version=%s",
           sw_log_quote(config->node_id, node, sizeof(node)),
           sw_log_quote(address, quoted_address, sizeof(quoted_address)),
           sw_log_quote(config->data, data, sizeof(data)), SYMWAVE_VERSION);
    snprintf(text, sizeof(text), "serving on %s", address);
    sw_notify_ready(text);
}

/* Opens the store, with what faults it is to have. */
static enum sw_status open_store(const struct sw_config *config, const struct sw_logger *logger,
                                 struct sw_store **store, struct sw_error *error)
{
    char spec[600];
    sw_rocksdb_log_to(logger);
    enum sw_status status = sw_store_rocksdb_open(config->data, store, error);
    if (status != SW_OK)
        return status;
    sw_rocksdb_log_left_out(config->data, logger);
    if (!config->store_fault)
        return status;
    struct sw_store *under = *store;
    status = sw_store_fault_open(under, &config->faults, store, error);
    if (status != SW_OK)
        under->close(under);
    else
        sw_log(logger, SW_LOG_WARN, "what this node reads goes wrong on purpose", "store_fault=%s",
               sw_log_quote(config->store_fault, spec, sizeof(spec)));
    return status;
}

static int run(const struct sw_config *config, const sigset_t *signals)
{
    struct sw_log_writer writer = {.fd = STDERR_FILENO, .format = config->log_format};
    struct running running = {.logger = {.level = config->log_level, .fn = sw_log_writer_write, .user_data = &writer}};
    const struct sw_logger *logger = &running.logger;
    struct sw_store *store = NULL;
    struct sw_watching *watching = NULL;
    struct sw_registration *registration = NULL;
    struct sw_error error = {0};
    int port = 0;
    size_t cancelled = 0;
    char node[600];
    enum sw_status status = sw_watching_start(config, logger, &watching, &error);
    if (status == SW_OK)
        status = open_store(config, logger, &store, &error);
    if (status == SW_OK)
        status = sw_daemon_start(config, store, logger, &running.daemon, &port, &error);
    if (status == SW_OK) {
        status = sw_config_reload(config, &running.config, &error);
        if (status != SW_OK)
            sw_daemon_stop(running.daemon, 0);
    }
    if (status != SW_OK) {
        fprintf(stderr, "symwaved: %s\n", error.message);
        goto out;
    }
    log_started(logger, config, port);
    char address[300];
    address_of(config->listen, port, address, sizeof(address));
    status = sw_registration_start(config, address, logger, &registration, &error);
    if (status != SW_OK) {
        fprintf(stderr, "symwaved: %s\n", error.message);
        sw_daemon_stop(running.daemon, 0);
        goto out;
    }
    sw_watching_set(watching, SW_WATCHED_SERVING, running.daemon);
    int received = wait_for_signal(&running, signals);
    sw_log(logger, SW_LOG_INFO, "node stopping", "node=%s signal=%d grace_ms=%" PRIu64,
           sw_log_quote(config->node_id, node, sizeof(node)), received, running.config.grace_ms);
    sw_notify_stopping();
    sw_watching_set(watching, SW_WATCHED_STOPPING, running.daemon);
    sw_registration_stop(registration); /* before calls are refused: nobody is to come who need not */
    if (config->store_fault)
        sw_store_fault_end_waits(store);
    cancelled = sw_daemon_stop(running.daemon, (uint32_t)running.config.grace_ms);
    sw_watching_set(watching, SW_WATCHED_STOPPING, NULL);
out:
    sw_watching_stop(watching);
    sw_daemon_free(running.daemon);
    sw_config_clear(&running.config);
    if (store)
        store->close(store);
    sw_rocksdb_log_to(NULL);
    if (status != SW_OK)
        return EXIT_LOCAL_FAILURE;
    sw_log(logger, SW_LOG_INFO, "node stopped", "node=%s calls_cancelled=%zu",
           sw_log_quote(config->node_id, node, sizeof(node)), cancelled);
    return 0;
}

int main(int argc, char **argv)
{
    struct sw_config config;
    sigset_t signals;
    sw_process_tune();
    if (argc > 1 && sw_admin_is_command(argv[1]))
        return sw_admin_main(argc, argv);
    sw_config_parse(&config, argc, argv);
    raise_descriptor_limit();
    block_signals(&signals);
    int status = run(&config, &signals);
    sw_config_clear(&config);
    return status;
}
