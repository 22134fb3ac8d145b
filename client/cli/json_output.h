/* JSON: what --json prints, on standard output. */
#ifndef SW_CLI_JSON_OUTPUT_H
#define SW_CLI_JSON_OUTPUT_H

#include "client/cli/dry_run.h"
#include "symwave/symwave.h"

/*
 * A string of jansson's; one that is not UTF-8, as a file's name may be, with '?' for whatever is not ASCII. NULL
 * without memory. For who makes JSON of its own.
 */
struct json_t *json_of_text(const char *text);

/*
 * A report, as sw_report_to_json has it, and "error" where message is not empty. report is freed; where it is NULL,
 * there is only the status.
 */
void json_print_report(char *report, enum sw_status status, const char *message);

/*
 * The same for `store`, with "stored", an array of the symbols, in front: its elements are printed one by one as they
 * become known.
 */
void json_store_begin(void);
void json_store_symbol(const struct sw_key *key, const char *file, uint32_t replicas, uint32_t replicas_wanted);
void json_store_end(char *report, enum sw_status status, const char *message);

/* {"base58":...,"hex":...,"base64":...} on one line. */
void json_print_key(const struct sw_key *key);

/* {"nodes":[{"id":...,"address":...}]}, which is a node list as well. */
void json_print_node_list(const struct sw_node_list *list);

/* {"task":...,"routes":[{"key":...,"base":n,"candidates":[{"id":...,"address":...}]}]}, one call a part. */
void json_routes_begin(const char *task_id);
void json_routes_add(const struct sw_key *key, const struct sw_route *route);
void json_routes_end(void);

/* {"bytes":...,"source_symbols":...,"symbols":...,"nodes":[{"id":...,"address":...,"symbols":...,"bytes":...}]} */
void json_print_dry_run(const struct dry_run *result);

/* {"nodes":[...]}, members named as the fields of struct sw_node_status. */
void json_print_nodes(struct sw_node_status *const *nodes, size_t count);

#endif
