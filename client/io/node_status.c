/* Asking every node how it is: health first, which opens the connection, then GetNodeInfo, which is timed. */
#include "client/io/client_internal.h"
#include "client/io/messages.h"
#include "client/io/node_set.h"
#include "common/memory.h"
#include <stdio.h>
#include <string.h>

/* Nodes asked at once: each is a connection. */
#define OPEN_MAX 256

struct inquiry {
    struct sw_client *client;
    struct node_set *nodes;
    uint64_t deadline_us;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct cancel_hook cancel_hook;
    /* under lock */
    uint32_t open; /* nodes that have been asked, and have not answered or failed yet */
    struct asked *asked;
    uint32_t asked_count;
    bool cancelled;
};

struct asked {
    struct inquiry *inquiry;
    struct sw_node_status *status;
    struct peer *peer;
    uint64_t sent_us;
    struct sw_rpc_client_call *call; /* under the inquiry's lock; NULL: there has been none */
};

static void done(struct asked *asked)
{
    struct inquiry *inquiry = asked->inquiry;
    pthread_mutex_lock(&inquiry->lock);
    if (asked->call)
        sw_rpc_client_release(asked->call);
    asked->call = NULL;
    inquiry->open--;
    pthread_cond_broadcast(&inquiry->changed);
    pthread_mutex_unlock(&inquiry->lock);
}

static void failed(struct asked *asked, const char *what, enum sw_rpc_code code, const char *details)
{
    snprintf(asked->status->error, sizeof(asked->status->error), "%s: %s: %.300s", what, sw_rpc_code_name(code),
             details);
    done(asked);
}

static bool ask(struct asked *asked, const char *method, struct sw_rpc_message *request,
                const struct sw_rpc_client_handler *handler)
{
    struct sw_client *client = asked->inquiry->client;
    pthread_mutex_lock(&client->lock);
    struct sw_rpc_channel *channel = sw_peer_channel(client, asked->peer);
    pthread_mutex_unlock(&client->lock);
    asked->sent_us = sw_clock_us();
    if (!channel || !request) {
        sw_rpc_message_free(request);
        return false;
    }
    uint64_t deadline_us = asked->inquiry->deadline_us;
    uint64_t left_us = deadline_us > asked->sent_us ? deadline_us - asked->sent_us : 0;
    pthread_mutex_lock(&asked->inquiry->lock); /* its end may come before it is known here */
    struct sw_rpc_client_call *call = sw_rpc_client_start(channel, method, request, left_us, handler, asked);
    if (call) {
        if (asked->inquiry->cancelled)
            sw_rpc_client_cancel(call);
        if (asked->call)
            sw_rpc_client_release(asked->call); /* the one before, which is over */
        asked->call = call;
    }
    pthread_mutex_unlock(&asked->inquiry->lock);
    return call != NULL;
}

static void cancel_fired(struct cancel_hook *hook)
{
    struct inquiry *inquiry = (struct inquiry *)((char *)hook - offsetof(struct inquiry, cancel_hook));
    pthread_mutex_lock(&inquiry->lock);
    inquiry->cancelled = true;
    for (uint32_t i = 0; i < inquiry->asked_count; i++)
        if (inquiry->asked[i].call)
            sw_rpc_client_cancel(inquiry->asked[i].call);
    pthread_mutex_unlock(&inquiry->lock);
}

static void info_came(void *state, struct sw_rpc_message *message)
{
    struct asked *asked = state;
    struct sw_error error;
    asked->status->latency_us = sw_clock_us() - asked->sent_us;
    if (sw_message_read_node_info(message, asked->status, &error) == SW_OK)
        asked->status->reached = true;
    else
        snprintf(asked->status->error, sizeof(asked->status->error), "%s", error.message);
    sw_rpc_message_free(message);
}

static void info_ended(void *state, enum sw_rpc_code code, const char *details)
{
    struct asked *asked = state;
    asked->status->reached &= code == SW_RPC_OK;
    if (code != SW_RPC_OK) {
        failed(asked, "GetNodeInfo", code, details);
        return;
    }
    if (!asked->status->reached && !asked->status->error[0])
        snprintf(asked->status->error, sizeof(asked->status->error), "GetNodeInfo: the node said nothing of itself");
    done(asked);
}

static void health_came(void *state, struct sw_rpc_message *message)
{
    struct asked *asked = state;
    struct sw_error error;
    if (sw_message_read_health(message, &asked->status->serving, &error) != SW_OK)
        snprintf(asked->status->error, sizeof(asked->status->error), "%s", error.message);
    sw_rpc_message_free(message);
}

static void health_ended(void *state, enum sw_rpc_code code, const char *details)
{
    static const struct sw_rpc_client_handler info_handler = {.message = info_came, .end = info_ended};
    struct asked *asked = state;
    if (code != SW_RPC_OK)
        failed(asked, "health Check", code, details);
    else if (!ask(asked, SW_METHOD_GET_NODE_INFO, sw_rpc_message_new(), &info_handler))
        failed(asked, "GetNodeInfo", SW_RPC_RESOURCE_EXHAUSTED, "no memory for the call");
}

/* Waits until no more nodes than so many are being asked. */
static void wait_until_open(struct inquiry *inquiry, uint32_t most)
{
    pthread_mutex_lock(&inquiry->lock);
    while (inquiry->open > most)
        pthread_cond_wait(&inquiry->changed, &inquiry->lock);
    pthread_mutex_unlock(&inquiry->lock);
}

enum sw_status sw_node_set_statuses(struct sw_client *client, struct node_set *nodes, uint32_t timeout_ms,
                                    struct sw_cancel *cancel, struct sw_node_status ***statuses, struct sw_error *error)
{
    static const struct sw_rpc_client_handler health_handler = {.message = health_came, .end = health_ended};
    struct inquiry inquiry = {.client = client, .deadline_us = sw_clock_us() + (uint64_t)timeout_ms * 1000};
    inquiry.nodes = nodes;
    uint32_t count = nodes->count;
    pthread_mutex_init(&inquiry.lock, NULL);
    sw_cond_init(&inquiry.changed);
    struct asked *asked = sw_calloc(count, sizeof(*asked));
    *statuses = sw_table_new(count, sizeof(***statuses));
    enum sw_status result = SW_OK;
    inquiry.asked = asked;
    inquiry.cancel_hook.fired = cancel_fired;
    sw_cancel_attach(cancel, &inquiry.cancel_hook);
    if (!asked || !*statuses) {
        sw_free(*statuses);
        *statuses = NULL;
        result = sw_error_set(error, SW_NO_MEMORY, "no memory to ask %u nodes", count);
        goto out;
    }
    for (uint32_t i = 0; i < count && !sw_cancel_is_fired(cancel); i++) {
        struct peer *peer = inquiry.nodes->peers[i];
        wait_until_open(&inquiry, OPEN_MAX - 1);
        struct sw_node_status *status = (*statuses)[nodes->listed[i]];
        status->id = peer->id;
        status->address = peer->address;
        pthread_mutex_lock(&inquiry.lock);
        asked[i] = (struct asked){.inquiry = &inquiry, .status = status, .peer = peer};
        inquiry.asked_count = i + 1;
        inquiry.open++;
        pthread_mutex_unlock(&inquiry.lock);
        if (!ask(&asked[i], SW_METHOD_HEALTH_CHECK, sw_message_health_request(), &health_handler))
            failed(&asked[i], "health Check", SW_RPC_RESOURCE_EXHAUSTED, "no memory for the call");
    }
    wait_until_open(&inquiry, 0);
    if (sw_cancel_is_fired(cancel)) {
        sw_free(*statuses);
        *statuses = NULL;
        result = sw_error_set(error, SW_CANCELLED, "cancelled");
    }
out:
    sw_cancel_detach(cancel, &inquiry.cancel_hook);
    sw_free(asked);
    pthread_cond_destroy(&inquiry.changed);
    pthread_mutex_destroy(&inquiry.lock);
    return result;
}

enum sw_status sw_client_node_statuses(struct sw_client *client, uint32_t timeout_ms, struct sw_node_status ***statuses,
                                       size_t *status_count, struct sw_error *error)
{
    struct node_set *nodes = sw_client_nodes(client);
    enum sw_status status = sw_node_set_statuses(client, nodes, timeout_ms, NULL, statuses, error);
    *status_count = status == SW_OK ? nodes->count : 0;
    sw_node_set_unref(nodes);
    return status;
}
