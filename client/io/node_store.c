/* A node of this machine as a local store. */
#include "client/io/client_internal.h"
#include "client/io/messages.h"
#include "common/address.h"
#include "common/memory.h"
#include "common/rpc_wait.h"
#include "common/wire.h"
#include <string.h>
#include <sys/un.h>

/* Asked for at a time: what comes waits in memory until the sink has taken it. */
#define BATCH_BYTES ((uint64_t)8 << 20)
/* Beside its values, what a message may have: the keys of a request, and some. */
#define MESSAGE_EXTRA_BYTES ((size_t)1 << 20)

/* Without a value for so many stall timeouts the node is given up, whatever else it sends. */
#define STALLS_MAX 10

#define KEYS_MAX_DEFAULT  5000
#define KEYS_MAX_BOUND    8192
#define STALL_MS_DEFAULT  2000
#define VALUE_MAX_DEFAULT ((uint64_t)1 << 20)
#define VALUE_MAX_BOUND   ((uint64_t)64 << 20)

struct sw_node_store {
    struct sw_node_store_options options;
    struct sw_rpc_loop *loop;
    struct sw_rpc_channel *channel;
};

/* One batch of keys on its way. */
struct asking {
    struct sw_node_store *store;
    const struct sw_key *keys;
    uint32_t *indexes; /* of keys that are still to be asked; what this request asks is in front */
    uint32_t asked;    /* of them */
    uint32_t at;       /* answered: the node answers in the order of the request */
    uint32_t kept;     /* indexes of keys that were left out, moved to the front */
    bool (*found)(size_t index, const void *value, size_t value_bytes, void *found_data);
    void *found_data;
    bool over; /* found wants no more */
    /* The call, one after the other; its deadline moves with each value, and so not while found takes its time. */
    struct sw_rpc_wait wait;
    enum sw_status status;
    struct sw_error error;
};

static uint64_t next_deadline(const struct sw_node_store *store)
{
    return sw_clock_us() + STALLS_MAX * (uint64_t)store->options.stall_timeout_ms * 1000;
}

/* Finds the key that is answered, among those that are not yet. */
static bool advance(struct asking *self, const struct sw_key *key)
{
    while (self->at < self->asked && memcmp(&self->keys[self->indexes[self->at]], key, sizeof(*key)) != 0)
        self->at++;
    if (self->at < self->asked)
        return true;
    self->status = sw_error_set(&self->error, SW_PROTOCOL_ERROR, "the node answers a key that it was not asked for");
    return false;
}

static bool take_symbol(void *state, const struct sw_key *key, const struct sw_wire_value *value)
{
    struct asking *self = state;
    if (!advance(self, key))
        return false;
    uint8_t *scratch = NULL;
    const uint32_t index = self->indexes[self->at++];
    if (value->bytes > self->store->options.value_bytes_max) /* whose hash nobody wants to know */
        return true;
    scratch = sw_malloc(value->bytes + 1);
    if (!scratch) {
        self->status = sw_error_set(&self->error, SW_NO_MEMORY, "no memory for a symbol");
        return false;
    }
    self->over = !self->found(index, sw_wire_value_flatten(value, scratch), value->bytes, self->found_data);
    self->wait.deadline_us = next_deadline(self->store);
    sw_free(scratch);
    return !self->over;
}

static bool pass_over(void *state, const struct sw_key *key)
{
    struct asking *self = state;
    if (!advance(self, key))
        return false;
    self->at++;
    return true;
}

static bool keep(void *state, const struct sw_key *key)
{
    struct asking *self = state;
    if (!advance(self, key))
        return false;
    self->indexes[self->kept++] = self->indexes[self->at++];
    return true;
}

static bool take_message(void *user_data, struct sw_rpc_message *message)
{
    static const struct sw_wire_response_handler handler = {
        .symbol = take_symbol, .missing = pass_over, .left_out = keep, .corrupt = pass_over};
    struct asking *self = user_data;
    struct sw_error error = {0};
    const uint32_t at = self->at;
    enum sw_status status = sw_wire_read_response(message, &handler, self, &error);
    sw_rpc_message_free(message);
    if (status == SW_OK && self->status == SW_OK && self->at == at) /* or it might never end */
        status = sw_error_set(&error, SW_PROTOCOL_ERROR, "the node sends a message that answers no key");
    if (status != SW_OK && self->status == SW_OK) {
        self->status = status;
        self->error = error;
    }
    return self->status == SW_OK && !self->over;
}

/* Asks for the first of the keys that are left, and takes what fits. */
static enum sw_status ask(struct asking *self, uint32_t *left)
{
    const struct sw_node_store_options *options = &self->store->options;
    const uint64_t bytes_max = BATCH_BYTES > options->value_bytes_max ? BATCH_BYTES : options->value_bytes_max;
    self->asked = *left < options->keys_max ? *left : options->keys_max;
    self->at = self->kept = 0;
    self->wait.request = sw_message_retrieve_request(self->keys, self->indexes, self->asked, bytes_max, false);
    if (!self->wait.request)
        return sw_error_set(&self->error, SW_NO_MEMORY, "no memory for a request");
    enum sw_status status = sw_rpc_wait(self->store->channel, &self->wait, &self->error);
    if (self->status != SW_OK)
        status = self->status;
    /* One that is larger than all that may come would be left out for ever, and all others after it. */
    const uint32_t hopeless = status == SW_OK && self->kept == self->asked;
    memmove(self->indexes, self->indexes + hopeless, (self->kept - hopeless) * sizeof(*self->indexes));
    self->kept -= hopeless;
    memmove(self->indexes + self->kept, self->indexes + self->asked, (*left - self->asked) * sizeof(*self->indexes));
    *left -= self->asked - self->kept;
    return status;
}

static enum sw_status get_batch(const struct sw_key *keys, size_t key_count,
                                bool (*found)(size_t index, const void *value, size_t value_bytes, void *found_data),
                                void *found_data, struct sw_error *error, void *user_data)
{
    struct asking self = {.store = user_data, .keys = keys, .found = found, .found_data = found_data};
    uint32_t left = (uint32_t)key_count;
    self.wait = (struct sw_rpc_wait){.method = SW_METHOD_RETRIEVE_BATCH,
                                     .message = take_message,
                                     .user_data = &self,
                                     .stall_us = (uint64_t)self.store->options.stall_timeout_ms * 1000,
                                     .deadline_us = next_deadline(self.store)};
    enum sw_status status = SW_OK;
    self.indexes = sw_malloc((key_count + 1) * sizeof(*self.indexes));
    if (!self.indexes)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to ask for %zu keys", key_count);
    for (uint32_t i = 0; i < left; i++)
        self.indexes[i] = i;
    while (status == SW_OK && left > 0 && !self.over)
        status = ask(&self, &left);
    sw_free(self.indexes);
    return status == SW_OK ? SW_OK : sw_error_set(error, status, "the local node: %s", self.error.message);
}

static enum sw_status check(const char *address, const struct sw_node_store_options *options, struct sw_error *error)
{
    if (!address || !sw_address_is_local(address))
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%.200s is no address of this machine",
                            address ? address : "NULL");
    const size_t path_bytes = sw_address_is_unix(address) ? strlen(address) - strlen("unix:") : 1;
    if (path_bytes == 0 || path_bytes >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%.200s: the path of a socket has 1 to %zu bytes, not %zu",
                            address, sizeof(((struct sockaddr_un *)0)->sun_path) - 1, path_bytes);
    if (options->keys_max > KEYS_MAX_BOUND)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "keys_max is %u, and may be 1 to %u", options->keys_max,
                            KEYS_MAX_BOUND);
    if (options->value_bytes_max > VALUE_MAX_BOUND)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "value_bytes_max is %llu, and may be 1 to %llu",
                            (unsigned long long)options->value_bytes_max, (unsigned long long)VALUE_MAX_BOUND);
    return SW_OK;
}

enum sw_status sw_node_store_open(const char *address, const struct sw_node_store_options *options,
                                  struct sw_node_store **out, struct sw_error *error)
{
    struct sw_node_store *store = *out = sw_calloc(1, sizeof(*store));
    if (!store)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a local store");
    SW_OPTIONS_COPY(&store->options, options);
    enum sw_status status = check(address, &store->options, error);
    if (!store->options.keys_max)
        store->options.keys_max = KEYS_MAX_DEFAULT;
    if (!store->options.stall_timeout_ms)
        store->options.stall_timeout_ms = STALL_MS_DEFAULT;
    if (!store->options.value_bytes_max)
        store->options.value_bytes_max = VALUE_MAX_DEFAULT;
    if (status == SW_OK)
        status = sw_rpc_loop_new(&store->loop, error);
    if (status == SW_OK) {
        const struct sw_rpc_channel_options channel = {.message_bytes_max = (size_t)store->options.value_bytes_max +
                                                                            MESSAGE_EXTRA_BYTES};
        store->channel = sw_rpc_channel_new(store->loop, address, &channel);
        if (!store->channel)
            status = sw_error_set(error, SW_NO_MEMORY, "no memory for a local store");
    }
    if (status != SW_OK) {
        sw_node_store_close(store);
        *out = NULL;
    }
    return status;
}

void sw_node_store_close(struct sw_node_store *store)
{
    if (!store)
        return;
    sw_rpc_channel_free(store->channel);
    sw_rpc_loop_free(store->loop);
    sw_free(store);
}

struct sw_local_store sw_node_store_as_local_store(struct sw_node_store *store)
{
    return (struct sw_local_store){.get_batch = get_batch, .user_data = store};
}
