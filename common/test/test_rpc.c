/* The RPC layer against itself on loopback: all kinds of calls, cancels, deadlines, limits, and the orderly stop. */
#include "common/clock.h"
#include "common/rpc.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a server: echo (unary), count (server streaming), sum (client streaming), hang (never answers) ---- */

struct served {
    struct sw_rpc_server_call *call;
    uint64_t left;  /* count: messages to send */
    uint64_t total; /* sum: bytes received */
};

static atomic_int ends;
static atomic_int cancels;
static atomic_int releases;
static uint8_t payload[65536];

static void *served_new(struct sw_rpc_server_call *call, void *service)
{
    (void)service;
    struct served *served = calloc(1, sizeof(*served));
    served->call = call;
    return served;
}

static void *sum_start(struct sw_rpc_server_call *call, void *service)
{
    sw_rpc_server_read(call);
    return served_new(call, service);
}

static void *refuse_start(struct sw_rpc_server_call *call, void *service)
{
    (void)service;
    sw_rpc_server_finish(call, NULL, SW_RPC_PERMISSION_DENIED, "not you");
    return NULL;
}

static void served_end(void *state)
{
    free(state);
    atomic_fetch_add(&ends, 1);
}

static void echo_message(void *state, struct sw_rpc_message *message)
{
    struct served *served = state;
    struct sw_rpc_message *answer = sw_rpc_message_new();
    for (size_t i = 0; i < sw_rpc_message_segments(message); i++) {
        size_t bytes;
        const uint8_t *segment = sw_rpc_message_segment(message, i, &bytes);
        sw_rpc_message_add_copy(answer, segment, bytes);
    }
    sw_rpc_message_free(message);
    sw_rpc_server_finish(served->call, answer, SW_RPC_OK, NULL);
}

static void released(void *data)
{
    (void)data;
    atomic_fetch_add(&releases, 1);
}

static void count_send(struct served *served)
{
    if (sw_rpc_server_is_cancelled(served->call)) {
        sw_rpc_server_finish(served->call, NULL, SW_RPC_CANCELLED, "the caller is gone");
        return;
    }
    if (served->left == 0) {
        sw_rpc_server_finish(served->call, NULL, SW_RPC_OK, NULL);
        return;
    }
    served->left--;
    struct sw_rpc_message *message = sw_rpc_message_new();
    sw_rpc_message_add_external(message, payload, sizeof(payload), released, NULL);
    sw_rpc_server_send(served->call, message);
}

static void count_message(void *state, struct sw_rpc_message *message)
{
    struct served *served = state;
    uint32_t n = 0;
    if (sw_rpc_message_bytes(message) == sizeof(n))
        memcpy(&n, sw_rpc_message_flatten(message), sizeof(n));
    sw_rpc_message_free(message);
    served->left = n;
    count_send(served);
}

static void count_sent(void *state)
{
    count_send(state);
}

static void count_cancelled(void *state)
{
    struct served *served = state;
    atomic_fetch_add(&cancels, 1);
    sw_rpc_server_finish(served->call, NULL, SW_RPC_CANCELLED, "the caller is gone");
}

static void sum_message(void *state, struct sw_rpc_message *message)
{
    struct served *served = state;
    if (message) {
        served->total += sw_rpc_message_bytes(message);
        sw_rpc_message_free(message);
        sw_rpc_server_read(served->call);
        return;
    }
    struct sw_rpc_message *answer = sw_rpc_message_new();
    sw_rpc_message_add_copy(answer, &served->total, sizeof(served->total));
    sw_rpc_server_finish(served->call, answer, SW_RPC_OK, NULL);
}

static void hang_message(void *state, struct sw_rpc_message *message)
{
    (void)state;
    sw_rpc_message_free(message);
}

static const struct sw_rpc_server_handler echo_handler = {
    .start = served_new, .message = echo_message, .end = served_end};
static const struct sw_rpc_server_handler count_handler = {
    .start = served_new, .message = count_message, .sent = count_sent, .cancelled = count_cancelled, .end = served_end};
static const struct sw_rpc_server_handler sum_handler = {.start = sum_start, .message = sum_message, .end = served_end};
static const struct sw_rpc_server_handler hang_handler = {
    .start = served_new, .message = hang_message, .cancelled = count_cancelled, .end = served_end};
static const struct sw_rpc_server_handler refuse_handler = {
    .start = refuse_start, .message = echo_message, .end = served_end};

static const struct sw_rpc_server_method methods[] = {
    {"/test.Test/Echo", false, &echo_handler, NULL, false, 0},
    {"/test.Test/Count", false, &count_handler, NULL, false, 0},
    {"/test.Test/Sum", true, &sum_handler, NULL, false, 0},
    {"/test.Test/Hang", false, &hang_handler, NULL, false, 0},
    {"/test.Test/Refuse", false, &refuse_handler, NULL, false, 0},
};

/* ---- a caller that waits ---- */

struct caller {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct sw_rpc_client_call *call;
    uint64_t messages;
    uint64_t bytes;
    uint64_t cancel_at; /* cancel once this many messages have come */
    uint32_t to_send;
    uint8_t last[16];
    bool over;
    enum sw_rpc_code code;
    char details[256];
};

static void caller_message(void *state, struct sw_rpc_message *message)
{
    struct caller *caller = state;
    pthread_mutex_lock(&caller->lock);
    caller->messages++;
    caller->bytes += sw_rpc_message_bytes(message);
    if (sw_rpc_message_bytes(message) <= sizeof(caller->last) && sw_rpc_message_bytes(message) > 0)
        memcpy(caller->last, sw_rpc_message_flatten(message), sw_rpc_message_bytes(message));
    bool cancel = caller->messages == caller->cancel_at;
    pthread_mutex_unlock(&caller->lock);
    sw_rpc_message_free(message);
    if (cancel)
        sw_rpc_client_cancel(caller->call);
}

static void caller_sent(void *state)
{
    struct caller *caller = state;
    if (caller->to_send == 0) {
        sw_rpc_client_half_close(caller->call);
        return;
    }
    caller->to_send--;
    struct sw_rpc_message *message = sw_rpc_message_new();
    sw_rpc_message_add_copy(message, "four", 4);
    sw_rpc_message_add_external(message, payload, 1000, released, NULL);
    sw_rpc_client_send(caller->call, message);
}

static void caller_end(void *state, enum sw_rpc_code code, const char *details)
{
    struct caller *caller = state;
    pthread_mutex_lock(&caller->lock);
    caller->over = true;
    caller->code = code;
    snprintf(caller->details, sizeof(caller->details), "%s", details);
    pthread_cond_broadcast(&caller->changed);
    pthread_mutex_unlock(&caller->lock);
}

static const struct sw_rpc_client_handler caller_handler = {
    .message = caller_message, .sent = caller_sent, .end = caller_end};

static void caller_init(struct caller *caller)
{
    memset(caller, 0, sizeof(*caller));
    pthread_mutex_init(&caller->lock, NULL);
    pthread_cond_init(&caller->changed, NULL);
}

static void caller_wait(struct caller *caller)
{
    pthread_mutex_lock(&caller->lock);
    while (!caller->over)
        pthread_cond_wait(&caller->changed, &caller->lock);
    pthread_mutex_unlock(&caller->lock);
    sw_rpc_client_release(caller->call);
}

/* ---- one server and one channel for each test ---- */

struct fixture {
    struct sw_rpc_loop *server_loop, *client_loop;
    struct sw_rpc_server *server;
    struct sw_rpc_channel *channel;
    bool stopped;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    int port = 0;
    const struct sw_rpc_server_options options = {
        .message_bytes_max = 100000, .methods = methods, .method_count = sizeof(methods) / sizeof(methods[0])};
    assert_int_equal(sw_rpc_loop_new(&fixture->server_loop, NULL), SW_OK);
    assert_int_equal(sw_rpc_loop_new(&fixture->client_loop, NULL), SW_OK);
    assert_int_equal(sw_rpc_server_new(fixture->server_loop, "127.0.0.1:0", &options, &fixture->server, &port, NULL),
                     SW_OK);
    char address[64];
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    const struct sw_rpc_channel_options channel_options = {.message_bytes_max = 200000};
    fixture->channel = sw_rpc_channel_new(fixture->client_loop, address, &channel_options);
    assert_non_null(fixture->channel);
    atomic_store(&ends, 0);
    atomic_store(&cancels, 0);
    atomic_store(&releases, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    sw_rpc_channel_free(fixture->channel);
    if (!fixture->stopped)
        sw_rpc_server_stop(fixture->server, 0);
    sw_rpc_server_free(fixture->server);
    sw_rpc_loop_free(fixture->client_loop);
    sw_rpc_loop_free(fixture->server_loop);
    free(fixture);
    return 0;
}

static struct sw_rpc_message *message_of(const void *bytes, size_t count)
{
    struct sw_rpc_message *message = sw_rpc_message_new();
    sw_rpc_message_add_copy(message, bytes, count);
    return message;
}

static void call(struct fixture *fixture, struct caller *caller, const char *method, struct sw_rpc_message *request,
                 uint64_t timeout_us)
{
    caller->call = sw_rpc_client_start(fixture->channel, method, request, timeout_us, &caller_handler, caller);
    assert_non_null(caller->call);
}

static void test_unary_call_is_answered(void **state)
{
    struct caller caller;
    caller_init(&caller);
    call(*state, &caller, "/test.Test/Echo", message_of("hello", 5), SW_CLOCK_NEVER);
    caller_wait(&caller);
    assert_int_equal(caller.code, SW_RPC_OK);
    assert_int_equal(caller.messages, 1);
    assert_memory_equal(caller.last, "hello", 5);
}

static void test_empty_message_is_a_message(void **state)
{
    struct caller caller;
    caller_init(&caller);
    call(*state, &caller, "/test.Test/Echo", sw_rpc_message_new(), SW_CLOCK_NEVER);
    caller_wait(&caller);
    assert_int_equal(caller.code, SW_RPC_OK);
    assert_int_equal(caller.messages, 1);
    assert_int_equal(caller.bytes, 0);
}

static void test_server_stream_arrives_whole_and_external_bytes_are_released(void **state)
{
    struct caller caller;
    caller_init(&caller);
    uint32_t n = 200;
    call(*state, &caller, "/test.Test/Count", message_of(&n, sizeof(n)), SW_CLOCK_NEVER);
    caller_wait(&caller);
    assert_int_equal(caller.code, SW_RPC_OK);
    assert_int_equal(caller.messages, n);
    assert_int_equal(caller.bytes, n * sizeof(payload));
    struct fixture *fixture = *state;
    assert_int_equal(sw_rpc_server_stop(fixture->server, 1000000), 0);
    fixture->stopped = true;
    assert_int_equal(atomic_load(&releases), n);
}

static void test_client_stream_arrives_whole(void **state)
{
    struct caller caller;
    caller_init(&caller);
    caller.to_send = 50;
    call(*state, &caller, "/test.Test/Sum", NULL, SW_CLOCK_NEVER);
    caller_sent(&caller);
    caller_wait(&caller);
    assert_int_equal(caller.code, SW_RPC_OK);
    uint64_t total;
    memcpy(&total, caller.last, sizeof(total));
    assert_int_equal(total, 50 * 1004);
    assert_int_equal(atomic_load(&releases), 50);
}

static void test_cancel_ends_the_stream_on_both_sides(void **state)
{
    struct caller caller;
    caller_init(&caller);
    uint32_t n = 4000000;
    caller.cancel_at = 10;
    call(*state, &caller, "/test.Test/Count", message_of(&n, sizeof(n)), SW_CLOCK_NEVER);
    caller_wait(&caller);
    assert_int_equal(caller.code, SW_RPC_CANCELLED);
    while (atomic_load(&ends) == 0)
        usleep(1000);
    assert_true(caller.messages < n);
}

static void test_deadline_ends_a_call_that_hangs(void **state)
{
    struct caller caller;
    caller_init(&caller);
    call(*state, &caller, "/test.Test/Hang", message_of("x", 1), 100000);
    caller_wait(&caller);
    assert_int_equal(caller.code, SW_RPC_DEADLINE_EXCEEDED);
    while (atomic_load(&cancels) == 0)
        usleep(1000);
}

static void test_refusal_in_start_carries_its_message(void **state)
{
    struct caller caller;
    caller_init(&caller);
    call(*state, &caller, "/test.Test/Refuse", message_of("x", 1), SW_CLOCK_NEVER);
    caller_wait(&caller);
    assert_int_equal(caller.code, SW_RPC_PERMISSION_DENIED);
    assert_string_equal(caller.details, "not you");
}

static void test_unknown_method_is_unimplemented(void **state)
{
    struct caller caller;
    caller_init(&caller);
    call(*state, &caller, "/test.Test/Nothing", message_of("x", 1), SW_CLOCK_NEVER);
    caller_wait(&caller);
    assert_int_equal(caller.code, SW_RPC_UNIMPLEMENTED);
}

static void test_oversized_request_is_refused_and_the_server_lives(void **state)
{
    struct caller caller;
    caller_init(&caller);
    uint8_t *big = calloc(1, 150000);
    call(*state, &caller, "/test.Test/Echo", message_of(big, 150000), SW_CLOCK_NEVER);
    caller_wait(&caller);
    free(big);
    assert_int_equal(caller.code, SW_RPC_RESOURCE_EXHAUSTED);
    test_unary_call_is_answered(state);
}

static void test_refused_connection_is_unavailable(void **state)
{
    struct fixture *fixture = *state;
    const struct sw_rpc_channel_options options = {0};
    struct sw_rpc_channel *channel = sw_rpc_channel_new(fixture->client_loop, "127.0.0.1:1", &options);
    struct caller caller;
    caller_init(&caller);
    caller.call =
        sw_rpc_client_start(channel, "/test.Test/Echo", message_of("x", 1), SW_CLOCK_NEVER, &caller_handler, &caller);
    caller_wait(&caller);
    sw_rpc_channel_free(channel);
    assert_int_equal(caller.code, SW_RPC_UNAVAILABLE);
}

static void test_second_server_on_a_port_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct sw_rpc_server_options options = {.methods = methods, .method_count = 1};
    struct sw_rpc_server *one = NULL, *two = NULL;
    struct sw_error error;
    int port = 0;
    char address[64];
    assert_int_equal(sw_rpc_server_new(fixture->server_loop, "127.0.0.1:0", &options, &one, &port, &error), SW_OK);
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    assert_int_equal(sw_rpc_server_new(fixture->server_loop, address, &options, &two, NULL, &error), SW_IO_ERROR);
    assert_non_null(strstr(error.message, address));
    assert_null(two);
    sw_rpc_server_stop(one, 0);
    sw_rpc_server_free(one);
}

static void test_stop_cancels_what_outlives_the_grace(void **state)
{
    struct fixture *fixture = *state;
    struct caller caller;
    caller_init(&caller);
    call(fixture, &caller, "/test.Test/Hang", message_of("x", 1), SW_CLOCK_NEVER);
    usleep(100000); /* lets the call arrive; were it late, it would be refused, which ends it as well */
    sw_rpc_server_stop(fixture->server, 50000);
    fixture->stopped = true;
    caller_wait(&caller);
    assert_int_not_equal(caller.code, SW_RPC_OK);
}

static void *stop_slowly(void *arg)
{
    struct fixture *fixture = arg;
    assert_int_equal(sw_rpc_server_stop(fixture->server, 20000000), 0);
    return NULL;
}

static void test_stop_lets_a_stream_finish_to_its_last_byte_and_refuses_new_calls(void **state)
{
    struct fixture *fixture = *state;
    struct caller caller, late;
    pthread_t thread;
    uint32_t n = 2000;
    caller_init(&caller);
    caller_init(&late);
    call(fixture, &caller, "/test.Test/Count", message_of(&n, sizeof(n)), SW_CLOCK_NEVER);
    while (atomic_load(&releases) == 0)
        usleep(100);
    assert_int_equal(pthread_create(&thread, NULL, stop_slowly, fixture), 0);
    fixture->stopped = true;
    caller_wait(&caller);
    assert_int_equal(caller.code, SW_RPC_OK);
    assert_int_equal(caller.messages, n);
    pthread_join(thread, NULL);
    call(fixture, &late, "/test.Test/Echo", message_of("x", 1), SW_CLOCK_NEVER);
    caller_wait(&late);
    assert_int_equal(late.code, SW_RPC_UNAVAILABLE);
}

static void test_send_and_cancel_after_the_end_are_harmless(void **state)
{
    struct caller caller;
    caller_init(&caller);
    call(*state, &caller, "/test.Test/Refuse", message_of("x", 1), SW_CLOCK_NEVER);
    pthread_mutex_lock(&caller.lock);
    while (!caller.over)
        pthread_cond_wait(&caller.changed, &caller.lock);
    pthread_mutex_unlock(&caller.lock);
    sw_rpc_client_cancel(caller.call);
    sw_rpc_client_send(caller.call, message_of("late", 4));
    sw_rpc_client_half_close(caller.call);
    sw_rpc_client_release(caller.call);
}

static void leave(void *release_data)
{
    (void)release_data;
}

static void test_small_pieces_share_segments_up_to_what_is_external(void **state)
{
    (void)state;
    struct sw_rpc_message *message = sw_rpc_message_new();
    static uint8_t expected[40000];
    size_t count = 0;
    for (size_t i = 0; i < sizeof(expected); i++)
        expected[i] = (uint8_t)(i * 31 >> 3);
    for (size_t piece = 0; count + piece <= sizeof(expected); count += piece, piece = (piece + 7) % 300) {
        sw_rpc_message_add_small(message, expected + count, piece);
        if (piece != 211)
            continue;
        size_t segments = sw_rpc_message_segments(message);
        sw_rpc_message_add_external(message, expected + count + piece, 5, leave, NULL);
        count += 5;
        assert_int_equal(sw_rpc_message_segments(message), segments + 1);
    }
    assert_int_equal(sw_rpc_message_bytes(message), count);
    assert_true(sw_rpc_message_segments(message) < 20);
    assert_memory_equal(sw_rpc_message_flatten(message), expected, count);
    sw_rpc_message_free(message);
}

static void test_flatten_joins_segments(void **state)
{
    (void)state;
    struct sw_rpc_message *message = sw_rpc_message_new();
    assert_null(sw_rpc_message_flatten(message));
    for (int i = 0; i < 20; i++)
        sw_rpc_message_add_copy(message, &(char){(char)('a' + i)}, 1);
    assert_int_equal(sw_rpc_message_segments(message), 20);
    assert_memory_equal(sw_rpc_message_flatten(message), "abcdefghijklmnopqrst", 20);
    sw_rpc_message_free(message);
}

static void test_codes_map_both_ways(void **state)
{
    (void)state;
    assert_string_equal(sw_rpc_code_name(SW_RPC_DATA_LOSS), "DATA_LOSS");
    assert_string_equal(sw_rpc_code_name((enum sw_rpc_code)99), "(no such code)");
    assert_int_equal(sw_rpc_code_to_status((enum sw_rpc_code) - 1), SW_PROTOCOL_ERROR);
    assert_int_equal(sw_rpc_code_to_status(SW_RPC_UNAVAILABLE), SW_UNAVAILABLE);
    assert_int_equal(sw_rpc_code_from_status(SW_NO_SPACE), SW_RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(sw_rpc_code_from_status(SW_DATA_LOSS), SW_RPC_DATA_LOSS);
    assert_int_equal(sw_rpc_code_from_status(SW_INVALID_ARGUMENT), SW_RPC_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unary_call_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_message_is_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_stream_arrives_whole_and_external_bytes_are_released, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_client_stream_arrives_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_ends_the_stream_on_both_sides, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadline_ends_a_call_that_hangs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusal_in_start_carries_its_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_method_is_unimplemented, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oversized_request_is_refused_and_the_server_lives, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_connection_is_unavailable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_server_on_a_port_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_cancels_what_outlives_the_grace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_lets_a_stream_finish_to_its_last_byte_and_refuses_new_calls, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_send_and_cancel_after_the_end_are_harmless, setup, teardown),
        cmocka_unit_test(test_small_pieces_share_segments_up_to_what_is_external),
        cmocka_unit_test(test_flatten_joins_segments),
        cmocka_unit_test(test_codes_map_both_ways),
    };
    return cmocka_run_group_tests_name("rpc", tests, NULL, NULL);
}
