/*
 * The route table: places in sorted order, which is a binary trie laid flat. A subtree is a range of the array, so the
 * nearest places to a key are found by walking down on the key's side first and taking the sibling only for what is
 * still wanted. The first 64 bits of the places lie packed beside them, and a table of the first few bits jumps to
 * where the walk begins, so a lookup touches a handful of cache lines however many nodes there are.
 */
#include "client/core/route.h"
#include "common/memory.h"
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BITS    (SW_KEY_BYTES * 8)
#define PREFIX_BITS 64
/* A range this small is sorted by distance as it is, which is cheaper than splitting it further. */
#define LEAF_PLACES 12

struct sw_route_table {
    uint32_t count;
    uint32_t jump_bits;
    uint32_t *jump; /* for each value of the first jump_bits bits, where its range begins; one more at the end */
    uint64_t *prefixes;
    struct sw_key *places;
    uint32_t *nodes; /* the index that a sorted place had in the caller's array */
};

struct entry {
    struct sw_key place;
    uint32_t node;
};

static uint64_t prefix_of(const struct sw_key *key)
{
    uint64_t prefix = 0;
    for (int i = 0; i < 8; i++)
        prefix = prefix << 8 | key->bytes[i];
    return prefix;
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    int order = memcmp(a->place.bytes, b->place.bytes, SW_KEY_BYTES);
    return order ? order : a->node < b->node ? -1 : a->node > b->node;
}

static uint32_t jump_of(const struct sw_route_table *table, uint64_t prefix)
{
    return table->jump_bits ? (uint32_t)(prefix >> (PREFIX_BITS - table->jump_bits)) : 0;
}

/* About four places a range: few enough to compare, many enough that the table stays small beside the places. */
static uint32_t jump_bits_for(uint32_t count)
{
    uint32_t bits = 0;
    while (bits < 24 && (count >> (bits + 3)) > 0)
        bits++;
    return bits;
}

static void fill(struct sw_route_table *table, const struct entry *entries)
{
    uint32_t jumps = UINT32_C(1) << table->jump_bits, next = 0;

    for (uint32_t i = 0; i < table->count; i++) {
        table->places[i] = entries[i].place;
        table->nodes[i] = entries[i].node;
        table->prefixes[i] = prefix_of(&entries[i].place);
        while (next <= jump_of(table, table->prefixes[i]))
            table->jump[next++] = i;
    }
    while (next <= jumps)
        table->jump[next++] = table->count;
}

struct sw_route_table *sw_route_table_new(const struct sw_key *places, uint32_t node_count)
{
    /* One more of each, so that no size is zero. */
    size_t slots = (size_t)node_count + 1;
    struct entry *entries = sw_malloc(slots * sizeof(*entries));
    struct sw_route_table *table = sw_calloc(1, sizeof(*table));

    if (!entries || !table)
        goto fail;
    table->count = node_count;
    table->jump_bits = jump_bits_for(node_count);
    table->jump = sw_malloc((((size_t)1 << table->jump_bits) + 1) * sizeof(*table->jump));
    table->prefixes = sw_malloc(slots * sizeof(*table->prefixes));
    table->places = sw_malloc(slots * sizeof(*table->places));
    table->nodes = sw_malloc(slots * sizeof(*table->nodes));
    if (!table->jump || !table->prefixes || !table->places || !table->nodes)
        goto fail;
    for (uint32_t i = 0; i < node_count; i++)
        entries[i] = (struct entry){places[i], i};
    qsort(entries, node_count, sizeof(*entries), compare_entries);
    fill(table, entries);
    sw_free(entries);
    return table;
fail:
    sw_free(entries);
    sw_route_table_free(table);
    return NULL;
}

void sw_route_table_free(struct sw_route_table *table)
{
    if (!table)
        return;
    sw_free(table->jump);
    sw_free(table->prefixes);
    sw_free(table->places);
    sw_free(table->nodes);
    sw_free(table);
}

uint32_t sw_route_table_count(const struct sw_route_table *table)
{
    return table->count;
}

/* One lookup: the places found so far, nearest first, written as nodes. */
struct search {
    const struct sw_route_table *table;
    const struct sw_key *key;
    uint64_t key_prefix;
    uint32_t want, found;
    uint32_t *nodes;
};

static bool bit_is_set(const struct sw_key *key, uint32_t bit)
{
    return key->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

/* The first bit in which two sorted places differ, KEY_BITS where they are equal. */
static uint32_t first_difference(const struct sw_route_table *table, uint32_t a, uint32_t b)
{
    uint64_t difference = table->prefixes[a] ^ table->prefixes[b];
    if (difference)
        return (uint32_t)__builtin_clzll(difference);
    for (uint32_t i = PREFIX_BITS / 8; i < SW_KEY_BYTES; i++) {
        uint32_t byte = table->places[a].bytes[i] ^ table->places[b].bytes[i];
        if (byte)
            return i * 8 + (uint32_t)__builtin_clz(byte) - 24;
    }
    return KEY_BITS;
}

/* The first place of low..high that has the bit set; all of them agree in the bits before it. */
static uint32_t split(const struct sw_route_table *table, uint32_t low, uint32_t high, uint32_t bit)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        bool set = bit < PREFIX_BITS ? table->prefixes[middle] >> (PREFIX_BITS - 1 - bit) & 1
                                     : bit_is_set(&table->places[middle], bit);
        if (set)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void take_leaf(struct search *search, uint32_t low, uint32_t high)
{
    const struct sw_route_table *table = search->table;
    uint64_t distances[LEAF_PLACES];
    uint32_t order[LEAF_PLACES], count = 0;

    for (uint32_t place = low; place < high; place++) {
        uint64_t distance = table->prefixes[place] ^ search->key_prefix;
        uint32_t i = count++;
        for (; i > 0 && distance <= distances[i - 1]; i--) {
            if (distance == distances[i - 1] &&
                sw_key_compare_distance(search->key, &table->places[place], &table->places[order[i - 1]]) >= 0)
                break;
            distances[i] = distances[i - 1];
            order[i] = order[i - 1];
        }
        distances[i] = distance;
        order[i] = place;
    }
    for (uint32_t i = 0; i < count && search->found < search->want; i++)
        search->nodes[search->found++] = table->nodes[order[i]];
}

static void take_nearest(struct search *search, uint32_t low, uint32_t high)
{
    while (search->found < search->want && low < high) {
        if (high - low <= LEAF_PLACES) {
            take_leaf(search, low, high);
            return;
        }
        uint32_t bit = first_difference(search->table, low, high - 1);
        if (bit == KEY_BITS) { /* one place many times: all are equally near */
            while (low < high && search->found < search->want)
                search->nodes[search->found++] = search->table->nodes[low++];
            return;
        }
        uint32_t middle = split(search->table, low, high, bit);
        if (bit_is_set(search->key, bit)) {
            take_nearest(search, middle, high);
            high = middle;
        } else {
            take_nearest(search, low, middle);
            low = middle;
        }
    }
}

uint32_t sw_route_nearest(const struct sw_route_table *table, const struct sw_key *key, uint32_t k, uint32_t *nodes)
{
    struct search search = {.table = table,
                            .key = key,
                            .key_prefix = prefix_of(key),
                            .want = k < table->count ? k : table->count,
                            .nodes = nodes};
    uint32_t jump = jump_of(table, search.key_prefix), first = jump, width = 1;

    /* The smallest subtree around the key that holds enough places: none outside it can be nearer. */
    while (table->jump[first + width] - table->jump[first] < search.want) {
        width *= 2;
        first = jump & ~(width - 1);
    }
    take_nearest(&search, table->jump[first], table->jump[first + width]);
    assert(search.found == search.want);
    return search.found;
}

#define HASH_START UINT64_C(1469598103934665603)

static uint64_t hash_byte(uint64_t hash, char byte)
{
    return (hash ^ (uint8_t)byte) * UINT64_C(1099511628211);
}

static uint64_t hash_bytes(uint64_t hash, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hash = hash_byte(hash, bytes[i]);
    return hash;
}

uint32_t sw_route_base(const struct sw_key *key, const char *task, uint32_t k)
{
    char text[SW_KEY_BASE58_SIZE];
    size_t length = sw_key_to_base58(key, text);
    uint64_t hash = hash_bytes(HASH_START, text, length);
    return (uint32_t)(hash_bytes(hash, task, strlen(task)) % k);
}

/* Each byte's product waits for the one before it: the processor has time for those of other keys meanwhile. */
static void hash_together(uint64_t hashes[SW_ROUTE_BASES], const char *const bytes[SW_ROUTE_BASES], size_t count)
{
    uint64_t a = hashes[0], b = hashes[1], c = hashes[2], d = hashes[3];

    for (size_t i = 0; i < count; i++) {
        a = hash_byte(a, bytes[0][i]);
        b = hash_byte(b, bytes[1][i]);
        c = hash_byte(c, bytes[2][i]);
        d = hash_byte(d, bytes[3][i]);
    }
    hashes[0] = a;
    hashes[1] = b;
    hashes[2] = c;
    hashes[3] = d;
}

void sw_route_bases(const struct sw_key *keys, const char *task, uint32_t k, uint32_t bases[SW_ROUTE_BASES])
{
    char texts[SW_ROUTE_BASES][SW_KEY_BASE58_SIZE];
    size_t lengths[SW_ROUTE_BASES], shortest = SW_KEY_BASE58_SIZE;
    uint64_t hashes[SW_ROUTE_BASES] = {HASH_START, HASH_START, HASH_START, HASH_START};

    for (size_t i = 0; i < SW_ROUTE_BASES; i++) {
        lengths[i] = sw_key_to_base58(&keys[i], texts[i]);
        shortest = lengths[i] < shortest ? lengths[i] : shortest;
    }
    hash_together(hashes, (const char *const[]){texts[0], texts[1], texts[2], texts[3]}, shortest);
    for (size_t i = 0; i < SW_ROUTE_BASES; i++)
        hashes[i] = hash_bytes(hashes[i], texts[i] + shortest, lengths[i] - shortest);
    hash_together(hashes, (const char *const[]){task, task, task, task}, strlen(task));
    for (size_t i = 0; i < SW_ROUTE_BASES; i++)
        bases[i] = (uint32_t)(hashes[i] % k);
}
