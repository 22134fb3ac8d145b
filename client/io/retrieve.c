/*
 * Retrievals: drives one wave engine, leg by leg. The caller's thread starts it, asks the local store, feeds the sink,
 * tells progress and waits; the pool's threads, which nothing of the caller's may block, carry out the rest.
 */
#include "client/io/key_set.h"
#include "client/io/node_set.h"
#include "client/io/retrieval.h"
#include "common/memory.h"
#include <string.h>

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
        sw_retrieval_wake_at(retrieval, sw_clock_us() + SW_LEASE_US_MIN);
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

static void clear(struct retrieval *retrieval)
{
    if (retrieval->nodes)
        sw_leg_clear(retrieval);
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
    return sw_leg_prepare(retrieval, required == 0 || required > distinct ? distinct : required, error);
}

/* Fewer symbols than required came: the message says how many nodes failed, and how the first of them did. */
static void say_short(const struct retrieval *retrieval, unsigned long long found, unsigned long long required,
                      struct sw_error *error)
{
    uint32_t failed = 0, first = 0;
    for (uint32_t i = retrieval->nodes->count; i-- > 0;) {
        if (retrieval->last_errors[i]) {
            failed++;
            first = i;
        }
    }
    if (failed == 0)
        sw_error_set(error, SW_SHORT, "%llu of %llu required symbols were found: every candidate node lacks the rest",
                     found, required);
    else
        sw_error_set(error, SW_SHORT,
                     "%llu of %llu required symbols were found; of %u nodes %u failed; node %.128s at %.128s: %.160s",
                     found, required, retrieval->nodes->count, failed, retrieval->nodes->peers[first]->id,
                     retrieval->nodes->peers[first]->address, retrieval->last_errors[first]);
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
        say_short(retrieval, found, required, error);
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
        while (status == SW_OK && sw_leg_wants_next(&retrieval)) {
            status = sw_leg_next(&retrieval, error);
            if (status == SW_OK)
                run(&retrieval);
        }
        if (retrieval.options.progress && retrieval.engine) {
            pthread_mutex_lock(&client->lock);
            tell_progress(&retrieval);
            pthread_mutex_unlock(&client->lock);
        }
        /* Nothing is left to go on with, be it time or keys. */
        if (status != SW_OK)
            retrieval.status = status;
        else if (sw_leg_was_closed(&retrieval))
            retrieval.status = sw_clock_us() >= retrieval.deadline_us ? SW_DEADLINE_EXCEEDED : SW_SHORT;
        if (status == SW_OK)
            status = conclude(&retrieval, error);
        if (report)
            *report = retrieval.engine ? sw_leg_report(&retrieval) : NULL;
    }
    clear(&retrieval);
    return status;
}
