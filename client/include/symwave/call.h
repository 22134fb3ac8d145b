/*
 * Calls that do not block: a retrieve, a store, a put or a get that runs on a thread of its own, while the program goes
 * on. What blocks in client.h and file.h is started here with ..._start, and its result fetched with ..._end.
 *
 * A program learns of the end in one of three ways: a function that is called (options.done), a descriptor that becomes
 * readable (sw_call_fd; an eventfd, for epoll, poll, libuv, libevent), or by waiting (sw_call_wait).
 *
 * The call's own callbacks (sink, source, progress, ...) run on the call's thread, one at a time. With options.dispatch
 * they run inside of sw_call_dispatch instead, on the thread of whoever calls it, so that a program with one loop needs
 * no lock of its own: the call waits meanwhile. A local store is such a callback: a ready one (sw_node_store, a folder,
 * RocksDB) waits for its node or its disk there, in that loop, so that a program which must not wait leaves dispatch
 * off.
 *
 * Each call has a thread and a descriptor, and whatever memory the blocking form takes; all share the client's budget.
 * Signals of the process are not handled on such a thread. All functions may be called from any thread.
 */
#ifndef SYMWAVE_CALL_H
#define SYMWAVE_CALL_H

#include "symwave/client.h"
#include "symwave/file.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A call under way, or one that is over and whose result has not been fetched yet. */
struct sw_call;

struct sw_call_options {
    size_t size;
    /* Callbacks run inside of sw_call_dispatch, and the descriptor is readable also when one waits for that. */
    bool dispatch;
    /*
     * Told once, on the call's thread, that the call is over; the last thing that happens there. It may end the call
     * (with ..._end), which does not wait for it then.
     */
    void (*done)(struct sw_call *call, void *user_data);
    void *done_data;
};

#define SW_CALL_OPTIONS_INIT                                                                                           \
    {                                                                                                                  \
        .size = sizeof(struct sw_call_options)                                                                         \
    }

/*
 * Start what the blocking function of the same name does, with its arguments. Keys, paths, strings and all structs are
 * copied; what they point to for callbacks (user_data) and the client, a layout and a cancel are borrowed until the
 * call has been ended. call_options may be NULL. SW_OK: *call is to be ended. SW_INVALID_ARGUMENT, SW_NO_MEMORY,
 * SW_IO_ERROR (no thread or descriptor): *call is NULL. Other errors come with the result. Do not block.
 */
SW_PUBLIC enum sw_status sw_retrieve_start(struct sw_client *client, const struct sw_key *keys, size_t key_count,
                                           const struct sw_retrieve_options *options, const struct sw_sink *sink,
                                           const struct sw_call_options *call_options, struct sw_call **call,
                                           struct sw_error *error);
SW_PUBLIC enum sw_status sw_store_start(struct sw_client *client, sw_source_fn source, void *source_data,
                                        const struct sw_store_options *options,
                                        const struct sw_call_options *call_options, struct sw_call **call,
                                        struct sw_error *error);
SW_PUBLIC enum sw_status sw_put_start(struct sw_client *client, const char *path, const char *layout_path,
                                      const struct sw_file_options *options, const struct sw_call_options *call_options,
                                      struct sw_call **call, struct sw_error *error);
SW_PUBLIC enum sw_status sw_get_start(struct sw_client *client, const struct sw_layout *layout, const char *out_path,
                                      const struct sw_file_options *options, const struct sw_call_options *call_options,
                                      struct sw_call **call, struct sw_error *error);

/*
 * End a call: wait for it where it is not over (running its callbacks here, where it dispatches), give its report and
 * its status as the blocking form would, and free it. Each for calls of its own kind, once. report and error may be
 * NULL. Cancel first to be done soon. Not from one of the call's callbacks, done aside, which would wait for itself.
 */
SW_PUBLIC enum sw_status sw_retrieve_end(struct sw_call *call, struct sw_report **report, struct sw_error *error);
SW_PUBLIC enum sw_status sw_store_end(struct sw_call *call, struct sw_store_report **report, struct sw_error *error);
SW_PUBLIC enum sw_status sw_put_end(struct sw_call *call, struct sw_put_report **report, struct sw_error *error);
SW_PUBLIC enum sw_status sw_get_end(struct sw_call *call, struct sw_get_report **report, struct sw_error *error);

/* Ends the work soon, with SW_CANCELLED; the result is still to be fetched. Never waits; any number of times. */
SW_PUBLIC void sw_call_cancel(struct sw_call *call);

/*
 * A descriptor that is readable when the call is over, and, where it dispatches, when a callback waits. To be watched,
 * not to be read or closed; it lives until the call is ended.
 */
SW_PUBLIC int sw_call_fd(const struct sw_call *call);

/*
 * Runs the callback that waits, if there is one; to be called when the descriptor is readable. Returns whether the call
 * is over. Blocks for as long as the callback does. For one thread at a time.
 */
SW_PUBLIC bool sw_call_dispatch(struct sw_call *call);

/*
 * Waits until the call is over, for at most timeout_ms, running callbacks here where it dispatches. Returns whether it
 * is over.
 */
SW_PUBLIC bool sw_call_wait(struct sw_call *call, uint32_t timeout_ms);

/*
 * How far the call is: what its progress function was told last, every progress_interval_ms, also where there is none.
 * Does not block. progress_bytes is sizeof(*progress): no more than that is written.
 */
SW_PUBLIC void sw_call_progress(struct sw_call *call, struct sw_progress *progress, size_t progress_bytes);

#ifdef __cplusplus
}
#endif

#endif
