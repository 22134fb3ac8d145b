/* put_get NODES FILE LAYOUT COPY: puts a file on the nodes, gets it back as COPY, and says what both took. */
#include "symwave/symwave.h"
#include <stdio.h>

int main(int argc, char **argv)
{
    struct sw_node_list *nodes = NULL;
    struct sw_client *client = NULL;
    struct sw_layout *layout = NULL;
    struct sw_put_report *put = NULL;
    struct sw_get_report *got = NULL;
    struct sw_error error = {.message = "usage: put_get NODES FILE LAYOUT COPY"};
    enum sw_status status = argc == 5 ? SW_OK : SW_INVALID_ARGUMENT;

    sw_process_tune();
    if (status == SW_OK)
        status = sw_node_list_load(argv[1], &nodes, &error);
    if (status == SW_OK)
        status = sw_client_open(NULL, nodes, &client, &error);
    if (status == SW_OK)
        status = sw_put_file(client, argv[2], argv[3], NULL, &put, &error);
    if (status == SW_OK)
        status = sw_layout_load(argv[3], &layout, &error);
    if (status == SW_OK)
        status = sw_get_file(client, layout, argv[4], NULL, &got, &error);
    if (status == SW_OK)
        printf("%llu replicas placed, %llu symbols taken\n", (unsigned long long)put->store->replicas_placed,
               (unsigned long long)got->taken);
    else
        fprintf(stderr, "put_get: %s\n", error.message);
    sw_get_report_free(got);
    sw_put_report_free(put);
    sw_layout_free(layout);
    sw_client_close(client);
    sw_node_list_free(nodes);
    return status == SW_OK ? 0 : 1;
}
