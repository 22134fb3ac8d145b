/*
 * A thin layer over the gRPC C core: one completion-queue thread, messages made of segments, and calls of all four
 * kinds on both sides as callbacks. No type of gRPC shows here; gRPC's headers are included by rpc_core.h alone.
 *
 * Threads: every callback runs on the loop's one thread, which is also the poller, so a callback must not block, hash
 * or touch a disk. Every function may be called from any thread unless it says otherwise.
 */
#ifndef SW_RPC_H
#define SW_RPC_H

#include "symwave/status.h"
#include <stddef.h>
#include <stdint.h>

/* The status codes of gRPC, by their numbers on the wire. */
enum sw_rpc_code {
    SW_RPC_OK = 0,
    SW_RPC_CANCELLED = 1,
    SW_RPC_UNKNOWN = 2,
    SW_RPC_INVALID_ARGUMENT = 3,
    SW_RPC_DEADLINE_EXCEEDED = 4,
    SW_RPC_NOT_FOUND = 5,
    SW_RPC_ALREADY_EXISTS = 6,
    SW_RPC_PERMISSION_DENIED = 7,
    SW_RPC_RESOURCE_EXHAUSTED = 8,
    SW_RPC_FAILED_PRECONDITION = 9,
    SW_RPC_ABORTED = 10,
    SW_RPC_OUT_OF_RANGE = 11,
    SW_RPC_UNIMPLEMENTED = 12,
    SW_RPC_INTERNAL = 13,
    SW_RPC_UNAVAILABLE = 14,
    SW_RPC_DATA_LOSS = 15,
    SW_RPC_UNAUTHENTICATED = 16,
};

/* "UNAVAILABLE"; never NULL. */
const char *sw_rpc_code_name(enum sw_rpc_code code);
/* The status of Symwave that a code stands for, and back. */
enum sw_status sw_rpc_code_to_status(enum sw_rpc_code code);
enum sw_rpc_code sw_rpc_code_from_status(enum sw_status status);

/* ---- messages ---- */

/*
 * One message: bytes in one or more segments. A received message has been checked by the layer only for its size.
 * Not thread-safe; may be handed from thread to thread.
 */
struct sw_rpc_message;

/* A message to send, empty. NULL without memory. */
struct sw_rpc_message *sw_rpc_message_new(void);
void sw_rpc_message_free(struct sw_rpc_message *message); /* NULL is allowed */
/* Appends a copy of bytes. */
void sw_rpc_message_add_copy(struct sw_rpc_message *message, const void *bytes, size_t count);
/* The same for a few of many bytes: what is so appended one after the other shares segments. */
void sw_rpc_message_add_small(struct sw_rpc_message *message, const void *bytes, size_t count);
/*
 * Appends bytes without copying: release(release_data) is called once, on any thread, when gRPC needs them no more.
 * Until then they must not change.
 */
void sw_rpc_message_add_external(struct sw_rpc_message *message, const void *bytes, size_t count,
                                 void (*release)(void *release_data), void *release_data);
/* Bytes in all. */
size_t sw_rpc_message_bytes(const struct sw_rpc_message *message);
/* Number of segments, and one of them; valid until the message is freed. */
size_t sw_rpc_message_segments(const struct sw_rpc_message *message);
const uint8_t *sw_rpc_message_segment(const struct sw_rpc_message *message, size_t index, size_t *bytes);
/* All bytes in a row: the only segment itself, or a copy that the message owns. NULL without memory, or when empty. */
const uint8_t *sw_rpc_message_flatten(struct sw_rpc_message *message);

/* ---- loop ---- */

/* A completion queue and its thread. Initialises gRPC, and shuts it down when the last loop is freed. */
struct sw_rpc_loop;
enum sw_status sw_rpc_loop_new(struct sw_rpc_loop **loop, struct sw_error *error);
/*
 * After everything on it is gone: servers freed, calls ended and released, channels freed. NULL is allowed. Waits for
 * its thread; but where a connection is stuck in a write, no more than 2 s: the thread then cleans up when that is
 * over.
 */
void sw_rpc_loop_free(struct sw_rpc_loop *loop);

/*
 * Bounds the memory of the connections of the loop's channels, together with that of other loops in the process: gRPC
 * takes in a message whole before anyone can look at its size, and beyond the bound fails calls. Before the first
 * channel; at most once.
 */
void sw_rpc_loop_bound_memory(struct sw_rpc_loop *loop, size_t bytes);

/* ---- client side ---- */

struct sw_rpc_channel;

struct sw_tls_pem;

struct sw_rpc_channel_options {
    const struct sw_tls_pem *tls;  /* borrowed for the call; NULL: no TLS. Without a CA in it: the system's */
    const char *tls_server_name;   /* whom the certificate must name; NULL: the host of the address */
    const char *token;             /* sent with each call, as a bearer token; NULL: none */
    size_t message_bytes_max;      /* the largest message accepted; 0: 4 MiB */
    uint32_t keepalive_ms;         /* a ping after this long without traffic on a call; 0: 20,000 */
    uint32_t keepalive_timeout_ms; /* the connection is lost when it is not answered; 0: 5,000 */
};

/* A connection to be made when the first call needs it. address as in a node list. NULL without memory. */
struct sw_rpc_channel *sw_rpc_channel_new(struct sw_rpc_loop *loop, const char *address,
                                          const struct sw_rpc_channel_options *options);
/* Calls on it keep it alive. */
void sw_rpc_channel_free(struct sw_rpc_channel *channel);

struct sw_rpc_client_call;

#define SW_RPC_PUSHBACK_NEVER INT64_MAX
/* A longer pushback counts as this one: no server can be away from a client for days by one answer. */
#define SW_RPC_PUSHBACK_US_MAX ((int64_t)3600 * 1000000)

/* What a caller is told; each may be NULL except end. */
struct sw_rpc_client_handler {
    /* A message has come; it is the handler's to free. */
    void (*message)(void *state, struct sw_rpc_message *message);
    /* The message passed to sw_rpc_client_send is out: another may be sent. Not called after a failed send. */
    void (*sent)(void *state);
    /* The call is over; nothing comes after, though external bytes may be released later. details is valid during it.
     */
    void (*end)(void *state, enum sw_rpc_code code, const char *details);
};

/*
 * Starts a call to "/package.Service/Method". With request not NULL, that one message is sent and the sending side
 * closed (unary and server streaming); with NULL the caller sends (client streaming). request becomes the layer's, in
 * any case. timeout_us is from now, SW_CLOCK_NEVER for none. A received message is always followed by the next receive:
 * what bounds memory is what was asked for. NULL without memory, end is then not called. The caller releases the call.
 */
struct sw_rpc_client_call *sw_rpc_client_start(struct sw_rpc_channel *channel, const char *method,
                                               struct sw_rpc_message *request, uint64_t timeout_us,
                                               const struct sw_rpc_client_handler *handler, void *state);
/* Client streaming: sends one message, which becomes the layer's; again only after sent. */
void sw_rpc_client_send(struct sw_rpc_client_call *call, struct sw_rpc_message *message);
/* Client streaming: no more messages; after sent, or before the first. */
void sw_rpc_client_half_close(struct sw_rpc_client_call *call);
/* Ends the call, with RST_STREAM on the wire; end follows. Any number of times, even after the end. */
void sw_rpc_client_cancel(struct sw_rpc_client_call *call);
/* Gives up the caller's reference; the call goes on until its end. */
void sw_rpc_client_release(struct sw_rpc_client_call *call);
/*
 * When the server would have this asked again (gRPC's retry design, A6: grpc-retry-pushback-ms): microseconds from the
 * end of the call, at most SW_RPC_PUSHBACK_US_MAX; SW_RPC_PUSHBACK_NEVER where it said not to, by a negative number or
 * by what is none; -1 where it said nothing. From end on, end included.
 */
int64_t sw_rpc_client_pushback_us(const struct sw_rpc_client_call *call);

/* ---- server side ---- */

struct sw_rpc_server;
struct sw_rpc_server_call;

/*
 * Pushbacks. Room is made by calls that end, and most take less than ROOM; who asks five times a second is no load.
 * STOPPING is what a process takes to go and to come back on its data: sooner, there is nobody to ask.
 */
#define SW_RPC_PUSHBACK_ROOM_MS     200
#define SW_RPC_PUSHBACK_STOPPING_MS 1000

/* How a method is served. state is what start returned. */
struct sw_rpc_server_handler {
    /*
     * A call has come. Returns the handler's state, or NULL having called sw_rpc_server_finish (no callback follows
     * then). A method whose client sends one message gets it in message right after.
     */
    void *(*start)(struct sw_rpc_server_call *call, void *service);
    /* A message, the handler's to free, or NULL: the client has closed its side. */
    void (*message)(void *state, struct sw_rpc_message *message);
    /*
     * The message passed to sw_rpc_server_send is out, or is lost because the client is gone: another may be sent,
     * after a look at sw_rpc_server_is_cancelled. Every send is answered by one sent, also where cancelled was called:
     * a handler that sends from another thread need not guess what cancelled stood for. May be NULL.
     */
    void (*sent)(void *state);
    /*
     * The client is gone or has cancelled, its deadline has passed, or the server is stopping: called at most once, not
     * while a send is outstanding, and not after finish. Nothing that is sent arrives any more; finish must still be
     * called. A read that is outstanding ends with message(NULL). May be NULL.
     */
    void (*cancelled)(void *state);
    /* Called once, after finish and after every other callback: frees state. */
    void (*end)(void *state);
};

struct sw_rpc_server_method {
    const char *path;    /* "/package.Service/Method" */
    bool client_streams; /* the client sends several messages: each is asked for with sw_rpc_server_read */
    const struct sw_rpc_server_handler *handler;
    void *service;              /* passed to start */
    bool serves_while_stopping; /* health: calls that come during the grace period are not refused */
    int role;                   /* for the hook "allow" */
};

/* What the owner of a server decides and is told; each may be NULL. On the loop thread but for gave_up. */
struct sw_rpc_server_hooks {
    /*
     * Whether a call may be served: SW_RPC_OK, or another code with its reason in details, and with a pushback where
     * one is set. Must not block.
     */
    enum sw_rpc_code (*allow)(void *hooks_data, struct sw_rpc_server_call *call, int role, char *details,
                              size_t details_bytes);
    /* A call has come; method is the index in the options' methods, or method_count for a method that there is not. */
    void (*started)(void *hooks_data, size_t method);
    /* It is over, microseconds later. call is valid during this. */
    void (*ended)(void *hooks_data, const struct sw_rpc_server_call *call, size_t method, enum sw_rpc_code code,
                  uint64_t us);
    /* Its client did nothing for so long that it is cancelled. On a thread of its own; must not block. */
    void (*gave_up)(void *hooks_data, const struct sw_rpc_server_call *call, uint64_t us);
};

struct sw_rpc_server_options {
    size_t message_bytes_max; /* the largest message accepted; a larger one fails its call; 0: 4 MiB */
    size_t memory_bytes_max;  /* of all connections together; beyond it gRPC fails calls; 0: no bound */
    const struct sw_rpc_server_method *methods;
    size_t method_count; /* copied */
    const struct sw_tls_pem
        *tls;                 /* borrowed for the call; NULL: no TLS. With a CA in it clients must have a certificate */
    bool tls_client_optional; /* though with a CA: they need not */
    /* "unix:PATH", to listen on besides, without TLS: sw_rpc_server_is_local tells its calls. NULL: none. */
    const char *local_address;
    uint64_t streams_max;                    /* calls at once on a connection; 0: 1,024 */
    uint64_t handshake_timeout_ms;           /* from connecting to the end of all handshakes; 0: 10,000 */
    uint64_t idle_timeout_ms;                /* of a connection without calls; 0: none */
    uint64_t patience_us;                    /* with a client that takes or sends no message; 0: for ever */
    const struct sw_rpc_server_hooks *hooks; /* copied; may be NULL */
    void *hooks_data;
};

/*
 * Makes a server that listens on address (NULL: on local_address alone) and begins to serve. SW_IO_ERROR where it
 * cannot listen. *port is the port it listens on (for ":0"); may be NULL.
 */
enum sw_status sw_rpc_server_new(struct sw_rpc_loop *loop, const char *address,
                                 const struct sw_rpc_server_options *options, struct sw_rpc_server **server, int *port,
                                 struct sw_error *error);
/* Another certificate and other CAs, from the next handshake on: connections that there are stay. */
void sw_rpc_server_set_certificates(struct sw_rpc_server *server, const struct sw_tls_pem *pem);
/* Another patience, from now on. */
void sw_rpc_server_set_patience(struct sw_rpc_server *server, uint64_t us);
/*
 * Refuses new calls with UNAVAILABLE and a pushback, lets those under way finish for grace_us, cancels what is left,
 * says goodbye to the clients and stops listening. Blocks; not on the loop thread. Returns how many calls had to be
 * cancelled.
 */
size_t sw_rpc_server_stop(struct sw_rpc_server *server, uint64_t grace_us);
/* After stop. NULL is allowed. */
void sw_rpc_server_free(struct sw_rpc_server *server);

/* Asks for the client's next message (client_streams only), one at a time; message follows. */
void sw_rpc_server_read(struct sw_rpc_server_call *call);
/* Sends one message, which becomes the layer's; again only after sent. */
void sw_rpc_server_send(struct sw_rpc_server_call *call, struct sw_rpc_message *message);
/*
 * Ends the call; exactly once, when no send is outstanding and no thread of the handler's will touch the call again.
 * With code SW_RPC_OK, message (may be NULL) is sent first: a unary answer is one call of this. details may be NULL.
 */
void sw_rpc_server_finish(struct sw_rpc_server_call *call, struct sw_rpc_message *message, enum sw_rpc_code code,
                          const char *details);
/*
 * Says with the end of the call when the client may ask again, in milliseconds from then. Before finish, by who calls
 * that. A client is free to ask sooner; one that knows A6 does not.
 */
void sw_rpc_server_set_pushback(struct sw_rpc_server_call *call, uint32_t ms);
/* ---- who calls; from start or allow on ---- */

/* The other end's address, as "ipv4:127.0.0.1:4711" or "unix:", cut to fit. Returns its whole length. */
size_t sw_rpc_server_peer(const struct sw_rpc_server_call *call, char *out, size_t out_bytes);
/* Whether the call came over local_address. */
bool sw_rpc_server_is_local(const struct sw_rpc_server_call *call);
/*
 * Whether is_wanted holds for any name in the client's certificate, which was checked: DNS names and URIs, as SPIFFE
 * ids are, of its subjectAltName. They need not end with a NUL.
 */
bool sw_rpc_server_any_identity(const struct sw_rpc_server_call *call,
                                bool (*is_wanted)(const char *name, size_t bytes, void *user_data), void *user_data);
/* The call's bearer token; false where it has none. Valid until the call ends, without a NUL. */
bool sw_rpc_server_token(const struct sw_rpc_server_call *call, const char **token, size_t *bytes);

/* Bytes of the call's messages so far. */
void sw_rpc_server_bytes(const struct sw_rpc_server_call *call, uint64_t *in, uint64_t *out);

/* Whether the hook "allow" was asked about the call and has let it in. */
bool sw_rpc_server_was_allowed(const struct sw_rpc_server_call *call);

/* Whether the client is known to be gone; for work that can be stopped half-way. */
bool sw_rpc_server_is_cancelled(const struct sw_rpc_server_call *call);

/* ---- channelz ---- */

enum sw_rpc_channelz {
    SW_RPC_CHANNELZ_SERVERS,
    SW_RPC_CHANNELZ_SERVER,         /* id: a server's */
    SW_RPC_CHANNELZ_SERVER_SOCKETS, /* the same */
    SW_RPC_CHANNELZ_SOCKET,         /* id: a socket's */
};

/* What gRPC's core knows of this process, as JSON, to free; NULL where there is no such thing, or no memory. */
char *sw_rpc_channelz(enum sw_rpc_channelz what, int64_t id);

#endif
