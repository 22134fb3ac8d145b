/* Inside the administrator's commands. */
#ifndef SW_SERVER_ADMIN_COMMANDS_H
#define SW_SERVER_ADMIN_COMMANDS_H

#include "server/admin_node.h"
#include "server/admin_report.h"
#include "symwave/v1/admin.pb-c.h"

/* Exit statuses. */
#define SW_ADMIN_WHOLE   0
#define SW_ADMIN_DAMAGED 1 /* symbols were found, or given, that are not what they should be */
#define SW_ADMIN_USAGE   2
#define SW_ADMIN_FAILED  3

struct sw_admin_options {
    const char *data;
    const char *config;
    bool json;
    uint64_t bytes_per_second; /* 0: as the node is configured */
    char **args;
    size_t arg_count;
};

struct sw_admin_command {
    const char *name;
    const char *args; /* for --help */
    const char *doc;
    size_t args_min, args_max;
    bool has_rate;
    bool creates; /* the data folder need not exist */
    /*
     * Does it, adds to the report, and returns the exit status; SW_ADMIN_FAILED with error set. node is NULL for a
     * command that needs none.
     */
    int (*run)(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
               struct sw_error *error);
    bool needs_no_node;
};

/* admin_commands.c */
int sw_admin_stats(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                   struct sw_error *error);
int sw_admin_scrub(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                   struct sw_error *error);
int sw_admin_backup(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                    struct sw_error *error);
int sw_admin_delete(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                    struct sw_error *error);
int sw_admin_compact(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                     struct sw_error *error);
/* admin_restore.c */
int sw_admin_restore(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                     struct sw_error *error);
/* admin_export.c, admin_import.c */
int sw_admin_export(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                    struct sw_error *error);
int sw_admin_import(struct sw_admin_node *node, const struct sw_admin_options *options, struct sw_admin_report *report,
                    struct sw_error *error);

/*
 * Whether files that this process makes in a data folder are the node's own: root's would lock out a node that runs as
 * another user. SW_PERMISSION_DENIED where not; a folder that is not there is nobody's.
 */
enum sw_status sw_admin_check_owner(const char *data, struct sw_error *error);

/* Calls a method with a message of protobuf-c, freed, and keeps its one answer, which is the caller's. */
enum sw_status sw_admin_ask(struct sw_admin_node *node, const char *method, const void *request, size_t request_bytes,
                            struct sw_rpc_message **answer, struct sw_error *error);
/* The node's statistics, freed with protobuf-c's free_unpacked; NULL says why in error. */
Symwave__V1__GetStatsResponse *sw_admin_ask_stats(struct sw_admin_node *node, struct sw_error *error);

#endif
