/*
 * The SDK's calls that have one answer, or ask a node of this machine, against servers that send what they like, over
 * real gRPC: messages without end, none, or too much in one. Whatever comes, the call ends, and with its reason. Most
 * of these tests hang where that fails.
 */
#include "client/io/test/one_node.h"
#include "common/clock.h"
#include "common/etcd.h"
#include "common/rpc_wait.h"
#include "common/thread.h"
#include "symwave/symwave.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TOLD_MAX 500

enum manner {
    EMPTY_FOR_EVER, /* messages without a byte */
    NODES_FOR_EVER, /* messages of 16 new nodes each */
    MANY_NODES,     /* one message of 500 */
    ONE_NODE,       /* itself */
    ONE_EMPTY,      /* one message without a byte, and an end as if all were well */
    SILENT
};

struct world {
    enum manner manner;
    struct one_node node;
    atomic_uint calls;
    atomic_uint checks; /* of its health, which get no answer */
};

struct served {
    struct sw_rpc_server_call *call;
    struct world *world;
};

static void *start(struct sw_rpc_server_call *call, void *service)
{
    struct served *served = calloc(1, sizeof(*served));
    served->call = call;
    served->world = service;
    return served;
}

/* An answer that tells of nodes whom nobody has told of, all at the server's address. */
static struct sw_rpc_message *nodes_message(struct world *world, size_t count)
{
    static unsigned told; /* loop thread only */
    static char ids[TOLD_MAX][16], address[32];
    Symwave__V1__NodeAddress nodes[TOLD_MAX], *pointers[TOLD_MAX];
    Symwave__V1__FindNodeResponse answer = SYMWAVE__V1__FIND_NODE_RESPONSE__INIT;
    snprintf(address, sizeof(address), "127.0.0.1:%d", atomic_load(&world->node.port));
    for (size_t i = 0; i < count; i++) {
        nodes[i] = (Symwave__V1__NodeAddress)SYMWAVE__V1__NODE_ADDRESS__INIT;
        snprintf(ids[i], sizeof(ids[i]), "n%u", told++);
        nodes[i].id = ids[i];
        nodes[i].address = address;
        pointers[i] = &nodes[i];
    }
    answer.n_nodes = count;
    answer.nodes = pointers;
    uint8_t *packed = malloc(symwave__v1__find_node_response__get_packed_size(&answer) + 1);
    struct sw_rpc_message *message = sw_rpc_message_new();
    sw_rpc_message_add_copy(message, packed, symwave__v1__find_node_response__pack(&answer, packed));
    free(packed);
    return message;
}

static void go_on(void *state)
{
    struct served *served = state;
    const enum manner manner = served->world->manner;
    if (sw_rpc_server_is_cancelled(served->call))
        sw_rpc_server_finish(served->call, NULL, SW_RPC_CANCELLED, NULL);
    else if (manner == MANY_NODES || manner == ONE_NODE)
        sw_rpc_server_finish(served->call, nodes_message(served->world, manner == ONE_NODE ? 1 : TOLD_MAX), SW_RPC_OK,
                             NULL);
    else if (manner == ONE_EMPTY)
        sw_rpc_server_finish(served->call, sw_rpc_message_new(), SW_RPC_OK, NULL);
    else if (manner != SILENT)
        sw_rpc_server_send(served->call,
                           manner == NODES_FOR_EVER ? nodes_message(served->world, 16) : sw_rpc_message_new());
}

static void check_came(void *state, struct sw_rpc_message *message)
{
    sw_rpc_message_free(message);
    atomic_fetch_add(&((struct served *)state)->world->checks, 1);
}

static void message_came(void *state, struct sw_rpc_message *message)
{
    struct served *served = state;
    sw_rpc_message_free(message);
    atomic_fetch_add(&served->world->calls, 1);
    go_on(served);
}

static void cancelled(void *state)
{
    sw_rpc_server_finish(((struct served *)state)->call, NULL, SW_RPC_CANCELLED, NULL);
}

static void world_start(struct world *world, enum manner manner)
{
    static const struct sw_rpc_server_handler handler = {
        .start = start, .message = message_came, .sent = go_on, .cancelled = cancelled, .end = free};
    static const struct sw_rpc_server_handler silent = {
        .start = start, .message = check_came, .cancelled = cancelled, .end = free};
    static const char *const paths[] = {"/symwave.v1.SymbolStore/FindNode", "/symwave.v1.SymbolStore/RetrieveBatch",
                                        "/etcdserverpb.Lease/LeaseGrant", "/etcdserverpb.Lease/LeaseRevoke"};
    const size_t count = sizeof(paths) / sizeof(paths[0]);
    struct sw_rpc_server_method methods[sizeof(paths) / sizeof(paths[0]) + 1];
    world->manner = manner;
    for (size_t i = 0; i < count; i++)
        methods[i] = (struct sw_rpc_server_method){paths[i], false, &handler, world, false, 0};
    methods[count] = (struct sw_rpc_server_method){"/grpc.health.v1.Health/Check", false, &silent, world, false, 0};
    one_node_start(&world->node, methods, count + 1, NULL);
}

static void wait_for_call(struct world *world)
{
    while (atomic_load(&world->calls) == 0)
        usleep(1000);
}

/* ---- a call that is waited for ---- */

static bool take_all(void *user_data, struct sw_rpc_message *message)
{
    (void)user_data;
    sw_rpc_message_free(message);
    return true;
}

/* A call to FindNode that nothing ends but its deadline or a stop. */
static enum sw_status wait_patiently(struct world *world, uint64_t deadline_us, struct sw_rpc_stop *stop)
{
    struct sw_rpc_channel *channel =
        sw_rpc_channel_new(world->node.loop, world->node.address, &(struct sw_rpc_channel_options){0});
    const enum sw_status status = sw_rpc_wait(channel,
                                              &(struct sw_rpc_wait){.method = "/symwave.v1.SymbolStore/FindNode",
                                                                    .request = sw_rpc_message_new(),
                                                                    .message = take_all,
                                                                    .stall_us = SW_CLOCK_NEVER,
                                                                    .deadline_us = deadline_us,
                                                                    .stop = stop},
                                              NULL);
    sw_rpc_channel_free(channel);
    return status;
}

struct patient {
    struct world *world;
    struct sw_rpc_stop stop;
    enum sw_status status;
};

static void *be_patient(void *arg)
{
    struct patient *self = arg;
    self->status = wait_patiently(self->world, 0, &self->stop);
    return NULL;
}

static void test_a_call_ends_by_its_deadline_and_by_a_stop_alone(void **state)
{
    (void)state;
    for (enum manner manner = EMPTY_FOR_EVER; manner <= SILENT; manner += SILENT) {
        struct world world = {.node.client = NULL};
        struct patient patient = {.world = &world, .stop = SW_RPC_STOP_INITIALIZER};
        pthread_t thread;
        world_start(&world, manner);
        assert_int_equal(wait_patiently(&world, sw_clock_us() + 100000, NULL), SW_DEADLINE_EXCEEDED);
        assert_int_equal(wait_patiently(&world, sw_clock_us(), NULL), SW_DEADLINE_EXCEEDED); /* it is over already */
        atomic_store(&world.calls, 0);
        assert_int_equal(sw_thread_start(&thread, "patient", be_patient, &patient), 0);
        wait_for_call(&world);
        sw_rpc_stop(&patient.stop);
        pthread_join(thread, NULL);
        assert_int_equal(patient.status, SW_CANCELLED);
        be_patient(&patient); /* stopped before it begins */
        assert_int_equal(patient.status, SW_CANCELLED);
        one_node_stop(&world.node);
    }
}

/* ---- discovery ---- */

static void test_discovery_takes_one_answer_and_no_more_nodes_than_it_may(void **state)
{
    static const struct {
        enum manner manner;
        enum sw_status status;
        const char *text;
    } cases[] = {{EMPTY_FOR_EVER, SW_NOT_FOUND, "no node that was asked knows any"},
                 {NODES_FOR_EVER, SW_RESOURCE_EXHAUSTED, "there are more than 20 nodes (nodes_max)"},
                 {MANY_NODES, SW_RESOURCE_EXHAUSTED, "there are more than 20 nodes (nodes_max)"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world world = {.node.client = NULL};
        world_start(&world, cases[i].manner);
        const struct sw_discover_options options = {.size = sizeof(options), .nodes_max = 20};
        struct sw_node_list *found;
        struct sw_error error = {0};
        assert_int_equal(sw_client_discover(world.node.client, &options, &found, &error), cases[i].status);
        assert_null(found);
        assert_non_null(strstr(error.message, cases[i].text));
        one_node_stop(&world.node);
    }
}

static void test_discovery_ends_at_its_deadline_in_the_middle_of_a_question(void **state)
{
    struct world world = {.node.client = NULL};
    const struct sw_discover_options options = {.size = sizeof(options), .timeout_ms = 200};
    struct sw_node_list *found;
    (void)state;
    world_start(&world, SILENT);
    assert_int_equal(sw_client_discover(world.node.client, &options, &found, NULL), SW_DEADLINE_EXCEEDED);
    assert_null(found);
    one_node_stop(&world.node);
}

struct discovery {
    struct world *world;
    struct sw_discover_options options;
    enum sw_status status;
};

static void *discover(void *arg)
{
    struct discovery *self = arg;
    struct sw_node_list *found;
    self->status = sw_client_discover(self->world->node.client, &self->options, &found, NULL);
    sw_node_list_free(found);
    return NULL;
}

static void test_discovery_is_cancelled_in_the_middle_of_a_question(void **state)
{
    struct world world = {.node.client = NULL};
    struct sw_cancel *cancel = sw_cancel_new();
    struct discovery self = {.world = &world, .options = {.size = sizeof(self.options), .cancel = cancel}};
    pthread_t thread;
    (void)state;
    world_start(&world, SILENT);
    assert_int_equal(sw_thread_start(&thread, "discover", discover, &self), 0);
    wait_for_call(&world);
    sw_cancel_fire(cancel);
    pthread_join(thread, NULL);
    assert_int_equal(self.status, SW_CANCELLED);
    discover(&self); /* fired before it begins */
    assert_int_equal(self.status, SW_CANCELLED);
    sw_cancel_free(cancel);
    one_node_stop(&world.node);
}

/* How nodes are is asked in the course of a discovery too: the one that it finds says nothing, and then it is
 * cancelled. */
static bool any(const struct sw_node_status *status, void *user_data)
{
    (void)status;
    (void)user_data;
    return true;
}

static void test_discovery_is_cancelled_while_nodes_are_asked_how_they_are(void **state)
{
    struct world world = {.node.client = NULL};
    struct sw_cancel *cancel = sw_cancel_new();
    struct discovery self = {
        .world = &world,
        .options = {.size = sizeof(self.options), .cancel = cancel, .eligible = any, .timeout_ms = UINT32_MAX}};
    pthread_t thread;
    (void)state;
    world_start(&world, ONE_NODE);
    assert_int_equal(sw_thread_start(&thread, "discover", discover, &self), 0);
    while (atomic_load(&world.checks) == 0)
        usleep(1000);
    sw_cancel_fire(cancel);
    pthread_join(thread, NULL);
    assert_int_equal(self.status, SW_CANCELLED);
    sw_cancel_free(cancel);
    one_node_stop(&world.node);
}

/* ---- a retrieval ---- */

static enum sw_status drop(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    (void)symbol;
    (void)error;
    (void)user_data;
    return SW_OK;
}

static void test_a_retrieval_leaves_a_node_that_sends_messages_without_a_byte_for_ever(void **state)
{
    struct world world = {.node.client = NULL};
    const struct sw_key keys[3] = {{{1}}, {{2}}, {{3}}};
    const struct sw_sink sink = {.take = drop};
    struct sw_error error = {0};
    (void)state;
    world_start(&world, EMPTY_FOR_EVER);
    assert_int_equal(sw_retrieve_stream(world.node.client, keys, 3, NULL, &sink, NULL, &error), SW_SHORT);
    assert_non_null(strstr(error.message, "sent more than it was asked for"));
    one_node_stop(&world.node);
}

/* ---- a node of this machine ---- */

static bool take(size_t index, const void *value, size_t value_bytes, void *found_data)
{
    (void)index;
    (void)value;
    (void)value_bytes;
    (void)found_data;
    return true;
}

static void test_a_local_node_that_answers_no_key_is_given_up(void **state)
{
    struct world world = {.node.client = NULL};
    struct sw_node_store *store;
    struct sw_error error = {0};
    const struct sw_key keys[3] = {{{1}}, {{2}}, {{3}}};
    (void)state;
    world_start(&world, EMPTY_FOR_EVER);
    assert_int_equal(sw_node_store_open(world.node.address, NULL, &store, NULL), SW_OK);
    const struct sw_local_store local = sw_node_store_as_local_store(store);
    assert_int_equal(local.get_batch(keys, 3, take, NULL, &error, local.user_data), SW_PROTOCOL_ERROR);
    assert_non_null(strstr(error.message, "answers no key"));
    sw_node_store_close(store);
    one_node_stop(&world.node);
}

/* ---- etcd ---- */

struct registering {
    struct sw_etcd *etcd;
    enum sw_status status;
};

static void *do_register(void *arg)
{
    struct registering *self = arg;
    int64_t lease;
    self->status = sw_etcd_register(self->etcd, "node", "127.0.0.1:1", 15, &lease, NULL);
    return NULL;
}

static void test_an_etcd_that_says_nothing_is_left_at_once(void **state)
{
    struct world world = {.node.client = NULL};
    struct registering self = {0};
    const struct sw_tls_files files = {0};
    pthread_t thread;
    (void)state;
    world_start(&world, SILENT);
    assert_int_equal(sw_etcd_new(world.node.address, NULL, false, &files, &self.etcd, NULL), SW_OK);
    assert_int_equal(sw_thread_start(&thread, "register", do_register, &self), 0);
    wait_for_call(&world);
    sw_etcd_stop(self.etcd);
    pthread_join(thread, NULL);
    assert_int_equal(self.status, SW_CANCELLED);
    do_register(&self); /* nothing is begun any more */
    assert_int_equal(self.status, SW_CANCELLED);
    sw_etcd_free(self.etcd);
    one_node_stop(&world.node);
}

static void test_a_lease_is_given_back_at_another_endpoint_where_the_first_says_nothing(void **state)
{
    struct world silent = {.node.client = NULL}, good = {.node.client = NULL};
    const struct sw_tls_files files = {0};
    struct sw_etcd *etcd;
    char endpoints[80];
    (void)state;
    world_start(&silent, SILENT);
    world_start(&good, ONE_EMPTY);
    snprintf(endpoints, sizeof(endpoints), "%s,%s", silent.node.address, good.node.address);
    assert_int_equal(sw_etcd_new(endpoints, NULL, false, &files, &etcd, NULL), SW_OK);
    sw_etcd_stop(etcd);
    assert_int_equal(sw_etcd_revoke(etcd, 1, NULL), SW_OK);
    assert_int_equal(atomic_load(&good.calls), 1);
    sw_etcd_free(etcd);
    one_node_stop(&good.node);
    one_node_stop(&silent.node);
}

int main(void)
{
    sw_process_tune();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_ends_by_its_deadline_and_by_a_stop_alone),
        cmocka_unit_test(test_discovery_takes_one_answer_and_no_more_nodes_than_it_may),
        cmocka_unit_test(test_discovery_ends_at_its_deadline_in_the_middle_of_a_question),
        cmocka_unit_test(test_discovery_is_cancelled_in_the_middle_of_a_question),
        cmocka_unit_test(test_discovery_is_cancelled_while_nodes_are_asked_how_they_are),
        cmocka_unit_test(test_a_retrieval_leaves_a_node_that_sends_messages_without_a_byte_for_ever),
        cmocka_unit_test(test_a_local_node_that_answers_no_key_is_given_up),
        cmocka_unit_test(test_an_etcd_that_says_nothing_is_left_at_once),
        cmocka_unit_test(test_a_lease_is_given_back_at_another_endpoint_where_the_first_says_nothing),
    };
    return cmocka_run_group_tests_name("hostile answers", tests, NULL, NULL);
}
