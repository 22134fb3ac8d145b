/* The numbers of symwave/v1/symbol_store.proto and of protobuf's encoding that wire.c and wire_write.c share. */
#ifndef SW_WIRE_FORMAT_H
#define SW_WIRE_FORMAT_H

#include "common/wire.h"

/* Groups, 3 and 4, are not in proto3. */
enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5
};

#define VARINT_BYTES_MAX 10

/* RetrieveBatchResponse and its Symbol. */
enum {
    RESPONSE_SYMBOLS = 1,
    RESPONSE_MISSING = 2,
    RESPONSE_LEFT_OUT = 3,
    RESPONSE_LEFT_OUT_BYTES = 4,
    RESPONSE_CORRUPT = 5,
    RESPONSE_HELD = 6,
    RESPONSE_FIELDS
};
enum {
    SYMBOL_KEY = 1,
    SYMBOL_VALUE = 2
};

/* StoreBatchRequest and its StoreSymbol. */
enum {
    STORE_SYMBOLS = 1
};
enum {
    STORE_SYMBOL_VALUE = 1,
    STORE_SYMBOL_KEY = 2
};

#endif
