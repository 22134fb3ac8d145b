/*
 * The reader of key lists over any bytes: it never takes more keys than the limit, and what it accepts is a request for
 * protobuf-c too, with the same contents.
 */
#include "server/messages.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEYS_MAX 4

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_key_request request;
    struct sw_error error = {0};
    if (sw_key_request_read(data, size, KEYS_MAX, &request, &error) != SW_OK) {
        REQUIRE(request.keys == NULL);
        REQUIRE(error.status == SW_INVALID_ARGUMENT && error.message[0] != '\0');
        return 0;
    }
    REQUIRE(request.count >= 1 && request.count <= KEYS_MAX);
    Symwave__V1__RetrieveBatchRequest *expected = symwave__v1__retrieve_batch_request__unpack(NULL, size, data);
    REQUIRE(expected != NULL);
    REQUIRE(expected->n_keys == request.count);
    for (size_t i = 0; i < request.count; i++)
        REQUIRE(memcmp(expected->keys[i].data, request.keys[i].bytes, SW_KEY_BYTES) == 0);
    REQUIRE(expected->max_bytes == request.max_bytes);
    REQUIRE((expected->verify != 0) == request.verify);
    REQUIRE((expected->keys_only != 0) == request.keys_only);
    symwave__v1__retrieve_batch_request__free_unpacked(expected, NULL);
    free(request.keys);
    return 0;
}
