/*
 * grpc.health.v1: whether the node serves, on request (Check) and on change (Watch). The whole node and each of its
 * services have one status, and the storing of symbols, "symwave.v1.SymbolStore/write", has its own.
 */
#ifndef SW_SERVER_HEALTH_H
#define SW_SERVER_HEALTH_H

#include "server/service.h"

struct sw_health;

/* Begins as SERVING. service is borrowed. NULL without memory. */
struct sw_health *sw_health_new(struct sw_service *service);
/* After the server has stopped. NULL is allowed. */
void sw_health_free(struct sw_health *health);

/* Changes the status, and tells all who watch. Any thread. */
void sw_health_set(struct sw_health *health, bool serving);
/* The same for "symwave.v1.SymbolStore/write": whether symbols are stored. Any thread. */
void sw_health_set_writable(struct sw_health *health, bool writable);
/* Changes the status to NOT_SERVING for good, tells all who watch, and ends their calls with UNAVAILABLE. Any thread.
 */
void sw_health_stop(struct sw_health *health);

/* The service of both is the struct sw_health. */
extern const struct sw_rpc_server_handler sw_health_check_handler;
extern const struct sw_rpc_server_handler sw_health_watch_handler;

#endif
