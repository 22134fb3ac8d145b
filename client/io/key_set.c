/* Distinct keys: a table of indexes by a mixed prefix of the key, half full at most. */
#include "client/io/key_set.h"
#include "common/memory.h"
#include <stdbool.h>
#include <string.h>

#define EMPTY UINT32_MAX

/* Keys are hashes already, but they come from a caller's file, who might choose them: all of their bits take part. */
static uint64_t mix(const struct sw_key *key)
{
    uint64_t words[4], hash = 0x9e3779b97f4a7c15u;
    memcpy(words, key->bytes, sizeof(words));
    for (int i = 0; i < 4; i++) {
        hash = (hash ^ words[i]) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    return hash;
}

/* Whether a key is new; it is then entered. */
static bool enter(uint32_t *table, size_t mask, const struct sw_key *keys, uint32_t index)
{
    for (size_t at = mix(&keys[index]) & mask;; at = (at + 1) & mask) {
        if (table[at] == EMPTY) {
            table[at] = index;
            return true;
        }
        if (sw_key_compare(&keys[table[at]], &keys[index]) == 0)
            return false;
    }
}

static enum sw_status copy_distinct(const struct sw_key *keys, size_t key_count, const uint8_t *is_first,
                                    size_t distinct, struct sw_key **copy, uint32_t **index)
{
    *copy = sw_malloc(distinct * sizeof(**copy));
    *index = sw_malloc(distinct * sizeof(**index));
    if (!*copy || !*index) {
        sw_free(*copy);
        sw_free(*index);
        *copy = NULL;
        *index = NULL;
        return SW_NO_MEMORY;
    }
    for (size_t i = 0, to = 0; i < key_count; i++) {
        if (!is_first[i])
            continue;
        (*copy)[to] = keys[i];
        (*index)[to++] = (uint32_t)i;
    }
    return SW_OK;
}

enum sw_status sw_keys_distinct(const struct sw_key *keys, size_t key_count, struct sw_key **copy, uint32_t **index,
                                size_t *distinct, struct sw_error *error)
{
    *copy = NULL;
    *index = NULL;
    size_t slots = 16;
    while (slots < key_count * 2)
        slots *= 2;
    enum sw_status status = SW_NO_MEMORY;
    uint32_t *table = sw_malloc(slots * sizeof(*table));
    uint8_t *is_first = sw_malloc(key_count);
    if (!table || !is_first)
        goto out;
    memset(table, 0xff, slots * sizeof(*table));
    *distinct = 0;
    for (size_t i = 0; i < key_count; i++) {
        is_first[i] = enter(table, slots - 1, keys, (uint32_t)i);
        *distinct += is_first[i];
    }
    status = *distinct == key_count ? SW_OK : copy_distinct(keys, key_count, is_first, *distinct, copy, index);
out:
    sw_free(table);
    sw_free(is_first);
    if (status != SW_OK)
        return sw_error_set(error, status, "no memory for %zu keys", key_count);
    return SW_OK;
}
