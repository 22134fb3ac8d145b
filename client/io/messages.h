/* The control messages of the wire as the client writes and reads them; symbols themselves go through common/wire.h. */
#ifndef SW_MESSAGES_H
#define SW_MESSAGES_H

#include "common/rpc.h"
#include "symwave/client.h"

#define SW_METHOD_RETRIEVE_BATCH "/symwave.v1.SymbolStore/RetrieveBatch"
#define SW_METHOD_STORE_BATCH    "/symwave.v1.SymbolStore/StoreBatch"
#define SW_METHOD_GET_NODE_INFO  "/symwave.v1.SymbolStore/GetNodeInfo"
#define SW_METHOD_FIND_NODE      "/symwave.v1.SymbolStore/FindNode"
#define SW_METHOD_HEALTH_CHECK   "/grpc.health.v1.Health/Check"

/* A RetrieveBatchRequest for keys[indexes[0 .. count)]; NULL without memory. */
struct sw_rpc_message *sw_message_retrieve_request(const struct sw_key *keys, const uint32_t *indexes, uint32_t count,
                                                   uint64_t max_bytes, bool verify);
/* A RetrieveBatchRequest that asks which of count keys, at least 1, the node holds; NULL without memory. */
struct sw_rpc_message *sw_message_presence_request(const struct sw_key *const *keys, uint32_t count);

enum sw_stored {
    SW_STORED_NEW,
    SW_STORED_PRESENT,
    SW_STORED_REFUSED,
};

/*
 * Reads a StoreBatchResponse to so many symbols, telling each result in order; reason is empty where there is none.
 * SW_PROTOCOL_ERROR where it is not one.
 */
enum sw_status sw_message_read_store_response(struct sw_rpc_message *message, size_t symbols,
                                              void (*result)(void *state, const uint8_t *key, size_t key_bytes,
                                                             enum sw_stored stored, const char *reason),
                                              void *state, struct sw_error *error);

/* Reads a GetNodeInfoResponse into the fields of status that it has. */
enum sw_status sw_message_read_node_info(struct sw_rpc_message *message, struct sw_node_status *status,
                                         struct sw_error *error);

/* A FindNodeRequest for as many as a node tells of; NULL without memory. */
struct sw_rpc_message *sw_message_find_node_request(const struct sw_key *target);
/* Reads a FindNodeResponse, telling each node in order. SW_PROTOCOL_ERROR where it is not one. */
enum sw_status sw_message_read_found_nodes(struct sw_rpc_message *message,
                                           void (*found)(void *state, const char *id, const char *address), void *state,
                                           struct sw_error *error);

/* A HealthCheckRequest for the symbol store, and whether an answer says that it serves. NULL without memory. */
struct sw_rpc_message *sw_message_health_request(void);
enum sw_status sw_message_read_health(struct sw_rpc_message *message, bool *serving, struct sw_error *error);

#endif
