/*
 * The HTTP port for those who watch a node: /metrics, /livez, /readyz, /channelz. Plain HTTP, GET only, with threads of
 * its own.
 */
#ifndef SW_SERVER_HTTP_H
#define SW_SERVER_HTTP_H

#include "symwave/status.h"
#include <stdio.h>

/* What is asked; from the HTTP thread. */
struct sw_http_handler {
    /* Whether the node serves; else why not, in reason. */
    bool (*is_ready)(void *user_data, const char **reason);
    /* Writes the metrics. */
    void (*metrics)(void *user_data, FILE *out);
};

struct sw_http;

/* Listens on HOST:PORT. handler is copied. *port is the port; SW_IO_ERROR, SW_INVALID_ARGUMENT, SW_NO_MEMORY. */
enum sw_status sw_http_start(const char *listen, const struct sw_http_handler *handler, void *user_data,
                             struct sw_http **http, int *port, struct sw_error *error);
/* Ends all connections. NULL is allowed. */
void sw_http_stop(struct sw_http *http);

#endif
