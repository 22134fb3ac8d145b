/*
 * Scripted nodes on loopback, spoken to over real gRPC, that hold the same values and answer in a manner each; and a
 * client on them.
 */
#ifndef SW_SCRIPTED_NODES_H
#define SW_SCRIPTED_NODES_H

#include "common/rpc.h"
#include "symwave/symwave.h"
#include <stdatomic.h>

#define NODES       6
#define VALUES      300
#define VALUE_BYTES 20000

enum manner {
    GOOD,
    GARBAGE,     /* a message that is no protobuf */
    BAD_BYTES,   /* a flipped bit */
    WRONG_KEY,   /* another symbol's right bytes under the key asked for */
    SHORT_KEY,   /* 31 bytes of key */
    UNASKED,     /* a right symbol that nobody asked for */
    DUPLICATES,  /* each symbol twice */
    EMPTY,       /* empty values */
    OVERSIZED,   /* a message above the client's limit */
    GIANT,       /* a message of half a gigabyte */
    FLOOD,       /* symbols without end */
    SILENT,      /* no answer at all */
    NO_ANSWERS,  /* OK, and not a word of the keys */
    ALL_MISSING, /* lies about having nothing */
    LEFT_OUT,    /* leaves everything out, for ever */
    CORRUPT,     /* says that its own copies are bad */
    HELD,        /* says that it holds them, which nobody asked, and sends none */
    FAILS,       /* an error status half-way */
    BUSY,        /* RESOURCE_EXHAUSTED at once */
    MANNERS
};

extern const char *const manner_names[MANNERS];

extern uint8_t values[VALUES + 1][VALUE_BYTES]; /* the last is never asked for */
extern struct sw_key keys[VALUES + 1];

/* Fills values and keys; first of all. */
void scripted_nodes_init(void);

struct scripted_node {
    enum manner manner;
    uint32_t pushback_ms; /* of a BUSY one; 0: none */
    atomic_uint requests; /* that came to it */
};

struct world {
    struct sw_client_options options; /* of the client; set before the start, where the defaults will not do */
    struct sw_rpc_loop *loop;
    struct sw_rpc_server *servers[NODES];
    struct scripted_node nodes[NODES]; /* n0, n1, ..; a pushback is to be set before the start */
    struct sw_client *client;
};

/* Starts the nodes, the first of them in a manner and the others good, and the client. */
void world_start(struct world *world, enum manner manner, uint32_t liars);
void world_stop(struct world *world);

#endif
