/* For the tests of wire.h: messages cut into segments, and what a reader tells, kept as protobuf-c's structs. */
#ifndef SW_TEST_WIRE_TOLD_H
#define SW_TEST_WIRE_TOLD_H

#include "common/wire.h"
#include "symwave/v1/symbol_store.pb-c.h"

typedef Symwave__V1__RetrieveBatchResponse Response;
typedef Symwave__V1__StoreBatchRequest StoreRequest;

/* Random numbers: seed_random is a group's setup, and takes the seed from SYMWAVE_SEED. */
int seed_random(void **state);
uint64_t random_next(void);

/* Bytes as a message of one segment (how 0), of single bytes (1), or of random pieces (2). */
struct sw_rpc_message *cut(const uint8_t *bytes, size_t count, int how);

struct told {
    Response response;
    size_t left_out_bytes_count;
    StoreRequest request;
    size_t stop_after; /* callbacks; 0: never */
    size_t callbacks;
};
void told_init(struct told *told);
void told_clear(struct told *told);

/* Handlers whose state is a struct told. */
extern const struct sw_wire_response_handler all_handlers;
bool on_store(void *state, const struct sw_wire_value *value, const uint8_t *key, size_t key_bytes);

/* Free what is inside, of malloc. */
void response_clear(Response *response);
void request_clear(StoreRequest *request);

/* As protobuf-c packs them; the caller frees. */
uint8_t *pack_response(const Response *response, size_t *count);
uint8_t *pack_request(const StoreRequest *request, size_t *count);

#endif
