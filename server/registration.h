/*
 * The node's entry at etcd, where clients find it: put under a lease, which a thread of its own renews, so that the
 * entry of a node that is gone goes too.
 */
#ifndef SW_SERVER_REGISTRATION_H
#define SW_SERVER_REGISTRATION_H

#include "server/config.h"

struct sw_registration;

/*
 * Registers the node under an address from now on, trying again and again where etcd cannot be reached. *registration
 * is NULL where the configuration names no etcd. logger is borrowed. SW_INVALID_ARGUMENT, SW_IO_ERROR, SW_NO_MEMORY.
 */
enum sw_status sw_registration_start(const struct sw_config *config, const char *address,
                                     const struct sw_logger *logger, struct sw_registration **registration,
                                     struct sw_error *error);
/* Takes the entry away, if etcd can be reached within seconds. NULL is allowed. */
void sw_registration_stop(struct sw_registration *registration);

#endif
