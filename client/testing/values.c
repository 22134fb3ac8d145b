/* What values.h promises: an array in the order of keys. */
#include "client/testing/values.h"
#include "common/memory.h"
#include <pthread.h>
#include <string.h>

struct entry {
    struct test_value *value;
    uint64_t nodes;
};

struct test_values {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t count, size;
};

void sw_test_value_unref(void *data)
{
    struct test_value *value = data;
    if (value && atomic_fetch_sub(&value->references, 1) == 1)
        sw_free(value);
}

static struct test_value *ref(struct test_value *value)
{
    atomic_fetch_add(&value->references, 1);
    return value;
}

struct test_values *sw_test_values_new(void)
{
    struct test_values *values = sw_calloc(1, sizeof(*values));
    if (values)
        pthread_mutex_init(&values->lock, NULL);
    return values;
}

void sw_test_values_free(struct test_values *values)
{
    if (!values)
        return;
    for (size_t i = 0; i < values->count; i++)
        sw_test_value_unref(values->entries[i].value);
    sw_free(values->entries);
    pthread_mutex_destroy(&values->lock);
    sw_free(values);
}

/* Where the key is, or would be. */
static size_t place_of(const struct test_values *values, const struct sw_key *key)
{
    size_t first = 0, end = values->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (sw_key_compare(&values->entries[middle].value->key, key) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

static bool is_at(const struct test_values *values, size_t at, const struct sw_key *key)
{
    return at < values->count && sw_key_compare(&values->entries[at].value->key, key) == 0;
}

static bool insert(struct test_values *values, size_t at, struct test_value *value)
{
    if (values->count == values->size) {
        size_t size = values->size ? values->size * 2 : 64;
        struct entry *entries = sw_realloc(values->entries, size * sizeof(*entries));
        if (!entries)
            return false;
        values->entries = entries;
        values->size = size;
    }
    memmove(&values->entries[at + 1], &values->entries[at], (values->count - at) * sizeof(*values->entries));
    values->entries[at] = (struct entry){.value = value};
    values->count++;
    return true;
}

bool sw_test_values_add(struct test_values *values, uint64_t nodes, const void *bytes, size_t count, struct sw_key *key)
{
    struct test_value *value = sw_malloc(sizeof(*value) + count);
    if (!value)
        return false;
    atomic_init(&value->references, 1);
    memcpy(value->bytes, bytes, count);
    value->count = count;
    value->key = sw_key_of_value(value->bytes, count);
    *key = value->key;
    pthread_mutex_lock(&values->lock);
    size_t at = place_of(values, key);
    bool there = is_at(values, at, key), done = there || insert(values, at, value);
    if (done)
        values->entries[at].nodes |= nodes;
    pthread_mutex_unlock(&values->lock);
    if (there || !done)
        sw_test_value_unref(value);
    return done;
}

void sw_test_values_remove(struct test_values *values, uint64_t nodes, const struct sw_key *key)
{
    pthread_mutex_lock(&values->lock);
    size_t at = place_of(values, key);
    if (is_at(values, at, key))
        values->entries[at].nodes &= ~nodes;
    pthread_mutex_unlock(&values->lock);
}

struct test_value *sw_test_values_find(struct test_values *values, uint32_t node, const struct sw_key *key)
{
    struct test_value *value = NULL;
    pthread_mutex_lock(&values->lock);
    size_t at = place_of(values, key);
    if (is_at(values, at, key) && values->entries[at].nodes >> node & 1)
        value = ref(values->entries[at].value);
    pthread_mutex_unlock(&values->lock);
    return value;
}

struct test_value *sw_test_values_other(struct test_values *values, const struct sw_key *key)
{
    struct test_value *value = NULL;
    pthread_mutex_lock(&values->lock);
    for (size_t i = 0; i < values->count && i < 2 && !value; i++)
        if (!is_at(values, i, key))
            value = ref(values->entries[i].value);
    pthread_mutex_unlock(&values->lock);
    return value;
}

void sw_test_values_count(struct test_values *values, uint32_t node, uint64_t *symbols, uint64_t *bytes)
{
    *symbols = *bytes = 0;
    pthread_mutex_lock(&values->lock);
    for (size_t i = 0; i < values->count; i++)
        if (values->entries[i].nodes >> node & 1) {
            ++*symbols;
            *bytes += values->entries[i].value->count;
        }
    pthread_mutex_unlock(&values->lock);
}
