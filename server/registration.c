#include "server/registration.h"
#include "common/clock.h"
#include "common/cond.h"
#include "common/etcd.h"
#include "common/thread.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A lease is renewed three times before it ends. */
#define RENEWALS 3
/* After a failure. */
#define RETRY_US ((uint64_t)1000000)

struct sw_registration {
    const struct sw_logger *logger;
    struct sw_etcd *etcd;
    char *node_id, *address;
    uint32_t ttl_s;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping; /* under lock */
    /* the thread's, and stop's after it */
    int64_t lease; /* 0: none */
    bool failing;  /* and the log has it */
};

/* Registers, or renews. */
static enum sw_status keep(struct sw_registration *self, struct sw_error *error)
{
    enum sw_status status = SW_NOT_FOUND;
    if (self->lease != 0)
        status = sw_etcd_keep_alive(self->etcd, self->lease, error);
    if (status != SW_NOT_FOUND)
        return status;
    self->lease = 0;
    status = sw_etcd_register(self->etcd, self->node_id, self->address, self->ttl_s, &self->lease, error);
    if (status == SW_OK)
        sw_log(self->logger, SW_LOG_INFO, "registered at etcd", "address=%s lease=%llx ttl_s=%u", self->address,
               (unsigned long long)self->lease, self->ttl_s);
    else if (status != SW_CANCELLED)
        self->lease = 0; /* what was granted ends by itself */
    return status;
}

static void *run(void *arg)
{
    struct sw_registration *self = arg;
    char quoted[SW_ERROR_MESSAGE_SIZE];
    pthread_mutex_lock(&self->lock);
    while (!self->stopping) {
        struct sw_error error = {0};
        pthread_mutex_unlock(&self->lock);
        enum sw_status status = keep(self, &error);
        if (status != SW_OK && status != SW_CANCELLED && !self->failing)
            sw_log(self->logger, SW_LOG_WARN, "cannot register at etcd, and goes on trying", "error=%s",
                   sw_log_quote(error.message, quoted, sizeof(quoted)));
        self->failing = status != SW_OK;
        uint64_t until_us = sw_clock_us() + (status == SW_OK ? (uint64_t)self->ttl_s * 1000000 / RENEWALS : RETRY_US);
        pthread_mutex_lock(&self->lock);
        while (!self->stopping && sw_clock_us() < until_us)
            sw_cond_wait_until(&self->changed, &self->lock, until_us);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

static void release(struct sw_registration *self)
{
    sw_etcd_free(self->etcd);
    pthread_mutex_destroy(&self->lock);
    pthread_cond_destroy(&self->changed);
    free(self->node_id);
    free(self->address);
    free(self);
}

enum sw_status sw_registration_start(const struct sw_config *config, const char *address,
                                     const struct sw_logger *logger, struct sw_registration **registration,
                                     struct sw_error *error)
{
    const struct sw_tls_files files = {
        .ca = config->etcd_tls_ca, .certificate = config->etcd_tls_certificate, .key = config->etcd_tls_key};
    *registration = NULL;
    if (!config->etcd_endpoints)
        return SW_OK;
    struct sw_registration *self = calloc(1, sizeof(*self));
    if (!self)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to register at etcd");
    self->logger = logger;
    self->ttl_s = (uint32_t)config->etcd_ttl_seconds;
    self->node_id = strdup(config->node_id);
    self->address = strdup(config->advertise ? config->advertise : address);
    pthread_mutex_init(&self->lock, NULL);
    sw_cond_init(&self->changed);
    enum sw_status status =
        self->node_id && self->address
            ? sw_etcd_new(config->etcd_endpoints, config->etcd_prefix, false, &files, &self->etcd, error)
            : sw_error_set(error, SW_NO_MEMORY, "no memory to register at etcd");
    int failed = status == SW_OK ? sw_thread_start(&self->thread, "registration", run, self) : 0;
    if (failed)
        status = sw_error_set(error, SW_IO_ERROR, "cannot start a thread: %s", strerror(failed));
    if (status == SW_OK)
        *registration = self;
    else
        release(self);
    return status;
}

void sw_registration_stop(struct sw_registration *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
    sw_etcd_stop(self->etcd); /* which may be one that does not answer */
    pthread_join(self->thread, NULL);
    struct sw_error error = {0};
    char quoted[SW_ERROR_MESSAGE_SIZE];
    if (self->lease != 0 && sw_etcd_revoke(self->etcd, self->lease, &error) != SW_OK)
        sw_log(self->logger, SW_LOG_WARN, "the entry at etcd stays until its lease ends", "error=%s",
               sw_log_quote(error.message, quoted, sizeof(quoted)));
    release(self);
}
