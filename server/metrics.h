/*
 * What a node counts, and its text for Prometheus (exposition format 0.0.4). Counting takes no lock and allocates
 * nothing; from any thread.
 */
#ifndef SW_SERVER_METRICS_H
#define SW_SERVER_METRICS_H

#include "common/rpc.h"
#include <stdio.h>

enum sw_metric {
    SW_METRIC_SYMBOLS_SENT,
    SW_METRIC_SYMBOL_BYTES_SENT,
    SW_METRIC_KEYS_MISSING,
    SW_METRIC_KEYS_HELD, /* said to be held, without the value */
    SW_METRIC_KEYS_LEFT_OUT,
    SW_METRIC_SYMBOLS_CORRUPT,
    SW_METRIC_SYMBOLS_SCRUBBED,
    SW_METRIC_SYMBOLS_SET_ASIDE,
    SW_METRIC_SYMBOLS_STORED,
    SW_METRIC_SYMBOL_BYTES_STORED,
    SW_METRIC_SYMBOLS_ALREADY_STORED,
    SW_METRIC_SYMBOLS_REFUSED,
    SW_METRIC_CALLS_BUSY,       /* refused for want of memory in all */
    SW_METRIC_CALLS_PEER_BUSY,  /* ... for the peer's share */
    SW_METRIC_CALLS_DENIED,     /* by access rules */
    SW_METRIC_CALLS_GIVEN_UP,   /* their clients took or sent nothing */
    SW_METRIC_MESSAGE_BYTES_IN, /* of all calls that are over */
    SW_METRIC_MESSAGE_BYTES_OUT,
    SW_METRICS
};

/* A method as it is counted. */
struct sw_metrics_method {
    const char *path; /* "/package.Service/Method"; borrowed */
    const char *type; /* "unary", "server_stream", "client_stream" or "bidi_stream" */
};

struct sw_metrics;

/* For these methods, whose array is borrowed, and one more for calls of others. NULL without memory. */
struct sw_metrics *sw_metrics_new(const struct sw_metrics_method *methods, size_t method_count);
void sw_metrics_free(struct sw_metrics *metrics); /* NULL is allowed */

void sw_metrics_add(struct sw_metrics *metrics, enum sw_metric metric, uint64_t count);
void sw_metrics_started(struct sw_metrics *metrics, size_t method);
void sw_metrics_ended(struct sw_metrics *metrics, size_t method, enum sw_rpc_code code, uint64_t us);

/* Writes all that is counted. */
void sw_metrics_write(const struct sw_metrics *metrics, FILE *out);
/* Writes one family of one value, with its help and type ("counter" or "gauge"). */
void sw_metrics_write_one(FILE *out, const char *name, const char *type, const char *help, double value);
/* Writes a label's value, with what has to be escaped. */
void sw_metrics_write_label(FILE *out, const char *value);
/* Writes what the process uses: processor time, memory, descriptors. */
void sw_metrics_write_process(FILE *out);

#endif
