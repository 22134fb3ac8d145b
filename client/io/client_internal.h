/*
 * What the files of client/io share: the client, its set of nodes, and the means to cancel.
 *
 * Locks, taken in this order: a store's, then the client's. The network thread takes neither for long: it hands what
 * comes to the pool.
 */
#ifndef SW_CLIENT_INTERNAL_H
#define SW_CLIENT_INTERNAL_H

#include "client/core/wave.h"
#include "client/io/security.h"
#include "common/clock.h"
#include "common/cond.h"
#include "common/log.h"
#include "common/pool.h"
#include "common/rpc.h"
#include "symwave/client.h"
#include <pthread.h>
#include <stdatomic.h>

/* One node as a connection; shared by the node sets that name it. */
struct peer {
    atomic_uint references;
    char *id;
    char *address;
    /* under the client's lock */
    struct sw_rpc_channel *channel; /* made when it is first needed */
};

/* The node list that some work runs on: made whole, then only counted and read. */
struct node_set {
    atomic_uint references;
    uint32_t count;
    struct peer **peers;
    struct sw_key *places;
    uint32_t *listed; /* where each is in the list that the set was made of */
    struct sw_route_table *table;
    /* under the client's lock */
    struct sw_wave_node_health *health;
};

struct retrieval;

struct sw_client {
    /* constant */
    struct sw_client_options options; /* defaults filled in */
    struct sw_security security;
    struct sw_logger logger;
    struct sw_rpc_loop *loop;
    struct sw_pool *pool;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t budget_freed; /* for stores that wait for room */
    struct sw_budget budget;
    struct node_set *nodes;
    struct retrieval *retrievals; /* all that are running, for when the budget gets room */
    uint32_t stores_waiting;
};

/* The client's present nodes, for the caller to unref. */
struct node_set *sw_client_nodes(struct sw_client *client);
void sw_node_set_unref(struct node_set *set);

/* The channel to a node, made now if need be; NULL without memory. Under the client's lock. */
struct sw_rpc_channel *sw_peer_channel(struct sw_client *client, struct peer *peer);

/* Tells everyone who waits for room in the budget, but for except, to look again. Under the client's lock. */
void sw_client_budget_freed(struct sw_client *client, const struct retrieval *except);

/* Makes a retrieval look at its engine soon. Under the client's lock. In retrieve.c. */
void sw_retrieval_poke(struct retrieval *retrieval);
bool sw_retrieval_wants_budget(const struct retrieval *retrieval);
/* Tells a retrieval that the client's nodes are others now. Under the client's lock. */
void sw_retrieval_nodes_changed(struct retrieval *retrieval);
struct retrieval *sw_retrieval_next(const struct retrieval *retrieval);

/* ---- cancelling: in cancel.c ---- */

/* Something that is told when a cancel is fired. */
struct cancel_hook {
    void (*fired)(struct cancel_hook *hook);
    struct cancel_hook *next;
};

/* Tells the hook at once when it has been fired already. cancel may be NULL, nothing then happens. */
void sw_cancel_attach(struct sw_cancel *cancel, struct cancel_hook *hook);
/* When this has returned, the hook is not called any more. */
void sw_cancel_detach(struct sw_cancel *cancel, struct cancel_hook *hook);
/* Whether it has been fired; NULL never is. Any thread. */
bool sw_cancel_is_fired(struct sw_cancel *cancel);

/* ---- small things ---- */

/* Fills options from the caller's, of which only the first size bytes exist; fields it lacks are 0. */
#define SW_OPTIONS_COPY(to, from)                                                                                      \
    do {                                                                                                               \
        memset((to), 0, sizeof(*(to)));                                                                                \
        if (from)                                                                                                      \
            memcpy((to), (from), (from)->size < sizeof(*(to)) ? (from)->size : sizeof(*(to)));                         \
    } while (0)

#endif
