/* Health: one status, and a list of the calls that watch it. All of it runs on the loop thread or under one lock. */
#include "server/health.h"
#include "common/protobuf.h"
#include "grpc/health/v1/health.pb-c.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;
#define SERVING         GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

/* A request is the name of a service; protobuf-c may need many times a message's size, so a long one is not looked at.
 */
#define REQUEST_BYTES_MAX 1024
/* What a Watch costs, about. */
#define CALL_BYTES 16384

/* Whose status is asked for. */
enum subject {
    SUBJECT_UNKNOWN,
    SUBJECT_NODE, /* or any of its services */
    SUBJECT_WRITE,
};

static const char write_name[] = "symwave.v1.SymbolStore/write";
static const char *const service_names[] = {"",
                                            "symwave.v1.SymbolStore",
                                            "symwave.v1.Admin",
                                            "grpc.health.v1.Health",
                                            "grpc.reflection.v1.ServerReflection",
                                            "grpc.reflection.v1alpha.ServerReflection"};

struct sw_health {
    struct sw_service *service;
    pthread_mutex_t lock;
    /* under lock */
    serving_status status;
    bool writable;
    bool stopping;
    struct watch *watches;
};

/* A call of either method. */
struct watch {
    struct sw_health *health;
    struct sw_rpc_server_call *call;
    /* under health->lock; Watch only */
    struct watch *next, *previous;
    bool listed;
    enum subject subject;
    bool told;
    serving_status last; /* what was told */
    bool sending;
    bool finished;
};

struct sw_health *sw_health_new(struct sw_service *service)
{
    struct sw_health *health = calloc(1, sizeof(*health));
    if (!health)
        return NULL;
    health->service = service;
    health->status = SERVING;
    health->writable = true;
    pthread_mutex_init(&health->lock, NULL);
    return health;
}

void sw_health_free(struct sw_health *health)
{
    if (!health)
        return;
    pthread_mutex_destroy(&health->lock);
    free(health);
}

/* Check takes no part in the memory of all calls: it is over at once, and a node that is busy is not one that is ill.
 */
static void *check_start(struct sw_rpc_server_call *call, void *user)
{
    struct watch *self = calloc(1, sizeof(*self));
    if (!self) {
        sw_service_no_room(call, "no memory for the call");
        return NULL;
    }
    self->health = user;
    self->call = call;
    return self;
}

/* Reads a request; false where it is none. */
static bool read_request(struct sw_rpc_message *message, enum subject *subject)
{
    Grpc__Health__V1__HealthCheckRequest *request =
        sw_protobuf_unpack(&grpc__health__v1__health_check_request__descriptor, message, REQUEST_BYTES_MAX);
    sw_rpc_message_free(message);
    if (!request)
        return false;
    *subject = strcmp(request->service, write_name) == 0 ? SUBJECT_WRITE : SUBJECT_UNKNOWN;
    for (size_t i = 0; i < sizeof(service_names) / sizeof(service_names[0]); i++)
        if (strcmp(request->service, service_names[i]) == 0)
            *subject = SUBJECT_NODE;
    grpc__health__v1__health_check_request__free_unpacked(request, &sw_protobuf_allocator);
    return true;
}

/* Under lock. */
static serving_status status_of(const struct sw_health *health, enum subject subject)
{
    if (subject == SUBJECT_UNKNOWN)
        return SERVICE_UNKNOWN;
    return subject == SUBJECT_WRITE && !health->writable ? NOT_SERVING : health->status;
}

static struct sw_rpc_message *response_of(serving_status status)
{
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    uint8_t packed[16];
    response.status = status;
    size_t bytes = grpc__health__v1__health_check_response__pack(&response, packed);
    struct sw_rpc_message *message = sw_rpc_message_new();
    if (message)
        sw_rpc_message_add_copy(message, packed, bytes);
    return message;
}

/* ---- Check ---- */

static void check_message(void *state, struct sw_rpc_message *message)
{
    struct watch *self = state;
    enum subject subject;
    if (!read_request(message, &subject)) {
        sw_rpc_server_finish(self->call, NULL, SW_RPC_INVALID_ARGUMENT, "the request is not a HealthCheckRequest");
        return;
    }
    if (subject == SUBJECT_UNKNOWN) {
        sw_rpc_server_finish(self->call, NULL, SW_RPC_NOT_FOUND,
                             "service: the node has none of this name; leave it empty to ask for the node itself");
        return;
    }
    pthread_mutex_lock(&self->health->lock);
    serving_status status = status_of(self->health, subject);
    pthread_mutex_unlock(&self->health->lock);
    struct sw_rpc_message *answer = response_of(status);
    if (answer)
        sw_rpc_server_finish(self->call, answer, SW_RPC_OK, NULL);
    else
        sw_service_no_room(self->call, "no memory for the answer");
}

/* ---- Watch ---- */

static void *watch_start(struct sw_rpc_server_call *call, void *user)
{
    struct sw_health *health = user;
    if (!sw_service_enter(health->service, call, CALL_BYTES))
        return NULL;
    struct watch *self = check_start(call, health);
    if (!self)
        sw_service_leave(health->service, call, CALL_BYTES);
    return self;
}

static void finish(struct watch *self, enum sw_rpc_code code, const char *details)
{
    self->finished = true;
    sw_rpc_server_finish(self->call, NULL, code, details);
}

/* Does what can be done for one watch now. Under lock; its end, which takes the lock, cannot come before that is free.
 */
static void go_on(struct watch *self)
{
    struct sw_health *health = self->health;
    if (self->sending || self->finished)
        return;
    if (sw_rpc_server_is_cancelled(self->call)) {
        finish(self, SW_RPC_CANCELLED, "the caller is gone");
        return;
    }
    serving_status status = status_of(health, self->subject);
    if (!self->told || status != self->last) {
        struct sw_rpc_message *message = response_of(status);
        if (!message) {
            self->finished = true;
            sw_service_no_room(self->call, "no memory for the answer");
            return;
        }
        self->told = true;
        self->last = status;
        self->sending = true;
        sw_rpc_server_send(self->call, message);
    } else if (health->stopping) {
        self->finished = true;
        sw_service_stopping(self->call);
    }
}

static void watch_message(void *state, struct sw_rpc_message *message)
{
    struct watch *self = state;
    struct sw_health *health = self->health;
    enum subject subject;
    bool valid = read_request(message, &subject);
    pthread_mutex_lock(&health->lock);
    if (valid) {
        self->subject = subject;
        self->listed = true;
        self->next = health->watches;
        if (self->next)
            self->next->previous = self;
        health->watches = self;
        go_on(self);
    } else {
        finish(self, SW_RPC_INVALID_ARGUMENT, "the request is not a HealthCheckRequest");
    }
    pthread_mutex_unlock(&health->lock);
}

static void watch_sent(void *state)
{
    struct watch *self = state;
    pthread_mutex_lock(&self->health->lock);
    self->sending = false;
    go_on(self);
    pthread_mutex_unlock(&self->health->lock);
}

static void watch_cancelled(void *state)
{
    struct watch *self = state;
    pthread_mutex_lock(&self->health->lock);
    go_on(self);
    pthread_mutex_unlock(&self->health->lock);
}

static void watch_end(void *state)
{
    struct watch *self = state;
    struct sw_health *health = self->health;
    pthread_mutex_lock(&health->lock);
    if (self->listed) {
        if (self->previous)
            self->previous->next = self->next;
        else
            health->watches = self->next;
        if (self->next)
            self->next->previous = self->previous;
    }
    pthread_mutex_unlock(&health->lock);
    sw_service_leave(health->service, self->call, CALL_BYTES);
    free(self);
}

static void change(struct sw_health *health, serving_status status, bool stopping)
{
    pthread_mutex_lock(&health->lock);
    if (!health->stopping) {
        health->status = status;
        health->stopping = stopping;
    }
    for (struct watch *watch = health->watches; watch; watch = watch->next)
        go_on(watch);
    pthread_mutex_unlock(&health->lock);
}

void sw_health_set(struct sw_health *health, bool serving)
{
    change(health, serving ? SERVING : NOT_SERVING, false);
}

void sw_health_set_writable(struct sw_health *health, bool writable)
{
    pthread_mutex_lock(&health->lock);
    health->writable = writable;
    for (struct watch *watch = health->watches; watch; watch = watch->next)
        go_on(watch);
    pthread_mutex_unlock(&health->lock);
}

void sw_health_stop(struct sw_health *health)
{
    change(health, NOT_SERVING, true);
}

const struct sw_rpc_server_handler sw_health_check_handler = {
    .start = check_start, .message = check_message, .end = free};
const struct sw_rpc_server_handler sw_health_watch_handler = {
    .start = watch_start, .message = watch_message, .sent = watch_sent, .cancelled = watch_cancelled, .end = watch_end};
