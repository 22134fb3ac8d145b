#include "server/scrub_schedule.h"
#include "common/clock.h"
#include "common/cond.h"
#include "common/memory.h"
#include "common/thread.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How often it is seen whether a scrub is due, and how often the record of one that runs is written. */
#define LOOK_US ((uint64_t)10 * 1000000)
#define SAVE_US ((uint64_t)60 * 1000000)
/* The record as text is shorter. */
#define RECORD_SIZE 256
#define RECORD_FORMAT                                                                                                  \
    "symwave-scrub 1 started=%" PRId64 " finished=%" PRId64 " symbols=%" PRIu64 " bytes=%" PRIu64 " damaged=%" PRIu64  \
    " last=%s\n"
#define RECORD_SCAN                                                                                                    \
    "symwave-scrub 1 started=%" SCNd64 " finished=%" SCNd64 " symbols=%" SCNu64 " bytes=%" SCNu64 " damaged=%" SCNu64  \
    " last=%44[0-9A-Za-z-]"

struct sw_scrub_schedule {
    struct sw_service *service;
    char *path, *path_new;
    pthread_t thread;
    struct sw_scrub_state state; /* the thread's */
    uint64_t saved_us;           /* the same; before it there is one, the starter's */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    bool ends, runs, noted; /* noted: the record is to be written */
    uint64_t interval_hours, bytes_per_second;
    struct sw_scrub_record record;
};

/* ---- the record on disk ---- */

/* Reads the record. One that is missing, or that cannot be read as one, is as if there had been no scrub. */
static bool load(const char *path, struct sw_scrub_record *record)
{
    char text[RECORD_SIZE], last[SW_KEY_BASE58_SIZE];
    struct sw_scrub_record read = {0};
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t bytes = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[bytes] = '\0';
    if (sscanf(text, RECORD_SCAN, &read.started_at, &read.finished_at, &read.state.symbols, &read.state.bytes,
               &read.state.damaged, last) != 6)
        return false;
    read.state.has_last = sw_key_from_base58(last, strlen(last), &read.state.last, NULL) == SW_OK;
    *record = read;
    return true;
}

static bool write_text(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    return ok;
}

/* A record that is lost costs a scrub more, no data. */
static void save(struct sw_scrub_schedule *self)
{
    const struct sw_scrub_record record = sw_scrub_schedule_record(self);
    char text[RECORD_SIZE], last[SW_KEY_BASE58_SIZE] = "-";
    if (record.state.has_last)
        sw_key_to_base58(&record.state.last, last);
    snprintf(text, sizeof(text), RECORD_FORMAT, record.started_at, record.finished_at, record.state.symbols,
             record.state.bytes, record.state.damaged, last);
    if (!write_text(self->path_new, text) || rename(self->path_new, self->path) != 0)
        sw_log(self->service->logger, SW_LOG_WARN, "cannot note how far the scrub is", "error=\"%s\"", strerror(errno));
    self->saved_us = sw_clock_us();
}

/* ---- the thread ---- */

static uint64_t rate(void *user_data)
{
    return sw_scrub_schedule_rate(user_data);
}

static bool is_over(void *user_data)
{
    struct sw_scrub_schedule *self = user_data;
    pthread_mutex_lock(&self->lock);
    const bool over = self->ends || self->interval_hours == 0;
    pthread_mutex_unlock(&self->lock);
    return over;
}

static void set_record(struct sw_scrub_schedule *self, const struct sw_scrub_record *record, bool runs)
{
    pthread_mutex_lock(&self->lock);
    self->record = *record;
    self->runs = runs;
    pthread_mutex_unlock(&self->lock);
    save(self);
}

static void tell(void *user_data, const struct sw_key *keys, size_t count)
{
    struct sw_scrub_schedule *self = user_data;
    (void)keys;
    (void)count;
    pthread_mutex_lock(&self->lock);
    self->record.state = self->state;
    pthread_mutex_unlock(&self->lock);
    if (sw_clock_us() - self->saved_us > SAVE_US)
        save(self);
}

static void scrub(struct sw_scrub_schedule *self)
{
    const struct sw_logger *logger = self->service->logger;
    struct sw_scrub_record record = sw_scrub_schedule_record(self);
    const bool goes_on = record.started_at > 0 && record.finished_at == 0;
    struct sw_error error = {0};
    char quoted[SW_ERROR_MESSAGE_SIZE];
    if (!goes_on)
        record = (struct sw_scrub_record){.started_at = (int64_t)time(NULL)};
    const struct sw_scrub_hooks hooks = {.rate = rate, .is_over = is_over, .tell = tell, .user_data = self};
    self->state = record.state;
    set_record(self, &record, true);
    sw_log(logger, SW_LOG_INFO, goes_on ? "scrub goes on" : "scrub begins", "symbols=%" PRIu64, record.state.symbols);
    enum sw_status status = sw_scrub_run(self->service, &self->state, &hooks, &error);
    record.state = self->state;
    if (status != SW_CANCELLED)
        record.finished_at = (int64_t)time(NULL);
    set_record(self, &record, false);
    if (status == SW_OK || status == SW_CANCELLED)
        sw_log(logger, record.state.damaged > 0 ? SW_LOG_WARN : SW_LOG_INFO,
               status == SW_OK ? "scrub done" : "scrub to be continued", "symbols=%" PRIu64 " damaged=%" PRIu64,
               record.state.symbols, record.state.damaged);
    else
        sw_log(logger, SW_LOG_ERROR, "scrub failed", "symbols=%" PRIu64 " damaged=%" PRIu64 " error=%s",
               record.state.symbols, record.state.damaged, sw_log_quote(error.message, quoted, sizeof(quoted)));
}

/* Under lock. With a clock that was set back nobody knows how long ago the last one was: a scrub too many harms nobody.
 */
static bool is_due(const struct sw_scrub_schedule *self)
{
    const int64_t ago_s = (int64_t)time(NULL) - self->record.finished_at;
    return self->interval_hours > 0 && (ago_s < 0 || ago_s >= (int64_t)self->interval_hours * 3600);
}

static void *run(void *user_data)
{
    struct sw_scrub_schedule *self = user_data;
    pthread_mutex_lock(&self->lock);
    while (!self->ends) {
        const bool due = is_due(self), noted = self->noted;
        self->noted = false;
        pthread_mutex_unlock(&self->lock);
        if (due)
            scrub(self);
        else if (noted)
            save(self);
        pthread_mutex_lock(&self->lock);
        if (!self->ends && !self->noted && !is_due(self))
            sw_cond_wait_until(&self->changed, &self->lock, sw_clock_us() + LOOK_US);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* ---- for others ---- */

static void release(struct sw_scrub_schedule *self)
{
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    sw_free(self->path);
    sw_free(self->path_new);
    free(self);
}

enum sw_status sw_scrub_schedule_start(struct sw_service *service, uint64_t interval_hours, uint64_t bytes_per_second,
                                       struct sw_scrub_schedule **out, struct sw_error *error)
{
    *out = NULL;
    struct sw_scrub_schedule *self = calloc(1, sizeof(*self));
    if (!self)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to schedule scrubs");
    self->service = service;
    self->interval_hours = interval_hours;
    self->bytes_per_second = bytes_per_second;
    pthread_mutex_init(&self->lock, NULL);
    sw_cond_init(&self->changed);
    self->path = sw_text_new("%s/scrub.state", service->data);
    self->path_new = sw_text_new("%s/scrub.state.new", service->data);
    if (!self->path || !self->path_new) {
        release(self);
        return sw_error_set(error, SW_NO_MEMORY, "no memory to schedule scrubs");
    }
    /* A folder without a record is a new one, or one that was never scrubbed: its first scrub is an interval away. */
    if (!load(self->path, &self->record)) {
        self->record.finished_at = (int64_t)time(NULL);
        save(self);
    }
    if (sw_thread_start(&self->thread, "sw-scrub", run, self) != 0) {
        release(self);
        return sw_error_set(error, SW_IO_ERROR, "cannot start a thread to scrub");
    }
    *out = self;
    return SW_OK;
}

void sw_scrub_schedule_stop(struct sw_scrub_schedule *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->ends = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    release(self);
}

void sw_scrub_schedule_set(struct sw_scrub_schedule *self, uint64_t interval_hours, uint64_t bytes_per_second)
{
    pthread_mutex_lock(&self->lock);
    self->interval_hours = interval_hours;
    self->bytes_per_second = bytes_per_second;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

uint64_t sw_scrub_schedule_rate(struct sw_scrub_schedule *self)
{
    pthread_mutex_lock(&self->lock);
    const uint64_t bytes_per_second = self->bytes_per_second;
    pthread_mutex_unlock(&self->lock);
    return bytes_per_second;
}

struct sw_scrub_record sw_scrub_schedule_record(struct sw_scrub_schedule *self)
{
    pthread_mutex_lock(&self->lock);
    const struct sw_scrub_record record = self->record;
    pthread_mutex_unlock(&self->lock);
    return record;
}

void sw_scrub_schedule_note(struct sw_scrub_schedule *self, const struct sw_scrub_record *record)
{
    pthread_mutex_lock(&self->lock);
    if (!self->runs)
        self->record = *record;
    self->noted = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}
