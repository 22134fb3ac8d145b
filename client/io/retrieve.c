/*
 * Retrievals: drives one wave engine, or one after the other where the client's nodes change. The caller's thread
 * starts it, asks the local store, feeds the sink, tells progress and waits; the pool's threads, which nothing of the
 * caller's may block, carry out the rest.
 */
#include "client/io/key_set.h"
#include "client/io/node_set.h"
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
/* No answer is late before, so that a node that was busy for a moment is not asked twice. */
#define LEASE_US_MIN 50000
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
        .lease_us_min = LEASE_US_MIN,
        .lapse_us_min = LAPSE_US_MIN,
        .hedge_requests_max = o->requests_max / 4 + 1,
        .hedge_per_cent = o->hedge_percent,
        .hedge_keys_min = HEDGE_KEYS_MIN,
    };
}

/* ---- the engine's actions ---- */

/* Requests that could not be sent, told to the engine once its actions are all carried out. */
struct unsent {
    sw_wave_request ids[16];
    size_t count;
    bool too_many; /* more than that: there is no memory to go on with */
};

static enum sw_trace_end why_aborted(const struct retrieval *retrieval, enum sw_status status)
{
    if (status == SW_DEADLINE_EXCEEDED || status == SW_RESOURCE_EXHAUSTED)
        return SW_TRACE_SLOW;
    if (status != SW_CANCELLED)
        return SW_TRACE_FAILED;
    return retrieval->done ? SW_TRACE_CANCELLED : SW_TRACE_BEATEN;
}

static void carry_out(struct retrieval *retrieval, const struct sw_wave_action *action, struct unsent *unsent)
{
    switch (action->type) {
    case SW_WAVE_SEND:
        if (!sw_request_start(retrieval, action)) {
            if (unsent->count < sizeof(unsent->ids) / sizeof(unsent->ids[0]))
                unsent->ids[unsent->count++] = action->request;
            else
                unsent->too_many = true;
        }
        break;
    case SW_WAVE_ASK_LOCAL:
        retrieval->local_first = action->first_key;
        retrieval->local_count = action->key_count;
        pthread_cond_broadcast(&retrieval->changed);
        break;
    case SW_WAVE_DONE:
        pthread_cond_broadcast(&retrieval->changed);
        break;
    case SW_WAVE_ABORT:
    case SW_WAVE_DELIVER:
    case SW_WAVE_DROP:
        break; /* carry_out_all's: aborts and the verdict on this step's symbol belong together */
    }
}

static enum verdict carry_out_all(struct retrieval *retrieval, struct sw_wave_actions actions, uint32_t *key_index,
                                  enum sw_wave_drop *reason, struct unsent *unsent)
{
    enum verdict verdict = VERDICT_NONE;
    for (size_t i = 0; i < actions.count; i++) {
        if (actions.items[i].type == SW_WAVE_DONE) {
            retrieval->done = true; /* known before the aborts that belong to it */
            atomic_store(&retrieval->over, true);
            retrieval->status = actions.items[i].status;
        }
    }
    for (size_t i = 0; i < actions.count; i++) {
        const struct sw_wave_action *action = &actions.items[i];
        if (action->type == SW_WAVE_DELIVER) {
            verdict = VERDICT_DELIVER;
            *key_index = action->key_index;
        } else if (action->type == SW_WAVE_DROP) {
            verdict = VERDICT_DROP;
            if (reason)
                *reason = action->reason;
        } else if (action->type == SW_WAVE_ABORT) {
            sw_request_abort(retrieval, action->request, why_aborted(retrieval, action->status));
        }
        carry_out(retrieval, action, unsent);
    }
    return verdict;
}

enum verdict sw_retrieval_step(struct retrieval *retrieval, struct sw_wave_event *event, uint32_t *key_index,
                               enum sw_wave_drop *reason)
{
    struct sw_client *client = retrieval->client;
    struct unsent unsent = {.count = 0};
    uint64_t reserved_before = client->budget.reserved_bytes;
    event->now_us = sw_clock_us();
    enum verdict verdict = carry_out_all(retrieval, sw_wave_step(retrieval->engine, event), key_index, reason, &unsent);
    if (client->budget.reserved_bytes > retrieval->budget_high_water_bytes)
        retrieval->budget_high_water_bytes = client->budget.reserved_bytes;
    while (unsent.count > 0) {
        struct sw_wave_event failed = {.type = SW_WAVE_ENDED,
                                       .now_us = event->now_us,
                                       .request = unsent.ids[--unsent.count],
                                       .status = SW_NO_MEMORY};
        carry_out_all(retrieval, sw_wave_step(retrieval->engine, &failed), key_index, reason, &unsent);
    }
    if (unsent.too_many && !retrieval->done) {
        struct sw_wave_event end = {.type = SW_WAVE_CANCEL, .now_us = event->now_us, .status = SW_NO_MEMORY};
        carry_out_all(retrieval, sw_wave_step(retrieval->engine, &end), key_index, reason, &unsent);
    }
    if (!retrieval->done)
        sw_retrieval_wake_at(retrieval, sw_wave_deadline(retrieval->engine));
    if (client->budget.reserved_bytes < reserved_before)
        sw_client_budget_freed(client, retrieval);
    return verdict;
}

/* ---- time ---- */

void sw_retrieval_wake_at(struct retrieval *retrieval, uint64_t at_us)
{
    if (at_us == SW_CLOCK_NEVER || (retrieval->timer_set && retrieval->timer_at_us <= at_us))
        return;
    /* One that cannot be stopped is about to run: it looks at everything, and a second might outlive the retrieval. */
    if (retrieval->timer_set && !sw_pool_timer_stop(retrieval->client->pool, &retrieval->timer))
        return;
    retrieval->timer_set = true;
    retrieval->timer_at_us = at_us;
    sw_pool_timer_set(retrieval->client->pool, &retrieval->timer, at_us);
}

void sw_retrieval_poke(struct retrieval *retrieval)
{
    sw_retrieval_wake_at(retrieval, 0);
}

bool sw_retrieval_wants_budget(const struct retrieval *retrieval)
{
    return !retrieval->done && sw_wave_wants_budget(retrieval->engine);
}

struct retrieval *sw_retrieval_next(const struct retrieval *retrieval)
{
    return retrieval->next;
}

void sw_retrieval_nodes_changed(struct retrieval *retrieval)
{
    retrieval->nodes_changed = !sw_node_set_is_same(retrieval->nodes, retrieval->client->nodes);
    if (retrieval->nodes_changed && !retrieval->done)
        sw_retrieval_poke(retrieval);
}

/* Brings the leg to its end: what nodes that are left have been asked for is waited for as long as it is not late. */
static void close_leg(struct retrieval *retrieval)
{
    struct sw_wave_event close = {.type = SW_WAVE_CLOSE};
    retrieval->closing = true;
    sw_request_drop_gone(retrieval, retrieval->client->nodes);
    sw_retrieval_step(retrieval, &close, NULL, NULL);
}

static void tick(struct sw_task *task)
{
    struct sw_timer *timer = (struct sw_timer *)((char *)task - offsetof(struct sw_timer, task));
    struct retrieval *retrieval = (struct retrieval *)((char *)timer - offsetof(struct retrieval, timer));
    pthread_mutex_lock(&retrieval->client->lock);
    retrieval->timer_set = false;
    bool held = false;
    if (!retrieval->done && retrieval->nodes_changed && !retrieval->closing)
        close_leg(retrieval);
    if (!retrieval->done) {
        uint64_t now = sw_clock_us();
        struct sw_wave_event event = {.type = SW_WAVE_TICK};
        if (retrieval->cancelled || now >= retrieval->deadline_us) {
            event.type = SW_WAVE_CANCEL;
            event.status = retrieval->cancelled ? SW_CANCELLED : SW_DEADLINE_EXCEEDED;
        } else {
            held = sw_request_tell_activity(retrieval, now);
        }
        sw_retrieval_step(retrieval, &event, NULL, NULL);
    }
    if (!retrieval->done)
        sw_retrieval_wake_at(retrieval, retrieval->deadline_us);
    /* While a request is held the engine does not time it: it must be told when that is over. */
    if (!retrieval->done && held)
        sw_retrieval_wake_at(retrieval, sw_clock_us() + LEASE_US_MIN);
    pthread_cond_broadcast(&retrieval->changed);
    pthread_mutex_unlock(&retrieval->client->lock);
}

static void cancel_fired(struct cancel_hook *hook)
{
    struct retrieval *retrieval = (struct retrieval *)((char *)hook - offsetof(struct retrieval, cancel_hook));
    pthread_mutex_lock(&retrieval->client->lock);
    retrieval->cancelled = true;
    sw_retrieval_poke(retrieval);
    pthread_mutex_unlock(&retrieval->client->lock);
}

/* ---- the caller's thread ---- */

static void tell_progress(struct retrieval *retrieval)
{
    const struct sw_wave_stats *stats = sw_wave_stats(retrieval->engine);
    const struct sw_progress progress = {
        .symbols = retrieval->before.delivered + stats->delivered,
        .symbols_total = retrieval->before.delivered + stats->required,
        .bytes = retrieval->before.bytes + stats->bytes_delivered,
        .wave = stats->wave_count > 0 ? stats->wave_count - 1 : 0,
        .requests = stats->requests_in_flight,
        .nodes = stats->nodes_in_flight,
        .elapsed_us = sw_clock_us() - retrieval->started_us,
    };
    pthread_mutex_unlock(&retrieval->client->lock);
    retrieval->options.progress(&progress, retrieval->options.progress_data);
    pthread_mutex_lock(&retrieval->client->lock);
}

/* Whether all is done and no other thread may still touch the retrieval. Under the client's lock. */
static bool is_idle(const struct retrieval *retrieval)
{
    return retrieval->done && !retrieval->requests && !retrieval->first_delivery && !retrieval->timer_set &&
           !sw_retrieval_has_news(retrieval);
}

static void run(struct retrieval *retrieval)
{
    struct sw_client *client = retrieval->client;
    uint64_t interval_us = (uint64_t)retrieval->options.progress_interval_ms * 1000;
    uint64_t next_progress = retrieval->options.progress ? retrieval->started_us + interval_us : SW_CLOCK_NEVER;

    pthread_mutex_lock(&client->lock);
    retrieval->next = client->retrievals;
    client->retrievals = retrieval;
    struct sw_wave_event start = {.type = SW_WAVE_START};
    sw_retrieval_step(retrieval, &start, NULL, NULL);
    sw_retrieval_nodes_changed(retrieval); /* before it was in the client's list */
    sw_retrieval_wake_at(retrieval, retrieval->deadline_us);
    pthread_mutex_unlock(&client->lock);
    sw_cancel_attach(retrieval->options.cancel, &retrieval->cancel_hook);

    pthread_mutex_lock(&client->lock);
    while (!is_idle(retrieval)) {
        if (sw_retrieval_has_news(retrieval)) {
            sw_retrieval_tell_news(retrieval);
        } else if (retrieval->local_count > 0 && !retrieval->done) {
            sw_retrieval_ask_local(retrieval);
        } else if (retrieval->first_delivery) {
            sw_retrieval_deliver_next(retrieval);
        } else {
            /* A timer that has nothing to wait for any more is stopped; one that is about to run is waited for. */
            if (retrieval->done && retrieval->timer_set && sw_pool_timer_stop(client->pool, &retrieval->timer)) {
                retrieval->timer_set = false;
                continue;
            }
            sw_cond_wait_until(&retrieval->changed, &client->lock, next_progress);
        }
        if (sw_clock_us() >= next_progress) {
            tell_progress(retrieval);
            next_progress = sw_clock_us() + interval_us;
        }
    }
    pthread_mutex_unlock(&client->lock);

    sw_cancel_detach(retrieval->options.cancel, &retrieval->cancel_hook);
    pthread_mutex_lock(&client->lock);
    /* A cancel that was fired meanwhile may have set the timer once more. */
    while (retrieval->timer_set && !sw_pool_timer_stop(client->pool, &retrieval->timer))
        sw_cond_wait_until(&retrieval->changed, &client->lock, SW_CLOCK_NEVER);
    struct retrieval **at = &client->retrievals;
    while (*at != retrieval)
        at = &(*at)->next;
    *at = retrieval->next;
    pthread_mutex_unlock(&client->lock);
}

/* Gives back what a leg has of its own; the client's lock is free. */
static void leg_clear(struct retrieval *retrieval)
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

static void clear(struct retrieval *retrieval)
{
    if (retrieval->nodes)
        leg_clear(retrieval);
    sw_report_free(retrieval->before.report);
    sw_free(retrieval->keys_copy);
    sw_free(retrieval->caller_index);
    pthread_cond_destroy(&retrieval->changed);
}

static void init(struct retrieval *retrieval, struct sw_client *client, const struct sw_retrieve_options *options,
                 const struct sw_sink *sink)
{
    memset(retrieval, 0, sizeof(*retrieval));
    retrieval->client = client;
    retrieval->nodes = sw_client_nodes(client);
    SW_OPTIONS_COPY(&retrieval->options, options);
    if (!retrieval->options.task_id)
        retrieval->options.task_id = "";
    if (retrieval->options.progress_interval_ms == 0)
        retrieval->options.progress_interval_ms = 200;
    retrieval->sink = sink;
    retrieval->started_us = sw_clock_us();
    retrieval->deadline_us = retrieval->options.deadline_ms
                                 ? retrieval->started_us + (uint64_t)retrieval->options.deadline_ms * 1000
                                 : SW_CLOCK_NEVER;
    retrieval->timer.task.run = tick;
    retrieval->cancel_hook.fired = cancel_fired;
    retrieval->last_delivery = &retrieval->first_delivery;
    retrieval->last_trace = &retrieval->first_trace;
    retrieval->before.is_whole = true;
    sw_cond_init(&retrieval->changed);
}

/* The engine of a leg, on its nodes and its keys, of which so many are required. */
static enum sw_status leg_prepare(struct retrieval *retrieval, uint64_t required, struct sw_error *error)
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

/* The first leg, on distinct keys. */
static enum sw_status prepare(struct retrieval *retrieval, const struct sw_key *keys, size_t key_count,
                              struct sw_error *error)
{
    size_t distinct = 0;
    enum sw_status status =
        sw_keys_distinct(keys, key_count, &retrieval->keys_copy, &retrieval->caller_index, &distinct, error);
    if (status != SW_OK)
        return status;
    retrieval->keys = retrieval->keys_copy ? retrieval->keys_copy : keys;
    retrieval->key_count = (uint32_t)distinct;
    retrieval->keys_total = distinct;
    retrieval->keys_duplicate = key_count - distinct;
    uint64_t required = retrieval->options.required;
    return leg_prepare(retrieval, required == 0 || required > distinct ? distinct : required, error);
}

/* ---- legs ---- */

/* Whether the leg ended because it was told to, for other nodes, and for nothing else. */
static bool was_closed(const struct retrieval *retrieval)
{
    return retrieval->closing && retrieval->status == SW_CANCELLED && !retrieval->cancelled;
}

/* Whether the retrieval goes on with other nodes: its leg was closed for them, or found too little without them. */
static bool wants_next_leg(const struct retrieval *retrieval)
{
    if (retrieval->cancelled || sw_wave_stats(retrieval->engine)->delivered >= retrieval->key_count ||
        sw_clock_us() >= retrieval->deadline_us)
        return false;
    return retrieval->status == SW_SHORT ? retrieval->nodes_changed : was_closed(retrieval);
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

/* Begins another leg, with the keys that are not there yet, on the client's nodes as they are now. */
static enum sw_status next_leg(struct retrieval *retrieval, struct sw_error *error)
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
    leg_clear(retrieval);
    retrieval->nodes = sw_client_nodes(retrieval->client);
    retrieval->done = retrieval->closing = retrieval->nodes_changed = false;
    atomic_store(&retrieval->over, false);
    sw_log(&retrieval->client->logger, SW_LOG_INFO, "retrieval goes on with other nodes", "found=%llu nodes=%u",
           (unsigned long long)before->delivered, retrieval->nodes->count);
    return leg_prepare(retrieval, stats.required - stats.delivered, error);
}

/* The report of all legs. NULL without memory. */
static struct sw_report *make_report(struct retrieval *retrieval)
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

/* The status and its message, once the retrieval is over. */
static enum sw_status conclude(struct retrieval *retrieval, struct sw_error *error)
{
    const struct sw_wave_stats *stats = sw_wave_stats(retrieval->engine);
    const struct sw_report none = {.status = SW_OK};
    const struct sw_report *before = retrieval->before.report ? retrieval->before.report : &none;
    unsigned long long found = retrieval->before.delivered + stats->delivered;
    unsigned long long required = retrieval->before.delivered + stats->required;
    switch (retrieval->status) {
    case SW_OK:
        break;
    case SW_SHORT:
        sw_error_set(error, SW_SHORT,
                     "%llu of %llu required symbols were found: every candidate node was asked for the rest", found,
                     required);
        break;
    case SW_DEADLINE_EXCEEDED:
        sw_error_set(error, SW_DEADLINE_EXCEEDED,
                     "the deadline of %u ms passed with %llu of %llu required symbols found",
                     retrieval->options.deadline_ms, found, required);
        break;
    case SW_CANCELLED:
        sw_error_set(error, SW_CANCELLED, "cancelled with %llu of %llu required symbols found", found, required);
        break;
    case SW_NO_MEMORY:
        sw_error_set(error, SW_NO_MEMORY, "no memory to go on, with %llu of %llu required symbols found", found,
                     required);
        break;
    default: /* the sink's own */
        sw_error_set(error, retrieval->status, "%s",
                     retrieval->error.message[0] ? retrieval->error.message : "the sink did not take a symbol");
        break;
    }
    sw_log(&retrieval->client->logger, SW_LOG_INFO, "retrieval ended",
           "status=\"%s\" found=%llu required=%llu local=%llu requests=%llu bytes=%llu wasted=%llu waves=%u ms=%llu",
           sw_status_name(retrieval->status), found, required,
           (unsigned long long)(before->found_local + stats->found_local),
           (unsigned long long)(before->requests + stats->requests),
           (unsigned long long)(before->bytes + stats->bytes_delivered),
           (unsigned long long)(before->bytes_wasted + stats->bytes_wasted),
           stats->wave_count > before->wave_count ? stats->wave_count : before->wave_count,
           (unsigned long long)(sw_clock_us() - retrieval->started_us) / 1000);
    return retrieval->status;
}

enum sw_status sw_retrieve_stream(struct sw_client *client, const struct sw_key *keys, size_t key_count,
                                  const struct sw_retrieve_options *options, const struct sw_sink *sink,
                                  struct sw_report **report, struct sw_error *error)
{
    if (report)
        *report = NULL;
    if (!client || !keys || key_count == 0 || !sink || !sink->take)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a retrieval needs a client, at least one key, and a sink");
    if (key_count > UINT32_MAX / 2)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%zu keys are too many: at most %u", key_count, UINT32_MAX / 2);
    struct retrieval retrieval;
    init(&retrieval, client, options, sink);
    enum sw_status status = prepare(&retrieval, keys, key_count, error);
    if (status == SW_OK) {
        sw_log(&client->logger, SW_LOG_INFO, "retrieval started", "keys=%u required=%llu nodes=%u", retrieval.key_count,
               (unsigned long long)sw_wave_stats(retrieval.engine)->required, retrieval.nodes->count);
        run(&retrieval);
        while (status == SW_OK && wants_next_leg(&retrieval)) {
            status = next_leg(&retrieval, error);
            if (status == SW_OK)
                run(&retrieval);
        }
        /* Nothing is left to go on with, be it time or keys. */
        if (status != SW_OK)
            retrieval.status = status;
        else if (was_closed(&retrieval))
            retrieval.status = sw_clock_us() >= retrieval.deadline_us ? SW_DEADLINE_EXCEEDED : SW_SHORT;
        if (status == SW_OK)
            status = conclude(&retrieval, error);
        if (report)
            *report = retrieval.engine ? make_report(&retrieval) : NULL;
    }
    clear(&retrieval);
    return status;
}
