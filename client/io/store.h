/*
 * One store at work: what store.c (the source, the symbols, the caller's thread), store_ask.c (what nodes hold already)
 * and store_stream.c (the StoreBatch streams to the nodes) share.
 *
 * Symbols are added to one open stream a node. A stream is closed, which asks the node for its answer, when half of the
 * budget waits for answers, when the stream is full, when the source gives nothing for a while, or when it ends. With
 * ask_first, symbols are collected for each node instead; on the same occasions the node is asked which of them it
 * holds, and the others go into a stream of their own.
 *
 * A symbol's bytes are kept until each of its nodes has answered. They are a copy, which gRPC holds references to: a
 * connection that is stuck may keep some for long after their stream was cancelled, and nobody waits for that.
 */
#ifndef SW_CLIENT_STORE_H
#define SW_CLIENT_STORE_H

#include "client/io/client_internal.h"

struct store_stream;
struct store_ask;

/* Bytes that the symbol and each message that is not sent yet refer to. */
struct stored_value {
    atomic_uint references;
    size_t bytes_count;
    uint8_t bytes[];
};

/* A symbol on its way to its nodes. */
struct stored {
    struct stored *next; /* in the order of the source */
    struct sw_key key;
    uint64_t index; /* in the source */
    size_t bytes_count;
    uint64_t reserved_bytes;
    uint32_t replicas_wanted;
    /* under the store's lock */
    struct stored_value *value; /* NULL once every node has answered */
    uint32_t replicas_open;     /* nodes that have not answered */
    uint32_t replicas;          /* nodes that hold it */
};

/* Symbols on their way to one node. */
struct stored_list {
    struct stored **items;
    size_t count, capacity;
};
/* False without memory. */
bool sw_stored_list_add(struct stored_list *list, struct stored *symbol);

struct store_node {
    struct store_stream *open;    /* takes symbols; NULL: the next symbol opens one */
    struct store_ask *collecting; /* takes symbols with ask_first; NULL: the next symbol begins one */
    uint64_t down_until_us;       /* not tried before */
    uint32_t failures;            /* in a row */
    uint32_t requests;            /* under way */
    struct sw_report_node report;
};

struct store_run {
    /* constant */
    struct sw_client *client;
    struct node_set *nodes;
    struct sw_store_options options;
    uint64_t started_us;
    bool all_taken; /* the source has come to its end */
    uint64_t deadline_us;
    struct cancel_hook cancel_hook;
    struct sw_timer linger;

    /* under the client's lock */
    uint64_t reserved_bytes;

    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool linger_set;              /* the timer is armed, or its task queued or running */
    uint64_t added_us;            /* when the last symbol was added to its streams */
    struct store_node *node;      /* one a node of the set */
    struct store_stream *streams; /* that have not ended */
    struct store_ask *asks;       /* that have not ended */
    struct stored *first, **last; /* not told about yet */
    uint64_t unanswered_bytes;    /* of symbols that wait for a flush */
    uint64_t unsent_bytes;        /* in all streams, each replica counted */
    bool cancelled;
    struct sw_store_report report; /* counts */
    uint64_t symbols_done, bytes_done;
    uint32_t requests, nodes_at_work; /* under way; nodes that have some */
};

/* A node has answered for a symbol, or has failed to. Under the store's lock. */
void sw_store_replica_done(struct store_run *run, struct stored *symbol, struct store_node *node, bool placed);

/* Gives up one reference to a symbol's bytes. Any thread, any lock held. */
void sw_store_value_unref(struct stored_value *value);

/* A request to a node was sent; has ended. Under the store's lock. */
void sw_store_request_sent(struct store_run *run, uint32_t node);
void sw_store_request_ended(struct store_run *run, uint32_t node);

/* Notes the first failure of the store and the node's last one. Under the store's lock. */
void sw_store_note_failure(struct store_run *run, uint32_t node, const char *text);

/* Sends on whatever waits for more to come with it: to be called when nothing may come for a while. */
void sw_store_flush(struct store_run *run);

/* A call to a node failed: it is left alone for a while. Under the store's lock. */
void sw_store_node_failed(struct store_run *run, uint32_t node, bool timed_out, const char *text);

/* Whether a node is left alone at this time. */
bool sw_store_node_is_down(const struct store_run *run, uint32_t node);

/* The report of a store that is over; the caller's to free. NULL without memory. In report_build.c. */
struct sw_store_report *sw_report_of_store(const struct store_run *run);

/* ---- store_stream.c; all under the store's lock ---- */

/* Adds a symbol to a node's open stream, opening one if need be. */
void sw_store_stream_add(struct store_run *run, uint32_t node, struct stored *symbol);
/* Closes a node's open stream, if it has one, or every open stream: nodes answer once they have everything. */
void sw_store_stream_close(struct store_run *run, uint32_t node);
void sw_store_streams_close(struct store_run *run);
/* Cancels streams that are too slow at a time. */
void sw_store_streams_cancel_slow(struct store_run *run, uint64_t now_us);
/* Cancels all streams, for the store ends early. */
void sw_store_streams_give_up(struct store_run *run);

/* Whether any stream is closed, and its answer still to come. */
bool sw_store_streams_are_due(const struct store_run *run);

/* ---- store_ask.c; all under the store's lock ---- */

/* Adds a symbol to those that the node is asked about next. */
void sw_store_ask_add(struct store_run *run, uint32_t node, struct stored *symbol);
/* Asks each node about what has been collected for it. */
void sw_store_asks_send(struct store_run *run);
/* As the two of streams. */
void sw_store_asks_cancel_slow(struct store_run *run, uint64_t now_us);
void sw_store_asks_give_up(struct store_run *run);
uint32_t sw_store_asks_in_flight(const struct store_run *run);

#endif
