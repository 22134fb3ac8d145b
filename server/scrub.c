#include "server/scrub.h"
#include "common/blake3.h"
#include "common/clock.h"
#include <string.h>
#include <time.h>

/* So long is one iterator of the store kept: it holds files that have been replaced. */
#define PAGE_US 1000000
/* No wait is longer, so that an end is seen soon. */
#define WAIT_US_MAX 100000

struct scrub {
    struct sw_service *service;
    struct sw_scrub_state *state;
    const struct sw_scrub_hooks *hooks;
    uint64_t page_started_us, page_bytes;
    struct sw_key damaged[SW_SCRUB_DAMAGED_MAX];
    size_t damaged_count;
};

static bool is_over(const struct scrub *self)
{
    return self->hooks->is_over && self->hooks->is_over(self->hooks->user_data);
}

/* Waits where the page has been read faster than it may. */
static void keep_to_rate(const struct scrub *self)
{
    for (;;) {
        const double rate = (double)self->hooks->rate(self->hooks->user_data);
        const double due_us = (double)self->page_bytes / rate * 1e6;
        const double wait_us = due_us - (double)(sw_clock_us() - self->page_started_us);
        if (wait_us < 1 || is_over(self))
            return;
        nanosleep(&(struct timespec){.tv_nsec = (long)(wait_us < WAIT_US_MAX ? wait_us : WAIT_US_MAX) * 1000}, NULL);
    }
}

static bool check(const struct sw_key *key, const uint8_t *value, size_t value_bytes, void *user_data)
{
    struct scrub *self = user_data;
    struct sw_scrub_state *state = self->state;
    uint8_t hash[SW_BLAKE3_BYTES];
    sw_blake3(value, value_bytes, hash);
    state->symbols++;
    state->bytes += value_bytes;
    state->last = *key;
    state->has_last = true;
    self->page_bytes += value_bytes;
    sw_metrics_add(self->service->metrics, SW_METRIC_SYMBOLS_SCRUBBED, 1);
    if (memcmp(hash, key->bytes, SW_KEY_BYTES) != 0) {
        self->damaged[self->damaged_count++] = *key;
        state->damaged++;
    }
    keep_to_rate(self);
    return !is_over(self) && self->damaged_count < SW_SCRUB_DAMAGED_MAX &&
           sw_clock_us() - self->page_started_us < PAGE_US;
}

enum sw_status sw_scrub_run(struct sw_service *service, struct sw_scrub_state *state,
                            const struct sw_scrub_hooks *hooks, struct sw_error *error)
{
    struct scrub self = {.service = service, .state = state, .hooks = hooks};
    struct sw_store *store = service->store;
    enum sw_status status = SW_OK;
    uint64_t before;
    do {
        before = state->symbols;
        self.page_started_us = sw_clock_us();
        self.page_bytes = 0;
        self.damaged_count = 0;
        const struct sw_key after = state->last;
        status = store->scan(store, state->has_last ? &after : NULL, check, &self, error);
        for (size_t i = 0; i < self.damaged_count; i++)
            sw_service_set_aside(service, &self.damaged[i]);
        if (hooks->tell)
            hooks->tell(hooks->user_data, self.damaged, self.damaged_count);
        if (is_over(&self))
            return sw_error_set(error, SW_CANCELLED, "the scrub was ended");
    } while (status == SW_OK && state->symbols > before);
    return status;
}
