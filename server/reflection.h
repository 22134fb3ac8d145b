/*
 * grpc.reflection.v1 and v1alpha: what a client without .proto files needs to call the node. The messages of the two
 * are the same on the wire, so one handler serves both.
 */
#ifndef SW_SERVER_REFLECTION_H
#define SW_SERVER_REFLECTION_H

#include "server/service.h"

struct sw_reflection;

/* Indexes the descriptor set that is part of the program. service is borrowed. NULL without memory. */
struct sw_reflection *sw_reflection_new(struct sw_service *service);
/* After the server has stopped. NULL is allowed. */
void sw_reflection_free(struct sw_reflection *reflection);
/* Ends the open streams with UNAVAILABLE: between two requests a stream may stay open for ever. Any thread. */
void sw_reflection_stop(struct sw_reflection *reflection);

/* The service is the struct sw_reflection. */
extern const struct sw_rpc_server_handler sw_reflection_handler;

#endif
