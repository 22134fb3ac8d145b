/* Messages of protobuf-c to and from those of the gRPC layer, in memory of the SDK's. */
#ifndef SW_PROTOBUF_H
#define SW_PROTOBUF_H

#include "common/rpc.h"
#include <protobuf-c/protobuf-c.h>

/* What unpacked messages are made and freed with. */
extern ProtobufCAllocator sw_protobuf_allocator;

/* The message packed, in one to send. NULL without memory. */
struct sw_rpc_message *sw_protobuf_pack(const ProtobufCMessage *message);

#endif
