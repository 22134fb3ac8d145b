/*
 * JSON. Without memory an element is left out and standard error says so; all else of the command goes on.
 */
#include "client/cli/json_output.h"
#include "client/cli/cli.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static bool is_first; /* of the elements of the array that is being printed */

json_t *json_of_text(const char *text)
{
    json_t *json = json_string(text);

    if (!json) {
        char *ascii = strdup(text);
        for (char *at = ascii; at && *at != '\0'; at++)
            if ((unsigned char)*at >= 0x80)
                *at = '?';
        json = ascii ? json_string(ascii) : NULL;
        free(ascii);
    }
    return json;
}

/* Prints a value, which may be NULL, without its first skip characters, and frees it. */
static void print(json_t *json, size_t skip)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    if (text)
        fputs(text + skip, stdout);
    else
        print_error("no memory for the JSON output");
    free(text);
    json_decref(json);
}

static void print_element(json_t *json)
{
    if (!is_first)
        fputs(",\n", stdout);
    is_first = false;
    print(json, 0);
}

/* Takes the report's text. */
static json_t *report_of(char *report, enum sw_status status, const char *message)
{
    json_t *json = report ? json_loads(report, 0, NULL) : json_object();

    sw_free(report);
    if (json && !json_object_get(json, "status"))
        json_object_set_new(json, "status", json_of_text(sw_status_name(status)));
    if (json && message[0] != '\0')
        json_object_set_new(json, "error", json_of_text(message));
    return json;
}

void json_print_report(char *report, enum sw_status status, const char *message)
{
    print(report_of(report, status, message), 0);
    putchar('\n');
}

void json_store_begin(void)
{
    fputs("{\"stored\":[", stdout);
    is_first = true;
}

void json_store_symbol(const struct sw_key *key, const char *file, uint32_t replicas, uint32_t replicas_wanted)
{
    char text[SW_KEY_BASE58_SIZE];

    sw_key_to_base58(key, text);
    print_element(json_pack("{s:s,s:o,s:i,s:i}", "key", text, "file", json_of_text(file), "replicas", (int)replicas,
                            "replicas_wanted", (int)replicas_wanted));
}

void json_store_end(char *report, enum sw_status status, const char *message)
{
    /* The report's members follow in the object that is open: without its brace. */
    fputs("],", stdout);
    print(report_of(report, status, message), 1);
    putchar('\n');
}

void json_print_key(const struct sw_key *key)
{
    char base58[SW_KEY_BASE58_SIZE], hex[SW_KEY_HEX_SIZE], base64[SW_KEY_BASE64_SIZE];

    sw_key_to_base58(key, base58);
    sw_key_to_hex(key, hex);
    sw_key_to_base64(key, base64);
    print(json_pack("{s:s,s:s,s:s}", "base58", base58, "hex", hex, "base64", base64), 0);
    putchar('\n');
}

void json_print_node_list(const struct sw_node_list *list)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < sw_node_list_count(list); i++) {
        const struct sw_node *node = sw_node_list_at(list, i);
        json_array_append_new(
            nodes, json_pack("{s:o,s:o}", "id", json_of_text(node->id), "address", json_of_text(node->address)));
    }
    print(json_pack("{s:o}", "nodes", nodes), 0);
    putchar('\n');
}

void json_routes_begin(const char *task_id)
{
    fputs("{\"task\":", stdout);
    json_t *task = json_of_text(task_id);
    char *text = task ? json_dumps(task, JSON_ENCODE_ANY) : NULL;
    fputs(text ? text : "null", stdout);
    free(text);
    json_decref(task);
    fputs(",\"routes\":[", stdout);
    is_first = true;
}

void json_routes_add(const struct sw_key *key, const struct sw_route *route)
{
    char text[SW_KEY_BASE58_SIZE];
    json_t *candidates = json_array();

    sw_key_to_base58(key, text);
    for (uint32_t i = 0; i < route->candidate_count; i++)
        json_array_append_new(candidates, json_pack("{s:o,s:o}", "id", json_of_text(route->candidates[i].id), "address",
                                                    json_of_text(route->candidates[i].address)));
    print_element(json_pack("{s:s,s:i,s:o}", "key", text, "base", (int)route->base, "candidates", candidates));
}

void json_routes_end(void)
{
    fputs("]}\n", stdout);
}

void json_print_dry_run(const struct dry_run *result)
{
    printf("{\"bytes\":%llu,\"source_symbols\":%llu,\"symbols\":%llu,\"nodes\":[", (unsigned long long)result->bytes,
           (unsigned long long)result->source_symbols, (unsigned long long)result->symbols);
    is_first = true;
    for (uint64_t i = 0; i < result->node_count; i++)
        if (result->nodes[i].keys > 0)
            print_element(json_pack("{s:o,s:o,s:I,s:I}", "id", json_of_text(result->nodes[i].id), "address",
                                    json_of_text(result->nodes[i].address), "symbols",
                                    (json_int_t)result->nodes[i].keys, "bytes", (json_int_t)result->nodes[i].bytes));
    fputs("]}\n", stdout);
}

static json_t *node_of(const struct sw_node_status *node)
{
    return json_pack("{s:o,s:o,s:b,s:b,s:b,s:I,s:I,s:I,s:o,s:o,s:I,s:I,s:I,s:o}", "id", json_of_text(node->id),
                     "address", json_of_text(node->address), "reached", node->reached, "serving", node->serving,
                     "writable", node->writable, "symbol_count", (json_int_t)node->symbol_count, "stored_bytes",
                     (json_int_t)node->stored_bytes, "latency_us", (json_int_t)node->latency_us, "reported_id",
                     json_of_text(node->reported_id), "version", json_of_text(node->version), "keys_max",
                     (json_int_t)node->keys_max, "value_bytes_max", (json_int_t)node->value_bytes_max,
                     "message_bytes_max", (json_int_t)node->message_bytes_max, "error", json_of_text(node->error));
}

void json_print_nodes(struct sw_node_status *const *nodes, size_t count)
{
    fputs("{\"nodes\":[", stdout);
    is_first = true;
    for (size_t i = 0; i < count; i++)
        print_element(node_of(nodes[i]));
    fputs("]}\n", stdout);
}
