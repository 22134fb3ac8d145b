/*
 * A real node in this process, on a port of its own and a RocksDB store of its own, and a client that calls it and
 * waits for the answer. Failures fail the running test.
 */
#ifndef SW_TEST_NODE_FIXTURE_H
#define SW_TEST_NODE_FIXTURE_H

#include "server/daemon.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <stdatomic.h>

#define SYMBOL_STORE "/symwave.v1.SymbolStore/"

struct node {
    struct sw_config config;
    char *path;
    struct sw_store *rocksdb;
    struct sw_store *store;  /* what the node is given; by default rocksdb */
    struct sw_logger logger; /* counts errors */
    atomic_uint errors_logged;
    struct sw_daemon *daemon;
    bool stopped;
    char address[64];
    struct sw_rpc_loop *loop;
    struct sw_rpc_channel *channel;
};

/* A node with default limits, not started; the test may change config and store. */
struct node *node_new(void);
void node_start(struct node *node);
/* Stops the node as sw_daemon_stop does; once. */
size_t node_stop(struct node *node, uint32_t grace_ms);
/* Stops what runs, which is allowed to be stopped already, and removes the folder. */
void node_free(struct node *node);

/* cmocka's setup and teardown: a node with default limits that is started. */
int node_setup(void **state);
int node_teardown(void **state);

/* What a call came to. */
struct reply {
    enum sw_rpc_code code;
    char details[512];
    int64_t pushback_us; /* as sw_rpc_client_pushback_us */
    size_t count;
    struct reply_message {
        uint8_t *bytes;
        size_t bytes_count;
    } * messages;
};
void reply_clear(struct reply *reply);
/* Fails the test unless the call ended with a code, a text that holds part, and no pushback. Clears the reply. */
void reply_expect(struct reply *reply, enum sw_rpc_code code, const char *part);
/* The same with a pushback. */
void reply_expect_pushback(struct reply *reply, enum sw_rpc_code code, const char *part, uint32_t pushback_ms);

/* Calls a method with one message. */
struct reply node_call(struct node *node, const char *method, const void *request, size_t request_bytes);
/* Calls a method with a request of protobuf-c. */
struct reply node_call_packed(struct node *node, const char *method, const ProtobufCMessage *request);

/* A call of several messages, sent one after the other; any of them may fail because the node has ended the call. */
struct stream;
struct stream *stream_open(struct node *node, const char *method);
/* Returns false where the call is over. */
bool stream_send(struct stream *stream, const void *message, size_t message_bytes);
bool stream_send_packed(struct stream *stream, const ProtobufCMessage *message);
/* Waits until count messages have come in all; false where the call is over before. */
bool stream_wait(struct stream *stream, size_t count);
/* A message that has come; its bytes live as long as the stream. */
struct reply_message stream_message(struct stream *stream, size_t index);
void stream_cancel(struct stream *stream);
/* Closes the sending side, waits for the end, and frees the stream. */
struct reply stream_close(struct stream *stream);
/* As stream_open for a method that takes one message, which is sent. */
struct stream *stream_open_with(struct node *node, const char *method, const ProtobufCMessage *request);
/* Waits for the end without closing, and frees the stream. */
struct reply stream_end(struct stream *stream);

/* A value of some bytes that is different for each number; the caller frees it. */
uint8_t *value_make(uint32_t number, size_t bytes);
/* Puts value_make(number, bytes) into the node's RocksDB and returns its key. */
struct sw_key node_put(struct node *node, uint32_t number, size_t bytes);

/* The info of a test's own store: empty, and writable. */
enum sw_status node_store_info(struct sw_store *store, struct sw_store_info *info, struct sw_error *error);

#endif
