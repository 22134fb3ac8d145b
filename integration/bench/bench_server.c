/*
 * Loads one node and drops what comes: what the node itself can do, with as little client as there can be. It checks
 * that all bytes came and looks at none of them.
 *
 *     bench_server fill ADDRESS KEYS VALUE_BYTES COUNT
 *     bench_server retrieve|values ADDRESS KEYS VALUE_BYTES PID CONNECTIONS REQUESTS REQUEST_KEYS CASE
 *     bench_server slow ADDRESS KEYS STREAMS
 *
 * fill stores COUNT values and writes their keys to the file KEYS, in random order. retrieve and values ask for all of
 * them in random order by RetrieveBatch and BatchGetValues, with REQUESTS in flight, and print a line of the row
 * "server"; PID is the node's, whose CPU seconds they state. slow asks for everything on STREAMS connections and stops
 * itself (SIGSTOP) once each has had a message.
 */
#include "common/clock.h"
#include "common/rpc.h"
#include "symwave/symwave.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define METHOD          "/symwave.v1.SymbolStore/"
#define CONNECTIONS_MAX 256
/* Keys that a slow reader asks for: the most that the SDK does, and more bytes than sockets and windows hold. */
#define SLOW_KEYS 600

struct request {
    struct load *load;
    struct sw_rpc_channel *channel;
    struct sw_rpc_client_call *call;
};

struct load {
    const char *method;
    size_t value_bytes;
    struct sw_key *keys; /* in the order in which they are asked for */
    size_t key_count;
    size_t request_keys;
    uint64_t bytes; /* came; loop thread only */
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t next;
    size_t in_flight;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_server: %s: %s\n", what, why);
    exit(1);
}

static double seconds_of(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0)
        die("clock", "cannot be read");
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static size_t number(const char *text)
{
    char *end;
    size_t value = strtoull(text, &end, 10);
    if (end == text || *end || value == 0)
        die(text, "is not a number above 0");
    return value;
}

/* ---- keys ---- */

static struct sw_key *read_keys(const char *path, size_t *count)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        die(path, "cannot be read");
    *count = (size_t)ftell(file) / sizeof(struct sw_key);
    rewind(file);
    struct sw_key *keys = malloc(*count * sizeof(*keys));
    if (!keys || fread(keys, sizeof(*keys), *count, file) != *count)
        die(path, "cannot be read");
    fclose(file);
    return keys;
}

static void shuffle(struct sw_key *keys, size_t count)
{
    srand48((long)sw_clock_us());
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)(drand48() * (double)i);
        struct sw_key key = keys[i - 1];
        keys[i - 1] = keys[other];
        keys[other] = key;
    }
}

/* Keys are field 1 of both methods' requests. */
static struct sw_rpc_message *request_for(const struct sw_key *keys, size_t count)
{
    const size_t field_bytes = 2 + SW_KEY_BYTES;
    struct sw_rpc_message *message = sw_rpc_message_new();
    uint8_t *fields = malloc(count * field_bytes);
    if (!message || !fields)
        die("request", "no memory");
    for (size_t i = 0; i < count; i++) {
        fields[i * field_bytes] = 1 << 3 | 2;
        fields[i * field_bytes + 1] = SW_KEY_BYTES;
        memcpy(fields + i * field_bytes + 2, keys[i].bytes, SW_KEY_BYTES);
    }
    sw_rpc_message_add_external(message, fields, count * field_bytes, free, fields);
    return message;
}

/* ---- fill ---- */

struct source {
    uint8_t *value; /* random, but for its first bytes, which count */
    size_t value_bytes;
    uint64_t next, count;
    struct sw_key *keys;
};

static enum sw_status next_value(struct sw_value *value, struct sw_error *error, void *user_data)
{
    struct source *source = user_data;
    (void)error;
    if (source->next == source->count)
        return SW_OK;
    memcpy(source->value, &source->next, sizeof(source->next));
    source->keys[source->next++] = sw_key_of_value(source->value, source->value_bytes);
    *value = (struct sw_value){.bytes = source->value, .bytes_count = source->value_bytes};
    return SW_OK;
}

static void fill(const char *address, const char *keys_path, size_t value_bytes, size_t count)
{
    struct sw_node_list *nodes = sw_node_list_new();
    struct sw_client *client = NULL;
    struct sw_error error = {.message = ""};
    struct source source = {.value = malloc(value_bytes),
                            .value_bytes = value_bytes,
                            .count = count,
                            .keys = calloc(count, sizeof(struct sw_key))};
    FILE *file = fopen(keys_path, "wb");
    if (!nodes || !source.value || !source.keys || !file)
        die(keys_path, "cannot be written");
    for (size_t i = 0; i < value_bytes; i++)
        source.value[i] = (uint8_t)lrand48();
    if (sw_node_list_add(nodes, "node-1", address, &error) != SW_OK ||
        sw_client_open(NULL, nodes, &client, &error) != SW_OK ||
        sw_store_stream(client, next_value, &source, NULL, NULL, &error) != SW_OK)
        die("fill", error.message);
    shuffle(source.keys, count);
    if (fwrite(source.keys, sizeof(struct sw_key), count, file) != count || fclose(file) != 0)
        die(keys_path, "cannot be written");
    sw_client_close(client);
    sw_node_list_free(nodes);
    free(source.value);
    free(source.keys);
}

/* ---- retrieve, values ---- */

static void message_came(void *state, struct sw_rpc_message *message)
{
    struct request *request = state;
    request->load->bytes += sw_rpc_message_bytes(message);
    sw_rpc_message_free(message);
}

static void call_ended(void *state, enum sw_rpc_code code, const char *details);

/* Asks for the next keys; false where there are none left. Under lock. */
static bool ask(struct request *request)
{
    static const struct sw_rpc_client_handler handler = {.message = message_came, .end = call_ended};
    struct load *load = request->load;
    size_t count = load->key_count - load->next;
    if (count == 0)
        return false;
    if (count > load->request_keys)
        count = load->request_keys;
    struct sw_rpc_message *message = request_for(load->keys + load->next, count);
    load->next += count;
    request->call = sw_rpc_client_start(request->channel, load->method, message, SW_CLOCK_NEVER, &handler, request);
    if (!request->call)
        die("request", "no memory");
    return true;
}

static void call_ended(void *state, enum sw_rpc_code code, const char *details)
{
    struct request *request = state;
    struct load *load = request->load;
    if (code != SW_RPC_OK)
        die(sw_rpc_code_name(code), details);
    pthread_mutex_lock(&load->lock);
    sw_rpc_client_release(request->call);
    if (!ask(request)) {
        load->in_flight--;
        pthread_cond_signal(&load->changed);
    }
    pthread_mutex_unlock(&load->lock);
}

/* Asks for key_count keys, with so many requests in flight, and waits until all have come. */
static void run_load(struct load *load, struct request *requests, size_t request_count, size_t key_count)
{
    load->key_count = key_count;
    load->next = 0;
    load->bytes = 0;
    pthread_mutex_lock(&load->lock);
    for (size_t i = 0; i < request_count; i++) {
        requests[i].load = load;
        if (ask(&requests[i]))
            load->in_flight++;
    }
    while (load->in_flight > 0)
        pthread_cond_wait(&load->changed, &load->lock);
    pthread_mutex_unlock(&load->lock);
    if (load->bytes < key_count * load->value_bytes)
        die(load->method, "the node lacks keys");
}

static struct sw_rpc_channel **connect_to(struct sw_rpc_loop *loop, const char *address, size_t count)
{
    static struct sw_rpc_channel *channels[CONNECTIONS_MAX];
    const struct sw_rpc_channel_options options = {.message_bytes_max = 0};
    if (count > CONNECTIONS_MAX)
        die(address, "too many connections");
    for (size_t i = 0; i < count; i++)
        channels[i] = sw_rpc_channel_new(loop, address, &options);
    return channels;
}

static void measure(bool streamed, const char *address, const char *keys_path, size_t value_bytes, char **rest)
{
    clockid_t node_clock;
    size_t connections = number(rest[1]), request_count = number(rest[2]);
    struct load load = {.method = streamed ? METHOD "RetrieveBatch" : METHOD "BatchGetValues",
                        .value_bytes = value_bytes,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .changed = PTHREAD_COND_INITIALIZER};
    struct request *requests = calloc(request_count, sizeof(*requests));
    struct sw_rpc_loop *loop = NULL;
    size_t key_count;
    load.keys = read_keys(keys_path, &key_count);
    shuffle(load.keys, key_count);
    if (!requests || clock_getcpuclockid((pid_t)number(rest[0]), &node_clock) != 0 || sw_rpc_loop_new(&loop, NULL) != 0)
        die(rest[0], "is no process whose time can be read");
    struct sw_rpc_channel **channels = connect_to(loop, address, connections);
    for (size_t i = 0; i < request_count; i++)
        requests[i].channel = channels[i % connections];
    load.request_keys = 1; /* connects */
    run_load(&load, requests, request_count, request_count);
    load.request_keys = number(rest[3]);
    double node = seconds_of(node_clock), own = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    double start = seconds_of(CLOCK_MONOTONIC);
    run_load(&load, requests, request_count, key_count);
    double seconds = seconds_of(CLOCK_MONOTONIC) - start;
    node = seconds_of(node_clock) - node;
    own = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - own;
    double gb = (double)(key_count * value_bytes) / 1e9;
    printf("{\"row\":\"server\",\"case\":\"%s\",\"what\":\"%s\",\"figures\":{\"mb_per_s\":%.1f,\"symbols_per_s\":%.0f,"
           "\"server_cpu_s_per_gb\":%.3f,\"client_cpu_s_per_gb\":%.3f}}\n",
           rest[4], streamed ? "RetrieveBatch" : "BatchGetValues", gb * 1e3 / seconds, (double)key_count / seconds,
           node / gb, own / gb);
    for (size_t i = 0; i < connections; i++)
        sw_rpc_channel_free(channels[i]);
    sw_rpc_loop_free(loop);
    free(load.keys);
    free(requests);
}

/* ---- slow ---- */

static atomic_size_t streaming; /* streams that have had a message */

static void first_came(void *state, struct sw_rpc_message *message)
{
    bool *had_one = state;
    if (!*had_one)
        atomic_fetch_add(&streaming, 1);
    *had_one = true;
    sw_rpc_message_free(message);
}

static void stream_ended(void *state, enum sw_rpc_code code, const char *details)
{
    (void)state;
    die(sw_rpc_code_name(code), details);
}

static void read_slowly(const char *address, const char *keys_path, size_t streams)
{
    static const struct sw_rpc_client_handler handler = {.message = first_came, .end = stream_ended};
    static bool had_one[CONNECTIONS_MAX];
    struct sw_rpc_loop *loop;
    size_t count;
    struct sw_key *keys = read_keys(keys_path, &count);
    if (sw_rpc_loop_new(&loop, NULL) != SW_OK)
        die(address, "no memory");
    struct sw_rpc_channel **channels = connect_to(loop, address, streams);
    for (size_t i = 0; i < streams; i++)
        sw_rpc_client_start(channels[i], METHOD "RetrieveBatch",
                            request_for(keys, count < SLOW_KEYS ? count : SLOW_KEYS), SW_CLOCK_NEVER, &handler,
                            &had_one[i]);
    while (atomic_load(&streaming) < streams)
        usleep(100);
    raise(SIGSTOP);
    _exit(0);
}

int main(int argc, char **argv)
{
    sw_process_tune();
    if (argc == 6 && strcmp(argv[1], "fill") == 0)
        fill(argv[2], argv[3], number(argv[4]), number(argv[5]));
    else if (argc == 10 && (strcmp(argv[1], "retrieve") == 0 || strcmp(argv[1], "values") == 0))
        measure(argv[1][0] == 'r', argv[2], argv[3], number(argv[4]), argv + 5);
    else if (argc == 5 && strcmp(argv[1], "slow") == 0)
        read_slowly(argv[2], argv[3], number(argv[4]));
    else
        die("usage", "see the top of bench_server.c");
    return 0;
}
