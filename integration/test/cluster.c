/* The cluster: processes by fork and exec, their ports from their logs. */
#include "cluster.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TRIES 600 /* of 50 ms */

static void fail(const char *what, const char *which)
{
    fprintf(stderr, "cluster: cannot %s %s: %s\n", what, which, strerror(errno));
    exit(1);
}

/* A node ends with the thread that started it, so one that is stopped does not stay behind where a test is ended. */
static void run_node(const struct cluster_node *node, pid_t parent, const char *const *arguments)
{
    const char *argv[7 + CLUSTER_ARGUMENTS_MAX + 1] = {"symwaved", "--data",   node->data,   "--node-id",
                                                       node->id,   "--listen", node->address};
    for (size_t i = 0; i < CLUSTER_ARGUMENTS_MAX && arguments[i]; i++)
        argv[7 + i] = arguments[i];
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        fail("tie to its test", node->id);
    int log = open(node->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log < 0 || dup2(log, STDERR_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0)
        fail("open", node->log);
    execv(SYMWAVED, (char *const *)argv);
    fail("run", SYMWAVED);
}

/* The address after "address=" in the line that says that the node has started. */
static bool find_address(struct cluster_node *node)
{
    char line[1024];
    bool found = false;
    FILE *log = fopen(node->log, "r");
    while (log && !found && fgets(line, sizeof(line), log)) {
        const char *address = strstr(line, "node started") ? strstr(line, "address=") : NULL;
        found = address && sscanf(address, "address=%63[^ \n]", node->address) == 1;
    }
    if (log)
        fclose(log);
    return found;
}

static void show_log(const struct cluster_node *node)
{
    char line[1024];
    FILE *log = fopen(node->log, "r");
    while (log && fgets(line, sizeof(line), log))
        fprintf(stderr, "%s: %s", node->id, line);
    if (log)
        fclose(log);
}

static void spawn(struct cluster_node *node, const char *const *arguments)
{
    pid_t parent = getpid();
    unlink(node->log);
    node->pid = fork();
    if (node->pid < 0)
        fail("fork", node->id);
    if (node->pid == 0)
        run_node(node, parent, arguments);
}

static void wait_until_started(struct cluster_node *node)
{
    for (int i = 0; i < START_TRIES; i++) {
        if (find_address(node))
            return;
        int status;
        if (waitpid(node->pid, &status, WNOHANG) == node->pid) {
            fprintf(stderr, "cluster: %s ended with status %d before it served:\n", node->id, WEXITSTATUS(status));
            show_log(node);
            exit(1);
        }
        usleep(50000);
    }
    show_log(node);
    errno = ETIMEDOUT;
    fail("start", node->id);
}

static const char *const no_arguments[] = {NULL};

struct cluster *cluster_start(uint32_t count)
{
    return cluster_start_with(count, no_arguments);
}

struct cluster *cluster_start_with(uint32_t count, const char *const *arguments)
{
    /* As the executables do. Besides, a connect once failed with a stray errno in a system without /sys, which malloc
       looks into when it makes an arena: with one arena it never does. */
    sw_process_tune();
    struct cluster *cluster = calloc(1, sizeof(*cluster));
    const char *tmp = getenv("TMPDIR");
    snprintf(cluster->folder, sizeof(cluster->folder), "%.90s/symwave-test-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(cluster->folder))
        fail("make", cluster->folder);
    if (mkdir(cluster_path(cluster, ""), 0700) != 0)
        fail("make the files' folder of", cluster->folder);
    cluster->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct cluster_node *node = &cluster->nodes[i];
        snprintf(node->id, sizeof(node->id), "node-%04u", i);
        snprintf(node->address, sizeof(node->address), "127.0.0.1:0");
        snprintf(node->data, sizeof(node->data), "%s/%s", cluster->folder, node->id);
        snprintf(node->log, sizeof(node->log), "%s/%s.log", cluster->folder, node->id);
        spawn(node, arguments);
    }
    for (uint32_t i = 0; i < count; i++)
        wait_until_started(&cluster->nodes[i]);
    return cluster;
}

void cluster_signal(struct cluster *cluster, uint32_t index, int signal)
{
    struct cluster_node *node = &cluster->nodes[index];
    if (node->pid == 0) {
        errno = ESRCH; /* to signal 0 would be to signal ourselves */
        fail("signal", node->id);
    }
    if (kill(node->pid, signal) != 0)
        fail("signal", node->id);
    if (signal == SIGKILL) {
        waitpid(node->pid, NULL, 0);
        node->pid = 0;
    }
}

void cluster_restart(struct cluster *cluster, uint32_t index)
{
    cluster_restart_with(cluster, index, no_arguments);
}

void cluster_restart_with(struct cluster *cluster, uint32_t index, const char *const *arguments)
{
    struct cluster_node *node = &cluster->nodes[index];
    if (node->pid != 0) {
        errno = EBUSY; /* a second one on the same data would be refused; kill the first */
        fail("restart", node->id);
    }
    spawn(node, arguments);
    wait_until_started(node);
}

void cluster_stop(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i].pid == 0)
            continue;
        kill(cluster->nodes[i].pid, SIGCONT);
        kill(cluster->nodes[i].pid, SIGTERM);
    }
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct cluster_node *node = &cluster->nodes[i];
        int status = 0;
        if (node->pid != 0 && (waitpid(node->pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
            show_log(node);
            fprintf(stderr, "cluster: %s did not exit with 0 on SIGTERM (wait status %d)\n", node->id, status);
            exit(1);
        }
    }
    char command[256];
    snprintf(command, sizeof(command), "rm -rf -- '%s'", cluster->folder);
    if (system(command) != 0)
        fail("remove", cluster->folder);
    free(cluster);
}

const char *cluster_path(const struct cluster *cluster, const char *name)
{
    static char paths[4][400];
    static unsigned next;
    char *out = paths[next++ % 4];
    snprintf(out, sizeof(paths[0]), "%s/files/%s", cluster->folder, name);
    return out;
}

long cluster_memory_kib(const struct cluster *cluster, uint32_t index, const char *field)
{
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)cluster->nodes[index].pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, field, strlen(field)) == 0)
            sscanf(line + strlen(field) + 1, "%ld", &kib);
    if (file)
        fclose(file);
    if (kib < 0)
        fail("read", path);
    return kib;
}

struct sw_node_list *cluster_list(const struct cluster *cluster)
{
    struct sw_node_list *list = sw_node_list_new();
    struct sw_error error;
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (sw_node_list_add(list, cluster->nodes[i].id, cluster->nodes[i].address, &error) != SW_OK) {
            fprintf(stderr, "cluster: %s\n", error.message);
            exit(1);
        }
    }
    return list;
}

struct sw_client *cluster_client(const struct cluster *cluster, const struct sw_client_options *options)
{
    struct sw_node_list *list = cluster_list(cluster);
    struct sw_client *client;
    struct sw_error error;
    if (sw_client_open(options, list, &client, &error) != SW_OK) {
        fprintf(stderr, "cluster: %s\n", error.message);
        exit(1);
    }
    sw_node_list_free(list);
    return client;
}

bool cluster_in_child(void (*run)(void))
{
    int status;
    pid_t pid = fork();
    if (pid < 0)
        fail("fork", "a child");
    if (pid == 0) {
        run();
        _exit(0);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- values ---- */

void value_fill(uint8_t *bytes, size_t count, uint64_t index)
{
    uint64_t x = index * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < count; i += sizeof(x)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(bytes + i, &x, count - i < sizeof(x) ? count - i : sizeof(x));
    }
}

struct value_source {
    uint64_t next, count;
    size_t value_bytes;
    struct sw_key *keys;
};

static void release_value(const void *bytes, void *release_data)
{
    (void)release_data;
    free((void *)bytes);
}

static enum sw_status next_value(struct sw_value *value, struct sw_error *error, void *user_data)
{
    struct value_source *source = user_data;
    if (source->next == source->count)
        return SW_OK;
    uint8_t *bytes = malloc(source->value_bytes);
    if (!bytes)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a value");
    value_fill(bytes, source->value_bytes, source->next);
    source->keys[source->next] = sw_key_of_value(bytes, source->value_bytes);
    source->next++;
    *value = (struct sw_value){.bytes = bytes, .bytes_count = source->value_bytes, .release = release_value};
    return SW_OK;
}

struct sw_key *values_store(struct sw_client *client, uint64_t count, size_t value_bytes)
{
    struct value_source source = {
        .count = count, .value_bytes = value_bytes, .keys = calloc(count, sizeof(struct sw_key))};
    struct sw_store_report *report;
    struct sw_error error;
    if (sw_store_stream(client, next_value, &source, NULL, &report, &error) != SW_OK ||
        report->replicas_placed + report->replicas_present != report->replicas_wanted) {
        fprintf(stderr, "cluster: values were not stored: %s\n%s\n", error.message, sw_store_report_to_json(report));
        exit(1);
    }
    sw_store_report_free(report);
    return source.keys;
}

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    (void)error;
    struct value_sink *sink = user_data;
    uint8_t *expected = malloc(sink->value_bytes);
    value_fill(expected, sink->value_bytes, symbol->key_index);
    bool right = symbol->key_index < sink->count && !sink->seen[symbol->key_index] &&
                 symbol->value_bytes == sink->value_bytes && memcmp(symbol->value, expected, sink->value_bytes) == 0;
    free(expected);
    sink->received++;
    if (right)
        sink->seen[symbol->key_index] = 1;
    else
        sink->wrong++;
    if (sink->each)
        sink->each(sink);
    return SW_OK;
}

void value_sink_init(struct value_sink *sink, uint64_t count, size_t value_bytes)
{
    *sink = (struct value_sink){.count = count, .value_bytes = value_bytes, .seen = calloc(count, 1)};
}

void value_sink_clear(struct value_sink *sink)
{
    free(sink->seen);
}

struct sw_sink value_sink_as_sink(struct value_sink *sink)
{
    return (struct sw_sink){.take = take, .user_data = sink};
}
