/* What scripted_nodes.h promises. */
#include "client/io/test/scripted_nodes.h"
#include "common/wire.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

const char *const manner_names[MANNERS] = {"good",    "garbage",    "bad bytes",  "wrong key",   "short key",
                                           "unasked", "duplicates", "empty",      "oversized",   "giant",
                                           "flood",   "silent",     "no answers", "all missing", "left out",
                                           "corrupt", "held",       "fails",      "busy"};

uint8_t values[VALUES + 1][VALUE_BYTES];
struct sw_key keys[VALUES + 1];

struct served {
    struct sw_rpc_server_call *call;
    struct scripted_node *node;
    enum manner manner;
    struct sw_key *wanted;
    size_t count, next;
};

static void *start(struct sw_rpc_server_call *call, void *service)
{
    struct served *served = calloc(1, sizeof(*served));
    served->call = call;
    served->node = service;
    served->manner = served->node->manner;
    served->node->requests++;
    return served;
}

static void end(void *state)
{
    struct served *served = state;
    free(served->wanted);
    free(served);
}

static void add(struct sw_rpc_message *message, const struct sw_key *key, const uint8_t *bytes, size_t count)
{
    sw_wire_add_symbol(message, key, bytes, count, NULL, NULL);
}

static size_t index_of(const struct sw_key *key)
{
    for (size_t i = 0; i <= VALUES; i++)
        if (sw_key_compare(&keys[i], key) == 0)
            return i;
    abort();
}

/* Zero pages that are read and never written take no memory on the sending side. */
#define GIANT_BYTES ((size_t)512 << 20)
static const uint8_t *giant;

void scripted_nodes_init(void)
{
    giant = mmap(NULL, GIANT_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i <= VALUES; i++) {
        for (size_t at = 1; at < VALUE_BYTES; at++)
            values[i][at] = (uint8_t)(i * 31 + at * 7 + (at >> 8));
        values[i][0] = (uint8_t)(i >> 8);
        keys[i] = sw_key_of_value(values[i], VALUE_BYTES);
    }
}

static void keep(void *release_data)
{
    (void)release_data;
}

/* One answer, for one key, in the node's manner. */
static struct sw_rpc_message *answer(const struct served *served, const struct sw_key *key)
{
    uint8_t *flipped;
    static const uint8_t big[2u << 20];
    struct sw_rpc_message *message = sw_rpc_message_new();
    size_t index = index_of(key);
    switch (served->manner) {
    case GARBAGE:
        sw_rpc_message_add_copy(message, "\xff\xff\xff\xff\xff not a message", 20);
        break;
    case BAD_BYTES:
        flipped = malloc(VALUE_BYTES); /* gRPC has it until it is out */
        memcpy(flipped, values[index], VALUE_BYTES);
        flipped[VALUE_BYTES - 1] ^= 0x10;
        sw_wire_add_symbol(message, key, flipped, VALUE_BYTES, free, flipped);
        break;
    case WRONG_KEY:
        add(message, key, values[(index + 1) % VALUES], VALUE_BYTES);
        break;
    case SHORT_KEY:
        sw_rpc_message_add_copy(message, "\x0a\x26\x0a\x1f 31 bytes of key, then a value\x12\x03yes", 40);
        break;
    case UNASKED:
    case FLOOD:
        add(message, &keys[VALUES], values[VALUES], VALUE_BYTES);
        break;
    case DUPLICATES:
        add(message, key, values[index], VALUE_BYTES);
        add(message, key, values[index], VALUE_BYTES);
        break;
    case EMPTY:
        add(message, key, values[index], 0);
        break;
    case OVERSIZED:
        add(message, key, big, sizeof(big));
        break;
    case GIANT:
        sw_rpc_message_add_external(message, giant, GIANT_BYTES, keep, NULL);
        break;
    case ALL_MISSING:
        sw_wire_add_missing(message, key);
        break;
    case LEFT_OUT:
        sw_wire_add_left_out(message, key);
        break;
    case CORRUPT:
        sw_wire_add_corrupt(message, key);
        break;
    case HELD:
        sw_wire_add_held(message, key);
        break;
    default:
        add(message, key, values[index], VALUE_BYTES);
        break;
    }
    return message;
}

static void refuse(struct served *served)
{
    if (served->node->pushback_ms > 0)
        sw_rpc_server_set_pushback(served->call, served->node->pushback_ms);
    sw_rpc_server_finish(served->call, NULL, SW_RPC_RESOURCE_EXHAUSTED, "come back later");
}

static void go_on(struct served *served)
{
    enum manner manner = served->manner;
    if (sw_rpc_server_is_cancelled(served->call))
        sw_rpc_server_finish(served->call, NULL, SW_RPC_CANCELLED, NULL);
    else if (manner == FAILS && served->next >= served->count / 2)
        sw_rpc_server_finish(served->call, NULL, SW_RPC_INTERNAL, "half is enough");
    else if (manner == BUSY)
        refuse(served);
    else if (manner == NO_ANSWERS || (served->next == served->count && manner != FLOOD))
        sw_rpc_server_finish(served->call, NULL, SW_RPC_OK, NULL);
    else
        sw_rpc_server_send(served->call, answer(served, &served->wanted[served->next++ % served->count]));
}

static void request_came(void *state, struct sw_rpc_message *message)
{
    struct served *served = state;
    Symwave__V1__RetrieveBatchRequest *request = symwave__v1__retrieve_batch_request__unpack(
        NULL, sw_rpc_message_bytes(message), sw_rpc_message_flatten(message));
    served->count = request->n_keys;
    served->wanted = calloc(served->count, sizeof(*served->wanted));
    for (size_t i = 0; i < served->count; i++)
        memcpy(served->wanted[i].bytes, request->keys[i].data, SW_KEY_BYTES);
    symwave__v1__retrieve_batch_request__free_unpacked(request, NULL);
    sw_rpc_message_free(message);
    if (served->manner != SILENT)
        go_on(served);
}

static void sent(void *state)
{
    go_on(state);
}

static void cancelled(void *state)
{
    struct served *served = state;
    sw_rpc_server_finish(served->call, NULL, SW_RPC_CANCELLED, NULL);
}

static const struct sw_rpc_server_handler handler = {
    .start = start, .message = request_came, .sent = sent, .cancelled = cancelled, .end = end};

void world_start(struct world *world, enum manner manner, uint32_t liars)
{
    struct sw_node_list *list = sw_node_list_new();
    assert_int_equal(sw_rpc_loop_new(&world->loop, NULL), SW_OK);
    for (uint32_t i = 0; i < NODES; i++) {
        world->nodes[i].manner = i < liars ? manner : GOOD;
        const struct sw_rpc_server_method method = {
            "/symwave.v1.SymbolStore/RetrieveBatch", false, &handler, &world->nodes[i], false, 0};
        const struct sw_rpc_server_options options = {.methods = &method, .method_count = 1};
        char id[16], address[32];
        int port;
        assert_int_equal(sw_rpc_server_new(world->loop, "127.0.0.1:0", &options, &world->servers[i], &port, NULL),
                         SW_OK);
        snprintf(id, sizeof(id), "n%u", i);
        snprintf(address, sizeof(address), "127.0.0.1:%d", port);
        assert_int_equal(sw_node_list_add(list, id, address, NULL), SW_OK);
    }
    struct sw_client_options options = world->options;
    options.size = sizeof(options);
    if (options.stall_timeout_ms == 0)
        options.stall_timeout_ms = 300;
    assert_int_equal(sw_client_open(&options, list, &world->client, NULL), SW_OK);
    sw_node_list_free(list);
}

void world_stop(struct world *world)
{
    sw_client_close(world->client);
    for (uint32_t i = 0; i < NODES; i++) {
        sw_rpc_server_stop(world->servers[i], 0);
        sw_rpc_server_free(world->servers[i]);
    }
    sw_rpc_loop_free(world->loop);
}
