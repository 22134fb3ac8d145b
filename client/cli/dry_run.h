/* --dry-run of `get` and `put`: which nodes would be asked for a file's symbols, or sent them, and how many each. */
#ifndef SW_CLI_DRY_RUN_H
#define SW_CLI_DRY_RUN_H

#include "client/cli/cli.h"

/* What one node would have to do. */
struct dry_run_node {
    const char *id, *address;
    uint64_t keys;
    uint64_t bytes; /* of symbols */
};

struct dry_run {
    uint64_t bytes;          /* of the file */
    uint64_t source_symbols; /* of the layout */
    uint64_t symbols;        /* with the repair symbols */
    uint64_t node_count;
    struct dry_run_node *nodes; /* in the order of the node list; those without a key are in it too */
};

/*
 * Of a get: each source symbol at its primary, which is asked for it first. Nobody is asked. result is what there is to
 * do; the caller frees its nodes with free(), also where this fails.
 */
enum sw_status dry_run_get(const struct session *session, const struct sw_layout *layout, const char *task_id,
                           struct dry_run *result, struct sw_error *error);

/*
 * Of a put: each symbol at all of its candidates. Makes the symbols of the file, for their keys, and keeps none, but
 * needs room for a layout and a source block in $TMPDIR meanwhile; with the options' progress, cancel and deadline.
 */
enum sw_status dry_run_put(const struct session *session, const char *path, const struct sw_file_options *options,
                           struct dry_run *result, struct sw_error *error);

/* A table, or JSON. */
void dry_run_print(const struct dry_run *result, bool put, const char *path, bool json);

#endif
