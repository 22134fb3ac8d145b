/*
 * Any bytes as what a node answers to StoreBatch, GetNodeInfo, FindNode and a health check: it is taken, or refused as
 * SW_PROTOCOL_ERROR with a text; what is told of it is whole. The first byte says which.
 */
#include "client/io/messages.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SYMBOLS 3

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void on_result(void *state, const uint8_t *key, size_t key_bytes, enum sw_stored stored, const char *reason)
{
    unsigned *results = state;
    uint8_t sum = 0;
    for (size_t i = 0; i < key_bytes; i++)
        sum ^= key[i]; /* all of it can be read */
    (void)sum;
    require(stored <= SW_STORED_REFUSED && strlen(reason) < SIZE_MAX);
    ++*results; /* more than there are symbols too: who reads them takes no more than it has sent */
}

static void on_node(void *state, const char *id, const char *address)
{
    (void)state;
    require(strlen(id) + strlen(address) < SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_rpc_message *message;
    struct sw_error error = {0};
    struct sw_node_status node = {0};
    enum sw_status status = SW_OK;
    unsigned results = 0;
    bool serving;
    if (size == 0 || !(message = sw_rpc_message_new()))
        return 0;
    sw_rpc_message_add_copy(message, data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        status = sw_message_read_store_response(message, SYMBOLS, on_result, &results, &error);
        break;
    case 1:
        status = sw_message_read_node_info(message, &node, &error);
        require(memchr(node.version, '\0', sizeof(node.version)) != NULL);
        break;
    case 2:
        status = sw_message_read_found_nodes(message, on_node, NULL, &error);
        break;
    default:
        status = sw_message_read_health(message, &serving, &error);
        break;
    }
    require(status == SW_OK || (status == SW_PROTOCOL_ERROR && error.message[0] != '\0'));
    sw_rpc_message_free(message);
    return 0;
}
