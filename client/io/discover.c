/*
 * Discovering nodes. A node tells the 16 that are nearest to a target by XOR; those that share a target's first bits
 * are nearer than all others. So the keys are halved, bit by bit, until a part has fewer than 16 nodes, which are then
 * known.
 */
#include "client/io/client_internal.h"
#include "client/io/messages.h"
#include "client/io/node_set.h"
#include "common/memory.h"
#include "common/rpc_wait.h"
#include <string.h>

#define NODES_MAX_DEFAULT 1000000
#define TIMEOUT_MS        30000
#define SEEDS_DEFAULT     3
/* Without an answer for so long a seed is given up. */
#define STALL_US ((uint64_t)2000000)
/* Nodes in an answer that is full. */
#define FULL     16
#define KEY_BITS (8 * SW_KEY_BYTES)

/* The keys that share their first bits with prefix, whose other bits are 0. */
struct part {
    struct sw_key prefix;
    unsigned bits;
};

struct discovery {
    struct sw_client *client;
    struct sw_discover_options options;
    uint64_t deadline_us;
    struct cancel_hook cancel_hook;
    struct sw_rpc_stop stop; /* of the question under way */
    struct sw_node_list *list;
    /* of the question under way */
    struct part part;
    unsigned told, inside; /* nodes in the answer; those of them in the part */
    enum sw_status status;
    struct sw_error *error;
};

static bool is_inside(const struct part *part, const struct sw_key *place)
{
    const unsigned bytes = part->bits / 8, bits = part->bits % 8;
    if (memcmp(part->prefix.bytes, place->bytes, bytes) != 0)
        return false;
    return bits == 0 || ((part->prefix.bytes[bytes] ^ place->bytes[bytes]) >> (8 - bits)) == 0;
}

static void found(void *state, const char *id, const char *address)
{
    struct discovery *self = state;
    struct sw_error error = {0};
    const struct sw_key place = sw_key_of_value(id, strlen(id));
    self->told++;
    self->inside += is_inside(&self->part, &place);
    if (self->status != SW_OK)
        return;
    /* What is there already, or is no node, is passed over. */
    if (sw_node_list_add(self->list, id, address, &error) == SW_NO_MEMORY)
        self->status = sw_error_set(self->error, SW_NO_MEMORY, "no memory for a node list");
    if (sw_node_list_count(self->list) > self->options.nodes_max)
        self->status = sw_error_set(self->error, SW_RESOURCE_EXHAUSTED, "there are more than %u nodes (nodes_max)",
                                    self->options.nodes_max);
}

/* Takes one message, and is content with it. */
static bool take_answer(void *user_data, struct sw_rpc_message *message)
{
    struct discovery *self = user_data;
    enum sw_status status = sw_message_read_found_nodes(message, found, self, self->error);
    sw_rpc_message_free(message);
    if (self->status == SW_OK)
        self->status = status;
    return false;
}

static void cancel_fired(struct cancel_hook *hook)
{
    struct discovery *self = (struct discovery *)((char *)hook - offsetof(struct discovery, cancel_hook));
    sw_rpc_stop(&self->stop);
}

/* Ends that are the whole discovery's, not a seed's. */
static bool is_over(struct discovery *self)
{
    if (sw_cancel_is_fired(self->options.cancel))
        self->status = sw_error_set(self->error, SW_CANCELLED, "cancelled");
    else if (self->status == SW_OK && sw_clock_us() > self->deadline_us)
        self->status = sw_error_set(self->error, SW_DEADLINE_EXCEEDED,
                                    "%zu nodes were discovered, and then time was up", sw_node_list_count(self->list));
    return self->status == SW_CANCELLED || self->status == SW_DEADLINE_EXCEEDED || self->status == SW_NO_MEMORY ||
           self->status == SW_RESOURCE_EXHAUSTED;
}

/* Asks a seed for all that it knows. */
static enum sw_status ask_seed(struct discovery *self, struct peer *seed)
{
    struct part parts[KEY_BITS + 1] = {{.bits = 0}}; /* still to be asked for */
    unsigned left = 1;
    pthread_mutex_lock(&self->client->lock);
    struct sw_rpc_channel *channel = sw_peer_channel(self->client, seed);
    pthread_mutex_unlock(&self->client->lock);
    if (!channel)
        return sw_error_set(self->error, SW_NO_MEMORY, "no memory for a connection");
    while (left > 0 && !is_over(self)) {
        struct sw_error error = {0};
        self->part = parts[--left];
        self->told = self->inside = 0;
        struct sw_rpc_message *request = sw_message_find_node_request(&self->part.prefix);
        if (!request)
            return sw_error_set(self->error, SW_NO_MEMORY, "no memory for a request");
        enum sw_status status = sw_rpc_wait(channel,
                                            &(struct sw_rpc_wait){.method = SW_METHOD_FIND_NODE,
                                                                  .request = request,
                                                                  .message = take_answer,
                                                                  .user_data = self,
                                                                  .stall_us = STALL_US,
                                                                  .deadline_us = self->deadline_us,
                                                                  .stop = &self->stop},
                                            &error);
        if (status != SW_OK)
            return sw_error_set(self->error, status, "node %.255s at %.255s: %.300s", seed->id, seed->address,
                                error.message);
        if (self->status != SW_OK)
            return self->status;
        /* A full answer from inside: there may be more, in either half. */
        if (self->inside >= FULL && self->inside == self->told && self->part.bits < KEY_BITS - 1) {
            const unsigned bit = self->part.bits++;
            parts[left++] = self->part;
            self->part.prefix.bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
            parts[left++] = self->part;
        }
    }
    return self->status;
}

static enum sw_status ask_seeds(struct discovery *self, const struct node_set *seeds)
{
    char quoted[SW_ERROR_MESSAGE_SIZE];
    uint32_t answered = 0;
    for (uint32_t i = 0; i < seeds->count && answered < self->options.seeds; i++) {
        self->status = SW_OK;
        enum sw_status status = ask_seed(self, seeds->peers[i]);
        if (is_over(self) || status == SW_NO_MEMORY)
            return self->status != SW_OK ? self->status : status;
        if (status == SW_OK)
            answered++;
        else
            sw_log(&self->client->logger, SW_LOG_WARN, "a seed cannot be asked", "error=%s",
                   sw_log_quote(self->error->message, quoted, sizeof(quoted)));
    }
    if (answered == 0) /* the text is the last seed's */
        return self->error->status = SW_UNAVAILABLE;
    if (sw_node_list_count(self->list) == 0)
        return sw_error_set(self->error, SW_NOT_FOUND,
                            "no node that was asked knows any: give nodes a node list, with \"nodes: FILE\" in their "
                            "configuration");
    return SW_OK;
}

/* Leaves in the list those that the caller wants. */
static enum sw_status choose(struct discovery *self)
{
    const uint64_t now_us = sw_clock_us();
    const uint64_t left_us = self->deadline_us > now_us ? self->deadline_us - now_us : 0;
    struct sw_node_list *chosen = sw_node_list_new();
    struct sw_node_status **statuses = NULL;
    struct node_set *set = NULL, *old = sw_client_nodes(self->client);
    enum sw_status status = chosen ? sw_node_set_new(self->list, old, &set, self->error)
                                   : sw_error_set(self->error, SW_NO_MEMORY, "no memory for a node list");
    if (status == SW_OK)
        status = sw_node_set_statuses(self->client, set, (uint32_t)(left_us / 1000), self->options.cancel, &statuses,
                                      self->error);
    for (uint32_t i = 0; status == SW_OK && i < set->count; i++)
        if (self->options.eligible(statuses[i], self->options.eligible_data))
            status = sw_node_list_add(chosen, statuses[i]->id, statuses[i]->address, self->error);
    if (status == SW_OK && sw_node_list_count(chosen) == 0)
        status = sw_error_set(self->error, SW_NOT_FOUND, "none of %u nodes is eligible", set->count);
    sw_free(statuses);
    if (set)
        sw_node_set_unref(set);
    sw_node_set_unref(old);
    sw_node_list_free(status == SW_OK ? self->list : chosen);
    if (status == SW_OK)
        self->list = chosen;
    return status;
}

enum sw_status sw_client_discover(struct sw_client *client, const struct sw_discover_options *options,
                                  struct sw_node_list **out, struct sw_error *error)
{
    struct sw_error unwanted;
    struct discovery self = {.client = client,
                             .cancel_hook = {.fired = cancel_fired},
                             .stop = SW_RPC_STOP_INITIALIZER,
                             .list = sw_node_list_new(),
                             .error = error ? error : &unwanted};
    *out = NULL;
    if (!self.list)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a node list");
    SW_OPTIONS_COPY(&self.options, options);
    if (!self.options.nodes_max)
        self.options.nodes_max = NODES_MAX_DEFAULT;
    if (!self.options.seeds)
        self.options.seeds = SEEDS_DEFAULT;
    self.deadline_us =
        sw_clock_us() + (uint64_t)(self.options.timeout_ms ? self.options.timeout_ms : TIMEOUT_MS) * 1000;
    struct node_set *seeds = sw_client_nodes(client);
    sw_cancel_attach(self.options.cancel, &self.cancel_hook);
    enum sw_status status = ask_seeds(&self, seeds);
    sw_cancel_detach(self.options.cancel, &self.cancel_hook);
    sw_node_set_unref(seeds);
    if (status == SW_OK && self.options.eligible)
        status = choose(&self);
    if (status == SW_OK)
        *out = self.list;
    else
        sw_node_list_free(self.list);
    return status;
}
