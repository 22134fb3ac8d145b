/*
 * The pushback: what a server says of when to ask again reaches the caller, and what no server should say does no harm.
 * The hostile ones are played by a few lines of HTTP/2, since gRPC's own server would tidy up what it sends.
 */
#include "common/clock.h"
#include "common/rpc.h"
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MS ((int64_t)1000)

/* ---- a caller that waits ---- */

struct caller {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct sw_rpc_client_call *call; /* set under lock: the end may come before start has returned */
    bool over;
    enum sw_rpc_code code;
    int64_t pushback_us;
};

static void caller_end(void *state, enum sw_rpc_code code, const char *details)
{
    struct caller *caller = state;
    (void)details;
    pthread_mutex_lock(&caller->lock);
    caller->code = code;
    caller->pushback_us = sw_rpc_client_pushback_us(caller->call);
    caller->over = true;
    pthread_cond_broadcast(&caller->changed);
    pthread_mutex_unlock(&caller->lock);
}

/* Calls a method with an empty message; returns its pushback, and the code it ended with. */
static int64_t ask(struct sw_rpc_channel *channel, const char *method, enum sw_rpc_code *code)
{
    static const struct sw_rpc_client_handler handler = {.end = caller_end};
    struct caller caller = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    pthread_mutex_lock(&caller.lock);
    caller.call = sw_rpc_client_start(channel, method, sw_rpc_message_new(), 60000000, &handler, &caller);
    assert_non_null(caller.call);
    while (!caller.over)
        pthread_cond_wait(&caller.changed, &caller.lock);
    pthread_mutex_unlock(&caller.lock);
    assert_int_equal(sw_rpc_client_pushback_us(caller.call), caller.pushback_us); /* after the end as during it */
    sw_rpc_client_release(caller.call);
    *code = caller.code;
    return caller.pushback_us;
}

static int64_t pushback_of(struct sw_rpc_channel *channel, const char *method, enum sw_rpc_code expected)
{
    enum sw_rpc_code code;
    int64_t pushback_us = ask(channel, method, &code);
    assert_int_equal(code, expected);
    return pushback_us;
}

/* ---- a server of this layer ---- */

struct fixture {
    struct sw_rpc_loop *server_loop, *client_loop;
    struct sw_rpc_server *server;
    struct sw_rpc_channel *channel;
};

struct served {
    struct sw_rpc_server_call *call;
};

static void *refuse_at_once(struct sw_rpc_server_call *call, void *service)
{
    sw_rpc_server_set_pushback(call, *(const uint32_t *)service);
    sw_rpc_server_finish(call, NULL, SW_RPC_RESOURCE_EXHAUSTED, "busy");
    return NULL;
}

static void *served_new(struct sw_rpc_server_call *call, void *service)
{
    (void)service;
    struct served *served = calloc(1, sizeof(*served));
    served->call = call;
    return served;
}

static void answer_message(void *state, struct sw_rpc_message *message)
{
    struct served *served = state;
    sw_rpc_server_finish(served->call, message, SW_RPC_OK, NULL);
}

static void send_message(void *state, struct sw_rpc_message *message)
{
    struct served *served = state;
    sw_rpc_server_send(served->call, message);
}

static void fail_when_sent(void *state)
{
    struct served *served = state;
    sw_rpc_server_set_pushback(served->call, 7);
    sw_rpc_server_finish(served->call, NULL, SW_RPC_UNAVAILABLE, "half-way");
}

static const struct sw_rpc_server_handler refuse = {.start = refuse_at_once, .message = answer_message, .end = free};
static const struct sw_rpc_server_handler answer = {.start = served_new, .message = answer_message, .end = free};
static const struct sw_rpc_server_handler half_way = {
    .start = served_new, .message = send_message, .sent = fail_when_sent, .end = free};

static uint32_t soon = 200, now = 0, never_in_practice = UINT32_MAX;

static int setup(void **state)
{
    static const struct sw_rpc_server_method methods[] = {
        {"/test.Test/Soon", false, &refuse, &soon, false, 0},
        {"/test.Test/Now", false, &refuse, &now, false, 0},
        {"/test.Test/Late", false, &refuse, &never_in_practice, false, 0},
        {"/test.Test/Answer", false, &answer, NULL, false, 0},
        {"/test.Test/HalfWay", false, &half_way, NULL, false, 0},
    };
    const struct sw_rpc_server_options options = {.methods = methods,
                                                  .method_count = sizeof(methods) / sizeof(methods[0])};
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char address[64];
    int port = 0;
    assert_int_equal(sw_rpc_loop_new(&fixture->server_loop, NULL), SW_OK);
    assert_int_equal(sw_rpc_loop_new(&fixture->client_loop, NULL), SW_OK);
    assert_int_equal(sw_rpc_server_new(fixture->server_loop, "127.0.0.1:0", &options, &fixture->server, &port, NULL),
                     SW_OK);
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    fixture->channel =
        sw_rpc_channel_new(fixture->client_loop, address, &(struct sw_rpc_channel_options){.message_bytes_max = 0});
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    sw_rpc_channel_free(fixture->channel);
    sw_rpc_server_stop(fixture->server, 0);
    sw_rpc_server_free(fixture->server);
    sw_rpc_loop_free(fixture->client_loop);
    sw_rpc_loop_free(fixture->server_loop);
    free(fixture);
    return 0;
}

static void test_pushback_of_a_refusal_reaches_the_caller(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(pushback_of(fixture->channel, "/test.Test/Soon", SW_RPC_RESOURCE_EXHAUSTED), 200 * MS);
    assert_int_equal(pushback_of(fixture->channel, "/test.Test/Now", SW_RPC_RESOURCE_EXHAUSTED), 0);
}

static void test_pushback_after_messages_reaches_the_caller(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(pushback_of(fixture->channel, "/test.Test/HalfWay", SW_RPC_UNAVAILABLE), 7 * MS);
}

static void test_pushback_beyond_an_hour_counts_as_an_hour(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(pushback_of(fixture->channel, "/test.Test/Late", SW_RPC_RESOURCE_EXHAUSTED),
                     SW_RPC_PUSHBACK_US_MAX);
}

static void test_no_pushback_is_said_where_none_was_set(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(pushback_of(fixture->channel, "/test.Test/Answer", SW_RPC_OK), -1);
    assert_int_equal(pushback_of(fixture->channel, "/test.Test/Nothing", SW_RPC_UNIMPLEMENTED), -1);
}

static void *stop(void *arg)
{
    struct fixture *fixture = arg;
    sw_rpc_server_stop(fixture->server, 60000000);
    return NULL;
}

static void *hold(struct sw_rpc_server_call *call, void *service)
{
    atomic_store((_Atomic(struct sw_rpc_server_call *) *)service, call);
    return call;
}

static void ignore_message(void *state, struct sw_rpc_message *message)
{
    (void)state;
    sw_rpc_message_free(message);
}

static void ignore_end(void *state)
{
    (void)state;
}

static void forget_end(void *state, enum sw_rpc_code code, const char *details)
{
    (void)state;
    (void)code;
    (void)details;
}

static void test_server_that_stops_says_when_to_come_back(void **state)
{
    (void)state;
    static const struct sw_rpc_server_handler holding = {.start = hold, .message = ignore_message, .end = ignore_end};
    static const struct sw_rpc_client_handler forgetful = {.end = forget_end};
    _Atomic(struct sw_rpc_server_call *) held = NULL;
    const struct sw_rpc_server_method methods[] = {
        {"/test.Test/Hold", false, &holding, (void *)&held, false, 0},
        {"/test.Test/Answer", false, &answer, NULL, false, 0},
    };
    const struct sw_rpc_server_options options = {.methods = methods, .method_count = 2};
    struct fixture fixture = {.server_loop = NULL};
    char address[64];
    int port = 0;
    assert_int_equal(sw_rpc_loop_new(&fixture.server_loop, NULL), SW_OK);
    assert_int_equal(sw_rpc_server_new(fixture.server_loop, "127.0.0.1:0", &options, &fixture.server, &port, NULL),
                     SW_OK);
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    fixture.channel =
        sw_rpc_channel_new(fixture.server_loop, address, &(struct sw_rpc_channel_options){.message_bytes_max = 0});
    struct sw_rpc_client_call *call =
        sw_rpc_client_start(fixture.channel, "/test.Test/Hold", sw_rpc_message_new(), SW_CLOCK_NEVER, &forgetful, NULL);
    while (!atomic_load(&held))
        usleep(1000);
    /* While the held call is under way, the server that stops still listens. */
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop, &fixture), 0);
    int64_t pushback_us;
    enum sw_rpc_code code;
    do { /* until the server has begun to stop */
        pushback_us = ask(fixture.channel, "/test.Test/Answer", &code);
    } while (code == SW_RPC_OK);
    assert_int_equal(code, SW_RPC_UNAVAILABLE);
    assert_int_equal(pushback_us, SW_RPC_PUSHBACK_STOPPING_MS * MS);
    sw_rpc_server_finish(atomic_load(&held), NULL, SW_RPC_OK, NULL);
    pthread_join(thread, NULL);
    sw_rpc_client_release(call);
    sw_rpc_channel_free(fixture.channel);
    sw_rpc_server_free(fixture.server);
    sw_rpc_loop_free(fixture.server_loop);
}

/* ---- a server that says anything: as much HTTP/2 as one refusal takes ---- */

struct raw_server {
    int listener;
    const char *value; /* of grpc-retry-pushback-ms */
};

enum {
    FRAME_HEADERS = 1,
    FRAME_SETTINGS = 4,
    FLAG_ACK = 1,
    FLAG_END_STREAM = 1,
    FLAG_END_HEADERS = 4,
};

static void write_frame(int fd, uint8_t type, uint8_t flags, uint32_t stream, const uint8_t *payload, size_t bytes)
{
    uint8_t frame[9 + 512] = {
        (uint8_t)(bytes >> 16),  (uint8_t)(bytes >> 8),   (uint8_t)bytes,         type,           flags,
        (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    if (bytes > 0)
        memcpy(frame + 9, payload, bytes);
    assert_int_equal(write(fd, frame, 9 + bytes), 9 + bytes);
}

/* HPACK's literal that is neither indexed nor compressed. */
static size_t put_header(uint8_t *out, const char *name, const char *value)
{
    size_t name_bytes = strlen(name), value_bytes = strlen(value);
    assert_true(name_bytes < 127 && value_bytes < 127); /* so that a length is one byte */
    out[0] = 0;
    out[1] = (uint8_t)name_bytes;
    memcpy(out + 2, name, name_bytes);
    out[2 + name_bytes] = (uint8_t)value_bytes;
    memcpy(out + 3 + name_bytes, value, value_bytes);
    return 3 + name_bytes + value_bytes;
}

static void refuse_raw(int fd, uint32_t stream, const char *value)
{
    uint8_t headers[512] = {0x88}; /* :status 200 */
    size_t bytes = 1;
    bytes += put_header(headers + bytes, "content-type", "application/grpc");
    bytes += put_header(headers + bytes, "grpc-status", "8");
    bytes += put_header(headers + bytes, "grpc-retry-pushback-ms", value);
    write_frame(fd, FRAME_HEADERS, FLAG_END_HEADERS | FLAG_END_STREAM, stream, headers, bytes);
}

static bool read_all(int fd, uint8_t *bytes, size_t count)
{
    return count == 0 || recv(fd, bytes, count, MSG_WAITALL) == (ssize_t)count;
}

static void *serve_raw(void *arg)
{
    const struct raw_server *server = arg;
    static _Thread_local uint8_t payload[1 << 16];
    uint8_t head[24]; /* the client's preface, then each frame's head */
    int fd = accept(server->listener, NULL, NULL);
    assert_true(fd >= 0);
    write_frame(fd, FRAME_SETTINGS, 0, 0, NULL, 0);
    bool going = read_all(fd, head, 24);
    while (going && read_all(fd, head, 9)) {
        size_t bytes = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        uint32_t stream = (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
        going = bytes <= sizeof(payload) && read_all(fd, payload, bytes);
        if (head[3] == FRAME_SETTINGS && !(head[4] & FLAG_ACK))
            write_frame(fd, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
        if (head[3] == FRAME_HEADERS)
            refuse_raw(fd, stream, server->value);
    }
    close(fd);
    return NULL;
}

/* What the caller makes of a value as it stands on the wire. */
static int64_t pushback_of_raw(const char *value)
{
    struct raw_server server = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .value = value};
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t name_bytes = sizeof(name);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(server.listener, 1), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&name, &name_bytes), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve_raw, &server), 0);

    struct sw_rpc_loop *loop;
    char address[64];
    snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(name.sin_port));
    assert_int_equal(sw_rpc_loop_new(&loop, NULL), SW_OK);
    struct sw_rpc_channel *channel =
        sw_rpc_channel_new(loop, address, &(struct sw_rpc_channel_options){.message_bytes_max = 0});
    int64_t pushback_us = pushback_of(channel, "/test.Test/Any", SW_RPC_RESOURCE_EXHAUSTED);
    sw_rpc_channel_free(channel);
    sw_rpc_loop_free(loop);
    pthread_join(thread, NULL);
    close(server.listener);
    return pushback_us;
}

static void test_pushback_is_read_as_it_stands_on_the_wire(void **state)
{
    (void)state;
    assert_int_equal(pushback_of_raw("0"), 0);
    assert_int_equal(pushback_of_raw("1"), 1 * MS);
    assert_int_equal(pushback_of_raw("0250"), 250 * MS);
    assert_int_equal(pushback_of_raw("3599999"), 3599999 * MS);
}

static void test_negative_pushback_means_never(void **state)
{
    (void)state;
    assert_int_equal(pushback_of_raw("-1"), SW_RPC_PUSHBACK_NEVER);
    assert_int_equal(pushback_of_raw("-9223372036854775808"), SW_RPC_PUSHBACK_NEVER);
}

static void test_pushback_that_is_no_number_means_never(void **state)
{
    (void)state;
    static const char *const values[] = {"", "soon", "12x", "0x10", "1.5", "1e3", "--1", "\x01\xff", "12 34"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_int_equal(pushback_of_raw(values[i]), SW_RPC_PUSHBACK_NEVER);
}

static void test_huge_pushback_is_an_hour_or_never(void **state)
{
    (void)state;
    assert_int_equal(pushback_of_raw("3600001"), SW_RPC_PUSHBACK_US_MAX);
    assert_int_equal(pushback_of_raw("9223372036854775"), SW_RPC_PUSHBACK_US_MAX);
    assert_int_equal(pushback_of_raw("9223372036854775807"), SW_RPC_PUSHBACK_US_MAX);
    /* Beyond 64 bits gRPC itself calls it no number. */
    assert_int_equal(pushback_of_raw("9223372036854775808"), SW_RPC_PUSHBACK_NEVER);
    assert_int_equal(pushback_of_raw("99999999999999999999999999999999999999999999"), SW_RPC_PUSHBACK_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pushback_of_a_refusal_reaches_the_caller, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pushback_after_messages_reaches_the_caller, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pushback_beyond_an_hour_counts_as_an_hour, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_pushback_is_said_where_none_was_set, setup, teardown),
        cmocka_unit_test(test_server_that_stops_says_when_to_come_back),
        cmocka_unit_test(test_pushback_is_read_as_it_stands_on_the_wire),
        cmocka_unit_test(test_negative_pushback_means_never),
        cmocka_unit_test(test_pushback_that_is_no_number_means_never),
        cmocka_unit_test(test_huge_pushback_is_an_hour_or_never),
    };
    return cmocka_run_group_tests_name("rpc pushback", tests, NULL, NULL);
}
