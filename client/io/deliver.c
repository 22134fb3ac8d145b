/* Symbols on their last way, on the caller's thread: from the nodes or the local store into the sink. */
#include "client/io/retrieval.h"
#include "common/blake3.h"

/* ---- the sink, on the caller's thread ---- */

void sw_retrieval_deliver(struct retrieval *retrieval, struct delivery *delivery)
{
    delivery->next = NULL;
    if (!retrieval->first_delivery)
        pthread_cond_broadcast(&retrieval->changed);
    *retrieval->last_delivery = delivery;
    retrieval->last_delivery = &delivery->next;
}

/* Asks the caller whether the symbol that the sink has just taken, the last required one, is really the last. */
static void ask_for_more(struct retrieval *retrieval)
{
    pthread_mutex_lock(&retrieval->client->lock);
    const struct sw_wave_stats *stats = sw_wave_stats(retrieval->engine);
    bool ask = retrieval->options.more && !retrieval->done && stats->delivered + 1 == stats->required;
    pthread_mutex_unlock(&retrieval->client->lock);
    uint32_t more = ask ? retrieval->options.more(retrieval->options.more_data) : 0;
    pthread_mutex_lock(&retrieval->client->lock);
    if (more > 0 && !retrieval->done)
        sw_wave_require_more(retrieval->engine, more);
    pthread_mutex_unlock(&retrieval->client->lock);
}

/* Gives one symbol to the sink and tells the engine. node is NULL for a local one. Without the client's lock. */
static void give(struct retrieval *retrieval, uint32_t key_index, const void *value, size_t value_bytes,
                 const char *node)
{
    const struct sw_symbol symbol = {
        .key = &retrieval->keys[key_index],
        .key_index = retrieval->caller_index ? retrieval->caller_index[key_index] : key_index,
        .value = value,
        .value_bytes = value_bytes,
        .node_id = node,
    };
    struct sw_error error = {.status = SW_OK};
    enum sw_status status = retrieval->sink->take(&symbol, &error, retrieval->sink->user_data);
    if (status == SW_OK && retrieval->options.more)
        ask_for_more(retrieval);

    struct sw_wave_event event = {
        .type = status == SW_OK ? SW_WAVE_TAKEN : SW_WAVE_SINK_FAILED, .key_index = key_index, .status = status};
    pthread_mutex_lock(&retrieval->client->lock);
    if (status == SW_OK && retrieval->first_symbol_us == 0)
        retrieval->first_symbol_us = sw_clock_us() - retrieval->started_us;
    if (status != SW_OK && !retrieval->done)
        retrieval->error = error;
    sw_retrieval_step(retrieval, &event, NULL, NULL);
    pthread_mutex_unlock(&retrieval->client->lock);
}

void sw_retrieval_deliver_next(struct retrieval *retrieval)
{
    struct delivery *delivery = retrieval->first_delivery;
    retrieval->first_delivery = delivery->next;
    if (!retrieval->first_delivery)
        retrieval->last_delivery = &retrieval->first_delivery;
    const bool wanted = !retrieval->done;
    if (!wanted) { /* enough came before it */
        struct sw_wave_event event = {
            .type = SW_WAVE_SINK_FAILED, .key_index = delivery->key_index, .status = SW_CANCELLED};
        sw_retrieval_step(retrieval, &event, NULL, NULL);
    }
    pthread_mutex_unlock(&retrieval->client->lock);
    if (wanted)
        give(retrieval, delivery->key_index, delivery->value, delivery->value_bytes,
             retrieval->nodes->peers[delivery->node]->id);
    sw_delivery_free(delivery);
    pthread_mutex_lock(&retrieval->client->lock);
}

/* ---- the local store, on the caller's thread ---- */

struct local_batch {
    struct retrieval *retrieval;
    uint32_t first;
    uint32_t count;
};

static bool found_locally(size_t index, const void *value, size_t value_bytes, void *found_data)
{
    struct local_batch *batch = found_data;
    struct retrieval *retrieval = batch->retrieval;
    if (index >= batch->count || (!value && value_bytes > 0))
        return true; /* the store's mistake is no symbol */
    struct sw_wave_event event = {.type = SW_WAVE_SYMBOL,
                                  .request = SW_WAVE_LOCAL,
                                  .key_index = batch->first + (uint32_t)index,
                                  .bytes = value_bytes};
    event.key = retrieval->keys[event.key_index];
    sw_blake3(value, value_bytes, event.digest.bytes);
    uint32_t key_index = 0;
    pthread_mutex_lock(&retrieval->client->lock);
    enum verdict verdict = retrieval->done ? VERDICT_DROP : sw_retrieval_step(retrieval, &event, &key_index, NULL);
    pthread_mutex_unlock(&retrieval->client->lock);
    if (verdict == VERDICT_DELIVER)
        give(retrieval, key_index, value, value_bytes, NULL);
    pthread_mutex_lock(&retrieval->client->lock);
    bool more = !retrieval->done;
    pthread_mutex_unlock(&retrieval->client->lock);
    return more;
}

void sw_retrieval_ask_local(struct retrieval *retrieval)
{
    const struct sw_local_store *local = retrieval->options.local;
    struct local_batch batch = {retrieval, retrieval->local_first, retrieval->local_count};
    retrieval->local_count = 0;
    pthread_mutex_unlock(&retrieval->client->lock);
    struct sw_error error = {.status = SW_OK};
    if (local->get_batch(retrieval->keys + batch.first, batch.count, found_locally, &batch, &error, local->user_data) !=
        SW_OK) {
        char text[SW_ERROR_MESSAGE_SIZE + 2];
        sw_log(&retrieval->client->logger, SW_LOG_WARN, "local store failed", "why=%s",
               sw_log_quote(error.message, text, sizeof(text)));
    }
    struct sw_wave_event event = {.type = SW_WAVE_LOCAL_DONE};
    pthread_mutex_lock(&retrieval->client->lock);
    if (!retrieval->done)
        sw_retrieval_step(retrieval, &event, NULL, NULL);
}
