/* What those who watch a node get over HTTP, from the first moment of the process to its last. */
#ifndef SW_SERVER_WATCHING_H
#define SW_SERVER_WATCHING_H

#include "server/daemon.h"

enum sw_watched {
    SW_WATCHED_STARTING,
    SW_WATCHED_SERVING,
    SW_WATCHED_STOPPING,
};

struct sw_watching;

/* Listens where the configuration says so; else *watching does nothing. SW_IO_ERROR, SW_NO_MEMORY. */
enum sw_status sw_watching_start(const struct sw_config *config, const struct sw_logger *logger,
                                 struct sw_watching **watching, struct sw_error *error);
/* From now on the node is in that state, and made of daemon; NULL where there is none, as before it is freed. */
void sw_watching_set(struct sw_watching *watching, enum sw_watched state, struct sw_daemon *daemon);
void sw_watching_stop(struct sw_watching *watching); /* NULL is allowed */

#endif
