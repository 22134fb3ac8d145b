#include "client/cli/dry_run.h"
#include "client/cli/json_output.h"
#include "common/format.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Counts a symbol at its primary, or at all of its candidates. */
static void add_symbol(const struct sw_node_list *list, const struct sw_route *route, bool all, uint64_t bytes,
                       struct dry_run_node *nodes)
{
    for (uint32_t i = 0; i < route->candidate_count; i++) {
        size_t at;
        if ((all || i == route->base) && sw_node_list_find(list, route->candidates[i].id, &at)) {
            nodes[at].keys++;
            nodes[at].bytes += bytes;
        }
    }
}

/* Counts a layout's symbols: the source symbols at their primaries, or all at all of their candidates. */
static enum sw_status count(const struct session *session, const struct sw_layout *layout, const char *task_id,
                            bool all, struct dry_run *result, struct sw_error *error)
{
    const struct sw_raptorq_params *params = sw_layout_params(layout);
    const uint64_t symbol_bytes = 4u + params->symbol_bytes; /* with its FEC payload ID */
    const uint64_t node_count = sw_node_list_count(session->nodes);

    *result = (struct dry_run){.bytes = params->bytes, .node_count = node_count};
    result->nodes = calloc(node_count, sizeof(*result->nodes));
    if (!result->nodes)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a table of %llu nodes", (unsigned long long)node_count);
    for (uint64_t i = 0; i < node_count; i++) {
        const struct sw_node *node = sw_node_list_at(session->nodes, i);
        result->nodes[i] = (struct dry_run_node){.id = node->id, .address = node->address};
    }
    for (uint32_t sbn = 0; sbn < params->blocks; sbn++) {
        const struct sw_layout_block block = sw_layout_block_at(layout, sbn);
        const uint32_t keys = all ? block.k + block.repair : block.k;
        result->source_symbols += block.k;
        result->symbols += block.k + block.repair;
        for (uint32_t i = 0; i < keys; i++) {
            struct sw_route route;
            enum sw_status status = sw_client_route(session->client, &block.keys[i], task_id, &route, error);
            if (status != SW_OK)
                return status;
            add_symbol(session->nodes, &route, all, symbol_bytes, result->nodes);
        }
    }
    return SW_OK;
}

enum sw_status dry_run_get(const struct session *session, const struct sw_layout *layout, const char *task_id,
                           struct dry_run *result, struct sw_error *error)
{
    return count(session, layout, task_id ? task_id : "", false, result, error);
}

enum sw_status dry_run_put(const struct session *session, const char *path, const struct sw_file_options *options,
                           struct dry_run *result, struct sw_error *error)
{
    const char *base = getenv("TMPDIR");
    char folder[4096], layout_path[4096 + 16];
    struct sw_layout *layout = NULL;

    if (snprintf(folder, sizeof(folder), "%s/symwave-XXXXXX", base && *base ? base : "/tmp") >= (int)sizeof(folder) ||
        !mkdtemp(folder))
        return sw_error_set(error, SW_IO_ERROR, "%s: no folder for a layout: %s; set TMPDIR to one that can be written",
                            folder, strerror(errno));
    snprintf(layout_path, sizeof(layout_path), "%s/layout", folder);
    enum sw_status status = sw_encode_file(path, layout_path, NULL, options, NULL, error);
    if (status == SW_OK)
        status = sw_layout_load(layout_path, &layout, error);
    unlink(layout_path);
    rmdir(folder);
    if (status == SW_OK)
        status = count(session, layout, "", true, result, error);
    sw_layout_free(layout);
    return status;
}

static void print_table(const struct dry_run *result)
{
    char bytes[NUMBER_SIZE], id[256], address[256];
    int widths[2] = {4, 7};

    for (uint64_t i = 0; i < result->node_count; i++) {
        const struct dry_run_node *node = &result->nodes[i];
        const int columns[2] = {(int)strlen(printable(node->id, strlen(node->id), id, sizeof(id))),
                                (int)strlen(printable(node->address, strlen(node->address), address, sizeof(address)))};
        for (int c = 0; c < 2; c++)
            if (node->keys > 0 && columns[c] > widths[c])
                widths[c] = columns[c];
    }
    printf("%-*s  %-*s  %9s  %10s\n", widths[0], "NODE", widths[1], "ADDRESS", "SYMBOLS", "BYTES");
    for (uint64_t i = 0; i < result->node_count; i++) {
        const struct dry_run_node *node = &result->nodes[i];
        if (node->keys > 0)
            printf("%-*s  %-*s  %9llu  %10s\n", widths[0], printable(node->id, strlen(node->id), id, sizeof(id)),
                   widths[1], printable(node->address, strlen(node->address), address, sizeof(address)),
                   (unsigned long long)node->keys, format_bytes(node->bytes, bytes));
    }
}

void dry_run_print(const struct dry_run *result, bool put, const char *path, bool json)
{
    char bytes[NUMBER_SIZE], name[4096];

    if (json) {
        json_print_dry_run(result);
        return;
    }
    printf("%s: %s, %llu source and %llu repair symbols\n", printable(path, strlen(path), name, sizeof(name)),
           format_bytes(result->bytes, bytes), (unsigned long long)result->source_symbols,
           (unsigned long long)(result->symbols - result->source_symbols));
    printf(put ? "where symbols would be stored, if they are not there yet:\n"
               : "who would be asked first for the source symbols; any other symbol helps as much:\n");
    print_table(result);
}
