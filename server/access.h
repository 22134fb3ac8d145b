/*
 * Who may do what on a node: roles, given to names in client certificates and to bearer tokens. Reading and storing are
 * open to all who can connect where no rule is there for them; administration never is, but over the node's own socket,
 * which the file system guards.
 */
#ifndef SW_SERVER_ACCESS_H
#define SW_SERVER_ACCESS_H

#include "common/rpc.h"
#include "server/config.h"

enum sw_role {
    SW_ROLE_NONE, /* health: anybody */
    SW_ROLE_READ,
    SW_ROLE_STORE,
    SW_ROLE_ADMIN,
    SW_ROLES
};

struct sw_access;

/* The rules of a configuration, whose files are read. SW_NOT_FOUND, SW_IO_ERROR, SW_INVALID_ARGUMENT, SW_NO_MEMORY. */
enum sw_status sw_access_new(const struct sw_config *config, struct sw_access **access, struct sw_error *error);
void sw_access_free(struct sw_access *access); /* NULL is allowed */
/* Takes the rules of from, which is freed, in place of its own. From any thread. */
void sw_access_replace(struct sw_access *access, struct sw_access *from);

/* Whether a call has a role; else UNAUTHENTICATED or PERMISSION_DENIED, and in details what would give it. */
enum sw_rpc_code sw_access_check(struct sw_access *access, const struct sw_rpc_server_call *call, enum sw_role role,
                                 char *details, size_t details_bytes);

#endif
