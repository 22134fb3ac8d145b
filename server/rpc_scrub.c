/*
 * Admin.Scrub: reads every symbol and compares it with its key, on the thread of administration, no faster than it is
 * told to. Symbols that fail are set aside.
 */
#include "common/blake3.h"
#include "common/clock.h"
#include "common/cond.h"
#include "server/service.h"
#include "symwave/v1/admin.pb-c.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REQUEST_BYTES_MAX 64
#define RATE_DEFAULT      ((uint64_t)32 << 20)
#define PROGRESS_US       1000000
/* Damaged keys in one message: then it is sent. */
#define DAMAGED_MAX 256

struct scrub {
    struct sw_task task;
    struct sw_service *service;
    struct sw_rpc_server_call *call;
    struct sw_rpc_message *request;
    /* the thread of administration's */
    uint64_t rate, started_us, told_us;
    uint64_t symbols, bytes, damaged_total;
    struct sw_key damaged[DAMAGED_MAX], last;
    size_t damaged_count;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool sending;
};

static void *start(struct sw_rpc_server_call *call, void *user)
{
    struct scrub *self = calloc(1, sizeof(*self));
    if (!self) {
        sw_service_no_room(call, "no memory for the call");
        return NULL;
    }
    self->service = user;
    self->call = call;
    pthread_mutex_init(&self->lock, NULL);
    sw_cond_init(&self->changed);
    return self;
}

static void sent(void *state)
{
    struct scrub *self = state;
    pthread_mutex_lock(&self->lock);
    self->sending = false;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

/* Waits until the message before this one is out. */
static void wait_for_sent(struct scrub *self)
{
    pthread_mutex_lock(&self->lock);
    while (self->sending)
        sw_cond_wait_until(&self->changed, &self->lock, SW_CLOCK_NEVER);
    pthread_mutex_unlock(&self->lock);
}

static void tell(struct scrub *self, bool done)
{
    Symwave__V1__ScrubProgress progress = SYMWAVE__V1__SCRUB_PROGRESS__INIT;
    ProtobufCBinaryData keys[DAMAGED_MAX];
    struct sw_store_info info = {0};
    struct sw_error error;
    self->service->store->info(self->service->store, &info, &error);
    for (size_t i = 0; i < self->damaged_count; i++)
        keys[i] = (ProtobufCBinaryData){.len = SW_KEY_BYTES, .data = self->damaged[i].bytes};
    progress.symbols = self->symbols;
    progress.bytes = self->bytes;
    progress.symbols_total = info.symbol_count;
    progress.n_damaged = self->damaged_count;
    progress.damaged = keys;
    progress.damaged_total = self->damaged_total;
    progress.done = done;
    uint8_t *packed = malloc(symwave__v1__scrub_progress__get_packed_size(&progress) + 1);
    struct sw_rpc_message *message = packed ? sw_rpc_message_new() : NULL;
    wait_for_sent(self);
    if (message && !sw_rpc_server_is_cancelled(self->call)) {
        sw_rpc_message_add_copy(message, packed, symwave__v1__scrub_progress__pack(&progress, packed));
        pthread_mutex_lock(&self->lock);
        self->sending = true;
        pthread_mutex_unlock(&self->lock);
        sw_rpc_server_send(self->call, message);
        self->damaged_count = 0;
    } else {
        sw_rpc_message_free(message);
    }
    free(packed);
    self->told_us = sw_clock_us();
}

/* Waits where it has been faster than it may. */
static void keep_to_rate(const struct scrub *self)
{
    const uint64_t due_us = self->started_us + (uint64_t)((double)self->bytes / (double)self->rate * 1e6);
    const uint64_t now_us = sw_clock_us();
    if (due_us <= now_us)
        return;
    const uint64_t wait_us = due_us - now_us > 200000 ? 200000 : due_us - now_us;
    nanosleep(&(struct timespec){.tv_nsec = (long)wait_us * 1000}, NULL);
}

static bool check(const struct sw_key *key, const uint8_t *value, size_t value_bytes, void *user_data)
{
    struct scrub *self = user_data;
    uint8_t hash[SW_BLAKE3_BYTES];
    sw_blake3(value, value_bytes, hash);
    self->symbols++;
    self->bytes += value_bytes;
    self->last = *key;
    sw_metrics_add(self->service->metrics, SW_METRIC_SYMBOLS_SCRUBBED, 1);
    if (memcmp(hash, key->bytes, SW_KEY_BYTES) != 0) {
        self->damaged[self->damaged_count++] = *key;
        self->damaged_total++;
    }
    while (!sw_rpc_server_is_cancelled(self->call) && self->rate > 0 &&
           (double)self->bytes / (double)self->rate * 1e6 > (double)(sw_clock_us() - self->started_us))
        keep_to_rate(self);
    return !sw_rpc_server_is_cancelled(self->call) && self->damaged_count < DAMAGED_MAX &&
           sw_clock_us() - self->told_us < PROGRESS_US;
}

static enum sw_status read_request(struct scrub *self, struct sw_error *error)
{
    const size_t bytes = sw_rpc_message_bytes(self->request);
    Symwave__V1__ScrubRequest *request = NULL;
    if (bytes <= REQUEST_BYTES_MAX)
        request = symwave__v1__scrub_request__unpack(NULL, bytes, sw_rpc_message_flatten(self->request));
    if (!request)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the request is not a ScrubRequest");
    self->rate = request->bytes_per_second ? request->bytes_per_second : RATE_DEFAULT;
    symwave__v1__scrub_request__free_unpacked(request, NULL);
    return SW_OK;
}

static void run(struct sw_task *task)
{
    struct scrub *self = (struct scrub *)task;
    struct sw_store *store = self->service->store;
    struct sw_error error = {0};
    uint64_t before = 0;
    bool is_first = true;
    enum sw_status status = read_request(self, &error);
    self->started_us = self->told_us = sw_clock_us();
    /* A second of symbols at a time, so that no iterator keeps old files for long. */
    do {
        before = self->symbols;
        if (status != SW_OK)
            break;
        status = store->scan(store, is_first ? NULL : &self->last, check, self, &error);
        is_first = self->symbols == 0;
        for (size_t i = 0; i < self->damaged_count; i++)
            sw_service_set_aside(self->service, &self->damaged[i]);
        if (status == SW_OK && self->symbols > before)
            tell(self, false);
    } while (self->symbols > before && !sw_rpc_server_is_cancelled(self->call));
    if (status == SW_OK && !sw_rpc_server_is_cancelled(self->call))
        tell(self, true);
    wait_for_sent(self);
    if (status == SW_OK && sw_rpc_server_is_cancelled(self->call))
        status = sw_error_set(&error, SW_CANCELLED, "the caller is gone");
    sw_log(self->service->logger, SW_LOG_INFO, "scrub", "symbols=%llu damaged=%llu result=%s",
           (unsigned long long)self->symbols, (unsigned long long)self->damaged_total, sw_status_name(status));
    sw_service_finish(self->call, NULL, status, &error);
}

static void message(void *state, struct sw_rpc_message *request)
{
    struct scrub *self = state;
    self->request = request;
    self->task.run = run;
    sw_pool_submit(self->service->admin_pool, &self->task);
}

static void end(void *state)
{
    struct scrub *self = state;
    sw_rpc_message_free(self->request);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

const struct sw_rpc_server_handler sw_scrub_handler = {.start = start, .message = message, .sent = sent, .end = end};
