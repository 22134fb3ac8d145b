/*
 * Traces: what a retrieval asked of which node, and when, request by request. For finding out why one was slow.
 */
#ifndef SYMWAVE_TRACE_H
#define SYMWAVE_TRACE_H

#include "symwave/status.h"
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a request ended. */
enum sw_trace_end {
    SW_TRACE_ANSWERED,  /* the node said that it was through */
    SW_TRACE_CANCELLED, /* the retrieval was over before */
    SW_TRACE_BEATEN,    /* other nodes gave all that was still open in it */
    SW_TRACE_SLOW,      /* given up as too slow, its keys asked elsewhere */
    SW_TRACE_FAILED,    /* the node or the connection failed, the node had no room, or it broke the protocol */
};

/* The name of an end, as "answered"; never NULL. Any thread; does not block. */
SW_PUBLIC const char *sw_trace_end_name(enum sw_trace_end end);

/* One request to one node. Times are microseconds from the start of the call that it belongs to. Grows at its end. */
struct sw_trace_request {
    uint64_t id; /* distinct within the call, never 0; a request that was sent later has a higher one */
    const char *node_id;
    const char *address;
    uint64_t started_us;
    uint64_t first_answer_us; /* when the first message of the answer had come to this machine; 0: none came */
    uint64_t ended_us;        /* when the end had come, whatever was still to be checked then */
    uint32_t keys;            /* that it asked for */
    uint32_t found;           /* symbols that were taken */
    uint32_t missing;         /* keys that the node said it lacks */
    uint32_t corrupt;         /* symbols that do not hash to their keys, or of which the node says so itself */
    uint64_t bytes;           /* of the values that came, wanted or not */
    uint32_t wave;            /* the lowest of its keys' waves */
    bool hedge;               /* asks for keys of which an answer of another node is overdue */
    enum sw_trace_end end;
    const char *error; /* the reason, one line, for SW_TRACE_FAILED; NULL for all others. May be a node's own words */
};

/* Told of each request that is over, in the order in which they are; what request points to is valid during the call.
 */
typedef void (*sw_trace_fn)(const struct sw_trace_request *request, void *user_data);

#ifdef __cplusplus
}
#endif

#endif
