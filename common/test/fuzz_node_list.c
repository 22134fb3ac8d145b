/* Whatever the YAML is, reading it ends in a list or in an error of one line. */
#include "symwave/node_list.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_node_list *list = NULL;
    struct sw_error error = {0};
    enum sw_status status = sw_node_list_parse((const char *)data, size, "fuzz", &list, &error);

    if (status == SW_OK) {
        if (sw_node_list_count(list) == 0)
            abort();
        for (size_t i = 0; i < sw_node_list_count(list); i++) {
            const struct sw_node *node = sw_node_list_at(list, i);
            struct sw_node_list *copy = sw_node_list_new();
            if (strlen(node->id) > SW_NODE_ID_BYTES_MAX || sw_node_list_add(copy, node->id, node->address, NULL))
                abort();
            sw_node_list_free(copy);
        }
    } else if (list || error.status != status || error.message[0] == '\0' || strchr(error.message, '\n')) {
        abort();
    }
    sw_node_list_free(list);
    return 0;
}
