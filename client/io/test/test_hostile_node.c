/*
 * The SDK against nodes that do not keep to the protocol: scripted nodes on loopback, spoken to over real gRPC.
 * Whatever they do, no wrong symbol is delivered, every right one is, and the call ends.
 */
#include "common/clock.h"
#include "common/rpc.h"
#include "common/wire.h"
#include "symwave/symwave.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cmocka.h>

#define NODES       6
#define VALUES      300
#define VALUE_BYTES 20000

enum manner {
    GOOD,
    GARBAGE,     /* a message that is no protobuf */
    BAD_BYTES,   /* a flipped bit */
    WRONG_KEY,   /* another symbol's right bytes under the key asked for */
    SHORT_KEY,   /* 31 bytes of key */
    UNASKED,     /* a right symbol that nobody asked for */
    DUPLICATES,  /* each symbol twice */
    EMPTY,       /* empty values */
    OVERSIZED,   /* a message above the client's limit */
    GIANT,       /* a message of half a gigabyte */
    FLOOD,       /* symbols without end */
    SILENT,      /* no answer at all */
    NO_ANSWERS,  /* OK, and not a word of the keys */
    ALL_MISSING, /* lies about having nothing */
    LEFT_OUT,    /* leaves everything out, for ever */
    CORRUPT,     /* says that its own copies are bad */
    HELD,        /* says that it holds them, which nobody asked, and sends none */
    FAILS,       /* an error status half-way */
    BUSY,        /* RESOURCE_EXHAUSTED at once */
    MANNERS
};

static const char *const manner_names[MANNERS] = {"good",    "garbage",    "bad bytes",  "wrong key",   "short key",
                                                  "unasked", "duplicates", "empty",      "oversized",   "giant",
                                                  "flood",   "silent",     "no answers", "all missing", "left out",
                                                  "corrupt", "held",       "fails",      "busy"};

static uint8_t values[VALUES + 1][VALUE_BYTES]; /* the last is never asked for */
static struct sw_key keys[VALUES + 1];

struct served {
    struct sw_rpc_server_call *call;
    enum manner manner;
    struct sw_key *wanted;
    size_t count, next;
};

static void *start(struct sw_rpc_server_call *call, void *service)
{
    struct served *served = calloc(1, sizeof(*served));
    served->call = call;
    served->manner = *(enum manner *)service;
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

static void keep(void *release_data)
{
    (void)release_data;
}

/* One answer, for one key, in the node's manner. */
static struct sw_rpc_message *answer(const struct served *served, const struct sw_key *key)
{
    static uint8_t flipped[VALUE_BYTES];
    static const uint8_t big[2u << 20];
    struct sw_rpc_message *message = sw_rpc_message_new();
    size_t index = index_of(key);
    switch (served->manner) {
    case GARBAGE:
        sw_rpc_message_add_copy(message, "\xff\xff\xff\xff\xff not a message", 20);
        break;
    case BAD_BYTES:
        memcpy(flipped, values[index], VALUE_BYTES);
        flipped[VALUE_BYTES - 1] ^= 0x10;
        add(message, key, flipped, VALUE_BYTES);
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

static void go_on(struct served *served)
{
    enum manner manner = served->manner;
    if (sw_rpc_server_is_cancelled(served->call))
        sw_rpc_server_finish(served->call, NULL, SW_RPC_CANCELLED, NULL);
    else if (manner == FAILS && served->next >= served->count / 2)
        sw_rpc_server_finish(served->call, NULL, SW_RPC_INTERNAL, "half is enough");
    else if (manner == BUSY)
        sw_rpc_server_finish(served->call, NULL, SW_RPC_RESOURCE_EXHAUSTED, "come back later");
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

struct world {
    struct sw_rpc_loop *loop;
    struct sw_rpc_server *servers[NODES];
    enum manner manners[NODES];
    struct sw_client *client;
};

static void world_start(struct world *world, enum manner manner, uint32_t liars)
{
    struct sw_node_list *list = sw_node_list_new();
    assert_int_equal(sw_rpc_loop_new(&world->loop, NULL), SW_OK);
    for (uint32_t i = 0; i < NODES; i++) {
        world->manners[i] = i < liars ? manner : GOOD;
        const struct sw_rpc_server_method method = {"/symwave.v1.SymbolStore/RetrieveBatch", false, &handler,
                                                    &world->manners[i], false};
        const struct sw_rpc_server_options options = {.methods = &method, .method_count = 1};
        char id[16], address[32];
        int port;
        assert_int_equal(sw_rpc_server_new(world->loop, "127.0.0.1:0", &options, &world->servers[i], &port, NULL),
                         SW_OK);
        snprintf(id, sizeof(id), "n%u", i);
        snprintf(address, sizeof(address), "127.0.0.1:%d", port);
        assert_int_equal(sw_node_list_add(list, id, address, NULL), SW_OK);
    }
    const struct sw_client_options options = {.size = sizeof(options), .stall_timeout_ms = 300};
    assert_int_equal(sw_client_open(&options, list, &world->client, NULL), SW_OK);
    sw_node_list_free(list);
}

static void world_stop(struct world *world)
{
    sw_client_close(world->client);
    for (uint32_t i = 0; i < NODES; i++) {
        sw_rpc_server_stop(world->servers[i], 0);
        sw_rpc_server_free(world->servers[i]);
    }
    sw_rpc_loop_free(world->loop);
}

struct taken {
    uint32_t right, wrong;
    bool seen[VALUES];
};

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    (void)error;
    struct taken *taken = user_data;
    bool right = symbol->key_index < VALUES && !taken->seen[symbol->key_index] && symbol->value_bytes == VALUE_BYTES &&
                 memcmp(symbol->value, values[symbol->key_index], VALUE_BYTES) == 0;
    if (right)
        taken->seen[symbol->key_index] = true;
    taken->right += right;
    taken->wrong += !right;
    return SW_OK;
}

static struct sw_report *retrieve(struct world *world, struct taken *taken, enum sw_status *status)
{
    memset(taken, 0, sizeof(*taken));
    const struct sw_sink sink = {.take = take, .user_data = taken};
    const struct sw_retrieve_options options = {.size = sizeof(options), .deadline_ms = 60000};
    struct sw_report *report;
    *status = sw_retrieve_stream(world->client, keys, VALUES, &options, &sink, &report, NULL);
    assert_non_null(report);
    assert_int_equal(taken->wrong, 0);
    assert_int_equal(taken->right, report->found_network);
    assert_true(report->budget_high_water_bytes <= report->budget_bytes);
    return report;
}

static void test_two_hostile_nodes_of_six_keep_nothing_back(void **state)
{
    (void)state;
    for (enum manner manner = GOOD; manner < MANNERS; manner++) {
        struct world world;
        struct taken taken;
        enum sw_status status;
        world_start(&world, manner, 2);
        struct sw_report *report = retrieve(&world, &taken, &status);
        print_message("%s: %u symbols, %llu requests, %llu failed, %llu bytes wasted\n", manner_names[manner],
                      taken.right, (unsigned long long)report->requests, (unsigned long long)report->requests_failed,
                      (unsigned long long)report->bytes_wasted);
        assert_int_equal(status, SW_OK);
        assert_int_equal(taken.right, VALUES);
        sw_report_free(report);
        world_stop(&world);
    }
}

static void test_hostile_nodes_alone_end_the_retrieval_short(void **state)
{
    (void)state;
    for (enum manner manner = GARBAGE; manner < MANNERS; manner++) {
        struct world world;
        struct taken taken;
        enum sw_status status;
        world_start(&world, manner, NODES);
        struct sw_report *report = retrieve(&world, &taken, &status);
        print_message("%s: %u symbols, %s, %llu bytes received\n", manner_names[manner], taken.right,
                      sw_status_name(status), (unsigned long long)report->bytes_received);
        if (manner == DUPLICATES || manner == FAILS)
            assert_true(taken.right > 0);
        else
            assert_int_equal(taken.right, 0);
        assert_true(status == SW_SHORT || (manner == DUPLICATES && status == SW_OK));
        sw_report_free(report);
        world_stop(&world);
    }
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void test_a_giant_message_is_not_taken_in_whole(void **state)
{
    (void)state;
    struct world world;
    struct taken taken;
    enum sw_status status;
    long before = peak_kib();
    world_start(&world, GIANT, 2);
    sw_report_free(retrieve(&world, &taken, &status));
    world_stop(&world);
    print_message("peak %ld KiB before, %ld KiB after\n", before, peak_kib());
    assert_int_equal(status, SW_OK);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* The client's bound is 128 MiB here; the scripted nodes' side of the sockets is in this process too. */
    assert_true(peak_kib() - before < 384 << 10);
#endif
}

int main(void)
{
    sw_process_tune();
    giant = mmap(NULL, GIANT_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i <= VALUES; i++) {
        for (size_t at = 1; at < VALUE_BYTES; at++)
            values[i][at] = (uint8_t)(i * 31 + at * 7 + (at >> 8));
        values[i][0] = (uint8_t)(i >> 8);
        keys[i] = sw_key_of_value(values[i], VALUE_BYTES);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_giant_message_is_not_taken_in_whole),
        cmocka_unit_test(test_two_hostile_nodes_of_six_keep_nothing_back),
        cmocka_unit_test(test_hostile_nodes_alone_end_the_retrieval_short),
    };
    return cmocka_run_group_tests_name("hostile node", tests, NULL, NULL);
}
