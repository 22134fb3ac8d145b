/* Calls on threads of their own, whatever it is that they do. symwave/call.h says what callers may rely on. */
#ifndef SW_CALL_H
#define SW_CALL_H

#include "client/io/client_internal.h"
#include "symwave/call.h"

enum sw_call_kind {
    SW_CALL_RETRIEVE,
    SW_CALL_STORE,
    SW_CALL_PUT,
    SW_CALL_GET,
};

struct sw_call {
    enum sw_call_kind kind;
    /* Does the work on the call's thread: sets report, returns the status. */
    enum sw_status (*work)(struct sw_call *call, struct sw_error *error);
    void (*release)(struct sw_call *call); /* what the kind has copied */
    struct sw_call_options options;
    struct sw_cancel *cancel; /* what the work is given */
    struct cancel_hook hook;  /* on the caller's own */
    struct sw_cancel *callers_cancel;
    sw_progress_fn progress; /* the caller's */
    void *progress_data;
    int fd;
    pthread_t thread; /* its starter's */
    pthread_t self;   /* the same, the thread's */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    void (*waits)(void *data); /* a callback for sw_call_dispatch; NULL: none */
    void *waits_data;
    bool held; /* the call's thread waits until it has been run */
    bool over;
    struct sw_progress last;
    /* the thread's until over */
    enum sw_status status;
    struct sw_error error;
    void *report;
};

/*
 * Readies a call, whose work has not begun, with cancel and progress of the caller's options, which are replaced by the
 * call's own. On failure the call is not to be freed by sw_call_discard.
 */
enum sw_status sw_call_init(struct sw_call *call, enum sw_call_kind kind, const struct sw_call_options *options,
                            struct sw_cancel **cancel, sw_progress_fn *progress, void **progress_data,
                            struct sw_error *error);
/* Frees a call that was not started, with what its kind has. */
void sw_call_discard(struct sw_call *call);
/* Starts it, or discards it and says why it cannot. */
enum sw_status sw_call_start(struct sw_call *call, struct sw_call **out, struct sw_error *error);

/* On the call's thread: runs a callback here, or has it run by sw_call_dispatch and waits for that. */
void sw_call_run(struct sw_call *call, void (*run)(void *data), void *data);

/* Callbacks that retrieves and gets share, as the caller gave them. */
struct sw_call_hooks {
    struct sw_call *call;
    struct sw_local_store callers_local, local;
    sw_corrupt_fn corrupt;
    void *corrupt_data;
    sw_trace_fn trace;
    void *trace_data;
};
/* Keeps them, and where the call dispatches puts in their place what runs them by sw_call_run. */
void sw_call_take_hooks(struct sw_call *call, struct sw_call_hooks *hooks, const struct sw_local_store **local,
                        sw_corrupt_fn *corrupt, void **corrupt_data, sw_trace_fn *trace, void **trace_data);

/* Ends a call of a kind; the report is the caller's. */
enum sw_status sw_call_end(struct sw_call *call, enum sw_call_kind kind, void **report, struct sw_error *error);

#endif
