/*
 * own_cache NODES KEY...: retrieves symbols twice with a cache of the program's own, which is a sink and a local store
 * at once: the first time from nodes, the second time from the cache.
 */
#include "symwave/symwave.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct sw_key key;
    void *value;
    size_t value_bytes;
};

struct cache {
    struct entry *entries;
    size_t count;
};

static const struct entry *cache_find(const struct cache *cache, const struct sw_key *key)
{
    for (size_t i = 0; i < cache->count; i++)
        if (memcmp(&cache->entries[i].key, key, sizeof(*key)) == 0)
            return &cache->entries[i];
    return NULL;
}

/* The sink: takes each symbol that the cache does not have yet. What symbol points to is valid during this call only.
 */
static enum sw_status cache_take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    struct cache *cache = user_data;
    struct entry *entry = &cache->entries[cache->count];

    if (cache_find(cache, symbol->key))
        return SW_OK;
    entry->key = *symbol->key;
    entry->value_bytes = symbol->value_bytes;
    entry->value = malloc(symbol->value_bytes);
    if (!entry->value)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a symbol of %zu bytes", symbol->value_bytes);
    memcpy(entry->value, symbol->value, symbol->value_bytes);
    cache->count++;
    return SW_OK;
}

/* The local store: tells which of the keys the cache has. The SDK hashes what it is given, so a bad cache does no harm.
 */
static enum sw_status cache_get(const struct sw_key *keys, size_t key_count,
                                bool (*found)(size_t index, const void *value, size_t value_bytes, void *found_data),
                                void *found_data, struct sw_error *error, void *user_data)
{
    (void)error;
    for (size_t i = 0; i < key_count; i++) {
        const struct entry *entry = cache_find(user_data, &keys[i]);
        if (entry && !found(i, entry->value, entry->value_bytes, found_data))
            break;
    }
    return SW_OK;
}

static void say(enum sw_log_level level, const char *message, const char *fields, void *user_data)
{
    (void)level;
    (void)user_data;
    fprintf(stderr, "own_cache: %s %s\n", message, fields);
}

static enum sw_status retrieve(struct sw_client *client, const struct sw_key *keys, size_t count, struct cache *cache,
                               struct sw_error *error)
{
    const struct sw_local_store local = {.get_batch = cache_get, .user_data = cache};
    const struct sw_sink sink = {.take = cache_take, .user_data = cache};
    struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
    struct sw_report *report = NULL;

    options.local = &local;
    enum sw_status status = sw_retrieve_stream(client, keys, count, &options, &sink, &report, error);
    if (report)
        printf("%llu from nodes, %llu from the cache\n", (unsigned long long)report->found_network,
               (unsigned long long)report->found_local);
    sw_report_free(report);
    return status;
}

int main(int argc, char **argv)
{
    struct sw_node_list *nodes = NULL;
    struct sw_client *client = NULL;
    struct sw_error error = {.message = "usage: own_cache NODES KEY..."};
    size_t count = argc > 2 ? (size_t)argc - 2 : 0;
    struct sw_key *keys = calloc(count + 1, sizeof(*keys));
    struct cache cache = {.entries = calloc(count + 1, sizeof(struct entry))};
    struct sw_client_options options = SW_CLIENT_OPTIONS_INIT;
    enum sw_status status = keys && cache.entries && count > 0 ? SW_OK : SW_INVALID_ARGUMENT;

    options.log = say;
    options.log_level = SW_LOG_WARN;
    for (size_t i = 0; status == SW_OK && i < count; i++)
        status = sw_key_parse(argv[i + 2], strlen(argv[i + 2]), &keys[i], &error);
    if (status == SW_OK)
        status = sw_node_list_load(argv[1], &nodes, &error);
    if (status == SW_OK)
        status = sw_client_open(&options, nodes, &client, &error);
    if (status == SW_OK)
        status = retrieve(client, keys, count, &cache, &error);
    if (status == SW_OK)
        status = retrieve(client, keys, count, &cache, &error);
    if (status != SW_OK)
        fprintf(stderr, "own_cache: %s\n", error.message);
    sw_client_close(client);
    sw_node_list_free(nodes);
    for (size_t i = 0; i < cache.count; i++)
        free(cache.entries[i].value);
    free(cache.entries);
    free(keys);
    return status == SW_OK ? 0 : 1;
}
