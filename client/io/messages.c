/* Control messages through protobuf-c; the one file of the client that includes its code. */
#include "client/io/messages.h"
#include "common/memory.h"
#include "common/protobuf.h"
#include "grpc/health/v1/health.pb-c.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <stdio.h>

static ProtobufCBinaryData field_of(const struct sw_key *key)
{
    return (ProtobufCBinaryData){.len = SW_KEY_BYTES, .data = (uint8_t *)key->bytes};
}

/* Packs a request and frees its list of keys, which is NULL where there was no memory for it. NULL without memory. */
static struct sw_rpc_message *pack_and_free_keys(const Symwave__V1__RetrieveBatchRequest *request)
{
    struct sw_rpc_message *message = request->keys ? sw_protobuf_pack(&request->base) : NULL;
    sw_free(request->keys);
    return message;
}

struct sw_rpc_message *sw_message_retrieve_request(const struct sw_key *keys, const uint32_t *indexes, uint32_t count,
                                                   uint64_t max_bytes, bool verify)
{
    Symwave__V1__RetrieveBatchRequest request = SYMWAVE__V1__RETRIEVE_BATCH_REQUEST__INIT;
    request.n_keys = count;
    request.keys = sw_malloc(count * sizeof(*request.keys));
    for (uint32_t i = 0; request.keys && i < count; i++)
        request.keys[i] = field_of(&keys[indexes[i]]);
    request.max_bytes = max_bytes;
    request.verify = verify;
    return pack_and_free_keys(&request);
}

struct sw_rpc_message *sw_message_presence_request(const struct sw_key *const *keys, uint32_t count)
{
    Symwave__V1__RetrieveBatchRequest request = SYMWAVE__V1__RETRIEVE_BATCH_REQUEST__INIT;
    request.n_keys = count;
    request.keys = sw_malloc(count * sizeof(*request.keys));
    for (uint32_t i = 0; request.keys && i < count; i++)
        request.keys[i] = field_of(keys[i]);
    request.keys_only = true;
    request.max_bytes = 1; /* a node that knows no keys_only then sends nothing either, and calls no key held */
    return pack_and_free_keys(&request);
}

/* What a node may say beside symbols: of itself, and of each symbol that it was sent. */
#define INFO_BYTES_MAX   (64u << 10)
#define RESULT_BYTES_MAX 1024

static enum sw_status not_one(struct sw_error *error, const char *name)
{
    return sw_error_set(error, SW_PROTOCOL_ERROR, "the node's answer is no %s", name);
}

enum sw_status sw_message_read_store_response(struct sw_rpc_message *message, size_t symbols,
                                              void (*result)(void *state, const uint8_t *key, size_t key_bytes,
                                                             enum sw_stored stored, const char *reason),
                                              void *state, struct sw_error *error)
{
    Symwave__V1__StoreBatchResponse *response = sw_protobuf_unpack(
        &symwave__v1__store_batch_response__descriptor, message, INFO_BYTES_MAX + symbols * RESULT_BYTES_MAX);
    if (!response)
        return not_one(error, "StoreBatchResponse");
    for (size_t i = 0; i < response->n_results; i++) {
        const Symwave__V1__StoreResult *from = response->results[i];
        enum sw_stored stored = SW_STORED_REFUSED;
        if (from->outcome == SYMWAVE__V1__STORE_RESULT__OUTCOME__STORED)
            stored = SW_STORED_NEW;
        else if (from->outcome == SYMWAVE__V1__STORE_RESULT__OUTCOME__ALREADY_STORED)
            stored = SW_STORED_PRESENT;
        result(state, from->key.data, from->key.len, stored, from->reason ? from->reason : "");
    }
    symwave__v1__store_batch_response__free_unpacked(response, &sw_protobuf_allocator);
    return SW_OK;
}

enum sw_status sw_message_read_node_info(struct sw_rpc_message *message, struct sw_node_status *status,
                                         struct sw_error *error)
{
    Symwave__V1__GetNodeInfoResponse *info =
        sw_protobuf_unpack(&symwave__v1__get_node_info_response__descriptor, message, INFO_BYTES_MAX);
    if (!info)
        return not_one(error, "GetNodeInfoResponse");
    snprintf(status->reported_id, sizeof(status->reported_id), "%s", info->node_id);
    snprintf(status->version, sizeof(status->version), "%s", info->version);
    status->writable = info->writable;
    status->symbol_count = info->symbol_count;
    status->stored_bytes = info->stored_bytes;
    if (info->limits) {
        status->keys_max = info->limits->keys_max;
        status->value_bytes_max = info->limits->value_bytes_max;
        status->message_bytes_max = info->limits->message_bytes_max;
    }
    symwave__v1__get_node_info_response__free_unpacked(info, &sw_protobuf_allocator);
    return SW_OK;
}

struct sw_rpc_message *sw_message_health_request(void)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = (char *)"symwave.v1.SymbolStore";
    return sw_protobuf_pack(&request.base);
}

enum sw_status sw_message_read_health(struct sw_rpc_message *message, bool *serving, struct sw_error *error)
{
    Grpc__Health__V1__HealthCheckResponse *response =
        sw_protobuf_unpack(&grpc__health__v1__health_check_response__descriptor, message, INFO_BYTES_MAX);
    if (!response)
        return not_one(error, "HealthCheckResponse");
    *serving = response->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    grpc__health__v1__health_check_response__free_unpacked(response, &sw_protobuf_allocator);
    return SW_OK;
}

/* Sixteen nodes with their names. */
#define FOUND_BYTES_MAX (16u << 10)

struct sw_rpc_message *sw_message_find_node_request(const struct sw_key *target)
{
    Symwave__V1__FindNodeRequest request = SYMWAVE__V1__FIND_NODE_REQUEST__INIT;
    request.target = field_of(target);
    return sw_protobuf_pack(&request.base);
}

enum sw_status sw_message_read_found_nodes(struct sw_rpc_message *message,
                                           void (*found)(void *state, const char *id, const char *address), void *state,
                                           struct sw_error *error)
{
    Symwave__V1__FindNodeResponse *response =
        sw_protobuf_unpack(&symwave__v1__find_node_response__descriptor, message, FOUND_BYTES_MAX);
    if (!response)
        return sw_error_set(error, SW_PROTOCOL_ERROR, "FindNode: the answer is malformed");
    for (size_t i = 0; i < response->n_nodes; i++)
        found(state, response->nodes[i]->id, response->nodes[i]->address);
    symwave__v1__find_node_response__free_unpacked(response, &sw_protobuf_allocator);
    return SW_OK;
}
