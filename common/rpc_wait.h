/* Calls that are waited for, on the thread that makes them. */
#ifndef SW_RPC_WAIT_H
#define SW_RPC_WAIT_H

#include "common/rpc.h"
#include <pthread.h>

/* By which another thread ends a call that is waited for, and all that are made with it later. */
struct sw_rpc_stop {
    pthread_mutex_t lock;
    /* under lock */
    struct sw_rpc_client_call *call;
    bool stopped;
};
#define SW_RPC_STOP_INITIALIZER                                                                                        \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER                                                                              \
    }

/* Any thread. */
void sw_rpc_stop(struct sw_rpc_stop *stop);

struct sw_rpc_wait {
    const char *method; /* "/package.Service/Method" */
    /* One message; or NULL, and next gives them one after the other until it returns NULL. The layer's, in any case. */
    struct sw_rpc_message *request;
    struct sw_rpc_message *(*next)(void *user_data);
    /* Takes a message of the answer, and frees it. False ends the call: what still comes is dropped. */
    bool (*message)(void *user_data, struct sw_rpc_message *message);
    void *user_data;
    uint64_t stall_us;    /* without a message, a send or the end, after which the call is given up; SW_CLOCK_NEVER */
    uint64_t deadline_us; /* by sw_clock_us, when it is given up whatever comes; 0: never. message may move it */
    struct sw_rpc_stop *stop; /* NULL: none */
};

/*
 * Makes a call and waits until it has ended; all functions are called on this thread. Messages wait in memory until
 * they are taken: ask for no more than there is room for, and end a call that sends more than it should: a server may
 * send as many as it likes, whatever the method. SW_OK where the server said so, or message ended it; what the server
 * said, as "CODE: details"; SW_DEADLINE_EXCEEDED where it was given up; SW_CANCELLED where it was stopped;
 * SW_NO_MEMORY.
 */
enum sw_status sw_rpc_wait(struct sw_rpc_channel *channel, const struct sw_rpc_wait *what, struct sw_error *error);

#endif
