/*
 * A node as its administrator has it: the one that runs on a data folder, over the socket in it; or, where none runs,
 * one that is started for it in this process and listens on that socket alone. So there is one way to do a thing,
 * online and offline.
 */
#ifndef SW_SERVER_ADMIN_NODE_H
#define SW_SERVER_ADMIN_NODE_H

#include "common/rpc.h"
#include "server/config.h"

struct sw_admin_node;

/*
 * Opens the node of a configuration, of which data counts, and all the rest where none runs yet; borrowed until close.
 * SW_NOT_FOUND where there is no such folder (with must_exist), SW_PERMISSION_DENIED, SW_IO_ERROR.
 */
enum sw_status sw_admin_node_open(const struct sw_config *config, bool must_exist, struct sw_admin_node **node,
                                  struct sw_error *error);
void sw_admin_node_close(struct sw_admin_node *node); /* NULL is allowed */
/* Whether it ran before, and goes on. */
bool sw_admin_node_runs(const struct sw_admin_node *node);

/* As struct sw_rpc_wait, with a method of symwave.v1 as "Admin/Backup", and no end to patience. */
struct sw_admin_call {
    const char *method;
    struct sw_rpc_message *request;
    struct sw_rpc_message *(*next)(void *user_data);
    bool (*message)(void *user_data, struct sw_rpc_message *message);
    void *user_data;
};
enum sw_status sw_admin_node_call(struct sw_admin_node *node, const struct sw_admin_call *call, struct sw_error *error);

#endif
