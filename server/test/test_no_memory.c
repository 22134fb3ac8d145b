/*
 * A node without memory: every allocation of symwaved fails once, in turn, in each call to it and in its configuration
 * read again; and as it starts and in its commands some of them, or with SYMWAVE_EVERY all. Each time there is an
 * error, or none is needed: it never crashes, what it acknowledges is there, and the next call is answered. Under the
 * address sanitizer nothing leaks. Needs symwaved_no_memory beside it.
 */
#include "google/protobuf/descriptor.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "server/test/no_memory.h"
#include "server/test/node_fixture.h"
#include "server/test/temp_folder.h"
#include "symwave/v1/admin.pb-c.h"
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#define VALUE_BYTES 70000
#define WAIT_MS     60000

extern char **environ;

static struct no_memory *shared;
static long failing; /* the allocation, for messages */
static char *folder; /* where it all is, and the working directory */
static char program[PATH_MAX];

static void fail_at(long at)
{
    failing = at;
    atomic_store(&shared->until_failure, at);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(chmod(name, 0600), 0);
    assert_int_equal(fclose(file), 0);
}

/* ---- the program ---- */

static pid_t spawn(const char *const *arguments)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "err", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    assert_int_equal(posix_spawn(&pid, program, &actions, NULL, (char *const *)arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

/* What is in a file of its output; of the latest call. */
static const char *read_output(const char *name)
{
    static char text[65536];
    FILE *file = fopen(name, "r");
    size_t bytes = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[bytes] = '\0';
    return text;
}

static const char *said(void)
{
    return read_output("err");
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* Fails the test, and shows what the program has said. */
#define fail_showing(format, ...)                                                                                      \
    do {                                                                                                               \
        fprintf(stderr, "standard output:\n%s", read_output("out"));                                                   \
        fprintf(stderr, "standard error:\n%s", said());                                                                \
        fail_msg("allocation %ld: " format, failing, __VA_ARGS__);                                                     \
    } while (0)

/* Its exit status. Fails the test where it ends in another way, or not at all. */
static int wait_for(pid_t pid)
{
    int status;
    for (int waited = 0; waitpid(pid, &status, WNOHANG) == 0; waited++) {
        if (waited == WAIT_MS / 5) {
            kill(pid, SIGKILL);
            fail_showing("%s does not end", program);
        }
        pause_ms(5);
    }
    if (!WIFEXITED(status))
        fail_showing("signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* Whether a node serves, and does not end before it does. */
static bool started(pid_t pid)
{
    siginfo_t info = {0};
    for (int waited = 0; !strstr(said(), "node started"); waited++) {
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
        if (info.si_pid != 0)
            return false;
        if (waited == WAIT_MS / 5) {
            kill(pid, SIGKILL);
            fail_showing("%s does not start", program);
        }
        pause_ms(5);
    }
    return true;
}

/* One run with the allocation at failing; whether there was one. */
static bool run_once(const char *const *arguments, bool is_node, long at, unsigned *failed, unsigned *survived)
{
    fail_at(at);
    pid_t pid = spawn(arguments);
    if (is_node && started(pid))
        kill(pid, SIGTERM);
    const int status = wait_for(pid);
    const bool reached = atomic_exchange(&shared->until_failure, -1) < 0;
    /* Of an answer that cannot be unpacked a command cannot tell whether memory was what it took. */
    if (status > 3 || (status != 0 && !strstr(said(), is_node ? "memory" : "symwaved ") &&
                       !strstr(read_output("out"), "Cannot allocate memory")))
        fail_showing("exit status %d", status);
    *(status == 0 ? survived : failed) += reached;
    return reached;
}

/* Every step-th; every one where the environment has SYMWAVE_EVERY. */
static void fail_each_of(const char *name, const char *const *arguments, bool is_node, long step)
{
    unsigned failed = 0, survived = 0;
#ifdef __SANITIZE_THREAD__
    step *= 4; /* it takes a process four times as long to start */
#endif
    if (getenv("SYMWAVE_EVERY"))
        step = 1;
    for (long at = 0; run_once(arguments, is_node, at, &failed, &survived); at += step)
        ;
    print_message("%s: %u allocations failed it, %u did not\n", name, failed, survived);
    assert_true(failed > 0);
}

/* ---- a node that runs ---- */

static struct node node;      /* how it is called */
static pid_t node_pid;        /* 0: it does not run */
static struct sw_key keys[3]; /* the last one it does not have */

static void node_connect(void)
{
    struct sw_error error = {0};
    assert_int_equal(sw_rpc_loop_new(&node.loop, &error), SW_OK);
    node.channel = sw_rpc_channel_new(node.loop, "unix:node/admin.sock", &(struct sw_rpc_channel_options){0});
    assert_non_null(node.channel);
}

/* A call with its answer; what it says where it ends well must be true. */
typedef struct reply (*call_fn)(void);

static ProtobufCBinaryData data_of(struct sw_key *key)
{
    return (ProtobufCBinaryData){.len = SW_KEY_BYTES, .data = key->bytes};
}

static bool is_value(uint32_t number, const ProtobufCBinaryData *got)
{
    uint8_t *value = value_make(number, VALUE_BYTES);
    const bool equal = got->len == VALUE_BYTES && memcmp(got->data, value, VALUE_BYTES) == 0;
    free(value);
    return equal;
}

static struct reply get_values(void)
{
    Symwave__V1__BatchGetValuesRequest request = SYMWAVE__V1__BATCH_GET_VALUES_REQUEST__INIT;
    ProtobufCBinaryData data[3] = {data_of(&keys[0]), data_of(&keys[1]), data_of(&keys[2])};
    request.n_keys = 3;
    request.keys = data;
    struct reply reply = node_call_packed(&node, SYMBOL_STORE "BatchGetValues", &request.base);
    if (reply.code == SW_RPC_OK) {
        Symwave__V1__BatchGetValuesResponse *response = symwave__v1__batch_get_values_response__unpack(
            NULL, reply.messages[0].bytes_count, reply.messages[0].bytes);
        assert_non_null(response);
        assert_int_equal(response->n_values, 3);
        assert_true(response->values[0]->found && is_value(0, &response->values[0]->value));
        assert_true(response->values[1]->found && is_value(1, &response->values[1]->value));
        assert_false(response->values[2]->found);
        symwave__v1__batch_get_values_response__free_unpacked(response, NULL);
    }
    return reply;
}

static struct reply retrieve(void)
{
    Symwave__V1__RetrieveBatchRequest request = SYMWAVE__V1__RETRIEVE_BATCH_REQUEST__INIT;
    ProtobufCBinaryData data[3] = {data_of(&keys[0]), data_of(&keys[1]), data_of(&keys[2])};
    size_t values = 0, missing = 0, corrupt = 0;
    request.n_keys = 3;
    request.keys = data;
    struct reply reply = node_call_packed(&node, SYMBOL_STORE "RetrieveBatch", &request.base);
    for (size_t i = 0; i < reply.count; i++) {
        Symwave__V1__RetrieveBatchResponse *response =
            symwave__v1__retrieve_batch_response__unpack(NULL, reply.messages[i].bytes_count, reply.messages[i].bytes);
        assert_non_null(response);
        for (size_t j = 0; j < response->n_symbols; j++, values++)
            assert_true(is_value(memcmp(response->symbols[j]->key.data, &keys[1], SW_KEY_BYTES) == 0,
                                 &response->symbols[j]->value));
        missing += response->n_missing;
        corrupt += response->n_corrupt;
        symwave__v1__retrieve_batch_response__free_unpacked(response, NULL);
    }
    if (reply.code == SW_RPC_OK) {
        assert_int_equal(values + corrupt, 2);
        assert_int_equal(missing, 1);
    }
    return reply;
}

static struct reply store(uint32_t first)
{
    struct stream *stream = stream_open(&node, SYMBOL_STORE "StoreBatch");
    for (uint32_t i = 0; i < 2; i++) {
        Symwave__V1__StoreBatchRequest request = SYMWAVE__V1__STORE_BATCH_REQUEST__INIT;
        Symwave__V1__StoreSymbol symbol = SYMWAVE__V1__STORE_SYMBOL__INIT, *pointer = &symbol;
        symbol.value = (ProtobufCBinaryData){.len = VALUE_BYTES, .data = value_make(first + i, VALUE_BYTES)};
        request.n_symbols = 1;
        request.symbols = &pointer;
        stream_send_packed(stream, &request.base);
        free(symbol.value.data);
    }
    return stream_close(stream);
}

/* Stores values that are new, and looks whether those acknowledged can be had: this one allocates, too. */
static struct reply store_new(void)
{
    static uint32_t first = 1000;
    struct reply reply = store(first += 2);
    if (reply.code != SW_RPC_OK)
        return reply;
    const long left = atomic_exchange(&shared->until_failure, -1);
    Symwave__V1__StoreBatchResponse *response =
        symwave__v1__store_batch_response__unpack(NULL, reply.messages[0].bytes_count, reply.messages[0].bytes);
    assert_non_null(response);
    assert_int_equal(response->n_results, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(response->results[i]->outcome, SYMWAVE__V1__STORE_RESULT__OUTCOME__STORED);
        Symwave__V1__BatchGetValuesRequest request = SYMWAVE__V1__BATCH_GET_VALUES_REQUEST__INIT;
        request.n_keys = 1;
        request.keys = &response->results[i]->key;
        struct reply got = node_call_packed(&node, SYMBOL_STORE "BatchGetValues", &request.base);
        assert_int_equal(got.code, SW_RPC_OK);
        Symwave__V1__BatchGetValuesResponse *values =
            symwave__v1__batch_get_values_response__unpack(NULL, got.messages[0].bytes_count, got.messages[0].bytes);
        assert_true(is_value(first + i, &values->values[0]->value));
        symwave__v1__batch_get_values_response__free_unpacked(values, NULL);
        reply_clear(&got);
    }
    symwave__v1__store_batch_response__free_unpacked(response, NULL);
    atomic_store(&shared->until_failure, left);
    return reply;
}

static struct reply delete_keys(void)
{
    Symwave__V1__DeleteBatchRequest request = SYMWAVE__V1__DELETE_BATCH_REQUEST__INIT;
    ProtobufCBinaryData data[1] = {data_of(&keys[2])};
    request.n_keys = 1;
    request.keys = data;
    return node_call_packed(&node, SYMBOL_STORE "DeleteBatch", &request.base);
}

static struct reply info(void)
{
    return node_call(&node, SYMBOL_STORE "GetNodeInfo", "", 0);
}

static struct reply find_node(void)
{
    Symwave__V1__FindNodeRequest request = SYMWAVE__V1__FIND_NODE_REQUEST__INIT;
    request.target = data_of(&keys[0]);
    return node_call_packed(&node, SYMBOL_STORE "FindNode", &request.base);
}

static struct reply stats(void)
{
    return node_call(&node, "/symwave.v1.Admin/GetStats", "", 0);
}

static struct reply list_symbols(void)
{
    return node_call(&node, "/symwave.v1.Admin/ListSymbols", "", 0);
}

static struct reply scrub(void)
{
    return node_call(&node, "/symwave.v1.Admin/Scrub", "", 0);
}

static struct reply backup(void)
{
    Symwave__V1__BackupRequest request = SYMWAVE__V1__BACKUP_REQUEST__INIT;
    static unsigned number;
    static char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/backup-%u", folder, ++number);
    request.path = path;
    struct reply reply = node_call_packed(&node, "/symwave.v1.Admin/Backup", &request.base);
    if (reply.code == SW_RPC_OK)
        assert_int_equal(access(strcat(path, "/CURRENT"), F_OK), 0);
    return reply;
}

static struct reply compact(void)
{
    return node_call(&node, "/symwave.v1.Admin/Compact", "", 0);
}

static struct reply check_health(void)
{
    return node_call(&node, "/grpc.health.v1.Health/Check", "", 0);
}

/* A watch does not end by itself: it is cancelled once it has answered. */
static struct reply watch_health(void)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct stream *stream = stream_open_with(&node, "/grpc.health.v1.Health/Watch", &request.base);
    const bool answered = stream_wait(stream, 1);
    stream_cancel(stream);
    struct reply reply = stream_end(stream);
    if (answered)
        reply.code = SW_RPC_OK;
    return reply;
}

static struct reply reflect(void)
{
    struct stream *stream = stream_open(&node, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    Grpc__Reflection__V1__ServerReflectionRequest request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.message_request_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
    request.list_services = "";
    stream_send_packed(stream, &request.base);
    request.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
    request.file_containing_symbol = "symwave.v1.SymbolStore";
    stream_send_packed(stream, &request.base);
    return stream_close(stream);
}

static void check_reply(const char *name, const struct reply *reply)
{
    /* Not UNAVAILABLE, UNKNOWN or DEADLINE_EXCEEDED: it is there, it knows, and it answers. Of a request that cannot be
       unpacked it cannot tell whether memory was what it took. */
    if (reply->code != SW_RPC_OK && reply->code != SW_RPC_RESOURCE_EXHAUSTED && reply->code != SW_RPC_INTERNAL &&
        reply->code != SW_RPC_INVALID_ARGUMENT)
        fail_showing("%s: %s: %s", name, sw_rpc_code_name(reply->code), reply->details);
    if (reply->code != SW_RPC_OK && reply->details[0] == '\0')
        fail_showing("%s: %s, and nothing said", name, sw_rpc_code_name(reply->code));
}

static void fail_each_in(const char *name, call_fn call)
{
    unsigned failed = 0, survived = 0;
    struct reply reply = call();
    if (reply.code != SW_RPC_OK)
        fail_showing("%s without failures: %s", name, reply.details);
    reply_clear(&reply);
    for (long at = 0;; at++) {
        fail_at(at);
        reply = call();
        const bool reached = atomic_exchange(&shared->until_failure, -1) < 0;
        check_reply(name, &reply);
        *(reply.code == SW_RPC_OK ? &survived : &failed) += reached;
        reply_clear(&reply);
        if (!reached)
            break;
    }
    print_message("%s: %u allocations failed it, %u did not\n", name, failed, survived);
    assert_true(failed > 0);
    /* The first one is what the next call is waited for with: more often than there are calls that wait, 16. */
    for (int i = 0; i < 20; i++) {
        fail_at(0);
        reply = call();
        check_reply(name, &reply);
        reply_clear(&reply);
    }
    atomic_store(&shared->until_failure, -1);
    reply = call();
    if (reply.code != SW_RPC_OK)
        fail_showing("%s afterwards: %s", name, reply.details);
    reply_clear(&reply);
}

/* ---- the tests ---- */

static void write_config(const char *more)
{
    static const char config[] = "data: node\n"
                                 "node-id: node-1\n"
                                 "listen: 127.0.0.1:0\n"
                                 "http-listen: 127.0.0.1:0\n"
                                 "nodes: nodes\n"
                                 "read-tokens: tokens\n"
                                 "keys-max: 4000\n"
                                 "message-bytes-max: 2M\n"
                                 "insecure: true\n"
                                 "log-format: logfmt\n";
    char text[sizeof(config) + 200];
    snprintf(text, sizeof(text), "%s%s", config, more);
    write_file("config", text);
}

static void test_start(void **state)
{
    const char *const arguments[] = {"symwaved", "--config", "config", "--grace-ms", "100", NULL};
    (void)state;
    write_config("store-fault: delay=1\n");
    fail_each_of("start", arguments, true, 11);
    write_config("");
}

static void test_calls(void **state)
{
    static const struct {
        const char *name;
        call_fn call;
    } calls[] = {
        {"BatchGetValues", get_values},
        {"RetrieveBatch", retrieve},
        {"StoreBatch", store_new},
        {"DeleteBatch", delete_keys},
        {"GetNodeInfo", info},
        {"FindNode", find_node},
        {"GetStats", stats},
        {"ListSymbols", list_symbols},
        {"Scrub", scrub},
        {"Backup", backup},
        {"Compact", compact},
        {"Check", check_health},
        {"Watch", watch_health},
        {"reflection", reflect},
    };
    const char *const arguments[] = {"symwaved", "--config", "config", NULL};
    (void)state;
    pid_t pid = spawn(arguments);
    assert_true(started(pid));
    node_pid = pid;
    node_connect();
    struct reply reply = store(0);
    reply_expect(&reply, SW_RPC_OK, "");
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t *value = value_make(i, VALUE_BYTES);
        keys[i] = sw_key_of_value(value, VALUE_BYTES);
        free(value);
    }
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        fail_each_in(calls[i].name, calls[i].call);
}

/* Of the node that runs. Its configuration is taken, or all stays as it is and it says why. */
static void test_configuration_read_again(void **state)
{
    unsigned taken = 0, refused = 0;
    size_t seen = strlen(said());
    bool reached = true;
    (void)state;
    assert_true(node_pid > 0);
    for (long at = 0; reached; at++) {
        write_config(at % 2 ? "log-level: debug\n" : "log-level: info\nscrub-interval-hours: 100\n");
        fail_at(at);
        kill(node_pid, SIGHUP);
        for (int waited = 0;; waited++, pause_ms(1)) {
            const char *news = said() + seen;
            if (strstr(news, "configuration read again"))
                taken++;
            else if (strstr(news, "configuration not taken"))
                refused++;
            else if (waited < WAIT_MS)
                continue;
            else
                fail_showing("%s says nothing of its configuration", program);
            break;
        }
        pause_ms(1);
        seen = strlen(said());
        reached = atomic_exchange(&shared->until_failure, -1) < 0;
    }
    print_message("configuration read again: %u times not taken, %u times taken\n", refused, taken);
    assert_true(refused > 0 && taken > 0);
    struct reply reply = get_values();
    reply_expect(&reply, SW_RPC_OK, "");
}

static void test_commands_with_a_node(void **state)
{
    static const char *const commands[][8] = {
        {"symwaved", "stats", "--data", "node", "--json"},
        {"symwaved", "scrub", "--data", "node"},
        {"symwaved", "export", "--data", "node", "exported"},
        {"symwaved", "import", "--data", "node", "exported", "--json"},
        {"symwaved", "compact", "--data", "node"},
    };
    (void)state;
    assert_true(node_pid > 0);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        fail_each_of(commands[i][1], commands[i], false, 3);
}

static void test_it_stops(void **state)
{
    (void)state;
    assert_true(node_pid > 0);
    sw_rpc_channel_free(node.channel);
    sw_rpc_loop_free(node.loop);
    kill(node_pid, SIGTERM);
    assert_int_equal(wait_for(node_pid), 0);
}

/* It starts the node in itself: most of it is what test_start has seen. */
static void test_a_command_without_a_node(void **state)
{
    const char *const arguments[] = {"symwaved", "stats", "--data", "node", NULL};
    (void)state;
    fail_each_of("stats without a node", arguments, false, 41);
}

static int make(void **state)
{
    (void)state;
    ssize_t bytes = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (bytes < 0)
        return -1;
    program[bytes] = '\0';
    strcpy(strrchr(program, '/'), "/symwaved_no_memory");
    folder = temp_folder_make();
    if (chdir(folder) != 0)
        return -1;
    int fd = open("control", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(*shared)) != 0)
        return -1;
    void *mapped = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED)
        return -1;
    shared = mapped;
    atomic_store(&shared->until_failure, -1);
    setenv(NO_MEMORY_FILE, "control", 1);
    write_file("nodes", "nodes:\n- id: node-1\n  address: 127.0.0.1:7400\n- id: node-2\n  address: 127.0.0.1:7401\n");
    write_file("tokens", "0123456789abcdef0123456789abcdef\n");
    write_config("");
    return 0;
}

static int clean(void **state)
{
    (void)state;
    munmap(shared, sizeof(*shared));
    const int failed = chdir("/");
    temp_folder_remove(folder);
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_configuration_read_again),
        cmocka_unit_test(test_commands_with_a_node),
        cmocka_unit_test(test_it_stops),
        cmocka_unit_test(test_a_command_without_a_node),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
