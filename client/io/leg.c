/*
 * Legs of a retrieval: each is an engine on one set of nodes, with the keys that are not there yet. Most retrievals
 * have one; each change of the client's nodes makes another.
 */
#include "client/io/report_build.h"
#include "client/io/report_merge.h"
#include "client/io/retrieval.h"
#include "common/memory.h"
#include <string.h>

/* A symbol's size until one has come. */
#define SYMBOL_BYTES_GUESS 65536
/* How long a node that failed is passed over at first. */
#define DOWN_BACKOFF_US 500000
/* What one request asks for: below this it is not worth its round trip, above that many are as fast and hold less. */
#define REQUEST_BYTES_MIN 65536
#define REQUEST_BYTES_MAX (2u << 20)
/* No request takes more of the budget than leaves room for so many. */
#define REQUESTS_MIN 16
/* Work that lies ready at a node: what a busy machine may take to send the next request, and little more. */
#define QUEUE_US 20000
/* As long again as a retransmission takes: then it is not only a lost packet. */
#define LAPSE_US_MIN 250000
/* A retrieval of a few keys may ask for as many twice. */
#define HEDGE_KEYS_MIN 32

static struct sw_wave_options engine_options(const struct retrieval *retrieval, uint64_t required)
{
    const struct sw_client_options *o = &retrieval->client->options;
    const struct sw_retrieve_options *own = &retrieval->options;
    uint64_t share = o->budget_bytes / REQUESTS_MIN;
    uint64_t aim = share < REQUEST_BYTES_MAX ? share : REQUEST_BYTES_MAX;
    return (struct sw_wave_options){
        .candidates = o->candidates,
        .request_keys_max = o->request_keys_max,
        .requests_max = o->requests_max,
        .node_requests_max = o->node_requests_max,
        .window_keys_max = o->window_keys_max,
        .local_keys_max = own->local && retrieval->before.count == 0 ? o->local_keys_max : 0,
        .stall_timeout_us = (uint64_t)o->stall_timeout_ms * 1000,
        .down_backoff_us = DOWN_BACKOFF_US,
        .symbol_bytes_guess = o->value_bytes_max < SYMBOL_BYTES_GUESS ? o->value_bytes_max : SYMBOL_BYTES_GUESS,
        .value_bytes_max = o->value_bytes_max,
        .request_bytes_aim = aim > REQUEST_BYTES_MIN ? aim : REQUEST_BYTES_MIN,
        .in_order = own->in_order,
        .first_keys_max = sw_wave_first_keys((uint32_t)required, retrieval->nodes->count),
        .queue_us = QUEUE_US,
        .lease_us_min = SW_LEASE_US_MIN,
        .lapse_us_min = LAPSE_US_MIN,
        .hedge_requests_max = o->requests_max / 4 + 1,
        .hedge_per_cent = o->hedge_percent,
        .hedge_keys_min = HEDGE_KEYS_MIN,
    };
}

enum sw_status sw_leg_prepare(struct retrieval *retrieval, uint64_t required, struct sw_error *error)
{
    const uint64_t possible = required < retrieval->key_count ? required : retrieval->key_count;
    const struct sw_wave_options options = engine_options(retrieval, possible);
    retrieval->last_errors = sw_calloc(retrieval->nodes->count, sizeof(char *));
    if (retrieval->last_errors)
        retrieval->engine = sw_wave_engine_new(&options, retrieval->keys, retrieval->key_count, (uint32_t)possible,
                                               retrieval->options.task_id, retrieval->nodes->table,
                                               retrieval->nodes->health, &retrieval->client->budget);
    if (!retrieval->engine)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to retrieve %u keys", retrieval->key_count);
    if (required > possible)
        sw_wave_require_more(retrieval->engine, (uint32_t)(required - possible));
    return SW_OK;
}

void sw_leg_clear(struct retrieval *retrieval)
{
    pthread_mutex_lock(&retrieval->client->lock);
    sw_wave_engine_free(retrieval->engine);
    retrieval->engine = NULL;
    sw_client_budget_freed(retrieval->client, retrieval);
    pthread_mutex_unlock(&retrieval->client->lock);
    for (uint32_t i = 0; retrieval->last_errors && i < retrieval->nodes->count; i++)
        sw_free(retrieval->last_errors[i]);
    sw_free(retrieval->last_errors);
    retrieval->last_errors = NULL;
    sw_node_set_unref(retrieval->nodes);
    retrieval->nodes = NULL;
    sw_free(retrieval->proofs);
    retrieval->proofs = NULL;
    retrieval->proof_count = 0;
}

bool sw_leg_was_closed(const struct retrieval *retrieval)
{
    return retrieval->closing && retrieval->status == SW_CANCELLED && !retrieval->cancelled;
}

bool sw_leg_wants_next(const struct retrieval *retrieval)
{
    if (retrieval->cancelled || sw_wave_stats(retrieval->engine)->delivered >= retrieval->key_count ||
        sw_clock_us() >= retrieval->deadline_us)
        return false;
    return retrieval->status == SW_SHORT ? retrieval->nodes_changed : sw_leg_was_closed(retrieval);
}

/* Keeps the keys that are not there yet, in their order. False without memory, and nothing has changed then. */
static bool keep_missing(struct retrieval *retrieval)
{
    uint32_t count = 0;
    struct sw_key *keys = sw_malloc(retrieval->key_count * sizeof(*keys));
    uint32_t *index = sw_malloc(retrieval->key_count * sizeof(*index));
    if (!keys || !index) {
        sw_free(keys);
        sw_free(index);
        return false;
    }
    for (uint32_t i = 0; i < retrieval->key_count; i++) {
        if (sw_wave_key_is_delivered(retrieval->engine, i))
            continue;
        keys[count] = retrieval->keys[i];
        index[count++] = retrieval->caller_index ? retrieval->caller_index[i] : i;
    }
    sw_free(retrieval->keys_copy);
    sw_free(retrieval->caller_index);
    retrieval->keys = retrieval->keys_copy = keys;
    retrieval->caller_index = index;
    retrieval->key_count = count;
    return true;
}

/* Adds a leg's report, which it takes over, to those before. False where there was no memory to. */
static bool add_report(struct sw_report **sum, struct sw_report *leg)
{
    const uint64_t keys = (*sum ? (*sum)->keys : 0) + leg->keys; /* of which each has some */
    *sum = sw_report_merge(*sum, leg);
    return (*sum)->keys == keys;
}

enum sw_status sw_leg_next(struct retrieval *retrieval, struct sw_error *error)
{
    const struct sw_wave_stats stats = *sw_wave_stats(retrieval->engine);
    struct earlier_legs *before = &retrieval->before;
    struct sw_report *leg = sw_report_of_retrieval(retrieval);
    if (!leg || !keep_missing(retrieval)) {
        sw_report_free(leg);
        return sw_error_set(error, SW_NO_MEMORY, "no memory to go on with other nodes");
    }
    before->is_whole &= add_report(&before->report, leg);
    before->count++;
    before->delivered += stats.delivered;
    before->bytes += stats.bytes_delivered;
    before->trace_ids += sw_wave_last_request(retrieval->engine);
    sw_leg_clear(retrieval);
    retrieval->nodes = sw_client_nodes(retrieval->client);
    retrieval->done = retrieval->closing = retrieval->nodes_changed = false;
    atomic_store(&retrieval->over, false);
    sw_log(&retrieval->client->logger, SW_LOG_INFO, "retrieval goes on with other nodes", "found=%llu nodes=%u",
           (unsigned long long)before->delivered, retrieval->nodes->count);
    return sw_leg_prepare(retrieval, stats.required - stats.delivered, error);
}

struct sw_report *sw_leg_report(struct retrieval *retrieval)
{
    struct sw_report *last = sw_report_of_retrieval(retrieval);
    struct earlier_legs *before = &retrieval->before;
    if (before->count == 0 || !last)
        return last;
    const uint64_t required = before->delivered + last->required, elapsed_us = last->elapsed_us;
    if (!add_report(&before->report, last) || !before->is_whole)
        return NULL; /* rather than one that leaves something out */
    struct sw_report *report = before->report;
    before->report = NULL;
    report->keys = retrieval->keys_total;
    report->keys_duplicate = retrieval->keys_duplicate;
    report->required = required;
    report->first_symbol_us = retrieval->first_symbol_us;
    report->elapsed_us = elapsed_us;
    return report;
}
