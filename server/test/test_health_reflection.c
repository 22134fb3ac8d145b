/* Health and reflection of a real node over gRPC, and how both end when the node stops. */
#include "google/protobuf/descriptor.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "server/test/node_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CHECK   "/grpc.health.v1.Health/Check"
#define WATCH   "/grpc.health.v1.Health/Watch"
#define V1      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define V1ALPHA "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

/* ---- health ---- */

static Grpc__Health__V1__HealthCheckRequest health_request(const char *service)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = (char *)service;
    return request;
}

static void assert_status(const struct reply *reply, size_t at, int status)
{
    assert_true(at < reply->count);
    Grpc__Health__V1__HealthCheckResponse *response = grpc__health__v1__health_check_response__unpack(
        NULL, reply->messages[at].bytes_count, reply->messages[at].bytes);
    assert_non_null(response);
    assert_int_equal(response->status, status);
    grpc__health__v1__health_check_response__free_unpacked(response, NULL);
}

static void test_check_knows_the_node_and_its_services(void **state)
{
    struct node *node = *state;
    static const char *const known[] = {"", "symwave.v1.SymbolStore", "grpc.health.v1.Health"};
    for (size_t i = 0; i < 3; i++) {
        Grpc__Health__V1__HealthCheckRequest request = health_request(known[i]);
        struct reply reply = node_call_packed(node, CHECK, &request.base);
        assert_status(&reply, 0, 1);
        reply_expect(&reply, SW_RPC_OK, "");
        sw_daemon_set_serving(node->daemon, false);
        reply = node_call_packed(node, CHECK, &request.base);
        assert_status(&reply, 0, 2);
        reply_expect(&reply, SW_RPC_OK, "");
        sw_daemon_set_serving(node->daemon, true);
    }
    Grpc__Health__V1__HealthCheckRequest request = health_request("symwave.v1.Nothing");
    struct reply reply = node_call_packed(node, CHECK, &request.base);
    reply_expect(&reply, SW_RPC_NOT_FOUND, "service");
}

static void test_bad_health_requests_are_refused(void **state)
{
    struct node *node = *state;
    static const char *const methods[] = {CHECK, WATCH};
    uint8_t *large = calloc(1, 1 << 20);
    for (size_t i = 0; i < 2; i++) {
        struct reply reply = node_call(node, methods[i], "\x0a\x09x", 3);
        reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "HealthCheckRequest");
        reply = node_call(node, methods[i], large, 1 << 20);
        reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "HealthCheckRequest");
    }
    free(large);
}

static void test_watch_tells_at_once_on_change_and_at_the_end(void **state)
{
    struct node *node = *state;
    Grpc__Health__V1__HealthCheckRequest request = health_request("");
    Grpc__Health__V1__HealthCheckRequest unknown = health_request("no.such.Service");
    struct stream *watch = stream_open_with(node, WATCH, &request.base);
    struct stream *other = stream_open_with(node, WATCH, &unknown.base);
    assert_true(stream_wait(watch, 1));
    assert_true(stream_wait(other, 1));
    sw_daemon_set_serving(node->daemon, true); /* no change, nothing is told */
    sw_daemon_set_serving(node->daemon, false);
    assert_true(stream_wait(watch, 2));
    sw_daemon_set_serving(node->daemon, true);
    assert_true(stream_wait(watch, 3));
    /* An hour of grace: the watches must not use it up. */
    assert_int_equal(node_stop(node, 3600000), 0);
    struct reply reply = stream_end(watch);
    assert_int_equal(reply.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_status(&reply, i, i % 2 == 0 ? 1 : 2);
    reply_expect_pushback(&reply, SW_RPC_UNAVAILABLE, "the node is stopping", 1000);
    reply = stream_end(other);
    assert_int_equal(reply.count, 1);
    assert_status(&reply, 0, 3); /* SERVICE_UNKNOWN */
    reply_expect_pushback(&reply, SW_RPC_UNAVAILABLE, "the node is stopping", 1000);
}

/* Pings at the shortest interval that a node allows, for longer than a few strikes would take. */
static void test_pings_on_a_stream_that_stands_still_are_not_called_abusive(void **state)
{
    struct node *node = *state;
    Grpc__Health__V1__HealthCheckRequest request = health_request("");
    sw_rpc_channel_free(node->channel);
    const struct sw_rpc_channel_options options = {.keepalive_ms = 1050, .keepalive_timeout_ms = 20000};
    node->channel = sw_rpc_channel_new(node->loop, node->address, &options);
    assert_non_null(node->channel);
    struct stream *watch = stream_open_with(node, WATCH, &request.base);
    assert_true(stream_wait(watch, 1));
    sleep(8);
    sw_daemon_set_serving(node->daemon, false);
    assert_true(stream_wait(watch, 2));
    stream_cancel(watch);
    struct reply reply = stream_end(watch);
    reply_expect(&reply, SW_RPC_CANCELLED, "");
}

static void test_watch_of_a_caller_that_goes_is_freed(void **state)
{
    struct node *node = *state;
    Grpc__Health__V1__HealthCheckRequest request = health_request("");
    for (int i = 0; i < 50; i++) {
        struct stream *watch = stream_open_with(node, WATCH, &request.base);
        if (i % 2)
            assert_true(stream_wait(watch, 1));
        stream_cancel(watch);
        struct reply reply = stream_end(watch);
        reply_expect(&reply, SW_RPC_CANCELLED, "");
        sw_daemon_set_serving(node->daemon, i % 2);
    }
    assert_int_equal(node_stop(node, 3600000), 0);
}

/* ---- reflection ---- */

typedef Grpc__Reflection__V1__ServerReflectionRequest Request;
typedef Grpc__Reflection__V1__ServerReflectionResponse Response;
#define KIND(kind)   GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##kind
#define ANSWER(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##kind

/* Asks one thing on a stream that stays open; the caller frees the response. seen counts the stream's answers. */
static Response *ask(struct stream *stream, size_t *seen, const Request *request)
{
    assert_true(stream_send_packed(stream, &request->base));
    assert_true(stream_wait(stream, ++*seen));
    struct reply_message message = stream_message(stream, *seen - 1);
    Response *response =
        grpc__reflection__v1__server_reflection_response__unpack(NULL, message.bytes_count, message.bytes);
    assert_non_null(response);
    return response;
}

static Response *ask_text(struct stream *stream, size_t *seen, int kind, const char *text)
{
    Request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.host = "a host";
    request.message_request_case = kind;
    request.list_services = (char *)text; /* the members of the oneof share their place */
    return ask(stream, seen, &request);
}

static void assert_file(Response *response, const char *name)
{
    assert_int_equal(response->message_response_case, ANSWER(FILE_DESCRIPTOR_RESPONSE));
    assert_int_equal(response->file_descriptor_response->n_file_descriptor_proto, 1);
    const ProtobufCBinaryData *data = &response->file_descriptor_response->file_descriptor_proto[0];
    Google__Protobuf__FileDescriptorProto *file =
        google__protobuf__file_descriptor_proto__unpack(NULL, data->len, data->data);
    assert_non_null(file);
    assert_string_equal(file->name, name);
    google__protobuf__file_descriptor_proto__free_unpacked(file, NULL);
    grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
}

static void assert_error(Response *response, int code)
{
    assert_int_equal(response->message_response_case, ANSWER(ERROR_RESPONSE));
    assert_int_equal(response->error_response->error_code, code);
    assert_true(strlen(response->error_response->error_message) > 0);
    grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
}

static void test_services_are_listed(void **state)
{
    static const char *const services[] = {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                           "grpc.reflection.v1alpha.ServerReflection", "symwave.v1.Admin",
                                           "symwave.v1.SymbolStore"};
    static const char *const methods[] = {V1, V1ALPHA};
    for (size_t i = 0; i < 2; i++) {
        struct stream *stream = stream_open(*state, methods[i]);
        size_t seen = 0;
        Response *response = ask_text(stream, &seen, KIND(LIST_SERVICES), "*");
        assert_string_equal(response->valid_host, "a host");
        assert_string_equal(response->original_request->list_services, "*");
        assert_int_equal(response->message_response_case, ANSWER(LIST_SERVICES_RESPONSE));
        assert_int_equal(response->list_services_response->n_service, 5);
        for (size_t s = 0; s < 5; s++)
            assert_string_equal(response->list_services_response->service[s]->name, services[s]);
        grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
        struct reply reply = stream_close(stream);
        reply_expect(&reply, SW_RPC_OK, "");
    }
}

static void test_symbols_of_every_kind_are_found_in_their_file(void **state)
{
    static const char *const symbols[] = {
        "symwave.v1.SymbolStore",            /* service */
        "symwave.v1.SymbolStore.StoreBatch", /* method */
        "symwave.v1.StoreResult",            /* message */
        "symwave.v1.StoreResult.reason",     /* field */
        "symwave.v1.StoreResult.Outcome",    /* nested enum */
        "symwave.v1.StoreResult.REFUSED",    /* value of it */
    };
    struct stream *stream = stream_open(*state, V1);
    size_t seen = 0;
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
        assert_file(ask_text(stream, &seen, KIND(FILE_CONTAINING_SYMBOL), symbols[i]), "symwave/v1/symbol_store.proto");
    assert_file(ask_text(stream, &seen, KIND(FILE_CONTAINING_SYMBOL),
                         "grpc.reflection.v1.ServerReflectionRequest.message_request"),
                "grpc/reflection/v1/reflection.proto"); /* oneof */
    assert_file(ask_text(stream, &seen, KIND(FILE_BY_FILENAME), "grpc/health/v1/health.proto"),
                "grpc/health/v1/health.proto");
    static const char *const none[] = {"", "symwave", "symwave.v1", "symwave.v1.StoreResult.", ".symwave.v1.Value"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_error(ask_text(stream, &seen, KIND(FILE_CONTAINING_SYMBOL), none[i]), SW_RPC_NOT_FOUND);
        assert_error(ask_text(stream, &seen, KIND(FILE_BY_FILENAME), none[i]), SW_RPC_NOT_FOUND);
    }
    struct reply reply = stream_close(stream);
    assert_int_equal(reply.count, seen);
    reply_expect(&reply, SW_RPC_OK, "");
}

static void test_extensions_are_answered_though_there_are_none(void **state)
{
    struct stream *stream = stream_open(*state, V1);
    size_t seen = 0;
    Response *response = ask_text(stream, &seen, KIND(ALL_EXTENSION_NUMBERS_OF_TYPE), "symwave.v1.Value");
    assert_int_equal(response->message_response_case, ANSWER(ALL_EXTENSION_NUMBERS_RESPONSE));
    assert_string_equal(response->all_extension_numbers_response->base_type_name, "symwave.v1.Value");
    assert_int_equal(response->all_extension_numbers_response->n_extension_number, 0);
    grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
    assert_error(ask_text(stream, &seen, KIND(ALL_EXTENSION_NUMBERS_OF_TYPE), "symwave.v1.SymbolStore"),
                 SW_RPC_NOT_FOUND);
    Grpc__Reflection__V1__ExtensionRequest extension = GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
    Request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    extension.containing_type = "symwave.v1.Value";
    extension.extension_number = 100;
    request.message_request_case = KIND(FILE_CONTAINING_EXTENSION);
    request.file_containing_extension = &extension;
    assert_error(ask(stream, &seen, &request), SW_RPC_NOT_FOUND);
    Request nothing = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    assert_error(ask(stream, &seen, &nothing), SW_RPC_INVALID_ARGUMENT);
    struct reply reply = stream_close(stream);
    reply_expect(&reply, SW_RPC_OK, "");
}

static void test_open_and_bad_reflection_streams_end(void **state)
{
    struct node *node = *state;
    struct stream *bad = stream_open(node, V1);
    stream_send(bad, "\x0a\x09x", 3);
    struct reply reply = stream_end(bad);
    reply_expect(&reply, SW_RPC_INVALID_ARGUMENT, "ServerReflectionRequest");
    struct stream *gone = stream_open(node, V1);
    stream_cancel(gone);
    reply = stream_end(gone);
    reply_expect(&reply, SW_RPC_CANCELLED, "");

    struct stream *idle = stream_open(node, V1);
    size_t seen = 0;
    assert_file(ask_text(idle, &seen, KIND(FILE_BY_FILENAME), "grpc/health/v1/health.proto"),
                "grpc/health/v1/health.proto");
    assert_int_equal(node_stop(node, 3600000), 0);
    reply = stream_end(idle);
    reply_expect_pushback(&reply, SW_RPC_UNAVAILABLE, "the node is stopping", 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, node_setup, node_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_check_knows_the_node_and_its_services),
        TEST(test_bad_health_requests_are_refused),
        TEST(test_watch_tells_at_once_on_change_and_at_the_end),
        TEST(test_pings_on_a_stream_that_stands_still_are_not_called_abusive),
        TEST(test_watch_of_a_caller_that_goes_is_freed),
        TEST(test_services_are_listed),
        TEST(test_symbols_of_every_kind_are_found_in_their_file),
        TEST(test_extensions_are_answered_though_there_are_none),
        TEST(test_open_and_bad_reflection_streams_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
