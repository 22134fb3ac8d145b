/*
 * The messages of SymbolStore that common/wire.h leaves to the node: requests that are lists of keys, and the answers
 * of BatchGetValues and StoreBatch. protobuf-c would allocate many times a request's size before a limit could be
 * checked, and would copy every value.
 */
#ifndef SW_SERVER_MESSAGES_H
#define SW_SERVER_MESSAGES_H

#include "common/rpc.h"
#include "symwave/key.h"

/* A BatchGetValuesRequest or a RetrieveBatchRequest. */
struct sw_key_request {
    struct sw_key *keys; /* freed with free() */
    size_t count;        /* at least 1 */
    uint64_t max_bytes;
    bool verify;
    bool keys_only;
};

/*
 * Reads the bytes of a request. SW_INVALID_ARGUMENT with a message that names the field, the index and the limit, or
 * the byte at which it is malformed; SW_NO_MEMORY. On failure request->keys is NULL.
 */
enum sw_status sw_key_request_read(const uint8_t *bytes, size_t bytes_count, uint32_t keys_max,
                                   struct sw_key_request *request, struct sw_error *error);

/*
 * Appends one value to a BatchGetValuesResponse. value NULL: not found. The value is copied or external to the message,
 * as in sw_wire_add_symbol.
 */
void sw_message_add_value(struct sw_rpc_message *message, const struct sw_key *key, const uint8_t *value,
                          size_t value_bytes, void (*release)(void *release_data), void *release_data);
/* What sw_message_add_value adds to a message. */
size_t sw_message_value_bytes(size_t value_bytes);

/* As StoreResult.Outcome. */
enum sw_outcome {
    SW_OUTCOME_STORED = 1,
    SW_OUTCOME_ALREADY_STORED = 2,
    SW_OUTCOME_REFUSED = 3,
};

/* Reasons are cut to this. */
#define SW_STORE_REASON_BYTES_MAX 120
/* The most that one result takes in a StoreBatchResponse. */
#define SW_STORE_RESULT_BYTES_MAX (3 + 2 + SW_KEY_BYTES + 2 + 2 + SW_STORE_REASON_BYTES_MAX)

/* A StoreBatchResponse under construction. Begins as zeros. */
struct sw_store_answer {
    uint8_t *bytes;
    size_t count;
    size_t capacity;
};

/* Appends a result; reason is NULL except where it is refused. False without memory. */
bool sw_store_answer_add(struct sw_store_answer *answer, const struct sw_key *key, enum sw_outcome outcome,
                         const char *reason);
/* The answer as a message, which takes its bytes over. NULL without memory. */
struct sw_rpc_message *sw_store_answer_message(struct sw_store_answer *answer);
void sw_store_answer_clear(struct sw_store_answer *answer);

#endif
