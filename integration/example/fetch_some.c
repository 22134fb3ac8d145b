/* fetch_some NODES FOLDER KEY...: fetches half of the keys' symbols, whichever come first, into a folder. */
#include "symwave/symwave.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct sw_node_list *nodes = NULL;
    struct sw_client *client = NULL;
    struct sw_dir_sink *folder = NULL;
    struct sw_report *report = NULL;
    struct sw_error error = {.message = "usage: fetch_some NODES FOLDER KEY..."};
    size_t count = argc > 3 ? (size_t)argc - 3 : 0;
    struct sw_key *keys = calloc(count + 1, sizeof(*keys));
    enum sw_status status = keys && count > 0 ? SW_OK : SW_INVALID_ARGUMENT;

    for (size_t i = 0; status == SW_OK && i < count; i++)
        status = sw_key_from_base58(argv[i + 3], strlen(argv[i + 3]), &keys[i], &error);
    if (status == SW_OK)
        status = sw_node_list_load(argv[1], &nodes, &error);
    if (status == SW_OK)
        status = sw_client_open(NULL, nodes, &client, &error);
    if (status == SW_OK)
        status = sw_dir_sink_open(argv[2], &folder, &error);
    if (status == SW_OK) {
        struct sw_retrieve_options options = SW_RETRIEVE_OPTIONS_INIT;
        struct sw_sink sink = sw_dir_sink_as_sink(folder);
        options.task_id = "example";
        options.required = (count + 1) / 2;
        status = sw_retrieve_stream(client, keys, count, &options, &sink, &report, &error);
    }
    if (report)
        printf("%llu symbols in %s\n", (unsigned long long)report->found_network, argv[2]);
    if (status != SW_OK)
        fprintf(stderr, "fetch_some: %s\n", error.message);
    sw_report_free(report);
    sw_dir_sink_close(folder);
    sw_client_close(client);
    sw_node_list_free(nodes);
    free(keys);
    return status == SW_OK ? 0 : 1;
}
