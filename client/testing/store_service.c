/* StoreBatch, GetNodeInfo and the health service as a test's node answers them. */
#include "client/testing/nodes.h"
#include "common/clock.h"
#include "common/memory.h"
#include "common/wire.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <string.h>

/* A StoreBatch stream; results are packed as they come. */
struct storing {
    struct sw_timer timer; /* first: it is found by it */
    struct sw_rpc_server_call *call;
    struct test_node *node;
    struct sw_test_script script;
    struct sw_rpc_message *answer;
    uint64_t symbols;
    bool failed, ended;
};

static void finish(struct storing *self)
{
    struct sw_rpc_message *answer = self->answer;
    self->answer = NULL;
    if (self->script.manner == SW_TEST_FAILS) {
        sw_rpc_message_free(answer);
        sw_test_node_fail(&self->script, self->call);
    } else if (self->failed || self->symbols == 0) {
        sw_rpc_message_free(answer);
        sw_rpc_server_finish(self->call, NULL, SW_RPC_INVALID_ARGUMENT, "the stream has no symbols, or is malformed");
    } else {
        pthread_mutex_lock(&self->node->nodes->lock);
        self->node->counts.symbols_stored += self->script.read_only ? 0 : self->symbols;
        pthread_mutex_unlock(&self->node->nodes->lock);
        sw_rpc_server_finish(self->call, answer, SW_RPC_OK, NULL);
    }
}

static void timer_ran(struct sw_task *task)
{
    finish((struct storing *)task);
}

static void *start(struct sw_rpc_server_call *call, void *service)
{
    struct storing *self = sw_calloc(1, sizeof(*self));
    struct sw_rpc_message *answer = sw_rpc_message_new();
    if (!self || !answer) {
        sw_free(self);
        sw_rpc_message_free(answer);
        sw_rpc_server_finish(call, NULL, SW_RPC_RESOURCE_EXHAUSTED, "no memory for the call");
        return NULL;
    }
    self->call = call;
    self->node = service;
    self->answer = answer;
    self->script = sw_test_node_script(self->node);
    self->timer.task.run = timer_ran;
    sw_rpc_server_read(call);
    return self;
}

static bool add_result(struct storing *self, struct sw_key *key, Symwave__V1__StoreResult__Outcome outcome)
{
    Symwave__V1__StoreResult result = SYMWAVE__V1__STORE_RESULT__INIT;
    Symwave__V1__StoreResult *results = &result;
    Symwave__V1__StoreBatchResponse response = SYMWAVE__V1__STORE_BATCH_RESPONSE__INIT;
    uint8_t packed[128];
    result.key = (ProtobufCBinaryData){.len = SW_KEY_BYTES, .data = key->bytes};
    result.outcome = outcome;
    result.reason = outcome == SYMWAVE__V1__STORE_RESULT__OUTCOME__REFUSED ? "the test has this node read only" : "";
    response.n_results = 1;
    response.results = &results;
    /* Messages one after the other are one message with all of their repeated fields. */
    size_t bytes = symwave__v1__store_batch_response__get_packed_size(&response);
    if (bytes > sizeof(packed))
        return false;
    sw_rpc_message_add_small(self->answer, packed, symwave__v1__store_batch_response__pack(&response, packed));
    return true;
}

static bool take(void *state, const struct sw_wire_value *value, const uint8_t *key, size_t key_bytes)
{
    struct storing *self = state;
    struct test_values *values = self->node->nodes->values;
    uint8_t *scratch = sw_malloc(value->bytes + 1);
    if (!scratch || value->bytes == 0) {
        sw_free(scratch);
        return false;
    }
    const uint8_t *bytes = sw_wire_value_flatten(value, scratch);
    struct sw_key own = sw_key_of_value(bytes, value->bytes);
    Symwave__V1__StoreResult__Outcome outcome = SYMWAVE__V1__STORE_RESULT__OUTCOME__STORED;
    struct test_value *held = sw_test_values_find(values, self->node->index, &own);
    bool done = true;
    if (self->script.read_only ||
        (key_bytes > 0 && (key_bytes != SW_KEY_BYTES || memcmp(key, own.bytes, key_bytes) != 0)))
        outcome = SYMWAVE__V1__STORE_RESULT__OUTCOME__REFUSED;
    else if (held)
        outcome = SYMWAVE__V1__STORE_RESULT__OUTCOME__ALREADY_STORED;
    else if (self->script.manner != SW_TEST_FAILS)
        done = sw_test_values_add(values, (uint64_t)1 << self->node->index, bytes, value->bytes, &own);
    sw_test_value_unref(held);
    sw_free(scratch);
    self->symbols++;
    return done && add_result(self, &own, outcome);
}

static void message_came(void *state, struct sw_rpc_message *message)
{
    struct storing *self = state;
    if (message) {
        self->failed |= sw_wire_read_store_request(message, take, self, NULL) != SW_OK;
        sw_rpc_message_free(message);
        sw_rpc_server_read(self->call);
        return;
    }
    self->ended = true;
    if (sw_rpc_server_is_cancelled(self->call))
        sw_rpc_server_finish(self->call, NULL, SW_RPC_CANCELLED, NULL);
    else if (self->script.manner == SW_TEST_SILENT)
        return; /* cancelled ends it */
    else if (self->script.latency_ms > 0)
        sw_pool_timer_set(self->node->nodes->pool, &self->timer,
                          sw_clock_us() + (uint64_t)self->script.latency_ms * 1000);
    else
        finish(self);
}

/* A read that is outstanding ends by itself, and the call with it; so does one whose timer has run out. */
static void cancelled(void *state)
{
    struct storing *self = state;
    if (self->ended &&
        (self->script.manner == SW_TEST_SILENT || sw_pool_timer_stop(self->node->nodes->pool, &self->timer)))
        sw_rpc_server_finish(self->call, NULL, SW_RPC_CANCELLED, NULL);
}

static void end(void *state)
{
    struct storing *self = state;
    sw_rpc_message_free(self->answer);
    sw_free(self);
}

const struct sw_rpc_server_handler sw_test_store_handler = {
    .start = start, .message = message_came, .cancelled = cancelled, .end = end};

/* ---- calls of one message and one answer ---- */

struct asked {
    struct sw_rpc_server_call *call;
    struct test_node *node;
};

static void *ask_start(struct sw_rpc_server_call *call, void *service)
{
    struct asked *self = sw_calloc(1, sizeof(*self));
    if (!self) {
        sw_rpc_server_finish(call, NULL, SW_RPC_RESOURCE_EXHAUSTED, "no memory for the call");
        return NULL;
    }
    self->call = call;
    self->node = service;
    return self;
}

/* Sends what was packed, or fails as the script says. */
static void ask_finish(struct asked *self, const void *packed, size_t bytes)
{
    const struct sw_test_script script = sw_test_node_script(self->node);
    struct sw_rpc_message *answer = sw_rpc_message_new();
    if (script.manner == SW_TEST_FAILS && script.after_answers == 0) {
        sw_rpc_message_free(answer);
        sw_test_node_fail(&script, self->call);
        return;
    }
    if (answer)
        sw_rpc_message_add_copy(answer, packed, bytes);
    sw_rpc_server_finish(self->call, answer, answer ? SW_RPC_OK : SW_RPC_RESOURCE_EXHAUSTED, NULL);
}

static void info_asked(void *state, struct sw_rpc_message *message)
{
    struct asked *self = state;
    Symwave__V1__Limits limits = SYMWAVE__V1__LIMITS__INIT;
    Symwave__V1__GetNodeInfoResponse response = SYMWAVE__V1__GET_NODE_INFO_RESPONSE__INIT;
    uint8_t packed[256];
    sw_rpc_message_free(message);
    limits.keys_max = 8192;
    limits.value_bytes_max = 1 << 20;
    limits.message_bytes_max = 4 << 20;
    limits.store_symbols_max = 65536;
    limits.store_bytes_max = (uint64_t)1 << 30;
    response.node_id = self->node->id;
    response.version = SYMWAVE_VERSION;
    response.limits = &limits;
    response.writable = !sw_test_node_script(self->node).read_only;
    sw_test_values_count(self->node->nodes->values, self->node->index, &response.symbol_count, &response.stored_bytes);
    if (symwave__v1__get_node_info_response__get_packed_size(&response) > sizeof(packed))
        sw_rpc_server_finish(self->call, NULL, SW_RPC_INTERNAL, NULL);
    else
        ask_finish(self, packed, symwave__v1__get_node_info_response__pack(&response, packed));
}

/* HealthCheckResponse: status (1) is SERVING (1). */
static void health_asked(void *state, struct sw_rpc_message *message)
{
    sw_rpc_message_free(message);
    ask_finish(state, "\x08\x01", 2);
}

const struct sw_rpc_server_handler sw_test_info_handler = {.start = ask_start, .message = info_asked, .end = sw_free};
const struct sw_rpc_server_handler sw_test_health_handler = {
    .start = ask_start, .message = health_asked, .end = sw_free};
