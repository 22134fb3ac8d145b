/* Retrieval into memory: a map from keys to values, filled by a sink of its own. */
#include "common/memory.h"
#include "symwave/client.h"
#include <stdint.h>
#include <string.h>

struct entry {
    struct sw_key key;
    void *value; /* NULL: a free slot */
    size_t value_bytes;
};

struct sw_symbol_map {
    struct entry *entries;
    size_t mask;
    size_t count;
};

static size_t slot_of(const struct sw_symbol_map *map, const struct sw_key *key)
{
    /* Only keys that are hashes of their values get in, so any of their bits are as good as random. */
    uint64_t prefix;
    memcpy(&prefix, key->bytes, sizeof(prefix));
    size_t at = prefix & map->mask;
    while (map->entries[at].value && sw_key_compare(&map->entries[at].key, key) != 0)
        at = (at + 1) & map->mask;
    return at;
}

static struct sw_symbol_map *map_new(size_t symbols)
{
    struct sw_symbol_map *map = sw_calloc(1, sizeof(*map));
    size_t slots = 16;
    while (slots < symbols * 2)
        slots *= 2;
    if (map)
        map->entries = sw_calloc(slots, sizeof(*map->entries));
    if (!map || !map->entries) {
        sw_free(map);
        return NULL;
    }
    map->mask = slots - 1;
    return map;
}

void sw_symbol_map_free(struct sw_symbol_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i <= map->mask; i++)
        sw_free(map->entries[i].value);
    sw_free(map->entries);
    sw_free(map);
}

size_t sw_symbol_map_count(const struct sw_symbol_map *map)
{
    return map->count;
}

const void *sw_symbol_map_get(const struct sw_symbol_map *map, const struct sw_key *key, size_t *value_bytes)
{
    const struct entry *entry = &map->entries[slot_of(map, key)];
    if (entry->value && value_bytes)
        *value_bytes = entry->value_bytes;
    return entry->value;
}

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    struct sw_symbol_map *map = user_data;
    struct entry *entry = &map->entries[slot_of(map, symbol->key)];
    void *value = sw_malloc(symbol->value_bytes ? symbol->value_bytes : 1);
    if (!value)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a symbol of %zu bytes: retrieve into a sink instead",
                            symbol->value_bytes);
    if (symbol->value_bytes > 0)
        memcpy(value, symbol->value, symbol->value_bytes);
    entry->key = *symbol->key;
    entry->value = value;
    entry->value_bytes = symbol->value_bytes;
    map->count++;
    return SW_OK;
}

enum sw_status sw_batch_retrieve(struct sw_client *client, const struct sw_key *keys, size_t key_count,
                                 const struct sw_retrieve_options *options, struct sw_symbol_map **map,
                                 struct sw_report **report, struct sw_error *error)
{
    if (report)
        *report = NULL;
    if (!map)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a batch retrieval needs a place for its map");
    *map = map_new(key_count);
    if (!*map)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a map of %zu symbols", key_count);
    const struct sw_sink sink = {.take = take, .user_data = *map};
    enum sw_status status = sw_retrieve_stream(client, keys, key_count, options, &sink, report, error);
    if (status == SW_INVALID_ARGUMENT) {
        sw_symbol_map_free(*map);
        *map = NULL;
    }
    return status;
}
