/* Admin.Scrub: a scrub that someone asks for and hears of, on a thread of administration. */
#include "common/clock.h"
#include "common/cond.h"
#include "common/protobuf.h"
#include "server/scrub_schedule.h"
#include "symwave/v1/admin.pb-c.h"
#include <stdlib.h>
#include <time.h>

#define REQUEST_BYTES_MAX 64

struct scrub {
    struct sw_task task;
    struct sw_service *service;
    struct sw_rpc_server_call *call;
    struct sw_rpc_message *request;
    uint64_t rate; /* 0: the node's */
    struct sw_scrub_state state;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool sending; /* under lock */
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

static void send_progress(struct scrub *self, const struct sw_key *keys, size_t count, bool done)
{
    Symwave__V1__ScrubProgress progress = SYMWAVE__V1__SCRUB_PROGRESS__INIT;
    ProtobufCBinaryData damaged[SW_SCRUB_DAMAGED_MAX];
    struct sw_store_info info = {0};
    struct sw_error error;
    self->service->store->info(self->service->store, &info, &error);
    for (size_t i = 0; i < count; i++)
        damaged[i] = (ProtobufCBinaryData){.len = SW_KEY_BYTES, .data = (uint8_t *)keys[i].bytes};
    progress.symbols = self->state.symbols;
    progress.bytes = self->state.bytes;
    progress.symbols_total = info.symbol_count;
    progress.n_damaged = count;
    progress.damaged = damaged;
    progress.damaged_total = self->state.damaged;
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
    } else {
        sw_rpc_message_free(message);
    }
    free(packed);
}

static uint64_t rate(void *user_data)
{
    const struct scrub *self = user_data;
    return self->rate ? self->rate : sw_scrub_schedule_rate(self->service->scrub_schedule);
}

static bool is_over(void *user_data)
{
    return sw_rpc_server_is_cancelled(((struct scrub *)user_data)->call);
}

static void tell(void *user_data, const struct sw_key *keys, size_t count)
{
    send_progress(user_data, keys, count, false);
}

static enum sw_status read_request(struct scrub *self, struct sw_error *error)
{
    Symwave__V1__ScrubRequest *request =
        sw_protobuf_unpack(&symwave__v1__scrub_request__descriptor, self->request, REQUEST_BYTES_MAX);
    if (!request)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the request is not a ScrubRequest");
    self->rate = request->bytes_per_second;
    symwave__v1__scrub_request__free_unpacked(request, &sw_protobuf_allocator);
    return SW_OK;
}

static void run(struct sw_task *task)
{
    struct scrub *self = (struct scrub *)task;
    const struct sw_scrub_hooks hooks = {.rate = rate, .is_over = is_over, .tell = tell, .user_data = self};
    struct sw_scrub_record record = {.started_at = (int64_t)time(NULL)};
    struct sw_error error = {0};
    enum sw_status status = read_request(self, &error);
    if (status == SW_OK)
        status = sw_scrub_run(self->service, &self->state, &hooks, &error);
    if (status == SW_OK) {
        record.finished_at = (int64_t)time(NULL);
        record.state = self->state;
        sw_scrub_schedule_note(self->service->scrub_schedule, &record);
        send_progress(self, NULL, 0, true);
    }
    wait_for_sent(self);
    sw_log(self->service->logger, SW_LOG_INFO, "scrub", "symbols=%llu damaged=%llu result=%s",
           (unsigned long long)self->state.symbols, (unsigned long long)self->state.damaged, sw_status_name(status));
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
