/*
 * What the files of the server side share: rpc_server.c has calls, rpc_server_start.c the making and the stop of a
 * server, rpc_tls.c who is at the other end.
 */
#ifndef SW_RPC_SERVER_CORE_H
#define SW_RPC_SERVER_CORE_H

#include "common/rpc_core.h"
#include "common/tls_files.h"
#include <stdatomic.h>

struct method {
    struct sw_rpc_server *server;
    const struct sw_rpc_server_handler *handler;
    void *service;
    void *registered; /* gRPC's handle; NULL for the last one, which answers calls of unknown methods */
    int role;
    bool client_streams;
    bool serves_while_stopping;
};

struct sw_rpc_server {
    struct sw_rpc_loop *loop;
    grpc_server *server;
    struct sw_rpc_tag shut_down;
    struct sw_rpc_certificates *certificates; /* NULL: no TLS */
    struct sw_rpc_server_hooks hooks;
    void *hooks_data;
    atomic_uint_fast64_t patience_us; /* 0: for ever */
    size_t method_count;              /* with the one for unknown methods */
    struct method *methods;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t live;        /* calls, armed ones included, that are not freed yet */
    size_t armed;       /* of those, calls that wait for a client */
    bool stopping;      /* calls are refused, but for methods that serve while stopping */
    bool shutting_down; /* gRPC takes no more calls */
    bool is_shut_down;
    struct sw_rpc_server_call *first_call; /* of those that a client has made */
    /* the thread that ends calls whose clients do nothing */
    pthread_t sweeper;
    bool has_sweeper;
    pthread_cond_t sweeping_ends;
};

struct sw_rpc_server_call {
    struct method *method;
    grpc_call *call;
    void *state;
    struct sw_rpc_tag arrival, close, read, send, status;
    atomic_bool cancelled; /* the client is known to be gone */
    /* When a message began to wait for the client, to be sent or to come; 0: none does. */
    atomic_uint_fast64_t waiting_since_us;
    atomic_uint_fast64_t bytes_in, bytes_out;
    int64_t pushback_ms; /* -1: none; who finishes the call sets it */
    uint64_t started_us;
    char *peer;            /* as gRPC had it when the call came; freed by gpr_free */
    enum sw_rpc_code code; /* set by finish */
    /* under the server's lock */
    struct sw_rpc_server_call *previous, *next;
    bool is_listed;
    /* under lock */
    pthread_mutex_t lock;
    uint32_t pending; /* operations whose tags are still to come */
    bool sending;
    bool initial_metadata_sent;
    bool finished;       /* finish was called */
    bool cancelled_told; /* the handler's cancelled was called */
    /* loop thread only */
    struct sw_rpc_lost lost; /* a message: it must not look like the end of the stream */
    bool takes_own_place;    /* there was no memory to wait for the next call: it is freed to wait itself */
    bool allowed;            /* by the hook */
    bool waits_for_request;  /* of a client that sends one message: it has not come, and the handler knows nothing */
    gpr_timespec deadline;
    grpc_call_details details; /* of an unknown method */
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;
    int was_cancelled;
};

/* Waits for a client to call a method, unless the server is shutting down. False without memory. */
bool sw_rpc_server_arm(struct method *method);

/* rpc_tls.c */
struct sw_rpc_certificates *sw_rpc_certificates_new(void);
void sw_rpc_certificates_set(struct sw_rpc_certificates *certificates, const struct sw_tls_pem *pem);
void sw_rpc_certificates_free(struct sw_rpc_certificates *certificates);
/* certificates NULL: no TLS; else borrowed for as long as the server lives. */
grpc_server_credentials *sw_rpc_server_credentials(struct sw_rpc_certificates *certificates, bool has_ca,
                                                   bool client_optional);

#endif
