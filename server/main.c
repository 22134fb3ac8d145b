/* symwaved: one node. Starts, waits for SIGTERM or SIGINT, stops. */
#include "server/daemon.h"
#include "symwave/client.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_LOCAL_FAILURE 3

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

/* Blocks the signals that stop the node, in this thread and in all that it starts from now on. */
static void block_signals(sigset_t *signals)
{
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* Waits for the signal to stop. From then on another one ends the process at once: what was acknowledged is on disk. */
static int wait_for_signal(const sigset_t *signals)
{
    int received = 0;
    while (sigwait(signals, &received) != 0)
        ;
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
    char address[300], node[600], quoted_address[600], data[1100];
    address_of(config->listen, port, address, sizeof(address));
    sw_log(logger, SW_LOG_INFO, "node started", "node=%s address=%s data=%s version=%s",
           sw_log_quote(config->node_id, node, sizeof(node)),
           sw_log_quote(address, quoted_address, sizeof(quoted_address)),
           sw_log_quote(config->data, data, sizeof(data)), SYMWAVE_VERSION);
}

/* Opens the store, with what faults it is to have. */
static enum sw_status open_store(const struct sw_config *config, const struct sw_logger *logger,
                                 struct sw_store **store, struct sw_error *error)
{
    char spec[600];
    enum sw_status status = sw_store_rocksdb_open(config->data, store, error);
    if (status != SW_OK || !config->store_fault)
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
    const struct sw_logger logger = {.level = config->log_level, .fn = sw_log_writer_write, .user_data = &writer};
    struct sw_store *store = NULL;
    struct sw_daemon *daemon = NULL;
    struct sw_error error = {0};
    int port = 0;
    size_t cancelled = 0;
    char node[600];
    enum sw_status status = open_store(config, &logger, &store, &error);
    if (status == SW_OK)
        status = sw_daemon_start(config, store, &logger, &daemon, &port, &error);
    if (status != SW_OK) {
        fprintf(stderr, "symwaved: %s\n", error.message);
        goto out;
    }
    log_started(&logger, config, port);
    int received = wait_for_signal(signals);
    sw_log(&logger, SW_LOG_INFO, "node stopping", "node=%s signal=%d grace_ms=%u",
           sw_log_quote(config->node_id, node, sizeof(node)), received, config->grace_ms);
    if (config->store_fault)
        sw_store_fault_end_waits(store);
    cancelled = sw_daemon_stop(daemon, config->grace_ms);
out:
    sw_daemon_free(daemon);
    if (store)
        store->close(store);
    if (status != SW_OK)
        return EXIT_LOCAL_FAILURE;
    sw_log(&logger, SW_LOG_INFO, "node stopped", "node=%s calls_cancelled=%zu",
           sw_log_quote(config->node_id, node, sizeof(node)), cancelled);
    return 0;
}

int main(int argc, char **argv)
{
    struct sw_config config;
    sigset_t signals;
    sw_process_tune();
    sw_config_parse(&config, argc, argv);
    raise_descriptor_limit();
    block_signals(&signals);
    return run(&config, &signals);
}
