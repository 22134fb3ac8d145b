/*
 * The faults: which keys they meet is decided by a hash of the key, so that asking again changes nothing. Waits end
 * early where the reader goes away or the node stops.
 */
#include "server/store_fault.h"
#include "common/clock.h"
#include "common/cond.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* How often one that waits asks whether its reader is still there. */
#define READER_CHECK_US ((uint64_t)20000)
/* An hour and a terabyte a second: beyond, microseconds would not fit. */
#define DELAY_MS_MAX   ((uint64_t)3600000)
#define RATE_BYTES_MAX ((uint64_t)1 << 40)

struct fault_store {
    struct sw_store store;
    /* constant */
    struct sw_store *under;
    struct sw_store_faults faults;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool waits_ended;
    uint64_t gets;
    uint64_t next_value_us; /* when the rate allows the next value */
};

/* ---- the text ---- */

static bool parse_number(const char *text, size_t count, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9' || *number > UINT64_MAX / 10 - 1)
            return false;
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    return count > 0;
}

enum kind {
    RATE,
    DELAY,
    CORRUPT,
    ERROR,
    STALL_AFTER,
    KINDS
};

struct given {
    bool is_given;
    uint64_t number;
};

static enum sw_status parse_fault(const char *text, size_t count, struct given given[KINDS], struct sw_error *error)
{
    static const struct {
        const char *name;
        uint64_t min, max;
    } kinds[KINDS] = {
        [RATE] = {"rate", 1, RATE_BYTES_MAX},
        [DELAY] = {"delay", 1, DELAY_MS_MAX},
        [CORRUPT] = {"corrupt", 1, 100},
        [ERROR] = {"error", 1, 100},
        [STALL_AFTER] = {"stall_after", 0, UINT32_MAX},
    };
    const char *equals = memchr(text, '=', count);
    size_t name_count = equals ? (size_t)(equals - text) : count;
    int shown = (int)(count < 80 ? count : 80);
    size_t kind = 0;
    while (kind < KINDS && (strlen(kinds[kind].name) != name_count || memcmp(kinds[kind].name, text, name_count) != 0))
        kind++;
    if (kind == KINDS)
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "\"%.*s\" is no fault; there are rate=BYTES_PER_SECOND, delay=MS, corrupt=PERCENT, "
                            "error=PERCENT and stall_after=GETS, with commas between",
                            shown, text);
    if (given[kind].is_given)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%s is given twice", kinds[kind].name);
    uint64_t number = 0;
    if (!equals || !parse_number(equals + 1, count - name_count - 1, &number) || number < kinds[kind].min ||
        number > kinds[kind].max)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "\"%.*s\": %s takes a number from %llu to %llu", shown, text,
                            kinds[kind].name, (unsigned long long)kinds[kind].min, (unsigned long long)kinds[kind].max);
    given[kind] = (struct given){.is_given = true, .number = number};
    return SW_OK;
}

enum sw_status sw_store_faults_parse(const char *text, struct sw_store_faults *faults, struct sw_error *error)
{
    struct given given[KINDS] = {{.is_given = false}};
    for (;;) {
        size_t count = strcspn(text, ",");
        enum sw_status status = parse_fault(text, count, given, error);
        if (status != SW_OK)
            return status;
        if (!text[count])
            break;
        text += count + 1;
    }
    *faults = (struct sw_store_faults){
        .rate_bytes = given[RATE].number,
        .delay_ms = (uint32_t)given[DELAY].number,
        .corrupt_percent = (uint32_t)given[CORRUPT].number,
        .error_percent = (uint32_t)given[ERROR].number,
        .stalls = given[STALL_AFTER].is_given,
        .stall_after = given[STALL_AFTER].number,
    };
    return SW_OK;
}

/* ---- waiting ---- */

/*
 * Waits until a time, under lock. SW_CANCELLED where the reader is gone; SW_OK else, also where waits have been ended.
 */
static enum sw_status wait_until(struct fault_store *self, uint64_t until_us, const struct sw_store_reader *reader,
                                 struct sw_error *error)
{
    while (!self->waits_ended) {
        if (reader && reader->is_gone(reader->user_data))
            return sw_error_set(error, SW_CANCELLED, "the reader has gone");
        uint64_t now_us = sw_clock_us();
        if (now_us >= until_us)
            break;
        uint64_t wake_us = reader && until_us - now_us > READER_CHECK_US ? now_us + READER_CHECK_US : until_us;
        sw_cond_wait_until(&self->changed, &self->lock, wake_us);
    }
    return SW_OK;
}

/* What comes before a get: the delay, or the end of all gets. */
static enum sw_status begin_get(struct fault_store *self, const struct sw_store_reader *reader, struct sw_error *error)
{
    const struct sw_store_faults *faults = &self->faults;
    pthread_mutex_lock(&self->lock);
    uint64_t until_us = sw_clock_us() + (uint64_t)faults->delay_ms * 1000;
    if (faults->stalls && self->gets >= faults->stall_after)
        until_us = SW_CLOCK_NEVER;
    self->gets++;
    enum sw_status status = wait_until(self, until_us, reader, error);
    pthread_mutex_unlock(&self->lock);
    return status;
}

/* Waits until the rate allows another value, and takes this one's time. Nothing is saved up while nobody reads. */
static enum sw_status wait_for_rate(struct fault_store *self, size_t bytes, const struct sw_store_reader *reader,
                                    struct sw_error *error)
{
    enum sw_status status = SW_OK;
    pthread_mutex_lock(&self->lock);
    /* Who waited with others for the same time may find that another one has taken it. */
    while (status == SW_OK && !self->waits_ended && sw_clock_us() < self->next_value_us)
        status = wait_until(self, self->next_value_us, reader, error);
    if (status == SW_OK)
        self->next_value_us = sw_clock_us() + (uint64_t)((double)bytes * 1e6 / (double)self->faults.rate_bytes);
    pthread_mutex_unlock(&self->lock);
    return status;
}

/* ---- which keys, and what becomes of them ---- */

/* A number that a key always has; each purpose draws its own. */
static uint64_t draw(const struct sw_key *key, uint64_t purpose)
{
    uint64_t x = purpose;
    for (size_t i = 0; i < SW_KEY_BYTES; i++)
        x = (x ^ key->bytes[i]) * 0x100000001b3u;
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
    return x ^ x >> 29;
}

static bool meets(const struct sw_key *key, uint32_t percent, uint64_t purpose)
{
    return draw(key, purpose) % 100 < percent;
}

#define PURPOSE_ERROR   1
#define PURPOSE_CORRUPT 2
#define PURPOSE_BIT     3

static enum sw_status fail_on_purpose(struct sw_error *error)
{
    return sw_error_set(error, SW_IO_ERROR, "a fault on purpose: the read of this key fails");
}

/* Replaces a value by a copy with one bit flipped. */
static enum sw_status corrupt(const struct sw_key *key, struct sw_store_value *value, struct sw_error *error)
{
    uint8_t *copy = malloc(value->bytes_count);
    if (copy) {
        uint64_t bit = draw(key, PURPOSE_BIT) % (value->bytes_count * 8);
        memcpy(copy, value->bytes, value->bytes_count);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    size_t bytes_count = value->bytes_count;
    value->release(value->release_data);
    memset(value, 0, sizeof(*value));
    if (!copy)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to corrupt a value");
    *value = (struct sw_store_value){.bytes = copy, .bytes_count = bytes_count, .release = free, .release_data = copy};
    return SW_OK;
}

/* ---- the vtable ---- */

static enum sw_status fault_get(struct sw_store *store, const struct sw_key *key, const struct sw_store_reader *reader,
                                struct sw_store_value *value, struct sw_error *error)
{
    struct fault_store *self = (struct fault_store *)store;
    const struct sw_store_faults *faults = &self->faults;
    memset(value, 0, sizeof(*value));
    enum sw_status status = begin_get(self, reader, error);
    if (status == SW_OK && meets(key, faults->error_percent, PURPOSE_ERROR))
        status = fail_on_purpose(error);
    if (status == SW_OK)
        status = self->under->get(self->under, key, reader, value, error);
    if (status != SW_OK || !value->bytes)
        return status;
    if (faults->rate_bytes > 0)
        status = wait_for_rate(self, value->bytes_count, reader, error);
    if (status != SW_OK) {
        value->release(value->release_data);
        memset(value, 0, sizeof(*value));
    } else if (value->bytes_count > 0 && meets(key, faults->corrupt_percent, PURPOSE_CORRUPT)) {
        status = corrupt(key, value, error);
    }
    return status;
}

static enum sw_status fault_contains(struct sw_store *store, const struct sw_key *key, bool *held,
                                     struct sw_error *error)
{
    struct fault_store *self = (struct fault_store *)store;
    pthread_mutex_lock(&self->lock);
    wait_until(self, sw_clock_us() + (uint64_t)self->faults.delay_ms * 1000, NULL, NULL);
    pthread_mutex_unlock(&self->lock);
    if (meets(key, self->faults.error_percent, PURPOSE_ERROR))
        return fail_on_purpose(error);
    return self->under->contains(self->under, key, held, error);
}

static enum sw_status fault_put_batch(struct sw_store *store, const struct sw_key *keys, const uint8_t *const *values,
                                      const size_t *values_bytes, size_t count, struct sw_error *error)
{
    struct sw_store *under = ((struct fault_store *)store)->under;
    return under->put_batch(under, keys, values, values_bytes, count, error);
}

static enum sw_status fault_sync(struct sw_store *store, struct sw_error *error)
{
    struct sw_store *under = ((struct fault_store *)store)->under;
    return under->sync(under, error);
}

static enum sw_status fault_info(struct sw_store *store, struct sw_store_info *info, struct sw_error *error)
{
    struct sw_store *under = ((struct fault_store *)store)->under;
    return under->info(under, info, error);
}

/* What is damaged on purpose, and set aside for it, is whole underneath. */
static enum sw_status fault_delete_batch(struct sw_store *store, const struct sw_key *keys, size_t count,
                                         struct sw_error *error)
{
    (void)store;
    (void)keys;
    (void)count;
    return sw_error_set(error, SW_INTERNAL, "a store with faults deletes nothing");
}

static enum sw_status fault_backup(struct sw_store *store, const char *path, struct sw_error *error)
{
    struct sw_store *under = ((struct fault_store *)store)->under;
    return under->backup(under, path, error);
}

static enum sw_status fault_scan(struct sw_store *store, const struct sw_key *after,
                                 bool (*visit)(const struct sw_key *key, const uint8_t *value, size_t value_bytes,
                                               void *visit_data),
                                 void *visit_data, struct sw_error *error)
{
    struct sw_store *under = ((struct fault_store *)store)->under;
    return under->scan(under, after, visit, visit_data, error);
}

static enum sw_status fault_compact(struct sw_store *store, struct sw_error *error)
{
    struct sw_store *under = ((struct fault_store *)store)->under;
    return under->compact(under, error);
}

static void fault_set_floor(struct sw_store *store, uint64_t free_bytes_min, uint32_t free_percent_min)
{
    struct sw_store *under = ((struct fault_store *)store)->under;
    if (under->set_floor)
        under->set_floor(under, free_bytes_min, free_percent_min);
}

static void fault_statistics(struct sw_store *store,
                             void (*visit)(const char *name, const char *type, const char *help, double value,
                                           void *visit_data),
                             void *visit_data)
{
    struct sw_store *under = ((struct fault_store *)store)->under;
    if (under->statistics)
        under->statistics(under, visit, visit_data);
}

static void fault_close(struct sw_store *store)
{
    struct fault_store *self = (struct fault_store *)store;
    self->under->close(self->under);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

enum sw_status sw_store_fault_open(struct sw_store *under, const struct sw_store_faults *faults,
                                   struct sw_store **store, struct sw_error *error)
{
    *store = NULL;
    assert(under->size == sizeof(struct sw_store));
    struct fault_store *self = calloc(1, sizeof(*self));
    if (!self)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for the faults of a store");
    self->store = (struct sw_store){
        .size = sizeof(struct sw_store),
        .get = fault_get,
        .contains = fault_contains,
        .put_batch = fault_put_batch,
        .sync = fault_sync,
        .info = fault_info,
        .set_floor = fault_set_floor,
        .delete_batch = fault_delete_batch,
        .backup = fault_backup,
        .scan = fault_scan,
        .compact = fault_compact,
        .statistics = fault_statistics,
        .close = fault_close,
    };
    self->under = under;
    self->faults = *faults;
    pthread_mutex_init(&self->lock, NULL);
    sw_cond_init(&self->changed);
    *store = &self->store;
    return SW_OK;
}

void sw_store_fault_end_waits(struct sw_store *store)
{
    struct fault_store *self = (struct fault_store *)store;
    pthread_mutex_lock(&self->lock);
    self->waits_ended = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}
