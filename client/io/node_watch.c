/* Node lists that follow a file or the network. */
#include "client/io/client_internal.h"
#include "common/memory.h"
#include "common/thread.h"
#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often a file is looked at, whatever the file system tells: one on another machine tells nothing. */
#define LOOK_MS            2000
#define NETWORK_MS_DEFAULT 60000

struct sw_node_watch {
    struct sw_client *client;
    sw_node_watch_fn told;
    void *told_data;
    uint32_t interval_ms;
    /* Gives the list as it is now: SW_OK with *list NULL where it is the one of before. */
    enum sw_status (*look)(struct sw_node_watch *watch, struct sw_node_list **list, struct sw_error *error);
    char *path;
    struct stat seen; /* the file that was read last, whatever came of it */
    int changes;      /* an inotify descriptor, -1: none */
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
        if (update(watch, &error) != SW_OK)
            sw_log(&watch->client->logger, SW_LOG_WARN, "the node list stays as it was", "error=%s",
                   sw_log_quote(error.message, quoted, sizeof(quoted)));
    }
    return NULL;
}

/* ---- making and ending ---- */

static void release(struct sw_node_watch *watch)
{
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

void sw_node_watch_stop(struct sw_node_watch *watch)
{
    const uint64_t one = 1;
    if (!watch)
        return;
    sw_cancel_fire(watch->cancel);
    ssize_t written = write(watch->stop, &one, sizeof(one)); /* it cannot fail: nobody else writes to it */
    (void)written;
    pthread_join(watch->thread, NULL);
    release(watch);
}
