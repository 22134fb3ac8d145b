/*
 * The messages that carry symbols, read and written without copying their values: RetrieveBatchResponse and
 * StoreBatchRequest. All other messages go through protobuf-c.
 *
 * Source: the Protocol Buffers encoding, proto3; symwave/v1/symbol_store.proto has the field numbers.
 */
#ifndef SW_WIRE_H
#define SW_WIRE_H

#include "common/rpc.h"
#include "symwave/key.h"

/* ---- writing ---- */

/* Values of up to so many bytes are copied into their message, and released at once. */
#define SW_WIRE_COPY_BYTES_MAX ((size_t)4096)

/* Appends RetrieveBatchResponse.symbols with one symbol. A value that is not copied is external, as in add_external. */
void sw_wire_add_symbol(struct sw_rpc_message *message, const struct sw_key *key, const void *value, size_t value_bytes,
                        void (*release)(void *release_data), void *release_data);
/* Appends one key to RetrieveBatchResponse.missing, .left_out, .corrupt or .held. */
void sw_wire_add_missing(struct sw_rpc_message *message, const struct sw_key *key);
void sw_wire_add_left_out(struct sw_rpc_message *message, const struct sw_key *key);
void sw_wire_add_corrupt(struct sw_rpc_message *message, const struct sw_key *key);
void sw_wire_add_held(struct sw_rpc_message *message, const struct sw_key *key);
/* Appends RetrieveBatchResponse.left_out_bytes. */
void sw_wire_add_left_out_bytes(struct sw_rpc_message *message, uint64_t bytes);

/* Appends StoreBatchRequest.symbols with one value, external as above, without its optional key. */
void sw_wire_add_store_value(struct sw_rpc_message *message, const void *value, size_t value_bytes,
                             void (*release)(void *release_data), void *release_data);

/* ---- reading ---- */

/* A value inside a received message; it may straddle segments. */
struct sw_wire_value {
    const struct sw_rpc_message *message;
    size_t segment; /* where it begins */
    size_t offset;  /* in that segment */
    size_t bytes;
};

/* The value in a row: a pointer into the message where it lies in one segment, else copied to scratch (>= bytes). */
const uint8_t *sw_wire_value_flatten(const struct sw_wire_value *value, uint8_t *scratch);

/* What a reader is told, in the order of the message; each may be NULL. Return false to stop. */
struct sw_wire_response_handler {
    bool (*symbol)(void *state, const struct sw_key *key, const struct sw_wire_value *value);
    bool (*missing)(void *state, const struct sw_key *key);
    bool (*left_out)(void *state, const struct sw_key *key);
    bool (*corrupt)(void *state, const struct sw_key *key);
    bool (*left_out_bytes)(void *state, uint64_t bytes);
    bool (*held)(void *state, const struct sw_key *key);
};

/*
 * Reads a RetrieveBatchResponse. Unknown fields are passed over. SW_PROTOCOL_ERROR where it is not one (the error names
 * the field and the byte), a key is not 32 bytes, or a symbol lacks its key; what was told before stays told.
 */
enum sw_status sw_wire_read_response(const struct sw_rpc_message *message,
                                     const struct sw_wire_response_handler *handler, void *state,
                                     struct sw_error *error);

/*
 * Reads a StoreBatchRequest. key_bytes is as it came: 0 where there was none, and not necessarily 32; no more than the
 * first 32 of them may be read from key, during the call.
 */
enum sw_status sw_wire_read_store_request(const struct sw_rpc_message *message,
                                          bool (*symbol)(void *state, const struct sw_wire_value *value,
                                                         const uint8_t *key, size_t key_bytes),
                                          void *state, struct sw_error *error);

#endif
