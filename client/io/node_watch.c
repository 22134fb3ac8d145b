/* Node lists that follow a file, the network, or etcd. */
#include "client/io/client_internal.h"
#include "common/etcd.h"
#include "common/memory.h"
#include "common/thread.h"
#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often a file is looked at, whatever the file system tells: one on another machine tells nothing. */
#define LOOK_MS            2000
#define NETWORK_MS_DEFAULT 60000
/* How often etcd is asked while it tells of changes itself, and while it does not; and at most. */
#define ETCD_MS        60000
#define ETCD_BROKEN_MS 2000
#define ETCD_PAUSE_MS  200

struct sw_node_watch {
    struct sw_client *client;
    sw_node_watch_fn told;
    void *told_data;
    uint32_t interval_ms;
    /* Gives the list as it is now: SW_OK with *list NULL where it is the one of before. */
    enum sw_status (*look)(struct sw_node_watch *watch, struct sw_node_list **list, struct sw_error *error);
    char *path;
    struct stat seen; /* the file that was read last, whatever came of it */
    int changes;      /* readable when there may be something new: an inotify or an event descriptor, -1: none */
    struct sw_etcd *etcd;
    struct sw_key etcd_seen; /* the hash of the list that was taken last */
    bool etcd_failing;
    struct sw_discover_options options;
    struct sw_cancel *cancel; /* ends a discovery */
    int stop;                 /* an eventfd */
    bool runs;                /* the first look is over */
    pthread_t thread;
};

/* ---- what a list is made of ---- */

static bool is_another(const struct stat *a, const struct stat *b)
{
    return a->st_dev != b->st_dev || a->st_ino != b->st_ino || a->st_size != b->st_size ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec ||
           a->st_ctim.tv_sec != b->st_ctim.tv_sec || a->st_ctim.tv_nsec != b->st_ctim.tv_nsec;
}

static enum sw_status look_at_file(struct sw_node_watch *watch, struct sw_node_list **list, struct sw_error *error)
{
    struct stat facts;
    *list = NULL;
    /* One that is not there for a moment, since it is being replaced, is not worth a word; at first it is. */
    const bool is_there = stat(watch->path, &facts) == 0, was_there = watch->seen.st_ino != 0;
    if (was_there && (!is_there || !is_another(&facts, &watch->seen)))
        return SW_OK;
    if (!is_there)
        return sw_node_list_load(watch->path, list, error); /* which says why */
    watch->seen = facts;
    return sw_node_list_load(watch->path, list, error);
}

static enum sw_status look_at_network(struct sw_node_watch *watch, struct sw_node_list **list, struct sw_error *error)
{
    return sw_client_discover(watch->client, &watch->options, list, error);
}

/* What a list says, in whatever order: the sum, bit by bit, of its nodes' hashes. */
static struct sw_key hash_list(const struct sw_node_list *list)
{
    char text[SW_NODE_ID_BYTES_MAX + SW_NODE_ADDRESS_BYTES_MAX + 2];
    struct sw_key sum = {.bytes = {0}};
    for (size_t i = 0; i < sw_node_list_count(list); i++) {
        const struct sw_node *node = sw_node_list_at(list, i);
        const int bytes = snprintf(text, sizeof(text), "%s %s", node->id, node->address);
        const struct sw_key hash = sw_key_of_value(text, (size_t)bytes);
        for (size_t at = 0; at < sizeof(sum.bytes); at++)
            sum.bytes[at] ^= hash.bytes[at];
    }
    return sum;
}

/* On a thread of etcd's. */
static void etcd_changed(void *user_data)
{
    struct sw_node_watch *watch = user_data;
    const uint64_t one = 1;
    ssize_t written = write(watch->changes, &one, sizeof(one));
    (void)written;
}

static enum sw_status look_at_etcd(struct sw_node_watch *watch, struct sw_node_list **out, struct sw_error *error)
{
    struct sw_node_list *list = NULL;
    struct sw_key hash = {.bytes = {0}};
    int64_t revision;
    size_t passed_over;
    *out = NULL;
    watch->interval_ms = ETCD_BROKEN_MS;
    enum sw_status status = sw_etcd_list(watch->etcd, &list, &revision, &passed_over, error);
    if (status == SW_OK)
        status = sw_etcd_watch(watch->etcd, revision, etcd_changed, watch, error);
    if (status == SW_OK) {
        watch->interval_ms = ETCD_MS;
        hash = hash_list(list);
        if (sw_node_list_count(list) == 0)
            status = sw_error_set(error, SW_NOT_FOUND, "no node has registered at etcd, %zu of its keys are none",
                                  passed_over);
    }
    /* Trouble that lasts is told once. */
    const bool is_known = watch->etcd_failing && status != SW_OK;
    watch->etcd_failing = status != SW_OK;
    if (status != SW_OK || (watch->runs && sw_key_compare(&hash, &watch->etcd_seen) == 0)) {
        sw_node_list_free(list);
        return is_known ? SW_OK : status;
    }
    if (passed_over > 0)
        sw_log(&watch->client->logger, SW_LOG_WARN, "keys of etcd are passed over that are no nodes", "keys=%zu",
               passed_over);
    watch->etcd_seen = hash;
    *out = list;
    return SW_OK;
}

/* ---- the thread ---- */

/* Looks, and has the client take what is new. */
static enum sw_status update(struct sw_node_watch *watch, struct sw_error *error)
{
    struct sw_node_list *list = NULL;
    enum sw_status status = watch->look(watch, &list, error);
    if (status == SW_OK && !list)
        return SW_OK;
    if (status == SW_OK)
        status = sw_client_set_nodes(watch->client, list, error);
    if (status != SW_OK)
        watch->etcd_seen = (struct sw_key){.bytes = {0}}; /* to be taken the next time */
    if (watch->told && (status == SW_OK || (watch->runs && status != SW_CANCELLED)))
        watch->told(status == SW_OK ? list : NULL, status == SW_OK ? NULL : error, watch->told_data);
    sw_node_list_free(list);
    return status;
}

/* Waits for a change, the interval or the end, which it tells. */
static bool wait_for_end(struct sw_node_watch *watch)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    struct pollfd fds[] = {{.fd = watch->stop, .events = POLLIN}, {.fd = watch->changes, .events = POLLIN}};
    if (watch->etcd) /* what changes soon after is seen with it */
        poll(fds, 1, ETCD_PAUSE_MS);
    poll(fds, watch->changes >= 0 ? 2 : 1, (int)watch->interval_ms);
    /* Which file of the folder it is about does not matter: the file itself is looked at. */
    if (watch->changes >= 0 && (fds[1].revents & POLLIN))
        while (read(watch->changes, events, sizeof(events)) > 0)
            ;
    return (fds[0].revents & POLLIN) != 0;
}

static void *run(void *arg)
{
    struct sw_node_watch *watch = arg;
    char quoted[SW_ERROR_MESSAGE_SIZE];
    while (!wait_for_end(watch)) {
        struct sw_error error = {0};
        const enum sw_status status = update(watch, &error);
        if (status != SW_OK && status != SW_CANCELLED)
            sw_log(&watch->client->logger, SW_LOG_WARN, "the node list stays as it was", "error=%s",
                   sw_log_quote(error.message, quoted, sizeof(quoted)));
    }
    return NULL;
}

/* ---- making and ending ---- */

static void release(struct sw_node_watch *watch)
{
    sw_etcd_free(watch->etcd); /* which writes to changes */
    if (watch->changes >= 0)
        close(watch->changes);
    if (watch->stop >= 0)
        close(watch->stop);
    sw_cancel_free(watch->cancel);
    sw_free(watch->path);
    sw_free(watch);
}

static struct sw_node_watch *watch_new(struct sw_client *client, sw_node_watch_fn told, void *told_data,
                                       uint32_t interval_ms)
{
    struct sw_node_watch *watch = sw_calloc(1, sizeof(*watch));
    if (!watch)
        return NULL;
    *watch = (struct sw_node_watch){.client = client,
                                    .told = told,
                                    .told_data = told_data,
                                    .interval_ms = interval_ms,
                                    .changes = -1,
                                    .cancel = sw_cancel_new(),
                                    .stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (watch->cancel)
        return watch;
    release(watch);
    return NULL;
}

/* Looks for the first time, on the caller's thread, and starts the other. */
static enum sw_status start(struct sw_node_watch *watch, struct sw_node_watch **out, struct sw_error *error)
{
    enum sw_status status = watch->stop >= 0
                                ? update(watch, error)
                                : sw_error_set(error, SW_IO_ERROR, "cannot make a descriptor: %s", strerror(errno));
    watch->runs = true;
    int failed = status == SW_OK ? sw_thread_start(&watch->thread, "sw-node-watch", run, watch) : 0;
    if (failed)
        status = sw_error_set(error, SW_IO_ERROR, "cannot start a thread: %s", strerror(failed));
    if (status == SW_OK)
        *out = watch;
    else
        release(watch);
    return status;
}

/* Tells of files in the folder that are whole, being closed or renamed, where that can be had. */
static int watch_folder(const char *path)
{
    char *copy = sw_strdup(path);
    int fd = copy ? inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1;
    if (fd >= 0 && inotify_add_watch(fd, dirname(copy), IN_CLOSE_WRITE | IN_MOVED_TO) < 0) {
        close(fd);
        fd = -1;
    }
    sw_free(copy);
    return fd;
}

enum sw_status sw_node_watch_file(struct sw_client *client, const char *path, sw_node_watch_fn told, void *told_data,
                                  struct sw_node_watch **out, struct sw_error *error)
{
    struct sw_error unwanted;
    *out = NULL;
    struct sw_node_watch *watch = watch_new(client, told, told_data, LOOK_MS);
    if (watch)
        watch->path = sw_strdup(path);
    if (!watch || !watch->path) {
        if (watch)
            release(watch);
        return sw_error_set(error, SW_NO_MEMORY, "no memory to watch %s", path);
    }
    watch->look = look_at_file;
    watch->changes = watch_folder(path);
    return start(watch, out, error ? error : &unwanted);
}

enum sw_status sw_node_watch_network(struct sw_client *client, const struct sw_discover_options *options,
                                     uint32_t interval_ms, sw_node_watch_fn told, void *told_data,
                                     struct sw_node_watch **out, struct sw_error *error)
{
    struct sw_error unwanted;
    *out = NULL;
    struct sw_node_watch *watch = watch_new(client, told, told_data, interval_ms ? interval_ms : NETWORK_MS_DEFAULT);
    if (!watch)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to watch the network");
    SW_OPTIONS_COPY(&watch->options, options);
    watch->options.size = sizeof(watch->options);
    watch->options.cancel = watch->cancel;
    watch->look = look_at_network;
    return start(watch, out, error ? error : &unwanted);
}

enum sw_status sw_node_watch_etcd(struct sw_client *client, const struct sw_etcd_options *options,
                                  sw_node_watch_fn told, void *told_data, struct sw_node_watch **out,
                                  struct sw_error *error)
{
    struct sw_etcd_options own = {.size = 0};
    struct sw_error unwanted;
    *out = NULL;
    SW_OPTIONS_COPY(&own, options);
    if (!own.endpoints)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "to watch etcd takes its endpoints");
    struct sw_node_watch *watch = watch_new(client, told, told_data, ETCD_MS);
    if (!watch)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to watch etcd");
    const struct sw_tls_files files = {.ca = own.tls_ca, .certificate = own.tls_certificate, .key = own.tls_key};
    enum sw_status status = sw_etcd_new(own.endpoints, own.prefix, own.tls, &files, &watch->etcd, error);
    watch->changes = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (status == SW_OK && watch->changes < 0)
        status = sw_error_set(error, SW_IO_ERROR, "cannot make a descriptor: %s", strerror(errno));
    if (status != SW_OK) {
        release(watch);
        return status;
    }
    watch->look = look_at_etcd;
    return start(watch, out, error ? error : &unwanted);
}

void sw_node_watch_stop(struct sw_node_watch *watch)
{
    const uint64_t one = 1;
    if (!watch)
        return;
    sw_cancel_fire(watch->cancel);
    if (watch->etcd)
        sw_etcd_stop(watch->etcd);
    ssize_t written = write(watch->stop, &one, sizeof(one)); /* it cannot fail: nobody else writes to it */
    (void)written;
    pthread_join(watch->thread, NULL);
    release(watch);
}
