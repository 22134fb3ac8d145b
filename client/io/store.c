/*
 * Storing: takes values from a source, sends each to its K nearest nodes, and keeps no more in memory than the budget
 * has room for.
 */
#include "client/io/store.h"
#include "common/memory.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

/* What a symbol costs beside its bytes, so that a million empty-ish ones are bounded too. */
#define SYMBOL_OVERHEAD_BYTES 512
/* How often the caller's thread looks at time-outs while it waits. */
#define WAIT_US 100000
/* A source that gives nothing for this long has what it gave sent on: others may wait for what they reserve. */
#define LINGER_US 300000

/* ---- symbols ---- */

bool sw_stored_list_add(struct stored_list *list, struct stored *symbol)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        struct stored **items = sw_realloc(list->items, capacity * sizeof(*items));
        if (!items)
            return false;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = symbol;
    return true;
}

void sw_store_value_unref(struct stored_value *value)
{
    if (atomic_fetch_sub(&value->references, 1) == 1)
        sw_free(value);
}

/* Under the client's lock. */
static bool reserve_share(struct store_run *run, uint64_t bytes)
{
    struct sw_budget *budget = &run->client->budget;
    if (bytes > sw_budget_room(budget, run->reserved_bytes, bytes) || !sw_budget_reserve(budget, bytes))
        return false;
    run->reserved_bytes += bytes;
    return true;
}

/* Under the client's lock. */
static void release_share(struct store_run *run, uint64_t bytes)
{
    sw_budget_release(&run->client->budget, bytes);
    run->reserved_bytes -= bytes;
    sw_client_budget_freed(run->client, NULL);
}

/* Gives the bytes and their part of the budget back. Under the store's lock. */
static void value_done(struct store_run *run, struct stored *symbol)
{
    sw_store_value_unref(symbol->value);
    symbol->value = NULL;
    pthread_mutex_lock(&run->client->lock);
    release_share(run, symbol->reserved_bytes);
    pthread_mutex_unlock(&run->client->lock);
}

void sw_store_replica_done(struct store_run *run, struct stored *symbol, struct store_node *node, bool placed)
{
    assert(symbol->replicas_open > 0);
    symbol->replicas_open--;
    if (placed) {
        symbol->replicas++;
        node->report.found++;
        node->report.bytes += symbol->bytes_count;
    }
    if (symbol->replicas_open > 0)
        return;
    run->symbols_done++;
    run->bytes_done += symbol->bytes_count;
    if (symbol->replicas == 0)
        run->report.symbols_without_replica++;
    value_done(run, symbol);
}

void sw_store_request_sent(struct store_run *run, uint32_t index)
{
    struct store_node *node = &run->node[index];
    run->requests++;
    run->nodes_at_work += node->requests++ == 0;
    node->report.requests++;
    run->report.requests++;
}

void sw_store_request_ended(struct store_run *run, uint32_t index)
{
    run->requests--;
    run->nodes_at_work -= --run->node[index].requests == 0;
}

void sw_store_note_failure(struct store_run *run, uint32_t index, const char *text)
{
    struct peer *peer = run->nodes->peers[index];
    snprintf(run->node[index].report.last_error, SW_ERROR_MESSAGE_SIZE, "%s", text);
    if (!run->report.first_failure[0])
        snprintf(run->report.first_failure, SW_ERROR_MESSAGE_SIZE, "node %.128s at %.128s: %.200s", peer->id,
                 peer->address, text);
    char why[SW_ERROR_MESSAGE_SIZE];
    sw_log(&run->client->logger, SW_LOG_DEBUG, "node failed", "node=%s why=%s", peer->id,
           sw_log_quote(text, why, sizeof(why)));
}

void sw_store_flush(struct store_run *run)
{
    if (run->options.ask_first)
        sw_store_asks_send(run);
    else
        sw_store_streams_close(run);
    run->unanswered_bytes = 0;
}

static bool answers_are_due(const struct store_run *run)
{
    return sw_store_asks_in_flight(run) > 0 || sw_store_streams_are_due(run);
}

/* ---- the caller's thread ---- */

/* Tells about the symbols that are done, in order. */
static void tell_stored(struct store_run *run)
{
    pthread_mutex_lock(&run->lock);
    for (struct stored *symbol; (symbol = run->first) && symbol->replicas_open == 0;) {
        run->first = symbol->next;
        if (!run->first)
            run->last = &run->first;
        uint32_t replicas = symbol->replicas;
        pthread_mutex_unlock(&run->lock);
        if (run->options.stored)
            run->options.stored(symbol->index, &symbol->key, replicas, symbol->replicas_wanted,
                                run->options.stored_data);
        sw_free(symbol);
        pthread_mutex_lock(&run->lock);
    }
    pthread_mutex_unlock(&run->lock);
}

static void tell_progress(struct store_run *run, uint64_t *next_us)
{
    uint64_t now = sw_clock_us();
    if (!run->options.progress || now < *next_us)
        return;
    *next_us = now + (uint64_t)run->options.progress_interval_ms * 1000;
    pthread_mutex_lock(&run->lock);
    const struct sw_progress progress = {
        .symbols = run->symbols_done,
        .bytes = run->bytes_done,
        .requests = run->requests,
        .nodes = run->nodes_at_work,
        .elapsed_us = now - run->started_us,
    };
    pthread_mutex_unlock(&run->lock);
    run->options.progress(&progress, run->options.progress_data);
}

/* Whether the store must end early; time-outs of nodes are seen to on the way. */
static enum sw_status check_time(struct store_run *run)
{
    uint64_t now = sw_clock_us();
    enum sw_status status = SW_OK;
    pthread_mutex_lock(&run->lock);
    if (run->cancelled)
        status = SW_CANCELLED;
    else if (now >= run->deadline_us)
        status = SW_DEADLINE_EXCEEDED;
    if (status != SW_OK) {
        sw_store_asks_give_up(run);
        sw_store_streams_give_up(run);
    } else {
        sw_store_asks_cancel_slow(run, now);
        sw_store_streams_cancel_slow(run, now);
    }
    pthread_mutex_unlock(&run->lock);
    return status;
}

static void cancel_fired(struct cancel_hook *hook)
{
    struct store_run *run = (struct store_run *)((char *)hook - offsetof(struct store_run, cancel_hook));
    pthread_mutex_lock(&run->lock);
    run->cancelled = true;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
    pthread_mutex_lock(&run->client->lock);
    pthread_cond_broadcast(&run->client->budget_freed);
    pthread_mutex_unlock(&run->client->lock);
}

/* Sets the timer that sends on what was given once the source has paused. Under the store's lock. */
static void linger(struct store_run *run)
{
    run->linger_set = true;
    sw_pool_timer_set(run->client->pool, &run->linger, run->added_us + LINGER_US);
}

static void lingered(struct sw_task *task)
{
    struct sw_timer *timer = (struct sw_timer *)((char *)task - offsetof(struct sw_timer, task));
    struct store_run *run = (struct store_run *)((char *)timer - offsetof(struct store_run, linger));
    pthread_mutex_lock(&run->lock);
    run->linger_set = false;
    if (sw_clock_us() < run->added_us + LINGER_US)
        linger(run);
    else
        sw_store_flush(run);
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

/* Tries once to reserve, waiting a little for room. */
static bool try_reserve(struct store_run *run, uint64_t bytes, bool wait)
{
    struct sw_client *client = run->client;
    pthread_mutex_lock(&client->lock);
    bool reserved = reserve_share(run, bytes);
    if (!reserved && wait) {
        client->stores_waiting++;
        sw_cond_wait_until(&client->budget_freed, &client->lock, sw_clock_us() + WAIT_US);
        client->stores_waiting--;
        reserved = reserve_share(run, bytes);
    }
    if (client->budget.reserved_bytes > run->report.budget_high_water_bytes)
        run->report.budget_high_water_bytes = client->budget.reserved_bytes;
    pthread_mutex_unlock(&client->lock);
    return reserved;
}

/*
 * Room comes from answers only. While some are due, what has been collected waits for more, up to a quarter of the
 * budget: room comes in drops, and a call for each drop would cost every node a sync. (Where answers fail to come, the
 * timer sends it on.)
 */
static void flush_for_room(struct store_run *run)
{
    pthread_mutex_lock(&run->lock);
    if (run->unanswered_bytes >= run->client->options.budget_bytes / 4 || !answers_are_due(run))
        sw_store_flush(run);
    pthread_mutex_unlock(&run->lock);
}

/* Waits until the budget has room for bytes, which are then reserved. SW_CANCELLED, SW_DEADLINE_EXCEEDED. */
static enum sw_status reserve(struct store_run *run, uint64_t bytes, uint64_t *next_progress_us)
{
    if (try_reserve(run, bytes, false))
        return SW_OK;
    flush_for_room(run);
    while (!try_reserve(run, bytes, true)) {
        flush_for_room(run);
        enum sw_status status = check_time(run);
        if (status != SW_OK)
            return status;
        tell_stored(run);
        tell_progress(run, next_progress_us);
    }
    return SW_OK;
}

/* Sends one symbol on its way to its nodes. */
static void fan_out(struct store_run *run, struct stored *symbol)
{
    uint32_t nodes[SW_ROUTE_CANDIDATES_MAX];
    uint32_t count = sw_route_nearest(run->nodes->table, &symbol->key, run->client->options.candidates, nodes);
    symbol->replicas_wanted = count;
    symbol->replicas_open = count;
    pthread_mutex_lock(&run->lock);
    symbol->index = run->report.symbols++;
    run->report.bytes += symbol->bytes_count;
    run->report.replicas_wanted += count;
    *run->last = symbol;
    run->last = &symbol->next;
    for (uint32_t i = 0; i < count; i++) {
        if (run->options.ask_first)
            sw_store_ask_add(run, nodes[i], symbol);
        else
            sw_store_stream_add(run, nodes[i], symbol);
    }
    run->added_us = sw_clock_us();
    run->unanswered_bytes += symbol->bytes_count;
    if (run->unanswered_bytes >= run->client->options.budget_bytes / 2)
        sw_store_flush(run);
    else if (!run->linger_set)
        linger(run);
    pthread_mutex_unlock(&run->lock);
}

static void drop_value(const struct sw_value *value)
{
    if (value->release)
        value->release(value->bytes, value->release_data);
}

static enum sw_status check_value(const struct store_run *run, const struct sw_value *value, struct sw_error *error)
{
    unsigned long long index = run->report.symbols, most = run->client->options.value_bytes_max;
    if (value->bytes_count == 0)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "value %llu is empty: a symbol has at least one byte", index);
    if (value->bytes_count > most)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "value %llu has %zu bytes: a symbol has at most %llu", index,
                            value->bytes_count, most);
    return SW_OK;
}

/* A symbol of a value's bytes, for which the budget has room already; NULL without memory. */
static struct stored *symbol_new(const struct sw_value *value, uint64_t reserved_bytes)
{
    struct stored *symbol = sw_calloc(1, sizeof(*symbol));
    struct stored_value *copy = sw_malloc(sizeof(*copy) + value->bytes_count);
    if (!symbol || !copy) {
        sw_free(symbol);
        sw_free(copy);
        return NULL;
    }
    atomic_init(&copy->references, 1);
    copy->bytes_count = value->bytes_count;
    memcpy(copy->bytes, value->bytes, value->bytes_count);
    symbol->value = copy;
    symbol->key = sw_key_of_value(copy->bytes, copy->bytes_count);
    symbol->bytes_count = value->bytes_count;
    symbol->reserved_bytes = reserved_bytes;
    return symbol;
}

/* Takes one value that the source gave, and releases it. */
static enum sw_status take(struct store_run *run, const struct sw_value *value, uint64_t *next_progress_us,
                           struct sw_error *error)
{
    struct sw_client *client = run->client;
    struct stored *symbol = NULL;
    uint64_t bytes = value->bytes_count + SYMBOL_OVERHEAD_BYTES;
    if (bytes > client->options.budget_bytes)
        bytes = client->options.budget_bytes;
    enum sw_status status = check_value(run, value, error);
    if (status == SW_OK)
        status = reserve(run, bytes, next_progress_us);
    if (status == SW_OK && !(symbol = symbol_new(value, bytes))) {
        status = sw_error_set(error, SW_NO_MEMORY, "no memory for value %llu", (unsigned long long)run->report.symbols);
        pthread_mutex_lock(&client->lock);
        release_share(run, bytes);
        pthread_mutex_unlock(&client->lock);
    }
    drop_value(value);
    if (symbol)
        fan_out(run, symbol);
    return status;
}

/* Takes everything from the source, then waits for every answer. */
static enum sw_status run_store(struct store_run *run, sw_source_fn source, void *source_data, struct sw_error *error)
{
    enum sw_status status = SW_OK;
    uint64_t next_progress_us = run->started_us + (uint64_t)run->options.progress_interval_ms * 1000;
    sw_cancel_attach(run->options.cancel, &run->cancel_hook);
    while (status == SW_OK) {
        struct sw_value value = {.bytes = NULL};
        status = source(&value, error, source_data);
        if (status != SW_OK || !value.bytes)
            break;
        status = take(run, &value, &next_progress_us, error);
        if (status == SW_OK)
            status = check_time(run);
        tell_stored(run);
        tell_progress(run, &next_progress_us);
    }
    run->all_taken = status == SW_OK;
    pthread_mutex_lock(&run->lock);
    sw_store_flush(run);
    while (run->first || run->asks || run->streams || run->linger_set) {
        if (run->linger_set && sw_pool_timer_stop(run->client->pool, &run->linger))
            run->linger_set = false;
        else if (!run->first || run->first->replicas_open > 0)
            sw_cond_wait_until(&run->changed, &run->lock, sw_clock_us() + WAIT_US);
        pthread_mutex_unlock(&run->lock);
        enum sw_status ended = check_time(run);
        if (status == SW_OK && ended != SW_OK)
            status = ended;
        tell_stored(run);
        tell_progress(run, &next_progress_us);
        pthread_mutex_lock(&run->lock);
    }
    pthread_mutex_unlock(&run->lock);
    next_progress_us = 0; /* the end, whatever the time */
    tell_progress(run, &next_progress_us);
    sw_cancel_detach(run->options.cancel, &run->cancel_hook);
    return status;
}

/* The status and its message, once every node has answered or failed. */
static enum sw_status conclude(struct store_run *run, enum sw_status status, struct sw_error *error)
{
    struct sw_store_report *report = &run->report;
    unsigned long long placed = report->replicas_placed + report->replicas_present, wanted = report->replicas_wanted;
    const bool enough =
        report->symbols_without_replica == 0 && placed * 100 >= wanted * run->options.replicas_percent_min;
    if (status == SW_DEADLINE_EXCEEDED && run->all_taken && enough)
        status = SW_OK;
    if (status == SW_OK && report->symbols_without_replica > 0)
        status = sw_error_set(error, SW_SHORT, "%llu of %llu symbols are on no node; first failure: %.300s",
                              (unsigned long long)report->symbols_without_replica, (unsigned long long)report->symbols,
                              report->first_failure);
    else if (status == SW_OK && !enough)
        status = sw_error_set(error, SW_SHORT,
                              "%llu of %llu replicas were placed, %u %% are required; first failure: %.300s", placed,
                              wanted, run->options.replicas_percent_min, report->first_failure);
    else if (status == SW_CANCELLED || status == SW_DEADLINE_EXCEEDED)
        sw_error_set(error, status, "%s with %llu of %llu replicas placed",
                     status == SW_CANCELLED ? "cancelled" : "the deadline passed", placed, wanted);
    report->status = status;
    report->budget_bytes = run->client->options.budget_bytes;
    report->elapsed_us = sw_clock_us() - run->started_us;
    sw_log(
        &run->client->logger, SW_LOG_INFO, "store ended",
        "status=\"%s\" symbols=%llu bytes=%llu placed=%llu present=%llu refused=%llu failed=%llu requests=%llu ms=%llu",
        sw_status_name(status), (unsigned long long)report->symbols, (unsigned long long)report->bytes,
        (unsigned long long)report->replicas_placed, (unsigned long long)report->replicas_present,
        (unsigned long long)report->replicas_refused, (unsigned long long)report->replicas_failed,
        (unsigned long long)report->requests, (unsigned long long)report->elapsed_us / 1000);
    return status;
}

enum sw_status sw_store_stream(struct sw_client *client, sw_source_fn source, void *source_data,
                               const struct sw_store_options *options, struct sw_store_report **report,
                               struct sw_error *error)
{
    if (report)
        *report = NULL;
    if (!client || !source)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a store needs a client and a source");
    struct sw_error ignored;
    if (!error)
        error = &ignored; /* sources always have one to fill */
    struct store_run run = {.client = client, .started_us = sw_clock_us()};
    SW_OPTIONS_COPY(&run.options, options);
    if (run.options.progress_interval_ms == 0)
        run.options.progress_interval_ms = 200;
    if (run.options.replicas_percent_min == 0)
        run.options.replicas_percent_min = 75;
    if (run.options.replicas_percent_min > 100)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "option replicas_percent_min is %u: it must be 1 to 100",
                            run.options.replicas_percent_min);
    run.deadline_us =
        run.options.deadline_ms ? run.started_us + (uint64_t)run.options.deadline_ms * 1000 : SW_CLOCK_NEVER;
    run.cancel_hook.fired = cancel_fired;
    run.linger.task.run = lingered;
    run.last = &run.first;
    run.nodes = sw_client_nodes(client);
    pthread_mutex_init(&run.lock, NULL);
    sw_cond_init(&run.changed);
    run.node = sw_calloc(run.nodes->count, sizeof(*run.node));
    enum sw_status status;
    if (!run.node) {
        status = sw_error_set(error, SW_NO_MEMORY, "no memory to store on %u nodes", run.nodes->count);
    } else {
        status = conclude(&run, run_store(&run, source, source_data, error), error);
        if (report)
            *report = sw_report_of_store(&run);
    }
    sw_free(run.node);
    sw_node_set_unref(run.nodes);
    pthread_cond_destroy(&run.changed);
    pthread_mutex_destroy(&run.lock);
    return status;
}

struct array_source {
    const struct sw_value *next;
    size_t left;
};

static enum sw_status next_of_array(struct sw_value *value, struct sw_error *error, void *user_data)
{
    (void)error;
    struct array_source *array = user_data;
    if (array->left == 0)
        return SW_OK;
    array->left--;
    *value = *array->next++;
    static const char nothing;
    if (!value->bytes)
        value->bytes = &nothing; /* refused as empty, not taken for the end */
    return SW_OK;
}

enum sw_status sw_store(struct sw_client *client, const struct sw_value *values, size_t value_count,
                        const struct sw_store_options *options, struct sw_store_report **report, struct sw_error *error)
{
    if (!values && value_count > 0) {
        if (report)
            *report = NULL;
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a store of %zu values needs their array", value_count);
    }
    struct array_source array = {.next = values, .left = value_count};
    enum sw_status status = sw_store_stream(client, next_of_array, &array, options, report, error);
    for (size_t i = 0; i < array.left; i++) /* what an early end left in the array */
        drop_value(&array.next[i]);
    return status;
}
