/*
 * A node over a store, serving: the service, health and reflection on one server, with their threads, started and
 * stopped in the right order.
 */
#ifndef SW_SERVER_DAEMON_H
#define SW_SERVER_DAEMON_H

#include "server/config.h"
#include <stdio.h>

struct sw_daemon;

/*
 * Starts to serve. config's strings, store and logger are borrowed until sw_daemon_free. *port is the port it listens
 * on; may be NULL. SW_IO_ERROR where it cannot listen or start a thread; SW_NO_MEMORY.
 */
enum sw_status sw_daemon_start(const struct sw_config *config, struct sw_store *store, const struct sw_logger *logger,
                               struct sw_daemon **daemon, int *port, struct sw_error *error);

/*
 * Takes in what may change while it serves; what cannot stays as it was. config is borrowed for the call. One call at a
 * time.
 */
void sw_daemon_reload(struct sw_daemon *daemon, const struct sw_config *config);

/* Writes the node's metrics for Prometheus. Any thread; not after free. */
void sw_daemon_write_metrics(struct sw_daemon *daemon, FILE *out);

/* Tells those who watch that it stops serving, without stopping. */
void sw_daemon_set_serving(struct sw_daemon *daemon, bool serving);

/*
 * Stops: health says NOT_SERVING, no call is taken any more, calls under way may finish for grace_ms and are then
 * cancelled. Blocks, for as long as the store holds a read. Returns how many were cancelled.
 */
size_t sw_daemon_stop(struct sw_daemon *daemon, uint32_t grace_ms);

/* After stop. From then on nothing uses the store, and all of its values are released. NULL is allowed. */
void sw_daemon_free(struct sw_daemon *daemon);

#endif
